#include "apiserver/issuers.h"

#include "apiserver/authn_config.h"
#include "apiserver/config_reloads.h"
#include "apiserver/limits.h"
#include "apiserver/oidc.h"
#include "lib/api/cel_functions.h"
#include "lib/base/alloc.h"
#include "lib/base/list.h"
#include "lib/base/log.h"
#include "lib/net/file_watch.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { CHECK_MS = 200 }; /* Between looks at whether those who come or go are done. */

/* What one reading of the file, or the flags, said. Constant but for `users`. */
struct issuer_set {
    struct arena *arena; /* Holds all of it. */
    struct cel_functions *functions;
    struct authn_config config;
    struct oidc **items; /* NULL: not asked for. */
    size_t count;
    size_t users;     /* Questions that look at it; behind the lock. */
    struct list node; /* Of `retired`. */
};

struct issuers {
    const struct issuers_options *options;
    struct loop *loop;
    struct file_watch *watch;
    struct loop_timer check;
    struct issuer_set *coming; /* Read, but not all of its keys are known; or NULL. */
    uint64_t coming_since_ms;
    struct list retired;
    struct config_reloads reloads;
    pthread_mutex_t lock;
    struct issuer_set *current; /* Behind the lock. */
};

/* --- Sets --- */

static void set_free(struct issuer_set *set)
{
    if (set == NULL) {
        return;
    }
    for (size_t i = 0; i < set->count; i++) {
        oidc_free(set->items[i]);
    }
    list_remove(&set->node);
    cel_functions_unref(set->functions);
    arena_free(set->arena);
}

static int add(struct issuer_set *set, const struct oidc_options *options, struct loop *loop,
               struct error *reterr)
{
    return oidc_new(options, loop, &set->items[set->count++], reterr);
}

static int add_all(struct issuer_set *set, struct loop *loop, struct error *reterr)
{
    for (size_t i = 0; i < set->config.issuer_count; i++) {
        int status = add(set, &set->config.issuers[i], loop, reterr);
        if (status < 0) {
            return error_wrap(reterr, "jwt[%zu].issuer.certificateAuthority", i);
        }
    }
    return 0;
}

/* By `text`, or by the flags when that is empty. */
static int set_new(const struct issuers_options *options, struct slice text, struct loop *loop,
                   struct issuer_set **ret_set, struct error *reterr)
{
    struct arena *arena = arena_new(SIZE_MAX);
    struct issuer_set *set = arena_zeroed(arena, sizeof(*set));
    set->arena = arena;
    list_init(&set->node);
    int status = 0;
    if (text.len > 0) {
        set->functions = api_cel_functions_new();
        const struct authn_config_scope scope = {set->functions, options->own_issuer};
        status = authn_config_parse(arena, &scope, text, &set->config, reterr);
    }
    set->items = arena_array(arena, set->config.issuer_count + 1, sizeof(*set->items));
    if (status == 0) {
        status = text.len > 0 ? add_all(set, loop, reterr)
                              : add(set, &options->authn->oidc, loop, reterr);
    }
    if (status < 0) {
        set_free(set);
        return status;
    }
    *ret_set = set;
    return 0;
}

static bool set_is_ready(const struct issuer_set *set)
{
    for (size_t i = 0; i < set->count; i++) {
        if (!oidc_is_ready(set->items[i])) {
            return false;
        }
    }
    return true;
}

/* --- A changed file --- */

static void note(struct issuers *issuers, bool success, const char *why)
{
    config_reloads_note(&issuers->reloads, success, time(NULL));
    if (success) {
        LOG_INFO("apiserver", "reloaded the authentication configuration",
                 KV_TEXT("file", issuers->options->authn->config_path));
    } else {
        LOG_ERROR("apiserver", "the authentication configuration is kept as it was",
                  KV_TEXT("file", issuers->options->authn->config_path), KV_TEXT("reason", why));
    }
}

static void sweep(struct issuers *issuers)
{
    struct list *next = issuers->retired.next;
    while (next != &issuers->retired) {
        struct issuer_set *set = LIST_ENTRY(next, struct issuer_set, node);
        next = next->next;
        pthread_mutex_lock(&issuers->lock);
        bool used = set->users > 0;
        pthread_mutex_unlock(&issuers->lock);
        if (!used) {
            set_free(set);
        }
    }
}

static void swap(struct issuers *issuers)
{
    pthread_mutex_lock(&issuers->lock);
    struct issuer_set *before = issuers->current;
    issuers->current = TAKE(issuers->coming);
    pthread_mutex_unlock(&issuers->lock);
    list_push_back(&issuers->retired, &before->node);
    note(issuers, /* success= */ true, NULL);
}

/* The new ones are taken when the keys of all are known, so that nobody is refused meanwhile. */
static void on_check(void *data)
{
    struct issuers *issuers = data;
    uint64_t now_ms = loop_now_ms(issuers->loop);
    if (issuers->coming != NULL && set_is_ready(issuers->coming)) {
        swap(issuers);
    } else if (issuers->coming != NULL && now_ms - issuers->coming_since_ms >= ISSUERS_WAIT_MS) {
        issuers->coming_since_ms = now_ms;
        note(issuers, /* success= */ false, "the keys of an issuer in it cannot be learned");
    }
    sweep(issuers);
    if (issuers->coming != NULL || !list_empty(&issuers->retired)) {
        loop_timer_start(issuers->loop, &issuers->check, CHECK_MS);
    }
}

static void on_changed(void *data, struct slice text)
{
    struct issuers *issuers = data;
    struct issuer_set *set = NULL;
    CLEANUP(error_release) struct error error = {0};
    int status = text.len == 0 ? error_set(&error, -EINVAL, "the file is empty")
                               : set_new(issuers->options, text, issuers->loop, &set, &error);
    if (status == 0 && !authn_config_same_anonymous(&set->config, &issuers->current->config)) {
        set_free(set);
        status = error_set(&error, -EINVAL, "anonymous: changes need a restart");
    }
    if (status < 0) {
        note(issuers, /* success= */ false, error_message(&error));
        return;
    }
    set_free(issuers->coming);
    issuers->coming = set;
    issuers->coming_since_ms = loop_now_ms(issuers->loop);
    loop_timer_start(issuers->loop, &issuers->check, CHECK_MS);
}

static void on_failed(void *data, const char *message)
{
    note(data, /* success= */ false, message);
}

/* --- Life --- */

static void watch_file(struct issuers *issuers, struct slice text)
{
    static const struct file_watch_events events = {.changed = on_changed, .failed = on_failed};
    const struct file_watch_options options = {
        .path = issuers->options->authn->config_path, .known = text, .size_max = AUTHN_CONFIG_MAX};
    config_reloads_init(&issuers->reloads, issuers->options->metrics, RELOAD_AUTHENTICATION,
                        issuers->options->server_name);
    issuers->check = (struct loop_timer){.fire = on_check, .data = issuers};
    issuers->watch = file_watch_open(issuers->loop, &options, &events, issuers);
}

int issuers_new(const struct issuers_options *options, struct loop *loop,
                struct issuers **ret_issuers, struct error *reterr)
{
    struct issuer_set *set = NULL;
    struct slice text = slice_text(options->authn->config);
    if (options->authn->config != NULL && text.len == 0) {
        return error_set(reterr, -EINVAL, "--authentication-config: the file is empty");
    }
    int status = set_new(options, text, loop, &set, reterr);
    if (status < 0) {
        return text.len > 0 ? error_wrap(reterr, "--authentication-config") : status;
    }
    struct issuers *issuers = alloc_zeroed(sizeof(*issuers));
    issuers->options = options;
    issuers->loop = loop;
    issuers->current = set;
    list_init(&issuers->retired);
    pthread_mutex_init(&issuers->lock, NULL);
    if (text.len > 0 && options->authn->config_path != NULL) {
        watch_file(issuers, text);
    }
    *ret_issuers = issuers;
    return 0;
}

void issuers_free(struct issuers *issuers)
{
    if (issuers == NULL) {
        return;
    }
    file_watch_close(issuers->watch);
    loop_timer_stop(issuers->loop, &issuers->check);
    while (!list_empty(&issuers->retired)) {
        set_free(LIST_ENTRY(list_first(&issuers->retired), struct issuer_set, node));
    }
    set_free(issuers->coming);
    set_free(issuers->current);
    pthread_mutex_destroy(&issuers->lock);
    free(issuers);
}

/* --- Questions --- */

int issuers_authenticate(struct issuers *issuers, struct arena *arena, struct slice token,
                         int64_t now_s, const struct user **ret_user)
{
    int status = -ENOENT;
    pthread_mutex_lock(&issuers->lock);
    struct issuer_set *set = issuers->current;
    set->users++;
    pthread_mutex_unlock(&issuers->lock);
    for (size_t i = 0; i < set->count && status == -ENOENT; i++) {
        status = oidc_authenticate(set->items[i], arena, token, now_s, ret_user);
    }
    pthread_mutex_lock(&issuers->lock);
    set->users--;
    pthread_mutex_unlock(&issuers->lock);
    return status;
}

bool issuers_let_in_nobody(struct issuers *issuers, bool by_flag, const char *path)
{
    /* The same in all sets: a file that changes it is refused. */
    pthread_mutex_lock(&issuers->lock);
    bool let_in = authn_config_lets_in_nobody(&issuers->current->config, by_flag, path);
    pthread_mutex_unlock(&issuers->lock);
    return let_in;
}
