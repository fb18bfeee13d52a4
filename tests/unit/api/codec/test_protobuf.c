#include "k8s/tables.h"
#include "lib/api/codec.h"
#include "lib/api/kinds.h"
#include "tests/unit/api/codec/suites.h"
#include <errno.h>

START_TEST(zero_values_are_written_and_absent_pointers_are_not)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(buffer_release) struct buffer out;
    static const uint8_t wanted[] = {
        0x0a, 0x00,                                     /* name "" */
        0x12, 0x01, 'x',                                /* protocol */
        0x18, 0x50,                                     /* port 80 */
        0x22, 0x06, 0x08, 0x00, 0x10, 0x00, 0x1a, 0x00, /* targetPort: all three */
        0x28, 0x00, /* nodePort 0; appProtocol is a pointer and absent */
    };
    Core__V1__ServicePort *port = api_message_new(arena, &core__v1__service_port__schema);

    buffer_init(&out, 4096);
    port->protocol = arena_text(arena, "x");
    port->port = 80;
    api_encode_protobuf(&core__v1__service_port__schema, port, &out);
    ck_assert_uint_eq(out.len, sizeof(wanted));
    ck_assert_int_eq(memcmp(out.data, wanted, sizeof(wanted)), 0);
}
END_TEST

START_TEST(an_amount_that_is_not_given_is_nought_and_never_an_empty_text)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(buffer_release) struct buffer out;
    static const uint8_t wanted[] = {
        0x0a, 0x00,                  /* containerName "" */
        0x12, 0x01, 'r',             /* resource */
        0x1a, 0x03, 0x0a, 0x01, '0', /* divisor */
    };
    Core__V1__ResourceFieldSelector *selector =
        api_message_new(arena, &core__v1__resource_field_selector__schema);

    buffer_init(&out, 4096);
    selector->resource = arena_text(arena, "r");
    api_encode_protobuf(&core__v1__resource_field_selector__schema, selector, &out);
    ck_assert_uint_eq(out.len, sizeof(wanted));
    ck_assert_int_eq(memcmp(out.data, wanted, sizeof(wanted)), 0);
}
END_TEST

START_TEST(envelope_carries_kind_and_version_and_empty_encodings)
{
    CLEANUP(buffer_release) struct buffer out;
    static const char wanted[] = "k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x02xy\x1a\x00\x22\x00";
    const struct api_type_meta meta = {"v1", "Pod"};
    struct api_envelope envelope;

    buffer_init(&out, 4096);
    api_wrap_envelope(slice_text("xy"), &meta, &out);
    ck_assert_uint_eq(out.len, sizeof(wanted) - 1);
    ck_assert_int_eq(memcmp(out.data, wanted, out.len), 0);
    ck_assert_int_eq(api_parse_envelope(buffer_slice(&out), &envelope, NULL), 0);
    ck_assert(slice_is(envelope.kind, "Pod"));
    ck_assert(slice_is(envelope.api_version, "v1"));
    ck_assert(slice_is(envelope.raw, "xy"));
}
END_TEST

START_TEST(every_prefix_of_a_message_is_refused_or_read_but_never_overrun)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(buffer_release) struct buffer out;
    static const char text[] =
        "{\"metadata\":{\"name\":\"n\",\"labels\":{\"a\":\"b\"}},\"spec\":{"
        "\"containers\":[{\"name\":\"c\",\"ports\":[{\"containerPort\":1}]}]}}";
    void *object;

    buffer_init(&out, 4096);
    ck_assert_int_eq(
        api_decode_json(arena, &core__v1__pod__schema, slice_text(text), NULL, &object, NULL), 0);
    api_encode_protobuf(&core__v1__pod__schema, object, &out);
    for (size_t len = 0; len < out.len; len++) {
        void *copy = arena_slice(arena, slice_of(out.data, len)).data == NULL ? NULL : object;
        int r = api_decode_protobuf(arena, &core__v1__pod__schema, slice_of(out.data, len), &copy,
                                    NULL);
        ck_assert(r == 0 || r == -EBADMSG);
    }
}
END_TEST

START_TEST(unknown_fields_are_skipped_and_split_lists_joined)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    static const uint8_t bytes[] = {0x0a, 0x01, 'a',  0xf8, 0x3f, 0x05, 0x0a, 0x01,
                                    'b',  0x12, 0x01, 'z',  0x0a, 0x01, 'c'};
    const struct api_message *message = &core__v1__pod_dnsconfig__schema;
    Core__V1__PodDNSConfig *config;
    void *object;

    ck_assert_int_eq(
        api_decode_protobuf(arena, message, slice_of(bytes, sizeof(bytes)), &object, NULL), 0);
    config = object;
    ck_assert_uint_eq(config->n_nameservers, 3);
    ck_assert_str_eq(config->nameservers[2], "c");
    ck_assert_uint_eq(config->n_searches, 1);
}
END_TEST

START_TEST(quantities_of_other_writers_become_canonical_or_are_refused)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct api_message *message = &core__v1__resource_quota_spec__schema;
    uint8_t bytes[] = {0x0a, 0x0e, 0x0a, 0x03, 'c', 'p', 'u', 0x12,
                       0x07, 0x0a, 0x05, '1',  '0', '0', '0', 'm'};
    Core__V1__ResourceQuotaSpec *spec;
    void *object;

    ck_assert_int_eq(
        api_decode_protobuf(arena, message, slice_of(bytes, sizeof(bytes)), &object, NULL), 0);
    spec = object;
    ck_assert_str_eq(spec->hard[0]->value->string, "1");
    bytes[11] = 'x';
    ck_assert_int_eq(
        api_decode_protobuf(arena, message, slice_of(bytes, sizeof(bytes)), &object, NULL),
        -EBADMSG);
}
END_TEST

START_TEST(equality_sees_meaning_not_form)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct api_message *message = &core__v1__pod__schema;
    void *a, *b, *c;
    ck_assert_int_eq(
        api_decode_json(arena, message,
                        slice_text("{\"spec\":{\"containers\":[],\"overhead\":{\"cpu\":\"1\"},"
                                   "\"nodeSelector\":{\"a\":\"1\",\"b\":\"2\"}}}"),
                        NULL, &a, NULL),
        0);
    ck_assert_int_eq(
        api_decode_json(arena, message,
                        slice_text("{\"spec\":{\"overhead\":{\"cpu\":\"1000m\"},\"hostPID\":false,"
                                   "\"nodeSelector\":{\"b\":\"2\",\"a\":\"1\"}}}"),
                        NULL, &b, NULL),
        0);
    ck_assert_int_eq(api_decode_json(arena, message,
                                     slice_text("{\"spec\":{\"terminationGracePeriodSeconds\":0,"
                                                "\"overhead\":{\"cpu\":\"1\"},"
                                                "\"nodeSelector\":{\"a\":\"1\",\"b\":\"2\"}}}"),
                                     NULL, &c, NULL),
                     0);
    ck_assert(api_message_equal(message, a, b));
    ck_assert(!api_message_equal(message, a, c)); /* A pointer to zero is not absent. */
}
END_TEST

START_TEST(every_kind_has_its_messages_and_can_be_found)
{
    size_t count;
    const struct api_kind *kinds = api_kinds(&count);
    for (size_t i = 0; i < count; i++) {
        const struct api_kind *kind = &kinds[i];
        ck_assert_uint_eq(kind->index, i);
        ck_assert_ptr_eq(api_kind_find(kind->group, kind->version, kind->plural), kind);
        ck_assert_ptr_eq(api_kind_by_api_version(kind->api_version, kind->kind), kind);
        ck_assert_ptr_eq(api_kind_of(kind->message), kind);
        ck_assert_ptr_eq(api_message_find(kind->message->full_name), kind->message);
        ck_assert_str_eq(kind->message->name, kind->kind);
        ck_assert(!kind->stored || kind->message->metadata != NULL);
        ck_assert((kind->verbs & API_VERB_LIST) == 0 || kind->list_message != NULL);
    }
}
END_TEST

Suite *protobuf_suite(void)
{
    Suite *suite = suite_create("api/protobuf");
    TCase *tcase = tcase_create("protobuf");
    tcase_add_test(tcase, zero_values_are_written_and_absent_pointers_are_not);
    tcase_add_test(tcase, an_amount_that_is_not_given_is_nought_and_never_an_empty_text);
    tcase_add_test(tcase, envelope_carries_kind_and_version_and_empty_encodings);
    tcase_add_test(tcase, every_prefix_of_a_message_is_refused_or_read_but_never_overrun);
    tcase_add_test(tcase, unknown_fields_are_skipped_and_split_lists_joined);
    tcase_add_test(tcase, quantities_of_other_writers_become_canonical_or_are_refused);
    tcase_add_test(tcase, equality_sees_meaning_not_form);
    tcase_add_test(tcase, every_kind_has_its_messages_and_can_be_found);
    suite_add_tcase(suite, tcase);
    return suite;
}
