/* Server reflection: what is found by which name, and in bytes of any kind. */
#include "descriptors/etcd_services.h"
#include "descriptors/grpc_services.h"
#include "grpc/reflection/v1/reflection.pb-c.h"
#include "lib/net/grpc_descriptors.h"
#include "lib/net/grpc_reflection.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>

Suite *reflection_suite(void);

typedef Grpc__Reflection__V1__ServerReflectionRequest request_message;
typedef Grpc__Reflection__V1__ServerReflectionResponse response_message;

static struct grpc_reflection *reflection;
static struct grpc_server *server;
static response_message *response;

static void never(void *data, struct grpc_call *call, struct slice bytes)
{
    (void)data;
    (void)call;
    (void)bytes;
    abort();
}

static void open_all(void)
{
    const struct grpc_method methods[] = {
        {.path = "/v3lockpb.Lock/Lock", .kind = GRPC_UNARY, .on_call = never},
        {.path = "/v3lockpb.Lock/Unlock", .kind = GRPC_UNARY, .on_call = never},
        {.path = "/etcdserverpb.KV/Range", .kind = GRPC_UNARY, .on_call = never},
    };
    server = grpc_server_new();
    reflection = grpc_reflection_new();
    ck_assert_int_eq(grpc_reflection_add(reflection, slice_of(proto_etcd_services_set,
                                                              proto_etcd_services_set_size)),
                     0);
    ck_assert_int_eq(grpc_reflection_add(reflection, slice_of(proto_grpc_services_set,
                                                              proto_grpc_services_set_size)),
                     0);
    grpc_reflection_mount(reflection, server);
    grpc_server_add(server, methods, 3);
    response = NULL;
}

static void close_all(void)
{
    if (response != NULL) {
        grpc__reflection__v1__server_reflection_response__free_unpacked(response, NULL);
    }
    grpc_reflection_free(reflection);
    grpc_server_free(server);
}

static void ask(int kind, const char *text)
{
    request_message request;
    struct buffer out;
    uint8_t bytes[512];
    grpc__reflection__v1__server_reflection_request__init(&request);
    request.message_request_case =
        (Grpc__Reflection__V1__ServerReflectionRequest__MessageRequestCase)kind;
    request.file_by_filename = (char *)(uintptr_t)text; /* All texts of the union are here. */
    size_t len = grpc__reflection__v1__server_reflection_request__pack(&request, bytes);
    buffer_init(&out, 1024 * 1024);
    ck_assert_int_eq(grpc_reflection_answer(reflection, slice_of(bytes, len), &out), 0);
    if (response != NULL) {
        grpc__reflection__v1__server_reflection_response__free_unpacked(response, NULL);
    }
    response = grpc__reflection__v1__server_reflection_response__unpack(NULL, out.len, out.data);
    ck_assert_ptr_nonnull(response);
    ck_assert_int_eq(response->original_request->message_request_case, kind);
    buffer_release(&out);
}

enum {
    BY_NAME = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_BY_FILENAME,
    BY_SYMBOL =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_FILE_CONTAINING_SYMBOL,
    NUMBERS =
        GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_ALL_EXTENSION_NUMBERS_OF_TYPE,
    LIST = GRPC__REFLECTION__V1__SERVER_REFLECTION_REQUEST__MESSAGE_REQUEST_LIST_SERVICES,
};

static void check_first_file(const char *name)
{
    ck_assert_ptr_nonnull(response->file_descriptor_response);
    const ProtobufCBinaryData *first = response->file_descriptor_response->file_descriptor_proto;
    /* Field 1 of a file's descriptor, which comes first, is its name. */
    ck_assert_uint_gt(first->len, strlen(name) + 2);
    ck_assert_uint_eq(first->data[1], strlen(name));
    ck_assert_int_eq(memcmp(first->data + 2, name, strlen(name)), 0);
}

START_TEST(services_are_listed_once_and_in_order)
{
    static const char *const expected[] = {"etcdserverpb.KV", "grpc.reflection.v1.ServerReflection",
                                           "grpc.reflection.v1alpha.ServerReflection",
                                           "v3lockpb.Lock"};
    ask(LIST, "");
    ck_assert_uint_eq(response->list_services_response->n_service, 4);
    for (size_t i = 0; i < 4; i++) {
        ck_assert_str_eq(response->list_services_response->service[i]->name, expected[i]);
    }
}
END_TEST

START_TEST(a_file_comes_with_all_that_it_imports)
{
    ask(BY_NAME, "etcd/v3lock.proto");
    ck_assert_uint_eq(response->file_descriptor_response->n_file_descriptor_proto, 4);
    check_first_file("etcd/v3lock.proto");
    ask(BY_NAME, "etcd/kv.proto");
    ck_assert_uint_eq(response->file_descriptor_response->n_file_descriptor_proto, 1);
}
END_TEST

START_TEST(whatever_is_declared_is_found_by_its_full_name)
{
    static const char *const of_rpc[] = {"etcdserverpb.KV",
                                         "etcdserverpb.KV.Range",
                                         "etcdserverpb.RangeRequest",
                                         "etcdserverpb.RangeRequest.SortOrder",
                                         "etcdserverpb.RangeRequest.DESCEND",
                                         "etcdserverpb.PutRequest.lease"};
    for (size_t i = 0; i < sizeof(of_rpc) / sizeof(of_rpc[0]); i++) {
        ask(BY_SYMBOL, of_rpc[i]);
        check_first_file("etcd/rpc.proto");
    }
    ask(BY_SYMBOL, "grpc.reflection.v1alpha.ServerReflection");
    check_first_file("grpc/reflection/v1alpha/reflection.proto");
    ask(NUMBERS, "etcdserverpb.PutRequest");
    ck_assert_str_eq(response->all_extension_numbers_response->base_type_name,
                     "etcdserverpb.PutRequest");
}
END_TEST

START_TEST(what_is_not_there_is_said_in_the_answer)
{
    static const int kinds[] = {BY_NAME, BY_SYMBOL, NUMBERS};
    for (size_t i = 0; i < 3; i++) {
        ask(kinds[i], "no.such.thing");
        ck_assert_int_eq(
            response->message_response_case,
            GRPC__REFLECTION__V1__SERVER_REFLECTION_RESPONSE__MESSAGE_RESPONSE_ERROR_RESPONSE);
        ck_assert_int_eq(response->error_response->error_code, GRPC_NOT_FOUND);
    }
    struct buffer out;
    buffer_init(&out, 1024);
    ck_assert_int_eq(grpc_reflection_answer(reflection, slice_text("\x0a\xff"), &out), -EPROTO);
    buffer_release(&out);
}
END_TEST

START_TEST(a_cut_off_set_is_refused_or_shorter)
{
    for (size_t len = 0; len < proto_grpc_services_set_size; len += 7) {
        struct grpc_descriptors *descriptors = grpc_descriptors_new();
        int status = grpc_descriptors_add(descriptors, slice_of(proto_grpc_services_set, len));
        ck_assert(status == 0 || status == -EPROTO);
        if (len == 0) {
            ck_assert_int_eq(status, 0);
        }
        grpc_descriptors_free(descriptors);
    }
}
END_TEST

Suite *reflection_suite(void)
{
    Suite *suite = suite_create("net/reflection");
    TCase *tcase = tcase_create("reflection");
    tcase_add_checked_fixture(tcase, open_all, close_all);
    tcase_add_test(tcase, services_are_listed_once_and_in_order);
    tcase_add_test(tcase, a_file_comes_with_all_that_it_imports);
    tcase_add_test(tcase, whatever_is_declared_is_found_by_its_full_name);
    tcase_add_test(tcase, what_is_not_there_is_said_in_the_answer);
    tcase_add_test(tcase, a_cut_off_set_is_refused_or_shorter);
    suite_add_tcase(suite, tcase);
    return suite;
}
