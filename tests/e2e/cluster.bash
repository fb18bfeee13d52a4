# Shared by the end-to-end tests: one cluster of three servers and three nodes with real containers, started by
# setup_suite.bash through deploy/quickstart's own parts, used by every file.
E2E_DIR=${E2E_DIR:-/var/lib/coracle/e2e}
export CORACLE_DIR=$E2E_DIR
export KUBECONFIG=$E2E_DIR/kubeconfig
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
CORACLE=$TOP/build/release/cmd/coracle
KUBECTL=${KUBECTL:-kubectl}

# eventually SECONDS COMMAND...: repeats the command until it succeeds.
eventually() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt "$end" ] || return 1
        sleep 0.2
    done
}

etcdctl_() {
    local pki=$E2E_DIR/n1/pki endpoint=$1
    shift
    ETCDCTL_API=3 etcdctl --endpoints "https://$endpoint:2379" --cacert "$pki/ca.crt" --cert "$pki/admin.crt" \
        --key "$pki/admin.key" "$@"
}
