/* Which paths there are, and with which operations. kubectl reads there which query parameters a
 * request takes, generators of clients all of it. */
#include "lib/api/openapi_internal.h"

static void begin(struct openapi_paths *paths, const struct openapi_place *place)
{
    buffer_printf(paths->out, "%s\"%s\":{", paths->started ? "," : "", place->path);
    paths->started = true;
}

static void end(struct openapi_paths *paths, const struct openapi_place *place)
{
    openapi_path_parameters(paths->out, paths->form, place);
    buffer_append_text(paths->out, "}");
}

static void operation(struct openapi_paths *paths, const struct openapi_place *place,
                      const char *method, const char *action)
{
    openapi_operation(paths, place, method, action);
    buffer_append_text(paths->out, ",");
}

/* get, put, post, patch, delete of one object or subresource. */
static void object_path(struct openapi_paths *paths, const struct openapi_place *place,
                        uint32_t verbs)
{
    static const struct {
        enum api_verb verb;
        const char *method, *action;
    } operations[] = {
        {API_VERB_GET, "get", "get"},       {API_VERB_UPDATE, "put", "put"},
        {API_VERB_CREATE, "post", "post"},  {API_VERB_DELETE, "delete", "delete"},
        {API_VERB_PATCH, "patch", "patch"},
    };
    bool connects = place->subresource != NULL && api_subresource_connects(place->subresource);
    begin(paths, place);
    for (size_t i = 0; i < ARRAY_LEN(operations); i++) {
        if ((verbs & operations[i].verb) != 0) {
            operation(paths, place, operations[i].method,
                      connects ? "connect" : operations[i].action);
        }
    }
    if (connects && (verbs & API_VERB_DELETE) != 0) { /* A proxy: whatever HTTP has. */
        operation(paths, place, "head", "connect");
        operation(paths, place, "options", "connect");
    }
    end(paths, place);
}

static void collection_path(struct openapi_paths *paths, const struct openapi_place *place,
                            uint32_t verbs)
{
    begin(paths, place);
    if ((verbs & API_VERB_LIST) != 0) {
        operation(paths, place, "get", "list");
    }
    if ((verbs & API_VERB_CREATE) != 0) {
        operation(paths, place, "post", "post");
    }
    if ((verbs & API_VERB_DELETECOLLECTION) != 0) {
        operation(paths, place, "delete", "deletecollection");
    }
    end(paths, place);
}

static struct openapi_place place_of(struct openapi_paths *paths, const struct api_kind *kind)
{
    return (struct openapi_place){.kind = kind,
                                  .group = kind->group,
                                  .version = kind->version,
                                  .body_kind = kind->kind,
                                  .body = kind->message->schema_name,
                                  .list = openapi_list_name(paths->arena, kind),
                                  .namespaced = kind->namespaced};
}

/* "/apis/apps/v1" */
static const char *root_of(struct arena *arena, const struct api_kind *kind)
{
    return arena_printf(arena, "%s%s/%s", kind->group[0] == '\0' ? "/api" : "/apis/", kind->group,
                        kind->version);
}

static const char *in_namespace(const struct api_kind *kind)
{
    return kind->namespaced ? "namespaces/{namespace}/" : "";
}

static void subresource_path(struct openapi_paths *paths, const struct openapi_place *object,
                             const struct api_subresource *subresource)
{
    struct openapi_place place = *object;
    place.path = arena_printf(paths->arena, "%s/%s", object->path, subresource->name);
    place.subresource = subresource;
    place.group = subresource->group;
    place.version = subresource->version;
    place.body_kind = subresource->kind;
    place.body = subresource->message == NULL ? NULL : subresource->message->schema_name;
    object_path(paths, &place, subresource->verbs);
    if (strcmp(subresource->name, "proxy") == 0) { /* What follows is the other server's. */
        place.with_path = true;
        place.path = arena_printf(paths->arena, "%s/{path}", place.path);
        object_path(paths, &place, subresource->verbs);
    }
}

static void kind_paths(struct openapi_paths *paths, const struct api_kind *kind)
{
    enum { OF_ONE = API_VERB_GET | API_VERB_UPDATE | API_VERB_PATCH | API_VERB_DELETE };
    enum { OF_ALL = API_VERB_LIST | API_VERB_CREATE | API_VERB_DELETECOLLECTION };
    const char *root = root_of(paths->arena, kind);
    struct openapi_place place = place_of(paths, kind);
    if (kind->namespaced && (kind->verbs & API_VERB_LIST) != 0) {
        struct openapi_place everywhere = place;
        everywhere.path = arena_printf(paths->arena, "%s/%s", root, kind->plural);
        everywhere.namespaced = false;
        collection_path(paths, &everywhere, API_VERB_LIST);
    }
    place.path = arena_printf(paths->arena, "%s/%s%s", root, in_namespace(kind), kind->plural);
    if ((kind->verbs & OF_ALL) != 0) {
        collection_path(paths, &place, kind->verbs);
    }
    place.named = true;
    place.path = arena_printf(paths->arena, "%s/{name}", place.path);
    if ((kind->verbs & OF_ONE) != 0) {
        object_path(paths, &place, kind->verbs & OF_ONE);
    }
    for (size_t i = 0; i < kind->subresource_count; i++) {
        subresource_path(paths, &place, &kind->subresources[i]);
    }
}

static void watch_path(struct openapi_paths *paths, const struct openapi_place *place,
                       const char *action)
{
    begin(paths, place);
    operation(paths, place, "get", action);
    end(paths, place);
}

/* The older way to watch, by path instead of by query. */
static void watch_paths(struct openapi_paths *paths, const struct api_kind *kind)
{
    const char *root = root_of(paths->arena, kind);
    struct openapi_place place = place_of(paths, kind);
    if (kind->namespaced) {
        struct openapi_place everywhere = place;
        everywhere.path = arena_printf(paths->arena, "%s/watch/%s", root, kind->plural);
        everywhere.namespaced = false;
        watch_path(paths, &everywhere, "watchlist");
    }
    place.path =
        arena_printf(paths->arena, "%s/watch/%s%s", root, in_namespace(kind), kind->plural);
    watch_path(paths, &place, "watchlist");
    place.named = true;
    place.path = arena_printf(paths->arena, "%s/{name}", place.path);
    watch_path(paths, &place, "watch");
}

static void root_path(struct openapi_paths *paths, const struct api_kind *kind)
{
    struct arena *arena = paths->arena;
    const struct openapi_lookup lookup = {
        .path = arena_printf(arena, "%s/", root_of(arena, kind)),
        .operation_id =
            arena_printf(arena, "get%sV%sAPIResources",
                         openapi_group_word(arena, kind->group, true), kind->version + 1),
        .description = "Read which resources there are.",
        .tag = arena_printf(arena, "%s_%s", openapi_group_word(arena, kind->group, false),
                            kind->version),
        .schema = OPENAPI_META "APIResourceList"};
    openapi_lookup_path(paths, &lookup);
}

void openapi_kind_paths(struct openapi_paths *paths, const struct api_kind *const *kinds,
                        size_t count)
{
    if (count > 0 && kinds[0]->message->custom == NULL) {
        root_path(paths, kinds[0]);
    }
    for (size_t i = 0; i < count; i++) {
        kind_paths(paths, kinds[i]);
        if (kinds[i]->message->custom == NULL && (kinds[i]->verbs & API_VERB_WATCH) != 0) {
            watch_paths(paths, kinds[i]);
        }
    }
}
