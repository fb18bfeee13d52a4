/* `coracle status`: asks every member and the API, and says what is wrong when something is. */
#include "cmd/api_call.h"
#include "cmd/command_run.h"
#include "cmd/commands.h"
#include "cmd/etcd_client.h"
#include "cmd/flags.h"
#include "cmd/local_cluster.h"
#include "cmd/member_status.h"
#include "etcd/rpc.pb-c.h"
#include "lib/base/alloc.h"
#include "lib/net/stream.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MEMBERS_MAX = 16, LAG_MAX = 1000, LIST_TIMEOUT_MS = 2000 };

struct report {
    struct member_status members[MEMBERS_MAX];
    size_t member_count;
    Etcdserverpb__MemberListResponse *list; /* By the first that answered; NULL: nobody says. */
    json_t *nodes;                          /* A NodeList, or NULL when the API did not answer. */
    size_t problems;
};

static void problem(struct report *report, const char *text)
{
    if (report->problems++ == 0) {
        printf("\nWrong:\n");
    }
    printf("  - %s\n", text);
}

/* --- Who is a member --- */

static bool has_address(const Etcdserverpb__Member *listed, const char *address)
{
    bool found = false;
    for (size_t i = 0; i < listed->n_clienturls && !found; i++) {
        struct net_address parsed;
        if (net_address_parse(listed->clienturls[i], &parsed) == 0) {
            CLEANUP(alloc_freep) char *text = alloc_printf("%s:%u", parsed.host, parsed.port);
            found = strcmp(text, address) == 0;
        }
    }
    return found;
}

/* A member that has not said where it is yet may be at any address. */
static bool may_be(const Etcdserverpb__Member *listed, const struct member_status *member)
{
    return member->answered ? listed->id == member->id
                            : listed->n_clienturls == 0 || has_address(listed, member->address);
}

static bool is_listed(const struct report *report, const struct member_status *member)
{
    bool found = report->list == NULL;
    for (size_t i = 0; !found && i < report->list->n_members; i++) {
        found = may_be(report->list->members[i], member);
    }
    return found;
}

/* It was asked at an address of its own, and nobody has answered as it. */
static bool is_silent(const struct report *report, const Etcdserverpb__Member *listed)
{
    bool silent = false;
    for (size_t i = 0; i < report->member_count; i++) {
        const struct member_status *member = &report->members[i];
        if (member->answered && member->id == listed->id) {
            return false;
        }
        silent |= !member->answered && may_be(listed, member);
    }
    return silent;
}

/* Of those who vote, as far as is known; who was not asked may well be there. */
static bool lacks_majority(const struct report *report)
{
    size_t voters = 0, silent = 0;
    for (size_t i = 0; report->list == NULL && i < report->member_count; i++) {
        voters++;
        silent += !report->members[i].answered;
    }
    for (size_t i = 0; report->list != NULL && i < report->list->n_members; i++) {
        const Etcdserverpb__Member *listed = report->list->members[i];
        voters += !listed->islearner;
        silent += !listed->islearner && is_silent(report, listed);
    }
    return (voters - silent) * 2 <= voters;
}

static const struct member_status *first_answer(const struct report *report)
{
    size_t i = 0;
    while (i < report->member_count && !report->members[i].answered) {
        i++;
    }
    return i == report->member_count ? NULL : &report->members[i];
}

static const struct member_status *leader_of(const struct report *report)
{
    for (size_t i = 0; i < report->member_count; i++) {
        const struct member_status *member = &report->members[i];
        if (member->answered && member->leader_id == member->id && is_listed(report, member)) {
            return member;
        }
    }
    return NULL;
}

/* What a member says of who leads counts where that one was not asked itself. */
static bool has_leader(const struct report *report)
{
    bool named = false, asked = false;
    for (size_t i = 0; i < report->member_count; i++) {
        const struct member_status *member = &report->members[i];
        if (!member->answered || member->leader_id == 0 || !is_listed(report, member)) {
            continue;
        }
        named = true;
        for (size_t j = 0; j < report->member_count; j++) {
            asked |= report->members[j].answered && report->members[j].id == member->leader_id;
        }
    }
    return asked ? leader_of(report) != NULL : named;
}

static uint64_t lag_of(const struct report *report, const struct member_status *member)
{
    const struct member_status *leader = leader_of(report);
    return leader == NULL || leader->applied <= member->applied ? 0
                                                                : leader->applied - member->applied;
}

static void print_members(const struct report *report)
{
    printf("%-24s %-9s %6s %10s %6s\n", "MEMBER", "ROLE", "TERM", "APPLIED", "LAG");
    for (size_t i = 0; i < report->member_count; i++) {
        const struct member_status *member = &report->members[i];
        if (!member->answered) {
            printf("%-24s %-9s\n", member->address, "silent");
            continue;
        }
        printf("%-24s %-9s %6llu %10llu %6llu\n", member->address,
               member->leader_id == member->id ? "leader" : "follower",
               (unsigned long long)member->term, (unsigned long long)member->applied,
               (unsigned long long)lag_of(report, member));
    }
}

/* The status of the condition `type`, or "Unknown". */
static const char *condition(const json_t *node, const char *type, const char **ret_message)
{
    size_t index;
    const json_t *item;
    json_array_foreach(json_object_get(json_object_get(node, "status"), "conditions"), index, item)
    {
        const char *found = json_string_value(json_object_get(item, "type"));
        if (found != NULL && strcmp(found, type) == 0) {
            const char *message = json_string_value(json_object_get(item, "message"));
            const char *status = json_string_value(json_object_get(item, "status"));
            *ret_message = message == NULL ? "" : message;
            return status == NULL ? "Unknown" : status;
        }
    }
    *ret_message = "it has reported nothing yet";
    return "Unknown";
}

static const char *node_name(const json_t *node)
{
    const char *name =
        json_string_value(json_object_get(json_object_get(node, "metadata"), "name"));
    return name == NULL ? "?" : name;
}

static void print_nodes(const struct report *report)
{
    size_t index;
    const json_t *node;
    printf("\n%-24s %-9s\n", "NODE", "READY");
    json_array_foreach(json_object_get(report->nodes, "items"), index, node)
    {
        const char *message;
        printf("%-24s %-9s\n", node_name(node), condition(node, "Ready", &message));
    }
}

/* NULL: nothing is wrong with it. */
static char *problem_of(const struct report *report, const struct member_status *member)
{
    if (!is_listed(report, member)) {
        const char *other = first_answer(report)->address;
        return member->answered
                   ? alloc_printf("%s is no member of the cluster of %s", member->address, other)
                   : alloc_printf("%s does not answer, and is the address of no member: %s",
                                  member->address, member->reason);
    }
    if (!member->answered) {
        return alloc_printf("member %s does not answer: %s. Its log says more.", member->address,
                            member->reason);
    }
    return lag_of(report, member) <= LAG_MAX
               ? NULL
               : alloc_printf("member %s is %llu entries behind: slow disk or network?",
                              member->address, (unsigned long long)lag_of(report, member));
}

static void print_problems(struct report *report)
{
    for (size_t i = 0; i < report->member_count; i++) {
        const struct member_status *member = &report->members[i];
        char *text = problem_of(report, member);
        if (text != NULL) {
            problem(report, text);
            free(text);
        }
    }
    if (lacks_majority(report)) {
        problem(report, "no majority of members answers: nothing can be written until one does");
    } else if (!has_leader(report)) {
        problem(report, "the members have no leader; an election takes less than a second, so look "
                        "again, and then at the network between them");
    }
    if (report->nodes == NULL) {
        problem(report, "the API does not answer");
    }
    size_t index;
    const json_t *node;
    json_array_foreach(json_object_get(report->nodes, "items"), index, node)
    {
        const char *message;
        if (strcmp(condition(node, "Ready", &message), "True") != 0) {
            char *text = alloc_printf("node %s is not ready: %s", node_name(node), message);
            problem(report, text);
            free(text);
        }
    }
}

static void print_json(const struct report *report)
{
    json_t *members = json_array();
    for (size_t i = 0; i < report->member_count; i++) {
        const struct member_status *member = &report->members[i];
        json_array_append_new(
            members, json_pack("{s:s, s:b, s:b, s:I, s:I}", "address", member->address, "answered",
                               (int)member->answered, "leader",
                               (int)(member->answered && member->leader_id == member->id), "term",
                               (json_int_t)member->term, "applied", (json_int_t)member->applied));
    }
    json_t *all = json_pack("{s:o}", "members", members);
    char *text = json_dumps(all, JSON_INDENT(2));
    printf("%s\n", text);
    free(text);
    json_decref(all);
}

static void read_list(struct report *report, const char *data_dir, const char *const *urls)
{
    CLEANUP(error_release) struct error error = {.code = 0};
    Etcdserverpb__MemberListRequest request = ETCDSERVERPB__MEMBER_LIST_REQUEST__INIT;
    const struct member_status *first = first_answer(report);
    if (first == NULL) {
        return;
    }
    const struct etcd_client_options options = {
        .endpoints = &urls[first - report->members], .endpoint_count = 1, .data_dir = data_dir};
    struct etcd_client *client = NULL;
    ProtobufCMessage *message = NULL;
    if (etcd_client_open(&options, &client, &error) == 0 &&
        etcd_client_call(client, "/etcdserverpb.Cluster/MemberList", &request.base,
                         &etcdserverpb__member_list_response__descriptor, LIST_TIMEOUT_MS, &message,
                         &error) == 0) {
        report->list = (Etcdserverpb__MemberListResponse *)(void *)message;
    }
    etcd_client_close(client);
}

static void read_nodes(struct report *report, const struct api_target *target)
{
    CLEANUP(buffer_release) struct buffer answer;
    CLEANUP(error_release) struct error error = {.code = 0};
    buffer_init(&answer, API_ANSWER_BYTES_MAX);
    struct api_request request = {.method = "GET", .path = "/api/v1/nodes"};
    unsigned status = 0;
    if (api_call(target, &request, &status, &answer, &error) == 0 && status == 200) {
        report->nodes = json_loads(buffer_text(&answer), 0, NULL);
    }
}

/* Which members there are: by flags, or those of a cluster of `coracle up`. */
struct places {
    char *data_dir;
    char *servers[MEMBERS_MAX];
    char *etcd[MEMBERS_MAX];
    size_t count;
};

static void places_release(struct places *places)
{
    for (size_t i = 0; i < places->count; i++) {
        free(places->servers[i]);
        free(places->etcd[i]);
    }
    free(places->data_dir);
}

static int find_places(const struct flag_set *set, struct places *places, struct error *reterr)
{
    const struct flag *servers = flag_get(set, "server");
    const struct flag *etcd = flag_get(set, "etcd");
    if (servers->count > 0) {
        if (etcd->count != servers->count || servers->count > MEMBERS_MAX) {
            return error_set(reterr, -EINVAL,
                             "give one --etcd https://HOST:2379 for each --server, at most %d",
                             MEMBERS_MAX);
        }
        places->data_dir = alloc_text(flag_text(set, "data-dir"));
        for (size_t i = 0; i < servers->count; i++) {
            places->servers[i] = alloc_text(servers->values[i]);
            places->etcd[i] = alloc_text(etcd->values[i]);
        }
        places->count = servers->count;
        return 0;
    }
    char *dir = flag_text(set, "dir") == NULL ? local_cluster_default_dir()
                                              : alloc_text(flag_text(set, "dir"));
    struct local_cluster cluster;
    int result = local_cluster_load(dir, &cluster, reterr);
    free(dir);
    if (result < 0) {
        return error_set(reterr, result,
                         "%s. Name the members of a cluster of several machines: --server "
                         "https://HOST:6443,... --etcd https://HOST:2379,...",
                         error_message(reterr));
    }
    places->data_dir = local_server_dir(&cluster, 1);
    for (long i = 1; i <= cluster.server_count; i++) {
        char *ip = local_server_ip(&cluster, i);
        places->servers[places->count] = local_server_url(&cluster, i);
        places->etcd[places->count++] = alloc_printf("https://%s:2379", ip);
        free(ip);
    }
    local_cluster_release(&cluster);
    return 0;
}

static int run(const struct flag_set *set, struct error *reterr)
{
    struct places places = {.count = 0};
    int result = find_places(set, &places, reterr);
    if (result < 0) {
        return result;
    }
    const char *output = flag_text(set, "output");
    if (strcmp(output, "text") != 0 && strcmp(output, "json") != 0) {
        places_release(&places);
        return error_set(reterr, -EINVAL, "--output=%s: must be text or json", output);
    }
    struct report report = {.member_count = places.count};
    result = member_status_read(places.data_dir, (const char *const *)places.etcd, places.count,
                                report.members, reterr);
    if (result == 0 && strcmp(output, "json") == 0) {
        print_json(&report);
    } else if (result == 0) {
        struct api_target target = {.data_dir = places.data_dir,
                                    .servers = (const char *const *)places.servers,
                                    .server_count = places.count,
                                    .timeout_ms = 2000};
        read_list(&report, places.data_dir, (const char *const *)places.etcd);
        read_nodes(&report, &target);
        print_members(&report);
        print_nodes(&report);
        print_problems(&report);
        if (report.problems > 0) {
            result = error_set(reterr, -EIO, "%zu %s wrong", report.problems,
                               report.problems == 1 ? "thing is" : "things are");
        } else {
            printf("\nall is well\n");
        }
    }
    for (size_t i = 0; i < report.member_count; i++) {
        member_status_release(&report.members[i]);
    }
    etcdserverpb__member_list_response__free_unpacked(report.list, NULL);
    json_decref(report.nodes);
    places_release(&places);
    return result;
}

int command_status(int argc, char **argv)
{
    struct flag flags[] = {
        {.name = "dir", .placeholder = "DIR", .help = "of a cluster started by `coracle up`"},
        {.name = "server",
         .placeholder = "URL",
         .list = true,
         .help = "API servers, https://HOST:6443, instead of --dir"},
        {.name = "etcd",
         .placeholder = "URL",
         .list = true,
         .help = "their etcd listeners, https://HOST:2379, in the same order"},
        {.name = "data-dir",
         .placeholder = "DIR",
         .fallback = "/var/lib/coracle",
         .help = "data directory of a server, with --server: the certificates are there"},
        {.name = "output",
         .placeholder = "text|json",
         .fallback = "text",
         .help = "json prints the members only"},
    };
    struct flag_set set = {
        .usage = "coracle status [flags]",
        .summary =
            "Shows members, leader, terms, lag and nodes, and says what is wrong. Exits with 1\n"
            "when something is.",
        .flags = flags,
        .count = sizeof(flags) / sizeof(flags[0]),
    };
    const struct command command = {.name = "status", .run = run};
    return command_run(&command, &set, argc, argv);
}
