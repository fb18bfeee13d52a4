# Objects as people make, look at and change them: discovery, lists in all their forms, Services, configuration, secrets,
# quotas, and what kubectl shows of the kinds that nothing runs.
bats_require_minimum_version 1.5.0
KUBECTL_HOST=${OBJECTS_HOST:-127.0.56.1}
load one_server
load says

setup_file() {
    start_one
    within 20 kubectl get serviceaccount default
}

jsonpath() { kubectl get "$2" "$3" -o "jsonpath=$1"; } # PATH TYPE NAME

@test "what is served, in which versions and by which names" {
    prints kubectl api-versions <<'END'
admissionregistration.k8s.io/v1
apiextensions.k8s.io/v1
apiregistration.k8s.io/v1
apps/v1
authentication.k8s.io/v1
authorization.k8s.io/v1
autoscaling/v1
autoscaling/v2
batch/v1
certificates.k8s.io/v1
coordination.k8s.io/v1
discovery.k8s.io/v1
events.k8s.io/v1
flowcontrol.apiserver.k8s.io/v1
networking.k8s.io/v1
node.k8s.io/v1
policy/v1
rbac.authorization.k8s.io/v1
scheduling.k8s.io/v1
storage.k8s.io/v1
v1
END
    kubectl api-resources >"$D/resources"
    local row
    while read -r row; do
        sed 's/  */ /g' "$D/resources" | grep -qxF "$row" || { echo "no row: $row"; return 1; }
    done <<'END'
NAME SHORTNAMES APIVERSION NAMESPACED KIND
bindings v1 true Binding
componentstatuses cs v1 false ComponentStatus
configmaps cm v1 true ConfigMap
endpoints ep v1 true Endpoints
namespaces ns v1 false Namespace
nodes no v1 false Node
persistentvolumeclaims pvc v1 true PersistentVolumeClaim
persistentvolumes pv v1 false PersistentVolume
pods po v1 true Pod
serviceaccounts sa v1 true ServiceAccount
services svc v1 true Service
daemonsets ds apps/v1 true DaemonSet
deployments deploy apps/v1 true Deployment
statefulsets sts apps/v1 true StatefulSet
cronjobs cj batch/v1 true CronJob
horizontalpodautoscalers hpa autoscaling/v2 true HorizontalPodAutoscaler
ingresses ing networking.k8s.io/v1 true Ingress
storageclasses sc storage.k8s.io/v1 false StorageClass
END
    kubectl get po,pod,pods,svc,service,services,ep,no,ns,cm,sa,deploy,rs,sts,ds,ing,cj,hpa,pv,pvc,sc -o name >/dev/null
    says '^NAME +STATUS +AGE$' kubectl get ns
    [ "$(kubectl get ns -o name | xargs)" = "namespace/default namespace/kube-node-lease namespace/kube-public namespace/kube-system" ]
    says '^kubernetes +ClusterIP +10.96.0.1 +<none> +443/TCP ' kubectl get svc
    says '^No resources found in default namespace.$' kubectl get pods
    says '^No resources found$' kubectl get pods -A
}

@test "the page of kinds says what is served" {
    kubectl proxy --port=0 >"$BATS_TEST_TMPDIR/proxy" 3>&- &
    local proxy=$! status=0
    within 10 grep -q 'serve on' "$BATS_TEST_TMPDIR/proxy"
    "$BATS_TEST_DIRNAME/kinds_page.py" "$BATS_TEST_DIRNAME/../../docs/reference/kinds.md" \
        "$(sed 's/.*://' "$BATS_TEST_TMPDIR/proxy")" || status=1
    kill $proxy
    [ $status = 0 ]
}

@test "explain tells fields, their types and values" {
    kubectl explain pods --recursive >"$D/pods"
    grep -qE '^ +emptyDir\s<EmptyDirVolumeSource>$' "$D/pods"
    grep -qE '^ +medium\s<string>$' "$D/pods"
    grep -qE '^ +annotations\s<map\[string\]string>$' "$D/pods"
    grep -qE '^ +finalizers\s<\[\]string>$' "$D/pods"
    kubectl explain pod.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms.matchExpressions.operator >"$D/operator"
    local operator
    for operator in DoesNotExist Exists Gt In Lt NotIn; do
        grep -qE "^ +$operator$" "$D/operator"
    done
}

@test "lists: by labels, by fields, sorted, and in every form" {
    local n
    for n in 3 1 2; do
        kubectl create configmap "list$n" --from-literal "n=$n"
    done
    kubectl label configmap list1 env= tier=a
    kubectl label configmap list2 env=prod
    names() { kubectl get configmaps -o name "$@" | grep -v kube-root | sed 's/.*list//' | xargs; }
    [ "$(names)" = "1 2 3" ]
    [ "$(names -l env)" = "1 2" ]
    [ "$(names -l '!env')" = "3" ]
    [ "$(names -l env=)" = "1" ]
    [ "$(names -l 'env in (prod,dev),tier notin (b)')" = "2" ]
    [ "$(names -l 'env!=prod')" = "1 3" ]
    [ "$(names --field-selector metadata.name=list2)" = "2" ]
    [ "$(names --sort-by .data.n)" = "1 2 3" ]
    says '^list2 +1 +[0-9]+s +prod +$' kubectl get configmaps -L env,tier
    says '^list1 .* env=,tier=a$' kubectl get configmaps --show-labels
    [ "$(kubectl get cm list1 list3 -o go-template='{{range .items}}{{.metadata.name}} {{.data.n}};{{end}}')" = 'list1 1;list3 3;' ]
    [ "$(kubectl get cm list1 list3 -o 'jsonpath={range .items[*]}{.metadata.name} {.data.n};{end}')" = 'list1 1;list3 3;' ]
    [ "$(kubectl get cm list1 -o custom-columns=K:.kind,N:.data.n --no-headers | xargs)" = "ConfigMap 1" ]
    [ "$(kubectl get --raw /api/v1/namespaces/default/configmaps/list3 | grep -o '"data":{"n":"3"}')" = '"data":{"n":"3"}' ]
    says '^configmap/list1 +1 ' kubectl get configmap/list1 service/kubernetes
    says '^service/kubernetes +ClusterIP' kubectl get configmap/list1 service/kubernetes
    says '^configmap "list1" deleted$' kubectl delete configmap/list1
    says '^configmap "list3" deleted$' kubectl delete configmap -l '!env' --field-selector metadata.name=list3
}

@test "Services of every type, and from one type to another" {
    kubectl create service nodeport np --tcp 80:80 --tcp 8080:8080 --tcp 8081:80
    kubectl create service externalname ext --external-name db.example.com
    kubectl create service loadbalancer lb --tcp 80
    kubectl create service clusterip none --clusterip None
    kubectl create service clusterip change --tcp 8080:80
    kubectl get svc -o wide >"$D/services"
    grep -qE '^np +NodePort +10\.[0-9.]+ +<none> +80:3[0-9]{4}/TCP,8080:3[0-9]{4}/TCP,8081:3[0-9]{4}/TCP +[0-9]+s +app=np$' "$D/services"
    grep -qE '^ext +ExternalName +<none> +db.example.com +<none> ' "$D/services"
    grep -qE '^lb +LoadBalancer +10\.[0-9.]+ +<pending> +80:3[0-9]{4}/TCP ' "$D/services"
    grep -qE '^none +ClusterIP +None +<none> +<none> ' "$D/services"
    local address
    address=$(jsonpath '{.spec.clusterIP}' service change)
    kubectl patch service change -p '{"spec": {"type": "NodePort"}}'
    [ "$(jsonpath '{.spec.clusterIP}' service change)" = "$address" ]
    [[ $(jsonpath '{.spec.ports[0].nodePort}' service change) == 3[0-9][0-9][0-9][0-9] ]]
    kubectl patch service change -p '{"spec": {"ports": [{"port": 8080, "nodePort": 32100}]}}'
    says '^change +NodePort .* 8080:32100/TCP ' kubectl get service change
    kubectl patch service change -p '{"spec": {"type": "ClusterIP"}}'
    [ -z "$(jsonpath '{.spec.ports[0].nodePort}' service change)" ]
    kubectl patch service change -p '{"spec": {"sessionAffinity": "ClientIP"}}'
    [ "$(jsonpath '{.spec.sessionAffinityConfig.clientIP.timeoutSeconds}' service change)" = 10800 ]
    kubectl describe service np >"$D/np"
    grep -qE '^Session Affinity: +None$' "$D/np"
    grep -qE '^External Traffic Policy: +Cluster$' "$D/np"
    grep -qE '^NodePort: +8080-8080 +3[0-9]{4}/TCP$' "$D/np"
    kubectl delete service np ext lb none change
}

# web TYPE PORT-FIELDS
web() {
    printf 'apiVersion: v1\nkind: Service\nmetadata: {name: httpd-svc}\nspec:\n  %s\n  selector: {run: httpd}\n  ports: [{protocol: TCP, port: 8080, targetPort: 80%s}]\n' \
        "${1:+type: $1}" "$2"
}

@test "a Service is made a NodePort by its manifest, keeps its address, and takes the port that is named" {
    says '^service/httpd-svc created$' kubectl apply -f <(web '' '')
    says '^httpd-svc +ClusterIP +10\.[0-9.]+ +<none> +8080/TCP +[0-9]+s$' kubectl get service httpd-svc
    local address
    address=$(jsonpath '{.spec.clusterIP}' service httpd-svc)
    [[ $address =~ ^10\.(9[6-9]|10[0-9]|11[01])\. ]]
    says '^service/httpd-svc configured$' kubectl apply -f <(web NodePort '')
    [ "$(jsonpath '{.spec.clusterIP}' service httpd-svc)" = "$address" ]
    says '^httpd-svc +NodePort +10\.[0-9.]+ +<none> +8080:3[0-2][0-9]{3}/TCP ' kubectl get service httpd-svc
    says '^service/httpd-svc configured$' kubectl apply -f <(web NodePort ', nodePort: 30000')
    says '^httpd-svc +NodePort +10\.[0-9.]+ +<none> +8080:30000/TCP ' kubectl get service httpd-svc
    [ "$(jsonpath '{.spec.clusterIP}' service httpd-svc)" = "$address" ]
    refuses 'The range of valid ports is 30000-32767$' kubectl apply -f <(web NodePort ', nodePort: 33000')
    refuses 'provided port is already allocated$' kubectl create service nodeport other --tcp 80 --node-port 30000
    says '^kubernetes +ClusterIP +10.96.0.1 +<none> +443/TCP ' kubectl get service/kubernetes service/httpd-svc
    says '^service/httpd-svc edited$' env EDITOR='sed -i s/NodePort$/ClusterIP/' kubectl edit service httpd-svc
    says '^httpd-svc +ClusterIP +10\.[0-9.]+ +<none> +8080/TCP ' kubectl get svc httpd-svc
    kubectl delete service httpd-svc
}

@test "lists of all namespaces have their column, in both spellings; wide ones have more" {
    kubectl run anywhere --image i -n kube-public || { within 20 kubectl get sa default -n kube-public; kubectl run anywhere --image i -n kube-public; }
    says '^NAMESPACE +NAME +READY +STATUS +RESTARTS +AGE$' kubectl get pods --all-namespaces
    [ "$(kubectl get pods -A --no-headers | awk '{print $1, $2}')" = "$(kubectl get pods --all-namespaces --no-headers | awk '{print $1, $2}')" ]
    says '^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES$' kubectl get pods -n kube-public -owide
    says '^anywhere +0/1 +Pending +0 +[0-9]+s +<none> +<none> +<none> +<none>$' kubectl get pods -n kube-public -o wide
    kubectl delete pod anywhere -n kube-public --now
}

@test "a Service for something outside has the endpoints that it is given" {
    kubectl apply -f - <<'END'
apiVersion: v1
kind: Service
metadata: {name: outside}
spec: {ports: [{port: 3306}]}
---
apiVersion: v1
kind: Endpoints
metadata: {name: outside}
subsets: [{addresses: [{ip: 192.0.2.7}], ports: [{port: 3306}]}]
END
    says '^outside +192.0.2.7:3306 ' kubectl get endpoints outside
}

@test "configuration from literals, files and directories" {
    mkdir -p "$D/conf"
    echo one >"$D/conf/first"
    printf '\377\376' >"$D/conf/second"
    printf 'a=1\nb=2\n' >"$D/env"
    kubectl create configmap dir --from-file "$D/conf"
    says '^dir +2 ' kubectl get configmap dir
    [ "$(jsonpath '{.binaryData.second}' configmap dir)" = //4= ]
    kubectl create configmap key --from-file "other=$D/conf/first" --from-literal l=1
    [ "$(jsonpath '{.data.other}{.data.l}' configmap key)" = $'one\n1' ]
    kubectl create configmap env --from-env-file "$D/env"
    [ "$(jsonpath '{.data}' configmap env)" = '{"a":"1","b":"2"}' ]
    says '^second: 2 bytes$' kubectl describe configmap dir
}

@test "secrets of each type, and what a type needs" {
    kubectl apply -f - <<<'{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "my"}, "type": "Opaque",
        "data": {"username": "YWRtaW4=", "password": "MWYyZDFlMmU2N2Rm"}}'
    says '^my +Opaque +2 ' kubectl get secret my
    says '^username: +5 bytes$' kubectl describe secret my
    [ "$(jsonpath '{.data.username}' secret my | base64 -d)" = admin ]
    refuses 'data\[ssh-privatekey\]: Required value$' kubectl create secret generic ssh --type kubernetes.io/ssh-auth --from-literal x=1
    kubectl create secret generic ssh --type kubernetes.io/ssh-auth --from-literal ssh-privatekey=1
    refuses '\[data\[username\]: Required value, data\[password\]: Required value\]$' \
        kubectl create secret generic basic --type kubernetes.io/basic-auth --from-literal x=1
    kubectl create secret generic basic --type kubernetes.io/basic-auth --from-literal username=1
    refuses 'data\[tls.key\]: Required value' kubectl create secret generic tls --type kubernetes.io/tls --from-literal tls.crt=1
    kubectl create secret docker-registry pull --docker-username u --docker-password p --docker-server example.com
    says '^pull +kubernetes.io/dockerconfigjson +1 ' kubectl get secret pull
    refuses 'metadata.annotations\[kubernetes.io/service-account.name\]: Required value$' \
        kubectl create secret generic sat --type kubernetes.io/service-account-token --from-literal x=1
}

# pod NAME RESOURCES RESOURCES: the class that it gets, and what its first container is stored with.
pod() {
    printf 'apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\nspec:\n  containers:\n  - {name: a, image: i, resources: %s}\n  - {name: b, image: i, resources: %s}\n' "$@" |
        kubectl create -f - -o 'jsonpath={.status.qosClass} {.spec.containers[0].resources}'
}

@test "classes of service follow from requests and limits, and requests from limits" {
    local equal='{requests: {cpu: 100m, memory: 32Mi}, limits: {cpu: "0.1", memory: 32Mi}}'
    [ "$(pod none '{}' '{}')" = 'BestEffort {}' ]
    [ "$(pod some '{requests: {cpu: 100m, memory: 512Mi}, limits: {cpu: "0.2", memory: 1Gi}}' '{}')" = \
        'Burstable {"limits":{"cpu":"200m","memory":"1Gi"},"requests":{"cpu":"100m","memory":"512Mi"}}' ]
    [[ $(pod both "$equal" "$equal") == Guaranteed* ]]
    [[ $(pod one "$equal" '{}') == Burstable* ]]
    [ "$(pod limits '{limits: {cpu: 100m, memory: 32Mi}}' "$equal")" = \
        'Guaranteed {"limits":{"cpu":"100m","memory":"32Mi"},"requests":{"cpu":"100m","memory":"32Mi"}}' ]
    [ "$(pod requests '{requests: {cpu: 100m}}' '{}')" = 'Burstable {"requests":{"cpu":"100m"}}' ]
    kubectl delete pods --all --now
}

@test "all that a pod may be told, in its description" {
    kubectl apply -f - <<'END'
apiVersion: v1
kind: Pod
metadata: {name: full, annotations: {note: m}}
spec:
  initContainers: [{name: i1, image: busybox, command: [sh, -c, "true"]}]
  volumes:
  - {name: h, hostPath: {path: /data/mysql, type: DirectoryOrCreate}}
  - {name: m, emptyDir: {medium: Memory, sizeLimit: 32Mi}}
  - {name: s, secret: {secretName: s, optional: true}}
  - {name: f, nfs: {server: 192.0.2.1, path: /data}}
  - {name: p, persistentVolumeClaim: {claimName: x}}
  - {name: d, downwardAPI: {items: [{path: l, fieldRef: {fieldPath: metadata.labels}}, {path: r, resourceFieldRef: {containerName: c, resource: limits.cpu}}]}}
  containers:
  - name: c
    image: nginx:1.23
    command: [sh, -c]
    args: [sleep 3000]
    env:
    - {name: A, value: b}
    - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: S, valueFrom: {secretKeyRef: {name: s, key: k, optional: true}}}
    - {name: L, valueFrom: {resourceFieldRef: {resource: limits.cpu}}}
    envFrom: [{configMapRef: {name: c, optional: true}}]
    ports: [{name: http, containerPort: 80, hostPort: 8080}]
    resources: {limits: {cpu: 1}}
    livenessProbe: {exec: {command: [cat, /tmp/healthy]}, initialDelaySeconds: 10, periodSeconds: 5}
    readinessProbe: {httpGet: {path: /healthy, port: 8080, httpHeaders: [{name: Host, value: www.example.com}]}}
    startupProbe: {tcpSocket: {port: http}, failureThreshold: 18}
    volumeMounts: [{name: h, mountPath: /var/lib/mysql}, {name: m, mountPath: /cache, readOnly: true, subPath: x}]
END
    kubectl describe pod full >"$D/full"
    local line
    while read -r line; do
        grep -qxF "$line" <(sed -E 's/ +/ /g; s/^ //; s/ $//' "$D/full") || { echo "no line: $line"; cat "$D/full"; return 1; }
    done <<'END'
Annotations: note: m
Status: Pending
Host Port: 8080/TCP
sleep 3000
Requests:
cpu: 1
Liveness: exec [cat /tmp/healthy] delay=10s timeout=1s period=5s #success=1 #failure=3
Readiness: http-get http://:8080/healthy delay=0s timeout=1s period=10s #success=1 #failure=3
Startup: tcp-socket :http delay=0s timeout=1s period=10s #success=1 #failure=18
c ConfigMap Optional: true
NAME: full (v1:metadata.name)
S: <set to the key 'k' in secret 's'> Optional: true
L: 1 (limits.cpu)
/cache from m (ro,path="x")
/var/lib/mysql from h (rw)
HostPathType: DirectoryOrCreate
SizeLimit: 32Mi
Optional: true
Server: 192.0.2.1
ClaimName: x
metadata.labels -> l
limits.cpu -> r
QoS Class: Burstable
END
    kubectl delete pod full --now
}

@test "a namespace with a quota and limits" {
    kubectl create namespace q
    kubectl create quota q -n q --hard pods=2,requests.cpu=1,limits.cpu=2,services=2,services.nodeports=1,count/deployments.apps=1
    within 20 kubectl get serviceaccount default -n q
    refuses 'pods "a" is forbidden: failed quota: q: must specify limits.cpu for: a; requests.cpu for: a$' kubectl run a -n q --image i
    kubectl apply -n q -f - <<'END'
apiVersion: v1
kind: LimitRange
metadata: {name: limits}
spec:
  limits:
  - {type: Container, default: {cpu: 200m}, defaultRequest: {cpu: 100m}, max: {cpu: 1}, min: {cpu: 50m}, maxLimitRequestRatio: {cpu: 4}}
  - {type: Pod, max: {cpu: 1500m}}
END
    kubectl run a -n q --image i
    [ "$(kubectl get pod a -n q -o 'jsonpath={.spec.containers[0].resources} {.metadata.annotations.kubernetes\.io/limit-ranger}')" = \
        '{"limits":{"cpu":"200m"},"requests":{"cpu":"100m"}} LimitRanger plugin set: cpu request for container a; cpu limit for container a' ]
    sized() { kubectl run b -n q --image i --overrides '{"spec": {"containers": [{"name": "b", "image": "i", "resources":
        {"requests": {"cpu": "'"$1"'"}, "limits": {"cpu": "'"$2"'"}}}]}}'; }
    refuses 'minimum cpu usage per Container is 50m, but request is 20m$' sized 20m 50m
    refuses 'cpu max limit to request ratio per Container is 4, but provided ratio is 5.000000$' sized 100m 500m
    refuses '\[maximum cpu usage per Container is 1, but limit is 2, maximum cpu usage per Pod is 1500m, but limit is 2\]$' sized 500m 2
    sized 500m 1
    refuses 'exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2$' kubectl run c -n q --image i
    kubectl create deployment d -n q --image i --replicas 0
    refuses 'requested: count/deployments.apps=1, used: count/deployments.apps=1, limited: count/deployments.apps=1$' \
        kubectl create deployment e -n q --image i
    kubectl create service nodeport n1 -n q --tcp 80
    refuses 'requested: services.nodeports=1, used: services.nodeports=1, limited: services.nodeports=1$' \
        kubectl create service nodeport n2 -n q --tcp 80
    says '^ +requests.cpu +600m +1$' kubectl describe ns q
    says '^Container +cpu +50m +1 +100m +200m +4$' kubectl describe limits limits -n q
    kubectl delete namespace q --wait=false
}

@test "ingresses, network policies, autoscalers, budgets and priorities are shown as they were meant" {
    kubectl create ingress ex --class nginx-2 --rule 'www.example.com/webapi*=web:80,tls=cert' --rule 'www.example.com/bbs*=bbs:http'
    says '^ex +nginx-2 +www.example.com +80, 443 ' kubectl get ing
    says '/webapi +web:80 \(<error: services "web" not found>\)$' kubectl describe ing ex
    kubectl apply -f - <<'END'
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: np}
spec:
  podSelector: {matchLabels: {role: db}}
  ingress: [{from: [{ipBlock: {cidr: 172.17.0.0/16, except: [172.17.1.0/24]}}], ports: [{port: 6379}]}]
END
    says '^ +To Port: 6379/TCP$' kubectl describe netpol np
    [ "$(jsonpath '{.spec.policyTypes}' netpol np)" = '["Ingress"]' ]
    kubectl create deployment h --image i --replicas 0
    kubectl autoscale deployment h --min 2 --max 5 --cpu-percent 80
    says '^h +Deployment/h +cpu: <unknown>/80% +2 +5 +0 ' kubectl get hpa
    [ "$(kubectl get --raw /apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/h | grep -o '"targetCPUUtilizationPercentage":80')" != "" ]
    kubectl create poddisruptionbudget b --selector app=h --min-available 50%
    says '^b +50% +N/A +0 ' kubectl get pdb
    kubectl create priorityclass high --value 1000 --global-default
    says '^high +1000 +true ' kubectl get pc
    refuses 'PriorityClass high is already marked as default. Only one default can exist$' kubectl create priorityclass low --value 1 --global-default
    refuses 'maximum allowed value of a user defined priority is 1000000000$' kubectl create priorityclass big --value 2000000000
    kubectl run urgent --image i
    [ "$(jsonpath '{.spec.priority} {.spec.priorityClassName}' pod urgent)" = '1000 high' ]
    refuses 'no PriorityClass with name no was found$' kubectl run not --image i --overrides '{"spec": {"priorityClassName": "no"}}'
    kubectl delete priorityclass high
}

@test "jobs and cron jobs get what they leave out; a job's pods do not run for ever" {
    job() { printf 'apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec: {template: {spec: {%scontainers: [{name: c, image: i}]}}}\n' "$1"; }
    job '' | refuses 'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"$' kubectl apply -f -
    job 'restartPolicy: Always, ' | refuses 'valid values: "OnFailure", "Never"$' kubectl apply -f -
    job 'restartPolicy: Never, ' | kubectl apply -f -
    [ "$(jsonpath '{.spec.completions} {.spec.parallelism} {.spec.backoffLimit}' job j)" = '1 1 6' ]
    kubectl create cronjob cj --image i --schedule '*/1 * * * *' -- date
    says '^cj +\*/1 \* \* \* \* +<none> +False +0 +<none> ' kubectl get cronjob
    refuses 'spec.schedule: Invalid value: "every day"' kubectl create cronjob bad --image i --schedule 'every day' -- date
}

@test "volumes are made by those who own disks, and claimed; what is fixed stays" {
    kubectl apply -f - <<'END'
apiVersion: v1
kind: PersistentVolume
metadata: {name: my-pv}
spec: {capacity: {storage: 5Gi}, accessModes: [ReadWriteMany], nfs: {path: /k8s/nfs, server: 192.0.2.1}}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: fast}
provisioner: example.com/x
volumeBindingMode: WaitForFirstConsumer
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: my-pvc}
spec: {accessModes: [ReadWriteMany], resources: {requests: {storage: 5Gi}}}
END
    says '^my-pv +5Gi +RWX +Retain ' kubectl get pv
    says '^fast +example.com/x +Delete +WaitForFirstConsumer +false ' kubectl get sc
    kubectl annotate sc fast storageclass.kubernetes.io/is-default-class=true
    says '^fast \(default\) +example.com/x ' kubectl get sc
    kubectl annotate sc fast storageclass.kubernetes.io/is-default-class-
    says '^Status: +Pending$' kubectl describe pvc my-pvc
    refuses 'spec.persistentvolumesource is immutable after creation$' kubectl patch pv my-pv -p '{"spec": {"nfs": {"path": "/x"}}}'
    refuses 'spec is immutable after creation except resources.requests' \
        kubectl patch pvc my-pvc -p '{"spec": {"resources": {"requests": {"storage": "6Gi"}}}}'
    refuses 'provisioner: Forbidden: updates to provisioner are forbidden.$' kubectl patch sc fast -p '{"provisioner": "x"}'
    says '^Finalizers: +\[kubernetes.io/pvc-protection\]$' kubectl describe pvc my-pvc
    says 'deleted$' kubectl delete pvc/my-pvc pv/my-pv --timeout 120s
}

@test "a Service has as many ports as it needs, but for those of nodes" {
    many_ports() {
        jq -n --arg name "$1" --arg type "$2" --argjson count "$3" '{apiVersion: "v1", kind: "Service", metadata: {name: $name},
            spec: {type: $type, ports: [range(1; $count + 1) | {name: "p\(.)", port: .}]}}'
    }
    says '^service/wide created$' kubectl create -f <(many_ports wide ClusterIP 100)
    [ "$(kubectl get service wide -o 'jsonpath={.spec.ports[*].port}' | wc -w)" = 100 ]
    says '^service/narrow created$' kubectl create -f <(many_ports narrow NodePort 21)
    refuses 'a Service may have at most 21 ports of nodes$' kubectl create -f <(many_ports nodes NodePort 22)
    refuses 'a Service may have at most 21 ports of nodes$' kubectl patch service wide -p '{"spec": {"type": "NodePort"}}'
    kubectl delete service wide narrow
}

@test "what only the server knows of: scales, the order of FlowSchemas, logs that are not there yet" {
    kubectl create deployment scaled --image registry.example/web --replicas 2
    says '^NAME +DESIRED +AVAILABLE +AGE$' kubectl get deployment scaled --subresource scale
    says '^scaled +2 +[0-2] +[0-9]+s$' kubectl get deployment scaled --subresource scale
    says '^exempt$' sed -n 1p <(kubectl get flowschemas --no-headers | cut -d" " -f1)
    says '^catch-all$' sed -n '$p' <(kubectl get flowschemas --no-headers | cut -d" " -f1)
    kubectl run unscheduled --image registry.example/web
    [ -z "$(kubectl logs unscheduled 2>&1)" ]
}

@test "who asks for a deprecated version of a custom resource is told so" {
    kubectl apply -f - <<'END'
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: relics.old.example.com}
spec:
  group: old.example.com
  scope: Namespaced
  names: {plural: relics, kind: Relic}
  versions:
    - {name: v1, served: true, storage: true, schema: &any {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
    - {name: v1beta1, served: true, storage: false, deprecated: true, deprecationWarning: "relics have moved", schema: *any}
    - {name: v1alpha1, served: true, storage: false, deprecated: true, schema: *any}
END
    kubectl wait --for=condition=Established crd/relics.old.example.com --timeout=10s
    within 20 kubectl get relics.v1alpha1.old.example.com
    says '^Warning: old.example.com/v1alpha1 Relic is deprecated; use old.example.com/v1 Relic$' \
        kubectl get relics.v1alpha1.old.example.com
    says '^Warning: relics have moved$' kubectl get relics.v1beta1.old.example.com
    ! kubectl get relics.v1.old.example.com 2>&1 | grep Warning: || return 1
}
