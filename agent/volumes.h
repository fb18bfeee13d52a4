/* Volumes of a pod on the node's disk: directories, tmpfs, files from config maps, secrets, the
 * downward API and tokens, replaced atomically. Blocking file operations, small ones; any thread,
 * one at a time a pod. */
#ifndef AGENT_VOLUMES_H
#define AGENT_VOLUMES_H
#include "agent/pod_inputs.h"

/* One file of a volume made from objects. */
struct payload_file {
    const char *path; /* Relative, without "..". */
    struct slice bytes;
    uint32_t mode;
};
struct payload {
    struct payload_file *items;
    size_t count;
    size_t capacity;
};

/* The token of a projected source, or NULL when it has not been fetched. */
struct volume_tokens {
    const char *(*find)(void *data, const char *volume, size_t source);
    void *data;
};

/* The files that a volume of objects holds (pure). -ENOENT with the kubelet's words when something
 * it needs is missing; *ret_is_payload is false for other kinds of volumes. */
MUST_USE int volume_payload(struct arena *arena, const struct pod_inputs *inputs,
                            const Core__V1__Volume *volume, const struct volume_tokens *tokens,
                            bool *ret_is_payload, struct payload *ret_payload,
                            struct error *reterr);
/* Makes `dir` hold exactly these files, switching from the old ones to the new ones in one step.
 * No write when nothing changed. `group` -1: no fsGroup. Negative errno with a message. */
MUST_USE int payload_write(const char *dir, const struct payload *payload, int64_t group,
                           struct error *reterr);

/* Makes and fills every volume; again: brings files up to date. Messages begin with
 * `MountVolume.SetUp failed for volume "x" : `. */
MUST_USE int volumes_prepare(const struct pod_inputs *inputs, const struct volume_tokens *tokens,
                             struct error *reterr);
/* Binds the subPaths of a container's mounts; an escape from the volume is refused. */
MUST_USE int volumes_bind_subpaths(const struct pod_inputs *inputs,
                                   const Core__V1__Container *container, struct error *reterr);
/* Writes the hosts file and makes the directories of logs and termination messages. */
MUST_USE int volumes_prepare_container(const struct pod_inputs *inputs,
                                       const Core__V1__Container *container, uint32_t attempt,
                                       struct error *reterr);
/* Unmounts and removes everything below `dir`, which lies below the agent's data directory. What
 * cannot be unmounted is never removed: -EBUSY. A directory that is not there is no error. */
MUST_USE int volumes_remove_tree(const char *dir, struct error *reterr);
#endif
