/* Files of volumes, on a directory of the test's own. */
#include "agent/volumes.h"
#include "tests/unit/agent/suites.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];

static void setup(void)
{
    strcpy(dir, "/tmp/coracle-volumes-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
}

static void teardown(void)
{
    ck_assert_int_eq(volumes_remove_tree(dir, NULL), 0);
    ck_assert_int_ne(access(dir, F_OK), 0);
}

static const char *read_file(const char *name)
{
    static char text[256];
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        return "(none)";
    }
    text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
    fclose(file);
    return text;
}

static void write_payload(struct payload_file *files, size_t count)
{
    struct payload payload = {.items = files, .count = count};
    struct error error = {0};
    ck_assert_msg(payload_write(dir, &payload, -1, &error) == 0, "%s", error_message(&error));
}

static ino_t data_link(void)
{
    char path[256];
    struct stat stat_of;
    snprintf(path, sizeof(path), "%s/..data", dir);
    ck_assert_int_eq(lstat(path, &stat_of), 0);
    return stat_of.st_ino;
}

START_TEST(files_change_in_one_step_and_stale_ones_go)
{
    struct payload_file first[] = {{"a", slice_text("1"), 0644}, {"sub/b", slice_text("2"), 0400}};
    struct payload_file second[] = {{"a", slice_text("one"), 0644}};
    write_payload(first, 2);
    ck_assert_str_eq(read_file("a"), "1");
    ck_assert_str_eq(read_file("sub/b"), "2");
    write_payload(second, 1);
    ck_assert_str_eq(read_file("a"), "one");
    ck_assert_str_eq(read_file("sub/b"), "(none)");
}
END_TEST

START_TEST(unchanged_files_are_not_written)
{
    struct payload_file files[] = {{"a", slice_text("1"), 0644}};
    write_payload(files, 1);
    ino_t before = data_link();
    write_payload(files, 1);
    ck_assert_uint_eq(data_link(), before);
}
END_TEST

START_TEST(an_empty_volume_holds_nothing)
{
    write_payload(NULL, 0);
    ck_assert_str_eq(read_file("a"), "(none)");
}
END_TEST

Suite *volumes_suite(void)
{
    Suite *suite = suite_create("agent/volumes");
    TCase *tcase = tcase_create("payload");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, files_change_in_one_step_and_stale_ones_go);
    tcase_add_test(tcase, unchanged_files_are_not_written);
    tcase_add_test(tcase, an_empty_volume_holds_nothing);
    suite_add_tcase(suite, tcase);
    return suite;
}
