/* Kubernetes protobuf: fields ascending by number, non-pointer fields always written, map entries
 * sorted. Sizes come first, so that nested lengths are known and each byte is written once. */
#include "lib/api/codec.h"
#include "lib/api/fields.h"
#include "lib/api/quantity.h"
#include "lib/api/wire.h"
#include <assert.h>
#include <stdlib.h>

/* Lengths of nested messages, in the order in which both passes meet them. */
struct sizes {
    uint32_t *items;
    size_t count, capacity, at;
};

static size_t measure(struct sizes *sizes, const struct api_message *message, const void *object);
static uint8_t *write_message(struct sizes *sizes, const struct api_message *message,
                              const void *object, uint8_t *out);

static size_t reserve_size(struct sizes *sizes)
{
    if (sizes->count == sizes->capacity) {
        sizes->capacity = sizes->capacity == 0 ? 64 : sizes->capacity * 2;
        sizes->items = wire_grow(sizes->items, sizes->capacity);
    }
    return sizes->count++;
}

static size_t measure_nested(struct sizes *sizes, const struct api_message *message,
                             const void *object)
{
    size_t slot = reserve_size(sizes);
    size_t size = measure(sizes, message, object);
    sizes->items[slot] = (uint32_t)size;
    return wire_varint_size(size) + size;
}

static size_t measure_value(struct sizes *sizes, const struct api_field *field, const void *at)
{
    switch ((enum api_type)field->type) {
    case API_BOOL:
        return 1;
    case API_INT32:
        return wire_varint_size((uint64_t)(int64_t) * (const int32_t *)at);
    case API_INT64:
        return wire_varint_size((uint64_t) * (const int64_t *)at);
    case API_DOUBLE:
        return 8;
    case API_STRING: {
        const char *text = *(const char *const *)at;
        size_t len = text == NULL ? 0 : strlen(text);
        return wire_varint_size(len) + len;
    }
    case API_BYTES: {
        const ProtobufCBinaryData *bytes = at;
        return wire_varint_size(bytes->len) + bytes->len;
    }
    case API_OBJECT:
    case API_QUANTITY:
    case API_TIME:
    case API_MICRO_TIME:
    case API_INT_OR_STRING:
    case API_RAW_OBJECT:
    case API_RAW_VALUE:
    case API_DURATION:
    case API_LIST_MESSAGE:
    case API_ENVELOPE:
    case API_ONE_OR_LIST:
    case API_ONE_OR_BOOL:
        break;
    }
    return measure_nested(sizes, field->message, *(const void *const *)at);
}

static size_t tag_size(const struct api_field *field)
{
    return wire_varint_size((uint64_t)field->number << 3);
}

/* Whether a single field is written at all. */
static bool is_written(const struct api_message *message, const struct api_field *field,
                       const void *object)
{
    if (field->type == API_BYTES) { /* A slice in Go: nil is left out, empty is not. */
        return object != NULL &&
               ((const ProtobufCBinaryData *)api_field_at(field, object))->data != NULL;
    }
    if (message->form == API_TIME || message->form == API_MICRO_TIME) {
        /* The zero time is an empty message. */
        return object != NULL &&
               *(const protobuf_c_boolean *)((uintptr_t)object + message->fields[0].presence) != 0;
    }
    if ((field->flags & API_POINTER) != 0) {
        return object != NULL && api_field_is_set(field, object);
    }
    return true;
}

static const void *value_at(const struct api_message *message, const struct api_field *field,
                            const void *object)
{
    static const uint64_t zeroed[2];
    static const char *const no_amount = "0";
    if (message->form == API_QUANTITY) { /* Clients in Go read no empty text as an amount. */
        const Quantity__Quantity *quantity = object;
        bool empty = quantity == NULL || quantity->string == NULL || quantity->string[0] == 0;
        return empty ? (const void *)&no_amount : &quantity->string;
    }
    return object == NULL ? zeroed : api_field_at(field, object);
}

static size_t measure_entry(struct sizes *sizes, const struct api_message *entry,
                            const void *object)
{
    size_t slot = reserve_size(sizes);
    size_t size =
        2 + measure_value(sizes, &entry->fields[0], api_field_at(&entry->fields[0], object));
    size += measure_value(sizes, &entry->fields[1], api_field_at(&entry->fields[1], object));
    sizes->items[slot] = (uint32_t)size;
    return wire_varint_size(size) + size;
}

static size_t measure_many(struct sizes *sizes, const struct api_field *field, const void *object)
{
    size_t count = object == NULL ? 0 : api_field_count(field, object);
    size_t size = count * tag_size(field), step;
    uintptr_t items;
    void *copy = NULL;

    if (count == 0) {
        return 0;
    }
    if (field->label == API_MAP) {
        void **entries = api_map_sorted(field, object, &copy);
        for (size_t i = 0; i < count; i++) {
            size += measure_entry(sizes, field->entry, entries[i]);
        }
        free(copy);
        return size;
    }
    step = api_type_size(field);
    items = *(const uintptr_t *)api_field_at(field, object);
    for (size_t i = 0; i < count; i++) {
        size += measure_value(sizes, field, (const void *)(items + i * step));
    }
    return size;
}

static size_t measure(struct sizes *sizes, const struct api_message *message, const void *object)
{
    size_t size = 0;
    for (size_t i = 0; i < message->field_count; i++) {
        const struct api_field *field = &message->fields[i];
        if ((field->flags & API_JSON_ONLY) != 0) {
            continue;
        }
        if (field->label != API_SINGLE) {
            size += measure_many(sizes, field, object);
        } else if (is_written(message, field, object)) {
            size += tag_size(field) + measure_value(sizes, field, value_at(message, field, object));
        }
    }
    return size;
}

/* --- Writing ---------------------------------------------------------------------------------- */

static uint8_t *write_bytes(const void *data, size_t len, uint8_t *out)
{
    out = wire_put_varint(out, len);
    if (len > 0) {
        memcpy(out, data, len);
    }
    return out + len;
}

static uint8_t *write_value(struct sizes *sizes, const struct api_field *field, const void *at,
                            uint8_t *out)
{
    switch ((enum api_type)field->type) {
    case API_BOOL:
        *out = *(const protobuf_c_boolean *)at != 0;
        return out + 1;
    case API_INT32:
        return wire_put_varint(out, (uint64_t)(int64_t) * (const int32_t *)at);
    case API_INT64:
        return wire_put_varint(out, (uint64_t) * (const int64_t *)at);
    case API_DOUBLE:
        return wire_put_double(out, *(const double *)at);
    case API_STRING: {
        const char *text = *(const char *const *)at;
        return write_bytes(text, text == NULL ? 0 : strlen(text), out);
    }
    case API_BYTES: {
        const ProtobufCBinaryData *bytes = at;
        return write_bytes(bytes->data, bytes->len, out);
    }
    case API_OBJECT:
    case API_QUANTITY:
    case API_TIME:
    case API_MICRO_TIME:
    case API_INT_OR_STRING:
    case API_RAW_OBJECT:
    case API_RAW_VALUE:
    case API_DURATION:
    case API_LIST_MESSAGE:
    case API_ENVELOPE:
    case API_ONE_OR_LIST:
    case API_ONE_OR_BOOL:
        break;
    }
    assert(sizes->items != NULL); /* What has a size was measured. */
    out = wire_put_varint(out, sizes->items[sizes->at++]);
    return write_message(sizes, field->message, *(const void *const *)at, out);
}

static uint8_t *write_tag(const struct api_field *field, uint8_t *out)
{
    return wire_put_varint(out, (uint64_t)field->number << 3 | wire_type(field));
}

static uint8_t *write_map(struct sizes *sizes, const struct api_field *field, const void *object,
                          uint8_t *out)
{
    const struct api_field *key = &field->entry->fields[0], *value = &field->entry->fields[1];
    size_t count = api_field_count(field, object);
    void *copy;
    void **entries = api_map_sorted(field, object, &copy);

    for (size_t i = 0; i < count; i++) {
        out = wire_put_varint(out, (uint64_t)field->number << 3 | WIRE_BYTES);
        out = wire_put_varint(out, sizes->items[sizes->at++]);
        out = write_value(sizes, key, api_field_at(key, entries[i]), write_tag(key, out));
        out = write_value(sizes, value, api_field_at(value, entries[i]), write_tag(value, out));
    }
    free(copy);
    return out;
}

static uint8_t *write_message(struct sizes *sizes, const struct api_message *message,
                              const void *object, uint8_t *out)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct api_field *field = &message->fields[i];
        if ((field->flags & API_JSON_ONLY) != 0) {
            continue;
        }
        if (field->label == API_MAP) {
            out = object == NULL || api_field_count(field, object) == 0
                      ? out
                      : write_map(sizes, field, object, out);
        } else if (field->label == API_REPEATED) {
            size_t count = object == NULL ? 0 : api_field_count(field, object);
            size_t step = api_type_size(field);
            uintptr_t items = *(const uintptr_t *)value_at(message, field, object);
            for (size_t j = 0; j < count; j++) {
                out = write_value(sizes, field, (const void *)(items + j * step),
                                  write_tag(field, out));
            }
        } else if (is_written(message, field, object)) {
            out =
                write_value(sizes, field, value_at(message, field, object), write_tag(field, out));
        }
    }
    return out;
}

/* What was measured with these sizes. */
static void append_message(struct sizes *sizes, size_t size, const struct api_message *message,
                           const void *object, struct buffer *out)
{
    uint8_t *start = buffer_reserve(out, size);
    if (start != NULL) {
        uint8_t *end = write_message(sizes, message, object, start);
        assert(end == start + size);
        assert(sizes->at == sizes->count);
        buffer_commit(out, size);
    }
}

void api_encode_protobuf(const struct api_message *message, const void *object, struct buffer *out)
{
    struct sizes sizes = {NULL, 0, 0, 0};
    size_t size = measure(&sizes, message, object);
    append_message(&sizes, size, message, object, out);
    free(sizes.items);
}

/* --- The envelope: "k8s" NUL, then runtime.Unknown ---------------------------------------------
 */

static void put_field(uint32_t number, struct slice bytes, struct buffer *out)
{
    uint8_t head[24];
    uint8_t *end = wire_put_varint(head, (uint64_t)number << 3 | WIRE_BYTES);
    end = wire_put_varint(end, bytes.len);
    buffer_append(out, head, (size_t)(end - head));
    buffer_append_slice(out, bytes);
}

static size_t field_size(size_t len)
{
    return 1 + wire_varint_size(len) + len;
}

void api_envelope_head(const struct api_type_meta *meta, size_t len, struct buffer *out)
{
    struct slice version = slice_text(meta->api_version), kind = slice_text(meta->kind);
    uint8_t head[24];
    uint8_t *end;

    buffer_append(out, "k8s", 4);
    end = wire_put_varint(head, 1 << 3 | WIRE_BYTES);
    end = wire_put_varint(end, field_size(version.len) + field_size(kind.len));
    buffer_append(out, head, (size_t)(end - head));
    put_field(1, version, out);
    put_field(2, kind, out);
    end = wire_put_varint(head, 2 << 3 | WIRE_BYTES);
    end = wire_put_varint(end, len);
    buffer_append(out, head, (size_t)(end - head));
}

void api_envelope_tail(struct buffer *out)
{
    put_field(3, slice_of(NULL, 0), out); /* contentEncoding and contentType are always there. */
    put_field(4, slice_of(NULL, 0), out);
}

void api_wrap_envelope(struct slice raw, const struct api_type_meta *meta, struct buffer *out)
{
    api_envelope_head(meta, raw.len, out);
    buffer_append_slice(out, raw);
    api_envelope_tail(out);
}

void api_encode_envelope(const struct api_message *message, const void *object,
                         const struct api_type_meta *meta, struct buffer *out)
{
    struct sizes sizes = {NULL, 0, 0, 0};
    size_t size = measure(&sizes, message, object);
    api_envelope_head(meta, size, out);
    append_message(&sizes, size, message, object, out);
    api_envelope_tail(out);
    free(sizes.items);
}

void api_put_field_head(unsigned number, size_t len, struct buffer *out)
{
    uint8_t bytes[2 * WIRE_VARINT_MAX];
    uint8_t *end = wire_put_varint(bytes, (uint64_t)number << 3 | WIRE_BYTES);
    end = wire_put_varint(end, len);
    buffer_append(out, bytes, (size_t)(end - bytes));
}
