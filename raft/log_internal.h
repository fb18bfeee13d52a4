/* What the files of the log on disk share: log_file.c decides, log_append.c writes,
 * log_space.c reserves, log_recover.c reads. Nobody else includes it. */
#ifndef RAFT_LOG_INTERNAL_H
#define RAFT_LOG_INTERNAL_H
#include "raft/log_file.h"
#include "raft/trail.h"

struct log_segment {
    char *path;
    uint64_t previous; /* Index before its first entry. */
    uint32_t *offsets; /* Of entries previous + 1 + i. */
    size_t count, capacity;
    size_t end; /* Offset where the next record goes. */
};

/* The file that becomes the next segment. */
struct log_spare {
    bool reserved; /* It is there, and so are its blocks. */
    bool busy;
    bool missing_room; /* The last try to reserve one failed for want of room. */
    int file;          /* Open while it is filled with zeros, or -1. */
    size_t size, zeroed;
    struct env_io io;
    struct env_timer timer; /* The next portion of zeros, or the next try. */
};

/* What goes to disk at once: whole sectors. While nothing is written, `bytes` begins with the
 * sector in which the last segment ends, unless that is where a sector ends. */
struct log_batch {
    uint8_t *bytes;
    size_t capacity;
    size_t len;            /* Of the records, and of what is before them in the first sector. */
    struct raft_point end; /* Its last entry. */
    uint64_t epoch;
    struct env_io write, sync;
};

struct io_job;
struct log_recovery;

struct log_file {
    struct log_file_config config;
    struct log_segment *segments;
    size_t segment_count;
    int file; /* Of the last segment, or -1. */
    bool busy, stopped;
    struct raft_extent extent; /* As promised. A new segment has to be there before it is promised,
                                  and one that goes is taken out of the promise before. */
    bool promising;
    uint64_t busy_since_ns;
    bool reset_wanted, removed_last;
    bool roll;     /* What follows the end in the last segment is kept: write into a new one. */
    bool unfilled; /* The last segment was taken before all of it was zeros: flushes cost more. */
    uint64_t truncate_from; /* 0: none. */
    uint64_t compact_to;
    struct raft_point written; /* Up to here the disk has what the trail had. */
    uint64_t epoch;            /* On disk. */
    uint64_t mark_sequence;
    struct log_batch batch;
    bool mark_due; /* No mark proves the last batch yet. */
    struct env_timer mark_timer;
    struct log_spare spare;
    struct log_recovery *recovery;
    void (*closed)(void *data);
    void *closed_data;
};

/* log_file.c */
struct log_segment *log_segment_add(struct log_file *log, char *path_consume, uint64_t previous);
void log_segment_note(struct log_segment *segment, size_t offset, size_t size);
void log_segment_release(struct log_segment *segment);
struct log_segment *log_last_segment(struct log_file *log);
void log_busy(struct log_file *log); /* Something begins; what ends it calls log_failed(). */
/* Ends what was under way. True when nothing more may be done. */
bool log_failed(struct log_file *log, const char *what, int status);
/* That the log is durable up to `written`; goes to this offset of the last segment. */
uint8_t *log_mark_bytes(struct log_file *log, size_t *ret_offset);
/* The promise when the first `keep` segments are all there is, after a snapshot of `base`. */
struct raft_extent log_extent(const struct log_file *log, size_t keep, uint64_t base);
/* Begins to promise that, unless it has been. True: it is under way, come back afterwards. */
bool log_promise(struct log_file *log, struct raft_extent extent);

/* log_append.c */
void log_append(struct log_file *log); /* To the last segment, where there is room for an entry. */
/* Adds what must be read of the last segment before the next log_append(). */
void log_tail_read(struct log_file *log, struct io_job *job, int file);

/* log_space.c */
char *log_spare_path(const struct log_file *log);
void log_spare_want(struct log_file *log,
                    size_t size);           /* Calls log_file_pump() when it is there. */
void log_spare_taken(struct log_file *log); /* It has become a segment. */
void log_spare_stop(struct log_file *log);

/* log_recover.c */
void log_recovery_free(struct log_file *log);
void log_recovery_promised(struct log_file *log);
#endif
