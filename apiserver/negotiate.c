/* Accept: media type and form (Table, PartialObjectMetadata) of the answer (RFC 9110
 * section 12.5.1, in the order of quality, then of how little is taken in, then of appearance). */
#include "apiserver/go_text.h"
#include "apiserver/request.h"
#include <stdlib.h>
#include <strings.h>

static const char media_types[] =
    "application/json, application/yaml, application/vnd.kubernetes.protobuf";
static const char stream_types[] =
    "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";

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
    unsigned width; /* 0: a media type, 1: some, 2: all. */
    bool names_form;
    const char *group;
    const char *stream;         /* "" or "watch" */
    const char *server_version; /* "" or "v1" */
};

static bool is_better(const struct clause *clause, const struct clause *best)
{
    return clause->quality > best->quality ||
           (clause->quality == best->quality && clause->width < best->width);
}

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
    } else if (slice_is(key, "stream")) {
        clause->stream = value;
    } else if (slice_is(key, "sv")) {
        clause->server_version = value;
    } else if (slice_is(key, "pretty")) {
        clause->accept.pretty = strcmp(value, "1") == 0;
    }
    clause->names_form =
        clause->names_form || slice_is(key, "as") || slice_is(key, "v") || slice_is(key, "g");
}

static bool is_discovery_form(const struct clause *clause)
{
    const char *version = clause->accept.as_version;
    return (strcmp(version, "v2") == 0 || strcmp(version, "v2beta1") == 0) &&
           strcmp(clause->group, "apidiscovery.k8s.io") == 0;
}

/* Which form is asked for; false when there is none, or the request cannot be answered in it. */
static bool read_form(struct request *request, struct clause *clause)
{
    const char *kind = clause->accept.as_kind;
    bool version = strcmp(clause->accept.as_version, "v1") == 0 ||
                   strcmp(clause->accept.as_version, "v1beta1") == 0;
    clause->accept.form_version = clause->accept.as_version;
    if (!clause->names_form) {
        return true;
    }
    if (request->kind == NULL && strcmp(kind, "APIGroupDiscoveryList") == 0) {
        return is_discovery_form(clause);
    }
    if (strcmp(clause->group, "meta.k8s.io") != 0 || !version) {
        return false;
    }
    if (strcmp(kind, "Table") == 0) {
        clause->accept.form = FORM_TABLE;
        return clause->accept.media != MEDIA_PROTOBUF && !watch_tells_end_of_list(request);
    }
    if (strcmp(kind, "PartialObjectMetadata") == 0) {
        clause->accept.form = FORM_PARTIAL;
        return true;
    }
    clause->accept.form = FORM_PARTIAL_LIST;
    return strcmp(kind, "PartialObjectMetadataList") == 0;
}

/* Of a custom resource only the metadata have a protobuf form. */
static bool has_media(const struct clause *clause, bool custom)
{
    enum media_form form = clause->accept.form;
    return !custom || clause->accept.media != MEDIA_PROTOBUF || form == FORM_PARTIAL ||
           form == FORM_PARTIAL_LIST;
}

static bool has_stream(const struct clause *clause)
{
    return clause->stream[0] == 0 ||
           (strcmp(clause->stream, "watch") == 0 && clause->accept.media != MEDIA_YAML);
}

static bool read_media_range(struct slice range, struct clause *clause)
{
    static const struct {
        const char *text;
        enum media_type media;
        unsigned width;
    } ranges[] = {{"application/json", MEDIA_JSON, 0},
                  {"application/yaml", MEDIA_YAML, 0},
                  {"application/vnd.kubernetes.protobuf", MEDIA_PROTOBUF, 0},
                  {"application/*", MEDIA_JSON, 1},
                  {"*/*", MEDIA_JSON, 2}};
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        if (slice_is(range, ranges[i].text)) {
            clause->accept.media = ranges[i].media;
            clause->width = ranges[i].width;
            return true;
        }
    }
    return false;
}

static enum clause_result read_clause(struct request *request, struct slice text, bool custom,
                                      struct clause *ret_clause)
{
    struct clause clause = {.accept = {.as_kind = "", .as_version = "", .form_version = "v1"},
                            .quality = 1,
                            .group = "",
                            .stream = "",
                            .server_version = ""};
    struct slice part = {0};
    (void)next_part(&text, ';', &part);
    if (!read_media_range(part, &clause)) {
        return CLAUSE_NO_MEDIA;
    }
    while (next_part(&text, ';', &part)) {
        read_parameter(request->arena, part, &clause);
    }
    bool version = clause.server_version[0] == 0 || strcmp(clause.server_version, "v1") == 0;
    bool form = read_form(request, &clause);
    *ret_clause = clause;
    return form && version && has_media(&clause, custom) && has_stream(&clause) ? CLAUSE_GOOD
                                                                                : CLAUSE_NO_FORM;
}

static bool wants_pretty(struct request *request)
{
    const char *pretty = query_get(&request->info.query, "pretty");
    if (pretty != NULL && pretty[0] != 0) {
        bool wish = false;
        (void)go_text_bool(pretty, &wish);
        return wish;
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

/* The router of v1.32, which custom resources do without, looks for a type that it knows by name,
 * or for one who takes all. */
static const struct api_status *no_clause_fits(struct request *request, bool media_known)
{
    if (media_known) {
        return api_status_not_acceptable(request->arena, media_types);
    }
    bool streams = request->info.verb == VERB_LIST || request->info.verb == VERB_WATCH;
    const char *types =
        streams ? arena_printf(request->arena, "%s, %s", media_types, stream_types) : media_types;
    return api_status_no_representation(request->arena, types);
}

/* What is asked for has to be shown in the form of an object or of a list. */
static const struct api_status *form_misfit(struct request *request)
{
    enum media_form form = request->accept.form;
    bool list = request->info.verb == VERB_LIST;
    if (request->kind == NULL || !((list && form == FORM_PARTIAL) ||
                                   (request->info.verb == VERB_GET && form == FORM_PARTIAL_LIST))) {
        return NULL;
    }
    const struct api_kind *kind = request->kind;
    const char *type = custom_of(kind) != NULL
                           ? "unstructured.Unstructured"
                           : arena_printf(request->arena, "%s.%s",
                                          go_text_package(request->arena, kind->group), kind->kind);
    return api_status_new(
        request->arena, 406, "NotAcceptable",
        list ? arena_printf(request->arena,
                            "you requested PartialObjectMetadata, but the requested object is a "
                            "list (*%sList)",
                            type)
             : arena_printf(request->arena,
                            "you requested PartialObjectMetadataList, but the requested object is "
                            "not a list (*%s)",
                            type),
        NULL, "");
}

/* NULL when it can be answered so. */
static const struct api_status *answer_misfit(struct request *request)
{
    if (request->info.verb == VERB_WATCH && request->accept.media == MEDIA_YAML) {
        return api_status_not_acceptable(request->arena, stream_types);
    }
    return form_misfit(request);
}

bool http_negotiate(struct request *request)
{
    request->accept = (struct negotiated){.as_kind = "", .as_version = "", .form_version = "v1"};
    struct slice header = accept_header(request);
    bool custom = request->kind != NULL && custom_of(request->kind) != NULL;
    bool found = header.len == 0, media_known = custom || found;
    struct clause best = {.quality = -1};
    struct slice text = {0};
    while (header.len > 0 && next_part(&header, ',', &text)) {
        struct clause clause = {0};
        enum clause_result result = read_clause(request, text, custom, &clause);
        media_known = media_known || (result != CLAUSE_NO_MEDIA && clause.width != 1);
        if (result == CLAUSE_GOOD && is_better(&clause, &best)) {
            best = clause;
            request->accept = clause.accept;
            found = true;
        }
    }
    request->accept.pretty = request->accept.pretty || wants_pretty(request);
    if (!found || !media_known) {
        return request_refuse(request, no_clause_fits(request, media_known));
    }
    const struct api_status *misfit = answer_misfit(request);
    return misfit == NULL || request_refuse(request, misfit);
}

void http_negotiate_error(struct request *request)
{
    struct slice header = accept_header(request);
    bool found = header.len == 0;
    struct clause best = {.accept = {.as_kind = "", .as_version = "", .form_version = "v1"},
                          .quality = -1};
    struct slice text = {0};
    while (header.len > 0 && next_part(&header, ',', &text)) {
        struct clause clause = {0};
        enum clause_result result = read_clause(request, text, /* custom= */ false, &clause);
        if (result == CLAUSE_GOOD && !clause.names_form && clause.server_version[0] == 0 &&
            is_better(&clause, &best)) {
            best = clause;
            found = true;
        }
    }
    request->accept = best.accept;
    request->accept.pretty = !found || request->accept.pretty || wants_pretty(request);
}
