/* Pieces of JSON output. Internal to lib/api. */
#ifndef LIB_API_JSON_PRINT_H
#define LIB_API_JSON_PRINT_H
#include "lib/base/buffer.h"

void json_print_int(int64_t value, struct buffer *out);
void json_print_double(double value, struct buffer *out);
/* Copies JSON text without white space outside strings, HTML characters escaped. */
void json_print_compact(struct slice text, struct buffer *out);
#endif
