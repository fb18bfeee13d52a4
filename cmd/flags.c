#include "cmd/flags.h"

#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/base/config.h"
#include "lib/base/file.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_COLUMN = 35, HELP_WIDTH = 110, HELP_BYTES_MAX = 4096 };

static bool is_named(const char *flag, const char *name, size_t len)
{
    return strlen(flag) == len && strncmp(flag, name, len) == 0;
}

static struct flag *find(const struct flag_set *set, const char *name, size_t len)
{
    for (size_t i = 0; i < set->count; i++) {
        struct flag *flag = &set->flags[i];
        if (is_named(flag->name, name, len) ||
            (flag->alias != NULL && is_named(flag->alias, name, len))) {
            return flag;
        }
    }
    return NULL;
}

/* The words of `text` from the column where `column` is now, on as many lines as it takes. */
static void print_words(const char *text, size_t column)
{
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        if (column > HELP_COLUMN && column + 1 + len > HELP_WIDTH) {
            printf("\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        }
        printf("%s%.*s", column > HELP_COLUMN ? " " : "", (int)len, text);
        column += len + (column > HELP_COLUMN ? 1 : 0);
        text += len + strspn(text + len, " ");
    }
    printf("\n");
}

static void print_flag(const struct flag *flag)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, HELP_BYTES_MAX);
    buffer_printf(&text, "%s", flag->help);
    if (flag->fallback != NULL) {
        buffer_printf(&text, " (default %s)", flag->fallback);
    }
    buffer_append_text(&text, flag->required ? " (required)" : "");
    buffer_append_text(&text, flag->list ? " (repeatable)" : "");
    if (flag->alias != NULL) {
        buffer_printf(&text, " (also --%s)", flag->alias);
    }
    CLEANUP(alloc_freep)
    char *name = flag->placeholder == NULL ? alloc_printf("--%s", flag->name)
                                           : alloc_printf("--%s %s", flag->name, flag->placeholder);
    printf("  %-*s", HELP_COLUMN - 2, name);
    if (strlen(name) + 1 > HELP_COLUMN - 2) { /* A long name has a line of its own. */
        printf("\n%*s", HELP_COLUMN, "");
    }
    print_words(buffer_text(&text), HELP_COLUMN);
}

static void print_help(const struct flag_set *set)
{
    printf("Usage: %s\n\n%s\n", set->usage, set->summary);
    if (set->count > 0) {
        printf("\nFlags:\n");
    }
    for (size_t i = 0; i < set->count; i++) {
        print_flag(&set->flags[i]);
    }
}

static const char *own(struct flag_set *set, char *text_consume)
{
    if (set->owned_count == FLAG_TEXTS_MAX) {
        free(text_consume);
        return NULL;
    }
    set->owned[set->owned_count++] = text_consume;
    return text_consume;
}

static int add_value(struct flag_set *set, struct flag *flag, const char *value,
                     struct error *reterr)
{
    if (flag->placeholder == NULL && strcmp(value, "true") != 0 && strcmp(value, "false") != 0) {
        return error_set(reterr, -EINVAL, "--%s=%s: must be true or false", flag->name, value);
    }
    if (!flag->list) {
        flag->values[0] = value;
        flag->count = 1;
        return 0;
    }
    for (const char *at = value;;) {
        const char *comma = strchr(at, ',');
        size_t len = comma == NULL ? strlen(at) : (size_t)(comma - at);
        const char *item = own(set, alloc_text_n(at, len));
        if (item == NULL || flag->count == FLAG_VALUES_MAX) {
            return error_set(reterr, -EINVAL, "--%s: too many values", flag->name);
        }
        flag->values[flag->count++] = item;
        if (comma == NULL) {
            return 0;
        }
        at = comma + 1;
    }
}

/* Its value was forgotten when what stands there is another flag. "--x=--y" says what is meant. */
static bool is_flag(const struct flag_set *set, const char *word)
{
    return strncmp(word, "--", 2) == 0 && find(set, word + 2, strcspn(word + 2, "=")) != NULL;
}

/* One word that begins with "--"; may take the next one as its value. */
static int parse_flag(struct flag_set *set, char **argv, int argc, int *at, struct error *reterr)
{
    const char *word = argv[*at] + 2;
    size_t len = strcspn(word, "=");
    const char *equals = word[len] == '=' ? word + len : NULL;
    struct flag *flag = find(set, word, len);
    if (flag == NULL) {
        return error_set(reterr, -EINVAL, "unknown flag %s; see --help", argv[*at]);
    }
    if (equals != NULL) {
        return add_value(set, flag, equals + 1, reterr);
    }
    if (flag->placeholder == NULL) {
        return add_value(set, flag, "true", reterr);
    }
    if (*at + 1 >= argc || is_flag(set, argv[*at + 1])) {
        return error_set(reterr, -EINVAL, "--%s needs a value (%s)", flag->name, flag->placeholder);
    }
    (*at)++;
    return add_value(set, flag, argv[*at], reterr);
}

/* Values of the file, for flags that the command line did not give. */
static int take_pairs(struct flag_set *set, const struct config *config, const char *path,
                      struct error *reterr)
{
    bool given[FLAGS_MAX];
    assert(set->count <= FLAGS_MAX);
    for (size_t i = 0; i < set->count; i++) {
        given[i] = set->flags[i].count > 0;
    }
    for (size_t i = 0; i < config->count; i++) {
        const struct config_pair *pair = &config->pairs[i];
        struct flag *flag = find(set, pair->key, strlen(pair->key));
        if (flag == NULL || strcmp(flag->name, "config") == 0) {
            return error_set(reterr, -EINVAL, "%s: line %u: there is no setting %s", path,
                             pair->line, pair->key);
        }
        if (given[flag - set->flags]) {
            continue;
        }
        const char *value = own(set, alloc_text(pair->value));
        int result = value == NULL ? error_set(reterr, -EINVAL, "%s: too many values", path)
                                   : add_value(set, flag, value, reterr);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

static int read_config(struct flag_set *set, const char *path, struct error *reterr)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, CONFIG_BYTES_MAX);
    CLEANUP(config_release) struct config config = {.count = 0};
    int result = file_read(path, &text, reterr);
    if (result < 0) {
        return result;
    }
    result = config_parse(buffer_slice(&text), &config, reterr);
    if (result < 0) {
        (void)error_wrap(reterr, "%s", path);
        return result;
    }
    return take_pairs(set, &config, path, reterr);
}

static int fill_in(struct flag_set *set, struct error *reterr)
{
    const struct flag *config = find(set, "config", strlen("config"));
    if (config != NULL && config->count > 0) {
        int result = read_config(set, config->values[0], reterr);
        if (result < 0) {
            return result;
        }
    }
    for (size_t i = 0; i < set->count; i++) {
        struct flag *flag = &set->flags[i];
        flag->given = flag->count > 0;
        if (flag->count == 0 && flag->required) {
            return error_set(reterr, -EINVAL, "--%s is required: %s", flag->name, flag->help);
        }
        if (flag->count == 0 && flag->fallback != NULL) {
            int result = add_value(set, flag, flag->fallback, reterr);
            if (result < 0) {
                return result;
            }
        }
    }
    return 0;
}

int flag_set_parse(struct flag_set *set, int argc, char **argv, struct error *reterr)
{
    assert(set->operands_max <= OPERANDS_MAX);
    for (int at = 0; at < argc; at++) {
        if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0) {
            print_help(set);
            set->help = true;
            return 0;
        }
        int result = 0;
        if (strncmp(argv[at], "--", 2) == 0) {
            result = parse_flag(set, argv, argc, &at, reterr);
        } else if (set->operand_count < set->operands_max) {
            set->operands[set->operand_count++] = argv[at];
        } else {
            result = error_set(reterr, -EINVAL, "unexpected argument %s; see --help", argv[at]);
        }
        if (result < 0) {
            return result;
        }
    }
    return fill_in(set, reterr);
}

void flag_set_release(struct flag_set *set)
{
    for (size_t i = 0; i < set->owned_count; i++) {
        free(set->owned[i]);
    }
    set->owned_count = 0;
}

const struct flag *flag_get(const struct flag_set *set, const char *name)
{
    const struct flag *flag = find(set, name, strlen(name));
    assert(flag != NULL);
    return flag;
}

const char *flag_text(const struct flag_set *set, const char *name)
{
    const struct flag *flag = flag_get(set, name);
    return flag->count == 0 ? NULL : flag->values[flag->count - 1];
}

bool flag_on(const struct flag_set *set, const char *name)
{
    const char *value = flag_text(set, name);
    return value != NULL && strcmp(value, "true") == 0;
}

int flag_number(const struct flag_set *set, const char *name, long min, long max, long *ret_value,
                struct error *reterr)
{
    const char *text = flag_text(set, name);
    assert(text != NULL);
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < min || value > max) {
        return error_set(reterr, -EINVAL, "--%s=%s: must be a number from %ld to %ld", name, text,
                         min, max);
    }
    *ret_value = value;
    return 0;
}

void flag_explain(const struct flag_set *set, const char *name, struct error *reterr)
{
    const struct flag *flag = flag_get(set, name);
    if (!flag->given) {
        (void)error_set(reterr, reterr->code, "%s. Give --%s %s: %s", error_message(reterr),
                        flag->name, flag->placeholder, flag->help);
    }
}

int flag_file(const struct flag_set *set, const char *name, struct arena *arena,
              const char **ret_text, struct error *reterr)
{
    const char *path = flag_text(set, name);
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, FLAG_FILE_MAX);
    *ret_text = NULL;
    int result = path == NULL ? 0 : file_read(path, &text, reterr);
    if (result == 0 && path != NULL) {
        *ret_text = arena_text(arena, buffer_text(&text));
    }
    return result < 0 ? error_wrap(reterr, "--%s", name) : 0;
}
