#include "cmd/command_run.h"

#include <errno.h>
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

int command_run(const struct command *command, struct flag_set *set, int argc, char **argv)
{
    struct error error = {.code = 0};
    int status = 0;
    if (flag_set_parse(set, argc, argv, &error) < 0) {
        status = command_misused(command->name, &error);
    } else if (!set->help && command->run(set, &error) < 0) {
        if (command->server_flag != NULL &&
            (error.code == -ECONNREFUSED || error.code == -EHOSTUNREACH)) {
            flag_explain(set, command->server_flag, &error);
        }
        status = command->checks_words && error.code == -EINVAL
                     ? command_misused(command->name, &error)
                     : command_failed(command->name, &error);
    }
    flag_set_release(set);
    return status;
}
