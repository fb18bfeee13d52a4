#include "apiserver/abac.h"

#include "apiserver/config_reader.h"
#include "apiserver/limits.h"
#include "k8s/tables.h"
#include "lib/api/codec.h"
#include <errno.h>
#include <string.h>

#define AUTHENTICATED "system:authenticated"

/* --- Reading -----------------------------------------------------------------------------------
 */

static void read_spec(struct config_reader *reader, const struct json_value *spec,
                      struct abac_policy *policy)
{
    static const char *const names[] = {"user",     "group",     "readonly",        "apiGroup",
                                        "resource", "namespace", "nonResourcePath", NULL};
    static const char where[] = "spec";
    config_check_names(reader, spec, where, names);
    *policy = (struct abac_policy){
        .user = config_text(reader, spec, where, "user"),
        .group = config_text(reader, spec, where, "group"),
        .readonly = config_bool(reader, spec, where, "readonly", /* fallback= */ false),
        .api_group = config_text(reader, spec, where, "apiGroup"),
        .resource = config_text(reader, spec, where, "resource"),
        .namespace = config_text(reader, spec, where, "namespace"),
        .path = config_text(reader, spec, where, "nonResourcePath")};
    /* Any user is any that has said who he is. */
    if (strcmp(policy->user, "*") == 0 || strcmp(policy->group, "*") == 0) {
        policy->user = "";
        policy->group = AUTHENTICATED;
    }
}

static int read_line(struct arena *arena, struct slice line, struct abac_policy *policy,
                     struct error *reterr)
{
    static const char *const versions[] = {"abac.authorization.kubernetes.io/v1beta1", NULL};
    static const char *const names[] = {"apiVersion", "kind", "spec", NULL};
    struct config_reader reader = {.arena = arena, .reterr = reterr};
    const struct json_value *document =
        config_open(&reader, line, ABAC_LINE_MAX, "Policy", versions);
    if (document == NULL) {
        return reader.status;
    }
    config_check_names(&reader, document, "", names);
    const struct json_value *spec = config_map(&reader, document, "", "spec");
    read_spec(&reader, spec != NULL ? spec : json_new_object(arena), policy);
    return reader.status;
}

static struct slice trimmed(struct slice line)
{
    while (line.len > 0 && strchr(" \t\r", line.data[0]) != NULL && line.data[0] != 0) {
        line = slice_of(line.data + 1, line.len - 1);
    }
    return line;
}

static struct slice next_line(struct slice *text)
{
    const uint8_t *end = memchr(text->data, '\n', text->len);
    size_t len = end == NULL ? text->len : (size_t)(end - text->data);
    struct slice line = slice_of(text->data, len);
    *text = end == NULL ? slice_of(NULL, 0) : slice_of(end + 1, text->len - len - 1);
    return line;
}

static size_t count_lines(struct slice text)
{
    size_t count = 1;
    for (size_t i = 0; i < text.len; i++) {
        count += text.data[i] == '\n' ? 1 : 0;
    }
    return count;
}

int abac_parse(struct arena *arena, struct slice text, struct abac *ret_abac, struct error *reterr)
{
    struct abac_policy *policies = arena_array(arena, count_lines(text), sizeof(*policies));
    size_t count = 0;
    for (size_t number = 1; text.len > 0; number++) {
        struct slice line = trimmed(next_line(&text));
        if (line.len == 0 || line.data[0] == '#') {
            continue;
        }
        if (line.len > ABAC_LINE_MAX) {
            return error_set(reterr, -EINVAL, "line %zu: longer than %d bytes", number,
                             ABAC_LINE_MAX);
        }
        int status = read_line(arena, line, &policies[count], reterr);
        if (status < 0) {
            (void)error_wrap(reterr, "line %zu", number); /* Its code may be that of YAML. */
            return status;
        }
        count++;
    }
    *ret_abac = (struct abac){.policies = policies, .count = count};
    return 0;
}

/* --- Deciding ----------------------------------------------------------------------------------
 */

static bool is_any(const char *text)
{
    return strcmp(text, "*") == 0;
}

static bool matches_text(const char *policy, const char *text)
{
    return is_any(policy) || strcmp(policy, text) == 0;
}

/* A policy that names a user and a group wants both; one that names neither is nobody's. */
static bool matches_user(const struct abac_policy *policy, const struct user *user)
{
    bool names_user = policy->user[0] != 0, names_group = policy->group[0] != 0;
    if ((names_user && strcmp(policy->user, user->name) != 0) ||
        (names_group && !user_in_group(user, policy->group))) {
        return false;
    }
    return names_user || names_group;
}

static bool matches_path(const char *policy, const char *path)
{
    size_t len = strlen(policy);
    if (strcmp(policy, path) == 0) {
        return true;
    }
    if (len == 0 || policy[len - 1] != '*') {
        return false;
    }
    while (len > 0 && policy[len - 1] == '*') {
        len--;
    }
    return strncmp(policy, path, len) == 0;
}

static bool allows(const struct abac_policy *policy, const struct user *user,
                   const struct access *access)
{
    if (!matches_user(policy, user) || (policy->readonly && !access_reads(access))) {
        return false;
    }
    return access->is_resource ? matches_text(policy->namespace, access->namespace) &&
                                     matches_text(policy->resource, access->resource) &&
                                     matches_text(policy->api_group, access->group)
                               : matches_path(policy->path, access->path);
}

bool abac_allows(const struct abac *abac, const struct user *user, const struct access *access)
{
    size_t i = 0;
    while (i < abac->count && !allows(&abac->policies[i], user, access)) {
        i++;
    }
    return i < abac->count;
}

/* --- Rules ------------------------------------------------------------------------------------ */

static char **list_of(struct arena *arena, const char *text)
{
    char **list = arena_array(arena, 1, sizeof(*list));
    list[0] = arena_text(arena, text);
    return list;
}

static Rbac__V1__PolicyRule *rule_of(struct arena *arena, bool readonly)
{
    static const char *const reads[] = {"get", "list", "watch"};
    Rbac__V1__PolicyRule *rule = api_message_new(arena, &rbac__v1__policy_rule__schema);
    rule->n_verbs = readonly ? ARRAY_LEN(reads) : 1;
    rule->verbs = arena_array(arena, rule->n_verbs, sizeof(*rule->verbs));
    for (size_t i = 0; i < rule->n_verbs; i++) {
        rule->verbs[i] = arena_text(arena, readonly ? reads[i] : "*");
    }
    return rule;
}

struct rbac_rules abac_rules(struct arena *arena, const struct abac *abac, const struct user *user,
                             const char *namespace)
{
    const Rbac__V1__PolicyRule **rules = arena_array(arena, 2 * abac->count + 1, sizeof(*rules));
    size_t count = 0;
    for (size_t i = 0; i < abac->count; i++) {
        const struct abac_policy *policy = &abac->policies[i];
        if (!matches_user(policy, user) || !matches_text(policy->namespace, namespace)) {
            continue;
        }
        if (policy->resource[0] != 0) {
            Rbac__V1__PolicyRule *rule = rule_of(arena, policy->readonly);
            rule->n_api_groups = rule->n_resources = 1;
            rule->api_groups = list_of(arena, policy->api_group);
            rule->resources = list_of(arena, policy->resource);
            rules[count++] = rule;
        }
        if (policy->path[0] != 0) {
            Rbac__V1__PolicyRule *rule = rule_of(arena, policy->readonly);
            rule->n_non_resource_urls = 1;
            rule->non_resource_urls = list_of(arena, policy->path);
            rules[count++] = rule;
        }
    }
    return (struct rbac_rules){.items = rules, .count = count};
}
