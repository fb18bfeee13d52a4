# One server with an identity provider and a front proxy's CA, for the whole file. CORACLE names the program; every
# process started here is ended by its pid.
CORACLE=${CORACLE:-$BATS_TEST_DIRNAME/../../build/release/cmd/coracle}
HOST=${AUTH_HOST:-127.0.45.1}
ISSUER_HOST=${AUTH_ISSUER_HOST:-127.0.45.2}
API=https://$HOST:6443
ISSUER=https://$ISSUER_HOST:8443
D=$BATS_FILE_TMPDIR
export KUBECONFIG=$D/admin.conf HOME=$D
source "${BASH_SOURCE[0]%/*}/../within.bash"

make_ca() { # NAME: NAME.crt and NAME.key
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$D/$1.key" -out "$D/$1.crt" \
        -days 2 -subj "/CN=$1" -addext basicConstraints=critical,CA:true 2>/dev/null
}

make_cert() { # NAME CA SUBJECT [EXTENDED-KEY-USAGE [ALTERNATIVE-NAMES]]
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout "$D/$1.key" -out "$D/$1.csr" \
        -subj "$3" 2>/dev/null
    openssl x509 -req -in "$D/$1.csr" -CA "$2.crt" -CAkey "$2.key" -CAcreateserial -days 1 -out "$D/$1.crt" \
        -extfile <(echo "extendedKeyUsage=${4:-clientAuth}" && [ -z "${5:-}" ] || echo "subjectAltName=$5") 2>/dev/null
}

start_server() { # NAME HOST [FLAG...]; with the scheduler when WITHOUT is empty
    local name=$1 host=$2
    shift 2
    "$CORACLE" server --name "$name" --data-dir "$D/$name" ${WITHOUT---disable scheduler} --api-listen "$host:6443" \
        --etcd-listen "https://$host:2379" --peer-url "https://$host:2380" --initial-cluster "$name=https://$host:2380" "$@" >>"$D/$name.log" 2>&1 3>&- &
    echo $! >"$D/$name.pid"
    disown # Its end is no news.
    within 20 curl -sf --cacert "$D/$name/pki/ca.crt" "https://$host:6443/readyz"
    within 20 test -s "$D/$name/pki/admin.key"
}

write_kubeconfig() { # NAME HOST
    KUBECONFIG=$D/admin.conf kubectl config set-cluster c --server "https://$2:6443" \
        --certificate-authority "$D/$1/pki/ca.crt" --embed-certs
    kubectl config set-credentials admin --client-certificate "$D/$1/pki/admin.crt" --client-key "$D/$1/pki/admin.key"
    kubectl config set-context c --cluster c --user admin
    kubectl config use-context c
} >/dev/null

# write_nobody: $D/nobody.conf, the same server and nobody's credentials.
write_nobody() {
    cp "$D/admin.conf" "$D/nobody.conf"
    KUBECONFIG=$D/nobody.conf kubectl config unset users
}

start_provider() {
    "$BATS_TEST_DIRNAME/provider.py" keys "$D/provider" "$ISSUER_HOST"
    "$BATS_TEST_DIRNAME/provider.py" serve "$D/provider" "$ISSUER_HOST" 8443 >"$D/provider.log" 2>&1 3>&- &
    echo $! >"$D/provider.pid"
    disown
    within 10 curl -sf --cacert "$D/provider/tls.crt" "$ISSUER/keys"
}

# start_reviewer: webhooks at https://$ISSUER_HOST:8444, and reviewer-tokens.conf and reviewer-access.conf for them.
start_reviewer() {
    local name dir=$D/reviewer
    "$BATS_TEST_DIRNAME/provider.py" keys "$dir" "$ISSUER_HOST"
    touch "$dir/asked"
    echo none >"$dir/decision"
    "$BATS_TEST_DIRNAME/reviewer.py" serve "$dir" "$ISSUER_HOST" 8444 >"$dir/log" 2>&1 3>&- &
    echo $! >"$D/reviewer.pid"
    disown
    for name in tokens access; do
        cat >"$D/reviewer-$name.conf" <<-END
	apiVersion: v1
	kind: Config
	clusters: [{name: c, cluster: {server: "https://$ISSUER_HOST:8444/$name", certificate-authority: reviewer/tls.crt}}]
	users: [{name: u, user: {token: webhook-secret}}]
	contexts: [{name: x, context: {cluster: c, user: u}}]
	current-context: x
	END
    done
    within 10 curl -s --cacert "$dir/tls.crt" "https://$ISSUER_HOST:8444/"
}

# asked: how many questions the webhooks have got.
asked() { wc -l <"$D/reviewer/asked"; }

# start_hook: an admission webhook in another language at $HOOK_HOST, its CA in $D/hooks.crt.
start_hook() {
    make_ca hooks
    make_cert hook "$D/hooks" /CN=hook "serverAuth"$'\n'"subjectAltName=IP:$HOOK_HOST"
    "$BATS_TEST_DIRNAME/../admission/hook.py" "$D/hook.crt" "$D/hook.key" "$HOOK_HOST" 9443 >"$D/hook.log" 2>&1 3>&- &
    echo $! >"$D/hook.pid"
    disown
    within 10 curl -sf --cacert "$D/hooks.crt" "https://$HOOK_HOST:9443/"
}

# end_all: what was started, until it is gone: the next to start may want its address.
end_all() {
    local file pids=()
    for file in "$D"/*.pid; do
        [ -e "$file" ] || continue
        pids+=("$(cat "$file")")
        kill "${pids[-1]}" 2>/dev/null || true
        rm -f "$file"
    done
    ended "${pids[@]}"
}

# end NAME: one of them.
end() {
    kill "$(cat "$D/$1.pid")"
    ended "$(cat "$D/$1.pid")"
    rm -f "$D/$1.pid"
}

token() { "$BATS_TEST_DIRNAME/provider.py" token "$D/provider" "$@"; }

# whoami TOKEN: the user's name, or the error.
whoami() { kubectl --token "$1" --kubeconfig "$D/nobody.conf" auth whoami -o 'jsonpath={.status.userInfo.username}' 2>&1; }

# api PATH [CURL-OPTION...]: the status code, then the body.
api() {
    local path=$1
    shift
    curl -s -m 60 -A tests --cacert "$D/n1/pki/ca.crt" -o "$BATS_TEST_TMPDIR/body" -w '%{http_code}\n' "$@" "$API$path"
    cat "$BATS_TEST_TMPDIR/body"
}
