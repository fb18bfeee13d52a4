/* What the watch cache keeps of the past. */
#include "apiserver/limits.h"
#include "tests/unit/apiserver/registry_fixture.h"

static void count_expired(void *data)
{
    (*(size_t *)data)++;
}

static bool never(void *data, const struct cache_event *event)
{
    (void)data;
    (void)event;
    return false;
}

/* Gives a PodTemplate this many versions, of 1.4 MB each. */
static void fill_history(struct fixture *fixture, size_t versions)
{
    enum { LARGE = 1400000 };
    char *large = arena_alloc(fixture->arena, LARGE + 1);
    memset(large, 'x', LARGE);
    large[LARGE] = '\0';
    for (size_t i = 0; i < versions; i++) {
        const char *text = arena_printf(
            fixture->arena,
            "{\"template\":{\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\",\"env\":[{"
            "\"name\":\"LARGE\",\"value\":\"%zu%s\"}]}]}}}",
            i, large);
        struct registry_call patch = {.verb = REGISTRY_PATCH,
                                      .kind = core("podtemplates"),
                                      .namespace = "ns",
                                      .name = "o",
                                      .patch_type = REGISTRY_PATCH_MERGE,
                                      .patch = slice_text(text)};
        run(fixture, &patch);
        ck_assert_ptr_null(patch.status);
    }
}

START_TEST(history_of_large_objects_is_short_and_whoever_stays_behind_it_is_dropped)
{
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    struct registry_call made =
        create(&fixture, "podtemplates", "ns",
               "{\"metadata\":{\"name\":\"o\"},\"template\":{\"spec\":{\"containers\":[{"
               "\"name\":\"c\",\"image\":\"i\"}]}}}");
    ck_assert_int_eq(made.code, 201);
    uint64_t before = watch_cache_revision(fixture.cache);
    static const struct cache_watch_ops ops = {.event = never, .expired = count_expired};
    struct watch_hub *hub = watch_hub_new(fixture.cache, NULL);
    size_t expired = 0;
    uint64_t oldest = 0;
    struct cache_watch *behind =
        cache_watch_after(hub, core("podtemplates"), before, &ops, &expired, &oldest);
    ck_assert_ptr_nonnull(behind);
    fill_history(&fixture, (WATCH_HISTORY_BYTES_MAX / 1400000) + 2);
    ck_assert_uint_eq(expired, 0); /* What it has not seen is kept for it. */
    struct cache_watch *late =
        cache_watch_after(hub, core("podtemplates"), before, &ops, &expired, &oldest);
    ck_assert_ptr_null(late);
    ck_assert_uint_gt(oldest, before);
    fill_history(&fixture, ((WATCH_LAG_BYTES_MAX - WATCH_HISTORY_BYTES_MAX) / 1400000) + 2);
    while (expired == 0) {
        loop_turn(fixture.loop, true);
    }
    cache_watch_stop(behind);
    watch_hub_free(hub);
    fixture_release(&fixture);
}
END_TEST

Suite *watch_history_suite(void);

Suite *watch_history_suite(void)
{
    Suite *suite = suite_create("apiserver/watch_history");
    TCase *tcase = tcase_create("watch_history");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, history_of_large_objects_is_short_and_whoever_stays_behind_it_is_dropped);
    suite_add_tcase(suite, tcase);
    return suite;
}
