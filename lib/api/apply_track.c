/* The ownership of fields after creates, updates and patches but apply. */
#include "lib/api/apply.h"

#include "lib/api/apply_difference.h"
#include "lib/api/apply_prune.h"
#include "lib/api/apply_scope.h"
#include "lib/api/apply_set.h"
#include "lib/api/kinds.h"
#include "lib/api/object.h"
#include <string.h>

/* What a change is in the eyes of the managers who see the object in one version. */
struct view {
    const char *api_version;
    struct apply_difference difference;
};

struct track {
    struct arena *arena;
    const struct api_apply_request *request;
    const void *before, *after;
    struct view own;   /* Of the request's version. */
    struct view other; /* Of the last other version that was asked for. */
};

static struct apply_difference difference_of(struct track *track, const struct api_kind *form)
{
    const struct api_kind *kind = track->request->kind;
    const void *before = apply_scope_convert(track->arena, kind, form, track->before);
    const void *after = apply_scope_convert(track->arena, kind, form, track->after);
    struct apply_difference difference =
        apply_difference(track->arena, form->message, before, after);
    apply_scope_strip(track->request, difference.changed);
    apply_scope_strip(track->request, difference.gone);
    return difference;
}

/* NULL when the owner's version is not served any more. */
static const struct apply_difference *difference_for(struct track *track,
                                                     const struct apply_owner *owner)
{
    const char *api_version = owner->entry->api_version;
    if (strcmp(api_version, track->own.api_version) == 0) {
        return &track->own.difference;
    }
    const struct api_kind *form = apply_scope_form(track->request->kind, api_version);
    if (form == NULL) {
        return NULL;
    }
    if (form->message == track->request->kind->message || form->message->custom != NULL) {
        return &track->own.difference;
    }
    if (track->other.api_version == NULL || strcmp(api_version, track->other.api_version) != 0) {
        track->other = (struct view){form->api_version, difference_of(track, form)};
    }
    return &track->other.difference;
}

static struct apply_owners *owners_of_change(struct arena *arena,
                                             const struct api_apply_request *request,
                                             const Meta__V1__ObjectMeta *before,
                                             const Meta__V1__ObjectMeta *after)
{
    return *request->subresource != '\0' ? apply_owners_read(arena, before)
                                         : apply_owners_sent(arena, before, after);
}

void api_managed_fields_track(struct arena *arena, const struct api_apply_request *request,
                              const void *before, void *after)
{
    const struct api_message *table = request->kind->message;
    Meta__V1__ObjectMeta *meta = api_message_meta(table, after);
    if (meta == NULL) {
        return;
    }
    /* What an empty object has is nobody's: members that are always there. */
    const void *base = before != NULL ? before : api_message_new(arena, table);
    struct apply_owners *owners =
        owners_of_change(arena, request, api_message_meta(table, base), meta);
    bool unowned = owners == NULL || owners->count == 0;
    if (unowned && before != NULL) { /* Until somebody applies, nobody owns anything. */
        meta->managed_fields = NULL;
        meta->n_managed_fields = 0;
        return;
    }
    owners = owners != NULL ? owners : apply_owners_read(arena, NULL);
    if (table->custom != NULL) { /* Schemas of built-in kinds stay. */
        apply_owners_fit(arena, request->kind, owners);
    }
    struct track track = {arena, request, base, after, {request->kind->api_version, {0}}, {0}};
    track.own.difference = difference_of(&track, request->kind);
    struct json_value *changed = track.own.difference.changed;
    struct apply_owner *mine =
        changed->count == 0 ? NULL : apply_owners_find(arena, owners, request, "Update");
    for (size_t i = 0; i < owners->count; i++) {
        struct apply_owner *owner = &owners->items[i];
        const struct apply_difference *difference = difference_for(&track, owner);
        if (difference == NULL) {
            apply_owner_set(arena, owner, json_new_object(arena));
            continue;
        }
        struct json_value *set = apply_set_minus(arena, owner->set, difference->gone);
        set = owner == mine ? apply_set_union(arena, set, changed)
                            : apply_set_minus(arena, set, difference->changed);
        apply_owner_set(arena, owner, set);
    }
    if (mine != NULL) {
        apply_owner_touch(arena, mine, request->now_s);
    }
    apply_owners_cap(arena, owners);
    apply_owners_write(arena, owners, meta);
}
