/* The end of a pod on the node: its sandboxes, its files and its cgroups are removed. */
#include "agent/pod_manager_internal.h"

#include "agent/limits.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMPONENT "pods"

static void cleaned(struct pod_op *op, const char *error)
{
    if (error != NULL) {
        LOG_WARN(COMPONENT, "the pod was not cleaned up, trying again",
                 KV_TEXT("pod", op->entry->pod->metadata->name), KV_TEXT("error", error));
    }
    struct pod_event event = {.kind = EVENT_CLEANED, .ok = error == NULL};
    pod_entry_step(op->entry, &event);
    pod_op_free(op);
}

/* rmdir works only on cgroups without processes and children: nothing that lives can be hit. */
static void remove_cgroup(const char *path)
{
    DIR *root = opendir("/sys/fs/cgroup");
    for (struct dirent *item; root != NULL && (item = readdir(root)) != NULL;) {
        char full[AGENT_PATH_BYTES_MAX];
        if (item->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(full, sizeof(full), "/sys/fs/cgroup/%s%s", item->d_name, path);
        (void)rmdir(full); /* Most controllers do not have it. */
    }
    if (root != NULL) {
        (void)closedir(root);
    }
    char full[AGENT_PATH_BYTES_MAX];
    (void)snprintf(full, sizeof(full), "/sys/fs/cgroup%s", path); /* cgroup v2 */
    (void)rmdir(full);
}

static void clean_files(struct pod_op *op)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(error_release) struct error error = {0};
    struct pod_inputs inputs;
    pod_entry_inputs(op->entry, &inputs);
    int r = 0;
    /* Hollow pods have their checkpoint here too. */
    r = volumes_remove_tree(pod_dir(arena, &inputs), &error);
    if (r == 0) {
        r = volumes_remove_tree(pod_log_dir(arena, &inputs), &error);
    }
    if (!inputs.hollow) {
        remove_cgroup(pod_cgroup_parent(arena, &inputs));
    }
    cleaned(op, r < 0 ? error_message(&error) : NULL);
}

static void on_removed(void *data, int status, const char *message,
                       const ProtobufCMessage *response)
{
    struct pod_op *op = data;
    (void)response;
    if (status < 0 && status != -ENOENT && op->message == NULL) {
        op->message = alloc_text(message);
    }
    if (--op->pending > 0) {
        return;
    }
    if (op->message != NULL) {
        cleaned(op, op->message);
    } else {
        clean_files(op);
    }
}

static void on_list(void *data, int status, const char *message, const ProtobufCMessage *response)
{
    struct pod_op *op = data;
    const char *uid = op->entry->pod->metadata->uid;
    if (status < 0) {
        cleaned(op, message);
        return;
    }
    const Cri__V1__ListPodSandboxResponse *list = (const void *)response;
    op->pending = 1;
    for (size_t i = 0; i < list->n_items; i++) {
        const char *label = cri_entry_find(list->items[i]->labels, list->items[i]->n_labels,
                                           "io.kubernetes.pod.uid");
        if (label == NULL || strcmp(label, uid) != 0) {
            continue;
        }
        Cri__V1__RemovePodSandboxRequest request = CRI__V1__REMOVE_POD_SANDBOX_REQUEST__INIT;
        request.pod_sandbox_id = list->items[i]->id;
        op->pending++;
        runtime_call(op->entry->manager->tools.runtime, RUNTIME_REMOVE_POD_SANDBOX, &request.base,
                     0, on_removed, op);
    }
    on_removed(op, 0, "", NULL);
}

void pod_clean(struct pod_entry *entry)
{
    struct pod_op *op = pod_op_new(entry, POD_EFFECT_NO_CONTAINER);
    Cri__V1__StringEntry label = CRI__V1__STRING_ENTRY__INIT;
    char key[] = "io.kubernetes.pod.uid";
    label.key = key;
    label.value = entry->pod->metadata->uid;
    Cri__V1__StringEntry *labels[] = {&label};
    Cri__V1__PodSandboxFilter filter = CRI__V1__POD_SANDBOX_FILTER__INIT;
    filter.n_label_selector = 1;
    filter.label_selector = labels;
    Cri__V1__ListPodSandboxRequest request = CRI__V1__LIST_POD_SANDBOX_REQUEST__INIT;
    request.filter = &filter;
    runtime_call(entry->manager->tools.runtime, RUNTIME_LIST_POD_SANDBOX, &request.base, 0, on_list,
                 op);
}

/* ---- Sandboxes of nobody ---- */

struct orphan {
    struct pod_manager *manager;
    char *id;
};

static void orphan_removed(void *data, int status, const char *message,
                           const ProtobufCMessage *response)
{
    struct orphan *orphan = data;
    (void)response;
    if (status < 0 && status != -ENOENT && status != -ECANCELED) {
        LOG_WARN(COMPONENT, "a sandbox was not removed", KV_TEXT("sandbox", orphan->id),
                 KV_TEXT("error", message));
    }
    free(orphan->id);
    free(orphan);
}

static void orphan_stopped(void *data, int status, const char *message,
                           const ProtobufCMessage *response)
{
    struct orphan *orphan = data;
    if (status < 0) {
        orphan_removed(orphan, status, message, response); /* The next listing tries again. */
        return;
    }
    Cri__V1__RemovePodSandboxRequest request = CRI__V1__REMOVE_POD_SANDBOX_REQUEST__INIT;
    request.pod_sandbox_id = orphan->id;
    runtime_call(orphan->manager->tools.runtime, RUNTIME_REMOVE_POD_SANDBOX, &request.base, 0,
                 orphan_removed, orphan);
}

void pod_remove_sandbox(struct pod_manager *manager, const char *sandbox_id)
{
    struct orphan *orphan = alloc_zeroed(sizeof(*orphan));
    orphan->manager = manager;
    orphan->id = alloc_text(sandbox_id);
    Cri__V1__StopPodSandboxRequest request = CRI__V1__STOP_POD_SANDBOX_REQUEST__INIT;
    request.pod_sandbox_id = orphan->id;
    runtime_call(manager->tools.runtime, RUNTIME_STOP_POD_SANDBOX, &request.base, 0, orphan_stopped,
                 orphan);
}
