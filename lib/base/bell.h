/* Wakes a libuv loop from any thread, through an eventfd of its own. In place of uv_async_t, whose
 * receiver spins, then yields, while the sender has not come back from its call: with few cores
 * that is whenever the woken thread takes the processor of the one that woke it. */
#ifndef LIB_BASE_BELL_H
#define LIB_BASE_BELL_H
#include "lib/base/compiler.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

struct bell {
    uv_poll_t poll; /* The loop's handle; its `data` is the owner's. Closed by the owner first. */
    int fd;
    atomic_bool rung;
    void (*heard)(struct bell *bell);
};

/* `heard` runs on the loop after each bell_ring(), once for those that come together. 0 or a
 * negative errno. */
MUST_USE int bell_init(struct bell *bell, uv_loop_t *loop, void (*heard)(struct bell *bell));
void bell_ring(struct bell *bell);    /* Any thread. */
void bell_release(struct bell *bell); /* After `poll` was closed. */
#endif
