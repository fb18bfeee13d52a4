/* What the row makers of the kinds share. Internal to lib/api. */
#ifndef LIB_API_TABLE_INTERNAL_H
#define LIB_API_TABLE_INTERNAL_H
#include "k8s/core_v1.pb-c.h"
#include "k8s/meta_v1.pb-c.h"
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
#endif
