#include "apiserver/apiserver.h"

#include "apiserver/api_service_checks.h"
#include "apiserver/api_service_keeper.h"
#include "apiserver/audit.h"
#include "apiserver/bootstrap.h"
#include "apiserver/definitions.h"
#include "apiserver/encryption.h"
#include "apiserver/encryption_follower.h"
#include "apiserver/issuers.h"
#include "apiserver/legacy_tokens.h"
#include "apiserver/member_service.h"
#include "apiserver/node_service.h"
#include "apiserver/objects_service.h"
#include "apiserver/openapi_documents.h"
#include "apiserver/pki.h"
#include "apiserver/proxy.h"
#include "apiserver/published_trust.h"
#include "apiserver/request.h"
#include "apiserver/version_fill.h"
#include "descriptors/grpc_services.h"
#include "descriptors/node_services.h"
#include "descriptors/objects_services.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/base/uuid.h"
#include "lib/net/grpc_health.h"
#include "lib/net/grpc_reflection.h"
#include "lib/net/x509.h"
#include "store/storage.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { CLOSE_GRACE_MS = 2000, QUORUM_TICK_MS = 1000 };

/* What a request goes through, in this order (reliability.md 3.2). */
static bool (*const stages[])(struct request *request) = {
    stage_authenticate, stage_audit, stage_impersonate, stage_flow, stage_authorize, stage_dispatch,
};

void request_continue(struct request *request)
{
    while (request->stage < ARRAY_LEN(stages)) {
        if (!stages[request->stage++](request)) {
            return;
        }
    }
}

static const char *audit_id(struct request *request)
{
    struct slice given = http_header_find(request->exchange, "audit-id");
    if (given.len > 0 && given.len <= 64) {
        return arena_text_n(request->arena, (const char *)given.data, given.len);
    }
    uint64_t random[2];
    x509_random((uint8_t *)random, sizeof(random));
    return uuid_text(request->arena, random[0], random[1]);
}

void request_init(struct request *request, struct apiserver *server, struct http_exchange *exchange,
                  const struct request_codec *codec)
{
    http_exchange_ref(exchange);
    request->server = server;
    request->codec = codec;
    request->exchange = exchange;
    request->arena = http_arena(exchange);
    request->started_ms = loop_now_ms(http_exchange_loop(exchange));
    request->audit_id = audit_id(request);
    request->accept = (struct negotiated){.as_kind = "", .as_version = "", .form_version = "v1"};
    request->user = &user_anonymous;
    request->info.method = "";
    request->info.path = "";
}

static struct request *request_new(struct apiserver *server, struct http_exchange *exchange)
{
    struct request *request = arena_zeroed(http_arena(exchange), sizeof(*request));
    request_init(request, server, exchange, &http_codec);
    return request;
}

/* Before authentication, as nothing of the request has been read yet. */
static void on_too_large(void *data, struct http_exchange *exchange)
{
    struct request *request = request_new(data, exchange);
    respond_status(request, api_status_too_large(request->arena, REQUEST_BODY_MAX));
}

/* Whoever asks how the server is has to hear it, most of all now. */
static bool is_about_health(struct slice path)
{
    static const char *const paths[] = {"/healthz", "/livez", "/readyz", "/metrics"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        if (slice_starts_with(path, slice_text(paths[i]))) {
            return true;
        }
    }
    return false;
}

static bool on_short_memory(void *data, struct http_exchange *exchange)
{
    if (is_about_health(http_path(exchange))) {
        return false;
    }
    respond_short_memory(request_new(data, exchange));
    return true;
}

static void on_request(void *data, struct http_exchange *exchange)
{
    struct request *request = request_new(data, exchange);
    struct slice method = http_method(exchange);
    request->body = http_body(exchange);
    request->body_type = http_header_find(exchange, "content-type");
    int status = request_info_parse(
        request->arena, arena_text_n(request->arena, (const char *)method.data, method.len),
        http_path(exchange), http_query(exchange), &request->info);
    if (status < 0) {
        request->info.method = "";
        request->info.path = "";
        respond_status(request,
                       api_status_bad_request(request->arena, "the path or query is malformed"));
        return;
    }
    request_continue(request);
}

struct watch_hub *request_hub(struct request *request)
{
    const struct apiserver *server = request->server;
    struct loop *loop = http_exchange_loop(request->exchange);
    for (size_t i = 0; i < server->config.io_loop_count; i++) {
        if (server->config.io_loops[i] == loop) {
            return server->hubs[i];
        }
    }
    return server->hubs[0];
}

static int make_tls(struct apiserver *server, struct error *reterr)
{
    const struct pki *pki = server->config.pki;
    const char *proxies = server->config.authn.front_proxy.client_ca_pem;
    struct tls_options options = {.cert_pem = slice_text(pki->server_cert),
                                  .key_pem = slice_text(pki->server_key),
                                  .ca_pem = slice_text(pki->ca_cert),
                                  .told_ca_pem = slice_text(proxies == NULL ? "" : proxies),
                                  .verify = TLS_VERIFY_OPTIONAL,
                                  .alpn = TLS_ALPN_H2 | TLS_ALPN_HTTP1};
    int status = tls_config_new_server(&options, &server->tls, reterr);
    if (status < 0 && proxies != NULL) { /* Those of ours have been looked at before. */
        (void)error_wrap(reterr, "--requestheader-client-ca-file");
    }
    return status;
}

static int listen_http(struct apiserver *server, struct error *reterr)
{
    struct net_address address = {.port = server->config.listen_port};
    if (strlen(server->config.listen_host) >= sizeof(address.host)) {
        return error_set(reterr, -EINVAL, "listen host is too long");
    }
    memcpy(address.host, server->config.listen_host, strlen(server->config.listen_host) + 1);
    struct http_handler handler = {.on_request = on_request,
                                   .on_too_large = on_too_large,
                                   .on_short_memory = on_short_memory,
                                   .data = server};
    struct http_server_options options = {.loops = server->config.io_loops,
                                          .loop_count = server->config.io_loop_count,
                                          .address = &address,
                                          .tls = server->config.plaintext ? NULL : server->tls,
                                          .handler = &handler,
                                          .grpc = grpc_server_handler(server->grpc),
                                          .body_bytes_max = REQUEST_BODY_MAX,
                                          .streams_max = 1000};
    return http_server_listen(&options, &server->http, reterr);
}

/* Whether a quorum answers: asked all the time, so that a health check has the answer at hand. */
static void set_leader_known(struct apiserver *server, bool known)
{
    atomic_store(&server->has_leader, known);
    grpc_health_set(server->health, "", known);
}

/* Without a quorum the answer comes when the store ends, and the server may be gone by then. */
struct quorum_question {
    struct apiserver *server; /* NULL: gone. */
    bool open;
};

static void quorum_answered(void *data, int status)
{
    struct quorum_question *question = data;
    question->open = false;
    if (question->server == NULL) {
        free(question);
    } else {
        set_leader_known(question->server, status == 0);
    }
}

static void quorum_forget(struct quorum_question *question)
{
    question->server = NULL;
    if (!question->open) {
        free(question);
    }
}

static void quorum_tick(void *data)
{
    struct apiserver *server = data;
    env_timer_start(server->config.env, &server->tick, QUORUM_TICK_MS * NS_PER_MS);
    if (server->question->open) {
        set_leader_known(server, false);
        return;
    }
    server->question->open = true;
    storage_read_barrier(server->config.storage, quorum_answered, server->question);
}

/* Health and descriptors of all that is called over gRPC. */
static void describe(struct apiserver *server)
{
    server->health = grpc_health_new();
    server->reflection = grpc_reflection_new();
    const struct slice sets[] = {
        slice_of(proto_node_services_set, proto_node_services_set_size),
        slice_of(proto_objects_services_set, proto_objects_services_set_size),
        slice_of(proto_grpc_services_set, proto_grpc_services_set_size),
    };
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        int status = grpc_reflection_add(server->reflection, sets[i]);
        assert(status == 0); /* They are part of the program. */
        (void)status;
    }
    grpc_health_mount(server->health, server->grpc);
    grpc_reflection_mount(server->reflection, server->grpc);
}

static void follow_encryption(struct apiserver *server)
{
    const struct apiserver_config *config = &server->config;
    const struct encryption_follower_options options = {
        .loop = config->store_loop,
        .encryption = server->encryption,
        .metrics = config->metrics,
        .path = config->encryption_path,
        .known = slice_text(config->encryption_config),
        .server_name = text_or_empty(config->member_name)};
    if (options.path != NULL) {
        server->encryption_follower = encryption_follower_open(&options);
    }
}

static void make_parts(struct apiserver *server)
{
    const struct apiserver_config *config = &server->config;
    follow_encryption(server);
    server->cache = watch_cache_new(config->env, config->storage, server->encryption);
    server->custom = custom_kinds_new(server->cache);
    server->authorizer = authorizer_new(config->env, server->cache);
    authorizer_set_chains(server->authorizer, server->chains);
    uint32_t seats =
        config->requests_in_flight == 0 ? FLOW_SEATS_DEFAULT : config->requests_in_flight;
    server->flow = flow_control_new(config->env, server->cache, config->metrics, seats);
    server->liveness = node_liveness_new(config->env, config->storage);
    server->webhooks = webhook_client_new(config->store_loop, config->io_loops[0], server->cache);
    server->version_fills = version_fills_new(server->webhooks, config->store_loop);
    struct registry_config registry = {.env = config->env,
                                       .store_loop = config->store_loop,
                                       .storage = config->storage,
                                       .cache = server->cache,
                                       .custom = server->custom,
                                       .metrics = config->metrics,
                                       .services = &server->services,
                                       .signer = server->signer,
                                       .nodes = server->liveness,
                                       .webhooks = server->webhooks,
                                       .version_fills = server->version_fills,
                                       .encryption = server->encryption,
                                       .authorizer = server->authorizer};
    server->registry = registry_new(&registry);
    server->hubs = alloc_array(config->io_loop_count, sizeof(struct watch_hub *));
    for (size_t i = 0; i < config->io_loop_count; i++) {
        server->hubs[i] = watch_hub_new(server->cache, config->io_loops[i]);
    }
    server->requests_total =
        metrics_counter(config->metrics, "apiserver_requests_total", "Requests answered.", NULL);
    server->request_seconds = metrics_histogram(
        config->metrics, "apiserver_request_duration_seconds", "Time to answer a request.", NULL,
        metrics_seconds_bounds, metrics_seconds_bound_count);
    server->bootstrap = bootstrap_new(server);
    server->definitions = definitions_new(server);
    server->api_services = api_services_new(server->cache, config->pki);
    server->api_checks = api_service_checks_new(server);
    server->api_keeper = api_service_keeper_new(server);
    server->published_trust = published_trust_new(server);
    server->legacy_tokens = legacy_tokens_new(server);
    server->grpc = grpc_server_new();
    server->sessions = node_sessions_new(server);
    server->objects = objects_service_new(server);
    member_service_add(server);
    describe(server);
    server->proxy = proxy_new(server);
    webhook_client_set_agents(server->webhooks, proxy_agent_tls(server->proxy));
    server->tick = (struct env_timer){.fire = quorum_tick, .data = server};
    server->question = alloc_zeroed(sizeof(*server->question));
    server->question->server = server;
    quorum_tick(server);
}

static void free_parts(struct apiserver *server)
{
    env_timer_stop(server->config.env, &server->tick);
    quorum_forget(server->question);
    proxy_free(server->proxy);
    version_fills_free(server->version_fills);
    webhook_client_free(server->webhooks);
    review_client_free(server->reviews);
    node_sessions_free(server->sessions);
    objects_service_free(server->objects);
    grpc_server_free(server->grpc);
    grpc_health_free(server->health);
    grpc_reflection_free(server->reflection);
    bootstrap_free(server->bootstrap);
    definitions_free(server->definitions);
    published_trust_free(server->published_trust);
    legacy_tokens_free(server->legacy_tokens);
    api_service_keeper_free(server->api_keeper);
    api_service_checks_free(server->api_checks);
    api_services_free(server->api_services);
    for (size_t i = 0; server->hubs != NULL && i < server->config.io_loop_count; i++) {
        watch_hub_free(server->hubs[i]);
    }
    free(server->hubs);
    registry_free(server->registry);
    node_liveness_free(server->liveness);
    authorizer_free(server->authorizer);
    flow_control_free(server->flow);
    custom_kinds_free(server->custom);
    watch_cache_free(server->cache);
    issuers_free(server->issuers);
    token_webhook_free(server->token_webhook);
    authorizer_chains_free(server->chains);
    encryption_follower_close(server->encryption_follower);
    encryption_free(server->encryption);
    token_signer_free(server->signer);
    audit_free(server->audit);
    tls_config_unref(server->tls);
    openapi_documents_free(server->openapi);
    free(server);
}

static int read_encryption(struct apiserver *server, struct error *reterr)
{
    const char *text = server->config.encryption_config;
    if (text == NULL) {
        return 0;
    }
    const struct encryption_plugins plugins = {.loop = server->config.store_loop,
                                               .metrics = server->config.metrics};
    int status = encryption_new(&plugins, slice_text(text), &server->encryption, reterr);
    return status < 0 ? error_wrap(reterr, "--encryption-provider-config") : 0;
}

static int make_issuers(struct apiserver *server, struct error *reterr)
{
    server->issuers_options =
        (struct issuers_options){.authn = &server->config.authn,
                                 .own_issuer = token_signer_issuer(server->signer),
                                 .server_name = text_or_empty(server->config.member_name),
                                 .metrics = server->config.metrics};
    return issuers_new(&server->issuers_options, server->config.store_loop, &server->issuers,
                       reterr);
}

/* Whoever is known and whoever is not: webhooks of both, and in which order is decided. */
static int make_access(struct apiserver *server, struct error *reterr)
{
    const struct apiserver_config *config = &server->config;
    server->reviews = review_client_new(config->io_loops[0]);
    int status = token_webhook_new(&config->authn.token_webhook, server->reviews, config->metrics,
                                   &server->token_webhook, reterr);
    if (status < 0) {
        return status;
    }
    server->chains_options =
        (struct authorizer_chains_options){.authz = &config->authz,
                                           .client = server->reviews,
                                           .metrics = config->metrics,
                                           .server_name = text_or_empty(config->member_name)};
    status =
        authorizer_chains_new(&server->chains_options, config->store_loop, &server->chains, reterr);
    if (status == 0 && config->anonymous && authz_options_allow_all(&config->authz)) {
        LOG_WARN("apiserver", "who shows nothing is refused, as everybody may do everything",
                 KV_TEXT("flag", "--authorization-mode=AlwaysAllow"));
        server->config.anonymous = false;
    }
    return status;
}

int apiserver_new(const struct apiserver_config *config, struct apiserver **ret_server,
                  struct error *reterr)
{
    struct apiserver *server = alloc_zeroed(sizeof(*server));
    server->config = *config;
    server->openapi = openapi_documents_new();
    int status = service_allocator_init(&server->services, config->service_cidr);
    if (status < 0) {
        (void)error_set(reterr, status, "service CIDR %s: need an IPv4 network of /8 to /30",
                        config->service_cidr);
    }
    const char *issuer = "https://kubernetes.default.svc";
    if (status == 0) {
        status = token_signer_new(config->pki->sa_key, config->pki->sa_pub, issuer, &server->signer,
                                  reterr);
    }
    if (status == 0 && !config->plaintext) {
        status = make_tls(server, reterr);
    }
    if (status == 0) {
        status = read_encryption(server, reterr);
    }
    if (status == 0) {
        status = make_issuers(server, reterr);
    }
    if (status == 0) {
        status = make_access(server, reterr);
    }
    if (status == 0) {
        status = audit_new(&server->config.audit, config->io_loops[0], config->metrics,
                           &server->audit, reterr);
    }
    if (status < 0) {
        issuers_free(server->issuers);
        token_webhook_free(server->token_webhook);
        authorizer_chains_free(server->chains);
        review_client_free(server->reviews);
        encryption_free(server->encryption);
        tls_config_unref(server->tls);
        token_signer_free(server->signer);
        openapi_documents_free(server->openapi);
        free(server);
        return status;
    }
    make_parts(server);
    status = listen_http(server, reterr);
    if (status < 0) {
        free_parts(server);
        return status;
    }
    *ret_server = server;
    return 0;
}

static void closed_on_store_loop(void *data)
{
    struct apiserver *server = data;
    void (*closed)(void *data) = server->closed;
    void *closed_data = server->closed_data;
    free_parts(server);
    if (closed != NULL) {
        closed(closed_data);
    }
}

static void audit_closed(void *data)
{
    struct apiserver *server = data;
    loop_post(server->config.store_loop, closed_on_store_loop, server);
}

static void close_audit(void *data)
{
    struct apiserver *server = data;
    audit_close(server->audit, audit_closed, server);
}

static void proxy_closed(void *data)
{
    struct apiserver *server = data;
    loop_post(server->config.io_loops[0], close_audit, server);
}

/* Behind the last call, as one may wait for a webhook. The proxy's end visits every io loop: none
 * is inside of what ended a call any more. */
static void close_clients(void *data)
{
    struct apiserver *server = data;
    webhook_client_close(server->webhooks);
    review_client_close(server->reviews);
    proxy_close(server->proxy, proxy_closed, server);
}

static void calls_over(void *data)
{
    struct apiserver *server = data;
    loop_post(server->config.io_loops[0], close_clients, server);
}

/* Exchanges are gone by now, and with them their requests; calls of our own parts, of clients in
 * this process and of the sessions of nodes may still be on their way. */
static void http_closed(void *data)
{
    struct apiserver *server = data;
    registry_when_idle(server->registry, server->config.store_loop, calls_over, server);
}

static void close_http(void *data)
{
    struct apiserver *server = data;
    http_server_close(server->http, CLOSE_GRACE_MS, http_closed, server);
}

void apiserver_close(struct apiserver *server, void (*closed)(void *data), void *data)
{
    server->closed = closed;
    server->closed_data = data;
    apiserver_set_leader(server, false); /* What leaders keep in order is the next one's. */
    published_trust_stop(server->published_trust);
    legacy_tokens_stop(server->legacy_tokens);
    atomic_store(&server->closing, true);
    loop_post(server->config.io_loops[0], close_http, server);
}

struct registry *apiserver_registry(struct apiserver *server)
{
    return server->registry;
}

struct authorizer *apiserver_authorizer(struct apiserver *server)
{
    return server->authorizer;
}

const struct token_signer *apiserver_signer(const struct apiserver *server)
{
    return server->signer;
}

struct watch_cache *apiserver_cache(struct apiserver *server)
{
    return server->cache;
}

struct node_liveness *apiserver_liveness(struct apiserver *server)
{
    return server->liveness;
}

void apiserver_set_leader(struct apiserver *server, bool leader)
{
    if (atomic_load(&server->closing)) {
        return;
    }
    atomic_store(&server->leader, leader);
    node_liveness_set_leader(server->liveness, leader);
    bootstrap_set_leader(server->bootstrap, leader);
    definitions_set_leader(server->definitions, leader);
    api_service_keeper_set_leader(server->api_keeper, leader);
}

void apiserver_note_part(struct apiserver *server, enum apiserver_part part,
                         enum apiserver_part_state state)
{
    atomic_store(&server->parts[part], state);
}

uint16_t apiserver_port(const struct apiserver *server)
{
    return http_server_port(server->http);
}
