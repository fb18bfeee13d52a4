/* Secrets of type kubernetes.io/service-account-token: each is filled with a token of the account
 * that it names, the cluster's CA and its namespace, and goes with that account. */
#include "controllers/control.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/base/alloc.h"
#include <stdlib.h>
#include <string.h>

#define ACCOUNT_NAME "kubernetes.io/service-account.name"
#define ACCOUNT_UID  "kubernetes.io/service-account.uid"

enum { TOKEN_MAX = 64 * 1024 };
static const uint64_t STALE_RETRY_NS = 50 * NS_PER_MS;

struct token_loop {
    struct control *control;
    const struct api_kind *kind;
    struct informer *secrets, *accounts;
    struct informer_handler secret_handler, account_handler;
    struct reconciler *reconciler;
    void (*closed)(void *data);
    void *closed_data;
};

/* The account that a Secret of the type names; NULL for all other Secrets. */
static const char *account_of(const Core__V1__Secret *secret)
{
    static const char type[] = "kubernetes.io/service-account-token";
    return strcmp(text_or_empty(secret->type), type) == 0
               ? text_or_empty(api_meta_annotation(secret->metadata, ACCOUNT_NAME))
               : NULL;
}

/* --- What a Secret should hold -----------------------------------------------------------------
 */

static const Core__V1__Secret__DataEntry *entry_of(const Core__V1__Secret *secret, const char *key)
{
    for (size_t i = 0; i < secret->n_data; i++) {
        if (strcmp(secret->data[i]->key, key) == 0) {
            return secret->data[i];
        }
    }
    return NULL;
}

static bool holds_something(const Core__V1__Secret *secret, const char *key)
{
    const Core__V1__Secret__DataEntry *entry = entry_of(secret, key);
    return entry != NULL && entry->value.len > 0;
}

static bool holds(const Core__V1__Secret *secret, const char *key, const char *text)
{
    const Core__V1__Secret__DataEntry *entry = entry_of(secret, key);
    return entry != NULL &&
           slice_equal(slice_of(entry->value.data, entry->value.len), slice_text(text));
}

static void put(struct arena *arena, Core__V1__Secret *secret, const char *key, struct slice value)
{
    Core__V1__Secret__DataEntry *entry =
        (Core__V1__Secret__DataEntry *)(uintptr_t)entry_of(secret, key); /* Of our own copy. */
    if (entry == NULL) {
        entry = arena_alloc(arena, sizeof(*entry));
        core__v1__secret__data_entry__init(entry);
        entry->key = arena_text(arena, key);
        secret->data = arena_array_grown(arena, secret->data, secret->n_data, sizeof(entry));
        secret->data[secret->n_data++] = entry;
    }
    struct slice bytes = arena_slice(arena, value);
    entry->value =
        (ProtobufCBinaryData){.len = bytes.len, .data = (uint8_t *)(uintptr_t)bytes.data};
}

static bool is_filled(const struct token_loop *loop, const Core__V1__Secret *secret,
                      const struct client_object *account)
{
    const char *ca_pem = loop->control->config->ca_pem;
    const char *uid = api_meta_annotation(secret->metadata, ACCOUNT_UID);
    return holds_something(secret, "token") && holds_something(secret, "namespace") &&
           (ca_pem == NULL || holds(secret, "ca.crt", ca_pem)) &&
           strcmp(text_or_empty(uid), account->meta->uid) == 0;
}

static void fill(struct token_loop *loop, struct round *round, const Core__V1__Secret *present,
                 const struct client_object *account)
{
    const struct controllers_config *config = loop->control->config;
    struct arena *arena = round->arena;
    Core__V1__Secret *secret = api_message_copy(arena, loop->kind->message, present);
    CLEANUP(buffer_release) struct buffer token;
    CLEANUP(error_release) struct error error = {0};
    buffer_init(&token, TOKEN_MAX);
    api_meta_set_annotation(arena, secret->metadata, ACCOUNT_UID, account->meta->uid);
    if (!holds_something(secret, "token")) {
        if (config->account_token(config->account_token_data, account->meta, round->name, &token,
                                  &error) < 0) {
            round_fail(round, error_message(&error));
            return;
        }
        put(arena, secret, "token", buffer_slice(&token));
    }
    if (!holds_something(secret, "namespace")) {
        put(arena, secret, "namespace", slice_text(round->namespace_));
    }
    if (config->ca_pem != NULL) {
        put(arena, secret, "ca.crt", slice_text(config->ca_pem));
    }
    control_update(round, loop->kind, NULL, secret->metadata, secret, NULL, NULL);
}

/* --- Rounds ------------------------------------------------------------------------------------
 */

static bool is_of(const Core__V1__Secret *secret, const struct client_object *account)
{
    const char *uid = api_meta_annotation(secret->metadata, ACCOUNT_UID);
    return account != NULL &&
           (uid == NULL || uid[0] == '\0' || strcmp(uid, account->meta->uid) == 0);
}

static void reconcile(void *data, struct round *round)
{
    struct token_loop *loop = data;
    if (!control_ready(loop->control, round) || loop->control->config->account_token == NULL) {
        return;
    }
    const struct client_object *object =
        informer_get(loop->secrets, round->namespace_, round->name);
    const Core__V1__Secret *secret = object == NULL ? NULL : object->message;
    const char *name = secret == NULL ? NULL : account_of(secret);
    if (name == NULL || object->meta->deletion_timestamp != NULL) {
        return;
    }
    /* An account that is not in its cache yet may be older than the Secret. */
    if (informer_revision(loop->accounts) < object->version) {
        round_again_after(round, STALE_RETRY_NS);
        return;
    }
    const struct client_object *account = informer_get(loop->accounts, round->namespace_, name);
    if (!is_of(secret, account)) {
        control_delete(round, loop->kind, secret->metadata, NULL, NULL);
    } else if (!is_filled(loop, secret, account)) {
        fill(loop, round, secret, account);
    }
}

static void secret_changed(void *data, const struct client_object *old_object,
                           const struct client_object *new_object)
{
    struct token_loop *loop = data;
    (void)old_object;
    if (new_object != NULL && account_of(new_object->message) != NULL) {
        reconciler_add_object(loop->reconciler, new_object);
    }
}

/* One that is gone, or that came again under its old name, concerns the Secrets that name it. */
static void account_changed(void *data, const struct client_object *old_object,
                            const struct client_object *new_object)
{
    struct token_loop *loop = data;
    const struct client_object *account = new_object == NULL ? old_object : new_object;
    if (old_object != NULL && new_object != NULL &&
        strcmp(old_object->meta->uid, new_object->meta->uid) == 0) {
        return;
    }
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct informer_list list = informer_select(loop->secrets, arena, INFORMER_BY_NAMESPACE,
                                                client_object_namespace(account));
    for (size_t i = 0; i < list.count; i++) {
        const char *name = account_of(list.items[i]->message);
        if (name != NULL && strcmp(name, client_object_name(account)) == 0) {
            reconciler_add_object(loop->reconciler, list.items[i]);
        }
    }
}

/* --- Life --------------------------------------------------------------------------------------
 */

static void *token_open(struct control *control)
{
    struct token_loop *loop = alloc_zeroed(sizeof(*loop));
    loop->control = control;
    loop->kind = control_kind("", "v1", "secrets");
    loop->secrets = informers_get(control->informers, loop->kind);
    loop->accounts = informers_get(control->informers, control_kind("", "v1", "serviceaccounts"));
    loop->reconciler = control_reconciler(control, "serviceaccount-token", &control_as.manager, 5,
                                          reconcile, loop);
    loop->secret_handler = (struct informer_handler){.changed = secret_changed, .data = loop};
    loop->account_handler = (struct informer_handler){.changed = account_changed, .data = loop};
    informer_add_handler(loop->secrets, &loop->secret_handler);
    informer_add_handler(loop->accounts, &loop->account_handler);
    return loop;
}

static void rounds_ended(void *data)
{
    struct token_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    free(loop);
    closed(closed_data);
}

static void token_close(void *part, void (*closed)(void *data), void *data)
{
    struct token_loop *loop = part;
    loop->closed = closed;
    loop->closed_data = data;
    informer_remove_handler(&loop->secret_handler);
    informer_remove_handler(&loop->account_handler);
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_account_tokens = {
    .name = "serviceaccount-token", .open = token_open, .close = token_close};
