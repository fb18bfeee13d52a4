/* AES as it is used for values at rest: GCM with a random nonce, and CBC with a random vector and
 * PKCS #7 padding. Keys have 16, 24 or 32 bytes (asserted). Any thread; no state. */
#ifndef LIB_NET_CIPHER_H
#define LIB_NET_CIPHER_H
#include "lib/base/buffer.h"

enum { CIPHER_GCM_NONCE_SIZE = 12, CIPHER_GCM_TAG_SIZE = 16, CIPHER_BLOCK_SIZE = 16 };

bool cipher_key_size_good(size_t len);
/* Appends nonce, ciphertext and tag; `context` is authenticated with them and not kept. A buffer
 * without room keeps its sticky error. */
void cipher_gcm_seal(struct slice key, struct slice context, struct slice plain,
                     struct buffer *out);
/* Appends the plain bytes. 0; -EBADMSG when key, context or bytes are not those of the seal;
 * -ENOSPC. */
MUST_USE int cipher_gcm_open(struct slice key, struct slice context, struct slice sealed,
                             struct buffer *out);
/* Vector and ciphertext; nothing tells whether somebody changed them. */
void cipher_cbc_seal(struct slice key, struct slice plain, struct buffer *out);
MUST_USE int cipher_cbc_open(struct slice key, struct slice sealed, struct buffer *out);
#endif
