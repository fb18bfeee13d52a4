/* Which of many key ranges hold a key: an interval tree, in the memory of its users. For watches:
 * an event must not cost a look at each of them. Pure. Source: a treap (Aragon and Seidel, 1989) by
 * begin, each node with the greatest end below it (Cormen et al., "Introduction to Algorithms",
 * interval trees). O(log n) a change, O(log n + hits) a question, expected. */
#ifndef STORE_RANGE_INDEX_H
#define STORE_RANGE_INDEX_H
#include "lib/base/slice.h"
#include <stdbool.h>
#include <stdint.h>

struct range_node {
    struct slice begin,
        end;        /* Borrowed while it is in; etcd's meaning, "\0" is no end. Not empty. */
    uint64_t order; /* The index's: when it was added. */
    uint64_t priority;
    struct range_node *left, *right;
    const struct range_node *last; /* Of the subtree: the one that ends last. */
};

struct range_index {
    struct range_node *root; /* All zero: empty. */
    uint64_t added;
};

void range_index_add(struct range_index *index, struct range_node *node, struct slice begin,
                     struct slice end);
void range_index_remove(struct range_index *index, struct range_node *node); /* It must be in. */
/* Calls `each` for every range that holds the key, by begin, then by age. It must not change the
 * index. */
void range_index_at(const struct range_index *index, struct slice key,
                    void (*each)(void *data, struct range_node *node), void *data);
#endif
