#include "apiserver/cached_object.h"

#include "apiserver/encryption.h"
#include "apiserver/limits.h"
#include "apiserver/object_json.h"
#include "lib/api/custom.h"
#include "lib/api/object.h"
#include "lib/base/alloc.h"
#include "lib/base/arena.h"
#include "store/kv.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct decoded {
    struct arena *arena;
    const void *message;
    const struct api_kind *form; /* What the message is of. */
    bool old;                    /* Stored as a version that objects are no longer stored as. */
};

/* The same object as another version, made by a webhook. */
struct version {
    struct version *next;
    struct cached_object *object;
};

struct cached_object {
    atomic_size_t references;
    const struct api_kind *kind;
    uint64_t revision;
    const struct store_kv *kv;
    struct encryption *encryption;
    const char *key;
    const char *namespace;
    const char *name;
    /* Of another version than is stored: */
    bool exact;        /* It is `kind`, whatever kv's value says. */
    struct slice text; /* Its JSON, owned; empty when kv's value is of it. */
    bool old;          /* As decoded.old of what is stored. */
    _Atomic(struct version *) versions;
    _Atomic(struct decoded *) decoded; /* Only when that went well. */
    struct json_slot json;
    /* When it was found to be readable, whether that was kept or not: 1 and the generation of the
     * encryption; 0: never. */
    atomic_uint_fast64_t readable;
};

/* The namespace and name of a key are what follows the kind's prefix. */
static void set_names(struct cached_object *object)
{
    const char *rest = object->key + strlen(object->kind->storage_prefix);
    const char *slash = strchr(rest, '/');
    if (slash == NULL) {
        object->namespace = "";
        object->name = rest;
        return;
    }
    object->namespace = alloc_text_n(rest, (size_t)(slash - rest));
    object->name = slash + 1;
}

struct cached_object *cached_object_new(const struct api_kind *kind, const struct store_kv *kv,
                                        uint64_t revision, struct encryption *encryption,
                                        struct json_shelf *shelf)
{
    assert(kv->key.len >= strlen(kind->storage_prefix));
    struct cached_object *object = alloc_zeroed(sizeof(*object));
    atomic_init(&object->references, 1);
    object->kind = custom_kind_ref(kind);
    object->revision = revision;
    object->kv = store_kv_ref(kv);
    object->encryption = encryption;
    json_slot_init(&object->json, shelf);
    object->key = alloc_text_n((const char *)kv->key.data, kv->key.len);
    set_names(object);
    return object;
}

/* References are counted behind const: holders may not change the object, but they share it. */
static struct cached_object *mutable_object(const struct cached_object *object)
{
    return (struct cached_object *)(uintptr_t)object;
}

static struct cached_object *version_new(const struct cached_object *object,
                                         const struct api_kind *kind, struct slice json,
                                         uint64_t revision, bool old)
{
    struct cached_object *made =
        cached_object_new(kind, object->kv, revision, object->encryption, object->json.shelf);
    made->exact = true;
    made->old = old;
    if (json.len > 0) {
        made->text = slice_of(alloc_text_n((const char *)json.data, json.len), json.len);
    }
    return made;
}

struct cached_object *cached_object_at(const struct cached_object *object, uint64_t revision)
{
    struct cached_object *made =
        object->exact ? version_new(object, object->kind, object->text, revision, object->old)
                      : cached_object_new(object->kind, object->kv, revision, object->encryption,
                                          object->json.shelf);
    uint64_t readable = atomic_load(&mutable_object(object)->readable);
    atomic_store(&made->readable, readable); /* Who knew the object has to hear of its end. */
    return made;
}

struct cached_object *cached_object_as(const struct cached_object *object,
                                       const struct api_kind *kind)
{
    return cached_object_new(kind, object->kv, object->revision, object->encryption,
                             object->json.shelf);
}

struct cached_object *cached_object_ref(const struct cached_object *object)
{
    struct cached_object *shared = mutable_object(object);
    atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
    return shared;
}

static void decoded_free(struct decoded *decoded)
{
    if (decoded != NULL) {
        arena_free(decoded->arena);
        free(decoded);
    }
}

void cached_object_unref(const struct cached_object *object)
{
    if (object == NULL) {
        return;
    }
    struct cached_object *shared = mutable_object(object);
    if (atomic_fetch_sub_explicit(&shared->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    struct version *next = NULL;
    for (struct version *each = atomic_load(&shared->versions); each != NULL; each = next) {
        next = each->next;
        cached_object_unref(each->object);
        free(each);
    }
    free((void *)(uintptr_t)shared->text.data);
    decoded_free(atomic_load(&shared->decoded));
    json_slot_release(&shared->json);
    if (shared->namespace[0] != 0) {
        free((void *)(uintptr_t)shared->namespace);
    }
    store_kv_unref(shared->kv);
    custom_kind_unref(shared->kind);
    free((void *)(uintptr_t)shared->key);
    free(shared);
}

const struct api_kind *cached_object_kind(const struct cached_object *object)
{
    return object->kind;
}

const char *cached_object_key(const struct cached_object *object)
{
    return object->key;
}

const char *cached_object_namespace(const struct cached_object *object)
{
    return object->namespace;
}

const char *cached_object_name(const struct cached_object *object)
{
    return object->name;
}

uint64_t cached_object_revision(const struct cached_object *object)
{
    return object->revision;
}

size_t cached_object_size(const struct cached_object *object)
{
    return object->kv->key.len + object->kv->value.len;
}

size_t cached_object_memory(const struct cached_object *object)
{
    size_t bytes = cached_object_size(object) + object->text.len;
    return sizeof(*object) + CACHED_MEMORY_A_BYTE * bytes;
}

/* Which version of its resource a stored custom object is of. */
static int read_form(const struct cached_object *object, struct slice bytes,
                     struct decoded *decoded, struct error *reterr)
{
    const struct custom_version *custom = custom_of(object->kind);
    decoded->form = object->kind;
    decoded->old = object->old;
    if (custom == NULL || object->exact || custom->resource->version_count < 2) {
        return 0;
    }
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct api_type_meta meta = {0};
    int status = api_peek_json(arena, bytes, &meta, reterr);
    if (status < 0) {
        return status;
    }
    decoded->old = strcmp(meta.api_version, object->kind->api_version) != 0;
    if (!decoded->old || custom_converter(object->kind) == NULL) {
        return 0;
    }
    const char *slash = strchr(meta.api_version, '/');
    decoded->form = slash == NULL ? NULL : custom_sibling(object->kind, slash + 1);
    return decoded->form != NULL ? 0
                                 : error_set(reterr, -EBADMSG,
                                             "request to convert CR from an invalid "
                                             "group/version: %s",
                                             meta.api_version);
}

static int decode_bytes(const struct cached_object *object, struct slice bytes,
                        struct decoded *decoded, struct api_object *ret_result,
                        struct error *reterr)
{
    int status = read_form(object, bytes, decoded, reterr);
    return status < 0 ? status
                      : api_object_decode(decoded->arena, decoded->form, bytes, ret_result, reterr);
}

static int open_stored(const struct cached_object *object, struct buffer *plain,
                       struct error *reterr)
{
    bool before =
        atomic_load_explicit(&mutable_object(object)->readable, memory_order_relaxed) != 0;
    return (before ? encryption_reopen : encryption_open)(
        object->encryption, object->kind, object->key, object->kv->value, plain, reterr);
}

static int decode_stored(const struct cached_object *object, struct decoded *decoded,
                         struct api_object *ret_result, struct error *reterr)
{
    if (object->text.len > 0) {
        return decode_bytes(object, object->text, decoded, ret_result, reterr);
    }
    CLEANUP(buffer_release) struct buffer plain;
    buffer_init(&plain, STORED_OBJECT_MAX + ENCRYPTION_OVERHEAD_MAX);
    int status = open_stored(object, &plain, reterr);
    return status < 0 ? status
                      : decode_bytes(object, buffer_slice(&plain), decoded, ret_result, reterr);
}

static void note_readable(const struct cached_object *object, uint64_t generation)
{
    atomic_store_explicit(&mutable_object(object)->readable, generation + 1, memory_order_relaxed);
}

/* All of `decoded` but its arena. */
static int decode_into(const struct cached_object *object, struct decoded *decoded,
                       struct error *reterr)
{
    struct api_object result = {0};
    uint64_t generation = encryption_generation(object->encryption);
    bool first = atomic_load_explicit(&mutable_object(object)->readable, memory_order_relaxed) == 0;
    int status = decode_stored(object, decoded, &result, reterr);
    if (status < 0) {
        return status;
    }
    Meta__V1__ObjectMeta *meta = api_object_meta(&result);
    if (meta != NULL) {
        meta->resource_version =
            arena_printf(decoded->arena, "%llu", (unsigned long long)object->revision);
    }
    decoded->message = result.message;
    if (first) {
        note_readable(object, generation);
    }
    return 0;
}

/* NULL when it does not decode. */
static struct decoded *decode(const struct cached_object *object)
{
    struct decoded *decoded = alloc_zeroed(sizeof(*decoded));
    decoded->arena = arena_new_tight(SIZE_MAX); /* It stays as long as the object. */
    if (decode_into(object, decoded, /* reterr= */ NULL) < 0) {
        decoded_free(decoded);
        return NULL;
    }
    return decoded;
}

/* NULL when it does not decode: what cannot be read today may be after a reload of the keys. */
static const struct decoded *decoded_of(const struct cached_object *object)
{
    struct cached_object *shared = mutable_object(object);
    struct decoded *decoded = atomic_load_explicit(&shared->decoded, memory_order_acquire);
    if (decoded == NULL) {
        struct decoded *made = decode(object);
        /* Two threads may decode at once; the first to publish wins. */
        if (made == NULL || atomic_compare_exchange_strong(&shared->decoded, &decoded, made)) {
            decoded = made;
        } else {
            decoded_free(made);
        }
    }
    return decoded;
}

const void *cached_object_message(const struct cached_object *object)
{
    const struct decoded *decoded = decoded_of(object);
    return decoded == NULL ? NULL : decoded->message;
}

const void *cached_object_decode(const struct cached_object *object, struct arena *arena)
{
    struct cached_object *shared = mutable_object(object);
    const struct decoded *decoded = atomic_load_explicit(&shared->decoded, memory_order_acquire);
    struct decoded once = {.arena = arena};
    if (decoded != NULL) {
        return decoded->message;
    }
    return decode_into(object, &once, /* reterr= */ NULL) < 0 ? NULL : once.message;
}

/* Of one that has not been read yet, or not since the keys are others. */
static int check(const struct cached_object *object, struct error *reterr)
{
    struct cached_object *shared = mutable_object(object);
    uint64_t generation = encryption_generation(object->encryption);
    if (atomic_load_explicit(&shared->readable, memory_order_relaxed) == 0) {
        CLEANUP(arena_freep) struct arena *scratch = arena_new(SIZE_MAX);
        struct decoded once = {.arena = scratch};
        return decode_into(object, &once, reterr);
    }
    int status =
        encryption_check(object->encryption, object->kind, object->key, object->kv->value, reterr);
    if (status == 0) {
        note_readable(object, generation);
    }
    return status;
}

const char *cached_object_problem(const struct cached_object *object, struct arena *arena)
{
    uint64_t now = encryption_generation(object->encryption) + 1;
    if (atomic_load_explicit(&mutable_object(object)->readable, memory_order_relaxed) == now) {
        return NULL;
    }
    CLEANUP(error_release) struct error error = {0};
    return check(object, &error) < 0 ? arena_text(arena, error_message(&error)) : NULL;
}

/* Stored as a version that objects are no longer stored as; what does not decode tells of none. */
static bool is_old(const struct cached_object *object)
{
    const struct decoded *decoded = decoded_of(object);
    return decoded != NULL && decoded->old;
}

bool cached_object_is_current(const struct cached_object *object)
{
    bool sealed = encryption_is_current(object->encryption, object->kind, object->kv->value);
    bool one_version =
        custom_of(object->kind) == NULL || custom_of(object->kind)->resource->version_count < 2;
    return sealed && (one_version || !is_old(object));
}

/* --- Versions --- */

const struct api_kind *cached_object_form(const struct cached_object *object)
{
    const struct decoded *decoded =
        custom_converter(object->kind) == NULL ? NULL : decoded_of(object);
    return decoded == NULL ? object->kind : decoded->form;
}

void cached_object_add_version(const struct cached_object *object, const struct api_kind *kind,
                               struct slice json)
{
    struct cached_object *shared = mutable_object(object);
    struct version *version = alloc_zeroed(sizeof(*version));
    version->object = version_new(object, kind, json, object->revision, is_old(object));
    version->next = atomic_load(&shared->versions);
    while (!atomic_compare_exchange_weak(&shared->versions, &version->next, version)) {
    }
}

/* The oldest, so that everybody who looks finds the same. */
static const struct cached_object *find_version(const struct cached_object *object,
                                                const struct api_kind *kind)
{
    const struct cached_object *found = NULL;
    const struct version *each = atomic_load(&mutable_object(object)->versions);
    for (; each != NULL; each = each->next) {
        if (each->object->kind == kind) {
            found = each->object;
        }
    }
    return found;
}

const struct cached_object *cached_object_version(const struct cached_object *object,
                                                  const struct api_kind *kind)
{
    if (custom_converter(kind) == NULL || (object->exact && object->kind == kind)) {
        return object;
    }
    const struct decoded *decoded = decoded_of(object);
    if (decoded == NULL) {
        return NULL;
    }
    if (object->kind == kind && decoded->form == kind) {
        return object;
    }
    const struct cached_object *found = find_version(object, kind);
    if (found == NULL && strcmp(decoded->form->version, kind->version) == 0) {
        cached_object_add_version(object, kind, slice_of("", 0)); /* It is stored as that. */
        found = find_version(object, kind);
    }
    return found;
}

static struct object_json *encode_json(const struct cached_object *object, const void *message)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    const struct api_kind *form = cached_object_form(object);
    struct api_type_meta type_meta = {.api_version = form->api_version, .kind = form->kind};
    buffer_append(&out, (const char[OBJECT_JSON_ROOM]){0}, OBJECT_JSON_ROOM);
    api_encode_json(object->kind->message, message, &type_meta, &out);
    /* {"kind":"...","apiVersion":"...", comes first: what follows are the members of a list item.
     */
    size_t prefix = strlen("{\"kind\":\"\",\"apiVersion\":\"\",") + strlen(type_meta.kind) +
                    strlen(type_meta.api_version);
    if (custom_of(object->kind) != NULL) {
        prefix = strlen("{"); /* Items of their lists say what they are. */
    }
    return object_json_new(&out, prefix);
}

static struct chunk *take_json(const struct cached_object *object, enum object_json_view view,
                               const char *type)
{
    struct json_slot *slot = &mutable_object(object)->json;
    struct chunk *chunk = NULL;
    while (!json_slot_take(slot, view, type, &chunk)) {
        CLEANUP(arena_freep) struct arena *scratch = arena_new(SIZE_MAX);
        const void *message = cached_object_decode(object, scratch);
        struct object_json *made = message == NULL ? NULL : encode_json(object, message);
        if (made == NULL) {
            return NULL;
        }
        json_slot_put(slot, made);
    }
    return chunk;
}

bool cached_object_has_json(const struct cached_object *object)
{
    return json_slot_is_filled(&mutable_object(object)->json);
}

struct chunk *cached_object_json(const struct cached_object *object)
{
    return take_json(object, OBJECT_JSON_WHOLE, NULL);
}

struct chunk *cached_object_json_members(const struct cached_object *object)
{
    return take_json(object, OBJECT_JSON_MEMBERS, NULL);
}

struct chunk *cached_object_json_event(const struct cached_object *object, const char *type)
{
    return take_json(object, OBJECT_JSON_EVENT, type);
}

/* The stored bytes, parted; false for those that are sealed, or are no protobuf. */
static bool split_stored(const struct cached_object *object, struct api_encoded *ret_encoded)
{
    struct api_envelope envelope;
    return api_is_envelope(object->kv->value) &&
           api_parse_envelope(object->kv->value, &envelope, NULL) == 0 &&
           api_encoded_split(envelope.raw, ret_encoded);
}

/* As split_stored() where that cannot. */
static void encode_protobuf(const struct cached_object *object, struct buffer *out)
{
    CLEANUP(arena_freep) struct arena *scratch = arena_new(SIZE_MAX);
    const void *message = cached_object_decode(object, scratch);
    if (message != NULL) {
        api_encode_protobuf(object->kind->message, message, out);
    }
}

size_t cached_object_protobuf_size(const struct cached_object *object)
{
    struct api_encoded encoded;
    if (split_stored(object, &encoded)) {
        return api_encoded_size(&encoded, object->revision);
    }
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    encode_protobuf(object, &out);
    return buffer_error(&out) < 0 ? 0 : out.len;
}

void cached_object_append_protobuf(const struct cached_object *object, struct buffer *out)
{
    struct api_encoded encoded;
    if (split_stored(object, &encoded)) {
        api_encoded_append(&encoded, object->revision, out);
    } else {
        encode_protobuf(object, out);
    }
}

bool cached_object_same_content(const struct cached_object *object,
                                const struct cached_object *other)
{
    struct api_encoded one, two;
    return split_stored(object, &one) && split_stored(other, &two) &&
           slice_equal(one.rest, two.rest);
}

bool cached_object_labels(const struct cached_object *object, struct api_label_room *room,
                          struct api_string_map *ret_labels)
{
    struct api_encoded encoded;
    return split_stored(object, &encoded) && api_encoded_labels(&encoded, room, ret_labels);
}
