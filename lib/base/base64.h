/* base64 and base64url (RFC 4648). Pure. A buffer without room keeps its sticky error. */
#ifndef LIB_BASE_BASE64_H
#define LIB_BASE_BASE64_H
#include "lib/base/buffer.h"

/* With padding (section 4). */
void base64_encode(struct slice bytes, struct buffer *out);
/* Missing padding is tolerated, line ends are not. 0, -EINVAL, -ENOSPC. */
MUST_USE int base64_decode(struct slice text, struct buffer *out);
/* As Go's encoding/json reads []byte: padding is needed, line ends are skipped, bits left over in
 * the last digit are not looked at. `out` has room for text.len / 4 * 3 bytes. 0, or -EINVAL with
 * the position of the byte at fault. */
MUST_USE int base64_decode_padded(struct slice text, uint8_t *out, size_t *ret_len,
                                  size_t *reterr_position);
/* base64url without padding (section 5). Decoding: 0, -EINVAL, -ENOSPC. */
void base64url_encode(struct slice bytes, struct buffer *out);
MUST_USE int base64url_decode(struct slice text, struct buffer *out);
/* The same as Go's encoding/base64 does it: line ends are skipped, bits left over in the last digit
 * are not looked at. -EINVAL comes with the position of the byte at fault. */
MUST_USE int base64url_decode_loosely(struct slice text, struct buffer *out,
                                      size_t *reterr_position);
#endif
