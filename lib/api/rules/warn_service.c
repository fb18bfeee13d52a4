/* What the writer of a Service is told although it is valid. */
#include "lib/api/object.h"
#include "lib/api/rules/warnings.h"
#include <inttypes.h>

enum { GROUPS = 8, ADDRESS_BYTES = 16 };

/* The longest run of groups that are zero, of two at least; false when there is none. */
static bool longest_zeros(const uint16_t groups[GROUPS], size_t *ret_first, size_t *ret_end)
{
    *ret_first = *ret_end = 0;
    for (size_t i = 0; i < GROUPS; i++) {
        size_t end = i;
        while (end < GROUPS && groups[end] == 0) {
            end++;
        }
        if (end - i > 1 && end - i > *ret_end - *ret_first) {
            *ret_first = i;
            *ret_end = end;
        }
    }
    return *ret_end > 0;
}

/* As RFC 5952 has it. */
static const char *canonical(struct arena *arena, const uint8_t ip[ADDRESS_BYTES])
{
    static const uint8_t mapped[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    enum { BYTE_BITS = 8 };
    uint16_t groups[GROUPS];
    size_t first = 0, end = 0;
    const char *text = "";
    if (memcmp(ip, mapped, sizeof(mapped)) == 0) {
        const uint8_t *four = ip + sizeof(mapped);
        return arena_printf(arena, "::ffff:%d.%d.%d.%d", four[0], four[1], four[2], four[3]);
    }
    for (size_t i = 0; i < GROUPS; i++) {
        groups[i] = (uint16_t)((ip[i * 2] << BYTE_BITS) | ip[i * 2 + 1]);
    }
    bool zeros = longest_zeros(groups, &first, &end);
    for (size_t i = 0; i < GROUPS; i++) {
        if (zeros && i == first) {
            text = arena_printf(arena, "%s::", text);
            i = end - 1;
        } else {
            text = arena_printf(arena, "%s%s%" PRIx16, text,
                                i == 0 || (zeros && i == end) ? "" : ":", groups[i]);
        }
    }
    return text;
}

static void warn_form(struct api_causes *warnings, const struct api_path *at, const char *what,
                      const char *given, const char *wanted)
{
    if (strcmp(given, wanted) != 0) {
        api_cause_add(warnings, "",
                      arena_printf(warnings->arena,
                                   "IPv6 %s \"%s\" is not in RFC 5952 canonical format (\"%s\"), "
                                   "which may cause controller apply-loops",
                                   what, given, wanted),
                      api_path_text(warnings->arena, at));
    }
}

static void warn_problem(struct api_causes *warnings, const struct api_path *at, const char *what,
                         const char *problem)
{
    api_cause_add(warnings, "",
                  arena_printf(warnings->arena,
                               "IP %s was accepted, but will be invalid in a future Kubernetes "
                               "release: %s",
                               what, problem),
                  api_path_text(warnings->arena, at));
}

static void warn_address(struct api_causes *warnings, const struct api_path *at, const char *given)
{
    const char *text = text_or_empty(given);
    const char *problem = rules_address_problem(warnings->arena, text);
    uint8_t ip[ADDRESS_BYTES];
    bool is_v6 = false;
    if (problem != NULL) {
        warn_problem(warnings, at, "address", problem);
        return;
    }
    size_t zone = strcspn(text, "%");
    const char *address = arena_text_n(warnings->arena, text, zone);
    if (api_ip_parse_exact(address, ip, &is_v6) && is_v6) {
        warn_form(
            warnings, at, "address", text,
            arena_printf(warnings->arena, "%s%s", canonical(warnings->arena, ip), text + zone));
    }
}

static void warn_range(struct api_causes *warnings, const struct api_path *at, const char *text)
{
    uint8_t ip[ADDRESS_BYTES];
    bool is_v6 = false;
    unsigned bits = 0;
    size_t len = strcspn(text_or_empty(text), "/");
    if (!api_cidr_parse(text_or_empty(text), ip, &bits, &is_v6)) {
        return;
    }
    const char *address = arena_text_n(warnings->arena, text, len);
    const char *problem = rules_address_problem(warnings->arena, address);
    if (problem != NULL) {
        warn_problem(warnings, at, "prefix",
                     arena_printf(warnings->arena, "netip.ParsePrefix(\"%s\"): %s", text, problem));
    } else if (api_ip_parse_exact(address, ip, &is_v6) && is_v6) { /* With its host's bits. */
        warn_form(
            warnings, at, "prefix", text,
            arena_printf(warnings->arena, "%s%s", canonical(warnings->arena, ip), text + len));
    }
}

static void warn_list(struct api_causes *warnings, const char *name, char *const *items,
                      size_t count,
                      void (*warn)(struct api_causes *, const struct api_path *, const char *))
{
    struct api_path spec = api_path_field(NULL, "spec");
    struct api_path list = api_path_field(&spec, name);
    for (size_t i = 0; i < count; i++) {
        struct api_path at = api_path_index(&list, i);
        warn(warnings, &at, items[i]);
    }
}

void rules_warn_service(struct api_causes *warnings, const Core__V1__Service *service)
{
    const Core__V1__ServiceSpec *spec = service->spec;
    struct api_path spec_at = api_path_field(NULL, "spec");
    struct api_path balancer = api_path_field(&spec_at, "loadBalancerIP");
    bool external = rules_is(spec->type, "ExternalName");
    if (api_meta_annotation(service->metadata, "service.kubernetes.io/topology-aware-hints") !=
        NULL) {
        api_cause_add(warnings, "",
                      "annotation service.kubernetes.io/topology-aware-hints is deprecated, please "
                      "use service.kubernetes.io/topology-mode instead",
                      "");
    }
    if (!rules_empty(spec->cluster_ip) && !rules_is(spec->cluster_ip, "None")) {
        warn_list(warnings, "clusterIPs", spec->cluster_ips, spec->n_cluster_ips, warn_address);
    }
    warn_list(warnings, "externalIPs", spec->external_ips, spec->n_external_ips, warn_address);
    if (!rules_empty(spec->load_balancer_ip)) { /* May be any text. */
        warn_address(warnings, &balancer, spec->load_balancer_ip);
    }
    warn_list(warnings, "loadBalancerSourceRanges", spec->load_balancer_source_ranges,
              spec->n_load_balancer_source_ranges, warn_range);
    if (external && spec->n_external_ips > 0) {
        api_cause_add(warnings, "",
                      "spec.externalIPs is ignored when spec.type is \"ExternalName\"", "");
    }
    if (!external && !rules_empty(spec->external_name)) {
        api_cause_add(warnings, "",
                      "spec.externalName is ignored when spec.type is not \"ExternalName\"", "");
    }
}
