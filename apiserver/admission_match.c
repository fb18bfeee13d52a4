#include "apiserver/admission_match.h"

#include "lib/api/convert.h"
#include "lib/api/custom.h"
#include "lib/api/selector.h"

const char *admission_operation_text(enum admission_verb verb)
{
    static const char *const texts[] = {[ADMIT_CREATE] = "CREATE",
                                        [ADMIT_UPDATE] = "UPDATE",
                                        [ADMIT_DELETE] = "DELETE",
                                        [ADMIT_CONNECT] = "CONNECT"};
    return texts[verb];
}

const struct api_kind *admission_asked(const struct admission *admission)
{
    const struct registry_call *call = admission->operation->call;
    return call->asked != NULL && call->kind == admission->kind ? call->asked : admission->kind;
}

const char *admission_namespace(const struct admission *admission)
{
    bool is_namespace = admission->kind == admission->operation->registry->namespace_kind;
    return is_namespace ? admission->name : admission->namespace;
}

bool admission_is_exempt(const struct admission *admission)
{
    static const char *const exempt[] = {
        "validatingwebhookconfigurations", "mutatingwebhookconfigurations",
        "validatingadmissionpolicies", "validatingadmissionpolicybindings"};
    if (strcmp(admission->kind->group, "admissionregistration.k8s.io") != 0) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_LEN(exempt); i++) {
        if (strcmp(admission->kind->plural, exempt[i]) == 0) {
            return true;
        }
    }
    return false;
}

bool admission_is_asked_about(const struct admission *admission)
{
    bool seen = admission->operation->asked && admission->body == NULL;
    return admission->kind->message != NULL && !seen && !admission_is_exempt(admission);
}

/* --- Rules --- */

static bool has(char *const *texts, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(texts[i], "*") == 0 || strcmp(texts[i], text) == 0) {
            return true;
        }
    }
    return false;
}

static bool part_matches(struct slice pattern, const char *text)
{
    return slice_is(pattern, "*") || slice_is(pattern, text);
}

/* "pods", "pods/status", "*", "*" "/status", "pods/" "*". */
static bool resource_matches(const char *pattern, const char *plural, const char *subresource)
{
    const char *slash = strchr(pattern, '/');
    size_t len = slash == NULL ? strlen(pattern) : (size_t)(slash - pattern);
    return part_matches(slice_of(pattern, len), plural) &&
           part_matches(slice_text(slash == NULL ? "" : slash + 1), subresource);
}

static bool scope_matches(const struct admission *admission, const char *scope)
{
    bool cluster = admission->namespace[0] == 0 ||
                   admission->kind == admission->operation->registry->namespace_kind;
    if (scope == NULL || strcmp(scope, "*") == 0) {
        return true;
    }
    return strcmp(scope, "Cluster") == 0 ? cluster : !cluster;
}

bool admission_rule_matches(const struct admission *admission,
                            const Admissionregistration__V1__RuleWithOperations *with_operations,
                            const struct api_kind *form)
{
    const Admissionregistration__V1__Rule *rule = with_operations->rule;
    if (rule == NULL ||
        !has(with_operations->operations, with_operations->n_operations,
             admission_operation_text(admission->verb)) ||
        !has(rule->api_groups, rule->n_api_groups, form->group) ||
        !has(rule->api_versions, rule->n_api_versions, form->version) ||
        !scope_matches(admission, rule->scope)) {
        return false;
    }
    for (size_t i = 0; i < rule->n_resources; i++) {
        if (resource_matches(rule->resources[i], form->plural, admission->subresource)) {
            return true;
        }
    }
    return false;
}

static bool any_rule(const struct admission *admission, const struct admission_match *match,
                     const struct api_kind *form)
{
    for (size_t i = 0; i < match->rule_count; i++) {
        if (admission_rule_matches(admission, match->rules[i], form)) {
            return true;
        }
    }
    return false;
}

static const struct api_kind *matching_version(const struct admission *admission,
                                               const struct admission_match *match,
                                               const struct custom_resource *resource)
{
    for (size_t i = 0; i < resource->version_count; i++) {
        const struct custom_version *version = &resource->versions[i];
        if (version->source->served && any_rule(admission, match, &version->kind)) {
            return &version->kind;
        }
    }
    return NULL;
}

/* The form asked for, or (Equivalent) the first other one that a rule names. */
static const struct api_kind *matching_form(const struct admission *admission,
                                            const struct admission_match *match)
{
    const struct api_kind *asked = admission_asked(admission);
    if (match->any_resource || any_rule(admission, match, asked)) {
        return asked;
    }
    if (match->exact) {
        return NULL;
    }
    if (custom_of(asked) != NULL) {
        return matching_version(admission, match, custom_of(asked)->resource);
    }
    size_t count;
    const struct api_kind *kinds = api_kinds(&count);
    for (size_t i = 0; i < count; i++) {
        if (&kinds[i] != asked && kinds[i].message != NULL &&
            api_stored_kind(&kinds[i]) == api_stored_kind(admission->kind) &&
            any_rule(admission, match, &kinds[i])) {
            return &kinds[i];
        }
    }
    return NULL;
}

/* --- Selectors --- */

static bool selects(struct admission *admission, const Meta__V1__LabelSelector *message,
                    const Meta__V1__ObjectMeta *meta)
{
    struct api_label_selector selector;
    if (api_label_selector_from_message(admission->operation->arena, message, &selector, NULL) <
        0) {
        return false;
    }
    return meta != NULL && /* What has no metadata is not selected. */
           api_label_selector_matches(&selector, API_STRING_MAP(meta->labels, meta->n_labels));
}

static bool is_empty(const Meta__V1__LabelSelector *selector)
{
    return selector == NULL || selector->n_match_labels + selector->n_match_expressions == 0;
}

/* A Namespace that is written has the labels that it will have; others those that are stored. */
static bool namespace_matches(struct admission *admission, const Meta__V1__LabelSelector *selector)
{
    struct operation *operation = admission->operation;
    const struct api_kind *kind = operation->registry->namespace_kind;
    if (is_empty(selector)) {
        return true;
    }
    if (admission->kind == kind && admission->verb != ADMIT_DELETE && admission->message != NULL &&
        admission->body == NULL) {
        return selects(admission, selector, message_meta(kind, admission->message));
    }
    const char *name = admission_namespace(admission);
    if (name[0] == 0) {
        return true; /* Neither in a namespace nor one. */
    }
    const struct cached_object *object = operation_lookup(operation, kind, "", name);
    const void *message = object == NULL ? NULL : cached_object_message(object);
    return message != NULL && selects(admission, selector, message_meta(kind, message));
}

static bool object_matches(struct admission *admission, const Meta__V1__LabelSelector *selector)
{
    const void *objects[] = {admission->message, admission->before};
    if (is_empty(selector)) {
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(objects); i++) {
        if (objects[i] != NULL &&
            selects(admission, selector,
                    message_meta(admission_message_kind(admission), objects[i]))) {
            return true;
        }
    }
    return false;
}

const struct api_kind *admission_match(struct admission *admission,
                                       const struct admission_match *match)
{
    const struct api_kind *form = matching_form(admission, match);
    if (form == NULL || !namespace_matches(admission, match->namespace_selector) ||
        !object_matches(admission, match->object_selector)) {
        return NULL;
    }
    return form;
}

/* --- The resources of a policy --- */

static bool names_resource(const Admissionregistration__V1__NamedRuleWithOperations *rule,
                           const char *name)
{
    bool found = rule->n_resource_names == 0;
    for (size_t i = 0; i < rule->n_resource_names && !found; i++) {
        found = strcmp(rule->resource_names[i], name) == 0;
    }
    return found;
}

/* The rules whose resourceNames do not rule the request out. */
static struct admission_match
named_rules(struct admission *admission,
            Admissionregistration__V1__NamedRuleWithOperations *const *rules, size_t count)
{
    Admissionregistration__V1__RuleWithOperations **kept =
        arena_array(admission->operation->arena, count + 1, sizeof(*kept));
    struct admission_match match = {.rules = kept};
    for (size_t i = 0; i < count; i++) {
        if (rules[i]->rule_with_operations != NULL && names_resource(rules[i], admission->name)) {
            kept[match.rule_count++] = rules[i]->rule_with_operations;
        }
    }
    return match;
}

const struct api_kind *
admission_match_resources(struct admission *admission,
                          const Admissionregistration__V1__MatchResources *resources)
{
    if (resources == NULL) {
        return admission_asked(admission);
    }
    bool exact = strcmp(text_or_empty(resources->match_policy), "Exact") == 0;
    struct admission_match excluded = named_rules(admission, resources->exclude_resource_rules,
                                                  resources->n_exclude_resource_rules);
    excluded.exact = exact;
    if (excluded.rule_count > 0 && admission_match(admission, &excluded) != NULL) {
        return NULL;
    }
    struct admission_match match =
        named_rules(admission, resources->resource_rules, resources->n_resource_rules);
    match.exact = exact;
    match.any_resource = resources->n_resource_rules == 0;
    match.namespace_selector = resources->namespace_selector;
    match.object_selector = resources->object_selector;
    return admission_match(admission, &match);
}
