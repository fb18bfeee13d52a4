# Who decides about requests, by an AuthorizationConfiguration: a webhook between the Node authorizer and RBAC, and what
# happens when it is slow, wrong, or put elsewhere.
bats_require_minimum_version 1.5.0

# write_config POLICY CONDITION: webhook and RBAC; moved into place at once.
write_config() {
    cat >"$D/next.yaml" <<-END
	apiVersion: apiserver.config.k8s.io/v1
	kind: AuthorizationConfiguration
	authorizers:
	- {type: Node, name: node}
	- type: Webhook
	  name: hook.test
	  webhook:
	    timeout: 30s
	    authorizedTTL: 10ms
	    unauthorizedTTL: 10ms
	    subjectAccessReviewVersion: v1
	    matchConditionSubjectAccessReviewVersion: v1
	    failurePolicy: $1
	    connectionInfo: {type: KubeConfigFile, kubeConfigFile: $D/reviewer-access.conf}
	    matchConditions:
	    - expression: $2
	- {type: RBAC, name: rbac}
	END
    mv "$D/next.yaml" "$D/authorization.yaml"
}

setup_file() {
    load server
    start_reviewer
    write_config NoOpinion "request.user.startsWith('hook-') || (has(request.resourceAttributes) && request.resourceAttributes.resource == 'gongs') || (has(request.resourceAttributes) && has(request.resourceAttributes.fieldSelector) && request.resourceAttributes.fieldSelector.requirements.exists(r, r.key == 'type' && r.values == ['hidden']))"
    start_server n1 "$HOST" --authorization-config "$D/authorization.yaml"
    write_kubeconfig n1 "$HOST"
    write_nobody
    make_cert ann "$D/n1/pki/ca" /CN=hook-ann/O=builders
    make_cert jane "$D/n1/pki/ca" /CN=jane
    within 20 kubectl get serviceaccount default -n default
    kubectl create clusterrolebinding views --clusterrole view --user hook-ann --user jane
}

teardown_file() {
    load server
    end_all
}

setup() {
    load server
    decide none
}

teardown() {
    [ "$BATS_TEST_COMPLETED" = 1 ] || tail -n 20 "$D/n1.log" "$D/reviewer/log"
}

decide() {
    echo "$1" >"$D/reviewer/decision"
    sleep 0.02 # What was decided before is forgotten by then.
}
as() { # NAME ARGUMENT...
    local name=$1
    shift
    kubectl --kubeconfig "$D/nobody.conf" --client-certificate "$D/$name.crt" --client-key "$D/$name.key" "$@"
}
metric() { kubectl get --raw /metrics | grep -F "$1" | sed 's/.* //'; }

@test "without an opinion of the webhook RBAC decides" {
    run -0 as ann get pods
    run -1 as ann get secrets
    [[ $output == *'User "hook-ann" cannot list resource "secrets"'*"decided to none"* ]]
    run -0 tail -n 1 "$D/reviewer/asked"
    [[ $output == *'"groups": ["builders", "system:authenticated"]'*'"namespace": "default", "resource": "secrets", "verb": "list", "version": "v1"'*'"user": "hook-ann"'* ]]
}

@test "what it allows is allowed, what it denies is denied, whatever RBAC says" {
    decide allow
    run -0 as ann get secrets
    decide deny
    run -1 as ann get pods
    [[ $output == *"decided to deny"* ]]
    [ "$(metric 'apiserver_authorization_decisions_total{decision="allowed",name="hook.test",type="Webhook"}')" -ge 1 ]
    [ "$(metric 'apiserver_authorization_decisions_total{decision="denied",name="hook.test",type="Webhook"}')" -ge 1 ]
    [ "$(metric 'apiserver_authorization_decisions_total{decision="allowed",name="rbac",type="RBAC"}')" -ge 1 ]
    [ "$(metric 'apiserver_authorization_webhook_evaluations_total{name="hook.test",result="success"}')" -ge 2 ]
}

@test "whoever the conditions leave out is not asked about" {
    local before
    decide deny
    before=$(asked)
    run -0 as jane get pods
    [ "$(asked)" = "$before" ]
    [ "$(metric 'apiserver_authorization_match_condition_exclusions_total{name="hook.test",type="Webhook"}')" -ge 1 ]
}

@test "reviews of access ask it, too" {
    decide allow
    run -0 as ann auth can-i delete nodes
    [[ $output == *yes ]]
    run -0 kubectl auth can-i delete nodes --as hook-bob
    decide deny
    run -1 as ann auth can-i list pods
    decide none
    run -0 as ann auth can-i --list
    [[ $output == *"webhook authorizer does not support user rule resolution"* ]]
}

@test "it is told what a list is narrowed to, and reviews say it, too" {
    decide allow
    run -0 as ann get secrets -l 'a in (y,x),!b' --field-selector type=Opaque
    run -0 tail -n 1 "$D/reviewer/asked"
    [[ $output == *'"fieldSelector": {"requirements": [{"key": "type", "operator": "In", "values": ["Opaque"]}]}'* ]]
    [[ $output == *'"labelSelector": {"requirements": [{"key": "a", "operator": "In", "values": ["x", "y"]}, {"key": "b", "operator": "DoesNotExist"}]}'* ]]
    review() { # FIELD-SELECTOR
        kubectl create -o 'jsonpath={.status.denied}/{.status.evaluationError}' -f - <<-END
	apiVersion: authorization.k8s.io/v1
	kind: SubjectAccessReview
	spec: {user: hook-ann, resourceAttributes: {verb: list, resource: secrets, fieldSelector: $1}}
	END
    }
    decide deny
    run -0 review '{requirements: [{key: type, operator: NotIn, values: [x]}]}'
    [ "$output" = true/ ]
    run -0 tail -n 1 "$D/reviewer/asked"
    [[ $output == *'"fieldSelector": {"requirements": [{"key": "type", "operator": "NotIn", "values": ["x"]}]}'*'"version": "*"'* ]]
    run -0 review '{rawSelector: "what?"}'
    [ "$output" = 'true/spec.resourceAttributes.fieldSelector ignored due to parse error' ]
    run -1 review '{}'
    [[ $output == *'spec.resourceAttributes.fieldSelector.requirements: Required value: when spec.resourceAttributes.fieldSelector is specified, requirements or rawSelector is required'* ]]
}

@test "conditions see the selectors" {
    local before
    kubectl create clusterrolebinding reads --clusterrole cluster-admin --user jane
    decide deny
    run -1 as jane get secrets --field-selector type=hidden
    [[ $output == *"decided to deny"* ]]
    before=$(asked)
    run -0 as jane get secrets --field-selector type=Opaque
    [ "$(asked)" = "$before" ]
    kubectl delete clusterrolebinding reads
}

@test "impersonation asks for each part" {
    decide allow
    run -0 as ann --as eve --as-group a --as-group b auth whoami -o 'jsonpath={.status.userInfo.username}'
    [ "$output" = eve ]
    grep -q '"name": "b", "resource": "groups", "verb": "impersonate"' "$D/reviewer/asked"
    decide none
    run -1 as ann --as eve get pods
    [[ $output == *'User "hook-ann" cannot impersonate resource "users"'* ]]
}

@test "who grants what he does not have needs its leave, and the write waits for it" {
    decide allow
    run -0 as ann create clusterrole all --verb '*' --resource '*'
    grep -q '"resource": "clusterroles", "verb": "escalate"' "$D/reviewer/asked"
    run -0 as ann create clusterrolebinding all --clusterrole all --user hook-eve
    grep -q '"name": "all", "resource": "clusterroles", "verb": "bind"' "$D/reviewer/asked"
}

@test "policies that ask for authorization wait for it" {
    kubectl apply -f - <<-END
	apiVersion: admissionregistration.k8s.io/v1
	kind: ValidatingAdmissionPolicy
	metadata: {name: leave}
	spec:
	  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]}
	  validations: [{expression: 'authorizer.group("").resource("bells").labelSelector("tone=low").check("ring").allowed()', message: may not ring}]
	---
	apiVersion: admissionregistration.k8s.io/v1
	kind: ValidatingAdmissionPolicyBinding
	metadata: {name: leave}
	spec: {policyName: leave, validationActions: [Deny], matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: default}}}}
	END
    decide allow
    within 10 as ann create configmap rung
    grep -q '"labelSelector": {"requirements": \[{"key": "tone", "operator": "In", "values": \["low"\]}\]}, "resource": "bells", "verb": "ring"' "$D/reviewer/asked"
    kubectl create rolebinding edits --clusterrole edit --user hook-ann
    decide none
    refused() { as ann create configmap silent 2>&1 | grep -q "may not ring"; }
    within 10 refused
    kubectl delete validatingadmissionpolicybinding leave
}

@test "who impersonates a ServiceAccount with other groups is another user to a policy than that account" {
    kubectl apply -f - <<-END
	apiVersion: admissionregistration.k8s.io/v1
	kind: ValidatingAdmissionPolicy
	metadata: {name: two}
	spec:
	  matchConstraints: {resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]}
	  matchConditions: [{name: named, expression: object.metadata.name.startsWith("gong")}]
	  variables:
	  - {name: sent, expression: 'authorizer.group("").resource("gongs").check("ring")'}
	  - {name: account, expression: 'authorizer.serviceAccount("default", "ringer").group("").resource("gongs").check("ring")'}
	  validations: [{expression: variables.sent.allowed() && variables.account.allowed(), message: may not ring}]
	---
	apiVersion: admissionregistration.k8s.io/v1
	kind: ValidatingAdmissionPolicyBinding
	metadata: {name: two}
	spec: {policyName: two, validationActions: [Deny], matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: default}}}}
	END
    kubectl create rolebinding gongs --clusterrole edit --group gongers
    decide allow
    ring() {
        kubectl create configmap "gong$RANDOM" --as system:serviceaccount:default:ringer --as-group gongers &&
            grep '"resource": "gongs"' "$D/reviewer/asked" | grep gongers
    }
    within 10 ring
    grep '"resource": "gongs"' "$D/reviewer/asked" | grep -v gongers | grep -q '"user": "system:serviceaccount:default:ringer"'
    kubectl delete validatingadmissionpolicybinding two
}

@test "a failure is no opinion, and an error where nobody else allows it" {
    local answer
    for answer in refuse nonsense; do
        decide $answer
        run -0 as ann get pods
        run -1 as ann get nodes
        [[ $output == *"Internal Server Error: "*"webhook authorizer"* ]]
    done
    [ "$(metric 'apiserver_authorization_webhook_evaluations_fail_open_total{name="hook.test",result="error"}')" -ge 2 ]
}

@test "a slow webhook holds only those who need it" {
    local slow before
    rm -f "$D/reviewer/go"
    decide slow
    before=$(asked)
    as ann get nodes >"$D/slow" 2>&1 3>&- &
    slow=$!
    more() { [ "$(asked)" -gt "$before" ]; }
    within 3 more
    api /api/v1/namespaces/default/pods --cert "$D/jane.crt" --key "$D/jane.key" | head -n 1 | grep -qx 200
    [ ! -s "$D/slow" ]
    touch "$D/reviewer/go"
    wait $slow
}

@test "a changed file is taken when it is good" {
    reloads() { metric 'apiserver_authorization_config_controller_automatic_reloads_total' >/dev/null; kubectl get --raw /metrics |
        sed -n "s/^apiserver_authorization_config_controller_automatic_reloads_total{.*status=\"$1\"} //p"; }
    reloaded() { [ "$(reloads "$1")" = "$2" ]; }
    cp "$D/authorization.yaml" "$D/good.yaml"
    write_config Sometimes 'true'
    within 10 reloaded failure 1
    grep -q 'kept as it was.*failurePolicy: must be NoOpinion or Deny' "$D/n1.log"
    write_config Deny 'request.user == "jane"'
    within 10 reloaded success 1
    decide refuse
    run -0 as ann get pods
    run -1 as jane get pods
    [[ $output == *"webhook authorizer"* ]]
    rm "$D/authorization.yaml"
    within 10 reloaded failure 2
    run -1 as jane get pods
}

@test "modes are flags, too" {
    local host=${HOST%.*}.7
    decide allow
    start_server n2 "$host" --authorization-mode Webhook --authorization-webhook-config-file "$D/reviewer-access.conf" \
        --authorization-webhook-cache-authorized-ttl 10ms --authorization-webhook-cache-unauthorized-ttl 10ms
    make_cert eve "$D/n2/pki/ca" /CN=eve
    as_eve() {
        kubectl --server "https://$host:6443" --certificate-authority "$D/n2/pki/ca.crt" --client-certificate "$D/eve.crt" \
            --client-key "$D/eve.key" --kubeconfig /dev/null "$@"
    }
    run -0 as_eve get nodes
    grep -q '"apiVersion": "authorization.k8s.io/v1beta1".*"group": \["system:authenticated"\].*"user": "eve"' "$D/reviewer/asked"
    decide none
    run -1 as_eve get nodes
    end n2
}

@test "policies of a file decide" {
    local host=${HOST%.*}.8
    policy() {
        echo "{\"apiVersion\":\"abac.authorization.kubernetes.io/v1beta1\",\"kind\":\"Policy\",\"spec\":$1}"
    }
    { echo "# who may what"
        policy '{"user":"eve","namespace":"shop","resource":"configmaps"}'
        policy '{"user":"*","nonResourcePath":"*"}'
        policy '{"user":"*","namespace":"*","resource":"*","apiGroup":"*","readonly":true}'; } >"$D/policies.jsonl"
    start_server n4 "$host" --authorization-mode Node,RBAC,ABAC --authorization-policy-file "$D/policies.jsonl"
    make_cert eve4 "$D/n4/pki/ca" /CN=eve
    kubectl --server "https://$host:6443" --certificate-authority "$D/n4/pki/ca.crt" --kubeconfig /dev/null \
        --client-certificate "$D/n4/pki/admin.crt" --client-key "$D/n4/pki/admin.key" create namespace shop
    as_eve() {
        kubectl --server "https://$host:6443" --certificate-authority "$D/n4/pki/ca.crt" --client-certificate "$D/eve4.crt" \
            --client-key "$D/eve4.key" --kubeconfig /dev/null "$@"
    }
    run -0 as_eve -n shop create configmap c
    run -0 as_eve get nodes
    run -1 as_eve -n shop create serviceaccount s
    [[ $output == *'cannot create resource "serviceaccounts" in API group "" in the namespace "shop": No policy matched.'* ]]
    run -0 as_eve -n shop auth can-i --list
    [[ $output == *configmaps* ]]
    end n4
}

@test "flags that cannot be right keep the server from starting" {
    local common=(--name n3 --data-dir "$D/n3" --api-listen "$HOST:7443" --etcd-listen "http://$HOST:7379"
        --peer-url "http://$HOST:7380" --initial-cluster "n3=http://$HOST:7380")
    run ! timeout 60 "$CORACLE" server "${common[@]}" --authorization-config "$D/good.yaml" --authorization-mode RBAC
    [[ $output == *"only one of them"* ]]
    run ! timeout 60 "$CORACLE" server "${common[@]}" --authorization-mode Webhook
    [[ $output == *"needs --authorization-webhook-config-file"* ]]
    run ! timeout 60 "$CORACLE" server "${common[@]}" --authorization-mode ABAC
    [[ $output == *"--authorization-mode=ABAC needs --authorization-policy-file"* ]]
    echo '{"user":"eve"}' >"$D/wrong.jsonl"
    run ! timeout 60 "$CORACLE" server "${common[@]}" --authorization-mode ABAC --authorization-policy-file "$D/wrong.jsonl"
    [[ $output == *"--authorization-policy-file: line 1: "* ]]
    sed 's,reviewer-access,none,' "$D/good.yaml" >"$D/wrong.yaml"
    run ! timeout 60 "$CORACLE" server "${common[@]}" --authorization-config "$D/wrong.yaml"
    [[ $output == *"--authorization-config: authorizers[1]: "*"none.conf"* ]]
}
