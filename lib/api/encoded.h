/* Looks into an encoded object (the bare protobuf message of a kind) without decoding it: for what
 * is asked of many objects at once. Pure; any thread. Everything is borrowed from the bytes. */
#ifndef LIB_API_ENCODED_H
#define LIB_API_ENCODED_H
#include "lib/api/selector.h"
#include "lib/base/buffer.h"
#include <protobuf-c/protobuf-c.h>

/* An object whose metadata comes first, as encoders put it, parted where the resourceVersion
 * belongs and without the one that may be there. */
struct api_encoded {
    struct slice before; /* Of the metadata. */
    struct slice after;
    struct slice rest; /* Behind the metadata. */
};

/* False for bytes that are not such an object. */
MUST_USE bool api_encoded_split(struct slice bytes, struct api_encoded *ret_encoded);
/* The object with this resourceVersion, byte for byte as api_encode_protobuf() makes it. */
size_t api_encoded_size(const struct api_encoded *encoded, uint64_t version);
void api_encoded_append(const struct api_encoded *encoded, uint64_t version, struct buffer *out);
enum { API_ENCODED_LABELS_MAX = 32, API_ENCODED_LABELS_BYTES = 2048 };

/* Where labels are put that were found; on the caller's stack. */
struct api_label_room {
    struct api_label_entry { /* As protobuf-c lays a map's entry out; see api_string_map. */
        ProtobufCMessage base;
        char *key, *value;
    } labels[API_ENCODED_LABELS_MAX];
    void *entries[API_ENCODED_LABELS_MAX];
    char texts[API_ENCODED_LABELS_BYTES];
};

/* metadata.labels, which lie in `room`. False for malformed bytes, and for labels that are more
 * than fit: then the object has to be decoded. */
MUST_USE bool api_encoded_labels(const struct api_encoded *encoded, struct api_label_room *room,
                                 struct api_string_map *ret_labels);
#endif
