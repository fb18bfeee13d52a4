/* CEL expressions of webhooks and admission policies: compiled once for each version of the object
 * that has them, shared by all threads, evaluated against one request. */
#ifndef APISERVER_EXPRESSIONS_H
#define APISERVER_EXPRESSIONS_H
#include "apiserver/admission.h"
#include "lib/api/admission_expressions.h"

struct expression_cache;
struct expression_set;

struct expression_cache *expression_cache_new(void);
void expression_cache_free(struct expression_cache *cache); /* NULL is a no-op. */

/* An expression of an object, where it is stored. */
struct expression_source {
    const char *text;     /* NULL: there is none. */
    const char *variable; /* The name that it gives a value to; or NULL. */
    enum admission_result wanted;
};

struct expression {
    const char *text;
    const struct cel_program *program; /* NULL when it does not compile, ... */
    const char *problem;               /* ... for this reason, or when there is no text. */
};

/* All expressions of an object. Variables come before those who use them. */
struct expression_sources {
    struct expression_source *items;
    size_t count;
    bool has_variables, has_params;
};

/* The expressions of `object` at its revision: compiled now, or before. Release with
 * expression_set_unref(). Any thread. */
MUST_USE struct expression_set *expression_cache_get(struct expression_cache *cache,
                                                     const struct cached_object *object,
                                                     const struct expression_sources *sources);
void expression_set_unref(struct expression_set *set);
const struct expression *expression_set_at(const struct expression_set *set, size_t index);

/* What is known of a request while expressions look at it. */
struct expression_activation {
    struct admission *admission;
    struct arena *arena; /* Its own: what expressions make of values goes with it. */
    struct cel_value object, old_object, request, namespace_object;
    struct cel_value authorizer, request_resource, variables, params;
    uint64_t budget; /* Left, of cost. */
};

/* NULL and a value; or what v1.32 says went wrong, in the request's arena. */
const char *expression_evaluate(const struct expression *expression,
                                struct expression_activation *activation,
                                struct cel_value *ret_value);

/* The objects as the form `form` shows them; variables and params are not set. Release it with
 * expression_activation_release(), after which no value of it may be used. */
struct expression_activation expression_activation_of(struct admission *admission,
                                                      const struct api_kind *form, uint64_t budget);
void expression_activation_release(struct expression_activation *activation);
/* A message of `kind` as expressions see it. */
struct cel_value expression_object(struct arena *arena, const struct api_kind *kind,
                                   const void *message);

/* `variables`, from `count` expressions and their names: each evaluated when it is first used. */
struct cel_value expression_variables(struct expression_activation *activation,
                                      const struct expression_set *set, size_t first,
                                      const char *const *names, size_t count);
#endif
