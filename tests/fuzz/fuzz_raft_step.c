/* The state machine against peers that say anything: every 34 bytes of the input make one event,
 * with numbers small enough to meet the state. Its invariants are asserted inside raft_step(). */
#include "raft/core.h"
#include "raft/wire.h"

#define MS UINT64_C(1000000)

enum { MEMBERS = 3 };

/* A configuration of the members 1 to 4, joint or not; now and then none that can be decoded. */
static void some_members(uint8_t choice, struct buffer *out)
{
    struct raft_members members = {0};
    for (uint64_t id = 1; id <= MEMBERS + 1; id++) {
        uint8_t flags = (uint8_t)(((unsigned)choice >> (id - 1)) & 3U);
        flags = flags == 3 && id == 4 ? RAFT_MEMBER_LEARNER | RAFT_MEMBER_JOINING : flags;
        (void)!raft_members_add(&members, id, "m", "http://m", flags);
    }
    raft_members_encode(&members, out);
}

static void message_event(struct raft *raft, struct wire_reader *reader, struct raft_update *update,
                          struct raft_event *event)
{
    struct raft_message message = {
        .kind = (enum raft_message_kind)(1 + wire_u8(reader) % (RAFT_MESSAGE_KIND_END - 1)),
        .cluster = 9,
        .to = 1,
    };
    uint8_t flags = wire_u8(reader);
    message.reject = (flags & 1) != 0;
    message.force = (flags & 2) != 0;
    message.from = 1 + wire_u8(reader) % (MEMBERS + 1);
    message.term = raft->term + wire_u8(reader) % 3 - ((flags & 4) != 0 && raft->term > 0 ? 1 : 0);
    message.last.index = wire_u8(reader);
    message.last.term = wire_u8(reader) % 8;
    struct raft_point held;
    if ((flags & 8) != 0 && raft_trail_point(&raft->trail, message.last.index, &held)) {
        message.last = held;
    }
    message.commit = (flags & 16) != 0 ? wire_u64(reader) : wire_u8(reader);
    message.context = (flags & 32) != 0 ? wire_u64(reader) : wire_u8(reader);
    message.incarnation = 1 + wire_u8(reader) % 2;
    struct buffer members;
    buffer_init(&members, RAFT_COMMAND_MAX);
    some_members(wire_u8(reader), &members);
    struct raft_entry *entries[4];
    struct raft_point last = message.last;
    for (size_t i = 0; i < (flags >> 6) && message.kind == RAFT_APPEND; i++) {
        uint64_t term = last.term + wire_u8(reader) % 2;
        enum raft_entry_kind kind = wire_u8(reader) % RAFT_ENTRY_KIND_COUNT;
        struct slice data = kind == RAFT_ENTRY_CONFIG ? buffer_slice(&members) : slice_of(NULL, 0);
        entries[i] = raft_entry_new(last.index + 1, term < message.term ? term : message.term, kind,
                                    last.chain, data);
        last = (struct raft_point){entries[i]->index, entries[i]->term, entries[i]->chain};
        message.entry_count++;
        if (entries[i]->term < message.last.term) {
            break; /* The decoder refuses falling terms. */
        }
    }
    bool falling = message.entry_count > 0 && entries[0]->term < message.last.term;
    message.entries = entries;
    event->message = &message;
    if (!falling) {
        (void)raft_step(raft, event, update);
    }
    for (size_t i = 0; i < message.entry_count; i++) {
        raft_entry_unref(entries[i]);
    }
    buffer_release(&members);
}

static void one_event(struct raft *raft, struct wire_reader *reader, struct raft_update *update)
{
    static const struct slice command = {(const uint8_t *)"c", 1};
    struct raft_change change = {.url = "http://n"};
    struct raft_event event = {.now_ns = raft->now_ns + wire_u8(reader) * MS * 4};
    event.kind = (enum raft_event_kind)(wire_u8(reader) % (RAFT_EVENT_COMPACT + 1));
    event.commands = &command;
    event.count = 1;
    event.id = wire_u8(reader);
    event.members = &raft->base_members;
    change.kind = (enum raft_change_kind)(event.id % 4);
    change.id = event.id / 4 % 6;
    change.learner = event.id > 127;
    event.change = &change;
    event.point =
        (struct raft_point){raft->commit + event.id % 4, raft->term, wire_u8(reader) * 7U};
    event.epoch = raft->epoch - (event.id & 1);
    event.index = event.kind == RAFT_EVENT_COMPACT ? raft->commit : raft_trail_last(&raft->trail);
    if (event.kind == RAFT_EVENT_MESSAGE) {
        message_event(raft, reader, update, &event);
    } else {
        (void)raft_step(raft, &event, update);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wire_reader reader = {.left = slice_of(data, size)};
    struct raft_update update = {0};
    struct raft raft;
    struct raft_start start = {.id = 1,
                               .cluster = 9,
                               .incarnation = 3,
                               .seed = 7,
                               .heartbeat_ns = 50 * MS,
                               .election_ns = 300 * MS,
                               .now_ns = 1000 * MS};
    for (uint64_t id = 1; id <= MEMBERS; id++) {
        (void)!raft_members_add(&start.members, id, "m", "http://m", RAFT_MEMBER_VOTER);
    }
    raft_init(&raft, &start);
    while (reader.left.len > 0 && !reader.failed && update.fatal == NULL) {
        raft_update_clear(&update);
        one_event(&raft, &reader, &update);
    }
    raft_update_release(&update);
    raft_release(&raft);
    return 0;
}
