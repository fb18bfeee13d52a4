/* Commands as they stand in the Raft log: bytes in, struct out, and back. Bounded and versioned;
 * reads bytes of any origin safely. Pure.
 *
 * Each command begins with the version that a member needs to apply it: not the version of who
 * wrote it. A new kind, a new field, a value that was not allowed, or another meaning of what there
 * was: each takes a new version, and is proposed once all members have that (store/versions.h). */
#ifndef STORE_COMMAND_H
#define STORE_COMMAND_H
#include "lib/base/arena.h"
#include "lib/base/buffer.h"
#include "store/alarms.h"
#include "store/auth.h"
#include "store/txn.h"

enum store_command_kind {
    STORE_COMMAND_TXN = 1,
    STORE_COMMAND_COMPACT = 2,
    STORE_COMMAND_LEASE_GRANT = 3,
    STORE_COMMAND_LEASE_REVOKE = 4,
    STORE_COMMAND_MEMBER_URL = 5,
    STORE_COMMAND_AUTH = 6,
    STORE_COMMAND_ALARM = 16,
    STORE_COMMAND_CHECK = 17,
    STORE_COMMAND_VERSION = 18, /* Its form stays as it is: members of any version read it. */
};

enum { STORE_VERSION_FIRST = 1, STORE_VERSION_NEWEST = 1 };

enum store_check_stage {
    STORE_CHECK_BEGIN = 0, /* Members hash the state they have after this entry. */
    STORE_CHECK_VOTE = 1,  /* What `member` got after the entry `index`. */
};

struct store_check {
    enum store_check_stage stage;
    uint64_t index;
    uint64_t hash;
};

struct store_command {
    enum store_command_kind kind;
    uint64_t member;      /* Who waits for the result, ... */
    uint64_t sequence;    /* ... and under which number; 0: nobody does, and it is sent once. */
    uint64_t incarnation; /* Of the member's process, random. */
    uint64_t floor;       /* Its oldest sequence not settled yet. See store/sessions.h. */
    bool from_client;     /* Of the etcd API: done only if `caller` may (store/permit.h). */
    struct auth_caller caller;
    union {
        const struct store_txn *txn;
        int64_t compact_revision;
        struct {
            int64_t id;
            int64_t ttl_s;
        } grant;
        struct {
            int64_t id;
            uint64_t term; /* Not 0: an expiry; holds only in an entry of this very term. */
        } revoke;
        struct {
            uint64_t id;
            struct slice url;
        } member_url;
        struct {
            struct auth_change change;
            uint64_t credential; /* Of AUTH_USER_ADD in a snapshot. */
        } auth;
        struct {
            bool raised;
            struct store_alarm row;
        } alarm;
        struct store_check check;
        struct {
            uint64_t member;  /* Who says that it can apply all up to ... */
            uint32_t version; /* ... this; 0: all can, and this is in use from here on. */
        } version;
    };
};

/* That a member needs to apply it. */
uint32_t store_command_version(const struct store_command *command);
/* Of an encoded one, whatever follows; 0 when there is none. */
uint32_t store_command_peek_version(struct slice bytes);

/* Appends the encoding; the buffer's maximum (STORE_REQUEST_BYTES_MAX) is the limit:
 * 0 or STORE_REQUEST_TOO_LARGE. */
MUST_USE int store_command_encode(const struct store_command *command, struct buffer *out);
/* Slices in *ret_command point into `bytes`, arrays into the arena. 0; STORE_TOO_OLD when only a
 * later version knows what it is; or STORE_MALFORMED. The
 * transaction is shaped like one, but not checked (store_txn_check). */
MUST_USE int store_command_decode(struct slice bytes, struct arena *arena,
                                  struct store_command *ret_command);
#endif
