#include "lib/cel/value.h"

#include "lib/base/utf8.h"
#include "lib/cel/limits.h"
#include "lib/cel/unique.h"
#include <assert.h>
#include <math.h>

struct cel_value cel_some(struct arena *arena, struct cel_value value)
{
    struct cel_value *copy = arena_alloc(arena, sizeof(*copy));
    *copy = value;
    return (struct cel_value){.kind = CEL_OPTIONAL, .optional = copy};
}

struct cel_value cel_error_no_overload(void)
{
    return cel_error("no such overload");
}

struct cel_value cel_error_no_key(struct arena *arena, const struct cel_value *key)
{
    struct buffer text;
    buffer_init(&text, 1024);
    if (key->kind == CEL_STRING) {
        buffer_append_slice(&text, key->text);
    } else {
        cel_value_print(arena, key, &text);
    }
    const char *message = arena_printf(arena, "no such key: %s", buffer_text(&text));
    buffer_release(&text);
    return cel_error(message);
}

/* --- Sizes -------------------------------------------------------------------------------------
 */

size_t cel_text_size(struct slice text)
{
    size_t count = 0;
    uint32_t rune;
    for (const uint8_t *at = text.data, *end = at + text.len; at < end; count++) {
        at += utf8_get(at, end, &rune);
    }
    return count;
}

size_t cel_list_size(const struct cel_value *list)
{
    assert(list->kind == CEL_LIST);
    return list->list.view->size(list->list.data);
}

struct cel_value cel_list_item(struct arena *arena, const struct cel_value *list, size_t index)
{
    return list->list.view->item(arena, list->list.data, index);
}

size_t cel_map_size(const struct cel_value *map)
{
    assert(map->kind == CEL_MAP);
    return map->map.view->size(map->map.data);
}

bool cel_map_find(struct arena *arena, const struct cel_value *map, const struct cel_value *key,
                  struct cel_value *ret_value)
{
    return map->map.view->find(arena, map->map.data, key, ret_value);
}

void cel_map_entry(struct arena *arena, const struct cel_value *map, size_t index,
                   struct cel_value *ret_key, struct cel_value *ret_value)
{
    map->map.view->entry(arena, map->map.data, index, ret_key, ret_value);
}

bool cel_is_key(const struct cel_value *value)
{
    return value->kind == CEL_BOOL || value->kind == CEL_INT || value->kind == CEL_UINT ||
           value->kind == CEL_STRING;
}

uint64_t cel_size(const struct cel_value *value)
{
    switch (value->kind) {
    case CEL_STRING:
        return cel_text_size(value->text);
    case CEL_BYTES:
        return value->text.len;
    case CEL_LIST:
        return cel_list_size(value);
    case CEL_MAP:
        return cel_map_size(value);
    case CEL_OPTIONAL:
        return value->optional == NULL ? 1 : cel_size(value->optional);
    case CEL_OPAQUE:
        if (value->opaque.of->size_of != NULL) {
            return value->opaque.of->size_of(value->opaque.data);
        }
        return value->opaque.of->size == 0 ? 1 : value->opaque.of->size;
    case CEL_ERROR:
    case CEL_NULL:
    case CEL_BOOL:
    case CEL_INT:
    case CEL_UINT:
    case CEL_DOUBLE:
    case CEL_TYPE:
    case CEL_TIMESTAMP:
    case CEL_DURATION:
        break;
    }
    return 1;
}

/* --- Order and equality ------------------------------------------------------------------------
 */

static enum cel_order order_of(bool less, bool greater)
{
    return less ? CEL_LESS : greater ? CEL_GREATER : CEL_SAME;
}

/* A double against an integer of either sign. Exact: what a double cannot hold is cut off first. */
static enum cel_order compare_double_int(double a, int64_t b)
{
    if (isnan(a)) {
        return CEL_UNORDERED;
    }
    if (a < -0x1p63) {
        return CEL_LESS;
    }
    if (a >= 0x1p63) {
        return CEL_GREATER;
    }
    int64_t whole = (int64_t)a;
    if (whole != b) {
        return whole < b ? CEL_LESS : CEL_GREATER;
    }
    double rest = a - (double)whole;
    return order_of(rest<0, rest> 0);
}

static enum cel_order compare_double_uint(double a, uint64_t b)
{
    if (isnan(a)) {
        return CEL_UNORDERED;
    }
    if (a < 0) {
        return CEL_LESS;
    }
    if (a >= 0x1p64) {
        return CEL_GREATER;
    }
    uint64_t whole = (uint64_t)a;
    if (whole != b) {
        return whole < b ? CEL_LESS : CEL_GREATER;
    }
    return a - (double)whole > 0 ? CEL_GREATER : CEL_SAME;
}

static enum cel_order compare_int_uint(int64_t a, uint64_t b)
{
    return a < 0 ? CEL_LESS : order_of((uint64_t)a<b, (uint64_t)a> b);
}

static enum cel_order reverse(enum cel_order order)
{
    return order == CEL_LESS ? CEL_GREATER : order == CEL_GREATER ? CEL_LESS : order;
}

static bool is_number(const struct cel_value *value)
{
    return value->kind == CEL_INT || value->kind == CEL_UINT || value->kind == CEL_DOUBLE;
}

static enum cel_order compare_numbers(const struct cel_value *a, const struct cel_value *b)
{
    if (a->kind == CEL_INT) {
        return b->kind == CEL_INT    ? order_of(a->integer<b->integer, a->integer> b->integer)
               : b->kind == CEL_UINT ? compare_int_uint(a->integer, b->natural)
                                     : reverse(compare_double_int(b->real, a->integer));
    }
    if (a->kind == CEL_UINT) {
        return b->kind == CEL_UINT  ? order_of(a->natural<b->natural, a->natural> b->natural)
               : b->kind == CEL_INT ? reverse(compare_int_uint(b->integer, a->natural))
                                    : reverse(compare_double_uint(b->real, a->natural));
    }
    if (b->kind == CEL_DOUBLE) {
        return isnan(a->real) || isnan(b->real) ? CEL_UNORDERED
                                                : order_of(a->real<b->real, a->real> b->real);
    }
    return b->kind == CEL_INT ? compare_double_int(a->real, b->integer)
                              : compare_double_uint(a->real, b->natural);
}

static enum cel_order compare_times(const struct cel_time *a, const struct cel_time *b)
{
    if (a->seconds != b->seconds) {
        return order_of(a->seconds < b->seconds, true);
    }
    return order_of(a->nanos<b->nanos, a->nanos> b->nanos);
}

enum cel_order cel_compare(const struct cel_value *a, const struct cel_value *b)
{
    if (is_number(a) && is_number(b)) {
        return compare_numbers(a, b);
    }
    if (a->kind != b->kind) {
        return CEL_UNORDERED;
    }
    if (a->kind == CEL_STRING || a->kind == CEL_BYTES) {
        int order = slice_compare(a->text, b->text);
        return order_of(order<0, order> 0);
    }
    if (a->kind == CEL_BOOL) {
        return order_of(a->boolean<b->boolean, a->boolean> b->boolean);
    }
    if (a->kind == CEL_DURATION) {
        return order_of(a->integer<b->integer, a->integer> b->integer);
    }
    return a->kind == CEL_TIMESTAMP ? compare_times(&a->time, &b->time) : CEL_UNORDERED;
}

static bool equal(struct arena *arena, const struct cel_value *a, const struct cel_value *b,
                  size_t depth);

static bool equal_lists(struct arena *arena, const struct cel_value *a, const struct cel_value *b,
                        size_t depth)
{
    size_t count = cel_list_size(a);
    if (count != cel_list_size(b)) {
        return false;
    }
    if (cel_is_unique(a)) {
        return cel_unique_equal(arena, a, b);
    }
    for (size_t i = 0; i < count; i++) {
        struct cel_value x = cel_list_item(arena, a, i), y = cel_list_item(arena, b, i);
        if (!equal(arena, &x, &y, depth + 1)) {
            return false;
        }
    }
    return true;
}

static bool equal_maps(struct arena *arena, const struct cel_value *a, const struct cel_value *b,
                       size_t depth)
{
    size_t count = cel_map_size(a);
    if (count != cel_map_size(b)) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct cel_value key, x, y;
        cel_map_entry(arena, a, i, &key, &x);
        if (!cel_map_find(arena, b, &key, &y) || !equal(arena, &x, &y, depth + 1)) {
            return false;
        }
    }
    return true;
}

static bool equal_optionals(struct arena *arena, const struct cel_value *a,
                            const struct cel_value *b, size_t depth)
{
    if (a->optional == NULL || b->optional == NULL) {
        return a->optional == b->optional;
    }
    return equal(arena, a->optional, b->optional, depth + 1);
}

static bool equal(struct arena *arena, const struct cel_value *a, const struct cel_value *b,
                  size_t depth)
{
    if (is_number(a) && is_number(b)) {
        return compare_numbers(a, b) == CEL_SAME;
    }
    if (a->kind != b->kind || depth > CEL_VALUE_DEPTH_MAX) {
        return false;
    }
    switch (a->kind) {
    case CEL_NULL:
        return true;
    case CEL_BOOL:
    case CEL_STRING:
    case CEL_BYTES:
    case CEL_TIMESTAMP:
    case CEL_DURATION:
        return cel_compare(a, b) == CEL_SAME;
    case CEL_LIST:
        return equal_lists(arena, a, b, depth);
    case CEL_MAP:
        return equal_maps(arena, a, b, depth);
    case CEL_TYPE:
        return strcmp(cel_type_runtime_name(a->type), cel_type_runtime_name(b->type)) == 0;
    case CEL_OPTIONAL:
        return equal_optionals(arena, a, b, depth);
    case CEL_OPAQUE:
        return a->opaque.of == b->opaque.of && a->opaque.of->equal(a->opaque.data, b->opaque.data);
    case CEL_ERROR:
    case CEL_INT:
    case CEL_UINT:
    case CEL_DOUBLE:
        break;
    }
    return false;
}

bool cel_equal(struct arena *arena, const struct cel_value *a, const struct cel_value *b)
{
    return equal(arena, a, b, 0);
}

const struct cel_type *cel_type_of(struct arena *arena, const struct cel_value *value)
{
    switch (value->kind) {
    case CEL_NULL:
        return &cel_type_null;
    case CEL_BOOL:
        return &cel_type_bool;
    case CEL_INT:
        return &cel_type_int;
    case CEL_UINT:
        return &cel_type_uint;
    case CEL_DOUBLE:
        return &cel_type_double;
    case CEL_STRING:
        return &cel_type_string;
    case CEL_BYTES:
        return &cel_type_bytes;
    case CEL_LIST:
        return cel_type_find(slice_text("list"));
    case CEL_MAP:
        return cel_type_find(slice_text("map"));
    case CEL_TYPE:
        return &cel_type_type;
    case CEL_TIMESTAMP:
        return &cel_type_timestamp;
    case CEL_DURATION:
        return &cel_type_duration;
    case CEL_OPTIONAL:
        return cel_type_find(slice_text("optional_type"));
    case CEL_OPAQUE:
        return cel_type_opaque(arena, value->opaque.of->name);
    case CEL_ERROR:
        break;
    }
    return &cel_type_error;
}
