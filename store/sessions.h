/* Which commands of each member have been applied, so that a member may send one again when it does
 * not know whether it arrived, and it still takes effect once (Ongaro 2014, section 6.3). Part of
 * the replicated state: the same on all members. Pure. */
#ifndef STORE_SESSIONS_H
#define STORE_SESSIONS_H
#include "lib/base/id_map.h"
#include "store/limits.h"

/* A member's process, from start to end: its sequence numbers ascend. Each process has a row of its
 * own: nothing tells which of two is the older one, and a command of the dead one that comes late
 * must not make the commands of the living one forgotten. */
struct session {
    uint64_t member; /* 0: an empty row. */
    uint64_t incarnation;
    uint64_t floor;         /* All below are settled: the process does not wait for them. */
    struct id_map *applied; /* Sequences at or above the floor that were applied, and maybe some
                             * below it; session_add() adds one. */
};

struct sessions {
    struct session rows[STORE_SESSIONS_MAX]; /* Least recently used first, empty ones last. */
};

void sessions_release(struct sessions *sessions);
void session_add(struct session *session, uint64_t sequence); /* As applied. */
/* Notes a command. False when it was noted before, or is below the floor: it must have no effect.
 * The process that has been silent for longest is forgotten when all rows are taken. */
bool sessions_note(struct sessions *sessions, uint64_t member, uint64_t incarnation,
                   uint64_t sequence, uint64_t floor);
#endif
