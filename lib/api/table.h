/* Server-side Table output: columns and cells of a kind as kubectl prints them. Pure; "now" is an
 * argument. Kinds without columns of their own get Name and Age. */
#ifndef LIB_API_TABLE_H
#define LIB_API_TABLE_H
#include "k8s/meta_v1.pb-c.h"
#include "lib/base/arena.h"
#include <stdint.h>

struct api_kind;

enum { API_TABLE_COLUMNS_MAX = 64 };

struct api_table_column {
    const char *name;
    const char *type;   /* "string", "integer", "number", "boolean", "date". */
    const char *format; /* "name" or "". */
    const char *description;
    int priority; /* Above zero only in wide output. */
};

enum api_cell_type { API_CELL_TEXT, API_CELL_INTEGER, API_CELL_BOOL, API_CELL_RAW };

struct api_table_cell {
    enum api_cell_type type;
    const char *text; /* API_CELL_RAW: JSON. */
    int64_t number;
};

/* TableRow.conditions of a finished pod; type is NULL when there is none. */
struct api_table_condition {
    const char *type, *status, *reason, *message;
};

/* Order of the rows of a list, for qsort() of pointers to the objects that they show. */
typedef int api_table_compare(const void *a, const void *b);

const struct api_table_column *api_table_columns(const struct api_kind *kind, size_t *ret_count);
/* Fills as many cells as there are columns. Text lives in `arena` or in `message`. */
void api_table_row(struct arena *arena, const struct api_kind *kind, const void *message,
                   int64_t now_s, struct api_table_cell cells[API_TABLE_COLUMNS_MAX],
                   struct api_table_condition *ret_condition);
/* The metadata that a row's object or a PartialObjectMetadata shows: the object's own, or a copy in
 * the arena without the annotation that only the object's whole form has (DaemonSet). */
const Meta__V1__ObjectMeta *api_table_meta(struct arena *arena, const struct api_kind *kind,
                                           const void *message);
/* NULL when rows are in the order of their keys. */
api_table_compare *api_table_order(const struct api_kind *kind);
/* "5m3s", "2d4h" as kubectl prints ages. */
const char *api_human_duration(struct arena *arena, int64_t seconds);
#endif
