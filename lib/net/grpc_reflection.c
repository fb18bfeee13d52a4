#include "lib/net/grpc_reflection.h"

#include "grpc/reflection/v1/reflection.pb-c.h"
#include "lib/base/alloc.h"
#include "lib/net/grpc_descriptors.h"
#include "lib/net/limits.h"
#include <errno.h>
#include <stdlib.h>

typedef Grpc__Reflection__V1__ServerReflectionRequest reflection_request;
typedef Grpc__Reflection__V1__ServerReflectionResponse reflection_response;

enum { FILES_MAX = 256, SERVICES_MAX = 256, RESPONSE_BYTES_MAX = 4 * 1024 * 1024 };

struct grpc_reflection {
    struct grpc_descriptors *descriptors;
    struct grpc_server *server;
};

struct grpc_reflection *grpc_reflection_new(void)
{
    struct grpc_reflection *reflection = alloc_zeroed(sizeof(*reflection));
    reflection->descriptors = grpc_descriptors_new();
    return reflection;
}

void grpc_reflection_free(struct grpc_reflection *reflection)
{
    if (reflection != NULL) {
        grpc_descriptors_free(reflection->descriptors);
        free(reflection);
    }
}

int grpc_reflection_add(struct grpc_reflection *reflection, struct slice descriptor_set)
{
    return grpc_descriptors_add(reflection->descriptors, descriptor_set);
}

/* --- Answers. */

static void pack(const reflection_request *request, reflection_response *response,
                 struct buffer *out)
{
    response->original_request = (reflection_request *)(uintptr_t)request;
    response->valid_host = request->host;
    size_t len = grpc__reflection__v1__server_reflection_response__get_packed_size(response);
    uint8_t *bytes = buffer_reserve(out, len);
    if (bytes != NULL) {
        (void)grpc__reflection__v1__server_reflection_response__pack(response, bytes);
        buffer_commit(out, len);
    }
}

static void answer_error(const reflection_request *request, enum grpc_code code, const char *text,
                         const char *name, struct buffer *out)
{
    reflection_response response;
    Grpc__Reflection__V1__ErrorResponse error;
    CLEANUP(alloc_freep) char *message = alloc_printf("%s: %.200s", text, name);
    grpc__reflection__v1__server_reflection_response__init(&response);
    grpc__reflection__v1__error_response__init(&error);
    error.error_code = (int32_t)code;
    error.error_message = message;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE;
    response.error_response = &error;
    pack(request, &response, out);
}

/* The file and all that it imports, each once. */
struct file_list {
    const struct grpc_descriptor_file *files[FILES_MAX];
    size_t count;
};

static void list_add(struct file_list *list, const struct grpc_descriptor_file *file)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->files[i] == file) {
            return;
        }
    }
    if (file != NULL && list->count < FILES_MAX) {
        list->files[list->count++] = file;
    }
}

static void answer_file(const struct grpc_reflection *reflection, const reflection_request *request,
                        const struct grpc_descriptor_file *file, struct buffer *out)
{
    struct file_list list = {.count = 0};
    ProtobufCBinaryData bytes[FILES_MAX];
    reflection_response response;
    Grpc__Reflection__V1__FileDescriptorResponse files;
    list_add(&list, file);
    for (size_t i = 0; i < list.count; i++) {
        size_t imports = grpc_descriptor_file_import_count(list.files[i]);
        for (size_t j = 0; j < imports; j++) {
            list_add(&list, grpc_descriptor_file_import(reflection->descriptors, list.files[i], j));
        }
        struct slice encoded = grpc_descriptor_file_bytes(list.files[i]);
        bytes[i] =
            (ProtobufCBinaryData){.len = encoded.len, .data = (uint8_t *)(uintptr_t)encoded.data};
    }
    grpc__reflection__v1__server_reflection_response__init(&response);
    grpc__reflection__v1__file_descriptor_response__init(&files);
    files.file_descriptor_proto = bytes;
    files.n_file_descriptor_proto = list.count;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_FILE_DESCRIPTOR_RESPONSE;
    response.file_descriptor_response = &files;
    pack(request, &response, out);
}

struct service_list {
    char *names[SERVICES_MAX];
    size_t count;
};

static int text_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void service_add(void *data, const struct grpc_method *method,
                        const struct grpc_method_counts *counts)
{
    struct service_list *list = data;
    const char *name = method->path + 1;
    size_t len = strcspn(name, "/");
    (void)counts;
    for (size_t i = 0; i < list->count; i++) {
        if (strlen(list->names[i]) == len && strncmp(list->names[i], name, len) == 0) {
            return;
        }
    }
    if (list->count < SERVICES_MAX) {
        list->names[list->count++] = alloc_text_n(name, len);
    }
}

static void answer_services(const struct grpc_reflection *reflection,
                            const reflection_request *request, struct buffer *out)
{
    struct service_list list = {.count = 0};
    Grpc__Reflection__V1__ServiceResponse messages[SERVICES_MAX];
    Grpc__Reflection__V1__ServiceResponse *pointers[SERVICES_MAX];
    Grpc__Reflection__V1__ListServiceResponse services;
    reflection_response response;
    if (reflection->server != NULL) {
        grpc_server_each_method(reflection->server, service_add, &list);
    }
    qsort(list.names, list.count, sizeof(list.names[0]), text_order);
    for (size_t i = 0; i < list.count; i++) {
        grpc__reflection__v1__service_response__init(&messages[i]);
        messages[i].name = list.names[i];
        pointers[i] = &messages[i];
    }
    grpc__reflection__v1__server_reflection_response__init(&response);
    grpc__reflection__v1__list_service_response__init(&services);
    services.service = pointers;
    services.n_service = list.count;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_LIST_SERVICES_RESPONSE;
    response.list_services_response = &services;
    pack(request, &response, out);
    for (size_t i = 0; i < list.count; i++) {
        free(list.names[i]);
    }
}

/* None of our files extends a message. */
static void answer_extensions(const struct grpc_reflection *reflection,
                              const reflection_request *request, char *type, struct buffer *out)
{
    reflection_response response;
    Grpc__Reflection__V1__ExtensionNumberResponse numbers;
    if (grpc_descriptors_symbol(reflection->descriptors, slice_text(type)) == NULL) {
        answer_error(request, GRPC_NOT_FOUND, "unknown type", type, out);
        return;
    }
    grpc__reflection__v1__server_reflection_response__init(&response);
    grpc__reflection__v1__extension_number_response__init(&numbers);
    numbers.base_type_name = type;
    response.message_response_case =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ALL_EXTENSION_NUMBERS_RESPONSE;
    response.all_extension_numbers_response = &numbers;
    pack(request, &response, out);
}

static void answer_found(const struct grpc_reflection *reflection,
                         const reflection_request *request, const struct grpc_descriptor_file *file,
                         const char *name, struct buffer *out)
{
    if (file == NULL) {
        answer_error(request, GRPC_NOT_FOUND, "not found", name, out);
    } else {
        answer_file(reflection, request, file, out);
    }
}

static void answer(const struct grpc_reflection *reflection, const reflection_request *request,
                   struct buffer *out)
{
    const struct grpc_descriptors *descriptors = reflection->descriptors;
    switch ((int)request->message_request_case) {
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME:
        answer_found(reflection, request,
                     grpc_descriptors_file(descriptors, slice_text(request->file_by_filename)),
                     request->file_by_filename, out);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL:
        answer_found(
            reflection, request,
            grpc_descriptors_symbol(descriptors, slice_text(request->file_containing_symbol)),
            request->file_containing_symbol, out);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_EXTENSION:
        answer_error(request, GRPC_NOT_FOUND, "no extension of",
                     request->file_containing_extension->containing_type, out);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE:
        answer_extensions(reflection, request, request->all_extension_numbers_of_type, out);
        break;
    case GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES:
        answer_services(reflection, request, out);
        break;
    default:
        answer_error(request, GRPC_INVALID_ARGUMENT, "no such request", "", out);
        break;
    }
}

int grpc_reflection_answer(const struct grpc_reflection *reflection, struct slice bytes,
                           struct buffer *out)
{
    reflection_request *request =
        grpc__reflection__v1__server_reflection_request__unpack(NULL, bytes.len, bytes.data);
    if (request == NULL) {
        return -EPROTO;
    }
    answer(reflection, request, out);
    grpc__reflection__v1__server_reflection_request__free_unpacked(request, NULL);
    return buffer_error(out);
}

/* --- The stream. */

struct reflection_stream {
    const struct grpc_reflection *reflection;
    struct grpc_call *call;
};

static void stream_free(struct reflection_stream *stream)
{
    grpc_call_unref(stream->call);
    free(stream);
}

static void on_message(void *data, struct slice bytes)
{
    struct reflection_stream *stream = data;
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, RESPONSE_BYTES_MAX);
    int status = grpc_reflection_answer(stream->reflection, bytes, &out);
    if (status != 0) {
        grpc_call_finish(stream->call, status == -EPROTO ? GRPC_INTERNAL : GRPC_RESOURCE_EXHAUSTED,
                         status == -EPROTO ? "malformed request" : "the answer is too large",
                         slice_of(NULL, 0));
        stream_free(stream);
        return;
    }
    if (grpc_call_send(stream->call, buffer_slice(&out)) >= NET_WRITE_HIGH_BYTES) {
        grpc_call_pause(stream->call); /* Until it has been taken. */
    }
}

static void on_drain(void *data)
{
    struct reflection_stream *stream = data;
    grpc_call_resume(stream->call);
}

static void on_end(void *data)
{
    struct reflection_stream *stream = data;
    grpc_call_finish(stream->call, GRPC_OK, NULL, slice_of(NULL, 0));
    stream_free(stream);
}

static void on_cancel(void *data)
{
    stream_free(data);
}

static void on_call(void *data, struct grpc_call *call, struct slice request)
{
    struct reflection_stream *stream = alloc_zeroed(sizeof(*stream));
    (void)request;
    stream->reflection = data;
    stream->call = grpc_call_ref(call);
    grpc_call_on_cancel(call, on_cancel, stream);
    grpc_call_on_drain(call, on_drain, stream);
    grpc_call_on_message(call, on_message, on_end, stream);
}

void grpc_reflection_mount(struct grpc_reflection *reflection, struct grpc_server *server)
{
    const struct grpc_method methods[] = {
        {.path = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
         .kind = GRPC_BIDI_STREAM,
         .on_call = on_call,
         .data = reflection},
        {.path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
         .kind = GRPC_BIDI_STREAM,
         .on_call = on_call,
         .data = reflection},
    };
    reflection->server = server;
    grpc_server_add(server, methods, ARRAY_LEN(methods));
}
