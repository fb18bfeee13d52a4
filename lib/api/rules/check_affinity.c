/* Rules of what steers a pod to nodes: affinity, tolerations, spreading. */
#include "lib/api/rules/rules.h"

/* --- Node affinity -----------------------------------------------------------------------------
 */

static bool check_expression(struct api_causes *causes, const struct api_path *at,
                             const Core__V1__NodeSelectorRequirement *requirement)
{
    struct api_path values = api_path_field(at, "values");
    const char *op = text_or_empty(requirement->operator_);
    size_t count = requirement->n_values;
    if (strcmp(op, "In") == 0 || strcmp(op, "NotIn") == 0) {
        if (count == 0) {
            api_cause_required(causes, &values,
                               "must be specified when `operator` is 'In' or 'NotIn'");
        }
    } else if (strcmp(op, "Exists") == 0 || strcmp(op, "DoesNotExist") == 0) {
        if (count > 0) {
            api_cause_forbidden(
                causes, &values,
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
        }
    } else if (strcmp(op, "Gt") == 0 || strcmp(op, "Lt") == 0) {
        if (count != 1) {
            api_cause_required(causes, &values,
                               "must be specified single value when `operator` is 'Lt' or 'Gt'");
        }
    } else {
        rules_invalid(causes, at, "operator", api_shown_text(op), "not a valid selector operator");
    }
    rules_check_text(causes, at, "key", requirement->key, api_syntax_qualified_name);
    return false;
}

/* The only field that nodes are selected by is their name, one at a time. */
static bool check_field(struct api_causes *causes, const struct api_path *at,
                        const Core__V1__NodeSelectorRequirement *requirement)
{
    struct api_path values = api_path_field(at, "values");
    if (!rules_is(requirement->operator_, "In") && !rules_is(requirement->operator_, "NotIn")) {
        rules_invalid(causes, at, "operator", api_shown_text(requirement->operator_),
                      "not a valid selector operator");
    } else if (requirement->n_values != 1) {
        api_cause_required(causes, &values,
                           "must be only one value when `operator` is 'In' or "
                           "'NotIn' for node field selector");
    }
    if (!rules_is(requirement->key, "metadata.name")) {
        rules_invalid(causes, at, "key", api_shown_text(requirement->key),
                      "not a valid field selector key");
        return false;
    }
    for (size_t i = 0; i < requirement->n_values; i++) {
        const char *value = text_or_empty(requirement->values[i]);
        struct api_path item = api_path_index(&values, i);
        rules_invalid_each(causes, &item, api_shown_text(value),
                           api_syntax_dns1123_subdomain(value));
    }
    return false;
}

/* One message serves labels and fields, with rules of their own. */
bool rules_node_requirement(struct api_causes *causes, const struct api_frame *frame)
{
    bool field = frame->via != NULL && strcmp(frame->via->name, "matchFields") == 0;
    return field ? check_field(causes, frame->at, frame->message)
                 : check_expression(causes, frame->at, frame->message);
}

/* --- Tolerations -------------------------------------------------------------------------------
 */

bool rules_toleration_key(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__Toleration *toleration = frame->message;
    if (rules_empty(toleration->key) && !rules_is(toleration->operator_, "Exists")) {
        rules_invalid(causes, frame->at, "operator", api_shown_text(toleration->operator_),
                      "operator must be Exists when `key` is empty, which means \"match all "
                      "values and all keys\"");
    }
    if (toleration->has_toleration_seconds && !rules_is(toleration->effect, "NoExecute")) {
        rules_invalid(causes, frame->at, "effect", api_shown_text(toleration->effect),
                      "effect must be 'NoExecute' when `tolerationSeconds` is set");
    }
    return true;
}

/* What is wrong with the value is said of the operator: so v1.32 has it. */
bool rules_toleration_value(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__Toleration *toleration = frame->message;
    struct api_shown value = api_shown_text(toleration->value);
    if (rules_empty(toleration->operator_) || rules_is(toleration->operator_, "Equal")) {
        struct api_syntax syntax = api_syntax_label_value(text_or_empty(toleration->value));
        if (syntax.count > 0) {
            rules_invalid(causes, frame->at, "operator", value, syntax.messages[0]);
        }
    } else if (rules_is(toleration->operator_, "Exists") && !rules_empty(toleration->value)) {
        rules_invalid(causes, frame->at, "operator", value,
                      "value must be empty when `operator` is 'Exists'");
    }
    return true;
}

/* --- Spreading ---------------------------------------------------------------------------------
 */

bool rules_spread_domains(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__TopologySpreadConstraint *constraint = frame->message;
    if (constraint->has_min_domains && !rules_is(constraint->when_unsatisfiable, "DoNotSchedule")) {
        rules_invalid(causes, frame->at, "minDomains", api_shown_int(constraint->min_domains),
                      "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not "
                      "ScheduleAnyway");
    }
    return true;
}

static bool selects_by(const Meta__V1__LabelSelector *selector, const char *key)
{
    for (size_t i = 0; i < selector->n_match_labels; i++) {
        if (rules_is(selector->match_labels[i]->key, key)) {
            return true;
        }
    }
    for (size_t i = 0; i < selector->n_match_expressions; i++) {
        if (rules_is(selector->match_expressions[i]->key, key)) {
            return true;
        }
    }
    return false;
}

bool rules_spread_keys(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__TopologySpreadConstraint *constraint = frame->message;
    struct api_path list = api_path_field(frame->at, "matchLabelKeys");
    if (constraint->n_match_label_keys > 0 && constraint->label_selector == NULL) {
        api_cause_forbidden(causes, &list, "must not be specified when labelSelector is not set");
    }
    for (size_t i = 0; i < constraint->n_match_label_keys; i++) {
        const char *key = text_or_empty(constraint->match_label_keys[i]);
        struct api_path at = api_path_index(&list, i);
        rules_invalid_each(causes, &at, api_shown_text(key), api_syntax_qualified_name(key));
        if (constraint->label_selector != NULL && selects_by(constraint->label_selector, key)) {
            api_cause_invalid(causes, &at, api_shown_text(key),
                              "exists in both matchLabelKeys and labelSelector");
        }
    }
    return true;
}

/* Two constraints about the same places, in the same way. */
bool rules_spread_twice(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__TopologySpreadConstraint *constraint = frame->message;
    const Core__V1__PodSpec *spec = frame->parent->message;
    const char *key = text_or_empty(constraint->topology_key);
    const char *when = text_or_empty(constraint->when_unsatisfiable);
    for (size_t i = 0; i < frame->index; i++) {
        const Core__V1__TopologySpreadConstraint *other = spec->topology_spread_constraints[i];
        if (rules_is(other->topology_key, key) && rules_is(other->when_unsatisfiable, when)) {
            struct api_path at = api_path_field(frame->at, "{topologyKey, whenUnsatisfiable}");
            api_cause_duplicate(causes, &at,
                                api_shown_text(arena_printf(causes->arena, "{%s, %s}", key, when)));
            break;
        }
    }
    return true;
}
