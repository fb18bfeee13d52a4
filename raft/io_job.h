/* A list of file operations carried out one after the other; it ends at the first that fails. Owned
 * by itself from io_job_run() on. */
#ifndef RAFT_IO_JOB_H
#define RAFT_IO_JOB_H
#include "lib/base/env.h"

struct io_job;

struct io_job *io_job_new(struct env *env);
/* Large and in no hurry: a flush of the log must not wait behind it. */
void io_job_bulk(struct io_job *job);
/* Each adds one operation. Paths are copied; `buffer_consume` is heap memory or NULL. `file` -1
 * stands for the file that the last OPEN of this job gave. */
void io_job_path(struct io_job *job, enum env_io_kind kind, const char *path, const char *path_to);
void io_job_open(struct io_job *job, const char *path, int flags);
void io_job_file(struct io_job *job, enum env_io_kind kind, int file, uint64_t offset, size_t len);
void io_job_write(struct io_job *job, int file, uint64_t offset, uint8_t *buffer_consume,
                  size_t len);
/* `buffer_lent` is the caller's, and lives until `done`. */
void io_job_read(struct io_job *job, int file, uint64_t offset, uint8_t *buffer_lent, size_t len);
/* `done` gets 0 or the error, and the file last opened. */
void io_job_run(struct io_job *job, void (*done)(void *data, int status, int file), void *data);

/* Reads at most `max` bytes of a whole file: `bytes` is the callback's to free. -EFBIG beyond. */
void io_load(struct env *env, const char *path, size_t max,
             void (*done)(void *data, int status, uint8_t *bytes, size_t len), void *data);
/* The same for a disk that cannot read all of it: what cannot be read is zeros, and `unreadable` is
 * the offset of the last byte of that, plus one; 0 when all could be read. */
void io_load_damaged(struct env *env, const char *path, size_t max,
                     void (*done)(void *data, int status, uint8_t *bytes, size_t len,
                                  size_t unreadable),
                     void *data);
#endif
