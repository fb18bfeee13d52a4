/* The tree against a plain array as model, with snapshots taken along the way. */
#include "lib/base/alloc.h"
#include "lib/base/cow_tree.h"

#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

Suite *cow_tree_suite(void);

enum { KEYS = 3000 };

struct number {
    _Atomic int refs;
    uint64_t value;
};

static _Atomic int numbers_alive;

static void number_ref(void *value)
{
    struct number *number = value;
    atomic_fetch_add(&number->refs, 1);
}

static void number_unref(void *value)
{
    struct number *number = value;
    if (atomic_fetch_sub(&number->refs, 1) == 1) {
        atomic_fetch_sub(&numbers_alive, 1);
        free(number);
    }
}

static const struct cow_value_type number_type = {.ref = number_ref, .unref = number_unref};

static struct number *number_new(uint64_t value)
{
    struct number *number = alloc_zeroed(sizeof(*number));
    atomic_init(&number->refs, 1);
    number->value = value;
    atomic_fetch_add(&numbers_alive, 1);
    return number;
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

static struct slice key_text(char *buffer, size_t size, uint64_t n)
{
    int len = snprintf(buffer, size, "key/%05llu", (unsigned long long)n);
    return slice_of(buffer, (size_t)len);
}

/* Walks both ways and compares with the model (0 = absent). */
static void check_equal(struct cow_cursor *cursor, const uint64_t *model)
{
    char text[32];
    bool at = cow_cursor_first(cursor);
    for (uint64_t n = 0; n < KEYS; n++) {
        if (model[n] != 0) {
            ck_assert(at);
            ck_assert(slice_equal(cow_cursor_key(cursor), key_text(text, sizeof(text), n)));
            ck_assert_uint_eq(((struct number *)cow_cursor_value(cursor))->value, model[n]);
            at = cow_cursor_next(cursor);
        }
    }
    ck_assert(!at);
    at = cow_cursor_last(cursor);
    for (uint64_t n = KEYS; n-- > 0;) {
        if (model[n] != 0) {
            ck_assert(at);
            ck_assert_uint_eq(((struct number *)cow_cursor_value(cursor))->value, model[n]);
            at = cow_cursor_prev(cursor);
        }
    }
    ck_assert(!at);
}

static void change_randomly(struct cow_tree *tree, uint64_t *model, uint64_t *seed, size_t steps,
                            unsigned removal_of_8)
{
    char text[32];
    for (size_t i = 0; i < steps; i++) {
        uint64_t n = next_random(seed) % KEYS;
        struct slice key = key_text(text, sizeof(text), n);
        if (next_random(seed) % 8 < removal_of_8) {
            ck_assert_int_eq(cow_tree_remove(tree, key), model[n] != 0);
            model[n] = 0;
        } else {
            uint64_t value = next_random(seed) + 1;
            ck_assert_int_eq(cow_tree_set(tree, key, number_new(value)), model[n] != 0);
            model[n] = value;
        }
    }
}

START_TEST(snapshots_keep_what_they_saw_while_the_tree_changes)
{
    enum { ROUNDS = 12 };
    static uint64_t models[ROUNDS][KEYS];
    static uint64_t model[KEYS];
    struct cow_snapshot *snapshots[ROUNDS];
    struct cow_tree *tree = cow_tree_new(&number_type);
    struct cow_cursor cursor;
    uint64_t seed = 7;
    for (size_t round = 0; round < ROUNDS; round++) {
        change_randomly(tree, model, &seed, 3000, round % 3 == 2 ? 7 : 2);
        snapshots[round] = cow_tree_snapshot(tree);
        memcpy(models[round], model, sizeof(model));
    }
    change_randomly(tree, model, &seed, 20000, 6);
    cow_cursor_open_tree(&cursor, tree);
    check_equal(&cursor, model);
    cow_tree_free(tree);
    for (size_t round = 0; round < ROUNDS; round++) {
        cow_cursor_open(&cursor, snapshots[round]);
        check_equal(&cursor, models[round]);
        cow_snapshot_unref(snapshots[round]);
    }
    ck_assert_int_eq(atomic_load(&numbers_alive), 0);
}
END_TEST

START_TEST(what_a_snapshot_leaves_is_freed_bit_by_bit)
{
    enum { STEP = 100, NODE_ENTRIES_MAX = 32 };
    static uint64_t model[KEYS];
    struct cow_tree *tree = cow_tree_new(&number_type);
    struct cow_remains remains = {0};
    struct cow_cursor cursor;
    uint64_t seed = 9;
    char text[32];
    change_randomly(tree, model, &seed, 20000, 1);
    uint64_t copied = cow_tree_copied(tree);
    ck_assert_uint_eq(copied, 0); /* There was no snapshot. */
    struct cow_snapshot *snapshot = cow_tree_snapshot(tree);
    struct cow_snapshot *other = cow_tree_snapshot(tree);
    for (uint64_t n = 0; n < KEYS; n++) {
        (void)cow_tree_set(tree, key_text(text, sizeof(text), n), number_new(n + 1));
        model[n] = n + 1;
    }
    ck_assert_uint_ge(cow_tree_copied(tree), KEYS / 2); /* All of it was shared. */
    int before = atomic_load(&numbers_alive);
    cow_snapshot_leave(snapshot, &remains);
    ck_assert(!cow_remains_free(&remains, SIZE_MAX)); /* The other one has it still. */
    ck_assert_int_eq(atomic_load(&numbers_alive), before);
    cow_snapshot_leave(other, &remains);
    ck_assert_int_eq(atomic_load(&numbers_alive), before);
    for (bool more = true; more;) {
        int alive = atomic_load(&numbers_alive);
        more = cow_remains_free(&remains, STEP);
        ck_assert_int_le(alive - atomic_load(&numbers_alive), STEP + NODE_ENTRIES_MAX);
    }
    ck_assert_uint_eq((size_t)atomic_load(&numbers_alive), cow_tree_count(tree));
    cow_remains_release(&remains);
    cow_cursor_open_tree(&cursor, tree);
    check_equal(&cursor, model);
    cow_tree_free(tree);
    ck_assert_int_eq(atomic_load(&numbers_alive), 0);
}
END_TEST

START_TEST(seek_finds_the_neighbours_of_any_key)
{
    struct cow_tree *tree = cow_tree_new(&number_type);
    char text[32];
    for (uint64_t n = 1; n < KEYS; n += 2) { /* Odd keys are there. */
        cow_tree_set(tree, key_text(text, sizeof(text), n), number_new(n));
    }
    ck_assert_uint_eq(cow_tree_count(tree), KEYS / 2);
    struct cow_cursor cursor;
    cow_cursor_open_tree(&cursor, tree);
    for (uint64_t n = 0; n < KEYS; n++) {
        struct slice key = key_text(text, sizeof(text), n);
        ck_assert(cow_cursor_seek(&cursor, key));
        ck_assert_uint_eq(((struct number *)cow_cursor_value(&cursor))->value, n | 1);
        bool before = cow_cursor_seek_before(&cursor, key);
        ck_assert_int_eq(before, n > 1);
        if (before) {
            ck_assert_uint_eq(((struct number *)cow_cursor_value(&cursor))->value,
                              n % 2 == 0 ? n - 1 : n - 2);
        }
    }
    ck_assert(!cow_cursor_seek(&cursor, slice_text("z")));
    ck_assert(cow_cursor_seek_before(&cursor, slice_text("z")));
    ck_assert_ptr_null(cow_tree_get(tree, slice_text("")));
    cow_tree_clear(tree);
    cow_cursor_open_tree(&cursor, tree);
    ck_assert(!cow_cursor_first(&cursor) && !cow_cursor_last(&cursor));
    ck_assert(!cow_cursor_seek(&cursor, slice_text("")));
    cow_tree_free(tree);
    ck_assert_int_eq(atomic_load(&numbers_alive), 0);
}
END_TEST

/* Each reader sums a snapshot again and again: it must never change under it. */
static void *read_until_done(void *data)
{
    struct cow_snapshot *snapshot = data;
    uint64_t first = 0;
    for (int pass = 0; pass < 20; pass++) {
        uint64_t sum = 0;
        struct cow_cursor cursor;
        cow_cursor_open(&cursor, snapshot);
        for (bool at = cow_cursor_first(&cursor); at; at = cow_cursor_next(&cursor)) {
            sum += ((struct number *)cow_cursor_value(&cursor))->value;
        }
        if (pass == 0) {
            first = sum;
        }
        ck_assert_uint_eq(first, sum);
    }
    cow_snapshot_unref(snapshot);
    return NULL;
}

START_TEST(readers_on_other_threads_are_not_disturbed_by_the_writer)
{
    struct cow_tree *tree = cow_tree_new(&number_type);
    static uint64_t model[KEYS];
    uint64_t seed = 11;
    change_randomly(tree, model, &seed, 5000, 1);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        struct cow_snapshot *snapshot = cow_tree_snapshot(tree);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, read_until_done, snapshot), 0);
        change_randomly(tree, model, &seed, 3000, 3);
    }
    change_randomly(tree, model, &seed, 20000, 3);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    }
    cow_tree_free(tree);
    ck_assert_int_eq(atomic_load(&numbers_alive), 0);
}
END_TEST

START_TEST(keys_appended_in_order_make_the_same_tree_as_keys_set)
{
    struct cow_tree *tree = cow_tree_new(&number_type);
    static uint64_t model[KEYS];
    char text[32];
    uint64_t seed = 5;
    struct cow_snapshot *early = NULL;
    for (uint64_t n = 0; n < KEYS; n++) {
        model[n] = next_random(&seed) % 3 == 0 ? 0 : n + 1;
        if (model[n] != 0) {
            cow_tree_append(tree, key_text(text, sizeof(text), n), number_new(model[n]));
        }
        if (n == KEYS / 2) {
            early = cow_tree_snapshot(tree);
        }
    }
    ck_assert_ptr_eq(cow_snapshot_get(early, key_text(text, sizeof(text), KEYS - 1)), NULL);
    cow_snapshot_unref(early);
    struct cow_cursor cursor;
    cow_cursor_open_tree(&cursor, tree);
    check_equal(&cursor, model);
    change_randomly(tree, model, &seed, 5000, 2);
    cow_cursor_open_tree(&cursor, tree);
    check_equal(&cursor, model);
    cow_tree_free(tree);
    ck_assert_int_eq(atomic_load(&numbers_alive), 0);
}
END_TEST

Suite *cow_tree_suite(void)
{
    Suite *suite = suite_create("base/cow_tree");
    TCase *tcase = tcase_create("cow_tree");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, snapshots_keep_what_they_saw_while_the_tree_changes);
    tcase_add_test(tcase, keys_appended_in_order_make_the_same_tree_as_keys_set);
    tcase_add_test(tcase, what_a_snapshot_leaves_is_freed_bit_by_bit);
    tcase_add_test(tcase, seek_finds_the_neighbours_of_any_key);
    tcase_add_test(tcase, readers_on_other_threads_are_not_disturbed_by_the_writer);
    suite_add_tcase(suite, tcase);
    return suite;
}
