/* Rules of ResourceQuota and LimitRange. */
#include "lib/api/limits.h"
#include "lib/api/quantity.h"
#include "lib/api/rules/default_hooks.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"
#include "lib/base/name_index.h"

enum { NANOS = 1000000000 };

static const char *const COMPUTE[] = {
    "cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory", NULL};
static const char *const STANDARD[] = {"cpu",
                                       "memory",
                                       "ephemeral-storage",
                                       "requests.cpu",
                                       "requests.memory",
                                       "requests.storage",
                                       "requests.ephemeral-storage",
                                       "limits.cpu",
                                       "limits.memory",
                                       "limits.ephemeral-storage",
                                       "pods",
                                       "resourcequotas",
                                       "services",
                                       "replicationcontrollers",
                                       "secrets",
                                       "persistentvolumeclaims",
                                       "configmaps",
                                       "services.nodeports",
                                       "services.loadbalancers",
                                       NULL};
static const char *const COUNTED[] = {"pods",
                                      "resourcequotas",
                                      "services",
                                      "replicationcontrollers",
                                      "secrets",
                                      "persistentvolumeclaims",
                                      "configmaps",
                                      "services.nodeports",
                                      "services.loadbalancers",
                                      NULL};
static const char *const SCOPES[] = {"Terminating",
                                     "NotTerminating",
                                     "BestEffort",
                                     "NotBestEffort",
                                     "PriorityClass",
                                     "CrossNamespacePodAffinity",
                                     NULL};

/* --- Amounts -----------------------------------------------------------------------------------
 */

bool rules_resource_is_counted(struct arena *arena, const char *name)
{
    return rules_one_of(name, COUNTED) || rules_resource_is_extended(arena, name);
}

/* Whether it is one of those that quotas know, which have no prefix. */
static bool is_standard(const char *name)
{
    return rules_one_of(name, STANDARD) || strncmp(name, "hugepages-", strlen("hugepages-")) == 0 ||
           strncmp(name, "requests.hugepages-", strlen("requests.hugepages-")) == 0;
}

bool rules_check_resource_name(struct api_causes *causes, const struct api_path *at,
                               const char *name)
{
    struct api_syntax syntax = api_syntax_qualified_name(name);
    bool standard = is_standard(name);
    rules_invalid_each(causes, at, api_shown_raw(name), syntax);
    if (syntax.count == 0 && strchr(name, '/') == NULL && !standard && !rules_is("storage", name)) {
        api_cause_invalid(causes, at, api_shown_raw(name),
                          "must be a standard resource type or fully qualified");
    }
    return standard;
}

static void check_quota_name(struct api_causes *causes, const struct api_path *at, const char *name)
{
    if (!rules_check_resource_name(causes, at, name) && strchr(name, '/') == NULL) {
        api_cause_invalid(causes, at, api_shown_raw(name), "must be a standard resource for quota");
    }
}

static void check_amounts(struct api_causes *causes, const struct api_path *parent,
                          const char *member, struct rules_quantities map)
{
    struct api_path list = api_path_field(parent, member);
    for (size_t i = 0; i < map.count; i++) {
        struct api_path at = api_path_key(&list, rules_quantity_key(map, i));
        check_quota_name(causes, &at, rules_quantity_key(map, i));
        rules_check_resource_amount(causes, &at, rules_quantity_key(map, i),
                                    rules_quantity_at(map, i));
    }
}

/* --- Scopes ------------------------------------------------------------------------------------
 */

static bool scope_fits(const char *scope, const char *resource)
{
    return strcmp(resource, "pods") == 0 ||
           (strcmp(scope, "BestEffort") != 0 && rules_one_of(resource, COMPUTE));
}

/* Those of the amounts that scopes have to fit: there may be as many scopes as amounts. */
static struct rules_quantities standard_amounts(struct arena *arena, struct rules_quantities map)
{
    void **entries = arena_array(arena, map.count, sizeof(*entries));
    struct rules_quantities standard = {.entries = entries};
    for (size_t i = 0; i < map.count; i++) {
        if (is_standard(rules_quantity_key(map, i))) {
            entries[standard.count++] = map.entries[i];
        }
    }
    return standard;
}

/* Once for each resource that pods do not have. Of a scope that there is not, nobody knows what it
 * does not fit. */
static void check_scope_fits(struct api_causes *causes, const struct api_path *at,
                             struct api_shown shown, const char *scope,
                             struct rules_quantities standard)
{
    bool known = rules_one_of(scope, SCOPES);
    for (size_t i = 0; known && i < standard.count && !api_causes_full(causes); i++) {
        if (!scope_fits(scope, rules_quantity_key(standard, i))) {
            api_cause_invalid(causes, at, shown, "unsupported scope applied to resource");
        }
    }
}

/* Which of the scopes that exclude each other were met. */
struct scopes_met {
    bool best, not_best, ending, not_ending;
};

static void meet(struct scopes_met *met, const char *scope)
{
    met->best = met->best || strcmp(scope, "BestEffort") == 0;
    met->not_best = met->not_best || strcmp(scope, "NotBestEffort") == 0;
    met->ending = met->ending || strcmp(scope, "Terminating") == 0;
    met->not_ending = met->not_ending || strcmp(scope, "NotTerminating") == 0;
}

static void check_conflicts(struct api_causes *causes, const struct api_path *at,
                            const struct scopes_met *met, const Core__V1__ResourceQuotaSpec *spec)
{
    const bool conflicts[] = {met->best && met->not_best, met->ending && met->not_ending};
    struct api_shown shown = api_shown_typed_texts(causes->arena, "core.ResourceQuotaScope",
                                                   spec->scopes, spec->n_scopes);
    for (size_t i = 0; i < ARRAY_LEN(conflicts); i++) {
        if (conflicts[i]) {
            api_cause_invalid(causes, at, shown, "conflicting scopes");
        }
    }
}

static void check_scopes(struct api_causes *causes, const struct api_path *parent,
                         const Core__V1__ResourceQuotaSpec *spec)
{
    struct api_shown shown = api_shown_typed_texts(causes->arena, "core.ResourceQuotaScope",
                                                   spec->scopes, spec->n_scopes);
    struct api_path at = api_path_field(parent, "scopes");
    struct rules_quantities standard =
        standard_amounts(causes->arena, RULES_QUANTITIES(spec, hard));
    struct scopes_met met = {.best = false};
    for (size_t i = 0; i < spec->n_scopes; i++) {
        const char *scope = text_or_empty(spec->scopes[i]);
        if (!rules_one_of(scope, SCOPES)) {
            api_cause_invalid(causes, &at, shown, "unsupported scope");
        }
        check_scope_fits(causes, &at, shown, scope, standard);
        meet(&met, scope);
    }
    check_conflicts(causes, &at, &met, spec);
}

static void check_scope_operator(struct api_causes *causes, const struct api_path *at,
                                 const Core__V1__ScopedResourceSelectorRequirement *item)
{
    const char *op = text_or_empty(item->operator_);
    if (strcmp(op, "In") == 0 || strcmp(op, "NotIn") == 0) {
        if (item->n_values == 0) {
            rules_required(causes, at, "values",
                           "must be at least one value when `operator` is 'In' or 'NotIn' for "
                           "scope selector");
        }
    } else if (strcmp(op, "Exists") == 0 || strcmp(op, "DoesNotExist") == 0) {
        if (item->n_values > 0) {
            rules_invalid(causes, at, "values",
                          api_shown_texts(causes->arena, item->values, item->n_values),
                          "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope "
                          "selector");
        }
    } else {
        rules_invalid(causes, at, "operator", api_shown_text(op), "not a valid selector operator");
    }
}

static struct api_shown shown_selector(struct arena *arena, const Core__V1__ScopeSelector *selector)
{
    static const char type[] = "core.ScopedResourceSelectorRequirement";
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, API_SHOWN_MAX);
    buffer_printf(&out, "core.ScopeSelector{MatchExpressions:[]%s{", type);
    for (size_t i = 0; i < selector->n_match_expressions; i++) {
        const Core__V1__ScopedResourceSelectorRequirement *item = selector->match_expressions[i];
        buffer_printf(&out, "%s%s{ScopeName:", i == 0 ? "" : ", ", type);
        api_print_quoted(text_or_empty(item->scope_name), &out);
        buffer_append_text(&out, ", Operator:");
        api_print_quoted(text_or_empty(item->operator_), &out);
        buffer_printf(&out, ", Values:%s}",
                      api_shown_texts(arena, item->values, item->n_values).text);
    }
    buffer_append_text(&out, "}}");
    return api_shown_raw(arena_text_n(arena, buffer_text(&out), out.len));
}

/* Paths name the list, not the item: so v1.32 has it. */
static void check_selector(struct api_causes *causes, const struct api_path *spec_at,
                           const Core__V1__ResourceQuotaSpec *spec)
{
    struct api_path selector = api_path_field(spec_at, "scopeSelector");
    struct api_path at = api_path_field(&selector, "matchExpressions");
    struct api_shown shown = shown_selector(causes->arena, spec->scope_selector);
    struct rules_quantities standard =
        standard_amounts(causes->arena, RULES_QUANTITIES(spec, hard));
    struct scopes_met met = {.best = false};
    for (size_t i = 0; i < spec->scope_selector->n_match_expressions; i++) {
        const Core__V1__ScopedResourceSelectorRequirement *item =
            spec->scope_selector->match_expressions[i];
        const char *scope = text_or_empty(item->scope_name);
        bool known = rules_one_of(scope, SCOPES);
        if (!known) {
            rules_invalid(causes, &at, "scopeName", api_shown_text(scope), "unsupported scope");
        }
        check_scope_fits(causes, &at, shown, scope, standard);
        if (known && strcmp(scope, "PriorityClass") != 0 && !rules_is(item->operator_, "Exists")) {
            rules_invalid(causes, &at, "operator", api_shown_text(item->operator_),
                          "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, "
                          "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
                          "ResourceQuotaScopeNotBestEffort or "
                          "ResourceQuotaScopeCrossNamespacePodAffinity");
        }
        check_scope_operator(causes, &at, item);
        meet(&met, scope);
    }
    check_conflicts(causes, &at, &met, spec);
}

bool rules_quota(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ResourceQuotaSpec *spec = frame->message;
    check_amounts(causes, frame->at, "hard", RULES_QUANTITIES(spec, hard));
    check_scopes(causes, frame->at, spec);
    if (spec->scope_selector != NULL) {
        check_selector(causes, frame->at, spec);
    }
    return true;
}

static bool has_all(struct arena *arena, const Core__V1__ResourceQuotaSpec *spec,
                    const Core__V1__ResourceQuotaSpec *of)
{
    struct text_set scopes = {.arena = arena};
    for (size_t i = 0; i < spec->n_scopes; i++) {
        (void)text_set_add(&scopes, text_or_empty(spec->scopes[i]));
    }
    size_t had = 0;
    while (had < of->n_scopes && text_set_has(&scopes, text_or_empty(of->scopes[had]))) {
        had++;
    }
    return had == of->n_scopes;
}

/* Another order of the scopes is no change. */
void rules_update_quota(struct api_causes *causes, const void *before, const void *after)
{
    const Core__V1__ResourceQuotaSpec *old_spec = ((const Core__V1__ResourceQuota *)before)->spec;
    const Core__V1__ResourceQuotaSpec *spec = ((const Core__V1__ResourceQuota *)after)->spec;
    struct api_path at = api_path_field(NULL, "spec");
    if (!has_all(causes->arena, spec, old_spec) || !has_all(causes->arena, old_spec, spec)) {
        rules_invalid(causes, &at, "scopes",
                      api_shown_typed_texts(causes->arena, "core.ResourceQuotaScope", spec->scopes,
                                            spec->n_scopes),
                      "field is immutable");
    }
}

bool rules_quota_status(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__ResourceQuotaStatus *status = frame->message;
    check_amounts(causes, frame->at, "hard", RULES_QUANTITIES(status, hard));
    check_amounts(causes, frame->at, "used", RULES_QUANTITIES(status, used));
    return true;
}

/* --- LimitRange --------------------------------------------------------------------------------
 */

/* A pair of amounts of which the first must not be above the second. */
struct order {
    struct rules_quantities low, high;
    const char *at, *low_name, *high_name;
    bool shows_high;
};

static void check_order(struct api_causes *causes, const struct api_path *item,
                        const char *resource, const struct order *order)
{
    const Quantity__Quantity *low = rules_quantity_get(order->low, resource);
    const Quantity__Quantity *high = rules_quantity_get(order->high, resource);
    if (low == NULL || high == NULL ||
        quantity_compare(quantity_read(low), quantity_read(high)) <= 0) {
        return;
    }
    struct arena *arena = causes->arena;
    struct api_path list = api_path_field(item, order->at);
    struct api_path at = api_path_key(&list, resource);
    const char *left = rules_quantity_text(arena, low);
    const char *right = rules_quantity_text(arena, high);
    api_cause_invalid(causes, &at, api_shown_quantity(arena, order->shows_high ? right : left),
                      arena_printf(arena, "%s value %s is greater than %s value %s",
                                   order->low_name, left, order->high_name, right));
}

/* All that an item says of resources, in the order in which they are looked at. */
enum limit_map { MAX, MIN, DEFAULT, DEFAULT_REQUEST, RATIO, LIMIT_MAPS };

static void check_limits_of(struct api_causes *causes, const struct api_path *item,
                            const char *resource, const struct rules_quantities *maps)
{
    static const char request_name[] = "default request";
    const struct order orders[] = {
        {maps[MIN], maps[MAX], "min", "min", "max", false},
        {maps[MIN], maps[DEFAULT_REQUEST], "defaultRequest", "min", request_name, true},
        {maps[DEFAULT_REQUEST], maps[MAX], "defaultRequest", request_name, "max", false},
        {maps[DEFAULT_REQUEST], maps[DEFAULT], "defaultRequest", request_name, "default limit",
         false},
        {maps[MIN], maps[DEFAULT], "default", "min", "default", false},
        {maps[DEFAULT], maps[MAX], "default", "default", "max", true}};
    for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
        check_order(causes, item, resource, &orders[i]);
    }
    const Quantity__Quantity *ratio = rules_quantity_get(maps[RATIO], resource);
    if (ratio != NULL &&
        quantity_compare(quantity_read(ratio), quantity_of(1, QUANTITY_DECIMAL_SI)) < 0) {
        struct api_path list = api_path_field(item, "maxLimitRequestRatio");
        struct api_path at = api_path_key(&list, resource);
        const char *text = rules_quantity_text(causes->arena, ratio);
        api_cause_invalid(causes, &at, api_shown_quantity(causes->arena, text),
                          arena_printf(causes->arena, "ratio %s is less than 1", text));
    }
}

/* The ratio that the bounds themselves allow. */
static void check_ratio(struct api_causes *causes, const struct api_path *item,
                        const char *resource, const struct rules_quantities *maps)
{
    const Quantity__Quantity *low = rules_quantity_get(maps[MIN], resource);
    const Quantity__Quantity *high = rules_quantity_get(maps[MAX], resource);
    const Quantity__Quantity *ratio = rules_quantity_get(maps[RATIO], resource);
    if (ratio == NULL || low == NULL || high == NULL) {
        return;
    }
    double allowed = (double)quantity_read(high).nanos / (double)quantity_read(low).nanos;
    if ((double)quantity_read(ratio).nanos / NANOS <= allowed ||
        quantity_is_zero(quantity_read(low))) {
        return;
    }
    struct api_path list = api_path_field(item, "maxLimitRequestRatio");
    struct api_path at = api_path_key(&list, resource);
    const char *text = rules_quantity_text(causes->arena, ratio);
    api_cause_invalid(
        causes, &at, api_shown_quantity(causes->arena, text),
        arena_printf(causes->arena, "ratio %s is greater than max/min = %f", text, allowed));
}

/* What cannot be handed out twice: its default and its default request are the same. */
static void check_fixed(struct api_causes *causes, const struct api_path *item,
                        const char *resource, const struct rules_quantities *maps)
{
    const Quantity__Quantity *otherwise = rules_quantity_get(maps[DEFAULT], resource);
    const Quantity__Quantity *request = rules_quantity_get(maps[DEFAULT_REQUEST], resource);
    bool native = rules_resource_is_native(resource);
    bool huge = strncmp(resource, "hugepages-", strlen("hugepages-")) == 0;
    if ((native && !huge) || otherwise == NULL || request == NULL ||
        quantity_compare(quantity_read(otherwise), quantity_read(request)) == 0) {
        return;
    }
    struct api_path list = api_path_field(item, "defaultRequest");
    struct api_path at = api_path_key(&list, resource);
    const char *left = rules_quantity_text(causes->arena, otherwise);
    const char *right = rules_quantity_text(causes->arena, request);
    api_cause_invalid(causes, &at, api_shown_quantity(causes->arena, right),
                      arena_printf(causes->arena,
                                   "default value %s must equal to defaultRequest value %s in %s",
                                   left, right, resource));
}

/* Whether an earlier map of the item has the resource too. */
static bool was_seen(const struct rules_quantities *maps, size_t count, const char *resource)
{
    for (size_t i = 0; i < count; i++) {
        if (rules_quantity_get(maps[i], resource) != NULL) {
            return true;
        }
    }
    return false;
}

static void check_names(struct api_causes *causes, const struct api_path *item, const char *type,
                        const char *member, struct rules_quantities map)
{
    struct api_path list = api_path_field(item, member);
    bool of_containers = rules_is(type, "Pod") || rules_is(type, "Container");
    for (size_t i = 0; i < map.count; i++) {
        const char *resource = rules_quantity_key(map, i);
        struct api_path at = api_path_key(&list, resource);
        if (of_containers) {
            rules_check_container_resource(causes, &at, resource);
        } else {
            (void)rules_check_resource_name(causes, &at, resource);
        }
    }
}

static void check_all_limits(struct api_causes *causes, const struct api_path *item,
                             const struct rules_quantities maps[LIMIT_MAPS])
{
    for (size_t i = 0; i < LIMIT_MAPS; i++) {
        for (size_t j = 0; j < maps[i].count; j++) {
            const char *resource = rules_quantity_key(maps[i], j);
            if (!was_seen(maps, i, resource)) {
                check_limits_of(causes, item, resource, maps);
                check_ratio(causes, item, resource, maps);
                check_fixed(causes, item, resource, maps);
            }
        }
    }
}

static const char *limit_type(struct arena *arena, const void *list, const void *of, size_t index)
{
    const Core__V1__LimitRangeItem *const *limits = list;
    (void)arena, (void)of;
    return text_or_empty(limits[index]->type);
}

static void check_type(struct api_causes *causes, const struct api_frame *frame,
                       const Core__V1__LimitRangeItem *limit)
{
    static const char *const types[] = {"Pod", "Container", "PersistentVolumeClaim", NULL};
    const Core__V1__LimitRangeSpec *spec = frame->parent->message;
    const char *type = text_or_empty(limit->type);
    struct api_path at = api_path_field(frame->at, "type");
    struct api_syntax syntax = api_syntax_qualified_name(type);
    rules_invalid_each(causes, &at, api_shown_text(type), syntax);
    if (syntax.count == 0 && strchr(type, '/') == NULL && !rules_one_of(type, types)) {
        api_cause_invalid(causes, &at, api_shown_text(type),
                          "must be a standard limit type or fully qualified");
    }
    if (api_seen_before(causes, limit_type, spec->limits, NULL, frame->index)) {
        api_cause_duplicate(causes, &at, api_shown_text(type));
    }
}

/* Pods ask for nothing themselves: there is nothing to fill in. */
static void refuse_defaults(struct api_causes *causes, const struct api_path *item,
                            const Core__V1__LimitRangeItem *limit)
{
    static const char words[] = "may not be specified when `type` is 'Pod'";
    if (limit->n_default_ > 0) {
        rules_forbidden(causes, item, "default", words);
    }
    if (limit->n_default_request > 0) {
        rules_forbidden(causes, item, "defaultRequest", words);
    }
}

bool rules_limit(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__LimitRangeItem *limit = frame->message;
    bool of_pods = rules_is(limit->type, "Pod");
    struct rules_quantities maps[LIMIT_MAPS] = {
        [MAX] = RULES_QUANTITIES(limit, max),
        [MIN] = RULES_QUANTITIES(limit, min),
        [DEFAULT] = {.entries = (void *const *)limit->default_, .count = limit->n_default_},
        [DEFAULT_REQUEST] = RULES_QUANTITIES(limit, default_request),
        [RATIO] = RULES_QUANTITIES(limit, max_limit_request_ratio)};
    maps[DEFAULT].count = of_pods ? 0 : maps[DEFAULT].count;
    maps[DEFAULT_REQUEST].count = of_pods ? 0 : maps[DEFAULT_REQUEST].count;
    for (size_t i = 0; i < LIMIT_MAPS; i++) {
        maps[i] = rules_quantities_indexed(causes->arena, maps[i]);
    }
    check_type(causes, frame, limit);
    check_names(causes, frame->at, limit->type, "max", maps[MAX]);
    check_names(causes, frame->at, limit->type, "min", maps[MIN]);
    if (of_pods) {
        refuse_defaults(causes, frame->at, limit);
    }
    check_names(causes, frame->at, limit->type, "default", maps[DEFAULT]);
    check_names(causes, frame->at, limit->type, "defaultRequest", maps[DEFAULT_REQUEST]);
    if (rules_is(limit->type, "PersistentVolumeClaim") &&
        rules_quantity_get(maps[MIN], "storage") == NULL &&
        rules_quantity_get(maps[MAX], "storage") == NULL) {
        rules_required(causes, frame->at, "limits",
                       "either minimum or maximum storage value is required, but neither was "
                       "provided");
    }
    check_names(causes, frame->at, limit->type, "maxLimitRequestRatio", maps[RATIO]);
    check_all_limits(causes, frame->at, maps);
    return true;
}

/* --- Defaults ----------------------------------------------------------------------------------
 */

/* Adds to `into`, whose entries are made by `table`, what only `from` has. */
static void add_missing(struct arena *arena, const char *member, void *limit,
                        struct rules_quantities from)
{
    const struct api_field *field =
        api_message_member_text(&core__v1__limit_range_item__schema, member)->field;
    void ***entries = api_field_at(field, limit);
    size_t *count = (void *)((char *)limit + field->presence);
    void **grown = arena_array(arena, *count + from.count, sizeof(void *));
    struct rules_quantities into = rules_quantities_indexed(
        arena, (struct rules_quantities){.entries = *entries, .count = *count});
    if (*count > 0) {
        memcpy(grown, *entries, *count * sizeof(void *));
    }
    for (size_t i = 0; i < from.count; i++) {
        if (rules_quantity_get(into, rules_quantity_key(from, i)) == NULL) {
            grown[(*count)++] = from.entries[i]; /* All maps of quantities have one layout. */
        }
    }
    *entries = grown;
}

void default_limit(struct arena *arena, void *message)
{
    Core__V1__LimitRangeItem *limit = message;
    if (!rules_is(limit->type, "Container")) {
        return;
    }
    add_missing(arena, "default", limit, RULES_QUANTITIES(limit, max));
    add_missing(arena, "defaultRequest", limit,
                (struct rules_quantities){.entries = (void *const *)limit->default_,
                                          .count = limit->n_default_});
    add_missing(arena, "defaultRequest", limit, RULES_QUANTITIES(limit, min));
}
