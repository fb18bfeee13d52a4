/* Full files of the audit log: put aside under a name with the time, compressed where that is asked
 * for, and taken away when they are too many or too old. What takes time is done by a thread of its
 * own. Put aside by one thread. */
#ifndef APISERVER_AUDIT_BACKUPS_H
#define APISERVER_AUDIT_BACKUPS_H
#include "lib/base/compiler.h"
#include <stdbool.h>
#include <stdint.h>

struct audit_backups;

struct audit_backups_options {
    const char *path;      /* Of the log. */
    uint32_t count_max;    /* 0: all are kept. */
    uint32_t age_days_max; /* 0: for ever. */
    bool compress;         /* To NAME.gz. */
};

/* Looks at once after what an earlier process has left. 0, or a negative errno. */
MUST_USE int audit_backups_new(const struct audit_backups_options *options,
                               struct audit_backups **ret_backups);
/* Ends what is begun, but no compression of a large file: the next process does that. NULL is a
 * no-op. */
void audit_backups_free(struct audit_backups *backups);

/* Gives the log another name. 0, or a negative errno; then it goes by the name that it has. */
MUST_USE int audit_backups_put_aside(struct audit_backups *backups);
#endif
