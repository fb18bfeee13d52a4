/* Label and field selectors: what they select and how they are refused. */
#include "lib/api/kinds.h"
#include "lib/api/object.h"
#include "lib/api/selector.h"

#include "tests/unit/api/semantics/suites.h"
#include <check.h>
#include <errno.h>

static struct arena *arena;
static Meta__V1__ObjectMeta *meta;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
    meta =
        api_message_new(arena, api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta"));
    api_meta_set_label(arena, meta, "app", "web");
    api_meta_set_label(arena, meta, "tier", "5");
}

static void teardown(void)
{
    arena_free(arena);
}

static bool selects(const char *text)
{
    struct api_label_selector selector;
    ck_assert_int_eq(api_label_selector_parse(arena, slice_text(text), &selector, NULL), 0);
    return api_label_selector_matches(&selector, API_STRING_MAP(meta->labels, meta->n_labels));
}

static const char *printed(const char *text)
{
    struct api_label_selector selector;
    ck_assert_int_eq(api_label_selector_parse(arena, slice_text(text), &selector, NULL), 0);
    return api_label_selector_print(arena, &selector);
}

START_TEST(every_operator_selects_by_the_labels)
{
    ck_assert(selects(""));
    ck_assert(selects("app=web") && selects("app==web") && !selects("app=x"));
    ck_assert(selects("app!=x") && selects("none!=x") && !selects("app!=web"));
    ck_assert(selects("app in (a, web)") && !selects("app in (a)"));
    ck_assert(selects("app notin (a)") && selects("none notin (a)"));
    ck_assert(selects("app") && !selects("!app") && selects("!none"));
    ck_assert(selects("tier>4") && !selects("tier>5") && selects("tier<6"));
    ck_assert(selects("app=web,tier=5") && !selects("app=web,tier=6"));
}
END_TEST

START_TEST(a_selector_prints_sorted_by_key)
{
    ck_assert_str_eq(printed("b=2,a!=1"), "a!=1,b=2");
    ck_assert_str_eq(printed("x notin (c,a),!y,z"), "x notin (a,c),!y,z");
    ck_assert_str_eq(printed("in in (in)"), "in in (in)");
}
END_TEST

START_TEST(text_that_is_no_selector_is_refused)
{
    static const char *const wrong[] = {"a b",     "a=b=c", ",",     "a,",        "a in b",
                                        "a in (b", "=b",    "a=b c", "bad key!=", "a>x",
                                        "a=-b",    "a/b/c", "(a)"};
    struct api_label_selector selector;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        ck_assert_msg(api_label_selector_parse(arena, slice_text(wrong[i]), &selector, NULL) ==
                          -EINVAL,
                      "%s", wrong[i]);
    }
}
END_TEST

START_TEST(an_absent_message_selects_nothing_and_an_empty_one_everything)
{
    struct api_label_selector selector;
    Meta__V1__LabelSelector *message = api_message_new(
        arena, api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.LabelSelector"));
    struct api_string_map labels = API_STRING_MAP(meta->labels, meta->n_labels);
    ck_assert_int_eq(api_label_selector_from_message(arena, NULL, &selector, NULL), 0);
    ck_assert(!api_label_selector_matches(&selector, labels));
    ck_assert_int_eq(api_label_selector_from_message(arena, message, &selector, NULL), 0);
    ck_assert(api_label_selector_matches(&selector, labels));
}
END_TEST

START_TEST(fields_select_by_what_the_kind_allows)
{
    const struct api_kind *pods = api_kind_find("", "v1", "pods");
    struct api_field_selector selector;
    struct json_value *tree = NULL;
    void *pod = NULL;
    ck_assert_int_eq(json_parse(arena,
                                slice_text("{\"metadata\":{\"name\":\"p\",\"namespace\":\"n\"},"
                                           "\"spec\":{\"nodeName\":\"a,b\"},"
                                           "\"status\":{\"phase\":\"Running\"}}"),
                                &tree, NULL),
                     0);
    ck_assert_int_eq(api_message_from_json(arena, pods->message, tree, NULL, &pod, NULL), 0);
    ck_assert_int_eq(api_field_selector_parse(
                         arena, pods,
                         slice_text("spec.nodeName=a\\,b,status.phase!=Failed,metadata.name=p"),
                         &selector, NULL),
                     0);
    ck_assert(api_field_selector_matches(arena, pods, &selector, pod));
    ck_assert_str_eq(api_field_selector_pinned(&selector, "metadata.name"), "p");
    ck_assert_int_eq(
        api_field_selector_parse(arena, pods, slice_text("spec.hostNetwork=true"), &selector, NULL),
        0);
    ck_assert(!api_field_selector_matches(arena, pods, &selector, pod));
    ck_assert_int_eq(
        api_field_selector_parse(arena, pods, slice_text("spec.none=x"), &selector, NULL), -EINVAL);
    ck_assert_int_eq(api_field_selector_parse(arena, pods, slice_text("x"), &selector, NULL),
                     -EINVAL);
}
END_TEST

Suite *selector_suite(void)
{
    Suite *suite = suite_create("selector");
    TCase *labels = tcase_create("selectors");
    tcase_add_checked_fixture(labels, setup, teardown);
    tcase_add_test(labels, every_operator_selects_by_the_labels);
    tcase_add_test(labels, a_selector_prints_sorted_by_key);
    tcase_add_test(labels, text_that_is_no_selector_is_refused);
    tcase_add_test(labels, an_absent_message_selects_nothing_and_an_empty_one_everything);
    tcase_add_test(labels, fields_select_by_what_the_kind_allows);
    suite_add_tcase(suite, labels);
    return suite;
}
