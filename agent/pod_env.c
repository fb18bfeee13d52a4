/* The environment of a container: services, envFrom, env, with $(NAME) expansion. */
#include "agent/pod_inputs.h"

#include "lib/api/intstr.h"
#include "lib/base/buffer.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { EXPANDED_BYTES_MAX = 1 << 20 };

const char *pod_variable_get(const struct pod_variables *variables, const char *name)
{
    for (size_t i = 0; i < variables->count; i++) {
        if (strcmp(variables->items[i].name, name) == 0) {
            return variables->items[i].value;
        }
    }
    return NULL;
}

static void set_variable(struct arena *arena, struct pod_variables *variables, const char *name,
                         const char *value)
{
    for (size_t i = 0; i < variables->count; i++) {
        if (strcmp(variables->items[i].name, name) == 0) {
            variables->items[i].value = value;
            return;
        }
    }
    if (variables->count == variables->capacity) {
        size_t capacity = variables->capacity == 0 ? 32 : 2 * variables->capacity;
        struct pod_variable *grown = arena_array(arena, capacity, sizeof(*grown));
        if (variables->count > 0) {
            memcpy(grown, variables->items, variables->count * sizeof(*grown));
        }
        variables->items = grown;
        variables->capacity = capacity;
    }
    variables->items[variables->count++] = (struct pod_variable){name, value};
}

char *pod_expand(struct arena *arena, const char *text, const struct pod_variables *variables)
{
    struct buffer out;
    buffer_init(&out, EXPANDED_BYTES_MAX);
    for (const char *at = text; *at != '\0';) {
        if (at[0] == '$' && at[1] == '$') {
            buffer_append_byte(&out, '$');
            at += 2;
            continue;
        }
        const char *end = at[0] == '$' && at[1] == '(' ? strchr(at, ')') : NULL;
        if (end == NULL) {
            buffer_append_byte(&out, (uint8_t)*at++);
            continue;
        }
        const char *name = arena_text_n(arena, at + 2, (size_t)(end - at - 2));
        const char *value = pod_variable_get(variables, name);
        if (value != NULL) {
            buffer_append_text(&out, value);
        } else {
            buffer_append(&out, at, (size_t)(end - at + 1));
        }
        at = end + 1;
    }
    char *expanded = arena_text(arena, buffer_text(&out));
    buffer_release(&out);
    return expanded;
}

/* "my-svc" becomes "MY_SVC". */
static char *variable_name(struct arena *arena, const char *name)
{
    char *result = arena_text(arena, name);
    for (char *at = result; *at != '\0'; at++) {
        *at = *at == '-' ? '_' : (char)toupper((unsigned char)*at);
    }
    return result;
}

static void add_service(struct arena *arena, struct pod_variables *variables,
                        const Core__V1__Service *service)
{
    const Core__V1__ServiceSpec *spec = service->spec;
    const char *ip = spec == NULL ? NULL : spec->cluster_ip;
    if (ip == NULL || ip[0] == '\0' || strcmp(ip, "None") == 0 || spec->n_ports == 0) {
        return;
    }
    const char *prefix = variable_name(arena, service->metadata->name);
    set_variable(arena, variables, arena_printf(arena, "%s_SERVICE_HOST", prefix),
                 arena_text(arena, ip));
    set_variable(arena, variables, arena_printf(arena, "%s_SERVICE_PORT", prefix),
                 arena_printf(arena, "%" PRId32, spec->ports[0]->port));
    for (size_t i = 0; i < spec->n_ports; i++) {
        const char *name = spec->ports[i]->name;
        if (name != NULL && name[0] != '\0') {
            set_variable(
                arena, variables,
                arena_printf(arena, "%s_SERVICE_PORT_%s", prefix, variable_name(arena, name)),
                arena_printf(arena, "%" PRId32, spec->ports[i]->port));
        }
    }
    for (size_t i = 0; i < spec->n_ports; i++) {
        const char *protocol = spec->ports[i]->protocol;
        if (protocol == NULL || protocol[0] == '\0') {
            protocol = "TCP";
        }
        char *lower = arena_text(arena, protocol);
        for (char *at = lower; *at != '\0'; at++) {
            *at = (char)tolower((unsigned char)*at);
        }
        int32_t port = spec->ports[i]->port;
        const char *url = arena_printf(arena, "%s://%s:%" PRId32, lower, ip, port);
        const char *base = arena_printf(arena, "%s_PORT_%" PRId32 "_%s", prefix, port, protocol);
        if (i == 0) {
            set_variable(arena, variables, arena_printf(arena, "%s_PORT", prefix), url);
        }
        set_variable(arena, variables, base, url);
        set_variable(arena, variables, arena_printf(arena, "%s_PROTO", base), lower);
        set_variable(arena, variables, arena_printf(arena, "%s_PORT", base),
                     arena_printf(arena, "%" PRId32, port));
        set_variable(arena, variables, arena_printf(arena, "%s_ADDR", base), arena_text(arena, ip));
    }
}

/* Services of the pod's own namespace, and the API server's. */
static void add_services(struct arena *arena, const struct pod_inputs *inputs,
                         struct pod_variables *variables)
{
    const Core__V1__PodSpec *spec = inputs->pod->spec;
    bool links = !spec->has_enable_service_links || spec->enable_service_links;
    for (size_t i = 0; i < inputs->service_count; i++) {
        const Core__V1__Service *service = inputs->services[i];
        bool own = strcmp(service->metadata->namespace_, inputs->pod->metadata->namespace_) == 0;
        bool api = strcmp(service->metadata->namespace_, "default") == 0 &&
                   strcmp(service->metadata->name, "kubernetes") == 0;
        if (api || (own && links)) {
            add_service(arena, variables, service);
        }
    }
}

static int add_env_from(struct arena *arena, const struct pod_inputs *inputs,
                        const Core__V1__EnvFromSource *from, struct pod_variables *variables,
                        struct error *reterr)
{
    const char *prefix = from->prefix == NULL ? "" : from->prefix;
    if (from->config_map_ref != NULL && from->config_map_ref->local_object_reference != NULL) {
        const char *name = from->config_map_ref->local_object_reference->name;
        const Core__V1__ConfigMap *map = inputs->find(inputs->find_data, "configmaps", name);
        if (map == NULL) {
            return from->config_map_ref->optional
                       ? 0
                       : error_set(reterr, -ENOENT, "configmap \"%s\" not found", name);
        }
        for (size_t i = 0; i < map->n_data; i++) {
            set_variable(arena, variables, arena_printf(arena, "%s%s", prefix, map->data[i]->key),
                         map->data[i]->value == NULL ? "" : map->data[i]->value);
        }
    }
    if (from->secret_ref != NULL && from->secret_ref->local_object_reference != NULL) {
        const char *name = from->secret_ref->local_object_reference->name;
        const Core__V1__Secret *secret = inputs->find(inputs->find_data, "secrets", name);
        if (secret == NULL) {
            return from->secret_ref->optional
                       ? 0
                       : error_set(reterr, -ENOENT, "secret \"%s\" not found", name);
        }
        for (size_t i = 0; i < secret->n_data; i++) {
            set_variable(arena, variables,
                         arena_printf(arena, "%s%s", prefix, secret->data[i]->key),
                         arena_text_n(arena, (const char *)secret->data[i]->value.data,
                                      secret->data[i]->value.len));
        }
    }
    return 0;
}

/* 0 with a text, 1 when it is optional and missing. */
static int key_value(struct arena *arena, const struct pod_inputs *inputs, const char *resource,
                     const char *name, const char *key, bool optional, char **ret_text,
                     struct error *reterr)
{
    bool secret = strcmp(resource, "secrets") == 0;
    const char *kind = secret ? "secret" : "configmap";
    const void *object = inputs->find(inputs->find_data, resource, name);
    if (object == NULL) {
        return optional ? 1 : error_set(reterr, -ENOENT, "%s \"%s\" not found", kind, name);
    }
    struct slice value;
    if (!(secret ? secret_value(object, key, &value) : config_map_value(object, key, &value))) {
        return optional ? 1
                        : error_set(reterr, -ENOENT, "couldn't find key %s in %s %s/%s", key,
                                    secret ? "Secret" : "ConfigMap",
                                    inputs->pod->metadata->namespace_, name);
    }
    *ret_text = arena_text_n(arena, (const char *)value.data, value.len);
    return 0;
}

static const char *reference_name(const Core__V1__LocalObjectReference *reference)
{
    return reference == NULL || reference->name == NULL ? "" : reference->name;
}

static int value_from(struct arena *arena, const struct pod_inputs *inputs,
                      const Core__V1__Container *container, const Core__V1__EnvVarSource *from,
                      char **ret_text, struct error *reterr)
{
    if (from->field_ref != NULL) {
        return pod_field_value(arena, inputs, from->field_ref->field_path, ret_text, reterr);
    }
    if (from->resource_field_ref != NULL) {
        return pod_resource_value(arena, inputs, from->resource_field_ref, container, ret_text,
                                  reterr);
    }
    if (from->config_map_key_ref != NULL) {
        const Core__V1__ConfigMapKeySelector *ref = from->config_map_key_ref;
        return key_value(arena, inputs, "configmaps", reference_name(ref->local_object_reference),
                         ref->key, ref->optional, ret_text, reterr);
    }
    if (from->secret_key_ref != NULL) {
        const Core__V1__SecretKeySelector *ref = from->secret_key_ref;
        return key_value(arena, inputs, "secrets", reference_name(ref->local_object_reference),
                         ref->key, ref->optional, ret_text, reterr);
    }
    return 1;
}

int pod_env_build(struct arena *arena, const struct pod_inputs *inputs,
                  const Core__V1__Container *container, struct pod_variables *ret_variables,
                  struct error *reterr)
{
    struct pod_variables all = {.count = 0};
    add_services(arena, inputs, &all);
    for (size_t i = 0; i < container->n_env_from; i++) {
        int r = add_env_from(arena, inputs, container->env_from[i], &all, reterr);
        if (r < 0) {
            return r;
        }
    }
    for (size_t i = 0; i < container->n_env; i++) {
        const Core__V1__EnvVar *variable = container->env[i];
        char *value = NULL;
        if (variable->value_from != NULL) {
            int r = value_from(arena, inputs, container, variable->value_from, &value, reterr);
            if (r < 0) {
                return r;
            }
            if (r > 0) {
                continue;
            }
        } else {
            value = pod_expand(arena, variable->value == NULL ? "" : variable->value, &all);
        }
        set_variable(arena, &all, variable->name, value);
    }
    *ret_variables = all;
    return 0;
}
