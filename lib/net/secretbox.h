/* crypto_secretbox of NaCl, XSalsa20 with Poly1305 (Bernstein, "Extending the Salsa20 nonce"), as
 * Kubernetes uses it for values at rest: a random nonce of 24 bytes, the tag, the ciphertext. Any
 * thread; no state. */
#ifndef LIB_NET_SECRETBOX_H
#define LIB_NET_SECRETBOX_H
#include "lib/base/buffer.h"

enum { SECRETBOX_KEY_SIZE = 32, SECRETBOX_NONCE_SIZE = 24, SECRETBOX_TAG_SIZE = 16 };

/* Appends nonce, tag and ciphertext. A buffer without room keeps its sticky error. The key has
 * SECRETBOX_KEY_SIZE bytes (asserted), here and below. */
void secretbox_seal(struct slice key, struct slice plain, struct buffer *out);
/* Appends the plain bytes. 0; -EBADMSG when key or bytes are not those of the seal; -ENOSPC. */
MUST_USE int secretbox_open(struct slice key, struct slice sealed, struct buffer *out);
#endif
