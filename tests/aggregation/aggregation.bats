# Groups and versions that an extension server answers for: a real kubectl against a real API server, with an extension
# server that lets only front proxies of the cluster in.
bats_require_minimum_version 1.5.0

GROUP=wardle.example.com
SERVICE=v1alpha1.$GROUP

setup_file() {
    load ../auth/server
    start_server n1 "$HOST"
    write_kubeconfig n1 "$HOST"
    within 20 kubectl get configmap -n kube-system extension-apiserver-authentication
    kubectl create namespace demo
    make_ca extensions
    make_cert extension "$D/extensions" /CN=extension serverAuth,clientAuth \
        "DNS:flunders.demo.svc"
    proxy_ca >"$D/proxies.crt"
    start_extension
    kubectl create -f - <<Y
apiVersion: v1
kind: Service
metadata: {name: flunders, namespace: demo}
spec: {ports: [{name: https, port: 443, targetPort: 8443}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: flunders-1, namespace: demo, labels: {kubernetes.io/service-name: flunders}}
addressType: IPv4
ports: [{name: https, port: 8443}]
endpoints: [{addresses: [10.107.0.2]}]
Y
    api_service v1alpha1 "$GROUP" 2000 200 flunders | kubectl create -f -
    within 20 is_available "$SERVICE" True Passed
}

teardown_file() {
    load ../auth/server
    end_all
}

setup() {
    load ../auth/server
}

teardown() {
    [ "$BATS_TEST_COMPLETED" = 1 ] || tail -n 20 "$D/n1.log"
}

proxy_ca() {
    kubectl get configmap -n kube-system extension-apiserver-authentication \
        -o 'jsonpath={.data.requestheader-client-ca-file}'
}

start_extension() {
    "$BATS_TEST_DIRNAME/extension.py" 10.107.0.2 8443 "$D/extension.crt" "$D/extension.key" "$D/proxies.crt" \
        "$D/requests" >>"$D/extension.log" 2>&1 3>&- &
    echo $! >"$D/extension.pid"
    disown
    within 10 bash -c 'exec 9<>/dev/tcp/10.107.0.2/8443'
}

stop_extension() {
    kill "$(cat "$D/extension.pid")"
    rm "$D/extension.pid"
}

# api_service VERSION GROUP GROUP-PRIORITY VERSION-PRIORITY SERVICE [PORT]
api_service() {
    cat <<Y
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: $1.$2}
spec:
  group: $2
  version: $1
  groupPriorityMinimum: $3
  versionPriority: $4
  caBundle: $(base64 -w0 <"$D/extensions.crt")
  service: {namespace: demo, name: $5, port: ${6:-443}}
Y
}

# is_available NAME STATUS REASON
is_available() {
    [ "$(kubectl get apiservice "$1" -o 'jsonpath={.status.conditions[?(@.type=="Available")].status} {.status.conditions[?(@.type=="Available")].reason}')" = "$2 $3" ]
}

message_of() { kubectl get apiservice "$1" -o 'jsonpath={.status.conditions[0].message}'; }

flunder() {
    echo "{\"apiVersion\":\"$GROUP/v1alpha1\",\"kind\":\"Flunder\",\"metadata\":{\"name\":\"$1\"},\"spec\":{\"color\":\"red\"}}"
}

admin() { # PATH [CURL-OPTION...]
    api "$@" --cert "$D/n1/pki/admin.crt" --key "$D/n1/pki/admin.key"
}

# heard PYTHON-EXPRESSION: of the requests that the extension server saw, the last for which it holds, as JSON.
heard() {
    python3 - "$D/requests" "$1" <<'P'
import json, sys
found = None
for line in open(sys.argv[1]):
    r = json.loads(line)
    h = dict(r["headers"])
    if eval(sys.argv[2]):
        found = r
print(json.dumps(found))
P
}

@test "there is a local APIService for each group and version of ours" {
    run -0 kubectl get apiservices
    [[ $output == *"v1.apps "*"Local "*"True"* ]]
    [[ $output == *"$SERVICE "*"demo/flunders "*"True"* ]]
    [ "$(kubectl get apiservice v1.apps -o 'jsonpath={.metadata.labels}')" = '{"kube-aggregator.kubernetes.io/automanaged":"onstart"}' ]
    [ "$(kubectl get apiservice v1. -o 'jsonpath={.spec}')" = '{"groupPriorityMinimum":18000,"version":"v1","versionPriority":1}' ]
    [ "$(kubectl get apiservices -o name | wc -l)" -gt 20 ]
    is_available v1. True Local
    run -1 kubectl get apiservice v1.apiregistration.k8s.io
}

@test "a version of ours without its APIService is served, and left out where groups are listed" {
    versions_of() { kubectl get --raw "$1" | jq -r "$2" | sort | paste -sd' '; }
    local listed='.groups[].versions[].groupVersion'
    local all left
    all=$(versions_of /apis "$listed")
    kubectl delete apiservice v2.autoscaling v1.batch
    left=$(sed -e 's,autoscaling/v2 ,,' -e 's,batch/v1 ,,' <<<"$all")
    [ "$left" != "$all" ]
    lists() { [ "$(versions_of /apis "$listed")" = "$1" ]; }
    within 20 lists "$left"
    [ "$(versions_of /apis/autoscaling .versions[].version)" = v1 ]
    [ "$(versions_of /apis/batch .versions[].version)" = v1 ]
    kubectl get --raw /apis/batch/v1/jobs
    kubectl get horizontalpodautoscalers.v2.autoscaling
    for name in v2.autoscaling v1.batch; do
        kubectl create -f - <<Y
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: $name, labels: {kube-aggregator.kubernetes.io/automanaged: onstart}}
spec: {group: ${name#*.}, version: ${name%%.*}, groupPriorityMinimum: 17400, versionPriority: 15}
Y
    done
    within 20 lists "$all"
}

@test "definitions of custom resources bring theirs, and take them along" {
    kubectl create -f - <<Y
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: foos.ex.io}
spec:
  group: ex.io
  scope: Namespaced
  names: {plural: foos, kind: Foo}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
Y
    within 10 is_available v1.ex.io True Local
    [ "$(kubectl get apiservice v1.ex.io -o 'jsonpath={.metadata.labels}')" = '{"kube-aggregator.kubernetes.io/automanaged":"true"}' ]
    [ "$(kubectl get apiservice v1.ex.io -o 'jsonpath={.spec.groupPriorityMinimum} {.spec.versionPriority}')" = "1000 100" ]
    kubectl delete apiservice v1.ex.io
    within 10 is_available v1.ex.io True Local
    kubectl delete crd foos.ex.io
    within 10 bash -c '! kubectl get apiservice v1.ex.io'
}

@test "extension servers find out whom to trust, and may read it" {
    run -0 kubectl get configmap -n kube-system extension-apiserver-authentication -o jsonpath={.data}
    [[ $output == *'"requestheader-allowed-names":"[\"front-proxy-client\"]"'* ]]
    [[ $output == *'"requestheader-username-headers":"[\"X-Remote-User\"]"'* ]]
    [[ $output == *'"requestheader-group-headers":"[\"X-Remote-Group\"]"'* ]]
    [[ $output == *'"requestheader-extra-headers-prefix":"[\"X-Remote-Extra-\"]"'* ]]
    [ "$(kubectl get configmap -n kube-system extension-apiserver-authentication -o 'jsonpath={.data.client-ca-file}')" = "$(cat "$D/n1/pki/ca.crt")" ]
    openssl verify -CAfile "$D/proxies.crt" "$D/n1/pki/front-proxy-client.crt"
    kubectl create serviceaccount ext -n demo
    kubectl create rolebinding ext -n kube-system --role extension-apiserver-authentication-reader --serviceaccount demo:ext
    [ "$(kubectl auth can-i get configmaps/extension-apiserver-authentication -n kube-system --as system:serviceaccount:demo:ext)" = yes ]
}

@test "what they are told comes back, beside what other members say" {
    local bundle
    make_ca other-member
    bundle=$(cat "$D/other-member.crt") # Without ours.
    kubectl patch configmap -n kube-system extension-apiserver-authentication --type merge \
        -p "$(python3 -c 'import json, sys; print(json.dumps({"data": {"requestheader-client-ca-file": sys.argv[1]}}))' "$bundle")"
    within 20 bash -c "kubectl get configmap -n kube-system extension-apiserver-authentication \
        -o 'jsonpath={.data.requestheader-client-ca-file}' >$D/bundle && [ \$(grep -c BEGIN $D/bundle) = 2 ]"
    grep -qF "$(sed -n 2p "$D/other-member.crt")" "$D/bundle"
    openssl verify -CAfile "$D/bundle" "$D/n1/pki/front-proxy-client.crt"
    kubectl delete configmap -n kube-system extension-apiserver-authentication
    within 20 bash -c "kubectl get configmap -n kube-system extension-apiserver-authentication \
        -o 'jsonpath={.data.requestheader-client-ca-file}' >$D/bundle"
    diff <(cat "$D/bundle") "$D/proxies.crt"
}

@test "kubectl finds its kinds, and makes, lists, changes and deletes them" {
    run -0 kubectl api-resources --api-group "$GROUP" -o wide
    [[ $output == *"flunders"*"fl"*"wardle.example.com/v1alpha1"*"true"*"Flunder"*"create,delete,get,list,patch,update,watch"*"all"* ]]
    flunder one | kubectl create -n demo -f -
    flunder two | kubectl create -n demo -f -
    run -0 kubectl get fl -n demo -o name
    [ "$output" = $'flunder.wardle.example.com/one\nflunder.wardle.example.com/two' ]
    [ "$(kubectl get fl -A -o name | wc -l)" = 2 ]
    kubectl patch fl one -n demo --type merge -p '{"spec":{"color":"blue"}}'
    [ "$(kubectl get fl one -n demo -o 'jsonpath={.spec.color}')" = blue ]
    kubectl delete fl one -n demo --wait=false
    run -1 kubectl get fl one -n demo
    [[ $output == *'(NotFound): flunders.wardle.example.com "one" not found'* ]]
}

@test "a watch is passed on event by event" {
    timeout 250 kubectl get --raw "/apis/$GROUP/v1alpha1/namespaces/demo/flunders?watch=true" >"$BATS_TEST_TMPDIR/events" 3>&- &
    local watcher=$!
    within 10 grep -q 'flunders?watch=true' "$D/requests"
    flunder watched | kubectl create -n demo -f -
    within 10 grep -q '"type": "ADDED".*"watched"' "$BATS_TEST_TMPDIR/events"
    kubectl delete fl watched -n demo --wait=false
    within 10 grep -q '"type": "DELETED".*"watched"' "$BATS_TEST_TMPDIR/events"
    kill "$watcher"
}

@test "it is told for whom, and by whom, and gets no credential" {
    kubectl create clusterrole flunderer --verb get,list --resource flunders.wardle.example.com
    kubectl create clusterrolebinding flunderer --clusterrole flunderer --group painters
    admin "/apis/$GROUP/v1alpha1/namespaces/demo/flunders?who=jane" -H "Impersonate-User: jane" \
        -H "Impersonate-Group: painters" -H "Impersonate-Extra-scopes.io%2fa: view" -H "X-Remote-User: root" \
        -H "X_Remote_Group: system:masters" -H "Cookie: a=b"
    run -0 heard 'r["path"].endswith("who=jane")'
    [[ $output == *'["x-remote-user", "jane"]'* ]]
    [[ $output == *'["x-remote-group", "painters"]'* ]]
    [[ $output == *'["x-remote-group", "system:authenticated"]'* ]]
    [[ $output == *'["x-remote-extra-scopes.io%2fa", "view"]'* ]]
    [[ $output == *'"peer": "front-proxy-client"'* ]]
    [[ $output != *impersonate* ]] && [[ $output != *root* ]] && [[ $output != *system:masters* ]]
    [[ $output == *'["x-forwarded-for", "127'* ]]
    kubectl create token default -n demo >"$BATS_TEST_TMPDIR/token"
    kubectl create clusterrolebinding default-flunderer --clusterrole flunderer --serviceaccount demo:default
    api "/apis/$GROUP/v1alpha1/namespaces/demo/flunders?who=token" -H "Authorization: Bearer $(cat "$BATS_TEST_TMPDIR/token")"
    run -0 heard 'r["path"].endswith("who=token")'
    [[ $output == *'["x-remote-user", "system:serviceaccount:demo:default"]'* ]]
    [[ $output != *authorization* ]] && [[ $output != *Bearer* ]]
}

@test "who has no right there is refused here" {
    run -1 kubectl get fl -n demo --as nobody
    [[ $output == *'User "nobody" cannot list resource "flunders" in API group "wardle.example.com" in the namespace "demo"'* ]]
    [ "$(heard '["x-remote-user", "nobody"] in r["headers"]')" = null ]
}

@test "discovery has its groups where their priorities say" {
    kubectl get --raw /apis | python3 -c '
import json, sys
groups = [g["name"] for g in json.load(sys.stdin)["groups"]]
assert groups.index("apps") < groups.index("wardle.example.com"), groups
assert groups[-1] == "wardle.example.com", groups'
    [ "$(kubectl get --raw "/apis/$GROUP")" = '{"kind":"APIGroup","apiVersion":"v1","name":"wardle.example.com","versions":[{"groupVersion":"wardle.example.com/v1alpha1","version":"v1alpha1"}],"preferredVersion":{"groupVersion":"wardle.example.com/v1alpha1","version":"v1alpha1"}}' ]
    run -0 admin /apis -H 'Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
    [[ $output == *'"name":"wardle.example.com"'*'{"version":"v1alpha1","resources":[{"resource":"flunders","responseKind":{"group":"","version":"","kind":"Flunder"},"scope":"Namespaced"'* ]]
    [[ $output == *'"subresources":[{"subresource":"status","responseKind":{"group":"","version":"","kind":"Flunder"},"verbs":["get","update"]}]}],"freshness":"Current"}'* ]]
}

@test "kubectl explains its kinds" {
    within 10 bash -c 'kubectl get --raw /openapi/v3 | grep -q apis/wardle.example.com/v1alpha1?hash=ABC123'
    run -0 kubectl explain flunders.spec
    [[ $output == *"What is wanted of it."*"color"*"Its color."* ]]
}

# described PREFIX: our OpenAPI v2 document has paths that begin so.
described() {
    kubectl get --raw /openapi/v2 >"$D/openapi-v2"
    grep -q "/apis/$1" "$D/openapi-v2"
}

@test "OpenAPI v2 has its kinds, and every reference leads somewhere" {
    within 60 described "$GROUP/v1alpha1"
    python3 - "$D/openapi-v2" <<'P'
import json, sys
doc = json.load(open(sys.argv[1]))
meta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
item = doc["paths"]["/apis/wardle.example.com/v1alpha1/namespaces/{namespace}/flunders/{name}"]
flunder = doc["definitions"]["com.example.wardle.v1alpha1.Flunder"]
assert sorted(item) == ["get", "parameters", "put"], item
assert item["get"]["responses"]["200"]["schema"] == {"$ref": "#/definitions/com.example.wardle.v1alpha1.Flunder"}, item
assert flunder["properties"]["metadata"]["$ref"] == "#/definitions/" + meta + "_v2", flunder
assert flunder["properties"]["odd"] == {}, flunder
assert flunder["x-kubernetes-group-version-kind"] == [{"group": "wardle.example.com", "version": "v1alpha1", "kind": "Flunder"}]
assert "namespace" in doc["definitions"][meta]["properties"], "ours is as it was"
assert list(doc["definitions"][meta + "_v2"]["properties"]) == ["name"]
assert "pretty-tJGM1-ng" in doc["parameters"] and "unused" not in doc["parameters"], doc["parameters"].keys()
assert "unused" not in doc["definitions"] and "/api/v1/pods" in doc["paths"]
assert "io.k8s.metrics.NodeMetrics" not in doc["definitions"], "of a version that it does not answer for"

def walk(value):
    for each in value if isinstance(value, list) else value.values() if isinstance(value, dict) else []:
        walk(each)
    if isinstance(value, dict) and isinstance(value.get("$ref"), str):
        _, part, name = value["$ref"].split("/", 2)
        assert name in doc[part], value
walk(doc)
P
}

@test "every kubectl reads it in protobuf, and explains from it" {
    local each known
    known=$(readlink -f "$(command -v kubectl)")
    for each in kubectl $(find "$(dirname "$known")" -maxdepth 1 -name 'kubectl.1.*' | sort -V); do
        run -0 "$each" explain flunders.spec --output plaintext-openapiv2
        [[ $output == *"What is wanted of it."*"color"*"Its color."* ]]
        run -0 "$each" explain flunders.metadata.name --output plaintext-openapiv2
        [[ $output == *"Its name."* ]]
        run -0 "$each" explain deployments.spec.replicas --output plaintext-openapiv2
        [[ $output != *flunder* ]]
    done
}

@test "OpenAPI v2 has a new hash when it changes, and not before" {
    local etag
    admin /openapi/v2 -D "$BATS_TEST_TMPDIR/head" >/dev/null
    etag=$(sed -n 's/^etag: //ip' "$BATS_TEST_TMPDIR/head" | tr -d '\r')
    run -0 admin /openapi/v2 -H "If-None-Match: $etag"
    [ "${lines[0]}" = 304 ]
    api_service v1beta1 metrics.k8s.io 100 100 flunders | kubectl create -f -
    within 60 described metrics.k8s.io/v1beta1
    run -0 admin /openapi/v2 -H "If-None-Match: $etag"
    [ "${lines[0]}" = 200 ]
    # Of the same server: what both refer to is there once.
    [ "$(grep -o '"[^"]*ObjectMeta_v[0-9]*":' "$D/openapi-v2")" = '"io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta_v2":' ]
    kubectl delete apiservice v1beta1.metrics.k8s.io
    within 60 bash -c '! kubectl get --raw /openapi/v2 | grep -q metrics.k8s.io/v1beta1/nodes'
    run -0 admin /openapi/v2 -H "If-None-Match: $etag"
    [ "${lines[0]}" = 304 ]
}

@test "OpenAPI v2 describes a version by its custom resource definitions, if there are any" {
    api_service v1 shared.io 100 100 flunders | kubectl create -f -
    within 60 described shared.io/v1/theirs
    kubectl create -f - <<Y
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: ours.shared.io}
spec:
  group: shared.io
  names: {plural: ours, kind: Our}
  scope: Cluster
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
Y
    within 60 described shared.io/v1/ours
    run -1 described shared.io/v1/theirs
    kubectl delete crd ours.shared.io
    within 60 described shared.io/v1/theirs
    run -1 described shared.io/v1/ours
    kubectl delete apiservice v1.shared.io
}

@test "a metrics server can be plugged in: kubectl top" {
    kubectl create -f - <<Y
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {allocatable: {cpu: "1", memory: 1000Mi}}
Y
    api_service v1beta1 metrics.k8s.io 100 100 flunders | kubectl create -f -
    within 20 is_available v1beta1.metrics.k8s.io True Passed
    run -0 kubectl top nodes
    [[ $output == *"n1"*"150m"*"15%"*"200Mi"*"20%"* ]]
    kubectl delete apiservice v1beta1.metrics.k8s.io
    run -1 kubectl top nodes
    [[ $output == *"Metrics API not available"* ]]
}

@test "what it compresses stays compressed, and answers keep their headers" {
    flunder zipped | kubectl create -n demo -f -
    run -0 admin "/apis/$GROUP/v1alpha1/namespaces/demo/flunders?zip=1" --compressed -D "$BATS_TEST_TMPDIR/head"
    grep -qi '^content-encoding: gzip' "$BATS_TEST_TMPDIR/head"
    [[ $output == *zipped* ]]
    admin "/apis/$GROUP/v1alpha1/namespaces/demo/flunders/hostile-set" --http1.1 -D "$BATS_TEST_TMPDIR/head"
    grep -qi '^x-mine: 1' "$BATS_TEST_TMPDIR/head"
    grep -qi '^audit-id: ' "$BATS_TEST_TMPDIR/head"
    ! grep -qi '^x-hop\|^keep-alive' "$BATS_TEST_TMPDIR/head"
}

@test "why it is not available is said" {
    api_service v1 none.example.com 100 100 nothing | kubectl create -f -
    within 10 is_available v1.none.example.com False ServiceNotFound
    [ "$(message_of v1.none.example.com)" = 'service/nothing in "demo" is not present' ]
    run -1 kubectl get --raw /apis/none.example.com/v1
    [[ $output == *"the server is currently unable to handle the request"* ]]
    echo '{"apiVersion":"v1","kind":"Service","metadata":{"name":"nothing"},"spec":{"ports":[{"name":"444-8443","port":444}]}}' |
        kubectl create -n demo -f -
    within 10 is_available v1.none.example.com False ServicePortError
    [ "$(message_of v1.none.example.com)" = 'service/nothing in "demo" is not listening on port 443' ]
    kubectl patch apiservice v1.none.example.com --type merge -p '{"spec":{"service":{"port":444}}}'
    within 10 is_available v1.none.example.com False EndpointsNotFound
    [ "$(message_of v1.none.example.com)" = 'cannot find endpoints for service/nothing in "demo"' ]
    kubectl create -f - <<Y
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: nothing-1, namespace: demo, labels: {kubernetes.io/service-name: nothing}}
addressType: IPv4
ports: [{name: 444-8443, port: 8443}]
endpoints: [{addresses: [10.107.0.2], conditions: {ready: false}}]
Y
    within 10 is_available v1.none.example.com False MissingEndpoints
    [ "$(message_of v1.none.example.com)" = 'endpoints for service/nothing in "demo" have no addresses with port name "444-8443"' ]
    kubectl patch endpointslice nothing-1 -n demo --type json -p '[{"op":"remove","path":"/endpoints/0/conditions"}]'
    within 10 is_available v1.none.example.com False FailedDiscoveryCheck # Its certificate is of another name.
    [[ $(message_of v1.none.example.com) == 'failing or missing response from https://10.107.0.2:8443/apis/none.example.com/v1: Get "https://nothing.demo.svc:444/apis/none.example.com/v1": '* ]]
    kubectl patch apiservice v1.none.example.com --type merge -p '{"spec":{"caBundle":null,"insecureSkipTLSVerify":true}}'
    within 10 bash -c 'kubectl get apiservice v1.none.example.com -o yaml | grep -q "bad status from .*: 404"'
    kubectl delete apiservice v1.none.example.com
    run -1 kubectl get --raw /apis/none.example.com/v1
    [[ $output == *"could not find the requested resource"* ]]
}

@test "a server that is gone is unavailable and stale, harms nobody, and comes back" {
    stop_extension
    run -0 admin "/apis/$GROUP/v1alpha1/namespaces/demo/flunders"
    [ "${lines[0]}" = 503 ]
    [ "${lines[1]}" = "error trying to reach service: dial tcp 10.107.0.2:8443: connect: connection refused" ]
    within 45 is_available "$SERVICE" False FailedDiscoveryCheck
    run -0 admin "/apis/$GROUP/v1alpha1/namespaces/demo/flunders"
    [ "$output" = $'503\nservice unavailable' ]
    run -0 admin /apis -H 'Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
    [[ $output == *'"name":"wardle.example.com"'*'"resource":"flunders"'*'"freshness":"Stale"}'* ]]
    kubectl get pods -A
    start_extension
    within 45 is_available "$SERVICE" True Passed
    kubectl get fl -n demo
}

@test "an OpenAPI v2 document that is none is told of once, and the last good one stays" {
    printf '{"swagger":"2.0","paths":{"/apis/wardle.example.com/v1alpha1/x":' >"$D/requests.v2"
    within 90 grep -q 'msg="OpenAPI v2 document of an extension server is left out" apiservice=v1alpha1.wardle.example.com reason=' "$D/n1.log"
    is_available "$SERVICE" True Passed
    described "$GROUP/v1alpha1"
    rm "$D/requests.v2"
    [ "$(grep -c 'OpenAPI v2 document of an extension server is left out' "$D/n1.log")" = 1 ]
}

@test "OpenAPI v2 follows what the server says, and is fetched when it is another one" {
    [ "$(heard 'r["path"] == "/openapi/v2" and "if-none-match" in h')" != null ]
    echo '{"swagger":"2.0","paths":{"/apis/wardle.example.com/v1alpha1/whole-new":{}}}' >"$D/requests.v2"
    within 90 bash -c 'kubectl get --raw /openapi/v2 | grep -q wardle.example.com/v1alpha1/whole-new'
    kubectl get --raw /openapi/v2 >"$D/openapi-v2"
    run -1 grep -q com.example.wardle.v1alpha1.Flunder "$D/openapi-v2"
    rm "$D/requests.v2"
}

# CVE-2022-3172
@test "a redirect is not passed on" {
    run -0 admin "/apis/$GROUP/v1alpha1/namespaces/demo/flunders/hostile-redirect" -D "$BATS_TEST_TMPDIR/head"
    [ "$output" = $'502\nthe backend attempted to redirect this request, which is not permitted' ]
    ! grep -qi evil "$BATS_TEST_TMPDIR/head"
}

@test "answers that are cut, ambiguous or all headers are errors" {
    run -0 admin "/apis/$GROUP/v1alpha1/namespaces/demo/flunders/hostile-smuggle"
    [ "${lines[0]}" = 503 ]
    run -0 admin "/apis/$GROUP/v1alpha1/namespaces/demo/flunders/hostile-header"
    [ "${lines[0]}" = 503 ]
    run admin "/apis/$GROUP/v1alpha1/namespaces/demo/flunders/hostile-half" --fail
    [[ $output != *200*half*200* ]]
    kubectl get fl -n demo
}

@test "a server that is silent holds nobody else up" {
    local i waiting=()
    for i in $(seq 40); do
        admin "/apis/$GROUP/v1alpha1/namespaces/demo/flunders/hostile-silent" -m 250 >/dev/null 3>&- &
        waiting+=($!)
    done
    within 10 bash -c "[ \$(grep -c hostile-silent $D/requests) = 40 ]"
    for i in $(seq 5); do
        kubectl get namespaces >/dev/null
        kubectl get fl -n demo >/dev/null
    done
    for i in "${waiting[@]}"; do
        kill -0 "$i" # It waits still: the commands have not waited for it.
        kill "$i"
    done
    wait "${waiting[@]}" || true
}

@test "an answer without end fills no memory" {
    local pid
    pid=$(cat "$D/n1.pid")
    local before
    before=$(awk '/VmRSS/ {print $2}' "/proc/$pid/status")
    admin "/apis/$GROUP/v1alpha1/namespaces/demo/flunders/hostile-endless" --limit-rate 10k -m 4 >/dev/null || true
    [ $(($(awk '/VmRSS/ {print $2}' "/proc/$pid/status") - before)) -lt 65536 ]
}

@test "aggregator: the steps of the conformance test with a sample API server" {
    kubectl get apiservice "$SERVICE" -o json >"$BATS_TEST_TMPDIR/service"
    kubectl label apiservice "$SERVICE" apiservice-label=patched
    [ "$(kubectl get apiservices -l apiservice-label=patched -o name)" = "apiservice.apiregistration.k8s.io/$SERVICE" ]
    kubectl get --raw "/apis/apiregistration.k8s.io/v1/apiservices/$SERVICE/status" | grep -q '"Available"'
    kubectl patch apiservice "$SERVICE" --subresource status --type merge \
        -p '{"status":{"conditions":[{"type":"StatusPatched","status":"True","reason":"E2E","message":"Set by e2e test"}]}}'
    within 10 is_available "$SERVICE" True Passed
    flunder conformance | kubectl create -n demo -f -
    kubectl delete fl conformance -n demo --wait=false
    kubectl delete apiservices -l apiservice-label=patched
    within 10 bash -c "! kubectl get --raw /apis/$GROUP/v1alpha1"
    run -0 admin /apis
    [[ $output != *"$GROUP"* ]]
    api_service v1alpha1 "$GROUP" 2000 200 flunders | kubectl create -f -
    within 20 is_available "$SERVICE" True Passed
}

@test "the server ends in order, with connections to it kept" {
    kubectl get fl -n demo # Some loop keeps the connection.
    local pid
    pid=$(cat "$D/n1.pid")
    kill "$pid"
    within 15 bash -c "! kill -0 $pid"
    ! grep -E 'Assertion|Sanitizer' "$D/n1.log"
}
