#include "tests/fuzz/grpc_calls.h"

#include "lib/net/loop.h"
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { PATIENCE_MS = 20 };

struct one_call {
    bool over, late;
    enum grpc_code code;
};

void must(int status, const char *what)
{
    if (status != 0) {
        (void)fprintf(stderr, "%s: %d\n", what, status);
        abort();
    }
}

static char dir[64];

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info, (void)type, (void)where;
    return remove(path);
}

static void remove_dir(void)
{
    (void)nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS); /* The end of the process. */
}

const char *scratch_dir(void)
{
    (void)snprintf(dir, sizeof(dir), "%s/coracle-fuzz-XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    must(mkdtemp(dir) == NULL, "mkdtemp");
    must(atexit(remove_dir), "atexit");
    return dir;
}

static void on_end(void *data, const struct grpc_status *status)
{
    struct one_call *call = data;
    call->over = true;
    call->code = status->code;
}

static void on_done(void *data, const struct grpc_status *status, struct slice response)
{
    (void)response;
    on_end(data, status);
}

static void on_message(void *data, struct slice message)
{
    (void)data, (void)message;
}

static void on_late(void *data)
{
    struct one_call *call = data;
    call->late = true;
}

static enum grpc_code wait_for(struct loop *loop, struct one_call *call, struct grpc_stream *stream)
{
    struct loop_timer timer = {.fire = on_late, .data = call};
    loop_timer_start(loop, &timer, PATIENCE_MS);
    while (!call->over && !call->late) {
        loop_turn(loop, true);
    }
    loop_timer_stop(loop, &timer);
    if (!call->over) {
        grpc_stream_cancel(stream);
        call->code = GRPC_DEADLINE_EXCEEDED;
    }
    for (int i = 0; i < 4; i++) {
        loop_turn(loop, false); /* What the end of a call has left to do. */
    }
    return call->code;
}

enum grpc_code grpc_calls_unary(struct loop *loop, struct grpc_channel *channel, const char *path,
                                struct slice request)
{
    struct one_call call = {.over = false};
    const struct grpc_call_options options = {.path = path};
    return wait_for(loop, &call, grpc_unary(channel, &options, request, on_done, &call));
}

enum grpc_code grpc_calls_stream(struct loop *loop, struct grpc_channel *channel, const char *path,
                                 struct slice first, struct slice messages)
{
    static const struct grpc_stream_events events = {.on_message = on_message, .on_end = on_end};
    struct one_call call = {.over = false};
    const struct grpc_call_options options = {.path = path};
    struct grpc_stream *stream = grpc_stream_open(channel, &options, &events, &call);
    if (first.len > 0) {
        (void)grpc_stream_send(stream, first);
    }
    while (messages.len >= 2) {
        size_t len = (size_t)messages.data[0] | (size_t)messages.data[1] << 8;
        len = len < messages.len - 2 ? len : messages.len - 2;
        (void)grpc_stream_send(stream, slice_of(messages.data + 2, len));
        messages = slice_of(messages.data + 2 + len, messages.len - 2 - len);
    }
    grpc_stream_close_send(stream);
    return wait_for(loop, &call, stream);
}
