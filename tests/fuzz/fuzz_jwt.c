/* ServiceAccount tokens: as they come, and with a true signature under whatever header and claims
 * come, so that what follows the signature is reached too. */
#include "apiserver/token.h"
#include "lib/base/base64.h"
#include "lib/net/x509.h"
#include <assert.h>
#include <string.h>

enum { TEXT_MAX = 1 << 20, NOW_S = 1500 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct token_signer *signer;
static struct buffer key;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct buffer public;
    (void)argc, (void)argv;
    buffer_init(&key, TEXT_MAX);
    buffer_init(&public, TEXT_MAX);
    int status = x509_make_key(&key, NULL);
    assert(status == 0);
    status = x509_public_key(buffer_slice(&key), &public, NULL);
    assert(status == 0);
    status =
        token_signer_new(buffer_text(&key), buffer_text(&public), "https://issuer", &signer, NULL);
    assert(status == 0);
    buffer_release(&public);
    return 0;
}

static void verify(struct slice token, bool ours)
{
    struct arena *arena = arena_new(SIZE_MAX);
    struct token_claims claims;
    CLEANUP(error_release) struct error error = {0};
    int status = token_verify(signer, arena, token, NOW_S, &claims, &error);
    assert(ours || status < 0); /* Nobody guesses a signature. */
    if (status == 0) {
        assert(claims.namespace != NULL && claims.account != NULL);
        assert(claims.legacy || claims.expires_s > NOW_S);
        for (size_t i = 0; i < claims.audience_count; i++) {
            assert(claims.audiences[i] != NULL);
        }
    }
    arena_free(arena);
}

/* Header and claims stand in one input, split at the first newline. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(buffer_release) struct buffer token;
    CLEANUP(buffer_release) struct buffer signature;
    const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);
    buffer_init(&token, TEXT_MAX);
    buffer_init(&signature, TEXT_MAX);
    verify(slice_of(data, size), /* ours= */ false);
    if (end == NULL) {
        return 0;
    }
    size_t header = (size_t)(end - data);
    base64url_encode(slice_of(data, header), &token);
    buffer_append_byte(&token, '.');
    base64url_encode(slice_of(end + 1, size - header - 1), &token);
    if (jws_sign(buffer_slice(&key), buffer_slice(&token), &signature, NULL) == 0) {
        buffer_append_byte(&token, '.');
        base64url_encode(buffer_slice(&signature), &token);
        verify(buffer_slice(&token), /* ours= */ true);
    }
    return 0;
}
