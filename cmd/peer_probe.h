/* Whether somebody listens where a member should be: enough to be careful with what is done in its
 * place. Blocking, two seconds at most for each. */
#ifndef CMD_PEER_PROBE_H
#define CMD_PEER_PROBE_H
#include <stdbool.h>

bool peer_listens(const char *urls); /* Peer or client URLs: lib/base/url_list.h. */
#endif
