# Custom resources as a user meets them: definitions, objects, what owns them, and what is asked about them.
bats_require_minimum_version 1.5.0
export AUTH_HOST=${CUSTOM_HOST:-127.0.48.1}
HOOK_HOST=${CUSTOM_HOOK_HOST:-127.0.48.3}

setup_file() {
    load ../auth/server
    start_hook
    start_server n1 "$HOST"
    write_kubeconfig n1 "$HOST"
    within 20 kubectl get serviceaccount default -n default
    define widgets Widget
}

teardown_file() {
    load ../auth/server
    end_all
}

setup() {
    load ../auth/server
    NS=t$BATS_TEST_NUMBER
    kubectl create namespace "$NS"
    kubectl label namespace "$NS" "test=$NS"
    N=(-n "$NS")
}

teardown() {
    [ "$BATS_TEST_COMPLETED" = 1 ] || tail -n 20 "$D/n1.log"
}

# define PLURAL KIND: a definition of the group shop.example.com, established when this returns.
define() {
    kubectl apply -f - <<END
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: $1.shop.example.com}
spec:
  group: shop.example.com
  scope: Namespaced
  names: {plural: $1, kind: $2}
  versions:
    - name: v1
      served: true
      storage: true
      subresources: {status: {}}
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec: {type: object, properties: {size: {type: integer}, color: {type: string, default: red}}}
            status: {type: object, x-kubernetes-preserve-unknown-fields: true}
END
    kubectl wait --for=condition=Established "crd/$1.shop.example.com" --timeout=60s
}

# make KIND NAME [OWNER-KIND OWNER-NAME]
make() {
    local owner=
    if [ $# = 4 ]; then
        owner=", ownerReferences: [$(owner "$3" "$4")]"
    fi
    local version=shop.example.com/v1
    [ "$1" != ConfigMap ] || version=v1
    kubectl apply -f - <<END
apiVersion: $version
kind: $1
metadata: {name: $2, namespace: $NS$owner}
END
}

# owner KIND NAME: an ownerReference.
owner() {
    local version=shop.example.com/v1
    [ "$1" != ConfigMap ] || version=v1
    echo "{apiVersion: $version, kind: $1, name: $2, blockOwnerDeletion: true," \
        "uid: $(kubectl "${N[@]}" get "$1" "$2" -o 'jsonpath={.metadata.uid}')}"
}

is_gone() { ! kubectl "${N[@]}" get "$@"; }

@test "what a custom object owns goes with it, custom or not; and it goes with what owns it" {
    make ConfigMap top
    make Widget owner ConfigMap top
    make ConfigMap child Widget owner
    make Widget grandchild ConfigMap child
    kubectl "${N[@]}" delete configmap top
    within 10 is_gone widget owner
    within 10 is_gone configmap child
    within 10 is_gone widget grandchild
}

@test "deleted in the foreground, a custom object waits for what it owns" {
    make Widget owner
    make Widget child Widget owner
    kubectl "${N[@]}" patch widget child --type=merge -p '{"metadata":{"finalizers":["me.example.com/too"]}}'
    kubectl "${N[@]}" delete widget owner --cascade=foreground --wait=false
    within 10 kubectl "${N[@]}" wait --for=jsonpath='{.metadata.deletionTimestamp}' widget/child --timeout=5s
    [ "$(kubectl "${N[@]}" get widget owner -o 'jsonpath={.metadata.finalizers}')" = '["foregroundDeletion"]' ]
    kubectl "${N[@]}" patch widget child --type=merge -p '{"metadata":{"finalizers":null}}'
    within 10 is_gone widget owner
}

@test "let go of, what a custom object owned stays" {
    make Widget owner
    make ConfigMap child Widget owner
    kubectl "${N[@]}" delete widget owner --cascade=orphan
    [ "$(kubectl "${N[@]}" get configmap child -o 'jsonpath={.metadata.ownerReferences}')" = "" ]
}

@test "a namespace takes its custom objects along and says which ones remain" {
    make Widget a
    make Widget b
    kubectl "${N[@]}" patch widget b --type=merge -p '{"metadata":{"finalizers":["me.example.com/too"]}}'
    kubectl delete namespace "$NS" --wait=false
    within 10 is_gone widget a
    within 10 kubectl wait --for=jsonpath='{.status.conditions[?(@.type=="NamespaceContentRemaining")].message}'='Some resources are remaining: widgets.shop.example.com has 1 resource instances' \
        "namespace/$NS" --timeout=5s
    kubectl "${N[@]}" patch widget b --type=merge -p '{"metadata":{"finalizers":null}}'
    kubectl wait --for=delete "namespace/$NS" --timeout=60s
}

@test "a definition that is deleted takes its objects along, and they what they own" {
    define gadgets Gadget
    make Gadget a
    make Gadget b
    make ConfigMap child Gadget a
    kubectl "${N[@]}" patch gadget b --type=merge -p '{"metadata":{"finalizers":["me.example.com/too"]}}'
    kubectl delete crd gadgets.shop.example.com --wait=false
    kubectl wait --for=condition=Terminating crd/gadgets.shop.example.com --timeout=60s
    [ "$(kubectl get crd gadgets.shop.example.com -o 'jsonpath={.metadata.finalizers}')" = '["customresourcecleanup.apiextensions.k8s.io"]' ]
    run -1 make Gadget c
    [[ $output == *MethodNotAllowed* ]]
    within 10 is_gone gadget a
    kubectl "${N[@]}" patch gadget b --type=merge -p '{"metadata":{"finalizers":null}}'
    kubectl wait --for=delete crd/gadgets.shop.example.com --timeout=60s
    within 10 is_gone configmap child
    run -1 kubectl "${N[@]}" get gadgets
}

@test "a quota counts custom objects, also those of a definition that came later" {
    kubectl "${N[@]}" create quota q --hard=count/widgets.shop.example.com=1,count/sprockets.shop.example.com=1
    within 10 kubectl "${N[@]}" wait --for=jsonpath='{.status.used.count/widgets\.shop\.example\.com}'=0 quota/q --timeout=5s
    make Widget a
    run -1 make Widget b
    [[ $output == *'widgets.shop.example.com "b" is forbidden: exceeded quota: q, requested: count/widgets.shop.example.com=1, used: count/widgets.shop.example.com=1, limited: count/widgets.shop.example.com=1'* ]]
    kubectl "${N[@]}" delete widget a
    within 10 make Widget b
    define sprockets Sprocket
    within 10 make Sprocket a
    run -1 make Sprocket b
    [[ $output == *'sprockets.shop.example.com "b" is forbidden: exceeded quota'* ]]
    kubectl delete crd sprockets.shop.example.com
}

# hook mutating|validating NAME PATH PLURAL VERSION: for custom objects of this test's namespace.
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
    rules: [{apiGroups: [shop.example.com], apiVersions: [$5], operations: [CREATE, UPDATE, DELETE], resources: [$4]}]
    namespaceSelector: {matchLabels: {test: "$NS"}}
    sideEffects: None
    admissionReviewVersions: [v1]
END
}

@test "a webhook changes custom objects; what it adds and the schema does not know is pruned" {
    hook mutating fill /fill widgets v1
    make Widget a
    [ "$(kubectl "${N[@]}" get widget a -o 'jsonpath={.spec.color} {.spec.size} {.spec.unknown}')" = "red 5 " ]
    kubectl delete mutatingwebhookconfiguration fill
}

@test "a webhook refuses custom objects when they are made, changed and deleted" {
    make Widget a
    hook validating deny /denyall widgets v1
    run -1 make Widget b
    [[ $output == *'admission webhook "deny.example.com" denied the request: no CREATE widgets - Widget Widget -'* ]]
    run -1 kubectl "${N[@]}" patch widget a --type=merge -p '{"spec":{"size":2}}'
    [[ $output == *'denied the request: no UPDATE widgets - Widget Widget Widget'* ]]
    run -1 kubectl "${N[@]}" delete widget a
    [[ $output == *'denied the request: no DELETE widgets - Widget - Widget'* ]]
    kubectl delete validatingwebhookconfiguration deny
    run -0 kubectl "${N[@]}" delete widget a
}

@test "a webhook for another version of the resource sees that version" {
    kubectl get crd widgets.shop.example.com -o json |
        jq '.metadata = {name: "pairs.shop.example.com"} | del(.status) | .spec.names = {plural: "pairs", kind: "Pair"}
            | .spec.versions += [.spec.versions[0] | .name = "v2" | .storage = false]' | kubectl apply -f -
    kubectl wait --for=condition=Established crd/pairs.shop.example.com --timeout=60s
    hook validating deny /denyall pairs v2
    run -1 make Pair a
    [[ $output == *'denied the request: no CREATE pairs - Pair Pair -'* ]]
    kubectl delete validatingwebhookconfiguration deny
    kubectl delete crd pairs.shop.example.com
}

@test "a policy judges custom objects" {
    kubectl apply -f - <<END
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: small}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [shop.example.com], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [widgets]}]
  validations: [{expression: "!has(object.spec) || object.spec.size <= 5", message: at most 5}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: small}
spec:
  policyName: small
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {test: "$NS"}}}
END
    within 10 make Widget a
    within 10 eval '! kubectl "${N[@]}" patch widget a --type=merge -p "{\"spec\":{\"size\":6}}"'
    run -1 kubectl "${N[@]}" patch widget a --type=merge -p '{"spec":{"size":6}}'
    [[ $output == *"ValidatingAdmissionPolicy 'small' with binding 'small' denied request: at most 5"* ]]
    run -0 kubectl "${N[@]}" patch widget a --type=merge -p '{"spec":{"size":5}}'
    kubectl delete validatingadmissionpolicy small
    kubectl delete validatingadmissionpolicybinding small
}

@test "a webhook refuses definitions" {
    kubectl apply -f - <<END
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: no-definitions}
webhooks:
  - name: no-definitions.example.com
    clientConfig: {url: "https://$HOOK_HOST:9443/denyall", caBundle: $(base64 -w0 "$D/hooks.crt")}
    rules: [{apiGroups: [apiextensions.k8s.io], apiVersions: ["*"], operations: [CREATE], resources: [customresourcedefinitions]}]
    sideEffects: None
    admissionReviewVersions: [v1]
END
    run -1 define gizmos Gizmo
    [[ $output == *'denied the request: no CREATE customresourcedefinitions - CustomResourceDefinition CustomResourceDefinition -'* ]]
    kubectl delete validatingwebhookconfiguration no-definitions
}

@test "a definition that is being deleted takes no new objects" {
    define gizmos Gizmo
    kubectl apply -f - <<END
apiVersion: shop.example.com/v1
kind: Gizmo
metadata: {name: keeps, namespace: $NS, finalizers: [shop.example.com/wait]}
END
    kubectl delete crd gizmos.shop.example.com --wait=false
    run -1 kubectl create -f - <<END
apiVersion: shop.example.com/v1
kind: Gizmo
metadata: {name: late, namespace: $NS}
END
    [[ $output == *"create not allowed while custom resource definition is terminating"* ]]
    kubectl patch gizmos keeps "${N[@]}" --type=merge -p '{"metadata":{"finalizers":null}}'
    kubectl wait --for=delete crd/gizmos.shop.example.com --timeout=60s
}

@test "explain, scale, status and printed columns of a custom resource" {
    kubectl apply -f - <<END
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: fleets.shop.example.com}
spec:
  group: shop.example.com
  scope: Namespaced
  names: {plural: fleets, kind: Fleet, shortNames: [fl], categories: [all-shop]}
  versions:
    - name: v1
      served: true
      storage: true
      subresources:
        status: {}
        scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas, labelSelectorPath: .status.selector}
      additionalPrinterColumns: [{name: Wanted, type: integer, jsonPath: .spec.replicas}]
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              description: What is wanted of the fleet.
              properties: {replicas: {type: integer, description: How many ships.}}
            status: {type: object, properties: {replicas: {type: integer}, selector: {type: string}}}
END
    kubectl wait --for=condition=Established crd/fleets.shop.example.com --timeout=60s
    kubectl "${N[@]}" apply -f - <<<"$(printf 'apiVersion: shop.example.com/v1\nkind: Fleet\nmetadata: {name: f}\nspec: {replicas: 2}\nstatus: {replicas: 9}')"
    [ "$(kubectl "${N[@]}" get fl f -o 'jsonpath={.status}')" = "" ] # Only through its subresource.
    run -0 kubectl "${N[@]}" scale fleet f --replicas=5
    run -1 kubectl "${N[@]}" patch fleet f --type merge -p '{"spec": {"replicas": 3000000000}}'
    [[ $output == *".spec.replicas: Invalid value: 3000000000: should be less than or equal to 2147483647"* ]]
    run -0 kubectl "${N[@]}" patch fleet f --subresource=status --type=merge -p '{"spec":{"replicas":7},"status":{"replicas":4,"selector":"a=b"}}'
    [ "$(kubectl "${N[@]}" get fleet f -o 'jsonpath={.spec.replicas} {.status.replicas}')" = "5 4" ]
    [ "$(kubectl get --raw "/apis/shop.example.com/v1/namespaces/$NS/fleets/f/scale" | jq -c '[.spec.replicas, .status.replicas, .status.selector]')" = '[5,4,"a=b"]' ]
    [ "$(kubectl "${N[@]}" get all-shop --no-headers | tr -s ' ')" = "f 5" ]
    within 10 kubectl explain fleet.spec.replicas
    run -0 kubectl explain fleet.spec
    [[ $output == *"What is wanted of the fleet."* ]]
    [[ $output == *"How many ships."* ]]
    run -1 kubectl "${N[@]}" patch fleet f --type=merge -p '{"spec":{"replicas":"many"}}'
    [[ $output == *'spec.replicas: Invalid value: "string": spec.replicas in body must be of type integer: "string"'* ]]
    kubectl delete crd fleets.shop.example.com
}

@test "a body of another kind or version is refused, and embedded objects have metadata as others" {
    kubectl apply -f - <<END
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crates.shop.example.com}
spec:
  group: shop.example.com
  scope: Namespaced
  names: {plural: crates, kind: Crate}
  versions:
    - &version
      name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            inside: {type: object, x-kubernetes-embedded-resource: true, x-kubernetes-preserve-unknown-fields: true}
    - {<<: *version, name: v2, storage: false}
END
    kubectl wait --for=condition=Established crd/crates.shop.example.com --timeout=60s
    create() { kubectl create --raw "/apis/shop.example.com/v1/namespaces/$NS/crates" -f - <<<"$1"; }
    within 20 kubectl get crates "${N[@]}"
    run -1 create '{"apiVersion":"shop.example.com/v1","kind":"Box","metadata":{"name":"c"}}'
    [[ $output == *'The Box "c" is invalid: kind: Invalid value: "Box": must be Crate'* ]]
    run -1 create '{"apiVersion":"shop.example.com/v2","kind":"Crate","metadata":{"name":"c"}}'
    [[ $output == *'the API version in the data (shop.example.com/v2) does not match the expected API version (shop.example.com/v1)'* ]]
    run -1 create '{"apiVersion":"shop.example.com/v9","kind":"Crate","metadata":{"name":"c"}}'
    [[ $output == *'the API version in the data (shop.example.com/v9) does not match the expected API version (shop.example.com/v1)'* ]]
    run -1 create '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"c"}}'
    [[ $output == *'the API version in the data (v1) does not match the expected API version (shop.example.com/v1)'* ]]
    run -1 create '{"kind":"Crate","metadata":{"name":"c"}}'
    [[ $output == *'the API version in the data () does not match the expected API version (shop.example.com/v1)'* ]]
    run -1 create '{"metadata":{"name":"c"}}'
    [[ $output == *"(must be of type Crate): Object 'Kind' is missing in '{\"metadata\":{\"name\":\"c\"}}"*"' ({\"metadata\":{\"name\":\"c\"}}"*")"* ]]
    local head='"apiVersion":"shop.example.com/v1","kind":"Crate","metadata":{"name":"c"}'
    run -1 create "{$head,"'"inside":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a/b"}}}'
    [[ $output == *"inside.metadata.name: Invalid value: \"a/b\": may not contain '/'"* ]]
    create "{$head,"'"inside":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a","bogus":1}}}'
    [ "$(kubectl get crate c "${N[@]}" -o 'jsonpath={.inside.metadata}')" = '{"name":"a"}' ]
    kubectl delete crd crates.shop.example.com
}
