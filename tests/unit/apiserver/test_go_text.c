/* What clients see of Go's strconv and mime. */
#include "apiserver/go_text.h"
#include "apiserver/media_type.h"

#include <check.h>

START_TEST(integers_are_refused_in_the_words_of_strconv)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    int64_t value = 7;
    ck_assert_ptr_null(go_text_int(arena, "-9223372036854775808", &value));
    ck_assert_int_eq(value, INT64_MIN);
    ck_assert_ptr_null(go_text_int(arena, "+5", &value));
    ck_assert_int_eq(value, 5);
    ck_assert_str_eq(go_text_int(arena, "", &value),
                     "strconv.ParseInt: parsing \"\": invalid syntax");
    ck_assert_str_eq(go_text_int(arena, " 5", &value),
                     "strconv.ParseInt: parsing \" 5\": invalid syntax");
    ck_assert_str_eq(go_text_int(arena, "9223372036854775808", &value),
                     "strconv.ParseInt: parsing \"9223372036854775808\": value out of range");
    ck_assert_int_eq(value, 5);
}
END_TEST

START_TEST(what_has_a_sign_is_no_unsigned_number)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    uint64_t value = 0;
    ck_assert_ptr_null(go_text_uint(arena, "18446744073709551615", &value));
    ck_assert_uint_eq(value, UINT64_MAX);
    ck_assert_str_eq(go_text_uint(arena, "+5", &value),
                     "strconv.ParseUint: parsing \"+5\": invalid syntax");
    ck_assert_str_eq(go_text_uint(arena, "18446744073709551616", &value),
                     "strconv.ParseUint: parsing \"18446744073709551616\": value out of range");
}
END_TEST

START_TEST(truth_has_twelve_spellings)
{
    bool value = false;
    ck_assert(go_text_bool("T", &value));
    ck_assert(value);
    ck_assert(go_text_bool("False", &value));
    ck_assert(!value);
    ck_assert(!go_text_bool("yes", &value));
    ck_assert(!go_text_bool(NULL, &value));
}
END_TEST

START_TEST(a_package_is_named_after_its_group)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    ck_assert_str_eq(go_text_package(arena, ""), "core");
    ck_assert_str_eq(go_text_package(arena, "apps"), "apps");
    ck_assert_str_eq(go_text_package(arena, "rbac.authorization.k8s.io"), "rbac");
    ck_assert_str_eq(go_text_package(arena, "events.k8s.io"), "core");
}
END_TEST

START_TEST(a_media_type_has_whole_parameters)
{
    static const char *const types[] = {"a/b", " A/b;", "a", "a/b ; c=d;c=d",
                                        "a/b;c=\"d;\\\"e\" ;"};
    static const char *const none[] = {"",          ";",         "a/",          "a/b c",
                                       "a/b;c",     "a/b;;",     "a/b;c=",      "a/b;=d",
                                       "a/b;c=d e", "a/b;c=\"d", "a/b;c=d;C=e", "/b"};
    struct slice type = {.len = 0};
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        ck_assert_msg(media_type_parse(slice_text(types[i]), &type), "%s", types[i]);
        ck_assert(type.len == 1 || (type.len == 3 && type.data[1] == '/'));
    }
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        ck_assert_msg(!media_type_parse(slice_text(none[i]), &type), "%s", none[i]);
    }
}
END_TEST

Suite *go_text_suite(void);

Suite *go_text_suite(void)
{
    Suite *suite = suite_create("go_text");
    TCase *tcase = tcase_create("words");
    tcase_add_test(tcase, integers_are_refused_in_the_words_of_strconv);
    tcase_add_test(tcase, what_has_a_sign_is_no_unsigned_number);
    tcase_add_test(tcase, truth_has_twelve_spellings);
    tcase_add_test(tcase, a_media_type_has_whole_parameters);
    tcase_add_test(tcase, a_package_is_named_after_its_group);
    suite_add_tcase(suite, tcase);
    return suite;
}
