/* Warning headers (RFC 7234, 5.5) with the limits of v1.32. Pure. */
#ifndef APISERVER_WARNINGS_H
#define APISERVER_WARNINGS_H
#include "lib/base/arena.h"

/* The values of the headers for these texts, in the arena: `299 - "..."`. What is no valid UTF-8 or
 * has control characters is left out; when all are more than 4096 characters, each is cut at 256,
 * and those after the one that was too much come until there are 4096 again.
 * `ret_values` has room for `count`. Returns how many there are. */
size_t warning_values(struct arena *arena, const char *const *texts, size_t count,
                      const char **ret_values);

/* What decoding found wrong, as the texts to warn with: of YAML each line says one thing. At most
 * `max`; returns how many there are. */
size_t warning_texts(struct arena *arena, const char *problem, const char **ret_texts, size_t max);
#endif
