#include "store/bolt_reader.h"

#include <errno.h>
#include <inttypes.h>

enum { PAGE_SIZE_MIN = 512, PAGE_SIZE_MAX = 64 * 1024, ELEMENT_BUCKET = 1 };

static int damaged(struct error *reterr, uint64_t page, const char *what)
{
    return error_set(reterr, -EBADMSG, "page %" PRIu64 " is damaged: %s", page, what);
}

/* --- Meta pages. */

static int read_meta(struct slice bytes, uint64_t offset, struct bolt_meta *ret_meta)
{
    if (bytes.len < offset + BOLT_PAGE_HEAD + BOLT_META) {
        return -EBADMSG;
    }
    return bolt_get_meta(bytes.data + offset + BOLT_PAGE_HEAD, ret_meta);
}

static bool meta_fits(const struct bolt_meta *meta, struct slice bytes)
{
    uint64_t size = meta->page_size;
    return size >= PAGE_SIZE_MIN && size <= PAGE_SIZE_MAX && (size & (size - 1)) == 0 &&
           meta->pages >= 4 && meta->pages <= bytes.len / size && meta->root < meta->pages;
}

int bolt_file_open(struct slice bytes, struct bolt_file *ret_file, struct error *reterr)
{
    struct bolt_meta best = {0};
    struct bolt_meta meta;
    bool found = read_meta(bytes, 0, &best) == 0;
    bool whole = found && meta_fits(&best, bytes);
    for (uint64_t size = PAGE_SIZE_MIN; size <= PAGE_SIZE_MAX; size *= 2) {
        if (read_meta(bytes, size, &meta) < 0 || meta.page_size != size) {
            continue;
        }
        found = true;
        if (meta_fits(&meta, bytes) && (!whole || meta.transaction > best.transaction)) {
            best = meta;
            whole = true;
        }
    }
    if (!found) {
        return error_set(reterr, -EBADMSG, "this is no snapshot: there is no good meta page");
    }
    if (!whole) {
        return error_set(reterr, -EBADMSG, "the file is cut off: %zu bytes, and it had %" PRIu64,
                         bytes.len, best.pages * best.page_size);
    }
    *ret_file = (struct bolt_file){
        .bytes = bytes, .page_size = best.page_size, .root = best.root, .pages = best.pages};
    return 0;
}

/* --- Pages. */

struct page {
    uint64_t id;
    struct slice bytes; /* With its overflow. */
    unsigned flags;
    size_t count;
};

static int parse_page(uint64_t id, struct slice bytes, struct page *ret_page, struct error *reterr)
{
    *ret_page = (struct page){.id = id,
                              .bytes = bytes,
                              .flags = (unsigned)bolt_get(bytes.data + 8, 2),
                              .count = (size_t)bolt_get(bytes.data + 10, 2)};
    if (ret_page->flags != BOLT_LEAF && ret_page->flags != BOLT_BRANCH) {
        return damaged(reterr, id, "it is neither branch nor leaf");
    }
    if (ret_page->count > (bytes.len - BOLT_PAGE_HEAD) / BOLT_ELEMENT_HEAD) {
        return damaged(reterr, id, "more elements than there is room for");
    }
    return 0;
}

static int read_page(const struct bolt_file *file, uint64_t id, struct page *ret_page,
                     struct error *reterr)
{
    if (id < 2 || id >= file->pages) {
        return damaged(reterr, id, "there is no such page");
    }
    const uint8_t *at = file->bytes.data + id * file->page_size;
    uint64_t overflow = bolt_get(at + 12, 4);
    if (bolt_get(at, 8) != id) {
        return damaged(reterr, id, "it has another number");
    }
    if (overflow >= file->pages - id) {
        return damaged(reterr, id, "it goes on beyond the end");
    }
    return parse_page(id, slice_of(at, (size_t)((overflow + 1) * file->page_size)), ret_page,
                      reterr);
}

struct element {
    unsigned flags;
    struct slice key, value;
    uint64_t child; /* Of a branch. */
};

static int read_element(const struct page *page, size_t index, struct element *ret_element,
                        struct error *reterr)
{
    bool leaf = page->flags == BOLT_LEAF;
    size_t head = BOLT_PAGE_HEAD + index * BOLT_ELEMENT_HEAD;
    const uint8_t *at = page->bytes.data + head;
    size_t room = page->bytes.len - head;
    uint64_t flags = leaf ? bolt_get(at, 4) : 0;
    uint64_t pos = bolt_get(leaf ? at + 4 : at, 4);
    uint64_t key_len = bolt_get(leaf ? at + 8 : at + 4, 4);
    uint64_t value_len = leaf ? bolt_get(at + 12, 4) : 0;
    if (pos + key_len + value_len > room) {
        return damaged(reterr, page->id, "an element reaches outside");
    }
    *ret_element = (struct element){.flags = (unsigned)flags,
                                    .key = slice_of(at + pos, (size_t)key_len),
                                    .value = slice_of(at + pos + key_len, (size_t)value_len),
                                    .child = leaf ? 0 : bolt_get(at + 8, 8)};
    return 0;
}

/* --- Trees. */

struct walk {
    const struct bolt_file *file;
    int (*each)(void *data, const struct element *element);
    void *data;
    struct error *reterr;
    struct slice last; /* The key before; no data: none yet. */
    size_t depth;
    struct walk_level {
        struct page page;
        size_t next;
    } levels[BOLT_DEPTH_MAX];
};

static int walk_down(struct walk *walk, uint64_t id)
{
    if (walk->depth == BOLT_DEPTH_MAX) {
        return damaged(walk->reterr, id, "the tree is too deep");
    }
    struct walk_level *level = &walk->levels[walk->depth];
    *level = (struct walk_level){.next = 0};
    int result = read_page(walk->file, id, &level->page, walk->reterr);
    if (result == 0 && level->page.count == 0 && walk->depth > 0) {
        result = damaged(walk->reterr, id, "it is empty");
    }
    walk->depth += result == 0;
    return result;
}

/* Ascending keys also mean that no leaf is met twice, however the branches are knotted. */
static int walk_leaf(struct walk *walk, const struct element *element, uint64_t id)
{
    if (element->key.len == 0 ||
        (walk->last.data != NULL && slice_compare(walk->last, element->key) >= 0)) {
        return damaged(walk->reterr, id, "its keys do not ascend");
    }
    walk->last = element->key;
    return walk->each(walk->data, element);
}

static int walk_on(struct walk *walk)
{
    while (walk->depth > 0) {
        struct walk_level *level = &walk->levels[walk->depth - 1];
        if (level->next == level->page.count) {
            walk->depth--;
            continue;
        }
        struct element element = {.child = 0};
        int result = read_element(&level->page, level->next++, &element, walk->reterr);
        if (result == 0) {
            result = level->page.flags == BOLT_LEAF ? walk_leaf(walk, &element, level->page.id)
                                                    : walk_down(walk, element.child);
        }
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

static int walk_bucket(struct walk *walk, const struct bolt_bucket *bucket)
{
    int result;
    if (bucket->root != 0) {
        result = walk_down(walk, bucket->root);
    } else {
        result = parse_page(0, bucket->inline_bytes, &walk->levels[0].page, walk->reterr);
        walk->depth = 1;
    }
    return result < 0 ? result : walk_on(walk);
}

/* --- Buckets. */

static int parse_bucket(struct slice value, struct bolt_bucket *ret_bucket)
{
    if (value.len < BOLT_BUCKET) {
        return -EBADMSG;
    }
    *ret_bucket = (struct bolt_bucket){
        .root = bolt_get(value.data, 8),
        .inline_bytes = slice_of(value.data + BOLT_BUCKET, value.len - BOLT_BUCKET)};
    return ret_bucket->root != 0 || ret_bucket->inline_bytes.len >= BOLT_PAGE_HEAD ? 0 : -EBADMSG;
}

struct bucket_walk {
    int (*each)(void *data, struct slice name, const struct bolt_bucket *bucket);
    void *data;
    struct error *reterr;
};

static int on_root_element(void *data, const struct element *element)
{
    const struct bucket_walk *walk = data;
    struct bolt_bucket bucket;
    if ((element->flags & ELEMENT_BUCKET) == 0) {
        return 0;
    }
    if (parse_bucket(element->value, &bucket) < 0) {
        return error_set(walk->reterr, -EBADMSG, "the head of a bucket is damaged");
    }
    return walk->each(walk->data, element->key, &bucket);
}

int bolt_file_each_bucket(const struct bolt_file *file,
                          int (*each)(void *data, struct slice name,
                                      const struct bolt_bucket *bucket),
                          void *data, struct error *reterr)
{
    struct bucket_walk buckets = {.each = each, .data = data, .reterr = reterr};
    struct walk walk = {.file = file, .each = on_root_element, .data = &buckets, .reterr = reterr};
    const struct bolt_bucket root = {.root = file->root};
    return walk_bucket(&walk, &root);
}

struct bucket_search {
    const char *name;
    bool found;
    struct bolt_bucket bucket;
};

static int on_searched(void *data, struct slice name, const struct bolt_bucket *bucket)
{
    struct bucket_search *search = data;
    if (slice_is(name, search->name)) {
        search->found = true;
        search->bucket = *bucket;
    }
    return 0;
}

int bolt_file_bucket(const struct bolt_file *file, const char *name, struct bolt_bucket *ret_bucket,
                     struct error *reterr)
{
    struct bucket_search search = {.name = name};
    int result = bolt_file_each_bucket(file, on_searched, &search, reterr);
    if (result < 0) {
        return result;
    }
    if (!search.found) {
        return error_set(reterr, -ENOENT, "there is no bucket %s", name);
    }
    *ret_bucket = search.bucket;
    return 0;
}

struct entry_walk {
    int (*each)(void *data, struct slice key, struct slice value);
    void *data;
};

static int on_entry(void *data, const struct element *element)
{
    const struct entry_walk *walk = data;
    bool bucket = (element->flags & ELEMENT_BUCKET) != 0;
    return bucket ? 0 : walk->each(walk->data, element->key, element->value);
}

int bolt_bucket_each(const struct bolt_file *file, const struct bolt_bucket *bucket,
                     int (*each)(void *data, struct slice key, struct slice value), void *data,
                     struct error *reterr)
{
    struct entry_walk entries = {.each = each, .data = data};
    struct walk walk = {.file = file, .each = on_entry, .data = &entries, .reterr = reterr};
    return walk_bucket(&walk, bucket);
}
