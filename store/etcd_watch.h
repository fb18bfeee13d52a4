/* What the two halves of the Watch service share: the store's half (store/etcd_watch.c) fills
 * answers, the connection's half (store/etcd_watch_stream.c) encodes and sends them. Nobody else
 * includes it. */
#ifndef STORE_ETCD_WATCH_H
#define STORE_ETCD_WATCH_H
#include "lib/base/hash_map.h"
#include "store/etcd_private.h"

enum {
    WATCH_STREAM_HIGH_BYTES = 1024 * 1024, /* Handed over and not yet taken by the client: pause. */
    WATCH_STREAM_LOW_BYTES = 256 * 1024,   /* Resume. */
    WATCH_ANSWER_BYTES = 256 * 1024,       /* Revisions are put into one answer up to this. */
    WATCH_FRAGMENT_BYTES = 2 * 1024 * 1024,
    WATCH_EVENT_OVERHEAD = 64,
    WATCH_PROGRESS_RETRY_MS = 100,
};

enum watch_answer_kind { WATCH_CREATED, WATCH_EVENTS, WATCH_CANCELED, WATCH_PROGRESS };

struct watch_answer {
    struct list node;
    enum watch_answer_kind kind;
    struct etcd_header header;
    int64_t watch_id;
    int64_t compact_revision;
    const char *reason; /* Static, or NULL. */
    bool canceled;      /* Of WATCH_CREATED: it failed. */
    bool fragment;
    struct store_event *events; /* Each kv holds a reference. */
    size_t event_count, event_capacity;
    size_t bytes; /* About what it takes to send. */
};

struct watch_stream {
    _Atomic uint32_t refs;
    struct etcd_service *service;
    struct grpc_call *call;
    _Atomic size_t outstanding; /* Bytes of answers made and not yet taken. */
    _Atomic bool paused;
    struct { /* Connection's loop. */
        bool closed;
        size_t owed; /* Bytes to take off `outstanding` when the connection's queue drains. */
    } io;
    struct {               /* Store loop. */
        struct list node;  /* In service->watch_streams. */
        struct list dirty; /* In service->dirty_streams while the outbox holds something. */
        struct list outbox;
        struct hash_map *watches; /* id -> struct etcd_watch */
        int64_t next_id;
        struct etcd_identity identity;
        bool progress_wanted;
        bool gone;
    } state;
};

struct watch_stream *watch_stream_ref(struct watch_stream *stream);
void watch_stream_unref(struct watch_stream *stream); /* Any thread. */

enum watch_command_kind {
    COMMAND_OPEN,
    COMMAND_CREATE,
    COMMAND_CANCEL,
    COMMAND_PROGRESS,
    COMMAND_GONE,
    COMMAND_RESUME
};

/* What the client asked for; made on the connection's loop, taken over by the store's. */
struct watch_command {
    struct watch_stream *stream; /* A reference. */
    enum watch_command_kind kind;
    bool caught_up;                      /* Done again after the member had caught up. */
    Etcdserverpb__WatchRequest *message; /* Owned; NULL but for the middle three. */
};

void watch_command_run(void *command_consume); /* Store loop. */

/* Answers on their way to the connection. */
struct watch_batch {
    struct watch_stream *stream; /* A reference. */
    struct list answers;
};

void watch_batch_send(void *batch_consume); /* Connection's loop. */
void watch_answer_free(struct watch_answer *answer);
#endif
