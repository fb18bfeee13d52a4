/* Values at rest whose key a KMS plugin has sealed: the sealed value with all that it takes to have
 * its key opened, and what is made of that key. The bytes are those of kube-apiserver v1.32: a seed
 * stands for a key of each value, by HKDF (RFC 5869, expansion only) over 32 random bytes before
 * the value; older ones are keys of AES-GCM themselves. Any thread; no state. */
#ifndef APISERVER_KMS_ENVELOPE_H
#define APISERVER_KMS_ENVELOPE_H
#include "kms/v2.pb-c.h"
#include "lib/base/buffer.h"
#include "lib/base/error.h"

enum {
    KMS_SEED_SIZE = 32,    /* Of one of ours; the least of others. */
    KMS_KEY_ID_MAX = 1024, /* As kube-apiserver has it, with the next two. */
    KMS_SOURCE_MAX = 1024,
    KMS_ANNOTATIONS_MAX = 32 * 1024,
    KMS_INFO_SIZE = 32, /* What each value's key is derived with. */
};

/* A key or a seed, opened. */
struct kms_secret {
    Kms__V2__EncryptedDEKSourceType type;
    uint8_t bytes[64];
    size_t len;
};
/* Takes what a plugin has opened. -EINVAL with a message when no key of that type is like that. */
MUST_USE int kms_secret_set(struct kms_secret *secret, Kms__V2__EncryptedDEKSourceType type,
                            struct slice bytes, struct error *reterr);

/* Whether an answer or a stored value may be used. 0, or -EINVAL with a message. The data may be
 * missing: it is looked at by kms_envelope_read(). */
MUST_USE int kms_envelope_check(const Kms__V2__EncryptedObject *envelope, struct error *reterr);
/* 0 and one to be freed with kms_envelope_free(); or -EINVAL with a message. */
MUST_USE int kms_envelope_read(struct slice stored, Kms__V2__EncryptedObject **ret_envelope,
                               struct error *reterr);
void kms_envelope_free(Kms__V2__EncryptedObject *envelope); /* NULL is a no-op. */
void kms_envelope_freep(Kms__V2__EncryptedObject **envelope);
/* The same bytes for every value that needs the same key opened: all but the data. */
void kms_envelope_append_identity(const Kms__V2__EncryptedObject *envelope, struct buffer *out);

/* Appends the value with its envelope; `identity` is what kms_envelope_append_identity() made, and
 * the secret a seed (asserted). `key` is where it is stored. */
void kms_envelope_seal(struct slice identity, const struct kms_secret *secret, const char *key,
                       struct slice value, struct buffer *out);
/* Appends the value. 0; -EBADMSG when it was not sealed so; -ENOSPC. */
MUST_USE int kms_envelope_open(const Kms__V2__EncryptedObject *envelope,
                               const struct kms_secret *secret, const char *key,
                               struct buffer *out);
#endif
