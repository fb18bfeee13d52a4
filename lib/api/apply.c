/* Server-side apply (KEP-555) and the ownership of fields. An entry of managedFields is a manager,
 * how it writes (Apply, Update), and the set of fields that are its. */
#include "lib/api/apply.h"

#include "lib/api/apply_declared.h"
#include "lib/api/apply_difference.h"
#include "lib/api/apply_merge.h"
#include "lib/api/apply_owners.h"
#include "lib/api/apply_set.h"
#include "lib/api/kinds.h"
#include "lib/api/limits_semantics.h"
#include "lib/api/object.h"
#include "lib/api/status.h"
#include "lib/api/strategy.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int refuse(const struct api_status **reterr_status, const struct api_status *status,
                  int code)
{
    if (reterr_status != NULL) {
        *reterr_status = status;
    }
    return code;
}

static void strip_path(struct json_value *set, const char *path)
{
    const char *dot = strchr(path, '.');
    struct json_value *holder = dot == NULL ? set : json_get_text(set, "f:metadata");
    char member[128];
    (void)snprintf(member, sizeof(member), "f:%s", dot == NULL ? path : dot + 1);
    if (holder != NULL) {
        (void)json_remove(holder, slice_text(member)); /* May be absent. */
    }
}

/* Takes fields out that a request of this kind and subresource does not write. */
static void strip(const struct api_apply_request *request, struct json_value *set)
{
    const struct api_kind *kind = request->kind;
    apply_set_strip(set);
    if (!kind->has_status) {
        return;
    }
    if (strcmp(request->subresource, "status") != 0) {
        strip_path(set, "status");
        return;
    }
    strip_path(set, "spec");
    for (size_t i = 0; kind->status_keeps[i] != NULL; i++) {
        strip_path(set, kind->status_keeps[i]);
    }
}

/* --- Conflicts ---------------------------------------------------------------------------------
 */

struct conflicts {
    struct arena *arena;
    struct api_causes causes;
    struct buffer lines;
    const char *manager; /* The last one, as the message shows it. */
};

static int by_member_name(const void *a, const void *b)
{
    const struct json_member *const *left = a, *const *right = b;
    return strcmp((const char *)(*left)->name.data, (const char *)(*right)->name.data);
}

static const char *inner_path(struct arena *arena, const char *path, const char *name)
{
    return name[0] == 'f'   ? arena_printf(arena, "%s.%s", path, name + 2)
           : name[0] == 'k' ? arena_printf(arena, "%s[%s]", path, apply_key_text(arena, name + 2))
           : name[0] == 'v' ? arena_printf(arena, "%s[=%s]", path, name + 2)
                            : path;
}

/* `.spec.containers[name="c"].image` for each path of the set: by name, and at each level first
 * what has nothing below it, as v1.32 lists them. */
static void add_paths(struct conflicts *conflicts, const struct json_value *set, const char *path,
                      const char *who)
{
    const struct json_member **sorted =
        arena_array(conflicts->arena, set->count, sizeof(struct json_member *));
    for (size_t i = 0; i < set->count; i++) {
        sorted[i] = &set->members[i];
    }
    qsort(sorted, set->count, sizeof(*sorted), by_member_name);
    for (size_t i = 0; i < 2 * set->count; i++) {
        const struct json_member *member = sorted[i % set->count];
        bool leaf = member->value->count == 0, leaves = i < set->count;
        const char *inner = inner_path(conflicts->arena, path, (const char *)member->name.data);
        if (leaf && leaves) {
            api_cause_add(&conflicts->causes, "FieldManagerConflict",
                          arena_printf(conflicts->arena, "conflict with %s", who), inner);
            buffer_printf(&conflicts->lines, "\n- %s", inner);
        } else if (!leaf && !leaves) {
            add_paths(conflicts, member->value, inner, who);
        }
    }
}

static const char *text_of(const char *text)
{
    return text == NULL ? "" : text;
}

static const char *describe(struct arena *arena, const Meta__V1__ManagedFieldsEntry *entry,
                            const char *api_version)
{
    const char *subresource = text_of(entry->subresource);
    const char *other = text_of(entry->api_version);
    bool update = strcmp(text_of(entry->operation), "Update") == 0;
    bool versioned = update || strcmp(other, api_version) != 0;
    return arena_printf(arena, "\"%s\"%s%s%s%s%s", text_of(entry->manager),
                        *subresource == '\0' ? "" : " with subresource \"", subresource,
                        *subresource == '\0' ? "" : "\"", versioned ? " using " : "",
                        versioned ? other : "");
}

static const struct api_status *conflict_status(struct conflicts *conflicts)
{
    struct api_status *status = arena_zeroed(conflicts->arena, sizeof(*status));
    size_t count = conflicts->causes.count;
    const char *message =
        count == 1
            ? arena_printf(conflicts->arena, "Apply failed with 1 conflict: %s: %s",
                           conflicts->causes.items[0].message, conflicts->causes.items[0].field)
            : arena_printf(conflicts->arena,
                           "Apply failed with %zu conflicts: conflicts with %s:%s", count,
                           conflicts->manager, buffer_text(&conflicts->lines));
    *status = (struct api_status){.code = 409,
                                  .reason = "Conflict",
                                  .message = message,
                                  .has_details = true,
                                  .name = "",
                                  .group = "",
                                  .kind = "",
                                  .uid = "",
                                  .causes = conflicts->causes.items,
                                  .cause_count = count,
                                  .continue_token = ""};
    return status;
}

/* Fields that change and belong to somebody else: refused, or taken over by force. */
static int settle_conflicts(struct arena *arena, const struct api_apply_request *request,
                            struct apply_owners *owners, const struct apply_owner *mine,
                            const struct json_value *changed,
                            const struct api_status **reterr_status)
{
    struct conflicts conflicts = {.arena = arena, .manager = ""};
    int result = 0;
    api_causes_init(&conflicts.causes, arena);
    buffer_init(&conflicts.lines, API_FIELD_CONFLICT_TEXT_MAX);
    for (size_t i = 0; i < owners->count; i++) {
        struct apply_owner *other = &owners->items[i];
        if (other == mine) {
            continue;
        }
        struct json_value *both = apply_set_common(arena, other->set, changed);
        if (both->count > 0 && request->force) {
            apply_owner_set(arena, other, apply_set_minus(arena, other->set, both), request->now_s);
        } else if (both->count > 0) {
            conflicts.manager = describe(arena, other->entry, request->kind->api_version);
            add_paths(&conflicts, both, "", conflicts.manager);
        }
    }
    if (conflicts.causes.count > 0) {
        result = refuse(reterr_status, conflict_status(&conflicts), -EEXIST);
    }
    buffer_release(&conflicts.lines);
    return result;
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

/* "scale" is written through an object of a kind that is not the request's. */
static int check_type(struct arena *arena, const struct api_apply_request *request,
                      const struct json_value *applied, const struct api_status **reterr_status)
{
    const char *version = text_in(applied, "apiVersion"), *kind = text_in(applied, "kind");
    if (strcmp(request->subresource, "scale") == 0 ||
        (strcmp(version, request->kind->api_version) == 0 &&
         strcmp(kind, request->kind->kind) == 0)) {
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
    struct apply_shape root = apply_shape_of_message(request->kind->message);
    bool whole = strcmp(request->subresource, "scale") != 0;
    const char *wrong = whole ? apply_find_undeclared(arena, &root, applied) : NULL;
    if (wrong == NULL) {
        return 0;
    }
    const char *type = object_type(arena, request->kind->api_version, request->kind->kind);
    const char *message = arena_printf(arena, "failed to create typed patch object (%s): %s",
                                       described(arena, applied, type), wrong);
    return refuse(reterr_status, api_status_new(arena, 500, "", message, NULL, ""), -EINVAL);
}

int api_apply(struct arena *arena, const struct api_apply_request *request,
              const struct json_value *live, const struct json_value *applied,
              struct json_value **ret_object, const struct api_status **reterr_status)
{
    struct apply_shape root = apply_shape_of_message(request->kind->message);
    int result = check_request(arena, request, applied, reterr_status);
    if (result != 0) {
        return result;
    }
    const struct json_value *before = live == NULL ? json_new_object(arena) : live;
    struct json_value *set = apply_set_of(arena, &root, applied, /* dots= */ false);
    strip(request, set);
    struct apply_owners *owners = apply_owners_read_tree(arena, live);
    struct apply_owner *mine = apply_owners_find(arena, owners, request, "Apply");
    if (mine == NULL) {
        return refuse(reterr_status, api_status_bad_request(arena, "too many field managers"),
                      -EINVAL);
    }
    apply_owner_set_version(arena, mine, request->kind->api_version);
    struct json_value *object = apply_merge(arena, &root, json_copy(arena, before), applied);
    struct json_value *dropped = apply_set_minus(arena, mine->set, set);
    struct json_value *others = json_new_object(arena);
    struct json_value *changed = apply_set_changed(arena, &root, before, object, false);
    if (changed != NULL) {
        strip(request, changed);
        result = settle_conflicts(arena, request, owners, mine, changed, reterr_status);
        if (result != 0) {
            return result;
        }
    }
    for (size_t i = 0; i < owners->count; i++) {
        if (&owners->items[i] != mine) {
            others = apply_set_union(arena, others, owners->items[i].set);
        }
    }
    apply_remove(arena, &root, object, dropped, others, set);
    apply_owner_set(arena, mine, set, request->now_s);
    apply_owners_write_tree(arena, owners, object);
    *ret_object = object;
    return 0;
}

/* --- Tracking of other writes ------------------------------------------------------------------
 */

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
    struct apply_difference difference = apply_difference(arena, table, base, after);
    struct apply_owners *owners = apply_owners_read(arena, api_message_meta(table, base));
    strip(request, difference.changed);
    struct apply_owner *mine =
        difference.changed->count == 0 ? NULL : apply_owners_find(arena, owners, request, "Update");
    for (size_t i = 0; i < owners->count; i++) {
        struct apply_owner *owner = &owners->items[i];
        struct json_value *set = apply_set_minus(arena, owner->set, difference.gone);
        set = owner == mine ? apply_set_union(arena, set, difference.changed)
                            : apply_set_minus(arena, set, difference.changed);
        apply_owner_set(arena, owner, set, request->now_s);
    }
    apply_owners_write(arena, owners, meta);
}
