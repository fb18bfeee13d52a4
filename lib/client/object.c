#include "lib/client/object.h"

#include "lib/api/custom.h"
#include "lib/base/alloc.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct copied_object {
    struct client_object object;
    struct arena *arena;
};

static void copied_object_release(struct client_object *object)
{
    struct copied_object *copied = CONTAINER_OF(object, struct copied_object, object);
    custom_kind_unref(object->kind);
    arena_free(copied->arena);
    free(copied);
}

static uint64_t version_number(const Meta__V1__ObjectMeta *meta)
{
    uint64_t number = 0;
    for (const char *at = meta->resource_version; at != NULL && *at >= '0' && *at <= '9'; at++) {
        number = number * 10 + (uint64_t)(*at - '0');
    }
    return number;
}

const struct client_object *client_object_new(const struct api_kind *kind, const void *message)
{
    struct copied_object *copied = alloc_zeroed(sizeof(*copied));
    copied->arena = arena_new(SIZE_MAX);
    void *copy = api_message_copy(copied->arena, kind->message, message);
    copied->object = (struct client_object){.kind = custom_kind_ref(kind),
                                            .message = copy,
                                            .meta = api_message_meta(kind->message, copy),
                                            .refs = 1,
                                            .release = copied_object_release};
    assert(copied->object.meta != NULL);
    copied->object.version = version_number(copied->object.meta);
    return &copied->object;
}

/* The count is the one part of the object that changes. */
static struct client_object *writable(const struct client_object *object)
{
    return (struct client_object *)(uintptr_t)object;
}

const struct client_object *client_object_ref(const struct client_object *object)
{
    assert(object->refs > 0);
    writable(object)->refs++;
    return object;
}

void client_object_unref(const struct client_object *object)
{
    if (object == NULL) {
        return;
    }
    assert(object->refs > 0);
    if (--writable(object)->refs == 0) {
        object->release(writable(object));
    }
}

const char *client_object_namespace(const struct client_object *object)
{
    return text_or_empty(object->meta->namespace_);
}

const char *client_object_name(const struct client_object *object)
{
    return text_or_empty(object->meta->name);
}

const char *client_object_uid(const struct client_object *object)
{
    return text_or_empty(object->meta->uid);
}

char *client_object_key(struct arena *arena, const struct client_object *object)
{
    const char *namespace_ = client_object_namespace(object);
    return namespace_[0] == '\0'
               ? arena_text(arena, client_object_name(object))
               : arena_printf(arena, "%s/%s", namespace_, client_object_name(object));
}
