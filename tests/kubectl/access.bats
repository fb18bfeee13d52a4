# Roles bound in each way, and what their users may and may not; the roles that are there; kubeconfigs.
bats_require_minimum_version 1.5.0
KUBECTL_HOST=${ACCESS_HOST:-127.0.57.1}
load one_server
load says

setup_file() {
    start_one
    kubectl create namespace here
    within 20 kubectl get serviceaccount default -n here
    within 20 kubectl get serviceaccount default -n default
}

role() { # KIND NAME RESOURCES VERBS
    kubectl apply -f - <<END
apiVersion: rbac.authorization.k8s.io/v1
kind: $1
metadata: {name: $2, namespace: here}
rules: [{apiGroups: [""], resources: [$3], verbs: [$4]}]
END
}

forbids() { # USER WORDS COMMAND...: it is forbidden in just these words
    local user=$1 words=$2
    shift 2
    refuses "^Error from server \(Forbidden\): $words\$" kubectl --as "$user" "$@"
}

@test "a reader of pods in one namespace reads pods there, and nothing else" {
    role Role pod-reader pods 'get, watch, list'
    kubectl create rolebinding read-pods -n here --role pod-reader --user lixl
    kubectl run nginx -n here --image i
    says '^role.rbac.authorization.k8s.io/pod-reader +[0-9]{4}-' kubectl get role,rolebinding -n here
    says '^rolebinding.rbac.authorization.k8s.io/read-pods +Role/pod-reader +[0-9]+s +lixl +$' kubectl get role,rolebinding -n here -o wide
    says '^ +pods +\[\] +\[\] +\[get watch list\]$' kubectl describe role pod-reader -n here
    says '^nginx ' kubectl --as lixl get pods -n here
    forbids lixl 'services is forbidden: User "lixl" cannot list resource "services" in API group "" in the namespace "here"' get svc -n here
    forbids lixl 'pods is forbidden: User "lixl" cannot list resource "pods" in API group "" in the namespace "default"' get pods
    forbids lixl 'pods is forbidden: User "lixl" cannot list resource "pods" in API group "" at the cluster scope' get pods -A
    forbids lixl 'nodes is forbidden: User "lixl" cannot list resource "nodes" in API group "" at the cluster scope' get nodes
    forbids lixl 'pods "nginx" is forbidden: User "lixl" cannot delete resource "pods" in API group "" in the namespace "here"' delete pod nginx -n here
    forbids lixl 'pods "nginx" is forbidden: User "lixl" cannot get resource "pods/log" in API group "" in the namespace "here"' logs nginx -n here
    # Names of users are case-sensitive.
    forbids Lixl 'pods is forbidden: User "Lixl" cannot list resource "pods" in API group "" in the namespace "here"' get pods -n here
}

# person NAME: a kubeconfig of one's own, made step by step, with a certificate of the cluster's CA.
person() {
    local conf=$D/$1.conf
    make_cert "$1" "$D/n1/pki/ca" "/CN=$1"
    says '^Cluster "kubernetes" set\.$' kubectl config set-cluster kubernetes --certificate-authority "$D/n1/pki/ca.crt" --embed-certs=true \
        --server "$API" --kubeconfig "$conf"
    says "^User \"$1\" set\.\$" kubectl config set-credentials "$1" --client-key "$D/$1.key" --client-certificate "$D/$1.crt" \
        --embed-certs=true --kubeconfig "$conf"
    says '^Context "kubernetes" created\.$' kubectl config set-context kubernetes --cluster kubernetes --user "$1" --kubeconfig "$conf"
    says '^Switched to context "kubernetes"\.$' kubectl config use-context kubernetes --kubeconfig "$conf"
}

@test "somebody with a certificate: nothing, then what a role and its bindings give, here and everywhere" {
    person train
    as_train() { kubectl --kubeconfig "$D/train.conf" "$@"; }
    kubectl create ns cka
    says '^ATTRIBUTE +VALUE$' as_train auth whoami
    [ "$(as_train auth whoami -o 'jsonpath={.status.userInfo.username} {.status.userInfo.groups[*]}')" = "train system:authenticated" ]
    refuses '\(Forbidden\): pods is forbidden: User "train" cannot list resource "pods" in API group "" in the namespace "cka"$' as_train get pods -n cka
    kubectl apply -f - <<'END'
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: doers}
rules:
- {apiGroups: [apps], resources: [deployments, statefulsets, daemonsets], verbs: [create, list]}
- {apiGroups: [""], resources: [pods, services], verbs: [create, list]}
END
    says '^rolebinding.rbac.authorization.k8s.io/train-doers created$' kubectl create rolebinding train-doers --user train --clusterrole doers -n cka
    says '^deployment.apps/web created$' as_train create deployment web --image i -n cka
    says '^web +0/1 ' as_train get deployments -n cka
    refuses 'cannot get resource "deployments" in API group "apps" in the namespace "cka"$' as_train get deployment web -n cka
    refuses 'cannot delete resource "deployments" in API group "apps" in the namespace "cka"$' as_train delete deployment web -n cka
    refuses 'cannot list resource "pods" in API group "" in the namespace "default"$' as_train get pods
    says '^clusterrolebinding.rbac.authorization.k8s.io/train-doers-all created$' \
        kubectl create clusterrolebinding train-doers-all --user train --clusterrole doers
    as_train get pods
    as_train get services -A | grep -q kubernetes
    refuses 'cannot get resource "services"' as_train get service kubernetes
    refuses 'cannot list resource "nodes" in API group "" at the cluster scope$' as_train get nodes
    kubectl create sa user1
    kubectl create clusterrolebinding user1-doers --serviceaccount default:user1 --clusterrole doers
    says '^yes$' kubectl auth can-i list services -A --as system:serviceaccount:default:user1
    refuses '^no$' kubectl auth can-i get services -A --as system:serviceaccount:default:user1
    kubectl delete clusterrolebinding train-doers-all user1-doers
    refuses 'cannot list resource "pods" in API group "" in the namespace "default"$' as_train get pods
}

@test "paths that are no resources are named as such" {
    [ "$(kubectl --as lixl get --raw /healthz)" = ok ]
    forbids lixl 'forbidden: User "lixl" cannot get path "/metrics"' get --raw /metrics
    kubectl create clusterrole measures --verb get --non-resource-url /metrics
    kubectl create clusterrolebinding measures --clusterrole measures --user lixl
    kubectl --as lixl get --raw /metrics | grep -q '^# TYPE '
}

@test "a cluster role is bound in one namespace, or everywhere; a role is not bound everywhere" {
    kubectl create clusterrole createlist --verb create,list --resource deployments.apps,pods,services
    forbids train 'pods is forbidden: .*' get pods -n here
    prints kubectl create rolebinding train --user train --clusterrole createlist -n here --dry-run=client -o yaml <<'END'
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  creationTimestamp: null
  name: train
  namespace: here
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: createlist
subjects:
- apiGroup: rbac.authorization.k8s.io
  kind: User
  name: train
END
    kubectl create rolebinding train --user train --clusterrole createlist -n here
    kubectl --as train create deployment x -n here --image i
    kubectl --as train get deployments -n here
    forbids train 'deployments.apps "x" is forbidden: User "train" cannot get resource "deployments" in API group "apps" in the namespace "here"' get deployment x -n here
    forbids train 'deployments.apps "x" is forbidden: User "train" cannot delete .*' delete deployment x -n here
    forbids train 'pods is forbidden: .* in the namespace "default"' get pods
    kubectl create clusterrolebinding train --user train --clusterrole createlist
    kubectl --as train get pods -A >/dev/null
    says '^train +ClusterRole/createlist +[0-9]+s +train ' kubectl get clusterrolebinding train -o wide
    refuses '^The ClusterRoleBinding "bad" is invalid: roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"$' kubectl apply -f - <<'END'
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: bad}
subjects: [{kind: User, name: train, apiGroup: rbac.authorization.k8s.io}]
roleRef: {kind: Role, name: pod-reader, apiGroup: rbac.authorization.k8s.io}
END
}

@test "accounts and groups are subjects like users; subresources have names of their own" {
    kubectl create serviceaccount robot
    kubectl create rolebinding robot --serviceaccount default:robot --clusterrole view -n here
    kubectl --token "$(kubectl create token robot)" --kubeconfig /dev/null --server "$API" --certificate-authority "$D/n1/pki/ca.crt" get pods -n here
    role ClusterRole secret-reader secrets 'get, list'
    kubectl create clusterrolebinding managers --group manager --clusterrole secret-reader
    kubectl --as anybody --as-group manager get secrets -A
    forbids anybody 'secrets is forbidden: .*' get secrets -A
    role Role logs '"pods/log"' get
    kubectl create rolebinding logs -n here --role logs --user reader
    says '^yes$' kubectl auth can-i get pods --subresource log -n here --as reader
    refuses '^no$' kubectl auth can-i get pods -n here --as reader
    refuses '^no$' kubectl auth can-i get pods --subresource exec -n here --as reader
}

@test "a group that is written with its version is taken, and grants nothing" {
    kubectl apply -f - <<'END'
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: versioned}
rules:
- {apiGroups: [networking.k8s.io/v1], resources: [ingresses], verbs: ['*']}
- {apiGroups: [apps], resources: [deployments], verbs: ['*']}
END
    kubectl create clusterrolebinding versioned --clusterrole versioned --user eve
    kubectl --as eve get deployments -A
    forbids eve 'ingresses.networking.k8s.io is forbidden: User "eve" cannot list resource "ingresses" in API group "networking.k8s.io" at the cluster scope' \
        get ingresses -A
}

@test "the roles that are there from the start" {
    prints kubectl get clusterrole cluster-admin -o yaml <<'END'
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  annotations:
    rbac.authorization.kubernetes.io/autoupdate: "true"
  creationTimestamp: TIME
  labels:
    kubernetes.io/bootstrapping: rbac-defaults
  name: cluster-admin
rules:
- apiGroups:
  - '*'
  resources:
  - '*'
  verbs:
  - '*'
- nonResourceURLs:
  - '*'
  verbs:
  - '*'
END
    filled() { kubectl get clusterrole admin -o yaml | grep -q pods/attach; }
    within 20 filled
    kubectl get clusterrole admin -o yaml >"$D/admin"
    [ "$(head -n 1 "$D/admin")" = aggregationRule: ]
    grep -q 'rbac.authorization.k8s.io/aggregate-to-admin: "true"' "$D/admin"
    # What lets people into pods is of what edit adds, in one rule.
    kubectl get clusterrole admin -o json | jq -e '[.rules[] | select(.resources == ["pods/attach", "pods/exec", "pods/portforward",
        "pods/proxy", "secrets", "services/proxy"] and .verbs == ["get", "list", "watch"] and .apiGroups == [""])] | length == 1'
    kubectl get clusterrole admin -o json | jq -e '[.rules[] | select(.resources == ["serviceaccounts"] and .verbs == ["impersonate"])] | length == 1'
    kubectl get clusterrole admin edit view >/dev/null
}

@test "kubeconfigs: made by kubectl, with what is secret left out, merged, and one before the other" {
    local other=$D/other.conf
    kubectl config set-cluster far --kubeconfig "$other" --server "$API" --certificate-authority "$D/n1/pki/ca.crt" --embed-certs=true
    kubectl config set-credentials boss --kubeconfig "$other" --client-certificate "$D/n1/pki/admin.crt" --client-key "$D/n1/pki/admin.key" --embed-certs=true
    kubectl config set-context there --kubeconfig "$other" --cluster far --user boss --namespace here
    kubectl config use-context there --kubeconfig "$other"
    says '^nginx ' kubectl --kubeconfig "$other" get pods
    says 'certificate-authority-data: DATA\+OMITTED' kubectl config view --kubeconfig "$other"
    says 'client-key-data: DATA\+OMITTED' kubectl config view --kubeconfig "$other"
    [ "$(kubectl config get-clusters --kubeconfig "$other" | xargs)" = "NAME far" ]
    KUBECONFIG=$D/admin.conf:$other says '^c$' kubectl config current-context
    [ "$(KUBECONFIG=$D/admin.conf:$other kubectl config get-contexts -o name | xargs)" = "c there" ]
    KUBECONFIG=$D/admin.conf:$other says '^nginx ' kubectl --context there get pods
    KUBECONFIG=/dev/null says '^nginx ' kubectl --kubeconfig "$other" get pods
    says '^Kubernetes control plane is running at https://' sh -c "kubectl cluster-info | sed 's/\x1b\[[0-9;]*m//g'"
}

@test "a kubeconfig is changed piece by piece, in the file that has the piece, and the home folder's is the last to count" {
    local one=$D/one.conf two=$D/two.conf
    kubectl config view --raw --minify --flatten >"$one"
    KUBECONFIG=$two kubectl config set-context spare --cluster c --user admin --namespace here
    export KUBECONFIG=$one:$two
    says '^Context "spare" renamed to "kept"\.$' kubectl config rename-context spare kept
    grep -q 'name: kept' "$two"
    run ! grep -q 'name: kept' "$one"
    says '^\* +c +c +admin +$' kubectl config get-contexts
    says '^ +kept +c +admin +here$' kubectl config get-contexts
    [ "$(kubectl config get-users | xargs)" = "NAME admin" ]
    says '^Property "contexts.kept.namespace" set\.$' kubectl config set contexts.kept.namespace default
    says '^service/kubernetes$' kubectl --context kept get services -o name
    says '^Property "contexts.kept.namespace" unset\.$' kubectl config unset contexts.kept.namespace
    says '^deleted context kept from ' kubectl config delete-context kept
    refuses 'no context exists with the name: "kept"' kubectl config use-context kept
    unset KUBECONFIG
    mkdir -p "$D/home/.kube"
    cp "$one" "$D/home/.kube/config"
    HOME=$D/home says '^service/kubernetes$' kubectl get services -o name
    says '^deleted user admin from ' kubectl config delete-user admin --kubeconfig "$D/home/.kube/config"
    says '^deleted cluster c from ' kubectl config delete-cluster c --kubeconfig "$D/home/.kube/config"
    HOME=$D/home KUBECONFIG=$one says '^service/kubernetes$' kubectl get services -o name
}

@test "a refusal and plain text are not to be taken for anything else by a browser" {
    header() { curl -s -m 30 -o /dev/null -D - --cacert "$D/n1/pki/ca.crt" "$@" | tr -d '\r' | grep -ci '^x-content-type-options: nosniff$'; }
    local admin=(--cert "$D/n1/pki/admin.crt" --key "$D/n1/pki/admin.key") at=https://$HOST:6443
    [ "$(header "$at/api/v1/secrets")" = 1 ]
    [ "$(header "$at/livez")" = 1 ]
    [ "$(header "${admin[@]}" "$at/nowhere")" = 1 ]
    run -1 header "${admin[@]}" "$at/api/v1/namespaces/default/pods/none"
}
