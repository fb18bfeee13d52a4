/* Inside of encryption at rest: a configuration as it was read. Immutable. */
#ifndef APISERVER_ENCRYPTION_CONFIG_H
#define APISERVER_ENCRYPTION_CONFIG_H
#include "lib/base/arena.h"
#include "lib/base/error.h"
#include "lib/net/stream.h"

enum encryption_cipher {
    ENCRYPTION_IDENTITY,
    ENCRYPTION_AESGCM,
    ENCRYPTION_AESCBC,
    ENCRYPTION_SECRETBOX,
    ENCRYPTION_KMS
};

struct kms_plugin;

/* A KMS plugin of version v2. */
struct encryption_kms {
    const char *name;
    struct net_address address; /* A unix socket. */
    uint64_t timeout_ms;
    struct kms_plugin *plugin; /* The owner's. */
};

/* A key, or the identity; in the order of the file. */
struct encryption_key {
    enum encryption_cipher cipher;
    const char *prefix; /* "k8s:enc:aesgcm:v1:NAME:"; "" for the identity. */
    uint8_t bytes[32];
    size_t len;
    struct encryption_kms *kms; /* Of ENCRYPTION_KMS. */
};

/* The keys of some resources; the first writes. */
struct encryption_rule {
    const char **resources; /* "secrets", "deployments.apps", "*.apps", "*.", "*.*" */
    size_t resource_count;
    struct encryption_key *keys;
    size_t key_count;
};

struct encryption_config {
    struct arena *arena;              /* Holds all of it. */
    struct encryption_config *before; /* The owner's: what it replaces. */
    struct encryption_rule *rules;
    size_t rule_count;
};

/* 0, or -EINVAL with a message that names what is wrong. */
MUST_USE int encryption_config_parse(struct slice text, struct encryption_config **ret_config,
                                     struct error *reterr);
void encryption_config_free(struct encryption_config *config); /* Wipes the keys. NULL: a no-op. */
#endif
