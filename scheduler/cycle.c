#include "scheduler/cycle.h"

#include <stdlib.h>
#include <string.h>

/* How often each reason was given. */
struct tally {
    const char **texts;
    size_t *counts;
    size_t count;
};

static void tally_add(struct tally *tally, const char *text)
{
    for (size_t i = 0; i < tally->count; i++) {
        if (strcmp(tally->texts[i], text) == 0) {
            tally->counts[i]++;
            return;
        }
    }
    tally->texts[tally->count] = text;
    tally->counts[tally->count++] = 1;
}

static int text_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* "1 Too many pods, 2 Insufficient cpu": sorted as text, the numbers included. */
static const char *tally_print(struct arena *arena, const struct tally *tally)
{
    const char **lines = arena_array(arena, tally->count + 1, sizeof(*lines));
    for (size_t i = 0; i < tally->count; i++) {
        lines[i] = arena_printf(arena, "%zu %s", tally->counts[i], tally->texts[i]);
    }
    qsort(lines, tally->count, sizeof(*lines), text_order);
    return arena_join(arena, lines, tally->count, ", ");
}

/* How many feasible nodes are enough: all of a small cluster, a shrinking share of a large one. */
static size_t enough(size_t nodes)
{
    if (nodes <= SCHEDULER_FEASIBLE_MIN) {
        return nodes;
    }
    size_t percent = nodes / 125 >= 45 ? 5 : 50 - nodes / 125;
    size_t wanted = nodes * percent / 100;
    return wanted < SCHEDULER_FEASIBLE_MIN ? SCHEDULER_FEASIBLE_MIN : wanted;
}

static const char *preemption_text(struct arena *arena, const struct pod_info *pod, size_t nodes,
                                   size_t unresolvable)
{
    const char *policy = pod->pod->spec->preemption_policy;
    if (policy != NULL && strcmp(policy, "Never") == 0) {
        return "not eligible due to preemptionPolicy=Never.";
    }
    const char *texts[2];
    size_t counts[2];
    struct tally tally = {.texts = texts, .counts = counts};
    if (unresolvable > 0) {
        texts[tally.count] = "Preemption is not helpful for scheduling";
        counts[tally.count++] = unresolvable;
    }
    if (unresolvable < nodes) {
        texts[tally.count] = "No preemption victims found for incoming pod";
        counts[tally.count++] = nodes - unresolvable;
    }
    return arena_printf(arena, "0/%zu nodes are available: %s.", nodes, tally_print(arena, &tally));
}

static size_t best_of(const int64_t *scores, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++) {
        if (scores[i] > scores[best]) {
            best = i;
        }
    }
    return best;
}

struct cycle_result cycle_run(struct arena *arena, struct snapshot *snapshot,
                              const struct pod_info *pod)
{
    struct cycle_result result = {0};
    size_t nodes = snapshot->count;
    if (nodes == 0) {
        result.message = "no nodes available to schedule pods";
        return result;
    }
    size_t wanted = enough(nodes);
    struct snapshot_node **feasible = arena_array(arena, nodes, sizeof(struct snapshot_node *));
    struct tally tally = {0};
    tally.texts = arena_array(arena, nodes * FILTER_REASONS_MAX, sizeof(*tally.texts));
    tally.counts = arena_array(arena, nodes * FILTER_REASONS_MAX, sizeof(*tally.counts));
    size_t unresolvable = 0;
    size_t at = snapshot->next % nodes;
    while (result.evaluated < nodes && result.feasible < wanted) {
        struct snapshot_node *node = snapshot->nodes[(at + result.evaluated++) % nodes];
        struct filter_verdict verdict = filter_node(arena, pod, node);
        if (verdict.reason_count == 0) {
            feasible[result.feasible++] = node;
            continue;
        }
        result.filters |= verdict.filter;
        unresolvable += verdict.unresolvable;
        for (size_t i = 0; i < verdict.reason_count; i++) {
            tally_add(&tally, verdict.reasons[i]);
        }
    }
    snapshot->next = (at + result.evaluated) % nodes;
    if (result.feasible == 0) {
        result.message = arena_printf(arena, "0/%zu nodes are available: %s. preemption: %s", nodes,
                                      tally_print(arena, &tally),
                                      preemption_text(arena, pod, nodes, unresolvable));
        return result;
    }
    int64_t *scores = arena_array(arena, result.feasible, sizeof(*scores));
    score_nodes(snapshot, pod, feasible, result.feasible, scores);
    result.node = feasible[best_of(scores, result.feasible)]->name;
    return result;
}
