/* Names of Go's types and of their members. */
#include "lib/api/go_names.h"

#include "k8s/tables.h"
#include "lib/base/arena.h"
#include <string.h>

struct spelling {
    const char *json, *go;
};

/* The first word of a name, where it is not just capitalized. */
static const struct spelling WORDS[] = {
    {"api", "API"},   {"aws", "AWS"},     {"cephfs", "CephFS"}, {"csi", "CSI"},
    {"dns", "DNS"},   {"fc", "FC"},       {"fs", "FS"},         {"gce", "GCE"},
    {"gmsa", "GMSA"}, {"grpc", "GRPC"},   {"http", "HTTP"},     {"ip", "IP"},
    {"iqn", "IQN"},   {"iscsi", "ISCSI"}, {"nfs", "NFS"},       {"os", "OS"},
    {"pd", "PD"},     {"rbd", "RBD"},     {"se", "SE"},         {"storageos", "StorageOS"},
    {"tcp", "TCP"},   {"tty", "TTY"},     {"uid", "UID"}};

static bool is_capital(char byte)
{
    return byte >= 'A' && byte <= 'Z';
}

static const char *go_name(struct arena *arena, const char *name)
{
    enum { TO_CAPITAL = 'a' - 'A' };
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
        size_t len = strlen(WORDS[i].json);
        if (strncmp(name, WORDS[i].json, len) == 0 &&
            (name[len] == '\0' || is_capital(name[len]))) {
            return arena_printf(arena, "%s%s", WORDS[i].go, name + len);
        }
    }
    char *copy = arena_text(arena, name);
    if (copy[0] >= 'a' && copy[0] <= 'z') {
        copy[0] = (char)(copy[0] - TO_CAPITAL);
    }
    return copy;
}

/* The package: that of the group's types inside the API server, or that of what all groups have. */
const char *go_type_name(struct arena *arena, const struct api_message *table)
{
    static const char api[] = "k8s.io.api.";
    if (strncmp(table->full_name, api, sizeof(api) - 1) != 0) {
        return arena_printf(arena, "v1.%s", table->name);
    }
    const char *package = table->full_name + sizeof(api) - 1;
    return arena_printf(arena, "%.*s.%s", (int)strcspn(package, "."), package, table->name);
}

const char *go_item_type(struct arena *arena, const struct api_message *table,
                         const struct api_field *field)
{
    const char *named = field->rules->go_type;
    switch ((enum api_type)field->type) {
    case API_BOOL:
        return "bool";
    case API_INT64:
        return "int64";
    case API_DOUBLE:
        return "float64";
    case API_BYTES:
        return "[]byte";
    case API_QUANTITY:
        return "resource.Quantity";
    case API_INT_OR_STRING:
        return "intstr.IntOrString";
    case API_RAW_OBJECT:
        return "runtime.RawExtension";
    case API_INT32:
    case API_STRING:
        break;
    case API_OBJECT:
    case API_TIME:
    case API_MICRO_TIME:
    case API_RAW_VALUE:
    case API_DURATION:
    case API_LIST_MESSAGE:
    case API_ENVELOPE:
    case API_ONE_OR_LIST:
    case API_ONE_OR_BOOL:
        return go_type_name(arena, field->message);
    }
    if (named != NULL) {
        const char *dot = strchr(named, '.'), *own = go_type_name(arena, table);
        return dot == NULL || strncmp(named, "v1.", 3) != 0
                   ? named
                   : arena_printf(arena, "%.*s%s", (int)strcspn(own, "."), own, dot);
    }
    return field->type == API_STRING ? "string" : "int32";
}

const char *go_list_type(struct arena *arena, const struct api_message *table,
                         const struct api_field *field)
{
    if (field->label == API_REPEATED) {
        return arena_printf(arena, "[]%s", go_item_type(arena, table, field));
    }
    return field->type == API_QUANTITY
               ? "core.ResourceList"
               : arena_printf(arena, "map[string]%s", go_item_type(arena, table, field));
}

/* --- Members -----------------------------------------------------------------------------------
 */

/* A type whose members stand in another order inside the API server than in JSON, or are others. */
struct layout {
    const struct api_message *table;
    const char *members; /* JSON names, with spaces between them. */
};

static const struct layout layouts[] = {
    {&core__v1__pod_spec__schema,
     "volumes initContainers containers ephemeralContainers restartPolicy "
     "terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy nodeSelector "
     "serviceAccountName automountServiceAccountToken nodeName securityContext "
     "imagePullSecrets hostname subdomain setHostnameAsFQDN affinity schedulerName "
     "tolerations hostAliases priorityClassName priority preemptionPolicy dnsConfig "
     "readinessGates runtimeClassName overhead enableServiceLinks "
     "topologySpreadConstraints os schedulingGates resourceClaims resources"},
    {&core__v1__volume_source__schema,
     "hostPath emptyDir gcePersistentDisk awsElasticBlockStore gitRepo secret nfs "
     "iscsi glusterfs persistentVolumeClaim rbd quobyte flexVolume cinder cephfs "
     "flocker downwardAPI fc azureFile configMap vsphereVolume azureDisk "
     "photonPersistentDisk projected portworxVolume scaleIO storageos csi ephemeral "
     "image"},
    {&core__v1__persistent_volume_source__schema,
     "gcePersistentDisk awsElasticBlockStore hostPath glusterfs nfs rbd quobyte iscsi "
     "flexVolume cinder cephfs fc flocker azureFile vsphereVolume azureDisk "
     "photonPersistentDisk portworxVolume scaleIO local storageos csi"},
};

struct go_members go_members_of(const struct api_message *table)
{
    struct go_members walk = {.table = table};
    for (size_t i = 0; i < ARRAY_LEN(layouts); i++) {
        if (layouts[i].table == table) {
            walk.names = layouts[i].members;
        }
    }
    return walk;
}

const struct api_field *go_next_member(struct go_members *walk)
{
    if (walk->names != NULL) {
        struct slice name = {(const uint8_t *)walk->names, strcspn(walk->names, " ")};
        walk->names += name.len + strspn(walk->names + name.len, " ");
        return name.len == 0 ? NULL : api_message_member(walk->table, name)->field;
    }
    while (walk->at < walk->table->member_count) {
        const struct api_member *member = &walk->table->members[walk->at++];
        if (member->via[0] == NULL) {
            return member->field;
        }
        if (member->via[0] != walk->embedded) {
            walk->embedded = member->via[0];
            return walk->embedded;
        }
    }
    return NULL;
}

const char *go_member_name(struct arena *arena, const struct api_field *field)
{
    bool embedded = (field->flags & API_INLINE) != 0 || strcmp(field->name, "metadata") == 0;
    return embedded ? field->message->name : go_name(arena, field->name);
}
