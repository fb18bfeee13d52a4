/* differential ADDRESS ADDRESS SEED STEPS: sends the same requests, chosen by the seed, to two
 * servers of the etcd v3 API and compares what they answer, field by field; ids and terms aside. At
 * the first difference it prints the request and both answers and exits with 1. */
#include "tests/etcdctl/differential.h"

#include "lib/base/alloc.h"
#include "lib/base/error.h"
#include "lib/net/grpc.h"
#include "lib/net/loop.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIDES = 2, TIMEOUT_MS = 20 * 1000, ANSWER_MAX = 16 * 1024 * 1024 };

struct side {
    struct run *run;
    struct grpc_channel *channel;
    enum grpc_code code;
    char message[512];
    struct buffer answer;
};

struct run {
    struct loop *loop;
    struct side sides[SIDES];
    size_t waiting;
};

/* --- Asking both. */

static void on_done(void *data, const struct grpc_status *status, struct slice response)
{
    struct side *side = data;
    side->code = status->code;
    (void)snprintf(side->message, sizeof(side->message), "%s", status->message);
    buffer_clear(&side->answer);
    buffer_append_slice(&side->answer, response);
    if (--side->run->waiting == 0) {
        loop_stop(side->run->loop);
    }
}

static void ask(struct run *run, const struct question *question)
{
    size_t len = protobuf_c_message_get_packed_size(question->message);
    uint8_t *bytes = alloc_bytes(len + 1);
    (void)protobuf_c_message_pack(question->message, bytes);
    const struct grpc_call_options options = {.path = question->path, .timeout_ms = TIMEOUT_MS};
    run->waiting = SIDES;
    for (size_t i = 0; i < SIDES; i++) {
        (void)grpc_unary(run->sides[i].channel, &options, slice_of(bytes, len), on_done,
                         &run->sides[i]);
    }
    loop_run(run->loop);
    free(bytes);
}

/* --- Comparing. */

/* What may differ between two clusters is set alike. */
static void normalize(ProtobufCMessage *message)
{
    if (message->descriptor == &etcdserverpb__response_header__descriptor) {
        Etcdserverpb__ResponseHeader *header = (Etcdserverpb__ResponseHeader *)message;
        header->cluster_id = 0;
        header->member_id = 0;
        header->raft_term = 0;
    } else if (message->descriptor == &etcdserverpb__lease_time_to_live_response__descriptor) {
        Etcdserverpb__LeaseTimeToLiveResponse *lease = (void *)message;
        lease->ttl = lease->ttl > 0 ? 1 : lease->ttl;
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

static void answer_text(const struct question *question, const struct side *side,
                        struct buffer *out)
{
    buffer_printf(out, "%d %s", (int)side->code, side->message);
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

static bool compare(struct run *run, const struct question *question, uint64_t step)
{
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
        printf("step %" PRIu64 ": %s %s\n", step, question->path, buffer_text(&asked));
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

static void close_side(struct side *side)
{
    grpc_channel_close(side->channel);
    buffer_release(&side->answer);
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

int main(int argc, char **argv)
{
    struct run run = {0};
    if (argc != 5 || loop_new("differential", &run.loop) != 0 || open_side(&run, 0, argv[1]) != 0 ||
        open_side(&run, 1, argv[2]) != 0) {
        fprintf(stderr, "usage: differential ADDRESS ADDRESS SEED STEPS\n");
        return 2;
    }
    uint64_t steps = strtoull(argv[4], NULL, 10);
    struct chooser chooser = {.state = strtoull(argv[3], NULL, 10) * 2654435761 + 1, .revision = 1};
    bool equal = true;
    uint64_t step = 0;
    uint64_t refused = 0;
    for (; step < steps && equal; step++) {
        CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
        struct question question = choose(&chooser, arena, step == 0);
        ask(&run, &question);
        equal = compare(&run, &question, step);
        if (run.sides[0].code == GRPC_OK) {
            int64_t revision = revision_of(&question, &run.sides[0]);
            chooser.revision = revision > 0 ? revision : chooser.revision;
        } else {
            refused++;
        }
    }
    printf("%" PRIu64 " requests, %" PRIu64 " refused alike, revision %" PRId64 ": %s\n", step,
           refused, chooser.revision, equal ? "no difference" : "DIFFERENT");
    for (size_t i = 0; i < SIDES; i++) {
        close_side(&run.sides[i]);
    }
    loop_free(run.loop);
    return equal ? 0 : 1;
}
