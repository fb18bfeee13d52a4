/* How a server with an empty data directory takes the place that was made for it in a cluster that
 * runs, when it is told no more than the peer URLs of the members (--initial-cluster-state
 * existing). Blocking: at the start, before anything serves. */
#ifndef CMD_MEMBER_EXISTING_H
#define CMD_MEMBER_EXISTING_H
#include "cmd/member_config.h"

struct tls_config;

/* Asks the other members of --initial-cluster, one after the other and again for a minute, until
 * one of them lists this one. Then cluster, id and members are in `config`; texts live in `arena`.
 * -ENOENT: none does. -EEXIST: the place is taken by a member that has been running. */
MUST_USE int member_join_existing(struct member_config *config, struct tls_config *client_tls,
                                  struct arena *arena, struct error *reterr);
#endif
