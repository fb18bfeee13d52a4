/* Requests that a follower passes to the leader's FSM, and their replies. Not part of the log: what
 * is lost is reported as of unknown outcome. */
#include "raft/node.h"
#include <errno.h>

enum { FORWARD_TIMEOUT_ELECTIONS = 20 };

int raft_forward(struct raft_node *node, struct slice request,
                 void (*done)(void *data, int status, struct slice reply), void *data,
                 uint64_t *ret_id)
{
    if (!node->running || node->dead || node->closing || node->core.leader == 0) {
        return -ENOTCONN;
    }
    if (node->core.leader == node->config.id) {
        return -ESTALE;
    }
    if (request.len > RAFT_FORWARD_MAX) {
        return -EMSGSIZE;
    }
    if (node->forward_count >= RAFT_FORWARDS_MAX) {
        return -EAGAIN;
    }
    uint64_t wait_ns = FORWARD_TIMEOUT_ELECTIONS * node->config.election_ms * NS_PER_MS;
    struct raft_forward_call *call = pool_take(&node->records, sizeof(*call));
    *call = (struct raft_forward_call){.id = ++node->forward_ids,
                                       .leader = node->core.leader,
                                       .deadline_ns = env_now_ns(node->env) + wait_ns,
                                       .done = done,
                                       .data = data};
    list_init(&call->link);
    list_push_back(&node->forwards, &call->link);
    node->forward_count++;
    struct raft_message message = {.kind = RAFT_FORWARD,
                                   .cluster = node->config.cluster_id,
                                   .from = node->config.id,
                                   .to = call->leader,
                                   .context = call->id,
                                   .bytes = request};
    raft_node_send(node, &message);
    if (ret_id != NULL) {
        *ret_id = call->id;
    }
    return 0;
}

bool raft_forward_forget(struct raft_node *node, uint64_t id)
{
    LIST_FOREACH(link, next, &node->forwards) /* In the order of their ids: mostly the first. */
    {
        struct raft_forward_call *call = LIST_ENTRY(link, struct raft_forward_call, link);
        if (call->id >= id) {
            bool found = call->id == id;
            if (found) {
                list_remove(&call->link);
                node->forward_count--;
                pool_give(&node->records, call, sizeof(*call));
            }
            return found;
        }
    }
    return false;
}

static void call_done(struct raft_node *node, struct raft_forward_call *call, int status,
                      struct slice reply)
{
    list_remove(&call->link);
    node->forward_count--;
    call->done(call->data, status, reply);
    pool_give(&node->records, call, sizeof(*call));
}

void raft_forward_expire(struct raft_node *node, bool all)
{
    uint64_t now = env_now_ns(node->env);
    struct list over; /* Apart, as what they are told may forget others. */
    list_init(&over);
    LIST_FOREACH(link, next, &node->forwards)
    {
        const struct raft_forward_call *call = LIST_ENTRY(link, struct raft_forward_call, link);
        if (all || call->deadline_ns <= now || call->leader != node->core.leader) {
            list_remove(link);
            list_push_back(&over, link);
        }
    }
    for (struct list *link; (link = list_first(&over)) != NULL;) {
        call_done(node, LIST_ENTRY(link, struct raft_forward_call, link), -ECANCELED,
                  slice_of(NULL, 0));
    }
}

static void reply_to(struct raft_node *node, uint64_t peer, uint64_t context, int status,
                     struct slice reply)
{
    struct raft_message message = {.kind = RAFT_FORWARD_RESULT,
                                   .cluster = node->config.cluster_id,
                                   .from = node->config.id,
                                   .to = peer,
                                   .context = context,
                                   .commit = (uint64_t)-status,
                                   .bytes = reply};
    raft_node_send(node, &message);
}

void raft_forward_reply(struct raft_node *node, uint64_t call, int status, struct slice reply)
{
    struct raft_forwarded_call *record = id_map_remove(node->forwarded, call);
    if (record == NULL) {
        return;
    }
    struct raft_forwarded_call asked = *record;
    pool_give(&node->records, record, sizeof(*record));
    if (node->dead || node->closing) {
        return;
    }
    if (reply.len > RAFT_FORWARD_MAX || status > 0) {
        status = -EMSGSIZE;
        reply = slice_of(NULL, 0);
    }
    reply_to(node, asked.peer, asked.context, status, reply);
}

static void forwarded_done(void *data, int status, uint64_t index)
{
    struct raft_forwarded_call *record = data;
    struct raft_node *node = record->node;
    (void)index;
    if (status != 0) {
        raft_forward_reply(node, record->id, status, slice_of(NULL, 0));
    } else {
        (void)id_map_remove(node->forwarded, record->id);
        pool_give(&node->records, record, sizeof(*record));
    }
}

int raft_forward_propose(struct raft_node *node, uint64_t call, struct slice command)
{
    struct raft_forwarded_call *record = id_map_get(node->forwarded, call);
    return record == NULL ? -ENOTCONN
                          : raft_propose(node, command, /* tag= */ 0, forwarded_done, record);
}

static void on_request(struct raft_node *node, const struct raft_message *message)
{
    if (!raft_is_leader(node) || message->bytes.len > RAFT_FORWARD_MAX) {
        reply_to(node, message->from, message->context, -ENOTCONN, slice_of(NULL, 0));
        return;
    }
    if (node->fsm.forwarded == NULL || id_map_count(node->forwarded) >= RAFT_FORWARDS_MAX) {
        reply_to(node, message->from, message->context,
                 node->fsm.forwarded == NULL ? -EOPNOTSUPP : -EAGAIN, slice_of(NULL, 0));
        return;
    }
    struct raft_forwarded_call *record = pool_take(&node->records, sizeof(*record));
    *record =
        (struct raft_forwarded_call){node, ++node->forward_ids, message->from, message->context};
    (void)id_map_set(node->forwarded, record->id, record); /* A new id. */
    node->fsm.forwarded(node->fsm.data, record->id, message->bytes);
}

void raft_forward_receive(struct raft_node *node, const struct raft_message *message)
{
    if (message->kind == RAFT_FORWARD) {
        on_request(node, message);
        return;
    }
    LIST_FOREACH(link, next, &node->forwards)
    {
        struct raft_forward_call *call = LIST_ENTRY(link, struct raft_forward_call, link);
        if (call->id == message->context && call->leader == message->from) {
            int status = message->commit > 4095 ? -EPROTO : -(int)message->commit;
            call_done(node, call, status, message->bytes);
            return;
        }
    }
}
