#include "agent/node_info.h"

#include "lib/api/quantity.h"
#include "lib/api/time.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#define API_VERSION_SERVED "v1.32.0"

void node_facts_measure(struct node_facts *facts, const char *data_dir)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    facts->cpu_milli = (cores < 1 ? 1 : cores) * 1000;
    facts->memory_bytes = 0;
    FILE *file = fopen("/proc/meminfo", "re");
    char line[256];
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        static const char name[] = "MemTotal:";
        if (strncmp(line, name, sizeof(name) - 1) == 0) {
            facts->memory_bytes = strtoll(line + sizeof(name) - 1, NULL, 10) * 1024;
            break;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    struct statvfs fs;
    facts->disk_bytes = 0;
    if (statvfs(data_dir, &fs) == 0) {
        facts->disk_bytes = (int64_t)(fs.f_blocks * fs.f_frsize);
    }
}

/* The first line of a file without its end, in the arena; "" when there is none. */
static char *first_line(struct arena *arena, const char *path)
{
    char line[512] = "";
    FILE *file = fopen(path, "re");
    if (file != NULL) {
        if (fgets(line, sizeof(line), file) == NULL) {
            line[0] = '\0';
        }
        (void)fclose(file);
    }
    line[strcspn(line, "\r\n")] = '\0';
    return arena_text(arena, line);
}

static char *os_image(struct arena *arena)
{
    char line[512];
    char *name = arena_text(arena, "Linux");
    FILE *file = fopen("/etc/os-release", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        char text[256];
        if (sscanf(line, "PRETTY_NAME=\"%255[^\"]\"", text) == 1) {
            name = arena_text(arena, text);
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return name;
}

static const char *architecture(const char *machine)
{
    if (strcmp(machine, "x86_64") == 0) {
        return "amd64";
    }
    return strcmp(machine, "aarch64") == 0 ? "arm64" : machine;
}

static void add_label(struct arena *arena, Meta__V1__ObjectMeta *meta, const char *key,
                      const char *value)
{
    Meta__V1__ObjectMeta__LabelsEntry *entry = arena_alloc(arena, sizeof(*entry));
    meta__v1__object_meta__labels_entry__init(entry);
    entry->key = arena_text(arena, key);
    entry->value = arena_text(arena, value);
    meta->labels[meta->n_labels++] = entry;
}

static Meta__V1__ObjectMeta *build_meta(struct arena *arena, const struct node_facts *facts,
                                        const char *arch)
{
    Meta__V1__ObjectMeta *meta = arena_alloc(arena, sizeof(*meta));
    meta__v1__object_meta__init(meta);
    meta->name = arena_text(arena, facts->name);
    meta->labels = arena_array(arena, facts->label_count + 5, sizeof(*meta->labels));
    add_label(arena, meta, "kubernetes.io/hostname", facts->name);
    add_label(arena, meta, "kubernetes.io/os", "linux");
    add_label(arena, meta, "kubernetes.io/arch", arch);
    add_label(arena, meta, "beta.kubernetes.io/os", "linux");
    add_label(arena, meta, "beta.kubernetes.io/arch", arch);
    for (size_t i = 0; i < facts->label_count; i++) {
        const char *equals = strchr(facts->labels[i], '=');
        if (equals != NULL) {
            add_label(arena, meta,
                      arena_text_n(arena, facts->labels[i], (size_t)(equals - facts->labels[i])),
                      equals + 1);
        }
    }
    return meta;
}

static void add_condition(struct arena *arena, const struct node_facts *facts,
                          Core__V1__NodeStatus *status, const char *type, bool holds,
                          const char *reason, const char *message)
{
    Core__V1__NodeCondition *condition = arena_alloc(arena, sizeof(*condition));
    core__v1__node_condition__init(condition);
    condition->type = arena_text(arena, type);
    condition->status = arena_text(arena, holds ? "True" : "False");
    condition->reason = arena_text(arena, reason);
    condition->message = arena_text(arena, message);
    bool is_ready = strcmp(type, "Ready") == 0;
    condition->last_transition_time =
        api_time_new(arena, is_ready ? facts->ready_since_s : facts->started_s);
    condition->last_heartbeat_time =
        api_time_new(arena, is_ready ? facts->ready_since_s : facts->started_s);
    status->conditions[status->n_conditions++] = condition;
}

static void add_conditions(struct arena *arena, const struct node_facts *facts,
                           Core__V1__NodeStatus *status)
{
    status->conditions = arena_array(arena, 4, sizeof(*status->conditions));
    add_condition(arena, facts, status, "MemoryPressure", false, "KubeletHasSufficientMemory",
                  "kubelet has sufficient memory available");
    add_condition(arena, facts, status, "DiskPressure", false, "KubeletHasNoDiskPressure",
                  "kubelet has no disk pressure");
    add_condition(arena, facts, status, "PIDPressure", false, "KubeletHasSufficientPID",
                  "kubelet has sufficient PID available");
    if (facts->ready) {
        add_condition(arena, facts, status, "Ready", true, "KubeletReady",
                      "kubelet is posting ready status");
    } else {
        add_condition(arena, facts, status, "Ready", false, "KubeletNotReady", facts->why_not);
    }
}

static void add_resources(struct arena *arena, const struct node_facts *facts,
                          Core__V1__NodeStatus *status)
{
    const struct {
        const char *name;
        struct quantity amount;
    } rows[] = {
        {"cpu", quantity_of_milli(facts->cpu_milli, QUANTITY_DECIMAL_SI)},
        {"memory", quantity_of(facts->memory_bytes, QUANTITY_BINARY_SI)},
        {"ephemeral-storage", quantity_of(facts->disk_bytes, QUANTITY_BINARY_SI)},
        {"pods", quantity_of(facts->max_pods, QUANTITY_DECIMAL_SI)},
    };
    status->capacity = arena_array(arena, ARRAY_LEN(rows), sizeof(*status->capacity));
    status->allocatable = arena_array(arena, ARRAY_LEN(rows), sizeof(*status->allocatable));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        Core__V1__NodeStatus__CapacityEntry *capacity = arena_alloc(arena, sizeof(*capacity));
        core__v1__node_status__capacity_entry__init(capacity);
        capacity->key = arena_text(arena, rows[i].name);
        capacity->value = quantity_new(arena, rows[i].amount);
        status->capacity[status->n_capacity++] = capacity;
        Core__V1__NodeStatus__AllocatableEntry *usable = arena_alloc(arena, sizeof(*usable));
        core__v1__node_status__allocatable_entry__init(usable);
        usable->key = arena_text(arena, rows[i].name);
        usable->value = quantity_new(arena, rows[i].amount);
        status->allocatable[status->n_allocatable++] = usable;
    }
}

static void add_address(struct arena *arena, Core__V1__NodeStatus *status, const char *type,
                        const char *address)
{
    Core__V1__NodeAddress *entry = arena_alloc(arena, sizeof(*entry));
    core__v1__node_address__init(entry);
    entry->type = arena_text(arena, type);
    entry->address = arena_text(arena, address);
    status->addresses[status->n_addresses++] = entry;
}

static void add_system(struct arena *arena, const struct node_facts *facts,
                       const struct utsname *machine, Core__V1__NodeStatus *status)
{
    Core__V1__NodeSystemInfo *info = arena_alloc(arena, sizeof(*info));
    core__v1__node_system_info__init(info);
    info->machine_id = first_line(arena, "/etc/machine-id");
    info->system_uuid = info->machine_id;
    info->boot_id = first_line(arena, "/proc/sys/kernel/random/boot_id");
    info->kernel_version = arena_text(arena, machine->release);
    info->os_image = os_image(arena);
    info->container_runtime_version = arena_text(arena, facts->runtime_version);
    info->kubelet_version = arena_text(arena, API_VERSION_SERVED);
    info->kube_proxy_version = info->kubelet_version;
    info->operating_system = arena_text(arena, "linux");
    info->architecture = arena_text(arena, architecture(machine->machine));
    status->node_info = info;
    status->daemon_endpoints = arena_alloc(arena, sizeof(*status->daemon_endpoints));
    core__v1__node_daemon_endpoints__init(status->daemon_endpoints);
    Core__V1__DaemonEndpoint *endpoint = arena_alloc(arena, sizeof(*endpoint));
    core__v1__daemon_endpoint__init(endpoint);
    endpoint->port = facts->port;
    status->daemon_endpoints->kubelet_endpoint = endpoint;
}

Core__V1__Node *node_build(struct arena *arena, const struct node_facts *facts)
{
    struct utsname machine;
    (void)uname(&machine); /* Fails only for a bad pointer. */
    Core__V1__Node *node = arena_alloc(arena, sizeof(*node));
    core__v1__node__init(node);
    node->metadata = build_meta(arena, facts, architecture(machine.machine));
    Core__V1__NodeStatus *status = arena_alloc(arena, sizeof(*status));
    core__v1__node_status__init(status);
    node->status = status;
    add_resources(arena, facts, status);
    add_conditions(arena, facts, status);
    status->addresses = arena_array(arena, 2, sizeof(*status->addresses));
    add_address(arena, status, "InternalIP", facts->ip);
    add_address(arena, status, "Hostname", facts->name);
    add_system(arena, facts, &machine, status);
    status->images = facts->images;
    status->n_images = facts->image_count;
    return node;
}
