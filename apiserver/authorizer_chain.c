#include "apiserver/authorizer_chain.h"

#include "apiserver/config_reloads.h"
#include "apiserver/limits.h"
#include "lib/api/cel_functions.h"
#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/metrics.h"
#include "lib/net/file_watch.h"
#include "lib/net/tls.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

/* Where the webhook of an item is, until it is armed. */
struct place {
    struct arena *arena; /* NULL: of no webhook, or handed on. */
    struct kubeconfig kubeconfig;
};

struct authorizer_chain {
    atomic_size_t references;
    struct arena *arena; /* Holds all of it. */
    struct cel_functions *functions;
    struct authz_config config;
    struct abac abac;         /* When somebody asks it. */
    struct place *places;     /* config.count of them, */
    struct chain_item *items; /* and of these. */
};

/* A changed file on its way: what it names is read on a thread that may wait. */
struct reload {
    uv_work_t work;
    struct authorizer_chains *chains; /* NULL: they are gone. */
    const struct authz_options *options;
    struct buffer text;
    struct authorizer_chain *chain;
    struct error error;
};

struct authorizer_chains {
    const struct authorizer_chains_options *options;
    struct loop *loop;
    struct file_watch *watch;
    struct config_reloads reloads;
    struct reload *reload; /* Under way, or NULL. */
    pthread_mutex_t lock;
    struct authorizer_chain *current; /* Behind the lock. */
};

/* --- Chains --- */

void authorizer_chain_unref(struct authorizer_chain *chain)
{
    if (chain == NULL || atomic_fetch_sub(&chain->references, 1) > 1) {
        return;
    }
    for (size_t i = 0; i < chain->config.count; i++) {
        authz_webhook_free(chain->items[i].webhook);
        kubeconfig_release(&chain->places[i].kubeconfig);
        arena_free(chain->places[i].arena);
    }
    cel_functions_unref(chain->functions);
    arena_free(chain->arena);
}

const struct chain_item *authorizer_chain_items(const struct authorizer_chain *chain,
                                                size_t *ret_count)
{
    static const struct chain_item plain[] = {{.type = AUTHORIZER_NODE}, {.type = AUTHORIZER_RBAC}};
    *ret_count = chain == NULL ? ARRAY_LEN(plain) : chain->config.count;
    return chain == NULL ? plain : chain->items;
}

const struct chain_item *authorizer_chain_find(const struct authorizer_chain *chain,
                                               enum authorizer_type type)
{
    size_t count = 0;
    const struct chain_item *items = authorizer_chain_items(chain, &count);
    for (size_t i = 0; i < count; i++) {
        if (items[i].type == type) {
            return &items[i];
        }
    }
    return NULL;
}

bool authorizer_chain_has(const struct authorizer_chain *chain, enum authorizer_type type)
{
    return authorizer_chain_find(chain, type) != NULL;
}

/* As client-go finds the API server from inside of a pod. */
static int load_in_cluster(struct arena *arena, struct kubeconfig *kubeconfig, struct error *reterr)
{
    static const char folder[] = "/var/run/secrets/kubernetes.io/serviceaccount";
    CLEANUP(buffer_release) struct buffer token;
    CLEANUP(buffer_release) struct buffer ca;
    buffer_init(&token, KUBECONFIG_MAX);
    buffer_init(&ca, KUBECONFIG_MAX);
    const char *host = getenv("KUBERNETES_SERVICE_HOST");
    const char *port = getenv("KUBERNETES_SERVICE_PORT");
    if (host == NULL || port == NULL) {
        return error_set(reterr, -EINVAL, "InClusterConfig: we run in no pod of a cluster");
    }
    int status = file_read(arena_printf(arena, "%s/token", folder), &token, reterr);
    if (status == 0) {
        status = file_read(arena_printf(arena, "%s/ca.crt", folder), &ca, reterr);
    }
    if (status < 0) {
        return status;
    }
    kubeconfig->url = arena_printf(
        arena, "https://%s:%s/apis/authorization.k8s.io/v1/subjectaccessreviews", host, port);
    kubeconfig->authorization = arena_printf(arena, "Bearer %s", buffer_text(&token));
    const struct tls_options tls = {
        .ca_pem = buffer_slice(&ca), .verify = TLS_VERIFY_REQUIRED, .alpn = TLS_ALPN_HTTP1};
    return tls_config_new_client(&tls, &kubeconfig->tls, reterr);
}

static int load_places(struct authorizer_chain *chain, struct error *reterr)
{
    for (size_t i = 0; i < chain->config.count; i++) {
        const struct authorizer_options *options = &chain->config.items[i];
        struct place *place = &chain->places[i];
        if (options->type != AUTHORIZER_WEBHOOK) {
            continue;
        }
        const char *path = options->webhook.kubeconfig_path;
        place->arena = arena_new(SIZE_MAX);
        int status = path == NULL ? load_in_cluster(place->arena, &place->kubeconfig, reterr)
                                  : kubeconfig_load(place->arena, path, &place->kubeconfig, reterr);
        if (status < 0) {
            return error_wrap(reterr, "authorizers[%zu]", i);
        }
    }
    return 0;
}

static int load_policies(struct authorizer_chain *chain, const struct authz_options *options,
                         struct error *reterr)
{
    bool asked = false;
    for (size_t i = 0; i < chain->config.count; i++) {
        asked = asked || chain->config.items[i].type == AUTHORIZER_ABAC;
    }
    if (!asked || options->policy == NULL) {
        return !asked ? 0
                      : error_set(reterr, -EINVAL, "type ABAC needs --authorization-policy-file");
    }
    int status = abac_parse(chain->arena, slice_text(options->policy), &chain->abac, reterr);
    return status < 0 ? error_wrap(reterr, "--authorization-policy-file") : 0;
}

/* By `text`, or by the flags when that is empty. Any thread that may wait. */
static int chain_load(const struct authz_options *options, struct slice text,
                      struct authorizer_chain **ret_chain, struct error *reterr)
{
    struct arena *arena = arena_new(SIZE_MAX);
    struct authorizer_chain *chain = arena_zeroed(arena, sizeof(*chain));
    atomic_init(&chain->references, 1);
    chain->arena = arena;
    int status = 0;
    if (text.len > 0) {
        chain->functions = api_cel_functions_new();
        status = authz_config_parse(arena, chain->functions, text, &chain->config, reterr);
    } else {
        status = authz_config_of_flags(arena, options, &chain->config, reterr);
    }
    chain->places = arena_array(arena, chain->config.count + 1, sizeof(*chain->places));
    chain->items = arena_array(arena, chain->config.count + 1, sizeof(*chain->items));
    if (status == 0) {
        status = load_places(chain, reterr);
    }
    if (status == 0) {
        status = load_policies(chain, options, reterr);
    }
    if (status < 0) {
        authorizer_chain_unref(chain);
        return status;
    }
    *ret_chain = chain;
    return 0;
}

static struct metric *decisions(struct metrics *metrics, const struct authorizer_options *options,
                                const char *decision)
{
    char labels[352];
    (void)snprintf(labels, sizeof(labels), "decision=\"%s\",name=\"%s\",type=\"%s\"", decision,
                   options->name, authorizer_type_name(options->type));
    return metrics_counter(metrics, "apiserver_authorization_decisions_total",
                           "Requests that an authorizer allowed or denied.", labels);
}

/* From here on it can be asked. On the loop. */
static void chain_arm(struct authorizer_chain *chain,
                      const struct authorizer_chains_options *options)
{
    for (size_t i = 0; i < chain->config.count; i++) {
        const struct authorizer_options *own = &chain->config.items[i];
        struct place *place = &chain->places[i];
        struct chain_item *item = &chain->items[i];
        *item = (struct chain_item){.type = own->type,
                                    .abac = own->type == AUTHORIZER_ABAC ? &chain->abac : NULL,
                                    .allowed = decisions(options->metrics, own, "allowed"),
                                    .denied = decisions(options->metrics, own, "denied")};
        if (own->type == AUTHORIZER_WEBHOOK) {
            item->webhook = authz_webhook_new(own, &place->kubeconfig, TAKE(place->arena),
                                              options->client, options->metrics);
            place->kubeconfig = (struct kubeconfig){.url = NULL};
        }
    }
}

/* --- A changed file --- */

static void note(struct authorizer_chains *chains, bool success, const char *why)
{
    const char *file = chains->options->authz->config_path;
    config_reloads_note(&chains->reloads, success, time(NULL));
    if (success) {
        LOG_INFO("apiserver", "reloaded the authorization configuration", KV_TEXT("file", file));
    } else {
        LOG_ERROR("apiserver", "the authorization configuration is kept as it was",
                  KV_TEXT("file", file), KV_TEXT("reason", why));
    }
}

static void on_work(uv_work_t *work)
{
    struct reload *reload = CONTAINER_OF(work, struct reload, work);
    (void)chain_load(reload->options, buffer_slice(&reload->text), &reload->chain, &reload->error);
}

static void swap(struct authorizer_chains *chains, struct authorizer_chain *chain)
{
    chain_arm(chain, chains->options);
    pthread_mutex_lock(&chains->lock);
    struct authorizer_chain *before = chains->current;
    chains->current = chain;
    pthread_mutex_unlock(&chains->lock);
    authorizer_chain_unref(before);
    note(chains, /* success= */ true, NULL);
}

static void on_worked(uv_work_t *work, int status)
{
    struct reload *reload = CONTAINER_OF(work, struct reload, work);
    struct authorizer_chains *chains = reload->chains;
    assert(status == 0); /* Nobody cancels it. */
    (void)status;
    if (chains != NULL) {
        chains->reload = NULL;
    }
    if (chains != NULL && reload->chain != NULL) {
        swap(chains, TAKE(reload->chain));
    } else if (chains != NULL) {
        note(chains, /* success= */ false, error_message(&reload->error));
    }
    authorizer_chain_unref(reload->chain);
    error_release(&reload->error);
    buffer_release(&reload->text);
    free(reload);
}

static void on_changed(void *data, struct slice text)
{
    struct authorizer_chains *chains = data;
    if (text.len == 0) {
        note(chains, /* success= */ false, "the file is empty");
        return;
    }
    if (chains->reload != NULL) {
        chains->reload->chains = NULL; /* It is out of date. */
    }
    struct reload *reload = alloc_zeroed(sizeof(*reload));
    reload->chains = chains;
    reload->options = chains->options->authz;
    buffer_init(&reload->text, AUTHZ_CONFIG_MAX);
    buffer_append_slice(&reload->text, text);
    chains->reload = reload;
    int status = uv_queue_work(loop_uv(chains->loop), &reload->work, on_work, on_worked);
    assert(status == 0); /* Fails for wrong arguments alone. */
    (void)status;
}

static void on_failed(void *data, const char *message)
{
    note(data, /* success= */ false, message);
}

static void watch_file(struct authorizer_chains *chains, struct slice text)
{
    static const struct file_watch_events events = {.changed = on_changed, .failed = on_failed};
    const struct file_watch_options options = {
        .path = chains->options->authz->config_path, .known = text, .size_max = AUTHZ_CONFIG_MAX};
    config_reloads_init(&chains->reloads, chains->options->metrics, RELOAD_AUTHORIZATION,
                        chains->options->server_name);
    chains->watch = file_watch_open(chains->loop, &options, &events, chains);
}

/* --- Life --- */

int authorizer_chains_new(const struct authorizer_chains_options *options, struct loop *loop,
                          struct authorizer_chains **ret_chains, struct error *reterr)
{
    struct authorizer_chain *chain = NULL;
    struct slice text = slice_text(options->authz->config);
    if (options->authz->config != NULL && text.len == 0) {
        return error_set(reterr, -EINVAL, "--authorization-config: the file is empty");
    }
    int status = chain_load(options->authz, text, &chain, reterr);
    if (status < 0) {
        return text.len > 0 ? error_wrap(reterr, "--authorization-config") : status;
    }
    struct authorizer_chains *chains = alloc_zeroed(sizeof(*chains));
    chains->options = options;
    chains->loop = loop;
    chains->current = chain;
    pthread_mutex_init(&chains->lock, NULL);
    chain_arm(chain, options);
    if (text.len > 0 && options->authz->config_path != NULL) {
        watch_file(chains, text);
    }
    *ret_chains = chains;
    return 0;
}

void authorizer_chains_free(struct authorizer_chains *chains)
{
    if (chains == NULL) {
        return;
    }
    file_watch_close(chains->watch);
    if (chains->reload != NULL) {
        chains->reload->chains = NULL;
    }
    authorizer_chain_unref(chains->current);
    pthread_mutex_destroy(&chains->lock);
    free(chains);
}

struct authorizer_chain *authorizer_chain_current(struct authorizer_chains *chains)
{
    if (chains == NULL) {
        return NULL;
    }
    bool changes = chains->watch != NULL;
    if (changes) {
        pthread_mutex_lock(&chains->lock);
    }
    struct authorizer_chain *chain = chains->current;
    (void)atomic_fetch_add(&chain->references, 1);
    if (changes) {
        pthread_mutex_unlock(&chains->lock);
    }
    return chain;
}
