/* The records of a state written out, as snapshot_write.c writes and snapshot_read.c reads them;
 * see store/snapshot.h for their order. */
#ifndef STORE_SNAPSHOT_FORMAT_H
#define STORE_SNAPSHOT_FORMAT_H
#include <stdint.h>

enum record_kind {
    RECORD_HEAD = 1,
    RECORD_LEASE = 2,
    RECORD_VERSION = 3,
    RECORD_END = 4,
    RECORD_URL = 5,
    RECORD_SESSION = 6,
    RECORD_APPLIED = 7, /* Of the session before it. */
    RECORD_ALARM = 16,
    RECORD_MEMBER_VERSION = 17, /* Right after the head, so that who cannot read on knows why. */
    RECORD_AUTH_CHANGE = 20,    /* A command of users and roles, as in the log. */
    RECORD_AUTH_HEAD = 21,      /* After all of them. */
};

#define SNAPSHOT_MAGIC "CORSNAP1"

enum { SNAPSHOT_MAGIC_LEN = 8 };

/* Fixed layouts, little-endian as the machine is. */
struct record_head {
    int64_t revision, compact_revision;
    uint64_t hash, lease_hash;
};

struct record_lease {
    int64_t id, ttl_s;
};

struct record_alarm {
    uint64_t member;
    uint32_t kind;
    uint32_t by_itself;
};

struct record_member_version {
    uint64_t member; /* 0: in use. */
    uint64_t version;
};

struct record_session {
    uint64_t member, incarnation, floor;
};

struct record_version { /* Followed by key and value. */
    int64_t create_revision, mod_revision, version, lease;
    uint32_t sub;
    uint32_t key_len;
};

struct record_frame {
    uint64_t checksum;
    uint32_t len; /* Of kind and body. */
    uint32_t kind;
};
#endif
