/* The composition root: picks the subcommand. Subcommands build their parts, run, and take them
 * down in reverse order; only this function's return ends the process. */
#include "cmd/commands.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
};

static const struct command commands[] = {
    {"up", command_up, "start a whole cluster on this machine"},
    {"down", command_down, "stop it and leave nothing behind"},
    {"status", command_status, "show members, leader and nodes, and what is wrong"},
    {"server", command_server, "run one control-plane member"},
    {"agent", command_agent, "run the node agent"},
    {"member", command_member, "list, add, promote and remove members of the control plane"},
    {"snapshot", command_snapshot, "save, restore and examine backups of the store"},
    {"recover", command_recover,
     "after a majority is lost: one member becomes a cluster of its own"},
    {"token", command_token, "create, list and delete tokens with which agents join"},
    {"certs", command_certs, "show when certificates end, and renew them"},
    {"kubeconfig", command_kubeconfig, "print a kubeconfig for kubectl"},
    {"version", command_version, "print the version"},
};

static void print_help(void)
{
    printf("Coracle runs containers on a cluster of machines and speaks the Kubernetes and etcd "
           "APIs.\n"
           "\nUsage: coracle COMMAND [flags]    (coracle COMMAND --help says more)\n\nCommands:\n");
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        printf("  %-12s %s\n", commands[i].name, commands[i].help);
    }
    printf(
        "\nA first look: `coracle up`, then `kubectl --kubeconfig FILE get nodes` with the file it "
        "names.\n");
}

int main(int argc, char **argv)
{
    /* A peer that goes away is an error of that write, not the end of this process. */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGPIPE, &ignore, NULL); /* Cannot fail for a valid signal. */
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help();
        return argc < 2 ? 2 : 0;
    }
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 2, argv + 2);
        }
    }
    fprintf(stderr, "coracle: there is no command %s; `coracle --help` lists them\n", argv[1]);
    return 2;
}
