/* Checks of pods and pod templates as a whole. */
#include "lib/api/rules/rules.h"

enum {
    NAMESERVERS_MAX = 3,
    SEARCHES_MAX = 32,
    SEARCH_CHARACTERS_MAX = 2048,
    SYSCTL_NAME_MAX = 253,
};

/* --- DNS ---------------------------------------------------------------------------------------
 */

static void check_searches(struct api_causes *causes, const struct api_path *config,
                           const Core__V1__PodDNSConfig *dns)
{
    struct api_path list = api_path_field(config, "searches");
    size_t characters = 0;
    if (dns->n_searches > SEARCHES_MAX) {
        api_cause_invalid(causes, &list, api_shown_raw("[]string"),
                          "must not have more than 32 search paths");
    }
    for (size_t i = 0; i < dns->n_searches; i++) {
        struct api_path at = api_path_index(&list, i);
        char *name = arena_text(causes->arena, rules_text(dns->searches[i]));
        size_t len = strlen(name);
        characters += len + 1;
        if (len > 0 && name[len - 1] == '.') {
            name[len - 1] = '\0';
        }
        if (strcmp(rules_text(dns->searches[i]), ".") != 0) {
            rules_invalid_each(causes, &at, api_shown_text(dns->searches[i]),
                               api_syntax_dns1123_subdomain(name));
        }
    }
    if (characters > SEARCH_CHARACTERS_MAX + 1) {
        api_cause_invalid(causes, &list, api_shown_raw("[]string"),
                          "must not have more than 2048 characters (including spaces) in the "
                          "search list");
    }
}

static void check_dns(struct api_causes *causes, const struct api_path *at,
                      const Core__V1__PodSpec *spec)
{
    static const char *const policies[] = {"ClusterFirstWithHostNet", "ClusterFirst", "Default",
                                           "None", NULL};
    const Core__V1__PodDNSConfig *dns = spec->dns_config;
    struct api_path policy = api_path_field(at, "dnsPolicy");
    struct api_path config = api_path_field(at, "dnsConfig");
    struct api_path servers = api_path_field(&config, "nameservers");
    struct api_path options = api_path_field(&config, "options");
    bool none = rules_is(spec->dns_policy, "None");
    rules_enum(causes, &policy, spec->dns_policy, policies);
    if (dns == NULL) {
        if (none) {
            api_cause_required(causes, &config,
                               "must provide `dnsConfig` when `dnsPolicy` is None");
        }
        return;
    }
    if (none && dns->n_nameservers == 0) {
        api_cause_required(causes, &servers,
                           "must provide at least one DNS nameserver when `dnsPolicy` is None");
    }
    if (dns->n_nameservers > NAMESERVERS_MAX) {
        api_cause_invalid(causes, &servers, api_shown_raw("[]string"),
                          "must not have more than 3 nameservers");
    }
    for (size_t i = 0; i < dns->n_nameservers; i++) {
        struct api_path item = api_path_index(&servers, i);
        const char *server = rules_text(dns->nameservers[i]);
        rules_invalid_each(causes, &item, api_shown_text(server), api_syntax_ip(server));
    }
    check_searches(causes, &config, dns);
    for (size_t i = 0; i < dns->n_options; i++) {
        if (rules_empty(dns->options[i]->name)) {
            struct api_path item = api_path_index(&options, i);
            api_cause_required(causes, &item, "must not be empty");
        }
    }
}

/* --- Security ----------------------------------------------------------------------------------
 */

/* ([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])? */
static bool sysctl_name_matches(const char *name)
{
    static const char *const alphanumeric = "abcdefghijklmnopqrstuvwxyz0123456789";
    if (strlen(name) > SYSCTL_NAME_MAX) {
        return false;
    }
    for (;;) {
        size_t len = strcspn(name, "./");
        if (len == 0 || strchr(alphanumeric, name[0]) == NULL ||
            strchr(alphanumeric, name[len - 1]) == NULL ||
            strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_") < len) {
            return false;
        }
        if (name[len] == '\0') {
            return true;
        }
        name += len + 1;
    }
}

static void check_sysctls(struct api_causes *causes, const struct api_path *security,
                          const Core__V1__PodSecurityContext *context)
{
    struct api_path list = api_path_field(security, "sysctls");
    for (size_t i = 0; i < context->n_sysctls; i++) {
        struct api_path at = api_path_index(&list, i);
        struct api_path name = api_path_field(&at, "name");
        const char *text = rules_text(context->sysctls[i]->name);
        if (*text == '\0') {
            api_cause_required(causes, &name, "");
        } else if (!sysctl_name_matches(text)) {
            api_cause_invalid(
                causes, &name, api_shown_text(text),
                "must have at most 253 characters and match regex "
                "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])"
                "?$");
        }
        for (size_t j = 0; j < i; j++) {
            if (*text != '\0' && rules_is(context->sysctls[j]->name, text)) {
                api_cause_duplicate(causes, &name, api_shown_text(text));
                break;
            }
        }
    }
}

static void check_namespaces(struct api_causes *causes, const struct api_path *security,
                             const Core__V1__PodSpec *spec)
{
    if (spec->has_share_process_namespace && spec->share_process_namespace && spec->host_pid) {
        rules_invalid(causes, security, "shareProcessNamespace", api_shown_bool(true),
                      "ShareProcessNamespace and HostPID cannot both be enabled");
    }
}

static void check_security(struct api_causes *causes, const struct api_path *parent,
                           const Core__V1__PodSpec *spec)
{
    static const char *const changes[] = {"Always", "OnRootMismatch", NULL};
    const Core__V1__PodSecurityContext *context = spec->security_context;
    struct api_path at = api_path_field(parent, "securityContext");
    struct api_path groups = api_path_field(&at, "supplementalGroups");
    check_namespaces(causes, &at, spec);
    if (context == NULL) {
        return;
    }
    if (context->has_fs_group) {
        rules_check_number(causes, &at, "fsGroup", context->fs_group, api_syntax_user_id);
    }
    if (context->has_run_as_user) {
        rules_check_number(causes, &at, "runAsUser", context->run_as_user, api_syntax_user_id);
    }
    if (context->has_run_as_group) {
        rules_check_number(causes, &at, "runAsGroup", context->run_as_group, api_syntax_user_id);
    }
    for (size_t i = 0; i < context->n_supplemental_groups; i++) {
        struct api_path item = api_path_index(&groups, i);
        rules_invalid_each(causes, &item, api_shown_int(context->supplemental_groups[i]),
                           api_syntax_user_id(context->supplemental_groups[i]));
    }
    check_sysctls(causes, &at, context);
    if (context->fs_group_change_policy != NULL &&
        !rules_one_of(context->fs_group_change_policy, changes)) {
        rules_not_supported(causes, &at, "fsGroupChangePolicy", context->fs_group_change_policy,
                            changes);
    }
    rules_check_seccomp(causes, &at, context->seccomp_profile);
}

/* --- Names -------------------------------------------------------------------------------------
 */

static void check_host_aliases(struct api_causes *causes, const struct api_path *at,
                               const Core__V1__PodSpec *spec)
{
    struct api_path list = api_path_field(at, "hostAliases");
    for (size_t i = 0; i < spec->n_host_aliases; i++) {
        const Core__V1__HostAlias *alias = spec->host_aliases[i];
        struct api_path item = api_path_index(&list, i);
        struct api_path names = api_path_field(&item, "hostnames");
        rules_check_text(causes, &item, "ip", alias->ip, api_syntax_ip);
        for (size_t j = 0; j < alias->n_hostnames; j++) {
            struct api_path name = api_path_index(&names, j);
            rules_invalid_each(causes, &name, api_shown_text(alias->hostnames[j]),
                               api_syntax_dns1123_subdomain(rules_text(alias->hostnames[j])));
        }
    }
}

static void check_names(struct api_causes *causes, const struct api_path *at,
                        const Core__V1__PodSpec *spec)
{
    if (!rules_empty(spec->service_account_name)) {
        rules_check_text(causes, at, "serviceAccountName", spec->service_account_name,
                         api_syntax_dns1123_subdomain);
    }
    if (!rules_empty(spec->node_name)) {
        rules_check_text(causes, at, "nodeName", spec->node_name, api_syntax_dns1123_subdomain);
    }
    if (!rules_empty(spec->hostname)) {
        rules_check_text(causes, at, "hostname", spec->hostname, api_syntax_dns1123_label);
    }
    if (!rules_empty(spec->subdomain)) {
        rules_check_text(causes, at, "subdomain", spec->subdomain, api_syntax_dns1123_label);
    }
    if (!rules_empty(spec->priority_class_name)) {
        rules_check_text(causes, at, "priorityClassName", spec->priority_class_name,
                         api_syntax_dns1123_subdomain);
    }
    if (!rules_empty(spec->runtime_class_name)) {
        rules_check_text(causes, at, "runtimeClassName", spec->runtime_class_name,
                         api_syntax_dns1123_subdomain);
    }
    if (!rules_empty(spec->scheduler_name)) {
        rules_check_text(causes, at, "schedulerName", spec->scheduler_name,
                         api_syntax_qualified_name);
    }
}

static void check_gates(struct api_causes *causes, const struct api_path *at,
                        const Core__V1__PodSpec *spec)
{
    struct api_path gates = api_path_field(at, "schedulingGates");
    struct api_path ready = api_path_field(at, "readinessGates");
    for (size_t i = 0; i < spec->n_scheduling_gates; i++) {
        struct api_path item = api_path_index(&gates, i);
        const char *name = rules_text(spec->scheduling_gates[i]->name);
        rules_invalid_each(causes, &item, api_shown_text(name), api_syntax_qualified_name(name));
        for (size_t j = 0; j < i; j++) {
            if (rules_is(spec->scheduling_gates[j]->name, name)) {
                api_cause_duplicate(causes, &item, api_shown_text(name));
                break;
            }
        }
    }
    for (size_t i = 0; i < spec->n_readiness_gates; i++) {
        struct api_path item = api_path_index(&ready, i);
        rules_check_text(causes, &item, "conditionType", spec->readiness_gates[i]->condition_type,
                         api_syntax_qualified_name);
    }
}

/* --- The spec ----------------------------------------------------------------------------------
 */

static void check_times(struct api_causes *causes, const struct api_path *at,
                        const Core__V1__PodSpec *spec)
{
    if (spec->has_active_deadline_seconds &&
        (spec->active_deadline_seconds < 1 || spec->active_deadline_seconds > INT32_MAX)) {
        rules_invalid(causes, at, "activeDeadlineSeconds",
                      api_shown_int(spec->active_deadline_seconds),
                      "must be between 1 and 2147483647, inclusive");
    }
    if (spec->has_termination_grace_period_seconds) {
        rules_check_number(causes, at, "terminationGracePeriodSeconds",
                           spec->termination_grace_period_seconds, api_syntax_non_negative);
    }
}

void rules_check_pod_spec(struct api_causes *causes, const struct api_path *at,
                          const Core__V1__PodSpec *spec)
{
    static const char *const policies[] = {"Always", "OnFailure", "Never", NULL};
    static const char *const preemption[] = {"PreemptLowerPriority", "Never", NULL};
    static const char *const systems[] = {"linux", "windows", NULL};
    struct api_path restart = api_path_field(at, "restartPolicy");
    struct api_path selector = api_path_field(at, "nodeSelector");
    struct api_path os = api_path_field(at, "os");
    struct api_path os_name = api_path_field(&os, "name");
    check_times(causes, at, spec);
    rules_check_volumes(causes, at, spec);
    rules_check_containers(causes, at, spec);
    rules_enum(causes, &restart, spec->restart_policy, policies);
    check_dns(causes, at, spec);
    rules_labels(causes, &selector, API_STRING_MAP(spec->node_selector, spec->n_node_selector));
    check_security(causes, at, spec);
    rules_check_affinity(causes, at, spec->affinity);
    check_names(causes, at, spec);
    rules_check_tolerations(causes, at, spec->tolerations, spec->n_tolerations);
    check_host_aliases(causes, at, spec);
    check_gates(causes, at, spec);
    rules_check_spread(causes, at, spec);
    if (spec->preemption_policy != NULL && !rules_one_of(spec->preemption_policy, preemption)) {
        rules_not_supported(causes, at, "preemptionPolicy", spec->preemption_policy, preemption);
    }
    if (spec->os != NULL) {
        rules_enum(causes, &os_name, spec->os->name, systems);
    }
}

void rules_check_pod_template(struct api_causes *causes, const struct api_path *at,
                              const Core__V1__PodTemplateSpec *pod_template)
{
    const Meta__V1__ObjectMeta *meta = pod_template->metadata;
    struct api_path metadata = api_path_field(at, "metadata");
    struct api_path labels = api_path_field(&metadata, "labels");
    struct api_path annotations = api_path_field(&metadata, "annotations");
    struct api_path spec = api_path_field(at, "spec");
    rules_labels(causes, &labels, API_STRING_MAP(meta->labels, meta->n_labels));
    rules_annotations(causes, &annotations, API_STRING_MAP(meta->annotations, meta->n_annotations));
    rules_check_pod_spec(causes, &spec, pod_template->spec);
    if (pod_template->spec->n_ephemeral_containers > 0) {
        rules_forbidden(causes, &spec, "ephemeralContainers",
                        "ephemeral containers not allowed in pod template");
    }
}

void rules_check_pod(struct api_causes *causes, const void *message)
{
    const Core__V1__Pod *pod = message;
    struct api_path at = api_path_field(NULL, "spec");
    rules_check_pod_spec(causes, &at, pod->spec);
    if (pod->spec->n_ephemeral_containers > 0) {
        rules_forbidden(causes, &at, "ephemeralContainers", "cannot be set on create");
    }
    if (pod->spec->n_scheduling_gates > 0 && !rules_empty(pod->spec->node_name)) {
        rules_forbidden(causes, &at, "nodeName",
                        "cannot be set until all schedulingGates have been cleared");
    }
}
