/* Configuration files: a flat YAML mapping with the flags' names, each with a scalar or a list of
 * scalars. Parsed by libyaml; no anchors, no nesting. Pure: text in, pairs out. */
#ifndef LIB_BASE_CONFIG_H
#define LIB_BASE_CONFIG_H
#include "lib/base/error.h"
#include "lib/base/slice.h"

enum { CONFIG_BYTES_MAX = 256 * 1024, CONFIG_PAIRS_MAX = 1024 };

struct config_pair {
    char *key;
    char *value;
    unsigned line; /* From 1, for messages. */
};

/* In the order of the file; a list gives one pair for each of its items. */
struct config {
    struct config_pair *pairs;
    size_t count;
};

/* -EINVAL with line and reason, -E2BIG over the limits. */
MUST_USE int config_parse(struct slice text, struct config *ret_config, struct error *reterr);
void config_release(struct config *config);
#endif
