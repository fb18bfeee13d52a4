#include "apiserver/node_session.h"

#include "apiserver/limits.h"
#include "apiserver/request.h"
#include "k8s/coordination_v1.pb-c.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/api/convert.h"
#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include "store/storage.h"
#include <pthread.h>
#include <stdlib.h>

#define LEASE_PREFIX "/coracle/nodes/"
enum { POLL_MS = 2000, POLL_BATCH = 512 };

struct node_life {
    struct node_liveness *liveness;
    char *name;
    int64_t lease;    /* Its id in the store: made from the name, so that members agree. */
    uint64_t beat_ns; /* The env's clock; 0: none known. */
    int64_t beat_wall_s;
    bool alive;      /* The key exists. */
    bool own;        /* The last beat came over a session of this member. */
    bool busy;       /* A call to the store is under way. */
    uint64_t own_ns; /* When. */
    int64_t ttl_s;
};

struct node_liveness {
    struct env *env;
    struct storage *storage;
    struct store_watch *watch;
    pthread_mutex_t lock; /* The map, for readers on io loops. */
    struct hash_map *nodes;
    struct env_timer poll;
    size_t poll_at;
    uint64_t leading_since_ns;
    bool leading;
    size_t calls; /* Under way in the store, which may answer after all else is gone. */
    bool freed;   /* The last of them frees it. */
};

static struct node_life *find(struct node_liveness *liveness, const char *name, bool make)
{
    struct node_life *life = hash_map_get(liveness->nodes, slice_text(name));
    if (life != NULL || !make) {
        return life;
    }
    life = alloc_zeroed(sizeof(*life));
    life->liveness = liveness;
    life->name = alloc_text(name);
    life->lease = (int64_t)(hash_bytes(UINT64_C(0x6e6f6465), slice_text(name)) >> 1) | 1;
    life->ttl_s = NODE_LEASE_SECONDS;
    (void)hash_map_set(liveness->nodes, slice_text(name), life);
    return life;
}

static void set_beat(struct node_life *life, uint64_t age_ns)
{
    struct env *env = life->liveness->env;
    uint64_t now_ns = env_now_ns(env);
    life->beat_ns = age_ns < now_ns ? now_ns - age_ns : 1;
    life->beat_wall_s = (env_wall_ns(env) - (int64_t)age_ns) / INT64_C(1000000000);
}

/* --- What the store says --- */

static void on_events(void *data, int64_t revision, const struct store_event *events, size_t count)
{
    struct node_liveness *liveness = data;
    (void)revision;
    pthread_mutex_lock(&liveness->lock);
    for (size_t i = 0; i < count; i++) {
        struct slice key = events[i].kv->key;
        size_t prefix = sizeof(LEASE_PREFIX) - 1;
        char *name = alloc_text_n((const char *)key.data + prefix, key.len - prefix);
        struct node_life *life = find(liveness, name, true);
        life->alive = events[i].kind == STORE_EVENT_PUT;
        if (life->alive) {
            set_beat(life, 0);
        }
        free(name);
    }
    pthread_mutex_unlock(&liveness->lock);
}

static void start_watch(struct node_liveness *liveness);

static void watch_ended(void *data, int status, int64_t compact_revision)
{
    struct node_liveness *liveness = data;
    (void)compact_revision;
    liveness->watch = NULL;
    if (status != STORE_STOPPED) {
        start_watch(liveness);
    }
}

static bool load_one(void *data, const struct store_kv *kv)
{
    struct store_event event = {.kind = STORE_EVENT_PUT, .kv = kv};
    on_events(data, kv->mod_revision, &event, 1);
    return true;
}

static void start_watch(struct node_liveness *liveness)
{
    struct store_snapshot *snapshot = storage_snapshot(liveness->storage);
    static const char end[] = "/coracle/nodes0";
    store_snapshot_each(snapshot, slice_text(LEASE_PREFIX), slice_text(end), load_one, liveness);
    struct store_watch_options options = {.key = slice_text(LEASE_PREFIX),
                                          .end = slice_text(end),
                                          .start_revision = store_snapshot_revision(snapshot) + 1,
                                          .on_events = on_events,
                                          .on_end = watch_ended,
                                          .data = liveness};
    store_snapshot_unref(snapshot);
    liveness->watch = storage_watch(liveness->storage, &options);
}

/* --- Calls to the store, one for a node at a time --- */

static void release(struct node_liveness *liveness)
{
    void *value = NULL;
    for (size_t at = 0; hash_map_next(liveness->nodes, &at, NULL, &value);) {
        struct node_life *life = value;
        free(life->name);
        free(life);
    }
    hash_map_free(liveness->nodes);
    pthread_mutex_destroy(&liveness->lock);
    free(liveness);
}

static void call_begun(struct node_life *life)
{
    life->busy = true;
    life->liveness->calls++;
}

static void call_over(struct node_life *life)
{
    struct node_liveness *liveness = life->liveness;
    life->busy = false;
    if (--liveness->calls == 0 && liveness->freed) {
        release(liveness);
    }
}

/* --- Asking the leader how old the heartbeats of other members' nodes are --- */

static void polled(void *data, int status, const struct store_lease_info *info)
{
    struct node_life *life = data;
    if (status == 0 && info->ttl_s >= 0 && info->ttl_s <= info->granted_ttl_s) {
        pthread_mutex_lock(&life->liveness->lock);
        set_beat(life, (uint64_t)(info->granted_ttl_s - info->ttl_s) * NS_PER_S);
        pthread_mutex_unlock(&life->liveness->lock);
    }
    call_over(life);
}

static void poll(void *data)
{
    struct node_liveness *liveness = data;
    env_timer_start(liveness->env, &liveness->poll, POLL_MS * NS_PER_MS);
    uint64_t now_ns = env_now_ns(liveness->env);
    size_t asked = 0;
    void *value = NULL;
    struct slice key;
    while (asked < POLL_BATCH && hash_map_next(liveness->nodes, &liveness->poll_at, &key, &value)) {
        struct node_life *life = value;
        /* A session may have moved to another member. The leader, who judges, asks itself about
         * each silence; the others only show times, and asking costs them a round to the leader. */
        uint64_t rest_ns =
            liveness->leading ? POLL_MS * NS_PER_MS : (uint64_t)life->ttl_s * NS_PER_S;
        bool own = life->own_ns != 0 && now_ns - life->own_ns < rest_ns;
        if (life->alive && !own && !life->busy) {
            call_begun(life);
            asked++;
            storage_lease_ttl(liveness->storage, life->lease, polled, life);
        }
    }
    if (asked < POLL_BATCH) {
        liveness->poll_at = 0;
    }
}

struct node_liveness *node_liveness_new(struct env *env, struct storage *storage)
{
    struct node_liveness *liveness = alloc_zeroed(sizeof(*liveness));
    liveness->env = env;
    liveness->storage = storage;
    liveness->nodes = hash_map_new(env_random(env));
    liveness->leading_since_ns = env_now_ns(env);
    liveness->poll = (struct env_timer){.fire = poll, .data = liveness};
    pthread_mutex_init(&liveness->lock, NULL);
    start_watch(liveness);
    env_timer_start(env, &liveness->poll, POLL_MS * NS_PER_MS);
    return liveness;
}

void node_liveness_free(struct node_liveness *liveness)
{
    if (liveness == NULL) {
        return;
    }
    store_watch_cancel(liveness->watch);
    env_timer_stop(liveness->env, &liveness->poll);
    liveness->freed = true;
    if (liveness->calls == 0) {
        release(liveness);
    } /* Else the last of them does so. */
}

void node_liveness_set_leader(struct node_liveness *liveness, bool leader)
{
    pthread_mutex_lock(&liveness->lock);
    liveness->leading = leader;
    if (leader) {
        liveness->leading_since_ns = env_now_ns(liveness->env);
    }
    pthread_mutex_unlock(&liveness->lock);
}

struct node_seen node_liveness_seen(struct node_liveness *liveness, const char *node_name)
{
    uint64_t now_ns = env_now_ns(liveness->env);
    pthread_mutex_lock(&liveness->lock);
    const struct node_life *life = find(liveness, node_name, false);
    uint64_t leading_ms = (now_ns - liveness->leading_since_ns) / NS_PER_MS;
    struct node_seen seen = {.known = false, .since_ms = leading_ms};
    if (life != NULL && life->beat_ns != 0) {
        seen.known = true;
        seen.last_wall_s = life->beat_wall_s;
        seen.since_ms = now_ns > life->beat_ns ? (now_ns - life->beat_ns) / NS_PER_MS : 0;
        /* The lease ended by a committed entry: the grace period is over, whatever the clock says.
         */
        if (!life->alive && seen.since_ms < NODE_GRACE_MS) {
            seen.since_ms = NODE_GRACE_MS;
        }
    }
    pthread_mutex_unlock(&liveness->lock);
    return seen;
}

/* --- Own heartbeats --- */

static void key_written(void *data, int status, const struct store_txn_result *result)
{
    struct node_life *life = data;
    (void)status; /* The next heartbeat tries again. */
    (void)result;
    call_over(life);
}

static void granted(void *data, int status, const struct store_lease_info *info)
{
    struct node_life *life = data;
    (void)info;
    if (life->liveness->freed || (status < 0 && status != STORE_LEASE_EXISTS)) {
        call_over(life);
        return;
    }
    char *key = alloc_printf(LEASE_PREFIX "%s", life->name);
    struct store_op put = {
        .kind = STORE_OP_PUT,
        .put = {.key = slice_text(key), .value = slice_text(life->name), .lease = life->lease}};
    struct store_txn txn = {.success = &put, .success_count = 1};
    storage_txn(life->liveness->storage, &txn, key_written, life);
    free(key);
}

static void renewed(void *data, int status, const struct store_lease_info *info)
{
    struct node_life *life = data;
    (void)info;
    bool lost = status == STORE_LEASE_NOT_FOUND || (status == 0 && !life->alive);
    if (lost && !life->liveness->freed) {
        storage_lease_grant(life->liveness->storage, life->lease, life->ttl_s, granted, life);
        return;
    }
    call_over(life);
}

void node_liveness_beat(struct node_liveness *liveness, const char *node_name, int64_t ttl_s)
{
    pthread_mutex_lock(&liveness->lock);
    struct node_life *life = find(liveness, node_name, true);
    life->ttl_s = ttl_s > 0 ? ttl_s : NODE_LEASE_SECONDS;
    set_beat(life, 0);
    life->own_ns = env_now_ns(liveness->env);
    pthread_mutex_unlock(&liveness->lock);
    if (!life->busy) {
        call_begun(life);
        storage_lease_keepalive(liveness->storage, life->lease, renewed, life);
    }
}

/* --- Showing --- */

static bool is_lease(const struct api_kind *kind)
{
    return strcmp(kind->resource, "leases.coordination.k8s.io") == 0;
}

static bool is_node(const struct api_kind *kind)
{
    return strcmp(kind->resource, "nodes") == 0;
}

bool node_liveness_concerns(const struct api_kind *kind)
{
    return is_lease(kind) || is_node(kind);
}

static int64_t beat_wall_s(struct node_liveness *liveness, const char *node_name)
{
    pthread_mutex_lock(&liveness->lock);
    const struct node_life *life = find(liveness, node_name, false);
    int64_t wall_s = life == NULL ? 0 : life->beat_wall_s;
    pthread_mutex_unlock(&liveness->lock);
    return wall_s;
}

static const void *show_lease(struct arena *arena, const struct api_kind *kind, const void *message,
                              int64_t wall_s)
{
    const Coordination__V1__Lease *before = message;
    int64_t nanos = wall_s * INT64_C(1000000000);
    if (api_micro_time_nanos(before->spec->renew_time) >= nanos) {
        return message;
    }
    Coordination__V1__Lease *lease = api_message_copy(arena, kind->message, message);
    lease->spec->renew_time = api_micro_time_new(arena, nanos);
    return lease;
}

static const void *show_node(struct arena *arena, const struct api_kind *kind, const void *message,
                             int64_t wall_s)
{
    Core__V1__Node *node = api_message_copy(arena, kind->message, message);
    for (size_t i = 0; i < node->status->n_conditions; i++) {
        Core__V1__NodeCondition *condition = node->status->conditions[i];
        if (condition->status != NULL && strcmp(condition->status, "Unknown") != 0 &&
            api_time_seconds(condition->last_heartbeat_time) < wall_s) {
            condition->last_heartbeat_time = api_time_new(arena, wall_s);
        }
    }
    return node;
}

const void *node_liveness_overlay(struct node_liveness *liveness, struct arena *arena,
                                  const struct api_kind *kind, const void *message)
{
    if (message != NULL && kind->stored_as != NULL) {
        return api_convert_from_stored(arena, kind, message);
    }
    if (liveness == NULL || message == NULL || !node_liveness_concerns(kind)) {
        return message;
    }
    const Meta__V1__ObjectMeta *meta = api_message_meta(kind->message, message);
    if (is_lease(kind) &&
        (meta->namespace_ == NULL || strcmp(meta->namespace_, "kube-node-lease") != 0)) {
        return message;
    }
    int64_t wall_s = meta->name == NULL ? 0 : beat_wall_s(liveness, meta->name);
    if (wall_s == 0) {
        return message;
    }
    return is_lease(kind) ? show_lease(arena, kind, message, wall_s)
                          : show_node(arena, kind, message, wall_s);
}
