/* Ordered map from bytes to refcounted values, as a copy-on-write B+tree: one writer, and immutable
 * snapshots that any thread reads without locks. No I/O. Keys are copied in. A snapshot costs O(1);
 * after it, the writer copies the nodes on a path the first time it changes them and edits in place
 * from then on. */
#ifndef LIB_BASE_COW_TREE_H
#define LIB_BASE_COW_TREE_H
#include "lib/base/compiler.h"
#include "lib/base/slice.h"

/* How values are shared. Both are called from any thread that drops a snapshot, so they must be
 * atomic; `unref` must not touch the tree. */
struct cow_value_type {
    void (*ref)(void *value);
    void (*unref)(void *value);
};

struct cow_tree;     /* The writer's; one thread at a time. */
struct cow_snapshot; /* Immutable, atomically refcounted; any thread. */

MUST_USE struct cow_tree *cow_tree_new(const struct cow_value_type *type); /* type is borrowed. */
void cow_tree_free(struct cow_tree *tree); /* NULL is a no-op; snapshots live on. */
void cow_tree_clear(struct cow_tree *tree);
size_t cow_tree_count(const struct cow_tree *tree);
void *cow_tree_get(const struct cow_tree *tree, struct slice key); /* Borrowed; NULL if absent. */
/* Sets key to value (not NULL), taking over the caller's reference; true when it replaced one. */
bool cow_tree_set(struct cow_tree *tree, struct slice key, void *value_consume);
/* Where the value of key is, to be looked at and replaced with one search: NULL is there when the
 * key was absent, and must be replaced. The reference there is the tree's: whoever takes the value
 * out takes it over. Valid until the tree is used again. */
void **cow_tree_place(struct cow_tree *tree, struct slice key);
/* As cow_tree_set() for a key above all that are there: no key is compared. */
void cow_tree_append(struct cow_tree *tree, struct slice key, void *value_consume);
bool cow_tree_remove(struct cow_tree *tree, struct slice key); /* True when it was there. */
/* Entries of nodes copied since the beginning, as a snapshot held them too: each costs two
 * references, mostly out of the cache. */
uint64_t cow_tree_copied(const struct cow_tree *tree);

/* The caller owns one reference. Taking it is the writer's; the rest is any thread's. */
MUST_USE struct cow_snapshot *cow_tree_snapshot(struct cow_tree *tree);
void cow_snapshot_unref(struct cow_snapshot *snapshot); /* NULL is a no-op. */

/* A snapshot that was held while much was written holds as much of its own. Who must not stop for
 * as long as that takes to free leaves it here, and frees some of it at a time. All zero at first;
 * one thread; snapshots of trees of one type. */
struct cow_remains {
    const struct cow_value_type *type;
    struct cow_node **nodes; /* References that are still to be dropped. */
    size_t count, capacity;
};
/* As cow_snapshot_unref(), with nothing freed of what lies below. */
void cow_snapshot_leave(struct cow_snapshot *snapshot, struct cow_remains *remains);
/* About so many entries; true when there is more. */
bool cow_remains_free(struct cow_remains *remains, size_t entries);
void cow_remains_release(struct cow_remains *remains); /* Frees all, and the list itself. */

size_t cow_snapshot_count(const struct cow_snapshot *snapshot);
void *cow_snapshot_get(const struct cow_snapshot *snapshot, struct slice key); /* Borrowed. */

enum { COW_DEPTH_MAX = 16 }; /* Far above what memory can hold with nodes at least half full. */

/* A place in a snapshot (which must stay referenced) or in a tree (which must not change while the
 * cursor is used). Lives in the caller's memory and needs no release. The members are private. */
struct cow_cursor {
    const struct cow_node *root;
    size_t depth; /* Number of levels in use; 0 when at no entry. */
    struct cow_cursor_level {
        const struct cow_node *node;
        size_t index;
    } levels[COW_DEPTH_MAX];
};

void cow_cursor_open(struct cow_cursor *cursor, const struct cow_snapshot *snapshot);
void cow_cursor_open_tree(struct cow_cursor *cursor, const struct cow_tree *tree);
/* Each positions the cursor and returns whether it is at an entry. */
bool cow_cursor_first(struct cow_cursor *cursor);
bool cow_cursor_last(struct cow_cursor *cursor);
bool cow_cursor_seek(struct cow_cursor *cursor, struct slice key);        /* First entry >= key. */
bool cow_cursor_seek_before(struct cow_cursor *cursor, struct slice key); /* Last entry < key. */
bool cow_cursor_next(struct cow_cursor *cursor);
bool cow_cursor_prev(struct cow_cursor *cursor);
/* Only while at an entry; borrowed from the snapshot or tree. */
struct slice cow_cursor_key(const struct cow_cursor *cursor);
void *cow_cursor_value(const struct cow_cursor *cursor);
#endif
