/* The Pod Security Standards: each rule refuses what it names, in v1.32's words, and lets through
 * what is allowed; versions; labels of namespaces. */
#include "lib/api/pod_security.h"

#include "tests/unit/api/semantics/suites.h"
#include <check.h>

#define CONTAINER(REST) "\"containers\":[{\"name\":\"c\"" REST "}]"
#define HARDENED                                                                                   \
    ",\"securityContext\":{\"allowPrivilegeEscalation\":false,\"capabilities\":{\"drop\":["        \
    "\"ALL\"]}}"
#define HARDENED_POD                                                                               \
    "\"securityContext\":{\"runAsNonRoot\":true,\"seccompProfile\":{\"type\":\"RuntimeDefault\"}}"

static const struct pod_security_standard baseline = {POD_SECURITY_BASELINE, POD_SECURITY_LATEST};
static const struct pod_security_standard restricted = {POD_SECURITY_RESTRICTED,
                                                        POD_SECURITY_LATEST};

static void *decode(struct arena *arena, const char *message, const char *json)
{
    void *object = NULL;
    struct error error = {0};
    int r =
        api_decode_json(arena, api_message_find(message), slice_text(json), NULL, &object, &error);
    ck_assert_msg(r == 0, "%s: %s", json, error.message == NULL ? "" : error.message);
    return object;
}

static const char *details(struct arena *arena, struct pod_security_standard standard,
                           const char *meta, const char *spec)
{
    const char *text = arena_printf(arena, "{%s}", spec);
    struct pod_security_verdict verdict = pod_security_check(
        arena, standard,
        meta == NULL ? NULL
                     : decode(arena, "k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta", meta),
        decode(arena, "k8s.io.api.core.v1.PodSpec", text));
    ck_assert_int_eq(pod_security_allowed(&verdict), verdict.details[0] == 0);
    return verdict.details;
}

struct row {
    const char *spec;
    const char *details; /* "" when it is allowed. */
};

static void check_rows(struct pod_security_standard standard, const struct row *rows, size_t count)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    for (size_t i = 0; i < count; i++) {
        ck_assert_str_eq(details(arena, standard, NULL, rows[i].spec), rows[i].details);
    }
}

#define IN_CONTEXT(MEMBERS) ",\"securityContext\":{" MEMBERS "}"

START_TEST(baseline_refuses_what_hands_over_the_node)
{
    static const struct row rows[] = {
        {CONTAINER(""), ""},
        {CONTAINER("") ",\"hostNetwork\":true,\"hostPID\":true,\"hostIPC\":true",
         "host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)"},
        {CONTAINER("") ",\"volumes\":[{\"name\":\"a\",\"hostPath\":{\"path\":\"/\"}},"
                       "{\"name\":\"b\",\"emptyDir\":{}},{\"name\":\"c\",\"hostPath\":{\"path\":\"/"
                       "x\"}}]",
         "hostPath volumes (volumes \"a\", \"c\")"},
        {CONTAINER(",\"ports\":[{\"hostPort\":80},{\"hostPort\":443},{\"containerPort\":1}]"),
         "hostPort (container \"c\" uses hostPorts 443, 80)"},
        {CONTAINER(IN_CONTEXT("\"privileged\":true")) ",\"initContainers\":[{\"name\":"
                                                      "\"i\"" IN_CONTEXT(
                                                          "\"privileged\":true") "}]",
         "privileged (containers \"i\", \"c\" must not set securityContext.privileged=true)"},
        {CONTAINER(IN_CONTEXT("\"procMount\":\"Unmasked\"")),
         "procMount (container \"c\" must not set securityContext.procMount to \"Unmasked\")"},
        {CONTAINER(IN_CONTEXT("\"procMount\":\"Default\"")), ""},
        {CONTAINER(IN_CONTEXT("\"capabilities\":{\"add\":[\"SYS_TIME\",\"CHOWN\",\"NET_RAW\"]}")),
         "non-default capabilities (container \"c\" must not include \"NET_RAW\", \"SYS_TIME\" in "
         "securityContext.capabilities.add)"},
        {CONTAINER(IN_CONTEXT("\"seLinuxOptions\":{\"type\":\"spc_t\",\"user\":\"u\"}")),
         "seLinuxOptions (container \"c\" set forbidden securityContext.seLinuxOptions: type "
         "\"spc_t\"; user may not be set)"},
        {CONTAINER("") ",\"securityContext\":{\"seLinuxOptions\":{\"type\":\"container_engine_t\","
                       "\"level\":\"s0\"}}",
         ""},
        {CONTAINER("") ",\"securityContext\":{\"seccompProfile\":{\"type\":\"Unconfined\"}}",
         "seccompProfile (pod must not set securityContext.seccompProfile.type to "
         "\"Unconfined\")"},
        {CONTAINER(IN_CONTEXT("\"appArmorProfile\":{\"type\":\"Unconfined\"}")),
         "forbidden AppArmor profile (container \"c\" must not set AppArmor profile type to "
         "\"Unconfined\")"},
        {CONTAINER("") ",\"securityContext\":{\"sysctls\":[{\"name\":\"kernel.msgmax\"},"
                       "{\"name\":\"net.ipv4.tcp_rmem\"}]}",
         "forbidden sysctls (kernel.msgmax)"},
        {CONTAINER(IN_CONTEXT("\"windowsOptions\":{\"hostProcess\":true}")) ",\"securityContext\":{"
                                                                            "\"windowsOptions\":{"
                                                                            "\"hostProcess\":true}"
                                                                            "}",
         "hostProcess (pod and container \"c\" must not set "
         "securityContext.windowsOptions.hostProcess=true)"},
        {CONTAINER("") ",\"ephemeralContainers\":[{\"name\":\"e\"" IN_CONTEXT(
             "\"privileged\":true") "}]",
         "privileged (container \"e\" must not set securityContext.privileged=true)"},
        {CONTAINER(IN_CONTEXT("\"privileged\":true")) ",\"hostPID\":true",
         "host namespaces (hostPID=true), privileged (container \"c\" must not set "
         "securityContext.privileged=true)"},
    };
    check_rows(baseline, rows, ARRAY_LEN(rows));
}
END_TEST

START_TEST(restricted_asks_for_hardening)
{
    static const struct row rows[] = {
        {CONTAINER(HARDENED) "," HARDENED_POD, ""},
        {CONTAINER(""),
         "allowPrivilegeEscalation != false (container \"c\" must set "
         "securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "
         "\"c\" must set securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod "
         "or "
         "container \"c\" must set securityContext.runAsNonRoot=true), seccompProfile (pod or "
         "container \"c\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or "
         "\"Localhost\")"},
        {CONTAINER("") ",\"os\":{\"name\":\"windows\"},\"securityContext\":{\"runAsNonRoot\":true}",
         ""},
        {CONTAINER(HARDENED) ",\"securityContext\":{\"runAsNonRoot\":false,\"runAsUser\":0,"
                             "\"seccompProfile\":{\"type\":\"Localhost\"}}",
         "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false), runAsUser=0 "
         "(pod must not set runAsUser=0)"},
        {CONTAINER(HARDENED) "," HARDENED_POD
                             ",\"volumes\":[{\"name\":\"a\",\"nfs\":{\"server\":\"s\"}},{"
                             "\"name\":\"b\",\"hostPath\":{\"path\":\"/\"}},{\"name\":\"d\","
                             "\"downwardAPI\":{}}]",
         "restricted volume types (volumes \"a\", \"b\" use restricted volume types \"hostPath\", "
         "\"nfs\")"},
        {CONTAINER(
             IN_CONTEXT("\"allowPrivilegeEscalation\":false,\"capabilities\":{\"drop\":["
                        "\"ALL\"],\"add\":[\"NET_BIND_SERVICE\",\"KILL\"]}")) "," HARDENED_POD,
         "unrestricted capabilities (container \"c\" must not include \"KILL\" in "
         "securityContext.capabilities.add)"},
    };
    check_rows(restricted, rows, ARRAY_LEN(rows));
}
END_TEST

START_TEST(a_standard_is_what_its_version_says)
{
    static const struct {
        enum pod_security_level level;
        uint32_t minor;
        const char *spec;
        const char *details;
    } rows[] = {
        {POD_SECURITY_BASELINE, 26,
         CONTAINER("") ",\"securityContext\":{\"sysctls\":[{\"name\":\"net.ipv4.ip_local_reserved_"
                       "ports\"}]}",
         "forbidden sysctls (net.ipv4.ip_local_reserved_ports)"},
        {POD_SECURITY_BASELINE, 27,
         CONTAINER("") ",\"securityContext\":{\"sysctls\":[{\"name\":\"net.ipv4.ip_local_reserved_"
                       "ports\"}]}",
         ""},
        {POD_SECURITY_BASELINE, 30,
         CONTAINER(IN_CONTEXT("\"seLinuxOptions\":{\"type\":\"container_engine_t\"}")),
         "seLinuxOptions (container \"c\" set forbidden securityContext.seLinuxOptions: type "
         "\"container_engine_t\")"},
        {POD_SECURITY_RESTRICTED, 7, CONTAINER("") ",\"securityContext\":{\"runAsNonRoot\":true}",
         ""},
        {POD_SECURITY_RESTRICTED, 18,
         CONTAINER(IN_CONTEXT("\"allowPrivilegeEscalation\":false,\"capabilities\":{\"add\":["
                              "\"NET_RAW\"]}")) ",\"securityContext\":{\"runAsNonRoot\":true}",
         "non-default capabilities (container \"c\" must not include \"NET_RAW\" in "
         "securityContext.capabilities.add)"},
        {POD_SECURITY_RESTRICTED, 22,
         CONTAINER(HARDENED) ",\"securityContext\":{\"runAsNonRoot\":true,\"runAsUser\":0,"
                             "\"seccompProfile\":{\"type\":\"RuntimeDefault\"}}",
         ""},
        {POD_SECURITY_RESTRICTED, 99, CONTAINER(HARDENED) "," HARDENED_POD, ""},
        {POD_SECURITY_PRIVILEGED, 32, CONTAINER("") ",\"hostPID\":true", ""},
    };
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct pod_security_standard standard = {rows[i].level, rows[i].minor};
        ck_assert_str_eq(details(arena, standard, NULL, rows[i].spec), rows[i].details);
    }
}
END_TEST

START_TEST(old_versions_read_annotations)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const char *meta = "{\"annotations\":{\"seccomp.security.alpha.kubernetes.io/pod\":"
                       "\"unconfined\",\"container.seccomp.security.alpha.kubernetes.io/c\":"
                       "\"localhost/x\"}}";
    struct pod_security_standard old = {POD_SECURITY_BASELINE, 18};
    ck_assert_str_eq(details(arena, old, meta, CONTAINER("")),
                     "seccompProfile (forbidden annotation "
                     "seccomp.security.alpha.kubernetes.io/pod=\"unconfined\")");
    ck_assert_str_eq(details(arena, baseline, meta, CONTAINER("")), "");
    meta =
        "{\"annotations\":{\"container.apparmor.security.beta.kubernetes.io/c\":\"unconfined\"}}";
    ck_assert_str_eq(details(arena, baseline, meta, CONTAINER("")),
                     "forbidden AppArmor profile (annotation must not set AppArmor profile type to "
                     "\"container.apparmor.security.beta.kubernetes.io/c=\"unconfined\"\")");
}
END_TEST

static struct pod_security_policy read_labels(struct arena *arena, const char *labels,
                                              struct api_causes *causes)
{
    const char *json = arena_printf(arena, "{\"labels\":{%s}}", labels);
    return pod_security_policy_read(
        decode(arena, "k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta", json), causes);
}

#define LABEL(NAME, VALUE) "\"pod-security.kubernetes.io/" NAME "\":\"" VALUE "\""

START_TEST(labels_make_the_policy)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct api_causes causes;
    api_causes_init(&causes, arena);
    struct pod_security_policy policy = read_labels(arena, "", &causes);
    ck_assert_str_eq(pod_security_name(arena, policy.enforce), "privileged:latest");
    policy = read_labels(arena, LABEL("enforce", "baseline") "," LABEL("enforce-version", "v1.24"),
                         &causes);
    ck_assert_str_eq(pod_security_name(arena, policy.enforce), "baseline:v1.24");
    ck_assert_str_eq(pod_security_name(arena, policy.warn), "baseline:v1.24");
    ck_assert_str_eq(pod_security_name(arena, policy.audit), "privileged:latest");
    policy =
        read_labels(arena, LABEL("enforce", "restricted") "," LABEL("warn", "baseline"), &causes);
    ck_assert_str_eq(pod_security_name(arena, policy.warn), "baseline:latest");
    ck_assert_uint_eq(causes.count, 0);
}
END_TEST

START_TEST(what_cannot_be_read_fails_closed_and_is_named)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    static const char *const versions[] = {"v0.x", "v1.", "v1.01", "1.24", "v1.2a", "v2.0", ""};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct api_causes causes;
        api_causes_init(&causes, arena);
        (void)read_labels(arena, arena_printf(arena, LABEL("warn-version", "%s"), versions[i]),
                          &causes);
        ck_assert_uint_eq(causes.count, 1);
        ck_assert_str_eq(causes.items[0].field,
                         "metadata.labels[pod-security.kubernetes.io/warn-version]");
    }
    struct api_causes causes;
    api_causes_init(&causes, arena);
    struct pod_security_policy policy = read_labels(
        arena, LABEL("enforce", "strict") "," LABEL("warn", "x") "," LABEL("audit", "y"), &causes);
    ck_assert_uint_eq(causes.count, 3);
    ck_assert_int_eq(policy.enforce.level, POD_SECURITY_RESTRICTED);
    ck_assert_int_eq(policy.warn.level, POD_SECURITY_PRIVILEGED);
    ck_assert_int_eq(policy.audit.level, POD_SECURITY_PRIVILEGED);
}
END_TEST

Suite *pod_security_suite(void)
{
    Suite *suite = suite_create("pod_security");
    TCase *rules = tcase_create("rules");
    tcase_add_test(rules, baseline_refuses_what_hands_over_the_node);
    tcase_add_test(rules, restricted_asks_for_hardening);
    tcase_add_test(rules, a_standard_is_what_its_version_says);
    tcase_add_test(rules, old_versions_read_annotations);
    suite_add_tcase(suite, rules);
    TCase *labels = tcase_create("labels");
    tcase_add_test(labels, labels_make_the_policy);
    tcase_add_test(labels, what_cannot_be_read_fails_closed_and_is_named);
    suite_add_tcase(suite, labels);
    return suite;
}
