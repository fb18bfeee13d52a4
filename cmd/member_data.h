/* A member's data directory as it is found at the start: whose it is, and that nobody else uses it.
 * Blocking. */
#ifndef CMD_MEMBER_DATA_H
#define CMD_MEMBER_DATA_H
#include "cmd/member_config.h"
#include "raft/data_dir.h"

/* Keeps other processes of ours out until the file is closed, at the latest with the process.
 * -EBUSY when one is there. */
MUST_USE int member_data_lock(const char *data_dir, int *ret_file, struct error *reterr);

/* Puts cluster, id and members of the directory into `config`; texts live in `arena`. -ENOENT when
 * there is no member in it yet, -EINVAL when it is another member's. */
MUST_USE int member_data_identity(struct member_config *config, struct arena *arena,
                                  struct error *reterr);
/* The same for an identity that comes from elsewhere. */
void member_data_take(const struct raft_identity *identity, struct member_config *config,
                      struct arena *arena);

/* What is left of a member that cannot be told any more makes room for a new one: renamed, nothing
 * is lost. -ENOENT then, as for a directory without a member; or another errno with the reason. */
MUST_USE int member_data_set_aside(const char *data_dir, struct error *reterr);
#endif
