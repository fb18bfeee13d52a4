#include "tests/unit/apiserver/hook_server.h"

#include "lib/base/alloc.h"
#include <stdio.h>
#include <stdlib.h>

enum { HOOK_BODY_MAX = 8 * 1024 * 1024 };

static void on_request(void *data, struct http_exchange *exchange)
{
    struct hook_server *hook = data;
    struct slice path = http_path(exchange);
    struct slice query = http_query(exchange);
    struct slice body = http_body(exchange);
    hook->asked++;
    (void)snprintf(hook->path, sizeof(hook->path), "%.*s", (int)path.len, (const char *)path.data);
    (void)snprintf(hook->query, sizeof(hook->query), "%.*s", (int)query.len,
                   (const char *)query.data);
    free(hook->body);
    hook->body = alloc_text_n((const char *)body.data, body.len);
    hook->answer(hook, exchange);
}

void hook_server_start(struct hook_server *hook, struct loop *loop, hook_answer *answer)
{
    *hook = (struct hook_server){.loop = loop, .answer = answer, .status = 200, .text = ""};
    pki_init(&hook->pki);
    struct tls_options tls = {.cert_pem = buffer_slice(&hook->pki.server_cert),
                              .key_pem = buffer_slice(&hook->pki.server_key),
                              .verify = TLS_VERIFY_NONE,
                              .alpn = TLS_ALPN_HTTP1};
    ck_assert_int_eq(tls_config_new_server(&tls, &hook->tls, NULL), 0);
    struct net_address address = {.host = "127.0.0.1"};
    struct http_handler handler = {.on_request = on_request, .data = hook};
    struct http_server_options options = {.loops = &hook->loop,
                                          .loop_count = 1,
                                          .address = &address,
                                          .tls = hook->tls,
                                          .handler = &handler,
                                          .body_bytes_max = HOOK_BODY_MAX,
                                          .streams_max = 100};
    ck_assert_int_eq(http_server_listen(&options, &hook->server, NULL), 0);
}

static void on_closed(void *data)
{
    struct hook_server *hook = data;
    hook->closed = true;
}

void hook_server_stop(struct hook_server *hook)
{
    if (hook->held != NULL) {
        http_exchange_unref(hook->held);
    }
    http_server_close(hook->server, /* grace_ms= */ 0, on_closed, hook);
    while (!hook->closed) {
        loop_turn(hook->loop, true);
    }
    tls_config_unref(hook->tls);
    pki_release(&hook->pki);
    free(hook->body);
}

uint16_t hook_port(const struct hook_server *hook)
{
    return http_server_port(hook->server);
}

const char *hook_url(const struct hook_server *hook, struct arena *arena, const char *path)
{
    return arena_printf(arena, "https://127.0.0.1:%u%s", hook_port(hook), path);
}

void hook_says(struct hook_server *hook, struct http_exchange *exchange)
{
    struct http_header type = http_header("content-type", "application/json");
    http_respond(exchange, hook->status, &type, 1, slice_text(hook->text));
}

void hook_holds(struct hook_server *hook, struct http_exchange *exchange)
{
    if (hook->held != NULL) {
        http_exchange_unref(hook->held);
    }
    hook->held = http_exchange_ref(exchange);
}

void hook_cuts(struct hook_server *hook, struct http_exchange *exchange)
{
    (void)hook;
    http_abort(exchange);
}
