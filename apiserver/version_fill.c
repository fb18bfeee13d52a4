#include "apiserver/version_fill.h"

#include "apiserver/cached_object.h"
#include "apiserver/conversion.h"
#include "lib/base/alloc.h"
#include <stdlib.h>

struct version_fill {
    const struct api_kind *kind;
    const struct cached_object **objects; /* Referenced. */
    size_t count;
    void (*done)(void *data, const struct api_status *refusal); /* NULL: nobody waits. */
    void *data;
};

static void converted(void *data, const struct slice *results, const struct api_status *refusal)
{
    struct version_fill *fill = data;
    for (size_t i = 0; i < fill->count; i++) {
        if (refusal == NULL) {
            cached_object_add_version(fill->objects[i], fill->kind, results[i]);
        }
        cached_object_unref(fill->objects[i]);
    }
    if (fill->done != NULL) {
        fill->done(fill->data, refusal);
    }
    custom_kind_unref(fill->kind);
    free(fill->objects);
    free(fill);
}

static bool is_missing(const struct cached_object *object, const struct api_kind *kind)
{
    return object != NULL && cached_object_version(object, kind) == NULL &&
           cached_object_message(object) != NULL;
}

static void start(struct version_fill *fill, const struct version_request *request)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct conversion_item *items = arena_array(arena, fill->count, sizeof(*items));
    for (size_t i = 0; i < fill->count; i++) {
        items[i] = (struct conversion_item){.from = cached_object_form(fill->objects[i]),
                                            .json = cached_object_json(fill->objects[i])->bytes};
    }
    struct conversion_request conversion = {.client = request->client,
                                            .to = fill->kind,
                                            .items = items,
                                            .count = fill->count,
                                            .home = request->home,
                                            .done = converted,
                                            .data = fill};
    (void)conversion_start(&conversion);
}

struct version_fill *version_fill_start(const struct version_request *request)
{
    struct version_fill *fill = alloc_zeroed(sizeof(*fill));
    *fill = (struct version_fill){.kind = custom_kind_ref(request->kind),
                                  .objects = alloc_array(request->count + 1, sizeof(void *)),
                                  .done = request->done,
                                  .data = request->data};
    for (size_t i = 0; i < request->count; i++) {
        if (is_missing(request->objects[i], request->kind)) {
            fill->objects[fill->count++] = cached_object_ref(request->objects[i]);
        }
    }
    if (fill->count == 0) {
        custom_kind_unref(fill->kind);
        free(fill->objects);
        free(fill);
        return NULL;
    }
    start(fill, request);
    return fill;
}

void version_fill_cancel(struct version_fill *fill)
{
    if (fill != NULL) {
        fill->done = NULL;
    }
}
