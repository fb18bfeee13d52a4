/* A decoded API object: a kind and its message. Pure. The message lives in an arena and is owned by
 * whoever owns that arena. */
#ifndef LIB_API_OBJECT_H
#define LIB_API_OBJECT_H
#include "k8s/meta_v1.pb-c.h"
#include "lib/api/codec.h"
#include "lib/api/kinds.h"
#include "lib/api/selector.h"

struct api_object {
    const struct api_kind *kind;
    void *message; /* The kind's C struct (struct custom_object for a custom resource). */
};

/* ObjectMeta inside; NULL for messages without one. */
Meta__V1__ObjectMeta *api_object_meta(const struct api_object *object);
Meta__V1__ObjectMeta *api_message_meta(const struct api_message *message, const void *object);

struct api_object api_object_new(struct arena *arena, const struct api_kind *kind);
/* kind and apiVersion of its JSON. */
struct api_type_meta api_object_type_meta(const struct api_object *object);
/* JSON with kind and apiVersion. */
void api_object_encode_json(const struct api_object *object, struct buffer *out);
/* The stored and wire form: envelope for kinds with a message, JSON text for custom resources. */
void api_object_encode(const struct api_object *object, struct buffer *out);
MUST_USE int api_object_decode(struct arena *arena, const struct api_kind *kind, struct slice bytes,
                               struct api_object *ret_object, struct error *reterr);

/* Labels and annotations: maps of text. */
const char *api_meta_label(const Meta__V1__ObjectMeta *meta, const char *key);      /* Or NULL. */
const char *api_meta_annotation(const Meta__V1__ObjectMeta *meta, const char *key); /* Or NULL. */
void api_meta_set_label(struct arena *arena, Meta__V1__ObjectMeta *meta, const char *key,
                        const char *value);
void api_meta_set_annotation(struct arena *arena, Meta__V1__ObjectMeta *meta, const char *key,
                             const char *value);
/* All of a map, in time for its length; of annotations those whose key `skip` (NULL: none) does not
 * know. */
void api_meta_set_labels(struct arena *arena, Meta__V1__ObjectMeta *meta,
                         struct api_string_map labels);
void api_meta_set_annotations(struct arena *arena, Meta__V1__ObjectMeta *meta,
                              struct api_string_map annotations, bool (*skip)(const char *key));
bool api_meta_remove_annotation(Meta__V1__ObjectMeta *meta, const char *key);
bool api_meta_has_finalizer(const Meta__V1__ObjectMeta *meta, const char *name);
/* The owner reference with controller=true, or NULL. */
const Meta__V1__OwnerReference *api_meta_controller(const Meta__V1__ObjectMeta *meta);
#endif
