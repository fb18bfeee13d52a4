/* What the node's server may see of pods. */
#include "agent/pod_manager_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct pod_entry *find(struct pod_manager *manager, const char *namespace_name,
                              const char *name, const char *uid)
{
    struct pod_entry *best = NULL;
    void *value;
    for (size_t at = 0; hash_map_next(manager->pods, &at, NULL, &value);) {
        struct pod_entry *entry = value;
        const Meta__V1__ObjectMeta *meta = entry->pod->metadata;
        if (strcmp(meta->name, name) == 0 && strcmp(meta->namespace_, namespace_name) == 0 &&
            (uid == NULL || strcmp(meta->uid, uid) == 0)) {
            best = entry; /* The one that came last, when an older one is still ending. */
        }
    }
    return best;
}

int pod_manager_find(struct pod_manager *manager, const char *namespace_name, const char *name,
                     const char *uid, struct pod_view *ret_view)
{
    struct pod_entry *entry = find(manager, namespace_name, name, uid);
    if (entry == NULL) {
        return -ENOENT;
    }
    const struct pod_worker *worker = entry->worker;
    *ret_view = (struct pod_view){
        .pod = entry->pod,
        .sandbox_id = worker->sandbox == SANDBOX_READY ? worker->sandbox_id : NULL,
        .ip = worker->ip == NULL ? "" : worker->ip,
    };
    return 0;
}

static void log_dir_of(struct pod_entry *entry, const char *container, char ret_dir[static 4096])
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct pod_inputs inputs;
    pod_entry_inputs(entry, &inputs);
    (void)snprintf(ret_dir, 4096, "%s/%s", pod_log_dir(arena, &inputs), container);
}

int pod_manager_container(struct pod_manager *manager, const char *namespace_name, const char *name,
                          const char *uid, const char *container, struct container_view *ret_view)
{
    struct pod_entry *entry = find(manager, namespace_name, name, uid);
    if (entry == NULL) {
        return -ENOENT;
    }
    size_t index = pod_worker_find(entry->worker, container);
    if (index == POD_EFFECT_NO_CONTAINER) {
        return -ESRCH;
    }
    const struct container_run *run = &entry->worker->containers[index];
    bool running = run->state == CONTAINER_RUNNING || run->state == CONTAINER_STOPPING;
    *ret_view = (struct container_view){
        .id = run->id,
        .running = running,
        .attempt = run->restart_count,
        .has_previous = run->restart_count > 0,
        .previous_attempt = run->restart_count > 0 ? run->restart_count - 1 : 0,
        .waiting = run->id == NULL,
        .waiting_reason = run->waiting_reason,
    };
    log_dir_of(entry, container, ret_view->log_dir);
    return 0;
}

void pod_manager_each_log(struct pod_manager *manager,
                          void (*each)(void *data, const char *container_id, const char *path),
                          void *data)
{
    void *value;
    for (size_t at = 0; hash_map_next(manager->pods, &at, NULL, &value);) {
        struct pod_entry *entry = value;
        for (size_t i = 0; i < entry->worker->plan->container_count; i++) {
            const struct container_run *run = &entry->worker->containers[i];
            char dir[4096], path[4200];
            if (run->state != CONTAINER_RUNNING) {
                continue;
            }
            log_dir_of(entry, entry->worker->plan->containers[i].name, dir);
            (void)snprintf(path, sizeof(path), "%s/%u.log", dir, run->restart_count);
            each(data, run->id, path);
        }
    }
}
