/* Pruning and defaulting of objects by their schema. */
#include "lib/api/limits.h"
#include "lib/api/structural.h"

#include <stdlib.h>

struct pruning {
    struct arena *arena;
    struct api_problems *problems; /* Or NULL. */
    size_t first;                  /* Of our own among them. */
};

static void prune(struct pruning *pruning, const struct structural *schema,
                  struct json_value *value, const struct api_path *at);

static void remember(struct pruning *pruning, const struct api_path *path)
{
    struct api_problems *problems = pruning->problems;
    if (problems == NULL || problems->count == API_PROBLEMS_MAX) {
        return;
    }
    if (problems->texts == NULL) {
        problems->capacity = API_PROBLEMS_MAX;
        problems->texts = arena_array(pruning->arena, API_PROBLEMS_MAX, sizeof(char *));
    }
    problems->texts[problems->count++] =
        arena_printf(pruning->arena, "unknown field \"%s\"", api_path_text(pruning->arena, path));
}

static void prune_object(struct pruning *pruning, const struct structural *schema,
                         struct json_value *object, const struct api_path *at)
{
    for (size_t i = 0; i < object->count; i++) {
        struct json_member *member = &object->members[i];
        struct api_path path = api_path_field(at, (const char *)member->name.data);
        const struct structural *inner = structural_member(schema, member->name);
        bool meta = schema->embedded_resource && structural_is_type_meta(member->name);
        if (inner == NULL && !meta && !schema->has_additional && !schema->preserve_unknown) {
            remember(pruning, &path);
            member->value = NULL;
            continue;
        }
        if (inner != NULL && !meta) {
            prune(pruning, inner, member->value, &path);
        }
    }
    json_sweep(pruning->arena, object);
}

static void prune(struct pruning *pruning, const struct structural *schema,
                  struct json_value *value, const struct api_path *at)
{
    if (value->type == JSON_OBJECT) {
        prune_object(pruning, schema, value, at);
    } else if (value->type == JSON_ARRAY && schema->items != NULL) {
        for (size_t i = 0; i < value->count; i++) {
            struct api_path path = api_path_index(at, i);
            prune(pruning, schema->items, value->items[i], &path);
        }
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void structural_prune(struct arena *arena, const struct structural *root, struct json_value *object,
                      struct api_problems *problems)
{
    struct pruning pruning = {
        .arena = arena, .problems = problems, .first = problems == NULL ? 0 : problems->count};
    prune(&pruning, root, object, NULL);
    if (problems != NULL && problems->count - pruning.first > 1) {
        qsort(problems->texts + pruning.first, problems->count - pruning.first,
              sizeof(problems->texts[0]), by_text);
    }
}

/* --- Defaults ----------------------------------------------------------------------------------
 */

/* A null that is not allowed counts as absent. */
static bool is_absent(const struct structural *schema, const struct json_value *value)
{
    return value == NULL || (value->type == JSON_NULL && !schema->nullable);
}

static void default_properties(struct arena *arena, const struct structural *schema,
                               struct json_value *object)
{
    for (size_t i = 0; i < schema->property_count; i++) {
        const struct structural_property *property = &schema->properties[i];
        struct json_value *value = json_get(object, property->name);
        if (is_absent(property->schema, value)) {
            if (property->schema->default_value == NULL) {
                json_drop(object, property->name); /* A null, or nothing. */
                continue;
            }
            value = json_copy(arena, property->schema->default_value);
            json_set(arena, object, property->name, value);
        }
        structural_default(arena, property->schema, value);
    }
    json_sweep(arena, object);
}

static void default_additional(struct arena *arena, const struct structural *schema,
                               struct json_value *object)
{
    for (size_t i = 0; i < object->count; i++) {
        struct json_member *member = &object->members[i];
        if (structural_property(schema, member->name) != NULL) {
            continue;
        }
        if (is_absent(schema->additional, member->value) &&
            schema->additional->default_value != NULL) {
            member->value = json_copy(arena, schema->additional->default_value);
        }
        structural_default(arena, schema->additional, member->value);
    }
}

void structural_default(struct arena *arena, const struct structural *root,
                        struct json_value *object)
{
    if (object->type == JSON_OBJECT) {
        default_properties(arena, root, object);
        if (root->additional != NULL) {
            default_additional(arena, root, object);
        }
    } else if (object->type == JSON_ARRAY && root->items != NULL) {
        for (size_t i = 0; i < object->count; i++) {
            if (is_absent(root->items, object->items[i]) && root->items->default_value != NULL) {
                object->items[i] = json_copy(arena, root->items->default_value);
            }
            structural_default(arena, root->items, object->items[i]);
        }
    }
}
