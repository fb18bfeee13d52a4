#include "apiserver/kubeconfig.h"

#include "apiserver/kubeconfig_text.h"
#include "apiserver/limits.h"
#include "lib/base/base64.h"
#include "lib/base/file.h"
#include "lib/net/tls.h"
#include <errno.h>
#include <string.h>

static const char *beside(struct arena *arena, const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    return name[0] == '/' || slash == NULL
               ? name
               : arena_printf(arena, "%.*s/%s", (int)(slash - path), path, name);
}

/* What `data` is the base64 of, or what is in `file`; empty when neither is given. */
static int read_either(struct arena *arena, const char *path, const char *what, const char *data,
                       const char *file, struct slice *ret_bytes, struct error *reterr)
{
    CLEANUP(buffer_release) struct buffer bytes;
    buffer_init(&bytes, KUBECONFIG_MAX);
    int status = 0;
    if (data[0] != 0) {
        status = base64_decode(slice_text(data), &bytes);
        status = status < 0 ? error_set(reterr, -EINVAL, "%s is no base64", what) : 0;
    } else if (file[0] != 0) {
        status = file_read(beside(arena, path, file), &bytes, reterr);
    }
    if (status == 0 && bytes.len > 0) {
        *ret_bytes = arena_slice(arena, buffer_slice(&bytes));
    }
    return status;
}

static int make_tls(struct arena *arena, const char *path, const struct kubeconfig_text *text,
                    struct tls_config **ret_tls, struct error *reterr)
{
    struct tls_options options = {.verify = text->insecure ? TLS_VERIFY_NONE : TLS_VERIFY_REQUIRED,
                                  .alpn = TLS_ALPN_HTTP1};
    int status = read_either(arena, path, "certificate-authority-data", text->ca_data,
                             text->ca_file, &options.ca_pem, reterr);
    if (status == 0) {
        status = read_either(arena, path, "client-certificate-data", text->cert_data,
                             text->cert_file, &options.cert_pem, reterr);
    }
    if (status == 0) {
        status = read_either(arena, path, "client-key-data", text->key_data, text->key_file,
                             &options.key_pem, reterr);
    }
    return status < 0 ? status : tls_config_new_client(&options, ret_tls, reterr);
}

static int read_authorization(struct arena *arena, const char *path,
                              const struct kubeconfig_text *text, const char **ret_header,
                              struct error *reterr)
{
    struct slice token = slice_text("");
    int status =
        read_either(arena, path, "tokenFile", /* data= */ "", text->token_file, &token, reterr);
    if (status < 0) {
        return status;
    }
    token = slice_trimmed(text->token_file[0] != 0 ? token : slice_text(text->token));
    if (token.len > 0) {
        *ret_header = arena_printf(arena, "Bearer %.*s", (int)token.len, (const char *)token.data);
    } else if (text->username[0] != 0) {
        CLEANUP(buffer_release) struct buffer encoded;
        buffer_init(&encoded, KUBECONFIG_MAX);
        const char *pair = arena_printf(arena, "%s:%s", text->username, text->password);
        base64_encode(slice_text(pair), &encoded);
        *ret_header = arena_printf(arena, "Basic %.*s", (int)encoded.len, (char *)encoded.data);
    }
    return 0;
}

static int load(struct arena *arena, const char *path, struct kubeconfig *config,
                struct error *reterr)
{
    CLEANUP(buffer_release) struct buffer file;
    buffer_init(&file, KUBECONFIG_MAX);
    struct kubeconfig_text text;
    kubeconfig_text_init(&text);
    int status = file_read(path, &file, reterr);
    if (status == 0) {
        status = kubeconfig_parse(arena, buffer_slice(&file), &text, reterr);
    }
    if (status < 0) {
        return status;
    }
    config->url = text.server;
    config->server_name = text.tls_server_name[0] == 0 ? NULL : text.tls_server_name;
    status = read_authorization(arena, path, &text, &config->authorization, reterr);
    if (status < 0 || strncmp(text.server, "http://", 7) == 0) {
        return status;
    }
    return make_tls(arena, path, &text, &config->tls, reterr);
}

int kubeconfig_load(struct arena *arena, const char *path, struct kubeconfig *ret_config,
                    struct error *reterr)
{
    struct kubeconfig config = {0};
    int status = load(arena, path, &config, reterr);
    if (status < 0) {
        (void)error_wrap(reterr, "%s", path);
        return status;
    }
    *ret_config = config;
    return 0;
}

void kubeconfig_release(struct kubeconfig *config)
{
    tls_config_unref(config->tls);
    config->tls = NULL;
}
