/* What the writer of a pod is told of files in its volumes that lie over or in one another. */
#include "lib/api/rules/warnings.h"

enum { PLACES_MAX = 256 }; /* Of one volume; those after them are not held against others. */

/* A file, and what it is made from ("" where the volume says so). */
struct place {
    const char *path, *source;
};

struct places {
    struct api_causes *warnings;
    const char *volume, *what; /* "ConfigMap \"a\"" */
    size_t count;
    struct place items[PLACES_MAX];
};

static const char *place_text(struct arena *arena, const struct place *place)
{
    return *place->source == '\0' ? arena_printf(arena, "\"%s\"", place->path)
                                  : arena_printf(arena, "\"%s\" (%s)", place->path, place->source);
}

/* Whether `path` is `folder`, or below it. */
static bool is_below(const char *path, const char *folder)
{
    size_t len = strlen(folder);
    return strncmp(path, folder, len) == 0 && (path[len] == '\0' || path[len] == '/');
}

static void add_place(struct places *places, const char *path, const char *source)
{
    struct arena *arena = places->warnings->arena;
    size_t len = strlen(text_or_empty(path));
    while (len > 0 && path[len - 1] == '/') {
        len--;
    }
    if (len == 0 || places->count == PLACES_MAX || api_causes_full(places->warnings)) {
        return;
    }
    struct place place = {.path = arena_text_n(arena, path, len), .source = source};
    for (size_t i = 0; i < places->count; i++) {
        const struct place *other = &places->items[i];
        if (is_below(place.path, other->path) || is_below(other->path, place.path)) {
            api_cause_add(places->warnings, "",
                          arena_printf(arena, "volume \"%s\" (%s): overlapping paths: %s with %s",
                                       places->volume, places->what, place_text(arena, &place),
                                       place_text(arena, other)),
                          "");
        }
    }
    places->items[places->count++] = place;
}

static void add_keys(struct places *places, Core__V1__KeyToPath *const *items, size_t count,
                     const char *source)
{
    for (size_t i = 0; i < count; i++) {
        add_place(places, items[i]->path, source);
    }
}

static void add_files(struct places *places, Core__V1__DownwardAPIVolumeFile *const *items,
                      size_t count, const char *source)
{
    for (size_t i = 0; i < count; i++) {
        add_place(places, items[i]->path, source);
    }
}

static const char *named(struct arena *arena, const char *kind, const char *name)
{
    return arena_printf(arena, "%s \"%s\"", kind, text_or_empty(name));
}

static void add_projection(struct places *places, const Core__V1__VolumeProjection *source)
{
    struct arena *arena = places->warnings->arena;
    const Core__V1__ClusterTrustBundleProjection *bundle = source->cluster_trust_bundle;
    if (source->config_map != NULL && source->config_map->n_items > 0) {
        const char *name = source->config_map->local_object_reference == NULL
                               ? ""
                               : source->config_map->local_object_reference->name;
        add_keys(places, source->config_map->items, source->config_map->n_items,
                 named(arena, "ConfigMap", name));
    } else if (source->secret != NULL && source->secret->n_items > 0) {
        const char *name = source->secret->local_object_reference == NULL
                               ? ""
                               : source->secret->local_object_reference->name;
        add_keys(places, source->secret->items, source->secret->n_items,
                 named(arena, "Secret", name));
    } else if (source->downward_api != NULL && source->downward_api->n_items > 0) {
        add_files(places, source->downward_api->items, source->downward_api->n_items,
                  "DownwardAPI");
    } else if (source->service_account_token != NULL) {
        add_place(places, source->service_account_token->path, "ServiceAccountToken");
    } else if (bundle != NULL) {
        add_place(places, bundle->path,
                  named(arena, "ClusterTrustBundle",
                        bundle->name != NULL ? bundle->name : bundle->signer_name));
    } else if (source->config_map == NULL && source->secret == NULL &&
               source->downward_api == NULL) {
        api_cause_add(places->warnings, "",
                      arena_printf(arena, "volume \"%s\" (Projected) has no sources provided",
                                   places->volume),
                      "");
    }
}

void rules_warn_paths(struct api_causes *warnings, const Core__V1__Volume *volume)
{
    struct arena *arena = warnings->arena;
    const Core__V1__VolumeSource *source = volume->volume_source;
    if (source == NULL) {
        return;
    }
    struct places places;
    places.warnings = warnings;
    places.volume = text_or_empty(volume->name);
    places.count = 0;
    if (source->config_map != NULL) {
        const Core__V1__LocalObjectReference *name = source->config_map->local_object_reference;
        places.what = named(arena, "ConfigMap", name == NULL ? "" : name->name);
        add_keys(&places, source->config_map->items, source->config_map->n_items, "");
    } else if (source->secret != NULL) {
        places.what = named(arena, "Secret", source->secret->secret_name);
        add_keys(&places, source->secret->items, source->secret->n_items, "");
    } else if (source->downward_api != NULL) {
        places.what = "DownwardAPI";
        add_files(&places, source->downward_api->items, source->downward_api->n_items, "");
    } else if (source->projected != NULL) {
        places.what = "Projected";
        for (size_t i = 0; i < source->projected->n_sources; i++) {
            add_projection(&places, source->projected->sources[i]);
        }
    }
}
