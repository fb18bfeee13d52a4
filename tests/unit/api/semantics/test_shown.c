/* Wrong objects in messages: in Go's syntax, with the types and members that the API server of
 * Kubernetes has of them inside. */
#include "tests/unit/api/semantics/causes.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>

#define META "'metadata':{'name':'o','namespace':'n'}"

START_TEST(a_budget_with_both_limits_is_shown_without_what_is_behind_its_pointers)
{
    ck_assert_causes("policy/v1", "PodDisruptionBudget",
                     "{" META ",'spec':{'minAvailable':1,'maxUnavailable':1,'selector':{}}}",
                     "spec: Invalid value: policy.PodDisruptionBudgetSpec{"
                     "MinAvailable:(*intstr.IntOrString)(0xc000000000), "
                     "Selector:(*v1.LabelSelector)(0xc000000000), "
                     "MaxUnavailable:(*intstr.IntOrString)(0xc000000000), "
                     "UnhealthyPodEvictionPolicy:(*policy.UnhealthyPodEvictionPolicyType)(nil)}: "
                     "minAvailable and maxUnavailable cannot be both set");
}
END_TEST

START_TEST(a_volumes_capacity_is_shown_with_its_quantities)
{
#define VOLUME(capacity)                                                                           \
    "{'metadata':{'name':'o'},'spec':{'accessModes':['ReadWriteOnce'],'capacity':{" capacity       \
    "},'hostPath':{'path':'/a'},'persistentVolumeReclaimPolicy':'Retain'}}"
    ck_assert_causes(
        "v1", "PersistentVolume", VOLUME("'storage':'1Gi','cpu':'2'"),
        "spec.capacity: Unsupported value: core.ResourceList{"
        "\"cpu\":resource.Quantity{i:resource.int64Amount{value:2, scale:0}, "
        "d:resource.infDecAmount{Dec:(*inf.Dec)(nil)}, s:\"2\", Format:\"DecimalSI\"}, "
        "\"storage\":resource.Quantity{i:resource.int64Amount{value:1073741824, scale:0}, "
        "d:resource.infDecAmount{Dec:(*inf.Dec)(nil)}, s:\"1Gi\", Format:\"BinarySI\"}}: "
        "supported values: \"storage\"");
}
END_TEST

#define CONTAINER                                                                                  \
    "core.Container{Name:\"c\", Image:\"i\", Command:[]string(nil), Args:[]string{\"-a\"}, "       \
    "WorkingDir:\"\", Ports:[]core.ContainerPort{core.ContainerPort{Name:\"\", HostPort:0, "       \
    "ContainerPort:80, Protocol:\"TCP\", HostIP:\"\"}}, EnvFrom:[]core.EnvFromSource(nil), "       \
    "Env:[]core.EnvVar(nil), Resources:core.ResourceRequirements{Limits:core.ResourceList(nil), "  \
    "Requests:core.ResourceList(nil), Claims:[]core.ResourceClaim(nil)}, "                         \
    "ResizePolicy:[]core.ContainerResizePolicy(nil), "                                             \
    "RestartPolicy:(*core.ContainerRestartPolicy)(nil), VolumeMounts:[]core.VolumeMount(nil), "    \
    "VolumeDevices:[]core.VolumeDevice(nil), LivenessProbe:(*core.Probe)(nil), "                   \
    "ReadinessProbe:(*core.Probe)(nil), StartupProbe:(*core.Probe)(nil), "                         \
    "Lifecycle:(*core.Lifecycle)(nil), TerminationMessagePath:\"/dev/termination-log\", "          \
    "TerminationMessagePolicy:\"File\", ImagePullPolicy:\"Always\", "                              \
    "SecurityContext:(*core.SecurityContext)(nil), Stdin:false, StdinOnce:false, TTY:false}"
#define SPEC                                                                                       \
    "core.PodSpec{Volumes:[]core.Volume(nil), InitContainers:[]core.Container(nil), "              \
    "Containers:[]core.Container{" CONTAINER "}, "                                                 \
    "EphemeralContainers:[]core.EphemeralContainer(nil), RestartPolicy:\"Never\", "                \
    "TerminationGracePeriodSeconds:(*int64)(0xc000000000), ActiveDeadlineSeconds:(*int64)(nil), "  \
    "DNSPolicy:\"ClusterFirst\", NodeSelector:map[string]string{\"a\":\"b\"}, "                    \
    "ServiceAccountName:\"\", AutomountServiceAccountToken:(*bool)(nil), NodeName:\"\", "          \
    "SecurityContext:(*core.PodSecurityContext)(0xc000000000), "                                   \
    "ImagePullSecrets:[]core.LocalObjectReference(nil), Hostname:\"\", Subdomain:\"\", "           \
    "SetHostnameAsFQDN:(*bool)(nil), Affinity:(*core.Affinity)(nil), "                             \
    "SchedulerName:\"default-scheduler\", Tolerations:[]core.Toleration(nil), "                    \
    "HostAliases:[]core.HostAlias(nil), PriorityClassName:\"\", Priority:(*int32)(nil), "          \
    "PreemptionPolicy:(*core.PreemptionPolicy)(nil), DNSConfig:(*core.PodDNSConfig)(nil), "        \
    "ReadinessGates:[]core.PodReadinessGate(nil), RuntimeClassName:(*string)(nil), "               \
    "Overhead:core.ResourceList(nil), EnableServiceLinks:(*bool)(nil), "                           \
    "TopologySpreadConstraints:[]core.TopologySpreadConstraint(nil), OS:(*core.PodOS)(nil), "      \
    "SchedulingGates:[]core.PodSchedulingGate(nil), ResourceClaims:[]core.PodResourceClaim(nil), " \
    "Resources:(*core.ResourceRequirements)(nil)}"

START_TEST(the_template_of_a_job_that_may_not_change_is_shown_whole)
{
#define JOB(selector)                                                                              \
    "{" META ",'spec':{'manualSelector':true,'selector':{'matchLabels':{'j':'o'}},"                \
    "'completions':1,'parallelism':1,'template':{'metadata':{'labels':{'j':'o'}},'spec':{"         \
    "'restartPolicy':'Never','nodeSelector':{'a':'" selector "'},'containers':[{'name':'c',"       \
    "'image':'i','args':['-a'],'ports':[{'containerPort':80}]}]}}}}"
    ck_assert_causes_update(
        "batch/v1", "Job", JOB("a"), JOB("b"),
        "spec.template: Invalid value: core.PodTemplateSpec{ObjectMeta:v1.ObjectMeta{Name:\"\", "
        "GenerateName:\"\", Namespace:\"\", SelfLink:\"\", UID:\"\", ResourceVersion:\"\", "
        "Generation:0, "
        "CreationTimestamp:time.Date(1, time.January, 1, 0, 0, 0, 0, time.UTC), "
        "DeletionTimestamp:<nil>, DeletionGracePeriodSeconds:(*int64)(nil), "
        "Labels:map[string]string{\"j\":\"o\"}, Annotations:map[string]string(nil), "
        "OwnerReferences:[]v1.OwnerReference(nil), Finalizers:[]string(nil), "
        "ManagedFields:[]v1.ManagedFieldsEntry(nil)}, Spec:" SPEC "}: field is immutable");
}
END_TEST

START_TEST(the_partition_of_a_set_is_a_number)
{
    ck_assert_causes(
        "apps/v1", "StatefulSet",
        "{" META ",'spec':{'serviceName':'s','selector':{'matchLabels':{'a':'b'}},'template':{"
        "'metadata':{'labels':{'a':'b'}},'spec':{'containers':[{'name':'c','image':'i'}]}},"
        "'updateStrategy':{'type':'OnDelete','rollingUpdate':{'partition':2}}}}",
        "spec.updateStrategy.rollingUpdate: Invalid value: apps.RollingUpdateStatefulSetStrategy{"
        "Partition:2, MaxUnavailable:(*intstr.IntOrString)(nil)}: only allowed for updateStrategy "
        "'RollingUpdate'");
}
END_TEST

START_TEST(times_are_shown_as_go_prints_them)
{
    ck_assert_causes_update("v1", "ConfigMap", "{" META "}",
                            "{'metadata':{'name':'o','namespace':'n','deletionTimestamp':"
                            "'2020-01-02T03:04:05Z'}}",
                            "metadata.deletionTimestamp: Invalid value: "
                            "2020-01-02 03:04:05 +0000 UTC: field is immutable");
}
END_TEST

START_TEST(maps_that_may_not_change_are_shown_with_their_members)
{
#define CLASS(parameters) "{'metadata':{'name':'o'},'provisioner':'p','parameters':" parameters "}"
    ck_assert_causes_update("storage.k8s.io/v1", "StorageClass", CLASS("{'a':'b'}"),
                            CLASS("{'b':'c','a':'b'}"),
                            "parameters: Forbidden: updates to parameters are forbidden.");
    ck_assert_causes_update(
        "storage.k8s.io/v1", "StorageClass", CLASS("{'a':'b'}"),
        "{'metadata':{'name':'o'},'provisioner':'q','parameters':{'a':'c'},'reclaimPolicy':"
        "'Retain','volumeBindingMode':'WaitForFirstConsumer'}",
        "parameters: Forbidden: updates to parameters are forbidden.\n"
        "provisioner: Forbidden: updates to provisioner are forbidden.\n"
        "reclaimPolicy: Forbidden: updates to reclaimPolicy are forbidden.\n"
        "volumeBindingMode: Invalid value: \"WaitForFirstConsumer\": field is immutable");
    ck_assert_causes_update(
        "apps/v1", "Deployment",
        "{" META ",'spec':{'selector':{'matchLabels':{'a':'b'}},'template':{'metadata':{'labels':"
        "{'a':'b','c':'d'}},'spec':{'containers':[{'name':'c','image':'i'}]}}}}",
        "{" META ",'spec':{'selector':{'matchLabels':{'a':'b','c':'d'}},'template':{'metadata':{"
        "'labels':{'a':'b','c':'d'}},'spec':{'containers':[{'name':'c','image':'i'}]}}}}",
        "spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string{\"a\":\"b\", "
        "\"c\":\"d\"}, MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: field is immutable");
}
END_TEST

Suite *shown_suite(void)
{
    Suite *suite = suite_create("shown");
    TCase *tcase = tcase_create("shown");
    tcase_add_test(tcase, a_budget_with_both_limits_is_shown_without_what_is_behind_its_pointers);
    tcase_add_test(tcase, a_volumes_capacity_is_shown_with_its_quantities);
    tcase_add_test(tcase, the_template_of_a_job_that_may_not_change_is_shown_whole);
    tcase_add_test(tcase, the_partition_of_a_set_is_a_number);
    tcase_add_test(tcase, times_are_shown_as_go_prints_them);
    tcase_add_test(tcase, maps_that_may_not_change_are_shown_with_their_members);
    suite_add_tcase(suite, tcase);
    return suite;
}
