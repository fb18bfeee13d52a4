/* Certificate requests: approves those that nodes make for themselves, signs what is approved, and
 * removes what nobody needs any longer. Three loops, as each can be at work without the others. */
#include "controllers/certificates/request_plan.h"
#include "controllers/control.h"
#include "lib/api/time.h"
#include "lib/base/alloc.h"
#include <stdlib.h>
#include <string.h>

typedef Certificates__V1__CertificateSigningRequest request_t;
typedef Certificates__V1__CertificateSigningRequestCondition condition_t;

enum { CERTIFICATE_MAX = 64 * 1024 };
static const uint64_t CLEANING_INTERVAL_NS = 3600 * NS_PER_S;

struct request_loop {
    struct control *control;
    const struct api_kind *kind;
    struct informer *requests;
    struct informer_handler handler;
    struct reconciler *reconciler;
    struct env_timer timer; /* Of the cleaner. */
    void (*closed)(void *data);
    void *closed_data;
};

static struct slice pem_of(const request_t *request)
{
    return slice_of(request->spec->request.data, request->spec->request.len);
}

/* A copy to change, with the condition added. */
static request_t *with_condition(struct request_loop *loop, struct round *round,
                                 const request_t *request, const condition_t *condition)
{
    struct arena *arena = round->arena;
    request_t *copy = api_message_copy(arena, loop->kind->message, request);
    Certificates__V1__CertificateSigningRequestStatus *status = copy->status;
    condition_t *added = api_message_new(
        arena, api_message_find("k8s.io.api.certificates.v1.CertificateSigningRequestCondition"));
    added->type = condition->type;
    added->status = arena_text(arena, "True");
    added->reason = condition->reason;
    added->message = condition->message;
    added->last_update_time = api_time_new(arena, control_now_s(loop->control));
    added->last_transition_time = api_time_new(arena, control_now_s(loop->control));
    status->conditions =
        arena_array_grown(arena, status->conditions, status->n_conditions, sizeof(condition_t *));
    status->conditions[status->n_conditions++] = added;
    return copy;
}

/* --- Approval ----------------------------------------------------------------------------------
 */

static void approve(struct request_loop *loop, struct round *round, const request_t *request,
                    const struct x509_request *content)
{
    const struct controllers_config *config = loop->control->config;
    struct request_approval approvals[REQUEST_APPROVALS_MAX];
    size_t count = request_approvals(request, content, approvals);
    for (size_t i = 0; i < count && config->may_request != NULL; i++) {
        if (!config->may_request(config->may_request_data, request->spec,
                                 approvals[i].subresource)) {
            continue;
        }
        const condition_t approved = {.type = arena_text(round->arena, "Approved"),
                                      .reason = arena_text(round->arena, "AutoApproved"),
                                      .message = arena_text(round->arena, approvals[i].message)};
        request_t *copy = with_condition(loop, round, request, &approved);
        control_update(round, loop->kind, "approval", copy->metadata, copy, NULL, NULL);
        return;
    }
}

/* NULL when there is none any more. */
static const request_t *request_of_round(struct request_loop *loop, struct round *round)
{
    const struct client_object *object =
        control_ready(loop->control, round) ? informer_get(loop->requests, "", round->name) : NULL;
    return object == NULL || object->meta->deletion_timestamp != NULL ? NULL : object->message;
}

static void reconcile_approval(void *data, struct round *round)
{
    struct request_loop *loop = data;
    const request_t *request = request_of_round(loop, round);
    struct x509_request content;
    if (request == NULL || !request_has_signer(request) || !request_is_undecided(request) ||
        x509_parse_csr(pem_of(request), &content, NULL) < 0) {
        return; /* What cannot be read is for a person to decide. */
    }
    approve(loop, round, request, &content);
    x509_request_release(&content);
}

/* --- Signatures --------------------------------------------------------------------------------
 */

static void fail(struct request_loop *loop, struct round *round, const request_t *request,
                 const char *why)
{
    const condition_t failed = {.type = arena_text(round->arena, "Failed"),
                                .reason = arena_text(round->arena, "SignerValidationFailure"),
                                .message = arena_text(round->arena, why)};
    request_t *copy = with_condition(loop, round, request, &failed);
    control_update(round, loop->kind, "status", copy->metadata, copy, NULL, NULL);
}

static void sign(struct request_loop *loop, struct round *round, const request_t *request)
{
    const struct controllers_config *config = loop->control->config;
    const struct request_terms terms =
        request_terms(round->arena, request, control_now_s(loop->control));
    const struct x509_issue_options options = {.ca_cert_pem = slice_text(config->ca_pem),
                                               .ca_key_pem = slice_text(config->ca_key_pem),
                                               .csr_pem = pem_of(request),
                                               .key_usages = terms.key_usages,
                                               .extended_usages = terms.extended_usages,
                                               .not_before_s = terms.not_before_s,
                                               .not_after_s = terms.not_after_s};
    CLEANUP(buffer_release) struct buffer certificate;
    CLEANUP(error_release) struct error error = {0};
    buffer_init(&certificate, CERTIFICATE_MAX);
    if (x509_issue(&options, &certificate, &error) < 0) {
        round_fail(round, error_message(&error));
        return;
    }
    request_t *copy = api_message_copy(round->arena, loop->kind->message, request);
    struct slice bytes = arena_slice(round->arena, buffer_slice(&certificate));
    copy->status->certificate =
        (ProtobufCBinaryData){.len = bytes.len, .data = (uint8_t *)(uintptr_t)bytes.data};
    control_update(round, loop->kind, "status", copy->metadata, copy, NULL, NULL);
}

static void reconcile_signature(void *data, struct round *round)
{
    struct request_loop *loop = data;
    const struct controllers_config *config = loop->control->config;
    const request_t *request = request_of_round(loop, round);
    struct x509_request content;
    if (request == NULL || config->ca_pem == NULL || config->ca_key_pem == NULL ||
        !request_has_signer(request) || !request_awaits_signature(request)) {
        return;
    }
    if (x509_parse_csr(pem_of(request), &content, NULL) < 0) {
        fail(loop, round, request, "the request cannot be read, or its signature is wrong");
        return;
    }
    const char *problem = request_problem(round->arena, request, &content);
    if (problem != NULL) {
        fail(loop, round, request, problem);
    } else {
        sign(loop, round, request);
    }
    x509_request_release(&content);
}

/* --- Cleaning ----------------------------------------------------------------------------------
 */

static int64_t certificate_end_s(const request_t *request)
{
    struct x509_facts facts;
    struct slice pem =
        slice_of(request->status->certificate.data, request->status->certificate.len);
    if (pem.len == 0 || x509_read(pem, &facts, NULL) < 0) {
        return INT64_MAX;
    }
    int64_t end_s = facts.not_after_s;
    x509_facts_release(&facts);
    return end_s;
}

static void reconcile_cleaning(void *data, struct round *round)
{
    struct request_loop *loop = data;
    if (!control_ready(loop->control, round)) {
        return;
    }
    int64_t now_s = control_now_s(loop->control);
    struct informer_list list = informer_all(loop->requests, round->arena);
    for (size_t i = 0; i < list.count; i++) {
        const request_t *request = list.items[i]->message;
        if (request_is_stale(request, certificate_end_s(request), now_s)) {
            control_delete(round, loop->kind, request->metadata, NULL, NULL);
        }
    }
}

static void look(void *data)
{
    struct request_loop *loop = data;
    reconciler_add(loop->reconciler, "all");
    env_timer_start(loop->control->env, &loop->timer, CLEANING_INTERVAL_NS);
}

/* --- Life --------------------------------------------------------------------------------------
 */

static void request_changed(void *data, const struct client_object *old_object,
                            const struct client_object *new_object)
{
    struct request_loop *loop = data;
    (void)old_object;
    if (new_object != NULL) {
        reconciler_add(loop->reconciler, client_object_name(new_object));
    }
}

static struct request_loop *loop_new(struct control *control, const char *name,
                                     void (*reconcile)(void *data, struct round *round))
{
    struct request_loop *loop = alloc_zeroed(sizeof(*loop));
    loop->control = control;
    loop->kind = control_kind("certificates.k8s.io", "v1", "certificatesigningrequests");
    loop->requests = informers_get(control->informers, loop->kind);
    loop->reconciler =
        control_reconciler(control, name, &control_as.certificate, 1, reconcile, loop);
    loop->timer = (struct env_timer){.fire = look, .data = loop};
    loop->handler = (struct informer_handler){.changed = request_changed, .data = loop};
    return loop;
}

static void *approval_open(struct control *control)
{
    struct request_loop *loop = loop_new(control, "csr-approving", reconcile_approval);
    informer_add_handler(loop->requests, &loop->handler);
    return loop;
}

static void *signature_open(struct control *control)
{
    struct request_loop *loop = loop_new(control, "csr-signing", reconcile_signature);
    informer_add_handler(loop->requests, &loop->handler);
    return loop;
}

static void *cleaning_open(struct control *control)
{
    struct request_loop *loop = loop_new(control, "csr-cleaning", reconcile_cleaning);
    env_timer_start(control->env, &loop->timer, 0);
    return loop;
}

static void rounds_ended(void *data)
{
    struct request_loop *loop = data;
    void (*closed)(void *data) = loop->closed;
    void *closed_data = loop->closed_data;
    free(loop);
    closed(closed_data);
}

static void end_rounds(struct request_loop *loop, void (*closed)(void *data), void *data)
{
    loop->closed = closed;
    loop->closed_data = data;
    reconciler_close(loop->reconciler, rounds_ended, loop);
}

static void loop_close(void *part, void (*closed)(void *data), void *data)
{
    struct request_loop *loop = part;
    informer_remove_handler(&loop->handler);
    end_rounds(loop, closed, data);
}

static void cleaning_close(void *part, void (*closed)(void *data), void *data)
{
    struct request_loop *loop = part;
    env_timer_stop(loop->control->env, &loop->timer);
    end_rounds(loop, closed, data);
}

const struct control_part control_request_approval = {
    .name = "csr-approving", .open = approval_open, .close = loop_close};
const struct control_part control_request_signature = {
    .name = "csr-signing", .open = signature_open, .close = loop_close};
const struct control_part control_request_cleaning = {
    .name = "csr-cleaning", .open = cleaning_open, .close = cleaning_close};
