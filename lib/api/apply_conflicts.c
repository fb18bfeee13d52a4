#include "lib/api/apply_conflicts.h"

#include "lib/api/apply_merge.h"
#include "lib/api/apply_set.h"
#include "lib/api/limits_semantics.h"
#include "lib/api/status.h"
#include <stdlib.h>

struct apply_conflicts *apply_conflicts_new(struct arena *arena, const struct apply_owners *owners)
{
    struct apply_conflicts *conflicts =
        arena_alloc(arena, sizeof(*conflicts) + owners->count * sizeof(*conflicts->items));
    conflicts->count = 0;
    return conflicts;
}

void apply_conflicts_add(struct arena *arena, struct apply_conflicts *conflicts,
                         struct apply_owner *owner, const struct json_value *changed)
{
    struct json_value *both = apply_set_common(arena, owner->set, changed);
    if (both->count > 0) {
        conflicts->items[conflicts->count++] = (struct apply_conflict){owner, both};
    }
}

void apply_conflicts_allow(struct arena *arena, struct apply_conflicts *conflicts,
                           const struct json_value *allowed)
{
    size_t left = 0;
    for (size_t i = 0; i < conflicts->count; i++) {
        struct apply_conflict conflict = conflicts->items[i];
        conflict.set = apply_set_minus(arena, conflict.set, allowed);
        if (conflict.set->count > 0) {
            conflicts->items[left++] = conflict;
        }
    }
    conflicts->count = left;
}

/* --- Words ------------------------------------------------------------------------------------ */

struct words {
    struct arena *arena;
    struct api_causes causes;
    struct buffer lines;
};

static int by_member_name(const void *a, const void *b)
{
    const struct json_member *const *left = a, *const *right = b;
    return strcmp((const char *)(*left)->name.data, (const char *)(*right)->name.data);
}

/* The path of an element below `at`. Of a kind that has no name it is that itself. */
static struct api_path path_of(struct arena *arena, const struct api_path *at, const char *name)
{
    switch (name[0]) {
    case 'k':
        return api_path_key(at, apply_key_text(arena, name + 2));
    case 'v':
        return api_path_key(at, arena_printf(arena, "=%s", name + 2));
    default:
        return api_path_field(at, name[0] == 'f' ? name + 2 : "");
    }
}

/* `.spec.containers[name="c"].image` for each path of the set: by name, and at each level first
 * what has nothing below it, as v1.32 lists them. */
static void add_paths(struct words *words, const struct json_value *set, const struct api_path *at,
                      const char *who)
{
    const struct json_member **sorted =
        arena_array(words->arena, set->count, sizeof(struct json_member *));
    for (size_t i = 0; i < set->count; i++) {
        sorted[i] = &set->members[i];
    }
    qsort(sorted, set->count, sizeof(*sorted), by_member_name);
    for (size_t i = 0; i < 2 * set->count && !api_causes_full(&words->causes); i++) {
        const struct json_member *member = sorted[i % set->count];
        bool leaf = member->value->count == 0, leaves = i < set->count;
        struct api_path inner = path_of(words->arena, at, (const char *)member->name.data);
        if (leaf && leaves) {
            const char *path = apply_path_text(words->arena, &inner);
            api_cause_add(&words->causes, "FieldManagerConflict",
                          arena_printf(words->arena, "conflict with %s", who), path);
            buffer_printf(&words->lines, "\n- %s", path);
        } else if (!leaf && !leaves) {
            add_paths(words, member->value, &inner, who);
        }
    }
}

static const char *text_of(const char *text)
{
    return text == NULL ? "" : text;
}

/* Who applies is the same in every version: none is named. */
static const char *describe(struct arena *arena, const struct apply_owner *owner)
{
    const Meta__V1__ManagedFieldsEntry *entry = owner->entry;
    const char *subresource = text_of(entry->subresource);
    bool update = apply_owner_updates(owner);
    return arena_printf(arena, "\"%s\"%s%s%s%s%s", text_of(entry->manager),
                        *subresource == '\0' ? "" : " with subresource \"", subresource,
                        *subresource == '\0' ? "" : "\"", update ? " using " : "",
                        update ? text_of(entry->api_version) : "");
}

static int by_manager(const void *a, const void *b)
{
    const struct apply_conflict *left = a, *right = b;
    const Meta__V1__ManagedFieldsEntry *one = left->owner->entry, *other = right->owner->entry;
    int order = strcmp(text_of(one->manager), text_of(other->manager));
    order = order != 0 ? order : strcmp(text_of(one->operation), text_of(other->operation));
    order = order != 0 ? order : strcmp(text_of(one->api_version), text_of(other->api_version));
    return order != 0 ? order : strcmp(text_of(one->subresource), text_of(other->subresource));
}

static const char *message_of(struct words *words)
{
    size_t count = words->causes.count;
    if (count == 1) {
        return arena_printf(words->arena, "Apply failed with 1 conflict: %s: %s",
                            words->causes.items[0].message, words->causes.items[0].field);
    }
    return arena_printf(words->arena, "Apply failed with %zu conflicts: %s", count,
                        buffer_text(&words->lines));
}

const struct api_status *apply_conflicts_status(struct arena *arena,
                                                struct apply_conflicts *conflicts)
{
    struct words words = {.arena = arena};
    api_causes_init(&words.causes, arena);
    buffer_init(&words.lines, API_FIELD_CONFLICT_TEXT_MAX);
    qsort(conflicts->items, conflicts->count, sizeof(*conflicts->items), by_manager);
    for (size_t i = 0; i < conflicts->count; i++) {
        const char *who = describe(arena, conflicts->items[i].owner);
        buffer_printf(&words.lines, "%sconflicts with %s:", i == 0 ? "" : "\n", who);
        add_paths(&words, conflicts->items[i].set, NULL, who);
    }
    struct api_status *status = arena_zeroed(arena, sizeof(*status));
    *status = (struct api_status){.code = 409,
                                  .reason = "Conflict",
                                  .message = message_of(&words),
                                  .has_details = true,
                                  .name = "",
                                  .group = "",
                                  .kind = "",
                                  .uid = "",
                                  .causes = words.causes.items,
                                  .cause_count = words.causes.count,
                                  .continue_token = ""};
    buffer_release(&words.lines);
    return status;
}
