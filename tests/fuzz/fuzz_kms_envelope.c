/* A stored value that says a KMS plugin has sealed its key: what it holds is checked before it is
 * used, its identity is read back as the same, and it opens with no secret that it was not sealed
 * with. */
#include "apiserver/kms_envelope.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const Kms__V2__EncryptedObject *envelope)
{
    const struct kms_secret secret = {.type = envelope->encrypted_dek_source_type, .len = 32};
    CLEANUP(buffer_release) struct buffer identity, again, plain;
    CLEANUP(kms_envelope_freep) Kms__V2__EncryptedObject *same = NULL;
    buffer_init(&identity, SIZE_MAX / 2);
    buffer_init(&again, SIZE_MAX / 2);
    buffer_init(&plain, SIZE_MAX / 2);
    kms_envelope_append_identity(envelope, &identity);
    same = kms__v2__encrypted_object__unpack(NULL, identity.len, identity.data);
    assert(same != NULL);
    assert(same->encrypted_data.len == 0);
    kms_envelope_append_identity(same, &again);
    assert(slice_equal(buffer_slice(&identity), buffer_slice(&again)));
    int status = kms_envelope_open(envelope, &secret, "/registry/a", &plain);
    assert(status == -EBADMSG && plain.len == 0);
    (void)status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP(error_release) struct error error = {0};
    CLEANUP(kms_envelope_freep) Kms__V2__EncryptedObject *envelope = NULL;
    int status = kms_envelope_read(slice_of(data, size), &envelope, &error);
    assert(status == 0 || (status == -EINVAL && error_message(&error)[0] != 0));
    if (status == 0) {
        look(envelope);
    }
    return 0;
}
