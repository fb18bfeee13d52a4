/* The policy that the labels of a namespace ask for, and the rules of a standard. */
#include "lib/api/pod_security.h"

#include "lib/api/pod_security_checks.h"

enum { MINOR_DIGITS_MAX = 9 };

static const char *const level_names[] = {"privileged", "baseline", "restricted"};

const char *pod_security_name(struct arena *arena, struct pod_security_standard standard)
{
    const char *level = level_names[standard.level];
    if (standard.minor == POD_SECURITY_LATEST) {
        return arena_printf(arena, "%s:latest", level);
    }
    return arena_printf(arena, "%s:v1.%u", level, standard.minor);
}

/* --- Labels --- */

static void note_invalid(struct api_causes *causes, const char *label, const char *value,
                         const char *problem)
{
    if (causes == NULL) {
        return;
    }
    struct api_path metadata = api_path_field(NULL, "metadata");
    struct api_path labels = api_path_field(&metadata, "labels");
    struct api_path path = api_path_key(&labels, label);
    api_cause_invalid(causes, &path, api_shown_text(value), problem);
}

/* False when there is no such label or it names no level. */
static bool read_level(const Meta__V1__ObjectMeta *meta, const char *label,
                       enum pod_security_level when_invalid, struct api_causes *causes,
                       enum pod_security_level *ret_level)
{
    const char *value = api_meta_label(meta, label);
    if (value == NULL) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcmp(value, level_names[i]) == 0) {
            *ret_level = (enum pod_security_level)i;
            return true;
        }
    }
    note_invalid(causes, label, value, "must be one of privileged, baseline, restricted");
    *ret_level = when_invalid;
    return false;
}

/* "v1.0", "v1.24"; no leading zeroes. */
static bool parse_minor(const char *text, uint32_t *ret_minor)
{
    if (strncmp(text, "v1.", 3) != 0) {
        return false;
    }
    const char *digits = text + 3;
    size_t len = strspn(digits, "0123456789");
    if (len == 0 || len > MINOR_DIGITS_MAX || digits[len] != 0 || (digits[0] == '0' && len > 1)) {
        return false;
    }
    uint32_t minor = 0;
    for (size_t i = 0; i < len; i++) {
        minor = minor * 10 + (uint32_t)(digits[i] - '0');
    }
    *ret_minor = minor;
    return true;
}

static bool read_version(const Meta__V1__ObjectMeta *meta, const char *label,
                         struct api_causes *causes, uint32_t *ret_minor)
{
    const char *value = api_meta_label(meta, label);
    if (value == NULL) {
        return false;
    }
    *ret_minor = POD_SECURITY_LATEST;
    if (strcmp(value, "latest") != 0 && !parse_minor(value, ret_minor)) {
        note_invalid(causes, label, value, "must be \"latest\" or \"v1.x\"");
    }
    return true;
}

#define LABEL(NAME) "pod-security.kubernetes.io/" NAME

struct pod_security_policy pod_security_policy_read(const Meta__V1__ObjectMeta *meta,
                                                    struct api_causes *causes)
{
    const struct pod_security_standard all = {POD_SECURITY_PRIVILEGED, POD_SECURITY_LATEST};
    struct pod_security_policy policy = {all, all, all};
    if (meta == NULL) {
        return policy;
    }
    bool enforces =
        read_level(meta, LABEL("enforce"), POD_SECURITY_RESTRICTED, causes, &policy.enforce.level);
    (void)read_version(meta, LABEL("enforce-version"), causes, &policy.enforce.minor);
    (void)read_level(meta, LABEL("audit"), POD_SECURITY_PRIVILEGED, causes, &policy.audit.level);
    (void)read_version(meta, LABEL("audit-version"), causes, &policy.audit.minor);
    (void)read_level(meta, LABEL("warn"), POD_SECURITY_PRIVILEGED, causes, &policy.warn.level);
    bool has_version = read_version(meta, LABEL("warn-version"), causes, &policy.warn.minor);

    bool silent = api_meta_label(meta, LABEL("warn")) == NULL;
    if (silent && enforces && policy.enforce.level > policy.warn.level) {
        policy.warn.level = policy.enforce.level;
        policy.warn.minor = has_version ? policy.warn.minor : policy.enforce.minor;
    }
    return policy;
}

/* --- Rules --- */

struct rule {
    const char *reason;
    enum pod_security_level level;
    uint32_t since;          /* The first v1.minor that has it ... */
    uint32_t until;          /* ... and the first that has it no more. */
    uint32_t replaced_since; /* From here on a rule of "restricted" stands in for it there. */
    pod_security_finder *finds;
};

#define BASELINE   POD_SECURITY_BASELINE
#define RESTRICTED POD_SECURITY_RESTRICTED
#define NEVER      UINT32_MAX

/* In the order in which they are reported. */
static const struct rule rules[] = {
    {"forbidden AppArmor profile", BASELINE, 0, NEVER, NEVER, finds_apparmor},
    {"non-default capabilities", BASELINE, 0, NEVER, 22, finds_capabilities},
    {"host namespaces", BASELINE, 0, NEVER, NEVER, finds_host_namespaces},
    {"hostPath volumes", BASELINE, 0, NEVER, 0, finds_host_paths},
    {"hostPort", BASELINE, 0, NEVER, NEVER, finds_host_ports},
    {"privileged", BASELINE, 0, NEVER, NEVER, finds_privileged},
    {"procMount", BASELINE, 0, NEVER, NEVER, finds_proc_mount},
    {"seLinuxOptions", BASELINE, 0, NEVER, NEVER, finds_selinux},
    {"seccompProfile", BASELINE, 0, 19, NEVER, finds_seccomp_annotations},
    {"seccompProfile", BASELINE, 19, NEVER, 19, finds_seccomp},
    {"forbidden sysctls", BASELINE, 0, NEVER, NEVER, finds_sysctls},
    {"hostProcess", BASELINE, 0, NEVER, NEVER, finds_host_process},
    {"allowPrivilegeEscalation != false", RESTRICTED, 8, NEVER, NEVER, finds_escalation},
    {"unrestricted capabilities", RESTRICTED, 22, NEVER, NEVER, finds_kept_capabilities},
    {"restricted volume types", RESTRICTED, 0, NEVER, NEVER, finds_volume_types},
    {"runAsNonRoot != true", RESTRICTED, 0, NEVER, NEVER, finds_root_allowed},
    {"runAsUser=0", RESTRICTED, 23, NEVER, NEVER, finds_root_user},
    {"seccompProfile", RESTRICTED, 19, NEVER, NEVER, finds_no_seccomp},
};

/* Whether the rule holds under the standard. */
static bool applies(const struct rule *rule, struct pod_security_standard standard)
{
    if (rule->level > standard.level || standard.minor < rule->since ||
        standard.minor >= rule->until) {
        return false;
    }
    return standard.level < POD_SECURITY_RESTRICTED || standard.minor < rule->replaced_since;
}

static void add_comma(struct buffer *out)
{
    if (out->len > 0) {
        buffer_append_text(out, ", ");
    }
}

struct pod_security_verdict pod_security_check(struct arena *arena,
                                               struct pod_security_standard standard,
                                               const Meta__V1__ObjectMeta *meta,
                                               const Core__V1__PodSpec *spec)
{
    if (standard.minor > POD_SECURITY_NEWEST) {
        standard.minor = POD_SECURITY_NEWEST;
    }
    struct pod_security_subject subject;
    pod_security_subject_init(&subject, arena, standard.minor, meta, spec);
    struct buffer reasons;
    struct buffer details;
    buffer_init(&reasons, POD_SECURITY_TEXT_MAX);
    buffer_init(&details, POD_SECURITY_TEXT_MAX);
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        const struct rule *rule = &rules[i];
        struct pod_security_finding finding = {0};
        if (!applies(rule, standard) || !rule->finds(&subject, &finding)) {
            continue;
        }
        const char *reason = finding.reason != NULL ? finding.reason : rule->reason;
        add_comma(&reasons);
        buffer_append_text(&reasons, reason);
        add_comma(&details);
        buffer_printf(&details, "%s (%s)", reason, finding.detail);
    }
    struct pod_security_verdict verdict = {
        .reasons = arena_text(arena, buffer_text(&reasons)),
        .details = arena_text(arena, buffer_text(&details)),
    };
    buffer_release(&reasons);
    buffer_release(&details);
    return verdict;
}
