#include "apiserver/definition_status.h"

#include "lib/api/codec.h"
#include "lib/api/definition_approval.h"
#include "lib/api/object.h"
#include "lib/api/time.h"

typedef Apiextensions__V1__CustomResourceDefinition definition_t;
typedef Apiextensions__V1__CustomResourceDefinitionNames names_t;
typedef Apiextensions__V1__CustomResourceDefinitionCondition condition_t;

#define PACKAGE "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1."

struct naming {
    struct arena *arena;
    const definition_t *definition;
    const definition_t *const *others;
    size_t count;
    const char *reason, *message; /* Of the last conflict; NULL for none. */
};

/* --- Conditions --------------------------------------------------------------------------------
 */

const condition_t *definition_condition(const definition_t *definition, const char *type)
{
    for (size_t i = 0; i < definition->status->n_conditions; i++) {
        if (strcmp(text_or_empty(definition->status->conditions[i]->type), type) == 0) {
            return definition->status->conditions[i];
        }
    }
    return NULL;
}

bool definition_is(const definition_t *definition, const char *type)
{
    const condition_t *condition = definition_condition(definition, type);
    return condition != NULL && strcmp(text_or_empty(condition->status), "True") == 0;
}

static condition_t *add_condition(struct arena *arena, definition_t *definition, const char *type)
{
    Apiextensions__V1__CustomResourceDefinitionStatus *status = definition->status;
    condition_t **conditions = arena_array(arena, status->n_conditions + 1, sizeof(*conditions));
    condition_t *condition =
        api_message_new(arena, api_message_find(PACKAGE "CustomResourceDefinitionCondition"));
    for (size_t i = 0; i < status->n_conditions; i++) {
        conditions[i] = status->conditions[i];
    }
    condition->type = arena_text(arena, type);
    conditions[status->n_conditions++] = condition;
    status->conditions = conditions;
    return condition;
}

/* The time moves with the status alone. True on a change. */
static bool set_condition(struct arena *arena, definition_t *definition, const char *type,
                          bool holds, const char *reason, const char *message, int64_t now_s)
{
    const condition_t *known = definition_condition(definition, type);
    const char *status = holds ? "True" : "False";
    condition_t *condition = (condition_t *)(uintptr_t)known; /* Of our own copy. */
    if (condition == NULL) {
        condition = add_condition(arena, definition, type);
    } else if (strcmp(text_or_empty(condition->status), status) == 0 &&
               strcmp(text_or_empty(condition->reason), reason) == 0 &&
               strcmp(text_or_empty(condition->message), message) == 0) {
        return false;
    }
    if (strcmp(text_or_empty(condition->status), status) != 0) {
        condition->last_transition_time = api_time_new(arena, now_s);
    }
    condition->status = arena_text(arena, status);
    condition->reason = arena_text(arena, reason);
    condition->message = arena_text(arena, message);
    return true;
}

/* --- Names -------------------------------------------------------------------------------------
 */

static bool is(const char *a, const char *b)
{
    return strcmp(text_or_empty(a), b) == 0;
}

/* Resources (plural, singular, short) share one space of names, kinds another. */
static bool has_name(const names_t *names, const char *name, bool of_kind)
{
    if (of_kind) {
        return is(names->kind, name) || is(names->list_kind, name);
    }
    bool found = is(names->plural, name) || is(names->singular, name);
    for (size_t i = 0; !found && i < names->n_short_names; i++) {
        found = is(names->short_names[i], name);
    }
    return found;
}

static bool is_taken(const struct naming *naming, const char *name, bool of_kind)
{
    const definition_t *mine = naming->definition;
    for (size_t i = 0; i < naming->count; i++) {
        const definition_t *other = naming->others[i];
        if (strcmp(other->metadata->name, mine->metadata->name) != 0 &&
            strcmp(other->spec->group, mine->spec->group) == 0 &&
            has_name(other->status->accepted_names, name, of_kind)) {
            return true;
        }
    }
    return false;
}

static void conflict(struct naming *naming, const char *reason, const char *name)
{
    naming->reason = reason;
    naming->message = arena_printf(naming->arena, "\"%s\" is already in use", name);
}

/* Accepts a name that nobody else has. True on a change. */
static bool accept(struct naming *naming, char *wanted, char **accepted, bool of_kind,
                   const char *reason)
{
    const char *name = text_or_empty(wanted);
    if (is(*accepted, name)) {
        return false;
    }
    if (name[0] != '\0' && is_taken(naming, name, of_kind)) {
        conflict(naming, reason, name);
        return false;
    }
    *accepted = wanted;
    return true;
}

static bool same_texts(char *const *a, size_t a_count, char *const *b, size_t b_count)
{
    bool same = a_count == b_count;
    for (size_t i = 0; same && i < a_count; i++) {
        same = strcmp(text_or_empty(a[i]), text_or_empty(b[i])) == 0;
    }
    return same;
}

/* All short names or none. */
static bool accept_short_names(struct naming *naming, const names_t *wanted, names_t *accepted)
{
    if (same_texts(wanted->short_names, wanted->n_short_names, accepted->short_names,
                   accepted->n_short_names)) {
        return false;
    }
    for (size_t i = 0; i < wanted->n_short_names; i++) {
        const char *name = text_or_empty(wanted->short_names[i]);
        if (is_taken(naming, name, /* of_kind= */ false)) {
            conflict(naming, "ShortNamesConflict", name);
            return false;
        }
    }
    accepted->short_names = wanted->short_names;
    accepted->n_short_names = wanted->n_short_names;
    return true;
}

static bool accept_names(struct naming *naming, const names_t *wanted, names_t *accepted)
{
    bool changed = accept(naming, wanted->plural, &accepted->plural, false, "PluralConflict");
    changed |= accept(naming, wanted->singular, &accepted->singular, false, "SingularConflict");
    changed |= accept_short_names(naming, wanted, accepted);
    changed |= accept(naming, wanted->kind, &accepted->kind, true, "KindConflict");
    changed |= accept(naming, wanted->list_kind, &accepted->list_kind, true, "ListKindConflict");
    if (!same_texts(wanted->categories, wanted->n_categories, accepted->categories,
                    accepted->n_categories)) {
        accepted->categories = wanted->categories;
        accepted->n_categories = wanted->n_categories;
        changed = true;
    }
    return changed;
}

/* --- Approval ----------------------------------------------------------------------------------
 */

static bool set_approval(struct arena *arena, definition_t *definition, int64_t now_s)
{
    static const char *const reasons[] = {
        [DEFINITION_APPROVAL_INVALID] = "InvalidAnnotation",
        [DEFINITION_APPROVAL_GIVEN] = "ApprovedAnnotation",
        [DEFINITION_APPROVAL_BYPASSED] = "UnapprovedAnnotation",
        [DEFINITION_APPROVAL_MISSING] = "MissingAnnotation",
    };
    if (!definition_needs_approval(definition->spec->group)) {
        return false;
    }
    const char *message = NULL;
    enum definition_approval approval =
        definition_approval_of(arena, definition->metadata, &message);
    return set_condition(arena, definition, "KubernetesAPIApprovalPolicyConformant",
                         approval == DEFINITION_APPROVAL_GIVEN, reasons[approval], message, now_s);
}

/* --- Plans -------------------------------------------------------------------------------------
 */

bool definition_status_plan(struct arena *arena, definition_t *definition,
                            const definition_t *const *others, size_t count, int64_t now_s)
{
    struct naming naming = {
        .arena = arena, .definition = definition, .others = others, .count = count};
    bool changed =
        accept_names(&naming, definition->spec->names, definition->status->accepted_names);
    bool good = naming.reason == NULL;
    changed |= set_condition(arena, definition, "NamesAccepted", good,
                             good ? "NoConflicts" : naming.reason,
                             good ? "no conflicts found" : naming.message, now_s);
    if (good && !definition_is(definition, "Established")) { /* It stays so, once it is. */
        changed |= set_condition(arena, definition, "Established", true, "InitialNamesAccepted",
                                 "the initial names have been accepted", now_s);
    } else if (definition_condition(definition, "Established") == NULL) {
        changed |= set_condition(arena, definition, "Established", false, "NotAccepted",
                                 "not all names are accepted", now_s);
    }
    return changed | set_approval(arena, definition, now_s);
}

void definition_status_terminate(struct arena *arena, definition_t *definition, int64_t now_s)
{
    Meta__V1__ObjectMeta *meta = definition->metadata;
    meta->deletion_timestamp = api_time_new(arena, now_s);
    if (!api_meta_has_finalizer(meta, DEFINITION_FINALIZER)) {
        char **finalizers = arena_array(arena, meta->n_finalizers + 1, sizeof(*finalizers));
        for (size_t i = 0; i < meta->n_finalizers; i++) {
            finalizers[i] = meta->finalizers[i];
        }
        finalizers[meta->n_finalizers++] = arena_text(arena, DEFINITION_FINALIZER);
        meta->finalizers = finalizers;
    }
    (void)set_condition(arena, definition, "Terminating", true, "InstanceDeletionPending",
                        "CustomResourceDefinition marked for deletion; CustomResource deletion "
                        "will begin soon",
                        now_s);
}
