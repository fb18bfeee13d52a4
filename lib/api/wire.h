/* The protobuf wire format (protobuf.dev/programming-guides/encoding): varints and wire types.
 * Pure; internal to lib/api. */
#ifndef LIB_API_WIRE_H
#define LIB_API_WIRE_H
#include "lib/api/schema.h"
#include "lib/base/alloc.h"

enum { WIRE_VARINT_MAX = 10 }; /* Bytes. */

enum wire_kind { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

static inline size_t wire_varint_size(uint64_t value)
{
    size_t size = 1;
    while (value >= 0x80) {
        value >>= 7;
        size++;
    }
    return size;
}

static inline uint8_t *wire_put_varint(uint8_t *out, uint64_t value)
{
    while (value >= 0x80) {
        *out++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *out++ = (uint8_t)value;
    return out;
}

static inline uint8_t *wire_put_double(uint8_t *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    for (int i = 0; i < 8; i++) {
        *out++ = (uint8_t)(bits >> (8 * i));
    }
    return out;
}

static inline enum wire_kind wire_type(const struct api_field *field)
{
    return field->type == API_DOUBLE  ? WIRE_FIXED64
           : field->type < API_DOUBLE ? WIRE_VARINT
                                      : WIRE_BYTES;
}

static inline uint32_t *wire_grow(uint32_t *items, size_t capacity)
{
    return alloc_resize(items, capacity, sizeof(*items));
}

/* Reading: false when the bytes end too early or a varint is too long. */
struct wire_reader {
    const uint8_t *at, *end;
};

static inline bool wire_get_varint(struct wire_reader *reader, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte;
        if (reader->at == reader->end) {
            return false;
        }
        byte = *reader->at++;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static inline bool wire_get_bytes(struct wire_reader *reader, struct slice *ret_bytes)
{
    uint64_t len;
    if (!wire_get_varint(reader, &len) || len > (uint64_t)(reader->end - reader->at)) {
        return false;
    }
    *ret_bytes = slice_of(reader->at, (size_t)len);
    reader->at += len;
    return true;
}

/* Skips the value after a tag; groups (3, 4) are not supported, as in Kubernetes. */
static inline bool wire_skip(struct wire_reader *reader, unsigned kind)
{
    uint64_t number;
    struct slice bytes;
    size_t size = kind == WIRE_FIXED64 ? 8 : kind == WIRE_FIXED32 ? 4 : 0;
    if (kind == WIRE_VARINT) {
        return wire_get_varint(reader, &number);
    }
    if (kind == WIRE_BYTES) {
        return wire_get_bytes(reader, &bytes);
    }
    if (size == 0 || (size_t)(reader->end - reader->at) < size) {
        return false;
    }
    reader->at += size;
    return true;
}
#endif
