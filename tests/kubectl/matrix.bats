# Every kubectl that is installed (kubectl.1.NN beside the default one) against one server without nodes: what each command
# does, or says. Each version works in a namespace of its own.
bats_require_minimum_version 1.5.0
KUBECTL_HOST=${KUBECTL_MATRIX_HOST:-127.0.51.1}
load one_server
load says

setup_file() {
    start_one
    local kubectl beside
    kubectl=$(readlink -f "$(command -v kubectl)")
    beside=$(find "$(dirname "$kubectl")" -maxdepth 1 -name 'kubectl.1.*' | sort -V)
    echo "${beside:-$kubectl}" >"$D/kubectls"
    kubectl apply -f - <<<'{"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}'
    local number=0
    while read -r kubectl; do
        number=$((number + 1))
        within 20 kubectl get serviceaccount default -n default
        kubectl create namespace "v$number"
        within 20 kubectl get serviceaccount default -n "v$number"
    done <"$D/kubectls"
}

# each FUNCTION: with K as the command in its namespace, N as that, and B a program alone, for every version.
each() {
    local number=0
    while read -r B <&3; do
        number=$((number + 1))
        N=v$number
        K="$B -n $N"
        echo "# ${B##*/}"
        "$1"
    done 3<"$D/kubectls"
}

value() { # JSONPATH GET-ARGUMENT...
    local path=$1
    shift
    $K get "$@" -o "jsonpath=$path"
}

config() { # NAME VALUE
    echo '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "'"$1"'"}, "data": {"a": "'"$2"'"}}'
}

web() { # NAME
    cat <<END
apiVersion: apps/v1
kind: Deployment
metadata: {name: $1}
spec:
  replicas: 1
  selector: {matchLabels: {app: $1}}
  template:
    metadata: {labels: {app: $1}}
    spec: {containers: [{name: c, image: "i:1"}]}
END
}

looks() {
    says '"gitVersion": "v1\.32' $K version -o json
    says '^Client Version: ' $K version
    says '^Server Version: .*v1\.32' $K version
    says 'is running at' $K cluster-info
    says '^deployments +deploy +apps/v1 +true +Deployment' $K api-resources
    says 'horizontalpodautoscalers' $K api-resources --api-group autoscaling -o name
    says '^autoscaling/v2$' $K api-versions
    says 'FIELD: +replicas' $K explain deployment.spec.replicas
    says 'VERSION: +v2' $K explain hpa --api-version autoscaling/v2
    says 'FIELDS|KIND:' $K explain pod.spec --recursive
    says '^ok' $K get --raw /readyz
    says 'configmap/kube-root-ca.crt' $K get configmaps -o name
    says 'NAME +DATA +AGE' $K get configmaps
    says '^kube-root-ca.crt +1' $K get configmaps --no-headers
    says 'kind: List' $K get configmaps -o yaml
    says '"kind": "ConfigMap"' $K get configmap kube-root-ca.crt -o json
    says "^$N " $K get configmaps -o custom-columns=NS:.metadata.namespace,NAME:.metadata.name --no-headers
    says 'service/kubernetes' $K get all -A
    says 'Name: +kube-root-ca.crt' $K describe configmap kube-root-ca.crt
    refuses 'NotFound.*"nobody" not found' $K get pod nobody
    refuses "doesn't have a resource type \"unicorns\"" $K get unicorns
}

@test "version, cluster-info, api-resources, api-versions, explain, get in every output, describe" { each looks; }

applies() {
    says 'deployment.apps/web created' $K apply -f <(web web)
    says 'deployment.apps/web unchanged' $K apply -f <(web web)
    says 'deployment.apps/web configured' $K apply -f <(web web | sed s/i:1/i:2/)
    [ "$(value '{.spec.template.spec.containers[0].image}' deployment web)" = i:2 ]
    $K diff -f <(web web | sed s/i:1/i:2/)
    run -1 $K diff -f <(web web | sed s/i:1/i:3/)
    [[ $output == *'+'*'image: i:3'* ]]
    says 'dry run' $K apply --dry-run=server -f <(web web | sed s/i:1/i:3/)
    says 'dry run' $K apply --dry-run=client -f <(web web | sed s/i:1/i:3/)
    [ "$(value '{.spec.template.spec.containers[0].image}' deployment web)" = i:2 ]
    says 'image: i:2' $K apply view-last-applied deployment web
    refuses 'strict decoding error: unknown field "spec.replica"' $K apply -f <(web bad | sed s/replicas/replica/)
    says 'configmap/ssa serverside-applied' $K apply --server-side --field-manager one -f <(config ssa 1)
    refuses 'conflict with "one": .data.a' $K apply --server-side --field-manager two -f <(config ssa 2)
    says 'serverside-applied' $K apply --server-side --field-manager two --force-conflicts -f <(config ssa 2)
    run -1 $K diff --server-side --field-manager two -f <(config ssa 3)
    [[ $output == *'+  a: "3"'* ]]
    says 'serverside-applied' $K apply --server-side -f <(web web) --force-conflicts
    says '"manager": "two"' $K get configmap ssa --show-managed-fields -o json
}

@test "apply by the client and by the server, diff, dry runs, conflicts" { each applies; }

prunes() {
    export KUBECTL_APPLYSET=true
    $K apply -f <(config one 1; config two 1) --prune --applyset=set
    says 'configmap/two pruned' $K apply -f <(config one 1) --prune --applyset=set
    refuses 'NotFound' $K get configmap two
    says 'applyset' value '{.metadata.labels}' secret set
    unset KUBECTL_APPLYSET
    local labelled
    labelled() { config "$1" 1 | sed 's/"metadata": {/&"labels": {"prune": "me"}, /'; }
    $K apply -f <(labelled three; labelled four)
    says 'configmap/four pruned' $K apply -f <(labelled three) --prune -l prune=me --prune-allowlist core/v1/ConfigMap
    $K get configmap three
    refuses 'NotFound' $K get configmap four
}

@test "apply --prune, by applyset and by label" { each prunes; }

patches() {
    $K create configmap p --from-literal a=1
    $K patch configmap p --type json -p '[{"op": "replace", "path": "/data/a", "value": "2"}]'
    [ "$(value '{.data.a}' configmap p)" = 2 ]
    $K patch configmap p --type merge -p '{"data": {"a": null, "b": "3"}}'
    [ "$(value '{.data}' configmap p)" = '{"b":"3"}' ]
    $K patch configmap p -p '{"data": {"c": "4"}}'
    [ "$(value '{.data.c}' configmap p)" = 4 ]
    says 'no change' $K patch configmap p -p '{"data": {"c": "4"}}'
    $K apply -f <(web patched)
    $K patch deployment patched --subresource scale --type merge -p '{"spec": {"replicas": 2}}'
    [ "$(value '{.spec.replicas}' deployment patched)" = 2 ]
    says 'replicas: 2' $K get deployment patched --subresource scale -o yaml
    says 'labeled' $K label configmap p l=1
    refuses "already has a value" $K label configmap p l=2
    $K label configmap p l=2 --overwrite
    says '^p ' $K get configmaps -l l=2 --no-headers
    $K label configmap p l-
    refuses 'a valid label must be' $K label configmap p 'l=a b'
    $K annotate configmap p n='some text'
    [ "$(value '{.metadata.annotations.n}' configmap p)" = 'some text' ]
    $K annotate configmap p n-
}

@test "patch of each type, also of subresources; label, annotate" { each patches; }

edits() {
    $K create configmap e --from-literal a=1
    printf '#!/bin/sh\nsed -i "s/a: .1./a: \\"2\\"/" "$1"\n' >"$BATS_TEST_TMPDIR/editor"
    chmod +x "$BATS_TEST_TMPDIR/editor"
    EDITOR=$BATS_TEST_TMPDIR/editor $K edit configmap e
    [ "$(value '{.data.a}' configmap e)" = 2 ]
    EDITOR=true says 'no changes made' $K edit configmap e
    says 'configmap/e replaced' $K replace -f <(config e 3)
    local uid
    uid=$(value '{.metadata.uid}' configmap e)
    config e 4 >"$BATS_TEST_TMPDIR/e.json"
    says 'configmap/e replaced' $K replace --force -f "$BATS_TEST_TMPDIR/e.json"
    [ "$(value '{.metadata.uid}' configmap e)" != "$uid" ]
    refuses 'NotFound' $K replace -f <(config absent 1)
    refuses 'object has been modified' $K replace -f <(config e 5 | sed 's/"metadata": {/&"resourceVersion": "1", /')
}

@test "edit, replace, replace --force" { each edits; }

waits() {
    $K create configmap w --from-literal a=1
    $K wait --for=jsonpath='{.data.a}'=1 configmap/w --timeout 60s
    refuses 'timed out' $K wait --for=jsonpath='{.data.a}'=2 configmap/w --timeout 1s
    (sleep 0.3 && $K delete configmap w >/dev/null) 3>&- &
    local deleting=$!
    $K wait --for=delete configmap/w --timeout 60s
    wait $deleting
    $K create configmap d1
    $K create configmap d2
    $K label configmap d1 d2 gone=soon
    says '"d1" deleted' $K delete configmap -l gone=soon
    refuses 'NotFound' $K get configmap d2
    says 'dry run' $K delete configmap kube-root-ca.crt --dry-run=server
    refuses 'NotFound' $K delete configmap d1
    $K apply -f <(web orphaned)
    within 20 $K get rs -l app=orphaned -o 'jsonpath={.items[0].metadata.name}'
    $K delete deployment orphaned --cascade=orphan
    says 'orphaned-' $K get rs -l app=orphaned -o name
    $K delete rs -l app=orphaned
    $K delete pods --all --force --grace-period=0
    says 'deleted|No resources' $K delete cm --all
}

@test "wait for a value and for deletion; delete by name, label, all, with orphans" { each waits; }

may() {
    says '^yes' $K auth can-i delete nodes
    refuses '^no' $K auth can-i get pods --as jane
    says 'pods +\[\] +\[\] +|\*\.\*' $K auth can-i --list
    says 'selfsubjectaccessreviews' $K auth can-i --list --as jane
    case $B in
    *.1.27) refuses 'not enabled' $K auth whoami ;; # It asks for v1beta1, which v1.32 does not serve.
    *) says 'kubernetes-admin' $K auth whoami ;;
    esac
    refuses 'Forbidden.*User "jane" cannot list resource "pods"' $K get pods --as jane
    $K auth reconcile -f <(echo '{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata":
        {"name": "r", "namespace": "'"$N"'"}, "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]}')
    [ "$(value '{.rules[0].verbs[0]}' role r)" = get ]
}

@test "auth can-i, whoami, reconcile; as another" { each may; }

creates() {
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$D/t.key" -out "$D/t.crt" -days 2 -subj /CN=t 2>/dev/null
    $K create namespace "$N-more"
    $K create serviceaccount s
    says '^ey' $K create token s --duration 10m
    $K create secret generic g --from-literal a=1
    $K create secret tls t --cert "$D/t.crt" --key "$D/t.key"
    $K create secret docker-registry r --docker-username u --docker-password p --docker-server example.com
    $K create configmap c --from-literal a=1 --from-file "$D/t.crt"
    $K create role ro --verb get,list --resource pods,deployments.apps
    $K create rolebinding rb --role ro --serviceaccount "$N:s"
    says '^yes' $K auth can-i list pods --as "system:serviceaccount:$N:s"
    $K create clusterrole "$N-cr" --verb get --resource nodes
    $K create clusterrolebinding "$N-crb" --clusterrole "$N-cr" --user "$N-jane"
    says '^yes' $K auth can-i get nodes --as "$N-jane"
    $K create quota q --hard pods=10,configmaps=50
    $K create poddisruptionbudget b --selector app=x --min-available 1
    $K create priorityclass "$N-p" --value 1000
    $K create deployment d --image i:1 --replicas 2 --port 80
    $K create job j --image i:1 -- true
    $K create cronjob cj --image i:1 --schedule '*/5 * * * *' -- true
    $K create job from-cj --from cronjob/cj
    $K create service clusterip sc --tcp 80:8080
    $K create service nodeport sn --tcp 80:8080
    $K create service loadbalancer sl --tcp 80:8080
    $K create service externalname se --external-name example.com
    $K create ingress i --rule 'example.com/a=sc:80,tls=t'
    $K expose deployment d --port 80 --name ed
    says '^pod/p created' $K run p --image i:1 --labels a=b
    says 'kind: Pod' $K run p --image i:1 --dry-run=client -o yaml
    refuses 'already exists' $K create configmap c
    refuses 'AlreadyExists' $K create -f <(config c 1)
    says 'created' $K create -f <(config generated 1 | sed 's/"name": "generated"/"generateName": "generated-"/')
    refuses 'Invalid value: "A_B"|invalid' $K create configmap A_B
    says 'Hard|Used' $K describe quota q
    local kind
    for kind in secret/g serviceaccount/s role/ro rolebinding/rb pdb/b deployment/d job/j cronjob/cj service/sc service/sn \
        ingress/i pod/p "clusterrole/$N-cr" "priorityclass/$N-p" "namespace/$N"; do
        says "Name: +${kind#*/}" $K describe "$kind"
    done
    $K delete namespace "$N-more" --wait=false
}

@test "create of everything that kubectl can create, run, expose; describe of it" { each creates; }

sets() {
    $K apply -f <(web set)
    $K create serviceaccount sa-set
    $K set image deployment/set c=i:9
    $K set env deployment/set A=1 B-
    $K set resources deployment/set --limits cpu=1,memory=64Mi --requests cpu=100m
    $K set serviceaccount deployment/set sa-set
    [ "$(value '{.spec.template.spec.serviceAccountName} {.spec.template.spec.containers[0].image}' deployment set)" = 'sa-set i:9' ]
    says 'A=1' $K set env deployment/set --list
    $K create service clusterip set --tcp 80
    $K set selector service set app=set
    [ "$(value '{.spec.selector.app}' service set)" = set ]
    $K create rolebinding set --clusterrole view --user u
    $K set subject rolebinding set --user v
    [ "$(value '{.subjects[1].name}' rolebinding set)" = v ]
}

@test "set image, env, resources, serviceaccount, selector, subject" { each sets; }

revision() { [ "$(value '{.metadata.annotations.deployment\.kubernetes\.io/revision}' deployment "$1")" = "$2" ]; }

rolls() {
    $K apply -f <(web roll)
    within 20 revision roll 1
    $K set image deployment/roll c=i:2
    within 20 revision roll 2
    says '^2 ' $K rollout history deployment roll
    says 'Image:.*i:1' $K rollout history deployment roll --revision 1
    $K rollout undo deployment roll
    within 20 revision roll 3
    [ "$(value '{.spec.template.spec.containers[0].image}' deployment roll)" = i:1 ]
    $K rollout pause deployment roll
    refuses 'paused' $K rollout undo deployment roll
    $K rollout resume deployment roll
    $K rollout restart deployment roll
    says 'restartedAt' value '{.spec.template.metadata.annotations}' deployment roll
    says 'Waiting for deployment' $K rollout status deployment roll --watch=false
    $K scale deployment roll --replicas 3
    [ "$(value '{.spec.replicas}' deployment roll)" = 3 ]
    refuses 'expected replicas|Expected replicas' $K scale deployment roll --current-replicas 9 --replicas 1
    $K autoscale deployment roll --min 1 --max 5 --cpu-percent 80
    [ "$(value '{.spec.maxReplicas}' hpa roll)" = 5 ]
    $K delete hpa roll
}

@test "rollout history, undo, pause, resume, restart, status; scale; autoscale" { each rolls; }

nodes() {
    $K taint node n "key-$N=value:NoSchedule"
    says "key-$N" $K describe node n
    $K taint node n "key-$N-"
    $K cordon n
    says 'SchedulingDisabled' $K get node n
    $K drain n --ignore-daemonsets --force
    $K uncordon n
    says 'Ready|Unknown' $K get node n
    $K label node n "l-$N=1"
    $K label node n "l-$N-"
    refuses 'Metrics API not available|metrics' $K top node
    refuses 'Metrics API not available|metrics' $K top pod
    refuses 'does not have a host assigned|not have|ContainerCreating|not found' $K logs nobody
}

@test "taint, cordon, drain, uncordon; top and logs say what is missing" { each nodes; }

proxies() {
    local socket=$BATS_TEST_TMPDIR/$N.sock answer
    $K proxy --unix-socket "$socket" >/dev/null 2>&1 3>&- &
    local proxy=$!
    within 10 test -S "$socket"
    answer=$(curl -s --unix-socket "$socket" "http://localhost/api/v1/namespaces/$N/configmaps?limit=1")
    kill "$proxy"
    wait "$proxy" || true
    [[ $answer == *'"kind": "ConfigMapList"'* ]] || [[ $answer == *'"kind":"ConfigMapList"'* ]]
}

@test "proxy at a Unix socket" { each proxies; }

follows() {
    $K get configmaps -w --output-watch-events >"$D/$N.watch" 2>&1 3>&- &
    local watch=$!
    within 10 grep -q kube-root-ca.crt "$D/$N.watch"
    $K create configmap followed
    within 10 grep -qE 'ADDED +followed' "$D/$N.watch"
    $K delete configmap followed
    within 10 grep -qE 'DELETED +followed' "$D/$N.watch"
    kill "$watch"
    wait "$watch" || true
    $K events >/dev/null
    says 'LAST SEEN|No resources' $K get events
    $K get events --sort-by .metadata.creationTimestamp >/dev/null
}

@test "get -w, events" { each follows; }
