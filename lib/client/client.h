/* How controllers and the scheduler speak to the API: asynchronous calls with decoded objects, and
 * list-then-watch streams. A vtable: local_client.h goes to the registry in the same process, tests
 * have one in memory. One thread (the loop of the env); callbacks come later, never from inside the
 * call that caused them. */
#ifndef LIB_CLIENT_CLIENT_H
#define LIB_CLIENT_CLIENT_H
#include "lib/client/object.h"

enum client_verb { CLIENT_GET, CLIENT_CREATE, CLIENT_UPDATE, CLIENT_PATCH, CLIENT_DELETE };
enum client_patch { CLIENT_PATCH_MERGE, CLIENT_PATCH_STRATEGIC, CLIENT_PATCH_JSON };

/* Who acts: what authorization, admission and managedFields see. */
struct client_identity {
    const char *user;    /* "system:serviceaccount:kube-system:deployment-controller" */
    const char *manager; /* Of fields: "kube-controller-manager" */
};

/* Zero means default. Everything pointed to is copied before client_call() returns. */
struct client_request {
    enum client_verb verb;
    const struct client_identity *as; /* NULL: as the client itself. Lives until `done`. */
    const struct api_kind *kind;
    const char *subresource; /* NULL, "status", "binding", "finalize", ... */
    const char *namespace_;  /* NULL or "" for cluster-scoped kinds. */
    const char *name;        /* NULL for create: taken from the body. */
    const void *body;        /* create, update: message of the kind (Binding for "binding"). */
    enum client_patch patch_type;
    struct slice patch; /* JSON text. */
    /* delete */
    bool has_grace_seconds;
    int64_t grace_seconds;
    const char *propagation; /* NULL, "Background", "Foreground", "Orphan" */
    const char *expect_uid;  /* Preconditions; NULL for none. */
    const char *expect_version;
};

/* Borrowed for the call of `done`. */
struct client_reply {
    int code;            /* HTTP status: 200, 201, 404, 409, ... */
    const char *reason;  /* "" on success, else "NotFound", "Conflict", ...; never NULL. */
    const char *message; /* For people; never NULL. */
    const struct client_object *object; /* The answered object; NULL on failure and when the answer
                                         * is not an object of the kind (binding, some deletes). */
};

static inline bool client_succeeded(const struct client_reply *reply)
{
    return reply->code >= 200 && reply->code < 300;
}
static inline bool client_not_found(const struct client_reply *reply)
{
    return reply->code == 404;
}
bool client_conflict(const struct client_reply *reply);       /* 409, reason Conflict */
bool client_already_exists(const struct client_reply *reply); /* 409, reason AlreadyExists */

typedef void client_done(void *data, const struct client_reply *reply);

enum client_event { CLIENT_ADDED, CLIENT_MODIFIED, CLIENT_DELETED };

struct client_watch_ops {
    void (*event)(void *data, enum client_event type, const struct client_object *object);
    /* What follows is the whole present state as ADDED events, ended by `synced`; whatever is not
     * in it is gone. Called first, and again whenever the stream had to start over. */
    void (*restart)(void *data);
    void (*synced)(void *data);
};

/* Kinds that come and go while the process runs: those of custom resources. */
struct client_kinds_ops {
    /* Its objects can be watched now. Told once a resource, whatever becomes of its definition; the
     * kind stays until `removed` has returned. */
    void (*added)(void *data, const struct api_kind *kind);
    void (*removed)(void *data, const struct api_kind *kind); /* It is served no more. */
};

struct client;
struct client_kinds_watch;
struct client_watch;

struct client_ops {
    void (*call)(struct client *client, const struct client_request *request, client_done *done,
                 void *data);
    struct client_watch *(*watch)(struct client *client, const struct api_kind *kind,
                                  const struct client_watch_ops *ops, void *data);
    /* See client_watch_metadata(); NULL: as `watch`. */
    struct client_watch *(*watch_metadata)(struct client *client, const struct api_kind *kind,
                                           const struct client_watch_ops *ops, void *data);
    void (*watch_stop)(struct client *client, struct client_watch *watch);
    /* See client_watch_revision(); NULL when events come with the writes themselves. */
    uint64_t (*watch_revision)(struct client *client, const struct client_watch *watch);
    /* Custom kinds; all three NULL when there are none. */
    struct client_kinds_watch *(*watch_kinds)(struct client *client,
                                              const struct client_kinds_ops *ops, void *data);
    void (*watch_kinds_stop)(struct client *client, struct client_kinds_watch *watch);
    const struct api_kind *(*find_kind)(struct client *client, const char *api_version,
                                        const char *kind);
};

struct client {
    const struct client_ops *ops;
};

/* `done` runs exactly once, also when the member loses its leadership meanwhile. */
static inline void client_call(struct client *client, const struct client_request *request,
                               client_done *done, void *data)
{
    client->ops->call(client, request, done, data);
}
/* Every object of the kind in all namespaces, for ever. Stop it before `data` goes away. */
MUST_USE static inline struct client_watch *client_watch(struct client *client,
                                                         const struct api_kind *kind,
                                                         const struct client_watch_ops *ops,
                                                         void *data)
{
    return client->ops->watch(client, kind, ops, data);
}
/* The same for who looks at metadata alone: the messages of the objects may have nothing else, and
 * no managedFields in it. */
MUST_USE struct client_watch *client_watch_metadata(struct client *client,
                                                    const struct api_kind *kind,
                                                    const struct client_watch_ops *ops, void *data);
static inline void client_watch_stop(struct client *client, struct client_watch *watch)
{
    client->ops->watch_stop(client, watch);
}
/* Every change up to this resourceVersion, of whatever kind, has been told as far as it concerns
 * the watch: two watches are compared by it. */
static inline uint64_t client_watch_revision(struct client *client,
                                             const struct client_watch *watch)
{
    return client->ops->watch_revision == NULL ? UINT64_MAX
                                               : client->ops->watch_revision(client, watch);
}
/* Tells of the custom kinds that there are, and of all that come and go. NULL when the client knows
 * of none; stop it before `data` goes away, outside of its callbacks. */
MUST_USE struct client_kinds_watch *
client_watch_kinds(struct client *client, const struct client_kinds_ops *ops, void *data);
void client_watch_kinds_stop(struct client *client, struct client_kinds_watch *watch);
/* The kind, built-in or custom, that objects of this apiVersion and kind are stored as now; NULL
 * when nobody serves it. With a reference of the caller's: custom_kind_unref(). */
MUST_USE const struct api_kind *client_find_kind(struct client *client, const char *api_version,
                                                 const char *kind);
#endif
