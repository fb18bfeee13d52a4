/* Groups and versions that an extension server answers for: requests for them are passed on to it,
 * in this server's name and on the user's behalf. */
#ifndef APISERVER_AGGREGATOR_H
#define APISERVER_AGGREGATOR_H
#include <stdbool.h>
#include <stddef.h>

struct arena;
struct http_header;
struct request;
struct user;

/* False: this server answers itself. Authentication, priority and fairness, and authorization are
 * done by then. */
bool handle_aggregated(struct request *request);

/* X-Remote-User, -Group and -Extra-* for an extension server, at `headers`, which has room for
 * aggregator_identity_count(user). Returns how many. */
size_t aggregator_identity(struct arena *arena, const struct user *user,
                           struct http_header *headers);
size_t aggregator_identity_count(const struct user *user);
#endif
