/* Waiting in short commands that poll: never on a loop that serves. */
#ifndef CMD_PAUSE_H
#define CMD_PAUSE_H
#include <time.h>

static inline void pause_ms(unsigned ms)
{
    struct timespec delay = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    (void)nanosleep(&delay, NULL); /* Waking early only polls once more. */
}
#endif
