/* Sandbox configuration, hosts file and resolver settings. */
#include "agent/container_config.h"

#include "agent/container_config_internal.h"
#include "lib/base/buffer.h"
#include <string.h>

/* The kernel's limit for a host name. */
#define HOST_NAME_LENGTH_MAX 63

static bool given(const char *text)
{
    return text != NULL && text[0] != '\0';
}

char *pod_hosts_text(struct arena *arena, const struct pod_inputs *inputs)
{
    const Core__V1__PodSpec *spec = inputs->pod->spec;
    struct buffer out;
    buffer_init(&out, 1 << 20);
    buffer_append_text(&out, "# Kubernetes-managed hosts file.\n"
                             "127.0.0.1\tlocalhost\n"
                             "::1\tlocalhost ip6-localhost ip6-loopback\n"
                             "fe00::0\tip6-localnet\n"
                             "fe00::0\tip6-mcastprefix\n"
                             "fe00::1\tip6-allnodes\n"
                             "fe00::2\tip6-allrouters\n");
    const char *name = given(spec->hostname) ? spec->hostname : inputs->pod->metadata->name;
    if (given(inputs->pod_ip)) {
        buffer_printf(&out, "%s\t", inputs->pod_ip);
        if (given(spec->subdomain)) {
            buffer_printf(&out, "%s.%s.%s.svc.%s\t", name, spec->subdomain,
                          inputs->pod->metadata->namespace_, inputs->cluster_domain);
        }
        buffer_printf(&out, "%s\n", name);
    }
    if (spec->n_host_aliases > 0) {
        buffer_append_text(&out, "\n# Entries added by HostAliases.\n");
    }
    for (size_t i = 0; i < spec->n_host_aliases; i++) {
        buffer_append_text(&out, spec->host_aliases[i]->ip);
        for (size_t k = 0; k < spec->host_aliases[i]->n_hostnames; k++) {
            buffer_printf(&out, "\t%s", spec->host_aliases[i]->hostnames[k]);
        }
        buffer_append_byte(&out, '\n');
    }
    char *text = arena_text(arena, buffer_text(&out));
    buffer_release(&out);
    return text;
}

/* ---- DNS ---- */

enum { DNS_ENTRIES_MAX = 32 };

static void add_text(struct arena *arena, char **list, size_t *count, const char *text)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(list[i], text) == 0) {
            return;
        }
    }
    if (*count < DNS_ENTRIES_MAX) {
        list[(*count)++] = arena_text(arena, text);
    }
}

static void add_dns_config(struct arena *arena, Cri__V1__DNSConfig *dns,
                           const Core__V1__PodDNSConfig *config)
{
    for (size_t i = 0; i < config->n_nameservers; i++) {
        add_text(arena, dns->servers, &dns->n_servers, config->nameservers[i]);
    }
    for (size_t i = 0; i < config->n_searches; i++) {
        add_text(arena, dns->searches, &dns->n_searches, config->searches[i]);
    }
    for (size_t i = 0; i < config->n_options; i++) {
        const Core__V1__PodDNSConfigOption *option = config->options[i];
        const char *text = given(option->value)
                               ? arena_printf(arena, "%s:%s", option->name, option->value)
                               : option->name;
        size_t name_len = strlen(option->name);
        size_t at = 0;
        while (at < dns->n_options &&
               !(strncmp(dns->options[at], option->name, name_len) == 0 &&
                 (dns->options[at][name_len] == ':' || dns->options[at][name_len] == '\0'))) {
            at++;
        }
        if (at < dns->n_options) {
            dns->options[at] = arena_text(arena, text); /* The pod's own setting wins. */
        } else {
            add_text(arena, dns->options, &dns->n_options, text);
        }
    }
}

static Cri__V1__DNSConfig *dns_config(struct arena *arena, const struct pod_inputs *inputs)
{
    const Core__V1__PodSpec *spec = inputs->pod->spec;
    const char *policy = given(spec->dns_policy) ? spec->dns_policy : "ClusterFirst";
    Cri__V1__DNSConfig *dns = arena_alloc(arena, sizeof(*dns));
    cri__v1__dnsconfig__init(dns);
    dns->servers = arena_array(arena, DNS_ENTRIES_MAX, sizeof(char *));
    dns->searches = arena_array(arena, DNS_ENTRIES_MAX, sizeof(char *));
    dns->options = arena_array(arena, DNS_ENTRIES_MAX, sizeof(char *));
    bool cluster = strcmp(policy, "ClusterFirstWithHostNet") == 0 ||
                   (strcmp(policy, "ClusterFirst") == 0 && !spec->host_network);
    if (cluster && given(inputs->cluster_dns)) {
        const char *domain = inputs->cluster_domain;
        add_text(arena, dns->servers, &dns->n_servers, inputs->cluster_dns);
        add_text(arena, dns->searches, &dns->n_searches,
                 arena_printf(arena, "%s.svc.%s", inputs->pod->metadata->namespace_, domain));
        add_text(arena, dns->searches, &dns->n_searches, arena_printf(arena, "svc.%s", domain));
        add_text(arena, dns->searches, &dns->n_searches, domain);
        add_text(arena, dns->options, &dns->n_options, "ndots:5");
    } else if (strcmp(policy, "None") != 0) {
        for (size_t i = 0; i < inputs->host_nameserver_count; i++) {
            add_text(arena, dns->servers, &dns->n_servers, inputs->host_nameservers[i]);
        }
    }
    if (strcmp(policy, "None") != 0) {
        for (size_t i = 0; i < inputs->host_search_count; i++) {
            add_text(arena, dns->searches, &dns->n_searches, inputs->host_searches[i]);
        }
    }
    if (spec->dns_config != NULL) {
        add_dns_config(arena, dns, spec->dns_config);
    }
    return dns;
}

Cri__V1__NamespaceOption *cri_namespaces(struct arena *arena, const Core__V1__PodSpec *spec)
{
    Cri__V1__NamespaceOption *option = arena_alloc(arena, sizeof(*option));
    cri__v1__namespace_option__init(option);
    option->network =
        spec->host_network ? CRI__V1__NAMESPACE_MODE__NODE : CRI__V1__NAMESPACE_MODE__POD;
    option->ipc = spec->host_ipc ? CRI__V1__NAMESPACE_MODE__NODE : CRI__V1__NAMESPACE_MODE__POD;
    option->pid = CRI__V1__NAMESPACE_MODE__CONTAINER;
    if (spec->host_pid) {
        option->pid = CRI__V1__NAMESPACE_MODE__NODE;
    } else if (spec->has_share_process_namespace && spec->share_process_namespace) {
        option->pid = CRI__V1__NAMESPACE_MODE__POD;
    }
    return option;
}

Cri__V1__Int64Value *cri_int64(struct arena *arena, int64_t number)
{
    Cri__V1__Int64Value *value = arena_alloc(arena, sizeof(*value));
    cri__v1__int64_value__init(value);
    value->value = number;
    return value;
}

Cri__V1__SecurityProfile *cri_seccomp(struct arena *arena, const Core__V1__SeccompProfile *own,
                                      const Core__V1__SeccompProfile *of_pod)
{
    const Core__V1__SeccompProfile *profile = own != NULL ? own : of_pod;
    Cri__V1__SecurityProfile *result = arena_alloc(arena, sizeof(*result));
    cri__v1__security_profile__init(result);
    result->profile_type = CRI__V1__SECURITY_PROFILE__PROFILE_TYPE__Unconfined;
    if (profile != NULL && profile->type != NULL && strcmp(profile->type, "RuntimeDefault") == 0) {
        result->profile_type = CRI__V1__SECURITY_PROFILE__PROFILE_TYPE__RuntimeDefault;
    } else if (profile != NULL && profile->type != NULL &&
               strcmp(profile->type, "Localhost") == 0) {
        /* CVE-2023-2431: one that names no file is no wish for none; the runtime refuses "". */
        const char *file = profile->localhost_profile;
        result->profile_type = CRI__V1__SECURITY_PROFILE__PROFILE_TYPE__Localhost;
        result->localhost_ref = arena_text(arena, file == NULL ? "" : file);
    }
    return result;
}

static void add_port_mappings(struct arena *arena, const struct pod_inputs *inputs,
                              Cri__V1__PodSandboxConfig *config)
{
    const Core__V1__PodSpec *spec = inputs->pod->spec;
    size_t count = 0;
    for (size_t i = 0; i < spec->n_containers; i++) {
        count += spec->containers[i]->n_ports;
    }
    config->port_mappings = arena_array(arena, count + 1, sizeof(*config->port_mappings));
    for (size_t i = 0; i < spec->n_containers && !spec->host_network; i++) {
        for (size_t k = 0; k < spec->containers[i]->n_ports; k++) {
            const Core__V1__ContainerPort *port = spec->containers[i]->ports[k];
            Cri__V1__PortMapping *mapping = arena_alloc(arena, sizeof(*mapping));
            cri__v1__port_mapping__init(mapping);
            mapping->container_port = port->container_port;
            mapping->host_port = port->host_port;
            mapping->protocol = CRI__V1__PROTOCOL__TCP;
            if (port->protocol != NULL && strcmp(port->protocol, "UDP") == 0) {
                mapping->protocol = CRI__V1__PROTOCOL__UDP;
            } else if (port->protocol != NULL && strcmp(port->protocol, "SCTP") == 0) {
                mapping->protocol = CRI__V1__PROTOCOL__SCTP;
            }
            if (given(port->host_ip)) {
                mapping->host_ip = arena_text(arena, port->host_ip);
            }
            config->port_mappings[config->n_port_mappings++] = mapping;
        }
    }
}

Cri__V1__LinuxPodSandboxConfig *cri_linux_sandbox(struct arena *arena,
                                                  const struct pod_inputs *inputs)
{
    const Core__V1__PodSpec *spec = inputs->pod->spec;
    const Core__V1__PodSecurityContext *security = spec->security_context;
    Cri__V1__LinuxPodSandboxConfig *config = arena_alloc(arena, sizeof(*config));
    cri__v1__linux_pod_sandbox_config__init(config);
    config->cgroup_parent = pod_cgroup_parent(arena, inputs);
    Cri__V1__LinuxSandboxSecurityContext *context = arena_alloc(arena, sizeof(*context));
    cri__v1__linux_sandbox_security_context__init(context);
    config->security_context = context;
    context->namespace_options = cri_namespaces(arena, spec);
    context->seccomp =
        cri_seccomp(arena, NULL, security == NULL ? NULL : security->seccomp_profile);
    for (size_t i = 0; i < spec->n_containers; i++) {
        const Core__V1__SecurityContext *own = spec->containers[i]->security_context;
        context->privileged |= own != NULL && own->privileged;
    }
    if (security == NULL) {
        return config;
    }
    if (security->has_run_as_user) {
        context->run_as_user = cri_int64(arena, security->run_as_user);
        if (security->has_run_as_group) {
            context->run_as_group = cri_int64(arena, security->run_as_group);
        }
    }
    context->supplemental_groups =
        arena_array(arena, security->n_supplemental_groups + 1, sizeof(int64_t));
    for (size_t i = 0; i < security->n_supplemental_groups; i++) {
        context->supplemental_groups[context->n_supplemental_groups++] =
            security->supplemental_groups[i];
    }
    if (security->has_fs_group) {
        context->supplemental_groups[context->n_supplemental_groups++] = security->fs_group;
    }
    config->sysctls = arena_array(arena, security->n_sysctls + 1, sizeof(*config->sysctls));
    for (size_t i = 0; i < security->n_sysctls; i++) {
        config->sysctls[config->n_sysctls++] =
            cri_entry(arena, security->sysctls[i]->name, security->sysctls[i]->value);
    }
    return config;
}

Cri__V1__PodSandboxConfig *sandbox_config_build(struct arena *arena,
                                                const struct pod_inputs *inputs, uint32_t attempt)
{
    const Meta__V1__ObjectMeta *meta = inputs->pod->metadata;
    const Core__V1__PodSpec *spec = inputs->pod->spec;
    Cri__V1__PodSandboxConfig *config = arena_alloc(arena, sizeof(*config));
    cri__v1__pod_sandbox_config__init(config);
    config->metadata = arena_alloc(arena, sizeof(*config->metadata));
    cri__v1__pod_sandbox_metadata__init(config->metadata);
    config->metadata->name = arena_text(arena, meta->name);
    config->metadata->namespace_ = arena_text(arena, meta->namespace_);
    config->metadata->uid = arena_text(arena, meta->uid);
    config->metadata->attempt = attempt;
    const char *name = given(spec->hostname) ? spec->hostname : meta->name;
    size_t name_len = strlen(name);
    config->hostname =
        spec->host_network
            ? arena_text(arena, "")
            : arena_text_n(arena, name,
                           name_len > HOST_NAME_LENGTH_MAX ? HOST_NAME_LENGTH_MAX : name_len);
    config->log_directory = pod_log_dir(arena, inputs);
    config->dns_config = dns_config(arena, inputs);
    add_port_mappings(arena, inputs, config);
    config->labels = arena_array(arena, meta->n_labels + 3, sizeof(*config->labels));
    for (size_t i = 0; i < meta->n_labels; i++) {
        config->labels[config->n_labels++] =
            cri_entry(arena, meta->labels[i]->key,
                      meta->labels[i]->value == NULL ? "" : meta->labels[i]->value);
    }
    config->labels[config->n_labels++] = cri_entry(arena, "io.kubernetes.pod.name", meta->name);
    config->labels[config->n_labels++] =
        cri_entry(arena, "io.kubernetes.pod.namespace", meta->namespace_);
    config->labels[config->n_labels++] = cri_entry(arena, "io.kubernetes.pod.uid", meta->uid);
    config->linux_options = cri_linux_sandbox(arena, inputs);
    return config;
}
