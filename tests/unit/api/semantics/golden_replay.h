/* What the replay of a recorded case and its comparison share: the state, the request, the outcome.
 */
#ifndef TESTS_UNIT_API_SEMANTICS_GOLDEN_REPLAY_H
#define TESTS_UNIT_API_SEMANTICS_GOLDEN_REPLAY_H
#include "lib/api/status.h"
#include "lib/api/strategy.h"
#include "tests/unit/api/semantics/golden.h"

enum { STORED_MAX = 64, NOW_S = 1900000000 };

struct stored {
    const char *path;
    const struct api_kind *kind;
    void *message;
};

struct replay {
    struct arena *arena;
    const char *name;
    struct stored stored[STORED_MAX];
    size_t stored_count;
    const char *why;
};

struct request {
    const struct api_kind *kind;
    const char *path; /* Of the object, without subresource and query. */
    const char *namespace_name, *object_name, *subresource;
    const char *manager;
    bool force, dry_run, applied;
};

struct outcome {
    int status;
    struct api_causes causes;
    void *message;
};

/* golden_replay.c: a member's text, or ""; an object that earlier steps left, or NULL; JSON. */
const char *golden_text(const struct json_value *object, const char *name);
struct stored *golden_find(struct replay *replay, const struct request *request, const char *name);
struct slice golden_print(struct arena *arena, const struct json_value *value);

/* golden_expect.c: whether what came out is what was recorded; says why not in replay->why. */
bool golden_status_is(const struct json_value *expect, int status);
bool golden_causes_match(struct replay *replay, const struct json_value *body,
                         const struct api_causes *causes);
bool golden_object_matches(struct replay *replay, const struct request *request,
                           const struct json_value *step, const struct json_value *body,
                           void *message);
bool golden_table_matches(struct replay *replay, const struct request *request,
                          const struct json_value *table);
#endif
