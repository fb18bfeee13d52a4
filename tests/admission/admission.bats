# Quotas, webhooks and policies as a user meets them: a real kubectl, a real server, a webhook in another language.
bats_require_minimum_version 1.5.0
export AUTH_HOST=${ADMISSION_HOST:-127.0.47.1}
HOOK_HOST=${ADMISSION_HOOK_HOST:-127.0.47.3}

setup_file() {
    load ../auth/server
    start_hook
    cat >"$D/audit.yaml" <<-'END'
	apiVersion: audit.k8s.io/v1
	kind: Policy
	omitStages: [RequestReceived]
	rules:
	- {level: Request, verbs: [create, update, patch], resources: [{group: "", resources: [configmaps, pods]}]}
	END
    start_server n1 "$HOST" --audit-policy-file "$D/audit.yaml" --audit-log-path "$D/audit.log"
    write_kubeconfig n1 "$HOST"
    within 20 kubectl get serviceaccount default -n default
}

teardown_file() {
    load ../auth/server
    end_all
}

setup() {
    load ../auth/server
    kubectl create namespace "t$BATS_TEST_NUMBER"
    kubectl label namespace "t$BATS_TEST_NUMBER" "test=t$BATS_TEST_NUMBER"
    N=(-n "t$BATS_TEST_NUMBER")
    within 20 kubectl "${N[@]}" get serviceaccount default
}

teardown() {
    [ "$BATS_TEST_COMPLETED" = 1 ] || tail -n 20 "$D/n1.log"
}

# hook mutating|validating NAME PATH [FAILURE-POLICY [CONDITION]]: for ConfigMaps of this test's namespace. It has a second
# to answer only where it will not.
hook() {
    local kind=MutatingWebhookConfiguration
    [ "$1" = mutating ] || kind=ValidatingWebhookConfiguration
    kubectl apply -f - <<END
apiVersion: admissionregistration.k8s.io/v1
kind: $kind
metadata: {name: $2}
webhooks:
  - name: $2.example.com
    clientConfig: {url: "https://$HOOK_HOST:9443$3", caBundle: $(base64 -w0 "$D/hooks.crt")}
    rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [configmaps]}]
    namespaceSelector: {matchLabels: {test: "t$BATS_TEST_NUMBER"}}
    failurePolicy: ${4:-Fail}
    sideEffects: None
    timeoutSeconds: $([ "$3" = /slow ] && echo 1 || echo 20)
    admissionReviewVersions: [v1]
    matchConditions: [{name: asked, expression: "${5:-true}"}]
END
}

@test "a quota is counted, charged, and given back" {
    kubectl "${N[@]}" create quota q --hard=secrets=2,count/deployments.apps=1
    within 10 kubectl "${N[@]}" wait --for=jsonpath='{.status.used.secrets}'=0 quota/q --timeout=5s
    run -0 kubectl "${N[@]}" create secret generic a
    run -0 kubectl "${N[@]}" create secret generic b
    run -1 kubectl "${N[@]}" create secret generic c
    [[ $output == *'secrets "c" is forbidden: exceeded quota: q, requested: secrets=1, used: secrets=2, limited: secrets=2'* ]]
    run -0 kubectl "${N[@]}" delete secret a
    within 10 kubectl "${N[@]}" create secret generic c
}

@test "many clients at once do not get more than the quota has" {
    kubectl "${N[@]}" create quota q --hard=services=7
    within 10 kubectl "${N[@]}" wait --for=jsonpath='{.status.used.services}'=0 quota/q --timeout=5s
    local i pids=()
    for i in $(seq 14); do
        kubectl "${N[@]}" create service clusterip "s$i" --tcp=80 3>&- &
        pids+=($!)
    done
    wait "${pids[@]}" || true
    [ "$(kubectl "${N[@]}" get services -o name | wc -l)" = 7 ]
}

@test "a webhook changes what is stored, and its warnings are shown" {
    hook mutating label /label
    run -0 kubectl "${N[@]}" create configmap a
    [[ $output == *"Warning: you were hooked"* ]]
    [ "$(kubectl "${N[@]}" get configmap a -o 'jsonpath={.metadata.labels.hooked}')" = CREATE ]
    kubectl "${N[@]}" label configmap a x=y
    [ "$(kubectl "${N[@]}" get configmap a -o 'jsonpath={.metadata.labels.hooked}')" = UPDATE ]
}

@test "a webhook that spoils managedFields is warned of, and they stay" {
    hook mutating label /fields
    local word='.metadata.managedFields was in an invalid state after admission; this could be caused by an outdated mutating'
    word+=' admission controller; please fix your requests: invalid fieldsType "FieldsV2" in managed fields entry 0'
    run -0 kubectl "${N[@]}" create configmap a --from-literal x=y --field-manager maker
    [[ $output == *"Warning: $word"* ]]
    run -0 kubectl "${N[@]}" get configmap a -o json --show-managed-fields
    [ "$(jq -c '[.metadata.annotations.hooked, (.metadata.managedFields[] | [.manager, .fieldsType, (.fieldsV1 | keys[])])]' <<<"$output")" = \
        '["yes",["maker","FieldsV1","f:data"]]' ]
    run -0 kubectl "${N[@]}" label configmap a x=y --field-manager changer
    [[ $output == *"Warning: $word"* ]]
    run -0 kubectl "${N[@]}" get configmap a -o 'jsonpath={.metadata.managedFields[*].manager}' --show-managed-fields
    [[ $output == *maker* && $output == *changer* ]]
}

@test "a webhook is asked about everything but what its conditions leave out" {
    hook mutating label /label Fail "object.metadata.name != 'skip-me'"
    hook validating none-such /denyall Fail "object.metadata.name == 'never' && request.operation == 'CREATE'"
    run -0 kubectl "${N[@]}" create configmap skip-me
    run -0 kubectl "${N[@]}" create configmap hook-me
    run -1 kubectl "${N[@]}" create configmap never
    [[ $output == *'denied the request: no CREATE configmaps'* ]]
    [ -z "$(kubectl "${N[@]}" get configmap skip-me -o 'jsonpath={.metadata.labels}')" ]
    [ "$(kubectl "${N[@]}" get configmap hook-me -o 'jsonpath={.metadata.labels.hooked}')" = CREATE ]
    kubectl delete mutatingwebhookconfiguration label
    kubectl delete validatingwebhookconfiguration none-such
}

# annotation NAMESPACE NAME KEY: of the event about that object.
annotation() {
    jq -r "select(.objectRef.namespace == \"$1\" and .objectRef.name == \"$2\") | .annotations[\"$3\"] // empty" "$D/audit.log"
}

@test "the audit log says what webhooks did" {
    hook mutating label /label
    hook validating cut /cut Ignore
    run -0 kubectl "${N[@]}" create configmap a
    noted() { [ -n "$(annotation "${N[1]}" a authorization.k8s.io/decision)" ]; }
    within 10 noted
    [ "$(annotation "${N[1]}" a mutation.webhook.admission.k8s.io/round_0_index_0)" = \
        '{"configuration":"label","webhook":"label.example.com","mutated":true}' ]
    [ "$(annotation "${N[1]}" a patch.webhook.admission.k8s.io/round_0_index_0 | jq -c '[.patch[0].path, .patchType]')" = \
        '["/metadata/labels","JSONPatch"]' ]
    [ "$(annotation "${N[1]}" a label.example.com/by)" = hook.py ]
    [ "$(annotation "${N[1]}" a failed-open.validating.webhook.admission.k8s.io/round_0_index_0)" = cut.example.com ]
    kubectl delete mutatingwebhookconfiguration label
    kubectl delete validatingwebhookconfiguration cut
}

@test "the audit log says how a pod violates the standard that is audited" {
    kubectl label namespace "${N[1]}" pod-security.kubernetes.io/audit=restricted
    kubectl "${N[@]}" run p --image example.org/none
    noted() { [[ $(annotation "${N[1]}" p pod-security.kubernetes.io/audit-violations) == 'would violate PodSecurity "restricted:latest": '* ]]; }
    within 10 noted
    [ "$(annotation "${N[1]}" p pod-security.kubernetes.io/enforce-policy)" = privileged:latest ]
}

@test "a webhook refuses in its own words" {
    hook validating deny /deny
    run -0 kubectl "${N[@]}" create configmap a
    run -1 kubectl "${N[@]}" label configmap a bad=yes
    [[ $output == *'admission webhook "deny.example.com" denied the request: no ConfigMap is bad'* ]]
}

@test "webhooks that are slow, cut off or talk nonsense fail the request, or are ignored" {
    local path
    for path in slow garbage cut; do
        hook validating "bad-$path" "/$path"
        run -1 kubectl "${N[@]}" create configmap "$path"
        [[ $output == *"failed calling webhook \"bad-$path.example.com\": failed to call webhook"* ]]
        hook validating "bad-$path" "/$path" Ignore
        run -0 kubectl "${N[@]}" create configmap "$path"
        kubectl delete validatingwebhookconfiguration "bad-$path"
    done
}

@test "a policy with parameters of a custom kind says what it gets wrong, and tells the audit log" {
    kubectl apply -f - <<END
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: limits.policies.example.com}
spec:
  group: policies.example.com
  scope: Namespaced
  names: {plural: limits, kind: Limit}
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema: {type: object, properties: {most: {type: integer}}}
END
    kubectl wait --for=condition=Established crd/limits.policies.example.com
    kubectl apply -f - <<END
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: custom}
spec:
  paramKind: {apiVersion: policies.example.com/v1, kind: Limit}
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
  validations:
    - {expression: "size(object.data) <= params.most", message: too many}
    - {expression: "has(object.nothing) || true"}
  auditAnnotations: [{key: size, valueExpression: "string(size(object.data))"}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: custom}
spec:
  policyName: custom
  validationActions: [Warn, Audit]
  paramRef: {name: l, parameterNotFoundAction: Deny}
  matchResources: {namespaceSelector: {matchLabels: {test: "${N[1]}"}}}
END
    run -1 kubectl "${N[@]}" create configmap a --from-literal=k=v
    [[ $output == *'no params found for policy binding with `Deny` parameterNotFoundAction'* ]]
    printf 'apiVersion: policies.example.com/v1\nkind: Limit\nmetadata: {name: l}\nmost: 1\n' | kubectl "${N[@]}" apply -f -
    run -0 kubectl "${N[@]}" create configmap a --from-literal=k=v --from-literal=l=v
    [[ $output == *"Validation failed for ValidatingAdmissionPolicy 'custom' with binding 'custom': too many"* ]]
    noted() { [ "$(annotation "${N[1]}" a custom/size)" = 2 ]; }
    within 10 noted
    [ "$(annotation "${N[1]}" a validation.policy.admission.k8s.io/validation_failure | jq -c '.[0] | [.message, .expressionIndex]')" = \
        '["too many",0]' ]
    checked() { [ "$(kubectl get validatingadmissionpolicy custom -o jsonpath='{.status.observedGeneration}')" = 1 ]; }
    within 10 checked
    run -0 kubectl get validatingadmissionpolicy custom -o jsonpath='{range .status.typeChecking.expressionWarnings[*]}{.fieldRef} {.warning}{end}'
    [[ $output == "spec.validations[1].expression /v1, Kind=ConfigMap: ERROR: <input>:1:"*": undefined field 'nothing'"* ]]
    kubectl delete validatingadmissionpolicybinding custom
}

@test "expressions that do not compile are refused when they are written" {
    run -1 kubectl apply -f - <<END
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingWebhookConfiguration
metadata: {name: invalid}
webhooks:
- name: a.example.com
  clientConfig: {url: "https://$HOOK_HOST:9443/"}
  sideEffects: None
  admissionReviewVersions: [v1]
  matchConditions: [{name: wrong, expression: "... [}"}]
END
    [[ $output == *'webhooks[0].matchConditions[0].expression: Invalid value: "... [}": compilation failed'* ]]
}

@test "a policy refuses with the message that it makes, by its parameter" {
    kubectl "${N[@]}" create configmap limit --from-literal=most=2
    kubectl apply -f - <<END
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: most}
spec:
  paramKind: {apiVersion: v1, kind: ConfigMap}
  matchConstraints:
    resourceRules: [{apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}]
  variables: [{name: most, expression: int(params.data.most)}]
  validations:
    - expression: object.spec.replicas <= variables.most
      messageExpression: "'at most ' + string(variables.most)"
      reason: Forbidden
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: most}
spec:
  policyName: most
  validationActions: [Deny]
  paramRef: {name: limit, parameterNotFoundAction: Deny}
  matchResources: {namespaceSelector: {matchLabels: {test: "t$BATS_TEST_NUMBER"}}}
END
    run -0 kubectl "${N[@]}" create deployment d --image=i --replicas=2
    run -1 kubectl "${N[@]}" patch deployment d -p '{"spec":{"replicas":3}}'
    [[ $output == *"ValidatingAdmissionPolicy 'most' with binding 'most' denied request: at most 2"* ]]
    kubectl "${N[@]}" patch configmap limit --type=merge -p '{"data":{"most":"3"}}'
    run -0 kubectl "${N[@]}" patch deployment d -p '{"spec":{"replicas":3}}'
}

# deny_all RESOURCE OPERATION GROUP: a webhook that refuses it in this test's namespace.
deny_all() {
    kubectl apply -f - <<END
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: none}
webhooks:
  - name: none.example.com
    clientConfig: {url: "https://$HOOK_HOST:9443/denyall", caBundle: $(base64 -w0 "$D/hooks.crt")}
    rules: [{apiGroups: ["$3"], apiVersions: [v1], operations: ["$2"], resources: ["$1"]}]
    namespaceSelector: {matchLabels: {test: "t$BATS_TEST_NUMBER"}}
    sideEffects: None
    admissionReviewVersions: [v1]
END
}

@test "webhooks are asked about reviews" {
    kubectl apply -f - <<END
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: reviews}
webhooks:
  - name: reviews.example.com
    clientConfig: {url: "https://$HOOK_HOST:9443/denyall", caBundle: $(base64 -w0 "$D/hooks.crt")}
    rules: [{apiGroups: [authentication.k8s.io], apiVersions: [v1], operations: [CREATE], resources: [selfsubjectreviews]}]
    sideEffects: None
    timeoutSeconds: 20
    admissionReviewVersions: [v1]
END
    run -1 kubectl create --raw /apis/authentication.k8s.io/v1/selfsubjectreviews -f - \
        <<<'{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}'
    [[ $output == *"denied the request: no CREATE selfsubjectreviews - SelfSubjectReview SelfSubjectReview -"* ]]
    run -0 kubectl auth can-i get pods
    kubectl delete validatingwebhookconfiguration reviews
    run -0 kubectl auth whoami
}

@test "webhooks and policies see what is sent through a subresource as what it is" {
    kubectl "${N[@]}" create deployment d --image=i --replicas=1
    one_pod() { [ "$(kubectl "${N[@]}" get pods -l app=d -o name | wc -l)" = 1 ]; }
    within 10 one_pod
    local pod
    pod=$(kubectl "${N[@]}" get pods -l app=d -o 'jsonpath={.items[0].metadata.name}')
    deny_all deployments/scale UPDATE apps
    run -1 kubectl "${N[@]}" scale deployment d --replicas=3
    [[ $output == *'admission webhook "none.example.com" denied the request: no UPDATE deployments scale Scale Scale Scale'* ]]
    deny_all pods/attach CONNECT ""
    run -1 kubectl "${N[@]}" attach "$pod"
    run -1 kubectl "${N[@]}" get --raw "/api/v1/namespaces/t$BATS_TEST_NUMBER/pods/$pod/attach?container=c"
    [[ $output == *'admission webhook "none.example.com" denied the request: no CONNECT pods attach PodAttachOptions PodAttachOptions -'* ]]
    deny_all pods/eviction CREATE ""
    run -1 kubectl create --raw "/api/v1/namespaces/t$BATS_TEST_NUMBER/pods/$pod/eviction" -f - \
        <<<"{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{\"name\":\"$pod\"}}"
    [[ $output == *'denied the request: no CREATE pods eviction Eviction Eviction -'* ]]
    deny_all pods/binding CREATE ""
    run -1 kubectl create --raw "/api/v1/namespaces/t$BATS_TEST_NUMBER/pods/$pod/binding" -f - \
        <<<"{\"apiVersion\":\"v1\",\"kind\":\"Binding\",\"metadata\":{\"name\":\"$pod\"},\"target\":{\"name\":\"n\"}}"
    [[ $output == *'denied the request: no CREATE pods binding Binding Binding -'* ]]
    deny_all serviceaccounts/token CREATE ""
    run -1 kubectl "${N[@]}" create token default
    [[ $output == *'denied the request: no CREATE serviceaccounts token TokenRequest TokenRequest -'* ]]
    kubectl delete validatingwebhookconfiguration none
    run -0 kubectl "${N[@]}" scale deployment d --replicas=2
    run -0 kubectl "${N[@]}" create token default
}
