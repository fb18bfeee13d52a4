/* Amounts by name: sums, maxima, and what a pod needs at most at any time. */
#include "lib/api/resource_list.h"

#include "tests/unit/api/semantics/suites.h"
#include <check.h>

static struct quantity amount(const char *text)
{
    struct quantity value;
    ck_assert_int_eq(quantity_parse(slice_text(text), &value, NULL), 0);
    return value;
}

static void check_amount(const struct resource_list *list, const char *name, const char *text)
{
    const struct quantity *value = resource_list_get(list, name);
    ck_assert_ptr_nonnull(value);
    char shown[QUANTITY_TEXT_SIZE];
    quantity_format(*value, shown);
    ck_assert_str_eq(shown, text);
}

START_TEST(lists_add_up_and_rise)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct resource_list a = resource_list_empty(arena);
    struct resource_list b = resource_list_empty(arena);
    resource_list_set(&a, "cpu", amount("100m"));
    resource_list_set(&b, "cpu", amount("1"));
    resource_list_set(&b, "memory", amount("1Gi"));
    resource_list_add(&a, &b);
    check_amount(&a, "cpu", "1100m");
    check_amount(&a, "memory", "1Gi");
    resource_list_set(&b, "memory", amount("512Mi"));
    resource_list_set(&b, "cpu", amount("2"));
    resource_list_raise(&a, &b);
    check_amount(&a, "cpu", "2");
    check_amount(&a, "memory", "1Gi");
    ck_assert_ptr_null(resource_list_get(&a, "storage"));
    ck_assert_uint_eq(a.count, 2);
}
END_TEST

static const Core__V1__PodSpec *pod_spec(struct arena *arena, const char *json)
{
    void *spec = NULL;
    ck_assert_int_eq(api_decode_json(arena, api_message_find("k8s.io.api.core.v1.PodSpec"),
                                     slice_text(json), NULL, &spec, NULL),
                     0);
    return spec;
}

#define NEEDS(NAME, CPU)                                                                           \
    "{\"name\":\"" NAME "\",\"resources\":{\"requests\":{\"cpu\":\"" CPU "\"}}}"
#define SIDECAR(NAME, CPU)                                                                         \
    "{\"name\":\"" NAME "\",\"restartPolicy\":\"Always\","                                         \
    "\"resources\":{\"requests\":{\"cpu\":\"" CPU "\"}}}"

START_TEST(a_pod_needs_what_its_hungriest_moment_does)
{
    static const struct {
        const char *init;
        const char *main;
        const char *cpu;
    } rows[] = {
        {"", NEEDS("a", "1") "," NEEDS("b", "2"), "3"},
        {NEEDS("i", "5"), NEEDS("a", "1"), "5"},
        {NEEDS("i", "5"), NEEDS("a", "6"), "6"},
        {SIDECAR("s", "1") "," NEEDS("i", "5"), NEEDS("a", "2"), "6"},
        {NEEDS("i", "5") "," SIDECAR("s", "1"), NEEDS("a", "2"), "5"},
        {SIDECAR("s", "1"), NEEDS("a", "2"), "3"},
    };
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *json = arena_printf(arena, "{\"initContainers\":[%s],\"containers\":[%s]}",
                                        rows[i].init, rows[i].main);
        struct resource_list requests = resource_list_pod_requests(arena, pod_spec(arena, json));
        check_amount(&requests, "cpu", rows[i].cpu);
        struct resource_list limits = resource_list_pod_limits(arena, pod_spec(arena, json));
        ck_assert_uint_eq(limits.count, 0);
    }
}
END_TEST

START_TEST(entries_read_back)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct resource_list list = resource_list_empty(arena);
    resource_list_set(&list, "cpu", amount("250m"));
    resource_list_set(&list, "example.com/gpu", amount("2"));
    void *const *entries = resource_list_entries(
        &list, api_message_find("k8s.io.api.core.v1.ResourceRequirements"), "limits");
    struct resource_list back = resource_list_read(arena, entries, list.count);
    check_amount(&back, "cpu", "250m");
    check_amount(&back, "example.com/gpu", "2");
}
END_TEST

Suite *resource_list_suite(void)
{
    Suite *suite = suite_create("resource_list");
    TCase *tcase = tcase_create("amounts");
    tcase_add_test(tcase, lists_add_up_and_rise);
    tcase_add_test(tcase, a_pod_needs_what_its_hungriest_moment_does);
    tcase_add_test(tcase, entries_read_back);
    suite_add_tcase(suite, tcase);
    return suite;
}
