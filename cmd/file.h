/* Whole small files, read and written in one call. Blocking: for start-up and short commands, never
 * on a loop that serves. */
#ifndef CMD_FILE_H
#define CMD_FILE_H
#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include <sys/types.h>

/* Appends the file to `out`; -EFBIG over out's maximum. */
MUST_USE int file_read(const char *path, struct buffer *out, struct error *reterr);
/* Replaces the file as one step (temporary file, rename). */
MUST_USE int file_write(const char *path, struct slice bytes, mode_t mode, struct error *reterr);
/* Makes the directory and its parents; existing is no error. */
MUST_USE int directory_make(const char *path, struct error *reterr);
#endif
