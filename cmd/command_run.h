/* How a command runs once its flags are declared, and how it ends when it cannot do what it was
 * asked: one line on standard error. */
#ifndef CMD_COMMAND_RUN_H
#define CMD_COMMAND_RUN_H
#include "cmd/flags.h"
#include "lib/base/error.h"
#include <stdbool.h>

struct command {
    const char *name;
    int (*run)(const struct flag_set *set, struct error *reterr);
    bool checks_words; /* -EINVAL of run() is a wrong call: it reads words beside the flags. */
    const char *server_flag; /* The flag to give when nobody can be reached, or NULL. */
};

/* Parses the flags, prints the help or runs the command, and releases the flags. Returns the exit
 * status: 0; 1 when run() failed; 2 for a wrong call. */
int command_run(const struct command *command, struct flag_set *set, int argc, char **argv);

/* Prints "coracle COMMAND: reason" and returns the exit status: 2 for a wrong call, else 1.
 * Releases the error. */
int command_failed(const char *command, struct error *error);
int command_misused(const char *command, struct error *error);
#endif
