/* The audit log: which rule of a policy fits, what is wrong with one that is refused, how an event
 * looks, and that the file is begun anew when it is full and never waited for. */
#include "apiserver/audit_event.h"
#include "apiserver/audit_log.h"
#include "apiserver/limits.h"
#include "lib/base/alloc.h"
#include "lib/base/file.h"
#include "lib/base/metrics.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define HEAD "apiVersion: audit.k8s.io/v1\nkind: Policy\n"
enum { TEXT_MAX = 1 << 20 };

Suite *audit_suite(void);

/* --- Policies --- */

static struct audit_policy *parse(const char *text)
{
    struct audit_policy *policy = NULL;
    CLEANUP(error_release) struct error error = {0};
    int status = audit_policy_parse(slice_text(text), &policy, &error);
    ck_assert_msg(status == 0, "%s", error_message(&error));
    return policy;
}

static const char *const admins[] = {"admins", "system:authenticated"};
static const struct user alice = {.name = "alice", .uid = "", .groups = admins, .group_count = 2};

static struct access object_access(const char *verb, const char *group, const char *resource,
                                   const char *subresource, const char *namespace, const char *name)
{
    return (struct access){.verb = verb,
                           .is_resource = true,
                           .group = group,
                           .resource = resource,
                           .subresource = subresource,
                           .namespace = namespace,
                           .name = name,
                           .path = ""};
}

static struct access path_access(const char *path)
{
    return (struct access){.verb = "get",
                           .group = "",
                           .resource = "",
                           .subresource = "",
                           .namespace = "",
                           .name = "",
                           .path = path};
}

static enum audit_level level_of(const char *rule, const struct user *user,
                                 const struct access *access)
{
    char text[1024];
    snprintf(text, sizeof(text), HEAD "rules:\n- {level: Request, %s}\n", rule);
    struct audit_policy *policy = parse(text);
    enum audit_level level = audit_policy_decide(policy, user, access).level;
    audit_policy_free(policy);
    return level;
}

static bool fits(const char *rule, const struct access *access)
{
    return level_of(rule, &alice, access) == AUDIT_REQUEST;
}

START_TEST(a_rule_fits_by_user_group_and_verb)
{
    const struct access get = object_access("get", "", "pods", "", "a", "p");
    ck_assert(fits("users: [bob, alice]", &get));
    ck_assert(!fits("users: [bob]", &get));
    ck_assert(fits("userGroups: [admins]", &get));
    ck_assert(!fits("userGroups: [others]", &get));
    ck_assert(fits("verbs: [get, list]", &get));
    ck_assert(!fits("verbs: [list]", &get));
    ck_assert(!fits("users: [alice], verbs: [list]", &get));
    ck_assert_int_eq(level_of("users: [alice]", NULL, &get), AUDIT_NONE);
    ck_assert_int_eq(level_of("userGroups: [admins]", NULL, &get), AUDIT_NONE);
    ck_assert_int_eq(level_of("verbs: [get]", NULL, &get), AUDIT_REQUEST);
}
END_TEST

START_TEST(a_rule_fits_by_resource)
{
    static const struct {
        const char *rule;
        bool pod, log, deployment, node;
    } rows[] = {
        {"resources: [{group: \"\"}]", true, true, false, true},
        {"resources: [{group: \"\", resources: [pods]}]", true, false, false, false},
        {"resources: [{group: \"\", resources: [pods/log]}]", false, true, false, false},
        {"resources: [{group: \"\", resources: [\"pods/*\"]}]", true, true, false, false},
        {"resources: [{group: \"\", resources: [\"*/log\"]}]", false, true, false, false},
        {"resources: [{group: \"\", resources: [\"*\"]}]", true, true, false, true},
        {"resources: [{group: apps, resources: [deployments]}]", false, false, true, false},
        {"resources: [{group: \"\", resources: [pods], resourceNames: [p]}]", true, false, false,
         false},
        {"resources: [{group: \"\", resources: [pods], resourceNames: [q]}]", false, false, false,
         false},
        {"namespaces: [a]", true, true, true, false},
        {"namespaces: [\"\"]", false, false, false, true},
        {"namespaces: [b], resources: [{group: \"\"}]", false, false, false, false},
        {"nonResourceURLs: [\"*\"]", false, false, false, false},
    };
    const struct access pod = object_access("get", "", "pods", "", "a", "p");
    const struct access log = object_access("get", "", "pods", "log", "a", "p");
    const struct access deployment = object_access("get", "apps", "deployments", "", "a", "d");
    const struct access node = object_access("get", "", "nodes", "", "", "n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ck_assert_msg(fits(rows[i].rule, &pod) == rows[i].pod, "pod: %s", rows[i].rule);
        ck_assert_msg(fits(rows[i].rule, &log) == rows[i].log, "log: %s", rows[i].rule);
        ck_assert_msg(fits(rows[i].rule, &deployment) == rows[i].deployment, "deployment: %s",
                      rows[i].rule);
        ck_assert_msg(fits(rows[i].rule, &node) == rows[i].node, "node: %s", rows[i].rule);
    }
}
END_TEST

START_TEST(a_rule_fits_by_path)
{
    const struct access version = path_access("/version");
    const struct access live = path_access("/livez/ping");
    ck_assert(fits("nonResourceURLs: [/version]", &version));
    ck_assert(!fits("nonResourceURLs: [/version]", &live));
    ck_assert(fits("nonResourceURLs: [\"/livez*\"]", &live));
    ck_assert(!fits("nonResourceURLs: [\"/livez*\"]", &version));
    ck_assert(fits("nonResourceURLs: [\"*\"]", &live));
    ck_assert(!fits("resources: [{group: \"\"}]", &version));
    ck_assert(fits("verbs: [get]", &version));
}
END_TEST

START_TEST(the_first_rule_that_fits_decides_and_stages_add_up)
{
    struct audit_policy *policy =
        parse(HEAD "omitStages: [RequestReceived]\nomitManagedFields: true\nrules:\n"
                   "- {level: None, verbs: [watch]}\n"
                   "- {level: RequestResponse, verbs: [create], omitStages: [ResponseStarted]}\n"
                   "- {level: Metadata, verbs: [create, get], omitManagedFields: false}\n");
    struct access access = object_access("watch", "", "pods", "", "a", "");
    ck_assert_int_eq(audit_policy_decide(policy, &alice, &access).level, AUDIT_NONE);
    access.verb = "create";
    struct audit_decision decision = audit_policy_decide(policy, &alice, &access);
    ck_assert_int_eq(decision.level, AUDIT_REQUEST_RESPONSE);
    ck_assert_uint_eq(decision.omitted,
                      1U << AUDIT_REQUEST_RECEIVED | 1U << AUDIT_RESPONSE_STARTED);
    ck_assert(decision.omit_managed_fields);
    access.verb = "get";
    decision = audit_policy_decide(policy, &alice, &access);
    ck_assert_int_eq(decision.level, AUDIT_METADATA);
    ck_assert_uint_eq(decision.omitted, 1U << AUDIT_REQUEST_RECEIVED);
    ck_assert(!decision.omit_managed_fields);
    access.verb = "delete";
    ck_assert_int_eq(audit_policy_decide(policy, &alice, &access).level, AUDIT_NONE);
    audit_policy_free(policy);
}
END_TEST

START_TEST(a_policy_that_is_wrong_is_refused_with_the_place)
{
    static const struct {
        const char *text, *reason;
    } rows[] = {
        {"apiVersion: audit.k8s.io/v1\nkind: Rules\n", "must be of kind Policy"},
        {"apiVersion: audit.k8s.io/v1beta1\nkind: Policy\n", "apiVersion audit.k8s.io/v1"},
        {HEAD, "rules: a policy needs at least one"},
        {HEAD "rules: {level: None}\n", "rules: must be a list"},
        {HEAD "rules: [{}]\n", "rules[0].level: must be None"},
        {HEAD "rules: [{level: none}]\n", "rules[0].level: must be None"},
        {HEAD "rules: [{level: None}, {level: None, user: [a]}]\n", "rules[1].user: unknown field"},
        {HEAD "rules: [{level: None, users: a}]\n", "rules[0].users: must be a list of texts"},
        {HEAD "rules: [{level: None, verbs: [1]}]\n", "rules[0].verbs[0]: must be text"},
        {HEAD "rules: [{level: None, omitStages: [Never]}]\n", "rules[0].omitStages[0]: must be"},
        {HEAD "rules: [{level: None, nonResourceURLs: [version]}]\n", "must begin with /"},
        {HEAD "rules: [{level: None, nonResourceURLs: [\"/a*/b\"]}]\n", "last character"},
        {HEAD "rules: [{level: None, nonResourceURLs: [/a], namespaces: [b]}]\n", "not of both"},
        {HEAD "rules: [{level: None, resources: [{resourceNames: [a]}]}]\n",
         "rules[0].resources[0].resourceNames: need resources"},
        {HEAD "rules: [{level: None, resources: [{group: apps/v1}]}]\n", "without its version"},
        {HEAD "rules: [{level: None, omitManagedFields: 1}]\n", "must be true or false"},
        {"x: [", "yaml"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct audit_policy *policy = NULL;
        CLEANUP(error_release) struct error error = {0};
        ck_assert_int_eq(audit_policy_parse(slice_text(rows[i].text), &policy, &error), -EINVAL);
        ck_assert_ptr_null(policy);
        ck_assert_msg(strstr(error_message(&error), rows[i].reason) != NULL, "%s lacks %s",
                      error_message(&error), rows[i].reason);
    }
}
END_TEST

/* --- Events --- */

static struct audit_event example(struct arena *arena)
{
    static const char *const sources[] = {"192.0.2.7"};
    return (struct audit_event){
        .decision = {.level = AUDIT_REQUEST_RESPONSE},
        .id = "id-1",
        .uri = "/api/v1/namespaces/a/pods?x=1",
        .verb = "create",
        .user = &alice,
        .source_ips = sources,
        .source_ip_count = 1,
        .user_agent = "tests",
        .has_object = true,
        .object = {"pods", "a", "p", "", "", "v1", "", ""},
        .code = 201,
        .request_object = slice_text("{\"a\":1}"),
        .response_object = slice_text("{\"b\":2}"),
        .received_us = 1000001,
        .notes = {.arena = arena},
    };
}

START_TEST(an_event_has_the_members_of_kubernetes_in_their_order)
{
    struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, TEXT_MAX);
    struct audit_event event = example(arena);
    static const struct user_extra extras[] = {{"b", "1"}, {"a", "x\"y"}, {"b", "2"}};
    const struct user bob = {.name = "bob", .uid = "7", .extras = extras, .extra_count = 3};
    event.impersonated = &bob;
    audit_note(&event.notes, "z.example/second", "2");
    audit_note(&event.notes, "a.example/first", "1");
    audit_note(&event.notes, "z.example/second", "ignored");
    ck_assert_int_eq(audit_event_print(&event, AUDIT_RESPONSE_COMPLETE, 2500000, &out), 0);
    ck_assert_str_eq(
        buffer_text(&out),
        "{\"kind\":\"Event\",\"apiVersion\":\"audit.k8s.io/v1\",\"level\":\"RequestResponse\","
        "\"auditID\":\"id-1\",\"stage\":\"ResponseComplete\","
        "\"requestURI\":\"/api/v1/namespaces/a/pods?x=1\",\"verb\":\"create\","
        "\"user\":{\"username\":\"alice\",\"groups\":[\"admins\",\"system:authenticated\"]},"
        "\"impersonatedUser\":{\"username\":\"bob\",\"uid\":\"7\",\"extra\":{\"a\":[\"x\\\"y\"],"
        "\"b\":[\"1\",\"2\"]}},\"sourceIPs\":[\"192.0.2.7\"],\"userAgent\":\"tests\","
        "\"objectRef\":{\"resource\":\"pods\",\"namespace\":\"a\",\"name\":\"p\","
        "\"apiVersion\":\"v1\"},\"responseStatus\":{\"metadata\":{},\"code\":201},"
        "\"requestObject\":{\"a\":1},\"responseObject\":{\"b\":2},"
        "\"requestReceivedTimestamp\":\"1970-01-01T00:00:01.000001Z\","
        "\"stageTimestamp\":\"1970-01-01T00:00:02.500000Z\","
        "\"annotations\":{\"a.example/first\":\"1\",\"z.example/second\":\"2\"}}\n");
    arena_free(arena);
}
END_TEST

START_TEST(an_event_that_is_too_long_goes_without_its_objects)
{
    struct arena *arena = arena_new(SIZE_MAX);
    CLEANUP(buffer_release) struct buffer out;
    buffer_init(&out, AUDIT_EVENT_MAX);
    struct audit_event event = example(arena);
    char *large = alloc_bytes(AUDIT_EVENT_MAX);
    memset(large, '1', AUDIT_EVENT_MAX);
    event.response_object = slice_of(large, AUDIT_EVENT_MAX);
    ck_assert_int_eq(audit_event_print(&event, AUDIT_RESPONSE_COMPLETE, 0, &out), 0);
    ck_assert_uint_lt(out.len, 4096);
    ck_assert_ptr_nonnull(
        strstr(buffer_text(&out), "\"annotations\":{\"audit.k8s.io/truncated\":\"true\"}}\n"));
    ck_assert_ptr_null(strstr(buffer_text(&out), "Object\":"));
    free(large);
    arena_free(arena);
}
END_TEST

/* --- The file --- */

static struct metrics *metrics;
static struct metric *lost;
static char dir[64];

static void setup_file(void)
{
    snprintf(dir, sizeof(dir), "/tmp/audit-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    metrics = metrics_new();
    lost = metrics_counter(metrics, "lost", "Lost.", NULL);
}

static void each_file(void (*visit)(const char *path, void *data), void *data)
{
    DIR *open = opendir(dir);
    const struct dirent *entry = NULL;
    while ((entry = readdir(open)) != NULL) {
        if (entry->d_name[0] != '.') {
            char path[512];
            snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name);
            visit(path, data);
        }
    }
    closedir(open);
}

static void remove_file(const char *path, void *data)
{
    (void)data;
    (void)unlink(path);
}

static void teardown_file(void)
{
    each_file(remove_file, NULL);
    ck_assert_int_eq(rmdir(dir), 0);
    metrics_free(metrics);
}

static struct audit_log *open_log(struct audit_log_options options)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/audit.log", dir);
    struct audit_log *log = NULL;
    CLEANUP(error_release) struct error error = {0};
    options.path = path;
    options.errors = lost;
    ck_assert_msg(audit_log_open(&options, &log, &error) == 0, "%s", error_message(&error));
    return log;
}

struct found {
    size_t files, lines;
    uint64_t largest;
};

static void count_file(const char *path, void *data)
{
    struct found *found = data;
    CLEANUP(buffer_release) struct buffer text;
    buffer_init(&text, TEXT_MAX);
    ck_assert_int_eq(file_read(path, &text, NULL), 0);
    found->files++;
    found->largest = text.len > found->largest ? text.len : found->largest;
    for (size_t i = 0; i < text.len; i++) {
        found->lines += text.data[i] == '\n';
    }
}

START_TEST(a_full_file_is_put_aside_and_none_of_its_lines_is_cut)
{
    struct audit_log *log = open_log((struct audit_log_options){.size_max = 100});
    for (int i = 0; i < 40; i++) {
        audit_log_put(log, slice_text("{\"number\":12345}\n"), NULL);
    }
    audit_log_close(log);
    struct found found = {0};
    each_file(count_file, &found);
    ck_assert_uint_eq(found.lines + (size_t)metric_value(lost), 40);
    ck_assert_uint_le(found.largest, 100);
    ck_assert_uint_gt(found.files, 1);
}
END_TEST

START_TEST(old_files_are_taken_away_and_others_are_left_alone)
{
    static const char *const names[] = {"audit-2001-02-03T04-05-06.789.log",
                                        "audit-2001-02-03T04-05-07.789.log", "audit-notes.log",
                                        "other-2001-02-03T04-05-06.789.log"};
    char path[512];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        ck_assert_int_eq(file_write(path, slice_text("x\n"), 0600, NULL), 0);
    }
    struct audit_log *log =
        open_log((struct audit_log_options){.size_max = 20, .backups_max = 2, .age_days_max = 30});
    audit_log_put(log, slice_text("{\"number\":12345}\n"), NULL);
    audit_log_put(log, slice_text("{\"number\":12345}\n"), NULL);
    audit_log_close(log);
    snprintf(path, sizeof(path), "%s/%s", dir, names[0]);
    ck_assert_int_ne(access(path, F_OK), 0);
    snprintf(path, sizeof(path), "%s/%s", dir, names[1]);
    ck_assert_int_ne(access(path, F_OK), 0); /* Too old, if not too many. */
    snprintf(path, sizeof(path), "%s/%s", dir, names[2]);
    ck_assert_int_eq(access(path, F_OK), 0);
    snprintf(path, sizeof(path), "%s/%s", dir, names[3]);
    ck_assert_int_eq(access(path, F_OK), 0);
}
END_TEST

static void count_compressed(const char *path, void *data)
{
    struct found *found = data;
    size_t len = strlen(path);
    if (len > 3 && strcmp(path + len - 3, ".gz") == 0) {
        char text[1024];
        gzFile file = gzopen(path, "rb");
        int got = gzread(file, text, sizeof(text));
        ck_assert_int_gt(got, 0);
        for (int i = 0; i < got; i++) {
            found->lines += text[i] == '\n';
        }
        ck_assert_int_eq(gzclose(file), Z_OK);
        found->files++;
    }
}

START_TEST(full_files_are_compressed_and_counted_with_the_others)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/audit-2001-02-03T04-05-06.789.log", dir);
    ck_assert_int_eq(file_write(path, slice_text("left\n"), 0600, NULL), 0);
    struct audit_log_options options = {.size_max = 20, .backups_max = 3, .compress = true};
    struct audit_log *log = open_log(options);
    for (int i = 0; i < 6; i++) {
        audit_log_put(log, slice_text("{\"number\":12345}\n"), NULL);
    }
    audit_log_close(log);
    struct found compressed = {0}, all = {0};
    each_file(count_compressed, &compressed);
    ck_assert_uint_eq(compressed.files, 3);
    ck_assert_uint_eq(compressed.lines, 3);
    each_file(count_file, &all);
    ck_assert_uint_eq(all.files, 4); /* And the one that is written. */
}
END_TEST

START_TEST(what_does_not_fit_into_the_queue_is_counted)
{
    struct audit_log *log = open_log((struct audit_log_options){.queue_max = 10});
    audit_log_put(log, slice_text("{\"number\":12345}\n"), NULL);
    audit_log_close(log);
    ck_assert_int_eq(metric_value(lost), 1);
    struct found found = {0};
    each_file(count_file, &found);
    ck_assert_uint_eq(found.lines, 0);
}
END_TEST

START_TEST(the_file_is_the_owners_alone_and_goes_on_where_it_was)
{
    for (int i = 0; i < 2; i++) {
        struct audit_log *log = open_log((struct audit_log_options){.size_max = 1000});
        audit_log_put(log, slice_text("{}\n"), NULL);
        audit_log_close(log);
    }
    struct stat info;
    char path[128];
    snprintf(path, sizeof(path), "%s/audit.log", dir);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_int_eq(info.st_mode & 0777, 0600);
    ck_assert_int_eq(info.st_size, 6);
}
END_TEST

Suite *audit_suite(void)
{
    Suite *suite = suite_create("apiserver/audit");
    TCase *policies = tcase_create("policies");
    tcase_add_test(policies, a_rule_fits_by_user_group_and_verb);
    tcase_add_test(policies, a_rule_fits_by_resource);
    tcase_add_test(policies, a_rule_fits_by_path);
    tcase_add_test(policies, the_first_rule_that_fits_decides_and_stages_add_up);
    tcase_add_test(policies, a_policy_that_is_wrong_is_refused_with_the_place);
    suite_add_tcase(suite, policies);
    TCase *events = tcase_create("events");
    tcase_add_test(events, an_event_has_the_members_of_kubernetes_in_their_order);
    tcase_add_test(events, an_event_that_is_too_long_goes_without_its_objects);
    suite_add_tcase(suite, events);
    TCase *files = tcase_create("files");
    tcase_add_checked_fixture(files, setup_file, teardown_file);
    tcase_add_test(files, a_full_file_is_put_aside_and_none_of_its_lines_is_cut);
    tcase_add_test(files, old_files_are_taken_away_and_others_are_left_alone);
    tcase_add_test(files, what_does_not_fit_into_the_queue_is_counted);
    tcase_add_test(files, full_files_are_compressed_and_counted_with_the_others);
    tcase_add_test(files, the_file_is_the_owners_alone_and_goes_on_where_it_was);
    suite_add_tcase(suite, files);
    return suite;
}
