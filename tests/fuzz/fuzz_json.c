/* Bodies as JSON: whatever decodes must encode to what decodes and encodes to the same. */
#include "k8s/tables.h"
#include "lib/api/codec.h"
#include <assert.h>
#include <errno.h>

enum { MEMORY_MAX = 64 << 20, TEXT_MAX = 16 << 20 };

static const struct api_message *const messages[] = {
    &core__v1__pod__schema,        &core__v1__service__schema,
    &apps__v1__deployment__schema, &apiextensions__v1__custom_resource_definition__schema,
    &core__v1__event__schema,      &meta__v1__status__schema,
    &core__v1__secret__schema,     &meta__v1__table__schema};

static void check_tree(struct slice text)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(MEMORY_MAX);
    CLEANUP(buffer_release) struct buffer out = {0};
    struct json_value *value, *again;
    buffer_init(&out, TEXT_MAX);
    if (json_parse(arena, text, &value, NULL) < 0) {
        return;
    }
    json_print(value, /* sorted= */ true, &out);
    assert(buffer_error(&out) == 0);
    if (json_parse(arena, buffer_slice(&out), &again, NULL) == 0) {
        assert(json_equal(value, again));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(MEMORY_MAX);
    CLEANUP(error_release) struct error error = {0};
    CLEANUP(buffer_release) struct buffer out = {0}, twice = {0};
    struct api_problems problems = {0};
    const struct api_message *message;
    void *object = NULL, *again = NULL;

    if (size == 0) {
        return 0;
    }
    message = messages[data[0] % ARRAY_LEN(messages)];
    check_tree(slice_of(data + 1, size - 1));
    if (api_decode_json(arena, message, slice_of(data + 1, size - 1), &problems, &object, &error) <
        0) {
        return 0;
    }
    buffer_init(&out, TEXT_MAX);
    buffer_init(&twice, TEXT_MAX);
    api_encode_json(message, object, NULL, &out);
    if (buffer_error(&out) < 0 ||
        api_decode_json(arena, message, buffer_slice(&out), NULL, &again, &error) == -E2BIG) {
        return 0; /* Over a limit. */
    }
    assert(again != NULL);
    api_encode_json(message, again, NULL, &twice);
    assert(slice_equal(buffer_slice(&out), buffer_slice(&twice)));
    return 0;
}
