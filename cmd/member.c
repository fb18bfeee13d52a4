/* `coracle member`: who belongs to the control plane, asked of any member and changed through any.
 */
#include "cmd/command_run.h"
#include "cmd/commands.h"
#include "cmd/etcd_client.h"
#include "etcd/rpc.pb-c.h"
#include "lib/base/arena.h"
#include "lib/base/url_list.h"
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct operation {
    const struct flag_set *set;
    struct etcd_client *client;
    struct arena *arena;
    struct error *reterr;
};

static int read_list(const struct operation *operation, Etcdserverpb__MemberListResponse **ret_list)
{
    Etcdserverpb__MemberListRequest request = ETCDSERVERPB__MEMBER_LIST_REQUEST__INIT;
    ProtobufCMessage *message;
    request.linearizable = true;
    int result = etcd_client_call(operation->client, "/etcdserverpb.Cluster/MemberList",
                                  &request.base, &etcdserverpb__member_list_response__descriptor, 0,
                                  &message, operation->reterr);
    if (result < 0) {
        return result;
    }
    *ret_list = (Etcdserverpb__MemberListResponse *)(void *)message;
    return 0;
}

static const char *joined(const struct operation *operation, char *const *urls, size_t count)
{
    const char *text = count == 0 ? "-" : urls[0];
    for (size_t i = 1; i < count; i++) {
        text = arena_printf(operation->arena, "%s,%s", text, urls[i]);
    }
    return text;
}

static void print_json(const struct operation *operation,
                       const Etcdserverpb__MemberListResponse *list)
{
    printf("{\"cluster\":\"%016" PRIx64 "\",\"members\":[",
           list->header == NULL ? 0 : list->header->cluster_id);
    for (size_t i = 0; i < list->n_members; i++) {
        const Etcdserverpb__Member *member = list->members[i];
        printf("%s{\"id\":\"%016" PRIx64
               "\",\"name\":\"%s\",\"peerURL\":\"%s\",\"clientURL\":\"%s\""
               ",\"learner\":%s}",
               i == 0 ? "" : ",", member->id, member->name,
               joined(operation, member->peerurls, member->n_peerurls),
               joined(operation, member->clienturls, member->n_clienturls),
               member->islearner ? "true" : "false");
    }
    printf("]}\n");
}

static int list_members(const struct operation *operation)
{
    Etcdserverpb__MemberListResponse *list = NULL;
    int result = read_list(operation, &list);
    if (result != 0) {
        return result;
    }
    assert(list != NULL);
    if (flag_on(operation->set, "json")) {
        print_json(operation, list);
    } else {
        printf("%-16s %-16s %-9s %-32s %s\n", "ID", "NAME", "STATE", "PEER", "CLIENT");
        for (size_t i = 0; i < list->n_members; i++) {
            const Etcdserverpb__Member *member = list->members[i];
            const char *state = member->n_clienturls == 0 ? "unstarted"
                                : member->islearner       ? "learner"
                                                          : "voter";
            printf("%016" PRIx64 " %-16s %-9s %-32s %s\n", member->id,
                   member->name[0] == '\0' ? "-" : member->name, state,
                   joined(operation, member->peerurls, member->n_peerurls),
                   joined(operation, member->clienturls, member->n_clienturls));
        }
    }
    etcdserverpb__member_list_response__free_unpacked(list, NULL);
    return 0;
}

static bool has_url(const Etcdserverpb__Member *member, const char *url)
{
    for (size_t i = 0; i < member->n_peerurls; i++) {
        if (strcmp(member->peerurls[i], url) == 0) {
            return true;
        }
    }
    return false;
}

/* An id in hexadecimal, or a name, or a peer URL. */
static int find(const struct operation *operation, const char *which, uint64_t *ret_id)
{
    Etcdserverpb__MemberListResponse *list = NULL;
    int result = read_list(operation, &list);
    if (result < 0) {
        return result;
    }
    char *end;
    uint64_t id = strtoull(which, &end, 16);
    bool is_number = end != which && *end == '\0';
    size_t found = 0;
    for (size_t i = 0; i < list->n_members; i++) {
        const Etcdserverpb__Member *member = list->members[i];
        bool same = (is_number && member->id == id) || strcmp(member->name, which) == 0 ||
                    has_url(member, which);
        if (same) {
            *ret_id = member->id;
            found++;
        }
    }
    etcdserverpb__member_list_response__free_unpacked(list, NULL);
    if (found != 1) {
        return error_set(operation->reterr, -ENOENT,
                         found == 0 ? "there is no member %s" : "%s is more than one member",
                         which);
    }
    return 0;
}

static int change(const struct operation *operation, const char *path,
                  const ProtobufCMessage *request, const ProtobufCMessageDescriptor *descriptor)
{
    ProtobufCMessage *message;
    int result = etcd_client_call(operation->client, path, request, descriptor, 0, &message,
                                  operation->reterr);
    if (result == 0) {
        protobuf_c_message_free_unpacked(message, NULL);
        result = list_members(operation);
    }
    return result;
}

/* Peer URLs, separated by commas. */
static int split(const struct operation *operation, const char *list, char *urls[URL_LIST_MAX],
                 size_t *ret_count)
{
    struct slice url;
    size_t count = 0;
    while (url_list_next(&list, &url)) {
        if (count == URL_LIST_MAX) {
            return error_set(operation->reterr, -EINVAL, "a member has at most %d peer URLs",
                             URL_LIST_MAX);
        }
        urls[count++] = arena_text_n(operation->arena, (const char *)url.data, url.len);
    }
    *ret_count = count;
    return 0;
}

static int add(const struct operation *operation, const char *url)
{
    Etcdserverpb__MemberAddRequest request = ETCDSERVERPB__MEMBER_ADD_REQUEST__INIT;
    char *urls[URL_LIST_MAX];
    request.peerurls = urls;
    request.islearner = flag_on(operation->set, "learner");
    int result = split(operation, url, urls, &request.n_peerurls);
    if (result == 0) {
        result = change(operation, "/etcdserverpb.Cluster/MemberAdd", &request.base,
                        &etcdserverpb__member_add_response__descriptor);
    }
    if (result == 0 && !flag_on(operation->set, "json")) {
        printf("\nNow start it with an empty data directory and this cluster's pki files:\n"
               "  coracle server --name NAME --peer-url %s --join %s ...\n",
               url, flag_text(operation->set, "endpoints"));
    }
    return result;
}

static int promote(const struct operation *operation, const char *which)
{
    Etcdserverpb__MemberPromoteRequest request = ETCDSERVERPB__MEMBER_PROMOTE_REQUEST__INIT;
    int result = find(operation, which, &request.id);
    return result < 0 ? result
                      : change(operation, "/etcdserverpb.Cluster/MemberPromote", &request.base,
                               &etcdserverpb__member_promote_response__descriptor);
}

static int remove_member(const struct operation *operation, const char *which)
{
    Etcdserverpb__MemberRemoveRequest request = ETCDSERVERPB__MEMBER_REMOVE_REQUEST__INIT;
    int result = find(operation, which, &request.id);
    return result < 0 ? result
                      : change(operation, "/etcdserverpb.Cluster/MemberRemove", &request.base,
                               &etcdserverpb__member_remove_response__descriptor);
}

static int update(const struct operation *operation, const char *which, const char *url)
{
    Etcdserverpb__MemberUpdateRequest request = ETCDSERVERPB__MEMBER_UPDATE_REQUEST__INIT;
    char *urls[URL_LIST_MAX];
    request.peerurls = urls;
    int result = split(operation, url, urls, &request.n_peerurls);
    if (result == 0) {
        result = find(operation, which, &request.id);
    }
    return result < 0 ? result
                      : change(operation, "/etcdserverpb.Cluster/MemberUpdate", &request.base,
                               &etcdserverpb__member_update_response__descriptor);
}

static int carry_out(const struct operation *operation)
{
    const struct flag_set *set = operation->set;
    const char *verb = set->operands[0];
    if (strcmp(verb, "list") == 0) {
        return list_members(operation);
    }
    if (strcmp(verb, "add") == 0) {
        return add(operation, set->operands[1]);
    }
    if (strcmp(verb, "promote") == 0) {
        return promote(operation, set->operands[1]);
    }
    if (strcmp(verb, "update") == 0) {
        return update(operation, set->operands[1], set->operands[2]);
    }
    return remove_member(operation, set->operands[1]);
}

static int check(const struct flag_set *set, struct error *reterr)
{
    static const struct {
        const char *verb;
        size_t operands;
        const char *form;
    } verbs[] = {{"list", 1, "list"},
                 {"add", 2, "add PEER-URL[,PEER-URL]"},
                 {"promote", 2, "promote ID|NAME|PEER-URL"},
                 {"remove", 2, "remove ID|NAME|PEER-URL"},
                 {"update", 3, "update ID|NAME|PEER-URL NEW-PEER-URL[,PEER-URL]"}};
    const char *verb = set->operand_count == 0 ? "" : set->operands[0];
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        if (strcmp(verbs[i].verb, verb) == 0) {
            return set->operand_count == verbs[i].operands
                       ? 0
                       : error_set(reterr, -EINVAL, "must be: coracle member %s", verbs[i].form);
        }
    }
    return error_set(reterr, -EINVAL, "say what to do: list, add, promote, remove or update");
}

static int run(const struct flag_set *set, struct error *reterr)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    struct operation operation = {.set = set, .arena = arena, .reterr = reterr};
    struct etcd_client_options options = etcd_client_options_of(set);
    int result = check(set, reterr);
    if (result == 0) {
        result = etcd_client_open(&options, &operation.client, reterr);
    }
    if (result == 0) {
        result = carry_out(&operation);
        etcd_client_close(operation.client);
    }
    return result;
}

int command_member(int argc, char **argv)
{
    struct flag flags[ETCD_CLIENT_FLAGS + 2] = {
        [ETCD_CLIENT_FLAGS] = {.name = "learner",
                               .help = "add: gets the log, but no vote until it is promoted"},
        {.name = "json", .help = "print the members as JSON"},
    };
    etcd_client_flags(flags);
    struct flag_set set = {
        .usage = "coracle member list|add|promote|remove|update [ID|NAME|PEER-URL] [flags]",
        .summary =
            "Members of the control plane. Any member may be asked, and all changes go through "
            "the\n"
            "leader. `coracle server --join` adds a server without this command; a member that is\n"
            "added here gets its vote by itself once it runs and is in sync.",
        .flags = flags,
        .count = sizeof(flags) / sizeof(flags[0]),
        .operands_max = 3,
    };
    const struct command command = {
        .name = "member", .run = run, .checks_words = true, .server_flag = "endpoints"};
    return command_run(&command, &set, argc, argv);
}
