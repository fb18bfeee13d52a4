/* A webhook that decides about requests: asked with a SubjectAccessReview when all of its match
 * conditions hold (apiserver/review_hook.h sends it and remembers the answer). Counts what it does
 * under kube-apiserver's names. Made on the store loop, asked on any thread. */
#ifndef APISERVER_AUTHZ_WEBHOOK_H
#define APISERVER_AUTHZ_WEBHOOK_H
#include "apiserver/access.h"
#include "apiserver/authz_config.h"
#include "apiserver/review_hook.h"
#include "apiserver/user.h"

struct authz_webhook;
struct metrics;

enum access_opinion { ACCESS_NO_OPINION, ACCESS_ALLOWED, ACCESS_DENIED };

/* Takes the kubeconfig and the arena that it is in. `options` are borrowed. */
MUST_USE struct authz_webhook *authz_webhook_new(const struct authorizer_options *options,
                                                 const struct kubeconfig *kubeconfig,
                                                 struct arena *arena_consume,
                                                 struct review_client *client,
                                                 struct metrics *metrics);
void authz_webhook_free(struct authz_webhook *webhook); /* Nobody waits; NULL is a no-op. */

/* In the caller's memory until it is answered; fill in the first part. */
struct access_ask {
    const struct user *user;
    const struct access *access;
    struct arena *arena;
    struct loop *home;
    void (*answered)(struct access_ask *ask);
    void *data;

    /* Results. */
    enum access_opinion opinion;
    const char *reason;            /* "" for none. */
    const char *error;             /* What went wrong, whatever the opinion; "" for nothing. */
    struct authz_webhook *webhook; /* The webhook's, as what follows. */
    struct review_question question;
};
/* True when it is answered already, and `answered` does not run. */
bool authz_webhook_ask(struct authz_webhook *webhook, struct access_ask *ask);
#endif
