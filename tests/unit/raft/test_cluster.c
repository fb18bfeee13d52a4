/* Members over real connections and disks on one loop: a cluster grows from one member to three and
 * shrinks to one again, while its transport follows. */
#include "lib/base/env_uv.h"
#include "lib/net/loop.h"
#include "raft/raft.h"
#include "raft/transport.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

Suite *cluster_suite(void);

enum { MEMBERS = 3, POLL_MS = 5, PATIENCE_MS = 40000 };

struct run;

struct live {
    struct run *run;
    struct env_uv *env;
    struct env_ops ops;
    struct raft_transport *transport;
    struct raft_node *node;
    struct raft_fsm fsm;
    char url[64];
    uint16_t port;
    uint64_t applied;
    bool opened, gone;
    const char *stopped; /* By env_fatal(). */
    char why[256];
};

struct run {
    struct loop *loop;
    struct loop_timer poll;
    char dir[64];
    struct live members[MEMBERS];
    size_t step;
    uint64_t began_ms;
    bool asked, done, writing;
    uint64_t wanted, victim;
    size_t closed;
};

static struct run *current; /* For env_fatal(), which gets no data of ours. */

static void on_fatal(struct env *env, const char *why)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        struct live *live = &current->members[i];
        if (live->env != NULL && env_uv_env(live->env) == env) {
            (void)snprintf(live->why, sizeof(live->why), "%s", why);
            live->stopped = live->why;
        }
    }
}

static bool apply(void *data, uint64_t index, uint64_t term, struct slice command, uint64_t tag)
{
    struct live *live = data;
    (void)index;
    (void)term;
    (void)command;
    (void)tag;
    live->applied++;
    return true;
}

static void on_opened(void *data, const struct error *error)
{
    struct live *live = data;
    ck_assert_msg(error == NULL, "%s", error == NULL ? "" : error_message(error));
    live->opened = true;
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof(address);
    int file = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(inet_pton(AF_INET, "127.0.31.1", &address.sin_addr), 1);
    ck_assert_int_eq(bind(file, (struct sockaddr *)&address, sizeof(address)), 0);
    ck_assert_int_eq(getsockname(file, (struct sockaddr *)&address, &len), 0);
    close(file);
    return ntohs(address.sin_port);
}

/* Member `place`, knowing the first `known` members. */
static void open_member(struct run *run, size_t place, size_t known, bool join)
{
    struct live *live = &run->members[place];
    struct raft_peer peers[MEMBERS] = {0};
    char dir[96];
    CLEANUP(error_release) struct error error = {0};
    live->run = run;
    for (size_t i = 0; i < known; i++) {
        peers[i] = (struct raft_peer){.id = i + 1, .name = "m", .url = run->members[i].url};
    }
    ck_assert_int_eq(env_uv_new(loop_uv(run->loop), &live->env), 0);
    struct env *env = env_uv_env(live->env);
    live->ops = *env->ops;
    live->ops.fatal = on_fatal;
    env->ops = &live->ops;
    const struct net_address listen = {.host = "127.0.31.1", .port = live->port};
    struct raft_transport_config transport = {.loop = run->loop,
                                              .env = live->env,
                                              .id = place + 1,
                                              .cluster_id = 3,
                                              .listen = &listen,
                                              .listen_count = 1,
                                              .peers = peers,
                                              .peer_count = known};
    ck_assert_int_eq(raft_transport_open(&transport, &live->transport, &error), 0);
    live->fsm = (struct raft_fsm){.data = live, .apply = apply};
    (void)snprintf(dir, sizeof(dir), "%s/%zu", run->dir, place + 1);
    struct raft_config config = {.env = env,
                                 .id = place + 1,
                                 .cluster_id = 3,
                                 .dir = dir,
                                 .peers = peers,
                                 .peer_count = known,
                                 .join = join,
                                 .fsm = &live->fsm,
                                 .heartbeat_ms = 50,
                                 .election_ms = 400,
                                 .segment_bytes = 65536};
    ck_assert_int_eq(raft_open(&config, on_opened, live, &live->node, &error), 0);
    raft_transport_attach(live->transport, live->node);
}

static struct live *leader(struct run *run)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        struct live *live = &run->members[i];
        if (live->opened && live->stopped == NULL && raft_is_settled_leader(live->node)) {
            return live;
        }
    }
    return NULL;
}

static void on_done(void *data, int status, uint64_t index)
{
    struct run *run = data;
    ck_assert(status == 0 || status == -ECANCELED);
    ck_assert(status < 0 || index > 0);
    run->done = status == 0;
    run->asked = run->asked && status == 0; /* Leadership has moved: it is asked for again. */
    run->writing = run->writing && status == 0;
}

/* True once the change is committed; asks again while it is refused for now. */
static bool changed(struct run *run, struct raft_change change)
{
    struct live *first = leader(run);
    if (run->done) {
        run->done = false;
        run->asked = false;
        return true;
    }
    if (!run->asked && first != NULL) {
        int status = raft_change_members(first->node, &change, on_done, run);
        bool again = status == -EBUSY || status == -EAGAIN || status == -EPERM;
        run->asked = status == 0;
        /* Else it had been done, though nobody said so. */
        return status < 0 && !again;
    }
    return false;
}

static bool votes(struct run *run, uint64_t id)
{
    struct raft_status status;
    if (leader(run) == NULL) {
        return false;
    }
    raft_get_status(leader(run)->node, &status);
    for (size_t i = 0; i < status.member_count; i++) {
        if (status.members[i].id == id) {
            return status.members[i].voter;
        }
    }
    return false;
}

/* True once one more command is applied on all members that run. */
static bool wrote(struct run *run)
{
    if (!run->writing) {
        run->done = false;
        run->writing = leader(run) != NULL &&
                       raft_propose(leader(run)->node, slice_text("x"), 1, on_done, run) == 0;
        return false;
    }
    if (!run->done) {
        return false;
    }
    for (size_t i = 0; i < MEMBERS; i++) {
        const struct live *live = &run->members[i];
        if (live->opened && live->stopped == NULL && live->applied < run->wanted) {
            return false;
        }
    }
    run->writing = false;
    run->done = false;
    run->wanted++;
    return true;
}

static struct live *follower(struct run *run)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        struct live *live = &run->members[i];
        if (live->stopped == NULL && live != leader(run)) {
            return live;
        }
    }
    return NULL;
}

static bool removed(const struct live *live)
{
    return live->stopped != NULL &&
           strcmp(live->stopped, "the member has been permanently removed from the cluster") == 0;
}

static bool step(struct run *run)
{
    struct live *members = run->members;
    switch (run->step) {
    case 0:
        return changed(
            run, (struct raft_change){.kind = RAFT_CHANGE_ADD, .id = 2, .url = members[1].url});
    case 1:
        ck_assert(!votes(run, 2)); /* Not before it has caught up. */
        open_member(run, 1, 2, /* join= */ true);
        return true;
    case 2:
        return votes(run, 2);
    case 3:
        return changed(
            run, (struct raft_change){
                     .kind = RAFT_CHANGE_ADD, .id = 3, .url = members[2].url, .learner = true});
    case 4:
        open_member(run, 2, 3, /* join= */ true);
        return true;
    case 5:
        return changed(run, (struct raft_change){.kind = RAFT_CHANGE_PROMOTE, .id = 3});
    case 6:
        return votes(run, 3) && wrote(run);
    case 7: /* The leader removes itself: another one leads, and it stops. */
        return changed(run, (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = 1});
    case 8:
        return leader(run) != NULL && removed(&members[0]);
    case 9:
        return wrote(run);
    case 10: /* A follower is removed: it is told. */
        if (run->victim == 0 && leader(run) != NULL) {
            run->victim = raft_id(follower(run)->node);
        }
        return run->victim != 0 &&
               changed(run, (struct raft_change){.kind = RAFT_CHANGE_REMOVE, .id = run->victim});
    case 11:
        return removed(&members[run->victim - 1]);
    case 12:
        return wrote(run);
    default:
        return false;
    }
}

static void on_env_closed(void *data)
{
    struct live *live = data;
    live->run->closed++;
    if (live->run->closed == MEMBERS) {
        loop_stop(live->run->loop);
    }
}

static void on_transport_closed(void *data)
{
    struct live *live = data;
    env_uv_close(live->env, on_env_closed, live);
}

static void on_raft_closed(void *data)
{
    struct live *live = data;
    raft_transport_close(live->transport, on_transport_closed, live);
}

static void on_poll(void *data)
{
    struct run *run = data;
    ck_assert_msg(loop_now_ms(run->loop) - run->began_ms < PATIENCE_MS, "stuck at step %zu",
                  run->step);
    if (step(run)) {
        run->step++;
    }
    if (run->step == 13) {
        for (size_t i = 0; i < MEMBERS; i++) {
            raft_close(run->members[i].node, on_raft_closed, &run->members[i]);
        }
        return;
    }
    loop_timer_start(run->loop, &run->poll, POLL_MS);
}

START_TEST(a_cluster_grows_and_shrinks_and_its_connections_follow)
{
    struct run run = {.dir = "/tmp/coracle-raft-XXXXXX", .wanted = 1};
    current = &run;
    ck_assert_ptr_nonnull(mkdtemp(run.dir));
    ck_assert_int_eq(loop_new("raft", &run.loop), 0);
    for (size_t i = 0; i < MEMBERS; i++) {
        run.members[i].port = free_port();
        (void)snprintf(run.members[i].url, sizeof(run.members[i].url), "http://127.0.31.1:%u",
                       (unsigned)run.members[i].port);
    }
    open_member(&run, 0, 1, /* join= */ false);
    run.began_ms = loop_now_ms(run.loop);
    run.poll = (struct loop_timer){.fire = on_poll, .data = &run};
    loop_timer_start(run.loop, &run.poll, POLL_MS);
    loop_run(run.loop);
    loop_free(run.loop);
    ck_assert_uint_eq(run.step, 13);
    char command[128];
    (void)snprintf(command, sizeof(command), "rm -r %s", run.dir);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

Suite *cluster_suite(void)
{
    Suite *suite = suite_create("raft/cluster");
    TCase *tcase = tcase_create("members");
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, a_cluster_grows_and_shrinks_and_its_connections_follow);
    suite_add_tcase(suite, tcase);
    return suite;
}
