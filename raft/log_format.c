#include "raft/log_format.h"

#include "raft/limits.h"
#include "raft/plant.h"
#include "raft/wire.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define HEADER_MAGIC UINT64_C(0x31474f4c45524f43)
#define MARK_MAGIC   UINT64_C(0x324b52414d524f43)
#define RECORD_MAGIC 0x31636552U

enum { HEADER_BYTES = 64 }; /* Where in the header the length of the file is. */

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
    wire_store(out + HEADER_BYTES, header->bytes, 8); /* Apart: headers before had none. */
    wire_store(out + HEADER_BYTES + 8, crc32c(0, slice_of(out, HEADER_BYTES + 8)), 4);
}

int segment_header_decode(struct slice bytes, struct segment_header *ret_header)
{
    uint64_t v[7];
    if (bytes.len < SEGMENT_SECTOR || block_decode(bytes, ARRAY_LEN(v), HEADER_MAGIC, v) < 0) {
        return -EBADMSG;
    }
    *ret_header = (struct segment_header){v[1], v[2], v[3], {v[4], v[5], v[6]}, 0};
    struct wire_reader reader = {.left = slice_of(bytes.data + HEADER_BYTES, 12)};
    uint64_t reserved = wire_u64(&reader);
    if (wire_u32(&reader) == crc32c(0, slice_of(bytes.data, HEADER_BYTES + 8))) {
        ret_header->bytes = reserved;
    }
    return 0;
}

void segment_mark_encode(const struct segment_mark *mark, uint8_t *out)
{
    /* The last one once told whether another segment follows; now raft-meta does. */
    const uint64_t values[] = {MARK_MAGIC,
                               mark->sequence,
                               mark->epoch,
                               mark->durable.index,
                               mark->durable.term,
                               mark->durable.chain,
                               0};
    block_encode(values, ARRAY_LEN(values), out);
}

int segment_mark_decode(struct slice bytes, struct segment_mark *ret_mark)
{
    uint64_t v[7];
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
void record_store(const struct raft_entry *entry, uint64_t epoch, uint64_t durable, uint8_t *head)
{
    uint8_t *data = head + RECORD_HEAD;
    wire_store(head, RECORD_MAGIC, 4);
    wire_store(head + 8, entry->index, 8);
    wire_store(head + 16, entry->term, 8);
    wire_store(head + 24, entry->chain, 8);
    wire_store(head + 32, epoch, 8);
    wire_store(head + 40, durable, 8);
    wire_store(head + 48, entry->len, 4);
    wire_store(head + 52, (uint64_t)entry->kind, 4);
    wire_store(head + 56, crc32c(0, raft_entry_data(entry)), 4);
    wire_store(head + 60, 0, 4);
    wire_store(head + 4, crc32c(0, slice_of(head + 8, RECORD_HEAD - 8)), 4);
    memcpy(data, entry->data, entry->len);
    memset(data + entry->len, 0, record_size(entry->len) - RECORD_HEAD - entry->len);
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

/* The newest epoch that anything in it tells of. */
static uint64_t newest_epoch(struct slice bytes, const struct segment_scan *scan)
{
    uint64_t epoch = scan->mark.epoch > scan->header.epoch ? scan->mark.epoch : scan->header.epoch;
    struct record record;
    for (size_t at = SEGMENT_HEAD; at + RECORD_HEAD <= bytes.len; at += 8) {
        if (record_head(bytes, at, &record) == 0) {
            epoch = record.epoch > epoch ? record.epoch : epoch;
            at += RECORD_HEAD - 8;
        }
    }
    return epoch;
}

/* Up to where is the log proven to have been durable: by the mark, or by what lies behind `from`?
 * A record tells only the index that was durable when it was written: its own term is the greatest
 * that entry can have. */
static struct raft_floor proven_durable(struct slice bytes, const struct segment_mark *mark,
                                        uint64_t epoch, size_t from)
{
    struct raft_floor proven = {mark->durable.term, mark->durable.index};
    struct record record;
    for (size_t at = from; at + RECORD_HEAD <= bytes.len; at += 8) {
        if (record_head(bytes, at, &record) == 0 && record.epoch == epoch &&
            record.durable > proven.index && record.durable < record.index) {
            proven = (struct raft_floor){record.term, record.durable};
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

/* Behind the damage: are whole records all there is from some place on, and do they reach what is
 * proven? Then nothing was written after the last of them, and it may have been acknowledged. */
static bool reaches_end(struct slice bytes, size_t from, uint64_t epoch, struct raft_floor *proven)
{
    struct raft_floor last = {0};
    size_t end = from;
    for (size_t at = from; at + RECORD_HEAD <= bytes.len;) {
        struct record record;
        if (record_head(bytes, at, &record) < 0 || record.len > bytes.len - at - RECORD_HEAD ||
            crc32c(0, slice_of(bytes.data + at + RECORD_HEAD, record.len)) != record.crc) {
            at += 8;
            continue;
        }
        if (record.epoch == epoch || record.index <= proven->index) {
            last = (struct raft_floor){record.term, record.index};
            end = at + record_size(record.len);
        }
        at += record_size(record.len);
    }
    if (last.index < proven->index || !all_zero(bytes, end)) {
        return false;
    }
    *proven = raft_floor_max(*proven, last);
    return true;
}

static void judge_end(struct slice bytes, const struct segment_place *place,
                      struct segment_scan *scan)
{
    scan->torn_end = bytes.len;
    while (scan->torn_end > scan->end_offset && bytes.data[scan->torn_end - 1] == 0) {
        scan->torn_end--;
    }
    scan->torn = place->last && scan->torn_end > scan->end_offset;
    scan->epoch = scan->mark.epoch > scan->header.epoch ? scan->mark.epoch : scan->header.epoch;
    if (scan->header_damaged || scan->torn) {
        scan->epoch = newest_epoch(bytes, scan);
    }
    if (scan->header_damaged) {
        scan->header.epoch = scan->epoch;
    }
    if (!place->last) {
        return;
    }
    scan->cut = bytes.len < (scan->header_damaged ? place->bytes : scan->header.bytes);
    scan->proven =
        proven_durable(bytes, &scan->mark, scan->epoch, scan->torn ? scan->end_offset : bytes.len);
    scan->damaged = scan->proven.index > scan->end.index && scan->proven.index > place->base.index;
    if (scan->damaged) { /* What was written last may have been flushed with nothing to prove it. */
        scan->unclear =
            !reaches_end(bytes, scan->end_offset, scan->epoch, &scan->proven) || scan->cut;
    }
}

static bool is_of_next(const struct segment_place *place, uint64_t index)
{
    return place->next != 0 && index >= place->next;
}

/* Entries that the snapshot replaces need not be readable: where does the first one after it lie?
 * Its chain value tells whether it is the right one. */
static bool find_after_base(struct slice bytes, const struct segment_place *place,
                            struct segment_scan *scan)
{
    if (scan->end.index >= place->base.index || is_of_next(place, place->base.index + 1) ||
        PLANTED == PLANT_SKIP_CHECKS) {
        return false;
    }
    for (size_t at = scan->end_offset; at + RECORD_HEAD <= bytes.len; at += 8) {
        struct record record;
        if (record_head(bytes, at, &record) < 0 || record.index != place->base.index + 1) {
            continue;
        }
        struct raft_entry *entry = record_entry(bytes, at, place->base);
        if (entry != NULL) {
            raft_entry_unref(entry);
            scan->end = place->base;
            scan->end_offset = at;
            return true;
        }
    }
    return false;
}

static int read_head(struct slice bytes, const struct segment_place *place,
                     struct segment_scan *scan)
{
    if (bytes.len < SEGMENT_HEAD) {
        return -EBADMSG;
    }
    if (segment_header_decode(bytes, &scan->header) < 0) {
        if (place->previous == NULL || place->previous->index + 1 != place->first) {
            return -EBADMSG;
        }
        scan->header_damaged = true;
        scan->header = (struct segment_header){.previous = *place->previous};
    }
    scan->mark.epoch = scan->header.epoch;
    scan->mark.durable = scan->header.previous;
    newest_mark(bytes, &scan->mark);
    scan->end = scan->header.previous;
    scan->end_offset = SEGMENT_HEAD;
    return 0;
}

int segment_scan(struct slice bytes, const struct segment_place *place,
                 int (*take)(void *data, struct raft_entry *entry, size_t offset), void *data,
                 struct segment_scan *ret_scan)
{
    struct segment_scan scan = {0};
    int status = read_head(bytes, place, &scan);
    while (status == 0) {
        struct raft_entry *entry = is_of_next(place, scan.end.index + 1)
                                       ? NULL
                                       : record_entry(bytes, scan.end_offset, scan.end);
        if (entry == NULL && find_after_base(bytes, place, &scan)) {
            continue;
        }
        if (entry == NULL) {
            judge_end(bytes, place, &scan);
            *ret_scan = scan;
            return 0;
        }
        size_t size = record_size(entry->len);
        scan.end = (struct raft_point){entry->index, entry->term, entry->chain};
        status = take(data, entry, scan.end_offset);
        scan.end_offset += size;
    }
    return status;
}

bool segment_proof(struct slice bytes, struct segment_mark *mark, struct raft_floor *ret_proven)
{
    struct segment_scan scan = {0};
    bool has_header = bytes.len >= SEGMENT_HEAD && segment_header_decode(bytes, &scan.header) == 0;
    if (bytes.len >= SEGMENT_HEAD) {
        newest_mark(bytes, mark);
    }
    scan.mark = *mark;
    uint64_t epoch = newest_epoch(bytes, &scan);
    struct raft_floor proven =
        raft_floor_max((struct raft_floor){scan.header.previous.term, scan.header.previous.index},
                       proven_durable(bytes, mark, epoch, SEGMENT_HEAD));
    bool whole =
        has_header && bytes.len >= scan.header.bytes &&
        (reaches_end(bytes, SEGMENT_HEAD, epoch, &proven) || all_zero(bytes, SEGMENT_HEAD));
    mark->epoch = epoch;
    *ret_proven = proven;
    return whole;
}
