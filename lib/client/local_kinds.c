#include "lib/client/local_kinds.h"

#include "apiserver/custom_kinds.h"
#include "lib/base/alloc.h"
#include <stdlib.h>
#include <string.h>

struct client_kinds_watch {
    struct custom_kinds *custom;
    struct custom_listener listener;
    const struct client_kinds_ops *ops;
    void *data;
    const struct api_kind **known; /* As they were told; by group and plural, as sets are. */
    size_t known_count;
};

static int by_place(const struct api_kind *a, const struct api_kind *b)
{
    int order = strcmp(a->group, b->group);
    return order != 0 ? order : strcmp(a->plural, b->plural);
}

static bool same_resource(const struct api_kind *a, const struct api_kind *b)
{
    return custom_of(a)->resource->lineage == custom_of(b)->resource->lineage;
}

/* Both lists are in the same order: what only one has came or went. */
static void changed(void *data)
{
    struct client_kinds_watch *watch = data;
    struct custom_set *set = custom_kinds_set(watch->custom);
    const struct api_kind **next = alloc_array(set->count + 1, sizeof(*next));
    size_t count = 0, i = 0, j = 0;
    while (i < watch->known_count || j < set->count) {
        const struct api_kind *old = i < watch->known_count ? watch->known[i] : NULL;
        const struct api_kind *new = j < set->count ? &set->resources[j]->storage->kind : NULL;
        int order = old == NULL ? 1 : new == NULL ? -1 : by_place(old, new);
        if (order > 0) {
            next[count++] = custom_kind_ref(new);
            watch->ops->added(watch->data, new);
            j++;
        } else if (order == 0 && same_resource(old, new)) {
            next[count++] = old;
            i++;
            j++;
        } else { /* Gone, or another resource of the same name, which is told of next. */
            watch->ops->removed(watch->data, old);
            custom_kind_unref(old);
            i++;
        }
    }
    free(watch->known);
    watch->known = next;
    watch->known_count = count;
    custom_set_unref(set);
}

struct client_kinds_watch *local_kinds_watch_new(struct custom_kinds *custom,
                                                 const struct client_kinds_ops *ops, void *data)
{
    struct client_kinds_watch *watch = alloc_zeroed(sizeof(*watch));
    *watch = (struct client_kinds_watch){.custom = custom, .ops = ops, .data = data};
    watch->listener = (struct custom_listener){.changed = changed, .data = watch};
    custom_kinds_listen(custom, &watch->listener);
    changed(watch);
    return watch;
}

void local_kinds_watch_free(struct client_kinds_watch *watch)
{
    custom_kinds_unlisten(&watch->listener);
    for (size_t i = 0; i < watch->known_count; i++) {
        custom_kind_unref(watch->known[i]);
    }
    free(watch->known);
    free(watch);
}
