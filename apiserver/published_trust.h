/* ConfigMap kube-system/extension-apiserver-authentication: by which CAs extension servers know
 * clients of the cluster, and this cluster's API servers, which tell them in headers on whose
 * behalf they come. Each member sees to it that its own CA is there; those of others stay until
 * they are over. Store loop. */
#ifndef APISERVER_PUBLISHED_TRUST_H
#define APISERVER_PUBLISHED_TRUST_H
struct apiserver;
struct published_trust;

struct published_trust *published_trust_new(struct apiserver *server);
void published_trust_stop(struct published_trust *trust); /* Begins nothing any more. */
void published_trust_free(struct published_trust *trust); /* Nothing may be under way. */
#endif
