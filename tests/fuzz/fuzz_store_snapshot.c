/* Snapshots from any bytes. The input is a list of records without checksums (which no mutation
 * would keep right): one byte kind, two bytes length, body. What is accepted is written again and
 * must be accepted again. */
#include "lib/base/hash_map.h"
#include "store/snapshot.h"

#include <assert.h>
#include <stdlib.h>

static struct buffer framed(const uint8_t *data, size_t size)
{
    struct buffer out;
    uint64_t checksum = 0;
    buffer_init(&out, SIZE_MAX);
    buffer_append_text(&out, "CORSNAP1");
    while (size >= 3) {
        uint32_t kind = data[0];
        uint32_t len = (uint32_t)data[1] | (uint32_t)data[2] << 8;
        data += 3;
        size -= 3;
        len = len < size ? len : (uint32_t)size;
        checksum = hash_bytes(checksum ^ kind, slice_of(data, len));
        buffer_append(&out, &checksum, sizeof(checksum));
        buffer_append(&out, &len, sizeof(len));
        buffer_append(&out, &kind, sizeof(kind));
        buffer_append(&out, data, len);
        data += len;
        size -= len;
    }
    return out;
}

static int read_state(struct slice bytes, size_t step, struct store_state *ret_state)
{
    struct state_reader *reader = state_reader_new();
    int status = 0;
    for (size_t at = 0; at < bytes.len && status == 0; at += step) {
        size_t len = bytes.len - at < step ? bytes.len - at : step;
        status = state_reader_feed(reader, slice_of(bytes.data + at, len));
    }
    status = status == 0 ? state_reader_end(reader, ret_state) : status;
    state_reader_free(reader);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store_state state;
    struct store_state again;
    struct buffer bytes = framed(data, size);
    if (read_state(buffer_slice(&bytes), 1 + size % 97, &state) == 0) {
        static uint8_t chunk[4096];
        struct state_writer *writer = state_writer_new(&state);
        buffer_clear(&bytes);
        for (size_t len; (len = state_writer_read(writer, chunk, sizeof(chunk))) > 0;) {
            buffer_append(&bytes, chunk, len);
        }
        state_writer_free(writer);
        int status = read_state(buffer_slice(&bytes), 1000, &again);
        assert(status == 0);
        assert(store_state_hash(&again) == store_state_hash(&state));
        store_state_release(&again);
        store_state_release(&state);
    }
    buffer_release(&bytes);
    return 0;
}
