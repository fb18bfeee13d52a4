/* Users and roles as they stand in the buckets auth, authUsers and authRoles of an etcd database.
 * Passwords are kept as bcrypt hashes by both, so that they go on being valid. Pure. Source: etcd's
 * auth/store.go and authpb. */
#ifndef STORE_BOLT_AUTH_H
#define STORE_BOLT_AUTH_H
#include "store/auth.h"
#include "store/bolt_reader.h"

struct bolt_export;

void bolt_export_auth(struct bolt_export *bolt_export, const struct auth *auth);
/* Into an empty one. A file without these buckets has no users. 0 or -EBADMSG. */
MUST_USE int bolt_import_auth(const struct bolt_file *file, struct auth *auth,
                              struct error *reterr);
#endif
