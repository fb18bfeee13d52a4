/* Values with a JSON form of their own. */
#include "k8s/tables.h"
#include "lib/api/fields.h"
#include "lib/api/intstr.h"
#include "lib/api/json_decode.h"
#include "lib/api/quantity.h"
#include "lib/api/time.h"
#include "lib/base/base64.h"
#include <errno.h>
#include <stdio.h>

static const char *kind_of_value(int byte)
{
    return byte == '{'                  ? "object"
           : byte == '['                ? "array"
           : byte == '"'                ? "string"
           : byte == 't' || byte == 'f' ? "bool"
                                        : "number";
}

/* Their own decoders in Go know no field: "Go value of type". */
static int not_a(struct json_decode *decode, const char *type)
{
    json_decode_mismatch(decode, NULL, kind_of_value(json_scan_peek(&decode->scan)), type);
    return json_scan_skip(&decode->scan);
}

static int raw_text(struct json_decode *decode, struct slice *ret_text)
{
    const uint8_t *first;
    int r;
    (void)json_scan_peek(&decode->scan);
    first = decode->scan.at;
    if ((r = json_scan_skip(&decode->scan)) < 0) {
        return r;
    }
    *ret_text = slice_of(first, (size_t)(decode->scan.at - first));
    return 0;
}

static int keep_bytes(struct json_decode *decode, struct slice bytes,
                      ProtobufCBinaryData *ret_bytes)
{
    char *copy = decode_text(&decode->memory, bytes);
    if (copy == NULL) {
        return json_decode_exhausted(decode);
    }
    *ret_bytes = (ProtobufCBinaryData){.len = bytes.len, .data = (uint8_t *)copy};
    return 0;
}

int json_decode_bytes(struct json_decode *decode, const struct api_field *field, void *at,
                      const struct json_frame *frame)
{
    ProtobufCBinaryData *bytes = at;
    struct json_token token;
    struct slice text;
    size_t position = 0;
    int r;

    if ((field->flags & API_RAW_JSON) != 0) {
        r = raw_text(decode, &text);
        return r < 0 ? r : keep_bytes(decode, text, bytes);
    }
    if (json_scan_peek(&decode->scan) != '"') {
        json_decode_mismatch(decode, frame, kind_of_value(json_scan_peek(&decode->scan)),
                             "[]uint8");
        return json_scan_skip(&decode->scan);
    }
    if ((r = json_scan_string(&decode->scan, &token)) < 0) {
        return r;
    }
    if (!token.plain && token.raw.len * 3 + 1 > decode->memory.left) {
        return json_decode_exhausted(decode);
    }
    text = json_token_text(decode->memory.arena, token);
    bytes->data = decode_take(&decode->memory, text.len / 4 * 3 + 4);
    if (bytes->data == NULL) {
        return json_decode_exhausted(decode);
    }
    if (base64_decode_padded(text, bytes->data, &bytes->len, &position) < 0) {
        char message[80];
        (void)snprintf(message, sizeof(message), "illegal base64 data at input byte %zu", position);
        json_decode_error(decode, message);
    }
    return 0;
}

static int decode_quantity(struct json_decode *decode, Quantity__Quantity *message)
{
    CLEANUP(error_release) struct error error = {0};
    int byte = json_scan_peek(&decode->scan);
    char text[QUANTITY_TEXT_SIZE];
    struct quantity quantity;
    struct slice raw;
    int r;

    if ((r = raw_text(decode, &raw)) < 0) {
        return r;
    }
    if (byte == '"') {
        raw = slice_of(raw.data + 1, raw.len - 2); /* No quantity needs an escape. */
    }
    while (raw.len > 0 && raw.data[0] == ' ') {
        raw = slice_of(raw.data + 1, raw.len - 1);
    }
    while (raw.len > 0 && raw.data[raw.len - 1] == ' ') {
        raw.len--;
    }
    if (quantity_parse(raw, &quantity, &error) < 0) {
        json_decode_error(decode, error_message(&error));
        return 0;
    }
    quantity_format(quantity, text);
    message->string = decode_text(&decode->memory, slice_text(text));
    return message->string == NULL ? json_decode_exhausted(decode) : 0;
}

static int decode_time(struct json_decode *decode, bool micro, void *message)
{
    struct json_token token;
    struct slice text;
    int64_t seconds;
    int32_t nanos;
    int r;

    if (json_scan_peek(&decode->scan) != '"') {
        return not_a(decode, "string");
    }
    if ((r = json_scan_string(&decode->scan, &token)) < 0) {
        return r;
    }
    text = token.raw;
    if (api_time_parse(text, &seconds, &nanos) < 0) {
        char shown[512];
        int len = (int)(text.len < 100 ? text.len : 100);
        const char *layout =
            micro ? "2006-01-02T15:04:05.000000Z07:00" : "2006-01-02T15:04:05Z07:00";
        (void)snprintf(shown, sizeof(shown),
                       "parsing time \"%.*s\" as \"%s\": cannot parse \"%.*s\" as \"2006\"", len,
                       (const char *)text.data, layout, len, (const char *)text.data);
        json_decode_error(decode, shown);
    } else if (micro) {
        Meta__V1__MicroTime *time = message;
        time->has_seconds = time->has_nanos = 1;
        time->seconds = seconds;
        time->nanos = nanos / 1000 * 1000;
    } else {
        Meta__V1__Time *time = message;
        time->has_seconds = time->has_nanos = 1;
        time->seconds = seconds;
    }
    return 0;
}

static int decode_int_or_string(struct json_decode *decode, Intstr__IntOrString *message)
{
    struct json_value number = {.type = JSON_NUMBER};
    struct json_token token;
    int byte = json_scan_peek(&decode->scan);
    int64_t value;
    int r;

    message->has_type = message->has_int_val = 1;
    if (byte == '"') {
        message->type = INTSTR_STRING;
        r = json_scan_string(&decode->scan, &token);
        return r < 0 ? r : json_decode_text(decode, token, &message->str_val);
    }
    if (byte != '-' && (byte < '0' || byte > '9')) {
        return not_a(decode, "int32");
    }
    if ((r = json_scan_number(&decode->scan, &number.text)) < 0) {
        return r;
    }
    if (json_int64(&number, &value) < 0 || value > INT32_MAX || value < INT32_MIN) {
        char shown[128];
        (void)snprintf(shown, sizeof(shown), "number %.*s",
                       (int)(number.text.len < 100 ? number.text.len : 100),
                       (const char *)number.text.data);
        json_decode_mismatch(decode, NULL, shown, "int32");
        return 0;
    }
    message->type = INTSTR_INT;
    message->int_val = (int32_t)value;
    return 0;
}

static int decode_duration(struct json_decode *decode, Meta__V1__Duration *message)
{
    struct json_token token;
    int r;
    if (json_scan_peek(&decode->scan) != '"') {
        return not_a(decode, "string");
    }
    if ((r = json_scan_string(&decode->scan, &token)) < 0) {
        return r;
    }
    message->has_duration = 1;
    if (api_duration_parse(token.raw, &message->duration) < 0) {
        char shown[160];
        (void)snprintf(shown, sizeof(shown), "time: invalid duration \"%.*s\"",
                       (int)(token.raw.len < 100 ? token.raw.len : 100),
                       (const char *)token.raw.data);
        json_decode_error(decode, shown);
    }
    return 0;
}

static int decode_raw(struct json_decode *decode, const struct api_message *message, void *object)
{
    const struct api_field *field = &message->fields[0];
    struct slice text;
    int r = raw_text(decode, &text);
    if (r < 0) {
        return r;
    }
    api_set_presence(field, object);
    return keep_bytes(decode, text, api_field_at(field, object));
}

/* A schema alone (field 1), or an array (field 2). */
static int decode_one_or_list(struct json_decode *decode, const struct api_message *message,
                              void *object, const struct json_frame *frame)
{
    if (json_scan_peek(&decode->scan) == '[') {
        return json_decode_list(decode, &message->fields[1], object, frame);
    }
    if (json_scan_peek(&decode->scan) == '{') {
        return json_decode_item(decode, &message->fields[0],
                                api_field_at(&message->fields[0], object), frame);
    }
    return not_a(decode, message->name);
}

static int decode_one_or_bool(struct json_decode *decode, const struct api_message *message,
                              void *object, const struct json_frame *frame)
{
    int byte = json_scan_peek(&decode->scan);
    if (byte != 't' && byte != 'f' && byte != '{') {
        return not_a(decode, message->name);
    }
    api_set_presence(&message->fields[0], object);
    *(protobuf_c_boolean *)api_field_at(&message->fields[0], object) = byte != 'f';
    if (byte == '{') {
        return json_decode_item(decode, &message->fields[1],
                                api_field_at(&message->fields[1], object), frame);
    }
    return json_scan_literal(&decode->scan, byte == 't' ? "true" : "false");
}

int json_decode_special(struct json_decode *decode, const struct api_field *field, void *at,
                        const struct json_frame *frame)
{
    const struct api_message *message = field->message;
    void *object = decode_message_new(&decode->memory, message);

    if (object == NULL) {
        return json_decode_exhausted(decode);
    }
    *(void **)at = object;
    switch (field->type) {
    case API_QUANTITY:
        return decode_quantity(decode, object);
    case API_TIME:
        return decode_time(decode, /* micro= */ false, object);
    case API_MICRO_TIME:
        return decode_time(decode, /* micro= */ true, object);
    case API_INT_OR_STRING:
        return decode_int_or_string(decode, object);
    case API_RAW_OBJECT:
    case API_RAW_VALUE:
        return decode_raw(decode, message, object);
    case API_DURATION:
        return decode_duration(decode, object);
    case API_LIST_MESSAGE:
        return json_decode_list(decode, &message->fields[0], object, frame);
    case API_ONE_OR_LIST:
        return decode_one_or_list(decode, message, object, frame);
    case API_ONE_OR_BOOL:
        return decode_one_or_bool(decode, message, object, frame);
    default:
        return not_a(decode, message->name);
    }
}
