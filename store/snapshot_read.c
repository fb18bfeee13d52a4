#include "store/snapshot.h"

#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/base/digest.h"
#include "lib/base/id_map.h"
#include "store/limits.h"
#include "store/plant.h"
#include "store/snapshot_format.h"
#include "store/status.h"
#include <stdlib.h>

struct state_reader {
    struct store_state state;
    struct buffer in; /* Bytes of a record not complete yet. */
    uint64_t checksum;
    struct record_head head;
    struct session *session; /* The last one read. */
    enum reader_stage { READ_MAGIC, READ_HEAD, READ_BODY, READ_ENDED, READ_FAILED } stage;
};

struct state_reader *state_reader_new(void)
{
    struct state_reader *reader = alloc_zeroed(sizeof(*reader));
    store_state_init(&reader->state);
    buffer_init(&reader->in, SIZE_MAX);
    return reader;
}

void state_reader_free(struct state_reader *reader)
{
    if (reader != NULL) {
        store_state_release(&reader->state);
        buffer_release(&reader->in);
        free(reader);
    }
}

static int read_version(struct state_reader *reader, struct slice body)
{
    struct record_version fixed;
    if (body.len < sizeof(fixed)) {
        return STORE_MALFORMED;
    }
    memcpy(&fixed, body.data, sizeof(fixed));
    size_t rest = body.len - sizeof(fixed);
    if (fixed.key_len == 0 || fixed.key_len > rest || fixed.version < 0) {
        return STORE_MALFORMED;
    }
    struct slice key = slice_of(body.data + sizeof(fixed), fixed.key_len);
    struct slice value = slice_of(key.data + key.len, rest - key.len);
    struct store_kv *kv = mvcc_kv_new(key, value);
    kv->create_revision = fixed.create_revision;
    kv->mod_revision = fixed.mod_revision;
    kv->version = fixed.version;
    kv->lease = fixed.lease;
    return mvcc_load(reader->state.mvcc, kv, fixed.sub);
}

static int read_url(struct state_reader *reader, struct slice body)
{
    struct store_member_url url;
    if (body.len != sizeof(url)) {
        return STORE_MALFORMED;
    }
    memcpy(&url, body.data, sizeof(url));
    if (url.id == 0 || memchr(url.url, '\0', sizeof(url.url)) == NULL) {
        return STORE_MALFORMED;
    }
    for (size_t i = 0; i < STORE_MEMBERS_MAX; i++) {
        if (reader->state.urls[i].id == 0) {
            reader->state.urls[i] = url;
            return 0;
        }
    }
    return STORE_MALFORMED;
}

/* Rows come in their order: least recently used first. */
static int read_session(struct state_reader *reader, struct slice body)
{
    struct record_session record;
    struct session *rows = reader->state.sessions.rows;
    struct session *row = reader->session == NULL ? rows : reader->session + 1;
    if (body.len != sizeof(record) || row == rows + STORE_SESSIONS_MAX) {
        return STORE_MALFORMED;
    }
    memcpy(&record, body.data, sizeof(record));
    if (record.member == 0) {
        return STORE_MALFORMED;
    }
    *row = (struct session){.member = record.member,
                            .incarnation = record.incarnation,
                            .floor = record.floor,
                            .applied = id_map_new()};
    reader->session = row;
    return 0;
}

static int read_applied(struct state_reader *reader, struct slice body)
{
    uint64_t sequence;
    if (reader->session == NULL || body.len != sizeof(sequence)) {
        return STORE_MALFORMED;
    }
    memcpy(&sequence, body.data, sizeof(sequence));
    session_add(reader->session, sequence);
    return 0;
}

static int read_member_version(struct state_reader *reader, struct slice body)
{
    struct record_member_version record;
    if (body.len != sizeof(record)) {
        return STORE_MALFORMED;
    }
    memcpy(&record, body.data, sizeof(record));
    if (record.version < STORE_VERSION_FIRST || record.version > UINT8_MAX) {
        return STORE_MALFORMED;
    }
    if (record.member == 0) {
        versions_raise(&reader->state.versions, (uint32_t)record.version);
    } else {
        versions_note(&reader->state.versions, record.member, (uint32_t)record.version);
    }
    return 0;
}

uint32_t state_reader_version(const struct state_reader *reader)
{
    return versions_in_use(&reader->state.versions);
}

static int read_alarm(struct state_reader *reader, struct slice body)
{
    struct record_alarm record;
    if (body.len != sizeof(record)) {
        return STORE_MALFORMED;
    }
    memcpy(&record, body.data, sizeof(record));
    const struct store_alarm alarm = {.member = record.member,
                                      .kind = (enum store_alarm_kind)record.kind,
                                      .by_itself = record.by_itself != 0};
    if (record.kind == STORE_ALARM_NONE || record.kind > STORE_ALARM_CORRUPT) {
        return STORE_MALFORMED;
    }
    return alarm_table_raise(&reader->state.alarms, &alarm) == 0 ? 0 : STORE_MALFORMED;
}

static int read_auth_change(struct state_reader *reader, struct slice body)
{
    struct store_command command;
    arena_reset(reader->state.arena);
    int status = store_command_decode(body, reader->state.arena, &command);
    if (status != 0 || command.kind != STORE_COMMAND_AUTH) {
        return STORE_MALFORMED;
    }
    return auth_load(reader->state.auth, &command.auth.change, command.auth.credential);
}

static int read_auth_head(struct state_reader *reader, struct slice body)
{
    struct auth_head head;
    if (body.len != sizeof(head)) {
        return STORE_MALFORMED;
    }
    memcpy(&head, body.data, sizeof(head));
    return auth_load_end(reader->state.auth, &head);
}

static int read_record(struct state_reader *reader, uint32_t kind, struct slice body)
{
    if (reader->stage == READ_HEAD) {
        if (kind != RECORD_HEAD || body.len != sizeof(reader->head)) {
            return STORE_MALFORMED;
        }
        memcpy(&reader->head, body.data, sizeof(reader->head));
        reader->stage = READ_BODY;
        return 0;
    }
    struct record_lease lease;
    switch (kind) {
    case RECORD_URL:
        return read_url(reader, body);
    case RECORD_SESSION:
        return read_session(reader, body);
    case RECORD_APPLIED:
        return read_applied(reader, body);
    case RECORD_ALARM:
        return read_alarm(reader, body);
    case RECORD_MEMBER_VERSION:
        return read_member_version(reader, body);
    case RECORD_AUTH_CHANGE:
        return read_auth_change(reader, body);
    case RECORD_AUTH_HEAD:
        return read_auth_head(reader, body);
    case RECORD_LEASE:
        if (body.len != sizeof(lease)) {
            return STORE_MALFORMED;
        }
        memcpy(&lease, body.data, sizeof(lease));
        if (lease.id == 0 || lease.ttl_s < 1 || lease.ttl_s > STORE_LEASE_TTL_MAX_S) {
            return STORE_MALFORMED;
        }
        return lease_table_grant(reader->state.leases, lease.id, lease.ttl_s) == 0
                   ? 0
                   : STORE_MALFORMED;
    case RECORD_VERSION:
        return read_version(reader, body);
    case RECORD_END:
        reader->stage = READ_ENDED;
        return body.len == 0 ? 0 : STORE_MALFORMED;
    default:
        return STORE_MALFORMED;
    }
}

/* Reads one record from the front of `bytes`: its size, 0 when more bytes are needed, or
 * STORE_MALFORMED. */
static int64_t read_one(struct state_reader *reader, struct slice bytes)
{
    struct record_frame frame;
    if (reader->stage == READ_MAGIC) {
        if (bytes.len < SNAPSHOT_MAGIC_LEN) {
            return 0;
        }
        if (memcmp(bytes.data, SNAPSHOT_MAGIC, SNAPSHOT_MAGIC_LEN) != 0) {
            return STORE_MALFORMED;
        }
        reader->stage = READ_HEAD;
        return SNAPSHOT_MAGIC_LEN;
    }
    if (bytes.len < sizeof(frame)) {
        return 0;
    }
    memcpy(&frame, bytes.data, sizeof(frame));
    if (frame.len > STORE_SNAPSHOT_RECORD_MAX) {
        return STORE_MALFORMED;
    }
    if (bytes.len - sizeof(frame) < frame.len) {
        return 0;
    }
    struct slice body = slice_of(bytes.data + sizeof(frame), frame.len);
    uint64_t sum = digest64(reader->checksum ^ frame.kind, body);
    if (sum != frame.checksum) {
        return STORE_MALFORMED;
    }
    reader->checksum = sum;
    int status = read_record(reader, frame.kind, body);
    return status != 0 ? status : (int64_t)(sizeof(frame) + frame.len);
}

/* How many bytes more the record needs whose beginning is in reader->in. */
static size_t lacking(const struct state_reader *reader)
{
    struct record_frame frame;
    size_t have = reader->in.len;
    if (reader->stage == READ_MAGIC) {
        return SNAPSHOT_MAGIC_LEN - have;
    }
    if (have < sizeof(frame)) {
        return sizeof(frame) - have;
    }
    memcpy(&frame, reader->in.data, sizeof(frame));
    return sizeof(frame) + frame.len - have;
}

/* Completes the record in reader->in, as far as `bytes` goes; then it is empty. */
static int64_t read_split(struct state_reader *reader, struct slice bytes)
{
    size_t lacks = lacking(reader);
    size_t part = lacks < bytes.len ? lacks : bytes.len;
    buffer_append(&reader->in, bytes.data, part);
    int64_t used = read_one(reader, buffer_slice(&reader->in));
    if (used > 0) {
        buffer_clear(&reader->in);
    }
    return used < 0 ? used : (int64_t)part;
}

int state_reader_feed(struct state_reader *reader, struct slice chunk)
{
    struct slice left = chunk;
    while (left.len > 0 && reader->stage != READ_FAILED) {
        bool split = reader->in.len > 0;
        int64_t used = reader->stage == READ_ENDED ? STORE_MALFORMED
                       : split                     ? read_split(reader, left)
                                                   : read_one(reader, left);
        if (used == 0) { /* The rest of the record comes with the next chunk. */
            buffer_append_slice(&reader->in, left);
            used = (int64_t)left.len;
        }
        if (used < 0) {
            reader->stage = READ_FAILED;
            break;
        }
        left = slice_of(left.data + used, left.len - (size_t)used);
    }
    return reader->stage == READ_FAILED ? STORE_MALFORMED : 0;
}

static bool attach_lease(void *data, const struct store_kv *kv)
{
    struct store_state *state = data;
    if (kv->lease != 0 && PLANTED != PLANT_LEASE_KEYS_LOST) {
        lease_table_attach(state->leases, kv->lease, kv->key);
    }
    return true;
}

int state_reader_end(struct state_reader *reader, struct store_state *ret_state)
{
    static const uint8_t zero = 0;
    if (reader->stage != READ_ENDED) {
        return STORE_MALFORMED;
    }
    int status = mvcc_load_end(reader->state.mvcc, reader->head.revision,
                               reader->head.compact_revision, reader->head.hash);
    if (status != 0) {
        return status;
    }
    if (lease_table_count(reader->state.leases) > 0) {
        mvcc_each(reader->state.mvcc, slice_of(NULL, 0), slice_of(&zero, 1), attach_lease,
                  &reader->state);
    }
    reader->state.lease_hash = reader->head.lease_hash;
    *ret_state = reader->state;
    reader->state = (struct store_state){0};
    reader->stage = READ_FAILED;
    return 0;
}
