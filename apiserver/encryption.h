/* Encryption at rest: how the values of some resources are sealed in the store, by an
 * EncryptionConfiguration (apiserver.config.k8s.io/v1) with the providers aesgcm, aescbc,
 * secretbox, kms (version v2) and identity. The bytes are those of kube-apiserver:
 * "k8s:enc:aesgcm:v1:KEY-NAME:" and the sealed value; the store key is what AES-GCM authenticates
 * with it. Of a resource's providers the first (and its first key) writes, all read. Any thread.
 * NULL stands for no configuration. */
#ifndef APISERVER_ENCRYPTION_H
#define APISERVER_ENCRYPTION_H
#include "lib/base/buffer.h"
#include "lib/base/error.h"

struct api_kind;
struct arena;
struct encryption;
struct loop;
struct metrics;

/* What KMS plugins need: the loop that talks to them, on which a configuration is then read,
 * changed and freed. */
struct encryption_plugins {
    struct loop *loop;
    struct metrics *metrics;
};
/* Reads the configuration, YAML or JSON. 0, or -EINVAL with a message that names what is wrong.
 * Without `plugins` (NULL) the provider kms is wrong. */
MUST_USE int encryption_new(const struct encryption_plugins *plugins, struct slice text,
                            struct encryption **ret_encryption, struct error *reterr);
/* Goes on with another configuration. -EINVAL, or -E2BIG after ENCRYPTION_RELOADS_MAX times or
 * ENCRYPTION_PLUGINS_MAX plugins: with the one that it has. */
MUST_USE int encryption_reload(struct encryption *encryption, struct slice text,
                               struct error *reterr);
void encryption_free(struct encryption *encryption); /* Wipes the keys. NULL is a no-op. */

/* Appends what is to be stored for `value`. 0, or -EAGAIN with a message while a KMS plugin has not
 * sealed a key. */
MUST_USE int encryption_seal(struct encryption *encryption, const struct api_kind *kind,
                             const char *key, struct slice value, struct buffer *out,
                             struct error *reterr);
/* Appends what was stored. 0; -ENOKEY when no key that is there fits, -EAGAIN when a KMS plugin has
 * not opened it (it is asked to), -EBADMSG when the bytes are
 * not what was sealed under that store key, -ENOSPC; with a message. */
MUST_USE int encryption_open(struct encryption *encryption, const struct api_kind *kind,
                             const char *key, struct slice stored, struct buffer *out,
                             struct error *reterr);
/* As encryption_open() of what has been opened before, also if the key has been taken out of the
 * configuration since: a request goes on to show what it has begun to show. */
MUST_USE int encryption_reopen(struct encryption *encryption, const struct api_kind *kind,
                               const char *key, struct slice stored, struct buffer *out,
                               struct error *reterr);
/* Whether the configuration of now has a key for it: 0, or -ENOKEY with a message. */
MUST_USE int encryption_check(struct encryption *encryption, const struct api_kind *kind,
                              const char *key, struct slice stored, struct error *reterr);
/* Whether it is stored as encryption_seal() would do now; else a write of the same object is worth
 * it. */
bool encryption_is_current(struct encryption *encryption, const struct api_kind *kind,
                           struct slice stored);
/* Before values are looked at: has KMS plugins open their keys. False while one is being asked, for
 * the timeout of its configuration at most; then waits for encryption_when_prepared(). Values that
 * cannot be opened then are as others whose key is missing, until they can. On the plugins' loop.
 */
bool encryption_prepare(struct encryption *encryption, struct slice stored);
/* `ready` runs on the plugins' loop whenever all that was being asked has been answered. One. */
void encryption_when_prepared(struct encryption *encryption, void (*ready)(void *data), void *data);
/* Whether there are KMS plugins in the configuration, and what is wrong with one (NULL: nothing),
 * in the arena. */
bool encryption_has_plugins(struct encryption *encryption);
const char *encryption_problem(struct encryption *encryption, struct arena *arena);
/* Another number after each reload: checks count until then. */
uint64_t encryption_generation(struct encryption *encryption);
#endif
