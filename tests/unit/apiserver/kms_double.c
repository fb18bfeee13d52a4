#include "tests/unit/apiserver/kms_double.h"

#include "kms/v2.pb-c.h"
#include <stdio.h>
#include <string.h>

enum { MASK = 0x5a };

static void look(struct kms_double *kms)
{
    if (kms->look != NULL) {
        kms->look(kms);
    }
}

static void on_status(void *data, struct grpc_call *call, struct slice request)
{
    struct kms_double *kms = data;
    Kms__V2__StatusResponse answer = KMS__V2__STATUS_RESPONSE__INIT;
    uint8_t bytes[256];
    (void)request;
    look(kms);
    kms->statuses++;
    answer.version = "v2";
    answer.healthz = kms->healthz;
    answer.key_id = kms->key_id;
    grpc_call_respond(call, slice_of(bytes, kms__v2__status_response__pack(&answer, bytes)));
}

static void refuse(struct grpc_call *call)
{
    grpc_call_finish(call, GRPC_FAILED_PRECONDITION, "the safe is shut", slice_text(""));
}

static void on_encrypt(void *data, struct grpc_call *call, struct slice request)
{
    struct kms_double *kms = data;
    Kms__V2__EncryptResponse answer = KMS__V2__ENCRYPT_RESPONSE__INIT;
    Kms__V2__Annotation annotation = KMS__V2__ANNOTATION__INIT, *annotations[] = {&annotation};
    uint8_t sealed[512], bytes[2048];
    look(kms);
    kms->encrypts++;
    Kms__V2__EncryptRequest *asked =
        kms__v2__encrypt_request__unpack(NULL, request.len, request.data);
    if (kms->refuses || asked == NULL || asked->plaintext.len > sizeof(sealed) / 2) {
        refuse(call);
    } else {
        size_t len = (size_t)snprintf((char *)sealed, sizeof(sealed), "%s:", kms->key_id);
        for (size_t i = 0; i < asked->plaintext.len; i++) {
            sealed[len++] = asked->plaintext.data[i] ^ MASK;
        }
        annotation.key = "version.double.test";
        annotation.value = (ProtobufCBinaryData){.len = 1, .data = (uint8_t *)"1"};
        answer.ciphertext = (ProtobufCBinaryData){.len = len, .data = sealed};
        answer.key_id = kms->key_id;
        answer.annotations = annotations;
        answer.n_annotations = 1;
        grpc_call_respond(call, slice_of(bytes, kms__v2__encrypt_response__pack(&answer, bytes)));
    }
    if (asked != NULL) {
        kms__v2__encrypt_request__free_unpacked(asked, NULL);
    }
}

/* Only with the key id and the annotations that it gave. */
static bool is_ours(const Kms__V2__DecryptRequest *asked)
{
    size_t prefix = strlen(asked->key_id) + 1;
    return asked->ciphertext.len > prefix && asked->ciphertext.len - prefix <= 256 &&
           memcmp(asked->ciphertext.data, asked->key_id, prefix - 1) == 0 &&
           asked->n_annotations == 1 &&
           strcmp(asked->annotations[0]->key, "version.double.test") == 0;
}

static void on_decrypt(void *data, struct grpc_call *call, struct slice request)
{
    struct kms_double *kms = data;
    Kms__V2__DecryptResponse answer = KMS__V2__DECRYPT_RESPONSE__INIT;
    uint8_t plain[256], bytes[512];
    look(kms);
    kms->decrypts++;
    Kms__V2__DecryptRequest *asked =
        kms__v2__decrypt_request__unpack(NULL, request.len, request.data);
    if (kms->refuses || asked == NULL || !is_ours(asked)) {
        refuse(call);
    } else {
        size_t prefix = strlen(asked->key_id) + 1, len = asked->ciphertext.len - prefix;
        for (size_t i = 0; i < len; i++) {
            plain[i] = asked->ciphertext.data[prefix + i] ^ MASK;
        }
        answer.plaintext = (ProtobufCBinaryData){.len = len, .data = plain};
        grpc_call_respond(call, slice_of(bytes, kms__v2__decrypt_response__pack(&answer, bytes)));
    }
    if (asked != NULL) {
        kms__v2__decrypt_request__free_unpacked(asked, NULL);
    }
}

int kms_double_start(struct kms_double *kms, struct loop *loop, const char *path)
{
    const struct grpc_method methods[] = {{.path = "/v2.KeyManagementService/Status",
                                           .kind = GRPC_UNARY,
                                           .on_call = on_status,
                                           .data = kms},
                                          {.path = "/v2.KeyManagementService/Encrypt",
                                           .kind = GRPC_UNARY,
                                           .on_call = on_encrypt,
                                           .data = kms},
                                          {.path = "/v2.KeyManagementService/Decrypt",
                                           .kind = GRPC_UNARY,
                                           .on_call = on_decrypt,
                                           .data = kms}};
    struct net_address address = {.port = 0};
    (void)snprintf(address.host, sizeof(address.host), "%s", path);
    kms->loop = loop;
    kms->closed = false;
    kms->grpc = grpc_server_new();
    grpc_server_add(kms->grpc, methods, ARRAY_LEN(methods));
    const struct http_server_options options = {.loops = &kms->loop,
                                                .loop_count = 1,
                                                .address = &address,
                                                .grpc = grpc_server_handler(kms->grpc)};
    return http_server_listen(&options, &kms->http, NULL);
}

static void on_closed(void *data)
{
    struct kms_double *kms = data;
    kms->closed = true;
}

void kms_double_stop(struct kms_double *kms)
{
    http_server_close(kms->http, /* grace_ms= */ 0, on_closed, kms);
    while (!kms->closed) {
        loop_turn(kms->loop, true);
    }
    grpc_server_free(kms->grpc);
}
