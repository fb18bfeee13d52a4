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

static const char info[] = "\"info\":{\"title\":\"Kubernetes\",\"version\":\"v1.32.0\"}";

/* --- Discovery and other paths that are no resources -------------------------------------------
 */

static const struct openapi_lookup lookups[] = {
    {.path = "/api/",
     .operation_id = "getCoreAPIVersions",
     .description = "Read which versions of the core group there are.",
     .tag = "core",
     .schema = OPENAPI_META "APIVersions"},
    {.path = "/apis/",
     .operation_id = "getAPIVersions",
     .description = "Read which groups there are.",
     .tag = "apis",
     .schema = OPENAPI_META "APIGroupList"},
    {.path = "/version/",
     .operation_id = "getCodeVersion",
     .description = "Read the version of this server.",
     .tag = "version",
     .type = "application/json",
     .schema = "io.k8s.apimachinery.pkg.version.Info"},
    {.path = "/.well-known/openid-configuration/",
     .operation_id = "getServiceAccountIssuerOpenIDConfiguration",
     .description = "Read who issues tokens of service accounts, and where its keys are.",
     .tag = "WellKnown",
     .type = "application/json"},
    {.path = "/openid/v1/jwks/",
     .operation_id = "getServiceAccountIssuerOpenIDKeyset",
     .description = "Read the keys that verify tokens of service accounts.",
     .tag = "openid",
     .type = "application/jwk-set+json"},
};

/* A named group is looked up where its first version is listed. */
static bool is_first_of_group(const struct api_group_version *versions, size_t place)
{
    bool first = versions[place].group[0] != '\0';
    for (size_t i = 0; i < place; i++) {
        first = first && strcmp(versions[i].group, versions[place].group) != 0;
    }
    return first;
}

static struct openapi_lookup group_lookup(struct arena *arena, const char *group)
{
    return (struct openapi_lookup){
        .path = arena_printf(arena, "/apis/%s/", group),
        .operation_id =
            arena_printf(arena, "get%sAPIGroup", openapi_group_word(arena, group, true)),
        .description = "Read which versions of the group there are.",
        .tag = openapi_group_word(arena, group, false),
        .schema = OPENAPI_META "APIGroup"};
}

/* The lookup of this number, of which there are some of our own and one for each named group. */
static bool lookup_at(struct arena *arena, size_t number, struct openapi_lookup *ret_lookup)
{
    if (number < ARRAY_LEN(lookups)) {
        *ret_lookup = lookups[number];
        return true;
    }
    size_t count = 0, seen = ARRAY_LEN(lookups);
    const struct api_group_version *versions = api_group_versions(&count);
    for (size_t i = 0; i < count; i++) {
        if (is_first_of_group(versions, i) && seen++ == number) {
            *ret_lookup = group_lookup(arena, versions[i].group);
            return true;
        }
    }
    return false;
}

/* --- Version 3 ---------------------------------------------------------------------------------
 */

static void begin_v3(struct buffer *document)
{
    buffer_printf(document, "{\"openapi\":\"3.0.0\",%s,\"paths\":{", info);
}

static void end_v3(const struct hash_map *set, struct buffer *document)
{
    buffer_append_text(document, "},\"components\":{\"schemas\":{");
    openapi_schemas(set, OPENAPI_V3, document);
}

/* The kinds of a group version, of all rows. */
static size_t find_kinds(struct arena *arena, const char *group, const char *version,
                         const struct api_kind ***ret_kinds)
{
    size_t count = 0, found = 0;
    const struct api_kind *table = api_kinds(&count);
    const struct api_kind **kinds = arena_array(arena, count, sizeof(*kinds));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(table[i].group, group) == 0 && strcmp(table[i].version, version) == 0) {
            kinds[found++] = &table[i];
        }
    }
    *ret_kinds = kinds;
    return found;
}

int api_openapi_v3(const char *group, const char *version, struct buffer *document)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct api_kind **kinds = NULL;
    size_t count = find_kinds(arena, group, version, &kinds);
    if (count == 0) {
        return -ENOENT;
    }
    struct hash_map *set = hash_map_new(/* seed= */ 0); /* Keys are our own names. */
    struct openapi_paths paths = {.arena = arena, .out = document, .form = OPENAPI_V3};
    for (size_t i = 0; i < count; i++) {
        collect_kind(set, kinds[i]);
    }
    collect_options(set);
    begin_v3(document);
    openapi_kind_paths(&paths, kinds, count);
    end_v3(set, document);
    buffer_append_text(document, "}}}");
    hash_map_free(set);
    return buffer_error(document);
}

const char *api_openapi_v3_path(struct arena *arena, size_t place)
{
    size_t count = 0;
    const struct api_group_version *versions = api_group_versions(&count);
    struct openapi_lookup lookup;
    if (place < count) {
        return versions[place].group[0] == '\0'
                   ? arena_printf(arena, "api/%s", versions[place].version)
                   : arena_printf(arena, "apis/%s/%s", versions[place].group,
                                  versions[place].version);
    }
    if (!lookup_at(arena, place - count, &lookup)) {
        return NULL;
    }
    return arena_text_n(arena, lookup.path + 1, strlen(lookup.path) - 2); /* Without its ends. */
}

int api_openapi_v3_at(size_t place, struct buffer *document)
{
    size_t count = 0;
    const struct api_group_version *versions = api_group_versions(&count);
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct openapi_lookup lookup;
    if (place < count) {
        return api_openapi_v3(versions[place].group, versions[place].version, document);
    }
    if (!lookup_at(arena, place - count, &lookup)) {
        return -ENOENT;
    }
    struct openapi_paths paths = {.arena = arena, .out = document, .form = OPENAPI_V3};
    struct hash_map *set = hash_map_new(/* seed= */ 0);
    if (lookup.schema != NULL) {
        openapi_collect(set, api_message_find_schema(lookup.schema));
    }
    begin_v3(document);
    openapi_lookup_path(&paths, &lookup);
    end_v3(set, document);
    buffer_append_text(document, "}}}");
    hash_map_free(set);
    return buffer_error(document);
}

/* --- Version 2 ---------------------------------------------------------------------------------
 */

static void v2_parameters(struct buffer *out)
{
    buffer_printf(out, "{\"swagger\":\"2.0\",%s,\"parameters\":{", info);
    openapi_parameter_definitions(out);
}

/* All else but the paths. */
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
    buffer_append_text(out, "},\"security\":[{\"BearerToken\":[]}],\"securityDefinitions\":{"
                            "\"BearerToken\":{\"type\":\"apiKey\",\"name\":\"authorization\","
                            "\"in\":\"header\",\"description\":\"A bearer token.\"}},"
                            "\"definitions\":{");
    openapi_schemas(set, OPENAPI_V2, out);
    hash_map_free(set);
}

/* The paths of a group version, or, after the last one, those that are no resources. False: there
 * are no more. */
static bool v2_paths_of(struct openapi_paths *paths, size_t number)
{
    size_t count = 0;
    const struct api_group_version *versions = api_group_versions(&count);
    if (number < count) {
        const struct api_kind **kinds = NULL;
        size_t found =
            find_kinds(paths->arena, versions[number].group, versions[number].version, &kinds);
        openapi_kind_paths(paths, kinds, found);
        return true;
    }
    struct openapi_lookup lookup;
    for (size_t i = 0; number == count && lookup_at(paths->arena, i, &lookup); i++) {
        openapi_lookup_path(paths, &lookup);
    }
    return number == count;
}

static void v2_paths(struct buffer *out)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct openapi_paths paths = {.arena = arena, .out = out, .form = OPENAPI_V2};
    for (size_t i = 0; v2_paths_of(&paths, i);) {
        i++;
    }
}

int api_openapi_v2(enum api_openapi_part part, struct buffer *document)
{
    static void (*const write[API_OPENAPI_PARTS])(struct buffer * out) = {
        [API_OPENAPI_PARAMETERS] = v2_parameters,
        [API_OPENAPI_DEFINITIONS] = v2_definitions,
        [API_OPENAPI_PATHS] = v2_paths};
    write[part](document);
    return buffer_error(document);
}

enum { JSON_MAX = 64 * 1024 * 1024 };

/* Group version by group version, as trees are many times larger than texts. */
static int encode_paths(struct buffer *document)
{
    int result = 0;
    bool more = true;
    for (size_t i = 0; more && result == 0; i++) {
        CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
        CLEANUP(buffer_release) struct buffer text;
        struct openapi_paths paths = {.arena = arena, .out = &text, .form = OPENAPI_V2};
        struct json_value *tree = NULL;
        buffer_init(&text, JSON_MAX);
        buffer_append_text(&text, "{");
        more = v2_paths_of(&paths, i);
        buffer_append_text(&text, "}");
        result = json_parse(arena, buffer_slice(&text), &tree, NULL);
        result = result == 0 ? openapi_v2_encode_paths(tree, document) : result;
    }
    return result;
}

int api_openapi_v2_protobuf(struct buffer *document)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(buffer_release) struct buffer text;
    struct json_value *tree = NULL;
    buffer_init(&text, JSON_MAX);
    v2_parameters(&text);
    v2_definitions(&text);
    buffer_append_text(&text, "}}");
    int result = json_parse(arena, buffer_slice(&text), &tree, NULL);
    result = result == 0 ? openapi_v2_encode(tree, document) : result;
    return result == 0 ? encode_paths(document) : result;
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
    struct openapi_paths paths = {.arena = arena, .out = document, .form = OPENAPI_V3};
    begin_v3(document);
    openapi_kind_paths(&paths, kinds, count);
    end_v3(set, document);
    more_members(openapi_custom_schemas(arena, kinds, count, OPENAPI_V3), document);
    buffer_append_text(document, "}}}");
    hash_map_free(set);
    return buffer_error(document);
}

int api_openapi_v2_custom(enum api_openapi_part part, struct arena *arena,
                          const struct api_kind *const *kinds, size_t count,
                          struct buffer *document)
{
    if (part == API_OPENAPI_DEFINITIONS) {
        more_members(openapi_custom_schemas(arena, kinds, count, OPENAPI_V2), document);
        buffer_append_text(document, "},\"paths\":{");
    } else if (part == API_OPENAPI_PATHS) {
        struct openapi_paths paths = {
            .arena = arena, .out = document, .form = OPENAPI_V2, .started = true};
        openapi_kind_paths(&paths, kinds, count);
        buffer_append_text(document, "}}");
    }
    return buffer_error(document);
}

int api_openapi_v2_custom_protobuf(struct arena *arena, const struct api_kind *const *kinds,
                                   size_t count, struct buffer *document)
{
    CLEANUP(buffer_release) struct buffer text;
    struct openapi_paths paths = {.arena = arena, .out = &text, .form = OPENAPI_V2};
    struct json_value *tree = NULL;
    buffer_init(&text, JSON_MAX);
    buffer_append_text(&text, "{");
    openapi_kind_paths(&paths, kinds, count);
    buffer_append_text(&text, "}");
    int result = json_parse(arena, buffer_slice(&text), &tree, NULL);
    if (result == 0) {
        result = openapi_v2_encode_definitions(
            openapi_custom_schemas(arena, kinds, count, OPENAPI_V2), document);
    }
    return result == 0 ? openapi_v2_encode_paths(tree, document) : result;
}
