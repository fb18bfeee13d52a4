#include "lib/base/urgency.h"

#include <sys/resource.h>
#include <unistd.h>

enum { NICE_LOW = 10 }; /* A tenth of the weight of 0. */

void urgency_lower(void)
{
    id_t self = (id_t)gettid(); /* On Linux each thread has its own. */
    if (getpriority(PRIO_PROCESS, self) < NICE_LOW) {
        (void)setpriority(PRIO_PROCESS, self, NICE_LOW);
    }
}
