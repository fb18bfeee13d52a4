/* Users, roles and permissions: the rules of etcd, and the holes that it has had, by name. */
#include "store/permit.h"
#include "store/snapshot.h"
#include "store/status.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

Suite *auth_suite(void);

static struct slice text(const char *bytes)
{
    return slice_text(bytes);
}

static const struct slice to_the_end = {.data = (const uint8_t *)"", .len = 1};

/* --- A state to which commands are applied. */

static struct store_state state;
static uint64_t next_index;

static void open_state(void)
{
    store_state_init(&state);
    next_index = 1;
}

static void close_state(void)
{
    store_state_release(&state);
}

static struct store_applied apply(struct store_command *command)
{
    struct store_applied applied;
    struct buffer bytes;
    buffer_init(&bytes, STORE_REQUEST_BYTES_MAX);
    ck_assert_int_eq(store_command_encode(command, &bytes), 0);
    store_state_apply(&state, next_index++, /* term= */ 1, buffer_slice(&bytes), NULL, NULL,
                      &applied);
    buffer_release(&bytes);
    return applied;
}

static struct auth_caller as(const char *user)
{
    return (struct auth_caller){.user = text(user),
                                .revision = user[0] == 0 ? 0 : auth_revision(state.auth)};
}

static int change_as(const char *user, struct auth_change change)
{
    struct store_command command = {
        .kind = STORE_COMMAND_AUTH, .from_client = true, .caller = as(user)};
    command.auth.change = change;
    return apply(&command).status;
}

static int change(enum auth_change_kind kind, const char *name, const char *value)
{
    return change_as("root",
                     (struct auth_change){.kind = kind, .name = text(name), .value = text(value)});
}

static int grant(const char *role, enum auth_access access, const char *key, struct slice end)
{
    return change_as("root", (struct auth_change){.kind = AUTH_ROLE_GRANT,
                                                  .name = text(role),
                                                  .permission = {access, text(key), end}});
}

static void enable_with_root(void)
{
    ck_assert_int_eq(change(AUTH_USER_ADD, "root", "hash"), 0);
    ck_assert_int_eq(change(AUTH_USER_GRANT_ROLE, "root", "root"), 0);
    ck_assert_int_eq(change(AUTH_ENABLE, "", ""), 0);
}

/* alice may read and write a/..., read b, and write c. */
static void add_alice(void)
{
    ck_assert_int_eq(change(AUTH_USER_ADD, "alice", "hash"), 0);
    ck_assert_int_eq(change(AUTH_ROLE_ADD, "r", ""), 0);
    ck_assert_int_eq(change(AUTH_USER_GRANT_ROLE, "alice", "r"), 0);
    ck_assert_int_eq(grant("r", AUTH_READWRITE, "a/", text("a0")), 0);
    ck_assert_int_eq(grant("r", AUTH_READ, "b", text("")), 0);
    ck_assert_int_eq(grant("r", AUTH_WRITE, "c", text("")), 0);
}

static int run_as(const char *user, const struct store_txn *txn)
{
    struct store_command command = {
        .kind = STORE_COMMAND_TXN, .from_client = true, .caller = as(user), .txn = txn};
    return apply(&command).status;
}

static struct store_op put_op(const char *key)
{
    return (struct store_op){.kind = STORE_OP_PUT, .put = {.key = text(key), .value = text("v")}};
}

static struct store_op range_op(const char *key, struct slice end)
{
    return (struct store_op){.kind = STORE_OP_RANGE, .range = {.key = text(key), .end = end}};
}

static struct store_op delete_op(const char *key, struct slice end)
{
    return (struct store_op){.kind = STORE_OP_DELETE,
                             .delete_range = {.key = text(key), .end = end}};
}

static int run_op_as(const char *user, struct store_op op)
{
    const struct store_txn txn = {.success = &op, .success_count = 1};
    return run_as(user, &txn);
}

START_TEST(enabling_needs_the_root_user_with_the_root_role)
{
    ck_assert_int_eq(change(AUTH_ENABLE, "", ""), STORE_ROOT_USER_NOT_EXIST);
    ck_assert_int_eq(change(AUTH_USER_ADD, "root", "hash"), 0);
    ck_assert_int_eq(change(AUTH_ENABLE, "", ""), STORE_ROOT_ROLE_NOT_EXIST);
    ck_assert_int_eq(change(AUTH_USER_GRANT_ROLE, "root", "root"), 0);
    ck_assert(!auth_is_enabled(state.auth));
    ck_assert_int_eq(change(AUTH_ENABLE, "", ""), 0);
    ck_assert(auth_is_enabled(state.auth));
    ck_assert_int_eq(change(AUTH_ENABLE, "", ""), 0); /* Again is no error. */
}
END_TEST

START_TEST(the_root_user_and_role_cannot_go_while_enabled)
{
    enable_with_root();
    ck_assert_int_eq(change(AUTH_ROLE_ADD, "root", ""), 0);
    ck_assert_int_eq(change(AUTH_USER_DELETE, "root", ""), STORE_INVALID_AUTH_MGMT);
    ck_assert_int_eq(change(AUTH_ROLE_DELETE, "root", ""), STORE_INVALID_AUTH_MGMT);
    ck_assert_int_eq(change(AUTH_USER_REVOKE_ROLE, "root", "root"), STORE_INVALID_AUTH_MGMT);
    ck_assert_int_eq(change(AUTH_DISABLE, "", ""), 0);
    ck_assert_int_eq(change(AUTH_USER_DELETE, "root", ""), 0);
}
END_TEST

START_TEST(changes_fail_as_in_etcd_and_a_failure_changes_nothing)
{
    ck_assert_int_eq(change(AUTH_USER_ADD, "u", "hash"), 0);
    ck_assert_int_eq(change(AUTH_ROLE_ADD, "r", ""), 0);
    ck_assert_int_eq(grant("r", AUTH_READ, "k", text("")), 0);
    uint64_t revision = auth_revision(state.auth);
    uint64_t hash = store_state_hash(&state);
    ck_assert_int_eq(change(AUTH_USER_ADD, "", "hash"), STORE_USER_EMPTY);
    ck_assert_int_eq(change(AUTH_USER_ADD, "u", "hash"), STORE_USER_EXISTS);
    ck_assert_int_eq(change(AUTH_USER_DELETE, "x", ""), STORE_USER_NOT_FOUND);
    ck_assert_int_eq(change(AUTH_USER_PASSWORD, "x", "hash"), STORE_USER_NOT_FOUND);
    ck_assert_int_eq(change(AUTH_USER_GRANT_ROLE, "x", "r"), STORE_USER_NOT_FOUND);
    ck_assert_int_eq(change(AUTH_USER_GRANT_ROLE, "u", "x"), STORE_ROLE_NOT_FOUND);
    ck_assert_int_eq(change(AUTH_USER_REVOKE_ROLE, "x", "r"), STORE_USER_NOT_FOUND);
    ck_assert_int_eq(change(AUTH_USER_REVOKE_ROLE, "u", "r"), STORE_ROLE_NOT_GRANTED);
    ck_assert_int_eq(change(AUTH_ROLE_ADD, "", ""), STORE_ROLE_EMPTY);
    ck_assert_int_eq(change(AUTH_ROLE_ADD, "r", ""), STORE_ROLE_EXISTS);
    ck_assert_int_eq(change(AUTH_ROLE_DELETE, "x", ""), STORE_ROLE_NOT_FOUND);
    ck_assert_int_eq(grant("x", AUTH_READ, "k", text("")), STORE_ROLE_NOT_FOUND);
    ck_assert_int_eq(grant("r", AUTH_READ, "", text("")), STORE_INVALID_AUTH_MGMT);
    ck_assert_int_eq(grant("r", AUTH_READ, "k", text("k")), STORE_INVALID_AUTH_MGMT);
    ck_assert_int_eq(grant("r", AUTH_READ, "k", text("a")), STORE_INVALID_AUTH_MGMT);
    struct auth_change revoke = {.kind = AUTH_ROLE_REVOKE,
                                 .name = text("r"),
                                 .permission = {.key = text("k"), .end = text("l")}};
    ck_assert_int_eq(change_as("root", revoke), STORE_PERMISSION_NOT_GRANTED);
    revoke.name = text("x");
    ck_assert_int_eq(change_as("root", revoke), STORE_ROLE_NOT_FOUND);
    ck_assert_uint_eq(auth_revision(state.auth), revision);
    ck_assert_uint_eq(store_state_hash(&state), hash);
}
END_TEST

START_TEST(granting_twice_replaces_the_access_of_that_very_range)
{
    enable_with_root();
    add_alice();
    ck_assert_int_eq(grant("r", AUTH_READWRITE, "k", text("m")), 0);
    ck_assert_int_eq(grant("r", AUTH_READWRITE, "k", text("")), 0);
    ck_assert_int_eq(run_op_as("alice", put_op("l")), 0);
    ck_assert_int_eq(grant("r", AUTH_READ, "k", text("m")), 0); /* Less than before. */
    ck_assert_int_eq(run_op_as("alice", put_op("l")), STORE_PERMISSION_DENIED);
    ck_assert_int_eq(run_op_as("alice", put_op("k")), 0);
    ck_assert_uint_eq(auth_role_find(state.auth, text("r"))->permission_count, 5);
}
END_TEST

START_TEST(a_user_may_do_what_its_roles_may)
{
    enable_with_root();
    add_alice();
    ck_assert_int_eq(run_op_as("alice", put_op("a/1")), 0);
    ck_assert_int_eq(run_op_as("alice", put_op("c")), 0);
    ck_assert_int_eq(run_op_as("alice", put_op("b")), STORE_PERMISSION_DENIED);
    ck_assert_int_eq(run_op_as("alice", put_op("a")), STORE_PERMISSION_DENIED);
    ck_assert_int_eq(run_op_as("alice", delete_op("a/", text("a0"))), 0);
    ck_assert_int_eq(run_op_as("alice", delete_op("a/", text("a1"))), STORE_PERMISSION_DENIED);
    ck_assert_int_eq(run_op_as("alice", delete_op("a/", to_the_end)), STORE_PERMISSION_DENIED);
    ck_assert_int_eq(run_op_as("root", put_op("anything")), 0);
    ck_assert_int_eq(run_op_as("", put_op("a/1")), STORE_USER_EMPTY);
    ck_assert_int_eq(run_op_as("nobody", put_op("a/1")), STORE_PERMISSION_DENIED);
    ck_assert_int_eq(change(AUTH_ROLE_DELETE, "r", ""), 0);
    ck_assert_int_eq(run_op_as("alice", put_op("a/1")), STORE_PERMISSION_DENIED);
    ck_assert_int_eq(change(AUTH_DISABLE, "", ""), 0);
    ck_assert_int_eq(run_op_as("", put_op("a/1")), 0);
}
END_TEST

START_TEST(asking_for_the_previous_value_needs_reading)
{
    enable_with_root();
    add_alice();
    struct store_op put = put_op("c");
    put.put.prev_kv = true;
    ck_assert_int_eq(run_op_as("alice", put), STORE_PERMISSION_DENIED);
    struct store_op del = delete_op("c", text(""));
    ck_assert_int_eq(run_op_as("alice", del), 0);
    del.delete_range.prev_kv = true;
    ck_assert_int_eq(run_op_as("alice", del), STORE_PERMISSION_DENIED);
    put = put_op("a/1");
    put.put.prev_kv = true;
    ck_assert_int_eq(run_op_as("alice", put), 0);
}
END_TEST

START_TEST(both_branches_and_all_compares_of_a_transaction_are_checked)
{
    enable_with_root();
    add_alice();
    struct store_op allowed = put_op("a/1");
    struct store_op denied = put_op("z");
    struct store_compare compare = {.key = text("b")};
    struct store_txn txn = {
        .compares = &compare, .compare_count = 1, .success = &allowed, .success_count = 1};
    ck_assert_int_eq(run_as("alice", &txn), 0);
    txn.failure = &denied;
    txn.failure_count = 1;
    ck_assert_int_eq(run_as("alice", &txn), STORE_PERMISSION_DENIED);
    txn.failure_count = 0;
    compare.end = text("d"); /* Comparing a range reads it. */
    ck_assert_int_eq(run_as("alice", &txn), STORE_PERMISSION_DENIED);
    compare = (struct store_compare){.key = text("c")};
    ck_assert_int_eq(run_as("alice", &txn), STORE_PERMISSION_DENIED);
    const struct store_txn nothing = {.success_count = 0};
    ck_assert_int_eq(run_as("", &nothing), STORE_USER_EMPTY);
}
END_TEST

/* CVE-2026-33343, CVE-2026-44283 */
START_TEST(a_nested_transaction_is_no_way_around_permissions)
{
    enable_with_root();
    add_alice();
    struct store_op inner[3] = {put_op("z"), range_op("z", text("")), put_op("c")};
    inner[2].put.prev_kv = true;
    for (size_t i = 0; i < 3; i++) {
        const struct store_txn third = {.failure = &inner[i], .failure_count = 1};
        const struct store_op deep = {.kind = STORE_OP_TXN, .txn = &third};
        const struct store_txn second = {.success = &deep, .success_count = 1};
        const struct store_op outer[2] = {put_op("a/1"), {.kind = STORE_OP_TXN, .txn = &second}};
        const struct store_txn txn = {.success = outer, .success_count = 2};
        ck_assert_int_eq(run_as("alice", &txn), STORE_PERMISSION_DENIED);
        ck_assert_int_eq(run_as("root", &txn), 0);
    }
    const struct store_compare compare = {.key = text("z")};
    const struct store_txn peeking = {.compares = &compare, .compare_count = 1};
    const struct store_op op = {.kind = STORE_OP_TXN, .txn = &peeking};
    const struct store_txn txn = {.success = &op, .success_count = 1};
    ck_assert_int_eq(run_as("alice", &txn), STORE_PERMISSION_DENIED);
}
END_TEST

static int grant_lease_as(const char *user, int64_t id)
{
    struct store_command command = {.kind = STORE_COMMAND_LEASE_GRANT,
                                    .from_client = true,
                                    .caller = as(user),
                                    .grant = {.id = id, .ttl_s = 60}};
    return apply(&command).status;
}

static int revoke_lease_as(const char *user, int64_t id)
{
    struct store_command command = {.kind = STORE_COMMAND_LEASE_REVOKE,
                                    .from_client = true,
                                    .caller = as(user),
                                    .revoke = {.id = id}};
    return apply(&command).status;
}

START_TEST(a_lease_belongs_to_those_who_may_write_all_its_keys)
{
    enable_with_root();
    add_alice();
    ck_assert_int_eq(grant_lease_as("root", 7), 0);
    struct store_op put = put_op("secret");
    put.put.lease = 7;
    ck_assert_int_eq(run_op_as("root", put), 0);
    ck_assert_int_eq(revoke_lease_as("alice", 7), STORE_PERMISSION_DENIED);
    ck_assert_int_eq(revoke_lease_as("", 7), STORE_USER_EMPTY);
    put = put_op("a/1");
    put.put.lease = 7; /* Would make alice's key part of what root renews, and the reverse. */
    ck_assert_int_eq(run_op_as("alice", put), STORE_PERMISSION_DENIED);
    struct auth_caller alice = as("alice");
    ck_assert_int_eq(store_permit_lease(&state, &alice, AUTH_READ, 7), STORE_PERMISSION_DENIED);
    ck_assert_int_eq(store_permit_lease(&state, &alice, AUTH_READ, 8), 0);
    ck_assert_int_eq(grant_lease_as("alice", 9), 0);
    put.put.lease = 9;
    ck_assert_int_eq(run_op_as("alice", put), 0);
    ck_assert_int_eq(revoke_lease_as("alice", 9), 0);
    ck_assert_int_eq(revoke_lease_as("alice", 9), STORE_LEASE_NOT_FOUND);
}
END_TEST

static unsigned next_random(unsigned *seed, unsigned below)
{
    *seed = *seed * 1103515245U + 12345U;
    return (*seed >> 16) % below;
}

/* Whatever the permissions are, and wherever the keys lie among them. */
START_TEST(who_may_use_a_lease_is_who_may_touch_each_of_its_keys)
{
    enum { KEYS = 10, GRANTS = 4, LETTERS = 26 };
    unsigned seed = (unsigned)_i * 7919U + 1;
    char keys[KEYS][2] = {{0}};
    enable_with_root();
    add_alice();
    ck_assert_int_eq(grant_lease_as("root", 7), 0);
    for (size_t i = 0; i < GRANTS; i++) {
        char from[2] = {(char)('a' + next_random(&seed, LETTERS)), 0};
        char end[2] = {(char)(from[0] + 1 + (char)next_random(&seed, LETTERS / 2)), 0};
        enum auth_access access = next_random(&seed, 2) == 0 ? AUTH_READWRITE : AUTH_READ;
        struct slice open_end = slice_of("", 1);
        ck_assert_int_eq(
            grant("r", access, from, next_random(&seed, 4) == 0 ? open_end : text(end)), 0);
    }
    struct auth_caller alice = as("alice");
    static const enum auth_access accesses[] = {AUTH_READ, AUTH_WRITE, AUTH_READWRITE};
    int expected[3] = {0};
    for (size_t i = 0; i < KEYS; i++) {
        keys[i][0] = (char)('a' + next_random(&seed, LETTERS));
        struct store_op put = put_op(keys[i]);
        put.put.lease = 7;
        ck_assert_int_eq(run_op_as("root", put), 0);
        for (size_t j = 0; j < 3; j++) {
            int status = auth_check_range(state.auth, &alice, accesses[j], text(keys[i]), text(""));
            expected[j] = status != 0 ? status : expected[j];
            ck_assert_int_eq(store_permit_lease(&state, &alice, accesses[j], 7), expected[j]);
        }
    }
}
END_TEST

/* CVE-2026-33413 */
START_TEST(what_is_not_about_keys_needs_root_or_at_least_a_user)
{
    enable_with_root();
    add_alice();
    struct store_command compact = {
        .kind = STORE_COMMAND_COMPACT, .from_client = true, .compact_revision = 1};
    ck_assert_int_eq(apply(&compact).status, STORE_USER_EMPTY);
    compact.caller = as("alice");
    ck_assert_int_eq(apply(&compact).status, STORE_PERMISSION_DENIED);
    ck_assert_int_eq(grant_lease_as("", 5), STORE_USER_EMPTY);
    ck_assert_int_eq(grant_lease_as("nobody", 5), STORE_PERMISSION_DENIED);
    for (int kind = 1; kind <= AUTH_CHANGE_LAST; kind++) {
        const struct auth_change one = {.kind = (enum auth_change_kind)kind, .name = text("x")};
        ck_assert_int_eq(change_as("alice", one), STORE_PERMISSION_DENIED);
        ck_assert_int_eq(change_as("", one), STORE_USER_EMPTY);
    }
    ck_assert(auth_is_enabled(state.auth));
}
END_TEST

START_TEST(what_was_on_its_way_when_permissions_changed_is_refused)
{
    enable_with_root();
    add_alice();
    struct store_op op = put_op("a/1");
    const struct store_txn txn = {.success = &op, .success_count = 1};
    struct store_command command = {
        .kind = STORE_COMMAND_TXN, .from_client = true, .caller = as("alice"), .txn = &txn};
    ck_assert_int_eq(change(AUTH_USER_REVOKE_ROLE, "alice", "r"), 0);
    ck_assert_int_eq(apply(&command).status, STORE_AUTH_OLD_REVISION);
    struct store_command before = {.kind = STORE_COMMAND_TXN, .from_client = true, .txn = &txn};
    ck_assert_int_eq(apply(&before).status, STORE_USER_EMPTY); /* Came in before auth was on. */
}
END_TEST

/* etcd 22386: an alarm took the checks out of the way. */
START_TEST(permissions_hold_while_an_alarm_is_raised)
{
    enable_with_root();
    add_alice();
    struct store_command alarm = {
        .kind = STORE_COMMAND_ALARM,
        .alarm = {.raised = true, .row = {.member = 1, .kind = STORE_ALARM_NOSPACE}}};
    ck_assert_int_eq(apply(&alarm).status, 0);
    ck_assert_int_eq(run_op_as("alice", delete_op("z", text(""))), STORE_PERMISSION_DENIED);
    ck_assert_int_eq(change_as("alice", (struct auth_change){.kind = AUTH_DISABLE}),
                     STORE_PERMISSION_DENIED);
    ck_assert_int_eq(revoke_lease_as("", 1), STORE_USER_EMPTY);
    alarm.from_client = true;
    alarm.caller = as("alice");
    ck_assert_int_eq(apply(&alarm).status, STORE_PERMISSION_DENIED);
}
END_TEST

/* Found by fuzzing: sessions take the id 0 for an empty row. */
START_TEST(a_command_that_no_member_sent_has_no_answer_to_wait_for)
{
    struct store_op op = put_op("k");
    const struct store_txn txn = {.success = &op, .success_count = 1};
    struct store_command command = {.kind = STORE_COMMAND_TXN, .sequence = 1, .txn = &txn};
    ck_assert_int_eq(apply(&command).status, STORE_MALFORMED);
}
END_TEST

START_TEST(the_process_itself_is_never_refused)
{
    enable_with_root();
    struct store_op op = put_op("k");
    const struct store_txn txn = {.success = &op, .success_count = 1};
    struct store_command command = {.kind = STORE_COMMAND_TXN, .txn = &txn};
    ck_assert_int_eq(apply(&command).status, 0);
}
END_TEST

START_TEST(a_restricted_caller_may_do_nothing_while_auth_is_off)
{
    struct store_op op = put_op("k");
    const struct store_txn txn = {.success = &op, .success_count = 1};
    struct store_command command = {.kind = STORE_COMMAND_TXN,
                                    .from_client = true,
                                    .caller = {.restricted = true},
                                    .txn = &txn};
    ck_assert_int_eq(apply(&command).status, STORE_PERMISSION_DENIED);
}
END_TEST

START_TEST(a_new_password_ends_what_the_old_one_proved)
{
    ck_assert_int_eq(change(AUTH_USER_ADD, "u", "one"), 0);
    uint64_t before = auth_user_find(state.auth, text("u"))->credential;
    ck_assert_int_eq(change(AUTH_USER_PASSWORD, "u", "two"), 0);
    ck_assert(slice_is(auth_user_find(state.auth, text("u"))->hash, "two"));
    ck_assert_uint_gt(auth_user_find(state.auth, text("u"))->credential, before);
    const struct auth_change bare = {
        .kind = AUTH_USER_ADD, .name = text("cert"), .value = text("x"), .no_password = true};
    ck_assert_int_eq(change_as("root", bare), 0);
    ck_assert_int_eq(change(AUTH_USER_PASSWORD, "cert", "two"), 0);
    ck_assert_uint_eq(auth_user_find(state.auth, text("cert"))->hash.len, 0);
}
END_TEST

/* --- The same on all members. */

static void copy_by_snapshot(struct store_state *ret_copy)
{
    struct state_writer *writer = state_writer_new(&state);
    struct state_reader *reader = state_reader_new();
    uint8_t bytes[333];
    size_t len;
    while ((len = state_writer_read(writer, bytes, sizeof(bytes))) > 0) {
        ck_assert_int_eq(state_reader_feed(reader, slice_of(bytes, len)), 0);
    }
    ck_assert_int_eq(state_reader_end(reader, ret_copy), 0);
    ret_copy->applied_index = state.applied_index;
    state_writer_free(writer);
    state_reader_free(reader);
}

/* etcd 14571: the member that got a snapshot went on deciding by what it had known before. */
START_TEST(a_member_restored_from_a_snapshot_decides_as_the_others)
{
    static const uint8_t secret[AUTH_SECRET_SIZE] = {1, 2, 3};
    struct store_state copy;
    enable_with_root();
    add_alice();
    const struct auth_change choose = {.kind = AUTH_CHOOSE_SECRET,
                                       .value = slice_of(secret, sizeof(secret))};
    ck_assert_int_eq(change_as("root", choose), 0);
    ck_assert_int_eq(change(AUTH_USER_PASSWORD, "alice", "other"), 0);
    copy_by_snapshot(&copy);
    ck_assert_uint_eq(store_state_hash(&copy), store_state_hash(&state));
    ck_assert_uint_eq(auth_revision(copy.auth), auth_revision(state.auth));
    ck_assert(auth_is_enabled(copy.auth));
    ck_assert(slice_equal(auth_secret(copy.auth), slice_of(secret, sizeof(secret))));
    const struct auth_user *alice = auth_user_find(copy.auth, text("alice"));
    ck_assert_uint_eq(alice->credential, auth_user_find(state.auth, text("alice"))->credential);
    ck_assert(slice_is(alice->hash, "other"));
    struct auth_caller caller = as("alice");
    ck_assert_int_eq(auth_check_range(copy.auth, &caller, AUTH_READWRITE, text("a/1"), text("")),
                     0);
    ck_assert_int_eq(auth_check_range(copy.auth, &caller, AUTH_READ, text("z"), text("")),
                     STORE_PERMISSION_DENIED);
    /* And it goes on like them. */
    struct store_state first = state;
    ck_assert_int_eq(change(AUTH_ROLE_DELETE, "r", ""), 0);
    uint64_t expected = store_state_hash(&state);
    first = state;
    state = copy;
    ck_assert_int_eq(change(AUTH_ROLE_DELETE, "r", ""), 0);
    ck_assert_uint_eq(store_state_hash(&state), expected);
    store_state_release(&state);
    state = first;
}
END_TEST

START_TEST(members_with_other_users_or_roles_have_another_state_hash)
{
    uint64_t before = store_state_hash(&state);
    ck_assert_int_eq(change(AUTH_ROLE_ADD, "r", ""), 0);
    uint64_t after = store_state_hash(&state);
    ck_assert_uint_ne(before, after);
    ck_assert_int_eq(grant("r", AUTH_READ, "a", text("b")), 0);
    ck_assert_uint_ne(store_state_hash(&state), after);
}
END_TEST

START_TEST(the_first_chosen_secret_holds_until_auth_is_disabled)
{
    uint8_t bytes[AUTH_SECRET_SIZE] = {1};
    struct auth_change choose = {.kind = AUTH_CHOOSE_SECRET, .value = slice_of(bytes, 32)};
    enable_with_root();
    ck_assert_int_eq(change_as("root", choose), 0);
    bytes[0] = 2;
    ck_assert_int_eq(change_as("root", choose), 0);
    ck_assert_uint_eq(auth_secret(state.auth).data[0], 1);
    ck_assert_int_eq(change(AUTH_DISABLE, "", ""), 0);
    ck_assert_uint_eq(auth_secret(state.auth).len, 0);
    choose.value.len = 31;
    ck_assert_int_eq(change_as("root", choose), STORE_MALFORMED);
}
END_TEST

START_TEST(every_status_is_a_different_one)
{
    int seen[200] = {0};
    for (int status = -1; status > -200; status--) {
        const char *reply = store_status_text(status);
        if (strncmp(reply, "etcdserver: ", 12) != 0) {
            continue;
        }
        for (int other = -1; other > status; other--) {
            ck_assert_str_ne(reply, store_status_text(other));
        }
        seen[-status]++;
    }
    int count = 0;
    for (size_t i = 0; i < 200; i++) {
        count += seen[i];
    }
    ck_assert_int_ge(count, 37); /* Rows: two names for one number would make it less. */
    ck_assert_int_eq(store_status_grpc_code(STORE_INVALID_AUTH_TOKEN), 16);
    ck_assert_int_eq(store_status_grpc_code(STORE_PERMISSION_DENIED), 7);
    ck_assert_str_eq(store_status_text(STORE_AUTH_FAILED),
                     "etcdserver: authentication failed, invalid user ID or password");
}
END_TEST

Suite *auth_suite(void)
{
    Suite *suite = suite_create("store/auth");
    TCase *rules = tcase_create("rules");
    tcase_add_checked_fixture(rules, open_state, close_state);
    tcase_add_test(rules, enabling_needs_the_root_user_with_the_root_role);
    tcase_add_test(rules, the_root_user_and_role_cannot_go_while_enabled);
    tcase_add_test(rules, changes_fail_as_in_etcd_and_a_failure_changes_nothing);
    tcase_add_test(rules, granting_twice_replaces_the_access_of_that_very_range);
    tcase_add_test(rules, a_user_may_do_what_its_roles_may);
    tcase_add_test(rules, asking_for_the_previous_value_needs_reading);
    tcase_add_test(rules, both_branches_and_all_compares_of_a_transaction_are_checked);
    tcase_add_test(rules, a_nested_transaction_is_no_way_around_permissions);
    tcase_add_test(rules, a_lease_belongs_to_those_who_may_write_all_its_keys);
    tcase_add_loop_test(rules, who_may_use_a_lease_is_who_may_touch_each_of_its_keys, 0, 100);
    tcase_add_test(rules, what_is_not_about_keys_needs_root_or_at_least_a_user);
    tcase_add_test(rules, what_was_on_its_way_when_permissions_changed_is_refused);
    tcase_add_test(rules, permissions_hold_while_an_alarm_is_raised);
    tcase_add_test(rules, a_command_that_no_member_sent_has_no_answer_to_wait_for);
    tcase_add_test(rules, the_process_itself_is_never_refused);
    tcase_add_test(rules, a_restricted_caller_may_do_nothing_while_auth_is_off);
    tcase_add_test(rules, a_new_password_ends_what_the_old_one_proved);
    tcase_add_test(rules, a_member_restored_from_a_snapshot_decides_as_the_others);
    tcase_add_test(rules, members_with_other_users_or_roles_have_another_state_hash);
    tcase_add_test(rules, the_first_chosen_secret_holds_until_auth_is_disabled);
    tcase_add_test(rules, every_status_is_a_different_one);
    suite_add_tcase(suite, rules);
    return suite;
}
