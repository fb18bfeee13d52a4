/* Who issues the tokens of OpenID Connect that are accepted: the one of the flags, or those of an
 * AuthenticationConfiguration, which also says who may come without any. A file that changes is
 * read again: when it is good and the keys of all its issuers are known, it takes the place of the
 * one before, which stays otherwise. Made and freed on the store loop; questions on any thread. */
#ifndef APISERVER_ISSUERS_H
#define APISERVER_ISSUERS_H
#include "apiserver/authn_options.h"
#include "apiserver/user.h"
#include "lib/base/arena.h"
#include "lib/base/error.h"

struct issuers;
struct loop;
struct metrics;

struct issuers_options { /* Borrowed, and all in it. */
    const struct authn_options *authn;
    const char *own_issuer; /* Of the cluster's own tokens, which no file may name. */
    const char *server_name;
    struct metrics *metrics; /* These three: needed with a file. */
};

/* -EINVAL with a message that names the flag. */
MUST_USE int issuers_new(const struct issuers_options *options, struct loop *loop,
                         struct issuers **ret_issuers, struct error *reterr);
void issuers_free(struct issuers *issuers); /* NULL is a no-op. */

/* 0; -ENOENT when it is a token of none of them; -EACCES. */
MUST_USE int issuers_authenticate(struct issuers *issuers, struct arena *arena, struct slice token,
                                  int64_t now_s, const struct user **ret_user);
/* Whether who shows nothing is system:anonymous at that path; else refused. */
bool issuers_let_in_nobody(struct issuers *issuers, bool by_flag, const char *path);
#endif
