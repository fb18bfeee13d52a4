/* What a client asks of the key space and what it gets back, with etcd v3 semantics
 * (etcd API reference, KV service). Requests are plain structs of borrowed slices; results are
 * immutable and atomically refcounted. Pure.
 *
 * Ranges everywhere: an empty `end` is the one key; an `end` of one zero byte is every key >= key;
 * else [key, end). */
#ifndef STORE_TXN_H
#define STORE_TXN_H
#include "store/kv.h"

enum store_compare_target { /* Values are etcd's Compare.CompareTarget. */
                            STORE_COMPARE_VERSION,
                            STORE_COMPARE_CREATE,
                            STORE_COMPARE_MOD,
                            STORE_COMPARE_VALUE,
                            STORE_COMPARE_LEASE,
};

enum store_compare_op { /* Values are etcd's Compare.CompareResult. */
                        STORE_COMPARE_EQUAL,
                        STORE_COMPARE_GREATER,
                        STORE_COMPARE_LESS,
                        STORE_COMPARE_NOT_EQUAL,
};

/* "every key of the range: target op number (or value)". An absent single key compares as all
 * zero numbers; its value compares as unequal to everything. */
struct store_compare {
    enum store_compare_target target;
    enum store_compare_op op;
    struct slice key;
    struct slice end;
    int64_t number;     /* For version, create, mod and lease. */
    struct slice value; /* For value. */
};

enum store_sort_order { STORE_SORT_NONE, STORE_SORT_ASCEND, STORE_SORT_DESCEND };
enum store_sort_target {
    STORE_SORT_KEY,
    STORE_SORT_VERSION,
    STORE_SORT_CREATE,
    STORE_SORT_MOD,
    STORE_SORT_VALUE,
};

struct store_range {
    struct slice key;
    struct slice end;
    int64_t revision; /* 0 (or less) for the current one. */
    int64_t limit;    /* 0 for no limit. */
    enum store_sort_order sort_order;
    enum store_sort_target sort_target;
    bool keys_only; /* Encoders leave values out; the result's kvs still have them. */
    bool count_only;
    bool skip_count;  /* Not in etcd: stop at the limit; `count` is then the kvs' number. */
    size_t looks_max; /* Not in etcd: give up after so many keys; 0 for never. */
    int64_t min_mod_revision, max_mod_revision;       /* 0 for none. */
    int64_t min_create_revision, max_create_revision; /* 0 for none. */
};

struct store_put {
    struct slice key;
    struct slice value;
    int64_t lease;
    bool prev_kv;
    bool ignore_value;
    bool ignore_lease;
};

struct store_delete {
    struct slice key;
    struct slice end;
    bool prev_kv;
};

enum store_op_kind { STORE_OP_RANGE, STORE_OP_PUT, STORE_OP_DELETE, STORE_OP_TXN };

struct store_op {
    enum store_op_kind kind;
    union {
        struct store_range range;
        struct store_put put;
        struct store_delete delete_range;
        const struct store_txn *txn;
    };
};

/* When all compares hold (none do hold), the success operations, else the failure ones; all at one
 * revision, or not at all. */
struct store_txn {
    const struct store_compare *compares;
    size_t compare_count;
    const struct store_op *success;
    size_t success_count;
    const struct store_op *failure;
    size_t failure_count;
};

/* 0, or the status etcd gives: empty key, too many operations, a key put twice or put and deleted,
 * value or lease beside its ignore flag. */
MUST_USE int store_txn_check(const struct store_txn *txn);
MUST_USE int store_range_check(const struct store_range *range);
bool store_txn_is_read_only(const struct store_txn *txn);
bool store_txn_puts(const struct store_txn *txn); /* In any branch. */

struct store_range_result {
    const struct store_kv **kvs; /* Each holds a reference. */
    size_t kv_count;
    int64_t count; /* Keys in the range, whatever the limit. */
    bool more;     /* The limit left some out. */
    bool keys_only;
    bool given_up;    /* There were more keys than `looks_max`: nothing else holds. */
    int64_t revision; /* Of the state that was read. */
};

void store_range_result_release(struct store_range_result *result);

struct store_op_result {
    enum store_op_kind kind;
    union {
        struct store_range_result range;
        struct {
            const struct store_kv *prev_kv; /* A reference, or NULL. */
        } put;
        struct {
            int64_t deleted;
            const struct store_kv **prev_kvs; /* References. */
            size_t prev_count;
        } delete_range;
        struct store_txn_result *txn; /* A reference. */
    };
    int64_t revision; /* Of the state that this operation has left. */
};

struct store_txn_result {
    _Atomic uint32_t refs;
    bool succeeded;
    int64_t revision; /* Of the store after the transaction: resourceVersion of what it wrote. */
    size_t op_count;
    bool too_large; /* It was done, and keys are missing here: STORE_ANSWER_KEYS_MAX. */
    struct store_op_result ops[];
};

MUST_USE struct store_txn_result *store_txn_result_new(size_t op_count);
struct store_txn_result *store_txn_result_ref(const struct store_txn_result *result);
void store_txn_result_unref(struct store_txn_result *result); /* Any thread; NULL is a no-op. */
#endif
