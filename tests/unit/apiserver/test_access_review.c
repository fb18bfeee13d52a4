/* SubjectAccessReviews: the question that webhooks get, what they answer, and what the reviews of
 * clients may ask, with selectors. */
#include "apiserver/access_review.h"
#include "apiserver/access_review_checks.h"
#include "apiserver/access_selector.h"
#include "k8s/authorization_v1.pb-c.h"

#include <check.h>
#include <errno.h>
#include <string.h>

Suite *access_review_suite(void);

static struct arena *arena;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
}

static void teardown(void)
{
    arena_free(arena);
}

static const char *const groups[] = {"a", "b"};
static const struct user_extra extras[] = {{"k", "x"}, {"l", "z"}, {"k", "y"}};
static const struct user ann = {.name = "ann",
                                .uid = "7",
                                .groups = groups,
                                .group_count = 2,
                                .extras = extras,
                                .extra_count = 3};

START_TEST(a_question_has_what_is_known)
{
    const struct access pods = {.verb = "get",
                                .is_resource = true,
                                .group = "",
                                .version = "v1",
                                .resource = "pods",
                                .subresource = "log",
                                .namespace = "ns",
                                .name = "p",
                                .path = ""};
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 4096);
    access_review_print("v1", &ann, &pods, &out);
    ck_assert_str_eq(
        buffer_text(&out),
        "{\"kind\":\"SubjectAccessReview\",\"apiVersion\":\"authorization.k8s.io/v1\",\"metadata\":"
        "{\"creationTimestamp\":null},\"spec\":{\"resourceAttributes\":{\"namespace\":\"ns\","
        "\"verb\":\"get\",\"version\":\"v1\",\"resource\":\"pods\",\"subresource\":\"log\","
        "\"name\":"
        "\"p\"},\"user\":\"ann\",\"groups\":[\"a\",\"b\"],\"extra\":{\"k\":[\"x\",\"y\"],\"l\":"
        "[\"z\"]},\"uid\":\"7\"},\"status\":{\"allowed\":false}}");
    buffer_clear(&out);
    const struct access path = {.verb = "get", .path = "/version"};
    access_review_print("v1beta1", &ann, &path, &out);
    ck_assert_ptr_nonnull(strstr(buffer_text(&out), "\"group\":[\"a\",\"b\"]"));
    ck_assert_ptr_nonnull(strstr(
        buffer_text(&out), "\"nonResourceAttributes\":{\"path\":\"/version\",\"verb\":\"get\"}"));
}
END_TEST

START_TEST(conditions_see_empty_members_too)
{
    const struct user nobody = {.name = "ann", .uid = ""};
    const struct access pods = {.verb = "list",
                                .is_resource = true,
                                .group = "",
                                .resource = "pods",
                                .subresource = "",
                                .namespace = "",
                                .name = ""};
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 4096);
    access_review_print_spec(&nobody, &pods, &out);
    ck_assert_str_eq(buffer_text(&out),
                     "{\"resourceAttributes\":{\"namespace\":\"\",\"verb\":\"list\",\"group\":\"\","
                     "\"version\":\"\",\"resource\":\"pods\",\"subresource\":\"\",\"name\":\"\"},"
                     "\"user\":\"ann\",\"groups\":[],\"extra\":{},\"uid\":\"\"}");
}
END_TEST

#define ANSWER(status)                                                                             \
    "{\"apiVersion\":\"authorization.k8s.io/v1\",\"kind\":\"SubjectAccessReview\","                \
    "\"status\":" status "}"

START_TEST(an_answer_allows_denies_or_has_no_opinion)
{
    static const struct {
        const char *json;
        int status;
        bool allowed, denied;
    } rows[] = {
        {ANSWER("{\"allowed\":true,\"reason\":\"so\"}"), 0, true, false},
        {ANSWER("{\"allowed\":false,\"denied\":true,\"reason\":\"so\"}"), 0, false, true},
        {ANSWER("{\"allowed\":false,\"reason\":\"so\"}"), 0, false, false},
        {ANSWER("{\"allowed\":true,\"denied\":true}"), -EINVAL, false, false},
        {ANSWER("{\"allowed\":\"true\"}"), -EINVAL, false, false},
        {"{}", -EINVAL, false, false},
        {"", -EINVAL, false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct access_review_answer answer = {.reason = ""};
        ck_assert_int_eq(access_review_read(arena, "v1", slice_text(rows[i].json), &answer, NULL),
                         rows[i].status);
        ck_assert_int_eq(answer.allowed, rows[i].allowed);
        ck_assert_int_eq(answer.denied, rows[i].denied);
        ck_assert_str_eq(answer.reason, rows[i].status == 0 ? "so" : "");
    }
}
END_TEST

/* --- Selectors --- */

static const char *printed(const char *fields, const char *labels)
{
    const struct user nobody = {.name = "ann", .uid = ""};
    struct access pods = {.verb = "list", .is_resource = true, .resource = "pods"};
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 4096);
    pods.fields = access_selector_of_fields(arena, fields);
    pods.labels = access_selector_of_labels(arena, labels);
    access_review_print("v1", &nobody, &pods, &out);
    const char *from = strstr(buffer_text(&out), "\"resource\":\"pods\"");
    return arena_printf(arena, "%.*s", (int)(strstr(from, "},\"user\"") - from), from);
}

START_TEST(a_question_has_the_selectors_as_requirements)
{
    ck_assert_str_eq(printed("", NULL), "\"resource\":\"pods\"");
    ck_assert_str_eq(printed("spec.nodeName=n1,status.phase!=Failed", ""),
                     "\"resource\":\"pods\",\"fieldSelector\":{\"requirements\":["
                     "{\"key\":\"spec.nodeName\",\"operator\":\"In\",\"values\":[\"n1\"]},"
                     "{\"key\":\"status.phase\",\"operator\":\"NotIn\",\"values\":[\"Failed\"]}]}");
    ck_assert_str_eq(printed(NULL, "b notin (y,x),!c,a"),
                     "\"resource\":\"pods\",\"labelSelector\":{\"requirements\":["
                     "{\"key\":\"a\",\"operator\":\"Exists\"},"
                     "{\"key\":\"b\",\"operator\":\"NotIn\",\"values\":[\"x\",\"y\"]},"
                     "{\"key\":\"c\",\"operator\":\"DoesNotExist\"}]}");
}
END_TEST

START_TEST(what_has_no_word_or_cannot_be_read_does_not_narrow)
{
    ck_assert_str_eq(printed("spec.nodeName", "a b"), "\"resource\":\"pods\"");
    ck_assert_str_eq(printed(NULL, "a>1"), "\"resource\":\"pods\"");
    ck_assert_str_eq(printed(NULL, "a>1,b"),
                     "\"resource\":\"pods\",\"labelSelector\":{\"requirements\":["
                     "{\"key\":\"b\",\"operator\":\"Exists\"}]}");
    ck_assert(access_selector_of_fields(arena, "spec.nodeName").faulty);
    ck_assert(!access_selector_of_fields(arena, "any.field=x").faulty);
}
END_TEST

START_TEST(a_node_is_pinned_by_equality_only)
{
    struct access_selector pinned = access_selector_of_fields(arena, "a!=b,spec.nodeName==n1");
    struct access_selector other = access_selector_of_fields(arena, "spec.nodeName!=n1");
    ck_assert_str_eq(access_selector_pinned(&pinned, "spec.nodeName"), "n1");
    ck_assert_ptr_null(access_selector_pinned(&other, "spec.nodeName"));
}
END_TEST

START_TEST(selectors_are_the_same_question_when_all_of_them_is)
{
    struct access_selector a = access_selector_of_labels(arena, "a in (x,y),b");
    struct access_selector same = access_selector_copy(arena, &a);
    struct access_selector value = access_selector_of_labels(arena, "a in (x,z),b");
    struct access_selector op = access_selector_of_labels(arena, "a notin (x,y),b");
    struct access_selector fewer = access_selector_of_labels(arena, "a in (x,y)");
    ck_assert(access_selector_equal(&a, &same));
    ck_assert(!access_selector_equal(&a, &value));
    ck_assert(!access_selector_equal(&a, &op));
    ck_assert(!access_selector_equal(&a, &fewer));
}
END_TEST

/* Requirements of a review. */
#define FIELD(name, key_text, op, value)                                                           \
    char *name##_values[] = {value};                                                               \
    Meta__V1__FieldSelectorRequirement name = META__V1__FIELD_SELECTOR_REQUIREMENT__INIT;          \
    name.key = key_text;                                                                           \
    name.operator_ = op;                                                                           \
    name.values = name##_values;                                                                   \
    name.n_values = 1

START_TEST(reviewed_requirements_that_nobody_knows_are_left_out)
{
    FIELD(known, "spec.nodeName", "In", "n1");
    FIELD(unknown, "spec.nodeName", "Like", "n%");
    Meta__V1__FieldSelectorRequirement *both[] = {&unknown, &known};
    Authorization__V1__FieldSelectorAttributes from =
        AUTHORIZATION__V1__FIELD_SELECTOR_ATTRIBUTES__INIT;
    from.requirements = both;
    from.n_requirements = 2;
    struct access_selector selector = access_selector_of_reviewed_fields(arena, &from);
    ck_assert(selector.faulty);
    ck_assert_uint_eq(selector.count, 1);
    ck_assert_str_eq(access_selector_pinned(&selector, "spec.nodeName"), "n1");

    from.n_requirements = 0;
    from.raw_selector = "a=b";
    selector = access_selector_of_reviewed_fields(arena, &from);
    ck_assert(!selector.faulty);
    ck_assert_str_eq(access_selector_pinned(&selector, "a"), "b");
}
END_TEST

/* The path and the message of each cause. */
static const char *causes_of(const Authorization__V1__ResourceAttributes *resource)
{
    struct api_causes causes;
    const char *text = "";
    api_causes_init(&causes, arena);
    access_review_check_selectors(&causes, resource);
    for (size_t i = 0; i < causes.count; i++) {
        text =
            arena_printf(arena, "%s%s: %s\n", text, causes.items[i].field, causes.items[i].message);
    }
    return text;
}

START_TEST(a_review_has_no_name_and_a_local_one_a_namespace)
{
    Meta__V1__ObjectMeta meta = META__V1__OBJECT_META__INIT;
    struct api_causes causes;
    api_causes_init(&causes, arena);
    access_review_check_metadata(&causes, NULL, /* local= */ false);
    access_review_check_metadata(&causes, &meta, /* local= */ false);
    meta.namespace_ = "n";
    access_review_check_metadata(&causes, &meta, /* local= */ true);
    ck_assert_uint_eq(causes.count, 0);
    access_review_check_metadata(&causes, &meta, /* local= */ false);
    meta.name = "a";
    access_review_check_metadata(&causes, &meta, /* local= */ true);
    ck_assert_uint_eq(causes.count, 2);
    ck_assert_str_eq(causes.items[0].field, "metadata");
    ck_assert_ptr_nonnull(strstr(causes.items[0].message, "Invalid value: v1.ObjectMeta{Name:\"\", "
                                                          "GenerateName:\"\", Namespace:\"n\""));
    ck_assert_ptr_nonnull(strstr(causes.items[0].message, "}: must be empty"));
    ck_assert_ptr_nonnull(strstr(causes.items[1].message, "}: must be empty except for namespace"));
}
END_TEST

START_TEST(selectors_of_reviews_are_checked)
{
    Authorization__V1__ResourceAttributes resource = AUTHORIZATION__V1__RESOURCE_ATTRIBUTES__INIT;
    Authorization__V1__FieldSelectorAttributes fields =
        AUTHORIZATION__V1__FIELD_SELECTOR_ATTRIBUTES__INIT;
    Authorization__V1__LabelSelectorAttributes labels =
        AUTHORIZATION__V1__LABEL_SELECTOR_ATTRIBUTES__INIT;
    resource.field_selector = &fields;
    resource.label_selector = &labels;
    ck_assert_str_eq(causes_of(&resource),
                     "spec.resourceAttributes.fieldSelector.requirements: Required value: when "
                     "spec.resourceAttributes.fieldSelector is specified, requirements or "
                     "rawSelector is required\n"
                     "spec.resourceAttributes.labelSelector.requirements: Required value: when "
                     "spec.resourceAttributes.labelSelector is specified, requirements or "
                     "rawSelector is required\n");

    FIELD(nameless, "", "Exists", "x");
    Meta__V1__FieldSelectorRequirement *one[] = {&nameless};
    fields.requirements = one;
    fields.n_requirements = 1;
    fields.raw_selector = "a=b";
    labels.raw_selector = "what is this?";
    ck_assert_str_eq(
        causes_of(&resource),
        "spec.resourceAttributes.fieldSelector.rawSelector: Invalid value: \"a=b\": may not "
        "specified at the same time as requirements\n"
        "spec.resourceAttributes.fieldSelector.requirements[0].key: Required value: must be "
        "specified\n"
        "spec.resourceAttributes.fieldSelector.requirements[0].values: Forbidden: may not be "
        "specified when `operator` is 'Exists' or 'DoesNotExist'\n");
}
END_TEST

Suite *access_review_suite(void)
{
    Suite *suite = suite_create("apiserver/access_review");
    TCase *tcase = tcase_create("reviews");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_question_has_what_is_known);
    tcase_add_test(tcase, conditions_see_empty_members_too);
    tcase_add_test(tcase, an_answer_allows_denies_or_has_no_opinion);
    tcase_add_test(tcase, a_question_has_the_selectors_as_requirements);
    tcase_add_test(tcase, what_has_no_word_or_cannot_be_read_does_not_narrow);
    tcase_add_test(tcase, a_node_is_pinned_by_equality_only);
    tcase_add_test(tcase, selectors_are_the_same_question_when_all_of_them_is);
    tcase_add_test(tcase, reviewed_requirements_that_nobody_knows_are_left_out);
    tcase_add_test(tcase, a_review_has_no_name_and_a_local_one_a_namespace);
    tcase_add_test(tcase, selectors_of_reviews_are_checked);
    suite_add_tcase(suite, tcase);
    return suite;
}
