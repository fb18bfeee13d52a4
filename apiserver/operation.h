/* Inside of the registry: one call under way. A call is planned on its home thread from the cache's
 * snapshot, and written on the store loop with a compare on what the plan saw. A plan made from a
 * stale snapshot that fails is made again after a quorum has confirmed the state. */
#ifndef APISERVER_OPERATION_H
#define APISERVER_OPERATION_H
#include "apiserver/limits.h"
#include "apiserver/quota_turns.h"
#include "apiserver/registry.h"
#include "k8s/core_v1.pb-c.h"
#include "lib/api/object.h"
#include "lib/api/status.h"
#include "lib/base/env.h"
#include "store/storage.h"
#include <stdatomic.h>

struct access;
struct loop;

struct registry {
    struct registry_config config;
    const struct api_kind *namespace_kind;
    const struct api_kind *pod_kind;
    const struct api_kind *service_kind;
    const struct api_kind *service_account_kind;
    const struct api_kind *priority_class_kind;
    const struct api_kind *budget_kind;
    const struct api_kind *limit_range_kind;
    const struct api_kind *quota_kind;
    const struct api_kind *claim_kind;
    const struct api_kind *storage_class_kind;
    const struct api_kind *ingress_kind;
    const struct api_kind *ingress_class_kind;
    const struct api_kind *runtime_class_kind;
    const struct api_kind *mutating_hooks_kind;
    const struct api_kind *validating_hooks_kind;
    const struct api_kind *policy_kind;
    const struct api_kind *policy_binding_kind;
    struct expression_cache *expressions;
    const struct api_kind *definition_kind;
    struct quota_turns *turns;
    atomic_size_t under_way; /* Calls, and one more until somebody waits for the last of them. */
    struct loop *idle_loop;  /* Where he waits. */
    void (*idle)(void *data);
    void *idle_data;
};

/* A key that must not exist and is claimed with this write, or one that is given up with it. */
enum {
    PLAN_CLAIMS_MAX = 64, /* Of addresses and ports. */
    PLAN_QUOTAS_MAX = 60, /* That one write charges; more where there are fewer claims. */
    PLAN_EXTRAS_MAX = PLAN_CLAIMS_MAX + PLAN_QUOTAS_MAX, /* Of STORE_TXN_OPS_MAX: four are left. */
};
struct plan_extra {
    const char *key;
    struct slice value;
    int64_t expect_mod; /* Compared; 0: must be absent; -1: not compared. */
    bool remove;
};

/* What an operation is going to write. */
struct plan {
    const struct api_kind *kind;
    const char *key;
    bool remove;
    bool mark_first;                   /* remove: `message` is stored once more before. */
    int64_t expect_mod;                /* 0: the key must be absent. */
    void *message;                     /* What is stored (create, update). */
    struct slice value;                /* `message` encoded. */
    void *answer;                      /* NULL: the written object itself is the answer. */
    Meta__V1__ObjectMeta *answer_meta; /* Gets the resourceVersion of the write, may be NULL. */
    const struct api_status *answer_status; /* "status": Success answers. */
    int code;
    struct plan_extra extras[PLAN_EXTRAS_MAX];
    size_t extra_count;
    bool charges;        /* Extras from `first_charge` on are quotas with their new usage. */
    size_t first_charge; /* Last of all extras. */
    const char *guard;   /* A key that is compared, not written; NULL for none. */
    int64_t guard_mod;
};

enum plan_step {
    PLAN_ANSWER, /* call->status or call->result is set: nothing to write. */
    PLAN_WRITE,
    PLAN_WAIT, /* The planner started something that will go on by itself. */
};

struct operation {
    struct registry *registry;
    struct registry_call *call;
    struct arena *arena;
    unsigned attempts;
    unsigned name_tries;
    size_t warnings_before; /* What the call was warned of before any plan; the rest is a plan's. */
    bool fresh;             /* The state was confirmed by a quorum since the call began. */
    bool hopped;            /* We came here by a callback, not inside of registry_start(). */
    int64_t barrier_revision;
    struct plan plan;
    const struct cached_object *decoded; /* What `message` is of; see operation_message(). */
    const void *message;
    struct env_timer timer;
    void (*next)(struct operation *operation); /* After a barrier, on the home thread. */
    /* The outcome of a transaction on its way home. */
    int txn_status;
    bool txn_succeeded;
    int64_t txn_revision;
    struct store_snapshot *snapshot; /* For reads of the past. */
    bool timed_out;
    /* deletecollection */
    struct registry_call *child;
    struct object_walk *doomed; /* What is still to be deleted. */
    struct hook_answers *hooks; /* Of webhooks, for as long as the call lasts. */
    /* Of a resource whose versions a webhook converts (registry_convert.c). */
    bool prepared;                       /* `subject` is what there is. */
    const struct cached_object *subject; /* What a write is about, as call->kind; or NULL. */
    struct form_answer *forms;           /* What the webhook made of new objects. */
    size_t form_count, forms_under_way;
    struct cache_walk *to_convert; /* Of a list: what the webhook is asked about next, ... */
    size_t unconverted;            /* ... and how many at most. */
    const struct cached_object *const *candidates; /* Of a list of the past, borrowed from it. */
    size_t candidate_count;
    const char *seal_problem; /* Why what is to be stored could not be encrypted, or NULL. */
    struct leave *leaves;     /* Questions to webhooks of authorization, and what they answered. */
    size_t leave_count, leaves_under_way;
    bool asked; /* Webhooks and policies have seen what was sent: admission_ask(). */
    /* What a plan that is made again with the webhooks' answers has as before. */
    int64_t planned_ns;
    uint64_t chance, chances;
    struct quota_turn turn; /* Held from before a plan that charges is made until it is written. */
    struct admission *charge;   /* Of a plan that charges: what is to be charged. */
    const void *submitted_body; /* create: to start over from when a plan is made again. */
};

/* --- Engine (registry.c) --- */
/* Runs `fn` with the operation on the store's loop, or back at home; at once when it is the same.
 */
void operation_to_store(struct operation *operation, void (*fn)(void *data));
void operation_to_home(struct operation *operation, void (*fn)(void *data));
void operation_finish(struct operation *operation); /* Results are set: runs `done`. */
void operation_fail(struct operation *operation, const struct api_status *status);
/* Confirms the state by a quorum, waits until the cache has it (and at least `revision`), then runs
 * `next` on the home thread. */
void operation_barrier(struct operation *operation, uint64_t revision,
                       void (*next)(struct operation *operation));
/* Takes a snapshot of the store into operation->snapshot, then runs `next` at home. */
void operation_snapshot(struct operation *operation, void (*next)(struct operation *operation));
void operation_start_write(struct operation *operation);
enum plan_step operation_plan(struct operation *operation);
/* Makes the plan again now that webhooks have answered. At home. */
void operation_replay(struct operation *operation);
/* What is stored of a message: without its resourceVersion, which is the store's revision. In the
 * arena; data is NULL when it is larger than STORED_OBJECT_MAX, or cannot be encrypted. */
struct slice operation_encode(struct operation *operation, const struct api_kind *kind,
                              const char *key, void *message);

/* --- Time and chance: the env's on the store loop, the machine's on io loops. The same in every
 * plan of an attempt, so that webhooks were asked about what is written --- */
int64_t operation_now_s(struct operation *operation);
int64_t operation_now_ns(struct operation *operation);
/* What the client calls the kind. */
static inline const struct api_kind *operation_form(const struct operation *operation)
{
    const struct registry_call *call = operation->call;
    return call->asked == NULL ? call->kind : call->asked;
}
uint64_t operation_random(struct operation *operation);
const char *operation_uuid(struct operation *operation);
const char *operation_random_suffix(struct operation *operation, size_t len);

/* 400 unless the namespace of the body is the request's; where it is empty it becomes that. */
const struct api_status *operation_match_namespace(struct operation *operation,
                                                   const struct api_kind *kind,
                                                   Meta__V1__ObjectMeta *meta);
/* 400 unless the object has a name, and it is that of the URL. */
const struct api_status *operation_match_name(struct operation *operation,
                                              const Meta__V1__ObjectMeta *meta);

/* --- Small readers --- */
const char *operation_namespace(const struct operation *operation); /* Never NULL. */
const char *operation_name(const struct operation *operation);
const char *operation_subresource(const struct operation *operation);
/* The newest object, referenced by the arena's owner until the call is finished: freed with it. */
const struct cached_object *operation_lookup(struct operation *operation,
                                             const struct api_kind *kind, const char *namespace,
                                             const char *name);
/* The same, whatever a transition has prepared in its place. */
const struct cached_object *operation_find(struct operation *operation, const struct api_kind *kind,
                                           const char *namespace, const char *name);
/* Its message for as long as the call lasts; NULL when it does not decode. */
const void *operation_message(struct operation *operation, const struct cached_object *object);
/* Why its message cannot be had, such as that its key is missing; NULL when it can. */
const struct api_status *operation_unreadable(struct operation *operation,
                                              const struct cached_object *object);
const char *operation_key(struct operation *operation, const struct api_kind *kind,
                          const char *namespace, const char *name);
Meta__V1__ObjectMeta *message_meta(const struct api_kind *kind, const void *message);
void operation_warn(struct operation *operation, const char *text);

/* --- Planners: each sets call->status and answers, or fills operation->plan --- */
enum plan_step plan_create(struct operation *operation);
enum plan_step plan_update(struct operation *operation);
enum plan_step plan_patch(struct operation *operation);
enum plan_step plan_delete(struct operation *operation);
enum plan_step plan_binding(struct operation *operation);
enum plan_step plan_eviction(struct operation *operation);
enum plan_step plan_token(struct operation *operation);
enum plan_step plan_scale(struct operation *operation); /* update or patch of "scale" */
enum plan_step plan_connect(struct operation *operation);
enum plan_step plan_review(struct operation *operation);

/* --- What the subresources that are no plain update share (registry_subresource.c) --- */
enum plan_step plan_missing(struct operation *operation, const struct api_kind *kind,
                            const char *name);  /* 404 */
void plan_success(struct operation *operation); /* 201 with a Status answers the plan. */
/* Webhooks and policies on what was sent, which may become another one. */
const struct api_status *plan_ask_about(struct operation *operation, const struct api_kind *kind,
                                        const char *subresource, void **message);
const struct api_status *plan_restrict_node(struct operation *operation,
                                            const struct api_kind *kind, const char *subresource);
Core__V1__PodCondition *plan_find_condition(const Core__V1__Pod *pod,
                                            const char *type); /* Or NULL. */
/* Sets a condition of our own copy of a pod to True; `reason` and `message` may be NULL. */
void plan_pod_condition(struct operation *operation, Core__V1__Pod *pod, const char *type,
                        const char *reason, const char *message);
/* 500 without a reason: what v1.32 makes of an error that is no answer. */
const struct api_status *plan_plain_failure(struct operation *operation, const char *message);

/* The second half of update and patch: checks and prepares `message` against `existing`. */
enum plan_step plan_replace(struct operation *operation, const struct cached_object *existing,
                            void *message);
/* The second half of delete, also of eviction: existing object, resolved options. */
enum plan_step plan_removal(struct operation *operation, const struct cached_object *existing);
/* Sets the plan to delete the key of `existing`, answering as the kind does. */
enum plan_step plan_remove_now(struct operation *operation, const struct cached_object *existing,
                               const void *last_message);
void plan_claim(struct operation *operation, const char *key, const char *value);
void plan_unclaim(struct operation *operation, const char *key);
enum plan_step plan_fail(struct operation *operation, const struct api_status *status);

/* Before a custom object is made: a refusal, or the plan is guarded by its definition
 * (registry_definition.c). */
const struct api_status *operation_guard_definition(struct operation *operation);

/* What depends on the clock and on who asks; after the strategy (registry_stamp.c). */
void stamp_new_object(struct operation *operation, const struct api_kind *kind, void *message);
void stamp_change(struct operation *operation, const struct api_kind *kind, const void *before,
                  void *message);

/* `before` (NULL: apply of a new object) patched by the call's patch and decoded again. */
const struct api_status *patch_message(struct operation *operation, const struct api_kind *kind,
                                       const struct api_message *schema, const void *before,
                                       const struct api_type_meta *type_meta, void **ret_message);
/* Brings metadata.managedFields of `message` up to date for this writer. */
void plan_manage_fields(struct operation *operation, const struct api_kind *kind,
                        const void *before, void *message);

/* --- Versions of custom objects that a webhook converts (registry_convert.c) --- */
/* True when all of the objects (NULLs are passed over) can be had as call->kind. Else they will be:
 * `next` runs then, or the operation has failed. */
bool operation_versions(struct operation *operation, const struct cached_object *const *objects,
                        size_t count, void (*next)(struct operation *operation));
/* The object as call->kind; itself when it does not decode. After operation_versions(). */
const struct cached_object *operation_version(const struct operation *operation,
                                              const struct cached_object *object);
/* What a write is about, before it is planned. False: operation_start_write() follows. */
bool operation_prepare(struct operation *operation);
/* JSON of an object of `from` as `to`, for a plan: NULL, admission_waiting, or a refusal. */
const struct api_status *operation_convert(struct operation *operation, const struct api_kind *from,
                                           const struct api_kind *to, struct slice json,
                                           struct slice *ret_json);
/* The same for a message of `from`; `*ret_message` is of `to`. Also where no webhook is needed. */
const struct api_status *operation_convert_message(struct operation *operation,
                                                   const struct api_kind *from,
                                                   const struct api_kind *to, const void *message,
                                                   void **ret_message);
/* Fills in plan->value where it takes the webhook to do so. As operation_convert(). */
const struct api_status *operation_store_form(struct operation *operation);
/* Sends what a plan that ended with PLAN_WAIT has to convert; operation_replay() follows. False
 * when that is nothing. */
bool operation_convert_start(struct operation *operation);
/* NULL, or 413: asked of what a client sent before anything is done for each of its items. */
const struct api_status *operation_fits(struct operation *operation, const struct api_kind *kind,
                                        void *message);
/* What is stored of these bytes; data is NULL when that is too much, or cannot be encrypted, ... */
struct slice operation_seal(struct operation *operation, const struct api_kind *kind,
                            const char *key, struct slice bytes);
/* ... and this says which. */
const struct api_status *operation_unsealed(const struct operation *operation);

/* --- Authorization on the way (registry_authorize.c); the registry has an authorizer --- */
/* Whether the user may do that. While a webhook has to be waited for it says no, and
 * operation_awaits_leave(): the plan is of no use then, and operation_replay() follows. */
bool operation_may(struct operation *operation, const struct user *user,
                   const struct access *access);
bool operation_awaits_leave(const struct operation *operation);
void operation_release_leaves(struct operation *operation);

/* --- Reads (registry_read.c) --- */
void operation_start_read(struct operation *operation);
/* The Status of an object that cannot be read. `problem` is NULL when it could be read just now,
 * but not before. */
const struct api_status *operation_problem(struct operation *operation, const char *problem);

/* --- Lists (registry_list.c): each finishes the operation, or has it fail --- */
void operation_list_newest(struct operation *operation);
void operation_list_past(struct operation *operation); /* After a barrier. */
const struct api_status *status_of_store(struct operation *operation, int status);
#endif
