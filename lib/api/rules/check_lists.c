/* Lists of texts, and what a star among them means. */
#include "lib/api/limits.h"
#include "lib/api/rules/rules.h"

bool rules_has(char *const *items, size_t count, const char *text)
{
    for (size_t i = 0; i < count; i++) {
        if (rules_is(items[i], text)) {
            return true;
        }
    }
    return false;
}

const char *rules_joined(struct arena *arena, struct api_syntax wrong)
{
    const char *text = "";
    for (size_t i = 0; i < wrong.count; i++) {
        text = arena_printf(arena, "%s%s%s", text, i == 0 ? "" : ",", wrong.messages[i]);
    }
    return text;
}

const char *rules_list_shown(struct arena *arena, char *const *items, size_t count)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, API_SHOWN_MAX);
    buffer_append_text(&text, "[]string{");
    for (size_t i = 0; i < count && !text.overflowed; i++) {
        buffer_append_text(&text, i == 0 ? "" : ", ");
        api_print_quoted(text_or_empty(items[i]), &text);
    }
    buffer_append_text(&text, "}");
    return arena_text_n(arena, buffer_text(&text), text.len);
}

void rules_star_alone(struct api_causes *causes, const struct api_path *parent, const char *name,
                      char *const *items, size_t count, const char *what)
{
    if (count > 1 && rules_has(items, count, "*")) {
        rules_invalid(
            causes, parent, name, api_shown_raw(rules_list_shown(causes->arena, items, count)),
            arena_printf(causes->arena, "if '*' is present, must not specify other %s", what));
    }
}
