"""What the HTTP surface of the API server answers, asked without a client library: each function is one case, named
by the test that runs it.

    wire.py ADDRESS PKI-DIRECTORY CASE
"""
import base64
import gzip
import http.client
import json
import socket
import ssl
import sys

MAPS = "/api/v1/namespaces/default/configmaps"
PROTOBUF = "application/vnd.kubernetes.protobuf"
AS_TABLE = "as=Table;v=v1;g=meta.k8s.io"
AS_PARTIAL = "as=PartialObjectMetadata;v={};g=meta.k8s.io"
MEDIA_TYPES = "application/json, application/yaml, " + PROTOBUF
STREAM_TYPES = "application/json;stream=watch, " + PROTOBUF + ";stream=watch"

host, pki = sys.argv[1:3]
tls = ssl.create_default_context(cafile=pki + "/ca.crt")
tls.load_cert_chain(pki + "/admin.crt", pki + "/admin.key")


def ask(method, path, accept=None, body=None, content_type="application/json", context=tls,
        encodings="identity", agent=None):
    """Status code, headers and body; of a watch until it ends."""
    connection = http.client.HTTPSConnection(host, 6443, context=context, timeout=120)
    headers = {} if accept is None else {"Accept": accept}
    headers["Accept-Encoding"] = encodings
    if agent is not None:
        headers["User-Agent"] = agent
    if body is not None:
        headers["Content-Type"] = content_type
        body = body if isinstance(body, (bytes, str)) else json.dumps(body)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers, content


def refused(code, message, method, path, **rest):
    status, _, content = ask(method, path, **rest)
    told = json.loads(content)
    assert status == code, f"{method} {path}: {status} {content[:300]}"
    assert told["message"] == message, f"{method} {path}: {told['message']}"
    return told


def read(path, accept=None):
    status, _, content = ask("GET", path, accept)
    assert status == 200, f"{path}: {status} {content[:300]}"
    return content


def watch(query, accept=None, path=MAPS):
    """The events of a watch of one second."""
    content = read(f"{path}?watch=1&timeoutSeconds=1&{query}", accept)
    return [json.loads(line) for line in content.splitlines()]


def frames(query, accept):
    """The objects of a watch in protobuf, each as it is in its envelope."""
    content = read(f"{MAPS}?watch=1&timeoutSeconds=1&{query}", accept)
    found = []
    while content:
        size = int.from_bytes(content[:4], "big")
        assert len(content) >= 4 + size, content[:40]
        at = content.index(b"k8s\0")
        found.append(content[at:4 + size])
        content = content[4 + size:]
    return found


def exactly(connection, count):
    content = b""
    while len(content) < count:
        piece = connection.recv(count - len(content))
        assert piece, f"the connection ended after {content}"
        content += piece
    return content


def talk(path, *headers):
    """The head of the answer to a request for a WebSocket, and its connection."""
    connection = tls.wrap_socket(socket.create_connection((host, 6443), 120), server_hostname=host)
    connection.sendall("\r\n".join(
        [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: keep-alive, Upgrade", "Upgrade: websocket",
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *headers, "", ""]).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += exactly(connection, 1)
    return head.decode(), connection


def messages(path, *headers):
    """All that comes until the server closes: what kind each message is, and its content."""
    head, connection = talk(path, "Sec-WebSocket-Version: 13", *headers)
    assert head.startswith("HTTP/1.1 101 ") and "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head, head
    found = []
    while not found or found[-1][0] != 8:
        kind, size = exactly(connection, 2)
        size = int.from_bytes(exactly(connection, {126: 2, 127: 8}[size]), "big") if size > 125 else size
        found.append((kind & 15, exactly(connection, size)))
    connection.close()
    return found


def an_object(name):
    status, _, content = ask("POST", MAPS, body={"metadata": {"name": name}, "data": {"a": "b"}})
    assert status in (201, 409), content
    return MAPS + "/" + name


def an_object_is_read_by_its_path_whatever_the_query_says():
    path = an_object("one")
    assert json.loads(read(path + "?watch=1&limit=x&dryRun=x"))["kind"] == "ConfigMap"
    refused(400, "the export parameter, deprecated since v1.14, is no longer supported", "GET", path + "?export=1")


def the_old_paths_of_watches_are_for_what_can_be_watched():
    an_object("one")
    old = "/api/v1/watch/namespaces/default/configmaps"
    events = [json.loads(line) for line in read(old + "/one?timeoutSeconds=1").splitlines()]
    assert [event["object"]["metadata"]["name"] for event in events] == ["one"], events
    refused(400, "fieldSelector metadata.name doesn't match requested name", "GET",
            old + "/one?fieldSelector=metadata.name%3Dtwo")
    refused(405, "the server does not allow this method on the requested resource", "POST", old, body={})
    for path in (old + "/one/status", "/api/v1/watch", "/api/v1/watch/componentstatuses"):
        refused(404, "the server could not find the requested resource", "GET", path)
    refused(405, 'watch is not supported on resources of kind "componentstatuses"', "GET",
            "/api/v1/componentstatuses?watch=1")


def versions_that_are_none_are_refused_alike():
    path = an_object("one")
    for version, why in (("abc", "invalid syntax"), ("-1", "invalid syntax"), ("1.0", "invalid syntax"),
                         ("99999999999999999999", "value out of range")):
        message = f'resourceVersion: Invalid value: "{version}": strconv.ParseUint: parsing "{version}": {why}'
        for where in (path + "?", MAPS + "?", MAPS + "?watch=1&"):
            told = refused(500, message, "GET", f"{where}resourceVersion={version}")
            assert "reason" not in told, told


def a_watch_says_in_its_stream_that_a_version_is_not_there_yet():
    events = watch("sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion=99999999")
    assert [event["type"] for event in events] == ["ERROR"], events
    status = events[0]["object"]
    assert status["code"] == 504 and status["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge", status


def a_watch_comes_as_messages_of_a_websocket():
    an_object("one")
    path = MAPS + "?watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Done&allowWatchBookmarks=1"
    found = messages(path)
    assert [kind for kind, _ in found] == [1] * (len(found) - 1) + [8], found
    events = [json.loads(content) for _, content in found[:-1]]
    assert [event["type"] for event in events] == ["ADDED"] + ["BOOKMARK"] * (len(events) - 1), events
    assert len(events) > 1 and events[0]["object"]["metadata"]["name"] == "one", events
    assert found[-1][1] == (1000).to_bytes(2, "big"), found[-1]
    found = messages(path, "Accept: " + PROTOBUF)
    assert found[0][0] == 2 and found[0][1].startswith(b"\n\x05ADDED\x12"), found[0]
    found = messages(MAPS + "?watch=1&sendInitialEvents=1&resourceVersionMatch=NotOlderThan&resourceVersion=99999999")
    assert json.loads(found[0][1])["object"]["code"] == 504 and found[1][0] == 8, found
    head, connection = talk(path, "Sec-WebSocket-Version: 13", "Sec-WebSocket-Protocol: first, second")
    assert "Sec-WebSocket-Protocol: first\r\n" in head, head
    connection.close()
    for query, version, why in (("x=1", "12", "400 "), ("labelSelector=%21%21", "13", "400 ")):
        head, connection = talk(f"{path}&{query}", "Sec-WebSocket-Version: " + version)
        assert head.startswith("HTTP/1.1 " + why), head
        connection.close()


def a_watch_overlooks_where_a_list_would_go_on():
    an_object("one")
    assert watch("continue=none"), "no events"


def list_of(event):
    """The list of the annotation at the end of the initial events."""
    annotations = event["metadata"]["annotations"]
    assert annotations["k8s.io/initial-events-end"] == "true", annotations
    return base64.b64decode(annotations["kubernetes.io/initial-events-list-blueprint"])


def the_end_of_the_initial_events_brings_an_empty_list():
    an_object("one")
    ends = [event["object"] for event in watch("allowWatchBookmarks=1") if event["type"] == "BOOKMARK"]
    assert json.loads(list_of(ends[0])) == {
        "kind": "ConfigMapList", "apiVersion": "v1", "metadata": {}, "items": None}, ends[0]
    assert "annotations" not in ends[-1]["metadata"], ends[-1]
    ends = [event["object"] for event in watch("allowWatchBookmarks=1", "application/json;" + AS_PARTIAL.format("v1"))
            if event["type"] == "BOOKMARK"]
    assert json.loads(list_of(ends[0])) == {
        "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "items": None}, ends[0]
    marked = [frame for frame in frames("allowWatchBookmarks=1", PROTOBUF) if b"initial-events-end" in frame]
    empty = b"k8s\0\n\x13\n\x02v1\x12\rConfigMapList\x12\x08\n\x06\n\0\x12\0\x1a\0\x1a\0\"\0"
    assert base64.b64encode(empty) in marked[0], marked


def tables_do_not_tell_where_a_list_ends():
    table = "application/json;" + AS_TABLE
    path = MAPS + "?watch=1&timeoutSeconds=1&allowWatchBookmarks=1"
    refused(406, "only the following media types are accepted: " + MEDIA_TYPES, "GET", path, accept=table)
    kinds = {event["object"]["kind"] for event in watch("allowWatchBookmarks=1", table + ",application/json")}
    assert kinds == {"ConfigMap"}, kinds
    kinds = {event["object"]["kind"] for event in watch("", table)}
    assert kinds == {"Table"}, kinds


def metadata_are_in_the_version_that_is_asked_for():
    path = an_object("one")
    for version in ("v1", "v1beta1"):
        accept = f"{PROTOBUF};{AS_PARTIAL.format(version)}"
        kind = f"meta.k8s.io/{version}".encode()
        for content in [read(path, accept)] + frames("", accept):
            assert kind + b"\x12\x15PartialObjectMetadata\x12" in content, content
        content = read(MAPS, accept.replace("PartialObjectMetadata", "PartialObjectMetadataList"))
        assert kind + b"\x12\x19PartialObjectMetadataList\x12" in content, content
    accept = "application/json;" + AS_PARTIAL.format("v1")
    refused(406, "you requested PartialObjectMetadata, but the requested object is a list (*core.ConfigMapList)",
            "GET", MAPS, accept=accept)
    refused(406, "you requested PartialObjectMetadataList, but the requested object is not a list (*core.ConfigMap)",
            "GET", path, accept=accept.replace("PartialObjectMetadata", "PartialObjectMetadataList"))


def custom_metadata_come_as_protobuf_and_custom_objects_do_not():
    path = "/apis/wire.example/v1/namespaces/default/things"
    accept = f"{PROTOBUF};{AS_PARTIAL.format('v1')}"
    assert b"PartialObjectMetadata\x12" in read(path + "/x", accept)
    assert b"PartialObjectMetadataList\x12" in read(path, accept.replace("Metadata;", "MetadataList;"))
    assert b"PartialObjectMetadata\x12" in read(path + "?watch=1&timeoutSeconds=1", accept)
    status, headers, content = ask("GET", path + "/x", PROTOBUF)
    assert status == 406 and headers["Content-Type"] == PROTOBUF, (status, headers)
    assert MEDIA_TYPES.encode() in content, content
    refused(406, "only the following media types are accepted: " + MEDIA_TYPES, "GET", path, accept="text/html")
    read(path, "application/*")


def what_is_accepted_goes_by_quality_and_then_by_how_narrow_it_is():
    path = an_object("one")
    for accept, kind in (("*/*, application/yaml", "application/yaml"), ("application/json;q=0", "application/json"),
                         ("application/yaml;q=0.5, */*", "application/json"),
                         ("application/*, application/yaml", "application/yaml"),
                         ("application/json;stream=foo, application/yaml", "application/yaml"),
                         ("application/json;v=v1, application/yaml", "application/yaml"),
                         ("application/json;sv=v2, application/yaml", "application/yaml"),
                         ("application/json;as=APIGroupDiscoveryList;v=v2;g=apidiscovery.k8s.io, application/yaml",
                          "application/yaml")):
        status, headers, _ = ask("GET", path, accept)
        assert status == 200 and headers["Content-Type"] == kind, (accept, status, headers["Content-Type"])
    nothing = "406: Not Acceptable\n\nAvailable representations: "
    refused(406, nothing + MEDIA_TYPES, "GET", path, accept="application/*")
    refused(406, f"{nothing}{MEDIA_TYPES}, {STREAM_TYPES}", "GET", MAPS, accept="text/csv")
    refused(406, "only the following media types are accepted: " + MEDIA_TYPES, "GET", path,
            accept="application/yaml;stream=watch")
    status, _, content = ask("GET", MAPS + "?watch=1", "application/yaml")
    assert status == 406 and STREAM_TYPES.encode() in content, (status, content)


def answers_are_indented_when_that_is_wished():
    path = an_object("one")
    for query, accept, wished in (("pretty=1", None, True), ("pretty=True", None, True), ("pretty=yes", None, False),
                                  ("pretty=0", None, False), ("", "application/json;pretty=1", True)):
        status, _, content = ask("GET", path + "?" + query, accept)
        assert status == 200 and (b"\n  " in content) == wished, (query, accept, content[:60])
    for path in (path, MAPS, "/apis/apps", "/api/v1/nothing"):
        _, _, content = ask("GET", path + "?pretty=1")
        assert content.endswith(b"\n}"), (path, content[-20:])
        _, _, content = ask("GET", path + "?pretty=0")
        assert content.endswith(b"}\n"), (path, content[-20:])


def errors_come_in_a_form_that_is_accepted_whatever_is_wrong():
    stranger = ssl.create_default_context(cafile=pki + "/ca.crt")
    table = "application/json;" + AS_TABLE
    for method, path, context, code in (("GET", "/api/v1/nothing", tls, 404), ("PUT", MAPS, tls, 405),
                                        ("GET", "/api/v1/pods", stranger, 403),
                                        ("GET", "/api/v1/namespaces/none", tls, 404)):
        for accept, kind, begin in ((None, "application/json", b'{"kind":"Status",'),
                                    ("application/yaml", "application/yaml", b"apiVersion: v1\n"),
                                    (PROTOBUF + ",application/json", PROTOBUF, b"k8s\0\n\x0c\n\x02v1\x12\x06Status"),
                                    ("application/json;pretty=1", "application/json", b'{\n  "kind": "Status",\n'),
                                    (table + ",application/yaml", "application/yaml", b"apiVersion: v1\n"),
                                    (table, "application/json", b'{\n  "kind": "Status",\n')):
            status, headers, content = ask(method, path, accept, context=context)
            assert (status, headers["Content-Type"]) == (code, kind), (method, path, accept, status, headers)
            assert content.startswith(begin), (method, path, accept, content[:60])


def what_is_short_is_not_compressed():
    labelled = MAPS + "?labelSelector=size%3Dlong"
    for number in range(2):
        body = {"metadata": {"name": f"long-{number}", "labels": {"size": "long"}}, "data": {"text": "x" * 80000}}
        assert ask("POST", MAPS, body=body)[0] == 201
        for accept in ("application/json", "application/json;pretty=1", "application/yaml", PROTOBUF,
                       "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"):
            _, headers, plain = ask("GET", labelled, accept)
            is_long = len(plain) > 128 * 1024
            assert is_long == (number == 1 and "Partial" not in accept), (number, accept, len(plain))
            assert headers["Vary"] is None and headers["Content-Encoding"] is None, headers
            assert is_long or int(headers["Content-Length"]) == len(plain), headers
            for encodings in ("br, gzip", "gzip;q=0.5", "br"):
                status, headers, content = ask("GET", labelled, accept, encodings=encodings)
                compressed = is_long and encodings == "br, gzip"
                assert headers["Content-Encoding"] == ("gzip" if compressed else None), (accept, encodings, headers)
                assert headers["Vary"] == ("Accept-Encoding" if compressed else None), headers
                assert (gzip.decompress(content) if compressed else content) == plain, (accept, encodings)


def options_are_those_of_the_verb_and_their_faults_are_told_together():
    body = {"metadata": {"name": "options"}}
    code, _, content = ask("POST", MAPS + "?dryRun=All&limit=x&timeoutSeconds=x", body=body)
    assert code == 201, content
    told = refused(422, 'CreateOptions.meta.k8s.io "" is invalid: [fieldManager: Invalid value: "a\\x01b": invalid '
                   'character U+0001 (at position 1), dryRun: Unsupported value: ["All","x"]: supported values: "All", '
                   'fieldValidation: Unsupported value: "x": supported values: "", "Ignore", "Strict", "Warn"]', "POST",
                   MAPS + "?fieldManager=a%01b&dryRun=All&dryRun=x&fieldValidation=x", body=body)
    assert len(told["details"]["causes"]) == 3, told
    for query in ("limit=", "limit=x", "timeoutSeconds=x"):
        value = query.split("=")[1]
        refused(400, f'strconv.ParseInt: parsing "{value}": invalid syntax', "GET", MAPS + "?" + query)
    refused(400, 'strconv.ParseInt: parsing "99999999999999999999": value out of range', "GET",
            MAPS + "?limit=99999999999999999999")
    refused(400, 'strconv.ParseInt: parsing "x": invalid syntax', "DELETE", an_object("one") + "?gracePeriodSeconds=x")
    refused(422, 'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "": supported values: '
            '"Foreground", "Background", "Orphan", "nil"', "DELETE", an_object("one") + "?propagationPolicy=")


def selectors_are_refused_with_the_value_at_fault():
    refused(400, "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must "
            "be an integer", "GET", MAPS + "?labelSelector=a%3Ex")


def what_was_to_be_tried_is_not_deleted_for_a_body():
    path = an_object("tried")
    status, _, content = ask("DELETE", path + "?dryRun=All", body={"propagationPolicy": "Background"})
    assert status == 200, content
    read(path)


def tokens_to_go_on_with_are_read_as_written():
    bad = "invalid continue token: continue key is not valid: "
    for token, why in (("a*b", "illegal base64 data at input byte 1"), ("abcde", "illegal base64 data at input byte 4")):
        refused(400, bad + why, "GET", f"{MAPS}?continue={token}")
    token = base64.urlsafe_b64encode(b'{"v":"meta.k8s.io/v1","rv":1,"start":"../x"}').decode().rstrip("=")
    refused(400, bad + "../x", "GET", f"{MAPS}?continue={token}")


def a_body_that_is_not_understood_is_shown():
    prefix = "the object provided is unrecognized (must be of type ConfigMap): "
    end = "couldn't get version/kind; json parse error: unexpected end of JSON input "
    text = '{"apiVersion":"v1","kind":"ConfigMap"'
    refused(400, f"{prefix}{end}({text[:30]} ...)", "POST", MAPS, body=text)
    refused(400, f"{prefix}{end}(<empty>)", "POST", MAPS, body="")
    refused(400, f"{prefix}{end}(5b)", "POST", MAPS, body="[")
    refused(400, 'ConfigMap in version "v2" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for '
            'version "v2" in scheme "pkg/api/legacyscheme/scheme.go:30"', "POST", MAPS,
            body={"apiVersion": "v2", "kind": "ConfigMap"})
    refused(400, 'Pod in version "v1" cannot be handled as a ConfigMap: converting (v1.Pod) to (core.ConfigMap): unknown '
            'conversion', "POST", MAPS, body={"kind": "Pod"})
    text = '{"apiVersion":"a/b/c"}'
    refused(400, f"{prefix}unexpected GroupVersion string: a/b/c ({text})", "POST", MAPS, body=text)
    code, _, content = ask("POST", MAPS + "?dryRun=All", body={"metadata": {"name": "x"}},
                           content_type="Application/JSON; charset=utf-8")
    assert code == 201, content


def what_a_log_is_asked_for_is_checked():
    pods = "/api/v1/namespaces/default/pods"
    for name, node in (("unbound", None), ("lost", "nowhere")):
        spec = {"containers": [{"name": "c", "image": "registry.example/i"}]}
        status, _, content = ask("POST", pods, body={
            "metadata": {"name": name}, "spec": spec if node is None else {"nodeName": node, **spec}})
        assert status in (201, 409), content
    log = pods + "/unbound/log?"
    invalid = 'PodLogOptions "unbound" is invalid: '
    for query, message in (
            ("tailLines=-1", "tailLines: Invalid value: -1: must be greater than or equal to 0"),
            ("sinceSeconds=0&limitBytes=0", "[limitBytes: Invalid value: 0: must be greater than 0, sinceSeconds: Invalid "
             "value: 0: must be greater than 0]"),
            ("sinceSeconds=1&sinceTime=2020-01-01T00:00:00Z",
             ": Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"),
            ("stream=Stdout", "stream: Forbidden: may not be specified")):
        refused(422, invalid + message, "GET", log + query)
    refused(400, 'strconv.ParseInt: parsing "x": invalid syntax', "GET", log + "tailLines=x")
    refused(400, 'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"', "GET", log + "sinceTime=x")
    for path in (pods + "/lost/log", pods + "/lost/exec?command=x&stdout=1"):
        refused(404, 'nodes "nowhere" not found', "GET", path)


NOT_ALLOWED = "the server does not allow this method on the requested resource"
NO_RESOURCE = "the server could not find the requested resource"


def paths_say_which_methods_they_have():
    for method in ("GET", "POST", "PUT"):
        for path, start in (("/healthz", b"ok"), ("/livez/ping", b"ok"), ("/readyz", b"ok"), ("/metrics", b"# "),
                            ("/", b'{\n  "paths": [\n    "/.well-known/openid-configuration",\n'),
                            ("/index.html", b'{\n  "paths": ['), ("/apis", b'{"kind":"APIGroupList"'),
                            ("/apis/apps", b'{"kind":"APIGroup"'), ("/apis/wire.example/v1", b'{"kind":"APIResourceList"'),
                            ("/openapi/v3", b'{"paths":')):
            status, _, content = ask(method, path)
            assert status == 200 and content.startswith(start), (method, path, status, content[:80])
        for path in ("/foo", "/healthz/", "/apis/unknown", "/apis/unknown/v1", "/apis/unknown/v1/foos",
                     "/apis/wire.example/v9", "/apis/wire.example/v1/foos"):
            status, headers, content = ask(method, path)
            assert (status, content) == (404, b"404 page not found\n"), (method, path, status, content[:80])
            assert headers["X-Content-Type-Options"] == "nosniff", (path, headers)
        for path in ("/api/v2", "/apis/apps/v9", "/apis/apps/v1/foos", "/version/x"):
            refused(404, NO_RESOURCE, method, path)
    for path in ("/version", "/api", "/api/v1", "/apis/apps/v1", "/openid/v1/jwks"):
        refused(405, NOT_ALLOWED, "POST", path)
        assert ask("HEAD", path)[0] == 405 and ask("GET", path)[0] == 200, path


def custom_objects_have_a_head_and_built_in_ones_do_not():
    path = "/apis/wire.example/v1/namespaces/default/things"
    for wanted in (path, path + "/x"):
        status, headers, content = ask("HEAD", wanted)
        assert (status, headers["Content-Type"], content) == (200, "application/json", b""), (wanted, status, headers)
    assert ask("HEAD", path + "/none")[0] == 404
    assert ask("HEAD", MAPS)[0] == 405 and ask("HEAD", an_object("one"))[0] == 405


def a_version_is_no_part_of_what_is_created():
    def create(version, query=""):
        return ask("POST", MAPS + query, body={"metadata": {"generateName": "versioned-", "resourceVersion": version}})
    told = refused(500, "resourceVersion should not be set on objects to be created", "POST", MAPS,
                   body={"metadata": {"name": "versioned", "resourceVersion": "5"}})
    assert "reason" not in told, told
    for version, query in (("0", ""), ("abc", ""), ("5", "?dryRun=All")):
        status, _, content = create(version, query)
        assert status == 201, (version, query, content)
        assert json.loads(content)["metadata"].get("resourceVersion") != version, content


def media_types_that_are_none_are_refused():
    body = json.dumps({"metadata": {"generateName": "typed-"}})
    for kind in ("", "application/json;", "Application/JSON; a=b; A=b", 'application/json; q="\\";"', "application/yaml;a=b"):
        status, _, content = ask("POST", MAPS + "?dryRun=All", body=body, content_type=kind)
        assert status == 201, (kind, content)
    for kind in ("application/json;foo", ";", "application/json;;", "application/json; a=b; a=c", "application/json x"):
        status, _, content = ask("POST", MAPS + "?dryRun=All", body=body, content_type=kind)
        assert status == 415, (kind, status, content)


def a_patch_is_told_what_it_says_twice():
    path = an_object("one") + "?dryRun=All"
    operation = '{"op":"add","path":"/data/x","value":"1","value":"2","note":"3"}'
    told = ('json patch duplicate field "[0].value"', 'json patch unknown field "[0].note"')
    patches = ((f"[{operation}]", "json-patch", told),
               ('{"data":{"x":"1","x":"2"}}', "merge-patch", ('duplicate field "data.x"',)),
               ('{"data":{"x":"1","x":"2"}}', "strategic-merge-patch", ('duplicate field "data.x"',)))
    for patch, form, problems in patches:
        kind = f"application/{form}+json"
        status, headers, content = ask("PATCH", path, body=patch, content_type=kind)
        warnings = [warning.replace("\\", "") for warning in headers.get_all("Warning", [])]
        assert status == 200 and warnings == [f'299 - "{problem}"' for problem in problems], (status, warnings)
        assert json.loads(content)["data"]["x"] == "2", content
        status, _, content = ask("PATCH", path + "&fieldValidation=Strict", body=patch, content_type=kind)
        assert status == 422, content
        assert json.loads(content)["message"].endswith("strict decoding error: " + ", ".join(problems)), content
        status, headers, _ = ask("PATCH", path + "&fieldValidation=Ignore", body=patch, content_type=kind)
        assert status == 200 and headers.get_all("Warning") is None, headers


def who_writes_is_named_by_its_program_up_to_a_length():
    for agent, manager in (("tool/1.0 (linux)", "tool"), ("", "unknown"), ("a" * 200 + "/1", "a" * 128),
                           ("a" * 127 + "\u00fc/1", "a" * 127)):
        status, _, content = ask("POST", MAPS + "?dryRun=All", body={"metadata": {"name": "named"}, "data": {"a": "b"}},
                                 agent=agent.encode())
        assert status == 201, content
        assert json.loads(content)["metadata"]["managedFields"][0]["manager"] == manager, content


def a_row_is_asked_for_as_much_of_an_object_as_there_is():
    path = an_object("one")
    message = ("Unable to convert to Table as requested: includeObject: Invalid value: \"Some\": must be 'Metadata', "
               "'Object', 'None', or empty")
    for where in (path + "?", MAPS + "?", MAPS + "?watch=1&timeoutSeconds=1&"):
        refused(400, message, "GET", where + "includeObject=Some", accept="application/json;" + AS_TABLE)
        read(where + "includeObject=Object", "application/json;" + AS_TABLE)
        read(where + "includeObject=Some")


def what_is_deleted_together_is_listed_as_a_list_is():
    path = "/api/v1/namespaces/default/limitranges"
    invalid = 'ListOptions.meta.k8s.io "" is invalid: '
    refused(422, invalid + "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is "
            "provided", "DELETE", path + "?resourceVersionMatch=Exact")
    refused(422, invalid + "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list", "DELETE",
            path + "?sendInitialEvents=true")
    refused(400, "invalid continue token: continue key is not valid: illegal base64 data at input byte 1", "DELETE",
            path + "?continue=a*b")
    for name in ("a", "b", "c"):
        status, _, content = ask("POST", path, body={"metadata": {"name": name}})
        assert status == 201, content
    status, _, content = ask("DELETE", path + "?limit=2")
    told = json.loads(content)
    assert status == 200 and [item["metadata"]["name"] for item in told["items"]] == ["a", "b"], content
    assert told["metadata"]["continue"] and told["metadata"]["remainingItemCount"] == 1, told["metadata"]
    assert [item["metadata"]["name"] for item in json.loads(read(path))["items"]] == ["c"]
    status, _, content = ask("DELETE", path)
    assert status == 200 and not json.loads(read(path))["items"], content


def a_token_is_not_bound_to_what_has_only_the_name():
    status, _, content = ask("POST", "/api/v1/namespaces/default/secrets", body={"metadata": {"name": "o"}})
    assert status == 201, content
    reference = {"apiVersion": "v1", "kind": "Secret", "name": "o", "uid": "u"}
    told = refused(409, 'Operation cannot be fulfilled on Secret "o": the UID in the bound object reference (u) does not '
                   "match the UID in record. The object might have been deleted and then recreated", "POST",
                   "/api/v1/namespaces/default/serviceaccounts/default/token", body={"spec": {"boundObjectRef": reference}})
    assert told["details"] == {"name": "o", "kind": "Secret"}, told


def ports_that_are_none_are_refused():
    path = "/api/v1/namespaces/default/pods/unbound/portforward?ports="
    for ports, at_fault, why in (("abc", "abc", "invalid syntax"), ("80,", "", "invalid syntax"),
                                 ("80,65536", "65536", "value out of range")):
        refused(400, f'cannot convert to []int32: strconv.ParseUint: parsing "{at_fault}": {why}', "GET", path + ports)


globals()[sys.argv[3]]()
