/* Discovery documents, plain and aggregated (KEP-3352), written from the kinds table
 * and the custom kinds. */
#include "apiserver/api_services.h"
#include "apiserver/request.h"
#include "lib/net/x509.h"
#include <stdlib.h>

/* Everything that is served at one moment: the kinds table, and after it the custom kinds. */
struct catalog {
    const struct api_kind **kinds; /* Those of a group version stand together. */
    size_t kind_count;
    struct api_group_version *versions; /* In the order of discovery. */
    size_t version_count;
    struct custom_set *set;
    struct api_service_set *services; /* Versions that extension servers answer for. */
};

/* Custom groups come after all others: this is what v1.32 registers them with. */
enum { CUSTOM_GROUP_PRIORITY = 1000, CUSTOM_VERSION_PRIORITY = 100 };

static void add_kind(struct catalog *catalog, const struct api_kind *kind)
{
    catalog->kinds[catalog->kind_count++] = kind;
    for (size_t i = 0; i < catalog->version_count; i++) {
        if (strcmp(catalog->versions[i].group, kind->group) == 0 &&
            strcmp(catalog->versions[i].version, kind->version) == 0) {
            return;
        }
    }
    catalog->versions[catalog->version_count++] =
        (struct api_group_version){.group = kind->group,
                                   .version = kind->version,
                                   .group_priority = CUSTOM_GROUP_PRIORITY,
                                   .version_priority = CUSTOM_VERSION_PRIORITY};
}

static int custom_order(const void *a, const void *b)
{
    const struct api_group_version *left = a, *right = b;
    int order = strcmp(left->group, right->group);
    return order != 0 ? order : custom_version_order(left->version, right->version);
}

static size_t end_of_group(const struct catalog *catalog, size_t at)
{
    const char *group = catalog->versions[at].group;
    while (at < catalog->version_count && strcmp(catalog->versions[at].group, group) == 0) {
        at++;
    }
    return at;
}

/* Where a version belongs: among those of its group, or before the first group that is less. */
static size_t place_of(const struct catalog *catalog, const struct api_group_version *version)
{
    size_t place = catalog->version_count;
    for (size_t i = 0, end; i < catalog->version_count; i = end) {
        const struct api_group_version *first = &catalog->versions[i];
        end = end_of_group(catalog, i);
        if (strcmp(first->group, version->group) == 0) {
            place = i;
            while (place < end &&
                   catalog->versions[place].version_priority >= version->version_priority) {
                place++;
            }
            return place;
        }
        if (place == catalog->version_count && (first->group_priority < version->group_priority ||
                                                (first->group_priority == version->group_priority &&
                                                 strcmp(first->group, version->group) > 0))) {
            place = i;
        }
    }
    return place;
}

static void add_service(struct catalog *catalog, const struct api_service *service)
{
    const Apiregistration__V1__APIServiceSpec *spec = service->object->spec;
    const struct api_group_version version = {.group = spec->group,
                                              .version = spec->version,
                                              .group_priority =
                                                  (uint32_t)spec->group_priority_minimum,
                                              .version_priority = (uint32_t)spec->version_priority};
    for (size_t i = 0; i < catalog->version_count; i++) {
        if (strcmp(catalog->versions[i].group, version.group) == 0 &&
            strcmp(catalog->versions[i].version, version.version) == 0) {
            return; /* It stands in for one of ours. */
        }
    }
    size_t place = place_of(catalog, &version);
    memmove(&catalog->versions[place + 1], &catalog->versions[place],
            (catalog->version_count++ - place) * sizeof(version));
    catalog->versions[place] = version;
}

static struct catalog *catalog_new(struct request *request)
{
    struct catalog *catalog = arena_zeroed(request->arena, sizeof(*catalog));
    size_t table_count = 0, built_in = 0, custom = 0;
    const struct api_kind *table = api_kinds(&table_count);
    const struct api_group_version *versions = api_group_versions(&built_in);
    catalog->set = custom_kinds_set(request->server->custom);
    catalog->services = api_services_set(request->server->api_services);
    for (size_t i = 0; i < catalog->set->count; i++) {
        custom += catalog->set->resources[i]->version_count;
    }
    catalog->kinds = arena_array(request->arena, table_count + custom, sizeof(*catalog->kinds));
    catalog->versions = arena_array(request->arena, built_in + custom + catalog->services->count,
                                    sizeof(*catalog->versions));
    memcpy(catalog->versions, versions, built_in * sizeof(*versions));
    catalog->version_count = built_in;
    for (size_t i = 0; i < table_count; i++) {
        catalog->kinds[catalog->kind_count++] = &table[i];
    }
    for (size_t i = 0; i < catalog->set->count; i++) {
        const struct custom_resource *resource = catalog->set->resources[i];
        for (size_t j = 0; j < resource->version_count; j++) {
            if (resource->versions[j].source->served) {
                add_kind(catalog, &resource->versions[j].kind);
            }
        }
    }
    qsort(catalog->versions + built_in, catalog->version_count - built_in,
          sizeof(*catalog->versions), custom_order);
    for (size_t i = 0; i < catalog->services->count; i++) {
        add_service(catalog, &catalog->services->items[i]);
    }
    return catalog;
}

static void put_text(struct buffer *out, const char *text)
{
    json_print_string(slice_text(text), out);
}

static void put_texts(struct buffer *out, const char *const *texts)
{
    buffer_append_byte(out, '[');
    for (size_t i = 0; texts[i] != NULL; i++) {
        buffer_append_text(out, i == 0 ? "" : ",");
        put_text(out, texts[i]);
    }
    buffer_append_byte(out, ']');
}

static void put_verbs(struct buffer *out, uint32_t verbs)
{
    buffer_append_byte(out, '[');
    bool first = true;
    for (unsigned i = 0; i < API_VERB_COUNT; i++) {
        enum api_verb verb = (enum api_verb)(1u << i);
        if ((verbs & verb) != 0) {
            buffer_append_text(out, first ? "" : ",");
            put_text(out, api_verb_name(verb));
            first = false;
        }
    }
    buffer_append_byte(out, ']');
}

static const char *group_version(struct arena *arena, const char *group, const char *version)
{
    return group[0] == 0 ? version : arena_printf(arena, "%s/%s", group, version);
}

static bool in_version(const struct api_kind *kind, const char *group, const char *version)
{
    return strcmp(kind->group, group) == 0 && strcmp(kind->version, version) == 0;
}

/* Streams (exec, attach, proxy) have other methods than verbs say: they are named all the same. */
static uint32_t shown_verbs(const struct api_subresource *subresource)
{
    return subresource->verbs;
}

/* --- APIResourceList --- */

/* What kubectl takes in place of the plural. */
static void put_other_names(struct buffer *out, const struct api_kind *kind)
{
    if (kind->short_names[0] != NULL) {
        buffer_append_text(out, ",\"shortNames\":");
        put_texts(out, kind->short_names);
    }
    if (kind->categories[0] != NULL) {
        buffer_append_text(out, ",\"categories\":");
        put_texts(out, kind->categories);
    }
}

static void put_resource(struct buffer *out, const struct api_kind *kind)
{
    buffer_append_text(out, "{\"name\":");
    put_text(out, kind->plural);
    buffer_append_text(out, ",\"singularName\":");
    put_text(out, kind->singular);
    buffer_printf(out, ",\"namespaced\":%s,\"kind\":", kind->namespaced ? "true" : "false");
    put_text(out, kind->kind);
    buffer_append_text(out, ",\"verbs\":");
    put_verbs(out, kind->verbs);
    put_other_names(out, kind);
    if (kind->storage_hash[0] != 0) {
        buffer_append_text(out, ",\"storageVersionHash\":");
        put_text(out, kind->storage_hash);
    }
    buffer_append_byte(out, '}');
}

static void put_subresource(struct buffer *out, const struct api_kind *kind,
                            const struct api_subresource *subresource)
{
    buffer_printf(out, ",{\"name\":\"%s/%s\",\"singularName\":\"\",\"namespaced\":%s", kind->plural,
                  subresource->name, kind->namespaced ? "true" : "false");
    if (strcmp(subresource->group, kind->group) != 0 ||
        strcmp(subresource->version, kind->version) != 0) {
        buffer_printf(out, ",\"group\":\"%s\",\"version\":\"%s\"", subresource->group,
                      subresource->version);
    }
    buffer_append_text(out, ",\"kind\":");
    put_text(out, subresource->kind);
    buffer_append_text(out, ",\"verbs\":");
    put_verbs(out, shown_verbs(subresource));
    buffer_append_byte(out, '}');
}

static bool put_resource_list(struct request *request, const struct catalog *catalog,
                              const char *group, const char *version, struct buffer *out)
{
    buffer_append_text(out,
                       "{\"kind\":\"APIResourceList\",\"apiVersion\":\"v1\",\"groupVersion\":");
    put_text(out, group_version(request->arena, group, version));
    buffer_append_text(out, ",\"resources\":[");
    bool found = false;
    for (size_t i = 0; i < catalog->kind_count; i++) {
        if (!in_version(catalog->kinds[i], group, version)) {
            continue;
        }
        buffer_append_text(out, found ? "," : "");
        put_resource(out, catalog->kinds[i]);
        for (size_t j = 0; j < catalog->kinds[i]->subresource_count; j++) {
            put_subresource(out, catalog->kinds[i], &catalog->kinds[i]->subresources[j]);
        }
        found = true;
    }
    buffer_append_text(out, "]}");
    return found;
}

/* --- Groups --- */

static bool version_served(const struct catalog *catalog, const char *group, const char *version)
{
    for (size_t i = 0; i < catalog->kind_count; i++) {
        if (in_version(catalog->kinds[i], group, version)) {
            return true;
        }
    }
    return api_service_set_find(catalog->services, group, version) != NULL;
}

static bool first_of_group(const struct catalog *catalog, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(catalog->versions[i].group, catalog->versions[index].group) == 0 &&
            version_served(catalog, catalog->versions[i].group, catalog->versions[i].version)) {
            return false;
        }
    }
    return catalog->versions[index].group[0] != 0 &&
           version_served(catalog, catalog->versions[index].group,
                          catalog->versions[index].version);
}

static void put_group(struct request *request, const struct catalog *catalog, const char *group,
                      bool whole, struct buffer *out)
{
    const char *preferred = NULL;
    buffer_printf(out, "{%s\"name\":\"%s\",\"versions\":[",
                  whole ? "\"kind\":\"APIGroup\",\"apiVersion\":\"v1\"," : "", group);
    for (size_t i = 0; i < catalog->version_count; i++) {
        if (strcmp(catalog->versions[i].group, group) != 0 ||
            !version_served(catalog, group, catalog->versions[i].version)) {
            continue;
        }
        buffer_printf(out, "%s{\"groupVersion\":\"%s\",\"version\":\"%s\"}",
                      preferred == NULL ? "" : ",",
                      group_version(request->arena, group, catalog->versions[i].version),
                      catalog->versions[i].version);
        if (preferred == NULL || catalog->versions[i].preferred) {
            preferred = catalog->versions[i].version;
        }
    }
    buffer_printf(out, "],\"preferredVersion\":{\"groupVersion\":\"%s\",\"version\":\"%s\"}}",
                  group_version(request->arena, group, preferred == NULL ? "" : preferred),
                  preferred == NULL ? "" : preferred);
}

static bool group_served(const struct catalog *catalog, const char *group)
{
    for (size_t i = 0; i < catalog->version_count; i++) {
        if (group[0] != 0 && strcmp(catalog->versions[i].group, group) == 0 &&
            version_served(catalog, group, catalog->versions[i].version)) {
            return true;
        }
    }
    return false;
}

static void put_group_list(struct request *request, const struct catalog *catalog,
                           struct buffer *out)
{
    buffer_append_text(out, "{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[");
    bool first = true;
    for (size_t i = 0; i < catalog->version_count; i++) {
        if (first_of_group(catalog, i)) {
            buffer_append_text(out, first ? "" : ",");
            put_group(request, catalog, catalog->versions[i].group, false, out);
            first = false;
        }
    }
    buffer_append_text(out, "]}");
}

/* --- Aggregated --- */

static void put_response_kind(struct buffer *out, const char *group, const char *version,
                              const char *kind)
{
    buffer_printf(out, "\"responseKind\":{\"group\":\"%s\",\"version\":\"%s\",\"kind\":\"%s\"}",
                  group, version, kind);
}

static void put_aggregated_resource(struct buffer *out, const struct api_kind *kind)
{
    buffer_printf(out, "{\"resource\":\"%s\",", kind->plural);
    put_response_kind(out, "", "", kind->kind); /* "": those around it. */
    buffer_printf(out, ",\"scope\":\"%s\",\"singularResource\":\"%s\",\"verbs\":",
                  kind->namespaced ? "Namespaced" : "Cluster", kind->singular);
    put_verbs(out, kind->verbs);
    put_other_names(out, kind);
    for (size_t i = 0; i < kind->subresource_count; i++) {
        const struct api_subresource *subresource = &kind->subresources[i];
        buffer_printf(out, "%s{\"subresource\":\"%s\",", i == 0 ? ",\"subresources\":[" : ",",
                      subresource->name);
        bool own = strcmp(subresource->group, kind->group) == 0 &&
                   strcmp(subresource->version, kind->version) == 0;
        put_response_kind(out, own ? "" : subresource->group, own ? "" : subresource->version,
                          subresource->kind);
        buffer_append_text(out, ",\"verbs\":");
        put_verbs(out, shown_verbs(subresource));
        buffer_append_byte(out, '}');
    }
    buffer_append_text(out, kind->subresource_count > 0 ? "]}" : "}");
}

/* What its server was last heard to serve; "Stale" tells clients that there may be more. */
static void put_aggregated_service(const struct api_service *service, struct buffer *out)
{
    buffer_printf(out, "{\"version\":\"%s\",\"resources\":", service->object->spec->version);
    if (service->resources == NULL) {
        buffer_append_text(out, "[]");
    } else {
        buffer_append_slice(out, service->resources->bytes);
    }
    buffer_printf(out, ",\"freshness\":\"%s\"}",
                  service->available && service->fresh ? "Current" : "Stale");
}

static void put_aggregated_version(const struct catalog *catalog, const char *group,
                                   const char *version, struct buffer *out)
{
    const struct api_service *service = api_service_set_find(catalog->services, group, version);
    if (service != NULL) {
        put_aggregated_service(service, out);
        return;
    }
    buffer_printf(out, "{\"version\":\"%s\",\"resources\":[", version);
    bool first = true;
    for (size_t i = 0; i < catalog->kind_count; i++) {
        if (in_version(catalog->kinds[i], group, version)) {
            buffer_append_text(out, first ? "" : ",");
            put_aggregated_resource(out, catalog->kinds[i]);
            first = false;
        }
    }
    buffer_append_text(out, "],\"freshness\":\"Current\"}");
}

static void put_aggregated_group(const struct catalog *catalog, const char *group,
                                 struct buffer *out)
{
    if (group[0] == 0) {
        buffer_append_text(out, "{\"metadata\":{\"creationTimestamp\":null},\"versions\":[");
    } else {
        buffer_printf(out,
                      "{\"metadata\":{\"name\":\"%s\",\"creationTimestamp\":null},\"versions\":[",
                      group);
    }
    bool first = true;
    for (size_t i = 0; i < catalog->version_count; i++) {
        if (strcmp(catalog->versions[i].group, group) == 0 &&
            version_served(catalog, group, catalog->versions[i].version)) {
            buffer_append_text(out, first ? "" : ",");
            put_aggregated_version(catalog, group, catalog->versions[i].version, out);
            first = false;
        }
    }
    buffer_append_text(out, "]}");
}

static void put_aggregated(struct request *request, const struct catalog *catalog, bool core,
                           struct buffer *out)
{
    buffer_printf(out,
                  "{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/%s\","
                  "\"metadata\":{},\"items\":[",
                  request->accept.as_version);
    bool first = true;
    for (size_t i = 0; i < catalog->version_count && !core; i++) {
        if (first_of_group(catalog, i)) {
            buffer_append_text(out, first ? "" : ",");
            put_aggregated_group(catalog, catalog->versions[i].group, out);
            first = false;
        }
    }
    if (core) {
        put_aggregated_group(catalog, "", out);
    }
    buffer_append_text(out, "]}");
}

static void respond_aggregated(struct request *request, const struct catalog *catalog, bool core)
{
    struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    put_aggregated(request, catalog, core, &out);
    uint8_t digest[X509_SHA256_SIZE];
    x509_sha256(buffer_slice(&out), digest);
    const char *etag = "";
    for (size_t i = 0; i < sizeof(digest); i++) {
        etag = arena_printf(request->arena, "%s%02X", etag, digest[i]);
    }
    const char *type = arena_printf(
        request->arena, "application/json;g=apidiscovery.k8s.io;v=%s;as=APIGroupDiscoveryList",
        request->accept.as_version);
    struct http_header headers[COMMON_HEADERS_MAX];
    size_t count = common_headers(request, type, headers);
    headers[count++] = http_header("etag", arena_printf(request->arena, "\"%s\"", etag));
    headers[count++] = http_header("vary", "Accept");
    http_allow_gzip(request->exchange, false);
    http_respond(request->exchange, 200, headers, count, buffer_slice(&out));
    buffer_release(&out);
    request_finish(request);
}

/* The answer as JSON, or YAML; kubectl asks for protobuf only in forms we do not offer here. */
static void respond_document(struct request *request, struct buffer *json)
{
    struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    if (request->accept.media == MEDIA_YAML) {
        append_yaml(buffer_slice(json), &out);
        respond_bytes(request, 200, "application/yaml", buffer_slice(&out));
    } else if (request->accept.pretty) {
        json_indent(buffer_slice(json), &out);
        respond_bytes(request, 200, "application/json", buffer_slice(&out));
    } else {
        buffer_append_byte(json, '\n');
        respond_bytes(request, 200, "application/json", buffer_slice(json));
    }
    buffer_release(&out);
}

static void respond_api_versions(struct request *request)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    buffer_printf(&out,
                  "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],\"serverAddressByClientCIDRs\":"
                  "[{\"clientCIDR\":\"0.0.0.0/0\",\"serverAddress\":\"%s:%u\"}]}",
                  request->server->config.listen_host, apiserver_port(request->server));
    respond_document(request, &out);
}

static bool is_served(const struct request_info *info, const struct catalog *catalog)
{
    bool root = info->version[0] == 0 && info->group[0] == 0;
    return root || (info->version[0] == 0 ? group_served(catalog, info->group)
                                          : version_served(catalog, info->group, info->version));
}

/* Without the versions whose APIService was deleted: what lists groups and versions goes by these.
 */
static const struct catalog *registered(struct request *request, const struct catalog *catalog)
{
    struct catalog *some = arena_alloc(request->arena, sizeof(*some));
    *some = *catalog;
    some->versions =
        arena_array(request->arena, catalog->version_count, sizeof(*catalog->versions));
    some->version_count = 0;
    for (size_t i = 0; i < catalog->version_count; i++) {
        const struct api_group_version *version = &catalog->versions[i];
        if (!api_service_set_lacks(catalog->services, version->group, version->version)) {
            some->versions[some->version_count++] = *version;
        }
    }
    return some;
}

static void respond_served(struct request *request, const struct catalog *catalog)
{
    const struct request_info *info = &request->info;
    bool core = strcmp(info->prefix, "api") == 0;
    bool root = info->version[0] == 0 && info->group[0] == 0;
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    if (root && strcmp(request->accept.as_kind, "APIGroupDiscoveryList") == 0) {
        respond_aggregated(request, catalog, core);
        return;
    }
    if (root && core) {
        respond_api_versions(request);
        return;
    }
    if (root) {
        put_group_list(request, registered(request, catalog), &out);
    } else if (info->version[0] == 0) {
        const struct catalog *some = registered(request, catalog);
        put_group(request, group_served(some, info->group) ? some : catalog, info->group, true,
                  &out);
    } else if (!put_resource_list(request, catalog, info->group, info->version, &out)) {
        request->codec->not_found(request); /* An extension server's, which was not asked. */
        return;
    }
    respond_document(request, &out);
}

/* v1.32 looks at the method where its web service for the core or a built-in version answers; what
 * else it knows is told whatever the method, and what it does not know is just a path. */
static void respond_discovery(struct request *request, const struct catalog *catalog)
{
    const struct request_info *info = &request->info;
    bool core = strcmp(info->prefix, "api") == 0;
    bool built_in = core || (info->version[0] != 0 && api_group_is_built_in(info->group));
    bool served = is_served(info, catalog);
    if (!served && !built_in) {
        request->codec->not_found(request);
        return;
    }
    if (!http_negotiate(request)) {
        return;
    }
    if (!served) {
        respond_status(request, api_status_no_resource(request->arena));
    } else if (built_in && strcmp(info->method, "GET") != 0) {
        respond_status(request, api_status_method_not_allowed(request->arena));
    } else {
        respond_served(request, catalog);
    }
}

bool handle_discovery(struct request *request)
{
    if (request->info.prefix[0] == 0) {
        return false;
    }
    const struct catalog *catalog = catalog_new(request);
    struct custom_set *set = catalog->set; /* The answer may be the end of the request's arena. */
    struct api_service_set *services = catalog->services;
    respond_discovery(request, catalog);
    custom_set_unref(set);
    api_service_set_unref(services);
    return true;
}
