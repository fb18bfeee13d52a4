/* Users, roles and their permissions, with etcd v3 semantics (etcd docs, "Role-based access
 * control"). Part of the replicated state: changed by applied commands only, equal on all members
 * that applied the same. Pure; one thread. */
#ifndef STORE_AUTH_H
#define STORE_AUTH_H
#include "store/auth_ranges.h"
#include <stdint.h>

#define AUTH_ROOT "root" /* The user that must exist, and the role that may do everything. */

/* On whose behalf a call of the etcd API is made. Where a NULL one is allowed, it is the process
 * itself, which may do everything. */
struct auth_caller {
    struct slice user; /* Empty: nobody said who. */
    uint64_t revision; /* auth_revision() at which the user was found out; 0 without a user. */
    bool restricted;   /* May do nothing while authentication is off. */
};

enum auth_access { AUTH_READ, AUTH_WRITE, AUTH_READWRITE }; /* Values are authpb.Permission's. */

struct auth_permission {
    enum auth_access access;
    struct slice key;
    struct slice end;
};

struct auth_role {
    struct slice name;                   /* All slices here are owned, and end in a zero byte. */
    struct auth_permission *permissions; /* By key, then end. */
    size_t permission_count;
};

struct auth_user {
    struct slice name;
    struct slice hash; /* Of the password (crypt(5)); empty without one. */
    bool no_password;  /* Known by a certificate only. */
    /* Revision of the last change of the password: what was proven before is worth nothing. */
    uint64_t credential;
    struct slice *roles; /* Ascending. */
    size_t role_count;
    struct auth_ranges readable, writable; /* Of all roles; valid at `ranges_revision`. */
    uint64_t ranges_revision;
};

struct auth;

MUST_USE struct auth *auth_new(void); /* Disabled, at revision 1. */
void auth_free(struct auth *auth);
bool auth_is_enabled(const struct auth *auth);
uint64_t auth_revision(const struct auth *auth); /* Goes up with every change. */
uint64_t auth_hash(const struct auth *auth);     /* Rolls over every change; 0 at first. */
/* What tokens are made with (AUTH_SECRET_SIZE bytes), or empty: none was chosen yet. */
enum { AUTH_SECRET_SIZE = 32 };
struct slice auth_secret(const struct auth *auth);

size_t auth_user_count(const struct auth *auth);
const struct auth_user *auth_user_at(const struct auth *auth, size_t index); /* By name. */
const struct auth_user *auth_user_find(const struct auth *auth, struct slice name);
bool auth_user_has_role(const struct auth_user *user, struct slice role);
size_t auth_role_count(const struct auth *auth);
const struct auth_role *auth_role_at(const struct auth *auth, size_t index); /* By name. */
const struct auth_role *auth_role_find(const struct auth *auth, struct slice name);

/* --- Changing. Numbers stand in the log. */
enum auth_change_kind {
    AUTH_ENABLE = 1,
    AUTH_DISABLE,
    AUTH_USER_ADD,         /* name, value: hash, no_password */
    AUTH_USER_DELETE,      /* name */
    AUTH_USER_PASSWORD,    /* name, value: hash */
    AUTH_USER_GRANT_ROLE,  /* name, value: role */
    AUTH_USER_REVOKE_ROLE, /* name, value: role */
    AUTH_ROLE_ADD,         /* name */
    AUTH_ROLE_DELETE,      /* name */
    AUTH_ROLE_GRANT,       /* name, permission */
    AUTH_ROLE_REVOKE,      /* name, permission without access */
    AUTH_CHOOSE_SECRET,    /* value; without effect when there is one */
    AUTH_CHANGE_LAST = AUTH_CHOOSE_SECRET,
};

struct auth_change {
    enum auth_change_kind kind;
    struct slice name;
    struct slice value;
    bool no_password;
    struct auth_permission permission;
};

/* 0, or the status that etcd gives (store/status.h); a failure changes nothing. */
MUST_USE int auth_apply(struct auth *auth, const struct auth_change *change);

/* --- Asking. All are 0 while authentication is off, and give a status when the caller may not:
 * STORE_USER_EMPTY, STORE_AUTH_OLD_REVISION, STORE_PERMISSION_DENIED. */
MUST_USE int auth_check_user(const struct auth *auth, const struct auth_caller *caller);
MUST_USE int auth_check_root(const struct auth *auth, const struct auth_caller *caller);
/* All keys of the range; AUTH_READWRITE asks for both. */
MUST_USE int auth_check_range(struct auth *auth, const struct auth_caller *caller,
                              enum auth_access access, struct slice key, struct slice end);
/* The key, and in *ret_end (borrowed until the users or permissions change) where those that follow
 * it and are permitted as well end; it is empty when that is nowhere. */
MUST_USE int auth_check_run(struct auth *auth, const struct auth_caller *caller,
                            enum auth_access access, struct slice key, struct slice *ret_end);

/* --- Out to a snapshot and back: changes that make an equal state from an empty one, then what
 * they do not say. */
struct auth_head {
    uint64_t revision, hash;
    uint64_t enabled;
};
void auth_each_change(const struct auth *auth,
                      void (*each)(void *data, const struct auth_change *change,
                                   uint64_t credential),
                      void *data);
struct auth_head auth_head(const struct auth *auth);
MUST_USE int auth_load(struct auth *auth, const struct auth_change *change, uint64_t credential);
/* 0 or STORE_MALFORMED. */
MUST_USE int auth_load_end(struct auth *auth, const struct auth_head *head);
#endif
