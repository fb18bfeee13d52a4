/* What may be said of a pod that runs: who may be nominated, that what ended for good stays ended,
 * and whose addresses these are. */
#include "lib/api/limits.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"
#include "lib/base/name_index.h"

/* --- States ------------------------------------------------------------------------------------
 */

struct statuses {
    Core__V1__ContainerStatus *const *items;
    size_t count;
};
#define STATUSES(pod, member) ((struct statuses){(pod)->status->member, (pod)->status->n_##member})

static bool is_terminated(const Core__V1__ContainerStatus *status)
{
    return status->state != NULL && status->state->terminated != NULL;
}

/* A container that ended for good must not come back. It is named by its old place in the list. */
static void check_state(struct api_causes *causes, const struct api_path *old_item,
                        const Core__V1__ContainerStatus *old_status, struct statuses after)
{
    for (size_t i = 0; i < after.count; i++) {
        if (rules_is(after.items[i]->name, text_or_empty(old_status->name)) &&
            !is_terminated(after.items[i])) {
            rules_forbidden(causes, old_item, "state",
                            "may not be transitioned to non-terminated state");
        }
    }
}

static bool may_restart(const Core__V1__ContainerStatus *old_status, const char *policy)
{
    return rules_is(policy, "Always") ||
           (rules_is(policy, "OnFailure") && old_status->state->terminated->exit_code != 0);
}

/* Whether it is one of the init containers that run beside the others. */
static bool is_sidecar(const Core__V1__PodSpec *spec, const char *name)
{
    for (size_t i = 0; i < spec->n_init_containers; i++) {
        if (rules_is(spec->init_containers[i]->name, name)) {
            return rules_is(spec->init_containers[i]->restart_policy, "Always");
        }
    }
    return false;
}

/* `sidecars`: the spec whose init containers these are, or NULL. */
static void check_states(struct api_causes *causes, const char *name, struct statuses before,
                         struct statuses after, const char *policy,
                         const Core__V1__PodSpec *sidecars)
{
    struct api_path status = api_path_field(NULL, "status");
    struct api_path list = api_path_field(&status, name);
    for (size_t i = 0; i < before.count; i++) {
        const Core__V1__ContainerStatus *old_status = before.items[i];
        struct api_path item = api_path_index(&list, i);
        if (is_terminated(old_status) && !may_restart(old_status, policy) &&
            (sidecars == NULL || !is_sidecar(sidecars, text_or_empty(old_status->name)))) {
            check_state(causes, &item, old_status, after);
        }
    }
}

/* --- Addresses ---------------------------------------------------------------------------------
 */

/* Those of the pod or of its node: what messages call the type, and each one's text. */
struct addresses {
    const char *type;
    const char **texts;
    size_t count;
};

static const char *address_shown(struct arena *arena, const struct addresses *list, size_t index)
{
    CLEANUP(buffer_release) struct buffer quoted;
    buffer_init(&quoted, API_SHOWN_MAX);
    api_print_quoted(list->texts[index], &quoted);
    return arena_printf(arena, "%s{IP:%s}", list->type, buffer_text(&quoted));
}

static struct api_shown addresses_shown(struct arena *arena, const struct addresses *list)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, API_SHOWN_MAX);
    buffer_printf(&text, "[]%s{", list->type);
    for (size_t i = 0; i < list->count; i++) {
        buffer_printf(&text, "%s%s", i == 0 ? "" : ", ", address_shown(arena, list, i));
    }
    buffer_append_text(&text, "}");
    return api_shown_raw(arena_text(arena, buffer_text(&text)));
}

static void check_each_address(struct api_causes *causes, const struct api_path *at,
                               const struct addresses *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct api_path item = api_path_index(at, i);
        rules_invalid_each(causes, &item, api_shown_text(list->texts[i]),
                           api_syntax_ip(list->texts[i]));
    }
}

static void check_twice(struct api_causes *causes, const struct api_path *at,
                        const struct addresses *list)
{
    struct text_set seen = {.arena = causes->arena};
    for (size_t i = 0; i < list->count; i++) {
        struct api_path item = api_path_index(at, i);
        if (!text_set_add(&seen, list->texts[i])) {
            api_cause_duplicate(causes, &item,
                                api_shown_raw(address_shown(causes->arena, list, i)));
        }
    }
}

/* One address of each family at most. */
static void check_families(struct api_causes *causes, const struct api_path *at,
                           const struct addresses *list)
{
    bool seen[2] = {false, false};
    bool readable = true;
    for (size_t i = 0; readable && i < list->count; i++) {
        uint8_t ip[16];
        bool is_v6 = false;
        readable = api_ip_parse(list->texts[i], ip, &is_v6);
        seen[is_v6] = true;
        if (!readable) {
            api_cause_internal(causes, at,
                               arena_printf(causes->arena,
                                            "failed to check for dual stack with error:invalid "
                                            "IP[%zu]: <nil>",
                                            i));
        }
    }
    if (!readable || !seen[0] || !seen[1] || list->count > 2) {
        api_cause_invalid(causes, at, addresses_shown(causes->arena, list),
                          "may specify no more than one IP for each IP family");
    }
}

static void check_pod_addresses(struct api_causes *causes, const Core__V1__PodStatus *status)
{
    struct api_path parent = api_path_field(NULL, "status");
    struct api_path at = api_path_field(&parent, "podIPs");
    struct addresses list = {"core.PodIP", NULL, status->n_pod_ips};
    list.texts = arena_array(causes->arena, list.count, sizeof(*list.texts));
    for (size_t i = 0; i < list.count; i++) {
        list.texts[i] = text_or_empty(status->pod_ips[i]->ip);
    }
    check_each_address(causes, &at, &list);
    if (list.count > 1) {
        check_families(causes, &at, &list);
        check_twice(causes, &at, &list);
    }
}

static void check_host_addresses(struct api_causes *causes, const Core__V1__PodStatus *status)
{
    struct api_path parent = api_path_field(NULL, "status");
    struct api_path at = api_path_field(&parent, "hostIPs");
    struct api_path first = api_path_index(&at, 0);
    struct addresses list = {"core.HostIP", NULL, status->n_host_ips};
    list.texts = arena_array(causes->arena, list.count, sizeof(*list.texts));
    for (size_t i = 0; i < list.count; i++) {
        list.texts[i] = text_or_empty(status->host_ips[i]->ip);
    }
    if (list.count > 0 && !rules_is(status->host_ip, list.texts[0])) {
        rules_invalid(causes, &first, "ip", api_shown_text(list.texts[0]),
                      "must be equal to `hostIP`");
    }
    check_each_address(causes, &at, &list);
    if (list.count > 1) {
        check_twice(causes, &at, &list);
        check_families(causes, &at, &list);
    }
}

/* --- The whole ---------------------------------------------------------------------------------
 */

/* v1.32 says it of the metadata. */
static void check_conditions(struct api_causes *causes, const Core__V1__PodStatus *status)
{
    static const char *const known[] = {"PodScheduled", "Ready", "Initialized", NULL};
    struct api_path metadata = api_path_field(NULL, "metadata");
    struct api_path list = api_path_field(&metadata, "conditions");
    for (size_t i = 0; i < status->n_conditions; i++) {
        const char *type = text_or_empty(status->conditions[i]->type);
        struct api_path item = api_path_index(&list, i);
        if (!rules_one_of(type, known)) {
            rules_check_text(causes, &item, "Type", type, api_syntax_qualified_name);
        }
    }
}

void rules_update_pod_status(struct api_causes *causes, const void *before, const void *after)
{
    const Core__V1__Pod *old_pod = before, *pod = after;
    const Core__V1__PodStatus *status = pod->status;
    const char *policy = old_pod->spec->restart_policy;
    struct api_path at = api_path_field(NULL, "status");
    rules_update_pod_annotations(causes, old_pod, pod);
    check_conditions(causes, status);
    if (!rules_is(old_pod->status->qos_class, text_or_empty(status->qos_class))) {
        rules_invalid(causes, &at, "qosClass", api_shown_text(status->qos_class),
                      "field is immutable");
    }
    check_states(causes, "containerStatuses", STATUSES(old_pod, container_statuses),
                 STATUSES(pod, container_statuses), policy, NULL);
    check_states(causes, "initContainerStatuses", STATUSES(old_pod, init_container_statuses),
                 STATUSES(pod, init_container_statuses), policy, old_pod->spec);
    /* Nobody restarts those. */
    check_states(causes, "ephemeralContainerStatuses",
                 STATUSES(old_pod, ephemeral_container_statuses),
                 STATUSES(pod, ephemeral_container_statuses), "Never", NULL);
    check_pod_addresses(causes, status);
    check_host_addresses(causes, status);
}
