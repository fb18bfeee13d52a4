#include "lib/api/conversion_review.h"

#include "lib/api/json_value.h"
#include "lib/api/syntax.h"

static const char group[] = "apiextensions.k8s.io";

const char *conversion_review_version(const Apiextensions__V1__WebhookConversion *webhook)
{
    for (size_t i = 0; i < webhook->n_conversion_review_versions; i++) {
        const char *version = text_or_empty(webhook->conversion_review_versions[i]);
        if (strcmp(version, "v1") == 0 || strcmp(version, "v1beta1") == 0) {
            return version;
        }
    }
    return NULL;
}

void conversion_review_print(const struct api_kind *to, const struct conversion_item *items,
                             size_t count, const char *version, const char *uid, struct buffer *out)
{
    buffer_printf(out, "{\"kind\":\"ConversionReview\",\"apiVersion\":\"%s/%s\",\"request\":{",
                  group, version);
    buffer_printf(out, "\"uid\":\"%s\",\"desiredAPIVersion\":\"%s\",\"objects\":[", uid,
                  to->api_version);
    for (size_t i = 0; i < count; i++) {
        buffer_append_text(out, i == 0 ? "" : ",");
        buffer_append_slice(out, items[i].json);
    }
    buffer_append_text(out, "]}}");
}

/* --- The answer --- */

static struct slice text_of(const struct json_value *object, const char *name)
{
    const struct json_value *value =
        object == NULL || object->type != JSON_OBJECT ? NULL : json_get_text(object, name);
    return value != NULL && value->type == JSON_STRING ? value->text : slice_text("");
}

static const char *shown(struct arena *arena, struct slice text)
{
    return arena_text_n(arena, (const char *)text.data, text.len);
}

const char *conversion_review_failure(struct arena *arena, const struct api_kind *from,
                                      const char *why)
{
    return arena_printf(arena, "conversion webhook for %s, Kind=%s failed: %s", from->api_version,
                        from->kind, why);
}

/* The list of converted objects; or NULL, with what is wrong. */
static const struct json_value *read_response(struct arena *arena, const struct json_value *review,
                                              const char *version, const char *uid,
                                              const char **ret_problem)
{
    const char *api_version = arena_printf(arena, "%s/%s", group, version);
    const struct json_value *response = json_get_text(review, "response");
    if (!slice_is(text_of(review, "apiVersion"), api_version) ||
        !slice_is(text_of(review, "kind"), "ConversionReview")) {
        *ret_problem = arena_printf(
            arena, "expected webhook response of %s, Kind=ConversionReview, got %s, Kind=%s",
            api_version, shown(arena, text_of(review, "apiVersion")),
            shown(arena, text_of(review, "kind")));
        return NULL;
    }
    if (response == NULL || response->type != JSON_OBJECT) {
        *ret_problem = "no response provided";
        return NULL;
    }
    if (!slice_is(text_of(response, "uid"), uid)) {
        *ret_problem = arena_printf(arena, "expected response.uid=\"%s\", got \"%s\"", uid,
                                    shown(arena, text_of(response, "uid")));
        return NULL;
    }
    const struct json_value *result = json_get_text(response, "result");
    if (!slice_is(text_of(result, "status"), "Success")) {
        struct slice message = text_of(result, "message");
        *ret_problem = message.len > 0
                           ? shown(arena, message)
                           : arena_printf(arena, "response.result.status was '%s', not 'Success'",
                                          shown(arena, text_of(result, "status")));
        return NULL;
    }
    const struct json_value *objects = json_get_text(response, "convertedObjects");
    if (objects == NULL || objects->type != JSON_ARRAY) {
        objects = json_new_array(arena);
    }
    return objects;
}

/* --- One object --- */

/* What may not become another one. */
static const char *check_same(struct arena *arena, const struct json_value *before,
                              const struct json_value *after)
{
    static const struct {
        const char *member, *words;
    } fixed[] = {{"name", "name"}, {"namespace", "namespace"}, {"uid", "UID"}};
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
        struct slice old = text_of(before, fixed[i].member), new = text_of(after, fixed[i].member);
        if (!slice_equal(old, new)) {
            return arena_printf(arena, "must have the same %s: %s != %s", fixed[i].words,
                                shown(arena, old), shown(arena, new));
        }
    }
    return NULL;
}

static bool is_valid(struct arena *arena, const char *map, const struct json_member *member)
{
    const char *name = shown(arena, member->name);
    if (strcmp(map, "labels") != 0) {
        return api_syntax_annotation_key(name).count == 0;
    }
    return api_syntax_qualified_name(name).count == 0 &&
           api_syntax_label_value(shown(arena, member->value->text)).count == 0;
}

/* Labels or annotations are the webhook's. */
static const char *take_texts(struct arena *arena, const struct json_value *answered,
                              const char *map, struct json_value *meta)
{
    struct json_value *texts = json_get_text(answered, map);
    (void)json_remove(meta, slice_text(map)); /* May be absent. */
    if (texts == NULL || texts->type == JSON_NULL) {
        return NULL;
    }
    if (texts->type != JSON_OBJECT) {
        return arena_printf(arena, "invalid metadata.%s in converted object", map);
    }
    for (size_t i = 0; i < texts->count; i++) {
        const struct json_member *member = &texts->members[i];
        if (member->value->type != JSON_STRING) {
            return arena_printf(arena, "metadata.%s[%s] must be a string in converted object", map,
                                shown(arena, member->name));
        }
        if (!is_valid(arena, map, member)) {
            return arena_printf(arena, "metadata.%s[%s]: Invalid value: \"%s\"", map,
                                shown(arena, member->name), shown(arena, member->value->text));
        }
    }
    json_set_text(arena, meta, map, texts);
    return NULL;
}

static const char *restore_metadata(struct arena *arena, struct json_value *before,
                                    struct json_value *object)
{
    const struct json_value *answered = json_get_text(object, "metadata");
    if (answered == NULL || answered->type != JSON_OBJECT) {
        return answered == NULL ? "missing metadata in converted object"
                                : "invalid metadata in converted object";
    }
    const char *problem = take_texts(arena, answered, "labels", before);
    problem = problem != NULL ? problem : take_texts(arena, answered, "annotations", before);
    if (problem == NULL) {
        json_set_text(arena, object, "metadata", before);
    }
    return problem;
}

static const char *check_type(struct arena *arena, const struct api_kind *to,
                              const struct json_value *object)
{
    struct slice version = text_of(object, "apiVersion"), kind = text_of(object, "kind");
    if (!slice_is(version, to->api_version)) {
        return arena_printf(arena, "invalid groupVersion (expected %s, received %s)",
                            to->api_version, shown(arena, version));
    }
    return slice_is(kind, to->kind) ? NULL
                                    : arena_printf(arena, "invalid kind (expected %s, received %s)",
                                                   to->kind, shown(arena, kind));
}

static const char *read_object(struct arena *arena, const struct api_kind *to,
                               const struct conversion_item *item, struct json_value *object,
                               size_t index, struct slice *ret_json)
{
    struct json_value *original = NULL;
    const char *name = arena_printf(arena, "conversion webhook for %s, Kind=%s returned invalid",
                                    item->from->api_version, item->from->kind);
    if (object->type != JSON_OBJECT || json_parse(arena, item->json, &original, NULL) < 0) {
        return arena_printf(arena, "%s converted object at index %zu: it is no object", name,
                            index);
    }
    struct json_value *before = json_get_text(original, "metadata");
    if (before == NULL || before->type != JSON_OBJECT) {
        before = json_new_object(arena);
    }
    const char *problem = check_type(arena, to, object);
    problem =
        problem != NULL ? problem : check_same(arena, before, json_get_text(object, "metadata"));
    if (problem != NULL) {
        return arena_printf(arena, "%s object at index %zu: %s", name, index, problem);
    }
    problem = restore_metadata(arena, before, object);
    if (problem != NULL) {
        return arena_printf(arena, "%s metadata: %s", name, problem);
    }
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, SIZE_MAX / 2); /* Of what the answer held. */
    json_print(object, /* sorted= */ false, &out);
    *ret_json = arena_slice(arena, buffer_slice(&out));
    return NULL;
}

const char *conversion_review_read(struct arena *arena, const struct api_kind *to,
                                   const struct conversion_item *items, size_t count,
                                   const char *version, const char *uid, struct slice answer,
                                   struct slice *ret_objects)
{
    CLEANUP(error_release) struct error error = {0};
    struct json_value *review = NULL;
    const char *problem = NULL;
    if (json_parse(arena, answer, &review, &error) < 0 || review->type != JSON_OBJECT) {
        return conversion_review_failure(
            arena, items[0].from,
            arena_printf(arena, "couldn't get version/kind; json parse error: %s",
                         error.message == NULL ? "not an object" : error_message(&error)));
    }
    const struct json_value *objects = read_response(arena, review, version, uid, &problem);
    if (objects == NULL) {
        return conversion_review_failure(arena, items[0].from, problem);
    }
    if (objects->count != count) {
        return arena_printf(arena,
                            "conversion webhook for %s, Kind=%s returned %zu objects, expected %zu",
                            items[0].from->api_version, items[0].from->kind, objects->count, count);
    }
    for (size_t i = 0; i < count && problem == NULL; i++) {
        problem = read_object(arena, to, &items[i], objects->items[i], i, &ret_objects[i]);
    }
    return problem;
}
