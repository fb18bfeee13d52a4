/* The Watch service on the store loop: watches, and answers collected until the turn ends. */
#include "store/etcd_watch.h"

#include "lib/base/alloc.h"
#include "lib/net/chunk.h"
#include "store/etcd_watch_encode.h"
#include <assert.h>
#include <stdlib.h>

/* --- Answers. */

static struct watch_outbox *open_outbox(struct watch_stream *stream)
{
    struct etcd_service *service = stream->service;
    if (!list_linked(&stream->state.dirty)) {
        list_push_back(&service->dirty_streams, &stream->state.dirty);
        loop_turn_end_start(service->store_loop, &service->flush);
        watch_outbox_open(&stream->state.outbox, stream->state.expected);
    }
    return &stream->state.outbox;
}

void watch_stream_answer(struct watch_stream *stream, int64_t watch_id,
                         Etcdserverpb__WatchResponse *response)
{
    struct etcd_header header = etcd_header_now(stream->service);
    response->watch_id = watch_id;
    struct watch_block *block = watch_block_of_answer(&header, response);
    watch_outbox_add(open_outbox(stream), block, watch_id, /* fragment= */ false);
    chunk_unref(&block->chunk);
}

static void answer_created(struct watch_stream *stream, int64_t watch_id)
{
    Etcdserverpb__WatchResponse response;
    etcdserverpb__watch_response__init(&response);
    response.created = true;
    watch_stream_answer(stream, watch_id, &response);
}

static void answer_canceled(struct watch_stream *stream, int64_t watch_id, const char *reason,
                            int64_t compact_revision)
{
    Etcdserverpb__WatchResponse response;
    CLEANUP(alloc_freep) char *text = alloc_text(reason);
    etcdserverpb__watch_response__init(&response);
    response.canceled = true;
    response.cancel_reason = text;
    response.compact_revision = compact_revision;
    watch_stream_answer(stream, watch_id, &response);
}

/* Both threads write to the count: so only at the end of the turn, and when it may be too much. */
static void count_charged(struct watch_stream *stream)
{
    (void)atomic_fetch_add(&stream->outstanding, stream->state.charged - stream->state.counted);
    stream->state.counted = stream->state.charged;
}

/* What the stream has to send, by a batch of its own. */
static struct watch_batch *take_batch(struct watch_stream *stream)
{
    struct watch_batch *batch = alloc_zeroed(sizeof(*batch));
    count_charged(stream);
    batch->stream = watch_stream_ref(stream);
    batch->charged = stream->state.charged;
    batch->outbox = stream->state.outbox;
    stream->state.charged = stream->state.counted = 0;
    stream->state.expected =
        batch->outbox.count < WATCH_EXPECTED_MAX ? batch->outbox.count : WATCH_EXPECTED_MAX;
    stream->state.outbox = (struct watch_outbox){.runs = NULL};
    return batch;
}

/* Once for each loop that connections live on. */
static void flush_loop(struct etcd_service *service, struct loop *loop)
{
    struct watch_batch *first = NULL, **end = &first;
    LIST_FOREACH(node, next, &service->dirty_streams)
    {
        struct watch_stream *stream = LIST_ENTRY(node, struct watch_stream, state.dirty);
        if (grpc_call_loop(stream->call) == loop) {
            list_remove(node);
            *end = take_batch(stream);
            end = &(*end)->next;
        }
    }
    loop_post(loop, watch_batches_send, first);
}

static void flush(void *data)
{
    struct etcd_service *service = data;
    if (service->events_sent != NULL) {
        metric_add(service->events_sent, (int64_t)service->events_made);
    }
    service->events_made = 0;
    watch_encoder_forget(service->encoder);
    struct list *node;
    while ((node = list_first(&service->dirty_streams)) != NULL) {
        flush_loop(service,
                   grpc_call_loop(LIST_ENTRY(node, struct watch_stream, state.dirty)->call));
    }
}

/* --- Flow control: a stream whose client does not keep up pauses its watches, which then catch up
 * from history. */

static void each_watch(struct watch_stream *stream, void (*act)(struct store_watch *watch))
{
    void *value;
    for (size_t at = 0; hash_map_next(stream->state.watches, &at, NULL, &value);) {
        act(((struct etcd_watch *)value)->watch);
    }
}

static void stream_resume(struct watch_stream *stream)
{
    if (atomic_exchange(&stream->paused, false) && !stream->state.gone) {
        each_watch(stream, store_watch_resume);
    }
}

static void stream_charge(struct watch_stream *stream, size_t bytes)
{
    stream->state.charged += bytes;
    size_t uncounted = stream->state.charged - stream->state.counted;
    if (atomic_load_explicit(&stream->outstanding, memory_order_relaxed) + uncounted <=
        WATCH_STREAM_HIGH_BYTES) {
        return;
    }
    count_charged(stream);
    each_watch(stream, store_watch_pause);
    atomic_store(&stream->paused, true);
    if (atomic_load(&stream->outstanding) < WATCH_STREAM_LOW_BYTES) {
        stream_resume(stream); /* All was taken before the other side could see the pause. */
    }
}

/* --- Events. */

static struct watch_block *block_of(struct etcd_watch *watch, int64_t revision,
                                    const struct store_event *events, size_t count)
{
    struct etcd_service *service = watch->stream->service;
    struct watch_block *block =
        watch_encoder_find(service->encoder, revision, events, count, watch->prev_kv);
    if (block == NULL) {
        struct etcd_header header = etcd_header_now(service);
        header.revision = revision;
        block = watch_encoder_make(service->encoder, &header, events, count, watch->prev_kv);
    }
    return block;
}

static void on_events(void *data, int64_t revision, const struct store_event *events, size_t count)
{
    struct etcd_watch *watch = data;
    struct watch_stream *stream = watch->stream;
    struct watch_outbox *outbox = open_outbox(stream);
    size_t before = outbox->bytes;
    struct watch_block *block = block_of(watch, revision, events, count);
    if (block == NULL) {
        outbox->overflowed = true;
    } else {
        watch_outbox_add(outbox, block, watch->id, watch->fragment);
    }
    watch->busy = true;
    stream->service->events_made += count;
    stream_charge(stream, outbox->bytes - before);
}

static void forget_watch(struct etcd_watch *watch)
{
    (void)hash_map_remove(watch->stream->state.watches, slice_of(&watch->id, sizeof(watch->id)));
    free(watch);
}

static void on_watch_end(void *data, int status, int64_t compact_revision)
{
    struct etcd_watch *watch = data;
    answer_canceled(watch->stream, watch->id,
                    status == STORE_COMPACTED ? "" : store_status_text(status), compact_revision);
    forget_watch(watch);
}

/* --- What clients ask for. */

static struct etcd_watch *find_watch(struct watch_stream *stream, int64_t id)
{
    return hash_map_get(stream->state.watches, slice_of(&id, sizeof(id)));
}

static void refuse(struct watch_stream *stream, const char *reason)
{
    Etcdserverpb__WatchResponse response;
    CLEANUP(alloc_freep) char *text = alloc_text(reason);
    etcdserverpb__watch_response__init(&response);
    response.created = true;
    response.canceled = true;
    response.cancel_reason = text;
    watch_stream_answer(stream, /* watch_id= */ -1, &response);
}

static int64_t choose_id(struct watch_stream *stream)
{
    while (find_watch(stream, stream->state.next_id) != NULL) {
        stream->state.next_id++;
    }
    return stream->state.next_id++;
}

static void set_filters(const Etcdserverpb__WatchCreateRequest *message,
                        struct store_watch_options *options)
{
    for (size_t i = 0; i < message->n_filters; i++) {
        options->no_put |=
            message->filters[i] == ETCDSERVERPB__WATCH_CREATE_REQUEST__FILTER_TYPE__NOPUT;
        options->no_delete |=
            message->filters[i] == ETCDSERVERPB__WATCH_CREATE_REQUEST__FILTER_TYPE__NODELETE;
    }
}

static bool is_to_the_end(struct slice end)
{
    return end.len == 1 && end.data[0] == 0;
}

/* By the very range that is going to be watched, open end included (GHSA-xg4h-6gfc-h4m8). */
static int permit(struct watch_stream *stream, const Etcdserverpb__WatchCreateRequest *message)
{
    static const uint8_t zero = 0;
    struct etcd_service *service = stream->service;
    struct slice key = etcd_slice(message->key);
    struct auth_caller caller;
    int status = etcd_caller(service, stream->call, &stream->state.identity, &caller);
    if (status != 0) {
        return status;
    }
    return caller.restricted ? STORE_PERMISSION_DENIED
                             : auth_check_range(store_auth(service->store), &caller, AUTH_READ,
                                                key.len == 0 ? slice_of(&zero, 1) : key,
                                                etcd_slice(message->range_end));
}

/* As etcd's client library expects it: the text that a failed call would have. */
static const char *refusal(int status)
{
    switch (status) {
    case STORE_INVALID_AUTH_TOKEN:
        return "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token";
    case STORE_AUTH_OLD_REVISION:
        return "rpc error: code = InvalidArgument desc = etcdserver: revision of auth store is old";
    case STORE_USER_EMPTY:
        return "rpc error: code = InvalidArgument desc = etcdserver: user name is empty";
    default:
        return "rpc error: code = PermissionDenied desc = etcdserver: permission denied";
    }
}

static void create(struct watch_stream *stream, const Etcdserverpb__WatchCreateRequest *message)
{
    static const uint8_t zero = 0;
    struct store_watch_options options = {.key = etcd_slice(message->key),
                                          .end = etcd_slice(message->range_end),
                                          .start_revision = message->start_revision,
                                          .on_events = on_events,
                                          .on_end = on_watch_end};
    if (options.key.len == 0) {
        options.key = slice_of(&zero, 1); /* As etcd: the smallest key. */
    }
    if (message->start_revision < 0) {
        refuse(stream, store_status_text(STORE_COMPACTED));
        return;
    }
    int status = permit(stream, message);
    if (status != 0) {
        refuse(stream, refusal(status));
        return;
    }
    if (options.end.len > 0 && !is_to_the_end(options.end) &&
        slice_compare(options.key, options.end) >= 0) {
        refuse(stream, "mvcc: watcher range is empty");
        return;
    }
    if (message->watch_id != 0 && find_watch(stream, message->watch_id) != NULL) {
        refuse(stream, "mvcc: duplicate watch ID provided on the WatchStream");
        return;
    }
    set_filters(message, &options);
    struct etcd_watch *watch = alloc_zeroed(sizeof(*watch));
    watch->stream = stream;
    watch->start_revision = message->start_revision;
    watch->prev_kv = message->prev_kv;
    watch->progress = message->progress_notify;
    watch->fragment = message->fragment;
    options.data = watch;
    watch->watch = store_watch(stream->service->store, &options);
    if (watch->watch == NULL) {
        free(watch);
        refuse(stream, store_status_text(STORE_TOO_MANY_REQUESTS));
        return;
    }
    watch->id = message->watch_id != 0 ? message->watch_id : choose_id(stream);
    (void)hash_map_set(stream->state.watches, slice_of(&watch->id, sizeof(watch->id)), watch);
    answer_created(stream, watch->id);
    if (atomic_load(&stream->paused)) {
        store_watch_pause(watch->watch);
    }
}

static void cancel(struct watch_stream *stream, int64_t id)
{
    struct etcd_watch *watch = find_watch(stream, id);
    if (watch == NULL) {
        return; /* As etcd: no answer. */
    }
    store_watch_cancel(watch->watch);
    forget_watch(watch);
    answer_canceled(stream, id, "", /* compact_revision= */ 0);
}

static void stream_gone(struct watch_stream *stream)
{
    void *value;
    if (stream->state.gone) {
        return;
    }
    stream->state.gone = true;
    for (size_t at = 0; hash_map_next(stream->state.watches, &at, NULL, &value);) {
        struct etcd_watch *watch = value;
        store_watch_cancel(watch->watch);
        free(watch);
    }
    hash_map_clear(stream->state.watches);
    watch_outbox_release(&stream->state.outbox);
    list_remove(&stream->state.dirty);
    list_remove(&stream->state.node);
    list_remove(&stream->state.leader.node);
    watch_stream_unref(stream); /* service->watch_streams held one. */
}

/* --- The border between the loops. */

void watch_stream_end(struct watch_stream *stream, int status)
{
    struct watch_batch *batch = alloc_zeroed(sizeof(*batch));
    batch->stream = watch_stream_ref(stream);
    batch->end_status = status;
    loop_post(grpc_call_loop(stream->call), watch_batches_send, batch);
}

static void command_caught_up(void *data, int status)
{
    (void)status; /* If it has not caught up, it says what it knows. */
    watch_command_run(data);
}

/* True when the command is put off until this member knows the token, or surely does not. */
static bool put_off(struct watch_command *command)
{
    if (command->caught_up ||
        permit(command->stream, command->message->create_request) != STORE_INVALID_AUTH_TOKEN) {
        return false;
    }
    command->caught_up = true;
    store_read_barrier(command->stream->service->store, command_caught_up, command);
    return true;
}

static void leader_lost(struct etcd_leader_want *want)
{
    watch_stream_end(CONTAINER_OF(want, struct watch_stream, state.leader), STORE_NO_LEADER);
}

/* Nothing, unless this member cannot serve it. */
static void open_answer(struct watch_stream *stream)
{
    struct etcd_service *service = stream->service;
    stream->state.leader.lost = leader_lost;
    int status = etcd_voter_status(service) == STORE_NOT_FOR_LEARNER ? STORE_NOT_FOR_LEARNER : 0;
    status = status != 0 ? status : etcd_leader_want(service, stream->call, &stream->state.leader);
    if (status != 0) {
        watch_stream_end(stream, status);
    }
}

void watch_command_run(void *command_consume)
{
    struct watch_command *command = command_consume;
    struct watch_stream *stream = command->stream;
    struct etcd_service *service = stream->service;
    if (service->store == NULL) {
        stream->state.gone = true;
    } else if (command->kind == COMMAND_OPEN) {
        stream->state.watches = hash_map_new(/* seed= */ 0x73747265616d);
        list_push_back(&service->watch_streams, &watch_stream_ref(stream)->state.node);
        open_answer(stream);
    } else if (!stream->state.gone) {
        switch (command->kind) {
        case COMMAND_CREATE:
            if (put_off(command)) {
                return;
            }
            create(stream, command->message->create_request);
            break;
        case COMMAND_CANCEL:
            cancel(stream, command->message->cancel_request->watch_id);
            break;
        case COMMAND_PROGRESS:
            watch_progress_ask(stream);
            break;
        case COMMAND_GONE:
            stream_gone(stream);
            break;
        case COMMAND_RESUME:
            stream_resume(stream);
            break;
        case COMMAND_OPEN:
            break;
        }
    }
    if (command->message != NULL) {
        etcdserverpb__watch_request__free_unpacked(command->message, NULL);
    }
    watch_stream_unref(stream);
    free(command);
}

void etcd_watch_init(struct etcd_service *service)
{
    list_init(&service->watch_streams);
    list_init(&service->dirty_streams);
    list_init(&service->flush.node);
    service->encoder = alloc_zeroed(sizeof(*service->encoder));
    watch_encoder_init(service->encoder);
    service->flush.run = flush;
    service->flush.data = service;
    watch_progress_init(service);
}

void etcd_watch_release(struct etcd_service *service)
{
    LIST_FOREACH(node, next, &service->watch_streams)
    {
        stream_gone(LIST_ENTRY(node, struct watch_stream, state.node));
    }
    watch_progress_stop(service);
    loop_turn_end_stop(&service->flush);
    watch_encoder_release(service->encoder);
    free(service->encoder);
    service->encoder = NULL;
}
