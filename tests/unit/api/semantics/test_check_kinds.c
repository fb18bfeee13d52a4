/* Rules that look at several fields, by kind: jobs, Services, slices, ranges and classes. Objects
 * are JSON with ' for quotes; causes are compared as text, in order. */
#include "tests/unit/api/semantics/causes.h"
#include "tests/unit/api/semantics/suites.h"
#include <check.h>

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

START_TEST(a_ports_name_that_is_no_name_may_be_there_twice_too)
{
#define DNS_LABEL                                                                                  \
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "   \
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex "     \
    "used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    ck_assert_causes("v1", "Service",
                     "{'metadata':{'name':'o','namespace':'n'},'spec':{'clusterIP':'10.0.0.1',"
                     "'clusterIPs':['10.0.0.1'],'ports':[{'name':'A','port':80},{'name':'A','port':"
                     "81},{'port':82}]}}",
                     "spec.ports[0].name: Invalid value: \"A\": " DNS_LABEL "\n"
                     "spec.ports[1].name: Invalid value: \"A\": " DNS_LABEL "\n"
                     "spec.ports[1].name: Duplicate value: \"A\"\n"
                     "spec.ports[2].name: Required value");
#undef DNS_LABEL
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

START_TEST(conditions_of_a_budget_have_the_common_form)
{
#define BUDGET(status)                                                                             \
    "{'metadata':{'name':'o','namespace':'n','resourceVersion':'1'},'spec':{'selector':{}},"       \
    "'status':" status "}"
#define GOOD "'status':'True','lastTransitionTime':'2024-01-02T03:04:05Z','reason':'R_1:a,B'"
    ck_assert_causes_part(
        "policy/v1", "PodDisruptionBudget", "status", BUDGET("{}"),
        BUDGET("{'conditions':[{'type':'A'," GOOD "},{'type':'a.b/C'," GOOD ",'message':'m'}]}"),
        "");
    ck_assert_causes_part(
        "policy/v1", "PodDisruptionBudget", "status", BUDGET("{}"),
        BUDGET("{'expectedPods':-1,'conditions':[{'type':'A'," GOOD "},{'type':'A','status':'x',"
               "'observedGeneration':-1},{'type':'B','status':'False','lastTransitionTime':"
               "'2024-01-02T03:04:05Z','reason':'1a'}]}"),
        "status.conditions[1].type: Duplicate value: \"A\"\n"
        "status.conditions[1].status: Unsupported value: \"x\": supported values: \"False\", "
        "\"True\", \"Unknown\"\n"
        "status.conditions[1].observedGeneration: Invalid value: -1: must be greater than or equal "
        "to zero\n"
        "status.conditions[1].lastTransitionTime: Required value: must be set\n"
        "status.conditions[1].reason: Required value: must be set\n"
        "status.conditions[2].reason: Invalid value: \"1a\": a condition reason must start with "
        "alphabetic character, optionally followed by a string of alphanumeric characters or "
        "'_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or "
        "'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for "
        "validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')\n"
        "status.expectedPods: Invalid value: -1: must be greater than or equal to 0");
#undef GOOD
#undef BUDGET
}
END_TEST

Suite *check_kinds_suite(void)
{
    Suite *suite = suite_create("check_kinds");
    TCase *rules = tcase_create("rules");
    tcase_add_test(rules, what_slices_say_of_addresses_and_zones_is_held_to_their_type);
    tcase_add_test(rules, what_config_maps_secrets_and_runtimes_hold_is_looked_at);
    tcase_add_test(rules, an_indexed_jobs_name_has_room_for_the_last_index);
    tcase_add_test(rules, a_cron_jobs_time_zone_is_one_that_exists);
    tcase_add_test(rules, a_cron_jobs_template_has_no_selector_of_its_own);
    tcase_add_test(rules, source_ranges_may_have_spaces_and_be_an_annotation);
    tcase_add_test(rules, a_ports_name_that_is_no_name_may_be_there_twice_too);
    tcase_add_test(rules, what_is_wrong_in_a_service_is_said_in_the_order_of_its_rules);
    tcase_add_test(rules, topology_is_asked_for_in_one_way);
    tcase_add_test(rules, conditions_of_a_budget_have_the_common_form);
    tcase_add_test(rules, a_limit_range_agrees_with_itself);
    tcase_add_test(rules, an_event_is_about_something_in_its_namespace_unless_it_has_a_time);
    tcase_add_test(rules, an_old_event_calls_its_reporter_a_component);
    tcase_add_test(rules, a_new_event_says_nothing_in_the_old_way);
    tcase_add_test(rules, of_a_new_event_only_the_series_goes_on);
    tcase_add_test(rules, tokens_of_a_driver_have_an_audience_and_a_duration_each);
    tcase_add_test(rules, a_drivers_topology_keys_are_told_at_the_driver);
    tcase_add_test(rules, an_api_services_name_and_group_are_told_before_the_rest);
    tcase_add_test(rules, limits_of_containers_are_of_what_containers_ask_for);
    tcase_add_test(rules, what_is_not_promised_twice_is_limited_to_what_is_asked_for);
    tcase_add_test(rules, all_that_is_wrong_with_a_definitions_name_is_one_cause);
    suite_add_tcase(suite, rules);
    return suite;
}
