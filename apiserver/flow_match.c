#include "apiserver/flow_match.h"

#include "lib/base/hash_map.h"
#include <string.h>

#define SERVICE_ACCOUNT_PREFIX "system:serviceaccount:"

static bool is(const char *text, const char *value)
{
    return strcmp(text_or_empty(text), value) == 0;
}

/* "*" stands for all. */
static bool lists(char *const *items, size_t count, const char *value)
{
    for (size_t i = 0; i < count; i++) {
        if (is(items[i], "*") || is(items[i], value)) {
            return true;
        }
    }
    return false;
}

/* --- Subjects --- */

/* "system:serviceaccount:<namespace>:<name>" */
static bool is_service_account(const struct user *user,
                               const Flowcontrol__V1__ServiceAccountSubject *subject)
{
    const char *namespace = text_or_empty(subject->namespace_),
               *name = text_or_empty(subject->name);
    size_t prefix_len = sizeof(SERVICE_ACCOUNT_PREFIX) - 1, namespace_len = strlen(namespace);
    if (strncmp(user->name, SERVICE_ACCOUNT_PREFIX, prefix_len) != 0) {
        return false;
    }
    const char *rest = user->name + prefix_len;
    return strncmp(rest, namespace, namespace_len) == 0 && rest[namespace_len] == ':' &&
           (is(name, "*") || is(name, rest + namespace_len + 1));
}

static bool is_subject(const struct user *user, const Flowcontrol__V1__Subject *subject)
{
    if (is(subject->kind, "User")) {
        return subject->user != NULL &&
               (is(subject->user->name, "*") || is(subject->user->name, user->name));
    }
    if (is(subject->kind, "Group")) {
        return subject->group != NULL && (is(subject->group->name, "*") ||
                                          user_in_group(user, text_or_empty(subject->group->name)));
    }
    return is(subject->kind, "ServiceAccount") && subject->service_account != NULL &&
           is_service_account(user, subject->service_account);
}

/* --- What is asked for --- */

/* "pods" is the resource itself, "pods/status" its part. */
static bool names_resource(const char *rule, const struct access *access)
{
    size_t len = strlen(access->resource);
    if (is(rule, "*")) {
        return true;
    }
    if (strncmp(rule, access->resource, len) != 0) {
        return false;
    }
    return access->subresource[0] == 0
               ? rule[len] == 0
               : rule[len] == '/' && is(rule + len + 1, access->subresource);
}

static bool allows_resource(const Flowcontrol__V1__ResourcePolicyRule *rule,
                            const struct access *access)
{
    if (!lists(rule->verbs, rule->n_verbs, access->verb) ||
        !lists(rule->api_groups, rule->n_api_groups, access->group)) {
        return false;
    }
    bool scope = access->namespace[0] == 0
                     ? rule->cluster_scope != 0
                     : lists(rule->namespaces, rule->n_namespaces, access->namespace);
    for (size_t i = 0; scope && i < rule->n_resources; i++) {
        if (names_resource(text_or_empty(rule->resources[i]), access)) {
            return true;
        }
    }
    return false;
}

/* "*" is every path; "/a/" followed by "*" is what lies below /a; all else is itself. */
static bool names_path(const char *rule, const char *path)
{
    size_t len = strlen(rule);
    if (is(rule, "*")) {
        return true;
    }
    if (len >= 2 && rule[len - 1] == '*' && rule[len - 2] == '/') {
        return strncmp(path, rule, len - 1) == 0;
    }
    return strcmp(rule, path) == 0;
}

static bool allows_path(const Flowcontrol__V1__NonResourcePolicyRule *rule,
                        const struct access *access)
{
    bool verb = lists(rule->verbs, rule->n_verbs, access->verb);
    for (size_t i = 0; verb && i < rule->n_non_resource_urls; i++) {
        if (names_path(text_or_empty(rule->non_resource_urls[i]), access->path)) {
            return true;
        }
    }
    return false;
}

static bool rule_matches(const Flowcontrol__V1__PolicyRulesWithSubjects *rule,
                         const struct user *user, const struct access *access)
{
    bool subject = false;
    for (size_t i = 0; !subject && i < rule->n_subjects; i++) {
        subject = is_subject(user, rule->subjects[i]);
    }
    if (!subject) {
        return false;
    }
    for (size_t i = 0; access->is_resource && i < rule->n_resource_rules; i++) {
        if (allows_resource(rule->resource_rules[i], access)) {
            return true;
        }
    }
    for (size_t i = 0; !access->is_resource && i < rule->n_non_resource_rules; i++) {
        if (allows_path(rule->non_resource_rules[i], access)) {
            return true;
        }
    }
    return false;
}

bool flow_schema_matches(const Flowcontrol__V1__FlowSchema *schema, const struct user *user,
                         const struct access *access)
{
    for (size_t i = 0; i < schema->spec->n_rules; i++) {
        if (rule_matches(schema->spec->rules[i], user, access)) {
            return true;
        }
    }
    return false;
}

int flow_schema_compare(const Flowcontrol__V1__FlowSchema *first,
                        const Flowcontrol__V1__FlowSchema *second)
{
    int32_t left = first->spec->matching_precedence, right = second->spec->matching_precedence;
    if (left != right) {
        return left < right ? -1 : 1;
    }
    return strcmp(text_or_empty(first->metadata->name), text_or_empty(second->metadata->name));
}

/* --- Flows --- */

const char *flow_distinguisher(const Flowcontrol__V1__FlowSchema *schema, const struct user *user,
                               const struct access *access)
{
    const Flowcontrol__V1__FlowDistinguisherMethod *method = schema->spec->distinguisher_method;
    if (method != NULL && is(method->type, "ByUser")) {
        return user->name;
    }
    return method != NULL && is(method->type, "ByNamespace") ? access->namespace : "";
}

uint64_t flow_hash(const Flowcontrol__V1__FlowSchema *schema, const struct user *user,
                   const struct access *access)
{
    const char *flow = flow_distinguisher(schema, user, access);
    uint64_t schema_hash = hash_bytes(0, slice_text(text_or_empty(schema->metadata->name)));
    return hash_bytes(schema_hash, slice_text(flow));
}
