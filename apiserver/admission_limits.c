/* LimitRanger: what a namespace's LimitRanges give containers that ask for nothing, and what they
 * refuse of containers, pods and claims. */
#include "apiserver/admission.h"

#include "lib/api/resource_list.h"

#include <stdlib.h>

static const char annotation[] = "kubernetes.io/limit-ranger";
enum { LIMIT_NOTES_BYTES_MAX = 64 * 1024 };
static const char requirements_message[] = "k8s.io.api.core.v1.ResourceRequirements";

typedef void each_range(void *data, const Core__V1__LimitRange *range);

struct range_walk {
    each_range *each;
    void *data;
};

static bool walk_range(void *data, const struct cached_object *object)
{
    struct range_walk *walk = data;
    const Core__V1__LimitRange *range = cached_object_message(object);
    if (range != NULL && range->spec != NULL) {
        walk->each(walk->data, range);
    }
    return true;
}

static void each_limit_range(struct admission *admission, each_range *each, void *data)
{
    const struct registry *registry = admission->operation->registry;
    struct cache_view *view = watch_cache_view(registry->config.cache, registry->limit_range_kind);
    struct range_walk walk = {each, data};
    cache_view_each(view, admission->namespace, slice_text(""), walk_range, &walk);
    cache_view_free(view);
}

static bool is_new_pod(const struct admission *admission)
{
    return admission->verb == ADMIT_CREATE && admission->subresource[0] == 0 &&
           admission->kind == admission->operation->registry->pod_kind;
}

static bool is_type(const Core__V1__LimitRangeItem *item, const char *type)
{
    return item->type != NULL && strcmp(item->type, type) == 0;
}

/* --- Defaults --- */

struct limit_defaults {
    struct arena *arena;
    Core__V1__Pod *pod;
    struct resource_list requests;
    struct resource_list limits;
    struct buffer notes; /* What was set, for people. */
};

static int by_name(const void *a, const void *b)
{
    const struct resource_amount *left = a;
    const struct resource_amount *right = b;
    return strcmp(left->name, right->name);
}

/* Adds what is missing to `list`; says so: "cpu, memory request for container c". */
static bool add_missing(struct limit_defaults *defaults, struct resource_list *list,
                        const struct resource_list *wanted, const char *what, const char *name)
{
    struct resource_list added = resource_list_empty(defaults->arena);
    for (size_t i = 0; i < wanted->count; i++) {
        if (resource_list_get(list, wanted->items[i].name) == NULL) {
            resource_list_set(&added, wanted->items[i].name, wanted->items[i].value);
        }
    }
    if (added.count == 0) {
        return false;
    }
    resource_list_add(list, &added);
    qsort(added.items, added.count, sizeof(added.items[0]), by_name);
    buffer_append_text(&defaults->notes, defaults->notes.len == 0 ? "" : "; ");
    for (size_t i = 0; i < added.count; i++) {
        buffer_printf(&defaults->notes, "%s%s", i == 0 ? "" : ", ", added.items[i].name);
    }
    buffer_printf(&defaults->notes, " %s %s", what, name);
    return true;
}

static void default_container(struct limit_defaults *defaults, Core__V1__Container *container,
                              const char *role)
{
    struct arena *arena = defaults->arena;
    const struct api_message *schema = api_message_find(requirements_message);
    Core__V1__ResourceRequirements *resources = container->resources;
    if (resources == NULL) {
        resources = api_message_new(arena, schema);
    }
    const char *name = container->name == NULL ? "" : container->name;
    struct resource_list requests = RESOURCE_LIST(arena, resources, requests);
    struct resource_list limits = RESOURCE_LIST(arena, resources, limits);
    bool requested = add_missing(defaults, &requests, &defaults->requests,
                                 arena_printf(arena, "request for %s", role), name);
    bool limited = add_missing(defaults, &limits, &defaults->limits,
                               arena_printf(arena, "limit for %s", role), name);
    if (requested) {
        resources->requests = resource_list_entries(&requests, schema, "requests");
        resources->n_requests = requests.count;
    }
    if (limited) {
        resources->limits = resource_list_entries(&limits, schema, "limits");
        resources->n_limits = limits.count;
    }
    if (requested || limited) {
        container->resources = resources;
    }
}

static void default_from_range(void *data, const Core__V1__LimitRange *range)
{
    struct limit_defaults *defaults = data;
    struct arena *arena = defaults->arena;
    defaults->requests = resource_list_empty(arena);
    defaults->limits = resource_list_empty(arena);
    for (size_t i = 0; i < range->spec->n_limits; i++) {
        const Core__V1__LimitRangeItem *item = range->spec->limits[i];
        if (is_type(item, "Container")) {
            struct resource_list requests = RESOURCE_LIST(arena, item, default_request);
            struct resource_list limits = RESOURCE_LIST(arena, item, default_);
            resource_list_raise(&defaults->requests, &requests);
            resource_list_raise(&defaults->limits, &limits);
        }
    }
    Core__V1__PodSpec *spec = defaults->pod->spec;
    buffer_init(&defaults->notes, LIMIT_NOTES_BYTES_MAX);
    for (size_t i = 0; i < spec->n_containers; i++) {
        default_container(defaults, spec->containers[i], "container");
    }
    for (size_t i = 0; i < spec->n_init_containers; i++) {
        default_container(defaults, spec->init_containers[i], "init container");
    }
    if (defaults->notes.len > 0) {
        api_meta_set_annotation(
            arena, defaults->pod->metadata, annotation,
            arena_printf(arena, "LimitRanger plugin set: %s", buffer_text(&defaults->notes)));
    }
    buffer_release(&defaults->notes);
}

/* The texts that are kept were copied: the ranges' view is gone afterwards. */
const struct api_status *admit_limit_defaults(struct admission *admission)
{
    if (is_new_pod(admission)) {
        struct limit_defaults defaults = {.arena = admission->operation->arena,
                                          .pod = admission->message};
        each_limit_range(admission, default_from_range, &defaults);
    }
    return NULL;
}

/* --- Limits --- */

enum { PROBLEMS_MAX = 32 };

struct limit_check {
    struct arena *arena;
    struct admission *admission;
    const char *problems[PROBLEMS_MAX];
    size_t problem_count;
};

/* What one container, pod or claim asks for, against one item of a range. */
struct limit_subject {
    struct limit_check *check;
    const char *type;
    struct resource_list requests;
    struct resource_list limits;
};

static void add_problem(struct limit_check *check, const char *text)
{
    for (size_t i = 0; i < check->problem_count; i++) {
        if (strcmp(check->problems[i], text) == 0) {
            return; /* Two containers that ask for the same. */
        }
    }
    if (check->problem_count < PROBLEMS_MAX) {
        check->problems[check->problem_count++] = text;
    }
}

static const char *shown(struct arena *arena, struct quantity quantity)
{
    char text[QUANTITY_TEXT_SIZE];
    quantity_format(quantity, text);
    return arena_text(arena, text);
}

/* `which` ("minimum", "maximum"); `what` ("request", "limit"). */
static void add_bound(struct limit_subject *subject, const char *which,
                      const struct resource_amount *bound, const char *what,
                      const struct quantity *found)
{
    struct arena *arena = subject->check->arena;
    const char *said = arena_printf(arena, "%s %s usage per %s is %s", which, bound->name,
                                    subject->type, shown(arena, bound->value));
    add_problem(subject->check,
                found == NULL
                    ? arena_printf(arena, "%s.  No %s is specified", said, what)
                    : arena_printf(arena, "%s, but %s is %s", said, what, shown(arena, *found)));
}

static void check_min(struct limit_subject *subject, const struct resource_amount *min)
{
    const struct quantity *request = resource_list_get(&subject->requests, min->name);
    const struct quantity *limit = resource_list_get(&subject->limits, min->name);
    if (request == NULL || quantity_compare(*request, min->value) < 0) {
        add_bound(subject, "minimum", min, "request", request);
    } else if (limit != NULL && quantity_compare(*limit, min->value) < 0) {
        add_bound(subject, "minimum", min, "limit", limit);
    }
}

static void check_max(struct limit_subject *subject, const struct resource_amount *max)
{
    const struct quantity *request = resource_list_get(&subject->requests, max->name);
    const struct quantity *limit = resource_list_get(&subject->limits, max->name);
    if (limit == NULL || quantity_compare(*limit, max->value) > 0) {
        add_bound(subject, "maximum", max, "limit", limit);
    } else if (request != NULL && quantity_compare(*request, max->value) > 0) {
        add_bound(subject, "maximum", max, "request", request);
    }
}

/* Claims have requests alone. */
static void check_max_request(struct limit_subject *subject, const struct resource_amount *max)
{
    const struct quantity *request = resource_list_get(&subject->requests, max->name);
    if (request == NULL || quantity_compare(*request, max->value) > 0) {
        add_bound(subject, "maximum", max, "request", request);
    }
}

static void check_ratio(struct limit_subject *subject, const struct resource_amount *ratio)
{
    struct arena *arena = subject->check->arena;
    const struct quantity *request = resource_list_get(&subject->requests, ratio->name);
    const struct quantity *limit = resource_list_get(&subject->limits, ratio->name);
    const char *said = arena_printf(arena, "%s max limit to request ratio per %s is %s",
                                    ratio->name, subject->type, shown(arena, ratio->value));
    if (request == NULL || quantity_is_zero(*request)) {
        add_problem(subject->check,
                    arena_printf(arena, "%s, but no request is specified or request is 0", said));
    } else if (limit == NULL || quantity_is_zero(*limit)) {
        add_problem(subject->check,
                    arena_printf(arena, "%s, but no limit is specified or limit is 0", said));
    } else {
        double found = (double)limit->nanos / (double)request->nanos;
        if (found > (double)ratio->value.nanos / 1e9) {
            add_problem(subject->check,
                        arena_printf(arena, "%s, but provided ratio is %f", said, found));
        }
    }
}

static void check_each(struct limit_subject *subject, const struct resource_list *bounds,
                       void (*one)(struct limit_subject *subject,
                                   const struct resource_amount *bound))
{
    for (size_t i = 0; i < bounds->count; i++) {
        one(subject, &bounds->items[i]);
    }
}

static void check_item(struct limit_subject *subject, const Core__V1__LimitRangeItem *item)
{
    struct arena *arena = subject->check->arena;
    struct resource_list min = RESOURCE_LIST(arena, item, min);
    struct resource_list max = RESOURCE_LIST(arena, item, max);
    struct resource_list ratio = RESOURCE_LIST(arena, item, max_limit_request_ratio);
    subject->type = item->type;
    check_each(subject, &min, check_min);
    check_each(subject, &max, check_max);
    check_each(subject, &ratio, check_ratio);
}

static void check_container(struct limit_check *check, const Core__V1__Container *container,
                            const Core__V1__LimitRangeItem *item)
{
    struct limit_subject subject = {.check = check,
                                    .requests = resource_list_empty(check->arena),
                                    .limits = resource_list_empty(check->arena)};
    if (container->resources != NULL) {
        subject.requests = RESOURCE_LIST(check->arena, container->resources, requests);
        subject.limits = RESOURCE_LIST(check->arena, container->resources, limits);
    }
    check_item(&subject, item);
}

static void check_pod_item(struct limit_check *check, const Core__V1__PodSpec *spec,
                           const Core__V1__LimitRangeItem *item)
{
    if (is_type(item, "Container")) {
        for (size_t i = 0; i < spec->n_containers; i++) {
            check_container(check, spec->containers[i], item);
        }
        for (size_t i = 0; i < spec->n_init_containers; i++) {
            check_container(check, spec->init_containers[i], item);
        }
    } else if (is_type(item, "Pod")) {
        struct limit_subject subject = {.check = check,
                                        .requests = resource_list_pod_requests(check->arena, spec),
                                        .limits = resource_list_pod_limits(check->arena, spec)};
        check_item(&subject, item);
    }
}

static void check_pod_range(void *data, const Core__V1__LimitRange *range)
{
    struct limit_check *check = data;
    const Core__V1__Pod *pod = check->admission->message;
    for (size_t i = 0; i < range->spec->n_limits; i++) {
        check_pod_item(check, pod->spec, range->spec->limits[i]);
    }
}

static void check_claim_range(void *data, const Core__V1__LimitRange *range)
{
    struct limit_check *check = data;
    const Core__V1__PersistentVolumeClaim *claim = check->admission->message;
    if (claim->spec == NULL || claim->spec->resources == NULL) {
        return;
    }
    struct limit_subject subject = {
        .check = check,
        .type = "PersistentVolumeClaim",
        .requests = RESOURCE_LIST(check->arena, claim->spec->resources, requests),
        .limits = resource_list_empty(check->arena)};
    for (size_t i = 0; i < range->spec->n_limits; i++) {
        const Core__V1__LimitRangeItem *item = range->spec->limits[i];
        if (is_type(item, subject.type)) {
            struct resource_list min = RESOURCE_LIST(check->arena, item, min);
            struct resource_list max = RESOURCE_LIST(check->arena, item, max);
            check_each(&subject, &min, check_min);
            check_each(&subject, &max, check_max_request);
        }
    }
}

static const char *problems_text(const struct limit_check *check)
{
    if (check->problem_count == 1) {
        return check->problems[0];
    }
    return arena_printf(check->arena, "[%s]",
                        arena_join(check->arena, check->problems, check->problem_count, ", "));
}

const struct api_status *admit_limits(struct admission *admission)
{
    const struct registry *registry = admission->operation->registry;
    struct limit_check check = {.arena = admission->operation->arena, .admission = admission};
    if (is_new_pod(admission)) {
        each_limit_range(admission, check_pod_range, &check);
    } else if (admission->kind == registry->claim_kind && admission->subresource[0] == 0 &&
               admission->verb != ADMIT_DELETE) {
        each_limit_range(admission, check_claim_range, &check);
    }
    return check.problem_count == 0 ? NULL
                                    : api_status_forbidden(check.arena, admission->kind,
                                                           admission->name, problems_text(&check));
}
