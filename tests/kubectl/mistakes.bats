# Manifests with mistakes that people make, and what they are told; manifests that kubectl makes, to the letter; and objects
# that go from the server's output back in.
bats_require_minimum_version 1.5.0
KUBECTL_HOST=${MISTAKES_HOST:-127.0.55.1}
load one_server
load says

# pod TEXT: a manifest of a pod that ends with it; what belongs to the container is indented by four.
pod() { printf 'apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    image: i\n%s\n' "$1"; }

# service SPEC
service() { printf 'apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {%s}\n' "$1"; }

# deployment REPLACED BY: one in which a text is replaced.
deployment() {
    local manifest='apiVersion: apps/v1
kind: Deployment
metadata: {name: d}
spec:
  selector: {matchLabels: {app: d}}
  template:
    metadata: {labels: {app: d}}
    spec: {containers: [{name: c, image: i}]}'
    echo "${manifest/"$1"/"$2"}"
}

# says_of MESSAGE: a dry run of what comes in fails, and says exactly that.
says_of() {
    local output
    ! output=$(kubectl apply --dry-run=server -f - 2>&1) || { echo "did not fail: $output"; return 1; }
    [ "$output" = "$1" ] || diff <(echo "$1") <(echo "$output")
}

# invalid MESSAGE: the same for a pod that is decoded and not valid.
invalid() { says_of "The Pod \"p\" is invalid: $1"; }

# unread MESSAGE: the same for a pod that cannot be decoded.
unread() { says_of "Error from server (BadRequest): error when creating \"STDIN\": Pod in version \"v1\" cannot be handled as a Pod: $1"; }

unknown() { unread "strict decoding error: unknown field \"$1\""; }

taken() { kubectl apply --dry-run=server -f - >/dev/null; }

@test "misspelt fields are named by their path" {
    pod '    imagesPullPolicy: Always' | unknown 'spec.containers[0].imagesPullPolicy'
    pod '    livenessProbe: {initiaDelaySeconds: 20, tcpSocket: {port: 80}}' | unknown 'spec.containers[0].livenessProbe.initiaDelaySeconds'
    pod '    livenessProbe: {successThrehold: 1, tcpSocket: {port: 80}}' | unknown 'spec.containers[0].livenessProbe.successThrehold'
    pod '    readinessProbe: {httpGet: {schema: http, port: 80}}' | unknown 'spec.containers[0].readinessProbe.httpGet.schema'
    pod '    env: [{name: A, valueRef: {fieldRef: {fieldPath: metadata.name}}}]' | unknown 'spec.containers[0].env[0].valueRef'
    pod '    resources: {requeste: {cpu: 2}}' | unknown 'spec.containers[0].resources.requeste'
    pod '  affinity: {nodeAffinity: {requiredDuringSchedulingIgnoreDuringExecution: {}}}' | unknown 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoreDuringExecution'
    pod '  volumes: [{name: v, secret: {item: []}}]' | unknown 'spec.volumes[0].secret.item'
    service 'ClusterIP: None, ports: [{port: 80}]' |
        says_of 'Error from server (BadRequest): error when creating "STDIN": Service in version "v1" cannot be handled as a Service: strict decoding error: unknown field "spec.ClusterIP"'
    deployment '  selector' '  serviceName: x
  selector' | says_of 'Error from server (BadRequest): error when creating "STDIN": Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.serviceName"'
}

@test "values of a wrong type are told with the field's" {
    pod '    livenessProbe: {initialDelaySeconds: 20s, tcpSocket: {port: 80}}' |
        unread 'json: cannot unmarshal string into Go struct field Probe.spec.containers.livenessProbe.initialDelaySeconds of type int32'
    pod '  nodeSelector: {ssd: true}' | unread 'json: cannot unmarshal bool into Go struct field PodSpec.spec.nodeSelector of type string'
    pod '  dnsConfig: {nameservers: [1.1.1.1], options: [{name: ndots, value: 2}]}' |
        unread 'json: cannot unmarshal number into Go struct field PodDNSConfigOption.spec.dnsConfig.options.value of type string'
    echo '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"user": "admin!"}}' |
        says_of 'Error from server (BadRequest): error when creating "STDIN": Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 5'
}

@test "values that are not among those there are" {
    pod '  restartPolicy: Onfailure' | invalid 'spec.restartPolicy: Unsupported value: "Onfailure": supported values: "Always", "OnFailure", "Never"'
    pod '    imagePullPolicy: always' | invalid 'spec.containers[0].imagePullPolicy: Unsupported value: "always": supported values: "Always", "IfNotPresent", "Never"'
    pod '    readinessProbe: {httpGet: {scheme: http, port: 80}}' |
        invalid 'spec.containers[0].readinessProbe.httpGet.scheme: Unsupported value: "http": supported values: "HTTP", "HTTPS"'
    pod '  dnsPolicy: Cluster' | invalid 'spec.dnsPolicy: Unsupported value: "Cluster": supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"'
    local term='affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions:'
    pod "  $term [{key: a, operator: Equal, values: [b]}]}]}}}" |
        invalid 'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].operator: Invalid value: "Equal": not a valid selector operator'
    pod '  volumes: [{name: w, hostPath: {path: /x, type: Dir}}]' |
        invalid 'spec.volumes[0].hostPath.type: Unsupported value: "Dir": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"'
    echo '{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "b"},
        "roleRef": {"kind": "Thing", "name": "x", "apiGroup": "rbac.authorization.k8s.io"}}' |
        says_of 'The RoleBinding "b" is invalid: roleRef.kind: Unsupported value: "Thing": supported values: "Role", "ClusterRole"'
}

@test "fields that do not fit each other" {
    pod '    ports: [{name: 8081-8081, containerPort: 8081}]' |
        invalid 'spec.containers[0].ports[0].name: Invalid value: "8081-8081": must contain at least one letter (a-z)'
    pod '    ports: [{containerPort: 70000}]' | invalid 'spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive'
    pod '    livenessProbe: {successThreshold: 2, tcpSocket: {port: 80}}' | invalid 'spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1'
    pod '    readinessProbe: {terminationGracePeriodSeconds: 10, httpGet: {port: 80}}' |
        invalid 'spec.containers[0].readinessProbe.terminationGracePeriodSeconds: Invalid value: 10: must not be set for readinessProbes'
    pod '    livenessProbe: {terminationGracePeriodSeconds: 10, httpGet: {port: 80}}' | taken
    pod '    resources: {requests: {cpu: 2}, limits: {cpu: 1}}' |
        invalid 'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'
    pod '    volumeMounts: [{name: x, mountPath: /x}]' | invalid 'spec.containers[0].volumeMounts[0].name: Not found: "x"'
    pod '  tolerations: [{key: a, operator: Exists, value: b}]' |
        invalid "spec.tolerations[0].operator: Invalid value: \"b\": value must be empty when \`operator\` is 'Exists'"
    pod '  initContainers: [{name: i, image: i, livenessProbe: {tcpSocket: {port: 1}}}]' |
        invalid 'spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always'
    pod '  initContainers: [{name: i, image: i, ports: [{containerPort: 1}]}]' | taken
    pod '  dnsPolicy: None' | invalid 'spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None'
    deployment '{labels: {app: d}}' '{labels: {app: x}}' |
        says_of 'The Deployment "d" is invalid: spec.template.metadata.labels: Invalid value: map[string]string{"app":"x"}: `selector` does not match template `labels`'
    deployment '  selector: {matchLabels: {app: d}}' '  replicas: 1' | says_of 'The Deployment "d" is invalid: 
* spec.selector: Required value
* spec.template.metadata.labels: Invalid value: map[string]string{"app":"d"}: `selector` does not match template `labels`'
    deployment '  selector' '  strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}
  selector' | says_of 'The Deployment "d" is invalid: spec.strategy.rollingUpdate.maxUnavailable: Invalid value: intstr.IntOrString{Type:0, IntVal:0, StrVal:""}: may not be 0 when `maxSurge` is 0'
}

@test "Services: addresses, ports and their names" {
    service 'clusterIP: none, ports: [{port: 80}]' |
        says_of 'The Service "s" is invalid: spec.clusterIPs[0]: Invalid value: "none": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'
    service 'clusterIP: 10.96.0.1, ports: [{port: 80}]' |
        says_of 'The Service "s" is invalid: spec.clusterIPs: Invalid value: []string{"10.96.0.1"}: failed to allocate IP 10.96.0.1: provided IP is already allocated'
    service 'type: NodePort, ports: [{port: 80, nodePort: 29999}]' |
        says_of 'The Service "s" is invalid: spec.ports[0].nodePort: Invalid value: 29999: provided port is not in the valid range. The range of valid ports is 30000-32767'
    service 'type: NodePort, ports: [{port: 80}, {port: 81}]' | says_of 'The Service "s" is invalid: 
* spec.ports[0].name: Required value
* spec.ports[1].name: Required value'
    service 'ports: [{port: 80, name: 80-80}]' | taken
}

@test "names and texts that are too long, or of the wrong letters" {
    pod '' | sed 's/name: p}/name: k8s_n1}/' | refuses 'a lowercase RFC 1123 subdomain must consist of' kubectl apply -f -
    head -c 1100000 /dev/zero | tr '\0' a >"$D/big"
    refuses 'ConfigMap "big" is invalid: \[\]: Too long: may not be more than 1048576 bytes$' kubectl create configmap big --from-file "$D/big"
    kubectl create configmap labelled
    refuses 'must be no more than 63 characters$' kubectl label configmap labelled "x=$(printf 'a%.0s' {1..64})"
    refuses 'metadata.labels: Invalid value: "a*": name part must be no more than 63 characters$' \
        kubectl label configmap labelled "$(printf 'a%.0s' {1..64})=x"
    refuses "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt$" kubectl get pods -l 'a b'
    refuses '"spec.color" is not a known field selector: only "metadata.name", "metadata.namespace"' \
        kubectl get configmaps --field-selector spec.color=red
}

@test "versions of the past have no kinds" {
    local kind version
    while read -r kind version; do
        printf 'apiVersion: %s\nkind: %s\nmetadata: {name: x}\n' "$version" "$kind" |
            refuses "no matches for kind \"$kind\" in version \"$version\"" kubectl apply -f -
    done <<'END'
Deployment extensions/v1beta1
Deployment apps/v1beta1
CronJob batch/v1beta1
CronJob batch/v2alpha1
Ingress networking.k8s.io/v1beta1
PodSecurityPolicy policy/v1beta1
PodDisruptionBudget policy/v1beta1
HorizontalPodAutoscaler autoscaling/v2beta2
END
}

@test "what does not change any more, and what does" {
    deployment | kubectl apply -f -
    refuses 'spec.selector: Invalid value: v1.LabelSelector\{MatchLabels:map\[string\]string\{"app":"e"\}, MatchExpressions:\[\]v1.LabelSelectorRequirement\(nil\)\}: field is immutable' \
        kubectl patch deployment d --type merge -p '{"spec": {"selector": {"matchLabels": {"app": "e"}}, "template": {"metadata": {"labels": {"app": "e"}}}}}'
    kubectl create configmap fixed --from-literal a=1
    kubectl patch configmap fixed -p '{"immutable": true}'
    refuses 'data: Forbidden: field is immutable when `immutable` is set$' kubectl patch configmap fixed -p '{"data": {"a": "2"}}'
    kubectl create secret generic typed --from-literal a=1
    refuses 'type: Invalid value: "x": field is immutable$' kubectl patch secret typed -p '{"type": "x"}'
    kubectl run once --image i:1
    refuses 'pod updates may not change fields other than' kubectl patch pod once -p '{"spec": {"hostNetwork": true}}'
    kubectl set image pod/once once=i:2
}

@test "a name that is taken, and one that is about to be free" {
    kubectl create configmap taken
    refuses '^error: failed to create configmap: configmaps "taken" already exists$' kubectl create configmap taken
    kubectl patch configmap taken -p '{"metadata": {"finalizers": ["example.com/wait"]}}'
    kubectl delete configmap taken --wait=false
    refuses 'object is being deleted: configmaps "taken" already exists$' kubectl create configmap taken
    kubectl patch configmap taken -p '{"metadata": {"finalizers": null}}'
    kubectl create configmap taken
}

@test "manifests that kubectl makes and stores nothing of" {
    prints kubectl run first --image busybox:1.28 --dry-run=client -o yaml <<'END'
apiVersion: v1
kind: Pod
metadata:
  creationTimestamp: null
  labels:
    run: first
  name: first
spec:
  containers:
  - image: busybox:1.28
    name: first
    resources: {}
  dnsPolicy: ClusterFirst
  restartPolicy: Always
status: {}
END
    prints kubectl create service clusterip web --tcp 80:80 --tcp 8080:8080 --tcp 8081:80 --dry-run=client -o yaml <<'END'
apiVersion: v1
kind: Service
metadata:
  creationTimestamp: null
  labels:
    app: web
  name: web
spec:
  ports:
  - name: 80-80
    port: 80
    protocol: TCP
    targetPort: 80
  - name: 8080-8080
    port: 8080
    protocol: TCP
    targetPort: 8080
  - name: 8081-80
    port: 8081
    protocol: TCP
    targetPort: 80
  selector:
    app: web
  type: ClusterIP
status:
  loadBalancer: {}
END
    prints kubectl create deployment web --image nginx:1.23 --dry-run=client -o yaml <<'END'
apiVersion: apps/v1
kind: Deployment
metadata:
  creationTimestamp: null
  labels:
    app: web
  name: web
spec:
  replicas: 1
  selector:
    matchLabels:
      app: web
  strategy: {}
  template:
    metadata:
      creationTimestamp: null
      labels:
        app: web
    spec:
      containers:
      - image: nginx:1.23
        name: nginx
        resources: {}
status: {}
END
    prints kubectl create deployment web --image nginx:1.23 --dry-run=server -o yaml <<'END'
apiVersion: apps/v1
kind: Deployment
metadata:
  creationTimestamp: TIME
  generation: 1
  labels:
    app: web
  name: web
  namespace: default
spec:
  progressDeadlineSeconds: 600
  replicas: 1
  revisionHistoryLimit: 10
  selector:
    matchLabels:
      app: web
  strategy:
    rollingUpdate:
      maxSurge: 25%
      maxUnavailable: 25%
    type: RollingUpdate
  template:
    metadata:
      creationTimestamp: null
      labels:
        app: web
    spec:
      containers:
      - image: nginx:1.23
        imagePullPolicy: IfNotPresent
        name: nginx
        resources: {}
        terminationMessagePath: /dev/termination-log
        terminationMessagePolicy: File
      dnsPolicy: ClusterFirst
      restartPolicy: Always
      schedulerName: default-scheduler
      securityContext: {}
      terminationGracePeriodSeconds: 30
status: {}
END
    refuses 'deployments.apps "web" not found' kubectl get deployment web
}

@test "an object of a version that is no more is refused in the words of v1.32" {
    deployment apps/v1 extensions/v1beta1 >"$D/old.yaml"
    refuses 'no matches for kind "Deployment" in version "extensions/v1beta1"' kubectl apply -f "$D/old.yaml"
    echo '{"apiVersion":"extensions/v1beta1","kind":"Deployment","metadata":{"name":"d"}}' >"$D/old.json"
    refuses 'the API version in the data \(extensions/v1beta1\) does not match the expected API version \(apps/v1\)' \
        kubectl create --raw /apis/apps/v1/namespaces/default/deployments -f "$D/old.json"
}

@test "what the server printed is taken again" {
    kubectl create deployment round --image nginx --dry-run=client -o yaml >"$D/round.yaml"
    says '^deployment.apps/round created$' kubectl apply -f "$D/round.yaml"
    kubectl expose deployment round --port 80 --type NodePort --target-port 80 --name web1 -o yaml >"$D/web1.yaml"
    grep -q 'uid: ' "$D/web1.yaml"
    says '^service/web1 configured$' kubectl apply -f "$D/web1.yaml"
    kubectl get service web1 -o yaml --show-managed-fields >"$D/managed.yaml"
    grep -q 'k:{"port":80,"protocol":"TCP"}:' "$D/managed.yaml"
    says '^service/web1 configured$' kubectl apply -f "$D/managed.yaml"
    kubectl get service web1 -o yaml >"$D/web1.yaml"
    says '^service/web1 replaced$' kubectl replace -f "$D/web1.yaml"
    kubectl delete service web1
    says '^service/web1 created$' kubectl apply -f "$D/web1.yaml"
    [ "$(kubectl get service web1 -o 'jsonpath={.spec.clusterIP}')" = "$(awk '/ clusterIP:/ {print $2}' "$D/web1.yaml")" ]
    # It is another one now.
    refuses 'Operation cannot be fulfilled on services "web1": the object has been modified' kubectl apply -f "$D/web1.yaml"
    refuses 'Precondition failed: UID in precondition: .*, UID in object meta: ' kubectl replace -f "$D/web1.yaml"
}
