#include "lib/cel/cost.h"

#include <math.h>

static const double text_factor = 0.1; /* Of walking through a text once, a character. */
static const double pattern_factor =
    0.25; /* A part of a pattern is taken to have four characters. */

enum {
    FORMAT_PATTERN_SIZE = 128, /* No named format is taken to have a longer pattern. */
    SELECTOR_REQUIREMENT = 50, /* A struct and a list, for every two characters. */
    ADDRESS_BYTES_MIN = 4,
    ADDRESS_BYTES_MAX = 16,
    CALL_ARGUMENTS_MAX = 4,
};

/* --- Ranges ------------------------------------------------------------------------------------
 */

struct cel_range cel_range_exactly(uint64_t value)
{
    return (struct cel_range){value, value};
}

static uint64_t add(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t multiply(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static uint64_t scale(uint64_t a, double factor)
{
    double product = ceil((double)a * factor);
    return product >= 0x1p64 ? UINT64_MAX : (uint64_t)product;
}

struct cel_range cel_range_add(struct cel_range a, struct cel_range b)
{
    return (struct cel_range){add(a.min, b.min), add(a.max, b.max)};
}

struct cel_range cel_range_multiply(struct cel_range a, struct cel_range b)
{
    return (struct cel_range){multiply(a.min, b.min), multiply(a.max, b.max)};
}

struct cel_range cel_range_union(struct cel_range a, struct cel_range b)
{
    return (struct cel_range){a.min < b.min ? a.min : b.min, a.max > b.max ? a.max : b.max};
}

struct cel_range cel_range_scale(struct cel_range a, double factor)
{
    return (struct cel_range){scale(a.min, factor), scale(a.max, factor)};
}

/* --- Calls that were made ----------------------------------------------------------------------
 */

static uint64_t traversal(struct arena *arena, const struct cel_value *value, size_t depth)
{
    uint64_t cost = 0;
    if (value->kind == CEL_STRING || value->kind == CEL_BYTES) {
        return (uint64_t)((double)value->text.len * text_factor);
    }
    if ((value->kind != CEL_LIST && value->kind != CEL_MAP) || depth > CEL_VALUE_DEPTH_MAX) {
        return 1;
    }
    size_t count = value->kind == CEL_LIST ? cel_list_size(value) : cel_map_size(value);
    for (size_t i = 0; i < count; i++) {
        struct cel_value key, item;
        if (value->kind == CEL_LIST) {
            item = cel_list_item(arena, value, i);
        } else {
            cel_map_entry(arena, value, i, &key, &item);
            cost = add(cost, traversal(arena, &key, depth + 1));
        }
        cost = add(cost, traversal(arena, &item, depth + 1));
    }
    return cost;
}

uint64_t cel_price(enum cel_cost rule, struct arena *arena, const struct cel_value *arguments,
                   size_t count, const struct cel_value *result)
{
    uint64_t first, second;
    if (rule == CEL_COST_ONE || rule == CEL_COST_CONCAT_LISTS) {
        return 1;
    }
    first = count > 0 ? cel_size(&arguments[0]) : 1;
    second = count > 1 ? cel_size(&arguments[1]) : 1;
    switch (rule) {
    case CEL_COST_NOTHING:
        return 0;
    case CEL_COST_TEXT:
    case CEL_COST_TEXT_RESULT:
    case CEL_COST_TEXT_SECOND:
    case CEL_COST_TO_BYTES:
    case CEL_COST_TO_STRING:
    case CEL_COST_QUOTE:
        return scale(first, text_factor);
    case CEL_COST_TEXT_TWICE:
    case CEL_COST_REPLACE:
    case CEL_COST_SPLIT:
        return scale(first, 2 * text_factor);
    case CEL_COST_JOIN:
        return scale(cel_size(result), 2 * text_factor);
    case CEL_COST_SMALLER:
        return arguments[0].kind == CEL_OPAQUE
                   ? 1
                   : scale(first < second ? first : second, text_factor);
    case CEL_COST_CONCAT:
        return scale(add(first, second), text_factor);
    case CEL_COST_LIST_SEARCH:
        return second;
    case CEL_COST_MATCH:
    case CEL_COST_FIND:
        return multiply(scale(add(first, 1), text_factor), scale(second, pattern_factor));
    case CEL_COST_FORMAT:
        return multiply(scale(add(second, 1), text_factor), scale(first, pattern_factor));
    case CEL_COST_CONTAINS:
        return multiply(scale(first, text_factor), scale(second, text_factor));
    case CEL_COST_TRAVERSE:
        return traversal(arena, &arguments[0], 0);
    case CEL_COST_CROSS:
        return add(multiply(first, second), 1);
    case CEL_COST_CROSS_TWICE:
        return add(multiply(2, multiply(first, second)), 1);
    case CEL_COST_CHECK:
        return CEL_PRICE_CHECK;
    case CEL_COST_SELECTOR:
        return add(CEL_PRICE_LIST, add(scale(second, text_factor),
                                       multiply(scale(second, 0.5), SELECTOR_REQUIREMENT)));
    case CEL_COST_CONTAINS_IP:
        return scale(2 * first, text_factor);
    case CEL_COST_CONTAINS_IP_TEXT:
        return add(scale(2 * first, text_factor), scale(second, text_factor));
    case CEL_COST_CONTAINS_CIDR:
        return scale(2 * first, text_factor) + scale(first, text_factor) + 1;
    case CEL_COST_CONTAINS_CIDR_TEXT:
        return add(scale(2 * first, text_factor) + scale(first, text_factor) + 1,
                   scale(second, text_factor));
    case CEL_COST_ONE:
    case CEL_COST_CONCAT_LISTS:
        break;
    }
    return 1;
}

/* --- Calls that may be made --------------------------------------------------------------------
 */

static struct cel_call_bounds cost_only(struct cel_range cost)
{
    return (struct cel_call_bounds){.cost = cost};
}

static struct cel_call_bounds cost_and_size(struct cel_range cost, struct cel_range size)
{
    return (struct cel_call_bounds){.cost = cost, .has_size = true, .size = size};
}

static struct cel_range smaller(struct cel_range a, struct cel_range b)
{
    uint64_t max = a.max < b.max ? a.max : b.max;
    return cel_range_scale((struct cel_range){max > 0 ? 1 : 0, max}, text_factor);
}

/* How long a text may be once every `old` in it is `new`. */
static struct cel_range replaced(struct cel_range text, struct cel_range old, struct cel_range new)
{
    struct cel_range count = {0, 0}, kept = {0, 0};
    if (old.min == 0) {
        count.max = add(text.max, 1);
        kept.max = text.max;
    } else if (new.max <= old.min) {
        kept.max = text.max;
    } else {
        count.max = text.max / old.min + (text.max % old.min != 0);
    }
    if (old.max == 0) {
        count.min = add(text.min, 1);
        kept.min = text.min;
    } else if (old.max <= new.min) {
        kept.min = text.min;
    } else {
        count.min = text.min / old.max + (text.min % old.max != 0);
    }
    return cel_range_add(cel_range_multiply(count, new), kept);
}

static struct cel_range joined(struct cel_range list, struct cel_range separator, size_t count,
                               const struct cel_range *element)
{
    struct cel_range size = {0, 0};
    if (element != NULL) {
        size = cel_range_multiply(list, *element);
    }
    if (count > 1) {
        struct cel_range gaps = {list.min == 0 ? 0 : list.min - 1,
                                 list.max == 0 ? 0 : list.max - 1};
        size = cel_range_add(size, cel_range_multiply(separator, gaps));
    }
    return size;
}

static struct cel_range traversed(struct cel_range size, const struct cel_range *element,
                                  bool text_elements)
{
    struct cel_range each = cel_range_exactly(1);
    if (element == NULL) {
        return cel_range_scale(size, text_factor);
    }
    if (text_elements) {
        each = cel_range_add(each, cel_range_scale(*element, text_factor));
    }
    return cel_range_multiply(size, each);
}

static struct cel_range matched(struct cel_range text, struct cel_range pattern)
{
    return cel_range_multiply(
        cel_range_scale(cel_range_add(text, cel_range_exactly(1)), text_factor),
        cel_range_scale(pattern, pattern_factor));
}

/* Two addresses compared, parts of them masked, a text parsed. */
static struct cel_range addresses(struct cel_range text, bool ranges, bool parse)
{
    struct cel_range size = {ADDRESS_BYTES_MIN, ADDRESS_BYTES_MAX};
    struct cel_range cost = cel_range_scale(cel_range_add(size, size), text_factor);
    if (ranges) {
        cost = cel_range_add(
            cost, cel_range_add(cel_range_scale(size, text_factor), cel_range_exactly(1)));
    }
    return parse ? cel_range_add(cost, cel_range_scale(text, text_factor)) : cost;
}

/* Rules about texts and lists of texts. */
static struct cel_call_bounds text_bounds(enum cel_cost rule, const struct cel_range *sizes,
                                          size_t count, const struct cel_range *element)
{
    struct cel_range first = sizes[0], size;
    struct cel_range once = cel_range_scale(first, text_factor);
    if (rule == CEL_COST_TEXT_RESULT) {
        return cost_and_size(once, first);
    }
    if (rule == CEL_COST_TO_BYTES) {
        return cost_and_size(once, (struct cel_range){first.min, multiply(first.max, 4)});
    }
    if (rule == CEL_COST_TO_STRING) {
        return cost_and_size(once, (struct cel_range){first.min / 4, first.max});
    }
    if (rule == CEL_COST_QUOTE) {
        return cost_and_size(once,
                             (struct cel_range){add(first.min, 2), add(multiply(first.max, 2), 2)});
    }
    if (rule == CEL_COST_REPLACE) {
        return cost_and_size(cel_range_scale(first, 2 * text_factor),
                             replaced(first, sizes[1], sizes[2]));
    }
    if (rule == CEL_COST_SPLIT) {
        return cost_and_size(cel_range_scale(first, 2 * text_factor),
                             (struct cel_range){0, first.max});
    }
    if (rule == CEL_COST_JOIN) {
        size = joined(first, sizes[1], count, element);
        return cost_and_size(cel_range_scale(size, text_factor), size);
    }
    return cost_only(rule == CEL_COST_TEXT_TWICE ? cel_range_scale(first, 2 * text_factor) : once);
}

struct cel_call_bounds cel_bounds(enum cel_cost rule, const struct cel_range *given, size_t count,
                                  const struct cel_range *element, bool text_elements)
{
    struct cel_range sizes[CALL_ARGUMENTS_MAX] = {{0, 0}};
    for (size_t i = 0; i < count && i < ARRAY_LEN(sizes); i++) {
        sizes[i] = given[i];
    }
    struct cel_range sum = cel_range_add(sizes[0], sizes[1]);
    struct cel_range product = cel_range_multiply(sizes[0], sizes[1]);
    switch (rule) {
    case CEL_COST_NOTHING:
        return cost_only(cel_range_exactly(0));
    case CEL_COST_ONE:
        break;
    case CEL_COST_TEXT:
    case CEL_COST_TEXT_RESULT:
    case CEL_COST_TEXT_TWICE:
    case CEL_COST_TO_BYTES:
    case CEL_COST_TO_STRING:
    case CEL_COST_QUOTE:
    case CEL_COST_REPLACE:
    case CEL_COST_SPLIT:
    case CEL_COST_JOIN:
        return text_bounds(rule, sizes, count, element);
    case CEL_COST_TEXT_SECOND:
        return cost_only(cel_range_scale(sizes[1], text_factor));
    case CEL_COST_SMALLER:
        return cost_only(smaller(sizes[0], sizes[1]));
    case CEL_COST_CONCAT:
        return cost_and_size(cel_range_scale(sum, text_factor), sum);
    case CEL_COST_CONCAT_LISTS:
        return cost_and_size(cel_range_exactly(1), sum);
    case CEL_COST_LIST_SEARCH:
        return cost_only(sizes[1]);
    case CEL_COST_MATCH:
        return cost_only(matched(sizes[0], sizes[1]));
    case CEL_COST_FIND:
        return cost_and_size(matched(sizes[0], sizes[1]), (struct cel_range){0, sizes[0].max});
    case CEL_COST_FORMAT:
        return cost_only(cel_range_scale(cel_range_scale(sizes[1], text_factor),
                                         FORMAT_PATTERN_SIZE * pattern_factor));
    case CEL_COST_CONTAINS:
        return cost_only(cel_range_multiply(cel_range_scale(sizes[0], text_factor),
                                            cel_range_scale(sizes[1], text_factor)));
    case CEL_COST_TRAVERSE:
        return cost_only(traversed(sizes[0], element, text_elements));
    case CEL_COST_CROSS:
        return cost_only(cel_range_add(product, cel_range_exactly(1)));
    case CEL_COST_CROSS_TWICE:
        return cost_only(cel_range_add(cel_range_scale(product, 2), cel_range_exactly(1)));
    case CEL_COST_CHECK:
        return cost_only(cel_range_exactly(CEL_PRICE_CHECK));
    case CEL_COST_SELECTOR:
        return cost_only(cel_range_add(
            cel_range_exactly(CEL_PRICE_LIST),
            cel_range_add(cel_range_scale(sizes[1], text_factor),
                          cel_range_multiply(cel_range_scale(sizes[1], 0.5),
                                             cel_range_exactly(SELECTOR_REQUIREMENT)))));
    case CEL_COST_CONTAINS_IP:
    case CEL_COST_CONTAINS_IP_TEXT:
        return cost_only(addresses(sizes[1], false, rule == CEL_COST_CONTAINS_IP_TEXT));
    case CEL_COST_CONTAINS_CIDR:
    case CEL_COST_CONTAINS_CIDR_TEXT:
        return cost_only(addresses(sizes[1], true, rule == CEL_COST_CONTAINS_CIDR_TEXT));
    }
    return cost_only(cel_range_exactly(1));
}
