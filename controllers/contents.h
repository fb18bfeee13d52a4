/* The objects of all kinds, those of the kinds table and custom ones, which come and go: for the
 * loops that look after objects whatever they are. One thread. */
#ifndef CONTROLLERS_CONTENTS_H
#define CONTROLLERS_CONTENTS_H
#include "lib/client/informer.h"

struct contents;

/* One kind, while it is served. */
struct content {
    struct contents *contents;
    const struct api_kind *kind;
    struct informer *objects;
    struct informer_handler handler;
};

/* Who hears of changes. In the user's memory. */
struct contents_user {
    bool (*wants)(const struct api_kind *kind); /* NULL: every kind. */
    /* As informer_handler's; objects of a kind that is served no more are gone. */
    void (*changed)(void *data, const struct content *content,
                    const struct client_object *old_object, const struct client_object *new_object);
    void (*appeared)(void *data, const struct content *content); /* A custom kind; may be NULL. */
    void *data;
    struct list link;
};

/* Fills caches of the kinds in the table through `informers`; of custom ones, and of definitions,
 * through its own, with metadata alone. */
MUST_USE struct contents *contents_new(struct client *client, struct informers *informers);
void contents_free(struct contents *contents); /* All users have left. NULL is a no-op. */
/* Before the first object was told of. */
void contents_join(struct contents *contents, struct contents_user *user);
void contents_leave(struct contents_user *user);
/* Custom objects that there were at the start, or whose kind came later, have been told of. */
bool contents_synced(const struct contents *contents);
size_t contents_count(const struct contents *contents);
const struct content *contents_at(const struct contents *contents, size_t index);
#endif
