/* RFC 6902, with the two habits of the library that Kubernetes uses: a negative array index counts
 * from the end, and testing an absent member for null succeeds. */
#include "lib/api/json_value.h"
#include "lib/api/limits.h"
#include "lib/api/limits_semantics.h"
#include "lib/api/patch_error.h"
#include "lib/api/status.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

struct patcher {
    struct arena *arena;
    struct json_value *document; /* With members that are dropped, until it is settled. */
    size_t copied_bytes, moved_items;
    const char *too_much; /* Which limit it was, after -E2BIG. */
};

/* Where an operation points: a member or an item of `parent`; the root when parent is NULL. */
struct target {
    struct json_value *parent;
    struct slice token;
};

/* RFC 6901: ~1 is a slash, ~0 a tilde. */
static struct slice unescape(struct arena *arena, const char *text, size_t len)
{
    char *out = arena_text_n(arena, text, len);
    size_t used = 0;
    for (size_t i = 0; i < len; i++) {
        bool escape = text[i] == '~' && i + 1 < len && (text[i + 1] == '0' || text[i + 1] == '1');
        out[used++] = escape ? (text[i + 1] == '0' ? '~' : '/') : text[i];
        i += escape;
    }
    out[used] = '\0';
    return slice_of(out, used);
}

/* A decimal index without sign of `-`; `limit` is the first index that is too large. */
static bool index_of(struct slice token, size_t count, size_t limit, size_t *ret_index)
{
    enum { DIGITS_MAX = 18 };
    bool negative = token.len > 1 && token.data[0] == '-';
    size_t start = negative || (token.len > 1 && token.data[0] == '+') ? 1 : 0;
    int64_t number = 0;
    if (token.len == start || token.len - start > DIGITS_MAX) {
        return false;
    }
    for (size_t i = start; i < token.len; i++) {
        if (token.data[i] < '0' || token.data[i] > '9') {
            return false;
        }
        number = number * 10 + (token.data[i] - '0');
    }
    number = negative ? (int64_t)count - number : number;
    if (number < 0 || (uint64_t)number >= limit) {
        return false;
    }
    *ret_index = (size_t)number;
    return true;
}

static struct json_value *child(const struct json_value *parent, struct slice token)
{
    size_t index = 0;
    if (parent->type == JSON_OBJECT) {
        return json_get(parent, token);
    }
    if (parent->type == JSON_ARRAY && index_of(token, parent->count, parent->count, &index)) {
        return parent->items[index];
    }
    return NULL;
}

/* Returns 0, or -ENOENT when the path does not start with a slash or its parent does not exist. */
static int locate(struct patcher *patcher, struct slice pointer, struct target *ret_target)
{
    struct target target = {.parent = NULL};
    const char *at = (const char *)pointer.data;
    size_t left = pointer.len;
    struct json_value *value = patcher->document;
    if (left > 0 && *at != '/') {
        return -ENOENT;
    }
    while (left > 0) {
        const char *slash = memchr(at + 1, '/', left - 1);
        size_t len = slash == NULL ? left - 1 : (size_t)(slash - at) - 1;
        if (value == NULL || (value->type != JSON_OBJECT && value->type != JSON_ARRAY)) {
            return -ENOENT;
        }
        target.parent = value;
        target.token = unescape(patcher->arena, at + 1, len);
        value = child(value, target.token);
        at += len + 1;
        left -= len + 1;
    }
    *ret_target = target;
    return 0;
}

static struct json_value *target_value(const struct patcher *patcher, const struct target *target)
{
    return target->parent == NULL ? patcher->document : child(target->parent, target->token);
}

/* Before a value is read but by name. Members that were taken away go all at once, so that each has
 * not to move the rest; and operations that put one thing into another make no document that nests
 * deeper than a client could send one. 0 or -E2BIG. */
static int settle(struct patcher *patcher, struct json_value *value, unsigned depth)
{
    bool object = value->type == JSON_OBJECT, list = value->type == JSON_ARRAY;
    if (!object && !list) {
        return 0;
    }
    if (depth == API_DEPTH_MAX) {
        patcher->too_much = "the patch nests too deep";
        return -E2BIG;
    }
    if (object) {
        json_sweep(patcher->arena, value);
    }
    int result = 0;
    for (size_t i = 0; i < value->count && result == 0; i++) {
        result = settle(patcher, object ? value->members[i].value : value->items[i], depth + 1);
    }
    return result;
}

/* What comes into a list or leaves it moves all items behind it. 0 or -E2BIG. */
static int move_items(struct patcher *patcher, size_t count)
{
    if (count > API_PATCH_MOVED_ITEMS_MAX - patcher->moved_items) {
        patcher->too_much = "the operations of the JSON patch move too many items of lists";
        return -E2BIG;
    }
    patcher->moved_items += count;
    return 0;
}

static int add(struct patcher *patcher, const struct target *target, struct json_value *value)
{
    struct json_value *parent = target->parent;
    size_t index = 0;
    if (parent == NULL) {
        patcher->document = value;
        return 0;
    }
    if (parent->type == JSON_OBJECT) {
        json_set(patcher->arena, parent, target->token, value);
        return 0;
    }
    if (slice_is(target->token, "-")) {
        json_append(patcher->arena, parent, value);
        return 0;
    }
    if (!index_of(target->token, parent->count + 1, parent->count + 1, &index)) {
        return -ENOENT;
    }
    int result = move_items(patcher, parent->count - index);
    if (result == 0) {
        json_insert(patcher->arena, parent, index, value);
    }
    return result;
}

static int take(struct patcher *patcher, const struct target *target, struct json_value **ret_value)
{
    struct json_value *value = target_value(patcher, target);
    size_t index = 0;
    if (target->parent == NULL || value == NULL) {
        return -ENOENT;
    }
    int result = 0;
    if (target->parent->type == JSON_OBJECT) {
        json_drop(target->parent, target->token);
    } else if (index_of(target->token, target->parent->count, target->parent->count, &index)) {
        result = move_items(patcher, target->parent->count - index);
        if (result == 0) {
            json_remove_at(target->parent, index);
        }
    }
    *ret_value = value;
    return result;
}

static int replace(struct patcher *patcher, const struct target *target, struct json_value *value)
{
    size_t index = 0;
    if (target->parent == NULL) {
        patcher->document = value;
        return 0;
    }
    if (target_value(patcher, target) == NULL) {
        return -ENOENT;
    }
    if (target->parent->type == JSON_OBJECT) {
        json_set(patcher->arena, target->parent, target->token, value);
    } else if (index_of(target->token, target->parent->count, target->parent->count, &index)) {
        target->parent->items[index] = value;
    }
    return 0;
}

static int test(struct patcher *patcher, const struct target *target,
                const struct json_value *value)
{
    struct json_value *found = target_value(patcher, target);
    if (found == NULL) {
        return value->type == JSON_NULL ? 0 : -ENOENT;
    }
    int result = settle(patcher, found, 0);
    return result != 0 || json_equal(found, value) ? result : -ENOENT;
}

/* A copy pays for the bytes that it adds, so that a small patch cannot make a huge object. */
static int copy(struct patcher *patcher, const struct target *from, const struct target *to)
{
    struct json_value *value = target_value(patcher, from);
    if (value == NULL) {
        return -ENOENT;
    }
    int result = settle(patcher, value, 0);
    if (result != 0) {
        return result;
    }
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, API_PATCH_COPY_BYTES_MAX - patcher->copied_bytes);
    json_print(value, /* sorted= */ false, &text);
    if (buffer_error(&text) != 0) {
        patcher->too_much = "the copy operations of the JSON patch add too many bytes";
        return -E2BIG;
    }
    patcher->copied_bytes += text.len;
    return add(patcher, to, json_copy(patcher->arena, value));
}

static int move_or_copy(struct patcher *patcher, const struct json_value *operation, bool move,
                        struct slice path)
{
    struct target from, to;
    struct json_value *value = NULL;
    const struct json_value *pointer = json_get_text(operation, "from");
    if (pointer == NULL || pointer->type != JSON_STRING) {
        return -ENOENT;
    }
    /* RFC 6902 4.4: a value cannot be moved into one of its children. */
    if (move && slice_starts_with(path, pointer->text) && path.len > pointer->text.len &&
        path.data[pointer->text.len] == '/') {
        return -ENOENT;
    }
    int result = locate(patcher, pointer->text, &from);
    if (result == 0 && move) {
        result = take(patcher, &from, &value);
    }
    if (result == 0) {
        result = locate(patcher, path, &to);
    }
    if (result != 0) {
        return result;
    }
    return move ? add(patcher, &to, value) : copy(patcher, &from, &to);
}

static int apply(struct patcher *patcher, const struct json_value *operation)
{
    const struct json_value *op = json_get_text(operation, "op");
    const struct json_value *path = json_get_text(operation, "path");
    const struct json_value *given = json_get_text(operation, "value");
    struct target target;
    struct json_value *removed = NULL;
    if (op == NULL || op->type != JSON_STRING || path == NULL || path->type != JSON_STRING) {
        return -ENOENT;
    }
    if (slice_is(op->text, "move") || slice_is(op->text, "copy")) {
        return move_or_copy(patcher, operation, slice_is(op->text, "move"), path->text);
    }
    int result = locate(patcher, path->text, &target);
    if (result != 0) {
        return result;
    }
    struct json_value *value =
        given == NULL ? json_new_null(patcher->arena) : json_copy(patcher->arena, given);
    if (slice_is(op->text, "add")) {
        return add(patcher, &target, value);
    }
    if (slice_is(op->text, "remove")) {
        return take(patcher, &target, &removed);
    }
    if (slice_is(op->text, "replace")) {
        return replace(patcher, &target, value);
    }
    return slice_is(op->text, "test") ? test(patcher, &target, value) : -ENOENT;
}

/* The patch must be an array of objects. */
static int read_operations(struct arena *arena, struct slice patch,
                           struct json_value **ret_operations,
                           const struct api_status **reterr_status)
{
    CLEANUP(error_release) struct error error = {0};
    struct json_value *operations = NULL;
    if (json_parse(arena, patch, &operations, &error) != 0) {
        return patch_unreadable(arena, reterr_status, error_message(&error));
    }
    if (operations->type != JSON_ARRAY) {
        return patch_unreadable(
            arena, reterr_status,
            arena_printf(arena,
                         "json: cannot unmarshal %s into Go value of type []handlers.jsonPatchOp",
                         json_type_name(operations->type)));
    }
    if (operations->count > API_PATCH_OPERATIONS_MAX) {
        return patch_too_large(
            arena, reterr_status,
            arena_printf(arena, "The allowed maximum operations in a JSON patch is %d, got %zu",
                         API_PATCH_OPERATIONS_MAX, operations->count));
    }
    for (size_t i = 0; i < operations->count; i++) {
        if (operations->items[i]->type != JSON_OBJECT) {
            return patch_unreadable(
                arena, reterr_status,
                arena_printf(arena,
                             "json: cannot unmarshal %s into Go value of type handlers.jsonPatchOp",
                             json_type_name(operations->items[i]->type)));
        }
    }
    *ret_operations = operations;
    return 0;
}

/* 0, or what the operation failed with that is *ret_failed; none when it is too much at the end. */
static int apply_all(struct patcher *patcher, const struct json_value *operations,
                     const struct json_value **ret_failed)
{
    for (size_t i = 0; i < operations->count; i++) {
        int result = apply(patcher, operations->items[i]);
        if (result != 0) {
            *ret_failed = operations->items[i];
            return result;
        }
    }
    return settle(patcher, patcher->document, 0);
}

int api_patch_json(struct arena *arena, const struct json_value *document, struct slice patch,
                   struct json_value **ret_document, const struct api_status **reterr_status)
{
    struct json_value *operations = NULL;
    const struct json_value *failed = NULL;
    int result = read_operations(arena, patch, &operations, reterr_status);
    if (result != 0) {
        return result;
    }
    assert(operations != NULL);
    struct patcher patcher = {.arena = arena, .document = json_copy(arena, document)};
    result = apply_all(&patcher, operations, &failed);
    if (result != 0) {
        return result == -E2BIG ? patch_too_large(arena, reterr_status, patcher.too_much)
                                : patch_inapplicable(arena, reterr_status);
    }
    *ret_document = patcher.document;
    return 0;
}

/* --- In the words of the library --- */

static const char *text_of(const struct json_value *operation, const char *name)
{
    const struct json_value *value = json_get_text(operation, name);
    return value != NULL && value->type == JSON_STRING ? (const char *)value->text.data : NULL;
}

static bool is_number(struct slice token)
{
    size_t at = token.len > 1 && (token.data[0] == '-' || token.data[0] == '+') ? 1 : 0;
    for (size_t i = at; i < token.len; i++) {
        if (token.data[i] < '0' || token.data[i] > '9') {
            return false;
        }
    }
    return token.len > at;
}

/* What is wrong with the last part of a path whose parent is there. */
static const char *words_of_part(struct arena *arena, const struct target *target, bool adding)
{
    const char *token = (const char *)target->token.data;
    if (target->parent != NULL && target->parent->type == JSON_OBJECT) {
        return arena_printf(arena, "Unable to remove nonexistent key: %s: missing value", token);
    }
    if (target->parent == NULL || is_number(target->token)) {
        return arena_printf(arena, "Unable to access invalid index: %s: invalid index referenced",
                            target->parent == NULL ? "0" : token);
    }
    const char *number = arena_printf(arena, "strconv.Atoi: parsing \"%s\": invalid syntax", token);
    return adding
               ? arena_printf(arena, "value was not a proper array index: '%s': %s", token, number)
               : number;
}

static const char *words_of_two(struct patcher *patcher, const char *op, const char *from,
                                const char *path)
{
    struct target target;
    if (from == NULL) {
        return arena_printf(patcher->arena,
                            "%s operation failed to decode from: operation, missing from field: "
                            "missing value",
                            op);
    }
    if (locate(patcher, slice_text(from), &target) != 0) {
        return arena_printf(patcher->arena,
                            "%s operation does not apply: doc is missing from path: %s: missing "
                            "value",
                            op, from);
    }
    if (locate(patcher, slice_text(path), &target) != 0) {
        return arena_printf(patcher->arena,
                            "%s operation does not apply: doc is missing destination path: %s: "
                            "missing value",
                            op, path);
    }
    return arena_printf(patcher->arena, "error in %s for path: '%s': %s", op, path,
                        words_of_part(patcher->arena, &target, true));
}

/* Why the operation could not be applied to what the ones before it have left. */
static const char *words_of(struct patcher *patcher, const struct json_value *operation)
{
    struct arena *arena = patcher->arena;
    const char *op = text_of(operation, "op"), *path = text_of(operation, "path");
    op = op == NULL ? "unknown" : op;
    bool add = strcmp(op, "add") == 0, remove = strcmp(op, "remove") == 0;
    bool replace = strcmp(op, "replace") == 0, test = strcmp(op, "test") == 0;
    bool two = strcmp(op, "move") == 0 || strcmp(op, "copy") == 0;
    struct target target;
    if (!add && !remove && !replace && !test && !two) {
        return arena_printf(arena, "Unexpected kind: %s", op);
    }
    if (path == NULL) {
        return arena_printf(arena, "%s operation failed to decode path: %smissing value", op,
                            add || remove ? "" : "operation missing path field: ");
    }
    if (two) {
        return words_of_two(patcher, op, text_of(operation, "from"), path);
    }
    if (locate(patcher, slice_text(path), &target) != 0) {
        return arena_printf(arena, "%s operation does not apply: %sis missing path: %s%s%s: %s", op,
                            test ? "" : "doc ", add || remove ? "\"" : "", path,
                            add || remove ? "\"" : "", "missing value");
    }
    if (test) {
        return arena_printf(arena, "testing value %s failed: test failed", path);
    }
    if (replace) {
        return arena_printf(
            arena, "replace operation does not apply: doc is missing key: %s: missing value", path);
    }
    return arena_printf(arena, "error in %s for path: '%s': %s", op, path,
                        words_of_part(arena, &target, add));
}

int api_patch_json_worded(struct arena *arena, const struct json_value *document,
                          struct slice patch, struct json_value **ret_document,
                          const char **reterr_words)
{
    CLEANUP(error_release) struct error error = {0};
    struct json_value *operations = NULL;
    const struct json_value *failed = NULL;
    if (json_parse(arena, patch, &operations, &error) != 0) {
        *reterr_words = arena_text(arena, error_message(&error));
        return -EINVAL;
    }
    const struct api_status *refusal = NULL;
    bool is_list = operations->type == JSON_ARRAY;
    if (read_operations(arena, patch, &operations, &refusal) != 0) {
        const char *type = is_list ? "jsonpatch.Operation" : "jsonpatch.Patch";
        const struct json_value *wrong = operations;
        for (size_t i = 0; is_list && i < operations->count; i++) {
            wrong = operations->items[i]->type != JSON_OBJECT ? operations->items[i] : wrong;
        }
        *reterr_words =
            wrong->type == JSON_ARRAY
                ? refusal->message
                : arena_printf(arena, "json: cannot unmarshal %s into Go value of type %s",
                               json_type_name(wrong->type), type);
        return -EINVAL;
    }
    struct patcher patcher = {.arena = arena, .document = json_copy(arena, document)};
    int result = apply_all(&patcher, operations, &failed);
    if (result != 0) {
        *reterr_words = result == -E2BIG ? patcher.too_much : words_of(&patcher, failed);
        return result;
    }
    *ret_document = patcher.document;
    return 0;
}
