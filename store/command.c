/* Layout: one byte version needed, one byte kind, member, sequence,
 * incarnation and floor as 8 bytes each, who called if that is known, then the body.
 * The kind's upper two bits say that a client of the etcd API is behind it, and that it is known
 * who: without authentication a command is not longer for it.
 * Integers are varints (LEB128, zigzag when signed), byte strings have a varint length before. */
#include "store/command.h"

#include "store/limits.h"
#include "store/status.h"

enum kind_bits { KIND_MASK = 0x3f, KIND_FROM_CLIENT = 0x40, KIND_HAS_CALLER = 0x80 };

enum put_flags { PUT_PREV_KV = 1, PUT_IGNORE_VALUE = 2, PUT_IGNORE_LEASE = 4 };
enum range_flags { RANGE_KEYS_ONLY = 1, RANGE_COUNT_ONLY = 2, RANGE_SKIP_COUNT = 4 };

/* --- Writing. */

static void write_u64(struct buffer *out, uint64_t value)
{
    while (value >= 0x80) {
        buffer_append_byte(out, (uint8_t)(value | 0x80));
        value >>= 7;
    }
    buffer_append_byte(out, (uint8_t)value);
}

static void write_i64(struct buffer *out, int64_t value)
{
    write_u64(out, ((uint64_t)value << 1) ^ (value < 0 ? UINT64_MAX : 0));
}

static void write_bytes(struct buffer *out, struct slice bytes)
{
    write_u64(out, bytes.len);
    buffer_append_slice(out, bytes);
}

static void write_range(struct buffer *out, const struct store_range *range)
{
    write_bytes(out, range->key);
    write_bytes(out, range->end);
    write_i64(out, range->revision);
    write_i64(out, range->limit);
    buffer_append_byte(out, (uint8_t)range->sort_order);
    buffer_append_byte(out, (uint8_t)range->sort_target);
    buffer_append_byte(out, (uint8_t)((range->keys_only ? RANGE_KEYS_ONLY : 0) |
                                      (range->count_only ? RANGE_COUNT_ONLY : 0) |
                                      (range->skip_count ? RANGE_SKIP_COUNT : 0)));
    write_i64(out, range->min_mod_revision);
    write_i64(out, range->max_mod_revision);
    write_i64(out, range->min_create_revision);
    write_i64(out, range->max_create_revision);
}

static void write_put(struct buffer *out, const struct store_put *put)
{
    write_bytes(out, put->key);
    write_bytes(out, put->value);
    write_i64(out, put->lease);
    buffer_append_byte(out, (uint8_t)((put->prev_kv ? PUT_PREV_KV : 0) |
                                      (put->ignore_value ? PUT_IGNORE_VALUE : 0) |
                                      (put->ignore_lease ? PUT_IGNORE_LEASE : 0)));
}

static void write_txn(struct buffer *out, const struct store_txn *txn);

static void write_ops(struct buffer *out, const struct store_op *ops, size_t count)
{
    write_u64(out, count);
    for (size_t i = 0; i < count; i++) {
        buffer_append_byte(out, (uint8_t)ops[i].kind);
        switch (ops[i].kind) {
        case STORE_OP_RANGE:
            write_range(out, &ops[i].range);
            break;
        case STORE_OP_PUT:
            write_put(out, &ops[i].put);
            break;
        case STORE_OP_DELETE:
            write_bytes(out, ops[i].delete_range.key);
            write_bytes(out, ops[i].delete_range.end);
            buffer_append_byte(out, ops[i].delete_range.prev_kv);
            break;
        case STORE_OP_TXN:
            write_txn(out, ops[i].txn);
            break;
        }
    }
}

static void write_txn(struct buffer *out, const struct store_txn *txn)
{
    write_u64(out, txn->compare_count);
    for (size_t i = 0; i < txn->compare_count; i++) {
        const struct store_compare *compare = &txn->compares[i];
        buffer_append_byte(out, (uint8_t)compare->target);
        buffer_append_byte(out, (uint8_t)compare->op);
        write_bytes(out, compare->key);
        write_bytes(out, compare->end);
        write_i64(out, compare->number);
        write_bytes(out, compare->value);
    }
    write_ops(out, txn->success, txn->success_count);
    write_ops(out, txn->failure, txn->failure_count);
}

static void write_auth(struct buffer *out, const struct auth_change *change, uint64_t credential)
{
    buffer_append_byte(out, (uint8_t)change->kind);
    write_bytes(out, change->name);
    write_bytes(out, change->value);
    buffer_append_byte(out, change->no_password);
    buffer_append_byte(out, (uint8_t)change->permission.access);
    write_bytes(out, change->permission.key);
    write_bytes(out, change->permission.end);
    write_u64(out, credential);
}

static bool has_caller(const struct auth_caller *caller)
{
    return caller->user.len > 0 || caller->revision > 0 || caller->restricted;
}

static uint8_t kind_byte(const struct store_command *command)
{
    return (uint8_t)((unsigned)command->kind | (command->from_client ? KIND_FROM_CLIENT : 0) |
                     (has_caller(&command->caller) ? KIND_HAS_CALLER : 0));
}

static void write_caller(struct buffer *out, const struct auth_caller *caller)
{
    if (has_caller(caller)) {
        write_bytes(out, caller->user);
        write_u64(out, caller->revision);
        buffer_append_byte(out, caller->restricted);
    }
}

uint32_t store_command_version(const struct store_command *command)
{
    switch (command->kind) {
    case STORE_COMMAND_TXN:
    case STORE_COMMAND_COMPACT:
    case STORE_COMMAND_LEASE_GRANT:
    case STORE_COMMAND_LEASE_REVOKE:
    case STORE_COMMAND_MEMBER_URL:
    case STORE_COMMAND_AUTH:
    case STORE_COMMAND_ALARM:
    case STORE_COMMAND_CHECK:
    case STORE_COMMAND_VERSION:
        break;
    }
    return STORE_VERSION_FIRST;
}

uint32_t store_command_peek_version(struct slice bytes)
{
    return bytes.len == 0 ? 0 : bytes.data[0];
}

int store_command_encode(const struct store_command *command, struct buffer *out)
{
    buffer_append_byte(out, (uint8_t)store_command_version(command));
    buffer_append_byte(out, kind_byte(command));
    buffer_append(out, &command->member, sizeof(command->member));
    buffer_append(out, &command->sequence, sizeof(command->sequence));
    buffer_append(out, &command->incarnation, sizeof(command->incarnation));
    buffer_append(out, &command->floor, sizeof(command->floor));
    write_caller(out, &command->caller);
    switch (command->kind) {
    case STORE_COMMAND_TXN:
        write_txn(out, command->txn);
        break;
    case STORE_COMMAND_COMPACT:
        write_i64(out, command->compact_revision);
        break;
    case STORE_COMMAND_LEASE_GRANT:
        write_i64(out, command->grant.id);
        write_i64(out, command->grant.ttl_s);
        break;
    case STORE_COMMAND_LEASE_REVOKE:
        write_i64(out, command->revoke.id);
        write_u64(out, command->revoke.term);
        break;
    case STORE_COMMAND_MEMBER_URL:
        write_u64(out, command->member_url.id);
        write_bytes(out, command->member_url.url);
        break;
    case STORE_COMMAND_ALARM:
        buffer_append_byte(out, command->alarm.raised);
        write_u64(out, command->alarm.row.member);
        buffer_append_byte(out, (uint8_t)command->alarm.row.kind);
        buffer_append_byte(out, command->alarm.row.by_itself);
        break;
    case STORE_COMMAND_CHECK:
        buffer_append_byte(out, (uint8_t)command->check.stage);
        write_u64(out, command->check.index);
        write_u64(out, command->check.hash);
        break;
    case STORE_COMMAND_AUTH:
        write_auth(out, &command->auth.change, command->auth.credential);
        break;
    case STORE_COMMAND_VERSION:
        write_u64(out, command->version.member);
        write_u64(out, command->version.version);
        break;
    }
    return buffer_error(out) == 0 ? 0 : STORE_REQUEST_TOO_LARGE;
}

/* --- Reading. A failure is sticky: after it every read gives zero. */

struct reader {
    struct slice left;
    struct arena *arena;
    bool failed;
};

static uint8_t read_byte(struct reader *in)
{
    if (in->failed || in->left.len == 0) {
        in->failed = true;
        return 0;
    }
    uint8_t byte = in->left.data[0];
    in->left = slice_of(in->left.data + 1, in->left.len - 1);
    return byte;
}

static uint64_t read_u64(struct reader *in)
{
    if (!in->failed && in->left.len > 0 && in->left.data[0] < 0x80) { /* Most of them. */
        uint64_t small = in->left.data[0];
        in->left = slice_of(in->left.data + 1, in->left.len - 1);
        return small;
    }
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = read_byte(in);
        value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return value;
        }
    }
    in->failed = true;
    return 0;
}

static int64_t read_i64(struct reader *in)
{
    uint64_t value = read_u64(in);
    return (int64_t)((value >> 1) ^ (0 - (value & 1)));
}

static struct slice read_bytes(struct reader *in)
{
    uint64_t len = read_u64(in);
    if (in->failed || len > in->left.len) {
        in->failed = true;
        return slice_of(NULL, 0);
    }
    struct slice bytes = slice_of(in->left.data, (size_t)len);
    in->left = slice_of(in->left.data + len, in->left.len - (size_t)len);
    return bytes;
}

static uint8_t read_enum(struct reader *in, uint8_t max)
{
    uint8_t value = read_byte(in);
    if (value > max) {
        in->failed = true;
        return 0;
    }
    return value;
}

static size_t read_count(struct reader *in)
{
    uint64_t count = read_u64(in);
    if (count > STORE_TXN_OPS_MAX) {
        in->failed = true;
    }
    return in->failed ? 0 : (size_t)count;
}

static uint64_t read_fixed(struct reader *in)
{
    uint64_t value = 0;
    if (in->failed || in->left.len < sizeof(value)) {
        in->failed = true;
        return 0;
    }
    memcpy(&value, in->left.data, sizeof(value));
    in->left = slice_of(in->left.data + sizeof(value), in->left.len - sizeof(value));
    return value;
}

static struct store_range read_range(struct reader *in)
{
    struct store_range range = {0};
    range.key = read_bytes(in);
    range.end = read_bytes(in);
    range.revision = read_i64(in);
    range.limit = read_i64(in);
    range.sort_order = read_enum(in, STORE_SORT_DESCEND);
    range.sort_target = read_enum(in, STORE_SORT_VALUE);
    uint8_t flags = read_enum(in, RANGE_KEYS_ONLY | RANGE_COUNT_ONLY | RANGE_SKIP_COUNT);
    range.keys_only = (flags & RANGE_KEYS_ONLY) != 0;
    range.count_only = (flags & RANGE_COUNT_ONLY) != 0;
    range.skip_count = (flags & RANGE_SKIP_COUNT) != 0;
    range.min_mod_revision = read_i64(in);
    range.max_mod_revision = read_i64(in);
    range.min_create_revision = read_i64(in);
    range.max_create_revision = read_i64(in);
    return range;
}

static struct store_put read_put(struct reader *in)
{
    struct store_put put = {0};
    put.key = read_bytes(in);
    put.value = read_bytes(in);
    put.lease = read_i64(in);
    uint8_t flags = read_enum(in, PUT_PREV_KV | PUT_IGNORE_VALUE | PUT_IGNORE_LEASE);
    put.prev_kv = (flags & PUT_PREV_KV) != 0;
    put.ignore_value = (flags & PUT_IGNORE_VALUE) != 0;
    put.ignore_lease = (flags & PUT_IGNORE_LEASE) != 0;
    return put;
}

static const struct store_txn *read_txn(struct reader *in, unsigned depth);

static const struct store_op *read_ops(struct reader *in, unsigned depth, size_t *ret_count)
{
    size_t count = read_count(in);
    struct store_op *ops =
        count == 0 ? NULL : arena_array(in->arena, count, sizeof(struct store_op));
    for (size_t i = 0; i < count && !in->failed; i++) {
        ops[i].kind = read_enum(in, STORE_OP_TXN);
        switch (ops[i].kind) {
        case STORE_OP_RANGE:
            ops[i].range = read_range(in);
            break;
        case STORE_OP_PUT:
            ops[i].put = read_put(in);
            break;
        case STORE_OP_DELETE:
            ops[i].delete_range.key = read_bytes(in);
            ops[i].delete_range.end = read_bytes(in);
            ops[i].delete_range.prev_kv = read_enum(in, 1) != 0;
            break;
        case STORE_OP_TXN:
            ops[i].txn = read_txn(in, depth + 1);
            break;
        }
    }
    *ret_count = count;
    return ops;
}

static const struct store_txn *read_txn(struct reader *in, unsigned depth)
{
    struct store_txn *txn = arena_zeroed(in->arena, sizeof(*txn));
    if (depth > STORE_TXN_DEPTH_MAX) {
        in->failed = true;
        return txn;
    }
    size_t count = read_count(in);
    struct store_compare *compares =
        count == 0 ? NULL : arena_array(in->arena, count, sizeof(struct store_compare));
    for (size_t i = 0; i < count && !in->failed; i++) {
        compares[i].target = read_enum(in, STORE_COMPARE_LEASE);
        compares[i].op = read_enum(in, STORE_COMPARE_NOT_EQUAL);
        compares[i].key = read_bytes(in);
        compares[i].end = read_bytes(in);
        compares[i].number = read_i64(in);
        compares[i].value = read_bytes(in);
    }
    txn->compares = compares;
    txn->compare_count = count;
    txn->success = read_ops(in, depth, &txn->success_count);
    txn->failure = read_ops(in, depth, &txn->failure_count);
    return txn;
}

static void read_auth(struct reader *in, struct store_command *command)
{
    struct auth_change *change = &command->auth.change;
    change->kind = read_enum(in, AUTH_CHANGE_LAST);
    change->name = read_bytes(in);
    change->value = read_bytes(in);
    change->no_password = read_enum(in, 1) != 0;
    change->permission.access = read_enum(in, AUTH_READWRITE);
    change->permission.key = read_bytes(in);
    change->permission.end = read_bytes(in);
    command->auth.credential = read_u64(in);
}

static struct auth_caller read_caller(struct reader *in)
{
    struct auth_caller caller = {.user = read_bytes(in)};
    caller.revision = read_u64(in);
    caller.restricted = read_enum(in, 1) != 0;
    return caller;
}

static uint32_t read_version(struct reader *in)
{
    uint64_t version = read_u64(in);
    if (version < STORE_VERSION_FIRST || version > UINT8_MAX) {
        in->failed = true;
        return 0;
    }
    return (uint32_t)version;
}

/* What the command says besides who gave it; false for a kind that is not known here. */
static bool read_body(struct reader *in, struct store_command *command)
{
    switch (command->kind) {
    case STORE_COMMAND_TXN:
        command->txn = read_txn(in, /* depth= */ 1);
        break;
    case STORE_COMMAND_COMPACT:
        command->compact_revision = read_i64(in);
        break;
    case STORE_COMMAND_LEASE_GRANT:
        command->grant.id = read_i64(in);
        command->grant.ttl_s = read_i64(in);
        break;
    case STORE_COMMAND_LEASE_REVOKE:
        command->revoke.id = read_i64(in);
        command->revoke.term = read_u64(in);
        break;
    case STORE_COMMAND_MEMBER_URL:
        command->member_url.id = read_u64(in);
        command->member_url.url = read_bytes(in);
        break;
    case STORE_COMMAND_ALARM:
        command->alarm.raised = read_enum(in, 1) != 0;
        command->alarm.row.member = read_u64(in);
        command->alarm.row.kind = read_enum(in, STORE_ALARM_CORRUPT);
        command->alarm.row.by_itself = read_enum(in, 1) != 0;
        break;
    case STORE_COMMAND_CHECK:
        command->check.stage = read_enum(in, STORE_CHECK_VOTE);
        command->check.index = read_u64(in);
        command->check.hash = read_u64(in);
        break;
    case STORE_COMMAND_AUTH:
        read_auth(in, command);
        break;
    case STORE_COMMAND_VERSION:
        command->version.member = read_u64(in);
        command->version.version = read_version(in);
        break;
    default:
        return false;
    }
    return true;
}

int store_command_decode(struct slice bytes, struct arena *arena, struct store_command *ret_command)
{
    struct reader in = {.left = bytes, .arena = arena};
    struct store_command command = {0};
    uint32_t version = read_byte(&in);
    if (version < STORE_VERSION_FIRST) {
        return STORE_MALFORMED;
    }
    if (version > STORE_VERSION_NEWEST) {
        return STORE_TOO_OLD;
    }
    uint8_t kind = read_byte(&in);
    command.kind = kind & KIND_MASK;
    command.from_client = (kind & KIND_FROM_CLIENT) != 0;
    command.member = read_fixed(&in);
    command.sequence = read_fixed(&in);
    command.incarnation = read_fixed(&in);
    command.floor = read_fixed(&in);
    if ((kind & KIND_HAS_CALLER) != 0) {
        command.caller = read_caller(&in);
    }
    if (!read_body(&in, &command)) {
        return in.failed ? STORE_MALFORMED : STORE_TOO_OLD;
    }
    /* No member has the id 0, which sessions take for an empty row. */
    if (in.failed || in.left.len > 0 || (command.member == 0 && command.sequence != 0)) {
        return STORE_MALFORMED;
    }
    *ret_command = command;
    return 0;
}
