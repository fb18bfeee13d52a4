"""Bodies, names, media types and paths that no decent client sends."""
import json

import client
from client import JSON, MAPS, PODS, case, config_map, expect, pod, request

YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
BODY_MAX = 3 * 1024 * 1024


@case
def malformed_json_is_refused():
    for body in ("", "{", "[", "nul", '{"a":}', '{"a":1,}', "{'a':1}", "\0", '{"a":"\\ud800', "{}{}",
                 '"text"', "7", "[]", "true", '{"apiVersion":7,"kind":[]}'):
        expect(400, "BadRequest", "POST", MAPS, body)


@case
def wrong_field_types_are_refused():
    for fields in ({"data": 7}, {"data": {"a": 1}}, {"metadata": []}, {"immutable": "yes"},
                   {"binaryData": {"a": "***"}}, {"metadata": {"name": {}}},
                   {"metadata": {"name": "a", "creationTimestamp": "yesterday"}}):
        expect(400, "BadRequest", "POST", MAPS, json.dumps({**config_map("types"), **fields}),
               message="ConfigMap in version \"v1\" cannot be handled as a ConfigMap")


@case
def malformed_yaml_is_refused():
    for body in (":\n- [", "a: b: c", "\t- x", "{a: [}", "%YAML 9.9\n---\na: 1", "- a\nb: c",
                 "? [", "!!binary {", "a: *missing", "\x00", "a: \"\\x\""):
        expect(400, "BadRequest", "POST", MAPS, body, YAML)


# CVE-2021-3121: lengths that overflow, groups without end.
@case
def malformed_protobuf_is_refused():
    def unknown(raw):
        meta = b"\x0a\x0f" + b"\x0a\x02v1\x12\x09ConfigMap"
        return b"k8s\x00" + meta + b"\x12" + varint(len(raw)) + raw

    for body in (b"", b"k8s", b"k8s\x00", b"k8s\x01\x0a\x00", b"\xff" * 64,
                 b"k8s\x00" + b"\x0a" + b"\xff" * 9 + b"\x01", b"k8s\x00\x0a\x7f\x00",
                 unknown(b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"), unknown(b"\x0a\x05\x0a"),
                 unknown(b"\x0b" * 2000), unknown(b"\x07"), unknown(b"\x80" * 20),
                 unknown(b"\x0a\x04\x0a\x02\xff\xfe\x0f")):
        code, _, text = request("POST", MAPS, body, PROTOBUF)
        assert code == 400, f"{body[:30]}: {code} {text[:200]}"


def varint(value):
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


@case
def other_kinds_are_refused():
    for body in ({"apiVersion": "v1", "kind": "Teapot"}, {"apiVersion": "no/such", "kind": "Pod"},
                 {"apiVersion": "v1", "kind": "Pod"}, {"apiVersion": "a/b/c", "kind": "ConfigMap"},
                 {"apiVersion": "v1", "kind": "List", "items": []}):
        body["metadata"] = {"name": "a"}
        expect(400, "BadRequest", "POST", MAPS, json.dumps(body))


@case
def unknown_fields_follow_field_validation():
    body = json.dumps(config_map("fields", colour="blue"))
    expect(400, "BadRequest", "POST", MAPS + "?fieldValidation=Strict", body,
           message='strict decoding error: unknown field "colour"')
    code, headers, _ = request("POST", MAPS + "?fieldValidation=Warn&dryRun=All", body)
    warning = headers.get("Warning", "")
    assert code == 201 and 'unknown field \\"colour\\"' in warning, (code, warning)
    code, headers, _ = request("POST", MAPS + "?fieldValidation=Ignore&dryRun=All", body)
    assert code == 201 and headers.get("Warning") is None, (code, headers)
    expect(422, "Invalid", "POST", MAPS + "?fieldValidation=Perhaps", body,
           message="fieldValidation: Unsupported value")


@case
def duplicate_keys_follow_field_validation():
    body = '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"dup"},"data":{"a":"1"},' \
           '"immutable":true,"immutable":false}'
    expect(400, "BadRequest", "POST", MAPS + "?fieldValidation=Strict", body,
           message='strict decoding error: duplicate field "immutable"')
    code, headers, _ = request("POST", MAPS + "?fieldValidation=Warn&dryRun=All", body)
    assert code == 201 and "duplicate field" in headers.get("Warning", ""), (code, headers)
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: dup}\ndata: {a: '1', a: '2'}\n"
    expect(400, "BadRequest", "POST", MAPS + "?fieldValidation=Strict", text, YAML,
           message='already set in map')


@case
def bodies_over_the_limit_are_refused():
    too_large = b'{"a":"' + b"x" * (BODY_MAX - 5)
    for method, path, kind in (("POST", MAPS, JSON), ("PUT", MAPS + "/a", JSON),
                               ("PATCH", MAPS + "/kube-root-ca.crt", MERGE_PATCH),
                               ("DELETE", MAPS + "/kube-root-ca.crt", JSON)):
        code, _, text = request(method, path, too_large, kind)
        assert code == 413, f"{method} {code} {text[:200]}"
    expect(413, "RequestEntityTooLarge", "POST", MAPS, too_large,
           message="Request entity too large: limit is 3145728")
    chunk = b"x" * 65536
    raw = f"POST {MAPS} HTTP/1.1\r\nHost: a\r\nContent-Type: {JSON}\r\n" \
          "Transfer-Encoding: chunked\r\n\r\n".encode()
    raw += (b"10000\r\n" + chunk + b"\r\n") * 49
    got = client.exchange(raw)
    assert got.startswith(b"HTTP/1.1 413"), got[:100]


@case
def bad_names_are_refused_with_a_cause():
    for name in ("A", "a_b", "-a", "a-", "a/b", "..", "a" * 254, "ü", "a b", "a..b", "%"):
        expect(422, "Invalid", "POST", MAPS, json.dumps(config_map(name)), causes=["metadata.name"])
    expect(422, "Invalid", "POST", "/api/v1/namespaces",
           json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a.b"}}),
           causes=["metadata.name"])
    expect(422, "Invalid", "POST", MAPS, json.dumps(config_map("")))
    expect(400, "BadRequest", "PUT", MAPS + "/a", json.dumps(config_map("b")))
    expect(400, "BadRequest", "POST", MAPS,
           json.dumps({**config_map("a"), "metadata": {"name": "a", "namespace": "b"}}))
    expect(422, "Invalid", "POST", MAPS, json.dumps(config_map("a", {"a b": "", "..": ""})))


@case
def impossible_quantities_are_refused():
    for text in ("", "x", "1x", "--1", "1e", "1.2.3", ".", "1Kim", "0x10", "NaN", "Inf", "1 Gi",
                 "9" * 600):
        code, _, body = request("POST", PODS, json.dumps(pod("q", resources={
            "requests": {"memory": text}})))
        assert code == (400 if text else 400), f"{text[:20]!r}: {code} {body[:200]}"
    expect(422, "Invalid", "POST", PODS, json.dumps(pod("q", resources={"requests": {"cpu": "-1"}})),
           causes=["spec.containers[0].resources.requests[cpu]"])
    expect(422, "Invalid", "POST", PODS, json.dumps(pod("q", resources={
        "requests": {"cpu": "2"}, "limits": {"cpu": "1"}})),
        causes=["spec.containers[0].resources.requests"])


@case
def numbers_out_of_range_are_refused():
    for number in ("1e309", "1e999999999", "99999999999999999999", "2147483648", "0.5", "-1e309"):
        body = json.dumps(pod("n", ports=[{"containerPort": 7}])).replace(": 7}", f": {number}}}")
        expect(400, "BadRequest", "POST", PODS, body)


@case
def media_types_are_checked():
    body = json.dumps(config_map("media"))
    for kind in ("text/plain", "application/xml", "x", "application/json-patch+json", "a/b/c",
                 "application/cbor"):
        expect(415, "UnsupportedMediaType", "POST", MAPS, body, kind,
               message="the body of the request was in an unknown format")
    for kind in (JSON, "text/plain", "application/x"):
        expect(415, "UnsupportedMediaType", "PATCH", MAPS + "/kube-root-ca.crt", "{}", kind)
    for accept in ("text/html", "application/xml", "application/json;as=Teapot;v=v1;g=meta.k8s.io"):
        expect(406, "NotAcceptable", "GET", MAPS, headers={"Accept": accept})
    code, _, _ = request("GET", MAPS, headers={"Accept": "text/html, */*;q=0.1"})
    assert code == 200, code


# CVE-2019-11254: YAML that takes minutes to parse.
@case
def deep_nesting_is_refused():
    for body in ("[" * 10000, "[" * 100000, '{"a":' * 10001 + "1" + "}" * 10001, "[" * BODY_MAX):
        expect(400, "BadRequest", "POST", MAPS, body)
    for body in ("[" * 10000, "- " * 20000, "{a: " * 5000, "? " * 10000, "[" * 200000):
        expect(400, "BadRequest", "POST", MAPS, body, YAML)
    deep = '{"data":' + '{"a":' * 9000 + "1" + "}" * 9001
    for kind in (MERGE_PATCH, STRATEGIC_PATCH):
        code, _, text = request("PATCH", MAPS + "/kube-root-ca.crt", deep, kind)
        assert code in (400, 413, 422), f"{kind}: {code} {text[:200]}"


# CVE-2019-11253: aliases of aliases.
@case
def yaml_aliases_do_not_multiply():
    lines = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"]
    lines += [f"a{i}: &a{i} [" + ",".join([f"*a{i - 1}"] * 9) + "]" for i in range(1, 10)]
    bomb = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: bomb}\n" + "\n".join(lines)
    expect(400, "BadRequest", "POST", MAPS, bomb, YAML)
    expect(400, "BadRequest", "PATCH", MAPS + "/bomb?fieldManager=m", bomb, APPLY_PATCH)
    expect(400, "BadRequest", "POST", MAPS, "a: &a [*a]", YAML)


@case
def invalid_utf8_does_not_get_in():
    """Go's decoder replaces what is not UTF-8; a name made of it is invalid."""
    body = json.dumps(config_map("NAME")).encode()
    for bad in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82"):
        code, _, text = request("POST", MAPS, body.replace(b"NAME", b"a" + bad))
        assert code in (400, 422), f"{bad}: {code} {text[:200]}"
        text.decode()
        code, _, text = request("POST", MAPS, b"metadata: {name: " + bad + b"}", YAML)
        assert code == 400, f"{bad}: {code} {text[:200]}"


# CVE-2019-1002100: a JSON patch of very many operations, or that copies itself.
@case
def patches_are_bounded():
    target = MAPS + "/kube-root-ca.crt"
    many = json.dumps([{"op": "test", "path": "/kind", "value": "ConfigMap"}] * 10001)
    expect(413, "RequestEntityTooLarge", "PATCH", target, many, JSON_PATCH,
           message="The allowed maximum operations in a JSON patch is 10000, got 10001")
    copies = [{"op": "add", "path": "/data/a", "value": "x" * 1000}]
    for i in range(30):
        copies.append({"op": "copy", "from": "/data", "path": f"/data/c{i}"})
    code, _, text = request("PATCH", target, json.dumps(copies), JSON_PATCH)
    assert code in (413, 422), f"copies: {code} {text[:200]}"
    for body in ("{", "{}", "[7]", '[{"op":"jump","path":"/a"}]', '[{"op":"remove","path":"/no"}]',
                 '[{"op":"add","path":"data","value":1}]', '[{"op":"add"}]',
                 '[{"op":"test","path":"/kind","value":"Pod"}]',
                 '[{"op":"move","from":"","path":"/data/a"}]',
                 '[{"op":"remove","path":"/metadata/99999999999999999999"}]'):
        code, _, text = request("PATCH", target, body, JSON_PATCH)
        assert code in (400, 422), f"{body}: {code} {text[:200]}"
    for kind in (MERGE_PATCH, STRATEGIC_PATCH):
        for body in ("{", "[]", "7"):
            expect(400, "BadRequest", "PATCH", target, body, kind)


# Each operation nests what it adds in what the one before it has: whatever walked over the result ended the server.
@case
def patches_nest_no_deeper_than_a_body():
    depth, operations = 9000, []
    for i in range(12):
        operations.append('{"op":"add","path":"/x%s","value":%s}' % ("/0" * (i * depth), "[" * depth + "]" * depth))
    expect(413, "RequestEntityTooLarge", "PATCH", MAPS + "/kube-root-ca.crt", f"[{','.join(operations)}]", JSON_PATCH,
           message="the patch nests too deep")


# CVE-2022-3162: a path that means another kind to storage than to authorization.
@case
def odd_paths_do_not_reach_other_objects():
    for path in ("/api/v1/namespaces/default/configmaps/%2e%2e", "/api/v1/namespaces/%2e%2e/pods",
                 "/api/v1/namespaces/default/configmaps/a%2fb", "/api/v1/namespaces/default%2fpods",
                 "/api/v1/namespaces/default/configmaps/a%00b", "/api/v1/namespaces/%00/pods",
                 "/api/v1//namespaces//default//pods//x", "/api/v1/namespaces/default/pods/x/y/z/w",
                 "/api/v1/../v1/teapots/x", "/api/v1/namespaces/default/configmaps/%c0%ae",
                 "/api/v1/namespaces/default/configmaps/%", "/api/v1/namespaces/default/pods/%zz",
                 "/apis/../../etc/passwd", "/api/v1/namespaces/default/configmaps/..",
                 "/api/v1/namespaces/default/../../nodes/x", "/%2e%2e/%2e%2e/etc/passwd"):
        code, _, text = request("GET", path)
        assert code in (301, 400, 404), f"{path}: {code} {text[:200]}"
    code, _, text = request("GET", "/api/v1/namespaces/..%2f/pods")
    assert code in (200, 400, 404), code
    assert code != 200 or json.loads(text)["items"] == [], text[:200]


@case
def bad_queries_are_refused():
    for query in ("limit=x", "limit=99999999999999999999", "timeoutSeconds=x", "labelSelector=((",
                  "labelSelector=a+in", "fieldSelector=spec.teapot%3D1", "continue=***",
                  "continue=e30", "limit=1&continue=" + "A" * 9000):
        expect(400, "BadRequest", "GET", MAPS + "?" + query)
    expect(504, "Timeout", "GET", MAPS + "?resourceVersion=999999999&resourceVersionMatch="
           "NotOlderThan")
    code, _, _ = request("GET", MAPS + "?resourceVersion=x")
    assert code in (400, 500), code


@case
def methods_are_checked():
    for method in ("PROPFIND", "TRACE", "X"):
        code, _, text = request(method, MAPS)
        assert code == 405, f"{method}: {code} {text[:200]}"
    code, _, _ = request("POST", MAPS + "/a", "{}")
    assert code == 405, code
