#include "apiserver/log_options.h"

#include "apiserver/go_text.h"
#include "lib/api/kinds.h"
#include "lib/api/status.h"
#include "lib/base/time_text.h"
#include <string.h>

/* A number of the query that has a least value. */
struct bound {
    const char *key;
    int64_t least;
    const char *words;
};

static const struct bound tail_lines = {"tailLines", 0, "must be greater than or equal to 0"};
static const struct bound limit_bytes = {"limitBytes", 1, "must be greater than 0"};
static const struct bound since_seconds = {"sinceSeconds", 1, "must be greater than 0"};

static const struct api_status *check_readable(struct arena *arena, const struct query *query)
{
    const struct bound *const bounds[] = {&since_seconds, &tail_lines, &limit_bytes};
    for (size_t i = 0; i < ARRAY_LEN(bounds); i++) {
        int64_t value = 0;
        const char *text = query_get(query, bounds[i]->key);
        const char *problem = text == NULL ? NULL : go_text_int(arena, text, &value);
        if (problem != NULL) {
            return api_status_bad_request(arena, "%s", problem);
        }
    }
    int64_t seconds = 0;
    int32_t nanos = 0;
    const char *time = query_get(query, "sinceTime");
    if (time == NULL || time[0] == 0 || strcmp(time, "null") == 0 ||
        time_parse(slice_text(time), &seconds, &nanos) == 0) {
        return NULL;
    }
    return api_status_bad_request(arena,
                                  "parsing time \"%s\" as \"2006-01-02T15:04:05Z07:00\": cannot "
                                  "parse \"%s\" as \"2006\"",
                                  time, time);
}

/* That it can be read is known. */
static void check_bound(struct api_causes *causes, const struct query *query,
                        const struct bound *bound)
{
    int64_t value = 0;
    struct api_path path = api_path_field(NULL, bound->key);
    if (query_int(query, bound->key, &value) == 0 && value < bound->least) {
        api_cause_invalid(causes, &path, api_shown_int(value), bound->words);
    }
}

const struct api_status *log_options_check(struct arena *arena, const struct query *query,
                                           const char *pod)
{
    static const struct api_kind options = {.group = "", .kind = "PodLogOptions"};
    const struct api_status *refusal = check_readable(arena, query);
    if (refusal != NULL) {
        return refusal;
    }
    struct api_causes causes;
    api_causes_init(&causes, arena);
    check_bound(&causes, query, &tail_lines);
    check_bound(&causes, query, &limit_bytes);
    if (query_get(query, "sinceSeconds") != NULL && query_get(query, "sinceTime") != NULL) {
        struct api_path none = api_path_field(NULL, "");
        api_cause_forbidden(&causes, &none,
                            "at most one of `sinceTime` or `sinceSeconds` may be specified");
    } else {
        check_bound(&causes, query, &since_seconds);
    }
    if (query_get(query, "stream") != NULL) { /* Of a feature that is off in v1.32. */
        struct api_path stream = api_path_field(NULL, "stream");
        api_cause_forbidden(&causes, &stream, "may not be specified");
    }
    return causes.count == 0 ? NULL : api_status_invalid(arena, &options, pod, &causes);
}
