#include "lib/base/arena.h"

#include "lib/base/alloc.h"
#include "lib/base/memory_budget.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    ARENA_CHUNK_FIRST = 4096,
    ARENA_CHUNK_TIGHT = 512,
    ARENA_CHUNK_MAX = 256 * 1024,
    ARENA_ALIGN = 16,
    ARENA_PRINT_BYTES = 256
};

struct arena_chunk {
    struct arena_chunk *next; /* Older chunk. */
    size_t capacity;
    size_t used;
    size_t padding; /* Keeps `data` aligned to ARENA_ALIGN. */
    uint8_t data[];
};

struct arena {
    struct arena_chunk *chunk; /* The newest one, from which memory is taken. */
    size_t used;
    size_t limit;
    size_t most;                  /* That it gives: the limit with its overdraft. */
    bool tight;                   /* Grows by little, to leave little unused. */
    struct memory_budget *budget; /* NULL: not counted. */
};

struct arena *arena_new(size_t limit_bytes)
{
    struct arena *arena = alloc_zeroed(sizeof(*arena));
    arena->limit = limit_bytes;
    arena->most =
        limit_bytes > SIZE_MAX / ARENA_OVERDRAFT ? SIZE_MAX : limit_bytes * ARENA_OVERDRAFT;
    return arena;
}

struct arena *arena_new_tight(size_t limit_bytes)
{
    struct arena *arena = arena_new(limit_bytes);
    arena->tight = true;
    return arena;
}

void arena_set_budget(struct arena *arena, struct memory_budget *budget)
{
    assert(arena->chunk == NULL);
    arena->budget = budget;
}

static void free_chunks(struct arena *arena, struct arena_chunk *chunk)
{
    int64_t freed = 0;
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;
        freed += (int64_t)chunk->capacity;
        free(chunk);
        chunk = next;
    }
    if (freed > 0) {
        memory_add(arena->budget, -freed);
    }
}

void arena_free(struct arena *arena)
{
    if (arena != NULL) {
        free_chunks(arena, arena->chunk);
        free(arena);
    }
}

void arena_freep(struct arena **arena)
{
    arena_free(*arena);
    *arena = NULL;
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *keep = arena->chunk;
    if (keep == NULL) {
        return;
    }
    free_chunks(arena, keep->next);
    keep->next = NULL;
    keep->used = 0;
    arena->used = 0;
}

static void arena_grow(struct arena *arena, size_t size)
{
    size_t capacity = arena->tight           ? ARENA_CHUNK_TIGHT + arena->used / 2
                      : arena->chunk == NULL ? ARENA_CHUNK_FIRST
                                             : arena->chunk->capacity * 2;
    size_t most = arena->tight ? ARENA_CHUNK_FIRST + arena->used / 8 : ARENA_CHUNK_MAX;
    if (capacity > most) {
        capacity = most;
    }
    if (capacity < size) {
        capacity = size;
    }
    struct arena_chunk *chunk = alloc_bytes(sizeof(*chunk) + capacity);
    *chunk = (struct arena_chunk){.next = arena->chunk, .capacity = capacity};
    arena->chunk = chunk;
    memory_add(arena->budget, (int64_t)capacity);
}

void *arena_alloc(struct arena *arena, size_t size)
{
    assert(size <= SIZE_MAX - ARENA_ALIGN);
    size_t rounded = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    if (rounded > arena->most - arena->used) {
        fprintf(stderr, "level=error component=base msg=\"arena limit\" limit=%zu asked=%zu\n",
                arena->limit, size);
        abort();
    }
    if (arena->chunk == NULL || rounded > arena->chunk->capacity - arena->chunk->used) {
        arena_grow(arena, rounded);
    }
    void *ptr = arena->chunk->data + arena->chunk->used;
    arena->chunk->used += rounded;
    arena->used += rounded;
    return ptr;
}

void *arena_zeroed(struct arena *arena, size_t size)
{
    void *ptr = arena_alloc(arena, size);
    memset(ptr, 0, size);
    return ptr;
}

void *arena_array(struct arena *arena, size_t count, size_t item_size)
{
    size_t size;
    if (__builtin_mul_overflow(count, item_size, &size)) {
        abort();
    }
    return arena_zeroed(arena, size);
}

void *arena_array_grown(struct arena *arena, const void *items, size_t count, size_t item_size)
{
    uint8_t *grown = arena_array(arena, count + 1, item_size);
    if (count > 0) {
        memcpy(grown, items, count * item_size);
    }
    return grown;
}

void *arena_array_room(struct arena *arena, void *items, size_t count, size_t item_size,
                       size_t *capacity)
{
    if (count < *capacity) {
        return items;
    }
    *capacity = *capacity == 0 ? 4 : *capacity * 2;
    void *roomy = arena_array(arena, *capacity, item_size);
    if (count > 0) {
        memcpy(roomy, items, count * item_size);
    }
    return roomy;
}

char *arena_text(struct arena *arena, const char *text)
{
    return arena_text_n(arena, text, strlen(text));
}

char *arena_text_n(struct arena *arena, const char *text, size_t len)
{
    char *copy = arena_alloc(arena, len + 1);
    if (len > 0) {
        memcpy(copy, text, len);
    }
    copy[len] = '\0';
    return copy;
}

/* Most texts are short: they are printed once, and again only when they did not fit. */
char *arena_printf(struct arena *arena, const char *format, ...)
{
    char first[ARENA_PRINT_BYTES];
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(first, sizeof(first), format, args);
    va_end(args);
    assert(len >= 0);
    char *text = arena_alloc(arena, (size_t)len + 1);
    if ((size_t)len < sizeof(first)) {
        memcpy(text, first, (size_t)len + 1);
    } else {
        (void)vsnprintf(text, (size_t)len + 1, format, again); /* The length is known to fit. */
    }
    va_end(again);
    return text;
}

char *arena_join(struct arena *arena, const char *const *texts, size_t count, const char *separator)
{
    size_t gap = strlen(separator), len = 0;
    for (size_t i = 0; i < count; i++) {
        len += strlen(texts[i]) + (i == 0 ? 0 : gap);
    }
    char *all = arena_alloc(arena, len + 1), *at = all;
    for (size_t i = 0; i < count; i++) {
        size_t own = strlen(texts[i]);
        if (i > 0) {
            memcpy(at, separator, gap);
            at += gap;
        }
        memcpy(at, texts[i], own);
        at += own;
    }
    *at = '\0';
    return all;
}

struct slice arena_slice(struct arena *arena, struct slice bytes)
{
    return slice_of(arena_text_n(arena, (const char *)bytes.data, bytes.len), bytes.len);
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}

size_t arena_left(const struct arena *arena)
{
    return arena->used < arena->limit ? arena->limit - arena->used : 0;
}

bool arena_is_full(const struct arena *arena)
{
    return arena->used >= arena->limit;
}
