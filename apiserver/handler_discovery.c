/* Discovery documents, plain and aggregated (KEP-3352), written from the kinds table. */
#include "apiserver/request.h"
#include "lib/net/x509.h"

static const struct api_group_version *versions(size_t *ret_count)
{
    return api_group_versions(ret_count);
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
    if (kind->short_names[0] != NULL) {
        buffer_append_text(out, ",\"shortNames\":");
        put_texts(out, kind->short_names);
    }
    if (kind->categories[0] != NULL) {
        buffer_append_text(out, ",\"categories\":");
        put_texts(out, kind->categories);
    }
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

static bool put_resource_list(struct request *request, const char *group, const char *version,
                              struct buffer *out)
{
    size_t count = 0;
    const struct api_kind *kinds = api_kinds(&count);
    buffer_append_text(out,
                       "{\"kind\":\"APIResourceList\",\"apiVersion\":\"v1\",\"groupVersion\":");
    put_text(out, group_version(request->arena, group, version));
    buffer_append_text(out, ",\"resources\":[");
    bool found = false;
    for (size_t i = 0; i < count; i++) {
        if (!in_version(&kinds[i], group, version)) {
            continue;
        }
        buffer_append_text(out, found ? "," : "");
        put_resource(out, &kinds[i]);
        for (size_t j = 0; j < kinds[i].subresource_count; j++) {
            put_subresource(out, &kinds[i], &kinds[i].subresources[j]);
        }
        found = true;
    }
    buffer_append_text(out, "]}");
    return found;
}

/* --- Groups --- */

static bool version_served(const char *group, const char *version)
{
    size_t count = 0;
    const struct api_kind *kinds = api_kinds(&count);
    for (size_t i = 0; i < count; i++) {
        if (in_version(&kinds[i], group, version)) {
            return true;
        }
    }
    return false;
}

static bool first_of_group(const struct api_group_version *list, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(list[i].group, list[index].group) == 0 &&
            version_served(list[i].group, list[i].version)) {
            return false;
        }
    }
    return list[index].group[0] != 0 && version_served(list[index].group, list[index].version);
}

static void put_group(struct request *request, const char *group, bool whole, struct buffer *out)
{
    size_t count = 0;
    const struct api_group_version *list = versions(&count);
    const char *preferred = NULL;
    buffer_printf(out, "{%s\"name\":\"%s\",\"versions\":[",
                  whole ? "\"kind\":\"APIGroup\",\"apiVersion\":\"v1\"," : "", group);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].group, group) != 0 || !version_served(group, list[i].version)) {
            continue;
        }
        buffer_printf(out, "%s{\"groupVersion\":\"%s\",\"version\":\"%s\"}",
                      preferred == NULL ? "" : ",",
                      group_version(request->arena, group, list[i].version), list[i].version);
        if (preferred == NULL || list[i].preferred) {
            preferred = list[i].version;
        }
    }
    buffer_printf(out, "],\"preferredVersion\":{\"groupVersion\":\"%s\",\"version\":\"%s\"}}",
                  group_version(request->arena, group, preferred == NULL ? "" : preferred),
                  preferred == NULL ? "" : preferred);
}

static bool group_served(const char *group)
{
    size_t count = 0;
    const struct api_group_version *list = versions(&count);
    for (size_t i = 0; i < count; i++) {
        if (group[0] != 0 && strcmp(list[i].group, group) == 0 &&
            version_served(group, list[i].version)) {
            return true;
        }
    }
    return false;
}

static void put_group_list(struct request *request, struct buffer *out)
{
    size_t count = 0;
    const struct api_group_version *list = versions(&count);
    buffer_append_text(out, "{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[");
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (first_of_group(list, i)) {
            buffer_append_text(out, first ? "" : ",");
            put_group(request, list[i].group, false, out);
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
    if (kind->short_names[0] != NULL) {
        buffer_append_text(out, ",\"shortNames\":");
        put_texts(out, kind->short_names);
    }
    if (kind->categories[0] != NULL) {
        buffer_append_text(out, ",\"categories\":");
        put_texts(out, kind->categories);
    }
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

static void put_aggregated_version(const char *group, const char *version, struct buffer *out)
{
    size_t count = 0;
    const struct api_kind *kinds = api_kinds(&count);
    buffer_printf(out, "{\"version\":\"%s\",\"resources\":[", version);
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (in_version(&kinds[i], group, version)) {
            buffer_append_text(out, first ? "" : ",");
            put_aggregated_resource(out, &kinds[i]);
            first = false;
        }
    }
    buffer_append_text(out, "],\"freshness\":\"Current\"}");
}

static void put_aggregated_group(const char *group, struct buffer *out)
{
    size_t count = 0;
    const struct api_group_version *list = versions(&count);
    if (group[0] == 0) {
        buffer_append_text(out, "{\"metadata\":{\"creationTimestamp\":null},\"versions\":[");
    } else {
        buffer_printf(out,
                      "{\"metadata\":{\"name\":\"%s\",\"creationTimestamp\":null},\"versions\":[",
                      group);
    }
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].group, group) == 0 && version_served(group, list[i].version)) {
            buffer_append_text(out, first ? "" : ",");
            put_aggregated_version(group, list[i].version, out);
            first = false;
        }
    }
    buffer_append_text(out, "]}");
}

static void put_aggregated(struct request *request, bool core, struct buffer *out)
{
    size_t count = 0;
    const struct api_group_version *list = versions(&count);
    buffer_printf(out,
                  "{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/%s\","
                  "\"metadata\":{},\"items\":[",
                  request->accept.as_version);
    bool first = true;
    for (size_t i = 0; i < count && !core; i++) {
        if (first_of_group(list, i)) {
            buffer_append_text(out, first ? "" : ",");
            put_aggregated_group(list[i].group, out);
            first = false;
        }
    }
    if (core) {
        put_aggregated_group("", out);
    }
    buffer_append_text(out, "]}");
}

static void respond_aggregated(struct request *request, bool core)
{
    struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    put_aggregated(request, core, &out);
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

bool handle_discovery(struct request *request)
{
    const struct request_info *info = &request->info;
    if (info->prefix[0] == 0) {
        return false;
    }
    bool core = strcmp(info->prefix, "api") == 0;
    if (!negotiate(request)) {
        return true;
    }
    if (strcmp(info->method, "GET") != 0) {
        respond_status(request, api_status_method_not_allowed(request->arena));
        return true;
    }
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    bool aggregated = strcmp(request->accept.as_kind, "APIGroupDiscoveryList") == 0;
    if (info->version[0] == 0 && info->group[0] == 0) {
        if (aggregated) {
            respond_aggregated(request, core);
        } else if (core) {
            respond_api_versions(request);
        } else {
            put_group_list(request, &out);
            respond_document(request, &out);
        }
        return true;
    }
    if (info->version[0] == 0) {
        if (!group_served(info->group)) {
            respond_status(request, api_status_no_resource(request->arena));
            return true;
        }
        put_group(request, info->group, true, &out);
        respond_document(request, &out);
        return true;
    }
    if (!put_resource_list(request, info->group, info->version, &out)) {
        respond_status(request, api_status_no_resource(request->arena));
        return true;
    }
    respond_document(request, &out);
    return true;
}
