/* Rules of Ingresses and their classes. */
#include "lib/api/object.h"
#include "lib/api/rules/rules.h"
#include <ctype.h>

/* --- What they refer to ------------------------------------------------------------------------
 */

static void check_segment(struct api_causes *causes, const struct api_path *at, const char *name,
                          const char *value)
{
    if (rules_empty(value)) {
        rules_required(causes, at, name, arena_printf(causes->arena, "%s is required", name));
    } else {
        rules_check_text(causes, at, name, value, api_syntax_path_segment);
    }
}

static void check_reference(struct api_causes *causes, const struct api_path *at,
                            const char *api_group, const char *kind, const char *name)
{
    if (api_group != NULL) {
        rules_check_text(causes, at, "apiGroup", api_group, api_syntax_dns1123_subdomain);
    }
    check_segment(causes, at, "kind", kind);
    check_segment(causes, at, "name", name);
}

static void check_port(struct api_causes *causes, const struct api_path *backend,
                       const struct api_path *service,
                       const Networking__V1__ServiceBackendPort *port)
{
    struct api_path at = api_path_field(service, "port");
    bool named = port != NULL && !rules_empty(port->name);
    bool numbered = port != NULL && port->number != 0;
    if (named && numbered) {
        api_cause_invalid(causes, backend, api_shown_text(""),
                          "cannot set both port name & port number");
    } else if (named) {
        rules_check_text(causes, &at, "name", port->name, api_syntax_port_name);
    } else if (numbered) {
        struct api_path number = api_path_field(&at, "number");
        rules_invalid_each(causes, &number, api_shown_int(port->number),
                           api_syntax_port_number(port->number));
    } else {
        api_cause_required(causes, backend, "port name or number is required");
    }
}

bool rules_ingress_backend(struct api_causes *causes, const struct api_frame *frame)
{
    const Networking__V1__IngressBackend *backend = frame->message;
    const Networking__V1__IngressServiceBackend *service = backend->service;
    const Core__V1__TypedLocalObjectReference *resource = backend->resource;
    struct api_path service_at = api_path_field(frame->at, "service");
    struct api_path resource_at = api_path_field(frame->at, "resource");
    if (resource != NULL && service != NULL) {
        api_cause_invalid(causes, frame->at, api_shown_text(""),
                          "cannot set both resource and service backends");
    } else if (resource != NULL) {
        check_reference(causes, &resource_at, resource->api_group, resource->kind, resource->name);
    } else if (service == NULL) {
        api_cause_invalid(causes, frame->at, api_shown_text(""),
                          "resource or service backend is required");
    } else {
        if (rules_empty(service->name)) {
            rules_required(causes, &service_at, "name", "");
        } else {
            rules_check_text(causes, &service_at, "name", service->name, api_syntax_dns1035_label);
        }
        check_port(causes, frame->at, &service_at, service->port);
    }
    return false;
}

/* --- Ingress -----------------------------------------------------------------------------------
 */

static void check_exact_path(struct api_causes *causes, const struct api_path *at, const char *path)
{
    static const char *const parts[] = {"//", "/./", "/../", "%2f", "%2F"};
    static const char *const ends[] = {"/..", "/."};
    struct api_shown shown = api_shown_text(path);
    if (*path != '/') {
        rules_invalid(causes, at, "path", shown, "must be an absolute path");
    }
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (strstr(path, parts[i]) != NULL) {
            rules_invalid(causes, at, "path", shown,
                          arena_printf(causes->arena, "must not contain '%s'", parts[i]));
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        size_t len = strlen(path), end = strlen(ends[i]);
        if (len >= end && strcmp(path + len - end, ends[i]) == 0) {
            rules_invalid(causes, at, "path", shown,
                          arena_printf(causes->arena, "cannot end with '%s'", ends[i]));
        }
    }
}

bool rules_ingress_path(struct api_causes *causes, const struct api_frame *frame)
{
    const Networking__V1__HTTPIngressPath *item = frame->message;
    const struct api_member *type =
        api_message_member_text(&networking__v1__httpingress_path__schema, "pathType");
    const char *path = text_or_empty(item->path);
    if (item->path_type == NULL) {
        rules_required(causes, frame->at, "pathType", "pathType must be specified");
        return false;
    }
    if (rules_is(item->path_type, "Exact") || rules_is(item->path_type, "Prefix")) {
        check_exact_path(causes, frame->at, path);
    } else if (!rules_is(item->path_type, "ImplementationSpecific")) {
        rules_not_supported(causes, frame->at, "pathType", item->path_type,
                            type->field->rules->values);
    } else if (*path != '\0' && *path != '/') {
        rules_invalid(causes, frame->at, "path", api_shown_text(path), "must be an absolute path");
    }
    return true;
}

bool rules_ingress(struct api_causes *causes, const struct api_frame *frame)
{
    const Networking__V1__IngressSpec *spec = frame->message;
    if (spec->n_rules == 0 && spec->default_backend == NULL) {
        api_cause_invalid(causes, frame->at, api_shown_raw("[]networking.IngressRule(nil)"),
                          "either `defaultBackend` or `rules` must be specified");
    }
    return true;
}

/* The annotation is how classes were named before there was a field. */
void rules_check_ingress(struct api_causes *causes, const void *message)
{
    static const char key[] = "kubernetes.io/ingress.class";
    const Networking__V1__Ingress *ingress = message;
    const char *annotation = api_meta_annotation(ingress->metadata, key);
    const char *name = ingress->spec->ingress_class_name;
    struct api_path annotations = api_path_field(NULL, "annotations");
    if (annotation != NULL && name != NULL && strcmp(annotation, name) != 0) {
        rules_invalid(causes, &annotations, key, api_shown_text(annotation),
                      "must match `ingressClassName` when both are specified");
    }
}

/* One that exists may name its class in two ways. */
void rules_replace_ingress(struct api_causes *causes, const void *before, const void *after)
{
    (void)causes;
    (void)before;
    (void)after;
}

/* --- IngressClass ------------------------------------------------------------------------------
 */

static bool is_url_path(const char *text)
{
    static const char marks[] = "/-._~%!$&'()*+,;=:";
    for (; *text != '\0'; text++) {
        if (!isalnum((unsigned char)*text) && strchr(marks, *text) == NULL) {
            return false;
        }
    }
    return true;
}

void rules_check_prefixed_path(struct api_causes *causes, const struct api_path *at,
                               const char *text)
{
    const char *slash = strchr(text, '/');
    if (*text == '\0') {
        api_cause_required(causes, at, "");
        return;
    }
    if (slash == NULL || slash == text || slash[1] == '\0') {
        api_cause_invalid(causes, at, api_shown_text(text),
                          "must be a domain-prefixed path (such as \"acme.io/foo\")");
        return;
    }
    const char *host = arena_text_n(causes->arena, text, (size_t)(slash - text));
    rules_invalid_each(causes, at, api_shown_text(host), api_syntax_dns1123_subdomain(host));
    if (!is_url_path(slash + 1)) {
        api_cause_invalid(causes, at, api_shown_text(slash + 1),
                          "Invalid path (regex used for validation is "
                          "'[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')");
    }
}

bool rules_ingress_class(struct api_causes *causes, const struct api_frame *frame)
{
    enum { CONTROLLER_BYTES_MAX = 250 };
    const char *controller =
        text_or_empty(((const Networking__V1__IngressClassSpec *)frame->message)->controller);
    struct api_path at = api_path_field(frame->at, "controller");
    if (strlen(controller) > CONTROLLER_BYTES_MAX) {
        api_cause_too_long(causes, &at, CONTROLLER_BYTES_MAX);
    }
    rules_check_prefixed_path(causes, &at, controller);
    return true;
}

bool rules_ingress_parameters(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const scopes[] = {"Cluster", "Namespace", NULL};
    const Networking__V1__IngressClassParametersReference *parameters = frame->message;
    check_reference(causes, frame->at, parameters->a_pi_group, parameters->kind, parameters->name);
    if (!rules_one_of(parameters->scope, scopes)) {
        rules_not_supported(causes, frame->at, "scope", parameters->scope, scopes);
    } else if (rules_is(parameters->scope, "Cluster") && parameters->namespace_ != NULL) {
        rules_forbidden(causes, frame->at, "namespace", "`parameters.scope` is set to 'Cluster'");
    } else if (rules_is(parameters->scope, "Namespace") && parameters->namespace_ == NULL) {
        rules_required(causes, frame->at, "namespace", "`parameters.scope` is set to 'Namespace'");
    } else if (parameters->namespace_ != NULL) {
        rules_check_text(causes, frame->at, "namespace", parameters->namespace_,
                         api_syntax_dns1123_label);
    }
    return false;
}
