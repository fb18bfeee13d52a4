/* Automatic compaction: every member notes which revision was current when; the leader proposes to
 * compact up to what is older than the configured age, but leaves the configured number of
 * revisions. */
#include "store/store_private.h"

#include "lib/base/alloc.h"
#include <stdlib.h>

static void compact_proposed(void *data, int status, uint64_t index)
{
    (void)data; /* Lost with a leader: the next one tries again. */
    (void)status;
    (void)index;
}

static void propose_compact(struct store *store, int64_t revision)
{
    struct store_command command = {.kind = STORE_COMMAND_COMPACT,
                                    .member = store->config.member_id,
                                    .compact_revision = revision};
    CLEANUP(buffer_release) struct buffer bytes;
    buffer_init(&bytes, STORE_REQUEST_BYTES_MAX);
    if (store_command_encode(&command, &bytes) == 0) {
        /* Not leading any more, or overloaded: the next tick tries again. */
        (void)!raft_propose(store->raft, buffer_slice(&bytes), /* tag= */ 0, compact_proposed,
                            NULL);
    }
}

/* The newest revision that was current before the age began; 0 if none is known. */
static int64_t revision_of_age(const struct store *store)
{
    uint64_t now = env_now_ns(store->env);
    uint64_t age = store->config.compact_age_ms * NS_PER_MS;
    int64_t revision = 0;
    for (size_t i = 0; i < store->sample_count; i++) {
        if (now - store->samples[i].time_ns >= age && store->samples[i].revision > revision) {
            revision = store->samples[i].revision;
        }
    }
    return revision;
}

static void tick(void *data)
{
    struct store *store = data;
    int64_t current = mvcc_revision(store->state.mvcc);
    store->samples[store->sample_next].time_ns = env_now_ns(store->env);
    store->samples[store->sample_next].revision = current;
    store->sample_next = (store->sample_next + 1) % ARRAY_LEN(store->samples);
    if (store->sample_count < ARRAY_LEN(store->samples)) {
        store->sample_count++;
    }
    int64_t revision = store->config.compact_age_ms > 0 ? revision_of_age(store) : current;
    if (revision > current - store->config.compact_revisions) {
        revision = current - store->config.compact_revisions;
    }
    if (store->leading && store->raft != NULL &&
        revision > mvcc_compact_revision(store->state.mvcc)) {
        propose_compact(store, revision);
    }
    store_auto_compact_start(store);
}

void store_auto_compact_start(struct store *store)
{
    if (store->config.compact_age_ms == 0 && store->config.compact_revisions == 0) {
        return;
    }
    /* Half the samples cover the age, so that one of them is just older than it. */
    uint64_t period_ms = store->config.compact_age_ms == 0
                             ? STORE_COMPACT_PERIOD_MS
                             : store->config.compact_age_ms / (ARRAY_LEN(store->samples) / 2);
    period_ms = period_ms == 0 ? 1 : period_ms;
    period_ms = period_ms > STORE_COMPACT_PERIOD_MS ? STORE_COMPACT_PERIOD_MS : period_ms;
    store->compact_timer.fire = tick;
    store->compact_timer.data = store;
    env_timer_start(store->env, &store->compact_timer, period_ms * NS_PER_MS);
}
