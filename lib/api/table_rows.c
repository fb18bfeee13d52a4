/* Rows of every kind but pods. */
#include "lib/api/object.h"
#include "lib/api/rules/rules.h"
#include "lib/api/table_internal.h"
#include "lib/api/time.h"
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>

static void text_buffer(struct buffer *text)
{
    buffer_init(text, SIZE_MAX / 2); /* What a stored object holds is bounded already. */
}

void table_join(struct buffer *text, const char *item, const char *separator)
{
    buffer_append_text(text, text->len == 0 ? "" : separator);
    buffer_append_text(text, item);
}

void table_labels(struct table_row *row, struct api_string_map map)
{
    struct api_label_selector selector = api_label_selector_from_map(row->arena, map);
    table_text_or(row, api_label_selector_print(row->arena, &selector), "<none>");
}

void table_selector(struct table_row *row, const Meta__V1__LabelSelector *message,
                    const char *wrong)
{
    struct api_label_selector selector;
    if (api_label_selector_from_message(row->arena, message, &selector, NULL) != 0) {
        table_text(row, wrong);
        return;
    }
    table_text_or(row, api_label_selector_print(row->arena, &selector), "<none>");
}

static const char *lower(struct arena *arena, const char *text)
{
    char *copy = arena_text(arena, text_or_empty(text));
    for (char *at = copy; *at != '\0'; at++) {
        *at = (char)tolower((unsigned char)*at);
    }
    return copy;
}

/* --- Services ----------------------------------------------------------------------------------
 */

static void join(struct buffer *text, const char *item)
{
    table_join(text, item, ",");
}

static int by_text(const void *a, const void *b)
{
    const char *const *left = a, *const *right = b;
    return strcmp(*left, *right);
}

static void balancer_addresses(struct table_row *row, struct buffer *text,
                               const Core__V1__LoadBalancerStatus *status)
{
    size_t count = status == NULL ? 0 : status->n_ingress;
    const char **items = arena_array(row->arena, count, sizeof(*items));
    for (size_t i = 0; i < count; i++) {
        const Core__V1__LoadBalancerIngress *ingress = status->ingress[i];
        items[i] = rules_empty(ingress->ip) ? text_or_empty(ingress->hostname) : ingress->ip;
    }
    if (count > 1) {
        qsort(items, count, sizeof(*items), by_text);
    }
    for (size_t i = 0; i < count; i++) {
        if (*items[i] != '\0' && (i == 0 || strcmp(items[i], items[i - 1]) != 0)) {
            join(text, items[i]);
        }
    }
}

static void external_ip(struct table_row *row, const Core__V1__Service *service)
{
    const Core__V1__ServiceSpec *spec = service->spec;
    CLEANUP(buffer_release) struct buffer text;
    text_buffer(&text);
    if (rules_is(spec->type, "ExternalName")) {
        table_text(row, spec->external_name);
        return;
    }
    bool balancer = rules_is(spec->type, "LoadBalancer");
    if (!balancer && !rules_is(spec->type, "ClusterIP") && !rules_is(spec->type, "NodePort")) {
        table_text(row, "<unknown>");
        return;
    }
    if (balancer) {
        balancer_addresses(row, &text, service->status->load_balancer);
    }
    for (size_t i = 0; i < spec->n_external_ips; i++) {
        join(&text, spec->external_ips[i]);
    }
    if (text.len == 0) {
        table_text(row, balancer ? "<pending>" : "<none>");
        return;
    }
    table_buffer(row, &text);
}

static void service_ports(struct table_row *row, const Core__V1__ServiceSpec *spec)
{
    CLEANUP(buffer_release) struct buffer text;
    text_buffer(&text);
    for (size_t i = 0; i < spec->n_ports; i++) {
        const Core__V1__ServicePort *port = spec->ports[i];
        buffer_printf(&text, "%s%d", i == 0 ? "" : ",", port->port);
        if (port->node_port > 0) {
            buffer_printf(&text, ":%d", port->node_port);
        }
        buffer_printf(&text, "/%s", text_or_empty(port->protocol));
    }
    if (text.len == 0) {
        buffer_append_text(&text, "<none>");
    }
    table_buffer(row, &text);
}

void table_service(struct table_row *row, const void *message)
{
    const Core__V1__Service *service = message;
    const Core__V1__ServiceSpec *spec = service->spec;
    table_text(row, service->metadata->name);
    table_text(row, spec->type);
    table_text_or(row, spec->n_cluster_ips > 0 ? spec->cluster_ips[0] : "", "<none>");
    external_ip(row, service);
    service_ports(row, spec);
    table_age(row, service->metadata);
    table_labels(row, API_STRING_MAP(spec->selector, spec->n_selector));
}

/* --- Nodes -------------------------------------------------------------------------------------
 */

static const char *node_status(const struct table_row *row, const Core__V1__Node *node)
{
    const char *status = "Unknown";
    for (size_t i = 0; i < node->status->n_conditions; i++) {
        const Core__V1__NodeCondition *condition = node->status->conditions[i];
        if (rules_is(condition->type, "Ready")) {
            status = rules_is(condition->status, "True") ? "Ready" : "NotReady";
        }
    }
    return node->spec->unschedulable ? arena_printf(row->arena, "%s,SchedulingDisabled", status)
                                     : status;
}

static void node_roles(struct table_row *row, const Meta__V1__ObjectMeta *meta)
{
    static const char prefix[] = "node-role.kubernetes.io/";
    CLEANUP(buffer_release) struct buffer text;
    text_buffer(&text);
    const char **roles = arena_array(row->arena, meta->n_labels, sizeof(*roles));
    size_t count = 0;
    for (size_t i = 0; i < meta->n_labels; i++) {
        const char *key = text_or_empty(meta->labels[i]->key);
        const char *value = text_or_empty(meta->labels[i]->value);
        if (strncmp(key, prefix, sizeof(prefix) - 1) == 0 && key[sizeof(prefix) - 1] != '\0') {
            roles[count++] = key + sizeof(prefix) - 1;
        } else if (strcmp(key, "kubernetes.io/role") == 0 && *value != '\0') {
            roles[count++] = value;
        }
    }
    if (count > 1) {
        qsort(roles, count, sizeof(*roles), by_text);
    }
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(roles[i], roles[i - 1]) != 0) {
            join(&text, roles[i]);
        }
    }
    if (count == 0) {
        buffer_append_text(&text, "<none>");
    }
    table_buffer(row, &text);
}

static const char *node_address(const Core__V1__Node *node, const char *type)
{
    for (size_t i = 0; i < node->status->n_addresses; i++) {
        if (rules_is(node->status->addresses[i]->type, type)) {
            return node->status->addresses[i]->address;
        }
    }
    return "";
}

void table_node(struct table_row *row, const void *message)
{
    const Core__V1__Node *node = message;
    const Core__V1__NodeSystemInfo *info = node->status->node_info;
    table_text(row, node->metadata->name);
    table_text(row, node_status(row, node));
    node_roles(row, node->metadata);
    table_age(row, node->metadata);
    table_text(row, info == NULL ? "" : info->kubelet_version);
    table_text_or(row, node_address(node, "InternalIP"), "<none>");
    table_text_or(row, node_address(node, "ExternalIP"), "<none>");
    table_text_or(row, info == NULL ? "" : info->os_image, "<unknown>");
    table_text_or(row, info == NULL ? "" : info->kernel_version, "<unknown>");
    table_text_or(row, info == NULL ? "" : info->container_runtime_version, "<unknown>");
}

/* --- Small kinds of core -----------------------------------------------------------------------
 */

void table_namespace(struct table_row *row, const void *message)
{
    const Core__V1__Namespace *object = message;
    table_text(row, object->metadata->name);
    table_text(row, object->status->phase);
    table_age(row, object->metadata);
}

void table_config_map(struct table_row *row, const void *message)
{
    const Core__V1__ConfigMap *map = message;
    table_text(row, map->metadata->name);
    table_integer(row, (int64_t)(map->n_data + map->n_binary_data));
    table_age(row, map->metadata);
}

void table_secret(struct table_row *row, const void *message)
{
    const Core__V1__Secret *secret = message;
    table_text(row, secret->metadata->name);
    table_text(row, secret->type);
    table_integer(row, (int64_t)secret->n_data);
    table_age(row, secret->metadata);
}

void table_service_account(struct table_row *row, const void *message)
{
    const Core__V1__ServiceAccount *account = message;
    table_text(row, account->metadata->name);
    table_integer(row, (int64_t)account->n_secrets);
    table_age(row, account->metadata);
}

static const char *address_text(struct arena *arena, const char *ip, const char *port)
{
    const char *format = strchr(text_or_empty(ip), ':') != NULL ? "[%s]:%s" : "%s:%s";
    return format[0] == '[' ? arena_printf(arena, "[%s]:%s", ip, port)
                            : arena_printf(arena, "%s:%s", text_or_empty(ip), port);
}

static void subset_text(struct table_row *row, struct buffer *text, size_t *count,
                        const Core__V1__EndpointSubset *subset)
{
    size_t ports = subset->n_ports == 0 ? 1 : subset->n_ports;
    for (size_t p = 0; p < ports; p++) {
        for (size_t a = 0; a < subset->n_addresses; a++) {
            const char *ip = text_or_empty(subset->addresses[a]->ip);
            if ((*count)++ >= TABLE_LIST_MAX) {
                continue;
            }
            join(text, subset->n_ports == 0
                           ? ip
                           : address_text(row->arena, ip,
                                          arena_printf(row->arena, "%d", subset->ports[p]->port)));
        }
    }
}

void table_endpoints(struct table_row *row, const void *message)
{
    const Core__V1__Endpoints *endpoints = message;
    CLEANUP(buffer_release) struct buffer text;
    text_buffer(&text);
    size_t count = 0;
    for (size_t i = 0; i < endpoints->n_subsets; i++) {
        subset_text(row, &text, &count, endpoints->subsets[i]);
    }
    table_more(&text, count);
    if (endpoints->n_subsets == 0) {
        buffer_append_text(&text, "<none>");
    }
    table_text(row, endpoints->metadata->name);
    table_buffer(row, &text);
    table_age(row, endpoints->metadata);
}

/* --- Events ------------------------------------------------------------------------------------
 */

/* Both groups' events have the same content under other names. */
struct event_view {
    const Meta__V1__ObjectMeta *meta;
    const Core__V1__ObjectReference *object;
    const Core__V1__EventSource *source;
    const Meta__V1__Time *first, *last;
    const Meta__V1__MicroTime *event_time, *series_last;
    bool series;
    int64_t series_count, count;
    const char *type, *reason, *message, *reporter, *instance;
};

static const char *micro_age(const struct table_row *row, const Meta__V1__MicroTime *time)
{
    enum { NANOS_PER_SECOND = 1000000000 };
    return api_micro_time_is_zero(time)
               ? "<unknown>"
               : api_human_duration(row->arena,
                                    row->now_s - api_micro_time_nanos(time) / NANOS_PER_SECOND);
}

static const char *event_source(const struct table_row *row, const struct event_view *view)
{
    const char *component = view->source == NULL ? "" : text_or_empty(view->source->component);
    const char *host = view->source == NULL ? "" : text_or_empty(view->source->host);
    component = *component == '\0' ? view->reporter : component;
    host = *host == '\0' ? view->instance : host;
    return *host == '\0' ? component : arena_printf(row->arena, "%s, %s", component, host);
}

static const char *trimmed(struct arena *arena, const char *text)
{
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1])) {
        len--;
    }
    while (len > 0 && isspace((unsigned char)*text)) {
        text++;
        len--;
    }
    return arena_text_n(arena, text, len);
}

static void event_row(struct table_row *row, const struct event_view *view)
{
    const char *first = api_time_is_zero(view->first) ? micro_age(row, view->event_time)
                                                      : table_age_text(row, view->first);
    const char *last = api_time_is_zero(view->last) ? first : table_age_text(row, view->last);
    int64_t count = view->series ? view->series_count : view->count;
    const char *kind = lower(row->arena, view->object == NULL ? "" : view->object->kind);
    const char *name = view->object == NULL ? "" : text_or_empty(view->object->name);
    table_text(row, view->series ? micro_age(row, view->series_last) : last);
    table_text(row, view->type);
    table_text(row, view->reason);
    table_text(row, *name == '\0' ? kind : arena_printf(row->arena, "%s/%s", kind, name));
    table_text(row, view->object == NULL ? "" : view->object->field_path);
    table_text(row, event_source(row, view));
    table_text(row, trimmed(row->arena, view->message));
    table_text(row, first);
    table_integer(row, count == 0 ? 1 : count);
    table_text(row, view->meta->name);
}

void table_event(struct table_row *row, const void *message)
{
    const Core__V1__Event *event = message;
    const struct event_view view = {
        .meta = event->metadata,
        .object = event->involved_object,
        .source = event->source,
        .first = event->first_timestamp,
        .last = event->last_timestamp,
        .event_time = event->event_time,
        .series = event->series != NULL,
        .series_last = event->series == NULL ? NULL : event->series->last_observed_time,
        .series_count = event->series == NULL ? 0 : event->series->count,
        .count = event->count,
        .type = event->type,
        .reason = event->reason,
        .message = text_or_empty(event->message),
        .reporter = text_or_empty(event->reporting_component),
        .instance = text_or_empty(event->reporting_instance)};
    event_row(row, &view);
}

void table_event_v1(struct table_row *row, const void *message)
{
    const Events__V1__Event *event = message;
    const struct event_view view = {
        .meta = event->metadata,
        .object = event->regarding,
        .source = event->deprecated_source,
        .first = event->deprecated_first_timestamp,
        .last = event->deprecated_last_timestamp,
        .event_time = event->event_time,
        .series = event->series != NULL,
        .series_last = event->series == NULL ? NULL : event->series->last_observed_time,
        .series_count = event->series == NULL ? 0 : event->series->count,
        .count = event->deprecated_count,
        .type = event->type,
        .reason = event->reason,
        .message = text_or_empty(event->note),
        .reporter = text_or_empty(event->reporting_controller),
        .instance = text_or_empty(event->reporting_instance)};
    event_row(row, &view);
}

/* --- Other groups ------------------------------------------------------------------------------
 */

static void slice_ports(struct table_row *row, const Discovery__V1__EndpointSlice *slice)
{
    CLEANUP(buffer_release) struct buffer text;
    text_buffer(&text);
    for (size_t i = 0; i < slice->n_ports && i < TABLE_LIST_MAX; i++) {
        const Discovery__V1__EndpointPort *port = slice->ports[i];
        if (port->has_port) {
            join(&text, arena_printf(row->arena, "%d", port->port));
        } else {
            join(&text, rules_empty(port->name) ? "*" : port->name);
        }
    }
    table_more(&text, slice->n_ports);
    if (slice->n_ports == 0) {
        buffer_append_text(&text, "<unset>");
    }
    table_buffer(row, &text);
}

void table_endpoint_slice(struct table_row *row, const void *message)
{
    const Discovery__V1__EndpointSlice *slice = message;
    CLEANUP(buffer_release) struct buffer text;
    text_buffer(&text);
    size_t count = 0;
    for (size_t i = 0; i < slice->n_endpoints; i++) {
        for (size_t a = 0; a < slice->endpoints[i]->n_addresses; a++) {
            if (count++ < TABLE_LIST_MAX) {
                join(&text, slice->endpoints[i]->addresses[a]);
            }
        }
    }
    table_more(&text, count);
    if (slice->n_endpoints == 0) {
        buffer_append_text(&text, "<unset>");
    }
    table_text(row, slice->metadata->name);
    table_text(row, slice->address_type);
    slice_ports(row, slice);
    table_buffer(row, &text);
    table_age(row, slice->metadata);
}

void table_lease(struct table_row *row, const void *message)
{
    const Coordination__V1__Lease *lease = message;
    table_text(row, lease->metadata->name);
    table_text(row, lease->spec == NULL ? "" : lease->spec->holder_identity);
    table_age(row, lease->metadata);
}

void table_deployment(struct table_row *row, const void *message)
{
    const Apps__V1__Deployment *deployment = message;
    const Apps__V1__DeploymentStatus *status = deployment->status;
    table_text(row, deployment->metadata->name);
    table_text(
        row, arena_printf(row->arena, "%d/%d", status->ready_replicas, deployment->spec->replicas));
    table_integer(row, status->updated_replicas);
    table_integer(row, status->available_replicas);
    table_age(row, deployment->metadata);
    table_containers(row, deployment->spec->template_->spec);
    table_selector(row, deployment->spec->selector, "<invalid>");
}

void table_replica_set(struct table_row *row, const void *message)
{
    const Apps__V1__ReplicaSet *set = message;
    table_text(row, set->metadata->name);
    table_integer(row, set->spec->replicas);
    table_integer(row, set->status->replicas);
    table_integer(row, set->status->ready_replicas);
    table_age(row, set->metadata);
    table_containers(row, set->spec->template_->spec);
    table_selector(row, set->spec->selector, "<error>");
}

static const char *controller_text(const struct table_row *row,
                                   const Meta__V1__OwnerReference *owner)
{
    if (owner == NULL) {
        return "<none>";
    }
    const char *slash = strchr(text_or_empty(owner->api_version), '/');
    const char *kind = lower(row->arena, owner->kind);
    return slash == NULL
               ? arena_printf(row->arena, "%s/%s", kind, text_or_empty(owner->name))
               : arena_printf(row->arena, "%s.%.*s/%s", kind, (int)(slash - owner->api_version),
                              owner->api_version, text_or_empty(owner->name));
}

void table_controller_revision(struct table_row *row, const void *message)
{
    const Apps__V1__ControllerRevision *revision = message;
    table_text(row, revision->metadata->name);
    table_text(row, controller_text(row, api_meta_controller(revision->metadata)));
    table_integer(row, revision->revision);
    table_age(row, revision->metadata);
}
