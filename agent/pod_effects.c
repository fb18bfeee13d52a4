/* What the worker wants done, done: volumes, sandbox, images, hooks, probes; containers are in
 * pod_containers.c. Each operation answers with one event. */
#include "agent/pod_manager_internal.h"

#include "agent/limits.h"
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define COMPONENT "pods"

struct runtime *pod_op_runtime(struct pod_op *op)
{
    return op->entry->manager->tools.runtime;
}

void pod_op_answer(struct pod_op *op, const struct pod_event *event)
{
    pod_entry_step(op->entry, event);
    pod_op_free(op);
}

const Core__V1__Container *pod_op_container(struct pod_op *op)
{
    return pod_container_find(op->entry->pod,
                              op->entry->worker->plan->containers[op->container].name);
}

/* ---- Volumes ---- */

static void volumes_fetched(struct pod_op *op)
{
    struct pod_entry *entry = op->entry;
    struct pod_inputs inputs;
    struct volume_tokens tokens = {.find = pod_tokens_find, .data = entry};
    struct error error = {0};
    struct pod_event event = {.kind = EVENT_VOLUMES_READY};
    pod_entry_inputs(entry, &inputs);
    if (runtime_is_hollow(entry->manager->tools.runtime)) {
        pod_op_answer(op, &event);
        return;
    }
    if (op->message != NULL && entry->was_running) {
        /* The control plane is away: what an agent before this one has made is still there. */
        pod_op_answer(op, &event);
        return;
    }
    if (op->message != NULL) {
        event = (struct pod_event){.kind = EVENT_VOLUMES_FAILED, .message = op->message};
        pod_op_answer(op, &event);
        return;
    }
    if (volumes_prepare(&inputs, &tokens, &error) < 0) {
        entry->objects_fetched = false; /* What is missing may come. */
        event = (struct pod_event){.kind = EVENT_VOLUMES_FAILED, .message = error_message(&error)};
        pod_op_answer(op, &event);
        error_release(&error);
        return;
    }
    entry->refresh_ms = loop_now_ms(entry->manager->tools.loop) + AGENT_VOLUME_REFRESH_MS;
    pod_op_answer(op, &event);
}

/* ---- Sandbox ---- */

static void on_sandbox_status(void *data, int status, const char *message,
                              const ProtobufCMessage *response)
{
    struct pod_op *op = data;
    struct pod_event event = {.kind = EVENT_SANDBOX_FAILED, .message = message};
    const Cri__V1__PodSandboxStatusResponse *result = (const void *)response;
    if (status == 0 && result->status != NULL) {
        event = (struct pod_event){
            .kind = EVENT_SANDBOX_READY,
            .id = op->id,
            .ip = result->status->network == NULL ? "" : result->status->network->ip,
            .attempt = op->attempt,
        };
    }
    pod_op_answer(op, &event);
}

static void ask_sandbox_status(struct pod_op *op)
{
    Cri__V1__PodSandboxStatusRequest request = CRI__V1__POD_SANDBOX_STATUS_REQUEST__INIT;
    request.pod_sandbox_id = op->id;
    runtime_call(pod_op_runtime(op), RUNTIME_POD_SANDBOX_STATUS, &request.base, 0,
                 on_sandbox_status, op);
}

static void on_sandbox_run(void *data, int status, const char *message,
                           const ProtobufCMessage *response)
{
    struct pod_op *op = data;
    if (status < 0) {
        struct pod_event event = {.kind = EVENT_SANDBOX_FAILED, .message = message};
        pod_op_answer(op, &event);
        return;
    }
    const Cri__V1__RunPodSandboxResponse *result = (const void *)response;
    op->id = alloc_text(result->pod_sandbox_id);
    ask_sandbox_status(op);
}

static void create_sandbox(struct pod_op *op)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct pod_inputs inputs;
    struct error error = {0};
    pod_entry_inputs(op->entry, &inputs);
    if (!inputs.hollow && directory_make(pod_log_dir(arena, &inputs), 0755, &error) < 0) {
        struct pod_event event = {.kind = EVENT_SANDBOX_FAILED, .message = error_message(&error)};
        pod_op_answer(op, &event);
        error_release(&error);
        return;
    }
    Cri__V1__RunPodSandboxRequest request = CRI__V1__RUN_POD_SANDBOX_REQUEST__INIT;
    request.config = sandbox_config_build(arena, &inputs, op->attempt);
    if (op->entry->pod->spec->runtime_class_name != NULL) {
        request.runtime_handler = op->entry->pod->spec->runtime_class_name;
    }
    runtime_call(pod_op_runtime(op), RUNTIME_RUN_POD_SANDBOX, &request.base, 0, on_sandbox_run, op);
}

static void stop_sandbox(void *data);

static void on_sandbox_stopped(void *data, int status, const char *message,
                               const ProtobufCMessage *response)
{
    struct pod_op *op = data;
    (void)response;
    if (status < 0 && status != -ENOENT && status != -ECANCELED) {
        LOG_WARN(COMPONENT, "sandbox not stopped, trying again",
                 KV_TEXT("pod", op->entry->pod->metadata->name), KV_TEXT("error", message));
        op->timer = (struct loop_timer){.fire = stop_sandbox, .data = op};
        loop_timer_start(op->entry->manager->tools.loop, &op->timer, AGENT_SYNC_RETRY_MS);
        return;
    }
    struct pod_event event = {.kind = EVENT_SANDBOX_GONE};
    pod_manager_relist_soon(op->entry->manager, 0);
    pod_op_answer(op, &event);
}

static void stop_sandbox(void *data)
{
    struct pod_op *op = data;
    Cri__V1__StopPodSandboxRequest request = CRI__V1__STOP_POD_SANDBOX_REQUEST__INIT;
    request.pod_sandbox_id = op->id;
    runtime_call(pod_op_runtime(op), RUNTIME_STOP_POD_SANDBOX, &request.base, 0, on_sandbox_stopped,
                 op);
}

/* ---- Images ---- */

static void take_image(struct pod_op *op, const Cri__V1__Image *image)
{
    struct image_info *info = &op->entry->images[op->container];
    free(info->ref);
    info->ref = alloc_text(image->id);
    info->uid = image->uid != NULL                                      ? image->uid->value
                : image->username != NULL && image->username[0] != '\0' ? -1
                                                                        : 0;
    info->size_bytes = image->size;
}

static void on_image_status(void *data, int status, const char *message,
                            const ProtobufCMessage *response)
{
    struct pod_op *op = data;
    const Cri__V1__ImageStatusResponse *result = (const void *)response;
    struct pod_event event = {.kind = EVENT_IMAGE_CHECKED, .container = op->container};
    if (status < 0) {
        event = (struct pod_event){
            .kind = EVENT_IMAGE_FAILED,
            .container = op->container,
            .reason = "ImageInspectError",
            .message = message,
        };
    } else if (result->image != NULL && result->image->id[0] != '\0') {
        take_image(op, result->image);
        event.ok = true;
        event.id = op->entry->images[op->container].ref;
    }
    pod_op_answer(op, &event);
}

static void image_status(struct pod_op *op, runtime_done done)
{
    Cri__V1__ImageSpec spec = CRI__V1__IMAGE_SPEC__INIT;
    CLEANUP(alloc_freep)
    char *image = alloc_text(op->entry->worker->plan->containers[op->container].image);
    spec.image = image;
    Cri__V1__ImageStatusRequest request = CRI__V1__IMAGE_STATUS_REQUEST__INIT;
    request.image = &spec;
    runtime_call(pod_op_runtime(op), RUNTIME_IMAGE_STATUS, &request.base, 0, done, op);
}

static void on_pulled_status(void *data, int status, const char *message,
                             const ProtobufCMessage *response)
{
    struct pod_op *op = data;
    (void)message;
    const Cri__V1__ImageStatusResponse *result = (const void *)response;
    if (status == 0 && result->image != NULL) {
        take_image(op, result->image);
    }
    struct image_info *info = &op->entry->images[op->container];
    struct pod_event event = {
        .kind = EVENT_IMAGE_PULLED,
        .container = op->container,
        .id = info->ref == NULL ? op->id : info->ref,
        .size_bytes = info->size_bytes,
        .elapsed_ms = loop_now_ms(op->entry->manager->tools.loop) - op->started_ms,
    };
    pod_op_answer(op, &event);
}

static void on_pulled(void *data, int status, const char *message, const ProtobufCMessage *response)
{
    struct pod_op *op = data;
    if (status < 0) {
        struct pod_event event = {
            .kind = EVENT_IMAGE_FAILED,
            .container = op->container,
            .message = message,
        };
        pod_op_answer(op, &event);
        return;
    }
    const Cri__V1__PullImageResponse *result = (const void *)response;
    op->id = alloc_text(result->image_ref);
    image_status(op, on_pulled_status);
}

static void pull_image(struct pod_op *op)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct pod_inputs inputs;
    pod_entry_inputs(op->entry, &inputs);
    Cri__V1__ImageSpec spec = CRI__V1__IMAGE_SPEC__INIT;
    spec.image = arena_text(arena, op->entry->worker->plan->containers[op->container].image);
    Cri__V1__PullImageRequest request = CRI__V1__PULL_IMAGE_REQUEST__INIT;
    request.image = &spec;
    request.sandbox_config =
        sandbox_config_build(arena, &inputs, op->entry->worker->sandbox_attempt);
    op->started_ms = loop_now_ms(op->entry->manager->tools.loop);
    runtime_call(pod_op_runtime(op), RUNTIME_PULL_IMAGE, &request.base, AGENT_CRI_PULL_TIMEOUT_MS,
                 on_pulled, op);
}

/* ---- Probes and hooks ---- */

static void on_probe(void *data, bool ok, const char *message)
{
    struct pod_op *op = data;
    const struct container_run *run = &op->entry->worker->containers[op->container];
    if (op->entry->dropped || run->id == NULL || strcmp(run->id, op->id) != 0) {
        pod_op_free(op); /* Of a run before this one. */
        return;
    }
    struct pod_event event = {
        .kind = EVENT_PROBE,
        .container = op->container,
        .probe = op->probe,
        .ok = ok,
        .message = message,
    };
    pod_op_answer(op, &event);
}

static const Core__V1__Probe *probe_of(const Core__V1__Container *container, enum probe_kind kind)
{
    return kind == PROBE_STARTUP    ? container->startup_probe
           : kind == PROBE_LIVENESS ? container->liveness_probe
                                    : container->readiness_probe;
}

static const char *address_of(struct pod_entry *entry)
{
    const char *ip = entry->pod->spec->host_network ? entry->manager->node_ip : entry->worker->ip;
    return ip == NULL ? "" : ip;
}

static void run_probe(struct pod_op *op)
{
    const Core__V1__Container *container = pod_op_container(op);
    const Core__V1__Probe *probe = container == NULL ? NULL : probe_of(container, op->probe);
    op->id = alloc_text(op->entry->worker->containers[op->container].id);
    if (probe == NULL || probe->handler == NULL) {
        pod_op_free(op); /* The spec changed meanwhile. */
        return;
    }
    struct probe_request request = {
        .exec = probe->handler->exec,
        .http_get = probe->handler->http_get,
        .tcp_socket = probe->handler->tcp_socket,
        .grpc = probe->handler->grpc,
        .container = container,
        .container_id = op->id,
        .pod_ip = address_of(op->entry),
        .timeout_ms =
            op->entry->worker->plan->containers[op->container].probes[op->probe].timeout_ms,
    };
    probe_run(&op->entry->manager->tools, &request, on_probe, op);
}

static void on_hook(void *data, bool ok, const char *message)
{
    struct pod_op *op = data;
    struct pod_event event = {
        .kind = EVENT_HOOK_DONE,
        .container = op->container,
        .ok = ok,
        .message = message,
    };
    pod_op_answer(op, &event);
}

static void run_hook(struct pod_op *op)
{
    const Core__V1__Container *container = pod_op_container(op);
    const Core__V1__Lifecycle *lifecycle = container == NULL ? NULL : container->lifecycle;
    const Core__V1__LifecycleHandler *handler = lifecycle == NULL ? NULL
                                                : op->flag        ? lifecycle->post_start
                                                                  : lifecycle->pre_stop;
    op->id = alloc_text(op->entry->worker->containers[op->container].id);
    struct probe_request request = {
        .container = container,
        .container_id = op->id,
        .pod_ip = address_of(op->entry),
        .timeout_ms = op->flag ? AGENT_CRI_TIMEOUT_MS : (uint64_t)op->grace_seconds * 1000,
    };
    if (handler != NULL) {
        request.exec = handler->exec;
        request.http_get = handler->http_get;
        request.tcp_socket = handler->tcp_socket;
        request.sleep = handler->sleep;
    }
    probe_run(&op->entry->manager->tools, &request, on_hook, op);
}

/* ---- Dispatch ---- */

void pod_effect_run(struct pod_entry *entry, const struct pod_effect *effect)
{
    struct pod_manager *manager = entry->manager;
    if (effect->kind == EFFECT_REMOVE_CONTAINER) {
        pod_container_remove(manager->tools.runtime, effect->id);
        return;
    }
    if (effect->kind == EFFECT_CLEAN) {
        pod_clean(entry);
        return;
    }
    if (effect->kind == EFFECT_POD_DELETED) {
        manager->hooks.deleted(manager->hooks.data, entry->pod);
        return;
    }
    struct pod_op *op = pod_op_new(entry, effect->container);
    op->attempt = effect->attempt;
    op->probe = effect->probe;
    op->flag = effect->ok;
    op->grace_seconds = effect->grace_seconds;
    op->id = effect->id == NULL ? NULL : alloc_text(effect->id);
    switch (effect->kind) {
    case EFFECT_PREPARE_VOLUMES:
        pod_objects_fetch(op, /* again= */ false, volumes_fetched);
        return;
    case EFFECT_CREATE_SANDBOX:
        create_sandbox(op);
        return;
    case EFFECT_STOP_SANDBOX:
        stop_sandbox(op);
        return;
    case EFFECT_CHECK_IMAGE:
        image_status(op, on_image_status);
        return;
    case EFFECT_PULL_IMAGE:
        pull_image(op);
        return;
    case EFFECT_START_CONTAINER:
        pod_objects_fetch(op, /* again= */ false, pod_container_start);
        return;
    case EFFECT_STOP_CONTAINER:
        pod_container_stop(op);
        return;
    case EFFECT_RUN_HOOK:
        run_hook(op);
        return;
    case EFFECT_RUN_PROBE:
        run_probe(op);
        return;
    case EFFECT_STATUS:
    case EFFECT_RECORD:
    case EFFECT_REMOVE_CONTAINER:
    case EFFECT_CLEAN:
    case EFFECT_POD_DELETED:
    case EFFECT_DROP:
        break;
    }
    pod_op_free(op);
}
