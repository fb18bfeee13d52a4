/* Defaulting walks the whole object: each message on the way gets the plain values of its rows,
 * then its hook for what depends on other members. A pod template in a Deployment is defaulted as
 * one in a ReplicaSet because both hold the same message. */
#include "lib/api/defaults.h"

#include "lib/api/kinds.h"
#include "lib/api/limits.h"
#include "lib/api/rules/default_hooks.h"
#include "lib/api/rules/rules.h"
#include <assert.h>
#include <stdlib.h>

/* Set when the member is empty (a pointer: when absent). */
struct default_row {
    const char *member;
    const char *text;
    int64_t number;
};

enum { ROWS_MAX = 4 };

struct message_defaults {
    const char *message; /* Full name without "k8s.io.api."; the table is sorted by it. */
    struct default_row rows[ROWS_MAX];
    default_hook *hook;
};

/* 0644: what a file of a volume is readable as. */
enum { FILE_MODE = 420 };

static const struct message_defaults DEFAULTS[] = {
    {"apps.v1.Deployment", {{0}}, default_deployment},
    {"apps.v1.DeploymentSpec",
     {{"replicas", NULL, 1},
      {"revisionHistoryLimit", NULL, 10},
      {"progressDeadlineSeconds", NULL, 600}},
     NULL},
    {"apps.v1.ReplicaSetSpec", {{"replicas", NULL, 1}}, NULL},
    {"core.v1.AzureDiskVolumeSource",
     {{"cachingMode", "ReadWrite", 0},
      {"fsType", "ext4", 0},
      {"readOnly", NULL, 0},
      {"kind", "Shared", 0}},
     NULL},
    {"core.v1.ConfigMapVolumeSource", {{"defaultMode", NULL, FILE_MODE}}, NULL},
    {"core.v1.Container",
     {{"terminationMessagePath", "/dev/termination-log", 0},
      {"terminationMessagePolicy", "File", 0}},
     default_container},
    {"core.v1.ContainerPort", {{"protocol", "TCP", 0}}, NULL},
    {"core.v1.DownwardAPIVolumeSource", {{"defaultMode", NULL, FILE_MODE}}, NULL},
    {"core.v1.EndpointPort", {{"protocol", "TCP", 0}}, NULL},
    {"core.v1.EphemeralContainerCommon",
     {{"terminationMessagePath", "/dev/termination-log", 0},
      {"terminationMessagePolicy", "File", 0}},
     default_ephemeral_container},
    {"core.v1.GRPCAction", {{"service", "", 0}}, NULL},
    {"core.v1.HTTPGetAction", {{"path", "/", 0}, {"scheme", "HTTP", 0}}, NULL},
    {"core.v1.HostPathVolumeSource", {{"type", "", 0}}, NULL},
    {"core.v1.ISCSIVolumeSource", {{"iscsiInterface", "default", 0}}, NULL},
    {"core.v1.ImageVolumeSource", {{0}}, default_image_volume},
    {"core.v1.Namespace", {{0}}, default_namespace},
    {"core.v1.NamespaceStatus", {{"phase", "Active", 0}}, NULL},
    {"core.v1.Node", {{0}}, default_node},
    {"core.v1.ObjectFieldSelector", {{"apiVersion", "v1", 0}}, NULL},
    {"core.v1.PersistentVolumeClaimSpec", {{"volumeMode", "Filesystem", 0}}, NULL},
    {"core.v1.Pod", {{0}}, default_pod},
    {"core.v1.PodSpec",
     {{"dnsPolicy", "ClusterFirst", 0},
      {"restartPolicy", "Always", 0},
      {"terminationGracePeriodSeconds", NULL, 30},
      {"schedulerName", "default-scheduler", 0}},
     default_pod_spec},
    {"core.v1.Probe",
     {{"timeoutSeconds", NULL, 1},
      {"periodSeconds", NULL, 10},
      {"successThreshold", NULL, 1},
      {"failureThreshold", NULL, 3}},
     NULL},
    {"core.v1.ProjectedVolumeSource", {{"defaultMode", NULL, FILE_MODE}}, NULL},
    {"core.v1.RBDVolumeSource",
     {{"pool", "rbd", 0}, {"user", "admin", 0}, {"keyring", "/etc/ceph/keyring", 0}},
     NULL},
    {"core.v1.ScaleIOVolumeSource",
     {{"storageMode", "ThinProvisioned", 0}, {"fsType", "xfs", 0}},
     NULL},
    {"core.v1.Secret", {{"type", "Opaque", 0}}, default_secret},
    {"core.v1.SecretVolumeSource", {{"defaultMode", NULL, FILE_MODE}}, NULL},
    {"core.v1.Service", {{0}}, default_service},
    {"core.v1.ServiceAccountTokenProjection", {{"expirationSeconds", NULL, 3600}}, NULL},
    {"core.v1.ServicePort", {{"protocol", "TCP", 0}}, default_service_port},
    {"core.v1.Volume", {{0}}, default_volume},
    {"discovery.v1.EndpointPort", {{"name", "", 0}, {"protocol", "TCP", 0}}, NULL},
    {"rbac.v1.RoleRef", {{"apiGroup", "rbac.authorization.k8s.io", 0}}, NULL},
    {"rbac.v1.Subject", {{0}}, default_subject},
};

static int by_message(const void *key, const void *row)
{
    const struct message_defaults *defaults = row;
    return strcmp(key, defaults->message);
}

static const struct message_defaults *defaults_of(const struct api_message *message)
{
    static const char prefix[] = "k8s.io.api.";
    if (strncmp(message->full_name, prefix, sizeof(prefix) - 1) != 0) {
        return NULL;
    }
    return bsearch(message->full_name + sizeof(prefix) - 1, DEFAULTS, ARRAY_LEN(DEFAULTS),
                   sizeof(DEFAULTS[0]), by_message);
}

static void mark_present(const struct api_field *field, void *object)
{
    if (field->presence != API_NO_OFFSET) {
        protobuf_c_boolean *has = (void *)((char *)object + field->presence);
        *has = 1;
    }
}

static void set_default(struct arena *arena, const struct api_field *field, void *object,
                        const struct default_row *row)
{
    void *at = api_field_at(field, object);
    switch (field->type) {
    case API_STRING: {
        char **text = at;
        *text = arena_text(arena, row->text);
        break;
    }
    case API_INT32: {
        int32_t *number = at;
        *number = (int32_t)row->number;
        mark_present(field, object);
        break;
    }
    case API_INT64: {
        int64_t *number = at;
        *number = row->number;
        mark_present(field, object);
        break;
    }
    case API_BOOL: {
        protobuf_c_boolean *flag = at;
        *flag = row->number != 0;
        mark_present(field, object);
        break;
    }
    default:
        assert(false); /* A row of the table above names a member of another type. */
    }
}

static void apply_rows(struct arena *arena, const struct api_message *message, void *object,
                       const struct message_defaults *defaults)
{
    for (size_t i = 0; i < ROWS_MAX && defaults->rows[i].member != NULL; i++) {
        const struct api_member *member =
            api_message_member_text(message, defaults->rows[i].member);
        assert(member != NULL);
        bool pointer = (member->field->flags & API_POINTER) != 0;
        const char *const *text = api_field_at(member->field, object);
        bool empty = member->field->type == API_STRING && !pointer
                         ? rules_empty(*text)
                         : !api_field_is_set(member->field, object);
        if (empty) {
            set_default(arena, member->field, object, &defaults->rows[i]);
        }
    }
}

static void walk(struct arena *arena, const struct api_message *message, void *object,
                 unsigned depth);

static void walk_field(struct arena *arena, const struct api_field *field, void *object,
                       unsigned depth)
{
    if (field->type != API_OBJECT || field->label == API_MAP) {
        return;
    }
    if (field->label == API_SINGLE) {
        void **inner = api_field_at(field, object);
        if (*inner != NULL) {
            walk(arena, field->message, *inner, depth);
        }
        return;
    }
    void ***items = api_field_at(field, object);
    size_t count = api_field_count(field, object);
    for (size_t i = 0; i < count; i++) {
        if ((*items)[i] != NULL) {
            walk(arena, field->message, (*items)[i], depth);
        }
    }
}

static void walk(struct arena *arena, const struct api_message *message, void *object,
                 unsigned depth)
{
    const struct message_defaults *defaults = defaults_of(message);
    if (depth > API_OBJECT_DEPTH_MAX) {
        return;
    }
    /* A hook may add members (a volume without a source gets emptyDir): it comes before the walk
     * inside, but after the message's own plain values. */
    if (defaults != NULL) {
        apply_rows(arena, message, object, defaults);
        if (defaults->hook != NULL) {
            defaults->hook(arena, object);
        }
    }
    for (size_t i = 0; i < message->field_count; i++) {
        walk_field(arena, &message->fields[i], object, depth + 1);
    }
}

void api_default_object(struct arena *arena, const struct api_kind *kind, void *message)
{
    if (kind->message != NULL) {
        walk(arena, kind->message, message, 0);
    }
}
