/* Filling the mirror by a list in pages as of one revision, and following etcd with one watch from
 * there on. */
#include "store/remote/remote_private.h"

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include <assert.h>
#include <stdlib.h>

static void list_page(struct remote_store *remote);
static void watch_open(struct remote_store *remote);

/* --- The list. */

static void list_begin(struct remote_store *remote, int64_t revision)
{
    struct follow *follow = &remote->follow;
    remote->link.state = LINK_LISTING;
    follow->list_revision = revision;
    buffer_clear(&follow->next_key);
    mirror_list_begin(remote->mirror, revision);
    list_page(remote);
}

static void list_end(struct remote_store *remote)
{
    mirror_list_end(remote->mirror);
    if (remote->metrics.lists != NULL) {
        metric_add(remote->metrics.lists, 1);
    }
    remote->follow.relist = false;
    watch_open(remote);
}

static void list_take(struct remote_store *remote, const Etcdserverpb__RangeResponse *message)
{
    struct follow *follow = &remote->follow;
    for (size_t i = 0; i < message->n_kvs; i++) {
        struct mirror_entry entry = remote_entry(message->kvs[i]);
        if (mirror_list_add(remote->mirror, &entry) != 0) {
            link_lost(remote, "its list of keys is not one, or has too many keys");
            return;
        }
    }
    if (!message->more || message->n_kvs == 0) {
        list_end(remote);
        return;
    }
    buffer_clear(&follow->next_key); /* The least key after the last. */
    buffer_append_slice(&follow->next_key, remote_slice(message->kvs[message->n_kvs - 1]->key));
    buffer_append_byte(&follow->next_key, 0);
    list_page(remote);
}

static void list_failed(struct remote_store *remote, const struct grpc_status *status)
{
    struct follow *follow = &remote->follow;
    bool history = follow->list_revision < follow->current;
    if (history && store_status_of_text(status->message) == STORE_COMPACTED) {
        list_begin(remote, follow->current); /* That far back it does not remember. */
    } else if (status->code == GRPC_RESOURCE_EXHAUSTED && follow->page_keys > 1) {
        follow->page_keys = follow->page_keys / 8 + 1 < follow->page_keys / 2
                                ? follow->page_keys / 8 + 1
                                : 1; /* Large values: smaller pages. */
        list_page(remote);
    } else {
        link_lost(remote, status->message);
    }
}

static void listed(void *data, const struct grpc_status *status, struct slice response)
{
    struct remote_store *remote = data;
    if (remote->link.state != LINK_LISTING) {
        return;
    }
    if (status->code != GRPC_OK) {
        list_failed(remote, status);
        return;
    }
    CLEANUP(arena_freep) struct arena *arena = arena_new(4 * (size_t)REMOTE_MESSAGE_MAX);
    const Etcdserverpb__RangeResponse *message =
        remote_unpack(&etcdserverpb__range_response__descriptor, arena, response);
    if (message == NULL) {
        link_lost(remote, "answers that are not etcd's");
        return;
    }
    list_take(remote, message);
}

static void list_page(struct remote_store *remote)
{
    struct follow *follow = &remote->follow;
    Etcdserverpb__RangeRequest request = ETCDSERVERPB__RANGE_REQUEST__INIT;
    CLEANUP(buffer_release) struct buffer start;
    CLEANUP(buffer_release) struct buffer end;
    buffer_init(&start, REMOTE_KEY_MAX);
    buffer_init(&end, REMOTE_KEY_MAX);
    remote_keys_range(&remote->keys, &start, &end);
    bool first = follow->next_key.len == 0;
    request.key = remote_bytes(buffer_slice(first ? &start : &follow->next_key));
    request.range_end = remote_bytes(buffer_slice(&end));
    request.revision = follow->list_revision;
    request.limit = follow->page_keys;
    (void)remote_request(remote, "/etcdserverpb.KV/Range", &request.base, REMOTE_PAGE_MS, listed,
                         remote);
}

void follow_start(struct remote_store *remote, int64_t current)
{
    struct follow *follow = &remote->follow;
    follow->current = current;
    if (!mirror_is_filled(remote->mirror)) {
        bool far = current > REMOTE_HISTORY_REVISIONS;
        list_begin(remote, far ? current - REMOTE_HISTORY_REVISIONS : 1);
    } else if (follow->relist) {
        list_begin(remote, current);
    } else {
        watch_open(remote);
    }
}

/* --- The watch. */

static void become_ready(struct mirror_waiter *waiter)
{
    struct remote_store *remote = CONTAINER_OF(waiter, struct remote_store, follow.ready);
    remote->follow.ready_told = true;
    leader_ready(remote);
    if (remote->config.on_ready != NULL) {
        remote->config.on_ready(remote->config.data);
    }
}

static void watch_created(struct remote_store *remote, int64_t watch_id)
{
    struct follow *follow = &remote->follow;
    follow->watch_id = watch_id;
    link_is_up(remote);
    if (follow->ready_told || list_linked(&follow->ready.node)) {
        return;
    }
    follow->ready.revision = follow->current;
    follow->ready.reached = become_ready;
    if (mirror_wait(remote->mirror, &follow->ready)) {
        follow_advance(remote, follow->current);
    } else {
        become_ready(&follow->ready);
    }
}

static void watch_canceled(struct remote_store *remote, const Etcdserverpb__WatchResponse *message)
{
    if (message->compact_revision > 0) {
        remote->follow.relist = true;
        link_lost(remote, "history was compacted before it was seen; listing again");
    } else {
        link_lost(remote, message->cancel_reason[0] != '\0' ? message->cancel_reason
                                                            : "the watch was cancelled");
    }
}

static int take_events(struct remote_store *remote, const Etcdserverpb__WatchResponse *message)
{
    int status = 0;
    for (size_t i = 0; i < message->n_events && status == 0; i++) {
        const Mvccpb__Event *event = message->events[i];
        if (event->kv == NULL) {
            return STORE_MALFORMED;
        }
        struct mirror_entry entry = remote_entry(event->kv);
        if (event->type == MVCCPB__EVENT__EVENT_TYPE__DELETE) {
            entry.version = 0;
        }
        status = mirror_event(remote->mirror, &entry);
    }
    return status != 0 || message->fragment ? status : mirror_batch_end(remote->mirror);
}

static void on_watch_answer(struct remote_store *remote, const Etcdserverpb__WatchResponse *message)
{
    struct follow *follow = &remote->follow;
    if (message->canceled) {
        watch_canceled(remote, message);
    } else if (message->created) {
        watch_created(remote, message->watch_id);
    } else if (message->n_events > 0) {
        if (take_events(remote, message) != 0) {
            follow->relist = true;
            link_lost(remote, "a change does not follow from those before it; listing again");
        }
    } else if (message->header != NULL &&
               (message->watch_id == follow->watch_id || remote->link.ordered_progress)) {
        mirror_progress(remote->mirror, message->header->revision);
    }
    if (remote->metrics.revision != NULL) {
        metric_set(remote->metrics.revision, mirror_revision(remote->mirror));
        metric_set(remote->metrics.keys, (int64_t)mirror_key_count(remote->mirror));
    }
}

static void on_watch_message(void *data, struct slice bytes)
{
    struct remote_store *remote = data;
    if (remote->link.state != LINK_WATCHING && remote->link.state != LINK_UP) {
        return;
    }
    arena_reset(remote->follow.arena);
    const Etcdserverpb__WatchResponse *message =
        remote_unpack(&etcdserverpb__watch_response__descriptor, remote->follow.arena, bytes);
    if (message == NULL) {
        link_lost(remote, "answers that are not etcd's");
        return;
    }
    on_watch_answer(remote, message);
}

static void on_watch_end(void *data, const struct grpc_status *status)
{
    struct remote_store *remote = data;
    remote->follow.watch = NULL;
    mirror_batch_drop(remote->mirror);
    link_lost(remote, status->message[0] != '\0' ? status->message : grpc_code_name(status->code));
}

static const struct grpc_stream_events watch_events = {.on_message = on_watch_message,
                                                       .on_end = on_watch_end};

static void watch_open(struct remote_store *remote)
{
    CLEANUP(buffer_release) struct buffer start;
    CLEANUP(buffer_release) struct buffer end;
    buffer_init(&start, REMOTE_KEY_MAX);
    buffer_init(&end, REMOTE_KEY_MAX);
    remote_keys_range(&remote->keys, &start, &end);
    Etcdserverpb__WatchCreateRequest create = ETCDSERVERPB__WATCH_CREATE_REQUEST__INIT;
    create.key = remote_bytes(buffer_slice(&start));
    create.range_end = remote_bytes(buffer_slice(&end));
    create.start_revision = mirror_revision(remote->mirror) + 1;
    create.progress_notify = true;
    create.fragment = true;
    Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
    request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST;
    request.create_request = &create;
    remote->link.state = LINK_WATCHING;
    remote->follow.watch = remote_stream(remote, "/etcdserverpb.Watch/Watch", &watch_events);
    remote_send(remote->follow.watch, &request.base);
}

/* --- Getting on when nothing under the prefix changes. */

static void tick_written(void *data, const struct grpc_status *status, struct slice response)
{
    struct remote_store *remote = data;
    struct follow *follow = &remote->follow;
    (void)status; /* Failed: asked again, as long as somebody waits. */
    (void)response;
    follow->ticking = false;
    if (follow->wanted > mirror_revision(remote->mirror)) { /* By somebody who came meanwhile. */
        env_timer_start(remote->env, &follow->advance, REMOTE_ADVANCE_GRACE_MS * NS_PER_MS);
    }
}

/* A change of our own: its event comes after all that came before it. */
static void write_tick(struct remote_store *remote)
{
    Etcdserverpb__PutRequest request = ETCDSERVERPB__PUT_REQUEST__INIT;
    CLEANUP(buffer_release) struct buffer key;
    buffer_init(&key, REMOTE_KEY_MAX);
    buffer_append_slice(&key, remote->keys.prefix);
    buffer_append_text(&key, "/coracle/tick");
    request.key = remote_bytes(buffer_slice(&key));
    remote->follow.ticking = true;
    if (remote->metrics.ticks != NULL) {
        metric_add(remote->metrics.ticks, 1);
    }
    (void)remote_request(remote, "/etcdserverpb.KV/Put", &request.base, REMOTE_REQUEST_MS,
                         tick_written, remote);
}

static void ask_progress(struct remote_store *remote)
{
    Etcdserverpb__WatchProgressRequest progress = ETCDSERVERPB__WATCH_PROGRESS_REQUEST__INIT;
    Etcdserverpb__WatchRequest request = ETCDSERVERPB__WATCH_REQUEST__INIT;
    request.request_union_case = ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_PROGRESS_REQUEST;
    request.progress_request = &progress;
    remote_send(remote->follow.watch, &request.base);
}

static void advance_fired(void *data)
{
    struct remote_store *remote = data;
    struct follow *follow = &remote->follow;
    follow->in_grace = false;
    if (follow->wanted <= mirror_revision(remote->mirror)) {
        return;
    }
    if (link_up(remote) && follow->watch != NULL) {
        if (remote->link.ordered_progress) {
            ask_progress(remote); /* Not answered while the watch is behind: hence again. */
        } else if (!follow->ticking) {
            write_tick(remote);
        }
    }
    env_timer_start(remote->env, &follow->advance, REMOTE_ADVANCE_AGAIN_MS * NS_PER_MS);
}

void follow_advance(struct remote_store *remote, int64_t revision)
{
    struct follow *follow = &remote->follow;
    bool news = revision > follow->wanted; /* What was asked for before may not get there. */
    if (news) {
        follow->wanted = revision;
    }
    if (follow->advance.position == 0 || (news && !follow->in_grace)) {
        follow->in_grace = true;
        env_timer_start(remote->env, &follow->advance, REMOTE_ADVANCE_GRACE_MS * NS_PER_MS);
    }
}

/* --- Life. */

void follow_init(struct remote_store *remote)
{
    struct follow *follow = &remote->follow;
    follow->page_keys = REMOTE_PAGE_KEYS;
    follow->arena = arena_new(4 * (size_t)REMOTE_MESSAGE_MAX);
    follow->advance = (struct env_timer){.fire = advance_fired, .data = remote};
    buffer_init(&follow->next_key, REMOTE_KEY_MAX);
    list_init(&follow->ready.node);
}

void follow_release(struct remote_store *remote)
{
    struct follow *follow = &remote->follow;
    assert(follow->watch == NULL); /* Ended with the connection. */
    env_timer_stop(remote->env, &follow->advance);
    list_remove(&follow->ready.node);
    buffer_release(&follow->next_key);
    arena_free(follow->arena);
}
