#include "cmd/stop_signal.h"

#include "lib/base/alloc.h"
#include "lib/base/log.h"
#include "lib/net/loop.h"
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

struct stop_signal {
    uv_signal_t term;
    uv_signal_t interrupt;
    int handles_open;
    bool stopping;
    void (*stop)(void *data);
    void *data;
};

static void on_signal(uv_signal_t *handle, int number)
{
    struct stop_signal *self = handle->data;
    if (self->stopping) {
        LOG_WARN("main", "second signal: ending without waiting", KV_I64("signal", number));
        _exit(1);
    }
    self->stopping = true;
    self->stop(self->data);
}

struct stop_signal *stop_signal_open(struct loop *loop, void (*stop)(void *data), void *data)
{
    struct stop_signal *self = alloc_zeroed(sizeof(*self));
    self->stop = stop;
    self->data = data;
    self->handles_open = 2;
    self->term.data = self;
    self->interrupt.data = self;
    if (uv_signal_init(loop_uv(loop), &self->term) < 0 ||
        uv_signal_init(loop_uv(loop), &self->interrupt) < 0 ||
        uv_signal_start(&self->term, on_signal, SIGTERM) < 0 ||
        uv_signal_start(&self->interrupt, on_signal, SIGINT) < 0) {
        LOG_WARN("main", "cannot catch signals, ignoring", KV_TEXT("effect", "no orderly end"));
    }
    return self;
}

static void on_closed(uv_handle_t *handle)
{
    struct stop_signal *self = handle->data;
    if (--self->handles_open == 0) {
        free(self);
    }
}

void stop_signal_close(struct stop_signal *signal)
{
    if (signal != NULL) {
        uv_close((uv_handle_t *)&signal->term, on_closed);
        uv_close((uv_handle_t *)&signal->interrupt, on_closed);
    }
}
