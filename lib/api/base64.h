/* Standard base64 with padding (RFC 4648 section 4), as Go's encoding/json uses it. Pure. */
#ifndef LIB_API_BASE64_H
#define LIB_API_BASE64_H
#include "lib/base/buffer.h"

void api_base64_encode(struct slice bytes, struct buffer *out);
/* Decodes into `out`, which has room for text.len / 4 * 3 bytes. Line ends are skipped. Returns 0,
 * or -EINVAL with the position of the byte at fault. */
MUST_USE int api_base64_decode(struct slice text, uint8_t *out, size_t *ret_len,
                               size_t *reterr_position);
#endif
