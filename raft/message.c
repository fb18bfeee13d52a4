#include "raft/message.h"

#include "lib/base/alloc.h"
#include "raft/limits.h"
#include "raft/wire.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum {
    MESSAGE_VERSION = 2,
    FLAG_REJECT = 1,
    FLAG_FORCE = 2,
    ENTRY_HEAD_BYTES = 8 + 1 + 4,
    HEAD_BYTES = 3 + 10 * 8,
    COUNT_BYTES = 4,
};

void raft_message_release(struct raft_message *message)
{
    for (size_t i = 0; i < message->entry_count; i++) {
        raft_entry_unref(message->entries[i]);
    }
    free(message->entries);
    message->entries = NULL;
    message->entry_count = 0;
}

/* So that the buffer grows once. */
static size_t encoded_size(const struct raft_message *message)
{
    size_t size = HEAD_BYTES + COUNT_BYTES + COUNT_BYTES + message->bytes.len;
    for (size_t i = 0; i < message->entry_count; i++) {
        size += ENTRY_HEAD_BYTES + message->entries[i]->len;
    }
    return size;
}

void raft_message_encode(const struct raft_message *message, struct buffer *out)
{
    assert(message->kind < RAFT_MESSAGE_KIND_END);
    const uint64_t head[] = {message->cluster,   message->from,        message->to,
                             message->term,      message->incarnation, message->last.index,
                             message->last.term, message->last.chain,  message->commit,
                             message->context};
    if (buffer_reserve(out, encoded_size(message)) == NULL) {
        return; /* The buffer says so. */
    }
    wire_put(out, MESSAGE_VERSION, 1);
    wire_put(out, (uint64_t)message->kind, 1);
    wire_put(out, (message->reject ? FLAG_REJECT : 0U) | (message->force ? FLAG_FORCE : 0U), 1);
    for (size_t i = 0; i < ARRAY_LEN(head); i++) {
        wire_put(out, head[i], 8);
    }
    wire_put(out, message->entry_count, 4);
    for (size_t i = 0; i < message->entry_count; i++) {
        const struct raft_entry *entry = message->entries[i];
        wire_put(out, entry->term, 8);
        wire_put(out, (uint64_t)entry->kind, 1);
        wire_put(out, entry->len, 4);
        buffer_append(out, entry->data, entry->len);
    }
    wire_put(out, message->bytes.len, 4);
    buffer_append_slice(out, message->bytes);
}

static void block_done(struct raft_entry_block **block)
{
    raft_entry_block_release(*block);
}

static int decode_entries(struct wire_reader *reader, size_t count, struct raft_message *message)
{
    if (count > RAFT_APPEND_ENTRIES_MAX || count > reader->left.len / ENTRY_HEAD_BYTES ||
        message->last.index > UINT64_MAX - RAFT_APPEND_ENTRIES_MAX) {
        return -EBADMSG;
    }
    if (count == 0) {
        return 0;
    }
    message->entries = alloc_array(count, sizeof(struct raft_entry *));
    struct raft_point last = message->last;
    CLEANUP(block_done)
    struct raft_entry_block *block =
        raft_entry_block_new(count, reader->left.len - count * ENTRY_HEAD_BYTES);
    for (size_t i = 0; i < count; i++) {
        uint64_t term = wire_u64(reader);
        uint8_t kind = wire_u8(reader);
        uint32_t len = wire_u32(reader);
        struct slice data = wire_bytes(reader, len);
        if (reader->failed || len > RAFT_COMMAND_MAX || kind >= RAFT_ENTRY_KIND_COUNT ||
            term < last.term || term > message->term) {
            return -EBADMSG;
        }
        struct raft_entry *entry =
            raft_entry_new_in(block, last.index + 1, term, kind, last.chain, data);
        message->entries[message->entry_count++] = entry;
        last = (struct raft_point){entry->index, entry->term, entry->chain};
    }
    return 0;
}

static int decode_head(struct wire_reader *reader, struct raft_message *message)
{
    if (reader->left.len > RAFT_MESSAGE_MAX || wire_u8(reader) != MESSAGE_VERSION) {
        return -EBADMSG;
    }
    uint8_t kind = wire_u8(reader);
    uint8_t flags = wire_u8(reader);
    if (kind == 0 || kind >= RAFT_MESSAGE_KIND_END || (flags & ~(FLAG_REJECT | FLAG_FORCE)) != 0) {
        return -EBADMSG;
    }
    message->kind = kind;
    message->reject = (flags & FLAG_REJECT) != 0;
    message->force = (flags & FLAG_FORCE) != 0;
    message->cluster = wire_u64(reader);
    message->from = wire_u64(reader);
    message->to = wire_u64(reader);
    message->term = wire_u64(reader);
    message->incarnation = wire_u64(reader);
    message->last.index = wire_u64(reader);
    message->last.term = wire_u64(reader);
    message->last.chain = wire_u64(reader);
    message->commit = wire_u64(reader);
    message->context = wire_u64(reader);
    return reader->failed ? -EBADMSG : 0;
}

int raft_message_peek(struct slice input, struct raft_message *ret_head)
{
    struct wire_reader reader = {.left = input};
    struct raft_message head = {0};
    if (decode_head(&reader, &head) < 0) {
        return -EBADMSG;
    }
    *ret_head = head;
    return 0;
}

static int decode(struct wire_reader *reader, struct raft_message *message)
{
    if (decode_head(reader, message) < 0) {
        return -EBADMSG;
    }
    uint32_t count = wire_u32(reader);
    if (reader->failed || (count > 0 && message->kind != RAFT_APPEND) ||
        decode_entries(reader, count, message) < 0) {
        return -EBADMSG;
    }
    uint32_t len = wire_u32(reader);
    message->bytes = wire_bytes(reader, len);
    return reader->failed || reader->left.len != 0 ? -EBADMSG : 0;
}

int raft_message_decode(struct slice input, struct raft_message *ret_message)
{
    struct wire_reader reader = {.left = input};
    struct raft_message message = {0};
    int status = decode(&reader, &message);
    if (status < 0) {
        raft_message_release(&message);
        return status;
    }
    *ret_message = message;
    return 0;
}
