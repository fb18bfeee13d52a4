/* The subcommands: each takes what follows its name and returns the exit status: 0, 1 when it
 * failed (the reason is printed), 2 when it was called wrongly. */
#ifndef CMD_COMMANDS_H
#define CMD_COMMANDS_H

int command_agent(int argc, char **argv);
int command_certs(int argc, char **argv);
int command_down(int argc, char **argv);
int command_kubeconfig(int argc, char **argv);
int command_member(int argc, char **argv);
int command_recover(int argc, char **argv);
int command_server(int argc, char **argv);
int command_snapshot(int argc, char **argv);
int command_status(int argc, char **argv);
int command_token(int argc, char **argv);
int command_up(int argc, char **argv);
int command_version(int argc, char **argv);
#endif
