#include "controllers/deletions.h"

#include "controllers/limits.h"
#include "lib/api/custom.h"

/* Copies in the round's arena. */
struct deletions {
    struct client_request *items;
    size_t count, room;
    size_t begun;     /* Of them, asked for. */
    size_t under_way; /* Not answered. */
    bool more;        /* There are further ones, for another round. */
};

static struct deletions *deletions_of(struct round *round)
{
    if (round->state == NULL) {
        round->state = arena_zeroed(round->arena, sizeof(struct deletions));
    }
    return round->state;
}

bool deletions_add(struct round *round, const struct client_object *object, int64_t grace_seconds)
{
    struct deletions *deletions = deletions_of(round);
    if (deletions->count == CONTROLLERS_DELETIONS_ROUND) {
        deletions->more = true;
        return false;
    }
    if (custom_of(object->kind) != NULL) {
        round_hold(round, object); /* And so its kind, which may be served no more by then. */
    }
    deletions->items = arena_array_room(round->arena, deletions->items, deletions->count,
                                        sizeof(*deletions->items), &deletions->room);
    deletions->items[deletions->count++] = (struct client_request){
        .verb = CLIENT_DELETE,
        .kind = object->kind,
        .namespace_ = arena_text(round->arena, client_object_namespace(object)),
        .name = arena_text(round->arena, client_object_name(object)),
        .has_grace_seconds = grace_seconds >= 0,
        .grace_seconds = grace_seconds >= 0 ? grace_seconds : 0,
        .propagation = grace_seconds >= 0 ? NULL : "Background",
        .expect_uid = arena_text(round->arena, client_object_uid(object)),
    };
    return true;
}

static void deleted(struct round *round, const struct client_reply *reply, void *data)
{
    const struct client_request *request = data;
    struct deletions *deletions = round->state;
    (void)round_check(round, request, reply);
    if (--deletions->under_way == 0 && !round_stopping(round)) {
        deletions_start(round);
    }
}

void deletions_start(struct round *round)
{
    struct deletions *deletions = deletions_of(round);
    size_t left = deletions->count - deletions->begun;
    deletions->under_way = left < CONTROLLERS_DELETIONS ? left : CONTROLLERS_DELETIONS;
    for (size_t i = deletions->under_way; i > 0; i--) {
        struct client_request *request = &deletions->items[deletions->begun++];
        round_call(round, request, deleted, request);
    }
    if (left == 0 && deletions->more && !round_failed(round)) {
        round_again_after(round, 0);
    }
}
