#!/usr/bin/env bats
# Starts that cannot be: each says what is wrong in one line, ends with 1, and gives back what it had
# opened by then (a debug build's sanitizers tell of the rest).
load servers

# refused WORDS FLAG...: of a server of its own.
refused() {
    local words=$1
    shift
    run timeout 60 "$CORACLE" server --name n1 --data-dir "$PWD/n1" \
        --api-listen "$(host n1):6443" --etcd-listen "https://$(host n1):2379" \
        --peer-url "https://$(host n1):2380" --initial-cluster "n1=https://$(host n1):2380" "$@"
    echo "$output" >>refused.log
    [ "$status" = 1 ]
    [[ $(grep -v '^ts=' <<<"$output") == "coracle server: "*"$words"* ]]
    [ "$(grep -vc '^ts=' <<<"$output")" = 1 ]
}

@test "a port in use is named, whichever part wants it, and the data is as it was" {
    start_server n2 --initial-cluster "n2=https://$(host n2):2380"
    within 60 grep -q 'this member leads' n2.log
    for _ in 1 2; do # The first makes the data, the second finds it.
        refused "cannot listen on $(host n2):6443: Address already in use" --api-listen "$(host n2):6443"
        refused "cannot listen on $(host n2):2379" --etcd-listen "https://$(host n2):2379"
        refused "cannot listen on $(host n2):2380" --listen-peer-urls "https://$(host n2):2380"
        refused "cannot listen on $(host n2):2379" --metrics-listen "http://$(host n2):2379"
    done
    start_server n1 --initial-cluster "n1=https://$(host n1):2380"
    within 60 grep -q 'this member leads' n1.log
}

@test "files that are not what a flag wants are refused by the flag's name or their own" {
    echo nothing >nothing
    refused "AuthenticationConfiguration" --authentication-config "$PWD/nothing"
    refused "AuthorizationConfiguration" --authorization-config "$PWD/nothing"
    refused "--authorization-policy-file: line 1" --authorization-mode ABAC --authorization-policy-file "$PWD/nothing"
    refused "EncryptionConfiguration" --encryption-provider-config "$PWD/nothing"
    refused "--audit-policy-file" --audit-policy-file "$PWD/nothing" --audit-log-path "$PWD/audit"
    refused "the CA of issuer https://i.example: CA certificates: not a PEM" \
        --oidc-issuer-url https://i.example --oidc-client-id c --oidc-ca-file "$PWD/nothing"
    refused "--requestheader-client-ca-file: CA certificates: not a PEM" \
        --requestheader-username-headers X-Remote-User --requestheader-client-ca-file "$PWD/nothing"
    cp nothing n1/pki/server.key
    refused "/pki/server.crt and server.key: private key: not a PEM"
    "$CORACLE" certs rotate --data-dir "$PWD/n1"
    start_server n1 --initial-cluster "n1=https://$(host n1):2380"
    within 60 grep -q 'this member leads' n1.log
}

@test "the same over somebody's etcd" {
    refused_store() {
        run timeout 60 "$CORACLE" server --name s1 --data-dir "$PWD/s1" --api-listen "$(host n1):6443" "${@:2}"
        echo "$output" >>refused.log
        [ "$status" = 1 ]
        [[ $output == *"$1"* ]]
    }
    echo nothing >nothing
    refused_store "--store-cacert, --store-cert and --store-key: CA certificates: not a PEM" \
        --store-endpoints "https://$(host n9):2379" --store-cacert "$PWD/nothing"
    refused_store "cannot read $PWD/none" --store-endpoints "https://$(host n9):2379" --store-cacert "$PWD/none"
    start_server n2 --initial-cluster "n2=https://$(host n2):2380"
    start_member n3 --initial-cluster "n3=$(peer n3)"
    within 60 grep -q 'this member leads' n2.log
    refused_store "cannot listen on $(host n2):6443" --store-endpoints "$(client n3)" --api-listen "$(host n2):6443"
}
