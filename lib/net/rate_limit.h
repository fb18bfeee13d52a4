/* A token bucket: `burst` at once, `per_s` in the long run. Pure; time comes as an argument. */
#ifndef LIB_NET_RATE_LIMIT_H
#define LIB_NET_RATE_LIMIT_H
#include <stdbool.h>
#include <stdint.h>

struct rate_limit {
    uint64_t tokens_milli; /* Thousandths of a token. */
    uint64_t burst_milli;
    uint64_t per_s;
    uint64_t last_ms;
};

static inline void rate_limit_init(struct rate_limit *limit, uint64_t burst, uint64_t per_s)
{
    *limit = (struct rate_limit){
        .tokens_milli = burst * 1000, .burst_milli = burst * 1000, .per_s = per_s};
}

/* False when the rate is exceeded. */
static inline bool rate_limit_take(struct rate_limit *limit, uint64_t now_ms)
{
    uint64_t since_ms = now_ms > limit->last_ms ? now_ms - limit->last_ms : 0;
    limit->last_ms = now_ms;
    since_ms = since_ms > 3600000 ? 3600000 : since_ms;
    limit->tokens_milli += since_ms * limit->per_s;
    if (limit->tokens_milli > limit->burst_milli) {
        limit->tokens_milli = limit->burst_milli;
    }
    if (limit->tokens_milli < 1000) {
        return false;
    }
    limit->tokens_milli -= 1000;
    return true;
}
#endif
