/* What an etcd v3 key space must do, written down a second time and as simply as possible: the
 * whole history of a few keys in arrays. Commands go in, in the order of the log; what each must
 * answer comes out as a digest, and any past state can be asked for. Shares no code with store/ but
 * the structs of requests. Pure. */
#ifndef TESTS_SIM_KV_MODEL_H
#define TESTS_SIM_KV_MODEL_H
#include "store/command.h"
#include <stdbool.h>
#include <stdint.h>

enum {
    MODEL_KEYS_MAX = 64, /* "k00", "k01" ... */
    MODEL_INDEX_MAX = 16384,
};

/* Values are "v" and 16 hexadecimal digits, unique, then padding that follows from them. */
enum { MODEL_VALUE_MIN = 17, MODEL_VALUE_MAX = 16384 };

struct model_version {
    int64_t mod, create, version, lease; /* version 0: a deletion. */
    uint64_t value;
    uint32_t value_len;
};

struct model_key {
    struct model_version *versions; /* All there ever were. */
    size_t count, capacity;
};

struct model_event {
    int64_t revision;
    uint32_t key, version; /* Index into its versions; the one before is what it replaced. */
};

struct model_lease {
    int64_t id, ttl_s;
    uint64_t granted_at, removed_at; /* Log indexes; removed_at 0: it lives. */
    bool expired;                    /* Removed by an expiry. */
};

struct kv_model {
    size_t key_count;
    struct model_key keys[MODEL_KEYS_MAX];
    struct model_event *events; /* By revision, then order of change. */
    size_t event_count, event_capacity;
    struct model_lease *leases;
    size_t lease_count, lease_capacity;
    int64_t revision, compact_revision;
    uint64_t index; /* Of the last command applied. */
    int64_t revision_at[MODEL_INDEX_MAX], compact_at[MODEL_INDEX_MAX];
};

void kv_model_init(struct kv_model *model, size_t key_count);
void kv_model_release(struct kv_model *model);

/* kv_digest.c. Text of a key or value, in a buffer that is large enough; returns it. */
struct slice model_key_text(size_t key, char *buffer);
struct slice model_value_text(uint64_t value, size_t len, char *buffer);
/* The number in a key or value, or -1 when these bytes are not one of ours. */
int64_t model_key_number(struct slice key);
int64_t model_value_number(struct slice value);
bool model_in_range(size_t key, struct slice start, struct slice end);

/* A digest of anything, in order. */
struct digest {
    uint64_t value;
};
void digest_add(struct digest *digest, uint64_t number);
void digest_version(struct digest *digest, size_t key, const struct model_version *version);
/* The same of what the store has; 0 and NULL alike. False when it holds bytes that are not ours. */
bool digest_kv(struct digest *digest, const struct store_kv *kv);
uint64_t model_txn_digest(const struct store_txn *txn);              /* Of a request. */
uint64_t store_result_digest(const struct store_txn_result *result); /* Of an answer. */
uint64_t store_range_digest(const struct store_range_result *result);

struct model_applied {
    bool known; /* Not a command of this model: nothing is known of its answer. */
    int status;
    bool changed;     /* Something is different now. */
    uint64_t result;  /* Digest of the transaction's answer. */
    bool succeeded;   /* The transaction's compares held. */
    int64_t revision; /* After it. */
    const struct model_lease *lease;
};

/* Applies a command as entry `index` of `term`. */
void kv_model_apply(struct kv_model *model, uint64_t index, uint64_t term,
                    const struct store_command *command, struct model_applied *ret_applied);
/* Entry `index` changes nothing. */
void kv_model_skip(struct kv_model *model, uint64_t index);
/* What would a transaction that only reads answer as of log index `index`: a status, or 0. */
int kv_model_read(const struct kv_model *model, uint64_t index, const struct store_txn *txn,
                  uint64_t *ret_digest);
/* The digest of one range at revision `at` (0: the newest) of a state at `revision`. */
int kv_model_range(const struct kv_model *model, const struct store_range *range, int64_t revision,
                   int64_t compact_revision, uint64_t *ret_digest);
/* The newest version of a key at or below `revision`, or NULL; may be a deletion. */
const struct model_version *kv_model_at(const struct kv_model *model, size_t key, int64_t revision);
/* First event at or above `revision`: index into events, event_count when there is none. */
size_t kv_model_event_find(const struct kv_model *model, int64_t revision);
struct model_lease *kv_model_lease(const struct kv_model *model, int64_t id); /* Newest, or NULL. */
#endif
