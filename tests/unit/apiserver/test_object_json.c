/* How long JSON is kept. */
#include "apiserver/object_json.h"

#include "lib/base/buffer.h"
#include "lib/base/env_uv.h"
#include "lib/net/loop.h"
#include <check.h>

Suite *object_json_suite(void);

static struct loop *loop;
static struct env_uv *env;
static struct json_shelf *shelf;

static void setup(void)
{
    ck_assert_int_eq(loop_new("test", &loop), 0);
    ck_assert_int_eq(env_uv_new(loop_uv(loop), &env), 0);
    shelf = json_shelf_new(env_uv_env(env));
}

static void on_closed(void *data)
{
    *(bool *)data = true;
}

static void teardown(void)
{
    bool closed = false;
    json_shelf_close(shelf);
    env_uv_close(env, on_closed, &closed);
    while (!closed) {
        loop_turn(loop, true);
    }
    loop_free(loop);
}

static struct object_json *json_of(const char *text)
{
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, 4096);
    buffer_append(&out, (const char[OBJECT_JSON_ROOM]){0}, OBJECT_JSON_ROOM);
    buffer_append_text(&out, text);
    return object_json_new(&out, /* members= */ 1);
}

static void check_view(struct json_slot *slot, enum object_json_view view, const char *type,
                       const char *expected)
{
    struct chunk *chunk = NULL;
    ck_assert(json_slot_take(slot, view, type, &chunk));
    if (expected == NULL) {
        ck_assert_ptr_null(chunk);
        return;
    }
    ck_assert(slice_is(chunk->bytes, expected));
    chunk_unref(chunk);
}

START_TEST(one_encoding_is_an_object_an_item_and_the_event_that_was_asked_for_first)
{
    struct json_slot slot;
    struct chunk *chunk = NULL;
    json_slot_init(&slot, shelf);
    ck_assert(!json_slot_take(&slot, OBJECT_JSON_WHOLE, NULL, &chunk));
    json_slot_put(&slot, json_of("{\"a\":1}"));
    json_slot_put(&slot, json_of("{\"too\":\"late\"}"));
    check_view(&slot, OBJECT_JSON_WHOLE, NULL, "{\"a\":1}");
    check_view(&slot, OBJECT_JSON_MEMBERS, NULL, "\"a\":1}");
    check_view(&slot, OBJECT_JSON_EVENT, "ADDED", "{\"type\":\"ADDED\",\"object\":{\"a\":1}}\n");
    check_view(&slot, OBJECT_JSON_EVENT, "MODIFIED", NULL);
    json_slot_release(&slot);
}
END_TEST

START_TEST(what_nobody_asks_for_between_two_tidyings_goes_but_not_from_who_holds_it)
{
    struct json_slot asked, left;
    struct chunk *held = NULL;
    json_slot_init(&asked, shelf);
    json_slot_init(&left, shelf);
    json_slot_put(&asked, json_of("{\"a\":1}"));
    json_slot_put(&left, json_of("{\"b\":2}"));
    ck_assert(json_slot_take(&left, OBJECT_JSON_WHOLE, NULL, &held));
    ck_assert_uint_eq(json_shelf_tidy(shelf), 0);
    check_view(&asked, OBJECT_JSON_WHOLE, NULL, "{\"a\":1}");
    ck_assert_uint_eq(json_shelf_tidy(shelf), strlen("{\"b\":2}"));
    ck_assert(!json_slot_is_filled(&left));
    ck_assert(json_slot_is_filled(&asked));
    ck_assert(slice_is(held->bytes, "{\"b\":2}"));
    chunk_unref(held);
    json_slot_put(&left, json_of("{\"b\":3}"));
    check_view(&left, OBJECT_JSON_WHOLE, NULL, "{\"b\":3}");
    json_slot_release(&asked);
    json_slot_release(&left);
}
END_TEST

Suite *object_json_suite(void)
{
    Suite *suite = suite_create("apiserver/object_json");
    TCase *cases = tcase_create("object_json");
    tcase_add_checked_fixture(cases, setup, teardown);
    tcase_add_test(cases, one_encoding_is_an_object_an_item_and_the_event_that_was_asked_for_first);
    tcase_add_test(cases, what_nobody_asks_for_between_two_tidyings_goes_but_not_from_who_holds_it);
    suite_add_tcase(suite, cases);
    return suite;
}
