/* Signatures of kube-public/cluster-info, one for each bootstrap token that is for signing: whoever
 * has such a token can tell that what an unknown server shows is the cluster's. A key
 * "jws-kubeconfig-<id>" is a JWS (RFC 7515) of the key "kubeconfig" with its payload left out,
 * HS256 under the secret half of the token. */
#include "controllers/control.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/api/bootstrap_token.h"
#include "lib/base/alloc.h"
#include "lib/base/base64.h"
#include "lib/net/x509.h"
#include <stdlib.h>
#include <string.h>

#define NAMESPACE     "kube-public"
#define NAME          "cluster-info"
#define SIGNED        "kubeconfig"
#define SIGNATURE     "jws-kubeconfig-"
#define SECRET_PREFIX "bootstrap-token-"

typedef Core__V1__ConfigMap__DataEntry entry_t;

struct signer_loop {
    struct control *control;
    const struct api_kind *kind;
    struct informer *maps, *secrets;
    struct informer_handler map_handler, secret_handler;
    struct reconciler *reconciler;
    void (*closed)(void *data);
    void *closed_data;
};

static bool is_signature(const entry_t *entry)
{
    return strncmp(entry->key, SIGNATURE, sizeof(SIGNATURE) - 1) == 0;
}

static entry_t *entry_new(struct arena *arena, const char *key, const char *value)
{
    entry_t *entry = arena_alloc(arena, sizeof(*entry));
    core__v1__config_map__data_entry__init(entry);
    entry->key = arena_text(arena, key);
    entry->value = arena_text(arena, value);
    return entry;
}

/* header..signature */
static const char *signature_of(struct arena *arena, const char *text, const char *id,
                                struct slice secret)
{
    CLEANUP(buffer_release) struct buffer input;
    uint8_t mac[X509_SHA256_SIZE];
    const char *header = arena_printf(arena, "{\"alg\":\"HS256\",\"kid\":\"%s\"}", id);
    buffer_init(&input, SIZE_MAX / 2);
    base64url_encode(slice_text(header), &input);
    size_t header_len = input.len;
    buffer_append_byte(&input, '.');
    base64url_encode(slice_text(text), &input);
    x509_hmac_sha256(secret, buffer_slice(&input), mac);
    input.len = header_len;
    buffer_append_text(&input, "..");
    base64url_encode(slice_of(mac, sizeof(mac)), &input);
    return arena_text(arena, buffer_text(&input));
}

/* The signature under the token of a Secret; NULL when that is none for signing. */
static entry_t *sign(struct arena *arena, const Core__V1__Secret *secret, const char *text,
                     int64_t now_s)
{
    const char *name = text_or_empty(secret->metadata->name);
    if (strncmp(name, SECRET_PREFIX, sizeof(SECRET_PREFIX) - 1) != 0) {
        return NULL;
    }
    const char *id = name + sizeof(SECRET_PREFIX) - 1;
    struct slice half = secret_data_value(secret, "token-secret"), whole_id, whole_half;
    struct slice token = slice_text(arena_printf(arena, "%s.%.*s", id, (int)half.len, half.data));
    if (!bootstrap_token_split(token, &whole_id, &whole_half) ||
        !bootstrap_secret_is_for(secret, slice_text(id), "usage-bootstrap-signing", now_s)) {
        return NULL;
    }
    return entry_new(arena, arena_printf(arena, SIGNATURE "%s", id),
                     signature_of(arena, text, id, half));
}

static int by_key(const void *a, const void *b)
{
    return strcmp((*(entry_t *const *)a)->key, (*(entry_t *const *)b)->key);
}

/* `map` with the signatures that it should have, and no others. */
static void sign_all(struct signer_loop *loop, struct round *round, Core__V1__ConfigMap *map)
{
    struct informer_list secrets =
        informer_select(loop->secrets, round->arena, INFORMER_BY_NAMESPACE, "kube-system");
    entry_t **entries =
        arena_array(round->arena, map->n_data + secrets.count + 1, sizeof(entry_t *));
    size_t count = 0;
    const char *text = NULL;
    for (size_t i = 0; i < map->n_data; i++) {
        text = strcmp(map->data[i]->key, SIGNED) == 0 ? text_or_empty(map->data[i]->value) : text;
        if (!is_signature(map->data[i])) {
            entries[count++] = map->data[i];
        }
    }
    for (size_t i = 0; text != NULL && i < secrets.count; i++) {
        entry_t *entry =
            sign(round->arena, secrets.items[i]->message, text, control_now_s(loop->control));
        if (entry != NULL) {
            entries[count++] = entry;
        }
    }
    qsort(entries, count, sizeof(entry_t *), by_key);
    map->data = entries;
    map->n_data = count;
}

/* A token that is over is no Secret any more soon after (token_cleaner.c), which brings us here. */
static void reconcile(void *data, struct round *round)
{
    struct signer_loop *loop = data;
    const struct client_object *present =
        control_ready(loop->control, round) ? informer_get(loop->maps, NAMESPACE, NAME) : NULL;
    if (present == NULL || present->meta->deletion_timestamp != NULL) {
        return;
    }
    Core__V1__ConfigMap *map =
        api_message_copy(round->arena, loop->kind->message, present->message);
    sign_all(loop, round, map);
    if (!api_message_equal(loop->kind->message, map, present->message)) {
        control_update(round, loop->kind, NULL, map->metadata, map, NULL, NULL);
    }
}

static void map_changed(void *data, const struct client_object *old_object,
                        const struct client_object *new_object)
{
    struct signer_loop *loop = data;
    (void)old_object;
    if (new_object != NULL && strcmp(client_object_name(new_object), NAME) == 0 &&
        strcmp(client_object_namespace(new_object), NAMESPACE) == 0) {
        reconciler_add_name(loop->reconciler, NAMESPACE, NAME);
    }
}

static void secret_changed(void *data, const struct client_object *old_object,
                           const struct client_object *new_object)
{
    struct signer_loop *loop = data;
    const struct client_object *object = new_object == NULL ? old_object : new_object;
    if (strcmp(client_object_namespace(object), "kube-system") == 0 &&
        strncmp(client_object_name(object), SECRET_PREFIX, sizeof(SECRET_PREFIX) - 1) == 0) {
        reconciler_add_name(loop->reconciler, NAMESPACE, NAME);
    }
}

static void *signer_open(struct control *control)
{
    struct signer_loop *loop = alloc_zeroed(sizeof(*loop));
    loop->control = control;
    loop->kind = control_kind("", "v1", "configmaps");
    loop->maps = informers_get(control->informers, loop->kind);
    loop->secrets = informers_get(control->informers, control_kind("", "v1", "secrets"));
    loop->reconciler = control_reconciler(control, "bootstrap-signer", &control_as.bootstrap_signer,
                                          1, reconcile, loop);
    loop->map_handler = (struct informer_handler){.changed = map_changed, .data = loop};
    loop->secret_handler = (struct informer_handler){.changed = secret_changed, .data = loop};
    informer_add_handler(loop->maps, &loop->map_handler);
    informer_add_handler(loop->secrets, &loop->secret_handler);
    return loop;
}

static void rounds_ended(void *data)
{
    struct signer_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    free(loop);
    closed(closed_data);
}

static void signer_close(void *part, void (*closed)(void *data), void *data)
{
    struct signer_loop *loop = part;
    loop->closed = closed;
    loop->closed_data = data;
    informer_remove_handler(&loop->map_handler);
    informer_remove_handler(&loop->secret_handler);
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_bootstrap_signer = {
    .name = "bootstrap-signer", .open = signer_open, .close = signer_close};
