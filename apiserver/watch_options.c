#include "apiserver/watch_options.h"

#include "apiserver/request.h"
#include "lib/api/selector.h"
#include "lib/net/x509.h"

static bool is_empty(const char *text)
{
    return text == NULL || text[0] == 0;
}

/* When the client does not say, or says 0: 1800 to 3600 s, so that not all come back at once. A
 * negative time is over at once; nanoseconds wrap as in v1.32, so that one of centuries may be. */
static uint64_t lasts_ms(const struct request *request)
{
    int64_t seconds = 0;
    if (query_int(&request->info.query, "timeoutSeconds", &seconds) < 0 || seconds == 0) {
        uint16_t spread;
        x509_random((uint8_t *)&spread, sizeof(spread));
        seconds = 1800 + spread % 1800;
    }
    uint64_t lasts_ns = (uint64_t)seconds * 1000000000U;
    return lasts_ns > INT64_MAX ? 0 : lasts_ns / 1000000U;
}

static bool is_from_any_version(const struct query *query)
{
    const char *version = query_get(query, "resourceVersion");
    return is_empty(version) || strcmp(version, "0") == 0;
}

/* As v1.32, which treats a watch from no version or from any as one that asks for what there is,
 * unless it says otherwise: with bookmarks it is told where that ends. */
static bool asks_initial_events(const struct query *query)
{
    if (query_get(query, "sendInitialEvents") != NULL) {
        return query_bool(query, "sendInitialEvents", false);
    }
    return is_empty(query_get(query, "resourceVersionMatch")) && is_from_any_version(query);
}

bool watch_tells_end_of_list(const struct request *request)
{
    const struct query *query = &request->info.query;
    return request->info.verb == VERB_WATCH && query_bool(query, "allowWatchBookmarks", false) &&
           asks_initial_events(query);
}

static const struct api_status *check_match(const struct request *request)
{
    const struct query *query = &request->info.query;
    const char *match = query_get(query, "resourceVersionMatch");
    bool has_match = !is_empty(match);
    struct api_causes causes;
    api_causes_init(&causes, request->arena);
    struct api_path path = api_path_field(NULL, "resourceVersionMatch");
    static const char *const values[] = {"NotOlderThan", NULL};
    bool not_older = has_match && strcmp(match, values[0]) == 0;
    bool initial = query_get(query, "sendInitialEvents") != NULL;
    if (initial && !not_older) {
        api_cause_forbidden(&causes, &path,
                            "sendInitialEvents requires setting resourceVersionMatch to "
                            "NotOlderThan");
    }
    if (has_match && !initial) {
        api_cause_forbidden(&causes, &path,
                            "resourceVersionMatch is forbidden for watch unless "
                            "sendInitialEvents is provided");
    }
    if (has_match && !not_older) {
        api_cause_not_supported(&causes, &path, api_shown_text(match), values);
    }
    if (has_match && !is_empty(query_get(query, "continue"))) {
        api_cause_forbidden(&causes, &path,
                            "resourceVersionMatch is forbidden when continue is provided");
    }
    return causes.count == 0 ? NULL
                             : api_status_invalid_options(request->arena, "ListOptions", &causes);
}

/* Of a watch whose path names an object, a selector of fields can only name the same. */
static const struct api_status *check_name(const struct request *request)
{
    const char *text = request->call.options.field_selector;
    struct api_field_selector selector;
    if (request->info.name[0] == 0 || is_empty(text) ||
        api_field_selector_parse(request->arena, request->kind, slice_text(text), &selector, NULL) <
            0) {
        return NULL; /* What is no selector is refused by who uses it. */
    }
    const char *name = api_field_selector_pinned(&selector, "metadata.name");
    return name != NULL && strcmp(name, request->info.name) == 0
               ? NULL
               : api_status_bad_request(request->arena, "fieldSelector metadata.name doesn't match "
                                                        "requested name");
}

const struct api_status *watch_options_read(struct request *request,
                                            struct watch_options *ret_options)
{
    const struct query *query = &request->info.query;
    const struct api_status *refusal = check_match(request);
    refusal = refusal != NULL ? refusal : check_name(request);
    uint64_t revision = 0;
    refusal = refusal != NULL
                  ? refusal
                  : registry_parse_version(request->arena, request->call.options.resource_version,
                                           &revision);
    if (refusal != NULL) {
        return refusal;
    }
    bool initial = asks_initial_events(query);
    *ret_options = (struct watch_options){
        .bookmarks = query_bool(query, "allowWatchBookmarks", false),
        .from_state = initial || is_from_any_version(query),
        .initial_events = initial,
        .end_is_told = watch_tells_end_of_list(request),
        .revision = revision,
        .lasts_ms = lasts_ms(request),
    };
    return NULL;
}
