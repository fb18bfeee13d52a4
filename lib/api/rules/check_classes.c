/* Rules of classes (of priority, of storage) and of what storage drivers say about themselves. */
#include "lib/api/priority.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"
#include <inttypes.h>
#include <stdlib.h>

/* --- PriorityClass -----------------------------------------------------------------------------
 */

enum { USER_PRIORITY_MAX = 1000000000 };

/* NULL when it is one of those that every cluster has, with the right content. */
static const char *not_a_system_class(struct arena *arena,
                                      const Scheduling__V1__PriorityClass *class)
{
    const char *name = text_or_empty(class->metadata->name);
    const struct api_system_priority *known = api_system_priority_find(name);
    if (known == NULL) {
        return arena_printf(arena, "%s is not a known system priority class", name);
    }
    if (class->value != known->value) {
        return arena_printf(arena, "value of %s PriorityClass must be %" PRId32, name,
                            known->value);
    }
    return class->global_default
               ? arena_printf(arena, "globalDefault of %s PriorityClass must be false", name)
               : NULL;
}

bool rules_priority_class(struct api_causes *causes, const struct api_frame *frame)
{
    const Scheduling__V1__PriorityClass *class = frame->message;
    struct api_path metadata = api_path_field(NULL, "metadata");
    static const char prefix[] = "system-";
    if (strncmp(text_or_empty(class->metadata->name), prefix, sizeof(prefix) - 1) == 0) {
        const char *why = not_a_system_class(causes->arena, class);
        if (why != NULL) {
            rules_forbidden(causes, &metadata, "name",
                            arena_printf(causes->arena,
                                         "priority class names with 'system-' prefix are reserved "
                                         "for system use only. error: %s",
                                         why));
        }
    } else if (class->value > USER_PRIORITY_MAX) {
        rules_forbidden(causes, NULL, "value",
                        arena_printf(causes->arena,
                                     "maximum allowed value of a user defined priority is %d",
                                     USER_PRIORITY_MAX));
    }
    return true;
}

/* --- StorageClass ------------------------------------------------------------------------------
 */

bool rules_storage_class(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const policies[] = {"Delete", "Retain", NULL};
    enum { PARAMETERS_MAX = 512, PARAMETERS_BYTES_MAX = 256 * 1024 };
    const Storage__V1__StorageClass *class = frame->message;
    struct api_path parameters = api_path_field(NULL, "parameters");
    size_t total = 0;
    if (class->n_parameters > PARAMETERS_MAX) {
        api_cause_too_long(causes, &parameters, PARAMETERS_MAX);
        return true;
    }
    for (size_t i = 0; i < class->n_parameters; i++) {
        if (rules_empty(class->parameters[i]->key)) {
            api_cause_invalid(causes, &parameters, api_shown_text(""), "field can not be empty.");
        }
        total += strlen(text_or_empty(class->parameters[i]->key)) +
                 strlen(text_or_empty(class->parameters[i]->value));
    }
    if (total > PARAMETERS_BYTES_MAX) {
        api_cause_too_long(causes, &parameters, PARAMETERS_BYTES_MAX);
    }
    if (class->reclaim_policy != NULL && !rules_one_of(class->reclaim_policy, policies)) {
        rules_not_supported(causes, NULL, "reclaimPolicy", class->reclaim_policy, policies);
    }
    return true;
}

/* In this order, which is not that of the members. */
void rules_update_storage_class(struct api_causes *causes, const void *before, const void *after)
{
    const Storage__V1__StorageClass *old = before, *class = after;
    if (!api_string_map_equal(API_STRING_MAP(old->parameters, old->n_parameters),
                              API_STRING_MAP(class->parameters, class->n_parameters))) {
        rules_forbidden(causes, NULL, "parameters", "updates to parameters are forbidden.");
    }
    if (!rules_is(class->provisioner, text_or_empty(old->provisioner))) {
        rules_forbidden(causes, NULL, "provisioner", "updates to provisioner are forbidden.");
    }
    if (!rules_is(class->reclaim_policy, text_or_empty(old->reclaim_policy))) {
        rules_forbidden(causes, NULL, "reclaimPolicy", "updates to reclaimPolicy are forbidden.");
    }
    api_check_same(causes, NULL, &storage__v1__storage_class__schema, "volumeBindingMode", before,
                   after);
}

/* --- Topologies --------------------------------------------------------------------------------
 */

typedef Core__V1__TopologySelectorTerm term_t;

static const char *label_key(struct arena *arena, const void *list, const void *of, size_t index)
{
    const Core__V1__TopologySelectorLabelRequirement *const *labels = list;
    (void)arena, (void)of;
    return text_or_empty(labels[index]->key);
}

/* The second of two requirements of one label: the label is said to be there twice. */
bool rules_topology_key(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__TopologySelectorLabelRequirement *item = frame->message;
    const term_t *term = frame->parent->message;
    if (api_seen_before(causes, label_key, term->match_label_expressions, NULL, frame->index)) {
        struct api_path at = api_path_field(frame->at, "key");
        api_cause_duplicate(causes, &at, api_shown_text(item->key));
    }
    return true;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The texts, each once, in an order that does not depend on how they came. */
static const char *as_set(struct arena *arena, const char **texts, size_t count)
{
    CLEANUP(buffer_release) struct buffer out = {0};
    buffer_init(&out, SIZE_MAX / 2);
    if (count > 1) {
        qsort(texts, count, sizeof(*texts), by_text);
    }
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || strcmp(texts[i - 1], texts[i]) != 0) {
            buffer_printf(&out, "%s\n", texts[i]);
        }
    }
    return arena_text(arena, buffer_text(&out));
}

/* What a term of a list asks for, equal for equal ones: each label with its values, of two
 * requirements of a label the later. */
static const char *term_text(struct arena *arena, const void *list, const void *of, size_t index)
{
    const term_t *term = ((const term_t *const *)list)[index];
    struct text_set keys = {.arena = arena};
    const char **labels = arena_array(arena, term->n_match_label_expressions, sizeof(*labels));
    size_t count = 0;
    (void)of;
    for (size_t i = term->n_match_label_expressions; i > 0; i--) {
        const Core__V1__TopologySelectorLabelRequirement *label =
            term->match_label_expressions[i - 1];
        const char **values = arena_array(arena, label->n_values, sizeof(*values));
        if (!text_set_add(&keys, text_or_empty(label->key))) {
            continue;
        }
        for (size_t j = 0; j < label->n_values; j++) {
            values[j] = text_or_empty(label->values[j]);
        }
        labels[count++] = arena_printf(arena, "%s\n%s", text_or_empty(label->key),
                                       as_set(arena, values, label->n_values));
    }
    return as_set(arena, labels, count);
}

bool rules_storage_topologies(struct api_causes *causes, const struct api_frame *frame)
{
    const Storage__V1__StorageClass *class = frame->message;
    struct api_path list = api_path_field(NULL, "allowedTopologies");
    for (size_t i = 0; i < class->n_allowed_topologies; i++) {
        struct api_path item = api_path_index(&list, i);
        struct api_path at = api_path_field(&item, "matchLabelExpressions");
        if (api_seen_before(causes, term_text, class->allowed_topologies, NULL, i)) {
            api_cause_duplicate(causes, &at, api_shown_text(""));
        }
    }
    return true;
}

/* --- VolumeAttachment --------------------------------------------------------------------------
 */

bool rules_attachment_source(struct api_causes *causes, const struct api_frame *frame)
{
    static const char one[] =
        "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
    const Storage__V1__VolumeAttachmentSource *source = frame->message;
    if (source->inline_volume_spec == NULL && source->persistent_volume_name == NULL) {
        api_cause_required(causes, frame->at, one);
    } else if (source->inline_volume_spec != NULL && source->persistent_volume_name != NULL) {
        api_cause_forbidden(causes, frame->at, one);
    } else if (source->persistent_volume_name != NULL && *source->persistent_volume_name == '\0') {
        rules_required(causes, frame->at, "persistentVolumeName",
                       "must specify non empty persistentVolumeName");
    } else if (source->inline_volume_spec != NULL) {
        struct api_path volume = api_path_field(frame->at, "inlineVolumeSpec");
        rules_check_inline_volume(causes, &volume, source->inline_volume_spec);
    }
    return true;
}

bool rules_attachment_status(struct api_causes *causes, const struct api_frame *frame)
{
    enum { METADATA_BYTES_MAX = 256 * 1024 };
    const Storage__V1__VolumeAttachmentStatus *status = frame->message;
    struct api_path at = api_path_field(frame->at, "attachmentMetadata");
    size_t bytes = 0;
    for (size_t i = 0; i < status->n_attachment_metadata; i++) {
        bytes += strlen(text_or_empty(status->attachment_metadata[i]->key)) +
                 strlen(text_or_empty(status->attachment_metadata[i]->value));
    }
    if (bytes > METADATA_BYTES_MAX) {
        api_cause_too_long(causes, &at, METADATA_BYTES_MAX);
    }
    return true;
}

bool rules_volume_error(struct api_causes *causes, const struct api_frame *frame)
{
    enum { MESSAGE_BYTES_MAX = 1024 };
    const Storage__V1__VolumeError *error = frame->message;
    struct api_path at = api_path_field(frame->at, "message");
    if (strlen(text_or_empty(error->message)) > MESSAGE_BYTES_MAX) {
        api_cause_too_long(causes, &at, MESSAGE_BYTES_MAX);
    }
    return true;
}

static void check_driver(struct api_causes *causes, const struct api_path *parent, const char *name,
                         const char *driver)
{
    enum { DRIVER_BYTES_MAX = 63 };
    struct api_path at = api_path_field(parent, name);
    if (rules_empty(driver)) {
        api_cause_required(causes, &at, "");
    }
    if (strlen(text_or_empty(driver)) > DRIVER_BYTES_MAX) {
        api_cause_too_long(causes, &at, DRIVER_BYTES_MAX);
    }
    rules_check_text(causes, parent, name, driver, api_syntax_driver_name);
}

/* Only v1 knows that an attacher is a CSI driver, and what a volume may be called. */
void rules_check_attachment(struct api_causes *causes, const void *message)
{
    const Storage__V1__VolumeAttachment *attachment = message;
    const Storage__V1__VolumeAttachmentSource *source = attachment->spec->source;
    struct api_path spec = api_path_field(NULL, "spec");
    struct api_path at = api_path_field(&spec, "source");
    check_driver(causes, &spec, "attacher", attachment->spec->attacher);
    if (source != NULL && source->persistent_volume_name != NULL) {
        rules_check_text(causes, &at, "persistentVolumeName", source->persistent_volume_name,
                         api_syntax_dns1123_subdomain);
    }
}

/* --- CSIDriver, CSINode ------------------------------------------------------------------------
 */

static void check_duration(struct api_causes *causes, const struct api_path *item,
                           const Storage__V1__TokenRequest *request)
{
    static const int64_t SECONDS_MIN = 600, SECONDS_MAX = (int64_t)1 << 32;
    struct api_shown shown = api_shown_int(request->expiration_seconds);
    if (request->has_expiration_seconds && request->expiration_seconds < SECONDS_MIN) {
        rules_invalid(causes, item, "expirationSeconds", shown,
                      "may not specify a duration less than 10 minutes");
    }
    if (request->has_expiration_seconds && request->expiration_seconds > SECONDS_MAX) {
        rules_invalid(causes, item, "expirationSeconds", shown,
                      "may not specify a duration larger than 2^32 seconds");
    }
}

static const char *audience_of(struct arena *arena, const void *list, const void *of, size_t index)
{
    (void)arena, (void)of;
    return text_or_empty(((const Storage__V1__TokenRequest *const *)list)[index]->audience);
}

static void check_tokens(struct api_causes *causes, const struct api_path *spec_at,
                         const Storage__V1__CSIDriverSpec *spec)
{
    struct api_path requests = api_path_field(spec_at, "tokenRequests");
    for (size_t i = 0; i < spec->n_token_requests; i++) {
        const char *audience = text_or_empty(spec->token_requests[i]->audience);
        struct api_path item = api_path_index(&requests, i);
        struct api_path at = api_path_field(&item, "audience");
        if (api_seen_before(causes, audience_of, spec->token_requests, NULL, i)) {
            api_cause_duplicate(causes, &at, api_shown_text(audience));
        } else {
            check_duration(causes, &item, spec->token_requests[i]);
        }
    }
}

bool rules_csi_driver(struct api_causes *causes, const struct api_frame *frame)
{
    check_tokens(causes, frame->at, frame->message);
    return true;
}

/* The path is v1.32's: it does not have the member's name. */
void rules_update_csi_driver(struct api_causes *causes, const void *before, const void *after)
{
    const Storage__V1__CSIDriverSpec *old_spec = ((const Storage__V1__CSIDriver *)before)->spec;
    const Storage__V1__CSIDriverSpec *spec = ((const Storage__V1__CSIDriver *)after)->spec;
    struct api_path at = api_path_field(NULL, "spec");
    if (old_spec->has_attach_required != spec->has_attach_required ||
        old_spec->attach_required != spec->attach_required) {
        rules_invalid(causes, &at, "attachedRequired", api_shown_bool(spec->attach_required),
                      "field is immutable");
    }
    check_tokens(causes, &at, spec); /* v1.32 says it again. */
}

bool rules_csi_node_driver(struct api_causes *causes, const struct api_frame *frame)
{
    enum { NODE_ID_BYTES_MAX = 256 };
    const char *id = text_or_empty(((const Storage__V1__CSINodeDriver *)frame->message)->node_id);
    if (strlen(id) > NODE_ID_BYTES_MAX) {
        rules_invalid(causes, frame->at, "nodeID", api_shown_text(id),
                      "must be 256 characters or less");
    }
    return true;
}

static const char *driver_name(struct arena *arena, const void *list, const void *of, size_t index)
{
    const Storage__V1__CSINodeDriver *const *drivers = list;
    (void)arena, (void)of;
    return text_or_empty(drivers[index]->name);
}

/* Paths name the driver, not the list of keys: so v1.32 has it. */
bool rules_csi_node_keys(struct api_causes *causes, const struct api_frame *frame)
{
    const Storage__V1__CSINodeDriver *driver = frame->message;
    const Storage__V1__CSINodeSpec *spec = frame->parent->message;
    struct api_path name = api_path_field(frame->at, "name");
    struct text_set keys = {.arena = causes->arena};
    if (api_seen_before(causes, driver_name, spec->drivers, NULL, frame->index)) {
        api_cause_duplicate(causes, &name, api_shown_text(driver->name));
    }
    struct api_shown shown = api_shown_member(causes->arena, frame->table, "topologyKeys", driver);
    for (size_t i = 0; i < driver->n_topology_keys; i++) {
        const char *key = text_or_empty(driver->topology_keys[i]);
        if (*key == '\0') {
            api_cause_required(causes, frame->at, "");
        }
        if (!text_set_add(&keys, key)) {
            api_cause_duplicate(causes, frame->at, api_shown_text(key));
        }
        rules_invalid_each(causes, frame->at, shown, api_syntax_qualified_name(key));
    }
    return true;
}

/* What a driver said about a node stays as it is while the driver is there. */
void rules_update_csi_node(struct api_causes *causes, const void *before, const void *after)
{
    const struct api_message *table = &storage__v1__csinode_driver__schema;
    const Storage__V1__CSINodeSpec *old_spec = ((const Storage__V1__CSINode *)before)->spec;
    const Storage__V1__CSINodeSpec *spec = ((const Storage__V1__CSINode *)after)->spec;
    for (size_t i = 0; i < old_spec->n_drivers && !api_causes_full(causes); i++) {
        const Storage__V1__CSINodeDriver *old = old_spec->drivers[i];
        size_t place = api_find_item(causes, driver_name, spec->drivers, NULL, spec->n_drivers,
                                     text_or_empty(old->name));
        if (place < spec->n_drivers && !api_message_equal(table, spec->drivers[place], old)) {
            rules_invalid(causes, NULL, "CSINodeDriver",
                          api_shown_message(causes->arena, table, spec->drivers[place]),
                          "field is immutable");
        }
    }
}
