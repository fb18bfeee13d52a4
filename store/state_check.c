/* Do all members hold the same? The leader begins a round with an entry; each member keeps the
 * state it has after that entry as an immutable view, hashes all of it in small steps while it goes
 * on, and says the result through the log. Who finds that a majority has something else does not
 * serve any more and gets the state of the others (store/rebuild.c). What is hashed is what is in
 * memory, not what was meant to be written: a flipped bit shows. */
#include "store/store_private.h"

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include <stdlib.h>

static void say(struct store *store, const struct store_check *check)
{
    struct store_command command = {.kind = STORE_COMMAND_CHECK, .check = *check};
    store_command_say(store, &command);
}

/* --- Judging. */

static size_t votes_for(const struct store_check_round *check, uint64_t hash)
{
    size_t count = 0;
    for (size_t i = 0; i < check->vote_count; i++) {
        count += check->votes[i].hash == hash;
    }
    return count;
}

static void judge(struct store *store)
{
    struct store_check_round *check = &store->check;
    if (!check->own_known || store->rebuild.active || store->raft == NULL) {
        return;
    }
    struct raft_status raft;
    raft_get_status(store->raft, &raft);
    for (size_t i = 0; i < check->vote_count; i++) {
        uint64_t hash = check->votes[i].hash;
        if (hash != check->own_hash && votes_for(check, hash) * 2 > raft.member_count) {
            check->differed++;
            LOG_ERROR("store",
                      "this member's state differs from that of the majority: it stops serving "
                      "and gets theirs",
                      KV_U64("index", check->index), KV_U64("own_hash", check->own_hash),
                      KV_U64("majority_hash", hash));
            store_rebuild_start(store);
            return;
        }
    }
    bool agreed = votes_for(check, check->own_hash) * 2 > raft.member_count;
    if (!agreed && check->vote_count >= raft.member_count && !check->told) {
        check->told = true;
        LOG_ERROR("store", "the members' states differ, and no majority can tell which is right",
                  KV_U64("index", check->index), KV_U64("own_hash", check->own_hash));
    }
}

static void vote(struct store *store, uint64_t member, const struct store_check *said)
{
    struct store_check_round *check = &store->check;
    if (said->index != check->index || check->vote_count == STORE_MEMBERS_MAX) {
        return;
    }
    for (size_t i = 0; i < check->vote_count; i++) {
        if (check->votes[i].member == member) {
            return;
        }
    }
    check->votes[check->vote_count].member = member;
    check->votes[check->vote_count].hash = said->hash;
    check->vote_count++;
    check->agreed += member == store->config.member_id;
    judge(store);
}

/* --- Hashing. */

static void step(void *data)
{
    struct store *store = data;
    struct store_check_round *check = &store->check;
    uint8_t *scratch = alloc_bytes(STORE_CHECK_STEP_BYTES);
    size_t len = state_writer_read(check->writer, scratch, STORE_CHECK_STEP_BYTES);
    free(scratch);
    if (len > 0) {
        env_timer_start(store->env, &check->step_timer, STORE_CHECK_STEP_MS * NS_PER_MS);
        return;
    }
    check->own_hash = state_writer_checksum(check->writer);
    check->own_known = true;
    store_writer_end(store, TAKE(check->writer));
    const struct store_check said = {
        .stage = STORE_CHECK_VOTE, .index = check->index, .hash = check->own_hash};
    say(store, &said);
    judge(store);
}

static void begin(struct store *store, uint64_t index)
{
    struct store_check_round *check = &store->check;
    if (check->writer != NULL) {
        store_writer_end(store,
                         check->writer); /* Too slow for the last round: it does without us. */
        env_timer_stop(store->env, &check->step_timer);
    }
    check->index = index;
    check->own_known = false;
    check->vote_count = 0;
    check->told = false;
    check->writer = state_writer_new(&store->state);
    check->step_timer.fire = step;
    check->step_timer.data = store;
    env_timer_start(store->env, &check->step_timer, STORE_CHECK_STEP_MS * NS_PER_MS);
}

void store_check_applied(struct store *store, uint64_t index, const struct store_applied *applied)
{
    if (applied->check.stage == STORE_CHECK_BEGIN) {
        begin(store, index);
    } else {
        vote(store, applied->member, &applied->check);
    }
}

/* --- Rounds. */

static void period(void *data)
{
    struct store *store = data;
    struct store_check_round *check = &store->check;
    uint64_t hash = store_state_hash(&store->state);
    store_rebuild_tick(store);
    if (store->leading && store->raft != NULL && check->writer == NULL) {
        check->idle_rounds = hash == check->last_hash ? check->idle_rounds + 1 : 0;
        if (check->idle_rounds % STORE_CHECK_IDLE_ROUNDS == 0) {
            const struct store_check said = {.stage = STORE_CHECK_BEGIN};
            check->last_hash = hash;
            say(store, &said);
        }
    }
    store_check_start(store);
}

/* A round costs as much as the state is large: so does the rest after it grow. */
static uint64_t rest_ns(const struct store *store)
{
    uint64_t parts = 1 + mvcc_bytes(store->state.mvcc) / STORE_CHECK_PERIOD_BYTES;
    return parts * store->config.check_period_ms * NS_PER_MS;
}

void store_check_start(struct store *store)
{
    if (store->config.check_period_ms > 0) {
        store->check.period_timer.fire = period;
        store->check.period_timer.data = store;
        env_timer_start(store->env, &store->check.period_timer, rest_ns(store));
    }
}

void store_check_stop(struct store *store)
{
    env_timer_stop(store->env, &store->check.period_timer);
    env_timer_stop(store->env, &store->check.step_timer);
    state_writer_free(store->check.writer);
    store->check.writer = NULL;
}
