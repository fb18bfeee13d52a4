/* RFC 7386. */
#include "lib/api/json_value.h"
#include "lib/api/limits_semantics.h"
#include "lib/api/patch_error.h"
#include "lib/api/patch_trees.h"
#include <errno.h>

/* Returns 0, or -E2BIG when the patch nests too deep. A target that is not an object counts as an
 * empty one. */
static int merge(struct arena *arena, struct json_value *target, const struct json_value *patch,
                 unsigned depth, struct json_value **ret_value)
{
    if (depth > API_PATCH_DEPTH_MAX) {
        return -E2BIG;
    }
    if (patch->type != JSON_OBJECT) {
        *ret_value = json_copy(arena, patch);
        return 0;
    }
    if (target == NULL || target->type != JSON_OBJECT) {
        target = json_new_object(arena);
    }
    for (size_t i = 0; i < patch->count; i++) {
        const struct json_member *member = &patch->members[i];
        struct json_value *value = NULL;
        if (member->value->type == JSON_NULL) {
            json_drop(target, member->name); /* Absent already is fine. */
            continue;
        }
        int result = merge(arena, json_get(target, member->name), member->value, depth + 1, &value);
        if (result != 0) {
            return result;
        }
        json_set(arena, target, member->name, value);
    }
    json_sweep(arena, target);
    *ret_value = target;
    return 0;
}

int patch_merge_tree(struct arena *arena, struct json_value *document,
                     const struct json_value *patch, struct json_value **ret_document)
{
    return merge(arena, document, patch, 0, ret_document);
}

int api_patch_merge(struct arena *arena, const struct json_value *document, struct slice patch,
                    struct json_value **ret_document, const struct api_status **reterr_status)
{
    CLEANUP(error_release) struct error error = {0};
    struct json_value *tree = NULL;
    if (json_parse(arena, patch, &tree, &error) != 0) {
        return patch_unreadable(arena, reterr_status, error_message(&error));
    }
    if (tree->type != JSON_OBJECT) {
        return patch_unreadable(
            arena, reterr_status,
            arena_printf(arena,
                         "json: cannot unmarshal %s into Go value of type map[string]interface {}",
                         json_type_name(tree->type)));
    }
    int result = patch_merge_tree(arena, json_copy(arena, document), tree, ret_document);
    return result == 0 ? 0 : patch_too_large(arena, reterr_status, "the patch nests too deep");
}
