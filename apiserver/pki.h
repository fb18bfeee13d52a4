/* The cluster's keys and certificates in `<data-dir>/pki`: CA, ServiceAccount signing key, this
 * member's server certificate, the administrator's client certificate. Made on the first member,
 * copied to the others (`coracle up` does), then only read. Reads and writes files; any thread. */
#ifndef APISERVER_PKI_H
#define APISERVER_PKI_H
#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include "lib/net/tls.h"

/* PEM texts; owned. File names in `<data-dir>/pki` as given. */
struct pki {
    char *ca_cert;     /* ca.crt */
    char *ca_key;      /* ca.key */
    char *sa_key;      /* sa.key: private EC P-256 key that signs ServiceAccount tokens */
    char *sa_pub;      /* sa.pub */
    char *server_cert; /* server.crt: this member's, for its API, etcd and peer listeners */
    char *server_key;  /* server.key */
    char *admin_cert;  /* admin.crt: CN=kubernetes-admin, O=system:masters */
    char *admin_key;   /* admin.key */
    /* Of this member alone: by what extension servers know it. Both CA and certificate are made
     * together, and nobody keeps the CA's key. */
    char *front_proxy_ca;   /* front-proxy-ca.crt */
    char *front_proxy_cert; /* front-proxy-client.crt: CN=front-proxy-client */
    char *front_proxy_key;  /* front-proxy-client.key */
};
#define PKI_FRONT_PROXY_NAME "front-proxy-client"

struct pki_config {
    const char *data_dir;
    const char *member_name;
    const char *const *hosts; /* Names and addresses of this member for its certificate. */
    size_t host_count;
    const char *service_ip;     /* First address of the service CIDR ("10.96.0.1"); may be NULL. */
    const char *cluster_domain; /* "cluster.local" */
};

/* Loads what is there and makes what is missing; but no new key for a certificate, CA or sa.pub
 * that is there: others go by the old one. Files get mode 0600. 0 or a negative errno with reterr.
 */
MUST_USE int pki_open(const struct pki_config *config, struct pki *ret_pki, struct error *reterr);
/* Only reads CA and admin files (for `coracle kubeconfig`). */
MUST_USE int pki_load(const char *data_dir, struct pki *ret_pki, struct error *reterr);
void pki_release(struct pki *pki); /* Wipes the keys. */
/* How a command calls the servers: as the administrator, and only servers of this CA. */
MUST_USE int pki_admin_client(const char *data_dir, int alpn, struct tls_config **ret_tls,
                              struct error *reterr);
/* Copies ca.crt, ca.key, sa.key, sa.pub from one data directory to another (made when missing). */
MUST_USE int pki_copy_shared(const char *from_data_dir, const char *to_data_dir,
                             struct error *reterr);

/* A client certificate signed by the cluster CA. Texts are heap memory of the caller's. */
MUST_USE int pki_client_cert(const struct pki *pki, const char *user, const char *const *groups,
                             size_t group_count, int64_t valid_seconds, char **ret_cert,
                             char **ret_key, struct error *reterr);
/* Signs a node's request: CN=system:node:<node>, O=system:nodes; the CSR gives only the key. */
MUST_USE int pki_sign_node(const struct pki *pki, const char *node_name, const char *csr_pem,
                           const char *const *addresses, size_t address_count, char **ret_cert,
                           struct error *reterr);
/* Writes a kubeconfig for `server` (https://host:port) with the given client certificate. */
void pki_kubeconfig(const char *ca_cert, const char *server, const char *user, const char *cert,
                    const char *key, struct buffer *out);
#endif
