/* base64 in its three readings: RFC 4648's, base64url, and the one of JSON's []byte. */
#include "lib/base/base64.h"
#include <check.h>
#include <errno.h>

Suite *base64_suite(void);

START_TEST(base64_follows_the_rfc)
{
    const char *plain[] = {"", "f", "fo", "foo", "foob", "fooba", "foobar"};
    const char *coded[] = {"", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"};
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        CLEANUP(buffer_release) struct buffer out;
        buffer_init(&out, 100);
        base64_encode(slice_text(plain[i]), &out);
        ck_assert_str_eq(buffer_text(&out), coded[i]);
        buffer_clear(&out);
        ck_assert_int_eq(base64_decode(slice_text(coded[i]), &out), 0);
        ck_assert_str_eq(buffer_text(&out), plain[i]);
    }
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 100);
    ck_assert_int_eq(base64url_decode(slice_text("-_8"), &out), 0);
    ck_assert_int_eq(base64url_decode(slice_text("+/8"), &out), -EINVAL);
    ck_assert_int_eq(base64url_decode(slice_text("A"), &out), -EINVAL);
    ck_assert_int_eq(base64url_decode(slice_text("Zh"), &out), -EINVAL); /* Bits left over. */
}
END_TEST

START_TEST(padded_text_is_read_as_go_reads_bytes)
{
    uint8_t out[32];
    size_t len = 0;
    size_t position = 0;
    ck_assert_int_eq(base64_decode_padded(slice_text("Zm9v\nYmE=\r\n"), out, &len, &position), 0);
    ck_assert_uint_eq(len, 5);
    ck_assert_mem_eq(out, "fooba", 5);
    const struct {
        const char *text;
        size_t position;
    } bad[] = {{"Zm9v!", 4}, {"Zg=", 3}, {"Zg", 0}, {"Zm9vZg", 4}, {"Zg==Zg==", 4}, {"Z===", 1}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_int_eq(base64_decode_padded(slice_text(bad[i].text), out, &len, &position),
                         -EINVAL);
        ck_assert_msg(position == bad[i].position, "%s: byte %zu", bad[i].text, position);
    }
}
END_TEST

START_TEST(tokens_are_read_as_go_reads_them)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 64);
    size_t position = 99;
    ck_assert_int_eq(base64url_decode_loosely(slice_text("Zm9v\nYmE\n"), &out, &position), 0);
    ck_assert_str_eq(buffer_text(&out), "fooba");
    ck_assert_int_eq(base64url_decode_loosely(slice_text("Zh"), &out, &position), 0);
    ck_assert_str_eq(buffer_text(&out), "foobaf"); /* Bits left over are not looked at. */
    ck_assert_int_eq(base64url_decode_loosely(slice_text("Zm9v="), &out, &position), -EINVAL);
    ck_assert_uint_eq(position, 4);
    ck_assert_int_eq(base64url_decode_loosely(slice_text("Zm9vY"), &out, &position), -EINVAL);
    ck_assert_uint_eq(position, 4);
}
END_TEST

Suite *base64_suite(void)
{
    Suite *suite = suite_create("base64");
    TCase *tcase = tcase_create("texts");
    tcase_add_test(tcase, base64_follows_the_rfc);
    tcase_add_test(tcase, padded_text_is_read_as_go_reads_bytes);
    tcase_add_test(tcase, tokens_are_read_as_go_reads_them);
    suite_add_tcase(suite, tcase);
    return suite;
}
