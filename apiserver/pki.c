#include "apiserver/pki.h"

#include "lib/base/alloc.h"
#include "lib/base/base64.h"
#include "lib/base/file.h"
#include "lib/net/x509.h"
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { PEM_MAX = 64 * 1024, HOSTS_MAX = 64 };
static const int64_t year_s = INT64_C(365) * 24 * 3600;
static const int64_t backdate_s = 300; /* For clocks that disagree. */

static char *path_of(const char *data_dir, const char *file)
{
    return alloc_printf("%s/pki/%s", data_dir, file);
}

/* 0 with heap text; -ENOENT when there is no such file. */
static int load(const char *data_dir, const char *file, char **ret_text, struct error *reterr)
{
    CLEANUP(alloc_freep) char *path = path_of(data_dir, file);
    CLEANUP(buffer_release) struct buffer pem;
    buffer_init(&pem, PEM_MAX);
    int status = file_read(path, &pem, reterr);
    if (status == 0) {
        *ret_text = alloc_text(buffer_text(&pem));
    }
    return status;
}

/* What is there already is not written again: a restart must work on a full disk. */
static int save(const char *data_dir, const char *file, const char *text, struct error *reterr)
{
    CLEANUP(alloc_freep) char *path = path_of(data_dir, file);
    CLEANUP(alloc_freep) char *there = NULL;
    assert(text != NULL);
    CLEANUP(error_release) struct error ignored = {0};
    if (load(data_dir, file, &there, &ignored) == 0 && there != NULL && strcmp(there, text) == 0) {
        return 0;
    }
    return file_write(path, slice_text(text), 0600, reterr);
}

static int make_directory(const char *data_dir, struct error *reterr)
{
    CLEANUP(alloc_freep) char *path = path_of(data_dir, "");
    int status = directory_make(data_dir, 0700, reterr);
    return status < 0 ? status : directory_make_durable(path, 0700, reterr);
}

static int new_key(char **ret_key, struct error *reterr)
{
    CLEANUP(buffer_release) struct buffer key;
    buffer_init(&key, PEM_MAX);
    int status = x509_make_key(&key, reterr);
    if (status == 0) {
        *ret_key = alloc_text(buffer_text(&key));
    }
    return status;
}

/* That the key is the certificate's, while somebody reads what is wrong: found out by their first
 * use, a connection would fail for reasons that name no file. */
static int check_pair(const char *data_dir, const char *name, const char *cert, const char *key,
                      struct error *reterr)
{
    const struct tls_options options = {.cert_pem = slice_text(cert), .key_pem = slice_text(key)};
    struct tls_config *tls = NULL;
    int status = tls_config_new_server(&options, &tls, reterr);
    tls_config_unref(tls);
    if (status < 0) {
        (void)error_wrap(reterr, "%s/pki/%s.crt and %s.key", data_dir, name, name);
    }
    return status;
}

/* -ENOENT: the certificate is not there. A key that is missing then was taken away by somebody, as
 * keys are written first. `way_out` says what to do then. */
static int load_pair(const char *data_dir, const char *name, char **ret_cert, char **ret_key,
                     const char *way_out, struct error *reterr)
{
    CLEANUP(alloc_freep) char *cert_file = alloc_printf("%s.crt", name);
    CLEANUP(alloc_freep) char *key_file = alloc_printf("%s.key", name);
    int status = load(data_dir, cert_file, ret_cert, reterr);
    if (status < 0) {
        return status;
    }
    status = load(data_dir, key_file, ret_key, reterr);
    if (status == -ENOENT) {
        return error_set(reterr, -EINVAL, "%s/pki has %s but no %s: %s", data_dir, cert_file,
                         key_file, way_out);
    }
    return status < 0 ? status : check_pair(data_dir, name, *ret_cert, *ret_key, reterr);
}

static const char rotate[] = "`coracle certs rotate` makes both anew";

static int open_ca(const char *data_dir, struct pki *pki, struct error *reterr)
{
    int status = load_pair(data_dir, "ca", &pki->ca_cert, &pki->ca_key,
                           "copy it from another member, or from a backup", reterr);
    if (status != -ENOENT) {
        return status;
    }
    /* The key of a first start that was cut off here, or of somebody who lost the certificate:
     * what it has signed stays good. */
    error_release(reterr);
    status = load(data_dir, "ca.key", &pki->ca_key, reterr);
    if (status == -ENOENT) {
        error_release(reterr);
        status = new_key(&pki->ca_key, reterr);
    }
    if (status < 0) {
        return status;
    }
    CLEANUP(buffer_release) struct buffer cert;
    buffer_init(&cert, PEM_MAX);
    int64_t now_s = time(NULL);
    status = x509_make_ca(slice_text(pki->ca_key), "coracle-ca", now_s - backdate_s,
                          now_s + 10 * year_s, &cert, reterr);
    if (status < 0) {
        return status;
    }
    pki->ca_cert = alloc_text(buffer_text(&cert));
    status = save(data_dir, "ca.key", pki->ca_key, reterr);
    return status < 0 ? status : save(data_dir, "ca.crt", pki->ca_cert, reterr);
}

static int open_account_key(const char *data_dir, struct pki *pki, struct error *reterr)
{
    int status = load(data_dir, "sa.key", &pki->sa_key, reterr);
    if (status == -ENOENT) {
        error_release(reterr);
        status = load(data_dir, "sa.pub", &pki->sa_pub, reterr);
        if (status == 0) {
            return error_set(
                reterr, -EINVAL,
                "%s/pki has sa.pub but no sa.key: copy it from another member, or from "
                "a backup. Without either remove sa.pub: all tokens of before are "
                "refused then",
                data_dir);
        }
        error_release(reterr);
        status = new_key(&pki->sa_key, reterr);
        status = status < 0 ? status : save(data_dir, "sa.key", pki->sa_key, reterr);
    }
    if (status < 0) {
        return status;
    }
    CLEANUP(buffer_release) struct buffer public;
    buffer_init(&public, PEM_MAX);
    status = x509_public_key(slice_text(pki->sa_key), &public, reterr);
    if (status < 0) {
        (void)error_wrap(reterr, "%s/pki/sa.key", data_dir);
        return status;
    }
    pki->sa_pub = alloc_text(buffer_text(&public));
    return save(data_dir, "sa.pub", pki->sa_pub, reterr);
}

static int sign(const struct pki *pki, const char *key, const struct x509_subject *subject,
                unsigned usages, int64_t valid_s, char **ret_cert, struct error *reterr)
{
    CLEANUP(buffer_release) struct buffer public;
    CLEANUP(buffer_release) struct buffer cert;
    buffer_init(&public, PEM_MAX);
    buffer_init(&cert, PEM_MAX);
    int status = x509_public_key(slice_text(key), &public, reterr);
    if (status < 0) {
        return status;
    }
    int64_t now_s = time(NULL);
    struct x509_sign_options options = {.ca_cert_pem = slice_text(pki->ca_cert),
                                        .ca_key_pem = slice_text(pki->ca_key),
                                        .public_pem = buffer_slice(&public),
                                        .subject = subject,
                                        .usages = usages,
                                        .not_before_s = now_s - backdate_s,
                                        .not_after_s = now_s + valid_s};
    status = x509_sign(&options, &cert, reterr);
    if (status == 0) {
        *ret_cert = alloc_text(buffer_text(&cert));
    }
    return status;
}

int pki_client_cert(const struct pki *pki, const char *user, const char *const *groups,
                    size_t group_count, int64_t valid_seconds, char **ret_cert, char **ret_key,
                    struct error *reterr)
{
    struct x509_subject subject = {
        .common_name = user, .organizations = groups, .organization_count = group_count};
    CLEANUP(alloc_freep) char *key = NULL;
    int status = new_key(&key, reterr);
    if (status < 0) {
        return status;
    }
    status = sign(pki, key, &subject, X509_USAGE_CLIENT, valid_seconds, ret_cert, reterr);
    if (status == 0) {
        *ret_key = TAKE(key);
    }
    return status;
}

static bool is_address(const char *host)
{
    unsigned char scratch[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, scratch) == 1 || inet_pton(AF_INET6, host, scratch) == 1;
}

/* Names that clients inside and outside the cluster reach this member by. */
static int make_server(const struct pki_config *config, struct pki *pki, struct error *reterr)
{
    const char *domain = config->cluster_domain == NULL ? "cluster.local" : config->cluster_domain;
    CLEANUP(alloc_freep) char *service = alloc_printf("kubernetes.default.svc.%s", domain);
    const char *names[HOSTS_MAX] = {"kubernetes", "kubernetes.default", "kubernetes.default.svc",
                                    service, "localhost"};
    const char *addresses[HOSTS_MAX] = {"127.0.0.1", "::1"};
    size_t name_count = 5;
    size_t address_count = 2;
    if (config->service_ip != NULL) {
        addresses[address_count++] = config->service_ip;
    }
    for (size_t i = 0; i < config->host_count; i++) {
        if (name_count == HOSTS_MAX || address_count == HOSTS_MAX) {
            return error_set(reterr, -E2BIG, "more than %d names for the server certificate",
                             HOSTS_MAX);
        }
        if (is_address(config->hosts[i])) {
            addresses[address_count++] = config->hosts[i];
        } else {
            names[name_count++] = config->hosts[i];
        }
    }
    if (config->member_name != NULL && name_count < HOSTS_MAX) {
        names[name_count++] = config->member_name;
    }
    const char *groups[] = {"system:coracle:members"};
    struct x509_subject subject = {.common_name = "coracle-member",
                                   .organizations = groups,
                                   .organization_count = 1,
                                   .dns_names = names,
                                   .dns_name_count = name_count,
                                   .addresses = addresses,
                                   .address_count = address_count};
    int status = new_key(&pki->server_key, reterr);
    if (status < 0) {
        return status;
    }
    status = sign(pki, pki->server_key, &subject, X509_USAGE_SERVER | X509_USAGE_CLIENT, year_s,
                  &pki->server_cert, reterr);
    if (status < 0) {
        return status;
    }
    status = save(config->data_dir, "server.key", pki->server_key, reterr);
    return status < 0 ? status : save(config->data_dir, "server.crt", pki->server_cert, reterr);
}

static int open_server(const struct pki_config *config, struct pki *pki, struct error *reterr)
{
    int status =
        load_pair(config->data_dir, "server", &pki->server_cert, &pki->server_key, rotate, reterr);
    if (status != -ENOENT) {
        return status;
    }
    error_release(reterr);
    return make_server(config, pki, reterr);
}

static int open_admin(const char *data_dir, struct pki *pki, struct error *reterr)
{
    int status = load_pair(data_dir, "admin", &pki->admin_cert, &pki->admin_key, rotate, reterr);
    if (status != -ENOENT) {
        return status;
    }
    error_release(reterr);
    const char *groups[] = {"system:masters"};
    status = pki_client_cert(pki, "kubernetes-admin", groups, 1, year_s, &pki->admin_cert,
                             &pki->admin_key, reterr);
    if (status < 0) {
        return status;
    }
    status = save(data_dir, "admin.key", pki->admin_key, reterr);
    return status < 0 ? status : save(data_dir, "admin.crt", pki->admin_cert, reterr);
}

static int make_front_proxy(const char *data_dir, struct pki *pki, struct error *reterr)
{
    CLEANUP(buffer_release) struct buffer cert;
    CLEANUP(pki_release) struct pki ca = {0};
    buffer_init(&cert, PEM_MAX);
    int status = new_key(&ca.ca_key, reterr);
    if (status < 0) {
        return status;
    }
    int64_t now_s = time(NULL);
    status = x509_make_ca(slice_text(ca.ca_key), "front-proxy-ca", now_s - backdate_s,
                          now_s + year_s, &cert, reterr);
    if (status < 0) {
        return status;
    }
    ca.ca_cert = alloc_text(buffer_text(&cert));
    status = pki_client_cert(&ca, PKI_FRONT_PROXY_NAME, NULL, 0, year_s, &pki->front_proxy_cert,
                             &pki->front_proxy_key, reterr);
    pki->front_proxy_ca = TAKE(ca.ca_cert);
    /* The certificate last: where it is, all are. */
    status =
        status < 0 ? status : save(data_dir, "front-proxy-ca.crt", pki->front_proxy_ca, reterr);
    status = status < 0 ? status
                        : save(data_dir, "front-proxy-client.key", pki->front_proxy_key, reterr);
    return status < 0 ? status
                      : save(data_dir, "front-proxy-client.crt", pki->front_proxy_cert, reterr);
}

static int open_front_proxy(const char *data_dir, struct pki *pki, struct error *reterr)
{
    int status = load_pair(data_dir, "front-proxy-client", &pki->front_proxy_cert,
                           &pki->front_proxy_key, rotate, reterr);
    if (status == -ENOENT) {
        error_release(reterr);
        return make_front_proxy(data_dir, pki, reterr);
    }
    return status < 0 ? status : load(data_dir, "front-proxy-ca.crt", &pki->front_proxy_ca, reterr);
}

/* Hands the texts out, so that their clean-up does nothing. */
static struct pki take(struct pki *pki)
{
    struct pki taken = *pki;
    *pki = (struct pki){0};
    return taken;
}

int pki_open(const struct pki_config *config, struct pki *ret_pki, struct error *reterr)
{
    CLEANUP(pki_release) struct pki pki = {0};
    int status = make_directory(config->data_dir, reterr);
    status = status < 0 ? status : open_ca(config->data_dir, &pki, reterr);
    status = status < 0 ? status : open_account_key(config->data_dir, &pki, reterr);
    status = status < 0 ? status : open_server(config, &pki, reterr);
    status = status < 0 ? status : open_admin(config->data_dir, &pki, reterr);
    status = status < 0 ? status : open_front_proxy(config->data_dir, &pki, reterr);
    if (status < 0) {
        return status;
    }
    *ret_pki = take(&pki);
    return 0;
}

int pki_load(const char *data_dir, struct pki *ret_pki, struct error *reterr)
{
    CLEANUP(pki_release) struct pki pki = {0};
    int status = load(data_dir, "ca.crt", &pki.ca_cert, reterr);
    status = status < 0 ? status : load(data_dir, "ca.key", &pki.ca_key, reterr);
    status = status < 0 ? status : load(data_dir, "admin.crt", &pki.admin_cert, reterr);
    status = status < 0 ? status : load(data_dir, "admin.key", &pki.admin_key, reterr);
    if (status < 0) {
        return status;
    }
    *ret_pki = take(&pki);
    return 0;
}

int pki_admin_client(const char *data_dir, int alpn, struct tls_config **ret_tls,
                     struct error *reterr)
{
    CLEANUP(pki_release) struct pki pki = {0};
    int status = pki_load(data_dir, &pki, reterr);
    if (status < 0) {
        return status;
    }
    const struct tls_options options = {.cert_pem = slice_text(pki.admin_cert),
                                        .key_pem = slice_text(pki.admin_key),
                                        .ca_pem = slice_text(pki.ca_cert),
                                        .verify = TLS_VERIFY_REQUIRED,
                                        .alpn = alpn};
    return tls_config_new_client(&options, ret_tls, reterr);
}

static void wipe(char *text)
{
    if (text != NULL) {
        explicit_bzero(text, strlen(text));
        free(text);
    }
}

void pki_release(struct pki *pki)
{
    free(pki->ca_cert);
    wipe(pki->ca_key);
    wipe(pki->sa_key);
    free(pki->sa_pub);
    free(pki->server_cert);
    wipe(pki->server_key);
    free(pki->admin_cert);
    wipe(pki->admin_key);
    free(pki->front_proxy_ca);
    free(pki->front_proxy_cert);
    wipe(pki->front_proxy_key);
    *pki = (struct pki){0};
}

int pki_copy_shared(const char *from_data_dir, const char *to_data_dir, struct error *reterr)
{
    static const char *const files[] = {"ca.crt", "ca.key", "sa.key", "sa.pub"};
    int status = make_directory(to_data_dir, reterr);
    for (size_t i = 0; i < ARRAY_LEN(files) && status == 0; i++) {
        char *text = NULL;
        status = load(from_data_dir, files[i], &text, reterr);
        if (status == 0) {
            status = save(to_data_dir, files[i], text, reterr);
        }
        wipe(text);
    }
    return status;
}

int pki_sign_node(const struct pki *pki, const char *node_name, const char *csr_pem,
                  const char *const *addresses, size_t address_count, char **ret_cert,
                  struct error *reterr)
{
    struct x509_request request = {0};
    int status = x509_parse_csr(slice_text(csr_pem), &request, reterr);
    if (status < 0) {
        return status;
    }
    CLEANUP(buffer_release) struct buffer cert;
    buffer_init(&cert, PEM_MAX);
    CLEANUP(alloc_freep) char *user = alloc_printf("system:node:%s", node_name);
    const char *groups[] = {"system:nodes"};
    const char *names[HOSTS_MAX] = {node_name};
    const char *ips[HOSTS_MAX] = {0};
    size_t name_count = 1;
    size_t ip_count = 0;
    for (size_t i = 0; i < address_count && i < HOSTS_MAX - 1; i++) {
        if (is_address(addresses[i])) {
            ips[ip_count++] = addresses[i];
        } else {
            names[name_count++] = addresses[i];
        }
    }
    struct x509_subject subject = {.common_name = user,
                                   .organizations = groups,
                                   .organization_count = 1,
                                   .dns_names = names,
                                   .dns_name_count = name_count,
                                   .addresses = ips,
                                   .address_count = ip_count};
    int64_t now_s = time(NULL);
    struct x509_sign_options options = {.ca_cert_pem = slice_text(pki->ca_cert),
                                        .ca_key_pem = slice_text(pki->ca_key),
                                        .public_pem = slice_text(request.public_pem),
                                        .subject = &subject,
                                        .usages = X509_USAGE_CLIENT | X509_USAGE_SERVER,
                                        .not_before_s = now_s - backdate_s,
                                        .not_after_s = now_s + year_s};
    status = x509_sign(&options, &cert, reterr);
    x509_request_release(&request);
    if (status == 0) {
        *ret_cert = alloc_text(buffer_text(&cert));
    }
    return status;
}

static void base64_line(struct buffer *out, const char *name, const char *text)
{
    buffer_printf(out, "    %s: ", name);
    base64_encode(slice_text(text), out);
    buffer_append_byte(out, '\n');
}

void pki_kubeconfig(const char *ca_cert, const char *server, const char *user, const char *cert,
                    const char *key, struct buffer *out)
{
    buffer_append_text(out,
                       "apiVersion: v1\nkind: Config\nclusters:\n- name: coracle\n  cluster:\n");
    base64_line(out, "certificate-authority-data", ca_cert);
    buffer_printf(out, "    server: %s\n", server);
    buffer_printf(out, "users:\n- name: %s\n  user:\n", user);
    base64_line(out, "client-certificate-data", cert);
    base64_line(out, "client-key-data", key);
    buffer_printf(out,
                  "contexts:\n- name: coracle\n  context:\n    cluster: coracle\n    user: %s\n"
                  "current-context: coracle\npreferences: {}\n",
                  user);
}
