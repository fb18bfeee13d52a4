#include "apiserver/config_reader.h"

#include "lib/api/codec.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void config_fail(struct config_reader *reader, const char *format, ...)
{
    if (reader->status < 0) {
        return;
    }
    va_list args;
    va_start(args, format);
    char line[1024];
    (void)vsnprintf(line, sizeof(line), format, args); /* What is longer is cut. */
    va_end(args);
    reader->status = error_set(reader->reterr, -EINVAL, "%s", line);
}

const char *config_item_path(struct config_reader *reader, const char *where, const char *name,
                             size_t index)
{
    return arena_printf(reader->arena, "%s%s%s[%zu]", where, where[0] == 0 ? "" : ".", name, index);
}

static void fail_at(struct config_reader *reader, const char *where, const char *name,
                    const char *problem)
{
    config_fail(reader, "%s%s%s: %s", where, where[0] == 0 ? "" : ".", name, problem);
}

/* NULL when it is absent or null. */
static const struct json_value *member(const struct json_value *object, const char *name)
{
    const struct json_value *value = json_get_text(object, name);
    return value == NULL || value->type == JSON_NULL ? NULL : value;
}

static bool is_text(const struct json_value *value)
{
    return value->type == JSON_STRING && memchr(value->text.data, 0, value->text.len) == NULL;
}

static const char *text_of(struct config_reader *reader, const struct json_value *value)
{
    return arena_text_n(reader->arena, (const char *)value->text.data, value->text.len);
}

void config_check_names(struct config_reader *reader, const struct json_value *object,
                        const char *where, const char *const *names)
{
    for (size_t i = 0; i < object->count; i++) {
        const struct slice *name = &object->members[i].name;
        size_t at = 0;
        while (names[at] != NULL && !slice_is(*name, names[at])) {
            at++;
        }
        if (names[at] == NULL) {
            fail_at(reader, where, arena_text_n(reader->arena, (const char *)name->data, name->len),
                    "unknown field");
            return;
        }
    }
}

const char *config_text(struct config_reader *reader, const struct json_value *object,
                        const char *where, const char *name)
{
    const struct json_value *value = reader->status < 0 ? NULL : member(object, name);
    if (value == NULL) {
        return "";
    }
    if (!is_text(value)) {
        fail_at(reader, where, name, "must be text");
        return "";
    }
    return text_of(reader, value);
}

struct text_list config_texts(struct config_reader *reader, const struct json_value *object,
                              const char *where, const char *name)
{
    const struct json_value *value = reader->status < 0 ? NULL : member(object, name);
    if (value == NULL) {
        return (struct text_list){.count = 0};
    }
    if (value->type != JSON_ARRAY) {
        fail_at(reader, where, name, "must be a list of texts");
        return (struct text_list){.count = 0};
    }
    const char **items = arena_array(reader->arena, value->count, sizeof(char *));
    for (size_t i = 0; i < value->count; i++) {
        if (!is_text(value->items[i])) {
            config_fail(reader, "%s: must be text", config_item_path(reader, where, name, i));
            return (struct text_list){.count = 0};
        }
        items[i] = text_of(reader, value->items[i]);
    }
    return (struct text_list){.items = items, .count = value->count};
}

bool config_bool(struct config_reader *reader, const struct json_value *object, const char *where,
                 const char *name, bool fallback)
{
    const struct json_value *value = reader->status < 0 ? NULL : member(object, name);
    if (value == NULL) {
        return fallback;
    }
    if (value->type != JSON_BOOL) {
        fail_at(reader, where, name, "must be true or false");
        return fallback;
    }
    return value->boolean;
}

const struct json_value *config_map(struct config_reader *reader, const struct json_value *object,
                                    const char *where, const char *name)
{
    const struct json_value *value = reader->status < 0 ? NULL : member(object, name);
    if (value != NULL && value->type != JSON_OBJECT) {
        fail_at(reader, where, name, "must be a map");
        return NULL;
    }
    return value;
}

struct config_list config_maps(struct config_reader *reader, const struct json_value *object,
                               const char *where, const char *name)
{
    const struct json_value *value = reader->status < 0 ? NULL : member(object, name);
    if (value == NULL) {
        return (struct config_list){.count = 0};
    }
    if (value->type != JSON_ARRAY) {
        fail_at(reader, where, name, "must be a list");
        return (struct config_list){.count = 0};
    }
    for (size_t i = 0; i < value->count; i++) {
        if (value->items[i]->type != JSON_OBJECT) {
            config_fail(reader, "%s: must be a map", config_item_path(reader, where, name, i));
            return (struct config_list){.count = 0};
        }
    }
    return (struct config_list){.items = value->items, .count = value->count};
}

static bool is_among(const char *text, const char *const *texts)
{
    size_t at = 0;
    while (texts[at] != NULL && strcmp(text, texts[at]) != 0) {
        at++;
    }
    return texts[at] != NULL;
}

const struct json_value *config_open(struct config_reader *reader, struct slice text,
                                     size_t size_max, const char *kind,
                                     const char *const *api_versions)
{
    CLEANUP(buffer_release) struct buffer json;
    buffer_init(&json, size_max);
    struct json_value *document = NULL;
    int status = api_yaml_to_json(reader->arena, text, NULL, &json, reader->reterr);
    if (status == 0) {
        status = json_parse(reader->arena, buffer_slice(&json), &document, reader->reterr);
    }
    if (status < 0) {
        reader->status = -EINVAL;
        return NULL;
    }
    bool map = document != NULL && document->type == JSON_OBJECT;
    if (!map || strcmp(config_text(reader, document, "", "kind"), kind) != 0 ||
        !is_among(config_text(reader, document, "", "apiVersion"), api_versions)) {
        config_fail(reader, "must be of kind %s and apiVersion %s", kind, api_versions[0]);
        return NULL;
    }
    return document;
}

const struct json_value *config_review_status(struct config_reader *reader, struct slice json,
                                              const char *kind, const char *api_version)
{
    struct json_value *document = NULL;
    if (json_parse(reader->arena, json, &document, NULL) < 0 || document->type != JSON_OBJECT) {
        config_fail(reader, "the answer is no JSON object");
        return NULL;
    }
    if (strcmp(config_text(reader, document, "", "kind"), kind) != 0 ||
        strcmp(config_text(reader, document, "", "apiVersion"), api_version) != 0) {
        config_fail(reader, "the answer is no %s of %s", kind, api_version);
        return NULL;
    }
    const struct json_value *status = config_map(reader, document, "", "status");
    if (status == NULL) {
        config_fail(reader, "the answer has no status");
    }
    return status;
}
