#include "agent/log_rotation.h"

#include "agent/limits.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define COMPONENT "logs"

struct rotated {
    char *path;
    char *renamed;
};

void log_rotation_prune(const char *path, size_t keep)
{
    CLEANUP(alloc_freep) char *pattern = alloc_printf("%s.*", path);
    glob_t found = {.gl_pathc = 0};
    /* Names end in a time that sorts as text: the first are the oldest. */
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i + keep < found.gl_pathc; i++) {
            (void)unlink(found.gl_pathv[i]);
        }
    }
    globfree(&found);
}

static void on_reopened(void *data, int status, const char *message,
                        const ProtobufCMessage *response)
{
    struct rotated *rotated = data;
    (void)response;
    if (status < 0 && status != -ECANCELED) {
        LOG_WARN(COMPONENT, "the runtime did not open a new log, the old one stays",
                 KV_TEXT("path", rotated->path), KV_TEXT("error", message));
        (void)rename(rotated->renamed, rotated->path);
    } else {
        log_rotation_prune(rotated->path, AGENT_LOG_FILES_MAX - 1);
    }
    free(rotated->path);
    free(rotated->renamed);
    free(rotated);
}

static void look_at(void *data, const char *container_id, const char *path)
{
    struct log_rotation *rotation = data;
    struct stat stat_of;
    if (stat(path, &stat_of) < 0 || stat_of.st_size < AGENT_LOG_FILE_BYTES_MAX) {
        return;
    }
    char stamp[32];
    time_t now = time(NULL);
    struct tm parts;
    if (gmtime_r(&now, &parts) == NULL ||
        strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &parts) == 0) {
        return;
    }
    struct rotated *rotated = alloc_zeroed(sizeof(*rotated));
    rotated->path = alloc_text(path);
    rotated->renamed = alloc_printf("%s.%s", path, stamp);
    if (rename(rotated->path, rotated->renamed) < 0) {
        free(rotated->path);
        free(rotated->renamed);
        free(rotated);
        return;
    }
    Cri__V1__ReopenContainerLogRequest request = CRI__V1__REOPEN_CONTAINER_LOG_REQUEST__INIT;
    CLEANUP(alloc_freep) char *id = alloc_text(container_id);
    request.container_id = id;
    runtime_call(rotation->runtime, RUNTIME_REOPEN_CONTAINER_LOG, &request.base, 0, on_reopened,
                 rotated);
}

void log_rotation_run(struct log_rotation *rotation)
{
    pod_manager_each_log(rotation->pods, look_at, rotation);
}

static void on_timer(void *data)
{
    struct log_rotation *rotation = data;
    log_rotation_run(rotation);
    loop_timer_start(rotation->loop, &rotation->timer, AGENT_LOG_ROTATE_MS);
}

void log_rotation_init(struct log_rotation *rotation, struct loop *loop, struct runtime *runtime,
                       struct pod_manager *pods)
{
    *rotation = (struct log_rotation){
        .loop = loop,
        .runtime = runtime,
        .pods = pods,
        .timer = {.fire = on_timer, .data = rotation},
    };
    if (!runtime_is_hollow(runtime)) {
        loop_timer_start(loop, &rotation->timer, AGENT_LOG_ROTATE_MS);
    }
}

void log_rotation_release(struct log_rotation *rotation)
{
    if (rotation->loop != NULL) {
        loop_timer_stop(rotation->loop, &rotation->timer);
    }
}
