/* Commands of the log from any bytes: decoding is safe, encoding gives back what was decoded, and
 * applying leaves a state that holds together, which is the same when it is done by turns. */
#include "store/snapshot.h"
#include "store/state.h"

#include <assert.h>
#include <stdlib.h>

static bool wants(void *data, const struct store_command *command)
{
    (void)data;
    return (command->member + command->sequence) % 2 == 0;
}

static void check_round_trip(struct slice bytes)
{
    struct arena *arena = arena_new(SIZE_MAX);
    struct store_command command;
    struct store_command again;
    if (store_command_decode(bytes, arena, &command) == 0) {
        struct buffer first, second;
        buffer_init(&first, SIZE_MAX);
        buffer_init(&second, SIZE_MAX);
        int status = store_command_encode(&command, &first);
        assert(status == 0);
        status = store_command_decode(buffer_slice(&first), arena, &again);
        assert(status == 0);
        status = store_command_encode(&again, &second);
        assert(status == 0);
        assert(slice_equal(buffer_slice(&first), buffer_slice(&second)));
        buffer_release(&first);
        buffer_release(&second);
    }
    arena_free(arena);
}

static void check_turns(struct store_state *state, uint64_t index, struct slice command,
                        const struct store_applied *expected, uint64_t hash)
{
    struct store_applied applied;
    size_t keys = 1 + index % 3;
    int64_t revision = mvcc_revision(state->mvcc);
    bool whole = store_state_apply_some(state, index, 1, command, keys, wants, NULL, &applied);
    while (!whole) {
        assert(mvcc_revision(state->mvcc) == revision);
        whole = store_state_apply_more(state, keys, &applied);
    }
    assert(applied.status == expected->status && applied.revision == expected->revision);
    assert(applied.event_count == expected->event_count);
    assert((applied.result == NULL) == (expected->result == NULL));
    assert(store_state_hash(state) == hash);
    store_txn_result_unref(applied.result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input is a list of commands, each with two bytes of length before. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct store_state state, by_turns;
    uint64_t index = 0;
    store_state_init(&state);
    store_state_init(&by_turns);
    while (size >= 2) {
        size_t len = (size_t)data[0] | (size_t)data[1] << 8;
        data += 2;
        size -= 2;
        len = len < size ? len : size;
        struct store_applied applied;
        int64_t before = mvcc_revision(state.mvcc);
        check_round_trip(slice_of(data, len));
        store_state_apply(&state, ++index, 1, slice_of(data, len), wants, NULL, &applied);
        assert(applied.revision == before + (applied.event_count > 0));
        assert(applied.status == 0 || applied.event_count == 0);
        check_turns(&by_turns, index, slice_of(data, len), &applied, store_state_hash(&state));
        store_txn_result_unref(applied.result);
        (void)mvcc_trim(state.mvcc, index % 3);
        data += len;
        size -= len;
    }
    store_state_release(&state);
    store_state_release(&by_turns);
    return 0;
}
