/* Answers in the negotiated form. The JSON of a stored object is the cache's own bytes, sent
 * without a copy unless the client wants it indented. */
#include "apiserver/audit.h"
#include "apiserver/request.h"
#include "apiserver/warnings.h"
#include "lib/net/limits.h"

#include <stdlib.h>

struct api_type_meta type_meta_of_schema(const struct api_message *schema, struct arena *arena)
{
    /* "group/version/Kind" */
    if (schema->gvk == NULL || schema->gvk[0] == NULL || schema->gvk[0][0] == '*') {
        return (struct api_type_meta){.api_version = "v1", .kind = schema->name};
    }
    char *text = arena_text(arena, schema->gvk[0]);
    char *slash = strrchr(text, '/');
    *slash = 0;
    return (struct api_type_meta){.api_version = text, .kind = slash + 1};
}

const char *content_type_of(struct request *request, bool watch)
{
    switch (request->accept.media) {
    case MEDIA_YAML:
        return "application/yaml";
    case MEDIA_PROTOBUF:
        return watch ? "application/vnd.kubernetes.protobuf;stream=watch"
                     : "application/vnd.kubernetes.protobuf";
    case MEDIA_JSON:
        break;
    }
    return "application/json";
}

size_t common_headers(struct request *request, const char *content_type,
                      struct http_header *headers)
{
    size_t count = 0;
    headers[count++] = http_header("audit-id", request->audit_id);
    if (content_type != NULL) {
        headers[count++] = http_header("cache-control", "no-cache, private");
        headers[count++] = http_header("content-type", content_type);
    }
    if (request->flow.schema_uid[0] != 0) {
        headers[count++] = http_header("x-kubernetes-pf-flowschema-uid", request->flow.schema_uid);
        headers[count++] =
            http_header("x-kubernetes-pf-prioritylevel-uid", request->flow.level_uid);
    }
    bool is_text = content_type != NULL && strncmp(content_type, "text/plain", 10) == 0;
    if (is_text || request->is_refused) {
        headers[count++] = http_header("x-content-type-options", "nosniff");
    }
    const char *texts[WARNINGS_MAX + 1], *values[WARNINGS_MAX + 1];
    size_t text_count = 0;
    if (request->token_warning != NULL) {
        texts[text_count++] = request->token_warning;
    }
    for (size_t i = 0; i < request->call.warning_count; i++) {
        texts[text_count++] = request->call.warnings[i];
    }
    size_t value_count = warning_values(request->arena, texts, text_count, values);
    for (size_t i = 0; i < value_count; i++) {
        headers[count++] = http_header("warning", values[i]);
    }
    return count;
}

void request_finish(struct request *request)
{
    audit_end(request);
    request_uncount_list(request);
    registry_finish(&request->call);
    flow_control_leave(&request->flow);
    flow_control_end(&request->flow);
    custom_kind_unref(request->kind);
    request->kind = NULL;
    uint64_t now_ms = loop_now_ms(http_exchange_loop(request->exchange));
    metric_add(request->server->requests_total, 1);
    metric_observe(request->server->request_seconds,
                   (double)(now_ms - request->started_ms) / 1000.0);
    http_exchange_unref(request->exchange);
}

void respond_bytes(struct request *request, unsigned code, const char *content_type,
                   struct slice body)
{
    struct http_header headers[COMMON_HEADERS_MAX];
    size_t count = common_headers(request, content_type, headers);
    http_allow_gzip(request->exchange, false);
    http_respond(request->exchange, code, headers, count, body);
    request_finish(request);
}

void respond_text(struct request *request, unsigned code, const char *text)
{
    respond_bytes(request, code, "text/plain; charset=utf-8", slice_text(text));
}

void append_yaml(struct slice json, struct buffer *out)
{
    size_t before = out->len;
    if (api_json_to_yaml(json, out, NULL) < 0) {
        out->len = before;
        buffer_append_slice(out, json); /* JSON is YAML too. */
    }
}

/* JSON text in the wanted media: as it is, indented, or as YAML. */
static void respond_json(struct request *request, unsigned code, const char *content_type,
                         struct buffer *json)
{
    struct buffer out;
    buffer_init(&out, ENCODED_LIST_MAX);
    if (request->accept.media == MEDIA_YAML) {
        append_yaml(buffer_slice(json), &out);
        respond_bytes(request, code, "application/yaml", buffer_slice(&out));
    } else if (request->accept.pretty) {
        json_indent(buffer_slice(json), &out); /* Without a newline, as in v1.32. */
        respond_bytes(request, code, content_type, buffer_slice(&out));
    } else {
        buffer_append_byte(json, '\n');
        respond_bytes(request, code, content_type, buffer_slice(json));
    }
    buffer_release(&out);
}

static void http_status(struct request *request, const struct api_status *status)
{
    struct buffer body;
    buffer_init(&body, ENCODED_OBJECT_MAX);
    struct http_header headers[COMMON_HEADERS_MAX];
    if (status->code >= 400) {
        http_negotiate_error(request);
    }
    const char *content_type = content_type_of(request, false);
    if (request->accept.media == MEDIA_PROTOBUF) {
        api_status_encode_protobuf(request->arena, status, &body);
    } else {
        CLEANUP(buffer_release) struct buffer json;
        buffer_init(&json, ENCODED_OBJECT_MAX);
        api_status_encode_json(request->arena, status, &json);
        if (request->accept.media == MEDIA_YAML) {
            append_yaml(buffer_slice(&json), &body);
        } else if (request->accept.pretty) {
            json_indent(buffer_slice(&json), &body);
        } else {
            buffer_append_slice(&body, buffer_slice(&json));
            buffer_append_byte(&body, '\n');
        }
    }
    size_t count = common_headers(request, content_type, headers);
    if (status->retry_after_seconds > 0) {
        headers[count++] = http_header(
            "retry-after", arena_printf(request->arena, "%d", status->retry_after_seconds));
    }
    http_respond(request->exchange, (unsigned)(status->code == 0 ? 200 : status->code), headers,
                 count, buffer_slice(&body));
    buffer_release(&body);
    request_finish(request);
}

/* --- Tables and partial objects --- */

static void json_text(struct buffer *out, const char *text)
{
    json_print_string(slice_text(text), out);
}

static const struct api_message *meta_schema(void)
{
    return api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.ObjectMeta");
}

struct api_type_meta partial_type_meta(const struct request *request, const char *kind)
{
    bool beta = strcmp(request->accept.form_version, "v1beta1") == 0;
    return (struct api_type_meta){.api_version = beta ? "meta.k8s.io/v1beta1" : "meta.k8s.io/v1",
                                  .kind = kind};
}

void encode_partial(struct request *request, const struct api_kind *kind, const void *message,
                    struct buffer *out)
{
    buffer_printf(
        out, "{\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/%s\",\"metadata\":",
        request->accept.form_version);
    api_encode_json(meta_schema(), api_table_meta(request->arena, kind, message), NULL, out);
    buffer_append_byte(out, '}');
}

static void list_meta(struct buffer *out, uint64_t revision, const char *continue_token,
                      int64_t remaining)
{
    buffer_printf(out, "\"metadata\":{\"resourceVersion\":\"%llu\"", (unsigned long long)revision);
    if (continue_token != NULL) {
        buffer_printf(out, ",\"continue\":\"%s\"", continue_token);
    }
    if (remaining >= 0) {
        buffer_printf(out, ",\"remainingItemCount\":%lld", (long long)remaining);
    }
    buffer_append_byte(out, '}');
}

void encode_table_open(struct request *request, const struct api_kind *kind, uint64_t revision,
                       const char *continue_token, int64_t remaining, struct buffer *out)
{
    buffer_printf(out, "{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/%s\",",
                  request->accept.form_version);
    list_meta(out, revision, continue_token, remaining);
    size_t count = 0;
    const struct api_table_column *columns = api_table_columns(kind, &count);
    buffer_append_text(out, ",\"columnDefinitions\":[");
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(out, i == 0 ? "{\"name\":" : ",{\"name\":");
        json_text(out, columns[i].name);
        buffer_printf(out, ",\"type\":\"%s\",\"format\":\"%s\",\"description\":", columns[i].type,
                      columns[i].format);
        json_text(out, columns[i].description == NULL ? "" : columns[i].description);
        buffer_printf(out, ",\"priority\":%d}", columns[i].priority);
    }
    buffer_append_text(out, "],\"rows\":[");
}

static void encode_cells(struct request *request, const struct api_kind *kind, const void *message,
                         struct buffer *out)
{
    struct api_table_cell cells[API_TABLE_COLUMNS_MAX];
    struct api_table_condition condition = {0};
    size_t count = 0;
    (void)api_table_columns(kind, &count);
    api_table_row(request->arena, kind, message, wall_seconds(), cells, &condition);
    buffer_append_text(out, "{\"cells\":[");
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(out, i == 0 ? "" : ",");
        if (cells[i].type == API_CELL_INTEGER) {
            buffer_printf(out, "%lld", (long long)cells[i].number);
        } else if (cells[i].type == API_CELL_BOOL) {
            buffer_append_text(out, cells[i].number != 0 ? "true" : "false");
        } else if (cells[i].type == API_CELL_RAW) {
            buffer_append_text(out, cells[i].text);
        } else {
            json_text(out, cells[i].text == NULL ? "" : cells[i].text);
        }
    }
    buffer_append_byte(out, ']');
    if (condition.type != NULL) {
        buffer_printf(out, ",\"conditions\":[{\"type\":\"%s\",\"status\":\"%s\",\"reason\":",
                      condition.type, condition.status);
        json_text(out, condition.reason == NULL ? "" : condition.reason);
        buffer_append_text(out, ",\"message\":");
        json_text(out, condition.message == NULL ? "" : condition.message);
        buffer_append_text(out, "}]");
    }
}

void encode_table_row(struct request *request, const struct api_kind *kind, const void *message,
                      bool first, struct buffer *out)
{
    const char *include = query_get(&request->info.query, "includeObject");
    buffer_append_text(out, first ? "" : ",");
    encode_cells(request, kind, message, out);
    if (include != NULL && strcmp(include, "None") == 0) {
        buffer_append_text(out, ",\"object\":null}");
        return;
    }
    buffer_append_text(out, ",\"object\":");
    if (include != NULL && strcmp(include, "Object") == 0) {
        struct api_object object = {.kind = kind, .message = (void *)(uintptr_t)message};
        api_object_encode_json(&object, out);
    } else {
        encode_partial(request, kind, message, out);
    }
    buffer_append_byte(out, '}');
}

/* --- Single objects --- */

static void respond_form(struct request *request, unsigned code, const struct api_kind *kind,
                         const void *message);

static void http_message(struct request *request, unsigned code, const struct api_message *schema,
                         const void *message, const struct api_type_meta *type_meta)
{
    const struct api_kind kind = {.group = "autoscaling",
                                  .api_version = type_meta->api_version,
                                  .kind = type_meta->kind,
                                  .message = schema};
    if (request->accept.form == FORM_TABLE && strcmp(kind.kind, "Scale") == 0) {
        respond_form(request, code, &kind, message); /* The only one that has columns. */
        return;
    }
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_LIST_MAX);
    if (request->accept.media == MEDIA_PROTOBUF) {
        api_encode_envelope(schema, message, type_meta, &out);
        respond_bytes(request, code, content_type_of(request, false), buffer_slice(&out));
        return;
    }
    api_encode_json(schema, message, type_meta, &out);
    respond_json(request, code, "application/json", &out);
}

void encode_form(struct request *request, const struct api_kind *kind, const void *message,
                 struct buffer *out)
{
    if (request->accept.form == FORM_TABLE) {
        const Meta__V1__ObjectMeta *meta = api_message_meta(kind->message, message);
        uint64_t revision =
            meta->resource_version == NULL ? 0 : strtoull(meta->resource_version, NULL, 10);
        encode_table_open(request, kind, revision, NULL, -1, out);
        encode_table_row(request, kind, message, true, out);
        buffer_append_text(out, "]}");
    } else {
        encode_partial(request, kind, message, out);
    }
}

static void respond_form(struct request *request, unsigned code, const struct api_kind *kind,
                         const void *message)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    encode_form(request, kind, message, &out);
    respond_json(request, code, "application/json", &out);
}

void respond_rows(struct request *request, const void *const *messages, size_t count)
{
    const struct api_kind *kind = request->kind;
    bool table = request->accept.form == FORM_TABLE;
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_LIST_MAX);
    if (table) {
        const struct registry_call *call = &request->call;
        encode_table_open(request, kind, call->list_revision, call->list_continue,
                          call->list == NULL ? -1 : call->list_remaining, &out);
    } else {
        buffer_printf(&out,
                      "{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/%s\","
                      "\"metadata\":{},\"items\":[",
                      request->accept.form_version);
    }
    for (size_t i = 0; i < count; i++) {
        if (table) {
            encode_table_row(request, kind, messages[i], i == 0, &out);
        } else {
            buffer_append_text(&out, i == 0 ? "" : ",");
            encode_partial(request, kind, messages[i], &out);
        }
    }
    buffer_append_text(&out, "]}");
    respond_json(request, 200, "application/json", &out);
}

static void respond_partial_protobuf(struct request *request, unsigned code,
                                     const struct api_kind *kind, const void *message)
{
    const struct api_message *schema =
        api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata");
    Meta__V1__PartialObjectMetadata *partial = api_message_new(request->arena, schema);
    /* It is only encoded. */
    partial->metadata =
        (Meta__V1__ObjectMeta *)(uintptr_t)api_table_meta(request->arena, kind, message);
    struct api_type_meta type_meta = partial_type_meta(request, "PartialObjectMetadata");
    http_message(request, code, schema, partial, &type_meta);
}

static bool http_object_alone(const struct request *request)
{
    const struct negotiated *accept = &request->accept;
    return accept->form == FORM_OBJECT && accept->media != MEDIA_YAML && !accept->pretty;
}

static void respond_cached_protobuf(struct request *request, unsigned code,
                                    const struct cached_object *object)
{
    CLEANUP(buffer_release) struct buffer out;
    const struct api_kind *kind = cached_object_kind(object);
    struct api_type_meta type_meta = {.api_version = kind->api_version, .kind = kind->kind};
    buffer_init(&out, ENCODED_LIST_MAX);
    api_envelope_head(&type_meta, cached_object_protobuf_size(object), &out);
    cached_object_append_protobuf(object, &out);
    api_envelope_tail(&out);
    respond_bytes(request, code, content_type_of(request, false), buffer_slice(&out));
}

static void http_object(struct request *request, unsigned code, const struct cached_object *object,
                        const struct api_kind *kind, const void *shown)
{
    if (request->accept.form == FORM_PARTIAL && request->accept.media == MEDIA_PROTOBUF) {
        respond_partial_protobuf(request, code, kind, shown);
        return;
    }
    if (request->accept.form == FORM_TABLE || request->accept.form == FORM_PARTIAL) {
        respond_form(request, code, kind, shown);
        return;
    }
    struct chunk *json = NULL;
    bool as_cached = object != NULL && http_object_alone(request);
    if (as_cached && request->accept.media == MEDIA_PROTOBUF) {
        respond_cached_protobuf(request, code, object);
        return;
    }
    if (as_cached && (json = cached_object_json(object)) != NULL) {
        struct http_header headers[COMMON_HEADERS_MAX];
        size_t count = common_headers(request, "application/json", headers);
        struct chunk *newline = chunk_new(slice_text("\n"));
        struct chunk *chunks[] = {json, newline};
        http_respond_shared(request->exchange, code, headers, count, chunks, 2);
        chunk_unref(newline);
        chunk_unref(json);
        request_finish(request);
        return;
    }
    struct api_type_meta type_meta = {.api_version = kind->api_version, .kind = kind->kind};
    http_message(request, code, kind->message, shown, &type_meta);
}

/* --- By the request's codec --- */

void respond_status(struct request *request, const struct api_status *status)
{
    audit_status(request, status);
    request->codec->status(request, status);
}

void respond_short_memory(struct request *request)
{
    respond_status(request,
                   api_status_too_many_requests(
                       request->arena, "the server is short of memory, please try again later",
                       MEMORY_RETRY_SECONDS));
}

void respond_message(struct request *request, unsigned code, const struct api_message *schema,
                     const void *message, const struct api_type_meta *type_meta)
{
    audit_message(request, code, schema, message, type_meta);
    request->codec->message(request, code, schema, message, type_meta);
}

void respond_object(struct request *request, unsigned code, const struct cached_object *object,
                    const struct api_kind *kind, const void *message)
{
    const void *shown = message == NULL ? NULL
                                        : node_liveness_overlay(request->server->liveness,
                                                                request->arena, kind, message);
    audit_object(request, code, kind, shown);
    bool as_cached = object != NULL && shown == message && kind == cached_object_kind(object);
    request->codec->object(request, code, as_cached ? object : NULL, kind, shown);
}

bool request_needs_object_alone(const struct request *request)
{
    return request->codec->object_alone != NULL && request->codec->object_alone(request) &&
           !node_liveness_concerns(request->kind) && request->kind->stored_as == NULL &&
           custom_of(request->kind) == NULL && /* It may be another version that is shown. */
           !audit_wants_answer(request);
}

void respond_list(struct request *request)
{
    audit_list(request);
    request->codec->list(request);
}

/* As kube-apiserver refuses it: before a codec is known. */
static void http_too_many(struct request *request)
{
    static const char text[] = "Too many requests, please try again later.\n";
    struct http_header headers[COMMON_HEADERS_MAX];
    size_t count = common_headers(request, "text/plain; charset=utf-8", headers);
    headers[count++] =
        http_header("retry-after", arena_printf(request->arena, "%d", FLOW_RETRY_SECONDS));
    http_respond(request->exchange, 429, headers, count, slice_text(text));
    request_finish(request);
}

static void http_not_found(struct request *request)
{
    respond_text(request, 404, "404 page not found\n");
}

const char *request_uri(struct request *request)
{
    if (request->uri != NULL) {
        return request->uri;
    }
    struct slice path = http_path(request->exchange);
    struct slice query = http_query(request->exchange);
    return arena_printf(request->arena, "%.*s%s%.*s", (int)path.len, (const char *)path.data,
                        query.len > 0 ? "?" : "", (int)query.len, (const char *)query.data);
}

/* As kube-apiserver's filters have it: text, in which nothing looks like HTML. */
static void http_failed(struct request *request, const char *why)
{
    CLEANUP(buffer_release) struct buffer said, text;
    buffer_init(&said, ENCODED_OBJECT_MAX);
    buffer_init(&text, ENCODED_OBJECT_MAX);
    buffer_append_text(&said, "Internal Server Error: ");
    api_print_quoted(request_uri(request), &said);
    buffer_printf(&said, ": %s\n", why);
    for (const char *c = buffer_text(&said); *c != 0; c++) {
        if (*c == '&' || *c == '<' || *c == '>') {
            buffer_append_text(&text, *c == '&' ? "&amp;" : *c == '<' ? "&lt;" : "&gt;");
        } else {
            buffer_append_byte(&text, (uint8_t)*c);
        }
    }
    audit_status(request, api_status_internal(request->arena, "%s", why));
    respond_text(request, 500, buffer_text(&text));
}

static void on_abort(struct request *request, void (*abort)(void *data), void *data)
{
    http_on_abort(request->exchange, abort, data);
}

static bool is_aborted(struct request *request)
{
    return http_is_aborted(request->exchange);
}

const struct request_codec http_codec = {.negotiate = http_negotiate,
                                         .status = http_status,
                                         .too_many = http_too_many,
                                         .not_found = http_not_found,
                                         .failed = http_failed,
                                         .message = http_message,
                                         .object = http_object,
                                         .object_alone = http_object_alone,
                                         .list = http_list,
                                         .watch = &http_watch_codec,
                                         .on_abort = on_abort,
                                         .is_aborted = is_aborted};
