/* ConversionReview: what is asked of a definition's webhook, and what it may answer. */
#include "lib/api/conversion_review.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>
#include <stdlib.h>

static struct arena *arena;
static const struct api_kind v1 = {.api_version = "g.example.com/v1", .kind = "Thing"};
static const struct api_kind v2 = {.api_version = "g.example.com/v2", .kind = "Thing"};

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
}

static void teardown(void)
{
    arena_free(arena);
}

static struct conversion_item stored(void)
{
    return (struct conversion_item){
        .from = &v1,
        .json = slice_text("{\"apiVersion\":\"g.example.com/v1\",\"kind\":\"Thing\","
                           "\"metadata\":{\"name\":\"a\",\"uid\":\"u\",\"finalizers\":[\"f\"],"
                           "\"labels\":{\"old\":\"1\"}},\"spec\":1}")};
}

/* The answer to one object; `object` goes into convertedObjects. */
static const char *read(const char *object, const char **ret_json)
{
    struct conversion_item item = stored();
    struct slice result = {0};
    const char *answer = arena_printf(
        arena,
        "{\"apiVersion\":\"apiextensions.k8s.io/v1\",\"kind\":\"ConversionReview\",\"response\":{"
        "\"uid\":\"q\",\"result\":{\"status\":\"Success\"},\"convertedObjects\":[%s]}}",
        object);
    const char *problem =
        conversion_review_read(arena, &v2, &item, 1, "v1", "q", slice_text(answer), &result);
    if (problem == NULL) {
        *ret_json = arena_text_n(arena, (const char *)result.data, result.len);
    }
    return problem;
}

START_TEST(the_question_has_the_version_that_is_wanted_and_all_objects)
{
    struct conversion_item items[] = {stored(), {.from = &v1, .json = slice_text("{}")}};
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 65536);
    conversion_review_print(&v2, items, 2, "v1", "q", &out);
    struct json_value *review = NULL;
    ck_assert_int_eq(json_parse(arena, buffer_slice(&out), &review, NULL), 0);
    const struct json_value *request = json_get_text(review, "request");
    ck_assert(slice_is(json_get_text(request, "uid")->text, "q"));
    ck_assert(slice_is(json_get_text(request, "desiredAPIVersion")->text, "g.example.com/v2"));
    ck_assert_uint_eq(json_get_text(request, "objects")->count, 2);
}
END_TEST

START_TEST(of_the_metadata_only_labels_and_annotations_change)
{
    const char *json = NULL;
    const char *problem =
        read("{\"apiVersion\":\"g.example.com/v2\",\"kind\":\"Thing\",\"metadata\":{"
             "\"name\":\"a\",\"uid\":\"u\",\"finalizers\":[],\"generation\":7,"
             "\"annotations\":{\"n\":\"2\"}},\"spec\":2}",
             &json);
    ck_assert_ptr_null(problem);
    ck_assert_str_eq(json, "{\"apiVersion\":\"g.example.com/v2\",\"kind\":\"Thing\",\"metadata\":{"
                           "\"name\":\"a\",\"uid\":\"u\",\"finalizers\":[\"f\"],"
                           "\"annotations\":{\"n\":\"2\"}},\"spec\":2}");
}
END_TEST

START_TEST(an_object_stays_the_same_object)
{
    static const struct {
        const char *object, *problem;
    } cases[] = {
        {"{\"apiVersion\":\"g.example.com/v2\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"b\"}}",
         "must have the same name: a != b"},
        {"{\"apiVersion\":\"g.example.com/v2\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"a\","
         "\"uid\":\"x\"}}",
         "must have the same UID: u != x"},
        {"{\"apiVersion\":\"g.example.com/v1\",\"kind\":\"Thing\"}",
         "invalid groupVersion (expected g.example.com/v2, received g.example.com/v1)"},
        {"{\"apiVersion\":\"g.example.com/v2\",\"kind\":\"Other\"}",
         "invalid kind (expected Thing, received Other)"},
        {"{\"apiVersion\":\"g.example.com/v2\",\"kind\":\"Thing\",\"metadata\":{\"name\":\"a\","
         "\"uid\":\"u\",\"labels\":{\"not ok\":\"\"}}}",
         "metadata.labels[not ok]"},
        {"7", "it is no object"},
        {"", "returned 0 objects, expected 1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *json = NULL;
        const char *problem = read(cases[i].object, &json);
        ck_assert_ptr_nonnull(problem);
        ck_assert_msg(strstr(problem, cases[i].problem) != NULL, "%s", problem);
        ck_assert(strncmp(problem, "conversion webhook for g.example.com/v1, Kind=Thing", 51) == 0);
    }
}
END_TEST

START_TEST(the_first_version_of_the_review_that_is_spoken_counts)
{
    char v3[] = "v3", beta[] = "v1beta1", one[] = "v1";
    char *versions[] = {v3, beta, one};
    Apiextensions__V1__WebhookConversion webhook = {.conversion_review_versions = versions,
                                                    .n_conversion_review_versions = 3};
    ck_assert_str_eq(conversion_review_version(&webhook), "v1beta1");
    webhook.n_conversion_review_versions = 1;
    ck_assert_ptr_null(conversion_review_version(&webhook));
}
END_TEST

Suite *conversion_review_suite(void)
{
    Suite *suite = suite_create("api/conversion_review");
    TCase *tcase = tcase_create("reviews");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, the_question_has_the_version_that_is_wanted_and_all_objects);
    tcase_add_test(tcase, of_the_metadata_only_labels_and_annotations_change);
    tcase_add_test(tcase, an_object_stays_the_same_object);
    tcase_add_test(tcase, the_first_version_of_the_review_that_is_spoken_counts);
    suite_add_tcase(suite, tcase);
    return suite;
}
