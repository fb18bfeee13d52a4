/* What of a folder's files is not durable yet, and how to take it away as a power cut would: bytes
 * that no flush of their file followed, and names that no flush of their directory followed. Every
 * change is told before it is made. Not for several threads at a time. Strict: nothing that POSIX
 * leaves open is held to be durable, whatever the file system at hand does. */
#ifndef TESTS_SHIMS_UNFLUSHED_H
#define TESTS_SHIMS_UNFLUSHED_H
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Names that are unlinked or replaced are kept in `keep` (same file system), so that they can come
 * back. `keep` is borrowed. */
void unflushed_init(const char *keep);

void unflushed_write(int fd, off_t offset, size_t len);
void unflushed_resize(int fd, off_t size); /* To this size, by ftruncate, fallocate or O_TRUNC. */
void unflushed_flush(int fd);              /* After it has succeeded. */

void unflushed_make(const char *path, bool directory);
void unflushed_rename(const char *from, const char *to);
void unflushed_exchange(const char *one, const char *other);
void unflushed_unlink(const char *path);
void unflushed_flush_dir(const char *path); /* After it has succeeded. */

void unflushed_drop_file(int fd); /* A flush has failed, and the cache is as before the writes. */
void unflushed_drop_all(void); /* The power is gone. Ends with the folder as it would be found. */
#endif
