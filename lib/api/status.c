#include "lib/api/status.h"

#include "k8s/tables.h"
#include "lib/base/name_index.h"
#include <inttypes.h>
#include <stdio.h>

static struct api_status *new_status(struct arena *arena, int code, const char *reason,
                                     const char *message)
{
    struct api_status *status = arena_zeroed(arena, sizeof(*status));
    *status = (struct api_status){.code = code,
                                  .reason = reason,
                                  .message = message,
                                  .name = "",
                                  .group = "",
                                  .kind = "",
                                  .uid = "",
                                  .continue_token = ""};
    return status;
}

/* With details that name the resource. */
static struct api_status *of_resource(struct arena *arena, int code, const char *reason,
                                      const struct api_kind *kind, const char *name,
                                      const char *message)
{
    struct api_status *status = new_status(arena, code, reason, message);
    status->has_details = true;
    status->name = arena_text(arena, name);
    status->group = kind->group;
    status->kind = kind->plural;
    return status;
}

const struct api_status *api_status_new(struct arena *arena, int code, const char *reason,
                                        const char *message, const struct api_kind *kind,
                                        const char *name)
{
    if (kind == NULL) {
        return new_status(arena, code, arena_text(arena, reason), arena_text(arena, message));
    }
    return of_resource(arena, code, arena_text(arena, reason), kind, name,
                       arena_text(arena, message));
}

const struct api_status *api_status_not_found(struct arena *arena, const struct api_kind *kind,
                                              const char *name)
{
    return of_resource(arena, 404, "NotFound", kind, name,
                       arena_printf(arena, "%s \"%s\" not found", kind->resource, name));
}

const struct api_status *api_status_already_exists(struct arena *arena, const struct api_kind *kind,
                                                   const char *name)
{
    return of_resource(arena, 409, "AlreadyExists", kind, name,
                       arena_printf(arena, "%s \"%s\" already exists", kind->resource, name));
}

const struct api_status *
api_status_name_not_generated(struct arena *arena, const struct api_kind *kind, const char *name)
{
    struct api_status *status =
        of_resource(arena, 409, "AlreadyExists", kind, name,
                    arena_printf(arena,
                                 "%s \"%s\" already exists, the server was not able to generate a "
                                 "unique name for the object",
                                 kind->resource, name));
    status->retry_after_seconds = 1;
    return status;
}

const struct api_status *api_status_conflict(struct arena *arena, const struct api_kind *kind,
                                             const char *name, const char *text)
{
    return of_resource(arena, 409, "Conflict", kind, name,
                       arena_printf(arena, "Operation cannot be fulfilled on %s \"%s\": %s",
                                    kind->resource, name, text));
}

const struct api_status *api_status_modified(struct arena *arena, const struct api_kind *kind,
                                             const char *name)
{
    return api_status_conflict(arena, kind, name,
                               "the object has been modified; please apply your changes to the "
                               "latest version and try again");
}

/* --- Validation ------------------------------------------------------------------------------- */

enum { MESSAGE_MAX = 1024 * 1024 };

/* One error, or all of them in brackets, equal ones once. */
static const char *aggregate(struct arena *arena, const struct api_causes *causes)
{
    CLEANUP(buffer_release) struct buffer out = {0};
    struct text_set said = {.arena = arena};
    size_t shown = 0;

    buffer_init(&out, MESSAGE_MAX);
    for (size_t i = 0; i < causes->count; i++) {
        const char *text =
            arena_printf(arena, "%s: %s", causes->items[i].field, causes->items[i].message);
        if (!text_set_add(&said, text)) {
            continue;
        }
        if (shown++ > 0) {
            buffer_append_text(&out, ", ");
        }
        buffer_append_text(&out, text);
    }
    return shown == 1 ? arena_text(arena, buffer_text(&out))
                      : arena_printf(arena, "[%s]", buffer_text(&out));
}

static struct api_status *invalid(struct arena *arena, const char *group, const char *kind,
                                  const char *name, const struct api_causes *causes)
{
    const char *dot = group[0] == '\0' ? "" : ".";
    struct api_status *status =
        new_status(arena, 422, "Invalid",
                   arena_printf(arena, "%s%s%s \"%s\" is invalid: %s", kind, dot, group, name,
                                aggregate(arena, causes)));
    status->has_details = true;
    status->name = arena_text(arena, name);
    status->group = group;
    status->kind = kind;
    status->causes = causes->items;
    status->cause_count = causes->count;
    return status;
}

const struct api_status *api_status_invalid(struct arena *arena, const struct api_kind *kind,
                                            const char *name, const struct api_causes *causes)
{
    return invalid(arena, kind->group, kind->kind, name, causes);
}

const struct api_status *api_status_invalid_options(struct arena *arena, const char *options_kind,
                                                    const struct api_causes *causes)
{
    return invalid(arena, "meta.k8s.io", arena_text(arena, options_kind), "", causes);
}

const struct api_status *api_status_unprocessable(struct arena *arena)
{
    struct api_status *status = new_status(
        arena, 422, "Invalid", "the server rejected our request due to an error in our request");
    status->has_details = true;
    return status;
}

/* --- The client's fault ----------------------------------------------------------------------- */

PRINTF_LIKE(2, 0)
static const char *format_text(struct arena *arena, const char *format, va_list arguments)
{
    char text[4096];
    (void)vsnprintf(text, sizeof(text), format, arguments);
    return arena_text(arena, text);
}

const struct api_status *api_status_bad_request(struct arena *arena, const char *format, ...)
{
    va_list arguments;
    const char *message;
    va_start(arguments, format);
    message = format_text(arena, format, arguments);
    va_end(arguments);
    return new_status(arena, 400, "BadRequest", message);
}

const struct api_status *api_status_unauthorized(struct arena *arena)
{
    return new_status(arena, 401, "Unauthorized", "Unauthorized");
}

static const char *resource_text(struct arena *arena, const char *group, const char *resource)
{
    return group[0] == '\0' ? resource : arena_printf(arena, "%s.%s", resource, group);
}

const struct api_status *api_status_forbidden_resource(struct arena *arena, const char *group,
                                                       const char *resource, const char *name,
                                                       const char *text)
{
    const char *shown = resource_text(arena, group, resource);
    struct api_status *status;
    const char *message;

    if (resource[0] == '\0') {
        message = arena_printf(arena, "forbidden: %s", text);
    } else if (name[0] == '\0') {
        message = arena_printf(arena, "%s is forbidden: %s", shown, text);
    } else {
        message = arena_printf(arena, "%s \"%s\" is forbidden: %s", shown, name, text);
    }
    status = new_status(arena, 403, "Forbidden", message);
    status->has_details = true;
    status->name = arena_text(arena, name);
    status->group = arena_text(arena, group);
    status->kind = arena_text(arena, resource);
    return status;
}

const struct api_status *api_status_forbidden(struct arena *arena, const struct api_kind *kind,
                                              const char *name, const char *text)
{
    return api_status_forbidden_resource(arena, kind->group, kind->plural, name, text);
}

const struct api_status *api_status_terminating(struct arena *arena, const struct api_kind *kind,
                                                const char *name, const char *namespace_name)
{
    const char *text = arena_printf(arena,
                                    "unable to create new content in namespace %s because it is "
                                    "being terminated",
                                    namespace_name);
    struct api_status *status = arena_zeroed(arena, sizeof(*status));
    struct api_cause *cause = arena_zeroed(arena, sizeof(*cause));

    *status = *api_status_forbidden(arena, kind, name, text);
    *cause =
        (struct api_cause){"NamespaceTerminating",
                           arena_printf(arena, "namespace %s is being terminated", namespace_name),
                           "metadata.namespace"};
    status->causes = cause;
    status->cause_count = 1;
    return status;
}

const struct api_status *api_status_no_resource(struct arena *arena)
{
    struct api_status *status =
        new_status(arena, 404, "NotFound", "the server could not find the requested resource");
    status->has_details = true;
    return status;
}

const struct api_status *api_status_verb_not_allowed(struct arena *arena,
                                                     const struct api_kind *kind, const char *verb)
{
    return of_resource(arena, 405, "MethodNotAllowed", kind, "",
                       arena_printf(arena, "%s is not supported on resources of kind \"%s\"", verb,
                                    kind->resource));
}

const struct api_status *api_status_definition_terminating(struct arena *arena,
                                                           const struct api_kind *kind)
{
    return of_resource(arena, 405, "MethodNotAllowed", kind, "",
                       "create not allowed while custom resource definition is terminating");
}

const struct api_status *api_status_method_not_allowed(struct arena *arena)
{
    struct api_status *status =
        new_status(arena, 405, "MethodNotAllowed",
                   "the server does not allow this method on the requested resource");
    status->has_details = true;
    return status;
}

const struct api_status *api_status_not_acceptable(struct arena *arena, const char *types)
{
    return new_status(
        arena, 406, "NotAcceptable",
        arena_printf(arena, "only the following media types are accepted: %s", types));
}

const struct api_status *api_status_no_representation(struct arena *arena, const char *types)
{
    struct api_status *status = new_status(
        arena, 406, "NotAcceptable",
        arena_printf(arena, "406: Not Acceptable\n\nAvailable representations: %s", types));
    status->has_details = true;
    return status;
}

const struct api_status *api_status_expired(struct arena *arena, const char *text)
{
    static const char token_text[] =
        "The provided continue parameter is too old to display a consistent list result. You can "
        "start a new list without the continue parameter, or use the continue token in this "
        "response to retrieve the remainder of the results. Continuing with the provided token "
        "results in an inconsistent list - objects that were created, modified, or deleted between "
        "the time the first chunk was returned and now may show up in the list.";
    return new_status(arena, 410, "Expired", text == NULL ? token_text : arena_text(arena, text));
}

const struct api_status *api_status_too_large(struct arena *arena, size_t limit)
{
    return new_status(arena, 413, "RequestEntityTooLarge",
                      arena_printf(arena, "Request entity too large: limit is %zu", limit));
}

const struct api_status *api_status_too_large_text(struct arena *arena, const char *text)
{
    return new_status(arena, 413, "RequestEntityTooLarge",
                      arena_printf(arena, "Request entity too large: %s", text));
}

const struct api_status *api_status_unsupported_media(struct arena *arena, const char *types)
{
    struct api_status *status;
    if (types == NULL) {
        status = new_status(arena, 415, "UnsupportedMediaType", "415: Unsupported Media Type");
        status->has_details = true;
        return status;
    }
    return new_status(arena, 415, "UnsupportedMediaType",
                      arena_printf(arena,
                                   "the body of the request was in an unknown format - accepted "
                                   "media types include: %s",
                                   types));
}

const struct api_status *api_status_too_many_requests(struct arena *arena, const char *text,
                                                      int32_t retry_after_seconds)
{
    struct api_status *status = new_status(arena, 429, "TooManyRequests", arena_text(arena, text));
    status->has_details = retry_after_seconds > 0;
    status->retry_after_seconds = retry_after_seconds;
    return status;
}

/* --- The server's fault ----------------------------------------------------------------------- */

const struct api_status *api_status_internal(struct arena *arena, const char *format, ...)
{
    struct api_cause *cause = arena_zeroed(arena, sizeof(*cause));
    struct api_status *status;
    va_list arguments;
    const char *text;

    va_start(arguments, format);
    text = format_text(arena, format, arguments);
    va_end(arguments);
    *cause = (struct api_cause){"", text, ""};
    status = new_status(arena, 500, "InternalError",
                        arena_printf(arena, "Internal error occurred: %s", text));
    status->has_details = true;
    status->causes = cause;
    status->cause_count = 1;
    return status;
}

const struct api_status *api_status_server_timeout(struct arena *arena, const struct api_kind *kind,
                                                   const char *operation,
                                                   int32_t retry_after_seconds)
{
    struct api_status *status =
        of_resource(arena, 500, "ServerTimeout", kind, operation,
                    arena_printf(arena,
                                 "The %s operation against %s could not be completed at this time, "
                                 "please try again.",
                                 operation, kind->resource));
    status->retry_after_seconds = retry_after_seconds;
    return status;
}

const struct api_status *api_status_insufficient_storage(struct arena *arena, const char *text)
{
    return new_status(arena, 507, "", arena_text(arena, text));
}

const struct api_status *api_status_unavailable(struct arena *arena, const char *text)
{
    return new_status(arena, 503, "ServiceUnavailable", arena_text(arena, text));
}

const struct api_status *api_status_timeout(struct arena *arena, const char *text)
{
    struct api_status *status =
        new_status(arena, 504, "Timeout", arena_printf(arena, "Timeout: %s", text));
    status->has_details = true;
    return status;
}

const struct api_status *api_status_version_too_large(struct arena *arena, uint64_t asked,
                                                      uint64_t current)
{
    struct api_cause *cause = arena_zeroed(arena, sizeof(*cause));
    struct api_status *status = new_status(
        arena, 504, "Timeout",
        arena_printf(arena, "Timeout: Too large resource version: %" PRIu64 ", current: %" PRIu64,
                     asked, current));
    *cause = (struct api_cause){"ResourceVersionTooLarge", "Too large resource version", ""};
    status->has_details = true;
    status->causes = cause;
    status->cause_count = 1;
    status->retry_after_seconds = 1;
    return status;
}

const struct api_status *api_status_success(struct arena *arena, const struct api_kind *kind,
                                            const char *name, const char *uid)
{
    struct api_status *status = of_resource(arena, 200, "", kind, name, "");
    status->success = true;
    status->uid = arena_text(arena, uid);
    return status;
}

/* --- As a message ----------------------------------------------------------------------------- */

/* The texts of a status are never written through a message. */
static char *borrowed(const char *text)
{
    return (char *)(uintptr_t)text;
}

static void fill_details(struct arena *arena, const struct api_status *status,
                         Meta__V1__StatusDetails *details)
{
    meta__v1__status_details__init(details);
    details->name = borrowed(status->name);
    details->group = borrowed(status->group);
    details->kind = borrowed(status->kind);
    details->uid = borrowed(status->uid);
    details->retry_after_seconds = status->retry_after_seconds;
    details->has_retry_after_seconds = status->retry_after_seconds != 0;
    details->n_causes = status->cause_count;
    details->causes = arena_array(arena, status->cause_count, sizeof(Meta__V1__StatusCause *));
    for (size_t i = 0; i < status->cause_count; i++) {
        Meta__V1__StatusCause *cause = arena_alloc(arena, sizeof(*cause));
        meta__v1__status_cause__init(cause);
        cause->reason = borrowed(status->causes[i].reason);
        cause->message = borrowed(status->causes[i].message);
        cause->field = borrowed(status->causes[i].field);
        details->causes[i] = cause;
    }
}

Meta__V1__Status *api_status_message(struct arena *arena, const struct api_status *status)
{
    Meta__V1__Status *message = api_message_new(arena, &meta__v1__status__schema);
    message->metadata->continue_ = borrowed(status->continue_token);
    message->status = borrowed(status->success ? "Success" : "Failure");
    message->message = borrowed(status->message);
    message->reason = borrowed(status->reason);
    /* The code of a success is not sent. */
    message->code = status->success ? 0 : status->code;
    message->has_code = 1;
    if (status->has_details) {
        message->details = arena_alloc(arena, sizeof(*message->details));
        fill_details(arena, status, message->details);
    }
    return message;
}

static const char *text_of(const char *text)
{
    return text == NULL ? "" : text;
}

static void read_details(struct arena *arena, const Meta__V1__StatusDetails *details,
                         struct api_status *status)
{
    struct api_cause *causes = arena_array(arena, details->n_causes, sizeof(*causes));
    for (size_t i = 0; i < details->n_causes; i++) {
        causes[i] = (struct api_cause){text_of(details->causes[i]->reason),
                                       text_of(details->causes[i]->message),
                                       text_of(details->causes[i]->field)};
    }
    status->has_details = true;
    status->name = text_of(details->name);
    status->group = text_of(details->group);
    status->kind = text_of(details->kind);
    status->uid = text_of(details->uid);
    status->retry_after_seconds = details->retry_after_seconds;
    status->causes = causes;
    status->cause_count = details->n_causes;
}

const struct api_status *api_status_from_message(struct arena *arena,
                                                 const Meta__V1__Status *message)
{
    struct api_status *status =
        new_status(arena, message->code, text_of(message->reason), text_of(message->message));
    status->success = strcmp(text_of(message->status), "Success") == 0;
    status->code = status->success && status->code == 0 ? 200 : status->code;
    if (message->metadata != NULL) {
        status->continue_token = text_of(message->metadata->continue_);
    }
    if (message->details != NULL) {
        read_details(arena, message->details, status);
    }
    return status;
}

static const struct api_type_meta status_meta = {"v1", "Status"};

void api_status_encode_json(struct arena *arena, const struct api_status *status,
                            struct buffer *out)
{
    api_encode_json(&meta__v1__status__schema, api_status_message(arena, status), &status_meta,
                    out);
}

void api_status_encode_protobuf(struct arena *arena, const struct api_status *status,
                                struct buffer *out)
{
    api_encode_envelope(&meta__v1__status__schema, api_status_message(arena, status), &status_meta,
                        out);
}
