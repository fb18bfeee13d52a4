#include "lib/api/openapi.h"

#include "lib/api/json_value.h"
#include "lib/api/openapi_internal.h"
#include "lib/api/openapi_proto.h"
#include <errno.h>

#define META "k8s.io.apimachinery.pkg.apis.meta.v1."

/* What every group version refers to whether or not a kind does. */
static void collect_options(struct hash_map *set)
{
    static const char *const names[] = {META "DeleteOptions", META "Patch", META "Status",
                                        META "WatchEvent", META "APIResourceList"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        openapi_collect(set, api_message_find(names[i]));
    }
}

/* group NULL: of every group version. Returns the number of kinds. */
static size_t collect_kinds(struct hash_map *set, const char *group, const char *version)
{
    size_t count = 0, found = 0;
    const struct api_kind *kinds = api_kinds(&count);
    for (size_t i = 0; i < count; i++) {
        if (group != NULL &&
            (strcmp(kinds[i].group, group) != 0 || strcmp(kinds[i].version, version) != 0)) {
            continue;
        }
        found++;
        openapi_collect(set, kinds[i].message);
        openapi_collect(set, kinds[i].list_message);
        for (size_t s = 0; s < kinds[i].subresource_count; s++) {
            openapi_collect(set, kinds[i].subresources[s].message);
        }
    }
    return found;
}

int api_openapi_v3(const char *group, const char *version, struct buffer *document)
{
    struct hash_map *set = hash_map_new(/* seed= */ 0); /* Keys are our own names. */
    if (collect_kinds(set, group, version) == 0) {
        hash_map_free(set);
        return -ENOENT;
    }
    collect_options(set);
    buffer_append_text(document,
                       "{\"openapi\":\"3.0.0\",\"info\":{\"title\":\"Kubernetes\",\"version\":"
                       "\"v1.32.0\"},\"paths\":{");
    openapi_paths(group, version, document);
    buffer_append_text(document, "},\"components\":{\"schemas\":{");
    openapi_schemas(set, OPENAPI_V3, document);
    buffer_append_text(document, "}}}");
    hash_map_free(set);
    return buffer_error(document);
}

int api_openapi_v2(struct buffer *document)
{
    struct hash_map *set = hash_map_new(/* seed= */ 0);
    (void)collect_kinds(set, NULL, NULL); /* How many does not matter. */
    collect_options(set);
    buffer_append_text(document,
                       "{\"swagger\":\"2.0\",\"info\":{\"title\":\"Kubernetes\",\"version\":"
                       "\"v1.32.0\"},\"paths\":{},\"definitions\":{");
    openapi_schemas(set, OPENAPI_V2, document);
    buffer_append_text(document, "}}");
    hash_map_free(set);
    return buffer_error(document);
}

int api_openapi_v2_protobuf(struct arena *arena, struct buffer *document)
{
    enum { JSON_MAX = 64 * 1024 * 1024 };
    CLEANUP(buffer_release) struct buffer text;
    struct json_value *tree = NULL;
    buffer_init(&text, JSON_MAX);
    int result = api_openapi_v2(&text);
    if (result == 0) {
        result = json_parse(arena, buffer_slice(&text), &tree, NULL);
    }
    return result == 0 ? openapi_v2_encode(tree, document) : result;
}
