#include "apiserver/audit_policy.h"

#include "apiserver/config_reader.h"
#include "apiserver/limits.h"
#include "lib/api/syntax.h"
#include <errno.h>
#include <string.h>

struct audit_resources {
    const char *group;
    struct text_list resources; /* "pods", "pods/log", "pods" and "/ *", ...; none: all. */
    struct text_list names;
};

struct audit_rule {
    struct audit_decision decision;
    struct text_list users, groups, verbs, namespaces, paths;
    struct audit_resources *resources;
    size_t resource_count;
};

struct audit_policy {
    struct arena *arena; /* Holds all of it. */
    struct audit_decision otherwise;
    struct audit_rule *rules;
    size_t rule_count;
};

static const char *const level_names[] = {[AUDIT_NONE] = "None",
                                          [AUDIT_METADATA] = "Metadata",
                                          [AUDIT_REQUEST] = "Request",
                                          [AUDIT_REQUEST_RESPONSE] = "RequestResponse"};
static const char *const stage_names[] = {[AUDIT_REQUEST_RECEIVED] = "RequestReceived",
                                          [AUDIT_RESPONSE_STARTED] = "ResponseStarted",
                                          [AUDIT_RESPONSE_COMPLETE] = "ResponseComplete",
                                          [AUDIT_PANIC] = "Panic"};

const char *audit_level_name(enum audit_level level)
{
    return level_names[level];
}

const char *audit_stage_name(enum audit_stage stage)
{
    return stage_names[stage];
}

/* --- Reading --- */

static enum audit_level read_level(struct config_reader *reader, const struct json_value *value,
                                   const char *where)
{
    const char *text = config_text(reader, value, where, "level");
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcmp(text, level_names[i]) == 0) {
            return (enum audit_level)i;
        }
    }
    config_fail(reader, "%s.level: must be None, Metadata, Request or RequestResponse", where);
    return AUDIT_NONE;
}

static unsigned read_omitted(struct config_reader *reader, const struct json_value *value,
                             const char *where)
{
    struct text_list stages = config_texts(reader, value, where, "omitStages");
    unsigned omitted = 0;
    for (size_t i = 0; i < stages.count; i++) {
        size_t stage = 0;
        while (stage < ARRAY_LEN(stage_names) && strcmp(stages.items[i], stage_names[stage]) != 0) {
            stage++;
        }
        if (stage == ARRAY_LEN(stage_names)) {
            config_fail(reader,
                        "%s: must be RequestReceived, ResponseStarted, ResponseComplete or Panic",
                        config_item_path(reader, where, "omitStages", i));
            return omitted;
        }
        omitted |= 1U << stage;
    }
    return omitted;
}

static void check_paths(struct config_reader *reader, const struct text_list *paths,
                        const char *where)
{
    for (size_t i = 0; i < paths->count; i++) {
        const char *path = paths->items[i];
        const char *star = strchr(path, '*');
        if (strcmp(path, "*") != 0 && path[0] != '/') {
            config_fail(reader, "%s: must begin with / or be *",
                        config_item_path(reader, where, "nonResourceURLs", i));
        } else if (star != NULL && star[1] != 0) {
            config_fail(reader, "%s: * must be its last character",
                        config_item_path(reader, where, "nonResourceURLs", i));
        }
    }
}

static void read_resources(struct config_reader *reader, const struct json_value *value,
                           const char *where, struct audit_resources *ret)
{
    static const char *const names[] = {"group", "resources", "resourceNames", NULL};
    config_check_names(reader, value, where, names);
    *ret = (struct audit_resources){.group = config_text(reader, value, where, "group"),
                                    .resources = config_texts(reader, value, where, "resources"),
                                    .names = config_texts(reader, value, where, "resourceNames")};
    if (ret->group[0] != 0 && api_syntax_dns1123_subdomain(ret->group).count > 0) {
        config_fail(reader, "%s.group: must be the name of an API group, without its version",
                    where);
    }
    if (ret->names.count > 0 && ret->resources.count == 0) {
        config_fail(reader, "%s.resourceNames: need resources that they are of", where);
    }
}

static void read_rule(struct config_reader *reader, const struct json_value *value,
                      const char *where, const struct audit_decision *otherwise,
                      struct audit_rule *rule)
{
    static const char *const names[] = {
        "level",           "users",      "userGroups",        "verbs", "resources", "namespaces",
        "nonResourceURLs", "omitStages", "omitManagedFields", NULL};
    config_check_names(reader, value, where, names);
    *rule = (struct audit_rule){
        .decision = {.level = read_level(reader, value, where),
                     .omitted = otherwise->omitted | read_omitted(reader, value, where),
                     .omit_managed_fields = config_bool(reader, value, where, "omitManagedFields",
                                                        otherwise->omit_managed_fields)},
        .users = config_texts(reader, value, where, "users"),
        .groups = config_texts(reader, value, where, "userGroups"),
        .verbs = config_texts(reader, value, where, "verbs"),
        .namespaces = config_texts(reader, value, where, "namespaces"),
        .paths = config_texts(reader, value, where, "nonResourceURLs"),
    };
    check_paths(reader, &rule->paths, where);
    struct config_list resources = config_maps(reader, value, where, "resources");
    rule->resources = arena_array(reader->arena, resources.count, sizeof(*rule->resources));
    rule->resource_count = resources.count;
    for (size_t i = 0; i < resources.count; i++) {
        read_resources(reader, resources.items[i], config_item_path(reader, where, "resources", i),
                       &rule->resources[i]);
    }
    if (rule->paths.count > 0 && (rule->resource_count > 0 || rule->namespaces.count > 0)) {
        config_fail(reader, "%s.nonResourceURLs: a rule is of resources or of paths, not of both",
                    where);
    }
}

static void read_policy(struct config_reader *reader, struct slice text,
                        struct audit_policy *policy)
{
    static const char *const versions[] = {"audit.k8s.io/v1", NULL};
    static const char *const names[] = {"kind",       "apiVersion",        "metadata", "rules",
                                        "omitStages", "omitManagedFields", NULL};
    const struct json_value *document =
        config_open(reader, text, AUDIT_POLICY_MAX, "Policy", versions);
    if (document == NULL) {
        return;
    }
    config_check_names(reader, document, "", names);
    policy->otherwise = (struct audit_decision){
        .level = AUDIT_NONE,
        .omitted = read_omitted(reader, document, ""),
        .omit_managed_fields = config_bool(reader, document, "", "omitManagedFields", false)};
    struct config_list rules = config_maps(reader, document, "", "rules");
    if (rules.count == 0) {
        config_fail(reader, "rules: a policy needs at least one");
    }
    policy->rules = arena_array(policy->arena, rules.count, sizeof(*policy->rules));
    for (size_t i = 0; i < rules.count && reader->status == 0; i++) {
        read_rule(reader, rules.items[i], config_item_path(reader, "", "rules", i),
                  &policy->otherwise, &policy->rules[policy->rule_count++]);
    }
}

int audit_policy_parse(struct slice text, struct audit_policy **ret_policy, struct error *reterr)
{
    struct arena *arena = arena_new(SIZE_MAX);
    struct audit_policy *policy = arena_zeroed(arena, sizeof(*policy));
    policy->arena = arena;
    struct config_reader reader = {.arena = arena, .reterr = reterr};
    read_policy(&reader, text, policy);
    if (reader.status < 0) {
        audit_policy_free(policy);
        return reader.status;
    }
    *ret_policy = policy;
    return 0;
}

void audit_policy_free(struct audit_policy *policy)
{
    if (policy != NULL) {
        arena_free(policy->arena);
    }
}

/* --- Deciding --- */

static bool is_in(const struct text_list *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static bool fits_groups(const struct text_list *groups, const struct user *user)
{
    for (size_t i = 0; i < user->group_count; i++) {
        if (is_in(groups, user->groups[i])) {
            return true;
        }
    }
    return false;
}

/* "pods", "pods/log", "*", "*" with "/log", "pods/" with "*". A plain name is not of subresources.
 */
static bool fits_resource(const char *wanted, const struct access *access)
{
    if (strcmp(wanted, "*") == 0) {
        return true;
    }
    const char *slash = strchr(wanted, '/');
    if (slash == NULL) {
        return access->subresource[0] == 0 && strcmp(wanted, access->resource) == 0;
    }
    size_t len = (size_t)(slash - wanted);
    bool resource = strlen(access->resource) == len && memcmp(wanted, access->resource, len) == 0;
    if (strcmp(slash + 1, "*") == 0) {
        return resource; /* And the resource itself, as in Kubernetes. */
    }
    bool any = len == 1 && wanted[0] == '*';
    return access->subresource[0] != 0 && (any || resource) &&
           strcmp(slash + 1, access->subresource) == 0;
}

static bool fits_resources(const struct audit_resources *resources, const struct access *access)
{
    if (strcmp(resources->group, access->group) != 0) {
        return false;
    }
    if (resources->resources.count == 0) {
        return true;
    }
    if (resources->names.count > 0 && !is_in(&resources->names, access->name)) {
        return false;
    }
    for (size_t i = 0; i < resources->resources.count; i++) {
        if (fits_resource(resources->resources.items[i], access)) {
            return true;
        }
    }
    return false;
}

static bool fits_object(const struct audit_rule *rule, const struct access *access)
{
    if (!access->is_resource ||
        (rule->namespaces.count > 0 && !is_in(&rule->namespaces, access->namespace))) {
        return false;
    }
    for (size_t i = 0; i < rule->resource_count; i++) {
        if (fits_resources(&rule->resources[i], access)) {
            return true;
        }
    }
    return rule->resource_count == 0;
}

static bool fits_path(const struct text_list *paths, const struct access *access)
{
    for (size_t i = 0; i < paths->count && !access->is_resource; i++) {
        const char *path = paths->items[i];
        size_t len = strlen(path);
        bool star = len > 0 && path[len - 1] == '*';
        if (strcmp(path, access->path) == 0 ||
            (star && strncmp(path, access->path, len - 1) == 0)) {
            return true;
        }
    }
    return false;
}

static bool fits(const struct audit_rule *rule, const struct user *user,
                 const struct access *access)
{
    if (rule->users.count > 0 && (user == NULL || !is_in(&rule->users, user->name))) {
        return false;
    }
    if (rule->groups.count > 0 && (user == NULL || !fits_groups(&rule->groups, user))) {
        return false;
    }
    if (rule->verbs.count > 0 && !is_in(&rule->verbs, access->verb)) {
        return false;
    }
    if (rule->namespaces.count > 0 || rule->resource_count > 0) {
        return fits_object(rule, access);
    }
    return rule->paths.count == 0 || fits_path(&rule->paths, access);
}

struct audit_decision audit_policy_decide(const struct audit_policy *policy,
                                          const struct user *user, const struct access *access)
{
    for (size_t i = 0; i < policy->rule_count; i++) {
        if (fits(&policy->rules[i], user, access)) {
            return policy->rules[i].decision;
        }
    }
    return policy->otherwise;
}
