/* ResourceQuota: an object is written together with its charge to the namespace's quotas, under a
 * compare on each of them, so that no two writers, on whatever members, spend the same amount. What
 * is given back, a control loop counts (controllers/quota). */
#include "apiserver/admission.h"

#include "lib/api/quota.h"
#include <stdlib.h>

/* All quotas of the namespace; those that are charged are few, as plan.extras are. */
struct quota_walk {
    struct admission *admission;
    const struct cached_object **quotas;
    size_t count, capacity;
};

static void grow(struct quota_walk *walk)
{
    enum { FIRST = 16 };
    walk->capacity = walk->capacity == 0 ? FIRST : 2 * walk->capacity;
    const struct cached_object **grown =
        arena_array(walk->admission->operation->arena, walk->capacity, sizeof(*grown));
    if (walk->count > 0) {
        memcpy(grown, walk->quotas, walk->count * sizeof(*grown));
    }
    walk->quotas = grown;
}

static bool collect(void *data, const struct cached_object *object)
{
    struct quota_walk *walk = data;
    if (cached_object_message(object) == NULL) {
        return true;
    }
    if (walk->count == walk->capacity) {
        grow(walk);
    }
    walk->quotas[walk->count++] = object;
    return true;
}

static bool is_updated(const struct admission *admission)
{
    return strcmp(admission->kind->resource, "services") == 0 ||
           strcmp(admission->kind->resource, "persistentvolumeclaims") == 0;
}

static bool is_concerned(const struct admission *admission)
{
    bool charges = admission->verb == ADMIT_CREATE ||
                   (admission->verb == ADMIT_UPDATE && is_updated(admission));
    return charges && admission->subresource[0] == 0 && admission->namespace[0] != 0 &&
           admission->kind != admission->operation->registry->namespace_kind;
}

/* The part of `list` whose names `mask` has. */
static struct resource_list masked(const struct resource_list *list,
                                   const struct resource_list *mask)
{
    struct resource_list result = resource_list_empty(list->arena);
    for (size_t i = 0; i < list->count; i++) {
        if (resource_list_get(mask, list->items[i].name) != NULL) {
            resource_list_set(&result, list->items[i].name, list->items[i].value);
        }
    }
    return result;
}

/* What the write adds; less than zero where it gives back. */
static struct resource_list added_usage(struct admission *admission)
{
    struct arena *arena = admission->operation->arena;
    int64_t now_s = operation_now_s(admission->operation);
    struct resource_list after = quota_usage(arena, admission->kind, admission->message, now_s);
    struct resource_list added = resource_list_empty(arena);
    struct resource_list before = resource_list_empty(arena);
    if (admission->verb == ADMIT_UPDATE) {
        before = quota_usage(arena, admission->kind, admission->before, now_s);
    }
    static const struct quantity zero = {0};
    for (size_t i = 0; i < after.count + before.count; i++) {
        const struct resource_amount *each =
            i < after.count ? &after.items[i] : &before.items[i - after.count];
        const struct quantity *new = resource_list_get(&after, each->name);
        const struct quantity *old = resource_list_get(&before, each->name);
        struct quantity change = quantity_sub(new == NULL ? zero : *new, old == NULL ? zero : *old);
        if (!quantity_is_zero(change)) {
            resource_list_set(&added, each->name, change);
        }
    }
    return added;
}

static int by_name(const void *a, const void *b)
{
    const struct resource_amount *left = a;
    const struct resource_amount *right = b;
    return strcmp(left->name, right->name);
}

/* "a=1,b=2" */
static const char *shown(struct resource_list list)
{
    qsort(list.items, list.count, sizeof(list.items[0]), by_name);
    const char **texts = arena_array(list.arena, list.count, sizeof(*texts));
    for (size_t i = 0; i < list.count; i++) {
        char value[QUANTITY_TEXT_SIZE];
        quantity_format(list.items[i].value, value);
        texts[i] = arena_printf(list.arena, "%s=%s", list.items[i].name, value);
    }
    return arena_join(list.arena, texts, list.count, ",");
}

static const char *shown_names(struct resource_list list)
{
    qsort(list.items, list.count, sizeof(list.items[0]), by_name);
    const char **names = arena_array(list.arena, list.count, sizeof(*names));
    for (size_t i = 0; i < list.count; i++) {
        names[i] = list.items[i].name;
    }
    return arena_join(list.arena, names, list.count, ",");
}

static const struct api_status *refuse(struct admission *admission, const char *text)
{
    return api_status_forbidden(admission->operation->arena, admission->kind, admission->name,
                                text);
}

/* One quota as its last count shows it. */
struct quota_state {
    const Core__V1__ResourceQuota *quota;
    const struct cached_object *object;
    struct resource_list hard, used; /* Those that count the object. */
};

static struct resource_list counted(struct admission *admission, struct resource_list list)
{
    struct resource_list result = resource_list_empty(list.arena);
    for (size_t i = 0; i < list.count; i++) {
        if (quota_counts(admission->kind, list.items[i].name)) {
            resource_list_set(&result, list.items[i].name, list.items[i].value);
        }
    }
    return result;
}

static struct quota_state read_quota(struct admission *admission,
                                     const struct cached_object *object)
{
    struct arena *arena = admission->operation->arena;
    const Core__V1__ResourceQuota *quota = cached_object_message(object);
    struct quota_state state = {.quota = quota,
                                .object = object,
                                .hard = resource_list_empty(arena),
                                .used = resource_list_empty(arena)};
    if (quota->status != NULL) {
        state.hard = counted(admission, RESOURCE_LIST(arena, quota->status, hard));
        state.used = RESOURCE_LIST(arena, quota->status, used);
    }
    return state;
}

static const struct api_status *check_known(struct admission *admission,
                                            const struct quota_state *state)
{
    struct arena *arena = admission->operation->arena;
    const char *name = cached_object_name(state->object);
    const char *unsaid = quota_unsaid(arena, &state->hard, admission->kind, admission->message);
    if (unsaid != NULL) {
        return refuse(admission, arena_printf(arena, "failed quota: %s: %s", name, unsaid));
    }
    for (size_t i = 0; i < state->hard.count; i++) {
        if (resource_list_get(&state->used, state->hard.items[i].name) == NULL) {
            return refuse(admission,
                          arena_printf(arena, "status unknown for quota: %s, resources: %s", name,
                                       shown_names(state->hard)));
        }
    }
    return NULL;
}

static const struct api_status *check_room(struct admission *admission,
                                           const struct quota_state *state,
                                           const struct resource_list *requested,
                                           const struct resource_list *used)
{
    struct arena *arena = admission->operation->arena;
    struct resource_list exceeded = resource_list_empty(arena);
    for (size_t i = 0; i < requested->count; i++) {
        const char *name = requested->items[i].name;
        const struct quantity *after = resource_list_get(used, name);
        const struct quantity *hard = resource_list_get(&state->hard, name);
        if (quantity_compare(*after, *hard) > 0) {
            resource_list_set(&exceeded, name, *hard);
        }
    }
    if (exceeded.count == 0) {
        return NULL;
    }
    return refuse(admission,
                  arena_printf(arena, "exceeded quota: %s, requested: %s, used: %s, limited: %s",
                               cached_object_name(state->object),
                               shown(masked(requested, &exceeded)),
                               shown(masked(&state->used, &exceeded)), shown(exceeded)));
}

/* The quota with its new usage goes with the object. */
static const struct api_status *add_charge(struct admission *admission,
                                           const struct quota_state *state,
                                           const struct resource_list *used)
{
    struct operation *operation = admission->operation;
    const struct api_kind *kind = operation->registry->quota_kind;
    struct plan *plan = &operation->plan;
    Core__V1__ResourceQuota *copy = api_message_copy(operation->arena, kind->message, state->quota);
    copy->status->used = resource_list_entries(
        used, api_message_find("k8s.io.api.core.v1.ResourceQuotaStatus"), "used");
    copy->status->n_used = used->count;
    struct slice value = operation_encode(operation, kind, cached_object_key(state->object), copy);
    if (operation->seal_problem != NULL) {
        return operation_unsealed(operation);
    }
    if (value.data == NULL || plan->extra_count == PLAN_EXTRAS_MAX) {
        return api_status_internal(operation->arena,
                                   "the quotas of namespace %s are too large, or too many",
                                   admission->namespace);
    }
    plan->extras[plan->extra_count++] = (struct plan_extra){
        .key = arena_text(operation->arena, cached_object_key(state->object)),
        .value = value,
        .expect_mod = (int64_t)cached_object_revision(state->object),
    };
    return NULL;
}

static const struct api_status *charge(struct admission *admission, const struct quota_state *state,
                                       const struct resource_list *added)
{
    struct resource_list requested = masked(added, &state->hard);
    if (requested.count == 0) {
        return NULL;
    }
    struct resource_list used = resource_list_empty(added->arena);
    resource_list_add(&used, &state->used);
    resource_list_add(&used, &requested);
    const struct api_status *refusal = check_room(admission, state, &requested, &used);
    return refusal != NULL ? refusal : add_charge(admission, state, &used);
}

static const struct api_status *charge_all(struct admission *admission,
                                           const struct quota_walk *walk)
{
    struct quota_state *states =
        arena_array(admission->operation->arena, walk->count, sizeof(*states));
    size_t count = 0;
    for (size_t i = 0; i < walk->count; i++) {
        struct quota_state state = read_quota(admission, walk->quotas[i]);
        if (state.hard.count == 0 ||
            !quota_has_in_scope(state.quota, admission->kind, admission->message)) {
            continue;
        }
        const struct api_status *refusal = check_known(admission, &state);
        if (refusal != NULL) {
            return refusal;
        }
        states[count++] = state;
    }
    if (count == 0) {
        return NULL;
    }
    struct resource_list added = added_usage(admission);
    const struct api_status *refusal = NULL;
    for (size_t i = 0; i < count && refusal == NULL && added.count > 0; i++) {
        refusal = charge(admission, &states[i], &added);
    }
    return refusal;
}

/* The plan's charges begin at plan->extra_count. */
static const struct api_status *charge_plan(struct admission *admission)
{
    struct operation *operation = admission->operation;
    const struct registry *registry = operation->registry;
    struct quota_walk walk = {.admission = admission};
    struct cache_view *view = watch_cache_view(registry->config.cache, registry->quota_kind);
    if (cache_view_count(view) > 0) {
        cache_view_each(view, admission->namespace, slice_text(""), collect, &walk);
    }
    const struct api_status *refusal = NULL;
    if (walk.count > 0) {
        refusal = charge_all(admission, &walk);
    }
    cache_view_free(view);
    return refusal;
}

const struct api_status *admit_quota(struct admission *admission)
{
    struct operation *operation = admission->operation;
    if (!is_concerned(admission)) {
        return NULL;
    }
    size_t before = operation->plan.extra_count;
    const struct api_status *refusal = charge_plan(admission);
    if (refusal == NULL && operation->plan.extra_count > before) {
        operation->charge = arena_alloc(operation->arena, sizeof(*admission));
        *operation->charge = *admission;
        operation->plan.charges = true;
        operation->plan.first_charge = before;
    }
    return refusal;
}

const struct api_status *admission_charge_again(struct operation *operation)
{
    struct plan *plan = &operation->plan;
    plan->extra_count = plan->first_charge;
    return charge_plan(operation->charge);
}
