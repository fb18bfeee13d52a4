#include "lib/api/apply_owners.h"

#include "k8s/tables.h"
#include "lib/api/codec.h"
#include "lib/api/kinds.h"
#include "lib/api/time.h"

static const char *text_of(const char *text)
{
    return text == NULL ? "" : text;
}

/* --- Reading and writing -----------------------------------------------------------------------
 */

struct apply_owners *apply_owners_read(struct arena *arena, const Meta__V1__ObjectMeta *meta)
{
    size_t room = (meta == NULL ? 0 : meta->n_managed_fields) + 1;
    struct apply_owners *owners =
        arena_alloc(arena, sizeof(*owners) + room * sizeof(*owners->items));
    owners->count = 0;
    for (size_t i = 0; meta != NULL && i < meta->n_managed_fields; i++) {
        const Meta__V1__ManagedFieldsEntry *entry = meta->managed_fields[i];
        struct json_value *set = NULL;
        if (entry->fields_v1 == NULL || owners->count == APPLY_OWNERS_MAX ||
            json_parse(arena, slice_of(entry->fields_v1->raw.data, entry->fields_v1->raw.len), &set,
                       NULL) != 0 ||
            set->type != JSON_OBJECT) {
            continue;
        }
        owners->items[owners->count++] = (struct apply_owner){.entry = entry, .set = set};
    }
    return owners;
}

void apply_owners_write(struct arena *arena, const struct apply_owners *owners,
                        Meta__V1__ObjectMeta *meta)
{
    meta->managed_fields = arena_array(arena, owners->count, sizeof(*meta->managed_fields));
    meta->n_managed_fields = 0;
    for (size_t i = 0; i < owners->count; i++) {
        const struct apply_owner *owner = &owners->items[i];
        if (owner->set->count > 0) {
            Meta__V1__ManagedFieldsEntry *entry = arena_alloc(arena, sizeof(*entry));
            *entry = *owner->entry;
            meta->managed_fields[meta->n_managed_fields++] = entry;
        }
    }
    if (meta->n_managed_fields == 0) {
        meta->managed_fields = NULL;
    }
}

static const struct api_field *managed_fields_field(void)
{
    return api_message_member_text(&meta__v1__object_meta__schema, "managedFields")->field;
}

struct apply_owners *apply_owners_read_tree(struct arena *arena, const struct json_value *object)
{
    const struct json_value *metadata = object == NULL ? NULL : json_get_text(object, "metadata");
    struct json_value *entries = metadata == NULL ? NULL : json_get_text(metadata, "managedFields");
    struct json_value *alone = json_new_object(arena);
    void *meta = NULL;
    if (entries != NULL) {
        json_set_text(arena, alone, "managedFields", entries);
    }
    if (api_message_from_json(arena, &meta__v1__object_meta__schema, alone, NULL, &meta, NULL) !=
        0) {
        meta = NULL; /* No object is stored with such entries. */
    }
    return apply_owners_read(arena, meta);
}

void apply_owners_write_tree(struct arena *arena, const struct apply_owners *owners,
                             struct json_value *object)
{
    struct json_value *metadata = json_get_text(object, "metadata");
    Meta__V1__ObjectMeta meta = META__V1__OBJECT_META__INIT;
    if (metadata == NULL || metadata->type != JSON_OBJECT) {
        metadata = json_new_object(arena);
        json_set_text(arena, object, "metadata", metadata);
    }
    apply_owners_write(arena, owners, &meta);
    (void)json_remove(metadata, slice_text("managedFields")); /* May be absent. */
    if (meta.n_managed_fields > 0) {
        json_set_text(arena, metadata, "managedFields",
                      api_field_to_json(arena, managed_fields_field(), &meta));
    }
}

/* --- Changes -----------------------------------------------------------------------------------
 */

/* Who applies is the same through every version of the API; who updates is another in each. */
static bool is_of(const Meta__V1__ManagedFieldsEntry *entry,
                  const struct api_apply_request *request, const char *operation)
{
    return strcmp(text_of(entry->manager), request->manager) == 0 &&
           strcmp(text_of(entry->operation), operation) == 0 &&
           strcmp(text_of(entry->subresource), request->subresource) == 0 &&
           (strcmp(operation, "Update") != 0 ||
            strcmp(text_of(entry->api_version), request->kind->api_version) == 0);
}

static Meta__V1__ManagedFieldsEntry *
entry_new(struct arena *arena, const struct api_apply_request *request, const char *operation)
{
    Meta__V1__ManagedFieldsEntry *entry =
        api_message_new(arena, &meta__v1__managed_fields_entry__schema);
    entry->manager = arena_text(arena, request->manager);
    entry->operation = arena_text(arena, operation);
    entry->api_version = arena_text(arena, request->kind->api_version);
    entry->fields_type = arena_text(arena, "FieldsV1");
    if (*request->subresource != '\0') {
        entry->subresource = arena_text(arena, request->subresource);
    }
    return entry;
}

struct apply_owner *apply_owners_find(struct arena *arena, struct apply_owners *owners,
                                      const struct api_apply_request *request,
                                      const char *operation)
{
    for (size_t i = 0; i < owners->count; i++) {
        if (is_of(owners->items[i].entry, request, operation)) {
            return &owners->items[i];
        }
    }
    if (owners->count == APPLY_OWNERS_MAX) {
        return NULL;
    }
    owners->items[owners->count] = (struct apply_owner){
        .entry = entry_new(arena, request, operation), .set = json_new_object(arena)};
    return &owners->items[owners->count++];
}

/* Entries are shared with the object they were read from: a change makes a new one. */
static Meta__V1__ManagedFieldsEntry *entry_copy(struct arena *arena,
                                                const Meta__V1__ManagedFieldsEntry *entry)
{
    Meta__V1__ManagedFieldsEntry *copy = arena_alloc(arena, sizeof(*copy));
    *copy = *entry;
    return copy;
}

static Meta__V1__FieldsV1 *fields_of_set(struct arena *arena, const struct json_value *set)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, SIZE_MAX / 2);
    json_print(set, /* sorted= */ false, &text);
    Meta__V1__FieldsV1 *fields = api_message_new(arena, &meta__v1__fields_v1__schema);
    fields->raw.data = (uint8_t *)arena_text_n(arena, buffer_text(&text), text.len);
    fields->raw.len = text.len;
    return fields;
}

void apply_owner_set(struct arena *arena, struct apply_owner *owner, struct json_value *set,
                     int64_t now_s)
{
    if (!json_equal(owner->set, set)) {
        Meta__V1__ManagedFieldsEntry *entry = entry_copy(arena, owner->entry);
        entry->time = api_time_new(arena, now_s);
        entry->fields_v1 = fields_of_set(arena, set);
        owner->entry = entry;
    }
    owner->set = set;
}

void apply_owner_set_version(struct arena *arena, struct apply_owner *owner,
                             const char *api_version)
{
    Meta__V1__ManagedFieldsEntry *entry = entry_copy(arena, owner->entry);
    entry->api_version = arena_text(arena, api_version);
    owner->entry = entry;
}
