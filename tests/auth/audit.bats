# The audit log as kubectl's requests fill it: levels and stages by the policy, who, what and why; and what was refused.
bats_require_minimum_version 1.5.0

setup_file() {
    load server
    cat >"$D/policy.yaml" <<-'END'
	apiVersion: audit.k8s.io/v1
	kind: Policy
	omitStages: [RequestReceived]
	rules:
	- {level: None, nonResourceURLs: ["/healthz*", "/livez*", "/readyz*"]}
	- {level: Metadata, resources: [{group: "", resources: [secrets, serviceaccounts/token]}]}
	- {level: RequestResponse, omitManagedFields: true, resources: [{group: "", resources: [configmaps]}]}
	- {level: Request, resources: [{group: apps}]}
	- {level: Metadata}
	END
    start_server n1 "$HOST" --audit-policy-file "$D/policy.yaml" --audit-log-path "$D/audit.log"
    write_kubeconfig n1 "$HOST"
    within 20 kubectl get serviceaccount default -n default
}

teardown_file() {
    load server
    end_all
}

setup() {
    load server
}

teardown() {
    [ "$BATS_TEST_COMPLETED" = 1 ] || tail -n 20 "$D/n1.log"
}

# event FILTER: the first event that fits, once it is written.
event() {
    found() { [ -n "$(jq -c "select($1)" "$D/audit.log" | head -n 1)" ]; }
    within 10 found "$1"
    jq -c "select($1)" "$D/audit.log" | head -n 1
}

# of EVENT PATH: what it says there.
of() { jq -r "$2" <<<"$1"; }

@test "an object is shown as it was sent and as it was answered, without managedFields" {
    kubectl create configmap shown --from-literal word=plain
    local e
    e=$(event '.objectRef.name == "shown" and .verb == "create"')
    [ "$(of "$e" '[.kind, .apiVersion, .level, .stage] | join(" ")')" = "Event audit.k8s.io/v1 RequestResponse ResponseComplete" ]
    [ "$(of "$e" .user.username)" = kubernetes-admin ]
    [ "$(of "$e" '.sourceIPs[0]')" = 127.0.0.1 ]
    [[ $(of "$e" .userAgent) == kubectl/* ]]
    [ "$(of "$e" .responseStatus.code)" = 201 ]
    [ "$(of "$e" .requestObject.data.word)" = plain ]
    [ "$(of "$e" .responseObject.metadata.namespace)" = default ]
    [ "$(of "$e" '.responseObject.metadata | has("managedFields")')" = false ]
    [ "$(of "$e" '.annotations["authorization.k8s.io/decision"]')" = allow ]
    [[ $(of "$e" .requestReceivedTimestamp) =~ ^20[0-9-]+T[0-9:]+\.[0-9]{6}Z$ ]]
}

@test "what is in a Secret stays out of the log" {
    kubectl create secret generic hidden --from-literal password=hunter2
    local e
    e=$(event '.objectRef.name == "hidden" and .verb == "create"')
    [ "$(of "$e" .level)" = Metadata ]
    [ "$(of "$e" 'has("requestObject")')" = false ]
    kubectl create token default >"$BATS_TEST_TMPDIR/token"
    e=$(event '.objectRef.subresource == "token"')
    [ "$(of "$e" 'has("responseObject")')" = false ]
    run ! grep -F -e "$(cat "$BATS_TEST_TMPDIR/token")" -e "$(printf hunter2 | base64)" "$D/audit.log"
}

@test "a patch is shown, the answer only where it is asked for" {
    kubectl create deployment d --image=example.org/none --replicas=0
    kubectl patch deployment d -p '{"spec": {"paused": true}}'
    local e
    e=$(event '.objectRef.name == "d" and .verb == "patch" and .user.username == "kubernetes-admin"')
    [ "$(of "$e" .requestObject.spec.paused)" = true ]
    [ "$(of "$e" 'has("responseObject")')" = false ]
    [ "$(of "$e" '[.objectRef.apiGroup, .objectRef.apiVersion, .objectRef.resource] | join(" ")')" = "apps v1 deployments" ]
    printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: applied}\ndata: {word: "yes"}\n' |
        kubectl apply --server-side -f -
    e=$(event '.objectRef.name == "applied" and .verb == "patch"')
    [ "$(of "$e" .requestObject.data.word)" = yes ]
}

@test "a watch has an event when it begins and one when it ends" {
    kubectl get --raw '/api/v1/nodes?watch=true&timeoutSeconds=1' >/dev/null
    event '.verb == "watch" and .objectRef.resource == "nodes" and .stage == "ResponseStarted"'
    local e
    e=$(event '.verb == "watch" and .objectRef.resource == "nodes" and .stage == "ResponseComplete"')
    [ "$(jq -c "select(.auditID == \"$(of "$e" .auditID)\") | .stage" "$D/audit.log" | wc -l)" = 2 ]
}

@test "who acts as another is named with whom" {
    run ! kubectl --as bob --as-group team get pods
    local e
    e=$(event '.impersonatedUser.username == "bob" and .objectRef.resource == "pods"')
    [ "$(of "$e" .user.username)" = kubernetes-admin ]
    [ "$(of "$e" '.impersonatedUser.groups[0]')" = team ]
    [ "$(of "$e" '[.responseStatus.code, .responseStatus.reason] | join(" ")')" = "403 Forbidden" ]
    [ "$(of "$e" '.annotations["authorization.k8s.io/decision"]')" = forbid ]
}

@test "a rule that allows something is named" {
    kubectl create clusterrole reader --verb=list --resource=pods
    kubectl create clusterrolebinding carol-reads --clusterrole=reader --user=carol
    within 5 kubectl --as carol get pods
    local e
    e=$(event '.impersonatedUser.username == "carol" and .objectRef.resource == "pods" and .responseStatus.code == 200')
    [[ $(of "$e" '.annotations["authorization.k8s.io/reason"]') == *carol-reads*reader* ]]
}

@test "requests that fail to authenticate are there, too, with what was tried" {
    [ "$(api /api/v1/pods -H 'Authorization: Bearer no.such.token' -H 'Audit-ID: refused-1' | head -n 1)" = 401 ]
    local e
    e=$(event '.auditID == "refused-1"')
    [ "$(of "$e" '[.stage, .responseStatus.code, .responseStatus.message] | join(" ")')" = \
        "ResponseStarted 401 Authentication failed, attempted: bearer" ]
    [ "$(of "$e" '.user | length')" = 0 ]
}

@test "the id of a request is the caller's, and told to him" {
    curl -s -o /dev/null -D "$BATS_TEST_TMPDIR/head" --cacert "$D/n1/pki/ca.crt" -H 'Audit-ID: mine-1' \
        -H 'X-Forwarded-For: 198.51.100.9' "$API/version"
    grep -qi '^audit-id: mine-1' "$BATS_TEST_TMPDIR/head"
    local e
    e=$(event '.auditID == "mine-1"')
    [ "$(of "$e" '.sourceIPs | join(" ")')" = "198.51.100.9 127.0.0.1" ]
    [ "$(of "$e" .requestURI)" = /version ]
    [ "$(of "$e" .user.username)" = system:anonymous ]
}

@test "what the policy leaves out is not there, and metrics count" {
    kubectl get --raw /readyz
    kubectl get --raw /metrics >"$BATS_TEST_TMPDIR/metrics"
    grep -q '^apiserver_audit_event_total [1-9]' "$BATS_TEST_TMPDIR/metrics"
    grep -q '^apiserver_audit_level_total{level="None"} [1-9]' "$BATS_TEST_TMPDIR/metrics"
    grep -q '^apiserver_audit_error_total{plugin="log"} 0' "$BATS_TEST_TMPDIR/metrics"
    [ -z "$(jq -c 'select(.requestURI == "/readyz")' "$D/audit.log")" ]
    [ -z "$(jq -c 'select(.stage == "RequestReceived")' "$D/audit.log")" ]
}

@test "a policy that is wrong keeps the server from starting, and says where" {
    printf 'apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata, user: [bob]}]\n' >"$D/wrong.yaml"
    run ! timeout 60 "$CORACLE" server --name n2 --data-dir "$D/n2" --api-listen "$HOST:7443" --etcd-listen "http://$HOST:7379" \
        --peer-url "http://$HOST:7380" --initial-cluster "n2=http://$HOST:7380" --audit-policy-file "$D/wrong.yaml"
    [[ $output == *"--audit-policy-file: rules[0].user: unknown field"* ]]
}

@test "a token from a Secret is told from others, by who made it, and one that is marked as invalid, too" {
    kubectl create serviceaccount keeper -n default
    kubectl apply -f - <<-END
	apiVersion: v1
	kind: Secret
	type: kubernetes.io/service-account-token
	metadata: {name: keeper-token, namespace: default, annotations: {kubernetes.io/service-account.name: keeper}}
	END
    filled() { [ -n "$(kubectl get secret keeper-token -n default -o 'jsonpath={.data.token}')" ]; }
    within 10 filled
    local token a='.annotations["authentication.k8s.io/legacy-token' e
    token=$(kubectl get secret keeper-token -n default -o 'jsonpath={.data.token}' | base64 -d)
    ask() { curl -s --cacert "$D/n1/pki/ca.crt" -H "Authorization: Bearer $token" "https://$HOST:6443/version?$1" >/dev/null; }
    ask by-hand
    e=$(event '.requestURI == "/version?by-hand"')
    [ "$(of "$e" "$a\"]")" = system:serviceaccount:default:keeper ]
    [ "$(of "$e" "$a-manual-secret\"]")" = keeper-token ]
    [ "$(of "$e" "$a-autogenerated-secret\"]")" = null ]

    kubectl patch serviceaccount keeper -n default -p '{"secrets": [{"name": "keeper-token"}]}'
    generated() {
        ask generated
        e=$(jq -c 'select(.requestURI == "/version?generated")' "$D/audit.log" | tail -n 1)
        [ "$(of "$e" "$a-autogenerated-secret\"]")" = keeper-token ]
    }
    within 10 generated
    [ "$(of "$e" "$a-manual-secret\"]")" = null ]

    kubectl label secret keeper-token -n default kubernetes.io/legacy-token-invalid-since=2026-01-02
    invalid() {
        ask invalid
        e=$(jq -c 'select(.requestURI == "/version?invalid")' "$D/audit.log" | tail -n 1)
        [ "$(of "$e" "$a-invalidated\"]")" = keeper-token/default ]
    }
    within 10 invalid
    [ "$(of "$e" .responseStatus.code)" = 401 ]
    [ "$(of "$e" "$a\"]")" = system:serviceaccount:default:keeper ]
    # A review of it is told in the same way, and says why.
    e=$(kubectl create -o 'jsonpath={.status.error}' -f - <<-END
	apiVersion: authentication.k8s.io/v1
	kind: TokenReview
	spec: {token: $token}
	END
    )
    [[ $e == *"the token in secret default/keeper-token for service account default/keeper has been marked invalid. Use tokens"* ]]

    token=$(kubectl create token keeper -n default)
    ask bound
    e=$(event '.requestURI == "/version?bound"')
    [ "$(of "$e" "$a\"]")" = null ]
}
