# Who may issue tokens and where nobody may ask, by an AuthenticationConfiguration: a real provider beside one that
# cannot be reached.
bats_require_minimum_version 1.5.0

setup_file() {
    load server
    start_provider
    cat >"$D/authentication.yaml" <<-END
	apiVersion: apiserver.config.k8s.io/v1beta1
	kind: AuthenticationConfiguration
	jwt:
	- issuer: {url: "https://127.0.45.99:8443", audiences: [me]}
	  claimMappings: {username: {claim: sub, prefix: "other:"}}
	- issuer:
	    url: $ISSUER
	    audiences: [me, you]
	    audienceMatchPolicy: MatchAny
	    certificateAuthority: |
	$(sed 's/^/      /' "$D/provider/tls.crt")
	  claimMappings:
	    username: {claim: sub, prefix: "p:"}
	    groups: {claim: groups, prefix: "g:"}
	  claimValidationRules:
	  - {claim: tenant, requiredValue: blue}
	anonymous:
	  enabled: true
	  conditions: [{path: /readyz}, {path: /version}]
	END
    start_server n1 "$HOST" --authentication-config "$D/authentication.yaml"
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
    [ "$BATS_TEST_COMPLETED" = 1 ] || tail -n 20 "$D/n1.log"
}

claims() { echo "{\"iss\":\"$1\",\"aud\":\"$2\",\"sub\":\"ann\",\"tenant\":\"$3\",\"groups\":[\"a\"]}"; }

@test "a token of one of the issuers is somebody, by its mappings" {
    known() { [ "$(whoami "$(token "$(claims "$ISSUER" me blue)")")" = p:ann ]; }
    within 10 known
    [ "$(whoami "$(token --alg ES256 "$(claims "$ISSUER" you blue)")")" = p:ann ]
    run -0 kubectl --kubeconfig "$D/nobody.conf" --token "$(token "$(claims "$ISSUER" me blue)")" auth whoami -o yaml
    [[ $output == *"- g:a"* ]]
}

@test "tokens for others, without what is required, or of an issuer whose keys are not known are nobody's" {
    local token
    for token in "$(token "$(claims "$ISSUER" them blue)")" "$(token "$(claims "$ISSUER" me red)")" \
        "$(token "$(claims https://127.0.45.99:8443 me blue)")" "$(token "$(claims https://elsewhere.test me blue)")"; do
        [[ $(whoami "$token") == *"must be logged in to the server"* ]]
    done
}

@test "nobody may ask for the paths that are named, and for nothing else" {
    [ "$(api /readyz | head -n 1)" = 200 ]
    [ "$(api /version | head -n 1)" = 200 ]
    [ "$(api /livez | head -n 1)" = 401 ]
    [ "$(api /api/v1/pods | head -n 1)" = 401 ]
}

reloads() { # success|failure: how often
    kubectl get --raw /metrics | sed -n "s/^apiserver_authentication_config_controller_automatic_reloads_total{.*status=\"$1\"} //p"
}
reloaded() { [ "$(reloads "$1")" = "$2" ]; }

# The file without the issuer that cannot be reached, and with these mappings and rules.
write_expressions() {
    cat >"$D/next.yaml" <<-END
	apiVersion: apiserver.config.k8s.io/v1beta1
	kind: AuthenticationConfiguration
	jwt:
	- issuer:
	    url: $ISSUER
	    discoveryURL: $ISSUER/elsewhere
	    audiences: [me]
	    certificateAuthority: |
	$(sed 's/^/      /' "$D/provider/tls.crt")
	  claimMappings:
	    username: {expression: '"x:" + claims.sub'}
	    groups: {expression: 'claims.groups.map(g, "team-" + g)'}
	    uid: {expression: 'claims.?id.orValue("none")'}
	    extra: [{key: example.org/tenant, valueExpression: claims.tenant}]
	  claimValidationRules: [{expression: 'claims.tenant != "red"', message: not red}]
	  userValidationRules: [{expression: '!user.username.endsWith("root")'}]
	anonymous:
	  enabled: true
	  conditions: [{path: /readyz}, {path: $1}]
	END
    mv "$D/next.yaml" "$D/authentication.yaml"
}

@test "a changed file that is wrong, or lets nobody in elsewhere, is not taken" {
    cp "$D/authentication.yaml" "$D/good.yaml"
    echo "jwt: [{}]" >"$D/next.yaml"
    mv "$D/next.yaml" "$D/authentication.yaml"
    within 10 reloaded failure 1
    write_expressions /livez
    within 10 reloaded failure 2
    [ "$(whoami "$(token "$(claims "$ISSUER" me blue)")")" = p:ann ]
    [ "$(api /livez | head -n 1)" = 401 ]
    grep -q 'kept as it was.*anonymous: changes need a restart' "$D/n1.log"
}

@test "a good one takes the place of the one before, with its expressions" {
    write_expressions /version
    within 15 reloaded success 1
    run -0 kubectl --kubeconfig "$D/nobody.conf" --token "$(token --alg PS384 "$(claims "$ISSUER" me blue)")" auth whoami -o yaml
    [[ $output == *"example.org/tenant:"*"- blue"*"- team-a"*"uid: none"*"username: x:ann"* ]]
    [[ $(whoami "$(token "$(claims "$ISSUER" me red)")") == *"must be logged in to the server"* ]]
    [[ $(whoami "$(token "$(claims "$ISSUER" me blue | sed 's/ann/root/')")") == *"must be logged in"* ]]
    [[ $(whoami "$(token "$(claims "$ISSUER" you blue)")") == *"must be logged in"* ]]
}

@test "a file that is wrong, or beside the flags that it replaces, keeps the server from starting" {
    local common=(--name n2 --data-dir "$D/n2" --api-listen "$HOST:7443" --etcd-listen "http://$HOST:7379"
        --peer-url "http://$HOST:7380" --initial-cluster "n2=http://$HOST:7380")
    sed 's/requiredValue/required/' "$D/good.yaml" >"$D/wrong.yaml"
    run ! timeout 60 "$CORACLE" server "${common[@]}" --authentication-config "$D/wrong.yaml"
    [[ $output == *"--authentication-config: jwt[1].claimValidationRules[0].required: unknown field"* ]]
    run ! timeout 60 "$CORACLE" server "${common[@]}" --authentication-config "$D/good.yaml" \
        --oidc-issuer-url https://a.test --oidc-client-id me
    [[ $output == *"only one of them"* ]]
}
