#include "controllers/quota/quota_tally.h"

#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include <stdlib.h>
#include <string.h>

enum { HALF_BITS = 64, TOTAL_SEED = 0x71756f74 };

/* A sum that what was added can be taken from again: nothing of it is capped. */
struct total {
    quantity_nanos high, low; /* high * 2^64 + low */
    enum quantity_format format;
    size_t objects; /* Those that take some of it, if only 0. */
};

/* What some objects take, by resource. */
struct totals {
    struct hash_map *by_name; /* Name -> struct total */
};

/* Deleted objects whose time ends then. */
struct ending {
    int64_t time_s;
    size_t objects;
    struct totals before, after;
};

/* All objects that are in the same scopes. */
struct group {
    struct quota_traits traits;
    char *priority_class; /* Of the traits. */
    size_t objects;
    struct totals lasting;    /* Of those that time does not change, or has changed already. */
    struct hash_map *endings; /* time_s -> struct ending */
};

struct quota_tally {
    const struct api_kind *kind;
    int64_t passed_s;        /* All endings up to this have become lasting. */
    struct hash_map *groups; /* Traits as text -> struct group */
};

/* What one object takes. */
struct taken {
    struct quota_traits traits;
    int64_t time_s;
    struct resource_list before, after; /* Without a time, `after` is not used. */
};

/* --- Sums --- */

static struct totals totals_new(void)
{
    return (struct totals){hash_map_new(TOTAL_SEED)};
}

static void totals_release(struct totals *totals)
{
    void *value;
    for (size_t at = 0; hash_map_next(totals->by_name, &at, NULL, &value);) {
        free(value);
    }
    hash_map_free(totals->by_name);
}

static struct total *total_of(struct totals *totals, struct slice name)
{
    struct total *total = hash_map_get(totals->by_name, name);
    if (total == NULL) {
        total = alloc_zeroed(sizeof(*total));
        hash_map_set(totals->by_name, name, total);
    }
    return total;
}

static bool total_is_zero(const struct total *total)
{
    return total->high == 0 && total->low == 0;
}

static void totals_add(struct totals *totals, const struct resource_list *taken)
{
    for (size_t i = 0; i < taken->count; i++) {
        struct quantity value = taken->items[i].value;
        struct total *total = total_of(totals, slice_text(taken->items[i].name));
        total->format = total_is_zero(total) ? value.format : total->format;
        total->high += value.nanos >> HALF_BITS;
        total->low += (uint64_t)value.nanos;
        total->objects++;
    }
}

static void totals_take_away(struct totals *totals, const struct resource_list *taken)
{
    for (size_t i = 0; i < taken->count; i++) {
        struct quantity value = taken->items[i].value;
        struct slice name = slice_text(taken->items[i].name);
        struct total *total = total_of(totals, name);
        total->high -= value.nanos >> HALF_BITS;
        total->low -= (uint64_t)value.nanos;
        if (--total->objects == 0) {
            free(hash_map_remove(totals->by_name, name));
        }
    }
}

static void totals_merge(struct totals *totals, const struct totals *other)
{
    struct slice name;
    void *value;
    for (size_t at = 0; hash_map_next(other->by_name, &at, &name, &value);) {
        const struct total *more = value;
        struct total *total = total_of(totals, name);
        total->format = total_is_zero(total) ? more->format : total->format;
        total->high += more->high;
        total->low += more->low;
        total->objects += more->objects;
    }
}

/* Capped, as quantities are. */
static struct quantity value_of(const struct total *total)
{
    const quantity_nanos unit = (quantity_nanos)1 << HALF_BITS, high_max = unit >> 2;
    quantity_nanos high = total->high + (total->low >> HALF_BITS);
    high = high > high_max ? high_max : high < -high_max ? -high_max : high;
    struct quantity value = {high * unit + (uint64_t)total->low, total->format};
    return quantity_add(value, quantity_of(0, total->format));
}

static void totals_count(const struct totals *totals, const struct resource_list *hard,
                         struct resource_list *used)
{
    for (size_t i = 0; i < hard->count; i++) {
        const char *name = hard->items[i].name;
        const struct quantity *before = resource_list_get(used, name);
        const struct total *total = hash_map_get(totals->by_name, slice_text(name));
        if (total != NULL) {
            struct quantity value = value_of(total);
            resource_list_set(used, name, before == NULL ? value : quantity_add(*before, value));
        }
    }
}

/* --- Groups --- */

static void ending_free(struct ending *ending)
{
    totals_release(&ending->before);
    totals_release(&ending->after);
    free(ending);
}

static struct slice time_key(const int64_t *time_s)
{
    return slice_of(time_s, sizeof(*time_s));
}

static struct ending *ending_of(struct group *group, int64_t time_s)
{
    struct ending *ending = hash_map_get(group->endings, time_key(&time_s));
    if (ending == NULL) {
        ending = alloc_zeroed(sizeof(*ending));
        *ending = (struct ending){.time_s = time_s, .before = totals_new(), .after = totals_new()};
        hash_map_set(group->endings, time_key(&time_s), ending);
    }
    return ending;
}

static struct slice group_key(struct arena *arena, const struct quota_traits *traits)
{
    return slice_text(arena_printf(arena, "%d%d%d%d%s", traits->is_pod, traits->terminates,
                                   traits->best_effort, traits->crosses_namespaces,
                                   traits->priority_class));
}

static struct group *group_of(struct quota_tally *tally, struct arena *arena,
                              const struct quota_traits *traits)
{
    struct slice key = group_key(arena, traits);
    struct group *group = hash_map_get(tally->groups, key);
    if (group == NULL) {
        group = alloc_zeroed(sizeof(*group));
        *group = (struct group){
            .traits = *traits, .lasting = totals_new(), .endings = hash_map_new(TOTAL_SEED)};
        group->priority_class = alloc_text(traits->priority_class);
        group->traits.priority_class = group->priority_class;
        hash_map_set(tally->groups, key, group);
    }
    return group;
}

static void group_free(struct group *group)
{
    void *value;
    for (size_t at = 0; hash_map_next(group->endings, &at, NULL, &value);) {
        ending_free(value);
    }
    hash_map_free(group->endings);
    totals_release(&group->lasting);
    free(group->priority_class);
    free(group);
}

/* Those whose time is over have become others. */
static void group_pass(struct group *group, int64_t now_s)
{
    void *value;
    for (size_t at = 0; hash_map_next(group->endings, &at, NULL, &value);) {
        struct ending *ending = value;
        if (ending->time_s < now_s) {
            hash_map_remove(group->endings, time_key(&ending->time_s));
            totals_merge(&group->lasting, &ending->after);
            ending_free(ending);
        }
    }
}

/* --- The tally --- */

struct quota_tally *quota_tally_new(const struct api_kind *kind)
{
    struct quota_tally *tally = alloc_zeroed(sizeof(*tally));
    *tally = (struct quota_tally){
        .kind = kind, .passed_s = INT64_MIN, .groups = hash_map_new(TOTAL_SEED)};
    return tally;
}

void quota_tally_free(struct quota_tally *tally)
{
    if (tally == NULL) {
        return;
    }
    void *value;
    for (size_t at = 0; hash_map_next(tally->groups, &at, NULL, &value);) {
        group_free(value);
    }
    hash_map_free(tally->groups);
    free(tally);
}

bool quota_tally_is_empty(const struct quota_tally *tally)
{
    return hash_map_count(tally->groups) == 0;
}

/* By the object alone and by what has passed: what was added so is taken away again. */
static struct taken taken_by(const struct quota_tally *tally, struct arena *arena,
                             const void *message)
{
    struct taken taken = {.traits = quota_traits_of(tally->kind, message),
                          .time_s = quota_time_s(tally->kind, message)};
    if (taken.time_s <= tally->passed_s) {
        taken.time_s = INT64_MAX;
        taken.before = quota_usage(arena, tally->kind, message, INT64_MAX);
        return taken;
    }
    taken.before = quota_usage(arena, tally->kind, message, INT64_MIN);
    if (taken.time_s != INT64_MAX) {
        taken.after = quota_usage(arena, tally->kind, message, INT64_MAX);
    }
    return taken;
}

static bool is_same_usage(const struct resource_list *a, const struct resource_list *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; i < a->count && same; i++) {
        const struct quantity *value = resource_list_get(b, a->items[i].name);
        same = value != NULL && quantity_compare(*value, a->items[i].value) == 0;
    }
    return same;
}

static bool is_same_traits(const struct quota_traits *a, const struct quota_traits *b)
{
    return a->is_pod == b->is_pod && a->terminates == b->terminates &&
           a->best_effort == b->best_effort && a->crosses_namespaces == b->crosses_namespaces &&
           strcmp(a->priority_class, b->priority_class) == 0;
}

static void add(struct quota_tally *tally, struct arena *arena, const struct taken *taken)
{
    struct group *group = group_of(tally, arena, &taken->traits);
    group->objects++;
    if (taken->time_s == INT64_MAX) {
        totals_add(&group->lasting, &taken->before);
        return;
    }
    struct ending *ending = ending_of(group, taken->time_s);
    ending->objects++;
    totals_add(&ending->before, &taken->before);
    totals_add(&ending->after, &taken->after);
}

static void take_away(struct quota_tally *tally, struct arena *arena, const struct taken *taken)
{
    struct group *group = group_of(tally, arena, &taken->traits);
    if (taken->time_s == INT64_MAX) {
        totals_take_away(&group->lasting, &taken->before);
    } else {
        struct ending *ending = ending_of(group, taken->time_s);
        totals_take_away(&ending->before, &taken->before);
        totals_take_away(&ending->after, &taken->after);
        if (--ending->objects == 0) {
            hash_map_remove(group->endings, time_key(&taken->time_s));
            ending_free(ending);
        }
    }
    if (--group->objects == 0) {
        hash_map_remove(tally->groups, group_key(arena, &taken->traits));
        group_free(group);
    }
}

bool quota_tally_change(struct quota_tally *tally, const void *old_message, const void *new_message)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct taken old = {0}, new = {0};
    if (old_message != NULL) {
        old = taken_by(tally, arena, old_message);
    }
    if (new_message != NULL) {
        new = taken_by(tally, arena, new_message);
    }
    bool same = old_message != NULL && new_message != NULL &&
                is_same_traits(&old.traits, &new.traits) && is_same_usage(&old.before, &new.before);
    if (same && old.time_s == new.time_s) {
        return false;
    }
    if (new_message != NULL) {
        add(tally, arena, &new);
    }
    if (old_message != NULL) {
        take_away(tally, arena, &old);
    }
    return !same;
}

void quota_tally_count(struct quota_tally *tally, const Core__V1__ResourceQuota *quota,
                       const struct resource_list *hard, int64_t now_s, struct resource_list *used)
{
    void *value, *ending;
    for (size_t at = 0; hash_map_next(tally->groups, &at, NULL, &value);) {
        struct group *group = value;
        group_pass(group, now_s);
        if (!quota_covers(quota, &group->traits)) {
            continue;
        }
        totals_count(&group->lasting, hard, used);
        for (size_t i = 0; hash_map_next(group->endings, &i, NULL, &ending);) {
            totals_count(&((const struct ending *)ending)->before, hard, used);
        }
    }
    tally->passed_s = now_s - 1 > tally->passed_s ? now_s - 1 : tally->passed_s;
}
