/* A property of every kind: an object with a value in each of its fields comes back the same from
 * JSON and from protobuf. */
#include "lib/api/codec.h"
#include "lib/api/kinds.h"
#include "tests/unit/api/codec/suites.h"
#include <check.h>
#include <stdio.h>

enum { DEPTH_MAX = 9, KINDS_MIN = 50 };

/* Texts and numbers are all different: what got lost or went elsewhere shows. */
struct generator {
    struct buffer out;
    unsigned texts;
    int32_t numbers;
    unsigned depth;
};

static void put_message(struct generator *generator, const struct api_message *message);

static void put_text(struct generator *generator)
{
    buffer_printf(&generator->out, "\"t%ue\"", ++generator->texts);
}

static void put_value(struct generator *generator, const struct api_field *field)
{
    struct buffer *out = &generator->out;
    switch ((enum api_type)field->type) {
    case API_BOOL:
        buffer_append_text(out, "true");
        break;
    case API_INT32:
    case API_INT64:
        buffer_printf(out, "%d", ++generator->numbers);
        break;
    case API_DOUBLE:
        buffer_printf(out, "%d.5", ++generator->numbers);
        break;
    case API_STRING:
        put_text(generator);
        break;
    case API_BYTES:
        buffer_append_text(out,
                           (field->flags & API_RAW_JSON) != 0 ? "{\"a\":[1,\"b\"]}" : "\"AP8Q\"");
        break;
    case API_QUANTITY:
        buffer_printf(out, "\"%d1Mi\"", ++generator->numbers);
        break;
    case API_TIME:
        buffer_append_text(out, "\"2024-02-29T23:59:59Z\"");
        break;
    case API_MICRO_TIME:
        buffer_append_text(out, "\"2024-02-29T23:59:59.000001Z\"");
        break;
    case API_INT_OR_STRING:
        if (generator->texts % 2 == 0) {
            put_text(generator);
        } else {
            buffer_printf(out, "%d", ++generator->numbers);
        }
        break;
    case API_RAW_OBJECT:
    case API_RAW_VALUE:
        buffer_append_text(out, "{\"apiVersion\":\"v1\",\"kind\":\"Any\",\"x\":{\"y\":[1,null]}}");
        break;
    case API_DURATION:
        buffer_append_text(out, "\"1h2m3s\"");
        break;
    case API_LIST_MESSAGE:
        buffer_append_text(out, "[\"a\",\"b\"]");
        break;
    case API_ONE_OR_BOOL:
        buffer_append_text(out, "true");
        break;
    case API_ENVELOPE: /* Never part of JSON. */
    case API_OBJECT:
    case API_ONE_OR_LIST:
        put_message(generator, field->message);
        break;
    }
}

static void put_field(struct generator *generator, const struct api_field *field)
{
    if (field->label == API_SINGLE) {
        put_value(generator, field);
        return;
    }
    const struct api_field *value =
        field->label == API_MAP ? api_message_field(field->entry, 2) : field;
    buffer_append_byte(&generator->out, field->label == API_MAP ? '{' : '[');
    for (unsigned i = 0; i < 2; i++) {
        buffer_append_text(&generator->out, i == 0 ? "" : ",");
        if (field->label == API_MAP) {
            buffer_printf(&generator->out, "\"k%u\":", i);
        }
        put_value(generator, value);
    }
    buffer_append_byte(&generator->out, field->label == API_MAP ? '}' : ']');
}

/* Whether a field can have a value that protobuf carries, at this depth. */
static bool is_shown(const struct generator *generator, const struct api_field *field)
{
    return (field->flags & API_JSON_ONLY) == 0 && field->type != API_ENVELOPE &&
           (generator->depth < DEPTH_MAX || field->type != API_OBJECT);
}

static void put_message(struct generator *generator, const struct api_message *message)
{
    bool first = true;
    if (message->form == API_ONE_OR_LIST) { /* A schema in itself: it would never end. */
        buffer_append_text(&generator->out, "{}");
        return;
    }
    generator->depth++;
    buffer_append_byte(&generator->out, '{');
    for (size_t i = 0; i < message->member_count; i++) {
        const struct api_field *field = message->members[i].field;
        bool itself = field->message == message;
        if (itself || !is_shown(generator, field)) {
            continue;
        }
        buffer_printf(&generator->out, "%s\"%s\":", first ? "" : ",", field->name);
        put_field(generator, field);
        first = false;
    }
    buffer_append_byte(&generator->out, '}');
    generator->depth--;
}

static void check_texts_present(const struct generator *generator, const char *json,
                                const char *kind)
{
    for (unsigned i = 1; i <= generator->texts; i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "\"t%ue\"", i);
        ck_assert_msg(strstr(json, text) != NULL, "%s: %s is lost", kind, text);
    }
}

static void check_kind(const struct api_kind *kind)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(buffer_release) struct buffer json = {0};
    CLEANUP(buffer_release) struct buffer bytes = {0};
    CLEANUP(buffer_release) struct buffer again = {0};
    struct generator generator = {.numbers = 1000};
    struct api_problems problems = {0};
    void *object = NULL, *copy = NULL, *other = NULL;
    buffer_init(&generator.out, SIZE_MAX);
    buffer_init(&json, SIZE_MAX);
    buffer_init(&bytes, SIZE_MAX);
    buffer_init(&again, SIZE_MAX);

    put_message(&generator, kind->message);
    ck_assert_int_eq(api_decode_json(arena, kind->message, buffer_slice(&generator.out), &problems,
                                     &object, NULL),
                     0);
    ck_assert_msg(problems.count == 0, "%s: %s", kind->kind,
                  problems.count == 0 ? "" : problems.texts[0]);
    api_encode_json(kind->message, object, NULL, &json);
    check_texts_present(&generator, buffer_text(&json), kind->kind);

    api_encode_protobuf(kind->message, object, &bytes);
    ck_assert_int_eq(api_decode_protobuf(arena, kind->message, buffer_slice(&bytes), &copy, NULL),
                     0);
    ck_assert_msg(api_message_equal(kind->message, object, copy), "%s by protobuf", kind->kind);
    api_encode_json(kind->message, copy, NULL, &again);
    ck_assert_str_eq(buffer_text(&json), buffer_text(&again));

    ck_assert_int_eq(
        api_decode_json(arena, kind->message, buffer_slice(&again), NULL, &other, NULL), 0);
    ck_assert_msg(api_message_equal(kind->message, object, other), "%s by JSON", kind->kind);
    buffer_release(&generator.out);
}

START_TEST(every_kind_comes_back_the_same_from_json_and_protobuf)
{
    size_t count = 0;
    const struct api_kind *kinds = api_kinds(&count);
    ck_assert_uint_gt(count, KINDS_MIN);
    for (size_t i = 0; i < count; i++) {
        check_kind(&kinds[i]);
    }
}
END_TEST

Suite *round_trip_suite(void)
{
    Suite *suite = suite_create("api/round_trip");
    TCase *tcase = tcase_create("kinds");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, every_kind_comes_back_the_same_from_json_and_protobuf);
    suite_add_tcase(suite, tcase);
    return suite;
}
