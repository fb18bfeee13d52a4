#include "apiserver/flow_share.h"

#include <math.h>
#include <string.h>

/* Of the smoothed demand, what stays after each period of ten seconds: it halves in five minutes.
 */
static const double decay = 0.977;

static bool is_exempt(const Flowcontrol__V1__PriorityLevelConfigurationSpec *spec)
{
    return spec->type != NULL && strcmp(spec->type, "Exempt") == 0;
}

static uint32_t positive(int32_t value)
{
    return value < 0 ? 0 : (uint32_t)value;
}

uint32_t flow_shares_of(const Flowcontrol__V1__PriorityLevelConfigurationSpec *spec)
{
    if (is_exempt(spec)) {
        return spec->exempt == NULL ? 0 : positive(spec->exempt->nominal_concurrency_shares);
    }
    return spec->limited == NULL ? 0 : positive(spec->limited->nominal_concurrency_shares);
}

static uint32_t part_of(uint32_t seats, int32_t percent)
{
    return (uint32_t)lround((double)seats * percent / 100.0);
}

void flow_share_set(struct flow_share *share,
                    const Flowcontrol__V1__PriorityLevelConfigurationSpec *spec,
                    uint64_t all_shares, uint32_t server_seats)
{
    uint64_t seats = (uint64_t)server_seats * flow_shares_of(spec);
    share->nominal = all_shares == 0 ? 0 : (uint32_t)((seats + all_shares - 1) / all_shares);
    share->least = share->nominal;
    share->most = share->nominal + server_seats;
    const Flowcontrol__V1__LimitedPriorityLevelConfiguration *limited = spec->limited;
    if (is_exempt(spec)) {
        share->least -=
            spec->exempt == NULL ? 0 : part_of(share->nominal, spec->exempt->lendable_percent);
    } else if (limited != NULL) {
        share->least -= part_of(share->nominal, limited->lendable_percent);
        if (limited->has_borrowing_limit_percent) {
            share->most =
                share->nominal + part_of(share->nominal, limited->borrowing_limit_percent);
        }
    }
    share->current = share->nominal;
}

void flow_share_note(struct flow_share *share, const struct flow_demand *demand)
{
    double now = fmin(demand->mean + demand->deviation, demand->high);
    share->high = demand->high;
    share->mean = demand->mean;
    share->deviation = demand->deviation;
    share->smoothed = fmax(now, decay * share->smoothed + (1 - decay) * now);
}

/* What a level keeps whatever the others want. */
static double floor_of(const struct flow_share *share)
{
    uint32_t needed = share->high < share->nominal ? share->high : share->nominal;
    return needed > share->least ? needed : share->least;
}

static double wanted_by(const struct flow_share *share)
{
    return fmax(1, fmax(floor_of(share), share->smoothed));
}

static double share_at(const struct flow_share *share, double proportion)
{
    return fmin(share->most, fmax(floor_of(share), proportion * wanted_by(share)));
}

static double total_at(struct flow_share *const *shares, size_t count, double proportion)
{
    double total = 0;
    for (size_t i = 0; i < count; i++) {
        total += share_at(shares[i], proportion);
    }
    return total;
}

/* The proportion of what each wants at which the seats are just used up: the total grows with it,
 * so that halving finds it. */
static double fair_proportion(struct flow_share *const *shares, size_t count, double seats)
{
    enum { STEPS = 50 };
    double low = 0, high = seats + 1;
    for (int i = 0; i < STEPS; i++) {
        double middle = (low + high) / 2;
        if (total_at(shares, count, middle) > seats) {
            high = middle;
        } else {
            low = middle;
        }
    }
    return low;
}

double flow_share_out(struct flow_share *const *shares, size_t count, uint32_t server_seats)
{
    double proportion = fair_proportion(shares, count, server_seats);
    for (size_t i = 0; i < count; i++) {
        shares[i]->current = (uint32_t)lround(share_at(shares[i], proportion));
    }
    return proportion;
}
