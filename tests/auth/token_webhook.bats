# Bearer tokens that a webhook knows, and those that a WebSocket client shows as a protocol.
bats_require_minimum_version 1.5.0

setup_file() {
    load server
    start_reviewer
    start_server n1 "$HOST" --authentication-token-webhook-config-file "$D/reviewer-tokens.conf" \
        --authentication-token-webhook-version v1 --authentication-token-webhook-cache-ttl 5s
    write_kubeconfig n1 "$HOST"
    write_nobody
    within 20 kubectl get serviceaccount default -n default
}

teardown_file() {
    load server
    end_all
}

setup() {
    load server
}

teardown() {
    [ "$BATS_TEST_COMPLETED" = 1 ] || tail -n 20 "$D/n1.log" "$D/reviewer/log"
}

unauthorized() { [[ $(whoami "$1") == *"must be logged in to the server"* ]]; }

@test "a token that nobody here knows is shown to the webhook, whose answer is the user" {
    run -0 kubectl --kubeconfig "$D/nobody.conf" --token good-ann auth whoami -o yaml
    [[ $output == *"example.org/from:"*"- webhook"*"- test"*"- hooked"*"- system:authenticated"*"uid: u-ann"*"username: ann"* ]]
    run -0 tail -n 1 "$D/reviewer/asked"
    [[ $output == *'"apiVersion": "authentication.k8s.io/v1"'*'"audiences": ["https://kubernetes.default.svc"]'*'"token": "good-ann"'* ]]
}

@test "answers are remembered for their time" {
    local before
    cached() { api /version -H 'Authorization: Bearer good-cached' | head -n 1 | grep -qx 200; }
    [ "$(whoami good-cached)" = cached ]
    within 20 cached
    before=$(asked)
    [ "$before" -ge 1 ]
    cached
    cached
    [ "$(asked)" -le $((before + 1)) ] # It may have ended just before the first of them.
    run -0 kubectl get --raw /metrics
    [[ $output == *'authentication_token_cache_request_total{status="hit"}'* ]]
    before=$(asked)
    asked_again() { cached && [ "$(asked)" -gt "$before" ]; }
    within 10 asked_again
}

@test "nobody, refusals and nonsense are 401" {
    unauthorized other
    unauthorized refused-ann
    unauthorized nonsense-ann
    run -0 kubectl get --raw /metrics
    [[ $output == *'apiserver_delegated_authn_request_total{code="403"}'* ]]
    grep -q "a webhook of authentication or authorization fails.*status 403" "$D/n1.log"
}

@test "a slow webhook holds only those who need it" {
    rm -f "$D/reviewer/go"
    whoami slow-tim >"$D/slow" 3>&- &
    local slow=$!
    within 3 grep -q slow-tim "$D/reviewer/asked"
    api /version -H 'Authorization: Bearer good-quick' | head -n 1 | grep -qx 200
    [ ! -s "$D/slow" ]
    touch "$D/reviewer/go"
    wait $slow
    [ "$(cat "$D/slow")" = tim ]
}

@test "the cluster's own tokens are never shown to it" {
    local before token
    before=$(asked)
    token=$(kubectl create token default)
    [ "$(whoami "$token")" = system:serviceaccount:default:default ]
    [ "$(asked)" = "$before" ]
}

@test "a TokenReview asks it, too" {
    review() {
        kubectl create --raw /apis/authentication.k8s.io/v1/tokenreviews -f - \
            <<<"{\"apiVersion\": \"authentication.k8s.io/v1\", \"kind\": \"TokenReview\", \"spec\": $1}"
    }
    run -0 review '{"token": "good-eve"}'
    [[ $output == *'"authenticated":true'*'"username":"eve"'* ]]
    run -0 review '{"token": "good-eve", "audiences": ["elsewhere"]}'
    [[ $output == *'"error":"invalid bearer token"'* ]]
}

@test "a WebSocket client shows its token as a protocol, beside another" {
    websocket() { # PROTOCOLS: the status
        api "/api/v1/namespaces/default/pods/none/exec?command=x&stdout=1" --http1.1 -H 'Connection: Upgrade' \
            -H 'Upgrade: websocket' -H 'Sec-WebSocket-Version: 13' -H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==' \
            -H "Sec-WebSocket-Protocol: $1" | head -n 1
    }
    local encoded
    encoded=base64url.bearer.authorization.k8s.io.$(printf good-web | base64 -w 0 | tr '+/' '-_' | tr -d =)
    [ "$(websocket "$encoded, v4.channel.k8s.io")" = 403 ]
    grep -q '"token": "good-web"' "$D/reviewer/asked"
    [ "$(websocket "$encoded")" = 401 ]
    [ "$(websocket "$encoded, $encoded, v4.channel.k8s.io")" = 401 ]
    [ "$(websocket "base64url.bearer.authorization.k8s.io.***, v4.channel.k8s.io")" = 401 ]
}

@test "flags that cannot be right keep the server from starting" {
    local common=(--name n2 --data-dir "$D/n2" --api-listen "$HOST:7443" --etcd-listen "http://$HOST:7379"
        --peer-url "http://$HOST:7380" --initial-cluster "n2=http://$HOST:7380")
    run ! timeout 60 "$CORACLE" server "${common[@]}" --authentication-token-webhook-config-file "$D/none.conf"
    [[ $output == *"--authentication-token-webhook-config-file: "*"none.conf"* ]]
    run ! timeout 60 "$CORACLE" server "${common[@]}" --authentication-token-webhook-version v2
    [[ $output == *"must be v1 or v1beta1"* ]]
    run ! timeout 60 "$CORACLE" server "${common[@]}" --authentication-token-webhook-cache-ttl soon
    [[ $output == *"must be a duration"* ]]
}
