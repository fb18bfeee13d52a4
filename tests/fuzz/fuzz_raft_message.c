/* Peer messages: any bytes decode or are refused; what decodes encodes to the same bytes again. */
#include "raft/message.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct raft_message message;
    if (raft_message_decode(slice_of(data, size), &message) < 0) {
        return 0;
    }
    struct buffer bytes;
    buffer_init(&bytes, size + 1);
    raft_message_encode(&message, &bytes);
    if (!slice_equal(buffer_slice(&bytes), slice_of(data, size))) {
        abort();
    }
    buffer_release(&bytes);
    raft_message_release(&message);
    return 0;
}
