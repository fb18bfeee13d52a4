#include "store/watch_group.h"

#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    EVENTS_FIRST = 2,
    EVENTS_KEEP = 64, /* A list with room for more gives it back when it is cleared. */
};

struct store_event *event_list_add(struct event_list *list)
{
    if (list->count == list->capacity) {
        list->capacity = list->capacity == 0 ? EVENTS_FIRST : list->capacity * 2;
        list->items = alloc_resize(list->items, list->capacity, sizeof(*list->items));
    }
    return &list->items[list->count++];
}

void event_list_clear(struct event_list *list)
{
    list->count = 0;
    if (list->capacity > EVENTS_KEEP) {
        event_list_release(list);
    }
}

void event_list_release(struct event_list *list)
{
    free(list->items);
    *list = (struct event_list){.items = NULL};
}

void watch_groups_init(struct watch_groups *groups)
{
    groups->keys = hash_map_new(/* seed= */ 0x7761746368);
    groups->ranges = hash_map_new(/* seed= */ 0x72616e6765);
    groups->index = (struct range_index){.root = NULL};
    list_init(&groups->all);
    list_init(&groups->dropped);
}

void watch_groups_release(struct watch_groups *groups)
{
    assert(list_empty(&groups->all));
    watch_groups_sweep(groups);
    hash_map_free(groups->keys);
    hash_map_free(groups->ranges);
}

static bool is_of_one_key(const struct watch_group *group)
{
    return group->range.end.len == 0;
}

static struct hash_map *map_for(const struct watch_groups *groups, struct slice end)
{
    return end.len == 0 ? groups->keys : groups->ranges;
}

/* The key itself, or what no other pair of key and end has: end and key, and how long the end is.
 * In `group->bytes`. */
static void set_name(struct watch_group *group, struct slice key, struct slice end)
{
    uint8_t *at = group->bytes;
    assert(key.len > 0);
    if (end.len > 0) {
        memcpy(at, end.data, end.len);
    }
    memcpy(at + end.len, key.data, key.len);
    memcpy(at + end.len + key.len, &end.len, sizeof(end.len));
    group->range.end = slice_of(at, end.len);
    group->range.begin = slice_of(at + end.len, key.len);
    group->name = slice_of(at, end.len + key.len + (end.len > 0 ? sizeof(end.len) : 0));
}

static struct watch_group *group_new(struct slice key, struct slice end)
{
    struct watch_group *group = alloc_zeroed(sizeof(*group) + key.len + end.len + sizeof(end.len));
    list_init(&group->node);
    set_name(group, key, end);
    return group;
}

static void group_free(struct watch_group *group)
{
    event_list_release(&group->events);
    free(group->members);
    free(group);
}

static struct watch_group *group_for(struct watch_groups *groups, struct slice key,
                                     struct slice end)
{
    struct watch_group *made = group_new(key, end); /* It knows the name. */
    struct watch_group *found = hash_map_get(map_for(groups, end), made->name);
    if (found != NULL) {
        group_free(made);
        return found;
    }
    (void)hash_map_set(map_for(groups, end), made->name, made);
    list_push_back(&groups->all, &made->node);
    if (!is_of_one_key(made)) {
        range_index_add(&groups->index, &made->range, made->range.begin, made->range.end);
    }
    return made;
}

void watch_groups_join(struct watch_groups *groups, struct slice key, struct slice end,
                       struct watch_place *place)
{
    struct watch_group *group = group_for(groups, key, end);
    if (group->count == group->capacity) {
        group->capacity = group->capacity == 0 ? 1 : group->capacity * 2;
        group->members =
            alloc_resize(group->members, group->capacity, sizeof(struct watch_place *));
    }
    assert(place->group == NULL);
    *place = (struct watch_place){group, group->count};
    group->members[group->count++] = place;
}

static void drop(struct watch_groups *groups, struct watch_group *group)
{
    (void)hash_map_remove(map_for(groups, group->range.end), group->name);
    if (!is_of_one_key(group)) {
        range_index_remove(&groups->index, &group->range);
    }
    list_remove(&group->node);
    list_push_back(&groups->dropped, &group->node);
}

void watch_groups_leave(struct watch_groups *groups, struct watch_place *place)
{
    struct watch_group *group = place->group;
    assert(group->members[place->at] == place);
    struct watch_place *last = group->members[--group->count];
    group->members[place->at] = last;
    last->at = place->at;
    place->group = NULL;
    if (group->count == 0) {
        drop(groups, group);
    }
}

void watch_groups_sweep(struct watch_groups *groups)
{
    LIST_FOREACH(node, next, &groups->dropped)
    {
        list_remove(node);
        group_free(LIST_ENTRY(node, struct watch_group, node));
    }
}

struct asking {
    void (*each)(void *data, struct watch_group *group);
    void *data;
};

static void ask_range(void *data, struct range_node *node)
{
    const struct asking *asking = data;
    asking->each(asking->data, CONTAINER_OF(node, struct watch_group, range));
}

void watch_groups_at(const struct watch_groups *groups, struct slice key,
                     void (*each)(void *data, struct watch_group *group), void *data)
{
    struct watch_group *group = hash_map_get(groups->keys, key);
    if (group != NULL) {
        each(data, group);
    }
    struct asking asking = {each, data};
    range_index_at(&groups->index, key, ask_range, &asking);
}
