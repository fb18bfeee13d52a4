#include "store/range_index.h"

#include <assert.h>
#include <stddef.h>

static bool has_no_end(const struct range_node *node)
{
    return node->end.len == 1 && node->end.data[0] == 0;
}

static bool ends_after(const struct range_node *node, struct slice key)
{
    return has_no_end(node) || slice_compare(key, node->end) < 0;
}

static const struct range_node *later(const struct range_node *a, const struct range_node *b)
{
    if (b == NULL || has_no_end(a)) {
        return a;
    }
    return has_no_end(b) || slice_compare(a->end, b->end) < 0 ? b : a;
}

static bool before(const struct range_node *a, const struct range_node *b)
{
    int order = slice_compare(a->begin, b->begin);
    return order != 0 ? order < 0 : a->order < b->order;
}

static void refresh(struct range_node *node)
{
    node->last = node;
    if (node->left != NULL) {
        node->last = later(node->last, node->left->last);
    }
    if (node->right != NULL) {
        node->last = later(node->last, node->right->last);
    }
}

/* All of `a` are before all of `b`. */
static struct range_node *join(struct range_node *a, struct range_node *b)
{
    if (a == NULL || b == NULL) {
        return a == NULL ? b : a;
    }
    if (a->priority > b->priority) {
        a->right = join(a->right, b);
        refresh(a);
        return a;
    }
    b->left = join(a, b->left);
    refresh(b);
    return b;
}

static void split(struct range_node *tree, const struct range_node *at, struct range_node **ret_low,
                  struct range_node **ret_high)
{
    if (tree == NULL) {
        *ret_low = *ret_high = NULL;
        return;
    }
    if (before(tree, at)) {
        split(tree->right, at, &tree->right, ret_high);
        *ret_low = tree;
    } else {
        split(tree->left, at, ret_low, &tree->left);
        *ret_high = tree;
    }
    refresh(tree);
}

/* Spread over 64 bits, the same in every run: SplitMix64 (Steele et al., 2014). */
static uint64_t priority_of(uint64_t order)
{
    uint64_t mixed = order * UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

void range_index_add(struct range_index *index, struct range_node *node, struct slice begin,
                     struct slice end)
{
    assert(end.len > 0);
    struct range_node *low, *high;
    uint64_t order = ++index->added;
    *node = (struct range_node){
        .begin = begin, .end = end, .order = order, .priority = priority_of(order)};
    refresh(node);
    split(index->root, node, &low, &high);
    index->root = join(join(low, node), high);
}

static struct range_node *without(struct range_node *tree, const struct range_node *node)
{
    assert(tree != NULL); /* It is in. */
    if (tree == node) {
        return join(tree->left, tree->right);
    }
    if (before(node, tree)) {
        tree->left = without(tree->left, node);
    } else {
        tree->right = without(tree->right, node);
    }
    refresh(tree);
    return tree;
}

void range_index_remove(struct range_index *index, struct range_node *node)
{
    index->root = without(index->root, node);
}

static void look(struct range_node *tree, struct slice key,
                 void (*each)(void *data, struct range_node *node), void *data)
{
    if (tree == NULL || !ends_after(tree->last, key)) {
        return;
    }
    look(tree->left, key, each, data);
    if (slice_compare(tree->begin, key) > 0) {
        return; /* All to the right begin later still. */
    }
    if (tree->last == tree || ends_after(tree, key)) {
        each(data, tree);
    }
    look(tree->right, key, each, data);
}

void range_index_at(const struct range_index *index, struct slice key,
                    void (*each)(void *data, struct range_node *node), void *data)
{
    look(index->root, key, each, data);
}
