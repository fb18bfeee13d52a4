# Tokens of ServiceAccounts that are kept in Secrets.
bats_require_minimum_version 1.5.0
load one_server

setup_file() {
    start_one
    kubectl config set-credentials nobody >/dev/null
    kubectl config view --raw >"$D/nobody.conf"
    kubectl --kubeconfig "$D/nobody.conf" config set-context c --user nobody >/dev/null
}

# secret NAME ACCOUNT
secret() {
    kubectl apply -f - <<END
apiVersion: v1
kind: Secret
type: kubernetes.io/service-account-token
metadata: {name: $1, annotations: {kubernetes.io/service-account.name: $2}}
END
}

of() { kubectl get secret "$1" -o "jsonpath={.data.$2}" | base64 -d; }
filled() { [ -n "$(of "$1" token)" ]; }
gone() { ! kubectl get "$@"; }

@test "a Secret for a token gets one that is good until the Secret goes" {
    kubectl create serviceaccount robot
    secret robot-token robot
    within 10 filled robot-token
    [ "$(of robot-token namespace)" = default ]
    [ "$(of robot-token 'ca\.crt')" = "$(cat "$D/n1/pki/ca.crt")" ]
    token=$(of robot-token token)
    [ "$(whoami "$token")" = system:serviceaccount:default:robot ]
    kubectl describe secret robot-token | grep -q 'kubernetes.io/service-account.uid: '
    kubectl delete secret robot-token
    within 5 eval '[[ "$(whoami "$token")" == *Unauthorized* ]]'
}

@test "a Secret for a token goes with its account" {
    kubectl create serviceaccount passing
    secret passing-token passing
    within 10 filled passing-token
    token=$(of passing-token token)
    kubectl delete serviceaccount passing
    within 10 gone secret passing-token
    [[ "$(whoami "$token")" == *Unauthorized* ]]
}

@test "a Secret for a token of nobody goes" {
    secret lost-token nobody-here
    within 10 gone secret lost-token
}
