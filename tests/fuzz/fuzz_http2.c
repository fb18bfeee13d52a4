/* An HTTP/2 session that gets whatever a peer may send, and answers as the server does. */
#include "lib/base/alloc.h"
#include "lib/net/http2_session.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STREAMS = 8, COSTS = 64 };

struct peer {
    struct http2_session *session;
    struct http2_stream *streams[STREAMS]; /* On the heap: use after their end is found. */
    size_t written;
    unsigned costs;
};

static struct http2_stream **slot_of(struct peer *peer, const struct http2_stream *stream)
{
    size_t i = 0;
    while (peer->streams[i] != stream) {
        i++;
    }
    return &peer->streams[i];
}

static void on_write(void *data, struct slice bytes)
{
    struct peer *peer = data;
    peer->written += bytes.len;
}

static void answer(struct peer *peer, struct http2_stream *stream)
{
    const struct http_header head[] = {http_header(":status", "200"), http_header("a", "b")};
    const struct http_header trailers[] = {http_header("grpc-status", "0")};
    http2_send_fields(peer->session, stream, head, 2, /* end= */ false);
    size_t room = http2_data_room(peer->session, stream);
    http2_send_data_head(peer->session, stream, room < 100 ? room : 100, /* end= */ false);
    http2_send_fields(peer->session, stream, trailers, 1, /* end= */ true);
    http2_forget(peer->session, stream);
    struct http2_stream **slot = slot_of(peer, stream);
    free(*slot);
    *slot = NULL;
}

static bool on_request(void *data, uint32_t id, struct http2_fields *fields, bool end)
{
    struct peer *peer = data;
    struct http2_stream *stream = alloc_zeroed(sizeof(*stream));
    *slot_of(peer, NULL) = stream;
    http2_open_stream(peer->session, stream, id, end);
    bool at_once = fields->path.len % 2 == 1;
    http2_fields_unref(fields);
    if (at_once) {
        answer(peer, stream);
    }
    return id != 99;
}

static bool on_data(void *data, struct http2_stream *stream, struct slice bytes, bool end)
{
    struct peer *peer = data;
    http2_consume(peer->session, stream, bytes.len);
    if (end) {
        answer(peer, stream);
    } else if (bytes.len == 13) {
        http2_reset(peer->session, stream, HTTP2_CANCEL);
        struct http2_stream **slot = slot_of(peer, stream);
        free(*slot);
        *slot = NULL;
    }
    return true;
}

static void on_window(void *data, struct http2_stream *stream)
{
    const struct peer *peer = data;
    if (stream != NULL) {
        (void)http2_data_room(peer->session, stream);
    }
}

static bool on_reset(void *data, struct http2_stream *stream)
{
    struct http2_stream **slot = slot_of(data, stream);
    free(*slot);
    *slot = NULL;
    return true;
}

static bool pays(void *data, enum http2_cost cost)
{
    struct peer *peer = data;
    (void)cost;
    return peer->costs++ < COSTS;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct http2_events events = {on_write,  on_request, on_data,
                                               on_window, on_reset,   pays};
    struct peer peer = {0};
    peer.session = http2_session_new(&events, &peer, STREAMS);
    size_t first = size / 3;
    http2_receive(peer.session, slice_text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
    http2_receive(peer.session, slice_of("\0\0\0\4\0\0\0\0\0", 9));
    http2_receive(peer.session, slice_of(data, first));
    if (size % 5 == 0) {
        http2_go_away(peer.session);
    }
    http2_receive(peer.session, slice_of(data + first, size - first));
    (void)http2_is_over(peer.session);
    http2_session_free(peer.session);
    for (size_t i = 0; i < STREAMS; i++) {
        free(peer.streams[i]);
    }
    return 0;
}
