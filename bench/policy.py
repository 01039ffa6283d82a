#!/usr/bin/env python3
"""What policy costs the data port, in instructions of the server for each request (valgrind's callgrind: the same on any machine).

    bench/policy.py TERRANE POSTGRES_URL      # a release build; a server on which databases may be made, without a path

`bench/world` (its `data/` must be there) is served three times: without a row filter, with one that all cities fulfil, and
without one, but with the same condition in the operation. Fails where a row filter costs more than 2 % of either.
"""

import http.client
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WORLD = Path(__file__).parent / "world"
PORT = 4390
MOST = 1.02
BATCHES = 8  # the least of them counts
OPEN = "{property: maxClassification, value: public, vendor: terrane}"
FILTER = '{property: rowFilter, value: "population >= 0", vendor: terrane}'


def queries(asked):
    """The four queries; `asked` says that the condition is in them (a lookup by key takes none)."""
    nested = "filter: {population: {gte: 0}}, " if asked else ""
    page = ", gte: 0" if asked else ""
    order = "orderBy: [{field: POPULATION, direction: DESC}, {field: ID}]"
    countries = "countries(first: 250, orderBy: [{field: CODE}])"
    return {
        "point": "query($id: Int!) { city(id: $id) { id name population latitude longitude countryCode } }",
        "list": "{ %s { nodes { code name continentCode capital area population } } }" % countries,
        "nested": "{ continents(first: 10, orderBy: [{field: CODE}]) { nodes { code name %s { nodes { code name "
        "cities(first: 3, %s%s) { nodes { name population } } } } } } }" % (countries, nested, order),
        "page": "query($code: String!, $below: Int!) { cities(first: 50, %s, filter: {countryCode: {eq: $code}, "
        "population: {lt: $below%s}}) { nodes { id name population latitude longitude } } }" % (order, page),
    }


def variables():
    chosen = random.Random(1)
    pages = [(code, below) for code in ("US", "IT", "MX", "DE", "GB") for below in (20_000, 100_000, 100_000_000)]
    return {
        "point": [{"id": chosen.randint(1, 135_000)} for _ in range(100)],
        "list": [{}] * 60,
        "nested": [{}] * 20,
        "page": [{"code": code, "below": below} for code, below in pages],
    }


def control(flag, pid):
    subprocess.run(["callgrind_control", flag, str(pid)], check=True, capture_output=True)


def ask(connection, body):
    connection.request("POST", "/graphql", body, {"content-type": "application/json"})
    reply = connection.getresponse()
    text = reply.read()
    assert reply.status == 200 and b'"errors"' not in text, text[:500]


def served(process):
    for _ in range(600):
        assert process.poll() is None, "terrane has ended"
        connection = http.client.HTTPConnection("127.0.0.1", PORT)
        try:
            connection.request("GET", "/health/ready")
            if connection.getresponse().status == 200:
                return http.client.HTTPConnection("127.0.0.1", PORT)
        except OSError:
            pass
        time.sleep(0.5)
    raise SystemExit("terrane does not answer")


def batch(connection, bodies, pid, work, name):
    """Instructions of a request. What the server does beside requests, by the clock, is in it."""
    times = 2 * len(bodies)
    control("-z", pid)
    for turn in range(times):
        ask(connection, bodies[turn % len(bodies)])
    before = set(work.glob(f"{name}.out.*"))
    control("-d", pid)
    while not (dumped := set(work.glob(f"{name}.out.*")) - before):
        time.sleep(0.1)
    totals = [re.findall(r"^(?:summary|totals): (\d+)", path.read_text(), re.M) for path in dumped]
    return max(int(total) for found in totals for total in found) / times


def measure(terrane, url, folder, name, asked, work):
    """Instructions of each query."""
    out = work / f"{name}.out"
    command = ["valgrind", "--tool=callgrind", "-q", f"--callgrind-out-file={out}", terrane, "product", str(folder)]
    environment = dict(os.environ, DATABASE_URL=f"{url}/{name}", TERRANE_LOG="error")
    process = subprocess.Popen([*command, "--listen", f"127.0.0.1:{PORT}"], env=environment)
    figures = {}
    try:
        connection = served(process)
        for query, text in queries(asked).items():
            bodies = [json.dumps({"query": text, "variables": values}).encode() for values in variables()[query]]
            for turn in range(2 * len(bodies) + 20):
                ask(connection, bodies[turn % len(bodies)])
            figures[query] = min(batch(connection, bodies, process.pid, work, name) for _ in range(BATCHES))
    finally:
        process.terminate()
        process.wait()
    return figures


def main():
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    terrane, url = sys.argv[1], sys.argv[2].rstrip("/")
    with tempfile.TemporaryDirectory() as made:
        work, figures = Path(made), {}
        for name, asked in {"policy_none": False, "policy_filter": False, "policy_asked": True}.items():
            folder = work / name
            shutil.copytree(WORLD, folder)
            descriptor = folder / "dataproduct.odps.yaml"
            descriptor.write_text(descriptor.read_text().replace("id: world", f"id: {name.replace('_', '-')}", 1))
            if name == "policy_filter":
                contract = folder / "contracts/cities.odcs.yaml"
                text = contract.read_text()
                assert OPEN in text
                contract.write_text(text.replace(OPEN, f"{OPEN}, {FILTER}"))
            subprocess.run(["psql", f"{url}/postgres", "-qc", f"CREATE DATABASE {name}"], check=True)
            figures[name] = measure(terrane, url, folder, name, asked, work)
            subprocess.run(["psql", f"{url}/postgres", "-qc", f"DROP DATABASE {name} WITH (FORCE)"], check=True)
    print("| query | no filter | row filter | asked for | row filter to no filter | to asked for |")
    print("|---|---|---|---|---|---|")
    worst = 0.0
    for query in queries(False):
        none, kept, asked = (figures[name][query] for name in ("policy_none", "policy_filter", "policy_asked"))
        worst = max(worst, kept / none, kept / asked)
        print(f"| {query} | {none:,.0f} | {kept:,.0f} | {asked:,.0f} | {kept / none:.4f} | {kept / asked:.4f} |")
    if worst > MOST:
        raise SystemExit(f"a row filter costs {worst:.4f} times what is without it; at most {MOST}")


main()
