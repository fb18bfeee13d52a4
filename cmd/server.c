/* `coracle server`: one control-plane member. */
#include "cmd/server_parts.h"

#include "cmd/commands.h"
#include "cmd/failure.h"
#include "cmd/stop_signal.h"
#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* What a burst has freed stays for the next one: given back page by page, each burst would fault it
 * all in again (a fifth of the CPU of a watch fan-out). At most this much stays per arena. */
static void keep_freed_memory(void)
{
    (void)mallopt(M_TRIM_THRESHOLD, 16 << 20); /* Refused: as without. */
    (void)mallopt(M_MMAP_THRESHOLD, 4 << 20);
    (void)mallopt(M_TOP_PAD, 1 << 20);
}

static int run(const struct flag_set *set, struct error *reterr)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct member *member = alloc_zeroed(sizeof(*member));
    member->reterr = reterr;
    keep_freed_memory();
    int result = member_config_from(set, arena, &member->config, reterr);
    if (result == 0) {
        result = server_open(member, arena);
    }
    if (result < 0) {
        /* The process ends at once: what is half open has acknowledged nothing. */
        free(member);
        return result;
    }
    member->stop = stop_signal_open(member->store_loop, server_stop, member);
    LOG_INFO("server", "serving", KV_TEXT("member", member->config.name),
             KV_TEXT("api", member->config.api_url), KV_TEXT("etcd", member->config.etcd_url));
    loop_run(member->store_loop);
    server_release(member);
    int status = member->status;
    free(member);
    return status == 0 ? 0 : error_set(reterr, -EIO, "ended; the log above says why");
}

int command_server(int argc, char **argv)
{
    struct flag flags[] = {
        {.name = "name", .placeholder = "NAME", .required = true, .help = "this member's name"},
        {.name = "data-dir",
         .placeholder = "DIR",
         .fallback = "/var/lib/coracle",
         .help = "log, snapshots, certificates; a disk that keeps what it has flushed"},
        {.name = "api-listen",
         .placeholder = "HOST:PORT",
         .fallback = "127.0.0.1:6443",
         .help = "where kubectl and agents connect"},
        {.name = "advertise-url",
         .placeholder = "URL",
         .help = "how others reach that; default https:// and --api-listen"},
        {.name = "etcd-listen",
         .alias = "listen-client-urls",
         .placeholder = "URL,...",
         .fallback = "https://127.0.0.1:2379",
         .list = true,
         .help = "etcd v3 API; http:// for no TLS"},
        {.name = "advertise-client-urls",
         .placeholder = "URL,...",
         .list = true,
         .help = "where clients are told that this is; default --etcd-listen"},
        {.name = "peer-url",
         .alias = "initial-advertise-peer-urls",
         .placeholder = "URL,...",
         .fallback = "https://127.0.0.1:2380",
         .list = true,
         .help = "where the other members connect; they try one after the other"},
        {.name = "listen-peer-urls",
         .placeholder = "URL,...",
         .list = true,
         .help = "where this member listens for them; default --peer-url"},
        {.name = "initial-cluster",
         .placeholder = "NAME=URL,...",
         .list = true,
         .help = "all members with their peer URLs, this one too; the same everywhere. For the "
                 "first start: later the data directory says who belongs to the cluster"},
        {.name = "initial-cluster-state",
         .placeholder = "STATE",
         .fallback = "new",
         .help = "existing: that cluster runs already, and this member has been added to it"},
        {.name = "initial-cluster-token",
         .placeholder = "TEXT",
         .help = "makes the new cluster's id another one; the same for all its members"},
        {.name = "join",
         .placeholder = "URL",
         .help = "instead of --initial-cluster, with an empty data directory: become a member of "
                 "the cluster of this server. https://HOST:6443 with --token; or, with its pki "
                 "files copied here, the --etcd-listen of a member"},
        {.name = "token",
         .placeholder = "TOKEN",
         .help = "from `coracle token create --member`, for --join"},
        {.name = "join-user",
         .placeholder = "NAME:PASSWORD",
         .help = "for --join while the store asks for users: one with the role root"},
        {.name = "metrics-listen",
         .alias = "listen-metrics-urls",
         .placeholder = "URL",
         .help = "/metrics and /health in the clear here, too; they are on --etcd-listen anyway"},
        {.name = "quota-bytes",
         .alias = "quota-backend-bytes",
         .placeholder = "N",
         .fallback = "8589934592",
         .help = "of keys and values: beyond it the store takes nothing that grows; 0: no limit"},
        {.name = "auto-compaction-mode",
         .placeholder = "MODE",
         .fallback = "periodic",
         .help = "periodic or revision: what --auto-compaction-retention counts"},
        {.name = "auto-compaction-retention",
         .placeholder = "N",
         .help = "history kept: 30m, 5h, or a number of hours or revisions; 0: all. Default 5m, "
                 "and all with --disable api"},
        {.name = "store-endpoints",
         .placeholder = "URL,...",
         .list = true,
         .help = "in place of a store of its own, an etcd v3 that is there: http[s]://HOST:PORT"},
        {.name = "store-cacert", .placeholder = "FILE", .help = "who may sign its certificate"},
        {.name = "store-cert", .placeholder = "FILE", .help = "client certificate for it"},
        {.name = "store-key", .placeholder = "FILE", .help = "and its key"},
        {.name = "store-prefix",
         .placeholder = "PREFIX",
         .fallback = "/registry",
         .help = "all keys of the cluster in that etcd begin with it"},
        {.name = "store-user", .placeholder = "NAME", .help = "user of that etcd"},
        {.name = "store-password-file", .placeholder = "FILE", .help = "and the password"},
        {.name = "store-compact-minutes",
         .placeholder = "N",
         .fallback = "5",
         .help = "how often to compact that etcd; 0 leaves it to others"},
        {.name = "service-cidr",
         .placeholder = "CIDR",
         .fallback = "10.96.0.0/12",
         .help = "addresses of Services"},
        {.name = "cluster-cidr",
         .placeholder = "CIDR",
         .fallback = "10.244.0.0/16",
         .help = "addresses of pods; each node gets a /24"},
        {.name = "cluster-domain",
         .placeholder = "NAME",
         .fallback = "cluster.local",
         .help = "DNS domain of the cluster"},
        {.name = "anonymous-auth",
         .placeholder = "BOOL",
         .fallback = "true",
         .help = "who shows nothing is the user system:anonymous; false: is refused"},
        {.name = "encryption-provider-config",
         .placeholder = "FILE",
         .help = "EncryptionConfiguration: which resources are encrypted in the store, and how"},
        {.name = "oidc-issuer-url",
         .placeholder = "URL",
         .help = "tokens of this OpenID Connect provider are accepted; https://"},
        {.name = "oidc-client-id", .placeholder = "ID", .help = "whom its tokens must be for"},
        {.name = "oidc-ca-file",
         .placeholder = "FILE",
         .help = "who signs the provider's certificate; default: the system's roots"},
        {.name = "oidc-username-claim",
         .placeholder = "CLAIM",
         .fallback = "sub",
         .help = "which claim is the name of the user"},
        {.name = "oidc-username-prefix",
         .placeholder = "TEXT",
         .help =
             "put before it; default the issuer's URL and #, but nothing for email; -: nothing"},
        {.name = "oidc-groups-claim",
         .placeholder = "CLAIM",
         .help = "which claim is the user's groups: a text or a list"},
        {.name = "oidc-groups-prefix", .placeholder = "TEXT", .help = "put before each of them"},
        {.name = "oidc-required-claim",
         .placeholder = "NAME=VALUE",
         .list = true,
         .help = "what tokens must say besides"},
        {.name = "oidc-signing-algs",
         .placeholder = "ALG,...",
         .fallback = "RS256",
         .list = true,
         .help = "how they may be signed: RS256, ES256"},
        {.name = "requestheader-client-ca-file",
         .placeholder = "FILE",
         .help = "who signs the certificates of front proxies, which say in headers who asks"},
        {.name = "requestheader-allowed-names",
         .placeholder = "NAME,...",
         .list = true,
         .help = "common names of these certificates; default any"},
        {.name = "requestheader-username-headers",
         .placeholder = "HEADER,...",
         .list = true,
         .help = "such as X-Remote-User"},
        {.name = "requestheader-group-headers",
         .placeholder = "HEADER,...",
         .list = true,
         .help = "such as X-Remote-Group"},
        {.name = "requestheader-extra-headers-prefix",
         .placeholder = "PREFIX,...",
         .list = true,
         .help = "such as X-Remote-Extra-"},
        {.name = "disable",
         .placeholder = "PART,...",
         .list = true,
         .help = "leave out api, scheduler or controllers"},
        {.name = "heartbeat-ms",
         .alias = "heartbeat-interval",
         .placeholder = "N",
         .fallback = "50",
         .help = "Raft: how often the leader is heard of"},
        {.name = "election-ms",
         .alias = "election-timeout",
         .placeholder = "N",
         .fallback = "300",
         .help = "Raft: silence after which another leader is elected"},
        {.name = "node-grace-ms",
         .placeholder = "N",
         .fallback = "40000",
         .help = "silence of a node after which it is not ready"},
        {.name = "max-requests-inflight",
         .placeholder = "N",
         .fallback = "400",
         .help = "requests served at once, with those of the next flag: shared out among the "
                 "priority levels"},
        {.name = "max-mutating-requests-inflight",
         .placeholder = "N",
         .fallback = "200",
         .help = "counted to the above, as kube-apiserver counts them"},
        {.name = "snapshot-entries",
         .alias = "snapshot-count",
         .placeholder = "N",
         .fallback = "400000",
         .help = "log entries after which the state is saved and older ones are dropped"},
        {.name = "log-level",
         .placeholder = "LEVEL",
         .fallback = "info",
         .help = "error, warn, info or debug"},
        {.name = "config",
         .alias = "config-file",
         .placeholder = "FILE",
         .help = "YAML file with these flags' names"},
    };
    struct flag_set set = {
        .usage = "coracle server --name NAME --initial-cluster NAME=URL,... [flags]\n"
                 "       coracle server --name NAME --store-endpoints URL,... [flags]",
        .summary =
            "Runs one member of the control plane: replicated store, Kubernetes API, etcd API,\n"
            "scheduler and controllers. Run one or, to survive a lost machine, three or five.",
        .flags = flags,
        .count = sizeof(flags) / sizeof(flags[0]),
    };
    struct error error = {.code = 0};
    int status = 0;
    enum log_level level;
    if (flag_set_parse(&set, argc, argv, &error) < 0) {
        status = command_misused("server", &error);
    } else if (set.help) {
        status = 0;
    } else if (log_level_parse(flag_text(&set, "log-level"), &level) < 0) {
        (void)error_set(&error, -EINVAL, "--log-level: must be error, warn, info or debug");
        status = command_misused("server", &error);
    } else {
        log_set_level(level);
        status = run(&set, &error) < 0 ? command_failed("server", &error) : 0;
    }
    flag_set_release(&set);
    return status;
}
