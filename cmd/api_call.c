#include "cmd/api_call.h"

#include "lib/net/http_client.h"
#include "lib/net/loop.h"
#include "lib/net/tls.h"

#include "apiserver/pki.h"
#include "lib/base/alloc.h"
#include <errno.h>
#include <stdlib.h>

enum { TIMEOUT_MS_DEFAULT = 5000 };

struct pending_call {
    unsigned status;
    struct buffer *answer;
    bool ended;
    int result;
    char *message; /* Why it failed. */
};

static void on_response(void *data, unsigned status, const struct http_header *headers,
                        size_t header_count)
{
    (void)headers;
    (void)header_count;
    struct pending_call *call = data;
    call->status = status;
}

static void on_body(void *data, struct slice bytes)
{
    struct pending_call *call = data;
    buffer_append_slice(call->answer, bytes);
}

static void on_end(void *data, int status, const char *message)
{
    struct pending_call *call = data;
    call->ended = true;
    call->result = status;
    if (status < 0) {
        call->message = alloc_text(message);
    }
}

static int call_server(struct loop *loop, struct http_client *client, struct tls_config *tls,
                       const char *server, const struct api_target *target,
                       const struct api_request *request, struct pending_call *call)
{
    char *url = alloc_printf("%s%s", server, request->path);
    struct http_header header = http_header("content-type", request->content_type);
    struct http_call_options options = {
        .method = request->method,
        .url = url,
        .tls = tls,
        .headers = &header,
        .header_count = request->content_type == NULL ? 0 : 1,
        .body = request->body,
        .timeout_ms = target->timeout_ms == 0 ? TIMEOUT_MS_DEFAULT : target->timeout_ms,
    };
    static const struct http_call_events events = {
        .on_response = on_response,
        .on_body = on_body,
        .on_end = on_end,
    };
    (void)http_client_request(client, &options, &events, call);
    while (!call->ended) {
        loop_turn(loop, /* wait= */ true);
    }
    free(url);
    return call->result;
}

static int call_servers(struct tls_config *tls, const struct api_target *target,
                        const struct api_request *request, unsigned *ret_status,
                        struct buffer *answer, struct error *reterr)
{
    struct loop *loop;
    int result = loop_new("call", &loop);
    if (result < 0) {
        return error_set(reterr, result, "cannot make an event loop");
    }
    struct http_client *client = http_client_new(loop);
    for (size_t i = 0; i < target->server_count; i++) {
        struct pending_call call = {.answer = answer};
        size_t before = answer->len;
        result = call_server(loop, client, tls, target->servers[i], target, request, &call);
        if (result == 0) {
            *ret_status = call.status;
            break;
        }
        answer->len = before; /* What a broken answer left. */
        (void)error_set(reterr, result, "no answer from %s: %s", target->servers[i], call.message);
        free(call.message);
    }
    http_client_close(client);
    loop_turn(loop, /* wait= */ false); /* What is closed is freed on the next turn. */
    loop_free(loop);
    if (result == 0 && buffer_error(answer) < 0) {
        return error_set(reterr, -EFBIG, "the answer is larger than %zu bytes", answer->max);
    }
    return result;
}

int api_call(const struct api_target *target, const struct api_request *request,
             unsigned *ret_status, struct buffer *answer, struct error *reterr)
{
    struct tls_config *tls;
    int result = pki_admin_client(target->data_dir, TLS_ALPN_HTTP1, &tls, reterr);
    if (result < 0) {
        return result;
    }
    result = call_servers(tls, target, request, ret_status, answer, reterr);
    tls_config_unref(tls);
    return result;
}
