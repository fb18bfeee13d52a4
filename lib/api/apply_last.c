#include "lib/api/apply_last.h"

#include "lib/api/apply_compare.h"
#include "lib/api/apply_declared.h"
#include "lib/api/apply_set.h"
#include "lib/api/kinds.h"
#include <string.h>

#define ANNOTATION "kubectl.kubernetes.io/last-applied-configuration"

enum { ANNOTATIONS_BYTES_MAX = 256 * 1024 }; /* Of names and values together. */

static struct json_value *member_object(const struct json_value *object, const char *name)
{
    struct json_value *value = object == NULL ? NULL : json_get_text(object, name);
    return value == NULL || value->type != JSON_OBJECT ? NULL : value;
}

static struct json_value *annotations_of(const struct json_value *object)
{
    return member_object(member_object(object, "metadata"), "annotations");
}

/* What was applied last; an empty slice when nothing says it. */
static struct slice last_of(const struct json_value *object)
{
    const struct json_value *annotations = annotations_of(object);
    const struct json_value *last =
        annotations == NULL ? NULL : json_get_text(annotations, ANNOTATION);
    return last == NULL || last->type != JSON_STRING ? slice_of(NULL, 0) : last->text;
}

static bool by_kubectl(const struct api_apply_request *request)
{
    return strcmp(request->manager, "kubectl") == 0;
}

/* Configurations of another version, or that the schema does not know, say nothing. */
static bool is_of_form(struct arena *arena, const struct api_apply_request *request,
                       const struct json_value *last)
{
    const struct json_value *version =
        last->type == JSON_OBJECT ? json_get_text(last, "apiVersion") : NULL;
    return version != NULL && version->type == JSON_STRING &&
           slice_is(version->text, request->kind->api_version) &&
           apply_find_undeclared(arena, request->kind->message, last) == NULL;
}

const struct json_value *apply_last_allowed(struct arena *arena,
                                            const struct api_apply_request *request,
                                            const struct json_value *live)
{
    const struct apply_shape root = apply_shape_of_message(request->kind->message);
    struct slice text = last_of(live);
    struct json_value *last = NULL;
    if (!by_kubectl(request) || text.len == 0 || json_parse(arena, text, &last, NULL) != 0 ||
        !is_of_form(arena, request, last)) {
        return NULL;
    }
    const struct json_value *set = apply_set_of(arena, &root, last);
    const struct apply_difference since = apply_compare(arena, &root, last, live);
    return apply_set_minus(arena, apply_set_minus(arena, set, since.gone), since.changed);
}

static size_t bytes_of(const struct json_value *annotations)
{
    size_t bytes = 0;
    for (size_t i = 0; i < annotations->count; i++) {
        bytes += annotations->members[i].name.len + annotations->members[i].value->text.len;
    }
    return bytes;
}

/* One line of JSON with a newline, without the annotation itself. */
static struct json_value *configuration(struct arena *arena, const struct json_value *applied)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, SIZE_MAX / 2);
    struct json_value *bare = json_copy(arena, applied);
    struct json_value *annotations = annotations_of(bare);
    if (annotations != NULL) {
        (void)json_remove(annotations, slice_text(ANNOTATION)); /* May be absent. */
    }
    json_print(bare, /* sorted= */ true, &text);
    buffer_append_text(&text, "\n");
    return json_new_string(arena, buffer_slice(&text));
}

void apply_last_update(struct arena *arena, const struct api_apply_request *request,
                       struct json_value *object, const struct json_value *applied)
{
    struct json_value *annotations = annotations_of(object);
    if (!by_kubectl(request) || last_of(object).len == 0) {
        return;
    }
    json_set_text(arena, annotations, ANNOTATION, configuration(arena, applied));
    if (bytes_of(annotations) > ANNOTATIONS_BYTES_MAX) {
        (void)json_remove(annotations, slice_text(ANNOTATION)); /* It was set just now. */
    }
}
