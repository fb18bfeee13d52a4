/* What a list shows: the objects of one kind at one revision, in the order of their keys, as far as
 * a filter selects them and a limit lets them. It is walked, as often as wanted, and holds the
 * state that it is of, not the objects: its memory does not grow with their number. One thread. */
#ifndef APISERVER_OBJECT_LIST_H
#define APISERVER_OBJECT_LIST_H
#include "apiserver/watch_cache.h"
#include "lib/base/arena.h"

struct encryption;
struct object_list;
struct object_walk;
struct registry_filter;
struct store_snapshot;

/* What every list has; all of it borrowed for as long as the list is there. */
struct object_list_options {
    struct arena *arena;         /* Of what is said about objects. */
    const struct api_kind *kind; /* Objects are of this version where they can be had as it. */
    const struct registry_filter *filter;
    size_t limit; /* SIZE_MAX for none. */
};

/* Of the newest state: the objects of `namespace` ("" for all) in the view. */
MUST_USE struct object_list *object_list_of_view(const struct object_list_options *options,
                                                 const struct cache_view *view,
                                                 const char *namespace);

/* Of a state of the past, from the store: keys in [start, end) at `revision`, 0 for the snapshot's
 * own. */
struct object_past {
    const struct store_snapshot *snapshot;
    int64_t revision;
    struct slice start, end;
    struct encryption *encryption;
};
/* Returns 0, or the store's status, such as STORE_COMPACTED. */
MUST_USE int object_list_of_past(const struct object_list_options *options,
                                 const struct object_past *past, struct object_list **ret_list);

/* Of objects that are held one by one, with a reference to each, which is taken over: those of the
 * past whose webhook was asked for another version of them. The array stays the caller's. */
MUST_USE struct object_list *object_list_of(const struct object_list_options *options,
                                            const struct cached_object *const *objects_consume,
                                            size_t count);
void object_list_free(struct object_list *list); /* And its walks; NULL is a no-op. */

/* Looks at all of it once: from there on the list has its count, and walks end at the limit.
 * Returns 0; or -EBADMSG, with why (in the arena) or NULL, when one of the objects cannot be read.
 */
MUST_USE int object_list_survey(struct object_list *list, const char **ret_problem);
size_t object_list_count(const struct object_list *list);
/* When there are more than the limit, the last object within it, as its namespace and name; else
 * false. */
bool object_list_is_cut(const struct object_list *list, const char **ret_namespace,
                        const char **ret_name);
/* How many there are beyond the limit; one at least when a selector does not let them be counted.
 */
size_t object_list_beyond(const struct object_list *list);
/* About what it alone keeps: objects that have been replaced since, or those of the past. */
size_t object_list_memory(const struct object_list *list);

/* From the first object, after the survey; lives as long as the list. */
MUST_USE struct object_walk *object_list_walk(struct object_list *list);
/* The next, borrowed until the one after it is asked for; NULL at the end. */
const struct cached_object *object_walk_next(struct object_walk *walk);
size_t object_walk_left(const struct object_walk *walk); /* That are still to come. */
#endif
