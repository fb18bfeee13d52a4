/* YAML events (libyaml) into a JSON tree. Aliases share the tree of their anchor; what they would
 * cost once written out is counted first, so that no document grows beyond the limits. */
#include "lib/api/codec.h"
#include "lib/api/json_print.h"
#include "lib/api/limits.h"
#include "lib/api/yaml_scalar.h"
#include "lib/base/hash_map.h"
#include <errno.h>
#include <stdio.h>
#include <yaml.h>

struct anchor {
    const char *name;
    struct json_value *value;
    size_t nodes, bytes; /* Of the value, written out. */
};

struct composer {
    yaml_parser_t parser;
    struct arena *arena;
    size_t nodes, bytes; /* So far, aliases written out. */
    unsigned depth;
    struct anchor anchors[API_YAML_ANCHORS_MAX];
    size_t anchor_count;
    size_t duplicate_count;
    uint64_t seed;            /* Of the indices of large mappings. */
    struct buffer duplicates; /* "\n  line 3: key "a" already set in map" for each. */
    int code;
    struct error *reterr;
};

static int fail(struct composer *composer, int code, const char *text)
{
    composer->code = error_set(composer->reterr, code, "%s", text);
    return code;
}

/* The line as Go's yaml counts it: scanner errors are one line behind. */
static int fail_parser(struct composer *composer)
{
    const yaml_parser_t *parser = &composer->parser;
    const char *problem =
        parser->problem == NULL ? "unknown problem parsing YAML content" : parser->problem;
    size_t line = 0;
    if (parser->problem_mark.line != 0) {
        line = parser->problem_mark.line + (parser->error == YAML_SCANNER_ERROR);
    } else if (parser->context_mark.line != 0) {
        line = parser->context_mark.line;
    }
    composer->code =
        line != 0 ? error_set(composer->reterr, -EBADMSG, "yaml: line %zu: %s", line, problem)
                  : error_set(composer->reterr, -EBADMSG, "yaml: %s", problem);
    return composer->code;
}

static int next_event(struct composer *composer, yaml_event_t *event)
{
    return yaml_parser_parse(&composer->parser, event) != 0 ? 0 : fail_parser(composer);
}

static int count(struct composer *composer, size_t nodes, size_t bytes)
{
    composer->nodes += nodes;
    composer->bytes += bytes;
    if (composer->nodes > API_YAML_NODES_MAX || composer->bytes > API_YAML_BYTES_MAX) {
        return fail(composer, -E2BIG, "yaml: document contains excessive aliasing");
    }
    return 0;
}

static struct json_value *scalar_value(struct composer *composer, const yaml_event_t *event)
{
    struct slice text = slice_of(event->data.scalar.value, event->data.scalar.length);
    const char *tag = (const char *)event->data.scalar.tag;
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

    if (tag != NULL ? strcmp(tag, YAML_STR_TAG) == 0 || strcmp(tag, "!") == 0 : !plain) {
        return json_new_string(composer->arena, text);
    }
    return yaml_resolve(composer->arena, text);
}

static int compose(struct composer *composer, yaml_event_t *event, struct json_value **ret_value);

static int compose_alias(struct composer *composer, const yaml_event_t *event,
                         struct json_value **ret_value)
{
    const char *name = (const char *)event->data.alias.anchor;
    for (size_t i = composer->anchor_count; i > 0; i--) { /* The latest of a name counts. */
        const struct anchor *anchor = &composer->anchors[i - 1];
        if (strcmp(anchor->name, name) == 0) {
            *ret_value = anchor->value;
            return count(composer, anchor->nodes, anchor->bytes);
        }
    }
    composer->code =
        error_set(composer->reterr, -EBADMSG, "yaml: unknown anchor '%s' referenced", name);
    return composer->code;
}

static int compose_sequence(struct composer *composer, struct json_value *array)
{
    for (;;) {
        yaml_event_t event;
        struct json_value *item = NULL;
        int r = next_event(composer, &event);
        if (r < 0) {
            return r;
        }
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return 0;
        }
        r = compose(composer, &event, &item);
        yaml_event_delete(&event);
        if (r < 0) {
            return r;
        }
        json_append(composer->arena, array, item);
    }
}

/* A key as JSON has it: text. */
static int key_text(struct composer *composer, const struct json_value *key, struct slice *ret_text)
{
    switch (key->type) {
    case JSON_STRING:
    case JSON_NUMBER:
        *ret_text = key->text;
        return 0;
    case JSON_BOOL:
        *ret_text = slice_text(key->boolean ? "true" : "false");
        return 0;
    case JSON_NULL:
        *ret_text = slice_text("null");
        return 0;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return fail(composer, -EBADMSG, "yaml: invalid map key");
}

/* A mapping while it is read. Beyond a few keys they are indexed, or a document of very many keys
 * would take time in their square. */
struct mapping {
    struct json_value *object;
    struct json_value *merged; /* Value of "<<", or NULL. */
    struct hash_map *index;    /* Key to value, or NULL. */
};

enum { MAPPING_UNINDEXED_MAX = 16 };

static bool has_key(const struct mapping *mapping, struct slice key)
{
    return mapping->index == NULL ? json_get(mapping->object, key) != NULL
                                  : hash_map_get(mapping->index, key) != NULL;
}

/* A key that is not there yet. */
static void add_member(struct composer *composer, struct mapping *mapping, struct slice key,
                       struct json_value *value)
{
    struct json_value *object = mapping->object;
    json_add(composer->arena, object, key, value);
    if (mapping->index == NULL && object->count > MAPPING_UNINDEXED_MAX) {
        mapping->index = hash_map_new(composer->seed);
        for (size_t i = 0; i < object->count; i++) {
            hash_map_set(mapping->index, object->members[i].name, object->members[i].value);
        }
    } else if (mapping->index != NULL) {
        hash_map_set(mapping->index, key, value);
    }
}

/* Keys of `from` that the mapping does not have itself. */
static int merge(struct composer *composer, struct mapping *mapping, const struct json_value *from)
{
    if (from->type == JSON_ARRAY) {
        for (size_t i = 0; i < from->count; i++) {
            int r = from->items[i]->type == JSON_OBJECT
                        ? merge(composer, mapping, from->items[i])
                        : fail(composer, -EBADMSG,
                               "yaml: map merge requires map or sequence of maps as the value");
            if (r < 0) {
                return r;
            }
        }
        return 0;
    }
    if (from->type != JSON_OBJECT) {
        return fail(composer, -EBADMSG,
                    "yaml: map merge requires map or sequence of maps as the value");
    }
    for (size_t i = 0; i < from->count; i++) {
        if (!has_key(mapping, from->members[i].name)) {
            add_member(composer, mapping, from->members[i].name, from->members[i].value);
        }
    }
    return count(composer, from->count, 0);
}

static void set_member(struct composer *composer, struct mapping *mapping, struct slice key,
                       struct json_value *value, size_t line)
{
    if (!has_key(mapping, key)) {
        add_member(composer, mapping, key, value);
        return;
    }
    /* Rare, so that the search for its place may be slow; their number is bounded. */
    if (++composer->duplicate_count <= API_YAML_DUPLICATES_MAX) {
        buffer_printf(&composer->duplicates, "\n  line %zu: key ", line + 1);
        json_print_string(key, &composer->duplicates);
        buffer_append_text(&composer->duplicates, " already set in map");
        json_set(composer->arena, mapping->object, key, value);
    } else {
        composer->code = fail(composer, -E2BIG, "yaml: document contains too many duplicate keys");
    }
}

static int compose_pair(struct composer *composer, yaml_event_t *event, struct mapping *mapping)
{
    struct json_value *key = NULL, *value = NULL;
    size_t line = event->start_mark.line;
    bool is_merge = event->type == YAML_SCALAR_EVENT &&
                    event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
                    strcmp((const char *)event->data.scalar.value, "<<") == 0;
    yaml_event_t next;
    struct slice text;
    int r = compose(composer, event, &key);

    if (r < 0 || (r = key_text(composer, key, &text)) < 0 ||
        (r = next_event(composer, &next)) < 0) {
        return r;
    }
    r = compose(composer, &next, &value);
    yaml_event_delete(&next);
    if (r < 0) {
        return r;
    }
    if (is_merge) {
        mapping->merged = value;
    } else {
        set_member(composer, mapping, text, value, line);
    }
    return composer->code;
}

static int compose_members(struct composer *composer, struct mapping *mapping)
{
    for (;;) {
        yaml_event_t event;
        int r = next_event(composer, &event);
        if (r < 0) {
            return r;
        }
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return mapping->merged == NULL ? 0 : merge(composer, mapping, mapping->merged);
        }
        r = compose_pair(composer, &event, mapping);
        yaml_event_delete(&event);
        if (r < 0) {
            return r;
        }
    }
}

static int compose_mapping(struct composer *composer, struct json_value *object)
{
    struct mapping mapping = {.object = object};
    int r = compose_members(composer, &mapping);
    hash_map_free(mapping.index);
    return r;
}

static int add_anchor(struct composer *composer, const yaml_char_t *name, struct json_value *value,
                      size_t nodes, size_t bytes)
{
    if (name == NULL) {
        return 0;
    }
    if (composer->anchor_count == API_YAML_ANCHORS_MAX) {
        return fail(composer, -E2BIG, "yaml: document contains too many anchors");
    }
    composer->anchors[composer->anchor_count++] =
        (struct anchor){arena_text(composer->arena, (const char *)name), value,
                        composer->nodes - nodes, composer->bytes - bytes};
    return 0;
}

static int compose(struct composer *composer, yaml_event_t *event, struct json_value **ret_value)
{
    size_t nodes = composer->nodes, bytes = composer->bytes;
    const yaml_char_t *anchor;
    int r;

    if (event->type == YAML_ALIAS_EVENT) {
        return compose_alias(composer, event, ret_value);
    }
    if (++composer->depth > API_YAML_DEPTH_MAX) {
        return fail(composer, -E2BIG, "yaml: exceeded max depth");
    }
    if (event->type == YAML_SCALAR_EVENT) {
        anchor = event->data.scalar.anchor;
        r = count(composer, 1, event->data.scalar.length);
        if (r == 0) {
            *ret_value = scalar_value(composer, event);
        }
    } else if (event->type == YAML_SEQUENCE_START_EVENT) {
        anchor = event->data.sequence_start.anchor;
        *ret_value = json_new_array(composer->arena);
        r = count(composer, 1, 0);
        r = r < 0 ? r : compose_sequence(composer, *ret_value);
    } else {
        anchor = event->data.mapping_start.anchor;
        *ret_value = json_new_object(composer->arena);
        r = count(composer, 1, 0);
        r = r < 0 ? r : compose_mapping(composer, *ret_value);
    }
    composer->depth--;
    return r < 0 ? r : add_anchor(composer, anchor, *ret_value, nodes, bytes);
}

static int compose_document(struct composer *composer, struct json_value **ret_value)
{
    yaml_event_t event;
    int r;

    *ret_value = NULL;
    for (;;) {
        yaml_event_type_t type;
        if ((r = next_event(composer, &event)) < 0) {
            return r;
        }
        type = event.type;
        if (type == YAML_SCALAR_EVENT || type == YAML_ALIAS_EVENT ||
            type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT) {
            r = compose(composer, &event, ret_value);
            yaml_event_delete(&event);
            return r;
        }
        yaml_event_delete(&event);
        if (type == YAML_STREAM_END_EVENT) {
            *ret_value = json_new_null(composer->arena);
            return 0;
        }
    }
}

static void report_duplicates(struct composer *composer, struct arena *arena,
                              struct api_problems *problems)
{
    if (problems == NULL || arena == NULL || composer->duplicates.len == 0) {
        return;
    }
    if (problems->texts == NULL) {
        problems->capacity = API_PROBLEMS_MAX;
        problems->texts = arena_array(arena, API_PROBLEMS_MAX, sizeof(char *));
    }
    if (problems->count < problems->capacity) {
        problems->texts[problems->count++] =
            arena_printf(arena, "yaml: unmarshal errors:%s", buffer_text(&composer->duplicates));
    }
}

int api_yaml_to_json(struct arena *arena, struct slice yaml, struct api_problems *problems,
                     struct buffer *out, struct error *reterr)
{
    CLEANUP(arena_freep) struct arena *own = arena_new(API_YAML_MEMORY_MAX);
    struct composer *composer = arena_zeroed(own, sizeof(*composer));
    struct json_value *value = NULL;
    int r;

    composer->arena = own;
    composer->reterr = reterr;
    /* Not secret, but not the same for two documents: keys cannot be chosen to collide. */
    composer->seed = hash_bytes((uintptr_t)composer, slice_of(yaml.data, yaml.len));
    buffer_init(&composer->duplicates, API_PATH_MAX);
    if (yaml_parser_initialize(&composer->parser) == 0) {
        return error_set(reterr, -ENOMEM, "yaml: out of memory");
    }
    yaml_parser_set_input_string(&composer->parser, yaml.data, yaml.len);
    r = compose_document(composer, &value);
    yaml_parser_delete(&composer->parser);
    if (r == 0) {
        report_duplicates(composer, arena, problems);
        json_print(value, /* sorted= */ false, out);
        r = buffer_error(out) < 0 ? error_set(reterr, -E2BIG, "yaml: document is too large") : 0;
    }
    buffer_release(&composer->duplicates);
    return r;
}
