/* A ReplicationController read as the ReplicaSet that would do the same, so that one loop serves
 * both kinds. Pure. Source: kubernetes pkg/controller/replication, which converts likewise. */
#ifndef CONTROLLERS_REPLICASET_REPLICATION_CONTROLLER_H
#define CONTROLLERS_REPLICASET_REPLICATION_CONTROLLER_H
#include "k8s/apps_v1.pb-c.h"
#include "lib/base/arena.h"

/* Shares what it can with `controller`, which must outlive it. Its selector, of equality only,
 * becomes matchLabels. `controller` is as validation lets it in: it has a template. */
const Apps__V1__ReplicaSet *
replication_controller_as_set(struct arena *arena,
                              const Core__V1__ReplicationController *controller);
/* The status of a set, as a ReplicationController says it. Shares texts and times with `status`. */
Core__V1__ReplicationControllerStatus *
replication_controller_status(struct arena *arena, const Apps__V1__ReplicaSetStatus *status);
#endif
