/* Whether somebody listens where a member should be: enough to be careful with what is done in its
 * place. Blocking, two seconds at most. */
#ifndef CMD_PEER_PROBE_H
#define CMD_PEER_PROBE_H
#include <stdbool.h>

bool peer_listens(const char *url); /* A peer or client URL. */
#endif
