/* Flags of the audit log. */
#ifndef CMD_AUDIT_FLAGS_H
#define CMD_AUDIT_FLAGS_H
#include "apiserver/audit_options.h"
#include "cmd/flags.h"

/* Reads the policy into `arena`; other texts are the flags'. A negative errno with a message. */
MUST_USE int audit_options_from(const struct flag_set *set, struct arena *arena,
                                struct audit_options *ret_options, struct error *reterr);
#endif
