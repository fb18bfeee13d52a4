/* Paths, operations and parameters of OpenAPI v2 as protobuf. Field numbers are those of openapi.v2
 * in gnostic's OpenAPIv2.proto. A `oneof` there is a message around the one that is meant. */
#include "lib/api/openapi_proto.h"
#include "lib/api/openapi_proto_parts.h"

enum { DOCUMENT_PATHS = 8, PATHS_PATH = 2, NAMED_NAME = 1, NAMED_VALUE = 2 };
enum { PATH_ITEM_PARAMETERS = 9 };
/* Operation */
enum {
    OPERATION_TAGS = 1,
    OPERATION_DESCRIPTION = 3,
    OPERATION_ID = 5,
    OPERATION_PRODUCES = 6,
    OPERATION_CONSUMES = 7,
    OPERATION_PARAMETERS = 8,
    OPERATION_RESPONSES = 9,
    OPERATION_SCHEMES = 10,
    OPERATION_VENDOR = 13,
};
enum { RESPONSES_CODE = 1, RESPONSE_VALUE_RESPONSE = 1 };
enum { RESPONSE_DESCRIPTION = 1, RESPONSE_SCHEMA = 2, SCHEMA_ITEM_SCHEMA = 1 };
/* ParametersItem, Parameter, NonBodyParameter, JsonReference */
enum { ITEM_PARAMETER = 1, ITEM_REFERENCE = 2, REFERENCE_REF = 1 };
enum { PARAMETER_BODY = 1, PARAMETER_NON_BODY = 2 };
enum { BODY_DESCRIPTION = 1, BODY_NAME = 2, BODY_IN = 3, BODY_REQUIRED = 4, BODY_SCHEMA = 5 };
/* HeaderParameterSubSchema and the like. */
enum { VALUE_REQUIRED = 1, VALUE_IN = 2, VALUE_DESCRIPTION = 3, VALUE_NAME = 4 };
enum { FORMAT_AFTER_TYPE = 1 };
enum { PARAMETERS_NAMED = 1 };

static void scratch(struct buffer *buffer, const struct buffer *out)
{
    buffer_init(buffer, out->max);
}

/* A message that holds nothing but this one. */
static void wrap(struct buffer *out, unsigned field, unsigned inner_field, struct slice message)
{
    CLEANUP(buffer_release) struct buffer inner;
    scratch(&inner, out);
    openapi_proto_bytes(&inner, inner_field, message);
    openapi_proto_bytes(out, field, buffer_slice(&inner));
}

static void named(struct buffer *out, unsigned field, struct slice name, struct slice message)
{
    CLEANUP(buffer_release) struct buffer inner;
    scratch(&inner, out);
    openapi_proto_bytes(&inner, NAMED_NAME, name);
    openapi_proto_bytes(&inner, NAMED_VALUE, message);
    openapi_proto_bytes(out, field, buffer_slice(&inner));
}

static void texts(struct buffer *out, unsigned field, const struct json_value *object,
                  const char *name)
{
    const struct json_value *list = json_get_text(object, name);
    for (size_t i = 0; list != NULL && i < list->count; i++) {
        openapi_proto_bytes(out, field, list->items[i]->text);
    }
}

static void flag(struct buffer *out, unsigned field, const struct json_value *object,
                 const char *name)
{
    const struct json_value *value = json_get_text(object, name);
    if (value != NULL && value->type == JSON_BOOL && value->boolean) {
        openapi_proto_varint(out, (uint64_t)field << 3);
        openapi_proto_varint(out, 1);
    }
}

static bool is_in(const struct json_value *parameter, const char *where)
{
    const struct json_value *value = json_get_text(parameter, "in");
    return value != NULL && value->type == JSON_STRING && slice_is(value->text, where);
}

/* --- Parameters --------------------------------------------------------------------------------
 */

static void body_parameter(struct buffer *out, const struct json_value *parameter)
{
    CLEANUP(buffer_release) struct buffer body, schema;
    const struct json_value *value = json_get_text(parameter, "schema");
    scratch(&body, out);
    scratch(&schema, out);
    openapi_proto_text(&body, BODY_DESCRIPTION, parameter, "description");
    openapi_proto_text(&body, BODY_NAME, parameter, "name");
    openapi_proto_text(&body, BODY_IN, parameter, "in");
    flag(&body, BODY_REQUIRED, parameter, "required");
    if (value != NULL) {
        openapi_proto_schema(&schema, value, 0);
        openapi_proto_bytes(&body, BODY_SCHEMA, buffer_slice(&schema));
    }
    openapi_proto_bytes(out, PARAMETER_BODY, buffer_slice(&body));
}

static void value_parameter(struct buffer *out, const struct json_value *parameter)
{
    static const struct {
        const char *in;
        unsigned field, type; /* Of NonBodyParameter, and in what that is. */
    } places[] = {{"header", 1, 5}, {"formData", 2, 6}, {"query", 3, 6}, {"path", 4, 5}};
    CLEANUP(buffer_release) struct buffer value;
    size_t place = 0;
    while (place < ARRAY_LEN(places) && !is_in(parameter, places[place].in)) {
        place++;
    }
    if (place == ARRAY_LEN(places)) {
        return;
    }
    unsigned type = places[place].type;
    scratch(&value, out);
    flag(&value, VALUE_REQUIRED, parameter, "required");
    openapi_proto_text(&value, VALUE_IN, parameter, "in");
    openapi_proto_text(&value, VALUE_DESCRIPTION, parameter, "description");
    openapi_proto_text(&value, VALUE_NAME, parameter, "name");
    openapi_proto_text(&value, type, parameter, "type");
    openapi_proto_text(&value, type + FORMAT_AFTER_TYPE, parameter, "format");
    wrap(out, PARAMETER_NON_BODY, places[place].field, buffer_slice(&value));
}

/* The members of a Parameter. */
static void parameter_of(struct buffer *out, const struct json_value *parameter)
{
    if (is_in(parameter, "body")) {
        body_parameter(out, parameter);
    } else {
        value_parameter(out, parameter);
    }
}

static void parameters(struct buffer *out, unsigned field, const struct json_value *object)
{
    const struct json_value *list = json_get_text(object, "parameters");
    for (size_t i = 0; list != NULL && i < list->count; i++) {
        CLEANUP(buffer_release) struct buffer inner;
        bool refers = json_get_text(list->items[i], "$ref") != NULL;
        scratch(&inner, out);
        if (refers) {
            openapi_proto_text(&inner, REFERENCE_REF, list->items[i], "$ref");
        } else {
            parameter_of(&inner, list->items[i]);
        }
        wrap(out, field, refers ? ITEM_REFERENCE : ITEM_PARAMETER, buffer_slice(&inner));
    }
}

void openapi_proto_parameters(struct buffer *out, const struct json_value *parameters)
{
    for (size_t i = 0; i < parameters->count; i++) {
        CLEANUP(buffer_release) struct buffer inner;
        scratch(&inner, out);
        parameter_of(&inner, parameters->members[i].value);
        named(out, PARAMETERS_NAMED, parameters->members[i].name, buffer_slice(&inner));
    }
}

/* --- Operations --------------------------------------------------------------------------------
 */

static void response(struct buffer *out, struct slice code, const struct json_value *response)
{
    CLEANUP(buffer_release) struct buffer inner, value;
    const struct json_value *schema = json_get_text(response, "schema");
    scratch(&inner, out);
    scratch(&value, out);
    openapi_proto_text(&inner, RESPONSE_DESCRIPTION, response, "description");
    if (schema != NULL) {
        CLEANUP(buffer_release) struct buffer members;
        scratch(&members, out);
        openapi_proto_schema(&members, schema, 0);
        wrap(&inner, RESPONSE_SCHEMA, SCHEMA_ITEM_SCHEMA, buffer_slice(&members));
    }
    openapi_proto_bytes(&value, RESPONSE_VALUE_RESPONSE, buffer_slice(&inner));
    named(out, RESPONSES_CODE, code, buffer_slice(&value));
}

static void responses(struct buffer *out, const struct json_value *operation)
{
    CLEANUP(buffer_release) struct buffer all;
    const struct json_value *list = json_get_text(operation, "responses");
    scratch(&all, out);
    for (size_t i = 0; list != NULL && i < list->count; i++) {
        response(&all, list->members[i].name, list->members[i].value);
    }
    openapi_proto_bytes(out, OPERATION_RESPONSES, buffer_slice(&all));
}

static void operation_of(struct buffer *out, unsigned field, const struct json_value *operation)
{
    CLEANUP(buffer_release) struct buffer inner;
    scratch(&inner, out);
    texts(&inner, OPERATION_TAGS, operation, "tags");
    openapi_proto_text(&inner, OPERATION_DESCRIPTION, operation, "description");
    openapi_proto_text(&inner, OPERATION_ID, operation, "operationId");
    texts(&inner, OPERATION_PRODUCES, operation, "produces");
    texts(&inner, OPERATION_CONSUMES, operation, "consumes");
    parameters(&inner, OPERATION_PARAMETERS, operation);
    responses(&inner, operation);
    texts(&inner, OPERATION_SCHEMES, operation, "schemes");
    for (size_t i = 0; i < operation->count; i++) {
        if (slice_starts_with(operation->members[i].name, slice_text("x-"))) {
            openapi_proto_named_any(&inner, OPERATION_VENDOR, operation->members[i].name,
                                    operation->members[i].value);
        }
    }
    openapi_proto_bytes(out, field, buffer_slice(&inner));
}

static void path_item(struct buffer *out, const struct json_value *item)
{
    static const struct {
        const char *method;
        unsigned field;
    } methods[] = {{"get", 2},     {"put", 3},  {"post", 4}, {"delete", 5},
                   {"options", 6}, {"head", 7}, {"patch", 8}};
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        const struct json_value *operation = json_get_text(item, methods[i].method);
        if (operation != NULL) {
            operation_of(out, methods[i].field, operation);
        }
    }
    parameters(out, PATH_ITEM_PARAMETERS, item);
}

int openapi_v2_encode_paths(const struct json_value *paths, struct buffer *out)
{
    CLEANUP(buffer_release) struct buffer all;
    scratch(&all, out);
    for (size_t i = 0; i < paths->count; i++) {
        CLEANUP(buffer_release) struct buffer inner;
        scratch(&inner, out);
        path_item(&inner, paths->members[i].value);
        named(&all, PATHS_PATH, paths->members[i].name, buffer_slice(&inner));
    }
    openapi_proto_bytes(out, DOCUMENT_PATHS, buffer_slice(&all));
    return buffer_error(out);
}
