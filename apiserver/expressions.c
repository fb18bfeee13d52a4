#include "apiserver/expressions.h"

#include "apiserver/access.h"
#include "apiserver/access_selector.h"
#include "apiserver/admission_review.h"
#include "apiserver/authorizer.h"
#include "apiserver/cel_tree.h"
#include "lib/api/cel_functions.h"
#include "lib/base/alloc.h"
#include "lib/base/hash_map.h"
#include "lib/cel/authorizer.h"
#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct expression_set {
    _Atomic uint32_t references;
    uint64_t revision;
    struct arena *arena;
    size_t count;
    struct expression *items;
};

struct expression_cache {
    struct cel_functions *functions;
    pthread_mutex_t lock;  /* Of `sets`. */
    struct hash_map *sets; /* Storage key -> struct expression_set. */
};

struct expression_cache *expression_cache_new(void)
{
    struct expression_cache *cache = alloc_zeroed(sizeof(*cache));
    cache->functions = api_cel_functions_new();
    cache->sets = hash_map_new(/* seed= */ 0x63656c);
    pthread_mutex_init(&cache->lock, NULL);
    return cache;
}

void expression_cache_free(struct expression_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    void *set;
    for (size_t at = 0; hash_map_next(cache->sets, &at, NULL, &set);) {
        expression_set_unref(set);
    }
    hash_map_free(cache->sets);
    cel_functions_unref(cache->functions);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
}

/* --- Sets --- */

void expression_set_unref(struct expression_set *set)
{
    if (set != NULL && atomic_fetch_sub(&set->references, 1) == 1) {
        arena_free(set->arena);
        free(set);
    }
}

const struct expression *expression_set_at(const struct expression_set *set, size_t index)
{
    assert(index < set->count);
    return &set->items[index];
}

static struct expression_set *compile(const struct cel_functions *functions, uint64_t revision,
                                      const struct expression_sources *sources)
{
    struct expression_set *set = alloc_zeroed(sizeof(*set));
    set->references = 1;
    set->revision = revision;
    set->arena = arena_new(SIZE_MAX); /* Bounded by the size of what is stored, and by lib/cel. */
    set->count = sources->count;
    set->items = arena_array(set->arena, set->count + 1, sizeof(*set->items));
    struct admission_scope_options options = {.functions = functions,
                                              .has_variables = sources->has_variables,
                                              .has_params = sources->has_params,
                                              .is_stored = true};
    struct admission_scope *scope = admission_scope_new(set->arena, &options);
    for (size_t i = 0; i < set->count; i++) {
        const struct expression_source *source = &sources->items[i];
        struct expression *item = &set->items[i];
        if (source->text == NULL) {
            continue;
        }
        item->text = arena_text(set->arena, source->text);
        item->problem = admission_compile(scope, item->text, source->wanted, &item->program);
        if (source->variable != NULL) {
            admission_scope_add_variable(scope, arena_text(set->arena, source->variable),
                                         item->program);
        }
    }
    return set;
}

static struct expression_set *find(struct expression_cache *cache, struct slice key,
                                   uint64_t revision)
{
    pthread_mutex_lock(&cache->lock);
    struct expression_set *set = hash_map_get(cache->sets, key);
    if (set != NULL && set->revision == revision) {
        atomic_fetch_add(&set->references, 1);
    } else {
        set = NULL;
    }
    pthread_mutex_unlock(&cache->lock);
    return set;
}

/* When there are too many, those of objects that are long gone may be among them: all go. */
static void keep(struct expression_cache *cache, struct slice key, struct expression_set *set)
{
    struct slice old_key;
    void *old = NULL;
    pthread_mutex_lock(&cache->lock);
    atomic_fetch_add(&set->references, 1);
    expression_set_unref(hash_map_set(cache->sets, key, set));
    if (hash_map_count(cache->sets) > EXPRESSION_SETS_MAX) {
        for (size_t at = 0; hash_map_next(cache->sets, &at, &old_key, &old);) {
            expression_set_unref(old);
        }
        hash_map_clear(cache->sets);
    }
    pthread_mutex_unlock(&cache->lock);
}

struct expression_set *expression_cache_get(struct expression_cache *cache,
                                            const struct cached_object *object,
                                            const struct expression_sources *sources)
{
    struct slice key = slice_text(cached_object_key(object));
    uint64_t revision = cached_object_revision(object);
    struct expression_set *set = find(cache, key, revision);
    if (set == NULL) {
        set = compile(cache->functions, revision, sources);
        keep(cache, key, set);
    }
    assert(set->count == sources->count); /* They are those of the object. */
    return set;
}

/* --- Evaluation --- */

const char *expression_evaluate(const struct expression *expression,
                                struct expression_activation *activation,
                                struct cel_value *ret_value)
{
    struct arena *arena = activation->arena;
    const struct cel_value values[ADMISSION_VALUES] = {
        [ADMISSION_OBJECT] = activation->object,
        [ADMISSION_OLD_OBJECT] = activation->old_object,
        [ADMISSION_REQUEST] = activation->request,
        [ADMISSION_NAMESPACE] = activation->namespace_object,
        [ADMISSION_AUTHORIZER] = activation->authorizer,
        [ADMISSION_REQUEST_RESOURCE] = activation->request_resource,
        [ADMISSION_VARIABLES] = activation->variables,
        [ADMISSION_PARAMS] = activation->params,
    };
    if (expression->program == NULL) {
        return arena_text(activation->admission->operation->arena,
                          text_or_empty(expression->problem));
    }
    uint64_t limit =
        activation->budget < EXPRESSION_COST_MAX ? activation->budget : EXPRESSION_COST_MAX;
    struct cel_result result = cel_evaluate(expression->program, arena, values, limit);
    activation->budget -= result.cost < activation->budget ? result.cost : activation->budget;
    if (result.over_limit) {
        return "validation failed due to running out of cost budget, no further validation rules "
               "will be run";
    }
    if (cel_is_error(&result.value)) {
        return arena_printf(activation->admission->operation->arena,
                            "expression '%s' resulted in error: %s", expression->text,
                            result.value.error);
    }
    *ret_value = result.value;
    return NULL;
}

/* --- authorizer --- */

struct asker {
    struct cel_authorizer authorizer;
    struct admission *admission;
};

static const char *text_in(struct arena *arena, struct slice text)
{
    return arena_text_n(arena, (const char *)text.data, text.len);
}

static const struct user *account(struct arena *arena, const struct cel_check *check)
{
    const char *namespace = text_in(arena, check->account_namespace);
    const char *name = text_in(arena, check->account_name);
    const char **groups = arena_array(arena, 3, sizeof(*groups));
    groups[0] = "system:serviceaccounts";
    groups[1] = arena_printf(arena, "system:serviceaccounts:%s", namespace);
    groups[2] = "system:authenticated";
    struct user *user = arena_zeroed(arena, sizeof(*user));
    *user = (struct user){
        .name = arena_printf(arena, "system:serviceaccount:%s:%s", namespace, name),
        .uid = "",
        .groups = groups,
        .group_count = 3,
    };
    return user;
}

static struct cel_decision decide(const struct cel_authorizer *authorizer, struct arena *arena,
                                  const struct cel_check *check)
{
    const struct asker *asker = CONTAINER_OF((uintptr_t)authorizer, struct asker, authorizer);
    struct operation *operation = asker->admission->operation;
    const struct user *user =
        check->account_name.len > 0 ? account(arena, check) : operation->call->user;
    struct access access = {.verb = text_in(arena, check->verb),
                            .is_resource = !check->is_path,
                            .group = text_in(arena, check->group),
                            .version = "*",
                            .resource = text_in(arena, check->resource),
                            .subresource = text_in(arena, check->subresource),
                            .namespace = text_in(arena, check->namespace_name),
                            .name = text_in(arena, check->name),
                            .path = text_in(arena, check->path)};
    access.fields = access_selector_of_fields(arena, text_in(arena, check->field_selector));
    access.labels = access_selector_of_labels(arena, text_in(arena, check->label_selector));
    struct authorizer *by = operation->registry->config.authorizer;
    return (struct cel_decision){.allowed = by == NULL || operation_may(operation, user, &access)};
}

static void set_authorizer(struct expression_activation *activation)
{
    struct admission *admission = activation->admission;
    struct arena *arena = activation->arena;
    struct asker *asker = arena_zeroed(arena, sizeof(*asker));
    *asker = (struct asker){.authorizer = {.decide = decide}, .admission = admission};
    struct cel_check check = {.group = slice_text(admission->kind->group),
                              .resource = slice_text(admission->kind->plural),
                              .subresource = slice_text(admission->subresource),
                              .namespace_name = slice_text(admission->namespace),
                              .name = slice_text(admission->name)};
    activation->authorizer = cel_authorizer_value(arena, &asker->authorizer);
    activation->request_resource = cel_resource_check_value(arena, &asker->authorizer, &check);
}

/* --- What expressions see --- */

static struct cel_value parsed(struct arena *arena, struct slice json)
{
    struct json_value *tree = NULL;
    return json_parse(arena, json, &tree, NULL) < 0 ? cel_null() : cel_tree_value(tree);
}

static const struct json_value *object_tree(struct arena *arena, const struct api_kind *kind,
                                            const void *message)
{
    struct api_type_meta type_meta = {.api_version = kind->api_version, .kind = kind->kind};
    return api_message_to_json(arena, kind->message, message, &type_meta);
}

struct cel_value expression_object(struct arena *arena, const struct api_kind *kind,
                                   const void *message)
{
    return cel_tree_value(object_tree(arena, kind, message));
}

static struct cel_value namespace_of(struct admission *admission, struct arena *arena)
{
    struct operation *operation = admission->operation;
    const struct api_kind *kind = operation->registry->namespace_kind;
    if (admission->namespace[0] == 0 || admission->kind == kind) {
        return cel_null();
    }
    const struct cached_object *object =
        operation_lookup(operation, kind, "", admission->namespace);
    const void *message = object == NULL ? NULL : cached_object_message(object);
    return admission_namespace_value(arena,
                                     message == NULL ? NULL : object_tree(arena, kind, message));
}

struct expression_activation expression_activation_of(struct admission *admission,
                                                      const struct api_kind *form, uint64_t budget)
{
    struct arena *arena = arena_new(SIZE_MAX); /* Bounded by lib/cel, and by what is stored. */
    struct review_request request = admission_review_request(admission, form);
    struct json_value *tree =
        admission_request_tree(admission, &request, operation_uuid(admission->operation));
    struct expression_activation activation = {
        .admission = admission,
        .arena = arena,
        .object = parsed(arena, request.object),
        .old_object = parsed(arena, request.old_object),
        .request = cel_tree_value(tree),
        .namespace_object = namespace_of(admission, arena),
        .variables = cel_map_empty(arena),
        .params = cel_null(),
        .budget = budget,
    };
    set_authorizer(&activation);
    return activation;
}

void expression_activation_release(struct expression_activation *activation)
{
    arena_free(activation->arena);
    activation->arena = NULL;
}

/* --- variables --- */

struct lazy_variable {
    const char *name;
    const struct expression *expression;
    enum { LAZY_UNUSED, LAZY_RUNNING, LAZY_DONE } state;
    struct cel_value value;
};

struct lazy_variables {
    struct expression_activation *activation;
    struct lazy_variable *items;
    size_t count;
};

static size_t lazy_size(const void *data)
{
    const struct lazy_variables *lazy = data;
    return lazy->count;
}

static struct cel_value lazy_value(struct arena *arena, const struct lazy_variables *lazy,
                                   struct lazy_variable *variable)
{
    if (variable->state == LAZY_RUNNING) {
        return cel_error("variables refer to each other");
    }
    if (variable->state == LAZY_UNUSED) {
        variable->state = LAZY_RUNNING;
        const char *problem =
            expression_evaluate(variable->expression, lazy->activation, &variable->value);
        if (problem != NULL) {
            variable->value =
                cel_error(arena_printf(arena, "composited variable \"%s\" fails to evaluate: %s",
                                       variable->name, problem));
        }
        variable->state = LAZY_DONE;
    }
    return variable->value;
}

static bool lazy_find(struct arena *arena, const void *data, const struct cel_value *key,
                      struct cel_value *ret_value)
{
    const struct lazy_variables *lazy = data;
    for (size_t i = 0; i < lazy->count; i++) {
        if (key->kind == CEL_STRING && slice_is(key->text, lazy->items[i].name)) {
            *ret_value = lazy_value(arena, lazy, &lazy->items[i]);
            return true;
        }
    }
    return false;
}

static void lazy_entry(struct arena *arena, const void *data, size_t index,
                       struct cel_value *ret_key, struct cel_value *ret_value)
{
    const struct lazy_variables *lazy = data;
    *ret_key = cel_string_text(lazy->items[index].name);
    *ret_value = lazy_value(arena, lazy, &lazy->items[index]);
}

struct cel_value expression_variables(struct expression_activation *activation,
                                      const struct expression_set *set, size_t first,
                                      const char *const *names, size_t count)
{
    static const struct cel_map_view view = {
        .size = lazy_size, .find = lazy_find, .entry = lazy_entry};
    struct arena *arena = activation->arena;
    struct lazy_variables *lazy = arena_alloc(arena, sizeof(*lazy));
    struct lazy_variable *items = arena_array(arena, count + 1, sizeof(*items));
    for (size_t i = 0; i < count; i++) {
        items[i] = (struct lazy_variable){.name = names[i],
                                          .expression = expression_set_at(set, first + i)};
    }
    *lazy = (struct lazy_variables){activation, items, count};
    return cel_map(&view, lazy);
}
