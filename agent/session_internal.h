/* What the files of the session share. Not for other modules. */
#ifndef AGENT_SESSION_INTERNAL_H
#define AGENT_SESSION_INTERNAL_H
#include "agent/session.h"
#include "lib/base/buffer.h"
#include "lib/base/hash_map.h"
#include "lib/base/list.h"
#include "lib/net/grpc.h"
#include "lib/net/loop.h"

enum { SESSION_SERVERS_MAX = 16, SESSION_RESOURCES_MAX = 8 };

enum agent_session_state {
    SESSION_WAITING, /* For the timer: then it connects or registers. */
    SESSION_REGISTERING,
    SESSION_OPENING, /* Hello is sent; Welcome has not come. */
    SESSION_UP,
};

/* A report that has to be acknowledged. */
struct report {
    struct list node;
    char *key;
    uint64_t sequence;
    uint64_t awaiting; /* Sequence of what was sent and not acknowledged; 0: nothing. */
    bool sent;         /* In this session. */
    uint64_t retry_ms;
    struct buffer message; /* An encoded AgentMessage; remade when the sequence changes. */
    bool is_status;
    char *namespace_name, *name, *uid;
    struct buffer bytes;
};

/* A question that waits for its Response. */
struct question {
    struct list node;
    uint64_t id;
    uint64_t deadline_ms;
    bool sent;
    struct buffer message;
    object_done done;
    void *data;
};

struct queued_note {
    struct list node;
    struct buffer message;
};

struct session {
    struct loop *loop;
    struct agent_session_hooks hooks;
    enum agent_session_state state;
    char *node_name, *token, *pki_dir, *ca_file;
    char *servers[SESSION_SERVERS_MAX];
    size_t server_count, server_at;
    char **addresses;
    size_t address_count;
    uint32_t heartbeat_ms, lease_seconds;
    struct buffer cert_pem, key_pem, ca_pem;
    bool told_identity;
    struct tls_config *tls;
    struct grpc_channel *channel;
    struct grpc_stream *stream;
    struct loop_timer timer;    /* Connects, or heartbeats. */
    struct loop_timer deferred; /* Drops a channel outside of its callbacks. */
    uint64_t backoff_ms;
    uint64_t heartbeat_sequence;
    uint32_t unanswered;
    uint64_t next_sequence;
    uint64_t next_id;
    struct hash_map *reports; /* By key. */
    struct list report_list;
    struct list questions;
    size_t question_count;
    struct list notes;
    size_t note_count;
    struct {
        char *resource;
        char *version;
    } resume[SESSION_RESOURCES_MAX];
    size_t resume_count;
    bool closing;
};

/* session_register.c */
MUST_USE int agent_session_load_identity(struct session *session, struct error *reterr);
bool agent_session_has_identity(struct session *session);
/* Asks one server for a certificate; goes on with agent_session_retry(). */
void agent_session_register(struct session *session);
void agent_session_forget_identity(struct session *session);
MUST_USE int agent_session_make_tls(struct session *session, bool with_certificate,
                                    struct tls_config **ret_config, struct error *reterr);

/* session.c */
/* Drops what there is of a connection and tries again: the next server, after a pause. */
void agent_session_retry(struct session *session, const char *why);
MUST_USE int agent_session_open_channel(struct session *session, bool with_certificate,
                                        struct error *reterr);
void agent_session_start_soon(struct session *session, uint64_t delay_ms);

/* session_queue.c */
void agent_session_send(struct session *session, const Session__V1__AgentMessage *message);
void agent_session_flush(struct session *session);       /* What waits is sent. */
void agent_session_mark_unsent(struct session *session); /* A new session: all again. */
void agent_session_take_ack(struct session *session, const Session__V1__Ack *ack);
void agent_session_take_response(struct session *session, const Session__V1__Response *response);
void agent_session_expire(struct session *session); /* Questions past their deadline. */
void agent_session_queue_release(struct session *session);
#endif
