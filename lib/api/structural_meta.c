#include "lib/api/structural_meta.h"

#include "k8s/tables.h"
#include "lib/api/codec.h"
#include "lib/api/limits.h"
#include "lib/api/rules/rules.h"
#include "lib/api/shown.h"
#include "lib/api/syntax.h"
#include <stdlib.h>

#define UNKNOWN "unknown field \""

/* --- Pruning -----------------------------------------------------------------------------------
 */

struct walk {
    struct arena *arena;
    struct api_problems *problems; /* Or NULL. */
};

/* Those of the metadata alone, with the path of the metadata put before theirs. */
static void take_problems(struct walk *walk, const struct api_path *at,
                          const struct api_problems *own)
{
    struct api_problems *problems = walk->problems;
    for (size_t i = 0; problems != NULL && i < own->count; i++) {
        bool unknown = strncmp(own->texts[i], UNKNOWN, strlen(UNKNOWN)) == 0;
        if (!unknown || problems->count == API_PROBLEMS_MAX) {
            continue;
        }
        if (problems->texts == NULL) {
            problems->capacity = API_PROBLEMS_MAX;
            problems->texts = arena_array(walk->arena, API_PROBLEMS_MAX, sizeof(char *));
        }
        problems->texts[problems->count++] =
            arena_printf(walk->arena, UNKNOWN "%s.%s", api_path_text(walk->arena, at),
                         own->texts[i] + strlen(UNKNOWN));
    }
}

static void prune_metadata(struct walk *walk, struct json_value *object, const struct api_path *at)
{
    struct json_value *metadata = json_get_text(object, "metadata");
    struct api_path path = api_path_field(at, "metadata");
    struct api_problems own = {0};
    void *meta = NULL;
    if (metadata == NULL || metadata->type != JSON_OBJECT ||
        api_message_from_json(walk->arena, &meta__v1__object_meta__schema, metadata, &own, &meta,
                              NULL) != 0) {
        return;
    }
    const Meta__V1__ObjectMeta *read = meta;
    struct json_value *pruned =
        api_message_to_json(walk->arena, &meta__v1__object_meta__schema, meta, NULL);
    if (read->creation_timestamp == NULL) {
        (void)json_remove(pruned, slice_text("creationTimestamp")); /* A null. */
    }
    json_set_text(walk->arena, object, "metadata", pruned);
    take_problems(walk, &path, &own);
}

static void prune(struct walk *walk, const struct structural *schema, struct json_value *value,
                  const struct api_path *at)
{
    if (value->type == JSON_OBJECT && schema->embedded_resource) {
        prune_metadata(walk, value, at);
    }
    for (size_t i = 0; value->type == JSON_OBJECT && i < value->count; i++) {
        const struct structural *inner = structural_member(schema, value->members[i].name);
        struct api_path path = api_path_field(at, (const char *)value->members[i].name.data);
        if (inner != NULL) {
            prune(walk, inner, value->members[i].value, &path);
        }
    }
    for (size_t i = 0; value->type == JSON_ARRAY && schema->items != NULL && i < value->count;
         i++) {
        struct api_path path = api_path_index(at, i);
        prune(walk, schema->items, value->items[i], &path);
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void structural_meta_prune(struct arena *arena, const struct structural *root,
                           struct json_value *object, struct api_problems *problems)
{
    struct walk walk = {.arena = arena, .problems = problems};
    size_t first = problems == NULL ? 0 : problems->count;
    prune(&walk, root, object, NULL);
    if (problems != NULL && problems->count - first > 1) {
        qsort(problems->texts + first, problems->count - first, sizeof(problems->texts[0]),
              by_text);
    }
}

/* --- Checking ----------------------------------------------------------------------------------
 */

void structural_meta_check(struct api_causes *causes, const struct api_path *at,
                           const struct json_value *metadata)
{
    struct arena *arena = causes->arena;
    struct api_path path = api_path_field(at, "metadata");
    CLEANUP(error_release) struct error error = {0};
    void *meta = NULL;
    if (api_message_from_json(arena, &meta__v1__object_meta__schema, metadata, NULL, &meta,
                              &error) != 0) {
        api_cause_invalid(causes, &path, api_shown_json(arena, metadata),
                          arena_text(arena, error_message(&error)));
        return;
    }
    Meta__V1__PartialObjectMetadata *object =
        api_message_new(arena, &meta__v1__partial_object_metadata__schema);
    object->metadata = meta;
    if (rules_empty(object->metadata->name)) { /* An embedded object needs none. */
        object->metadata->name = arena_text(arena, "fakename");
    }
    struct api_frame frame = api_frame_object(&meta__v1__partial_object_metadata__schema, object);
    frame.at = at;
    rules_object_meta(causes, &frame, meta, !rules_empty(object->metadata->namespace_),
                      api_syntax_path_segment);
}
