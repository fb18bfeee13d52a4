#include "tests/bench/api_target.h"

#include "lib/base/buffer.h"
#include "lib/base/error.h"
#include "lib/base/file.h"
#include <errno.h>
#include <stdio.h>

enum { PEM_BYTES_MAX = 64 * 1024, CONNECT_TIMEOUT_MS = 60000 };

static int read_pem(const char *pki, const char *name, struct buffer *out, struct error *reterr)
{
    char path[4096];
    buffer_init(out, PEM_BYTES_MAX);
    int len = snprintf(path, sizeof(path), "%s/%s", pki, name);
    if (len < 0 || (size_t)len >= sizeof(path)) {
        return error_set(reterr, -ENAMETOOLONG, "%s", pki);
    }
    return file_read(path, out, reterr);
}

static int make_tls(struct api_target *target, const char *pki, int alpn, struct error *reterr)
{
    CLEANUP(buffer_release) struct buffer ca = {0};
    CLEANUP(buffer_release) struct buffer cert = {0};
    CLEANUP(buffer_release) struct buffer key = {0};
    int status = read_pem(pki, "ca.crt", &ca, reterr);
    status = status < 0 ? status : read_pem(pki, "admin.crt", &cert, reterr);
    status = status < 0 ? status : read_pem(pki, "admin.key", &key, reterr);
    if (status < 0) {
        return status;
    }
    struct tls_options options = {.cert_pem = buffer_slice(&cert),
                                  .key_pem = buffer_slice(&key),
                                  .ca_pem = buffer_slice(&ca),
                                  .verify = TLS_VERIFY_REQUIRED,
                                  .alpn = alpn};
    return tls_config_new_client(&options, &target->tls, reterr);
}

int api_target_init(struct api_target *target, const char *endpoint, const char *pki, int alpn)
{
    CLEANUP(error_release) struct error error = {0};
    *target = (struct api_target){0};
    int status = net_address_parse(endpoint, &target->address);
    if (status < 0) {
        (void)error_set(&error, status, "%s: not HOST:PORT", endpoint);
    } else {
        status = make_tls(target, pki, alpn, &error);
    }
    if (status < 0) {
        fprintf(stderr, "%s\n", error_message(&error));
    }
    return status;
}

void api_target_release(struct api_target *target)
{
    tls_config_unref(target->tls);
}

void api_target_connect(const struct api_target *target, struct loop *loop, net_connected connected,
                        void *data)
{
    struct net_connect_options options = {
        .address = &target->address, .tls = target->tls, .timeout_ms = CONNECT_TIMEOUT_MS};
    (void)net_stream_connect(loop, &options, connected, data);
}

void api_target_await_start(void)
{
    fputs("ready\n", stdout);
    fflush(stdout);
    for (int c = getchar(); c != '\n' && c != EOF; c = getchar()) {
    }
}
