/* The nine promises of a watch (ordered, unique, reliable, atomic, resumable, bookmarkable, filter,
 * prev_kv, is-create) on the hub, live and from history. */
#include "store/watch_hub.h"
#include "tests/unit/store/model.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

Suite *watch_suite(void);

struct seen {
    struct store_watch *watch;
    char text[4096];
    size_t len;
    int64_t last_revision;
    int ended;
    int64_t compact_revision;
    bool pause, cancel; /* At the next event. */
    struct seen *other; /* Is cancelled at the next event, too. */
};

static void on_events(void *data, int64_t revision, const struct store_event *events, size_t count)
{
    struct seen *seen = data;
    ck_assert_int_gt(revision, seen->last_revision);
    seen->last_revision = revision;
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(events[i].kv->mod_revision, revision);
        seen->len +=
            (size_t)snprintf(seen->text + seen->len, sizeof(seen->text) - seen->len,
                             "%s%d%c%.*s=%.*s", i == 0 ? (seen->len == 0 ? "" : " ") : ",",
                             (int)revision, events[i].kind == STORE_EVENT_PUT ? '+' : '-',
                             (int)events[i].kv->key.len, (const char *)events[i].kv->key.data,
                             (int)events[i].kv->value.len, (const char *)events[i].kv->value.data);
        if (events[i].prev_kv != NULL) {
            seen->len += (size_t)snprintf(seen->text + seen->len, sizeof(seen->text) - seen->len,
                                          "(%.*s)", (int)events[i].prev_kv->value.len,
                                          (const char *)events[i].prev_kv->value.data);
        }
    }
    if (seen->pause) {
        store_watch_pause(seen->watch);
    }
    if (seen->other != NULL) {
        store_watch_cancel(seen->other->watch);
        seen->other->watch = NULL;
        seen->other = NULL;
    }
    if (seen->cancel) {
        store_watch_cancel(seen->watch);
    }
}

static void on_end(void *data, int status, int64_t compact_revision)
{
    struct seen *seen = data;
    seen->ended = status;
    seen->compact_revision = compact_revision;
    seen->watch = NULL;
}

static void no_wake(void *data)
{
    (void)data;
}

static struct seen *watch(struct watch_hub *hub, struct model *model, const char *key,
                          const char *end, int64_t start)
{
    struct seen *seen = calloc(1, sizeof(*seen));
    struct store_watch_options options = {.key = slice_text(key),
                                          .end = text_end(end),
                                          .start_revision = start,
                                          .on_events = on_events,
                                          .on_end = on_end,
                                          .data = seen};
    seen->watch = watch_hub_add(hub, model->state.mvcc, &options);
    return seen;
}

static void notify(struct watch_hub *hub, struct model *model)
{
    watch_hub_notify(hub, model->state.mvcc, model->last.event_count);
}

static void put(struct watch_hub *hub, struct model *model, const char *key, const char *value)
{
    ck_assert_int_eq(model_put(model, key, value), 0);
    notify(hub, model);
}

static void end_and_free(struct watch_hub *hub, struct model *model, struct seen **seen,
                         size_t count)
{
    watch_hub_end_all(hub, STORE_STOPPED);
    store_watch_hub_free(hub);
    for (size_t i = 0; i < count; i++) {
        ck_assert_ptr_null(seen[i]->watch);
        free(seen[i]);
    }
    model_release(model);
}

START_TEST(live_watches_get_their_keys_atomically_with_what_was_before)
{
    struct model model;
    model_init(&model);
    struct watch_hub *hub = store_watch_hub_new(no_wake, NULL);
    struct seen *seen[] = {watch(hub, &model, "a", "", 0), watch(hub, &model, "a", "c", 0),
                           watch(hub, &model, "b", "*", 0), watch(hub, &model, "b", "*", 4)};
    put(hub, &model, "a", "1");
    put(hub, &model, "c", "2");
    struct store_op ops[] = {
        {.kind = STORE_OP_PUT, .put = {.key = slice_text("b"), .value = slice_text("3")}},
        {.kind = STORE_OP_DELETE, .delete_range = {.key = slice_text("a")}}};
    ck_assert_int_eq(model_ops(&model, ops, 2), 0);
    notify(hub, &model);
    put(hub, &model, "a", "4");
    ck_assert_str_eq(seen[0]->text, "2+a=1 4-a=(1) 5+a=4");
    ck_assert_str_eq(seen[1]->text, "2+a=1 4+b=3,4-a=(1) 5+a=4");
    ck_assert_str_eq(seen[2]->text, "3+c=2 4+b=3");
    ck_assert_str_eq(seen[3]->text, "4+b=3");
    ck_assert_int_eq(store_watch_delivered(seen[2]->watch), 5);
    end_and_free(hub, &model, seen, 4);
}
END_TEST

START_TEST(a_watch_from_the_past_sees_history_and_then_goes_on_live)
{
    struct model model;
    model_init(&model);
    struct watch_hub *hub = store_watch_hub_new(no_wake, NULL);
    put(hub, &model, "a", "1");
    put(hub, &model, "a", "2");
    put(hub, &model, "b", "x");
    ck_assert_int_eq(model_delete(&model, "a", ""), 0);
    struct seen *seen[] = {watch(hub, &model, "a", "", 3), watch(hub, &model, "a", "*", 1)};
    put(hub, &model, "a", "5"); /* While it is behind: comes from history, once. */
    ck_assert(!watch_hub_catch_up(hub, model.state.mvcc));
    put(hub, &model, "a", "6");
    ck_assert_str_eq(seen[0]->text, "3+a=2(1) 5-a=(2) 6+a=5 7+a=6(5)");
    ck_assert_str_eq(seen[1]->text, "2+a=1 3+a=2(1) 4+b=x 5-a=(2) 6+a=5 7+a=6(5)");
    end_and_free(hub, &model, seen, 2);
}
END_TEST

START_TEST(a_paused_watch_loses_nothing_and_repeats_nothing)
{
    struct model model;
    model_init(&model);
    struct watch_hub *hub = store_watch_hub_new(no_wake, NULL);
    struct seen *seen[] = {watch(hub, &model, "a", "*", 0)};
    seen[0]->pause = true;
    put(hub, &model, "a", "1");
    put(hub, &model, "a", "2");
    put(hub, &model, "a", "3");
    ck_assert_str_eq(seen[0]->text, "2+a=1");
    ck_assert_int_eq(store_watch_delivered(seen[0]->watch), 2);
    store_watch_resume(seen[0]->watch);
    (void)watch_hub_catch_up(hub, model.state.mvcc); /* Pauses again after one revision. */
    ck_assert_str_eq(seen[0]->text, "2+a=1 3+a=2(1)");
    seen[0]->pause = false;
    store_watch_resume(seen[0]->watch);
    ck_assert(!watch_hub_catch_up(hub, model.state.mvcc));
    put(hub, &model, "a", "4");
    ck_assert_str_eq(seen[0]->text, "2+a=1 3+a=2(1) 4+a=3(2) 5+a=4(3)");
    end_and_free(hub, &model, seen, 1);
}
END_TEST

START_TEST(a_watch_at_the_compaction_revision_works_and_below_it_ends)
{
    struct model model;
    model_init(&model);
    struct watch_hub *hub = store_watch_hub_new(no_wake, NULL);
    put(hub, &model, "a", "1");
    ck_assert_int_eq(model_delete(&model, "a", ""), 0); /* Revision 3. */
    put(hub, &model, "b", "2");
    ck_assert_int_eq(model_compact(&model, 3), 0);
    while (mvcc_trim(model.state.mvcc, 1)) {
    }
    struct seen *seen[] = {watch(hub, &model, "a", "*", 3), watch(hub, &model, "a", "*", 2)};
    ck_assert(!watch_hub_catch_up(hub, model.state.mvcc));
    ck_assert_str_eq(seen[0]->text, "3-a= 4+b=2");
    ck_assert_int_eq(seen[1]->ended, STORE_COMPACTED);
    ck_assert_int_eq(seen[1]->compact_revision, 3);
    ck_assert_str_eq(seen[1]->text, "");
    end_and_free(hub, &model, seen, 2);
}
END_TEST

START_TEST(callbacks_may_cancel_their_watch)
{
    struct model model;
    model_init(&model);
    struct watch_hub *hub = store_watch_hub_new(no_wake, NULL);
    struct seen *seen[] = {watch(hub, &model, "a", "", 0), watch(hub, &model, "a", "", 0)};
    seen[0]->cancel = true;
    put(hub, &model, "a", "1");
    put(hub, &model, "a", "2");
    ck_assert_str_eq(seen[0]->text, "2+a=1");
    ck_assert_str_eq(seen[1]->text, "2+a=1 3+a=2(1)");
    ck_assert_uint_eq(watch_hub_count(hub), 1);
    seen[0]->watch = NULL;
    end_and_free(hub, &model, seen, 2);
}
END_TEST

START_TEST(watches_of_the_same_keys_keep_their_own_filters_and_starts)
{
    struct model model;
    model_init(&model);
    struct watch_hub *hub = store_watch_hub_new(no_wake, NULL);
    struct seen *seen[] = {watch(hub, &model, "a", "c", 0), calloc(1, sizeof(*seen[0])),
                           calloc(1, sizeof(*seen[0])), watch(hub, &model, "a", "c", 4)};
    for (int i = 1; i <= 2; i++) {
        struct store_watch_options options = {.key = slice_text("a"),
                                              .end = slice_text("c"),
                                              .no_put = i == 1,
                                              .no_delete = i == 2,
                                              .on_events = on_events,
                                              .on_end = on_end,
                                              .data = seen[i]};
        seen[i]->watch = watch_hub_add(hub, model.state.mvcc, &options);
    }
    put(hub, &model, "a", "1");
    struct store_op ops[] = {
        {.kind = STORE_OP_PUT, .put = {.key = slice_text("b"), .value = slice_text("2")}},
        {.kind = STORE_OP_DELETE, .delete_range = {.key = slice_text("a")}}};
    ck_assert_int_eq(model_ops(&model, ops, 2), 0);
    notify(hub, &model);
    put(hub, &model, "a", "3");
    ck_assert_str_eq(seen[0]->text, "2+a=1 3+b=2,3-a=(1) 4+a=3");
    ck_assert_str_eq(seen[1]->text, "3-a=(1)");
    ck_assert_str_eq(seen[2]->text, "2+a=1 3+b=2 4+a=3");
    ck_assert_str_eq(seen[3]->text, "4+a=3");
    end_and_free(hub, &model, seen, 4);
}
END_TEST

START_TEST(ranges_are_told_apart_that_are_the_same_bytes_together)
{
    struct model model;
    model_init(&model);
    struct watch_hub *hub = store_watch_hub_new(no_wake, NULL);
    struct seen *seen[] = {watch(hub, &model, "a", "bc", 0), watch(hub, &model, "ca", "cb", 0),
                           watch(hub, &model, "abc", "c", 0), watch(hub, &model, "bca", "", 0)};
    put(hub, &model, "aa", "1");
    put(hub, &model, "bca", "2");
    put(hub, &model, "caa", "3");
    ck_assert_str_eq(seen[0]->text, "2+aa=1");
    ck_assert_str_eq(seen[1]->text, "4+caa=3");
    ck_assert_str_eq(seen[2]->text, "3+bca=2");
    ck_assert_str_eq(seen[3]->text, "3+bca=2");
    end_and_free(hub, &model, seen, 4);
}
END_TEST

START_TEST(a_callback_may_cancel_the_last_that_wait_for_the_same_events)
{
    struct model model;
    model_init(&model);
    struct watch_hub *hub = store_watch_hub_new(no_wake, NULL);
    struct seen *seen[] = {watch(hub, &model, "a", "c", 0), watch(hub, &model, "a", "c", 0),
                           watch(hub, &model, "a", "d", 0), watch(hub, &model, "a", "d", 0)};
    seen[0]->other = seen[1];
    seen[2]->other = seen[3];
    seen[0]->cancel = seen[2]->cancel = true;
    put(hub, &model, "a", "1");
    put(hub, &model, "a", "2");
    ck_assert_str_eq(seen[0]->text, "2+a=1");
    ck_assert_str_eq(seen[1]->text, "");
    ck_assert_str_eq(seen[2]->text, "2+a=1");
    ck_assert_str_eq(seen[3]->text, "");
    ck_assert_uint_eq(watch_hub_count(hub), 0);
    seen[0]->watch = seen[2]->watch = NULL;
    end_and_free(hub, &model, seen, 4);
}
END_TEST

START_TEST(after_a_restored_snapshot_watches_go_on_where_they_were)
{
    struct model model;
    model_init(&model);
    struct watch_hub *hub = store_watch_hub_new(no_wake, NULL);
    struct seen *seen[] = {watch(hub, &model, "a", "*", 0), watch(hub, &model, "k", "", 0),
                           watch(hub, &model, "k", "", 0)};
    put(hub, &model, "k", "1");
    ck_assert_int_eq(model_put(&model, "k", "2"), 0); /* Installed, not applied one by one. */
    ck_assert_int_eq(model_put(&model, "a", "3"), 0);
    watch_hub_restored(hub, model.state.mvcc);
    ck_assert(!watch_hub_catch_up(hub, model.state.mvcc));
    put(hub, &model, "k", "4");
    ck_assert_str_eq(seen[0]->text, "2+k=1 3+k=2(1) 4+a=3 5+k=4(2)");
    ck_assert_str_eq(seen[2]->text, "2+k=1 3+k=2(1) 5+k=4(2)");
    ck_assert_str_eq(seen[1]->text, seen[2]->text);
    end_and_free(hub, &model, seen, 3);
}
END_TEST

/* A loop that others wait for: what many late watches look through is cut into turns. */
START_TEST(many_late_watches_catch_up_in_bounded_turns)
{
    enum { REVISIONS = 600, WATCHES = 1000, TURN_EVENTS_MAX = 4 * 4096 };
    struct model model;
    model_init(&model);
    struct watch_hub *hub = store_watch_hub_new(no_wake, NULL);
    struct seen *seen[WATCHES];
    for (int i = 0; i < REVISIONS; i++) {
        put(hub, &model, "a", "1");
    }
    for (size_t i = 0; i < WATCHES; i++) {
        seen[i] = watch(hub, &model, "b", "", 2);
    }
    size_t turns = 1;
    while (watch_hub_catch_up(hub, model.state.mvcc)) {
        turns++;
    }
    ck_assert_uint_ge(turns, (size_t)REVISIONS * WATCHES / (2 * TURN_EVENTS_MAX));
    ck_assert_uint_eq(watch_hub_behind(hub), 0);
    put(hub, &model, "b", "2");
    for (size_t i = 0; i < WATCHES; i++) {
        ck_assert_int_eq(seen[i]->last_revision, REVISIONS + 2);
    }
    end_and_free(hub, &model, seen, WATCHES);
}
END_TEST

Suite *watch_suite(void)
{
    Suite *suite = suite_create("store/watch");
    TCase *tcase = tcase_create("watch");
    tcase_add_test(tcase, live_watches_get_their_keys_atomically_with_what_was_before);
    tcase_add_test(tcase, a_watch_from_the_past_sees_history_and_then_goes_on_live);
    tcase_add_test(tcase, a_paused_watch_loses_nothing_and_repeats_nothing);
    tcase_add_test(tcase, a_watch_at_the_compaction_revision_works_and_below_it_ends);
    tcase_add_test(tcase, callbacks_may_cancel_their_watch);
    tcase_add_test(tcase, watches_of_the_same_keys_keep_their_own_filters_and_starts);
    tcase_add_test(tcase, ranges_are_told_apart_that_are_the_same_bytes_together);
    tcase_add_test(tcase, a_callback_may_cancel_the_last_that_wait_for_the_same_events);
    tcase_add_test(tcase, after_a_restored_snapshot_watches_go_on_where_they_were);
    tcase_add_test(tcase, many_late_watches_catch_up_in_bounded_turns);
    suite_add_tcase(suite, tcase);
    return suite;
}
