#include "lib/base/cow_tree.h"

#include "lib/base/alloc.h"
#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

/* 32 entries make a node of about half a kilobyte: a copy is a few cache lines and three levels
 * hold 30,000 keys. A node is merged with a neighbour only below a quarter, and only into one that
 * keeps room, so that a key put and removed in a loop does not split and merge each time. */
enum { FANOUT = 32, MERGE_BELOW = FANOUT / 4, MERGE_UP_TO = FANOUT * 3 / 4 };

struct cow_key {
    _Atomic uint32_t refs;
    uint32_t len;
    uint8_t data[];
};

/* In an inner node keys[i] is a lower bound of what child i holds, and an upper one of child i-1;
 * keys[0] bounds nothing. A node with one reference belongs to the writer alone if its parent does:
 * only the writer adds references, and only after it has copied the parent. */
struct cow_node {
    _Atomic uint32_t refs;
    uint16_t count;
    bool leaf;
    struct cow_key *keys[FANOUT];
    void *slots[FANOUT]; /* Values in a leaf, children else. */
};

struct cow_tree {
    const struct cow_value_type *type;
    struct cow_node *root;
    size_t count;
    uint64_t copied; /* See cow_tree_copied(). */
};

struct cow_snapshot {
    _Atomic uint32_t refs;
    const struct cow_value_type *type;
    struct cow_node *root;
    size_t count;
};

static struct cow_key *key_new(struct slice bytes)
{
    assert(bytes.len <= UINT32_MAX);
    struct cow_key *key = alloc_bytes(sizeof(*key) + bytes.len);
    atomic_init(&key->refs, 1);
    key->len = (uint32_t)bytes.len;
    if (bytes.len > 0) {
        memcpy(key->data, bytes.data, bytes.len);
    }
    return key;
}

static struct cow_key *key_ref(struct cow_key *key)
{
    atomic_fetch_add_explicit(&key->refs, 1, memory_order_relaxed);
    return key;
}

static void key_unref(struct cow_key *key)
{
    if (atomic_fetch_sub_explicit(&key->refs, 1, memory_order_acq_rel) == 1) {
        free(key);
    }
}

static struct slice key_slice(const struct cow_key *key)
{
    return slice_of(key->data, key->len);
}

static struct cow_node *node_new(bool leaf)
{
    struct cow_node *node = alloc_zeroed(sizeof(*node));
    atomic_init(&node->refs, 1);
    node->leaf = leaf;
    return node;
}

static struct cow_node *node_ref(struct cow_node *node)
{
    atomic_fetch_add_explicit(&node->refs, 1, memory_order_relaxed);
    return node;
}

static void node_unref(const struct cow_value_type *type, struct cow_node *node)
{
    if (atomic_fetch_sub_explicit(&node->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        key_unref(node->keys[i]);
        if (node->leaf) {
            type->unref(node->slots[i]);
        } else {
            node_unref(type, node->slots[i]);
        }
    }
    free(node);
}

/* Makes *at the writer's own, by copying it if a snapshot holds it too. */
static struct cow_node *node_own(struct cow_tree *tree, void **at)
{
    const struct cow_value_type *type = tree->type;
    struct cow_node *node = *at;
    if (atomic_load_explicit(&node->refs, memory_order_acquire) == 1) {
        return node;
    }
    tree->copied += node->count;
    struct cow_node *copy = alloc_bytes(sizeof(*copy));
    *copy = (struct cow_node){.count = node->count, .leaf = node->leaf};
    atomic_init(&copy->refs, 1);
    for (size_t i = 0; i < node->count; i++) {
        copy->keys[i] = key_ref(node->keys[i]);
        copy->slots[i] = node->slots[i];
        if (node->leaf) {
            type->ref(copy->slots[i]);
        } else {
            (void)node_ref(copy->slots[i]);
        }
    }
    node_unref(type, node);
    *at = copy;
    return copy;
}

/* The first index whose key is >= `key`; sets *ret_equal. */
static size_t leaf_find(const struct cow_node *node, struct slice key, bool *ret_equal)
{
    size_t low = 0;
    size_t high = node->count;
    *ret_equal = false;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = slice_compare(key_slice(node->keys[middle]), key);
        if (order == 0) {
            *ret_equal = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static size_t child_find(const struct cow_node *node, struct slice key)
{
    size_t low = 1;
    size_t high = node->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (slice_compare(key_slice(node->keys[middle]), key) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low - 1;
}

static void node_insert(struct cow_node *node, size_t index, struct cow_key *key, void *slot)
{
    assert(node->count < FANOUT);
    assert(index <= node->count);
    size_t moved = node->count - index;
    memmove(&node->keys[index + 1], &node->keys[index], moved * sizeof(struct cow_key *));
    memmove(&node->slots[index + 1], &node->slots[index], moved * sizeof(void *));
    node->keys[index] = key;
    node->slots[index] = slot;
    node->count++;
}

/* Closes the gap; the key and slot are the caller's. */
static void node_drop(struct cow_node *node, size_t index)
{
    assert(index < node->count);
    size_t moved = node->count - index - 1U;
    memmove(&node->keys[index], &node->keys[index + 1], moved * sizeof(struct cow_key *));
    memmove(&node->slots[index], &node->slots[index + 1], moved * sizeof(void *));
    node->count--;
}

/* Splits the full child at `index`; parent and child are the writer's own. The right part of the
 * last child keeps few entries, so that keys that come in order fill nodes well. */
static void node_split(struct cow_node *parent, size_t index, bool in_order)
{
    struct cow_node *left = parent->slots[index];
    assert(left->count == FANOUT);
    size_t keep = in_order ? FANOUT - 4 : FANOUT / 2;
    struct cow_node *right = node_new(left->leaf);
    right->count = (uint16_t)(FANOUT - keep);
    memcpy(right->keys, &left->keys[keep], right->count * sizeof(struct cow_key *));
    memcpy(right->slots, &left->slots[keep], right->count * sizeof(void *));
    left->count = (uint16_t)keep;
    node_insert(parent, index + 1, key_ref(right->keys[0]), right);
}

struct cow_tree *cow_tree_new(const struct cow_value_type *type)
{
    struct cow_tree *tree = alloc_zeroed(sizeof(*tree));
    tree->type = type;
    tree->root = node_new(/* leaf= */ true);
    return tree;
}

void cow_tree_free(struct cow_tree *tree)
{
    if (tree != NULL) {
        node_unref(tree->type, tree->root);
        free(tree);
    }
}

void cow_tree_clear(struct cow_tree *tree)
{
    node_unref(tree->type, tree->root);
    tree->root = node_new(/* leaf= */ true);
    tree->count = 0;
}

size_t cow_tree_count(const struct cow_tree *tree)
{
    return tree->count;
}

uint64_t cow_tree_copied(const struct cow_tree *tree)
{
    return tree->copied;
}

static void *node_get(const struct cow_node *node, struct slice key)
{
    while (!node->leaf) {
        node = node->slots[child_find(node, key)];
    }
    bool equal;
    size_t index = leaf_find(node, key, &equal);
    return equal ? node->slots[index] : NULL;
}

void *cow_tree_get(const struct cow_tree *tree, struct slice key)
{
    return node_get(tree->root, key);
}

static void *root_slot(struct cow_tree *tree)
{
    return &tree->root;
}

static struct cow_node *tree_own_root_with_room(struct cow_tree *tree)
{
    struct cow_node *root = node_own(tree, root_slot(tree));
    if (root->count < FANOUT) {
        return root;
    }
    struct cow_node *above = node_new(/* leaf= */ false);
    node_insert(above, 0, key_ref(root->keys[0]), root);
    node_split(above, 0, /* in_order= */ false);
    tree->root = above;
    return above;
}

void **cow_tree_place(struct cow_tree *tree, struct slice key)
{
    struct cow_node *node = tree_own_root_with_room(tree);
    bool rightmost = true;
    while (!node->leaf) { /* Full nodes are split on the way down, so a parent has room. */
        size_t index = child_find(node, key);
        rightmost = rightmost && index + 1 == node->count;
        struct cow_node *child = node_own(tree, &node->slots[index]);
        if (child->count == FANOUT) {
            node_split(node, index, rightmost);
            index += slice_compare(key_slice(node->keys[index + 1]), key) <= 0;
        }
        node = node->slots[index];
    }
    bool equal;
    size_t index = leaf_find(node, key, &equal);
    if (!equal) {
        node_insert(node, index, key_new(key), NULL);
        tree->count++;
    }
    return &node->slots[index];
}

bool cow_tree_set(struct cow_tree *tree, struct slice key, void *value_consume)
{
    assert(value_consume != NULL);
    void **place = cow_tree_place(tree, key);
    void *before = *place;
    *place = value_consume;
    if (before != NULL) {
        tree->type->unref(before);
    }
    return before != NULL;
}

void cow_tree_append(struct cow_tree *tree, struct slice key, void *value_consume)
{
    assert(value_consume != NULL);
    struct cow_node *node = tree_own_root_with_room(tree);
    while (!node->leaf) {
        size_t index = node->count - 1U;
        const struct cow_node *child = node_own(tree, &node->slots[index]);
        if (child->count == FANOUT) {
            node_split(node, index, /* in_order= */ true);
            index++;
        }
        node = node->slots[index];
    }
    assert(node->count == 0 || slice_compare(key_slice(node->keys[node->count - 1]), key) < 0);
    node_insert(node, node->count, key_new(key), value_consume);
    tree->count++;
}

/* Moves the child right of `index` into the child at `index`. */
static void node_merge(struct cow_tree *tree, struct cow_node *parent, size_t index)
{
    struct cow_node *left = node_own(tree, &parent->slots[index]);
    struct cow_node *right = node_own(tree, &parent->slots[index + 1]);
    assert(left->count + right->count <= FANOUT);
    if (!right->leaf && right->count > 0) { /* It bounds something now: take the true bound. */
        key_unref(right->keys[0]);
        right->keys[0] = key_ref(parent->keys[index + 1]);
    }
    memcpy(&left->keys[left->count], right->keys, right->count * sizeof(struct cow_key *));
    memcpy(&left->slots[left->count], right->slots, right->count * sizeof(void *));
    left->count = (uint16_t)(left->count + right->count);
    free(right);
    key_unref(parent->keys[index + 1]);
    node_drop(parent, index + 1);
}

static void node_rebalance(struct cow_tree *tree, struct cow_node *parent, size_t index)
{
    struct cow_node *child = parent->slots[index];
    if (child->count >= MERGE_BELOW) {
        return;
    }
    const struct cow_node *left = index > 0 ? parent->slots[index - 1] : NULL;
    const struct cow_node *right = index + 1 < parent->count ? parent->slots[index + 1] : NULL;
    if (left != NULL && (left->count + child->count <= MERGE_UP_TO || child->count == 0)) {
        node_merge(tree, parent, index - 1);
    } else if (right != NULL && (right->count + child->count <= MERGE_UP_TO || child->count == 0)) {
        node_merge(tree, parent, index);
    }
}

static bool node_remove(struct cow_tree *tree, struct cow_node *node, struct slice key)
{
    if (node->leaf) {
        bool equal;
        size_t index = leaf_find(node, key, &equal);
        assert(equal);
        key_unref(node->keys[index]);
        tree->type->unref(node->slots[index]);
        node_drop(node, index);
        return true;
    }
    size_t index = child_find(node, key);
    (void)node_remove(tree, node_own(tree, &node->slots[index]), key);
    node_rebalance(tree, node, index);
    return true;
}

bool cow_tree_remove(struct cow_tree *tree, struct slice key)
{
    if (node_get(tree->root, key) == NULL) { /* So that nothing is copied for nothing. */
        return false;
    }
    (void)node_remove(tree, node_own(tree, root_slot(tree)), key);
    tree->count--;
    while (!tree->root->leaf && tree->root->count == 1) {
        struct cow_node *root = tree->root;
        tree->root = root->slots[0];
        key_unref(root->keys[0]);
        free(root);
    }
    return true;
}

struct cow_snapshot *cow_tree_snapshot(struct cow_tree *tree)
{
    struct cow_snapshot *snapshot = alloc_zeroed(sizeof(*snapshot));
    atomic_init(&snapshot->refs, 1);
    snapshot->type = tree->type;
    snapshot->root = node_ref(tree->root);
    snapshot->count = tree->count;
    return snapshot;
}

static void remains_add(struct cow_remains *remains, struct cow_node *node)
{
    if (remains->count == remains->capacity) {
        remains->capacity = remains->capacity * 2 + FANOUT;
        remains->nodes = alloc_resize(remains->nodes, remains->capacity, sizeof(*remains->nodes));
    }
    remains->nodes[remains->count++] = node;
}

void cow_snapshot_unref(struct cow_snapshot *snapshot)
{
    if (snapshot == NULL ||
        atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    node_unref(snapshot->type, snapshot->root);
    free(snapshot);
}

void cow_snapshot_leave(struct cow_snapshot *snapshot, struct cow_remains *remains)
{
    if (snapshot == NULL ||
        atomic_fetch_sub_explicit(&snapshot->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    assert(remains->type == NULL || remains->type == snapshot->type);
    remains->type = snapshot->type;
    remains_add(remains, snapshot->root);
    free(snapshot);
}

bool cow_remains_free(struct cow_remains *remains, size_t entries)
{
    while (remains->count > 0 && entries > 0) {
        struct cow_node *node = remains->nodes[--remains->count];
        entries--;
        if (atomic_fetch_sub_explicit(&node->refs, 1, memory_order_acq_rel) != 1) {
            continue;
        }
        for (size_t i = 0; i < node->count; i++) {
            key_unref(node->keys[i]);
            if (node->leaf) {
                remains->type->unref(node->slots[i]);
            } else {
                remains_add(remains, node->slots[i]);
            }
        }
        entries -= node->count < entries ? node->count : entries;
        free(node);
    }
    return remains->count > 0;
}

void cow_remains_release(struct cow_remains *remains)
{
    (void)cow_remains_free(remains, SIZE_MAX);
    free(remains->nodes);
    *remains = (struct cow_remains){.nodes = NULL};
}

size_t cow_snapshot_count(const struct cow_snapshot *snapshot)
{
    return snapshot->count;
}

void *cow_snapshot_get(const struct cow_snapshot *snapshot, struct slice key)
{
    return node_get(snapshot->root, key);
}

void cow_cursor_open(struct cow_cursor *cursor, const struct cow_snapshot *snapshot)
{
    cursor->root = snapshot->root;
    cursor->depth = 0;
}

void cow_cursor_open_tree(struct cow_cursor *cursor, const struct cow_tree *tree)
{
    cursor->root = tree->root;
    cursor->depth = 0;
}

static void cursor_push(struct cow_cursor *cursor, const struct cow_node *node, size_t index)
{
    assert(cursor->depth < COW_DEPTH_MAX);
    cursor->levels[cursor->depth++] = (struct cow_cursor_level){.node = node, .index = index};
}

/* Down from `node` along its first or last children. */
static bool cursor_descend(struct cow_cursor *cursor, const struct cow_node *node, bool last)
{
    while (!node->leaf) {
        size_t index = last ? node->count - 1U : 0;
        cursor_push(cursor, node, index);
        node = node->slots[index];
    }
    if (node->count == 0) { /* Only the root of an empty tree. */
        cursor->depth = 0;
        return false;
    }
    cursor_push(cursor, node, last ? node->count - 1U : 0);
    return true;
}

bool cow_cursor_first(struct cow_cursor *cursor)
{
    cursor->depth = 0;
    return cursor_descend(cursor, cursor->root, /* last= */ false);
}

bool cow_cursor_last(struct cow_cursor *cursor)
{
    cursor->depth = 0;
    return cursor_descend(cursor, cursor->root, /* last= */ true);
}

bool cow_cursor_next(struct cow_cursor *cursor)
{
    while (cursor->depth > 0) {
        struct cow_cursor_level *level = &cursor->levels[cursor->depth - 1];
        level->index++;
        if (level->index < level->node->count) {
            return level->node->leaf ||
                   cursor_descend(cursor, level->node->slots[level->index], /* last= */ false);
        }
        cursor->depth--;
    }
    return false;
}

bool cow_cursor_prev(struct cow_cursor *cursor)
{
    while (cursor->depth > 0) {
        struct cow_cursor_level *level = &cursor->levels[cursor->depth - 1];
        if (level->index > 0) {
            level->index--;
            return level->node->leaf ||
                   cursor_descend(cursor, level->node->slots[level->index], /* last= */ true);
        }
        cursor->depth--;
    }
    return false;
}

/* To the leaf where `key` is or would be; the index there may be one past the end. */
static void cursor_locate(struct cow_cursor *cursor, struct slice key)
{
    const struct cow_node *node = cursor->root;
    cursor->depth = 0;
    while (!node->leaf) {
        size_t index = child_find(node, key);
        cursor_push(cursor, node, index);
        node = node->slots[index];
    }
    bool equal;
    cursor_push(cursor, node, leaf_find(node, key, &equal));
}

bool cow_cursor_seek(struct cow_cursor *cursor, struct slice key)
{
    cursor_locate(cursor, key);
    const struct cow_cursor_level *level = &cursor->levels[cursor->depth - 1];
    if (level->index < level->node->count) {
        return true;
    }
    return cow_cursor_next(cursor); /* Steps past the end of this leaf, into the following one. */
}

bool cow_cursor_seek_before(struct cow_cursor *cursor, struct slice key)
{
    cursor_locate(cursor, key);
    return cow_cursor_prev(cursor);
}

struct slice cow_cursor_key(const struct cow_cursor *cursor)
{
    assert(cursor->depth > 0);
    const struct cow_cursor_level *level = &cursor->levels[cursor->depth - 1];
    return key_slice(level->node->keys[level->index]);
}

void *cow_cursor_value(const struct cow_cursor *cursor)
{
    assert(cursor->depth > 0);
    const struct cow_cursor_level *level = &cursor->levels[cursor->depth - 1];
    return level->node->slots[level->index];
}
