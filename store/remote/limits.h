/* Every limit of the remote store in one place. */
#ifndef STORE_REMOTE_LIMITS_H
#define STORE_REMOTE_LIMITS_H

enum {
    REMOTE_ENDPOINTS_MAX = 16,
    REMOTE_PREFIX_MAX = 256,
    REMOTE_KEY_MAX = 64 * 1024,
    REMOTE_KEYS_MAX = 16 * 1024 * 1024, /* In the mirror; etcd's own limit is reached before. */
    REMOTE_REVISION_EVENTS_MAX = 1000 * 1000, /* Changes of one revision. */
    REMOTE_SERVERS_MAX = 64,
    REMOTE_MESSAGE_MAX = 64 * 1024 * 1024, /* One answer: a page of a list, a part of a watch. */
    REMOTE_PAGE_KEYS = 2000,
    REMOTE_HISTORY_REVISIONS = 5000, /* A new mirror starts as far back, so that watches resume. */
    REMOTE_LEASES_IN_FLIGHT_MAX = 10000,

    REMOTE_REQUEST_MS = 5000, /* One request on the wire (etcd gives up at 7 s). */
    REMOTE_PROBE_MS = 2000,   /* A connection's first answer, and each health check. */
    REMOTE_HEALTH_MS = 1000,  /* A silent connection is asked. */
    REMOTE_PAGE_MS = 30000,
    REMOTE_BACKOFF_MIN_MS = 50,
    REMOTE_BACKOFF_MAX_MS = 2000,
    REMOTE_COMPLAIN_MS = 10000,  /* Between two log lines that say the same. */
    REMOTE_ADVANCE_GRACE_MS = 5, /* Events on their way are waited for before more is asked. */
    REMOTE_ADVANCE_AGAIN_MS = 100,
    REMOTE_COMPACT_MS = 5 * 60 * 1000, /* As kube-apiserver. */
    REMOTE_SESSION_TTL_S = 8,          /* Of this server's own lease, by which it leads. */
    REMOTE_SESSION_RENEW_MS = 2000,
    REMOTE_SESSION_MARGIN_MS = 2000, /* It stops leading so long before its lease can end. */
    REMOTE_CLOSE_MS = 500,
};
#endif
