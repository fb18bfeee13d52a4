/* differential ADDRESS ADDRESS SEED STEPS: sends the same requests, chosen by the seed, to two
 * servers of the etcd v3 API and compares what they answer, field by field, and what their watches
 * tell; ids and terms aside. A quarter as many steps follow with users required. At the first
 * difference it prints the request and both answers and exits with 1. An etcd is named second, and
 * by the address of its leader. */
#include "tests/etcdctl/differential.h"

#include "lib/base/alloc.h"
#include "lib/base/error.h"
#include "lib/net/grpc.h"
#include "lib/net/loop.h"
#include "tests/etcdctl/stream_log.h"
#include "tests/etcdctl/watch_log.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIDES = WATCH_SIDES,
    SECOND = 1,
    TIMEOUT_MS = 20 * 1000,
    ANSWER_MAX = 16 * 1024 * 1024,
    SILENCES_MAX = 3
};

struct side {
    struct run *run;
    struct grpc_channel *channel;
    struct grpc_stream *keepalive; /* NULL until it is needed, and once it is over. */
    char *tokens[ASKERS];          /* NULL: none. */
    enum grpc_code code;
    char message[512];
    struct buffer answer;
    struct stream_log streamed;
    bool is_snapshot;
};

struct run {
    struct loop *loop;
    struct side sides[SIDES];
    size_t waiting;
    struct watch_log *watches;
    struct chooser chooser;
    uint64_t step, refused;
};

/* --- Asking both. */

static void answered(struct side *side, enum grpc_code code, const char *message,
                     struct slice response)
{
    side->code = code;
    (void)snprintf(side->message, sizeof(side->message), "%s", message);
    buffer_clear(&side->answer);
    buffer_append_slice(&side->answer, response);
    assert(side->run->waiting > 0);
    side->run->waiting--;
}

static void on_done(void *data, const struct grpc_status *status, struct slice response)
{
    answered(data, status->code, status->message, response);
}

static void on_kept(void *data, struct slice response)
{
    answered(data, GRPC_OK, "", response);
}

static void on_keeping_end(void *data, const struct grpc_status *status)
{
    struct side *side = data;
    side->keepalive = NULL;
    if (side->run->waiting > 0) { /* Else the server is gone: the next question will tell. */
        answered(side, status->code, status->message, slice_of(NULL, 0));
    }
}

static void on_streamed(void *data, struct slice response)
{
    struct side *side = data;
    stream_log_add(&side->streamed, response, side->is_snapshot);
}

static void on_stream_end(void *data, const struct grpc_status *status)
{
    answered(data, status->code, status->message, slice_of(NULL, 0));
}

static void ask_on_stream(struct side *side, const struct grpc_call_options *options,
                          struct slice bytes)
{
    static const struct grpc_stream_events events = {.on_message = on_streamed,
                                                     .on_end = on_stream_end};
    stream_log_begin(&side->streamed);
    side->is_snapshot = strcmp(options->path, "/etcdserverpb.Maintenance/Snapshot") == 0;
    struct grpc_stream *stream = grpc_stream_open(side->channel, options, &events, side);
    (void)grpc_stream_send(stream, bytes);
    grpc_stream_close_send(stream);
}

static void ask_side(struct side *side, const struct question *question, struct slice bytes)
{
    static const struct grpc_stream_events events = {.on_message = on_kept,
                                                     .on_end = on_keeping_end};
    const char *token = side->tokens[question->asker];
    struct http_header metadata = http_header("token", token == NULL ? "" : token);
    const struct grpc_call_options options = {
        .path = question->path,
        .metadata = &metadata,
        .metadata_count = token != NULL,
        .timeout_ms = question->kind == QUESTION_KEEPALIVE ? 0 : TIMEOUT_MS};
    if (question->kind == QUESTION_UNARY) {
        (void)grpc_unary(side->channel, &options, bytes, on_done, side);
        return;
    }
    if (question->kind == QUESTION_STREAM) {
        ask_on_stream(side, &options, bytes);
        return;
    }
    if (side->keepalive == NULL) {
        side->keepalive = grpc_stream_open(side->channel, &options, &events, side);
    }
    (void)grpc_stream_send(side->keepalive, bytes);
}

/* etcd proposes a change of members while its Raft has not been told that the one before was
 * applied; Raft then puts an empty entry in its place, and who asked waits until the time is up. */
static bool lost_in_etcd(const struct question *question, const struct side *side)
{
    return strncmp(question->path, "/etcdserverpb.Cluster/", 22) == 0 &&
           side->code == GRPC_DEADLINE_EXCEEDED;
}

static void wait_for_answers(struct run *run)
{
    while (run->waiting > 0) {
        loop_turn(run->loop, /* wait= */ true);
    }
}

static void ask(struct run *run, const struct question *question)
{
    size_t len = protobuf_c_message_get_packed_size(question->message);
    uint8_t *bytes = alloc_bytes(len + 1);
    (void)protobuf_c_message_pack(question->message, bytes);
    run->waiting = SIDES;
    for (size_t i = 0; i < SIDES; i++) {
        ask_side(&run->sides[i], question, slice_of(bytes, len));
    }
    wait_for_answers(run);
    for (int lost = 0; lost < SILENCES_MAX && lost_in_etcd(question, &run->sides[SECOND]); lost++) {
        run->waiting = 1;
        ask_side(&run->sides[SECOND], question, slice_of(bytes, len));
        wait_for_answers(run);
    }
    free(bytes);
}

/* --- Comparing. */

static int by_bytes(const void *first, const void *second)
{
    const ProtobufCBinaryData *a = first;
    const ProtobufCBinaryData *b = second;
    return slice_compare(slice_of(a->data, a->len), slice_of(b->data, b->len));
}

static int by_range(const void *first, const void *second)
{
    const Authpb__Permission *const *a = first;
    const Authpb__Permission *const *b = second;
    int order = by_bytes(&(*a)->key, &(*b)->key);
    return order != 0 ? order : by_bytes(&(*a)->range_end, &(*b)->range_end);
}

/* What may differ between two clusters is set alike. */
static void normalize(ProtobufCMessage *message)
{
    if (message->descriptor == &etcdserverpb__response_header__descriptor) {
        Etcdserverpb__ResponseHeader *header = (Etcdserverpb__ResponseHeader *)message;
        header->cluster_id = 0;
        header->member_id = 0;
        header->raft_term = 0;
    } else if (message->descriptor == &etcdserverpb__authenticate_response__descriptor) {
        Etcdserverpb__AuthenticateResponse *authenticated = (void *)message;
        free(authenticated->token);
        authenticated->token = alloc_text("its own");
    } else if (message->descriptor == &etcdserverpb__auth_role_get_response__descriptor) {
        Etcdserverpb__AuthRoleGetResponse *role = (void *)message;
        if (role->n_perm > 0) { /* etcd's are in order by their keys only. */
            qsort(role->perm, role->n_perm, sizeof(*role->perm), by_range);
        }
    } else if (message->descriptor == &etcdserverpb__alarm_response__descriptor) {
        Etcdserverpb__AlarmResponse *alarm = (void *)message; /* etcd 3.4 leaves it out. */
        if (alarm->header != NULL) {
            etcdserverpb__response_header__free_unpacked(TAKE(alarm->header), NULL);
        }
    } else if (message->descriptor == &etcdserverpb__lease_grant_response__descriptor) {
        Etcdserverpb__LeaseGrantResponse *grant = (void *)message;
        grant->ttl = grant->ttl <= 3 ? 1 : grant->ttl; /* The least is of the election timeout. */
    } else if (message->descriptor == &etcdserverpb__lease_time_to_live_response__descriptor) {
        Etcdserverpb__LeaseTimeToLiveResponse *lease = (void *)message;
        lease->ttl = lease->ttl > 0 ? 1 : lease->ttl;
        if (lease->n_keys > 0) { /* etcd's come out of a hash table. */
            qsort(lease->keys, lease->n_keys, sizeof(*lease->keys), by_bytes);
        }
    }
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        uint8_t *at = (uint8_t *)message + field->offset;
        if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
            continue;
        }
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t count = *(size_t *)(void *)((uint8_t *)message + field->quantifier_offset);
            for (size_t k = 0; k < count; k++) {
                normalize((*(ProtobufCMessage ***)(void *)at)[k]);
            }
        } else if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0 ||
                   *(uint32_t *)(void *)((uint8_t *)message + field->quantifier_offset) ==
                       field->id) {
            ProtobufCMessage *inner = *(ProtobufCMessage **)(void *)at;
            if (inner != NULL) {
                normalize(inner);
            }
        }
    }
}

static void answer_text(const struct question *question, struct side *side, struct buffer *out)
{
    buffer_printf(out, "%d %s", (int)side->code, side->message);
    if (question->kind == QUESTION_STREAM) {
        buffer_append_byte(out, ' ');
        stream_log_text(&side->streamed, side->is_snapshot, out);
        return;
    }
    if (side->code != GRPC_OK) {
        return;
    }
    ProtobufCMessage *message =
        protobuf_c_message_unpack(question->answer, NULL, side->answer.len, side->answer.data);
    if (message == NULL) {
        buffer_append_text(out, "malformed");
        return;
    }
    normalize(message);
    message_text(message, out);
    protobuf_c_message_free_unpacked(message, NULL);
}

/* Before 3.6 some errors of etcd's users come without being made those of gRPC, and locks and
 * elections, which call etcd as its clients do, lose the code of all. */
static void translate_error(const struct question *question, struct side *etcd,
                            const struct side *ours)
{
    static const char raw[] = "auth: ";
    char text[sizeof(etcd->message)];
    if (etcd->code != GRPC_UNKNOWN) {
        return;
    }
    if (strncmp(etcd->message, raw, strlen(raw)) == 0) {
        (void)snprintf(text, sizeof(text), "etcdserver: %s", etcd->message + strlen(raw));
        memcpy(etcd->message, text, sizeof(text));
        etcd->code = ours->code;
    } else if (strncmp(question->path, "/v3", 3) == 0 && ours->code != GRPC_OK) {
        etcd->code = ours->code;
    }
}

static bool compare(struct run *run, const struct question *question)
{
    translate_error(question, &run->sides[SECOND], &run->sides[0]);
    struct buffer texts[SIDES];
    for (size_t i = 0; i < SIDES; i++) {
        buffer_init(&texts[i], ANSWER_MAX);
        answer_text(question, &run->sides[i], &texts[i]);
    }
    bool equal = slice_equal(buffer_slice(&texts[0]), buffer_slice(&texts[1]));
    if (!equal) {
        CLEANUP(buffer_release) struct buffer asked;
        buffer_init(&asked, ANSWER_MAX);
        message_text(question->message, &asked);
        printf("step %" PRIu64 " as %d: %s %s\n", run->step, (int)question->asker, question->path,
               buffer_text(&asked));
        printf("first:  %s\nsecond: %s\n", buffer_text(&texts[0]), buffer_text(&texts[1]));
    }
    buffer_release(&texts[0]);
    buffer_release(&texts[1]);
    return equal;
}

static int open_side(struct run *run, size_t at, const char *text)
{
    struct net_address address;
    struct side *side = &run->sides[at];
    if (net_address_parse(text, &address) < 0) {
        fprintf(stderr, "%s: must be HOST:PORT\n", text);
        return -1;
    }
    const struct grpc_channel_options options = {.address = &address,
                                                 .message_bytes_max = ANSWER_MAX};
    side->run = run;
    side->channel = grpc_channel_new(run->loop, &options);
    buffer_init(&side->answer, ANSWER_MAX);
    return 0;
}

/* The revision both are at: what is asked about history depends on it. */
static int64_t revision_of(const struct question *question, const struct side *side)
{
    int64_t revision = -1;
    ProtobufCMessage *message =
        protobuf_c_message_unpack(question->answer, NULL, side->answer.len, side->answer.data);
    const ProtobufCFieldDescriptor *field =
        message == NULL
            ? NULL
            : protobuf_c_message_descriptor_get_field_by_name(question->answer, "header");
    if (field != NULL) {
        const Etcdserverpb__ResponseHeader *header =
            *(Etcdserverpb__ResponseHeader **)(void *)((uint8_t *)message + field->offset);
        revision = header == NULL ? -1 : header->revision;
    }
    if (message != NULL) {
        protobuf_c_message_free_unpacked(message, NULL);
    }
    return revision;
}

/* --- The course of a run. */

static bool ask_and_compare(struct run *run, const struct question *question)
{
    if (question->kind == QUESTION_WATCH) {
        return watch_log_send(run->watches, (const Etcdserverpb__WatchRequest *)question->message);
    }
    if (question->takes_history && !watch_log_settle(run->watches)) {
        return false;
    }
    ask(run, question);
    if (run->sides[0].code == GRPC_OK && question->kind != QUESTION_STREAM) {
        int64_t revision = revision_of(question, &run->sides[0]);
        run->chooser.revision = revision > 0 ? revision : run->chooser.revision;
    } else {
        run->refused++;
    }
    return compare(run, question);
}

static bool random_steps(struct run *run, uint64_t count)
{
    bool equal = true;
    for (uint64_t i = 0; i < count && equal; i++, run->step++) {
        CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
        struct question question = choose(&run->chooser, arena, i == 0);
        equal = ask_and_compare(run, &question);
    }
    return equal && watch_log_settle(run->watches);
}

static bool all_steps(struct run *run,
                      bool (*step)(size_t at, struct arena *arena, struct question *ret_question))
{
    bool equal = true;
    for (size_t at = 0; equal; at++, run->step++) {
        CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
        struct question question;
        if (!step(at, arena, &question)) {
            break;
        }
        equal = ask_and_compare(run, &question);
    }
    return equal;
}

static bool log_in(struct run *run, enum asker asker, const char *name)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct question question = authenticate(name, arena);
    if (!ask_and_compare(run, &question) || run->sides[0].code != GRPC_OK) {
        return false;
    }
    for (size_t i = 0; i < SIDES; i++) {
        struct side *side = &run->sides[i];
        Etcdserverpb__AuthenticateResponse *answer =
            etcdserverpb__authenticate_response__unpack(NULL, side->answer.len, side->answer.data);
        if (answer == NULL) {
            return false;
        }
        side->tokens[asker] = alloc_text(answer->token);
        etcdserverpb__authenticate_response__free_unpacked(answer, NULL);
    }
    return true;
}

static void open_watches(struct run *run, const enum asker *asker)
{
    struct grpc_channel *channels[SIDES];
    const char *tokens[SIDES];
    for (size_t i = 0; i < SIDES; i++) {
        channels[i] = run->sides[i].channel;
        tokens[i] = asker == NULL ? NULL : run->sides[i].tokens[*asker];
    }
    watch_log_free(run->watches);
    run->watches = watch_log_new(run->loop, channels, asker == NULL ? NULL : tokens);
    run->chooser.watches = 0;
}

static void end_keepalives(struct run *run)
{
    for (size_t i = 0; i < SIDES; i++) {
        if (run->sides[i].keepalive != NULL) {
            grpc_stream_cancel(TAKE(run->sides[i].keepalive));
        }
    }
}

static bool with_users(struct run *run, uint64_t steps)
{
    static const enum asker alice = ASK_ALICE;
    if (!all_steps(run, users_begin) || !log_in(run, ASK_ROOT, "root") ||
        !log_in(run, ASK_ALICE, "alice")) {
        return false;
    }
    for (size_t i = 0; i < SIDES; i++) {
        run->sides[i].tokens[ASK_STRANGER] = alloc_text("of.nobody");
    }
    end_keepalives(run);
    open_watches(run, &alice);
    run->chooser.users = true;
    bool equal = all_steps(run, guarded) && random_steps(run, steps);
    return all_steps(run, users_end) && equal;
}

static void close_side(struct side *side)
{
    grpc_channel_close(side->channel);
    buffer_release(&side->answer);
    stream_log_release(&side->streamed);
    for (size_t i = 0; i < ASKERS; i++) {
        free(side->tokens[i]);
    }
}

int main(int argc, char **argv)
{
    struct run run = {0};
    if (argc != 5 || loop_new("differential", &run.loop) != 0 || open_side(&run, 0, argv[1]) != 0 ||
        open_side(&run, 1, argv[2]) != 0) {
        fprintf(stderr, "usage: differential ADDRESS ADDRESS SEED STEPS\n");
        return 2;
    }
    uint64_t steps = strtoull(argv[4], NULL, 10);
    run.chooser =
        (struct chooser){.state = strtoull(argv[3], NULL, 10) * 2654435761 + 1, .revision = 1};
    open_watches(&run, NULL);
    bool equal =
        all_steps(&run, corners) && random_steps(&run, steps) && with_users(&run, steps / 4);
    printf("%" PRIu64 " requests, %" PRIu64 " refused alike, revision %" PRId64 ": %s\n", run.step,
           run.refused, run.chooser.revision, equal ? "no difference" : "DIFFERENT");
    watch_log_free(run.watches);
    end_keepalives(&run);
    for (size_t i = 0; i < SIDES; i++) {
        close_side(&run.sides[i]);
    }
    loop_turn(run.loop, /* wait= */ false); /* What is closed is freed on the next turn. */
    loop_free(run.loop);
    return equal ? 0 : 1;
}
