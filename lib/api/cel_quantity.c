/* Kubernetes' quantity library for expressions. */
#include "lib/api/cel_functions.h"
#include "lib/api/quantity.h"
#include <ctype.h>
#include <stdlib.h>

/* isInteger() and asInteger() ask how v1.32 holds a quantity, and not only for its value: an
 * integer and a power of ten, or, when there are too many digits, a fraction of any length. Only
 * the first without decimals is taken for an integer. */
struct amount {
    struct quantity quantity;
    bool is_integer;
};

enum { FAST_DIGITS = 18, FAST_BINARY_DIGITS = 14, BINARY_POWERS = 6 };

static bool equal(const void *a, const void *b)
{
    const struct amount *left = a, *right = b;
    return quantity_compare(left->quantity, right->quantity) == 0;
}

static const struct cel_opaque quantity_opaque = {.name = "kubernetes.Quantity", .equal = equal};
static const struct cel_type quantity_type = {.kind = CEL_TYPE_OPAQUE,
                                              .name = "kubernetes.Quantity"};

static const struct amount *amount_in(const struct cel_value *value)
{
    return value->opaque.data;
}

static struct cel_value amount_value(struct cel_call *call, struct amount amount)
{
    struct amount *copy = arena_alloc(call->arena, sizeof(*copy));
    *copy = amount;
    return cel_opaque(&quantity_opaque, copy);
}

static bool fits_integer(quantity_nanos nanos)
{
    const quantity_nanos one = 1000000000;
    return nanos % one == 0 && nanos / one <= INT64_MAX && nanos / one >= INT64_MIN;
}

/* The number of digits, leading zeroes left out. */
static size_t count_digits(const char *text)
{
    size_t count = 0;
    while (isdigit((unsigned char)text[count]) || text[count] == '.') {
        count++;
    }
    return count;
}

/* Of a text that is a quantity. */
static bool is_written_as_integer(struct slice text, struct quantity quantity)
{
    static const char powers[BINARY_POWERS + 1] = "KMGTPE";
    const char *at = (const char *)text.data;
    at += *at == '+' || *at == '-';
    at += strspn(at, "0");
    size_t digits = count_digits(at);
    const char *dot = memchr(at, '.', digits), *suffix = at + digits;
    digits -= dot == NULL ? 0 : 1;
    if (quantity.format != QUANTITY_BINARY_SI) {
        /* Decimals are there unless the suffix moves the point behind them. */
        size_t decimals = dot == NULL ? 0 : (size_t)(suffix - dot) - 1;
        static const char letters[] = "kMGTPE";
        const char *letter = *suffix == '\0' ? NULL : strchr(letters, *suffix);
        long exponent = letter != NULL && suffix[1] == '\0' ? (letter - letters + 1) * 3
                        : *suffix == 'n'                    ? -9
                        : *suffix == 'u'                    ? -6
                        : *suffix == 'm'                    ? -3
                        : *suffix == '\0'                   ? 0
                                                            : strtol(suffix + 1, NULL, 10);
        return digits <= FAST_DIGITS && exponent >= (long)decimals;
    }
    long power = strchr(powers, *suffix) - powers + 1;
    return dot == NULL && (long)digits + power * 10 * 3 / 10 <= FAST_BINARY_DIGITS;
}

static struct cel_value quantity_of_text(struct cel_call *call, const struct cel_value *a)
{
    CLEANUP(error_release) struct error error = {0};
    struct amount amount;
    struct slice text =
        slice_text(arena_text_n(call->arena, (const char *)a[0].text.data, a[0].text.len));
    if (text.len != a[0].text.len || quantity_parse(a[0].text, &amount.quantity, &error) < 0) {
        return cel_call_error(call, "%s", error_message(&error));
    }
    amount.is_integer =
        fits_integer(amount.quantity.nanos) && is_written_as_integer(text, amount.quantity);
    return amount_value(call, amount);
}

static struct cel_value is_quantity(struct cel_call *call, const struct cel_value *a)
{
    struct quantity quantity;
    (void)call;
    return cel_bool(quantity_parse(a[0].text, &quantity, NULL) == 0);
}

/* --- Methods -----------------------------------------------------------------------------------
 */

static struct cel_value sign(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_int(quantity_sign(amount_in(&a[0])->quantity));
}

static int compare(const struct cel_value *a)
{
    return quantity_compare(amount_in(&a[0])->quantity, amount_in(&a[1])->quantity);
}

static struct cel_value is_greater(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_bool(compare(a) > 0);
}

static struct cel_value is_less(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_bool(compare(a) < 0);
}

static struct cel_value compare_to(struct cel_call *call, const struct cel_value *a)
{
    int order = compare(a);
    (void)call;
    return cel_int(order < 0 ? -1 : order > 0);
}

static struct cel_value is_integer(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_bool(amount_in(&a[0])->is_integer);
}

static struct cel_value as_integer(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return amount_in(&a[0])->is_integer ? cel_int(quantity_value(amount_in(&a[0])->quantity))
                                        : cel_error("cannot convert value to integer");
}

static struct cel_value as_float(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_double((double)amount_in(&a[0])->quantity.nanos / 1e9);
}

/* The sum or difference, whose form is that of the operand that is not zero. */
static struct cel_value combined(struct cel_call *call, const struct amount *a, struct amount b,
                                 bool minus)
{
    struct amount sum = {minus ? quantity_sub(a->quantity, b.quantity)
                               : quantity_add(a->quantity, b.quantity),
                         a->is_integer && b.is_integer};
    if (quantity_is_zero(a->quantity) || quantity_is_zero(b.quantity)) {
        sum.is_integer = quantity_is_zero(b.quantity) ? a->is_integer : b.is_integer;
    }
    sum.is_integer = sum.is_integer && fits_integer(sum.quantity.nanos);
    return amount_value(call, sum);
}

static struct amount of_integer(const struct cel_value *value)
{
    return (struct amount){quantity_of(value->integer, QUANTITY_DECIMAL_EXPONENT), true};
}

static struct cel_value add(struct cel_call *call, const struct cel_value *a)
{
    return combined(call, amount_in(&a[0]), *amount_in(&a[1]), /* minus= */ false);
}

static struct cel_value add_integer(struct cel_call *call, const struct cel_value *a)
{
    return combined(call, amount_in(&a[0]), of_integer(&a[1]), /* minus= */ false);
}

static struct cel_value sub(struct cel_call *call, const struct cel_value *a)
{
    return combined(call, amount_in(&a[0]), *amount_in(&a[1]), /* minus= */ true);
}

static struct cel_value sub_integer(struct cel_call *call, const struct cel_value *a)
{
    return combined(call, amount_in(&a[0]), of_integer(&a[1]), /* minus= */ true);
}

#define Q "kubernetes.Quantity"
static const struct cel_row rows[] = {
    {"quantity", "string_to_quantity", "(string) " Q, quantity_of_text, CEL_COST_TEXT},
    {"isQuantity", "is_quantity_string", "(string) bool", is_quantity, CEL_COST_TEXT},
    {"sign", "quantity_sign", "(" Q ") int", sign, CEL_COST_ONE}, /* As v1.32 declares it, ... */
    {"sign", "quantity_sign_member", Q ".() int", sign, CEL_COST_ONE}, /* ... and documents it. */
    {"isGreaterThan", "quantity_is_greater_than", Q ".(" Q ") bool", is_greater, CEL_COST_ONE},
    {"isLessThan", "quantity_is_less_than", Q ".(" Q ") bool", is_less, CEL_COST_ONE},
    {"compareTo", "quantity_compare_to", Q ".(" Q ") int", compare_to, CEL_COST_ONE},
    {"asApproximateFloat", "quantity_get_float", Q ".() double", as_float, CEL_COST_ONE},
    {"asInteger", "quantity_get_int", Q ".() int", as_integer, CEL_COST_ONE},
    {"isInteger", "quantity_is_integer", Q ".() bool", is_integer, CEL_COST_ONE},
    {"add", "quantity_add", Q ".(" Q ") " Q, add, CEL_COST_ONE},
    {"add", "quantity_add_int", Q ".(int) " Q, add_integer, CEL_COST_ONE},
    {"sub", "quantity_sub", Q ".(" Q ") " Q, sub, CEL_COST_ONE},
    {"sub", "quantity_sub_int", Q ".(int) " Q, sub_integer, CEL_COST_ONE},
};
#undef Q
static const struct cel_constant types[] = {{"kubernetes.Quantity", &quantity_type}};

const struct cel_library api_cel_quantity = {.name = "quantity",
                                             .rows = rows,
                                             .row_count = ARRAY_LEN(rows),
                                             .types = types,
                                             .type_count = ARRAY_LEN(types)};
