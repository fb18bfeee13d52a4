#include "store/etcd_json.h"

#include "lib/base/base64.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEPTH_MAX = 64, /* Of messages in messages; transactions nest eight deep, each in three. */
    VALUES_MAX = 64 * 1024, /* Each may take some 300 bytes while it is read. */
};

/* --- Reading. */

struct reader {
    struct arena *arena;
    struct error *reterr;
    unsigned depth;
};

static const char *type_name(const json_t *value)
{
    switch ((int)json_typeof(value)) {
    case JSON_OBJECT:
        return "object";
    case JSON_ARRAY:
        return "array";
    case JSON_STRING:
        return "string";
    case JSON_TRUE:
    case JSON_FALSE:
        return "bool";
    default:
        return "number";
    }
}

static int refuse_type(struct reader *reader, const json_t *value, const char *wanted)
{
    return error_set(reader->reterr, -EINVAL, "json: cannot unmarshal %s into Go value of type %s",
                     type_name(value), wanted);
}

/* Integers of all sizes are written as numbers or texts. */
static int read_integer(struct reader *reader, const json_t *value, int64_t least, uint64_t most,
                        const char *type, uint64_t *ret_bits)
{
    if (json_is_integer(value)) {
        json_int_t number = json_integer_value(value);
        if (number < least || (number > 0 && (uint64_t)number > most)) {
            return error_set(reader->reterr, -EINVAL,
                             "json: cannot unmarshal number %" JSON_INTEGER_FORMAT
                             " into Go value of type %s",
                             number, type);
        }
        *ret_bits = (uint64_t)number;
        return 0;
    }
    if (!json_is_string(value)) {
        return refuse_type(reader, value, type);
    }
    const char *text = json_string_value(value);
    char *end = NULL;
    bool negative = *text == '-';
    bool digits = isdigit((unsigned char)text[negative ? 1 : 0]) != 0;
    errno = 0;
    unsigned long long number = digits ? strtoull(text + (negative ? 1 : 0), &end, 10) : 0;
    uint64_t bound = negative ? (uint64_t)0 - (uint64_t)least : most;
    if (!digits || *end != '\0' || errno != 0 || number > bound) {
        return error_set(reader->reterr, -EINVAL,
                         "json: cannot unmarshal string into Go value of type %s", type);
    }
    *ret_bits = negative ? (uint64_t)0 - number : number;
    return 0;
}

static int read_bytes(struct reader *reader, const json_t *value, ProtobufCBinaryData *ret_bytes)
{
    if (!json_is_string(value)) {
        return refuse_type(reader, value, "[]uint8");
    }
    struct slice text = slice_of(json_string_value(value), json_string_length(value));
    size_t position = 0;
    ret_bytes->data = arena_alloc(reader->arena, text.len / 4 * 3 + 1);
    return base64_decode_padded(text, ret_bytes->data, &ret_bytes->len, &position) == 0
               ? 0
               : error_set(reader->reterr, -EINVAL, "illegal base64 data at input byte %zu",
                           position);
}

static int read_enum(struct reader *reader, const json_t *value,
                     const ProtobufCEnumDescriptor *type, int *ret_number)
{
    if (json_is_integer(value)) {
        uint64_t bits = 0;
        int result = read_integer(reader, value, INT32_MIN, INT32_MAX, "int32", &bits);
        *ret_number = (int)bits;
        return result;
    }
    if (!json_is_string(value)) {
        return refuse_type(reader, value, type->name);
    }
    const ProtobufCEnumValue *found =
        protobuf_c_enum_descriptor_get_value_by_name(type, json_string_value(value));
    if (found == NULL) {
        char *name = arena_text(reader->arena, type->name);
        size_t package = strcspn(name, ".");
        for (size_t i = package + 1; i < strlen(type->name); i++) {
            name[i] = name[i] == '.' ? '_' : name[i]; /* As Go names what a message declares. */
        }
        return error_set(reader->reterr, -EINVAL, "unknown value \"%s\" for enum %s",
                         json_string_value(value), name);
    }
    *ret_number = found->value;
    return 0;
}

static ProtobufCMessage *read_message(struct reader *reader, const json_t *value,
                                      const ProtobufCMessageDescriptor *descriptor);

/* One value to `at`, which is of the field's type in C. */
static int read_value(struct reader *reader, const json_t *value,
                      const ProtobufCFieldDescriptor *field, void *at)
{
    uint64_t bits = 0;
    int number = 0, result = 0;
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_INT64:
        result = read_integer(reader, value, INT64_MIN, INT64_MAX, "int64", &bits);
        *(int64_t *)at = (int64_t)bits;
        return result;
    case PROTOBUF_C_TYPE_UINT64:
        result = read_integer(reader, value, 0, UINT64_MAX, "uint64", &bits);
        *(uint64_t *)at = bits;
        return result;
    case PROTOBUF_C_TYPE_UINT32:
        result = read_integer(reader, value, 0, UINT32_MAX, "uint32", &bits);
        *(uint32_t *)at = (uint32_t)bits;
        return result;
    case PROTOBUF_C_TYPE_ENUM:
        result = read_enum(reader, value, field->descriptor, &number);
        *(int *)at = number;
        return result;
    case PROTOBUF_C_TYPE_BOOL:
        *(protobuf_c_boolean *)at = json_is_true(value);
        return json_is_boolean(value) ? 0 : refuse_type(reader, value, "bool");
    case PROTOBUF_C_TYPE_BYTES:
        return read_bytes(reader, value, at);
    case PROTOBUF_C_TYPE_STRING:
        if (!json_is_string(value)) {
            return refuse_type(reader, value, "string");
        }
        *(char **)at = arena_text(reader->arena, json_string_value(value));
        return 0;
    case PROTOBUF_C_TYPE_MESSAGE:
        *(ProtobufCMessage **)at = read_message(reader, value, field->descriptor);
        return *(ProtobufCMessage **)at != NULL ? 0 : -EINVAL;
    default:
        return error_set(reader->reterr, -EINVAL, "%s: of a type that is not read", field->name);
    }
}

static size_t size_of(const ProtobufCFieldDescriptor *field)
{
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_BOOL:
        return sizeof(protobuf_c_boolean);
    case PROTOBUF_C_TYPE_ENUM:
        return sizeof(int);
    case PROTOBUF_C_TYPE_UINT32:
        return sizeof(uint32_t);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    default:
        return sizeof(uint64_t);
    }
}

static int read_list(struct reader *reader, const json_t *list,
                     const ProtobufCFieldDescriptor *field, uint8_t *message)
{
    if (!json_is_array(list)) {
        return refuse_type(reader, list, "[]json.RawMessage");
    }
    size_t count = json_array_size(list), size = size_of(field);
    uint8_t *items = arena_zeroed(reader->arena, count * size + 1);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        if (json_is_null(item) && field->type == PROTOBUF_C_TYPE_STRING) {
            *(char **)(void *)(items + i * size) = arena_text(reader->arena, "");
        } else if (!json_is_null(item) || field->type == PROTOBUF_C_TYPE_MESSAGE) {
            int result = read_value(reader, item, field, items + i * size);
            if (result != 0) {
                return result;
            }
        }
    }
    *(void **)(void *)(message + field->offset) = items;
    *(size_t *)(void *)(message + field->quantifier_offset) = count;
    return 0;
}

static int read_field(struct reader *reader, const json_t *value,
                      const ProtobufCFieldDescriptor *field, uint8_t *message)
{
    if (json_is_null(value)) {
        return 0;
    }
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        return read_list(reader, value, field, message);
    }
    if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
        *(uint32_t *)(void *)(message + field->quantifier_offset) = field->id;
    }
    return read_value(reader, value, field, message + field->offset);
}

/* Whether `name` is `field` in lowerCamelCase. */
static bool is_camel_case(const char *name, const char *field)
{
    for (; *field != '\0'; field++, name++) {
        bool upper = *field == '_' && islower((unsigned char)field[1]);
        field += upper ? 1 : 0;
        if (*name != (upper ? (char)toupper((unsigned char)*field) : *field)) {
            return false;
        }
    }
    return *name == '\0';
}

static const ProtobufCFieldDescriptor *field_of(const ProtobufCMessageDescriptor *descriptor,
                                                const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(descriptor, name);
    for (unsigned i = 0; field == NULL && i < descriptor->n_fields; i++) {
        field = is_camel_case(name, descriptor->fields[i].name) ? &descriptor->fields[i] : NULL;
    }
    return field;
}

static ProtobufCMessage *read_message(struct reader *reader, const json_t *value,
                                      const ProtobufCMessageDescriptor *descriptor)
{
    if (!json_is_object(value)) {
        (void)refuse_type(reader, value, "map[string]json.RawMessage");
        return NULL;
    }
    if (reader->depth == DEPTH_MAX) {
        (void)error_set(reader->reterr, -EINVAL, "messages nest too deep");
        return NULL;
    }
    reader->depth++;
    ProtobufCMessage *message = arena_alloc(reader->arena, descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, message);
    /* jansson reads by pointers to what is not const. */
    for (void *at = json_object_iter((json_t *)(uintptr_t)value); at != NULL;
         at = json_object_iter_next((json_t *)(uintptr_t)value, at)) {
        const ProtobufCFieldDescriptor *field = field_of(descriptor, json_object_iter_key(at));
        if (field != NULL &&
            read_field(reader, json_object_iter_value(at), field, (uint8_t *)message) != 0) {
            return NULL;
        }
    }
    reader->depth--;
    return message;
}

bool etcd_json_is_bounded(struct slice text)
{
    size_t values = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t byte = text.data[i];
        values += byte == '{' || byte == '[' || byte == ',' ? 1 : 0;
    }
    return values <= VALUES_MAX;
}

ProtobufCMessage *etcd_json_read(const ProtobufCMessageDescriptor *descriptor, struct arena *arena,
                                 struct slice text, size_t *ret_used, struct error *reterr)
{
    json_error_t why;
    json_t *value = json_loadb((const char *)text.data, text.len, JSON_DISABLE_EOF_CHECK, &why);
    if (value == NULL) {
        bool cut = json_error_code(&why) == json_error_premature_end_of_input;
        (void)error_set(reterr, -EINVAL, "%s", cut ? "unexpected EOF" : why.text);
        return NULL;
    }
    size_t used = (size_t)why.position;
    while (used < text.len && isspace(text.data[used])) {
        used++;
    }
    *ret_used = used;
    struct reader reader = {.arena = arena, .reterr = reterr};
    ProtobufCMessage *message = read_message(&reader, value, descriptor);
    json_decref(value);
    return message;
}

/* --- Writing. */

static int append_text(const char *bytes, size_t len, void *data)
{
    buffer_append(data, bytes, len);
    return 0;
}

void etcd_json_write_text(const char *text, struct buffer *out)
{
    json_t *value = json_string(text);
    if (value == NULL) { /* No UTF-8: what reads texts lets none of these in. */
        value = json_string("?");
    }
    (void)json_dump_callback(value, append_text, out, JSON_ENCODE_ANY | JSON_COMPACT);
    json_decref(value);
}

static void write_value(const ProtobufCFieldDescriptor *field, const void *at, struct buffer *out)
{
    const ProtobufCBinaryData *bytes = at;
    const ProtobufCEnumValue *name = NULL;
    switch ((int)field->type) {
    case PROTOBUF_C_TYPE_INT64:
        buffer_printf(out, "\"%" PRId64 "\"", *(const int64_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT64:
        buffer_printf(out, "\"%" PRIu64 "\"", *(const uint64_t *)at);
        break;
    case PROTOBUF_C_TYPE_UINT32:
        buffer_printf(out, "%" PRIu32, *(const uint32_t *)at);
        break;
    case PROTOBUF_C_TYPE_BOOL:
        buffer_append_text(out, *(const protobuf_c_boolean *)at ? "true" : "false");
        break;
    case PROTOBUF_C_TYPE_ENUM:
        name = protobuf_c_enum_descriptor_get_value(field->descriptor, *(const int *)at);
        if (name == NULL) {
            buffer_printf(out, "%d", *(const int *)at);
        } else {
            buffer_printf(out, "\"%s\"", name->name);
        }
        break;
    case PROTOBUF_C_TYPE_STRING:
        etcd_json_write_text(*(char *const *)at, out);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        buffer_append_byte(out, '"');
        base64_encode(slice_of(bytes->data, bytes->len), out);
        buffer_append_byte(out, '"');
        break;
    default:
        etcd_json_write(*(ProtobufCMessage *const *)at, out);
        break;
    }
}

static bool has_default(const ProtobufCFieldDescriptor *field, const void *at)
{
    static const uint64_t zero = 0;
    if (field->type == PROTOBUF_C_TYPE_BYTES) {
        return ((const ProtobufCBinaryData *)at)->len == 0;
    }
    if (field->type == PROTOBUF_C_TYPE_STRING) {
        return *(char *const *)at == NULL || **(char *const *)at == '\0';
    }
    return memcmp(at, &zero, size_of(field)) == 0; /* A message: whether there is one. */
}

static void write_list(const ProtobufCFieldDescriptor *field, const uint8_t *items, size_t count,
                       struct buffer *out)
{
    for (size_t i = 0; i < count; i++) {
        buffer_append_byte(out, i == 0 ? '[' : ',');
        write_value(field, items + i * size_of(field), out);
    }
    buffer_append_byte(out, ']');
}

void etcd_json_write(const ProtobufCMessage *message, struct buffer *out)
{
    char before = '{';
    for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
        const uint8_t *at = (const uint8_t *)message + field->offset;
        const void *quantifier = (const uint8_t *)message + field->quantifier_offset;
        bool list = field->label == PROTOBUF_C_LABEL_REPEATED;
        bool one_of = (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
        size_t count = list ? *(const size_t *)quantifier : 0;
        if (list     ? count == 0
            : one_of ? *(const uint32_t *)quantifier != field->id
                     : has_default(field, at)) {
            continue;
        }
        buffer_append_byte(out, (uint8_t)before);
        buffer_printf(out, "\"%s\":", field->name);
        if (list) {
            write_list(field, *(const uint8_t *const *)(const void *)at, count, out);
        } else {
            write_value(field, at, out);
        }
        before = ',';
    }
    buffer_append_text(out, before == '{' ? "{}" : "}");
}
