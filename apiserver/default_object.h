/* An object that every cluster starts with, and what it takes to bring the one that is there back
 * to it. Plain data. */
#ifndef APISERVER_DEFAULT_OBJECT_H
#define APISERVER_DEFAULT_OBJECT_H
#include "lib/api/kinds.h"
#include "lib/base/arena.h"
#include "lib/base/slice.h"

struct default_object {
    const struct api_kind *kind;
    const char *namespace; /* "" for those of the cluster. */
    const char *name;
    void *message; /* In the arena of whoever asked. */
};

enum default_repair {
    DEFAULT_AS_IT_SHOULD_BE, /* Or nobody's to change. */
    DEFAULT_UPDATE,
    DEFAULT_REPLACE, /* It differs in what cannot be changed in place. */
};

/* Some of those objects. */
struct default_objects {
    size_t (*count)(void);
    struct default_object (*at)(size_t index, struct arena *arena);
    /* What `present` needs; on DEFAULT_UPDATE *ret_message is the whole new object, in the arena.
     */
    enum default_repair (*repair)(const struct default_object *wanted, const void *present,
                                  struct arena *arena, void **ret_message);
    bool every_minute; /* Not only by each new leader. */
};

/* "a,b" of the tables as a list of texts, in the arena; "core" is the group "". */
size_t default_text_list(struct arena *arena, struct slice text, char ***ret_list);
#endif
