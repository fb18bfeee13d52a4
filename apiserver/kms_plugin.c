#include "apiserver/kms_plugin.h"

#include "apiserver/kms_envelope.h"
#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include "lib/base/log.h"
#include "lib/base/metrics.h"
#include "lib/net/grpc.h"
#include "lib/net/x509.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SERVICE "/v2.KeyManagementService/"

enum method { METHOD_STATUS, METHOD_ENCRYPT, METHOD_DECRYPT, METHODS };
static const char *const paths[] = {SERVICE "Status", SERVICE "Encrypt", SERVICE "Decrypt"};

/* A key of stored values, by the identity of their envelopes. */
struct opened_key {
    enum { KEY_NEW, KEY_ASKED, KEY_KNOWN, KEY_FAILED } state;
    struct kms_plugin *plugin;
    struct kms_secret secret;
    uint64_t asked_ms;
    size_t identity_len;
    uint8_t identity[];
};

struct kms_plugin {
    atomic_uint references;
    struct kms_plugin_options options;
    char *name;
    struct grpc_channel *channel; /* The loop's, as what follows; NULL: closed. */
    struct loop_timer poll, forget;
    uint64_t asked_ms;    /* The poll that is under way. */
    uint64_t valid_until; /* Of the seed. */
    struct kms_secret next;
    struct metric_histogram *seconds[METHODS];
    struct metric *key_count, *status_time, *bad_key_ids;

    pthread_rwlock_t lock;  /* Of what follows. */
    char *problem;          /* NULL: it is well. */
    struct hash_map *keys;  /* Identity -> opened_key. */
    size_t under_way;       /* Of them. */
    struct kms_secret seed; /* What values are sealed with; len 0: none. */
    struct buffer identity; /* Its envelope, without data. */
    char *key_id;
};

/* --- Life --- */

static void free_key(struct opened_key *key)
{
    explicit_bzero(key->secret.bytes, sizeof(key->secret.bytes));
    free(key);
}

static void unref(struct kms_plugin *plugin)
{
    if (atomic_fetch_sub(&plugin->references, 1) > 1) {
        return;
    }
    struct slice identity;
    void *key = NULL;
    for (size_t at = 0; hash_map_next(plugin->keys, &at, &identity, &key);) {
        free_key(key);
    }
    hash_map_free(plugin->keys);
    buffer_release(&plugin->identity);
    pthread_rwlock_destroy(&plugin->lock);
    free(plugin->problem);
    free(plugin->key_id);
    free(plugin->name);
    explicit_bzero(plugin->seed.bytes, sizeof(plugin->seed.bytes));
    explicit_bzero(plugin->next.bytes, sizeof(plugin->next.bytes));
    free(plugin);
}

static void make_metrics(struct kms_plugin *plugin)
{
    static const char *const methods[] = {"Status", "Encrypt", "Decrypt"};
    struct metrics *metrics = plugin->options.metrics;
    char labels[512];
    for (size_t i = 0; i < METHODS; i++) {
        (void)snprintf(labels, sizeof(labels), "method_name=\"%s%s\",provider_name=\"%s\"", SERVICE,
                       methods[i], plugin->name);
        plugin->seconds[i] = metrics_histogram(
            metrics, "apiserver_envelope_encryption_kms_operations_latency_seconds",
            "Time that KMS plugins took to answer.", labels, metrics_seconds_bounds,
            metrics_seconds_bound_count);
    }
    (void)snprintf(labels, sizeof(labels), "provider_name=\"%s\"", plugin->name);
    plugin->key_count =
        metrics_gauge(metrics, "apiserver_envelope_encryption_dek_source_cache_size",
                      "Keys of values that a KMS plugin has opened.", labels);
    plugin->status_time = metrics_gauge(
        metrics, "apiserver_envelope_encryption_key_id_hash_status_last_timestamp_seconds",
        "When a KMS plugin last said its key id.", labels);
    plugin->bad_key_ids =
        metrics_counter(metrics, "apiserver_envelope_encryption_invalid_key_id_from_status_total",
                        "Key ids of a KMS plugin that may not be one.", labels);
}

static void poll_now(void *data);
static void forget_failed(void *data);

struct kms_plugin *kms_plugin_new(const struct kms_plugin_options *options)
{
    struct kms_plugin *plugin = alloc_zeroed(sizeof(*plugin));
    uint64_t seed = 0;
    x509_random((uint8_t *)&seed, sizeof(seed));
    atomic_init(&plugin->references, 1);
    plugin->options = *options;
    plugin->name = alloc_text(options->name);
    plugin->problem = alloc_text("it has not answered yet");
    plugin->key_id = alloc_text("");
    plugin->keys = hash_map_new(seed);
    plugin->poll = (struct loop_timer){.fire = poll_now, .data = plugin};
    plugin->forget = (struct loop_timer){.fire = forget_failed, .data = plugin};
    buffer_init(&plugin->identity, SIZE_MAX / 2); /* Bounded by kms_envelope_check(). */
    pthread_rwlock_init(&plugin->lock, NULL);
    make_metrics(plugin);
    const struct grpc_channel_options channel = {.address = &options->address};
    plugin->channel = grpc_channel_new(options->loop, &channel);
    poll_now(plugin);
    return plugin;
}

void kms_plugin_free(struct kms_plugin *plugin)
{
    if (plugin == NULL) {
        return;
    }
    loop_timer_stop(plugin->options.loop, &plugin->poll);
    loop_timer_stop(plugin->options.loop, &plugin->forget);
    struct grpc_channel *channel = TAKE(plugin->channel);
    grpc_channel_close(channel); /* What it runs finds the plugin closed. */
    unref(plugin);
}

/* --- Calls --- */

static struct grpc_stream *call(struct kms_plugin *plugin, enum method method, struct slice request,
                                grpc_done done, void *data)
{
    const struct grpc_call_options options = {.path = paths[method],
                                              .timeout_ms = plugin->options.timeout_ms};
    return grpc_unary(plugin->channel, &options, request, done, data);
}

static void note_call(struct kms_plugin *plugin, enum method method, uint64_t begun_ms)
{
    uint64_t took_ms = loop_now_ms(plugin->options.loop) - begun_ms;
    metric_observe(plugin->seconds[method], (double)took_ms / 1000);
}

/* Names a request in the plugin's log. */
static void write_uid(char ret_uid[static 37])
{
    uint8_t b[16];
    x509_random(b, sizeof(b));
    (void)snprintf(ret_uid, 37,
                   "%02x%02x%02x%02x-%02x%02x-4%01x%02x-a%01x%02x-%02x%02x%02x%02x%02x%02x", b[0],
                   b[1], b[2], b[3], b[4], b[5], b[6] & 15U, b[7], b[8] & 15U, b[9], b[10], b[11],
                   b[12], b[13], b[14], b[15]);
}

/* --- How it is --- */

/* Says it once. NULL: it is well. */
static void set_problem(struct kms_plugin *plugin, const char *problem)
{
    pthread_rwlock_wrlock(&plugin->lock);
    char *before = plugin->problem;
    plugin->problem = problem == NULL ? NULL : alloc_text(problem);
    pthread_rwlock_unlock(&plugin->lock);
    if (problem != NULL && (before == NULL || strcmp(before, problem) != 0)) {
        LOG_ERROR("encryption", "a KMS plugin is not well", KV_TEXT("name", plugin->name),
                  KV_TEXT("reason", problem));
    } else if (problem == NULL && before != NULL) {
        LOG_INFO("encryption", "a KMS plugin is well", KV_TEXT("name", plugin->name));
    }
    free(before);
}

static void drop_seed(struct kms_plugin *plugin)
{
    pthread_rwlock_wrlock(&plugin->lock);
    explicit_bzero(plugin->seed.bytes, sizeof(plugin->seed.bytes));
    plugin->seed.len = 0;
    pthread_rwlock_unlock(&plugin->lock);
}

static void poll_well(struct kms_plugin *plugin)
{
    uint64_t now = loop_now_ms(plugin->options.loop);
    plugin->valid_until = now + KMS_WRITE_MS;
    set_problem(plugin, NULL);
    loop_timer_start(plugin->options.loop, &plugin->poll, KMS_POLL_MS);
}

static void poll_failed(struct kms_plugin *plugin, const char *what, const char *why)
{
    char text[512];
    uint64_t now = loop_now_ms(plugin->options.loop);
    (void)snprintf(text, sizeof(text), "%s: %.400s", what, why);
    set_problem(plugin, text);
    if (now >= plugin->valid_until) {
        drop_seed(plugin);
    }
    loop_timer_start(plugin->options.loop, &plugin->poll,
                     plugin->valid_until == 0 ? KMS_POLL_FIRST_MS : KMS_POLL_AGAIN_MS);
}

/* --- A seed of our own --- */

static struct opened_key *find_key(const struct kms_plugin *plugin, struct slice identity)
{
    return hash_map_get(plugin->keys, identity);
}

/* One that is known makes room for another. */
static void make_room(struct kms_plugin *plugin)
{
    struct slice identity;
    void *value = NULL;
    if (hash_map_count(plugin->keys) < KMS_KEYS_MAX) {
        return;
    }
    for (size_t at = 0; hash_map_next(plugin->keys, &at, &identity, &value);) {
        struct opened_key *key = value;
        if (key->state != KEY_ASKED && !slice_equal(identity, buffer_slice(&plugin->identity))) {
            (void)hash_map_remove(plugin->keys, identity);
            free_key(key);
            return;
        }
    }
}

/* NULL when all that are there are being asked for. With the lock. */
static struct opened_key *add_key(struct kms_plugin *plugin, struct slice identity)
{
    make_room(plugin);
    if (hash_map_count(plugin->keys) >= KMS_KEYS_MAX) {
        return NULL;
    }
    struct opened_key *key = alloc_zeroed(sizeof(*key) + identity.len);
    key->plugin = plugin;
    key->identity_len = identity.len;
    memcpy(key->identity, identity.data, identity.len);
    (void)hash_map_set(plugin->keys, identity, key);
    metric_set(plugin->key_count, (int64_t)hash_map_count(plugin->keys));
    return key;
}

static void take_seed(struct kms_plugin *plugin, const Kms__V2__EncryptedObject *envelope)
{
    pthread_rwlock_wrlock(&plugin->lock);
    buffer_clear(&plugin->identity);
    kms_envelope_append_identity(envelope, &plugin->identity);
    free(plugin->key_id);
    plugin->key_id = alloc_text(envelope->key_id);
    plugin->seed = plugin->next;
    struct slice identity = buffer_slice(&plugin->identity);
    struct opened_key *key = find_key(plugin, identity);
    key = key != NULL ? key : add_key(plugin, identity);
    if (key != NULL && key->state != KEY_ASKED) {
        key->secret = plugin->seed;
        key->state = KEY_KNOWN;
    }
    pthread_rwlock_unlock(&plugin->lock);
    explicit_bzero(plugin->next.bytes, sizeof(plugin->next.bytes));
}

/* What a call of the poll was answered; NULL: it failed, which is noted, or is of no interest any
 * more. The caller frees it. */
static void *take_answer(struct kms_plugin *plugin, enum method method,
                         const struct grpc_status *status, struct slice response)
{
    static const struct {
        const ProtobufCMessageDescriptor *type;
        const char *failure;
    } calls[] = {
        [METHOD_STATUS] = {&kms__v2__status_response__descriptor,
                           "failed to perform status section of the healthz check"},
        [METHOD_ENCRYPT] = {&kms__v2__encrypt_response__descriptor, "failed to encrypt DEK"}};
    if (plugin->channel == NULL) {
        return NULL;
    }
    note_call(plugin, method, plugin->asked_ms);
    bool ok = status->code == GRPC_OK;
    void *answer =
        ok ? protobuf_c_message_unpack(calls[method].type, NULL, response.len, response.data)
           : NULL;
    if (answer == NULL) {
        poll_failed(plugin, calls[method].failure,
                    ok ? "the answer cannot be read" : status->message);
    }
    return answer;
}

static void on_encrypted(void *data, const struct grpc_status *status, struct slice response)
{
    struct kms_plugin *plugin = data;
    CLEANUP(error_release) struct error error = {0};
    Kms__V2__EncryptResponse *answer = take_answer(plugin, METHOD_ENCRYPT, status, response);
    if (answer == NULL) {
        return;
    }
    Kms__V2__EncryptedObject envelope = KMS__V2__ENCRYPTED_OBJECT__INIT;
    envelope.key_id = answer->key_id;
    envelope.encrypted_dek_source = answer->ciphertext;
    envelope.annotations = answer->annotations;
    envelope.n_annotations = answer->n_annotations;
    envelope.encrypted_dek_source_type = plugin->next.type;
    if (kms_envelope_check(&envelope, &error) < 0) {
        poll_failed(plugin, "failed to encrypt DEK", error_message(&error));
    } else {
        take_seed(plugin, &envelope);
        poll_well(plugin);
    }
    kms__v2__encrypt_response__free_unpacked(answer, NULL);
}

static void ask_seed(struct kms_plugin *plugin)
{
    Kms__V2__EncryptRequest request = KMS__V2__ENCRYPT_REQUEST__INIT;
    CLEANUP(buffer_release) struct buffer bytes;
    char uid[37];
    buffer_init(&bytes, 1024);
    write_uid(uid);
    plugin->next = (struct kms_secret){
        .type = KMS__V2__ENCRYPTED_DEKSOURCE_TYPE__HKDF_SHA256_XNONCE_AES_GCM_SEED,
        .len = KMS_SEED_SIZE};
    x509_random(plugin->next.bytes, KMS_SEED_SIZE);
    request.plaintext = (ProtobufCBinaryData){.len = KMS_SEED_SIZE, .data = plugin->next.bytes};
    request.uid = uid;
    uint8_t *at = buffer_reserve(&bytes, kms__v2__encrypt_request__get_packed_size(&request));
    assert(at != NULL);
    buffer_commit(&bytes, kms__v2__encrypt_request__pack(&request, at));
    plugin->asked_ms = loop_now_ms(plugin->options.loop);
    (void)call(plugin, METHOD_ENCRYPT, buffer_slice(&bytes), on_encrypted, plugin);
    explicit_bzero(bytes.data, bytes.len);
}

static void take_status(struct kms_plugin *plugin, const Kms__V2__StatusResponse *answer)
{
    size_t len = strlen(answer->key_id);
    if (strcmp(answer->healthz, "ok") != 0) {
        poll_failed(plugin, "got unexpected healthz status", answer->healthz);
    } else if (strcmp(answer->version, "v2") != 0 && strcmp(answer->version, "v2beta1") != 0) {
        poll_failed(plugin, "expected KMSv2 API version v2, got", answer->version);
    } else if (len == 0 || len > KMS_KEY_ID_MAX) {
        metric_add(plugin->bad_key_ids, 1);
        poll_failed(plugin, "expected KMSv2 KeyID to be set, and of 1 KiB at most", "it is not");
    } else if (plugin->seed.len > 0 && strcmp(plugin->key_id, answer->key_id) == 0) {
        metric_set(plugin->status_time, (int64_t)time(NULL));
        poll_well(plugin);
    } else {
        metric_set(plugin->status_time, (int64_t)time(NULL));
        ask_seed(plugin);
    }
}

static void on_status(void *data, const struct grpc_status *status, struct slice response)
{
    struct kms_plugin *plugin = data;
    Kms__V2__StatusResponse *answer = take_answer(plugin, METHOD_STATUS, status, response);
    if (answer != NULL) {
        take_status(plugin, answer);
        kms__v2__status_response__free_unpacked(answer, NULL);
    }
}

static void poll_now(void *data)
{
    struct kms_plugin *plugin = data;
    plugin->asked_ms = loop_now_ms(plugin->options.loop);
    (void)call(plugin, METHOD_STATUS, slice_text(""), on_status, plugin);
}

const char *kms_plugin_problem(struct kms_plugin *plugin, struct arena *arena)
{
    pthread_rwlock_rdlock(&plugin->lock);
    const char *problem = plugin->problem == NULL ? NULL : arena_text(arena, plugin->problem);
    pthread_rwlock_unlock(&plugin->lock);
    return problem;
}

/* --- Keys of stored values --- */

static void forget_failed(void *data)
{
    struct kms_plugin *plugin = data;
    struct slice identity;
    void *value = NULL;
    pthread_rwlock_wrlock(&plugin->lock);
    for (size_t at = 0; hash_map_next(plugin->keys, &at, &identity, &value);) {
        struct opened_key *key = value;
        if (key->state == KEY_FAILED) {
            (void)hash_map_remove(plugin->keys, identity);
            free_key(key);
        }
    }
    metric_set(plugin->key_count, (int64_t)hash_map_count(plugin->keys));
    pthread_rwlock_unlock(&plugin->lock);
}

/* 0, or -EINVAL with a message. */
static int take_key(struct opened_key *key, const struct grpc_status *status, struct slice response,
                    struct error *reterr)
{
    if (status->code != GRPC_OK) {
        return error_set(reterr, -EINVAL, "%s", status->message);
    }
    Kms__V2__DecryptResponse *answer =
        kms__v2__decrypt_response__unpack(NULL, response.len, response.data);
    if (answer == NULL) {
        return error_set(reterr, -EINVAL, "the answer is no DecryptResponse");
    }
    struct slice plain = slice_of(answer->plaintext.data, answer->plaintext.len);
    pthread_rwlock_wrlock(&key->plugin->lock);
    int result = kms_secret_set(&key->secret, key->secret.type, plain, reterr);
    if (result == 0) {
        key->state = KEY_KNOWN;
    }
    pthread_rwlock_unlock(&key->plugin->lock);
    explicit_bzero(answer->plaintext.data, answer->plaintext.len);
    kms__v2__decrypt_response__free_unpacked(answer, NULL);
    return result;
}

static void on_decrypted(void *data, const struct grpc_status *status, struct slice response)
{
    struct opened_key *key = data;
    struct kms_plugin *plugin = key->plugin;
    CLEANUP(error_release) struct error error = {0};
    if (plugin->channel == NULL) {
        return;
    }
    note_call(plugin, METHOD_DECRYPT, key->asked_ms);
    int result = take_key(key, status, response, &error);
    pthread_rwlock_wrlock(&plugin->lock);
    if (result < 0) {
        key->state = KEY_FAILED;
    }
    size_t left = --plugin->under_way;
    pthread_rwlock_unlock(&plugin->lock);
    if (result < 0) {
        LOG_ERROR("encryption", "a KMS plugin does not open a key", KV_TEXT("name", plugin->name),
                  KV_TEXT("reason", error_message(&error)));
        loop_timer_start(plugin->options.loop, &plugin->forget, KMS_FORGET_MS);
    }
    if (left == 0 && plugin->options.settled != NULL) {
        plugin->options.settled(plugin->options.data);
    }
}

/* What the identity says, as a question. */
static void send_key(struct opened_key *key)
{
    Kms__V2__DecryptRequest request = KMS__V2__DECRYPT_REQUEST__INIT;
    Kms__V2__EncryptedObject *envelope =
        kms__v2__encrypted_object__unpack(NULL, key->identity_len, key->identity);
    CLEANUP(buffer_release) struct buffer bytes;
    char uid[37];
    assert(envelope != NULL); /* We packed it. */
    buffer_init(&bytes, SIZE_MAX / 2);
    write_uid(uid);
    request.ciphertext = envelope->encrypted_dek_source;
    request.uid = uid;
    request.key_id = envelope->key_id;
    request.annotations = envelope->annotations;
    request.n_annotations = envelope->n_annotations;
    uint8_t *at = buffer_reserve(&bytes, kms__v2__decrypt_request__get_packed_size(&request));
    assert(at != NULL);
    buffer_commit(&bytes, kms__v2__decrypt_request__pack(&request, at));
    key->asked_ms = loop_now_ms(key->plugin->options.loop);
    (void)call(key->plugin, METHOD_DECRYPT, buffer_slice(&bytes), on_decrypted, key);
    kms_envelope_free(envelope);
}

/* A key of the table that is being asked for stays, so that it may be sent from another turn. */
static void send_posted(void *data)
{
    struct opened_key *key = data;
    struct kms_plugin *plugin = key->plugin;
    if (plugin->channel != NULL) {
        send_key(key);
    }
    unref(plugin);
}

/* The key to ask for, noted as asked for; NULL when that is known, failed, or under way, with
 * *ret_waits. */
static struct opened_key *begin_key(struct kms_plugin *plugin,
                                    const Kms__V2__EncryptedObject *envelope, bool *ret_waits)
{
    CLEANUP(buffer_release) struct buffer identity;
    buffer_init(&identity, SIZE_MAX / 2);
    kms_envelope_append_identity(envelope, &identity);
    pthread_rwlock_wrlock(&plugin->lock);
    struct opened_key *known = find_key(plugin, buffer_slice(&identity));
    struct opened_key *key = known != NULL ? NULL : add_key(plugin, buffer_slice(&identity));
    if (key != NULL) {
        key->state = KEY_ASKED;
        key->secret.type = envelope->encrypted_dek_source_type;
        plugin->under_way++;
    }
    *ret_waits = key != NULL || (known != NULL && known->state == KEY_ASKED);
    pthread_rwlock_unlock(&plugin->lock);
    return key;
}

bool kms_plugin_prepare(struct kms_plugin *plugin, struct slice sealed)
{
    CLEANUP(kms_envelope_freep) Kms__V2__EncryptedObject *envelope = NULL;
    bool waits = false;
    if (kms_envelope_read(sealed, &envelope, NULL) < 0) {
        return true;
    }
    struct opened_key *key = begin_key(plugin, envelope, &waits);
    if (key != NULL) {
        send_key(key);
    }
    return !waits;
}

static void ask_from_anywhere(struct kms_plugin *plugin, const Kms__V2__EncryptedObject *envelope)
{
    bool waits = false;
    struct opened_key *key = begin_key(plugin, envelope, &waits);
    if (key != NULL) {
        atomic_fetch_add(&plugin->references, 1);
        loop_post(plugin->options.loop, send_posted, key);
    }
}

/* --- Values --- */

int kms_plugin_seal(struct kms_plugin *plugin, const char *key, struct slice value,
                    struct buffer *out, struct error *reterr)
{
    int status = 0;
    pthread_rwlock_rdlock(&plugin->lock);
    if (plugin->seed.len > 0) {
        kms_envelope_seal(buffer_slice(&plugin->identity), &plugin->seed, key, value, out);
    } else {
        status = error_set(reterr, -EAGAIN, "the KMS plugin %s cannot be used: %s", plugin->name,
                           text_or_empty(plugin->problem));
    }
    pthread_rwlock_unlock(&plugin->lock);
    return status;
}

int kms_plugin_open(struct kms_plugin *plugin, const char *key, struct slice sealed,
                    struct buffer *out, struct error *reterr)
{
    CLEANUP(kms_envelope_freep) Kms__V2__EncryptedObject *envelope = NULL;
    CLEANUP(buffer_release) struct buffer identity;
    buffer_init(&identity, SIZE_MAX / 2);
    if (kms_envelope_read(sealed, &envelope, reterr) < 0) {
        return -EBADMSG;
    }
    kms_envelope_append_identity(envelope, &identity);
    pthread_rwlock_rdlock(&plugin->lock);
    const struct opened_key *with = find_key(plugin, buffer_slice(&identity));
    bool known = with != NULL && with->state == KEY_KNOWN;
    bool failed = with != NULL && with->state == KEY_FAILED;
    int status = known ? kms_envelope_open(envelope, &with->secret, key, out) : -EAGAIN;
    pthread_rwlock_unlock(&plugin->lock);
    if (known) {
        return status;
    }
    ask_from_anywhere(plugin, envelope);
    return error_set(reterr, -EAGAIN,
                     failed ? "the KMS plugin %s failed to decrypt its DEK"
                            : "the KMS plugin %s is being asked to decrypt its DEK",
                     plugin->name);
}

bool kms_plugin_is_current(struct kms_plugin *plugin, struct slice sealed)
{
    CLEANUP(kms_envelope_freep) Kms__V2__EncryptedObject *envelope = NULL;
    if (kms_envelope_read(sealed, &envelope, NULL) < 0) {
        return false;
    }
    pthread_rwlock_rdlock(&plugin->lock);
    bool current = envelope->encrypted_dek_source_type ==
                       KMS__V2__ENCRYPTED_DEKSOURCE_TYPE__HKDF_SHA256_XNONCE_AES_GCM_SEED &&
                   strcmp(envelope->key_id, plugin->key_id) == 0;
    pthread_rwlock_unlock(&plugin->lock);
    return current;
}
