# Behaviours that Kubernetes' own conformance tests name, on the API, authentication and the command line; one server, no
# nodes. A test here has the name of the behaviour, shortened. Those that are not here are tested elsewhere:
#
#   AdmissionWebhook: deny and mutate custom resources, pruning, crd creation       tests/custom/custom.bats
#   AdmissionWebhook: honor timeout, mutate configmap, deny in its own words        tests/admission/admission.bats
#   AdmissionWebhook: deny attaching pod, everything except 'skip-me' configmaps    tests/admission/admission.bats
#   Aggregator: sample API server                                                   tests/aggregation
#   CustomResourcePublishOpenAPI: all                                               tests/kubectl/explain.bats
#   ValidatingAdmissionPolicy: with parameters, its messages                        tests/admission, test_policies.c
#   Certificates API: approval, signing                                             tests/kubectl/certificates.bats
#   ServiceAccountIssuerDiscovery, serviceAccountToken                              tests/auth/auth.bats
#   Kubectl: api-versions, cluster-info, version, proxy --unix-socket, every version tests/kubectl/matrix.bats
bats_require_minimum_version 1.5.0
export AUTH_HOST=${CONFORMANCE_HOST:-127.0.52.1}

setup_file() {
    load ../auth/server
    start_server n1 "$HOST"
    write_kubeconfig n1 "$HOST"
    within 20 kubectl get serviceaccount default -n default
}

teardown_file() {
    load ../auth/server
    end_all
}

setup() {
    load ../auth/server
    N=t$BATS_TEST_NUMBER
    kubectl create namespace "$N" >/dev/null
    within 20 kubectl get serviceaccount default -n "$N"
    K="kubectl -n $N"
}

teardown() {
    [ "$BATS_TEST_COMPLETED" = 1 ] || tail -n 20 "$D/n1.log"
    kubectl delete namespace "$N" --wait=false >/dev/null
}

# call METHOD PATH [BODY [CONTENT-TYPE [CURL-OPTION...]]]: the status code on a line, then the body.
call() {
    local method=$1 path=$2 body=${3-} type=${4:-application/json}
    shift $(($# < 4 ? $# : 4))
    curl -s -m 60 -A tests -X "$method" --cacert "$D/n1/pki/ca.crt" --cert "$D/n1/pki/admin.crt" --key "$D/n1/pki/admin.key" \
        -H "Content-Type: $type" ${body:+-d "$body"} -w '\n%{http_code}\n' "$@" "$API$path" >"$BATS_TEST_TMPDIR/answer"
    tail -n 1 "$BATS_TEST_TMPDIR/answer"
    sed '$d' "$BATS_TEST_TMPDIR/answer"
}

# expect CODE PATTERN CALL-ARGUMENT...
expect() {
    local code=$1 pattern=$2 output
    shift 2
    output=$(call "$@")
    [[ $output == "$code"* ]] && grep -qE -- "$pattern" <<<"$output" || { echo "call $*: not $code /$pattern/: $output"; return 1; }
}

MERGE=application/merge-patch+json
merge() { expect 200 "$2" PATCH "$1" "$3" $MERGE; }

# operations COLLECTION OBJECT NAME: all verbs on an object that has the label op=yes.
operations() {
    local all=$1 object=$2 one=$1/$3 got since
    expect 201 '"uid"' POST "$all" "$object"
    since=$(sed -nE 's/.*"resourceVersion":"([0-9]+)".*/\1/p' "$BATS_TEST_TMPDIR/answer")
    expect 200 '"op":"yes"' GET "$one"
    expect 200 "\"name\":\"$3\"" GET "$all?labelSelector=op%3Dyes"
    expect 200 '"type":"ADDED"' GET "$all?watch=1&labelSelector=op%3Dyes&timeoutSeconds=1"
    merge "$one" '"patched":"yes"' '{"metadata": {"annotations": {"patched": "yes"}}}'
    got=$(kubectl get --raw "$one")
    expect 200 '"updated":"yes"' PUT "$one" "${got/\"patched\":\"yes\"/\"updated\":\"yes\"}"
    expect 200 '' DELETE "$one"
    gone() { [[ $(call GET "$1") == 404* ]]; }
    within 10 gone "$one"
    # A watch from the first of them on has told all of it, in this order; controllers may have written status, too.
    expect 200 '"type":"DELETED"' GET "$all?watch=1&labelSelector=op%3Dyes&resourceVersion=$since&timeoutSeconds=2"
    [[ $(types "$BATS_TEST_TMPDIR/answer") =~ ^(MODIFIED\ ){2,}DELETED\ $ ]]
    [ "$(grep -n '"patched":"yes"' "$BATS_TEST_TMPDIR/answer" | head -n 1 | cut -d: -f1)" -lt \
        "$(grep -n '"updated":"yes"' "$BATS_TEST_TMPDIR/answer" | head -n 1 | cut -d: -f1)" ]
    expect 201 '"uid"' POST "$all" "$object"
    expect 200 '' DELETE "$all?labelSelector=op%3Dyes"
    within 10 gone "$one"
}

@test "API priority and fairness should support FlowSchema API operations" {
    local all=/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas
    expect 200 flowschemas GET /apis/flowcontrol.apiserver.k8s.io/v1
    operations $all '{"metadata": {"name": "fs", "labels": {"op": "yes"}}, "spec": {"matchingPrecedence": 10000,
        "priorityLevelConfiguration": {"name": "global-default"}, "distinguisherMethod": {"type": "ByUser"}, "rules": []}}' fs
    expect 201 '' POST $all '{"metadata": {"name": "fs"}, "spec": {"priorityLevelConfiguration": {"name": "global-default"}}}'
    expect 200 '"conditions"' GET $all/fs/status
    merge $all/fs/status '"reason":"Mine"' '{"status": {"conditions": [{"type": "Test", "status": "True", "reason": "Mine"}]}}'
    expect 200 '"reason":"Other"' PUT $all/fs/status "$(kubectl get --raw $all/fs/status | sed 's/"reason":"Mine"/"reason":"Other"/')"
    kubectl delete flowschema fs
}

@test "API priority and fairness should support PriorityLevelConfiguration API operations" {
    local all=/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations
    operations $all '{"metadata": {"name": "pl", "labels": {"op": "yes"}}, "spec": {"type": "Limited", "limited":
        {"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}}}}' pl
    expect 200 '"status"' GET $all/exempt/status
    expect 201 '' POST $all '{"metadata": {"name": "pl"}, "spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}}}'
    merge $all/pl/status '"reason":"Mine"' '{"status": {"conditions": [{"type": "Test", "status": "True", "reason": "Mine"}]}}'
    expect 200 '"reason":"Other"' PUT $all/pl/status "$(kubectl get --raw $all/pl/status | sed 's/"reason":"Mine"/"reason":"Other"/')"
    kubectl delete prioritylevelconfiguration pl
}

hook() { # KIND NAME [MORE-OF-WEBHOOK]
    echo '{"apiVersion": "admissionregistration.k8s.io/v1", "kind": "'"$1"'", "metadata": {"name": "'"$2"'", "labels": {"op": "yes"}},
        "webhooks": [{"name": "a.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 1,
        "failurePolicy": "Fail", "clientConfig": {"url": "https://127.0.0.1:1/"}, "namespaceSelector": {"matchLabels":
        {"kubernetes.io/metadata.name": "'"$N"'"}}, "rules": [{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["CREATE"],
        "resources": ["configmaps"]}]'"${3:+, $3}"'}]}'
}

@test "AdmissionWebhook listing mutating webhooks should work, patching and updating them" {
    local group=/apis/admissionregistration.k8s.io/v1
    operations $group/mutatingwebhookconfigurations "$(hook MutatingWebhookConfiguration "$N")" "$N"
    operations $group/validatingwebhookconfigurations "$(hook ValidatingWebhookConfiguration "$N")" "$N"
}

@test "AdmissionWebhook should unconditionally reject operations on fail closed webhook" {
    kubectl apply -f <(hook ValidatingWebhookConfiguration "$N")
    refused() { ! $K create configmap c && [[ $($K create configmap c 2>&1) == *'failed calling webhook "a.example.com"'* ]]; }
    within 10 refused
    kubectl patch validatingwebhookconfiguration "$N" --type json \
        -p '[{"op": "replace", "path": "/webhooks/0/rules/0/operations", "value": ["UPDATE"]}]'
    within 10 $K create configmap c
    kubectl delete validatingwebhookconfiguration "$N"
}

@test "AdmissionWebhook should not be able to mutate or prevent deletion of webhook configuration objects" {
    kubectl apply -f <(echo '{"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "'"$N"'"}, "webhooks": [{"name": "a.example.com", "sideEffects": "None", "timeoutSeconds": 1,
        "admissionReviewVersions": ["v1"], "clientConfig": {"url": "https://127.0.0.1:1/"}, "rules": [{"apiGroups":
        ["admissionregistration.k8s.io"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]}]}')
    kubectl apply -f <(hook MutatingWebhookConfiguration "$N-other")
    kubectl delete mutatingwebhookconfiguration "$N-other"
    kubectl delete validatingwebhookconfiguration "$N"
}

@test "AdmissionWebhook should reject mutating webhook configurations with invalid match conditions" {
    run ! kubectl apply -f <(hook MutatingWebhookConfiguration "$N" '"matchConditions": [{"name": "bad", "expression": "... 1"}]')
    [[ $output == *'compilation failed'* ]]
}

@test "AggregatedDiscovery should support aggregated discovery interface, also for CRDs" {
    local accept='Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
    expect 200 '"kind":"APIGroupDiscoveryList".*"resource":"deployments"' GET /apis '' '' -H "$accept"
    expect 200 '"kind":"APIGroupDiscoveryList".*"resource":"configmaps"' GET /api '' '' -H "$accept"
    grep -q '"resource":"pods".*"subresource":"status"' "$BATS_TEST_TMPDIR/answer"
    expect 200 '^[Cc]ontent-[Tt]ype: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' GET /apis '' '' -i -H "$accept"
    expect 200 '"apiVersion":"apidiscovery.k8s.io/v2beta1"' GET /apis '' '' -H "${accept/v=v2/v=v2beta1},application/json"
    expect 200 '"kind":"APIGroupList"' GET /apis '' '' -H 'Accept: application/json'
    expect 200 '"kind":"APIVersions"' GET /api '' '' -H 'Accept: application/json'
    toys_are_defined
    found() { expect 200 "\"name\":\"$N.example\".*\"resource\":\"toys\"" GET /apis '' '' -H "$accept"; }
    within 10 found
    kubectl delete crd "toys.$N.example"
}

toys_are_defined() {
    kubectl apply -f <(cat <<END
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: toys.$N.example}
spec:
  group: $N.example
  scope: Namespaced
  names: {plural: toys, singular: toy, kind: Toy, listKind: ToyList}
  versions:
  - name: v1
    served: true
    storage: true
    selectableFields: [{jsonPath: .spec.colour}]
    schema:
      openAPIV3Schema:
        type: object
        properties: {spec: {type: object, properties: {colour: {type: string}}}}
END
    )
    kubectl wait --for condition=established crd "toys.$N.example" --timeout 60s
}

toy() { # NAME COLOUR
    echo '{"apiVersion": "'"$N"'.example/v1", "kind": "Toy", "metadata": {"name": "'"$1"'"}, "spec": {"colour": "'"$2"'"}}'
}

@test "CustomResourceDefinition creating, deleting, status sub-resource, in discovery documents" {
    local one=/apis/apiextensions.k8s.io/v1/customresourcedefinitions/toys.$N.example
    toys_are_defined
    expect 200 '"storedVersions":\["v1"\]' GET "$one/status"
    merge "$one/status" '"reason":"Mine"' '{"status": {"conditions": [{"type": "Test", "status": "True", "reason": "Mine",
        "message": ""}]}}'
    expect 200 '"reason":"Other"' PUT "$one/status" "$(kubectl get --raw "$one/status" | sed 's/"reason":"Mine"/"reason":"Other"/')"
    expect 200 '"name":"apiextensions.k8s.io"' GET /apis
    expect 200 '"name":"customresourcedefinitions"' GET /apis/apiextensions.k8s.io/v1
    expect 200 '"name":"toys"' GET "/apis/$N.example/v1"
    kubectl delete crd "toys.$N.example"
    within 10 gone_from_discovery
}

gone_from_discovery() { [[ $(call GET "/apis/$N.example/v1") == 404* ]]; }

@test "CustomResourceFieldSelectors MUST list and watch custom resources matching the field selector" {
    toys_are_defined
    $K create -f <(toy a red) -f <(toy b blue)
    [ "$($K get toys --field-selector spec.colour=blue -o name)" = "toy.$N.example/b" ]
    expect 200 '"name":"b"' GET "/apis/$N.example/v1/namespaces/$N/toys?fieldSelector=spec.colour%3Dblue&watch=1&timeoutSeconds=1"
    [[ $(cat "$BATS_TEST_TMPDIR/answer") != *'"name":"a"'* ]]
    kubectl delete crd "toys.$N.example"
}

@test "Discovery should validate PreferredVersion for each APIGroup and locate a resource within each" {
    local groups preferred
    groups=$(kubectl get --raw /apis | python3 -c 'import json, sys
for group in json.load(sys.stdin)["groups"]:
    preferred = group["preferredVersion"]
    assert preferred in group["versions"], group
    assert preferred["groupVersion"] == group["name"] + "/" + preferred["version"], group
    print(preferred["groupVersion"])')
    for preferred in $groups; do
        expect 200 '"resources":\[\{' GET "/apis/$preferred"
    done
    grep -q '^apps/v1$' <<<"$groups"
}

@test "FieldValidation should detect unknown and duplicate fields of a typed object, and unknown metadata" {
    local all=/api/v1/namespaces/$N/configmaps strict
    strict="$all?fieldValidation=Strict"
    expect 400 'strict decoding error: unknown field \\"dada\\", duplicate field \\"data.a\\"|duplicate field \\"data.a\\", unknown' \
        POST "$strict" '{"metadata": {"name": "c"}, "dada": 1, "data": {"a": "1", "a": "2"}}'
    expect 400 'unknown field \\"metadata.nam\\"' POST "$strict" '{"metadata": {"name": "c", "nam": "d"}}'
    expect 201 '' POST "$all?fieldValidation=Ignore" '{"metadata": {"name": "c", "nam": "d"}}'
    # Who is refused is warned, too.
    expect 409 'already exists' POST "$all" '{"metadata": {"name": "c"}, "dada": 1}' '' -i
    grep -qi '^warning: 299 - "unknown field \\"dada\\""' "$BATS_TEST_TMPDIR/answer"
    # Of YAML each line is a warning of its own, of what is created and of what is applied.
    local body=$'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: twice}\ndata: {a: "1", a: "2", b: "1", b: "2"}\n' verb
    expect 400 'error strict decoding YAML: .*line 4: key .*"a.* already set in map' PATCH "$all/twice?fieldManager=m&fieldValidation=Strict" \
        "$body" application/apply-patch+yaml
    for verb in POST PATCH; do
        if [ $verb = POST ]; then
            expect 201 '' POST "$all" "$body" application/yaml -i
        else
            expect 200 '' PATCH "$all/twice?fieldManager=m&force=true" "$body" application/apply-patch+yaml -i
        fi
        grep -qi '^warning: 299 - "line 4: key \\"a\\" already set in map"' "$BATS_TEST_TMPDIR/answer"
        grep -qi '^warning: 299 - "line 4: key \\"b\\" already set in map"' "$BATS_TEST_TMPDIR/answer"
    done
}

@test "FieldValidation should create an invalid CR with extra properties for CRD with validation schema" {
    toys_are_defined
    local all=/apis/$N.example/v1/namespaces/$N/toys body
    body=$(toy a red | sed 's/"spec": {/&"size": 3, /')
    expect 400 'strict decoding error: unknown field \\"spec.size\\"' POST "$all?fieldValidation=Strict" "$body"
    expect 201 '"colour":"red"' POST "$all" "$body" '' -i
    grep -qi '^warning: 299 .*unknown field .*spec.size' "$BATS_TEST_TMPDIR/answer"
    # Applied, it is refused whatever is asked for, in the words of the one who merges.
    local asked
    for asked in Strict Warn Ignore; do
        expect 500 'failed to create typed patch object \(/a; '"$N"'.example/v1, Kind=Toy\): .spec.size: field not declared in schema' \
            PATCH "$all/a?fieldManager=m&fieldValidation=$asked" "$body" application/apply-patch+yaml -i
        run -1 grep -qi '^warning:' "$BATS_TEST_TMPDIR/answer"
    done
    kubectl delete crd "toys.$N.example"
}

replicated() { # KIND API-VERSION NAME
    local selector='"selector": {"matchLabels": {"a": "'"$3"'"}}'
    [ "$1" != ReplicationController ] || selector='"selector": {"a": "'"$3"'"}'
    echo '{"apiVersion": "'"$2"'", "kind": "'"$1"'", "metadata": {"name": "'"$3"'"}, "spec": {"replicas": 2, '"$selector"',
        "template": {"metadata": {"labels": {"a": "'"$3"'"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}}'
}

number() { [ "$($K get "$1" -l "a=$2" -o name | wc -l)" = "$3" ]; }

@test "Garbage collector should delete RS created by deployment, and their pods, when not orphaning" {
    $K create -f <(replicated Deployment apps/v1 d)
    within 20 number rs d 1
    within 20 number pods d 2
    $K delete deployment d
    within 20 number rs d 0
    within 20 number pods d 0
}

@test "Garbage collector should orphan RS created by deployment, and pods created by RS, if delete options say so" {
    $K create -f <(replicated Deployment apps/v1 d) -f <(replicated ReplicaSet apps/v1 rs)
    within 20 number rs d 1
    within 20 number pods rs 2
    $K delete deployment d --cascade=orphan
    $K delete rs rs --cascade=orphan
    sleep 2
    number rs d 1
    number pods rs 2
}

@test "Garbage collector should delete pods created by rc when not orphaning, and orphan them if delete options say so" {
    $K create -f <(replicated ReplicationController v1 rc) -f <(replicated ReplicationController v1 kept)
    within 20 number pods rc 2
    within 20 number pods kept 2
    $K delete rc rc
    $K delete rc kept --cascade=orphan
    within 20 number pods rc 0
    sleep 2
    number pods kept 2
    [ -z "$($K get pods -l a=kept -o 'jsonpath={.items[*].metadata.ownerReferences}')" ]
}

owner() { [ "$($K get pod "$1" -o 'jsonpath={.metadata.ownerReferences[0].kind}')" = "$2" ]; }

@test "ReplicationController should adopt matching pods on creation and release no longer matching pods" {
    $K run p --image i --labels a=rc --annotations controller.kubernetes.io/pod-deletion-cost=1 # One pod too many is another.
    $K create -f <(replicated ReplicationController v1 rc)
    within 20 number pods rc 2
    within 10 owner p ReplicationController
    $K label pod p a=other --overwrite
    within 10 owner p ''
    within 20 number pods rc 2
}

failing() { [ "$($K get rc rc -o 'jsonpath={.status.conditions[?(@.type=="ReplicaFailure")].reason}')" = "$1" ]; }

@test "ReplicationController should surface a failure condition on a common issue like exceeded quota" {
    $K create quota q --hard pods=1
    within 10 used pods 0
    $K create -f <(replicated ReplicationController v1 rc)
    within 20 failing FailedCreate
    number pods rc 1
    [[ $($K get events --field-selector reason=FailedCreate,involvedObject.kind=ReplicationController) == *'exceeded quota: q'* ]]
    $K scale rc rc --replicas 1
    within 20 failing ''
}

counted() { [ "$($K get rc rc -o 'jsonpath={.status.replicas}')" = "$1" ]; }

@test "ReplicationController should get and update a ReplicationController scale" {
    local scale=/api/v1/namespaces/$N/replicationcontrollers/rc/scale
    $K create -f <(replicated ReplicationController v1 rc)
    within 20 counted 2
    expect 200 '"spec":\{"replicas":2\},"status":\{"replicas":2,"selector":"a=rc"\}' GET "$scale"
    expect 200 '"replicas":1' PUT "$scale" "$(kubectl get --raw "$scale" | sed 's/"spec":{"replicas":2}/"spec":{"replicas":1}/')"
    within 20 counted 1
    number pods rc 1
    $K scale rc rc --current-replicas 1 --replicas 3
    within 20 number pods rc 3
    within 20 counted 3
}

@test "ReplicationController should test the lifecycle of a ReplicationController" {
    local all=/api/v1/namespaces/$N/replicationcontrollers got
    expect 201 '"selector":\{"a":"rc"\}' POST "$all" "$(replicated ReplicationController v1 rc)"
    within 20 counted 2
    merge "$all/rc" '"a":"rc","patched":"yes"' '{"metadata": {"labels": {"patched": "yes"}}}'
    merge "$all/rc/status" '"type":"Test"' '{"status": {"conditions": [{"type": "Test", "status": "True"}]}}'
    merge "$all/rc" '"replicas":3' '{"spec": {"replicas": 3}}'
    within 20 counted 3
    got=$(kubectl get --raw "$all/rc")
    expect 200 '"patched":"updated"' PUT "$all/rc" "${got/\"patched\":\"yes\"/\"patched\":\"updated\"}"
    expect 200 '"type":"Test"' GET "$all?labelSelector=patched%3Dupdated"
    expect 200 '' DELETE "$all?labelSelector=patched%3Dupdated"
    gone() { [[ $(call GET "$1") == 404* ]]; }
    within 10 gone "$all/rc"
    number pods rc 3 # Without a word about them they stay.
}

@test "Namespaces should apply an update, changes to status, and a patch" {
    local one=/api/v1/namespaces/$N
    merge "$one" '"a":"b"' '{"metadata": {"labels": {"a": "b"}}}'
    expect 200 '"c":"d"' PUT "$one" "$(kubectl get --raw "$one" | sed 's/"a":"b"/"c":"d"/')"
    merge "$one/status" '"reason":"Mine"' '{"status": {"conditions": [{"type": "Test", "status": "True", "reason": "Mine"}]}}'
    expect 200 '"type":"Test"' GET "$one/status"
}

@test "Namespaces should ensure that all pods and services are removed when a namespace is deleted" {
    kubectl create namespace "$N-gone"
    within 20 kubectl get serviceaccount default -n "$N-gone"
    kubectl -n "$N-gone" run p --image i
    kubectl -n "$N-gone" create service clusterip s --tcp 80
    kubectl delete namespace "$N-gone" --timeout 60s
    kubectl create namespace "$N-gone"
    [ -z "$(kubectl -n "$N-gone" get pods,services -o name)" ]
    kubectl delete namespace "$N-gone" --wait=false
}

used() { [ "$($K get quota q -o "jsonpath={.status.used.$1}")" = "$2" ]; }

@test "ResourceQuota should capture the life of a configMap, secret, service, replica set and replication controller" {
    $K create quota q --hard 'configmaps=9,secrets=9,services=9,services.nodeports=1,count/replicasets.apps=9,replicationcontrollers=9'
    within 10 used configmaps 1 # kube-root-ca.crt
    local maps_before=1
    $K create configmap c
    $K create secret generic s
    $K create service nodeport sn --tcp 80
    $K create -f <(replicated ReplicaSet apps/v1 rs) -f <(replicated ReplicationController v1 rc)
    within 10 used configmaps $((maps_before + 1))
    within 10 used secrets 1
    within 10 used services 1
    within 10 used 'services\.nodeports' 1
    within 10 used 'count/replicasets\.apps' 1
    within 10 used replicationcontrollers 1
    run ! $K create service nodeport more --tcp 80
    [[ $output == *'exceeded quota: q, requested: services.nodeports=1, used: services.nodeports=1, limited: services.nodeports=1'* ]]
    $K delete configmap/c secret/s service/sn rs/rs rc/rc
    within 10 used configmaps $maps_before
    within 10 used services 0
    within 10 used 'count/replicasets\.apps' 0
    within 10 used replicationcontrollers 0
}

@test "ResourceQuota should be able to update and delete, and apply changes to its status" {
    local all=/api/v1/namespaces/$N/resourcequotas
    operations "$all" '{"metadata": {"name": "rq", "labels": {"op": "yes"}}, "spec": {"hard": {"pods": "5"}}}' rq
    $K create quota q --hard pods=5
    within 10 used pods 0
    merge "$all/q" '"pods":"7"' '{"spec": {"hard": {"pods": "7"}}}'
    $K run p --image i
    within 10 used pods 1
    merge "$all/q" '"a":"b"' '{"metadata": {"labels": {"a": "b"}}}'
    expect 200 '"spec":\{"hard":\{"pods":"8"\}' PUT "$all/q" "$(kubectl get --raw "$all/q" | sed 's/"spec":{"hard":{"pods":"7"}/"spec":{"hard":{"pods":"8"}/')"
    # Whose status is written is right again a moment later.
    merge "$all/q/status" '"status":\{"hard":\{"pods":"6"\}' '{"status": {"hard": {"pods": "6"}}}'
    right() { [ "$($K get quota q -o 'jsonpath={.status.hard.pods} {.status.used.pods}')" = '8 1' ]; }
    within 20 right
    $K delete quota q
    run -1 $K get quota q
    expect 200 '"items":\[\]' GET "$all?labelSelector=a%3Db"
}

@test "API chunking should return chunks of results for list calls" {
    local i token version page names
    for i in $(seq 17); do
        echo '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c-'"$i"'", "labels": {"chunk": "yes"}}}'
    done | $K create -f - >/dev/null
    local all="/api/v1/namespaces/$N/configmaps?labelSelector=chunk%3Dyes&limit=5"
    page=$(kubectl get --raw "$all")
    version=$(sed -E 's/.*"metadata":\{"resourceVersion":"([0-9]+)".*/\1/' <<<"${page%%\"items\"*}")
    names=0
    while :; do
        [[ ${page%%\"items\"*} == *"\"resourceVersion\":\"$version\""* ]]
        names=$((names + $(grep -o '"name":"c-' <<<"$page" | wc -l)))
        [[ ${page%%\"items\"*} == *'"continue":"'* ]] || break
        token=$(sed -E 's/.*"continue":"([^"]*)".*/\1/' <<<"${page%%\"items\"*}")
        page=$(kubectl get --raw "$all&continue=$token")
    done
    [ "$names" = 17 ]
}

@test "API chunking should support continue listing from the last key if the original version has been compacted away" {
    command -v etcdctl >/dev/null || skip "etcdctl is not installed"
    $K create configmap a
    $K create configmap b
    local all=/api/v1/namespaces/$N/configmaps page token
    page=$(kubectl get --raw "$all?limit=1")
    token=$(sed -E 's/.*"continue":"([^"]*)".*/\1/' <<<"${page%%\"items\"*}")
    $K create configmap zz
    ETCDCTL_API=3 etcdctl --endpoints "https://$HOST:2379" --cacert "$D/n1/pki/ca.crt" --cert "$D/n1/pki/admin.crt" \
        --key "$D/n1/pki/admin.key" compact "$($K get configmap zz -o 'jsonpath={.metadata.resourceVersion}')"
    expect 410 '"metadata":\{"continue":".*"reason":"Expired"' GET "$all?limit=1&continue=$token"
    token=$(sed -nE 's/.*"continue":"([^"]*)".*/\1/p' "$BATS_TEST_TMPDIR/answer")
    expect 200 '"name":"zz"' GET "$all?limit=9&continue=$token" # Inconsistent: it has what came later.
}

@test "Table transformation should return a 406 for a backend which does not implement metadata" {
    expect 406 '"reason": "NotAcceptable"' POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews \
        '{"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}' '' -H 'Accept: application/json;as=Table;v=v1;g=meta.k8s.io'
}

@test "ValidatingAdmissionPolicy should support ValidatingAdmissionPolicy and Binding API operations" {
    local group=/apis/admissionregistration.k8s.io/v1
    operations $group/validatingadmissionpolicies '{"metadata": {"name": "'"$N"'", "labels": {"op": "yes"}}, "spec":
        {"matchConstraints": {"resourceRules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"],
        "resources": ["deployments"]}]}, "validations": [{"expression": "true"}]}}' "$N"
    operations $group/validatingadmissionpolicybindings '{"metadata": {"name": "'"$N"'", "labels": {"op": "yes"}}, "spec":
        {"policyName": "'"$N"'", "validationActions": ["Deny"]}}' "$N"
}

@test "ValidatingAdmissionPolicy should validate against a Deployment" {
    kubectl create -f - <<END
{"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "$N"}, "spec":
 {"matchConstraints": {"resourceRules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"],
  "resources": ["deployments"]}]}, "validations": [{"expression": "object.spec.replicas <= 1", "message": "one is enough"}]}}
{"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": "$N"}, "spec":
 {"policyName": "$N", "validationActions": ["Deny"], "matchResources": {"namespaceSelector": {"matchLabels":
  {"kubernetes.io/metadata.name": "$N"}}}}}
END
    denied() { [[ $($K create --dry-run=server -f <(replicated Deployment apps/v1 d) 2>&1) == *'one is enough'* ]]; }
    within 10 denied
    $K create -f <(replicated Deployment apps/v1 d | sed 's/"replicas": 2/"replicas": 1/')
    kubectl delete validatingadmissionpolicy,validatingadmissionpolicybinding "$N"
}

types() { grep -oE '"type":"[A-Z]+"' "$1" | cut -d'"' -f4 | tr '\n' ' '; }

@test "Watchers should observe add, update, and delete, from a specific version, concurrent ones in the same order" {
    local all=/api/v1/namespaces/$N/configmaps version i watches=()
    version=$(kubectl get --raw "$all" | sed -E 's/.*"metadata":\{"resourceVersion":"([0-9]+)".*/\1/' | head -c 20)
    for i in 1 2 3; do
        kubectl get --raw "$all?watch=1&resourceVersion=$version&timeoutSeconds=250" >"$D/$N.$i" 3>&- &
        watches+=($!)
    done
    $K create configmap c --from-literal a=0
    for i in $(seq 10); do
        $K patch configmap c -p '{"data": {"a": "'"$i"'"}}' >/dev/null
    done
    local middle
    middle=$($K get configmap c -o 'jsonpath={.metadata.resourceVersion}')
    $K delete configmap c
    for i in 1 2 3; do
        within 10 grep -q '"type":"DELETED"' "$D/$N.$i"
    done
    kill "${watches[@]}"
    [ "$(types "$D/$N.1")" = 'ADDED MODIFIED MODIFIED MODIFIED MODIFIED MODIFIED MODIFIED MODIFIED MODIFIED MODIFIED MODIFIED DELETED ' ]
    cmp "$D/$N.1" "$D/$N.2"
    cmp "$D/$N.1" "$D/$N.3"
    expect 200 '"type":"DELETED"' GET "$all?watch=1&resourceVersion=$middle&timeoutSeconds=1"
    [ "$(types "$BATS_TEST_TMPDIR/answer")" = 'DELETED ' ]
}

# labelled VALUE [FROM]: starts a watch of the ConfigMaps with that label into $D/$N.VALUE.
labelled() {
    kubectl get --raw "/api/v1/namespaces/$N/configmaps?watch=1&labelSelector=w+in+($1)&timeoutSeconds=250${2:+&resourceVersion=$2}" \
        >"$D/$N.$1" 3>&- &
    watches+=($!)
}
seen() { [ "$(types "$D/$N.$1")" = "$2" ]; }

@test "Watchers should observe what begins to match and what does not any more, and restart where another has ended" {
    local watches=() version
    version=$(kubectl get --raw "/api/v1/namespaces/$N/configmaps" | sed -E 's/.*"metadata":\{"resourceVersion":"([0-9]+)".*/\1/' | head -c 20)
    labelled a "$version"
    labelled b "$version"
    labelled a,b "$version"
    $K create configmap one
    $K label configmap one w=a
    within 10 seen a 'ADDED '
    within 10 seen a,b 'ADDED '
    $K patch configmap one -p '{"data": {"mutation": "1"}}'
    within 10 seen a 'ADDED MODIFIED '
    $K label configmap one w=b --overwrite
    within 10 seen a 'ADDED MODIFIED DELETED '
    within 10 seen b 'ADDED '
    within 10 seen a,b 'ADDED MODIFIED MODIFIED '
    grep '"type":"DELETED"' "$D/$N.a" | grep -q '"w":"a"' # As it was when it matched.
    version=$($K get configmap one -o 'jsonpath={.metadata.resourceVersion}')
    kill "${watches[1]}"
    $K patch configmap one -p '{"data": {"mutation": "2"}}'
    $K delete configmap one
    labelled b "$version"
    within 10 seen b 'MODIFIED DELETED '
    within 10 seen a,b 'ADDED MODIFIED MODIFIED MODIFIED DELETED '
    seen a 'ADDED MODIFIED DELETED '
    kill "${watches[0]}" "${watches[2]}" "${watches[3]}"
}

@test "Certificates API should support CSR API operations" {
    openssl req -newkey rsa:2048 -nodes -keyout "$BATS_TEST_TMPDIR/key" -out "$BATS_TEST_TMPDIR/csr" -subj /CN=me 2>/dev/null
    local all=/apis/certificates.k8s.io/v1/certificatesigningrequests object
    object='{"metadata": {"name": "'"$N"'", "labels": {"op": "yes"}}, "spec": {"signerName": "example.com/none", "usages":
        ["client auth"], "request": "'"$(base64 -w 0 <"$BATS_TEST_TMPDIR/csr")"'"}}'
    operations $all "$object" "$N"
    expect 201 '"username":"kubernetes-admin"' POST $all "$object"
    kubectl certificate approve "$N"
    expect 200 '"type":"Approved"' GET "$all/$N/approval"
    merge "$all/$N/status" '"certificate":' '{"status": {"certificate": "'"$(base64 -w 0 <"$D/n1/pki/ca.crt")"'"}}'
    kubectl delete csr "$N"
}

@test "SubjectReview should support SubjectReview API operations" {
    local may='{"verb": "list", "resource": "configmaps", "namespace": "'"$N"'"}'
    $K create rolebinding view --clusterrole view --user ann
    local group=/apis/authorization.k8s.io/v1
    yes() { expect 201 '"allowed":true' POST $group/subjectaccessreviews '{"spec": {"user": "ann", "resourceAttributes": '"$may"'}}'; }
    within 10 yes
    expect 201 '"allowed":false' POST $group/subjectaccessreviews '{"spec": {"user": "bob", "resourceAttributes": '"$may"'}}'
    expect 201 '"allowed":true' POST "$group/namespaces/$N/localsubjectaccessreviews" \
        '{"metadata": {"namespace": "'"$N"'"}, "spec": {"user": "ann", "resourceAttributes": '"$may"'}}'
    expect 201 '"allowed":true' POST $group/selfsubjectaccessreviews '{"spec": {"resourceAttributes": '"$may"'}}'
}

@test "ServiceAccounts should create a serviceAccountToken and ensure a successful TokenReview" {
    local token
    token=$($K create token default)
    expect 201 '"authenticated":true.*"username":"system:serviceaccount:'"$N"':default"' POST \
        /apis/authentication.k8s.io/v1/tokenreviews '{"spec": {"token": "'"$token"'"}}'
}

@test "Kubectl describe should print relevant information for rc and pods" {
    $K create -f <(replicated ReplicationController v1 rc)
    within 20 counted 2
    run -0 $K describe rc rc
    for part in 'Name: +rc' "Namespace: +$N" 'Selector: +a=rc' 'Replicas: +2 current / 2 desired' \
        'Pods Status: +0 Running / 2 Waiting' 'Image: +i' 'SuccessfulCreate .*replication-controller +Created pod: rc-'; do
        grep -qE "$part" <<<"$output"
    done
    run -0 $K describe pod -l a=rc
    for part in 'Status: +Pending' 'Controlled By: +ReplicationController/rc' 'Image: +i' 'QoS Class: +BestEffort'; do
        grep -qE "$part" <<<"$output"
    done
}

@test "Kubectl replace should update a single-container pod's image; run creates a pod when restart is Never" {
    $K run p --image i:1 --restart Never
    [ "$($K get pod p -o 'jsonpath={.spec.restartPolicy}')" = Never ]
    $K get pod p -o json | sed 's/"i:1"/"i:2"/' | $K replace -f -
    [ "$($K get pod p -o 'jsonpath={.spec.containers[0].image}')" = i:2 ]
}

@test "Events API: fetched, patched, deleted, listed, a collection deleted; of the core group, too" {
    local event='"metadata": {"name": "e", "labels": {"op": "yes"}}, "reason": "Test", "type": "Normal"'
    operations "/apis/events.k8s.io/v1/namespaces/$N/events" '{'"$event"', "eventTime": "2026-01-02T03:04:05.000006Z",
        "action": "Do", "reportingController": "test", "reportingInstance": "test-1", "regarding": {"namespace": "'"$N"'"}}' e
    operations "/api/v1/namespaces/$N/events" '{'"$event"', "message": "m", "involvedObject": {"namespace": "'"$N"'"}}' e
}

@test "Events API: each group has the field selectors of its own form" {
    local new=/apis/events.k8s.io/v1/namespaces/$N/events old=/api/v1/namespaces/$N/events
    expect 201 '"uid"' POST "$new" '{"metadata": {"name": "e"}, "reason": "Test", "type": "Normal",
        "eventTime": "2026-01-02T03:04:05.000006Z", "action": "Do", "reportingController": "test",
        "reportingInstance": "test-1", "regarding": {"kind": "Pod", "name": "p", "namespace": "'"$N"'"}}'
    expect 200 '"items":\[[{]' GET "$new?fieldSelector=regarding.name%3Dp,reportingController%3Dtest"
    expect 200 '"items":\[\]' GET "$new?fieldSelector=regarding.name%3Dq"
    expect 400 'field label not supported: involvedObject.name' GET "$new?fieldSelector=involvedObject.name%3Dp"
    expect 200 '"items":\[[{]' GET "$old?fieldSelector=involvedObject.name%3Dp,reportingComponent%3Dtest"
    expect 400 'field label not supported: regarding.name' GET "$old?fieldSelector=regarding.name%3Dp"
    expect 200 '"type":"ADDED"' GET "$new?watch=1&timeoutSeconds=1&resourceVersion=0&fieldSelector=regarding.kind%3DPod"
}

@test "Options that contradict each other, or what is asked for, are refused and nothing is done" {
    local maps=/api/v1/namespaces/$N/configmaps
    expect 201 '"uid"' POST "$maps" '{"metadata": {"name": "m"}}'
    expect 422 'propagationPolicy: Invalid value: .*"Orphan.*cannot be both set' DELETE "$maps/m" \
        '{"propagationPolicy": "Orphan", "orphanDependents": true}'
    expect 422 'dryRun: Unsupported value: ' DELETE "$maps/m" '{"dryRun": ["Some"]}'
    expect 200 '"name":"m"' GET "$maps/m"
    expect 422 'sendInitialEvents is forbidden for list' GET "$maps?sendInitialEvents=true"
    expect 422 'requires setting resourceVersionMatch.*Unsupported value: .*"Exact' GET \
        "$maps?watch=1&sendInitialEvents=true&resourceVersionMatch=Exact"
    expect 400 'not allowed when using continue' GET "$maps?limit=1&resourceVersion=7&continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6NSwic3RhcnQiOiJhIn0"
    expect 400 'undeterminable: name must be provided' PATCH "$maps/m" '{"metadata": null}' $MERGE
}

@test "Apply refuses another kind, another name, and a field that the schema does not have" {
    local maps=/api/v1/namespaces/$N/configmaps apply=application/apply-patch+yaml
    expect 400 'invalid object type: /v1, Kind=Secret' PATCH "$maps/m?fieldManager=a" '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "m"}}' $apply
    expect 400 'does not match the name on the URL' PATCH "$maps/m?fieldManager=a" '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "n"}}' $apply
    expect 500 '.datum: field not declared in schema' PATCH "$maps/m?fieldManager=a&fieldValidation=Ignore" \
        '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "datum": {}}' $apply
    run -1 $K get configmap m
}
