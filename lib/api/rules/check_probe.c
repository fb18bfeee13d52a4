/* Rules of probes and lifecycle hooks. */
#include "lib/api/rules/rules.h"
#include <inttypes.h>

/* Whether hooks and probes of this container count. Those of an init container that does not stay,
 * and of an ephemeral one, are forbidden as a whole, and not looked at. */
static bool is_served(const struct api_frame *frame)
{
    const struct api_frame *holder = api_frame_find(frame, &core__v1__container__schema);
    if (holder == NULL || holder->via == NULL) {
        return holder != NULL;
    }
    const Core__V1__Container *container = holder->message;
    return strcmp(holder->via->name, "initContainers") != 0 ||
           rules_is(container->restart_policy, "Always");
}

/* The ways to ask a container something, in the order of their members: the first that is given is
 * checked, each other one is forbidden. */
static void check_handlers(struct api_causes *causes, const struct api_frame *frame,
                           const char *const *names, const bool *given, size_t count)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (given[i] && found++ > 0) {
            rules_forbidden(causes, frame->at, names[i],
                            "may not specify more than 1 handler type");
        } else if (given[i]) {
            api_check_member(causes, frame, names[i]);
        }
    }
    if (found == 0) {
        api_cause_required(causes, frame->at, "must specify a handler type");
    }
}

bool rules_lifecycle(struct api_causes *causes, const struct api_frame *frame)
{
    (void)causes;
    return is_served(frame);
}

bool rules_hook(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const names[] = {"exec", "httpGet", "tcpSocket", "sleep"};
    const Core__V1__LifecycleHandler *hook = frame->message;
    const bool given[] = {hook->exec != NULL, hook->http_get != NULL, hook->tcp_socket != NULL,
                          hook->sleep != NULL};
    check_handlers(causes, frame, names, given, ARRAY_LEN(names));
    return false;
}

/* A hook that sleeps must be done before the pod is killed. */
bool rules_sleep(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__SleepAction *sleep = frame->message;
    const struct api_frame *holder = api_frame_find(frame, &core__v1__pod_spec__schema);
    const Core__V1__PodSpec *spec = holder == NULL ? NULL : holder->message;
    if (spec != NULL && spec->has_termination_grace_period_seconds &&
        (sleep->seconds <= 0 || sleep->seconds > spec->termination_grace_period_seconds)) {
        api_cause_invalid(
            causes, frame->at, api_shown_int(sleep->seconds),
            arena_printf(causes->arena,
                         "must be greater than 0 and less than terminationGracePeriodSeconds "
                         "(%" PRId64 "). Enable AllowPodLifecycleSleepActionZeroValue feature gate "
                         "for zero sleep.",
                         spec->termination_grace_period_seconds));
    }
    return true;
}

/* Only readiness may need more than one success, and it kills nothing. */
static void check_once(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__Probe *probe = frame->message;
    if (strcmp(frame->via->name, "readinessProbe") == 0) {
        if (probe->has_termination_grace_period_seconds) {
            rules_invalid(causes, frame->at, "terminationGracePeriodSeconds",
                          api_shown_int(probe->termination_grace_period_seconds),
                          "must not be set for readinessProbes");
        }
    } else if (probe->success_threshold != 1) {
        rules_invalid(causes, frame->at, "successThreshold",
                      api_shown_int(probe->success_threshold), "must be 1");
    }
}

bool rules_probe(struct api_causes *causes, const struct api_frame *frame)
{
    static const char *const names[] = {"exec", "httpGet", "tcpSocket", "grpc"};
    static const char *const times[] = {"initialDelaySeconds", "timeoutSeconds",
                                        "periodSeconds",       "successThreshold",
                                        "failureThreshold",    "terminationGracePeriodSeconds"};
    const Core__V1__Probe *probe = frame->message;
    const Core__V1__ProbeHandler *handler = probe->handler;
    bool given[ARRAY_LEN(names)] = {false};
    if (!is_served(frame)) {
        return false;
    }
    if (handler != NULL) {
        given[0] = handler->exec != NULL;
        given[1] = handler->http_get != NULL;
        given[2] = handler->tcp_socket != NULL;
        given[3] = handler->grpc != NULL;
    }
    check_handlers(causes, frame, names, given, ARRAY_LEN(names));
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        api_check_member(causes, frame, times[i]);
    }
    check_once(causes, frame);
    return false;
}

/* The path of a header's error is the list itself. */
bool rules_http_headers(struct api_causes *causes, const struct api_frame *frame)
{
    const Core__V1__HTTPGetAction *get = frame->message;
    for (size_t i = 0; i < get->n_http_headers; i++) {
        rules_check_text(causes, frame->at, "httpHeaders", get->http_headers[i]->name,
                         api_syntax_header_name);
    }
    return true;
}
