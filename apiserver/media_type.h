/* The value of a Content-Type field, as Go's mime package reads it. Pure. */
#ifndef APISERVER_MEDIA_TYPE_H
#define APISERVER_MEDIA_TYPE_H
#include "lib/base/slice.h"
#include <stdbool.h>

/* False when it is none: no "type/subtype", or a parameter that is no "key=value" or that
 * contradicts an earlier one. *ret_type is what stands before the parameters. */
bool media_type_parse(struct slice text, struct slice *ret_type);
#endif
