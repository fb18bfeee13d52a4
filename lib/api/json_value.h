/* A JSON document as a tree in an arena: what patches, server-side apply and custom resources work
 * on. Members keep their order. Pure; one thread at a time per tree. */
#ifndef LIB_API_JSON_VALUE_H
#define LIB_API_JSON_VALUE_H
#include "lib/base/arena.h"
#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include "lib/base/name_index.h"

enum json_type { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

/* Memory that a tree may take for each byte of its text. */
enum { JSON_TREE_BYTES_PER_BYTE = 64 };

struct json_value {
    enum json_type type;
    bool boolean;      /* JSON_BOOL */
    bool real;         /* JSON_NUMBER: settled, and no int64. */
    struct slice text; /* JSON_STRING: unescaped bytes, NUL follows; JSON_NUMBER: as written. */
    size_t count;      /* JSON_ARRAY, JSON_OBJECT */
    size_t capacity;
    struct json_value **items;   /* JSON_ARRAY */
    struct json_member *members; /* JSON_OBJECT: json_reordered() when their order is changed. */
    struct name_index *names;    /* JSON_OBJECT with many members: where each is, or NULL. */
};

struct json_member {
    struct slice name; /* NUL follows. */
    struct json_value *value;
};

/* Parses one document (RFC 8259; depth up to API_DEPTH_MAX; a later duplicate name wins, as in Go).
 * The tree borrows nothing from `text`. Returns 0, or -EINVAL with Go's wording of the error. */
MUST_USE int json_parse(struct arena *arena, struct slice text, struct json_value **ret_value,
                        struct error *reterr);
/* Appends the compact form, HTML characters escaped as Go does. Names of objects are sorted when
 * `sorted`. */
void json_print(const struct json_value *value, bool sorted, struct buffer *out);
/* Appends `text` (valid JSON) with an indent of two spaces, as Go's json.Indent does. */
void json_indent(struct slice text, struct buffer *out);
/* The same for a text that comes in parts, none of which ends inside of a string. */
struct json_indent {
    size_t depth; /* Brackets that are open. */
    bool opened;  /* The last character was one of them. */
};
void json_indent_part(struct json_indent *state, struct slice text, struct buffer *out);
/* Appends a quoted JSON string; invalid UTF-8 becomes U+FFFD; escapes as Go's encoding/json. */
void json_print_string(struct slice text, struct buffer *out);

struct json_value *json_new_null(struct arena *arena);
struct json_value *json_new_bool(struct arena *arena, bool value);
struct json_value *json_new_int(struct arena *arena, int64_t value);
struct json_value *json_new_string(struct arena *arena, struct slice text); /* Copies. */
struct json_value *json_new_text(struct arena *arena, const char *text);    /* Copies. */
struct json_value *json_new_array(struct arena *arena);
struct json_value *json_new_object(struct arena *arena);
struct json_value *json_copy(struct arena *arena, const struct json_value *value); /* Deep. */
/* An object with the same names and values, none of which is copied. */
struct json_value *json_copy_members(struct arena *arena, const struct json_value *object);

/* Object members. A `value` that is set becomes part of the tree (not copied). */
struct json_value *json_get(const struct json_value *object, struct slice name); /* Or NULL. */
struct json_value *json_get_text(const struct json_value *object, const char *name);
void json_set(struct arena *arena, struct json_value *object, struct slice name,
              struct json_value *value);
void json_set_text(struct arena *arena, struct json_value *object, const char *name,
                   struct json_value *value);
/* As json_set for a name that is known to be new: takes no time to look for it. */
void json_add(struct arena *arena, struct json_value *object, struct slice name,
              struct json_value *value);
/* As json_add for a name that lives as long as the tree, with a NUL behind it: it is not copied. */
void json_add_lent(struct arena *arena, struct json_value *object, struct slice name,
                   struct json_value *value);
bool json_remove(struct json_value *object, struct slice name); /* False when absent. */
/* As json_remove for one of many: json_get finds it no more, but it takes its place, with NULL for
 * a value, until json_sweep. Nothing else may read the object before. */
void json_drop(struct json_value *object, struct slice name); /* Nothing when absent. */
void json_sweep(struct arena *arena, struct json_value *object);
/* After members were moved or taken away by hand; their names are found slowly from then on. */
void json_reordered(struct json_value *object);
/* Array items; `index` up to count for insertion, below it otherwise (asserted). */
void json_append(struct arena *arena, struct json_value *array, struct json_value *value);
void json_insert(struct arena *arena, struct json_value *array, size_t index,
                 struct json_value *value);
void json_remove_at(struct json_value *array, size_t index);

/* Equal as JSON values: order of members does not count, numbers by value. */
bool json_equal(const struct json_value *a, const struct json_value *b);
/* The number as an integer. Returns 0, -EINVAL (not a number), or -ERANGE (a fraction, or too big).
 */
MUST_USE int json_int64(const struct json_value *value, int64_t *ret_value);
MUST_USE int json_double(const struct json_value *value, double *ret_value);
/* A number as Go keeps it where nobody says of what type it is: digits that an int64 holds are one,
 * all else is a float64, and is written as that. -ERANGE when it is beyond both. */
MUST_USE int json_settle_number(struct arena *arena, struct json_value *value);
bool json_is_real(const struct json_value *value); /* A number that is a float64 then. */
const char *json_type_name(enum json_type type);   /* "null", "bool", "number", "string", ... */
#endif
