#include "apiserver/cel_tree.h"

static size_t tree_size(const void *data)
{
    const struct json_value *tree = data;
    return tree->count;
}

static struct cel_value tree_item(struct arena *arena, const void *data, size_t index)
{
    const struct json_value *tree = data;
    (void)arena;
    return cel_tree_value(tree->items[index]);
}

static bool tree_find(struct arena *arena, const void *data, const struct cel_value *key,
                      struct cel_value *ret_value)
{
    (void)arena;
    const struct json_value *found = key->kind == CEL_STRING ? json_get(data, key->text) : NULL;
    if (found == NULL) {
        return false;
    }
    *ret_value = cel_tree_value(found);
    return true;
}

static void tree_entry(struct arena *arena, const void *data, size_t index,
                       struct cel_value *ret_key, struct cel_value *ret_value)
{
    const struct json_value *tree = data;
    (void)arena;
    *ret_key = cel_string(tree->members[index].name);
    *ret_value = cel_tree_value(tree->members[index].value);
}

static const struct cel_list_view list_view = {.size = tree_size, .item = tree_item};
static const struct cel_map_view map_view = {
    .size = tree_size, .find = tree_find, .entry = tree_entry};

static struct cel_value number(const struct json_value *tree)
{
    int64_t integer;
    double real;
    if (json_int64(tree, &integer) == 0) {
        return cel_int(integer);
    }
    return json_double(tree, &real) == 0 ? cel_double(real) : cel_error("number out of range");
}

struct cel_value cel_tree_value(const struct json_value *tree)
{
    if (tree == NULL) {
        return cel_null();
    }
    switch (tree->type) {
    case JSON_NULL:
        return cel_null();
    case JSON_BOOL:
        return cel_bool(tree->boolean);
    case JSON_NUMBER:
        return number(tree);
    case JSON_STRING:
        return cel_string(tree->text);
    case JSON_ARRAY:
        return cel_list(&list_view, tree);
    case JSON_OBJECT:
        return cel_map(&map_view, tree);
    }
    return cel_null();
}
