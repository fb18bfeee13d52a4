# For a file of tests against one server without nodes: it is started before the first test and ended after the last, and
# the end of its log is shown when a test fails. A file that needs more prepared calls `start_one` in a setup_file of its own.
export AUTH_HOST=${KUBECTL_HOST:-127.0.49.1}

start_one() {
    load ../auth/server
    start_server n1 "$HOST"
    write_kubeconfig n1 "$HOST"
}

setup_file() {
    start_one
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
