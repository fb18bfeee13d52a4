/* The parts of a regular expression between its parser, its compiler and its matcher; internal. */
#ifndef LIB_CEL_REGEX_PROGRAM_H
#define LIB_CEL_REGEX_PROGRAM_H
#include "lib/cel/regex.h"

struct cel_regex_range {
    uint32_t first, last;
};

/* Positions that take no character. */
enum cel_regex_place {
    CEL_REGEX_TEXT_START,
    CEL_REGEX_TEXT_END,
    CEL_REGEX_LINE_START,
    CEL_REGEX_LINE_END,
    CEL_REGEX_WORD_EDGE,
    CEL_REGEX_NO_WORD_EDGE,
};

enum cel_regex_kind {
    CEL_REGEX_EMPTY,
    CEL_REGEX_CLASS, /* One character of `ranges`. */
    CEL_REGEX_PLACE,
    CEL_REGEX_THEN,   /* left, right */
    CEL_REGEX_EITHER, /* left or right */
    CEL_REGEX_REPEAT, /* left, min to max times */
};

enum { CEL_REGEX_NO_MAX = -1 };

struct cel_regex_node {
    enum cel_regex_kind kind;
    enum cel_regex_place place;
    const struct cel_regex_range *ranges;
    size_t range_count;
    const struct cel_regex_node *left, *right;
    int min, max;
    bool lazy;
};

/* The tree of a pattern. Returns 0 or -EINVAL. */
MUST_USE int cel_regex_parse(struct arena *arena, struct slice pattern,
                             const struct cel_regex_node **ret_root, struct error *reterr);

enum cel_regex_op {
    CEL_REGEX_OP_CLASS, /* Takes a character, goes on at the next instruction. */
    CEL_REGEX_OP_PLACE,
    CEL_REGEX_OP_SPLIT, /* Tries x, then y. */
    CEL_REGEX_OP_JUMP,  /* x */
    CEL_REGEX_OP_MATCH,
};

struct cel_regex_step {
    enum cel_regex_op op;
    enum cel_regex_place place;
    uint32_t x, y;
    const struct cel_regex_range *ranges;
    size_t range_count;
};

struct cel_regex {
    const struct cel_regex_step *steps;
    size_t count;
};
#endif
