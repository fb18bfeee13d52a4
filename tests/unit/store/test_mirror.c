/* The mirror of somebody's etcd: revisions taken over as they are, order, uniqueness, lost
 * events noticed, progress, and the list after a compaction told as changes. */
#include "store/remote/mirror.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

Suite *mirror_suite(void);

static struct remote_keys keys;
static struct mirror *mirror;
static char told[8192];
static int64_t told_revision;
static int ended;

static void no_wake(void *data)
{
    (void)data;
}

static void tell(const char *format, ...) PRINTF_LIKE(1, 2);

static void tell(const char *format, ...)
{
    size_t len = strlen(told);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(told + len, sizeof(told) - len, format, arguments);
    va_end(arguments);
}

static void on_events(void *data, int64_t revision, const struct store_event *events, size_t count)
{
    (void)data;
    ck_assert_int_gt(revision, told_revision);
    told_revision = revision;
    if (count == 0) {
        tell(" %d.", (int)revision);
    }
    for (size_t i = 0; i < count; i++) {
        const struct store_kv *kv = events[i].kv;
        ck_assert_int_eq(kv->mod_revision, revision);
        tell("%s%d%c%.*s=%.*s", i == 0 ? " " : ",", (int)revision,
             events[i].kind == STORE_EVENT_PUT ? '+' : '-', (int)kv->key.len - 10,
             kv->key.data + 10, (int)kv->value.len, kv->value.data);
    }
}

static void on_gap(void *data, int64_t revision)
{
    (void)data;
    ck_assert_int_eq(revision, told_revision);
    tell(" gap%d", (int)revision);
}

static void on_end(void *data, int status, int64_t compact_revision)
{
    (void)data;
    (void)compact_revision;
    ended = status;
}

static void watch_all(int64_t start)
{
    struct store_watch_options options = {.key = slice_of("", 1),
                                          .end = slice_of("", 1),
                                          .start_revision = start,
                                          .progress = true,
                                          .on_events = on_events,
                                          .on_gap = on_gap,
                                          .on_end = on_end};
    ck_assert_ptr_nonnull(mirror_watch(mirror, &options));
}

static void setup(void)
{
    ck_assert_int_eq(remote_keys_init(&keys, "/there"), 0);
    mirror = mirror_new(&keys, no_wake, NULL);
    told[0] = '\0';
    told_revision = 0;
    ended = 0;
}

static void teardown(void)
{
    mirror_free(mirror);
}

static struct mirror_entry entry(const char *key, const char *value, int64_t create, int64_t mod,
                                 int64_t version)
{
    return (struct mirror_entry){.key = slice_text(key),
                                 .value = slice_text(value),
                                 .create_revision = create,
                                 .mod_revision = mod,
                                 .version = version};
}

static int put(const char *key, const char *value, int64_t create, int64_t mod, int64_t version)
{
    struct mirror_entry put_entry = entry(key, value, create, mod, version);
    return mirror_event(mirror, &put_entry);
}

static int delete (const char *key, int64_t mod)
{
    struct mirror_entry gone = entry(key, "", 0, mod, 0);
    return mirror_event(mirror, &gone);
}

static void list(const char *key, const char *value, int64_t create, int64_t mod, int64_t version)
{
    struct mirror_entry one = entry(key, value, create, mod, version);
    ck_assert_int_eq(mirror_list_add(mirror, &one), 0);
}

static void fill_two(void)
{
    mirror_list_begin(mirror, 10);
    list("/there/a", "1", 3, 7, 4);
    list("/there/b", "1", 9, 9, 1);
    mirror_list_end(mirror);
}

static const struct store_kv *get(const char *key)
{
    return mirror_get(mirror, slice_text(key));
}

/* --- Filling and following. */

START_TEST(the_first_list_becomes_the_state_with_the_numbers_of_there)
{
    fill_two();
    const struct store_kv *kv = get("/registry/a");
    ck_assert_ptr_nonnull(kv);
    ck_assert_int_eq(kv->create_revision, 3);
    ck_assert_int_eq(kv->mod_revision, 7);
    ck_assert_int_eq(kv->version, 4);
    ck_assert_int_eq(mirror_revision(mirror), 10);
    struct store_snapshot *snapshot = mirror_snapshot(mirror);
    struct store_range past = {.key = slice_text("/registry/a"), .revision = 9};
    struct store_range_result result;
    ck_assert_int_eq(store_snapshot_range(snapshot, &past, &result), STORE_COMPACTED);
    store_snapshot_unref(snapshot);
}
END_TEST

START_TEST(a_watch_from_before_the_first_list_ends_as_compacted)
{
    watch_all(2);
    fill_two();
    (void)mirror_pump(mirror);
    ck_assert_int_eq(ended, STORE_COMPACTED);
    ck_assert_str_eq(told, "");
}
END_TEST

START_TEST(a_revision_takes_effect_as_a_whole)
{
    fill_two();
    watch_all(0);
    ck_assert_int_eq(put("/there/a", "2", 3, 12, 5), 0);
    ck_assert_int_eq(delete ("/there/b", 12), 0);
    ck_assert_str_eq(told, ""); /* More of it may come. */
    ck_assert_int_eq(mirror_revision(mirror), 10);
    ck_assert_int_eq(put("/there/c", "1", 13, 13, 1), 0);
    ck_assert_str_eq(told, " 12+a=2,12-b=");
    ck_assert_int_eq(mirror_batch_end(mirror), 0);
    ck_assert_str_eq(told, " 12+a=2,12-b= 13+c=1");
    ck_assert_ptr_null(get("/registry/b"));
}
END_TEST

START_TEST(what_was_applied_is_not_applied_again)
{
    fill_two();
    watch_all(0);
    ck_assert_int_eq(put("/there/a", "2", 3, 12, 5), 0);
    ck_assert_int_eq(mirror_batch_end(mirror), 0);
    ck_assert_int_eq(put("/there/a", "2", 3, 12, 5), -EPROTO);
    ck_assert_int_eq(put("/there/b", "1", 9, 9, 1), -EPROTO);
    ck_assert_str_eq(told, " 12+a=2");
}
END_TEST

START_TEST(revisions_within_one_answer_ascend)
{
    fill_two();
    ck_assert_int_eq(put("/there/a", "2", 3, 12, 5), 0);
    ck_assert_int_eq(put("/there/b", "2", 9, 11, 2), -EPROTO);
    ck_assert_int_eq(mirror_revision(mirror), 10);
}
END_TEST

START_TEST(a_lost_event_shows_in_the_version_of_the_next)
{
    fill_two();
    ck_assert_int_eq(put("/there/a", "4", 3, 12, 6), 0); /* 5 never came. */
    ck_assert_int_eq(mirror_batch_end(mirror), -EPROTO);
    ck_assert_int_eq(put("/there/new", "4", 11, 12, 2), 0); /* Nor did its creation. */
    ck_assert_int_eq(mirror_batch_end(mirror), -EPROTO);
    ck_assert_int_eq(put("/there/b", "1", 12, 12, 1), 0); /* Nor did its deletion. */
    ck_assert_int_eq(mirror_batch_end(mirror), -EPROTO);
    ck_assert_int_eq(mirror_revision(mirror), 10);
}
END_TEST

START_TEST(half_a_revision_of_a_watch_that_ended_is_dropped)
{
    fill_two();
    watch_all(0);
    ck_assert_int_eq(put("/there/a", "2", 3, 12, 5), 0);
    mirror_batch_drop(mirror);
    ck_assert_int_eq(put("/there/a", "2", 3, 12, 5), 0);
    ck_assert_int_eq(delete ("/there/b", 12), 0);
    ck_assert_int_eq(mirror_batch_end(mirror), 0);
    ck_assert_str_eq(told, " 12+a=2,12-b=");
}
END_TEST

START_TEST(impossible_versions_are_refused)
{
    fill_two();
    ck_assert_int_eq(put("/elsewhere/a", "2", 3, 12, 5), -EPROTO);
    ck_assert_int_eq(put("/there/a", "2", 13, 12, 5), -EPROTO);
    ck_assert_int_eq(put("/there/a", "2", 0, 12, 5), -EPROTO);
    ck_assert_int_eq(put("/there/a", "2", 3, 12, -1), -EPROTO);
    mirror_list_begin(mirror, 20);
    struct mirror_entry late = entry("/there/a", "1", 3, 21, 4);
    ck_assert_int_eq(mirror_list_add(mirror, &late), -EPROTO);
}
END_TEST

/* --- Progress and waiting. */

static void reached(struct mirror_waiter *waiter)
{
    tell(" reached%d", (int)waiter->revision);
}

static struct mirror_waiter waiters[3];

static bool wait_for(size_t i, int64_t revision)
{
    waiters[i] = (struct mirror_waiter){.revision = revision, .reached = reached};
    list_init(&waiters[i].node);
    return mirror_wait(mirror, &waiters[i]);
}

START_TEST(progress_moves_the_revision_and_is_told)
{
    fill_two();
    watch_all(0);
    mirror_progress(mirror, 15);
    mirror_progress(mirror, 15);
    mirror_progress(mirror, 14);
    ck_assert_str_eq(told, " 15.");
    ck_assert_int_eq(mirror_revision(mirror), 15);
    ck_assert_int_eq(put("/there/a", "2", 3, 15, 5), -EPROTO);
    ck_assert_int_eq(put("/there/a", "2", 3, 16, 5), 0);
    ck_assert_int_eq(mirror_batch_end(mirror), 0);
    ck_assert_str_eq(told, " 15. 16+a=2");
}
END_TEST

START_TEST(a_watch_that_starts_late_hears_of_progress_after_its_events)
{
    fill_two();
    ck_assert_int_eq(put("/there/a", "2", 3, 12, 5), 0);
    ck_assert_int_eq(mirror_batch_end(mirror), 0);
    mirror_progress(mirror, 15);
    watch_all(11);
    while (mirror_pump(mirror)) {
    }
    ck_assert_str_eq(told, " 12+a=2 15.");
}
END_TEST

START_TEST(waiters_are_woken_in_order_of_revision_after_the_watches)
{
    ck_assert(wait_for(0, 10)); /* Nothing is there before the first list. */
    fill_two();
    ck_assert_str_eq(told, " reached10");
    ck_assert(!wait_for(0, 10));
    watch_all(0);
    ck_assert(wait_for(0, 13));
    ck_assert(wait_for(1, 12));
    ck_assert(wait_for(2, 20));
    ck_assert_int_eq(put("/there/a", "2", 3, 12, 5), 0);
    ck_assert_int_eq(mirror_batch_end(mirror), 0);
    ck_assert_str_eq(told, " reached10 12+a=2 reached12");
    mirror_progress(mirror, 19);
    ck_assert_str_eq(told, " reached10 12+a=2 reached12 19. reached13");
    list_remove(&waiters[2].node);
}
END_TEST

/* --- The list after a compaction. */

START_TEST(a_later_list_is_told_as_changes_in_the_order_of_revisions)
{
    fill_two();
    watch_all(0);
    ck_assert_int_eq(put("/there/same", "1", 11, 11, 1), 0);
    ck_assert_int_eq(put("/there/gone", "1", 12, 12, 1), 0);
    ck_assert_int_eq(mirror_batch_end(mirror), 0);
    told[0] = '\0';
    mirror_list_begin(mirror, 40);
    list("/there/a", "3", 3, 33, 9);
    list("/there/b", "again", 30, 31, 2); /* Deleted, made again, changed. */
    list("/there/new", "1", 20, 20, 1);
    list("/there/same", "1", 11, 11, 1);
    mirror_list_end(mirror);
    ck_assert_str_eq(told, " 20+new=1 29-b= 31+b=again 33+a=3 40-gone= gap40");
    ck_assert_int_eq(mirror_revision(mirror), 40);
    ck_assert_int_eq(mirror_compact_revision(mirror), 40);
    ck_assert_int_eq(put("/there/a", "4", 3, 41, 10), 0);
    ck_assert_int_eq(mirror_batch_end(mirror), 0);
}
END_TEST

START_TEST(a_later_list_without_changes_is_progress)
{
    fill_two();
    watch_all(0);
    mirror_list_begin(mirror, 40);
    list("/there/a", "1", 3, 7, 4);
    list("/there/b", "1", 9, 9, 1);
    mirror_list_end(mirror);
    ck_assert_str_eq(told, " 40. gap40");
}
END_TEST

START_TEST(deletions_that_were_not_seen_have_revisions_of_their_own)
{
    fill_two();
    ck_assert_int_eq(put("/there/c", "1", 11, 11, 1), 0);
    ck_assert_int_eq(put("/there/d", "1", 12, 12, 1), 0);
    ck_assert_int_eq(mirror_batch_end(mirror), 0);
    watch_all(0);
    mirror_list_begin(mirror, 40);
    list("/there/d", "2", 12, 40, 2);
    list("/there/e", "1", 38, 38, 1);
    mirror_list_end(mirror);
    ck_assert_str_eq(told, " 36-c= 37-b= 38+e=1 39-a= 40+d=2 gap40");
}
END_TEST

START_TEST(more_deletions_than_revisions_share_the_first)
{
    fill_two();
    watch_all(0);
    mirror_list_begin(mirror, 12);
    list("/there/e", "1", 12, 12, 1);
    mirror_list_end(mirror);
    ck_assert_str_eq(told, " 11-a=,11-b= 12+e=1 gap12");
}
END_TEST

START_TEST(a_list_that_was_cut_leaves_no_trace)
{
    fill_two();
    watch_all(0);
    mirror_list_begin(mirror, 40);
    list("/there/c", "1", 20, 20, 1);
    mirror_list_begin(mirror, 50);
    list("/there/a", "1", 3, 7, 4);
    list("/there/b", "1", 9, 9, 1);
    mirror_list_end(mirror);
    ck_assert_str_eq(told, " 50. gap50");
}
END_TEST

/* --- Any history, with lists in between: what watches were told adds up to the state. */

enum { RANDOM_KEYS = 6, RANDOM_STEPS = 400 };

struct there {
    int64_t revision, mirrored;
    struct {
        int64_t create, mod, version; /* version 0: not there. */
    } keys[RANDOM_KEYS];
};

static int64_t folded[RANDOM_KEYS]; /* mod revision by what was told; 0: not there. */

static void fold(void *data, int64_t revision, const struct store_event *events, size_t count)
{
    (void)data;
    ck_assert_int_gt(revision, told_revision);
    told_revision = revision;
    for (size_t i = 0; i < count; i++) {
        int at = events[i].kv->key.data[events[i].kv->key.len - 1] - 'a';
        folded[at] = events[i].kind == STORE_EVENT_PUT ? revision : 0;
    }
}

static void key_name(size_t i, char name[16])
{
    snprintf(name, 16, "/there/%c", (char)('a' + i));
}

static void list_there(const struct there *there)
{
    mirror_list_begin(mirror, there->revision);
    for (size_t i = 0; i < RANDOM_KEYS; i++) {
        char name[16];
        key_name(i, name);
        if (there->keys[i].version > 0) {
            list(name, "v", there->keys[i].create, there->keys[i].mod, there->keys[i].version);
        }
    }
    mirror_list_end(mirror);
}

/* One change there; told to the mirror, or not. */
static void change_there(struct there *there, size_t i, bool remove, bool watching)
{
    char name[16];
    key_name(i, name);
    if (remove && there->keys[i].version == 0) {
        there->revision++; /* Somebody else's key. */
        return;
    }
    int64_t revision = ++there->revision;
    if (remove) {
        there->keys[i].version = 0;
    } else {
        there->keys[i].create = there->keys[i].version == 0 ? revision : there->keys[i].create;
        there->keys[i].version++;
        there->keys[i].mod = revision;
    }
    if (watching) {
        ck_assert_int_eq(
            remove ? delete (name, revision)
                   : put(name, "v", there->keys[i].create, revision, there->keys[i].version),
            0);
    }
}

START_TEST(what_was_told_adds_up_to_the_state)
{
    srand((unsigned)_i);
    struct there there = {.revision = 1};
    memset(folded, 0, sizeof(folded));
    list_there(&there);
    struct store_watch_options options = {
        .key = slice_of("", 1), .end = slice_of("", 1), .on_events = fold, .on_end = on_end};
    ck_assert_ptr_nonnull(mirror_watch(mirror, &options));
    bool watching = true;
    for (int step = 0; step < RANDOM_STEPS; step++) {
        change_there(&there, (size_t)rand() % RANDOM_KEYS, rand() % 3 == 0, watching);
        if (watching && rand() % 4 == 0) {
            ck_assert_int_eq(mirror_batch_end(mirror), 0);
            mirror_progress(mirror, there.revision);
        }
        if (rand() % 20 == 0) {
            if (watching) {
                mirror_batch_drop(mirror);
            } else {
                list_there(&there);
            }
            watching = !watching;
        }
    }
    list_there(&there);
    for (size_t i = 0; i < RANDOM_KEYS; i++) {
        ck_assert_int_eq(folded[i], there.keys[i].version == 0 ? 0 : there.keys[i].mod);
    }
    ck_assert_int_eq(mirror_revision(mirror), there.revision);
}
END_TEST

Suite *mirror_suite(void)
{
    Suite *suite = suite_create("store/remote/mirror");
    TCase *tcase = tcase_create("mirror");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_first_list_becomes_the_state_with_the_numbers_of_there);
    tcase_add_test(tcase, a_watch_from_before_the_first_list_ends_as_compacted);
    tcase_add_test(tcase, a_revision_takes_effect_as_a_whole);
    tcase_add_test(tcase, what_was_applied_is_not_applied_again);
    tcase_add_test(tcase, revisions_within_one_answer_ascend);
    tcase_add_test(tcase, a_lost_event_shows_in_the_version_of_the_next);
    tcase_add_test(tcase, half_a_revision_of_a_watch_that_ended_is_dropped);
    tcase_add_test(tcase, impossible_versions_are_refused);
    tcase_add_test(tcase, progress_moves_the_revision_and_is_told);
    tcase_add_test(tcase, a_watch_that_starts_late_hears_of_progress_after_its_events);
    tcase_add_test(tcase, waiters_are_woken_in_order_of_revision_after_the_watches);
    tcase_add_test(tcase, a_later_list_is_told_as_changes_in_the_order_of_revisions);
    tcase_add_test(tcase, a_later_list_without_changes_is_progress);
    tcase_add_test(tcase, deletions_that_were_not_seen_have_revisions_of_their_own);
    tcase_add_test(tcase, more_deletions_than_revisions_share_the_first);
    tcase_add_test(tcase, a_list_that_was_cut_leaves_no_trace);
    tcase_add_loop_test(tcase, what_was_told_adds_up_to_the_state, 0, 50);
    suite_add_tcase(suite, tcase);
    return suite;
}
