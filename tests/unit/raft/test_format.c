/* The bytes of messages, of the log and of snapshots: what is damaged, cut off or foreign. */
#include "lib/base/alloc.h"
#include "raft/log_format.h"
#include "raft/message.h"
#include "raft/meta_file.h"
#include "raft/wire.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

Suite *format_suite(void);

enum { SEGMENT_BYTES = 16384, ENTRIES = 5 };

struct image {
    uint8_t bytes[SEGMENT_BYTES];
    size_t offsets[ENTRIES + 2]; /* Of entry i at [i]; the end at [ENTRIES + 1]. */
    size_t taken;
};

/* Entries 1..5; the mark proves those up to `durable`. */
static void make(struct image *image, uint64_t durable)
{
    *image = (struct image){0};
    struct segment_header header = {.cluster = 1, .member = 2, .epoch = 3};
    struct segment_mark mark = {
        .sequence = 1, .epoch = 3, .durable = {.index = durable, .term = durable > 0}};
    segment_header_encode(&header, image->bytes);
    segment_mark_encode(&mark, image->bytes + 2 * SEGMENT_SECTOR);
    uint64_t chain = 0;
    size_t at = SEGMENT_HEAD;
    for (uint64_t i = 1; i <= ENTRIES; i++) {
        struct raft_entry *entry =
            raft_entry_new(i, 1, RAFT_ENTRY_COMMAND, chain, slice_text("some command"));
        record_store(entry, /* epoch= */ 3, durable < i ? durable : i - 1, image->bytes + at);
        image->offsets[i] = at;
        at += record_size(entry->len);
        chain = entry->chain;
        raft_entry_unref(entry);
    }
    image->offsets[ENTRIES + 1] = at;
}

static int take(void *data, struct raft_entry *entry, size_t offset)
{
    struct image *image = data;
    ck_assert_uint_eq(offset, image->offsets[entry->index]);
    image->taken++;
    raft_entry_unref(entry);
    return 0;
}

static int scan(struct image *image, struct segment_scan *ret_scan)
{
    struct segment_place place = {.first = 1, .last = true};
    image->taken = 0;
    return segment_scan(slice_of(image->bytes, SEGMENT_BYTES), &place, take, image, ret_scan);
}

START_TEST(crc32c_has_the_value_of_rfc_3720)
{
    uint8_t zeros[32] = {0};
    ck_assert_uint_eq(crc32c(0, slice_of(zeros, sizeof(zeros))), 0x8a9136aa);
    ck_assert_uint_eq(crc32c(0, slice_text("123456789")), 0xe3069283);
}
END_TEST

START_TEST(a_write_cut_off_after_the_mark_is_a_torn_tail)
{
    struct image image;
    struct segment_scan result;
    make(&image, /* durable= */ 3);
    image.bytes[image.offsets[5] + RECORD_HEAD + 2] ^= 1;
    ck_assert_int_eq(scan(&image, &result), 0);
    ck_assert_uint_eq(result.end.index, 4);
    ck_assert(result.torn);
    ck_assert(!result.damaged);
    ck_assert_uint_eq(result.end_offset, image.offsets[5]);
}
END_TEST

/* Every single bit of every record that the mark covers. */
START_TEST(a_flipped_bit_in_a_durable_entry_is_damage)
{
    struct image image;
    struct segment_scan result;
    make(&image, /* durable= */ 5);
    for (size_t at = image.offsets[1]; at < image.offsets[6]; at++) {
        size_t inside = (at - image.offsets[1]) % record_size(12);
        if (inside >= RECORD_HEAD + 12) {
            continue; /* Padding means nothing. */
        }
        image.bytes[at] ^= 0x10;
        ck_assert_int_eq(scan(&image, &result), 0);
        ck_assert(result.damaged);
        ck_assert_uint_eq(result.proven.index, 5);
        image.bytes[at] ^= 0x10;
    }
    ck_assert_int_eq(scan(&image, &result), 0);
    ck_assert_uint_eq(image.taken, ENTRIES);
}
END_TEST

/* SIM-1 seed 2049036: what was cut off took the proof with it that it had been durable. */
START_TEST(a_file_that_is_shorter_than_it_was_made_is_damage)
{
    struct image image;
    struct segment_scan result;
    make(&image, /* durable= */ 2);
    struct segment_header header = {.cluster = 1, .member = 2, .epoch = 3, .bytes = SEGMENT_BYTES};
    segment_header_encode(&header, image.bytes);
    ck_assert_int_eq(scan(&image, &result), 0);
    ck_assert(!result.cut);
    struct segment_place place = {.first = 1, .last = true};
    struct slice cut = slice_of(image.bytes, image.offsets[4]);
    ck_assert_int_eq(segment_scan(cut, &place, take, &image, &result), 0);
    ck_assert_uint_eq(result.end.index, 3);
    ck_assert(result.cut);
    struct raft_point previous = {0};
    place.previous = &previous; /* The same without the header. */
    place.bytes = SEGMENT_BYTES;
    memset(image.bytes, 0, SEGMENT_HEAD);
    ck_assert_int_eq(segment_scan(cut, &place, take, &image, &result), 0);
    ck_assert(result.header_damaged);
    ck_assert(result.cut);
}
END_TEST

START_TEST(a_header_from_before_the_length_was_in_it_is_still_good)
{
    uint8_t bytes[SEGMENT_SECTOR];
    struct segment_header header = {.cluster = 1, .member = 2, .epoch = 3, .bytes = 1000};
    struct segment_header read;
    segment_header_encode(&header, bytes);
    ck_assert_int_eq(segment_header_decode(slice_of(bytes, sizeof(bytes)), &read), 0);
    ck_assert_uint_eq(read.bytes, 1000);
    memset(bytes + 64, 0, sizeof(bytes) - 64);
    ck_assert_int_eq(segment_header_decode(slice_of(bytes, sizeof(bytes)), &read), 0);
    ck_assert_uint_eq(read.member, 2);
    ck_assert_uint_eq(read.bytes, 0);
}
END_TEST

/* SIM-1 seed 24247: it had been acknowledged, and a leader without it was voted for. */
START_TEST(what_lies_whole_behind_damage_may_have_been_acknowledged)
{
    struct image image;
    struct segment_scan result;
    make(&image, /* durable= */ 4);
    image.bytes[image.offsets[2] + 9] ^= 1;
    ck_assert_int_eq(scan(&image, &result), 0);
    ck_assert(result.damaged);
    ck_assert_uint_eq(result.end.index, 1);
    ck_assert_uint_eq(result.proven.index, 5);
    ck_assert(!result.unclear);
    image.bytes[image.offsets[5] + RECORD_HEAD + 2] ^= 1; /* Or is its end cut off? */
    ck_assert_int_eq(scan(&image, &result), 0);
    ck_assert(result.damaged);
    ck_assert(result.unclear);
}
END_TEST

START_TEST(a_later_record_proves_an_earlier_one_durable_without_a_mark)
{
    struct image image;
    struct segment_scan result;
    make(&image, /* durable= */ 5);
    memset(image.bytes + SEGMENT_SECTOR, 0, (size_t)SEGMENT_MARKS * SEGMENT_SECTOR);
    image.bytes[image.offsets[2] + 9] ^= 1;
    ck_assert_int_eq(scan(&image, &result), 0);
    ck_assert(result.damaged);
    ck_assert_uint_eq(result.end_offset, image.offsets[2]);
}
END_TEST

START_TEST(a_record_of_another_past_ends_the_log)
{
    struct image image;
    struct segment_scan result;
    make(&image, /* durable= */ 1);
    struct raft_entry *entry =
        raft_entry_new(3, 1, RAFT_ENTRY_COMMAND, /* chain= */ 12345, slice_text("some command"));
    record_store(entry, 3, 1, image.bytes + image.offsets[3]);
    ck_assert_int_eq(scan(&image, &result), 0);
    ck_assert_uint_eq(result.end.index, 2);
    raft_entry_unref(entry);
}
END_TEST

/* SIM-2 seeds 4121819, 4144032: a good log was taken for a damaged one after a restart. */
START_TEST(what_a_truncation_left_before_the_next_segment_is_not_read)
{
    struct image image;
    struct segment_scan result;
    make(&image, /* durable= */ 5);
    struct segment_place place = {.first = 1, .next = 4};
    struct slice bytes = slice_of(image.bytes, SEGMENT_BYTES);
    ck_assert_int_eq(segment_scan(bytes, &place, take, &image, &result), 0);
    ck_assert_uint_eq(image.taken, 3);
    ck_assert_uint_eq(result.end.index, 3);
    ck_assert_uint_eq(result.end_offset, image.offsets[4]);
    image.bytes[image.offsets[2] + 9] ^= 1; /* Nor looked for behind what the snapshot replaces. */
    place.base = result.end;
    image.taken = 0;
    ck_assert_int_eq(segment_scan(bytes, &place, take, &image, &result), 0);
    ck_assert_uint_eq(image.taken, 1);
}
END_TEST

/* Where the later part of a slot begins: behind its length, checksum and so many bytes. */
static size_t meta_tail(const uint8_t *slot)
{
    struct wire_reader reader = {.left = slice_of(slot, 4)};
    return 8 + (((size_t)wire_u32(&reader) + 7) & ~(size_t)7);
}

/* A data directory of an earlier version: nothing is promised of its log. */
START_TEST(term_and_vote_of_a_version_that_did_not_note_the_log_are_read)
{
    uint8_t bytes[META_SLOT];
    struct raft_meta meta = {.cluster = 1,
                             .member = 2,
                             .sequence = 3,
                             .term = 4,
                             .vote = 5,
                             .incarnation = 6,
                             .extent = {.reached = 7, .segment = 8},
                             .floor = {.term = 9, .index = 10}};
    struct raft_meta read;
    struct slice slot = slice_of(bytes, sizeof(bytes));
    ck_assert_int_eq(raft_members_add(&meta.bootstrap, 2, "m", "http://m", RAFT_MEMBER_VOTER), 0);
    raft_meta_encode(&meta, bytes);
    ck_assert_int_eq(raft_meta_decode(slot, &read), 0);
    ck_assert_uint_eq(read.extent.reached, 7);
    ck_assert_uint_eq(read.extent.segment, 8);
    ck_assert_uint_eq(read.floor.term, 9);
    ck_assert_uint_eq(read.floor.index, 10);
    memset(bytes + meta_tail(bytes), 0, META_SLOT - meta_tail(bytes)); /* As it left them. */
    ck_assert_int_eq(raft_meta_decode(slot, &read), 0);
    ck_assert_uint_eq(read.term, 4);
    ck_assert_uint_eq(read.vote, 5);
    ck_assert_uint_eq(read.bootstrap.count, 1);
    ck_assert_uint_eq(read.extent.reached, 0);
    ck_assert_uint_eq(read.extent.segment, 0);
    ck_assert_uint_eq(read.floor.term, 0);
}
END_TEST

START_TEST(halves_of_two_writes_of_term_and_vote_are_no_whole)
{
    uint8_t before[META_SLOT], after[META_SLOT];
    struct raft_meta meta = {.cluster = 1, .member = 2, .sequence = 3, .extent = {.segment = 8}};
    struct raft_meta read;
    ck_assert_int_eq(raft_members_add(&meta.bootstrap, 2, "m", "http://m", RAFT_MEMBER_VOTER), 0);
    raft_meta_encode(&meta, before);
    meta.sequence = 4;
    meta.extent.segment = 9;
    raft_meta_encode(&meta, after);
    size_t tail = meta_tail(after);
    memcpy(after + tail, before + tail, META_SLOT - tail);
    ck_assert_int_eq(raft_meta_decode(slice_of(after, sizeof(after)), &read), -EBADMSG);
}
END_TEST

START_TEST(an_entry_outlives_those_that_it_shares_memory_with)
{
    enum { COUNT = 5 };
    struct raft_entry *entries[COUNT];
    struct raft_entry_block *block = raft_entry_block_new(COUNT, 0 + 1 + 2 + 3 + 4);
    uint64_t chain = 0;
    for (size_t i = 0; i < COUNT; i++) {
        entries[i] =
            raft_entry_new_in(block, i + 1, 1, RAFT_ENTRY_COMMAND, chain, slice_of("abcd", i));
        chain = entries[i]->chain;
    }
    raft_entry_block_release(block);
    struct raft_entry *kept = raft_entry_ref(entries[3]);
    for (size_t i = 0; i < COUNT; i++) {
        raft_entry_unref(entries[i]);
    }
    ck_assert_uint_eq(kept->index, 4);
    ck_assert_int_eq(memcmp(kept->data, "abc", 3), 0);
    raft_entry_unref(kept);
}
END_TEST

START_TEST(a_message_survives_its_encoding_and_no_part_of_it_decodes)
{
    struct raft_entry *entries[2];
    entries[0] = raft_entry_new(8, 3, RAFT_ENTRY_NOOP, 77, slice_of(NULL, 0));
    entries[1] = raft_entry_new(9, 4, RAFT_ENTRY_COMMAND, entries[0]->chain, slice_text("abc"));
    struct raft_message message = {.kind = RAFT_APPEND,
                                   .cluster = 1,
                                   .from = 2,
                                   .to = 3,
                                   .term = 4,
                                   .last = {7, 3, 77},
                                   .commit = 6,
                                   .entries = entries,
                                   .entry_count = 2};
    struct buffer bytes;
    struct raft_message back;
    buffer_init(&bytes, 4096);
    raft_message_encode(&message, &bytes);
    ck_assert_int_eq(raft_message_decode(buffer_slice(&bytes), &back), 0);
    ck_assert_uint_eq(back.entry_count, 2);
    ck_assert_uint_eq(back.entries[1]->chain, entries[1]->chain);
    ck_assert_uint_eq(back.commit, 6);
    raft_message_release(&back);
    for (size_t len = 0; len < bytes.len; len++) {
        /* A copy of its own size, so that the address sanitizer sees a read beyond it. */
        uint8_t *part = alloc_bytes(len + 1);
        memcpy(part, bytes.data, len);
        ck_assert_int_eq(raft_message_decode(slice_of(part, len), &back), -EBADMSG);
        free(part);
    }
    buffer_release(&bytes);
    raft_entry_unref(entries[0]);
    raft_entry_unref(entries[1]);
}
END_TEST

Suite *format_suite(void)
{
    Suite *suite = suite_create("raft/format");
    TCase *tcase = tcase_create("bytes");
    tcase_add_test(tcase, crc32c_has_the_value_of_rfc_3720);
    tcase_add_test(tcase, a_write_cut_off_after_the_mark_is_a_torn_tail);
    tcase_add_test(tcase, a_flipped_bit_in_a_durable_entry_is_damage);
    tcase_add_test(tcase, a_file_that_is_shorter_than_it_was_made_is_damage);
    tcase_add_test(tcase, a_header_from_before_the_length_was_in_it_is_still_good);
    tcase_add_test(tcase, what_lies_whole_behind_damage_may_have_been_acknowledged);
    tcase_add_test(tcase, a_later_record_proves_an_earlier_one_durable_without_a_mark);
    tcase_add_test(tcase, a_record_of_another_past_ends_the_log);
    tcase_add_test(tcase, what_a_truncation_left_before_the_next_segment_is_not_read);
    tcase_add_test(tcase, term_and_vote_of_a_version_that_did_not_note_the_log_are_read);
    tcase_add_test(tcase, halves_of_two_writes_of_term_and_vote_are_no_whole);
    tcase_add_test(tcase, an_entry_outlives_those_that_it_shares_memory_with);
    tcase_add_test(tcase, a_message_survives_its_encoding_and_no_part_of_it_decodes);
    suite_add_tcase(suite, tcase);
    return suite;
}
