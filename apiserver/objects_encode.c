/* coracle.v1.Object of whatever is shown, around the cache's own bytes where they can be sent. */
#include "apiserver/objects_call.h"

/* Fields of coracle.v1.Object. */
enum {
    FIELD_API_VERSION = 1,
    FIELD_KIND = 2,
    FIELD_CREATED = 3,
    FIELD_JSON = 4,
    FIELD_PROTOBUF = 5,
    FIELD_ENVELOPE = 6,
};

void object_encoder_init(struct object_encoder *encoder, struct request *request)
{
    encoder->request = request;
    encoder->cached = NULL;
    buffer_init(&encoder->head, ENCODED_OBJECT_MAX);
    buffer_init(&encoder->raw, ENCODED_OBJECT_MAX);
    buffer_init(&encoder->envelope, 2 * ENCODED_OBJECT_MAX);
}

void object_encoder_release(struct object_encoder *encoder)
{
    chunk_unref(encoder->cached);
    buffer_release(&encoder->head);
    buffer_release(&encoder->raw);
    buffer_release(&encoder->envelope);
}

static void put_text(unsigned number, const char *text, struct buffer *out)
{
    if (text[0] != 0) {
        api_put_field_head(number, strlen(text), out);
        buffer_append_text(out, text);
    }
}

/* The message or JSON: the cache's own bytes, or made in encoder->raw. */
static struct slice raw_of(struct object_encoder *encoder, const struct shown *shown, bool json)
{
    chunk_unref(encoder->cached);
    encoder->cached = json && shown->object != NULL ? cached_object_json(shown->object) : NULL;
    if (encoder->cached != NULL) {
        return encoder->cached->bytes;
    }
    buffer_clear(&encoder->raw);
    if (json) {
        api_encode_json(shown->schema, shown->message, &shown->type_meta, &encoder->raw);
    } else if (shown->object != NULL) {
        cached_object_append_protobuf(shown->object, &encoder->raw);
    } else {
        api_encode_protobuf(shown->schema, shown->message, &encoder->raw);
    }
    return buffer_slice(&encoder->raw);
}

/* Makes the head, with which an Object begins; returns the payload, with which it ends. */
static struct slice encode_parts(struct object_encoder *encoder, const struct shown *shown)
{
    struct buffer *head = &encoder->head;
    bool json = encoder->request->accept.media == MEDIA_JSON;
    bool enveloped = !json && objects_call_of(encoder->request)->encoding ==
                                  OBJECTS__V1__ENCODING__ENCODING_ENVELOPE;
    struct slice payload = raw_of(encoder, shown, json);
    if (enveloped) {
        buffer_clear(&encoder->envelope);
        api_wrap_envelope(payload, &shown->type_meta, &encoder->envelope);
        payload = buffer_slice(&encoder->envelope);
    }
    buffer_clear(head);
    put_text(FIELD_API_VERSION, shown->type_meta.api_version, head);
    put_text(FIELD_KIND, shown->type_meta.kind, head);
    if (shown->created) {
        static const uint8_t yes[] = {FIELD_CREATED << 3, 1};
        buffer_append(head, yes, sizeof(yes));
    }
    api_put_field_head(json        ? FIELD_JSON
                       : enveloped ? FIELD_ENVELOPE
                                   : FIELD_PROTOBUF,
                       payload.len, head);
    return payload;
}

void object_encode(struct object_encoder *encoder, const struct shown *shown, struct buffer *out)
{
    struct slice payload = encode_parts(encoder, shown);
    buffer_append_slice(out, buffer_slice(&encoder->head));
    buffer_append_slice(out, payload);
}

void object_encode_field(struct object_encoder *encoder, unsigned number, const struct shown *shown,
                         struct buffer *out)
{
    struct slice payload = encode_parts(encoder, shown);
    api_put_field_head(number, encoder->head.len + payload.len, out);
    buffer_append_slice(out, buffer_slice(&encoder->head));
    buffer_append_slice(out, payload);
}

struct shown shown_as_asked(struct request *request, const struct api_kind *kind,
                            const struct cached_object *object, const void *message,
                            Meta__V1__PartialObjectMetadata *partial)
{
    if (request->accept.form != FORM_PARTIAL) {
        return (struct shown){.schema = kind->message,
                              .message = message,
                              .type_meta = {.api_version = kind->api_version, .kind = kind->kind},
                              .object = object};
    }
    meta__v1__partial_object_metadata__init(partial);
    partial->metadata = api_message_meta(kind->message, message);
    return (struct shown){
        .schema = api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.PartialObjectMetadata"),
        .message = partial,
        .type_meta = {.api_version = "meta.k8s.io/v1", .kind = "PartialObjectMetadata"}};
}
