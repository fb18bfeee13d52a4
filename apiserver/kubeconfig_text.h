/* The text of a kubeconfig (apiserver/kubeconfig.h): of its contexts only the current one is looked
 * at. Pure. */
#ifndef APISERVER_KUBECONFIG_TEXT_H
#define APISERVER_KUBECONFIG_TEXT_H
#include "lib/base/arena.h"
#include "lib/base/error.h"
#include <stdbool.h>

/* What a file says, before the files that it names are read. Names of files are relative to the
 * file's folder; "" is not given. */
struct kubeconfig_text {
    const char *server; /* http:// or https:// */
    const char *tls_server_name;
    bool insecure;
    const char *ca_file, *ca_data; /* data: base64 of PEM; where both are given it counts. */
    const char *cert_file, *cert_data;
    const char *key_file, *key_data;
    const char *token_file, *token; /* Here the file counts. */
    const char *username, *password;
};

void kubeconfig_text_init(struct kubeconfig_text *text); /* Nothing is given. */
/* Texts are in the arena. 0, or -EINVAL with a message that says where. */
MUST_USE int kubeconfig_parse(struct arena *arena, struct slice text,
                              struct kubeconfig_text *ret_text, struct error *reterr);
#endif
