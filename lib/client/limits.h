/* Every limit of lib/client. */
#ifndef LIB_CLIENT_LIMITS_H
#define LIB_CLIENT_LIMITS_H
enum {
    CLIENT_ROUND_ARENA_MAX = 64 * 1024 * 1024, /* Bytes that one reconcile round may take. */
    CLIENT_ROUND_CALLS_MAX = 20000,            /* API calls of one round. */
    CLIENT_ROUNDS_AT_ONCE = 32,                /* Rounds that begin in one turn of the loop. */
    CLIENT_LIST_AT_ONCE = 250,                 /* Objects of a list that one turn tells of, */
    CLIENT_LIST_BYTES_AT_ONCE = 1 << 20,       /* or as many bytes of them, as stored. */
    CLIENT_QUEUE_MAX = 1000000,                /* Keys in one work queue. */
    CLIENT_BACKOFF_MIN_MS = 5,                 /* First retry of a failed key. */
    CLIENT_BACKOFF_MAX_MS = 1000 * 1000,       /* Doubling stops here. */
    CLIENT_EXPECTATIONS_TTL_S = 300,           /* Then they count as fulfilled. */
    CLIENT_RELIST_DELAY_MS = 100,              /* Pause before a failed list is tried again. */
    CLIENT_EVENT_CACHE_MAX = 4096,             /* Remembered events, and objects, for merging. */
    CLIENT_EVENT_SIMILAR_MAX = 10,             /* Events that differ by message before merging. */
    CLIENT_EVENT_WINDOW_S = 600,               /* ... within this time. */
    CLIENT_EVENT_BURST = 25,                   /* Events per object before they are dropped, */
    CLIENT_EVENT_REFILL_S = 300,               /* and one more after each of these. */
    CLIENT_EVENT_PENDING_MAX = 1000,           /* Event writes under way; more are dropped. */
    CLIENT_EVENT_MESSAGE_MAX = 1024,           /* Bytes; the rest is cut off. */
    CLIENT_EVENT_RETRIES = 12,                 /* Tries of one event write, */
    CLIENT_EVENT_RETRY_S = 10,                 /* this far apart. */
};
#endif
