/* Shorthand for tests of the replicated state: requests from texts, applied as raft would. */
#ifndef TESTS_UNIT_STORE_MODEL_H
#define TESTS_UNIT_STORE_MODEL_H
#include "store/limits.h"
#include "store/state.h"
#include "store/status.h"

struct model {
    struct store_state state;
    uint64_t index;
    struct store_applied last; /* Holds a reference to its result. */
};

void model_init(struct model *model);
void model_release(struct model *model);
/* Applies one command; returns its status. */
int model_txn(struct model *model, const struct store_txn *txn);
int model_ops(struct model *model, const struct store_op *ops, size_t count);
int model_put(struct model *model, const char *key, const char *value);
int model_put_lease(struct model *model, const char *key, const char *value, int64_t lease);
int model_delete(struct model *model, const char *key, const char *end);
int model_compact(struct model *model, int64_t revision);
int model_grant(struct model *model, int64_t id, int64_t ttl_s);
int model_revoke(struct model *model, int64_t id, uint64_t term);
/* "key=value@create.mod.version ..." of a range, or the status's text. */
const char *model_range(struct model *model, const struct store_range *range);
const char *model_all(struct model *model, int64_t revision);
struct slice text_end(const char *end); /* "" is one key, "*" everything from the key on. */
#endif
