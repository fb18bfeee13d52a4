/* JSON of etcd's gateway: what is read, what is refused in which words, what is written. */
#include "etcd/rpc.pb-c.h"
#include "store/etcd_json.h"
#include "tests/unit/unit.h"

#include <check.h>
#include <stdlib.h>

static struct arena *arena;

static void set_up(void)
{
    arena = arena_new(SIZE_MAX);
}

static void tear_down(void)
{
    arena_free(arena);
}

static void *read_text(const ProtobufCMessageDescriptor *kind, const char *text, size_t *ret_used)
{
    CLEANUP(error_release) struct error error = {0};
    void *message = etcd_json_read(kind, arena, slice_text(text), ret_used, &error);
    ck_assert_msg(message != NULL, "%s: %s", text, error_message(&error));
    return message;
}

static void check_written(const ProtobufCMessage *message, const char *expected)
{
    struct buffer out;
    buffer_init(&out, SIZE_MAX);
    etcd_json_write(message, &out);
    ck_assert_str_eq(buffer_text(&out), expected);
    buffer_release(&out);
}

START_TEST(integers_are_numbers_or_texts_and_names_of_either_kind)
{
    size_t used = 0;
    const char *text = "{\"key\":\"Zm9v\",\"limit\":\"5\",\"revision\":-1,\"sortTarget\":\"MOD\","
                       "\"sort_order\":2,\"keysOnly\":true,\"range_end\":null,\"newer\":[{}]} x";
    const Etcdserverpb__RangeRequest *range =
        read_text(&etcdserverpb__range_request__descriptor, text, &used);
    ck_assert_uint_eq(used, strlen(text) - 1);
    ck_assert_mem_eq(range->key.data, "foo", 3);
    ck_assert_uint_eq(range->key.len, 3);
    ck_assert_int_eq(range->limit, 5);
    ck_assert_int_eq(range->revision, -1);
    ck_assert_int_eq(range->sort_target, ETCDSERVERPB__RANGE_REQUEST__SORT_TARGET__MOD);
    ck_assert_int_eq(range->sort_order, ETCDSERVERPB__RANGE_REQUEST__SORT_ORDER__DESCEND);
    ck_assert(range->keys_only);
    ck_assert_uint_eq(range->range_end.len, 0);
}
END_TEST

START_TEST(what_has_its_default_is_left_out)
{
    size_t used = 0;
    const char *text =
        "{\"compare\":[{\"target\":\"VALUE\",\"key\":\"Zm9v\",\"value\":\"\"}],"
        "\"success\":[{\"request_put\":{\"key\":\"Zg==\",\"lease\":\"0\",\"prev_kv\":true}},"
        "{\"requestRange\":{}}],\"failure\":[]}";
    check_written(read_text(&etcdserverpb__txn_request__descriptor, text, &used),
                  "{\"compare\":[{\"target\":\"VALUE\",\"key\":\"Zm9v\",\"value\":\"\"}],"
                  "\"success\":[{\"request_put\":{\"key\":\"Zg==\",\"prev_kv\":true}},"
                  "{\"request_range\":{}}]}");
}
END_TEST

START_TEST(texts_are_quoted_and_large_numbers_kept)
{
    size_t used = 0;
    const char *text = "{\"header\":{\"cluster_id\":\"18446744073709551615\","
                       "\"revision\":\"-9223372036854775808\"},"
                       "\"version\":\"a\\\"\\n\",\"errors\":[\"b\",\"\"]}";
    check_written(read_text(&etcdserverpb__status_response__descriptor, text, &used), text);
}
END_TEST

static const struct {
    const char *text, *why;
} refused[] = {
    {"{\"key\":\"Zm9\"}", "illegal base64 data at input byte 0"},
    {"{\"key\":5}", "json: cannot unmarshal number into Go value of type []uint8"},
    {"{\"limit\":\"5x\"}", "json: cannot unmarshal string into Go value of type int64"},
    {"{\"limit\":\"\"}", "json: cannot unmarshal string into Go value of type int64"},
    {"{\"limit\":\" 5\"}", "json: cannot unmarshal string into Go value of type int64"},
    {"{\"limit\":\"9223372036854775808\"}",
     "json: cannot unmarshal string into Go value of type int64"},
    {"{\"limit\":{}}", "json: cannot unmarshal object into Go value of type int64"},
    {"{\"serializable\":\"x\"}", "json: cannot unmarshal string into Go value of type bool"},
    {"{\"sort_order\":\"UP\"}",
     "unknown value \"UP\" for enum etcdserverpb.RangeRequest_SortOrder"},
    {"{\"key\":", "unexpected EOF"},
    {"", "unexpected EOF"},
    {"[]", "json: cannot unmarshal array into Go value of type map[string]json.RawMessage"},
};

START_TEST(what_does_not_fit_is_refused_in_words_of_etcd)
{
    CLEANUP(error_release) struct error error = {0};
    size_t used = 0;
    ck_assert_ptr_null(etcd_json_read(&etcdserverpb__range_request__descriptor, arena,
                                      slice_text(refused[_i].text), &used, &error));
    ck_assert_str_eq(error_message(&error), refused[_i].why);
}
END_TEST

static void nested(struct buffer *out, size_t depth)
{
    for (size_t i = 0; i < depth; i++) {
        buffer_append_text(out, "{\"success\":[{\"request_txn\":");
    }
    buffer_append_text(out, "{}");
    for (size_t i = 0; i < depth; i++) {
        buffer_append_text(out, "}]}");
    }
}

START_TEST(depth_and_number_of_values_are_bounded)
{
    CLEANUP(error_release) struct error error = {0};
    struct buffer text;
    size_t used = 0;
    buffer_init(&text, SIZE_MAX);
    nested(&text, 31);
    ck_assert_ptr_nonnull(etcd_json_read(&etcdserverpb__txn_request__descriptor, arena,
                                         buffer_slice(&text), &used, &error));
    buffer_clear(&text);
    nested(&text, 32);
    ck_assert_ptr_null(etcd_json_read(&etcdserverpb__txn_request__descriptor, arena,
                                      buffer_slice(&text), &used, &error));
    ck_assert_str_eq(error_message(&error), "messages nest too deep");
    ck_assert(etcd_json_is_bounded(buffer_slice(&text)));
    buffer_clear(&text);
    for (size_t i = 0; i <= 64 * 1024; i++) {
        buffer_append_text(&text, "{}");
    }
    ck_assert(!etcd_json_is_bounded(buffer_slice(&text)));
    buffer_release(&text);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("etcd_json");
    TCase *all = tcase_create("all");
    tcase_add_checked_fixture(all, set_up, tear_down);
    tcase_add_test(all, integers_are_numbers_or_texts_and_names_of_either_kind);
    tcase_add_test(all, what_has_its_default_is_left_out);
    tcase_add_test(all, texts_are_quoted_and_large_numbers_kept);
    tcase_add_loop_test(all, what_does_not_fit_is_refused_in_words_of_etcd, 0,
                        sizeof(refused) / sizeof(refused[0]));
    tcase_add_test(all, depth_and_number_of_values_are_bounded);
    suite_add_tcase(suite, all);
    Suite *suites[] = {suite};
    return unit_main(suites, 1);
}
