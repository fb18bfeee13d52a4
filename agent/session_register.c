/* How a node gets and keeps its certificate. The key is made here and never leaves the node. */
#include "agent/session_internal.h"

#include "agent/limits.h"
#include "agent/volumes.h"
#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/net/x509.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define COMPONENT           "session"
#define REGISTER_TIMEOUT_MS 10000
/* A certificate is renewed when less than this share of its life is left. */
#define RENEW_SHARE 3

enum { PEM_BYTES_MAX = 1 << 20 };

static void load(const char *path, struct buffer *pem)
{
    struct error error = {0};
    buffer_clear(pem);
    if (access(path, R_OK) == 0 && file_read(path, pem, &error) < 0) {
        LOG_WARN(COMPONENT, "ignored a file", KV_TEXT("path", path),
                 KV_TEXT("error", error_message(&error)));
        buffer_clear(pem);
    }
    error_release(&error);
}

/* What the operator trusts. Without it anybody could pass for the cluster: not to be ignored. */
static int load_given_ca(const char *path, struct buffer *pem, struct error *reterr)
{
    int r = file_read(path, pem, reterr);
    if (r < 0) {
        return r;
    }
    const struct tls_options options = {.ca_pem = buffer_slice(pem), .verify = TLS_VERIFY_REQUIRED};
    struct tls_config *tls = NULL;
    r = tls_config_new_client(&options, &tls, reterr);
    tls_config_unref(tls);
    if (r < 0) {
        (void)error_wrap(reterr, "%s", path);
    }
    return r;
}

int agent_session_load_identity(struct session *session, struct error *reterr)
{
    CLEANUP(alloc_freep) char *key = alloc_printf("%s/agent.key", session->pki_dir);
    CLEANUP(alloc_freep) char *cert = alloc_printf("%s/agent.crt", session->pki_dir);
    CLEANUP(alloc_freep) char *ca = alloc_printf("%s/ca.crt", session->pki_dir);
    buffer_init(&session->key_pem, PEM_BYTES_MAX);
    buffer_init(&session->cert_pem, PEM_BYTES_MAX);
    buffer_init(&session->ca_pem, PEM_BYTES_MAX);
    int r = directory_make(session->pki_dir, 0700, reterr);
    if (r < 0) {
        return r;
    }
    load(key, &session->key_pem);
    load(cert, &session->cert_pem);
    if (session->ca_file == NULL) {
        load(ca, &session->ca_pem);
    } else {
        r = load_given_ca(session->ca_file, &session->ca_pem, reterr);
    }
    if (r == 0 && session->key_pem.len == 0) {
        buffer_clear(&session->cert_pem);
        r = x509_make_key(&session->key_pem, reterr);
        if (r == 0) {
            r = file_write(key, buffer_slice(&session->key_pem), 0600, reterr);
        }
    }
    return r;
}

/* 1: good; 0: good but to be renewed; negative: unusable. */
static int certificate_state(struct session *session)
{
    struct x509_facts facts = {0};
    if (session->cert_pem.len == 0 || session->ca_pem.len == 0 ||
        x509_read(buffer_slice(&session->cert_pem), &facts, NULL) < 0) {
        return -ENOENT;
    }
    int64_t now_s = (int64_t)time(NULL);
    int64_t life_s = facts.not_after_s - facts.not_before_s;
    int64_t left_s = facts.not_after_s - now_s;
    x509_facts_release(&facts);
    if (left_s <= 0) {
        return -ESTALE;
    }
    return left_s > life_s / RENEW_SHARE;
}

bool agent_session_has_identity(struct session *session)
{
    int state = certificate_state(session);
    return state > 0;
}

void agent_session_forget_identity(struct session *session)
{
    buffer_clear(&session->cert_pem);
}

int agent_session_make_tls(struct session *session, bool with_certificate,
                           struct tls_config **ret_config, struct error *reterr)
{
    struct tls_options options = {
        .ca_pem = buffer_slice(&session->ca_pem),
        .verify = session->ca_pem.len > 0 ? TLS_VERIFY_REQUIRED : TLS_VERIFY_NONE,
        .alpn = TLS_ALPN_H2,
    };
    if (with_certificate) {
        options.cert_pem = buffer_slice(&session->cert_pem);
        options.key_pem = buffer_slice(&session->key_pem);
    }
    return tls_config_new_client(&options, ret_config, reterr);
}

static int save_identity(struct session *session, const Session__V1__RegisterResponse *response,
                         struct error *reterr)
{
    CLEANUP(alloc_freep) char *cert = alloc_printf("%s/agent.crt", session->pki_dir);
    CLEANUP(alloc_freep) char *ca = alloc_printf("%s/ca.crt", session->pki_dir);
    struct slice cert_pem = slice_of(response->certificate.data, response->certificate.len);
    struct slice ca_pem = slice_of(response->ca.data, response->ca.len);
    if (cert_pem.len == 0 || ca_pem.len == 0) {
        return error_set(reterr, -EPROTO, "the answer holds no certificate");
    }
    int r = file_write(cert, cert_pem, 0600, reterr);
    if (r == 0) {
        r = file_write(ca, ca_pem, 0644, reterr);
    }
    if (r < 0) {
        return r;
    }
    buffer_clear(&session->cert_pem);
    buffer_append_slice(&session->cert_pem, cert_pem);
    buffer_clear(&session->ca_pem);
    buffer_append_slice(&session->ca_pem, ca_pem);
    session->told_identity = false;
    return 0;
}

static void on_registered(void *data, const struct grpc_status *status, struct slice response)
{
    struct session *session = data;
    CLEANUP(error_release) struct error error = {0};
    if (session->closing) {
        return;
    }
    if (status->code != GRPC_OK) {
        bool usable = certificate_state(session) >= 0;
        if (usable && status->code != GRPC_UNAVAILABLE) {
            LOG_WARN(COMPONENT, "no new certificate; the old one will do for now",
                     KV_TEXT("code", grpc_code_name(status->code)),
                     KV_TEXT("error", status->message));
            agent_session_retry(session, NULL);
            return;
        }
        agent_session_retry(session, status->message);
        return;
    }
    Session__V1__RegisterResponse *message =
        session__v1__register_response__unpack(NULL, response.len, response.data);
    int r = message == NULL ? error_set(&error, -EPROTO, "the answer is not valid protobuf")
                            : save_identity(session, message, &error);
    if (message != NULL) {
        session__v1__register_response__free_unpacked(message, NULL);
    }
    if (r < 0) {
        agent_session_retry(session, error_message(&error));
        return;
    }
    LOG_INFO(COMPONENT, "the node has a certificate", KV_TEXT("node", session->node_name));
    session->backoff_ms = 0;
    agent_session_retry(session, NULL);
}

void agent_session_register(struct session *session)
{
    CLEANUP(error_release) struct error error = {0};
    bool renew = certificate_state(session) == 0;
    struct buffer csr;
    buffer_init(&csr, PEM_BYTES_MAX);
    CLEANUP(alloc_freep) char *common_name = alloc_printf("system:node:%s", session->node_name);
    const char *organizations[] = {"system:nodes"};
    struct x509_subject subject = {
        .common_name = common_name,
        .organizations = organizations,
        .organization_count = ARRAY_LEN(organizations),
        .addresses = (const char *const *)session->addresses,
        .address_count = session->address_count,
    };
    int r = x509_make_csr(buffer_slice(&session->key_pem), &subject, &csr, &error);
    if (r == 0) {
        r = agent_session_open_channel(session, renew, &error);
    }
    if (r < 0) {
        buffer_release(&csr);
        agent_session_retry(session, error_message(&error));
        return;
    }
    session->state = SESSION_REGISTERING;
    Session__V1__RegisterRequest request = SESSION__V1__REGISTER_REQUEST__INIT;
    char none[] = "";
    request.node_name = session->node_name;
    request.token = session->token == NULL || renew ? none : session->token;
    request.certificate_request = (ProtobufCBinaryData){.len = csr.len, .data = csr.data};
    request.n_addresses = session->address_count;
    request.addresses = session->addresses;
    size_t len = session__v1__register_request__get_packed_size(&request);
    CLEANUP(alloc_freep) uint8_t *bytes = alloc_bytes(len);
    (void)session__v1__register_request__pack(&request, bytes);
    struct grpc_call_options options = {
        .path = "/coracle.node.v1.NodeService/RegisterNode",
        .timeout_ms = REGISTER_TIMEOUT_MS,
        .fail_fast = true,
    };
    (void)grpc_unary(session->channel, &options, slice_of(bytes, len), on_registered, session);
    buffer_release(&csr);
}
