#include "raft/log_format.h"

#include "raft/limits.h"
#include "raft/plant.h"
#include "raft/wire.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define HEADER_MAGIC UINT64_C(0x31474f4c45524f43)
#define MARK_MAGIC   UINT64_C(0x314b52414d524f43)
#define RECORD_MAGIC 0x31636552U

/* A block of u64 values with a CRC-32C after them. */
static void block_encode(const uint64_t *values, size_t count, uint8_t *out)
{
    memset(out, 0, SEGMENT_SECTOR);
    for (size_t i = 0; i < count; i++) {
        wire_store(out + 8 * i, values[i], 8);
    }
    wire_store(out + 8 * count, crc32c(0, slice_of(out, 8 * count)), 4);
}

static int block_decode(struct slice bytes, size_t count, uint64_t magic, uint64_t *ret_values)
{
    if (bytes.len < 8 * count + 4) {
        return -EBADMSG;
    }
    uint32_t crc = crc32c(0, slice_of(bytes.data, 8 * count));
    struct wire_reader reader = {.left = bytes};
    for (size_t i = 0; i < count; i++) {
        ret_values[i] = wire_u64(&reader);
    }
    return wire_u32(&reader) == crc && ret_values[0] == magic ? 0 : -EBADMSG;
}

void segment_header_encode(const struct segment_header *header, uint8_t *out)
{
    const uint64_t values[] = {HEADER_MAGIC,          header->cluster,        header->member,
                               header->epoch,         header->previous.index, header->previous.term,
                               header->previous.chain};
    block_encode(values, ARRAY_LEN(values), out);
}

int segment_header_decode(struct slice bytes, struct segment_header *ret_header)
{
    uint64_t v[7];
    if (block_decode(bytes, ARRAY_LEN(v), HEADER_MAGIC, v) < 0) {
        return -EBADMSG;
    }
    *ret_header = (struct segment_header){v[1], v[2], v[3], {v[4], v[5], v[6]}};
    return 0;
}

void segment_mark_encode(const struct segment_mark *mark, uint8_t *out)
{
    const uint64_t values[] = {MARK_MAGIC,          mark->sequence,     mark->epoch,
                               mark->durable.index, mark->durable.term, mark->durable.chain};
    block_encode(values, ARRAY_LEN(values), out);
}

int segment_mark_decode(struct slice bytes, struct segment_mark *ret_mark)
{
    uint64_t v[6];
    if (block_decode(bytes, ARRAY_LEN(v), MARK_MAGIC, v) < 0) {
        return -EBADMSG;
    }
    *ret_mark = (struct segment_mark){v[1], v[2], {v[3], v[4], v[5]}};
    return 0;
}

size_t record_size(size_t data_len)
{
    return RECORD_HEAD + ((data_len + 7) & ~(size_t)7);
}

/* Head: magic, head crc, index, term, chain, epoch, durable, data length, kind, data crc, 0. */
void record_encode(const struct raft_entry *entry, uint64_t epoch, uint64_t durable,
                   struct buffer *out)
{
    uint8_t head[RECORD_HEAD] = {0};
    wire_store(head, RECORD_MAGIC, 4);
    wire_store(head + 8, entry->index, 8);
    wire_store(head + 16, entry->term, 8);
    wire_store(head + 24, entry->chain, 8);
    wire_store(head + 32, epoch, 8);
    wire_store(head + 40, durable, 8);
    wire_store(head + 48, entry->len, 4);
    wire_store(head + 52, (uint64_t)entry->kind, 4);
    wire_store(head + 56, crc32c(0, raft_entry_data(entry)), 4);
    wire_store(head + 4, crc32c(0, slice_of(head + 8, RECORD_HEAD - 8)), 4);
    buffer_append(out, head, sizeof(head));
    buffer_append(out, entry->data, entry->len);
    const uint8_t padding[8] = {0};
    buffer_append(out, padding, record_size(entry->len) - RECORD_HEAD - entry->len);
}

struct record {
    uint64_t index, term, chain, epoch, durable;
    uint32_t len, kind, crc;
    struct slice data;
};

/* The identity at `offset`, if its checksum holds. */
static int record_head(struct slice bytes, size_t offset, struct record *ret_record)
{
    if (offset > bytes.len || bytes.len - offset < RECORD_HEAD) {
        return -ENOENT;
    }
    struct slice head = slice_of(bytes.data + offset, RECORD_HEAD);
    struct wire_reader reader = {.left = head};
    if (wire_u32(&reader) != RECORD_MAGIC) {
        return -ENOENT;
    }
    if (wire_u32(&reader) != crc32c(0, slice_of(head.data + 8, RECORD_HEAD - 8))) {
        return -EBADMSG;
    }
    struct record record = {0};
    record.index = wire_u64(&reader);
    record.term = wire_u64(&reader);
    record.chain = wire_u64(&reader);
    record.epoch = wire_u64(&reader);
    record.durable = wire_u64(&reader);
    record.len = wire_u32(&reader);
    record.kind = wire_u32(&reader);
    record.crc = wire_u32(&reader);
    *ret_record = record;
    return 0;
}

/* The whole record at `offset`, if it is entry end+1. Null when it is not. */
static struct raft_entry *record_entry(struct slice bytes, size_t offset, struct raft_point end)
{
    struct record record;
    if (record_head(bytes, offset, &record) < 0 || record.len > RAFT_COMMAND_MAX ||
        record.len > bytes.len - offset - RECORD_HEAD || record.kind >= RAFT_ENTRY_KIND_COUNT) {
        return NULL;
    }
    struct slice data = slice_of(bytes.data + offset + RECORD_HEAD, record.len);
    if ((crc32c(0, data) != record.crc && PLANTED != PLANT_SKIP_CHECKS) ||
        record.index != end.index + 1 || record.term < end.term) {
        return NULL;
    }
    struct raft_entry *entry = raft_entry_new(record.index, record.term,
                                              (enum raft_entry_kind)record.kind, end.chain, data);
    if (entry->chain != record.chain && PLANTED != PLANT_SKIP_CHECKS) {
        raft_entry_unref(entry);
        return NULL;
    }
    return entry;
}

static void newest_mark(struct slice bytes, struct segment_mark *mark)
{
    for (size_t i = 1; i <= SEGMENT_MARKS; i++) {
        struct segment_mark read;
        struct slice slot = slice_of(bytes.data + i * SEGMENT_SECTOR, SEGMENT_SECTOR);
        if (segment_mark_decode(slot, &read) == 0 && read.sequence > mark->sequence) {
            *mark = read;
        }
    }
}

/* Up to which index is the log proven to have been durable, by what lies behind the bad place? */
static uint64_t proven_durable(struct slice bytes, const struct segment_scan *scan)
{
    uint64_t epoch = scan->mark.epoch;
    uint64_t proven = scan->mark.durable.index;
    for (size_t at = scan->end_offset; at + RECORD_HEAD <= bytes.len; at += 8) {
        struct record record;
        if (record_head(bytes, at, &record) == 0 && record.epoch == epoch &&
            record.durable > proven && record.durable < record.index) {
            proven = record.durable;
        }
    }
    return proven;
}

static bool all_zero(struct slice bytes, size_t from)
{
    for (size_t at = from; at < bytes.len; at++) {
        if (bytes.data[at] != 0) {
            return false;
        }
    }
    return true;
}

static int judge_end(struct slice bytes, bool last, const struct raft_point *end,
                     struct segment_scan *scan, struct error *reterr)
{
    if (!last) {
        if (end != NULL && (scan->end.index != end->index || scan->end.chain != end->chain)) {
            return error_set(reterr, -EBADMSG,
                             "entry %" PRIu64 " at offset %zu is damaged; the next segment begins "
                             "after entry %" PRIu64,
                             scan->end.index + 1, scan->end_offset, end->index);
        }
        return 0;
    }
    scan->torn = !all_zero(bytes, scan->end_offset);
    uint64_t proven = scan->torn ? proven_durable(bytes, scan) : scan->mark.durable.index;
    if (proven > scan->end.index) {
        return error_set(reterr, -EBADMSG,
                         "entry %" PRIu64 " at offset %zu is damaged; the log was durable up to "
                         "entry %" PRIu64,
                         scan->end.index + 1, scan->end_offset, proven);
    }
    return 0;
}

int segment_scan(struct slice bytes, bool last, const struct raft_point *end,
                 int (*take)(void *data, struct raft_entry *entry, size_t offset), void *data,
                 struct segment_scan *ret_scan, struct error *reterr)
{
    struct segment_scan scan = {0};
    if (bytes.len < SEGMENT_HEAD || segment_header_decode(bytes, &scan.header) < 0) {
        return error_set(reterr, -EBADMSG, "the segment header is damaged");
    }
    scan.mark.epoch = scan.header.epoch;
    scan.mark.durable = scan.header.previous;
    newest_mark(bytes, &scan.mark);
    scan.end = scan.header.previous;
    scan.end_offset = SEGMENT_HEAD;
    while (last || end == NULL || scan.end.index < end->index) {
        struct raft_entry *entry = record_entry(bytes, scan.end_offset, scan.end);
        if (entry == NULL) {
            break;
        }
        size_t size = record_size(entry->len);
        scan.end = (struct raft_point){entry->index, entry->term, entry->chain};
        int status = take(data, entry, scan.end_offset);
        if (status < 0) {
            return error_set(reterr, status, "entry %" PRIu64 " cannot be used", scan.end.index);
        }
        scan.end_offset += size;
    }
    int status = judge_end(bytes, last, end, &scan, reterr);
    if (status == 0) {
        *ret_scan = scan;
    }
    return status;
}
