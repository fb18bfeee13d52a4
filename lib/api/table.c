#include "lib/api/table.h"

#include "lib/api/kinds.h"
#include "lib/api/object.h"
#include "lib/api/table_internal.h"
#include "lib/api/time.h"
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#define NAME_COLUMN                                                                                \
    {                                                                                              \
        "Name", "string", "name", "Name of the object.", 0                                         \
    }
#define AGE_COLUMN                                                                                 \
    {                                                                                              \
        "Age", "string", "", "Time since the object was created.", 0                               \
    }
#define WIDE 1

static const struct api_table_column POD[] = {
    NAME_COLUMN,
    {"Ready", "string", "", "Containers that are ready, of all.", 0},
    {"Status", "string", "", "Phase of the pod, or what keeps it from running.", 0},
    {"Restarts", "string", "", "Restarts of its containers, and the last one's age.", 0},
    AGE_COLUMN,
    {"IP", "string", "", "First address of the pod.", WIDE},
    {"Node", "string", "", "Node that the pod is bound to.", WIDE},
    {"Nominated Node", "string", "", "Node on which room is being made for the pod.", WIDE},
    {"Readiness Gates", "string", "", "Readiness gates that hold, of all.", WIDE},
};
static const struct api_table_column SERVICE[] = {
    NAME_COLUMN,
    {"Type", "string", "", "How the service is exposed.", 0},
    {"Cluster-IP", "string", "", "Address inside the cluster.", 0},
    {"External-IP", "string", "", "Addresses outside the cluster.", 0},
    {"Port(s)", "string", "", "Ports and node ports.", 0},
    AGE_COLUMN,
    {"Selector", "string", "", "Labels of the pods behind it.", WIDE},
};
static const struct api_table_column NODE[] = {
    NAME_COLUMN,
    {"Status", "string", "", "Whether the node is ready and takes pods.", 0},
    {"Roles", "string", "", "Roles by label.", 0},
    AGE_COLUMN,
    {"Version", "string", "", "Version of the node agent.", 0},
    {"Internal-IP", "string", "", "Address inside the cluster.", WIDE},
    {"External-IP", "string", "", "Address outside the cluster.", WIDE},
    {"OS-Image", "string", "", "Operating system.", WIDE},
    {"Kernel-Version", "string", "", "Version of the kernel.", WIDE},
    {"Container-Runtime", "string", "", "Name and version of the container runtime.", WIDE},
};
static const struct api_table_column NAMESPACE[] = {
    NAME_COLUMN, {"Status", "string", "", "Active, or Terminating.", 0}, AGE_COLUMN};
static const struct api_table_column CONFIG_MAP[] = {
    NAME_COLUMN, {"Data", "string", "", "Number of keys.", 0}, AGE_COLUMN};
static const struct api_table_column SECRET[] = {NAME_COLUMN,
                                                 {"Type", "string", "", "What it is for.", 0},
                                                 {"Data", "string", "", "Number of keys.", 0},
                                                 AGE_COLUMN};
static const struct api_table_column SERVICE_ACCOUNT[] = {
    NAME_COLUMN, {"Secrets", "string", "", "Number of its secrets.", 0}, AGE_COLUMN};
static const struct api_table_column ENDPOINTS[] = {
    NAME_COLUMN, {"Endpoints", "string", "", "Addresses and ports.", 0}, AGE_COLUMN};
static const struct api_table_column EVENT[] = {
    {"Last Seen", "string", "", "Time since it last happened.", 0},
    {"Type", "string", "", "Normal or Warning.", 0},
    {"Reason", "string", "", "Why, for programs.", 0},
    {"Object", "string", "", "The object that it is about.", 0},
    {"Subobject", "string", "", "The part of that object.", WIDE},
    {"Source", "string", "", "Who reported it.", WIDE},
    {"Message", "string", "", "Why, for people.", 0},
    {"First Seen", "string", "", "Time since it first happened.", WIDE},
    {"Count", "string", "", "How often it happened.", WIDE},
    {"Name", "string", "name", "Name of the object.", WIDE},
};
static const struct api_table_column ENDPOINT_SLICE[] = {
    NAME_COLUMN,
    {"AddressType", "string", "", "IPv4, IPv6 or FQDN.", 0},
    {"Ports", "string", "", "Ports of every endpoint.", 0},
    {"Endpoints", "string", "", "Addresses.", 0},
    AGE_COLUMN};
static const struct api_table_column LEASE[] = {
    NAME_COLUMN, {"Holder", "string", "", "Who holds it.", 0}, AGE_COLUMN};
static const struct api_table_column DEPLOYMENT[] = {
    NAME_COLUMN,
    {"Ready", "string", "", "Pods that are ready, of those wanted.", 0},
    {"Up-to-date", "string", "", "Pods made from the current template.", 0},
    {"Available", "string", "", "Pods that have been ready long enough.", 0},
    AGE_COLUMN,
    {"Containers", "string", "", "Names of the containers in the template.", WIDE},
    {"Images", "string", "", "Images of the containers in the template.", WIDE},
    {"Selector", "string", "", "Labels of its pods.", WIDE},
};
static const struct api_table_column REPLICA_SET[] = {
    NAME_COLUMN,
    {"Desired", "integer", "", "Pods that are wanted.", 0},
    {"Current", "integer", "", "Pods that exist.", 0},
    {"Ready", "integer", "", "Pods that are ready.", 0},
    AGE_COLUMN,
    {"Containers", "string", "", "Names of the containers in the template.", WIDE},
    {"Images", "string", "", "Images of the containers in the template.", WIDE},
    {"Selector", "string", "", "Labels of its pods.", WIDE},
};
static const struct api_table_column CONTROLLER_REVISION[] = {
    NAME_COLUMN,
    {"Controller", "string", "", "The controller that made it.", 0},
    {"Revision", "string", "", "Its number.", 0},
    AGE_COLUMN};
static const struct api_table_column PLAIN[] = {
    {"Name", "string", "name", "Name of the object.", 0},
    {"Created At", "date", "", "When the object was created.", 0}};

static const struct table {
    const char *group, *kind;
    const struct api_table_column *columns;
    size_t count;
    table_row_maker *make;
} TABLES[] = {
#define TABLE(group, kind, columns, make)                                                          \
    {                                                                                              \
        group, kind, columns, ARRAY_LEN(columns), make                                             \
    }
    TABLE("", "Pod", POD, table_pod),
    TABLE("", "Service", SERVICE, table_service),
    TABLE("", "Node", NODE, table_node),
    TABLE("", "Namespace", NAMESPACE, table_namespace),
    TABLE("", "ConfigMap", CONFIG_MAP, table_config_map),
    TABLE("", "Secret", SECRET, table_secret),
    TABLE("", "ServiceAccount", SERVICE_ACCOUNT, table_service_account),
    TABLE("", "Endpoints", ENDPOINTS, table_endpoints),
    TABLE("", "Event", EVENT, table_event),
    TABLE("events.k8s.io", "Event", EVENT, table_event_v1),
    TABLE("discovery.k8s.io", "EndpointSlice", ENDPOINT_SLICE, table_endpoint_slice),
    TABLE("coordination.k8s.io", "Lease", LEASE, table_lease),
    TABLE("apps", "Deployment", DEPLOYMENT, table_deployment),
    TABLE("apps", "ReplicaSet", REPLICA_SET, table_replica_set),
    TABLE("apps", "ControllerRevision", CONTROLLER_REVISION, table_controller_revision),
#undef TABLE
};

static const struct table *table_of(const struct api_kind *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(TABLES); i++) {
        if (strcmp(TABLES[i].kind, kind->kind) == 0 && strcmp(TABLES[i].group, kind->group) == 0) {
            return &TABLES[i];
        }
    }
    return NULL;
}

const struct api_table_column *api_table_columns(const struct api_kind *kind, size_t *ret_count)
{
    const struct table *table = table_of(kind);
    *ret_count = table == NULL ? ARRAY_LEN(PLAIN) : table->count;
    return table == NULL ? PLAIN : table->columns;
}

static void add_cell(struct table_row *row, struct api_table_cell cell)
{
    assert(row->count < API_TABLE_COLUMNS_MAX);
    row->cells[row->count++] = cell;
}

void table_text(struct table_row *row, const char *text)
{
    add_cell(row, (struct api_table_cell){.type = API_CELL_TEXT, .text = text == NULL ? "" : text});
}

void table_text_or(struct table_row *row, const char *text, const char *otherwise)
{
    table_text(row, text == NULL || *text == '\0' ? otherwise : text);
}

void table_integer(struct table_row *row, int64_t number)
{
    add_cell(row, (struct api_table_cell){.type = API_CELL_INTEGER, .number = number});
}

const char *table_age_text(const struct table_row *row, const Meta__V1__Time *time)
{
    return api_time_is_zero(time) ? "<unknown>"
                                  : api_human_duration(row->arena, row->now_s - time->seconds);
}

void table_age(struct table_row *row, const Meta__V1__ObjectMeta *meta)
{
    table_text(row, table_age_text(row, meta->creation_timestamp));
}

void table_buffer(struct table_row *row, const struct buffer *text)
{
    table_text(row, arena_text_n(row->arena, buffer_text(text), text->len));
}

void table_more(struct buffer *text, size_t count)
{
    if (count > TABLE_LIST_MAX) {
        buffer_printf(text, " + %zu more...", count - TABLE_LIST_MAX);
    }
}

void table_containers(struct table_row *row, const Core__V1__PodSpec *spec)
{
    CLEANUP(buffer_release) struct buffer names, images;
    buffer_init(&names, SIZE_MAX / 2);
    buffer_init(&images, SIZE_MAX / 2);
    for (size_t i = 0; i < spec->n_containers; i++) {
        const Core__V1__Container *container = spec->containers[i];
        buffer_append_text(&names, i == 0 ? "" : ",");
        buffer_append_text(&images, i == 0 ? "" : ",");
        buffer_append_text(&names, container->name == NULL ? "" : container->name);
        buffer_append_text(&images, container->image == NULL ? "" : container->image);
    }
    table_buffer(row, &names);
    table_buffer(row, &images);
}

void api_table_row(struct arena *arena, const struct api_kind *kind, const void *message,
                   int64_t now_s, struct api_table_cell cells[API_TABLE_COLUMNS_MAX],
                   struct api_table_condition *ret_condition)
{
    const struct table *table = table_of(kind);
    struct table_row row = {
        .arena = arena, .now_s = now_s, .cells = cells, .condition = ret_condition};
    *ret_condition = (struct api_table_condition){.type = NULL};
    if (table != NULL) {
        table->make(&row, message);
        assert(row.count == table->count);
        return;
    }
    char time[API_TIME_TEXT_SIZE] = "";
    const Meta__V1__ObjectMeta *meta =
        kind->message == NULL ? NULL : api_message_meta(kind->message, message);
    if (meta != NULL && !api_time_is_zero(meta->creation_timestamp)) {
        api_time_format(meta->creation_timestamp->seconds, time);
    }
    table_text(&row, meta == NULL ? "" : meta->name);
    table_text(&row, arena_text(arena, time));
}

/* Two units where the first is small, as kubectl has it. */
static const char *two_units(struct arena *arena, int64_t big, const char *big_unit, int64_t small,
                             const char *small_unit)
{
    return small == 0 ? arena_printf(arena, "%" PRId64 "%s", big, big_unit)
                      : arena_printf(arena, "%" PRId64 "%s%" PRId64 "%s", big, big_unit, small,
                                     small_unit);
}

const char *api_human_duration(struct arena *arena, int64_t seconds)
{
    enum { MINUTE = 60, HOUR = 3600, DAY = 86400, YEAR = 365 * 86400 };
    if (seconds < -1) {
        return "<invalid>";
    }
    if (seconds < 2 * MINUTE) {
        return arena_printf(arena, "%" PRId64 "s", seconds < 0 ? 0 : seconds);
    }
    if (seconds < 10 * MINUTE) {
        return two_units(arena, seconds / MINUTE, "m", seconds % MINUTE, "s");
    }
    if (seconds < 180 * MINUTE) {
        return two_units(arena, seconds / MINUTE, "m", 0, "");
    }
    if (seconds < 8 * HOUR) {
        return two_units(arena, seconds / HOUR, "h", seconds % HOUR / MINUTE, "m");
    }
    if (seconds < 48 * HOUR) {
        return two_units(arena, seconds / HOUR, "h", 0, "");
    }
    if (seconds < 192 * HOUR) {
        return two_units(arena, seconds / DAY, "d", seconds % DAY / HOUR, "h");
    }
    if (seconds < 2LL * YEAR) {
        return two_units(arena, seconds / DAY, "d", 0, "");
    }
    if (seconds < 8LL * YEAR) {
        return two_units(arena, seconds / YEAR, "y", seconds % YEAR / DAY, "d");
    }
    return two_units(arena, seconds / YEAR, "y", 0, "");
}
