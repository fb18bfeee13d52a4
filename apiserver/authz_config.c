#include "apiserver/authz_config.h"

#include "apiserver/config_reader.h"
#include "apiserver/limits.h"
#include "lib/api/declared_type.h"
#include "lib/api/syntax.h"
#include "lib/base/time_text.h"
#include <errno.h>
#include <string.h>

enum { AUTHORIZED_TTL_MS = 5 * 60 * 1000, UNAUTHORIZED_TTL_MS = 30 * 1000, TIMEOUT_MAX_S = 30 };

static const char *const type_names[] = {
    [AUTHORIZER_NODE] = "Node",
    [AUTHORIZER_RBAC] = "RBAC",
    [AUTHORIZER_ALWAYS_ALLOW] = "AlwaysAllow",
    [AUTHORIZER_ALWAYS_DENY] = "AlwaysDeny",
    [AUTHORIZER_ABAC] = "ABAC",
    [AUTHORIZER_WEBHOOK] = "Webhook",
};

const char *authorizer_type_name(enum authorizer_type type)
{
    return type_names[type];
}

static bool find_type(const char *name, enum authorizer_type *ret_type)
{
    for (size_t i = 0; i < ARRAY_LEN(type_names); i++) {
        if (strcmp(name, type_names[i]) == 0) {
            *ret_type = (enum authorizer_type)i;
            return true;
        }
    }
    return false;
}

/* --- What conditions see: the spec of a SubjectAccessReview --- */

DECLARED_TYPE(requirement, "kubernetes.SelectorRequirement", {"key", &cel_type_string},
              {"operator", &cel_type_string}, {"values", &declared_texts_type});
static const struct cel_type requirements_type = {.kind = CEL_TYPE_LIST,
                                                  .items = {&requirement_type}};
DECLARED_TYPE(fields, "kubernetes.FieldSelectorAttributes", {"rawSelector", &cel_type_string},
              {"requirements", &requirements_type});
DECLARED_TYPE(labels, "kubernetes.LabelSelectorAttributes", {"rawSelector", &cel_type_string},
              {"requirements", &requirements_type});
DECLARED_TYPE(resource, "kubernetes.ResourceAttributes", {"namespace", &cel_type_string},
              {"verb", &cel_type_string}, {"group", &cel_type_string},
              {"version", &cel_type_string}, {"resource", &cel_type_string},
              {"subresource", &cel_type_string}, {"name", &cel_type_string},
              {"fieldSelector", &fields_type}, {"labelSelector", &labels_type});
DECLARED_TYPE(path, "kubernetes.NonResourceAttributes", {"path", &cel_type_string},
              {"verb", &cel_type_string});
DECLARED_TYPE(spec, "kubernetes.SubjectAccessReviewSpec", {"resourceAttributes", &resource_type},
              {"nonResourceAttributes", &path_type}, {"user", &cel_type_string},
              {"groups", &declared_texts_type}, {"extra", &declared_extra_type},
              {"uid", &cel_type_string});

static const struct cel_variable request_variable = {"request", &spec_type};

static const struct cel_env *env_of(struct arena *arena, const struct cel_functions *functions)
{
    struct cel_env *env = arena_alloc(arena, sizeof(*env));
    *env = (struct cel_env){.functions = functions,
                            .variables = &request_variable,
                            .variable_count = 1,
                            .is_stored = true};
    return env;
}

/* --- A file --- */

struct authz_reader {
    struct config_reader config;
    const struct cel_env *env;
};

static void compile(struct authz_reader *reader, const char *path, const char *text,
                    struct match_condition *condition)
{
    CLEANUP(error_release) struct error error = {0};
    condition->text = text;
    if (reader->config.status < 0) {
        return;
    }
    if (cel_compile(reader->config.arena, reader->env, slice_text(text), &condition->program,
                    &error) < 0) {
        config_fail(&reader->config, "%s: Invalid value: \"%s\": compilation failed: %s", path,
                    text, error_message(&error));
    } else if (cel_program_type(condition->program)->kind != CEL_TYPE_BOOL) {
        config_fail(&reader->config, "%s: Invalid value: \"%s\": must evaluate to bool", path,
                    text);
    }
}

static void read_conditions(struct authz_reader *reader, const struct json_value *webhook,
                            const char *where, struct authz_webhook_options *options)
{
    static const char *const names[] = {"expression", NULL};
    struct config_reader *config = &reader->config;
    struct config_list list = config_maps(config, webhook, where, "matchConditions");
    const char *version =
        config_text(config, webhook, where, "matchConditionSubjectAccessReviewVersion");
    if ((list.count > 0 || version[0] != 0) && strcmp(version, "v1") != 0) {
        config_fail(config, "%s.matchConditionSubjectAccessReviewVersion: must be v1", where);
    } else if (list.count > MATCH_CONDITIONS_MAX) {
        config_fail(config, "%s.matchConditions: at most %d", where, MATCH_CONDITIONS_MAX);
    }
    struct match_condition *conditions =
        arena_array(config->arena, list.count + 1, sizeof(*conditions));
    for (size_t i = 0; i < list.count && config->status == 0; i++) {
        const char *path = config_item_path(config, where, "matchConditions", i);
        config_check_names(config, list.items[i], path, names);
        const char *text = config_text(config, list.items[i], path, "expression");
        path = arena_printf(config->arena, "%s.expression", path);
        if (text[strspn(text, " \t\r\n")] == 0) {
            config_fail(config, "%s: must be given", path);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(text, conditions[j].text) == 0) {
                config_fail(config, "%s: is there twice", path);
            }
        }
        compile(reader, path, text, &conditions[i]);
    }
    options->conditions = conditions;
    options->condition_count = list.count;
}

/* "5m0s" and the like; `fallback` when it is absent or zero. */
static uint64_t read_duration(struct config_reader *config, const struct json_value *object,
                              const char *where, const char *name, uint64_t fallback)
{
    const char *text = config_text(config, object, where, name);
    int64_t nanos = 0;
    if (text[0] != 0 && (duration_parse(slice_text(text), &nanos) < 0 || nanos < 0)) {
        config_fail(config, "%s.%s: Invalid value: \"%s\": must be a duration > 0s", where, name,
                    text);
    }
    return nanos == 0 ? fallback : ((uint64_t)nanos + 999999) / 1000000;
}

static const char *read_word(struct config_reader *config, const struct json_value *object,
                             const char *where, const char *name, const char *first,
                             const char *second)
{
    const char *word = config_text(config, object, where, name);
    if (strcmp(word, first) != 0 && strcmp(word, second) != 0) {
        config_fail(config, "%s.%s: must be %s or %s", where, name, first, second);
    }
    return word;
}

static void read_connection(struct config_reader *config, const struct json_value *webhook,
                            const char *where, struct authz_webhook_options *options)
{
    static const char *const names[] = {"type", "kubeConfigFile", NULL};
    const struct json_value *info = config_map(config, webhook, where, "connectionInfo");
    const char *path = arena_printf(config->arena, "%s.connectionInfo", where);
    if (info == NULL) {
        config_fail(config, "%s.type: must be given", path);
        return;
    }
    config_check_names(config, info, path, names);
    const char *type = read_word(config, info, path, "type", "KubeConfigFile", "InClusterConfig");
    const char *file = config_text(config, info, path, "kubeConfigFile");
    if (strcmp(type, "InClusterConfig") == 0) {
        if (file[0] != 0) {
            config_fail(config, "%s.kubeConfigFile: only with type KubeConfigFile", path);
        }
        return;
    }
    if (file[0] != '/') {
        config_fail(config, "%s.kubeConfigFile: must be an absolute path", path);
    }
    options->kubeconfig_path = file;
}

static void read_webhook(struct authz_reader *reader, const struct json_value *entry,
                         const char *where, struct authz_webhook_options *options)
{
    static const char *const names[] = {"authorizedTTL",
                                        "unauthorizedTTL",
                                        "timeout",
                                        "subjectAccessReviewVersion",
                                        "matchConditionSubjectAccessReviewVersion",
                                        "failurePolicy",
                                        "connectionInfo",
                                        "matchConditions",
                                        NULL};
    struct config_reader *config = &reader->config;
    const struct json_value *webhook = config_map(config, entry, where, "webhook");
    const char *path = arena_printf(config->arena, "%s.webhook", where);
    if (webhook == NULL) {
        config_fail(config, "%s: must be given with type Webhook", path);
        return;
    }
    config_check_names(config, webhook, path, names);
    options->timeout_ms = read_duration(config, webhook, path, "timeout", 0);
    if (options->timeout_ms == 0 || options->timeout_ms > TIMEOUT_MAX_S * UINT64_C(1000)) {
        config_fail(config, "%s.timeout: must be > 0s and <= 30s", path);
    }
    options->authorized_ttl_ms =
        read_duration(config, webhook, path, "authorizedTTL", AUTHORIZED_TTL_MS);
    options->unauthorized_ttl_ms =
        read_duration(config, webhook, path, "unauthorizedTTL", UNAUTHORIZED_TTL_MS);
    options->version =
        read_word(config, webhook, path, "subjectAccessReviewVersion", "v1", "v1beta1");
    options->denies_on_failure =
        strcmp(read_word(config, webhook, path, "failurePolicy", "NoOpinion", "Deny"), "Deny") == 0;
    read_connection(config, webhook, path, options);
    read_conditions(reader, webhook, path, options);
}

static void check_name(struct config_reader *config, const struct authz_config *before,
                       const char *path, const struct authorizer_options *options)
{
    if (options->name[0] == 0 || api_syntax_dns1123_subdomain(options->name).count > 0) {
        config_fail(config, "%s.name: Invalid value: \"%s\": must be a DNS subdomain", path,
                    options->name);
    }
    for (size_t i = 0; i < before->count; i++) {
        if (strcmp(before->items[i].name, options->name) == 0) {
            config_fail(config, "%s.name: is there twice", path);
        }
        if (before->items[i].type == options->type && options->type != AUTHORIZER_WEBHOOK) {
            config_fail(config, "%s.type: is there twice", path);
        }
    }
}

static void read_authorizer(struct authz_reader *reader, const struct authz_config *before,
                            const struct json_value *entry, const char *path,
                            struct authorizer_options *options)
{
    static const char *const names[] = {"type", "name", "webhook", NULL};
    struct config_reader *config = &reader->config;
    config_check_names(config, entry, path, names);
    const char *type = config_text(config, entry, path, "type");
    options->name = config_text(config, entry, path, "name");
    if (!find_type(type, &options->type)) {
        config_fail(config,
                    "%s.type: Unsupported value: \"%s\": must be Node, RBAC, ABAC, Webhook, "
                    "AlwaysAllow or AlwaysDeny",
                    path, type);
        return;
    }
    check_name(config, before, path, options);
    if (options->type == AUTHORIZER_WEBHOOK) {
        read_webhook(reader, entry, path, &options->webhook);
    } else if (config_map(config, entry, path, "webhook") != NULL) {
        config_fail(config, "%s.webhook: only with type Webhook", path);
    }
}

int authz_config_parse(struct arena *arena, const struct cel_functions *functions,
                       struct slice text, struct authz_config *ret_config, struct error *reterr)
{
    static const char *const versions[] = {"apiserver.config.k8s.io/v1",
                                           "apiserver.config.k8s.io/v1beta1",
                                           "apiserver.config.k8s.io/v1alpha1", NULL};
    static const char *const names[] = {"kind", "apiVersion", "authorizers", NULL};
    struct authz_reader reader = {.config = {.arena = arena, .reterr = reterr},
                                  .env = env_of(arena, functions)};
    struct config_reader *config = &reader.config;
    const struct json_value *document =
        config_open(config, text, AUTHZ_CONFIG_MAX, "AuthorizationConfiguration", versions);
    if (document == NULL) {
        return config->status;
    }
    config_check_names(config, document, "", names);
    struct config_list list = config_maps(config, document, "", "authorizers");
    if (list.count == 0 || list.count > AUTHORIZERS_MAX) {
        config_fail(config, "authorizers: at least one, and at most %d", AUTHORIZERS_MAX);
        return config->status;
    }
    struct authorizer_options *items = arena_array(arena, list.count, sizeof(*items));
    struct authz_config result = {.items = items};
    for (size_t i = 0; i < list.count && config->status == 0; i++) {
        read_authorizer(&reader, &result, list.items[i],
                        config_item_path(config, "", "authorizers", i), &items[i]);
        result.count++;
    }
    if (config->status == 0) {
        *ret_config = result;
    }
    return config->status;
}

/* --- Flags --- */

bool authz_options_allow_all(const struct authz_options *options)
{
    for (size_t i = 0; i < options->modes.count; i++) {
        if (strcmp(options->modes.items[i], type_names[AUTHORIZER_ALWAYS_ALLOW]) == 0) {
            return true;
        }
    }
    return false;
}

static const char *lower(struct arena *arena, const char *text)
{
    char *copy = arena_text(arena, text);
    for (char *at = copy; *at != 0; at++) {
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at + ('a' - 'A')) : *at;
    }
    return copy;
}

static int add_mode(struct arena *arena, const struct authz_options *options, const char *mode,
                    struct authorizer_options *items, size_t count, struct error *reterr)
{
    struct authorizer_options *item = &items[count];
    if (!find_type(mode, &item->type)) {
        return error_set(reterr, -EINVAL,
                         "--authorization-mode=%s: knows Node, RBAC, ABAC, Webhook, "
                         "AlwaysAllow and AlwaysDeny",
                         mode);
    }
    for (size_t i = 0; i < count; i++) {
        if (items[i].type == item->type) {
            return error_set(reterr, -EINVAL, "--authorization-mode=%s: is there twice", mode);
        }
    }
    item->name = lower(arena, mode);
    if (item->type == AUTHORIZER_ABAC && options->policy == NULL) {
        return error_set(reterr, -EINVAL,
                         "--authorization-mode=ABAC needs --authorization-policy-file");
    }
    if (item->type != AUTHORIZER_WEBHOOK) {
        return 0;
    }
    if (options->webhook_config_path == NULL) {
        return error_set(reterr, -EINVAL,
                         "--authorization-mode=Webhook needs --authorization-webhook-config-file");
    }
    item->webhook =
        (struct authz_webhook_options){.kubeconfig_path = options->webhook_config_path,
                                       .version = options->webhook_version,
                                       .timeout_ms = TIMEOUT_MAX_S * UINT64_C(1000),
                                       .authorized_ttl_ms = options->authorized_ttl_ms,
                                       .unauthorized_ttl_ms = options->unauthorized_ttl_ms};
    return 0;
}

int authz_config_of_flags(struct arena *arena, const struct authz_options *options,
                          struct authz_config *ret_config, struct error *reterr)
{
    static const char *const fallback[] = {"Node", "RBAC"};
    struct text_list modes = options->modes;
    if (modes.count == 0) {
        modes = (struct text_list){.items = fallback, .count = ARRAY_LEN(fallback)};
    }
    struct authorizer_options *items = arena_array(arena, modes.count, sizeof(*items));
    bool asks = false, has_abac = false;
    for (size_t i = 0; i < modes.count; i++) {
        int status = add_mode(arena, options, modes.items[i], items, i, reterr);
        if (status < 0) {
            return status;
        }
        asks = asks || items[i].type == AUTHORIZER_WEBHOOK;
        has_abac = has_abac || items[i].type == AUTHORIZER_ABAC;
    }
    if (options->policy != NULL && !has_abac) {
        return error_set(reterr, -EINVAL,
                         "--authorization-policy-file needs --authorization-mode=ABAC");
    }
    if (options->webhook_config_path != NULL && !asks) {
        return error_set(reterr, -EINVAL,
                         "--authorization-webhook-config-file needs --authorization-mode=Webhook");
    }
    *ret_config = (struct authz_config){.items = items, .count = modes.count};
    return 0;
}
