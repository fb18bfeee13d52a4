/* Strategic merge patch. Maps merge by member; lists merge by the field's merge key when its table
 * says so, else they are replaced. Directives in the patch: $patch, $setElementOrder/<list>,
 * $deleteFromPrimitiveList/<list>, $retainKeys. */
#include "lib/api/json_value.h"
#include "lib/api/limits_semantics.h"
#include "lib/api/patch_error.h"
#include "lib/api/patch_lists.h"
#include "lib/api/patch_trees.h"
#include "lib/api/patch_typed.h"
#include "lib/api/schema.h"
#include <errno.h>

#define DIRECTIVE     "$patch"
#define RETAIN        "$retainKeys"
#define ORDER_PREFIX  "$setElementOrder/"
#define DELETE_PREFIX "$deleteFromPrimitiveList/"

struct strategic {
    struct arena *arena;
    const struct api_status **reterr_status;
};

static int merge_map(struct strategic *merge, const struct api_message *message,
                     struct json_value *original, struct json_value *patch, unsigned depth,
                     struct json_value **ret_value);

static const struct api_field *field_of(const struct api_message *message, struct slice name)
{
    const struct api_member *member = message == NULL ? NULL : api_message_member(message, name);
    return member == NULL ? NULL : member->field;
}

/* The table for what is inside a member, when it is an object or a list of them. */
static const struct api_message *inside(const struct api_field *field)
{
    bool object = field != NULL && field->type == API_OBJECT;
    return object ? field->message : NULL;
}

static bool suffix_of(struct slice name, const char *prefix, struct slice *ret_suffix)
{
    size_t len = strlen(prefix);
    if (!slice_starts_with(name, slice_text(prefix))) {
        return false;
    }
    *ret_suffix = slice_of(name.data + len, name.len - len);
    return true;
}

static bool is_directive(struct slice name)
{
    struct slice suffix;
    return slice_is(name, RETAIN) || suffix_of(name, ORDER_PREFIX, &suffix) ||
           suffix_of(name, DELETE_PREFIX, &suffix);
}

static int bad_format(struct strategic *merge, const char *what)
{
    return patch_bad_request(merge->arena, merge->reterr_status,
                             arena_printf(merge->arena, "invalid patch format of %s", what));
}

static int bad_directive(struct strategic *merge, const struct json_value *value)
{
    const char *text =
        value->type == JSON_STRING ? (const char *)value->text.data : json_type_name(value->type);
    return patch_failed(merge->arena, merge->reterr_status,
                        arena_printf(merge->arena, "unknown patch type found: %s", text));
}

/* What is added whole must not keep directives. NULL when `$patch: delete` says to add nothing. */
static struct json_value *without_directives(struct strategic *merge, struct json_value *value,
                                             unsigned depth)
{
    if (depth > API_PATCH_DEPTH_MAX) {
        return value;
    }
    struct json_value *kept = value;
    if (value->type == JSON_OBJECT) {
        const struct json_value *directive = json_get_text(value, DIRECTIVE);
        if (directive != NULL && directive->type == JSON_STRING &&
            slice_is(directive->text, "delete")) {
            return NULL;
        }
        kept = json_new_object(merge->arena);
        for (size_t i = 0; i < value->count; i++) {
            struct json_member *member = &value->members[i];
            if (slice_is(member->name, DIRECTIVE) || is_directive(member->name)) {
                continue;
            }
            struct json_value *inner = without_directives(merge, member->value, depth + 1);
            if (inner != NULL) {
                json_set(merge->arena, kept, member->name, inner);
            }
        }
    } else if (value->type == JSON_ARRAY) {
        kept = json_new_array(merge->arena);
        for (size_t i = 0; i < value->count; i++) {
            struct json_value *inner = without_directives(merge, value->items[i], depth + 1);
            if (inner != NULL) {
                json_append(merge->arena, kept, inner);
            }
        }
    }
    return kept;
}

static const char *no_merge_key(struct strategic *merge, const struct json_value *item,
                                const char *merge_key)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, SIZE_MAX / 2);
    patch_print_go(item, &text);
    return arena_printf(merge->arena, "map: %s does not contain declared merge key: %s",
                        buffer_text(&text), merge_key);
}

/* Takes `$patch` items out of a patch list: deletes what they match, or notes a replacement. */
static int list_directives(struct strategic *merge, const char *merge_key,
                           struct json_value *original, struct json_value *patch, bool *ret_replace)
{
    struct json_value *deleted = json_new_array(merge->arena);
    size_t kept = 0;
    for (size_t i = 0; i < patch->count; i++) {
        struct json_value *item = patch->items[i];
        const struct json_value *directive =
            item->type == JSON_OBJECT ? json_get_text(item, DIRECTIVE) : NULL;
        if (directive == NULL) {
            patch->items[kept++] = item;
            continue;
        }
        if (directive->type != JSON_STRING) {
            return bad_directive(merge, directive);
        }
        if (slice_is(directive->text, "delete")) {
            if (json_get_text(item, merge_key) == NULL) {
                return patch_failed(merge->arena, merge->reterr_status,
                                    no_merge_key(merge, item, merge_key));
            }
            json_append(merge->arena, deleted, item);
        } else if (slice_is(directive->text, "replace")) {
            *ret_replace = true;
        } else {
            return bad_directive(merge, directive);
        }
    }
    patch->count = kept;
    patch_list_subtract(merge->arena, original, deleted, merge_key);
    return 0;
}

static int merge_items(struct strategic *merge, const struct api_field *field,
                       struct json_value *merged, struct json_value *patch, unsigned depth)
{
    const char *merge_key = field->rules->merge_key;
    struct patch_index index = patch_index_of(merge->arena, merged, merge_key);
    for (size_t i = 0; i < patch->count; i++) {
        struct json_value *item = patch->items[i], *value = NULL;
        const struct json_value *key =
            item->type == JSON_OBJECT ? json_get_text(item, merge_key) : NULL;
        if (key == NULL) {
            return patch_failed(merge->arena, merge->reterr_status,
                                no_merge_key(merge, item, merge_key));
        }
        size_t at = patch_index_find(&index, item);
        if (at == PATCH_LIST_ABSENT) {
            value = without_directives(merge, item, depth);
            if (value != NULL) {
                json_append(merge->arena, merged, value);
            }
            continue;
        }
        int result = merge_map(merge, inside(field), merged->items[at], item, depth + 1, &value);
        if (result != 0) {
            return result;
        }
        merged->items[at] = value;
    }
    return 0;
}

/* Merges two lists of a field that merges. `order` is NULL, or what $setElementOrder says. */
static int merge_list(struct strategic *merge, const struct api_field *field,
                      struct json_value *original, struct json_value *patch,
                      const struct json_value *order, unsigned depth, struct json_value **ret_value)
{
    const char *merge_key = field->rules->merge_key;
    struct json_value *before = patch_list_clone(merge->arena, original);
    bool replaced = false;
    if (merge_key == NULL) {
        patch_list_union(merge->arena, original, patch);
    } else {
        int result = list_directives(merge, merge_key, original, patch, &replaced);
        if (result == 0 && replaced) {
            struct json_value *only = without_directives(merge, patch, depth);
            *ret_value = only == NULL ? json_new_array(merge->arena) : only;
            return 0;
        }
        if (result == 0) {
            result = merge_items(merge, field, original, patch, depth);
        }
        if (result != 0) {
            return result;
        }
    }
    *ret_value =
        patch_list_order(merge->arena, original, order == NULL ? patch : order, before, merge_key);
    return 0;
}

/* The other members stay as easy to find as they were. */
static void take_out(struct strategic *merge, struct json_value *patch, const char *directive)
{
    json_drop(patch, slice_text(directive));
    json_sweep(merge->arena, patch);
}

static bool is_kept(struct patch_index *keys, struct slice name)
{
    const struct json_value text = {.type = JSON_STRING, .text = name};
    return patch_index_find(keys, &text) != PATCH_LIST_ABSENT;
}

/* $retainKeys: members of the original that it does not name go; the patch may name no others. */
static int retain_keys(struct strategic *merge, struct json_value *original,
                       struct json_value *patch)
{
    struct slice suffix;
    const struct json_value *keys = json_get_text(patch, RETAIN);
    if (keys == NULL) {
        return 0;
    }
    if (keys->type != JSON_ARRAY) {
        return bad_format(merge, "retainKeys");
    }
    struct patch_index kept = patch_index_of(merge->arena, keys, NULL);
    for (size_t i = 0; i < patch->count; i++) {
        const struct json_member *member = &patch->members[i];
        bool directive = slice_is(member->name, RETAIN) || slice_is(member->name, DIRECTIVE) ||
                         suffix_of(member->name, ORDER_PREFIX, &suffix) ||
                         suffix_of(member->name, DELETE_PREFIX, &suffix);
        if (!directive && member->value->type != JSON_NULL && !is_kept(&kept, member->name)) {
            return bad_format(merge, "retainKeys");
        }
    }
    for (size_t i = 0; i < original->count; i++) {
        if (!is_kept(&kept, original->members[i].name)) {
            original->members[i].value = NULL;
        }
    }
    json_sweep(merge->arena, original);
    take_out(merge, patch, RETAIN);
    return 0;
}

/* Handles one `$setElementOrder/<list>` together with the list of the same name in the patch, which
 * is dropped. */
static int ordered_list(struct strategic *merge, const struct api_message *message,
                        struct json_value *original, struct json_value *patch,
                        struct slice list_name, const struct json_value *order, unsigned depth)
{
    const struct api_field *field = field_of(message, list_name);
    struct json_value *current = json_get(original, list_name);
    struct json_value *given = json_get(patch, list_name);
    struct json_value *merged = NULL;
    bool merges = field != NULL && (field->flags & API_MERGE) != 0;
    if (order->type != JSON_ARRAY || (current != NULL && current->type != JSON_ARRAY) ||
        (given != NULL && given->type != JSON_ARRAY)) {
        return bad_format(merge, "setElementOrder list");
    }
    if (!merges || (current == NULL && given == NULL)) {
        return 0;
    }
    if (given != NULL && !patch_list_agrees(given, order, field->rules->merge_key)) {
        return patch_bad_request(merge->arena, merge->reterr_status,
                                 "the order in the patch doesn't match $setElementOrder list");
    }
    if (current == NULL) {
        current = json_new_array(merge->arena);
    }
    if (given == NULL) {
        given = json_new_array(merge->arena);
    }
    int result = merge_list(merge, field, current, given, order, depth, &merged);
    if (result != 0) {
        return result;
    }
    json_set(merge->arena, original, list_name, merged);
    json_drop(patch, list_name); /* May be absent. */
    return 0;
}

static int set_element_order(struct strategic *merge, const struct api_message *message,
                             struct json_value *original, struct json_value *patch, unsigned depth)
{
    for (size_t i = 0; i < patch->count; i++) {
        struct slice list_name;
        const struct json_member member = patch->members[i];
        if (member.value == NULL || !suffix_of(member.name, ORDER_PREFIX, &list_name)) {
            continue;
        }
        json_drop(patch, member.name);
        int result = ordered_list(merge, message, original, patch, list_name, member.value, depth);
        if (result != 0) {
            return result;
        }
    }
    json_sweep(merge->arena, patch);
    return 0;
}

static int merge_both(struct strategic *merge, const struct api_field *field,
                      struct json_value *current, struct json_value *patch, unsigned depth,
                      struct json_value **ret_value)
{
    uint32_t flags = field == NULL ? 0 : field->flags;
    if (current->type == JSON_OBJECT && (flags & API_REPLACE) == 0) {
        return merge_map(merge, inside(field), current, patch, depth + 1, ret_value);
    }
    if (current->type == JSON_ARRAY && (flags & API_MERGE) != 0) {
        return merge_list(merge, field, current, patch, NULL, depth + 1, ret_value);
    }
    *ret_value = patch;
    return 0;
}

static int merge_member(struct strategic *merge, const struct api_message *message,
                        struct json_value *original, struct slice name, struct json_value *patch,
                        unsigned depth)
{
    struct slice list_name;
    struct json_value *value = NULL;
    if (suffix_of(name, DELETE_PREFIX, &list_name)) {
        struct json_value *list = json_get(original, list_name);
        if (patch->type != JSON_ARRAY) {
            return bad_format(merge, "primitive list");
        }
        if (list != NULL && list->type == JSON_ARRAY) {
            patch_list_subtract(merge->arena, list, patch, NULL);
        }
        return 0;
    }
    if (patch->type == JSON_NULL) {
        json_drop(original, name); /* Absent already is fine. */
        return 0;
    }
    struct json_value *current = json_get(original, name);
    if (current != NULL && current->type == patch->type) {
        int result = merge_both(merge, field_of(message, name), current, patch, depth, &value);
        if (result != 0) {
            return result;
        }
    } else {
        value = without_directives(merge, patch, depth);
    }
    if (value != NULL) {
        json_set(merge->arena, original, name, value);
    }
    return 0;
}

static int merge_map(struct strategic *merge, const struct api_message *message,
                     struct json_value *original, struct json_value *patch, unsigned depth,
                     struct json_value **ret_value)
{
    const struct json_value *directive = json_get_text(patch, DIRECTIVE);
    if (depth > API_PATCH_DEPTH_MAX) {
        return patch_too_large(merge->arena, merge->reterr_status, "the patch nests too deep");
    }
    if (directive != NULL) {
        if (directive->type == JSON_STRING && slice_is(directive->text, "replace")) {
            struct json_value *whole = without_directives(merge, patch, depth);
            *ret_value = whole == NULL ? json_new_object(merge->arena) : whole;
            return 0;
        }
        if (directive->type == JSON_STRING && slice_is(directive->text, "delete")) {
            *ret_value = json_new_object(merge->arena);
            return 0;
        }
        if (directive->type != JSON_STRING || !slice_is(directive->text, "merge")) {
            return bad_directive(merge, directive);
        }
        take_out(merge, patch, DIRECTIVE);
    }
    int result = retain_keys(merge, original, patch);
    if (result == 0) {
        result = set_element_order(merge, message, original, patch, depth);
    }
    for (size_t i = 0; result == 0 && i < patch->count; i++) {
        result = merge_member(merge, message, original, patch->members[i].name,
                              patch->members[i].value, depth);
    }
    json_sweep(merge->arena, original);
    *ret_value = original;
    return result;
}

int patch_strategic_tree(struct arena *arena, const struct api_message *message,
                         struct json_value *document, struct json_value *patch,
                         struct json_value **ret_document, const struct api_status **reterr_status)
{
    struct strategic merge = {.arena = arena, .reterr_status = reterr_status};
    struct json_value *result = NULL;
    int code = merge_map(&merge, message, document, patch, 0, &result);
    if (code == 0) {
        *ret_document = result;
    }
    return code;
}

int api_patch_strategic(struct arena *arena, const struct api_message *message,
                        const struct json_value *document, struct slice patch,
                        struct json_value **ret_document, const struct api_status **reterr_status)
{
    CLEANUP(error_release) struct error error = {0};
    struct json_value *tree = NULL;
    if (json_parse(arena, patch, &tree, &error) != 0) {
        return patch_unreadable(arena, reterr_status, error_message(&error));
    }
    if (tree->type != JSON_OBJECT || document->type != JSON_OBJECT) {
        return patch_unreadable(
            arena, reterr_status,
            arena_printf(arena,
                         "json: cannot unmarshal %s into Go value of type map[string]interface {}",
                         json_type_name(tree->type)));
    }
    return patch_strategic_tree(arena, message, json_copy(arena, document), tree, ret_document,
                                reterr_status);
}
