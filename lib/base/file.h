/* Whole small files, read and written in one call. Blocking: for start-up and short commands, never
 * on a loop that serves. */
#ifndef LIB_BASE_FILE_H
#define LIB_BASE_FILE_H
#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include <sys/types.h>

/* Appends the file to `out`; -EFBIG over out's maximum. */
MUST_USE int file_read(const char *path, struct buffer *out, struct error *reterr);
/* Replaces the file as one step: who reads it sees the old text or the new, also after a crash. The
 * mode is given whatever the umask. */
MUST_USE int file_write(const char *path, struct slice bytes, mode_t mode, struct error *reterr);
/* Makes the directory with this mode, and parents that are missing with 0755; existing is no error.
 */
MUST_USE int directory_make(const char *path, mode_t mode, struct error *reterr);
#endif
