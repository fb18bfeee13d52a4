/* `coracle certs`: when the certificates of a data directory end, and new ones in time. */
#include "cmd/command_run.h"
#include "cmd/commands.h"
#include "cmd/flags.h"
#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/net/x509.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PEM_BYTES_MAX = 64 * 1024, SECONDS_PER_DAY = 24 * 3600, WARN_DAYS = 30 };

static const char *const certificate_files[] = {"ca.crt", "server.crt", "admin.crt",
                                                "front-proxy-client.crt"};

static int check_one(const char *data_dir, const char *name, bool *soon, struct error *reterr)
{
    CLEANUP(buffer_release) struct buffer pem;
    buffer_init(&pem, PEM_BYTES_MAX);
    char *path = alloc_printf("%s/pki/%s", data_dir, name);
    int result = file_read(path, &pem, reterr);
    struct x509_facts facts = {.common_name = NULL};
    if (result == 0) {
        result = x509_read(buffer_slice(&pem), &facts, reterr);
    }
    free(path);
    if (result < 0) {
        return result;
    }
    time_t end = (time_t)facts.not_after_s;
    long days = (long)((facts.not_after_s - (int64_t)time(NULL)) / SECONDS_PER_DAY);
    char text[32];
    struct tm parts;
    gmtime_r(&end, &parts);
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &parts);
    printf("%-22s %-28s %s UTC %6ld days%s\n", name, facts.common_name, text, days,
           days < WARN_DAYS ? "  <- renew it: coracle certs rotate" : "");
    *soon = *soon || days < WARN_DAYS;
    x509_facts_release(&facts);
    return 0;
}

static int certs_check(const char *data_dir, struct error *reterr)
{
    bool soon = false;
    printf("%-22s %-28s %s\n", "FILE", "SUBJECT", "ENDS");
    for (size_t i = 0; i < sizeof(certificate_files) / sizeof(certificate_files[0]); i++) {
        int result = check_one(data_dir, certificate_files[i], &soon, reterr);
        if (result < 0) {
            return result;
        }
    }
    return soon ? error_set(reterr, -EKEYEXPIRED, "a certificate ends within %d days", WARN_DAYS)
                : 0;
}

/* The server makes what is missing when it starts: taking the old ones away is enough. The CA and
 * the key that signs tokens stay. */
static int certs_rotate(const char *data_dir, struct error *reterr)
{
    static const char *const files[] = {"server.crt",
                                        "server.key",
                                        "admin.crt",
                                        "admin.key",
                                        "front-proxy-client.crt",
                                        "front-proxy-client.key",
                                        "front-proxy-ca.crt"};
    char *ca = alloc_printf("%s/pki/ca.key", data_dir);
    int result = access(ca, R_OK) < 0
                     ? error_set(reterr, -errno, "%s: %s; without it nothing new can be signed", ca,
                                 strerror(errno))
                     : 0;
    free(ca);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]) && result == 0; i++) {
        char *from = alloc_printf("%s/pki/%s", data_dir, files[i]);
        char *to = alloc_printf("%s.old", from);
        if (rename(from, to) < 0 && errno != ENOENT) {
            result = error_set(reterr, -errno, "cannot put %s aside: %s", from, strerror(errno));
        }
        free(to);
        free(from);
    }
    if (result == 0) {
        printf(
            "The certificates but the CA are put aside (*.old). Restart this member now: it makes\n"
            "new ones. Then make kubeconfigs anew with `coracle kubeconfig`.\n");
    }
    return result;
}

static int run(const struct flag_set *set, struct error *reterr)
{
    const char *verb = set->operand_count == 0 ? "" : set->operands[0];
    if (strcmp(verb, "check") == 0) {
        return certs_check(flag_text(set, "data-dir"), reterr);
    }
    if (strcmp(verb, "rotate") == 0) {
        return certs_rotate(flag_text(set, "data-dir"), reterr);
    }
    return error_set(reterr, -EINVAL, "say what to do: check or rotate");
}

int command_certs(int argc, char **argv)
{
    struct flag flags[] = {
        {.name = "data-dir",
         .placeholder = "DIR",
         .fallback = "/var/lib/coracle",
         .help = "data directory of a server"},
    };
    struct flag_set set = {
        .usage = "coracle certs check|rotate [flags]",
        .summary =
            "check shows when the certificates of a member end, and exits with 1 when one ends\n"
            "within 30 days; rotate makes the member get new ones at its next start.",
        .flags = flags,
        .count = sizeof(flags) / sizeof(flags[0]),
        .operands_max = 1,
    };
    const struct command command = {.name = "certs", .run = run, .checks_words = true};
    return command_run(&command, &set, argc, argv);
}
