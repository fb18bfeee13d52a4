/* Replays one recorded case against the library. */
#ifndef TESTS_UNIT_API_SEMANTICS_GOLDEN_H
#define TESTS_UNIT_API_SEMANTICS_GOLDEN_H
#include "lib/api/json_value.h"

enum golden_result { GOLDEN_PASSED, GOLDEN_FAILED, GOLDEN_OTHER };

struct golden_counts {
    int passed, failed, other;
};

/* Prints why when it fails. GOLDEN_OTHER: not a case for a library (other kinds, other requests).
 */
enum golden_result golden_replay(const char *name, const char *path);

/* Whether `actual` is what was recorded: placeholders match anything, null is absent, and so is {}
 * where it means nothing. Writes the first difference to `ret_where`. */
bool golden_matches(struct arena *arena, const struct json_value *expected,
                    const struct json_value *actual, const char *where, const char **ret_where);
/* Takes out of a recorded object what admission and allocation put in. */
void golden_strip(struct arena *arena, const char *kind, const struct json_value *body,
                  struct json_value *expected, struct json_value *actual);
#endif
