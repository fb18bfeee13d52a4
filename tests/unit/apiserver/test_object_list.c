/* What a list holds while it is under way. */
#include "apiserver/object_list.h"

#include "apiserver/limits.h"
#include "tests/unit/apiserver/registry_fixture.h"
#include <malloc.h>
#include <stdio.h>

Suite *object_list_suite(void);
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

enum {
    FEW = 100,
    MANY = 1500,
    GROWTH_MAX = 2048 /* A pointer for each would be five times that. */
};

static size_t allocated(void)
{
    return __sanitizer_get_current_allocated_bytes != NULL
               ? __sanitizer_get_current_allocated_bytes()
               : mallinfo2().uordblks;
}

static void fill(struct fixture *fixture, int first, int last)
{
    for (int i = first; i < last; i++) {
        CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
        struct arena *kept = fixture->arena;
        fixture->arena = arena; /* What the calls leave is not what the lists hold. */
        const char *json =
            arena_printf(arena, "{\"metadata\":{\"name\":\"m%05d\",\"labels\":{\"half\":\"%c\"}}}",
                         i, "ab"[i % 2]);
        ck_assert_ptr_null(create(fixture, "configmaps", "ns", json).status);
        fixture->arena = kept;
    }
}

static void on_done(struct registry_call *call)
{
    *(bool *)call->data = true;
}

struct look {
    size_t count; /* Objects of the list. */
    size_t bytes; /* Held in the middle of a walk. */
};

static struct look look_at(struct fixture *fixture, struct registry_options options)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    size_t before = allocated();
    bool done = false;
    struct registry_call call = {.verb = REGISTRY_LIST,
                                 .kind = core("configmaps"),
                                 .namespace = "ns",
                                 .user = &user_system_apiserver,
                                 .arena = arena,
                                 .options = options,
                                 .done = on_done,
                                 .data = &done};
    registry_start(fixture->registry, &call);
    while (!done) {
        loop_turn(fixture->loop, true);
    }
    ck_assert_ptr_null(call.status);
    struct object_walk *walk = object_list_walk(call.list);
    struct look look = {.count = call.item_count};
    while (object_walk_left(walk) > look.count / 2) {
        ck_assert_ptr_nonnull(object_walk_next(walk));
    }
    look.bytes = allocated() - before;
    size_t rest = object_walk_left(walk), seen = 0;
    while (object_walk_next(walk) != NULL) {
        seen++;
    }
    ck_assert_uint_eq(seen, rest);
    registry_finish(&call);
    return look;
}

static void check_growth(struct registry_options options, size_t share)
{
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    char revision[32];
    struct look looks[2];
    int counts[] = {FEW, MANY}, made = 0;
    for (size_t i = 0; i < ARRAY_LEN(looks); i++) {
        fill(&fixture, made, counts[i]);
        made = counts[i];
        (void)snprintf(revision, sizeof(revision), "%llu",
                       (unsigned long long)watch_cache_revision(fixture.cache));
        if (options.resource_version_match != NULL) {
            options.resource_version = revision;
        }
        (void)look_at(&fixture, options); /* What is made once and kept. */
        looks[i] = look_at(&fixture, options);
        ck_assert_uint_eq(looks[i].count, (size_t)counts[i] / share);
    }
    ck_assert_msg(looks[1].bytes < looks[0].bytes + GROWTH_MAX, "%zu bytes for %d, %zu for %d",
                  looks[0].bytes, FEW, looks[1].bytes, MANY);
    fixture_release(&fixture);
}

START_TEST(a_list_holds_nothing_for_each_of_its_objects)
{
    check_growth((struct registry_options){0}, 1);
}
END_TEST

START_TEST(a_list_by_selector_holds_no_more_than_the_first_it_found)
{
    ck_assert_uint_lt(LIST_KEPT_MAX, MANY / 2); /* Both ways of finding them are gone. */
    check_growth((struct registry_options){.label_selector = "half=a"}, 2);
}
END_TEST

START_TEST(a_list_of_the_past_holds_a_page_of_its_objects)
{
    ck_assert_uint_lt(LIST_PAGE_OBJECTS, FEW);
    check_growth((struct registry_options){.resource_version_match = "Exact"}, 1);
}
END_TEST

START_TEST(a_list_is_of_one_state_however_slowly_it_is_walked)
{
    struct fixture fixture;
    fixture_init(&fixture);
    make_namespace(&fixture);
    fill(&fixture, 0, 4);
    bool done = false;
    struct registry_call call = {.verb = REGISTRY_LIST,
                                 .kind = core("configmaps"),
                                 .namespace = "ns",
                                 .user = &user_system_apiserver,
                                 .arena = fixture.arena,
                                 .done = on_done,
                                 .data = &done};
    registry_start(fixture.registry, &call);
    while (!done) {
        loop_turn(fixture.loop, true);
    }
    struct object_walk *walk = object_list_walk(call.list);
    ck_assert_str_eq(cached_object_name(object_walk_next(walk)), "m00000");
    struct registry_call gone = simple(&fixture, REGISTRY_DELETE, "configmaps", "ns", "m00002");
    ck_assert_ptr_null(gone.status);
    fill(&fixture, 4, 5);
    ck_assert_str_eq(cached_object_name(object_walk_next(walk)), "m00001");
    ck_assert_str_eq(cached_object_name(object_walk_next(walk)), "m00002");
    ck_assert_str_eq(cached_object_name(object_walk_next(walk)), "m00003");
    ck_assert_ptr_null(object_walk_next(walk));
    registry_finish(&call);
    fixture_release(&fixture);
}
END_TEST

Suite *object_list_suite(void)
{
    Suite *suite = suite_create("apiserver/object_list");
    TCase *tcase = tcase_create("lists");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_list_holds_nothing_for_each_of_its_objects);
    tcase_add_test(tcase, a_list_by_selector_holds_no_more_than_the_first_it_found);
    tcase_add_test(tcase, a_list_of_the_past_holds_a_page_of_its_objects);
    tcase_add_test(tcase, a_list_is_of_one_state_however_slowly_it_is_walked);
    suite_add_tcase(suite, tcase);
    return suite;
}
