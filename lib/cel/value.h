/* Values of the Common Expression Language: small, passed by copy, constant. Lists and maps are
 * views: a table of functions over data of any shape, so that a JSON tree or a typed message is
 * read in place. What a value points to lives as long as the arena of the evaluation or the data of
 * the activation. Pure. */
#ifndef LIB_CEL_VALUE_H
#define LIB_CEL_VALUE_H
#include "lib/cel/type.h"

enum cel_kind {
    CEL_ERROR, /* Zero, so that what nobody set is an error. */
    CEL_NULL,
    CEL_BOOL,
    CEL_INT,
    CEL_UINT,
    CEL_DOUBLE,
    CEL_STRING, /* UTF-8. */
    CEL_BYTES,
    CEL_LIST,
    CEL_MAP, /* Objects with declared fields are maps too. */
    CEL_TYPE,
    CEL_TIMESTAMP,
    CEL_DURATION,
    CEL_OPTIONAL,
    CEL_OPAQUE,
};

struct cel_time {
    int64_t seconds; /* Since 1970, UTC. */
    int32_t nanos;   /* 0 to 999999999 */
};

struct cel_value {
    enum cel_kind kind;
    union {
        bool boolean;
        int64_t integer; /* CEL_INT; nanoseconds of a CEL_DURATION. */
        uint64_t natural;
        double real;
        struct slice text; /* CEL_STRING, CEL_BYTES. */
        struct {
            const struct cel_list_view *view;
            const void *data;
        } list;
        struct {
            const struct cel_map_view *view;
            const void *data;
        } map;
        const struct cel_type *type;
        struct cel_time time;
        const struct cel_value *optional; /* NULL for none. */
        struct {
            const struct cel_opaque *of;
            const void *data;
        } opaque;
        const char *error; /* The message; in the arena or constant. */
    };
};

/* How to read a list. `arena` is for what an item needs (a view of its own, text). */
struct cel_list_view {
    size_t (*size)(const void *data);
    struct cel_value (*item)(struct arena *arena, const void *data, size_t index);
    /* Of a list in which order means nothing (else NULL): appends what tells an item apart from
     * others. Equality disregards the order then, and a sum has each item once. */
    void (*identity)(struct arena *arena, const void *data, const struct cel_value *item,
                     struct buffer *out);
};

/* How to read a map, in the order of its entries. */
struct cel_map_view {
    size_t (*size)(const void *data);
    /* The value of `key`; false when there is none. */
    bool (*find)(struct arena *arena, const void *data, const struct cel_value *key,
                 struct cel_value *ret_value);
    void (*entry)(struct arena *arena, const void *data, size_t index, struct cel_value *ret_key,
                  struct cel_value *ret_value);
};

/* A kind of value that only functions look into (a URL, an address). */
struct cel_opaque {
    const char *name; /* Of its type: "kubernetes.URL". */
    bool (*equal)(const void *a, const void *b);
    uint64_t size;                         /* What cost accounting takes it for; 0 is 1. */
    uint64_t (*size_of)(const void *data); /* Or NULL: `size`. */
};

static inline struct cel_value cel_null(void)
{
    return (struct cel_value){.kind = CEL_NULL};
}
static inline struct cel_value cel_bool(bool value)
{
    return (struct cel_value){.kind = CEL_BOOL, .boolean = value};
}
static inline struct cel_value cel_int(int64_t value)
{
    return (struct cel_value){.kind = CEL_INT, .integer = value};
}
static inline struct cel_value cel_uint(uint64_t value)
{
    return (struct cel_value){.kind = CEL_UINT, .natural = value};
}
static inline struct cel_value cel_double(double value)
{
    return (struct cel_value){.kind = CEL_DOUBLE, .real = value};
}
static inline struct cel_value cel_string(struct slice text)
{
    return (struct cel_value){.kind = CEL_STRING, .text = text};
}
static inline struct cel_value cel_string_text(const char *text)
{
    return cel_string(slice_text(text));
}
static inline struct cel_value cel_bytes(struct slice bytes)
{
    return (struct cel_value){.kind = CEL_BYTES, .text = bytes};
}
static inline struct cel_value cel_duration(int64_t nanos)
{
    return (struct cel_value){.kind = CEL_DURATION, .integer = nanos};
}
static inline struct cel_value cel_timestamp(int64_t seconds, int32_t nanos)
{
    return (struct cel_value){.kind = CEL_TIMESTAMP, .time = {seconds, nanos}};
}
static inline struct cel_value cel_list(const struct cel_list_view *view, const void *data)
{
    return (struct cel_value){.kind = CEL_LIST, .list = {view, data}};
}
static inline struct cel_value cel_map(const struct cel_map_view *view, const void *data)
{
    return (struct cel_value){.kind = CEL_MAP, .map = {view, data}};
}
static inline struct cel_value cel_type_value(const struct cel_type *type)
{
    return (struct cel_value){.kind = CEL_TYPE, .type = type};
}
static inline struct cel_value cel_opaque(const struct cel_opaque *of, const void *data)
{
    return (struct cel_value){.kind = CEL_OPAQUE, .opaque = {of, data}};
}
static inline struct cel_value cel_none(void)
{
    return (struct cel_value){.kind = CEL_OPTIONAL, .optional = NULL};
}
struct cel_value cel_some(struct arena *arena, struct cel_value value);
/* `message` must be constant or in the arena. */
static inline struct cel_value cel_error(const char *message)
{
    return (struct cel_value){.kind = CEL_ERROR, .error = message};
}
struct cel_value cel_error_no_overload(void);
struct cel_value cel_error_no_key(struct arena *arena, const struct cel_value *key);

static inline bool cel_is_error(const struct cel_value *value)
{
    return value->kind == CEL_ERROR;
}
static inline bool cel_is_true(const struct cel_value *value)
{
    return value->kind == CEL_BOOL && value->boolean;
}

/* --- Lists and maps of values, built in an arena -----------------------------------------------
 */

/* A list over an array of values, which must stay. */
struct cel_value cel_list_of(struct arena *arena, const struct cel_value *items, size_t count);
/* The list with `item` at its end. Takes constant time when `list` is the result of the last such
 * call on it, as in a loop that collects; else the items are copied. */
struct cel_value cel_list_append(struct arena *arena, struct cel_value list, struct cel_value item);
struct cel_value cel_list_concat(struct arena *arena, struct cel_value a, struct cel_value b);
size_t cel_list_size(const struct cel_value *list);
struct cel_value cel_list_item(struct arena *arena, const struct cel_value *list, size_t index);

struct cel_value cel_map_empty(struct arena *arena);
/* The map with one entry more, which must be new to it. Constant time as for cel_list_append. */
struct cel_value cel_map_add(struct arena *arena, struct cel_value map, struct cel_value key,
                             struct cel_value value);
size_t cel_map_size(const struct cel_value *map);
/* Whether values of this kind can be keys: bool, int, uint, string. */
bool cel_is_key(const struct cel_value *value);
/* The value of `key`. Numbers of different kinds but equal value are one key. */
bool cel_map_find(struct arena *arena, const struct cel_value *map, const struct cel_value *key,
                  struct cel_value *ret_value);
void cel_map_entry(struct arena *arena, const struct cel_value *map, size_t index,
                   struct cel_value *ret_key, struct cel_value *ret_value);

/* --- Any value ---------------------------------------------------------------------------------
 */

/* Equality of the language: numbers by value whatever their kind, lists and maps deep, values of
 * different types unequal, NaN unequal to itself. `arena` is for views. */
bool cel_equal(struct arena *arena, const struct cel_value *a, const struct cel_value *b);
enum cel_order { CEL_LESS = -1, CEL_SAME = 0, CEL_GREATER = 1, CEL_UNORDERED = 2 };
/* Order of two values of one ordered kind, or of two numbers; CEL_UNORDERED for all others. */
enum cel_order cel_compare(const struct cel_value *a, const struct cel_value *b);
/* Characters, bytes, items or entries; of anything else 1. What costs are made of. */
uint64_t cel_size(const struct cel_value *value);
/* Characters of UTF-8 text. */
size_t cel_text_size(struct slice text);
/* The type that type() gives. */
const struct cel_type *cel_type_of(struct arena *arena, const struct cel_value *value);
/* As messages show it: 1, 2u, 1.5, "a", [1, 2], {"a": 1}. Cut at `out`'s maximum. */
void cel_value_print(struct arena *arena, const struct cel_value *value, struct buffer *out);
/* As Go's strconv writes a float in its shortest form ('g'). */
void cel_double_print(double value, struct buffer *out);
#endif
