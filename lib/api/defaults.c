/* Defaulting walks the whole object: in each message on the way the empty fields get what their
 * `fill` option says, then its hook does what depends on other members. A pod template in a
 * Deployment is defaulted as one in a ReplicaSet because both hold the same message. */
#include "lib/api/defaults.h"

#include "lib/api/custom.h"
#include "lib/api/kinds.h"
#include "lib/api/limits.h"
#include "lib/api/rules/default_hooks.h"
#include "lib/api/rules/rules.h"
#include <assert.h>
#include <stdlib.h>

static void mark_present(const struct api_field *field, void *object)
{
    if (field->presence != API_NO_OFFSET) {
        protobuf_c_boolean *has = (void *)((char *)object + field->presence);
        *has = 1;
    }
}

/* The one item of a list of texts. */
static void fill_list(struct arena *arena, const struct api_field *field, void *object)
{
    char ***items = api_field_at(field, object);
    size_t *count = (void *)((char *)object + field->presence);
    assert(field->label == API_REPEATED && field->type == API_STRING);
    *items = arena_array(arena, 1, sizeof(char *));
    (*items)[0] = arena_text(arena, field->rules->fill);
    *count = 1;
}

static void fill(struct arena *arena, const struct api_field *field, void *object)
{
    const char *text = field->rules->fill;
    void *at = api_field_at(field, object);
    if (field->label != API_SINGLE) {
        fill_list(arena, field, object);
        return;
    }
    if (field->type == API_STRING) {
        char **string = at;
        *string = arena_text(arena, text);
    } else if (field->type == API_INT32) {
        int32_t *number = at;
        *number = (int32_t)strtol(text, NULL, /* base= */ 10);
    } else if (field->type == API_INT64) {
        int64_t *number = at;
        *number = strtoll(text, NULL, /* base= */ 10);
    } else if (field->type == API_BOOL) {
        protobuf_c_boolean *flag = at;
        *flag = strcmp(text, "true") == 0;
    } else {
        assert(field->type == API_OBJECT); /* "{}" */
        void **message = at;
        *message = api_message_new(arena, field->message);
    }
    mark_present(field, object);
}

/* What the server puts there: an empty text that is no pointer counts as none. */
static bool is_empty(const struct api_field *field, const void *object)
{
    if (field->label == API_SINGLE && field->type == API_STRING &&
        (field->flags & API_POINTER) == 0) {
        const char *const *text = api_field_at(field, object);
        return rules_empty(*text);
    }
    return !api_field_is_set(field, object);
}

static void walk(struct arena *arena, const struct api_message *message, void *object,
                 unsigned depth);

static void walk_field(struct arena *arena, const struct api_field *field, void *object,
                       unsigned depth)
{
    if (field->type != API_OBJECT || field->label == API_MAP) {
        return;
    }
    if (field->label == API_SINGLE) {
        void **inner = api_field_at(field, object);
        if (*inner != NULL) {
            walk(arena, field->message, *inner, depth);
        }
        return;
    }
    void ***items = api_field_at(field, object);
    size_t count = api_field_count(field, object);
    for (size_t i = 0; i < count; i++) {
        if ((*items)[i] != NULL) {
            walk(arena, field->message, (*items)[i], depth);
        }
    }
}

static void walk(struct arena *arena, const struct api_message *message, void *object,
                 unsigned depth)
{
    if (depth > API_OBJECT_DEPTH_MAX) {
        return;
    }
    for (size_t i = 0; i < message->field_count; i++) {
        const struct api_field *field = &message->fields[i];
        if (field->rules->fill != NULL && is_empty(field, object)) {
            fill(arena, field, object);
        }
    }
    /* A hook may add members (a volume without a source gets emptyDir): it comes before the walk
     * inside, but after the message's own plain values. */
    default_hook *hook = default_hook_of(message);
    if (hook != NULL) {
        hook(arena, object);
    }
    for (size_t i = 0; i < message->field_count; i++) {
        walk_field(arena, &message->fields[i], object, depth + 1);
    }
}

void api_default_message(struct arena *arena, const struct api_message *table, void *message)
{
    walk(arena, table, message, 0);
}

void api_default_object(struct arena *arena, const struct api_kind *kind, void *message)
{
    if (custom_of(kind) != NULL) {
        custom_default(arena, kind, message);
    } else {
        api_default_message(arena, kind->message, message);
    }
}
