/* Watchers, each the client of one member at a time. What they must see is in the model's history:
 * ordered, unique and complete (the next event that matches, and no other), atomic (all of its
 * revision at once), resumable (at any member, from where they were), bookmarks true, filters,
 * previous values and creation marks right: W1 to W9. */
#include "tests/sim/sim2.h"

#include "lib/base/alloc.h"
#include "store/status.h"
#include <inttypes.h>

static struct sim_random *rng(struct sim2 *sim)
{
    return &sim->world.work;
}

static bool matches(const struct watcher *watcher, const struct model_event *event)
{
    const struct kv_model *model = &watcher->sim->model;
    bool deletion = model->keys[event->key].versions[event->version].version == 0;
    return event->key >= watcher->first_key && event->key < watcher->end_key &&
           !(deletion ? watcher->no_delete : watcher->no_put);
}

/* The next event that is to come, as an index into the model's; event_count: none so far. */
static size_t next_event(const struct watcher *watcher)
{
    const struct kv_model *model = &watcher->sim->model;
    size_t at = kv_model_event_find(model, watcher->next);
    while (at < model->event_count && !matches(watcher, &model->events[at])) {
        at++;
    }
    return at;
}

/* ---- digests of the events of a revision ---- */

static void add_event(struct digest *digest, bool deletion, size_t key, int64_t revision)
{
    digest_add(digest, deletion);
    digest_add(digest, key);
    digest_add(digest, (uint64_t)revision);
}

static uint64_t expected_digest(const struct watcher *watcher, size_t at, int64_t compact,
                                size_t *ret_count)
{
    const struct kv_model *model = &watcher->sim->model;
    struct digest digest = {0};
    int64_t revision = model->events[at].revision;
    size_t count = 0;
    for (; at < model->event_count && model->events[at].revision == revision; at++) {
        const struct model_event *event = &model->events[at];
        const struct model_key *key = &model->keys[event->key];
        if (!matches(watcher, event)) {
            continue;
        }
        bool deletion = key->versions[event->version].version == 0;
        add_event(&digest, deletion, event->key, revision);
        digest_version(&digest, event->key, deletion ? NULL : &key->versions[event->version]);
        bool previous = event->version > 0 && revision > compact;
        digest_version(&digest, event->key, previous ? &key->versions[event->version - 1] : NULL);
        count++;
    }
    *ret_count = count;
    return digest.value;
}

static uint64_t seen_digest(int64_t revision, const struct store_event *events, size_t count)
{
    struct digest digest = {0};
    for (size_t i = 0; i < count; i++) {
        bool deletion = events[i].kind == STORE_EVENT_DELETE;
        int64_t key = model_key_number(events[i].kv->key);
        add_event(&digest, deletion, (size_t)key,
                  deletion && events[i].kv->mod_revision != revision ? -1 : revision);
        (void)digest_kv(&digest, deletion ? NULL : events[i].kv);
        (void)digest_kv(&digest, events[i].prev_kv);
    }
    return digest.value;
}

void sim2_watch_check(struct sim2 *sim, const struct watch_delivery *delivery)
{
    struct watcher *watcher = delivery->watcher;
    size_t at = next_event(watcher);
    int64_t wanted = at < sim->model.event_count ? sim->model.events[at].revision : -1;
    size_t count = 0;
    if (wanted != delivery->revision) {
        sim_fail(&sim->world,
                 "W1-W3: watcher %zu gets revision %" PRId64 "; next is %" PRId64
                 " (it has all before %" PRId64 ")",
                 watcher->number, delivery->revision, wanted, watcher->next);
        return;
    }
    uint64_t digest = expected_digest(watcher, at, delivery->compact_revision, &count);
    if (digest != delivery->digest || count != delivery->count) {
        sim_fail(&sim->world,
                 "W4, W7-W9: watcher %zu gets %zu events of revision %" PRId64
                 " (of %zu), or others than there were",
                 watcher->number, delivery->count, delivery->revision, count);
    }
    watcher->next = delivery->revision + 1;
    watcher->events++;
    sim->counts_events++;
}

/* ---- callbacks ---- */

static void on_events(void *data, int64_t revision, const struct store_event *events, size_t count)
{
    struct watcher *watcher = data;
    struct sim2 *sim = watcher->sim;
    if (count == 0) { /* A bookmark: checked with what the watch says of itself. */
        watcher->bookmark = revision;
        return;
    }
    const struct watch_delivery delivery = {.watcher = watcher,
                                            .revision = revision,
                                            .digest = seen_digest(revision, events, count),
                                            .compact_revision =
                                                store_compact_revision(watcher->member->store),
                                            .count = count};
    if (sim->applying) {
        if (sim->late_watch_count == sim->late_watch_capacity) {
            sim->late_watch_capacity = sim->late_watch_capacity * 2 + 8;
            sim->late_watches = alloc_resize(sim->late_watches, sim->late_watch_capacity,
                                             sizeof(*sim->late_watches));
        }
        sim->late_watches[sim->late_watch_count++] = delivery;
    } else {
        sim2_watch_check(sim, &delivery);
    }
    if (!sim->settling && sim_below(rng(sim), 40) == 0) { /* A slow reader. */
        store_watch_pause(watcher->watch);
        watcher->paused = true;
    }
}

static void on_end(void *data, int status, int64_t compact_revision)
{
    struct watcher *watcher = data;
    struct sim2 *sim = watcher->sim;
    watcher->watch = NULL;
    watcher->paused = false;
    if (status == STORE_STOPPED) {
        return;
    }
    watcher->ends++;
    sim_say(&sim->world, "watcher %zu ends: status %d, compacted %" PRId64 ", next was %" PRId64,
            watcher->number, status, compact_revision, watcher->next);
    if (status != STORE_COMPACTED || watcher->next >= compact_revision ||
        compact_revision != store_compact_revision(watcher->member->store)) {
        sim_fail(&sim->world,
                 "W5: watcher %zu ends with status %d at compact revision %" PRId64
                 ", but waits for %" PRId64,
                 watcher->number, status, compact_revision, watcher->next);
    }
    watcher->next = compact_revision; /* It reads the state there, and goes on. */
}

/* ---- what a watcher does ---- */

static void choose(struct watcher *watcher, struct sim2_member *member)
{
    struct sim2 *sim = watcher->sim;
    int64_t now = store_revision(member->store);
    size_t keys = sim->knobs.key_count;
    watcher->first_key = sim_below(rng(sim), 3) == 0 ? 0 : sim_below(rng(sim), keys);
    watcher->end_key = sim_below(rng(sim), 2) == 0 ? watcher->first_key + 1 : keys;
    watcher->no_put = sim_below(rng(sim), 10) == 0;
    watcher->no_delete = !watcher->no_put && sim_below(rng(sim), 10) == 0;
    const int64_t starts[] = {now + 1, now + 1 + (int64_t)sim_below(rng(sim), 20),
                              sim->model.compact_revision, now / 2, 1};
    watcher->next = starts[sim_below(rng(sim), ARRAY_LEN(starts))];
    watcher->next = watcher->next < 1 ? 1 : watcher->next;
    watcher->started = true;
}

static void connect_to(struct watcher *watcher, struct sim2_member *member)
{
    struct sim2 *sim = watcher->sim;
    char first[4];
    char end[4];
    bool fresh = !watcher->started || (!sim->settling && sim_below(rng(sim), 30) == 0);
    if (fresh) {
        choose(watcher, member);
    }
    struct slice start = model_key_text(watcher->first_key, first);
    bool single = watcher->end_key == watcher->first_key + 1;
    bool from_now = fresh && watcher->next == store_revision(member->store) + 1;
    const struct store_watch_options options = {
        .key = start,
        .end = single ? slice_of(NULL, 0) : model_key_text(watcher->end_key, end),
        .start_revision = from_now ? 0 : watcher->next,
        .no_put = watcher->no_put,
        .no_delete = watcher->no_delete,
        .progress = watcher->number % 2 == 0,
        .on_events = on_events,
        .on_end = on_end,
        .data = watcher};
    watcher->member = member;
    watcher->delivered = 0;
    watcher->bookmark = 0;
    watcher->paused = false;
    watcher->watch = store_watch(member->store, &options);
    sim_say(&sim->world, "watcher %zu watches keys %zu to %zu at member %" PRIu64 " from %" PRId64,
            watcher->number, watcher->first_key, watcher->end_key, member->machine->id,
            options.start_revision);
}

/* W6: what the bookmark covers has been delivered, and it never goes back. */
static void check_bookmark(struct watcher *watcher)
{
    struct sim2 *sim = watcher->sim;
    int64_t delivered = store_watch_delivered(watcher->watch);
    delivered = watcher->bookmark > delivered ? watcher->bookmark : delivered;
    watcher->bookmark = 0;
    size_t at = next_event(watcher);
    bool missing = at < sim->model.event_count && sim->model.events[at].revision <= delivered;
    if (missing || delivered < watcher->delivered) {
        sim_fail(&sim->world,
                 "W6: watcher %zu is told that all up to revision %" PRId64
                 " was delivered; it was told %" PRId64 " before, and waits for %" PRId64,
                 watcher->number, delivered, watcher->delivered,
                 missing ? sim->model.events[at].revision : watcher->next);
    }
    watcher->delivered = delivered;
}

static void stay(struct watcher *watcher)
{
    struct sim2 *sim = watcher->sim;
    uint64_t pick = sim_below(rng(sim), 100);
    check_bookmark(watcher);
    if (watcher->paused && (sim->settling || pick < 30)) {
        watcher->paused = false;
        store_watch_resume(watcher->watch);
    } else if (!watcher->paused && !sim->settling && pick < 5) {
        watcher->paused = true;
        store_watch_pause(watcher->watch);
    } else if (!sim->settling && pick > 95) {
        store_watch_cancel(watcher->watch);
        watcher->watch = NULL;
    }
}

void sim2_watcher_turn(struct sim2 *sim, size_t number)
{
    struct watcher *watcher = &sim->watchers[number];
    watcher->sim = sim;
    watcher->number = number;
    struct sim2_member *member = &sim->members[sim_below(rng(sim), sim->count)];
    if (watcher->watch != NULL) {
        stay(watcher);
    } else if (member->machine->alive) {
        connect_to(watcher, member);
    }
    sim_at(&sim->world, 1 + sim_exponential(rng(sim), 20 * NS_PER_MS), CALL_WATCHER + number);
}

bool sim2_watches_current(struct sim2 *sim)
{
    for (size_t i = 0; i < sim->knobs.watcher_count; i++) {
        const struct watcher *watcher = &sim->watchers[i];
        if (watcher->watch == NULL || watcher->paused ||
            next_event(watcher) < sim->model.event_count ||
            store_watch_delivered(watcher->watch) < sim->model.revision) {
            return false;
        }
    }
    return true;
}
