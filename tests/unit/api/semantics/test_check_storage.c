/* Rules of volumes, of pods and persistent ones, and of storage drivers. Objects are JSON with '
 * for quotes; causes are compared as text, in order. */
#include "tests/unit/api/semantics/causes.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>

#define SUBDOMAIN                                                                                  \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "   \
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "  \
    "for validation is "                                                                           \
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

#define POD_OF(volume)                                                                             \
    "{'metadata':{'name':'o','namespace':'n'},'spec':{'volumes':[{'name':'v'," volume              \
    "}],'containers':[{'name':'c','image':'i','volumeMounts':[{'name':'v','mountPath':'/v'}]}]}}"

START_TEST(two_files_of_a_projected_volume_are_not_in_one_place)
{
    ck_assert_causes("v1", "Pod",
                     POD_OF("'projected':{'sources':[{'secret':{'name':'s','items':[{'key':'k',"
                            "'path':'a'},{'key':'l','path':'b'}]}},{'configMap':{'name':'m',"
                            "'items':[{'key':'k','path':'a'}]}},{'downwardAPI':{'items':[{'path':"
                            "'b','fieldRef':{'fieldPath':'metadata.name'}}]}}]}"),
                     "spec.volumes[0].projected: Invalid value: \"m\": conflicting duplicate "
                     "paths\n"
                     "spec.volumes[0].projected: Invalid value: \"b\": conflicting duplicate "
                     "paths\n"
                     "spec.containers[0].volumeMounts[0].name: Not found: \"v\"");
    ck_assert_causes("v1", "Pod",
                     POD_OF("'projected':{'sources':[{'secret':{'name':'s','items':[{'key':'k',"
                            "'path':'a'}]}},{'configMap':{'name':'m','items':[{'key':'k','path':"
                            "'b'}]}}]}"),
                     "");
}
END_TEST

START_TEST(a_volume_that_is_wrong_is_not_found_by_those_who_mount_it)
{
    ck_assert_causes("v1", "Pod", POD_OF("'configMap':{}"),
                     "spec.volumes[0].configMap.name: Required value\n"
                     "spec.containers[0].volumeMounts[0].name: Not found: \"v\"");
    ck_assert_causes("v1", "Pod", POD_OF("'gcePersistentDisk':{}"),
                     "spec.volumes[0].persistentDisk.pdName: Required value\n"
                     "spec.containers[0].volumeMounts[0].name: Not found: \"v\"");
    ck_assert_causes("v1", "Pod", POD_OF("'emptyDir':{},'downwardAPI':{}"),
                     "spec.volumes[0].downwarAPI: Forbidden: may not specify more than 1 volume "
                     "type\n"
                     "spec.containers[0].volumeMounts[0].name: Not found: \"v\"");
}
END_TEST

#define PV_OF(source)                                                                              \
    "{'metadata':{'name':'o'},'spec':{'capacity':{'storage':'1Gi'},'accessModes':["                \
    "'ReadWriteOnce'],'nodeAffinity':{'required':{'nodeSelectorTerms':[{'matchExpressions':[{"     \
    "'key':'a','operator':'Exists'}]}]}}," source "}}"

START_TEST(a_persistent_volumes_driver_secrets_and_path_are_checked)
{
    ck_assert_causes("v1", "PersistentVolume", PV_OF("'local':{'path':'/a/../b'}"),
                     "spec.local.path: Invalid value: \"/a/../b\": must not contain '..'");
    ck_assert_causes("v1", "PersistentVolume", PV_OF("'csi':{}"),
                     "spec.csi.driver: Required value\n"
                     "spec.csi.driver: Invalid value: \"\": " SUBDOMAIN "\n"
                     "spec.csi.volumeHandle: Required value");
    ck_assert_causes("v1", "PersistentVolume",
                     PV_OF("'csi':{'driver':'D_','volumeHandle':'h','nodeStageSecretRef':{},"
                           "'nodePublishSecretRef':{'name':'S_'}}"),
                     "spec.csi.driver: Invalid value: \"D_\": " SUBDOMAIN "\n"
                     "spec.csi.nodePublishSecretRef.name: Invalid value: \"S_\": " SUBDOMAIN "\n"
                     "spec.csi.nodePublishSecretRef.namespace: Required value");
    ck_assert_causes("v1", "PersistentVolume",
                     PV_OF("'csi':{'driver':'Csi.Example.com','volumeHandle':'h'}"), "");
    ck_assert_causes("v1", "PersistentVolume",
                     PV_OF("'csi':{'driver':'a23456789-123456789-123456789-123456789-123456789-"
                           "123456789-1234','volumeHandle':'h'}"),
                     "spec.csi.driver: Too long: may not be more than 63 bytes");
}
END_TEST

START_TEST(of_a_persistent_volumes_sources_the_first_one_is_checked)
{
    ck_assert_causes("v1", "PersistentVolume",
                     PV_OF("'csi':{},'nfs':{},'cephfs':{},'local':{},'hostPath':{}"),
                     "spec.hostPath.path: Required value\n"
                     "spec.nfs: Forbidden: may not specify more than 1 volume type\n"
                     "spec.cephFS: Forbidden: may not specify more than 1 volume type\n"
                     "spec.local: Forbidden: may not specify more than 1 volume type\n"
                     "spec.csi: Forbidden: may not specify more than 1 volume type");
    ck_assert_causes("v1", "PersistentVolume",
                     "{'metadata':{'name':'o'},'spec':{'capacity':{'storage':'1Gi'},'accessModes':["
                     "'ReadWriteOnce'],'storageClassName':'C_','local':{},'csi':{}}}",
                     "spec.local.path: Required value\n"
                     "spec.nodeAffinity: Required value: Local volume requires node affinity\n"
                     "spec.csi: Forbidden: may not specify more than 1 volume type\n"
                     "spec.storageClassName: Invalid value: \"C_\": " SUBDOMAIN);
    ck_assert_causes("v1", "PersistentVolume",
                     PV_OF("'nfs':{'server':'s','path':'/p'},"
                           "'flexVolume':{}"),
                     "spec.flexVolume.driver: Required value");
}
END_TEST

START_TEST(names_of_iscsi_targets_and_initiators_have_their_forms)
{
#define ISCSI(members) PV_OF("'iscsi':{'targetPortal':'p'," members "}")
#define NAA            "naa.0123456789abcdef0123456789zzzzzz"
    ck_assert_causes("v1", "PersistentVolume",
                     ISCSI("'iqn':'" NAA "','lun':0,'initiatorName':'eui.0123456789zzzzzz'"), "");
    ck_assert_causes(
        "v1", "PersistentVolume",
        ISCSI("'iqn':'iqn.2001-04.-com:a:b','lun':0,'initiatorName':'iqn.2001-04.com'"),
        "spec.iscsi.initiatorname: Invalid value: \"iqn.2001-04.com\": must be valid "
        "format");
    ck_assert_causes("v1", "PersistentVolume",
                     ISCSI("'iqn':'naa.0123456789abcdef','lun':-1,'chapAuthSession':true"),
                     "spec.iscsi.iqn: Invalid value: \"naa.0123456789abcdef\": must be valid "
                     "format\n"
                     "spec.iscsi.lun: Invalid value: -1: must be between 0 and 255, inclusive\n"
                     "spec.iscsi.secretRef: Required value");
    ck_assert_causes(
        "v1", "PersistentVolume", ISCSI("'iqn':'iqn.2001-04.com:a b','lun':0"),
        "spec.iscsi.iqn: Invalid value: \"iqn.2001-04.com:a b\": must be valid format");
#undef NAA
#undef ISCSI
}
END_TEST

START_TEST(what_storage_drivers_say_of_themselves_is_held_to_their_names)
{
#define DRIVER(id, keys)                                                                           \
    "{'metadata':{'name':'o'},'spec':{'drivers':[{'name':'d.io','nodeID':'" id                     \
    "','topologyKeys':[" keys "]}]}}"
    ck_assert_causes_update(
        "storage.k8s.io/v1", "CSINode", DRIVER("i", "'a'"), DRIVER("j", "'a','b'"),
        "CSINodeDriver: Invalid value: storage.CSINodeDriver{Name:\"d.io\", NodeID:\"j\", "
        "TopologyKeys:[]string{\"a\", \"b\"}, Allocatable:(*storage.VolumeNodeResources)(nil)}: "
        "field is immutable");
#undef DRIVER
    ck_assert_causes("storage.k8s.io/v1", "CSIDriver",
                     "{'metadata':{'name':'Csi.IO'},'spec':{'fsGroupPolicy':'X'}}",
                     "metadata.name: Invalid value: \"Csi.IO\": " SUBDOMAIN "\n"
                     "spec.fsGroupPolicy: Unsupported value: \"X\": supported values: \"File\", "
                     "\"None\", \"ReadWriteOnceWithFSType\"");
    ck_assert_causes("storage.k8s.io/v1", "VolumeAttachment",
                     "{'metadata':{'name':'o'},'spec':{'attacher':'d.io','nodeName':'n','source':{"
                     "'persistentVolumeName':'P_'}}}",
                     "spec.source.persistentVolumeName: Invalid value: \"P_\": " SUBDOMAIN);
}
END_TEST

START_TEST(topologies_of_a_storage_class_differ)
{
#define CLASS_OF(terms)                                                                            \
    "{'metadata':{'name':'o'},'provisioner':'p','allowedTopologies':[" terms "]}"
#define TERM(key, values) "{'matchLabelExpressions':[{'key':" key ",'values':[" values "]}]}"
    ck_assert_causes("storage.k8s.io/v1", "StorageClass",
                     CLASS_OF(TERM("'a'", "'x','y'") "," TERM("'a'", "'y','x'")),
                     "allowedTopologies[1].matchLabelExpressions: Duplicate value: \"\"");
    ck_assert_causes("storage.k8s.io/v1", "StorageClass",
                     CLASS_OF(TERM("'a'", "'x','y'") "," TERM("'a'", "'y'")), "");
    ck_assert_causes("storage.k8s.io/v1", "StorageClass",
                     CLASS_OF("{'matchLabelExpressions':[{'key':'a','values':['x']},{'key':'a',"
                              "'values':['y']}]}"),
                     "allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: \"a\"");
#undef TERM
#undef CLASS_OF
}
END_TEST

START_TEST(names_of_other_objects_in_a_volumes_source_are_checked)
{
#define VOLUME_OF(source)                                                                          \
    "{'metadata':{'name':'o'},'spec':{'capacity':{'storage':'1Gi'},'accessModes':["                \
    "'ReadWriteOnce']," source "}}"
    ck_assert_causes("v1", "PersistentVolume",
                     VOLUME_OF("'glusterfs':{'endpoints':'e','path':'p','endpointsNamespace':''}"),
                     "spec.glusterfs.endpointsNamespace: Invalid value: \"\": if the "
                     "endpointnamespace is set, it must be a valid namespace name");
    ck_assert_causes("v1", "PersistentVolume",
                     VOLUME_OF("'azureFile':{'secretName':'s','shareName':'t',"
                               "'secretNamespace':''}"),
                     "spec.azureFile.secretNamespace: Required value");
    ck_assert_causes(
        "v1", "PersistentVolume",
        VOLUME_OF("'flexVolume':{'driver':'d','options':{'a.K8S.io/b':'','k8s.io':'',"
                  "'xk8s.io/b':''}}"),
        "spec.flexVolume.options[a.K8S.io/b]: Invalid value: \"a.K8S.io/b\": "
        "kubernetes.io and k8s.io namespaces are reserved\n"
        "spec.flexVolume.options[k8s.io]: Invalid value: \"k8s.io\": kubernetes.io and "
        "k8s.io namespaces are reserved");
    ck_assert_causes("v1", "PersistentVolume",
                     VOLUME_OF("'iscsi':{'targetPortal':'0123456789012345678901234567890123456789"
                               "0123456789012345678901','iqn':'eui.0123456789abcdef','lun':0,"
                               "'initiatorName':'eui.0123456789abcdef'}"),
                     "");
    ck_assert_causes("v1", "PersistentVolume",
                     VOLUME_OF("'iscsi':{'targetPortal':'0123456789012345678901234567890123456789"
                               "012345678901234567890123','iqn':'eui.0123456789abcdef','lun':0,"
                               "'initiatorName':'eui.0123456789abcdef'}"),
                     "spec.iscsi.targetportal: Invalid value: \"01234567890123456789012345678901234"
                     "56789012345678901234567890123\": Total length of <volume "
                     "name>:<iscsi.targetPortal> must be under 64 characters if "
                     "iscsi.initiatorName is specified.");
#undef VOLUME_OF
}
END_TEST

START_TEST(a_pod_does_not_use_the_claims_that_are_made_for_it)
{
    ck_assert_causes(
        "v1", "Pod",
        "{'metadata':{'name':'o','namespace':'n'},'spec':{'volumes':[{'name':'a','ephemeral':{"
        "'volumeClaimTemplate':{'spec':{'accessModes':['ReadWriteOnce'],'resources':{'requests':{"
        "'storage':'1Gi'}}}}}},{'name':'b','persistentVolumeClaim':{'claimName':'o-a'}}],"
        "'containers':[{'name':'c','image':'i'}]}}",
        "spec.volumes[1].persistentVolumeClaim.claimName: Invalid value: \"o-a\": must not "
        "reference a PVC that gets created for an ephemeral volume");
}
END_TEST

START_TEST(options_of_a_mount_in_an_annotation_are_for_volumes_that_know_them)
{
#define MOUNTED(source)                                                                            \
    "{'metadata':{'name':'o','annotations':{'volume.beta.kubernetes.io/mount-options':'ro'}},"     \
    "'spec':{'capacity':{'storage':'1Gi'},'accessModes':['ReadWriteOnce']," source "}}"
    ck_assert_causes("v1", "PersistentVolume", MOUNTED("'nfs':{'server':'s','path':'/p'}"), "");
    ck_assert_causes("v1", "PersistentVolume", MOUNTED("'hostPath':{'path':'/p'}"),
                     "metadata.annotations.volume.beta.kubernetes.io/mount-options: Forbidden: "
                     "may not specify mount options for this volume type");
#undef MOUNTED
}
END_TEST

Suite *check_storage_suite(void)
{
    Suite *suite = suite_create("check_storage");
    TCase *rules = tcase_create("rules");
    tcase_add_test(rules, two_files_of_a_projected_volume_are_not_in_one_place);
    tcase_add_test(rules, a_volume_that_is_wrong_is_not_found_by_those_who_mount_it);
    tcase_add_test(rules, a_persistent_volumes_driver_secrets_and_path_are_checked);
    tcase_add_test(rules, of_a_persistent_volumes_sources_the_first_one_is_checked);
    tcase_add_test(rules, names_of_iscsi_targets_and_initiators_have_their_forms);
    tcase_add_test(rules, what_storage_drivers_say_of_themselves_is_held_to_their_names);
    tcase_add_test(rules, topologies_of_a_storage_class_differ);
    tcase_add_test(rules, options_of_a_mount_in_an_annotation_are_for_volumes_that_know_them);
    tcase_add_test(rules, names_of_other_objects_in_a_volumes_source_are_checked);
    tcase_add_test(rules, a_pod_does_not_use_the_claims_that_are_made_for_it);
    suite_add_tcase(suite, rules);
    return suite;
}
