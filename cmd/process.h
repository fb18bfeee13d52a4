/* Processes of a cluster on one machine (`coracle up`): started detached with a log file and a pid
 * file, found again by it, stopped by it. Blocking. Linux. */
#ifndef CMD_PROCESS_H
#define CMD_PROCESS_H
#include "lib/base/error.h"
#include <stdbool.h>
#include <sys/types.h>

struct process_options {
    const char *name;          /* Of the pid file: DIR/run/NAME.pid. */
    const char *dir;           /* The cluster's. */
    const char *const *argv;   /* argv[0] is the program, absolute or on PATH. NULL ends it. */
    const char *net_namespace; /* Name under /run/netns, or NULL for this one. */
};

/* Starts it unless it runs already. The log is DIR/log/NAME.log. -ENOENT and others with the
 * reason; whether it goes on running is for the caller to see. */
MUST_USE int process_start(const struct process_options *options, struct error *reterr);
/* The pid, or 0 when the pid file is missing or names another process by now. */
pid_t process_find(const char *dir, const char *name);
/* SIGTERM, and SIGKILL after `grace_ms`; removes the pid file. Not running is no error. */
void process_stop(const char *dir, const char *name, unsigned grace_ms);
/* SIGKILL to every process whose command line contains `text` (never this one); how many. */
size_t process_kill_matching(const char *text);

/* Runs a program to its end. Its output is kept and becomes the error message when it fails; with
 * `quiet` a failure is expected and only the result is given. argv as above. */
MUST_USE int process_run(const char *const *argv, bool quiet, struct error *reterr);
#endif
