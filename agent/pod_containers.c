/* The containers of a pod, asked of the runtime: how they start, stop, and ended. */
#include "agent/pod_manager_internal.h"

#include "agent/limits.h"
#include "lib/base/alloc.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* ---- Starting a container ---- */

static void start_failed(struct pod_op *op, const char *reason, const char *message)
{
    struct pod_event event = {
        .kind = EVENT_CONTAINER_FAILED,
        .container = op->container,
        .reason = reason,
        .message = message,
    };
    pod_op_answer(op, &event);
}

static void ignore_removed(void *data, int status, const char *message,
                           const ProtobufCMessage *response)
{
    (void)data;
    (void)status; /* What is not removed now goes with its sandbox. */
    (void)message;
    (void)response;
}

void pod_container_remove(struct runtime *runtime, const char *id)
{
    Cri__V1__RemoveContainerRequest request = CRI__V1__REMOVE_CONTAINER_REQUEST__INIT;
    CLEANUP(alloc_freep) char *copy = alloc_text(id);
    request.container_id = copy;
    runtime_call(runtime, RUNTIME_REMOVE_CONTAINER, &request.base, 0, ignore_removed, NULL);
}

static void on_started(void *data, int status, const char *message,
                       const ProtobufCMessage *response)
{
    struct pod_op *op = data;
    (void)response;
    if (status < 0) {
        pod_container_remove(pod_op_runtime(op),
                             op->id); /* So that its name is free for the next try. */
        start_failed(op, "RunContainerError", message);
        return;
    }
    struct pod_event event = {
        .kind = EVENT_CONTAINER_STARTED,
        .container = op->container,
        .id = op->id,
        .started_ns = pod_manager_clock(op->entry->manager).wall_ns,
        .attempt = op->attempt,
        .hash = op->hash,
    };
    pod_manager_relist_soon(op->entry->manager, 100);
    pod_op_answer(op, &event);
}

static void on_created(void *data, int status, const char *message,
                       const ProtobufCMessage *response)
{
    struct pod_op *op = data;
    if (status < 0) {
        start_failed(op, "CreateContainerError", message);
        return;
    }
    const Cri__V1__CreateContainerResponse *result = (const void *)response;
    op->id = alloc_text(result->container_id);
    Cri__V1__StartContainerRequest request = CRI__V1__START_CONTAINER_REQUEST__INIT;
    request.container_id = op->id;
    runtime_call(pod_op_runtime(op), RUNTIME_START_CONTAINER, &request.base, 0, on_started, op);
}

void pod_container_start(struct pod_op *op)
{
    struct pod_entry *entry = op->entry;
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(error_release) struct error error = {0};
    struct pod_inputs inputs;
    const Core__V1__Container *container = pod_op_container(op);
    pod_entry_inputs(entry, &inputs);
    if (op->message != NULL || container == NULL || entry->worker->sandbox_id == NULL) {
        start_failed(op, "CreateContainerConfigError",
                     op->message == NULL ? "the pod has no sandbox" : op->message);
        return;
    }
    const struct container_plan *plan = &entry->worker->plan->containers[op->container];
    struct container_request wanted = {
        .container = container,
        .attempt = op->attempt,
        .image_ref = entry->images[op->container].ref == NULL ? plan->image
                                                              : entry->images[op->container].ref,
        .image_uid = entry->images[op->container].uid,
        .hash = plan->hash,
        .runs_to_end = plan->kind == CONTAINER_INIT,
    };
    op->hash = plan->hash;
    Cri__V1__ContainerConfig *config = NULL;
    int r = container_config_build(arena, &inputs, &wanted, &config, &error);
    if (r == 0 && !inputs.hollow) {
        r = volumes_prepare_container(&inputs, container, op->attempt, &error);
        if (r == 0) {
            r = volumes_bind_subpaths(&inputs, container, &error);
        }
    }
    if (r < 0) {
        entry->objects_fetched = false; /* What is missing may come. */
        start_failed(op, "CreateContainerConfigError", error_message(&error));
        return;
    }
    Cri__V1__CreateContainerRequest request = CRI__V1__CREATE_CONTAINER_REQUEST__INIT;
    request.pod_sandbox_id = entry->worker->sandbox_id;
    request.config = config;
    request.sandbox_config = sandbox_config_build(arena, &inputs, entry->worker->sandbox_attempt);
    runtime_call(pod_op_runtime(op), RUNTIME_CREATE_CONTAINER, &request.base, 0, on_created, op);
}

/* ---- Stopping and ends ---- */

/* The last bytes of a file, as text in the arena; "" when it cannot be read. */
static char *read_tail(struct arena *arena, const char *path, size_t max)
{
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (file < 0) {
        return arena_text(arena, "");
    }
    off_t size = lseek(file, 0, SEEK_END);
    off_t from = size > (off_t)max ? size - (off_t)max : 0;
    char *text = arena_zeroed(arena, max + 1);
    ssize_t n = pread(file, text, max, from);
    (void)close(file);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

/* Log lines without their time, stream and tag. */
static char *log_text(struct arena *arena, const char *log)
{
    char *text = arena_text(arena, "");
    for (const char *line = log; *line != '\0';) {
        const char *end = strchrnul(line, '\n');
        const char *at = line;
        for (int spaces = 0; at < end && spaces < 3; at++) {
            spaces += *at == ' ';
        }
        text = arena_printf(arena, "%s%.*s\n", text, (int)(end - at), at);
        line = *end == '\n' ? end + 1 : end;
    }
    return text;
}

static char *termination_message(struct arena *arena, struct pod_op *op,
                                 const Cri__V1__ContainerStatus *status)
{
    struct pod_inputs inputs;
    const Core__V1__Container *container = pod_op_container(op);
    pod_entry_inputs(op->entry, &inputs);
    if (container == NULL || inputs.hollow) {
        return arena_text(arena, "");
    }
    char *path = pod_termination_path(arena, &inputs, container->name, op->attempt);
    char *text = read_tail(arena, path, AGENT_TERMINATION_MESSAGE_BYTES_MAX);
    bool fallback = container->termination_message_policy != NULL &&
                    strcmp(container->termination_message_policy, "FallbackToLogsOnError") == 0;
    if (text[0] == '\0' && fallback && status->exit_code != 0) {
        char *log = arena_printf(arena, "%s/%s/%u.log", pod_log_dir(arena, &inputs),
                                 container->name, op->attempt);
        text = log_text(arena, read_tail(arena, log, 2048));
    }
    return text[0] == '\0' ? arena_text(arena, status->message) : text;
}

static void take_end(struct pod_op *op, int status, const ProtobufCMessage *response)
{
    const Cri__V1__ContainerStatusResponse *result = (const void *)response;
    if (status < 0 && status != -ENOENT) {
        pod_op_free(op); /* The next listing asks again. */
        return;
    }
    struct worker_clock clock = pod_manager_clock(op->entry->manager);
    struct pod_event event = {
        .kind = EVENT_CONTAINER_EXITED,
        .container = op->container,
        .id = op->id,
        .attempt = op->attempt,
        .exit_code = 137,
        .reason = "ContainerStatusUnknown",
        .message = "The container could not be located when the pod was terminated",
        .finished_ns = clock.wall_ns,
    };
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    if (status == 0 && result->status != NULL) {
        if (result->status->state != CRI__V1__CONTAINER_STATE__CONTAINER_EXITED) {
            pod_op_free(op);
            return;
        }
        event.exit_code = result->status->exit_code;
        event.reason = result->status->reason[0] != '\0' ? result->status->reason
                       : event.exit_code == 0            ? "Completed"
                                                         : "Error";
        event.message = termination_message(arena, op, result->status);
        event.started_ns = result->status->started_at;
        event.finished_ns = result->status->finished_at;
    }
    pod_op_answer(op, &event);
}

static void on_end_status(void *data, int status, const char *message,
                          const ProtobufCMessage *response)
{
    struct pod_op *op = data;
    struct pod_entry *entry = op->entry;
    bool adopting = op->flag;
    (void)message;
    entry->references++;
    take_end(op, status, response);
    if (adopting) {
        pod_adoption_progress(entry);
    }
    pod_entry_unref(entry);
}

void pod_container_ended(struct pod_entry *entry, size_t container, const char *id,
                         uint32_t attempt)
{
    struct pod_op *op = pod_op_new(entry, container);
    op->flag = entry->adopting;
    entry->adopt_pending += entry->adopting ? 1 : 0;
    op->id = alloc_text(id);
    op->attempt = attempt;
    Cri__V1__ContainerStatusRequest request = CRI__V1__CONTAINER_STATUS_REQUEST__INIT;
    request.container_id = op->id;
    runtime_call(pod_op_runtime(op), RUNTIME_CONTAINER_STATUS, &request.base, 0, on_end_status, op);
}

static void on_stopped(void *data, int status, const char *message,
                       const ProtobufCMessage *response)
{
    struct pod_op *op = data;
    (void)response;
    if (status < 0 && status != -ENOENT) {
        struct pod_event event = {
            .kind = EVENT_STOP_FAILED,
            .container = op->container,
            .message = message,
        };
        pod_op_answer(op, &event);
        return;
    }
    pod_container_ended(op->entry, op->container, op->id,
                        op->entry->worker->containers[op->container].restart_count);
    pod_op_free(op);
}

void pod_container_stop(struct pod_op *op)
{
    Cri__V1__StopContainerRequest request = CRI__V1__STOP_CONTAINER_REQUEST__INIT;
    request.container_id = op->id;
    request.timeout = op->grace_seconds;
    runtime_call(pod_op_runtime(op), RUNTIME_STOP_CONTAINER, &request.base,
                 (uint64_t)op->grace_seconds * 1000 + AGENT_CRI_TIMEOUT_MS, on_stopped, op);
}
