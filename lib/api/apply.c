/* Server-side apply (KEP-555) and the ownership of fields. An entry of managedFields is a manager,
 * how it writes (Apply, Update), and the set of fields that are its. */
#include "lib/api/apply.h"

#include "lib/api/apply_compare.h"
#include "lib/api/apply_conflicts.h"
#include "lib/api/apply_declared.h"
#include "lib/api/apply_last.h"
#include "lib/api/apply_merge.h"
#include "lib/api/apply_owners.h"
#include "lib/api/apply_prune.h"
#include "lib/api/apply_scope.h"
#include "lib/api/apply_set.h"
#include "lib/api/codec.h"
#include "lib/api/kinds.h"
#include "lib/api/status.h"
#include <errno.h>
#include <string.h>

static int refuse(const struct api_status **reterr_status, const struct api_status *status,
                  int code)
{
    if (reterr_status != NULL) {
        *reterr_status = status;
    }
    return code;
}

/* --- Apply -------------------------------------------------------------------------------------
 */

static const char *text_in(const struct json_value *object, const char *member)
{
    const struct json_value *value = json_get_text(object, member);
    return value == NULL || value->type != JSON_STRING ? "" : (const char *)value->text.data;
}

/* "default/web; apps/v1, Kind=Deployment". */
static const char *described(struct arena *arena, const struct json_value *applied,
                             const char *object_type)
{
    const struct json_value *metadata = json_get_text(applied, "metadata");
    bool has = metadata != NULL && metadata->type == JSON_OBJECT;
    return arena_printf(arena, "%s/%s; %s", has ? text_in(metadata, "namespace") : "",
                        has ? text_in(metadata, "name") : "", object_type);
}

/* "apps/v1, Kind=Deployment"; the core group has an empty name. */
static const char *object_type(struct arena *arena, const char *api_version, const char *kind)
{
    return arena_printf(arena, "%s%s, Kind=%s", strchr(api_version, '/') == NULL ? "/" : "",
                        api_version, kind);
}

static int check_type(struct arena *arena, const struct api_apply_request *request,
                      const struct json_value *applied, const struct api_status **reterr_status)
{
    const char *version = text_in(applied, "apiVersion"), *kind = text_in(applied, "kind");
    if (strcmp(version, request->kind->api_version) == 0 &&
        strcmp(kind, request->kind->kind) == 0) {
        return 0;
    }
    return refuse(
        reterr_status,
        api_status_bad_request(arena, "invalid object type: %s", object_type(arena, version, kind)),
        -EINVAL);
}

static int check_request(struct arena *arena, const struct api_apply_request *request,
                         const struct json_value *applied, const struct api_status **reterr_status)
{
    if (applied->type != JSON_OBJECT) {
        return refuse(reterr_status,
                      api_status_bad_request(arena, "the applied configuration is not an object"),
                      -EINVAL);
    }
    int result = check_type(arena, request, applied, reterr_status);
    if (result != 0) {
        return result;
    }
    const struct json_value *metadata = json_get_text(applied, "metadata");
    const struct json_value *managed =
        metadata == NULL ? NULL : json_get_text(metadata, "managedFields");
    if (managed != NULL && managed->type != JSON_NULL) {
        return refuse(reterr_status,
                      api_status_bad_request(arena, "metadata.managedFields must be nil"), -EINVAL);
    }
    const char *wrong = apply_find_undeclared(arena, request->kind->message, applied);
    if (wrong == NULL) {
        return 0;
    }
    const char *type = object_type(arena, request->kind->api_version, request->kind->kind);
    const char *message = arena_printf(arena, "failed to create typed patch object (%s): %s",
                                       described(arena, applied, type), wrong);
    return refuse(reterr_status, api_status_new(arena, 500, "", message, NULL, ""), -EINVAL);
}

/* --- One apply ---------------------------------------------------------------------------------
 */

/* What an apply changes in the eyes of who sees the object in one version. */
struct view {
    const struct api_kind *form; /* NULL: nobody has asked yet. */
    struct apply_difference difference;
};

/* An apply under way. */
struct application {
    struct arena *arena;
    const struct api_apply_request *request;
    struct apply_shape root;
    struct json_value *live;   /* As the object was; empty when there is none. */
    struct json_value *object; /* As it becomes. */
    struct apply_owners *owners;
    size_t mine; /* Index of the applier's. */
    struct view own;
    struct view other; /* Of the last other version that was asked for. */
};

static struct json_value *empty_tree(struct arena *arena, const struct api_message *table)
{
    return api_message_to_json(arena, table, api_message_new(arena, table), NULL);
}

/* What there was before anybody's ownership was recorded is one manager's of its own. */
static void own_unowned(struct application *application)
{
    struct arena *arena = application->arena;
    struct api_apply_request earlier = *application->request;
    if (application->owners->count > 0) {
        return;
    }
    earlier.manager = "before-first-apply";
    struct json_value *set =
        apply_compare(arena, &application->root, empty_tree(arena, earlier.kind->message),
                      application->live)
            .changed;
    apply_scope_strip(&earlier, set);
    if (set->count == 0) {
        return;
    }
    struct apply_owner *owner = apply_owners_find(arena, application->owners, &earlier, "Update");
    apply_owner_set(arena, owner, set);
    apply_owner_touch(arena, owner, earlier.now_s);
}

static struct view view_of(struct application *application, const struct api_kind *form)
{
    struct arena *arena = application->arena;
    const struct api_kind *kind = application->request->kind;
    struct apply_shape root = apply_shape_of_message(form->message);
    struct view view = {
        form,
        apply_compare(arena, &root, apply_scope_convert_tree(arena, kind, form, application->live),
                      apply_scope_convert_tree(arena, kind, form, application->object))};
    apply_scope_reset(application->request, view.difference.changed);
    apply_scope_reset(application->request, view.difference.gone);
    return view;
}

/* NULL when the owner's version is not served any more. */
static const struct apply_difference *difference_for(struct application *application,
                                                     const struct apply_owner *owner)
{
    const struct api_kind *kind = application->request->kind;
    const struct api_kind *form = apply_scope_form(kind, owner->entry->api_version);
    if (form == NULL || form == kind) {
        return form == NULL ? NULL : &application->own.difference;
    }
    if (application->other.form != form) {
        application->other = view_of(application, form);
    }
    return &application->other.difference;
}

static int settle_conflicts(struct application *application,
                            const struct api_status **reterr_status)
{
    struct arena *arena = application->arena;
    struct apply_owners *owners = application->owners;
    struct apply_conflicts *conflicts = apply_conflicts_new(arena, owners);
    application->own = view_of(application, application->request->kind);
    for (size_t i = 0; i < owners->count; i++) {
        struct apply_owner *owner = &owners->items[i];
        const struct apply_difference *difference =
            i == application->mine ? NULL : difference_for(application, owner);
        if (difference != NULL) {
            apply_conflicts_add(arena, conflicts, owner, difference->changed);
        }
    }
    if (!application->request->force && conflicts->count > 0) {
        struct apply_conflicts *refused = apply_conflicts_new(arena, owners);
        memcpy(refused->items, conflicts->items, conflicts->count * sizeof(*conflicts->items));
        refused->count = conflicts->count;
        apply_conflicts_allow(arena, refused,
                              apply_last_allowed(arena, application->request, application->live));
        if (refused->count > 0) {
            return refuse(reterr_status, apply_conflicts_status(arena, refused), -EEXIST);
        }
    }
    return 0;
}

/* Nobody else owns what has changed, or is gone; nor anything in versions that are not served. */
static void take_from_others(struct application *application)
{
    struct arena *arena = application->arena;
    for (size_t i = 0; i < application->owners->count; i++) {
        struct apply_owner *owner = &application->owners->items[i];
        if (i == application->mine) {
            continue;
        }
        const struct apply_difference *difference = difference_for(application, owner);
        struct json_value *left = json_new_object(arena);
        if (difference != NULL) {
            left = apply_set_minus(arena, owner->set, difference->changed);
            left = apply_set_minus(arena, left, difference->gone);
        }
        apply_owner_set(arena, owner, left);
    }
}

/* Merges, and takes out what the manager applied before and does not now. The set has all that the
 * configuration names. */
static void change(struct application *application, const struct json_value *applied,
                   const struct json_value *set)
{
    struct arena *arena = application->arena;
    struct apply_owners *owners = application->owners;
    struct apply_owner last = owners->items[application->mine];
    application->object = apply_merge(arena, &application->root, application->live, applied);
    owners->items[application->mine].set = json_new_object(arena);
    application->object =
        apply_prune(arena, application->request->kind, application->object, &last, set, owners);
    owners->items[application->mine] = last;
}

static int merge(struct application *application, const struct json_value *applied,
                 const struct api_status **reterr_status)
{
    struct arena *arena = application->arena;
    const struct api_apply_request *request = application->request;
    struct json_value *set = apply_set_of(arena, &application->root, applied);
    apply_scope_reset(request, set);
    change(application, applied, set);
    int result = settle_conflicts(application, reterr_status);
    if (result != 0) {
        return result;
    }
    take_from_others(application);
    struct apply_owner *mine = &application->owners->items[application->mine];
    apply_set_strip(set);
    apply_owner_set_version(arena, mine, request->kind->api_version);
    apply_owner_set(arena, mine, set);
    if (!json_equal(application->live, application->object)) {
        apply_owner_touch(arena, mine, request->now_s);
    }
    return 0;
}

int api_apply(struct arena *arena, const struct api_apply_request *request,
              const struct json_value *live, const struct json_value *applied,
              struct json_value **ret_object, const struct api_status **reterr_status)
{
    int result = check_request(arena, request, applied, reterr_status);
    if (result != 0) {
        return result;
    }
    struct json_value *before = json_new_object(arena);
    if (live != NULL) {
        *before = *live;
    }
    struct application application = {.arena = arena,
                                      .request = request,
                                      .root = apply_shape_of_message(request->kind->message),
                                      .live = before,
                                      .owners = apply_owners_read_tree(arena, live)};
    if (live != NULL) {
        own_unowned(&application);
    }
    apply_owners_fit(arena, request->kind, application.owners);
    const struct apply_owner *mine = apply_owners_find(arena, application.owners, request, "Apply");
    if (mine == NULL) {
        return refuse(reterr_status, api_status_bad_request(arena, "too many field managers"),
                      -EINVAL);
    }
    application.mine = (size_t)(mine - application.owners->items);
    result = merge(&application, applied, reterr_status);
    if (result != 0) {
        return result;
    }
    application.object = json_copy(arena, application.object); /* It shares values with others. */
    apply_last_update(arena, request, application.object, applied);
    apply_owners_write_tree(arena, application.owners, application.object);
    *ret_object = application.object;
    return 0;
}
