/* Every limit of the store in one place. The first group is etcd's, which clients rely on. */
#ifndef STORE_LIMITS_H
#define STORE_LIMITS_H
#include <stdint.h>

#define STORE_LEASE_TTL_MAX_S INT64_C(9000000000) /* etcd's; milliseconds of it fit. */

enum {
    STORE_REQUEST_BYTES_MAX = 1536 * 1024, /* One command in the log (etcd: max-request-bytes). */
    STORE_MESSAGE_BYTES_MAX = 2 * 1024 * 1024,          /* Of a client, as gRPC carries it. */
    STORE_GATEWAY_ANSWER_BYTES_MAX = 512 * 1024 * 1024, /* Of one answer as JSON. */
    STORE_TXN_OPS_MAX = 128, /* Compares, and operations of one branch. */
    STORE_TXN_DEPTH_MAX = 8, /* Transactions inside transactions. */

    STORE_PENDING_MAX = 5000,    /* Own commands waiting for their apply (etcd: apply gap). */
    STORE_SPARE_CALLS_MAX = 512, /* Memory of so many calls is kept for the next ones, ... */
    STORE_SMALL_REQUEST = 512,   /* ... and of their requests of up to so many bytes. */
    STORE_ENCODING_KEEP = 65536, /* What a larger request was encoded in is given back. */
    STORE_READS_WAITING_MAX = 100000,
    STORE_WATCHES_MAX = 1000000,
    STORE_LEASES_MAX = 1000000,
    STORE_WATCH_BATCH_REVISIONS = 256, /* Revisions one catching-up watch gets a turn. */
    STORE_SNAPSHOT_RECORD_MAX = 4 * 1024 * 1024,
    STORE_LEASE_EXPIRE_BATCH = 256,
    STORE_ANSWER_BYTES_MAX = INT32_MAX, /* Of one answer, as gRPC's in Go. */
    STORE_ANSWER_KEYS_MAX = 2000000,    /* Of one transaction: some 200 MB to be encoded. */
    STORE_KEYS_A_TURN = 4096,           /* Of one command: some milliseconds. */

    STORE_TXN_TIMEOUT_MS = 7000, /* etcd: 5 s + 2 election timeouts. */
    STORE_READ_TIMEOUT_MS = 7000,
    STORE_RETRY_MS = 20,
    STORE_NO_ROOM_MS = 1000, /* Commands are not sent to a leader that had no room so lately. */
    STORE_RESEND_MS = 1000,  /* To the leader, when it has not answered. */
    STORE_TIMEOUT_TICK_MS = 100,
    STORE_VERSION_RETRY_MS = 1000, /* Until what a member can apply is known to all. */
    STORE_LISTENERS_MAX = 8,
    STORE_MEMBERS_MAX = 15,
    STORE_SESSIONS_MAX = 32, /* Processes of members whose commands are told apart. */
    STORE_ALARMS_MAX = 2 * STORE_MEMBERS_MAX,
    STORE_URL_MAX = 320,         /* Bytes of a member's client URLs. */
    STORE_TRIM_BUDGET = 256,     /* Old versions given back at once: some 0.1 ms; then ... */
    STORE_REMAINS_BUDGET = 1024, /* Entries of old views given back at once: some 0.2 ms. */
    STORE_TRIM_PAUSE_MS = 1,     /* ... a pause. */
    STORE_ALARM_TICK_MS = 500,   /* An alarm of our own: is it over? */
    STORE_CHECK_STEP_MS = 10,    /* Between two pieces of state hashed, ... */
    STORE_CHECK_STEP_BYTES = 256 * 1024,         /* ... each this large. */
    STORE_CHECK_PERIOD_MS = 10 * 1000,           /* Rest after a round, while there are changes. */
    STORE_CHECK_PERIOD_BYTES = 32 * 1024 * 1024, /* One more such rest for each of these held. */
    STORE_CHECK_IDLE_ROUNDS = 6,                 /* So many rests when nothing has changed. */
    STORE_REBUILD_CHUNK = 1024 * 1024,
    STORE_REBUILD_RETRY_MS = 200,
    STORE_REBUILD_DONOR_MS = 30 * 1000,            /* A state lent and not asked for is given up. */
    STORE_REBUILD_QUEUE_BYTES = 256 * 1024 * 1024, /* Of entries that wait for the state. */
    STORE_COMPACT_PERIOD_MS = 60 * 1000,
    STORE_COMPACT_AGE_MS = 300 * 1000,

    STORE_AUTH_NAME_MAX = 1024, /* Of a user or role. */
    STORE_AUTH_HASH_MAX = 1024, /* As crypt(3) gives it, or a name. */
    STORE_AUTH_USERS_MAX = 100000,
    STORE_AUTH_ROLES_MAX = 100000,
    STORE_AUTH_PERMISSIONS_MAX = 10000, /* Of one role. */
};
#endif
