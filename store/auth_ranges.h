/* A set of key ranges, kept as few disjoint spans in key order, so that a request over several
 * permissions that touch is seen to be covered. Pure; owns copies of its keys. */
#ifndef STORE_AUTH_RANGES_H
#define STORE_AUTH_RANGES_H
#include "lib/base/compiler.h"
#include "lib/base/slice.h"

struct auth_ranges {
    struct auth_span *spans; /* Ascending; none overlaps or touches the next. */
    size_t count;
    bool dirty; /* Spans were added and not merged yet. */
};

void auth_ranges_release(struct auth_ranges *ranges); /* Empty afterwards, and usable. */
/* `end` as everywhere: empty for the one key, one zero byte for all from `key` on. A range that
 * holds nothing adds nothing. */
void auth_ranges_add(struct auth_ranges *ranges, struct slice key, struct slice end);
/* After the last add and before the first question. */
void auth_ranges_merge(struct auth_ranges *ranges);
/* Whether every key of the range is in the set. A range that holds no key counts as its first. */
bool auth_ranges_contain(const struct auth_ranges *ranges, struct slice key, struct slice end);
/* Whether the key is in the set; if so, all that follow are before *ret_end, which is borrowed and
 * empty when nothing ends it. */
bool auth_ranges_run(const struct auth_ranges *ranges, struct slice key, struct slice *ret_end);
#endif
