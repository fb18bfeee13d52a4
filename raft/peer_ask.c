/* Asking a member who the members are, before being one. */
#include "lib/base/alloc.h"
#include "lib/net/loop.h"
#include "raft/limits.h"
#include "raft/peer_certificate.h"
#include "raft/peer_frame.h"
#include "raft/transport.h"
#include <errno.h>
#include <string.h>

enum { ASK_MS = 2000 };

struct asking {
    struct loop *loop;
    struct loop_timer timer;
    struct net_connect *connect; /* While dialling. */
    struct net_stream *stream;   /* While connected. */
    struct buffer input;
    struct raft_identity *identity;
    bool done;
    int result; /* Once done. */
    char *reason;
};

static void finish(struct asking *asking, int result, const char *reason)
{
    if (!asking->done) {
        asking->done = true;
        asking->result = result;
        asking->reason = alloc_text(reason);
    }
}

static void on_message(void *data, struct slice message)
{
    struct asking *asking = data;
    struct raft_members members;
    uint64_t cluster_id = 0;
    if (peer_members_read(message, &cluster_id, &members) < 0) {
        finish(asking, -EPROTO, "its answer cannot be read");
    } else if (!asking->done) {
        *asking->identity = (struct raft_identity){.cluster_id = cluster_id};
        raft_identity_fill(&members, asking->identity);
        finish(asking, 0, "");
    }
}

static void on_read(void *data, struct slice bytes)
{
    struct asking *asking = data;
    if (peer_frames_take(&asking->input, bytes, on_message, asking) < 0) {
        finish(asking, -EPROTO, "its answer cannot be read");
    }
}

static void on_end(void *data, int status)
{
    finish(data, -EHOSTUNREACH,
           status == 0 ? "it takes part in no cluster yet" : strerror(-status));
}

static void on_connected(void *data, int status, const char *message, struct net_stream *stream)
{
    static const struct net_stream_events events = {.on_read = on_read, .on_end = on_end};
    struct asking *asking = data;
    uint8_t greeting[PEER_GREETING_BYTES];
    asking->connect = NULL;
    if (status < 0) {
        finish(asking, -EHOSTUNREACH, message);
        return;
    }
    asking->stream = stream;
    if (!peer_is_member(stream)) {
        finish(asking, -EPROTO, "its certificate is not a member's");
        return;
    }
    net_stream_start(stream, &events, asking);
    peer_greeting_write(&(struct peer_greeting){.asks = true}, greeting);
    (void)net_stream_write(stream, slice_of(greeting, sizeof(greeting)));
}

static void on_timeout(void *data)
{
    finish(data, -EHOSTUNREACH, "it does not answer");
}

static void ask(struct asking *asking, const struct net_address *address, struct tls_config *tls)
{
    const struct net_connect_options options = {.address = address, .tls = tls};
    asking->timer = (struct loop_timer){.fire = on_timeout, .data = asking};
    loop_timer_start(asking->loop, &asking->timer, ASK_MS);
    asking->connect = net_stream_connect(asking->loop, &options, on_connected, asking);
    while (!asking->done) {
        loop_turn(asking->loop, /* wait= */ true);
    }
    loop_timer_stop(asking->loop, &asking->timer);
    if (asking->connect != NULL) {
        net_connect_cancel(TAKE(asking->connect));
    }
    if (asking->stream != NULL) {
        net_stream_close(TAKE(asking->stream), NULL, NULL);
    }
}

int raft_ask_members(const char *url, struct tls_config *client_tls,
                     struct raft_identity *ret_identity, struct error *reterr)
{
    struct net_address address;
    struct asking asking = {.identity = ret_identity};
    if (net_address_parse(url, &address) < 0) {
        return error_set(reterr, -EPROTO, "peer URL %s: must be https://HOST:PORT", url);
    }
    int result = loop_new("peer-ask", &asking.loop);
    if (result < 0) {
        return error_set(reterr, result, "cannot make an event loop");
    }
    buffer_init(&asking.input, 2 * (size_t)RAFT_MESSAGE_MAX);
    ask(&asking, &address, strncmp(url, "http://", 7) == 0 ? NULL : client_tls);
    result = asking.result < 0 ? error_set(reterr, asking.result, "asking the member at %s: %s",
                                           url, asking.reason)
                               : 0;
    loop_free(asking.loop);
    buffer_release(&asking.input);
    alloc_freep(&asking.reason);
    return result;
}
