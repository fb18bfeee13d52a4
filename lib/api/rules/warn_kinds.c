/* Which kinds there is something to be said of, and when. */
#include "lib/api/object.h"
#include "lib/api/rules/warnings.h"
#include "lib/api/validate.h"

/* The template of the pods that an object makes, or NULL. */
static const Core__V1__PodTemplateSpec *template_of(const struct api_message *table,
                                                    const void *message)
{
    if (table == &apps__v1__deployment__schema) {
        return ((const Apps__V1__Deployment *)message)->spec->template_;
    }
    if (table == &apps__v1__replica_set__schema) {
        return ((const Apps__V1__ReplicaSet *)message)->spec->template_;
    }
    if (table == &apps__v1__daemon_set__schema) {
        return ((const Apps__V1__DaemonSet *)message)->spec->template_;
    }
    if (table == &apps__v1__stateful_set__schema) {
        return ((const Apps__V1__StatefulSet *)message)->spec->template_;
    }
    if (table == &core__v1__replication_controller__schema) {
        return ((const Core__V1__ReplicationController *)message)->spec->template_;
    }
    if (table == &batch__v1__job__schema) {
        return ((const Batch__V1__Job *)message)->spec->template_;
    }
    if (table == &batch__v1__cron_job__schema) {
        return ((const Batch__V1__CronJob *)message)->spec->job_template->spec->template_;
    }
    return NULL;
}

/* Of the others nobody makes a host name of the object's own. */
static bool names_hosts(const struct api_message *table)
{
    return table != &apps__v1__daemon_set__schema && table != &apps__v1__stateful_set__schema;
}

static void warn_name(struct api_causes *warnings, const Meta__V1__ObjectMeta *meta,
                      const char *what)
{
    struct api_syntax wrong = api_syntax_dns1123_label(text_or_empty(meta->name));
    const char *text = "";
    for (size_t i = 0; i < wrong.count; i++) {
        text = arena_printf(warnings->arena, "%s%s%s", text, i == 0 ? "" : " ", wrong.messages[i]);
    }
    if (wrong.count > 0) {
        api_cause_add(warnings, "",
                      arena_printf(warnings->arena,
                                   "this is used in %s, which can result in surprising behavior; "
                                   "a DNS label is recommended: [%s]",
                                   what, text),
                      "metadata.name");
    }
}

static void warn_template(struct api_causes *warnings, const struct api_message *table,
                          const Core__V1__PodTemplateSpec *template)
{
    const struct warned_pod pod = {.metadata = template->metadata, .spec = template->spec};
    struct api_path spec = api_path_field(NULL, "spec");
    struct api_path job = api_path_field(&spec, "jobTemplate");
    struct api_path job_spec = api_path_field(&job, "spec");
    struct api_path at =
        api_path_field(table == &batch__v1__cron_job__schema ? &job_spec : &spec, "template");
    if (template->spec != NULL) {
        rules_warn_pod(warnings, &at, &pod);
    }
}

static void warn_ingress(struct api_causes *warnings, const Networking__V1__Ingress *ingress)
{
    static const char key[] = "kubernetes.io/ingress.class";
    if (api_meta_annotation(ingress->metadata, key) != NULL &&
        ingress->spec->ingress_class_name == NULL) {
        api_cause_add(warnings, "",
                      "annotation \"kubernetes.io/ingress.class\" is deprecated, please use "
                      "'spec.ingressClassName' instead",
                      "");
    }
}

static void warn_node(struct api_causes *warnings, const Core__V1__Node *node)
{
    if (node->spec->config_source != NULL) {
        api_cause_add(warnings, "", "spec.configSource: the feature is removed", "");
    }
    if (!rules_empty(node->spec->external_id)) {
        api_cause_add(warnings, "",
                      "spec.externalID: this field is deprecated, and is unused by Kubernetes", "");
    }
}

/* More indexes may fail than a status has room for. */
static void warn_indexes(struct api_causes *warnings, const struct api_path *at,
                         const Batch__V1__JobSpec *spec)
{
    enum { INDEXES_MAX = 100000, PARALLEL_MAX = 10000 };
    if (rules_is(spec->completion_mode, "Indexed") && spec->completions > INDEXES_MAX &&
        spec->parallelism > PARALLEL_MAX) {
        api_cause_add(warnings, "",
                      "In Indexed Jobs with a number of completions higher than 10^5 and a "
                      "parallelism higher than 10^4, Kubernetes might not be able to track "
                      "completedIndexes when a big number of indexes fail",
                      api_path_text(warnings->arena, at));
    }
}

static void warn_job(struct api_causes *warnings, const struct api_message *table,
                     const void *message)
{
    struct api_path spec = api_path_field(NULL, "spec");
    struct api_path job = api_path_field(&spec, "jobTemplate");
    struct api_path job_spec = api_path_field(&job, "spec");
    if (table == &batch__v1__job__schema) {
        warn_indexes(warnings, &spec, ((const Batch__V1__Job *)message)->spec);
    } else if (table == &batch__v1__cron_job__schema) {
        warn_indexes(warnings, &job_spec,
                     ((const Batch__V1__CronJob *)message)->spec->job_template->spec);
    }
}

/* Of these kinds the same is said whenever they are written. */
static void warn_always(struct api_causes *warnings, const struct api_message *table,
                        const void *message)
{
    if (table == &core__v1__service__schema) {
        rules_warn_service(warnings, message);
    } else if (table == &core__v1__persistent_volume_claim__schema) {
        rules_warn_claim(warnings, message);
    } else if (table == &core__v1__persistent_volume__schema) {
        rules_warn_volume(warnings, message);
    } else if (table == &node__v1__runtime_class__schema) {
        rules_warn_runtime_class(warnings, message);
    } else if (table == &core__v1__node__schema) {
        warn_node(warnings, message);
    } else if (table == &storage__v1__storage_class__schema) {
        rules_warn_storage_class(warnings, message);
    } else if (table == &storage__v1__csistorage_capacity__schema) {
        rules_warn_capacity(warnings, message);
    }
}

/* Of what is replaced only what could be new is said: that is, when its generation moved. */
void api_validate_warnings(const struct api_kind *kind, const void *before, const void *message,
                           struct api_causes *warnings)
{
    const struct api_message *table = kind->message;
    const Meta__V1__ObjectMeta *meta = api_message_meta(table, message);
    const Core__V1__PodTemplateSpec *template = template_of(table, message);
    if (template != NULL) {
        if (before == NULL && names_hosts(table)) {
            warn_name(warnings, meta, "Pod names and hostnames");
        }
        if (before == NULL || api_message_meta(table, before)->generation != meta->generation) {
            warn_job(warnings, table, message);
            warn_template(warnings, table, template);
        }
        if (table == &apps__v1__stateful_set__schema) {
            rules_warn_set(warnings, before, message);
        }
    } else if (table == &core__v1__pod__schema && before == NULL) {
        const Core__V1__Pod *pod = message;
        warn_name(warnings, meta, "the Pod's hostname");
        rules_warn_pod(warnings, NULL,
                       &(struct warned_pod){.metadata = pod->metadata, .spec = pod->spec});
    } else if (table == &networking__v1__ingress__schema && before == NULL) {
        warn_ingress(warnings, message);
    } else {
        warn_always(warnings, table, message);
    }
}
