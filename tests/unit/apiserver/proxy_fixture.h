/* A whole API server with a real listener that plays an agent, and a plain socket as the client.
 * Server and store run on the test's loop, the other two on threads with blocking sockets; all have
 * a time limit. */
#ifndef TESTS_UNIT_APISERVER_PROXY_FIXTURE_H
#define TESTS_UNIT_APISERVER_PROXY_FIXTURE_H
#include "apiserver/apiserver.h"
#include "tests/unit/apiserver/registry_fixture.h"
#include <pthread.h>
#include <semaphore.h>

enum { PATIENCE_S = 5, TEXT_MAX = 256 * 1024 };

/* What the agent does with a request. */
typedef void agent_act(int fd, const char *request);

struct agent {
    int listener;
    uint16_t port;
    agent_act *act;
    pthread_t thread;
    char request[8192];
    sem_t has_request; /* For a client that waits for it. */
    bool done;
};

struct client {
    uint16_t port;
    const char *request;
    const char *until; /* Once this was read, ... */
    const char *then;  /* ... this is sent, and the sending side closed. */
    bool leaves;       /* Goes without reading anything. */
    char *answer;      /* All that came until the end, NUL-terminated. */
    size_t len;
    struct loop *loop;
    bool done;
    pthread_t thread;
};

struct proxy_fixture {
    struct fixture base;
    struct apiserver *server;
    struct agent agent;      /* Of node "n1", which has the pod "ns/p". */
    sem_t client_has_answer; /* For an agent that waits for it. */
};
extern struct proxy_fixture proxied;

void proxy_setup(void);
void proxy_teardown(void);        /* Asserts that the server still answers. */
void proxy_teardown_closed(void); /* When it is closed already. */

void say(int fd, const char *text);
/* Until the end of the head, the other side's end, or the limit. */
void hear_head(int fd, char *text, size_t size);
bool sees_end(int fd); /* Whether the other side closes, rather than staying silent. */
/* One request while the agent acts; returns what the client read. The loop goes on until both have
 * ended. */
const char *talk(struct client *client, agent_act *act);
/* The same without anything that should reach the agent. */
const char *ask(const char *request);

#endif
