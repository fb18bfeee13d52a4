/* Accept: media type and form (Table, PartialObjectMetadata) of the answer (RFC 9110
 * section 12.5.1, in the order of quality, then of appearance). */
#include "apiserver/request.h"
#include <stdlib.h>
#include <strings.h>

static const char media_types[] =
    "application/json, application/yaml, application/vnd.kubernetes.protobuf";
static const char custom_media_types[] = "application/json, application/yaml";

static struct slice trim(struct slice text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text = slice_of(text.data + 1, text.len - 1);
    }
    while (text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) {
        text.len--;
    }
    return text;
}

/* Cuts the part before `separator` off *rest. False at the end. */
static bool next_part(struct slice *rest, uint8_t separator, struct slice *ret_part)
{
    if (rest->data == NULL) {
        return false;
    }
    const uint8_t *at = rest->len == 0 ? NULL : memchr(rest->data, separator, rest->len);
    size_t len = at == NULL ? rest->len : (size_t)(at - rest->data);
    *ret_part = trim(slice_of(rest->data, len));
    if (at == NULL) {
        *rest = (struct slice){0};
    } else {
        *rest = slice_of(at + 1, rest->len - len - 1);
    }
    return true;
}

enum clause_result { CLAUSE_NO_MEDIA, CLAUSE_NO_FORM, CLAUSE_GOOD };

struct clause {
    struct negotiated accept;
    double quality;
    const char *group;
    bool stream_watch;
};

static void read_parameter(struct arena *arena, struct slice parameter, struct clause *clause)
{
    const uint8_t *equals = parameter.len == 0 ? NULL : memchr(parameter.data, '=', parameter.len);
    if (equals == NULL) {
        return;
    }
    struct slice key = trim(slice_of(parameter.data, (size_t)(equals - parameter.data)));
    const char *value = arena_text_n(arena, (const char *)equals + 1, parameter.len - key.len - 1);
    if (slice_is(key, "q")) {
        clause->quality = strtod(value, NULL);
    } else if (slice_is(key, "as")) {
        clause->accept.as_kind = value;
    } else if (slice_is(key, "v")) {
        clause->accept.as_version = value;
    } else if (slice_is(key, "g")) {
        clause->group = value;
    }
}

static bool read_form(struct clause *clause)
{
    const char *kind = clause->accept.as_kind;
    bool meta = strcmp(clause->group, "meta.k8s.io") == 0;
    bool version = strcmp(clause->accept.as_version, "v1") == 0 ||
                   strcmp(clause->accept.as_version, "v1beta1") == 0;
    clause->accept.form_version = clause->accept.as_version;
    if (kind[0] == 0) {
        return true;
    }
    if (strcmp(kind, "APIGroupDiscoveryList") == 0) {
        bool served = strcmp(clause->accept.as_version, "v2") == 0 ||
                      strcmp(clause->accept.as_version, "v2beta1") == 0;
        return served && strcmp(clause->group, "apidiscovery.k8s.io") == 0;
    }
    if (!meta || !version) {
        return false;
    }
    if (strcmp(kind, "Table") == 0) {
        clause->accept.form = FORM_TABLE;
        return clause->accept.media != MEDIA_PROTOBUF;
    }
    if (strcmp(kind, "PartialObjectMetadata") == 0) {
        clause->accept.form = FORM_PARTIAL;
        return true;
    }
    clause->accept.form = FORM_PARTIAL_LIST;
    return strcmp(kind, "PartialObjectMetadataList") == 0;
}

static enum clause_result read_clause(struct arena *arena, struct slice text, bool custom,
                                      struct clause *ret_clause)
{
    struct clause clause = {.accept = {.as_kind = "", .as_version = "", .form_version = "v1"},
                            .quality = 1,
                            .group = ""};
    struct slice part = {0};
    (void)next_part(&text, ';', &part);
    if (slice_is(part, "application/json") || slice_is(part, "*/*")) {
        clause.accept.media = MEDIA_JSON;
    } else if (slice_is(part, "application/yaml")) {
        clause.accept.media = MEDIA_YAML;
    } else if (!custom && slice_is(part, "application/vnd.kubernetes.protobuf")) {
        clause.accept.media = MEDIA_PROTOBUF;
    } else {
        return CLAUSE_NO_MEDIA;
    }
    while (next_part(&text, ';', &part)) {
        read_parameter(arena, part, &clause);
    }
    if (!read_form(&clause)) {
        return CLAUSE_NO_FORM;
    }
    *ret_clause = clause;
    return CLAUSE_GOOD;
}

static bool wants_pretty(struct request *request)
{
    const char *pretty = query_get(&request->info.query, "pretty");
    if (pretty != NULL) {
        return strcmp(pretty, "false") != 0 && strcmp(pretty, "0") != 0;
    }
    struct slice agent = http_header_find(request->exchange, "user-agent");
    return slice_starts_with(agent, slice_text("curl")) ||
           slice_starts_with(agent, slice_text("Wget")) ||
           slice_starts_with(agent, slice_text("Mozilla/5.0"));
}

static struct slice accept_header(struct request *request)
{
    size_t count = 0;
    const struct http_header *headers = http_headers(request->exchange, &count);
    const char *all = NULL;
    for (size_t i = 0; i < count; i++) {
        if (headers[i].name.len == 6 &&
            strncasecmp((const char *)headers[i].name.data, "accept", 6) == 0) {
            all = arena_printf(request->arena, "%s%s%.*s", all == NULL ? "" : all,
                               all == NULL ? "" : ",", (int)headers[i].value.len,
                               (const char *)headers[i].value.data);
        }
    }
    if (all == NULL) {
        return (struct slice){0}; /* cppcheck 2.10 cannot read this as part of a condition. */
    }
    return slice_text(all);
}

bool http_negotiate(struct request *request)
{
    request->accept = (struct negotiated){.as_kind = "", .as_version = "", .form_version = "v1"};
    struct slice header = accept_header(request);
    double best = -1;
    bool media_known = header.len == 0;
    bool custom = request->kind != NULL && custom_of(request->kind) != NULL;
    struct slice text = {0};
    while (header.len > 0 && next_part(&header, ',', &text)) {
        struct clause clause;
        enum clause_result result = read_clause(request->arena, text, custom, &clause);
        media_known = media_known || result != CLAUSE_NO_MEDIA;
        if (result == CLAUSE_GOOD && clause.quality > best && clause.quality > 0) {
            best = clause.quality;
            request->accept = clause.accept;
        }
    }
    request->accept.pretty = wants_pretty(request);
    if (best < 0 && text.data != NULL) {
        if (custom && slice_starts_with(text, slice_text("application/vnd.kubernetes.protobuf"))) {
            request->accept.media = MEDIA_PROTOBUF; /* The refusal itself can be read so. */
        }
        const char *types = custom ? custom_media_types : media_types;
        const struct api_status *refusal =
            media_known ? api_status_not_acceptable(request->arena, types)
                        : api_status_no_representation(request->arena, types);
        respond_status(request, refusal);
        return false;
    }
    return true;
}
