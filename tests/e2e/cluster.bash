# Shared by the end-to-end tests: one cluster of three servers and three nodes with real containers, started by
# setup_suite.bash through deploy/quickstart's own parts, used by every file.
E2E_DIR=${E2E_DIR:-/var/lib/coracle/e2e}
export CORACLE_DIR=$E2E_DIR
export KUBECONFIG=$E2E_DIR/kubeconfig
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CORACLE=$TOP/build/release/cmd/coracle
KUBECTL=${KUBECTL:-kubectl}
source "$TOP/tests/within.bash"

etcdctl_() {
    local pki=$E2E_DIR/n1/pki endpoint=$1
    shift
    ETCDCTL_API=3 etcdctl --endpoints "https://$endpoint:2379" --cacert "$pki/ca.crt" --cert "$pki/admin.crt" \
        --key "$pki/admin.key" "$@"
}

# What somebody who cannot come back to the machine needs to know of a failed test.
explain_failure() {
    [ -z "${BATS_TEST_COMPLETED:-}" ] || return 0
    echo "--- the cluster when this failed"
    "$CORACLE" status --dir "$E2E_DIR" || true
    $KUBECTL get pods -A -o wide || true
    $KUBECTL -n demo get replicasets,deployments -o wide || true
    $KUBECTL -n demo get events --sort-by=.lastTimestamp | tail -40 || true
    $KUBECTL -n demo get pods -o json |
        jq -c '.items[] | [.metadata.name, .metadata.deletionTimestamp, .spec.nodeName, .status]' || true
    for log in "$E2E_DIR"/log/[an]?.log; do
        echo "--- ${log##*/}"
        tail -25 "$log"
    done
}
