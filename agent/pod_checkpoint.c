/* The last known pods, on the disk: containers go on being probed and restarted when the agent was
 * restarted and the control plane is away. Also the manager's birth and death. */
#include "agent/pod_manager_internal.h"

#include "agent/limits.h"
#include "lib/base/alloc.h"
#include "lib/base/buffer.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COMPONENT "pods"

enum { POD_BYTES_MAX = 4 << 20 };

void pod_checkpoint_write(struct pod_entry *entry)
{
    struct pod_manager *manager = entry->manager;
    char dir[AGENT_PATH_BYTES_MAX], path[AGENT_PATH_BYTES_MAX], temporary[AGENT_PATH_BYTES_MAX];
    const char *uid = entry->pod->metadata->uid;
    (void)snprintf(dir, sizeof(dir), "%s/%.64s", manager->pods_dir, uid);
    (void)snprintf(path, sizeof(path), "%s/%.64s/pod.pb", manager->pods_dir, uid);
    (void)snprintf(temporary, sizeof(temporary), "%s/%.64s/pod.pb.tmp", manager->pods_dir, uid);
    struct error error = {0};
    int r = directory_make(dir, 0750, &error);
    FILE *file = r < 0 ? NULL : fopen(temporary, "we");
    size_t len = entry->pod_bytes.len;
    bool bad = file == NULL || fwrite(entry->pod_bytes.data, 1, len, file) != len;
    bad = (file != NULL && fclose(file) != 0) || bad;
    if (bad || rename(temporary, path) < 0) {
        LOG_WARN(COMPONENT, "the pod's checkpoint was not written", KV_TEXT("path", path),
                 KV_TEXT("error", r < 0 ? error_message(&error) : strerror(errno)));
    }
    error_release(&error);
}

static bool uid_is_plain(const char *uid)
{
    return uid[0] != '\0' && uid[0] != '.' && strchr(uid, '/') == NULL && strlen(uid) <= 64;
}

static void read_checkpoints(struct pod_manager *manager)
{
    DIR *dir = opendir(manager->pods_dir);
    for (struct dirent *item; dir != NULL && (item = readdir(dir)) != NULL;) {
        char path[AGENT_PATH_BYTES_MAX];
        (void)snprintf(path, sizeof(path), "%s/%s/pod.pb", manager->pods_dir, item->d_name);
        FILE *file = uid_is_plain(item->d_name) ? fopen(path, "re") : NULL;
        if (file == NULL) {
            continue;
        }
        struct buffer bytes;
        buffer_init(&bytes, POD_BYTES_MAX);
        uint8_t block[8192];
        for (size_t n; (n = fread(block, 1, sizeof(block), file)) > 0;) {
            buffer_append(&bytes, block, n);
        }
        (void)fclose(file);
        if (buffer_error(&bytes) == 0) {
            pod_manager_upsert(manager, buffer_slice(&bytes));
        }
        buffer_release(&bytes);
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
}

static void on_relist(void *data)
{
    pod_manager_relist(data);
}

static void refresh_done(struct pod_op *op)
{
    struct pod_inputs inputs;
    struct error error = {0};
    struct volume_tokens tokens = {.find = pod_tokens_find, .data = op->entry};
    pod_entry_inputs(op->entry, &inputs);
    bool alive = !op->entry->dropped && op->entry->worker->state == POD_SYNCING &&
                 op->entry->worker->volumes == VOLUMES_READY;
    if (alive && op->message == NULL && volumes_prepare(&inputs, &tokens, &error) < 0) {
        LOG_WARN(COMPONENT, "volumes were not brought up to date",
                 KV_TEXT("pod", op->entry->pod->metadata->name),
                 KV_TEXT("error", error_message(&error)));
    }
    error_release(&error);
    pod_op_free(op);
}

/* Config maps, secrets and tokens in running pods. One pod a turn of the timer, so that a node full
 * of pods asks evenly. */
static void on_refresh(void *data)
{
    struct pod_manager *manager = data;
    uint64_t now = loop_now_ms(manager->tools.loop);
    void *value;
    size_t started = 0;
    for (size_t at = 0; hash_map_next(manager->pods, &at, NULL, &value);) {
        struct pod_entry *entry = value;
        if (entry->worker->state != POD_SYNCING || entry->worker->volumes != VOLUMES_READY ||
            entry->refresh_ms > now || entry->pod->spec->n_volumes == 0 || started >= 8) {
            continue;
        }
        entry->refresh_ms = now + AGENT_VOLUME_REFRESH_MS;
        started++;
        pod_objects_fetch(pod_op_new(entry, POD_EFFECT_NO_CONTAINER), /* again= */ true,
                          refresh_done);
    }
    loop_timer_start(manager->tools.loop, &manager->refresh_timer, 1000);
}

static char **copy_texts(const char *const *texts, size_t count)
{
    char **copies = alloc_array(count + 1, sizeof(*copies));
    for (size_t i = 0; i < count; i++) {
        copies[i] = alloc_text(texts[i]);
    }
    return copies;
}

int pod_manager_new(const struct pod_manager_config *config, struct pod_manager **ret_manager,
                    struct error *reterr)
{
    CLEANUP(alloc_freep) char *pods_dir = alloc_printf("%s/pods", config->data_dir);
    CLEANUP(alloc_freep) char *logs_dir = alloc_printf("%s/logs", config->data_dir);
    int r = directory_make(pods_dir, 0750, reterr);
    if (r == 0) {
        r = directory_make(logs_dir, 0755, reterr);
    }
    if (r < 0) {
        return r;
    }
    struct pod_manager *manager = alloc_zeroed(sizeof(*manager));
    *manager = (struct pod_manager){
        .tools = config->tools,
        .hooks = config->hooks,
        .pods = hash_map_new(/* seed= */ 1),
        .node_name = alloc_text(config->node_name),
        .node_ip = alloc_text(config->node_ip),
        .data_dir = alloc_text(config->data_dir),
        .pods_dir = TAKE(pods_dir),
        .logs_dir = TAKE(logs_dir),
        .cluster_dns = alloc_text(""),
        .cluster_domain = alloc_text("cluster.local"),
        .nameservers = copy_texts(config->nameservers, config->nameserver_count),
        .nameserver_count = config->nameserver_count,
        .searches = copy_texts(config->searches, config->search_count),
        .search_count = config->search_count,
        .memory_bytes = config->memory_bytes,
        .cpu_milli = config->cpu_milli,
        .max_pods = config->max_pods,
        .relist_timer = {.fire = on_relist, .data = manager},
        .refresh_timer = {.fire = on_refresh, .data = manager},
    };
    list_init(&manager->ops);
    read_checkpoints(manager);
    pod_manager_relist_soon(manager, 0);
    loop_timer_start(manager->tools.loop, &manager->refresh_timer, 1000);
    *ret_manager = manager;
    return 0;
}

void pod_manager_stop(struct pod_manager *manager)
{
    manager->closing = true;
    loop_timer_stop(manager->tools.loop, &manager->relist_timer);
    loop_timer_stop(manager->tools.loop, &manager->refresh_timer);
}

void pod_manager_free(struct pod_manager *manager)
{
    if (manager == NULL) {
        return;
    }
    pod_manager_stop(manager);
    while (!list_empty(&manager->ops)) { /* Those that wait for a timer. */
        pod_op_free(LIST_ENTRY(list_first(&manager->ops), struct pod_op, node));
    }
    void *value;
    for (size_t at = 0; hash_map_next(manager->pods, &at, NULL, &value);) {
        struct pod_entry *entry = value;
        entry->dropped = true;
        pod_entry_unref(entry);
    }
    hash_map_free(manager->pods);
    for (size_t i = 0; i < manager->nameserver_count; i++) {
        free(manager->nameservers[i]);
    }
    for (size_t i = 0; i < manager->search_count; i++) {
        free(manager->searches[i]);
    }
    free(manager->nameservers);
    free(manager->searches);
    free(manager->node_name);
    free(manager->node_ip);
    free(manager->data_dir);
    free(manager->pods_dir);
    free(manager->logs_dir);
    free(manager->cluster_dns);
    free(manager->cluster_domain);
    free(manager);
}
