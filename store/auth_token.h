/* Tokens that say who a client is: made at one member and understood at all of them, because what
 * signs them is part of the replicated state. Nothing is kept about a token given out; it ends by
 * its time, by a new password, with its user, and when authentication is disabled. No I/O.
 *
 * base64url of: HMAC-SHA-256 of all that follows (32 bytes), one byte version, time of its end
 * (Unix seconds, 8 bytes), the user's credential (8), a random number (8), the user's name. */
#ifndef STORE_AUTH_TOKEN_H
#define STORE_AUTH_TOKEN_H
#include "lib/base/buffer.h"
#include <stdint.h>

struct auth_claims {
    struct slice user;
    uint64_t credential; /* auth_user.credential when the password was checked. */
    int64_t expires_s;
};

enum { AUTH_TOKEN_MAX = 2048 }; /* Bytes of text. */

/* Appends the token; `salt` makes it differ from others. */
void auth_token_make(struct slice secret, const struct auth_claims *claims, uint64_t salt,
                     struct buffer *out);
/* 0, with claims that point into `scratch` (cleared first), or STORE_INVALID_AUTH_TOKEN: malformed,
 * signed by somebody else, or over at `now_s`. */
MUST_USE int auth_token_read(struct slice secret, struct slice token, int64_t now_s,
                             struct buffer *scratch, struct auth_claims *ret_claims);
#endif
