/* The Maintenance service, but for snapshots. */
#include "store/etcd_private.h"

#include <ctype.h>
#include <inttypes.h>

static const char *alarm_name(enum store_alarm_kind kind)
{
    return kind == STORE_ALARM_NOSPACE   ? "NOSPACE"
           : kind == STORE_ALARM_CORRUPT ? "CORRUPT"
                                         : "NONE";
}

/* --- Status. */

static void status_run(struct etcd_request *request)
{
    struct store *store = request->service->store;
    struct etcd_cluster_view *view = etcd_request_view(request);
    raft_get_status(store_raft(store), &view->raft);
    store_read_figures(store, &request->figures);
    request->alarm_count = store_alarms(store, view->alarms);
    etcd_request_done(request, 0);
}

static bool is_learner(const struct raft_status *raft)
{
    for (size_t i = 0; i < raft->member_count; i++) {
        if (raft->members[i].id == raft->id) {
            return raft->members[i].learner;
        }
    }
    return false;
}

static void fill_errors(struct etcd_request *request, Etcdserverpb__StatusResponse *response)
{
    const struct etcd_cluster_view *view = etcd_request_view(request);
    response->errors =
        arena_array(request->arena, request->alarm_count + 1, sizeof(*response->errors));
    if (view->raft.leader == 0) {
        response->errors[response->n_errors++] =
            arena_text(request->arena, store_status_text(STORE_NO_LEADER));
    }
    for (size_t i = 0; i < request->alarm_count; i++) {
        response->errors[response->n_errors++] =
            arena_printf(request->arena, "memberID:%" PRIu64 " alarm:%s ", view->alarms[i].member,
                         alarm_name(view->alarms[i].kind));
    }
}

static void status_answer(struct etcd_request *request)
{
    static char version[] = ETCD_VERSION;
    static char storage_version[] = ETCD_CLUSTER_VERSION;
    const struct raft_status *raft = &etcd_request_view(request)->raft;
    Etcdserverpb__StatusResponse response;
    etcdserverpb__status_response__init(&response);
    response.header = etcd_new_header(request);
    response.version = version;
    response.storageversion = storage_version;
    response.dbsize = (int64_t)request->figures.bytes;
    response.dbsizeinuse = (int64_t)request->figures.bytes;
    response.dbsizequota = (int64_t)request->figures.quota_bytes;
    response.leader = raft->leader;
    response.raftindex = raft->commit_index;
    response.raftterm = raft->term;
    response.raftappliedindex = raft->applied_index;
    response.islearner = is_learner(raft);
    fill_errors(request, &response);
    etcd_respond(request, &response.base);
}

/* --- Alarms. */

static bool is_wanted(const Etcdserverpb__AlarmRequest *message, const struct store_alarm *alarm)
{
    enum store_alarm_kind kind = (enum store_alarm_kind)message->alarm;
    if (message->action == ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__GET) {
        return kind == STORE_ALARM_NONE || alarm->kind == kind;
    }
    return alarm->kind == kind && alarm->member == message->memberid;
}

/* What GET asks for; of the other actions, the alarm that was raised or cleared. */
static void alarm_note(struct etcd_request *request)
{
    const Etcdserverpb__AlarmRequest *message = request->message;
    struct store_alarm alarms[STORE_ALARMS_MAX];
    size_t count = store_alarms(request->service->store, alarms);
    for (size_t i = 0; i < count; i++) {
        if (is_wanted(message, &alarms[i])) {
            etcd_request_view(request)->alarms[request->alarm_count++] = alarms[i];
        }
    }
}

static void alarms_ready(void *data, int status)
{
    struct etcd_request *request = data;
    if (status == 0 && request->service->store != NULL) {
        alarm_note(request);
    }
    etcd_request_done(request, request->service->store == NULL ? STORE_STOPPED : status);
}

static void alarm_raised(void *data, int status, int64_t revision)
{
    (void)revision;
    alarms_ready(data, status);
}

static void alarm_cleared(void *data, int status, int64_t revision)
{
    struct etcd_request *request = data;
    const Etcdserverpb__AlarmRequest *message = request->message;
    (void)revision;
    if (status == 0) {
        etcd_request_view(request)->alarms[request->alarm_count++] = (struct store_alarm){
            .member = message->memberid, .kind = (enum store_alarm_kind)message->alarm};
    }
    etcd_request_done(request, status == STORE_KEY_NOT_FOUND ? 0 : status);
}

/* Users may look; what raises or clears needs root. */
static int alarm_permitted(const struct etcd_request *request)
{
    const Etcdserverpb__AlarmRequest *message = request->message;
    const struct auth *auth = store_auth(request->service->store);
    return message->action == ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__GET
               ? auth_check_user(auth, &request->caller)
               : auth_check_root(auth, &request->caller);
}

static void alarm_run(struct etcd_request *request)
{
    const Etcdserverpb__AlarmRequest *message = request->message;
    struct store *store = request->service->store;
    const struct store_alarm alarm = {.member = message->memberid,
                                      .kind = (enum store_alarm_kind)message->alarm};
    bool known =
        (int)message->alarm > STORE_ALARM_NONE && (int)message->alarm <= STORE_ALARM_CORRUPT;
    int status = alarm_permitted(request);
    if (status != 0) {
        etcd_request_done(request, status);
        return;
    }
    switch ((int)message->action) {
    case ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__GET:
        store_read_barrier(store, alarms_ready, request);
        break;
    case ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__ACTIVATE:
        if (known) {
            store_alarm_set(store, &alarm, /* raised= */ true, alarm_raised, request);
            break;
        }
        etcd_request_done(request, 0); /* As etcd. */
        break;
    case ETCDSERVERPB__ALARM_REQUEST__ALARM_ACTION__DEACTIVATE:
        if (known) {
            store_alarm_set(store, &alarm, /* raised= */ false, alarm_cleared, request);
            break;
        }
        etcd_request_done(request, 0);
        break;
    default:
        etcd_request_done(request, 0);
        break;
    }
}

static void alarm_answer(struct etcd_request *request)
{
    Etcdserverpb__AlarmResponse response;
    etcdserverpb__alarm_response__init(&response);
    const struct store_alarm *noted = etcd_request_view(request)->alarms;
    size_t count = request->alarm_count;
    Etcdserverpb__AlarmMember *alarms = arena_array(request->arena, count + 1, sizeof(*alarms));
    response.alarms = arena_array(request->arena, count + 1, sizeof(*response.alarms));
    for (size_t i = 0; i < count; i++) {
        etcdserverpb__alarm_member__init(&alarms[i]);
        alarms[i].memberid = noted[i].member;
        alarms[i].alarm = (Etcdserverpb__AlarmType)noted[i].kind;
        response.alarms[i] = &alarms[i];
    }
    response.n_alarms = count;
    response.header = etcd_new_header(request);
    etcd_respond(request, &response.base);
}

/* --- Hash; that of keys is in store/etcd_hash_kv.c. */

/* Of what all members that have applied the same hold alike; etcd's is of its file. */
static void hash_answer(struct etcd_request *request)
{
    Etcdserverpb__HashResponse response;
    etcdserverpb__hash_response__init(&response);
    response.header = etcd_new_header(request);
    response.hash = (uint32_t)(request->figures.hash ^ request->figures.hash >> 32);
    etcd_respond(request, &response.base);
}

/* --- What moves nothing. */

/* There is nothing to defragment: memory is given back as history is compacted. */
static void defragment_run(struct etcd_request *request)
{
    etcd_request_done(request, 0);
}

static void defragment_answer(struct etcd_request *request)
{
    Etcdserverpb__DefragmentResponse response;
    etcdserverpb__defragment_response__init(&response);
    response.header = etcd_new_header(request);
    etcd_respond(request, &response.base);
}

static bool is_version(const char *text)
{
    size_t parts = 0;
    while (isdigit((unsigned char)*text)) {
        text += strspn(text, "0123456789");
        parts++;
        text += *text == '.' && parts < 3;
    }
    return *text == '\0' && (parts == 2 || parts == 3);
}

/* Members' data is of one format: there is no older version to go back to. */
static int downgrade_prepare(struct etcd_request *request)
{
    const Etcdserverpb__DowngradeRequest *message = request->message;
    if (message->action == ETCDSERVERPB__DOWNGRADE_REQUEST__DOWNGRADE_ACTION__CANCEL) {
        return STORE_NO_DOWNGRADE;
    }
    return is_version(message->version) ? STORE_DOWNGRADE_TARGET : STORE_DOWNGRADE_FORMAT;
}

static void move_leader_answer(struct etcd_request *request)
{
    Etcdserverpb__MoveLeaderResponse response;
    etcdserverpb__move_leader_response__init(&response);
    response.header = etcd_new_header(request);
    etcd_respond(request, &response.base);
}

const struct etcd_method etcd_maintenance_methods[] = {
    {"/etcdserverpb.Maintenance/Alarm", &etcdserverpb__alarm_request__descriptor, NULL, alarm_run,
     alarm_answer},
    {"/etcdserverpb.Maintenance/Status", &etcdserverpb__status_request__descriptor, NULL,
     status_run, status_answer},
    {"/etcdserverpb.Maintenance/Defragment", &etcdserverpb__defragment_request__descriptor, NULL,
     defragment_run, defragment_answer},
    {"/etcdserverpb.Maintenance/Hash", &etcdserverpb__hash_request__descriptor, NULL, status_run,
     hash_answer},
    {"/etcdserverpb.Maintenance/HashKV", &etcdserverpb__hash_kvrequest__descriptor, NULL,
     etcd_hash_kv_run, etcd_hash_kv_answer},
    {"/etcdserverpb.Maintenance/MoveLeader", &etcdserverpb__move_leader_request__descriptor, NULL,
     etcd_move_leader_run, move_leader_answer},
    {"/etcdserverpb.Maintenance/Downgrade", &etcdserverpb__downgrade_request__descriptor,
     downgrade_prepare, defragment_run, defragment_answer},
    {0},
};
