/* Digests and checksums: the values are the same everywhere, and every bit counts. */
#include "lib/base/crc32c.h"
#include "lib/base/digest.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

Suite *digest_suite(void);

START_TEST(every_bit_and_the_length_count)
{
    uint8_t bytes[80] = {0};
    for (size_t len = 0; len <= sizeof(bytes); len++) {
        uint64_t before = digest64(7, slice_of(bytes, len));
        ck_assert(digest64(8, slice_of(bytes, len)) != before);
        ck_assert(len == 0 || digest64(7, slice_of(bytes, len - 1)) != before);
        for (size_t bit = 0; bit < len * 8; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            ck_assert(digest64(7, slice_of(bytes, len)) != before);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}
END_TEST

/* Written to disks: a change of the function is a change of the format. */
START_TEST(digest_values_stay)
{
    ck_assert_uint_eq(digest64(0, slice_text("")), UINT64_C(12020293653659417689));
    ck_assert_uint_eq(digest64(1, slice_text("0123456789abcdef0")), UINT64_C(4253793225721697225));
}
END_TEST

START_TEST(digests_of_counted_texts_do_not_meet)
{
    enum { COUNT = 100000 };
    uint64_t *all = calloc(COUNT, sizeof(*all));
    for (uint64_t i = 0; i < COUNT; i++) {
        all[i] = digest64(0, slice_of(&i, sizeof(i)));
    }
    uint64_t low_bits[256] = {0};
    for (size_t i = 0; i < COUNT; i++) {
        low_bits[all[i] & 255]++;
    }
    for (size_t i = 0; i < 256; i++) {
        ck_assert_uint_gt(low_bits[i], COUNT / 256 / 2);
        ck_assert_uint_lt(low_bits[i], COUNT / 256 * 2);
    }
    free(all);
}
END_TEST

START_TEST(crc32c_by_instruction_and_by_table_agree)
{
    uint8_t bytes[300];
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * 37 + 11);
    }
    for (size_t len = 0; len < sizeof(bytes); len++) {
        for (size_t from = 0; from < 8 && from <= len; from++) {
            struct slice part = slice_of(bytes + from, len - from);
            ck_assert_uint_eq(crc32c((uint32_t)len, part), crc32c_by_table((uint32_t)len, part));
        }
    }
}
END_TEST

Suite *digest_suite(void)
{
    Suite *suite = suite_create("digest");
    TCase *tcase = tcase_create("digest");
    tcase_add_test(tcase, every_bit_and_the_length_count);
    tcase_add_test(tcase, digest_values_stay);
    tcase_add_test(tcase, digests_of_counted_texts_do_not_meet);
    tcase_add_test(tcase, crc32c_by_instruction_and_by_table_agree);
    suite_add_tcase(suite, tcase);
    return suite;
}
