/* A member whose state is wrong gets the leader's, piece by piece, through forwarded requests. Its
 * log is right and stays as it is, so Raft takes no notice: entries committed meanwhile wait, and
 * are applied to the new state, which is as of some index of the leader's. A leader that is wrong
 * itself hands leadership over first. */
#include "store/store_private.h"

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include <assert.h>
#include <stdlib.h>

struct waiting_entry {
    struct list node;
    uint64_t index, term;
    size_t len;
    uint8_t command[];
};

struct state_request { /* After the byte FORWARD_STATE. */
    uint64_t member;
    uint64_t session; /* Chosen by who asks; a new one: a state as of now. */
    uint64_t offset;
};

struct state_reply { /* Followed by the piece; an empty one is the end. */
    uint64_t session, index, offset;
};

static void ask_later(struct store *store, uint64_t delay_ms);

/* --- Giving. */

static void donor_release(struct store_donor *donor)
{
    state_writer_free(donor->writer);
    free(donor->chunk);
    *donor = (struct store_donor){0};
}

/* One at a time; the same member may begin anew. */
static int donor_open(struct store *store, const struct state_request *request)
{
    struct store_donor *donor = &store->donor;
    if (request->offset != 0) {
        return -ESTALE;
    }
    if (donor->writer != NULL && donor->member != request->member) {
        return -EAGAIN;
    }
    if (store->applying != 0) {
        return -EAGAIN; /* There is no whole state now. */
    }
    donor_release(donor);
    donor->writer = state_writer_new(&store->state);
    donor->member = request->member;
    donor->session = request->session;
    donor->index = store->state.applied_index;
    donor->chunk = alloc_bytes(STORE_REBUILD_CHUNK);
    donor->chunk_len = state_writer_read(donor->writer, donor->chunk, STORE_REBUILD_CHUNK);
    return 0;
}

/* Makes the piece at that offset the donor's chunk. -ESTALE when it cannot be had any more: the
 * member must begin anew. */
static int donor_seek(struct store *store, const struct state_request *request)
{
    struct store_donor *donor = &store->donor;
    donor->used_ns = env_now_ns(store->env);
    if (request->session != donor->session) {
        return donor_open(store, request);
    }
    if (request->offset == donor->offset) {
        return 0; /* Once more: the reply was lost. */
    }
    if (request->offset != donor->offset + donor->chunk_len) {
        return -ESTALE;
    }
    donor->offset += donor->chunk_len;
    donor->chunk_len = donor->writer == NULL
                           ? 0
                           : state_writer_read(donor->writer, donor->chunk, STORE_REBUILD_CHUNK);
    if (donor->chunk_len == 0) { /* All given; the session is kept for an end asked for twice. */
        store_writer_end(store, TAKE(donor->writer));
    }
    return 0;
}

void store_rebuild_tick(struct store *store)
{
    struct store_donor *donor = &store->donor;
    if (donor->session != 0 &&
        env_now_ns(store->env) - donor->used_ns > STORE_REBUILD_DONOR_MS * NS_PER_MS) {
        donor_release(donor);
    }
}

void store_rebuild_forwarded(struct store *store, uint64_t forward, struct slice body)
{
    struct state_request request;
    int status = body.len != sizeof(request)                ? STORE_MALFORMED
                 : !store->leading || store->rebuild.active ? -ENOTCONN
                                                            : 0;
    if (status == 0) {
        memcpy(&request, body.data, sizeof(request));
        status = donor_seek(store, &request);
    }
    CLEANUP(buffer_release) struct buffer reply;
    buffer_init(&reply, SIZE_MAX);
    if (status == 0) {
        const struct store_donor *donor = &store->donor;
        const struct state_reply head = {
            .session = donor->session, .index = donor->index, .offset = donor->offset};
        buffer_append(&reply, &head, sizeof(head));
        buffer_append(&reply, donor->chunk, donor->chunk_len);
    }
    raft_forward_reply(store->raft, forward, status, buffer_slice(&reply));
}

/* --- Getting. */

static void forget_entries(struct store_rebuild *rebuild)
{
    LIST_FOREACH(node, next, &rebuild->entries)
    {
        list_remove(node);
        free(LIST_ENTRY(node, struct waiting_entry, node));
    }
    rebuild->entry_bytes = 0;
}

static void begin_again(struct store *store)
{
    struct store_rebuild *rebuild = &store->rebuild;
    state_reader_free(rebuild->reader);
    rebuild->reader = NULL;
    rebuild->session = env_random(store->env) | 1;
    rebuild->offset = 0;
    ask_later(store, STORE_REBUILD_RETRY_MS);
}

static void finish(struct store *store, struct store_state *state)
{
    struct store_rebuild *rebuild = &store->rebuild;
    store_view_drop(store);
    store_state_release(&store->state);
    store->state = *state;
    store->state.applied_index = rebuild->index;
    store_auth_changed(store);
    rebuild->active = false;
    state_reader_free(rebuild->reader);
    rebuild->reader = NULL;
    if (store->leading) { /* Not while it was wrong; but who knows. */
        store_leases_role(store, /* leading= */ true);
    }
    /* What was delivered may have been wrong: everybody starts over. */
    watch_hub_restored(store->hub, store->state.mvcc);
    watch_hub_end_all(store->hub, STORE_CORRUPT);
    LIST_FOREACH(node, next, &rebuild->entries)
    {
        const struct waiting_entry *entry = LIST_ENTRY(node, struct waiting_entry, node);
        if (entry->index > store->state.applied_index) {
            (void)store_apply(store, entry->index, entry->term,
                              slice_of(entry->command, entry->len));
            store_apply_rest(store);
        }
    }
    forget_entries(rebuild);
    LOG_INFO("store", "state rebuilt from the leader's: serving again",
             KV_U64("index", rebuild->index), KV_U64("applied", store->state.applied_index));
    store_versions_changed(store);
    store_alarms_changed(store);
    store_pump_soon(store);
}

static int take_piece(struct store *store, struct slice reply)
{
    struct store_rebuild *rebuild = &store->rebuild;
    struct state_reply head;
    if (reply.len < sizeof(head)) {
        return STORE_MALFORMED;
    }
    memcpy(&head, reply.data, sizeof(head));
    if (rebuild->reader == NULL) {
        rebuild->index = head.index;
        rebuild->reader = state_reader_new();
    }
    if (head.session != rebuild->session || head.offset != rebuild->offset) {
        return -ESTALE;
    }
    /* What was committed between its state and our first waiting entry would be missing. */
    if (head.index + 1 < rebuild->entries_from) {
        return -EAGAIN;
    }
    struct slice piece = slice_of(reply.data + sizeof(head), reply.len - sizeof(head));
    rebuild->offset += piece.len;
    if (piece.len > 0) {
        return state_reader_feed(rebuild->reader, piece);
    }
    struct store_state state;
    int status = state_reader_end(rebuild->reader, &state);
    if (status == 0) {
        finish(store, &state);
    }
    return status;
}

static void answered(void *data, int status, struct slice reply)
{
    struct store *store = data;
    struct store_rebuild *rebuild = &store->rebuild;
    rebuild->asking = false;
    if (!rebuild->active) {
        return;
    }
    if (status == 0) {
        status = take_piece(store, reply);
    } else if (status == -ECANCELED || status == -ETIMEDOUT) {
        ask_later(store, STORE_REBUILD_RETRY_MS); /* The same piece again. */
        return;
    }
    if (status != 0) {
        begin_again(store);
    } else if (rebuild->active) {
        ask_later(store, 0);
    }
}

static void ask(void *data)
{
    struct store *store = data;
    struct store_rebuild *rebuild = &store->rebuild;
    if (!rebuild->active || rebuild->asking || store->raft == NULL) {
        return;
    }
    if (raft_is_leader(store->raft)) {
        (void)!raft_transfer_leadership(store->raft, /* target= */ 0); /* Tried until it is not. */
        ask_later(store, STORE_REBUILD_RETRY_MS);
        return;
    }
    const struct state_request request = {
        .member = store->config.member_id, .session = rebuild->session, .offset = rebuild->offset};
    uint8_t bytes[1 + sizeof(request)] = {FORWARD_STATE};
    memcpy(bytes + 1, &request, sizeof(request));
    int status = raft_forward(store->raft, slice_of(bytes, sizeof(bytes)), answered, store,
                              /* ret_id= */ NULL);
    rebuild->asking = status == 0;
    if (status != 0) {
        ask_later(store, STORE_REBUILD_RETRY_MS);
    }
}

static void ask_later(struct store *store, uint64_t delay_ms)
{
    store->rebuild.timer.fire = ask;
    store->rebuild.timer.data = store;
    env_timer_start(store->env, &store->rebuild.timer, delay_ms * NS_PER_MS);
}

void store_rebuild_start(struct store *store)
{
    struct store_rebuild *rebuild = &store->rebuild;
    assert(!rebuild->active);
    store_apply_rest(store);
    rebuild->active = true;
    rebuild->entries_from = store->state.applied_index + 1;
    rebuild->session = env_random(store->env) | 1;
    rebuild->offset = 0;
    list_init(&rebuild->entries);
    store_view_drop(store);
    store_calls_drop(store);
    store_corrupt_alarm(store);
    ask_later(store, 0);
    store_pump_soon(store);
}

void store_rebuild_stop(struct store *store)
{
    env_timer_stop(store->env, &store->rebuild.timer);
    if (store->rebuild.active) {
        forget_entries(&store->rebuild);
        store->rebuild.active = false;
    }
    state_reader_free(store->rebuild.reader);
    store->rebuild.reader = NULL;
    donor_release(&store->donor);
}

void store_rebuild_entry(struct store *store, uint64_t index, uint64_t term, struct slice command)
{
    struct store_rebuild *rebuild = &store->rebuild;
    if (rebuild->entry_bytes + command.len > STORE_REBUILD_QUEUE_BYTES) {
        forget_entries(rebuild); /* A later state will do without them. */
        rebuild->entries_from = index;
        begin_again(store);
    }
    struct waiting_entry *entry = alloc_bytes(sizeof(*entry) + command.len);
    *entry = (struct waiting_entry){.index = index, .term = term, .len = command.len};
    memcpy(entry->command, command.data, command.len);
    list_init(&entry->node);
    list_push_back(&rebuild->entries, &entry->node);
    rebuild->entry_bytes += sizeof(*entry) + command.len;
}
