/* Warning headers: what may be in them, and how much. */
#include "apiserver/warnings.h"

#include "lib/base/compiler.h"
#include <check.h>
#include <string.h>

START_TEST(a_warning_is_quoted_and_left_out_when_it_cannot_be_a_header)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    static const char *const texts[] = {
        "a \"b\" \\ c", "two\nlines",         "bell\a", "\x7f", "\xc2\x85",
        "broken \xff",  "gr\xc3\xbc\xc3\x9f", ""};
    const char *values[8];
    ck_assert_uint_eq(warning_values(arena, texts, 8, values), 2);
    ck_assert_str_eq(values[0], "299 - \"a \\\"b\\\" \\\\ c\"");
    ck_assert_str_eq(values[1], "299 - \"gr\xc3\xbc\xc3\x9f\"");
}
END_TEST

START_TEST(warnings_are_whole_until_all_of_them_are_too_much)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    enum { LONG = 4000 };
    char text[LONG + 1], other[LONG + 1];
    memset(text, 'x', LONG);
    memset(other, 'y', LONG);
    text[LONG] = other[LONG] = '\0';
    const char *texts[] = {text, "short", other};
    const char *values[3];
    const size_t around = strlen("299 - \"\"");
    ck_assert_uint_eq(warning_values(arena, texts, 2, values), 2);
    ck_assert_uint_eq(strlen(values[0]), LONG + around);
    ck_assert_uint_eq(warning_values(arena, texts, 3, values), 3);
    ck_assert_uint_eq(strlen(values[0]), 256 + around);
    ck_assert_str_eq(values[1], "299 - \"short\"");
    ck_assert_uint_eq(strlen(values[2]), 256 + around);
}
END_TEST

START_TEST(what_comes_after_the_warning_that_was_too_much_comes_cut_until_it_is_too_much_again)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    enum { EACH = 300, ALL = 40, BEFORE = 14 /* The 14th makes it more than 4096 characters. */ };
    char each[EACH + 1];
    memset(each, 'x', EACH);
    each[EACH] = '\0';
    const char *texts[ALL], *values[ALL];
    for (size_t i = 0; i < ALL; i++) {
        texts[i] = each;
    }
    const size_t around = strlen("299 - \"\"");
    ck_assert_uint_eq(warning_values(arena, texts, BEFORE - 1, values), BEFORE - 1);
    ck_assert_uint_eq(strlen(values[0]), EACH + around);
    ck_assert_uint_eq(warning_values(arena, texts, BEFORE, values), BEFORE);
    ck_assert_uint_eq(strlen(values[0]), 256 + around);
    ck_assert_uint_eq(warning_values(arena, texts, ALL, values), 4096 / 256);
    ck_assert_uint_eq(strlen(values[15]), 256 + around);
}
END_TEST

START_TEST(of_yaml_each_line_is_a_warning)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const char *texts[2];
    ck_assert_uint_eq(warning_texts(arena, "unknown field \"a\"", texts, 2), 1);
    ck_assert_str_eq(texts[0], "unknown field \"a\"");
    static const char problem[] =
        "yaml: unmarshal errors:\n  line 1: key \"a\" already set in map\n"
        "  line 2: key \"b\" already set in map";
    ck_assert_uint_eq(warning_texts(arena, problem, texts, 2), 2);
    ck_assert_str_eq(texts[0], "line 1: key \"a\" already set in map");
    ck_assert_str_eq(texts[1], "line 2: key \"b\" already set in map");
    ck_assert_uint_eq(warning_texts(arena, problem, texts, 1), 1);
}
END_TEST

Suite *warnings_suite(void);
Suite *warnings_suite(void)
{
    Suite *suite = suite_create("apiserver/warnings");
    TCase *tcase = tcase_create("headers");
    tcase_add_test(tcase, a_warning_is_quoted_and_left_out_when_it_cannot_be_a_header);
    tcase_add_test(tcase, warnings_are_whole_until_all_of_them_are_too_much);
    tcase_add_test(
        tcase, what_comes_after_the_warning_that_was_too_much_comes_cut_until_it_is_too_much_again);
    tcase_add_test(tcase, of_yaml_each_line_is_a_warning);
    suite_add_tcase(suite, tcase);
    return suite;
}
