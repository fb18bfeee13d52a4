/* Committed entries on their way into the FSM: so much a turn that the loop does not stand still.
 */
#include "raft/data_dir.h"
#include "raft/node.h"
#include <assert.h>
#include <errno.h>

enum { APPLY_BATCH_MAX = 4096 }; /* Entries a turn: a few milliseconds. */

void raft_proposal_free(struct raft_node *node, struct raft_proposal *proposal)
{
    pool_give(&node->commands, proposal, raft_proposal_size(proposal->len));
}

static struct raft_proposal *proposal_of(struct raft_node *node, const struct raft_entry *entry)
{
    struct list *first = list_first(&node->proposals);
    struct raft_proposal *proposal =
        first == NULL ? NULL : LIST_ENTRY(first, struct raft_proposal, link);
    if (proposal == NULL || proposal->index != entry->index || proposal->term != entry->term) {
        return NULL;
    }
    list_remove(&proposal->link);
    node->proposal_count--;
    return proposal;
}

static void applied(struct raft_node *node, uint64_t index, struct raft_proposal *proposal)
{
    node->applied = index;
    if (proposal != NULL) {
        proposal->done(proposal->data, 0, proposal->index);
        raft_proposal_free(node, proposal);
    }
}

/* False when it takes more turns. */
static bool apply_entry(struct raft_node *node, struct raft_entry *entry)
{
    assert(entry != NULL);
    struct raft_proposal *proposal = proposal_of(node, entry);
    if (entry->kind == RAFT_ENTRY_COMMAND &&
        !node->fsm.apply(node->fsm.data, entry->index, entry->term, raft_entry_data(entry),
                         proposal == NULL ? 0 : proposal->tag)) {
        node->applying =
            (struct raft_applying){.entry = raft_entry_ref(entry), .proposal = proposal};
        return false;
    }
    applied(node, entry->index, proposal);
    return true;
}

static void applying_end(struct raft_node *node)
{
    struct raft_applying applying = node->applying;
    node->applying = (struct raft_applying){0};
    applied(node, applying.entry->index, applying.proposal);
    raft_entry_unref(applying.entry);
}

void raft_node_apply(struct raft_node *node)
{
    size_t left = APPLY_BATCH_MAX, bytes = 0;
    while (node->applying.entry == NULL && node->restoring == NULL && !node->dead &&
           node->applied < node->core.commit) {
        if (left-- == 0 || bytes >= RAFT_TURN_BYTES_MAX) {
            raft_node_wake(node); /* The rest in the next turn: heartbeats must go out meanwhile. */
            break;
        }
        struct raft_entry *entry = raft_trail_get(&node->core.trail, node->applied + 1);
        assert(entry != NULL);
        bytes += entry->len;
        if (!apply_entry(node, entry)) {
            raft_node_wake(node);
        }
    }
    raft_node_answer_reads(node);
    raft_snapshot_consider(node);
}

void raft_node_apply_turn(struct raft_node *node)
{
    if (node->applying.entry != NULL) {
        if (!node->fsm.apply_more(node->fsm.data)) {
            raft_node_wake(node);
            return;
        }
        applying_end(node);
    }
    raft_node_apply(node);
}

void raft_node_apply_rest(struct raft_node *node)
{
    if (node->applying.entry != NULL) {
        while (!node->fsm.apply_more(node->fsm.data)) {
        }
        applying_end(node);
    }
}

void raft_node_apply_cancel(struct raft_node *node)
{
    struct raft_applying applying = node->applying;
    node->applying = (struct raft_applying){0};
    if (applying.proposal != NULL) {
        applying.proposal->done(applying.proposal->data, -ECANCELED, applying.proposal->index);
        raft_proposal_free(node, applying.proposal);
    }
    raft_entry_unref(applying.entry);
}

void raft_apply_whole_log(struct raft_node *node)
{
    assert(node->core_ready);
    uint64_t last = raft_trail_last(&node->core.trail);
    while (node->applied < last) {
        if (!apply_entry(node, raft_trail_get(&node->core.trail, node->applied + 1))) {
            raft_node_apply_rest(node);
        }
    }
}
