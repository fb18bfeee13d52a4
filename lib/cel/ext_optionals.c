/* Optional values, and the function behind transformMap. */
#include "lib/cel/cel.h"

static struct cel_value of(struct cel_call *call, const struct cel_value *a)
{
    return cel_some(call->arena, a[0]);
}

static struct cel_value none(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    (void)a;
    return cel_none();
}

static bool is_zero(const struct cel_value *value)
{
    switch (value->kind) {
    case CEL_NULL:
        return true;
    case CEL_BOOL:
        return !value->boolean;
    case CEL_INT:
    case CEL_DURATION:
        return value->integer == 0;
    case CEL_UINT:
        return value->natural == 0;
    case CEL_DOUBLE:
        return value->real == 0;
    case CEL_STRING:
    case CEL_BYTES:
        return value->text.len == 0;
    case CEL_LIST:
        return cel_list_size(value) == 0;
    case CEL_MAP:
        return cel_map_size(value) == 0;
    case CEL_OPTIONAL:
        return value->optional == NULL;
    case CEL_ERROR:
    case CEL_TYPE:
    case CEL_TIMESTAMP:
    case CEL_OPAQUE:
        break;
    }
    return false;
}

static struct cel_value of_non_zero(struct cel_call *call, const struct cel_value *a)
{
    return is_zero(&a[0]) ? cel_none() : cel_some(call->arena, a[0]);
}

static struct cel_value has_value(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_bool(a[0].optional != NULL);
}

static struct cel_value value_of(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return a[0].optional == NULL ? cel_error("optional.none() dereference") : *a[0].optional;
}

static const struct cel_row rows[] = {
    {"optional.of", "optional_of", "(A) optional<A>", of, CEL_COST_ONE},
    {"optional.ofNonZeroValue", "optional_ofNonZeroValue", "(A) optional<A>", of_non_zero,
     CEL_COST_ONE},
    {"optional.none", "optional_none", "() optional<A>", none, CEL_COST_ONE},
    {"hasValue", "optional_hasValue", "optional<A>.() bool", has_value, CEL_COST_ONE},
    {"value", "optional_value", "optional<A>.() A", value_of, CEL_COST_ONE},
    {"or", "optional_or_optional", "optional<A>.(optional<A>) optional<A>", NULL, CEL_COST_NOTHING},
    {"orValue", "optional_orValue_value", "optional<A>.(A) A", NULL, CEL_COST_NOTHING},
};

const struct cel_library cel_library_optionals = {
    .name = "optionals", .rows = rows, .row_count = ARRAY_LEN(rows)};

/* --- transformMap() and transformMapEntry() ----------------------------------------------------
 */

static struct cel_value insert(struct cel_call *call, struct cel_value map, struct cel_value key,
                               struct cel_value value)
{
    struct cel_value found;
    if (!cel_is_key(&key)) {
        return cel_error("unsupported key type");
    }
    if (cel_map_find(call->arena, &map, &key, &found)) {
        struct buffer text;
        buffer_init(&text, 256);
        cel_value_print(call->arena, &key, &text);
        struct cel_value error =
            cel_call_error(call, "insert failed: key %s already exists", buffer_text(&text));
        buffer_release(&text);
        return error;
    }
    return cel_call_takes(call, 2 * sizeof(value)) ? cel_map_add(call->arena, map, key, value)
                                                   : cel_error_memory();
}

static struct cel_value insert_value(struct cel_call *call, const struct cel_value *a)
{
    return insert(call, a[0], a[1], a[2]);
}

static struct cel_value insert_map(struct cel_call *call, const struct cel_value *a)
{
    struct cel_value map = a[0], key, value;
    for (size_t i = 0; i < cel_map_size(&a[1]) && !cel_is_error(&map); i++) {
        cel_map_entry(call->arena, &a[1], i, &key, &value);
        map = insert(call, map, key, value);
    }
    return map;
}

static const struct cel_row two_variable_rows[] = {
    {"cel.@mapInsert", "@mapInsert_map_key_value", "(map<A, B>, A, B) map<A, B>", insert_value,
     CEL_COST_ONE},
    {"cel.@mapInsert", "@mapInsert_map_map", "(map<A, B>, map<A, B>) map<A, B>", insert_map,
     CEL_COST_ONE},
};

const struct cel_library cel_library_two_variables = {.name = "two-variable comprehensions",
                                                      .rows = two_variable_rows,
                                                      .row_count = ARRAY_LEN(two_variable_rows)};
