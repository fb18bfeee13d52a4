/* Bindings and evictions: what is refused, in which words and order, and what they leave behind. */
#include "tests/unit/apiserver/registry_fixture.h"

#include "k8s/core_v1.pb-c.h"
#include "k8s/policy_v1.pb-c.h"
#include "lib/api/time.h"

static struct fixture fixture;

static void make_pod(const char *name, const char *more_spec)
{
    struct registry_call made = create(
        &fixture, "pods", "ns",
        arena_printf(fixture.arena,
                     "{\"metadata\":{\"name\":\"%s\",\"labels\":{\"app\":\"a\"}},\"spec\":{%s"
                     "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}",
                     name, more_spec));
    ck_assert_msg(made.status == NULL, "%s", made.status == NULL ? "" : made.status->message);
}

static void setup(void)
{
    fixture_init(&fixture);
    make_namespace(&fixture);
    struct registry_call account =
        create(&fixture, "serviceaccounts", "ns", "{\"metadata\":{\"name\":\"default\"}}");
    ck_assert_ptr_null(account.status);
    make_pod("p", "");
}

static void teardown(void)
{
    fixture_release(&fixture);
}

static void patch(const struct api_kind *kind, const char *subresource, const char *name,
                  const char *json)
{
    struct registry_call call = {.verb = REGISTRY_PATCH,
                                 .kind = kind,
                                 .namespace = "ns",
                                 .name = name,
                                 .subresource = subresource,
                                 .patch_type = REGISTRY_PATCH_MERGE,
                                 .patch = slice_text(json)};
    run(&fixture, &call);
    ck_assert_msg(call.status == NULL, "%s", call.status == NULL ? "" : call.status->message);
}

static struct registry_call post(const char *subresource, const char *name, bool dry_run,
                                 const char *json)
{
    const struct api_kind *kind = core("pods");
    void *message = NULL;
    ck_assert_int_eq(api_decode_json(fixture.arena,
                                     api_kind_subresource(kind, subresource)->message,
                                     slice_text(json), NULL, &message, NULL),
                     0);
    struct registry_call call = {.verb = REGISTRY_CREATE,
                                 .kind = kind,
                                 .namespace = "ns",
                                 .name = name,
                                 .subresource = subresource,
                                 .options = {.dry_run = dry_run},
                                 .body = message};
    run(&fixture, &call);
    return call;
}

static void ck_refused(struct registry_call call, int code, const char *reason, const char *text)
{
    ck_assert_ptr_nonnull(call.status);
    ck_assert_str_eq(call.status->message, text);
    ck_assert_int_eq(call.status->code, code);
    ck_assert_str_eq(call.status->reason, reason);
}

static const Core__V1__Pod *pod_named(const char *name)
{
    struct registry_call read = simple(&fixture, REGISTRY_GET, "pods", "ns", name);
    return read.status != NULL ? NULL : cached_object_message(read.object);
}

static const Core__V1__PodCondition *condition_of(const Core__V1__Pod *pod, const char *type)
{
    for (size_t i = 0; i < pod->status->n_conditions; i++) {
        if (strcmp(pod->status->conditions[i]->type, type) == 0) {
            return pod->status->conditions[i];
        }
    }
    return NULL;
}

/* --- Bindings --- */

START_TEST(a_binding_names_the_pod_of_its_url_and_a_node)
{
    ck_refused(post("binding", "p", false,
                    "{\"metadata\":{\"name\":\"other\"},\"target\":{\"name\":\"n\"}}"),
               400, "BadRequest", "name in URL does not match name in Binding object");
    ck_refused(post("binding", "p", false, "{\"target\":{\"name\":\"n\"}}"), 400, "BadRequest",
               "name in URL does not match name in Binding object");
    ck_refused(post("binding", "p", false,
                    "{\"metadata\":{\"name\":\"p\",\"namespace\":\"x\"},"
                    "\"target\":{\"name\":\"n\"}}"),
               400, "BadRequest",
               "the namespace of the provided object does not match the namespace sent on the "
               "request");
    ck_refused(post("binding", "p", false,
                    "{\"metadata\":{\"name\":\"p\"},\"target\":{\"kind\":\"Pod\"}}"),
               500, "",
               "[target.kind: Unsupported value: \"Pod\": supported values: \"Node\", "
               "\"<empty>\", target.name: Required value]");
    ck_refused(post("binding", "p", false, "{\"metadata\":{\"name\":\"p\"},\"target\":{}}"), 500,
               "", "target.name: Required value");
    ck_refused(post("binding", "none", false,
                    "{\"metadata\":{\"name\":\"none\"},\"target\":{\"name\":\"n\"}}"),
               404, "NotFound", "pods \"none\" not found");
}
END_TEST

START_TEST(a_binding_of_another_state_of_the_pod_is_refused)
{
    const char *uid = pod_named("p")->metadata->uid;
    ck_refused(post("binding", "p", false,
                    "{\"metadata\":{\"name\":\"p\",\"uid\":\"u\"},\"target\":{\"name\":\"n\"}}"),
               409, "Conflict",
               arena_printf(fixture.arena,
                            "Operation cannot be fulfilled on pods \"p\": StorageError: invalid "
                            "object, Code: 4, Key: /registry/pods/ns/p, ResourceVersion: 0, "
                            "AdditionalErrorMsg: Precondition failed: UID in precondition: u, UID "
                            "in object meta: %s",
                            uid));
    struct registry_call stale = post("binding", "p", false,
                                      "{\"metadata\":{\"name\":\"p\",\"resourceVersion\":\"1\"},"
                                      "\"target\":{\"name\":\"n\"}}");
    ck_assert_int_eq(stale.status->code, 409);
    ck_assert_ptr_nonnull(
        strstr(stale.status->message, "Precondition failed: ResourceVersion in precondition: 1, "));
}
END_TEST

START_TEST(a_pod_that_is_bound_or_held_back_is_not_bound)
{
    make_pod("gated", "\"schedulingGates\":[{\"name\":\"g\"}],");
    ck_refused(post("binding", "gated", false,
                    "{\"metadata\":{\"name\":\"gated\"},\"target\":{\"name\":\"n\"}}"),
               409, "Conflict",
               "Operation cannot be fulfilled on pods/binding \"gated\": pod gated has non-empty "
               ".spec.schedulingGates");
    const char *binding = "{\"metadata\":{\"name\":\"p\",\"annotations\":{\"a\":\"b\"},"
                          "\"labels\":{\"l\":\"m\"}},\"target\":{\"kind\":\"Node\","
                          "\"name\":\"n\"}}";
    ck_assert_ptr_null(post("binding", "p", true, binding).status);
    ck_assert_str_eq(text_or_empty(pod_named("p")->spec->node_name), "");
    struct registry_call made = post("binding", "p", false, binding);
    ck_assert_ptr_null(made.status);
    ck_assert_int_eq(made.code, 201);
    const Core__V1__Pod *pod = pod_named("p");
    ck_assert_str_eq(pod->spec->node_name, "n");
    ck_assert_str_eq(condition_of(pod, "PodScheduled")->status, "True");
    ck_assert_uint_eq(pod->metadata->n_annotations, 1);
    ck_assert_uint_eq(pod->metadata->n_labels, 1); /* Labels are not copied. */
    struct registry_call again = post("binding", "p", false, binding);
    ck_refused(again, 409, "Conflict",
               "Operation cannot be fulfilled on pods/binding \"p\": pod p is already assigned to "
               "node \"n\"");
    ck_assert_str_eq(again.status->kind, "pods/binding");
}
END_TEST

/* --- Evictions --- */

static const char evict_p[] = "{\"metadata\":{\"name\":\"p\"}}";

static const struct api_kind *budgets(void)
{
    return api_kind_find("policy", "v1", "poddisruptionbudgets");
}

static void make_budget(const char *name, const char *spec, const char *status)
{
    void *message = NULL;
    const char *json =
        arena_printf(fixture.arena,
                     "{\"metadata\":{\"name\":\"%s\"},\"spec\":{%s\"minAvailable\":1,"
                     "\"selector\":{\"matchLabels\":{\"app\":\"a\"}}}}",
                     name, spec);
    ck_assert_int_eq(
        api_decode_json(fixture.arena, budgets()->message, slice_text(json), NULL, &message, NULL),
        0);
    struct registry_call call = {
        .verb = REGISTRY_CREATE, .kind = budgets(), .namespace = "ns", .body = message};
    run(&fixture, &call);
    ck_assert_ptr_null(call.status);
    if (status != NULL) {
        patch(budgets(), "status", name,
              arena_printf(fixture.arena, "{\"status\":{\"observedGeneration\":1,%s}}", status));
    }
}

static const Policy__V1__PodDisruptionBudget *budget_named(const char *name)
{
    struct registry_call read = {
        .verb = REGISTRY_GET, .kind = budgets(), .namespace = "ns", .name = name};
    run(&fixture, &read);
    ck_assert_ptr_null(read.status);
    return cached_object_message(read.object);
}

/* Bound, so that it goes by and by, and running. */
static void run_pod(const char *ready)
{
    ck_assert_ptr_null(
        post("binding", "p", false, "{\"metadata\":{\"name\":\"p\"},\"target\":{\"name\":\"n\"}}")
            .status);
    patch(core("pods"), "status", "p",
          arena_printf(fixture.arena,
                       "{\"status\":{\"phase\":\"Running\",\"conditions\":[{\"type\":\"Ready\","
                       "\"status\":\"%s\"}]}}",
                       ready));
}

START_TEST(an_eviction_names_the_pod_of_its_url)
{
    const char *why = "name in URL does not match name in Eviction object";
    ck_refused(post("eviction", "p", false, "{\"metadata\":{\"name\":\"q\"}}"), 400, "BadRequest",
               why);
    ck_refused(post("eviction", "none", false, evict_p), 400, "BadRequest", why);
    ck_refused(post("eviction", "none", false, "{\"metadata\":{\"name\":\"none\"}}"), 404,
               "NotFound", "pods \"none\" not found");
}
END_TEST

START_TEST(an_eviction_checks_how_it_is_to_delete)
{
    ck_refused(post("eviction", "p", false,
                    "{\"metadata\":{\"name\":\"p\"},\"deleteOptions\":{\"dryRun\":[\"x\"]}}"),
               422, "Invalid",
               "DeleteOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: "
               "[\"x\"]: supported values: \"All\"");
    ck_refused(post("eviction", "p", true,
                    "{\"metadata\":{\"name\":\"p\"},\"deleteOptions\":{\"dryRun\":[\"x\"]}}"),
               500, "", "Non-matching dry-run options in request and content: [All] and [x]");
    struct registry_call other = post("eviction", "p", false,
                                      "{\"metadata\":{\"name\":\"p\"},\"deleteOptions\":"
                                      "{\"preconditions\":{\"uid\":\"u\"}}}");
    ck_refused(other, 409, "Conflict",
               arena_printf(fixture.arena,
                            "Operation cannot be fulfilled on Pod \"p\": the UID in the "
                            "precondition (u) does not match the UID in record (%s). The object "
                            "might have been deleted and then recreated",
                            pod_named("p")->metadata->uid));
    ck_assert_str_eq(other.status->kind, "Pod");
    ck_assert_ptr_null(post("eviction", "p", false,
                            "{\"metadata\":{\"name\":\"p\"},\"deleteOptions\":{\"dryRun\":"
                            "[\"All\"]}}")
                           .status);
    ck_assert_ptr_nonnull(pod_named("p"));
    ck_assert_ptr_null(post("eviction", "p", false, evict_p).status);
    ck_assert_ptr_null(pod_named("p"));
}
END_TEST

static void ck_over_budget(struct registry_call call, const char *cause, int32_t retry_seconds)
{
    ck_refused(call, 429, "TooManyRequests",
               "Cannot evict pod as it would violate the pod's disruption budget.");
    ck_assert_uint_eq(call.status->cause_count, 1);
    ck_assert_str_eq(call.status->causes[0].reason, "DisruptionBudget");
    ck_assert_str_eq(call.status->causes[0].message, cause);
    ck_assert_int_eq(call.status->retry_after_seconds, retry_seconds);
}

START_TEST(a_budget_refuses_until_it_is_known_and_while_nothing_may_go)
{
    make_budget("b", "", NULL);
    run_pod("True");
    ck_over_budget(post("eviction", "p", false, evict_p),
                   "The disruption budget b is still being processed by the server.", 10);
    patch(budgets(), "status", "b",
          "{\"status\":{\"observedGeneration\":1,\"desiredHealthy\":1,\"currentHealthy\":1,"
          "\"disruptionsAllowed\":0,\"expectedPods\":1}}");
    ck_over_budget(post("eviction", "p", false, evict_p),
                   "The disruption budget b needs 1 healthy pods and has 1 currently", 0);
}
END_TEST

START_TEST(an_eviction_is_charged_to_the_budget_and_the_pod_says_why_it_goes)
{
    make_budget("b", "",
                "\"desiredHealthy\":1,\"currentHealthy\":2,\"disruptionsAllowed\":1,"
                "\"expectedPods\":2");
    run_pod("True");
    ck_assert_ptr_null(post("eviction", "p", true, evict_p).status);
    ck_assert_int_eq(budget_named("b")->status->disruptions_allowed, 1);
    struct registry_call done = post("eviction", "p", false, evict_p);
    ck_assert_ptr_null(done.status);
    ck_assert_int_eq(done.code, 201);
    ck_assert(done.success->success);
    const Policy__V1__PodDisruptionBudgetStatus *status = budget_named("b")->status;
    ck_assert_int_eq(status->disruptions_allowed, 0);
    ck_assert_uint_eq(status->n_disrupted_pods, 1);
    ck_assert_str_eq(status->disrupted_pods[0]->key, "p");
    ck_assert_uint_eq(status->n_conditions, 1);
    ck_assert_str_eq(status->conditions[0]->type, "DisruptionAllowed");
    ck_assert_str_eq(status->conditions[0]->reason, "InsufficientPods");
    const Core__V1__Pod *pod = pod_named("p");
    ck_assert(!api_time_is_zero(pod->metadata->deletion_timestamp));
    const Core__V1__PodCondition *why = condition_of(pod, "DisruptionTarget");
    ck_assert_ptr_nonnull(why);
    ck_assert_str_eq(why->reason, "EvictionByEvictionAPI");
    ck_assert_str_eq(why->message, "Eviction API: evicting");
    /* It is going already: no budget is asked any more. */
    ck_assert_ptr_null(post("eviction", "p", false, evict_p).status);
}
END_TEST

START_TEST(a_pod_that_is_not_ready_goes_when_enough_others_are_or_always)
{
    make_budget("b", "",
                "\"desiredHealthy\":2,\"currentHealthy\":1,\"disruptionsAllowed\":0,"
                "\"expectedPods\":2");
    run_pod("False");
    ck_over_budget(post("eviction", "p", false, evict_p),
                   "The disruption budget b needs 2 healthy pods and has 1 currently", 0);
    patch(budgets(), "status", "b", "{\"status\":{\"currentHealthy\":2}}");
    ck_assert_ptr_null(post("eviction", "p", true, evict_p).status);
    patch(budgets(), "status", "b", "{\"status\":{\"currentHealthy\":0}}");
    patch(budgets(), "", "b", "{\"spec\":{\"unhealthyPodEvictionPolicy\":\"AlwaysAllow\"}}");
    ck_assert_ptr_null(post("eviction", "p", false, evict_p).status);
    ck_assert_uint_eq(budget_named("b")->status->n_disrupted_pods, 0);
}
END_TEST

START_TEST(two_budgets_of_a_pod_are_a_failure_but_of_a_pending_one)
{
    make_budget("a", "", NULL);
    make_budget("b", "", NULL);
    ck_assert_ptr_null(post("eviction", "p", true, evict_p).status);
    run_pod("True");
    ck_refused(post("eviction", "p", false, evict_p), 500, "",
               "This pod has more than one PodDisruptionBudget, which the eviction subresource "
               "does not support.");
}
END_TEST

/* --- Scales --- */

static struct registry_call put_scale(const char *name, const char *json)
{
    const struct api_kind *kind = core("replicationcontrollers");
    void *message = NULL;
    ck_assert_int_eq(api_decode_json(fixture.arena, api_kind_subresource(kind, "scale")->message,
                                     slice_text(json), NULL, &message, NULL),
                     0);
    struct registry_call call = {.verb = REGISTRY_UPDATE,
                                 .kind = kind,
                                 .namespace = "ns",
                                 .name = name,
                                 .subresource = "scale",
                                 .body = message};
    run(&fixture, &call);
    return call;
}

START_TEST(a_scale_is_that_of_the_object_in_the_url)
{
    struct registry_call made = create(&fixture, "replicationcontrollers", "ns",
                                       "{\"metadata\":{\"name\":\"r\"},\"spec\":{\"template\":{"
                                       "\"metadata\":{\"labels\":{\"a\":\"b\"}},\"spec\":{"
                                       "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]}}}}");
    ck_assert_ptr_null(made.status);
    ck_refused(put_scale("r", "{\"metadata\":{\"name\":\"q\"},\"spec\":{\"replicas\":2}}"), 400,
               "BadRequest", "the name of the object (q) does not match the name on the URL (r)");
    ck_refused(put_scale("r", "{\"spec\":{\"replicas\":2}}"), 400, "BadRequest",
               "the name of the object (r based on URL) was undeterminable: name must be provided");
    ck_refused(put_scale("r", "{\"metadata\":{\"name\":\"r\",\"namespace\":\"x\"}}"), 400,
               "BadRequest",
               "the namespace of the provided object does not match the namespace sent on the "
               "request");
    struct registry_call other =
        put_scale("r", "{\"metadata\":{\"name\":\"r\",\"uid\":\"u\"},\"spec\":{\"replicas\":2}}");
    ck_assert_int_eq(other.status->code, 409);
    ck_assert_ptr_nonnull(strstr(other.status->message, "UID in precondition: u, UID in object"));
    ck_assert_ptr_null(
        put_scale("r", "{\"metadata\":{\"name\":\"r\"},\"spec\":{\"replicas\":2}}").status);
}
END_TEST

Suite *subresources_suite(void);
Suite *subresources_suite(void)
{
    Suite *suite = suite_create("apiserver/subresources");
    TCase *tcase = tcase_create("pods");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_set_timeout(tcase, 30);
    tcase_add_test(tcase, a_binding_names_the_pod_of_its_url_and_a_node);
    tcase_add_test(tcase, a_binding_of_another_state_of_the_pod_is_refused);
    tcase_add_test(tcase, a_pod_that_is_bound_or_held_back_is_not_bound);
    tcase_add_test(tcase, an_eviction_names_the_pod_of_its_url);
    tcase_add_test(tcase, an_eviction_checks_how_it_is_to_delete);
    tcase_add_test(tcase, a_budget_refuses_until_it_is_known_and_while_nothing_may_go);
    tcase_add_test(tcase, an_eviction_is_charged_to_the_budget_and_the_pod_says_why_it_goes);
    tcase_add_test(tcase, a_pod_that_is_not_ready_goes_when_enough_others_are_or_always);
    tcase_add_test(tcase, two_budgets_of_a_pod_are_a_failure_but_of_a_pending_one);
    tcase_add_test(tcase, a_scale_is_that_of_the_object_in_the_url);
    suite_add_tcase(suite, tcase);
    return suite;
}
