/* gRPC's message framing, timeouts and status texts, and base64. */
#include "lib/base/base64.h"
#include "lib/net/grpc_frame.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGE_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct grpc_deframer deframer;
    grpc_deframer_init(&deframer, MESSAGE_MAX);
    size_t half = size / 2;
    struct slice parts[2] = {slice_of(data, half), slice_of(data + half, size - half)};
    int status = 0;
    for (int i = 0; i < 2 && status == 0; i++) {
        struct slice message;
        status = grpc_deframer_feed(&deframer, parts[i]);
        while (status == 0 && (status = grpc_deframe(&deframer, &message)) == 1) {
            assert(message.len <= MESSAGE_MAX);
            status = 0;
        }
    }
    grpc_deframer_release(&deframer);
    uint64_t ms;
    (void)grpc_timeout_parse(slice_of(data, size), &ms);
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 1 << 20);
    grpc_message_decode(slice_of(data, size), &out);
    buffer_clear(&out);
    if (base64url_decode(slice_of(data, size), &out) == 0) {
        CLEANUP(buffer_release) struct buffer again;
        buffer_init(&again, 1 << 20);
        base64url_encode(buffer_slice(&out), &again);
        assert(slice_equal(buffer_slice(&again), slice_of(data, size)));
    }
    return 0;
}
