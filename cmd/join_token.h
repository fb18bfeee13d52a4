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
/* Stores it; existing is no error. `valid_seconds` 0: for ever. */
MUST_USE int join_token_store(const struct api_target *target, const char *token,
                              uint64_t valid_seconds, struct error *reterr);
#endif
