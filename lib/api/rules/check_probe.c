/* Checks of probes and lifecycle hooks. */
#include "lib/api/intstr.h"
#include "lib/api/rules/rules.h"

/* The ways to ask a container something; a probe and a hook have most of them in common. */
struct handler {
    const Core__V1__ExecAction *exec;
    const Core__V1__HTTPGetAction *http_get;
    const Core__V1__TCPSocketAction *tcp_socket;
    const Core__V1__GRPCAction *grpc;
    const Core__V1__SleepAction *sleep;
};

static void check_port(struct api_causes *causes, const struct api_path *parent,
                       const Intstr__IntOrString *port)
{
    if (intstr_is_text(port)) {
        rules_check_text(causes, parent, "port", intstr_text(port), api_syntax_port_name);
    } else {
        rules_check_number(causes, parent, "port", intstr_int(port), api_syntax_port_number);
    }
}

static void check_http(struct api_causes *causes, const struct api_path *at,
                       const Core__V1__HTTPGetAction *get)
{
    static const char *const schemes[] = {"HTTP", "HTTPS", NULL};
    struct api_path headers = api_path_field(at, "httpHeaders");
    if (rules_empty(get->path)) {
        rules_required(causes, at, "path", "");
    }
    check_port(causes, at, get->port);
    if (!rules_one_of(get->scheme, schemes)) {
        rules_not_supported(causes, at, "scheme", get->scheme, schemes);
    }
    for (size_t i = 0; i < get->n_http_headers; i++) {
        /* The path of a header's error is the list itself. */
        const char *name = rules_text(get->http_headers[i]->name);
        rules_invalid_each(causes, &headers, api_shown_text(name), api_syntax_header_name(name));
    }
}

static void check_handler(struct api_causes *causes, const struct api_path *at,
                          const struct handler *handler)
{
    struct api_path exec = api_path_field(at, "exec");
    struct api_path http = api_path_field(at, "httpGet");
    struct api_path tcp = api_path_field(at, "tcpSocket");
    struct api_path grpc = api_path_field(at, "grpc");
    struct api_path sleep = api_path_field(at, "sleep");
    const struct {
        const struct api_path *at;
        bool set;
    } kinds[] = {{&exec, handler->exec != NULL},
                 {&http, handler->http_get != NULL},
                 {&tcp, handler->tcp_socket != NULL},
                 {&grpc, handler->grpc != NULL},
                 {&sleep, handler->sleep != NULL}};
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (kinds[i].set && count++ > 0) {
            api_cause_forbidden(causes, kinds[i].at, "may not specify more than 1 handler type");
        }
    }
    if (count == 0) {
        api_cause_required(causes, at, "must specify a handler type");
    }
    if (handler->exec != NULL && handler->exec->n_command == 0) {
        rules_required(causes, &exec, "command", "");
    }
    if (handler->http_get != NULL) {
        check_http(causes, &http, handler->http_get);
    }
    if (handler->tcp_socket != NULL) {
        check_port(causes, &tcp, handler->tcp_socket->port);
    }
    if (handler->grpc != NULL) {
        rules_check_number(causes, &grpc, "port", handler->grpc->port, api_syntax_port_number);
    }
}

static void check_probe(struct api_causes *causes, const struct api_path *parent, const char *name,
                        const Core__V1__Probe *probe, bool once)
{
    struct api_path at = api_path_field(parent, name);
    struct handler handler = {.exec = NULL};
    if (probe == NULL) {
        return;
    }
    if (probe->handler != NULL) {
        handler = (struct handler){.exec = probe->handler->exec,
                                   .http_get = probe->handler->http_get,
                                   .tcp_socket = probe->handler->tcp_socket,
                                   .grpc = probe->handler->grpc};
    }
    check_handler(causes, &at, &handler);
    rules_check_number(causes, &at, "initialDelaySeconds", probe->initial_delay_seconds,
                       api_syntax_non_negative);
    rules_check_number(causes, &at, "timeoutSeconds", probe->timeout_seconds,
                       api_syntax_non_negative);
    rules_check_number(causes, &at, "periodSeconds", probe->period_seconds,
                       api_syntax_non_negative);
    rules_check_number(causes, &at, "successThreshold", probe->success_threshold,
                       api_syntax_non_negative);
    rules_check_number(causes, &at, "failureThreshold", probe->failure_threshold,
                       api_syntax_non_negative);
    if (probe->has_termination_grace_period_seconds &&
        probe->termination_grace_period_seconds <= 0) {
        rules_invalid(causes, &at, "terminationGracePeriodSeconds",
                      api_shown_int(probe->termination_grace_period_seconds),
                      "must be greater than 0");
    }
    if (once && probe->success_threshold != 1) {
        rules_invalid(causes, &at, "successThreshold", api_shown_int(probe->success_threshold),
                      "must be 1");
    }
}

static void check_hook(struct api_causes *causes, const struct api_path *parent, const char *name,
                       const Core__V1__LifecycleHandler *hook)
{
    struct api_path at = api_path_field(parent, name);
    if (hook != NULL) {
        const struct handler handler = {.exec = hook->exec,
                                        .http_get = hook->http_get,
                                        .tcp_socket = hook->tcp_socket,
                                        .sleep = hook->sleep};
        check_handler(causes, &at, &handler);
    }
}

void rules_check_probes(struct api_causes *causes, const struct api_path *at,
                        const Core__V1__Container *container)
{
    struct api_path lifecycle = api_path_field(at, "lifecycle");
    if (container->lifecycle != NULL) {
        check_hook(causes, &lifecycle, "postStart", container->lifecycle->post_start);
        check_hook(causes, &lifecycle, "preStop", container->lifecycle->pre_stop);
    }
    check_probe(causes, at, "livenessProbe", container->liveness_probe, /* once= */ true);
    check_probe(causes, at, "readinessProbe", container->readiness_probe, /* once= */ false);
    check_probe(causes, at, "startupProbe", container->startup_probe, /* once= */ true);
}
