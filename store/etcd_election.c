/* The Election service (v3electionpb), but for Observe: who campaigns waits for its turn, and leads
 * while its key is there. */
#include "etcd/v3election.pb-c.h"
#include "store/etcd_turn.h"

#define NO_LEADER_KEY "\"leader\" field must be provided"

static void fill_header(const struct etcd_request *request, Etcdserverpb__ResponseHeader *header)
{
    etcd_fill_header(&request->header, header);
}

/* --- Campaign. */

static void campaign_answer(struct etcd_turn *turn)
{
    const V3electionpb__CampaignRequest *message = turn->message;
    V3electionpb__CampaignResponse response;
    V3electionpb__LeaderKey leader;
    Etcdserverpb__ResponseHeader header;
    v3electionpb__campaign_response__init(&response);
    v3electionpb__leader_key__init(&leader);
    etcd_fill_header(&turn->header, &header);
    leader.name = message->name;
    leader.key = etcd_bytes(buffer_slice(&turn->key));
    leader.rev = turn->revision;
    leader.lease = turn->lease;
    response.header = &header;
    response.leader = &leader;
    (void)etcd_send(turn->call, &response.base);
    grpc_call_finish(turn->call, GRPC_OK, NULL, slice_of(NULL, 0));
}

void etcd_campaign_call(void *data, struct grpc_call *call, struct slice request)
{
    static const struct etcd_turn_kind kind = {.expired = "election: session is expired",
                                               .answer = campaign_answer};
    const V3electionpb__CampaignRequest *message =
        etcd_unpack(&v3electionpb__campaign_request__descriptor, grpc_call_arena(call), request);
    if (message == NULL) {
        etcd_malformed(call);
        return;
    }
    etcd_turn_start(data, call, &kind, message, etcd_slice(message->name),
                    etcd_slice(message->value), message->lease);
}

/* --- What a leader does with its key: only while it is the one it got. */

static int leader_prepare(struct etcd_request *request, const V3electionpb__LeaderKey *leader,
                          struct store_op op)
{
    if (leader == NULL) {
        return 0; /* Said in the answer. */
    }
    request->op = op;
    request->compare = (struct store_compare){.target = STORE_COMPARE_CREATE,
                                              .op = STORE_COMPARE_EQUAL,
                                              .key = etcd_slice(leader->key),
                                              .number = leader->rev};
    request->txn = (struct store_txn){.compares = &request->compare,
                                      .compare_count = 1,
                                      .success = &request->op,
                                      .success_count = 1};
    return store_txn_check(&request->txn);
}

static void leader_run(struct etcd_request *request)
{
    if (request->txn.success == NULL) {
        etcd_request_done(request, 0);
    } else {
        etcd_txn_run(request);
    }
}

static void say(struct etcd_request *request, const char *error)
{
    grpc_call_finish(request->call, GRPC_UNKNOWN, error, slice_of(NULL, 0));
}

static int proclaim_prepare(struct etcd_request *request)
{
    const V3electionpb__ProclaimRequest *message = request->message;
    const V3electionpb__LeaderKey *leader = message->leader;
    struct store_op op = {.kind = STORE_OP_PUT};
    if (leader != NULL) {
        op.put = (struct store_put){.key = etcd_slice(leader->key),
                                    .value = etcd_slice(message->value),
                                    .lease = leader->lease};
    }
    return leader_prepare(request, leader, op);
}

static void proclaim_answer(struct etcd_request *request)
{
    V3electionpb__ProclaimResponse response;
    Etcdserverpb__ResponseHeader header;
    if (request->result == NULL || !request->result->succeeded) {
        say(request, request->result == NULL ? NO_LEADER_KEY : "election: not leader");
        return;
    }
    v3electionpb__proclaim_response__init(&response);
    fill_header(request, &header);
    response.header = &header;
    etcd_respond(request, &response.base);
}

static int resign_prepare(struct etcd_request *request)
{
    const V3electionpb__ResignRequest *message = request->message;
    const V3electionpb__LeaderKey *leader = message->leader;
    struct store_op op = {.kind = STORE_OP_DELETE};
    if (leader != NULL) {
        op.delete_range.key = etcd_slice(leader->key);
    }
    return leader_prepare(request, leader, op);
}

static void resign_answer(struct etcd_request *request)
{
    V3electionpb__ResignResponse response;
    Etcdserverpb__ResponseHeader header;
    if (request->result == NULL) {
        say(request, NO_LEADER_KEY);
        return;
    }
    v3electionpb__resign_response__init(&response); /* Also when it did not lead any more. */
    fill_header(request, &header);
    response.header = &header;
    etcd_respond(request, &response.base);
}

/* --- Leader: the oldest key. */

static int find_prepare(struct etcd_request *request)
{
    const V3electionpb__LeaderRequest *message = request->message;
    struct buffer prefix, end;
    buffer_init(&prefix, STORE_REQUEST_BYTES_MAX);
    buffer_init(&end, STORE_REQUEST_BYTES_MAX);
    (void)etcd_turn_prefix(etcd_slice(message->name), &prefix, &end);
    int status = buffer_error(&end) == 0 ? 0 : STORE_REQUEST_TOO_LARGE;
    if (status == 0) {
        request->op =
            (struct store_op){.kind = STORE_OP_RANGE,
                              .range = {.key = arena_slice(request->arena, buffer_slice(&prefix)),
                                        .end = arena_slice(request->arena, buffer_slice(&end)),
                                        .limit = 1,
                                        .sort_order = STORE_SORT_ASCEND,
                                        .sort_target = STORE_SORT_CREATE}};
        request->txn = (struct store_txn){.success = &request->op, .success_count = 1};
    }
    buffer_release(&prefix);
    buffer_release(&end);
    return status;
}

static void find_answer(struct etcd_request *request)
{
    V3electionpb__LeaderResponse response;
    Etcdserverpb__ResponseHeader header;
    Mvccpb__KeyValue kv;
    const struct store_range_result *found = &request->result->ops[0].range;
    if (found->kv_count == 0) {
        say(request, "election: no leader");
        return;
    }
    v3electionpb__leader_response__init(&response);
    fill_header(request, &header);
    header.revision = found->revision;
    etcd_kv_message(found->kvs[0], /* keys_only= */ false, &kv);
    response.header = &header;
    response.kv = &kv;
    etcd_respond(request, &response.base);
}

const struct etcd_method etcd_election_methods[] = {
    {"/v3electionpb.Election/Proclaim", &v3electionpb__proclaim_request__descriptor,
     proclaim_prepare, leader_run, proclaim_answer},
    {"/v3electionpb.Election/Resign", &v3electionpb__resign_request__descriptor, resign_prepare,
     leader_run, resign_answer},
    {"/v3electionpb.Election/Leader", &v3electionpb__leader_request__descriptor, find_prepare,
     etcd_txn_run, find_answer},
    {0},
};
