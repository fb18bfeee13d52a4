/* Checks of what steers a pod to nodes: affinity, tolerations, spreading. */
#include "lib/api/rules/rules.h"

static const char REQUIRED[] = "requiredDuringSchedulingIgnoredDuringExecution";
static const char PREFERRED[] = "preferredDuringSchedulingIgnoredDuringExecution";
enum { WEIGHT_MAX = 100 };

/* --- Node affinity -----------------------------------------------------------------------------
 */

static void check_requirement(struct api_causes *causes, const struct api_path *at,
                              const Core__V1__NodeSelectorRequirement *requirement)
{
    struct api_path values = api_path_field(at, "values");
    const char *op = rules_text(requirement->operator_);
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
}

/* The only field that nodes are selected by is their name, one at a time. */
static void check_field(struct api_causes *causes, const struct api_path *at,
                        const Core__V1__NodeSelectorRequirement *requirement)
{
    static const char *const fields[] = {"metadata.name", NULL};
    struct api_path values = api_path_field(at, "values");
    if (!rules_is(requirement->operator_, "In") && !rules_is(requirement->operator_, "NotIn")) {
        rules_invalid(causes, at, "operator", api_shown_text(requirement->operator_),
                      "not a valid selector operator");
    } else if (requirement->n_values != 1) {
        api_cause_required(causes, &values,
                           "must be only one value when `operator` is 'In' or "
                           "'NotIn' for node field selector");
    }
    if (!rules_one_of(requirement->key, fields)) {
        rules_invalid(causes, at, "key", api_shown_text(requirement->key),
                      "not a valid field selector key");
    }
}

static void check_term(struct api_causes *causes, const struct api_path *at,
                       const Core__V1__NodeSelectorTerm *term)
{
    struct api_path expressions = api_path_field(at, "matchExpressions");
    struct api_path fields = api_path_field(at, "matchFields");
    if (term == NULL) {
        return;
    }
    for (size_t i = 0; i < term->n_match_expressions; i++) {
        struct api_path item = api_path_index(&expressions, i);
        check_requirement(causes, &item, term->match_expressions[i]);
    }
    for (size_t i = 0; i < term->n_match_fields; i++) {
        struct api_path item = api_path_index(&fields, i);
        check_field(causes, &item, term->match_fields[i]);
    }
}

static void check_weight(struct api_causes *causes, const struct api_path *at, int32_t weight)
{
    if (weight < 1 || weight > WEIGHT_MAX) {
        rules_invalid(causes, at, "weight", api_shown_int(weight), "must be in the range 1-100");
    }
}

static void check_node_affinity(struct api_causes *causes, const struct api_path *parent,
                                const Core__V1__NodeAffinity *affinity)
{
    struct api_path at = api_path_field(parent, "nodeAffinity");
    struct api_path required = api_path_field(&at, REQUIRED);
    struct api_path preferred = api_path_field(&at, PREFERRED);
    struct api_path terms = api_path_field(&required, "nodeSelectorTerms");
    const Core__V1__NodeSelector *selector =
        affinity->required_during_scheduling_ignored_during_execution;
    if (selector != NULL && selector->n_node_selector_terms == 0) {
        api_cause_required(causes, &terms, "must have at least one node selector term");
    }
    for (size_t i = 0; selector != NULL && i < selector->n_node_selector_terms; i++) {
        struct api_path item = api_path_index(&terms, i);
        check_term(causes, &item, selector->node_selector_terms[i]);
    }
    for (size_t i = 0; i < affinity->n_preferred_during_scheduling_ignored_during_execution; i++) {
        const Core__V1__PreferredSchedulingTerm *term =
            affinity->preferred_during_scheduling_ignored_during_execution[i];
        struct api_path item = api_path_index(&preferred, i);
        struct api_path preference = api_path_field(&item, "preference");
        check_weight(causes, &item, term->weight);
        check_term(causes, &preference, term->preference);
    }
}

/* --- Pod affinity ------------------------------------------------------------------------------
 */

static void check_pod_term(struct api_causes *causes, const struct api_path *at,
                           const Core__V1__PodAffinityTerm *term)
{
    struct api_path labels = api_path_field(at, "labelSelector");
    struct api_path spaces = api_path_field(at, "namespaceSelector");
    struct api_path names = api_path_field(at, "namespaces");
    struct api_path key = api_path_field(at, "topologyKey");
    if (term == NULL) {
        return;
    }
    rules_label_selector(causes, &labels, term->label_selector);
    rules_label_selector(causes, &spaces, term->namespace_selector);
    for (size_t i = 0; i < term->n_namespaces; i++) {
        const char *name = rules_text(term->namespaces[i]);
        rules_invalid_each(causes, &names, api_shown_text(name), api_syntax_dns1123_label(name));
    }
    if (rules_empty(term->topology_key)) {
        api_cause_required(causes, &key, "can not be empty");
    }
    rules_check_text(causes, at, "topologyKey", term->topology_key, api_syntax_qualified_name);
}

/* PodAffinity and PodAntiAffinity are one message under two names. */
static void check_pod_affinity(struct api_causes *causes, const struct api_path *at,
                               const Core__V1__PodAffinity *affinity)
{
    struct api_path required = api_path_field(at, REQUIRED);
    struct api_path preferred = api_path_field(at, PREFERRED);
    for (size_t i = 0; i < affinity->n_required_during_scheduling_ignored_during_execution; i++) {
        struct api_path item = api_path_index(&required, i);
        check_pod_term(causes, &item,
                       affinity->required_during_scheduling_ignored_during_execution[i]);
    }
    for (size_t i = 0; i < affinity->n_preferred_during_scheduling_ignored_during_execution; i++) {
        const Core__V1__WeightedPodAffinityTerm *term =
            affinity->preferred_during_scheduling_ignored_during_execution[i];
        struct api_path item = api_path_index(&preferred, i);
        struct api_path inner = api_path_field(&item, "podAffinityTerm");
        check_weight(causes, &item, term->weight);
        check_pod_term(causes, &inner, term->pod_affinity_term);
    }
}

void rules_check_affinity(struct api_causes *causes, const struct api_path *at,
                          const Core__V1__Affinity *affinity)
{
    _Static_assert(sizeof(Core__V1__PodAntiAffinity) == sizeof(Core__V1__PodAffinity),
                   "anti-affinity is affinity");
    struct api_path path = api_path_field(at, "affinity");
    struct api_path pods = api_path_field(&path, "podAffinity");
    struct api_path anti = api_path_field(&path, "podAntiAffinity");
    if (affinity == NULL) {
        return;
    }
    if (affinity->node_affinity != NULL) {
        check_node_affinity(causes, &path, affinity->node_affinity);
    }
    if (affinity->pod_affinity != NULL) {
        check_pod_affinity(causes, &pods, affinity->pod_affinity);
    }
    if (affinity->pod_anti_affinity != NULL) {
        check_pod_affinity(
            causes, &anti,
            (const Core__V1__PodAffinity *)(const void *)affinity->pod_anti_affinity);
    }
}

/* --- Tolerations -------------------------------------------------------------------------------
 */

void rules_check_tolerations(struct api_causes *causes, const struct api_path *at,
                             Core__V1__Toleration *const *tolerations, size_t count)
{
    static const char *const effects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute", NULL};
    static const char *const operators[] = {"Equal", "Exists", NULL};
    struct api_path list = api_path_field(at, "tolerations");
    for (size_t i = 0; i < count; i++) {
        const Core__V1__Toleration *toleration = tolerations[i];
        struct api_path item = api_path_index(&list, i);
        const char *op = rules_text(toleration->operator_);
        if (!rules_empty(toleration->key)) {
            rules_check_text(causes, &item, "key", toleration->key, api_syntax_qualified_name);
        } else if (strcmp(op, "Exists") != 0) {
            rules_invalid(causes, &item, "operator", api_shown_text(op),
                          "operator must be Exists when `key` is empty, which means \"match all "
                          "values and all keys\"");
        }
        if (toleration->has_toleration_seconds && !rules_is(toleration->effect, "NoExecute")) {
            rules_invalid(causes, &item, "effect", api_shown_text(toleration->effect),
                          "effect must be 'NoExecute' when `tolerationSeconds` is set");
        }
        if (*op == '\0' || strcmp(op, "Equal") == 0) {
            struct api_syntax syntax = api_syntax_label_value(rules_text(toleration->value));
            if (syntax.count > 0) {
                rules_invalid(causes, &item, "operator", api_shown_text(toleration->value),
                              syntax.messages[0]);
            }
        } else if (strcmp(op, "Exists") == 0) {
            if (!rules_empty(toleration->value)) {
                rules_invalid(causes, &item, "operator", api_shown_text(toleration->value),
                              "value must be empty when `operator` is 'Exists'");
            }
        } else {
            rules_not_supported(causes, &item, "operator", op, operators);
        }
        if (!rules_empty(toleration->effect) && !rules_one_of(toleration->effect, effects)) {
            rules_not_supported(causes, &item, "effect", toleration->effect, effects);
        }
    }
}

/* --- Spreading ---------------------------------------------------------------------------------
 */

void rules_check_spread(struct api_causes *causes, const struct api_path *at,
                        const Core__V1__PodSpec *spec)
{
    static const char *const actions[] = {"DoNotSchedule", "ScheduleAnyway", NULL};
    static const char *const policies[] = {"Honor", "Ignore", NULL};
    struct api_path list = api_path_field(at, "topologySpreadConstraints");
    for (size_t i = 0; i < spec->n_topology_spread_constraints; i++) {
        const Core__V1__TopologySpreadConstraint *rule = spec->topology_spread_constraints[i];
        struct api_path item = api_path_index(&list, i);
        struct api_path labels = api_path_field(&item, "labelSelector");
        if (rule->max_skew <= 0) {
            rules_invalid(causes, &item, "maxSkew", api_shown_int(rule->max_skew),
                          "must be greater than zero");
        }
        if (rules_empty(rule->topology_key)) {
            rules_required(causes, &item, "topologyKey", "can not be empty");
        }
        if (!rules_one_of(rule->when_unsatisfiable, actions)) {
            rules_not_supported(causes, &item, "whenUnsatisfiable", rule->when_unsatisfiable,
                                actions);
        }
        if (rule->has_min_domains) {
            if (rule->min_domains <= 0) {
                rules_invalid(causes, &item, "minDomains", api_shown_int(rule->min_domains),
                              "must be greater than zero");
            }
            if (!rules_is(rule->when_unsatisfiable, "DoNotSchedule")) {
                rules_invalid(causes, &item, "minDomains", api_shown_int(rule->min_domains),
                              "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not "
                              "ScheduleAnyway");
            }
        }
        if (rule->node_affinity_policy != NULL &&
            !rules_one_of(rule->node_affinity_policy, policies)) {
            rules_not_supported(causes, &item, "nodeAffinityPolicy", rule->node_affinity_policy,
                                policies);
        }
        if (rule->node_taints_policy != NULL && !rules_one_of(rule->node_taints_policy, policies)) {
            rules_not_supported(causes, &item, "nodeTaintsPolicy", rule->node_taints_policy,
                                policies);
        }
        rules_label_selector(causes, &labels, rule->label_selector);
    }
}
