/* Names in somebody's etcd for what is named otherwise here: every key of the cluster stands under
 * one prefix, and lease ids, which an etcd has once for all its users, depend on it. Pure.
 *
 *   here                      there
 *   /registry/pods/a/b        PREFIX/pods/a/b
 *   /coracle/nodes/n1         PREFIX/coracle/nodes/n1 */
#ifndef STORE_REMOTE_KEYS_H
#define STORE_REMOTE_KEYS_H
#include "lib/base/buffer.h"

struct remote_keys {
    struct slice prefix; /* "/registry": without a slash at its end. Borrowed. */
    int64_t lease_salt;
};

/* -EINVAL when `prefix` is empty, does not begin with a slash, ends with one or is too long. */
MUST_USE int remote_keys_init(struct remote_keys *keys, const char *prefix);
/* Appends the key there. -EINVAL when it is none of the two kinds of keys. */
MUST_USE int remote_key_there(const struct remote_keys *keys, struct slice here,
                              struct buffer *out);
/* Appends the key here. -EINVAL when it is not below the prefix. */
MUST_USE int remote_key_here(const struct remote_keys *keys, struct slice there,
                             struct buffer *out);
/* The range of all keys of the cluster: [PREFIX/, PREFIX0). */
void remote_keys_range(const struct remote_keys *keys, struct buffer *start, struct buffer *end);
/* Its own inverse; 0 stays 0, and a valid id stays positive. */
int64_t remote_lease(const struct remote_keys *keys, int64_t id);
#endif
