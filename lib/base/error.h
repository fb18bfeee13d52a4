/* An error that a person will read: a negative errno and a message that says what to do. A function
 * that can fail returns 0 or a negative errno, and fills `reterr` (may be NULL) only on failure. */
#ifndef LIB_BASE_ERROR_H
#define LIB_BASE_ERROR_H
#include "lib/base/compiler.h"

struct error {
    int code;      /* 0 when unset, else a negative errno. */
    char *message; /* Owned; NULL when unset. */
};

/* Sets *reterr (replacing what it held) and returns `code`, so that a caller can
 * `return error_set(reterr, -EINVAL, "...")`. */
int error_set(struct error *reterr, int code, const char *format, ...) PRINTF_LIKE(3, 4);
/* Puts "context: " before the message and returns the code. */
int error_wrap(struct error *reterr, const char *format, ...) PRINTF_LIKE(2, 3);
const char *error_message(const struct error *error); /* Never NULL. */
void error_release(struct error *error);              /* For CLEANUP(error_release). */
#endif
