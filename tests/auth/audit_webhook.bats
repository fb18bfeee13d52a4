# Audit events that are sent to a server: in batches, one by one with requests that wait, and what happens when it fails.
bats_require_minimum_version 1.5.0

setup() {
    load server
    D=$BATS_TEST_TMPDIR
    export KUBECONFIG=$D/admin.conf HOME=$D
    cat >"$D/policy.yaml" <<-'END'
	apiVersion: audit.k8s.io/v1
	kind: Policy
	rules:
	- {level: RequestResponse, omitManagedFields: true, resources: [{group: "", resources: [configmaps]}]}
	END
    cat >"$D/webhook.conf" <<-END
	apiVersion: v1
	kind: Config
	clusters: [{name: receiver, cluster: {server: "http://$ISSUER_HOST:8444/events"}}]
	users: [{name: us, user: {tokenFile: token}}]
	contexts: [{name: c, context: {cluster: receiver, user: us}}]
	current-context: c
	END
    echo secret-of-the-test >"$D/token"
    "$BATS_TEST_DIRNAME/receiver.py" "$ISSUER_HOST" 8444 "$D" >"$D/receiver.log" 2>&1 3>&- &
    echo $! >"$D/receiver.pid"
    disown
}

teardown() {
    end_all
    [ "$BATS_TEST_COMPLETED" = 1 ] || tail -n 20 "$D"/*.log
}

start() { # FLAG...
    start_server n1 "$HOST" --audit-policy-file "$D/policy.yaml" --audit-webhook-config-file "$D/webhook.conf" \
        --audit-webhook-initial-backoff 20ms "$@"
    write_kubeconfig n1 "$HOST"
    within 20 kubectl get serviceaccount default -n default
}

sent() { [ -n "$(jq -c "select($1)" "$D/events" | head -n 1)" ]; }

errors() { kubectl get --raw /metrics | sed -n 's/^apiserver_audit_error_total{plugin="webhook"} //p'; }

@test "events go in batches, and again when they were refused" {
    echo 503 >"$D/status"
    start --audit-webhook-batch-max-wait 100ms
    kubectl create configmap shown --from-literal word=plain
    failed() { grep -q '^503 ' "$D/requests"; }
    within 10 failed
    rm "$D/status"
    within 10 sent '.objectRef.name == "shown" and .stage == "ResponseComplete" and .responseObject.data.word == "plain"'
    sent '.objectRef.namespace == "default" and .verb == "create" and .stage == "RequestReceived"'
    sent 'has("kind") | not'
    grep -q '^200 audit.k8s.io/v1 EventList [0-9]* Bearer secret-of-the-test$' "$D/requests"
    [ "$(errors)" = 0 ]
}

@test "what waits when the server ends is sent" {
    start --audit-webhook-batch-max-wait 1h
    kubectl create configmap last --from-literal word=plain
    end n1
    within 10 sent '.objectRef.name == "last" and .stage == "ResponseComplete"'
}

@test "a request that waits begins when its event has arrived, and is refused when it cannot be" {
    start --audit-webhook-mode blocking-strict
    kubectl create configmap first
    sent '.verb == "create" and .stage == "RequestReceived"'
    echo 500 >"$D/status"
    run -1 kubectl create configmap second
    [[ $output == *'Internal Server Error: \"/api/v1/namespaces/default/configmaps'*"failed to store audit event"* ]]
    run -1 kubectl get configmap second
    [ "$(errors)" -ge 2 ]
    rm "$D/status"
    run -1 kubectl get configmap second
    [[ $output == *NotFound* ]]
    [ "$(cut -d ' ' -f 4 "$D/requests" | sort -u)" = 1 ] # Each by itself.
}

@test "without strictness it is served all the same" {
    start --audit-webhook-mode blocking
    echo 500 >"$D/status"
    kubectl create configmap second
    kubectl get configmap second
    [ "$(errors)" -ge 2 ]
}

@test "large events go without their objects where that is asked for" {
    start --audit-webhook-batch-max-wait 100ms --audit-webhook-truncate-enabled \
        --audit-webhook-truncate-max-event-size 4000 --audit-log-path "$D/audit.log"
    kubectl create configmap large --from-literal word="$(printf '%05000d' 0)"
    within 10 sent '.annotations["audit.k8s.io/truncated"] == "true" and .objectRef.resource == "configmaps"
        and (has("requestObject") | not)'
    jq -e -s 'any(.requestObject.data.word | length == 5000)' "$D/audit.log"
}

@test "a log that requests wait for has their events before their answers" {
    start --audit-log-path "$D/audit.log" --audit-log-mode blocking-strict
    kubectl create configmap first
    jq -e -s 'any(.stage == "RequestReceived" and .verb == "create")' "$D/audit.log"
}

@test "a configuration that is wrong keeps the server from starting, and says where" {
    sed -i 's/cluster: receiver/cluster: nobody/' "$D/webhook.conf"
    run ! timeout 60 "$CORACLE" server --name n2 --data-dir "$D/n2" --api-listen "$HOST:7443" --etcd-listen "http://$HOST:7379" \
        --peer-url "http://$HOST:7380" --initial-cluster "n2=http://$HOST:7380" \
        --audit-policy-file "$D/policy.yaml" --audit-webhook-config-file "$D/webhook.conf"
    [[ $output == *"--audit-webhook-config-file: $D/webhook.conf: context.cluster: there is no cluster \"nobody\""* ]]
}
