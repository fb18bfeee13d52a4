/* Every limit of lib/cel. */
#ifndef LIB_CEL_LIMITS_H
#define LIB_CEL_LIMITS_H
enum {
    CEL_TEXT_MAX = 100000,             /* Code points of an expression: cel-go has the same. */
    CEL_NESTING_MAX = 250,             /* Grammar rules inside each other: cel-go has the same. */
    CEL_DEPTH_MAX = 1000,              /* Levels of the tree, macros expanded. */
    CEL_NODES_MAX = 200000,            /* Nodes of the tree, macros expanded. */
    CEL_ARGUMENTS_MAX = 100000,        /* Items of one literal or call. */
    CEL_ERRORS_MAX = 100,              /* Problems reported per expression. */
    CEL_DOTTED_MAX = 16,               /* Parts of a name with dots. */
    CEL_TYPE_DEPTH_MAX = 64,           /* Lists of lists of lists ... */
    CEL_VALUE_DEPTH_MAX = 1000,        /* Nesting of values that are compared or traversed. */
    CEL_MEMORY_MAX = 64 * 1024 * 1024, /* Bytes that one evaluation may make. */
    CEL_REGEX_PROGRAM_MAX = 20000,     /* Instructions of a compiled pattern. */
    CEL_REGEX_REPEAT_MAX = 1000,       /* {n,m}: RE2 has the same. */
    CEL_REGEX_DEPTH_MAX = 250,         /* Groups inside each other. */
    CEL_FORMAT_PRECISION_MAX = 100,    /* %.Nf */
};
#endif
