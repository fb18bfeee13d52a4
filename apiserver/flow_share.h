/* How the seats of a server are shared out among its priority levels: each has a nominal number by
 * its shares, lends some of what it does not need, and borrows up to a limit (KEP-1040, "Seat
 * Borrowing"). Pure. */
#ifndef APISERVER_FLOW_SHARE_H
#define APISERVER_FLOW_SHARE_H
#include "apiserver/flow_level.h"
#include "k8s/flowcontrol_v1.pb-c.h"

struct flow_share {
    uint32_t nominal;
    uint32_t least, most; /* What lending leaves, and what borrowing may add up to. */
    double smoothed;      /* Of the demand; grows at once, goes down slowly. */
    uint32_t high;        /* Demand of the last period, */
    double mean, deviation;
    uint32_t current; /* The outcome. */
};

/* Shares of the spec, of whichever type it is. */
uint32_t flow_shares_of(const Flowcontrol__V1__PriorityLevelConfigurationSpec *spec);
/* Fills all but smoothed, high; current is the nominal number. `all_shares` of all levels. */
void flow_share_set(struct flow_share *share,
                    const Flowcontrol__V1__PriorityLevelConfigurationSpec *spec,
                    uint64_t all_shares, uint32_t server_seats);
void flow_share_note(struct flow_share *share, const struct flow_demand *demand);
/* Sets `current` of all, from what was noted; returns the part of what each wants that it gets, if
 * its limits let it. */
double flow_share_out(struct flow_share *const *shares, size_t count, uint32_t server_seats);
#endif
