/* Kubernetes' list library: isSorted, sum, min, max, indexOf, lastIndexOf. And sets: contains,
 * equivalent, intersects. And regular expressions: find, findAll. */
#include "lib/cel/cel.h"
#include "lib/cel/regex.h"

static struct cel_value is_sorted(struct cel_call *call, const struct cel_value *a)
{
    size_t count = cel_list_size(&a[0]);
    for (size_t i = 1; i < count; i++) {
        struct cel_value before = cel_list_item(call->arena, &a[0], i - 1);
        struct cel_value item = cel_list_item(call->arena, &a[0], i);
        enum cel_order order = cel_compare(&before, &item);
        if (order == CEL_GREATER) {
            return cel_bool(false);
        }
        if (order == CEL_UNORDERED && before.kind != CEL_DOUBLE) {
            return cel_error_no_overload();
        }
    }
    return cel_bool(true);
}

static struct cel_value add(struct cel_value sum, struct cel_value item)
{
    if (sum.kind != item.kind) {
        return cel_error_no_overload();
    }
    if (sum.kind == CEL_DOUBLE) {
        return cel_double(sum.real + item.real);
    }
    if (sum.kind == CEL_UINT) {
        return __builtin_add_overflow(sum.natural, item.natural, &sum.natural)
                   ? cel_error("unsigned integer overflow")
                   : sum;
    }
    if (__builtin_add_overflow(sum.integer, item.integer, &sum.integer)) {
        return cel_error(sum.kind == CEL_INT ? "integer overflow" : "duration overflow");
    }
    return sum;
}

static struct cel_value sum_from(struct cel_call *call, const struct cel_value *list,
                                 struct cel_value sum)
{
    for (size_t i = 0, count = cel_list_size(list); i < count && !cel_is_error(&sum); i++) {
        sum = add(sum, cel_list_item(call->arena, list, i));
    }
    return sum;
}

static struct cel_value sum_int(struct cel_call *call, const struct cel_value *a)
{
    return sum_from(call, &a[0], cel_int(0));
}

static struct cel_value sum_uint(struct cel_call *call, const struct cel_value *a)
{
    return sum_from(call, &a[0], cel_uint(0));
}

static struct cel_value sum_double(struct cel_call *call, const struct cel_value *a)
{
    return sum_from(call, &a[0], cel_double(0));
}

static struct cel_value sum_duration(struct cel_call *call, const struct cel_value *a)
{
    return sum_from(call, &a[0], cel_duration(0));
}

/* The element that all others are on the `other` side of. */
static struct cel_value extreme(struct cel_call *call, const struct cel_value *list,
                                enum cel_order other, const char *name)
{
    size_t count = cel_list_size(list);
    if (count == 0) {
        return cel_call_error(call, "%s called on empty list", name);
    }
    struct cel_value best = cel_list_item(call->arena, list, 0);
    for (size_t i = 1; i < count; i++) {
        struct cel_value item = cel_list_item(call->arena, list, i);
        enum cel_order order = cel_compare(&best, &item);
        if (order == CEL_UNORDERED && best.kind != CEL_DOUBLE) {
            return cel_error_no_overload();
        }
        best = order == CEL_SAME || order == CEL_UNORDERED || order == other ? best : item;
    }
    return best;
}

static struct cel_value min(struct cel_call *call, const struct cel_value *a)
{
    return extreme(call, &a[0], CEL_LESS, "min");
}

static struct cel_value max(struct cel_call *call, const struct cel_value *a)
{
    return extreme(call, &a[0], CEL_GREATER, "max");
}

static struct cel_value index_of(struct cel_call *call, const struct cel_value *a)
{
    for (size_t i = 0, count = cel_list_size(&a[0]); i < count; i++) {
        struct cel_value item = cel_list_item(call->arena, &a[0], i);
        if (cel_equal(call->arena, &item, &a[1])) {
            return cel_int((int64_t)i);
        }
    }
    return cel_int(-1);
}

static struct cel_value last_index_of(struct cel_call *call, const struct cel_value *a)
{
    for (size_t i = cel_list_size(&a[0]); i > 0; i--) {
        struct cel_value item = cel_list_item(call->arena, &a[0], i - 1);
        if (cel_equal(call->arena, &item, &a[1])) {
            return cel_int((int64_t)i - 1);
        }
    }
    return cel_int(-1);
}

#define OF_ORDERED(name, fn, result)                                                               \
    {name, "list_int_" name, "list<int>.() " result("int"), fn, CEL_COST_TRAVERSE},                \
        {name, "list_uint_" name, "list<uint>.() " result("uint"), fn, CEL_COST_TRAVERSE},         \
        {name, "list_double_" name, "list<double>.() " result("double"), fn, CEL_COST_TRAVERSE},   \
        {name, "list_bool_" name, "list<bool>.() " result("bool"), fn, CEL_COST_TRAVERSE},         \
        {name, "list_duration_" name, "list<duration>.() " result("duration"), fn,                 \
         CEL_COST_TRAVERSE},                                                                       \
        {name, "list_timestamp_" name, "list<timestamp>.() " result("timestamp"), fn,              \
         CEL_COST_TRAVERSE},                                                                       \
        {name, "list_string_" name, "list<string>.() " result("string"), fn, CEL_COST_TRAVERSE},   \
    {                                                                                              \
        name, "list_bytes_" name, "list<bytes>.() " result("bytes"), fn, CEL_COST_TRAVERSE         \
    }
#define ITEM(type) type
#define BOOL(type) "bool"

static const struct cel_row list_rows[] = {
    OF_ORDERED("isSorted", is_sorted, BOOL),
    OF_ORDERED("min", min, ITEM),
    OF_ORDERED("max", max, ITEM),
    {"sum", "list_int_sum_int", "list<int>.() int", sum_int, CEL_COST_TRAVERSE},
    {"sum", "list_uint_sum_uint", "list<uint>.() uint", sum_uint, CEL_COST_TRAVERSE},
    {"sum", "list_double_sum_double", "list<double>.() double", sum_double, CEL_COST_TRAVERSE},
    {"sum", "list_duration_sum_duration", "list<duration>.() duration", sum_duration,
     CEL_COST_TRAVERSE},
    {"indexOf", "list_a_index_of_int", "list<A>.(A) int", index_of, CEL_COST_TRAVERSE},
    {"lastIndexOf", "list_a_last_index_of_int", "list<A>.(A) int", last_index_of,
     CEL_COST_TRAVERSE},
};
#undef OF_ORDERED
#undef ITEM
#undef BOOL

const struct cel_library cel_library_lists = {
    .name = "lists", .rows = list_rows, .row_count = ARRAY_LEN(list_rows)};

/* --- Sets --------------------------------------------------------------------------------------
 */

static bool has(struct cel_call *call, const struct cel_value *list, const struct cel_value *wanted)
{
    struct cel_value pair[] = {*list, *wanted};
    return index_of(call, pair).integer >= 0;
}

/* How many items of `b` are in `a`. */
static size_t shared(struct cel_call *call, const struct cel_value *a, const struct cel_value *b)
{
    size_t count = 0;
    for (size_t i = 0; i < cel_list_size(b); i++) {
        struct cel_value item = cel_list_item(call->arena, b, i);
        count += has(call, a, &item);
    }
    return count;
}

static struct cel_value sets_contains(struct cel_call *call, const struct cel_value *a)
{
    return cel_bool(shared(call, &a[0], &a[1]) == cel_list_size(&a[1]));
}

static struct cel_value sets_equivalent(struct cel_call *call, const struct cel_value *a)
{
    return cel_bool(shared(call, &a[0], &a[1]) == cel_list_size(&a[1]) &&
                    shared(call, &a[1], &a[0]) == cel_list_size(&a[0]));
}

static struct cel_value sets_intersects(struct cel_call *call, const struct cel_value *a)
{
    return cel_bool(shared(call, &a[0], &a[1]) > 0);
}

static const struct cel_row set_rows[] = {
    {"sets.contains", "list_sets_contains_list", "(list<A>, list<A>) bool", sets_contains,
     CEL_COST_CROSS},
    {"sets.equivalent", "list_sets_equivalent_list", "(list<A>, list<A>) bool", sets_equivalent,
     CEL_COST_CROSS_TWICE},
    {"sets.intersects", "list_sets_intersects_list", "(list<A>, list<A>) bool", sets_intersects,
     CEL_COST_CROSS},
};

const struct cel_library cel_library_sets = {
    .name = "sets", .rows = set_rows, .row_count = ARRAY_LEN(set_rows)};

/* --- Regular expressions -----------------------------------------------------------------------
 */

/* The call's pattern, compiled: the one of the program, or in `arena`. */
static const struct cel_regex *pattern_of(struct cel_call *call, struct slice pattern,
                                          struct arena *arena, struct cel_value *ret_error)
{
    const struct cel_regex *regex = call->regex;
    CLEANUP(error_release) struct error error = {0};
    if (regex == NULL && cel_regex_compile(arena, pattern, &regex, &error) < 0) {
        *ret_error = cel_call_error(call, "Illegal regex: %s", error_message(&error));
        return NULL;
    }
    return regex;
}

static struct cel_value find(struct cel_call *call, const struct cel_value *a)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct cel_regex_match match = {0, 0};
    struct cel_value error;
    const struct cel_regex *regex = pattern_of(call, a[1].text, arena, &error);
    if (regex == NULL) {
        return error;
    }
    (void)cel_regex_find(regex, a[0].text, 0, &match);
    return cel_string(slice_of(a[0].text.data + match.start, match.end - match.start));
}

/* Matches that do not overlap; an empty one right after another does not count. */
static struct cel_value found_up_to(struct cel_call *call, const struct cel_value *a, int64_t limit)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct cel_value list = cel_list_of(call->arena, NULL, 0), error;
    const struct cel_regex *regex = pattern_of(call, a[1].text, arena, &error);
    struct cel_regex_match match;
    size_t from = 0, last_end = SIZE_MAX;
    if (regex == NULL) {
        return error;
    }
    for (int64_t count = 0; count != limit && from <= a[0].text.len;) {
        if (!cel_regex_find(regex, a[0].text, from, &match)) {
            break;
        }
        if (match.end > match.start || match.start != last_end) {
            if (!cel_call_takes(call, 3 * sizeof(list))) {
                return cel_error_memory();
            }
            list = cel_list_append(
                call->arena, list,
                cel_string(slice_of(a[0].text.data + match.start, match.end - match.start)));
            count++;
        }
        last_end = match.end;
        from = match.end > match.start ? match.end : match.end + 1;
        while (from < a[0].text.len && (a[0].text.data[from] & 0xc0) == 0x80) {
            from++; /* Not into the middle of a character. */
        }
    }
    return list;
}

static struct cel_value find_all(struct cel_call *call, const struct cel_value *a)
{
    return found_up_to(call, a, -1);
}

static struct cel_value find_some(struct cel_call *call, const struct cel_value *a)
{
    return found_up_to(call, a, a[2].integer < 0 ? -1 : a[2].integer);
}

static const struct cel_row regex_rows[] = {
    {"find", "string_find_string", "string.(string) string", find, CEL_COST_FIND},
    {"findAll", "string_find_all_string", "string.(string) list<string>", find_all, CEL_COST_FIND},
    {"findAll", "string_find_all_string_int", "string.(string, int) list<string>", find_some,
     CEL_COST_FIND},
};

const struct cel_library cel_library_regex = {
    .name = "regex", .rows = regex_rows, .row_count = ARRAY_LEN(regex_rows)};
