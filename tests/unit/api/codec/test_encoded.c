#include "k8s/tables.h"
#include "lib/api/codec.h"
#include "lib/api/encoded.h"
#include "lib/api/object.h"
#include "tests/unit/api/codec/suites.h"

static Core__V1__Pod *a_pod(struct arena *arena)
{
    static const char text[] =
        "{\"metadata\":{\"name\":\"n\",\"namespace\":\"ns\",\"uid\":\"u\",\"resourceVersion\":"
        "\"7\","
        "\"labels\":{\"a\":\"b\",\"app\":\"web\"},\"annotations\":{\"x\":\"y\"},"
        "\"finalizers\":[\"f\"]},\"spec\":{\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}";
    void *object = NULL;
    int status =
        api_decode_json(arena, &core__v1__pod__schema, slice_text(text), NULL, &object, NULL);
    ck_assert_int_eq(status, 0);
    return object;
}

START_TEST(another_version_is_put_in_as_the_encoder_would)
{
    static const struct {
        const char *text;
        uint64_t number;
    } versions[] = {{"0", 0}, {"42", 42}, {"18446744073709551615", UINT64_MAX}};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        for (int had_one = 0; had_one < 2; had_one++) {
            CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
            CLEANUP(buffer_release) struct buffer stored, wanted, got;
            struct api_encoded encoded;
            buffer_init(&stored, 4096);
            buffer_init(&wanted, 4096);
            buffer_init(&got, 4096);
            Core__V1__Pod *pod = a_pod(arena);
            pod->metadata->resource_version = had_one == 1 ? arena_text(arena, "7") : NULL;
            api_encode_protobuf(&core__v1__pod__schema, pod, &stored);
            pod->metadata->resource_version = arena_text(arena, versions[i].text);
            api_encode_protobuf(&core__v1__pod__schema, pod, &wanted);
            ck_assert(api_encoded_split(buffer_slice(&stored), &encoded));
            api_encoded_append(&encoded, versions[i].number, &got);
            ck_assert_uint_eq(api_encoded_size(&encoded, versions[i].number), wanted.len);
            ck_assert_uint_eq(got.len, wanted.len);
            ck_assert_int_eq(memcmp(got.data, wanted.data, got.len), 0);
        }
    }
}
END_TEST

START_TEST(labels_are_read_without_the_rest)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(buffer_release) struct buffer stored;
    struct api_encoded encoded;
    struct api_label_room room;
    struct api_string_map labels;
    Core__V1__Pod *pod = a_pod(arena);
    buffer_init(&stored, 4096);
    api_encode_protobuf(&core__v1__pod__schema, pod, &stored);
    ck_assert(api_encoded_split(buffer_slice(&stored), &encoded));
    ck_assert(api_encoded_labels(&encoded, &room, &labels));
    ck_assert_uint_eq(labels.count, 2);
    ck_assert_str_eq(api_string_map_get(labels, "app"), "web");
    ck_assert_str_eq(api_string_map_get(labels, "a"), "b");
    ck_assert_ptr_null(api_string_map_get(labels, "x"));

    pod->metadata->n_labels = 0;
    buffer_clear(&stored);
    api_encode_protobuf(&core__v1__pod__schema, pod, &stored);
    ck_assert(api_encoded_split(buffer_slice(&stored), &encoded));
    ck_assert(api_encoded_labels(&encoded, &room, &labels));
    ck_assert_uint_eq(labels.count, 0);
}
END_TEST

START_TEST(labels_that_do_not_fit_are_left_to_the_decoder)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct api_encoded encoded;
    struct api_label_room room;
    struct api_string_map labels;
    for (int many = 0; many < 2; many++) {
        CLEANUP(buffer_release) struct buffer stored;
        Core__V1__Pod *pod = a_pod(arena);
        buffer_init(&stored, 65536);
        size_t count = many == 1 ? API_ENCODED_LABELS_MAX + 1 : 1;
        for (size_t i = 0; i < count; i++) {
            char *value = arena_zeroed(arena, API_ENCODED_LABELS_BYTES);
            memset(value, 'v', many == 1 ? 1 : API_ENCODED_LABELS_BYTES - 2);
            api_meta_set_label(arena, pod->metadata, arena_printf(arena, "k%zu", i), value);
        }
        api_encode_protobuf(&core__v1__pod__schema, pod, &stored);
        ck_assert(api_encoded_split(buffer_slice(&stored), &encoded));
        ck_assert(!api_encoded_labels(&encoded, &room, &labels));
    }
}
END_TEST

START_TEST(every_prefix_is_refused_or_parted_but_never_overrun)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(buffer_release) struct buffer stored;
    buffer_init(&stored, 4096);
    api_encode_protobuf(&core__v1__pod__schema, a_pod(arena), &stored);
    for (size_t len = 0; len < stored.len; len++) {
        struct slice prefix = arena_slice(arena, slice_of(stored.data, len));
        struct api_encoded encoded;
        struct api_label_room room;
        struct api_string_map labels;
        if (api_encoded_split(prefix, &encoded)) {
            ck_assert_uint_le(encoded.rest.len, len);
            ck_assert(api_encoded_labels(&encoded, &room, &labels));
        }
    }
}
END_TEST

START_TEST(what_does_not_begin_with_metadata_is_refused)
{
    struct api_encoded encoded;
    ck_assert(!api_encoded_split(slice_of("", 0), &encoded));
    ck_assert(!api_encoded_split(slice_text("\x12\x01x"), &encoded));
    ck_assert(!api_encoded_split(slice_text("{\"metadata\":{}}"), &encoded));
}
END_TEST

Suite *encoded_suite(void)
{
    Suite *suite = suite_create("api/encoded");
    TCase *tcase = tcase_create("encoded");
    tcase_add_test(tcase, another_version_is_put_in_as_the_encoder_would);
    tcase_add_test(tcase, labels_are_read_without_the_rest);
    tcase_add_test(tcase, labels_that_do_not_fit_are_left_to_the_decoder);
    tcase_add_test(tcase, every_prefix_is_refused_or_parted_but_never_overrun);
    tcase_add_test(tcase, what_does_not_begin_with_metadata_is_refused);
    suite_add_tcase(suite, tcase);
    return suite;
}
