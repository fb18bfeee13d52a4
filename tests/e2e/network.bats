# What pods and nodes reach: names, Services, the API.
bats_require_minimum_version 1.5.0

setup() {
    load cluster
    pod=$($KUBECTL -n demo get pods -l app=web -o 'jsonpath={.items[0].metadata.name}')
}

teardown() {
    explain_failure
}

# from_pod COMMAND...: runs a program of this machine in the pod's network. (A statically linked busybox cannot use
# getaddrinfo without glibc's shared parts, so its wget is of no use in the example image.)
from_pod() {
    local uid process
    uid=$($KUBECTL -n demo get pod "$pod" -o 'jsonpath={.metadata.uid}')
    process=$(find /sys/fs/cgroup -path "*pod$uid/*" -name cgroup.procs -exec cat {} + | sed -n 1p)
    nsenter --target "$process" --net "$@"
}

@test "a pod finds a Service by name and reaches it" {
    address=$($KUBECTL -n demo get service web -o 'jsonpath={.spec.clusterIP}')
    run -0 $KUBECTL -n demo exec "$pod" -- nslookup web.demo.svc.cluster.local
    [[ $output == *"$address"* ]]
    run -0 from_pod curl -s -m 20 "http://$address"
    [[ $output == hello* ]]
    run -0 $KUBECTL -n demo exec "$pod" -- cat /etc/resolv.conf
    [[ $output == *"search demo.svc.cluster.local svc.cluster.local cluster.local"* ]]
}

@test "a Service reaches pods of every node, also the caller itself" {
    address=$($KUBECTL -n demo get service web -o 'jsonpath={.spec.clusterIP}')
    for _ in $(seq 40); do
        from_pod curl -s -m 20 "http://$address"
    done | sort -u >"$BATS_TEST_TMPDIR/pages"
    [ "$(wc -l <"$BATS_TEST_TMPDIR/pages")" = 3 ]
}

@test "the kubernetes Service is the API, for nodes and with a pod's own token" {
    run -0 ip netns exec coracle-a1 curl -sk -m 20 https://10.96.0.1/version
    [[ $output == *gitVersion* ]]
    token=$($KUBECTL -n demo exec "$pod" -- cat /var/run/secrets/kubernetes.io/serviceaccount/token)
    $KUBECTL -n demo exec "$pod" -- cat /var/run/secrets/kubernetes.io/serviceaccount/ca.crt >"$BATS_TEST_TMPDIR/ca"
    api() { ip netns exec coracle-a1 curl -s -m 20 --cacert "$BATS_TEST_TMPDIR/ca" -H "Authorization: Bearer $token" "https://10.96.0.1$1"; }
    run -0 api /api/v1/namespaces/demo/pods
    [ "$(jq .code <<<"$output")" = 403 ]
    run -0 $KUBECTL -n demo create rolebinding default-view --clusterrole=view --serviceaccount=demo:default
    readable() { run -0 api /api/v1/namespaces/demo/pods && [ "$(jq -r .kind <<<"$output")" = PodList ]; }
    within 5 readable
    run -0 api /api/v1/namespaces/demo/pods
    [ "$(jq -r .kind <<<"$output")" = PodList ]
    run -0 api /api/v1/namespaces/demo/secrets
    [ "$(jq .code <<<"$output")" = 403 ]
}

@test "a Service without endpoints refuses at once" {
    run -0 $KUBECTL -n demo create service clusterip nobody --tcp=80:80
    address=$($KUBECTL -n demo get service nobody -o 'jsonpath={.spec.clusterIP}')
    refused() { ip netns exec coracle-a1 curl -s -m 20 "http://$address"; [ $? = 7 ]; }
    within 5 refused
    run -0 $KUBECTL -n demo delete service nobody
}

@test "an agent that is killed and started again leaves its containers alone" {
    before=$($KUBECTL -n demo get pods -l app=web -o 'jsonpath={.items[*].status.containerStatuses[0].containerID}')
    kill -KILL "$(cut -d' ' -f1 "$E2E_DIR/run/a1.pid")"
    run -0 "$CORACLE" up --dir "$E2E_DIR"
    sleep 3
    after=$($KUBECTL -n demo get pods -l app=web -o 'jsonpath={.items[*].status.containerStatuses[0].containerID}')
    [ "$before" = "$after" ]
    restarts=$($KUBECTL -n demo get pods -l app=web -o 'jsonpath={.items[*].status.containerStatuses[0].restartCount}')
    [ "$restarts" = "0 0 0" ]
}
