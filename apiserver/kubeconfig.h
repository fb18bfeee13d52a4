/* A kubeconfig as the server itself has it, for a webhook that it asks (audit, authentication,
 * authorization): where that is, whom to trust there, and as whom. Blocking file reads: for
 * start-up, or a thread that may wait. */
#ifndef APISERVER_KUBECONFIG_H
#define APISERVER_KUBECONFIG_H
#include "lib/base/arena.h"
#include "lib/base/error.h"

struct tls_config;

struct kubeconfig {
    const char *url;
    const char *server_name;   /* For TLS; NULL: the URL's host. */
    struct tls_config *tls;    /* HTTP/1.1; NULL where the URL is http. */
    const char *authorization; /* The header; NULL for none. */
};

/* Reads the file and those that it names; texts are in the arena. 0, or a negative errno with a
 * message that names the file. kubeconfig_release() then gives the TLS settings back. */
MUST_USE int kubeconfig_load(struct arena *arena, const char *path, struct kubeconfig *ret_config,
                             struct error *reterr);
void kubeconfig_release(struct kubeconfig *config); /* Zeroed: a no-op. */
#endif
