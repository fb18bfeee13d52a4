/* What is counted of priority and fairness, under the names that v1.32 has for it. */
#include "apiserver/flow_control_private.h"

#include "lib/base/metrics.h"
#include <stdio.h>

/* As v1.32 has them. */
static const double seconds_bounds[] = {0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30};
static const double length_bounds[] = {0, 10, 25, 50, 100, 250, 500, 1000};
static const double seats_bounds[] = {1, 2, 4, 10};
static const double watches_bounds[] = {0, 1, 10, 100, 1000, 10000};
enum { LABELS_SIZE = 700 };

static struct metric_histogram *timing(struct metrics *metrics, const char *name, const char *help,
                                       const char *level, const char *phase,
                                       const struct flow_bounds *bounds)
{
    char labels[LABELS_SIZE];
    (void)snprintf(labels, sizeof(labels), "%s%s%spriority_level=\"%s\"",
                   phase == NULL ? "" : "phase=\"", phase == NULL ? "" : phase,
                   phase == NULL ? "" : "\",", level);
    return metrics_timing(metrics, name, help, labels, bounds->items, bounds->count);
}

static struct metric *bound(struct metrics *metrics, const char *name, const char *help,
                            const char *level, const char *which)
{
    char labels[LABELS_SIZE];
    (void)snprintf(labels, sizeof(labels), "bound=\"%s\",priority_level=\"%s\"", which, level);
    return metrics_gauge_real(metrics, name, help, labels);
}

/* What is told for spans of time: averages, histograms, and virtual time. */
static void add_timings(struct metrics *metrics, const char *level, const char *labels,
                        struct flow_level_gauges *gauges)
{
    static const char starts[] = "apiserver_flowcontrol_next_s_bounds";
    static const char starts_help[] =
        "Lowest and highest virtual time at which the first request of a queue is to start.";
    static const char discounted[] = "apiserver_flowcontrol_next_discounted_s_bounds";
    static const char discounted_help[] =
        "The same, less what the requests of the queue that sit are taken to need.";
    static const char requests[] = "apiserver_flowcontrol_priority_level_request_utilization";
    static const char requests_help[] =
        "Requests that wait or sit, as a part of those that may, at "
        "the end of every nanosecond.";
    gauges->average =
        metrics_gauge_real(metrics, "apiserver_flowcontrol_demand_seats_average",
                           "Seats wanted in the last ten seconds, on average over time.", labels);
    gauges->deviation =
        metrics_gauge_real(metrics, "apiserver_flowcontrol_demand_seats_stdev",
                           "Standard deviation of the seats wanted in that time.", labels);
    gauges->smoothed = metrics_gauge_real(metrics, "apiserver_flowcontrol_demand_seats_smoothed",
                                          "Seats wanted, smoothed.", labels);
    gauges->now = metrics_gauge_real(metrics, "apiserver_flowcontrol_current_r",
                                     "Virtual time at the last change.", labels);
    gauges->dispatched_at = metrics_gauge_real(metrics, "apiserver_flowcontrol_dispatch_r",
                                               "Virtual time at the last dispatch.", labels);
    gauges->latest_start =
        metrics_gauge_real(metrics, "apiserver_flowcontrol_latest_s",
                           "Virtual time at which the last request was to start.", labels);
    gauges->least_start = bound(metrics, starts, starts_help, level, "min");
    gauges->most_start = bound(metrics, starts, starts_help, level, "max");
    gauges->least_discounted = bound(metrics, discounted, discounted_help, level, "min");
    gauges->most_discounted = bound(metrics, discounted, discounted_help, level, "max");
    gauges->utilization =
        timing(metrics, "apiserver_flowcontrol_priority_level_seat_utilization",
               "Seats taken as a part of those that there are, at the end of every nanosecond.",
               level, "executing", &flow_utilization_bounds);
    gauges->demand =
        timing(metrics, "apiserver_flowcontrol_demand_seats",
               "Seats wanted as a part of those that there are, at the end of every nanosecond.",
               level, NULL, &flow_demand_bounds);
    gauges->executing =
        timing(metrics, requests, requests_help, level, "executing", &flow_request_bounds);
    gauges->waiting =
        timing(metrics, requests, requests_help, level, "waiting", &flow_request_bounds);
}

struct flow_level_gauges flow_level_gauges_of(struct metrics *metrics, const char *level)
{
    char labels[LABELS_SIZE];
    (void)snprintf(labels, sizeof(labels), "priority_level=\"%s\"", level);
    struct flow_level_gauges gauges = {
        .nominal = metrics_gauge(metrics, "apiserver_flowcontrol_nominal_limit_seats",
                                 "Seats of a priority level by its shares.", labels),
        .lower = metrics_gauge(metrics, "apiserver_flowcontrol_lower_limit_seats",
                               "Seats that a priority level keeps whatever is borrowed.", labels),
        .upper = metrics_gauge(metrics, "apiserver_flowcontrol_upper_limit_seats",
                               "Seats that a priority level may have with those borrowed.", labels),
        .current = metrics_gauge(metrics, "apiserver_flowcontrol_current_limit_seats",
                                 "Seats of a priority level with those lent and borrowed.", labels),
        .high = metrics_gauge(metrics, "apiserver_flowcontrol_demand_seats_high_watermark",
                              "Most seats wanted at once in the last ten seconds.", labels),
        .target = metrics_gauge(metrics, "apiserver_flowcontrol_target_seats",
                                "Seats that a priority level was to get in the last sharing out.",
                                labels)};
    add_timings(metrics, level, labels, &gauges);
    return gauges;
}

static struct metric *refusals(struct metrics *metrics, const char *labels, const char *reason)
{
    char all[LABELS_SIZE + 40];
    (void)snprintf(all, sizeof(all), "%s,reason=\"%s\"", labels, reason);
    return metrics_counter(metrics, "apiserver_flowcontrol_rejected_requests_total",
                           "Requests that priority and fairness refused.", all);
}

static struct metric_histogram *waits(struct metrics *metrics, const char *labels, bool executed)
{
    char all[LABELS_SIZE + 40];
    (void)snprintf(all, sizeof(all), "execute=\"%s\",%s", executed ? "true" : "false", labels);
    return metrics_histogram(metrics, "apiserver_flowcontrol_request_wait_duration_seconds",
                             "Time that requests spent in a queue.", all, seconds_bounds,
                             ARRAY_LEN(seconds_bounds));
}

static struct metric_histogram *executions(struct metrics *metrics, const char *labels,
                                           const char *type)
{
    char all[LABELS_SIZE + 40];
    (void)snprintf(all, sizeof(all), "%s,type=\"%s\"", labels, type);
    return metrics_histogram(metrics, "apiserver_flowcontrol_request_execution_seconds",
                             "Time that requests held their seats.", all, seconds_bounds,
                             ARRAY_LEN(seconds_bounds));
}

struct flow_counts flow_counts_of(struct metrics *metrics, const char *schema, const char *level)
{
    char labels[LABELS_SIZE];
    (void)snprintf(labels, sizeof(labels), "flow_schema=\"%s\",priority_level=\"%s\"", schema,
                   level);
    return (struct flow_counts){
        .dispatched = metrics_counter(metrics, "apiserver_flowcontrol_dispatched_requests_total",
                                      "Requests that priority and fairness let in.", labels),
        .full = refusals(metrics, labels, "queue-full"),
        .no_queue = refusals(metrics, labels, "concurrency-limit"),
        .timed_out = refusals(metrics, labels, "time-out"),
        .cancelled = refusals(metrics, labels, "cancelled"),
        .waiting = metrics_gauge(metrics, "apiserver_flowcontrol_current_inqueue_requests",
                                 "Requests that wait in queues.", labels),
        .waiting_seats = metrics_gauge(metrics, "apiserver_flowcontrol_current_inqueue_seats",
                                       "Seats that requests wait for in queues.", labels),
        .executing = metrics_gauge(metrics, "apiserver_flowcontrol_current_executing_requests",
                                   "Requests that hold seats.", labels),
        .executing_seats = metrics_gauge(metrics, "apiserver_flowcontrol_current_executing_seats",
                                         "Seats that requests hold.", labels),
        .too_wide = metrics_counter(
            metrics, "apiserver_flowcontrol_request_dispatch_no_accommodation_total",
            "Times that a request was next and found too few of the free seats.", labels),
        .wait = waits(metrics, labels, true),
        .wait_in_vain = waits(metrics, labels, false),
        .execution = executions(metrics, labels, "regular"),
        .watch_execution = executions(metrics, labels, "watch"),
        .length =
            metrics_histogram(metrics, "apiserver_flowcontrol_request_queue_length_after_enqueue",
                              "Length of a queue once a request stood in it.", labels,
                              length_bounds, ARRAY_LEN(length_bounds)),
        .seats = metrics_histogram(metrics, "apiserver_flowcontrol_work_estimated_seats",
                                   "Seats that requests were taken to need.", labels, seats_bounds,
                                   ARRAY_LEN(seats_bounds)),
        .watches = metrics_histogram(metrics, "apiserver_flowcontrol_watch_count_samples",
                                     "Watches that may hear of what a request changes.", labels,
                                     watches_bounds, ARRAY_LEN(watches_bounds))};
}
