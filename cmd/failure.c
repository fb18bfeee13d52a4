#include "cmd/failure.h"

#include <stdio.h>

int command_failed(const char *command, struct error *error)
{
    fprintf(stderr, "coracle %s: %s\n", command, error_message(error));
    error_release(error);
    return 1;
}

int command_misused(const char *command, struct error *error)
{
    (void)command_failed(command, error);
    return 2;
}
