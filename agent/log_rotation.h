/* Keeps container logs within AGENT_LOG_FILES_MAX files of AGENT_LOG_FILE_BYTES_MAX: the full file
 * is renamed, the runtime opens a new one, the oldest go. One loop. */
#ifndef AGENT_LOG_ROTATION_H
#define AGENT_LOG_ROTATION_H
#include "agent/pod_manager.h"
#include "lib/net/loop.h"

struct log_rotation {
    struct loop *loop;
    struct runtime *runtime;
    struct pod_manager *pods;
    struct loop_timer timer;
};

/* All are borrowed and outlive it. Starts its timer. */
void log_rotation_init(struct log_rotation *rotation, struct loop *loop, struct runtime *runtime,
                       struct pod_manager *pods);
void log_rotation_release(struct log_rotation *rotation);
/* Looks at every log now. */
void log_rotation_run(struct log_rotation *rotation);
/* Removes the oldest rotated files of `path` until at most `keep` are left. */
void log_rotation_prune(const char *path, size_t keep);
#endif
