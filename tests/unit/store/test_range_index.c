/* The index of ranges says what looking at each of them would say. */
#include "lib/base/compiler.h"
#include "store/mvcc_range.h"
#include "store/range_index.h"
#include <check.h>
#include <stdlib.h>
#include <string.h>

Suite *range_index_suite(void);

enum { NODES = 400, STEPS = 4000 };

struct item {
    struct range_node node;
    uint8_t begin[2], end[2];
    size_t begin_len, end_len;
    bool in;
    unsigned hits;
};

static struct item items[NODES];

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;
    return *state >> 8;
}

static void hit(void *data, struct range_node *node)
{
    struct range_node **last = data;
    struct item *item = CONTAINER_OF(node, struct item, node);
    int order = *last == NULL ? -1 : slice_compare((*last)->begin, node->begin);
    bool in_order = order < 0 || (order == 0 && (*last)->order < node->order);
    item->hits += in_order ? 1 : 2; /* Two are wrong, whatever is expected. */
    *last = node;
}

static void check_key(const struct range_index *index, struct slice key)
{
    struct range_node *last = NULL;
    size_t wrong = 0; /* One assertion for all: each is slow. */
    range_index_at(index, key, hit, &last);
    for (size_t i = 0; i < NODES; i++) {
        bool expected =
            items[i].in && mvcc_in_range(key, slice_of(items[i].begin, items[i].begin_len),
                                         slice_of(items[i].end, items[i].end_len));
        wrong += items[i].hits != (expected ? 1 : 0);
        items[i].hits = 0;
    }
    ck_assert_uint_eq(wrong, 0);
}

/* Few letters, so that ranges begin and end at the same places; some empty, some without an end. */
static void choose(struct item *item, uint32_t *random)
{
    item->begin_len = next_random(random) % 3;
    item->end_len = 1 + next_random(random) % 2;
    for (size_t i = 0; i < 2; i++) {
        item->begin[i] = (uint8_t)('a' + next_random(random) % 8);
        item->end[i] = (uint8_t)('a' + next_random(random) % 8);
    }
    if (next_random(random) % 8 == 0) {
        item->end[0] = 0;
        item->end_len = 1;
    }
}

START_TEST(the_index_agrees_with_looking_at_each)
{
    struct range_index index = {0};
    uint32_t random = 1;
    memset(items, 0, sizeof(items));
    for (size_t step = 0; step < STEPS; step++) {
        struct item *item = &items[next_random(&random) % NODES];
        if (item->in) {
            range_index_remove(&index, &item->node);
        } else {
            choose(item, &random);
            range_index_add(&index, &item->node, slice_of(item->begin, item->begin_len),
                            slice_of(item->end, item->end_len));
        }
        item->in = !item->in;
        uint8_t key[2] = {(uint8_t)('a' + next_random(&random) % 9),
                          (uint8_t)('a' + next_random(&random) % 9)};
        check_key(&index, slice_of(key, next_random(&random) % 3));
    }
    for (size_t i = 0; i < NODES; i++) {
        if (items[i].in) {
            range_index_remove(&index, &items[i].node);
            items[i].in = false;
        }
    }
    ck_assert_ptr_null(index.root);
}
END_TEST

Suite *range_index_suite(void)
{
    Suite *suite = suite_create("store/range_index");
    TCase *tcase = tcase_create("index");
    tcase_add_test(tcase, the_index_agrees_with_looking_at_each);
    suite_add_tcase(suite, tcase);
    return suite;
}
