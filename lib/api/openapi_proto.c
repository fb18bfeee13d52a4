/* Field numbers are those of openapi.v2 in gnostic's OpenAPIv2.proto. Only what our own documents
 * hold is written. */
#include "lib/api/openapi_proto.h"

#include "lib/api/openapi_proto_parts.h"
#include "lib/base/utf8.h"

enum wire { VARINT = 0, FIXED64 = 1, BYTES = 2 };

/* Document */
enum {
    DOCUMENT_SWAGGER = 1,
    DOCUMENT_INFO = 2,
    DOCUMENT_DEFINITIONS = 9,
    DOCUMENT_PARAMETERS = 10,
    DOCUMENT_SECURITY = 12,
    DOCUMENT_SECURITY_DEFINITIONS = 13
};
/* ApiKeySecurity */
enum { KEY_TYPE = 1, KEY_NAME = 2, KEY_IN = 3, KEY_DESCRIPTION = 4, SECURITY_KEY = 2 };
enum { INFO_TITLE = 1, INFO_VERSION = 2 };
/* Schema */
enum {
    SCHEMA_REF = 1,
    SCHEMA_FORMAT = 2,
    SCHEMA_TITLE = 3,
    SCHEMA_DESCRIPTION = 4,
    SCHEMA_DEFAULT = 5,
    SCHEMA_MULTIPLE_OF = 6,
    SCHEMA_MAXIMUM = 7,
    SCHEMA_EXCLUSIVE_MAXIMUM = 8,
    SCHEMA_MINIMUM = 9,
    SCHEMA_EXCLUSIVE_MINIMUM = 10,
    SCHEMA_MAX_LENGTH = 11,
    SCHEMA_MIN_LENGTH = 12,
    SCHEMA_PATTERN = 13,
    SCHEMA_MAX_ITEMS = 14,
    SCHEMA_MIN_ITEMS = 15,
    SCHEMA_UNIQUE_ITEMS = 16,
    SCHEMA_MAX_PROPERTIES = 17,
    SCHEMA_MIN_PROPERTIES = 18,
    SCHEMA_REQUIRED = 19,
    SCHEMA_ENUM = 20,
    SCHEMA_ADDITIONAL = 21,
    SCHEMA_TYPE = 22,
    SCHEMA_ITEMS = 23,
    SCHEMA_PROPERTIES = 25,
    SCHEMA_VENDOR = 31,
};
/* NamedSchema, NamedAny, Any and the wrappers. */
enum { NAMED_NAME = 1, NAMED_VALUE = 2, ANY_YAML = 2, LIST_ITEM = 1, OR_BOOLEAN = 2 };

void openapi_proto_varint(struct buffer *out, uint64_t value)
{
    while (value >= 0x80) {
        buffer_append_byte(out, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    buffer_append_byte(out, (uint8_t)value);
}

void openapi_proto_bytes(struct buffer *out, unsigned field, struct slice value)
{
    openapi_proto_varint(out, (uint64_t)field << 3 | BYTES);
    openapi_proto_varint(out, value.len);
    buffer_append_slice(out, value);
}

void openapi_proto_text(struct buffer *out, unsigned field, const struct json_value *object,
                        const char *name)
{
    const struct json_value *value = json_get_text(object, name);
    if (value != NULL && value->type == JSON_STRING) {
        openapi_proto_bytes(out, field, value->text);
    }
}

static void fixed64(struct buffer *out, unsigned field, double value)
{
    uint64_t bits = 0;
    memcpy(&bits, &value, sizeof(bits));
    openapi_proto_varint(out, (uint64_t)field << 3 | FIXED64);
    for (unsigned i = 0; i < sizeof(bits); i++) {
        buffer_append_byte(out, (uint8_t)(bits >> (8 * i)));
    }
}

/* What a number or flag of a schema is on the wire, by its type there. */
static void bound(struct buffer *out, const struct json_value *schema, const char *name,
                  unsigned field, bool real)
{
    const struct json_value *value = json_get_text(schema, name);
    double number = 0;
    int64_t whole = 0;
    if (value == NULL) {
        return;
    }
    if (value->type == JSON_BOOL && value->boolean) {
        openapi_proto_varint(out, (uint64_t)field << 3 | VARINT);
        openapi_proto_varint(out, 1);
    } else if (real && json_double(value, &number) == 0) {
        fixed64(out, field, number);
    } else if (!real && json_int64(value, &whole) == 0) {
        openapi_proto_varint(out, (uint64_t)field << 3 | VARINT);
        openapi_proto_varint(out, (uint64_t)whole);
    }
}

static void bounds(struct buffer *out, const struct json_value *schema)
{
    bound(out, schema, "multipleOf", SCHEMA_MULTIPLE_OF, true);
    bound(out, schema, "maximum", SCHEMA_MAXIMUM, true);
    bound(out, schema, "exclusiveMaximum", SCHEMA_EXCLUSIVE_MAXIMUM, false);
    bound(out, schema, "minimum", SCHEMA_MINIMUM, true);
    bound(out, schema, "exclusiveMinimum", SCHEMA_EXCLUSIVE_MINIMUM, false);
    bound(out, schema, "maxLength", SCHEMA_MAX_LENGTH, false);
    bound(out, schema, "minLength", SCHEMA_MIN_LENGTH, false);
    openapi_proto_text(out, SCHEMA_PATTERN, schema, "pattern");
    bound(out, schema, "maxItems", SCHEMA_MAX_ITEMS, false);
    bound(out, schema, "minItems", SCHEMA_MIN_ITEMS, false);
    bound(out, schema, "uniqueItems", SCHEMA_UNIQUE_ITEMS, false);
    bound(out, schema, "maxProperties", SCHEMA_MAX_PROPERTIES, false);
    bound(out, schema, "minProperties", SCHEMA_MIN_PROPERTIES, false);
}

static void scratch(struct buffer *buffer, const struct buffer *out)
{
    buffer_init(buffer, out->max);
}

/* Characters that may stand in JSON as they are but not in YAML, and a line's end that it has and
 * JSON has not. All of them are inside of strings. */
static bool is_not_for_yaml(uint32_t rune)
{
    return (rune >= 0x7f && rune <= 0x9f) || rune == 0xfeff || rune == 0xfffe || rune == 0xffff;
}

static void print_yaml(const struct json_value *value, struct buffer *out)
{
    CLEANUP(buffer_release) struct buffer json;
    scratch(&json, out);
    json_print(value, /* sorted= */ false, &json);
    const uint8_t *end = json.data + json.len;
    size_t len = 0;
    for (const uint8_t *at = json.data; at < end; at += len) {
        uint32_t rune = 0;
        len = utf8_get(at, end, &rune);
        if (is_not_for_yaml(rune)) {
            buffer_printf(out, "\\u%04x", (unsigned)rune);
        } else {
            buffer_append(out, at, len);
        }
    }
}

/* Any holds its value as YAML text, of which JSON is nearly a part. */
static void any(struct buffer *out, unsigned field, const struct json_value *value)
{
    CLEANUP(buffer_release) struct buffer yaml, inner;
    scratch(&yaml, out);
    scratch(&inner, out);
    print_yaml(value, &yaml);
    openapi_proto_bytes(&inner, ANY_YAML, buffer_slice(&yaml));
    openapi_proto_bytes(out, field, buffer_slice(&inner));
}

void openapi_proto_named_any(struct buffer *out, unsigned field, struct slice name,
                             const struct json_value *value)
{
    CLEANUP(buffer_release) struct buffer inner;
    scratch(&inner, out);
    openapi_proto_bytes(&inner, NAMED_NAME, name);
    any(&inner, NAMED_VALUE, value);
    openapi_proto_bytes(out, field, buffer_slice(&inner));
}

/* A schema behind one more message: items, additionalProperties. */
static void wrapped(struct buffer *out, unsigned field, const struct json_value *schema,
                    unsigned depth)
{
    CLEANUP(buffer_release) struct buffer inner, outer;
    scratch(&inner, out);
    scratch(&outer, out);
    openapi_proto_schema(&inner, schema, depth + 1);
    openapi_proto_bytes(&outer, LIST_ITEM, buffer_slice(&inner));
    openapi_proto_bytes(out, field, buffer_slice(&outer));
}

/* A schema for members without one of their own, or whether there may be such members. */
static void additional(struct buffer *out, const struct json_value *value, unsigned depth)
{
    if (value->type == JSON_OBJECT) {
        wrapped(out, SCHEMA_ADDITIONAL, value, depth);
        return;
    }
    CLEANUP(buffer_release) struct buffer inner;
    scratch(&inner, out);
    openapi_proto_varint(&inner, (uint64_t)OR_BOOLEAN << 3 | VARINT);
    openapi_proto_varint(&inner, value->type == JSON_BOOL && value->boolean ? 1 : 0);
    openapi_proto_bytes(out, SCHEMA_ADDITIONAL, buffer_slice(&inner));
}

/* Properties or definitions: NamedSchema each, in one message. */
static void named_schemas(struct buffer *out, unsigned field, const struct json_value *schemas,
                          unsigned depth)
{
    CLEANUP(buffer_release) struct buffer all;
    scratch(&all, out);
    for (size_t i = 0; i < schemas->count; i++) {
        CLEANUP(buffer_release) struct buffer one, inner;
        scratch(&one, out);
        scratch(&inner, out);
        openapi_proto_schema(&inner, schemas->members[i].value, depth + 1);
        openapi_proto_bytes(&one, NAMED_NAME, schemas->members[i].name);
        openapi_proto_bytes(&one, NAMED_VALUE, buffer_slice(&inner));
        openapi_proto_bytes(&all, LIST_ITEM, buffer_slice(&one));
    }
    openapi_proto_bytes(out, field, buffer_slice(&all));
}

static void type_of(struct buffer *out, const struct json_value *schema)
{
    const struct json_value *type = json_get_text(schema, "type");
    if (type != NULL && type->type == JSON_STRING) {
        CLEANUP(buffer_release) struct buffer inner;
        scratch(&inner, out);
        openapi_proto_bytes(&inner, LIST_ITEM, type->text);
        openapi_proto_bytes(out, SCHEMA_TYPE, buffer_slice(&inner));
    }
}

void openapi_proto_schema(struct buffer *out, const struct json_value *schema, unsigned depth)
{
    enum { DEPTH_MAX = 128 }; /* Ours nest by reference, hardly in place; custom ones in place. */
    if (depth > DEPTH_MAX || schema->type != JSON_OBJECT) {
        return;
    }
    const struct json_value *value = json_get_text(schema, "default");
    const struct json_value *required = json_get_text(schema, "required");
    const struct json_value *values = json_get_text(schema, "enum");
    openapi_proto_text(out, SCHEMA_REF, schema, "$ref");
    openapi_proto_text(out, SCHEMA_FORMAT, schema, "format");
    openapi_proto_text(out, SCHEMA_TITLE, schema, "title");
    openapi_proto_text(out, SCHEMA_DESCRIPTION, schema, "description");
    if (value != NULL) {
        any(out, SCHEMA_DEFAULT, value);
    }
    bounds(out, schema);
    for (size_t i = 0; required != NULL && i < required->count; i++) {
        openapi_proto_bytes(out, SCHEMA_REQUIRED, required->items[i]->text);
    }
    for (size_t i = 0; values != NULL && i < values->count; i++) {
        any(out, SCHEMA_ENUM, values->items[i]);
    }
    if ((value = json_get_text(schema, "additionalProperties")) != NULL) {
        additional(out, value, depth);
    }
    type_of(out, schema);
    if ((value = json_get_text(schema, "items")) != NULL) {
        wrapped(out, SCHEMA_ITEMS, value, depth);
    }
    if ((value = json_get_text(schema, "properties")) != NULL) {
        named_schemas(out, SCHEMA_PROPERTIES, value, depth);
    }
    for (size_t i = 0; i < schema->count; i++) {
        if (slice_starts_with(schema->members[i].name, slice_text("x-"))) {
            openapi_proto_named_any(out, SCHEMA_VENDOR, schema->members[i].name,
                                    schema->members[i].value);
        }
    }
}

/* One bearer token does for everything. */
static void security(struct buffer *out, const struct json_value *definitions)
{
    CLEANUP(buffer_release) struct buffer key, item, one, all;
    const struct json_member *token = &definitions->members[0];
    struct buffer *const buffers[] = {&key, &item, &one, &all};
    for (size_t i = 0; i < ARRAY_LEN(buffers); i++) {
        scratch(buffers[i], out);
    }
    openapi_proto_text(&key, KEY_TYPE, token->value, "type");
    openapi_proto_text(&key, KEY_NAME, token->value, "name");
    openapi_proto_text(&key, KEY_IN, token->value, "in");
    openapi_proto_text(&key, KEY_DESCRIPTION, token->value, "description");
    openapi_proto_bytes(&item, SECURITY_KEY, buffer_slice(&key));
    openapi_proto_bytes(&one, NAMED_NAME, token->name);
    openapi_proto_bytes(&one, NAMED_VALUE, buffer_slice(&item));
    openapi_proto_bytes(&all, LIST_ITEM, buffer_slice(&one));
    openapi_proto_bytes(out, DOCUMENT_SECURITY_DEFINITIONS, buffer_slice(&all));
    buffer_clear(&one);
    buffer_clear(&all);
    openapi_proto_bytes(&one, NAMED_NAME, token->name);
    openapi_proto_bytes(&one, NAMED_VALUE, slice_of(NULL, 0));
    openapi_proto_bytes(&all, LIST_ITEM, buffer_slice(&one));
    openapi_proto_bytes(out, DOCUMENT_SECURITY, buffer_slice(&all));
}

int openapi_v2_encode_parameters(const struct json_value *parameters, struct buffer *out)
{
    CLEANUP(buffer_release) struct buffer all;
    scratch(&all, out);
    openapi_proto_parameters(&all, parameters);
    openapi_proto_bytes(out, DOCUMENT_PARAMETERS, buffer_slice(&all));
    return buffer_error(out);
}

int openapi_v2_encode(const struct json_value *document, struct buffer *out)
{
    CLEANUP(buffer_release) struct buffer info;
    const struct json_value *about = json_get_text(document, "info");
    const struct json_value *definitions = json_get_text(document, "definitions");
    scratch(&info, out);
    openapi_proto_text(&info, INFO_TITLE, about, "title");
    openapi_proto_text(&info, INFO_VERSION, about, "version");
    openapi_proto_text(out, DOCUMENT_SWAGGER, document, "swagger");
    openapi_proto_bytes(out, DOCUMENT_INFO, buffer_slice(&info));
    named_schemas(out, DOCUMENT_DEFINITIONS, definitions, 0);
    security(out, json_get_text(document, "securityDefinitions"));
    return openapi_v2_encode_parameters(json_get_text(document, "parameters"), out);
}

int openapi_v2_encode_definitions(const struct json_value *definitions, struct buffer *out)
{
    if (definitions->count > 0) {
        named_schemas(out, DOCUMENT_DEFINITIONS, definitions, 0);
    }
    return buffer_error(out);
}
