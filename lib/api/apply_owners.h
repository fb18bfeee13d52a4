/* Who owns which fields of an object, read from its managedFields and written there again. A set
 * that stays as it was keeps its entry as it was. Internal to lib/api. */
#ifndef LIB_API_APPLY_OWNERS_H
#define LIB_API_APPLY_OWNERS_H
#include "k8s/meta_v1.pb-c.h"
#include "lib/api/apply.h"
#include "lib/api/json_value.h"

enum { APPLY_OWNERS_MAX = 256 };

struct apply_owner {
    const Meta__V1__ManagedFieldsEntry *entry; /* fields_v1 as it was read, or NULL. */
    struct json_value *set;                    /* See apply_set.h. */
};

struct apply_owners {
    size_t count;
    struct apply_owner items[]; /* With room for one more, up to the limit. */
};

/* Entries without a set of fields are dropped, and those beyond the limit. `meta` may be NULL; what
 * is read refers to it. */
struct apply_owners *apply_owners_read(struct arena *arena, const Meta__V1__ObjectMeta *meta);
/* Owners of nothing are left out. */
void apply_owners_write(struct arena *arena, const struct apply_owners *owners,
                        Meta__V1__ObjectMeta *meta);
/* The same for metadata of an object that is a tree, which may be NULL when it is read. */
struct apply_owners *apply_owners_read_tree(struct arena *arena, const struct json_value *object);
void apply_owners_write_tree(struct arena *arena, const struct apply_owners *owners,
                             struct json_value *object);

/* The entry of the request's manager, made when it has none; NULL when there are too many. Of what
 * was read for one request, one manager can be asked for. */
struct apply_owner *apply_owners_find(struct arena *arena, struct apply_owners *owners,
                                      const struct api_apply_request *request,
                                      const char *operation);
/* Gives the owner a new set; its time moves only when the set does. */
void apply_owner_set(struct arena *arena, struct apply_owner *owner, struct json_value *set,
                     int64_t now_s);
/* For the version through which it was written last. */
void apply_owner_set_version(struct arena *arena, struct apply_owner *owner,
                             const char *api_version);
#endif
