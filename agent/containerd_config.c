#include "agent/containerd_config.h"

#include <string.h>
#include <sys/vfs.h>

/* overlayfs cannot have its upper layer on overlayfs or on a FUSE or network file system. */
#define OVERLAY_MAGIC 0x794c7630
#define FUSE_MAGIC    0x65735546
#define NFS_MAGIC     0x6969

static void add_text(struct buffer *out, const char *key, const char *value)
{
    buffer_printf(out, "%s = \"", key);
    for (const char *at = value; *at != '\0'; at++) {
        if (*at == '"' || *at == '\\') {
            buffer_append_byte(out, '\\');
        }
        buffer_append_byte(out, (uint8_t)*at);
    }
    buffer_append_text(out, "\"\n");
}

/* The root directory may not be there yet: its nearest parent tells. */
static const char *choose_snapshotter(const char *root_dir)
{
    char path[4096];
    size_t len = strlen(root_dir);
    struct statfs fs;
    if (len >= sizeof(path)) {
        return "overlayfs";
    }
    memcpy(path, root_dir, len + 1);
    while (statfs(path, &fs) < 0) {
        char *slash = strrchr(path, '/');
        if (slash == NULL || slash == path) {
            return "overlayfs";
        }
        *slash = '\0';
    }
    bool unfit = fs.f_type == OVERLAY_MAGIC || fs.f_type == FUSE_MAGIC || fs.f_type == NFS_MAGIC;
    return unfit ? "native" : "overlayfs";
}

void containerd_config_write(const struct containerd_config *config, struct buffer *out)
{
    const char *snapshotter =
        config->snapshotter != NULL ? config->snapshotter : choose_snapshotter(config->root_dir);
    buffer_append_text(out, "version = 2\n");
    add_text(out, "root", config->root_dir);
    add_text(out, "state", config->state_dir);
    buffer_append_text(out, "disabled_plugins = [\"io.containerd.snapshotter.v1.aufs\", "
                            "\"io.containerd.snapshotter.v1.btrfs\", "
                            "\"io.containerd.snapshotter.v1.devmapper\", "
                            "\"io.containerd.snapshotter.v1.zfs\", "
                            "\"io.containerd.tracing.processor.v1.otlp\", "
                            "\"io.containerd.internal.v1.tracing\"]\n");
    buffer_append_text(out, "\n[grpc]\n");
    add_text(out, "address", config->socket_path);
    buffer_append_text(out, "\n[plugins.\"io.containerd.grpc.v1.cri\"]\n");
    add_text(out, "sandbox_image",
             config->sandbox_image != NULL ? config->sandbox_image : "registry.k8s.io/pause:3.10");
    /* A container may not be given less than containerd's own score where the kernel forbids it. */
    buffer_append_text(out, "restrict_oom_score_adj = true\n"
                            "disable_tcp_service = true\n"
                            /* Below state_dir they go with the node, and are no other node's. */
                            "netns_mounts_under_state_dir = true\n"
                            "stream_server_address = \"127.0.0.1\"\n"
                            "stream_server_port = \"0\"\n"
                            "enable_selinux = false\n"
                            "tolerate_missing_hugetlb_controller = true\n");
    buffer_append_text(out, "\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\n");
    add_text(out, "snapshotter", snapshotter);
    buffer_append_text(
        out, "default_runtime_name = \"runc\"\n"
             "\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n"
             "runtime_type = \"io.containerd.runc.v2\"\n"
             "\n[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n"
             "SystemdCgroup = false\n");
    buffer_append_text(out, "\n[plugins.\"io.containerd.grpc.v1.cri\".cni]\n");
    add_text(out, "bin_dir", config->cni_bin_dir != NULL ? config->cni_bin_dir : "/usr/lib/cni");
    add_text(out, "conf_dir", config->cni_conf_dir);
}
