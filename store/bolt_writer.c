#include "store/bolt_writer.h"

#include "lib/base/alloc.h"
#include <assert.h>
#include <stdlib.h>

enum { ROOT_PAGE = 3, FIRST_PAGE = 4, FREELIST_PAGE = 2, NODE_COUNT_MAX = 0xffff };

/* One page (with its overflow) of a tree: what it holds begins at `first`, an entry of the bucket
 * or a node of the level below, and ends where the next node's begins. */
struct node {
    uint64_t first;
    uint64_t id;
};

struct level {
    struct node *nodes;
    size_t count, capacity;
};

struct tree {
    struct bolt_source source;
    struct level levels[BOLT_DEPTH_MAX]; /* 0: leaves. */
    size_t level_count;                  /* 0: empty, and written inline. */
};

struct bolt_writer {
    struct tree trees[BOLT_BUCKETS_MAX];
    size_t tree_count;
    uint64_t pages;
    bool planned;
    struct buffer out;
    size_t out_at;
    uint64_t next_page; /* To be made. */
    size_t tree, level, node;
};

struct bolt_writer *bolt_writer_new(void)
{
    struct bolt_writer *writer = alloc_zeroed(sizeof(*writer));
    buffer_init(&writer->out, SIZE_MAX);
    return writer;
}

void bolt_writer_free(struct bolt_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    for (size_t i = 0; i < writer->tree_count; i++) {
        for (size_t l = 0; l < writer->trees[i].level_count; l++) {
            free(writer->trees[i].levels[l].nodes);
        }
    }
    buffer_release(&writer->out);
    free(writer);
}

void bolt_writer_add(struct bolt_writer *writer, const struct bolt_source *source)
{
    assert(writer->tree_count < BOLT_BUCKETS_MAX);
    assert(!writer->planned);
    writer->trees[writer->tree_count++] = (struct tree){.source = *source};
}

/* --- The plan. */

static void level_add(struct level *level, uint64_t first, uint64_t id)
{
    if (level->count == level->capacity) {
        level->capacity = level->capacity == 0 ? 64 : 2 * level->capacity;
        level->nodes = alloc_resize(level->nodes, level->capacity, sizeof(*level->nodes));
    }
    level->nodes[level->count++] = (struct node){.first = first, .id = id};
}

static uint64_t pages_of(size_t bytes)
{
    return (bytes + BOLT_PAGE - 1) / BOLT_PAGE;
}

static size_t key_len(const struct tree *tree, uint64_t index)
{
    size_t key;
    size_t value;
    tree->source.measure(tree->source.data, index, &key, &value);
    return key;
}

/* The first entry under a node. */
static uint64_t first_entry(const struct tree *tree, size_t level, uint64_t node)
{
    for (; level > 0; level--) {
        node = tree->levels[level].nodes[node].first;
    }
    return tree->levels[0].nodes[node].first;
}

static size_t element_size(const struct tree *tree, size_t level, uint64_t index)
{
    if (level > 0) {
        return BOLT_ELEMENT_HEAD + key_len(tree, first_entry(tree, level - 1, index));
    }
    size_t key;
    size_t value;
    tree->source.measure(tree->source.data, index, &key, &value);
    return BOLT_ELEMENT_HEAD + key + value;
}

/* Pages are filled from the front; an element larger than a page gets one of its own that goes on
 * over the next ones. A branch with one child is no use, so it takes two whatever their size. */
static void plan_level(struct bolt_writer *writer, struct tree *tree, size_t level, uint64_t count)
{
    size_t bytes = 0;
    size_t elements = 0;
    size_t least = level == 0 ? 1 : 2;
    for (uint64_t i = 0; i < count; i++) {
        size_t size = element_size(tree, level, i);
        if (elements >= least && (bytes + size > BOLT_PAGE || elements == NODE_COUNT_MAX)) {
            writer->pages += pages_of(bytes);
            elements = 0;
        }
        if (elements == 0) {
            level_add(&tree->levels[level], i, writer->pages);
            bytes = BOLT_PAGE_HEAD;
        }
        bytes += size;
        elements++;
    }
    writer->pages += pages_of(bytes);
    tree->level_count = level + 1;
}

void bolt_writer_plan(struct bolt_writer *writer)
{
    assert(!writer->planned);
    writer->planned = true;
    writer->pages = FIRST_PAGE;
    for (size_t i = 0; i < writer->tree_count; i++) {
        struct tree *tree = &writer->trees[i];
        assert(i == 0 || strcmp(tree[-1].source.name, tree->source.name) < 0);
        uint64_t count = tree->source.count;
        for (size_t level = 0; count > (level == 0 ? 0 : 1); level++) {
            assert(level < BOLT_DEPTH_MAX);
            plan_level(writer, tree, level, count);
            count = tree->levels[level].count;
        }
    }
}

uint64_t bolt_writer_size(const struct bolt_writer *writer)
{
    assert(writer->planned);
    return writer->pages * BOLT_PAGE;
}

/* --- Making pages. Element heads come first and name where their bytes are; those follow. */

struct page {
    struct buffer *out;
    size_t start, count, at; /* `at`: elements added so far. */
};

static struct page page_begin(struct bolt_writer *writer, unsigned flags, size_t count)
{
    struct page page = {.out = &writer->out, .start = writer->out.len, .count = count};
    size_t heads = BOLT_PAGE_HEAD + count * BOLT_ELEMENT_HEAD;
    uint8_t *at = buffer_reserve(&writer->out, heads);
    assert(at != NULL); /* The buffer has no maximum. */
    memset(at, 0, heads);
    bolt_put_page_head(at, writer->next_page, flags, count, 0);
    buffer_commit(&writer->out, heads);
    return page;
}

static void page_end(struct bolt_writer *writer, const struct page *page)
{
    static const uint8_t zeros[BOLT_PAGE];
    size_t len = writer->out.len - page->start;
    uint64_t pages = pages_of(len);
    assert(page->at == page->count);
    buffer_append(&writer->out, zeros, (size_t)(pages * BOLT_PAGE - len));
    bolt_put(writer->out.data + page->start + 12, pages - 1, 4);
    writer->next_page += pages;
}

static size_t element_at(const struct page *page)
{
    return page->start + BOLT_PAGE_HEAD + page->at * BOLT_ELEMENT_HEAD;
}

/* The key has been appended at `key_at`; then its value. */
static void leaf_element_end(struct page *page, unsigned flags, size_t key_at, size_t value_at)
{
    size_t head = element_at(page);
    uint8_t *at = page->out->data + head;
    bolt_put(at, flags, 4);
    bolt_put(at + 4, key_at - head, 4);
    bolt_put(at + 8, value_at - key_at, 4);
    bolt_put(at + 12, page->out->len - value_at, 4);
    page->at++;
}

static void make_leaf(struct bolt_writer *writer, const struct bolt_source *source, uint64_t first,
                      uint64_t end)
{
    struct page page = page_begin(writer, BOLT_LEAF, (size_t)(end - first));
    for (uint64_t i = first; i < end; i++) {
        size_t key_at = writer->out.len;
        source->key(source->data, i, &writer->out);
        size_t value_at = writer->out.len;
        source->value(source->data, i, &writer->out);
        leaf_element_end(&page, 0, key_at, value_at);
    }
    page_end(writer, &page);
}

static void make_branch(struct bolt_writer *writer, const struct tree *tree, size_t level,
                        uint64_t first, uint64_t end)
{
    struct page page = page_begin(writer, BOLT_BRANCH, (size_t)(end - first));
    for (uint64_t i = first; i < end; i++) {
        size_t key_at = writer->out.len;
        size_t head = element_at(&page);
        tree->source.key(tree->source.data, first_entry(tree, level - 1, i), &writer->out);
        uint8_t *at = writer->out.data + head;
        bolt_put(at, key_at - head, 4);
        bolt_put(at + 4, writer->out.len - key_at, 4);
        bolt_put(at + 8, tree->levels[level - 1].nodes[i].id, 8);
        page.at++;
    }
    page_end(writer, &page);
}

static void make_meta(struct bolt_writer *writer)
{
    const struct bolt_meta meta = {.page_size = BOLT_PAGE,
                                   .root = ROOT_PAGE,
                                   .freelist = FREELIST_PAGE,
                                   .pages = writer->pages,
                                   .transaction = writer->next_page};
    uint8_t bytes[BOLT_META];
    struct page page = page_begin(writer, BOLT_META_PAGE, 0);
    bolt_put_meta(bytes, &meta);
    buffer_append(&writer->out, bytes, sizeof(bytes));
    page_end(writer, &page);
}

/* The tree of the root bucket: one leaf with the other buckets. */
static void make_root(struct bolt_writer *writer)
{
    enum { BUCKET_FLAG = 1 };
    struct page page = page_begin(writer, BOLT_LEAF, writer->tree_count);
    for (size_t i = 0; i < writer->tree_count; i++) {
        const struct tree *tree = &writer->trees[i];
        uint8_t bucket[BOLT_BUCKET + BOLT_PAGE_HEAD] = {0};
        bool empty = tree->level_count == 0;
        bolt_put(bucket, empty ? 0 : tree->levels[tree->level_count - 1].nodes[0].id, 8);
        bolt_put_page_head(bucket + BOLT_BUCKET, 0, BOLT_LEAF, 0, 0);
        size_t key_at = writer->out.len;
        buffer_append_text(&writer->out, tree->source.name);
        size_t value_at = writer->out.len;
        buffer_append(&writer->out, bucket, empty ? sizeof(bucket) : BOLT_BUCKET);
        leaf_element_end(&page, BUCKET_FLAG, key_at, value_at);
    }
    assert(writer->out.len - page.start <= BOLT_PAGE); /* BOLT_BUCKETS_MAX short names. */
    page_end(writer, &page);
}

/* The next page of the trees, in the order in which the plan gave out ids. */
static void make_node(struct bolt_writer *writer)
{
    const struct tree *tree = &writer->trees[writer->tree];
    while (writer->level == tree->level_count) {
        writer->level = 0;
        tree = &writer->trees[++writer->tree];
    }
    assert(writer->tree < writer->tree_count);
    const struct level *level = &tree->levels[writer->level];
    size_t node = writer->node++;
    uint64_t first = level->nodes[node].first;
    uint64_t total =
        writer->level == 0 ? tree->source.count : tree->levels[writer->level - 1].count;
    uint64_t end = node + 1 < level->count ? level->nodes[node + 1].first : total;
    assert(level->nodes[node].id == writer->next_page);
    if (writer->level == 0) {
        make_leaf(writer, &tree->source, first, end);
    } else {
        make_branch(writer, tree, writer->level, first, end);
    }
    if (writer->node == level->count) {
        writer->node = 0;
        writer->level++;
    }
}

static void make_page(struct bolt_writer *writer)
{
    if (writer->next_page < FREELIST_PAGE) {
        make_meta(writer);
    } else if (writer->next_page == FREELIST_PAGE) {
        struct page page = page_begin(writer, BOLT_FREELIST, 0);
        page_end(writer, &page);
    } else if (writer->next_page == ROOT_PAGE) {
        make_root(writer);
    } else {
        make_node(writer);
    }
}

size_t bolt_writer_read(struct bolt_writer *writer, uint8_t *buffer, size_t len)
{
    assert(writer->planned);
    size_t done = 0;
    while (done < len) {
        if (writer->out_at == writer->out.len) {
            if (writer->next_page == writer->pages) {
                break;
            }
            buffer_clear(&writer->out);
            writer->out_at = 0;
            make_page(writer);
        }
        size_t left = writer->out.len - writer->out_at;
        size_t part = left < len - done ? left : len - done;
        memcpy(buffer + done, writer->out.data + writer->out_at, part);
        writer->out_at += part;
        done += part;
    }
    return done;
}
