/* Rows of what governs a cluster: traffic, permissions, admission, priorities, certificates. */
#include "lib/api/rules/rules.h"
#include "lib/api/table_internal.h"
#include "lib/api/time.h"
#include <stdlib.h>

static const char NONE[] = "<none>";
static const char UNSET[] = "<unset>";

/* --- Networking --------------------------------------------------------------------------------
 */

void table_ingress_class(struct table_row *row, const void *message)
{
    const Networking__V1__IngressClass *class = message;
    const Networking__V1__IngressClassParametersReference *parameters = class->spec->parameters;
    const char *text = NONE;
    if (parameters != NULL) {
        const char *group = text_or_empty(parameters->a_pi_group);
        text = arena_printf(row->arena, "%s%s%s/%s", text_or_empty(parameters->kind),
                            *group == '\0' ? "" : ".", group, text_or_empty(parameters->name));
    }
    table_text(row, class->metadata->name);
    table_text(row, class->spec->controller);
    table_text(row, text);
    table_age(row, class->metadata);
}

static void ingress_hosts(struct table_row *row, const Networking__V1__IngressSpec *spec)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, SIZE_MAX / 2);
    size_t count = 0;
    for (size_t i = 0; i < spec->n_rules && count < TABLE_LIST_MAX; i++) {
        if (!rules_empty(spec->rules[i]->host)) {
            table_join(&text, spec->rules[i]->host, ",");
            count++;
        }
    }
    if (count == TABLE_LIST_MAX) {
        table_more(&text, spec->n_rules);
    }
    table_text_or(row, arena_text_n(row->arena, buffer_text(&text), text.len), "*");
}

static int by_text(const void *a, const void *b)
{
    const char *const *left = a, *const *right = b;
    return strcmp(*left, *right);
}

static void ingress_addresses(struct table_row *row, const Networking__V1__IngressStatus *status)
{
    const Networking__V1__IngressLoadBalancerStatus *balancer = status->load_balancer;
    size_t count = balancer == NULL ? 0 : balancer->n_ingress;
    const char **items = arena_array(row->arena, count, sizeof(*items));
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, SIZE_MAX / 2);
    for (size_t i = 0; i < count; i++) {
        const Networking__V1__IngressLoadBalancerIngress *ingress = balancer->ingress[i];
        items[i] = rules_empty(ingress->ip) ? text_or_empty(ingress->hostname) : ingress->ip;
    }
    if (count > 1) {
        qsort(items, count, sizeof(*items), by_text);
    }
    for (size_t i = 0; i < count; i++) {
        if (*items[i] != '\0' && (i == 0 || strcmp(items[i], items[i - 1]) != 0)) {
            table_join(&text, items[i], ",");
        }
    }
    table_buffer(row, &text);
}

void table_ingress(struct table_row *row, const void *message)
{
    const Networking__V1__Ingress *ingress = message;
    table_text(row, ingress->metadata->name);
    table_text_or(row, ingress->spec->ingress_class_name, NONE);
    ingress_hosts(row, ingress->spec);
    ingress_addresses(row, ingress->status);
    table_text(row, ingress->spec->n_tls > 0 ? "80, 443" : "80");
    table_age(row, ingress->metadata);
}

void table_network_policy(struct table_row *row, const void *message)
{
    const Networking__V1__NetworkPolicy *policy = message;
    table_text(row, policy->metadata->name);
    table_selector(row, policy->spec->pod_selector, "<error>");
    table_age(row, policy->metadata);
}

/* --- Permissions -------------------------------------------------------------------------------
 */

static void subjects(struct table_row *row, Rbac__V1__Subject *const *items, size_t count,
                     const char *kind)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, SIZE_MAX / 2);
    for (size_t i = 0; i < count; i++) {
        const char *name = text_or_empty(items[i]->name);
        if (!rules_is(items[i]->kind, kind)) {
            continue;
        }
        if (rules_is(kind, "ServiceAccount")) {
            name = arena_printf(row->arena, "%s/%s", text_or_empty(items[i]->namespace_), name);
        }
        table_join(&text, name, ", ");
    }
    table_buffer(row, &text);
}

static void binding(struct table_row *row, const Meta__V1__ObjectMeta *meta,
                    const Rbac__V1__RoleRef *role, Rbac__V1__Subject *const *items, size_t count)
{
    table_text(row, meta->name);
    table_text(row, arena_printf(row->arena, "%s/%s", text_or_empty(role->kind),
                                 text_or_empty(role->name)));
    table_age(row, meta);
    subjects(row, items, count, "User");
    subjects(row, items, count, "Group");
    subjects(row, items, count, "ServiceAccount");
}

void table_role_binding(struct table_row *row, const void *message)
{
    const Rbac__V1__RoleBinding *object = message;
    binding(row, object->metadata, object->role_ref, object->subjects, object->n_subjects);
}

void table_cluster_role_binding(struct table_row *row, const void *message)
{
    const Rbac__V1__ClusterRoleBinding *object = message;
    binding(row, object->metadata, object->role_ref, object->subjects, object->n_subjects);
}

/* --- Admission ---------------------------------------------------------------------------------
 */

void table_mutating_webhooks(struct table_row *row, const void *message)
{
    const Admissionregistration__V1__MutatingWebhookConfiguration *object = message;
    table_text(row, object->metadata->name);
    table_integer(row, (int64_t)object->n_webhooks);
    table_age(row, object->metadata);
}

void table_validating_webhooks(struct table_row *row, const void *message)
{
    const Admissionregistration__V1__ValidatingWebhookConfiguration *object = message;
    table_text(row, object->metadata->name);
    table_integer(row, (int64_t)object->n_webhooks);
    table_age(row, object->metadata);
}

void table_admission_policy(struct table_row *row, const void *message)
{
    const Admissionregistration__V1__ValidatingAdmissionPolicy *policy = message;
    const Admissionregistration__V1__ParamKind *kind = policy->spec->param_kind;
    table_text(row, policy->metadata->name);
    table_integer(row, (int64_t)policy->spec->n_validations);
    table_text(row, kind == NULL
                        ? UNSET
                        : arena_printf(row->arena, "%s/%s", text_or_empty(kind->api_version),
                                       text_or_empty(kind->kind)));
    table_age(row, policy->metadata);
}

void table_policy_binding(struct table_row *row, const void *message)
{
    const Admissionregistration__V1__ValidatingAdmissionPolicyBinding *object = message;
    const Admissionregistration__V1__ParamRef *parameters = object->spec->param_ref;
    table_text(row, object->metadata->name);
    table_text(row, object->spec->policy_name);
    if (parameters == NULL) {
        table_text(row, UNSET);
    } else if (!rules_empty(parameters->name)) {
        const char *place = text_or_empty(parameters->namespace_);
        table_text(
            row, arena_printf(row->arena, "%s/%s", *place == '\0' ? "*" : place, parameters->name));
    } else {
        table_selector(row, parameters->selector, "<error>");
    }
    table_age(row, object->metadata);
}

/* --- Priorities and runtimes -------------------------------------------------------------------
 */

void table_priority_class(struct table_row *row, const void *message)
{
    const Scheduling__V1__PriorityClass *class = message;
    table_text(row, class->metadata->name);
    table_integer(row, class->value);
    table_bool(row, class->global_default);
    table_age(row, class->metadata);
    table_text(row, class->preemption_policy);
}

void table_runtime_class(struct table_row *row, const void *message)
{
    const Node__V1__RuntimeClass *class = message;
    table_text(row, class->metadata->name);
    table_text(row, class->handler);
    table_age(row, class->metadata);
}

static const char *dangling(const Flowcontrol__V1__FlowSchemaStatus *status)
{
    for (size_t i = 0; i < status->n_conditions; i++) {
        if (rules_is(status->conditions[i]->type, "Dangling")) {
            return status->conditions[i]->status;
        }
    }
    return "?";
}

void table_flow_schema(struct table_row *row, const void *message)
{
    const Flowcontrol__V1__FlowSchema *schema = message;
    const Flowcontrol__V1__FlowSchemaSpec *spec = schema->spec;
    table_text(row, schema->metadata->name);
    table_text(row, spec->priority_level_configuration->name);
    table_integer(row, spec->matching_precedence);
    table_text(row, spec->distinguisher_method == NULL ? NONE : spec->distinguisher_method->type);
    table_age(row, schema->metadata);
    table_text(row, dangling(schema->status));
}

int table_compare_flow_schemas(const void *a, const void *b)
{
    const Flowcontrol__V1__FlowSchema *left = *(const void *const *)a,
                                      *right = *(const void *const *)b;
    int32_t first = left->spec->matching_precedence, second = right->spec->matching_precedence;
    return first != second ? (first < second ? -1 : 1)
                           : strcmp(left->metadata->name, right->metadata->name);
}

static void integer_or_none(struct table_row *row, bool known, int64_t number)
{
    if (known) {
        table_integer(row, number);
    } else {
        table_text(row, NONE);
    }
}

void table_priority_level(struct table_row *row, const void *message)
{
    const Flowcontrol__V1__PriorityLevelConfiguration *level = message;
    const Flowcontrol__V1__LimitedPriorityLevelConfiguration *limited = level->spec->limited;
    const Flowcontrol__V1__QueuingConfiguration *queuing =
        limited == NULL || limited->limit_response == NULL ? NULL
                                                           : limited->limit_response->queuing;
    table_text(row, level->metadata->name);
    table_text(row, level->spec->type);
    integer_or_none(row, limited != NULL,
                    limited == NULL ? 0 : limited->nominal_concurrency_shares);
    integer_or_none(row, queuing != NULL, queuing == NULL ? 0 : queuing->queues);
    integer_or_none(row, queuing != NULL, queuing == NULL ? 0 : queuing->hand_size);
    integer_or_none(row, queuing != NULL, queuing == NULL ? 0 : queuing->queue_length_limit);
    table_age(row, level->metadata);
}

/* --- Certificates, API services ----------------------------------------------------------------
 */

static const char *request_state(const struct table_row *row,
                                 const Certificates__V1__CertificateSigningRequestStatus *status)
{
    bool approved = false, denied = false, failed = false;
    for (size_t i = 0; i < status->n_conditions; i++) {
        approved = approved || rules_is(status->conditions[i]->type, "Approved");
        denied = denied || rules_is(status->conditions[i]->type, "Denied");
        failed = failed || rules_is(status->conditions[i]->type, "Failed");
    }
    return arena_printf(row->arena, "%s%s%s",
                        denied     ? "Denied"
                        : approved ? "Approved"
                                   : "Pending",
                        failed ? ",Failed" : "", status->certificate.len > 0 ? ",Issued" : "");
}

void table_certificate_request(struct table_row *row, const void *message)
{
    const Certificates__V1__CertificateSigningRequest *request = message;
    const Certificates__V1__CertificateSigningRequestSpec *spec = request->spec;
    table_text(row, request->metadata->name);
    table_age(row, request->metadata);
    table_text_or(row, spec->signer_name, NONE);
    table_text(row, spec->username);
    table_text(row, spec->has_expiration_seconds
                        ? api_human_duration(row->arena, spec->expiration_seconds)
                        : NONE);
    table_text(row, request_state(row, request->status));
}

static const char *service_state(const struct table_row *row,
                                 const Apiregistration__V1__APIServiceStatus *status)
{
    for (size_t i = 0; i < status->n_conditions; i++) {
        const Apiregistration__V1__APIServiceCondition *condition = status->conditions[i];
        if (!rules_is(condition->type, "Available")) {
            continue;
        }
        if (rules_is(condition->status, "True") || rules_empty(condition->reason)) {
            return condition->status;
        }
        return arena_printf(row->arena, "%s (%s)", text_or_empty(condition->status),
                            condition->reason);
    }
    return "Unknown";
}

void table_api_service(struct table_row *row, const void *message)
{
    const Apiregistration__V1__APIService *object = message;
    const Apiregistration__V1__ServiceReference *service = object->spec->service;
    table_text(row, object->metadata->name);
    table_text(row, service == NULL
                        ? "Local"
                        : arena_printf(row->arena, "%s/%s", text_or_empty(service->namespace_),
                                       text_or_empty(service->name)));
    table_text(row, service_state(row, object->status));
    table_age(row, object->metadata);
}

/* --- Control plane -----------------------------------------------------------------------------
 */

void table_component_status(struct table_row *row, const void *message)
{
    const Core__V1__ComponentStatus *component = message;
    const char *status = "Unknown", *said = "", *error = "";
    for (size_t i = 0; i < component->n_conditions; i++) {
        const Core__V1__ComponentCondition *condition = component->conditions[i];
        if (rules_is(condition->type, "Healthy")) {
            status = rules_is(condition->status, "True") ? "Healthy" : "Unhealthy";
            said = condition->message;
            error = condition->error;
        }
    }
    table_text(row, component->metadata->name);
    table_text(row, status);
    table_text(row, said);
    table_text(row, error);
}
