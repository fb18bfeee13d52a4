/* How a command ends when it cannot do what it was asked: one line on standard error. */
#ifndef CMD_FAILURE_H
#define CMD_FAILURE_H
#include "lib/base/error.h"

/* Prints "coracle COMMAND: reason" and returns the exit status: 2 for a wrong call (-EINVAL of the
 * flags), else 1. Releases the error. */
int command_failed(const char *command, struct error *error);
int command_misused(const char *command, struct error *error);
#endif
