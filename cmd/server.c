/* `coracle server`: one control-plane member. */
#include "cmd/server_parts.h"

#include "cmd/command_run.h"
#include "cmd/commands.h"
#include "cmd/server_flags.h"
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
        if (result < 0) {
            server_give_up(member);
        }
    }
    if (result < 0) {
        free(member);
        return result;
    }
    member->stop = stop_signal_open(member->store_loop, server_stop, member);
    LOG_INFO("server", "serving", KV_TEXT("member", member->config.name),
             KV_TEXT("api", member->config.api_enabled ? member->config.api_url : ""),
             KV_TEXT("etcd", member->config.etcd_url));
    loop_run(member->store_loop);
    server_release(member);
    int status = member->status;
    free(member);
    return status == 0 ? 0 : error_set(reterr, -EIO, "ended; the log above says why");
}

int command_server(int argc, char **argv)
{
    struct flag flags[FLAGS_MAX];
    struct flag_set set = {
        .usage = "coracle server --name NAME --initial-cluster NAME=URL,... [flags]\n"
                 "       coracle server --name NAME --store-endpoints URL,... [flags]",
        .summary =
            "Runs one member of the control plane: replicated store, Kubernetes API, etcd API,\n"
            "scheduler and controllers. Run one or, to survive a lost machine, three or five.",
        .flags = flags,
        .count = server_flags(flags),
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
