#include "lib/api/json_path.h"

#include "lib/api/limits.h"
#include <stdlib.h>

enum step_kind { STEP_MEMBER, STEP_INDEX, STEP_ALL, STEP_SLICE, STEP_FILTER, STEP_DEEP };
enum comparison { IS_THERE, EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL };

struct step {
    enum step_kind kind;
    struct slice name;   /* STEP_MEMBER, STEP_DEEP */
    int64_t from, until; /* STEP_INDEX: from; STEP_SLICE */
    bool has_until;
    const struct step *inner; /* STEP_FILTER: the path below "@". */
    size_t inner_count;
    enum comparison comparison;
    const struct json_value *operand; /* NULL for IS_THERE. */
};

struct parsing {
    struct arena *arena;
    const char *at;
    struct step steps[API_JSON_PATH_STEPS_MAX];
    size_t count;
};

/* --- Parsing -----------------------------------------------------------------------------------
 */

static struct step *add_step(struct parsing *parsing, enum step_kind kind)
{
    if (parsing->count == API_JSON_PATH_STEPS_MAX) {
        return NULL;
    }
    struct step *step = &parsing->steps[parsing->count++];
    *step = (struct step){.kind = kind};
    return step;
}

/* A name after a dot: to the next dot or bracket; a backslash takes the next byte as it is. */
static struct slice read_name(struct parsing *parsing, const char *ends)
{
    char *name = arena_alloc(parsing->arena, strlen(parsing->at) + 1);
    size_t len = 0;
    while (*parsing->at != '\0' && strchr(ends, *parsing->at) == NULL) {
        if (*parsing->at == '\\' && parsing->at[1] != '\0') {
            parsing->at++;
        }
        name[len++] = *parsing->at++;
    }
    name[len] = '\0';
    return slice_of(name, len);
}

static bool read_quoted(struct parsing *parsing, struct slice *ret_text)
{
    char quote[2] = {*parsing->at++, '\0'};
    *ret_text = read_name(parsing, quote);
    if (*parsing->at != quote[0]) {
        return false;
    }
    parsing->at++;
    return true;
}

static bool read_integer(struct parsing *parsing, int64_t *ret_value)
{
    char *end = NULL;
    *ret_value = strtoll(parsing->at, &end, 10);
    bool read = end != parsing->at;
    parsing->at = end;
    return read;
}

static void skip_spaces(struct parsing *parsing)
{
    while (*parsing->at == ' ') {
        parsing->at++;
    }
}

static enum comparison read_comparison(struct parsing *parsing)
{
    static const struct {
        const char *text;
        enum comparison comparison;
    } words[] = {{"==", EQUAL},         {"!=", NOT_EQUAL}, {"<=", LESS_EQUAL},
                 {">=", GREATER_EQUAL}, {"<", LESS},       {">", GREATER}};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        size_t len = strlen(words[i].text);
        if (strncmp(parsing->at, words[i].text, len) == 0) {
            parsing->at += len;
            return words[i].comparison;
        }
    }
    return IS_THERE;
}

static bool read_operand(struct parsing *parsing, const struct json_value **ret_value)
{
    struct slice text = {0};
    struct json_value *value = NULL;
    if (*parsing->at == '\'' || *parsing->at == '"') {
        if (!read_quoted(parsing, &text)) {
            return false;
        }
        *ret_value = json_new_string(parsing->arena, text);
        return true;
    }
    size_t len = strcspn(parsing->at, " )");
    if (json_parse(parsing->arena, slice_of(parsing->at, len), &value, NULL) < 0) {
        return false;
    }
    parsing->at += len;
    *ret_value = value;
    return true;
}

static bool read_steps(struct parsing *parsing, const char *ends);

/* `?(@.type=="Ready")`, the bracket outside. */
static bool read_filter(struct parsing *parsing)
{
    struct parsing *inner = arena_zeroed(parsing->arena, sizeof(*inner));
    inner->arena = parsing->arena;
    if (strncmp(parsing->at, "?(@", 3) != 0) {
        return false;
    }
    inner->at = parsing->at + 3;
    if (!read_steps(inner, " =!<>)")) {
        return false;
    }
    struct step *step = add_step(parsing, STEP_FILTER);
    if (step == NULL) {
        return false;
    }
    skip_spaces(inner);
    step->inner = inner->steps;
    step->inner_count = inner->count;
    step->comparison = read_comparison(inner);
    skip_spaces(inner);
    if (step->comparison != IS_THERE && !read_operand(inner, &step->operand)) {
        return false;
    }
    skip_spaces(inner);
    parsing->at = inner->at;
    return *parsing->at++ == ')';
}

static bool read_subscript(struct parsing *parsing)
{
    if (*parsing->at == '?') {
        return read_filter(parsing);
    }
    if (*parsing->at == '*') {
        parsing->at++;
        return add_step(parsing, STEP_ALL) != NULL;
    }
    if (*parsing->at == '\'' || *parsing->at == '"') {
        struct step *step = add_step(parsing, STEP_MEMBER);
        return step != NULL && read_quoted(parsing, &step->name);
    }
    struct step *step = add_step(parsing, STEP_INDEX);
    if (step == NULL || (*parsing->at != ':' && !read_integer(parsing, &step->from))) {
        return false;
    }
    if (*parsing->at == ':') {
        parsing->at++;
        step->kind = STEP_SLICE;
        step->has_until = *parsing->at != ']';
        return !step->has_until || read_integer(parsing, &step->until);
    }
    return true;
}

static bool read_steps(struct parsing *parsing, const char *ends)
{
    const char *name_ends = arena_printf(parsing->arena, ".[%s", ends);
    while (*parsing->at != '\0' && strchr(ends, *parsing->at) == NULL) {
        if (*parsing->at == '[') {
            parsing->at++;
            if (!read_subscript(parsing) || *parsing->at++ != ']') {
                return false;
            }
            continue;
        }
        if (*parsing->at != '.' && parsing->count > 0) {
            return false;
        }
        parsing->at += *parsing->at == '.' ? 1 : 0;
        bool deep = *parsing->at == '.';
        parsing->at += deep ? 1 : 0;
        if (*parsing->at == '[') {
            continue;
        }
        struct step *step = add_step(parsing, deep ? STEP_DEEP : STEP_MEMBER);
        if (step == NULL) {
            return false;
        }
        step->name = read_name(parsing, name_ends);
        if (slice_is(step->name, "*") && !deep) {
            step->kind = STEP_ALL;
        }
        if (step->name.len == 0) {
            return false;
        }
    }
    return true;
}

static bool parse(struct parsing *parsing, struct arena *arena, const char *path)
{
    *parsing = (struct parsing){.arena = arena, .at = path};
    return strlen(path) <= API_JSON_PATH_TEXT_MAX && read_steps(parsing, "");
}

/* --- Finding -----------------------------------------------------------------------------------
 */

static const struct json_value *first(const struct json_value *value, const struct step *steps,
                                      size_t count, unsigned depth);

static bool holds(const struct step *step, const struct json_value *item, unsigned depth)
{
    const struct json_value *value = first(item, step->inner, step->inner_count, depth);
    double left = 0, right = 0;
    if (value == NULL || step->comparison == IS_THERE) {
        return value != NULL;
    }
    int order = 0;
    if (value->type == JSON_NUMBER && json_double(value, &left) == 0 &&
        json_double(step->operand, &right) == 0) {
        order = left < right ? -1 : left > right;
    } else if (value->type == JSON_STRING && step->operand->type == JSON_STRING) {
        order = slice_compare(value->text, step->operand->text);
    } else {
        order = json_equal(value, step->operand) ? 0 : 2;
    }
    switch (step->comparison) {
    case EQUAL:
        return order == 0;
    case NOT_EQUAL:
        return order != 0;
    case LESS:
        return order < 0;
    case LESS_EQUAL:
        return order <= 0;
    case GREATER:
        return order == 1;
    case GREATER_EQUAL:
        return order == 0 || order == 1;
    case IS_THERE:
        break;
    }
    return true;
}

static const struct json_value *first_item(const struct json_value *list, const struct step *steps,
                                           size_t count, unsigned depth)
{
    int64_t size = (int64_t)list->count;
    int64_t from = steps->from < 0 ? steps->from + size : steps->from;
    int64_t until = steps->kind == STEP_INDEX ? from + 1
                    : !steps->has_until       ? size
                    : steps->until < 0        ? steps->until + size
                                              : steps->until;
    for (int64_t i = from < 0 ? 0 : from; i < until && i < size; i++) {
        const struct json_value *found = first(list->items[i], steps + 1, count - 1, depth);
        if (found != NULL && from >= 0) {
            return found;
        }
    }
    return NULL;
}

/* Each member or item in turn, that the step lets through. */
static const struct json_value *first_of_all(const struct json_value *value,
                                             const struct step *steps, size_t count, unsigned depth)
{
    const struct json_value *found = NULL;
    for (size_t i = 0; found == NULL && i < value->count; i++) {
        const struct json_value *each =
            value->type == JSON_ARRAY ? value->items[i] : value->members[i].value;
        if (steps->kind == STEP_DEEP) {
            found = first(each, steps, count, depth);
        } else if (steps->kind == STEP_ALL || holds(steps, each, depth)) {
            found = first(each, steps + 1, count - 1, depth);
        }
    }
    return found;
}

static const struct json_value *first(const struct json_value *value, const struct step *steps,
                                      size_t count, unsigned depth)
{
    if (count == 0 || depth > API_DEPTH_MAX) {
        return count == 0 ? value : NULL;
    }
    const struct json_value *member =
        value->type == JSON_OBJECT ? json_get(value, steps->name) : NULL;
    bool holder = value->type == JSON_OBJECT || value->type == JSON_ARRAY;
    switch (steps->kind) {
    case STEP_MEMBER:
        return member == NULL ? NULL : first(member, steps + 1, count - 1, depth + 1);
    case STEP_DEEP:
        member = member == NULL ? NULL : first(member, steps + 1, count - 1, depth + 1);
        return member != NULL || !holder ? member : first_of_all(value, steps, count, depth + 1);
    case STEP_INDEX:
    case STEP_SLICE:
        return value->type == JSON_ARRAY ? first_item(value, steps, count, depth + 1) : NULL;
    case STEP_ALL:
    case STEP_FILTER:
        break;
    }
    return holder ? first_of_all(value, steps, count, depth + 1) : NULL;
}

const struct json_value *json_path_first(struct arena *arena, const struct json_value *root,
                                         const char *path)
{
    struct parsing parsing;
    return parse(&parsing, arena, path) ? first(root, parsing.steps, parsing.count, 0) : NULL;
}
