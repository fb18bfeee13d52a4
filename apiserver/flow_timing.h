/* For how long a ratio had which value: what a histogram counts that observes it at the end of
 * every nanosecond, as v1.32's of priority and fairness do. Pure. */
#ifndef APISERVER_FLOW_TIMING_H
#define APISERVER_FLOW_TIMING_H
#include <stddef.h>
#include <stdint.h>

enum { FLOW_TIMING_BOUNDS_MAX = 15 };

struct flow_bounds {
    const double *items; /* Ascending. */
    size_t count;        /* At most FLOW_TIMING_BOUNDS_MAX. */
};

extern const struct flow_bounds flow_utilization_bounds; /* Of seats of a level. */
extern const struct flow_bounds flow_request_bounds;     /* Of requests of a level. */
extern const struct flow_bounds flow_demand_bounds;      /* Of seats wanted. */
extern const struct flow_bounds flow_read_write_bounds;  /* Of requests of the server. */

struct flow_timing {
    uint64_t buckets[FLOW_TIMING_BOUNDS_MAX + 1]; /* Nanoseconds; each counts its own range. */
    double sum;                                   /* Of the ratio, times nanoseconds. */
};

void flow_timing_pass(struct flow_timing *timing, const struct flow_bounds *bounds, double ratio,
                      uint64_t ns);
#endif
