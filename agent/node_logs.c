/* Container logs over HTTP: read in pieces, written no faster than the client reads. */
#include "agent/log_line.h"
#include "agent/node_server_internal.h"

#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/net/limits.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { READ_BYTES = 64 << 10, LINE_BYTES_MAX = 1 << 20, TAIL_BYTES_MAX = 12 << 20 };
#define FOLLOW_POLL_MS 100

struct log_stream {
    struct node_stream stream;
    struct node_server *server;
    struct http_exchange *exchange;
    struct node_request request; /* Texts are in the exchange's arena. */
    char *path;
    int file;
    ino_t inode;
    uint32_t attempt;
    bool follow;
    bool timestamps;
    bool continued; /* The line before was partial. */
    bool waiting;   /* For the client to read. */
    int64_t since_s;
    int32_t since_ns;
    uint64_t bytes_left;
    struct buffer pending; /* Bytes of a line that is not whole yet. */
    struct loop_timer timer;
};

static void stream_free(struct log_stream *log)
{
    loop_timer_stop(log->server->loop, &log->timer);
    list_remove(&log->stream.node);
    if (log->file >= 0) {
        (void)close(log->file);
    }
    http_on_drain(log->exchange, NULL, NULL);
    http_on_abort(log->exchange, NULL, NULL);
    http_exchange_unref(log->exchange);
    buffer_release(&log->pending);
    free(log->path);
    free(log);
}

static void finish(struct log_stream *log)
{
    http_finish(log->exchange);
    stream_free(log);
}

static void end_stream(struct node_stream *stream)
{
    finish(CONTAINER_OF(stream, struct log_stream, stream));
}

static void on_abort(void *data)
{
    stream_free(data);
}

/* Writes one line if the options want it. False: the byte limit is reached. */
static bool write_line(struct log_stream *log, struct slice line)
{
    struct log_line parsed;
    if (log_line_parse(line, &parsed) < 0) {
        return true; /* Torn by a crash: nothing that could be shown. */
    }
    bool early = parsed.time_s < log->since_s ||
                 (parsed.time_s == log->since_s && parsed.time_ns < log->since_ns);
    bool begins = !log->continued;
    log->continued = parsed.partial;
    if (early) {
        return true;
    }
    struct buffer out;
    buffer_init(&out, LINE_BYTES_MAX + 128);
    if (log->timestamps && begins) {
        buffer_append_slice(&out, parsed.time);
        buffer_append_byte(&out, ' ');
    }
    buffer_append_slice(&out, parsed.text);
    if (!parsed.partial) {
        buffer_append_byte(&out, '\n');
    }
    size_t len = out.len < log->bytes_left ? out.len : (size_t)log->bytes_left;
    size_t queued = http_write(log->exchange, slice_of(out.data, len));
    log->waiting |= queued >= NET_WRITE_HIGH_BYTES;
    log->bytes_left -= len;
    buffer_release(&out);
    return log->bytes_left > 0;
}

static bool write_lines(struct log_stream *log)
{
    size_t at = 0;
    for (;;) {
        const uint8_t *newline = at == log->pending.len
                                     ? NULL
                                     : memchr(log->pending.data + at, '\n', log->pending.len - at);
        if (newline == NULL) {
            break;
        }
        size_t end = (size_t)(newline - log->pending.data);
        if (!write_line(log, slice_of(log->pending.data + at, end - at))) {
            return false;
        }
        at = end + 1;
    }
    buffer_consume(&log->pending, at);
    return true;
}

/* True when the container still runs, so that more may come. */
static bool still_running(struct log_stream *log)
{
    struct container_view view;
    return pod_manager_container(log->server->pods, log->request.namespace_name, log->request.pod,
                                 log->request.uid, log->request.container, &view) == 0 &&
           view.running && view.attempt == log->attempt;
}

/* After a rotation the path names a new file: the old one has been read to its end by now. */
static bool reopen_rotated(struct log_stream *log)
{
    struct stat stat_of;
    if (stat(log->path, &stat_of) < 0 || stat_of.st_ino == log->inode) {
        return false;
    }
    int file = open(log->path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return false;
    }
    (void)close(log->file);
    log->file = file;
    log->inode = stat_of.st_ino;
    return true;
}

static void pump(void *data)
{
    struct log_stream *log = data;
    bool running = !log->follow || still_running(log);
    while (!log->waiting) {
        uint8_t *space = buffer_reserve(&log->pending, READ_BYTES);
        ssize_t n = space == NULL ? -1 : read(log->file, space, READ_BYTES);
        if (n > 0) {
            buffer_commit(&log->pending, (size_t)n);
            if (!write_lines(log)) {
                finish(log);
                return;
            }
            continue;
        }
        if (n == 0 && log->follow && reopen_rotated(log)) {
            continue;
        }
        if (n < 0 || !log->follow || !running) {
            finish(log);
            return;
        }
        loop_timer_start(log->server->loop, &log->timer, FOLLOW_POLL_MS);
        return;
    }
}

static void on_drain(void *data)
{
    struct log_stream *log = data;
    log->waiting = false;
    pump(log);
}

/* Moves to where the last lines begin. Only the end of the file is looked at. */
static void seek_tail(struct log_stream *log, uint64_t lines)
{
    off_t size = lseek(log->file, 0, SEEK_END);
    off_t from = size > TAIL_BYTES_MAX ? size - TAIL_BYTES_MAX : 0;
    size_t len = size < 0 ? 0 : (size_t)(size - from);
    CLEANUP(alloc_freep) uint8_t *bytes = alloc_bytes(len + 1);
    ssize_t n = len == 0 ? 0 : pread(log->file, bytes, len, from);
    size_t offset = n <= 0 ? 0 : log_tail_offset(slice_of(bytes, (size_t)n), lines);
    (void)lseek(log->file, from + (off_t)offset, SEEK_SET);
}

static int read_options(struct log_stream *log, const struct node_request *request)
{
    const char *since = node_request_query(request, "sinceSeconds");
    const char *time_text = node_request_query(request, "sinceTime");
    const char *limit = node_request_query(request, "limitBytes");
    log->follow = node_request_flag(request, "follow");
    log->timestamps = node_request_flag(request, "timestamps");
    log->bytes_left = limit == NULL ? UINT64_MAX : strtoull(limit, NULL, 10);
    if (since != NULL) {
        log->since_s = (int64_t)time(NULL) - strtoll(since, NULL, 10);
    }
    if (time_text != NULL &&
        api_time_parse(slice_text(time_text), &log->since_s, &log->since_ns) < 0) {
        return -EINVAL;
    }
    return log->bytes_left == 0 ? -EINVAL : 0;
}

/* Picks the file; answers the request itself when there is none. */
static bool choose_file(struct node_server *server, const struct node_request *request,
                        char **ret_path, uint32_t *ret_attempt)
{
    struct container_view view;
    struct arena *arena = http_arena(request->exchange);
    int r = pod_manager_container(server->pods, request->namespace_name, request->pod, request->uid,
                                  request->container, &view);
    if (r < 0) {
        node_respond_text(request->exchange, 404,
                          arena_printf(arena,
                                       r == -ENOENT ? "pod \"%s\" not found\n"
                                                    : "container in pod \"%s\" not found\n",
                                       request->pod));
        return false;
    }
    bool previous = node_request_flag(request, "previous");
    if (view.waiting || (previous && !view.has_previous)) {
        const char *text =
            previous ? arena_printf(arena,
                                    "previous terminated container \"%s\" in pod \"%s\" not found",
                                    request->container, request->pod)
                     : arena_printf(arena, "container \"%s\" in pod \"%s\" is waiting to start: %s",
                                    request->container, request->pod,
                                    view.waiting_reason == NULL ? "ContainerCreating"
                                                                : view.waiting_reason);
        node_respond_text(request->exchange, 400, text);
        return false;
    }
    *ret_attempt = previous ? view.previous_attempt : view.attempt;
    *ret_path = alloc_printf("%s/%u.log", view.log_dir, *ret_attempt);
    return true;
}

void node_logs(struct node_server *server, const struct node_request *request)
{
    char *path = NULL;
    uint32_t attempt = 0;
    if (!choose_file(server, request, &path, &attempt)) {
        return;
    }
    struct log_stream *log = alloc_zeroed(sizeof(*log));
    log->stream.end = end_stream;
    list_init(&log->stream.node);
    list_push_back(&server->streams, &log->stream.node);
    log->server = server;
    log->exchange = http_exchange_ref(request->exchange);
    log->request = *request;
    log->path = path;
    log->attempt = attempt;
    log->timer = (struct loop_timer){.fire = pump, .data = log};
    buffer_init(&log->pending, LINE_BYTES_MAX + READ_BYTES);
    log->file = open(path, O_RDONLY | O_CLOEXEC);
    struct stat stat_of;
    if (log->file < 0 || fstat(log->file, &stat_of) < 0 || read_options(log, request) < 0) {
        node_respond_text(request->exchange, log->file < 0 ? 500 : 400,
                          log->file < 0 ? "the log cannot be read" : "invalid log options");
        stream_free(log);
        return;
    }
    log->inode = stat_of.st_ino;
    const char *tail = node_request_query(request, "tailLines");
    if (tail != NULL) {
        seek_tail(log, strtoull(tail, NULL, 10));
    }
    struct http_header headers[] = {http_header("content-type", "text/plain")};
    http_respond_start(request->exchange, 200, headers, ARRAY_LEN(headers));
    http_on_drain(request->exchange, on_drain, log);
    http_on_abort(request->exchange, on_abort, log);
    pump(log);
}
