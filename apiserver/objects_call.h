/* Inside of coracle.v1.Objects: one call, which is a request with another codec. On the call's
 * loop. */
#ifndef APISERVER_OBJECTS_CALL_H
#define APISERVER_OBJECTS_CALL_H
#include "apiserver/objects_request.h"
#include "apiserver/request.h"

struct objects_call {
    struct request request;
    struct grpc_call *call; /* Of request.exchange, which is referenced. */
    Objects__V1__Encoding encoding;
    bool metadata_only;
};

static inline struct objects_call *objects_call_of(struct request *request)
{
    return CONTAINER_OF(request, struct objects_call, request);
}

extern const struct request_codec objects_codec;
extern const struct watch_codec objects_watch_codec;
void objects_list(struct request *request);

/* Warnings and the like, as HTTP has them. */
void objects_send_headers(struct request *request);
/* Ends the call; the request is not finished by it. */
void objects_fail(struct request *request, const struct api_status *status);

/* --- Objects (objects_encode.c) --- */

/* What is shown of something: its table and message, and the cached object whose encodings are the
 * same, or NULL. */
struct shown {
    const struct api_message *schema;
    const void *message;
    struct api_type_meta type_meta;
    const struct cached_object *object;
    bool created;
};
/* The object itself, or its metadata in `partial`, as the client wants it. */
struct shown shown_as_asked(struct request *request, const struct api_kind *kind,
                            const struct cached_object *object, const void *message,
                            Meta__V1__PartialObjectMetadata *partial);

/* Memory of one object at a time, used again for the next. */
struct object_encoder {
    struct request *request;
    struct chunk *cached; /* What the last object was encoded to, when the cache has it; or NULL. */
    struct buffer head, raw, envelope;
};
void object_encoder_init(struct object_encoder *encoder, struct request *request);
void object_encoder_release(struct object_encoder *encoder);
/* Appends a message coracle.v1.Object; as a field of another. */
void object_encode(struct object_encoder *encoder, const struct shown *shown, struct buffer *out);
void object_encode_field(struct object_encoder *encoder, unsigned number, const struct shown *shown,
                         struct buffer *out);

/* --- Errors (objects_error.c) --- */

/* What an HTTP status is in gRPC's few words. */
enum grpc_code objects_code_of(const struct api_status *status);
/* At most OBJECTS_ERROR_TEXT_MAX bytes of it, and no half characters. */
const char *objects_message_of(struct arena *arena, const char *text);
/* google.rpc.Status with `status` as its detail, appended; causes are left out from the end until
 * it is at most OBJECTS_DETAILS_MAX, as clients limit what a trailer may hold. */
void objects_put_details(struct arena *arena, const struct api_status *status, struct buffer *out);
#endif
