/* The log on disk: segments that are allocated ahead, group commit (one write and one flush for all
 * entries that came meanwhile), truncation, removal of what a snapshot replaces. Event-driven over
 * env; carries out one thing at a time. Which entries there are, it reads from the trail. */
#ifndef RAFT_LOG_FILE_H
#define RAFT_LOG_FILE_H
#include "lib/base/env.h"
#include "lib/base/error.h"
#include "raft/log_format.h"

struct log_file;

struct log_file_config {
    struct env *env;
    const char *dir;
    uint64_t cluster, member;
    size_t segment_bytes;
    const struct raft_trail *trail; /* Read when a batch is made; must outlive the log. */
    const uint64_t *epoch;          /* The core's count of truncations. */
    /* Entries up to `index` of the trail, as of `epoch`, are durable. */
    void (*persisted)(void *data, uint64_t index, uint64_t epoch);
    void (*failed)(void *data, const char *what, int status); /* Nothing more may be done. */
    void *data;
};

struct log_file *log_file_new(const struct log_file_config *config);
void log_file_free(struct log_file *log); /* Only when idle, or when the env runs nothing more. */

/* Recovery: `names` as ENV_IO_LIST_DIR gives them. Entries after `base` go to take(). Segments that
 * the snapshot `base` makes useless are dropped. Then `done` with 0 or an error to show. */
void log_file_recover(struct log_file *log, struct slice names, struct raft_point base,
                      int (*take)(void *data, struct raft_entry *entry_consume),
                      void (*done)(void *data, const struct error *error));

void log_file_truncate(struct log_file *log, uint64_t from); /* The trail has been cut there. */
void log_file_reset(struct log_file *log); /* The trail now begins after a snapshot. */
void log_file_compact(struct log_file *log, uint64_t index); /* Up to there nothing is needed. */
void log_file_pump(struct log_file *log); /* Starts what there is to do, if idle. */
bool log_file_idle(const struct log_file *log);
void log_file_close(struct log_file *log, void (*closed)(void *data), void *data); /* When idle. */
#endif
