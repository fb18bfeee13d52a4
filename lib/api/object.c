#include "lib/api/object.h"

#include "lib/api/custom.h"
#include "lib/api/map_entry.h"
#include "lib/base/name_index.h"
#include <assert.h>
#include <errno.h>

static void *metadata_of(const struct api_message *message, const void *object, const char *type)
{
    if (message == NULL || message->metadata == NULL ||
        strcmp(message->metadata->message->name, type) != 0) {
        return NULL;
    }
    return *(void **)api_field_at(message->metadata, object);
}

Meta__V1__ObjectMeta *api_message_meta(const struct api_message *message, const void *object)
{
    return metadata_of(message, object, "ObjectMeta");
}

Meta__V1__ObjectMeta *api_object_meta(const struct api_object *object)
{
    return api_message_meta(object->kind->message, object->message);
}

struct api_object api_object_new(struct arena *arena, const struct api_kind *kind)
{
    return (struct api_object){kind, api_message_new(arena, kind->message)};
}

struct api_type_meta api_object_type_meta(const struct api_object *object)
{
    return (struct api_type_meta){object->kind->api_version, object->kind->kind};
}

void api_object_encode_json(const struct api_object *object, struct buffer *out)
{
    struct api_type_meta meta = api_object_type_meta(object);
    api_encode_json(object->kind->message, object->message, &meta, out);
}

void api_object_encode(const struct api_object *object, struct buffer *out)
{
    struct api_type_meta meta = api_object_type_meta(object);
    if (custom_of(object->kind) != NULL) {
        api_encode_json(object->kind->message, object->message, &meta, out);
    } else {
        api_encode_envelope(object->kind->message, object->message, &meta, out);
    }
}

int api_object_decode(struct arena *arena, const struct api_kind *kind, struct slice bytes,
                      struct api_object *ret_object, struct error *reterr)
{
    struct api_envelope envelope;
    void *message = NULL;
    int r;

    if (!api_is_envelope(bytes)) { /* A custom resource, or an API server with that setting. */
        r = api_decode_json(arena, kind->message, bytes, NULL, &message, reterr);
    } else if (custom_of(kind) != NULL) {
        r = error_set(reterr, -EBADMSG, "a custom resource is stored as JSON");
    } else if ((r = api_parse_envelope(bytes, &envelope, reterr)) == 0) {
        r = api_decode_protobuf(arena, kind->message, envelope.raw, &message, reterr);
    }
    if (r < 0) {
        return r;
    }
    if (custom_of(kind) != NULL) {
        custom_default(arena, kind, message); /* Defaults that came after it was written. */
    }
    *ret_object = (struct api_object){kind, message};
    return 0;
}

/* --- Metadata --------------------------------------------------------------------------------- */

const char *api_meta_label(const Meta__V1__ObjectMeta *meta, const char *key)
{
    for (size_t i = 0; meta != NULL && i < meta->n_labels; i++) {
        if (strcmp(meta->labels[i]->key, key) == 0) {
            return meta->labels[i]->value == NULL ? "" : meta->labels[i]->value;
        }
    }
    return NULL;
}

const char *api_meta_annotation(const Meta__V1__ObjectMeta *meta, const char *key)
{
    for (size_t i = 0; meta != NULL && i < meta->n_annotations; i++) {
        if (strcmp(meta->annotations[i]->key, key) == 0) {
            return meta->annotations[i]->value == NULL ? "" : meta->annotations[i]->value;
        }
    }
    return NULL;
}

void api_meta_set_label(struct arena *arena, Meta__V1__ObjectMeta *meta, const char *key,
                        const char *value)
{
    Meta__V1__ObjectMeta__LabelsEntry **entries, *entry;
    for (size_t i = 0; i < meta->n_labels; i++) {
        if (strcmp(meta->labels[i]->key, key) == 0) {
            meta->labels[i]->value = arena_text(arena, value);
            return;
        }
    }
    entries = arena_array(arena, meta->n_labels + 1, sizeof(*entries));
    entry = arena_alloc(arena, sizeof(*entry));
    meta__v1__object_meta__labels_entry__init(entry);
    entry->key = arena_text(arena, key);
    entry->value = arena_text(arena, value);
    if (meta->n_labels > 0) {
        memcpy(entries, meta->labels, meta->n_labels * sizeof(*entries));
    }
    entries[meta->n_labels++] = entry;
    meta->labels = entries;
}

void api_meta_set_annotation(struct arena *arena, Meta__V1__ObjectMeta *meta, const char *key,
                             const char *value)
{
    Meta__V1__ObjectMeta__AnnotationsEntry **entries, *entry;
    for (size_t i = 0; i < meta->n_annotations; i++) {
        if (strcmp(meta->annotations[i]->key, key) == 0) {
            meta->annotations[i]->value = arena_text(arena, value);
            return;
        }
    }
    entries = arena_array(arena, meta->n_annotations + 1, sizeof(*entries));
    entry = arena_alloc(arena, sizeof(*entry));
    meta__v1__object_meta__annotations_entry__init(entry);
    entry->key = arena_text(arena, key);
    entry->value = arena_text(arena, value);
    if (meta->n_annotations > 0) {
        memcpy(entries, meta->annotations, meta->n_annotations * sizeof(*entries));
    }
    entries[meta->n_annotations++] = entry;
    meta->annotations = entries;
}

/* The entries of `old` with those of `more` that `skip` (or NULL) does not know, which replace
 * those of the same key. The new ones are made like `model`. Takes time for both maps, not for
 * their product. */
static struct api_map_entry **with_entries(struct arena *arena, void *const *old, size_t *count,
                                           struct api_string_map more,
                                           bool (*skip)(const char *key),
                                           const struct api_map_entry *model)
{
    struct api_map_entry **entries = arena_array(arena, *count + more.count, sizeof(*entries));
    struct name_index index = {0};
    for (size_t i = 0; i < *count; i++) {
        entries[i] = old[i];
        name_index_add(&index, arena, slice_text(text_or_empty(entries[i]->key)), i);
    }
    for (size_t i = 0; i < more.count; i++) {
        const char *key = api_string_map_key(more, i);
        struct api_map_entry *entry = NULL;
        if (skip != NULL && skip(key)) {
            continue;
        }
        for (struct name_search search = name_index_find(&index, slice_text(key));
             entry == NULL && name_index_next(&search);) {
            struct api_map_entry *found = entries[search.place];
            entry = strcmp(text_or_empty(found->key), key) == 0 ? found : NULL;
        }
        if (entry == NULL) {
            entry = arena_alloc(arena, sizeof(*entry));
            *entry = *model;
            entry->key = arena_text(arena, key);
            name_index_add(&index, arena, slice_text(entry->key), *count);
            entries[(*count)++] = entry;
        }
        entry->value = arena_text(arena, api_string_map_value(more, i));
    }
    return entries;
}

void api_meta_set_labels(struct arena *arena, Meta__V1__ObjectMeta *meta,
                         struct api_string_map labels)
{
    Meta__V1__ObjectMeta__LabelsEntry model;
    meta__v1__object_meta__labels_entry__init(&model);
    meta->labels = (void *)with_entries(arena, (void *const *)meta->labels, &meta->n_labels, labels,
                                        NULL, (const void *)&model);
}

void api_meta_set_annotations(struct arena *arena, Meta__V1__ObjectMeta *meta,
                              struct api_string_map annotations, bool (*skip)(const char *key))
{
    Meta__V1__ObjectMeta__AnnotationsEntry model;
    meta__v1__object_meta__annotations_entry__init(&model);
    meta->annotations =
        (void *)with_entries(arena, (void *const *)meta->annotations, &meta->n_annotations,
                             annotations, skip, (const void *)&model);
}

bool api_meta_remove_annotation(Meta__V1__ObjectMeta *meta, const char *key)
{
    for (size_t i = 0; i < meta->n_annotations; i++) {
        if (strcmp(meta->annotations[i]->key, key) == 0) {
            memmove(&meta->annotations[i], &meta->annotations[i + 1],
                    (meta->n_annotations - i - 1) * sizeof(*meta->annotations));
            meta->n_annotations--;
            return true;
        }
    }
    return false;
}

bool api_meta_has_finalizer(const Meta__V1__ObjectMeta *meta, const char *name)
{
    for (size_t i = 0; i < meta->n_finalizers; i++) {
        if (strcmp(meta->finalizers[i], name) == 0) {
            return true;
        }
    }
    return false;
}

const Meta__V1__OwnerReference *api_meta_controller(const Meta__V1__ObjectMeta *meta)
{
    for (size_t i = 0; meta != NULL && i < meta->n_owner_references; i++) {
        const Meta__V1__OwnerReference *owner = meta->owner_references[i];
        if (owner->has_controller && owner->controller) {
            return owner;
        }
    }
    return NULL;
}
