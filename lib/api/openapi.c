#include "lib/api/openapi.h"

#include "k8s/tables.h"
#include "lib/api/custom.h"
#include "lib/api/openapi_internal.h"
#include "lib/api/openapi_proto.h"
#include "lib/base/alloc.h"
#include <errno.h>

#define META "k8s.io.apimachinery.pkg.apis.meta.v1."

static void collect_names(struct hash_map *set, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        openapi_collect(set, api_message_find(names[i]));
    }
}

/* What every group version refers to whether or not a kind does. */
static void collect_options(struct hash_map *set)
{
    static const char *const names[] = {META "DeleteOptions", META "Patch", META "Status",
                                        META "WatchEvent", META "APIResourceList"};
    collect_names(set, names, ARRAY_LEN(names));
}

/* What discovery and /version answer with. */
static void collect_discovery(struct hash_map *set)
{
    static const char *const names[] = {META "APIVersions", META "APIGroup", META "APIGroupList",
                                        "k8s.io.apimachinery.pkg.version.Info"};
    collect_names(set, names, ARRAY_LEN(names));
}

static void collect_kind(struct hash_map *set, const struct api_kind *kind)
{
    openapi_collect(set, kind->message);
    openapi_collect(set, kind->list_message);
    for (size_t i = 0; i < kind->subresource_count; i++) {
        openapi_collect(set, kind->subresources[i].message);
    }
}

static void begin_v3(struct buffer *document)
{
    buffer_append_text(document,
                       "{\"openapi\":\"3.0.0\",\"info\":{\"title\":\"Kubernetes\",\"version\":"
                       "\"v1.32.0\"},\"paths\":{");
}

int api_openapi_v3(const char *group, const char *version, struct buffer *document)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    size_t count = 0, found = 0;
    const struct api_kind *table = api_kinds(&count);
    const struct api_kind **kinds = arena_array(arena, count, sizeof(*kinds));
    struct hash_map *set = hash_map_new(/* seed= */ 0); /* Keys are our own names. */
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i].group, group) == 0 && strcmp(table[i].version, version) == 0) {
            collect_kind(set, &table[i]);
            kinds[found++] = &table[i];
        }
    }
    if (found > 0) {
        collect_options(set);
        begin_v3(document);
        openapi_paths(arena, kinds, found, document);
        buffer_append_text(document, "},\"components\":{\"schemas\":{");
        openapi_schemas(set, OPENAPI_V3, document);
        buffer_append_text(document, "}}}");
    }
    hash_map_free(set);
    return found == 0 ? -ENOENT : buffer_error(document);
}

/* The one message that holds all schemas of built-in kinds. */
static void v2_definitions(struct buffer *out)
{
    size_t count = 0;
    const struct api_kind *kinds = api_kinds(&count);
    struct hash_map *set = hash_map_new(/* seed= */ 0);
    for (size_t i = 0; i < count; i++) {
        collect_kind(set, &kinds[i]);
    }
    collect_options(set);
    collect_discovery(set);
    openapi_schemas(set, OPENAPI_V2, out);
    hash_map_free(set);
}

int api_openapi_v2(struct buffer *document)
{
    buffer_append_text(document,
                       "{\"swagger\":\"2.0\",\"info\":{\"title\":\"Kubernetes\",\"version\":"
                       "\"v1.32.0\"},\"paths\":{},\"definitions\":{");
    v2_definitions(document);
    return buffer_error(document);
}

int api_openapi_v2_protobuf(struct buffer *document)
{
    enum { JSON_MAX = 64 * 1024 * 1024 };
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(buffer_release) struct buffer text;
    struct json_value *tree = NULL;
    buffer_init(&text, JSON_MAX);
    int result = api_openapi_v2(&text);
    buffer_append_text(&text, "}}");
    if (result == 0) {
        result = json_parse(arena, buffer_slice(&text), &tree, NULL);
    }
    return result == 0 ? openapi_v2_encode(tree, document) : result;
}

/* --- Custom kinds ------------------------------------------------------------------------------
 */

/* Appends the members, each after a comma. */
static void more_members(const struct json_value *object, struct buffer *out)
{
    for (size_t i = 0; i < object->count; i++) {
        buffer_append_text(out, ",");
        json_print_string(object->members[i].name, out);
        buffer_append_text(out, ":");
        json_print(object->members[i].value, /* sorted= */ false, out);
    }
}

int api_openapi_v3_custom(struct arena *arena, const struct api_kind *const *kinds, size_t count,
                          struct buffer *document)
{
    static const char *const names[] = {META "DeleteOptions", META "Patch", META "Status",
                                        META "ObjectMeta", META "ListMeta"};
    struct hash_map *set = hash_map_new(/* seed= */ 0);
    collect_names(set, names, ARRAY_LEN(names));
    for (size_t i = 0; i < count; i++) {
        if (api_kind_subresource(kinds[i], "scale") != NULL) {
            openapi_collect(set, &autoscaling__v1__scale__schema);
        }
    }
    begin_v3(document);
    openapi_paths(arena, kinds, count, document);
    buffer_append_text(document, "},\"components\":{\"schemas\":{");
    openapi_schemas(set, OPENAPI_V3, document);
    more_members(openapi_custom_schemas(arena, kinds, count, OPENAPI_V3), document);
    buffer_append_text(document, "}}}");
    hash_map_free(set);
    return buffer_error(document);
}

int api_openapi_v2_custom(struct arena *arena, const struct api_kind *const *kinds, size_t count,
                          struct buffer *document)
{
    more_members(openapi_custom_schemas(arena, kinds, count, OPENAPI_V2), document);
    buffer_append_text(document, "}}");
    return buffer_error(document);
}

int api_openapi_v2_custom_protobuf(struct arena *arena, const struct api_kind *const *kinds,
                                   size_t count, struct buffer *document)
{
    return openapi_v2_encode_definitions(openapi_custom_schemas(arena, kinds, count, OPENAPI_V2),
                                         document);
}
