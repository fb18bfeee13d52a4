#include "lib/api/intstr.h"

#include <errno.h>
#include <string.h>

Intstr__IntOrString *intstr_new_int(struct arena *arena, int32_t value)
{
    Intstr__IntOrString *message = arena_alloc(arena, sizeof(*message));
    intstr__int_or_string__init(message);
    message->has_type = message->has_int_val = 1;
    message->type = INTSTR_INT;
    message->int_val = value;
    return message;
}

Intstr__IntOrString *intstr_new_text(struct arena *arena, const char *text)
{
    Intstr__IntOrString *message = arena_alloc(arena, sizeof(*message));
    intstr__int_or_string__init(message);
    message->has_type = message->has_int_val = 1;
    message->type = INTSTR_STRING;
    message->str_val = arena_text(arena, text);
    return message;
}

int32_t intstr_int(const Intstr__IntOrString *value)
{
    return value == NULL || intstr_is_text(value) ? 0 : value->int_val;
}

const char *intstr_text(const Intstr__IntOrString *value)
{
    return intstr_is_text(value) && value->str_val != NULL ? value->str_val : "";
}

int intstr_scaled(const Intstr__IntOrString *value, int32_t total, bool round_up,
                  int32_t *ret_value)
{
    const char *text = intstr_text(value);
    int64_t percent = 0, product;
    size_t digits = 0;

    if (!intstr_is_text(value)) {
        *ret_value = intstr_int(value);
        return 0;
    }
    for (; text[digits] >= '0' && text[digits] <= '9'; digits++) {
        percent = percent * 10 + (text[digits] - '0');
        if (percent > INT32_MAX) {
            return -EINVAL;
        }
    }
    if (digits == 0 || strcmp(text + digits, "%") != 0) {
        return -EINVAL;
    }
    product = percent * total;
    if (round_up && product % 100 > 0) {
        product += 100;
    }
    product /= 100;
    *ret_value = product > INT32_MAX ? INT32_MAX : (int32_t)product;
    return 0;
}

bool intstr_equal(const Intstr__IntOrString *a, const Intstr__IntOrString *b)
{
    if (intstr_is_text(a) != intstr_is_text(b)) {
        return false;
    }
    return intstr_is_text(a) ? strcmp(intstr_text(a), intstr_text(b)) == 0
                             : intstr_int(a) == intstr_int(b);
}
