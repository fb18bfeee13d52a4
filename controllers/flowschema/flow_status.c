/* Tells in the status of each FlowSchema whether the priority level that it names exists: condition
 * Dangling (KEP-1040). Whatever changes, all are looked at: they are few. */
#include "controllers/control.h"
#include "k8s/flowcontrol_v1.pb-c.h"
#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include <stdlib.h>
#include <string.h>

#define FLOW_GROUP "flowcontrol.apiserver.k8s.io"

struct flow_status_loop {
    struct control *control;
    const struct api_kind *schema_kind;
    struct informer *schemas, *levels;
    struct informer_handler schema_handler, level_handler;
    struct reconciler *reconciler;
    void (*closed)(void *data);
    void *closed_data;
};

static void something_changed(void *data, const struct client_object *old_object,
                              const struct client_object *new_object)
{
    struct flow_status_loop *loop = data;
    (void)old_object;
    (void)new_object;
    reconciler_add(loop->reconciler, "all");
}

static bool level_exists(struct flow_status_loop *loop, const char *name)
{
    const struct client_object *level = informer_get(loop->levels, "", name);
    return level != NULL;
}

static Flowcontrol__V1__FlowSchemaCondition *dangling_of(Flowcontrol__V1__FlowSchema *schema)
{
    for (size_t i = 0; i < schema->status->n_conditions; i++) {
        const char *type = schema->status->conditions[i]->type;
        if (type != NULL && strcmp(type, "Dangling") == 0) {
            return schema->status->conditions[i];
        }
    }
    return NULL;
}

static Flowcontrol__V1__FlowSchemaCondition *add_dangling(struct arena *arena,
                                                          Flowcontrol__V1__FlowSchema *schema)
{
    Flowcontrol__V1__FlowSchemaStatus *status = schema->status;
    Flowcontrol__V1__FlowSchemaCondition **conditions =
        arena_array(arena, status->n_conditions + 1, sizeof(*conditions));
    if (status->n_conditions > 0) {
        memcpy(conditions, status->conditions, status->n_conditions * sizeof(*conditions));
    }
    Flowcontrol__V1__FlowSchemaCondition *condition =
        api_message_new(arena, api_message_find("k8s.io.api.flowcontrol.v1.FlowSchemaCondition"));
    condition->type = arena_text(arena, "Dangling");
    conditions[status->n_conditions++] = condition;
    status->conditions = conditions;
    return condition;
}

static void show(struct flow_status_loop *loop, struct round *round,
                 const Flowcontrol__V1__FlowSchema *present)
{
    const char *name = present->spec->priority_level_configuration->name;
    bool exists = level_exists(loop, name == NULL ? "" : name);
    const char *wanted = exists ? "False" : "True";
    struct arena *arena = round->arena;
    Flowcontrol__V1__FlowSchema *schema =
        api_message_copy(arena, loop->schema_kind->message, present);
    Flowcontrol__V1__FlowSchemaCondition *condition = dangling_of(schema);
    if (condition != NULL && condition->status != NULL && strcmp(condition->status, wanted) == 0) {
        return;
    }
    condition = condition == NULL ? add_dangling(arena, schema) : condition;
    condition->status = arena_text(arena, wanted);
    condition->reason = arena_text(arena, exists ? "Found" : "NotFound");
    condition->message = arena_printf(
        arena, "This FlowSchema references the PriorityLevelConfiguration object named \"%s\" %s",
        name == NULL ? "" : name, exists ? "and it exists" : "but there is no such object");
    condition->last_transition_time = api_time_new(arena, control_now_s(loop->control));
    control_update(round, loop->schema_kind, "status", schema->metadata, schema, NULL, NULL);
}

static void reconcile(void *data, struct round *round)
{
    struct flow_status_loop *loop = data;
    if (!control_ready(loop->control, round)) {
        return;
    }
    struct informer_list list = informer_all(loop->schemas, round->arena);
    for (size_t i = 0; i < list.count; i++) {
        const Flowcontrol__V1__FlowSchema *schema = list.items[i]->message;
        if (api_time_is_zero(schema->metadata->deletion_timestamp)) {
            show(loop, round, schema);
        }
    }
}

static void *flow_status_open(struct control *control)
{
    struct flow_status_loop *loop = alloc_zeroed(sizeof(*loop));
    loop->control = control;
    loop->schema_kind = control_kind(FLOW_GROUP, "v1", "flowschemas");
    loop->schemas = informers_get(control->informers, loop->schema_kind);
    loop->levels = informers_get(control->informers,
                                 control_kind(FLOW_GROUP, "v1", "prioritylevelconfigurations"));
    loop->reconciler =
        control_reconciler(control, "flowschema-status", /* as= */ NULL, 1, reconcile, loop);
    loop->schema_handler = (struct informer_handler){.changed = something_changed, .data = loop};
    loop->level_handler = loop->schema_handler;
    informer_add_handler(loop->schemas, &loop->schema_handler);
    informer_add_handler(loop->levels, &loop->level_handler);
    return loop;
}

static void rounds_ended(void *data)
{
    struct flow_status_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    free(loop);
    closed(closed_data);
}

static void flow_status_close(void *part, void (*closed)(void *data), void *data)
{
    struct flow_status_loop *loop = part;
    loop->closed = closed;
    loop->closed_data = data;
    informer_remove_handler(&loop->schema_handler);
    informer_remove_handler(&loop->level_handler);
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

const struct control_part control_flow_schema_status = {
    .name = "flowschema-status", .open = flow_status_open, .close = flow_status_close};
