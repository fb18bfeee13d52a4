/* Kubernetes protobuf, with and without its envelope: what decodes encodes to what decodes to the
 * same. */
#include "k8s/tables.h"
#include "lib/api/codec.h"
#include <assert.h>

enum { MEMORY_MAX = 64 << 20, BYTES_MAX = 16 << 20 };

static const struct api_message *const messages[] = {
    &core__v1__pod__schema,        &core__v1__service__schema,
    &apps__v1__deployment__schema, &apiextensions__v1__custom_resource_definition__schema,
    &core__v1__event__schema,      &meta__v1__status__schema,
    &core__v1__secret__schema,     &core__v1__node__schema};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(MEMORY_MAX);
    CLEANUP(buffer_release) struct buffer out = {0}, twice = {0}, json = {0};
    const struct api_message *message;
    struct api_envelope envelope;
    struct slice bytes;
    void *object = NULL, *again = NULL;

    if (size == 0) {
        return 0;
    }
    message = messages[data[0] % ARRAY_LEN(messages)];
    bytes = slice_of(data + 1, size - 1);
    if (api_parse_envelope(bytes, &envelope, NULL) == 0) {
        bytes = envelope.raw;
    }
    if (api_decode_protobuf(arena, message, bytes, &object, NULL) < 0) {
        return 0;
    }
    buffer_init(&out, BYTES_MAX);
    buffer_init(&twice, BYTES_MAX);
    buffer_init(&json, BYTES_MAX);
    api_encode_protobuf(message, object, &out);
    api_encode_json(message, object, NULL, &json);
    if (buffer_error(&out) < 0 ||
        api_decode_protobuf(arena, message, buffer_slice(&out), &again, NULL) < 0) {
        return 0; /* Over a limit. */
    }
    assert(api_message_equal(message, object, again));
    api_encode_protobuf(message, again, &twice);
    assert(slice_equal(buffer_slice(&out), buffer_slice(&twice)));
    return 0;
}
