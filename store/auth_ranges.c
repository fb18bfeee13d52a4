#include "store/auth_ranges.h"

#include "lib/base/alloc.h"
#include <assert.h>
#include <stdlib.h>

/* [begin, end), or from begin on. Both in one allocation, which `begin` points at. */
struct auth_span {
    struct slice begin;
    struct slice end;
    bool to_the_end;
};

static bool is_to_the_end(struct slice end)
{
    return end.len == 1 && end.data[0] == 0;
}

static struct auth_span span_new(struct slice key, struct slice end)
{
    struct auth_span span = {.to_the_end = is_to_the_end(end)};
    size_t end_len = span.to_the_end ? 0 : end.len == 0 ? key.len + 1 : end.len;
    uint8_t *bytes = alloc_zeroed(key.len + end_len + 1);
    if (key.len > 0) {
        memcpy(bytes, key.data, key.len);
    }
    if (end_len > 0) { /* The one key ends before itself and a zero byte. */
        struct slice from = end.len == 0 ? key : end;
        memcpy(bytes + key.len, from.data, from.len);
    }
    span.begin = slice_of(bytes, key.len);
    span.end = slice_of(bytes + key.len, end_len);
    return span;
}

static void span_release(struct auth_span *span)
{
    free((void *)(uintptr_t)span->begin.data);
}

void auth_ranges_release(struct auth_ranges *ranges)
{
    for (size_t i = 0; i < ranges->count; i++) {
        span_release(&ranges->spans[i]);
    }
    free(ranges->spans);
    *ranges = (struct auth_ranges){0};
}

void auth_ranges_add(struct auth_ranges *ranges, struct slice key, struct slice end)
{
    if (end.len > 0 && !is_to_the_end(end) && slice_compare(key, end) >= 0) {
        return;
    }
    ranges->spans = alloc_resize(ranges->spans, ranges->count + 1, sizeof(*ranges->spans));
    ranges->spans[ranges->count++] = span_new(key, end);
    ranges->dirty = true;
}

static int span_order(const void *a, const void *b)
{
    return slice_compare(((const struct auth_span *)a)->begin,
                         ((const struct auth_span *)b)->begin);
}

/* Takes `next` into `span` when it begins inside of it or right behind it. */
static bool span_absorb(struct auth_span *span, struct auth_span *next)
{
    if (!span->to_the_end && slice_compare(next->begin, span->end) > 0) {
        return false;
    }
    if (!span->to_the_end && (next->to_the_end || slice_compare(next->end, span->end) > 0)) {
        struct auth_span joined =
            span_new(span->begin, next->to_the_end ? slice_of("", 1) : next->end);
        span_release(span);
        *span = joined;
    }
    span_release(next);
    return true;
}

void auth_ranges_merge(struct auth_ranges *ranges)
{
    size_t kept = 0;
    ranges->dirty = false;
    if (ranges->count < 2) {
        return;
    }
    qsort(ranges->spans, ranges->count, sizeof(*ranges->spans), span_order);
    for (size_t i = 1; i < ranges->count; i++) {
        if (!span_absorb(&ranges->spans[kept], &ranges->spans[i])) {
            ranges->spans[++kept] = ranges->spans[i];
        }
    }
    ranges->count = kept + 1;
}

/* The last span that begins at or before `key`, or NULL. */
static const struct auth_span *span_at(const struct auth_ranges *ranges, struct slice key)
{
    size_t low = 0;
    size_t high = ranges->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (slice_compare(ranges->spans[middle].begin, key) <= 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low == 0 ? NULL : &ranges->spans[low - 1];
}

bool auth_ranges_contain(const struct auth_ranges *ranges, struct slice key, struct slice end)
{
    assert(!ranges->dirty);
    const struct auth_span *span = span_at(ranges, key);
    if (span == NULL || span->to_the_end) {
        return span != NULL;
    }
    if (is_to_the_end(end) || slice_compare(key, span->end) >= 0) {
        return false;
    }
    return slice_compare(key, end) >= 0 || slice_compare(end, span->end) <= 0;
}

bool auth_ranges_run(const struct auth_ranges *ranges, struct slice key, struct slice *ret_end)
{
    assert(!ranges->dirty);
    const struct auth_span *span = span_at(ranges, key);
    if (span == NULL || (!span->to_the_end && slice_compare(key, span->end) >= 0)) {
        return false;
    }
    *ret_end = span->end; /* Empty in one that goes to the end. */
    return true;
}
