/* How a server with an empty data directory becomes a member of a cluster that runs. Blocking: at
 * the start, before anything serves. */
#ifndef CMD_MEMBER_JOIN_H
#define CMD_MEMBER_JOIN_H
#include "cmd/member_config.h"

/* With a token: fetches the keys that all members share from the API server at --join into
 * `<data-dir>/pki`, after it has shown the CA that the token names. -EEXIST when there are those of
 * another cluster. When it cannot be had any more, those of an earlier try do. */
MUST_USE int member_join_keys(const struct member_config *config, struct error *reterr);

/* Makes sure that the cluster lists this member, asking the etcd API of a member with the
 * administrator's certificate in `<data-dir>/pki`: takes the place that `coracle member add` made
 * for the peer URL, or that of a member of this name or URL whose disk is lost (it must be silent),
 * or adds one. Then cluster, id and members are in `config`; texts live in `arena`. Safe to repeat.
 */
MUST_USE int member_join_cluster(struct member_config *config, struct arena *arena,
                                 struct error *reterr);
#endif
