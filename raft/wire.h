/* Little-endian integers in byte buffers: a bounded reader with a sticky error, and writers. What
 * peers and disks hand in is read through this and nothing else. Pure. */
#ifndef RAFT_WIRE_H
#define RAFT_WIRE_H
#include "lib/base/buffer.h"
#include "lib/base/crc32c.h"
#include "lib/base/slice.h"
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct wire_reader {
    struct slice left;
    bool failed; /* Something was read beyond the end: all values since are 0. */
};

static inline uint64_t wire_get(struct wire_reader *reader, size_t width)
{
    if (reader->failed || reader->left.len < width) {
        reader->failed = true;
        return 0;
    }
    uint64_t value = 0;
    memcpy(&value, reader->left.data, width);
    reader->left.data += width;
    reader->left.len -= width;
    return le64toh(value);
}

static inline uint8_t wire_u8(struct wire_reader *reader)
{
    return (uint8_t)wire_get(reader, 1);
}

static inline uint32_t wire_u32(struct wire_reader *reader)
{
    return (uint32_t)wire_get(reader, 4);
}

static inline uint64_t wire_u64(struct wire_reader *reader)
{
    return wire_get(reader, 8);
}

static inline struct slice wire_bytes(struct wire_reader *reader, size_t len)
{
    if (reader->failed || reader->left.len < len) {
        reader->failed = true;
        return slice_of(NULL, 0);
    }
    struct slice bytes = slice_of(reader->left.data, len);
    reader->left.data += len;
    reader->left.len -= len;
    return bytes;
}

static inline void wire_store(uint8_t *to, uint64_t value, size_t width)
{
    value = htole64(value);
    memcpy(to, &value, width);
}

static inline void wire_put(struct buffer *out, uint64_t value, size_t width)
{
    uint8_t bytes[8];
    wire_store(bytes, value, width);
    buffer_append(out, bytes, width);
}
#endif
