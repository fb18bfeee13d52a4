#include "store/sessions.h"

#include "lib/base/alloc.h"
#include "store/plant.h"
#include <stdlib.h>

/* Sequences below the floor are swept out once in a while; when, depends on nothing but how many
 * there are, so that it is the same on all members. */
enum {
    SWEEP_ABOVE = 512,
    SWEEP_EVERY = 256,
    SHRINK_ABOVE = 4096, /* So many, of which few stay, leave a table too large for them. */
    SHRINK_BY = 4,
};

static const char noted;

void sessions_release(struct sessions *sessions)
{
    for (size_t i = 0; i < STORE_SESSIONS_MAX; i++) {
        id_map_free(sessions->rows[i].applied);
        sessions->rows[i] = (struct session){0};
    }
}

/* Its place in the rows, or where a new row goes: the first empty one, else the first of all. */
static size_t place_of(const struct sessions *sessions, uint64_t member, uint64_t incarnation)
{
    for (size_t i = 0; i < STORE_SESSIONS_MAX; i++) {
        const struct session *row = &sessions->rows[i];
        if (row->member == 0 || (row->member == member && row->incarnation == incarnation)) {
            return i;
        }
    }
    return 0;
}

/* Moves it behind all that are in use: their order is part of the state, snapshots keep it. */
static struct session *session_of(struct sessions *sessions, uint64_t member, uint64_t incarnation)
{
    size_t at = place_of(sessions, member, incarnation);
    struct session session = sessions->rows[at];
    if (PLANTED == PLANT_SESSION_RESET) { /* One row a member, as once it was. */
        for (size_t i = 0; i < STORE_SESSIONS_MAX; i++) {
            at = sessions->rows[i].member == member ? i : at;
        }
        session = sessions->rows[at];
    }
    if (session.member != member || session.incarnation != incarnation) {
        id_map_free(session.applied);
        session =
            (struct session){.member = member, .incarnation = incarnation, .applied = id_map_new()};
    }
    while (at + 1 < STORE_SESSIONS_MAX && sessions->rows[at + 1].member != 0) {
        sessions->rows[at] = sessions->rows[at + 1];
        at++;
    }
    sessions->rows[at] = session;
    return &sessions->rows[at];
}

void session_add(struct session *session, uint64_t sequence)
{
    (void)id_map_set(session->applied, sequence, (void *)(uintptr_t)&noted);
}

static void shrink(struct session *session)
{
    struct id_map *before = session->applied;
    uint64_t sequence;
    session->applied = id_map_new();
    for (size_t at = 0; id_map_next(before, &at, &sequence, NULL);) {
        session_add(session, sequence);
    }
    id_map_free(before);
}

static void sweep(struct session *session)
{
    size_t count = id_map_count(session->applied);
    size_t past_count = 0;
    uint64_t *past = alloc_array(count, sizeof(*past));
    uint64_t sequence;
    for (size_t at = 0; id_map_next(session->applied, &at, &sequence, NULL);) {
        if (sequence < session->floor) {
            past[past_count++] = sequence;
        }
    }
    for (size_t i = 0; i < past_count; i++) {
        (void)id_map_remove(session->applied, past[i]);
    }
    free(past);
    if (count > SHRINK_ABOVE && id_map_count(session->applied) < count / SHRINK_BY) {
        shrink(session);
    }
}

bool sessions_note(struct sessions *sessions, uint64_t member, uint64_t incarnation,
                   uint64_t sequence, uint64_t floor)
{
    struct session *session = session_of(sessions, member, incarnation);
    if (PLANTED == PLANT_NO_SESSIONS) {
        return true;
    }
    if (sequence < session->floor || id_map_get(session->applied, sequence) != NULL) {
        return false;
    }
    session->floor = floor > session->floor ? floor : session->floor;
    session_add(session, sequence);
    size_t count = id_map_count(session->applied);
    if (count > SWEEP_ABOVE && count % SWEEP_EVERY == 0) {
        sweep(session);
    }
    return true;
}
