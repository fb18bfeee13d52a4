/* Rules of admission webhooks and of admission policies, but for their expressions:
 * check_expressions.c. */
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"
#include "lib/base/name_index.h"
#include <ctype.h>

/* --- Names and clients -------------------------------------------------------------------------
 */

static void check_name(struct api_causes *causes, const struct api_path *parent, const char *name)
{
    struct api_path at = api_path_field(parent, "name");
    const char *first = strchr(text_or_empty(name), '.');
    if (rules_empty(name)) {
        api_cause_required(causes, &at, "");
        return;
    }
    struct api_syntax wrong = api_syntax_dns1123_subdomain(name);
    if (wrong.count > 0) {
        api_cause_invalid(causes, &at, api_shown_text(name), rules_joined(causes->arena, wrong));
    } else if (first == NULL || strchr(first + 1, '.') == NULL) {
        api_cause_invalid(causes, &at, api_shown_text(name),
                          "should be a domain with at least three segments separated by dots");
    }
}

static void check_side_effects(struct api_causes *causes, const struct api_path *parent,
                               const char *side_effects)
{
    static const char *const allowed[] = {"None", "NoneOnDryRun", NULL};
    if (side_effects == NULL) {
        rules_required(causes, parent, "sideEffects", "must specify one of None, NoneOnDryRun");
    } else if (!rules_one_of(side_effects, allowed)) {
        rules_not_supported(causes, parent, "sideEffects", side_effects, allowed);
    }
}

static void check_versions(struct api_causes *causes, const struct api_path *parent,
                           char *const *versions, size_t count)
{
    struct api_path at = api_path_field(parent, "admissionReviewVersions");
    bool known = count == 0; /* That none is there was said already. */
    struct text_set seen = {.arena = causes->arena};
    for (size_t i = 0; i < count; i++) {
        struct api_path item = api_path_index(&at, i);
        known = known || rules_is(versions[i], "v1") || rules_is(versions[i], "v1beta1");
        if (!text_set_add(&seen, text_or_empty(versions[i]))) {
            api_cause_invalid(causes, &item, api_shown_text(versions[i]), "duplicate version");
        }
    }
    if (!known) {
        api_cause_invalid(causes, &at,
                          api_shown_raw(rules_list_shown(causes->arena, versions, count)),
                          "must include at least one of v1, v1beta1");
    }
}

bool rules_validating_webhook(struct api_causes *causes, const struct api_frame *frame)
{
    const Admissionregistration__V1__ValidatingWebhook *hook = frame->message;
    check_name(causes, frame->at, hook->name);
    return true;
}

bool rules_validating_effects(struct api_causes *causes, const struct api_frame *frame)
{
    const Admissionregistration__V1__ValidatingWebhook *hook = frame->message;
    check_side_effects(causes, frame->at, hook->side_effects);
    return true;
}

bool rules_validating_versions(struct api_causes *causes, const struct api_frame *frame)
{
    const Admissionregistration__V1__ValidatingWebhook *hook = frame->message;
    check_versions(causes, frame->at, hook->admission_review_versions,
                   hook->n_admission_review_versions);
    return true;
}

bool rules_mutating_webhook(struct api_causes *causes, const struct api_frame *frame)
{
    const Admissionregistration__V1__MutatingWebhook *hook = frame->message;
    check_name(causes, frame->at, hook->name);
    return true;
}

bool rules_mutating_effects(struct api_causes *causes, const struct api_frame *frame)
{
    const Admissionregistration__V1__MutatingWebhook *hook = frame->message;
    check_side_effects(causes, frame->at, hook->side_effects);
    return true;
}

bool rules_mutating_versions(struct api_causes *causes, const struct api_frame *frame)
{
    const Admissionregistration__V1__MutatingWebhook *hook = frame->message;
    check_versions(causes, frame->at, hook->admission_review_versions,
                   hook->n_admission_review_versions);
    return true;
}

bool rules_webhook_client(struct api_causes *causes, const struct api_frame *frame)
{
    const Admissionregistration__V1__WebhookClientConfig *client = frame->message;
    if ((client->url == NULL) == (client->service == NULL)) {
        api_cause_required(causes, frame->at, "exactly one of url or service is required");
        return false;
    }
    if (client->url != NULL) {
        rules_check_webhook_url(causes, frame->at, client->url);
    }
    return true;
}

/* v1.32 takes the one for the other: a missing name is said of the namespace. */
bool rules_webhook_service(struct api_causes *causes, const struct api_frame *frame)
{
    const Admissionregistration__V1__ServiceReference *service = frame->message;
    if (rules_empty(service->namespace_)) {
        rules_required(causes, frame->at, "name", "service name is required");
    }
    if (rules_empty(service->name)) {
        rules_required(causes, frame->at, "namespace", "service namespace is required");
    }
    return true;
}

bool rules_webhook_service_path(struct api_causes *causes, const struct api_frame *frame)
{
    const Admissionregistration__V1__ServiceReference *service = frame->message;
    if (service->path != NULL) {
        rules_check_webhook_path(causes, frame->at, service->path);
    }
    return true;
}

/* --- What they are asked about -----------------------------------------------------------------
 */

/* Whether an earlier item with a star stands for this one too: "pods" + "/" + "*", or "*" + "/" +
 * "log". `earlier` are those with a slash. */
static void check_covered(struct api_causes *causes, const struct api_path *at,
                          const struct text_set *earlier, const char *item)
{
    const char *slash = strchr(item, '/');
    const char *any_part = arena_printf(causes->arena, "%.*s/*", (int)(slash - item), item);
    const char *any_resource = arena_printf(causes->arena, "*%s", slash);
    size_t part = text_set_place(earlier, any_part);
    size_t resource = text_set_place(earlier, any_resource);
    if (part < earlier->count || resource < earlier->count) {
        api_cause_invalid(causes, at, api_shown_text(item),
                          arena_printf(causes->arena, "if '%s' is present, must not specify %s",
                                       part <= resource ? any_part : any_resource, item));
    }
}

static void check_resources(struct api_causes *causes, const struct api_path *parent,
                            char *const *items, size_t count)
{
    struct api_path at = api_path_field(parent, "resources");
    struct api_shown shown = api_shown_raw(rules_list_shown(causes->arena, items, count));
    bool whole = false;
    struct text_set parts = {.arena = causes->arena};
    for (size_t i = 0; i < count; i++) {
        struct api_path item = api_path_index(&at, i);
        if (rules_empty(items[i])) {
            api_cause_required(causes, &item, "");
        } else if (strchr(items[i], '/') == NULL) {
            whole = !rules_is(items[i], "*"); /* The last one decides: so v1.32 has it. */
        } else {
            check_covered(causes, &item, &parts, items[i]);
            (void)text_set_add(&parts, items[i]);
        }
    }
    if (count > 1 && rules_has(items, count, "*/*")) {
        api_cause_invalid(causes, &at, shown,
                          "if '*/*' is present, must not specify other resources");
    }
    if (whole && rules_has(items, count, "*")) {
        api_cause_invalid(
            causes, &at, shown,
            "if '*' is present, must not specify other resources without subresources");
    }
}

bool rules_admission_rule(struct api_causes *causes, const struct api_frame *frame)
{
    const Admissionregistration__V1__RuleWithOperations *operations = frame->message;
    const Admissionregistration__V1__Rule *rule = operations->rule;
    if (operations->n_operations > 1 &&
        rules_has(operations->operations, operations->n_operations, "*")) {
        rules_invalid(causes, frame->at, "operations",
                      api_shown_typed_texts(causes->arena, "admissionregistration.OperationType",
                                            operations->operations, operations->n_operations),
                      "if '*' is present, must not specify other operations");
    }
    if (rule == NULL) {
        return true;
    }
    struct api_path versions = api_path_field(frame->at, "apiVersions");
    rules_star_alone(causes, frame->at, "apiGroups", rule->api_groups, rule->n_api_groups,
                     "API groups");
    rules_star_alone(causes, frame->at, "apiVersions", rule->api_versions, rule->n_api_versions,
                     "API versions");
    for (size_t i = 0; i < rule->n_api_versions; i++) {
        struct api_path item = api_path_index(&versions, i);
        if (rules_empty(rule->api_versions[i])) {
            api_cause_required(causes, &item, "");
        }
    }
    check_resources(causes, frame->at, rule->resources, rule->n_resources);
    return true;
}

bool rules_named_admission_rule(struct api_causes *causes, const struct api_frame *frame)
{
    const Admissionregistration__V1__NamedRuleWithOperations *named = frame->message;
    if (named->rule_with_operations != NULL) {
        struct api_frame inner = *frame;
        inner.message = named->rule_with_operations;
        rules_admission_rule(causes, &inner);
    }
    return true;
}

/* --- Policies ----------------------------------------------------------------------------------
 */

bool rules_admission_policy(struct api_causes *causes, const struct api_frame *frame)
{
    static const char some[] = "validations or auditAnnotations must contain at least one item";
    const Admissionregistration__V1__ValidatingAdmissionPolicySpec *spec = frame->message;
    struct api_path constraints = api_path_field(frame->at, "matchConstraints");
    if (spec->match_constraints != NULL && spec->match_constraints->n_resource_rules == 0) {
        rules_required(causes, &constraints, "resourceRules", "");
    }
    if (spec->n_validations == 0 && spec->n_audit_annotations == 0) {
        rules_required(causes, frame->at, "validations", some);
        rules_required(causes, frame->at, "auditAnnotations", some);
    }
    return true;
}

bool rules_admission_validation(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const reasons[] = {"Forbidden", "Invalid", "RequestEntityTooLarge", NULL};
    const Admissionregistration__V1__Validation *validation = frame->message;
    const char *message = text_or_empty(validation->message);
    struct slice words = slice_trimmed(slice_text(message));
    if (message[0] != '\0' && words.len == 0) {
        rules_invalid(causes, frame->at, "message", api_shown_text(message),
                      "message must be non-empty if specified");
    } else if (memchr(words.data, '\n', words.len) != NULL ||
               memchr(words.data, '\r', words.len) != NULL) {
        rules_invalid(causes, frame->at, "message", api_shown_text(validation->message),
                      "message must not contain line breaks");
    }
    if (validation->reason != NULL && !rules_one_of(validation->reason, reasons)) {
        rules_not_supported(causes, frame->at, "reason", validation->reason, reasons);
    }
    return true;
}

bool rules_admission_parameters(struct api_causes *causes, const struct api_frame *frame)
{
    static const char words[] = "name and selector are mutually exclusive";
    static const char *const actions[] = {"Deny", "Allow", NULL};
    const Admissionregistration__V1__ParamRef *reference = frame->message;
    bool named = !rules_empty(reference->name);
    struct api_path action = api_path_field(frame->at, "parameterNotFoundAction");
    if (named && reference->selector != NULL) {
        rules_forbidden(causes, frame->at, "name", words);
        rules_forbidden(causes, frame->at, "selector", words);
    } else if (!named && reference->selector == NULL) {
        api_cause_required(causes, frame->at, "one of name or selector must be specified");
    }
    if (rules_empty(reference->parameter_not_found_action)) {
        api_cause_required(causes, &action, "");
    } else if (!rules_one_of(reference->parameter_not_found_action, actions)) {
        api_cause_not_among(causes, &action, api_shown_text(reference->parameter_not_found_action),
                            actions);
    }
    return true;
}

/* A group, which the core one leaves out, and a version. */
static void check_parameter_version(struct api_causes *causes, const struct api_path *at,
                                    const char *text)
{
    struct arena *arena = causes->arena;
    const char *slash = strchr(text, '/');
    if (slash != NULL && strchr(slash + 1, '/') != NULL) {
        api_cause_invalid(causes, at, api_shown_text(text),
                          arena_printf(arena, "unexpected GroupVersion string: %s", text));
        return;
    }
    const char *group = slash == NULL ? "" : arena_text_n(arena, text, (size_t)(slash - text));
    const char *version = slash == NULL ? text : slash + 1;
    struct api_syntax wrong = {.count = 0};
    if (*group != '\0') {
        wrong = api_syntax_dns1123_subdomain(group);
    }
    if (wrong.count > 0) {
        api_cause_invalid(causes, at, api_shown_text(group), rules_joined(arena, wrong));
    }
    wrong = api_syntax_dns1035_label(version);
    if (*version == '\0') {
        api_cause_invalid(causes, at, api_shown_text(text), "version must be specified");
    } else if (wrong.count > 0) {
        api_cause_invalid(causes, at, api_shown_text(version), rules_joined(arena, wrong));
    }
}

static const char *in_lower_case(struct arena *arena, const char *text)
{
    char *lower = arena_text_n(arena, text, strlen(text));
    for (char *at = lower; *at != '\0'; at++) {
        *at = (char)tolower((unsigned char)*at);
    }
    return lower;
}

bool rules_parameter_kind(struct api_causes *causes, const struct api_frame *frame)
{
    const Admissionregistration__V1__ParamKind *wanted = frame->message;
    struct api_path version = api_path_field(frame->at, "apiVersion");
    struct api_path kind = api_path_field(frame->at, "kind");
    if (rules_empty(wanted->api_version)) {
        api_cause_required(causes, &version, "");
    } else {
        check_parameter_version(causes, &version, wanted->api_version);
    }
    if (rules_empty(wanted->kind)) {
        api_cause_required(causes, &kind, "");
        return true;
    }
    struct api_syntax wrong = api_syntax_dns1035_label(in_lower_case(causes->arena, wanted->kind));
    if (wrong.count > 0) {
        api_cause_invalid(causes, &kind, api_shown_text(wanted->kind),
                          arena_printf(causes->arena,
                                       "may have mixed case, but should otherwise match: %s",
                                       rules_joined(causes->arena, wrong)));
    }
    return true;
}

bool rules_binding_actions(struct api_causes *causes, const struct api_frame *frame)
{
    const Admissionregistration__V1__ValidatingAdmissionPolicyBindingSpec *spec = frame->message;
    if (rules_has(spec->validation_actions, spec->n_validation_actions, "Deny") &&
        rules_has(spec->validation_actions, spec->n_validation_actions, "Warn")) {
        rules_invalid(causes, frame->at, "validationActions",
                      api_shown_typed_texts(causes->arena, "admissionregistration.ValidationAction",
                                            spec->validation_actions, spec->n_validation_actions),
                      "must not contain both Deny and Warn (repeating the same validation failure "
                      "information in the API response and headers serves no purpose)");
    }
    return true;
}
