/* The CNI configuration list of this node (spec 1.0.0): bridge, host-local, portmap. Pure text. */
#ifndef AGENT_NETWORK_CNI_CONFIG_H
#define AGENT_NETWORK_CNI_CONFIG_H
#include "lib/base/buffer.h"

#define CNI_CONFIG_FILE "10-coracle.conflist"

/* Writes the list for pods of `pod_cidr` on `bridge`. Paths and names must need no JSON escapes. */
void cni_config_write(struct buffer *out, const char *bridge, const char *pod_cidr,
                      const char *state_dir);
#endif
