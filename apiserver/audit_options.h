/* What an operator says of the audit log; named as the flags of kube-apiserver. Texts are borrowed
 * for the life of the server. */
#ifndef APISERVER_AUDIT_OPTIONS_H
#define APISERVER_AUDIT_OPTIONS_H
#include <stdint.h>

struct audit_options {
    const char *policy;   /* Text of a Policy; NULL: nothing is audited. */
    const char *log_path; /* "-": the standard output; NULL: nothing is written. */
    uint64_t log_size_max;
    uint32_t log_backups_max; /* 0: all are kept, as the next. */
    uint32_t log_age_days_max;
};
#endif
