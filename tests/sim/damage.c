#include "tests/sim/damage.h"

#include "raft/log_format.h"
#include "raft/meta_file.h"
#include <inttypes.h>
#include <string.h>

enum { PAGE = 4096, TRIES = 8, ASTRAY_SECTORS_MAX = 8 };

enum damage { FLIP, LOSE_PAGE, CUT, LOSE_FILE, ASTRAY, DAMAGE_COUNT };

static bool has_prefix(const struct sim_name *name, const char *prefix)
{
    return strncmp(name->name, prefix, strlen(prefix)) == 0;
}

static const struct sim_name *last_log(const struct sim_directory *directory)
{
    const struct sim_name *last = NULL;
    for (size_t i = 0; i < directory->count; i++) {
        const struct sim_name *name = &directory->names[i];
        if (has_prefix(name, "log-") && (last == NULL || strcmp(name->name, last->name) > 0)) {
            last = name;
        }
    }
    return last;
}

struct limit {
    uint64_t proven;
    size_t end;
};

static int take(void *data, struct raft_entry *entry, size_t offset)
{
    struct limit *limit = data;
    if (entry->index <= limit->proven) {
        limit->end = offset + record_size(entry->len);
    }
    raft_entry_unref(entry);
    return 0;
}

/* Up to where the newest segment is proven to have been durable, and can be read. When something
 * before that is unreadable already, the marks may be all that proves it: `ret_marks`. */
static size_t proven_end(const struct sim_inode *inode, bool *ret_marks)
{
    struct slice bytes = slice_of(inode->durable, inode->durable_len);
    struct segment_place place = {.last = true};
    struct segment_scan scan;
    struct limit limit = {.proven = UINT64_MAX};
    if (segment_scan(bytes, &place, take, &limit, &scan) < 0) {
        return 0;
    }
    *ret_marks = scan.damaged;
    limit = (struct limit){.proven = scan.proven.index, .end = 0};
    (void)!segment_scan(bytes, &place, take, &limit, &scan);
    return limit.end;
}

/* One copy of term and vote may be damaged while the other is whole and as new. */
static size_t meta_end(const struct sim_inode *inode)
{
    struct raft_meta first, second;
    return inode->durable_len >= (size_t)META_SLOTS * META_SLOT &&
                   raft_meta_decode(slice_of(inode->durable, META_SLOT), &first) == 0 &&
                   raft_meta_decode(slice_of(inode->durable + META_SLOT, META_SLOT), &second) ==
                       0 &&
                   first.sequence == second.sequence
               ? META_SLOT
               : 0;
}

static void overwrite(struct sim_inode *inode, size_t from, size_t len, uint8_t keep, uint8_t flip)
{
    for (size_t at = from; at < from + len && at < inode->capacity; at++) {
        inode->durable[at] = (uint8_t)((inode->durable[at] & keep) ^ flip);
        inode->cache[at] = inode->durable[at];
    }
}

static void cut(struct sim_inode *inode, size_t len)
{
    overwrite(inode, len, inode->capacity - len, 0, 0);
    inode->durable_len = len;
    inode->cache_len = len;
}

/* A write of some other place landed here: sectors of any file, at the start of a sector. Not the
 * last ones, see LOSE_PAGE. */
static bool write_astray(struct sim_node *node, struct sim_random *random, struct sim_inode *inode,
                         size_t at, size_t end)
{
    const struct sim_directory *directory = &node->disk.durable;
    const struct sim_inode *source = directory->names[sim_below(random, directory->count)].inode;
    size_t len = (1 + sim_below(random, ASTRAY_SECTORS_MAX)) * SIM_SECTOR;
    size_t from = sim_below(random, source->durable_len / SIM_SECTOR + 1) * SIM_SECTOR;
    at = at / SIM_SECTOR * SIM_SECTOR;
    len = from + len > source->durable_len ? source->durable_len - from : len;
    uint8_t bytes[ASTRAY_SECTORS_MAX * SIM_SECTOR];
    if (len == 0 || at + len > end ||
        memcmp(inode->durable + at, source->durable + from, len) == 0) {
        return false;
    }
    memcpy(bytes, source->durable + from, len);
    memcpy(inode->durable + at, bytes, len);
    memcpy(inode->cache + at, bytes, len);
    return true;
}

/* raft-meta is all that may not be lost as a whole: without it no member starts. */
static bool damage_file(struct sim_node *node, struct sim_random *random, enum damage damage,
                        const struct sim_name *name)
{
    struct sim_inode *inode = name->inode;
    bool last = name == last_log(&node->disk.durable);
    bool meta = has_prefix(name, "raft-meta");
    bool marks_needed = false;
    size_t end = last   ? proven_end(inode, &marks_needed)
                 : meta ? meta_end(inode)
                        : inode->durable_len;
    if ((end == 0 && damage != LOSE_FILE) || (meta && (damage == CUT || damage == LOSE_FILE))) {
        return false;
    }
    size_t at = sim_below(random, end);
    if (marks_needed && at < SEGMENT_HEAD && damage != CUT && damage != LOSE_FILE) {
        return false; /* As below: what proves the damage before would go with it. */
    }
    switch (damage) {
    case FLIP:
        overwrite(inode, at, 1, 0xff, (uint8_t)(1U << sim_below(random, 8)));
        break;
    case LOSE_PAGE:
        at = at / PAGE * PAGE;
        if (last && at > 0 && at + PAGE > end) {
            return false; /* What proves that it was durable would go with it. */
        }
        overwrite(inode, at, PAGE, 0, 0);
        break;
    case CUT:
        cut(inode, at);
        break;
    case LOSE_FILE:
        sim_say(node->world, "member %" PRIu64 " loses %s", node->id, name->name);
        sim_disk_lose(node, name->name);
        return true;
    case ASTRAY:
        if (!write_astray(node, random, inode, at, end)) {
            return false;
        }
        break;
    case DAMAGE_COUNT:
        return false;
    }
    sim_say(node->world, "%s of member %" PRIu64 " is damaged (%d) at %zu", name->name, node->id,
            (int)damage, at);
    return true;
}

bool sim_damage_raft(struct sim_node *node, struct sim_random *random)
{
    const struct sim_directory *directory = &node->disk.durable;
    for (int i = 0; i < TRIES && directory->count > 0; i++) {
        const struct sim_name *name = &directory->names[sim_below(random, directory->count)];
        enum damage damage = (enum damage)sim_below(random, DAMAGE_COUNT);
        if (has_prefix(name, "aside-")) {
            continue;
        }
        if (damage_file(node, random, damage, name)) {
            return true;
        }
    }
    return false;
}

bool sim_damage_snapshot(struct sim_node *node, struct sim_random *random)
{
    const struct sim_directory *directory = &node->disk.durable;
    for (size_t i = 0; i < directory->count; i++) {
        enum damage damage = sim_below(random, 2) == 0 ? FLIP : ASTRAY;
        if (has_prefix(&directory->names[i], "snap-")) {
            return damage_file(node, random, damage, &directory->names[i]);
        }
    }
    return false;
}
