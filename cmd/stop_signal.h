/* SIGTERM and SIGINT as a callback on a loop, once. A second one ends the process at once, for when
 * an orderly end hangs. */
#ifndef CMD_STOP_SIGNAL_H
#define CMD_STOP_SIGNAL_H

struct loop;
struct stop_signal;

struct stop_signal *stop_signal_open(struct loop *loop, void (*stop)(void *data), void *data);
void stop_signal_close(struct stop_signal *signal); /* Frees itself on the loop. NULL: a no-op. */
#endif
