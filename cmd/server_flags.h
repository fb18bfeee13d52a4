/* The flags of `coracle server`: one table for the command, for --help and for the tests. */
#ifndef CMD_SERVER_FLAGS_H
#define CMD_SERVER_FLAGS_H
#include "cmd/flags.h"

/* Fills `flags` with them, none given yet; returns how many. Texts are static. */
size_t server_flags(struct flag flags[static FLAGS_MAX]);
#endif
