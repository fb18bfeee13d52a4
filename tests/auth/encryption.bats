# Encryption at rest: what is in the store, seen with etcdctl, and how keys are rotated.
bats_require_minimum_version 1.5.0

setup() {
    load server
    D=$BATS_TEST_TMPDIR
    export KUBECONFIG=$D/admin.conf HOME=$D ETCDCTL_API=3
}

teardown() {
    end_all
    [ "$BATS_TEST_COMPLETED" = 1 ] || tail -n 20 "$D"/*.log
}

AESGCM_A='- aesgcm: {keys: [{name: a, secret: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=}]}'
AESGCM_BA='- aesgcm: {keys: [{name: b, secret: AQEBAQEBAQEBAQEBAQEBAQ==}, {name: a, secret: AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=}]}'
AESGCM_B='- aesgcm: {keys: [{name: b, secret: AQEBAQEBAQEBAQEBAQEBAQ==}]}'
IDENTITY='- identity: {}'

configure() { # PROVIDER...
    {
        echo "apiVersion: apiserver.config.k8s.io/v1"
        echo "kind: EncryptionConfiguration"
        echo "resources:"
        echo "- resources: [secrets]"
        echo "  providers:"
        printf '  %s\n' "$@"
    } >"$D/next.yaml"
    mv "$D/next.yaml" "$D/encryption.yaml" # At once: a server may be reading it.
}

# start [FLAG...]: with the configuration as it is now.
start() {
    start_server n1 "$HOST" --encryption-provider-config "$D/encryption.yaml" "$@"
    write_kubeconfig n1 "$HOST"
    within 20 kubectl get serviceaccount default -n default
}

stored() { # KEY: the raw value
    etcdctl --endpoints "https://$HOST:2379" --cacert "$D/n1/pki/ca.crt" --cert "$D/n1/pki/admin.crt" \
        --key "$D/n1/pki/admin.key" get --print-value-only "$1" | tr '\0' '?'
}

password() { kubectl get secret s -o 'jsonpath={.data.password}' | base64 -d; }

@test "secrets are sealed in the store, and written anew with a new key" {
    configure "$IDENTITY" "$AESGCM_A"
    start
    kubectl create secret generic s --from-literal password=hunter2
    kubectl create configmap c --from-literal word=plainword
    [[ $(stored /registry/secrets/default/s) == k8s*hunter2* ]]
    end n1

    configure "$AESGCM_A" "$IDENTITY"
    start
    [ "$(password)" = hunter2 ] # As it was before, in the clear.
    kubectl get secrets -A -o json | kubectl replace -f -
    local raw
    raw=$(stored /registry/secrets/default/s)
    [[ $raw == k8s:enc:aesgcm:v1:a:* && $raw != *hunter2* ]]
    [[ $(stored /registry/configmaps/default/c) == *plainword* ]]
    [ "$(password)" = hunter2 ]
    end n1

    configure "$AESGCM_BA"
    start
    [ "$(password)" = hunter2 ]
    kubectl get secrets -A -o json | kubectl replace -f -
    [[ $(stored /registry/secrets/default/s) == k8s:enc:aesgcm:v1:b:* ]]
    kubectl patch secret s -p '{"stringData": {"password": "hunter3"}}'
    [ "$(password)" = hunter3 ]
    end n1

    configure "$AESGCM_B"
    start
    [ "$(password)" = hunter3 ]
}

@test "a value whose key is missing is an error that names the key; the rest is served" {
    configure "$AESGCM_A"
    start
    kubectl create secret generic s --from-literal password=hunter2
    end n1
    configure "$AESGCM_B" "$IDENTITY"
    start
    run -1 kubectl get secret s
    [[ $output == *'unable to transform key "/registry/secrets/default/s"'*'k8s:enc:aesgcm:v1:a:'* ]]
    [[ $output != *hunter2* ]]
    run -1 kubectl get secrets
    [[ $output == *'k8s:enc:aesgcm:v1:a:'* ]]
    run -1 kubectl get secrets -l some=label
    [[ $output == *'/registry/secrets/default/s'* ]]
    run -1 kubectl get secrets -A --field-selector type=Opaque
    [[ $output == *'/registry/secrets/default/s'* ]]
    run -1 kubectl delete secrets --all
    run -1 kubectl get --raw /api/v1/namespaces/default/secrets?watch=1
    [[ $output == *'/registry/secrets/default/s'* ]]
    kubectl get secrets -n kube-system -l some=label
    kubectl get configmaps -A
    kubectl create secret generic t --from-literal password=x
    kubectl get secret t
    run -1 kubectl label secret s some=label
    [[ $output == *'k8s:enc:aesgcm:v1:a:'* ]]
    run -1 kubectl delete secret s
    kubectl delete secret t
}

# reloads STATUS: how many there were.
reloads() {
    kubectl get --raw /metrics |
        sed -n "s/^apiserver_encryption_config_controller_automatic_reloads_total{.*status=\"$1\"} //p"
}

@test "with reloading, keys are rotated while the server runs" {
    reloaded() { [ "$(reloads "$1")" = "$2" ]; }
    configure "$AESGCM_A" "$IDENTITY"
    start --encryption-provider-config-automatic-reload
    kubectl create secret generic s --from-literal password=hunter2
    configure "$AESGCM_BA" "$IDENTITY"
    within 10 reloaded success 1
    [ "$(password)" = hunter2 ]
    kubectl get secrets -A -o json | kubectl replace -f -
    [[ $(stored /registry/secrets/default/s) == k8s:enc:aesgcm:v1:b:* ]]

    configure '- aesgcm: {keys: [{name: c}]}'
    within 10 reloaded failure 1
    [ "$(password)" = hunter2 ]
    grep -q 'aesgcm: key c: secret must be' "$D/n1.log"

    kubectl get --raw '/api/v1/namespaces/default/secrets?watch=1&timeoutSeconds=250' >"$D/watched" 2>&1 3>&- &
    local watch=$!
    seen() { grep -q "$1" "$D/watched"; }
    within 10 seen '"name":"s"'
    configure '- aesgcm: {keys: [{name: c, secret: AgICAgICAgICAgICAgICAg==}]}'
    within 10 reloaded success 2
    run -1 kubectl get secret s # The new first key is not its own.
    [[ $output == *'k8s:enc:aesgcm:v1:b:'* ]]
    run -1 kubectl get secrets
    kubectl create secret generic t --from-literal password=hunter4
    within 10 seen '"name":"t"'

    configure '- aesgcm: {keys: [{name: c, secret: AgICAgICAgICAgICAgICAg==}]}' "$AESGCM_B" "$IDENTITY"
    within 10 reloaded success 3
    [ "$(password)" = hunter2 ]
    kubectl get secrets
    kubectl get --raw /metrics | grep -q '^apiserver_encryption_config_controller_automatic_reload_last_timestamp_seconds{.*status="failure"} [1-9]'
    kill $watch
}

@test "a sealed value that was moved to another key does not open" {
    configure "$AESGCM_A"
    start
    kubectl create secret generic s --from-literal password=hunter2
    etcd() {
        etcdctl --endpoints "https://$HOST:2379" --cacert "$D/n1/pki/ca.crt" --cert "$D/n1/pki/admin.crt" \
            --key "$D/n1/pki/admin.key" "$@"
    }
    etcd get --print-value-only /registry/secrets/default/s | head -c -1 | etcd put /registry/secrets/default/stolen
    unreadable() { [[ $(kubectl get secret stolen 2>&1) == *"was not sealed with k8s:enc:aesgcm:v1:a:"* ]]; }
    within 5 unreadable
    [ "$(password)" = hunter2 ]
}

@test "a configuration that cannot be kept is refused at the start" {
    configure '- kms: {name: a, endpoint: "unix:///run/kms.sock"}'
    run -1 timeout 60 "$CORACLE" server --name n1 --data-dir "$D/n1" --api-listen "$HOST:6443" --etcd-listen "https://$HOST:2379" \
        --peer-url "https://$HOST:2380" --initial-cluster "n1=https://$HOST:2380" \
        --encryption-provider-config "$D/encryption.yaml"
    [[ $output == *"--encryption-provider-config"*"kms: apiVersion must be v2"* ]]
}

# start_plugin NAME: a KMS plugin at $D/NAME.sock, which goes by $D/NAME/key_id and $D/NAME/healthz.
start_plugin() {
    local program=${CORACLE%/cmd/coracle}/tests/unit/apiserver/kms_try
    [ -x "$program" ] || skip "kms_try is not built"
    mkdir -p "$D/$1"
    [ -s "$D/$1/key_id" ] || echo k1 >"$D/$1/key_id"
    echo ok >"$D/$1/healthz"
    "$program" "$D/$1.sock" "$D/$1" >>"$D/$1.log" 2>&1 3>&- &
    echo $! >"$D/$1.pid"
    disown
    within 10 test -S "$D/$1.sock"
}
ready() { kubectl get --raw "/readyz/kms-providers" >/dev/null 2>&1; }

@test "a KMS plugin seals the keys of secrets" {
    start_plugin safe
    configure '- kms: {apiVersion: v2, name: safe, endpoint: "unix://'"$D/safe.sock"'"}' "$IDENTITY"
    start
    within 10 ready
    kubectl create secret generic s --from-literal password=hunter2
    local raw
    raw=$(stored /registry/secrets/default/s)
    [[ $raw == k8s:enc:kms:v2:safe:* && $raw == *k1:* && $raw != *hunter2* ]]
    [ "$(password)" = hunter2 ]
    kubectl get --raw /metrics | grep -q '^apiserver_envelope_encryption_dek_source_cache_size{provider_name="safe"} 1'
    kubectl get --raw /livez?verbose | grep -q 'kms-providers ok'
    end n1

    # Another run has another seed, and opens those of before.
    echo k2 >"$D/safe/key_id"
    start
    within 10 ready
    [ "$(password)" = hunter2 ]
    kubectl get secrets -A -o json | kubectl replace -f -
    [[ $(stored /registry/secrets/default/s) == *k2:* ]]
    end n1

    # Without the plugin all else is served, and what needs it says so.
    end safe
    start_server_not_ready() {
        "$CORACLE" server --name n1 --data-dir "$D/n1" --disable scheduler --api-listen "$HOST:6443" \
            --etcd-listen "https://$HOST:2379" --peer-url "https://$HOST:2380" --initial-cluster "n1=https://$HOST:2380" \
            --encryption-provider-config "$D/encryption.yaml" >>"$D/n1.log" 2>&1 3>&- &
        echo $! >"$D/n1.pid"
        disown
    }
    start_server_not_ready
    within 20 kubectl get serviceaccount default -n default
    run ! ready
    run -1 kubectl get secret s
    [[ $output == *'unable to transform key "/registry/secrets/default/s": the KMS plugin safe'* ]]
    run -1 kubectl create secret generic t --from-literal password=x
    [[ $output == *"the KMS plugin safe cannot be used"* ]]
    kubectl create configmap c --from-literal a=b
    start_plugin safe
    within 20 ready
    readable() { [ "$(password)" = hunter2 ]; }
    within 10 readable
    kubectl create secret generic t --from-literal password=x
}

@test "with reloading, secrets move from a key of the file to a KMS plugin" {
    start_plugin safe
    configure "$AESGCM_A" "$IDENTITY"
    start --encryption-provider-config-automatic-reload
    kubectl create secret generic s --from-literal password=hunter2
    configure '- kms: {apiVersion: v2, name: safe, endpoint: "unix://'"$D/safe.sock"'", timeout: 2s}' "$AESGCM_A" "$IDENTITY"
    reloaded() { [ "$(reloads success)" = 1 ]; }
    within 10 reloaded
    within 10 ready
    [ "$(password)" = hunter2 ]
    kubectl get secrets -A -o json | kubectl replace -f -
    [[ $(stored /registry/secrets/default/s) == k8s:enc:kms:v2:safe:* ]]
    [ "$(password)" = hunter2 ]
}

# start_etcd: one of its own at $ISSUER_HOST.
start_etcd() {
    command -v etcd >/dev/null || skip "etcd is not installed"
    etcd --name e1 --data-dir "$D/etcd" --listen-client-urls "http://$ISSUER_HOST:2379" \
        --advertise-client-urls "http://$ISSUER_HOST:2379" --listen-peer-urls "http://$ISSUER_HOST:2380" \
        --initial-advertise-peer-urls "http://$ISSUER_HOST:2380" \
        --initial-cluster "e1=http://$ISSUER_HOST:2380" >"$D/etcd.log" 2>&1 3>&- &
    echo $! >"$D/etcd.pid"
    disown
    within 20 etcdctl --endpoints "http://$ISSUER_HOST:2379" endpoint health
}

# start_on_etcd NAME HOST
start_on_etcd() {
    "$CORACLE" server --name "$1" --data-dir "$D/$1" --disable scheduler --api-listen "$2:6443" \
        --store-endpoints "http://$ISSUER_HOST:2379" --encryption-provider-config "$D/encryption.yaml" \
        >>"$D/$1.log" 2>&1 3>&- &
    echo $! >"$D/$1.pid"
    disown
    within 20 curl -sf --cacert "$D/$1/pki/ca.crt" "https://$2:6443/readyz"
}

@test "on an existing etcd secrets are sealed, too" {
    start_etcd
    configure "$AESGCM_A"
    start_on_etcd n1 "$HOST"
    write_kubeconfig n1 "$HOST"
    within 20 kubectl get serviceaccount default -n default
    kubectl create secret generic s --from-literal password=hunter2
    local raw
    raw=$(etcdctl --endpoints "http://$ISSUER_HOST:2379" get --prefix --print-value-only / | tr '\0' '?')
    [[ $raw == *k8s:enc:aesgcm:v1:a:* && $raw != *hunter2* ]]
    [ "$(password)" = hunter2 ]
}

@test "what another server has sealed with a seed of its own is seen at once" {
    local other=${HOST%.*}.7
    start_etcd
    start_plugin safe
    configure '- kms: {apiVersion: v2, name: safe, endpoint: "unix://'"$D/safe.sock"'"}' "$IDENTITY"
    start_on_etcd n1 "$HOST"
    mkdir -p "$D/n2/pki"
    cp "$D"/n1/pki/{ca,sa,front-proxy-ca}.* "$D/n2/pki/"
    start_on_etcd n2 "$other"
    write_kubeconfig n1 "$HOST"
    within 10 ready
    within 20 kubectl get serviceaccount default -n default
    kubectl get --raw '/api/v1/namespaces/default/secrets?watch=1&timeoutSeconds=250' >"$D/watched" 2>&1 3>&- &
    local watch=$!
    at_other() { kubectl --server "https://$other:6443" --insecure-skip-tls-verify=false "$@"; }
    made() { at_other create secret generic s --from-literal password=hunter2; }
    within 10 made
    seen() { grep -q '"name":"s"' "$D/watched"; }
    within 10 seen
    [ "$(password)" = hunter2 ]
    run ! grep -q "unable to transform" "$D/watched"
    kill $watch
}
