#include "apiserver/object_list.h"

#include "apiserver/limits.h"
#include "apiserver/registry.h"
#include "lib/base/alloc.h"
#include "store/storage.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* Where the objects come from. */
enum origin { FROM_VIEW, FROM_PAST, FROM_ARRAY };

/* A place among the objects of the origin, whatever the filter says of them. */
struct place {
    struct cache_walk view;
    struct store_range_result page; /* Of the past: what follows, some at a time. */
    size_t next;                    /* In the page or in the array. */
    bool last_page;
    struct cached_object *made; /* Of the past: what was returned, until the next is. */
};

struct object_walk {
    struct object_walk *next; /* Of the same list. */
    struct object_list *list;
    struct place place;
    size_t shown;
};

struct object_list {
    struct object_list_options options;
    enum origin origin;
    const struct cache_view *view;
    const char *namespace;
    struct object_past past;
    const struct cached_object *const *objects;
    size_t object_count;
    struct object_walk *walks;
    /* What the survey found. */
    size_t count, beyond;
    const char *cut_namespace, *cut_name; /* NULL: there are no more than the limit. */
    size_t own_bytes;
    /* The first that a selector selects, so that few among many are not looked for again, and the
     * place after the last of them. */
    const struct cached_object **kept; /* LIST_KEPT_MAX; NULL: none. */
    size_t kept_count;
    struct cache_walk after_kept;
};

static struct object_list *list_new(const struct object_list_options *options, enum origin origin)
{
    struct object_list *list = alloc_zeroed(sizeof(*list));
    list->options = *options;
    list->origin = origin;
    return list;
}

struct object_list *object_list_of_view(const struct object_list_options *options,
                                        const struct cache_view *view, const char *namespace)
{
    struct object_list *list = list_new(options, FROM_VIEW);
    list->view = view;
    list->namespace = namespace;
    return list;
}

struct object_list *object_list_of(const struct object_list_options *options,
                                   const struct cached_object *const *objects_consume, size_t count)
{
    struct object_list *list = list_new(options, FROM_ARRAY);
    list->objects = objects_consume;
    list->object_count = count;
    return list;
}

/* --- The past, some objects at a time --- */

static int range_past(const struct object_past *past, struct slice start, int64_t limit,
                      struct store_range_result *ret_result)
{
    struct store_range range = {.key = start,
                                .end = past->end,
                                .revision = past->revision,
                                .limit = limit,
                                .skip_count = true};
    return store_snapshot_range(past->snapshot, &range, ret_result);
}

int object_list_of_past(const struct object_list_options *options, const struct object_past *past,
                        struct object_list **ret_list)
{
    struct store_range_result first = {0};
    int status = range_past(past, past->start, 1, &first);
    if (status < 0) {
        return status;
    }
    store_range_result_release(&first);
    *ret_list = list_new(options, FROM_PAST);
    (*ret_list)->past = *past;
    return 0;
}

/* From the key after the last of the page, or from the first. */
static void turn_page(const struct object_past *past, struct place *place)
{
    struct store_range_result page = {0};
    CLEANUP(buffer_release) struct buffer after;
    buffer_init(&after, SIZE_MAX / 2);
    struct slice start = past->start;
    if (place->page.kv_count > 0) {
        buffer_append_slice(&after, place->page.kvs[place->page.kv_count - 1]->key);
        buffer_append_byte(&after, 0);
        start = buffer_slice(&after);
    }
    int status = range_past(past, start, LIST_PAGE_OBJECTS, &page);
    assert(status == 0); /* The first was there, and the snapshot does not change. */
    store_range_result_release(&place->page);
    place->page = page;
    place->next = 0;
    place->last_page = !page.more;
}

static const struct cached_object *next_of_past(const struct object_list *list, struct place *place)
{
    cached_object_unref(place->made);
    place->made = NULL;
    if (place->next == place->page.kv_count && !place->last_page) {
        turn_page(&list->past, place);
    }
    if (place->next == place->page.kv_count) {
        return NULL;
    }
    assert(place->page.kvs != NULL);
    const struct store_kv *kv = place->page.kvs[place->next++];
    place->made = cached_object_new(list->options.kind, kv, (uint64_t)kv->mod_revision,
                                    list->past.encryption, /* shelf= */ NULL);
    return place->made;
}

/* --- Places --- */

static void place_open(const struct object_list *list, struct place *place)
{
    *place = (struct place){0};
    if (list->origin == FROM_VIEW) {
        cache_walk_open(&place->view, list->view, list->namespace);
    }
}

static void place_release(struct place *place)
{
    cached_object_unref(place->made);
    store_range_result_release(&place->page);
    *place = (struct place){.last_page = true};
}

static const struct cached_object *next_stored(const struct object_list *list, struct place *place)
{
    switch (list->origin) {
    case FROM_VIEW:
        return cache_walk_next(&place->view);
    case FROM_PAST:
        return next_of_past(list, place);
    case FROM_ARRAY:
        return place->next < list->object_count ? list->objects[place->next++] : NULL;
    }
    return NULL;
}

static const struct cached_object *next_shown(const struct object_list *list, struct place *place)
{
    const struct cached_object *object = next_stored(list, place);
    const struct cached_object *version =
        object == NULL ? NULL : cached_object_version(object, list->options.kind);
    return version == NULL ? object : version;
}

/* --- The survey --- */

static void keep(struct object_list *list, const struct place *place,
                 const struct cached_object *object)
{
    if (list->kept == NULL) {
        list->kept = alloc_array(LIST_KEPT_MAX, sizeof(struct cached_object *));
    }
    list->kept[list->kept_count++] = object;
    list->after_kept = place->view;
}

/* One that the list shows. Of the past nothing is kept: objects are made for each look at them. */
static void add(struct object_list *list, const struct place *place,
                const struct cached_object *object)
{
    list->count++;
    if (list->origin != FROM_VIEW) {
        list->own_bytes += cached_object_memory(object);
    } else if (list->kept_count < LIST_KEPT_MAX && registry_filter_selects(list->options.filter)) {
        keep(list, place, object);
    }
    if (list->count == list->options.limit) {
        list->cut_namespace = arena_text(list->options.arena, cached_object_namespace(object));
        list->cut_name = arena_text(list->options.arena, cached_object_name(object));
    }
}

/* 1: go on; 0: nothing more has to be known. */
static int survey_one(struct object_list *list, const struct place *place,
                      const struct cached_object *object, const char **ret_problem)
{
    struct arena *arena = list->options.arena;
    int match = registry_filter_match(list->options.filter, object);
    if (match > 0 && list->count == list->options.limit) {
        list->beyond++;
        return !registry_filter_selects(list->options.filter);
    }
    const char *problem = match == 0 ? NULL : cached_object_problem(object, arena);
    if (match < 0 || problem != NULL) {
        *ret_problem = problem;
        return -EBADMSG;
    }
    if (match > 0) {
        add(list, place, object);
    }
    return 1;
}

int object_list_survey(struct object_list *list, const char **ret_problem)
{
    struct place place;
    place_open(list, &place);
    assert(list->count == 0);
    assert(list->options.limit > 0);
    int status = 1;
    const struct cached_object *object = NULL;
    while (status > 0 && (object = next_shown(list, &place)) != NULL) {
        status = survey_one(list, &place, object, ret_problem);
    }
    place_release(&place);
    return status < 0 ? status : 0;
}

size_t object_list_count(const struct object_list *list)
{
    return list->count;
}

size_t object_list_beyond(const struct object_list *list)
{
    return list->beyond;
}

bool object_list_is_cut(const struct object_list *list, const char **ret_namespace,
                        const char **ret_name)
{
    if (list->beyond == 0) {
        return false;
    }
    *ret_namespace = list->cut_namespace;
    *ret_name = list->cut_name;
    return true;
}

size_t object_list_memory(const struct object_list *list)
{
    return list->origin == FROM_VIEW ? cache_view_outdated_bytes(list->view) : list->own_bytes;
}

/* --- Walks --- */

struct object_walk *object_list_walk(struct object_list *list)
{
    struct object_walk *walk = alloc_zeroed(sizeof(*walk));
    walk->list = list;
    walk->next = list->walks;
    list->walks = walk;
    place_open(list, &walk->place);
    return walk;
}

static const struct cached_object *next_kept(struct object_walk *walk)
{
    const struct object_list *list = walk->list;
    const struct cached_object *object = list->kept[walk->shown];
    if (walk->shown + 1 == list->kept_count) {
        walk->place.view = list->after_kept;
    }
    return object;
}

static const struct cached_object *next_selected(struct object_walk *walk)
{
    const struct object_list *list = walk->list;
    const struct cached_object *object = NULL;
    do {
        object = next_shown(list, &walk->place);
    } while (object != NULL && registry_filter_match(list->options.filter, object) <= 0);
    return object;
}

const struct cached_object *object_walk_next(struct object_walk *walk)
{
    const struct object_list *list = walk->list;
    if (walk->shown == list->count) {
        place_release(&walk->place);
        return NULL;
    }
    const struct cached_object *object =
        walk->shown < list->kept_count ? next_kept(walk) : next_selected(walk);
    /* One less than the survey saw: the key of one of the past has been taken away meanwhile. */
    walk->shown = object == NULL ? list->count : walk->shown + 1;
    return object;
}

size_t object_walk_left(const struct object_walk *walk)
{
    return walk->list->count - walk->shown;
}

void object_list_free(struct object_list *list)
{
    if (list == NULL) {
        return;
    }
    for (struct object_walk *walk = list->walks, *next = NULL; walk != NULL; walk = next) {
        next = walk->next;
        place_release(&walk->place);
        free(walk);
    }
    for (size_t i = 0; i < list->object_count; i++) {
        cached_object_unref(list->objects[i]);
    }
    free(list->kept);
    free(list);
}
