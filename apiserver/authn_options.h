/* What an operator says of how people are known, beside client certificates and the cluster's own
 * tokens; named as the flags of kube-apiserver. Texts and lists are borrowed for the life of the
 * server; NULL or an empty list is "not given". */
#ifndef APISERVER_AUTHN_OPTIONS_H
#define APISERVER_AUTHN_OPTIONS_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_list {
    const char *const *items;
    size_t count;
};

struct claim_expressions;

/* OpenID Connect; off without an issuer. What only a file can say is at the end. */
struct oidc_options {
    const char *issuer_url;      /* https:// */
    struct text_list audiences;  /* A token must be for one of them. */
    const char *username_claim;  /* "sub" */
    const char *username_prefix; /* NULL, "": the issuer and "#", but for "email"; "-": none. */
    const char *groups_claim;    /* NULL: no groups. */
    const char *groups_prefix;   /* NULL: none. */
    struct text_list required_claims;    /* "name=value" */
    struct text_list signing_algorithms; /* Of RFC 7518 without HMAC; none given: RS256. */
    const char *ca_pem;                  /* NULL: the system's. */

    const char *discovery_url; /* Of the document itself; NULL: below the issuer. */
    bool literal_prefix;       /* username_prefix is what it says. */
    const char *uid_claim;     /* NULL: none. */
    const struct claim_expressions *expressions; /* Besides, or in place of claims; NULL: none. */
};

/* Who may say in headers on whose behalf a request comes; off without a CA. */
struct front_proxy_options {
    const char *client_ca_pem;
    struct text_list allowed_names; /* Common names; none given: any. */
    struct text_list username_headers, group_headers, extra_prefixes;
};

/* A webhook that says who a bearer token is; off without a kubeconfig. */
struct token_webhook_options {
    const char *kubeconfig_path;
    const char *version; /* Of the TokenReview: "v1", "v1beta1". */
    uint64_t ttl_ms;     /* How long its answers are remembered; 0: not at all. */
};

struct authn_options {
    const char *config; /* Text of an AuthenticationConfiguration, in place of `oidc`; or NULL. */
    const char *config_path; /* Where it was read, to be looked at again; NULL: never. */
    struct oidc_options oidc;
    struct front_proxy_options front_proxy;
    struct token_webhook_options token_webhook;
};
#endif
