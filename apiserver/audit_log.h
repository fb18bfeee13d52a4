/* The audit log's file: lines are handed over without waiting and written by a thread of its own,
 * which also begins a new file when one is full and takes old ones away. What cannot be written in
 * time is dropped and counted, as with --audit-log-mode=batch of kube-apiserver: a slow disk never
 * holds up requests. */
#ifndef APISERVER_AUDIT_LOG_H
#define APISERVER_AUDIT_LOG_H
#include "lib/base/compiler.h"
#include "lib/base/error.h"
#include "lib/base/slice.h"
#include <stdbool.h>
#include <stdint.h>

struct audit_delivery;
struct audit_log;
struct memory_budget;
struct metric;

struct audit_log_options {
    const char *path;             /* "-" is the standard output. */
    uint64_t size_max;            /* Bytes of one file; 0: no limit. */
    uint32_t backups_max;         /* Full files that are kept; 0: all. */
    uint32_t age_days_max;        /* Days that they are kept; 0: for ever. */
    bool compress;                /* Full files are compressed with gzip. */
    size_t queue_max;             /* Bytes that wait to be written; 0: AUDIT_QUEUE_MAX. */
    struct memory_budget *budget; /* Where these are counted; NULL: nowhere. */
    bool strict;           /* Deliveries of what is lost end with an error; else as others. */
    struct metric *errors; /* Lines that were dropped or could not be written are added. */
};

/* Opens or makes the file (mode 0600) and starts the thread. A negative errno with a message. */
MUST_USE int audit_log_open(const struct audit_log_options *options, struct audit_log **ret_log,
                            struct error *reterr);
/* Writes what waits, for up to AUDIT_CLOSE_MS when the disk or pipe is slow, and ends the thread.
 * NULL is a no-op. */
void audit_log_close(struct audit_log *log);

/* A line, newline included: copied. `delivery`, if not NULL, ends when it has been written or is
 * lost. Any thread; never waits for the disk. */
void audit_log_put(struct audit_log *log, struct slice line, struct audit_delivery *delivery);
#endif
