#include "cmd/authn_flags.h"

#include "lib/base/time_text.h"
#include <errno.h>
#include <string.h>

static struct text_list list_of(const struct flag_set *set, const char *name)
{
    const struct flag *flag = flag_get(set, name);
    return (struct text_list){.items = flag->values, .count = flag->count};
}

static int check_flags(const struct flag_set *set, struct error *reterr)
{
    const char *anonymous = flag_text(set, "anonymous-auth");
    if (strcmp(anonymous, "true") != 0 && strcmp(anonymous, "false") != 0) {
        return error_set(reterr, -EINVAL, "--anonymous-auth=%s: must be true or false", anonymous);
    }
    if (flag_text(set, "requestheader-client-ca-file") != NULL &&
        flag_get(set, "requestheader-username-headers")->count == 0) {
        return error_set(reterr, -EINVAL,
                         "--requestheader-client-ca-file needs --requestheader-username-headers");
    }
    return 0;
}

static int read_duration(const struct flag_set *set, const char *name, uint64_t *ret_ms,
                         struct error *reterr)
{
    int64_t nanos = 0;
    const char *text = flag_text(set, name);
    if (duration_parse(slice_text(text), &nanos) < 0 || nanos < 0) {
        return error_set(reterr, -EINVAL, "--%s=%s: must be a duration such as 2m0s", name, text);
    }
    *ret_ms = (uint64_t)nanos / 1000000;
    return 0;
}

static int read_version(const struct flag_set *set, const char *name, const char **ret_version,
                        struct error *reterr)
{
    const char *text = flag_text(set, name);
    if (strcmp(text, "v1") != 0 && strcmp(text, "v1beta1") != 0) {
        return error_set(reterr, -EINVAL, "--%s=%s: must be v1 or v1beta1", name, text);
    }
    *ret_version = text;
    return 0;
}

static int read_token_webhook(const struct flag_set *set, struct token_webhook_options *webhook,
                              struct error *reterr)
{
    webhook->kubeconfig_path = flag_text(set, "authentication-token-webhook-config-file");
    int result =
        read_version(set, "authentication-token-webhook-version", &webhook->version, reterr);
    return result < 0 ? result
                      : read_duration(set, "authentication-token-webhook-cache-ttl",
                                      &webhook->ttl_ms, reterr);
}

int authz_options_from(const struct flag_set *set, struct arena *arena,
                       struct authz_options *ret_options, struct error *reterr)
{
    struct authz_options options = {.modes = list_of(set, "authorization-mode"),
                                    .webhook_config_path =
                                        flag_text(set, "authorization-webhook-config-file"),
                                    .config_path = flag_text(set, "authorization-config")};
    int result =
        read_version(set, "authorization-webhook-version", &options.webhook_version, reterr);
    if (result == 0) {
        result = read_duration(set, "authorization-webhook-cache-authorized-ttl",
                               &options.authorized_ttl_ms, reterr);
    }
    if (result == 0) {
        result = read_duration(set, "authorization-webhook-cache-unauthorized-ttl",
                               &options.unauthorized_ttl_ms, reterr);
    }
    if (result == 0) {
        result = flag_file(set, "authorization-config", arena, &options.config, reterr);
    }
    if (result == 0) {
        result = flag_file(set, "authorization-policy-file", arena, &options.policy, reterr);
    }
    if (result == 0 && options.config != NULL &&
        (options.modes.count > 0 || options.webhook_config_path != NULL)) {
        result = error_set(reterr, -EINVAL,
                           "--authorization-config and --authorization-mode or "
                           "--authorization-webhook-*: only one of them");
    }
    if (result == 0) {
        *ret_options = options;
    }
    return result;
}

int authn_options_from(const struct flag_set *set, struct arena *arena,
                       struct authn_options *ret_options, const char **ret_encryption_config,
                       struct error *reterr)
{
    struct authn_options options = {
        .oidc = {.issuer_url = flag_text(set, "oidc-issuer-url"),
                 .audiences = list_of(set, "oidc-client-id"),
                 .username_claim = flag_text(set, "oidc-username-claim"),
                 .username_prefix = flag_text(set, "oidc-username-prefix"),
                 .groups_claim = flag_text(set, "oidc-groups-claim"),
                 .groups_prefix = flag_text(set, "oidc-groups-prefix"),
                 .required_claims = list_of(set, "oidc-required-claim"),
                 .signing_algorithms = list_of(set, "oidc-signing-algs")},
        .front_proxy = {.allowed_names = list_of(set, "requestheader-allowed-names"),
                        .username_headers = list_of(set, "requestheader-username-headers"),
                        .group_headers = list_of(set, "requestheader-group-headers"),
                        .extra_prefixes = list_of(set, "requestheader-extra-headers-prefix")},
    };
    options.config_path = flag_text(set, "authentication-config");
    int result = check_flags(set, reterr);
    if (result == 0) {
        result = read_token_webhook(set, &options.token_webhook, reterr);
    }
    if (result == 0) {
        result = flag_file(set, "oidc-ca-file", arena, &options.oidc.ca_pem, reterr);
    }
    if (result == 0) {
        result = flag_file(set, "requestheader-client-ca-file", arena,
                           &options.front_proxy.client_ca_pem, reterr);
    }
    if (result == 0) {
        result = flag_file(set, "authentication-config", arena, &options.config, reterr);
    }
    if (result == 0 && options.config != NULL && options.oidc.issuer_url != NULL) {
        result = error_set(reterr, -EINVAL,
                           "--authentication-config and --oidc-issuer-url: only one of them");
    }
    if (result == 0) {
        result = flag_file(set, "encryption-provider-config", arena, ret_encryption_config, reterr);
    }
    if (result == 0) {
        *ret_options = options;
    }
    return result;
}
