/* Inside of node sessions: the session, its watches, and its calls to the registry. */
#ifndef APISERVER_NODE_SESSION_INTERNAL_H
#define APISERVER_NODE_SESSION_INTERNAL_H
#include "apiserver/request.h"
#include "coracle/node/v1/session.pb-c.h"
#include <stdio.h>

enum { SESSION_RESOURCES = 5 };

struct session_watch {
    struct node_session *session;
    const char *resource;
    const struct api_kind *kind;
    struct registry_filter *filter;
    struct cache_watch *watch;
    bool synced;
};

struct node_session {
    atomic_size_t references; /* One of the stream, one per task or posted call. */
    struct apiserver *server;
    struct grpc_call *call;
    struct arena *arena;
    const struct user *user;
    char *node; /* NULL before Hello. */
    int64_t lease_s;
    struct watch_hub *hub;
    struct session_watch watches[SESSION_RESOURCES];
    bool over;
};

struct session_task {
    struct node_session *session;
    struct arena *arena;
    struct registry_call call;
    uint64_t sequence;
    uint64_t id;
    void *object; /* What is to be written. */
    unsigned step;
    bool again; /* `done` prepared another call. */
    void (*done)(struct session_task *task);
};

struct node_session *session_ref(struct node_session *session);
void session_unref(struct node_session *session);
void session_send(struct node_session *session, const Session__V1__ServerMessage *message);
void session_ack(struct node_session *session, uint64_t sequence, int code, const char *text);
void session_start_watches(struct node_session *session, const Session__V1__Hello *hello);
void session_resume_watches(void *data);
void session_end(struct node_session *session, enum grpc_code code, const char *message);
void node_sessions_forget(struct node_session *session); /* node_service.c */

struct session_task *session_task_new(struct node_session *session, uint64_t sequence);
void session_task_drop(struct session_task *task); /* Never started. */
void session_task_prepare(struct session_task *task, enum registry_verb verb,
                          const struct api_kind *kind, const char *namespace, const char *name);
void session_task_start(struct session_task *task, void (*done)(struct session_task *task));
void session_task_ack(struct session_task *task);

/* node_session_messages.c: one per message of the agent. */
void session_hello(struct node_session *session, const Session__V1__Hello *hello);
void session_heartbeat(struct node_session *session, const Session__V1__Heartbeat *heartbeat);
void session_pod_status(struct node_session *session, const Session__V1__PodStatus *status);
void session_node_status(struct node_session *session, const Session__V1__NodeStatus *status);
void session_event(struct node_session *session, const Session__V1__Event *event);
void session_get(struct node_session *session, const Session__V1__GetRequest *get);
void session_token(struct node_session *session, const Session__V1__TokenRequest *token);
void session_pod_deleted(struct node_session *session, const Session__V1__PodDeleted *deleted);
#endif
