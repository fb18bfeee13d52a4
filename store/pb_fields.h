/* Fields of protobuf messages, one by one, for those who store messages and know no generated code.
 * Pure. Source: protobuf.dev, "Encoding". */
#ifndef STORE_PB_FIELDS_H
#define STORE_PB_FIELDS_H
#include "lib/base/buffer.h"

enum pb_type { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

/* Field numbers below 16. What is 0 or empty is left out, as proto3 does... */
size_t pb_number_size(int64_t value);
void pb_put_number(struct buffer *out, unsigned field, int64_t value);
size_t pb_bytes_size(struct slice bytes);
void pb_put_bytes(struct buffer *out, unsigned field, struct slice bytes);
/* ... but never from a list. */
void pb_put_element(struct buffer *out, unsigned field, struct slice bytes);

struct pb_field {
    uint64_t number;
    enum pb_type type;
    uint64_t value;     /* Of a varint. */
    struct slice bytes; /* Of PB_BYTES. */
};

/* Takes one field from the front. -EBADMSG. */
MUST_USE int pb_get_field(struct slice *left, struct pb_field *ret_field);
#endif
