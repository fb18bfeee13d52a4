#include "store/watch_hub.h"

#include "lib/base/alloc.h"
#include "lib/base/list.h"
#include "store/mvcc_range.h"
#include "store/plant.h"
#include "store/watch_group.h"
#include <assert.h>
#include <stdlib.h>

enum {
    SCAN_EVENTS_PER_TURN = 4096, /* History that one late watch looks through a turn. */
    /* What all of them do in a turn, counted as events looked at: some milliseconds. Others wait
     * for the loop, and thousands of watches may begin in the past when their clients come back. */
    TURN_WORK = 4 * SCAN_EVENTS_PER_TURN,
    WATCH_WORK = 8,       /* Of each watch. */
    DELIVER_WORK = 4,     /* Of each event that is told, beyond looking at it. */
    PREFETCH_WATCHES = 8, /* How far ahead memory is asked for. */
};

struct store_watch {
    struct watch_hub *hub;
    struct store_watch_options options; /* key and end point into `bytes`. */
    enum watch_state { WATCH_LIVE, WATCH_BEHIND, WATCH_PAUSED, WATCH_DEAD } state;
    struct watch_place place; /* In its group, while live. */
    struct list node;         /* In the list of its state, else. */
    int64_t next_revision;    /* The first not delivered; meaningless while live. */
    uint8_t bytes[];
};

/* A watch that is to be told something, and whose events. */
struct touched {
    struct store_watch *watch;
    struct watch_group *group;
};

struct watch_hub {
    void (*wake)(void *data);
    void *wake_data;
    int64_t revision;         /* Up to which live watches have everything. */
    struct watch_groups live; /* All live watches. */
    struct list behind;
    struct list paused;
    struct list dead; /* Cancelled while events were being delivered. */
    size_t count, behind_count;
    unsigned delivering;
    struct touched *touched;
    size_t touched_count, touched_capacity;
    struct event_list events; /* What one watch gets, when that is not what its group gets. */
};

struct watch_hub *store_watch_hub_new(void (*wake)(void *data), void *data)
{
    struct watch_hub *hub = alloc_zeroed(sizeof(*hub));
    hub->wake = wake;
    hub->wake_data = data;
    watch_groups_init(&hub->live);
    list_init(&hub->behind);
    list_init(&hub->paused);
    list_init(&hub->dead);
    return hub;
}

void store_watch_hub_free(struct watch_hub *hub)
{
    if (hub == NULL) {
        return;
    }
    assert(hub->count == 0);
    watch_groups_release(&hub->live);
    event_list_release(&hub->events);
    free(hub->touched);
    free(hub);
}

size_t watch_hub_count(const struct watch_hub *hub)
{
    return hub->count;
}

size_t watch_hub_behind(const struct watch_hub *hub)
{
    return hub->behind_count;
}

/* --- States. */

static void leave_state(struct store_watch *watch)
{
    struct watch_hub *hub = watch->hub;
    if (watch->state == WATCH_LIVE) {
        watch->next_revision = hub->revision + 1 > watch->options.start_revision
                                   ? hub->revision + 1
                                   : watch->options.start_revision;
        watch_groups_leave(&hub->live, &watch->place);
    } else {
        list_remove(&watch->node);
        hub->behind_count -= watch->state != WATCH_DEAD;
    }
}

static void enter_state(struct store_watch *watch, enum watch_state state)
{
    struct watch_hub *hub = watch->hub;
    watch->state = state;
    switch (state) {
    case WATCH_LIVE:
        watch_groups_join(&hub->live, watch->options.key, watch->options.end, &watch->place);
        break;
    case WATCH_BEHIND:
        hub->behind_count++;
        list_push_back(&hub->behind, &watch->node);
        hub->wake(hub->wake_data);
        break;
    case WATCH_PAUSED:
        hub->behind_count++;
        list_push_back(&hub->paused, &watch->node);
        break;
    case WATCH_DEAD:
        list_push_back(&hub->dead, &watch->node);
        break;
    }
}

static void move_to(struct store_watch *watch, enum watch_state state)
{
    leave_state(watch);
    enter_state(watch, state);
}

static void free_dead(struct watch_hub *hub)
{
    LIST_FOREACH(node, next, &hub->dead)
    {
        list_remove(node);
        free(LIST_ENTRY(node, struct store_watch, node));
    }
    watch_groups_sweep(&hub->live);
}

struct store_watch *watch_hub_add(struct watch_hub *hub, const struct mvcc *mvcc,
                                  const struct store_watch_options *options)
{
    if (hub->count >= STORE_WATCHES_MAX) {
        return NULL;
    }
    size_t len = options->key.len + options->end.len;
    struct store_watch *watch = alloc_zeroed(sizeof(*watch) + len);
    watch->hub = hub;
    watch->options = *options;
    if (options->key.len > 0) {
        memcpy(watch->bytes, options->key.data, options->key.len);
    }
    if (options->end.len > 0) {
        memcpy(watch->bytes + options->key.len, options->end.data, options->end.len);
    }
    watch->options.key = slice_of(watch->bytes, options->key.len);
    watch->options.end = slice_of(watch->bytes + options->key.len, options->end.len);
    list_init(&watch->node);
    hub->count++;
    hub->revision = mvcc_revision(mvcc);
    if (options->start_revision <= 0 || options->start_revision > hub->revision) {
        enter_state(watch, WATCH_LIVE);
    } else {
        watch->next_revision = options->start_revision;
        enter_state(watch, WATCH_BEHIND);
    }
    return watch;
}

void store_watch_cancel(struct store_watch *watch)
{
    if (watch == NULL || watch->state == WATCH_DEAD) {
        return;
    }
    struct watch_hub *hub = watch->hub;
    hub->count--;
    move_to(watch, WATCH_DEAD);
    if (hub->delivering == 0) {
        free_dead(hub);
    }
}

void store_watch_pause(struct store_watch *watch)
{
    if (watch->state == WATCH_LIVE || watch->state == WATCH_BEHIND) {
        move_to(watch, WATCH_PAUSED);
    }
}

void store_watch_resume(struct store_watch *watch)
{
    if (watch->state == WATCH_PAUSED) {
        bool live = watch->next_revision > watch->hub->revision;
        move_to(watch, live ? WATCH_LIVE : WATCH_BEHIND);
    }
}

int64_t store_watch_delivered(const struct store_watch *watch)
{
    if (PLANTED == PLANT_PROGRESS_AHEAD) {
        return watch->hub->revision;
    }
    int64_t reached = watch->next_revision - 1; /* Of a future start: not reached yet. */
    bool all = watch->state == WATCH_LIVE || reached > watch->hub->revision;
    return all ? watch->hub->revision : reached;
}

/* --- Delivery. */

static void event_add(struct event_list *events, const struct mvcc_version *version, bool with_prev)
{
    const struct mvcc_version *older = with_prev ? version->older : NULL;
    if (PLANTED == PLANT_PREV_KV && older != NULL) {
        older = older->older;
    }
    *event_list_add(events) = (struct store_event){
        .kind = mvcc_is_tombstone(version) ? STORE_EVENT_DELETE : STORE_EVENT_PUT,
        .kv = version->kv,
        .prev_kv = older == NULL || mvcc_is_tombstone(older) ? NULL : older->kv};
}

static bool is_wanted(const struct store_watch *watch, bool deletion)
{
    return deletion ? !watch->options.no_delete || PLANTED == PLANT_FILTER_IGNORED
                    : !watch->options.no_put;
}

/* Those of the events that the watch wants: the list itself, or the hub's until the next call. */
static const struct event_list *wanted_of(struct store_watch *watch,
                                          const struct event_list *events)
{
    if (!watch->options.no_put && !watch->options.no_delete) {
        return events;
    }
    struct event_list *wanted = &watch->hub->events;
    event_list_clear(wanted);
    for (size_t i = 0; i < events->count; i++) {
        if (is_wanted(watch, events->items[i].kind == STORE_EVENT_DELETE)) {
            *event_list_add(wanted) = events->items[i];
        }
    }
    return wanted;
}

/* The watch may be dead when this returns (but its memory is there while hub->delivering). */
static void deliver(struct store_watch *watch, int64_t revision, const struct event_list *events)
{
    size_t count = events->count;
    if (count == 0) {
        return;
    }
    for (size_t i = 0; PLANTED == PLANT_REVISION_SPLIT && i + 1 < count; i++) {
        watch->options.on_events(watch->options.data, revision, &events->items[i], 1);
    }
    size_t from = PLANTED == PLANT_REVISION_SPLIT ? count - 1 : 0;
    watch->options.on_events(watch->options.data, revision, &events->items[from], count - from);
}

static void delivery_begin(struct watch_hub *hub)
{
    hub->delivering++;
}

static void delivery_end(struct watch_hub *hub)
{
    assert(hub->delivering > 0);
    if (--hub->delivering == 0) {
        event_list_clear(&hub->events);
        free_dead(hub);
    }
}

static void touched_add(struct watch_hub *hub, struct watch_group *group, size_t at)
{
    if (hub->touched_count == hub->touched_capacity) {
        hub->touched_capacity = hub->touched_capacity == 0 ? 16 : hub->touched_capacity * 2;
        hub->touched = alloc_resize(hub->touched, hub->touched_capacity, sizeof(*hub->touched));
    }
    hub->touched[hub->touched_count++] =
        (struct touched){LIST_ENTRY(group->members[at], struct store_watch, place), group};
}

struct touching {
    struct watch_hub *hub;
    const struct mvcc_version *version;
};

/* Callbacks may end watches and begin others: who is to be told is noted before the first runs. */
static void touch(void *data, struct watch_group *group)
{
    const struct touching *touching = data;
    bool first = group->events.count == 0;
    event_add(&group->events, touching->version, /* with_prev= */ true);
    for (size_t i = 0; first && i < group->count; i++) {
        touched_add(touching->hub, group, i);
    }
}

static bool has_begun(const struct store_watch *watch, int64_t revision)
{
    return watch->options.start_revision <= revision || PLANTED == PLANT_FUTURE_WATCH;
}

/* A thousand watches are more than the nearest cache holds. */
static void prefetch(const struct watch_hub *hub, size_t at)
{
    if (at + PREFETCH_WATCHES < hub->touched_count) {
        const struct store_watch *next = hub->touched[at + PREFETCH_WATCHES / 2].watch;
        const struct store_watch *later = hub->touched[at + PREFETCH_WATCHES].watch;
        __builtin_prefetch(next->options.data);
        __builtin_prefetch(&later->options.start_revision);
        __builtin_prefetch(&later->state);
    }
}

void watch_hub_notify(struct watch_hub *hub, const struct mvcc *mvcc, size_t event_count)
{
    assert(hub->delivering == 0); /* Callbacks do not apply. */
    size_t end = mvcc_history_count(mvcc);
    hub->revision = mvcc_revision(mvcc);
    if (hub->count == hub->behind_count || event_count == 0) {
        return;
    }
    hub->touched_count = 0;
    for (size_t i = end - event_count; i < end; i++) {
        struct touching touching = {hub, mvcc_history_at(mvcc, i)};
        watch_groups_at(&hub->live, touching.version->kv->key, touch, &touching);
    }
    delivery_begin(hub);
    for (size_t i = 0; i < hub->touched_count; i++) {
        struct store_watch *watch = hub->touched[i].watch;
        struct watch_group *group = hub->touched[i].group;
        prefetch(hub, i);
        if (watch->state != WATCH_DEAD && has_begun(watch, hub->revision)) {
            deliver(watch, hub->revision, wanted_of(watch, &group->events));
        }
        if (i + 1 == hub->touched_count || hub->touched[i + 1].group != group) {
            event_list_clear(&group->events); /* That was its last. */
        }
    }
    delivery_end(hub);
}

static bool wants_progress(const struct store_watch *watch)
{
    return watch->options.progress;
}

static bool wants_gap(const struct store_watch *watch)
{
    return watch->options.on_gap != NULL;
}

/* `tell` runs for the live ones that `which` picks. */
static void tell_live(struct watch_hub *hub, const struct mvcc *mvcc,
                      bool (*which)(const struct store_watch *watch),
                      void (*tell)(const struct store_watch *watch))
{
    assert(hub->delivering == 0);
    hub->revision = mvcc_revision(mvcc);
    hub->touched_count = 0;
    LIST_FOREACH(node, next, &hub->live.all)
    {
        struct watch_group *group = LIST_ENTRY(node, struct watch_group, node);
        for (size_t i = 0; i < group->count; i++) {
            if (which(LIST_ENTRY(group->members[i], struct store_watch, place))) {
                touched_add(hub, group, i);
            }
        }
    }
    delivery_begin(hub);
    for (size_t i = 0; i < hub->touched_count; i++) {
        if (hub->touched[i].watch->state == WATCH_LIVE) { /* Not stopped by another's callback. */
            tell(hub->touched[i].watch);
        }
    }
    delivery_end(hub);
}

static void tell_progress(const struct store_watch *watch)
{
    watch->options.on_events(watch->options.data, watch->hub->revision, NULL, 0);
}

static void tell_gap(const struct store_watch *watch)
{
    watch->options.on_gap(watch->options.data, watch->hub->revision);
}

void watch_hub_progress(struct watch_hub *hub, const struct mvcc *mvcc)
{
    tell_live(hub, mvcc, wants_progress, tell_progress);
}

void watch_hub_gap(struct watch_hub *hub, const struct mvcc *mvcc)
{
    tell_live(hub, mvcc, wants_gap, tell_gap);
}

/* Leaving the live state notes the revision as the position reached. */
static void move_all_live(struct watch_hub *hub, enum watch_state state)
{
    struct list *node;
    while ((node = list_first(&hub->live.all)) != NULL) { /* It goes with its last watch. */
        const struct watch_group *group = LIST_ENTRY(node, struct watch_group, node);
        move_to(LIST_ENTRY(group->members[0], struct store_watch, place), state);
    }
}

/* Only with a bug planted. */
static void start_over(struct watch_hub *hub, const struct mvcc *mvcc)
{
    LIST_FOREACH(node, next, &hub->behind)
    {
        struct store_watch *watch = LIST_ENTRY(node, struct store_watch, node);
        if (watch->options.start_revision <= 0) {
            watch->next_revision = mvcc_compact_revision(mvcc);
        }
    }
}

void watch_hub_restored(struct watch_hub *hub, const struct mvcc *mvcc)
{
    move_all_live(hub, WATCH_BEHIND);
    hub->revision = mvcc_revision(mvcc);
    if (PLANTED == PLANT_WATCH_BACK) {
        start_over(hub, mvcc);
    }
}

/* --- Catching up. */

static void watch_end(struct store_watch *watch, int status, int64_t compact_revision)
{
    struct store_watch_options options = watch->options;
    store_watch_cancel(watch);
    options.on_end(options.data, status, compact_revision);
}

/* How much work it was. */
static size_t catch_up_one(struct store_watch *watch, const struct mvcc *mvcc)
{
    size_t work = WATCH_WORK;
    int64_t compact = mvcc_compact_revision(mvcc);
    if (watch->next_revision < compact && PLANTED != PLANT_SLOW_READER_LOSES) {
        watch_end(watch, STORE_COMPACTED, compact);
        return work;
    }
    struct event_list *events = &watch->hub->events;
    size_t end = mvcc_history_count(mvcc);
    size_t at = mvcc_history_find(mvcc, watch->next_revision);
    size_t stop = at + SCAN_EVENTS_PER_TURN;
    for (int turns = 0; at < end && at < stop && turns < STORE_WATCH_BATCH_REVISIONS; turns++) {
        int64_t revision = mvcc_history_at(mvcc, at)->kv->mod_revision;
        event_list_clear(events);
        size_t before = at;
        for (; at < end && mvcc_history_at(mvcc, at)->kv->mod_revision == revision; at++) {
            const struct mvcc_version *version = mvcc_history_at(mvcc, at);
            if (is_wanted(watch, mvcc_is_tombstone(version)) &&
                mvcc_in_range(version->kv->key, watch->options.key, watch->options.end)) {
                event_add(events, version, /* with_prev= */ revision > compact);
            }
        }
        watch->next_revision = revision + 1;
        work += at - before + DELIVER_WORK * events->count;
        deliver(watch, revision, events);
        if (watch->state != WATCH_BEHIND) {
            watch->next_revision -= PLANTED == PLANT_EVENT_TWICE;
            return work; /* Paused or cancelled by its callback. */
        }
    }
    if (at == end) {
        bool moved = watch->next_revision <= mvcc_revision(mvcc);
        watch->next_revision = mvcc_revision(mvcc) + 1;
        move_to(watch, WATCH_LIVE);
        if (moved && watch->options.progress) { /* After the last event, without one. */
            watch->options.on_events(watch->options.data, mvcc_revision(mvcc), NULL, 0);
        }
    }
    return work;
}

bool watch_hub_catch_up(struct watch_hub *hub, const struct mvcc *mvcc)
{
    struct list end; /* Of those behind now: each has one turn at most. */
    struct list *node;
    size_t work = 0;
    list_init(&end);
    list_push_back(&hub->behind, &end);
    delivery_begin(hub);
    while (work < TURN_WORK && (node = list_first(&hub->behind)) != &end) {
        list_remove(node);
        list_push_back(&hub->behind, node);
        work += catch_up_one(LIST_ENTRY(node, struct store_watch, node), mvcc);
    }
    delivery_end(hub);
    list_remove(&end);
    return !list_empty(&hub->behind);
}

void watch_hub_end_all(struct watch_hub *hub, int status)
{
    delivery_begin(hub);
    move_all_live(hub, WATCH_PAUSED);
    struct list *lists[] = {&hub->behind, &hub->paused};
    for (size_t i = 0; i < 2; i++) {
        struct list *node;
        while ((node = list_first(lists[i])) != NULL) {
            watch_end(LIST_ENTRY(node, struct store_watch, node), status,
                      /* compact_revision= */ 0);
        }
    }
    delivery_end(hub);
}
