/* One KMS plugin (version v2 of the KMS API): a program behind a unix socket that seals the keys
 * which values at rest are sealed with. It is asked once for a seed of this server's own, again
 * when it says another key id, and once for each key of others that stored values need; values
 * themselves are sealed and opened here, without waiting. Its calls run on one loop; sealing and
 * opening are for any thread. Source: KEP-3299 and kube-apiserver v1.32. */
#ifndef APISERVER_KMS_PLUGIN_H
#define APISERVER_KMS_PLUGIN_H
#include "lib/base/arena.h"
#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include "lib/net/stream.h"

enum {
    KMS_POLL_MS = 60 * 1000,       /* Between two questions how it is, ... */
    KMS_POLL_AGAIN_MS = 10 * 1000, /* ... after one that went wrong, ... */
    KMS_POLL_FIRST_MS = 1000,      /* ... and while it has never been well. */
    KMS_WRITE_MS = 3 * 60 * 1000,  /* A seed serves so long after the plugin was well. */
    KMS_FORGET_MS = 2000,          /* A key that could not be opened is asked for again. */
    KMS_KEYS_MAX = 4096,           /* Opened keys of one plugin; others make room. */
};

struct loop;
struct metrics;
struct kms_plugin;

struct kms_plugin_options {
    struct loop *loop; /* Borrowed, as metrics, for its life. */
    struct metrics *metrics;
    const char *name;           /* Copied, as the next. */
    struct net_address address; /* A unix socket. */
    uint64_t timeout_ms;        /* Of each call. */
    /* Nothing is being asked any more; on the loop. */
    void (*settled)(void *data);
    void *data;
};
MUST_USE struct kms_plugin *kms_plugin_new(const struct kms_plugin_options *options);
/* On the loop, when nobody seals or opens with it any more. NULL is a no-op. */
void kms_plugin_free(struct kms_plugin *plugin);

/* Why it is not well, in the arena; NULL when it is. Any thread. */
const char *kms_plugin_problem(struct kms_plugin *plugin, struct arena *arena);

/* Appends the sealed value. 0, or -EAGAIN with a message while there is no seed to do it with. Any
 * thread, as the next. */
MUST_USE int kms_plugin_seal(struct kms_plugin *plugin, const char *key, struct slice value,
                             struct buffer *out, struct error *reterr);
/* Appends the value. 0; -EBADMSG when it was not sealed so; -EAGAIN when its key is not known,
 * which is asked for then; -ENOSPC; with a message. */
MUST_USE int kms_plugin_open(struct kms_plugin *plugin, const char *key, struct slice sealed,
                             struct buffer *out, struct error *reterr);
/* Whether the plugin would still use the same key of its own. */
bool kms_plugin_is_current(struct kms_plugin *plugin, struct slice sealed);

/* Has the key of this value asked for where it is not known. False when that is under way, and
 * `settled` comes. On the loop. */
bool kms_plugin_prepare(struct kms_plugin *plugin, struct slice sealed);
#endif
