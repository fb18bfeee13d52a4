/* Tokens of the etcd API from any text, against a secret that is known: what is taken for good must
 * be what was made. The first byte turns the rest into the name of a token that is made instead. */
#include "store/auth_token.h"
#include "store/limits.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t secret[32] = {1, 2, 3, 4};
    struct buffer token, scratch;
    struct auth_claims found;
    buffer_init(&token, 8192);
    buffer_init(&scratch, AUTH_TOKEN_MAX);
    if (size > 1 && data[0] % 2 == 0 && size - 1 <= STORE_AUTH_NAME_MAX) {
        struct auth_claims claims = {
            .user = slice_of(data + 1, size - 1), .credential = size, .expires_s = 100};
        auth_token_make(slice_of(secret, sizeof(secret)), &claims, data[0], &token);
        int status = auth_token_read(slice_of(secret, sizeof(secret)), buffer_slice(&token),
                                     /* now_s= */ 99, &scratch, &found);
        assert(status == 0);
        assert(slice_equal(found.user, claims.user));
        assert(found.credential == size);
    } else if (size > 0) {
        int status = auth_token_read(slice_of(secret, sizeof(secret)), slice_of(data + 1, size - 1),
                                     /* now_s= */ 99, &scratch, &found);
        assert(status != 0); /* Nobody guesses 32 bytes. */
    }
    buffer_release(&token);
    buffer_release(&scratch);
    return 0;
}
