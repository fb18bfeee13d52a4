/* What may change in objects that exist, and on which of their subresources; and how what differs
 * is shown. */
#include "tests/unit/api/semantics/causes.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>

#define META "'metadata':{'name':'o','namespace':'n'}"
#define POD(spec, status)                                                                          \
    "{" META ",'spec':{" spec "'containers':[{'name':'c','image':'i'}]},'status':{" status "}}"
#define ONLY                                                                                       \
    "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"    \
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "        \
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set " \
    "to 1 if it was previously negative)\n"

/* --- The spec of a pod -------------------------------------------------------------------------
 */

START_TEST(a_pods_update_says_what_differs)
{
    ck_assert_causes_update("v1", "Pod", POD("'hostname':'a',", ""), POD("'hostname':'b',", ""),
                            ONLY "  core.PodSpec{\n"
                                 "  \t... // 12 identical fields\n"
                                 "  \tSecurityContext:   &{},\n"
                                 "  \tImagePullSecrets:  nil,\n"
                                 "- \tHostname:          \"a\",\n"
                                 "+ \tHostname:          \"b\",\n"
                                 "  \tSubdomain:         \"\",\n"
                                 "  \tSetHostnameAsFQDN: nil,\n"
                                 "  \t... // 17 identical fields\n"
                                 "  }\n");
    ck_assert_causes_update("v1", "Pod",
                            "{" META ",'spec':{'containers':[{'name':'c','image':'i'}]}}",
                            "{" META ",'spec':{'containers':[{'name':'c','image':'i',"
                            "'resources':{'limits':{'cpu':'500m'}}}]}}",
                            ONLY "  core.PodSpec{\n"
                                 "  \tVolumes:        nil,\n"
                                 "  \tInitContainers: nil,\n"
                                 "  \tContainers: []core.Container{\n"
                                 "  \t\t{\n"
                                 "  \t\t\t... // 6 identical fields\n"
                                 "  \t\t\tEnvFrom: nil,\n"
                                 "  \t\t\tEnv:     nil,\n"
                                 "  \t\t\tResources: core.ResourceRequirements{\n"
                                 "- \t\t\t\tLimits:   nil,\n"
                                 "+ \t\t\t\tLimits:   core.ResourceList{s\"cpu\": s\"500m\"},\n"
                                 "- \t\t\t\tRequests: nil,\n"
                                 "+ \t\t\t\tRequests: core.ResourceList{s\"cpu\": s\"500m\"},\n"
                                 "  \t\t\t\tClaims:   nil,\n"
                                 "  \t\t\t},\n"
                                 "  \t\t\tResizePolicy:  nil,\n"
                                 "  \t\t\tRestartPolicy: nil,\n"
                                 "  \t\t\t... // 13 identical fields\n"
                                 "  \t\t},\n"
                                 "  \t},\n"
                                 "  \tEphemeralContainers: nil,\n"
                                 "  \tRestartPolicy:       \"Always\",\n"
                                 "  \t... // 29 identical fields\n"
                                 "  }\n");
}
END_TEST

START_TEST(a_pods_update_is_checked_as_a_whole_before_what_may_not_change)
{
    ck_assert_causes_update(
        "v1", "Pod", POD("", ""), "{" META ",'spec':{'containers':[{'name':'c','image':' i'}]}}",
        "spec.containers[0].image: Invalid value: \" i\": must not have leading "
        "or trailing whitespace\n"
        "spec.containers[0].image: Invalid value: \" i\": must not have leading "
        "or trailing whitespace");
    ck_assert_causes_update(
        "v1", "Pod", POD("", ""),
        "{" META ",'spec':{'containers':[{'name':'c','image':'i'},{'name':'C',"
        "'image':'i'}]}}",
        "spec.containers[1].name: Invalid value: \"C\": a lowercase RFC 1123 "
        "label must consist of lower case alphanumeric characters or '-', and "
        "must start and end with an alphanumeric character (e.g. 'my-name',  or "
        "'123-abc', regex used for validation is "
        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')\n"
        "spec.containers: Forbidden: pod updates may not add or remove "
        "containers");
    ck_assert_causes_update("v1", "Pod", POD("'activeDeadlineSeconds':5,'hostname':'a',", ""),
                            POD("'activeDeadlineSeconds':6,", ""),
                            "spec.activeDeadlineSeconds: Invalid value: 6: must be less than or "
                            "equal to previous value");
}
END_TEST

/* Inside the API server it belongs to the security context. */
START_TEST(a_change_of_the_host_network_is_named)
{
    ck_assert_causes_update("v1", "Pod", POD("", ""), POD("'hostNetwork':true,", ""),
                            ONLY "  core.PodSpec{\n"
                                 "  \t... // 32 identical fields\n"
                                 "  \tResourceClaims: nil,\n"
                                 "  \tResources:      nil,\n"
                                 "- \tHostNetwork:    false,\n"
                                 "+ \tHostNetwork:    true,\n"
                                 "  }\n");
}
END_TEST

/* Terms that spread pods may not be changed with those that choose nodes. */
START_TEST(of_a_gated_pods_affinity_only_that_to_nodes_changes)
{
#define GATED(affinity) POD("'schedulingGates':[{'name':'g'}]," affinity, "")
#define NODES                                                                                      \
    "'nodeAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':{'nodeSelectorTerms':[{"     \
    "'matchExpressions':[{'key':'a','operator':'Exists'}]}]}}"
#define PODS                                                                                       \
    "'podAffinity':{'requiredDuringSchedulingIgnoredDuringExecution':[{'topologyKey':'t'}]}"
    ck_assert_causes_update("v1", "Pod", GATED(""), GATED("'affinity':{" NODES "},"), "");
    ck_assert_causes_update("v1", "Pod", GATED(""), GATED("'affinity':{" NODES "," PODS "},"),
                            ONLY "  core.PodSpec{\n"
                                 "  \t... // 15 identical fields\n"
                                 "  \tSubdomain:         \"\",\n"
                                 "  \tSetHostnameAsFQDN: nil,\n"
                                 "- \tAffinity:          nil,\n"
                                 "+ \tAffinity:          &core.Affinity{PodAffinity: "
                                 "&{RequiredDuringSchedulingIgnoredDuringExecution: "
                                 "{{TopologyKey: \"t\"}}}},\n"
                                 "  \tSchedulerName:     \"default-scheduler\",\n"
                                 "  \tTolerations:       nil,\n"
                                 "  \t... // 14 identical fields\n"
                                 "  }\n");
    ck_assert_causes_update("v1", "Pod", GATED("'affinity':{" PODS "},"),
                            GATED("'affinity':{" NODES "," PODS "},"), "");
}
END_TEST

/* --- Its status --------------------------------------------------------------------------------
 */

#define STATUS(before, after, causes)                                                              \
    ck_assert_causes_part("v1", "Pod", "status", POD("", before), POD("", after), causes)

START_TEST(a_pod_has_one_address_of_each_family)
{
    STATUS("", "'podIPs':[{'ip':'10.0.0.1'},{'ip':'fd00::1'}]", "");
    STATUS("", "'podIP':'x'",
           "status.podIPs[0]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 or "
           "2001:db8::ffff)");
    STATUS("", "'podIPs':[{'ip':'10.0.0.1'},{'ip':'10.0.0.1'}]",
           "status.podIPs: Invalid value: []core.PodIP{core.PodIP{IP:\"10.0.0.1\"}, "
           "core.PodIP{IP:\"10.0.0.1\"}}: may specify no more than one IP for each IP family\n"
           "status.podIPs[1]: Duplicate value: core.PodIP{IP:\"10.0.0.1\"}");
    STATUS(
        "", "'podIPs':[{'ip':'10.0.0.1'},{'ip':'y'}]",
        "status.podIPs[1]: Invalid value: \"y\": must be a valid IP address, (e.g. 10.9.8.7 or "
        "2001:db8::ffff)\n"
        "status.podIPs: Internal error: failed to check for dual stack with error:invalid IP[1]: "
        "<nil>\n"
        "status.podIPs: Invalid value: []core.PodIP{core.PodIP{IP:\"10.0.0.1\"}, "
        "core.PodIP{IP:\"y\"}}: may specify no more than one IP for each IP family");
    STATUS("", "'hostIP':'10.0.0.2','hostIPs':[{'ip':'10.0.0.1'},{'ip':'10.0.0.3'}]",
           "status.hostIPs[0].ip: Invalid value: \"10.0.0.1\": must be equal to `hostIP`\n"
           "status.hostIPs: Invalid value: []core.HostIP{core.HostIP{IP:\"10.0.0.1\"}, "
           "core.HostIP{IP:\"10.0.0.3\"}}: may specify no more than one IP for each IP family");
}
END_TEST

START_TEST(what_ended_for_good_stays_ended)
{
#define ENDED(list, code) "'" list "':[{'name':'c','state':{'terminated':{'exitCode':" code "}}}]"
#define RUNS(list)        "'" list "':[{'name':'x'},{'name':'c','state':{'running':{}}}]"
#define OF(policy, before, after, causes)                                                          \
    ck_assert_causes_part(                                                                         \
        "v1", "Pod", "status",                                                                     \
        POD("'restartPolicy':'" policy                                                             \
            "','initContainers':[{'name':'s','image':'i','restartPolicy':'Always'}],",             \
            before),                                                                               \
        POD("", after), causes)
    OF("Always", ENDED("containerStatuses", "0"), RUNS("containerStatuses"), "");
    OF("OnFailure", ENDED("containerStatuses", "1"), RUNS("containerStatuses"), "");
    OF("OnFailure", ENDED("containerStatuses", "0"), RUNS("containerStatuses"),
       "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated "
       "state");
    OF("Never", ENDED("initContainerStatuses", "1"), RUNS("initContainerStatuses"),
       "status.initContainerStatuses[0].state: Forbidden: may not be transitioned to "
       "non-terminated state");
    OF("Never", "'initContainerStatuses':[{'name':'s','state':{'terminated':{'exitCode':0}}}]",
       "'initContainerStatuses':[{'name':'s','state':{'running':{}}}]", "");
    OF("Always", ENDED("ephemeralContainerStatuses", "1"), RUNS("ephemeralContainerStatuses"),
       "status.ephemeralContainerStatuses[0].state: Forbidden: may not be transitioned to "
       "non-terminated state");
}
END_TEST

START_TEST(a_pods_status_has_conditions_with_names_and_a_class_that_stays)
{
    STATUS("", "'conditions':[{'type':'Ready','status':'True'},{'type':'a/b c','status':'True'}]",
           "metadata.conditions[1].Type: Invalid value: \"a/b c\": name part must consist of "
           "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
           "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
           "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')");
    STATUS("'qosClass':'Burstable'", "'qosClass':'Guaranteed'",
           "status.qosClass: Invalid value: \"Guaranteed\": field is immutable");
    STATUS("'qosClass':'Burstable'", "", "");
}
END_TEST

START_TEST(the_status_of_a_claim_is_about_storage)
{
#define STORED(status)                                                                             \
    "{" META ",'spec':{'accessModes':['ReadWriteOnce'],'resources':{'requests':{'storage':'1Gi'}}" \
    "},'status':{" status "}}"
    ck_assert_causes_part("v1", "PersistentVolumeClaim", "status", STORED(""),
                          STORED("'capacity':{'storage':'1Gi'},'allocatedResources':{'storage':"
                                 "'2Gi','example.com/a':'1'},'allocatedResourceStatuses':{"
                                 "'storage':'NodeResizePending'}"),
                          "");
    ck_assert_causes_part(
        "v1", "PersistentVolumeClaim", "status", STORED(""),
        STORED("'capacity':{'storage':'-2'},'allocatedResources':{'cpu':'1','storage':'-500m'},"
               "'allocatedResourceStatuses':{'a b':'NodeResizePending','storage':'Soon'}"),
        "status.capacity[storage]: Invalid value: -2: must be a valid resource quantity\n"
        "status.allocatedResourceStatus: Invalid value: \"a b\": name part must consist of "
        "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
        "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
        "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')\n"
        "status.allocatedResourceStatus: Unsupported value: \"storage\": supported values: "
        "\"ControllerResizeInProgress\", \"ControllerResizeInfeasible\", "
        "\"NodeResizeInProgress\", \"NodeResizeInfeasible\", \"NodeResizePending\"\n"
        "status.allocatedResources: Unsupported value: \"cpu\": supported values: \"storage\"\n"
        "status.allocatedResources[storage]: Invalid value: -1: must be a valid resource quantity");
}
END_TEST

/* --- Ephemeral containers ----------------------------------------------------------------------
 */

START_TEST(ephemeral_containers_stay_as_they_are)
{
#define WITH(items) POD("'ephemeralContainers':[" items "],", "")
#define LOOK(more)                                                                                 \
    "{'name':'look','image':'i','terminationMessagePolicy':'File','imagePullPolicy':'Always'" more \
    "}"
#define EPHEMERAL(before, after, causes)                                                           \
    ck_assert_causes_part("v1", "Pod", "ephemeralcontainers", before, after, causes)
    EPHEMERAL(POD("", ""), WITH(LOOK("")), "");
    EPHEMERAL(WITH(LOOK("")), WITH(LOOK(",'tty':true")),
              "spec.ephemeralContainers: Forbidden: existing ephemeral containers \"look\" may not "
              "be changed\n"
              "  core.EphemeralContainer{\n"
              "  \tEphemeralContainerCommon: core.EphemeralContainerCommon{\n"
              "  \t\t... // 21 identical fields\n"
              "  \t\tStdin:     false,\n"
              "  \t\tStdinOnce: false,\n"
              "- \t\tTTY:       false,\n"
              "+ \t\tTTY:       true,\n"
              "  \t},\n"
              "  \tTargetContainerName: \"\",\n"
              "  }\n");
    EPHEMERAL(WITH(LOOK("")), POD("", ""),
              "spec.ephemeralContainers: Forbidden: existing ephemeral containers \"look\" may not "
              "be removed\n");
    /* Nothing else of the pod is looked at. */
    EPHEMERAL(POD("", ""),
              "{'metadata':{'name':'o','namespace':'n','labels':{'a':'!'}},'spec':{'hostname':'H',"
              "'containers':[{'name':'d','image':'j'}]}}",
              "");
    EPHEMERAL("{'metadata':{'name':'o','namespace':'n','annotations':{"
              "'kubernetes.io/config.mirror':'m'}},'spec':{'nodeName':'x','containers':[{'name':"
              "'c','image':'i'}]}}",
              WITH(LOOK("")), ": Forbidden: static pods do not support ephemeral containers");
}
END_TEST

/* --- Volumes -----------------------------------------------------------------------------------
 */

START_TEST(a_volumes_source_says_what_differs)
{
#define VOLUME(path)                                                                               \
    "{'metadata':{'name':'o'},'spec':{'capacity':{'storage':'1Gi'},'accessModes':["                \
    "'ReadWriteOnce'],'hostPath':{'path':'" path "','type':''}}}"
    ck_assert_causes_update("v1", "PersistentVolume", VOLUME("/data"), VOLUME("/other"),
                            "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource "
                            "is immutable after creation\n"
                            "  core.PersistentVolumeSource{\n"
                            "  \tGCEPersistentDisk:    nil,\n"
                            "  \tAWSElasticBlockStore: nil,\n"
                            "  \tHostPath: &core.HostPathVolumeSource{\n"
                            "- \t\tPath: \"/data\",\n"
                            "+ \t\tPath: \"/other\",\n"
                            "  \t\tType: &\"\",\n"
                            "  \t},\n"
                            "  \tGlusterfs: nil,\n"
                            "  \tNFS:       nil,\n"
                            "  \t... // 17 identical fields\n"
                            "  }\n");
}
END_TEST

START_TEST(a_claims_spec_says_what_differs)
{
#define CLAIM(annotations, modes, more)                                                            \
    "{'metadata':{'name':'o','namespace':'n','annotations':{" annotations "}},'spec':{"            \
    "'accessModes':['" modes "'],'resources':{'requests':{'storage':'1Gi'}}" more "}}"
#define ONCE                                                                                       \
    "spec: Forbidden: spec is immutable after creation except resources.requests and "             \
    "volumeAttributesClassName for bound claims\n"
    ck_assert_causes_update("v1", "PersistentVolumeClaim", CLAIM("", "ReadWriteOnce", ""),
                            CLAIM("", "ReadOnlyMany", ""),
                            ONCE "  core.PersistentVolumeClaimSpec{\n"
                                 "- \tAccessModes: []core.PersistentVolumeAccessMode{"
                                 "\"ReadWriteOnce\"},\n"
                                 "+ \tAccessModes: []core.PersistentVolumeAccessMode{"
                                 "\"ReadOnlyMany\"},\n"
                                 "  \tSelector:    nil,\n"
                                 "  \tResources:   {Requests: {s\"storage\": s\"1Gi\"}},\n"
                                 "  \t... // 6 identical fields\n"
                                 "  }\n");
}
END_TEST

START_TEST(a_claims_class_moves_from_its_annotation_once)
{
#define CLASS "'volume.beta.kubernetes.io/storage-class':"
    ck_assert_causes_update("v1", "PersistentVolumeClaim", CLAIM(CLASS "'a'", "ReadWriteOnce", ""),
                            CLAIM("", "ReadWriteOnce", ",'storageClassName':'a'"), "");
    ck_assert_causes_update("v1", "PersistentVolumeClaim", CLAIM("", "ReadWriteOnce", ""),
                            CLAIM("", "ReadWriteOnce", ",'storageClassName':'a'"), "");
    ck_assert_causes_update("v1", "PersistentVolumeClaim", CLAIM(CLASS "'a'", "ReadWriteOnce", ""),
                            CLAIM(CLASS "'b'", "ReadWriteOnce", ""),
                            "metadata.annotations.volume.beta.kubernetes.io/storage-class: Invalid "
                            "value: \"b\": field is immutable");
}
END_TEST

/* --- Metadata ----------------------------------------------------------------------------------
 */

START_TEST(who_is_being_deleted_gets_no_more_finalizers)
{
#define ENDING(finalizers)                                                                         \
    "{'metadata':{'name':'o','namespace':'n','deletionTimestamp':'2020-01-01T00:00:00Z',"          \
    "'finalizers':[" finalizers "]}}"
    ck_assert_causes_update("v1", "ConfigMap", ENDING("'a/b'"), ENDING("'a/d','a/c','a/d','a/b'"),
                            "metadata.finalizers: Forbidden: no new finalizers can be added if the "
                            "object is being deleted, found new finalizers []string{\"a/c\", "
                            "\"a/d\"}");
    ck_assert_causes_update("v1", "ConfigMap", ENDING("'a/b'"), ENDING(""), "");
}
END_TEST

START_TEST(finalizers_that_contradict_each_other_are_all_shown)
{
    ck_assert_causes("v1", "ConfigMap",
                     "{'metadata':{'name':'o','namespace':'n','finalizers':['foregroundDeletion',"
                     "'a/b','orphan']}}",
                     "metadata.finalizers: Invalid value: []string{\"foregroundDeletion\", "
                     "\"a/b\", \"orphan\"}: finalizer orphan and foregroundDeletion cannot be "
                     "both set");
}
END_TEST

START_TEST(the_end_of_a_generated_names_prefix_may_be_anything_before_a_hyphen)
{
#define NAMED(prefix) "{'metadata':{'name':'o','namespace':'n','generateName':'" prefix "'}}"
    ck_assert_causes("v1", "ConfigMap", NAMED("a_-"), "");
    ck_assert_causes("v1", "ConfigMap", NAMED("a-"), "");
    ck_assert_causes("rbac.authorization.k8s.io/v1", "Role", NAMED(".."), "");
    ck_assert_causes("rbac.authorization.k8s.io/v1", "Role", NAMED("a%"),
                     "metadata.generateName: Invalid value: \"a%\": may not contain '%'");
}
END_TEST

/* --- Definitions -------------------------------------------------------------------------------
 */

START_TEST(who_converts_keeps_certificates_that_can_be_read)
{
#define CRD(bundle, status)                                                                        \
    "{'metadata':{'name':'as.x.example.com'},'spec':{'group':'x.example.com','scope':'Namespaced'" \
    ",'names':{'plural':'as','singular':'a','kind':'A','listKind':'AList'},'conversion':{"         \
    "'strategy':'Webhook','webhook':{'conversionReviewVersions':['v1'],'clientConfig':{'url':"     \
    "'https://a/b','caBundle':'" bundle "'}}},'versions':[{'name':'v1','served':true,'storage':"   \
    "true,'schema':{'openAPIV3Schema':{'type':'object'}}}]},'status':{'storedVersions':['v1'],"    \
    "'conditions':[{'type':'Established','status':'" status "'}]}}"
#define GOOD                                                                                       \
    "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCkFBPT0KLS0tLS1FTkQgQ0VS"                                 \
    "VElGSUNBVEUtLS0tLQo="
#define DEFINITION "apiextensions.k8s.io/v1", "CustomResourceDefinition"
    ck_assert_causes_update(DEFINITION, CRD(GOOD, "True"), CRD("Cg==", "True"),
                            "spec.conversion.webhookClientConfig.caBundle: Invalid value: "
                            "[]byte{0xa}: unable to load root certificates: unable to parse bytes "
                            "as PEM block");
    ck_assert_causes_update(DEFINITION, CRD("Cg==", "True"), CRD(GOOD, "True"), "");
    ck_assert_causes_update(DEFINITION, CRD("Cg==", "True"), CRD("Cgo=", "True"), "");
    ck_assert_causes_update(DEFINITION, CRD(GOOD, "False"), CRD("Cg==", "False"), "");
}
END_TEST

Suite *check_update_suite(void)
{
    Suite *suite = suite_create("check_update");
    TCase *tcase = tcase_create("update");
    tcase_add_test(tcase, a_pods_update_says_what_differs);
    tcase_add_test(tcase, who_converts_keeps_certificates_that_can_be_read);
    tcase_add_test(tcase, the_status_of_a_claim_is_about_storage);
    tcase_add_test(tcase, a_change_of_the_host_network_is_named);
    tcase_add_test(tcase, a_pods_update_is_checked_as_a_whole_before_what_may_not_change);
    tcase_add_test(tcase, of_a_gated_pods_affinity_only_that_to_nodes_changes);
    tcase_add_test(tcase, a_pod_has_one_address_of_each_family);
    tcase_add_test(tcase, what_ended_for_good_stays_ended);
    tcase_add_test(tcase, a_pods_status_has_conditions_with_names_and_a_class_that_stays);
    tcase_add_test(tcase, ephemeral_containers_stay_as_they_are);
    tcase_add_test(tcase, a_volumes_source_says_what_differs);
    tcase_add_test(tcase, a_claims_spec_says_what_differs);
    tcase_add_test(tcase, a_claims_class_moves_from_its_annotation_once);
    tcase_add_test(tcase, who_is_being_deleted_gets_no_more_finalizers);
    tcase_add_test(tcase, finalizers_that_contradict_each_other_are_all_shown);
    tcase_add_test(tcase, the_end_of_a_generated_names_prefix_may_be_anything_before_a_hyphen);
    suite_add_tcase(suite, tcase);
    return suite;
}
