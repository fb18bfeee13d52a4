#include "k8s/tables.h"
#include "lib/api/limits.h"
#include "lib/api/status.h"
#include "lib/base/alloc.h"
#include "tests/unit/api/codec/suites.h"

static const char *json_of(struct arena *arena, const struct api_status *status)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 1 << 20);
    api_status_encode_json(arena, status, &out);
    return arena_text(arena, buffer_text(&out));
}

START_TEST(not_found_names_the_resource)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    ck_assert_str_eq(json_of(arena, api_status_not_found(
                                        arena, api_kind_of(&apps__v1__deployment__schema), "web")),
                     "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":"
                     "\"Failure\",\"message\":\"deployments.apps \\\"web\\\" not found\","
                     "\"reason\":\"NotFound\",\"details\":{\"name\":\"web\",\"group\":\"apps\","
                     "\"kind\":\"deployments\"},\"code\":404}");
}
END_TEST

START_TEST(invalid_lists_all_causes_and_says_equal_ones_once)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    static const char *const values[] = {"TCP", "SCTP", "UDP", NULL};
    struct api_path spec = api_path_field(NULL, "spec"), ports = api_path_field(&spec, "ports");
    struct api_path first = api_path_index(&ports, 0);
    struct api_path protocol = api_path_field(&first, "protocol");
    struct api_causes causes;
    const struct api_status *status;

    api_causes_init(&causes, arena);
    api_cause_not_supported(&causes, &protocol, api_shown_text("x\n"), values);
    api_cause_required(&causes, &ports, "");
    api_cause_required(&causes, &ports, "");
    status = api_status_invalid(arena, api_kind_of(&core__v1__service__schema), "s", &causes);
    ck_assert_str_eq(status->message,
                     "Service \"s\" is invalid: [spec.ports[0].protocol: Unsupported value: "
                     "\"x\\n\": supported values: \"SCTP\", \"TCP\", \"UDP\", spec.ports: Required "
                     "value]");
    ck_assert_uint_eq(status->cause_count, 3);
    ck_assert_str_eq(status->causes[0].reason, "FieldValueNotSupported");
    ck_assert_str_eq(status->causes[0].field, "spec.ports[0].protocol");
}
END_TEST

/* A message may show a value as a whole. */
START_TEST(causes_end_where_there_are_enough_or_their_messages_are_long_enough)
{
    enum { LONG = 1024 * 1024 };
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(alloc_freep) char *message = alloc_zeroed(LONG + 1);
    struct api_causes few, many;
    memset(message, 'm', LONG);
    api_causes_init(&few, arena);
    for (size_t i = 0; i < API_CAUSES_MAX; i++) {
        ck_assert_int_eq(api_causes_full(&few), i >= API_CAUSES_BYTES_MAX / LONG);
        api_cause_add(&few, "FieldValueInvalid", message, "spec");
    }
    ck_assert_uint_eq(few.count, API_CAUSES_BYTES_MAX / LONG);
    ck_assert_uint_eq(few.bytes, API_CAUSES_BYTES_MAX);
    api_causes_init(&many, arena);
    for (size_t i = 0; i <= API_CAUSES_MAX; i++) {
        ck_assert_int_eq(api_causes_full(&many), i == API_CAUSES_MAX);
        api_cause_add(&many, "FieldValueInvalid", "m", "spec");
    }
    ck_assert_uint_eq(many.count, API_CAUSES_MAX);
}
END_TEST

START_TEST(texts_of_causes_beyond_the_last_are_not_made)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    static const char *const values[] = {"b", "a", NULL};
    struct api_causes causes;
    api_causes_init(&causes, arena);
    for (size_t i = 0; i < API_CAUSES_MAX; i++) {
        struct api_path at = api_path_index(NULL, i);
        api_cause_not_supported(&causes, &at, api_shown_text("x"), values);
    }
    ck_assert(api_causes_full(&causes));
    size_t used = arena_used(arena);
    struct api_path at = api_path_index(NULL, causes.count);
    api_cause_not_supported(&causes, &at, api_shown_text("x"), values);
    api_cause_not_among(&causes, &at, api_shown_text("x"), values);
    api_cause_invalid(&causes, &at, api_shown_text("x"), "y");
    ck_assert_uint_eq(arena_used(arena), used);
    ck_assert_uint_eq(causes.count, API_CAUSES_MAX);
}
END_TEST

START_TEST(success_has_neither_code_nor_reason)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    ck_assert_str_eq(
        json_of(arena,
                api_status_success(arena, api_kind_of(&core__v1__config_map__schema), "c", "u-1")),
        "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Success\","
        "\"details\":{\"name\":\"c\",\"kind\":\"configmaps\",\"uid\":\"u-1\"}}");
}
END_TEST

START_TEST(a_status_survives_its_message_form)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct api_status *status = api_status_version_too_large(arena, 9, 5);
    const struct api_status *back =
        api_status_from_message(arena, api_status_message(arena, status));
    ck_assert_str_eq(json_of(arena, status), json_of(arena, back));
    ck_assert_int_eq(back->code, 504);
    ck_assert_str_eq(back->causes[0].reason, "ResourceVersionTooLarge");
}
END_TEST

Suite *status_suite(void)
{
    Suite *suite = suite_create("api/status");
    TCase *tcase = tcase_create("status");
    tcase_add_test(tcase, not_found_names_the_resource);
    tcase_add_test(tcase, invalid_lists_all_causes_and_says_equal_ones_once);
    tcase_add_test(tcase, causes_end_where_there_are_enough_or_their_messages_are_long_enough);
    tcase_add_test(tcase, texts_of_causes_beyond_the_last_are_not_made);
    tcase_add_test(tcase, success_has_neither_code_nor_reason);
    tcase_add_test(tcase, a_status_survives_its_message_form);
    suite_add_tcase(suite, tcase);
    return suite;
}
