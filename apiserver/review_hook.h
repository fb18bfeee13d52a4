/* A webhook that the server asks about its own requests, with a review (TokenReview,
 * SubjectAccessReview) as JSON: where a kubeconfig says. Asynchronous: connections live on one io
 * loop, who asks is on any. Answers are remembered for a time, and what is being asked is not asked
 * twice. What waits, is under way or is remembered has limits of its own for each webhook, so that
 * a slow one holds nobody but those who need it. */
#ifndef APISERVER_REVIEW_HOOK_H
#define APISERVER_REVIEW_HOOK_H
#include "apiserver/kubeconfig.h"
#include "lib/base/list.h"
#include "lib/base/slice.h"
#include <stdint.h>

struct loop;
struct review_client;
struct review_hook;

/* The connections of all of them. `io_loop` runs on its own thread and outlives the client. */
MUST_USE struct review_client *review_client_new(struct loop *io_loop);
/* On the io loop: what is under way is given up, and never answered. Then it may be freed. */
void review_client_close(struct review_client *client);
void review_client_free(struct review_client *client); /* Closes; NULL is a no-op. */

/* How one that came to its end went; on the io loop. */
struct review_outcome {
    int error; /* 0, -ETIMEDOUT, or another. */
    unsigned status;
    uint64_t took_ms;
};

struct review_hook_options {
    struct review_client *client; /* Outlives the hook. */
    struct kubeconfig
        kubeconfig; /* The hook's from then on, with the arena that its texts are in. */
    struct arena *arena;
    uint64_t timeout_ms; /* Of a question, with all tries. */
    /* How long an answer of success is remembered; 0: not at all. On the io loop. */
    uint64_t (*keep_ms)(const void *data, struct slice answer);
    void (*noted)(const void *data, const struct review_outcome *outcome); /* Or NULL. */
    void *data;                  /* Lives as long as the hook, ... */
    void (*release)(void *data); /* ... and is released with it; or NULL. */
};
MUST_USE struct review_hook *review_hook_new(const struct review_hook_options *options);
struct review_hook *review_hook_ref(struct review_hook *hook); /* The same. Any thread. */
void review_hook_unref(struct review_hook *hook);              /* NULL is a no-op. Any thread. */

/* In the caller's memory, which stays until it is answered. Fill in the first part. */
struct review_question {
    struct slice body;   /* Borrowed until then. */
    struct arena *arena; /* Gets the results, and is not used by others until then. */
    struct loop *home;   /* Of the caller's thread; `answered` runs there. */
    void (*answered)(struct review_question *question);
    void *data;

    /* Results: 0 and what the webhook answered with success; or -ETIMEDOUT, -EBUSY when too many
     * are under way, or another negative errno, with a message. */
    int error;
    const char *message;
    struct slice answer;
    struct list node; /* The hook's. */
};
/* True when it is answered already, and `answered` does not run; false: it will. Any thread. */
bool review_hook_ask(struct review_hook *hook, struct review_question *question);
#endif
