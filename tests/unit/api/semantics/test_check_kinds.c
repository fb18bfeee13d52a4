/* Rules that look at several fields, by kind: volumes, jobs, Services, ranges and classes. Objects
 * are JSON with ' for quotes; causes are compared as text, in order. */
#include "tests/unit/api/semantics/causes.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>

#define SUBDOMAIN                                                                                  \
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "   \
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "  \
    "for validation is "                                                                           \
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"

/* --- Volumes ------------------------------------------------------------------------------------
 */

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

START_TEST(what_slices_say_of_addresses_and_zones_is_held_to_their_type)
{
#define SLICE(type, addresses)                                                                     \
    "{'metadata':{'name':'o','namespace':'n'},'addressType':'" type                                \
    "','endpoints':[{'addresses':[" addresses                                                      \
    "],'hints':{'forZones':[{'name':'a'},{'name':'-'},{'name':'a'}]}}]}"
#define ZONES                                                                                      \
    "endpoints[0].hints.forZones[1].name: Invalid value: \"-\": a valid label must be an empty "   \
    "string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with "  \
    "an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "      \
    "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')\n"                               \
    "endpoints[0].hints.forZones[2].name: Duplicate value: \"a\""
    ck_assert_causes(
        "discovery.k8s.io/v1", "EndpointSlice",
        SLICE("IPv4", "'x','fd00::1','0.0.0.0','010.0.0.1'"),
        "endpoints[0].addresses[0]: Invalid value: \"x\": must be a valid IPv4 "
        "address\n"
        "endpoints[0].addresses[0]: Invalid value: \"x\": must be a valid IP address\n"
        "endpoints[0].addresses[1]: Invalid value: \"fd00::1\": must be a valid IPv4 "
        "address\n"
        "endpoints[0].addresses[2]: Invalid value: \"0.0.0.0\": may not be unspecified "
        "(0.0.0.0)\n" ZONES);
    ck_assert_causes(
        "discovery.k8s.io/v1", "EndpointSlice", SLICE("IPv6", "'1.1.1.1','::','::ffff:127.0.0.1'"),
        "endpoints[0].addresses[0]: Invalid value: \"1.1.1.1\": must be a valid IPv6 "
        "address\n"
        "endpoints[0].addresses[1]: Invalid value: \"::\": may not be unspecified (::)\n"
        "endpoints[0].addresses[2]: Invalid value: \"::ffff:127.0.0.1\": must be a "
        "valid IPv6 address\n"
        "endpoints[0].addresses[2]: Invalid value: \"::ffff:127.0.0.1\": may not be in "
        "the loopback range (127.0.0.0/8, ::1/128)\n" ZONES);
#undef ZONES
#undef SLICE
}
END_TEST

START_TEST(what_config_maps_secrets_and_runtimes_hold_is_looked_at)
{
#define META "'metadata':{'name':'o','namespace':'n'}"
    ck_assert_causes("v1", "ConfigMap", "{" META ",'data':{'a':'b'},'binaryData':{'a':''}}",
                     "data[a]: Invalid value: \"a\": duplicate of key present in binaryData");
#define SECRET(data) "{" META ",'type':'kubernetes.io/dockerconfigjson','data':{" data "}}"
#define REDACTED     "data[.dockerconfigjson]: Invalid value: \"<secret contents redacted>\": "
    ck_assert_causes("v1", "Secret", SECRET("'.dockerconfigjson':'e30='"), "");
    ck_assert_causes("v1", "Secret", SECRET("'.dockerconfigjson':'W10='"),
                     REDACTED "json: cannot unmarshal array into Go value of type "
                              "map[string]interface {}");
    ck_assert_causes("v1", "Secret", SECRET("'.dockerconfigjson':''"),
                     REDACTED "unexpected end of JSON input");
    ck_assert_causes("v1", "Secret", SECRET(""), "data[.dockerconfigjson]: Required value");
#undef REDACTED
#undef SECRET
#undef META
    ck_assert_causes(
        "node.k8s.io/v1", "RuntimeClass",
        "{'metadata':{'name':'o'},'handler':'h','overhead':{'podFixed':{'cpu':'-1',"
        "'odd':'1'}}}",
        "overhead.limits[cpu]: Invalid value: \"-1\": must be greater than or equal to "
        "0\n"
        "overhead.limits[odd]: Invalid value: odd: must be a standard resource type or "
        "fully qualified\n"
        "overhead.limits[odd]: Invalid value: odd: must be a standard resource for "
        "containers");
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

/* --- Jobs ---------------------------------------------------------------------------------------
 */

#define TEMPLATE                                                                                   \
    "'template':{'spec':{'restartPolicy':'Never','containers':[{'name':'c','image':'i'}]}}"
#define LONG "a23456789-123456789-123456789-123456789-123456789-123456789-1"

START_TEST(an_indexed_jobs_name_has_room_for_the_last_index)
{
#define JOB(completions)                                                                           \
    "{'metadata':{'name':'" LONG "','namespace':'n'},'spec':{'completionMode':'Indexed',"          \
    "'parallelism':1,'completions':" completions "," TEMPLATE "}}"
    ck_assert_causes("batch/v1", "Job", JOB("1"), "");
    ck_assert_causes("batch/v1", "Job", JOB("11"),
                     "metadata.name: Invalid value: \"" LONG "\": will not able to create pod with "
                     "invalid DNS label: " LONG "-10");
#undef JOB
}
END_TEST

START_TEST(a_cron_jobs_time_zone_is_one_that_exists)
{
#define CRON(zone)                                                                                 \
    "{'metadata':{'name':'o','namespace':'n'},'spec':{'schedule':'* * * * *','timeZone':'" zone    \
    "','jobTemplate':{'spec':{" TEMPLATE "}}}}"
#define ZONE(zone) "spec.timeZone: Invalid value: \"" zone "\": "
    ck_assert_causes("batch/v1", "CronJob", CRON("Europe/Berlin"), "");
    ck_assert_causes("batch/v1", "CronJob", CRON("America/Argentina/Ushuaia"), "");
    ck_assert_causes("batch/v1", "CronJob", CRON("UTC"), "");
    ck_assert_causes("batch/v1", "CronJob", CRON("Europe/Berli"),
                     ZONE("Europe/Berli") "unknown time zone Europe/Berli");
    ck_assert_causes("batch/v1", "CronJob", CRON("Berlin"),
                     ZONE("Berlin") "unknown time zone Berlin");
    ck_assert_causes("batch/v1", "CronJob", CRON("Europe/"),
                     ZONE("Europe/") "unknown time zone Europe/");
    ck_assert_causes("batch/v1", "CronJob", CRON("utc"), ZONE("utc") "unknown time zone utc");
    ck_assert_causes("batch/v1", "CronJob", CRON("Local"),
                     ZONE("Local") "timeZone must be an explicit time zone as defined in "
                                   "https://www.iana.org/time-zones");
    ck_assert_causes("batch/v1", "CronJob", CRON("../etc"),
                     ZONE("../etc") "unknown time zone ../etc");
    ck_assert_causes("batch/v1", "CronJob", CRON(""),
                     ZONE("") "timeZone must be nil or non-empty string");
#undef ZONE
#undef CRON
}
END_TEST

START_TEST(a_cron_jobs_template_has_no_selector_of_its_own)
{
    ck_assert_causes("batch/v1", "CronJob",
                     "{'metadata':{'name':'o','namespace':'n'},'spec':{'schedule':'* * * * *',"
                     "'jobTemplate':{'spec':{'manualSelector':true,'selector':{'matchLabels':{"
                     "'a':'b'}}," TEMPLATE "}}}}",
                     "spec.jobTemplate.spec.selector: Invalid value: v1.LabelSelector{MatchLabels:"
                     "map[string]string{\"a\":\"b\"}, MatchExpressions:"
                     "[]v1.LabelSelectorRequirement(nil)}: `selector` will be auto-generated\n"
                     "spec.jobTemplate.spec.manualSelector: Unsupported value: true: supported "
                     "values: \"nil\", \"false\"");
}
END_TEST

/* --- Services -----------------------------------------------------------------------------------
 */

#define SERVICE(metadata, spec)                                                                    \
    "{'metadata':{'name':'o','namespace':'n'" metadata "},'spec':{'clusterIP':'None',"             \
    "'ports':[{'port':80}]" spec "}}"

START_TEST(source_ranges_may_have_spaces_and_be_an_annotation)
{
#define KEY "service.beta.kubernetes.io/load-balancer-source-ranges"
#define BALANCER(metadata, ranges)                                                                 \
    "{'metadata':{'name':'o','namespace':'n'" metadata "},'spec':{'type':'LoadBalancer',"          \
    "'clusterIP':'10.0.0.1','clusterIPs':['10.0.0.1'],'ports':[{'port':80}]" ranges "}}"
#define RANGE "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
    ck_assert_causes("v1", "Service",
                     BALANCER("", ",'loadBalancerSourceRanges':[' 10.0.0.0/8 ','x']"),
                     "spec.LoadBalancerSourceRanges[1]: Invalid value: \"x\": " RANGE);
    ck_assert_causes("v1", "Service",
                     BALANCER(",'annotations':{'" KEY "':'10.0.0.0/8, 192.168.0.0/16,y'}", ""),
                     "metadata.annotations[" KEY "]: Invalid value: \"y\": " RANGE);
    ck_assert_causes("v1", "Service", SERVICE(",'annotations':{'" KEY "':' '}", ""),
                     "metadata.annotations[" KEY "]: Forbidden: may only be used when `type` is "
                     "'LoadBalancer'");
#undef RANGE
#undef BALANCER
#undef KEY
}
END_TEST

START_TEST(what_is_wrong_in_a_service_is_said_in_the_order_of_its_rules)
{
#define LABEL                                                                                      \
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "    \
    "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or "             \
    "'my_value',  or '12345', regex used for validation is "                                       \
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
    ck_assert_causes(
        "v1", "Service",
        "{'metadata':{'name':'o','namespace':'n'},'spec':{'clusterIP':'10.0.0.1','clusterIPs':["
        "'10.0.0.1'],'ports':[{'name':'a','port':80,'nodePort':30000},{'name':'b','port':80,"
        "'nodePort':30000,'protocol':'X'},{'name':'c','port':80,'nodePort':30000}],'selector':{"
        "'a':'-'},'sessionAffinity':'X','externalIPs':['x'],'type':'ClusterIP',"
        "'loadBalancerSourceRanges':['x'],'loadBalancerClass':'x','healthCheckNodePort':1,"
        "'internalTrafficPolicy':'X'}}",
        "spec.ports[1].protocol: Unsupported value: \"X\": supported values: \"SCTP\", \"TCP\", "
        "\"UDP\"\n"
        "spec.selector: Invalid value: \"-\": " LABEL "\n"
        "spec.sessionAffinity: Unsupported value: \"X\": supported values: \"ClientIP\", "
        "\"None\"\n"
        "spec.externalIPs[0]: Invalid value: \"x\": must be a valid IP address, (e.g. 10.9.8.7 "
        "or 2001:db8::ffff)\n"
        "spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'\n"
        "spec.ports[1].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'\n"
        "spec.ports[2].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'\n"
        "spec.ports[2].nodePort: Duplicate value: 30000\n"
        "spec.ports[2]: Duplicate value: core.ServicePort{Name:\"\", Protocol:\"TCP\", "
        "AppProtocol:(*string)(nil), Port:80, TargetPort:intstr.IntOrString{Type:0, IntVal:0, "
        "StrVal:\"\"}, NodePort:0}\n"
        "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is "
        "'LoadBalancer'\n"
        "spec.LoadBalancerSourceRanges[0]: Invalid value: \"x\": must be a valid CIDR value, "
        "(e.g. 10.9.8.0/24 or 2001:db8::/64)\n"
        "spec.loadBalancerClass: Forbidden: may only be used when `type` is 'LoadBalancer'\n"
        "spec.healthCheckNodePort: Invalid value: 1: may only be set when `type` is "
        "'LoadBalancer' and `externalTrafficPolicy` is 'Local'\n"
        "spec.internalTrafficPolicy: Unsupported value: \"X\": supported values: \"Cluster\", "
        "\"Local\"");
#undef LABEL
}
END_TEST

START_TEST(topology_is_asked_for_in_one_way)
{
    ck_assert_causes("v1", "Service",
                     SERVICE(",'annotations':{'service.kubernetes.io/topology-mode':'Auto',"
                             "'service.kubernetes.io/topology-aware-hints':'Disabled'}",
                             ""),
                     "metadata.annotations[service.kubernetes.io/topology-mode]: Invalid value: "
                     "\"Auto\": must match annotations[service.kubernetes.io/topology-aware-hints] "
                     "when both are specified");
}
END_TEST

/* --- Ranges of limits ---------------------------------------------------------------------------
 */

#define AMOUNT(value, scale, text, format)                                                         \
    "resource.Quantity{i:resource.int64Amount{value:" value ", scale:" scale                       \
    "}, d:resource.infDecAmount{Dec:(*inf.Dec)(nil)}, s:\"" text "\", Format:\"" format "\"}"

START_TEST(a_limit_range_agrees_with_itself)
{
#define RANGE(members)                                                                             \
    "{'metadata':{'name':'o','namespace':'n'},'spec':{'limits':[{'type':'Container'," members "}]" \
    "}}"
    ck_assert_causes("v1", "LimitRange",
                     RANGE("'min':{'cpu':'100m'},'max':{'cpu':'200m'},"
                           "'maxLimitRequestRatio':{'cpu':'3'}"),
                     "spec.limits[0].maxLimitRequestRatio[cpu]: Invalid value: " AMOUNT(
                         "3", "0", "3", "DecimalSI") ": ratio 3 is greater than max/min = "
                                                     "2.000000");
    ck_assert_causes("v1", "LimitRange",
                     RANGE("'min':{'cpu':'100m'},'max':{'cpu':'200m'},"
                           "'maxLimitRequestRatio':{'cpu':'2'}"),
                     "");
    ck_assert_causes("v1", "LimitRange",
                     RANGE("'defaultRequest':{'memory':'1Gi'},'default':{'memory':'512Mi'}"),
                     "spec.limits[0].defaultRequest[memory]: Invalid value: " AMOUNT(
                         "1073741824", "0", "1Gi",
                         "BinarySI") ": default request value 1Gi is greater than default limit "
                                     "value 512Mi");
    ck_assert_causes("v1", "LimitRange",
                     RANGE("'defaultRequest':{'a.b/c':'1'},'default':{'a.b/c':'2'}"),
                     "spec.limits[0].defaultRequest[a.b/c]: Invalid value: " AMOUNT(
                         "1", "0", "1", "DecimalSI") ": default value 2 must equal to "
                                                     "defaultRequest value 1 in a.b/c");
#undef RANGE
}
END_TEST

/* --- Events -------------------------------------------------------------------------------------
 */

#define EVENT(namespace, members)                                                                    \
    "{'metadata':{'name':'o','namespace':'n'},'involvedObject':{'namespace':'" namespace "','"       \
                                                                                         "kind':'"   \
                                                                                         "Pod','"    \
                                                                                         "name':'"   \
                                                                                         "p'"        \
                                                                                         "}" members \
                                                                                         "}"
#define NEW_EVENT(members)                                                                         \
    "{'metadata':{'name':'o','namespace':'n'},'regarding':{'namespace':'n','kind':'Pod','name':"   \
    "'p'},'reportingController':'a.b/c','reportingInstance':'i','action':'A','reason':'R','type':" \
    "'Normal'" members "}"
#define EVENT_TIME ",'eventTime':'2020-01-01T00:00:00.000001Z'"

START_TEST(an_event_is_about_something_in_its_namespace_unless_it_has_a_time)
{
    ck_assert_causes("v1", "Event", EVENT("m", ""),
                     "involvedObject.namespace: Invalid value: \"m\": does not match "
                     "event.namespace");
    ck_assert_causes("v1", "Event",
                     EVENT("m", EVENT_TIME ",'reportingComponent':'c','reportingInstance':'i',"
                                           "'action':'A','reason':'R'"),
                     "");
    ck_assert_causes("v1", "Event",
                     "{'metadata':{'name':'o','namespace':'kube-system'},'involvedObject':{"
                     "'kind':'Node','name':'p'}}",
                     "involvedObject.namespace: Invalid value: \"\": does not match "
                     "event.namespace");
}
END_TEST

START_TEST(an_old_event_calls_its_reporter_a_component)
{
    ck_assert_causes("v1", "Event",
                     EVENT("n", EVENT_TIME ",'reportingComponent':'-','reportingInstance':'i',"
                                           "'action':'A','reason':'R'"),
                     "reportingComponent: Invalid value: \"-\": name part must consist of "
                     "alphanumeric characters, '-', '_' or '.', and must start and end with an "
                     "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex "
                     "used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')");
}
END_TEST

START_TEST(a_new_event_says_nothing_in_the_old_way)
{
    ck_assert_causes("events.k8s.io/v1", "Event", NEW_EVENT(EVENT_TIME), "");
    ck_assert_causes("events.k8s.io/v1", "Event",
                     NEW_EVENT(EVENT_TIME ",'series':{'count':1},'deprecatedCount':1,"
                                          "'deprecatedFirstTimestamp':'2020-01-01T00:00:00Z',"
                                          "'deprecatedSource':{'host':'h'}"),
                     "series.count: Invalid value: \"\": should be at least 2\n"
                     "series.lastObservedTime: Required value\n"
                     "firstTimestamp: Invalid value: \"\": needs to be unset\n"
                     "count: Invalid value: \"\": needs to be unset\n"
                     "source: Invalid value: \"\": needs to be unset");
    ck_assert_causes("events.k8s.io/v1", "Event", NEW_EVENT(",'reportingInstance':''"),
                     "eventTime: Required value");
}
END_TEST

START_TEST(of_a_new_event_only_the_series_goes_on)
{
    ck_assert_causes_update("events.k8s.io/v1", "Event", NEW_EVENT(EVENT_TIME),
                            NEW_EVENT(EVENT_TIME ",'series':{'count':2,'lastObservedTime':"
                                                 "'2020-01-01T00:00:00.000001Z'}"),
                            "");
    ck_assert_causes_update("events.k8s.io/v1", "Event", NEW_EVENT(EVENT_TIME),
                            NEW_EVENT(EVENT_TIME ",'series':{'count':1,'lastObservedTime':"
                                                 "'2020-01-01T00:00:00.000001Z'},'note':'x'"),
                            "series.count: Invalid value: \"\": should be at least 2\n"
                            "message: Invalid value: \"x\": field is immutable");
}
END_TEST

/* --- Storage drivers, extension servers ---------------------------------------------------------
 */

START_TEST(tokens_of_a_driver_have_an_audience_and_a_duration_each)
{
    ck_assert_causes("storage.k8s.io/v1", "CSIDriver",
                     "{'metadata':{'name':'o'},'spec':{'volumeLifecycleModes':['X'],"
                     "'tokenRequests':[{'audience':'a','expirationSeconds':599},{'audience':'a',"
                     "'expirationSeconds':1},{'audience':'b','expirationSeconds':4294967297}]}}",
                     "spec.tokenRequests[0].expirationSeconds: Invalid value: 599: may not "
                     "specify a duration less than 10 minutes\n"
                     "spec.tokenRequests[1].audience: Duplicate value: \"a\"\n"
                     "spec.tokenRequests[2].expirationSeconds: Invalid value: 4294967297: may not "
                     "specify a duration larger than 2^32 seconds\n"
                     "spec.volumeLifecycleModes: Unsupported value: \"X\": supported values: "
                     "\"Persistent\", \"Ephemeral\"");
}
END_TEST

START_TEST(a_drivers_topology_keys_are_told_at_the_driver)
{
    ck_assert_causes("storage.k8s.io/v1", "CSINode",
                     "{'metadata':{'name':'o'},'spec':{'drivers':[{'name':'a.b','nodeID':'i',"
                     "'topologyKeys':['k','k']},{'name':'a.b','nodeID':''}]}}",
                     "spec.drivers[0]: Duplicate value: \"k\"\n"
                     "spec.drivers[1].nodeID: Required value\n"
                     "spec.drivers[1].name: Duplicate value: \"a.b\"");
}
END_TEST

START_TEST(an_api_services_name_and_group_are_told_before_the_rest)
{
    ck_assert_causes("apiregistration.k8s.io/v1", "APIService",
                     "{'metadata':{'name':'x'},'spec':{'version':'V','groupPriorityMinimum':1,"
                     "'versionPriority':0}}",
                     "metadata.name: Invalid value: \"x\": must be "
                     "`spec.version+\".\"+spec.group`: \"V.\"\n"
                     "spec.group: Required value: only v1 may have an empty group and it better be "
                     "legacy kube\n"
                     "spec.version: Invalid value: \"V\": a DNS-1035 label must consist of lower "
                     "case alphanumeric characters or '-', start with an alphabetic character, "
                     "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
                     "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')\n"
                     "spec.versionPriority: Invalid value: 0: must be positive and less than "
                     "1000");
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

START_TEST(limits_of_containers_are_of_what_containers_ask_for)
{
#define LIMITS(type, max)                                                                          \
    "{'metadata':{'name':'o','namespace':'n'},'spec':{'limits':[{'type':'" type "','max':{" max    \
    "}}]}}"
#define MAX_OF(name) "spec.limits[0].max[" name "]: Invalid value: " name ": must be "
    ck_assert_causes("v1", "LimitRange", LIMITS("Pod", "'pods':'1'"),
                     MAX_OF("pods") "a standard resource for containers");
    ck_assert_causes("v1", "LimitRange", LIMITS("Pod", "'odd':'1'"),
                     MAX_OF("odd") "a standard resource type or fully qualified\n" MAX_OF(
                         "odd") "a standard resource for containers");
    ck_assert_causes("v1", "LimitRange", LIMITS("a.b/c", "'odd':'1','pods':'1'"),
                     MAX_OF("odd") "a standard resource type or fully qualified");
    ck_assert_causes("v1", "LimitRange", LIMITS("Pod", "'requests.a.b/c':'1'"),
                     "spec.limits[0].max[requests.a.b/c]: Invalid value: requests.a.b/c: doesn't "
                     "follow extended resource name standard");
#undef LIMITS
}
END_TEST

START_TEST(what_is_not_promised_twice_is_limited_to_what_is_asked_for)
{
#define ASKS(resources)                                                                            \
    "{'metadata':{'name':'o','namespace':'n'},'spec':{'containers':[{'name':'c','image':'i',"      \
    "'resources':{" resources "}}]}}"
#define RESOURCES "spec.containers[0].resources"
    ck_assert_causes("v1", "Pod", ASKS("'requests':{'cpu':'1','pods':'1'}"),
                     RESOURCES ".requests[pods]: Invalid value: pods: must be a standard resource "
                               "for containers");
    ck_assert_causes("v1", "Pod", ASKS("'requests':{'cpu':'1','hugepages-2Mi':'3Mi'}"),
                     RESOURCES ".limits: Required value: Limit must be set for non overcommitable "
                               "resources\n" RESOURCES
                               ".requests[hugepages-2Mi]: Invalid value: \"3Mi\": 3Mi is not "
                               "positive integer multiple of hugepages-2Mi");
    ck_assert_causes("v1", "Pod", ASKS("'limits':{'cpu':'1','hugepages-odd':'1'}"),
                     RESOURCES ".limits[hugepages-odd]: Invalid value: \"1\": 1 is not positive "
                               "integer multiple of hugepages-odd\n" RESOURCES
                               ".requests[hugepages-odd]: Invalid value: \"1\": 1 is not positive "
                               "integer multiple of hugepages-odd");
    ck_assert_causes("v1", "Pod", ASKS("'requests':{'a.kubernetes.io/b':'1500m'}"), "");
    ck_assert_causes("v1", "Pod", ASKS("'limits':{'a.b/c':'1'},'requests':{'a.b/c':'2'}"),
                     RESOURCES
                     ".requests: Invalid value: \"2\": must be equal to a.b/c limit of 1");
    ck_assert_causes("v1", "Pod", ASKS("'limits':{'cpu':'1'},'requests':{'cpu':'2'}"),
                     RESOURCES ".requests: Invalid value: \"2\": must be less than or equal to cpu "
                               "limit of 1");
}
END_TEST

START_TEST(all_that_is_wrong_with_a_definitions_name_is_one_cause)
{
#define BOTH "A234567890123456789012345678901234567890123456789012345678901234"
    ck_assert_causes(
        "apiextensions.k8s.io/v1", "CustomResourceDefinition",
        "{'metadata':{'name':'things.a.b'},'spec':{'group':'a.b','scope':'Cluster','names':{"
        "'plural':'things','singular':'" BOTH "','kind':'Thing','listKind':'ThingList'},"
        "'versions':[{'name':'v1','served':true,'storage':true,'schema':{'openAPIV3Schema':{"
        "'type':'object'}}}],'conversion':{'strategy':'Webhook','webhook':{'clientConfig':{'url':"
        "'https://a.b'},'conversionReviewVersions':['v1','V']}}}}",
        "spec.names.singular: Invalid value: \"" BOTH "\": must be no more than 63 characters,a "
        "DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
        "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or "
        "'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')\n"
        "spec.conversion.conversionReviewVersions[1]: Invalid value: \"V\": a DNS-1035 label must "
        "consist of lower case alphanumeric characters or '-', start with an alphabetic "
        "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex "
        "used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')");
#undef BOTH
}
END_TEST

Suite *check_kinds_suite(void)
{
    Suite *suite = suite_create("check_kinds");
    TCase *rules = tcase_create("rules");
    tcase_add_test(rules, two_files_of_a_projected_volume_are_not_in_one_place);
    tcase_add_test(rules, a_volume_that_is_wrong_is_not_found_by_those_who_mount_it);
    tcase_add_test(rules, a_persistent_volumes_driver_secrets_and_path_are_checked);
    tcase_add_test(rules, of_a_persistent_volumes_sources_the_first_one_is_checked);
    tcase_add_test(rules, names_of_iscsi_targets_and_initiators_have_their_forms);
    tcase_add_test(rules, what_storage_drivers_say_of_themselves_is_held_to_their_names);
    tcase_add_test(rules, what_slices_say_of_addresses_and_zones_is_held_to_their_type);
    tcase_add_test(rules, what_config_maps_secrets_and_runtimes_hold_is_looked_at);
    tcase_add_test(rules, topologies_of_a_storage_class_differ);
    tcase_add_test(rules, an_indexed_jobs_name_has_room_for_the_last_index);
    tcase_add_test(rules, a_cron_jobs_time_zone_is_one_that_exists);
    tcase_add_test(rules, a_cron_jobs_template_has_no_selector_of_its_own);
    tcase_add_test(rules, source_ranges_may_have_spaces_and_be_an_annotation);
    tcase_add_test(rules, what_is_wrong_in_a_service_is_said_in_the_order_of_its_rules);
    tcase_add_test(rules, topology_is_asked_for_in_one_way);
    tcase_add_test(rules, a_limit_range_agrees_with_itself);
    tcase_add_test(rules, an_event_is_about_something_in_its_namespace_unless_it_has_a_time);
    tcase_add_test(rules, an_old_event_calls_its_reporter_a_component);
    tcase_add_test(rules, a_new_event_says_nothing_in_the_old_way);
    tcase_add_test(rules, of_a_new_event_only_the_series_goes_on);
    tcase_add_test(rules, tokens_of_a_driver_have_an_audience_and_a_duration_each);
    tcase_add_test(rules, a_drivers_topology_keys_are_told_at_the_driver);
    tcase_add_test(rules, an_api_services_name_and_group_are_told_before_the_rest);
    tcase_add_test(rules, names_of_other_objects_in_a_volumes_source_are_checked);
    tcase_add_test(rules, a_pod_does_not_use_the_claims_that_are_made_for_it);
    tcase_add_test(rules, limits_of_containers_are_of_what_containers_ask_for);
    tcase_add_test(rules, what_is_not_promised_twice_is_limited_to_what_is_asked_for);
    tcase_add_test(rules, all_that_is_wrong_with_a_definitions_name_is_one_cause);
    suite_add_tcase(suite, rules);
    return suite;
}
