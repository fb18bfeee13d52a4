"""Reads an OpenAPI document (2.0 or 3.0) from standard input and ends with a message at the first thing
that a generator of clients would stumble over: a reference to nothing, a parameter of the path that is
not declared, an operation without a name of its own or without an answer."""
import json
import re
import sys

METHODS = {"get", "put", "post", "delete", "options", "head", "patch"}
document = json.load(sys.stdin)
version2 = document.get("swagger") == "2.0"


def refuse(*words):
    sys.exit(" ".join(map(str, words)))


def resolve(node):
    while "$ref" in node:
        target = document
        for name in node["$ref"].removeprefix("#/").split("/"):
            if name not in target:
                refuse("reference to nothing:", node["$ref"])
            target = target[name]
        node = target
    return node


def follow(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            resolve(node)
        for value in node.values():
            follow(value)
    elif isinstance(node, list):
        for value in node:
            follow(value)


def check_parameters(where, parameters):
    seen = set()
    for parameter in map(resolve, parameters):
        key = (parameter["name"], parameter["in"])
        if key in seen or parameter["in"] not in ("query", "path") + ("body",) * version2:
            refuse(where, "parameter", key)
        if parameter["in"] == "path" and parameter.get("required") is not True:
            refuse(where, "does not require", key)
        if not parameter.get("description") and parameter["in"] != "body":
            refuse(where, "does not describe", key)
        described = parameter if version2 and parameter["in"] != "body" else parameter["schema"]
        if not ("type" in described or "$ref" in described):
            refuse(where, "parameter without a type", key)
        seen.add(key)
    if {name for name, place in seen if place == "path"} != set(re.findall(r"{(\w+)}", where)):
        refuse(where, "other parameters than the path has:", seen)


def check_operation(where, operation, shared):
    check_parameters(where, shared + operation.get("parameters", []))
    if not operation["tags"] or not operation["responses"]["200"]["description"]:
        refuse(where, "without tags or an answer")
    if version2 and not (operation["produces"] and operation["schemes"] == ["https"]):
        refuse(where, "produces nothing")
    return operation["operationId"]


if not (version2 or document["openapi"] == "3.0.0") or not document["info"]["version"]:
    refuse("neither 2.0 nor 3.0")
follow(document)
names = [check_operation(path, operation, item.get("parameters", []))
         for path, item in document["paths"].items()
         for method, operation in item.items() if method in METHODS]
if len(names) != len(set(names)):
    refuse("named twice:", {name for name in names if names.count(name) > 1})
print(len(names), "operations")
