#include "cmd/server_memory.h"

#include "lib/base/buffer.h"
#include "lib/base/file.h"
#include "lib/base/metrics.h"
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TICK_MS = 1000, SHARE = 4, TEXT_MAX = 64 * 1024 };
static const uint64_t BUDGET_MIN = UINT64_C(64) << 20;

/* --- What there is --- */

/* The number in a file; UINT64_MAX when it is "max" or cannot be read. */
static uint64_t number_in(const char *path)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, TEXT_MAX);
    if (file_read(path, &text, NULL) < 0) {
        return UINT64_MAX;
    }
    char *end = NULL;
    uint64_t number = strtoull(buffer_text(&text), &end, 10);
    return end == buffer_text(&text) ? UINT64_MAX : number;
}

/* Of one line of /proc/self/cgroup: "0::/path", or "5:memory:/path" of the first version. */
static uint64_t limit_of_group(char *line)
{
    char *controllers = strchr(line, ':');
    char *group = controllers == NULL ? NULL : strchr(controllers + 1, ':');
    char path[4096];
    if (group == NULL) {
        return UINT64_MAX;
    }
    *group++ = 0;
    controllers++;
    bool first_version = strcmp(controllers, "memory") == 0;
    if (!first_version && controllers[0] != 0) {
        return UINT64_MAX;
    }
    int len = snprintf(path, sizeof(path),
                       first_version ? "/sys/fs/cgroup/memory%s/%s" : "/sys/fs/cgroup%s/%s", group,
                       first_version ? "memory.limit_in_bytes" : "memory.max");
    return len < 0 || (size_t)len >= sizeof(path) ? UINT64_MAX : number_in(path);
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t server_memory_default(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page = sysconf(_SC_PAGESIZE);
    uint64_t total = pages > 0 && page > 0 ? (uint64_t)pages * (uint64_t)page : 0;
    /* Inside of a container its own group is often mounted as the root. */
    total = least(total, number_in("/sys/fs/cgroup/memory.max"));
    total = least(total, number_in("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
    CLEANUP(buffer_release) struct buffer groups;
    buffer_init(&groups, TEXT_MAX);
    if (file_read("/proc/self/cgroup", &groups, NULL) == 0 && groups.len > 0) {
        char *rest = NULL;
        for (char *line = strtok_r((char *)groups.data, "\n", &rest); line != NULL;
             line = strtok_r(NULL, "\n", &rest)) {
            total = least(total, limit_of_group(line));
        }
    }
    return total / SHARE < BUDGET_MIN ? BUDGET_MIN : total / SHARE;
}

/* --- What is held --- */

static void on_tick(void *data)
{
    struct server_memory *memory = data;
    int64_t held = atomic_load(&memory->budget.held);
    int64_t limit = (int64_t)memory->budget.limit;
    metric_set(memory->held, held);
    metric_set(memory->refused, (int64_t)atomic_load(&memory->budget.refused));
    metric_set(memory->ended, (int64_t)atomic_load(&memory->budget.ended));
    if (held > limit / 2) {
        memory->was_full = true;
    } else if (memory->was_full && held < limit / 4) {
        memory->was_full = false;
        (void)malloc_trim(0); /* 0: there was nothing to give back. */
    }
    env_timer_start(memory->env, &memory->tick, TICK_MS * NS_PER_MS);
}

void server_memory_open(struct server_memory *memory, struct env *env, struct metrics *metrics)
{
    memory->env = env;
    memory->held = metrics_gauge(metrics, "coracle_memory_held_bytes",
                                 "Memory of requests, streams and answers that wait.", NULL);
    memory->refused = metrics_counter(metrics, "coracle_memory_refused_total",
                                      "Requests refused as memory was short.", NULL);
    memory->ended =
        metrics_counter(metrics, "coracle_memory_ended_connections_total",
                        "Connections ended as memory was short and they did not read.", NULL);
    metric_set(
        metrics_gauge(metrics, "coracle_memory_budget_bytes", "The most that may be held.", NULL),
        (int64_t)memory->budget.limit);
    memory->tick = (struct env_timer){.fire = on_tick, .data = memory};
    on_tick(memory);
}

void server_memory_close(struct server_memory *memory)
{
    if (memory->env != NULL) {
        env_timer_stop(memory->env, &memory->tick);
    }
}
