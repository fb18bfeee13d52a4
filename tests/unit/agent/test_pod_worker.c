/* A pod's life as a script: events in, effects out, time is a number. The trace of one step is the
 * list of its effects, one a word. */
#include "agent/pod_worker.h"

#include "lib/base/buffer.h"
#include "tests/unit/agent/suites.h"
#include "tests/unit/unit.h"
#include <stdlib.h>
#include <string.h>

static struct pod_worker *worker;
static struct pod_effects effects;
static struct pod_plan *plan;
static uint64_t now_ms;
static struct buffer trace;

static void setup(void)
{
    pod_effects_init(&effects);
    buffer_init(&trace, 1 << 16);
    now_ms = 1000000;
}

static void teardown(void)
{
    pod_worker_free(worker);
    worker = NULL;
    pod_effects_release(&effects);
    buffer_release(&trace);
}

/* Letters: i = init, s = sidecar, m = main. */
static void make_pod(const char *kinds, enum restart_policy policy)
{
    struct arena *arena = arena_new(SIZE_MAX);
    plan = arena_zeroed(arena, sizeof(*plan));
    *plan = (struct pod_plan){
        .uid = "uid-1",
        .namespace_name = "ns",
        .name = "pod",
        .restart_policy = policy,
        .grace_seconds = 30,
        .active_deadline_seconds = -1,
        .container_count = strlen(kinds),
        .containers = arena_array(arena, strlen(kinds), sizeof(struct container_plan)),
    };
    for (size_t i = 0; i < plan->container_count; i++) {
        plan->containers[i] = (struct container_plan){
            .name = arena_printf(arena, "c%zu", i),
            .image = "img",
            .kind = kinds[i] == 'i'   ? CONTAINER_INIT
                    : kinds[i] == 's' ? CONTAINER_SIDECAR
                                      : CONTAINER_MAIN,
            .hash = 7,
        };
    }
    worker = pod_worker_new(plan, arena, (struct worker_clock){now_ms, (int64_t)now_ms * 1000000});
}

static const char *const names[] = {
    [EFFECT_STATUS] = "status",
    [EFFECT_RECORD] = "record",
    [EFFECT_PREPARE_VOLUMES] = "volumes",
    [EFFECT_CREATE_SANDBOX] = "sandbox",
    [EFFECT_STOP_SANDBOX] = "stop-sandbox",
    [EFFECT_CHECK_IMAGE] = "check",
    [EFFECT_PULL_IMAGE] = "pull",
    [EFFECT_START_CONTAINER] = "start",
    [EFFECT_STOP_CONTAINER] = "stop",
    [EFFECT_REMOVE_CONTAINER] = "remove",
    [EFFECT_RUN_HOOK] = "hook",
    [EFFECT_RUN_PROBE] = "probe",
    [EFFECT_CLEAN] = "clean",
    [EFFECT_POD_DELETED] = "deleted",
    [EFFECT_DROP] = "drop",
};

/* Takes one step and returns its trace; reasons of events are in parentheses, status is left out.
 */
static const char *step(struct pod_event event)
{
    buffer_clear(&trace);
    pod_effects_clear(&effects);
    pod_worker_step(worker, (struct worker_clock){now_ms, (int64_t)now_ms * 1000000}, &event,
                    &effects);
    for (size_t i = 0; i < effects.count; i++) {
        const struct pod_effect *effect = &effects.items[i];
        if (effect->kind == EFFECT_STATUS) {
            continue;
        }
        if (trace.len > 0) {
            buffer_append_byte(&trace, ' ');
        }
        if (effect->kind == EFFECT_RECORD) {
            buffer_printf(&trace, "(%s)", effect->reason);
            continue;
        }
        buffer_append_text(&trace, names[effect->kind]);
        if (effect->container != POD_EFFECT_NO_CONTAINER) {
            buffer_printf(&trace, ":%zu", effect->container);
        }
        if (effect->kind == EFFECT_STOP_CONTAINER) {
            buffer_printf(&trace, "/%llds", (long long)effect->grace_seconds);
        }
        if (effect->kind == EFFECT_START_CONTAINER) {
            buffer_printf(&trace, "#%u", effect->attempt);
        }
    }
    return buffer_text(&trace);
}

#define STEP(...) step((struct pod_event){__VA_ARGS__})

static const char *tick(uint64_t later_ms)
{
    now_ms += later_ms;
    return STEP(.kind = EVENT_TICK);
}

static void to_sandbox(void)
{
    ck_assert_str_eq(tick(0), "volumes");
    ck_assert_str_eq(STEP(.kind = EVENT_VOLUMES_READY), "sandbox");
}

static const char *image_here(size_t container)
{
    return STEP(.kind = EVENT_IMAGE_CHECKED, .container = container, .ok = true, .id = "sha");
}

static const char *started(size_t container, const char *id, uint32_t attempt)
{
    return STEP(.kind = EVENT_CONTAINER_STARTED, .container = container, .id = id,
                .attempt = attempt, .hash = 7, .started_ns = (int64_t)now_ms * 1000000);
}

static const char *ended(size_t container, const char *id, int32_t code, uint32_t attempt)
{
    return STEP(.kind = EVENT_CONTAINER_EXITED, .container = container, .id = id, .exit_code = code,
                .attempt = attempt, .reason = code == 0 ? "Completed" : "Error");
}

static void to_running(void)
{
    to_sandbox();
    ck_assert_str_eq(STEP(.kind = EVENT_SANDBOX_READY, .id = "sb", .ip = "10.0.0.2"), "check:0");
    ck_assert_str_eq(image_here(0), "(Pulled) start:0#0");
    ck_assert_str_eq(started(0, "id0", 0), "(Created) (Started)");
}

START_TEST(simple_pod_goes_from_volumes_to_running)
{
    make_pod("m", RESTART_ALWAYS);
    to_running();
    ck_assert_int_eq(worker->phase, PHASE_RUNNING);
    ck_assert(pod_worker_container_ready(worker, 0));
}
END_TEST

START_TEST(init_containers_run_in_order_and_before_the_rest)
{
    make_pod("iim", RESTART_ALWAYS);
    to_sandbox();
    ck_assert_str_eq(STEP(.kind = EVENT_SANDBOX_READY, .id = "sb", .ip = ""), "check:0");
    ck_assert_str_eq(image_here(0), "(Pulled) start:0#0");
    ck_assert_str_eq(started(0, "a", 0), "(Created) (Started)");
    ck_assert_int_eq(worker->phase, PHASE_PENDING);
    ck_assert_str_eq(ended(0, "a", 0, 0), "check:1");
    ck_assert_str_eq(image_here(1), "(Pulled) start:1#0");
    (void)started(1, "b", 0);
    ck_assert(!pod_worker_initialized(worker));
    ck_assert_str_eq(ended(1, "b", 0, 0), "check:2");
    ck_assert(pod_worker_initialized(worker));
}
END_TEST

START_TEST(failed_init_container_of_a_never_pod_fails_the_pod)
{
    make_pod("im", RESTART_NEVER);
    to_sandbox();
    (void)STEP(.kind = EVENT_SANDBOX_READY, .id = "sb", .ip = "");
    (void)image_here(0);
    (void)started(0, "a", 0);
    ck_assert_str_eq(ended(0, "a", 3, 0), "stop-sandbox");
    (void)STEP(.kind = EVENT_SANDBOX_GONE);
    ck_assert_int_eq(worker->state, POD_TERMINATED);
    ck_assert_int_eq(worker->phase, PHASE_FAILED);
}
END_TEST

START_TEST(sidecar_must_have_started_but_not_ended)
{
    make_pod("sm", RESTART_NEVER);
    to_sandbox();
    ck_assert_str_eq(STEP(.kind = EVENT_SANDBOX_READY, .id = "sb", .ip = ""), "check:0");
    (void)image_here(0);
    ck_assert_str_eq(started(0, "side", 0), "(Created) (Started) check:1");
    (void)image_here(1);
    (void)started(1, "main", 0);
    /* The main container ends: the sidecar is stopped, and the pod has succeeded. */
    ck_assert_str_eq(ended(1, "main", 0, 0), "(Killing) stop:0/30s");
    ck_assert_str_eq(ended(0, "side", 143, 0), "stop-sandbox");
    (void)STEP(.kind = EVENT_SANDBOX_GONE);
    ck_assert_int_eq(worker->phase, PHASE_SUCCEEDED);
}
END_TEST

START_TEST(crashing_container_restarts_at_once_then_backs_off_doubling)
{
    make_pod("m", RESTART_ALWAYS);
    to_running();
    ck_assert_str_eq(ended(0, "id0", 1, 0), "check:0");
    ck_assert_str_eq(image_here(0), "(Pulled) start:0#1");
    (void)started(0, "id1", 1);
    ck_assert_str_eq(ended(0, "id1", 1, 1), "(BackOff)");
    ck_assert_str_eq(worker->containers[0].waiting_reason, "CrashLoopBackOff");
    ck_assert_str_eq(worker->containers[0].waiting_message,
                     "back-off 10s restarting failed container=c0 pod=pod_ns(uid-1)");
    ck_assert_str_eq(tick(9999), "");
    ck_assert_uint_eq(worker->wake_ms, now_ms + 1);
    ck_assert_str_eq(tick(1), "check:0");
    (void)image_here(0);
    ck_assert_str_eq(started(0, "id2", 2), "remove:0 (Created) (Started)");
    (void)ended(0, "id2", 1, 2);
    ck_assert_str_eq(worker->containers[0].waiting_message,
                     "back-off 20s restarting failed container=c0 pod=pod_ns(uid-1)");
    ck_assert_uint_eq(worker->containers[0].restart_count, 2);
}
END_TEST

START_TEST(ten_good_minutes_forget_the_back_off)
{
    make_pod("m", RESTART_ALWAYS);
    to_running();
    (void)ended(0, "id0", 1, 0);
    (void)image_here(0);
    (void)started(0, "id1", 1);
    now_ms += 601 * 1000;
    ck_assert_str_eq(ended(0, "id1", 1, 1), "check:0");
    (void)image_here(0);
    (void)started(0, "id2", 2);
    ck_assert_uint_eq(worker->containers[0].backoff_ms, 10000);
}
END_TEST

START_TEST(on_failure_pod_succeeds_when_all_exit_well)
{
    make_pod("mm", RESTART_ON_FAILURE);
    to_sandbox();
    ck_assert_str_eq(STEP(.kind = EVENT_SANDBOX_READY, .id = "sb", .ip = ""), "check:0 check:1");
    (void)image_here(0);
    (void)image_here(1);
    (void)started(0, "a", 0);
    (void)started(1, "b", 0);
    ck_assert_str_eq(ended(0, "a", 0, 0), "");
    ck_assert_str_eq(ended(1, "b", 2, 0), "check:1");
    (void)image_here(1);
    (void)started(1, "b2", 1);
    ck_assert_str_eq(ended(1, "b2", 0, 1), "stop-sandbox");
    (void)STEP(.kind = EVENT_SANDBOX_GONE);
    ck_assert_int_eq(worker->phase, PHASE_SUCCEEDED);
}
END_TEST

START_TEST(deleted_pod_is_stopped_with_its_grace_and_cleaned_before_the_object_goes)
{
    make_pod("m", RESTART_ALWAYS);
    to_running();
    ck_assert_str_eq(STEP(.kind = EVENT_DELETE, .grace_seconds = 5), "(Killing) stop:0/5s");
    ck_assert_str_eq(ended(0, "id0", 143, 0), "stop-sandbox");
    ck_assert_str_eq(STEP(.kind = EVENT_SANDBOX_GONE), "clean");
    ck_assert_str_eq(STEP(.kind = EVENT_CLEANED, .ok = true), "deleted");
    ck_assert_str_eq(STEP(.kind = EVENT_FORGET), "drop");
}
END_TEST

START_TEST(shorter_grace_stops_again_and_longer_changes_nothing)
{
    make_pod("m", RESTART_ALWAYS);
    to_running();
    (void)STEP(.kind = EVENT_DELETE, .grace_seconds = 30);
    ck_assert_str_eq(STEP(.kind = EVENT_DELETE, .grace_seconds = 60), "");
    ck_assert_str_eq(STEP(.kind = EVENT_DELETE, .grace_seconds = 0), "stop:0/0s");
}
END_TEST

START_TEST(terminating_pod_never_goes_back)
{
    make_pod("m", RESTART_ALWAYS);
    to_running();
    (void)STEP(.kind = EVENT_DELETE, .grace_seconds = 1);
    ck_assert_str_eq(ended(0, "id0", 1, 0), "stop-sandbox"); /* Not restarted. */
    ck_assert_str_eq(tick(600000), "");
    ck_assert_int_eq(worker->state, POD_TERMINATING);
}
END_TEST

START_TEST(pre_stop_runs_before_the_stop_and_uses_up_the_grace)
{
    make_pod("m", RESTART_ALWAYS);
    plan->containers[0].pre_stop = true;
    to_running();
    ck_assert_str_eq(STEP(.kind = EVENT_DELETE, .grace_seconds = 30), "(Killing) hook:0");
    now_ms += 10000;
    ck_assert_str_eq(STEP(.kind = EVENT_HOOK_DONE, .container = 0, .ok = true), "stop:0/20s");
}
END_TEST

START_TEST(hanging_pre_stop_is_cut_off_with_two_seconds_left_for_the_container)
{
    make_pod("m", RESTART_ALWAYS);
    plan->containers[0].pre_stop = true;
    to_running();
    (void)STEP(.kind = EVENT_DELETE, .grace_seconds = 5);
    ck_assert_str_eq(tick(4999), "");
    ck_assert_str_eq(tick(1), "stop:0/0s");
}
END_TEST

START_TEST(post_start_failure_kills_the_container)
{
    make_pod("m", RESTART_ALWAYS);
    plan->containers[0].post_start = true;
    to_sandbox();
    (void)STEP(.kind = EVENT_SANDBOX_READY, .id = "sb", .ip = "");
    (void)image_here(0);
    ck_assert_str_eq(started(0, "id0", 0), "(Created) (Started) hook:0");
    ck_assert(!pod_worker_container_ready(worker, 0));
    ck_assert_str_eq(STEP(.kind = EVENT_HOOK_DONE, .container = 0, .ok = false),
                     "(FailedPostStartHook) (Killing) stop:0/30s");
}
END_TEST

static struct probe_plan probe_plan(uint32_t delay_ms)
{
    return (struct probe_plan){
        .present = true,
        .initial_delay_ms = delay_ms,
        .period_ms = 10000,
        .timeout_ms = 1000,
        .success_threshold = 1,
        .failure_threshold = 3,
        .grace_seconds = -1,
    };
}

static const char *probed(enum probe_kind kind, bool ok)
{
    return STEP(.kind = EVENT_PROBE, .container = 0, .probe = kind, .ok = ok, .message = "why");
}

START_TEST(readiness_probe_makes_ready_only_after_success)
{
    make_pod("m", RESTART_ALWAYS);
    plan->containers[0].probes[PROBE_READINESS] = probe_plan(2000);
    to_running();
    ck_assert(!pod_worker_container_ready(worker, 0));
    ck_assert_str_eq(tick(1999), "");
    ck_assert_str_eq(tick(1), "probe:0");
    ck_assert_str_eq(probed(PROBE_READINESS, true), "");
    ck_assert(pod_worker_container_ready(worker, 0));
    for (int i = 0; i < 3; i++) {
        ck_assert(pod_worker_container_ready(worker, 0));
        ck_assert_str_eq(tick(10000), "probe:0");
        ck_assert_str_eq(probed(PROBE_READINESS, false), "(Unhealthy)");
    }
    ck_assert(!pod_worker_container_ready(worker, 0));
}
END_TEST

START_TEST(liveness_probe_restarts_after_its_threshold)
{
    make_pod("m", RESTART_ALWAYS);
    plan->containers[0].probes[PROBE_LIVENESS] = probe_plan(0);
    to_sandbox();
    (void)STEP(.kind = EVENT_SANDBOX_READY, .id = "sb", .ip = "");
    (void)image_here(0);
    ck_assert_str_eq(started(0, "id0", 0), "(Created) (Started) probe:0");
    ck_assert_str_eq(probed(PROBE_LIVENESS, false), "(Unhealthy)");
    (void)tick(10000);
    ck_assert_str_eq(probed(PROBE_LIVENESS, false), "(Unhealthy)");
    (void)tick(10000);
    ck_assert_str_eq(probed(PROBE_LIVENESS, false), "(Unhealthy) (Killing) stop:0/30s");
    ck_assert_str_eq(ended(0, "id0", 137, 0), "check:0");
}
END_TEST

START_TEST(startup_probe_holds_the_others_back)
{
    make_pod("m", RESTART_ALWAYS);
    plan->containers[0].probes[PROBE_STARTUP] = probe_plan(0);
    plan->containers[0].probes[PROBE_READINESS] = probe_plan(0);
    to_sandbox();
    (void)STEP(.kind = EVENT_SANDBOX_READY, .id = "sb", .ip = "");
    (void)image_here(0);
    ck_assert_str_eq(started(0, "id0", 0), "(Created) (Started) probe:0");
    ck_assert_int_eq(effects.items[2].probe, PROBE_STARTUP);
    ck_assert_str_eq(probed(PROBE_STARTUP, true), "probe:0");
    ck_assert_int_eq(effects.items[0].probe, PROBE_READINESS);
}
END_TEST

START_TEST(missing_image_is_pulled_and_failure_backs_off)
{
    make_pod("m", RESTART_ALWAYS);
    to_sandbox();
    (void)STEP(.kind = EVENT_SANDBOX_READY, .id = "sb", .ip = "");
    ck_assert_str_eq(STEP(.kind = EVENT_IMAGE_CHECKED, .container = 0), "(Pulling) pull:0");
    ck_assert_str_eq(STEP(.kind = EVENT_IMAGE_FAILED, .container = 0, .message = "no"),
                     "(Failed) (Failed)");
    ck_assert_str_eq(worker->containers[0].waiting_reason, "ErrImagePull");
    ck_assert_str_eq(tick(1000), "(BackOff) (Failed)");
    ck_assert_str_eq(worker->containers[0].waiting_reason, "ImagePullBackOff");
    ck_assert_str_eq(tick(8999), "");
    ck_assert_str_eq(tick(1), "check:0");
}
END_TEST

START_TEST(pull_policy_never_does_not_pull)
{
    make_pod("m", RESTART_ALWAYS);
    plan->containers[0].pull_policy = PULL_NEVER;
    to_sandbox();
    (void)STEP(.kind = EVENT_SANDBOX_READY, .id = "sb", .ip = "");
    ck_assert_str_eq(STEP(.kind = EVENT_IMAGE_CHECKED, .container = 0),
                     "(ErrImageNeverPull) (Failed)");
    ck_assert_str_eq(worker->containers[0].waiting_message,
                     "Container image \"img\" is not present with pull policy of Never");
}
END_TEST

START_TEST(running_container_found_after_a_restart_of_the_agent_is_kept)
{
    make_pod("im", RESTART_ALWAYS);
    worker->volumes = VOLUMES_READY;
    worker->sandbox = SANDBOX_CREATING;
    ck_assert_str_eq(STEP(.kind = EVENT_CONTAINER_STARTED, .container = 1, .ok = true, .id = "x",
                          .attempt = 4, .hash = 7),
                     "");
    ck_assert_str_eq(STEP(.kind = EVENT_SANDBOX_READY, .id = "sb", .ip = "10.0.0.9"), "");
    ck_assert_int_eq(worker->phase, PHASE_RUNNING);
    ck_assert_uint_eq(worker->containers[1].restart_count, 4);
    ck_assert(pod_worker_container_ready(worker, 1));
}
END_TEST

START_TEST(dead_sandbox_is_replaced_with_a_higher_attempt)
{
    make_pod("m", RESTART_ALWAYS);
    to_running();
    ck_assert_str_eq(STEP(.kind = EVENT_SANDBOX_GONE), "(SandboxChanged) stop-sandbox");
    ck_assert_str_eq(STEP(.kind = EVENT_SANDBOX_GONE), "");
    ck_assert_str_eq(ended(0, "id0", 137, 0), "sandbox");
    ck_assert_uint_eq(effects.items[0].attempt, 1);
}
END_TEST

START_TEST(active_deadline_fails_the_pod)
{
    make_pod("m", RESTART_ALWAYS);
    plan->active_deadline_seconds = 5;
    to_running();
    ck_assert_str_eq(tick(5000), "(DeadlineExceeded) (Killing) stop:0/30s");
    ck_assert_int_eq(worker->phase, PHASE_FAILED);
    ck_assert_str_eq(worker->fail_reason, "DeadlineExceeded");
}
END_TEST

START_TEST(changed_image_restarts_the_container)
{
    make_pod("m", RESTART_ALWAYS);
    to_running();
    struct arena *arena = arena_new(SIZE_MAX);
    struct pod_plan *changed = arena_alloc(arena, sizeof(*changed));
    *changed = *plan;
    changed->containers = arena_alloc(arena, sizeof(*changed->containers));
    *changed->containers = *plan->containers;
    changed->containers[0].name = "c0";
    changed->containers[0].hash = 8;
    changed->uid = "uid-1";
    ck_assert_str_eq(STEP(.kind = EVENT_PLAN, .plan = changed, .arena = arena),
                     "(Killing) stop:0/30s");
}
END_TEST

Suite *pod_worker_suite(void)
{
    Suite *suite = suite_create("agent/pod_worker");
    TCase *tcase = tcase_create("life");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, simple_pod_goes_from_volumes_to_running);
    tcase_add_test(tcase, init_containers_run_in_order_and_before_the_rest);
    tcase_add_test(tcase, failed_init_container_of_a_never_pod_fails_the_pod);
    tcase_add_test(tcase, sidecar_must_have_started_but_not_ended);
    tcase_add_test(tcase, crashing_container_restarts_at_once_then_backs_off_doubling);
    tcase_add_test(tcase, ten_good_minutes_forget_the_back_off);
    tcase_add_test(tcase, on_failure_pod_succeeds_when_all_exit_well);
    tcase_add_test(tcase, deleted_pod_is_stopped_with_its_grace_and_cleaned_before_the_object_goes);
    tcase_add_test(tcase, shorter_grace_stops_again_and_longer_changes_nothing);
    tcase_add_test(tcase, terminating_pod_never_goes_back);
    tcase_add_test(tcase, pre_stop_runs_before_the_stop_and_uses_up_the_grace);
    tcase_add_test(tcase, hanging_pre_stop_is_cut_off_with_two_seconds_left_for_the_container);
    tcase_add_test(tcase, post_start_failure_kills_the_container);
    tcase_add_test(tcase, readiness_probe_makes_ready_only_after_success);
    tcase_add_test(tcase, liveness_probe_restarts_after_its_threshold);
    tcase_add_test(tcase, startup_probe_holds_the_others_back);
    tcase_add_test(tcase, missing_image_is_pulled_and_failure_backs_off);
    tcase_add_test(tcase, pull_policy_never_does_not_pull);
    tcase_add_test(tcase, running_container_found_after_a_restart_of_the_agent_is_kept);
    tcase_add_test(tcase, dead_sandbox_is_replaced_with_a_higher_attempt);
    tcase_add_test(tcase, active_deadline_fails_the_pod);
    tcase_add_test(tcase, changed_image_restarts_the_container);
    suite_add_tcase(suite, tcase);
    return suite;
}
