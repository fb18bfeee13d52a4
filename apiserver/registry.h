/* The API's operations on stored objects without HTTP: create, get, list, update, patch, delete of
 * any kind in the kinds table, with admission, defaulting, validation and conflict rules.
 * Authorization is the caller's. Reached by HTTP handlers (io loops) and by the in-process client
 * (store loop). */
#ifndef APISERVER_REGISTRY_H
#define APISERVER_REGISTRY_H
#include "apiserver/limits.h"
#include "apiserver/user.h"
#include "apiserver/watch_cache.h"
#include "k8s/meta_v1.pb-c.h"
#include "lib/base/arena.h"

struct api_status;
struct audit_notes;
struct metrics;
struct registry;
struct service_allocator;
struct token_signer;
struct node_liveness;
struct authorizer;
struct custom_kinds;
struct object_list;
struct webhook_client;

enum registry_verb {
    REGISTRY_GET,
    REGISTRY_LIST, /* A watch is a list whose `view` then goes to cache_watch_after_view(). */
    REGISTRY_CREATE,
    REGISTRY_UPDATE,
    REGISTRY_PATCH,
    REGISTRY_DELETE,
    REGISTRY_DELETE_COLLECTION,
    REGISTRY_REVIEW,  /* Whether a review (of a token, of access, ...) is admitted; `result` is what
                       * webhooks have left of it. Nothing is stored. */
    REGISTRY_CONNECT, /* Whether a connection (exec, attach, ...) is admitted; nothing is done. */
};

enum registry_patch {
    REGISTRY_PATCH_JSON,
    REGISTRY_PATCH_MERGE,
    REGISTRY_PATCH_STRATEGIC,
    REGISTRY_PATCH_APPLY,
};

enum registry_field_validation {
    REGISTRY_FIELDS_WARN, /* The default. */
    REGISTRY_FIELDS_IGNORE,
    REGISTRY_FIELDS_STRICT,
};

struct registry_call;

/* All-zero means defaults. Texts are borrowed until `done`. */
struct registry_options {
    bool dry_run;
    bool force; /* Apply: take fields over from other managers. */
    enum registry_field_validation field_validation;
    const char *field_manager;
    /* list, deletecollection; get reads resource_version too */
    const char *label_selector; /* NULL or "" for all. */
    const char *field_selector;
    const char *resource_version;       /* NULL or "": newest, confirmed by a quorum. */
    const char *resource_version_match; /* "Exact", "NotOlderThan" */
    bool asks_initial_events;           /* A list that does is refused. */
    const char *continue_token;
    int64_t limit; /* <= 0: no limit. */
    /* delete */
    bool has_grace_seconds;
    int64_t grace_seconds;
    const char *propagation;    /* NULL, "Background", "Foreground", "Orphan" */
    const char *expect_uid;     /* Preconditions; NULL for none. */
    const char *expect_version; /* A resourceVersion. */
    bool cached; /* Reads: whatever the cache has, no quorum (as resourceVersion=0). */
};

/* One operation. Fill in the first part (zero the rest) and hand it to registry_start(); the
 * memory, the arena and everything pointed to stay valid until `done` ran. */
struct registry_call {
    enum registry_verb verb;
    const struct api_kind *kind;
    const struct api_kind *asked; /* What the client calls the kind, when not as `kind`; or NULL. */
    const char
        *subresource;      /* NULL or "" for the object itself; "status", "scale", "binding",
                            * "eviction", "token", "finalize", "ephemeralcontainers", "approval". */
    const char *namespace; /* "" or NULL for cluster-scoped kinds and lists over all namespaces. */
    const char *name;      /* NULL or "" for create (taken from the object), list. */
    const struct user *user;
    struct arena *arena; /* Results are allocated here. */
    struct loop *home;   /* `done` runs on this loop; NULL: the caller is on the store loop. */
    void *body; /* create, update: decoded message of the kind (of Scale, Binding, Eviction,
                 * TokenRequest for these subresources). Changed in place. */
    enum registry_patch patch_type;
    struct slice patch; /* JSON (or YAML for apply) text. */
    struct registry_options options;
    bool object_alone;         /* get: `object` will do; where it decodes, `result` stays NULL. */
    struct audit_notes *notes; /* For audit_note(); NULL: not audited. */
    void (*done)(struct registry_call *call); /* Never from inside registry_start(). */
    void *data;

    /* Results, valid in and after `done` until registry_finish(). */
    const struct api_status *status;    /* NULL on success; otherwise an error, in the arena. */
    int code;                           /* 200 or 201. */
    const struct api_kind *result_kind; /* NULL when `result_schema` says what it is (Scale). */
    const struct api_message *result_schema;
    const void *result; /* Decoded object answered (in the arena or cached), or NULL ... */
    const struct api_status *success;   /* ... when the answer is this Status (delete, binding). */
    const struct cached_object *object; /* GET: the cached object with its shared encodings. */
    struct object_list *list;           /* LIST, DELETE_COLLECTION: looked at already. */
    size_t item_count;                  /* In it. */
    uint64_t list_revision;
    const char *list_continue; /* NULL when the list is complete. */
    int64_t list_remaining;    /* < 0 when not known. */
    struct cache_view *view;
    const char *warnings[WARNINGS_MAX];
    size_t warning_count;

    void *state; /* The registry's. */
};

struct registry_config {
    struct env *env;         /* The store loop's. */
    struct loop *store_loop; /* NULL when everything runs on one thread (simulation). */
    struct storage *storage;
    struct watch_cache *cache;
    struct custom_kinds *custom; /* NULL: there are none (tests). */
    struct metrics *metrics;
    struct service_allocator *services; /* Addresses and node ports. */
    struct token_signer *signer;        /* ServiceAccount tokens; NULL: TokenRequest answers 503. */
    struct node_liveness *nodes;        /* Heartbeats to show in Node and Lease; may be NULL. */
    struct webhook_client *webhooks;    /* NULL: none are called (tests, simulation). */
    struct version_fills *version_fills; /* NULL as well then. */
    struct encryption *encryption;       /* Of stored values; NULL for none. */
    struct authorizer *authorizer;       /* For who may grant what; NULL: everybody may (tests). */
};

MUST_USE struct registry *registry_new(const struct registry_config *config);
void registry_free(struct registry *registry); /* No call may be under way. */
/* Runs `idle` on that loop when the last call is over, `done` included. Calls may begin until then,
 * as long as another is under way; none after it. Once, by whoever is going to free it: nobody else
 * waits for calls of the server's own parts. Calls that wait for the store end as it ends them. */
void registry_when_idle(struct registry *registry, struct loop *loop, void (*idle)(void *data),
                        void *data);
struct authorizer *registry_authorizer(const struct registry *registry); /* Or NULL. */
struct watch_cache *registry_cache(struct registry *registry);
struct custom_kinds *registry_custom_kinds(struct registry *registry); /* May be NULL. */

/* NULL, or 500: no version. "" and NULL are 0. */
const struct api_status *registry_parse_version(struct arena *arena, const char *text,
                                                uint64_t *ret_version);
/* Takes over what the body of a deletion says. NULL, or 422. */
const struct api_status *registry_read_deletion(struct arena *arena,
                                                const Meta__V1__DeleteOptions *body,
                                                struct registry_options *options);

/* Starts an operation; any thread (the one of `home`). */
void registry_start(struct registry *registry, struct registry_call *call);
/* Releases what the call holds (view, object). Once, after `done`. */
void registry_finish(struct registry_call *call);

/* The autoscaling/v1 Scale of a Deployment and the like. NULL, with *ret_status, for a custom
 * resource without replicas where its definition has them. */
void *registry_scale_of(struct arena *arena, const struct api_kind *kind, const void *object,
                        const struct api_status **ret_status);

/* The label and field selectors of `options`, compiled, for watches. */
struct registry_filter;
/* Fields are those of the form that is `asked` for; objects come as they are stored. 0, or -EINVAL
 * with *ret_status (in the arena). The filter lives in the arena. */
MUST_USE int registry_filter_new(struct arena *arena, const struct api_kind *asked,
                                 const char *namespace, const char *name,
                                 const struct registry_options *options,
                                 struct registry_filter **ret_filter,
                                 const struct api_status **ret_status);
/* 1 or 0; -EBADMSG when it would have to be decoded for that, and does not. */
MUST_USE int registry_filter_match(const struct registry_filter *filter,
                                   const struct cached_object *object);
/* What the selectors say of a decoded message, wherever it comes from. */
bool registry_filter_matches_message(const struct registry_filter *filter, struct arena *scratch,
                                     const void *message);
bool registry_filter_selects(const struct registry_filter *filter); /* Has a selector. */
#endif
