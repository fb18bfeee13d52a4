/* Answers of coracle.v1.Objects. */
#include "apiserver/objects_call.h"

/* Warnings and the like, as HTTP has them. */
void objects_send_headers(struct request *request)
{
    struct http_header headers[COMMON_HEADERS_MAX];
    size_t count = common_headers(request, NULL, headers);
    grpc_call_send_headers(objects_call_of(request)->call, headers, count);
}

void objects_fail(struct request *request, const struct api_status *status)
{
    CLEANUP(buffer_release) struct buffer details;
    buffer_init(&details, ENCODED_OBJECT_MAX);
    objects_put_details(request->arena, status, &details);
    objects_send_headers(request);
    grpc_call_finish(objects_call_of(request)->call, objects_code_of(status),
                     objects_message_of(request->arena, status->message), buffer_slice(&details));
}

static void answer(struct request *request, const struct shown *shown)
{
    CLEANUP(object_encoder_release) struct object_encoder encoder;
    CLEANUP(buffer_release) struct buffer out;
    object_encoder_init(&encoder, request);
    buffer_init(&out, ENCODED_LIST_MAX);
    object_encode(&encoder, shown, &out);
    objects_send_headers(request);
    grpc_call_respond(objects_call_of(request)->call, buffer_slice(&out));
    request_finish(request);
}

/* --- The codec --- */

/* What is no version is the caller's fault; that v1.32 answers 500 binds HTTP only. */
static bool has_version(struct request *request)
{
    uint64_t revision = 0;
    const char *version = query_get(&request->info.query, "resourceVersion");
    const struct api_status *refusal = registry_parse_version(request->arena, version, &revision);
    return refusal == NULL ||
           request_refuse(request, api_status_bad_request(request->arena, "%s", refusal->message));
}

static bool objects_negotiate(struct request *request)
{
    if (!has_version(request)) {
        return false;
    }
    bool custom = custom_of(request->kind) != NULL;
    Objects__V1__Encoding encoding = objects_call_of(request)->encoding;
    bool json = encoding == OBJECTS__V1__ENCODING__ENCODING_JSON ||
                (custom && encoding == OBJECTS__V1__ENCODING__ENCODING_UNSPECIFIED);
    request->accept.media = json ? MEDIA_JSON : MEDIA_PROTOBUF;
    request->accept.form = objects_call_of(request)->metadata_only ? FORM_PARTIAL : FORM_OBJECT;
    if ((custom && !json) || (uint32_t)encoding > OBJECTS__V1__ENCODING__ENCODING_ENVELOPE) {
        respond_status(request, api_status_not_acceptable(request->arena, "application/json"));
        return false;
    }
    return true;
}

static void objects_status(struct request *request, const struct api_status *status)
{
    if (objects_code_of(status) == GRPC_OK) {
        struct shown shown = {.schema =
                                  api_message_find("k8s.io.apimachinery.pkg.apis.meta.v1.Status"),
                              .message = api_status_message(request->arena, status),
                              .type_meta = {.api_version = "v1", .kind = "Status"},
                              .created = status->code == 201};
        answer(request, &shown);
        return;
    }
    objects_fail(request, status);
    request_finish(request);
}

static void objects_too_many(struct request *request)
{
    respond_status(request, api_status_too_many_requests(
                                request->arena, "too many requests, please try again later",
                                FLOW_RETRY_SECONDS));
}

static void objects_not_found(struct request *request)
{
    respond_status(request, api_status_no_resource(request->arena));
}

static void objects_failed(struct request *request, const char *why)
{
    respond_status(request, api_status_internal(request->arena, "%s", why));
}

static void objects_message(struct request *request, unsigned code,
                            const struct api_message *schema, const void *message,
                            const struct api_type_meta *type_meta)
{
    struct shown shown = {
        .schema = schema, .message = message, .type_meta = *type_meta, .created = code == 201};
    answer(request, &shown);
}

static void objects_object(struct request *request, unsigned code,
                           const struct cached_object *object, const struct api_kind *kind,
                           const void *message)
{
    Meta__V1__PartialObjectMetadata partial;
    struct shown shown = shown_as_asked(request, kind, object, message, &partial);
    shown.created = code == 201;
    answer(request, &shown);
}

static void objects_on_abort(struct request *request, void (*abort)(void *data), void *data)
{
    grpc_call_on_cancel(objects_call_of(request)->call, abort, data);
}

static bool objects_is_aborted(struct request *request)
{
    return grpc_call_is_over(objects_call_of(request)->call);
}

const struct request_codec objects_codec = {.negotiate = objects_negotiate,
                                            .status = objects_status,
                                            .too_many = objects_too_many,
                                            .not_found = objects_not_found,
                                            .failed = objects_failed,
                                            .message = objects_message,
                                            .object = objects_object,
                                            .list = objects_list,
                                            .watch = &objects_watch_codec,
                                            .on_abort = objects_on_abort,
                                            .is_aborted = objects_is_aborted};
