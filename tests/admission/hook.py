#!/usr/bin/env python3
"""A webhook: hook.py CERT KEY HOST PORT. Admission: /label adds a label, /fill a spec, /deny refuses what has the label
bad=yes, /fields spoils managedFields, /denyall refuses everything and says what it was asked, /slow answers after eight seconds, /garbage says
nothing sensible, /cut breaks off. Conversion: /convert does it, /convert/HOW does it wrong."""
import base64
import http.server
import json
import ssl
import sys
import time


def convert(thing, version):
    """v1 has spec.hostPort, v2 has spec.host and spec.port; what cannot be told apart stays as it is."""
    spec = dict(thing.get("spec") or {})
    if version.endswith("/v2") and ":" in spec.get("hostPort", ""):
        spec["host"], _, port = spec.pop("hostPort").partition(":")
        spec["port"] = port
    if version.endswith("/v1") and "host" in spec:
        spec["hostPort"] = f"{spec.pop('host')}:{spec.pop('port', '')}"
    return {**thing, "apiVersion": version, "spec": spec}


def conversion(request, how):
    """The response to a ConversionReview; `how` is what is wrong with it."""
    made = [convert(thing, request["desiredAPIVersion"]) for thing in request["objects"]]
    answer = {"uid": request["uid"], "convertedObjects": made, "result": {"status": "Success"}}
    if how == "name":
        made[0]["metadata"] = {**made[0]["metadata"], "name": "other"}
    if how == "metadata":
        made[0]["metadata"] = {**made[0]["metadata"], "labels": {"converted": "yes"}, "finalizers": ["bad.example.com/x"]}
    if how == "kind":
        made[0]["kind"] = "Other"
    if how == "version":
        made[0]["apiVersion"] = "v1"
    if how == "less":
        made.pop()
    if how == "fail":
        answer["result"] = {"status": "Failure", "message": "cannot be converted"}
    if how == "uid":
        answer["uid"] = "other"
    return answer


class Hook(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = review["request"]
        path = self.path.split("?")[0]
        if review["kind"] == "ConversionReview":
            answer = {"apiVersion": review["apiVersion"], "kind": review["kind"],
                      "response": conversion(request, path.removeprefix("/convert").strip("/"))}
            self.answer(json.dumps(answer))
            return
        if path == "/cut":
            self.connection.close()
            return
        if path == "/slow":
            time.sleep(8)
        answer = {"uid": request["uid"], "allowed": True}
        labels = ((request["object"] or {}).get("metadata") or {}).get("labels") or {}
        if path == "/label":
            patch = [{"op": "add", "path": "/metadata/labels", "value": {**labels, "hooked": request["operation"]}}]
            answer.update(patchType="JSONPatch", patch=base64.b64encode(json.dumps(patch).encode()).decode(),
                          warnings=["you were hooked"], auditAnnotations={"by": "hook.py"})
        if path == "/denyall":
            asked = " ".join(
                [request["operation"], request["resource"]["resource"], request.get("subResource", "-")]
                + [request["kind"]["kind"], (request["object"] or {}).get("kind", "-")]
                + [(request["oldObject"] or {}).get("kind", "-")])
            answer.update(allowed=False, status={"code": 403, "message": f"no {asked}"})
        if path == "/fields":
            patch = [{"op": "add", "path": "/metadata/managedFields/0/fieldsType", "value": "FieldsV2"},
                     {"op": "add", "path": "/metadata/annotations", "value": {"hooked": "yes"}}]
            answer.update(patchType="JSONPatch", patch=base64.b64encode(json.dumps(patch).encode()).decode())
        if path == "/fill":
            patch = [{"op": "add", "path": "/spec", "value": {"size": 5, "unknown": "x"}}]
            answer.update(patchType="JSONPatch", patch=base64.b64encode(json.dumps(patch).encode()).decode())
        if path == "/deny" and labels.get("bad") == "yes":
            answer.update(allowed=False, status={"code": 403, "message": f"no {request['kind']['kind']} is bad"})
        body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": answer})
        if path == "/garbage":
            body = "{" * 1000
        self.answer(body)

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        print(self.requestline, flush=True)


def main():
    cert, key, host, port = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server = http.server.ThreadingHTTPServer((host, int(port)), Hook)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


main()
