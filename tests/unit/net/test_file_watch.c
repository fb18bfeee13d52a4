#include "lib/net/file_watch.h"

#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

Suite *file_watch_suite(void);

/* A watch that looks every millisecond at one file of a folder of its own. */
struct scene {
    struct loop *loop;
    struct file_watch *watch;
    char folder[64], path[96], other[96];
    unsigned changes, failures;
    struct buffer last; /* What the last change brought, or why the last failure was. */
    bool close_in_event;
};

static struct scene *scene;

static void note(struct scene *of, struct slice text)
{
    buffer_clear(&of->last);
    buffer_append_slice(&of->last, text);
    if (of->close_in_event) {
        file_watch_close(TAKE(of->watch));
    }
}

static void on_changed(void *data, struct slice bytes)
{
    struct scene *of = data;
    of->changes++;
    note(of, bytes);
}

static void on_failed(void *data, const char *message)
{
    struct scene *of = data;
    of->failures++;
    note(of, slice_text(message));
}

static void write_file(const char *path, const char *text)
{
    ck_assert_int_eq(file_write(path, slice_text(text), 0600, NULL), 0);
}

static void watch_it(uint64_t read_ms)
{
    static const struct file_watch_events events = {.changed = on_changed, .failed = on_failed};
    const struct file_watch_options options = {.path = scene->path,
                                               .known = slice_text("first"),
                                               .size_max = 16,
                                               .look_ms = 1,
                                               .read_ms = read_ms};
    scene->watch = file_watch_open(scene->loop, &options, &events, scene);
}

/* Until so many events were seen in all. */
static void run_until(unsigned events)
{
    for (unsigned turns = 0; scene->changes + scene->failures < events; turns++) {
        ck_assert_uint_lt(turns, 100000);
        loop_turn(scene->loop, /* wait= */ true);
    }
}

/* Enough turns for several looks. */
static void run_a_while(void)
{
    for (unsigned turns = 0; turns < 50; turns++) {
        loop_turn(scene->loop, /* wait= */ true);
    }
}

static void setup(void)
{
    scene = alloc_zeroed(sizeof(*scene));
    ck_assert_int_eq(loop_new("test", &scene->loop), 0);
    strcpy(scene->folder, "/tmp/coracle_watch_XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(scene->folder));
    snprintf(scene->path, sizeof(scene->path), "%s/file", scene->folder);
    snprintf(scene->other, sizeof(scene->other), "%s/other", scene->folder);
    buffer_init(&scene->last, 4096);
    write_file(scene->path, "first");
}

static void teardown(void)
{
    file_watch_close(scene->watch);
    (void)unlink(scene->path);
    (void)unlink(scene->other);
    (void)rmdir(scene->folder);
    buffer_release(&scene->last);
    loop_free(scene->loop);
    free(scene);
}

START_TEST(bytes_that_are_known_already_are_no_change)
{
    watch_it(/* read_ms= */ 1); /* Reads it at each look. */
    run_a_while();
    write_file(scene->path, "first");
    run_a_while();
    ck_assert_uint_eq(scene->changes + scene->failures, 0);
}
END_TEST

START_TEST(what_changed_between_the_first_reading_and_the_watch_is_noticed)
{
    write_file(scene->path, "second");
    watch_it(0);
    run_until(1);
    ck_assert_uint_eq(scene->changes, 1);
    ck_assert_str_eq(buffer_text(&scene->last), "second");
}
END_TEST

START_TEST(each_change_is_told_once)
{
    watch_it(0);
    write_file(scene->path, "second");
    run_until(1);
    run_a_while();
    write_file(scene->path, "third");
    run_until(2);
    run_a_while();
    ck_assert_uint_eq(scene->changes, 2);
    ck_assert_str_eq(buffer_text(&scene->last), "third");
}
END_TEST

START_TEST(a_link_that_points_elsewhere_is_a_change)
{
    ck_assert_int_eq(rename(scene->path, scene->other), 0);
    ck_assert_int_eq(symlink("other", scene->path), 0);
    watch_it(0);
    run_a_while();
    ck_assert_uint_eq(scene->changes, 0);
    write_file(scene->other, "linked");
    run_until(1);
    ck_assert_str_eq(buffer_text(&scene->last), "linked");
}
END_TEST

START_TEST(a_file_that_is_gone_fails_once_and_is_taken_when_it_is_back)
{
    watch_it(0);
    ck_assert_int_eq(unlink(scene->path), 0);
    run_until(1);
    run_a_while();
    ck_assert_uint_eq(scene->failures, 1);
    ck_assert_ptr_nonnull(strstr(buffer_text(&scene->last), "cannot read"));
    write_file(scene->path, "back");
    run_until(2);
    ck_assert_uint_eq(scene->changes, 1);
}
END_TEST

START_TEST(a_file_that_is_too_large_is_not_taken)
{
    watch_it(0);
    write_file(scene->path, "far more than sixteen bytes");
    run_until(1);
    ck_assert_uint_eq(scene->changes, 0);
    ck_assert_ptr_nonnull(strstr(buffer_text(&scene->last), "larger than 16 bytes"));
}
END_TEST

START_TEST(a_watch_may_be_closed_by_its_event)
{
    scene->close_in_event = true;
    watch_it(0);
    write_file(scene->path, "second");
    run_until(1);
    write_file(scene->path, "third");
    loop_turn(scene->loop, /* wait= */ false);
    ck_assert_uint_eq(scene->changes, 1);
}
END_TEST

Suite *file_watch_suite(void)
{
    Suite *suite = suite_create("net/file_watch");
    TCase *tcase = tcase_create("file");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, bytes_that_are_known_already_are_no_change);
    tcase_add_test(tcase, what_changed_between_the_first_reading_and_the_watch_is_noticed);
    tcase_add_test(tcase, each_change_is_told_once);
    tcase_add_test(tcase, a_link_that_points_elsewhere_is_a_change);
    tcase_add_test(tcase, a_file_that_is_gone_fails_once_and_is_taken_when_it_is_back);
    tcase_add_test(tcase, a_file_that_is_too_large_is_not_taken);
    tcase_add_test(tcase, a_watch_may_be_closed_by_its_event);
    suite_add_tcase(suite, tcase);
    return suite;
}
