#include "apiserver/issuers.h"

#include "apiserver/authn_config.h"
#include "apiserver/oidc.h"
#include <errno.h>

struct issuers {
    struct arena *arena; /* Holds all of it. */
    struct authn_config config;
    struct oidc **items; /* NULL: not asked for. */
    size_t count;
};

static int add(struct issuers *issuers, const struct oidc_options *options, struct loop *loop,
               struct error *reterr)
{
    return oidc_new(options, loop, &issuers->items[issuers->count++], reterr);
}

static int read_config(struct issuers *issuers, const char *text, struct error *reterr)
{
    int status = authn_config_parse(issuers->arena, slice_text(text), &issuers->config, reterr);
    return status < 0 ? error_wrap(reterr, "--authentication-config") : 0;
}

int issuers_new(const struct authn_options *options, struct loop *loop,
                struct issuers **ret_issuers, struct error *reterr)
{
    struct arena *arena = arena_new(SIZE_MAX);
    struct issuers *issuers = arena_zeroed(arena, sizeof(*issuers));
    issuers->arena = arena;
    int status = options->config == NULL ? 0 : read_config(issuers, options->config, reterr);
    const struct authn_config *config = &issuers->config;
    issuers->items = arena_array(arena, config->issuer_count + 1, sizeof(*issuers->items));
    if (status == 0 && options->config == NULL) {
        status = add(issuers, &options->oidc, loop, reterr);
    }
    for (size_t i = 0; i < config->issuer_count && status == 0; i++) {
        status = add(issuers, &config->issuers[i], loop, reterr);
    }
    if (status < 0) {
        issuers_free(issuers);
        return status;
    }
    *ret_issuers = issuers;
    return 0;
}

void issuers_free(struct issuers *issuers)
{
    if (issuers == NULL) {
        return;
    }
    for (size_t i = 0; i < issuers->count; i++) {
        oidc_free(issuers->items[i]);
    }
    arena_free(issuers->arena);
}

int issuers_authenticate(struct issuers *issuers, struct arena *arena, struct slice token,
                         int64_t now_s, const struct user **ret_user)
{
    int status = -ENOENT;
    for (size_t i = 0; i < issuers->count && status == -ENOENT; i++) {
        status = oidc_authenticate(issuers->items[i], arena, token, now_s, ret_user);
    }
    return status;
}

bool issuers_let_in_nobody(const struct issuers *issuers, bool by_flag, const char *path)
{
    return authn_config_lets_in_nobody(&issuers->config, by_flag, path);
}
