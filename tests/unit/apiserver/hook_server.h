/* A webhook for tests: an HTTPS server on the test's own loop, with a certificate of a CA of its
 * own, that answers as it is told and remembers what it was asked. */
#ifndef TESTS_UNIT_APISERVER_HOOK_SERVER_H
#define TESTS_UNIT_APISERVER_HOOK_SERVER_H
#include "lib/net/http.h"
#include "lib/net/loop.h"
#include "tests/unit/net/pki.h"

struct hook_server;
typedef void hook_answer(struct hook_server *hook, struct http_exchange *exchange);

struct hook_server {
    struct loop *loop;
    struct pki pki;
    struct tls_config *tls;
    struct http_server *server;
    hook_answer *answer;
    size_t asked;               /* How often. */
    char path[256];             /* Of the last request. */
    char query[256];            /* ... */
    char *body;                 /* ..., NUL-terminated. */
    const char *text;           /* What hook_says() answers. */
    unsigned status;            /* With which status. */
    struct http_exchange *held; /* hook_holds(): the last exchange. */
    bool closed;
};

void hook_server_start(struct hook_server *hook, struct loop *loop, hook_answer *answer);
void hook_server_stop(struct hook_server *hook); /* Turns the loop. */
/* "https://127.0.0.1:PORT`path`", in the arena. */
const char *hook_url(const struct hook_server *hook, struct arena *arena, const char *path);
uint16_t hook_port(const struct hook_server *hook);
void hook_says(struct hook_server *hook, struct http_exchange *exchange);  /* status and text */
void hook_holds(struct hook_server *hook, struct http_exchange *exchange); /* Says nothing. */
void hook_cuts(struct hook_server *hook, struct http_exchange *exchange);  /* Breaks it off. */
#endif
