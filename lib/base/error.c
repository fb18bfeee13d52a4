#include "lib/base/error.h"

#include "lib/base/alloc.h"
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int error_set(struct error *reterr, int code, const char *format, ...)
{
    assert(code < 0);
    if (reterr == NULL) {
        return code;
    }
    char *message = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&message, format, args) < 0) {
        abort();
    }
    va_end(args);
    free(reterr->message);
    reterr->code = code;
    reterr->message = message;
    return code;
}

int error_wrap(struct error *reterr, const char *format, ...)
{
    if (reterr == NULL) {
        return 0;
    }
    assert(reterr->code < 0);
    char *context = NULL;
    va_list args;
    va_start(args, format);
    if (vasprintf(&context, format, args) < 0) {
        abort();
    }
    va_end(args);
    char *message = alloc_printf("%s: %s", context, error_message(reterr));
    free(context);
    free(reterr->message);
    reterr->message = message;
    return reterr->code;
}

const char *error_message(const struct error *error)
{
    if (error->message != NULL) {
        return error->message;
    }
    return error->code == 0 ? "no error" : strerror(-error->code);
}

void error_release(struct error *error)
{
    if (error != NULL) {
        free(error->message);
        *error = (struct error){.code = 0};
    }
}
