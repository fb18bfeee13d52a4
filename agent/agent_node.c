/* The Node object: asks the runtime how it is, and reports what changed. */
#include "agent/agent_internal.h"

#include "lib/api/codec.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COMPONENT    "agent"
#define ASK_MS       10000
#define ASK_AGAIN_MS 300 /* While not ready: a node is wanted soon. */

enum { NODE_BYTES_MAX = 1 << 20, IMAGES_MAX = 50 };

static void set_ready(struct agent *agent, bool ready, const char *why_not)
{
    free(agent->why_not);
    agent->why_not = alloc_text(why_not);
    agent->facts.why_not = agent->why_not;
    if (agent->facts.ready != ready) {
        agent->facts.ready = ready;
        agent->facts.ready_since_s = (int64_t)time(NULL);
        LOG_INFO(COMPONENT, ready ? "the node is ready" : "the node is not ready",
                 KV_TEXT("node", agent->node_name), KV_TEXT("why", why_not));
    }
}

static void report(struct agent *agent)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct buffer bytes;
    buffer_init(&bytes, NODE_BYTES_MAX);
    const Core__V1__Node *node = node_build(arena, &agent->facts);
    api_encode_protobuf(api_message_find("k8s.io.api.core.v1.NodeStatus"), node->status, &bytes);
    if (!slice_equal(buffer_slice(&bytes), buffer_slice(&agent->status_bytes))) {
        buffer_clear(&agent->status_bytes);
        buffer_append_slice(&agent->status_bytes, buffer_slice(&bytes));
        agent_session_node_status(agent->session, buffer_slice(&bytes));
    }
    buffer_release(&bytes);
}

struct slice agent_node_bytes(void *data)
{
    struct agent *agent = data;
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    buffer_clear(&agent->node_bytes);
    api_encode_protobuf(api_message_find("k8s.io.api.core.v1.Node"),
                        node_build(arena, &agent->facts), &agent->node_bytes);
    return buffer_slice(&agent->node_bytes);
}

static void ask_again(struct agent *agent)
{
    agent->asking_runtime = false;
    if (!agent->closing) {
        report(agent);
        loop_timer_start(agent->loop, &agent->status_timer,
                         agent->facts.ready ? ASK_MS : ASK_AGAIN_MS);
    }
}

static void on_images(void *data, int status, const char *message, const ProtobufCMessage *response)
{
    struct agent *agent = data;
    (void)message;
    const Cri__V1__ListImagesResponse *list = (const void *)response;
    if (status == 0) {
        arena_free(agent->image_arena);
        agent->image_arena = arena_new(SIZE_MAX);
        agent->facts.image_count = 0;
        agent->facts.images = arena_array(agent->image_arena, IMAGES_MAX, sizeof(void *));
        for (size_t i = 0; i < list->n_images && agent->facts.image_count < IMAGES_MAX; i++) {
            const Cri__V1__Image *image = list->images[i];
            Core__V1__ContainerImage *entry = arena_alloc(agent->image_arena, sizeof(*entry));
            core__v1__container_image__init(entry);
            entry->names = arena_array(
                agent->image_arena, image->n_repo_tags + image->n_repo_digests + 1, sizeof(char *));
            for (size_t k = 0; k < image->n_repo_digests; k++) {
                entry->names[entry->n_names++] =
                    arena_text(agent->image_arena, image->repo_digests[k]);
            }
            for (size_t k = 0; k < image->n_repo_tags; k++) {
                entry->names[entry->n_names++] =
                    arena_text(agent->image_arena, image->repo_tags[k]);
            }
            entry->has_size_bytes = true;
            entry->size_bytes = (int64_t)image->size;
            if (entry->n_names > 0) {
                agent->facts.images[agent->facts.image_count++] = entry;
            }
        }
    }
    ask_again(agent);
}

static void take_conditions(struct agent *agent, const Cri__V1__RuntimeStatus *status)
{
    const char *network_why = NULL;
    for (size_t i = 0; status != NULL && i < status->n_conditions; i++) {
        const Cri__V1__RuntimeCondition *condition = status->conditions[i];
        if (condition->status) {
            continue;
        }
        bool network = strcmp(condition->type, "NetworkReady") == 0;
        CLEANUP(alloc_freep)
        char *why = alloc_printf("container runtime %snot ready: %s=false reason:%s message:%s",
                                 network ? "network " : "", condition->type, condition->reason,
                                 condition->message);
        set_ready(agent, false, why);
        return;
    }
    if (agent->network.ready != NULL && !agent->network.ready(agent->network.data, &network_why)) {
        set_ready(agent, false, network_why == NULL ? "the network is not ready" : network_why);
        return;
    }
    set_ready(agent, true, "");
}

static void on_status(void *data, int status, const char *message, const ProtobufCMessage *response)
{
    struct agent *agent = data;
    if (status < 0) {
        CLEANUP(alloc_freep)
        char *why = alloc_printf("container runtime is down: %s", message);
        set_ready(agent, false, why);
        ask_again(agent);
        return;
    }
    const Cri__V1__StatusResponse *result = (const void *)response;
    take_conditions(agent, result->status);
    Cri__V1__ListImagesRequest request = CRI__V1__LIST_IMAGES_REQUEST__INIT;
    runtime_call(agent->runtime, RUNTIME_LIST_IMAGES, &request.base, 0, on_images, agent);
}

static void on_version(void *data, int status, const char *message,
                       const ProtobufCMessage *response)
{
    struct agent *agent = data;
    if (status < 0) {
        on_status(data, status, message, NULL);
        return;
    }
    const Cri__V1__VersionResponse *result = (const void *)response;
    free(agent->runtime_version);
    agent->runtime_version = alloc_printf("%s://%s", result->runtime_name, result->runtime_version);
    agent->facts.runtime_version = agent->runtime_version;
    Cri__V1__StatusRequest request = CRI__V1__STATUS_REQUEST__INIT;
    runtime_call(agent->runtime, RUNTIME_STATUS, &request.base, 0, on_status, agent);
}

static void on_timer(void *data)
{
    struct agent *agent = data;
    if (agent->asking_runtime) {
        return;
    }
    agent->asking_runtime = true;
    Cri__V1__VersionRequest request = CRI__V1__VERSION_REQUEST__INIT;
    runtime_call(agent->runtime, RUNTIME_VERSION, &request.base, 0, on_version, agent);
}

void agent_node_start(struct agent *agent)
{
    buffer_init(&agent->node_bytes, NODE_BYTES_MAX);
    buffer_init(&agent->status_bytes, NODE_BYTES_MAX);
    agent->status_timer = (struct loop_timer){.fire = on_timer, .data = agent};
    loop_timer_start(agent->loop, &agent->status_timer, 0);
}
