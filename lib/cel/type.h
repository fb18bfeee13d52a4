/* Types of the Common Expression Language, and the short texts in which function tables write
 * signatures. Types are constant and shared; most live in the arena of whoever made them. Pure. */
#ifndef LIB_CEL_TYPE_H
#define LIB_CEL_TYPE_H
#include "lib/base/arena.h"
#include "lib/base/buffer.h"

enum cel_type_kind {
    CEL_TYPE_DYN,
    CEL_TYPE_ERROR, /* Of an expression that was refused: fits everywhere, so that one error is one.
                     */
    CEL_TYPE_NULL,
    CEL_TYPE_BOOL,
    CEL_TYPE_INT,
    CEL_TYPE_UINT,
    CEL_TYPE_DOUBLE,
    CEL_TYPE_STRING,
    CEL_TYPE_BYTES,
    CEL_TYPE_TIMESTAMP,
    CEL_TYPE_DURATION,
    CEL_TYPE_TYPE,     /* type(items[0]) */
    CEL_TYPE_LIST,     /* list(items[0]) */
    CEL_TYPE_MAP,      /* map(items[0], items[1]) */
    CEL_TYPE_OPTIONAL, /* optional_type(items[0]) */
    CEL_TYPE_WRAPPER,  /* items[0] or null */
    CEL_TYPE_OPAQUE,   /* Named; made by functions only. */
    CEL_TYPE_OBJECT,   /* Named; has declared fields. */
    CEL_TYPE_PARAM,    /* A type variable of a signature. */
};

/* Sizes that the environment knows of values: items, entries, characters. */
#define CEL_SIZE_UNKNOWN UINT64_MAX

struct cel_type {
    enum cel_type_kind kind;
    uint32_t param;   /* CEL_TYPE_PARAM: its number. */
    const char *name; /* CEL_TYPE_OPAQUE, CEL_TYPE_OBJECT; else NULL. */
    const struct cel_type *items[2];
    /* CEL_TYPE_OBJECT: the type of a field, or NULL when there is none of this name. */
    const struct cel_type *(*field)(const struct cel_type *type, struct slice name);
    const void *data; /* For `field`. */
    /* The most that a value of a declared variable may hold, for estimates of cost; used only where
     * the expression reaches the value from such a variable. */
    uint64_t size_max;
};

extern const struct cel_type cel_type_dyn, cel_type_error, cel_type_null, cel_type_bool,
    cel_type_int, cel_type_uint, cel_type_double, cel_type_string, cel_type_bytes,
    cel_type_timestamp, cel_type_duration, cel_type_type;

const struct cel_type *cel_type_list(struct arena *arena, const struct cel_type *item);
const struct cel_type *cel_type_map(struct arena *arena, const struct cel_type *key,
                                    const struct cel_type *value);
const struct cel_type *cel_type_optional(struct arena *arena, const struct cel_type *item);
const struct cel_type *cel_type_of_type(struct arena *arena, const struct cel_type *item);
const struct cel_type *cel_type_opaque(struct arena *arena, const char *name);
const struct cel_type *cel_type_param(struct arena *arena, uint32_t number);

bool cel_type_equal(const struct cel_type *a, const struct cel_type *b);
/* "list(int)", "map(string, dyn)": as error messages name types. */
void cel_type_print(const struct cel_type *type, struct buffer *out);
/* The name of the type of values at run time ("list", "google.protobuf.Timestamp"). */
const char *cel_type_runtime_name(const struct cel_type *type);
/* The type that an expression names: "int", "list" (of dyn), "google.protobuf.Duration"; or NULL.
 */
const struct cel_type *cel_type_find(struct slice name);

/* A signature of a function table: "string.(string, int) bool" has a receiver, "(list<A>, A) bool"
 * has none. Single capital letters are type variables, names with a dot or unknown ones opaque. */
struct cel_signature {
    bool is_member;
    size_t argument_count; /* The receiver included. */
    const struct cel_type *arguments[4];
    const struct cel_type *result;
    uint32_t param_count; /* Variables are 0 to param_count - 1. */
};
/* `text` is one of ours: a mistake in it is asserted. */
struct cel_signature cel_signature_parse(struct arena *arena, const char *text);
#endif
