/* Bugs planted on purpose, so that tests/sim/plants can show that the simulator finds each of them:
 * those of the store; raft/plant.h has the others. Without CORACLE_PLANTS the compiler removes
 * every branch. Numbers after the names are issues of etcd with the same kind of bug. */
#ifndef STORE_PLANT_H
#define STORE_PLANT_H

#ifndef PLANTED
#ifdef CORACLE_PLANTS
extern int coracle_plant; /* Set by a simulator's --plant. */
#define PLANTED coracle_plant
#else
#define PLANTED 0
#endif
#endif

enum store_plant {
    PLANT_PROGRESS_AHEAD = 51,    /* 51: a bookmark runs ahead of the events (15220). */
    PLANT_WATCH_BACK = 52,        /* 52: a watch goes back after a snapshot install (15271). */
    PLANT_EVENT_TWICE = 53,       /* 53: a reader that pauses gets an event again (17247). */
    PLANT_SLOW_READER_LOSES = 54, /* 54: events compacted away are skipped in silence (17529). */
    PLANT_REVISION_BACK =
        55,                 /* 55: a restart counts revisions by the keys that are left (17780). */
    PLANT_DELETE_LOST = 56, /* 56: a deletion at the compact revision is lost (18089). */
    PLANT_COMPACTED_READ = 57,   /* 57: reads of compacted revisions differ by member (18667). */
    PLANT_STALE_EXPIRY = 58,     /* 58: a leader of the past ends leases (15247). */
    PLANT_INDEX_AHEAD = 59,      /* 59: the index kept is not that of the data (13766). */
    PLANT_READ_UNCONFIRMED = 60, /* 60: who believes to lead answers reads at once (20418). */
    PLANT_KEEPALIVE_UNCONFIRMED = 61, /* 61: who believes to lead renews leases. */
    PLANT_NO_FULL_TTL = 62,           /* 62: a new leader gives leases half of their time. */
    PLANT_NO_SESSIONS = 63,           /* 63: a command sent again takes effect again. */
    PLANT_SESSIONS_NOT_KEPT = 64,     /* 64: snapshots do not know which commands took effect. */
    PLANT_LEASE_KEYS_LOST = 65,       /* 65: a restored lease does not know its keys. */
    PLANT_REVISION_SPLIT = 66,        /* 66: a watch gets the events of a revision one by one. */
    PLANT_CREATE_KEPT = 67,           /* 67: a key made anew keeps its old create revision. */
    PLANT_LOCAL_EXPIRY = 68,          /* 68: the leader ends a lease without an entry. */
    PLANT_PREV_KV = 69,               /* 69: the previous value is the one before that. */
    PLANT_FILTER_IGNORED = 70,        /* 70: deletions are sent to who wants none. */
    PLANT_NOTHING_DONE = 71,          /* 71: "no leader" is said of what may have been done. */
    PLANT_FUTURE_WATCH = 72,   /* 72: a watch from a future revision gets earlier ones (20221). */
    PLANT_RENEW_EXPIRING = 73, /* 73: a lease is renewed while it is expiring. */
    PLANT_SESSION_RESET = 74,  /* 74: a command of a dead process makes others forgotten. */
    PLANT_COMPACT_LATE = 75,   /* 75: compaction takes one live version too many. */
    PLANT_OLD_CALLER = 76,     /* 76: who was let in before permissions changed goes on as then. */
    PLANT_AUTH_CACHED = 77,    /* 77: what a user may touch is not looked up anew (14571). */
    PLANT_VERSION_OWN = 78,    /* 78: a leader raises the version to what it can itself. */
    PLANT_READ_FREE = 79,      /* 79: nobody asks on whose behalf a transaction reads. */
    PLANT_PART_SEEN = 80,      /* 80: watches get what a long write has done so far. */
};
#endif
