/* Is a history of operations on registers linearizable? Knows nothing of who made the history: only
 * when each operation was called, when it came back and with what. By key, because linearizability
 * is local (Herlihy and Wing 1990). Wing and Gong 1993 with the memory of Lowe 2017. Pure. */
#ifndef TESTS_SIM_LINEAR_H
#define TESTS_SIM_LINEAR_H
#include "lib/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum linear_kind {
    LINEAR_READ,  /* Found `value`; 0 is an absent key. */
    LINEAR_WRITE, /* Made it `value`. */
    LINEAR_SWAP,  /* Made it `value` because it was `expected`. */
    LINEAR_KEEP,  /* Did nothing because it was not `expected`. */
};

#define LINEAR_PENDING UINT64_MAX

struct linear_op {
    uint64_t key, call;
    uint64_t end; /* LINEAR_PENDING: the outcome is not known; it may take effect at any time after
                   * the call, or never. */
    enum linear_kind kind;
    uint64_t value, expected;
};

struct linear_report {
    uint64_t key, call; /* Key of the violation, and an operation that fits nowhere. */
    uint64_t steps;
};

enum linear_verdict { LINEAR_OK, LINEAR_VIOLATION, LINEAR_UNDECIDED };

/* Sorts `ops`. Gives up on a key, as undecided, after `steps_max` steps. */
enum linear_verdict linear_check(struct linear_op *ops, size_t count, uint64_t steps_max,
                                 struct linear_report *ret_report);
#endif
