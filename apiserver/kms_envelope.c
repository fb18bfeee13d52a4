#include "apiserver/kms_envelope.h"

#include "lib/api/syntax.h"
#include "lib/net/cipher.h"
#include "lib/net/x509.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int kms_secret_set(struct kms_secret *secret, Kms__V2__EncryptedDEKSourceType type,
                   struct slice bytes, struct error *reterr)
{
    bool seed = type == KMS__V2__ENCRYPTED_DEKSOURCE_TYPE__HKDF_SHA256_XNONCE_AES_GCM_SEED;
    bool good = seed ? bytes.len >= KMS_SEED_SIZE : cipher_key_size_good(bytes.len);
    if (!good || bytes.len > sizeof(secret->bytes)) {
        return error_set(reterr, -EINVAL, "invalid %s length %zu", seed ? "seed" : "key",
                         bytes.len);
    }
    secret->type = type;
    secret->len = bytes.len;
    memcpy(secret->bytes, bytes.data, bytes.len);
    return 0;
}

/* --- What may be in an envelope --- */

static int check_annotations(const Kms__V2__EncryptedObject *envelope, struct error *reterr)
{
    size_t total = 0;
    for (size_t i = 0; i < envelope->n_annotations; i++) {
        const Kms__V2__Annotation *each = envelope->annotations[i];
        if (api_syntax_fqdn(each->key).count > 0) {
            return error_set(reterr, -EINVAL,
                             "the name of an annotation is no fully qualified domain name");
        }
        total += strlen(each->key) + each->value.len;
    }
    if (total > KMS_ANNOTATIONS_MAX) {
        return error_set(reterr, -EINVAL,
                         "total size of annotations is %zu, which exceeds the max size of %d",
                         total, KMS_ANNOTATIONS_MAX);
    }
    return 0;
}

int kms_envelope_check(const Kms__V2__EncryptedObject *envelope, struct error *reterr)
{
    size_t source = envelope->encrypted_dek_source.len, key_id = strlen(envelope->key_id);
    unsigned type = (unsigned)envelope->encrypted_dek_source_type;
    if (type > KMS__V2__ENCRYPTED_DEKSOURCE_TYPE__HKDF_SHA256_XNONCE_AES_GCM_SEED) {
        return error_set(reterr, -EINVAL, "unknown encryptedDEKSourceType: %u", type);
    }
    if (source == 0 || source > KMS_SOURCE_MAX) {
        return error_set(reterr, -EINVAL, "encrypted DEK source is %zu bytes, not 1 to %d", source,
                         KMS_SOURCE_MAX);
    }
    if (key_id == 0 || key_id > KMS_KEY_ID_MAX) {
        return error_set(reterr, -EINVAL, "keyID is %zu bytes, not 1 to %d", key_id,
                         KMS_KEY_ID_MAX);
    }
    return check_annotations(envelope, reterr);
}

int kms_envelope_read(struct slice stored, Kms__V2__EncryptedObject **ret_envelope,
                      struct error *reterr)
{
    CLEANUP(kms_envelope_freep)
    Kms__V2__EncryptedObject *envelope =
        kms__v2__encrypted_object__unpack(NULL, stored.len, stored.data);
    if (envelope == NULL) {
        return error_set(reterr, -EINVAL, "it is no EncryptedObject");
    }
    if (envelope->encrypted_data.len == 0) {
        return error_set(reterr, -EINVAL, "encrypted data is empty");
    }
    int status = kms_envelope_check(envelope, reterr);
    if (status == 0) {
        *ret_envelope = TAKE(envelope);
    }
    return status;
}

void kms_envelope_free(Kms__V2__EncryptedObject *envelope)
{
    if (envelope != NULL) {
        kms__v2__encrypted_object__free_unpacked(envelope, NULL);
    }
}

void kms_envelope_freep(Kms__V2__EncryptedObject **envelope)
{
    kms_envelope_free(*envelope);
}

static void append_packed(const Kms__V2__EncryptedObject *envelope, struct buffer *out)
{
    size_t size = kms__v2__encrypted_object__get_packed_size(envelope);
    uint8_t *at = buffer_reserve(out, size);
    if (at != NULL) {
        buffer_commit(out, kms__v2__encrypted_object__pack(envelope, at));
    }
}

void kms_envelope_append_identity(const Kms__V2__EncryptedObject *envelope, struct buffer *out)
{
    Kms__V2__EncryptedObject bare = *envelope;
    bare.encrypted_data = (ProtobufCBinaryData){.len = 0};
    append_packed(&bare, out);
}

/* --- Sealing --- */

/* HKDF-Expand for one block of SHA-256: a key of 32 bytes. */
static void derive(const struct kms_secret *seed, const uint8_t *info, uint8_t *ret_key)
{
    uint8_t text[KMS_INFO_SIZE + 1];
    memcpy(text, info, KMS_INFO_SIZE);
    text[KMS_INFO_SIZE] = 1;
    x509_hmac_sha256(slice_of(seed->bytes, seed->len), slice_of(text, sizeof(text)), ret_key);
}

void kms_envelope_seal(struct slice identity, const struct kms_secret *secret, const char *key,
                       struct slice value, struct buffer *out)
{
    Kms__V2__EncryptedObject data = KMS__V2__ENCRYPTED_OBJECT__INIT;
    CLEANUP(buffer_release) struct buffer sealed;
    uint8_t info[KMS_INFO_SIZE], derived[X509_SHA256_SIZE];
    assert(secret->type == KMS__V2__ENCRYPTED_DEKSOURCE_TYPE__HKDF_SHA256_XNONCE_AES_GCM_SEED);
    buffer_init(&sealed, SIZE_MAX / 2); /* As large as the value. */
    x509_random(info, sizeof(info));
    derive(secret, info, derived);
    buffer_append(&sealed, info, sizeof(info));
    cipher_gcm_seal(slice_of(derived, sizeof(derived)), slice_text(key), value, &sealed);
    explicit_bzero(derived, sizeof(derived));
    data.encrypted_data = (ProtobufCBinaryData){.len = sealed.len, .data = sealed.data};
    append_packed(&data, out);
    buffer_append_slice(out, identity); /* The fields of one message, one after the other. */
}

int kms_envelope_open(const Kms__V2__EncryptedObject *envelope, const struct kms_secret *secret,
                      const char *key, struct buffer *out)
{
    struct slice data = slice_of(envelope->encrypted_data.data, envelope->encrypted_data.len);
    uint8_t derived[X509_SHA256_SIZE];
    if (secret->type == KMS__V2__ENCRYPTED_DEKSOURCE_TYPE__AES_GCM_KEY) {
        return cipher_gcm_open(slice_of(secret->bytes, secret->len), slice_text(key), data, out);
    }
    if (data.len < KMS_INFO_SIZE) {
        return -EBADMSG;
    }
    derive(secret, data.data, derived);
    int status =
        cipher_gcm_open(slice_of(derived, sizeof(derived)), slice_text(key),
                        slice_of(data.data + KMS_INFO_SIZE, data.len - KMS_INFO_SIZE), out);
    explicit_bzero(derived, sizeof(derived));
    return status;
}
