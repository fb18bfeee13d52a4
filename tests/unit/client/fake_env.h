/* An env for unit tests: time is a number that the test moves, timers fire in order, randomness is
 * a counter. No files, no peers. */
#ifndef TESTS_UNIT_CLIENT_FAKE_ENV_H
#define TESTS_UNIT_CLIENT_FAKE_ENV_H
#include "lib/base/env.h"
#include "lib/base/heap.h"

struct fake_env {
    struct env env;
    uint64_t now_ns;
    uint64_t sequence;
    uint64_t random;
    struct heap timers;
};

enum { FAKE_ENV_EPOCH_S = 1700000000 }; /* The wall clock when now is 0. */

void fake_env_init(struct fake_env *fake);
void fake_env_release(struct fake_env *fake);
/* Fires everything due within the next `ms`, moving time along. */
void fake_env_run_ms(struct fake_env *fake, uint64_t ms);
#endif
