/* Follows the file of an EncryptionConfiguration: when it has changed, values are sealed and opened
 * by what it says now; a file that is wrong is said to be, and leaves all as it was. One loop. */
#ifndef APISERVER_ENCRYPTION_FOLLOWER_H
#define APISERVER_ENCRYPTION_FOLLOWER_H
#include "lib/base/slice.h"

struct encryption;
struct encryption_follower;
struct loop;
struct metrics;

struct encryption_follower_options {
    struct loop *loop;
    struct encryption *encryption; /* Borrowed, as the next, for its life. */
    struct metrics *metrics;
    const char *path;
    struct slice known;      /* The text that `encryption` was made of. */
    const char *server_name; /* For the metrics. */
};

struct encryption_follower *
encryption_follower_open(const struct encryption_follower_options *options);
void encryption_follower_close(struct encryption_follower *follower); /* NULL is a no-op. */
#endif
