#include "lib/client/reconciler.h"

#include "lib/base/alloc.h"
#include "lib/client/limits.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reconciler {
    struct reconciler_config config;
    struct work_queue *queue;
    uint32_t running; /* Rounds under way. */
    bool closing;
    bool pumping; /* reconciler_ready() is on the stack. */
    void (*closed)(void *data);
    void *closed_data;
};

/* The round as this module keeps it. */
struct running_round {
    struct round round;
    struct held_object *held;
    uint32_t pending; /* API calls not answered, plus one while `reconcile` runs. */
    uint32_t calls;
    bool failed;
    bool again;
    uint64_t again_ns;
};

struct held_object {
    struct held_object *next;
    const struct client_object *object; /* A reference. */
};

struct pending_call {
    struct running_round *round;
    struct client_request request; /* Shallow: only verb is read afterwards. */
    round_done *done;
    void *data;
};

static void reconciler_ready(void *data);

struct reconciler *reconciler_new(const struct reconciler_config *config)
{
    struct reconciler *reconciler = alloc_zeroed(sizeof(*reconciler));
    reconciler->config = *config;
    if (reconciler->config.concurrency == 0) {
        reconciler->config.concurrency = 1;
    }
    reconciler->queue = work_queue_new(config->env, reconciler_ready, reconciler);
    return reconciler;
}

static void reconciler_finish(struct reconciler *reconciler)
{
    if (!reconciler->closing || reconciler->running > 0 || reconciler->pumping) {
        return;
    }
    void (*closed)(void *data) = reconciler->closed;
    void *data = reconciler->closed_data;
    work_queue_free(reconciler->queue);
    free(reconciler);
    closed(data);
}

void reconciler_close(struct reconciler *reconciler, void (*closed)(void *data), void *data)
{
    assert(!reconciler->closing);
    reconciler->closing = true;
    reconciler->closed = closed;
    reconciler->closed_data = data;
    work_queue_drop(reconciler->queue);
    reconciler_finish(reconciler);
}

struct work_queue *reconciler_queue(struct reconciler *reconciler)
{
    return reconciler->queue;
}

void reconciler_add(struct reconciler *reconciler, const char *key)
{
    if (!reconciler->closing) {
        work_queue_add(reconciler->queue, key);
    }
}

void reconciler_add_name(struct reconciler *reconciler, const char *namespace_, const char *name)
{
    char key[512];
    if (namespace_ == NULL || namespace_[0] == '\0') {
        reconciler_add(reconciler, name);
        return;
    }
    int len = snprintf(key, sizeof(key), "%s/%s", namespace_, name);
    if (len > 0 && (size_t)len < sizeof(key)) {
        reconciler_add(reconciler, key);
    }
}

void reconciler_add_object(struct reconciler *reconciler, const struct client_object *object)
{
    reconciler_add_name(reconciler, client_object_namespace(object), client_object_name(object));
}

static struct running_round *running(const struct round *round)
{
    return CONTAINER_OF((uintptr_t)round, struct running_round, round);
}

static void let_go(struct held_object *held)
{
    while (held != NULL) {
        struct held_object *next = held->next;
        client_object_unref(held->object);
        free(held);
        held = next;
    }
}

static void round_end(struct running_round *round)
{
    struct reconciler *reconciler = round->round.reconciler;
    struct work_queue *queue = reconciler->queue;
    const char *key = round->round.key;
    if (!reconciler->closing) {
        if (round->failed) {
            work_queue_add_rate_limited(queue, key);
        } else {
            work_queue_forget(queue, key);
        }
        if (round->again) {
            work_queue_add_after(queue, key, round->again_ns);
        }
    }
    work_queue_done(queue, key);
    let_go(round->held);
    arena_free(round->round.arena);
    free(round);
    reconciler->running--;
    if (reconciler->closing) {
        reconciler_finish(reconciler);
    } else {
        reconciler_ready(reconciler);
    }
}

static void round_release(struct running_round *round)
{
    assert(round->pending > 0);
    if (--round->pending == 0) {
        round_end(round);
    }
}

static void round_start(struct reconciler *reconciler, const char *key)
{
    struct running_round *round = alloc_zeroed(sizeof(*round));
    struct arena *arena = arena_new(CLIENT_ROUND_ARENA_MAX);
    const char *slash = strchr(key, '/');
    round->round = (struct round){
        .arena = arena,
        .key = key,
        .namespace_ = slash == NULL ? "" : arena_text_n(arena, key, (size_t)(slash - key)),
        .name = slash == NULL ? key : slash + 1,
        .reconciler = reconciler,
    };
    round->pending = 1;
    reconciler->running++;
    reconciler->config.reconcile(reconciler->config.data, &round->round);
    round_release(round);
}

/* A round that ends at once comes back here through round_end(); the loop below then goes on, so
 * the stack does not grow with the queue. */
static void reconciler_ready(void *data)
{
    struct reconciler *reconciler = data;
    if (reconciler->pumping) {
        return;
    }
    reconciler->pumping = true;
    uint32_t begun = 0;
    while (!reconciler->closing && reconciler->running < reconciler->config.concurrency) {
        if (begun++ == CLIENT_ROUNDS_AT_ONCE) {
            work_queue_wake(reconciler->queue); /* A long queue does not hold the loop. */
            break;
        }
        const char *key = work_queue_take(reconciler->queue);
        if (key == NULL) {
            break;
        }
        round_start(reconciler, key);
    }
    reconciler->pumping = false;
    reconciler_finish(reconciler);
}

static void call_done(void *data, const struct client_reply *reply)
{
    struct pending_call *call = data;
    struct running_round *round = call->round;
    if (call->done == NULL) {
        (void)round_check(&round->round, &call->request, reply); /* Failure is kept in the round. */
    } else {
        call->done(&round->round, reply, call->data);
    }
    free(call);
    round_release(round);
}

void round_call(struct round *public_round, const struct client_request *request, round_done *done,
                void *data)
{
    struct running_round *round = running(public_round);
    assert(round->pending > 0);
    if (round->calls++ >= CLIENT_ROUND_CALLS_MAX) {
        round_fail(public_round, "too many calls in one round");
        return;
    }
    struct pending_call *call = alloc_zeroed(sizeof(*call));
    *call = (struct pending_call){
        .round = round, .request = {.verb = request->verb}, .done = done, .data = data};
    round->pending++;
    const struct reconciler_config *config = &public_round->reconciler->config;
    struct client_request sent = *request;
    sent.as = request->as == NULL ? config->as : request->as;
    client_call(config->client, &sent, call_done, call);
}

void round_hold(struct round *public_round, const struct client_object *object)
{
    struct running_round *round = running(public_round);
    struct held_object *held = alloc_zeroed(sizeof(*held));
    *held = (struct held_object){.next = round->held, .object = client_object_ref(object)};
    round->held = held;
}

bool round_check(struct round *round, const struct client_request *request,
                 const struct client_reply *reply)
{
    if (client_succeeded(reply)) {
        return true;
    }
    if (request->verb == CLIENT_DELETE && client_not_found(reply)) {
        return true;
    }
    round_fail(round, reply->message);
    return false;
}

void round_fail(struct round *public_round, const char *why)
{
    struct running_round *round = running(public_round);
    const struct reconciler_config *config = &public_round->reconciler->config;
    if (!round->failed && config->failed != NULL && !public_round->reconciler->closing) {
        config->failed(config->failed_data, config->name, public_round->key, why);
    }
    round->failed = true;
}

void round_again_after(struct round *public_round, uint64_t delay_ns)
{
    struct running_round *round = running(public_round);
    if (!round->again || delay_ns < round->again_ns) {
        round->again = true;
        round->again_ns = delay_ns;
    }
}

bool round_failed(const struct round *round)
{
    return running(round)->failed;
}

bool round_stopping(const struct round *round)
{
    return round->reconciler->closing;
}
