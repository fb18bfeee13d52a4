/* Every object in the recorded answers of a real API server goes through all codecs and comes back
 * the same. The recordings are not part of the repository: CORACLE_SHARED or ../shared. */
#include "lib/api/codec.h"
#include "lib/api/kinds.h"
#include "tests/unit/api/codec/suites.h"
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_MAX = 4 * 1024 * 1024 };

struct tally {
    size_t objects, failed;
    const char *file;
};

static const struct api_message *message_of(const struct json_value *value,
                                            struct api_type_meta *ret_meta)
{
    const struct json_value *version = json_get_text(value, "apiVersion");
    const struct json_value *name = json_get_text(value, "kind");
    const struct api_kind *kinds;
    size_t count;

    if (version == NULL || name == NULL || version->type != JSON_STRING ||
        name->type != JSON_STRING || json_get_text(value, "metadata") == NULL) {
        return NULL;
    }
    *ret_meta =
        (struct api_type_meta){(const char *)version->text.data, (const char *)name->text.data};
    kinds = api_kinds(&count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(kinds[i].api_version, ret_meta->api_version) != 0) {
            continue;
        }
        if (strcmp(kinds[i].kind, ret_meta->kind) == 0) {
            return kinds[i].message;
        }
        if (strcmp(kinds[i].list_kind, ret_meta->kind) == 0) {
            return kinds[i].list_message;
        }
    }
    return NULL;
}

static void complain(struct tally *tally, const char *what, struct slice wanted, struct slice got)
{
    tally->failed++;
    printf("%s: %s\n  wanted %.*s\n  got    %.*s\n", tally->file, what, (int)wanted.len,
           (const char *)wanted.data, (int)got.len, (const char *)got.data);
}

static bool same_json(struct arena *arena, struct slice text, const struct json_value *wanted)
{
    struct json_value *value = NULL;
    return json_parse(arena, text, &value, NULL) == 0 && json_equal(value, wanted);
}

static void check_object(struct tally *tally, const struct json_value *value)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(error_release) struct error error = {0};
    CLEANUP(buffer_release) struct buffer text = {0}, shown = {0}, bytes = {0}, again = {0};
    struct api_type_meta meta;
    const struct api_message *message = message_of(value, &meta);
    struct api_problems problems = {0};
    struct api_envelope envelope;
    void *object = NULL, *back = NULL;

    if (message == NULL) {
        return;
    }
    tally->objects++;
    buffer_init(&text, FILE_MAX);
    buffer_init(&shown, FILE_MAX);
    buffer_init(&bytes, FILE_MAX);
    buffer_init(&again, FILE_MAX);
    json_print(value, false, &text);
    if (api_decode_json(arena, message, buffer_slice(&text), &problems, &object, &error) < 0) {
        complain(tally, error_message(&error), buffer_slice(&text), slice_text(""));
        return;
    }
    if (problems.count > 0) {
        complain(tally, problems.texts[0], buffer_slice(&text), slice_text(""));
    }
    api_encode_json(message, object, &meta, &shown);
    if (!same_json(arena, buffer_slice(&shown), value)) {
        complain(tally, "JSON differs", buffer_slice(&text), buffer_slice(&shown));
        return;
    }
    api_encode_envelope(message, object, &meta, &bytes);
    ck_assert_int_eq(api_parse_envelope(buffer_slice(&bytes), &envelope, NULL), 0);
    ck_assert_int_eq(api_decode_protobuf(arena, message, envelope.raw, &back, NULL), 0);
    ck_assert(api_message_equal(message, object, back));
    ck_assert(api_message_equal(message, object, api_message_copy(arena, message, object)));
    api_encode_envelope(message, back, &meta, &again);
    ck_assert(slice_equal(buffer_slice(&bytes), buffer_slice(&again)));
}

/* `answers`: inside what the server said. */
static void walk(struct tally *tally, const struct json_value *value, bool answers)
{
    if (answers) {
        check_object(tally, value);
    }
    for (size_t i = 0; value->type == JSON_ARRAY && i < value->count; i++) {
        walk(tally, value->items[i], answers);
    }
    for (size_t i = 0; value->type == JSON_OBJECT && i < value->count; i++) {
        const struct json_member *member = &value->members[i];
        if (!slice_is(member->name, "object") || !answers) { /* Tables hold partial objects. */
            walk(tally, member->value, answers || slice_is(member->name, "expect"));
        }
    }
}

static void substitute(struct arena *arena, struct json_value *value)
{
    static const struct {
        const char *name, *text;
        bool number;
    } places[] = {{"<time>", "2024-05-06T07:08:09Z", false}, {"<nodeport>", "30000", true}};
    for (size_t i = 0; value->type == JSON_STRING && i < 2; i++) {
        if (slice_is(value->text, places[i].name)) {
            value->text = slice_text(places[i].text);
            value->type = places[i].number ? JSON_NUMBER : JSON_STRING;
        }
    }
    for (size_t i = 0; i < value->count; i++) {
        substitute(arena, value->type == JSON_ARRAY ? value->items[i] : value->members[i].value);
    }
}

static void check_file(struct tally *tally, const char *path)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(buffer_release) struct buffer text;
    struct json_value *value = NULL;
    FILE *file = fopen(path, "rb");
    uint8_t chunk[4096];
    size_t n;

    ck_assert_ptr_nonnull(file);
    buffer_init(&text, FILE_MAX);
    while ((n = fread(chunk, 1, sizeof(chunk), file)) > 0) {
        buffer_append(&text, chunk, n);
    }
    fclose(file);
    ck_assert_int_eq(json_parse(arena, buffer_slice(&text), &value, NULL), 0);
    substitute(arena, value);
    tally->file = path;
    walk(tally, value, false);
}

START_TEST(recorded_objects_pass_through_all_codecs_unchanged)
{
    const char *shared = getenv("CORACLE_SHARED");
    char pattern[4096];
    struct tally tally = {0, 0, NULL};
    glob_t paths = {0};

    (void)snprintf(pattern, sizeof(pattern), "%s/golden/*/*.json",
                   shared != NULL ? shared : CORACLE_SOURCE "/../shared");
    if (glob(pattern, 0, NULL, &paths) != 0) {
        printf("skipped: no recordings at %s\n", pattern);
        return;
    }
    for (size_t i = 0; i < paths.gl_pathc; i++) {
        check_file(&tally, paths.gl_pathv[i]);
    }
    globfree(&paths);
    printf("recorded objects: %zu, failed: %zu\n", tally.objects, tally.failed);
    ck_assert_uint_gt(tally.objects, 0);
    ck_assert_uint_eq(tally.failed, 0);
}
END_TEST

Suite *golden_suite(void)
{
    Suite *suite = suite_create("api/golden");
    TCase *tcase = tcase_create("round trips");
    tcase_set_timeout(tcase, 120);
    tcase_add_test(tcase, recorded_objects_pass_through_all_codecs_unchanged);
    suite_add_tcase(suite, tcase);
    return suite;
}
