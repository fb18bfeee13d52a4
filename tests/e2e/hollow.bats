# The same without containers, in a network namespace of the test's own: what people without root see.
bats_require_minimum_version 1.5.0

setup() {
    load cluster
    ip netns add coracle-hollow
    ip -n coracle-hollow link set lo up
    hollow=$BATS_TEST_TMPDIR/hollow
}

teardown() {
    [ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 40 "$hollow"/log/*.log
    [ ! -e "$hollow/cluster.yaml" ] || "$CORACLE" down --dir "$hollow"
    ip netns delete coracle-hollow
}

inside() { ip netns exec coracle-hollow "$@"; }

@test "hollow nodes say that pods run" {
    run -0 inside "$CORACLE" up --dir "$hollow" --runtime hollow --servers 1 --agents 2
    export KUBECONFIG=$hollow/kubeconfig
    run -0 inside $KUBECTL apply -f "$TOP/deploy/examples/web.yaml"
    run -0 inside $KUBECTL -n demo rollout status deployment/web --timeout 120s
    run -0 inside "$CORACLE" status --dir "$hollow"
    [[ $output == *"all is well"* ]]
}

# One shell: each `ip netns exec` has mounts of its own.
@test "down takes away what hollow nodes of root have mounted" {
    export hollow CORACLE KUBECTL TOP KUBECONFIG=$hollow/kubeconfig
    run -0 inside bash -e -c '
        "$CORACLE" up --dir "$hollow" --runtime hollow --servers 1 --agents 1
        $KUBECTL apply -f "$TOP/deploy/examples/web.yaml"
        $KUBECTL -n demo rollout status deployment/web --timeout 120s
        source "$TOP/tests/within.bash"
        within 60 grep "$hollow/a1/pods" /proc/mounts # Secrets are in memory.
        "$CORACLE" down --dir "$hollow"
        ! grep "$hollow" /proc/mounts'
    [ ! -e "$hollow" ]
}
