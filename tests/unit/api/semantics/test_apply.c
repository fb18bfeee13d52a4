/* Who owns fields when a kind has more than one version. */
#include "lib/api/apply.h"

#include "lib/api/json_value.h"
#include "lib/api/kinds.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>

static struct arena *arena;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
}

static void teardown(void)
{
    arena_free(arena);
}

static struct json_value *tree_of(const char *text)
{
    struct json_value *tree = NULL;
    ck_assert_int_eq(json_parse(arena, slice_text(text), &tree, NULL), 0);
    return tree;
}

static struct api_apply_request through(const char *version)
{
    return (struct api_apply_request){
        .kind = api_kind_find("autoscaling", version, "horizontalpodautoscalers"),
        .manager = "m",
        .subresource = "",
        .now = "2026-01-01T00:00:00Z"};
}

/* "Apply autoscaling/v1" of the entry. */
static const char *entry(const struct json_value *object, size_t index)
{
    const struct json_value *entries =
        json_get_text(json_get_text(object, "metadata"), "managedFields");
    ck_assert_uint_lt(index, entries->count);
    const struct json_value *each = entries->items[index];
    return arena_printf(arena, "%s %s", (const char *)json_get_text(each, "operation")->text.data,
                        (const char *)json_get_text(each, "apiVersion")->text.data);
}

static size_t entry_count(const struct json_value *object)
{
    return json_get_text(json_get_text(object, "metadata"), "managedFields")->count;
}

START_TEST(who_applies_through_two_versions_is_one_manager)
{
    const struct json_value *wanted = tree_of("{\"spec\":{\"maxReplicas\":3}}");
    const struct api_apply_request first = through("v1"), second = through("v2");
    struct json_value *object = NULL, *again = NULL;
    ck_assert_int_eq(api_apply(arena, &first, NULL, wanted, &object, NULL), 0);
    ck_assert_int_eq(api_apply(arena, &second, object, wanted, &again, NULL), 0);
    ck_assert_uint_eq(entry_count(again), 1);
    ck_assert_str_eq(entry(again, 0), "Apply autoscaling/v2");
}
END_TEST

START_TEST(who_updates_through_two_versions_has_an_entry_for_each)
{
    const struct api_apply_request first = through("v1"), second = through("v2");
    struct json_value *created = tree_of("{\"metadata\":{},\"spec\":{\"maxReplicas\":3}}");
    ck_assert_int_eq(api_managed_fields_update(arena, &first, NULL, created, NULL), 0);
    struct json_value *changed = json_copy(arena, created);
    json_set_text(arena, json_get_text(changed, "spec"), "minReplicas", json_new_int(arena, 2));
    ck_assert_int_eq(api_managed_fields_update(arena, &second, created, changed, NULL), 0);
    ck_assert_uint_eq(entry_count(changed), 2);
    ck_assert_str_eq(entry(changed, 0), "Update autoscaling/v1");
    ck_assert_str_eq(entry(changed, 1), "Update autoscaling/v2");
}
END_TEST

Suite *apply_suite(void)
{
    Suite *suite = suite_create("apply");
    TCase *versions = tcase_create("versions");
    tcase_add_checked_fixture(versions, setup, teardown);
    tcase_add_test(versions, who_applies_through_two_versions_is_one_manager);
    tcase_add_test(versions, who_updates_through_two_versions_has_an_entry_for_each);
    suite_add_tcase(suite, versions);
    return suite;
}
