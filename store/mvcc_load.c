/* Loading a whole key space: made for versions that come by key and revision, as a snapshot has
 * them. Then no key is looked up, and history is ordered once, at the end. */
#include "store/mvcc_internal.h"

#include "lib/base/alloc.h"
#include "store/plant.h"
#include "store/status.h"
#include <stdlib.h>

/* --- Keys. */

/* The key that was loaded last gets its place. */
static void key_end(struct mvcc *mvcc)
{
    struct mvcc_version *head = TAKE(mvcc->loading);
    if (head == NULL) {
        return;
    }
    if (mvcc->loading_last) {
        cow_tree_append(mvcc->keys, head->kv->key, head);
    } else {
        (void)cow_tree_set(mvcc->keys, head->kv->key, head);
    }
}

/* Makes the key of `kv` the one being loaded; what it has so far is mvcc->loading, or NULL. */
static void key_begin(struct mvcc *mvcc, const struct store_kv *kv)
{
    bool last = mvcc->loading == NULL
                    ? cow_tree_count(mvcc->keys) == 0
                    : mvcc->loading_last && slice_compare(kv->key, mvcc->loading->kv->key) > 0;
    key_end(mvcc);
    mvcc->loading_last = last;
    struct mvcc_version *head = last ? NULL : cow_tree_get(mvcc->keys, kv->key);
    mvcc->loading = head == NULL ? NULL : mvcc_version_ref(head);
}

int mvcc_load(struct mvcc *mvcc, struct store_kv *kv_consume, uint32_t sub)
{
    if (mvcc->loading == NULL || !slice_equal(kv_consume->key, mvcc->loading->kv->key)) {
        key_begin(mvcc, kv_consume);
    }
    struct mvcc_version *head = mvcc->loading;
    if (kv_consume->mod_revision <= 0 ||
        (head != NULL && head->kv->mod_revision >= kv_consume->mod_revision)) {
        store_kv_unref(kv_consume);
        return STORE_MALFORMED;
    }
    mvcc->loading = mvcc_version_new(kv_consume, sub, head);
    mvcc_count(mvcc, kv_consume);
    mvcc_history_push(mvcc, mvcc_version_ref(mvcc->loading));
    return 0;
}

/* --- History. */

struct change {
    uint64_t revision;
    uint32_t sub;
    struct mvcc_version *version;
};

enum { DIGIT_BITS = 11, DIGITS = 1 << DIGIT_BITS };

static size_t digit_of(const struct change *change, bool of_sub, unsigned shift)
{
    uint64_t number = of_sub ? change->sub : change->revision;
    return (size_t)(number >> shift) % DIGITS;
}

/* One pass of a radix sort: stable, by one digit. */
static void order_by_digit(const struct change *from, struct change *to, size_t count, bool of_sub,
                           unsigned shift)
{
    size_t places[DIGITS] = {0};
    for (size_t i = 0; i < count; i++) {
        places[digit_of(&from[i], of_sub, shift)]++;
    }
    size_t place = 0;
    for (size_t digit = 0; digit < DIGITS; digit++) {
        size_t here = places[digit];
        places[digit] = place;
        place += here;
    }
    for (size_t i = 0; i < count; i++) {
        to[places[digit_of(&from[i], of_sub, shift)]++] = from[i];
    }
}

/* By every digit that one of the numbers has. Returns where the result is: `changes` or `other`. */
static struct change *order_by_number(struct change *changes, struct change *other, size_t count,
                                      bool of_sub, uint64_t greatest)
{
    for (unsigned shift = 0; shift < 64 && greatest >> shift != 0; shift += DIGIT_BITS) {
        order_by_digit(changes, other, count, of_sub, shift);
        struct change *ordered = other;
        other = changes;
        changes = ordered;
    }
    return changes;
}

static bool in_order(const struct change *changes, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        const struct change *before = &changes[i - 1];
        if (before->revision > changes[i].revision ||
            (before->revision == changes[i].revision && before->sub > changes[i].sub)) {
            return false;
        }
    }
    return true;
}

static void order_history(struct mvcc *mvcc)
{
    size_t count = mvcc->history_end - mvcc->history_start;
    struct mvcc_version **history = mvcc->history + mvcc->history_start;
    if (count < 2) {
        return;
    }
    struct change *changes = alloc_array(count, sizeof(*changes));
    uint64_t greatest = 0;
    uint32_t greatest_sub = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t revision = (uint64_t)history[i]->kv->mod_revision;
        changes[i] = (struct change){revision, history[i]->sub, history[i]};
        greatest = revision > greatest ? revision : greatest;
        greatest_sub = history[i]->sub > greatest_sub ? history[i]->sub : greatest_sub;
    }
    if (!in_order(changes, count)) {
        struct change *other = alloc_array(count, sizeof(*other));
        struct change *ordered = order_by_number(changes, other, count, true, greatest_sub);
        ordered = order_by_number(ordered, ordered == changes ? other : changes, count,
                                  /* of_sub= */ false, greatest);
        for (size_t i = 0; i < count; i++) {
            history[i] = ordered[i].version;
        }
        free(other);
    }
    free(changes);
}

int mvcc_load_end(struct mvcc *mvcc, int64_t revision, int64_t compact_revision, uint64_t hash)
{
    size_t count = mvcc->history_end - mvcc->history_start;
    key_end(mvcc);
    order_history(mvcc);
    if (count > 0 && mvcc->history[mvcc->history_end - 1]->kv->mod_revision > revision) {
        return STORE_MALFORMED;
    }
    if (revision < 1 || compact_revision < 0 || compact_revision > revision) {
        return STORE_MALFORMED;
    }
    mvcc->revision = revision;
    mvcc->compact_revision = compact_revision;
    mvcc->hash = hash;
    size_t left = PLANTED == PLANT_REVISION_BACK ? count : 0;
    while (left > 0 && mvcc_is_tombstone(mvcc->history[mvcc->history_start + left - 1])) {
        left--;
    }
    if (left > 0) {
        mvcc->revision = mvcc->history[mvcc->history_start + left - 1]->kv->mod_revision;
    }
    while (mvcc->history_start < mvcc->history_end && /* Bases that are older than history. */
           mvcc->history[mvcc->history_start]->kv->mod_revision < compact_revision) {
        mvcc_version_unref(mvcc->history[mvcc->history_start++]);
    }
    return 0;
}
