# Who is known, by what, and what he may do then: a real kubectl against a real server, with an identity provider and a
# front proxy.
bats_require_minimum_version 1.5.0

setup_file() {
    load server
    start_provider
    make_ca proxies
    make_ca strangers
    make_cert front "$D/proxies" /CN=front
    make_cert other-front "$D/proxies" /CN=other
    make_cert front-server "$D/proxies" /CN=front serverAuth
    make_cert stranger "$D/strangers" /CN=front/O=system:masters
    start_server n1 "$HOST" \
        --oidc-issuer-url "$ISSUER" --oidc-client-id me --oidc-ca-file "$D/provider/tls.crt" \
        --oidc-groups-claim groups --oidc-groups-prefix oidc: --oidc-signing-algs RS256,ES256 \
        --oidc-required-claim tenant=blue --requestheader-client-ca-file "$D/proxies.crt" \
        --requestheader-allowed-names front --requestheader-username-headers X-Remote-User \
        --requestheader-group-headers X-Remote-Group --requestheader-extra-headers-prefix X-Remote-Extra-
    write_kubeconfig n1 "$HOST"
    write_nobody
    make_cert jane "$D/n1/pki/ca" /CN=jane/O=builders/O=testers
    within 20 kubectl get serviceaccount default -n default
    kubectl create namespace demo
    within 20 kubectl get serviceaccount default -n demo
}

teardown_file() {
    load server
    end_all
}

setup() {
    load server
}

teardown() {
    [ "$BATS_TEST_COMPLETED" = 1 ] || tail -n 20 "$D/n1.log"
}

claims() { echo "{\"iss\":\"$ISSUER\",\"aud\":\"me\",\"sub\":\"ann\",\"tenant\":\"blue\"${1:+,$1}}"; }
unauthorized() { [[ $(whoami "$1") == *"must be logged in to the server"* ]]; }
as_jane() { kubectl --kubeconfig "$D/nobody.conf" --client-certificate "$D/jane.crt" --client-key "$D/jane.key" "$@"; }
# review CURL-OPTION...: who the server says that is.
review() {
    api /apis/authentication.k8s.io/v1/selfsubjectreviews -H 'Content-Type: application/json' \
        -d '{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}' "$@"
}

@test "a client certificate is a user, its organizations are groups" {
    run -0 as_jane auth whoami -o yaml
    [[ $output == *"username: jane"* ]]
    [[ $output == *"- builders"*"- testers"*"- system:authenticated"* ]]
    local digest
    digest=$(openssl x509 -in "$D/jane.crt" -outform DER | sha256sum | cut -d' ' -f1)
    [[ $output == *"X509SHA256=$digest"* ]]
    run -1 as_jane get pods
    [[ $output == *'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default"' ]]
}

@test "a certificate of another CA is refused and not taken for nobody" {
    run -0 review --cert "$D/stranger.crt" --key "$D/stranger.key"
    [ "${lines[0]}" = 401 ]
    run -0 api /version --cert "$D/stranger.crt" --key "$D/stranger.key"
    [ "${lines[0]}" = 401 ]
}

@test "who shows nothing is system:anonymous and may see health and version only" {
    run -0 api /readyz
    [ "${lines[0]}" = 200 ]
    run -0 api /version
    [ "${lines[0]}" = 200 ]
    run -0 api /api/v1/namespaces
    [ "${lines[0]}" = 403 ]
    [[ $output == *'User \"system:anonymous\" cannot list resource \"namespaces\"'* ]]
    run -0 api /.well-known/openid-configuration
    [ "${lines[0]}" = 403 ]
}

@test "health: each check by its name, those that are left out, and names that are none" {
    admin() { api "$1" --cert "$D/n1/pki/admin.crt" --key "$D/n1/pki/admin.key"; }
    run -0 admin '/readyz?verbose&exclude=etcd&exclude=nosuch&exclude=none'
    [ "${lines[0]}" = 200 ]
    [[ $output == *$'[+]ping ok\n'*$'[+]etcd excluded: ok\n'*$'warn: some health checks cannot be excluded: no matches for "none", "nosuch"\nreadyz check passed' ]]
    run -0 admin /livez/ping
    [ "$output" = $'200\nok' ]
    run -0 admin '/livez/ping?verbose'
    [ "$output" = $'200\nok' ]
    run -0 admin /livez/nosuch
    [ "$output" = $'404\n404 page not found' ]
}

@test "kubectl create token: audiences, times and the account" {
    local token
    token=$(kubectl create token default -n demo --duration 20m)
    [ "$(whoami "$token")" = system:serviceaccount:demo:default ]
    run -0 kubectl --token "$token" --kubeconfig "$D/nobody.conf" auth whoami -o yaml
    [[ $output == *"system:serviceaccounts"*"system:serviceaccounts:demo"*"system:authenticated"* ]]
    [[ $output == *"JTI="* ]]
    run -0 python3 - "$token" <<'P'
import base64, json, sys, time
head, body = (json.loads(base64.urlsafe_b64decode(part + "==")) for part in sys.argv[1].split(".")[:2])
assert head["kid"] and head["alg"] in ("ES256", "RS256"), head
assert body["iss"] == "https://kubernetes.default.svc" and body["aud"] == [body["iss"]], body
assert abs(body["exp"] - time.time() - 1200) < 30 and body["nbf"] == body["iat"], body
assert body["kubernetes.io"]["serviceaccount"]["name"] == "default", body
assert body["sub"] == "system:serviceaccount:demo:default", body
P
    token=$(kubectl create token default -n demo --audience vault)
    unauthorized "$token"
    run -0 kubectl create -o yaml -f - <<Y
{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "$token", "audiences": ["vault", "x"]}}
Y
    [[ $output == *"authenticated: true"* && $output == *"audiences:"*"- vault"* ]]
    run -1 kubectl create --raw /api/v1/namespaces/demo/serviceaccounts/default/token -f - <<<'{"metadata": {"name": "other"}, "spec": {}}'
    [[ $output == *"must match the service account name if specified"* ]]
    run -1 kubectl create token default -n demo --duration 5m
    [[ $output == *"may not specify a duration less than 10 minutes"* ]]
}

@test "a TokenReview says why a token is not good" {
    local token
    reviewed() {
        kubectl create --raw /apis/authentication.k8s.io/v1/tokenreviews -f - \
            <<<"{\"apiVersion\": \"authentication.k8s.io/v1\", \"kind\": \"TokenReview\", \"spec\": {\"token\": \"$token\"}}" |
            python3 -c 'import json, sys; print(json.load(sys.stdin)["status"].get("error"))'
    }
    token=$(kubectl create token default -n demo --audience vault)
    [ "$(reviewed)" = '[invalid bearer token, token audiences ["vault"] is invalid for the target audiences ["https://kubernetes.default.svc"]]' ]
    kubectl create serviceaccount short -n demo
    token=$(kubectl create token short -n demo)
    [ "$(reviewed)" = None ]
    kubectl delete serviceaccount short -n demo
    within 5 eval '[ "$(reviewed)" = "[invalid bearer token, serviceaccounts \"short\" not found]" ]'
    token=nonsense
    [ "$(reviewed)" = "invalid bearer token" ]
}

@test "a token bound to an object ends with it" {
    local token uid
    kubectl create secret generic bound -n demo
    token=$(kubectl create token default -n demo --bound-object-kind Secret --bound-object-name bound)
    [ "$(whoami "$token")" = system:serviceaccount:demo:default ]
    kubectl delete secret bound -n demo
    within 5 unauthorized "$token"

    kubectl create -f - <<Y
{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "m1"}}
Y
    token=$(kubectl create token default -n demo --bound-object-kind Node --bound-object-name m1)
    uid=$(kubectl get node m1 -o 'jsonpath={.metadata.uid}')
    run -0 kubectl --token "$token" --kubeconfig "$D/nobody.conf" auth whoami -o yaml
    [[ $output == *"node-name:"*"m1"* && $output == *"node-uid:"*"$uid"* ]]
    kubectl delete node m1
    within 5 unauthorized "$token"

    run -1 kubectl create token default -n demo --bound-object-kind Secret --bound-object-name bound
    [[ $output == *'secrets "bound" not found'* ]]
    kubectl run bound -n demo --image i
    kubectl create serviceaccount other -n demo
    run -1 kubectl create token default -n demo --bound-object-kind Pod --bound-object-name bound --bound-object-uid u
    [[ $output == *'the UID in the bound object reference (u) does not match'* ]]
    run -1 kubectl create token other -n demo --bound-object-kind Pod --bound-object-name bound --bound-object-uid u
    [[ $output == *'"other" to pod running with different serviceaccount name'* ]]
}

@test "a token ends with its account, also when that is made again" {
    local token
    kubectl create serviceaccount robot -n demo
    token=$(kubectl create token robot -n demo)
    [ "$(whoami "$token")" = system:serviceaccount:demo:robot ]
    kubectl delete serviceaccount robot -n demo
    kubectl create serviceaccount robot -n demo
    within 5 unauthorized "$token"
}

@test "the discovery documents let anybody with an account verify tokens" {
    local token
    token=$(kubectl create token default -n demo)
    kubectl create token default -n demo >"$D/sa.token"
    run -0 api /.well-known/openid-configuration -H "Authorization: Bearer $token"
    [ "${lines[0]}" = 200 ]
    [[ $output == *'"issuer":"https://kubernetes.default.svc"'* && $output == *'/openid/v1/jwks"'* ]]
    api /openid/v1/jwks -H "Authorization: Bearer $token" | tail -n 1 >"$D/jwks.json"
    run -0 python3 - "$D/jwks.json" "$token" <<'P'
import base64, json, subprocess, sys, tempfile
raw = lambda text: base64.urlsafe_b64decode(text + "==")
head, body, signature = sys.argv[2].split(".")
[key] = [k for k in json.load(open(sys.argv[1]))["keys"] if k["kid"] == json.loads(raw(head))["kid"]]
assert key["kty"] == "EC" and key["crv"] == "P-256" and key["use"] == "sig", key
prefix = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")  # SubjectPublicKeyInfo, P-256
number = lambda b: (lambda n: b"\2" + bytes([len(n)]) + n)((b"\0" if b[0] > 127 else b"") + b)
r, s = (raw(signature)[i:i + 32].lstrip(b"\0") for i in (0, 32))
der = number(r) + number(s)
with tempfile.TemporaryDirectory() as d:
    open(d + "/pub", "wb").write(prefix + raw(key["x"]) + raw(key["y"]))
    open(d + "/sig", "wb").write(b"\x30" + bytes([len(der)]) + der)
    subprocess.run(["openssl", "pkey", "-pubin", "-inform", "DER", "-in", d + "/pub", "-out", d + "/pem"], check=True)
    subprocess.run(["openssl", "dgst", "-sha256", "-verify", d + "/pem", "-signature", d + "/sig"],
                   input=f"{head}.{body}".encode(), check=True)
P
}

@test "OpenID Connect: a token of the provider is a user with groups" {
    run -0 whoami "$(token "$(claims)")"
    [ "$output" = "$ISSUER#ann" ]
    run -0 kubectl --kubeconfig "$D/nobody.conf" auth whoami -o yaml --token "$(token --alg ES256 \
        "$(claims '"groups":["a","b"],"jti":"t1","aud":["x","me"]')")"
    [[ $output == *"- oidc:a"*"- oidc:b"*"- system:authenticated"* && $output == *"JTI=t1"* ]]
    [ "$(whoami "$(token --kid "" "$(claims)")")" = "$ISSUER#ann" ] # Any of the keys may fit.
    kubectl create clusterrolebinding oidc-readers --clusterrole view --group oidc:a
    run -0 kubectl --kubeconfig "$D/nobody.conf" get pods -n demo --token "$(token "$(claims '"groups":"a"')")"
    run -1 kubectl --kubeconfig "$D/nobody.conf" get pods -n demo --token "$(token "$(claims '"groups":"b"')")"
}

@test "OpenID Connect: what is not signed by the provider's keys is refused" {
    unauthorized "$(token --alg none "$(claims)")"
    unauthorized "$(token --alg HS256 "$(claims)")" # The public key as the secret of an HMAC.
    unauthorized "$(token --alg HS256 --kid of-no-use "$(claims)")"
    unauthorized "$(token --kid ec-1 "$(claims)")" # RS256 by the name of the key for ES256.
    unauthorized "$(token --kid unknown "$(claims)")"
    openssl genrsa -out "$D/forged.key" 2048 2>/dev/null
    unauthorized "$(token --key "$D/forged.key" "$(claims)")"
    unauthorized "$(token "$(claims)" | sed 's/.....$/AAAAA/')"
}

@test "OpenID Connect: issuer, audience, times and required claims" {
    unauthorized "$(token "$(claims '"aud":"you"')")"
    unauthorized "$(token "$(claims '"aud":null')")"
    unauthorized "$(token "$(claims '"iss":"https://elsewhere"')")"
    unauthorized "$(token "$(claims "\"exp\":$(($(date +%s) - 5))")")"
    unauthorized "$(token "$(claims '"exp":null')")"
    unauthorized "$(token "$(claims "\"nbf\":$(($(date +%s) + 3600))")")"
    unauthorized "$(token "$(claims '"tenant":"green"')")"
    unauthorized "$(token "$(claims '"tenant":null')")"
    unauthorized "$(token "$(claims '"sub":null')")"
    unauthorized "$(token "$(claims '"groups":[1]')")"
}

@test "a front proxy says who asks" {
    run -0 review --cert "$D/front.crt" --key "$D/front.key" -H "X-Remote-User: bob" -H "X-Remote-Group: g1" \
        -H "X-Remote-Group: g2" -H "X-Remote-Extra-Acme.Com%2fScope: s1" -H "X-Remote-Extra-Acme.Com%2fScope: s2"
    [ "${lines[0]}" = 201 ]
    [[ $output == *'"username":"bob"'* && $output == *'"groups":["g1","g2","system:authenticated"]'* ]]
    [[ $output == *'"acme.com/scope":["s1","s2"]'* ]]
    run -0 review --cert "$D/front.crt" --key "$D/front.key" -H "X-Remote-User: system:anonymous" \
        -H "X-Remote-Group: system:unauthenticated"
    [ "${lines[0]}" = 403 ] # Who is nobody there is nobody here.
}

@test "headers of a front proxy mean nothing from anybody else" {
    local who name
    for who in other-front front-server stranger; do # Another name, a certificate for servers, another CA.
        run -0 review --cert "$D/$who.crt" --key "$D/$who.key" -H "X-Remote-User: bob"
        [ "${lines[0]}" = 401 ] || { echo "$who: $output"; return 1; }
    done
    run -0 review --cert "$D/front.crt" --key "$D/front.key" # The proxy is no user itself.
    [ "${lines[0]}" = 401 ]
    run -0 review --cert "$D/jane.crt" --key "$D/jane.key" -H "X-Remote-User: bob" -H "X-Remote-Group: system:masters"
    [[ $output == *'"username":"jane"'* && $output != *masters* ]]
    run -0 review -H "X-Remote-User: bob"
    [ "${lines[0]}" = 403 ]
}

@test "impersonation needs the right to, for each part" {
    run -0 kubectl auth whoami -o yaml --as ann --as-group readers --as-uid u7
    [[ $output == *"username: ann"* && $output == *"- readers"*"- system:authenticated"* && $output == *"uid: u7"* ]]
    run -0 kubectl auth whoami -o yaml --as system:serviceaccount:demo:default
    [[ $output == *"- system:serviceaccounts"*"- system:serviceaccounts:demo"* ]]
    run -1 as_jane get pods --as ann
    [[ $output == *'users "ann" is forbidden: User "jane" cannot impersonate resource "users"'* ]]
    kubectl create clusterrole act-as-ann --verb impersonate --resource users --resource-name ann
    kubectl create clusterrolebinding jane-as-ann --clusterrole act-as-ann --user jane
    run -0 as_jane auth whoami --as ann
    run -1 as_jane get pods --as ann --as-group system:masters
    [[ $output == *'groups "system:masters" is forbidden'* ]]
    run -1 as_jane get pods --as zoe
    [[ $output == *'users "zoe" is forbidden'* ]]
    run -0 api '/api/v1/pods?a=<' --cert "$D/n1/pki/admin.crt" --key "$D/n1/pki/admin.key" -D "$BATS_TEST_TMPDIR/head" \
        -H 'Impersonate-Group: readers' -H 'Impersonate-Extra-Scopes: view' -H 'Impersonate-Uid: u7'
    [ "${lines[0]}" = 500 ]
    [ "${lines[1]}" = 'Internal Server Error: "/api/v1/pods?a=&lt;": requested [{Group  readers    } {UserExtra  view  authentication.k8s.io/v1  scopes} {UID  u7  authentication.k8s.io/v1  }] without impersonating a user' ]
    grep -i '^content-type: text/plain; charset=utf-8' "$BATS_TEST_TMPDIR/head"
    grep -i '^x-content-type-options: nosniff' "$BATS_TEST_TMPDIR/head"
}

@test "kubectl auth can-i, also --list" {
    kubectl create role reader -n demo --verb get,list --resource pods,deployments.apps
    kubectl create rolebinding jane-reads -n demo --role reader --user jane
    [ "$(as_jane auth can-i list pods -n demo)" = yes ]
    run -1 as_jane auth can-i delete pods -n demo
    run -1 as_jane auth can-i list pods
    run -0 as_jane auth can-i --list -n demo
    [[ $output =~ pods\ +\[\]\ +\[\]\ +\[get\ list\] ]]
    [[ $output =~ deployments.apps\ +\[\]\ +\[\]\ +\[get\ list\] ]]
    [[ $output =~ selfsubjectreviews.authentication.k8s.io\ +\[\]\ +\[\]\ +\[create\] ]]
    [[ $output =~ \[/healthz\]\ +\[\]\ +\[get\] ]]
    run -0 kubectl auth can-i --list --as system:serviceaccount:demo:default
    [ "$(kubectl auth can-i '*' '*')" = yes ]
}

@test "nobody gives more than he has, unless he may escalate or bind" {
    kubectl create clusterrole role-maker --verb create,update,get,patch --resource roles,rolebindings
    kubectl create clusterrolebinding jane-makes-roles --clusterrole role-maker --user jane
    kubectl create clusterrole secret-reader --verb get --resource secrets
    run -1 as_jane create role sly -n demo --verb get --resource secrets
    [[ $output == *'is attempting to grant RBAC permissions not currently held'* ]]
    run -1 as_jane create rolebinding sly -n demo --clusterrole secret-reader --user jane
    [[ $output == *'is attempting to grant RBAC permissions not currently held'* ]]
    run -0 as_jane create role fair -n demo --verb get --resource pods
    kubectl create clusterrole may-bind --verb bind --resource clusterroles --resource-name secret-reader
    kubectl create rolebinding jane-may-bind -n demo --clusterrole may-bind --user jane
    run -0 as_jane create rolebinding given -n demo --clusterrole secret-reader --user zoe
    kubectl create clusterrole may-escalate --verb escalate --resource roles
    kubectl create rolebinding jane-may-escalate -n demo --clusterrole may-escalate --user jane
    run -0 as_jane create role sly -n demo --verb get --resource secrets
}

@test "an aggregated role holds the rules of those that its selector names" {
    kubectl create -f - <<Y
{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": "monitoring"},
 "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"to-monitoring": "true"}}]}, "rules": []}
Y
    kubectl create clusterrolebinding zoe-monitors --clusterrole monitoring --user zoe
    run -1 kubectl auth can-i get endpoints --as zoe
    kubectl create clusterrole watch-endpoints --verb get --resource endpoints
    kubectl label clusterrole watch-endpoints to-monitoring=true
    within 10 kubectl auth can-i get endpoints --as zoe
    kubectl label clusterrole watch-endpoints rbac.authorization.k8s.io/aggregate-to-view=true
    kubectl delete clusterrole watch-endpoints
    gone() { ! kubectl auth can-i get endpoints --as zoe; }
    within 10 gone
}

@test "kube-public/cluster-info can be read by anybody, and is signed by bootstrap tokens" {
    local at="$API/api/v1/namespaces/kube-public/configmaps/cluster-info"
    within 20 curl -sfk "$at"
    [ "$(curl -sk "$at" | jq -r .data.kubeconfig | grep -c "server: $API")" = 1 ]
    [ "$(curl -sk -o "$BATS_TEST_TMPDIR/out" -w '%{http_code}' "$API/api/v1/namespaces/kube-public/configmaps")" = 403 ]
    kubectl apply -f - <<'END'
{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bootstrap-token-signer", "namespace": "kube-system"},
 "type": "bootstrap.kubernetes.io/token", "stringData": {"token-id": "signer", "token-secret": "0123456789abcdef",
 "usage-bootstrap-signing": "true"}}
END
    within 5 sh -c "curl -sk '$at' | jq -er '.data[\"jws-kubeconfig-signer\"]'"
    local header signature text
    IFS=. read -r header _ signature < <(curl -sk "$at" | jq -r '.data["jws-kubeconfig-signer"]')
    text=$(curl -sk "$at" | jq -j .data.kubeconfig | base64 -w0 | tr '+/' '-_' | tr -d =)
    [ "$(printf '%s.%s' "$header" "$text" | openssl dgst -sha256 -hmac 0123456789abcdef -binary | base64 -w0 | tr '+/' '-_' | tr -d =)" = "$signature" ]
    kubectl delete secret bootstrap-token-signer -n kube-system
    within 5 sh -c "! curl -sk '$at' | grep -q jws-kubeconfig-signer"
}

@test "a bootstrap token has its groups, its usages and its end" {
    kubectl create -f - <<'Y'
{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "bootstrap-token-abcdef", "namespace": "kube-system"},
 "type": "bootstrap.kubernetes.io/token", "stringData": {"token-id": "abcdef", "token-secret": "0123456789abcdef",
 "usage-bootstrap-authentication": "true", "auth-extra-groups": "system:bootstrappers:new:nodes"}}
Y
    run -0 kubectl --kubeconfig "$D/nobody.conf" auth whoami -o yaml --token abcdef.0123456789abcdef
    [[ $output == *"username: system:bootstrap:abcdef"* ]]
    [[ $output == *"- system:bootstrappers"*"- system:bootstrappers:new:nodes"*"- system:authenticated"* ]]
    unauthorized abcdef.0123456789abcdee
    unauthorized abcdee.0123456789abcdef
    kubectl patch secret bootstrap-token-abcdef -n kube-system -p '{"stringData": {"expiration": "2020-01-01T00:00:00Z"}}'
    within 5 unauthorized abcdef.0123456789abcdef
}

@test "rubbish in place of a token is refused, not taken for nobody" {
    unauthorized rubbish
    unauthorized a.b.c
    unauthorized "$(printf 'x%.0s' {1..9000})"
    run -0 api /version -H "Authorization: Bearer rubbish"
    [ "${lines[0]}" = 401 ]
}

@test "the last use of a token in a Secret is noted, and it can be taken out of use" {
    local token today
    today=$(date -u +%F)
    kubectl create serviceaccount keeper -n default
    kubectl apply -f - <<-END
	apiVersion: v1
	kind: Secret
	type: kubernetes.io/service-account-token
	metadata: {name: keeper-token, namespace: default, annotations: {kubernetes.io/service-account.name: keeper}}
	END
    filled() { [ -n "$(kubectl get secret keeper-token -n default -o 'jsonpath={.data.token}')" ]; }
    within 10 filled
    token=$(kubectl get secret keeper-token -n default -o 'jsonpath={.data.token}' | base64 -d)
    label() { kubectl get secret keeper-token -n default -o "jsonpath={.metadata.labels.kubernetes\.io/legacy-token-$1}"; }
    [ -z "$(label last-used)" ]
    [ "$(whoami "$token")" = system:serviceaccount:default:keeper ]
    noted() { [ "$(label last-used)" = "$today" ] || [ "$(label last-used)" = "$(date -u +%F)" ]; }
    within 5 noted
    [[ $(kubectl get configmap kube-apiserver-legacy-service-account-token-tracking -n kube-system -o 'jsonpath={.data.since}') == 20??-??-?? ]]

    warned() { kubectl --token "$token" --kubeconfig "$D/nobody.conf" version 2>&1 | grep -q "auto-generated secret-based tokens"; }
    run ! warned
    kubectl patch serviceaccount keeper -n default -p '{"secrets": [{"name": "keeper-token"}]}'
    within 5 warned
    kubectl label secret keeper-token -n default kubernetes.io/legacy-token-invalid-since="$today"
    refused() { [[ $(whoami "$token") == *nauthorized* ]]; }
    within 5 refused
    kubectl label secret keeper-token -n default kubernetes.io/legacy-token-invalid-since-
    accepted() { [[ $(whoami "$token") == *system:serviceaccount:default:keeper ]]; } # After the warning.
    within 5 accepted
    kubectl get --raw /metrics | grep -q '^serviceaccount_legacy_tokens_total [1-9]'
    kubectl get --raw /metrics | grep -q '^serviceaccount_invalid_legacy_auto_token_uses_total [1-9]'
    kubectl delete serviceaccount keeper -n default
}
