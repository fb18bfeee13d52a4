/* The Watch streams of the differential test, one to each server: the same requests go to both, and
 * what each watch is told is compared as a sequence of events, however the servers cut it into
 * messages. One loop, turned by the calls that wait. */
#ifndef TESTS_ETCDCTL_WATCH_LOG_H
#define TESTS_ETCDCTL_WATCH_LOG_H
#include "etcd/rpc.pb-c.h"
#include "lib/net/grpc.h"
#include "lib/net/loop.h"
#include <stdbool.h>

enum { WATCH_SIDES = 2 };

struct watch_log;

/* Opens both streams; `tokens` (NULL: none) say who asks. The channels must outlive it. */
MUST_USE struct watch_log *watch_log_new(struct loop *loop,
                                         struct grpc_channel *channels[WATCH_SIDES],
                                         const char *const tokens[WATCH_SIDES]);
void watch_log_free(struct watch_log *log); /* Cancels the streams; NULL is a no-op. */
/* Sends it to both and waits for the answers, where it has one. What could hide what is under way
 * (a cancellation) waits for that first. False after a difference, which is printed. */
MUST_USE bool watch_log_send(struct watch_log *log, const Etcdserverpb__WatchRequest *request);
/* Waits until both servers have told every watch the same, and forgets it. A server may still have
 * to find out that history holds nothing for a new watch: before a request that takes history away
 * this waits for that too. False when they do not agree in time; the difference is printed. */
MUST_USE bool watch_log_settle(struct watch_log *log);
#endif
