/* Regular expressions in RE2's syntax, matched in time linear in the text (times the pattern), so
 * that no pattern blows up. Pure; a compiled pattern is constant: any thread.
 * Not supported: classes of Unicode properties (\pL, \p{Greek}); (?i) folds ASCII letters only.
 * Source: github.com/google/re2 "Syntax"; R. Cox, "Regular Expression Matching: the Virtual Machine
 * Approach". */
#ifndef LIB_CEL_REGEX_H
#define LIB_CEL_REGEX_H
#include "lib/base/arena.h"
#include "lib/base/error.h"

struct cel_regex;

/* Compiles into `arena`. Returns 0, or -EINVAL with Go's wording. */
MUST_USE int cel_regex_compile(struct arena *arena, struct slice pattern,
                               const struct cel_regex **ret_regex, struct error *reterr);

struct cel_regex_match {
    size_t start, end; /* Bytes of the text. */
};
/* The leftmost match at or after byte `from`, preferring earlier alternatives as Perl does. Takes
 * heap memory in proportion to the pattern while it runs. `ret_match` may be NULL. */
bool cel_regex_find(const struct cel_regex *regex, struct slice text, size_t from,
                    struct cel_regex_match *ret_match);
#endif
