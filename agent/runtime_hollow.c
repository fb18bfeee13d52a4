/* Containers that exist in memory only: started at once, running until they are stopped. For nodes
 * without containers, and for thousands of nodes on one machine. */
#include "agent/limits.h"
#include "agent/runtime.h"
#include "lib/base/alloc.h"
#include "lib/base/list.h"
#include "lib/net/loop.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct hollow_sandbox {
    struct list node;
    char *id;
    Cri__V1__PodSandboxConfig *config;
    bool ready;
    char ip[32];
    int64_t created_ns;
};

struct hollow_container {
    struct list node;
    char *id;
    struct hollow_sandbox *sandbox;
    Cri__V1__ContainerConfig *config;
    Cri__V1__ContainerState state;
    int64_t created_ns, started_ns, finished_ns;
};

struct runtime_hollow {
    struct runtime base;
    struct loop *loop;
    struct list sandboxes;
    struct list containers;
    struct list answers; /* To be given at the end of the turn. */
    struct loop_turn_end turn_end;
    uint64_t next_id;
};

/* An answer waiting for its turn: it must not come from inside the call. */
struct hollow_answer {
    struct list node;
    runtime_done done;
    void *data;
    int status;
    ProtobufCMessage *response; /* Owned, or NULL. */
};

static int64_t wall_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now); /* Cannot fail for this clock. */
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* A message that stays: packed and unpacked. */
static ProtobufCMessage *message_copy(const ProtobufCMessage *message)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    CLEANUP(alloc_freep) uint8_t *bytes = alloc_bytes(len + 1);
    protobuf_c_message_pack(message, bytes);
    ProtobufCMessage *copy = protobuf_c_message_unpack(message->descriptor, NULL, len, bytes);
    assert(copy != NULL);
    return copy;
}

static char *make_id(struct runtime_hollow *hollow)
{
    return alloc_printf("%064" PRIx64, ++hollow->next_id);
}

static struct hollow_sandbox *find_sandbox(struct runtime_hollow *hollow, const char *id)
{
    LIST_FOREACH(node, next, &hollow->sandboxes)
    {
        struct hollow_sandbox *sandbox = LIST_ENTRY(node, struct hollow_sandbox, node);
        if (strcmp(sandbox->id, id) == 0) {
            return sandbox;
        }
    }
    return NULL;
}

static struct hollow_container *find_container(struct runtime_hollow *hollow, const char *id)
{
    LIST_FOREACH(node, next, &hollow->containers)
    {
        struct hollow_container *container = LIST_ENTRY(node, struct hollow_container, node);
        if (strcmp(container->id, id) == 0) {
            return container;
        }
    }
    return NULL;
}

static void container_free(struct hollow_container *container)
{
    list_remove(&container->node);
    protobuf_c_message_free_unpacked(&container->config->base, NULL);
    free(container->id);
    free(container);
}

static void sandbox_free(struct runtime_hollow *hollow, struct hollow_sandbox *sandbox)
{
    LIST_FOREACH(node, next, &hollow->containers)
    {
        struct hollow_container *container = LIST_ENTRY(node, struct hollow_container, node);
        if (container->sandbox == sandbox) {
            container_free(container);
        }
    }
    list_remove(&sandbox->node);
    protobuf_c_message_free_unpacked(&sandbox->config->base, NULL);
    free(sandbox->id);
    free(sandbox);
}

static void stop_container(struct hollow_container *container)
{
    if (container->state == CRI__V1__CONTAINER_STATE__CONTAINER_RUNNING) {
        container->state = CRI__V1__CONTAINER_STATE__CONTAINER_EXITED;
        container->finished_ns = wall_ns();
    }
}

static int run_sandbox(struct runtime_hollow *hollow, const ProtobufCMessage *message,
                       ProtobufCMessage **ret_response)
{
    const Cri__V1__RunPodSandboxRequest *request = (const void *)message;
    struct hollow_sandbox *sandbox = alloc_zeroed(sizeof(*sandbox));
    list_init(&sandbox->node);
    sandbox->id = make_id(hollow);
    sandbox->config = (void *)message_copy(&request->config->base);
    sandbox->ready = true;
    sandbox->created_ns = wall_ns();
    /* From the range for benchmarks (RFC 2544), so that nobody takes it for a real address. */
    unsigned number = (unsigned)(hollow->next_id & 0xffff);
    (void)snprintf(sandbox->ip, sizeof(sandbox->ip), "198.18.%u.%u", number >> 8, number & 255);
    list_push_back(&hollow->sandboxes, &sandbox->node);
    Cri__V1__RunPodSandboxResponse response = CRI__V1__RUN_POD_SANDBOX_RESPONSE__INIT;
    response.pod_sandbox_id = sandbox->id;
    *ret_response = message_copy(&response.base);
    return 0;
}

static int stop_sandbox(struct runtime_hollow *hollow, const ProtobufCMessage *message,
                        ProtobufCMessage **ret_response)
{
    const Cri__V1__StopPodSandboxRequest *request = (const void *)message;
    struct hollow_sandbox *sandbox = find_sandbox(hollow, request->pod_sandbox_id);
    if (sandbox != NULL) {
        sandbox->ready = false;
        LIST_FOREACH(node, next, &hollow->containers)
        {
            struct hollow_container *container = LIST_ENTRY(node, struct hollow_container, node);
            if (container->sandbox == sandbox) {
                stop_container(container);
            }
        }
    }
    Cri__V1__StopPodSandboxResponse response = CRI__V1__STOP_POD_SANDBOX_RESPONSE__INIT;
    *ret_response = message_copy(&response.base);
    return 0;
}

static int remove_sandbox(struct runtime_hollow *hollow, const ProtobufCMessage *message,
                          ProtobufCMessage **ret_response)
{
    const Cri__V1__RemovePodSandboxRequest *request = (const void *)message;
    struct hollow_sandbox *sandbox = find_sandbox(hollow, request->pod_sandbox_id);
    if (sandbox != NULL) {
        sandbox_free(hollow, sandbox);
    }
    Cri__V1__RemovePodSandboxResponse response = CRI__V1__REMOVE_POD_SANDBOX_RESPONSE__INIT;
    *ret_response = message_copy(&response.base);
    return 0;
}

static int sandbox_status(struct runtime_hollow *hollow, const ProtobufCMessage *message,
                          ProtobufCMessage **ret_response)
{
    const Cri__V1__PodSandboxStatusRequest *request = (const void *)message;
    struct hollow_sandbox *sandbox = find_sandbox(hollow, request->pod_sandbox_id);
    if (sandbox == NULL) {
        return -ENOENT;
    }
    Cri__V1__PodSandboxNetworkStatus network = CRI__V1__POD_SANDBOX_NETWORK_STATUS__INIT;
    network.ip = sandbox->ip;
    Cri__V1__PodSandboxStatus status = CRI__V1__POD_SANDBOX_STATUS__INIT;
    status.id = sandbox->id;
    status.metadata = sandbox->config->metadata;
    status.state = sandbox->ready ? CRI__V1__POD_SANDBOX_STATE__SANDBOX_READY
                                  : CRI__V1__POD_SANDBOX_STATE__SANDBOX_NOTREADY;
    status.created_at = sandbox->created_ns;
    status.network = &network;
    status.n_labels = sandbox->config->n_labels;
    status.labels = sandbox->config->labels;
    Cri__V1__PodSandboxStatusResponse response = CRI__V1__POD_SANDBOX_STATUS_RESPONSE__INIT;
    response.status = &status;
    *ret_response = message_copy(&response.base);
    return 0;
}

static int list_sandboxes(struct runtime_hollow *hollow, const ProtobufCMessage *message,
                          ProtobufCMessage **ret_response)
{
    (void)message; /* Filters are for saving work; the caller looks at labels anyway. */
    Cri__V1__ListPodSandboxResponse *response = alloc_zeroed(sizeof(*response));
    cri__v1__list_pod_sandbox_response__init(response);
    size_t count = 0;
    LIST_FOREACH(node, next, &hollow->sandboxes)
    {
        (void)node;
        count++;
    }
    Cri__V1__PodSandbox *items = alloc_array(count + 1, sizeof(*items));
    Cri__V1__PodSandbox **pointers = alloc_array(count + 1, sizeof(*pointers));
    LIST_FOREACH(node, next, &hollow->sandboxes)
    {
        struct hollow_sandbox *sandbox = LIST_ENTRY(node, struct hollow_sandbox, node);
        Cri__V1__PodSandbox *item = &items[response->n_items];
        cri__v1__pod_sandbox__init(item);
        item->id = sandbox->id;
        item->metadata = sandbox->config->metadata;
        item->state = sandbox->ready ? CRI__V1__POD_SANDBOX_STATE__SANDBOX_READY
                                     : CRI__V1__POD_SANDBOX_STATE__SANDBOX_NOTREADY;
        item->created_at = sandbox->created_ns;
        item->n_labels = sandbox->config->n_labels;
        item->labels = sandbox->config->labels;
        item->n_annotations = sandbox->config->n_annotations;
        item->annotations = sandbox->config->annotations;
        pointers[response->n_items++] = item;
    }
    response->items = pointers;
    *ret_response = message_copy(&response->base);
    free(items);
    free(pointers);
    free(response);
    return 0;
}

static int create_container(struct runtime_hollow *hollow, const ProtobufCMessage *message,
                            ProtobufCMessage **ret_response)
{
    const Cri__V1__CreateContainerRequest *request = (const void *)message;
    struct hollow_sandbox *sandbox = find_sandbox(hollow, request->pod_sandbox_id);
    if (sandbox == NULL || !sandbox->ready) {
        return -ENOENT;
    }
    struct hollow_container *container = alloc_zeroed(sizeof(*container));
    list_init(&container->node);
    container->id = make_id(hollow);
    container->sandbox = sandbox;
    container->config = (void *)message_copy(&request->config->base);
    container->state = CRI__V1__CONTAINER_STATE__CONTAINER_CREATED;
    container->created_ns = wall_ns();
    list_push_back(&hollow->containers, &container->node);
    Cri__V1__CreateContainerResponse response = CRI__V1__CREATE_CONTAINER_RESPONSE__INIT;
    response.container_id = container->id;
    *ret_response = message_copy(&response.base);
    return 0;
}

static int start_container(struct runtime_hollow *hollow, const ProtobufCMessage *message,
                           ProtobufCMessage **ret_response)
{
    const Cri__V1__StartContainerRequest *request = (const void *)message;
    struct hollow_container *container = find_container(hollow, request->container_id);
    if (container == NULL) {
        return -ENOENT;
    }
    container->state = CRI__V1__CONTAINER_STATE__CONTAINER_RUNNING;
    container->started_ns = wall_ns();
    /* What would run to its end does so at once: an init container has nothing to wait for. */
    for (size_t i = 0; i < container->config->n_annotations; i++) {
        if (strcmp(container->config->annotations[i]->key, "coracle.io/runs-to-end") == 0) {
            stop_container(container);
        }
    }
    Cri__V1__StartContainerResponse response = CRI__V1__START_CONTAINER_RESPONSE__INIT;
    *ret_response = message_copy(&response.base);
    return 0;
}

static int stop_container_call(struct runtime_hollow *hollow, const ProtobufCMessage *message,
                               ProtobufCMessage **ret_response)
{
    const Cri__V1__StopContainerRequest *request = (const void *)message;
    struct hollow_container *container = find_container(hollow, request->container_id);
    if (container != NULL) {
        stop_container(container);
    }
    Cri__V1__StopContainerResponse response = CRI__V1__STOP_CONTAINER_RESPONSE__INIT;
    *ret_response = message_copy(&response.base);
    return 0;
}

static int remove_container(struct runtime_hollow *hollow, const ProtobufCMessage *message,
                            ProtobufCMessage **ret_response)
{
    const Cri__V1__RemoveContainerRequest *request = (const void *)message;
    struct hollow_container *container = find_container(hollow, request->container_id);
    if (container != NULL) {
        container_free(container);
    }
    Cri__V1__RemoveContainerResponse response = CRI__V1__REMOVE_CONTAINER_RESPONSE__INIT;
    *ret_response = message_copy(&response.base);
    return 0;
}

static int list_containers(struct runtime_hollow *hollow, const ProtobufCMessage *message,
                           ProtobufCMessage **ret_response)
{
    (void)message;
    size_t count = 0;
    LIST_FOREACH(node, next, &hollow->containers)
    {
        (void)node;
        count++;
    }
    Cri__V1__ListContainersResponse response = CRI__V1__LIST_CONTAINERS_RESPONSE__INIT;
    Cri__V1__Container *items = alloc_array(count + 1, sizeof(*items));
    Cri__V1__Container **pointers = alloc_array(count + 1, sizeof(*pointers));
    LIST_FOREACH(node, next, &hollow->containers)
    {
        struct hollow_container *container = LIST_ENTRY(node, struct hollow_container, node);
        Cri__V1__Container *item = &items[response.n_containers];
        cri__v1__container__init(item);
        item->id = container->id;
        item->pod_sandbox_id = container->sandbox->id;
        item->metadata = container->config->metadata;
        item->state = container->state;
        item->created_at = container->created_ns;
        item->n_labels = container->config->n_labels;
        item->labels = container->config->labels;
        item->n_annotations = container->config->n_annotations;
        item->annotations = container->config->annotations;
        pointers[response.n_containers++] = item;
    }
    response.containers = pointers;
    *ret_response = message_copy(&response.base);
    free(items);
    free(pointers);
    return 0;
}

static int container_status(struct runtime_hollow *hollow, const ProtobufCMessage *message,
                            ProtobufCMessage **ret_response)
{
    const Cri__V1__ContainerStatusRequest *request = (const void *)message;
    struct hollow_container *container = find_container(hollow, request->container_id);
    if (container == NULL) {
        return -ENOENT;
    }
    Cri__V1__ContainerStatus status = CRI__V1__CONTAINER_STATUS__INIT;
    status.id = container->id;
    status.metadata = container->config->metadata;
    status.state = container->state;
    status.created_at = container->created_ns;
    status.started_at = container->started_ns;
    status.finished_at = container->finished_ns;
    status.image = container->config->image;
    if (container->config->image != NULL) {
        status.image_ref = container->config->image->image;
    }
    status.n_labels = container->config->n_labels;
    status.labels = container->config->labels;
    status.n_annotations = container->config->n_annotations;
    status.annotations = container->config->annotations;
    char completed[] = "Completed";
    if (container->state == CRI__V1__CONTAINER_STATE__CONTAINER_EXITED) {
        status.reason = completed;
    }
    Cri__V1__ContainerStatusResponse response = CRI__V1__CONTAINER_STATUS_RESPONSE__INIT;
    response.status = &status;
    *ret_response = message_copy(&response.base);
    return 0;
}

static int image_status(struct runtime_hollow *hollow, const ProtobufCMessage *message,
                        ProtobufCMessage **ret_response)
{
    (void)hollow;
    const Cri__V1__ImageStatusRequest *request = (const void *)message;
    Cri__V1__Image image = CRI__V1__IMAGE__INIT;
    image.id = request->image->image; /* Every image is here. */
    Cri__V1__ImageStatusResponse response = CRI__V1__IMAGE_STATUS_RESPONSE__INIT;
    response.image = &image;
    *ret_response = message_copy(&response.base);
    return 0;
}

static int pull_image(struct runtime_hollow *hollow, const ProtobufCMessage *message,
                      ProtobufCMessage **ret_response)
{
    (void)hollow;
    const Cri__V1__PullImageRequest *request = (const void *)message;
    Cri__V1__PullImageResponse response = CRI__V1__PULL_IMAGE_RESPONSE__INIT;
    response.image_ref = request->image->image;
    *ret_response = message_copy(&response.base);
    return 0;
}

static int list_images(struct runtime_hollow *hollow, const ProtobufCMessage *message,
                       ProtobufCMessage **ret_response)
{
    (void)hollow;
    (void)message;
    Cri__V1__ListImagesResponse response = CRI__V1__LIST_IMAGES_RESPONSE__INIT;
    *ret_response = message_copy(&response.base);
    return 0;
}

/* Probes and hooks of pods without containers succeed. */
static int exec_sync(struct runtime_hollow *hollow, const ProtobufCMessage *message,
                     ProtobufCMessage **ret_response)
{
    (void)hollow;
    (void)message;
    Cri__V1__ExecSyncResponse response = CRI__V1__EXEC_SYNC_RESPONSE__INIT;
    *ret_response = message_copy(&response.base);
    return 0;
}

static int version(struct runtime_hollow *hollow, const ProtobufCMessage *message,
                   ProtobufCMessage **ret_response)
{
    (void)hollow;
    (void)message;
    char name[] = "hollow", number[] = "1";
    Cri__V1__VersionResponse response = CRI__V1__VERSION_RESPONSE__INIT;
    response.runtime_name = name;
    response.runtime_version = number;
    *ret_response = message_copy(&response.base);
    return 0;
}

static int status(struct runtime_hollow *hollow, const ProtobufCMessage *message,
                  ProtobufCMessage **ret_response)
{
    (void)hollow;
    (void)message;
    char ready_text[] = "RuntimeReady", network_text[] = "NetworkReady";
    Cri__V1__RuntimeCondition ready = CRI__V1__RUNTIME_CONDITION__INIT;
    ready.type = ready_text;
    ready.status = true;
    Cri__V1__RuntimeCondition network = CRI__V1__RUNTIME_CONDITION__INIT;
    network.type = network_text;
    network.status = true;
    Cri__V1__RuntimeCondition *conditions[] = {&ready, &network};
    Cri__V1__RuntimeStatus runtime_status = CRI__V1__RUNTIME_STATUS__INIT;
    runtime_status.n_conditions = ARRAY_LEN(conditions);
    runtime_status.conditions = conditions;
    Cri__V1__StatusResponse response = CRI__V1__STATUS_RESPONSE__INIT;
    response.status = &runtime_status;
    *ret_response = message_copy(&response.base);
    return 0;
}

typedef int (*hollow_method)(struct runtime_hollow *hollow, const ProtobufCMessage *request,
                             ProtobufCMessage **ret_response);

static const hollow_method methods[RUNTIME_METHODS] = {
    [RUNTIME_VERSION] = version,
    [RUNTIME_STATUS] = status,
    [RUNTIME_RUN_POD_SANDBOX] = run_sandbox,
    [RUNTIME_STOP_POD_SANDBOX] = stop_sandbox,
    [RUNTIME_REMOVE_POD_SANDBOX] = remove_sandbox,
    [RUNTIME_POD_SANDBOX_STATUS] = sandbox_status,
    [RUNTIME_LIST_POD_SANDBOX] = list_sandboxes,
    [RUNTIME_CREATE_CONTAINER] = create_container,
    [RUNTIME_START_CONTAINER] = start_container,
    [RUNTIME_STOP_CONTAINER] = stop_container_call,
    [RUNTIME_REMOVE_CONTAINER] = remove_container,
    [RUNTIME_LIST_CONTAINERS] = list_containers,
    [RUNTIME_CONTAINER_STATUS] = container_status,
    [RUNTIME_EXEC_SYNC] = exec_sync,
    [RUNTIME_LIST_IMAGES] = list_images,
    [RUNTIME_IMAGE_STATUS] = image_status,
    [RUNTIME_PULL_IMAGE] = pull_image,
};

static void give_answers(struct runtime_hollow *hollow, struct list *answers)
{
    while (!list_empty(answers)) {
        struct hollow_answer *answer = LIST_ENTRY(list_first(answers), struct hollow_answer, node);
        list_remove(&answer->node);
        const char *message = answer->status == 0          ? ""
                              : answer->status == -ENOENT  ? "not found"
                              : answer->status == -ENOTSUP ? "a hollow node has no containers"
                                                           : "the agent is closing";
        answer->done(answer->data, answer->status, message, answer->response);
        if (answer->response != NULL) {
            protobuf_c_message_free_unpacked(answer->response, NULL);
        }
        free(answer);
    }
    (void)hollow;
}

static void turn_end(void *data)
{
    struct runtime_hollow *hollow = data;
    /* Calls made by the answers wait for the next turn. */
    struct list now;
    list_init(&now);
    while (!list_empty(&hollow->answers)) {
        struct list *node = list_first(&hollow->answers);
        list_remove(node);
        list_push_back(&now, node);
    }
    give_answers(hollow, &now);
}

static void hollow_call(struct runtime *runtime, enum runtime_method method,
                        const ProtobufCMessage *request, uint64_t timeout_ms, runtime_done done,
                        void *data)
{
    (void)timeout_ms;
    struct runtime_hollow *hollow = CONTAINER_OF(runtime, struct runtime_hollow, base);
    struct hollow_answer *answer = alloc_zeroed(sizeof(*answer));
    list_init(&answer->node);
    answer->done = done;
    answer->data = data;
    answer->status =
        methods[method] == NULL ? -ENOTSUP : methods[method](hollow, request, &answer->response);
    list_push_back(&hollow->answers, &answer->node);
    loop_turn_end_start(hollow->loop, &hollow->turn_end);
}

static void hollow_close(struct runtime *runtime)
{
    struct runtime_hollow *hollow = CONTAINER_OF(runtime, struct runtime_hollow, base);
    loop_turn_end_stop(&hollow->turn_end);
    LIST_FOREACH(node, next, &hollow->answers)
    {
        struct hollow_answer *answer = LIST_ENTRY(node, struct hollow_answer, node);
        if (answer->response != NULL) {
            protobuf_c_message_free_unpacked(TAKE(answer->response), NULL);
        }
        answer->status = -ECANCELED;
    }
    give_answers(hollow, &hollow->answers);
    while (!list_empty(&hollow->sandboxes)) {
        sandbox_free(hollow,
                     LIST_ENTRY(list_first(&hollow->sandboxes), struct hollow_sandbox, node));
    }
    free(hollow);
}

static const struct runtime_ops hollow_ops = {.call = hollow_call, .close = hollow_close};

struct runtime *runtime_new_hollow(struct loop *loop)
{
    struct runtime_hollow *hollow = alloc_zeroed(sizeof(*hollow));
    hollow->base = (struct runtime){.ops = &hollow_ops, .hollow = true};
    hollow->loop = loop;
    hollow->turn_end = (struct loop_turn_end){.run = turn_end, .data = hollow};
    list_init(&hollow->turn_end.node);
    list_init(&hollow->sandboxes);
    list_init(&hollow->containers);
    list_init(&hollow->answers);
    return &hollow->base;
}
