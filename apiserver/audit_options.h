/* What an operator says of auditing; named as the flags of kube-apiserver. Texts are borrowed for
 * the life of the server. */
#ifndef APISERVER_AUDIT_OPTIONS_H
#define APISERVER_AUDIT_OPTIONS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What requests wait for: nothing; that the event of their beginning has been kept; and whether
 * they are refused when it cannot be. */
enum audit_mode { AUDIT_BATCH, AUDIT_BLOCKING, AUDIT_BLOCKING_STRICT };

struct audit_truncate_options {
    bool enabled;
    size_t event_max; /* Bytes of an event. */
    size_t batch_max; /* Bytes of what is sent at once. */
};

struct audit_batch_options {
    size_t buffer_size; /* Events that may wait. */
    size_t max_size;    /* Events of a batch. */
    uint64_t max_wait_ms;
    bool throttled;
    uint64_t throttle_qps, throttle_burst;
};

struct audit_options {
    const char *policy;   /* Text of a Policy; NULL: nothing is audited. */
    const char *log_path; /* "-": the standard output; NULL: nothing is written. */
    uint64_t log_size_max;
    uint32_t log_backups_max; /* 0: all are kept, as the next. */
    uint32_t log_age_days_max;
    bool log_compress;
    enum audit_mode log_mode;
    struct audit_truncate_options log_truncate;
    const char *webhook_config; /* Name of a kubeconfig; NULL: none is asked. */
    enum audit_mode webhook_mode;
    struct audit_batch_options webhook_batch;
    struct audit_truncate_options webhook_truncate;
    uint64_t webhook_backoff_ms; /* Before the first repetition. */
};
#endif
