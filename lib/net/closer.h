/* Counts close callbacks: whatever embeds libuv handles closes them all, and is freed in one place
 * when the last one has reported. One thread. */
#ifndef LIB_NET_CLOSER_H
#define LIB_NET_CLOSER_H
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>

struct closer {
    size_t pending; /* Handles that still have to report, plus one until closer_start(). */
    bool started;
    void (*closed)(void *data); /* Runs once, when nothing is pending; may free the closer. */
    void *data;
};

static inline void closer_init(struct closer *closer, void (*closed)(void *data), void *data)
{
    *closer = (struct closer){.pending = 1, .closed = closed, .data = data};
}

static inline void closer_add(struct closer *closer) /* One more thing to wait for. */
{
    assert(closer->pending > 0);
    closer->pending++;
}

static inline void closer_done(struct closer *closer) /* One of them has reported. */
{
    assert(closer->pending > 0);
    if (--closer->pending == 0) {
        closer->closed(closer->data);
    }
}

/* Everything has been added: `closed` runs now if nothing is pending. Calling it again is a
 * no-op. */
static inline void closer_start(struct closer *closer)
{
    if (!closer->started) {
        closer->started = true;
        closer_done(closer);
    }
}
#endif
