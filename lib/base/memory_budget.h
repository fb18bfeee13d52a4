/* How much memory a process spends on what others make it hold: requests under way, answers that
 * wait for slow readers. Holders say what they hold; who is about to hold more asks first whether
 * there is room, and refuses otherwise. Counts only: nothing is allocated here, and nothing fails.
 * Pure. Any thread.
 *
 * NULL stands for no budget everywhere: there is always room, and nothing is counted. */
#ifndef LIB_BASE_MEMORY_BUDGET_H
#define LIB_BASE_MEMORY_BUDGET_H
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct memory_budget {
    size_t limit;
    _Atomic int64_t held;
    atomic_uint_fast64_t refused; /* Requests. */
    atomic_uint_fast64_t ended;   /* Connections whose clients did not read. */
};

/* Changes of less than this are not worth a shared count. */
enum { MEMORY_HOLD_STEP = 4096 };

/* Of one holder; zeroed, with a budget. One thread at a time. */
struct memory_hold {
    struct memory_budget *budget;
    size_t counted;
};

/* Whether `more` bytes fit in. */
static inline bool memory_has_room(struct memory_budget *budget, size_t more)
{
    if (budget == NULL) {
        return true;
    }
    int64_t held = atomic_load_explicit(&budget->held, memory_order_relaxed);
    size_t known = held < 0 ? 0 : (size_t)held;
    return known <= budget->limit && more <= budget->limit - known;
}

static inline bool memory_is_short(struct memory_budget *budget)
{
    return !memory_has_room(budget, 0);
}

static inline void memory_add(struct memory_budget *budget, int64_t bytes)
{
    if (budget != NULL) {
        atomic_fetch_add_explicit(&budget->held, bytes, memory_order_relaxed);
    }
}

/* The holder has `bytes` now; 0 before it goes. */
static inline void memory_hold_set(struct memory_hold *hold, size_t bytes)
{
    size_t apart = bytes > hold->counted ? bytes - hold->counted : hold->counted - bytes;
    if (hold->budget != NULL && apart > 0 && (apart >= MEMORY_HOLD_STEP || bytes == 0)) {
        memory_add(hold->budget, (int64_t)bytes - (int64_t)hold->counted);
        hold->counted = bytes;
    }
}
#endif
