#include "apiserver/api_service_checks.h"

#include "apiserver/aggregator.h"
#include "apiserver/extension_discovery.h"
#include "apiserver/openapi_documents.h"
#include "apiserver/request.h"
#include "apiserver/service_endpoint.h"
#include "lib/api/json_value.h"
#include "lib/api/openapi_extension.h"
#include "lib/base/alloc.h"
#include "lib/base/digest.h"
#include "lib/base/log.h"
#include <errno.h>
#include <stdlib.h>

enum { TICK_MS = 1000, PORT_TEXT_MAX = 6 };

/* How to find out that the OpenAPI v2 document is the same as before, and what is kept of a new
 * one. Of the io loop from the question until that has read the answer. */
struct openapi_v2 {
    char *etag;         /* NULL: it came without. */
    uint64_t digest;    /* Of the answer. */
    bool known;         /* What we have is of the answer that had these. */
    bool told;          /* That it is left out. */
    struct chunk *kept; /* Of this answer; its hash. */
    char hash[OPENAPI_HASH_SIZE];
    struct error refusal; /* Of this answer. */
};

/* One after the other. */
enum question { ASK_RESOURCES, ASK_OPENAPI_V3, ASK_OPENAPI_V2 };

/* Of one APIService. */
struct check {
    struct api_service_checks *checks;
    char *name, *uid;
    char *status, *reason, *message; /* The verdict; NULL: not known. */
    bool seen;                       /* In the set of this tick. */
    bool busy;
    enum question question;
    unsigned failures; /* One after the other. */
    uint64_t due_ns;
    /* Of the call under way: */
    struct arena *arena;
    struct tls_config *tls;
    struct webhook_call call;
    const char *url; /* As messages show it. */
    const char *group, *version, *group_version;
    struct openapi_v2 v2;
};

struct api_service_checks {
    struct apiserver *server;
    struct env_timer tick;
    struct check *list[API_SERVICES_MAX];
    size_t count;
    uint64_t turn;
};

static uint64_t now_ns(const struct check *check)
{
    return env_now_ns(check->checks->server->config.env);
}

/* --- Verdicts --- */

static void judge(struct check *check, const char *status, const char *reason, const char *message)
{
    if (check->status != NULL && strcmp(check->status, status) == 0 &&
        strcmp(check->reason, reason) == 0 && strcmp(check->message, message) == 0) {
        return;
    }
    free(check->status);
    free(check->reason);
    free(check->message);
    check->status = alloc_text(status);
    check->reason = alloc_text(reason);
    check->message = alloc_text(message);
}

bool api_service_checks_verdict(const struct api_service_checks *checks, const char *name,
                                const char *uid, struct api_service_verdict *ret_verdict)
{
    for (size_t i = 0; i < checks->count; i++) {
        const struct check *check = checks->list[i];
        if (strcmp(check->name, name) == 0 && strcmp(check->uid, uid) == 0 &&
            check->status != NULL) {
            *ret_verdict = (struct api_service_verdict){
                .status = check->status, .reason = check->reason, .message = check->message};
            return true;
        }
    }
    return false;
}

static void heard(struct check *check, bool fresh, struct chunk *resources, const char *hash)
{
    api_services_heard(check->checks->server->api_services, check->name, fresh, resources, hash);
}

/* --- Questions --- */

static void check_free(struct check *check)
{
    arena_free(check->arena);
    tls_config_unref(check->tls);
    free(check->name);
    free(check->uid);
    free(check->status);
    free(check->reason);
    free(check->message);
    free(check->v2.etag);
    free(check);
}

static void answered(struct webhook_call *call);
static void read_v2(struct webhook_call *call);

/* Documents may be large: they are no work for the store loop, nor for that of the calls. */
static struct loop *reading_loop(const struct check *check)
{
    const struct apiserver_config *config = &check->checks->server->config;
    return config->io_loops[config->io_loop_count - 1];
}

/* GET of the path at the same Service, as somebody who may do everything there. */
static void ask(struct check *check, const char *path)
{
    static const char *const groups[] = {"system:masters"};
    static const struct user asker = {
        .name = "system:kube-aggregator", .uid = "", .groups = groups, .group_count = 1};
    struct http_header *headers =
        arena_array(check->arena, aggregator_identity_count(&asker) + 3, sizeof(*headers));
    size_t count = aggregator_identity(check->arena, &asker, headers);
    headers[count++] = http_header("accept", "application/json");
    headers[count++] = http_header("user-agent", "kube-apiserver-aggregator");
    bool whole = check->question == ASK_OPENAPI_V2;
    if (whole && check->v2.known && check->v2.etag != NULL) {
        headers[count++] = http_header("if-none-match", check->v2.etag);
    }
    struct webhook_target target = check->call.target;
    target.service_path = path;
    check->call = (struct webhook_call){.target = target,
                                        .timeout_ms = EXTENSION_PATIENCE_MS,
                                        .identity = check->tls,
                                        .headers = headers,
                                        .header_count = count,
                                        .arena = check->arena,
                                        .home = whole ? reading_loop(check) : NULL,
                                        .done = whole ? read_v2 : answered,
                                        .data = check};
    webhook_client_start(check->checks->server->webhooks, &check->call);
}

static void end(struct check *check, bool good)
{
    uint64_t delay_ms = EXTENSION_CHECK_MS;
    check->busy = false;
    check->question = ASK_RESOURCES;
    check->failures = good ? 0 : check->failures + 1;
    if (check->failures > 0 && check->failures < 8) {
        uint64_t retry_ms = (uint64_t)EXTENSION_RETRY_MS << (check->failures - 1);
        delay_ms = retry_ms < delay_ms ? retry_ms : delay_ms;
    }
    check->due_ns = now_ns(check) + delay_ms * NS_PER_MS;
    tls_config_unref(TAKE(check->tls));
    arena_free(check->arena); /* And the memory of its answers, which may have been large. */
    check->arena = arena_new(SIZE_MAX);
}

static void fail(struct check *check, const char *why)
{
    const char *message =
        arena_printf(check->arena, "failing or missing response from %s: %s", check->url, why);
    judge(check, "False", "FailedDiscoveryCheck", message);
    heard(check, /* fresh= */ false, NULL, NULL);
    end(check, false);
}

/* It answers: what it serves is a question of its own. */
static void take_resources(struct check *check)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct buffer out;
    struct slice answer = check->call.answer;
    buffer_init(&out, ENCODED_OBJECT_MAX);
    struct chunk *chunk = NULL;
    if (answer.len <= EXTENSION_DOCUMENT_MAX &&
        extension_discovery_resources(arena, answer, check->group_version, &out) == 0) {
        chunk = chunk_new(buffer_slice(&out));
    }
    buffer_release(&out);
    heard(check, /* fresh= */ chunk != NULL, chunk, NULL);
}

static void take_openapi_v3(struct check *check)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const char *path = arena_printf(arena, "apis/%s", check->group_version);
    const char *hash = NULL;
    if (check->call.error == 0 && check->call.status == 200 &&
        check->call.answer.len <= EXTENSION_DOCUMENT_MAX &&
        extension_openapi_hash(arena, check->call.answer, path, &hash) == 0) {
        heard(check, /* fresh= */ true, NULL, hash);
    }
}

/* Whether what was kept of its document is there still: it goes when the server may be another. */
static bool has_v2(const struct check *check)
{
    struct api_service_set *set = api_services_set(check->checks->server->api_services);
    const struct api_service *service = api_service_set_find(set, check->group, check->version);
    bool has = service != NULL && service->openapi_v2 != NULL;
    api_service_set_unref(set);
    return has;
}

static void answered(struct webhook_call *call)
{
    struct check *check = call->data;
    if (check->question == ASK_OPENAPI_V3) {
        take_openapi_v3(check);
        check->question = ASK_OPENAPI_V2;
        check->v2.known = check->v2.known && has_v2(check);
        ask(check, "/openapi/v2");
        return;
    }
    if (call->error < 0) {
        fail(check, call->message);
        return;
    }
    if (call->status < 200 || call->status > 299) {
        fail(check, arena_printf(check->arena, "bad status from %s: %u", check->url, call->status));
        return;
    }
    judge(check, "True", "Passed", "all checks passed");
    take_resources(check);
    check->question = ASK_OPENAPI_V3;
    ask(check, "/openapi/v3");
}

/* --- The OpenAPI v2 document --- */

static void take_v2(void *data)
{
    struct check *check = data;
    struct openapi_v2 *v2 = &check->v2;
    if (v2->kept != NULL) {
        api_services_heard_v2(check->checks->server->api_services, check->name, TAKE(v2->kept),
                              v2->hash);
        v2->told = false;
    } else if (v2->refusal.code < 0 && !v2->told) {
        LOG_WARN("apiserver", "OpenAPI v2 document of an extension server is left out",
                 KV_TEXT("apiservice", check->name),
                 KV_TEXT("reason", error_message(&v2->refusal)));
        v2->told = true;
    }
    error_release(&v2->refusal);
    end(check, true);
}

/* What of it is of this group version. Any other answer leaves what we have as it is. */
static void keep_v2(struct check *check)
{
    CLEANUP(buffer_release) struct buffer out;
    struct openapi_v2 *v2 = &check->v2;
    struct slice answer = check->call.answer;
    uint64_t digest = digest64(0, answer);
    buffer_init(&out, EXTENSION_OPENAPI_MAX);
    if (!v2->known || v2->digest != digest) {
        if (api_openapi_extension_keep(answer, check->group, check->version, &out, &v2->refusal) <
            0) {
            return;
        }
        v2->kept = chunk_new(buffer_slice(&out));
        openapi_hash(buffer_slice(&out), v2->hash);
        v2->digest = digest;
        v2->known = true;
    }
    free(v2->etag);
    v2->etag = check->call.etag == NULL ? NULL : alloc_text(check->call.etag);
}

static void read_v2(struct webhook_call *call)
{
    struct check *check = call->data;
    if (call->error == -EMSGSIZE) {
        (void)error_set(&check->v2.refusal, call->error, "%s", call->message);
    } else if (call->error == 0 && call->status == 200) {
        keep_v2(check);
    }
    loop_post(check->checks->server->config.store_loop, take_v2, check);
}

/* --- Looking --- */

/* False, with a verdict, when nobody could be asked. */
static bool can_be_asked(struct check *check, const struct api_service *service,
                         struct net_address *ret_address)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const Apiregistration__V1__ServiceReference *reference = service->object->spec->service;
    const char *name = text_or_empty(reference->name);
    const char *namespace = text_or_empty(reference->namespace_);
    const struct service_question question = {.namespace = namespace,
                                              .name = name,
                                              .port = service->port,
                                              .turn = check->checks->turn++,
                                              .endpoints_only = true};
    struct service_answer answer = {.port_name = ""};
    const char *where = arena_printf(arena, "service/%s in \"%s\"", name, namespace);
    const char *reason = NULL, *message = NULL;
    switch (service_endpoint_find(check->checks->server->cache, arena, &question, &answer)) {
    case SERVICE_FOUND:
        *ret_address = answer.address;
        return true;
    case SERVICE_ABSENT:
        reason = "ServiceNotFound";
        message = arena_printf(arena, "%s is not present", where);
        break;
    case SERVICE_WITHOUT_PORT:
        reason = "ServicePortError";
        message = arena_printf(arena, "%s is not listening on port %d", where, service->port);
        break;
    case SERVICE_WITHOUT_ENDPOINTS:
        reason = "EndpointsNotFound";
        message = arena_printf(arena, "cannot find endpoints for %s", where);
        break;
    case SERVICE_WITHOUT_READY:
        reason = "MissingEndpoints";
        message = arena_printf(arena, "endpoints for %s have no addresses with port name \"%s\"",
                               where, answer.port_name);
        break;
    }
    judge(check, "False", reason, message);
    heard(check, /* fresh= */ false, NULL, NULL);
    check->due_ns = 0; /* Once it can be. */
    return false;
}

static void look_at(struct check *check, const struct api_service *service)
{
    const Apiregistration__V1__APIServiceSpec *spec = service->object->spec;
    struct net_address address;
    if (check->busy || !can_be_asked(check, service, &address) || now_ns(check) < check->due_ns) {
        return;
    }
    bool v6 = strchr(address.host, ':') != NULL;
    struct arena *arena = check->arena;
    check->group = arena_text(arena, spec->group);
    check->version = arena_text(arena, spec->version);
    check->group_version = arena_printf(arena, "%s/%s", spec->group, spec->version);
    check->url = arena_printf(arena, "https://%s%s%s:%u/apis/%s", v6 ? "[" : "", address.host,
                              v6 ? "]" : "", address.port, check->group_version);
    if (service->tls == NULL) {
        fail(check, text_or_empty(service->problem));
        return;
    }
    check->busy = true;
    check->tls = tls_config_ref(service->tls);
    check->call.target = (struct webhook_target){
        .service_namespace = arena_text(arena, text_or_empty(spec->service->namespace_)),
        .service_name = arena_text(arena, text_or_empty(spec->service->name)),
        .service_port = service->port};
    ask(check, arena_printf(arena, "/apis/%s", check->group_version));
}

static struct check *find_or_add(struct api_service_checks *checks,
                                 const struct api_service *service)
{
    const Meta__V1__ObjectMeta *meta = service->object->metadata;
    for (size_t i = 0; i < checks->count; i++) {
        if (strcmp(checks->list[i]->name, meta->name) == 0 &&
            strcmp(checks->list[i]->uid, meta->uid) == 0) {
            return checks->list[i];
        }
    }
    if (checks->count == API_SERVICES_MAX) { /* Those that are gone have calls under way. */
        return NULL;
    }
    struct check *check = alloc_zeroed(sizeof(*check));
    check->checks = checks;
    check->name = alloc_text(meta->name);
    check->uid = alloc_text(meta->uid);
    check->arena = arena_new(SIZE_MAX);
    checks->list[checks->count++] = check;
    return check;
}

static void tick(void *data)
{
    struct api_service_checks *checks = data;
    struct api_service_set *set = api_services_set(checks->server->api_services);
    for (size_t i = 0; i < checks->count; i++) {
        checks->list[i]->seen = false;
    }
    for (size_t i = 0; i < set->count; i++) {
        struct check *check = find_or_add(checks, &set->items[i]);
        if (check != NULL) {
            check->seen = true;
            look_at(check, &set->items[i]);
        }
    }
    for (size_t i = checks->count; i-- > 0;) {
        struct check *check = checks->list[i];
        if (!check->seen && !check->busy) {
            check_free(check);
            checks->list[i] = checks->list[--checks->count];
        }
    }
    api_service_set_unref(set);
    env_timer_start(checks->server->config.env, &checks->tick, TICK_MS * NS_PER_MS);
}

struct api_service_checks *api_service_checks_new(struct apiserver *server)
{
    struct api_service_checks *checks = alloc_zeroed(sizeof(*checks));
    checks->server = server;
    checks->tick = (struct env_timer){.fire = tick, .data = checks};
    env_timer_start(server->config.env, &checks->tick, 0);
    return checks;
}

void api_service_checks_free(struct api_service_checks *checks)
{
    if (checks == NULL) {
        return;
    }
    env_timer_stop(checks->server->config.env, &checks->tick);
    for (size_t i = 0; i < checks->count; i++) {
        check_free(checks->list[i]);
    }
    free(checks);
}
