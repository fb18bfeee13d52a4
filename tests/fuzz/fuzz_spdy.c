/* A SPDY session that gets whatever a peer may send. */
#include "lib/net/spdy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct spdy_stream_events stream_events = {.on_reply = NULL};

static void on_stream(void *data, struct spdy_stream *stream)
{
    (void)data;
    (void)spdy_stream_header(stream, "streamtype");
    if (spdy_stream_id(stream) % 3 == 0) {
        spdy_stream_close(stream);
        return;
    }
    spdy_stream_set_events(stream, &stream_events, NULL);
    spdy_stream_accept(stream, NULL, 0);
}

static void on_send(void *data, struct slice bytes)
{
    (void)bytes;
    *(size_t *)data += bytes.len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct spdy_session_events events = {on_stream, on_send};
    size_t sent = 0;
    struct spdy_session *session = spdy_session_new(/* is_server= */ true, &events, &sent);
    size_t half = size / 2;
    if (spdy_session_receive(session, slice_of(data, half)) == 0) {
        (void)spdy_session_receive(session, slice_of(data + half, size - half));
    }
    spdy_session_free(session);
    return 0;
}
