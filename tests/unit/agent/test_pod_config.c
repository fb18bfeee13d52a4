/* Environment, resources and log lines: pure functions of a pod. */
#include "agent/container_config.h"
#include "agent/log_line.h"
#include "lib/api/codec.h"
#include "tests/unit/agent/suites.h"
#include <string.h>

static struct arena *arena;
static struct pod_inputs inputs;

static void setup(void)
{
    arena = arena_new(SIZE_MAX);
}

static void teardown(void)
{
    arena_free(arena);
}

static const void *find_nothing(void *data, const char *resource, const char *name)
{
    (void)data;
    (void)resource;
    (void)name;
    return NULL;
}

static void make(const char *spec)
{
    void *message;
    struct error error = {0};
    const char *json = arena_printf(arena,
                                    "{\"metadata\":{\"name\":\"p\",\"namespace\":\"ns\",\"uid\":"
                                    "\"u\",\"labels\":{\"a\":\"b\"}},\"spec\":%s}",
                                    spec);
    ck_assert_msg(api_decode_json(arena, api_message_find("k8s.io.api.core.v1.Pod"),
                                  slice_text(json), NULL, &message, &error) == 0,
                  "%s", error_message(&error));
    inputs = (struct pod_inputs){
        .pod = message,
        .find = find_nothing,
        .pod_ip = "10.1.0.5",
        .host_ip = "192.0.2.1",
        .node_name = "n",
        .cluster_dns = "10.96.0.10",
        .cluster_domain = "cluster.local",
        .node_memory_bytes = 1000 << 20,
        .node_cpu_milli = 4000,
        .pods_dir = "/d/pods",
        .logs_dir = "/d/logs",
    };
}

static struct pod_variables env_of(const char *container)
{
    struct pod_variables variables;
    struct error error = {0};
    make(arena_printf(arena, "{\"containers\":[%s]}", container));
    ck_assert_msg(
        pod_env_build(arena, &inputs, inputs.pod->spec->containers[0], &variables, &error) == 0,
        "%s", error_message(&error));
    return variables;
}

START_TEST(variables_expand_earlier_ones_and_leave_unknown_ones)
{
    struct pod_variables all = env_of("{\"name\":\"c\",\"env\":[{\"name\":\"A\",\"value\":\"1\"},"
                                      "{\"name\":\"B\",\"value\":\"$(A)-$(NO)-$$(A)-$A\"}]}");
    ck_assert_str_eq(pod_variable_get(&all, "B"), "1-$(NO)-$(A)-$A");
}
END_TEST

START_TEST(fields_and_resources_reach_the_environment)
{
    struct pod_variables all = env_of(
        "{\"name\":\"c\",\"resources\":{\"limits\":{\"memory\":\"64Mi\"}},\"env\":["
        "{\"name\":\"IP\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"status.podIP\"}}},"
        "{\"name\":\"L\",\"valueFrom\":{\"fieldRef\":{\"fieldPath\":\"metadata.labels['a']\"}}},"
        "{\"name\":\"M\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"limits.memory\","
        "\"divisor\":\"1Mi\"}}},"
        "{\"name\":\"C\",\"valueFrom\":{\"resourceFieldRef\":{\"resource\":\"limits.cpu\"}}}]}");
    ck_assert_str_eq(pod_variable_get(&all, "IP"), "10.1.0.5");
    ck_assert_str_eq(pod_variable_get(&all, "L"), "b");
    ck_assert_str_eq(pod_variable_get(&all, "M"), "64");
    ck_assert_str_eq(pod_variable_get(&all, "C"), "4");
}
END_TEST

START_TEST(missing_required_config_map_is_named)
{
    struct pod_variables variables;
    struct error error = {0};
    make("{\"containers\":[{\"name\":\"c\",\"envFrom\":[{\"configMapRef\":{\"name\":\"m\"}}]}]}");
    ck_assert_int_lt(
        pod_env_build(arena, &inputs, inputs.pod->spec->containers[0], &variables, &error), 0);
    ck_assert_str_eq(error_message(&error), "configmap \"m\" not found");
    error_release(&error);
}
END_TEST

START_TEST(quality_of_service_follows_requests_and_limits)
{
    make("{\"containers\":[{\"name\":\"c\"}]}");
    ck_assert_int_eq(pod_qos_class(inputs.pod), QOS_BEST_EFFORT);
    ck_assert_int_eq(pod_oom_score_adj(&inputs, inputs.pod->spec->containers[0]), 1000);
    make("{\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"memory\":\"100Mi\"}}}]}");
    ck_assert_int_eq(pod_qos_class(inputs.pod), QOS_BURSTABLE);
    ck_assert_int_eq(pod_oom_score_adj(&inputs, inputs.pod->spec->containers[0]), 900);
    make("{\"containers\":[{\"name\":\"c\",\"resources\":{\"limits\":{\"cpu\":\"1\",\"memory\":"
         "\"1Gi\"},\"requests\":{\"cpu\":\"1000m\",\"memory\":\"1024Mi\"}}}]}");
    ck_assert_int_eq(pod_qos_class(inputs.pod), QOS_GUARANTEED);
    ck_assert_int_eq(pod_oom_score_adj(&inputs, inputs.pod->spec->containers[0]), -997);
}
END_TEST

START_TEST(cpu_becomes_shares_and_quota)
{
    Cri__V1__LinuxContainerResources resources = CRI__V1__LINUX_CONTAINER_RESOURCES__INIT;
    make("{\"containers\":[{\"name\":\"c\",\"resources\":{\"requests\":{\"cpu\":\"250m\"},"
         "\"limits\":{\"cpu\":\"500m\",\"memory\":\"1Mi\"}}}]}");
    container_resources_fill(&inputs, inputs.pod->spec->containers[0], &resources);
    ck_assert_int_eq(resources.cpu_shares, 256);
    ck_assert_int_eq(resources.cpu_quota, 50000);
    ck_assert_int_eq(resources.cpu_period, 100000);
    ck_assert_int_eq(resources.memory_limit_in_bytes, 1 << 20);
}
END_TEST

START_TEST(cluster_first_pods_ask_the_cluster_dns)
{
    make("{\"containers\":[{\"name\":\"c\"}]}");
    Cri__V1__PodSandboxConfig *config = sandbox_config_build(arena, &inputs, 0);
    ck_assert_str_eq(config->dns_config->servers[0], "10.96.0.10");
    ck_assert_str_eq(config->dns_config->searches[0], "ns.svc.cluster.local");
    ck_assert_str_eq(config->dns_config->options[0], "ndots:5");
    ck_assert_str_eq(config->hostname, "p");
}
END_TEST

START_TEST(root_is_refused_where_it_must_not_run)
{
    Cri__V1__ContainerConfig *config;
    struct error error = {0};
    make("{\"containers\":[{\"name\":\"c\",\"securityContext\":{\"runAsNonRoot\":true}}]}");
    struct container_request request = {
        .container = inputs.pod->spec->containers[0],
        .image_ref = "i",
        .image_uid = 0,
    };
    ck_assert_int_lt(container_config_build(arena, &inputs, &request, &config, &error), 0);
    ck_assert_str_eq(error_message(&error),
                     "container has runAsNonRoot and image will run as root (pod: \"p_ns(u)\", "
                     "container: c)");
    error_release(&error);
}
END_TEST

static const Cri__V1__SecurityProfile *seccomp_of(const char *profile)
{
    Cri__V1__ContainerConfig *config;
    struct error error = {0};
    make(arena_printf(arena, "{\"containers\":[{\"name\":\"c\",\"securityContext\":{%s}}]}",
                      profile));
    struct container_request request = {.container = inputs.pod->spec->containers[0],
                                        .image_ref = "i"};
    ck_assert_int_eq(container_config_build(arena, &inputs, &request, &config, &error), 0);
    return config->linux_options->security_context->seccomp;
}

/* CVE-2023-2431: such a container ran without any filter. */
START_TEST(a_seccomp_profile_without_a_file_is_not_unconfined)
{
    static const char *const rows[] = {
        "\"seccompProfile\":{\"type\":\"Localhost\"}",
        "\"seccompProfile\":{\"type\":\"Localhost\",\"localhostProfile\":\"\"}",
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const Cri__V1__SecurityProfile *seccomp = seccomp_of(rows[i]);
        ck_assert_int_eq(seccomp->profile_type, CRI__V1__SECURITY_PROFILE__PROFILE_TYPE__Localhost);
        ck_assert_str_eq(seccomp->localhost_ref, "");
    }
    ck_assert_int_eq(seccomp_of("")->profile_type,
                     CRI__V1__SECURITY_PROFILE__PROFILE_TYPE__Unconfined);
    ck_assert_int_eq(seccomp_of("\"seccompProfile\":{\"type\":\"RuntimeDefault\"}")->profile_type,
                     CRI__V1__SECURITY_PROFILE__PROFILE_TYPE__RuntimeDefault);
}
END_TEST

START_TEST(log_lines_are_read_and_torn_ones_refused)
{
    struct log_line line;
    ck_assert_int_eq(
        log_line_parse(slice_text("2026-01-02T03:04:05.678901234Z stderr P part"), &line), 0);
    ck_assert(line.is_stderr);
    ck_assert(line.partial);
    ck_assert_int_eq(line.time_ns, 678901234);
    ck_assert(slice_is(line.text, "part"));
    ck_assert_int_lt(log_line_parse(slice_text("2026-01-02T03:04:05Z stdo"), &line), 0);
    ck_assert_int_lt(log_line_parse(slice_text(""), &line), 0);
    ck_assert_int_eq(log_line_parse(slice_text("2026-01-02T03:04:05Z stdout F "), &line), 0);
    ck_assert_uint_eq(line.text.len, 0);
}
END_TEST

START_TEST(tail_counts_lines_of_output_not_their_parts)
{
    const char *text = "2026-01-02T03:04:05Z stdout F one\n"
                       "2026-01-02T03:04:05Z stdout P tw\n"
                       "2026-01-02T03:04:05Z stdout F o\n"
                       "2026-01-02T03:04:05Z stdout F three\n";
    size_t line = strlen("2026-01-02T03:04:05Z stdout F one\n");
    ck_assert_uint_eq(log_tail_offset(slice_text(text), 2), line);
    ck_assert_uint_eq(log_tail_offset(slice_text(text), 3), 0);
    ck_assert_uint_eq(log_tail_offset(slice_text(text), 9), 0);
    ck_assert_uint_eq(log_tail_offset(slice_text(text), 0), strlen(text));
}
END_TEST

Suite *pod_config_suite(void)
{
    Suite *suite = suite_create("agent/pod_config");
    TCase *tcase = tcase_create("pure");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, variables_expand_earlier_ones_and_leave_unknown_ones);
    tcase_add_test(tcase, fields_and_resources_reach_the_environment);
    tcase_add_test(tcase, missing_required_config_map_is_named);
    tcase_add_test(tcase, quality_of_service_follows_requests_and_limits);
    tcase_add_test(tcase, cpu_becomes_shares_and_quota);
    tcase_add_test(tcase, cluster_first_pods_ask_the_cluster_dns);
    tcase_add_test(tcase, root_is_refused_where_it_must_not_run);
    tcase_add_test(tcase, a_seccomp_profile_without_a_file_is_not_unconfined);
    tcase_add_test(tcase, log_lines_are_read_and_torn_ones_refused);
    tcase_add_test(tcase, tail_counts_lines_of_output_not_their_parts);
    suite_add_tcase(suite, tcase);
    return suite;
}
