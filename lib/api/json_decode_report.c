/* What the JSON decoder says about a document: of which members, and of which values. */
#include "lib/api/json_decode.h"

#include "lib/api/fields.h"
#include "lib/api/limits.h"
#include <errno.h>
#include <stdio.h>

/* --- Paths ------------------------------------------------------------------------------------ */

static void print_path(const struct json_frame *frame, struct buffer *out)
{
    if (frame == NULL) {
        return;
    }
    print_path(frame->parent, out);
    if (frame->kind == JSON_FRAME_INDEX) {
        buffer_printf(out, "[%zu]", frame->index);
        return;
    }
    if (out->len > 0) {
        buffer_append_byte(out, '.');
    }
    buffer_append_slice(out, frame->name);
}

void json_decode_report(struct json_decode *decode, const char *what,
                        const struct json_frame *parent, struct slice name)
{
    CLEANUP(buffer_release) struct buffer path = {0};
    struct json_frame frame = {.parent = parent, .kind = JSON_FRAME_KEY, .name = name};
    struct api_problems *problems = decode->problems;
    const char *text;

    if (problems == NULL || problems->count == API_PROBLEMS_MAX || decode->scan.code != 0) {
        return;
    }
    buffer_init(&path, API_PATH_MAX);
    print_path(&frame, &path);
    text = arena_printf(decode->memory.arena, "%s \"%s\"", what, buffer_text(&path));
    for (size_t i = 0; i < problems->count; i++) {
        if (strcmp(problems->texts[i], text) == 0) {
            return;
        }
    }
    if (problems->texts == NULL) {
        problems->capacity = API_PROBLEMS_MAX;
        problems->texts = arena_array(decode->memory.arena, API_PROBLEMS_MAX, sizeof(char *));
    }
    problems->texts[problems->count++] = text;
}

/* --- Values of the wrong type ----------------------------------------------------------------- */

const char *json_decode_value_name(int byte)
{
    switch (byte) {
    case '{':
        return "object";
    case '[':
        return "array";
    case '"':
        return "string";
    case 't':
    case 'f':
        return "bool";
    default:
        return "number";
    }
}

void json_decode_error(struct json_decode *decode, const char *message)
{
    if (decode->type_error.code == 0) {
        error_set(&decode->type_error, -EINVAL, "%s", message);
    }
}

/* The first one counts, as in Go; the rest is still read, for it may hold a syntax error. */
void json_decode_mismatch(struct json_decode *decode, const struct json_frame *frame,
                          const char *value, const char *type)
{
    CLEANUP(buffer_release) struct buffer path = {0};
    const struct json_frame *inner = frame;
    const char *names[API_OBJECT_DEPTH_MAX];
    size_t lens[API_OBJECT_DEPTH_MAX];
    size_t count = 0;

    if (decode->type_error.code != 0) {
        return;
    }
    while (inner != NULL && inner->kind != JSON_FRAME_FIELD) {
        inner = inner->parent;
    }
    if (inner == NULL) {
        error_set(&decode->type_error, -EINVAL,
                  "json: cannot unmarshal %s into Go value of type %s", value, type);
        return;
    }
    for (const struct json_frame *at = inner; at != NULL && count < API_OBJECT_DEPTH_MAX;
         at = at->parent) {
        if (at->kind == JSON_FRAME_FIELD) {
            names[count] = (const char *)at->name.data;
            lens[count++] = at->name.len;
        }
    }
    buffer_init(&path, API_PATH_MAX);
    while (count > 0) {
        count--;
        buffer_printf(&path, ".%.*s", (int)lens[count], names[count]);
    }
    error_set(&decode->type_error, -EINVAL,
              "json: cannot unmarshal %s into Go struct field %s%s of type %s", value,
              inner->message->name, buffer_text(&path), type);
}

const char *json_decode_go_message_name(const struct api_message *message)
{
    const char *dot = strrchr(message->full_name, '.');
    while (dot > message->full_name && dot[-1] != '.') {
        dot--;
    }
    return dot;
}

const char *json_decode_go_value_name(const struct api_field *field)
{
    static const char *const names[] = {
        [API_BOOL] = "bool",
        [API_INT32] = "int32",
        [API_INT64] = "int64",
        [API_DOUBLE] = "float64",
        [API_STRING] = "string",
        [API_BYTES] = "[]uint8",
        [API_QUANTITY] = "resource.Quantity",
    };
    if (field->rules->go_type != NULL) {
        return field->rules->go_type;
    }
    return field->type >= API_OBJECT ? json_decode_go_message_name(field->message)
                                     : names[field->type];
}

int json_decode_wrong_type(struct json_decode *decode, const struct api_field *field, bool whole,
                           const struct json_frame *frame)
{
    char type[256];
    const char *prefix = "";
    if (whole && field->label != API_SINGLE) {
        prefix = field->label == API_REPEATED ? "[]" : "map[string]";
    }
    (void)snprintf(type, sizeof(type), "%s%s", prefix, json_decode_go_value_name(field));
    json_decode_mismatch(decode, frame, json_decode_value_name(json_scan_peek(&decode->scan)),
                         type);
    return json_scan_skip(&decode->scan);
}
