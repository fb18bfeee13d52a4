/* The way of a new member into its cluster, told in the log: how far it has caught up, its name
 * given, its vote. Ends by itself; then costs nothing. Store loop. */
#ifndef CMD_MEMBER_PROGRESS_H
#define CMD_MEMBER_PROGRESS_H

struct env;
struct member_progress;
struct store;

/* Once raft is open. `name` is what the member is to be listed as; it must outlive this. */
struct member_progress *member_progress_open(struct env *env, struct store *store,
                                             const char *name);
/* Before the store is freed: what it still owes is answered then, and the last of it frees this.
 * NULL is a no-op. */
void member_progress_close(struct member_progress *progress);
#endif
