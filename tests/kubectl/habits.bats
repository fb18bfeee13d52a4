# How people bring objects to a server, name them and take them away: folders with a kustomization, addresses, kinds in every
# spelling, whole groups at once; and what they are told when they have mistyped a command.
bats_require_minimum_version 1.5.0
KUBECTL_HOST=${HABITS_HOST:-127.0.60.1}
load one_server
load says

setup_file() {
    start_one
    within 20 kubectl get serviceaccount default
}

@test "a folder with a kustomization is applied, compared, listed and deleted as one" {
    mkdir "$D/folder"
    kubectl create deployment web --image nginx:1.14 --dry-run=client -o yaml >"$D/folder/web.yaml"
    cat >"$D/folder/kustomization.yaml" <<'END'
resources: [web.yaml]
namePrefix: dev-
labels: [{pairs: {team: a}, includeSelectors: true}]
images: [{name: nginx, newTag: "1.16"}]
configMapGenerator: [{name: conf, literals: [a=1]}]
patches: [{patch: '[{"op": "replace", "path": "/spec/replicas", "value": 3}]', target: {kind: Deployment}}]
END
    says '^deployment.apps/dev-web created$' kubectl apply -k "$D/folder"
    says '^dev-web +0/3 +[03] +0 +[0-9]+s +nginx +nginx:1.16 +app=web,team=a$' kubectl get deployment dev-web -o wide
    says '^configmap/dev-conf-[a-z0-9]+$' kubectl get -k "$D/folder" -o name
    kubectl diff -k "$D/folder"
    sed -i 's/1\.16/1.17/' "$D/folder/kustomization.yaml"
    run -1 kubectl diff -k "$D/folder"
    [[ $output == *'+'*'image: nginx:1.17'* ]]
    says '^configmap/dev-conf-[a-z0-9]+ unchanged$' kubectl apply -k "$D/folder"
    says '^deployment.apps "dev-web" deleted$' kubectl delete -k "$D/folder"
    refuses 'NotFound' kubectl get deployment dev-web
}

@test "a manifest is applied from its address" {
    mkdir "$D/site"
    kubectl run far --image i --dry-run=client -o yaml >"$D/site/pod.yaml"
    python3 -u -m http.server --bind "$HOST" --directory "$D/site" 0 >"$D/site.log" 2>&1 3>&- &
    local site=$! at
    within 10 grep -q 'port [0-9]' "$D/site.log"
    at=http://$HOST:$(sed -nE 's/.* port ([0-9]+) .*/\1/p' "$D/site.log")
    local failed=0
    says '^pod/far created$' kubectl apply -f "$at/pod.yaml" || failed=1
    refuses "unable to read URL \"$at/none.yaml\", server reported 404" kubectl apply -f "$at/none.yaml" || failed=1
    says '^pod "far" deleted$' kubectl delete -f "$at/pod.yaml" || failed=1
    kill $site
    [ $failed = 0 ]
}

@test "a kind is meant by its plural, its singular, its short name, its group and its version, in capitals or not" {
    kubectl create deployment named --image i --replicas 0
    local kind
    for kind in deployments deployment deploy Deployment DEPLOYMENTS deployments.apps deployments.v1.apps deployment.v1.apps; do
        [ "$(kubectl get "$kind" named -o name)" = deployment.apps/named ]
    done
    refuses "^error: the server doesn't have a resource type \"deployments\"$" kubectl get deployments.extensions
    kubectl run prefixed-one --image i
    kubectl run prefixed-two --image i
    [ "$(kubectl describe pod prefixed | grep -c '^Name: ')" = 2 ]
    refuses '^Error from server \(NotFound\): pods "prefixes" not found$' kubectl describe pod prefixes
    kubectl get pods,svc >"$D/both"
    grep -qE '^pod/prefixed-one +0/1 +Pending ' "$D/both"
    grep -qE '^service/kubernetes +ClusterIP ' "$D/both"
    run -1 kubectl get pod prefixed-one nobody
    [[ $output == *'prefixed-one'* && $output == *'pods "nobody" not found'* ]]
    kubectl create namespace apart
    within 20 kubectl get serviceaccount default -n apart
    kubectl run prefixed-one --image i -n apart # The same name in another namespace is another pod.
    [ "$(kubectl get pods -A --field-selector metadata.name=prefixed-one -o name | wc -l)" = 2 ]
    kubectl label pods --all seen=yes
    [ "$(kubectl get pods -A -l seen=yes -o name | wc -l)" = 2 ]
    kubectl delete namespace apart --wait=false
}

@test "the same template has the same hash in every namespace" {
    kubectl create namespace elsewhere
    local namespace
    for namespace in default elsewhere; do
        kubectl create deployment twin --image i:1 -n $namespace
        within 20 kubectl rollout history deployment twin -n $namespace --revision 1
    done
    hashes() { kubectl get rs -A -l app=twin -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}'; }
    both() { [ "$(hashes | wc -l)" = 2 ]; }
    within 20 both
    [ "$(hashes | uniq | wc -l)" = 1 ]
    kubectl delete deployment twin
    kubectl delete namespace elsewhere --wait=false
}

@test "all of a kind or of the usual kinds go at once; what the cluster needs stays, or comes back" {
    kubectl create deployment goes --image i
    kubectl create service clusterip goes --tcp 80
    kubectl delete all --all >"$D/deleted"
    grep -qE '^deployment.apps "goes" deleted$' "$D/deleted"
    grep -qE '^service "goes" deleted$' "$D/deleted"
    within 20 kubectl get service kubernetes
    [ "$(kubectl get service kubernetes -o 'jsonpath={.spec.clusterIP}')" = 10.96.0.1 ]
    emptied() { [ "$(kubectl get all -o name)" = service/kubernetes ]; }
    within 30 emptied
    local name
    for name in default kube-system kube-public; do
        refuses "^Error from server \(Forbidden\): namespaces \"$name\" is forbidden: this namespace may not be deleted$" \
            kubectl delete namespace $name
    done
    refuses '^Error from server \(NotFound\): namespaces "nowhere" not found$' kubectl run x --image i -n nowhere
    says '^No resources found in nowhere namespace.$' kubectl get pods -n nowhere
    printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\n---\n' is-not is >"$D/partly.yaml"
    kubectl create configmap is
    run -1 kubectl delete -f "$D/partly.yaml"
    [[ $output == *'configmap "is" deleted'* && $output == *'configmaps "is-not" not found'* ]]
    kubectl delete -f "$D/partly.yaml" --ignore-not-found
}

@test "a namespace that holds its pods to a standard says what is wrong with them" {
    kubectl create namespace strict
    within 20 kubectl get serviceaccount default -n strict
    kubectl run early --image i -n strict
    local label=pod-security.kubernetes.io
    says 'Warning: existing pods in namespace "strict" violate the new PodSecurity enforce level "restricted:latest"$' \
        kubectl label namespace strict $label/enforce=restricted --dry-run=server
    kubectl label namespace strict $label/enforce=baseline $label/warn=restricted
    refuses 'violates PodSecurity "baseline:latest": privileged \(container "p" must not set securityContext.privileged=true\)$' \
        kubectl run p --image i -n strict --privileged
    says '^Warning: would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false \(container "p" must set ' \
        kubectl run p --image i -n strict
    says '^Warning: would violate PodSecurity "restricted:latest": .*runAsNonRoot != true \(pod or container "i" must set ' \
        kubectl create deployment d --image i -n strict
    refuses "metadata.labels\[$label/enforce\]: Invalid value: \"hard\": must be one of privileged, baseline, restricted$" \
        kubectl label namespace strict $label/enforce=hard --overwrite
    kubectl delete namespace strict --wait=false
}

@test "what a package manager keeps about its releases is found by its labels" {
    kubectl create secret generic sh.helm.release.v1.ui.v1 --type helm.sh/release.v1 --from-literal release=x
    kubectl label secret sh.helm.release.v1.ui.v1 owner=helm name=ui status=deployed version=1
    says '^sh.helm.release.v1.ui.v1 +helm.sh/release.v1 +1 +[0-9]+s$' kubectl get secrets -l owner=helm,name=ui,status=deployed
    kubectl label secret sh.helm.release.v1.ui.v1 status=superseded --overwrite
    says '^No resources found in default namespace.$' kubectl get secrets -l owner=helm,status=deployed
    kubectl delete secret -l owner=helm
}

@test "commands that are mistyped are refused and change nothing" {
    refuses '^Error from server \(NotFound\): nodes "k8s_n1" not found$' kubectl label node k8s_n1 a=b
    refuses '^error: invalid taint spec: ' kubectl taint node n1 node-role.kubernetes.io/control-plane -
    refuses 'unknown flag: --replicas$' kubectl run x --image i --replicas 2
    refuses 'invalid restart policy: Onfailure$' kubectl run x --image i --restart Onfailure
    refuses 'Unexpected args: \[statefulset x\]$' kubectl create statefulset x
    refuses 'the path "pod" does not exist$' kubectl delete -f pod x.yaml
    refuses 'name cannot be provided when a selector is specified$' kubectl get pods -l a=b, c=d
    refuses 'resource\(s\) were provided, but no name was specified$' kubectl delete pod
    refuses 'found character that cannot start any token$' kubectl apply -f <(printf 'apiVersion: v1\nkind: Pod\nmetadata:\n\tname: x\n')
    refuses 'kind not set' kubectl apply -f <(echo '{"apiVersion": "v1", "metadata": {"name": "x"}}')
    refuses 'resource name may not be empty$' kubectl apply -f <(echo '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}')
    refuses 'strict decoding error: unknown field "rules\[0\].resource"$' kubectl apply -f - <<'END'
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: typo}
rules: [{apiGroups: [""], resource: [pods], verbs: [get]}]
END
    refuses 'strict decoding error: unknown field "labels"$' kubectl apply -f - <<'END'
apiVersion: v1
kind: ConfigMap
metadata: {name: outdented}
labels: {a: b}
END
    refuses 'cannot unmarshal array into Go struct field ObjectMeta.metadata.labels of type map' kubectl apply -f - <<'END'
apiVersion: v1
kind: ConfigMap
metadata: {name: listed, labels: [{name: x}]}
END
    says "^Warning: 'replace' is not a standard resource verb$" kubectl create role odd --verb replace --resource pods
    refuses 'roleRef: Invalid value: .*: cannot change roleRef$' sh -c 'kubectl create rolebinding odd --role odd --user u &&
        kubectl patch rolebinding odd --type merge -p "{\"roleRef\": {\"name\": \"other\"}}"'
    kubectl delete role,rolebinding odd
}
