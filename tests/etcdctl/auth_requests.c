/* Requests about users and roles. */
#include "tests/etcdctl/differential.h"

#include "lib/base/compiler.h"
#include <string.h>

#define PASSWORD "secret"

static char *text_of(struct arena *arena, const char *text)
{
    return arena_text(arena, text);
}

static char *one_of(struct chooser *chooser, struct arena *arena, const char *const *texts,
                    size_t count)
{
    return text_of(arena, texts[random_below(chooser, count)]);
}

/* While users are required the tokens of alice and root are in use: they stay as they are. */
static char *choose_user(struct chooser *chooser, struct arena *arena)
{
    static const char *const texts[] = {"bob", "carol", "alice", ""};
    return one_of(chooser, arena, texts, chooser->users ? 2 : 4);
}

static char *choose_any_user(struct chooser *chooser, struct arena *arena)
{
    static const char *const texts[] = {"alice", "alice", "bob", "carol", ""};
    return one_of(chooser, arena, texts, ARRAY_LEN(texts) - (chooser->users ? 1 : 0));
}

static char *choose_role(struct chooser *chooser, struct arena *arena)
{
    static const char *const texts[] = {"r1", "r1", "r2", "r2", "r3", ""};
    return one_of(chooser, arena, texts, ARRAY_LEN(texts));
}

/* --- One of each. */

static struct question user_add(struct arena *arena, char *name, bool no_password)
{
    Etcdserverpb__AuthUserAddRequest *add = arena_alloc(arena, sizeof(*add));
    etcdserverpb__auth_user_add_request__init(add);
    add->name = name;
    add->options = arena_alloc(arena, sizeof(*add->options));
    authpb__user_add_options__init(add->options);
    add->options->no_password = no_password;
    add->password = text_of(arena, no_password ? "" : PASSWORD);
    return question_of("/etcdserverpb.Auth/UserAdd", add,
                       &etcdserverpb__auth_user_add_response__descriptor);
}

static struct question user_delete(struct arena *arena, char *name)
{
    Etcdserverpb__AuthUserDeleteRequest *request = arena_alloc(arena, sizeof(*request));
    etcdserverpb__auth_user_delete_request__init(request);
    request->name = name;
    return question_of("/etcdserverpb.Auth/UserDelete", request,
                       &etcdserverpb__auth_user_delete_response__descriptor);
}

static struct question role_add(struct arena *arena, char *name)
{
    Etcdserverpb__AuthRoleAddRequest *add = arena_alloc(arena, sizeof(*add));
    etcdserverpb__auth_role_add_request__init(add);
    add->name = name;
    return question_of("/etcdserverpb.Auth/RoleAdd", add,
                       &etcdserverpb__auth_role_add_response__descriptor);
}

static struct question role_delete(struct arena *arena, char *name)
{
    Etcdserverpb__AuthRoleDeleteRequest *request = arena_alloc(arena, sizeof(*request));
    etcdserverpb__auth_role_delete_request__init(request);
    request->role = name;
    return question_of("/etcdserverpb.Auth/RoleDelete", request,
                       &etcdserverpb__auth_role_delete_response__descriptor);
}

static struct question grant(struct arena *arena, char *user, char *role)
{
    Etcdserverpb__AuthUserGrantRoleRequest *request = arena_alloc(arena, sizeof(*request));
    etcdserverpb__auth_user_grant_role_request__init(request);
    request->user = user;
    request->role = role;
    return question_of("/etcdserverpb.Auth/UserGrantRole", request,
                       &etcdserverpb__auth_user_grant_role_response__descriptor);
}

static struct question permit(struct arena *arena, char *role, Authpb__Permission__Type type,
                              ProtobufCBinaryData key, ProtobufCBinaryData end)
{
    Etcdserverpb__AuthRoleGrantPermissionRequest *request = arena_alloc(arena, sizeof(*request));
    etcdserverpb__auth_role_grant_permission_request__init(request);
    request->name = role;
    request->perm = arena_alloc(arena, sizeof(*request->perm));
    authpb__permission__init(request->perm);
    request->perm->permtype = type;
    request->perm->key = key;
    request->perm->range_end = end;
    return question_of("/etcdserverpb.Auth/RoleGrantPermission", request,
                       &etcdserverpb__auth_role_grant_permission_response__descriptor);
}

/* --- Some of each. */

static struct question choose_user_change(struct chooser *chooser, struct arena *arena)
{
    char *name = choose_user(chooser, arena);
    switch (random_below(chooser, 3)) {
    case 0:
        return user_add(arena, name, /* no_password= */ one_in(chooser, 2));
    case 1:
        return user_delete(arena, name);
    default: {
        Etcdserverpb__AuthUserChangePasswordRequest *change = arena_alloc(arena, sizeof(*change));
        etcdserverpb__auth_user_change_password_request__init(change);
        change->name = name;
        change->password = text_of(arena, PASSWORD);
        return question_of("/etcdserverpb.Auth/UserChangePassword", change,
                           &etcdserverpb__auth_user_change_password_response__descriptor);
    }
    }
}

static struct question choose_user_role(struct chooser *chooser, struct arena *arena)
{
    if (one_in(chooser, 2)) {
        char *user = choose_any_user(chooser, arena);
        return grant(arena, user, choose_role(chooser, arena));
    }
    Etcdserverpb__AuthUserRevokeRoleRequest *revoke = arena_alloc(arena, sizeof(*revoke));
    etcdserverpb__auth_user_revoke_role_request__init(revoke);
    revoke->name = choose_any_user(chooser, arena);
    revoke->role = choose_role(chooser, arena);
    return question_of("/etcdserverpb.Auth/UserRevokeRole", revoke,
                       &etcdserverpb__auth_user_revoke_role_response__descriptor);
}

static struct question choose_permission(struct chooser *chooser, struct arena *arena)
{
    ProtobufCBinaryData key = choose_key(chooser, arena);
    ProtobufCBinaryData end = choose_end(chooser, arena);
    if (key.len == 0 || is_inverted(key, end)) { /* etcd refuses it from 3.5 on, and so do we. */
        key = (ProtobufCBinaryData){.len = 1, .data = (uint8_t *)text_of(arena, "a")};
        end = (ProtobufCBinaryData){.len = 1, .data = (uint8_t *)text_of(arena, "b")};
    }
    if (!one_in(chooser, 3)) {
        char *role = choose_role(chooser, arena);
        return permit(arena, role, (Authpb__Permission__Type)random_below(chooser, 3), key, end);
    }
    Etcdserverpb__AuthRoleRevokePermissionRequest *revoke = arena_alloc(arena, sizeof(*revoke));
    etcdserverpb__auth_role_revoke_permission_request__init(revoke);
    revoke->role = choose_role(chooser, arena);
    revoke->key = key;
    revoke->range_end = end;
    return question_of("/etcdserverpb.Auth/RoleRevokePermission", revoke,
                       &etcdserverpb__auth_role_revoke_permission_response__descriptor);
}

static struct question choose_role_change(struct chooser *chooser, struct arena *arena)
{
    char *name = choose_role(chooser, arena);
    return one_in(chooser, 3) ? role_delete(arena, name) : role_add(arena, name);
}

static struct question choose_look(struct chooser *chooser, struct arena *arena)
{
    switch (random_below(chooser, 4)) {
    case 0: {
        Etcdserverpb__AuthUserGetRequest *get = arena_alloc(arena, sizeof(*get));
        etcdserverpb__auth_user_get_request__init(get);
        get->name = choose_any_user(chooser, arena);
        return question_of("/etcdserverpb.Auth/UserGet", get,
                           &etcdserverpb__auth_user_get_response__descriptor);
    }
    case 1: {
        Etcdserverpb__AuthRoleGetRequest *get = arena_alloc(arena, sizeof(*get));
        etcdserverpb__auth_role_get_request__init(get);
        get->role = choose_role(chooser, arena);
        return question_of("/etcdserverpb.Auth/RoleGet", get,
                           &etcdserverpb__auth_role_get_response__descriptor);
    }
    case 2: {
        static const Etcdserverpb__AuthUserListRequest list =
            ETCDSERVERPB__AUTH_USER_LIST_REQUEST__INIT;
        return question_of("/etcdserverpb.Auth/UserList", &list,
                           &etcdserverpb__auth_user_list_response__descriptor);
    }
    default: {
        static const Etcdserverpb__AuthRoleListRequest list =
            ETCDSERVERPB__AUTH_ROLE_LIST_REQUEST__INIT;
        return question_of("/etcdserverpb.Auth/RoleList", &list,
                           &etcdserverpb__auth_role_list_response__descriptor);
    }
    }
}

struct question authenticate(const char *name, struct arena *arena)
{
    Etcdserverpb__AuthenticateRequest *request = arena_alloc(arena, sizeof(*request));
    etcdserverpb__authenticate_request__init(request);
    request->name = text_of(arena, name);
    request->password = text_of(arena, PASSWORD);
    struct question question = question_of("/etcdserverpb.Auth/Authenticate", request,
                                           &etcdserverpb__authenticate_response__descriptor);
    question.asker = ASK_NOBODY;
    return question;
}

struct question choose_auth(struct chooser *chooser, struct arena *arena)
{
    static const Etcdserverpb__AuthEnableRequest enable = ETCDSERVERPB__AUTH_ENABLE_REQUEST__INIT;
    uint64_t kind = random_below(chooser, 40);
    if (kind == 0) { /* To others etcd tells who has no password. */
        return authenticate(one_in(chooser, 2) ? "alice" : "nobody", arena);
    }
    if (kind == 1 && !chooser->users) { /* Without root. */
        return question_of("/etcdserverpb.Auth/AuthEnable", &enable,
                           &etcdserverpb__auth_enable_response__descriptor);
    }
    return kind < 4    ? choose_user_change(chooser, arena)
           : kind < 12 ? choose_user_role(chooser, arena)
           : kind < 24 ? choose_permission(chooser, arena)
           : kind < 30 ? choose_role_change(chooser, arena)
                       : choose_look(chooser, arena);
}

/* --- Before and after. */

enum step_kind { USER_DELETE, ROLE_DELETE, USER_ADD, ROLE_ADD, PERMIT, GRANT, ENABLE, DISABLE };

struct step {
    enum step_kind kind;
    const char *name, *role;
};

static struct question step_question(const struct step *step, struct arena *arena)
{
    static const Etcdserverpb__AuthEnableRequest enable = ETCDSERVERPB__AUTH_ENABLE_REQUEST__INIT;
    static const Etcdserverpb__AuthDisableRequest disable =
        ETCDSERVERPB__AUTH_DISABLE_REQUEST__INIT;
    switch (step->kind) {
    case USER_DELETE:
        return user_delete(arena, text_of(arena, step->name));
    case ROLE_DELETE:
        return role_delete(arena, text_of(arena, step->name));
    case USER_ADD:
        return user_add(arena, text_of(arena, step->name), /* no_password= */ false);
    case ROLE_ADD:
        return role_add(arena, text_of(arena, step->name));
    case PERMIT:
        return permit(arena, text_of(arena, step->name), AUTHPB__PERMISSION__TYPE__READWRITE,
                      (ProtobufCBinaryData){.len = 1, .data = (uint8_t *)text_of(arena, "a")},
                      (ProtobufCBinaryData){.len = 1, .data = (uint8_t *)text_of(arena, "c")});
    case GRANT:
        return grant(arena, text_of(arena, step->name), text_of(arena, step->role));
    case ENABLE:
        return question_of("/etcdserverpb.Auth/AuthEnable", &enable,
                           &etcdserverpb__auth_enable_response__descriptor);
    case DISABLE:
        break;
    }
    return question_of("/etcdserverpb.Auth/AuthDisable", &disable,
                       &etcdserverpb__auth_disable_response__descriptor);
}

static bool step_at(const struct step *steps, size_t count, size_t at, struct arena *arena,
                    struct question *ret_question)
{
    if (at < count) {
        *ret_question = step_question(&steps[at], arena);
        /* etcd 3.4 does not like a token when nobody needs one. */
        ret_question->asker = steps[at].kind == DISABLE ? ASK_ROOT : ASK_NOBODY;
    }
    return at < count;
}

bool users_begin(size_t at, struct arena *arena, struct question *ret_question)
{
    static const struct step steps[] = {
        {USER_DELETE, "alice", ""}, {ROLE_DELETE, "r1", ""}, {USER_ADD, "root", ""},
        {ROLE_ADD, "root", ""},     {GRANT, "root", "root"}, {USER_ADD, "alice", ""},
        {ROLE_ADD, "r1", ""},       {PERMIT, "r1", ""},      {GRANT, "alice", "r1"},
        {ENABLE, "", ""},
    };
    return step_at(steps, ARRAY_LEN(steps), at, arena, ret_question);
}

bool users_end(size_t at, struct arena *arena, struct question *ret_question)
{
    static const struct step steps[] = {
        {DISABLE, "", ""},        {USER_DELETE, "root", ""},  {USER_DELETE, "alice", ""},
        {USER_DELETE, "bob", ""}, {USER_DELETE, "carol", ""}, {ROLE_DELETE, "root", ""},
        {ROLE_DELETE, "r1", ""},  {ROLE_DELETE, "r2", ""},    {ROLE_DELETE, "r3", ""},
    };
    return step_at(steps, ARRAY_LEN(steps), at, arena, ret_question);
}
