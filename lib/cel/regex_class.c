/* Sets of characters, as ranges. */
#include "lib/cel/regex_class.h"

void regex_class_add(struct regex_class *class, uint32_t first, uint32_t last)
{
    if (class->count == class->capacity) {
        size_t capacity = class->capacity * 2 + 8;
        struct cel_regex_range *ranges = arena_array(class->arena, capacity, sizeof(*ranges));
        for (size_t i = 0; i < class->count; i++) {
            ranges[i] = class->ranges[i];
        }
        class->ranges = ranges;
        class->capacity = capacity;
    }
    class->ranges[class->count++] = (struct cel_regex_range){first, last};
}

void regex_class_add_folded(struct regex_class *class, uint32_t first, uint32_t last)
{
    regex_class_add(class, first, last);
    if (!class->fold) {
        return;
    }
    for (uint32_t lower = 'a'; lower <= 'z'; lower++) {
        uint32_t upper = lower - 'a' + 'A';
        if (lower >= first && lower <= last) {
            regex_class_add(class, upper, upper);
        }
        if (upper >= first && upper <= last) {
            regex_class_add(class, lower, lower);
        }
    }
}

void regex_class_negate(struct regex_class *class)
{
    struct regex_class out = {.arena = class->arena, .fold = class->fold};
    uint32_t next = 0;
    for (size_t i = 1; i < class->count; i++) {
        for (size_t j = i; j > 0 && class->ranges[j - 1].first > class->ranges[j].first; j--) {
            struct cel_regex_range swap = class->ranges[j];
            class->ranges[j] = class->ranges[j - 1];
            class->ranges[j - 1] = swap;
        }
    }
    for (size_t i = 0; i < class->count; i++) {
        if (class->ranges[i].first > next) {
            regex_class_add(&out, next, class->ranges[i].first - 1);
        }
        if (class->ranges[i].last + 1 > next) {
            next = class->ranges[i].last + 1;
        }
    }
    if (next <= REGEX_RUNE_MAX) {
        regex_class_add(&out, next, REGEX_RUNE_MAX);
    }
    *class = out;
}

struct named_class {
    const char *name;
    const char *ranges; /* Pairs of ASCII characters. */
};

static const struct named_class perl_classes[] = {
    {"d", "09"}, {"s", "\t\n\f\r  "}, {"w", "09AZaz__"}};

static const struct named_class posix_classes[] = {{"alnum", "09AZaz"},
                                                   {"alpha", "AZaz"},
                                                   {"ascii", "\1\x7f"},
                                                   {"blank", "\t\t  "},
                                                   {"cntrl", "\1\x1f\x7f\x7f"},
                                                   {"digit", "09"},
                                                   {"graph", "!~"},
                                                   {"lower", "az"},
                                                   {"print", " ~"},
                                                   {"punct", "!/:@[`{~"},
                                                   {"space", "\t\r  "},
                                                   {"upper", "AZ"},
                                                   {"word", "09AZaz__"},
                                                   {"xdigit", "09AFaf"}};

static void add_named(struct regex_class *class, const struct named_class *named, bool negated)
{
    struct regex_class part = {.arena = class->arena, .fold = class->fold};
    for (const char *at = named->ranges; *at != '\0'; at += 2) {
        regex_class_add_folded(&part, (uint8_t)at[0], (uint8_t)at[1]);
    }
    if (strcmp(named->name, "ascii") == 0 || strcmp(named->name, "cntrl") == 0) {
        regex_class_add(&part, 0, 0);
    }
    if (negated) {
        regex_class_negate(&part);
    }
    for (size_t i = 0; i < part.count; i++) {
        regex_class_add(class, part.ranges[i].first, part.ranges[i].last);
    }
}

bool regex_class_add_perl(struct regex_class *class, uint8_t letter)
{
    for (size_t i = 0; i < ARRAY_LEN(perl_classes); i++) {
        uint8_t lower = (uint8_t)perl_classes[i].name[0];
        if (letter == lower || letter == lower - 'a' + 'A') {
            add_named(class, &perl_classes[i], letter != lower);
            return true;
        }
    }
    return false;
}

bool regex_class_add_posix(struct regex_class *class, struct slice name, bool negated)
{
    for (size_t i = 0; i < ARRAY_LEN(posix_classes); i++) {
        if (slice_is(name, posix_classes[i].name)) {
            add_named(class, &posix_classes[i], negated);
            return true;
        }
    }
    return false;
}
