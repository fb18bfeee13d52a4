/* Members that no table knows, as trees: the content of custom resources. */
#include "lib/api/custom.h"
#include "lib/api/json_decode.h"
#include "lib/api/limits.h"
#include <errno.h>
#include <stdlib.h>

struct named {
    struct slice name;
    size_t index;
};

static int by_name(const void *a, const void *b)
{
    const struct named *left = a, *right = b;
    int order = slice_compare(left->name, right->name);
    return order != 0 ? order : (left->index < right->index ? -1 : 1);
}

/* A later member of the same name wins, as in Go; each name that stands twice is reported. */
static void settle_duplicates(struct json_decode *decode, struct json_value *object,
                              const struct json_frame *frame)
{
    struct arena *arena = decode->memory.arena;
    struct named *names = arena_array(arena, object->count, sizeof(*names));
    for (size_t i = 0; i < object->count; i++) {
        names[i] = (struct named){object->members[i].name, i};
    }
    qsort(names, object->count, sizeof(*names), by_name);
    for (size_t i = 1; i < object->count; i++) {
        if (slice_equal(names[i - 1].name, names[i].name)) {
            object->members[names[i].index].name = names[i].name;
            json_decode_report(decode, "duplicate field", frame, names[i].name);
            object->members[names[i - 1].index].value = NULL;
        }
    }
    json_sweep(arena, object);
}

static int decode_object(struct json_decode *decode, const struct json_frame *frame,
                         struct json_value *object)
{
    struct json_token token;
    bool first = true;
    int r = json_scan_enter(&decode->scan);
    while (r == 0 && (r = json_scan_next_member(&decode->scan, &first, &token)) > 0) {
        struct json_value *value = NULL;
        struct slice name = json_token_text(decode->memory.arena, token);
        struct json_frame inner = {
            .parent = frame, .kind = JSON_FRAME_KEY, .name = name, .message = NULL};
        r = json_decode_tree(decode, &inner, &value);
        if (r == 0) {
            json_add(decode->memory.arena, object, name, value);
        }
    }
    if (r == 0 && object->count > 1) {
        settle_duplicates(decode, object, frame);
    }
    return r;
}

static int decode_array(struct json_decode *decode, const struct json_frame *frame,
                        struct json_value *array)
{
    bool first = true;
    int r = json_scan_enter(&decode->scan);
    while (r == 0 && (r = json_scan_next_item(&decode->scan, &first)) > 0) {
        struct json_value *value = NULL;
        struct json_frame inner = {
            .parent = frame, .kind = JSON_FRAME_INDEX, .index = array->count};
        r = json_decode_tree(decode, &inner, &value);
        if (r == 0) {
            json_append(decode->memory.arena, array, value);
        }
    }
    return r;
}

static int decode_scalar(struct json_decode *decode, struct json_value **ret_value)
{
    struct arena *arena = decode->memory.arena;
    const uint8_t *start = decode->scan.at;
    int r = json_scan_skip(&decode->scan);
    r = r != 0 ? r
               : json_parse(arena, slice_of(start, (size_t)(decode->scan.at - start)), ret_value,
                            NULL);
    if (r == 0 && (*ret_value)->type == JSON_NUMBER && json_settle_number(arena, *ret_value) < 0) {
        return json_scan_fail_code(
            &decode->scan, -EBADMSG,
            arena_printf(arena, "json: cannot unmarshal number %s into Go value of type float64",
                         (const char *)(*ret_value)->text.data));
    }
    return r;
}

int json_decode_tree(struct json_decode *decode, const struct json_frame *frame,
                     struct json_value **ret_value)
{
    struct arena *arena = decode->memory.arena;
    switch (json_scan_peek(&decode->scan)) {
    case '{':
        *ret_value = json_new_object(arena);
        return decode_object(decode, frame, *ret_value);
    case '[':
        *ret_value = json_new_array(arena);
        return decode_array(decode, frame, *ret_value);
    default:
        return decode_scalar(decode, ret_value);
    }
}

int json_decode_content(struct json_decode *decode, void *object, struct slice name,
                        const struct json_frame *parent)
{
    struct custom_object *custom = object;
    struct json_frame frame = {.parent = parent, .kind = JSON_FRAME_KEY, .name = name};
    struct json_value *value = NULL;
    size_t left = (size_t)(decode->scan.end - decode->scan.at);
    if (left > decode->memory.left / JSON_TREE_BYTES_PER_BYTE) {
        return json_decode_exhausted(decode);
    }
    int r = json_decode_tree(decode, &frame, &value);
    if (r != 0) {
        return r;
    }
    if (json_get(custom->content, name) != NULL) {
        json_decode_report(decode, "duplicate field", parent, name);
    }
    json_set(decode->memory.arena, custom->content, name, value);
    return 0;
}
