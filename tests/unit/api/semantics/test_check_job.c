/* Rules of Jobs and CronJobs: what is asked for, and what may be said of how it went. */
#include "tests/unit/api/semantics/causes.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>

#define META "'metadata':{'name':'o','namespace':'n'}"
#define PODS "'spec':{'restartPolicy':'Never','containers':[{'name':'c','image':'i'}]}"
#define JOB_WITH(spec, status)                                                                     \
    "{" META ",'spec':{'parallelism':1,'manualSelector':true,'selector':{'matchLabels':{"          \
    "'a':'b'}},'template':{'metadata':{'labels':{'a':'b'}}," PODS "}" spec "},'status':{" status   \
    "}}"

/* --- What is asked for -------------------------------------------------------------------------
 */

START_TEST(the_labels_that_a_job_selects_by_are_the_servers)
{
    ck_assert_causes("batch/v1", "Job",
                     "{" META ",'spec':{'parallelism':1,'completions':1,'template':{'metadata':{"
                     "'labels':{'job-name':'x'}}," PODS "}}}",
                     "spec.template.metadata.labels[job-name]: Invalid value: map[string]string{"
                     "\"batch.kubernetes.io/controller-uid\":\"\", "
                     "\"batch.kubernetes.io/job-name\":\"o\", \"controller-uid\":\"\", "
                     "\"job-name\":\"x\"}: must be 'o'");
}
END_TEST

START_TEST(a_job_of_many_indexes_is_told_all_its_limits)
{
    ck_assert_causes("batch/v1", "Job",
                     "{" META ",'spec':{'parallelism':20000,'completions':100001,"
                     "'completionMode':'Indexed','backoffLimitPerIndex':1,'maxFailedIndexes':"
                     "100001,'managedBy':'a b/c d','template':{" PODS "}}}",
                     "spec.managedBy: Invalid value: \"a b\": a lowercase RFC 1123 subdomain must "
                     "consist of lower case alphanumeric characters, '-' or '.', and must start "
                     "and end with an alphanumeric character (e.g. 'example.com', regex used for "
                     "validation is "
                     "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')\n"
                     "spec.managedBy: Invalid value: \"c d\": Invalid path (regex used for "
                     "validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')\n"
                     "spec.maxFailedIndexes: Invalid value: 100001: must be less than or equal to "
                     "100000\n"
                     "spec.parallelism: Invalid value: 20000: must be less than or equal to 10000 "
                     "when completions are above 100000 and used with backoff limit per index\n"
                     "spec.maxFailedIndexes: Invalid value: 100001: must be less than or equal to "
                     "10000 when completions are above 100000 and used with backoff limit per "
                     "index");
}
END_TEST

#define INDEXED(rule)                                                                              \
    JOB_WITH(",'completions':9,'completionMode':'Indexed','successPolicy':{'rules':[" rule "]}", "")
#define INDEXES "spec.successPolicy.rules[0].succeededIndexes: Invalid value: "
#define COUNT   "spec.successPolicy.rules[0].succeededCount: Invalid value: "

START_TEST(the_indexes_of_a_success_are_read_as_v1_32_reads_them)
{
    ck_assert_causes("batch/v1", "Job", INDEXED("{'succeededIndexes':'0,2-4','succeededCount':4}"),
                     "");
    ck_assert_causes("batch/v1", "Job", INDEXED("{'succeededIndexes':'1-2-3'}"),
                     INDEXES "\"1-2-3\": error parsing succeededIndexes: the fragment \"1-2-3\" "
                             "violates the requirement that an index interval can have at most "
                             "two parts separated by '-'");
    ck_assert_causes("batch/v1", "Job", INDEXED("{'succeededIndexes':'1,'}"),
                     INDEXES "\"1,\": error parsing succeededIndexes: cannot convert string to "
                             "integer for index: \"\"");
    ck_assert_causes("batch/v1", "Job", INDEXED("{'succeededIndexes':'1,9'}"),
                     INDEXES "\"1,9\": error parsing succeededIndexes: too large index: \"9\"");
    ck_assert_causes("batch/v1", "Job", INDEXED("{'succeededIndexes':'3,1'}"),
                     INDEXES "\"3,1\": error parsing succeededIndexes: non-increasing order, "
                             "previous: 3, current: 1");
    ck_assert_causes("batch/v1", "Job", INDEXED("{'succeededIndexes':'2-2'}"),
                     INDEXES "\"2-2\": error parsing succeededIndexes: non-increasing order, "
                             "previous: 2, current: 2");
    ck_assert_causes("batch/v1", "Job", INDEXED("{'succeededIndexes':'0-1','succeededCount':10}"),
                     COUNT "10: must be less than or equal to 9 (the number of specified "
                           "completions)\n" COUNT "10: must be less than or equal to 2 (the number "
                           "of indexes in the specified succeededIndexes field)");
    ck_assert_causes("batch/v1", "Job",
                     JOB_WITH(",'completions':9,'successPolicy':{'rules':[]}", ""),
                     "spec.successPolicy: Invalid value: "
                     "batch.SuccessPolicy{Rules:[]batch.SuccessPolicyRule(nil)}: "
                     "requires indexed completion mode");
}
END_TEST

START_TEST(a_job_that_never_ran_may_be_steered_to_other_nodes_only)
{
#define STEERED(spec, status)                                                                      \
    "{" META ",'spec':{'parallelism':1,'completions':1,'suspend':true,'manualSelector':true,"      \
    "'selector':{'matchLabels':{'a':'b'}},'template':{'metadata':{'labels':{'a':'b'}},'spec':{"    \
    "'restartPolicy':'Never'," spec "'containers':[{'name':'c','image':'i'}]}}},'status':{" status \
    "}}"
#define NODES                                                                                      \
    "'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{'nodeSelectorTerms':[{"     \
    "'matchExpressions':[{'key':'a','operator':'Exists'}]}]}}"
#define SPREAD                                                                                     \
    "'podAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':[{'topologyKey':'t'}]}"
    ck_assert_causes_update("batch/v1", "Job", STEERED("", ""),
                            STEERED("'affinity':{" NODES "},'nodeSelector':{'a':'b'},", ""), "");
    ck_assert_causes_update("batch/v1", "Job", STEERED("'affinity':{" NODES "},", ""),
                            STEERED("", ""), "");
    ck_assert_refused_at("batch/v1", "Job", STEERED("", ""),
                         STEERED("'affinity':{" SPREAD "},", ""), "spec.template");
    ck_assert_refused_at("batch/v1", "Job", STEERED("", "'startTime':'2020-01-01T00:00:00Z'"),
                         STEERED("'nodeSelector':{'a':'b'},", ""), "spec.template");
}
END_TEST

START_TEST(a_schedule_keeps_the_zone_that_it_had)
{
#define CRON(schedule, zone)                                                                       \
    "{" META ",'spec':{'schedule':'" schedule "'," zone "'jobTemplate':{'spec':{'template':{" PODS \
    "}}}}}"
    ck_assert_causes_update("batch/v1", "CronJob", CRON("TZ=UTC 0 * * * *", ""),
                            CRON("TZ=UTC 1 * * * *", ""), "");
    ck_assert_causes_update("batch/v1", "CronJob", CRON("TZ=UTC 0 * * * *", ""),
                            CRON("TZ=UTC 1 * * * *", "'timeZone':'UTC',"),
                            "spec.schedule: Invalid value: \"TZ=UTC 1 * * * *\": cannot use both "
                            "timeZone field and TZ or CRON_TZ in schedule");
    ck_assert_causes_update("batch/v1", "CronJob", CRON("0 * * * *", "'timeZone':'Old/Zone',"),
                            CRON("1 * * * *", "'timeZone':'Old/Zone',"), "");
}
END_TEST

/* --- How it went -------------------------------------------------------------------------------
 */

#define START "'startTime':'2020-01-01T00:00:00Z'"
#define END   "'completionTime':'2020-01-01T00:01:00Z'"
#define TRUE_(type)                                                                                \
    "{'type':'" type "','status':'True','lastProbeTime':null,'lastTransitionTime':null}"
#define CONDITIONS(list) "'conditions':[" list "]"
#define STATUS_OF(spec, before, after, causes)                                                     \
    ck_assert_causes_part("batch/v1", "Job", "status", JOB_WITH(spec, before),                     \
                          JOB_WITH(spec, after), causes)
#define STATUS(before, after, causes) STATUS_OF(",'completions':9", before, after, causes)

START_TEST(a_job_is_complete_when_it_was_announced_and_with_a_time)
{
    STATUS(START, START "," END "," CONDITIONS(TRUE_("SuccessCriteriaMet") "," TRUE_("Complete")),
           "");
    STATUS(START, START "," CONDITIONS(TRUE_("Complete")),
           "status.completionTime: Required value: completionTime is required for Complete jobs\n"
           "status.conditions: Invalid value: cannot set Complete=True condition without the "
           "SuccessCriteriaMet=true condition");
    STATUS(START, START "," END,
           "status.completionTime: Invalid value: 2020-01-01 00:01:00 +0000 UTC: cannot set "
           "completionTime when there is no Complete=True condition");
    STATUS("'startTime':'2020-01-01T00:02:00Z'",
           "'startTime':'2020-01-01T00:02:00Z'," END
           "," CONDITIONS(TRUE_("SuccessCriteriaMet") "," TRUE_("Complete")),
           "status.completionTime: Invalid value: 2020-01-01 00:01:00 +0000 UTC: completionTime "
           "cannot "
           "be set before startTime");
}
END_TEST

START_TEST(a_job_fails_when_it_was_announced_and_nothing_runs)
{
    STATUS(START, START "," CONDITIONS(TRUE_("FailureTarget") "," TRUE_("Failed")), "");
    STATUS("'active':1",
           "'active':1,'terminating':1,'ready':2,'uncountedTerminatedPods':{'failed':['u']}"
           "," CONDITIONS(TRUE_("Failed")),
           "status.conditions: Invalid value: cannot set Failed=True condition without the "
           "FailureTarget=true condition\n"
           "status.active: Invalid value: 1: active>0 is invalid for finished job\n"
           "status.startTime: Required value: startTime is required for finished job\n"
           "status.uncountedTerminatedPods: Invalid value: batch.UncountedTerminatedPods{"
           "Succeeded:[]types.UID(nil), Failed:[]types.UID{\"u\"}}: uncountedTerminatedPods needs "
           "to be empty for finished job\n"
           "status.terminating: Invalid value: 1: terminating>0 is invalid for finished job\n"
           "status.ready: Invalid value: 2: cannot set more ready pods than active");
}
END_TEST

START_TEST(what_a_job_has_reached_stays)
{
    STATUS(START ",'failed':2,'succeeded':2," CONDITIONS(TRUE_("FailureTarget")),
           "'failed':1,'succeeded':1",
           "status.conditions: Invalid value: cannot disable the terminal FailureTarget=True "
           "condition\n"
           "status.failed: Invalid value: 1: cannot decrease the failed counter\n"
           "status.succeeded: Invalid value: 1: cannot decrease the succeeded counter\n"
           "status.startTime: Required value: startTime cannot be removed for unsuspended job");
    STATUS_OF(",'completions':1,'completionMode':'Indexed'", "'succeeded':2", "'succeeded':1", "");
    STATUS(CONDITIONS(TRUE_("SuccessCriteriaMet")), "",
           "status.conditions: Invalid value: cannot disable the SuccessCriteriaMet=True "
           "condition");
}
END_TEST

START_TEST(a_pod_is_uncounted_once)
{
    STATUS("", "'uncountedTerminatedPods':{'succeeded':['a','','a'],'failed':['a','b']}",
           "status.uncountedTerminatedPods.succeeded[1]: Invalid value: \"\": must not be empty\n"
           "status.uncountedTerminatedPods.succeeded[2]: Duplicate value: \"a\"\n"
           "status.uncountedTerminatedPods.failed[0]: Duplicate value: \"a\"");
}
END_TEST

START_TEST(indexes_are_completed_or_failed)
{
#define OF_INDEXES ",'completions':9,'completionMode':'Indexed','backoffLimitPerIndex':1"
    STATUS_OF(OF_INDEXES, "", "'completedIndexes':'0-2,5','failedIndexes':'3,6-7'", "");
    STATUS_OF(OF_INDEXES, "", "'completedIndexes':'0-2,5','failedIndexes':'3,5-7'",
              "status.failedIndexes: Invalid value: \"3,5-7\": failedIndexes and "
              "completedIndexes overlap at index: 5");
    STATUS_OF(OF_INDEXES, "", "'completedIndexes':'9','failedIndexes':'x'",
              "status.completedIndexes: Invalid value: \"9\": error parsing completedIndexes: too "
              "large index: \"9\"\n"
              "status.failedIndexes: Invalid value: \"x\": error parsing failedIndexes: cannot "
              "convert string to integer for index: \"x\"");
    STATUS("", "'completedIndexes':'1','failedIndexes':'2'",
           "status.completedIndexes: Invalid value: \"1\": cannot set non-empty completedIndexes "
           "when non-indexed completion mode\n"
           "status.failedIndexes: Invalid value: \"2\": cannot set non-null failedIndexes when "
           "backoffLimitPerIndex is null");
    /* What was wrong before does not keep anybody from the rest. */
    STATUS("'completedIndexes':'1'", "'completedIndexes':'1','active':1", "");
}
END_TEST

Suite *check_job_suite(void)
{
    Suite *suite = suite_create("check_job");
    TCase *tcase = tcase_create("jobs");
    tcase_add_test(tcase, the_labels_that_a_job_selects_by_are_the_servers);
    tcase_add_test(tcase, a_job_of_many_indexes_is_told_all_its_limits);
    tcase_add_test(tcase, the_indexes_of_a_success_are_read_as_v1_32_reads_them);
    tcase_add_test(tcase, a_job_that_never_ran_may_be_steered_to_other_nodes_only);
    tcase_add_test(tcase, a_schedule_keeps_the_zone_that_it_had);
    tcase_add_test(tcase, a_job_is_complete_when_it_was_announced_and_with_a_time);
    tcase_add_test(tcase, a_job_fails_when_it_was_announced_and_nothing_runs);
    tcase_add_test(tcase, what_a_job_has_reached_stays);
    tcase_add_test(tcase, a_pod_is_uncounted_once);
    tcase_add_test(tcase, indexes_are_completed_or_failed);
    suite_add_tcase(suite, tcase);
    return suite;
}
