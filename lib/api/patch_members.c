/* Merge patches of decoded objects. A patch names few members of an object that has many: those
 * alone become trees, so its price is that of what changes. */
#include "lib/api/patch.h"

#include "lib/api/codec.h"
#include "lib/api/fields.h"
#include "lib/api/patch_trees.h"
#include <errno.h>

struct patcher {
    struct arena *arena;
    enum api_merge_style style;
};

/* $patch, $retainKeys and the like concern the members beside them. */
static bool has_directive(const struct json_value *patch)
{
    for (size_t i = 0; i < patch->count; i++) {
        if (slice_starts_with(patch->members[i].name, slice_text("$"))) {
            return true;
        }
    }
    return false;
}

/* Whether what the patch says of a field is said of single members of the message there. */
static bool goes_inside(const struct api_field *field, const void *object,
                        const struct json_value *patch)
{
    return field->type == API_OBJECT && field->label == API_SINGLE &&
           field->message->form == API_OBJECT && (field->flags & API_REPLACE) == 0 &&
           *(void *const *)api_field_at(field, object) != NULL && patch->type == JSON_OBJECT &&
           !has_directive(patch);
}

static void move_field(const struct api_field *field, const void *from, void *to)
{
    bool single = field->label == API_SINGLE;
    memcpy(api_field_at(field, to), api_field_at(field, from),
           single ? api_type_size(field) : sizeof(void *));
    if (field->presence != API_NO_OFFSET) {
        memcpy((void *)((uintptr_t)to + field->presence),
               (const void *)((uintptr_t)from + field->presence),
               single ? sizeof(protobuf_c_boolean) : sizeof(size_t));
    }
}

/* Patches one field as the only member of a document. */
static int patch_field(const struct patcher *patcher, const struct api_message *table,
                       const struct api_field *field, void *object, struct json_value *patch)
{
    struct arena *arena = patcher->arena;
    struct slice name = slice_of(field->name, field->name_len);
    struct json_value *document = json_new_object(arena), *change = json_new_object(arena);
    struct json_value *patched = NULL;
    struct api_problems problems = {0};
    void *decoded = NULL;
    if (!api_json_omits(field, object)) {
        json_add(arena, document, name, api_field_to_json(arena, field, object));
    }
    json_add(arena, change, name, patch);
    int result = patcher->style == API_MERGE_STRATEGIC
                     ? patch_strategic_tree(arena, table, document, change, &patched, NULL)
                     : patch_merge_tree(arena, document, change, &patched);
    if (result != 0 ||
        api_message_from_json(arena, table, patched, &problems, &decoded, NULL) != 0 ||
        problems.count > 0) {
        return -ENOTSUP;
    }
    move_field(field, decoded, object);
    return 0;
}

static int patch_members(const struct patcher *patcher, const struct api_message *table,
                         void *object, const struct json_value *patch)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < patch->count; i++) {
        struct json_value *value = patch->members[i].value;
        const struct api_member *member = api_message_member(table, patch->members[i].name);
        if (member == NULL || member->via[0] != NULL) {
            return -ENOTSUP;
        }
        if (goes_inside(member->field, object, value)) {
            result = patch_members(patcher, member->field->message,
                                   *(void **)api_field_at(member->field, object), value);
        } else {
            result = patch_field(patcher, table, member->field, object, value);
        }
    }
    return result;
}

int api_patch_members(struct arena *arena, const struct api_message *message, const void *object,
                      enum api_merge_style style, struct slice patch, void **ret_object)
{
    const struct patcher patcher = {.arena = arena, .style = style};
    struct json_value *tree = NULL;
    if (message->custom != NULL || json_parse(arena, patch, &tree, NULL) != 0 ||
        tree->type != JSON_OBJECT || has_directive(tree)) {
        return -ENOTSUP;
    }
    void *copy = api_message_copy(arena, message, object);
    int result = patch_members(&patcher, message, copy, tree);
    if (result == 0) {
        *ret_object = copy;
    }
    return result;
}
