#include "store/auth_token.h"

#include "lib/base/base64.h"
#include "lib/net/x509.h"
#include "store/limits.h"
#include "store/status.h"

enum { TOKEN_VERSION = 1, TOKEN_FIXED = X509_SHA256_SIZE + 1 + 3 * 8 };

void auth_token_make(struct slice secret, const struct auth_claims *claims, uint64_t salt,
                     struct buffer *out)
{
    uint8_t mac[X509_SHA256_SIZE];
    CLEANUP(buffer_release) struct buffer bytes;
    buffer_init(&bytes, TOKEN_FIXED + STORE_AUTH_NAME_MAX);
    memset(mac, 0, sizeof(mac));
    buffer_append(&bytes, mac, sizeof(mac));
    buffer_append_byte(&bytes, TOKEN_VERSION);
    buffer_append(&bytes, &claims->expires_s, sizeof(claims->expires_s));
    buffer_append(&bytes, &claims->credential, sizeof(claims->credential));
    buffer_append(&bytes, &salt, sizeof(salt));
    buffer_append_slice(&bytes, claims->user);
    x509_hmac_sha256(secret, slice_of(bytes.data + sizeof(mac), bytes.len - sizeof(mac)), mac);
    memcpy(bytes.data, mac, sizeof(mac));
    base64url_encode(buffer_slice(&bytes), out);
}

int auth_token_read(struct slice secret, struct slice token, int64_t now_s, struct buffer *scratch,
                    struct auth_claims *ret_claims)
{
    uint8_t mac[X509_SHA256_SIZE];
    struct auth_claims claims;
    buffer_clear(scratch);
    if (secret.len == 0 || token.len > AUTH_TOKEN_MAX || base64url_decode(token, scratch) != 0 ||
        scratch->len <= TOKEN_FIXED || scratch->data[sizeof(mac)] != TOKEN_VERSION) {
        return STORE_INVALID_AUTH_TOKEN;
    }
    const uint8_t *at = scratch->data + sizeof(mac);
    x509_hmac_sha256(secret, slice_of(at, scratch->len - sizeof(mac)), mac);
    if (!x509_equal_secret(slice_of(mac, sizeof(mac)), slice_of(scratch->data, sizeof(mac)))) {
        return STORE_INVALID_AUTH_TOKEN;
    }
    memcpy(&claims.expires_s, at + 1, sizeof(claims.expires_s));
    memcpy(&claims.credential, at + 1 + 8, sizeof(claims.credential));
    claims.user = slice_of(scratch->data + TOKEN_FIXED, scratch->len - TOKEN_FIXED);
    if (now_s >= claims.expires_s) {
        return STORE_INVALID_AUTH_TOKEN;
    }
    *ret_claims = claims;
    return 0;
}
