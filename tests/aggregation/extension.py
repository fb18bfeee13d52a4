#!/usr/bin/env python3
"""An extension API server: flunders.wardle.example.com/v1alpha1 and metrics.k8s.io/v1beta1, kept in memory, and shared.io/v1,
which has nothing. It takes requests from the cluster's API servers only: over TLS, with a certificate of the front proxies'
CA, of the name that the cluster says. Each request is written to LOG as a line of JSON. Its OpenAPI v2 document is what the
file LOG.v2 has, if there is one. Usage: extension.py HOST PORT CERT KEY PROXY-CA LOG"""
import gzip
import hashlib
import json
import os
import socket
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

GROUP, VERSION = "wardle.example.com", "v1alpha1"
METRICS = "/apis/metrics.k8s.io/v1beta1"
BASE = f"/apis/{GROUP}/{VERSION}"
lock = threading.Condition()
objects = {}
events = []


def status(code, reason, message):
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": reason,
            "message": message, "code": code}


def resources(group_version, *rows):
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list(rows)}


def resource(name, kind, namespaced, verbs, **more):
    return {"name": name, "singularName": name.rstrip("s") if "/" not in name else "", "namespaced": namespaced,
            "kind": kind, "verbs": verbs, **more}


ALL = ["create", "delete", "get", "list", "patch", "update", "watch"]
DISCOVERY = {
    BASE: resources(f"{GROUP}/{VERSION}",
                    resource("flunders", "Flunder", True, ALL, shortNames=["fl"], categories=["all"]),
                    resource("flunders/status", "Flunder", True, ["get", "update"])),
    METRICS: resources("metrics.k8s.io/v1beta1", resource("nodes", "NodeMetrics", False, ["get", "list"]),
                       resource("pods", "PodMetrics", True, ["get", "list"])),
    "/apis/shared.io/v1": resources("shared.io/v1"),
}
OPENAPI = {
    "openapi": "3.0.0", "info": {"title": "wardle", "version": "v1"},
    "paths": {f"{BASE}/namespaces/{{namespace}}/flunders/{{name}}": {"get": {
        "responses": {"200": {"description": "OK"}},
        "x-kubernetes-action": "get",
        "x-kubernetes-group-version-kind": {"group": GROUP, "version": VERSION, "kind": "Flunder"}}}},
    "components": {"schemas": {"Flunder": {
        "type": "object", "description": "A flunder is what wardles keep.",
        "properties": {"spec": {"type": "object", "description": "What is wanted of it.",
                                "properties": {"color": {"type": "string", "description": "Its color."}}}},
        "x-kubernetes-group-version-kind": [{"group": GROUP, "version": VERSION, "kind": "Flunder"}]}}}}


META = "io.k8s.apimachinery.pkg.apis.meta.v1."
FLUNDER = "com.example.wardle.v1alpha1.Flunder"


def ref(name):
    return {"$ref": "#/definitions/" + name}


def operation(action, **more):
    return {"responses": {"200": {"description": "OK", "schema": ref(FLUNDER)}, "401": {"description": "Unauthorized"}},
            "x-kubernetes-action": action, **more}


OPENAPI_V2 = {
    "swagger": "2.0", "info": {"title": "wardle", "version": "v1"},
    "parameters": {"pretty-tJGM1-ng": {"name": "pretty", "in": "query", "type": "string", "uniqueItems": True,
                                       "description": "Whether to indent."},
                   "unused": {"name": "unused", "in": "query", "type": "string"}},
    "paths": {
        f"{BASE}/namespaces/{{namespace}}/flunders/{{name}}": {
            "get": operation("get"),
            "put": operation("put", parameters=[{"name": "body", "in": "body", "required": True, "schema": ref(FLUNDER)}]),
            "parameters": [{"name": "name", "in": "path", "required": True, "type": "string"},
                           {"$ref": "#/parameters/pretty-tJGM1-ng"}]},
        f"{METRICS}/nodes": {"get": {"responses": {"200": {"description": "OK", "schema": ref("io.k8s.metrics.NodeMetrics")}}}},
        "/apis/shared.io/v1/theirs": {"get": operation("list")},
        "/api/v1/pods": {"get": operation("list")}},
    "definitions": {
        FLUNDER: {
            "type": "object", "description": "A flunder is what wardles keep.",
            "properties": {"apiVersion": {"type": "string"}, "kind": {"type": "string"},
                           "metadata": {"description": "What is known of it as an object.", "default": {},
                                        **ref(META + "ObjectMeta")},
                           "next": ref(FLUNDER), "odd": ref("nowhere"),
                           "spec": {"type": "object", "description": "What is wanted of it.",
                                    "properties": {"color": {"type": "string", "description": "Its color.",
                                                             "default": "\u007f"}}}},
            "x-kubernetes-group-version-kind": [{"group": GROUP, "version": VERSION, "kind": "Flunder"},
                                                {"group": "apps", "version": "v1", "kind": "Deployment"}]},
        "io.k8s.metrics.NodeMetrics": {
            "type": "object", "description": "How busy a node is.",
            "properties": {"metadata": ref(META + "ObjectMeta")},
            "x-kubernetes-group-version-kind": [{"group": "metrics.k8s.io", "version": "v1beta1", "kind": "NodeMetrics"}]},
        META + "ObjectMeta": {"type": "object", "description": "ObjectMeta as others tell of it.",
                              "properties": {"name": {"type": "string", "description": "Its name."}}},
        "unused": {"type": "object"}}}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, code, body, kind="application/json", **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def handle_any(self):
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        peer = dict(x[0] for x in self.connection.getpeercert()["subject"])
        with lock, open(LOG, "a") as log:
            log.write(json.dumps({"method": self.command, "path": self.path, "peer": peer["commonName"],
                                  "headers": [[k.lower(), v] for k, v in self.headers.items()],
                                  "body": len(body)}) + "\n")
        if peer["commonName"] != "front-proxy-client":
            self.answer(403, status(403, "Forbidden", "not one of the cluster's API servers"))
            return
        path = self.path.split("?")[0]
        if path in DISCOVERY:
            self.answer(200, DISCOVERY[path])
        elif path == "/openapi/v3":
            self.answer(200, {"paths": {BASE[1:]: {"serverRelativeURL": f"/openapi/v3{BASE}?hash=ABC123"}}})
        elif path == "/openapi/v2":
            self.openapi_v2()
        elif path == "/openapi/v3" + BASE:
            self.answer(200, OPENAPI)
        elif path.startswith(METRICS):
            self.metrics(path)
        elif path.startswith(BASE + "/namespaces/"):
            self.flunders(path[len(BASE) + 12:].split("/"), body)
        elif path == BASE + "/flunders":
            self.list(None)
        else:
            self.answer(404, status(404, "NotFound", "the server could not find the requested resource"))

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_any

    def openapi_v2(self):
        document = json.dumps(OPENAPI_V2).encode()
        if os.path.exists(LOG + ".v2"):
            with open(LOG + ".v2", "rb") as f:
                document = f.read()
        etag = '"' + hashlib.sha256(document).hexdigest() + '"'
        if self.headers.get("If-None-Match") == etag:
            self.answer(304, b"", ETag=etag)
        else:
            self.answer(200, document, ETag=etag)

    def metrics(self, path):
        usage = {"cpu": "150m", "memory": "200Mi"}
        item = {"metadata": {"name": "n1"}, "timestamp": "2026-01-01T00:00:00Z", "window": "30s", "usage": usage}
        kind = {"apiVersion": "metrics.k8s.io/v1beta1"}
        if path == METRICS + "/nodes":
            self.answer(200, {**kind, "kind": "NodeMetricsList", "metadata": {}, "items": [item]})
        elif path == METRICS + "/nodes/n1":
            self.answer(200, {**kind, "kind": "NodeMetrics", **item})
        else:
            self.answer(404, status(404, "NotFound", "no such metrics"))

    def list(self, namespace):
        if "watch=" in self.path:
            self.watch()
            return
        with lock:
            items = [o for (ns, _), o in sorted(objects.items()) if namespace in (None, ns)]
            revision = str(len(events))
        body = json.dumps({"kind": "FlunderList", "apiVersion": f"{GROUP}/{VERSION}",
                           "metadata": {"resourceVersion": revision}, "items": items}).encode()
        if "gzip" in self.headers.get("Accept-Encoding", "") and "zip=1" in self.path:
            self.answer(200, gzip.compress(body), Content_Encoding="gzip")
        else:
            self.answer(200, body)

    def watch(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        at = len(events)
        while True:
            with lock:
                lock.wait_for(lambda: len(events) > at)
                new, at = events[at:], len(events)
            for event in new:
                line = json.dumps(event).encode() + b"\n"
                self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))

    def change(self, kind, key, thing):
        with lock:
            thing["metadata"]["resourceVersion"] = str(len(events) + 1)
            events.append({"type": kind, "object": thing})
            if kind == "DELETED":
                del objects[key]
            else:
                objects[key] = thing
            lock.notify_all()

    def flunders(self, parts, body):
        namespace, name = parts[0], parts[2] if len(parts) > 2 else None
        if name is not None and name.startswith("hostile-"):
            self.hostile(name[8:])
        elif name is None and self.command == "POST":
            thing = json.loads(body)
            thing["metadata"].update(namespace=namespace, uid=f"u{len(events)}",
                                     creationTimestamp="2026-01-01T00:00:00Z")
            self.change("ADDED", (namespace, thing["metadata"]["name"]), thing)
            self.answer(201, thing)
        elif name is None:
            self.list(namespace)
        elif (namespace, name) not in objects:
            self.answer(404, status(404, "NotFound", f'flunders.{GROUP} "{name}" not found'))
        elif self.command == "DELETE":
            self.change("DELETED", (namespace, name), objects[(namespace, name)])
            self.answer(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})
        elif self.command in ("PUT", "PATCH"):
            thing = json.loads(body) if self.command == "PUT" else {**objects[(namespace, name)], **json.loads(body)}
            thing["metadata"] = objects[(namespace, name)]["metadata"] | thing.get("metadata", {})
            self.change("MODIFIED", (namespace, name), thing)
            self.answer(200, thing)
        else:
            self.answer(200, objects[(namespace, name)])

    def hostile(self, how):
        raw = self.connection
        if how == "redirect":
            self.answer(302, b"", Location="https://evil.example/")
        elif how == "silent":
            time.sleep(600)
        elif how == "half":
            raw.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
            raw.unwrap().shutdown(socket.SHUT_RDWR)
        elif how == "smuggle":
            raw.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 ")
        elif how == "header":
            for _ in range(200):
                raw.sendall(b"X-Filler: " + b"a" * 20000 + b"\r\n")
        elif how == "endless":
            raw.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
            while True:
                raw.sendall(b"x" * 65536)
        elif how == "set":
            self.answer(200, {"kind": "Flunder"}, Keep_Alive="timeout=1", Connection="X-Hop", X_Hop="1", X_Mine="1")
        self.close_connection = True


HOST, PORT, CERT, KEY, CA, LOG = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERT, KEY)
context.load_verify_locations(CA)
context.verify_mode = ssl.CERT_REQUIRED


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def finish_request(self, request, address):  # The handshake in the thread of the connection.
        request.settimeout(30)
        with context.wrap_socket(request, server_side=True) as stream:
            stream.settimeout(None)
            self.RequestHandlerClass(stream, address, self)

    def handle_error(self, *_):
        pass


Server((HOST, int(PORT)), Handler).serve_forever()
