/* One stored API object as the watch cache holds it: immutable, atomically reference-counted,
 * usable from any thread. It keeps the stored bytes and makes, at first use and shared from then
 * on, the decoded message and the JSON answer. No I/O. */
#ifndef APISERVER_CACHED_OBJECT_H
#define APISERVER_CACHED_OBJECT_H
#include "lib/api/encoded.h"
#include "lib/base/compiler.h"
#include "lib/net/chunk.h"
#include <stdint.h>

struct api_kind;
struct arena;
struct buffer;
struct encryption;
struct json_shelf;
struct store_kv;
struct cached_object;

/* `kv` is referenced; its value is the Kubernetes protobuf envelope ("k8s\0" + runtime.Unknown), as
 * `encryption` (borrowed; NULL for none) has sealed it; opened at first use, like the decoding.
 * The key is the kind's prefix and then namespace/name or name. `revision` is kv's own, or that of
 * its deletion. `shelf` (see object_json.h; NULL for none) says how long JSON is kept. One
 * reference is the caller's. */
MUST_USE struct cached_object *cached_object_new(const struct api_kind *kind,
                                                 const struct store_kv *kv, uint64_t revision,
                                                 struct encryption *encryption,
                                                 struct json_shelf *shelf);
/* The same object at another revision: that of its deletion. */
MUST_USE struct cached_object *cached_object_at(const struct cached_object *object,
                                                uint64_t revision);
/* The same stored bytes, read as a newer state of a custom kind. */
MUST_USE struct cached_object *cached_object_as(const struct cached_object *object,
                                                const struct api_kind *kind);

/* --- Custom objects whose versions a webhook converts (lib/api/custom.h, custom_converter()) ---
 * What is stored is of the version that was the storage version when it was written. */

/* What the message is of: the kind; or of these the version that is stored. */
const struct api_kind *cached_object_form(const struct cached_object *object);
/* The object as `kind`, a version of the same resource; borrowed from it. NULL when the webhook has
 * to be asked first, or when it does not decode. Any other object: itself. */
const struct cached_object *cached_object_version(const struct cached_object *object,
                                                  const struct api_kind *kind);
/* What the webhook made of it for `kind`: JSON, copied. The first counts. */
void cached_object_add_version(const struct cached_object *object, const struct api_kind *kind,
                               struct slice json);

struct cached_object *cached_object_ref(const struct cached_object *object);
void cached_object_unref(const struct cached_object *object); /* NULL is a no-op. */

const struct api_kind *cached_object_kind(const struct cached_object *object);
const char *cached_object_key(const struct cached_object *object);       /* Full store key. */
const char *cached_object_namespace(const struct cached_object *object); /* Never NULL. */
const char *cached_object_name(const struct cached_object *object);
uint64_t cached_object_revision(const struct cached_object *object); /* = resourceVersion */
size_t cached_object_size(const struct cached_object *object);       /* As stored. */
/* About what it takes, with its encodings. */
size_t cached_object_memory(const struct cached_object *object);
/* Whether it is stored as a write would store it now: sealed so, and of the storage version. */
bool cached_object_is_current(const struct cached_object *object);

/* The decoded message of the kind (Core__V1__Pod, ...), metadata.resourceVersion filled in; lives
 * as long as the object. NULL when the stored bytes do not decode (the object then counts as
 * unreadable: 500 StorageReadError). */
const void *cached_object_message(const struct cached_object *object);
/* The same for one look at it: in the caller's arena unless it is at hand. */
const void *cached_object_decode(const struct cached_object *object, struct arena *arena);
/* Why it cannot be read now, such as which key is missing, in the arena; NULL when it can. Asked
 * before a request shows it: one that was read before can be decoded even if its key has been taken
 * away since. */
const char *cached_object_problem(const struct cached_object *object, struct arena *arena);

/* The whole JSON object with kind and apiVersion, without a final newline: a reference. NULL when
 * it does not decode. */
struct chunk *cached_object_json(const struct cached_object *object);
bool cached_object_has_json(const struct cached_object *object); /* It has been asked for. */
/* The same bytes from the member "metadata" on: what follows "{" in an item of a typed list. */
struct chunk *cached_object_json_members(const struct cached_object *object);
/* The line of JSON that tells a watch of it, for the first type (a literal) that is asked for: most
 * watches see the same. NULL for another type, and where there is no JSON. */
struct chunk *cached_object_json_event(const struct cached_object *object, const char *type);
/* The raw protobuf message (no envelope), with resourceVersion: how long it is, and itself behind
 * what is in `out`. Made of the stored bytes as they are, nothing is kept. Size 0, and nothing
 * appended, when it does not decode. */
size_t cached_object_protobuf_size(const struct cached_object *object);
void cached_object_append_protobuf(const struct cached_object *object, struct buffer *out);
/* Whether all but the metadata is stored with the same bytes; false when that cannot be seen
 * without decoding. */
bool cached_object_same_content(const struct cached_object *object,
                                const struct cached_object *other);
/* metadata.labels, perhaps in `room`; false when it has to be decoded for them. */
MUST_USE bool cached_object_labels(const struct cached_object *object, struct api_label_room *room,
                                   struct api_string_map *ret_labels);
#endif
