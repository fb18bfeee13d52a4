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
    cp "$D/admin.conf" "$D/nobody.conf"
    KUBECONFIG=$D/nobody.conf kubectl config unset users
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

@test "a file that is wrong, or beside the flags that it replaces, keeps the server from starting" {
    local common=(--name n2 --data-dir "$D/n2" --api-listen "$HOST:7443" --etcd-listen "http://$HOST:7379"
        --peer-url "http://$HOST:7380" --initial-cluster "n2=http://$HOST:7380")
    sed 's/requiredValue/expression/' "$D/authentication.yaml" >"$D/wrong.yaml"
    run ! "$CORACLE" server "${common[@]}" --authentication-config "$D/wrong.yaml"
    [[ $output == *"--authentication-config: jwt[1].claimValidationRules[0].expression: unknown field"* ]]
    run ! "$CORACLE" server "${common[@]}" --authentication-config "$D/authentication.yaml" \
        --oidc-issuer-url https://a.test --oidc-client-id me
    [[ $output == *"only one of them"* ]]
}
