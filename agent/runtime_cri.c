#include "agent/runtime.h"

#include "agent/limits.h"
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/net/grpc.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define RUNTIME_PATH(name) "/runtime.v1.RuntimeService/" name
#define IMAGE_PATH(name)   "/runtime.v1.ImageService/" name

static const struct method {
    const char *path;
    const ProtobufCMessageDescriptor *response;
} methods[RUNTIME_METHODS] = {
    [RUNTIME_VERSION] = {RUNTIME_PATH("Version"), &cri__v1__version_response__descriptor},
    [RUNTIME_STATUS] = {RUNTIME_PATH("Status"), &cri__v1__status_response__descriptor},
    [RUNTIME_RUN_POD_SANDBOX] = {RUNTIME_PATH("RunPodSandbox"),
                                 &cri__v1__run_pod_sandbox_response__descriptor},
    [RUNTIME_STOP_POD_SANDBOX] = {RUNTIME_PATH("StopPodSandbox"),
                                  &cri__v1__stop_pod_sandbox_response__descriptor},
    [RUNTIME_REMOVE_POD_SANDBOX] = {RUNTIME_PATH("RemovePodSandbox"),
                                    &cri__v1__remove_pod_sandbox_response__descriptor},
    [RUNTIME_POD_SANDBOX_STATUS] = {RUNTIME_PATH("PodSandboxStatus"),
                                    &cri__v1__pod_sandbox_status_response__descriptor},
    [RUNTIME_LIST_POD_SANDBOX] = {RUNTIME_PATH("ListPodSandbox"),
                                  &cri__v1__list_pod_sandbox_response__descriptor},
    [RUNTIME_CREATE_CONTAINER] = {RUNTIME_PATH("CreateContainer"),
                                  &cri__v1__create_container_response__descriptor},
    [RUNTIME_START_CONTAINER] = {RUNTIME_PATH("StartContainer"),
                                 &cri__v1__start_container_response__descriptor},
    [RUNTIME_STOP_CONTAINER] = {RUNTIME_PATH("StopContainer"),
                                &cri__v1__stop_container_response__descriptor},
    [RUNTIME_REMOVE_CONTAINER] = {RUNTIME_PATH("RemoveContainer"),
                                  &cri__v1__remove_container_response__descriptor},
    [RUNTIME_LIST_CONTAINERS] = {RUNTIME_PATH("ListContainers"),
                                 &cri__v1__list_containers_response__descriptor},
    [RUNTIME_CONTAINER_STATUS] = {RUNTIME_PATH("ContainerStatus"),
                                  &cri__v1__container_status_response__descriptor},
    [RUNTIME_REOPEN_CONTAINER_LOG] = {RUNTIME_PATH("ReopenContainerLog"),
                                      &cri__v1__reopen_container_log_response__descriptor},
    [RUNTIME_EXEC_SYNC] = {RUNTIME_PATH("ExecSync"), &cri__v1__exec_sync_response__descriptor},
    [RUNTIME_EXEC] = {RUNTIME_PATH("Exec"), &cri__v1__exec_response__descriptor},
    [RUNTIME_ATTACH] = {RUNTIME_PATH("Attach"), &cri__v1__attach_response__descriptor},
    [RUNTIME_PORT_FORWARD] = {RUNTIME_PATH("PortForward"),
                              &cri__v1__port_forward_response__descriptor},
    [RUNTIME_LIST_IMAGES] = {IMAGE_PATH("ListImages"), &cri__v1__list_images_response__descriptor},
    [RUNTIME_IMAGE_STATUS] = {IMAGE_PATH("ImageStatus"),
                              &cri__v1__image_status_response__descriptor},
    [RUNTIME_PULL_IMAGE] = {IMAGE_PATH("PullImage"), &cri__v1__pull_image_response__descriptor},
};

struct runtime_cri {
    struct runtime base;
    struct grpc_channel *channel;
};

struct cri_call {
    const struct method *method;
    runtime_done done;
    void *data;
};

static int errno_of(enum grpc_code code)
{
    switch (code) {
    case GRPC_NOT_FOUND:
        return -ENOENT;
    case GRPC_ALREADY_EXISTS:
        return -EEXIST;
    case GRPC_DEADLINE_EXCEEDED:
        return -ETIMEDOUT;
    case GRPC_UNAVAILABLE:
        return -ENOTCONN;
    case GRPC_CANCELLED:
        return -ECANCELED;
    case GRPC_RESOURCE_EXHAUSTED:
        return -ENOSPC;
    case GRPC_OK:
    case GRPC_UNKNOWN:
    case GRPC_INVALID_ARGUMENT:
    case GRPC_PERMISSION_DENIED:
    case GRPC_FAILED_PRECONDITION:
    case GRPC_ABORTED:
    case GRPC_OUT_OF_RANGE:
    case GRPC_UNIMPLEMENTED:
    case GRPC_INTERNAL:
    case GRPC_DATA_LOSS:
    case GRPC_UNAUTHENTICATED:
        break;
    }
    return -EIO;
}

static void on_done(void *data, const struct grpc_status *status, struct slice response)
{
    struct cri_call *call = data;
    if (status->code != GRPC_OK) {
        call->done(call->data, errno_of(status->code), status->message, NULL);
        free(call);
        return;
    }
    ProtobufCMessage *message =
        protobuf_c_message_unpack(call->method->response, NULL, response.len, response.data);
    if (message == NULL) {
        call->done(call->data, -EIO, "the runtime's answer is not valid protobuf", NULL);
    } else {
        call->done(call->data, 0, "", message);
        protobuf_c_message_free_unpacked(message, NULL);
    }
    free(call);
}

static void cri_call(struct runtime *runtime, enum runtime_method method,
                     const ProtobufCMessage *request, uint64_t timeout_ms, runtime_done done,
                     void *data)
{
    struct runtime_cri *cri = CONTAINER_OF(runtime, struct runtime_cri, base);
    struct cri_call *call = alloc_zeroed(sizeof(*call));
    *call = (struct cri_call){.method = &methods[method], .done = done, .data = data};
    size_t len = protobuf_c_message_get_packed_size(request);
    CLEANUP(alloc_freep) uint8_t *bytes = alloc_bytes(len + 1);
    protobuf_c_message_pack(request, bytes);
    struct grpc_call_options options = {
        .path = methods[method].path,
        .timeout_ms = timeout_ms == 0 ? AGENT_CRI_TIMEOUT_MS : timeout_ms,
        .fail_fast = true,
    };
    (void)grpc_unary(cri->channel, &options, slice_of(bytes, len), on_done, call);
}

static void cri_close(struct runtime *runtime)
{
    struct runtime_cri *cri = CONTAINER_OF(runtime, struct runtime_cri, base);
    grpc_channel_close(cri->channel);
    free(cri);
}

static const struct runtime_ops cri_ops = {.call = cri_call, .close = cri_close};

int runtime_open_cri(struct loop *loop, const char *endpoint, struct runtime **ret_runtime,
                     struct error *reterr)
{
    struct net_address address;
    int r = net_address_parse(endpoint, &address);
    if (r < 0 || !net_address_is_unix(&address)) {
        return error_set(reterr, -EINVAL,
                         "\"%s\" is no runtime endpoint: give unix:///path/to.sock or hollow",
                         endpoint);
    }
    struct grpc_channel_options options = {
        .address = &address,
        .message_bytes_max = AGENT_CRI_RESPONSE_BYTES_MAX,
    };
    struct runtime_cri *cri = alloc_zeroed(sizeof(*cri));
    cri->base = (struct runtime){.ops = &cri_ops};
    cri->channel = grpc_channel_new(loop, &options);
    *ret_runtime = &cri->base;
    return 0;
}

void runtime_call(struct runtime *runtime, enum runtime_method method,
                  const ProtobufCMessage *request, uint64_t timeout_ms, runtime_done done,
                  void *data)
{
    assert(method < RUNTIME_METHODS);
    runtime->ops->call(runtime, method, request, timeout_ms, done, data);
}

void runtime_close(struct runtime *runtime)
{
    if (runtime != NULL) {
        runtime->ops->close(runtime);
    }
}

bool runtime_is_hollow(const struct runtime *runtime)
{
    return runtime->hollow;
}
