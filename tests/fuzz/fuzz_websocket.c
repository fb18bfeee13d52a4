/* WebSocket frames, from clients and from servers, cut into two reads. */
#include "lib/net/websocket.h"
#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGE_MAX = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    struct websocket_decoder decoder;
    websocket_decoder_init(&decoder, (data[0] & 1) != 0, MESSAGE_MAX);
    size_t cut = 1 + data[0] % (size - 1);
    struct slice parts[2] = {slice_of(data + 1, cut - 1), slice_of(data + cut, size - cut)};
    int status = 0;
    for (int i = 0; i < 2 && status >= 0; i++) {
        enum websocket_opcode opcode;
        struct slice payload;
        while ((status = websocket_decode(&decoder, &parts[i], &opcode, &payload)) == 1) {
            assert(payload.len <= MESSAGE_MAX);
        }
        assert(status < 0 || parts[i].len == 0);
    }
    websocket_decoder_release(&decoder);
    return 0;
}
