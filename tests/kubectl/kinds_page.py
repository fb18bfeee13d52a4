#!/usr/bin/env python3
"""kinds_page.py PAGE PORT: what docs/reference/kinds.md says of each kind, held against the server behind `kubectl proxy` at
that port: discovery's names, scopes, verbs, categories and subresources, the columns of tables, the fields of selectors.
Prints each difference; exit status 1 when there is one."""
import json
import sys
import urllib.error
import urllib.parse
import urllib.request

ALL = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


def rows(page):
    """(GROUP-VERSION, ROW) of each table, a row by the names of its columns."""
    group = head = None
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("## "):
            group, head = line[3:].strip(), None
        elif line.startswith("|") and head is None:
            head = cells
        elif line.startswith("|") and not line.startswith("|---"):
            yield group, dict(zip(head, cells))


def words(cell):
    return sorted(word.strip() for word in cell.split(",") if word.strip())


def get(port, path, accept="application/json"):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"Accept": accept})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, {}


def served(port, group):
    """What discovery says of a group's resources, in the page's terms, and its path."""
    path = f"/api/{group}" if "/" not in group else f"/apis/{group}"
    resources = get(port, path)[1]["resources"]
    kinds = {}
    for resource in resources:
        if "/" not in resource["name"]:
            verbs = sorted(resource["verbs"])
            kinds[resource["name"]] = {
                "kind": resource["kind"], "short": sorted(resource.get("shortNames", [])),
                "categories": sorted(resource.get("categories", [])), "scope": "N" if resource["namespaced"] else "C",
                "verbs": ["all"] if verbs == ALL else verbs, "subresources": []}
    for resource in resources:
        name, _, subresource = resource["name"].partition("/")
        if subresource:
            kinds[name]["subresources"].append(subresource)
    return path, kinds


def columns(port, path):
    table = get(port, path, "application/json;as=Table;v=v1;g=meta.k8s.io")[1]
    return [f"({column['name']})" if column["priority"] else column["name"] for column in table["columnDefinitions"]]


def differences(page, port):
    groups = {}
    for group, row in rows(page):
        groups.setdefault(group, []).append(row)
    for group, listed in groups.items():
        path, kinds = served(port, group)
        names = {row["resource"] for row in listed}
        if names != set(kinds):
            yield f"{group}: {sorted(names ^ set(kinds))} are on one side only"
        for row in listed:
            name, kind = row["resource"], kinds.get(row["resource"])
            if kind is None:
                continue
            for column in ("kind", "scope"):
                if row[column] != kind[column]:
                    yield f"{name}: {column} {row[column]}, served {kind[column]}"
            for column in ("short", "categories", "verbs", "subresources"):
                if words(row[column]) != sorted(kind[column]):
                    yield f"{name}: {column} {row[column]}, served {kind[column]}"
            if not {"all", "list"} & set(kind["verbs"]):
                continue
            shown = [cell.strip() for cell in row["table"].split(",")]
            if shown != columns(port, f"{path}/{name}"):
                yield f"{name}: table {shown}, served {columns(port, f'{path}/{name}')}"
            for field in words(row["selectors"]) + ["no.such"]:
                query = urllib.parse.urlencode({"fieldSelector": f"{field}=a"})
                status = get(port, f"{path}/{name}?{query}")[0]
                # What is no name of a field is refused by all; a value that cannot be one by some.
                if (status == 200) == (field == "no.such"):
                    yield f"{name}: selector {field} is answered with {status}"


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        found = list(differences(file.read(), sys.argv[2]))
    print("\n".join(found))
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
