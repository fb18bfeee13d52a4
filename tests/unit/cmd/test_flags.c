#include "cmd/flags.h"

#include "lib/base/config.h"
#include "lib/base/file.h"
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

Suite *flags_suite(void);

static struct flag flags[5];
static struct flag_set set;
static struct error error;

static void setup(void)
{
    flags[0] =
        (struct flag){.name = "name", .placeholder = "N", .help = "a name", .required = true};
    flags[1] = (struct flag){.name = "list", .placeholder = "L", .help = "a list", .list = true};
    flags[2] = (struct flag){.name = "size", .placeholder = "S", .help = "a size", .fallback = "7"};
    flags[3] = (struct flag){.name = "on", .help = "a switch"};
    flags[4] = (struct flag){.name = "config", .placeholder = "FILE", .help = "a file"};
    set = (struct flag_set){.usage = "x", .summary = "y", .flags = flags, .count = 5};
    error = (struct error){.code = 0};
}

static void teardown(void)
{
    flag_set_release(&set);
    error_release(&error);
}

static int parse(int argc, char **argv)
{
    return flag_set_parse(&set, argc, argv, &error);
}

#define PARSE(...)                                                                                 \
    parse((int)(sizeof((char *[]){__VA_ARGS__}) / sizeof(char *)), (char *[]){__VA_ARGS__})

START_TEST(values_come_after_a_space_or_an_equals_sign)
{
    ck_assert_int_eq(PARSE("--name", "a", "--size=9", "--on"), 0);
    ck_assert_str_eq(flag_text(&set, "name"), "a");
    ck_assert(flag_on(&set, "on"));
    long size;
    ck_assert_int_eq(flag_number(&set, "size", 1, 9, &size, &error), 0);
    ck_assert_int_eq(size, 9);
    ck_assert_int_eq(flag_number(&set, "size", 1, 8, &size, &error), -EINVAL);
    ck_assert_str_eq(error_message(&error), "--size=9: must be a number from 1 to 8");
}
END_TEST

START_TEST(lists_grow_by_repetition_and_by_commas)
{
    ck_assert_int_eq(PARSE("--name", "a", "--list", "1,2", "--list=3"), 0);
    const struct flag *list = flag_get(&set, "list");
    ck_assert_uint_eq(list->count, 3);
    ck_assert_str_eq(list->values[1], "2");
    ck_assert_str_eq(list->values[2], "3");
}
END_TEST

START_TEST(a_flag_has_another_name_too)
{
    flags[2].alias = "length";
    ck_assert_int_eq(PARSE("--name", "a", "--length=8"), 0);
    ck_assert_str_eq(flag_text(&set, "size"), "8");
}
END_TEST

START_TEST(mistakes_name_the_flag)
{
    ck_assert_int_eq(PARSE("--nmae", "a"), -EINVAL);
    ck_assert_str_eq(error_message(&error), "unknown flag --nmae; see --help");
    ck_assert_int_eq(PARSE("--name"), -EINVAL);
    ck_assert_str_eq(error_message(&error), "--name needs a value (N)");
    ck_assert_int_eq(PARSE("--on"), -EINVAL);
    ck_assert_str_eq(error_message(&error), "--name is required: a name");
    ck_assert_int_eq(PARSE("--name", "a", "word"), -EINVAL);
    ck_assert_int_eq(PARSE("--name", "a", "--on=yes"), -EINVAL);
    ck_assert_str_eq(error_message(&error), "--on=yes: must be true or false");
}
END_TEST

START_TEST(a_value_that_was_forgotten_is_not_the_next_flag)
{
    ck_assert_int_eq(PARSE("--name", "--size=9"), -EINVAL);
    ck_assert_str_eq(error_message(&error), "--name needs a value (N)");
    ck_assert_int_eq(PARSE("--name", "--other"), 0);
    ck_assert_str_eq(flag_text(&set, "name"), "--other");
    ck_assert_int_eq(PARSE("--name=--size"), 0);
    ck_assert_str_eq(flag_text(&set, "name"), "--size");
}
END_TEST

START_TEST(what_fails_with_a_fallback_says_which_flag_to_give)
{
    ck_assert_int_eq(PARSE("--name", "a"), 0);
    (void)error_set(&error, -ECONNREFUSED, "nobody there");
    flag_explain(&set, "size", &error);
    ck_assert_str_eq(error_message(&error), "nobody there. Give --size S: a size");
    ck_assert_int_eq(error.code, -ECONNREFUSED);
    (void)error_set(&error, -ECONNREFUSED, "nobody there");
    flag_explain(&set, "name", &error);
    ck_assert_str_eq(error_message(&error), "nobody there");
}
END_TEST

START_TEST(the_command_line_wins_over_the_file)
{
    char path[] = "/tmp/coracle_flags_XXXXXX";
    int made = mkstemp(path);
    ck_assert_int_ge(made, 0);
    close(made);
    ck_assert_int_eq(
        file_write(path, slice_text("name: file\nsize: 5 # five\nlist: [a, b]\n"), 0600, &error),
        0);
    ck_assert_int_eq(PARSE("--config", path, "--size", "6"), 0);
    ck_assert_str_eq(flag_text(&set, "name"), "file");
    ck_assert_str_eq(flag_text(&set, "size"), "6");
    ck_assert_uint_eq(flag_get(&set, "list")->count, 2);
    ck_assert_int_eq(file_write(path, slice_text("nmae: x\n"), 0600, &error), 0);
    teardown();
    setup();
    ck_assert_int_eq(PARSE("--config", path), -EINVAL);
    ck_assert_ptr_nonnull(strstr(error_message(&error), "line 1: there is no setting nmae"));
    unlink(path);
}
END_TEST

START_TEST(files_that_are_no_flat_mapping_are_refused_with_their_line)
{
    static const char *const bad[] = {"a: {b: c}", "- a",     "a: [[b]]",  "a: *x",
                                      "a: [b",     "a\nb: c", "? [a]\n: b"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct config config;
        ck_assert_int_eq(config_parse(slice_text(bad[i]), &config, &error), -EINVAL);
        ck_assert_ptr_nonnull(strstr(error_message(&error), "line "));
    }
    struct config config;
    ck_assert_int_eq(config_parse(slice_text("# nothing\n"), &config, &error), 0);
    ck_assert_uint_eq(config.count, 0);
    config_release(&config);
}
END_TEST

Suite *flags_suite(void)
{
    Suite *suite = suite_create("cmd/flags");
    TCase *tcase = tcase_create("flags");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, values_come_after_a_space_or_an_equals_sign);
    tcase_add_test(tcase, lists_grow_by_repetition_and_by_commas);
    tcase_add_test(tcase, a_flag_has_another_name_too);
    tcase_add_test(tcase, mistakes_name_the_flag);
    tcase_add_test(tcase, a_value_that_was_forgotten_is_not_the_next_flag);
    tcase_add_test(tcase, what_fails_with_a_fallback_says_which_flag_to_give);
    tcase_add_test(tcase, the_command_line_wins_over_the_file);
    tcase_add_test(tcase, files_that_are_no_flat_mapping_are_refused_with_their_line);
    suite_add_tcase(suite, tcase);
    return suite;
}
