#include "lib/base/metrics.h"

#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

const double metrics_seconds_bounds[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                         0.25,   0.5,   1,      2.5,   5,    10,    30,   60};
const size_t metrics_seconds_bound_count = ARRAY_LEN(metrics_seconds_bounds);

struct metric {
    _Atomic int64_t value; /* Of a real gauge: the bits of a double. */
    char *labels;
    struct metric *next;
};

struct metric_histogram {
    const double *bounds;
    size_t bound_count;
    _Atomic uint64_t *buckets; /* bound_count + 1; each counts its own range only. */
    _Atomic int64_t sum;       /* In parts of the unit, of which it has `scale`. */
    double scale;
    char *labels;
    struct metric_histogram *next;
};

enum family_kind { FAMILY_COUNTER, FAMILY_GAUGE, FAMILY_REAL_GAUGE, FAMILY_HISTOGRAM };

struct metric_family {
    const char *name;
    const char *help;
    enum family_kind kind;
    struct metric *series;               /* Oldest first. */
    struct metric_histogram *histograms; /* Oldest first. */
};

struct metrics {
    pthread_mutex_t lock;
    struct hash_map *families; /* Iterates in order of registration. */
};

struct metrics *metrics_new(void)
{
    struct metrics *metrics = alloc_zeroed(sizeof(*metrics));
    pthread_mutex_init(&metrics->lock, NULL);
    metrics->families = hash_map_new(/* seed= */ 1);
    return metrics;
}

static void family_free(struct metric_family *family)
{
    while (family->series != NULL) {
        struct metric *next = family->series->next;
        free(family->series->labels);
        free(family->series);
        family->series = next;
    }
    while (family->histograms != NULL) {
        struct metric_histogram *next = family->histograms->next;
        free(family->histograms->labels);
        free(family->histograms->buckets);
        free(family->histograms);
        family->histograms = next;
    }
    free(family);
}

void metrics_free(struct metrics *metrics)
{
    if (metrics == NULL) {
        return;
    }
    void *family;
    for (size_t at = 0; hash_map_next(metrics->families, &at, NULL, &family);) {
        family_free(family);
    }
    hash_map_free(metrics->families);
    pthread_mutex_destroy(&metrics->lock);
    free(metrics);
}

static struct metric_family *family_get(struct metrics *metrics, const char *name, const char *help,
                                        enum family_kind kind)
{
    struct metric_family *family = hash_map_get(metrics->families, slice_text(name));
    if (family == NULL) {
        family = alloc_zeroed(sizeof(*family));
        family->name = name;
        family->help = help;
        family->kind = kind;
        (void)hash_map_set(metrics->families, slice_text(name), family);
    }
    assert(family->kind == kind);
    return family;
}

static struct metric *series_get(struct metrics *metrics, const char *name, const char *help,
                                 const char *labels, enum family_kind kind)
{
    const char *wanted = labels == NULL ? "" : labels;
    pthread_mutex_lock(&metrics->lock);
    struct metric **place = &family_get(metrics, name, help, kind)->series;
    while (*place != NULL && strcmp((*place)->labels, wanted) != 0) {
        place = &(*place)->next;
    }
    if (*place == NULL) {
        *place = alloc_zeroed(sizeof(**place));
        (*place)->labels = alloc_text(wanted);
    }
    struct metric *metric = *place;
    pthread_mutex_unlock(&metrics->lock);
    return metric;
}

struct metric *metrics_counter(struct metrics *metrics, const char *name, const char *help,
                               const char *labels)
{
    return series_get(metrics, name, help, labels, FAMILY_COUNTER);
}

struct metric *metrics_gauge(struct metrics *metrics, const char *name, const char *help,
                             const char *labels)
{
    return series_get(metrics, name, help, labels, FAMILY_GAUGE);
}

struct metric *metrics_gauge_real(struct metrics *metrics, const char *name, const char *help,
                                  const char *labels)
{
    return series_get(metrics, name, help, labels, FAMILY_REAL_GAUGE);
}

static struct metric_histogram *histogram_get(struct metrics *metrics, const char *name,
                                              const char *help, const char *labels,
                                              const double *bounds, size_t bound_count,
                                              double scale)
{
    const char *wanted = labels == NULL ? "" : labels;
    pthread_mutex_lock(&metrics->lock);
    struct metric_histogram **place =
        &family_get(metrics, name, help, FAMILY_HISTOGRAM)->histograms;
    while (*place != NULL && strcmp((*place)->labels, wanted) != 0) {
        place = &(*place)->next;
    }
    if (*place == NULL) {
        *place = alloc_zeroed(sizeof(**place));
        (*place)->labels = alloc_text(wanted);
        (*place)->bounds = bounds;
        (*place)->bound_count = bound_count;
        (*place)->scale = scale;
        (*place)->buckets = alloc_array(bound_count + 1, sizeof(uint64_t));
    }
    struct metric_histogram *histogram = *place;
    pthread_mutex_unlock(&metrics->lock);
    return histogram;
}

struct metric_histogram *metrics_histogram(struct metrics *metrics, const char *name,
                                           const char *help, const char *labels,
                                           const double *bounds, size_t bound_count)
{
    return histogram_get(metrics, name, help, labels, bounds, bound_count, /* scale= */ 1e6);
}

struct metric_histogram *metrics_timing(struct metrics *metrics, const char *name, const char *help,
                                        const char *labels, const double *bounds,
                                        size_t bound_count)
{
    return histogram_get(metrics, name, help, labels, bounds, bound_count, /* scale= */ 1);
}

void metric_add(struct metric *metric, int64_t delta)
{
    atomic_fetch_add_explicit(&metric->value, delta, memory_order_relaxed);
}

void metric_set(struct metric *metric, int64_t value)
{
    atomic_store_explicit(&metric->value, value, memory_order_relaxed);
}

int64_t metric_value(const struct metric *metric)
{
    return atomic_load_explicit(&metric->value, memory_order_relaxed);
}

void metric_set_real(struct metric *metric, double value)
{
    int64_t bits = 0;
    memcpy(&bits, &value, sizeof(bits));
    metric_set(metric, bits);
}

static double real_value(const struct metric *metric)
{
    int64_t bits = metric_value(metric);
    double value = 0;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

void metric_observe(struct metric_histogram *histogram, double value)
{
    size_t bucket = 0;
    while (bucket < histogram->bound_count && value > histogram->bounds[bucket]) {
        bucket++;
    }
    atomic_fetch_add_explicit(&histogram->buckets[bucket], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum, (int64_t)(value * histogram->scale),
                              memory_order_relaxed);
}

void metric_observe_all(struct metric_histogram *timing, const uint64_t *buckets, double sum)
{
    for (size_t i = 0; i <= timing->bound_count; i++) {
        atomic_fetch_add_explicit(&timing->buckets[i], buckets[i], memory_order_relaxed);
    }
    atomic_fetch_add_explicit(&timing->sum, (int64_t)(sum * timing->scale), memory_order_relaxed);
}

static void render_histogram(const char *name, struct metric_histogram *histogram,
                             struct buffer *out)
{
    const char *comma = histogram->labels[0] == '\0' ? "" : ",";
    uint64_t total = 0;
    for (size_t i = 0; i < histogram->bound_count; i++) {
        total += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
        buffer_printf(out, "%s_bucket{%s%sle=\"%g\"} %llu\n", name, histogram->labels, comma,
                      histogram->bounds[i], (unsigned long long)total);
    }
    total +=
        atomic_load_explicit(&histogram->buckets[histogram->bound_count], memory_order_relaxed);
    buffer_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", name, histogram->labels, comma,
                  (unsigned long long)total);
    const char *open = histogram->labels[0] == '\0' ? "" : "{";
    const char *close = histogram->labels[0] == '\0' ? "" : "}";
    buffer_printf(out, "%s_sum%s%s%s %.15g\n", name, open, histogram->labels, close,
                  (double)atomic_load(&histogram->sum) / histogram->scale);
    buffer_printf(out, "%s_count%s%s%s %llu\n", name, open, histogram->labels, close,
                  (unsigned long long)total);
}

static void render_family(const struct metric_family *family, struct buffer *out)
{
    static const char *const kind_names[] = {
        [FAMILY_COUNTER] = "counter",
        [FAMILY_GAUGE] = "gauge",
        [FAMILY_REAL_GAUGE] = "gauge",
        [FAMILY_HISTOGRAM] = "histogram",
    };
    buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", family->name, family->help, family->name,
                  kind_names[family->kind]);
    for (struct metric *metric = family->series; metric != NULL; metric = metric->next) {
        bool plain = metric->labels[0] == '\0';
        buffer_printf(out, "%s%s%s%s ", family->name, plain ? "" : "{", metric->labels,
                      plain ? "" : "}");
        if (family->kind == FAMILY_REAL_GAUGE) {
            buffer_printf(out, "%.15g\n", real_value(metric));
        } else {
            buffer_printf(out, "%lld\n", (long long)metric_value(metric));
        }
    }
    for (struct metric_histogram *histogram = family->histograms; histogram != NULL;
         histogram = histogram->next) {
        render_histogram(family->name, histogram, out);
    }
}

void metrics_render(struct metrics *metrics, struct buffer *out)
{
    pthread_mutex_lock(&metrics->lock);
    void *family;
    for (size_t at = 0; hash_map_next(metrics->families, &at, NULL, &family);) {
        render_family(family, out);
    }
    pthread_mutex_unlock(&metrics->lock);
}
