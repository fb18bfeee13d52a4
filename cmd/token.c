#include "apiserver/pki.h"
#include "cmd/command_run.h"
#include "cmd/commands.h"
#include "cmd/flags.h"
#include "cmd/join_token.h"
#include "lib/base/alloc.h"
#include "lib/base/base64.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HTTP_OK = 200,
    VALID_SECONDS_MAX = 10 * 365 * 24 * 3600,
    AGENT_VALID_SECONDS = 24 * 3600,
    MEMBER_VALID_SECONDS = 3600,
    SECRET_TEXT_MAX = 1024,
};

static struct api_target target_of(const struct flag_set *set)
{
    const struct flag *servers = flag_get(set, "server");
    return (struct api_target){
        .data_dir = flag_text(set, "data-dir"),
        .servers = servers->values,
        .server_count = servers->count,
    };
}

static int print_member_token(const struct flag_set *set, const char *token, struct error *reterr)
{
    struct pki pki;
    int result = pki_load(flag_text(set, "data-dir"), &pki, reterr);
    if (result == 0) {
        CLEANUP(alloc_freep) char *text = join_token_with_ca(token, slice_text(pki.ca_cert));
        printf("%s\n", text);
        pki_release(&pki);
    }
    return result;
}

static int token_create(const struct flag_set *set, struct error *reterr)
{
    long seconds = 0;
    char *token = NULL;
    bool member = flag_on(set, "member");
    int result = 0;
    if (flag_text(set, "valid-seconds") == NULL) {
        seconds = member ? MEMBER_VALID_SECONDS : AGENT_VALID_SECONDS;
    } else {
        result = flag_number(set, "valid-seconds", 0, VALID_SECONDS_MAX, &seconds, reterr);
    }
    if (result == 0) {
        result = join_token_make(&token, reterr);
    }
    if (result == 0) {
        struct api_target target = target_of(set);
        result = join_token_store(&target, token, member ? JOIN_TOKEN_MEMBER : JOIN_TOKEN_AGENT,
                                  (uint64_t)seconds, reterr);
    }
    if (result == 0 && member) {
        result = print_member_token(set, token, reterr);
    } else if (result == 0) {
        printf("%s\n", token);
    }
    free(token);
    return result;
}

/* Sends one request and expects 200. */
static int call(const struct flag_set *set, const char *method, const char *path,
                struct buffer *answer, struct error *reterr)
{
    struct api_target target = target_of(set);
    struct api_request request = {.method = method, .path = path};
    unsigned status = 0;
    int result = api_call(&target, &request, &status, answer, reterr);
    if (result == 0 && status == 404) {
        return error_set(reterr, -ENOENT, "there is no such token");
    }
    if (result == 0 && status != HTTP_OK) {
        return error_set(reterr, -EIO, "the API server said %u: %s", status, buffer_text(answer));
    }
    return result;
}

/* Data of a Secret is base64; NULL when it is not there. The caller frees. */
static char *secret_text(const json_t *secret, const char *key)
{
    const char *text = json_string_value(json_object_get(json_object_get(secret, "data"), key));
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, SECRET_TEXT_MAX);
    return text == NULL || base64_decode(slice_text(text), &out) < 0
               ? NULL
               : alloc_text(buffer_text(&out));
}

static void print_token(const json_t *secret, const char *id)
{
    CLEANUP(alloc_freep) char *member = secret_text(secret, "usage-coracle-member");
    CLEANUP(alloc_freep) char *end = secret_text(secret, "expiration");
    const char *created = json_string_value(
        json_object_get(json_object_get(secret, "metadata"), "creationTimestamp"));
    printf("%-8s %-8s %-22s %s\n", id, member == NULL ? "agents" : "members",
           created == NULL ? "-" : created, end == NULL ? "never" : end);
}

static int token_list(const struct flag_set *set, struct error *reterr)
{
    CLEANUP(buffer_release) struct buffer answer;
    buffer_init(&answer, API_ANSWER_BYTES_MAX);
    int result = call(set, "GET",
                      "/api/v1/namespaces/kube-system/secrets"
                      "?fieldSelector=type%3Dbootstrap.kubernetes.io%2Ftoken",
                      &answer, reterr);
    if (result < 0) {
        return result;
    }
    json_t *list = json_loads(buffer_text(&answer), 0, NULL);
    size_t index;
    const json_t *secret;
    printf("%-8s %-8s %-22s %s\n", "ID", "FOR", "CREATED", "ENDS");
    json_array_foreach(json_object_get(list, "items"), index, secret)
    {
        const json_t *metadata = json_object_get(secret, "metadata");
        const char *name = json_string_value(json_object_get(metadata, "name"));
        const char *prefix = "bootstrap-token-";
        if (name != NULL && strncmp(name, prefix, strlen(prefix)) == 0) {
            print_token(secret, name + strlen(prefix));
        }
    }
    json_decref(list);
    return 0;
}

static int token_delete(const struct flag_set *set, struct error *reterr)
{
    if (set->operand_count < 2) {
        return error_set(reterr, -EINVAL, "say which: coracle token delete ID");
    }
    for (const char *at = set->operands[1]; *at != '\0' && *at != '.'; at++) {
        if (strchr("0123456789abcdefghijklmnopqrstuvwxyz", *at) == NULL) {
            return error_set(reterr, -EINVAL, "%s is not the id of a token", set->operands[1]);
        }
    }
    char *path = alloc_printf("/api/v1/namespaces/kube-system/secrets/bootstrap-token-%.6s",
                              set->operands[1]);
    CLEANUP(buffer_release) struct buffer answer;
    buffer_init(&answer, API_ANSWER_BYTES_MAX);
    int result = call(set, "DELETE", path, &answer, reterr);
    free(path);
    return result;
}

static int run(const struct flag_set *set, struct error *reterr)
{
    const char *verb = set->operand_count == 0 ? "" : set->operands[0];
    bool is_create = strcmp(verb, "create") == 0;
    if (is_create || strcmp(verb, "list") == 0) {
        if (set->operand_count > 1) {
            return error_set(reterr, -EINVAL, "unexpected argument %s; see --help",
                             set->operands[1]);
        }
        return is_create ? token_create(set, reterr) : token_list(set, reterr);
    }
    if (strcmp(verb, "delete") == 0) {
        return token_delete(set, reterr);
    }
    return error_set(reterr, -EINVAL, "say what to do: create, list or delete ID");
}

int command_token(int argc, char **argv)
{
    struct flag flags[] = {
        {.name = "data-dir",
         .placeholder = "DIR",
         .fallback = "/var/lib/coracle",
         .help = "data directory of a server: the administrator's certificate is there"},
        {.name = "server",
         .placeholder = "URL",
         .fallback = "https://127.0.0.1:6443",
         .list = true,
         .help = "API servers, tried in turn"},
        {.name = "valid-seconds",
         .placeholder = "N",
         .help = "how long a new token is good for; 0 for ever (default a day, with --member an "
                 "hour)"},
        {.name = "member",
         .help = "create: a token with which a server joins the control plane. It gives the "
                 "cluster's keys away: keep it secret"},
    };
    struct flag_set set = {
        .usage = "coracle token create|list|delete [ID] [flags]",
        .summary =
            "Tokens with which agents join: `create` prints a new one, to be given to\n"
            "`coracle agent --token`, or with --member to `coracle server --join URL --token`.",
        .flags = flags,
        .count = sizeof(flags) / sizeof(flags[0]),
        .operands_max = 2,
    };
    const struct command command = {
        .name = "token", .run = run, .checks_words = true, .server_flag = "server"};
    return command_run(&command, &set, argc, argv);
}
