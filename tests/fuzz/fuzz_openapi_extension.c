/* OpenAPI v2 documents of extension servers: any bytes are refused, or give what can be part of our
 * own document: JSON without references to nothing, and protobuf. The input
 * is the document of one server, or of two with a zero byte between. */
#include "lib/api/json_value.h"
#include "lib/api/openapi_extension.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_MAX = 16 << 20 };

static bool leads_somewhere(const struct json_value *document, struct slice reference)
{
    static const char *const parts[] = {"parameters", "definitions"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        size_t len = strlen(parts[i]) + 3; /* "#/definitions/" */
        if (reference.len > len && memcmp(reference.data + 2, parts[i], len - 3) == 0) {
            struct slice name = slice_of(reference.data + len, reference.len - len);
            return slice_starts_with(name, slice_text("io.k8s.")) /* Perhaps one of ours. */ ||
                   json_get(json_get_text(document, parts[i]), name) != NULL;
        }
    }
    return false;
}

/* Values of members that are anybody's own say what they want. */
static bool is_data(struct slice name)
{
    return slice_is(name, "default") || slice_is(name, "enum") ||
           slice_starts_with(name, slice_text("x-"));
}

static void check_references(const struct json_value *document, const struct json_value *value)
{
    for (size_t i = 0; value->type == JSON_ARRAY && i < value->count; i++) {
        check_references(document, value->items[i]);
    }
    for (size_t i = 0; value->type == JSON_OBJECT && i < value->count; i++) {
        const struct json_member *member = &value->members[i];
        if (slice_is(member->name, "$ref") && member->value->type == JSON_STRING) {
            assert(leads_somewhere(document, member->value->text));
        } else if (!is_data(member->name)) {
            check_references(document, member->value);
        }
    }
}

/* Fields, one behind the other, of lengths that fit. */
static void check_protobuf(struct slice bytes)
{
    size_t at = 0;
    while (at < bytes.len) {
        uint64_t numbers[2] = {0};
        for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
            unsigned shift = 0;
            do {
                assert(at < bytes.len && shift < 64);
                numbers[i] |= (uint64_t)(bytes.data[at] & 0x7f) << shift;
                shift += 7;
            } while ((bytes.data[at++] & 0x80) != 0);
        }
        assert((numbers[0] & 7) == 2); /* A message. */
        assert(numbers[1] <= bytes.len - at);
        at += numbers[1];
    }
}

static void check_merge(struct arena *arena, struct api_openapi_merge *merge)
{
    CLEANUP(buffer_release) struct buffer text;
    struct json_value *document = NULL;
    buffer_init(&text, OUT_MAX);
    int status = api_openapi_v2(API_OPENAPI_PARAMETERS, &text);
    assert(status == 0);
    buffer_append_slice(&text, buffer_slice(api_openapi_merge_json(merge, API_OPENAPI_PARAMETERS)));
    buffer_append_text(&text, "},\"definitions\":{\"first\":{}");
    buffer_append_slice(&text,
                        buffer_slice(api_openapi_merge_json(merge, API_OPENAPI_DEFINITIONS)));
    buffer_append_text(&text, "},\"paths\":{\"first\":{}");
    buffer_append_slice(&text, buffer_slice(api_openapi_merge_json(merge, API_OPENAPI_PATHS)));
    buffer_append_text(&text, "}}");
    status = json_parse(arena, buffer_slice(&text), &document, NULL);
    assert(status == 0);
    (void)status;
    check_references(document, document);
    check_protobuf(buffer_slice(api_openapi_merge_protobuf(merge)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const versions[] = {"v1", "v2", "v3"};
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(buffer_release) struct buffer kept;
    struct api_openapi_merge *merge = api_openapi_merge_new(NULL, 0);
    struct slice bytes = slice_of(data, size);
    buffer_init(&kept, OUT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        const uint8_t *end = bytes.len == 0 ? NULL : memchr(bytes.data, 0, bytes.len);
        size_t len = end == NULL ? bytes.len : (size_t)(end - bytes.data);
        buffer_clear(&kept);
        if (api_openapi_extension_keep(slice_of(bytes.data, len), "g", versions[i], &kept, NULL) ==
            0) {
            int status = api_openapi_merge_add(merge, buffer_slice(&kept), "g", versions[i]);
            assert(status == 0);
            (void)status;
        }
        if (end != NULL) { /* The last one is there twice, for different versions. */
            bytes = slice_of(end + 1, bytes.len - len - 1);
        }
    }
    check_merge(arena, merge);
    api_openapi_merge_free(merge);
    return 0;
}
