#include "lib/api/custom_field_path.h"

#include "lib/base/buffer.h"
#include <errno.h>

struct walk {
    struct arena *arena;
    bool brackets; /* Names may stand in brackets. */
    struct slice first;
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

static int step(struct walk *walk, struct slice name, struct error *reterr)
{
    const struct structural *schema = walk->schema;
    bool named = schema != NULL && schema->property_count > 0;
    if (walk->out.len == 0) {
        walk->first = name;
    }
    if (named) {
        walk->schema = structural_property(schema, name);
        buffer_printf(&walk->out, "%s%.*s", walk->out.len == 0 ? "" : ".", (int)name.len,
                      (const char *)name.data);
    } else if (schema != NULL) {
        walk->schema = schema->additional;
        buffer_printf(&walk->out, "[%.*s]", (int)name.len, (const char *)name.data);
    }
    if (schema == NULL || (named ? walk->schema == NULL : !schema->has_additional)) {
        return error_set(reterr, -EINVAL, "does not refer to a valid field");
    }
    return 0;
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

/* The name in brackets that stands behind `[`. */
static int bracketed(struct walk *walk, const char **at, struct slice *ret_name,
                     struct error *reterr)
{
    if (!walk->brackets) {
        return error_set(reterr, -EINVAL, "array notation is not allowed");
    }
    if (!unquoted(walk->arena, next_token(at), ret_name)) {
        return error_set(reterr, -EINVAL, "expected single quoted string");
    }
    return slice_is(next_token(at), "]") ? 0 : error_set(reterr, -EINVAL, "expected ]");
}

static int follow(struct walk *walk, const char *text, struct error *reterr)
{
    while (*text != '\0') {
        struct slice token = next_token(&text), name = {0};
        int ret = 0;
        if (slice_is(token, ".")) {
            name = next_token(&text);
        } else if (slice_is(token, "[")) {
            ret = bracketed(walk, &text, &name, reterr);
        } else {
            ret = error_set(reterr, -EINVAL, "expected [ or . but got: %.*s", (int)token.len,
                            (const char *)token.data);
        }
        if (ret == 0 && name.len == 0) {
            ret = error_set(reterr, -EINVAL, "unexpected end of JSON path");
        }
        ret = ret < 0 ? ret : step(walk, name, reterr);
        if (ret < 0) {
            return ret;
        }
    }
    return 0;
}

static int find(struct walk *walk, const char *text, struct custom_field *ret_field,
                struct error *reterr)
{
    buffer_init(&walk->out, SIZE_MAX / 2);
    int ret = follow(walk, text, reterr);
    if (ret == 0) {
        *ret_field = (struct custom_field){.path = arena_text(walk->arena, buffer_text(&walk->out)),
                                           .first = walk->first,
                                           .schema = walk->schema};
    }
    buffer_release(&walk->out);
    return ret;
}

int custom_field_find(struct arena *arena, const struct structural *schema, const char *text,
                      struct custom_field *ret_field, struct error *reterr)
{
    struct walk walk = {.arena = arena, .schema = schema};
    return find(&walk, text, ret_field, reterr);
}

int custom_field_path(struct arena *arena, const struct structural *schema, const char *text,
                      const char **ret_path)
{
    CLEANUP(error_release) struct error error = {0};
    struct walk walk = {.arena = arena, .schema = schema, .brackets = true};
    struct custom_field field;
    int ret = find(&walk, text, &field, &error);
    if (ret == 0) {
        *ret_path = field.path;
    }
    return ret;
}
