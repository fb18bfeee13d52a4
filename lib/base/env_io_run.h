/* One file operation of an env, carried out by the system calls of this process. */
#ifndef LIB_BASE_ENV_IO_RUN_H
#define LIB_BASE_ENV_IO_RUN_H
#include "lib/base/env.h"

/* What env_io_submit() promises of this operation alone, at once and on this thread: fills in what
 * it gives back, except `result`, which is returned. */
MUST_USE int64_t env_io_run(struct env_io *io);
#endif
