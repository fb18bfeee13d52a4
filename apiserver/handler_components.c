/* ComponentStatus (kubectl get componentstatuses): whether the parts of this control plane work, as
 * the member that is asked knows it. Nothing of it is stored. */
#include "apiserver/request.h"
#include "k8s/core_v1.pb-c.h"

struct component {
    const char *name;
    bool healthy;
    const char *message; /* "ok", or what is wrong. */
};

enum { COMPONENTS = 3 };

static struct component component_of_part(const struct apiserver *server, enum apiserver_part part,
                                          const char *name)
{
    bool absent = atomic_load(&server->parts[part]) == APISERVER_PART_ABSENT;
    const char *problem = absent                              ? "this member runs none"
                          : !atomic_load(&server->has_leader) ? "no member leads"
                                                              : NULL;
    return (struct component){name, problem == NULL, problem == NULL ? "ok" : problem};
}

static void look(const struct apiserver *server, struct component ret_components[COMPONENTS])
{
    bool quorum = atomic_load(&server->has_leader);
    ret_components[0] = component_of_part(server, APISERVER_CONTROLLERS, "controller-manager");
    ret_components[1] =
        (struct component){"etcd-0", quorum, quorum ? "ok" : "no quorum of the store answers"};
    ret_components[2] = component_of_part(server, APISERVER_SCHEDULER, "scheduler");
}

static Core__V1__ComponentStatus *message_of(struct request *request,
                                             const struct component *component)
{
    struct arena *arena = request->arena;
    Core__V1__ComponentStatus *status = api_message_new(arena, request->kind->message);
    Core__V1__ComponentCondition *condition =
        api_message_new(arena, api_message_find("k8s.io.api.core.v1.ComponentCondition"));
    condition->type = arena_text(arena, "Healthy");
    condition->status = arena_text(arena, component->healthy ? "True" : "False");
    condition->message = arena_text(arena, component->message);
    status->metadata->name = arena_text(arena, component->name);
    status->conditions = arena_array(arena, 1, sizeof(condition));
    status->conditions[0] = condition;
    status->n_conditions = 1;
    return status;
}

static void respond_all(struct request *request, const struct component components[COMPONENTS])
{
    const struct api_kind *kind = request->kind;
    struct registry_filter *filter = NULL;
    const struct api_status *refusal = NULL;
    if (!fill_options(request)) {
        return;
    }
    if (registry_filter_new(request->arena, kind, "", "", &request->call.options, &filter,
                            &refusal) < 0) {
        respond_status(request, refusal);
        return;
    }
    Core__V1__ComponentStatusList *list = api_message_new(request->arena, kind->list_message);
    list->items = arena_array(request->arena, COMPONENTS, sizeof(*list->items));
    for (size_t i = 0; i < COMPONENTS; i++) {
        Core__V1__ComponentStatus *status = message_of(request, &components[i]);
        if (registry_filter_matches_message(filter, request->arena, status)) {
            list->items[list->n_items++] = status;
        }
    }
    if (request->accept.form != FORM_OBJECT) {
        respond_rows(request, (const void *const *)list->items, list->n_items);
        return;
    }
    const struct api_type_meta type_meta = {.api_version = kind->api_version,
                                            .kind = kind->list_kind};
    respond_message(request, 200, kind->list_message, list, &type_meta);
}

void handle_components(struct request *request)
{
    struct component components[COMPONENTS];
    struct registry_call *call = &request->call;
    look(request->server, components);
    call->warnings[call->warning_count++] = "v1 ComponentStatus is deprecated in v1.19+";
    if (request->info.name[0] == '\0') {
        respond_all(request, components);
        return;
    }
    for (size_t i = 0; i < COMPONENTS; i++) {
        if (strcmp(components[i].name, request->info.name) == 0) {
            respond_object(request, 200, NULL, request->kind, message_of(request, &components[i]));
            return;
        }
    }
    respond_status(request,
                   api_status_not_found(request->arena, request->kind, request->info.name));
}
