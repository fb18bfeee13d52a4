#include "lib/api/codec.h"
#include "lib/api/decode_memory.h"
#include "lib/api/fields.h"
#include "lib/api/limits.h"
#include "lib/api/quantity.h"
#include "lib/api/wire.h"
#include <errno.h>
#include <stdlib.h>

struct decode {
    struct decode_memory memory;
    unsigned depth;
};

static int decode_message(struct decode *decode, const struct api_message *message,
                          struct slice bytes, void *object);

/* Other writers may send any text: what is kept parses and is canonical. */
static int check_quantity(struct decode *decode, Quantity__Quantity *message)
{
    char text[QUANTITY_TEXT_SIZE];
    struct quantity quantity;

    if (message->string == NULL || message->string[0] == '\0') {
        return 0;
    }
    if (quantity_parse(slice_text(message->string), &quantity, NULL) < 0) {
        return -EBADMSG;
    }
    quantity_format(quantity, text);
    if (strcmp(text, message->string) != 0) {
        message->string = decode_text(&decode->memory, slice_text(text));
    }
    return message->string == NULL ? -E2BIG : 0;
}

static int decode_inner(struct decode *decode, const struct api_field *field, struct slice bytes,
                        void **at)
{
    if (*at == NULL) { /* A second record of the same field is merged into the first. */
        *at = decode_message_new(&decode->memory, field->message);
        if (*at == NULL) {
            return -E2BIG;
        }
    }
    int r = decode_message(decode, field->message, bytes, *at);
    return r == 0 && field->type == API_QUANTITY ? check_quantity(decode, *at) : r;
}

static int decode_bytes_value(struct decode *decode, const struct api_field *field,
                              struct slice bytes, void *at)
{
    if (field->type == API_STRING) {
        char *text;
        if (memchr(bytes.data, '\0', bytes.len) != NULL) {
            return -EBADMSG; /* C strings cannot hold it. */
        }
        text = decode_text(&decode->memory, bytes);
        *(char **)at = text;
        return text == NULL ? -E2BIG : 0;
    }
    if (field->type == API_BYTES) {
        uint8_t *copy = (uint8_t *)decode_text(&decode->memory, bytes);
        *(ProtobufCBinaryData *)at = (ProtobufCBinaryData){.len = bytes.len, .data = copy};
        return copy == NULL ? -E2BIG : 0;
    }
    return decode_inner(decode, field, bytes, at);
}

static int decode_value(struct decode *decode, const struct api_field *field,
                        struct wire_reader *reader, void *at)
{
    struct slice bytes;
    uint64_t number = 0;

    if (field->type > API_DOUBLE) {
        return wire_get_bytes(reader, &bytes) ? decode_bytes_value(decode, field, bytes, at)
                                              : -EBADMSG;
    }
    if (field->type == API_DOUBLE) {
        if (reader->end - reader->at < 8) {
            return -EBADMSG;
        }
        for (int i = 0; i < 8; i++) {
            number |= (uint64_t)*reader->at++ << (8 * i);
        }
        memcpy(at, &number, sizeof(number));
        return 0;
    }
    if (!wire_get_varint(reader, &number)) {
        return -EBADMSG;
    }
    if (field->type == API_BOOL) {
        *(protobuf_c_boolean *)at = number != 0;
    } else if (field->type == API_INT32) {
        *(int32_t *)at = (int32_t)(uint32_t)number;
    } else {
        *(int64_t *)at = (int64_t)number;
    }
    return 0;
}

/* How many records of the field follow from here on: lists are then taken in one piece. Only
 * records that stand together count; others are appended later. */
static size_t count_run(const struct wire_reader *reader, uint64_t tag)
{
    struct wire_reader ahead = *reader;
    uint64_t next = tag;
    size_t count = 0;
    while (next == tag) {
        if (!wire_skip(&ahead, (unsigned)(tag & 7))) {
            return count + 1;
        }
        count++;
        if (ahead.at == ahead.end || !wire_get_varint(&ahead, &next)) {
            return count;
        }
    }
    return count;
}

/* Makes room for `more` items behind the present ones; NULL when exhausted. */
static uint8_t *extend(struct decode *decode, const struct api_field *field, void *object,
                       size_t more, size_t size)
{
    size_t count = api_field_count(field, object);
    uint8_t **at = api_field_at(field, object);
    uint8_t *items = decode_take(&decode->memory, (count + more) * size);
    if (items != NULL) {
        if (count > 0) {
            memcpy(items, *at, count * size);
        }
        *at = items;
    }
    return items;
}

static int decode_entry(struct decode *decode, const struct api_field *field, struct slice bytes,
                        void **slot)
{
    const struct api_field *key = &field->entry->fields[0], *value = &field->entry->fields[1];
    void *entry = decode_message_new(&decode->memory, field->entry);
    int r;

    if (entry == NULL) {
        return -E2BIG;
    }
    *slot = entry;
    if ((r = decode_message(decode, field->entry, bytes, entry)) < 0) {
        return r;
    }
    api_set_presence(value, entry);
    /* Absent parts of an entry are zero. */
    char **text = api_field_at(key, entry);
    if (*text == NULL && (*text = decode_text(&decode->memory, slice_of(NULL, 0))) == NULL) {
        return -E2BIG;
    }
    text = api_field_at(value, entry);
    if (value->type == API_STRING && *text == NULL &&
        (*text = decode_text(&decode->memory, slice_of(NULL, 0))) == NULL) {
        return -E2BIG;
    }
    if (value->type >= API_OBJECT && *text == NULL) {
        return decode_inner(decode, value, slice_of("", 0), (void **)(void *)text);
    }
    return 0;
}

static int decode_run(struct decode *decode, const struct api_field *field,
                      struct wire_reader *reader, uint64_t tag, void *object)
{
    size_t size = field->label == API_MAP ? sizeof(void *) : api_type_size(field);
    size_t run = count_run(reader, tag), count = api_field_count(field, object);
    uint8_t *items = extend(decode, field, object, run, size);
    int r = items == NULL ? -E2BIG : 0;

    for (size_t i = 0; i < run && r == 0; i++) {
        uint8_t *at = items + (count + i) * size;
        uint64_t next;
        if (i > 0 && !wire_get_varint(reader, &next)) {
            return -EBADMSG;
        }
        if (field->label == API_MAP) {
            struct slice bytes;
            r = wire_get_bytes(reader, &bytes)
                    ? decode_entry(decode, field, bytes, (void **)(void *)at)
                    : -EBADMSG;
        } else {
            r = decode_value(decode, field, reader, at);
        }
        api_set_count(field, object, count + i + 1);
    }
    return r;
}

/* Proto2 lets a writer pack scalars; Kubernetes never does, others may. */
static int decode_packed(struct decode *decode, const struct api_field *field,
                         struct wire_reader *reader, void *object)
{
    size_t size = api_type_size(field);
    struct slice bytes;
    struct wire_reader inner;

    if (!wire_get_bytes(reader, &bytes)) {
        return -EBADMSG;
    }
    inner = (struct wire_reader){bytes.data, bytes.data + bytes.len};
    while (inner.at < inner.end) {
        size_t count = api_field_count(field, object);
        uint8_t *items = extend(decode, field, object, 1, size);
        int r = items == NULL ? -E2BIG : decode_value(decode, field, &inner, items + count * size);
        if (r < 0) {
            return r;
        }
        api_set_count(field, object, count + 1);
    }
    return 0;
}

static int decode_field(struct decode *decode, const struct api_field *field,
                        struct wire_reader *reader, uint64_t tag, void *object)
{
    unsigned kind = (unsigned)(tag & 7);
    unsigned wanted = field->label == API_MAP ? WIRE_BYTES : wire_type(field);

    if (field->label == API_REPEATED && kind == WIRE_BYTES && wanted != WIRE_BYTES) {
        return decode_packed(decode, field, reader, object);
    }
    if (kind != wanted) {
        return -EBADMSG;
    }
    if (field->label != API_SINGLE) {
        return decode_run(decode, field, reader, tag, object);
    }
    api_set_presence(field, object);
    return decode_value(decode, field, reader, api_field_at(field, object));
}

/* Writers other than ours need not sort. */
static void sort_maps(const struct api_message *message, void *object)
{
    for (size_t i = 0; i < message->field_count; i++) {
        const struct api_field *field = &message->fields[i];
        void *copy = NULL;
        if (field->label == API_MAP && api_field_count(field, object) > 1) {
            void **sorted = api_map_sorted(field, object, &copy);
            if (copy != NULL) {
                memcpy(*(void ***)api_field_at(field, object), sorted,
                       api_field_count(field, object) * sizeof(void *));
                free(copy);
            }
        }
    }
}

static int decode_message(struct decode *decode, const struct api_message *message,
                          struct slice bytes, void *object)
{
    struct wire_reader reader = {bytes.data, bytes.data + bytes.len};
    int r = ++decode->depth > API_PROTOBUF_DEPTH_MAX ? -E2BIG : 0;

    while (r == 0 && reader.at < reader.end) {
        const struct api_field *field;
        uint64_t tag;
        if (!wire_get_varint(&reader, &tag) || tag >> 3 == 0 || tag >> 3 > UINT32_MAX) {
            return -EBADMSG;
        }
        field = api_message_field(message, (uint32_t)(tag >> 3));
        if (field == NULL || (field->flags & API_JSON_ONLY) != 0) {
            r = wire_skip(&reader, (unsigned)(tag & 7)) ? 0 : -EBADMSG;
        } else {
            r = decode_field(decode, field, &reader, tag, object);
        }
    }
    if (r == 0) {
        sort_maps(message, object);
    }
    decode->depth--;
    return r;
}

int api_decode_protobuf(struct arena *arena, const struct api_message *message, struct slice bytes,
                        void **ret_object, struct error *reterr)
{
    struct decode decode = {.depth = 0};
    void *object;
    int r;

    decode_memory_init(&decode.memory, arena);
    object = decode_message_new(&decode.memory, message);
    r = object == NULL ? -E2BIG : decode_message(&decode, message, bytes, object);
    if (r == -E2BIG) {
        return error_set(reterr, r, "object is too large or nests too deep");
    }
    if (r < 0) {
        return error_set(reterr, r, "malformed protobuf of %s", message->name);
    }
    *ret_object = object;
    return 0;
}

/* --- Envelope --------------------------------------------------------------------------------- */

bool api_is_envelope(struct slice bytes)
{
    return slice_starts_with(bytes, slice_of("k8s", 4));
}

static bool read_type_meta(struct slice bytes, struct api_envelope *envelope)
{
    struct wire_reader reader = {bytes.data, bytes.data + bytes.len};
    while (reader.at < reader.end) {
        struct slice *slot = NULL;
        uint64_t tag;
        if (!wire_get_varint(&reader, &tag)) {
            return false;
        }
        if (tag == (1 << 3 | WIRE_BYTES)) {
            slot = &envelope->api_version;
        } else if (tag == (2 << 3 | WIRE_BYTES)) {
            slot = &envelope->kind;
        }
        if (slot != NULL ? !wire_get_bytes(&reader, slot)
                         : !wire_skip(&reader, (unsigned)(tag & 7))) {
            return false;
        }
    }
    return true;
}

static bool read_unknown(struct slice bytes, struct api_envelope *envelope)
{
    struct wire_reader reader = {bytes.data, bytes.data + bytes.len};
    struct slice meta = slice_of(NULL, 0);
    struct slice *const slots[] = {NULL, &meta, &envelope->raw, &envelope->content_encoding,
                                   &envelope->content_type};
    while (reader.at < reader.end) {
        uint64_t tag;
        bool known;
        if (!wire_get_varint(&reader, &tag)) {
            return false;
        }
        known = (tag & 7) == WIRE_BYTES && tag >> 3 >= 1 && tag >> 3 < ARRAY_LEN(slots);
        if (known ? !wire_get_bytes(&reader, slots[tag >> 3])
                  : !wire_skip(&reader, (unsigned)(tag & 7))) {
            return false;
        }
    }
    return read_type_meta(meta, envelope);
}

int api_parse_envelope(struct slice bytes, struct api_envelope *ret_envelope, struct error *reterr)
{
    struct api_envelope envelope = {{NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}, {NULL, 0}};
    if (!api_is_envelope(bytes)) {
        return error_set(reterr, -EBADMSG,
                         "provided data does not appear to be a protobuf message, expected prefix "
                         "[107 56 115 0]");
    }
    if (bytes.len == 4) {
        return error_set(reterr, -EBADMSG, "empty body");
    }
    if (!read_unknown(slice_of(bytes.data + 4, bytes.len - 4), &envelope)) {
        return error_set(reterr, -EBADMSG, "malformed protobuf envelope");
    }
    *ret_envelope = envelope;
    return 0;
}
