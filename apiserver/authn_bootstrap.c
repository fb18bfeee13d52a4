/* Bootstrap tokens as they are in this cluster. */
#include "apiserver/authn_internal.h"
#include "lib/net/x509.h"
#include <errno.h>

/* The Secret of a good token, referenced, or NULL. */
static const struct cached_object *secret_of(struct apiserver *server, struct arena *arena,
                                             struct slice token, const char *usage)
{
    struct slice id, secret;
    if (!bootstrap_token_split(token, &id, &secret)) {
        return NULL;
    }
    const char *name =
        arena_printf(arena, "bootstrap-token-%.*s", (int)id.len, (const char *)id.data);
    const struct cached_object *object =
        watch_cache_get(server->cache, api_kind_find("", "v1", "secrets"), "kube-system", name);
    const Core__V1__Secret *message = object == NULL ? NULL : cached_object_message(object);
    if (message == NULL || !bootstrap_secret_is_for(message, id, usage, wall_seconds()) ||
        !x509_equal_secret(secret_data_value(message, "token-secret"), secret)) {
        cached_object_unref(object);
        return NULL;
    }
    return object;
}

bool bootstrap_token_is_for(struct apiserver *server, struct arena *arena, struct slice token,
                            const char *usage)
{
    const struct cached_object *object = secret_of(server, arena, token, usage);
    cached_object_unref(object);
    return object != NULL;
}

int authenticate_bootstrap(struct apiserver *server, struct arena *arena, struct slice token,
                           const struct user **ret_user)
{
    const char **groups = NULL;
    size_t count = 0;
    struct slice id, secret;
    if (!bootstrap_token_split(token, &id, &secret)) {
        return -ENOENT;
    }
    const struct cached_object *object =
        secret_of(server, arena, token, "usage-bootstrap-authentication");
    if (object == NULL) {
        return -EACCES;
    }
    int status = bootstrap_secret_groups(arena, cached_object_message(object), &groups, &count);
    cached_object_unref(object);
    if (status < 0) {
        return -EACCES;
    }
    const char *name =
        arena_printf(arena, "system:bootstrap:%.*s", (int)id.len, (const char *)id.data);
    *ret_user = user_new(arena, name, "", groups, count);
    return 0;
}
