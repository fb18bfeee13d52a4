/* Operators: arithmetic with overflow as an error, comparison, containers, logic. */
#include "lib/cel/cel.h"
#include <math.h>

#define OVERFLOW_INT  cel_error("integer overflow")
#define OVERFLOW_UINT cel_error("unsigned integer overflow")

/* --- Arithmetic --------------------------------------------------------------------------------
 */

static struct cel_value add_int(struct cel_call *call, const struct cel_value *a)
{
    int64_t sum;
    (void)call;
    return __builtin_add_overflow(a[0].integer, a[1].integer, &sum) ? OVERFLOW_INT : cel_int(sum);
}

static struct cel_value add_uint(struct cel_call *call, const struct cel_value *a)
{
    uint64_t sum;
    (void)call;
    return __builtin_add_overflow(a[0].natural, a[1].natural, &sum) ? OVERFLOW_UINT : cel_uint(sum);
}

static struct cel_value add_double(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_double(a[0].real + a[1].real);
}

static struct cel_value add_text(struct cel_call *call, const struct cel_value *a)
{
    size_t len = a[0].text.len + a[1].text.len;
    if (!cel_call_takes(call, len)) {
        return cel_error_memory();
    }
    uint8_t *joined = arena_alloc(call->arena, len + 1);
    if (a[0].text.len > 0) {
        memcpy(joined, a[0].text.data, a[0].text.len);
    }
    if (a[1].text.len > 0) {
        memcpy(joined + a[0].text.len, a[1].text.data, a[1].text.len);
    }
    joined[len] = '\0';
    return a[0].kind == CEL_BYTES ? cel_bytes(slice_of(joined, len))
                                  : cel_string(slice_of(joined, len));
}

static struct cel_value add_list(struct cel_call *call, const struct cel_value *a)
{
    size_t count = cel_list_size(&a[1]);
    if (!cel_call_takes(call, (count + 1) * sizeof(struct cel_value))) {
        return cel_error_memory();
    }
    return cel_list_concat(call->arena, a[0], a[1]);
}

static struct cel_value subtract_int(struct cel_call *call, const struct cel_value *a)
{
    int64_t difference;
    (void)call;
    return __builtin_sub_overflow(a[0].integer, a[1].integer, &difference) ? OVERFLOW_INT
                                                                           : cel_int(difference);
}

static struct cel_value subtract_uint(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return a[0].natural < a[1].natural ? OVERFLOW_UINT : cel_uint(a[0].natural - a[1].natural);
}

static struct cel_value subtract_double(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_double(a[0].real - a[1].real);
}

static struct cel_value multiply_int(struct cel_call *call, const struct cel_value *a)
{
    int64_t product;
    (void)call;
    return __builtin_mul_overflow(a[0].integer, a[1].integer, &product) ? OVERFLOW_INT
                                                                        : cel_int(product);
}

static struct cel_value multiply_uint(struct cel_call *call, const struct cel_value *a)
{
    uint64_t product;
    (void)call;
    return __builtin_mul_overflow(a[0].natural, a[1].natural, &product) ? OVERFLOW_UINT
                                                                        : cel_uint(product);
}

static struct cel_value multiply_double(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_double(a[0].real * a[1].real);
}

static struct cel_value divide_int(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    if (a[1].integer == 0) {
        return cel_error("division by zero");
    }
    if (a[0].integer == INT64_MIN && a[1].integer == -1) {
        return OVERFLOW_INT;
    }
    return cel_int(a[0].integer / a[1].integer);
}

static struct cel_value divide_uint(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return a[1].natural == 0 ? cel_error("division by zero")
                             : cel_uint(a[0].natural / a[1].natural);
}

static struct cel_value divide_double(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    if (a[1].real == 0) { /* IEEE 754, said aloud for the sanitizer. */
        double sign = signbit(a[0].real) != signbit(a[1].real) ? -1 : 1;
        return cel_double(a[0].real == 0 || isnan(a[0].real) ? NAN : sign * HUGE_VAL);
    }
    return cel_double(a[0].real / a[1].real);
}

static struct cel_value modulo_int(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    if (a[1].integer == 0) {
        return cel_error("modulus by zero");
    }
    if (a[0].integer == INT64_MIN && a[1].integer == -1) {
        return OVERFLOW_INT;
    }
    return cel_int(a[0].integer % a[1].integer);
}

static struct cel_value modulo_uint(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return a[1].natural == 0 ? cel_error("modulus by zero") : cel_uint(a[0].natural % a[1].natural);
}

static struct cel_value negate_int(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return a[0].integer == INT64_MIN ? OVERFLOW_INT : cel_int(-a[0].integer);
}

static struct cel_value negate_double(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_double(-a[0].real);
}

/* --- Comparison --------------------------------------------------------------------------------
 */

static struct cel_value equals(struct cel_call *call, const struct cel_value *a)
{
    return cel_bool(cel_equal(call->arena, &a[0], &a[1]));
}

static struct cel_value differs(struct cel_call *call, const struct cel_value *a)
{
    return cel_bool(!cel_equal(call->arena, &a[0], &a[1]));
}

static struct cel_value less(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_bool(cel_compare(&a[0], &a[1]) == CEL_LESS);
}

static struct cel_value less_or_equal(struct cel_call *call, const struct cel_value *a)
{
    enum cel_order order = cel_compare(&a[0], &a[1]);
    (void)call;
    return cel_bool(order == CEL_LESS || order == CEL_SAME);
}

static struct cel_value greater(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_bool(cel_compare(&a[0], &a[1]) == CEL_GREATER);
}

static struct cel_value greater_or_equal(struct cel_call *call, const struct cel_value *a)
{
    enum cel_order order = cel_compare(&a[0], &a[1]);
    (void)call;
    return cel_bool(order == CEL_GREATER || order == CEL_SAME);
}

/* --- Containers --------------------------------------------------------------------------------
 */

static struct cel_value in_list(struct cel_call *call, const struct cel_value *a)
{
    for (size_t i = 0, count = cel_list_size(&a[1]); i < count; i++) {
        struct cel_value item = cel_list_item(call->arena, &a[1], i);
        if (cel_equal(call->arena, &a[0], &item)) {
            return cel_bool(true);
        }
    }
    return cel_bool(false);
}

static struct cel_value in_map(struct cel_call *call, const struct cel_value *a)
{
    struct cel_value found;
    return cel_bool(cel_map_find(call->arena, &a[1], &a[0], &found));
}

static bool list_has(const struct cel_value *list, const struct cel_value *index)
{
    return index->kind == CEL_INT && index->integer >= 0 &&
           (uint64_t)index->integer < cel_list_size(list);
}

static struct cel_value index_list(struct cel_call *call, const struct cel_value *a)
{
    if (list_has(&a[0], &a[1])) {
        return cel_list_item(call->arena, &a[0], (size_t)a[1].integer);
    }
    return cel_call_error(call, "index out of bounds: %lld", (long long)a[1].integer);
}

static struct cel_value index_map(struct cel_call *call, const struct cel_value *a)
{
    struct cel_value found;
    return cel_map_find(call->arena, &a[0], &a[1], &found) ? found
                                                           : cel_error_no_key(call->arena, &a[1]);
}

static struct cel_value some_of(struct cel_call *call, struct cel_value value)
{
    return value.kind == CEL_OPTIONAL ? value : cel_some(call->arena, value);
}

/* list[?i], map[?k], and the same on an optional. */
static struct cel_value index_optional(struct cel_call *call, const struct cel_value *a)
{
    struct cel_value container = a[0], found;
    if (container.kind == CEL_OPTIONAL) {
        if (container.optional == NULL) {
            return container;
        }
        container = *container.optional;
    }
    if (container.kind == CEL_LIST && list_has(&container, &a[1])) {
        return some_of(call, cel_list_item(call->arena, &container, (size_t)a[1].integer));
    }
    if (container.kind == CEL_MAP && cel_map_find(call->arena, &container, &a[1], &found)) {
        return some_of(call, found);
    }
    return container.kind == CEL_LIST || container.kind == CEL_MAP ? cel_none()
                                                                   : cel_error_no_overload();
}

static struct cel_value size_of(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_int((int64_t)cel_size(&a[0]));
}

static struct cel_value negate_bool(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_bool(!a[0].boolean);
}

#define ORDER(name, word, fn)                                                                      \
    {name, word "_bool", "(bool, bool) bool", fn, CEL_COST_ONE},                                   \
        {name, word "_int64", "(int, int) bool", fn, CEL_COST_ONE},                                \
        {name, word "_int64_double", "(int, double) bool", fn, CEL_COST_ONE},                      \
        {name, word "_int64_uint64", "(int, uint) bool", fn, CEL_COST_ONE},                        \
        {name, word "_uint64", "(uint, uint) bool", fn, CEL_COST_ONE},                             \
        {name, word "_uint64_double", "(uint, double) bool", fn, CEL_COST_ONE},                    \
        {name, word "_uint64_int64", "(uint, int) bool", fn, CEL_COST_ONE},                        \
        {name, word "_double", "(double, double) bool", fn, CEL_COST_ONE},                         \
        {name, word "_double_int64", "(double, int) bool", fn, CEL_COST_ONE},                      \
        {name, word "_double_uint64", "(double, uint) bool", fn, CEL_COST_ONE},                    \
        {name, word "_string", "(string, string) bool", fn, CEL_COST_SMALLER},                     \
        {name, word "_bytes", "(bytes, bytes) bool", fn, CEL_COST_SMALLER},                        \
        {name, word "_timestamp", "(timestamp, timestamp) bool", fn, CEL_COST_ONE},                \
    {                                                                                              \
        name, word "_duration", "(duration, duration) bool", fn, CEL_COST_ONE                      \
    }

static const struct cel_row rows[] = {
    {"_+_", "add_int64", "(int, int) int", add_int, CEL_COST_ONE},
    {"_+_", "add_uint64", "(uint, uint) uint", add_uint, CEL_COST_ONE},
    {"_+_", "add_double", "(double, double) double", add_double, CEL_COST_ONE},
    {"_+_", "add_string", "(string, string) string", add_text, CEL_COST_CONCAT},
    {"_+_", "add_bytes", "(bytes, bytes) bytes", add_text, CEL_COST_CONCAT},
    {"_+_", "add_list", "(list<A>, list<A>) list<A>", add_list, CEL_COST_CONCAT_LISTS},
    {"_-_", "subtract_int64", "(int, int) int", subtract_int, CEL_COST_ONE},
    {"_-_", "subtract_uint64", "(uint, uint) uint", subtract_uint, CEL_COST_ONE},
    {"_-_", "subtract_double", "(double, double) double", subtract_double, CEL_COST_ONE},
    {"_*_", "multiply_int64", "(int, int) int", multiply_int, CEL_COST_ONE},
    {"_*_", "multiply_uint64", "(uint, uint) uint", multiply_uint, CEL_COST_ONE},
    {"_*_", "multiply_double", "(double, double) double", multiply_double, CEL_COST_ONE},
    {"_/_", "divide_int64", "(int, int) int", divide_int, CEL_COST_ONE},
    {"_/_", "divide_uint64", "(uint, uint) uint", divide_uint, CEL_COST_ONE},
    {"_/_", "divide_double", "(double, double) double", divide_double, CEL_COST_ONE},
    {"_%_", "modulo_int64", "(int, int) int", modulo_int, CEL_COST_ONE},
    {"_%_", "modulo_uint64", "(uint, uint) uint", modulo_uint, CEL_COST_ONE},
    {"-_", "negate_int64", "(int) int", negate_int, CEL_COST_ONE},
    {"-_", "negate_double", "(double) double", negate_double, CEL_COST_ONE},
    {"!_", "logical_not", "(bool) bool", negate_bool, CEL_COST_ONE},
    {"_==_", "equals", "(A, A) bool", equals, CEL_COST_SMALLER},
    {"_!=_", "not_equals", "(A, A) bool", differs, CEL_COST_SMALLER},
    ORDER("_<_", "less", less),
    ORDER("_<=_", "less_equals", less_or_equal),
    ORDER("_>_", "greater", greater),
    ORDER("_>=_", "greater_equals", greater_or_equal),
    {"@in", "in_list", "(A, list<A>) bool", in_list, CEL_COST_LIST_SEARCH},
    {"@in", "in_map", "(A, map<A, B>) bool", in_map, CEL_COST_ONE},
    {"_[_]", "index_list", "(list<A>, int) A", index_list, CEL_COST_ONE},
    {"_[_]", "index_map", "(map<A, B>, A) B", index_map, CEL_COST_ONE},
    {"_[_]", "optional_list_index_int", "(optional<list<A>>, int) optional<A>", index_optional,
     CEL_COST_ONE},
    {"_[_]", "optional_map_index_value", "(optional<map<A, B>>, A) optional<B>", index_optional,
     CEL_COST_ONE},
    {"_[?_]", "list_optindex_optional_int", "(list<A>, int) optional<A>", index_optional,
     CEL_COST_ONE},
    {"_[?_]", "optional_list_optindex_optional_int", "(optional<list<A>>, int) optional<A>",
     index_optional, CEL_COST_ONE},
    {"_[?_]", "map_optindex_optional_value", "(map<A, B>, A) optional<B>", index_optional,
     CEL_COST_ONE},
    {"_[?_]", "optional_map_optindex_optional_value", "(optional<map<A, B>>, A) optional<B>",
     index_optional, CEL_COST_ONE},
    {"_?._", "select_optional_field", "(dyn, string) dyn", index_optional, CEL_COST_ONE},
    {"size", "size_string", "(string) int", size_of, CEL_COST_ONE},
    {"size", "size_bytes", "(bytes) int", size_of, CEL_COST_ONE},
    {"size", "size_list", "(list<A>) int", size_of, CEL_COST_ONE},
    {"size", "size_map", "(map<A, B>) int", size_of, CEL_COST_ONE},
    {"size", "string_size", "string.() int", size_of, CEL_COST_ONE},
    {"size", "bytes_size", "bytes.() int", size_of, CEL_COST_ONE},
    {"size", "list_size", "list<A>.() int", size_of, CEL_COST_ONE},
    {"size", "map_size", "map<A, B>.() int", size_of, CEL_COST_ONE},
};

const struct cel_library cel_library_operators = {
    .name = "operators", .rows = rows, .row_count = ARRAY_LEN(rows)};

/* The evaluator knows these by their form; the rows are for the checker and for costs. */
static const struct cel_row logic_rows[] = {
    {"_&&_", "logical_and", "(bool, bool) bool", NULL, CEL_COST_NOTHING},
    {"_||_", "logical_or", "(bool, bool) bool", NULL, CEL_COST_NOTHING},
    {"_?_:_", "conditional", "(bool, A, A) A", NULL, CEL_COST_NOTHING},
    {"@not_strictly_false", "not_strictly_false", "(bool) bool", NULL, CEL_COST_ONE},
};

const struct cel_library cel_library_logic = {
    .name = "logic", .rows = logic_rows, .row_count = ARRAY_LEN(logic_rows)};
