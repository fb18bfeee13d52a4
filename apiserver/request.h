/* Inside of the API server: one request on its way through the stages, and what they share.
 * All on the io loop of its exchange. */
#ifndef APISERVER_REQUEST_H
#define APISERVER_REQUEST_H
#include "apiserver/apiserver.h"
#include "apiserver/audit_notes.h"
#include "apiserver/authorizer.h"
#include "apiserver/codec.h"
#include "apiserver/custom_kinds.h"
#include "apiserver/flow_control.h"
#include "apiserver/issuers.h"
#include "apiserver/kinds_barrier.h"
#include "apiserver/limits.h"
#include "apiserver/node_session.h"
#include "apiserver/registry.h"
#include "apiserver/request_info.h"
#include "apiserver/service_allocator.h"
#include "apiserver/token.h"
#include "apiserver/token_webhook.h"
#include "apiserver/webhook_client.h"
#include "lib/api/object.h"
#include "lib/api/status.h"
#include "lib/api/table.h"
#include "lib/base/memory_budget.h"
#include "lib/base/metrics.h"
#include "lib/net/grpc.h"
#include "lib/net/http.h"
#include <pthread.h>
#include <stdatomic.h>

struct audit;
struct audit_delivery;
struct audit_event;
struct encryption_follower;
struct legacy_tokens;
struct node_sessions;
struct objects_service;
struct openapi_documents;
struct proxy;

struct apiserver {
    struct apiserver_config config;
    struct watch_cache *cache;
    struct custom_kinds *custom;
    struct registry *registry;
    struct node_liveness *liveness;
    struct authorizer *authorizer;
    struct flow_control *flow;
    struct audit *audit;                             /* NULL: not asked for. */
    struct encryption *encryption;                   /* NULL: stored values are plain. */
    struct encryption_follower *encryption_follower; /* NULL: its file is not looked at again. */
    struct issuers_options issuers_options;
    struct issuers *issuers; /* Of OpenID Connect. */
    struct review_client *reviews;
    struct authorizer_chains_options chains_options;
    struct authorizer_chains *chains;
    struct token_webhook *token_webhook; /* NULL: not asked for. */
    struct token_signer *signer;
    struct service_allocator services;
    struct tls_config *tls;
    struct http_server *http;
    struct grpc_server *grpc;
    struct node_sessions *sessions;
    struct objects_service *objects;
    struct proxy *proxy;
    struct webhook_client *webhooks;
    struct version_fills *version_fills;
    struct watch_hub **hubs; /* One per io loop. */
    struct openapi_documents *openapi;
    struct metric *requests_total;
    struct metric_histogram *request_seconds;
    struct bootstrap *bootstrap;
    struct definitions *definitions;
    struct api_services *api_services;
    struct api_service_checks *api_checks;
    struct api_service_keeper *api_keeper;
    struct published_trust *published_trust;
    struct legacy_tokens *legacy_tokens;
    struct env_timer tick;
    _Atomic bool leader;
    struct grpc_health *health;
    struct grpc_reflection *reflection;
    _Atomic(enum apiserver_part_state) parts[APISERVER_PARTS];
    _Atomic bool has_leader; /* A quorum answered the last question. */
    struct quorum_question *question;
    _Atomic bool closing;
    void (*closed)(void *data);
    void *closed_data;
};

enum media_type { MEDIA_JSON, MEDIA_YAML, MEDIA_PROTOBUF };
enum media_form { FORM_OBJECT, FORM_TABLE, FORM_PARTIAL, FORM_PARTIAL_LIST };

/* What Accept asks for. */
struct negotiated {
    enum media_type media;
    enum media_form form;
    const char *form_version; /* "v1" or "v1beta1" */
    const char *as_kind;      /* "" or, for discovery, "APIGroupDiscoveryList". */
    const char *as_version;
    bool pretty;
};

struct request {
    struct apiserver *server;
    const struct request_codec *codec;
    struct http_exchange *exchange; /* Headers, peer, loop; answers go by the codec. */
    struct arena *arena;
    struct slice body;
    const char *uri;        /* What is asked for, when the exchange's path is not that; or NULL. */
    struct slice body_type; /* Media type of the body, as content-type has it. */
    struct request_info info;
    const struct user *user;
    const char *token_warning;      /* What its user is told besides the answer; or NULL. */
    struct audit_notes token_notes; /* What the audit log is told of the token. */
    bool is_refused;                /* Its answer says that it is forbidden. */
    struct negotiated accept;
    const struct api_kind *kind; /* Of a resource request; referenced when it is custom. */
    const struct api_subresource *subresource; /* NULL for the object itself. */
    struct registry_call call;
    const char *audit_id;
    struct audit_event *audit;             /* NULL: not audited. */
    struct audit_delivery *audit_delivery; /* What is waited for; else NULL. */
    size_t stage;                          /* The next one. */
    struct flow_entry flow;
    struct loop_timer flow_timer; /* Of its time in a queue. */
    uint64_t started_ms;
    void *state;                  /* Of a long-running handler. */
    struct memory_hold list_hold; /* Of what its list keeps from being freed. */
    struct loop_timer list_timer;
    bool table_head_sent; /* Of a watch that shows Tables. */
    void (*after_call)(struct request *request);
    bool kinds_known; /* All definitions that were there when the request came are known. */
    struct kinds_barrier kinds;
};

/* Fills zeroed memory in the exchange's arena, and takes a reference to the exchange, which
 * request_finish() gives back. */
void request_init(struct request *request, struct apiserver *server, struct http_exchange *exchange,
                  const struct request_codec *codec);

/* --- Stages, in their order (apiserver.c has the table) --- */
/* Each returns true to go on; false when it has answered (or will). */
bool stage_authenticate(struct request *request);
bool stage_audit(struct request *request);
bool stage_impersonate(struct request *request);
bool stage_flow(struct request *request);
bool stage_authorize(struct request *request);
bool stage_dispatch(struct request *request);
/* Goes on behind a stage that returned false to be waited for. */
void request_continue(struct request *request);

/* --- Authentication and authorization --- */
extern const struct user user_anonymous;
/* The key that the name of a header holds after `prefix` bytes: in lower case, percent-decoded. */
const char *extra_key(struct arena *arena, const struct http_header *header, size_t prefix);
/* Who a bearer token is. In the caller's memory until it is answered; fill in the first part. */
struct token_question {
    struct slice token;
    struct text_list audiences; /* It has to be for one of them; none: for this server. */
    struct arena *arena;
    struct loop *home; /* The caller's; `answered` runs there. */
    /* NULL: nobody is waited for, and so the webhook is not asked. */
    void (*answered)(struct token_question *question);
    void *data;

    /* Results: 0; -ENOENT when nobody knows the token; -EACCES when it is known to be bad. */
    int status;
    const struct user *user;
    const char *warning;       /* For whom has sent it; or NULL. */
    struct audit_notes *notes; /* Given: what the audit log is told is noted there; or NULL. */
    const char *why;           /* It is bad, in the words of v1.32; or NULL. */
    struct text_list for_whom; /* Its audiences. */
    struct token_ask ask;
};
/* True when it is answered already, and `answered` does not run; false: it will. */
bool authenticate_token(struct apiserver *server, struct token_question *question);
/* Whether a bootstrap token is good and its Secret has `usage` set to "true". */
bool bootstrap_token_is_for(struct apiserver *server, struct arena *arena, struct slice token,
                            const char *usage);
const struct user *user_of_certificate(struct arena *arena, const struct tls_peer *peer);
struct access request_access(struct request *request); /* What it asks for. */
/* `reason` follows the words of the refusal; "" for none. */
const struct api_status *forbidden_access(struct arena *arena, const struct user *user,
                                          const struct access *access, const char *reason);
/* 403 for a question that was not allowed; 500 when what could have allowed it failed. */
void authorization_refuse(struct request *request, const struct authorization *question);
bool node_may_read(struct apiserver *server, const char *node, const char *resource,
                   const char *namespace, const char *name);

/* What is asked for, with its query, as it was written. */
const char *request_uri(struct request *request);

/* --- Answers (respond.c), by the request's codec --- */
void respond_status(struct request *request, const struct api_status *status);
/* The same; false, for those who say whether to go on. */
static inline bool request_refuse(struct request *request, const struct api_status *status)
{
    respond_status(request, status);
    return false;
}
/* 429: the memory budget is used up. */
void respond_short_memory(struct request *request);
/* An object by its table; `type_meta` is what its JSON says. */
void respond_message(struct request *request, unsigned code, const struct api_message *schema,
                     const void *message, const struct api_type_meta *type_meta);
void respond_object(struct request *request, unsigned code, const struct cached_object *object,
                    const struct api_kind *kind, const void *message);
/* Whether the cached object is all that its answer, or an event of its watch, is made of: it need
 * not be decoded. */
bool request_needs_object_alone(const struct request *request);
void respond_list(struct request *request); /* request->call holds a finished list. */
/* What the request's list keeps from being freed is counted in the memory budget while its client
 * is waited for; until the list goes. More than once is once. */
void request_count_list(struct request *request);
void request_uncount_list(struct request *request); /* Not counted: a no-op. */
/* Ends the request: releases the call, drops the exchange. */
void request_finish(struct request *request);

/* --- Answers of HTTP alone --- */
/* A list of objects that are not stored, as a Table or as their metadata. */
void respond_rows(struct request *request, const void *const *messages, size_t count);
bool http_negotiate(struct request *request);
/* For an error, which is a Status whatever form the answer would have; JSON when nothing fits. */
void http_negotiate_error(struct request *request);
void http_list(struct request *request);
void respond_text(struct request *request, unsigned code, const char *text);
void respond_bytes(struct request *request, unsigned code, const char *content_type,
                   struct slice body);
void append_yaml(struct slice json, struct buffer *out);
/* Fills headers that every answer has; returns how many. `content_type` is NULL for gRPC. */
enum { COMMON_HEADERS_MAX = WARNINGS_MAX + 9 };
size_t common_headers(struct request *request, const char *content_type,
                      struct http_header *headers);
const char *content_type_of(struct request *request, bool watch);
/* {"kind":...} of a Table or PartialObjectMetadata for one object, appended. */
void encode_table_open(struct request *request, const struct api_kind *kind, uint64_t revision,
                       const char *continue_token, int64_t remaining, struct buffer *out);
void encode_table_row(struct request *request, const struct api_kind *kind, const void *message,
                      bool first, struct buffer *out);
/* One object as the Table or PartialObjectMetadata that was asked for. */
void encode_form(struct request *request, const struct api_kind *kind, const void *message,
                 struct buffer *out);
/* The finished list in the form asked for, each item as `shown` has it; incomplete when `out` is
 * full. */
typedef const void *shown_as(struct request *request, const struct api_message *schema,
                             const void *message);
void encode_list(struct request *request, shown_as *shown, struct buffer *out);
void encode_partial(struct request *request, const struct api_kind *kind, const void *message,
                    struct buffer *out);
/* PartialObjectMetadata, or its list, in the version that is asked for. */
struct api_type_meta partial_type_meta(const struct request *request, const char *kind);
struct api_type_meta type_meta_of_schema(const struct api_message *schema, struct arena *arena);

/* --- Handlers --- */
void handle_resource(struct request *request);
void handle_watch(struct request *request);
/* True when it was said in the stream why the registry has refused the state to begin with. */
bool watch_refused(struct request *request, const struct api_status *status);
/* A watch that begins with what there is, and says where that ends. */
bool watch_tells_end_of_list(const struct request *request);
void handle_components(struct request *request); /* ComponentStatus. */
void handle_review(struct request *request);     /* Kinds that are answered and forgotten. */
/* Those of authorization.k8s.io; false when the kind is another. */
bool handle_access_review(struct request *request, void *message);
void respond_review(struct request *request, const void *message); /* 201 with the review. */
bool handle_discovery(struct request *request); /* False: not a path of discovery. */
bool handle_openapi(struct request *request);   /* False: not a path of OpenAPI. */
bool handle_path(struct request *request);      /* Health, version, metrics, openapi, ... */
/* Decodes the body (JSON, YAML or protobuf) as `schema`. False: answered. */
bool decode_body(struct request *request, const struct api_kind *kind,
                 const struct api_message *schema, const char *api_version, const char *kind_name,
                 void **ret_message);
bool fill_options(struct request *request);        /* Query into request->call. False: answered. */
bool fill_delete_options(struct request *request); /* The same for a deletion; its body, too. */
struct watch_hub *request_hub(struct request *request);
void start_call(struct request *request, void (*after)(struct request *request));
int64_t wall_seconds(void);

/* --- Heartbeats shown in Node and Lease (node_liveness.c) --- */
/* The message itself, or a copy in the arena with fresh times. */
const void *node_liveness_overlay(struct node_liveness *liveness, struct arena *arena,
                                  const struct api_kind *kind, const void *message);
bool node_liveness_concerns(const struct api_kind *kind);
#endif
