/* The driver's part of changing members: asking for a change, telling who wants to know of the
 * configuration in force, and stopping a member that the cluster does not want. */
#include "raft/node.h"
#include <assert.h>
#include <errno.h>
#include <string.h>

enum { STOP_REMOVED_MS = 1000 }; /* For the answer to who removed it to get out (as etcd). */

static int copy_text(char *to, size_t size, const char *from, const char **ret_text)
{
    if (from == NULL) {
        *ret_text = NULL;
        return 0;
    }
    size_t len = strlen(from);
    if (len >= size) {
        return -EINVAL;
    }
    memcpy(to, from, len + 1);
    *ret_text = to;
    return 0;
}

int raft_change_members(struct raft_node *node, const struct raft_change *change, raft_done *done,
                        void *data)
{
    struct raft_members next;
    assert(done != NULL);
    if (!node->running || node->dead || node->closing) {
        return -ENOTCONN;
    }
    int status = raft_change_check(&node->core, change, &next);
    if (status < 0) {
        return status;
    }
    struct raft_asked_change *asked = &node->change;
    if (asked->done != NULL) {
        return -EBUSY;
    }
    *asked = (struct raft_asked_change){.done = done, .data = data, .change = *change};
    if (copy_text(asked->name, sizeof(asked->name), change->name, &asked->change.name) < 0 ||
        copy_text(asked->url, sizeof(asked->url), change->url, &asked->change.url) < 0) {
        asked->done = NULL;
        return -EINVAL;
    }
    raft_node_wake(node); /* A step inside an apply() would apply twice. */
    return 0;
}

static void change_done(struct raft_node *node, int status)
{
    raft_done *done = node->change.done;
    node->change.done = NULL;
    done(node->change.data, status, status < 0 ? 0 : node->change.index);
}

void raft_node_change_turn(struct raft_node *node)
{
    struct raft_asked_change *asked = &node->change;
    if (asked->done == NULL || asked->begun || node->dead) {
        return;
    }
    asked->begun = true;
    raft_node_step(node, (struct raft_event){.kind = RAFT_EVENT_CHANGE, .change = &asked->change});
}

void raft_node_change_cancel(struct raft_node *node)
{
    if (node->change.done != NULL) {
        change_done(node, -ECANCELED);
    }
}

static void tell_listeners(struct raft_node *node)
{
    struct raft_status status;
    if (!node->members_untold && node->told_members == node->core.members_version) {
        return;
    }
    node->members_untold = false;
    node->told_members = node->core.members_version;
    raft_get_status(node, &status);
    for (size_t i = 0; i < node->listener_count && !node->closing; i++) {
        node->listeners[i].changed(node->listeners[i].data, &status);
    }
}

const struct raft_members *raft_node_known_members(const struct raft_node *node)
{
    return node->core_ready && !node->dead && node->core.members.count > 0 ? &node->core.members
                                                                           : NULL;
}

void raft_node_members(struct raft_node *node)
{
    struct raft_asked_change *asked = &node->change;
    if (asked->done != NULL && asked->begun) {
        if (asked->index != 0 && node->applied >= asked->index) {
            change_done(node, 0);
        } else if (asked->index == 0 && !node->core.change_pending) {
            /* Refused after all, or leadership is lost. */
            bool refused = node->core.role == RAFT_LEADER && node->step_status < 0;
            change_done(node, refused ? node->step_status : -ECANCELED);
        }
    }
    if (!node->core.removed) {
        node->stop_removed_ns = 0;
    } else if (node->stop_removed_ns == 0) {
        node->stop_removed_ns = env_now_ns(node->env) + STOP_REMOVED_MS * NS_PER_MS;
    }
    tell_listeners(node);
}

void raft_on_members_change(struct raft_node *node,
                            void (*changed)(void *data, const struct raft_status *status),
                            void *data)
{
    assert(node->listener_count < RAFT_LISTENERS_MAX);
    node->listeners[node->listener_count++] = (struct raft_listener){changed, data};
    node->members_untold = true;
    raft_node_wake(node);
}

void raft_node_refused(struct raft_node *node, enum raft_refusal refusal)
{
    const char *why =
        refusal == RAFT_REFUSED_REMOVED
            ? "the member has been permanently removed from the cluster"
            : "this member has lost its data: its directory is new, but the cluster "
              "knows it with another one; empty the directory and start it with --join "
              "and the client URL of another member";
    if (node->dead) {
        return;
    }
    node->dead = true;
    env_fatal(node->env, why);
}
