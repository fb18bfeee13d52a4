/* Follows the file of an EncryptionConfiguration: when it has changed, values are sealed and opened
 * by what it says now; a file that is wrong is said to be, and leaves all as it was. One loop. */
#ifndef APISERVER_ENCRYPTION_FOLLOWER_H
#define APISERVER_ENCRYPTION_FOLLOWER_H
#include "lib/base/slice.h"

struct encryption;
struct encryption_follower;
struct loop;
struct metrics;

/* `known` is the text that `encryption` (borrowed for its life) was made of. */
struct encryption_follower *encryption_follower_open(struct loop *loop,
                                                     struct encryption *encryption,
                                                     const char *path, struct slice known,
                                                     struct metrics *metrics);
void encryption_follower_close(struct encryption_follower *follower); /* NULL is a no-op. */
#endif
