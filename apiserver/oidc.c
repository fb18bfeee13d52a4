#include "apiserver/oidc.h"

#include "apiserver/limits.h"
#include "apiserver/oidc_claims.h"
#include "apiserver/oidc_keys.h"
#include "lib/api/json_value.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/net/http_client.h"
#include "lib/net/loop.h"
#include "lib/net/tls.h"
#include "lib/net/x509.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum {
    REFRESH_MS = 5 * 60 * 1000,
    RETRY_MS = 10 * 1000,
    CALL_MS = 10 * 1000, /* Until an answer begins ... */
    FETCH_MS = 30 * 1000 /* ... and until it is whole. */
};

struct oidc {
    const struct oidc_options *options;
    struct loop *loop;
    struct http_client *client;
    struct tls_config *tls;
    struct loop_timer timer;
    /* One fetch at a time: first the discovery document, then the keys. */
    struct http_call *call;
    bool discovering;
    unsigned response_status;
    struct buffer body;
    uint64_t fetched_ms; /* When the last fetch ended. */
    atomic_bool wanted;  /* Somebody has shown a token by a key that is not known. */
    pthread_mutex_t lock;
    struct oidc_keys *keys; /* NULL until the first fetch; behind the lock. */
};

static void fetch(struct oidc *oidc, const char *url, bool discovering);
static void again_after(struct oidc *oidc, uint64_t delay_ms, const char *why);

static void discover(struct oidc *oidc)
{
    const char *issuer = oidc->options->issuer_url;
    if (oidc->options->discovery_url != NULL) {
        fetch(oidc, oidc->options->discovery_url, /* discovering= */ true);
        return;
    }
    size_t len = strlen(issuer);
    CLEANUP(alloc_freep)
    char *url = alloc_printf("%.*s/.well-known/openid-configuration",
                             (int)(issuer[len - 1] == '/' ? len - 1 : len), issuer);
    fetch(oidc, url, /* discovering= */ true);
}

static void on_timer(void *data)
{
    struct oidc *oidc = data;
    if (oidc->call == NULL) {
        discover(oidc);
        return;
    }
    http_call_cancel(oidc->call);
    oidc->call = NULL;
    again_after(oidc, RETRY_MS, "the issuer's answer does not end");
}

/* Done with this fetch, well or not. */
static void again_after(struct oidc *oidc, uint64_t delay_ms, const char *why)
{
    if (why != NULL) {
        LOG_WARN("apiserver", "cannot learn the keys of the OpenID Connect issuer",
                 KV_TEXT("issuer", oidc->options->issuer_url), KV_TEXT("reason", why));
    }
    oidc->fetched_ms = loop_now_ms(oidc->loop);
    atomic_store(&oidc->wanted, false);
    loop_timer_start(oidc->loop, &oidc->timer, delay_ms);
}

static void take_keys(struct oidc *oidc)
{
    struct oidc_keys *keys = NULL;
    CLEANUP(error_release) struct error error = {0};
    if (oidc_keys_parse(buffer_slice(&oidc->body), &keys, &error) < 0) {
        again_after(oidc, RETRY_MS, error_message(&error));
        return;
    }
    pthread_mutex_lock(&oidc->lock);
    struct oidc_keys *before = oidc->keys;
    oidc->keys = keys;
    pthread_mutex_unlock(&oidc->lock);
    oidc_keys_unref(before);
    again_after(oidc, REFRESH_MS, NULL);
}

static void take_discovery(struct oidc *oidc)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct json_value *document = NULL;
    if (json_parse(arena, buffer_slice(&oidc->body), &document, NULL) < 0 ||
        document->type != JSON_OBJECT) {
        again_after(oidc, RETRY_MS, "the discovery document is no JSON object");
        return;
    }
    const struct json_value *issuer = json_get_text(document, "issuer");
    const struct json_value *keys = json_get_text(document, "jwks_uri");
    if (issuer == NULL || issuer->type != JSON_STRING ||
        !slice_is(issuer->text, oidc->options->issuer_url)) {
        again_after(oidc, RETRY_MS, "the discovery document names another issuer");
        return;
    }
    if (keys == NULL || keys->type != JSON_STRING ||
        !slice_starts_with(keys->text, slice_text("https://"))) {
        again_after(oidc, RETRY_MS, "the discovery document has no jwks_uri of https");
        return;
    }
    const char *url = arena_text_n(arena, (const char *)keys->text.data, keys->text.len);
    fetch(oidc, url, /* discovering= */ false);
}

static void on_response(void *data, unsigned status, const struct http_header *headers,
                        size_t header_count)
{
    struct oidc *oidc = data;
    (void)headers;
    (void)header_count;
    oidc->response_status = status;
}

static void on_body(void *data, struct slice bytes)
{
    struct oidc *oidc = data;
    buffer_append_slice(&oidc->body, bytes);
}

static void on_end(void *data, int status, const char *message)
{
    struct oidc *oidc = data;
    oidc->call = NULL;
    if (status == -ECANCELED) {
        return; /* Closing. */
    }
    if (status < 0) {
        again_after(oidc, RETRY_MS, message);
    } else if (oidc->response_status != 200) {
        again_after(oidc, RETRY_MS, "the issuer does not answer with 200");
    } else if (buffer_error(&oidc->body) < 0) {
        again_after(oidc, RETRY_MS, "the issuer's answer is too large");
    } else if (oidc->discovering) {
        take_discovery(oidc);
    } else {
        take_keys(oidc);
    }
}

static void fetch(struct oidc *oidc, const char *url, bool discovering)
{
    static const struct http_call_events events = {
        .on_response = on_response, .on_body = on_body, .on_end = on_end};
    const struct http_header accept = http_header("accept", "application/json");
    const struct http_call_options options = {.method = "GET",
                                              .url = url,
                                              .tls = oidc->tls,
                                              .headers = &accept,
                                              .header_count = 1,
                                              .timeout_ms = CALL_MS,
                                              .no_keep_alive = true};
    buffer_clear(&oidc->body);
    oidc->discovering = discovering;
    oidc->response_status = 0;
    oidc->call = http_client_request(oidc->client, &options, &events, oidc);
    loop_timer_start(oidc->loop, &oidc->timer, FETCH_MS);
}

/* --- Options and life --- */

static int check_options(const struct oidc_options *options, struct error *reterr)
{
    if (strncmp(options->issuer_url, "https://", 8) != 0) {
        return error_set(reterr, -EINVAL, "--oidc-issuer-url=%s: must be https://",
                         options->issuer_url);
    }
    if (options->audiences.count == 0) {
        return error_set(reterr, -EINVAL, "--oidc-issuer-url needs --oidc-client-id");
    }
    for (size_t i = 0; i < options->required_claims.count; i++) {
        if (strchr(options->required_claims.items[i], '=') == NULL) {
            return error_set(reterr, -EINVAL, "--oidc-required-claim=%s: must be NAME=VALUE",
                             options->required_claims.items[i]);
        }
    }
    for (size_t i = 0; i < options->signing_algorithms.count; i++) {
        const char *each = options->signing_algorithms.items[i];
        enum jws_algorithm algorithm = JWS_RS256;
        if (jws_algorithm_find(each, &algorithm) < 0) {
            return error_set(reterr, -EINVAL,
                             "--oidc-signing-algs=%s: knows RS, ES and PS with 256, 384 or 512",
                             each);
        }
    }
    return 0;
}

int oidc_new(const struct oidc_options *options, struct loop *loop, struct oidc **ret_oidc,
             struct error *reterr)
{
    struct tls_config *tls = NULL;
    if (options->issuer_url == NULL) {
        *ret_oidc = NULL;
        return 0;
    }
    const struct tls_options tls_options = {
        .ca_pem = slice_text(options->ca_pem == NULL ? "" : options->ca_pem),
        .verify = TLS_VERIFY_REQUIRED,
        .alpn = TLS_ALPN_NONE};
    int status = check_options(options, reterr);
    if (status == 0) {
        status = tls_config_new_client(&tls_options, &tls, reterr);
        if (status < 0) {
            (void)error_wrap(reterr, "the CA of issuer %s", options->issuer_url);
        }
    }
    if (status < 0) {
        return status;
    }
    struct oidc *oidc = alloc_zeroed(sizeof(*oidc));
    oidc->options = options;
    oidc->loop = loop;
    oidc->tls = tls;
    oidc->client = http_client_new(loop);
    oidc->timer = (struct loop_timer){.fire = on_timer, .data = oidc};
    buffer_init(&oidc->body, OIDC_DOCUMENT_MAX);
    pthread_mutex_init(&oidc->lock, NULL);
    loop_timer_start(loop, &oidc->timer, 0);
    *ret_oidc = oidc;
    return 0;
}

void oidc_free(struct oidc *oidc)
{
    if (oidc == NULL) {
        return;
    }
    loop_timer_stop(oidc->loop, &oidc->timer);
    http_client_close(oidc->client);
    tls_config_unref(oidc->tls);
    buffer_release(&oidc->body);
    oidc_keys_unref(oidc->keys);
    pthread_mutex_destroy(&oidc->lock);
    free(oidc);
}

/* --- Questions --- */

bool oidc_is_ready(struct oidc *oidc)
{
    pthread_mutex_lock(&oidc->lock);
    bool ready = oidc->keys != NULL;
    pthread_mutex_unlock(&oidc->lock);
    return ready;
}

static bool algorithm_allowed(const struct oidc_options *options, const char *algorithm)
{
    if (options->signing_algorithms.count == 0) {
        return strcmp(algorithm, "RS256") == 0;
    }
    for (size_t i = 0; i < options->signing_algorithms.count; i++) {
        if (strcmp(options->signing_algorithms.items[i], algorithm) == 0) {
            return true;
        }
    }
    return false;
}

/* At most every RETRY_MS, whatever tokens come: an issuer is not to be flooded by our clients. */
static void hasten(void *data)
{
    struct oidc *oidc = data;
    uint64_t since_ms = loop_now_ms(oidc->loop) - oidc->fetched_ms;
    if (oidc->call == NULL && loop_timer_armed(&oidc->timer)) {
        loop_timer_start(oidc->loop, &oidc->timer, since_ms < RETRY_MS ? RETRY_MS - since_ms : 0);
    }
}

static int verify(struct oidc *oidc, const struct oidc_token *token)
{
    pthread_mutex_lock(&oidc->lock);
    struct oidc_keys *keys = oidc->keys == NULL ? NULL : oidc_keys_ref(oidc->keys);
    pthread_mutex_unlock(&oidc->lock);
    int status = keys == NULL ? -ENOENT : oidc_keys_verify(keys, token);
    oidc_keys_unref(keys);
    if (status == -ENOENT && !atomic_exchange(&oidc->wanted, true)) {
        loop_post(oidc->loop, hasten, oidc);
    }
    return status < 0 ? -EACCES : 0;
}

int oidc_authenticate(struct oidc *oidc, struct arena *arena, struct slice token, int64_t now_s,
                      const struct user **ret_user)
{
    struct oidc_token parts;
    struct user named;
    CLEANUP(error_release) struct error error = {0};
    if (oidc == NULL || oidc_token_read(arena, token, &parts) < 0 ||
        !oidc_token_is_of(&parts, oidc->options->issuer_url)) {
        return -ENOENT;
    }
    if (!algorithm_allowed(oidc->options, parts.algorithm) || verify(oidc, &parts) < 0) {
        return -EACCES;
    }
    if (oidc_identify(oidc->options, arena, &parts, now_s, &named, &error) < 0) {
        LOG_DEBUG("apiserver", "a token is refused", KV_TEXT("reason", error_message(&error)));
        return -EACCES;
    }
    struct user *user = arena_alloc(arena, sizeof(*user));
    *user = *user_new(arena, named.name, named.uid, named.groups, named.group_count);
    user->extras = named.extras;
    user->extra_count = named.extra_count;
    *ret_user = user;
    return 0;
}
