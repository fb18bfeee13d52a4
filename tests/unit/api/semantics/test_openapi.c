/* What `kubectl explain` shows: every message and field of every served kind says what it is. */
#include "lib/api/kinds.h"
#include "lib/api/openapi.h"
#include "lib/api/schema.h"
#include "lib/base/hash_map.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>

static bool is_sentence(const char *text)
{
    size_t len = strlen(text);
    return len > 3 && text[len - 1] == '.' && strstr(text, "  ") == NULL;
}

/* Messages with a JSON form of their own show no fields. */
static void check_described(struct hash_map *seen, const struct api_message *message)
{
    if (message == NULL || hash_map_get(seen, slice_text(message->full_name)) != NULL) {
        return;
    }
    (void)hash_map_set(seen, slice_text(message->full_name), (void *)(uintptr_t)message);
    ck_assert_msg(!message->published || is_sentence(message->description), "%s: \"%s\"",
                  message->full_name, message->description);
    for (size_t i = 0; message->form == API_OBJECT && i < message->member_count; i++) {
        const struct api_field *field = message->members[i].field;
        ck_assert_msg(is_sentence(field->description), "%s.%s: \"%s\"", message->full_name,
                      field->name, field->description);
        check_described(seen, field->message);
    }
}

START_TEST(every_served_kind_is_described_to_the_last_field)
{
    struct hash_map *seen = hash_map_new(1);
    size_t count = 0;
    const struct api_kind *kinds = api_kinds(&count);
    for (size_t i = 0; i < count; i++) {
        check_described(seen, kinds[i].message);
        check_described(seen, kinds[i].list_message);
    }
    ck_assert_ptr_nonnull(
        hash_map_get(seen, slice_text("k8s.io.api.core.v1.Probe"))); /* It went deep. */
    hash_map_free(seen);
}
END_TEST

START_TEST(descriptions_reach_the_documents)
{
    CLEANUP(buffer_release) struct buffer v2 = {0};
    CLEANUP(buffer_release) struct buffer v3 = {0};
    static const char wanted[] = "The image to run, such as registry.example/web:1.2.";
    buffer_init(&v2, SIZE_MAX);
    buffer_init(&v3, SIZE_MAX);
    ck_assert_int_eq(api_openapi_v3("", "v1", &v3), 0);
    ck_assert_int_eq(api_openapi_v2(&v2), 0);
    ck_assert_ptr_nonnull(strstr(buffer_text(&v3), wanted));
    ck_assert_ptr_nonnull(strstr(buffer_text(&v2), wanted));
}
END_TEST

Suite *openapi_suite(void)
{
    Suite *suite = suite_create("openapi");
    TCase *explain = tcase_create("explain");
    tcase_add_test(explain, every_served_kind_is_described_to_the_last_field);
    tcase_add_test(explain, descriptions_reach_the_documents);
    suite_add_tcase(suite, explain);
    return suite;
}
