/* Checks of resource requests and limits, and the quality of service that follows from them. */
#include "lib/api/quantity.h"
#include "lib/api/rules/rules.h"

/* Entries of every map of quantities have this layout. */
struct entry {
    ProtobufCMessage base;
    char *key;
    Quantity__Quantity *value;
};

static const struct entry *entry_at(struct rules_quantities map, size_t index)
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

const Quantity__Quantity *rules_quantity_get(struct rules_quantities map, const char *name)
{
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

static bool is_standard(const char *name)
{
    static const char *const names[] = {"cpu", "memory", "ephemeral-storage", NULL};
    return rules_one_of(name, names) || strncmp(name, "hugepages-", strlen("hugepages-")) == 0;
}

/* cpu, memory and disk may be promised more than once; nothing else may. */
static bool may_overcommit(const char *name)
{
    static const char *const names[] = {"cpu", "memory", "ephemeral-storage", NULL};
    return rules_one_of(name, names);
}

static bool is_native(const char *name)
{
    return strchr(name, '/') == NULL || strstr(name, "kubernetes.io/") != NULL;
}

void rules_check_container_resource(struct api_causes *causes, const struct api_path *at,
                                    const char *name)
{
    struct api_shown value = api_shown_raw(name);
    struct api_syntax syntax = api_syntax_qualified_name(name);
    bool prefixed = strchr(name, '/') != NULL;
    (void)rules_check_resource_name(causes, at, name);
    if (!prefixed && !is_standard(name)) {
        api_cause_invalid(causes, at, value, "must be a standard resource for containers");
    } else if (prefixed && !is_native(name) &&
               (syntax.count > 0 || strncmp(name, "requests.", strlen("requests.")) == 0)) {
        api_cause_invalid(causes, at, value, "doesn't follow extended resource name standard");
    }
}

static void check_page_size(struct api_causes *causes, const struct api_path *at, const char *name,
                            const Quantity__Quantity *value)
{
    struct quantity page;
    const char *size = name + strlen("hugepages-");
    if (quantity_parse(slice_text(size), &page, NULL) != 0 || quantity_sign(page) <= 0) {
        return;
    }
    struct quantity amount = quantity_read(value);
    if (quantity_sign(amount) < 0 || amount.nanos % page.nanos != 0) {
        api_cause_invalid(causes, at, api_shown_text(rules_quantity_text(causes->arena, value)),
                          arena_printf(causes->arena, "%s is not positive integer multiple of %s",
                                       rules_quantity_text(causes->arena, value), name));
    }
}

static void check_amount(struct api_causes *causes, const struct api_path *at, const char *name,
                         const Quantity__Quantity *value)
{
    rules_check_resource_amount(causes, at, name, value);
    if (strncmp(name, "hugepages-", strlen("hugepages-")) == 0) {
        check_page_size(causes, at, name, value);
    }
}

static void check_entry(struct api_causes *causes, const struct api_path *list,
                        const struct entry *entry)
{
    const char *key = text_or_empty(entry->key);
    struct api_path at = api_path_key(list, key);
    rules_check_container_resource(causes, &at, key);
    check_amount(causes, &at, key, entry->value);
}

static void check_request(struct api_causes *causes, const struct api_path *at,
                          struct rules_quantities limits, const struct entry *request)
{
    const char *name = text_or_empty(request->key);
    const Quantity__Quantity *limit = rules_quantity_get(limits, name);
    struct api_path list = api_path_field(at, "requests");
    if (limit == NULL) {
        /* A name that is no resource at all was refused already. */
        if (!may_overcommit(name) && strchr(name, '/') != NULL) {
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

bool rules_resources(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ResourceRequirements *resources = frame->message;
    struct rules_quantities limits = {(void *const *)resources->limits, resources->n_limits};
    struct rules_quantities requests = {(void *const *)resources->requests, resources->n_requests};
    bool huge = false, base = false;
    struct api_path limits_at = api_path_field(frame->at, "limits");
    struct api_path requests_at = api_path_field(frame->at, "requests");
    for (size_t i = 0; i < limits.count; i++) {
        check_entry(causes, &limits_at, entry_at(limits, i));
    }
    for (size_t i = 0; i < requests.count; i++) {
        check_entry(causes, &requests_at, entry_at(requests, i));
        check_request(causes, frame->at, limits, entry_at(requests, i));
    }
    for (size_t i = 0; i < limits.count + requests.count; i++) {
        const struct entry *entry =
            i < limits.count ? entry_at(limits, i) : entry_at(requests, i - limits.count);
        huge = huge || strncmp(text_or_empty(entry->key), "hugepages-", strlen("hugepages-")) == 0;
        base = base || rules_is(entry->key, "cpu") || rules_is(entry->key, "memory");
    }
    if (huge && !base) {
        api_cause_forbidden(causes, frame->at, "HugePages require cpu or memory");
    }
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
        struct rules_quantities limits = {NULL, 0}, requests = {NULL, 0};
        if (resources != NULL) {
            limits =
                (struct rules_quantities){(void *const *)resources->limits, resources->n_limits};
            requests = (struct rules_quantities){(void *const *)resources->requests,
                                                 resources->n_requests};
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
