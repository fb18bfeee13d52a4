#include "apiserver/extension_discovery.h"

#include "apiserver/limits.h"
#include "lib/api/json_value.h"
#include <ctype.h>
#include <errno.h>

static struct slice text_of(const struct json_value *object, const char *name)
{
    const struct json_value *value = json_get_text(object, name);
    return value != NULL && value->type == JSON_STRING ? value->text : slice_text("");
}

/* "pods" of "pods/status". */
static struct slice parent_of(struct slice name)
{
    const uint8_t *slash = name.len == 0 ? NULL : memchr(name.data, '/', name.len);
    return slash == NULL ? name : slice_of(name.data, (size_t)(slash - name.data));
}

static void put_name(struct buffer *out, const char *name, struct slice value)
{
    buffer_printf(out, "\"%s\":", name);
    json_print_string(value, out);
}

/* An empty group and version are those around it. */
static void put_kind(struct buffer *out, const struct json_value *resource)
{
    buffer_append_text(out, ",\"responseKind\":{");
    put_name(out, "group", text_of(resource, "group"));
    buffer_append_byte(out, ',');
    put_name(out, "version", text_of(resource, "version"));
    buffer_append_byte(out, ',');
    put_name(out, "kind", text_of(resource, "kind"));
    buffer_append_byte(out, '}');
}

/* A list of texts; nothing else of it is passed on. */
static void put_texts(struct buffer *out, const char *name, const struct json_value *list,
                      bool always)
{
    bool first = true;
    size_t count = list != NULL && list->type == JSON_ARRAY ? list->count : 0;
    if (count == 0 && !always) {
        return;
    }
    buffer_printf(out, ",\"%s\":[", name);
    for (size_t i = 0; i < count; i++) {
        if (list->items[i]->type == JSON_STRING) {
            buffer_append_text(out, first ? "" : ",");
            json_print_string(list->items[i]->text, out);
            first = false;
        }
    }
    buffer_append_byte(out, ']');
}

static void put_subresources(struct buffer *out, const struct json_value *list, struct slice parent)
{
    bool first = true;
    for (size_t i = 0; i < list->count; i++) {
        const struct json_value *each = list->items[i];
        struct slice name = text_of(each, "name");
        if (name.len <= parent.len || !slice_equal(parent_of(name), parent)) {
            continue;
        }
        buffer_append_text(out, first ? ",\"subresources\":[{" : ",{");
        put_name(out, "subresource",
                 slice_of(name.data + parent.len + 1, name.len - parent.len - 1));
        put_kind(out, each);
        put_texts(out, "verbs", json_get_text(each, "verbs"), /* always= */ true);
        buffer_append_byte(out, '}');
        first = false;
    }
    buffer_append_text(out, first ? "" : "]");
}

static void put_resource(struct buffer *out, const struct json_value *list,
                         const struct json_value *resource)
{
    const struct json_value *namespaced = json_get_text(resource, "namespaced");
    bool in_namespace = namespaced != NULL && namespaced->type == JSON_BOOL && namespaced->boolean;
    buffer_append_byte(out, '{');
    put_name(out, "resource", text_of(resource, "name"));
    put_kind(out, resource);
    buffer_printf(out, ",\"scope\":\"%s\",", in_namespace ? "Namespaced" : "Cluster");
    put_name(out, "singularResource", text_of(resource, "singularName"));
    put_texts(out, "verbs", json_get_text(resource, "verbs"), /* always= */ true);
    put_texts(out, "shortNames", json_get_text(resource, "shortNames"), /* always= */ false);
    put_texts(out, "categories", json_get_text(resource, "categories"), /* always= */ false);
    put_subresources(out, list, text_of(resource, "name"));
    buffer_append_byte(out, '}');
}

/* Absent or null is an empty one. */
static bool is_list_of_objects(const struct json_value *list, size_t *ret_count)
{
    size_t count = list != NULL && list->type == JSON_ARRAY ? list->count : 0;
    if (count > EXTENSION_RESOURCES_MAX) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (list->items[i]->type != JSON_OBJECT) {
            return false;
        }
    }
    *ret_count = count;
    return true;
}

int extension_discovery_resources(struct arena *arena, struct slice list, const char *group_version,
                                  struct buffer *out)
{
    struct json_value *root = NULL;
    if (json_parse(arena, list, &root, NULL) < 0 || root->type != JSON_OBJECT ||
        !slice_is(text_of(root, "kind"), "APIResourceList") ||
        !slice_is(text_of(root, "groupVersion"), group_version)) {
        return -EINVAL;
    }
    const struct json_value *resources = json_get_text(root, "resources");
    size_t count = 0;
    if (!is_list_of_objects(resources, &count)) {
        return -EINVAL;
    }
    bool first = true;
    buffer_append_byte(out, '[');
    for (size_t i = 0; i < count; i++) {
        struct slice name = text_of(resources->items[i], "name");
        if (name.len > 0 && slice_equal(parent_of(name), name)) {
            buffer_append_text(out, first ? "" : ",");
            put_resource(out, resources, resources->items[i]);
            first = false;
        }
    }
    buffer_append_byte(out, ']');
    return buffer_error(out) < 0 ? -EINVAL : 0;
}

int extension_openapi_hash(struct arena *arena, struct slice index, const char *path,
                           const char **ret_hash)
{
    struct json_value *root = NULL;
    if (json_parse(arena, index, &root, NULL) < 0 || root->type != JSON_OBJECT) {
        return -EINVAL;
    }
    const struct json_value *paths = json_get_text(root, "paths");
    const struct json_value *entry =
        paths != NULL && paths->type == JSON_OBJECT ? json_get_text(paths, path) : NULL;
    if (entry == NULL || entry->type != JSON_OBJECT) {
        return -ENOENT;
    }
    const char *url = arena_text_n(arena, (const char *)text_of(entry, "serverRelativeURL").data,
                                   text_of(entry, "serverRelativeURL").len);
    const char *hash = strstr(url, "hash=");
    size_t len = 0;
    while (hash != NULL && isalnum((unsigned char)hash[5 + len])) {
        len++;
    }
    *ret_hash = len == 0 ? "" : arena_text_n(arena, hash + 5, len);
    return 0;
}
