/* Notices that an operator's small file has other bytes than before, so that a program can take a
 * changed configuration without a restart. Looks at the file (through symbolic links, as ConfigMap
 * and Secret volumes are swapped) every second, on a thread that may block, and reads it when it
 * has been left alone between two looks: a file that is still being written is not taken. What has
 * the same bytes is no change. Every minute the file is read whatever its times say. One loop. */
#ifndef LIB_NET_FILE_WATCH_H
#define LIB_NET_FILE_WATCH_H
#include "lib/base/slice.h"
#include "lib/net/loop.h"

enum { FILE_WATCH_LOOK_MS = 1000, FILE_WATCH_READ_MS = 60 * 1000 };

struct file_watch;

struct file_watch_events {
    /* The file has these bytes now, and had others before. They are valid during the call, which
     * may close the watch. Called again only for the next change, also when these bytes are of no
     * use: who keeps the old configuration keeps it until the file is mended. */
    void (*changed)(void *data, struct slice bytes);
    /* The file cannot be read, or is larger than allowed; again every FILE_WATCH_READ_MS while that
     * goes on. It has not changed for us until it is there again with other bytes. */
    void (*failed)(void *data, const char *message);
};

struct file_watch_options {
    const char *path;   /* Copied. */
    struct slice known; /* The bytes that are in use; read at the start, only looked at here. */
    size_t size_max;    /* Of the file. */
    uint64_t look_ms;   /* 0: FILE_WATCH_LOOK_MS; tests look more often. */
    uint64_t read_ms;   /* 0: FILE_WATCH_READ_MS. */
};

/* Loop thread, as all of it. `events` are borrowed for its life. */
MUST_USE struct file_watch *file_watch_open(struct loop *loop,
                                            const struct file_watch_options *options,
                                            const struct file_watch_events *events, void *data);
/* No event comes after this. NULL is a no-op. */
void file_watch_close(struct file_watch *watch);
#endif
