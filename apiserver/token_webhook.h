/* Bearer tokens that nobody here knows are shown to the operator's webhook, as a TokenReview; its
 * answers are remembered (apiserver/review_hook.h). Any thread. */
#ifndef APISERVER_TOKEN_WEBHOOK_H
#define APISERVER_TOKEN_WEBHOOK_H
#include "apiserver/authn_options.h"
#include "apiserver/review_hook.h"
#include "apiserver/user.h"

struct metrics;
struct token_webhook;

/* Reads the kubeconfig, which blocks. `options` are borrowed. *ret_webhook is NULL when none is
 * asked for. A negative errno with a message that names the flag. */
MUST_USE int token_webhook_new(const struct token_webhook_options *options,
                               struct review_client *client, struct metrics *metrics,
                               struct token_webhook **ret_webhook, struct error *reterr);
void token_webhook_free(struct token_webhook *webhook); /* NULL is a no-op. */

/* In the caller's memory, as a review_question. */
struct token_ask {
    struct slice token;
    struct text_list audiences; /* The token has to be for one of them. Borrowed, as the token. */
    struct text_list own;       /* Whom it is for when the webhook does not say. */
    struct arena *arena;
    struct loop *home;
    void (*answered)(struct token_ask *ask);
    void *data;

    /* Results: 0 with who it is and for whom (of `audiences`), or -EACCES. */
    int status;
    const struct user *user;
    struct text_list for_whom;
    struct token_webhook *webhook; /* The webhook's, as what follows. */
    struct review_question question;
};
/* True when it is answered already, and `answered` does not run. */
bool token_webhook_ask(struct token_webhook *webhook, struct token_ask *ask);
#endif
