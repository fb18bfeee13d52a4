/* Passwords: slow salted hashes of them (bcrypt, as etcd's, so that users move between the two with
 * their passwords), made and checked on threads of their own. Passwords are wiped from memory once
 * they have been used, and never logged. */
#ifndef STORE_PASSWORD_H
#define STORE_PASSWORD_H
#include "lib/base/compiler.h"
#include "lib/base/slice.h"
#include <stddef.h>

struct loop;
struct password_worker;

enum {
    PASSWORD_BYTES_MAX = 72, /* What bcrypt looks at. */
    PASSWORD_HASH_SIZE = 256,
    PASSWORD_JOBS_MAX = 256, /* Waiting, over all clients. */
    PASSWORD_THREADS = 2,
};

/* No thread runs until the first job. */
MUST_USE struct password_worker *password_worker_new(void);
/* Waits for the jobs under way; those that wait end with -ECANCELED. Their callbacks still come, on
 * their loops. NULL is a no-op. */
void password_worker_free(struct password_worker *worker);

/* `done` runs on `loop`: 0 and the hash (borrowed for the call) or a negative errno.
 * All return 0, -EBUSY over PASSWORD_JOBS_MAX, or -EINVAL for a password that is too long. Any
 * thread. */
typedef void password_done(void *data, int status, struct slice hash);
MUST_USE int password_hash(struct password_worker *worker, struct slice password, struct loop *loop,
                           password_done *done, void *data);
/* status 0 when the password fits, -EACCES when not. An empty hash fits nothing, and takes as long
 * to say so: how long it takes tells nobody which users there are. */
MUST_USE int password_check(struct password_worker *worker, struct slice password,
                            struct slice hash, struct loop *loop, password_done *done, void *data);
/* Whether it looks like a hash that password_check() knows. */
bool password_is_hash(struct slice hash);
void password_wipe(void *bytes, size_t len); /* Not optimised away. */
#endif
