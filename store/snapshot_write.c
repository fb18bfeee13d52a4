#include "store/snapshot.h"

#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/base/digest.h"
#include "lib/base/id_map.h"
#include "store/limits.h"
#include "store/plant.h"
#include "store/snapshot_format.h"
#include "store/snapshot_view.h"
#include <assert.h>
#include <stdlib.h>

enum { WRITER_AHEAD = 32, PREFETCH_AHEAD = 4, CACHE_LINE = 64 };

struct state_writer {
    struct store_snapshot *view;
    struct cow_cursor cursor;
    bool at;         /* The cursor is at a key of which versions are to be looked up. */
    size_t key_left; /* So many, the oldest of them first; 0: not counted yet. */
    const struct mvcc_version *ahead[WRITER_AHEAD]; /* The next ones to be written. */
    size_t ahead_at, ahead_count;
    struct record_head head;
    struct record_lease *leases;
    size_t lease_count;
    struct buffer out; /* What did not fit into the reader's memory. */
    size_t out_at;     /* Given out up to here. */
    uint64_t checksum;
    bool ended;
};

static size_t framed_size(size_t body_len)
{
    return sizeof(struct record_frame) + body_len;
}

/* The frame of a body that is at `to`, behind the room for it. */
static void seal_record(struct state_writer *writer, enum record_kind kind, uint8_t *to, size_t len)
{
    struct record_frame frame = {.len = (uint32_t)len, .kind = kind};
    frame.checksum = digest64(writer->checksum ^ kind, slice_of(to + sizeof(frame), len));
    writer->checksum = frame.checksum;
    memcpy(to, &frame, sizeof(frame));
}

static void write_plain(struct state_writer *writer, enum record_kind kind, const void *body,
                        size_t len)
{
    uint8_t *to = buffer_reserve(&writer->out, framed_size(len));
    assert(to != NULL); /* The buffer has no maximum. */
    memcpy(to + sizeof(struct record_frame), body, len);
    seal_record(writer, kind, to, len);
    buffer_commit(&writer->out, framed_size(len));
}

static int by_number(const void *left, const void *right)
{
    uint64_t a, b;
    memcpy(&a, left, sizeof(a));
    memcpy(&b, right, sizeof(b));
    return a < b ? -1 : a > b;
}

static void write_session(struct state_writer *writer, const struct session *session)
{
    struct record_session body = {
        .member = session->member, .incarnation = session->incarnation, .floor = session->floor};
    if (session->member == 0 || session->applied == NULL || PLANTED == PLANT_SESSIONS_NOT_KEPT) {
        return;
    }
    write_plain(writer, RECORD_SESSION, &body, sizeof(body));
    /* Settled ones are left out, and the rest is sorted: what a member still has of the former, and
     * in which order, depends on when it was started. */
    uint64_t *sequences = alloc_array(id_map_count(session->applied) + 1, sizeof(*sequences));
    size_t count = 0;
    for (size_t at = 0; id_map_next(session->applied, &at, &sequences[count], NULL);) {
        count += sequences[count] >= session->floor;
    }
    qsort(sequences, count, sizeof(*sequences), by_number);
    for (size_t i = 0; i < count; i++) {
        write_plain(writer, RECORD_APPLIED, &sequences[i], sizeof(*sequences));
    }
    free(sequences);
}

/* Nothing at all while all is as in the first version. */
static void write_versions(struct state_writer *writer, const struct versions *versions)
{
    struct record_member_version body = {.version = versions->raised};
    if (versions->raised > STORE_VERSION_FIRST) {
        write_plain(writer, RECORD_MEMBER_VERSION, &body, sizeof(body));
    }
    for (size_t i = 0; i < STORE_MEMBERS_MAX; i++) {
        body.member = versions->rows[i].member;
        body.version = versions->rows[i].version;
        if (body.member != 0) {
            write_plain(writer, RECORD_MEMBER_VERSION, &body, sizeof(body));
        }
    }
}

static void write_alarms(struct state_writer *writer, const struct alarm_table *alarms)
{
    for (size_t i = 0; i < alarms->count; i++) {
        const struct record_alarm body = {.member = alarms->rows[i].member,
                                          .kind = alarms->rows[i].kind,
                                          .by_itself = alarms->rows[i].by_itself};
        write_plain(writer, RECORD_ALARM, &body, sizeof(body));
    }
}

static void write_auth_change(void *data, const struct auth_change *change, uint64_t credential)
{
    struct state_writer *writer = data;
    struct store_command command = {.kind = STORE_COMMAND_AUTH};
    CLEANUP(buffer_release) struct buffer body;
    buffer_init(&body, STORE_SNAPSHOT_RECORD_MAX);
    command.auth.change = *change;
    command.auth.credential = credential;
    int status = store_command_encode(&command, &body);
    assert(status == 0); /* It fitted into a command when it came. */
    (void)status;
    write_plain(writer, RECORD_AUTH_CHANGE, body.data, body.len);
}

/* Nothing at all while nobody has used it. */
static void write_auth(struct state_writer *writer, const struct auth *auth)
{
    struct auth_head head = auth_head(auth);
    if (head.revision > 1 || auth_user_count(auth) + auth_role_count(auth) > 0) {
        auth_each_change(auth, write_auth_change, writer);
        write_plain(writer, RECORD_AUTH_HEAD, &head, sizeof(head));
    }
}

static int by_id(const void *left, const void *right)
{
    int64_t a = ((const struct lease_grant *)left)->id;
    int64_t b = ((const struct lease_grant *)right)->id;
    return a < b ? -1 : a > b;
}

/* Members compare what they write: in order. */
static void take_leases(struct state_writer *writer, const struct lease_table *leases)
{
    size_t count = lease_table_count(leases);
    struct lease_grant *grants = alloc_array(count + 1, sizeof(*grants));
    (void)lease_table_grants(leases, grants, count);
    if (count > 1) {
        qsort(grants, count, sizeof(*grants), by_id);
    }
    writer->leases = alloc_array(count + 1, sizeof(*writer->leases));
    for (size_t i = 0; i < count; i++) {
        writer->leases[i] = (struct record_lease){.id = grants[i].id, .ttl_s = grants[i].ttl_s};
    }
    writer->lease_count = count;
    free(grants);
}

struct state_writer *state_writer_new(struct store_state *state)
{
    struct state_writer *writer = alloc_zeroed(sizeof(*writer));
    writer->view = mvcc_view(state->mvcc);
    cow_cursor_open(&writer->cursor, writer->view->keys);
    writer->at = cow_cursor_first(&writer->cursor);
    writer->head = (struct record_head){.revision = writer->view->revision,
                                        .compact_revision = writer->view->compact_revision,
                                        .hash = writer->view->hash,
                                        .lease_hash = state->lease_hash};
    take_leases(writer, state->leases);
    buffer_init(&writer->out, SIZE_MAX);
    buffer_append(&writer->out, SNAPSHOT_MAGIC, SNAPSHOT_MAGIC_LEN);
    write_plain(writer, RECORD_HEAD, &writer->head, sizeof(writer->head));
    write_versions(writer, &state->versions);
    for (size_t i = 0; i < STORE_SESSIONS_MAX; i++) {
        write_session(writer, &state->sessions.rows[i]);
    }
    for (size_t i = 0; i < STORE_MEMBERS_MAX; i++) {
        if (state->urls[i].id != 0) {
            write_plain(writer, RECORD_URL, &state->urls[i], sizeof(state->urls[i]));
        }
    }
    write_alarms(writer, &state->alarms);
    write_auth(writer, state->auth);
    for (size_t i = 0; i < writer->lease_count; i++) {
        write_plain(writer, RECORD_LEASE, &writer->leases[i], sizeof(writer->leases[i]));
    }
    return writer;
}

uint64_t state_writer_checksum(const struct state_writer *writer)
{
    assert(writer->ended);
    return writer->checksum;
}

void state_writer_leave(struct state_writer *writer, struct cow_remains *remains)
{
    if (writer != NULL) {
        store_snapshot_leave(TAKE(writer->view), remains);
        state_writer_free(writer);
    }
}

void state_writer_free(struct state_writer *writer)
{
    if (writer != NULL) {
        store_snapshot_unref(writer->view);
        free(writer->leases);
        buffer_release(&writer->out);
        free(writer);
    }
}

static size_t version_body_size(const struct mvcc_version *version)
{
    return sizeof(struct record_version) + version->kv->key.len + version->kv->value.len;
}

static void encode_version(struct state_writer *writer, const struct mvcc_version *version,
                           uint8_t *to)
{
    const struct store_kv *kv = version->kv;
    struct record_version body = {.create_revision = kv->create_revision,
                                  .mod_revision = kv->mod_revision,
                                  .version = kv->version,
                                  .lease = kv->lease,
                                  .sub = version->sub,
                                  .key_len = (uint32_t)kv->key.len};
    uint8_t *at = to + sizeof(struct record_frame);
    memcpy(at, &body, sizeof(body));
    at += sizeof(body);
    memcpy(at, kv->key.data, kv->key.len);
    at += kv->key.len;
    if (kv->value.len > 0) {
        memcpy(at, kv->value.data, kv->value.len);
    }
    seal_record(writer, RECORD_VERSION, to, version_body_size(version));
}

/* Looks up some versions of the key at the cursor, its oldest first. What compaction has logically
 * dropped is left out, trimmed or not, so that members with the same state write the same bytes. */
static void look_up_key(struct state_writer *writer)
{
    const struct mvcc_version *head = cow_cursor_value(&writer->cursor);
    if (writer->key_left == 0) {
        writer->key_left = mvcc_kept(head, writer->view->compact_revision);
    }
    size_t room = WRITER_AHEAD - writer->ahead_count;
    size_t count = writer->key_left < room ? writer->key_left : room;
    writer->key_left -= count;
    if (count > 0) {
        const struct mvcc_version *version =
            mvcc_version_of_depth(head, head->depth - (uint32_t)writer->key_left);
        for (size_t i = count; i-- > 0; version = version->older) {
            writer->ahead[writer->ahead_count + i] = version;
            PREFETCH(version->kv);
        }
    }
    writer->ahead_count += count;
    if (writer->key_left == 0) {
        writer->at = cow_cursor_next(&writer->cursor);
    }
}

/* NULL at the end. They lie all over memory, which is what writing them waits for. */
static const struct mvcc_version *next_version(struct state_writer *writer)
{
    if (writer->ahead_at == writer->ahead_count) {
        writer->ahead_at = 0;
        writer->ahead_count = 0;
        while (writer->at && writer->ahead_count < WRITER_AHEAD) {
            look_up_key(writer);
        }
    }
    if (writer->ahead_at == writer->ahead_count) {
        return NULL;
    }
    size_t soon = writer->ahead_at + PREFETCH_AHEAD;
    if (soon < writer->ahead_count) {
        const struct slice value = writer->ahead[soon]->kv->value;
        for (size_t at = 0; at < value.len && at < (size_t)4 * CACHE_LINE; at += CACHE_LINE) {
            PREFETCH(value.data + at);
        }
    }
    return writer->ahead[writer->ahead_at++];
}

/* The next record goes to `room` if it fits there, else to writer->out; returns its size there. */
static size_t write_next(struct state_writer *writer, uint8_t *room, size_t len)
{
    const struct mvcc_version *version = next_version(writer);
    if (version == NULL) {
        write_plain(writer, RECORD_END, "", 0);
        writer->ended = true;
        return 0;
    }
    size_t size = framed_size(version_body_size(version));
    if (size <= len) {
        encode_version(writer, version, room);
        return size;
    }
    uint8_t *to = buffer_reserve(&writer->out, size);
    assert(to != NULL);
    encode_version(writer, version, to);
    buffer_commit(&writer->out, size);
    return 0;
}

size_t state_writer_read(struct state_writer *writer, uint8_t *buffer, size_t len)
{
    size_t done = 0;
    while (done < len) {
        if (writer->out_at < writer->out.len) {
            size_t left = writer->out.len - writer->out_at;
            size_t part = left < len - done ? left : len - done;
            memcpy(buffer + done, writer->out.data + writer->out_at, part);
            writer->out_at += part;
            done += part;
        } else if (writer->ended) {
            break;
        } else {
            buffer_clear(&writer->out);
            writer->out_at = 0;
            done += write_next(writer, buffer + done, len - done);
        }
    }
    return done;
}
