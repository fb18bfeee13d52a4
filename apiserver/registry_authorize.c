/* What a plan asks of authorization on its way (`escalate`, `sign`, authorizer.check() of CEL).
 * Planners do not wait: as with admission webhooks, what webhooks of authorization have to say is
 * kept for as long as the call lasts, and the plan is made again with it. */
#include "apiserver/access_selector.h"
#include "apiserver/authorizer.h"
#include "apiserver/operation.h"
#include "lib/base/alloc.h"
#include <stdlib.h>

/* A question that had to wait; in an arena of its own, which the answer is put into on another
 * thread. */
struct leave {
    struct leave *next;
    struct operation *operation;
    struct user user;
    struct access access;
    struct authorization question;
    bool known;
};

static const char *copy(struct arena *arena, const char *text)
{
    return text == NULL ? NULL : arena_text(arena, text);
}

static struct access copied_access(struct arena *arena, const struct access *access)
{
    return (struct access){.verb = copy(arena, access->verb),
                           .is_resource = access->is_resource,
                           .group = copy(arena, access->group),
                           .resource = copy(arena, access->resource),
                           .subresource = copy(arena, access->subresource),
                           .namespace = copy(arena, access->namespace),
                           .name = copy(arena, access->name),
                           .version = copy(arena, access->version),
                           .path = copy(arena, access->path),
                           .fields = access_selector_copy(arena, &access->fields),
                           .labels = access_selector_copy(arena, &access->labels)};
}

static struct user copied_user(struct arena *arena, const struct user *user)
{
    const char **groups = arena_array(arena, user->group_count + 1, sizeof(char *));
    struct user_extra *extras = arena_array(arena, user->extra_count + 1, sizeof(*extras));
    for (size_t i = 0; i < user->group_count; i++) {
        groups[i] = arena_text(arena, user->groups[i]);
    }
    for (size_t i = 0; i < user->extra_count; i++) {
        extras[i] = (struct user_extra){arena_text(arena, user->extras[i].key),
                                        arena_text(arena, user->extras[i].value)};
    }
    return (struct user){.name = arena_text(arena, user->name),
                         .uid = arena_text(arena, text_or_empty(user->uid)),
                         .groups = groups,
                         .group_count = user->group_count,
                         .extras = extras,
                         .extra_count = user->extra_count};
}

static bool same(const char *a, const char *b)
{
    return strcmp(text_or_empty(a), text_or_empty(b)) == 0;
}

/* A call is of one user, beside the ServiceAccounts that expressions name: who impersonates one of
 * these may have other groups than it has. */
static bool is_same_user(const struct user *a, const struct user *b)
{
    bool equal = same(a->name, b->name) && same(a->uid, b->uid) &&
                 a->group_count == b->group_count && a->extra_count == b->extra_count;
    for (size_t i = 0; equal && i < a->group_count; i++) {
        equal = same(a->groups[i], b->groups[i]);
    }
    for (size_t i = 0; equal && i < a->extra_count; i++) {
        equal = same(a->extras[i].key, b->extras[i].key) &&
                same(a->extras[i].value, b->extras[i].value);
    }
    return equal;
}

static bool is_about(const struct leave *leave, const struct user *user,
                     const struct access *access)
{
    const struct access *own = &leave->access;
    return is_same_user(&leave->user, user) && own->is_resource == access->is_resource &&
           same(own->verb, access->verb) && same(own->group, access->group) &&
           same(own->resource, access->resource) && same(own->subresource, access->subresource) &&
           same(own->namespace, access->namespace) && same(own->name, access->name) &&
           same(own->version, access->version) && same(own->path, access->path) &&
           access_selector_equal(&own->fields, &access->fields) &&
           access_selector_equal(&own->labels, &access->labels);
}

static void on_decided(struct authorization *question)
{
    struct leave *leave = question->data;
    struct operation *operation = leave->operation;
    leave->known = true;
    if (--operation->leaves_under_way == 0) {
        operation_replay(operation);
    }
}

static struct loop *home_of(const struct operation *operation)
{
    struct loop *home = operation->call->home;
    return home != NULL ? home : operation->registry->config.store_loop;
}

bool operation_may(struct operation *operation, const struct user *user,
                   const struct access *access)
{
    struct authorizer *authorizer = operation->registry->config.authorizer;
    for (const struct leave *each = operation->leaves; each != NULL; each = each->next) {
        if (is_about(each, user, access)) {
            return each->known && each->question.allowed;
        }
    }
    if (operation->leave_count == LEAVES_OF_CALL_MAX) {
        return false;
    }
    struct arena *arena = arena_new(SIZE_MAX);
    struct leave *leave = arena_zeroed(arena, sizeof(*leave));
    *leave = (struct leave){.operation = operation,
                            .user = copied_user(arena, user),
                            .access = copied_access(arena, access)};
    leave->question = (struct authorization){.user = &leave->user,
                                             .access = &leave->access,
                                             .arena = arena,
                                             .home = home_of(operation),
                                             .decided = on_decided,
                                             .data = leave};
    if (authorizer_decide(authorizer, &leave->question)) {
        bool allowed = leave->question.allowed;
        arena_free(arena);
        return allowed;
    }
    leave->next = operation->leaves;
    operation->leaves = leave;
    operation->leave_count++;
    operation->leaves_under_way++;
    return false;
}

bool operation_awaits_leave(const struct operation *operation)
{
    return operation->leaves_under_way > 0;
}

void operation_release_leaves(struct operation *operation)
{
    struct leave *next = NULL;
    for (struct leave *each = operation->leaves; each != NULL; each = next) {
        next = each->next;
        arena_free(each->question.arena);
    }
    operation->leaves = NULL;
}
