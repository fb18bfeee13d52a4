/* Rules of what steers a pod to nodes: affinity, tolerations, spreading. */
#include "lib/api/rules/rules.h"
#include "lib/base/name_index.h"

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
        const char *wrong = "";
        for (size_t i = 0; i < syntax.count; i++) {
            wrong =
                arena_printf(causes->arena, "%s%s%s", wrong, i == 0 ? "" : ";", syntax.messages[i]);
        }
        if (syntax.count > 0) {
            rules_invalid(causes, frame->at, "operator", value, wrong);
        }
    } else if (rules_is(toleration->operator_, "Exists") && !rules_empty(toleration->value)) {
        rules_invalid(causes, frame->at, "operator", value,
                      "value must be empty when `operator` is 'Exists'");
    }
    return true;
}

/* --- Affinity to pods --------------------------------------------------------------------------
 */

static void check_label_keys(struct api_causes *causes, const struct api_path *list, char **keys,
                             size_t count, bool selects)
{
    if (count > 0 && !selects) {
        api_cause_forbidden(causes, list, "must not be specified when labelSelector is not set");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct api_path at = api_path_index(list, i);
        rules_invalid_each(causes, &at, api_shown_text(keys[i]),
                           api_syntax_qualified_name(keys[i]));
    }
}

/* Keys and where each stands last. Nothing bounds how many there are but the size of a request. */
struct key_places {
    struct text_set keys;
    size_t *last; /* By the keys' places in the set. */
    size_t capacity;
};

static void add_key(struct key_places *places, const char *key, size_t place)
{
    size_t count = places->keys.count;
    if (text_set_add(&places->keys, key)) {
        places->last = arena_array_room(places->keys.arena, places->last, count,
                                        sizeof(*places->last), &places->capacity);
    }
    places->last[text_set_place(&places->keys, key)] = place;
}

static struct key_places places_of(struct arena *arena, char *const *keys, size_t count)
{
    struct key_places places = {.keys.arena = arena};
    for (size_t i = 0; i < count; i++) {
        add_key(&places, text_or_empty(keys[i]), i);
    }
    return places;
}

/* Whether it is there, and then where. */
static bool find_key(const struct key_places *places, const char *key, size_t *ret_place)
{
    size_t at = text_set_place(&places->keys, key);
    bool there = at < places->keys.count;
    *ret_place = there ? places->last[at] : 0;
    return there;
}

/* Keys that the selector has twice. Of a pod, whose selector has got those of matchLabelKeys before
 * it is checked (rules_prepare_pod), that is each which was there already; of a template, each of
 * matchLabelKeys that its own expressions repeat. */
static void check_repeated(struct api_causes *causes, const struct api_path *term_at,
                           const Core__V1__PodAffinityTerm *term)
{
    const Meta__V1__LabelSelector *selector = term->label_selector;
    struct text_set seen = {.arena = causes->arena};
    struct key_places keys =
        places_of(causes->arena, term->match_label_keys, term->n_match_label_keys);
    for (size_t i = 0; i < selector->n_match_labels; i++) {
        (void)text_set_add(&seen, text_or_empty(selector->match_labels[i]->key));
    }
    for (size_t i = 0; i < selector->n_match_expressions && !api_causes_full(causes); i++) {
        const char *key = text_or_empty(selector->match_expressions[i]->key);
        size_t place = 0;
        if (!text_set_add(&seen, key) && find_key(&keys, key, &place)) {
            struct api_path at = api_path_index(term_at, place); /* So v1.32 has it. */
            api_cause_invalid(causes, &at, api_shown_text(key),
                              "exists in both matchLabelKeys and labelSelector");
        }
    }
}

bool rules_affinity_keys(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__PodAffinityTerm *term = frame->message;
    bool selects = term->label_selector != NULL;
    struct api_path match = api_path_field(frame->at, "matchLabelKeys");
    struct api_path mismatch = api_path_field(frame->at, "mismatchLabelKeys");
    check_label_keys(causes, &match, term->match_label_keys, term->n_match_label_keys, selects);
    check_label_keys(causes, &mismatch, term->mismatch_label_keys, term->n_mismatch_label_keys,
                     selects);
    if (selects) {
        check_repeated(causes, frame->at, term);
    }
    struct text_set others = {.arena = causes->arena};
    for (size_t i = 0; i < term->n_mismatch_label_keys; i++) {
        (void)text_set_add(&others, text_or_empty(term->mismatch_label_keys[i]));
    }
    for (size_t i = 0; i < term->n_match_label_keys && !api_causes_full(causes); i++) {
        const char *key = text_or_empty(term->match_label_keys[i]);
        if (text_set_has(&others, key)) {
            struct api_path at = api_path_index(&match, i);
            api_cause_invalid(causes, &at, api_shown_text(key),
                              "exists in both matchLabelKeys and mismatchLabelKeys");
        }
    }
    return true;
}

/* The labels of a pod, which are looked through once. */
struct own_labels {
    struct api_string_map map;
    struct key_places places;
};

static void select_by_own(struct arena *arena, Meta__V1__LabelSelector *selector,
                          struct own_labels *own, char **keys, size_t count, const char *operator)
{
    if (count > 0 && own->places.keys.count == 0) {
        for (size_t i = 0; i < own->map.count; i++) {
            add_key(&own->places, api_string_map_key(own->map, i), i);
        }
    }
    Meta__V1__LabelSelectorRequirement **grown =
        arena_array(arena, selector->n_match_expressions + count, sizeof(*grown));
    if (selector->n_match_expressions > 0) {
        memcpy(grown, selector->match_expressions, selector->n_match_expressions * sizeof(*grown));
    }
    for (size_t i = 0; i < count; i++) {
        size_t place = 0;
        if (!find_key(&own->places, text_or_empty(keys[i]), &place)) {
            continue;
        }
        Meta__V1__LabelSelectorRequirement *requirement =
            rules_new(arena, "k8s.io.apimachinery.pkg.apis.meta.v1.LabelSelectorRequirement");
        requirement->key = keys[i];
        requirement->operator_ = arena_text(arena, operator);
        requirement->values = arena_array(arena, 1, sizeof(char *));
        requirement->values[0] = arena_text(arena, api_string_map_value(own->map, place));
        requirement->n_values = 1;
        grown[selector->n_match_expressions++] = requirement;
    }
    selector->match_expressions = grown;
}

static void apply_label_keys(struct arena *arena, struct own_labels *own,
                             Core__V1__PodAffinityTerm *term)
{
    if (term == NULL || term->label_selector == NULL) {
        return; /* It selects nothing, whatever else is asked of them. */
    }
    select_by_own(arena, term->label_selector, own, term->match_label_keys,
                  term->n_match_label_keys, "In");
    select_by_own(arena, term->label_selector, own, term->mismatch_label_keys,
                  term->n_mismatch_label_keys, "NotIn");
}

void rules_apply_label_keys(struct arena *arena, Core__V1__Pod *pod)
{
    const Core__V1__Affinity *affinity = pod->spec->affinity;
    const Core__V1__PodAffinity *with = affinity == NULL ? NULL : affinity->pod_affinity;
    const Core__V1__PodAntiAffinity *away = affinity == NULL ? NULL : affinity->pod_anti_affinity;
    size_t preferred =
        with == NULL ? 0 : with->n_preferred_during_scheduling_ignored_during_execution;
    size_t required =
        with == NULL ? 0 : with->n_required_during_scheduling_ignored_during_execution;
    struct own_labels own = {
        .map = API_STRING_MAP(pod->metadata->labels, pod->metadata->n_labels),
        .places.keys.arena = arena,
    };
    for (size_t i = 0; i < preferred; i++) {
        apply_label_keys(
            arena, &own,
            with->preferred_during_scheduling_ignored_during_execution[i]->pod_affinity_term);
    }
    for (size_t i = 0; i < required; i++) {
        apply_label_keys(arena, &own, with->required_during_scheduling_ignored_during_execution[i]);
    }
    preferred = away == NULL ? 0 : away->n_preferred_during_scheduling_ignored_during_execution;
    required = away == NULL ? 0 : away->n_required_during_scheduling_ignored_during_execution;
    for (size_t i = 0; i < preferred; i++) {
        apply_label_keys(
            arena, &own,
            away->preferred_during_scheduling_ignored_during_execution[i]->pod_affinity_term);
    }
    for (size_t i = 0; i < required; i++) {
        apply_label_keys(arena, &own, away->required_during_scheduling_ignored_during_execution[i]);
    }
}

/* --- Spreading ---------------------------------------------------------------------------------
 */

bool rules_spread_domains(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__TopologySpreadConstraint *constraint = frame->message;
    if (constraint->has_min_domains && !rules_is(constraint->when_unsatisfiable, "DoNotSchedule")) {
        rules_invalid(causes, frame->at, "minDomains", api_shown_int(constraint->min_domains),
                      arena_printf(causes->arena,
                                   "can only use minDomains if whenUnsatisfiable=DoNotSchedule, "
                                   "not %s",
                                   text_or_empty(constraint->when_unsatisfiable)));
    }
    return true;
}

/* What a selector, or none, asks of labels: their keys. */
static struct text_set keys_of(struct arena *arena, const Meta__V1__LabelSelector *selector)
{
    struct text_set keys = {.arena = arena};
    for (size_t i = 0; selector != NULL && i < selector->n_match_labels; i++) {
        (void)text_set_add(&keys, text_or_empty(selector->match_labels[i]->key));
    }
    for (size_t i = 0; selector != NULL && i < selector->n_match_expressions; i++) {
        (void)text_set_add(&keys, text_or_empty(selector->match_expressions[i]->key));
    }
    return keys;
}

bool rules_spread_keys(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__TopologySpreadConstraint *constraint = frame->message;
    struct api_path list = api_path_field(frame->at, "matchLabelKeys");
    if (constraint->n_match_label_keys > 0 && constraint->label_selector == NULL) {
        api_cause_forbidden(causes, &list, "must not be specified when labelSelector is not set");
    }
    struct text_set selected = keys_of(
        causes->arena, constraint->n_match_label_keys == 0 ? NULL : constraint->label_selector);
    for (size_t i = 0; i < constraint->n_match_label_keys && !api_causes_full(causes); i++) {
        const char *key = text_or_empty(constraint->match_label_keys[i]);
        struct api_path at = api_path_index(&list, i);
        rules_invalid_each(causes, &at, api_shown_text(key), api_syntax_qualified_name(key));
        if (text_set_has(&selected, key)) {
            api_cause_invalid(causes, &at, api_shown_text(key),
                              "exists in both matchLabelKeys and labelSelector");
        }
    }
    return true;
}

static const char *spread_text(struct arena *arena,
                               const Core__V1__TopologySpreadConstraint *constraint)
{
    return arena_printf(arena, "{%s, %s}", text_or_empty(constraint->topology_key),
                        text_or_empty(constraint->when_unsatisfiable));
}

/* Of the constraints of a pod, counted from the last. */
static const char *spread_from_behind(struct arena *arena, const void *list, const void *of,
                                      size_t index)
{
    const Core__V1__TopologySpreadConstraint *const *constraints = list;
    const Core__V1__PodSpec *spec = of;
    return spread_text(arena, constraints[spec->n_topology_spread_constraints - 1 - index]);
}

/* Two constraints about the same places, in the same way: said of the first of them. */
bool rules_spread_twice(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__TopologySpreadConstraint *constraint = frame->message;
    const Core__V1__PodSpec *spec = frame->parent->message;
    size_t behind = spec->n_topology_spread_constraints - 1 - frame->index;
    if (api_seen_before(causes, spread_from_behind, spec->topology_spread_constraints, spec,
                        behind)) {
        struct api_path at = api_path_field(frame->at, "{topologyKey, whenUnsatisfiable}");
        api_cause_duplicate(causes, &at, api_shown_text(spread_text(causes->arena, constraint)));
    }
    return true;
}
