#include "apiserver/flow_timing.h"

#include "lib/base/compiler.h"

static const double utilization[] = {0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1};
static const double requests[] = {0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 1};
static const double demand[] = {0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.7, 2, 2.8, 4, 6};
static const double read_write[] = {0,   0.001, 0.01, 0.1, 0.2,  0.3,  0.4, 0.5,
                                    0.6, 0.7,   0.8,  0.9, 0.95, 0.99, 1};

const struct flow_bounds flow_utilization_bounds = {utilization, ARRAY_LEN(utilization)};
const struct flow_bounds flow_request_bounds = {requests, ARRAY_LEN(requests)};
const struct flow_bounds flow_demand_bounds = {demand, ARRAY_LEN(demand)};
const struct flow_bounds flow_read_write_bounds = {read_write, ARRAY_LEN(read_write)};

void flow_timing_pass(struct flow_timing *timing, const struct flow_bounds *bounds, double ratio,
                      uint64_t ns)
{
    size_t bucket = 0;
    while (bucket < bounds->count && ratio > bounds->items[bucket]) {
        bucket++;
    }
    timing->buckets[bucket] += ns;
    timing->sum += ratio * (double)ns;
}
