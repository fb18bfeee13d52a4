/* Names in arrays, sets of texts and joined texts. */
#include "lib/base/arena.h"
#include "lib/base/name_index.h"
#include <check.h>
#include <string.h>

enum { MANY = 5000 };

static struct arena *arena;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
}

static void teardown(void)
{
    arena_free(arena);
}

static const char *name_of(size_t i)
{
    return arena_printf(arena, "name-%zu", i);
}

START_TEST(every_name_of_many_is_found_where_it_stands)
{
    struct name_index index = {0};
    for (size_t i = 0; i < MANY; i++) {
        name_index_add(&index, arena, slice_text(name_of(i)), i);
    }
    for (size_t i = 0; i < MANY; i++) {
        bool found = false;
        for (struct name_search search = name_index_find(&index, slice_text(name_of(i)));
             name_index_next(&search);) {
            found = found || search.place == i;
        }
        ck_assert(found);
    }
}
END_TEST

START_TEST(of_equal_names_the_first_is_found_first)
{
    struct name_index index = {0};
    size_t places[4], count = 0;
    for (size_t i = 0; i < MANY; i++) { /* It grows between them. */
        name_index_add(&index, arena, slice_text(i % (MANY / 4) == 0 ? "same" : name_of(i)), i);
    }
    for (struct name_search search = name_index_find(&index, slice_text("same"));
         name_index_next(&search) && count < 4;) {
        if (search.place % (MANY / 4) == 0) {
            places[count++] = search.place;
        }
    }
    ck_assert_uint_eq(count, 4);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_uint_eq(places[i], i * (MANY / 4));
    }
}
END_TEST

/* A search for a free slot behind each that is alike would take the square of it. */
START_TEST(names_that_are_all_the_same_take_no_longer_than_others)
{
    enum { EQUAL = 1000000 };
    struct name_index index = {0};
    for (size_t i = 0; i < EQUAL; i++) {
        name_index_add(&index, arena, slice_text(i % 2 == 0 ? "even" : "odd"), i);
    }
    for (size_t odd = 0; odd < 2; odd++) {
        struct name_search search = name_index_find(&index, slice_text(odd ? "odd" : "even"));
        size_t place = odd;
        while (name_index_next(&search) && search.place == place) {
            place += 2;
        }
        ck_assert_uint_eq(place, EQUAL + odd);
    }
}
END_TEST

START_TEST(an_empty_index_finds_nothing)
{
    const struct name_index index = {0};
    struct name_search search = name_index_find(&index, slice_text("a"));
    ck_assert(!name_index_next(&search));
}
END_TEST

START_TEST(a_set_takes_each_text_once)
{
    struct text_set set = {.arena = arena};
    ck_assert(!text_set_has(&set, ""));
    for (size_t i = 0; i < MANY; i++) {
        ck_assert(text_set_add(&set, name_of(i)));
    }
    for (size_t i = 0; i < MANY; i++) {
        ck_assert(!text_set_add(&set, name_of(i)));
        ck_assert(text_set_has(&set, name_of(i)));
        ck_assert_uint_eq(text_set_place(&set, name_of(i)), i);
    }
    ck_assert(!text_set_has(&set, name_of(MANY)));
    ck_assert_uint_eq(text_set_place(&set, name_of(MANY)), MANY);
    ck_assert_uint_eq(set.count, MANY);
}
END_TEST

START_TEST(texts_are_joined_with_what_stands_between)
{
    const char *const texts[] = {"a", "", "bc"};
    ck_assert_str_eq(arena_join(arena, texts, 3, ", "), "a, , bc");
    ck_assert_str_eq(arena_join(arena, texts, 1, ", "), "a");
    ck_assert_str_eq(arena_join(arena, texts, 0, ", "), "");
}
END_TEST

Suite *name_index_suite(void);

Suite *name_index_suite(void)
{
    Suite *suite = suite_create("base/name_index");
    TCase *names = tcase_create("names");
    tcase_add_checked_fixture(names, setup, teardown);
    tcase_add_test(names, every_name_of_many_is_found_where_it_stands);
    tcase_add_test(names, of_equal_names_the_first_is_found_first);
    tcase_add_test(names, names_that_are_all_the_same_take_no_longer_than_others);
    tcase_add_test(names, an_empty_index_finds_nothing);
    tcase_add_test(names, a_set_takes_each_text_once);
    tcase_add_test(names, texts_are_joined_with_what_stands_between);
    suite_add_tcase(suite, names);
    return suite;
}
