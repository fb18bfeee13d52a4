/* What an identity provider sends: its JWK Set, and tokens as they come, whose claims are read as
 * if the signature were good. */
#include "apiserver/oidc_keys.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

enum { NOW_S = 1500 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_keys(struct slice json, const struct oidc_token *token)
{
    struct oidc_keys *keys = NULL;
    CLEANUP(error_release) struct error error = {0};
    if (oidc_keys_parse(json, &keys, &error) == 0) {
        int status = oidc_keys_verify(keys, token);
        assert(status == 0 || status == -ENOENT || status == -EACCES);
        oidc_keys_unref(keys);
    }
}

/* A token, and after the first newline a JWK Set. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const required[] = {"tenant=blue"};
    static const char *const audiences[] = {"me"};
    const struct oidc_options options = {.issuer_url = "https://issuer",
                                         .audiences = {audiences, 1},
                                         .username_claim = "sub",
                                         .groups_claim = "groups",
                                         .required_claims = {required, size % 2}};
    const uint8_t *end = size == 0 ? NULL : memchr(data, '\n', size);
    struct slice rest =
        end == NULL ? (struct slice){0} : slice_of(end + 1, size - (size_t)(end + 1 - data));
    CLEANUP(error_release) struct error error = {0};
    struct arena *arena = arena_new(SIZE_MAX);
    struct oidc_token token = {.algorithm = "RS256", .key_id = ""};
    struct user identity;
    if (oidc_token_read(arena, slice_of(data, size - rest.len - (end != NULL)), &token) == 0 &&
        oidc_identify(&options, arena, &token, NOW_S, &identity, &error) == 0) {
        assert(identity.name[0] != 0);
        for (size_t i = 0; i < identity.group_count; i++) {
            assert(identity.groups[i] != NULL);
        }
    }
    read_keys(rest, &token);
    arena_free(arena);
    return 0;
}
