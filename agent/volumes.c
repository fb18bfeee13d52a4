#include "agent/volumes.h"

#include "agent/container_config.h"
#include "agent/limits.h"
#include "lib/api/quantity.h"
#include "lib/base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#define TMPFS_MAGIC_NUMBER 0x01021994

/* ---- Removing ---- */

/* The deepest mount point below `dir`, or false. The last one in the table is the topmost. */
static bool find_mount_below(const char *dir, char ret_path[static AGENT_PATH_BYTES_MAX])
{
    FILE *table = fopen("/proc/self/mountinfo", "re");
    char line[2 * AGENT_PATH_BYTES_MAX], path[AGENT_PATH_BYTES_MAX];
    size_t dir_len = strlen(dir);
    bool found = false;
    while (table != NULL && fgets(line, sizeof(line), table) != NULL) {
        if (sscanf(line, "%*d %*d %*s %*s %4095s", path) != 1) {
            continue;
        }
        if (strncmp(path, dir, dir_len) == 0 && path[dir_len] == '/') {
            (void)snprintf(ret_path, AGENT_PATH_BYTES_MAX, "%s", path);
            found = true;
        }
    }
    if (table != NULL) {
        (void)fclose(table);
    }
    return found;
}

static int remove_entry(const char *path, const struct stat *stat_of, int kind, struct FTW *ftw)
{
    (void)stat_of;
    (void)kind;
    (void)ftw;
    return remove(path) < 0 && errno != ENOENT ? -errno : 0;
}

int volumes_remove_tree(const char *dir, struct error *reterr)
{
    char mounted[AGENT_PATH_BYTES_MAX], resolved[PATH_MAX];
    if (realpath(dir, resolved) == NULL) {
        return errno == ENOENT
                   ? 0
                   : error_set(reterr, -errno, "cannot read %s: %s", dir, strerror(errno));
    }
    for (int tries = 0; find_mount_below(resolved, mounted); tries++) {
        if (umount2(mounted, UMOUNT_NOFOLLOW | (tries > 64 ? MNT_DETACH : 0)) < 0 &&
            (tries > 128 || errno != EBUSY || umount2(mounted, UMOUNT_NOFOLLOW | MNT_DETACH) < 0)) {
            return error_set(reterr, -EBUSY, "cannot unmount %s: %s", mounted, strerror(errno));
        }
    }
    int r = nftw(resolved, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    if (r != 0 && access(resolved, F_OK) == 0) {
        return error_set(reterr, r < -1 ? r : -EIO, "cannot remove %s", dir);
    }
    return 0;
}

/* ---- Making ---- */

static bool is_tmpfs(const char *path)
{
    struct statfs fs;
    return statfs(path, &fs) == 0 && fs.f_type == TMPFS_MAGIC_NUMBER;
}

static bool is_mount_point(const char *path)
{
    char parent[AGENT_PATH_BYTES_MAX];
    struct stat own, above;
    (void)snprintf(parent, sizeof(parent), "%s/..", path);
    return stat(path, &own) == 0 && stat(parent, &above) == 0 && own.st_dev != above.st_dev;
}

static int mount_tmpfs(const char *path, int64_t size_bytes, struct error *reterr)
{
    char options[64] = "mode=0755";
    if (is_mount_point(path) && is_tmpfs(path)) {
        return 0;
    }
    if (size_bytes > 0) {
        (void)snprintf(options, sizeof(options), "mode=0777,size=%" PRId64, size_bytes);
    }
    if (mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, options) < 0) {
        if (errno == EPERM) {
            return 0; /* Without root it stays on the disk. */
        }
        return error_set(reterr, -errno, "cannot mount tmpfs on %s: %s", path, strerror(errno));
    }
    return 0;
}

static int64_t fs_group(const struct pod_inputs *inputs)
{
    const Core__V1__PodSecurityContext *security = inputs->pod->spec->security_context;
    return security != NULL && security->has_fs_group ? security->fs_group : -1;
}

static int make_empty_dir(const struct pod_inputs *inputs, const char *path,
                          const Core__V1__EmptyDirVolumeSource *source, struct error *reterr)
{
    int r = directory_make(path, 0777, reterr);
    if (r < 0) {
        return r;
    }
    if (source != NULL && source->medium != NULL && strcmp(source->medium, "Memory") == 0) {
        int64_t limit = quantity_value(quantity_read(source->size_limit));
        if (limit <= 0) {
            limit = inputs->node_memory_bytes / 2;
        }
        r = mount_tmpfs(path, limit, reterr);
        if (r < 0) {
            return r;
        }
    }
    uint32_t mode = 0777;
    int64_t group = fs_group(inputs);
    if (group >= 0) {
        mode |= S_ISGID;
        if (chown(path, (uid_t)-1, (gid_t)group) < 0) {
            return error_set(reterr, -errno, "cannot give %s to group: %s", path, strerror(errno));
        }
    }
    if (chmod(path, mode) < 0) {
        return error_set(reterr, -errno, "cannot set mode of %s: %s", path, strerror(errno));
    }
    return 0;
}

/* The check, or creation, that hostPath.type asks for. */
static int check_host_path(const Core__V1__HostPathVolumeSource *source, struct error *reterr)
{
    const char *type = source->type == NULL ? "" : source->type;
    const char *path = source->path == NULL ? "" : source->path;
    static const struct {
        const char *type;
        mode_t format;
        const char *words;
    } rules[] = {
        {"Directory", S_IFDIR, "is not a directory"},
        {"DirectoryOrCreate", S_IFDIR, "is not a directory"},
        {"File", S_IFREG, "is not a file"},
        {"FileOrCreate", S_IFREG, "is not a file"},
        {"Socket", S_IFSOCK, "is not a socket file"},
        {"CharDevice", S_IFCHR, "is not a character device"},
        {"BlockDevice", S_IFBLK, "is not a block device"},
    };
    struct stat stat_of;
    if (type[0] == '\0') {
        return 0;
    }
    if (stat(path, &stat_of) < 0 && strcmp(type, "DirectoryOrCreate") == 0) {
        int r = directory_make(path, 0755, reterr);
        if (r < 0) {
            return r;
        }
    } else if (stat(path, &stat_of) < 0 && strcmp(type, "FileOrCreate") == 0) {
        int file = open(path, O_CREAT | O_CLOEXEC | O_WRONLY, 0644);
        if (file >= 0) {
            (void)close(file);
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (strcmp(rules[i].type, type) == 0 &&
            (stat(path, &stat_of) < 0 || (stat_of.st_mode & S_IFMT) != rules[i].format)) {
            return error_set(reterr, -ENOENT, "hostPath type check failed: %s %s", path,
                             rules[i].words);
        }
    }
    return 0;
}

static int prepare_one(struct arena *arena, const struct pod_inputs *inputs,
                       const Core__V1__Volume *volume, const struct volume_tokens *tokens,
                       struct error *reterr)
{
    const Core__V1__VolumeSource *source = volume->volume_source;
    const char *path = pod_volume_path(arena, inputs, volume);
    if (path == NULL) {
        return error_set(reterr, -ENOTSUP, "this kind of volume is not supported");
    }
    if (source == NULL || source->empty_dir != NULL) {
        return make_empty_dir(inputs, path, source == NULL ? NULL : source->empty_dir, reterr);
    }
    if (source->host_path != NULL) {
        return check_host_path(source->host_path, reterr);
    }
    struct payload payload;
    bool is_payload;
    int r = volume_payload(arena, inputs, volume, tokens, &is_payload, &payload, reterr);
    if (r < 0) {
        return r;
    }
    r = directory_make(path, 0755, reterr);
    if (r == 0 && source->config_map == NULL) { /* What may be secret stays out of the disk. */
        r = mount_tmpfs(path, /* size_bytes= */ 0, reterr);
    }
    if (r < 0) {
        return r;
    }
    return payload_write(path, &payload, fs_group(inputs), reterr);
}

int volumes_prepare(const struct pod_inputs *inputs, const struct volume_tokens *tokens,
                    struct error *reterr)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    int r = directory_make(pod_dir(arena, inputs), 0750, reterr);
    for (size_t i = 0; r == 0 && i < inputs->pod->spec->n_volumes; i++) {
        const Core__V1__Volume *volume = inputs->pod->spec->volumes[i];
        r = prepare_one(arena, inputs, volume, tokens, reterr);
        if (r < 0) {
            (void)error_wrap(reterr, "MountVolume.SetUp failed for volume \"%s\" ", volume->name);
        }
    }
    return r;
}

/* ---- subPath ---- */

/* Opens `path` below `root`, which a container may be changing meanwhile; links cannot lead
 * outside. */
static int open_beneath(int root, const char *path)
{
    struct open_how how = {
        .flags = O_PATH | O_CLOEXEC,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    return (int)syscall(SYS_openat2, root, path, &how, sizeof(how));
}

/* The same, making the directories that are missing: each in the parent that was opened, as its
 * path may lead elsewhere by now (CVE-2021-25741). */
static int open_below(const char *root, const char *path, struct error *reterr)
{
    int base = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (base < 0) {
        return error_set(reterr, -errno, "cannot open %s: %s", root, strerror(errno));
    }
    char part[AGENT_PATH_BYTES_MAX];
    (void)snprintf(part, sizeof(part), "%s", path);
    int parent = -1;
    for (char *name = part;;) {
        char *slash = strchr(name, '/');
        if (slash != NULL) {
            *slash = '\0';
        }
        int fd = open_beneath(base, part);
        if (fd < 0 && errno == ENOENT && mkdirat(parent < 0 ? base : parent, name, 0750) == 0) {
            fd = open_beneath(base, part);
        }
        int saved = errno;
        if (parent >= 0) {
            (void)close(parent);
        }
        if (fd < 0 || slash == NULL) {
            (void)close(base);
            return fd >= 0 ? fd
                           : error_set(reterr, -saved, "cannot use subPath \"%s\": %s", path,
                                       strerror(saved));
        }
        parent = fd;
        *slash = '/';
        name = slash + 1;
    }
}

static int bind_fd(int fd, const char *target, struct error *reterr)
{
    struct stat stat_of;
    char parent[AGENT_PATH_BYTES_MAX], source[64];
    (void)snprintf(parent, sizeof(parent), "%s", target);
    *strrchr(parent, '/') = '\0';
    int r = directory_make(parent, 0750, reterr);
    if (r < 0 || fstat(fd, &stat_of) < 0) {
        return r < 0 ? r : error_set(reterr, -errno, "cannot read subPath: %s", strerror(errno));
    }
    (void)umount2(target, UMOUNT_NOFOLLOW); /* Of the container's run before this one. */
    if (S_ISDIR(stat_of.st_mode)) {
        (void)mkdir(target, 0750);
    } else {
        int file = open(target, O_CREAT | O_CLOEXEC | O_WRONLY | O_NOFOLLOW, 0600);
        if (file >= 0) {
            (void)close(file);
        }
    }
    (void)snprintf(source, sizeof(source), "/proc/self/fd/%d", fd);
    if (mount(source, target, NULL, MS_BIND, NULL) < 0) {
        return error_set(reterr, -errno, "cannot bind subPath to %s: %s", target, strerror(errno));
    }
    return 0;
}

int volumes_bind_subpaths(const struct pod_inputs *inputs, const Core__V1__Container *container,
                          struct error *reterr)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct pod_variables variables;
    int r = pod_env_build(arena, inputs, container, &variables, reterr);
    for (size_t i = 0; r == 0 && i < container->n_volume_mounts; i++) {
        const Core__V1__VolumeMount *mount_of = container->volume_mounts[i];
        const char *subpath = pod_mount_subpath(arena, mount_of, &variables);
        if (subpath == NULL) {
            continue;
        }
        for (size_t k = 0; k < inputs->pod->spec->n_volumes; k++) {
            const Core__V1__Volume *volume = inputs->pod->spec->volumes[k];
            const char *root = pod_volume_path(arena, inputs, volume);
            if (strcmp(volume->name, mount_of->name) != 0 || root == NULL) {
                continue;
            }
            int fd = open_below(root, subpath, reterr);
            if (fd < 0) {
                return fd;
            }
            r = bind_fd(fd, pod_subpath_path(arena, inputs, container->name, i, mount_of->name),
                        reterr);
            (void)close(fd);
        }
    }
    return r;
}

int volumes_prepare_container(const struct pod_inputs *inputs, const Core__V1__Container *container,
                              uint32_t attempt, struct error *reterr)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    char *logs = arena_printf(arena, "%s/%s", pod_log_dir(arena, inputs), container->name);
    int r = directory_make(logs, 0755, reterr);
    char *message = pod_termination_path(arena, inputs, container->name, attempt);
    if (r == 0) {
        r = directory_make(
            arena_printf(arena, "%s/containers/%s", pod_dir(arena, inputs), container->name), 0755,
            reterr);
    }
    if (r < 0) {
        return r;
    }
    int file = open(message, O_CREAT | O_TRUNC | O_CLOEXEC | O_WRONLY, 0666);
    if (file < 0 || fchmod(file, 0666) < 0) {
        r = error_set(reterr, -errno, "cannot make %s: %s", message, strerror(errno));
    }
    if (file >= 0) {
        (void)close(file);
    }
    FILE *hosts = r < 0 ? NULL : fopen(pod_hosts_path(arena, inputs), "we");
    if (r == 0 && hosts == NULL) {
        return error_set(reterr, -errno, "cannot write the hosts file: %s", strerror(errno));
    }
    if (hosts != NULL) {
        bool bad = fputs(pod_hosts_text(arena, inputs), hosts) < 0;
        if (fclose(hosts) != 0 || bad) {
            return error_set(reterr, -EIO, "cannot write the hosts file");
        }
    }
    return r;
}
