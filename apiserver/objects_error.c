/* Errors of the API as gRPC clients read them: a code, and google.rpc.Status with the API's own. */
#include "apiserver/objects_call.h"
#include "google/rpc/status.pb-c.h"

enum grpc_code objects_code_of(const struct api_status *status)
{
    switch (status->code) {
    case 400:
    case 406:
    case 415:
    case 422:
        return GRPC_INVALID_ARGUMENT;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_NOT_FOUND;
    case 405:
        return GRPC_UNIMPLEMENTED;
    case 409:
        return strcmp(status->reason, "AlreadyExists") == 0 ? GRPC_ALREADY_EXISTS : GRPC_ABORTED;
    case 410:
        return GRPC_OUT_OF_RANGE;
    case 413:
    case 429:
    case 507:
        return GRPC_RESOURCE_EXHAUSTED;
    case 503:
        return GRPC_UNAVAILABLE;
    case 504:
        return GRPC_DEADLINE_EXCEEDED;
    default:
        return status->code < 400 ? GRPC_OK : GRPC_INTERNAL;
    }
}

const char *objects_message_of(struct arena *arena, const char *text)
{
    size_t len = strlen(text);
    if (len <= OBJECTS_ERROR_TEXT_MAX) {
        return text;
    }
    len = OBJECTS_ERROR_TEXT_MAX;
    while (len > 0 && ((uint8_t)text[len] & 0xc0) == 0x80) {
        len--;
    }
    return arena_printf(arena, "%.*s...", (int)len, text);
}

static void put_details_of(struct arena *arena, const struct api_status *status, struct buffer *out)
{
    const Meta__V1__Status *message = api_status_message(arena, status);
    CLEANUP(buffer_release) struct buffer detail;
    buffer_init(&detail, ENCODED_OBJECT_MAX);
    api_encode_protobuf(api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.Status"), message,
                        &detail);
    static char type[] = "type.googleapis.com/k8s.io.apimachinery.pkg.apis.meta.v1.Status";
    Google__Protobuf__Any any;
    google__protobuf__any__init(&any);
    any.type_url = type;
    any.value = (ProtobufCBinaryData){.data = detail.data, .len = detail.len};
    Google__Protobuf__Any *anys[] = {&any};
    Rpc__Status whole_status;
    rpc__status__init(&whole_status);
    whole_status.code = (int32_t)objects_code_of(status);
    whole_status.message = (char *)(uintptr_t)status->message;
    whole_status.details = anys;
    whole_status.n_details = 1;
    size_t len = rpc__status__get_packed_size(&whole_status);
    uint8_t *bytes = buffer_reserve(out, len);
    if (bytes != NULL) {
        (void)rpc__status__pack(&whole_status, bytes);
        buffer_commit(out, len);
    }
}

void objects_put_details(struct arena *arena, const struct api_status *status, struct buffer *out)
{
    struct api_status fitting = *status;
    fitting.message = objects_message_of(arena, status->message);
    size_t before = out->len;
    for (;;) {
        put_details_of(arena, &fitting, out);
        if (out->len - before <= OBJECTS_DETAILS_MAX || fitting.cause_count == 0) {
            return;
        }
        out->len = before;
        fitting.cause_count /= 2;
    }
}
