/* Functions of texts that the language itself has: contains, startsWith, endsWith, matches. */
#include "lib/cel/cel.h"
#include "lib/cel/regex.h"

static struct cel_value contains(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_bool(a[1].text.len == 0 ||
                    (a[0].text.len > 0 &&
                     memmem(a[0].text.data, a[0].text.len, a[1].text.data, a[1].text.len) != NULL));
}

static struct cel_value starts_with(struct cel_call *call, const struct cel_value *a)
{
    (void)call;
    return cel_bool(slice_starts_with(a[0].text, a[1].text));
}

static struct cel_value ends_with(struct cel_call *call, const struct cel_value *a)
{
    size_t len = a[0].text.len, end = a[1].text.len;
    (void)call;
    return cel_bool(end <= len &&
                    slice_equal(slice_of(a[0].text.data + len - end, end), a[1].text));
}

static struct cel_value matches(struct cel_call *call, const struct cel_value *a)
{
    const struct cel_regex *regex = call->regex;
    CLEANUP(error_release) struct error error = {0};
    if (regex == NULL && cel_regex_compile(call->arena, a[1].text, &regex, &error) < 0) {
        return cel_call_error(call, "%s", error_message(&error));
    }
    return cel_bool(cel_regex_find(regex, a[0].text, 0, NULL));
}

static const struct cel_row rows[] = {
    {"contains", "contains_string", "string.(string) bool", contains, CEL_COST_CONTAINS},
    {"startsWith", "starts_with_string", "string.(string) bool", starts_with, CEL_COST_TEXT_SECOND},
    {"endsWith", "ends_with_string", "string.(string) bool", ends_with, CEL_COST_TEXT_SECOND},
    {"matches", "matches", "(string, string) bool", matches, CEL_COST_MATCH},
    {"matches", "matches_string", "string.(string) bool", matches, CEL_COST_MATCH},
};

const struct cel_library cel_library_texts = {
    .name = "texts", .rows = rows, .row_count = ARRAY_LEN(rows)};
