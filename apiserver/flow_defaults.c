#include "apiserver/flow_defaults.h"
#include "apiserver/go_text.h"

#include "k8s/flowcontrol_v1.pb-c.h"
#include "lib/api/flow_fixed.h"
#include "lib/api/object.h"
#include <assert.h>
#include <string.h>

static const char autoupdate[] = "apf.kubernetes.io/autoupdate-spec";

/* --- The tables --- */

struct level_row {
    const char *name;
    int32_t shares, lendable;
    int32_t queues, hand;
};

/* The suggested ones; the mandatory ones are those of lib/api/flow_fixed.h. */
static const struct level_row levels[] = {
    {"system", 30, 33, 64, 6},         {"node-high", 40, 25, 64, 6},
    {"leader-election", 10, 0, 16, 4}, {"workload-high", 40, 50, 128, 6},
    {"workload-low", 100, 90, 128, 6}, {"global-default", 20, 50, 128, 6},
};
enum { QUEUE_LENGTH = 50, SUBJECTS_MAX = 4, RULES_MAX = 3 };

struct schema_row {
    const char *name, *level;
    int32_t precedence;
    const char *distinguisher; /* NULL: all that match are one flow. */
    /* "User x", "Group x", "ServiceAccount namespace/x" */
    const char *subjects[SUBJECTS_MAX];
    /* "verbs | groups | resources" in every namespace, with "| cluster" outside of them too; or
     * "verbs @ paths". Lists with commas; "core" is the group "". */
    const char *rules[RULES_MAX];
};

#define EVERYTHING                                                                                 \
    {                                                                                              \
        "* | * | * | cluster", "* @ *"                                                             \
    }

static const struct schema_row schemas[] = {
    {"probes",
     "exempt",
     2,
     NULL,
     {"Group system:unauthenticated", "Group system:authenticated"},
     {"get @ /healthz,/readyz,/livez"}},
    {"system-leader-election",
     "leader-election",
     100,
     "ByUser",
     {"User system:kube-controller-manager", "User system:kube-scheduler",
      "ServiceAccount kube-system/*"},
     {"get,create,update | coordination.k8s.io | leases"}},
    {"endpoint-controller",
     "workload-high",
     150,
     "ByUser",
     {"User system:kube-controller-manager", "ServiceAccount kube-system/endpoint-controller",
      "ServiceAccount kube-system/endpointslicemirroring-controller"},
     {"get,create,update | core | endpoints"}},
    {"workload-leader-election",
     "leader-election",
     200,
     "ByUser",
     {"ServiceAccount kube-system/*"},
     {"get,create,update | core | endpoints,configmaps",
      "get,create,update | coordination.k8s.io | leases"}},
    {"system-node-high",
     "node-high",
     400,
     "ByUser",
     {"Group system:nodes"},
     {"* | core | nodes,nodes/status | cluster", "* | coordination.k8s.io | leases"}},
    {"system-nodes", "system", 500, "ByUser", {"Group system:nodes"}, EVERYTHING},
    {"kube-controller-manager",
     "workload-high",
     800,
     "ByNamespace",
     {"User system:kube-controller-manager"},
     EVERYTHING},
    {"kube-scheduler",
     "workload-high",
     800,
     "ByNamespace",
     {"User system:kube-scheduler"},
     EVERYTHING},
    {"kube-system-service-accounts",
     "workload-high",
     900,
     "ByNamespace",
     {"ServiceAccount kube-system/*"},
     EVERYTHING},
    {"service-accounts",
     "workload-low",
     9000,
     "ByUser",
     {"Group system:serviceaccounts"},
     EVERYTHING},
    {"global-default",
     "global-default",
     9900,
     "ByUser",
     {"Group system:unauthenticated", "Group system:authenticated"},
     EVERYTHING},
};

bool flow_default_is_mandatory(const char *name)
{
    for (size_t i = 0; i < API_FLOW_FIXED_COUNT; i++) {
        if (strcmp(api_flow_fixed_names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* --- Reading them --- */

static void *new_message(struct arena *arena, const char *name)
{
    const struct api_message *table =
        api_message_find(arena_printf(arena, "k8s.io.api.flowcontrol.v1.%s", name));
    assert(table != NULL);
    return api_message_new(arena, table);
}

static Flowcontrol__V1__Subject *read_subject(struct arena *arena, const char *text)
{
    Flowcontrol__V1__Subject *subject = new_message(arena, "Subject");
    const char *name = strchr(text, ' ') + 1;
    subject->kind = arena_text_n(arena, text, (size_t)(name - 1 - text));
    if (strcmp(subject->kind, "User") == 0) {
        subject->user = new_message(arena, "UserSubject");
        subject->user->name = arena_text(arena, name);
    } else if (strcmp(subject->kind, "Group") == 0) {
        subject->group = new_message(arena, "GroupSubject");
        subject->group->name = arena_text(arena, name);
    } else {
        const char *slash = strchr(name, '/');
        subject->service_account = new_message(arena, "ServiceAccountSubject");
        subject->service_account->namespace_ = arena_text_n(arena, name, (size_t)(slash - name));
        subject->service_account->name = arena_text(arena, slash + 1);
    }
    return subject;
}

/* The text before `separator`, or all of it; *text goes behind it, and becomes empty at the end. */
static struct slice take_part(const char **text, const char *separator)
{
    const char *end = strstr(*text, separator);
    size_t len = end == NULL ? strlen(*text) : (size_t)(end - *text);
    struct slice part = slice_of(*text, len);
    *text += end == NULL ? len : len + strlen(separator);
    return part;
}

static Flowcontrol__V1__ResourcePolicyRule *read_resources(struct arena *arena, const char *text)
{
    Flowcontrol__V1__ResourcePolicyRule *rule = new_message(arena, "ResourcePolicyRule");
    rule->n_verbs = default_text_list(arena, take_part(&text, " | "), &rule->verbs);
    rule->n_api_groups = default_text_list(arena, take_part(&text, " | "), &rule->api_groups);
    rule->n_resources = default_text_list(arena, take_part(&text, " | "), &rule->resources);
    rule->n_namespaces = default_text_list(arena, slice_text("*"), &rule->namespaces);
    rule->cluster_scope = strcmp(text, "cluster") == 0;
    return rule;
}

static Flowcontrol__V1__NonResourcePolicyRule *read_paths(struct arena *arena, const char *text)
{
    Flowcontrol__V1__NonResourcePolicyRule *rule = new_message(arena, "NonResourcePolicyRule");
    rule->n_verbs = default_text_list(arena, take_part(&text, " @ "), &rule->verbs);
    rule->n_non_resource_urls =
        default_text_list(arena, slice_text(text), &rule->non_resource_urls);
    return rule;
}

static Flowcontrol__V1__PolicyRulesWithSubjects *read_rules(struct arena *arena,
                                                            const struct schema_row *row)
{
    Flowcontrol__V1__PolicyRulesWithSubjects *rules = new_message(arena, "PolicyRulesWithSubjects");
    rules->subjects = arena_array(arena, SUBJECTS_MAX, sizeof(*rules->subjects));
    rules->resource_rules = arena_array(arena, RULES_MAX, sizeof(*rules->resource_rules));
    rules->non_resource_rules = arena_array(arena, RULES_MAX, sizeof(*rules->non_resource_rules));
    for (size_t i = 0; i < SUBJECTS_MAX && row->subjects[i] != NULL; i++) {
        rules->subjects[rules->n_subjects++] = read_subject(arena, row->subjects[i]);
    }
    for (size_t i = 0; i < RULES_MAX && row->rules[i] != NULL; i++) {
        if (strstr(row->rules[i], " @ ") != NULL) {
            rules->non_resource_rules[rules->n_non_resource_rules++] =
                read_paths(arena, row->rules[i]);
        } else {
            rules->resource_rules[rules->n_resource_rules++] = read_resources(arena, row->rules[i]);
        }
    }
    return rules;
}

static void *new_object(struct arena *arena, const struct api_kind *kind, const char *name)
{
    void *message = api_message_new(arena, kind->message);
    Meta__V1__ObjectMeta *meta = api_message_meta(kind->message, message);
    meta->name = arena_text(arena, name);
    api_meta_set_annotation(arena, meta, autoupdate, "true");
    return message;
}

/* `row` NULL: a mandatory one. */
static struct default_object schema_of(const char *name, const struct schema_row *row,
                                       struct arena *arena)
{
    const struct api_kind *kind = api_kind_find(FLOW_GROUP, "v1", "flowschemas");
    Flowcontrol__V1__FlowSchema *schema = new_object(arena, kind, name);
    if (row == NULL) {
        schema->spec = api_flow_schema_fixed(name, arena);
    } else {
        Flowcontrol__V1__FlowSchemaSpec *spec = schema->spec;
        spec->priority_level_configuration->name = arena_text(arena, row->level);
        spec->matching_precedence = row->precedence;
        if (row->distinguisher != NULL) {
            spec->distinguisher_method = new_message(arena, "FlowDistinguisherMethod");
            spec->distinguisher_method->type = arena_text(arena, row->distinguisher);
        }
        spec->rules = arena_array(arena, 1, sizeof(*spec->rules));
        spec->rules[spec->n_rules++] = read_rules(arena, row);
    }
    return (struct default_object){.kind = kind, .namespace = "", .name = name, .message = schema};
}

static void limit(struct arena *arena, const struct level_row *row,
                  Flowcontrol__V1__PriorityLevelConfigurationSpec *spec)
{
    spec->type = arena_text(arena, "Limited");
    spec->limited = new_message(arena, "LimitedPriorityLevelConfiguration");
    spec->limited->has_nominal_concurrency_shares = true;
    spec->limited->nominal_concurrency_shares = row->shares;
    spec->limited->has_lendable_percent = true;
    spec->limited->lendable_percent = row->lendable;
    Flowcontrol__V1__LimitResponse *response = spec->limited->limit_response;
    response->type = arena_text(arena, "Queue");
    response->queuing = new_message(arena, "QueuingConfiguration");
    response->queuing->queues = row->queues;
    response->queuing->hand_size = row->hand;
    response->queuing->queue_length_limit = QUEUE_LENGTH;
}

/* `row` NULL: a mandatory one. */
static struct default_object level_of(const char *name, const struct level_row *row,
                                      struct arena *arena)
{
    const struct api_kind *kind = api_kind_find(FLOW_GROUP, "v1", "prioritylevelconfigurations");
    Flowcontrol__V1__PriorityLevelConfiguration *level = new_object(arena, kind, name);
    if (row != NULL) {
        limit(arena, row, level->spec);
    } else {
        level->spec = api_priority_level_fixed(name, arena);
    }
    if (level->spec->limited == NULL) {
        level->spec->exempt = new_message(arena, "ExemptPriorityLevelConfiguration");
        level->spec->exempt->has_nominal_concurrency_shares = true;
        level->spec->exempt->has_lendable_percent = true;
    }
    return (struct default_object){.kind = kind, .namespace = "", .name = name, .message = level};
}

size_t flow_default_count(void)
{
    return 2 * API_FLOW_FIXED_COUNT + ARRAY_LEN(levels) + ARRAY_LEN(schemas);
}

struct default_object flow_default_at(size_t index, struct arena *arena)
{
    assert(index < flow_default_count());
    if (index < API_FLOW_FIXED_COUNT) {
        return level_of(api_flow_fixed_names[index], NULL, arena);
    }
    index -= API_FLOW_FIXED_COUNT;
    if (index < ARRAY_LEN(levels)) {
        return level_of(levels[index].name, &levels[index], arena);
    }
    index -= ARRAY_LEN(levels);
    if (index < API_FLOW_FIXED_COUNT) {
        return schema_of(api_flow_fixed_names[index], NULL, arena);
    }
    index -= API_FLOW_FIXED_COUNT;
    return schema_of(schemas[index].name, &schemas[index], arena);
}

/* --- Bringing them back --- */

static enum default_repair repair_schema(const Flowcontrol__V1__FlowSchema *wanted,
                                         Flowcontrol__V1__FlowSchema *present)
{
    const struct api_message *table = api_message_find("k8s.io.api.flowcontrol.v1.FlowSchemaSpec");
    if (api_message_equal(table, wanted->spec, present->spec)) {
        return DEFAULT_AS_IT_SHOULD_BE;
    }
    present->spec = wanted->spec;
    return DEFAULT_UPDATE;
}

/* How much an exempt level counts for, and lends, is the cluster's to say. */
static enum default_repair repair_level(const Flowcontrol__V1__PriorityLevelConfiguration *wanted,
                                        Flowcontrol__V1__PriorityLevelConfiguration *present)
{
    const struct api_message *table =
        api_message_find("k8s.io.api.flowcontrol.v1.PriorityLevelConfigurationSpec");
    bool exempt = wanted->spec->exempt != NULL && present->spec->exempt != NULL &&
                  strcmp(present->spec->type, wanted->spec->type) == 0;
    if (exempt || api_message_equal(table, wanted->spec, present->spec)) {
        return DEFAULT_AS_IT_SHOULD_BE;
    }
    present->spec = wanted->spec;
    return DEFAULT_UPDATE;
}

enum default_repair flow_default_repair(const struct default_object *wanted, const void *present,
                                        struct arena *arena, void **ret_message)
{
    void *message = api_message_copy(arena, wanted->kind->message, present);
    Meta__V1__ObjectMeta *meta = api_message_meta(wanted->kind->message, message);
    bool mandatory = flow_default_is_mandatory(wanted->name), wish = false;
    bool wishes = go_text_bool(api_meta_annotation(meta, autoupdate), &wish);
    /* Where the cluster does not say, what nobody has changed is still ours. */
    bool ours = mandatory || (wishes ? wish : meta->generation == 1);
    enum default_repair repair = DEFAULT_AS_IT_SHOULD_BE;
    if (ours) {
        repair = strcmp(wanted->kind->plural, "flowschemas") == 0
                     ? repair_schema(wanted->message, message)
                     : repair_level(wanted->message, message);
    }
    if (!wishes || wish != ours) {
        api_meta_set_annotation(arena, meta, autoupdate, ours ? "true" : "false");
        repair = DEFAULT_UPDATE;
    }
    if (repair == DEFAULT_UPDATE) {
        *ret_message = message;
    }
    return repair;
}

bool flow_default_is_obsolete(const struct api_kind *kind, const void *message)
{
    const Meta__V1__ObjectMeta *meta = api_message_meta(kind->message, message);
    bool wish = false;
    if (!go_text_bool(api_meta_annotation(meta, autoupdate), &wish) || !wish) {
        return false;
    }
    if (flow_default_is_mandatory(text_or_empty(meta->name))) {
        return false;
    }
    bool schema = strcmp(kind->plural, "flowschemas") == 0;
    for (size_t i = 0; i < (schema ? ARRAY_LEN(schemas) : ARRAY_LEN(levels)); i++) {
        if (strcmp(schema ? schemas[i].name : levels[i].name, text_or_empty(meta->name)) == 0) {
            return false;
        }
    }
    return true;
}
