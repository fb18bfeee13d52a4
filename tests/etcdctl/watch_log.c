#include "tests/etcdctl/watch_log.h"

#include "lib/base/alloc.h"
#include "tests/etcdctl/differential.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    IDS_MAX = 16 * 1024,
    TEXT_MAX = 64 * 1024 * 1024,
    AGREE_MS = 60 * 1000,
    /* etcd looks after watches that begin in the past every 100 ms. So many short waits take as
     * much longer as the machine keeps us waiting, and so etcd. */
    CATCH_UP_WAITS = 25,
    CATCH_UP_MS = 10,
};

struct watch_side {
    struct watch_log *log;
    struct grpc_stream *stream;       /* NULL once it is over. */
    size_t created, progress;         /* Answers. */
    bool open[IDS_MAX];               /* By watch id: created, and not canceled. */
    struct buffer texts[IDS_MAX + 1]; /* By watch id + 1: -1 is for refused ones. */
};

struct watch_log {
    struct loop *loop;
    struct watch_side sides[WATCH_SIDES];
    size_t creates, progresses; /* Asked for. */
    size_t ids;                 /* Texts in use. */
    bool over[IDS_MAX];         /* Ended by compaction. */
    int64_t cancelling;         /* The watch that both are asked to cancel; -1: none. */
    bool past;                  /* A watch began in the past since both were known to be quiet. */
    struct loop_timer timer;
    bool timed_out;
};

/* --- What a server says. */

static void event_text(const Mvccpb__Event *event, struct buffer *out)
{
    message_text(&event->base, out);
    buffer_append_byte(out, '\n');
}

static void log_answer(struct watch_side *side, const Etcdserverpb__WatchResponse *answer)
{
    bool refused = answer->created && answer->canceled; /* etcd 3.4 names the id asked for. */
    int64_t id = refused ? -1 : answer->watch_id;
    side->created += answer->created ? 1 : 0;
    if (id < 0 && !refused) {
        side->progress++;
        return;
    }
    if (id >= IDS_MAX) {
        printf("watch id %" PRId64 ": too many\n", id);
        return;
    }
    struct buffer *out = &side->texts[id + 1];
    side->log->ids = side->log->ids > (size_t)id + 2 ? side->log->ids : (size_t)id + 2;
    if (id >= 0) {
        side->open[id] = (side->open[id] || answer->created) && !answer->canceled;
    }
    if (answer->created) {
        buffer_append_text(out, "created\n");
    }
    for (size_t i = 0; i < answer->n_events; i++) {
        event_text(answer->events[i], out);
    }
    if (answer->canceled) {
        side->log->over[id < 0 ? 0 : id] |= id >= 0 && answer->compact_revision != 0;
        buffer_printf(out, "canceled, compacted %" PRId64 ": %s\n", answer->compact_revision,
                      answer->cancel_reason);
    }
}

static void on_message(void *data, struct slice bytes)
{
    struct watch_side *side = data;
    Etcdserverpb__WatchResponse *answer =
        etcdserverpb__watch_response__unpack(NULL, bytes.len, bytes.data);
    if (answer != NULL) {
        log_answer(side, answer);
        etcdserverpb__watch_response__free_unpacked(answer, NULL);
    }
}

static void on_end(void *data, const struct grpc_status *status)
{
    struct watch_side *side = data;
    side->stream = NULL;
    side->log->ids = side->log->ids > 0 ? side->log->ids : 1;
    buffer_printf(&side->texts[0], "stream over: %d %s\n", (int)status->code, status->message);
}

/* --- Waiting. */

static bool is_answered(const struct watch_log *log)
{
    for (size_t i = 0; i < WATCH_SIDES; i++) {
        const struct watch_side *side = &log->sides[i];
        if (side->stream != NULL &&
            (side->created < log->creates || side->progress < log->progresses ||
             (log->cancelling >= 0 && side->open[log->cancelling]))) {
            return false;
        }
    }
    return true;
}

static bool is_alike(const struct watch_log *log)
{
    bool alike = is_answered(log);
    for (size_t i = 0; i < log->ids && alike; i++) {
        alike = slice_equal(buffer_slice(&log->sides[0].texts[i]),
                            buffer_slice(&log->sides[1].texts[i]));
    }
    return alike;
}

static void print_difference(const struct watch_log *log)
{
    for (size_t i = 0; i < log->ids; i++) {
        const struct buffer *first = &log->sides[0].texts[i];
        const struct buffer *second = &log->sides[1].texts[i];
        if (!slice_equal(buffer_slice(first), buffer_slice(second))) {
            printf("watch %zd\nfirst:\n%.*ssecond:\n%.*s", (ssize_t)i - 1, (int)first->len,
                   (const char *)first->data, (int)second->len, (const char *)second->data);
        }
    }
    for (size_t i = 0; i < WATCH_SIDES; i++) {
        printf("side %zu answered %zu of %zu creates, %zu of %zu progress requests\n", i + 1,
               log->sides[i].created, log->creates, log->sides[i].progress, log->progresses);
    }
}

static void on_timer(void *data)
{
    struct watch_log *log = data;
    log->timed_out = true;
}

/* False when the time is over first. `until` may be NULL. */
static bool wait_for(struct watch_log *log, bool (*until)(const struct watch_log *log),
                     uint64_t timeout_ms)
{
    log->timed_out = false;
    loop_timer_start(log->loop, &log->timer, timeout_ms);
    while (!log->timed_out && (until == NULL || !until(log))) {
        loop_turn(log->loop, /* wait= */ true);
    }
    loop_timer_stop(log->loop, &log->timer);
    return until != NULL && until(log);
}

static bool agree(struct watch_log *log, bool (*until)(const struct watch_log *log))
{
    bool agreed = wait_for(log, until, AGREE_MS);
    if (!agreed) {
        print_difference(log);
    }
    return agreed;
}

bool watch_log_settle(struct watch_log *log)
{
    if (log->past) {
        log->past = false;
        for (int i = 0; i < CATCH_UP_WAITS; i++) {
            (void)wait_for(log, NULL, CATCH_UP_MS);
        }
    }
    if (!agree(log, is_alike)) {
        return false;
    }
    for (size_t i = 0; i < log->ids; i++) {
        buffer_clear(&log->sides[0].texts[i]);
        buffer_clear(&log->sides[1].texts[i]);
    }
    return true;
}

/* --- Asking. */

/* etcd keeps the id of a watch that compaction ended in use, and cancels it once more when asked
 * to; here it is free. */
static bool is_over(const struct watch_log *log, int64_t id)
{
    return id >= 0 && id < IDS_MAX && log->over[id];
}

static bool is_about_one_that_is_over(const struct watch_log *log,
                                      const Etcdserverpb__WatchRequest *request)
{
    switch ((int)request->request_union_case) {
    case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST:
        return request->create_request->watch_id != 0 &&
               is_over(log, request->create_request->watch_id);
    case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CANCEL_REQUEST:
        return is_over(log, request->cancel_request->watch_id);
    default:
        return false;
    }
}

/* Of what no side has open there is no answer. */
static bool is_open(const struct watch_log *log, int64_t id)
{
    return id >= 0 && id < IDS_MAX && (log->sides[0].open[id] || log->sides[1].open[id]);
}

bool watch_log_send(struct watch_log *log, const Etcdserverpb__WatchRequest *request)
{
    uint8_t bytes[1024];
    size_t len = etcdserverpb__watch_request__get_packed_size(request);
    if (len > sizeof(bytes)) {
        return false;
    }
    if (is_about_one_that_is_over(log, request)) {
        return true;
    }
    switch ((int)request->request_union_case) {
    case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_CREATE_REQUEST:
        log->creates++;
        log->past = log->past || request->create_request->start_revision != 0;
        break;
    case ETCDSERVERPB__WATCH_REQUEST__REQUEST_UNION_PROGRESS_REQUEST:
        log->progresses++;
        break;
    default: /* What is on its way to a watch that is cancelled may come or not, as may what is
              * written before it is. */
        if (!watch_log_settle(log)) {
            return false;
        }
        if (is_open(log, request->cancel_request->watch_id)) {
            log->cancelling = request->cancel_request->watch_id;
        }
    }
    (void)etcdserverpb__watch_request__pack(request, bytes);
    for (size_t i = 0; i < WATCH_SIDES; i++) {
        if (log->sides[i].stream != NULL) {
            (void)grpc_stream_send(log->sides[i].stream, slice_of(bytes, len));
        }
    }
    bool answered = agree(log, is_answered);
    log->cancelling = -1;
    return answered;
}

/* --- Life. */

struct watch_log *watch_log_new(struct loop *loop, struct grpc_channel *channels[WATCH_SIDES],
                                const char *const tokens[WATCH_SIDES])
{
    static const struct grpc_stream_events events = {.on_message = on_message, .on_end = on_end};
    struct watch_log *log = alloc_zeroed(sizeof(*log));
    log->loop = loop;
    log->cancelling = -1;
    log->timer = (struct loop_timer){.fire = on_timer, .data = log};
    for (size_t i = 0; i < WATCH_SIDES; i++) {
        struct watch_side *side = &log->sides[i];
        side->log = log;
        for (size_t id = 0; id <= IDS_MAX; id++) {
            buffer_init(&side->texts[id], TEXT_MAX);
        }
        struct http_header token = http_header("token", tokens == NULL ? "" : tokens[i]);
        const struct grpc_call_options options = {.path = "/etcdserverpb.Watch/Watch",
                                                  .metadata = &token,
                                                  .metadata_count = tokens != NULL};
        side->stream = grpc_stream_open(channels[i], &options, &events, side);
    }
    return log;
}

void watch_log_free(struct watch_log *log)
{
    if (log == NULL) {
        return;
    }
    for (size_t i = 0; i < WATCH_SIDES; i++) {
        if (log->sides[i].stream != NULL) {
            grpc_stream_cancel(log->sides[i].stream);
        }
        for (size_t id = 0; id <= IDS_MAX; id++) {
            buffer_release(&log->sides[i].texts[id]);
        }
    }
    free(log);
}
