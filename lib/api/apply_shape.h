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
    bool entry;                        /* Of a map: no schema names it as a field. */
};

struct apply_shape apply_shape_of_message(const struct api_message *message);
struct apply_shape apply_shape_of_field(const struct api_field *field);
/* A value inside a custom resource. Of what no schema tells (NULL), objects merge and lists do not.
 */
struct apply_shape apply_shape_of_schema(const struct structural *schema);
struct apply_shape apply_shape_of_member(const struct apply_shape *shape, struct slice name);
struct apply_shape apply_shape_of_item(const struct apply_shape *shape); /* Of a keyed list. */
/* `k:{"name":"c"}` or `v:"text"`; NULL when a key without a default is missing. */
const char *apply_item_name(struct arena *arena, const struct apply_shape *shape,
                            const struct json_value *item);

/* The first key that keeps an item, an object without a name, from having one. */
const char *apply_missing_key(struct arena *arena, const struct apply_shape *shape,
                              const struct json_value *item);

bool apply_shape_has_members(const struct apply_shape *shape); /* Of an object. */
bool apply_shape_has_items(const struct apply_shape *shape);   /* Of a list that is no one piece. */

/* The items of a list by their names; several may share one. */
struct apply_items {
    size_t count;
    const char **names;    /* NULL for one that has no name. */
    const char ***ordered; /* Pointers into `names`, of those that are there, by name and place. */
    size_t ordered_count;
};

struct apply_items apply_items_of(struct arena *arena, const struct apply_shape *shape,
                                  const struct json_value *list);
size_t apply_items_count(const struct apply_items *items, const char *name); /* 0: there is none. */
/* Index of the item number `place` of that name, which is there. */
size_t apply_items_at(const struct apply_items *items, const char *name, size_t place);
size_t apply_items_first(const struct apply_items *items, const char *name);
#endif
