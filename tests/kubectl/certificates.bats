# Client certificates by the API, as the documentation of Kubernetes tells it: a request, an approval, and the
# certificate at work.
bats_require_minimum_version 1.5.0
load one_server

# ask NAME SUBJECT SIGNER USAGES [KUBECTL-OPTION...]: makes a key and applies a request.
ask() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$D/$1.key" -out "$D/$1.csr" \
        -subj "$2" 2>/dev/null
    kubectl "${@:5}" apply -f - <<END
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {name: $1}
spec:
  request: $(base64 -w 0 <"$D/$1.csr")
  signerName: $3
  usages: $4
  expirationSeconds: 7200
END
}

issued() { [ -n "$(kubectl get csr "$1" -o 'jsonpath={.status.certificate}')" ]; }

# take NAME: its certificate into NAME.crt, once it is there.
take() {
    within 10 issued "$1"
    kubectl get csr "$1" -o 'jsonpath={.status.certificate}' | base64 -d >"$D/$1.crt"
}

as() { kubectl --kubeconfig "$D/as-$1.conf" "${@:2}"; }

# user NAME: a kubeconfig for the certificate.
user() {
    local config=(kubectl --kubeconfig "$D/as-$1.conf" config)
    "${config[@]}" set-cluster c --server "$API" --certificate-authority "$D/n1/pki/ca.crt"
    "${config[@]}" set-credentials u --client-certificate "$D/$1.crt" --client-key "$D/$1.key"
    "${config[@]}" set-context c --cluster c --user u
    "${config[@]}" use-context c
} >/dev/null

condition() { kubectl get csr "$1" -o "jsonpath={.status.conditions[?(@.type==\"$2\")].reason}"; }

@test "a user gets a certificate and what roles give" {
    ask jane /CN=jane/O=dev kubernetes.io/kube-apiserver-client "[client auth]"
    kubectl get csr jane | grep -q Pending
    run ! issued jane
    kubectl certificate approve jane
    take jane
    kubectl get csr jane | grep -q Approved,Issued
    user jane
    [ "$(as jane auth whoami -o 'jsonpath={.status.userInfo.username}')" = jane ]
    run ! as jane get pods
    kubectl create role reads --verb get,list --resource pods
    kubectl create rolebinding dev-reads --role reads --group dev
    within 5 as jane get pods
    openssl x509 -in "$D/jane.crt" -noout -checkend 7000
    ! openssl x509 -in "$D/jane.crt" -noout -checkend 7300
}

@test "a denied request is not signed" {
    ask joe /CN=joe kubernetes.io/kube-apiserver-client "[client auth]"
    kubectl certificate deny joe
    sleep 0.5
    run ! issued joe
    kubectl get csr joe | grep -q Denied
}

@test "what the signer does not sign fails and says why" {
    ask web /CN=web kubernetes.io/kube-apiserver-client "[server auth]"
    kubectl certificate approve web
    within 5 test "$(condition web Approved)" = KubectlApprove
    within 10 eval '[ "$(condition web Failed)" = SignerValidationFailure ]'
    ! issued web
}

@test "a node that may gets its client certificate by itself, and renews it" {
    kubectl create clusterrolebinding joins --group joiners \
        --clusterrole system:certificates.k8s.io:certificatesigningrequests:nodeclient
    kubectl create clusterrolebinding join-asks --group joiners --clusterrole system:node-bootstrapper
    kubectl create clusterrolebinding renews --group system:nodes \
        --clusterrole system:certificates.k8s.io:certificatesigningrequests:selfnodeclient
    ask n7 /O=system:nodes/CN=system:node:n7 kubernetes.io/kube-apiserver-client-kubelet \
        "[digital signature, client auth]" --as newcomer --as-group joiners
    take n7
    [ "$(condition n7 Approved)" = AutoApproved ]
    user n7
    [ "$(as n7 auth whoami -o 'jsonpath={.status.userInfo.username}')" = system:node:n7 ]
    ask n7-again /O=system:nodes/CN=system:node:n7 kubernetes.io/kube-apiserver-client-kubelet \
        "[digital signature, client auth]" --kubeconfig "$D/as-n7.conf"
    take n7-again
    ask n8 /O=system:nodes/CN=system:node:n8 kubernetes.io/kube-apiserver-client-kubelet \
        "[digital signature, client auth]" --kubeconfig "$D/as-n7.conf"
    sleep 0.5
    ! issued n8
}
