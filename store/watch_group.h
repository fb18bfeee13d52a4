/* Live watches by what they watch. Those of the same keys are a group: an event is looked up and
 * taken down once for all of them. Pure. One thread. For store/watch_hub.c alone. */
#ifndef STORE_WATCH_GROUP_H
#define STORE_WATCH_GROUP_H
#include "lib/base/list.h"
#include "store/range_index.h"
#include "store/store.h"

struct event_list {
    struct store_event *items;
    size_t count, capacity;
};

struct store_event *event_list_add(struct event_list *list); /* What is in it is the caller's. */
void event_list_clear(struct event_list *list); /* Gives back what is more than most need. */
void event_list_release(struct event_list *list);

/* Of a member, in memory of its own. */
struct watch_place {
    struct watch_group *group; /* NULL when it is in none. */
    size_t at;
};

struct watch_group {
    struct watch_place **members; /* In one piece: they are all looked at for every event. */
    size_t count, capacity;
    struct event_list events; /* Of the revision that is being delivered. */
    struct list node;         /* In `all` or `dropped`. */
    struct range_node range;  /* In the index, if it is of more than one key. */
    struct slice name;
    uint8_t bytes[];
};

struct watch_groups {
    struct hash_map *keys;    /* key -> struct watch_group of that key alone */
    struct hash_map *ranges;  /* name -> struct watch_group of more */
    struct range_index index; /* The latter, by key. */
    struct list all;          /* As they were made. */
    struct list dropped;      /* Empty, and nowhere else. */
};

void watch_groups_init(struct watch_groups *groups);
void watch_groups_release(struct watch_groups *groups); /* Everybody must have left. */
/* Gives a place in the group for these keys (etcd's key and range end). */
void watch_groups_join(struct watch_groups *groups, struct slice key, struct slice end,
                       struct watch_place *place);
/* A group that is left by its last is dropped: its memory stays until watch_groups_sweep(). */
void watch_groups_leave(struct watch_groups *groups, struct watch_place *place);
void watch_groups_sweep(struct watch_groups *groups);
/* Calls `each` for every group that watches the key. It must not change the groups. */
void watch_groups_at(const struct watch_groups *groups, struct slice key,
                     void (*each)(void *data, struct watch_group *group), void *data);
#endif
