#include "store/sessions.h"

/* Sequences below the floor are swept out once in a while; when, depends on nothing but how many
 * there are, so that it is the same on all members. */
enum { SWEEP_ABOVE = 4096, SWEEP_EVERY = 1024 };

static const char noted;

static void session_clear(struct session *session)
{
    hash_map_free(session->applied);
    *session = (struct session){0};
}

void sessions_release(struct sessions *sessions)
{
    for (size_t i = 0; i < STORE_MEMBERS_MAX; i++) {
        session_clear(&sessions->rows[i]);
    }
}

static struct session *session_of(struct sessions *sessions, uint64_t member)
{
    struct session *empty = NULL;
    for (size_t i = STORE_MEMBERS_MAX; i-- > 0;) {
        if (sessions->rows[i].member == member) {
            return &sessions->rows[i];
        }
        empty = sessions->rows[i].member == 0 ? &sessions->rows[i] : empty;
    }
    if (empty == NULL) {
        empty = &sessions->rows[sessions->next];
        sessions->next = (sessions->next + 1) % STORE_MEMBERS_MAX;
        session_clear(empty);
    }
    empty->member = member;
    return empty;
}

static void sweep(struct session *session)
{
    struct slice key;
    for (size_t at = 0; hash_map_next(session->applied, &at, &key, NULL);) {
        uint64_t sequence;
        memcpy(&sequence, key.data, sizeof(sequence));
        if (sequence < session->floor) {
            (void)hash_map_remove(session->applied, key);
        }
    }
}

bool sessions_note(struct sessions *sessions, uint64_t member, uint64_t incarnation,
                   uint64_t sequence, uint64_t floor)
{
    struct session *session = session_of(sessions, member);
    if (session->incarnation != incarnation || session->applied == NULL) {
        session_clear(session);
        session->member = member;
        session->incarnation = incarnation;
        session->applied = hash_map_new(/* seed= */ 0x73657373);
    }
    if (sequence < session->floor ||
        hash_map_get(session->applied, hash_map_key_u64(&sequence)) != NULL) {
        return false;
    }
    session->floor = floor > session->floor ? floor : session->floor;
    (void)hash_map_set(session->applied, hash_map_key_u64(&sequence), (void *)(uintptr_t)&noted);
    size_t count = hash_map_count(session->applied);
    if (count > SWEEP_ABOVE && count % SWEEP_EVERY == 0) {
        sweep(session);
    }
    return true;
}
