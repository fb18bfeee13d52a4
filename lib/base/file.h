/* Whole small files, read and written in one call. Blocking: for start-up and short commands, never
 * on a loop that serves. */
#ifndef LIB_BASE_FILE_H
#define LIB_BASE_FILE_H
#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include <sys/types.h>

/* Appends the file to `out`; -EFBIG over out's maximum. */
MUST_USE int file_read(const char *path, struct buffer *out, struct error *reterr);
/* Replaces the file as one step: who reads it sees the old text or the new, also after a crash, and
 * the new one after a power cut when this has succeeded. The mode is given whatever the umask. */
MUST_USE int file_write(const char *path, struct slice bytes, mode_t mode, struct error *reterr);
/* Makes the directory with this mode, and parents that are missing with 0755; existing is no error.
 */
MUST_USE int directory_make(const char *path, mode_t mode, struct error *reterr);
/* The same; the names it made, and its own in any case, are there after a power cut. */
MUST_USE int directory_make_durable(const char *path, mode_t mode, struct error *reterr);
/* Makes durable which names are in the directory, or in the one that `path` is in. */
MUST_USE int directory_flush(const char *path, struct error *reterr);
MUST_USE int directory_flush_parent(const char *path, struct error *reterr);
#endif
