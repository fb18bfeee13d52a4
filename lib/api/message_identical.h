/* Whether two fields hold the same, literally: a cheap question before costly ones. Pure. Internal
 * to lib/api. */
#ifndef LIB_API_MESSAGE_IDENTICAL_H
#define LIB_API_MESSAGE_IDENTICAL_H
#include "lib/api/schema.h"

/* True only when every codec writes the same bytes for both structs' field. False may be said of
 * fields that mean the same (api_message_equal), such as maps in different orders. */
bool api_field_identical(const struct api_field *field, const void *a, const void *b);
#endif
