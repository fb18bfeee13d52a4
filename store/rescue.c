#include "store/rescue.h"

#include "lib/base/alloc.h"
#include "lib/base/env_uv.h"
#include "lib/net/loop.h"
#include "store/bolt_import.h"
#include "store/snapshot.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* ---- writing ---- */

static size_t read_state(void *data, uint8_t *buffer, size_t len)
{
    return state_writer_read(data, buffer, len);
}

static int write_state(struct store_state *state, const struct store_start *start, uint64_t index,
                       uint64_t term, struct error *reterr)
{
    struct state_writer *writer = state_writer_new(state);
    const struct raft_data_dir config = {.dir = start->dir,
                                         .cluster_id = start->cluster_id,
                                         .id = start->id,
                                         .peers = start->peers,
                                         .peer_count = start->peer_count,
                                         .index = index,
                                         .term = term,
                                         .read = read_state,
                                         .data = writer};
    int result = raft_data_dir_create(&config, reterr);
    state_writer_free(writer);
    return result;
}

int store_restore(const struct bolt_file *file, const struct store_start *start,
                  struct error *reterr)
{
    struct store_state state;
    int result = bolt_import(file, &state, reterr);
    if (result < 0) {
        return result;
    }
    result = write_state(&state, start, /* index= */ 1, /* term= */ 1, reterr);
    store_state_release(&state);
    return result;
}

/* ---- what is left of a member ---- */

struct store_remains {
    struct store_state state;
    struct state_reader *reader;
    uint64_t snapshot_index;
    struct raft_status status;
    struct loop *loop;
    struct env_uv *env;
    struct raft_node *raft;
    bool opened, closed;
    bool too_old; /* This program is, for what is there. */
    struct error *reterr;
};

static bool on_apply(void *data, uint64_t index, uint64_t term, struct slice command, uint64_t tag)
{
    struct store_remains *remains = data;
    struct store_applied applied;
    (void)tag;
    if (remains->too_old) {
        return true;
    }
    store_state_apply(&remains->state, index, term, command, NULL, NULL, &applied);
    store_txn_result_unref(applied.result);
    remains->too_old = applied.status == STORE_TOO_OLD ||
                       versions_in_use(&remains->state.versions) > STORE_VERSION_NEWEST;
    return true;
}

static void *on_snapshot_take(void *data)
{
    struct store_remains *remains = data;
    return state_writer_new(&remains->state);
}

static int64_t on_snapshot_read(void *data, void *handle, uint64_t offset, uint8_t *buffer,
                                size_t len)
{
    (void)data;
    (void)offset;
    return (int64_t)state_writer_read(handle, buffer, len);
}

static void on_snapshot_release(void *data, void *handle)
{
    (void)data;
    state_writer_free(handle);
}

static int on_restore_begin(void *data, uint64_t index, uint64_t term)
{
    struct store_remains *remains = data;
    (void)term;
    state_reader_free(remains->reader);
    remains->reader = state_reader_new();
    remains->snapshot_index = index;
    return 0;
}

static int on_restore_chunk(void *data, struct slice chunk)
{
    struct store_remains *remains = data;
    int status = state_reader_feed(remains->reader, chunk);
    remains->too_old = state_reader_version(remains->reader) > STORE_VERSION_NEWEST;
    return remains->too_old ? STORE_TOO_OLD : status;
}

static int on_restore_end(void *data)
{
    struct store_remains *remains = data;
    struct store_state state;
    int status = state_reader_end(remains->reader, &state);
    if (status != 0) {
        return status;
    }
    store_state_release(&remains->state);
    remains->state = state;
    remains->state.applied_index = remains->snapshot_index;
    return 0;
}

/* Inside this call, before anything else happens on the loop. */
static void on_opened(void *data, const struct error *error)
{
    struct store_remains *remains = data;
    if (error != NULL) {
        (void)error_set(remains->reterr, error->code, "%s", error_message(error));
    } else {
        raft_apply_whole_log(remains->raft);
        raft_get_status(remains->raft, &remains->status);
        remains->status.applied_index = remains->status.last_index;
    }
    remains->opened = true;
}

static void on_closed(void *data)
{
    struct store_remains *remains = data;
    remains->closed = true;
}

static void turn_until(struct store_remains *remains, const bool *done)
{
    while (!*done) {
        loop_turn(remains->loop, /* wait= */ true);
    }
}

static int read_log(struct store_remains *remains, const char *dir,
                    const struct raft_identity *identity)
{
    const struct raft_fsm fsm = {.data = remains,
                                 .apply = on_apply,
                                 .snapshot_take = on_snapshot_take,
                                 .snapshot_read = on_snapshot_read,
                                 .snapshot_release = on_snapshot_release,
                                 .restore_begin = on_restore_begin,
                                 .restore_chunk = on_restore_chunk,
                                 .restore_end = on_restore_end};
    struct raft_peer peers[RAFT_MEMBERS_MAX];
    for (size_t i = 0; i < identity->member_count; i++) {
        const struct raft_member_status *member = &identity->members[i];
        peers[i] = (struct raft_peer){
            .id = member->id, .name = member->name, .url = member->url, .learner = member->learner};
    }
    const struct raft_config config = {.env = env_uv_env(remains->env),
                                       .id = identity->id,
                                       .cluster_id = identity->cluster_id,
                                       .dir = dir,
                                       .peers = peers,
                                       .peer_count = identity->member_count,
                                       .fsm = &fsm};
    int result = raft_open(&config, on_opened, remains, &remains->raft, remains->reterr);
    if (result < 0) {
        return result;
    }
    turn_until(remains, &remains->opened);
    raft_close(TAKE(remains->raft), on_closed, remains);
    turn_until(remains, &remains->closed);
    if (remains->too_old) {
        error_release(remains->reterr);
        return error_set(remains->reterr, STORE_TOO_OLD,
                         "%s was written by a later version of this program: use that one", dir);
    }
    return remains->reterr->code;
}

static int read_remains(struct store_remains *remains, const char *dir)
{
    struct raft_identity identity;
    int result = raft_data_dir_identity(dir, &identity, remains->reterr);
    if (result < 0) {
        return result;
    }
    result = loop_new("rescue", &remains->loop);
    if (result == 0) {
        result = env_uv_new(loop_uv(remains->loop), &remains->env);
    }
    if (result < 0) {
        return error_set(remains->reterr, result, "cannot make an event loop");
    }
    result = read_log(remains, dir, &identity);
    remains->closed = false;
    env_uv_close(TAKE(remains->env), on_closed, remains);
    turn_until(remains, &remains->closed);
    return result;
}

int store_remains_read(const char *dir, struct store_remains **ret_remains, struct error *reterr)
{
    struct store_remains *remains = alloc_zeroed(sizeof(*remains));
    struct error error = {0};
    remains->reterr = &error;
    store_state_init(&remains->state);
    int result = read_remains(remains, dir);
    loop_free(TAKE(remains->loop));
    if (result < 0) {
        result = error_set(reterr, result, "%s", error_message(&error));
        store_remains_free(remains);
    } else {
        remains->reterr = NULL;
        *ret_remains = remains;
    }
    error_release(&error);
    return result;
}

void store_remains_free(struct store_remains *remains)
{
    if (remains != NULL) {
        state_reader_free(remains->reader);
        store_state_release(&remains->state);
        free(remains);
    }
}

const struct raft_status *store_remains_status(const struct store_remains *remains)
{
    return &remains->status;
}

const struct store_member_url *store_remains_urls(const struct store_remains *remains)
{
    return remains->state.urls;
}

int64_t store_remains_revision(const struct store_remains *remains)
{
    return mvcc_revision(remains->state.mvcc);
}

/* Sessions, addresses and alarms are those of members that the new cluster does not have. */
int store_remains_write(struct store_remains *remains, const struct store_start *start,
                        struct error *reterr)
{
    struct store_state *state = &remains->state;
    sessions_release(&state->sessions);
    state->sessions = (struct sessions){0};
    memset(state->urls, 0, sizeof(state->urls));
    state->alarms = (struct alarm_table){0};
    memset(state->versions.rows, 0, sizeof(state->versions.rows));
    return write_state(state, start, remains->status.last_index + 1, remains->status.term + 1,
                       reterr);
}
