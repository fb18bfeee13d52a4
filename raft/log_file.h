/* The log on disk: segments that are reserved ahead, group commit (one write and one flush for all
 * entries that came meanwhile), truncation, removal of what a snapshot replaces. Event-driven over
 * env; carries out one thing at a time, beside preparing the next segment. Which entries there are,
 * it reads from the trail. */
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
    struct raft_extent extent;      /* What was promised of the files before this start. */
    /* To be made durable; log_file_promised() when it is. Nothing else is done meanwhile. */
    void (*promise)(void *data, struct raft_extent extent);
    /* Entries up to `index` of the trail, as of `epoch`, are durable. */
    void (*persisted)(void *data, uint64_t index, uint64_t epoch);
    void (*failed)(void *data, const char *what, int status); /* Nothing more may be done. */
    void (*room)(void *data); /* log_file_short_of_room() has changed. */
    void *data;
};

/* Entries that were durable cannot be read. Those before them were given to take(). */
struct log_damage {
    const struct error *error; /* What, in which file, at which offset. */
    struct raft_floor floor;   /* So far the log may have been acknowledged. */
    bool floor_unknown;        /* It cannot be told how far: perhaps farther than `floor`. */
};

struct log_file *log_file_new(const struct log_file_config *config);
void log_file_free(struct log_file *log); /* Only when idle, or when the env runs nothing more. */

/* Recovery: `names` as ENV_IO_LIST_DIR gives them; they must live until log_file_pump(). Entries
 * after `base` go to take(). Segments that the snapshot `base` makes useless are dropped. Then
 * `done` with neither; or an error to show; or damage: nothing on disk has been changed then, and
 * log_file_set_aside() goes on. `keep_tail`: what follows the last good entry is not overwritten.
 */
void log_file_recover(struct log_file *log, struct slice names, struct raft_point base,
                      bool keep_tail, int (*take)(void *data, struct raft_entry *entry_consume),
                      void (*done)(void *data, const struct error *error,
                                   const struct log_damage *damage));
/* The log ends before the damage. What lies behind it gets names beginning with LOG_ASIDE and is
 * not touched otherwise; `done` as above. */
void log_file_set_aside(struct log_file *log);
#define LOG_ASIDE "aside-"

void log_file_promised(struct log_file *log); /* What was to be made durable last is. */
void log_file_truncate(struct log_file *log, uint64_t from); /* The trail has been cut there. */
void log_file_reset(struct log_file *log); /* The trail now begins after a snapshot. */
void log_file_compact(struct log_file *log, uint64_t index); /* Up to there nothing is needed. */
/* Bytes on disk of the entries after `index`. */
uint64_t log_file_bytes_after(const struct log_file *log, uint64_t index);
void log_file_pump(struct log_file *log); /* Starts what there is to do, if idle. */
bool log_file_idle(const struct log_file *log);
/* No segment could be reserved after the one being written: what is left of that one is for what
 * has been promised already. Ends by itself when there is room. */
bool log_file_short_of_room(const struct log_file *log);
/* For how long the operation under way has not ended; 0 when there is none. */
uint64_t log_file_stalled_ns(const struct log_file *log);
void log_file_close(struct log_file *log, void (*closed)(void *data), void *data); /* When idle. */
#endif
