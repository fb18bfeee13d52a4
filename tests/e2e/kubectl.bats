# What people do with kubectl, on a real cluster with real containers.
bats_require_minimum_version 1.5.0

setup() {
    load cluster
}

teardown() {
    explain_failure
}

@test "get: nodes are ready and everything can be listed" {
    run -0 $KUBECTL get nodes
    [ "$(grep -c ' Ready ' <<<"$output")" = 3 ]
    run -0 $KUBECTL get all -A
    [[ $output == *deployment.apps/web* ]]
    run -0 $KUBECTL get leases -n kube-node-lease
    [[ $output == *a1* ]]
}

@test "describe shows events and conditions" {
    run -0 $KUBECTL -n demo describe pod -l app=web
    [[ $output == *Scheduled* && $output == *Started* && $output == *"Ready             True"* ]]
    run -0 $KUBECTL describe node a1
    [[ $output == *Allocatable* && $output == *PodCIDR* ]]
    run -0 $KUBECTL -n demo describe service web
    [[ $output == *30080* ]]
}

@test "scale up and down" {
    run -0 $KUBECTL -n demo scale deployment web --replicas 5
    run -0 $KUBECTL -n demo rollout status deployment web --timeout 120s
    [ "$($KUBECTL -n demo get deployment web -o 'jsonpath={.status.readyReplicas}')" = 5 ]
    run -0 $KUBECTL -n demo scale deployment web --replicas 3
    three() { [ "$($KUBECTL -n demo get pods -l app=web --no-headers | wc -l)" = 3 ]; }
    within 30 three
}

@test "a rollout replaces every pod and can be undone" {
    run -0 $KUBECTL -n demo set env deployment/web GREETING=changed
    run -0 $KUBECTL -n demo rollout status deployment web --timeout 120s
    changed() { curl -sf http://10.89.0.101:30080 | grep -q ^changed; }
    within 20 changed
    run -0 $KUBECTL -n demo rollout history deployment web
    [ "$(grep -cE '^[0-9]+ ' <<<"$output")" = 2 ]
    run -0 $KUBECTL -n demo rollout undo deployment web
    run -0 $KUBECTL -n demo rollout status deployment web --timeout 120s
    hello() { curl -sf http://10.89.0.101:30080 | grep -q ^hello; }
    within 20 hello
}

@test "logs, exec and cp reach the container" {
    pod=$($KUBECTL -n demo get pods -l app=web -o 'jsonpath={.items[0].metadata.name}')
    run -0 $KUBECTL -n demo exec "$pod" -- hostname
    [ "$output" = "$pod" ]
    run -0 sh -c "echo through | $KUBECTL -n demo exec -i $pod -- cat"
    [ "$output" = through ]
    run -3 $KUBECTL -n demo exec "$pod" -- sh -c 'exit 3'
    run -0 $KUBECTL -n demo logs "$pod"
    echo content >"$BATS_TEST_TMPDIR/file"
    run -0 $KUBECTL -n demo cp "$BATS_TEST_TMPDIR/file" "$pod:/tmp/file"
    run -0 $KUBECTL -n demo exec "$pod" -- cat /tmp/file
    [ "$output" = content ]
}

@test "port-forward carries a page" {
    pod=$($KUBECTL -n demo get pods -l app=web -o 'jsonpath={.items[0].metadata.name}')
    $KUBECTL -n demo port-forward "$pod" 18080:8080 >"$BATS_TEST_TMPDIR/log" 2>&1 3>&- &
    forward=$!
    page() { curl -sf http://127.0.0.1:18080/healthz; }
    within 10 page
    kill "$forward"
}

@test "apply, edit and delete of the issue's kinds" {
    cat >"$BATS_TEST_TMPDIR/objects.yaml" <<'YAML'
apiVersion: v1
kind: ConfigMap
metadata: {name: edited, namespace: demo}
data: {a: "1"}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot, namespace: demo}
YAML
    run -0 $KUBECTL apply -f "$BATS_TEST_TMPDIR/objects.yaml"
    run -0 $KUBECTL apply -f "$BATS_TEST_TMPDIR/objects.yaml"
    [[ $output == *"configmap/edited unchanged"* ]]
    printf '#!/bin/sh\nsed -i "s/a: .1./a: \\"2\\"/" "$1"\n' >"$BATS_TEST_TMPDIR/editor"
    chmod +x "$BATS_TEST_TMPDIR/editor"
    EDITOR=$BATS_TEST_TMPDIR/editor run -0 $KUBECTL -n demo edit configmap edited
    [ "$($KUBECTL -n demo get configmap edited -o 'jsonpath={.data.a}')" = 2 ]
    run -0 $KUBECTL delete -f "$BATS_TEST_TMPDIR/objects.yaml"
    run -1 $KUBECTL -n demo get configmap edited
    [[ $output == *'configmaps "edited" not found'* ]]
}

@test "explain and api-resources" {
    run -0 $KUBECTL explain deployment.spec.strategy
    [[ $output == *rollingUpdate* ]]
    run -0 $KUBECTL api-resources
    [[ $output == *deployments*apps/v1* ]]
}

@test "errors are the ones kubectl users know" {
    run -1 $KUBECTL create -f - <<<'{"apiVersion":"v1","kind":"Nothing","metadata":{"name":"x"}}'
    [[ $output == *'no matches for kind "Nothing" in version "v1"'* ]]
    run -1 $KUBECTL create namespace Bad_Name
    [[ $output == *"is invalid"* ]]
}
