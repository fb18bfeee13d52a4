#include "tests/unit/store/raft_double.h"

#include "lib/base/alloc.h"
#include <errno.h>
#include <stdlib.h>

/* --- The env. */

static struct virtual_env *env_from(struct env *env)
{
    return CONTAINER_OF(env, struct virtual_env, env);
}

static uint64_t virtual_now(struct env *env)
{
    return env_from(env)->now_ns;
}

static int64_t virtual_wall(struct env *env)
{
    return (int64_t)env_from(env)->now_ns;
}

static uint64_t virtual_random(struct env *env)
{
    struct virtual_env *self = env_from(env);
    self->random = self->random * 6364136223846793005u + 1442695040888963407u;
    return self->random ^ (self->random >> 29);
}

static void virtual_timer_stop(struct env *env, struct env_timer *timer)
{
    heap_remove(&env_from(env)->timers, timer);
}

static void virtual_timer_start(struct env *env, struct env_timer *timer, uint64_t delay_ns)
{
    struct virtual_env *self = env_from(env);
    heap_remove(&self->timers, timer);
    timer->deadline_ns = self->now_ns + delay_ns;
    timer->sequence = self->sequence++;
    heap_push(&self->timers, timer);
}

static bool timer_before(const void *left, const void *right)
{
    const struct env_timer *a = left;
    const struct env_timer *b = right;
    return a->deadline_ns != b->deadline_ns ? a->deadline_ns < b->deadline_ns
                                            : a->sequence < b->sequence;
}

static void virtual_fatal(struct env *env, const char *why)
{
    struct virtual_env *self = env_from(env);
    (void)why;
    if (!self->fatal_expected) {
        abort();
    }
    self->fatals++;
}

static const struct env_ops virtual_ops = {
    .now_ns = virtual_now,
    .wall_ns = virtual_wall,
    .random = virtual_random,
    .timer_start = virtual_timer_start,
    .timer_stop = virtual_timer_stop,
    .fatal = virtual_fatal,
};

void virtual_env_init(struct virtual_env *env)
{
    *env = (struct virtual_env){.env = {.ops = &virtual_ops}, .now_ns = NS_PER_S, .random = 1};
    heap_init(&env->timers, offsetof(struct env_timer, position), timer_before);
}

void virtual_env_release(struct virtual_env *env)
{
    heap_release(&env->timers);
}

void virtual_env_run(struct virtual_env *env, uint64_t ms)
{
    uint64_t until = env->now_ns + ms * NS_PER_MS;
    for (;;) {
        struct env_timer *timer = heap_peek(&env->timers);
        if (timer == NULL || timer->deadline_ns > until) {
            break;
        }
        (void)heap_pop(&env->timers);
        env->now_ns = timer->deadline_ns > env->now_ns ? timer->deadline_ns : env->now_ns;
        timer->fire(timer->data);
    }
    env->now_ns = until;
}

/* --- The raft. */

enum action_kind { ACTION_COMMIT, ACTION_READ, ACTION_FORWARD, ACTION_REPLY, ACTION_ROLE };

struct action {
    struct env_timer timer;
    enum action_kind kind;
    struct raft_node *node;
    uint8_t *bytes;
    size_t len;
    uint64_t tag;
    bool lost;
    raft_done *done;
    void (*forward_done)(void *data, int status, struct slice reply);
    void *data;
    int status;
    struct action *forward; /* ACTION_REPLY: the request. */
    struct action *next;    /* ACTION_FORWARD: of the cluster's. */
};

static void action_fire(void *data);

static struct action *action_new(struct raft_node *node, enum action_kind kind, struct slice bytes)
{
    struct action *action = alloc_zeroed(sizeof(*action));
    action->kind = kind;
    action->node = node;
    action->bytes = alloc_bytes(bytes.len + 1);
    if (bytes.len > 0) {
        memcpy(action->bytes, bytes.data, bytes.len);
    }
    action->len = bytes.len;
    action->timer = (struct env_timer){.fire = action_fire, .data = action};
    env_timer_start(&node->cluster->env->env, &action->timer, NS_PER_MS);
    return action;
}

static void action_free(struct action *action)
{
    struct action **link = &action->node->cluster->forwards;
    while (*link != NULL && *link != action) {
        link = &(*link)->next;
    }
    if (*link != NULL) {
        *link = action->next;
    }
    free(action->bytes);
    free(action);
}

static void commit(struct raft_cluster *cluster, struct action *action)
{
    cluster->index++;
    cluster->entries++;
    for (size_t i = 0; i < cluster->count; i++) {
        struct raft_node *node = &cluster->nodes[i];
        node->fsm->apply(node->fsm->data, cluster->index, cluster->term,
                         slice_of(action->bytes, action->len),
                         node == action->node && !action->lost ? action->tag : 0);
    }
    if (!action->lost) {
        action->done(action->data, 0, cluster->index);
    }
}

static void forward_end(struct action *action, int status, struct slice reply)
{
    if (action->forward_done != NULL) {
        action->forward_done(action->data, status, reply);
    }
}

static void action_fire(void *data)
{
    struct action *action = data;
    struct raft_cluster *cluster = action->node->cluster;
    struct raft_node *leader = cluster->leader == 0 ? NULL : &cluster->nodes[cluster->leader - 1];
    switch (action->kind) {
    case ACTION_COMMIT:
        if (action->lost) {
            action->done(action->data, -ECANCELED, 0);
        }
        commit(cluster, action);
        break;
    case ACTION_READ:
        action->done(action->data, leader == NULL ? -ETIMEDOUT : 0, cluster->index);
        break;
    case ACTION_FORWARD:
        if (cluster->drop_forwards > 0) {
            cluster->drop_forwards--;
            action->lost = true;
            env_timer_start(&cluster->env->env, &action->timer, 20 * NS_PER_S);
            return;
        }
        if (leader == NULL || action->lost) {
            forward_end(action, -ECANCELED, slice_of(NULL, 0));
            break;
        }
        leader->fsm->forwarded(leader->fsm->data, (uint64_t)(uintptr_t)action,
                               slice_of(action->bytes, action->len));
        return; /* Freed with its reply. */
    case ACTION_REPLY:
        if (cluster->drop_replies > 0) {
            cluster->drop_replies--;
            env_timer_start(&cluster->env->env, &action->timer, 20 * NS_PER_S);
            return;
        }
        forward_end(action->forward, action->status, slice_of(action->bytes, action->len));
        action_free(action->forward);
        break;
    case ACTION_ROLE:
        if (action->node->changed != NULL) {
            action->node->changed(action->node->changed_data,
                                  leader == action->node ? RAFT_LEADER : RAFT_FOLLOWER,
                                  cluster->term, cluster->leader);
        }
        break;
    }
    action_free(action);
}

void raft_cluster_init(struct raft_cluster *cluster, struct virtual_env *env, size_t count)
{
    *cluster = (struct raft_cluster){.env = env, .count = count, .term = 1};
    for (size_t i = 0; i < count; i++) {
        cluster->nodes[i].cluster = cluster;
        cluster->nodes[i].id = i + 1;
    }
}

void raft_cluster_set_leader(struct raft_cluster *cluster, uint64_t id)
{
    cluster->leader = id;
    cluster->term++;
    for (size_t i = 0; i < cluster->count; i++) {
        (void)action_new(&cluster->nodes[i], ACTION_ROLE, slice_of(NULL, 0));
    }
}

int raft_propose(struct raft_node *node, struct slice command, uint64_t tag, raft_done *done,
                 void *data)
{
    if (!raft_is_leader(node)) {
        return -ENOTCONN;
    }
    struct action *action = action_new(node, ACTION_COMMIT, command);
    action->tag = tag;
    action->done = done;
    action->data = data;
    action->lost = node->cluster->lose_next;
    node->cluster->lose_next = false;
    return 0;
}

int raft_read_index(struct raft_node *node, raft_done *done, void *data)
{
    struct action *action = action_new(node, ACTION_READ, slice_of(NULL, 0));
    action->done = done;
    action->data = data;
    return 0;
}

int raft_forward(struct raft_node *node, struct slice request,
                 void (*done)(void *data, int status, struct slice reply), void *data,
                 uint64_t *ret_id)
{
    if (node->cluster->leader == 0) {
        return -ENOTCONN;
    }
    struct action *action = action_new(node, ACTION_FORWARD, request);
    action->forward_done = done;
    action->data = data;
    action->tag = ++node->cluster->forward_ids;
    action->next = node->cluster->forwards;
    node->cluster->forwards = action;
    if (ret_id != NULL) {
        *ret_id = action->tag;
    }
    return 0;
}

/* The action itself goes with its end on the other side. */
bool raft_forward_forget(struct raft_node *node, uint64_t id)
{
    for (struct action *action = node->cluster->forwards; action != NULL; action = action->next) {
        if (action->tag == id && action->forward_done != NULL) {
            action->forward_done = NULL;
            return true;
        }
    }
    return false;
}

void raft_forward_reply(struct raft_node *node, uint64_t call, int status, struct slice reply)
{
    struct action *action = action_new(node, ACTION_REPLY, reply);
    action->forward = (struct action *)(uintptr_t)call;
    action->status = status;
}

static void forward_proposed(void *data, int status, uint64_t index)
{
    struct action *forward = data;
    (void)index;
    if (status != 0) {
        raft_forward_reply(forward->node, (uint64_t)(uintptr_t)forward, status, slice_of(NULL, 0));
    } else {
        forward_end(forward, -ECANCELED, slice_of(NULL, 0)); /* If nobody saw it be applied. */
        action_free(forward);
    }
}

int raft_forward_propose(struct raft_node *node, uint64_t call, struct slice command)
{
    return raft_propose(node, command, /* tag= */ 0, forward_proposed,
                        (struct action *)(uintptr_t)call);
}

bool raft_is_leader(const struct raft_node *node)
{
    return node->cluster->leader == node->id;
}

bool raft_is_settled_leader(const struct raft_node *node)
{
    return raft_is_leader(node);
}

uint64_t raft_absences(const struct raft_node *node)
{
    return node->cluster->absences;
}

uint64_t raft_leader_id(const struct raft_node *node)
{
    return node->cluster->leader;
}

uint64_t raft_term(const struct raft_node *node)
{
    return node->cluster->term;
}

void raft_on_role_change(struct raft_node *node,
                         void (*changed)(void *data, enum raft_role role, uint64_t term,
                                         uint64_t leader),
                         void *data)
{
    node->changed = changed;
    node->changed_data = data;
}

void raft_get_status(const struct raft_node *node, struct raft_status *ret_status)
{
    *ret_status = (struct raft_status){.id = node->id,
                                       .leader = node->cluster->leader,
                                       .term = node->cluster->term,
                                       .member_count = node->cluster->count};
    for (size_t i = 0; i < node->cluster->count; i++) {
        ret_status->members[i].id = node->cluster->nodes[i].id;
        ret_status->members[i].voter = true;
    }
}

uint64_t raft_applied_index(const struct raft_node *node)
{
    return node->cluster->index;
}

/* To the next member in turn. */
int raft_transfer_leadership(struct raft_node *node, uint64_t target)
{
    if (!raft_is_leader(node)) {
        return -ENOTCONN;
    }
    raft_cluster_set_leader(node->cluster,
                            target != 0 ? target : node->id % node->cluster->count + 1);
    return 0;
}

int raft_change_members(struct raft_node *node, const struct raft_change *change, raft_done *done,
                        void *data)
{
    struct raft_cluster *cluster = node->cluster;
    if (!raft_is_leader(node)) {
        return -ENOTCONN;
    }
    cluster->changes++;
    cluster->last_change = *change;
    if (cluster->change_status != 0) {
        return cluster->change_status;
    }
    struct action *action = action_new(node, ACTION_READ, slice_of(NULL, 0));
    action->done = done;
    action->data = data;
    return 0;
}
