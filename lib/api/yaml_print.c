/* JSON to YAML, as kubectl shows it: keys sorted, lists not indented below their key. */
#include "lib/api/codec.h"
#include "lib/api/limits.h"
#include "lib/api/yaml_scalar.h"
#include <errno.h>
#include <stdlib.h>
#include <yaml.h>

static int write_out(void *data, unsigned char *bytes, size_t len)
{
    struct buffer *out = data;
    buffer_append(out, bytes, len);
    return buffer_error(out) == 0;
}

static bool emit(yaml_emitter_t *emitter, yaml_event_t *event, int made)
{
    return made != 0 && yaml_emitter_emit(emitter, event) != 0;
}

static bool emit_scalar(yaml_emitter_t *emitter, struct slice text, yaml_scalar_style_t style)
{
    yaml_event_t event;
    return text.len <= INT32_MAX &&
           emit(emitter, &event,
                yaml_scalar_event_initialize(&event, NULL, NULL, text.data, (int)text.len,
                                             /* plain_implicit= */ 1, /* quoted_implicit= */ 1,
                                             style));
}

static size_t digits(const uint8_t *at, const uint8_t *end)
{
    size_t count = 0;
    while (at + count < end && at[count] >= '0' && at[count] <= '9') {
        count++;
    }
    return count;
}

/* YAML 1.1 reads 2001-12-14, alone or with a time behind it, as a timestamp. */
static bool looks_like_timestamp(struct slice text)
{
    enum { YEAR = 4 };
    const uint8_t *at = text.data, *end = text.data + text.len;
    if (digits(at, end) != YEAR) {
        return false;
    }
    at += YEAR;
    for (size_t part = 0; part < 2; part++) {
        if (at == end || *at != '-') {
            return false;
        }
        size_t len = digits(at + 1, end);
        if (len == 0 || len > 2) {
            return false;
        }
        at += 1 + len;
    }
    return at == end || ((*at == 'T' || *at == 't' || *at == ' ') && digits(at + 1, end) > 0);
}

/* A text that would read as something else is quoted; one with lines is a block. */
static bool emit_text(yaml_emitter_t *emitter, struct arena *arena, struct slice text)
{
    yaml_scalar_style_t style = YAML_PLAIN_SCALAR_STYLE;
    if (memchr(text.data, '\n', text.len) != NULL) {
        style = YAML_LITERAL_SCALAR_STYLE;
    } else if (yaml_resolve(arena, text)->type != JSON_STRING || slice_is(text, "<<") ||
               looks_like_timestamp(text)) {
        style = YAML_DOUBLE_QUOTED_SCALAR_STYLE;
    }
    return emit_scalar(emitter, text, style);
}

static int by_name(const void *a, const void *b)
{
    const struct json_member *left = a, *right = b;
    return slice_compare(left->name, right->name);
}

static bool emit_value(yaml_emitter_t *emitter, struct arena *arena, struct json_value *value);

static bool emit_array(yaml_emitter_t *emitter, struct arena *arena, const struct json_value *value)
{
    yaml_sequence_style_t style =
        value->count == 0 ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE;
    yaml_event_t event;
    if (!emit(emitter, &event,
              yaml_sequence_start_event_initialize(&event, NULL, NULL, /* implicit= */ 1, style))) {
        return false;
    }
    for (size_t i = 0; i < value->count; i++) {
        if (!emit_value(emitter, arena, value->items[i])) {
            return false;
        }
    }
    return emit(emitter, &event, yaml_sequence_end_event_initialize(&event));
}

static bool emit_object(yaml_emitter_t *emitter, struct arena *arena, struct json_value *value)
{
    yaml_mapping_style_t style =
        value->count == 0 ? YAML_FLOW_MAPPING_STYLE : YAML_BLOCK_MAPPING_STYLE;
    yaml_event_t event;
    if (value->count > 1) {
        qsort(value->members, value->count, sizeof(*value->members), by_name);
        json_reordered(value);
    }
    if (!emit(emitter, &event,
              yaml_mapping_start_event_initialize(&event, NULL, NULL, /* implicit= */ 1, style))) {
        return false;
    }
    for (size_t i = 0; i < value->count; i++) {
        if (!emit_text(emitter, arena, value->members[i].name) ||
            !emit_value(emitter, arena, value->members[i].value)) {
            return false;
        }
    }
    return emit(emitter, &event, yaml_mapping_end_event_initialize(&event));
}

static bool emit_value(yaml_emitter_t *emitter, struct arena *arena, struct json_value *value)
{
    switch (value->type) {
    case JSON_NULL:
        return emit_scalar(emitter, slice_text("null"), YAML_PLAIN_SCALAR_STYLE);
    case JSON_BOOL:
        return emit_scalar(emitter, slice_text(value->boolean ? "true" : "false"),
                           YAML_PLAIN_SCALAR_STYLE);
    case JSON_NUMBER:
        return emit_scalar(emitter, value->text, YAML_PLAIN_SCALAR_STYLE);
    case JSON_STRING:
        return emit_text(emitter, arena, value->text);
    case JSON_ARRAY:
        return emit_array(emitter, arena, value);
    case JSON_OBJECT:
        return emit_object(emitter, arena, value);
    }
    return false;
}

static bool emit_document(yaml_emitter_t *emitter, struct arena *arena, struct json_value *value)
{
    yaml_event_t event;
    return emit(emitter, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING)) &&
           emit(
               emitter, &event,
               yaml_document_start_event_initialize(&event, NULL, NULL, NULL, /* implicit= */ 1)) &&
           emit_value(emitter, arena, value) &&
           emit(emitter, &event, yaml_document_end_event_initialize(&event, /* implicit= */ 1)) &&
           emit(emitter, &event, yaml_stream_end_event_initialize(&event));
}

int api_json_to_yaml(struct slice json, struct buffer *out, struct error *reterr)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct json_value *value = NULL;
    yaml_emitter_t emitter;
    bool written;

    if (json_parse(arena, json, &value, reterr) < 0) {
        return -EINVAL;
    }
    if (yaml_emitter_initialize(&emitter) == 0) {
        return error_set(reterr, -EINVAL, "yaml: out of memory");
    }
    yaml_emitter_set_output(&emitter, write_out, out);
    yaml_emitter_set_unicode(&emitter, 1);
    yaml_emitter_set_width(&emitter, -1);
    yaml_emitter_set_indent(&emitter, 2);
    written = emit_document(&emitter, arena, value);
    yaml_emitter_delete(&emitter);
    return written ? 0 : error_set(reterr, -EINVAL, "yaml: cannot be written");
}
