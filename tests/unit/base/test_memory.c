#include "lib/base/arena.h"
#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include "lib/base/memory_budget.h"
#include "lib/base/metrics.h"
#include "lib/base/pool.h"
#include "lib/base/uuid.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

Suite *memory_suite(void);

START_TEST(buffer_refuses_more_than_its_maximum_and_remembers_it)
{
    CLEANUP(buffer_release) struct buffer buffer;
    buffer_init(&buffer, 8);
    buffer_append_text(&buffer, "12345678");
    ck_assert_int_eq(buffer_error(&buffer), 0);
    buffer_append_byte(&buffer, '9');
    ck_assert_int_eq(buffer_error(&buffer), -ENOSPC);
    ck_assert_str_eq(buffer_text(&buffer), "12345678");
    buffer_clear(&buffer);
    ck_assert_int_eq(buffer_error(&buffer), 0);
}
END_TEST

START_TEST(buffer_take_hands_out_the_contents)
{
    struct buffer buffer;
    buffer_init(&buffer, 100);
    buffer_printf(&buffer, "%s-%d", "pod", 7);
    buffer_consume(&buffer, 1);
    size_t len;
    uint8_t *data = buffer_take(&buffer, &len);
    ck_assert_uint_eq(len, 4);
    ck_assert_str_eq((char *)data, "od-7");
    ck_assert_uint_eq(buffer.len, 0);
    free(data);
}
END_TEST

START_TEST(arena_counts_aligns_and_resets)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(1 << 20);
    for (size_t i = 1; i < 2000; i++) {
        char *text = arena_printf(arena, "%zu", i);
        ck_assert_uint_eq((uintptr_t)text % 16, 0);
        ck_assert_uint_eq(strtoul(text, NULL, 10), i);
    }
    ck_assert_uint_eq(arena_used(arena) + arena_left(arena), 1 << 20);
    arena_reset(arena);
    ck_assert_uint_eq(arena_used(arena), 0);
}
END_TEST

START_TEST(a_full_arena_says_so_and_goes_on_giving)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(4096);
    (void)arena_alloc(arena, 4080);
    ck_assert(!arena_is_full(arena));
    ck_assert_uint_eq(arena_left(arena), 16);
    memset(arena_alloc(arena, 8192), 1, 8192);
    ck_assert(arena_is_full(arena));
    ck_assert_uint_eq(arena_left(arena), 0);
    arena_reset(arena);
    ck_assert(!arena_is_full(arena));
    ck_assert_uint_eq(arena_left(arena), 4096);
}
END_TEST

START_TEST(an_arena_gives_its_overdraft)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(4096);
    for (size_t i = 0; i < ARENA_OVERDRAFT; i++) {
        (void)arena_alloc(arena, 4096);
    }
    ck_assert_uint_eq(arena_used(arena), (size_t)4096 * ARENA_OVERDRAFT);
}
END_TEST

START_TEST(an_arena_aborts_beyond_its_overdraft)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(4096);
    (void)arena_alloc(arena, (size_t)4096 * ARENA_OVERDRAFT);
    (void)arena_alloc(arena, 1);
}
END_TEST

START_TEST(an_array_that_grows_takes_memory_for_its_length)
{
    enum { MANY = 100000 };
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    size_t *items = NULL, room = 0;
    for (size_t i = 0; i < MANY; i++) {
        items = arena_array_room(arena, items, i, sizeof(*items), &room);
        ck_assert_uint_eq(items[i], 0);
        items[i] = i;
    }
    for (size_t i = 0; i < MANY; i++) {
        ck_assert_uint_eq(items[i], i);
    }
    ck_assert_uint_lt(arena_used(arena), 4 * MANY * sizeof(*items));
}
END_TEST

START_TEST(a_uuid_says_its_version_and_variant)
{
    struct arena *arena = arena_new(SIZE_MAX);
    ck_assert_str_eq(uuid_text(arena, 0, 0), "00000000-0000-4000-8000-000000000000");
    ck_assert_str_eq(uuid_text(arena, UINT64_MAX, UINT64_MAX),
                     "ffffffff-ffff-4fff-bfff-ffffffffffff");
    ck_assert_str_eq(uuid_text(arena, UINT64_C(0x0123456789abcdef), UINT64_C(0x0011223344556677)),
                     "01234567-89ab-4def-8011-223344556677");
    arena_free(arena);
}
END_TEST

START_TEST(a_pool_hands_out_again_what_came_back_and_keeps_no_more_than_it_may)
{
    struct pool pool;
    pool_init(&pool, /* block_bytes= */ 64, /* keep= */ 2);
    size_t keep = LEAKS_ARE_LOOKED_FOR ? 0 : 2; /* Then each block is freed, so that uses show. */
    void *blocks[3];
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        blocks[i] = pool_take(&pool, 1 + i * 31);
        memset(blocks[i], 0xa5, 1 + i * 31);
    }
    for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
        pool_give(&pool, blocks[i], 1 + i * 31);
    }
    ck_assert_uint_eq(pool.count, keep);
    void *again = pool_take(&pool, 64);
    ck_assert(keep == 0 || again == blocks[1]);
    memset(again, 0x5a, 64);
    void *large = pool_take(&pool, 65);
    memset(large, 0x5a, 65);
    pool_give(&pool, large, 65);
    ck_assert_uint_eq(pool.count, keep == 0 ? 0 : keep - 1); /* Too large to be kept. */
    pool_release(&pool);
    ck_assert_uint_eq(pool.count, 0);
    pool_give(&pool, again, 64); /* Still out when the pool ended: freed. */
    ck_assert_uint_eq(pool.count, 0);
}
END_TEST

START_TEST(error_keeps_code_and_gains_context)
{
    CLEANUP(error_release) struct error error = {.code = 0};
    ck_assert_int_eq(error_set(&error, -ENOENT, "no %s", "file"), -ENOENT);
    ck_assert_int_eq(error_wrap(&error, "reading"), -ENOENT);
    ck_assert_str_eq(error_message(&error), "reading: no file");
}
END_TEST

START_TEST(metrics_render_in_exposition_format)
{
    struct metrics *metrics = metrics_new();
    metric_add(metrics_counter(metrics, "a_total", "As.", "verb=\"get\""), 2);
    metric_add(metrics_counter(metrics, "a_total", "As.", "verb=\"get\""), 1);
    static const double bounds[] = {1, 2};
    metric_observe(metrics_histogram(metrics, "h", "H.", NULL, bounds, 2), 1.5);
    metric_set_real(metrics_gauge_real(metrics, "r", "R.", "a=\"b\""), 0.25);
    metric_observe_all(metrics_timing(metrics, "t", "T.", NULL, bounds, 2),
                       (const uint64_t[]){0, 3000000000, 1}, 6e9);
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 4096);
    metrics_render(metrics, &out);
    ck_assert_str_eq(buffer_text(&out), "# HELP a_total As.\n# TYPE a_total counter\n"
                                        "a_total{verb=\"get\"} 3\n"
                                        "# HELP h H.\n# TYPE h histogram\n"
                                        "h_bucket{le=\"1\"} 0\nh_bucket{le=\"2\"} 1\n"
                                        "h_bucket{le=\"+Inf\"} 1\nh_sum 1.5\nh_count 1\n"
                                        "# HELP r R.\n# TYPE r gauge\nr{a=\"b\"} 0.25\n"
                                        "# HELP t T.\n# TYPE t histogram\n"
                                        "t_bucket{le=\"1\"} 0\nt_bucket{le=\"2\"} 3000000000\n"
                                        "t_bucket{le=\"+Inf\"} 3000000001\nt_sum 6000000000\n"
                                        "t_count 3000000001\n");
    metrics_free(metrics);
}
END_TEST

START_TEST(a_budget_has_room_for_what_is_not_held)
{
    struct memory_budget budget = {.limit = 100000};
    struct memory_hold hold = {.budget = &budget};
    ck_assert(memory_has_room(&budget, 100000));
    ck_assert(!memory_has_room(&budget, 100001));
    memory_hold_set(&hold, 60000);
    ck_assert(memory_has_room(&budget, 40000));
    ck_assert(!memory_has_room(&budget, 40001));
    memory_hold_set(&hold, 100001);
    ck_assert(!memory_is_short(NULL));
    memory_hold_set(&hold, 110000);
    ck_assert(memory_is_short(&budget));
    memory_hold_set(&hold, 0);
    ck_assert_int_eq(atomic_load(&budget.held), 0);
    ck_assert(memory_has_room(NULL, SIZE_MAX));
}
END_TEST

START_TEST(small_changes_of_a_hold_are_not_counted_and_its_end_is)
{
    struct memory_budget budget = {.limit = 100000};
    struct memory_hold hold = {.budget = &budget};
    memory_hold_set(&hold, MEMORY_HOLD_STEP - 1);
    ck_assert_int_eq(atomic_load(&budget.held), 0);
    memory_hold_set(&hold, MEMORY_HOLD_STEP);
    ck_assert_int_eq(atomic_load(&budget.held), MEMORY_HOLD_STEP);
    memory_hold_set(&hold, 1);
    ck_assert_int_eq(atomic_load(&budget.held), MEMORY_HOLD_STEP);
    memory_hold_set(&hold, 0);
    ck_assert_int_eq(atomic_load(&budget.held), 0);
}
END_TEST

START_TEST(an_arena_counts_what_it_takes_from_the_heap)
{
    struct memory_budget budget = {.limit = 1 << 20};
    struct arena *arena = arena_new(SIZE_MAX);
    arena_set_budget(arena, &budget);
    (void)arena_alloc(arena, 100);
    int64_t first = atomic_load(&budget.held);
    ck_assert_int_ge(first, 100);
    (void)arena_alloc(arena, 500000);
    ck_assert_int_ge(atomic_load(&budget.held), first + 500000);
    arena_reset(arena);
    ck_assert_int_ge(atomic_load(&budget.held), 100); /* One block is kept for the next. */
    arena_free(arena);
    ck_assert_int_eq(atomic_load(&budget.held), 0);
}
END_TEST

START_TEST(a_tight_arena_leaves_an_eighth_unused)
{
    enum { PIECE = 112, CHUNK = 4096 };
    struct memory_budget budget = {.limit = SIZE_MAX};
    struct arena *arena = arena_new_tight(SIZE_MAX);
    arena_set_budget(arena, &budget);
    for (size_t i = 0; i < 20000; i++) {
        char *piece = arena_alloc(arena, PIECE);
        memset(piece, (int)(i % 128), PIECE);
        size_t used = (i + 1) * PIECE;
        ck_assert_int_ge((int64_t)atomic_load(&budget.held), (int64_t)used);
        /* The end of each part, too short for one more, is lost as well: less than a 36th. */
        ck_assert_int_le((int64_t)atomic_load(&budget.held),
                         (int64_t)(used + used / 8 + used / 36 + 2 * CHUNK));
    }
    arena_free(arena);
    ck_assert_int_eq((int64_t)atomic_load(&budget.held), 0);
}
END_TEST

Suite *memory_suite(void)
{
    Suite *suite = suite_create("base/memory");
    TCase *tcase = tcase_create("memory");
    tcase_add_test(tcase, buffer_refuses_more_than_its_maximum_and_remembers_it);
    tcase_add_test(tcase, buffer_take_hands_out_the_contents);
    tcase_add_test(tcase, arena_counts_aligns_and_resets);
    tcase_add_test(tcase, a_full_arena_says_so_and_goes_on_giving);
    tcase_add_test(tcase, an_arena_gives_its_overdraft);
    tcase_add_test_raise_signal(tcase, an_arena_aborts_beyond_its_overdraft, SIGABRT);
    tcase_add_test(tcase, an_array_that_grows_takes_memory_for_its_length);
    tcase_add_test(tcase, a_budget_has_room_for_what_is_not_held);
    tcase_add_test(tcase, small_changes_of_a_hold_are_not_counted_and_its_end_is);
    tcase_add_test(tcase, an_arena_counts_what_it_takes_from_the_heap);
    tcase_add_test(tcase, a_tight_arena_leaves_an_eighth_unused);
    tcase_add_test(tcase, a_uuid_says_its_version_and_variant);
    tcase_add_test(tcase, a_pool_hands_out_again_what_came_back_and_keeps_no_more_than_it_may);
    tcase_add_test(tcase, error_keeps_code_and_gains_context);
    tcase_add_test(tcase, metrics_render_in_exposition_format);
    suite_add_tcase(suite, tcase);
    return suite;
}
