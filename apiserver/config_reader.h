/* Reading configuration files in the form of Kubernetes objects (YAML or JSON): typed members of
 * maps, with messages that say where something is wrong. What no reader asks for is refused, never
 * left out: a mistyped name must not make a rule wider. Pure; one thread.
 *
 * The first mistake sticks: later calls change nothing and give empty values, so that a caller
 * checks `status` once, at the end. `where` is the path of `object`, such as "rules[2]"; "" at the
 * top. An absent member and null are the same. */
#ifndef APISERVER_CONFIG_READER_H
#define APISERVER_CONFIG_READER_H
#include "apiserver/authn_options.h"
#include "lib/api/json_value.h"
#include "lib/base/arena.h"
#include "lib/base/error.h"

struct config_reader {
    struct arena *arena; /* Everything that is read lives there. */
    struct error *reterr;
    int status; /* 0, or -EINVAL; then *reterr is set. */
};

struct config_list {
    struct json_value *const *items;
    size_t count;
};

/* The document, of that kind and one of the versions (NULL-terminated); NULL on failure. At most
 * `size_max` bytes as JSON. */
const struct json_value *config_open(struct config_reader *reader, struct slice text,
                                     size_t size_max, const char *kind,
                                     const char *const *api_versions);
/* What a webhook says: the `status` of a review of that kind and version; NULL on failure. JSON
 * alone; what nobody asks for is left out. */
const struct json_value *config_review_status(struct config_reader *reader, struct slice json,
                                              const char *kind, const char *api_version);
/* Fails when `object` has a member that is not among `names` (NULL-terminated). */
void config_check_names(struct config_reader *reader, const struct json_value *object,
                        const char *where, const char *const *names);
/* "" when absent. */
const char *config_text(struct config_reader *reader, const struct json_value *object,
                        const char *where, const char *name);
struct text_list config_texts(struct config_reader *reader, const struct json_value *object,
                              const char *where, const char *name);
bool config_bool(struct config_reader *reader, const struct json_value *object, const char *where,
                 const char *name, bool fallback);
/* A map, or NULL. */
const struct json_value *config_map(struct config_reader *reader, const struct json_value *object,
                                    const char *where, const char *name);
/* A list of maps. */
struct config_list config_maps(struct config_reader *reader, const struct json_value *object,
                               const char *where, const char *name);
/* "where.name[index]" in the arena. */
const char *config_item_path(struct config_reader *reader, const char *where, const char *name,
                             size_t index);
void config_fail(struct config_reader *reader, const char *format, ...) PRINTF_LIKE(2, 3);
#endif
