/* What clients of coracle.v1.Objects learn of errors, and who they are taken for. */
#include "k8s/core_v1.pb-c.h"
#include "tests/unit/apiserver/objects_calls.h"
#include <stdlib.h>

static struct objects_fixture fixture;

static void setup(void)
{
    objects_fixture_init(&fixture);
}

static void teardown(void)
{
    objects_fixture_release(&fixture);
}

static bool has(const char *whole, const char *part)
{
    return strstr(whole, part) != NULL;
}

START_TEST(what_is_not_there_is_named)
{
    struct answer *answer = objects_get_json(&fixture, objects_config_maps(&fixture), "x");
    ck_assert_int_eq(answer->code, GRPC_NOT_FOUND);
    ck_assert_str_eq(answer->message, "configmaps \"x\" not found");
    ck_assert_str_eq(answer->status->reason, "NotFound");
    ck_assert_int_eq(answer->status->code, 404);
    ck_assert_str_eq(answer->status->details->name, "x");
    ck_assert_int_eq(
        objects_get_json(&fixture, objects_in(&fixture, "", "v1", "unicorns", "ns"), "x")->code,
        GRPC_NOT_FOUND);
    ck_assert_int_eq(
        objects_get_json(&fixture, objects_in(&fixture, "no.such", "v1", "unicorns", "ns"), "x")
            ->code,
        GRPC_NOT_FOUND);
}
END_TEST

START_TEST(what_is_there_already_is_not_made_twice)
{
    objects_make(&fixture, "x");
    struct answer *answer = objects_create_json(&fixture, objects_config_maps(&fixture),
                                                "{\"metadata\":{\"name\":\"x\"}}");
    ck_assert_int_eq(answer->code, GRPC_ALREADY_EXISTS);
    ck_assert_str_eq(answer->status->reason, "AlreadyExists");
}
END_TEST

START_TEST(every_cause_of_a_refusal_is_told)
{
    struct answer *answer =
        objects_create_json(&fixture, objects_config_maps(&fixture),
                            "{\"metadata\":{\"name\":\"X Y\",\"labels\":{\"a b\":\"c\"}}}");
    ck_assert_int_eq(answer->code, GRPC_INVALID_ARGUMENT);
    ck_assert_str_eq(answer->status->reason, "Invalid");
    ck_assert_uint_eq(answer->status->details->n_causes, 2);
    ck_assert_str_eq(answer->status->details->causes[0]->field, "metadata.name");
    ck_assert_str_eq(answer->status->details->causes[1]->field, "metadata.labels");
}
END_TEST

START_TEST(an_error_without_end_is_cut_to_what_clients_take)
{
    CLEANUP(buffer_release) struct buffer body;
    buffer_init(&body, (size_t)1 << 20);
    buffer_append_text(&body, "{\"metadata\":{\"name\":\"x\",\"labels\":{");
    for (int i = 0; i < 500; i++) {
        buffer_printf(&body, "%s\"a b%d\":\"not good %d\"", i == 0 ? "" : ",", i, i);
    }
    buffer_append_text(&body, "}}}");
    struct answer *answer =
        objects_create_json(&fixture, objects_config_maps(&fixture), buffer_text(&body));
    ck_assert_int_eq(answer->code, GRPC_INVALID_ARGUMENT);
    ck_assert_uint_le(strlen(answer->message), 1100);
    ck_assert_ptr_nonnull(answer->status);
    ck_assert_uint_gt(answer->status->details->n_causes, 0);
    ck_assert_uint_lt(answer->status->details->n_causes, 500);
}
END_TEST

START_TEST(a_stale_update_is_a_conflict)
{
    objects_make(&fixture, "x");
    struct answer *answer =
        objects_update_json(&fixture, objects_config_maps(&fixture), "x",
                            "{\"metadata\":{\"name\":\"x\",\"resourceVersion\":\"1\"}}");
    ck_assert_int_eq(answer->code, GRPC_ABORTED);
    ck_assert_str_eq(answer->status->reason, "Conflict");
}
END_TEST

START_TEST(who_may_not_is_refused)
{
    objects_make(&fixture, "x");
    struct answer *answer = objects_get(&fixture, fixture.jane, objects_config_maps(&fixture), "x",
                                        OBJECTS__V1__ENCODING__ENCODING_JSON);
    ck_assert_int_eq(answer->code, GRPC_PERMISSION_DENIED);
    ck_assert(has(answer->message, "User \"jane\" cannot get resource \"configmaps\""));
    struct grpc_channel *nobody = objects_fixture_channel(&fixture, NULL, NULL, 0);
    answer = objects_get(&fixture, nobody, objects_config_maps(&fixture), "x",
                         OBJECTS__V1__ENCODING__ENCODING_JSON);
    ck_assert_int_eq(answer->code, GRPC_PERMISSION_DENIED);
    ck_assert(has(answer->message, "system:anonymous"));
    grpc_channel_close(nobody);
}
END_TEST

static struct answer *whoami(struct grpc_channel *channel, const struct http_header *metadata,
                             size_t count)
{
    Objects__V1__CreateRequest review;
    objects__v1__create_request__init(&review);
    review.resource = objects_in(&fixture, "authentication.k8s.io", "v1", "selfsubjectreviews", "");
    review.object = objects_json(&fixture, "{}");
    review.format = objects_format(&fixture, OBJECTS__V1__ENCODING__ENCODING_JSON);
    const struct grpc_call_options options = {.metadata = metadata, .metadata_count = count};
    struct answer *answer = objects_open(&fixture, channel, "Create", &review, &options);
    objects_await(&fixture, answer, SIZE_MAX);
    return answer;
}

START_TEST(metadata_says_who_asks)
{
    const struct http_header bad[] = {http_header("authorization", "Bearer nonsense")};
    struct grpc_channel *nobody = objects_fixture_channel(&fixture, NULL, NULL, 0);
    struct answer *answer = whoami(nobody, bad, 1);
    ck_assert_int_eq(answer->code, GRPC_UNAUTHENTICATED);
    ck_assert_str_eq(answer->status->reason, "Unauthorized");
    grpc_channel_close(nobody);
    const struct http_header other[] = {http_header("impersonate-user", "jane"),
                                        http_header("impersonate-group", "friends")};
    answer = whoami(fixture.admin, other, 2);
    /* The authorizer may hear of the default roles only now. */
    for (int tries = 0; answer->code == GRPC_PERMISSION_DENIED && tries < 1000; tries++) {
        answer = whoami(fixture.admin, other, 2);
    }
    Objects__V1__Object *me = objects_only(answer);
    ck_assert(has(me->json, "\"username\":\"jane\""));
    ck_assert(has(me->json, "\"friends\""));
    ck_assert_int_eq(whoami(fixture.jane, other, 1)->code, GRPC_PERMISSION_DENIED);
}
END_TEST

START_TEST(requests_have_limits)
{
    char *large = arena_alloc(fixture.base.arena, 5 << 20);
    memset(large, 'a', 5 << 20);
    large[(5 << 20) - 1] = 0;
    struct answer *answer = objects_create_json(&fixture, objects_config_maps(&fixture), large);
    ck_assert_int_eq(answer->code, GRPC_RESOURCE_EXHAUSTED); /* The message. */
    large[(3 << 20) + 1] = 0;
    answer = objects_create_json(&fixture, objects_config_maps(&fixture), large);
    ck_assert_int_eq(answer->code, GRPC_RESOURCE_EXHAUSTED); /* The object. */
    ck_assert_str_eq(answer->status->reason, "RequestEntityTooLarge");
    ck_assert_int_eq(objects_get_json(&fixture, objects_config_maps(&fixture), "")->code,
                     GRPC_INVALID_ARGUMENT);
    ck_assert_int_eq(objects_create(&fixture, objects_config_maps(&fixture), NULL, NULL)->code,
                     GRPC_INVALID_ARGUMENT);
}
END_TEST

Suite *objects_errors_suite(void);

Suite *objects_errors_suite(void)
{
    Suite *suite = suite_create("apiserver/objects_errors");
    TCase *tcase = tcase_create("errors");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, what_is_not_there_is_named);
    tcase_add_test(tcase, what_is_there_already_is_not_made_twice);
    tcase_add_test(tcase, every_cause_of_a_refusal_is_told);
    tcase_add_test(tcase, an_error_without_end_is_cut_to_what_clients_take);
    tcase_add_test(tcase, a_stale_update_is_a_conflict);
    tcase_add_test(tcase, who_may_not_is_refused);
    tcase_add_test(tcase, metadata_says_who_asks);
    tcase_add_test(tcase, requests_have_limits);
    suite_add_tcase(suite, tcase);
    return suite;
}
