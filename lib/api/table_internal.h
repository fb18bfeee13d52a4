/* What the row makers of the kinds share. Internal to lib/api. */
#ifndef LIB_API_TABLE_INTERNAL_H
#define LIB_API_TABLE_INTERNAL_H
#include "k8s/core_v1.pb-c.h"
#include "k8s/meta_v1.pb-c.h"
#include "lib/api/selector.h"
#include "lib/api/table.h"
#include "lib/base/buffer.h"

struct table_row {
    struct arena *arena;
    int64_t now_s;
    struct api_table_cell *cells;
    struct api_table_condition *condition;
    size_t count;
};

enum { TABLE_LIST_MAX = 3 }; /* Items shown before " + K more...". */

void table_text(struct table_row *row, const char *text); /* NULL shows as "". */
void table_text_or(struct table_row *row, const char *text, const char *otherwise);
/* Also in columns that are declared as text: that is what v1.32 sends. */
void table_integer(struct table_row *row, int64_t number);
void table_bool(struct table_row *row, bool value);
/* "<unknown>" for the zero time. */
const char *table_age_text(const struct table_row *row, const Meta__V1__Time *time);
void table_age(struct table_row *row, const Meta__V1__ObjectMeta *meta);
/* Takes what the buffer holds. */
void table_buffer(struct table_row *row, const struct buffer *text);
void table_containers(struct table_row *row, const Core__V1__PodSpec *spec); /* Names, images. */
/* " + K more..." when more than TABLE_LIST_MAX. */
void table_more(struct buffer *text, size_t count);

typedef void table_row_maker(struct table_row *row, const void *message);
table_row_maker table_pod, table_service, table_node, table_namespace, table_config_map,
    table_secret, table_service_account, table_endpoints, table_event, table_event_v1,
    table_endpoint_slice, table_lease, table_deployment, table_replica_set,
    table_controller_revision;
table_row_maker table_persistent_volume, table_claim, table_pod_template,
    table_replication_controller, table_resource_quota, table_daemon_set, table_stateful_set,
    table_autoscaler, table_cron_job, table_job, table_certificate_request, table_ingress_class,
    table_ingress, table_network_policy, table_budget, table_role_binding,
    table_cluster_role_binding, table_csi_driver, table_csi_node, table_storage_class,
    table_attachment, table_mutating_webhooks, table_validating_webhooks, table_admission_policy,
    table_policy_binding, table_priority_class, table_runtime_class, table_flow_schema,
    table_priority_level, table_api_service, table_component_status, table_scale;

struct table_layout {
    const struct api_table_column *columns;
    size_t count;
    table_row_maker *make;      /* NULL: name and time of creation. */
    api_table_compare *compare; /* NULL: rows are in the order of their keys. */
};
api_table_compare table_compare_flow_schemas;
/* Never NULL. */
const struct table_layout *table_layout_of(const struct api_kind *kind);

/* --- What several kinds show (table_rows.c) ----------------------------------------------------
 */

void table_join(struct buffer *text, const char *item, const char *separator);
void table_labels(struct table_row *row, struct api_string_map map);
/* A selector that makes no sense shows as `wrong`. */
void table_selector(struct table_row *row, const Meta__V1__LabelSelector *message,
                    const char *wrong);
#endif
