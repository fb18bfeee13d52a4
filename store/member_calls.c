/* Changes of the members, asked of any member: carried to the leader, which has Raft do them. A
 * change whose answer was lost is asked for again; that it is done already is then what was wanted.
 */
#include "store/store_private.h"

#include "lib/base/alloc.h"
#include <stdlib.h>

/* Both kinds of function pointer are only carried. */
typedef void (*any_done)(void);

enum { HAS_NAME = 1, HAS_URL = 2, AS_LEARNER = 4 };

struct change_head { /* Followed by the texts that are there, each ended by a zero byte. */
    uint64_t id;
    uint8_t kind;
    uint8_t flags;
    uint8_t unused[6];
};

static void encode(const struct raft_change *change, struct buffer *out)
{
    const struct change_head head = {.id = change->id,
                                     .kind = (uint8_t)change->kind,
                                     .flags = (uint8_t)((change->name != NULL ? HAS_NAME : 0) |
                                                        (change->url != NULL ? HAS_URL : 0) |
                                                        (change->learner ? AS_LEARNER : 0))};
    buffer_append(out, &head, sizeof(head));
    if (change->name != NULL) {
        buffer_append(out, change->name, strlen(change->name) + 1);
    }
    if (change->url != NULL) {
        buffer_append(out, change->url, strlen(change->url) + 1);
    }
}

static const char *take_text(struct slice *bytes, bool *failed)
{
    const uint8_t *end = bytes->len == 0 ? NULL : memchr(bytes->data, 0, bytes->len);
    if (end == NULL) {
        *failed = true;
        return NULL;
    }
    const char *text = (const char *)bytes->data;
    *bytes = slice_of(end + 1, (size_t)(bytes->data + bytes->len - end - 1));
    return text;
}

/* Texts point into `bytes`. */
static int decode(struct slice bytes, struct raft_change *ret_change)
{
    struct change_head head;
    if (bytes.len < sizeof(head)) {
        return STORE_MALFORMED;
    }
    memcpy(&head, bytes.data, sizeof(head));
    struct slice left = slice_of(bytes.data + sizeof(head), bytes.len - sizeof(head));
    struct raft_change change = {.kind = (enum raft_change_kind)head.kind,
                                 .id = head.id,
                                 .learner = (head.flags & AS_LEARNER) != 0};
    bool failed = head.kind > RAFT_CHANGE_UPDATE;
    if ((head.flags & HAS_NAME) != 0) {
        change.name = take_text(&left, &failed);
    }
    if ((head.flags & HAS_URL) != 0) {
        change.url = take_text(&left, &failed);
    }
    if (failed || left.len > 0) {
        return STORE_MALFORMED;
    }
    *ret_change = change;
    return 0;
}

/* What the store says for what Raft says; those that are asked again stay as they are. */
static int status_of(int status)
{
    switch (status) {
    case -EEXIST:
        return STORE_MEMBER_EXISTS;
    case -EADDRINUSE:
        return STORE_PEER_URL_EXISTS;
    case -ENOENT:
        return STORE_MEMBER_NOT_FOUND;
    case -EINVAL:
        return STORE_BAD_MEMBER_URLS;
    case -ENOSPC:
        return STORE_TOO_MANY_MEMBERS;
    case -EDQUOT:
        return STORE_TOO_MANY_LEARNERS;
    case -EALREADY:
        return STORE_NOT_A_LEARNER;
    case -EAGAIN:
        return STORE_LEARNER_NOT_READY;
    case -EPERM:
        return STORE_NOT_ENOUGH_STARTED;
    case -EBUSY:
        return -EAGAIN; /* Another one is under way. */
    default:
        return status;
    }
}

/* --- For calls of this member. */

uint64_t store_new_id(struct store *store)
{
    uint64_t id = env_random(store->env);
    return id == 0 ? 1 : id;
}

void store_change_member(struct store *store, const struct raft_change *change, store_done *done,
                         void *data)
{
    struct store_call *call =
        store_call_new(store, CALL_MEMBER, ANSWER_PLAIN, STORE_TXN_TIMEOUT_MS);
    call->done.any = (any_done)done;
    call->data = data;
    struct buffer *encoding = store_encoding(store);
    buffer_append_byte(encoding, FORWARD_MEMBER);
    encode(change, encoding);
    store_call_ask(call);
    store_call_start(call);
}

/* When it was asked before, it may be that which has done it. */
int store_member_status(const struct store_call *call, int status)
{
    struct slice request = store_call_request(call);
    struct raft_change change;
    if (call->tries < 2 || decode(slice_of(request.data + 1, request.len - 1), &change) != 0) {
        return status;
    }
    bool done = (change.kind == RAFT_CHANGE_ADD && status == STORE_MEMBER_EXISTS) ||
                (change.kind == RAFT_CHANGE_REMOVE && status == STORE_MEMBER_NOT_FOUND) ||
                (change.kind == RAFT_CHANGE_PROMOTE && status == STORE_NOT_A_LEARNER);
    return done ? 0 : status;
}

static void own_changed(void *data, int status, uint64_t index)
{
    struct store_call *call = data;
    (void)index;
    store_member_answer(call, status_of(status));
    store_call_answered(call);
}

int store_member_try(struct store_call *call)
{
    struct slice request = store_call_request(call);
    struct raft_change change;
    int status = decode(slice_of(request.data + 1, request.len - 1), &change);
    return status != 0
               ? status
               : status_of(raft_change_members(call->store->raft, &change, own_changed, call));
}

/* --- For another member. */

struct remote_change {
    struct store *store;
    uint64_t forward;
};

static void remote_changed(void *data, int status, uint64_t index)
{
    struct remote_change *remote = data;
    (void)index;
    if (remote->store->raft != NULL) {
        raft_forward_reply(remote->store->raft, remote->forward, status_of(status),
                           slice_of(NULL, 0));
    }
    free(remote);
}

void store_forwarded_member(struct store *store, uint64_t forward, struct slice body)
{
    struct raft_change change;
    struct remote_change *remote = alloc_zeroed(sizeof(*remote));
    *remote = (struct remote_change){.store = store, .forward = forward};
    int status = decode(body, &change);
    if (status == 0) {
        status = status_of(raft_change_members(store->raft, &change, remote_changed, remote));
    }
    if (status != 0) {
        raft_forward_reply(store->raft, forward, status, slice_of(NULL, 0));
        free(remote);
    }
}
