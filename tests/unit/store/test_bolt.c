/* etcd's database format: what is written is read back as the same state, and no damage passes. */
#include "lib/base/alloc.h"
#include "store/bolt_export.h"
#include "store/bolt_import.h"
#include "store/mvcc_range.h"
#include "tests/unit/unit.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static void put(struct store_state *state, const char *key, struct slice value, int64_t lease)
{
    mvcc_begin(state->mvcc);
    const struct store_kv *old = mvcc_put(state->mvcc, slice_text(key), value, lease);
    lease_table_detach(state->leases, old == NULL ? 0 : old->lease, slice_text(key));
    if (lease != 0) {
        lease_table_attach(state->leases, lease, slice_text(key));
    }
    (void)mvcc_end(state->mvcc);
}

static void erase(struct store_state *state, const char *key)
{
    mvcc_begin(state->mvcc);
    const struct store_kv *old = mvcc_delete(state->mvcc, slice_text(key));
    lease_table_detach(state->leases, old == NULL ? 0 : old->lease, slice_text(key));
    (void)mvcc_end(state->mvcc);
}

/* Some thousand changes, of values from none to several pages, with deletions and revisions of more
 * than one change. */
static void fill(struct store_state *state, uint64_t seed, size_t changes)
{
    static uint8_t bytes[20000];
    char key[64];
    ck_assert_int_eq(lease_table_grant(state->leases, 7, 60), 0);
    ck_assert_int_eq(lease_table_grant(state->leases, -7, 600), 0);
    memset(bytes, 'v', sizeof(bytes));
    for (size_t i = 0; i < changes; i++) {
        uint64_t random = next_random(&seed);
        snprintf(key, sizeof(key), "/registry/things/%05u", (unsigned)(random % (changes / 3 + 1)));
        size_t len = random % 50 == 0 ? random % sizeof(bytes) : random % 300;
        if (random % 7 == 0) {
            erase(state, key);
        } else {
            put(state, key, slice_of(bytes, len), random % 11 == 0 ? 7 : 0);
        }
    }
    mvcc_begin(state->mvcc);
    (void)mvcc_put(state->mvcc, slice_text("two"), slice_text("of one revision"), 0);
    (void)mvcc_put(state->mvcc, slice_text("changes"), slice_text("of one revision"), 0);
    (void)mvcc_end(state->mvcc);
}

static void change_auth(struct store_state *state, enum auth_change_kind kind, const char *name,
                        const char *value)
{
    const struct auth_change change = {
        .kind = kind,
        .name = slice_text(name),
        .value = slice_text(value),
        .permission = {.access = AUTH_READWRITE, .key = slice_text("a"), .end = slice_text("b")}};
    ck_assert_int_eq(auth_apply(state->auth, &change), 0);
}

static struct buffer export_file(struct store_state *state, size_t step)
{
    struct buffer file;
    buffer_init(&file, SIZE_MAX);
    struct bolt_export *bolt_export = bolt_export_new(state);
    bolt_export_add_member(
        bolt_export,
        &(struct bolt_member){.id = 0xabc, .name = "n1", .peer_urls = "https://127.0.0.1:2380"});
    struct bolt_writer *writer = bolt_export_writer(bolt_export);
    uint8_t *chunk = alloc_bytes(step);
    for (size_t len; (len = bolt_writer_read(writer, chunk, step)) > 0;) {
        buffer_append(&file, chunk, len);
    }
    ck_assert_uint_eq(file.len, bolt_writer_size(writer));
    free(chunk);
    bolt_export_free(bolt_export);
    return file;
}

static int import_file(struct slice bytes, struct store_state *ret_state)
{
    struct bolt_file file;
    CLEANUP(error_release) struct error error = {0};
    int result = bolt_file_open(bytes, &file, &error);
    if (result == 0) {
        result = bolt_import(&file, ret_state, &error);
    }
    ck_assert_int_eq(result, error.code);
    return result;
}

static void check_kv(const struct store_kv *a, const struct store_kv *b)
{
    ck_assert(slice_equal(a->key, b->key));
    ck_assert(slice_equal(a->value, b->value));
    ck_assert_int_eq(a->create_revision, b->create_revision);
    ck_assert_int_eq(a->mod_revision, b->mod_revision);
    ck_assert_int_eq(a->version, b->version);
    ck_assert_int_eq(a->lease, b->lease);
}

static void check_same(struct store_state *a, struct store_state *b)
{
    ck_assert_int_eq(mvcc_revision(a->mvcc), mvcc_revision(b->mvcc));
    ck_assert_int_eq(mvcc_compact_revision(a->mvcc), mvcc_compact_revision(b->mvcc));
    ck_assert_uint_eq(mvcc_key_count(a->mvcc), mvcc_key_count(b->mvcc));
    ck_assert_uint_eq(mvcc_version_count(a->mvcc), mvcc_version_count(b->mvcc));
    ck_assert_uint_eq(mvcc_history_count(a->mvcc), mvcc_history_count(b->mvcc));
    for (size_t i = 0; i < mvcc_history_count(a->mvcc); i++) {
        const struct mvcc_version *left = mvcc_history_at(a->mvcc, i);
        const struct mvcc_version *right = mvcc_history_at(b->mvcc, i);
        check_kv(left->kv, right->kv);
        ck_assert_uint_eq(left->sub, right->sub);
    }
    ck_assert_uint_eq(lease_table_count(a->leases), lease_table_count(b->leases));
    ck_assert_uint_eq(lease_table_key_count(a->leases, 7), lease_table_key_count(b->leases, 7));
    ck_assert_int_eq(lease_table_granted_ttl(b->leases, -7), 600);
}

static void round_trip(uint64_t seed, size_t changes, bool compact)
{
    struct store_state state;
    struct store_state again;
    store_state_init(&state);
    fill(&state, seed, changes);
    if (compact) {
        ck_assert_int_eq(mvcc_compact(state.mvcc, mvcc_revision(state.mvcc) / 2), 0);
    }
    struct buffer file = export_file(&state, 1000 + (size_t)seed % 9000);
    while (compact && mvcc_trim(state.mvcc, 1000)) { /* Logically gone is gone, trimmed or not. */
    }
    ck_assert_int_eq(import_file(buffer_slice(&file), &again), 0);
    check_same(&state, &again);
    struct buffer second = export_file(&again, 1 << 16);
    ck_assert(slice_equal(buffer_slice(&file), buffer_slice(&second)));
    buffer_release(&second);
    buffer_release(&file);
    store_state_release(&state);
    store_state_release(&again);
}

START_TEST(what_is_written_is_read_back)
{
    for (uint64_t seed = 1; seed <= 12; seed++) {
        round_trip(seed, 10 + seed * 150, seed % 2 == 0);
    }
}
END_TEST

START_TEST(users_and_roles_go_along)
{
    struct store_state state;
    struct store_state again;
    store_state_init(&state);
    change_auth(&state, AUTH_ROLE_ADD, "root", "");
    change_auth(&state, AUTH_ROLE_ADD, "reader", "");
    change_auth(&state, AUTH_ROLE_GRANT, "reader", "");
    change_auth(&state, AUTH_USER_ADD, "root", "hash of a password");
    change_auth(&state, AUTH_USER_GRANT_ROLE, "root", "root");
    change_auth(&state, AUTH_USER_ADD, "alice", "another hash");
    change_auth(&state, AUTH_USER_GRANT_ROLE, "alice", "reader");
    change_auth(&state, AUTH_ENABLE, "", "");
    struct buffer file = export_file(&state, 4096);
    ck_assert_int_eq(import_file(buffer_slice(&file), &again), 0);
    ck_assert(auth_is_enabled(again.auth));
    ck_assert_uint_eq(auth_revision(again.auth), auth_revision(state.auth));
    ck_assert_uint_eq(auth_user_count(again.auth), 2);
    const struct auth_user *alice = auth_user_find(again.auth, slice_text("alice"));
    ck_assert(slice_is(alice->hash, "another hash"));
    ck_assert(auth_user_has_role(alice, slice_text("reader")));
    ck_assert(!auth_user_has_role(alice, slice_text("root")));
    const struct auth_role *reader = auth_role_find(again.auth, slice_text("reader"));
    ck_assert_uint_eq(reader->permission_count, 1);
    ck_assert_int_eq(reader->permissions[0].access, AUTH_READWRITE);
    ck_assert(slice_is(reader->permissions[0].end, "b"));
    buffer_release(&file);
    store_state_release(&again);
    store_state_release(&state);
}
END_TEST

START_TEST(an_empty_store_makes_a_file)
{
    struct store_state state;
    struct store_state again;
    store_state_init(&state);
    struct buffer file = export_file(&state, 4096);
    ck_assert_int_eq(import_file(buffer_slice(&file), &again), 0);
    ck_assert_int_eq(mvcc_revision(again.mvcc), 1);
    ck_assert_uint_eq(mvcc_key_count(again.mvcc), 0);
    buffer_release(&file);
    store_state_release(&again);
    store_state_release(&state);
}
END_TEST

START_TEST(writes_after_the_export_began_are_not_in_it)
{
    struct store_state state;
    struct store_state again;
    store_state_init(&state);
    fill(&state, 5, 500);
    int64_t revision = mvcc_revision(state.mvcc);
    struct bolt_export *bolt_export = bolt_export_new(&state);
    put(&state, "two", slice_text("changed"), 0);
    put(&state, "later", slice_text("x"), 0);
    ck_assert_int_eq(mvcc_compact(state.mvcc, mvcc_revision(state.mvcc)), 0);
    while (mvcc_trim(state.mvcc, 100)) {
    }
    struct bolt_writer *writer = bolt_export_writer(bolt_export);
    size_t size = (size_t)bolt_writer_size(writer);
    uint8_t *bytes = alloc_bytes(size);
    ck_assert_uint_eq(bolt_writer_read(writer, bytes, size), size);
    ck_assert_int_eq(import_file(slice_of(bytes, size), &again), 0);
    ck_assert_int_eq(mvcc_revision(again.mvcc), revision);
    ck_assert_ptr_null(mvcc_get(again.mvcc, slice_text("later")));
    free(bytes);
    bolt_export_free(bolt_export);
    store_state_release(&again);
    store_state_release(&state);
}
END_TEST

/* Any single byte turned over: refused, or read without reaching outside (the sanitizer's part) and
 * then complete. The file's hash, checked before, is what finds changed values. */
START_TEST(damage_is_refused_or_harmless)
{
    struct store_state state;
    struct store_state again;
    store_state_init(&state);
    fill(&state, 3, 60);
    struct buffer file = export_file(&state, 4096);
    size_t refused = 0;
    for (size_t at = 0; at < file.len; at += 7) {
        file.data[at] ^= 0x55;
        if (import_file(buffer_slice(&file), &again) == 0) {
            store_state_release(&again);
        } else {
            refused++;
        }
        file.data[at] ^= 0x55;
    }
    ck_assert_uint_gt(refused, 100);
    for (size_t len = 0; len < file.len; len += 512) {
        ck_assert_int_eq(import_file(slice_of(file.data, len), &again), -EBADMSG);
    }
    buffer_release(&file);
    store_state_release(&state);
}
END_TEST

START_TEST(one_good_meta_page_is_enough)
{
    struct store_state state;
    struct store_state again;
    store_state_init(&state);
    fill(&state, 4, 100);
    struct buffer file = export_file(&state, 4096);
    for (size_t page = 0; page < 2; page++) {
        uint8_t *sum = &file.data[page * BOLT_PAGE + BOLT_PAGE_HEAD + 40];
        *sum ^= 1;
        ck_assert_int_eq(import_file(buffer_slice(&file), &again), 0);
        store_state_release(&again);
        *sum ^= 1;
    }
    buffer_release(&file);
    store_state_release(&state);
}
END_TEST

START_TEST(figures_count_every_entry)
{
    struct store_state state;
    struct bolt_file file;
    struct bolt_figures figures;
    store_state_init(&state);
    put(&state, "a", slice_text("1"), 0);
    put(&state, "a", slice_text("2"), 0);
    erase(&state, "a");
    struct buffer bytes = export_file(&state, 4096);
    ck_assert_int_eq(bolt_file_open(buffer_slice(&bytes), &file, NULL), 0);
    ck_assert_int_eq(bolt_read_figures(&file, &figures, NULL), 0);
    ck_assert_int_eq(figures.revision, 4);
    ck_assert_uint_eq(figures.keys, 3 + 5); /* And a member, the version, the index, auth. */
    ck_assert_uint_eq(figures.bytes, bytes.len);
    buffer_release(&bytes);
    store_state_release(&state);
}
END_TEST

START_TEST(revision_keys_sort_like_revisions)
{
    const struct bolt_revision revisions[] = {{1, 0, false}, {1, 0, true},   {1, 1, false},
                                              {2, 0, false}, {255, 7, true}, {256, 0, false}};
    uint8_t before[BOLT_TOMBSTONE_KEY];
    size_t before_len = 0;
    for (size_t i = 0; i < ARRAY_LEN(revisions); i++) {
        uint8_t bytes[BOLT_TOMBSTONE_KEY];
        struct bolt_revision again;
        size_t len = bolt_put_revision(bytes, &revisions[i]);
        ck_assert_int_lt(slice_compare(slice_of(before, before_len), slice_of(bytes, len)), 0);
        ck_assert_int_eq(bolt_get_revision(slice_of(bytes, len), &again), 0);
        ck_assert_int_eq(again.main, revisions[i].main);
        ck_assert_uint_eq(again.sub, revisions[i].sub);
        ck_assert_int_eq(again.tombstone, revisions[i].tombstone);
        memcpy(before, bytes, len);
        before_len = len;
    }
}
END_TEST

Suite *bolt_suite(void);

Suite *bolt_suite(void)
{
    Suite *suite = suite_create("store/bolt");
    TCase *tcase = tcase_create("files");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, what_is_written_is_read_back);
    tcase_add_test(tcase, users_and_roles_go_along);
    tcase_add_test(tcase, an_empty_store_makes_a_file);
    tcase_add_test(tcase, writes_after_the_export_began_are_not_in_it);
    tcase_add_test(tcase, damage_is_refused_or_harmless);
    tcase_add_test(tcase, one_good_meta_page_is_enough);
    tcase_add_test(tcase, figures_count_every_entry);
    tcase_add_test(tcase, revision_keys_sort_like_revisions);
    suite_add_tcase(suite, tcase);
    return suite;
}
