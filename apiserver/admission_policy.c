#include "apiserver/admission_policy.h"

#include "apiserver/admission_match.h"
#include "apiserver/admission_review.h"
#include "apiserver/audit_notes.h"
#include "apiserver/custom_kinds.h"
#include "lib/api/custom.h"
#include "lib/api/selector.h"
#include <stdlib.h>

/* A policy with what is compiled of it: variables, conditions, validations, their messages. */
struct policy {
    const struct cached_object *object;
    const Admissionregistration__V1__ValidatingAdmissionPolicySpec *spec;
    struct expression_set *set;
    const char **variable_names;
    const char **annotations; /* What audit annotations came to so far, over all bindings. */
};

struct policy_run {
    struct admission *admission;
    const struct api_status *denial; /* The first. */
    struct cache_view *bindings;
};

/* One binding of one policy under way. */
struct binding_run {
    struct policy_run *run;
    const struct policy *policy;
    const struct cached_object *object;
    const Admissionregistration__V1__ValidatingAdmissionPolicyBindingSpec *spec;
    const struct api_kind *form;
    const struct api_kind *param_kind; /* As the policy names it. */
};

static bool is(const char *text, const char *wanted)
{
    return text != NULL && strcmp(text, wanted) == 0;
}

/* --- Denials --- */

static int code_of(const char *reason)
{
    return is(reason, "Forbidden")               ? 403
           : is(reason, "Unauthorized")          ? 401
           : is(reason, "RequestEntityTooLarge") ? 413
                                                 : 422;
}

static void deny(struct policy_run *run, const char *policy, const char *binding,
                 const char *message, const char *reason)
{
    struct arena *arena = run->admission->operation->arena;
    if (run->denial != NULL) {
        return;
    }
    const char *with = binding == NULL ? "" : arena_printf(arena, " with binding '%s'", binding);
    struct api_cause *cause = arena_zeroed(arena, sizeof(*cause));
    cause->reason = "";
    cause->field = "";
    cause->message = arena_printf(arena, "ValidatingAdmissionPolicy '%s'%s denied request: %s",
                                  policy, with, message);
    struct api_status *status = arena_alloc(arena, sizeof(*status));
    *status =
        *api_status_forbidden(arena, run->admission->kind, run->admission->name, cause->message);
    status->reason = reason[0] == 0 ? "Invalid" : arena_text(arena, reason);
    status->code = code_of(status->reason);
    status->causes = cause;
    status->cause_count = 1;
    run->denial = status;
}

/* For the audit log: which validation failed of which policy. */
static void note_failure(const struct binding_run *binding, size_t index, const char *message)
{
    struct operation *operation = binding->run->admission->operation;
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, POLICY_NOTE_MAX);
    buffer_append_text(&out, "[{\"message\":");
    json_print_string(slice_text(message), &out);
    buffer_append_text(&out, ",\"policy\":");
    json_print_string(slice_text(text_or_empty(binding->spec->policy_name)), &out);
    buffer_append_text(&out, ",\"binding\":");
    json_print_string(slice_text(cached_object_name(binding->object)), &out);
    buffer_printf(&out, ",\"expressionIndex\":%zu,\"validationActions\":[", index);
    for (size_t i = 0; i < binding->spec->n_validation_actions; i++) {
        buffer_append_text(&out, i == 0 ? "" : ",");
        json_print_string(slice_text(text_or_empty(binding->spec->validation_actions[i])), &out);
    }
    buffer_append_text(&out, "]}]");
    audit_note(operation->call->notes, "validation.policy.admission.k8s.io/validation_failure",
               buffer_text(&out));
}

/* What the binding makes of a validation that failed; conditions count as the first. */
static void act(struct binding_run *binding, size_t index, const char *message, const char *reason)
{
    struct policy_run *run = binding->run;
    struct arena *arena = run->admission->operation->arena;
    const char *policy = cached_object_name(binding->policy->object);
    const char *name = cached_object_name(binding->object);
    for (size_t i = 0; i < binding->spec->n_validation_actions; i++) {
        const char *action = binding->spec->validation_actions[i];
        if (is(action, "Deny")) {
            deny(run, arena_text(arena, policy), arena_text(arena, name), message, reason);
        } else if (is(action, "Warn")) {
            operation_warn(run->admission->operation,
                           arena_printf(arena,
                                        "Validation failed for ValidatingAdmissionPolicy '%s' with "
                                        "binding '%s': %s",
                                        policy, name, message));
        } else if (is(action, "Audit")) {
            note_failure(binding, index, message);
        }
    }
}

static bool ignores_errors(const struct policy *policy)
{
    return is(policy->spec->failure_policy, "Ignore");
}

/* --- Compilation --- */

static void add_source(struct expression_sources *sources, const char *text, const char *variable,
                       enum admission_result wanted)
{
    sources->items[sources->count++] = (struct expression_source){text, variable, wanted};
}

/* Variables, conditions, validations with their messages, audit annotations. */
static void compile(struct admission *admission, struct policy *policy)
{
    const Admissionregistration__V1__ValidatingAdmissionPolicySpec *spec = policy->spec;
    struct arena *arena = admission->operation->arena;
    size_t room = spec->n_variables + spec->n_match_conditions + 2 * spec->n_validations +
                  spec->n_audit_annotations;
    struct expression_sources sources = {.items =
                                             arena_array(arena, room + 1, sizeof(*sources.items)),
                                         .has_variables = spec->n_variables > 0,
                                         .has_params = spec->param_kind != NULL};
    policy->variable_names = arena_array(arena, spec->n_variables + 1, sizeof(char *));
    for (size_t i = 0; i < spec->n_variables; i++) {
        policy->variable_names[i] = text_or_empty(spec->variables[i]->name);
        add_source(&sources, text_or_empty(spec->variables[i]->expression),
                   policy->variable_names[i], ADMISSION_ANY);
    }
    for (size_t i = 0; i < spec->n_match_conditions; i++) {
        add_source(&sources, text_or_empty(spec->match_conditions[i]->expression), NULL,
                   ADMISSION_BOOL);
    }
    for (size_t i = 0; i < spec->n_validations; i++) {
        const char *message = spec->validations[i]->message_expression;
        add_source(&sources, text_or_empty(spec->validations[i]->expression), NULL, ADMISSION_BOOL);
        add_source(&sources, message == NULL || message[0] == 0 ? NULL : message, NULL,
                   ADMISSION_STRING);
    }
    for (size_t i = 0; i < spec->n_audit_annotations; i++) {
        add_source(&sources, text_or_empty(spec->audit_annotations[i]->value_expression), NULL,
                   ADMISSION_STRING_OR_NULL);
    }
    policy->set =
        expression_cache_get(admission->operation->registry->expressions, policy->object, &sources);
    policy->annotations = arena_array(arena, spec->n_audit_annotations + 1, sizeof(char *));
}

/* --- Validation --- */

bool admission_conditions_hold(const struct expression_set *set, size_t first, size_t count,
                               struct expression_activation *activation, const char **ret_problem)
{
    struct arena *arena = activation->admission->operation->arena;
    const char *problem = NULL;
    size_t problems = 0;
    for (size_t i = 0; i < count; i++) {
        struct cel_value value;
        const char *wrong =
            expression_evaluate(expression_set_at(set, first + i), activation, &value);
        if (wrong == NULL && !cel_is_true(&value)) {
            return false;
        }
        if (wrong != NULL && (problem == NULL || strstr(problem, wrong) == NULL)) {
            problem = problems++ == 0 ? wrong : arena_printf(arena, "%s, %s", problem, wrong);
        }
    }
    if (problem != NULL) {
        *ret_problem = problems == 1 ? problem : arena_printf(arena, "[%s]", problem);
    }
    return problem == NULL;
}

static const char *trimmed(struct arena *arena, struct slice text)
{
    struct slice words = slice_trimmed(text);
    return arena_text_n(arena, (const char *)words.data, words.len);
}

/* What messageExpression says, when that can be shown; else NULL. */
static const char *made_message(struct arena *arena, const struct expression *expression,
                                struct expression_activation *activation)
{
    struct cel_value value;
    if (expression->text == NULL || expression_evaluate(expression, activation, &value) != NULL ||
        value.kind != CEL_STRING || value.text.len > POLICY_MESSAGE_MAX) {
        return NULL;
    }
    const char *text = trimmed(arena, value.text);
    return text[0] == 0 || strchr(text, '\n') != NULL ? NULL : text;
}

static const char *message_of(struct arena *arena,
                              const Admissionregistration__V1__Validation *validation,
                              const struct expression *made_by,
                              struct expression_activation *activation)
{
    const char *made = made_message(arena, made_by, activation);
    if (made != NULL) {
        return made;
    }
    const char *said = text_or_empty(validation->message);
    if (said[0] != 0) {
        return trimmed(arena, slice_text(said));
    }
    const char *text = text_or_empty(validation->expression);
    return arena_printf(arena, "failed expression: %s", trimmed(arena, slice_text(text)));
}

static void validate(struct binding_run *binding, struct expression_activation *activation)
{
    struct arena *arena = binding->run->admission->operation->arena;
    const struct policy *policy = binding->policy;
    size_t at = policy->spec->n_variables + policy->spec->n_match_conditions;
    for (size_t i = 0; i < policy->spec->n_validations; i++, at += 2) {
        const Admissionregistration__V1__Validation *validation = policy->spec->validations[i];
        struct cel_value value;
        const char *problem =
            expression_evaluate(expression_set_at(policy->set, at), activation, &value);
        if (problem != NULL && !ignores_errors(policy)) {
            act(binding, i, problem, "");
        }
        if (problem == NULL && !cel_is_true(&value)) {
            act(binding, i,
                message_of(arena, validation, expression_set_at(policy->set, at + 1), activation),
                text_or_empty(validation->reason));
        }
    }
}

/* --- Audit annotations --- */

/* Whether `list` ("a, b") has the value already. */
static bool has_value(const char *list, const char *value)
{
    size_t len = strlen(value);
    for (const char *at = list; at != NULL;) {
        const char *next = strstr(at, ", ");
        size_t here = next == NULL ? strlen(at) : (size_t)(next - at);
        if (here == len && strncmp(at, value, len) == 0) {
            return true;
        }
        at = next == NULL ? NULL : next + 2;
    }
    return false;
}

/* One more value of an annotation, which has all that bindings and parameters came to. */
static void add_value(struct binding_run *binding, size_t index, struct slice text)
{
    struct arena *arena = binding->run->admission->operation->arena;
    const char **known = &binding->policy->annotations[index];
    size_t len = text.len < POLICY_NOTE_MAX ? text.len : POLICY_NOTE_MAX;
    const char *value = arena_text_n(arena, (const char *)text.data, len);
    if (*known == NULL) {
        *known = value;
    } else if (strlen(*known) < POLICY_NOTES_MAX && !has_value(*known, value)) {
        *known = arena_printf(arena, "%s, %s", *known, value);
    }
}

static void annotate(struct binding_run *binding, struct expression_activation *activation)
{
    const struct policy *policy = binding->policy;
    const Admissionregistration__V1__ValidatingAdmissionPolicySpec *spec = policy->spec;
    struct arena *arena = binding->run->admission->operation->arena;
    size_t first = spec->n_variables + spec->n_match_conditions + 2 * spec->n_validations;
    activation->budget = spec->n_audit_annotations > 0 ? POLICY_COST_MAX : 0;
    for (size_t i = 0; i < spec->n_audit_annotations; i++) {
        struct cel_value value;
        const char *problem =
            expression_evaluate(expression_set_at(policy->set, first + i), activation, &value);
        if (problem != NULL && !ignores_errors(policy)) {
            deny(binding->run, arena_text(arena, cached_object_name(policy->object)),
                 arena_text(arena, cached_object_name(binding->object)), problem, "");
        }
        struct slice text = problem == NULL && value.kind == CEL_STRING ? slice_trimmed(value.text)
                                                                        : slice_of(NULL, 0);
        if (text.len > 0) {
            add_value(binding, i, text);
        }
    }
}

/* What all bindings of a policy came to. */
static void publish_annotations(const struct policy_run *run, const struct policy *policy)
{
    struct operation *operation = run->admission->operation;
    for (size_t i = 0; policy->set != NULL && i < policy->spec->n_audit_annotations; i++) {
        if (policy->annotations[i] != NULL) {
            audit_note(operation->call->notes,
                       arena_printf(operation->arena, "%s/%s", cached_object_name(policy->object),
                                    text_or_empty(policy->spec->audit_annotations[i]->key)),
                       policy->annotations[i]);
        }
    }
}

/* A custom one in the version that the policy names. */
static struct cel_value param_value(struct arena *arena, const struct api_kind *kind,
                                    const struct cached_object *param)
{
    const void *message = cached_object_message(param);
    if (custom_of(kind) != NULL && cached_object_kind(param) != kind) {
        message = custom_convert(arena, kind, message);
    }
    return expression_object(arena, kind, message);
}

/* All of the policy, with one parameter (or none: null). */
static void run_with(struct binding_run *binding, const struct cached_object *param)
{
    struct admission *admission = binding->run->admission;
    const struct policy *policy = binding->policy;
    struct expression_activation activation =
        expression_activation_of(admission, binding->form, CONDITIONS_COST_MAX);
    if (param != NULL && cached_object_message(param) != NULL) {
        activation.params = param_value(activation.arena, binding->param_kind, param);
    }
    activation.variables = expression_variables(&activation, policy->set, 0, policy->variable_names,
                                                policy->spec->n_variables);
    const char *problem = NULL;
    if (admission_conditions_hold(policy->set, policy->spec->n_variables,
                                  policy->spec->n_match_conditions, &activation, &problem)) {
        activation.budget = POLICY_COST_MAX;
        validate(binding, &activation);
        annotate(binding, &activation);
    } else if (problem != NULL && !ignores_errors(policy)) {
        act(binding, 0, problem, "");
    }
    expression_activation_release(&activation);
}

/* --- Parameters --- */

struct param_walk {
    struct binding_run *binding;
    struct api_label_selector selector;
    size_t found;
};

static bool each_param(void *data, const struct cached_object *object)
{
    struct param_walk *walk = data;
    const void *message = cached_object_message(object);
    if (message == NULL) {
        return true;
    }
    const Meta__V1__ObjectMeta *meta = message_meta(cached_object_kind(object), message);
    if (api_label_selector_matches(&walk->selector, API_STRING_MAP(meta->labels, meta->n_labels))) {
        walk->found++;
        run_with(walk->binding, object);
    }
    return true;
}

/* Runs the policy with each parameter. NULL, or what is wrong with the binding. */
static const char *run_with_params(struct binding_run *binding, const struct api_kind *kind,
                                   const char *namespace)
{
    const Admissionregistration__V1__ParamRef *reference = binding->spec->param_ref;
    struct operation *operation = binding->run->admission->operation;
    size_t found = 0;
    if (reference->name != NULL && reference->name[0] != 0) {
        const struct cached_object *param =
            operation_lookup(operation, kind, namespace, reference->name);
        found = param != NULL;
        if (param != NULL) {
            run_with(binding, param);
        }
    } else if (reference->selector != NULL) {
        struct param_walk walk = {.binding = binding};
        if (api_label_selector_from_message(operation->arena, reference->selector, &walk.selector,
                                            NULL) < 0) {
            return "the selector of paramRef cannot be read";
        }
        struct cache_view *view = watch_cache_view(operation->registry->config.cache, kind);
        cache_view_each(view, namespace, slice_text(""), each_param, &walk);
        cache_view_free(view);
        found = walk.found;
    } else {
        return "one of name or selector must be provided";
    }
    return found == 0 && is(reference->parameter_not_found_action, "Deny")
               ? "no params found for policy binding with `Deny` parameterNotFoundAction"
               : NULL;
}

/* The kind of the parameters, with a reference that custom_kind_unref() takes back; or NULL. */
static const struct api_kind *kind_of_params(struct registry *registry,
                                             const Admissionregistration__V1__ParamKind *asked)
{
    const char *api_version = text_or_empty(asked->api_version), *name = text_or_empty(asked->kind);
    const struct api_kind *kind = api_kind_by_api_version(api_version, name);
    struct custom_kinds *custom = registry_custom_kinds(registry);
    const char *slash = strchr(api_version, '/');
    if (kind != NULL) {
        return kind->stored && kind->message != NULL && kind->stored_as == NULL ? kind : NULL;
    }
    if (custom == NULL || slash == NULL || slash - api_version > POLICY_GROUP_MAX) {
        return NULL;
    }
    char group[POLICY_GROUP_MAX + 1];
    memcpy(group, api_version, (size_t)(slash - api_version));
    group[slash - api_version] = 0;
    return custom_kinds_by_gvk(custom, group, slash + 1, name);
}

/* Runs the policy with parameters of this kind. NULL, or what is wrong with the binding. */
static const char *run_with_kind(struct binding_run *binding, const struct api_kind *kind)
{
    const char *namespace = text_or_empty(binding->spec->param_ref->namespace_);
    if (!kind->namespaced && namespace[0] != 0) {
        return "paramRef.namespace must not be provided for a cluster-scoped `paramKind`";
    }
    if (kind->namespaced && namespace[0] == 0) {
        namespace = admission_namespace(binding->run->admission);
        if (namespace[0] == 0) {
            return "cannot use namespaced paramRef in policy binding that matches cluster-scoped "
                   "resources";
        }
    }
    binding->param_kind = kind;
    return run_with_params(binding, kind, namespace);
}

/* NULL, or what is wrong with the binding. */
static const char *run_binding(struct binding_run *binding)
{
    struct admission *admission = binding->run->admission;
    const Admissionregistration__V1__ParamKind *asked = binding->policy->spec->param_kind;
    const Admissionregistration__V1__ParamRef *reference = binding->spec->param_ref;
    if (asked == NULL || reference == NULL) {
        run_with(binding, NULL);
        return NULL;
    }
    const struct api_kind *kind = kind_of_params(admission->operation->registry, asked);
    if (kind == NULL) {
        return "its parameters are of a kind that is gone"; /* Since knows_params(). */
    }
    const char *problem = run_with_kind(binding, kind);
    custom_kind_unref(kind);
    return problem;
}

/* --- Policies and their bindings --- */

/* False, with a refusal, when nobody knows the kind of the policy's parameters. */
static bool knows_params(struct policy_run *run, const struct policy *policy)
{
    const Admissionregistration__V1__ParamKind *asked = policy->spec->param_kind;
    struct arena *arena = run->admission->operation->arena;
    if (asked == NULL) {
        return true;
    }
    const struct api_kind *kind = kind_of_params(run->admission->operation->registry, asked);
    if (kind != NULL) {
        custom_kind_unref(kind);
        return true;
    }
    const char *api_version = text_or_empty(asked->api_version);
    if (!ignores_errors(policy)) {
        deny(run, arena_text(arena, cached_object_name(policy->object)), NULL,
             arena_printf(arena,
                          "failed to configure policy: failed to find resource referenced by "
                          "paramKind: '%s%s, Kind=%s'",
                          strchr(api_version, '/') == NULL ? "/" : "", api_version,
                          text_or_empty(asked->kind)),
             "");
    }
    return false;
}

struct binding_walk {
    struct policy_run *run;
    struct policy *policy;
    const struct api_kind *form;
};

static bool each_binding(void *data, const struct cached_object *object)
{
    struct binding_walk *walk = data;
    struct policy_run *run = walk->run;
    const Admissionregistration__V1__ValidatingAdmissionPolicyBinding *message =
        cached_object_message(object);
    const char *policy = cached_object_name(walk->policy->object);
    if (message == NULL || message->spec == NULL || !is(message->spec->policy_name, policy) ||
        !knows_params(run, walk->policy) ||
        admission_match_resources(run->admission, message->spec->match_resources) == NULL) {
        return true;
    }
    if (walk->policy->set == NULL) {
        compile(run->admission, walk->policy);
    }
    struct binding_run binding = {.run = run,
                                  .policy = walk->policy,
                                  .object = object,
                                  .spec = message->spec,
                                  .form = walk->form};
    const char *problem = run_binding(&binding);
    if (problem != NULL && !ignores_errors(walk->policy)) {
        struct arena *arena = run->admission->operation->arena;
        deny(run, arena_text(arena, policy), arena_text(arena, cached_object_name(object)),
             arena_printf(arena, "failed to configure binding: %s", problem), "");
    }
    return true;
}

static bool each_policy(void *data, const struct cached_object *object)
{
    struct policy_run *run = data;
    const Admissionregistration__V1__ValidatingAdmissionPolicy *message =
        cached_object_message(object);
    if (message == NULL || message->spec == NULL || message->spec->match_constraints == NULL) {
        return true;
    }
    struct policy policy = {.object = object, .spec = message->spec};
    struct binding_walk walk = {
        .run = run,
        .policy = &policy,
        .form = admission_match_resources(run->admission, message->spec->match_constraints)};
    const struct api_status *refusal =
        walk.form == NULL ? NULL : admission_review_prepare(run->admission, walk.form);
    if (refusal != NULL) {
        run->denial = run->denial == NULL ? refusal : run->denial;
    } else if (walk.form != NULL) {
        cache_view_each(run->bindings, "", slice_text(""), each_binding, &walk);
        publish_annotations(run, &policy);
        expression_set_unref(policy.set);
    }
    return true;
}

const struct api_status *admit_policies(struct admission *admission)
{
    const struct registry *registry = admission->operation->registry;
    struct watch_cache *cache = registry->config.cache;
    if (!admission_is_asked_about(admission)) {
        return NULL;
    }
    struct cache_view *policies = watch_cache_view(cache, registry->policy_kind);
    struct policy_run run = {.admission = admission};
    if (cache_view_count(policies) > 0) {
        run.bindings = watch_cache_view(cache, registry->policy_binding_kind);
        cache_view_each(policies, "", slice_text(""), each_policy, &run);
        cache_view_free(run.bindings);
    }
    cache_view_free(policies);
    return run.denial;
}
