#include "apiserver/rbac_defaults.h"

#include "apiserver/rbac_default_tables.h"
#include "apiserver/rbac_rule.h"
#include "lib/api/object.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RBAC_GROUP "rbac.authorization.k8s.io"
static const char autoupdate[] = "rbac.authorization.kubernetes.io/autoupdate";

static bool is(const char *text, const char *value)
{
    return strcmp(text_or_empty(text), value) == 0;
}

/* --- Reading the tables --- */

static Rbac__V1__PolicyRule *read_rule(struct arena *arena, const char *text)
{
    Rbac__V1__PolicyRule *rule =
        api_message_new(arena, api_message_find("k8s.io.api.rbac.v1.PolicyRule"));
    struct {
        char ***list;
        size_t *count;
    } parts[] = {{&rule->verbs, &rule->n_verbs},
                 {&rule->api_groups, &rule->n_api_groups},
                 {&rule->resources, &rule->n_resources},
                 {&rule->resource_names, &rule->n_resource_names}};
    if (strstr(text, " @ ") != NULL) {
        parts[1].list = &rule->non_resource_urls;
        parts[1].count = &rule->n_non_resource_urls;
    }
    for (size_t i = 0; text != NULL; i++) {
        assert(i < ARRAY_LEN(parts));
        const char *end = strpbrk(text, " ");
        size_t len = end == NULL ? strlen(text) : (size_t)(end - text);
        *parts[i].count = default_text_list(arena, slice_of(text, len), parts[i].list);
        text = end == NULL ? NULL : end + 3; /* " | " or " @ " */
    }
    return rule;
}

static void describe(struct arena *arena, Meta__V1__ObjectMeta *meta, const char *name,
                     const char *namespace)
{
    meta->name = arena_text(arena, name);
    meta->namespace_ = arena_text(arena, namespace);
    api_meta_set_annotation(arena, meta, autoupdate, "true");
    api_meta_set_label(arena, meta, "kubernetes.io/bootstrapping", "rbac-defaults");
}

static Rbac__V1__PolicyRule **read_rules(struct arena *arena, const struct rbac_default_role *role,
                                         size_t *ret_count)
{
    Rbac__V1__PolicyRule **rules = arena_array(arena, RBAC_DEFAULT_RULES_MAX + 1, sizeof(*rules));
    size_t count = 0;
    while (count < RBAC_DEFAULT_RULES_MAX && role->rules[count] != NULL) {
        rules[count] = read_rule(arena, role->rules[count]);
        count++;
    }
    *ret_count = count;
    return rules;
}

static const char *aggregation_label(struct arena *arena, const char *role)
{
    return arena_printf(arena, RBAC_GROUP "/aggregate-to-%s", role);
}

static Rbac__V1__AggregationRule *aggregation_of(struct arena *arena, const char *role)
{
    Rbac__V1__AggregationRule *rule =
        api_message_new(arena, api_message_find("k8s.io.api.rbac.v1.AggregationRule"));
    Meta__V1__LabelSelector *selector = api_message_new(
        arena, api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.LabelSelector"));
    Meta__V1__LabelSelector__MatchLabelsEntry *label = arena_alloc(arena, sizeof(*label));
    meta__v1__label_selector__match_labels_entry__init(label);
    label->key = arena_text(arena, aggregation_label(arena, role));
    label->value = arena_text(arena, "true");
    selector->match_labels = arena_array(arena, 1, sizeof(label));
    selector->match_labels[selector->n_match_labels++] = label;
    rule->cluster_role_selectors = arena_array(arena, 1, sizeof(selector));
    rule->cluster_role_selectors[rule->n_cluster_role_selectors++] = selector;
    return rule;
}

static struct default_object role_default(const struct rbac_default_role *row, struct arena *arena)
{
    const char *plural = row->namespace == NULL ? "clusterroles" : "roles";
    const struct api_kind *kind = api_kind_find(RBAC_GROUP, "v1", plural);
    struct default_object wanted = {.kind = kind,
                                    .namespace = row->namespace == NULL ? "" : row->namespace,
                                    .name = row->name,
                                    .message = api_message_new(arena, kind->message)};
    if (row->namespace != NULL) {
        Rbac__V1__Role *role = wanted.message;
        describe(arena, role->metadata, row->name, row->namespace);
        role->rules = read_rules(arena, row, &role->n_rules);
        return wanted;
    }
    Rbac__V1__ClusterRole *role = wanted.message;
    describe(arena, role->metadata, row->name, "");
    role->rules = read_rules(arena, row, &role->n_rules);
    if (row->aggregates) {
        role->aggregation_rule = aggregation_of(arena, row->name);
    }
    if (row->aggregated_to != NULL) {
        api_meta_set_label(arena, role->metadata, aggregation_label(arena, row->aggregated_to),
                           "true");
    }
    return wanted;
}

/* "ServiceAccount namespace/name", "Group name" */
static Rbac__V1__Subject *read_subject(struct arena *arena, const char *text)
{
    Rbac__V1__Subject *subject =
        api_message_new(arena, api_message_find("k8s.io.api.rbac.v1.Subject"));
    const char *name = strchr(text, ' ') + 1;
    subject->kind = arena_text_n(arena, text, (size_t)(name - 1 - text));
    if (is(subject->kind, "ServiceAccount")) {
        const char *slash = strchr(name, '/');
        subject->namespace_ = arena_text_n(arena, name, (size_t)(slash - name));
        name = slash + 1;
    } else {
        subject->api_group = arena_text(arena, RBAC_GROUP);
    }
    subject->name = arena_text(arena, name);
    return subject;
}

static void fill_role_ref(struct arena *arena, Rbac__V1__RoleRef *reference, const char *kind,
                          const char *name)
{
    reference->api_group = arena_text(arena, RBAC_GROUP);
    reference->kind = arena_text(arena, kind);
    reference->name = arena_text(arena, name);
}

static struct default_object binding_default(const struct rbac_default_binding *row,
                                             struct arena *arena)
{
    const char *plural = row->namespace == NULL ? "clusterrolebindings" : "rolebindings";
    const struct api_kind *kind = api_kind_find(RBAC_GROUP, "v1", plural);
    struct default_object wanted = {.kind = kind,
                                    .namespace = row->namespace == NULL ? "" : row->namespace,
                                    .name = row->name,
                                    .message = api_message_new(arena, kind->message)};
    Rbac__V1__Subject **subjects = arena_array(arena, RBAC_DEFAULT_SUBJECTS_MAX, sizeof(*subjects));
    size_t count = 0;
    while (count < RBAC_DEFAULT_SUBJECTS_MAX && row->subjects[count] != NULL) {
        subjects[count] = read_subject(arena, row->subjects[count]);
        count++;
    }
    if (row->namespace != NULL) {
        Rbac__V1__RoleBinding *binding = wanted.message;
        describe(arena, binding->metadata, row->name, row->namespace);
        fill_role_ref(arena, binding->role_ref, row->role_kind, row->role);
        binding->subjects = subjects;
        binding->n_subjects = count;
    } else {
        Rbac__V1__ClusterRoleBinding *binding = wanted.message;
        describe(arena, binding->metadata, row->name, "");
        fill_role_ref(arena, binding->role_ref, row->role_kind, row->role);
        binding->subjects = subjects;
        binding->n_subjects = count;
    }
    return wanted;
}

/* The role of a control loop goes to the ServiceAccount of the loop. */
static struct default_object controller_binding(const struct rbac_default_role *role,
                                                struct arena *arena)
{
    const char *loop = strrchr(role->name, ':') + 1;
    const struct rbac_default_binding row = {
        .name = role->name,
        .role_kind = "ClusterRole",
        .role = role->name,
        .subjects = {arena_printf(arena, "ServiceAccount kube-system/%s", loop)}};
    return binding_default(&row, arena);
}

size_t rbac_default_count(void)
{
    return rbac_default_role_count + 2 * rbac_default_controller_count + rbac_default_binding_count;
}

struct default_object rbac_default_at(size_t index, struct arena *arena)
{
    assert(index < rbac_default_count());
    if (index < rbac_default_role_count) {
        return role_default(&rbac_default_roles[index], arena);
    }
    index -= rbac_default_role_count;
    if (index < rbac_default_controller_count) {
        return role_default(&rbac_default_controllers[index], arena);
    }
    index -= rbac_default_controller_count;
    if (index < rbac_default_controller_count) {
        return controller_binding(&rbac_default_controllers[index], arena);
    }
    return binding_default(&rbac_default_bindings[index - rbac_default_controller_count], arena);
}

static const struct rbac_default_role *role_among(const struct rbac_default_role *roles,
                                                  size_t count, const char *name)
{
    size_t at = 0;
    while (at < count && !is(roles[at].name, name)) {
        at++;
    }
    return at < count ? &roles[at] : NULL;
}

Rbac__V1__PolicyRule **rbac_default_rules(struct arena *arena, const char *name)
{
    size_t count = 0;
    const struct rbac_default_role *role =
        role_among(rbac_default_roles, rbac_default_role_count, name);
    if (role == NULL) {
        role = role_among(rbac_default_controllers, rbac_default_controller_count, name);
    }
    assert(role != NULL);
    return read_rules(arena, role, &count);
}

/* --- Bringing one back --- */

static bool add_labels(struct arena *arena, const Meta__V1__ObjectMeta *wanted,
                       Meta__V1__ObjectMeta *meta)
{
    bool changed = false;
    for (size_t i = 0; i < wanted->n_labels; i++) {
        const char *key = wanted->labels[i]->key, *value = wanted->labels[i]->value;
        if (!is(value, text_or_empty(api_meta_label(meta, key)))) {
            api_meta_set_label(arena, meta, key, value);
            changed = true;
        }
    }
    if (api_meta_annotation(meta, autoupdate) == NULL) {
        api_meta_set_annotation(arena, meta, autoupdate, "true");
        changed = true;
    }
    return changed;
}

static bool add_rules(struct arena *arena, Rbac__V1__PolicyRule *const *wanted, size_t count,
                      Rbac__V1__PolicyRule ***rules, size_t *rule_count)
{
    Rbac__V1__PolicyRule **all = arena_array(arena, *rule_count + count, sizeof(*all));
    size_t kept = *rule_count;
    if (kept > 0) {
        memcpy(all, *rules, kept * sizeof(*all));
    }
    const struct rbac_rules held = {.items = (const Rbac__V1__PolicyRule *const *)*rules,
                                    .count = kept};
    for (size_t i = 0; i < count; i++) {
        const Rbac__V1__PolicyRule *one = wanted[i];
        const struct rbac_rules asked = {.items = &one, .count = 1};
        const char *missing = NULL;
        if (rbac_rules_cover(arena, &held, &asked, &missing) < 0) {
            all[kept++] = wanted[i];
        }
    }
    bool changed = kept > *rule_count;
    *rules = all;
    *rule_count = kept;
    return changed;
}

static bool add_subjects(struct arena *arena, Rbac__V1__Subject *const *wanted, size_t count,
                         Rbac__V1__Subject ***subjects, size_t *subject_count)
{
    const struct api_message *table = api_message_find("k8s.io.api.rbac.v1.Subject");
    Rbac__V1__Subject **all = arena_array(arena, *subject_count + count, sizeof(*all));
    size_t kept = *subject_count;
    if (kept > 0) {
        memcpy(all, *subjects, kept * sizeof(*all));
    }
    for (size_t i = 0; i < count; i++) {
        bool found = false;
        for (size_t j = 0; !found && j < *subject_count; j++) {
            found = api_message_equal(table, wanted[i], all[j]);
        }
        if (!found) {
            all[kept++] = wanted[i];
        }
    }
    bool changed = kept > *subject_count;
    *subjects = all;
    *subject_count = kept;
    return changed;
}

static bool same_role(const Rbac__V1__RoleRef *a, const Rbac__V1__RoleRef *b)
{
    return is(a->kind, text_or_empty(b->kind)) && is(a->name, text_or_empty(b->name));
}

static enum default_repair repair_cluster_role(const Rbac__V1__ClusterRole *wanted,
                                               Rbac__V1__ClusterRole *role, struct arena *arena)
{
    bool changed = add_labels(arena, wanted->metadata, role->metadata);
    if (wanted->aggregation_rule == NULL) { /* Else the rules are the control loop's. */
        changed |= add_rules(arena, wanted->rules, wanted->n_rules, &role->rules, &role->n_rules);
    } else if (role->aggregation_rule == NULL) {
        role->aggregation_rule = wanted->aggregation_rule;
        changed = true;
    }
    return changed ? DEFAULT_UPDATE : DEFAULT_AS_IT_SHOULD_BE;
}

static enum default_repair repair_role(const Rbac__V1__Role *wanted, Rbac__V1__Role *role,
                                       struct arena *arena)
{
    bool changed = add_labels(arena, wanted->metadata, role->metadata);
    changed |= add_rules(arena, wanted->rules, wanted->n_rules, &role->rules, &role->n_rules);
    return changed ? DEFAULT_UPDATE : DEFAULT_AS_IT_SHOULD_BE;
}

static enum default_repair repair_cluster_binding(const Rbac__V1__ClusterRoleBinding *wanted,
                                                  Rbac__V1__ClusterRoleBinding *binding,
                                                  struct arena *arena)
{
    if (!same_role(wanted->role_ref, binding->role_ref)) {
        return DEFAULT_REPLACE;
    }
    bool changed = add_labels(arena, wanted->metadata, binding->metadata);
    changed |= add_subjects(arena, wanted->subjects, wanted->n_subjects, &binding->subjects,
                            &binding->n_subjects);
    return changed ? DEFAULT_UPDATE : DEFAULT_AS_IT_SHOULD_BE;
}

static enum default_repair repair_binding(const Rbac__V1__RoleBinding *wanted,
                                          Rbac__V1__RoleBinding *binding, struct arena *arena)
{
    if (!same_role(wanted->role_ref, binding->role_ref)) {
        return DEFAULT_REPLACE;
    }
    bool changed = add_labels(arena, wanted->metadata, binding->metadata);
    changed |= add_subjects(arena, wanted->subjects, wanted->n_subjects, &binding->subjects,
                            &binding->n_subjects);
    return changed ? DEFAULT_UPDATE : DEFAULT_AS_IT_SHOULD_BE;
}

enum default_repair rbac_default_repair(const struct default_object *wanted, const void *present,
                                        struct arena *arena, void **ret_message)
{
    void *message = api_message_copy(arena, wanted->kind->message, present);
    const Meta__V1__ObjectMeta *meta = api_message_meta(wanted->kind->message, message);
    enum default_repair repair = DEFAULT_AS_IT_SHOULD_BE;
    if (is(api_meta_annotation(meta, autoupdate), "false")) {
        return repair;
    }
    if (is(wanted->kind->plural, "clusterroles")) {
        repair = repair_cluster_role(wanted->message, message, arena);
    } else if (is(wanted->kind->plural, "roles")) {
        repair = repair_role(wanted->message, message, arena);
    } else if (is(wanted->kind->plural, "clusterrolebindings")) {
        repair = repair_cluster_binding(wanted->message, message, arena);
    } else {
        repair = repair_binding(wanted->message, message, arena);
    }
    if (repair == DEFAULT_UPDATE) {
        *ret_message = message;
    }
    return repair;
}
