/* Kubernetes' named formats for expressions: format.<name>() and format.named(name) give a format,
 * whose validate(text) gives none, or the list of what is wrong. */
#include "lib/api/cel_functions.h"
#include "lib/api/structural.h"
#include "lib/api/syntax.h"
#include <assert.h>

/* What the names before the dot of "format.<name>" mean. */
struct format {
    const char *name;
    api_syntax_rule *syntax; /* Or else `known` and `wrong`. */
    bool is_prefix;          /* A dash at the end is as good as a letter. */
    const char *known;       /* A format of structural schemas. */
    const char *wrong;
    uint64_t pattern_size; /* Of the pattern that v1.32 takes the check to cost. */
};

static const struct format formats[] = {
    {"dns1123Label", api_syntax_dns1123_label, false, NULL, NULL, 30},
    {"dns1123Subdomain", api_syntax_dns1123_subdomain, false, NULL, NULL, 60},
    {"dns1035Label", api_syntax_dns1035_label, false, NULL, NULL, 30},
    {"qualifiedName", api_syntax_qualified_name, false, NULL, NULL, 60},
    {"dns1123LabelPrefix", api_syntax_dns1123_label, true, NULL, NULL, 30},
    {"dns1123SubdomainPrefix", api_syntax_dns1123_subdomain, true, NULL, NULL, 60},
    {"dns1035LabelPrefix", api_syntax_dns1035_label, true, NULL, NULL, 30},
    {"labelValue", api_syntax_label_value, false, NULL, NULL, 40},
    {"uri", NULL, false, "uri", "invalid URI for request", 357},
    {"uuid", NULL, false, "uuid", "does not match the UUID format", 70},
    {"byte", NULL, false, "byte", "invalid base64", 84},
    {"date", NULL, false, "date", "invalid date", 71},
    {"datetime", NULL, false, "datetime", "invalid datetime", 71},
};

static bool equal(const void *a, const void *b)
{
    return a == b;
}

static uint64_t pattern_size(const void *data)
{
    return ((const struct format *)data)->pattern_size;
}

static const struct cel_opaque format_opaque = {
    .name = "kubernetes.NamedFormat", .equal = equal, .size_of = pattern_size};
static const struct cel_type format_type = {.kind = CEL_TYPE_OPAQUE,
                                            .name = "kubernetes.NamedFormat"};

/* The text as the rule of a whole name has to see it. */
static const char *masked(struct arena *arena, const struct format *format, struct slice text)
{
    char *copy = arena_text_n(arena, (const char *)text.data, text.len);
    if (format->is_prefix && text.len > 1 && copy[text.len - 1] == '-') {
        copy[text.len - 2] = 'a';
        copy[text.len - 1] = '\0';
    }
    return copy;
}

static struct cel_value texts(struct cel_call *call, const char *const *messages, size_t count)
{
    struct cel_value *items = arena_array(call->arena, count, sizeof(*items));
    for (size_t i = 0; i < count; i++) {
        items[i] = cel_string_text(messages[i]);
    }
    return cel_some(call->arena, cel_list_of(call->arena, items, count));
}

static struct cel_value validate(struct cel_call *call, const struct cel_value *a)
{
    const struct format *format = a[0].opaque.data;
    const char *text = masked(call->arena, format, a[1].text);
    const char *wrong = format->wrong;
    if (format->syntax != NULL) {
        struct api_syntax syntax = format->syntax(text);
        return syntax.count == 0 ? cel_none() : texts(call, syntax.messages, syntax.count);
    }
    if (structural_format_matches(format->known, slice_text(text))) {
        return cel_none();
    }
    if (strcmp(format->name, "uri") == 0) {
        wrong = arena_printf(call->arena, "parse \"%s\": %s", text, wrong);
    }
    return texts(call, &wrong, 1);
}

static struct cel_value named(struct cel_call *call, const struct cel_value *a)
{
    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (slice_is(a[0].text, formats[i].name)) {
            return cel_some(call->arena, cel_opaque(&format_opaque, &formats[i]));
        }
    }
    return cel_none();
}

static struct cel_value by_function(struct cel_call *call, const struct cel_value *a)
{
    (void)a;
    const char *name = call->row->name + sizeof("format.") - 1;
    size_t i = 0;
    while (strcmp(formats[i].name, name) != 0) {
        i++;
        assert(i < ARRAY_LEN(formats));
    }
    return cel_opaque(&format_opaque, &formats[i]);
}

#define CONSTANT(name)                                                                             \
    {                                                                                              \
        "format." name, "format." name, "() kubernetes.NamedFormat", by_function, CEL_COST_ONE     \
    }
static const struct cel_row rows[] = {
    {"format.named", "format-named", "(string) optional<kubernetes.NamedFormat>", named,
     CEL_COST_ONE},
    {"validate", "format-validate", "kubernetes.NamedFormat.(string) optional<list<string>>",
     validate, CEL_COST_FORMAT},
    CONSTANT("dns1123Label"),
    CONSTANT("dns1123Subdomain"),
    CONSTANT("dns1035Label"),
    CONSTANT("qualifiedName"),
    CONSTANT("dns1123LabelPrefix"),
    CONSTANT("dns1123SubdomainPrefix"),
    CONSTANT("dns1035LabelPrefix"),
    CONSTANT("labelValue"),
    CONSTANT("uri"),
    CONSTANT("uuid"),
    CONSTANT("byte"),
    CONSTANT("date"),
    CONSTANT("datetime"),
};
#undef CONSTANT
static const struct cel_constant types[] = {{"kubernetes.NamedFormat", &format_type}};

const struct cel_library api_cel_formats = {.name = "format",
                                            .rows = rows,
                                            .row_count = ARRAY_LEN(rows),
                                            .types = types,
                                            .type_count = ARRAY_LEN(types)};

struct cel_functions *api_cel_functions_new(void)
{
    static const struct cel_library *const more[] = {&api_cel_quantity, &api_cel_formats};
    return cel_functions_new_standard(more, ARRAY_LEN(more));
}
