/* Field selectors: which fields a kind can be selected by is a row of its table (kinds.h); the
 * value is found by walking the message tables along the path. */
#include "lib/api/codec.h"
#include "lib/api/custom.h"
#include "lib/api/kinds.h"
#include "lib/api/limits_semantics.h"
#include "lib/api/selector.h"
#include <errno.h>

/* Reads up to an unescaped `stop` character; false for a bad escape. */
static bool read_part(struct arena *arena, const char **at, const char *end, const char *stops,
                      const char **ret_part)
{
    char *part = arena_alloc(arena, (size_t)(end - *at) + 1);
    size_t len = 0;
    while (*at < end && strchr(stops, **at) == NULL) {
        if (**at == '\\') {
            (*at)++;
            if (*at == end || strchr("\\,=", **at) == NULL) {
                return false;
            }
        }
        part[len++] = *(*at)++;
    }
    part[len] = '\0';
    *ret_part = part;
    return true;
}

static bool selectable(const struct api_kind *kind, const char *field)
{
    if (strcmp(field, "metadata.name") == 0 || strcmp(field, "metadata.namespace") == 0) {
        return true;
    }
    for (const char *const *path = kind->selectable; path != NULL && *path != NULL; path++) {
        if (strcmp(*path, field) == 0) {
            return true;
        }
    }
    return false;
}

static int refuse_field(const struct api_kind *kind, const char *field, struct error *reterr)
{
    bool plain = true;
    for (const char *const *path = kind->selectable; path != NULL && *path != NULL; path++) {
        plain = plain && strncmp(*path, "metadata.", strlen("metadata.")) == 0;
    }
    if (plain) {
        return error_set(reterr, -EINVAL,
                         "\"%s\" is not a known field selector: only \"metadata.name\", "
                         "\"metadata.namespace\"",
                         field);
    }
    return error_set(reterr, -EINVAL, "field label not supported: %s", field);
}

static int parse_term(struct arena *arena, const struct api_kind *kind, const char **at,
                      const char *end, struct api_field_requirement *ret_requirement,
                      struct error *reterr)
{
    struct api_field_requirement requirement = {.negated = false};
    const char *start = *at;
    if (!read_part(arena, at, end, "=!,", &requirement.field) || *at == end || **at == ',') {
        return error_set(reterr, -EINVAL, "invalid selector: '%.*s'; can't understand '%.*s'",
                         (int)(end - start), start, (int)(*at - start), start);
    }
    requirement.negated = **at == '!';
    (*at)++;
    bool second = *at < end && **at == '=';
    if (requirement.negated && !second) {
        return error_set(reterr, -EINVAL, "invalid selector: '%.*s'; can't understand '%.*s'",
                         (int)(end - start), start, (int)(*at - start), start);
    }
    *at += second ? 1 : 0;
    if (!read_part(arena, at, end, ",=", &requirement.value) || (*at < end && **at == '=')) {
        return error_set(reterr, -EINVAL,
                         "invalid field selector: unescaped or bad character in "
                         "the value");
    }
    if (kind != NULL && !selectable(kind, requirement.field)) {
        return refuse_field(kind, requirement.field, reterr);
    }
    *ret_requirement = requirement;
    return 0;
}

int api_field_selector_parse(struct arena *arena, const struct api_kind *kind, struct slice text,
                             struct api_field_selector *ret_selector, struct error *reterr)
{
    struct api_field_requirement requirements[API_SELECTOR_REQUIREMENTS_MAX];
    size_t count = 0;
    if (text.len == 0) {
        *ret_selector = (struct api_field_selector){.count = 0};
        return 0;
    }
    if (text.len > API_SELECTOR_TEXT_MAX || memchr(text.data, '\0', text.len) != NULL) {
        return error_set(reterr, -EINVAL, "field selector is too long or has a zero byte");
    }
    const char *at = (const char *)text.data, *end = at + text.len;
    while (at < end) {
        if (*at == ',') { /* Empty terms are skipped. */
            at++;
            continue;
        }
        if (count == API_SELECTOR_REQUIREMENTS_MAX) {
            return error_set(reterr, -EINVAL, "more than %d terms in a field selector",
                             API_SELECTOR_REQUIREMENTS_MAX);
        }
        int result = parse_term(arena, kind, &at, end, &requirements[count], reterr);
        if (result != 0) {
            return result;
        }
        count++;
    }
    struct api_field_requirement *kept = arena_array(arena, count, sizeof(*kept));
    if (count > 0) {
        memcpy(kept, requirements, count * sizeof(*kept));
    }
    *ret_selector = (struct api_field_selector){.requirements = kept, .count = count};
    return 0;
}

/* The text of a scalar at a dotted path; "" for zero and absent strings and numbers. */
static const char *value_at(struct arena *arena, const struct api_message *message,
                            const void *object, const char *path)
{
    for (;;) {
        size_t len = strcspn(path, ".");
        const struct api_member *member = api_message_member(message, slice_of(path, len));
        const void *holder = member == NULL ? NULL : api_member_holder(member, object);
        if (holder == NULL || member->field->label != API_SINGLE) {
            return "";
        }
        const void *at = api_field_at(member->field, holder);
        if (path[len] == '\0') {
            switch (member->field->type) {
            case API_STRING: {
                const char *const *text = at;
                return *text == NULL ? "" : *text;
            }
            case API_BOOL: {
                const int *flag = at;
                return *flag != 0 ? "true" : "false";
            }
            case API_INT32: {
                const int32_t *number = at;
                return arena_printf(arena, "%d", *number);
            }
            default:
                return "";
            }
        }
        const void *const *inner = at;
        if (member->field->type != API_OBJECT || *inner == NULL) {
            /* An absent struct reads as zero: only a boolean shows it. */
            return strcmp(path + len, ".unschedulable") == 0 ? "false" : "";
        }
        object = *inner;
        message = member->field->message;
        path += len + 1;
    }
}

static const char *field_value(struct arena *arena, const struct api_kind *kind,
                               const void *message, const char *field)
{
    const struct api_message *table = kind->message;
    if (custom_of(kind) != NULL && strncmp(field, "metadata.", strlen("metadata.")) != 0) {
        return custom_field_text(message, field);
    }
    if (strcmp(field, "source") == 0) { /* Event: source.component, else the reporter. */
        const char *component = value_at(arena, table, message, "source.component");
        return *component != '\0' ? component
                                  : value_at(arena, table, message, "reportingComponent");
    }
    if (strcmp(field, "spec.host") == 0) { /* Pod: the old name of spec.nodeName. */
        return value_at(arena, table, message, "spec.nodeName");
    }
    if (strcmp(field, "metadata.namespace") == 0 && !kind->namespaced) {
        return "";
    }
    return value_at(arena, table, message, field);
}

bool api_field_selector_matches(struct arena *arena, const struct api_kind *kind,
                                const struct api_field_selector *selector, const void *message)
{
    for (size_t i = 0; i < selector->count; i++) {
        const struct api_field_requirement *requirement = &selector->requirements[i];
        const char *value = field_value(arena, kind, message, requirement->field);
        if ((strcmp(value, requirement->value) == 0) == requirement->negated) {
            return false;
        }
    }
    return true;
}

const char *api_field_selector_pinned(const struct api_field_selector *selector, const char *field)
{
    for (size_t i = 0; i < selector->count; i++) {
        const struct api_field_requirement *requirement = &selector->requirements[i];
        if (!requirement->negated && strcmp(requirement->field, field) == 0) {
            return requirement->value;
        }
    }
    return NULL;
}
