/* What the metrics of priority and fairness say of spans of time. */
#include "apiserver/flow_control_private.h"

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

void flow_tally_init(struct flow_tally *tally, struct metrics *metrics)
{
    pthread_mutex_init(&tally->lock, NULL);
    tally->since_ns = flow_now_ns();
    tally->executing.limit = tally->waiting.limit = 1;
    tally->executing.histograms[0] =
        histogram_of(metrics, "phase=\"executing\",request_kind=\"readOnly\"");
    tally->executing.histograms[1] =
        histogram_of(metrics, "phase=\"executing\",request_kind=\"mutating\"");
    tally->waiting.histograms[0] =
        histogram_of(metrics, "phase=\"waiting\",request_kind=\"readOnly\"");
    tally->waiting.histograms[1] =
        histogram_of(metrics, "phase=\"waiting\",request_kind=\"mutating\"");
}

static void pass_phase(struct flow_tally_phase *phase, uint64_t ns)
{
    for (size_t i = 0; i < ARRAY_LEN(phase->timings); i++) {
        flow_timing_pass(&phase->timings[i], &flow_read_write_bounds,
                         (double)phase->counts[i] / phase->limit, ns);
    }
}

/* Under the lock. */
static void pass(struct flow_tally *tally)
{
    uint64_t now_ns = flow_now_ns();
    if (now_ns > tally->since_ns) {
        pass_phase(&tally->executing, now_ns - tally->since_ns);
        pass_phase(&tally->waiting, now_ns - tally->since_ns);
        tally->since_ns = now_ns;
    }
}

static bool reads(const char *verb)
{
    return strcmp(verb, "get") == 0 || strcmp(verb, "list") == 0 || strcmp(verb, "watch") == 0;
}

void flow_tally_count(struct flow_tally *tally, const struct flow_entry *entry, bool waits,
                      int delta)
{
    size_t kind = reads(entry->request.access.verb) ? 0 : 1;
    pthread_mutex_lock(&tally->lock);
    pass(tally);
    uint32_t *count = waits ? &tally->waiting.counts[kind] : &tally->executing.counts[kind];
    *count = (uint32_t)((int64_t)*count + delta);
    pthread_mutex_unlock(&tally->lock);
}

void flow_tally_limit(struct flow_tally *tally, uint64_t executing, uint64_t waiting)
{
    pthread_mutex_lock(&tally->lock);
    pass(tally);
    tally->executing.limit = executing > UINT32_MAX ? UINT32_MAX : (uint32_t)executing;
    tally->waiting.limit = waiting > UINT32_MAX ? UINT32_MAX : (uint32_t)waiting;
    tally->executing.limit += tally->executing.limit == 0;
    tally->waiting.limit += tally->waiting.limit == 0;
    pthread_mutex_unlock(&tally->lock);
}

/* --- Showing ---------------------------------------------------------------------------------- */

static void show_timing(struct metric_histogram *histogram, struct flow_timing *timing)
{
    metric_observe_all(histogram, timing->buckets, timing->sum);
    *timing = (struct flow_timing){.sum = 0};
}

static void show_tally(struct flow_tally *tally)
{
    pthread_mutex_lock(&tally->lock);
    pass(tally);
    for (size_t i = 0; i < ARRAY_LEN(tally->executing.timings); i++) {
        show_timing(tally->executing.histograms[i], &tally->executing.timings[i]);
        show_timing(tally->waiting.histograms[i], &tally->waiting.timings[i]);
    }
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
