/* URLs of one server in one text, separated by commas, as flags and lists of members have them.
 * Pure. */
#ifndef LIB_BASE_URL_LIST_H
#define LIB_BASE_URL_LIST_H
#include "lib/base/compiler.h"
#include "lib/base/slice.h"
#include <stdbool.h>
#include <stddef.h>

enum { URL_LIST_MAX = 8 };

/* Takes the next one off the text at `*at`; false at its end. Begin with the text itself. */
bool url_list_next(const char **at, struct slice *ret_url);
size_t url_list_count(const char *list);
bool url_list_has(const char *list, const char *url);
bool url_list_overlaps(const char *list, const char *other); /* They have one in common. */
/* Writes them in order of their bytes, each once, so that the same ones always make the same text.
 * -EINVAL for none, more than URL_LIST_MAX, or one that is empty or has a comma; -ENAMETOOLONG when
 * they do not fit into `size` bytes with the zero. */
MUST_USE int url_list_join(const char *const *urls, size_t count, char *ret_list, size_t size);
#endif
