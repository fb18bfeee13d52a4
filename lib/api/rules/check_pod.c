/* Rules of pods and pod templates as a whole. */
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"

enum { SEARCH_CHARACTERS_MAX = 2048 };

/* --- DNS ---------------------------------------------------------------------------------------
 */

bool rules_dns_config(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__PodSpec *spec = frame->message;
    if (spec->dns_config == NULL && rules_is(spec->dns_policy, "None")) {
        rules_required(causes, frame->at, "dnsConfig",
                       "must provide `dnsConfig` when `dnsPolicy` is None");
    }
    return true;
}

bool rules_dns_servers(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__PodDNSConfig *dns = frame->message;
    const Core__V1__PodSpec *spec = frame->parent->message;
    if (dns->n_nameservers == 0 && rules_is(spec->dns_policy, "None")) {
        rules_required(causes, frame->at, "nameservers",
                       "must provide at least one DNS nameserver when `dnsPolicy` is None");
        return false;
    }
    return true;
}

/* How many there are comes before what each one is. */
bool rules_dns_searches(struct api_causes *causes, const struct api_frame *frame)
{
    enum { SEARCHES_MAX = 32 };
    const Core__V1__PodDNSConfig *dns = frame->message;
    size_t characters = 0;
    if (dns->n_searches > SEARCHES_MAX) {
        rules_invalid(causes, frame->at, "searches",
                      api_shown_texts(causes->arena, dns->searches, dns->n_searches),
                      "must not have more than 32 search paths");
    }
    for (size_t i = 0; i < dns->n_searches; i++) {
        characters += strlen(text_or_empty(dns->searches[i])) + 1;
    }
    if (characters > SEARCH_CHARACTERS_MAX + 1) {
        rules_invalid(causes, frame->at, "searches",
                      api_shown_texts(causes->arena, dns->searches, dns->n_searches),
                      "must not have more than 2048 characters (including spaces) in the "
                      "search list");
    }
    return true;
}

/* Said of the option, not of its name. */
bool rules_dns_options(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__PodDNSConfig *dns = frame->message;
    struct api_path options = api_path_field(frame->at, "options");
    for (size_t i = 0; i < dns->n_options; i++) {
        if (rules_empty(dns->options[i]->name)) {
            struct api_path item = api_path_index(&options, i);
            api_cause_required(causes, &item, "must not be empty");
        }
    }
    return true;
}

/* --- The spec ----------------------------------------------------------------------------------
 */

/* v1.32 knows it as a member of the security context. */
bool rules_shared_namespaces(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__PodSpec *spec = frame->parent->message;
    if (spec->has_share_process_namespace && spec->share_process_namespace && spec->host_pid) {
        rules_invalid(causes, frame->at, "shareProcessNamespace", api_shown_bool(true),
                      "ShareProcessNamespace and HostPID cannot both be enabled");
    }
    return true;
}

static bool starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* A setting of a namespace that the pod shares with the node would be one of the node. */
bool rules_host_sysctl(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__Sysctl *sysctl = frame->message;
    const struct api_frame *pod = api_frame_find(frame, &core__v1__pod_spec__schema);
    const Core__V1__PodSpec *spec = pod == NULL ? NULL : pod->message;
    char *name = arena_text(causes->arena, text_or_empty(sysctl->name));
    size_t first = strcspn(name, "./");
    for (char *at = name; name[first] == '/' && *at != '\0'; at++) {
        *at = *at == '/' ? '.' : *at == '.' ? '/' : *at;
    }
    if (spec == NULL) {
        return true;
    }
    if (spec->host_network && starts(name, "net.")) {
        rules_invalid(causes, frame->at, "name", api_shown_text(sysctl->name),
                      "may not be specified when 'hostNetwork' is true");
    } else if (spec->host_ipc && (starts(name, "kernel.shm") || starts(name, "kernel.msg") ||
                                  starts(name, "fs.mqueue.") || strcmp(name, "kernel.sem") == 0)) {
        rules_invalid(causes, frame->at, "name", api_shown_text(sysctl->name),
                      "may not be specified when 'hostIPC' is true");
    }
    return true;
}

static const char *gate_name(struct arena *arena, const void *list, const void *of, size_t index)
{
    const Core__V1__PodSchedulingGate *const *gates = list;
    (void)arena, (void)of;
    return text_or_empty(gates[index]->name);
}

/* Said of the gate, not of its name. */
bool rules_scheduling_gate(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__PodSchedulingGate *gate = frame->message;
    const Core__V1__PodSpec *spec = frame->parent->message;
    const char *name = text_or_empty(gate->name);
    rules_invalid_each(causes, frame->at, api_shown_text(name), api_syntax_qualified_name(name));
    if (api_seen_before(causes, gate_name, spec->scheduling_gates, NULL, frame->index)) {
        api_cause_duplicate(causes, frame->at, api_shown_text(name));
    }
    return true;
}

bool rules_pod_template(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__PodTemplateSpec *pod = frame->message;
    struct api_path spec = api_path_field(frame->at, "spec");
    if (pod->spec != NULL && pod->spec->n_ephemeral_containers > 0) {
        rules_forbidden(causes, &spec, "ephemeralContainers",
                        "ephemeral containers not allowed in pod template");
    }
    return true;
}

static void check_images(struct api_causes *causes, const struct api_path *spec, const char *list,
                         Core__V1__Container *const *containers, size_t count)
{
    struct api_path at = api_path_field(spec, list);
    for (size_t i = 0; i < count; i++) {
        struct api_path item = api_path_index(&at, i);
        rules_check_text(causes, &item, "image", text_or_empty(containers[i]->image),
                         api_syntax_trimmed);
    }
}

/* Templates may have images with spaces around their names. */
void rules_check_pod_only(struct api_causes *causes, const Core__V1__PodSpec *spec)
{
    struct api_path at = api_path_field(NULL, "spec");
    rules_check_tokens(causes, spec);
    check_images(causes, &at, "containers", spec->containers, spec->n_containers);
    check_images(causes, &at, "initContainers", spec->init_containers, spec->n_init_containers);
}

bool rules_pod(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__Pod *pod = frame->message;
    struct api_path at = api_path_field(NULL, "spec");
    rules_check_pod_only(causes, pod->spec);
    if (pod->spec->n_ephemeral_containers > 0) {
        rules_forbidden(causes, &at, "ephemeralContainers", "cannot be set on create");
    }
    if (pod->spec->n_scheduling_gates > 0 && !rules_empty(pod->spec->node_name)) {
        rules_forbidden(causes, &at, "nodeName",
                        "cannot be set until all schedulingGates have been cleared");
    }
    return true;
}
