/* Checks of resource requests and limits, and the quality of service that follows from them. */
#include "lib/api/map_entry.h"
#include "lib/api/quantity.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"
#include "lib/base/name_index.h"

static const struct api_map_entry *entry_at(struct rules_quantities map, size_t index)
{
    return map.entries[index];
}

const char *rules_quantity_key(struct rules_quantities map, size_t index)
{
    return text_or_empty(entry_at(map, index)->key);
}

const Quantity__Quantity *rules_quantity_at(struct rules_quantities map, size_t index)
{
    return entry_at(map, index)->value;
}

struct rules_quantities rules_quantities_indexed(struct arena *arena, struct rules_quantities map)
{
    enum { SEARCHED_MAX = 16 };
    if (map.count > SEARCHED_MAX) {
        struct name_index *index = arena_zeroed(arena, sizeof(*index));
        for (size_t i = 0; i < map.count; i++) {
            name_index_add(index, arena, slice_text(rules_quantity_key(map, i)), i);
        }
        map.index = index;
    }
    return map;
}

static const Quantity__Quantity *get_indexed(struct rules_quantities map, const char *name)
{
    for (struct name_search search = name_index_find(map.index, slice_text(name));
         name_index_next(&search);) {
        if (strcmp(rules_quantity_key(map, search.place), name) == 0) {
            return entry_at(map, search.place)->value;
        }
    }
    return NULL;
}

const Quantity__Quantity *rules_quantity_get(struct rules_quantities map, const char *name)
{
    if (map.index != NULL) {
        return get_indexed(map, name);
    }
    for (size_t i = 0; i < map.count; i++) {
        if (rules_is(entry_at(map, i)->key, name)) {
            return entry_at(map, i)->value;
        }
    }
    return NULL;
}

const char *rules_quantity_text(struct arena *arena, const Quantity__Quantity *value)
{
    char text[QUANTITY_TEXT_SIZE];
    quantity_format(quantity_read(value), text);
    return arena_text(arena, text);
}

static bool is_huge(const char *name)
{
    return strncmp(name, "hugepages-", strlen("hugepages-")) == 0;
}

/* One without a prefix, or with Kubernetes' own. */
bool rules_resource_is_native(const char *name)
{
    return strchr(name, '/') == NULL || strstr(name, "kubernetes.io/") != NULL;
}

/* What is promised more than once is Kubernetes' own, and not in pages. */
static bool may_overcommit(const char *name)
{
    return rules_resource_is_native(name) && !is_huge(name);
}

bool rules_resource_is_extended(struct arena *arena, const char *name)
{
    const char *in_quotas = arena_printf(arena, "requests.%s", name);
    return !rules_resource_is_native(name) &&
           strncmp(name, "requests.", strlen("requests.")) != 0 &&
           api_syntax_qualified_name(in_quotas).count == 0;
}

void rules_check_container_resource(struct api_causes *causes, const struct api_path *at,
                                    const char *name)
{
    static const char *const standard[] = {"cpu", "memory", "ephemeral-storage", NULL};
    struct api_shown value = api_shown_raw(name);
    (void)rules_check_resource_name(causes, at, name);
    if (strchr(name, '/') == NULL) {
        if (!rules_one_of(name, standard) && !is_huge(name)) {
            api_cause_invalid(causes, at, value, "must be a standard resource for containers");
        }
    } else if (!rules_resource_is_native(name) &&
               !rules_resource_is_extended(causes->arena, name)) {
        api_cause_invalid(causes, at, value, "doesn't follow extended resource name standard");
    }
}

static bool is_in_pages(const char *name, struct quantity amount)
{
    enum { NANOS = 1000000000 };
    struct quantity page;
    const char *size = name + strlen("hugepages-");
    return quantity_parse(slice_text(size), &page, NULL) == 0 && quantity_sign(page) > 0 &&
           page.nanos % NANOS == 0 && quantity_value(amount) % quantity_value(page) == 0;
}

static void check_page_size(struct api_causes *causes, const struct api_path *at, const char *name,
                            const Quantity__Quantity *value)
{
    if (is_huge(name) && !is_in_pages(name, quantity_read(value))) {
        const char *text = rules_quantity_text(causes->arena, value);
        api_cause_invalid(
            causes, at, api_shown_text(text),
            arena_printf(causes->arena, "%s is not positive integer multiple of %s", text, name));
    }
}

void rules_check_resource_amount(struct api_causes *causes, const struct api_path *at,
                                 const char *name, const Quantity__Quantity *value)
{
    enum { NANOS = 1000000000 };
    struct quantity amount = quantity_read(value);
    const char *text = rules_quantity_text(causes->arena, value);
    if (quantity_sign(amount) < 0) {
        api_cause_invalid(causes, at, api_shown_text(text), "must be greater than or equal to 0");
    }
    if (rules_resource_is_counted(causes->arena, name) && amount.nanos % NANOS != 0) {
        api_cause_invalid(causes, at, api_shown_quantity(causes->arena, text),
                          "must be an integer");
    }
}

static void check_entry(struct api_causes *causes, const struct api_path *at,
                        const struct api_map_entry *entry)
{
    const char *key = text_or_empty(entry->key);
    rules_check_container_resource(causes, at, key);
    rules_check_resource_amount(causes, at, key, entry->value);
}

static void check_request(struct api_causes *causes, const struct api_path *at,
                          struct rules_quantities limits, const struct api_map_entry *request)
{
    const char *name = text_or_empty(request->key);
    const Quantity__Quantity *limit = rules_quantity_get(limits, name);
    struct api_path list = api_path_field(at, "requests");
    if (limit == NULL) {
        if (!may_overcommit(name)) {
            rules_required(causes, at, "limits",
                           "Limit must be set for non overcommitable resources");
        }
        return;
    }
    int order = quantity_compare(quantity_read(request->value), quantity_read(limit));
    const char *text = rules_quantity_text(causes->arena, request->value);
    if (order != 0 && !may_overcommit(name)) {
        api_cause_invalid(causes, &list, api_shown_text(text),
                          arena_printf(causes->arena, "must be equal to %s limit of %s", name,
                                       rules_quantity_text(causes->arena, limit)));
    } else if (order > 0) {
        api_cause_invalid(causes, &list, api_shown_text(text),
                          arena_printf(causes->arena,
                                       "must be less than or equal to %s limit of %s", name,
                                       rules_quantity_text(causes->arena, limit)));
    }
}

static void check_resources(struct api_causes *causes, const struct api_path *parent,
                            struct rules_quantities limits, struct rules_quantities requests)
{
    limits = rules_quantities_indexed(causes->arena, limits);
    bool huge = false, base = false;
    struct api_path limits_at = api_path_field(parent, "limits");
    struct api_path requests_at = api_path_field(parent, "requests");
    for (size_t i = 0; i < limits.count; i++) {
        const struct api_map_entry *entry = entry_at(limits, i);
        struct api_path at = api_path_key(&limits_at, text_or_empty(entry->key));
        check_entry(causes, &at, entry);
        check_page_size(causes, &at, text_or_empty(entry->key), entry->value);
    }
    for (size_t i = 0; i < requests.count; i++) {
        const struct api_map_entry *entry = entry_at(requests, i);
        struct api_path at = api_path_key(&requests_at, text_or_empty(entry->key));
        check_entry(causes, &at, entry);
        check_request(causes, parent, limits, entry);
        check_page_size(causes, &at, text_or_empty(entry->key), entry->value);
    }
    for (size_t i = 0; i < limits.count + requests.count; i++) {
        const struct api_map_entry *entry =
            i < limits.count ? entry_at(limits, i) : entry_at(requests, i - limits.count);
        huge = huge || is_huge(text_or_empty(entry->key));
        base = base || rules_is(entry->key, "cpu") || rules_is(entry->key, "memory");
    }
    if (huge && !base) {
        api_cause_forbidden(causes, parent, "HugePages require cpu or memory");
    }
}

bool rules_resources(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ResourceRequirements *resources = frame->message;
    check_resources(causes, frame->at, RULES_QUANTITIES(resources, limits),
                    RULES_QUANTITIES(resources, requests));
    return true;
}

/* What running the pod itself takes is held to the same as a container's limits. */
bool rules_overhead(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__PodSpec *spec = frame->message;
    struct api_path at = api_path_field(frame->at, "overhead");
    check_resources(causes, &at, RULES_QUANTITIES(spec, overhead), (struct rules_quantities){0});
    return true;
}

/* What a class of runtimes adds to each pod; v1.32 says it of the limits that it checks as. */
bool rules_runtime_overhead(struct api_causes *causes, const struct api_frame *frame)
{
    const Node__V1__Overhead *overhead = frame->message;
    check_resources(causes, frame->at, RULES_QUANTITIES(overhead, pod_fixed),
                    (struct rules_quantities){0});
    return true;
}

/* --- Quality of service ------------------------------------------------------------------------
 */

struct service_class {
    bool any;        /* Some container asks for, or is limited in, cpu or memory. */
    bool guaranteed; /* Every container has limits for both, and requests as much. */
};

static bool is_positive(const Quantity__Quantity *value)
{
    return value != NULL && quantity_sign(quantity_read(value)) > 0;
}

static void look_at(struct service_class *class, const Core__V1__Container *container)
{
    static const char *const names[] = {"cpu", "memory"};
    const Core__V1__ResourceRequirements *resources = container->resources;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct rules_quantities limits = {0}, requests = {0};
        if (resources != NULL) {
            limits = RULES_QUANTITIES(resources, limits);
            requests = RULES_QUANTITIES(resources, requests);
        }
        const Quantity__Quantity *limit = rules_quantity_get(limits, names[i]);
        const Quantity__Quantity *request = rules_quantity_get(requests, names[i]);
        class->any = class->any || is_positive(limit) || is_positive(request);
        if (!is_positive(limit) ||
            (request != NULL &&
             quantity_compare(quantity_read(limit), quantity_read(request)) != 0)) {
            class->guaranteed = false;
        }
    }
}

const char *rules_pod_qos_class(const Core__V1__PodSpec *spec)
{
    struct service_class class = {.guaranteed = true};
    for (size_t i = 0; i < spec->n_containers; i++) {
        look_at(&class, spec->containers[i]);
    }
    for (size_t i = 0; i < spec->n_init_containers; i++) {
        look_at(&class, spec->init_containers[i]);
    }
    if (!class.any) {
        return "BestEffort";
    }
    return class.guaranteed ? "Guaranteed" : "Burstable";
}
