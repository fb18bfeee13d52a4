/* While users are required: one request of each kind, asked for by each of those who may not. What
 * etcd 3.4 lets everybody do, and later ones and we do not, is left out; and Observe, which etcd
 * ends as if all were well. */
#include "tests/etcdctl/differential.h"

#include "etcd/v3election.pb-c.h"
#include "etcd/v3lock.pb-c.h"
#include "lib/base/compiler.h"
#include <string.h>

enum { NO_MEMBER = 99 };

static ProtobufCBinaryData bytes_of(struct arena *arena, const char *text)
{
    return (ProtobufCBinaryData){.len = strlen(text), .data = (uint8_t *)arena_text(arena, text)};
}

static void *new_message(const ProtobufCMessageDescriptor *descriptor, struct arena *arena)
{
    ProtobufCMessage *message = arena_alloc(arena, descriptor->sizeof_message);
    protobuf_c_message_init(descriptor, message);
    return message;
}

/* Alice may read and write from a to c. */
static const char strange_key[] = "x";

static void fill_range(void *message, struct arena *arena)
{
    ((Etcdserverpb__RangeRequest *)message)->key = bytes_of(arena, strange_key);
}

static void fill_put(void *message, struct arena *arena)
{
    ((Etcdserverpb__PutRequest *)message)->key = bytes_of(arena, strange_key);
}

static void fill_delete(void *message, struct arena *arena)
{
    ((Etcdserverpb__DeleteRangeRequest *)message)->key = bytes_of(arena, strange_key);
}

static void fill_member_add(void *message, struct arena *arena)
{
    Etcdserverpb__MemberAddRequest *add = message;
    add->peerurls = arena_array(arena, 1, sizeof(*add->peerurls));
    add->n_peerurls = 1;
    add->peerurls[0] = arena_text(arena, "http://127.0.0.1:1");
}

static void fill_member_remove(void *message, struct arena *arena)
{
    (void)arena;
    ((Etcdserverpb__MemberRemoveRequest *)message)->id = NO_MEMBER;
}

static void fill_member_update(void *message, struct arena *arena)
{
    Etcdserverpb__MemberUpdateRequest *update = message;
    update->id = NO_MEMBER;
    update->peerurls = arena_array(arena, 1, sizeof(*update->peerurls));
    update->n_peerurls = 1;
    update->peerurls[0] = arena_text(arena, "http://127.0.0.1:1");
}

static void fill_member_promote(void *message, struct arena *arena)
{
    (void)arena;
    ((Etcdserverpb__MemberPromoteRequest *)message)->id = NO_MEMBER;
}

static void fill_user_add(void *message, struct arena *arena)
{
    Etcdserverpb__AuthUserAddRequest *add = message;
    add->name = arena_text(arena, "mallory");
    add->password = arena_text(arena, "x");
}

static void fill_user_get(void *message, struct arena *arena)
{
    ((Etcdserverpb__AuthUserGetRequest *)message)->name = arena_text(arena, "root");
}

static void fill_user_delete(void *message, struct arena *arena)
{
    ((Etcdserverpb__AuthUserDeleteRequest *)message)->name = arena_text(arena, "root");
}

static void fill_user_password(void *message, struct arena *arena)
{
    Etcdserverpb__AuthUserChangePasswordRequest *change = message;
    change->name = arena_text(arena, "root");
    change->password = arena_text(arena, "x");
}

static void fill_user_grant(void *message, struct arena *arena)
{
    Etcdserverpb__AuthUserGrantRoleRequest *grant = message;
    grant->user = arena_text(arena, "alice");
    grant->role = arena_text(arena, "root");
}

static void fill_user_revoke(void *message, struct arena *arena)
{
    Etcdserverpb__AuthUserRevokeRoleRequest *revoke = message;
    revoke->name = arena_text(arena, "root");
    revoke->role = arena_text(arena, "root");
}

static void fill_role_add(void *message, struct arena *arena)
{
    ((Etcdserverpb__AuthRoleAddRequest *)message)->name = arena_text(arena, "own");
}

static void fill_role_get(void *message, struct arena *arena)
{
    ((Etcdserverpb__AuthRoleGetRequest *)message)->role = arena_text(arena, "root");
}

static void fill_role_delete(void *message, struct arena *arena)
{
    ((Etcdserverpb__AuthRoleDeleteRequest *)message)->role = arena_text(arena, "root");
}

static void fill_role_grant(void *message, struct arena *arena)
{
    Etcdserverpb__AuthRoleGrantPermissionRequest *grant = message;
    grant->name = arena_text(arena, "r1");
    grant->perm = new_message(&authpb__permission__descriptor, arena);
    grant->perm->key = bytes_of(arena, strange_key);
}

static void fill_role_revoke(void *message, struct arena *arena)
{
    Etcdserverpb__AuthRoleRevokePermissionRequest *revoke = message;
    revoke->role = arena_text(arena, "r1");
    revoke->key = bytes_of(arena, "a");
    revoke->range_end = bytes_of(arena, "c");
}

static void fill_lock(void *message, struct arena *arena)
{
    ((V3lockpb__LockRequest *)message)->name = bytes_of(arena, strange_key);
}

static void fill_unlock(void *message, struct arena *arena)
{
    ((V3lockpb__UnlockRequest *)message)->key = bytes_of(arena, "x/1");
}

static void fill_campaign(void *message, struct arena *arena)
{
    ((V3electionpb__CampaignRequest *)message)->name = bytes_of(arena, strange_key);
}

static V3electionpb__LeaderKey *leader_key(struct arena *arena)
{
    V3electionpb__LeaderKey *leader = new_message(&v3electionpb__leader_key__descriptor, arena);
    leader->name = bytes_of(arena, strange_key);
    leader->key = bytes_of(arena, "x/1");
    leader->rev = 1;
    return leader;
}

static void fill_proclaim(void *message, struct arena *arena)
{
    ((V3electionpb__ProclaimRequest *)message)->leader = leader_key(arena);
}

static void fill_resign(void *message, struct arena *arena)
{
    ((V3electionpb__ResignRequest *)message)->leader = leader_key(arena);
}

static void fill_leader(void *message, struct arena *arena)
{
    ((V3electionpb__LeaderRequest *)message)->name = bytes_of(arena, strange_key);
}

#define KV          "/etcdserverpb.KV/"
#define CLUSTER     "/etcdserverpb.Cluster/"
#define MAINTENANCE "/etcdserverpb.Maintenance/"
#define AUTH        "/etcdserverpb.Auth/"
#define LOCK        "/v3lockpb.Lock/"
#define ELECTION    "/v3electionpb.Election/"
#define MESSAGES(package, name)                                                                    \
    .request = &package##name##_request__descriptor, .answer = &package##name##_response__descriptor

static const struct guarded {
    const char *path;
    const ProtobufCMessageDescriptor *request, *answer;
    void (*fill)(void *message, struct arena *arena); /* NULL: it is good as it is. */
    bool streams;
} rows[] = {
    {KV "Range", MESSAGES(etcdserverpb__, range), .fill = fill_range},
    {KV "Put", MESSAGES(etcdserverpb__, put), .fill = fill_put},
    {KV "DeleteRange", MESSAGES(etcdserverpb__, delete_range), .fill = fill_delete},
    {CLUSTER "MemberAdd", MESSAGES(etcdserverpb__, member_add), .fill = fill_member_add},
    {CLUSTER "MemberRemove", MESSAGES(etcdserverpb__, member_remove), .fill = fill_member_remove},
    {CLUSTER "MemberUpdate", MESSAGES(etcdserverpb__, member_update), .fill = fill_member_update},
    {CLUSTER "MemberPromote", MESSAGES(etcdserverpb__, member_promote),
     .fill = fill_member_promote},
    {MAINTENANCE "Defragment", MESSAGES(etcdserverpb__, defragment)},
    {MAINTENANCE "Hash", MESSAGES(etcdserverpb__, hash)},
    {MAINTENANCE "HashKV", .request = &etcdserverpb__hash_kvrequest__descriptor,
     .answer = &etcdserverpb__hash_kvresponse__descriptor},
    {MAINTENANCE "Snapshot", MESSAGES(etcdserverpb__, snapshot), .streams = true},
    {AUTH "AuthEnable", MESSAGES(etcdserverpb__, auth_enable)},
    {AUTH "AuthDisable", MESSAGES(etcdserverpb__, auth_disable)},
    {AUTH "UserAdd", MESSAGES(etcdserverpb__, auth_user_add), .fill = fill_user_add},
    {AUTH "UserGet", MESSAGES(etcdserverpb__, auth_user_get), .fill = fill_user_get},
    {AUTH "UserList", MESSAGES(etcdserverpb__, auth_user_list)},
    {AUTH "UserDelete", MESSAGES(etcdserverpb__, auth_user_delete), .fill = fill_user_delete},
    {AUTH "UserChangePassword", MESSAGES(etcdserverpb__, auth_user_change_password),
     .fill = fill_user_password},
    {AUTH "UserGrantRole", MESSAGES(etcdserverpb__, auth_user_grant_role), .fill = fill_user_grant},
    {AUTH "UserRevokeRole", MESSAGES(etcdserverpb__, auth_user_revoke_role),
     .fill = fill_user_revoke},
    {AUTH "RoleAdd", MESSAGES(etcdserverpb__, auth_role_add), .fill = fill_role_add},
    {AUTH "RoleGet", MESSAGES(etcdserverpb__, auth_role_get), .fill = fill_role_get},
    {AUTH "RoleList", MESSAGES(etcdserverpb__, auth_role_list)},
    {AUTH "RoleDelete", MESSAGES(etcdserverpb__, auth_role_delete), .fill = fill_role_delete},
    {AUTH "RoleGrantPermission", MESSAGES(etcdserverpb__, auth_role_grant_permission),
     .fill = fill_role_grant},
    {AUTH "RoleRevokePermission", MESSAGES(etcdserverpb__, auth_role_revoke_permission),
     .fill = fill_role_revoke},
    {LOCK "Lock", MESSAGES(v3lockpb__, lock), .fill = fill_lock},
    {LOCK "Unlock", MESSAGES(v3lockpb__, unlock), .fill = fill_unlock},
    {ELECTION "Campaign", MESSAGES(v3electionpb__, campaign), .fill = fill_campaign},
    {ELECTION "Proclaim", MESSAGES(v3electionpb__, proclaim), .fill = fill_proclaim},
    {ELECTION "Resign", MESSAGES(v3electionpb__, resign), .fill = fill_resign},
    {ELECTION "Leader", MESSAGES(v3electionpb__, leader), .fill = fill_leader},
};

bool guarded(size_t at, struct arena *arena, struct question *ret_question)
{
    static const enum asker askers[] = {ASK_NOBODY, ASK_STRANGER, ASK_ALICE};
    if (at >= ARRAY_LEN(rows) * ARRAY_LEN(askers)) {
        return false;
    }
    const struct guarded *row = &rows[at / ARRAY_LEN(askers)];
    void *message = new_message(row->request, arena);
    if (row->fill != NULL) {
        row->fill(message, arena);
    }
    *ret_question = question_of(row->path, message, row->answer);
    ret_question->asker = askers[at % ARRAY_LEN(askers)];
    ret_question->kind = row->streams ? QUESTION_STREAM : QUESTION_UNARY;
    return true;
}
