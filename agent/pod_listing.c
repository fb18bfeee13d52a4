/* What the runtime has, compared with what is known: finds pods of an agent before this one, ends
 * that nobody told about, and sandboxes that belong to nobody. */
#include "agent/pod_manager_internal.h"

#include "agent/limits.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define COMPONENT "pods"

/* While something is about to end or to start, the runtime is asked more often. */
#define RELIST_BUSY_MS   150
#define RELIST_HOLLOW_MS 10000

void pod_manager_relist_soon(struct pod_manager *manager, uint64_t delay_ms)
{
    uint64_t now = loop_now_ms(manager->tools.loop);
    if (manager->closing || (loop_timer_armed(&manager->relist_timer) &&
                             manager->relist_timer.deadline_ms <= now + delay_ms)) {
        return;
    }
    loop_timer_start(manager->tools.loop, &manager->relist_timer, delay_ms);
}

static struct pod_entry *entry_of(struct pod_manager *manager, Cri__V1__StringEntry *const *labels,
                                  size_t count)
{
    const char *uid = cri_entry_find(labels, count, "io.kubernetes.pod.uid");
    return uid == NULL ? NULL : hash_map_get(manager->pods, slice_text(uid));
}

static uint32_t container_attempt(const Cri__V1__Container *container)
{
    const char *text = cri_entry_find(container->annotations, container->n_annotations,
                                      "io.kubernetes.container.restartCount");
    return text == NULL ? container->metadata == NULL ? 0 : container->metadata->attempt
                        : (uint32_t)strtoul(text, NULL, 10);
}

static size_t container_index(const struct pod_entry *entry, const Cri__V1__Container *container)
{
    const char *name =
        cri_entry_find(container->labels, container->n_labels, "io.kubernetes.container.name");
    return name == NULL ? POD_EFFECT_NO_CONTAINER : pod_worker_find(entry->worker, name);
}

/* ---- Sandboxes ---- */

/* Of several sandboxes of one pod the newest counts. */
static void find_sandbox(struct pod_entry *entry, const Cri__V1__PodSandbox *sandbox)
{
    uint32_t attempt = sandbox->metadata == NULL ? 0 : sandbox->metadata->attempt;
    if (entry->found_sandbox != NULL && entry->found_attempt > attempt) {
        return;
    }
    free(entry->found_sandbox);
    entry->found_sandbox = alloc_text(sandbox->id);
    entry->found_attempt = attempt;
    entry->found_ready = sandbox->state == CRI__V1__POD_SANDBOX_STATE__SANDBOX_READY;
    entry->was_running = true;
    entry->worker->sandbox = SANDBOX_CREATING; /* Nothing starts until all is known. */
}

/* The pod goes on from where it was found. */
static void adopted(struct pod_entry *entry, const struct pod_event *sandbox)
{
    const Meta__V1__ObjectMeta *meta = entry->pod->metadata;
    struct pod_event tick = {.kind = EVENT_TICK};
    entry->adopting = false;
    entry->adopted = true;
    pod_entry_step(entry, sandbox == NULL ? &tick : sandbox);
    if (!entry->dropped && meta->deletion_timestamp != NULL) {
        struct pod_event event = {
            .kind = EVENT_DELETE,
            .grace_seconds = meta->deletion_grace_period_seconds,
        };
        pod_entry_step(entry, &event);
    }
}

static void on_adopted_status(void *data, int status, const char *message,
                              const ProtobufCMessage *response)
{
    struct pod_op *op = data;
    (void)message;
    const Cri__V1__PodSandboxStatusResponse *result = (const void *)response;
    bool good = status == 0 && result->status != NULL && result->status->network != NULL;
    struct pod_event event = {
        .kind = EVENT_SANDBOX_READY,
        .id = op->id,
        .ip = good ? result->status->network->ip : "",
        .attempt = op->attempt,
    };
    adopted(op->entry, &event);
    pod_op_free(op);
}

static void settle_adoption(struct pod_entry *entry)
{
    struct pod_worker *worker = entry->worker;
    if (entry->found_sandbox == NULL) {
        adopted(entry, NULL);
        return;
    }
    if (!entry->found_ready) {
        worker->sandbox = SANDBOX_NONE;
        struct pod_event event = {
            .kind = EVENT_SANDBOX_GONE,
            .id = entry->found_sandbox,
            .attempt = entry->found_attempt,
        };
        adopted(entry, &event);
        return;
    }
    worker->volumes = worker->volumes == VOLUMES_NONE ? VOLUMES_READY : worker->volumes;
    struct pod_op *op = pod_op_new(entry, POD_EFFECT_NO_CONTAINER);
    op->id = alloc_text(entry->found_sandbox);
    op->attempt = entry->found_attempt;
    Cri__V1__PodSandboxStatusRequest request = CRI__V1__POD_SANDBOX_STATUS_REQUEST__INIT;
    request.pod_sandbox_id = op->id;
    runtime_call(entry->manager->tools.runtime, RUNTIME_POD_SANDBOX_STATUS, &request.base, 0,
                 on_adopted_status, op);
}

void pod_adoption_progress(struct pod_entry *entry)
{
    assert(entry->adopt_pending > 0);
    if (--entry->adopt_pending == 0 && !entry->dropped) {
        settle_adoption(entry);
    }
}

static void see_sandbox(struct pod_entry *entry, const Cri__V1__PodSandbox *sandbox)
{
    const struct pod_worker *worker = entry->worker;
    bool same = worker->sandbox_id != NULL && strcmp(worker->sandbox_id, sandbox->id) == 0;
    if (same && worker->sandbox == SANDBOX_READY &&
        sandbox->state != CRI__V1__POD_SANDBOX_STATE__SANDBOX_READY) {
        struct pod_event event = {.kind = EVENT_SANDBOX_GONE};
        pod_entry_step(entry, &event);
    }
}

/* ---- Containers ---- */

static void see_running(struct pod_entry *entry, size_t index, const Cri__V1__Container *container)
{
    const struct container_run *run = &entry->worker->containers[index];
    if (run->id != NULL && strcmp(run->id, container->id) == 0) {
        return;
    }
    if (!entry->adopting || entry->worker->state == POD_TERMINATED) {
        return; /* The answer to its start is on its way. */
    }
    const char *hash = cri_entry_find(container->annotations, container->n_annotations,
                                      "io.kubernetes.container.hash");
    struct pod_event event = {
        .kind = EVENT_CONTAINER_STARTED,
        .container = index,
        .ok = true,
        .id = container->id,
        .started_ns = container->created_at,
        .attempt = container_attempt(container),
        .hash = hash == NULL ? 0 : strtoull(hash, NULL, 16),
    };
    pod_entry_step(entry, &event);
}

static void see_container(struct pod_entry *entry, const Cri__V1__Container *container)
{
    size_t index = container_index(entry, container);
    if (index == POD_EFFECT_NO_CONTAINER) {
        return;
    }
    const struct container_run *run = &entry->worker->containers[index];
    if (container->state == CRI__V1__CONTAINER_STATE__CONTAINER_RUNNING) {
        see_running(entry, index, container);
        return;
    }
    if (container->state != CRI__V1__CONTAINER_STATE__CONTAINER_EXITED) {
        return;
    }
    bool ours = run->id != NULL && strcmp(run->id, container->id) == 0;
    bool running = run->state == CONTAINER_RUNNING || run->state == CONTAINER_STOPPING;
    if ((ours && running) || (entry->adopting && !ours)) {
        pod_container_ended(entry, index, container->id, container_attempt(container));
    }
}

static bool is_listed(const Cri__V1__ListContainersResponse *list, const char *id)
{
    for (size_t i = 0; i < list->n_containers; i++) {
        if (strcmp(list->containers[i]->id, id) == 0) {
            return true;
        }
    }
    return false;
}

/* Containers that should be there and are not: somebody removed them. */
static void find_lost(struct pod_entry *entry, const Cri__V1__ListContainersResponse *list,
                      uint64_t asked_ms)
{
    for (size_t i = 0; i < entry->worker->plan->container_count; i++) {
        const struct container_run *run = &entry->worker->containers[i];
        bool running = run->state == CONTAINER_RUNNING || run->state == CONTAINER_STOPPING;
        if (running && run->started_ms < asked_ms && !is_listed(list, run->id)) {
            pod_container_ended(entry, i, run->id, run->restart_count);
        }
    }
}

/* ---- The listing ---- */

static bool is_busy(const struct pod_entry *entry)
{
    if (entry->worker->state == POD_TERMINATED) {
        return false;
    }
    for (size_t i = 0; i < entry->worker->plan->container_count; i++) {
        enum container_state state = entry->worker->containers[i].state;
        bool init = entry->worker->plan->containers[i].kind == CONTAINER_INIT;
        if (state == CONTAINER_STARTING || state == CONTAINER_STOPPING ||
            (init && state == CONTAINER_RUNNING) ||
            (state == CONTAINER_RUNNING && entry->worker->plan->restart_policy != RESTART_ALWAYS)) {
            return true;
        }
    }
    return false;
}

/* The entries now in the table, referenced: steps may change the table. */
static struct pod_entry **entries_of(struct pod_manager *manager, size_t *ret_count)
{
    struct pod_entry **entries = alloc_array(hash_map_count(manager->pods) + 1, sizeof(*entries));
    size_t count = 0;
    void *value;
    for (size_t at = 0; hash_map_next(manager->pods, &at, NULL, &value);) {
        entries[count] = value;
        entries[count++]->references++;
    }
    *ret_count = count;
    return entries;
}

struct listing {
    struct pod_manager *manager;
    Cri__V1__ListPodSandboxResponse *sandboxes;
    uint64_t asked_ms;
};

static void remove_orphans(struct pod_manager *manager,
                           const Cri__V1__ListPodSandboxResponse *sandboxes)
{
    for (size_t i = 0; manager->swept && i < sandboxes->n_items; i++) {
        const Cri__V1__PodSandbox *sandbox = sandboxes->items[i];
        const char *uid =
            cri_entry_find(sandbox->labels, sandbox->n_labels, "io.kubernetes.pod.uid");
        if (uid != NULL && hash_map_get(manager->pods, slice_text(uid)) == NULL) {
            LOG_INFO(COMPONENT, "removing a sandbox whose pod is gone", KV_TEXT("uid", uid));
            pod_remove_sandbox(manager, sandbox->id);
        }
    }
}

static void take_listing(struct listing *listing, const Cri__V1__ListContainersResponse *list)
{
    struct pod_manager *manager = listing->manager;
    size_t count;
    struct pod_entry **entries = entries_of(manager, &count);
    manager->listed = true;
    for (size_t i = 0; i < count; i++) {
        entries[i]->adopting = !entries[i]->adopted && entries[i]->adopt_pending == 0;
        entries[i]->adopt_pending += entries[i]->adopting ? 1 : 0; /* Until all has been seen. */
    }
    for (size_t i = 0; i < listing->sandboxes->n_items; i++) {
        const Cri__V1__PodSandbox *sandbox = listing->sandboxes->items[i];
        struct pod_entry *entry = entry_of(manager, sandbox->labels, sandbox->n_labels);
        if (entry != NULL && entry->adopting && entry->worker->state != POD_TERMINATED) {
            find_sandbox(entry, sandbox);
        } else if (entry != NULL && entry->adopted) {
            see_sandbox(entry, sandbox);
        }
    }
    for (size_t i = 0; i < list->n_containers; i++) {
        struct pod_entry *entry =
            entry_of(manager, list->containers[i]->labels, list->containers[i]->n_labels);
        if (entry != NULL) {
            see_container(entry, list->containers[i]);
        }
    }
    remove_orphans(manager, listing->sandboxes);
    bool busy = false;
    for (size_t i = 0; i < count; i++) {
        if (!entries[i]->dropped && entries[i]->adopting) {
            pod_adoption_progress(entries[i]);
        } else if (!entries[i]->dropped) {
            find_lost(entries[i], list, listing->asked_ms);
        }
        busy |= !entries[i]->dropped && is_busy(entries[i]);
        pod_entry_unref(entries[i]);
    }
    free(entries);
    uint64_t quiet_ms =
        runtime_is_hollow(manager->tools.runtime) ? RELIST_HOLLOW_MS : AGENT_RELIST_MS;
    pod_manager_relist_soon(manager, busy ? RELIST_BUSY_MS : quiet_ms);
}

static void listing_end(struct listing *listing, bool good)
{
    struct pod_manager *manager = listing->manager;
    if (listing->sandboxes != NULL) {
        protobuf_c_message_free_unpacked(&listing->sandboxes->base, NULL);
    }
    if (manager->runtime_ready != good) {
        manager->runtime_ready = good;
        LOG_INFO(COMPONENT, good ? "the runtime answers" : "the runtime does not answer",
                 KV_U64("pods", hash_map_count(manager->pods)));
    }
    manager->relisting = false;
    if (!good) {
        pod_manager_relist_soon(manager, AGENT_RELIST_MS);
    }
    free(listing);
}

static void on_containers(void *data, int status, const char *message,
                          const ProtobufCMessage *response)
{
    struct listing *listing = data;
    (void)message;
    if (status == 0) {
        take_listing(listing, (const void *)response);
    }
    listing_end(listing, status == 0);
}

static void on_sandboxes(void *data, int status, const char *message,
                         const ProtobufCMessage *response)
{
    struct listing *listing = data;
    (void)message;
    if (status < 0) {
        listing_end(listing, false);
        return;
    }
    size_t len = protobuf_c_message_get_packed_size(response);
    CLEANUP(alloc_freep) uint8_t *bytes = alloc_bytes(len + 1);
    protobuf_c_message_pack(response, bytes);
    listing->sandboxes = cri__v1__list_pod_sandbox_response__unpack(NULL, len, bytes);
    Cri__V1__ListContainersRequest request = CRI__V1__LIST_CONTAINERS_REQUEST__INIT;
    runtime_call(listing->manager->tools.runtime, RUNTIME_LIST_CONTAINERS, &request.base, 0,
                 on_containers, listing);
}

void pod_manager_relist(struct pod_manager *manager)
{
    if (manager->relisting) {
        return; /* Its end starts the next one. */
    }
    manager->relisting = true;
    struct listing *listing = alloc_zeroed(sizeof(*listing));
    listing->manager = manager;
    listing->asked_ms = loop_now_ms(manager->tools.loop);
    Cri__V1__ListPodSandboxRequest request = CRI__V1__LIST_POD_SANDBOX_REQUEST__INIT;
    runtime_call(manager->tools.runtime, RUNTIME_LIST_POD_SANDBOX, &request.base, 0, on_sandboxes,
                 listing);
}
