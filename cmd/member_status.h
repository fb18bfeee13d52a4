/* What members of the control plane say of themselves, asked over the etcd API (Maintenance.Status)
 * all at once. Blocking: runs a loop of its own. */
#ifndef CMD_MEMBER_STATUS_H
#define CMD_MEMBER_STATUS_H
#include "lib/base/error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct member_status {
    char *address; /* HOST:PORT */
    bool answered;
    char *reason; /* Why not; NULL when it did. */
    uint64_t id;
    uint64_t leader_id; /* 0: it knows of none. */
    uint64_t term;
    uint64_t applied;
};

/* Fills one entry for each URL, also for those that do not answer within two seconds. Fails only
 * when the certificates in `data_dir` cannot be read or a URL is none. */
MUST_USE int member_status_read(const char *data_dir, const char *const *urls, size_t count,
                                struct member_status *ret_members, struct error *reterr);
void member_status_release(struct member_status *member);
#endif
