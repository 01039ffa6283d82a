"""Compares the verdicts of Terrane and of `datacontract test` on the same tables, rule by rule.

    test_quality.py MESH TOKEN STATE WORK
"""

import glob
import json
import os
import pathlib
import subprocess
import sys
import urllib.request

import psycopg
import yaml

mesh, token, state, work = sys.argv[1:]

# Rows that break rules: product, statement. Constraints are taken off first, as nothing would let such rows in.
BROKEN = [
    ("continents", "UPDATE output.continents SET code = 'eu' WHERE code = 'EU'"),
    ("continents", "UPDATE output.continents SET wikipedia_url = 'http://x' WHERE code = 'AF'"),
    ("continents", "DELETE FROM output.continents WHERE code = 'AN'"),
    ("countries", "UPDATE output.countries SET code = 'n1' WHERE code = 'NO'"),
    ("countries", "UPDATE output.countries SET population = 3000000000 WHERE code = 'SE'"),
    ("cities", "UPDATE output.cities SET country_code = 'x' WHERE id = (SELECT min(id) FROM output.cities)"),
]


def address():
    """Host, port and password of the mesh's own Postgres."""
    root = pathlib.Path(state, "postgres")
    elsewhere = pathlib.Path(state, "postgres.location")
    if elsewhere.exists():
        root = pathlib.Path(elsewhere.read_text().strip())
    note = (root / "data/postmaster.pid").read_text().splitlines()
    return note[4], note[3], pathlib.Path(state, "postgres.password").read_text().strip()


HOST, PORT, PASSWORD = address()


def connect(product):
    connection = psycopg.connect(
        host=HOST, port=PORT, user="postgres", password=PASSWORD, dbname=f"terrane_{product}"
    )
    connection.autocommit = True
    return connection


def terrane(product):
    """What Terrane finds now: a verdict for each rule of the contract."""
    body = json.dumps({"query": "mutation { recheckQuality { rule dataset passed measured expected } }"}).encode()
    request = urllib.request.Request(
        f"{mesh}/products/{product}/graphql",
        data=body,
        headers={"content-type": "application/json", "authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        answer = json.load(answer)
    if answer.get("errors"):
        sys.exit(f"{product}: {answer['errors']}")
    return {result["rule"]: result for result in answer["data"]["recheckQuality"]}


def datacontract(product, contract):
    """What the tool finds: its checks."""
    report = pathlib.Path(work, "report.json")
    report.unlink(missing_ok=True)
    prefix = product.upper()
    environment = {
        **os.environ,
        f"{prefix}_PG_HOST": HOST,
        f"{prefix}_PG_PORT": PORT,
        f"{prefix}_PG_DATABASE": f"terrane_{product}",
        "DATACONTRACT_POSTGRES_USERNAME": "postgres",
        "DATACONTRACT_POSTGRES_PASSWORD": PASSWORD,
    }
    done = subprocess.run(
        ["datacontract", "test", contract, "--server", "pg-output", "--no-inline-references", "--output", str(report),
         "--output-format", "json"],
        env=environment, capture_output=True, text=True, timeout=300, check=False,
    )
    if not report.exists():
        sys.exit(f"{contract}: the tool wrote no report\n{done.stdout}\n{done.stderr}")
    return json.loads(report.read_text())["checks"]


def rules(contract):
    """Ids of the contract's rules that both check."""
    document = yaml.safe_load(pathlib.Path(contract).read_text())
    for dataset in document["schema"]:
        places = [dataset, *dataset["properties"]]
        for place in places:
            for rule in place.get("quality", []):
                if rule.get("type", "library") != "text":
                    yield rule["id"]


def compare(when):
    """The number of rules on which both agree, passed and failed."""
    passed = failed = 0
    for contract in sorted(glob.glob("products/*/contracts/*.odcs.yaml")):
        product = contract.split("/")[1]
        if "-source" in contract:
            continue
        found = terrane(product)
        checks = datacontract(product, contract)
        for rule in rules(contract):
            theirs = [check for check in checks if rule in json.dumps(check)]
            if not theirs:
                sys.exit(f"{contract}: the tool has no check of rule {rule}: {json.dumps(checks)[:2000]}")
            ours = found[rule]
            # a rule that is only a warning is a warning, or failed, to the tool
            their_verdict = all(check["result"] == "passed" for check in theirs)
            if ours["passed"] != their_verdict:
                sys.exit(f"{when}: {contract}: {rule}: Terrane says {ours}, the tool says {theirs}")
            passed += ours["passed"]
            failed += not ours["passed"]
    print(f"{when}: both agree on {passed + failed} rules: {passed} passed, {failed} failed")
    return passed, failed


def break_rows():
    for product in {product for product, _ in BROKEN}:
        connection = connect(product)
        cursor = connection.cursor()
        cursor.execute(
            "SELECT format('ALTER TABLE output.%I DROP CONSTRAINT %I CASCADE', relname, conname) FROM pg_constraint c "
            "JOIN pg_class t ON t.oid = c.conrelid WHERE t.relnamespace = 'output'::regnamespace AND contype IN ('p', 'u')"
        )
        for (statement,) in cursor.fetchall():
            cursor.execute(statement)
        for of, statement in BROKEN:
            if of == product:
                cursor.execute(statement)
                if cursor.rowcount != 1:
                    sys.exit(f"{product}: `{statement}` changed {cursor.rowcount} rows")
        connection.close()


_, failed = compare("as published")
if failed:
    sys.exit("what is published breaks its own contract")
break_rows()
_, failed = compare("with broken rows")
if failed < 4:
    sys.exit(f"only {failed} rules failed, of rows that break more")
