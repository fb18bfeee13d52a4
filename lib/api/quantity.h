/* Resource quantities ("100m", "1.5Gi", "2e3"): exact arithmetic on billionths. Pure.
 * Source: Kubernetes API conventions, "resource.Quantity". */
#ifndef LIB_API_QUANTITY_H
#define LIB_API_QUANTITY_H
#include "k8s/quantity.pb-c.h"
#include "lib/base/arena.h"
#include "lib/base/error.h"
#include <stdint.h>

__extension__ typedef __int128 quantity_nanos;

/* How a quantity was written, which decides how it is written again. */
enum quantity_format {
    QUANTITY_DECIMAL_SI,
    QUANTITY_BINARY_SI,
    QUANTITY_DECIMAL_EXPONENT, /* 1e3 */
    QUANTITY_UPPER_EXPONENT,   /* 1E3: the letter is kept. */
};

struct quantity {
    quantity_nanos nanos; /* Value in billionths: at most 5 * 10^37 either way, so that sums fit. */
    enum quantity_format format;
};

enum { QUANTITY_TEXT_SIZE = 48 }; /* Enough for any canonical text and its NUL. */

/* Returns 0, or -EINVAL with Kubernetes' message. Values beyond 2^63-1 of more than 18 digits, and
 * all beyond 5 * 10^28, are capped; less than a billionth is rounded away from zero. */
MUST_USE int quantity_parse(struct slice text, struct quantity *ret_quantity, struct error *reterr);
/* Canonical text. */
void quantity_format(struct quantity quantity, char ret_text[QUANTITY_TEXT_SIZE]);
int quantity_compare(struct quantity a, struct quantity b);         /* Negative, zero, positive. */
struct quantity quantity_add(struct quantity a, struct quantity b); /* Capped; a's format. */
struct quantity quantity_sub(struct quantity a, struct quantity b);
/* Rounded up, capped at the range of int64_t. */
int64_t quantity_value(struct quantity quantity);
int64_t quantity_milli_value(struct quantity quantity);
struct quantity quantity_of(int64_t value, enum quantity_format format);
struct quantity quantity_of_milli(int64_t value, enum quantity_format format);
static inline bool quantity_is_zero(struct quantity quantity)
{
    return quantity.nanos == 0;
}
static inline int quantity_sign(struct quantity quantity)
{
    return quantity.nanos < 0 ? -1 : quantity.nanos > 0;
}

/* From and to messages. NULL reads as zero; a decoded message always parses. */
struct quantity quantity_read(const Quantity__Quantity *message);
Quantity__Quantity *quantity_new(struct arena *arena, struct quantity quantity);
Quantity__Quantity *quantity_new_text(struct arena *arena, const char *canonical);
#endif
