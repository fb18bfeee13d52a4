/* Field paths and field errors. */
#include "lib/api/limits.h"
#include "lib/api/status.h"
#include "lib/base/utf8.h"
#include <inttypes.h>
#include <stdlib.h>

static void print_path(const struct api_path *path, struct buffer *out)
{
    if (path == NULL) {
        return;
    }
    print_path(path->parent, out);
    if (path->name != NULL) {
        if (out->len > 0 && path->name[0] != '\0') {
            buffer_append_byte(out, '.');
        }
        buffer_append_text(out, path->name);
    } else if (path->key != NULL) {
        buffer_printf(out, "[%s]", path->key);
    } else {
        buffer_printf(out, "[%zu]", path->index);
    }
}

const char *api_path_text(struct arena *arena, const struct api_path *path)
{
    CLEANUP(buffer_release) struct buffer out = {0};
    buffer_init(&out, API_PATH_MAX);
    print_path(path, &out);
    return arena_text(arena, buffer_text(&out));
}

/* --- Causes ----------------------------------------------------------------------------------- */

void api_causes_init(struct api_causes *causes, struct arena *arena)
{
    *causes = (struct api_causes){.arena = arena};
}

/* Some causes tell what is long of each of many: what is enough for one may be told of none more.
 */
bool api_causes_full(const struct api_causes *causes)
{
    return causes->count == API_CAUSES_MAX || causes->bytes >= API_CAUSES_BYTES_MAX ||
           (causes->count > 0 && arena_is_full(causes->arena));
}

void api_cause_add(struct api_causes *causes, const char *reason, const char *message,
                   const char *field)
{
    if (api_causes_full(causes)) {
        return;
    }
    causes->bytes += strlen(message);
    if (causes->count == causes->capacity) {
        size_t capacity = causes->capacity == 0 ? 8 : causes->capacity * 2;
        struct api_cause *items = arena_array(causes->arena, capacity, sizeof(*items));
        if (causes->count > 0) {
            memcpy(items, causes->items, causes->count * sizeof(*items));
        }
        causes->items = items;
        causes->capacity = capacity;
    }
    causes->items[causes->count++] =
        (struct api_cause){.reason = arena_text(causes->arena, reason),
                           .message = arena_text(causes->arena, message),
                           .field = arena_text(causes->arena, field)};
}

void api_print_quoted(const char *text, struct buffer *out)
{
    static const char letters[] = "abtnvfr"; /* Of the bytes 7 to 13. */
    const uint8_t *at = (const uint8_t *)text, *end = at + strlen(text);

    buffer_append_byte(out, '"');
    while (at < end) {
        uint32_t rune;
        size_t len = utf8_get(at, end, &rune);
        if (rune == UTF8_REPLACEMENT && len == 1) {
            buffer_printf(out, "\\x%02x", *at);
        } else if (*at == '"' || *at == '\\') {
            buffer_printf(out, "\\%c", *at);
        } else if (*at >= 7 && *at <= 13) {
            buffer_printf(out, "\\%c", letters[*at - 7]);
        } else if (*at < 0x20 || *at == 0x7f) {
            buffer_printf(out, "\\x%02x", *at);
        } else {
            buffer_append(out, at, len);
        }
        at += len;
    }
    buffer_append_byte(out, '"');
}

static void print_shown(struct api_shown value, struct buffer *out)
{
    switch (value.type) {
    case API_SHOWN_NOTHING:
        break;
    case API_SHOWN_TEXT:
        api_print_quoted(value.text, out);
        break;
    case API_SHOWN_INT:
        buffer_printf(out, "%" PRId64, value.number);
        break;
    case API_SHOWN_BOOL:
        buffer_append_text(out, value.number != 0 ? "true" : "false");
        break;
    case API_SHOWN_NULL: /* As a text: so Go has it. */
        buffer_append_text(out, "\"null\"");
        break;
    case API_SHOWN_RAW:
        buffer_append_text(out, value.text);
        break;
    }
}

enum { MESSAGE_MAX = 64 * 1024 };

/* "<prefix>[: <value>][: <detail>]" */
static void add(struct api_causes *causes, const char *reason, const char *prefix,
                const struct api_path *path, struct api_shown value, const char *detail)
{
    CLEANUP(buffer_release) struct buffer message = {0};
    if (api_causes_full(causes)) {
        return; /* A text for each of a million items takes seconds. */
    }
    buffer_init(&message, MESSAGE_MAX);
    buffer_append_text(&message, prefix);
    if (value.type != API_SHOWN_NOTHING) {
        buffer_append_text(&message, ": ");
        print_shown(value, &message);
    }
    if (detail != NULL && detail[0] != '\0') {
        buffer_append_text(&message, ": ");
        buffer_append_text(&message, detail);
    }
    api_cause_add(causes, reason, buffer_text(&message), api_path_text(causes->arena, path));
}

struct api_shown api_shown_bytes(struct arena *arena, struct slice bytes)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, SIZE_MAX / 2);
    buffer_append_text(&text, "[]byte{");
    for (size_t i = 0; i < bytes.len; i++) {
        buffer_printf(&text, "%s0x%x", i == 0 ? "" : ", ", bytes.data[i]);
    }
    buffer_append_text(&text, "}");
    return api_shown_raw(arena_text_n(arena, buffer_text(&text), text.len));
}

void api_cause_required(struct api_causes *causes, const struct api_path *path, const char *detail)
{
    add(causes, "FieldValueRequired", "Required value", path, api_shown_nothing(), detail);
}

void api_cause_invalid(struct api_causes *causes, const struct api_path *path,
                       struct api_shown value, const char *detail)
{
    add(causes, "FieldValueInvalid", "Invalid value", path, value, detail);
}

void api_cause_type_invalid(struct api_causes *causes, const struct api_path *path,
                            struct api_shown value, const char *detail)
{
    add(causes, "FieldValueTypeInvalid", "Invalid value", path, value, detail);
}

void api_cause_duplicate(struct api_causes *causes, const struct api_path *path,
                         struct api_shown value)
{
    add(causes, "FieldValueDuplicate", "Duplicate value", path, value, NULL);
}

void api_cause_not_found(struct api_causes *causes, const struct api_path *path,
                         struct api_shown value)
{
    add(causes, "FieldValueNotFound", "Not found", path, value, NULL);
}

static int by_text(const void *a, const void *b)
{
    const char *const *left = a;
    const char *const *right = b;
    return strcmp(*left, *right);
}

void api_cause_not_supported(struct api_causes *causes, const struct api_path *path,
                             struct api_shown value, const char *const *values)
{
    const char **sorted;
    size_t count = 0;

    if (api_causes_full(causes)) {
        return;
    }
    while (values[count] != NULL) {
        count++;
    }
    sorted = arena_array(causes->arena, count + 1, sizeof(char *));
    for (size_t i = 0; i < count; i++) {
        sorted[i] = values[i];
    }
    qsort(sorted, count, sizeof(char *), by_text);
    sorted[count] = NULL;
    api_cause_not_among(causes, path, value, sorted);
}

void api_cause_not_among(struct api_causes *causes, const struct api_path *path,
                         struct api_shown value, const char *const *values)
{
    CLEANUP(buffer_release) struct buffer detail = {0};
    if (api_causes_full(causes)) {
        return;
    }
    buffer_init(&detail, MESSAGE_MAX);
    for (size_t i = 0; values[i] != NULL; i++) {
        buffer_append_text(&detail, i == 0 ? "supported values: " : ", ");
        api_print_quoted(values[i], &detail);
    }
    add(causes, "FieldValueNotSupported", "Unsupported value", path, value, buffer_text(&detail));
}

void api_cause_forbidden(struct api_causes *causes, const struct api_path *path, const char *detail)
{
    add(causes, "FieldValueForbidden", "Forbidden", path, api_shown_nothing(), detail);
}

void api_cause_too_long(struct api_causes *causes, const struct api_path *path, size_t max_bytes)
{
    add(causes, "FieldValueTooLong", "Too long", path, api_shown_nothing(),
        arena_printf(causes->arena, "may not be more than %zu bytes", max_bytes));
}

void api_cause_too_many(struct api_causes *causes, const struct api_path *path, size_t count,
                        size_t max_items)
{
    add(causes, "FieldValueTooMany", "Too many", path, api_shown_int((int64_t)count),
        arena_printf(causes->arena, "must have at most %zu items", max_items));
}

void api_cause_internal(struct api_causes *causes, const struct api_path *path, const char *text)
{
    add(causes, "InternalError", "Internal error", path, api_shown_nothing(), text);
}
