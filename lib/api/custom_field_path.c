#include "lib/api/custom_field_path.h"

#include "lib/base/buffer.h"
#include <errno.h>

struct walk {
    const struct structural *schema; /* Of the value so far; NULL when nothing is known of it. */
    struct buffer out;
};

/* A dot, a bracket, a text in single quotes, or what stands up to the next of the former. Empty at
 * the end. */
static struct slice next_token(const char **at)
{
    const char *start = *at;
    size_t len = strcspn(start, ".[]");
    if (*start == '\'') {
        len = 1;
        while (start[len] != '\0' && !(start[len] == '\'' && start[len - 1] != '\\')) {
            len++;
        }
        len += start[len] == '\'';
    } else if (len == 0 && *start != '\0') {
        len = 1;
    }
    *at = start + len;
    return slice_of(start, len);
}

static bool step(struct walk *walk, struct slice name)
{
    const struct structural *schema = walk->schema;
    if (schema == NULL) {
        return false;
    }
    if (schema->property_count > 0) {
        walk->schema = structural_property(schema, name);
        buffer_printf(&walk->out, "%s%.*s", walk->out.len == 0 ? "" : ".", (int)name.len,
                      (const char *)name.data);
        return walk->schema != NULL;
    }
    walk->schema = schema->additional;
    buffer_printf(&walk->out, "[%.*s]", (int)name.len, (const char *)name.data);
    return schema->has_additional;
}

/* What stands between quotes, with its escapes resolved. */
static bool unquoted(struct arena *arena, struct slice token, struct slice *ret_name)
{
    static const char letters[] = "abfnrtv'\\", bytes[] = "\a\b\f\n\r\t\v'\\";
    if (token.len < 2 || token.data[0] != '\'' || token.data[token.len - 1] != '\'') {
        return false;
    }
    uint8_t *name = arena_alloc(arena, token.len);
    size_t len = 0;
    for (size_t i = 1; i + 1 < token.len; i++) {
        name[len] = token.data[i];
        if (token.data[i] == '\\' && i + 2 < token.len) {
            const char *letter = strchr(letters, token.data[++i]);
            if (letter == NULL || *letter == '\0') {
                return false;
            }
            name[len] = (uint8_t)bytes[letter - letters];
        }
        len++;
    }
    *ret_name = slice_of(name, len);
    return true;
}

static bool follow(struct arena *arena, struct walk *walk, const char *text)
{
    while (*text != '\0') {
        struct slice token = next_token(&text), name = token;
        if (slice_is(token, ".")) {
            name = next_token(&text);
        } else if (!slice_is(token, "[") || !unquoted(arena, next_token(&text), &name) ||
                   !slice_is(next_token(&text), "]")) {
            return false;
        }
        if (name.len == 0 || !step(walk, name)) {
            return false;
        }
    }
    return true;
}

int custom_field_path(struct arena *arena, const struct structural *schema, const char *text,
                      const char **ret_path)
{
    struct walk walk = {.schema = schema};
    buffer_init(&walk.out, SIZE_MAX / 2);
    bool ok = follow(arena, &walk, text);
    if (ok) {
        *ret_path = arena_text(arena, buffer_text(&walk.out));
    }
    buffer_release(&walk.out);
    return ok ? 0 : -EINVAL;
}
