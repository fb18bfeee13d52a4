/* What the metrics of priority and fairness say of spans of time. */
#include "apiserver/flow_control_private.h"

#include "lib/base/alloc.h"
#include "lib/base/metrics.h"
#include <string.h>

/* --- Requests of the server that read, and that write ---------------------------------------- */

static struct metric_histogram *histogram_of(struct metrics *metrics, const char *labels)
{
    return metrics_timing(metrics, "apiserver_flowcontrol_read_vs_write_current_requests",
                          "Requests that wait or sit, as a part of those that may, at the end of "
                          "every nanosecond.",
                          labels, flow_read_write_bounds.items, flow_read_write_bounds.count);
}

static void phase_init(struct flow_tally_phase *phase, struct metrics *metrics, const char *name)
{
    static const char *const kinds[] = {"readOnly", "mutating"};
    phase->limit = 1;
    for (size_t i = 0; i < ARRAY_LEN(phase->kinds); i++) {
        CLEANUP(alloc_freep)
        char *labels = alloc_printf("phase=\"%s\",request_kind=\"%s\"", name, kinds[i]);
        phase->kinds[i].histogram = histogram_of(metrics, labels);
        phase->kinds[i].since_ns = flow_now_ns();
    }
}

void flow_tally_init(struct flow_tally *tally, struct metrics *metrics)
{
    pthread_mutex_init(&tally->lock, NULL);
    phase_init(&tally->executing, metrics, "executing");
    phase_init(&tally->waiting, metrics, "waiting");
}

/* Up to now it was as it is. Under the lock. */
static void pass(const struct flow_tally_phase *phase, struct flow_tally_kind *kind)
{
    uint64_t now_ns = flow_now_ns();
    if (now_ns > kind->since_ns) {
        flow_timing_pass(&kind->timing, &flow_read_write_bounds, (double)kind->count / phase->limit,
                         now_ns - kind->since_ns);
        kind->since_ns = now_ns;
    }
}

void flow_tally_count(struct flow_tally *tally, const struct flow_entry *entry, bool waits,
                      int delta)
{
    struct flow_tally_phase *phase = waits ? &tally->waiting : &tally->executing;
    struct flow_tally_kind *kind = &phase->kinds[access_reads(&entry->request.access) ? 0 : 1];
    pthread_mutex_lock(&tally->lock);
    pass(phase, kind);
    kind->count = (uint32_t)((int64_t)kind->count + delta);
    pthread_mutex_unlock(&tally->lock);
}

static void phase_limit(struct flow_tally_phase *phase, uint64_t limit)
{
    for (size_t i = 0; i < ARRAY_LEN(phase->kinds); i++) {
        pass(phase, &phase->kinds[i]);
    }
    phase->limit = limit == 0 ? 1 : limit > UINT32_MAX ? UINT32_MAX : (uint32_t)limit;
}

void flow_tally_limit(struct flow_tally *tally, uint64_t executing, uint64_t waiting)
{
    pthread_mutex_lock(&tally->lock);
    phase_limit(&tally->executing, executing);
    phase_limit(&tally->waiting, waiting);
    pthread_mutex_unlock(&tally->lock);
}

/* --- Showing ---------------------------------------------------------------------------------- */

static void show_timing(struct metric_histogram *histogram, struct flow_timing *timing)
{
    metric_observe_all(histogram, timing->buckets, timing->sum);
    *timing = (struct flow_timing){.sum = 0};
}

static void show_phase(struct flow_tally_phase *phase)
{
    for (size_t i = 0; i < ARRAY_LEN(phase->kinds); i++) {
        pass(phase, &phase->kinds[i]);
        show_timing(phase->kinds[i].histogram, &phase->kinds[i].timing);
    }
}

static void show_tally(struct flow_tally *tally)
{
    pthread_mutex_lock(&tally->lock);
    show_phase(&tally->executing);
    show_phase(&tally->waiting);
    pthread_mutex_unlock(&tally->lock);
}

static void show_pool(struct flow_pool *pool)
{
    const struct flow_level_gauges *gauges = &pool->gauges;
    pthread_mutex_lock(&pool->lock);
    struct flow_timings timings = flow_level_timings(pool->level, flow_now_ns());
    const struct flow_virtual_facts facts = flow_level_virtual_facts(pool->level);
    pthread_mutex_unlock(&pool->lock);
    show_timing(gauges->utilization, &timings.seats);
    show_timing(gauges->demand, &timings.demand);
    show_timing(gauges->executing, &timings.executing);
    show_timing(gauges->waiting, &timings.waiting);
    metric_set_real(gauges->now, facts.now);
    metric_set_real(gauges->dispatched_at, facts.dispatched_at);
    metric_set_real(gauges->latest_start, facts.latest_start);
    metric_set_real(gauges->least_start, facts.least_start);
    metric_set_real(gauges->most_start, facts.most_start);
    metric_set_real(gauges->least_discounted, facts.least_discounted);
    metric_set_real(gauges->most_discounted, facts.most_discounted);
}

void flow_control_show(struct flow_control *control)
{
    pthread_rwlock_rdlock(&control->lock);
    for (size_t i = 0; i < control->pool_count; i++) {
        show_pool(control->pools[i]);
    }
    pthread_rwlock_unlock(&control->lock);
    show_tally(&control->tally);
}
