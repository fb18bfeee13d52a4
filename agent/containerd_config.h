/* The configuration file of a containerd that belongs to one node: its own root, state and socket,
 * so that several nodes can live on one machine. Only makes text. */
#ifndef AGENT_CONTAINERD_CONFIG_H
#define AGENT_CONTAINERD_CONFIG_H
#include "lib/base/buffer.h"

enum { CONTAINERD_CONFIG_BYTES_MAX = 16384 }; /* Enough for any configuration made here. */

struct containerd_config {
    const char *root_dir;
    const char *state_dir;
    const char *socket_path;
    const char *cni_conf_dir;
    const char *cni_bin_dir;   /* NULL: /usr/lib/cni */
    const char *sandbox_image; /* NULL: registry.k8s.io/pause:3.10 */
    const char *snapshotter;   /* NULL: overlayfs, or native where root_dir cannot hold one. */
};

/* Appends config.toml (version 2). Texts are quoted as TOML wants it. */
void containerd_config_write(const struct containerd_config *config, struct buffer *out);
#endif
