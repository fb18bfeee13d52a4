/* Who owns which fields of an object, read from its managedFields and written there again. A set
 * that stays as it was keeps its entry as it was. Internal to lib/api. */
#ifndef LIB_API_APPLY_OWNERS_H
#define LIB_API_APPLY_OWNERS_H
#include "k8s/meta_v1.pb-c.h"
#include "lib/api/apply.h"
#include "lib/api/json_value.h"

enum {
    APPLY_OWNERS_MAX = 256,
    APPLY_UPDATERS_MAX = 10, /* More that update are merged, the oldest first. */
};

struct apply_owner {
    const Meta__V1__ManagedFieldsEntry *entry; /* fields_v1 as it was read, or NULL. */
    struct json_value *set;                    /* See apply_set.h. */
};

struct apply_owners {
    size_t count;
    struct apply_owner items[]; /* With room for two more, up to the limit. */
};

/* Entries beyond the limit are dropped; of two of one manager the later one counts. Nobody owns
 * anything when one entry is not as it should be, or `meta` is NULL. What is read refers to it. */
struct apply_owners *apply_owners_read(struct arena *arena, const Meta__V1__ObjectMeta *meta);
/* Of a change by a client: what it sent, unless that cannot be read or is nothing; then what the
 * object had. NULL when the client wants it cleared: an empty list, or one entry that is empty. */
struct apply_owners *apply_owners_sent(struct arena *arena, const Meta__V1__ObjectMeta *before,
                                       const Meta__V1__ObjectMeta *after);
/* Owners of nothing are left out; in the order of v1.32: by operation, age and name. */
void apply_owners_write(struct arena *arena, const struct apply_owners *owners,
                        Meta__V1__ObjectMeta *meta);
/* The same for metadata of an object that is a tree, which may be NULL when it is read. */
struct apply_owners *apply_owners_read_tree(struct arena *arena, const struct json_value *object);
void apply_owners_write_tree(struct arena *arena, const struct apply_owners *owners,
                             struct json_value *object);

/* The entry of the request's manager, made when it has none; NULL when there are too many. Of what
 * was read for one request, two managers can be asked for. */
struct apply_owner *apply_owners_find(struct arena *arena, struct apply_owners *owners,
                                      const struct api_apply_request *request,
                                      const char *operation);
/* Merges the oldest of too many that update, version by version, into "ancient-changes". */
void apply_owners_cap(struct arena *arena, struct apply_owners *owners);
bool apply_owner_updates(const struct apply_owner *owner); /* In contrast to who applies. */
void apply_owner_set(struct arena *arena, struct apply_owner *owner, struct json_value *set);
/* It has changed the object now. */
void apply_owner_touch(struct arena *arena, struct apply_owner *owner, int64_t now_s);
/* For the version through which it was written last. */
void apply_owner_set_version(struct arena *arena, struct apply_owner *owner,
                             const char *api_version);
#endif
