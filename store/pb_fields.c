#include "store/pb_fields.h"

#include <errno.h>

static size_t pb_varint_size(uint64_t value)
{
    size_t size = 1;
    while (value >= 0x80) {
        value >>= 7;
        size++;
    }
    return size;
}

static void pb_put_varint(struct buffer *out, uint64_t value)
{
    while (value >= 0x80) {
        buffer_append_byte(out, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    buffer_append_byte(out, (uint8_t)value);
}

size_t pb_number_size(int64_t value)
{
    return value == 0 ? 0 : 1 + pb_varint_size((uint64_t)value);
}

void pb_put_number(struct buffer *out, unsigned field, int64_t value)
{
    if (value != 0) {
        buffer_append_byte(out, (uint8_t)(field << 3 | PB_VARINT));
        pb_put_varint(out, (uint64_t)value);
    }
}

size_t pb_bytes_size(struct slice bytes)
{
    return bytes.len == 0 ? 0 : 1 + pb_varint_size(bytes.len) + bytes.len;
}

void pb_put_element(struct buffer *out, unsigned field, struct slice bytes)
{
    buffer_append_byte(out, (uint8_t)(field << 3 | PB_BYTES));
    pb_put_varint(out, bytes.len);
    buffer_append_slice(out, bytes);
}

void pb_put_bytes(struct buffer *out, unsigned field, struct slice bytes)
{
    if (bytes.len > 0) {
        pb_put_element(out, field, bytes);
    }
}

static int pb_get_varint(struct slice *left, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && left->len > 0; shift += 7) {
        uint8_t byte = left->data[0];
        *left = slice_of(left->data + 1, left->len - 1);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *ret_value = value;
            return 0;
        }
    }
    return -EBADMSG;
}

static int skip(struct slice *left, uint64_t len)
{
    if (len > left->len) {
        return -EBADMSG;
    }
    *left = slice_of(left->data + len, left->len - (size_t)len);
    return 0;
}

int pb_get_field(struct slice *left, struct pb_field *ret_field)
{
    uint64_t tag;
    uint64_t len;
    if (pb_get_varint(left, &tag) < 0) {
        return -EBADMSG;
    }
    *ret_field = (struct pb_field){.number = tag >> 3, .type = (enum pb_type)(tag & 7)};
    switch (ret_field->type) {
    case PB_VARINT:
        return pb_get_varint(left, &ret_field->value);
    case PB_FIXED64:
        return skip(left, 8);
    case PB_FIXED32:
        return skip(left, 4);
    case PB_BYTES:
        if (pb_get_varint(left, &len) < 0 || len > left->len) {
            return -EBADMSG;
        }
        ret_field->bytes = slice_of(left->data, (size_t)len);
        return skip(left, len);
    }
    return -EBADMSG;
}
