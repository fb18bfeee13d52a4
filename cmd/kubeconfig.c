#include "apiserver/pki.h"
#include "cmd/command_run.h"
#include "cmd/commands.h"
#include "cmd/flags.h"
#include "lib/base/alloc.h"
#include <stdio.h>
#include <stdlib.h>

enum { KUBECONFIG_BYTES_MAX = 256 * 1024, VALID_SECONDS = 365 * 24 * 3600 };

static int print_kubeconfig(const struct flag_set *set, struct error *reterr)
{
    struct pki pki;
    int result = pki_load(flag_text(set, "data-dir"), &pki, reterr);
    if (result < 0) {
        return result;
    }
    const struct flag *groups = flag_get(set, "group");
    const char *user = flag_text(set, "user");
    char *cert = NULL;
    char *key = NULL;
    if (user == NULL) {
        user = "kubernetes-admin";
        cert = alloc_text(pki.admin_cert);
        key = alloc_text(pki.admin_key);
    } else {
        result = pki_client_cert(&pki, user, groups->values, groups->count, VALID_SECONDS, &cert,
                                 &key, reterr);
    }
    if (result == 0) {
        CLEANUP(buffer_release) struct buffer out;
        buffer_init(&out, KUBECONFIG_BYTES_MAX);
        pki_kubeconfig(pki.ca_cert, flag_text(set, "server"), user, cert, key, &out);
        fputs(buffer_text(&out), stdout);
    }
    free(cert);
    free(key);
    pki_release(&pki);
    return result;
}

int command_kubeconfig(int argc, char **argv)
{
    struct flag flags[] = {
        {.name = "data-dir",
         .placeholder = "DIR",
         .fallback = "/var/lib/coracle",
         .help = "data directory of a server: the cluster's CA is there"},
        {.name = "server",
         .placeholder = "URL",
         .fallback = "https://127.0.0.1:6443",
         .help = "where kubectl finds the API"},
        {.name = "user",
         .placeholder = "NAME",
         .help = "user of the certificate; without it, the administrator's own"},
        {.name = "group", .placeholder = "NAME", .list = true, .help = "group of the user"},
    };
    struct flag_set set = {
        .usage = "coracle kubeconfig [flags] > FILE",
        .summary =
            "Prints a kubeconfig with a client certificate signed by the cluster's CA. Whoever\n"
            "has the file is that user: keep it private.",
        .flags = flags,
        .count = sizeof(flags) / sizeof(flags[0]),
    };
    const struct command command = {.name = "kubeconfig", .run = print_kubeconfig};
    return command_run(&command, &set, argc, argv);
}
