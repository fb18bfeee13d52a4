#include "lib/api/apply_scope.h"

#include "lib/api/apply_set.h"
#include "lib/api/codec.h"
#include "lib/api/convert.h"
#include "lib/api/custom.h"
#include <stdio.h>

/* --- Fields ------------------------------------------------------------------------------------
 */

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

void apply_scope_reset(const struct api_apply_request *request, struct json_value *set)
{
    const struct api_kind *kind = request->kind;
    bool status = strcmp(request->subresource, "status") == 0;
    if (!kind->has_status) {
        return;
    }
    if (!status && strcmp(request->subresource, "approval") != 0) {
        strip_path(set, "status");
        return;
    }
    strip_path(set, "spec");
    if (status && custom_of(kind) != NULL) {
        strip_path(set, "metadata");
    }
    for (size_t i = 0; status && kind->status_keeps[i] != NULL; i++) {
        strip_path(set, kind->status_keeps[i]);
    }
}

void apply_scope_strip(const struct api_apply_request *request, struct json_value *set)
{
    apply_set_strip(set);
    apply_scope_reset(request, set);
}

/* --- Versions ----------------------------------------------------------------------------------
 */

static const struct api_kind *custom_form(const struct api_kind *kind, const char *api_version)
{
    size_t group_len = strlen(kind->group);
    bool same_group =
        strncmp(api_version, kind->group, group_len) == 0 && api_version[group_len] == '/';
    return same_group ? custom_sibling(kind, api_version + group_len + 1) : NULL;
}

const struct api_kind *apply_scope_form(const struct api_kind *kind, const char *api_version)
{
    size_t count = 0;
    const struct api_kind *kinds = api_kinds(&count);
    if (strcmp(kind->api_version, api_version) == 0) {
        return kind;
    }
    if (custom_of(kind) != NULL) {
        return custom_form(kind, api_version);
    }
    for (size_t i = 0; i < count; i++) {
        if (api_stored_kind(&kinds[i]) == api_stored_kind(kind) &&
            strcmp(kinds[i].api_version, api_version) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

const void *apply_scope_convert(struct arena *arena, const struct api_kind *kind,
                                const struct api_kind *form, const void *object)
{
    if (form == kind || custom_of(kind) != NULL) {
        return object;
    }
    if (kind->stored_as != NULL) {
        object = api_convert_to_stored(arena, kind, object);
    }
    return form->stored_as == NULL ? object : api_convert_from_stored(arena, form, object);
}

struct json_value *apply_scope_convert_tree(struct arena *arena, const struct api_kind *kind,
                                            const struct api_kind *form, struct json_value *tree)
{
    void *message = NULL;
    if (form->message == kind->message || custom_of(kind) != NULL ||
        api_message_from_json(arena, kind->message, tree, NULL, &message, NULL) != 0) {
        return tree;
    }
    return api_message_to_json(arena, form->message,
                               apply_scope_convert(arena, kind, form, message), NULL);
}
