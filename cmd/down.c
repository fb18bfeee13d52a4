/* `coracle down`: stops a cluster of `coracle up` and removes what it left in the kernel and on
 * disk. */
#include "cmd/command_run.h"
#include "cmd/commands.h"
#include "cmd/flags.h"
#include "cmd/local_cluster.h"
#include "cmd/pause.h"
#include "cmd/process.h"
#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    GRACE_MS = 3000,
    MOUNTINFO_BYTES_MAX = 16 * 1024 * 1024,
    OPEN_DIRECTORIES_MAX = 64,
    REMOVE_TRIES = 100,
    REMOVE_PAUSE_MS = 10,
    MOUNTS_ON_EACH_OTHER_MAX = 16,
};

/* Unmounts everything below `dir`, last mounted first. Returns how many were there. */
static size_t unmount_below(const char *dir)
{
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, MOUNTINFO_BYTES_MAX);
    if (file_read("/proc/self/mountinfo", &text, NULL) < 0) {
        return 0;
    }
    char *prefix = alloc_printf("%s/", dir);
    size_t found = 0;
    char **points = NULL;
    char *rest = (char *)text.data;
    for (char *line = strtok_r(rest, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest)) {
        char *fields = line;
        char *point = NULL;
        for (int field = 0; field < 5; field++) { /* proc(5): the fifth is the mount point. */
            point = strtok_r(fields, " ", &fields);
        }
        if (point != NULL && strncmp(point, prefix, strlen(prefix)) == 0) {
            points = alloc_resize(points, found + 1, sizeof(*points));
            points[found++] = point;
        }
    }
    for (size_t i = found; i > 0; i--) {
        (void)umount2(points[i - 1], MNT_DETACH); /* Counted again by the caller. */
    }
    free(points);
    free(prefix);
    return found;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)walk;
    (void)(type == FTW_DP ? rmdir(path) : unlink(path)); /* The directory above tells of it. */
    return 0;
}

static int remove_tree(const char *path, struct error *reterr)
{
    (void)nftw(path, remove_entry, OPEN_DIRECTORIES_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    if (rmdir(path) < 0 && errno != ENOENT) {
        return error_set(reterr, -errno, "cannot remove all of %s: %s", path, strerror(errno));
    }
    return 0;
}

static int kill_group(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)walk;
    char *procs = alloc_printf("%s/cgroup.procs", path);
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, MOUNTINFO_BYTES_MAX);
    if (type == FTW_D && file_read(procs, &text, NULL) == 0 && text.len > 0) {
        char *rest = (char *)text.data;
        for (char *line = strtok_r(rest, "\n", &rest); line != NULL;
             line = strtok_r(NULL, "\n", &rest)) {
            long pid = strtol(line, NULL, 10);
            if (pid > 1) {
                (void)kill((pid_t)pid, SIGKILL); /* Gone already is what is wanted. */
            }
        }
    }
    free(procs);
    return 0;
}

static int remove_empty_group(const char *path, const struct stat *info, int type, struct FTW *walk)
{
    (void)info;
    (void)walk;
    if (type == FTW_DP) {
        (void)rmdir(path); /* Fails while the kernel still holds it: tried again by the caller. */
    }
    return 0;
}

/* Ends every process in the nodes' cgroups and removes these: with cgroup v1 there is one tree for
 * each controller, with v2 a single one. */
static void remove_cgroups(const struct local_cluster *cluster)
{
    static const char *const controllers[] = {
        ".",          "blkio",   "cpu",     "cpuacct", "cpu,cpuacct", "cpuset",
        "devices",    "freezer", "hugetlb", "memory",  "net_cls",     "net_prio",
        "perf_event", "pids",    "rdma",    "systemd", "unified",     "misc"};
    for (size_t c = 0; c < sizeof(controllers) / sizeof(controllers[0]); c++) {
        for (long i = 1; i <= cluster->agent_count; i++) {
            char *path = alloc_printf("/sys/fs/cgroup/%s/coracle/a%ld", controllers[c], i);
            for (int tries = 0; tries < REMOVE_TRIES && access(path, F_OK) == 0; tries++) {
                (void)nftw(path, kill_group, OPEN_DIRECTORIES_MAX, FTW_PHYS);
                (void)nftw(path, remove_empty_group, OPEN_DIRECTORIES_MAX, FTW_DEPTH | FTW_PHYS);
                pause_ms(REMOVE_PAUSE_MS); /* Processes take a moment to die. */
            }
            free(path);
        }
        char *parent = alloc_printf("/sys/fs/cgroup/%s/coracle", controllers[c]);
        (void)rmdir(parent); /* Another agent of this machine may use it. */
        free(parent);
    }
}

static void stop_nodes(const struct local_cluster *cluster)
{
    for (long i = 1; i <= cluster->agent_count; i++) {
        char *agent = alloc_printf("a%ld", i);
        char *runtime = alloc_printf("a%ld-containerd", i);
        char *dir = local_agent_dir(cluster, i);
        char *marker = alloc_printf("%s/", dir);
        process_stop(cluster->dir, agent, GRACE_MS);
        process_stop(cluster->dir, runtime, GRACE_MS);
        if (!cluster->hollow) {
            /* Shims name the runtime's socket. Their containers end with the cgroups. */
            (void)process_kill_matching(marker);
        }
        free(marker);
        free(dir);
        free(runtime);
        free(agent);
    }
}

static int down_main(const struct flag_set *set, struct error *reterr)
{
    char *dir = flag_text(set, "dir") == NULL ? local_cluster_default_dir()
                                              : alloc_text(flag_text(set, "dir"));
    struct local_cluster cluster;
    int result = local_cluster_load(dir, &cluster, reterr);
    free(dir);
    if (result < 0) {
        return result;
    }
    printf("nodes: stopping\n");
    stop_nodes(&cluster);
    printf("control plane: stopping\n");
    for (long i = 1; i <= cluster.server_count; i++) {
        char *name = alloc_printf("n%ld", i);
        process_stop(cluster.dir, name, GRACE_MS);
        free(name);
    }
    if (!cluster.hollow) {
        remove_cgroups(&cluster);
    }
    for (int i = 0; i < MOUNTS_ON_EACH_OTHER_MAX && unmount_below(cluster.dir) > 0; i++) {
        /* Root's hollow nodes have mounts, too. */
    }
    if (!cluster.hollow) {
        local_network_down(&cluster);
    }
    if (!flag_on(set, "keep-data")) {
        result = remove_tree(cluster.dir, reterr);
    }
    if (result == 0) {
        printf("nothing of it is left%s\n", flag_on(set, "keep-data") ? " but its data" : "");
    }
    local_cluster_release(&cluster);
    return result;
}

int command_down(int argc, char **argv)
{
    struct flag flags[] = {
        {.name = "dir", .placeholder = "DIR", .help = "as given to `coracle up`"},
        {.name = "keep-data",
         .help = "stop it, but keep what is on disk for the next `coracle up`"},
    };
    struct flag_set set = {
        .usage = "coracle down [flags]",
        .summary =
            "Stops the cluster that `coracle up` started on this machine, with its containers,\n"
            "and removes its processes, mounts, cgroups, network namespaces and data.",
        .flags = flags,
        .count = sizeof(flags) / sizeof(flags[0]),
    };
    const struct command command = {.name = "down", .run = down_main};
    return command_run(&command, &set, argc, argv);
}
