/* Compaction and snapshots, against a plain model of every revision. */
#include "store/snapshot.h"
#include "store/store.h"
#include "tests/unit/store/model.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

Suite *history_suite(void);

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static void change(struct model *model, uint64_t *seed)
{
    char key[8];
    char value[16];
    snprintf(key, sizeof(key), "k%u", (unsigned)(next_random(seed) % 12));
    snprintf(value, sizeof(value), "v%u", (unsigned)(next_random(seed) % 1000));
    if (next_random(seed) % 4 == 0) {
        ck_assert_int_eq(model_delete(model, key, next_random(seed) % 3 == 0 ? "k3" : ""), 0);
    } else {
        ck_assert_int_eq(model_put(model, key, value), 0);
    }
}

enum { REVISIONS = 300 };

START_TEST(compaction_never_changes_what_lies_above_it)
{
    static char *seen[REVISIONS * 2];
    struct model model;
    uint64_t seed = 3;
    model_init(&model);
    int64_t compacted = 0;
    while (mvcc_revision(model.state.mvcc) < REVISIONS) {
        change(&model, &seed);
        int64_t revision = mvcc_revision(model.state.mvcc);
        if (seen[revision] == NULL) {
            seen[revision] = strdup(model_all(&model, 0));
        }
        if (next_random(&seed) % 20 == 0 && revision > compacted + 1) {
            compacted += 1 + (int64_t)(next_random(&seed) % (uint64_t)(revision - compacted));
            ck_assert_int_eq(model_compact(&model, compacted), 0);
        }
        (void)mvcc_trim(model.state.mvcc, next_random(&seed) % 4);
        for (int64_t r = 2; r <= revision; r++) {
            ck_assert_str_eq(model_all(&model, r),
                             r < compacted ? store_status_text(STORE_COMPACTED) : seen[r]);
        }
    }
    ck_assert_int_eq(model_compact(&model, compacted), STORE_COMPACTED);
    ck_assert_int_eq(model_compact(&model, 100000), STORE_FUTURE_REVISION);
    ck_assert_int_eq(model_compact(&model, mvcc_revision(model.state.mvcc)), 0);
    while (mvcc_trim(model.state.mvcc, 10)) {
    }
    ck_assert_uint_le(mvcc_version_count(model.state.mvcc), 12); /* Nothing left but the live. */
    for (size_t i = 0; i < REVISIONS * 2; i++) {
        free(seen[i]);
    }
    model_release(&model);
}
END_TEST

static struct store_state reread(struct store_state *state, uint64_t *seed)
{
    struct state_writer *writer = state_writer_new(state);
    struct state_reader *reader = state_reader_new();
    uint8_t bytes[300];
    for (;;) {
        size_t len = state_writer_read(writer, bytes, 1 + next_random(seed) % sizeof(bytes));
        if (len == 0) {
            break;
        }
        ck_assert_int_eq(state_reader_feed(reader, slice_of(bytes, len)), 0);
    }
    struct store_state copy;
    ck_assert_int_eq(state_reader_end(reader, &copy), 0);
    state_writer_free(writer);
    state_reader_free(reader);
    return copy;
}

START_TEST(a_snapshot_restores_state_history_leases_and_hash)
{
    struct model model;
    struct model copy = {0};
    uint64_t seed = 9;
    model_init(&model);
    ck_assert_int_eq(model_grant(&model, 5, 60), 0);
    ck_assert_int_eq(model_put_lease(&model, "leased", "x", 5), 0);
    for (size_t i = 0; i < 200; i++) {
        change(&model, &seed);
    }
    ck_assert_int_eq(model_compact(&model, 60), 0);
    copy.state = reread(&model.state, &seed);
    copy.index = copy.state.applied_index = model.index;
    ck_assert_uint_eq(store_state_hash(&copy.state), store_state_hash(&model.state));
    ck_assert_uint_eq(lease_table_key_count(copy.state.leases, 5), 1);
    for (int round = 0; round < 2; round++) { /* Then both go on alike. */
        for (int64_t r = 2; r <= mvcc_revision(model.state.mvcc); r++) {
            char *expected = strdup(model_all(&model, r));
            ck_assert_str_eq(model_all(&copy, r), expected);
            free(expected);
        }
        size_t at = mvcc_history_find(model.state.mvcc, 60);
        size_t copy_at = mvcc_history_find(copy.state.mvcc, 60);
        for (; at < mvcc_history_count(model.state.mvcc); at++, copy_at++) {
            const struct mvcc_version *a = mvcc_history_at(model.state.mvcc, at);
            const struct mvcc_version *b = mvcc_history_at(copy.state.mvcc, copy_at);
            ck_assert_int_eq(a->kv->mod_revision, b->kv->mod_revision);
            ck_assert(slice_equal(a->kv->key, b->kv->key));
        }
        for (size_t i = 0; i < 50; i++) {
            uint64_t same = seed;
            change(&model, &seed);
            change(&copy, &same);
        }
        ck_assert_uint_eq(store_state_hash(&copy.state), store_state_hash(&model.state));
    }
    model_release(&copy);
    model_release(&model);
}
END_TEST

START_TEST(a_snapshot_is_of_the_moment_it_was_taken)
{
    struct model model;
    uint64_t seed = 4;
    model_init(&model);
    for (size_t i = 0; i < 100; i++) {
        change(&model, &seed);
    }
    struct state_writer *writer = state_writer_new(&model.state);
    uint64_t hash = store_state_hash(&model.state);
    struct state_reader *reader = state_reader_new();
    uint8_t bytes[64];
    for (size_t len; (len = state_writer_read(writer, bytes, sizeof(bytes))) > 0;) {
        ck_assert_int_eq(state_reader_feed(reader, slice_of(bytes, len)), 0);
        change(&model, &seed); /* Writes go on, compaction too. */
        (void)!model_compact(&model, mvcc_revision(model.state.mvcc) - 3);
        (void)mvcc_trim(model.state.mvcc, 100);
    }
    struct store_state copy;
    ck_assert_int_eq(state_reader_end(reader, &copy), 0);
    ck_assert_uint_eq(store_state_hash(&copy), hash);
    store_state_release(&copy);
    state_reader_free(reader);
    state_writer_free(writer);
    model_release(&model);
}
END_TEST

START_TEST(every_damaged_byte_of_a_snapshot_is_noticed)
{
    struct model model;
    uint64_t seed = 5;
    model_init(&model);
    ck_assert_int_eq(model_grant(&model, 5, 60), 0);
    for (size_t i = 0; i < 10; i++) {
        change(&model, &seed);
    }
    static uint8_t bytes[8192];
    struct state_writer *writer = state_writer_new(&model.state);
    size_t len = state_writer_read(writer, bytes, sizeof(bytes));
    ck_assert_uint_lt(len, sizeof(bytes));
    state_writer_free(writer);
    for (size_t i = 0; i <= len; i++) { /* At `len`: cut short by one byte. */
        struct state_reader *reader = state_reader_new();
        struct store_state copy;
        if (i < len) {
            bytes[i] ^= 0x10;
        }
        int status = state_reader_feed(reader, slice_of(bytes, i < len ? len : len - 1));
        ck_assert(status != 0 || state_reader_end(reader, &copy) != 0);
        if (i < len) {
            bytes[i] ^= 0x10;
        }
        state_reader_free(reader);
    }
    model_release(&model);
}
END_TEST

START_TEST(a_view_stays_what_it_was)
{
    struct model model;
    model_init(&model);
    model_put(&model, "a", "1");
    struct store_snapshot *view = mvcc_view(model.state.mvcc);
    model_put(&model, "a", "2");
    model_put(&model, "b", "1");
    ck_assert_int_eq(model_compact(&model, 4), 0);
    while (mvcc_trim(model.state.mvcc, 1)) {
    }
    struct store_range range = {.key = slice_text("a"), .end = slice_text("z")};
    struct store_range_result result;
    ck_assert_int_eq(store_snapshot_range(view, &range, &result), 0);
    ck_assert_uint_eq(result.kv_count, 1);
    ck_assert(slice_is(result.kvs[0]->value, "1"));
    ck_assert_int_eq(store_snapshot_revision(view), 2);
    store_range_result_release(&result);
    store_snapshot_unref(view);
    model_release(&model);
}
END_TEST

/* Looking at each of them for each of them would take minutes; the test's time ends long before. */
START_TEST(a_compaction_where_one_write_deleted_very_many_keys_takes_time_by_their_number)
{
    enum { KEYS = 150000, BUDGET = 500, KEY_BYTES = 16 };
    struct mvcc *mvcc = mvcc_new();
    char key[KEY_BYTES];
    size_t slices = 0;
    for (int deleting = 0; deleting <= 1; deleting++) {
        mvcc_begin(mvcc);
        for (unsigned i = 0; i < KEYS; i++) {
            int len = snprintf(key, sizeof(key), "%08u", i);
            struct slice name = slice_of(key, (size_t)len);
            (void)(deleting ? mvcc_delete(mvcc, name) : mvcc_put(mvcc, name, name, 0));
        }
        ck_assert_uint_eq(mvcc_end(mvcc), KEYS);
    }
    ck_assert_int_eq(mvcc_compact(mvcc, mvcc_revision(mvcc)), 0);
    while (mvcc_trim(mvcc, BUDGET)) {
        slices++;
    }
    ck_assert_uint_ge(slices, KEYS / BUDGET);
    ck_assert_uint_eq(mvcc_version_count(mvcc), KEYS); /* A watch may begin with the deletions. */
    mvcc_free(mvcc);
}
END_TEST

/* Each node that a view holds too costs a copy: others wait for the loop meanwhile. */
START_TEST(trimming_while_a_view_is_held_copies_little_at_a_time)
{
    enum { KEYS = 20000, STRIDE = 61, BUDGET = 256, PATH_ENTRIES = 4 * 32, KEY_BYTES = 16 };
    struct mvcc *mvcc = mvcc_new();
    char key[KEY_BYTES];
    for (unsigned i = 0; i < 2 * KEYS; i++) {
        int len = snprintf(key, sizeof(key), "%08u", i * STRIDE % KEYS);
        mvcc_begin(mvcc);
        (void)mvcc_put(mvcc, slice_of(key, (size_t)len), slice_text("v"), 0);
        (void)mvcc_end(mvcc);
    }
    struct store_snapshot *view = mvcc_view(mvcc);
    ck_assert_int_eq(mvcc_compact(mvcc, mvcc_revision(mvcc)), 0);
    for (bool more = true; more;) {
        uint64_t copied = mvcc_copied(mvcc);
        more = mvcc_trim(mvcc, BUDGET);
        ck_assert_uint_le(mvcc_copied(mvcc) - copied, 2 * (BUDGET + PATH_ENTRIES));
    }
    ck_assert_uint_ge(mvcc_copied(mvcc), KEYS); /* All was shared. */
    ck_assert_uint_eq(mvcc_version_count(mvcc), KEYS);
    store_snapshot_unref(view);
    mvcc_free(mvcc);
}
END_TEST

Suite *history_suite(void)
{
    Suite *suite = suite_create("store/history");
    TCase *tcase = tcase_create("history");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, compaction_never_changes_what_lies_above_it);
    tcase_add_test(tcase, a_snapshot_restores_state_history_leases_and_hash);
    tcase_add_test(tcase, a_snapshot_is_of_the_moment_it_was_taken);
    tcase_add_test(tcase, every_damaged_byte_of_a_snapshot_is_noticed);
    tcase_add_test(tcase, a_view_stays_what_it_was);
    tcase_add_test(tcase,
                   a_compaction_where_one_write_deleted_very_many_keys_takes_time_by_their_number);
    tcase_add_test(tcase, trimming_while_a_view_is_held_copies_little_at_a_time);
    suite_add_tcase(suite, tcase);
    return suite;
}
