#include "apiserver/review_hook.h"

#include "apiserver/limits.h"
#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include "lib/base/log.h"
#include "lib/net/http_client.h"
#include "lib/net/loop.h"
#include "lib/net/x509.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As client-go waits for webhooks: half a second, then half as long again each time. */
enum { TRIES = 5, BACKOFF_MS = 500, FAILURES_TOLD_EACH_MS = 60 * 1000 };

struct review_client {
    struct loop *loop;
    struct http_client *http; /* NULL until the first question. */
    struct list flights;
    bool closed;
};

/* What is known of a question, or being asked. */
struct entry {
    struct list node; /* By age, once it is known. */
    uint8_t key[X509_SHA256_SIZE];
    bool known;
    uint64_t until_ms;
    struct list waiting; /* struct review_question */
    size_t len;
    uint8_t *answer;
};

/* What of its failures has been logged; the io loop's. */
struct failures {
    char reason[128]; /* Of the last one, as far as it fits; "" before. */
    uint64_t told_ms;
    uint64_t untold;
};

struct review_hook {
    atomic_size_t references;
    struct failures failures;
    struct review_hook_options options;
    pthread_mutex_t lock; /* Of all below. */
    struct hash_map *entries;
    struct list by_age;
    size_t known_count, known_bytes, waiting_count, flight_count;
};

/* A question on its way; the io loop's. */
struct flight {
    struct review_hook *hook;
    struct list node;
    uint8_t key[X509_SHA256_SIZE];
    struct slice body; /* Owned. */
    struct http_call *call;
    struct loop_timer deadline, again;
    uint64_t since_ms, wait_ms;
    unsigned tries, status;
    struct buffer answer;
};

/* --- Entries; under the lock --- */

static void entry_drop(struct review_hook *hook, struct entry *entry)
{
    if (entry->known) {
        hook->known_count--;
        hook->known_bytes -= entry->len;
    }
    list_remove(&entry->node);
    hash_map_remove(hook->entries, slice_of(entry->key, sizeof(entry->key)));
    free(entry->answer);
    free(entry);
}

static struct entry *entry_new(struct review_hook *hook, const uint8_t key[X509_SHA256_SIZE])
{
    struct entry *entry = alloc_zeroed(sizeof(*entry));
    memcpy(entry->key, key, sizeof(entry->key));
    list_init(&entry->node);
    list_init(&entry->waiting);
    hash_map_set(hook->entries, slice_of(entry->key, sizeof(entry->key)), entry);
    return entry;
}

static void entry_learn(struct review_hook *hook, struct entry *entry, struct slice answer,
                        uint64_t until_ms)
{
    entry->answer = alloc_bytes(answer.len + 1);
    memcpy(entry->answer, answer.data, answer.len);
    entry->len = answer.len;
    entry->known = true;
    entry->until_ms = until_ms;
    hook->known_count++;
    hook->known_bytes += answer.len;
    list_push_back(&hook->by_age, &entry->node);
    while (hook->known_count > REVIEWS_KNOWN_MAX || hook->known_bytes > REVIEW_BYTES_KNOWN_MAX) {
        entry_drop(hook, LIST_ENTRY(list_first(&hook->by_age), struct entry, node));
    }
}

/* --- Life of a hook --- */

struct review_hook *review_hook_new(const struct review_hook_options *options)
{
    struct review_hook *hook = alloc_zeroed(sizeof(*hook));
    uint64_t seed = 0;
    x509_random((uint8_t *)&seed, sizeof(seed));
    atomic_init(&hook->references, 1);
    hook->options = *options;
    hook->entries = hash_map_new(seed);
    list_init(&hook->by_age);
    pthread_mutex_init(&hook->lock, NULL);
    return hook;
}

struct review_hook *review_hook_ref(struct review_hook *hook)
{
    (void)atomic_fetch_add(&hook->references, 1);
    return hook;
}

void review_hook_unref(struct review_hook *hook)
{
    if (hook == NULL || atomic_fetch_sub(&hook->references, 1) > 1) {
        return;
    }
    struct slice key;
    void *entry = NULL;
    for (size_t at = 0; hash_map_next(hook->entries, &at, &key, &entry);) {
        entry_drop(hook, entry);
    }
    hash_map_free(hook->entries);
    if (hook->options.release != NULL) {
        hook->options.release(hook->options.data);
    }
    kubeconfig_release(&hook->options.kubeconfig);
    arena_free(hook->options.arena);
    pthread_mutex_destroy(&hook->lock);
    free(hook);
}

/* --- The end of a flight --- */

static void flight_free(struct flight *flight)
{
    struct loop *loop = flight->hook->options.client->loop;
    loop_timer_stop(loop, &flight->deadline);
    loop_timer_stop(loop, &flight->again);
    list_remove(&flight->node);
    buffer_release(&flight->answer);
    free((void *)(uintptr_t)flight->body.data);
    review_hook_unref(flight->hook);
    free(flight);
}

static void run_answered(void *data)
{
    struct review_question *question = data;
    question->answered(question);
}

static void deliver(struct list *waiting, int error, const char *message, struct slice answer)
{
    while (!list_empty(waiting)) {
        struct review_question *question =
            LIST_ENTRY(list_first(waiting), struct review_question, node);
        list_remove(&question->node);
        question->error = error;
        question->message = error < 0 ? arena_text(question->arena, message) : NULL;
        question->answer = error < 0 ? slice_of(NULL, 0) : arena_slice(question->arena, answer);
        loop_post(question->home, run_answered, question);
    }
}

/* Takes over those who wait, before somebody else can join them. */
static void take_waiting(struct review_hook *hook, struct list *from, struct list *to)
{
    list_init(to);
    while (!list_empty(from)) {
        struct list *node = list_first(from);
        list_remove(node);
        list_push_back(to, node);
        hook->waiting_count--;
    }
}

/* Each request may fail for the same reason: the log has it once, and again from time to time. */
static void tell_failure(struct review_hook *hook, const char *reason, uint64_t now_ms)
{
    struct failures *failures = &hook->failures;
    bool same = strncmp(failures->reason, reason, sizeof(failures->reason) - 1) == 0;
    failures->untold++;
    if (same && now_ms - failures->told_ms < FAILURES_TOLD_EACH_MS) {
        return;
    }
    LOG_WARN("apiserver", "a webhook of authentication or authorization fails",
             KV_TEXT("url", hook->options.kubeconfig.url), KV_TEXT("reason", reason),
             KV_U64("failures", failures->untold));
    (void)snprintf(failures->reason, sizeof(failures->reason), "%s", reason);
    failures->told_ms = now_ms;
    failures->untold = 0;
}

static void flight_end(struct flight *flight, int error, const char *message)
{
    struct review_hook *hook = flight->hook;
    const struct review_hook_options *options = &hook->options;
    struct slice answer = buffer_slice(&flight->answer);
    struct list waiting;
    uint64_t now_ms = loop_now_ms(options->client->loop);
    uint64_t keep_ms = error < 0 ? 0 : options->keep_ms(options->data, answer);
    const struct review_outcome outcome = {error, flight->status, now_ms - flight->since_ms};
    if (error < 0) {
        tell_failure(hook, message, now_ms);
    }
    if (options->noted != NULL) {
        options->noted(options->data, &outcome);
    }
    pthread_mutex_lock(&hook->lock);
    struct entry *entry = hash_map_get(hook->entries, slice_of(flight->key, sizeof(flight->key)));
    assert(entry != NULL && !entry->known);
    take_waiting(hook, &entry->waiting, &waiting);
    hook->flight_count--;
    if (keep_ms > 0) {
        entry_learn(hook, entry, answer, now_ms + keep_ms);
    } else {
        entry_drop(hook, entry);
    }
    pthread_mutex_unlock(&hook->lock);
    deliver(&waiting, error, message, answer);
    flight_free(flight);
}

/* --- A try --- */

static void try_once(struct flight *flight);

static void try_again(void *data)
{
    try_once(data);
}

static bool is_passing(int status, unsigned code)
{
    return status == -ECONNRESET || (status == 0 && (code == 429 || code == 500 || code == 503));
}

static void on_response(void *data, unsigned status, const struct http_header *headers,
                        size_t header_count)
{
    struct flight *flight = data;
    (void)headers;
    (void)header_count;
    flight->status = status;
}

static void on_body(void *data, struct slice bytes)
{
    struct flight *flight = data;
    buffer_append_slice(&flight->answer, bytes);
}

static void on_end(void *data, int status, const char *message)
{
    struct flight *flight = data;
    char text[96];
    flight->call = NULL;
    if (is_passing(status, flight->status) && flight->tries < TRIES) {
        loop_timer_start(flight->hook->options.client->loop, &flight->again, flight->wait_ms);
        flight->wait_ms += flight->wait_ms / 2;
    } else if (status < 0) {
        flight_end(flight, status, message);
    } else if (buffer_error(&flight->answer) < 0) {
        flight_end(flight, -EMSGSIZE, "the answer is too large");
    } else if (flight->status < 200 || flight->status > 299) {
        (void)snprintf(text, sizeof(text), "the server rejected our request with status %u",
                       flight->status);
        flight_end(flight, -EIO, text);
    } else {
        flight_end(flight, 0, "");
    }
}

static void try_once(struct flight *flight)
{
    static const struct http_call_events events = {
        .on_response = on_response, .on_body = on_body, .on_end = on_end};
    const struct kubeconfig *to = &flight->hook->options.kubeconfig;
    const struct http_header headers[] = {
        http_header("accept", "application/json, */*"),
        http_header("content-type", "application/json"),
        http_header("user-agent", "kube-apiserver"),
        http_header("authorization", text_or_empty(to->authorization)),
    };
    const struct http_call_options options = {.method = "POST",
                                              .url = to->url,
                                              .tls = to->tls,
                                              .server_name = to->server_name,
                                              .headers = headers,
                                              .header_count = ARRAY_LEN(headers) -
                                                              (to->authorization == NULL ? 1 : 0),
                                              .body = flight->body,
                                              .repeatable = true,
                                              .timeout_ms = flight->hook->options.timeout_ms};
    flight->tries++;
    flight->status = 0;
    buffer_clear(&flight->answer);
    flight->call =
        http_client_request(flight->hook->options.client->http, &options, &events, flight);
}

static void on_deadline(void *data)
{
    struct flight *flight = data;
    if (flight->call != NULL) {
        http_call_cancel(TAKE(flight->call));
    }
    flight_end(flight, -ETIMEDOUT, "context deadline exceeded");
}

static void flight_start(void *data)
{
    struct flight *flight = data;
    struct review_client *client = flight->hook->options.client;
    if (client->closed) {
        flight_free(flight);
        return;
    }
    if (client->http == NULL) {
        client->http = http_client_new(client->loop);
    }
    list_push_back(&client->flights, &flight->node);
    flight->since_ms = loop_now_ms(client->loop);
    loop_timer_start(client->loop, &flight->deadline, flight->hook->options.timeout_ms);
    try_once(flight);
}

/* --- Questions --- */

static void launch(struct review_hook *hook, const uint8_t key[X509_SHA256_SIZE], struct slice body)
{
    struct flight *flight = alloc_zeroed(sizeof(*flight));
    uint8_t *copy = alloc_bytes(body.len + 1);
    memcpy(copy, body.data, body.len);
    flight->hook = review_hook_ref(hook);
    memcpy(flight->key, key, sizeof(flight->key));
    flight->body = slice_of(copy, body.len);
    flight->wait_ms = BACKOFF_MS;
    flight->deadline = (struct loop_timer){.fire = on_deadline, .data = flight};
    flight->again = (struct loop_timer){.fire = try_again, .data = flight};
    list_init(&flight->node);
    buffer_init(&flight->answer, REVIEW_ANSWER_MAX);
    loop_post(hook->options.client->loop, flight_start, flight);
}

/* Under the lock. What is known by now, and fresh enough; or what is being asked; or NULL. */
static struct entry *find(struct review_hook *hook, const uint8_t key[X509_SHA256_SIZE],
                          uint64_t now_ms)
{
    struct entry *entry = hash_map_get(hook->entries, slice_of(key, X509_SHA256_SIZE));
    if (entry != NULL && entry->known && entry->until_ms <= now_ms) {
        entry_drop(hook, entry);
        return NULL;
    }
    return entry;
}

bool review_hook_ask(struct review_hook *hook, struct review_question *question)
{
    uint8_t key[X509_SHA256_SIZE];
    x509_sha256(question->body, key);
    list_init(&question->node);
    question->error = 0;
    pthread_mutex_lock(&hook->lock);
    struct entry *entry = find(hook, key, loop_now_ms(question->home));
    bool known = entry != NULL && entry->known;
    bool asks = entry == NULL && hook->flight_count < REVIEWS_UNDER_WAY_MAX;
    bool waits = (asks || (entry != NULL && !known)) && hook->waiting_count < REVIEWS_WAITING_MAX;
    if (known) {
        question->answer = arena_slice(question->arena, slice_of(entry->answer, entry->len));
    } else if (!waits) {
        question->error = -EBUSY;
        question->message = "too many questions to the webhook are under way";
    } else {
        entry = entry == NULL ? entry_new(hook, key) : entry;
        list_push_back(&entry->waiting, &question->node);
        hook->waiting_count++;
        hook->flight_count += asks;
    }
    pthread_mutex_unlock(&hook->lock);
    if (waits && asks) {
        launch(hook, key, question->body);
    }
    return !waits;
}

/* --- The client --- */

struct review_client *review_client_new(struct loop *io_loop)
{
    struct review_client *client = alloc_zeroed(sizeof(*client));
    client->loop = io_loop;
    list_init(&client->flights);
    return client;
}

void review_client_close(struct review_client *client)
{
    client->closed = true;
    while (!list_empty(&client->flights)) {
        struct flight *flight = LIST_ENTRY(list_first(&client->flights), struct flight, node);
        if (flight->call != NULL) {
            http_call_cancel(TAKE(flight->call));
        }
        flight_free(flight);
    }
    if (client->http != NULL) {
        http_client_close(client->http);
        client->http = NULL;
    }
}

void review_client_free(struct review_client *client)
{
    if (client == NULL) {
        return;
    }
    review_client_close(client);
    free(client);
}
