/* What the codecs share: reading kind and apiVersion, and the way through a JSON tree. */
#include "lib/api/codec.h"

#include "lib/api/json_scan.h"
#include "lib/api/limits.h"
#include <errno.h>

/* As Go prints the anonymous struct into which it reads kind and apiVersion. */
static const char peek_type[] =
    "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string "
    "\"json:\\\"kind,omitempty\\\"\" }";

static const char *value_name(int byte)
{
    return byte == '{'                  ? "object"
           : byte == '['                ? "array"
           : byte == '"'                ? "string"
           : byte == 't' || byte == 'f' ? "bool"
                                        : "number";
}

static int peek_member(struct json_scan *scan, struct arena *arena, struct slice name,
                       struct api_type_meta *meta, struct error *type_error)
{
    bool version = slice_is(name, "apiVersion");
    struct json_token token;
    struct slice text;
    int byte = json_scan_peek(scan);
    int r;

    if ((!version && !slice_is(name, "kind")) || byte != '"') {
        if ((version || slice_is(name, "kind")) && byte != 'n' && type_error->code == 0) {
            error_set(type_error, -EBADMSG,
                      "json: cannot unmarshal %s into Go struct field .%s of type string",
                      value_name(byte), version ? "apiVersion" : "kind");
        }
        return json_scan_skip(scan);
    }
    if ((r = json_scan_string(scan, &token)) < 0) {
        return r;
    }
    text = json_token_text(arena, token);
    if (version) {
        meta->api_version = arena_text_n(arena, (const char *)text.data, text.len);
    } else {
        meta->kind = arena_text_n(arena, (const char *)text.data, text.len);
    }
    return 0;
}

static int peek_object(struct json_scan *scan, struct arena *arena, struct api_type_meta *meta,
                       struct error *type_error)
{
    struct json_token name;
    bool first = true;
    int r = json_scan_enter(scan);
    while (r == 0 && (r = json_scan_next_member(scan, &first, &name)) > 0) {
        struct slice text = name.plain ? name.raw : slice_text("");
        r = peek_member(scan, arena, text, meta, type_error);
    }
    return r;
}

int api_peek_json(struct arena *arena, struct slice text, struct api_type_meta *ret_meta,
                  struct error *reterr)
{
    CLEANUP(error_release) struct error type_error = {0};
    struct api_type_meta meta = {"", ""};
    struct json_scan scan;
    int byte, r;

    json_scan_init(&scan, text, reterr);
    byte = json_scan_peek(&scan);
    if (byte == '{') {
        r = peek_object(&scan, arena, &meta, &type_error);
    } else {
        r = json_scan_skip(&scan);
        if (byte != 'n') {
            error_set(&type_error, -EBADMSG, "json: cannot unmarshal %s into Go value of type %s",
                      value_name(byte), peek_type);
        }
    }
    if (r < 0 || (r = json_scan_end(&scan)) < 0) {
        return r;
    }
    if (type_error.code != 0) {
        return error_set(reterr, -EBADMSG, "%s", error_message(&type_error));
    }
    *ret_meta = meta;
    return 0;
}

/* --- Trees ------------------------------------------------------------------------------------ */

static struct json_value *tree_of_text(struct arena *arena, const struct buffer *text)
{
    struct json_value *value;
    if (buffer_error(text) < 0 || json_parse(arena, buffer_slice(text), &value, NULL) < 0) {
        return json_new_null(arena);
    }
    return value;
}

struct json_value *api_message_to_json(struct arena *arena, const struct api_message *message,
                                       const void *object, const struct api_type_meta *meta)
{
    CLEANUP(buffer_release) struct buffer text = {0};
    buffer_init(&text, API_TREE_TEXT_MAX);
    api_encode_json(message, object, meta, &text);
    return tree_of_text(arena, &text);
}

/* A text that is the same in JSON, as the keys of items are; else NULL. */
static struct json_value *plain_text_of(struct arena *arena, const struct api_field *field,
                                        const void *object)
{
    if (field->label != API_SINGLE || field->type != API_STRING) {
        return NULL;
    }
    struct slice text =
        slice_text(text_or_empty(*(const char *const *)api_field_at(field, object)));
    const uint8_t *end = text.data + text.len;
    return json_skip_plain(text.data, end) == end ? json_new_string(arena, text) : NULL;
}

struct json_value *api_field_to_json(struct arena *arena, const struct api_field *field,
                                     const void *object)
{
    struct json_value *plain = plain_text_of(arena, field, object);
    if (plain != NULL) {
        return plain;
    }
    CLEANUP(buffer_release) struct buffer text = {0};
    buffer_init(&text, API_TREE_TEXT_MAX);
    api_encode_json_field(field, object, &text);
    return tree_of_text(arena, &text);
}

int api_message_from_json(struct arena *arena, const struct api_message *message,
                          const struct json_value *value, struct api_problems *problems,
                          void **ret_object, struct error *reterr)
{
    CLEANUP(buffer_release) struct buffer text = {0};
    buffer_init(&text, API_TREE_TEXT_MAX);
    json_print(value, /* sorted= */ false, &text);
    if (buffer_error(&text) < 0) {
        return error_set(reterr, -E2BIG, "object is too large");
    }
    return api_decode_json(arena, message, buffer_slice(&text), problems, ret_object, reterr);
}
