#include "lib/api/apply_owners.h"

#include "k8s/tables.h"
#include "lib/api/apply_set.h"
#include "lib/api/codec.h"
#include "lib/api/kinds.h"
#include "lib/api/object.h"
#include "lib/api/time.h"
#include <stdlib.h>

static const char *text_of(const char *text)
{
    return text == NULL ? "" : text;
}

/* --- Reading -----------------------------------------------------------------------------------
 */

static bool is_empty(const char *text)
{
    return text == NULL || *text == '\0';
}

static bool updates(const Meta__V1__ManagedFieldsEntry *entry)
{
    return strcmp(text_of(entry->operation), "Update") == 0;
}

bool apply_owner_updates(const struct apply_owner *owner)
{
    return updates(owner->entry);
}

/* What is wrong with the entry; NULL with the set when nothing is. */
static const char *read_set(struct arena *arena, const Meta__V1__ManagedFieldsEntry *entry,
                            size_t place, struct json_value **ret_set)
{
    bool applies = strcmp(text_of(entry->operation), "Apply") == 0;
    const char *type = text_of(entry->fields_type);
    if (!applies && !updates(entry)) {
        return "operation must be `Apply` or `Update`";
    }
    if (is_empty(entry->api_version)) {
        return "apiVersion must not be empty";
    }
    if (strcmp(type, "FieldsV1") != 0) {
        return is_empty(type)
                   ? arena_printf(arena, "missing fieldsType in managed fields entry %zu", place)
                   : arena_printf(arena, "invalid fieldsType \"%s\" in managed fields entry %zu",
                                  type, place);
    }
    if (entry->fields_v1 == NULL || entry->fields_v1->raw.len == 0) {
        *ret_set = json_new_object(arena);
        return NULL;
    }
    struct slice text = slice_of(entry->fields_v1->raw.data, entry->fields_v1->raw.len);
    return json_parse(arena, text, ret_set, NULL) != 0 || apply_set_check(arena, *ret_set) != 0
               ? "error decoding set"
               : NULL;
}

/* Who applies is the same through every version of the API; who updates is another in each. */
static bool same_manager(const Meta__V1__ManagedFieldsEntry *a,
                         const Meta__V1__ManagedFieldsEntry *b)
{
    return strcmp(text_of(a->manager), text_of(b->manager)) == 0 &&
           strcmp(text_of(a->operation), text_of(b->operation)) == 0 &&
           strcmp(text_of(a->subresource), text_of(b->subresource)) == 0 &&
           (!updates(a) || strcmp(text_of(a->api_version), text_of(b->api_version)) == 0);
}

static struct apply_owner *find(struct apply_owners *owners,
                                const Meta__V1__ManagedFieldsEntry *entry)
{
    for (size_t i = 0; i < owners->count; i++) {
        if (same_manager(owners->items[i].entry, entry)) {
            return &owners->items[i];
        }
    }
    return NULL;
}

static struct apply_owners *owners_new(struct arena *arena, size_t count)
{
    struct apply_owners *owners =
        arena_alloc(arena, sizeof(*owners) + (count + 2) * sizeof(*owners->items));
    owners->count = 0;
    return owners;
}

/* What is wrong with the first entry that is not as it should be; NULL with all owners. */
static const char *read_all(struct arena *arena, const Meta__V1__ObjectMeta *meta,
                            struct apply_owners **ret_owners)
{
    size_t count = meta == NULL ? 0 : meta->n_managed_fields;
    count = count > APPLY_OWNERS_MAX ? APPLY_OWNERS_MAX : count;
    struct apply_owners *owners = owners_new(arena, count);
    for (size_t i = 0; i < count; i++) {
        const Meta__V1__ManagedFieldsEntry *entry = meta->managed_fields[i];
        struct json_value *set = NULL;
        const char *problem = read_set(arena, entry, i, &set);
        if (problem != NULL) {
            return problem;
        }
        struct apply_owner *owner = find(owners, entry);
        owner = owner == NULL ? &owners->items[owners->count++] : owner;
        *owner = (struct apply_owner){.entry = entry, .set = set};
    }
    *ret_owners = owners;
    return NULL;
}

const char *api_managed_fields_problem(struct arena *arena, const struct api_message *table,
                                       const void *object)
{
    struct apply_owners *owners = NULL;
    return read_all(arena, api_message_meta(table, object), &owners);
}

struct apply_owners *apply_owners_read(struct arena *arena, const Meta__V1__ObjectMeta *meta)
{
    struct apply_owners *owners = NULL;
    return read_all(arena, meta, &owners) == NULL ? owners : owners_new(arena, 0);
}

static bool is_reset(const Meta__V1__ObjectMeta *meta)
{
    const Meta__V1__ManagedFieldsEntry *first =
        meta->n_managed_fields == 1 ? meta->managed_fields[0] : NULL;
    if (first == NULL) {
        return meta->n_managed_fields == 0 && meta->managed_fields != NULL;
    }
    return is_empty(first->manager) && is_empty(first->operation) && is_empty(first->api_version) &&
           is_empty(first->fields_type) && is_empty(first->subresource) && first->time == NULL &&
           first->fields_v1 == NULL;
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
    json_print(set, /* sorted= */ true, &text);
    Meta__V1__FieldsV1 *fields = api_message_new(arena, &meta__v1__fields_v1__schema);
    fields->raw.data = (uint8_t *)arena_text_n(arena, buffer_text(&text), text.len);
    fields->raw.len = text.len;
    return fields;
}

static bool is_set_of(const Meta__V1__ObjectMeta *meta, const Meta__V1__FieldsV1 *fields)
{
    bool found = fields == NULL;
    for (size_t i = 0; !found && meta != NULL && i < meta->n_managed_fields; i++) {
        const Meta__V1__FieldsV1 *other = meta->managed_fields[i]->fields_v1;
        found = other != NULL && slice_equal(slice_of(other->raw.data, other->raw.len),
                                             slice_of(fields->raw.data, fields->raw.len));
    }
    return found;
}

/* A client may print anew what it read, and that is no change. */
static void rewrite_foreign_sets(struct arena *arena, const Meta__V1__ObjectMeta *before,
                                 struct apply_owners *owners)
{
    for (size_t i = 0; i < owners->count; i++) {
        struct apply_owner *owner = &owners->items[i];
        if (!is_set_of(before, owner->entry->fields_v1)) {
            Meta__V1__ManagedFieldsEntry *entry = entry_copy(arena, owner->entry);
            entry->fields_v1 = fields_of_set(arena, owner->set);
            owner->entry = entry;
        }
    }
}

struct apply_owners *apply_owners_sent(struct arena *arena, const Meta__V1__ObjectMeta *before,
                                       const Meta__V1__ObjectMeta *after)
{
    struct apply_owners *owners = NULL;
    if (is_reset(after)) {
        return NULL;
    }
    if (read_all(arena, after, &owners) != NULL || owners->count == 0) {
        return apply_owners_read(arena, before);
    }
    rewrite_foreign_sets(arena, before, owners);
    return owners;
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

/* --- Writing -----------------------------------------------------------------------------------
 */

static int64_t time_of(const Meta__V1__ManagedFieldsEntry *entry)
{
    return entry->time == NULL ? 0 : entry->time->seconds;
}

static int order_of_texts(const char *a, const char *b)
{
    return strcmp(text_of(a), text_of(b));
}

static int by_age(const void *a, const void *b)
{
    const Meta__V1__ManagedFieldsEntry *const *left = a, *const *right = b;
    int64_t older = time_of(*left), newer = time_of(*right);
    int order = order_of_texts((*left)->operation, (*right)->operation);
    order = order != 0 ? order : (older > newer) - (older < newer);
    order = order != 0 ? order : order_of_texts((*left)->manager, (*right)->manager);
    order = order != 0 ? order : order_of_texts((*left)->api_version, (*right)->api_version);
    return order != 0 ? order : order_of_texts((*left)->subresource, (*right)->subresource);
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
        return;
    }
    qsort(meta->managed_fields, meta->n_managed_fields, sizeof(*meta->managed_fields), by_age);
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

static Meta__V1__ManagedFieldsEntry *entry_new(struct arena *arena, const char *manager,
                                               const char *operation, const char *api_version,
                                               const char *subresource)
{
    Meta__V1__ManagedFieldsEntry *entry =
        api_message_new(arena, &meta__v1__managed_fields_entry__schema);
    entry->manager = arena_text(arena, is_empty(manager) ? "unknown" : manager);
    entry->operation = arena_text(arena, operation);
    entry->api_version = arena_text(arena, api_version);
    entry->fields_type = arena_text(arena, "FieldsV1");
    if (*subresource != '\0') {
        entry->subresource = arena_text(arena, subresource);
    }
    return entry;
}

struct apply_owner *apply_owners_find(struct arena *arena, struct apply_owners *owners,
                                      const struct api_apply_request *request,
                                      const char *operation)
{
    const Meta__V1__ManagedFieldsEntry *entry = entry_new(
        arena, request->manager, operation, request->kind->api_version, request->subresource);
    struct apply_owner *owner = find(owners, entry);
    if (owner != NULL || owners->count == APPLY_OWNERS_MAX) {
        return owner;
    }
    owner = &owners->items[owners->count++];
    *owner = (struct apply_owner){.entry = entry, .set = json_new_object(arena)};
    return owner;
}

void apply_owner_set(struct arena *arena, struct apply_owner *owner, struct json_value *set)
{
    if (!json_equal(owner->set, set)) {
        Meta__V1__ManagedFieldsEntry *entry = entry_copy(arena, owner->entry);
        entry->fields_v1 = fields_of_set(arena, set);
        owner->entry = entry;
    }
    owner->set = set;
}

void apply_owner_touch(struct arena *arena, struct apply_owner *owner, int64_t now_s)
{
    Meta__V1__ManagedFieldsEntry *entry = entry_copy(arena, owner->entry);
    entry->time = api_time_new(arena, now_s);
    owner->entry = entry;
}

void apply_owner_set_version(struct arena *arena, struct apply_owner *owner,
                             const char *api_version)
{
    Meta__V1__ManagedFieldsEntry *entry = entry_copy(arena, owner->entry);
    entry->api_version = arena_text(arena, api_version);
    owner->entry = entry;
}

/* --- Too many that update ----------------------------------------------------------------------
 */

static int owners_by_age(const void *a, const void *b)
{
    const struct apply_owner *const *left = a, *const *right = b;
    const Meta__V1__ManagedFieldsEntry *one = (*left)->entry, *other = (*right)->entry;
    return by_age(&one, &other);
}

/* The first of a version stays what it is until a second one joins it. */
static void merge_into(struct arena *arena, struct apply_owners *owners, struct apply_owner *first,
                       struct apply_owner *owner)
{
    const Meta__V1__ManagedFieldsEntry *entry =
        entry_new(arena, "ancient-changes", "Update", owner->entry->api_version, "");
    struct apply_owner *bucket = find(owners, entry);
    if (bucket == NULL || bucket->set->count == 0) {
        Meta__V1__ManagedFieldsEntry *renamed = entry_copy(arena, entry);
        renamed->fields_v1 = first->entry->fields_v1;
        bucket = first;
        bucket->entry = renamed;
    }
    struct apply_owner *merged = bucket == owner ? first : owner;
    Meta__V1__ManagedFieldsEntry *aged = entry_copy(arena, bucket->entry);
    aged->time = owner->entry->time;
    bucket->entry = aged;
    apply_owner_set(arena, bucket, apply_set_union(arena, bucket->set, merged->set));
    merged->set = json_new_object(arena);
}

void apply_owners_cap(struct arena *arena, struct apply_owners *owners)
{
    struct apply_owner **updaters = arena_array(arena, owners->count, sizeof(*updaters));
    size_t count = 0;
    for (size_t i = 0; i < owners->count; i++) {
        if (updates(owners->items[i].entry) && owners->items[i].set->count > 0) {
            updaters[count++] = &owners->items[i];
        }
    }
    if (count <= APPLY_UPDATERS_MAX) {
        return;
    }
    qsort(updaters, count, sizeof(struct apply_owner *), owners_by_age);
    size_t left = count;
    for (size_t i = 0; i < count && left > APPLY_UPDATERS_MAX; i++) {
        struct apply_owner *first = NULL;
        for (size_t j = 0; j < i && first == NULL; j++) {
            bool same = order_of_texts(updaters[j]->entry->api_version,
                                       updaters[i]->entry->api_version) == 0;
            first = same ? updaters[j] : NULL;
        }
        if (first != NULL) {
            merge_into(arena, owners, first, updaters[i]);
            left--;
        }
    }
}
