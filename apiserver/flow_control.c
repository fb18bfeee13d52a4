#include "apiserver/flow_control_private.h"

#include "apiserver/flow_defaults.h"
#include "apiserver/flow_match.h"
#include "apiserver/limits.h"
#include "lib/api/object.h"
#include "lib/base/alloc.h"
#include "lib/base/metrics.h"
#include "lib/net/loop.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { LENDING_MS = 10000 };

uint64_t flow_now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

static void copy_uid(char out[FLOW_UID_SIZE], const char *uid)
{
    (void)snprintf(out, FLOW_UID_SIZE, "%s", uid == NULL ? "" : uid);
}

/* --- Pools --- */

static struct flow_pool *pool_ref(struct flow_pool *pool)
{
    atomic_fetch_add_explicit(&pool->references, 1, memory_order_relaxed);
    return pool;
}

static void pool_unref(struct flow_pool *pool)
{
    if (atomic_fetch_sub_explicit(&pool->references, 1, memory_order_acq_rel) > 1) {
        return;
    }
    flow_level_free(pool->level);
    pthread_mutex_destroy(&pool->lock);
    free((char *)(uintptr_t)pool->name);
    free(pool);
}

static struct flow_pool *pool_new(struct flow_control *control, const char *name)
{
    struct flow_pool *pool = alloc_zeroed(sizeof(*pool));
    atomic_init(&pool->references, 1);
    pthread_mutex_init(&pool->lock, NULL);
    pool->level = flow_level_new(flow_now_ns());
    pool->name = alloc_text(name);
    pool->gauges = flow_level_gauges_of(control->metrics, name);
    return pool;
}

/* Tells those that sit now. Their memory stays until they have heard it: a request that waits does
 * not go away before (flow_control_cancel). */
static struct flow_entry *entry_of(struct flow_ticket *ticket)
{
    return CONTAINER_OF(ticket, struct flow_entry, ticket);
}

/* Under the lock: who waits is not gone. */
static void count_too_wide(struct flow_pool *pool)
{
    struct flow_ticket *ticket = flow_level_too_wide(pool->level);
    if (ticket != NULL) {
        metric_add(entry_of(ticket)->counts.too_wide, 1);
    }
}

static void start_waiting(struct flow_pool *pool)
{
    struct list ready;
    list_init(&ready);
    pthread_mutex_lock(&pool->lock);
    struct flow_ticket *ticket = NULL;
    while ((ticket = flow_level_next(pool->level, flow_now_ns())) != NULL) {
        list_push_back(&ready, &ticket->node);
    }
    count_too_wide(pool);
    pthread_mutex_unlock(&pool->lock);
    LIST_FOREACH(node, next, &ready)
    {
        struct flow_entry *entry = entry_of(LIST_ENTRY(node, struct flow_ticket, node));
        list_remove(node);
        loop_post(entry->loop, entry->admitted, entry->data);
    }
}

static uint32_t clamp(int32_t value, uint32_t least, uint32_t most)
{
    uint32_t natural = value < 0 ? 0 : (uint32_t)value;
    return natural < least ? least : natural > most ? most : natural;
}

static struct flow_level_config
config_of(const Flowcontrol__V1__PriorityLevelConfigurationSpec *spec)
{
    struct flow_level_config config = {.exempt = strcmp(spec->type, "Exempt") == 0};
    const Flowcontrol__V1__QueuingConfiguration *queuing =
        spec->limited == NULL ? NULL : spec->limited->limit_response->queuing;
    if (!config.exempt && queuing != NULL) {
        config.queues = clamp(queuing->queues, 1, FLOW_QUEUES_MAX);
        config.hand = clamp(queuing->hand_size, 1, FLOW_HAND_MAX);
        config.hand = config.hand > config.queues ? config.queues : config.hand;
        config.waiting = clamp(queuing->queue_length_limit, 1, INT32_MAX);
    }
    return config;
}

static void pool_set_seats(struct flow_control *control, struct flow_pool *pool, uint32_t seats)
{
    uint32_t tenth = (control->seats + 5) / 10; /* What a level without seats is measured by. */
    uint32_t measure = seats > 0 ? seats : tenth > 0 ? tenth : 1;
    pthread_mutex_lock(&pool->lock);
    flow_level_set_seats(pool->level, seats, measure, flow_now_ns());
    pthread_mutex_unlock(&pool->lock);
    metric_set(pool->gauges.nominal, pool->share.nominal);
    metric_set(pool->gauges.lower, pool->share.least);
    metric_set(pool->gauges.upper, pool->share.most);
    metric_set(pool->gauges.current, seats);
    start_waiting(pool);
}

/* --- Following the objects --- */

/* One kind's objects of the cache, and the mandatory ones that it lacks. */
struct collected {
    const struct cached_object **objects; /* Referenced; NULL for ours. */
    const void **messages;
    size_t count;
};

static bool collect(void *data, const struct cached_object *object)
{
    struct collected *all = data;
    const void *message = cached_object_message(object);
    if (message != NULL) {
        all->objects[all->count] = cached_object_ref(object);
        all->messages[all->count++] = message;
    }
    return true;
}

static bool has_name(const struct collected *all, const char *name)
{
    for (size_t i = 0; i < all->count; i++) {
        if (all->objects[i] != NULL && strcmp(cached_object_name(all->objects[i]), name) == 0) {
            return true;
        }
    }
    return false;
}

static struct collected collect_all(struct flow_control *control, const struct api_kind *kind)
{
    struct cache_view *view = watch_cache_view(control->cache, kind);
    size_t most = cache_view_count(view) + flow_default_count();
    struct collected all = {.objects = alloc_array(most, sizeof(*all.objects)),
                            .messages = alloc_array(most, sizeof(*all.messages))};
    cache_view_each(view, "", slice_text(""), collect, &all);
    cache_view_free(view);
    for (size_t i = 0; i < flow_default_count(); i++) {
        struct default_object ours = flow_default_at(i, control->arena);
        if (ours.kind == kind && flow_default_is_mandatory(ours.name) &&
            !has_name(&all, ours.name)) {
            all.objects[all.count] = NULL;
            all.messages[all.count++] = ours.message;
        }
    }
    return all;
}

static void collected_release(struct collected *all)
{
    for (size_t i = 0; i < all->count; i++) {
        cached_object_unref(all->objects[i]);
    }
    free(all->objects);
    free(all->messages);
}

static struct flow_pool *pool_named(struct flow_control *control, const char *name)
{
    for (size_t i = 0; i < control->pool_count; i++) {
        if (strcmp(control->pools[i]->name, name) == 0) {
            return control->pools[i];
        }
    }
    return NULL;
}

static uint64_t sum_of_shares(const struct collected *levels)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < levels->count; i++) {
        const Flowcontrol__V1__PriorityLevelConfiguration *level = levels->messages[i];
        sum += flow_shares_of(level->spec);
    }
    return sum;
}

static void drop_unwanted_pools(struct flow_control *control)
{
    size_t kept = 0;
    for (size_t i = 0; i < control->pool_count; i++) {
        if (control->pools[i]->wanted) {
            control->pools[kept++] = control->pools[i];
        } else {
            pool_unref(control->pools[i]);
        }
    }
    control->pool_count = kept;
}

/* Pools as the levels ask for; those that are gone go with their last request. */
static void follow_levels(struct flow_control *control, const struct collected *levels)
{
    uint64_t shares = sum_of_shares(levels), executing = 0, waiting = 0;
    control->pools =
        alloc_resize(control->pools, control->pool_count + levels->count, sizeof(*control->pools));
    for (size_t i = 0; i < control->pool_count; i++) {
        control->pools[i]->wanted = false;
    }
    for (size_t i = 0; i < levels->count; i++) {
        const Flowcontrol__V1__PriorityLevelConfiguration *level = levels->messages[i];
        struct flow_pool *pool = pool_named(control, level->metadata->name);
        if (pool == NULL) {
            pool = pool_new(control, level->metadata->name);
            control->pools[control->pool_count++] = pool;
        }
        const struct flow_level_config config = config_of(level->spec);
        pool->wanted = true;
        pool->exempt = config.exempt;
        flow_share_set(&pool->share, level->spec, shares, control->seats);
        pthread_mutex_lock(&pool->lock);
        copy_uid(pool->uid, level->metadata->uid);
        flow_level_configure(pool->level, &config, flow_now_ns());
        pthread_mutex_unlock(&pool->lock);
        pool_set_seats(control, pool, pool->share.current);
        executing += pool->share.nominal;
        waiting += (uint64_t)config.queues * config.waiting;
    }
    flow_tally_limit(&control->tally, executing, waiting);
    drop_unwanted_pools(control);
}

static int by_order(const void *first, const void *second)
{
    const struct flow_rule *a = first, *b = second;
    return flow_schema_compare(a->schema, b->schema);
}

/* Schemas that name no level lead nowhere and are left out. */
static struct flow_rule *make_rules(struct flow_control *control, const struct collected *schemas,
                                    size_t *ret_count)
{
    struct flow_rule *rules = alloc_array(schemas->count, sizeof(*rules));
    size_t count = 0;
    for (size_t i = 0; i < schemas->count; i++) {
        const Flowcontrol__V1__FlowSchema *schema = schemas->messages[i];
        const char *level = schema->spec->priority_level_configuration->name;
        struct flow_pool *pool = level == NULL ? NULL : pool_named(control, level);
        if (pool == NULL) {
            continue;
        }
        const struct cached_object *object = schemas->objects[i];
        rules[count++] = (struct flow_rule){
            .object = object == NULL ? NULL : cached_object_ref(object),
            .schema = schema,
            .pool = pool_ref(pool),
            .counts = flow_counts_of(control->metrics, schema->metadata->name, level)};
    }
    qsort(rules, count, sizeof(*rules), by_order);
    *ret_count = count;
    return rules;
}

static void free_rules(struct flow_rule *rules, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cached_object_unref(rules[i].object);
        pool_unref(rules[i].pool);
    }
    free(rules);
}

static void follow_all(void *data)
{
    struct flow_control *control = data;
    /* The mandatory ones of the rules in force are not in this arena's next life. */
    struct arena *before = control->arena;
    control->arena = arena_new(SIZE_MAX);
    struct collected levels =
        collect_all(control, api_kind_find(FLOW_GROUP, "v1", "prioritylevelconfigurations"));
    struct collected schemas = collect_all(control, api_kind_find(FLOW_GROUP, "v1", "flowschemas"));
    pthread_rwlock_wrlock(&control->lock);
    follow_levels(control, &levels);
    pthread_rwlock_unlock(&control->lock);
    size_t count = 0;
    struct flow_rule *rules = make_rules(control, &schemas, &count);
    pthread_rwlock_wrlock(&control->lock);
    struct flow_rule *old = control->rules;
    size_t old_count = control->rule_count;
    control->rules = rules;
    control->rule_count = count;
    pthread_rwlock_unlock(&control->lock);
    free_rules(old, old_count);
    collected_release(&levels);
    collected_release(&schemas);
    arena_free(before);
}

static void nothing_begins(void *data)
{
    (void)data; /* All is read anew at the end. */
}

static void nothing_cleared(void *data, const struct api_kind *kind)
{
    (void)data, (void)kind;
}

static void nothing_changed(void *data, const struct cached_object *object, bool gone)
{
    (void)data, (void)object, (void)gone;
}

static const struct cache_follower_ops follow_ops = {.begin = nothing_begins,
                                                     .clear = nothing_cleared,
                                                     .changed = nothing_changed,
                                                     .end = follow_all};

/* --- Lending --- */

static void lend(void *data)
{
    struct flow_control *control = data;
    struct flow_share **shares = alloc_array(control->pool_count, sizeof(struct flow_share *));
    size_t count = 0;
    for (size_t i = 0; i < control->pool_count; i++) {
        struct flow_pool *pool = control->pools[i];
        pthread_mutex_lock(&pool->lock);
        const struct flow_demand demand = flow_level_demand(pool->level, flow_now_ns());
        pthread_mutex_unlock(&pool->lock);
        flow_share_note(&pool->share, &demand);
        metric_set(pool->gauges.high, pool->share.high);
        metric_set_real(pool->gauges.average, pool->share.mean);
        metric_set_real(pool->gauges.deviation, pool->share.deviation);
        metric_set_real(pool->gauges.smoothed, pool->share.smoothed);
        if (!pool->exempt) {
            shares[count++] = &pool->share;
        }
    }
    metric_set_real(control->fair_fraction, flow_share_out(shares, count, control->seats));
    free(shares);
    for (size_t i = 0; i < control->pool_count; i++) {
        struct flow_pool *pool = control->pools[i];
        metric_set(pool->gauges.target, pool->share.current);
        pool_set_seats(control, pool, pool->share.current);
    }
    env_timer_start(control->env, &control->lending, LENDING_MS * NS_PER_MS);
}

/* --- Life --- */

struct flow_control *flow_control_new(struct env *env, struct watch_cache *cache,
                                      struct metrics *metrics, uint32_t seats)
{
    static const char *const kinds[FLOW_KINDS_FOLLOWED] = {"prioritylevelconfigurations",
                                                           "flowschemas"};
    struct flow_control *control = alloc_zeroed(sizeof(*control));
    control->env = env;
    control->cache = cache;
    control->metrics = metrics;
    control->seats = seats;
    control->hub = watch_hub_new(cache, NULL);
    pthread_rwlock_init(&control->lock, NULL);
    flow_tally_init(&control->tally, metrics);
    control->watches = flow_watches_new(env_random(env));
    control->fair_fraction = metrics_gauge_real(
        metrics, "apiserver_flowcontrol_seat_fair_frac",
        "Part of the seats that it wants that a priority level gets, if its limits let it.", NULL);
    for (size_t i = 0; i < FLOW_KINDS_FOLLOWED; i++) {
        cache_follower_open(&control->followers[i], cache, control->hub,
                            api_kind_find(FLOW_GROUP, "v1", kinds[i]), &follow_ops, control);
    }
    control->lending = (struct env_timer){.fire = lend, .data = control};
    env_timer_start(env, &control->lending, LENDING_MS * NS_PER_MS);
    return control;
}

void flow_control_free(struct flow_control *control)
{
    if (control == NULL) {
        return;
    }
    env_timer_stop(control->env, &control->lending);
    for (size_t i = 0; i < FLOW_KINDS_FOLLOWED; i++) {
        cache_follower_stop(&control->followers[i]);
    }
    watch_hub_free(control->hub);
    free_rules(control->rules, control->rule_count);
    for (size_t i = 0; i < control->pool_count; i++) {
        pool_unref(control->pools[i]);
    }
    free(control->pools);
    flow_watches_free(control->watches);
    arena_free(control->arena);
    pthread_rwlock_destroy(&control->lock);
    pthread_mutex_destroy(&control->tally.lock);
    free(control);
}

/* --- Requests --- */

static const struct flow_rule *rule_for(const struct flow_control *control, const struct user *user,
                                        const struct access *access)
{
    for (size_t i = 0; i < control->rule_count; i++) {
        if (flow_schema_matches(control->rules[i].schema, user, access)) {
            return &control->rules[i];
        }
    }
    /* The last one is for all; nobody gets past it but a user without groups. */
    return &control->rules[control->rule_count - 1];
}

static uint64_t choose(struct flow_control *control, struct flow_entry *entry)
{
    const struct user *user = entry->request.user;
    const struct access *access = &entry->request.access;
    pthread_rwlock_rdlock(&control->lock);
    const struct flow_rule *rule = rule_for(control, user, access);
    uint64_t hash = flow_hash(rule->schema, user, access);
    entry->flow = flow_distinguisher(rule->schema, user, access);
    entry->pool = pool_ref(rule->pool);
    entry->counts = rule->counts;
    copy_uid(entry->schema_uid, rule->schema->metadata->uid);
    size_t len = strlen(rule->schema->metadata->name);
    len = len < FLOW_NAME_SIZE ? len : FLOW_NAME_SIZE - 1;
    memcpy(entry->schema, rule->schema->metadata->name, len);
    entry->schema[len] = 0;
    pthread_rwlock_unlock(&control->lock);
    return hash;
}

static void count_seat(struct flow_entry *entry)
{
    const struct access *access = &entry->request.access;
    entry->is_watch_counted = access->is_resource && strcmp(access->verb, "watch") == 0;
    if (entry->is_watch_counted) {
        flow_watches_add(entry->watches, access);
    }
    flow_tally_count(entry->tally, entry, /* waits= */ false, 1);
    metric_add(entry->counts.dispatched, 1);
    metric_add(entry->counts.executing, 1);
    metric_add(entry->counts.executing_seats, entry->ticket.seats);
}

enum flow_state flow_control_enter(struct flow_control *control, uint32_t seats,
                                   struct flow_entry *entry)
{
    uint64_t hash = choose(control, entry);
    struct flow_pool *pool = entry->pool;
    entry->entered_ns = flow_now_ns();
    entry->tally = &control->tally;
    entry->watches = control->watches;
    if (flow_watches_hear(&entry->request.access)) {
        metric_observe(entry->counts.watches,
                       flow_watches_interested(control->watches, &entry->request.access));
    }
    pthread_mutex_lock(&pool->lock);
    copy_uid(entry->level_uid, pool->uid);
    enum flow_state state =
        flow_level_arrive(pool->level, &entry->ticket, hash, seats, entry->entered_ns);
    bool has_queues = flow_level_has_queues(pool->level);
    uint32_t length =
        state == FLOW_WAITS ? flow_level_queue_length(pool->level, &entry->ticket) : 0;
    if (state == FLOW_WAITS) {
        count_too_wide(pool);
    }
    pthread_mutex_unlock(&pool->lock);
    metric_observe(entry->counts.seats, seats);
    if (state == FLOW_OUT) {
        metric_add(has_queues ? entry->counts.full : entry->counts.no_queue, 1);
        entry->pool = NULL;
        pool_unref(pool);
    } else if (state == FLOW_WAITS) {
        flow_tally_count(entry->tally, entry, /* waits= */ true, 1);
        metric_add(entry->counts.waiting, 1);
        metric_add(entry->counts.waiting_seats, seats);
        metric_observe(entry->counts.length, length);
    } else {
        count_seat(entry);
    }
    return state;
}

static double seconds_since(uint64_t then_ns)
{
    return (double)(flow_now_ns() - then_ns) / 1e9;
}

static void stop_waiting(struct flow_entry *entry)
{
    flow_tally_count(entry->tally, entry, /* waits= */ true, -1);
    metric_add(entry->counts.waiting, -1);
    metric_add(entry->counts.waiting_seats, -(int64_t)entry->ticket.seats);
}

bool flow_control_cancel(struct flow_entry *entry, bool timed_out)
{
    struct flow_pool *pool = entry->pool;
    pthread_mutex_lock(&pool->lock);
    bool waits = entry->ticket.state == FLOW_WAITS;
    if (waits) {
        flow_level_leave(pool->level, &entry->ticket, flow_now_ns());
        pool->timed_out += timed_out;
        pool->cancelled += !timed_out;
    }
    pthread_mutex_unlock(&pool->lock);
    if (!waits) {
        return false;
    }
    stop_waiting(entry);
    metric_observe(entry->counts.wait_in_vain, seconds_since(entry->entered_ns));
    metric_add(timed_out ? entry->counts.timed_out : entry->counts.cancelled, 1);
    entry->pool = NULL;
    start_waiting(pool); /* A wide one may have stood before narrow ones. */
    pool_unref(pool);
    return true;
}

void flow_control_admitted(struct flow_entry *entry)
{
    stop_waiting(entry);
    count_seat(entry);
    metric_observe(entry->counts.wait, seconds_since(entry->entered_ns));
}

void flow_control_leave(struct flow_entry *entry)
{
    struct flow_pool *pool = entry->pool;
    if (pool == NULL) {
        return;
    }
    entry->pool = NULL;
    pthread_mutex_lock(&pool->lock);
    flow_level_leave(pool->level, &entry->ticket, flow_now_ns());
    bool others_wait = flow_level_waiting(pool->level) > 0;
    pthread_mutex_unlock(&pool->lock);
    bool watches = strcmp(entry->request.access.verb, "watch") == 0;
    flow_tally_count(entry->tally, entry, /* waits= */ false, -1);
    metric_add(entry->counts.executing, -1);
    metric_add(entry->counts.executing_seats, -(int64_t)entry->ticket.seats);
    metric_observe(watches ? entry->counts.watch_execution : entry->counts.execution,
                   seconds_since(entry->ticket.since_ns));
    if (others_wait) {
        start_waiting(pool);
    }
    pool_unref(pool);
}

void flow_control_end(struct flow_entry *entry)
{
    if (entry->is_watch_counted) {
        flow_watches_remove(entry->watches, &entry->request.access);
        entry->is_watch_counted = false;
    }
}
