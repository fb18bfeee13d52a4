/* IntOrString: a number, or a text that is a name or a percentage. Pure. */
#ifndef LIB_API_INTSTR_H
#define LIB_API_INTSTR_H
#include "k8s/intstr.pb-c.h"
#include "lib/base/arena.h"
#include <stdint.h>

enum { INTSTR_INT = 0, INTSTR_STRING = 1 };

Intstr__IntOrString *intstr_new_int(struct arena *arena, int32_t value);
Intstr__IntOrString *intstr_new_text(struct arena *arena, const char *text);
static inline bool intstr_is_text(const Intstr__IntOrString *value)
{
    return value != NULL && value->type == INTSTR_STRING;
}
int32_t intstr_int(const Intstr__IntOrString *value);      /* 0 for NULL and for texts. */
const char *intstr_text(const Intstr__IntOrString *value); /* "" for NULL and for numbers. */
/* The number, or the percentage of `total` rounded up or down. Returns 0, or -EINVAL when the text
 * is not a percentage. */
MUST_USE int intstr_scaled(const Intstr__IntOrString *value, int32_t total, bool round_up,
                           int32_t *ret_value);
bool intstr_equal(const Intstr__IntOrString *a, const Intstr__IntOrString *b);
#endif
