# Priority and fairness as its users meet it: a level with one seat, held by a request that a slow webhook keeps.
bats_require_minimum_version 1.5.0
export AUTH_HOST=${FAIRNESS_HOST:-127.0.47.5}
HOOK_HOST=${FAIRNESS_HOOK_HOST:-127.0.47.6}
DUMP=/debug/api_priority_and_fairness

setup_file() {
    load ../auth/server
    start_hook
    start_server n1 "$HOST" --max-requests-inflight 20 --max-mutating-requests-inflight 10
    write_kubeconfig n1 "$HOST"
    within 20 kubectl get serviceaccount default -n default
    within 20 kubectl get flowschema service-accounts global-default probes
    # What is restored within a minute is looked at by the last test.
    kubectl delete flowschema service-accounts
    kubectl patch flowschema global-default --type merge -p '{"spec":{"matchingPrecedence":9901}}'
    kubectl annotate flowschema kube-scheduler apf.kubernetes.io/autoupdate-spec-
    schema old nobody no-such-level 300
    kubectl annotate flowschema old apf.kubernetes.io/autoupdate-spec=true
    date +%s >"$D/changed"
    kubectl create clusterrolebinding slow --clusterrole cluster-admin --user slow
    make_cert slow "$D/n1/pki/ca" /CN=slow
    kubectl apply -f - <<END
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: slow}
webhooks:
  - name: slow.example.com
    clientConfig: {url: "https://$HOOK_HOST:9443/slow", caBundle: $(base64 -w0 "$D/hooks.crt")}
    rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
    objectSelector: {matchLabels: {slow: "yes"}}
    timeoutSeconds: 30
    failurePolicy: Fail
    sideEffects: None
    admissionReviewVersions: [v1]
END
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

# schema NAME USER LEVEL PRECEDENCE
schema() {
    kubectl apply -f - <<END
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: FlowSchema
metadata: {name: $1}
spec:
  priorityLevelConfiguration: {name: $3}
  matchingPrecedence: $4
  distinguisherMethod: {type: ByUser}
  rules:
  - subjects: [{kind: User, user: {name: $2}}]
    resourceRules: [{verbs: ["*"], apiGroups: ["*"], resources: ["*"], namespaces: ["*"], clusterScope: true}]
END
}

# tiny RESPONSE: a level with one seat that neither borrows nor lends, for the user "slow".
tiny() {
    kubectl apply -f - <<END
apiVersion: flowcontrol.apiserver.k8s.io/v1
kind: PriorityLevelConfiguration
metadata: {name: tiny}
spec:
  type: Limited
  limited: {nominalConcurrencyShares: 1, lendablePercent: 0, borrowingLimitPercent: 0, limitResponse: $1}
END
    schema tiny slow tiny 300
    within 5 eval 'admin "$DUMP/dump_priority_levels" | grep "^tiny,"'
}

admin() { api "$1" --cert "$D/n1/pki/admin.crt" --key "$D/n1/pki/admin.key" "${@:2}"; }
as_slow() { api "$1" --cert "$D/slow.crt" --key "$D/slow.key" "${@:2}"; }
# hold NAME: takes eight seconds, in the background.
holding=()
hold() {
    curl -s -m 60 -o /dev/null --cacert "$D/n1/pki/ca.crt" --cert "$D/slow.crt" --key "$D/slow.key" \
        -H 'Content-Type: application/json' "$API/api/v1/namespaces/default/configmaps" \
        -d "{\"metadata\":{\"name\":\"$1\",\"labels\":{\"slow\":\"yes\"}}}" 3>&- &
    holding+=($!)
}
held() { admin "$DUMP/dump_requests?includeRequestDetails=1" | grep -c "^tiny, .* slow, *create, */api/v1/namespaces/default/configmaps, *default, *, *v1, *configmaps,"; }

@test "without a seat and without queues a request is refused in the words of v1.32" {
    tiny '{type: Reject}'
    hold first
    within 5 eval '[ "$(held)" = 1 ]'
    run -0 as_slow /api/v1/namespaces/default/pods -D "$BATS_TEST_TMPDIR/head"
    [ "${lines[0]}" = 429 ]
    [ "${lines[1]}" = "Too many requests, please try again later." ]
    grep -i '^retry-after: 1' "$BATS_TEST_TMPDIR/head"
    grep -i '^content-type: text/plain; charset=utf-8' "$BATS_TEST_TMPDIR/head"
    grep -i "^x-kubernetes-pf-prioritylevel-uid: $(kubectl get prioritylevelconfiguration tiny -o 'jsonpath={.metadata.uid}')" "$BATS_TEST_TMPDIR/head"
    wait "${holding[@]}"
    run -0 as_slow /api/v1/namespaces/default/pods
    [ "${lines[0]}" = 200 ]
    run -0 admin /metrics
    [[ $output == *'apiserver_flowcontrol_rejected_requests_total{flow_schema="tiny",priority_level="tiny",reason="concurrency-limit"} 1'* ]]
    [[ $output == *'apiserver_flowcontrol_nominal_limit_seats{priority_level="tiny"} 1'* ]]
    [[ $output == *'apiserver_flowcontrol_priority_level_seat_utilization_bucket{phase="executing",priority_level="tiny",le="1"} '[1-9]* ]]
    [[ $output == *'apiserver_flowcontrol_read_vs_write_current_requests_count{phase="executing",request_kind="readOnly"} '[1-9]* ]]
    [[ $output == *'apiserver_flowcontrol_demand_seats_average{priority_level="tiny"} '* ]]
}

@test "with queues it waits for its turn, and the dumps show who waits" {
    tiny '{type: Queue, queuing: {queues: 1, handSize: 1, queueLengthLimit: 1}}'
    hold second
    within 5 eval '[ "$(held)" = 1 ]'
    hold third
    within 5 eval '[ "$(held)" = 2 ]'
    run -0 admin "$DUMP/dump_requests"
    [[ $output == *tiny,*tiny,*' 0, '*' 0, '*slow,*"0001-01-01T00:00:00Z"* ]]
    run -0 admin "$DUMP/dump_queues"
    [ "$(grep '^tiny,' <<<"$output" | tr -s ' ' | cut -d' ' -f1-5)" = "tiny, 0, 1, 1, 1," ]
    run -0 admin "$DUMP/dump_priority_levels"
    [ "$(grep '^tiny,' <<<"$output" | tr -s ' ' | cut -d' ' -f1-6)" = "tiny, 1, false, false, 1, 1," ]
    run -0 as_slow /api/v1/namespaces/default/pods # The queue is full.
    [ "${lines[0]}" = 429 ]
    wait "${holding[@]}"
    kubectl get configmap second third
    run -0 admin /metrics
    [[ $output == *'apiserver_flowcontrol_rejected_requests_total{flow_schema="tiny",priority_level="tiny",reason="queue-full"} 1'* ]]
    [[ $output == *'apiserver_flowcontrol_request_wait_duration_seconds_count{execute="true",flow_schema="tiny",priority_level="tiny"} 1'* ]]
}

@test "a change is counted with the watches that may hear of it" {
    kubectl get configmaps -n default --watch >/dev/null 3>&- &
    local watcher=$!
    heard() {
        kubectl annotate configmap kube-root-ca.crt -n default --overwrite "at=$RANDOM"
        admin /metrics | grep -qE '^apiserver_flowcontrol_watch_count_samples_sum\{[^}]*\} [1-9]'
    }
    within 20 heard
    kill $watcher
}

@test "the dumps are for those who may get their paths" {
    run -0 api "$DUMP/dump_queues"
    [ "${lines[0]}" = 403 ]
    [[ $output == *"cannot get path"*"$DUMP/dump_queues"* ]]
}

@test "what a cluster starts with comes back within a minute, and what no version starts with goes" {
    back() {
        kubectl get flowschema service-accounts && ! kubectl get flowschema old &&
            [ "$(kubectl get flowschema global-default -o 'jsonpath={.spec.matchingPrecedence}')" = 9900 ] &&
            [ "$(kubectl get flowschema kube-scheduler -o 'jsonpath={.metadata.annotations}')" = '{"apf.kubernetes.io/autoupdate-spec":"true"}' ]
    }
    within $((70 - ($(date +%s) - $(cat "$D/changed")))) back
}
