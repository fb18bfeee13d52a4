/* Who decides about requests, in which order: by flags or an AuthorizationConfiguration, which is
 * read again when its file changes; a bad one keeps the order of before. Chains are immutable and
 * counted by reference. Made and freed on the store loop, taken on any thread. */
#ifndef APISERVER_AUTHORIZER_CHAIN_H
#define APISERVER_AUTHORIZER_CHAIN_H
#include "apiserver/abac.h"
#include "apiserver/authz_webhook.h"

struct authorizer_chain;
struct authorizer_chains;
struct loop;
struct metric;

struct chain_item {
    enum authorizer_type type;
    struct authz_webhook *webhook;   /* Of AUTHORIZER_WEBHOOK. */
    const struct abac *abac;         /* Of AUTHORIZER_ABAC. */
    struct metric *allowed, *denied; /* NULL in the chain that nobody has asked for. */
};

struct authorizer_chains_options { /* Borrowed, and all in it. */
    const struct authz_options *authz;
    struct review_client *client;
    struct metrics *metrics;
    const char *server_name;
};

/* -EINVAL, or what reading a kubeconfig gives, with a message that names the flag. */
MUST_USE int authorizer_chains_new(const struct authorizer_chains_options *options,
                                   struct loop *loop, struct authorizer_chains **ret_chains,
                                   struct error *reterr);
void authorizer_chains_free(struct authorizer_chains *chains); /* NULL is a no-op. */

/* The one in force, referenced. NULL stands for Node and RBAC. */
struct authorizer_chain *authorizer_chain_current(struct authorizer_chains *chains);
void authorizer_chain_unref(struct authorizer_chain *chain); /* NULL is a no-op. */
/* Its items, as long as it is referenced. */
const struct chain_item *authorizer_chain_items(const struct authorizer_chain *chain,
                                                size_t *ret_count);
bool authorizer_chain_has(const struct authorizer_chain *chain, enum authorizer_type type);
/* The first item of the type, or NULL. */
const struct chain_item *authorizer_chain_find(const struct authorizer_chain *chain,
                                               enum authorizer_type type);
#endif
