/* What followers of the watch cache are told. */
#include "apiserver/cache_follower.h"
#include "tests/unit/apiserver/registry_fixture.h"

struct heard {
    size_t cleared, changed, renewed, gone;
};

static void begin_or_end(void *data)
{
    (void)data;
}

static void cleared(void *data, const struct api_kind *kind)
{
    struct heard *heard = data;
    ck_assert_str_eq(kind->plural, "configmaps");
    heard->cleared++;
}

static void changed(void *data, const struct cached_object *object, bool gone)
{
    struct heard *heard = data;
    ck_assert_str_eq(cached_object_name(object), "o");
    heard->changed++;
    heard->gone += gone;
}

static void renewed(void *data, const struct cached_object *object)
{
    struct heard *heard = data;
    ck_assert_str_eq(cached_object_name(object), "o");
    heard->renewed++;
}

static void hear(struct fixture *fixture, const struct heard *heard, size_t count)
{
    while (heard->changed + heard->renewed < count) {
        loop_turn(fixture->loop, true);
    }
}

static void patch(struct fixture *fixture, const char *text)
{
    struct registry_call call = {.verb = REGISTRY_PATCH,
                                 .kind = core("configmaps"),
                                 .namespace = "ns",
                                 .name = "o",
                                 .patch_type = REGISTRY_PATCH_MERGE,
                                 .patch = slice_text(text)};
    run(fixture, &call);
    ck_assert_int_eq(call.code, 200);
}

/* Makes an object, labels it, changes its data and deletes it. */
static void live(struct fixture *fixture, const struct cache_follower_ops *ops, struct heard *heard)
{
    struct watch_hub *hub = watch_hub_new(fixture->cache, NULL);
    struct cache_follower follower;
    cache_follower_open(&follower, fixture->cache, hub, core("configmaps"), ops, heard);
    struct registry_call made = create(fixture, "configmaps", "ns",
                                       "{\"metadata\":{\"name\":\"o\"},\"data\":{\"a\":\"1\"}}");
    ck_assert_int_eq(made.code, 201);
    hear(fixture, heard, 1);
    patch(fixture, "{\"metadata\":{\"labels\":{\"a\":\"2\"}}}");
    hear(fixture, heard, 2);
    patch(fixture, "{\"metadata\":{\"labels\":{\"a\":\"3\"}},\"data\":{\"a\":\"4\"}}");
    hear(fixture, heard, 3);
    struct registry_call gone = simple(fixture, REGISTRY_DELETE, "configmaps", "ns", "o");
    ck_assert_ptr_null(gone.status);
    hear(fixture, heard, 4);
    cache_follower_stop(&follower);
    watch_hub_free(hub);
}

START_TEST(who_asks_for_it_is_told_apart_of_what_changes_metadata_alone)
{
    static const struct cache_follower_ops ops = {.begin = begin_or_end,
                                                  .clear = cleared,
                                                  .changed = changed,
                                                  .renewed = renewed,
                                                  .end = begin_or_end};
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    struct heard heard = {0};
    live(&fixture, &ops, &heard);
    ck_assert_uint_eq(heard.cleared, 1);
    ck_assert_uint_eq(heard.changed, 3);
    ck_assert_uint_eq(heard.renewed, 1);
    ck_assert_uint_eq(heard.gone, 1);
    fixture_release(&fixture);
}
END_TEST

START_TEST(who_does_not_is_told_of_every_change)
{
    static const struct cache_follower_ops ops = {
        .begin = begin_or_end, .clear = cleared, .changed = changed, .end = begin_or_end};
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    struct heard heard = {0};
    live(&fixture, &ops, &heard);
    ck_assert_uint_eq(heard.changed, 4);
    ck_assert_uint_eq(heard.gone, 1);
    fixture_release(&fixture);
}
END_TEST

Suite *cache_follower_suite(void);

Suite *cache_follower_suite(void)
{
    Suite *suite = suite_create("apiserver/cache_follower");
    TCase *tcase = tcase_create("cache_follower");
    tcase_set_timeout(tcase, 300);
    tcase_add_test(tcase, who_asks_for_it_is_told_apart_of_what_changes_metadata_alone);
    tcase_add_test(tcase, who_does_not_is_told_of_every_change);
    suite_add_tcase(suite, tcase);
    return suite;
}
