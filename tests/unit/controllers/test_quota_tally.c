/* Sums that follow the objects say what counting them all anew would say, at any time. */
#include "controllers/quota/quota_plan.h"
#include "lib/api/object.h"
#include "lib/api/time.h"
#include <check.h>
#include <stdio.h>
#include <string.h>

Suite *quota_tally_suite(void);

enum { OBJECTS_MAX = 64, CHANGES = 3000, START_S = 1700000000 };

static const struct api_kind *pods(void)
{
    return api_kind_find("", "v1", "pods");
}

static void *decode(struct arena *arena, const char *plural, const char *json)
{
    void *message = NULL;
    struct slice text = slice_text(json);
    int result = api_decode_json(arena, api_kind_find("", "v1", plural)->message, text, NULL,
                                 &message, NULL);
    ck_assert_msg(result == 0, "%s", json);
    return message;
}

static const Core__V1__ResourceQuota *quota_of(struct arena *arena, const char *scopes)
{
    return decode(
        arena, "resourcequotas",
        arena_printf(arena,
                     "{\"spec\":{\"hard\":{\"pods\":\"1\",\"count/pods\":\"1\",\"cpu\":\"1\","
                     "\"requests.memory\":\"1\",\"requests.example.com/gpu\":\"1\"}%s}}",
                     scopes));
}

static void check_same(const struct resource_list *counted, const struct resource_list *expected)
{
    ck_assert_uint_eq(counted->count, expected->count);
    for (size_t i = 0; i < expected->count; i++) {
        const struct quantity *value = resource_list_get(counted, expected->items[i].name);
        ck_assert_msg(value != NULL && quantity_compare(*value, expected->items[i].value) == 0,
                      "%s", expected->items[i].name);
    }
}

/* What a count of one object after the other gives. */
static struct resource_list counted_anew(struct arena *arena, const Core__V1__ResourceQuota *quota,
                                         const struct resource_list *hard, void *const *messages,
                                         int64_t now_s)
{
    struct resource_list used = resource_list_empty(arena);
    for (size_t i = 0; i < OBJECTS_MAX; i++) {
        if (messages[i] == NULL || !quota_has_in_scope(quota, pods(), messages[i])) {
            continue;
        }
        struct resource_list usage = quota_usage(arena, pods(), messages[i], now_s);
        struct resource_list limited = resource_list_empty(arena);
        for (size_t j = 0; j < usage.count; j++) {
            if (resource_list_get(hard, usage.items[j].name) != NULL) {
                resource_list_set(&limited, usage.items[j].name, usage.items[j].value);
            }
        }
        resource_list_add(&used, &limited);
    }
    return used;
}

static uint64_t state;

static unsigned pick(unsigned below)
{
    state = state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (unsigned)(state >> 33) % below;
}

static void *any_pod(struct arena *arena, int64_t now_s)
{
    static const char *const requests[] = {
        "", ",\"resources\":{\"requests\":{\"cpu\":\"100m\",\"memory\":\"1Gi\"}}",
        ",\"resources\":{\"requests\":{\"cpu\":\"0.3\",\"memory\":\"5M\"}}",
        ",\"resources\":{\"requests\":{\"memory\":\"50000000000000000000000000000\"}}",
        ",\"resources\":{\"requests\":{\"cpu\":\"0\",\"example.com/gpu\":\"2\"}}"};
    static const char *const more[] = {"", ",\"activeDeadlineSeconds\":5",
                                       ",\"priorityClassName\":\"high\"",
                                       ",\"priorityClassName\":\"low\""};
    static const char *const phases[] = {"Running", "Running", "Succeeded", "Failed"};
    char when[API_TIME_TEXT_SIZE], deleted[192] = "";
    if (pick(3) == 0) {
        api_time_format(now_s + pick(30), when);
        (void)snprintf(deleted, sizeof(deleted),
                       ",\"deletionTimestamp\":\"%s\",\"deletionGracePeriodSeconds\":%u", when,
                       pick(20));
    }
    return decode(arena, "pods",
                  arena_printf(arena,
                               "{\"metadata\":{\"name\":\"p\"%s},\"spec\":{\"containers\":"
                               "[{\"name\":\"c\"%s}]%s},\"status\":{\"phase\":\"%s\"}}",
                               deleted, requests[pick(5)], more[pick(4)], phases[pick(4)]));
}

START_TEST(sums_that_follow_changes_are_what_a_count_of_all_objects_gives)
{
    static const char *const scopes[] = {
        "", ",\"scopes\":[\"Terminating\"]", ",\"scopes\":[\"NotTerminating\",\"NotBestEffort\"]",
        (",\"scopeSelector\":{\"matchExpressions\":[{\"scopeName\":\"PriorityClass\","
         "\"operator\":\"In\",\"values\":[\"high\"]}]}")};
    struct quota_tally *tally = quota_tally_new(pods());
    struct arena *arenas[OBJECTS_MAX] = {NULL};
    void *messages[OBJECTS_MAX] = {NULL};
    int64_t now_s = START_S;
    state = 1;
    for (unsigned i = 0; i < CHANGES; i++) {
        unsigned which = pick(OBJECTS_MAX);
        struct arena *arena = NULL;
        void *message = NULL;
        if (messages[which] == NULL || pick(3) > 0) {
            arena = arena_new(SIZE_MAX);
            message = any_pod(arena, now_s);
        }
        (void)quota_tally_change(tally, messages[which], message);
        arena_free(arenas[which]);
        arenas[which] = arena;
        messages[which] = message;
        now_s += pick(3) == 0 ? pick(4) : 0;
        CLEANUP(arena_freep) struct arena *scratch = arena_new(SIZE_MAX);
        const Core__V1__ResourceQuota *quota = quota_of(scratch, scopes[i % 4]);
        struct resource_list hard = RESOURCE_LIST(scratch, quota->spec, hard);
        struct resource_list used = resource_list_empty(scratch);
        quota_tally_count(tally, quota, &hard, now_s, &used);
        struct resource_list expected = counted_anew(scratch, quota, &hard, messages, now_s);
        check_same(&used, &expected);
    }
    for (unsigned i = 0; i < OBJECTS_MAX; i++) {
        if (messages[i] != NULL) {
            (void)quota_tally_change(tally, messages[i], NULL);
        }
        arena_free(arenas[i]);
    }
    ck_assert(quota_tally_is_empty(tally));
    quota_tally_free(tally);
}
END_TEST

/* The objects are gone from memory by then: what counts cannot look at them. */
START_TEST(counting_looks_at_no_object_and_takes_no_memory_for_them)
{
    CLEANUP(arena_freep) struct arena *scratch = arena_new(SIZE_MAX);
    const Core__V1__ResourceQuota *quota = quota_of(scratch, "");
    struct resource_list hard = RESOURCE_LIST(scratch, quota->spec, hard);
    struct quota_tally *tally = quota_tally_new(pods());
    size_t took[2];
    for (unsigned round = 0, count = 0; round < 2; round++) {
        for (; count < (round == 0 ? 10U : 1000U); count++) {
            CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
            (void)quota_tally_change(
                tally, NULL,
                decode(arena, "pods",
                       "{\"spec\":{\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":"
                       "{\"cpu\":\"100m\"}}}]}}"));
        }
        CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
        struct resource_list used = resource_list_empty(arena);
        quota_tally_count(tally, quota, &hard, START_S, &used);
        took[round] = arena_used(arena);
        ck_assert_int_eq(quantity_value(*resource_list_get(&used, "pods")), count);
        ck_assert_int_eq(quantity_milli_value(*resource_list_get(&used, "cpu")), count * 100);
    }
    ck_assert_uint_eq(took[0], took[1]);
    quota_tally_free(tally);
}
END_TEST

START_TEST(whether_counts_may_be_others_is_known_of_a_change)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct quota_tally *tally = quota_tally_new(pods());
    void *plain = decode(arena, "pods", "{\"spec\":{\"containers\":[{\"name\":\"c\"}]}}");
    void *labelled = decode(arena, "pods",
                            "{\"metadata\":{\"labels\":{\"a\":\"b\"}},"
                            "\"spec\":{\"containers\":[{\"name\":\"c\"}]}}");
    void *limited =
        decode(arena, "pods",
               "{\"spec\":{\"activeDeadlineSeconds\":5,\"containers\":[{\"name\":\"c\"}]}}");
    void *done = decode(arena, "pods",
                        "{\"spec\":{\"activeDeadlineSeconds\":5,\"containers\":[{\"name\":\"c\"}]},"
                        "\"status\":{\"phase\":\"Failed\"}}");
    ck_assert(quota_tally_change(tally, NULL, plain));
    ck_assert(!quota_tally_change(tally, plain, labelled));
    ck_assert(quota_tally_change(tally, labelled, limited)); /* In other scopes. */
    ck_assert(quota_tally_change(tally, limited, done));
    ck_assert(quota_tally_change(tally, done, NULL));
    ck_assert(quota_tally_is_empty(tally));
    quota_tally_free(tally);
}
END_TEST

Suite *quota_tally_suite(void)
{
    Suite *suite = suite_create("controllers/quota_tally");
    TCase *tcase = tcase_create("sums");
    tcase_add_test(tcase, sums_that_follow_changes_are_what_a_count_of_all_objects_gives);
    tcase_add_test(tcase, counting_looks_at_no_object_and_takes_no_memory_for_them);
    tcase_add_test(tcase, whether_counts_may_be_others_is_known_of_a_change);
    suite_add_tcase(suite, tcase);
    return suite;
}
