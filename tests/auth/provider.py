#!/usr/bin/env python3
"""An identity provider for tests: its keys, its two documents over HTTPS, and tokens it signs.

    provider.py keys DIR HOST             makes keys and a certificate for HOST in DIR
    provider.py serve DIR HOST PORT       answers discovery and the JWK Set until it is ended
    provider.py token DIR [option ...] CLAIMS     prints a token; CLAIMS is a JSON object
        --alg RS256|PS384|ES256|none|HS256    HS256 uses the public RSA key's PEM as the secret, as a forger would
        --kid ID                        "" leaves it out
        --key FILE                      signs with another key

iat and exp are filled in unless the claims have them; null leaves a claim out. Python's own library and openssl.
"""
import argparse
import base64
import hashlib
import hmac
import http.server
import json
import os
import ssl
import subprocess
import time


def openssl(*arguments, stdin=None):
    return subprocess.run(["openssl", *arguments], input=stdin, check=True, capture_output=True).stdout


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def make_keys(directory, host):
    os.makedirs(directory, exist_ok=True)
    path = lambda name: os.path.join(directory, name)
    openssl("genrsa", "-out", path("rsa.key"), "2048")
    openssl("rsa", "-in", path("rsa.key"), "-pubout", "-out", path("rsa.pub"))
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path("ec.key"))
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", path("tls.key"), "-out", path("tls.crt"),
            "-days", "2", "-subj", "/CN=provider", "-addext", f"subjectAltName=IP:{host}")


def key_set(directory):
    modulus = openssl("rsa", "-in", os.path.join(directory, "rsa.key"), "-noout", "-modulus")
    number = bytes.fromhex(modulus.decode().strip().split("=")[1])
    point = openssl("ec", "-in", os.path.join(directory, "ec.key"), "-pubout", "-outform", "DER")[-64:]
    return {"keys": [
        {"kty": "oct", "kid": "of-no-use", "k": b64(b"secret")},
        {"kty": "RSA", "use": "sig", "kid": "rsa-1", "n": b64(number), "e": "AQAB"},
        {"kty": "EC", "use": "sig", "crv": "P-256", "kid": "ec-1", "x": b64(point[:32]), "y": b64(point[32:])}]}


def serve(directory, host, port):
    issuer = f"https://{host}:{port}"
    discovery = {"issuer": issuer, "jwks_uri": issuer + "/keys"}
    documents = {"/.well-known/openid-configuration": discovery, "/elsewhere": discovery,
                 "/keys": key_set(directory)}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            document = documents.get(self.path)
            body = json.dumps(document).encode()
            self.send_response(404 if document is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer((host, port), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(os.path.join(directory, "tls.crt"), os.path.join(directory, "tls.key"))
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


def raw_of_der(signature):
    """r and s, 32 bytes each, of the ASN.1 that openssl writes (two short INTEGERs)."""
    numbers, at = b"", 2
    for _ in range(2):
        size = signature[at + 1]
        numbers += signature[at + 2:at + 2 + size].lstrip(b"\0").rjust(32, b"\0")
        at += 2 + size
    return numbers


def sign(directory, algorithm, key, text):
    if algorithm == "none":
        return b""
    if algorithm == "HS256":
        with open(os.path.join(directory, "rsa.pub"), "rb") as secret:
            return hmac.new(secret.read(), text, hashlib.sha256).digest()
    name = key or os.path.join(directory, "ec.key" if algorithm == "ES256" else "rsa.key")
    salted = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"] if algorithm[0] == "P" else []
    signature = openssl("dgst", "-sha" + algorithm[2:], *salted, "-sign", name, stdin=text)
    return raw_of_der(signature) if algorithm == "ES256" else signature


def token(directory, options):
    kid = {"ES256": "ec-1"}.get(options.alg, "rsa-1") if options.kid is None else options.kid
    header = {"alg": options.alg, **({"kid": kid} if kid else {})}
    claims = {"iat": int(time.time()), "exp": int(time.time()) + 600, **json.loads(options.claims)}
    claims = {name: value for name, value in claims.items() if value is not None}
    text = (b64(json.dumps(header).encode()) + "." + b64(json.dumps(claims).encode())).encode()
    return text.decode() + "." + b64(sign(directory, options.alg, options.key, text))


def main():
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(dest="command", required=True)
    for name, names in (("keys", ["directory", "host"]), ("serve", ["directory", "host", "port"]),
                        ("token", ["directory", "claims"])):
        command = commands.add_parser(name)
        for each in names:
            command.add_argument(each, type=int if each == "port" else str)
        if name == "token":
            command.add_argument("--alg", default="RS256")
            command.add_argument("--kid")
            command.add_argument("--key")
    options = parser.parse_args()
    if options.command == "keys":
        make_keys(options.directory, options.host)
    elif options.command == "serve":
        serve(options.directory, options.host, options.port)
    else:
        print(token(options.directory, options))


if __name__ == "__main__":
    main()
