/* How apply sees a value: what merges member by member, what by key, and what is one piece.
 * Internal to lib/api. */
#ifndef LIB_API_APPLY_SHAPE_H
#define LIB_API_APPLY_SHAPE_H
#include "lib/api/json_value.h"
#include "lib/api/schema.h"

struct apply_shape {
    enum apply_shape_kind {
        APPLY_LEAF,
        APPLY_STRUCT, /* Members by the table. */
        APPLY_MAP,    /* Members of one kind. */
        APPLY_KEYED,  /* A list whose items have keys. */
        APPLY_SET,    /* A list of different scalars. */
    } kind;
    const struct api_message *message; /* APPLY_STRUCT. */
    const struct api_field *field;     /* The others; NULL for values of a map. */
    const struct structural *schema;   /* All inside a custom resource, in place of both. */
    bool custom;                       /* Inside one; `schema` NULL: nobody knows its shape. */
};

struct apply_shape apply_shape_of_message(const struct api_message *message);
struct apply_shape apply_shape_of_field(const struct api_field *field);
struct apply_shape apply_shape_of_member(const struct apply_shape *shape, struct slice name);
struct apply_shape apply_shape_of_item(const struct apply_shape *shape); /* Of a keyed list. */
/* `k:{"name":"c"}` or `v:"text"`; NULL when a key without a default is missing. */
const char *apply_item_name(struct arena *arena, const struct apply_shape *shape,
                            const struct json_value *item);
/* Index of the item with that name, or SIZE_MAX. */
size_t apply_item_find(struct arena *arena, const struct apply_shape *shape,
                       const struct json_value *list, const char *name);
#endif
