/* Pods from bytes to status: on a hollow node, and with real containers in a containerd of the
 * test's own when it is root and containerd is installed. */
#include "agent/containerd_config.h"
#include "lib/api/codec.h"
#include "lib/base/alloc.h"
#include "tests/unit/agent/fake_cluster.h"
#include "tests/unit/agent/suites.h"
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static struct fake_cluster cluster;

static void setup(void)
{
    memset(&cluster, 0, sizeof(cluster));
}

#define POD_HEAD                                                                                   \
    "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":\"u1\",\"generation\":1"
#define POD_BODY(more, spec)                                                                       \
    POD_HEAD more "},\"spec\":{\"nodeName\":\"node-1\",\"hostNetwork\":true,"                      \
                  "\"terminationGracePeriodSeconds\":3," spec "}}"
#define DELETED ",\"deletionTimestamp\":\"2026-01-01T00:00:00Z\",\"deletionGracePeriodSeconds\":3"

START_TEST(hollow_pod_is_ready_and_goes_away)
{
    const char *spec = POD_BODY("", "\"initContainers\":[{\"name\":\"i\",\"image\":\"x\"}],"
                                    "\"containers\":[{\"name\":\"a\",\"image\":\"x\"}]");
    fake_cluster_open(&cluster, "hollow");
    fake_cluster_apply(&cluster, spec);
    fake_cluster_wait(&cluster, "\"phase\":\"Running\"");
    fake_cluster_wait(&cluster, "{\"type\":\"Ready\",\"status\":\"True\"");
    fake_cluster_apply(&cluster,
                       POD_BODY(DELETED, "\"initContainers\":[{\"name\":\"i\",\"image\":\"x\"}],"
                                         "\"containers\":[{\"name\":\"a\",\"image\":\"x\"}]"));
    fake_cluster_wait_deleted(&cluster);
    pod_manager_remove(cluster.pods, "u1");
    ck_assert_uint_eq(pod_manager_count(cluster.pods), 0);
    fake_cluster_close(&cluster);
}
END_TEST

START_TEST(a_status_that_others_changed_is_said_again)
{
    const char *containers = "\"containers\":[{\"name\":\"a\",\"image\":\"x\"}]";
    char pod[8192];
    fake_cluster_open(&cluster, "hollow");
    (void)snprintf(pod, sizeof(pod), POD_BODY("", "%s"), containers);
    fake_cluster_apply(&cluster, pod);
    fake_cluster_wait(&cluster, "{\"type\":\"Ready\",\"status\":\"True\"");
    /* As the server has it. */
    char *said = alloc_text(buffer_text(&cluster.status));
    pod[strlen(pod) - 1] = '\0';
    size_t len = strlen(pod);
    (void)snprintf(pod + len, sizeof(pod) - len, ",\"status\":%s}", said);
    buffer_clear(&cluster.status);
    fake_cluster_apply(&cluster, pod);
    ck_assert_uint_eq(cluster.status.len, 0);
    /* Not ready, says somebody. */
    char *ready = strstr(pod, "\"type\":\"Ready\",\"status\":\"True\"");
    memcpy(strstr(ready, "\"True\""), "\"Fals\"", 6);
    cluster.status_waits = true;
    fake_cluster_apply(&cluster, pod);
    ck_assert_uint_eq(cluster.status.len, 0); /* The newer one is on its way. */
    cluster.status_waits = false;
    fake_cluster_apply(&cluster, pod);
    ck_assert_str_eq(buffer_text(&cluster.status), said);
    free(said);
    fake_cluster_close(&cluster);
}
END_TEST

/* ---- Real containers ---- */

static pid_t containerd;
static char endpoint[256];

static bool PRINTF_LIKE(1, 2) run(const char *format, ...)
{
    char command[2048];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(command, sizeof(command), format, args);
    va_end(args);
    return system(command) == 0;
}

static bool start_containerd(void)
{
    if (geteuid() != 0 || !run("command -v containerd runc ctr jq busybox >/dev/null 2>&1")) {
        fprintf(stderr, "skipped: real containers need root, containerd, runc, jq and busybox\n");
        return false;
    }
    char root[128], state[128], socket[128], cni[128], path[128];
    strcpy(cluster.dir, "/tmp/coracle-agent-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(cluster.dir));
    snprintf(root, sizeof(root), "%s/root", cluster.dir);
    snprintf(state, sizeof(state), "%s/state", cluster.dir);
    snprintf(socket, sizeof(socket), "%s/c.sock", cluster.dir);
    snprintf(cni, sizeof(cni), "%s/cni", cluster.dir);
    snprintf(path, sizeof(path), "%s/config.toml", cluster.dir);
    struct containerd_config config = {
        .root_dir = root,
        .state_dir = state,
        .socket_path = socket,
        .cni_conf_dir = cni,
        .sandbox_image = "coracle.local/pause:1",
    };
    struct buffer text;
    buffer_init(&text, CONTAINERD_CONFIG_BYTES_MAX);
    containerd_config_write(&config, &text);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(buffer_text(&text), file);
    fclose(file);
    buffer_release(&text);
    containerd = fork();
    if (containerd == 0) {
        char log[128];
        snprintf(log, sizeof(log), "%s/containerd.log", cluster.dir);
        ck_assert_ptr_nonnull(freopen(log, "w", stderr));
        ck_assert_ptr_nonnull(freopen(log, "w", stdout));
        execlp("containerd", "containerd", "--config", path, (char *)NULL);
        _exit(127);
    }
    snprintf(endpoint, sizeof(endpoint), "unix://%s", socket);
    ck_assert(run("for i in $(seq 100); do ctr -a %s version >/dev/null 2>&1 && exit 0; sleep 0.1; "
                  "done; exit 1",
                  socket));
    ck_assert(run("%s/deploy/images/build /tmp/coracle-agent-images >/dev/null", SOURCE_DIR));
    ck_assert(run("for i in pause busybox; do ctr -a %s -n k8s.io images import "
                  "/tmp/coracle-agent-images/$i.tar >/dev/null || exit 1; done",
                  socket));
    return true;
}

static void stop_containerd(void)
{
    if (containerd > 0) {
        kill(containerd, SIGTERM);
        waitpid(containerd, NULL, 0);
        containerd = 0;
    }
    if (cluster.dir[0] != '\0') {
        (void)run("grep ' %s/' /proc/mounts | cut -d' ' -f2 | sort -r | xargs -r umount; "
                  "rm -rf --one-file-system %s",
                  cluster.dir, cluster.dir);
    }
}

static void set_config_map(const char *json)
{
    CLEANUP(arena_freep) struct arena *arena = arena_new(SIZE_MAX);
    const struct api_message *schema = api_message_find("k8s.io.api.core.v1.ConfigMap");
    void *message;
    ck_assert_int_eq(api_decode_json(arena, schema, slice_text(json), NULL, &message, NULL), 0);
    if (cluster.config_map.max == 0) {
        buffer_init(&cluster.config_map, 1 << 20);
    }
    buffer_clear(&cluster.config_map);
    api_encode_protobuf(schema, message, &cluster.config_map);
}

#define SHELL(script)                                                                              \
    "\"image\":\"coracle.local/busybox:1\",\"command\":[\"/bin/sh\",\"-c\",\"" script "\"]"

START_TEST(real_pod_runs_survives_the_agent_and_is_cleaned_up)
{
    if (!start_containerd()) {
        return;
    }
    set_config_map("{\"data\":{\"greeting\":\"hello\"}}");
    fake_cluster_open(&cluster, endpoint);
#define REAL_SPEC                                                                                  \
    "\"volumes\":[{\"name\":\"c\",\"configMap\":{\"name\":\"m\"}},"                                \
    "{\"name\":\"e\",\"emptyDir\":{\"medium\":\"Memory\"}}],"                                      \
    "\"initContainers\":[{\"name\":\"i\",\"volumeMounts\":[{\"name\":\"e\",\"mountPath\":\"/"      \
    "e\"}]," SHELL("echo made > /e/file") "}],"                                                    \
                                          "\"containers\":[{\"name\":\"a\",\"env\":[{\"name\":"    \
                                          "\"WHO\",\"valueFrom\":{\"fieldRef\":"                   \
                                          "{\"fieldPath\":\"metadata.name\"}}}],"                  \
                                          "\"volumeMounts\":[{\"name\":\"c\",\"mountPath\":\"/"    \
                                          "c\"},{\"name\":\"e\",\"mountPath\":\"/e\","             \
                                          "\"subPath\":\"file\"}],"                                \
                                          "\"readinessProbe\":{\"exec\":{\"command\":[\"test\","   \
                                          "\"-f\",\"/c/greeting\"]}},"                             \
                                          "\"resources\":{\"requests\":{\"cpu\":\"100m\"},"        \
                                          "\"limits\":{\"memory\":\"64Mi\"}}," SHELL(              \
                                              "echo $WHO says $(cat /c/greeting) $(cat /e); trap " \
                                              "'exit 0' TERM; while :; do sleep 0.1; done") "}]"
    uint64_t start_ms = loop_now_ms(cluster.loop);
    fake_cluster_apply(&cluster, POD_BODY("", REAL_SPEC));
    fake_cluster_wait(&cluster, "{\"type\":\"Ready\",\"status\":\"True\"");
    fprintf(stderr, "pod with init container Ready after %llu ms\n",
            (unsigned long long)(loop_now_ms(cluster.loop) - start_ms));
    ck_assert(strstr(buffer_text(&cluster.status), "\"qosClass\":\"Burstable\"") != NULL);
    ck_assert(strstr(buffer_text(&cluster.events), "Started: Started container a") != NULL);
    ck_assert(run("grep -q 'p says hello made' %s/logs/ns_p_u1/a/0.log", cluster.dir));

    /* The agent ends and comes back: same container, no restart. */
    fake_cluster_close(&cluster);
    fake_cluster_open(&cluster, endpoint);
    fake_cluster_wait(&cluster, "{\"type\":\"Ready\",\"status\":\"True\"");
    ck_assert(strstr(buffer_text(&cluster.status), "\"restartCount\":0") != NULL);
    ck_assert(strstr(buffer_text(&cluster.events), "Started") == NULL);

    fake_cluster_apply(&cluster, POD_BODY(DELETED, REAL_SPEC));
    fake_cluster_wait_deleted(&cluster);
    ck_assert(strstr(buffer_text(&cluster.events), "Killing: Stopping container a") != NULL);
    ck_assert(run("! test -e %s/pods/u1 && ! test -e %s/logs/ns_p_u1", cluster.dir, cluster.dir));
    ck_assert(
        run("! ctr -a %s -n k8s.io containers ls -q | grep -q .", endpoint + strlen("unix://")));
    fake_cluster_close(&cluster);
    buffer_release(&cluster.config_map);
}
END_TEST

START_TEST(crashing_container_is_restarted_and_tells_why_it_ended)
{
    if (!start_containerd()) {
        return;
    }
    fake_cluster_open(&cluster, endpoint);
#define CRASH_SPEC                                                                                 \
    "\"restartPolicy\":\"Always\",\"containers\":[{\"name\":\"a\","                                \
    "\"terminationMessagePath\":\"/dev/termination-log\"," SHELL(                                  \
        "echo because > /dev/termination-log; exit 3") "}]"
    fake_cluster_apply(&cluster, POD_BODY("", CRASH_SPEC));
    fake_cluster_wait(&cluster, "CrashLoopBackOff");
    ck_assert(strstr(buffer_text(&cluster.status), "\"exitCode\":3") != NULL);
    ck_assert(strstr(buffer_text(&cluster.status), "because") != NULL);
    ck_assert(strstr(buffer_text(&cluster.status), "\"restartCount\":1") != NULL);
    ck_assert(strstr(buffer_text(&cluster.events),
                     "BackOff: Back-off restarting failed container a in pod p_ns(u1)") != NULL);
    fake_cluster_apply(&cluster, POD_BODY(DELETED, CRASH_SPEC));
    fake_cluster_wait_deleted(&cluster);
    fake_cluster_close(&cluster);
}
END_TEST

Suite *pod_manager_suite(void)
{
    Suite *suite = suite_create("agent/pod_manager");
    TCase *tcase = tcase_create("pods");
    tcase_add_checked_fixture(tcase, setup, stop_containerd);
    tcase_set_timeout(tcase, 60);
    tcase_add_test(tcase, hollow_pod_is_ready_and_goes_away);
    tcase_add_test(tcase, a_status_that_others_changed_is_said_again);
    tcase_add_test(tcase, real_pod_runs_survives_the_agent_and_is_cleaned_up);
    tcase_add_test(tcase, crashing_container_is_restarted_and_tells_why_it_ended);
    suite_add_tcase(suite, tcase);
    return suite;
}
