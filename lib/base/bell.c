#include "lib/base/bell.h"

#include <assert.h>
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct bell *bell = CONTAINER_OF(poll, struct bell, poll);
    uint64_t count;
    (void)status;
    (void)events;
    ssize_t got = read(bell->fd, &count, sizeof(count));
    (void)got; /* Nothing there: another turn has read it. */
    /* Before it is heard: who rings from here on has something new to say. */
    atomic_store(&bell->rung, false);
    bell->heard(bell);
}

int bell_init(struct bell *bell, uv_loop_t *loop, void (*heard)(struct bell *bell))
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd < 0) {
        return -errno;
    }
    int status = uv_poll_init(loop, &bell->poll, fd);
    if (status < 0) {
        close(fd);
        return status;
    }
    bell->fd = fd;
    atomic_init(&bell->rung, false);
    bell->heard = heard;
    status = uv_poll_start(&bell->poll, UV_READABLE, on_readable);
    assert(status == 0); /* It is open. */
    return status;
}

void bell_ring(struct bell *bell)
{
    const uint64_t one = 1;
    if (!atomic_exchange(&bell->rung, true)) {
        ssize_t put = write(bell->fd, &one, sizeof(one));
        assert(put == (ssize_t)sizeof(one)); /* The count is far from its end. */
        (void)put;
    }
}

void bell_release(struct bell *bell)
{
    close(bell->fd);
    bell->fd = -1;
}
