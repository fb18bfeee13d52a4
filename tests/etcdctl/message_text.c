#include "tests/etcdctl/differential.h"

#include <ctype.h>
#include <inttypes.h>

static void bytes_text(struct buffer *out, const uint8_t *bytes, size_t len)
{
    buffer_append_byte(out, '"');
    for (size_t i = 0; i < len; i++) {
        if (isprint(bytes[i])) {
            buffer_append_byte(out, bytes[i]);
        } else {
            buffer_printf(out, "\\x%02x", bytes[i]);
        }
    }
    buffer_append_byte(out, '"');
}

static void value_text(const ProtobufCFieldDescriptor *field, const void *at, struct buffer *out)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        message_text(*(ProtobufCMessage *const *)at, out);
        break;
    case PROTOBUF_C_TYPE_BYTES: {
        const ProtobufCBinaryData *data = at;
        bytes_text(out, data->data, data->len);
        break;
    }
    case PROTOBUF_C_TYPE_STRING:
        buffer_printf(out, "'%s'", *(char *const *)at);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        buffer_append_text(out, *(const protobuf_c_boolean *)at ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_FLOAT:
        buffer_printf(out, "%" PRIu32, *(const uint32_t *)at);
        break;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        buffer_printf(out, "%" PRId64, *(const int64_t *)at);
        break;
    }
}

static bool is_default(const ProtobufCFieldDescriptor *field, const void *at)
{
    switch (field->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(void *const *)at == NULL;
    case PROTOBUF_C_TYPE_BYTES:
        return ((const ProtobufCBinaryData *)at)->len == 0;
    case PROTOBUF_C_TYPE_STRING:
        return *(char *const *)at == NULL || **(char *const *)at == '\0';
    case PROTOBUF_C_TYPE_BOOL:
        return !*(const protobuf_c_boolean *)at;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return *(const int64_t *)at == 0;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_SINT32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_ENUM:
    case PROTOBUF_C_TYPE_FLOAT:
    default:
        return *(const int32_t *)at == 0;
    }
}

static size_t value_size(const ProtobufCFieldDescriptor *field)
{
    return field->type == PROTOBUF_C_TYPE_MESSAGE || field->type == PROTOBUF_C_TYPE_STRING
               ? sizeof(void *)
           : field->type == PROTOBUF_C_TYPE_BYTES ? sizeof(ProtobufCBinaryData)
           : field->type == PROTOBUF_C_TYPE_INT64 || field->type == PROTOBUF_C_TYPE_UINT64
               ? sizeof(int64_t)
               : sizeof(int32_t);
}

static void field_text(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
                       struct buffer *out)
{
    const uint8_t *at = (const uint8_t *)message + field->offset;
    const uint8_t *quantifier = (const uint8_t *)message + field->quantifier_offset;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        const uint8_t *items = *(const uint8_t *const *)(const void *)at;
        size_t count = *(const size_t *)(const void *)quantifier;
        for (size_t i = 0; i < count; i++) {
            buffer_printf(out, " %s:", field->name);
            value_text(field, items + i * value_size(field), out);
        }
    } else if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        if (*(const uint32_t *)(const void *)quantifier == field->id) {
            buffer_printf(out, " %s:", field->name);
            value_text(field, at, out);
        }
    } else if (!is_default(field, at)) {
        buffer_printf(out, " %s:", field->name);
        value_text(field, at, out);
    }
}

void message_text(const ProtobufCMessage *message, struct buffer *out)
{
    buffer_append_byte(out, '{');
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        field_text(message, &message->descriptor->fields[i], out);
    }
    buffer_append_text(out, " }");
}
