# Versions of a custom resource that a webhook converts: v1 says spec.hostPort, v2 says spec.host and spec.port.
bats_require_minimum_version 1.5.0
export AUTH_HOST=${CONVERSION_HOST:-127.0.50.1}
HOOK_HOST=${CONVERSION_HOOK_HOST:-127.0.50.3}

setup_file() {
    load ../auth/server
    start_hook
    start_server n1 "$HOST"
    write_kubeconfig n1 "$HOST"
    within 20 kubectl get serviceaccount default -n default
}

teardown_file() {
    load ../auth/server
    end_all
}

setup() {
    load ../auth/server
    define v1 /convert
    kubectl wait --for=condition=Established crd/hosts.net.example.com --timeout=60s
}

teardown() {
    [ "$BATS_TEST_COMPLETED" = 1 ] || tail -n 20 "$D/n1.log"
    define v1 /convert
    kubectl delete crd hosts.net.example.com
}

# define STORAGE-VERSION PATH
define() {
    kubectl apply -f - <<END
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: hosts.net.example.com}
spec:
  group: net.example.com
  scope: Namespaced
  names: {plural: hosts, kind: Host}
  conversion:
    strategy: Webhook
    webhook:
      conversionReviewVersions: [v1]
      clientConfig: {url: "https://$HOOK_HOST:9443$2", caBundle: $(base64 -w0 "$D/hooks.crt")}
  versions:
    - name: v1
      served: true
      storage: $([ "$1" = v1 ] && echo true || echo false)
      subresources: {status: {}}
      selectableFields: [{jsonPath: .spec.hostPort}]
      schema:
        openAPIV3Schema:
          type: object
          properties: {spec: {type: object, properties: {hostPort: {type: string}}}}
    - name: v2
      served: true
      storage: $([ "$1" = v2 ] && echo true || echo false)
      subresources: {status: {}}
      selectableFields: [{jsonPath: .spec.host}]
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              required: [host]
              properties: {host: {type: string, maxLength: 10}, port: {type: string}}
END
}

# make VERSION NAME SPEC
make() {
    kubectl apply -f - <<END
apiVersion: net.example.com/$1
kind: Host
metadata: {name: $2, namespace: default}
spec: $3
END
}

# show VERSION NAME: the spec
show() { kubectl get "hosts.$1.net.example.com" "$2" -o json | jq -cS .spec; }

@test "each version is read and written as it is, whatever is stored" {
    make v1 a '{hostPort: "one:80"}'
    [ "$(show v1 a)" = '{"hostPort":"one:80"}' ]
    [ "$(show v2 a)" = '{"host":"one","port":"80"}' ]
    make v2 b '{host: two, port: "81"}'
    [ "$(show v1 b)" = '{"hostPort":"two:81"}' ]
    [ "$(show v2 b)" = '{"host":"two","port":"81"}' ]
    run -0 kubectl patch hosts.v2.net.example.com a --type=merge -p '{"spec":{"port":"82"}}'
    [ "$(show v1 a)" = '{"hostPort":"one:82"}' ]
    run -0 kubectl label hosts.v1.net.example.com b x=y
    [ "$(kubectl get hosts.v2.net.example.com -l x=y -o name)" = host.net.example.com/b ]
    [ "$(kubectl get hosts.v2.net.example.com -o json | jq -c '[.items[] | [.apiVersion, .spec.host]]')" = '[["net.example.com/v2","one"],["net.example.com/v2","two"]]' ]
    kubectl delete hosts.v2.net.example.com a b
}

@test "a write is answered with what is stored, as the version that was written" {
    [ "$(kubectl create -o json -f - <<<'{"apiVersion":"net.example.com/v2","kind":"Host","metadata":{"name":"c","namespace":"default"},"spec":{"host":"three"}}' | jq -cS .spec)" = '{"host":"three","port":""}' ]
    [ "$(kubectl patch hosts.v2.net.example.com c --type=json -p '[{"op":"remove","path":"/spec/port"}]' -o json | jq -cS .spec)" = '{"host":"three","port":""}' ]
    kubectl delete hosts.v2.net.example.com c
}

@test "a watch ends when its definition converts otherwise, and an event is converted once for all watchers" {
    local i watches=() before
    for i in 1 2 3 4 5 6; do
        kubectl get --raw '/apis/net.example.com/v2/hosts?watch=1&timeoutSeconds=250' >"$BATS_TEST_TMPDIR/watch$i" 3>&- &
        watches+=($!)
    done
    make v1 first '{hostPort: "one:80"}'
    for i in 1 2 3 4 5 6; do within 5 grep -q first "$BATS_TEST_TMPDIR/watch$i"; done
    before=$(grep -c 'POST /convert' "$D/hook.log")
    make v1 second '{hostPort: "two:80"}'
    for i in 1 2 3 4 5 6; do within 5 grep -q second "$BATS_TEST_TMPDIR/watch$i"; done
    [ "$(grep -c 'POST /convert' "$D/hook.log")" = $((before + 1)) ]
    define v1 /convert/metadata
    kubectl patch hosts.v1.net.example.com second --type=merge -p '{"spec":{"hostPort":"two:81"}}'
    for i in "${watches[@]}"; do within 15 has_ended "$i"; done
    run ! grep -q converted "$BATS_TEST_TMPDIR/watch1"
    [ "$(kubectl get --raw '/apis/net.example.com/v2/hosts?watch=1&timeoutSeconds=1' | grep -c '"converted":"yes"')" = 1 ] # The first of each review.
    kubectl delete hosts.v1.net.example.com first second
}

@test "an object is checked by the version that it is written as" {
    run -1 make v2 long '{host: much-too-long-a-name, port: "80"}'
    [[ $output == *"spec.host: Too long: may not be more than 10 bytes"* ]]
    run -0 make v1 long '{hostPort: "much-too-long-a-name:80"}'
    run -1 kubectl patch hosts.v2.net.example.com long --type=json -p '[{"op":"remove","path":"/spec/host"}]'
    [[ $output == *"spec.host: Required value"* ]]
}

@test "pages of a list, field selectors and watches are of the version that is asked for" {
    local i
    for i in 1 2 3 4 5; do
        make v1 "h$i" "{hostPort: \"h$((i % 2)):80\"}"
    done
    [ "$(kubectl get hosts.v2.net.example.com --chunk-size=2 -o json | jq -c '[.items[].spec.host]')" = '["h1","h0","h1","h0","h1"]' ]
    [ "$(kubectl get hosts.v2.net.example.com --field-selector spec.host=h0 -o name | paste -sd' ')" = "host.net.example.com/h2 host.net.example.com/h4" ]
    [ "$(kubectl get hosts.v1.net.example.com --field-selector spec.hostPort=h0:80 -o name | wc -l)" = 2 ]
    kubectl get --raw '/apis/net.example.com/v2/hosts?watch=1&fieldSelector=spec.host%3Dh0&timeoutSeconds=250' >"$BATS_TEST_TMPDIR/watch" 3>&- &
    local watch=$!
    within 4 grep -q h4 "$BATS_TEST_TMPDIR/watch"
    kubectl patch hosts.v1.net.example.com h1 --type=merge -p '{"spec":{"hostPort":"h0:81"}}'
    kubectl patch hosts.v2.net.example.com h2 --type=merge -p '{"spec":{"host":"h1"}}'
    kubectl delete hosts.v2.net.example.com h4
    within 5 grep -q '"DELETED".*"name":"h4"' "$BATS_TEST_TMPDIR/watch"
    kill "$watch"
    jq -c '[.type, .object.apiVersion, .object.metadata.name, .object.spec.host, .object.spec.port]' "$BATS_TEST_TMPDIR/watch" >"$BATS_TEST_TMPDIR/seen"
    diff - "$BATS_TEST_TMPDIR/seen" <<'END'
["ADDED","net.example.com/v2","h2","h0","80"]
["ADDED","net.example.com/v2","h4","h0","80"]
["ADDED","net.example.com/v2","h1","h0","81"]
["DELETED","net.example.com/v2","h2","h0","80"]
["DELETED","net.example.com/v2","h4","h0","80"]
END
}

@test "the storage version changes; what was stored before is read as it was written, until it is written again" {
    make v1 old '{hostPort: "one:80"}'
    define v2 /convert
    within 10 eval '[ "$(kubectl get crd hosts.net.example.com -o "jsonpath={.status.storedVersions}")" = "[\"v1\",\"v2\"]" ]'
    within 10 make v2 new '{host: two, port: "81"}'
    [ "$(show v1 old)$(show v2 old)" = '{"hostPort":"one:80"}{"host":"one","port":"80"}' ]
    [ "$(show v1 new)$(show v2 new)" = '{"hostPort":"two:81"}{"host":"two","port":"81"}' ]
    local before
    before=$(kubectl get hosts.v2.net.example.com old -o 'jsonpath={.metadata.resourceVersion}')
    kubectl get hosts.v2.net.example.com old -o json | kubectl replace -f - # Changes nothing but how it is stored.
    [ "$(kubectl get hosts.v2.net.example.com old -o 'jsonpath={.metadata.resourceVersion}')" != "$before" ]
    kubectl patch crd hosts.net.example.com --subresource=status --type=merge -p '{"status":{"storedVersions":["v2"]}}'
    define v2 /convert/fail # Nobody needs it for v2 any more.
    within 10 eval '! kubectl get hosts.v1.net.example.com old'
    [ "$(show v2 old)" = '{"host":"one","port":"80"}' ]
}

@test "a webhook may change labels and annotations, and nothing else of the metadata" {
    define v1 /convert/metadata
    make v1 a '{hostPort: "one:80"}'
    within 10 eval '[ "$(kubectl get hosts.v2.net.example.com a -o json | jq -c "[.metadata.labels, .metadata.finalizers]")" = "[{\"converted\":\"yes\"},null]" ]'
}

@test "what a webhook does wrong is told in the words of Kubernetes" {
    make v1 a '{hostPort: "one:80"}'
    local how said
    while read -r how said; do
        define v1 "/convert/$how"
        within 10 eval 'kubectl get hosts.v2.net.example.com a 2>&1 | grep -F "$said"'
        run -1 kubectl get hosts.v2.net.example.com
        [[ $output == *"$said"* ]]
        run -0 kubectl get hosts.v1.net.example.com a
    done <<'END'
name conversion webhook for net.example.com/v1, Kind=Host returned invalid object at index 0: must have the same name: a != other
kind conversion webhook for net.example.com/v1, Kind=Host returned invalid object at index 0: invalid kind (expected Host, received Other)
version conversion webhook for net.example.com/v1, Kind=Host returned invalid object at index 0: invalid groupVersion (expected net.example.com/v2, received v1)
less conversion webhook for net.example.com/v1, Kind=Host returned 0 objects, expected 1
fail conversion webhook for net.example.com/v1, Kind=Host failed: cannot be converted
uid conversion webhook for net.example.com/v1, Kind=Host failed: expected response.uid=
END
    run -1 make v2 b '{host: two, port: "81"}'
    [[ $output == *"conversion webhook for net.example.com/v2, Kind=Host failed: "* ]]
}

@test "admission webhooks and policies see the version that they ask for" {
    kubectl apply -f - <<END
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: hosts}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [net.example.com], apiVersions: [v2], operations: [CREATE, UPDATE], resources: [hosts]}]
  validations: [{expression: "object.spec.host != 'bad'", message: no bad hosts}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: hosts}
spec: {policyName: hosts, validationActions: [Deny]}
END
    within 10 eval '! make v2 bad "{host: bad}"'
    run -1 make v1 bad '{hostPort: "bad:80"}'
    [[ $output == *"denied request: no bad hosts"* ]]
    run -0 make v1 good '{hostPort: "good:80"}'
    kubectl delete validatingadmissionpolicy hosts
    kubectl delete validatingadmissionpolicybinding hosts
}
