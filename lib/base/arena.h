/* An arena: memory that is freed at once, when the request or round it belongs to ends. Not
 * thread-safe. A byte limit bounds what one request may take. Nothing fails in the middle of a step
 * for it: beyond its limit an arena goes on giving and is full, and whoever has more than one step
 * to do asks for that between them (arena_is_full) and ends with an error. Steps check the size of
 * their input before (arena_left), as they do not end the process as long as one takes no more than
 * ARENA_OVERDRAFT times the limit. */
#ifndef LIB_BASE_ARENA_H
#define LIB_BASE_ARENA_H
#include "lib/base/compiler.h"
#include "lib/base/slice.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

struct arena;
struct memory_budget;

enum { ARENA_OVERDRAFT = 8 }; /* Times its limit: beyond that an arena aborts. */

MUST_USE struct arena *arena_new(size_t limit_bytes); /* SIZE_MAX for no limit. */
/* For what is kept for long: of what it takes, an eighth or 4 KB is unused; it takes it in more
 * parts. */
MUST_USE struct arena *arena_new_tight(size_t limit_bytes);
/* What it takes from the heap from here on is counted there; nothing has been taken yet. */
void arena_set_budget(struct arena *arena, struct memory_budget *budget);
void arena_free(struct arena *arena);   /* NULL is a no-op. */
void arena_freep(struct arena **arena); /* For CLEANUP(arena_freep). */
void arena_reset(struct arena *arena);  /* Everything taken from it is gone; memory is kept. */

void *arena_alloc(struct arena *arena, size_t size); /* Undefined contents, 16-byte aligned. */
void *arena_zeroed(struct arena *arena, size_t size);
void *arena_array(struct arena *arena, size_t count, size_t item_size); /* Zeroed. */
/* A copy of `count` items with room for one more, which is zeroed. For few items: n that are added
 * so take n * n bytes. */
void *arena_array_grown(struct arena *arena, const void *items, size_t count, size_t item_size);
/* The same for an array that is only ever made here, NULL with a capacity of 0 at first: the items
 * stay where they are while there is room, and move to twice of it when there is none. */
void *arena_array_room(struct arena *arena, void *items, size_t count, size_t item_size,
                       size_t *capacity);
char *arena_text(struct arena *arena, const char *text);               /* A copy. */
char *arena_text_n(struct arena *arena, const char *text, size_t len); /* NUL is added. */
char *arena_printf(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);
/* All of them with the separator between them: what is printed after itself, one by one, takes the
 * square of its length. */
char *arena_join(struct arena *arena, const char *const *texts, size_t count,
                 const char *separator);
struct slice arena_slice(struct arena *arena, struct slice bytes); /* A copy. */
size_t arena_used(const struct arena *arena);
size_t arena_left(const struct arena *arena); /* 0 when it is full. */
bool arena_is_full(const struct arena *arena);
#endif
