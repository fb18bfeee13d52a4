# Other kubectl than the default one: the oldest and the newest that are installed beside it, as kubectl.1.NN.
bats_require_minimum_version 1.5.0

setup() {
    load cluster
    beside=$(dirname "$(readlink -f "$(command -v kubectl)")")
    mapfile -t versions < <(find "$beside" -maxdepth 1 -name 'kubectl.1.*' | sort -V)
    [ ${#versions[@]} -gt 0 ] || skip "only one kubectl is installed"
}

teardown() {
    explain_failure
}

# Everything that goes another way on the wire in some version: discovery, OpenAPI v2 and v3, SPDY and WebSocket.
use() {
    local kubectl=$1 pod page
    $kubectl get all -A >/dev/null
    $kubectl api-resources >/dev/null
    $kubectl explain pod.spec.containers >/dev/null
    $kubectl apply -f "$TOP/deploy/examples/web.yaml" >/dev/null
    $kubectl -n demo describe deployment web >/dev/null
    pod=$($kubectl -n demo get pods -l app=web -o 'jsonpath={.items[0].metadata.name}')
    [ "$($kubectl -n demo exec "$pod" -- hostname)" = "$pod" ]
    [ "$(echo through | $kubectl -n demo exec -i "$pod" -- cat)" = through ]
    $kubectl -n demo logs "$pod" >/dev/null
    $kubectl -n demo port-forward "$pod" 18081:8080 >/dev/null 2>&1 3>&- &
    page() { curl -sf http://127.0.0.1:18081/healthz >/dev/null; }
    within 10 page
    kill $!
    wait $! || true
    $kubectl -n demo cp "$TOP/README.md" "$pod:/tmp/readme"
    $kubectl -n demo exec "$pod" -- cat /tmp/readme | cmp - "$TOP/README.md"
    $kubectl -n demo create configmap edited --from-literal=a=1
    printf '#!/bin/sh\nsed -i "s/a: .1./a: \\"2\\"/" "$1"\n' >"$BATS_TEST_TMPDIR/editor"
    chmod +x "$BATS_TEST_TMPDIR/editor"
    EDITOR=$BATS_TEST_TMPDIR/editor $kubectl -n demo edit configmap edited
    [ "$($kubectl -n demo get configmap edited -o 'jsonpath={.data.a}')" = 2 ]
    $kubectl -n demo delete configmap edited
    $kubectl -n demo set env deployment/web GREETING=changed
    $kubectl -n demo rollout status deployment web --timeout 120s
    $kubectl -n demo rollout undo deployment web
    $kubectl -n demo scale deployment web --replicas 4
    $kubectl -n demo rollout status deployment web --timeout 120s
    $kubectl -n demo scale deployment web --replicas 3
}

@test "the oldest kubectl" {
    use "${versions[0]}"
}

@test "the newest kubectl" {
    use "${versions[-1]}"
}
