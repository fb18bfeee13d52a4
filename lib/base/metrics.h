/* Metrics registry and its Prometheus text form (exposition format 0.0.4). Counters and gauges are
 * atomic: any thread may change them. Registering and rendering take a lock. A metric lives as long
 * as its registry. Names, help and label texts are borrowed and must outlive the registry. */
#ifndef LIB_BASE_METRICS_H
#define LIB_BASE_METRICS_H
#include "lib/base/buffer.h"
#include <stdatomic.h>

struct metrics;
struct metric; /* One time series: counter or gauge. */
struct metric_histogram;

MUST_USE struct metrics *metrics_new(void);
void metrics_free(struct metrics *metrics);

/* `labels` is the text inside the braces (`verb="get",code="200"`), or NULL; copied. Asking again
 * for the same name and labels gives the same series. */
struct metric *metrics_counter(struct metrics *metrics, const char *name, const char *help,
                               const char *labels);
struct metric *metrics_gauge(struct metrics *metrics, const char *name, const char *help,
                             const char *labels);
/* The same for numbers with a fraction: metric_set_real() sets them. */
struct metric *metrics_gauge_real(struct metrics *metrics, const char *name, const char *help,
                                  const char *labels);
/* `bounds` are ascending upper bounds, in the metric's unit; borrowed. */
struct metric_histogram *metrics_histogram(struct metrics *metrics, const char *name,
                                           const char *help, const char *labels,
                                           const double *bounds, size_t bound_count);
/* The same for spans of time: it counts nanoseconds, of which metric_observe_all() tells. */
struct metric_histogram *metrics_timing(struct metrics *metrics, const char *name, const char *help,
                                        const char *labels, const double *bounds,
                                        size_t bound_count);
void metric_add(struct metric *metric, int64_t delta);
void metric_set(struct metric *metric, int64_t value);
int64_t metric_value(const struct metric *metric);
void metric_observe(struct metric_histogram *histogram, double value);
void metric_set_real(struct metric *metric, double value);
/* Of a timing: nanoseconds by bucket (one more than it has bounds), each of its own range, and the
 * sum of the values times nanoseconds. */
void metric_observe_all(struct metric_histogram *timing, const uint64_t *buckets, double sum);
void metrics_render(struct metrics *metrics, struct buffer *out);

extern const double metrics_seconds_bounds[]; /* 0.5 ms … 60 s, for latencies. */
extern const size_t metrics_seconds_bound_count;
#endif
