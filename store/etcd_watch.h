/* What the two halves of the Watch service share: the store's half (store/etcd_watch.c, and how far
 * watches are in store/etcd_watch_progress.c) makes the answers of a turn as they go over the wire,
 * the connection's half (store/etcd_watch_stream.c) sends them. Nobody else includes it. */
#ifndef STORE_ETCD_WATCH_H
#define STORE_ETCD_WATCH_H
#include "lib/base/hash_map.h"
#include "store/etcd_private.h"
#include "store/etcd_watch_encode.h"

enum {
    WATCH_STREAM_HIGH_BYTES = 1024 * 1024, /* Handed over and not yet taken by the client: pause. */
    WATCH_STREAM_LOW_BYTES = 256 * 1024,   /* Resume. */
    WATCH_OUTBOX_BYTES_MAX = 512 * 1024 * 1024, /* Answers of one turn; the stream ends beyond. */
    WATCH_EXPECTED_MAX = 4096,                  /* Answers that a turn makes room for at once. */
    WATCH_FRAGMENT_BYTES = 2 * 1024 * 1024,
    WATCH_PROGRESS_RETRY_MS = 100,
};

struct watch_stream {
    _Atomic uint32_t refs;
    struct etcd_service *service;
    struct grpc_call *call;
    _Atomic size_t outstanding; /* Bytes of answers made and not yet taken. */
    _Atomic bool paused;
    struct { /* Connection's loop. */
        bool closed;
        bool asked;  /* For something that may come later. */
        size_t owed; /* Bytes to take off `outstanding` when the connection's queue drains. */
    } io;
    struct {               /* Store loop. */
        struct list node;  /* In service->watch_streams. */
        struct list dirty; /* In service->dirty_streams while the outbox holds something. */
        struct etcd_leader_want leader;
        struct watch_outbox outbox;
        size_t expected;          /* Answers in the outbox at the end of a turn before. */
        size_t charged;           /* Bytes of the outbox that are or will be in `outstanding`. */
        size_t counted;           /* Of them: those that are. */
        struct hash_map *watches; /* id -> struct etcd_watch */
        int64_t next_id;
        struct etcd_identity identity;
        bool progress_wanted;
        bool gone;
    } state;
};

/* Store loop. */
struct etcd_watch {
    struct watch_stream *stream;
    struct store_watch *watch;
    int64_t id;
    int64_t start_revision; /* As asked for. */
    bool prev_kv, progress, fragment;
    bool busy; /* Had events since the last progress tick. */
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
    int end_status;              /* Not 0: the stream ends with it. */
    struct watch_outbox outbox;
    size_t charged;
    struct watch_batch *next; /* For another stream of the same loop. */
};

/* With the header of now, after what has been made in this turn. Store loop. */
void watch_stream_answer(struct watch_stream *stream, int64_t watch_id,
                         Etcdserverpb__WatchResponse *response);
void watch_stream_end(struct watch_stream *stream, int status); /* Store loop. */
void watch_batches_send(void *first_consume);                   /* Connections' loop. */

/* --- store/etcd_watch_progress.c: store loop. */

void watch_progress_init(struct etcd_service *service); /* From now on by interval. */
void watch_progress_stop(struct etcd_service *service);
void watch_progress_ask(struct watch_stream *stream); /* The client did, for all its watches. */
#endif
