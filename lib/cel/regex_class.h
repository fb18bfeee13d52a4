/* A set of characters while a regular expression's parser puts it together; internal. Its ranges
 * live in the arena and may overlap, in any order, until it is negated. */
#ifndef LIB_CEL_REGEX_CLASS_H
#define LIB_CEL_REGEX_CLASS_H
#include "lib/cel/regex_program.h"

enum { REGEX_RUNE_MAX = 0x10ffff };

struct regex_class {
    struct arena *arena;
    bool fold; /* (?i) */
    struct cel_regex_range *ranges;
    size_t count, capacity;
};

void regex_class_add(struct regex_class *class, uint32_t first, uint32_t last);
/* With (?i), a range of ASCII letters stands for both cases. */
void regex_class_add_folded(struct regex_class *class, uint32_t first, uint32_t last);
/* The letter of \d, \S and the like. False when it names no class. */
bool regex_class_add_perl(struct regex_class *class, uint8_t letter);
/* The name in [:alpha:]. False when it names no class. */
bool regex_class_add_posix(struct regex_class *class, struct slice name, bool negated);
/* Sorts and merges, then takes the complement. */
void regex_class_negate(struct regex_class *class);
#endif
