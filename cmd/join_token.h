/* Bootstrap tokens: "<6 characters>.<16 characters>", kept as a Secret of type
 * bootstrap.kubernetes.io/token in kube-system, as Kubernetes keeps them. */
#ifndef CMD_JOIN_TOKEN_H
#define CMD_JOIN_TOKEN_H
#include "cmd/api_call.h"
#include <stdbool.h>
#include <stdint.h>

/* A fresh one; the caller frees. */
MUST_USE int join_token_make(char **ret_token, struct error *reterr);
bool join_token_valid(const char *token);
enum join_token_use { JOIN_TOKEN_AGENT, JOIN_TOKEN_MEMBER };

/* Stores it; existing is no error. `valid_seconds` 0: for ever. */
MUST_USE int join_token_store(const struct api_target *target, const char *token,
                              enum join_token_use use, uint64_t valid_seconds,
                              struct error *reterr);
/* A token for members carries the SHA-256 of the CA that its server must show:
 * "<id>.<secret>:<hash>". The caller frees. */
char *join_token_with_ca(const char *token, struct slice ca_pem);
/* Takes such a token apart; 0 or -EINVAL. */
enum { JOIN_TOKEN_SIZE = 24, JOIN_TOKEN_HASH = 32 };
MUST_USE int join_token_split(const char *text, char ret_token[JOIN_TOKEN_SIZE],
                              uint8_t ret_ca_hash[JOIN_TOKEN_HASH]);
#endif
