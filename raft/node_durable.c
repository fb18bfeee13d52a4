/* What waits for raft-meta to be durable: messages for term and vote, the log for what is promised
 * of its files, a repair for its floor. */
#include "raft/node.h"

#include "lib/base/alloc.h"
#include "raft/plant.h"

enum { MESSAGE_KEEP_MAX = 256 * 1024 }; /* What a message took is kept for the next. */

static void send_now(struct raft_node *node, struct raft_message *message)
{
    struct buffer *bytes = &node->message;
    buffer_clear(bytes);
    raft_message_encode(message, bytes);
    if (buffer_error(bytes) == 0) {
        int status = env_send(node->env, message->to, buffer_slice(bytes));
        (void)status; /* Lost: what matters is sent again. */
    }
    if (bytes->capacity > MESSAGE_KEEP_MAX) {
        buffer_release(bytes);
    }
    raft_message_release(message);
}

void raft_node_send(struct raft_node *node, struct raft_message *message)
{
    if (meta_file_durable(&node->meta) || PLANTED == PLANT_VOTE_NOT_DURABLE) {
        send_now(node, message);
        return;
    }
    if (node->held_count == RAFT_HELD_MESSAGES_MAX || message->bytes.len > 0) {
        raft_message_release(message); /* Bytes are borrowed; it will be sent again. */
        return;
    }
    if (node->held == NULL) {
        node->held = alloc_array(RAFT_HELD_MESSAGES_MAX, sizeof(struct raft_message));
    }
    node->held[node->held_count++] = *message;
}

static void send_held(struct raft_node *node)
{
    for (size_t i = 0; i < node->held_count && !node->dead; i++) {
        send_now(node, &node->held[i]);
    }
    node->held_count = 0;
}

void raft_node_persisted(void *data)
{
    struct raft_node *node = data;
    if (meta_file_durable(&node->meta)) {
        send_held(node);
    }
    if (node->dead || node->log == NULL) {
        return;
    }
    if (meta_file_settled(&node->meta)) {
        log_file_promised(node->log);
        raft_repair_noted(node);
    }
    if (meta_file_durable(&node->meta)) {
        log_file_pump(node->log);
    }
}

void raft_node_promise(void *data, struct raft_extent extent)
{
    struct raft_node *node = data;
    meta_file_set_extent(&node->meta, extent);
}
