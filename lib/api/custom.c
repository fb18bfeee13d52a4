#include "lib/api/custom.h"

#include "k8s/tables.h"
#include "lib/api/cel_functions.h"
#include "lib/api/custom_rules.h"
#include "lib/api/object.h"
#include "lib/base/alloc.h"
#include <assert.h>
#include <stdlib.h>

typedef Apiextensions__V1__CustomResourceDefinition definition_t;

/* --- The message table that all share ----------------------------------------------------------
 */

static const struct api_field metadata_field = {
    .name = "metadata",
    .name_len = sizeof("metadata") - 1,
    .type = API_OBJECT,
    .label = API_SINGLE,
    .number = 1,
    .offset = offsetof(struct custom_object, metadata),
    .presence = API_NO_OFFSET,
    .message = &meta__v1__object_meta__schema,
    .rules = &api_no_rules,
    .description = "",
};
static const struct api_member metadata_member = {.field = &metadata_field};
static const uint16_t metadata_by_name[] = {0};

static const char *const no_texts[] = {NULL};

static const char *const *texts(struct arena *arena, char **items, size_t count)
{
    if (count == 0) {
        return no_texts;
    }
    const char **list = arena_array(arena, count + 1, sizeof(*list));
    for (size_t i = 0; i < count; i++) {
        list[i] = text_or_empty(items[i]);
    }
    return list;
}

/* "com.example.v1.Widget" of example.com/v1. */
static const char *schema_name(struct arena *arena, const struct api_kind *kind)
{
    const char *name = "";
    size_t end = strlen(kind->group);
    while (end > 0) {
        size_t begin = end;
        while (begin > 0 && kind->group[begin - 1] != '.') {
            begin--;
        }
        name = arena_printf(arena, "%s%.*s.", name, (int)(end - begin), kind->group + begin);
        end = begin > 0 ? begin - 1 : 0;
    }
    return arena_printf(arena, "%s%s.%s", name, kind->version, kind->kind);
}

static void fill_message(struct arena *arena, struct custom_version *version)
{
    const struct api_kind *kind = &version->kind;
    version->message = (struct api_message){
        .name = kind->kind,
        .full_name = arena_printf(arena, "%s.%s.%s", kind->group, kind->version, kind->kind),
        .schema_name = schema_name(arena, kind),
        .group = kind->group,
        .version = kind->version,
        .size = sizeof(struct custom_object),
        .form = API_OBJECT,
        .type_meta = true,
        .published = true,
        .field_count = 1,
        .member_count = 1,
        .fields = &metadata_field,
        .members = &metadata_member,
        .by_name = metadata_by_name,
        .metadata = &metadata_field,
        .description = "",
        .custom = version,
    };
}

/* --- Kinds -------------------------------------------------------------------------------------
 */

static void fill_subresources(struct custom_version *version)
{
    const Apiextensions__V1__CustomResourceSubresources *source = version->source->subresources;
    struct api_kind *kind = &version->kind;
    const uint32_t verbs = API_VERB_GET | API_VERB_PATCH | API_VERB_UPDATE;
    size_t count = 0;
    if (source != NULL && source->status != NULL) {
        kind->has_status = true;
        version->subresources[count++] = (struct api_subresource){.name = "status",
                                                                  .group = kind->group,
                                                                  .version = kind->version,
                                                                  .kind = kind->kind,
                                                                  .verbs = verbs,
                                                                  .message = &version->message};
    }
    if (source != NULL && source->scale != NULL) {
        version->subresources[count++] =
            (struct api_subresource){.name = "scale",
                                     .group = "autoscaling",
                                     .version = "v1",
                                     .kind = "Scale",
                                     .verbs = verbs,
                                     .message = &autoscaling__v1__scale__schema};
    }
    kind->subresources = version->subresources;
    kind->subresource_count = count;
}

static const char *const *selectable(struct arena *arena,
                                     const Apiextensions__V1__CustomResourceDefinitionVersion *from)
{
    size_t count = from->n_selectable_fields;
    const char **list = arena_array(arena, count + 3, sizeof(*list));
    list[0] = "metadata.name";
    list[1] = "metadata.namespace";
    for (size_t i = 0; i < count; i++) {
        const char *path = text_or_empty(from->selectable_fields[i]->json_path);
        list[i + 2] = path[0] == '.' ? path + 1 : path;
    }
    return list;
}

static void fill_kind(struct custom_resource *resource, struct custom_version *version,
                      const struct custom_options *options, const char *storage_hash)
{
    static const char *const status_keeps[] = {"metadata", NULL};
    const Apiextensions__V1__CustomResourceDefinitionSpec *spec = resource->definition->spec;
    const Apiextensions__V1__CustomResourceDefinitionNames *names =
        resource->definition->status->accepted_names;
    struct arena *arena = resource->arena;
    const char *name = text_or_empty(version->source->name);
    version->kind = (struct api_kind){
        .group = spec->group,
        .version = name,
        .kind = text_or_empty(names->kind),
        .api_version = arena_printf(arena, "%s/%s", spec->group, name),
        .list_kind = text_or_empty(names->list_kind),
        .plural = text_or_empty(names->plural),
        .singular = text_or_empty(names->singular),
        .resource = arena_printf(arena, "%s.%s", text_or_empty(names->plural), spec->group),
        .short_names = texts(arena, names->short_names, names->n_short_names),
        .categories = texts(arena, names->categories, names->n_categories),
        .namespaced = strcmp(text_or_empty(spec->scope), "Namespaced") == 0,
        .stored = true,
        .verbs = API_VERBS,
        .message = &version->message,
        .storage_prefix =
            arena_printf(arena, "/registry/%s/%s/", spec->group, text_or_empty(names->plural)),
        .storage_hash = storage_hash,
        .selectable = selectable(arena, version->source),
        .index = options->index,
        .names = API_SYNTAX_DNS1123_SUBDOMAIN,
        .generation = API_GENERATION_CONTENT,
        .propagation = API_PROPAGATION_BACKGROUND,
        .status_keeps = status_keeps,
    };
    fill_subresources(version);
    fill_message(arena, version);
    version->columns = custom_columns(arena, version, &version->column_count);
}

/* --- Order of versions -------------------------------------------------------------------------
 */

/* "v2", "v1", "v1beta2", "v1alpha1", and then what is no such name, by the alphabet. */
struct version_rank {
    int stability; /* 2: final, 1: beta, 0: alpha, -1: another name. */
    unsigned long major, minor;
};

static struct version_rank rank_of(const char *name)
{
    const struct version_rank other = {.stability = -1};
    struct version_rank rank = {.stability = 2};
    char *end = NULL;
    if (name[0] != 'v' || name[1] < '1' || name[1] > '9') {
        return other;
    }
    rank.major = strtoul(name + 1, &end, 10);
    if (*end == '\0') {
        return rank;
    }
    bool beta = strncmp(end, "beta", 4) == 0;
    if (!beta && strncmp(end, "alpha", 5) != 0) {
        return other;
    }
    end += beta ? 4 : 5;
    if (*end < '1' || *end > '9') {
        return other;
    }
    rank.stability = beta ? 1 : 0;
    rank.minor = strtoul(end, &end, 10);
    return *end == '\0' ? rank : other;
}

int custom_version_order(const char *a, const char *b)
{
    struct version_rank one = rank_of(a), other = rank_of(b);
    if (one.stability != other.stability) {
        return one.stability < other.stability ? 1 : -1;
    }
    if (one.major != other.major) {
        return one.major < other.major ? 1 : -1;
    }
    if (one.minor != other.minor) {
        return one.minor < other.minor ? 1 : -1;
    }
    return strcmp(a, b);
}

static int newest_first(const void *a, const void *b)
{
    const Apiextensions__V1__CustomResourceDefinitionVersion *const *left = a, *const *right = b;
    return custom_version_order(text_or_empty((*left)->name), text_or_empty((*right)->name));
}

static void fill_versions(struct custom_resource *resource, const struct custom_options *options)
{
    const Apiextensions__V1__CustomResourceDefinitionSpec *spec = resource->definition->spec;
    struct arena *arena = resource->arena;
    size_t count = spec->n_versions;
    const Apiextensions__V1__CustomResourceDefinitionVersion **sorted =
        arena_array(arena, count, sizeof(*sorted));
    const char *storage_hash = arena_text(arena, options->storage_hash);
    for (size_t i = 0; i < count; i++) {
        sorted[i] = spec->versions[i];
    }
    qsort(sorted, count, sizeof(*sorted), newest_first);
    resource->versions = arena_array(arena, count, sizeof(*resource->versions));
    resource->version_count = count;
    for (size_t i = 0; i < count; i++) {
        struct custom_version *version = &resource->versions[i];
        version->resource = resource;
        version->source = sorted[i];
        fill_kind(resource, version, options, storage_hash);
        if (sorted[i]->storage || resource->storage == NULL) {
            resource->storage = version;
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct custom_version *version = &resource->versions[i];
        bool apart = version == resource->storage || custom_converter(&version->kind) != NULL;
        version->kind.stored_as = apart ? NULL : &resource->storage->kind;
    }
}

/* --- Life --------------------------------------------------------------------------------------
 */

struct custom_schema {
    struct arena *arena;
    const struct structural *structural;
    struct cel_functions *functions; /* Of the rules; NULL without any. */
    const struct custom_rules *rules;
};

struct custom_resource *custom_resource_new(const definition_t *definition,
                                            const struct custom_options *options)
{
    struct custom_resource *resource = alloc_zeroed(sizeof(*resource));
    assert(definition->spec->n_versions > 0);
    atomic_init(&resource->references, 1);
    resource->arena = arena_new(SIZE_MAX);
    resource->definition = definition;
    resource->release = options->release;
    resource->owner = options->owner;
    resource->lineage = options->lineage;
    resource->functions = options->functions == NULL ? NULL : cel_functions_ref(options->functions);
    fill_versions(resource, options);
    return resource;
}

static void schema_free(struct custom_schema *schema)
{
    if (schema != NULL) {
        cel_functions_unref(schema->functions);
        arena_free(schema->arena);
        free(schema);
    }
}

void custom_resource_unref(struct custom_resource *resource)
{
    if (resource == NULL ||
        atomic_fetch_sub_explicit(&resource->references, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < resource->version_count; i++) {
        schema_free(atomic_load(&resource->versions[i].schema));
    }
    cel_functions_unref(resource->functions);
    arena_free(resource->arena);
    resource->release(resource->owner);
    free(resource);
}

const struct api_kind *custom_kind_ref(const struct api_kind *kind)
{
    const struct custom_version *version = custom_of(kind);
    if (version != NULL) {
        atomic_fetch_add_explicit(&version->resource->references, 1, memory_order_relaxed);
    }
    return kind;
}

void custom_kind_unref(const struct api_kind *kind)
{
    const struct custom_version *version = kind == NULL ? NULL : custom_of(kind);
    if (version != NULL) {
        custom_resource_unref(version->resource);
    }
}

const struct api_kind *custom_resource_kind(const struct custom_resource *resource,
                                            const char *version)
{
    for (size_t i = 0; i < resource->version_count; i++) {
        const struct custom_version *each = &resource->versions[i];
        if (each->source->served && strcmp(each->kind.version, version) == 0) {
            return &each->kind;
        }
    }
    return NULL;
}

const char *custom_deprecation(struct arena *arena, const struct custom_version *version)
{
    const struct custom_resource *resource = version->resource;
    const char *group = resource->definition->spec->group, *kind = version->kind.kind;
    const char *name = version->source->name;
    if (!version->source->deprecated) {
        return NULL;
    }
    if (version->source->deprecation_warning != NULL) {
        return version->source->deprecation_warning;
    }
    const char *text = arena_printf(arena, "%s/%s %s is deprecated", group, name, kind);
    for (size_t i = 0; i < resource->version_count; i++) {
        const Apiextensions__V1__CustomResourceDefinitionVersion *other =
            resource->versions[i].source;
        if (other->served && !other->deprecated && custom_version_order(other->name, name) < 0) {
            return arena_printf(arena, "%s; use %s/%s %s", text, group, other->name, kind);
        }
    }
    return text;
}

const Apiextensions__V1__WebhookConversion *custom_converter(const struct api_kind *kind)
{
    const struct custom_version *version = custom_of(kind);
    if (version == NULL || version->resource->version_count < 2) {
        return NULL;
    }
    const Apiextensions__V1__CustomResourceConversion *conversion =
        version->resource->definition->spec->conversion;
    bool asked = conversion != NULL && strcmp(text_or_empty(conversion->strategy), "Webhook") == 0;
    return asked ? conversion->webhook : NULL;
}

const struct api_kind *custom_sibling(const struct api_kind *kind, const char *version)
{
    const struct custom_resource *resource = custom_of(kind)->resource;
    for (size_t i = 0; i < resource->version_count; i++) {
        if (strcmp(resource->versions[i].kind.version, version) == 0) {
            return &resource->versions[i].kind;
        }
    }
    return NULL;
}

static const struct custom_schema *compiled(const struct custom_version *version)
{
    /* Made behind const: all who look share it, and it never changes. */
    struct custom_version *shared = (struct custom_version *)(uintptr_t)version;
    struct custom_schema *known = atomic_load_explicit(&shared->schema, memory_order_acquire);
    if (known != NULL) {
        return known;
    }
    struct custom_schema *made = alloc_zeroed(sizeof(*made));
    const Apiextensions__V1__CustomResourceValidation *source = version->source->schema;
    made->arena = arena_new(SIZE_MAX);
    if (source != NULL && source->open_apiv3_schema != NULL) {
        made->structural = structural_parse(made->arena, source->open_apiv3_schema);
    }
    if (custom_rules_are_there(made->structural)) {
        made->functions = shared->resource->functions == NULL
                              ? api_cel_functions_new()
                              : cel_functions_ref(shared->resource->functions);
        made->rules = custom_rules_new(made->arena, made->structural, /* is_resource= */ true,
                                       made->functions);
    }
    /* Two threads may parse at once; the first to publish wins. */
    if (atomic_compare_exchange_strong(&shared->schema, &known, made)) {
        return made;
    }
    schema_free(made);
    return known;
}

const struct structural *custom_schema(const struct custom_version *version)
{
    return compiled(version)->structural;
}

const struct custom_rules *custom_rules(const struct custom_version *version)
{
    return compiled(version)->rules;
}
