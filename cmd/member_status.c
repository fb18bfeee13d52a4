#include "cmd/member_status.h"

#include "apiserver/pki.h"
#include "etcd/rpc.pb-c.h"
#include "lib/base/alloc.h"
#include "lib/net/grpc.h"
#include "lib/net/loop.h"
#include <errno.h>
#include <stdlib.h>

enum { TIMEOUT_MS = 2000 };

struct question {
    struct member_status *member;
    struct grpc_channel *channel;
    size_t *open; /* Questions without an answer. */
};

static void on_answer(void *data, const struct grpc_status *status, struct slice response)
{
    struct question *question = data;
    struct member_status *member = question->member;
    (*question->open)--;
    if (status->code != GRPC_OK) {
        member->reason =
            alloc_text(status->message[0] == '\0' ? grpc_code_name(status->code) : status->message);
        return;
    }
    Etcdserverpb__StatusResponse *answer =
        etcdserverpb__status_response__unpack(NULL, response.len, response.data);
    if (answer == NULL || answer->header == NULL) {
        member->reason = alloc_text("its answer cannot be read");
    } else {
        member->answered = true;
        member->id = answer->header->member_id;
        member->leader_id = answer->leader;
        member->term = answer->raftterm;
        member->applied = answer->raftappliedindex;
    }
    etcdserverpb__status_response__free_unpacked(answer, NULL);
}

static int ask(struct loop *loop, struct tls_config *tls, const char *url,
               struct question *question, struct error *reterr)
{
    struct net_address address;
    if (net_address_parse(url, &address) < 0) {
        return error_set(reterr, -EINVAL, "%s: must be https://HOST:PORT", url);
    }
    question->member->address = alloc_printf("%s:%u", address.host, address.port);
    struct grpc_channel_options options = {.address = &address,
                                           .tls = strncmp(url, "http://", 7) == 0 ? NULL : tls};
    question->channel = grpc_channel_new(loop, &options);
    struct grpc_call_options call = {
        .path = "/etcdserverpb.Maintenance/Status", .timeout_ms = TIMEOUT_MS, .fail_fast = true};
    (*question->open)++;
    (void)grpc_unary(question->channel, &call, slice_of(NULL, 0), on_answer, question);
    return 0;
}

static int ask_all(struct tls_config *tls, const char *const *urls, size_t count,
                   struct member_status *members, struct error *reterr)
{
    struct loop *loop;
    int result = loop_new("status", &loop);
    if (result < 0) {
        return error_set(reterr, result, "cannot make an event loop");
    }
    size_t open = 0;
    struct question *questions = alloc_array(count, sizeof(*questions));
    for (size_t i = 0; i < count && result == 0; i++) {
        questions[i] = (struct question){.member = &members[i], .open = &open};
        result = ask(loop, tls, urls[i], &questions[i], reterr);
    }
    while (open > 0 && result == 0) {
        loop_turn(loop, /* wait= */ true);
    }
    for (size_t i = 0; i < count; i++) {
        if (questions[i].channel != NULL) {
            grpc_channel_close(questions[i].channel);
        }
    }
    free(questions);
    loop_turn(loop, /* wait= */ false); /* What is closed is freed on the next turn. */
    loop_free(loop);
    return result;
}

int member_status_read(const char *data_dir, const char *const *urls, size_t count,
                       struct member_status *ret_members, struct error *reterr)
{
    struct tls_config *tls;
    int result = pki_admin_client(data_dir, TLS_ALPN_H2, &tls, reterr);
    if (result < 0) {
        return result;
    }
    memset(ret_members, 0, count * sizeof(*ret_members));
    result = ask_all(tls, urls, count, ret_members, reterr);
    tls_config_unref(tls);
    return result;
}

void member_status_release(struct member_status *member)
{
    free(member->address);
    free(member->reason);
    *member = (struct member_status){.address = NULL};
}
