/* The AuthenticationConfiguration that an operator writes: it is read or refused, and what is read
 * says who a token is without a fault. */
#include "apiserver/authn_config.h"
#include "apiserver/claim_expressions.h"
#include "apiserver/oidc_claims.h"
#include "lib/api/cel_functions.h"
#include "lib/api/json_value.h"

#include <assert.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void identify(struct arena *arena, const struct oidc_options *options)
{
    static const char claims[] =
        "{\"iss\":\"https://a\",\"aud\":[\"me\",\"you\"],\"exp\":2000,\"sub\":\"ann\","
        "\"email\":\"a@b\",\"email_verified\":true,\"groups\":[\"a\",\"\",\"b\"],\"n\":1.5}";
    struct json_value *tree = NULL;
    struct user user = {.name = ""};
    CLEANUP(error_release) struct error error = {0};
    int status = json_parse(arena, slice_text(claims), &tree, NULL);
    assert(status == 0);
    const struct oidc_token token = {.claims = tree};
    status = oidc_identify(options, arena, &token, /* now_s= */ 1000, &user, &error);
    assert(status == -EACCES || (status == 0 && user.name[0] != 0 && user.uid != NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct cel_functions *functions; /* Takes its time to make. */
    if (functions == NULL) {
        functions = api_cel_functions_new();
    }
    const struct authn_config_scope scope = {functions, "https://own"};
    struct authn_config config;
    CLEANUP(error_release) struct error error = {0};
    struct arena *arena = arena_new(SIZE_MAX);
    int status = authn_config_parse(arena, &scope, slice_of(data, size), &config, &error);
    assert(status == 0 || (status == -EINVAL && error_message(&error)[0] != 0));
    for (size_t i = 0; status == 0 && i < config.issuer_count; i++) {
        assert(config.issuers[i].audiences.count > 0);
        assert((config.issuers[i].username_claim != NULL) !=
               (config.issuers[i].expressions->username != NULL));
        identify(arena, &config.issuers[i]);
    }
    if (status == 0) {
        (void)authn_config_lets_in_nobody(&config, /* by_flag= */ true, "/livez");
    }
    arena_free(arena);
    return 0;
}
