#include "controllers/namespace/namespace_plan.h"

#include "controllers/pod_state.h"
#include "lib/api/time.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void count(struct namespace_count *counts, size_t *used, const char *name)
{
    for (size_t i = 0; i < *used; i++) {
        if (strcmp(counts[i].name, name) == 0) {
            counts[i].count++;
            return;
        }
    }
    if (*used < NAMESPACE_REMAINS_MAX) {
        counts[(*used)++] = (struct namespace_count){.name = name, .count = 1};
    }
}

void namespace_remains_add(struct namespace_remains *remains, const struct api_kind *kind,
                           const Meta__V1__ObjectMeta *meta)
{
    if (remains->kind != kind) { /* They come kind by kind: one text for all of each. */
        remains->kind = kind;
        remains->kind_name = arena_printf(remains->arena, "%s.%s", kind->plural, kind->group);
    }
    remains->objects++;
    count(remains->kinds, &remains->kind_count, remains->kind_name);
    for (size_t i = 0; i < meta->n_finalizers; i++) {
        count(remains->finalizers, &remains->finalizer_count, meta->finalizers[i]);
    }
}

static int name_order(const void *a, const void *b)
{
    return strcmp(((const struct namespace_count *)a)->name,
                  ((const struct namespace_count *)b)->name);
}

static const char *list_text(struct arena *arena, struct namespace_count *counts, size_t used,
                             const char *verb)
{
    const char *text = "";
    qsort(counts, used, sizeof(*counts), name_order);
    for (size_t i = 0; i < used; i++) {
        text = arena_printf(arena, "%s%s%s %s %zu resource instances", text, i == 0 ? "" : ", ",
                            counts[i].name, verb, counts[i].count);
    }
    return text;
}

static void set_condition(struct arena *arena, Core__V1__Namespace *object, const char *type,
                          bool status, const char *reason, const char *message, int64_t now_s)
{
    Core__V1__NamespaceStatus *to = object->status;
    Core__V1__NamespaceCondition *condition = NULL;
    for (size_t i = 0; i < to->n_conditions; i++) {
        if (text_is(to->conditions[i]->type, type)) {
            condition = to->conditions[i];
        }
    }
    if (condition == NULL) {
        condition = arena_alloc(arena, sizeof(*condition));
        core__v1__namespace_condition__init(condition);
        condition->type = arena_text(arena, type);
        Core__V1__NamespaceCondition **all = arena_array(arena, to->n_conditions + 1, sizeof(*all));
        for (size_t i = 0; i < to->n_conditions; i++) {
            all[i] = to->conditions[i];
        }
        all[to->n_conditions++] = condition;
        to->conditions = all;
    }
    const char *status_text = status ? "True" : "False";
    if (!text_is(condition->status, status_text)) {
        condition->last_transition_time = api_time_new(arena, now_s);
    }
    condition->status = arena_text(arena, status_text);
    condition->reason = arena_text(arena, reason);
    condition->message = arena_text(arena, message);
}

Core__V1__Namespace *namespace_with_conditions(struct arena *arena, const Core__V1__Namespace *seen,
                                               struct namespace_remains *remains, int64_t now_s)
{
    const struct api_kind *kind = api_kind_find("", "v1", "namespaces");
    assert(kind != NULL);
    Core__V1__Namespace *copy = api_message_copy(arena, kind->message, seen);
    set_condition(arena, copy, "NamespaceDeletionDiscoveryFailure", false, "ResourcesDiscovered",
                  "All resources successfully discovered", now_s);
    set_condition(arena, copy, "NamespaceDeletionGroupVersionParsingFailure", false,
                  "ParsedGroupVersions", "All legacy kube types successfully parsed", now_s);
    set_condition(arena, copy, "NamespaceDeletionContentFailure", false, "ContentDeleted",
                  "All content successfully deleted, may be waiting on finalization", now_s);
    set_condition(arena, copy, "NamespaceContentRemaining", true, "SomeResourcesRemain",
                  arena_printf(arena, "Some resources are remaining: %s",
                               list_text(arena, remains->kinds, remains->kind_count, "has")),
                  now_s);
    if (remains->finalizer_count > 0) {
        set_condition(
            arena, copy, "NamespaceFinalizersRemaining", true, "SomeFinalizersRemain",
            arena_printf(arena, "Some content in the namespace has finalizers remaining: %s",
                         list_text(arena, remains->finalizers, remains->finalizer_count, "in")),
            now_s);
    } else {
        set_condition(arena, copy, "NamespaceFinalizersRemaining", false, "ContentHasNoFinalizers",
                      "All content-preserving finalizers finished", now_s);
    }
    return api_message_equal(kind->message, copy, seen) ? NULL : copy;
}
