"""Compares files of the output port, opened in DuckDB, pandas and pyarrow, with the answers of the data port.

    test_exports.py TERRANE BASE_URL TOKEN DIRECTORY

Prints one line for each dataset and format, and leaves with 1 when anything differs.
"""

import hashlib
import json
import subprocess
import sys
import urllib.request

import duckdb
import pandas
import pyarrow
import pyarrow.ipc
import pyarrow.parquet

TERRANE, BASE, TOKEN, WORK = sys.argv[1:]
FORMATS = ("csv", "json", "ndjson", "parquet", "arrow")
PAGE = 1000
# dataset: product, root field, {field of the contract: (field of the data port, type in DuckDB)}, rows of the whole file
DATASETS = {
    "countries": (
        "countries",
        "countries",
        {
            "code": ("code", "VARCHAR"),
            "name": ("name", "VARCHAR"),
            "capital": ("capital", "VARCHAR"),
            "area_km2": ("areaKm2", "DOUBLE"),
            "population": ("population", "BIGINT"),
            "languages": ("languages", "VARCHAR[]"),
        },
        250,
    ),
    "cities": (
        "cities",
        "cities",
        {
            "id": ("id", "BIGINT"),
            "name": ("name", "VARCHAR"),
            "country_code": ("countryCode", "VARCHAR"),
            "is_capital": ("isCapital", "BOOLEAN"),
            "population": ("population", "BIGINT"),
            "latitude": ("latitude", "DOUBLE"),
            "longitude": ("longitude", "DOUBLE"),
        },
        135_233,
    ),
}
ARROW = {
    "VARCHAR": pyarrow.string(),
    "BIGINT": pyarrow.int64(),
    "DOUBLE": pyarrow.float64(),
    "BOOLEAN": pyarrow.bool_(),
    "VARCHAR[]": pyarrow.list_(pyarrow.string()),
}
failures: list[str] = []


def expect(what: str, found: object, wanted: object) -> None:
    if found != wanted:
        failures.append(f"{what}: found {str(found)[:300]}, wanted {str(wanted)[:300]}")


def answer(product: str, root: str, fields: dict) -> dict[str, list]:
    """Every row of the data port, column by column, in key order."""
    names = " ".join(name for name, _ in fields.values())
    query = f"query($after: String) {{ list: {root}(first: {PAGE}, after: $after) {{ nodes {{ {names} }} pageInfo {{ hasNextPage endCursor }} }} }}"
    columns: dict[str, list] = {name: [] for name in fields}
    after = None
    while True:
        body = json.dumps({"query": query, "variables": {"after": after}}).encode()
        headers = {"content-type": "application/json", "authorization": f"Bearer {TOKEN}"}
        request = urllib.request.Request(f"{BASE}/products/{product}/graphql", body, headers)
        with urllib.request.urlopen(request) as response:
            page = json.load(response)["data"]["list"]
        for node in page["nodes"]:
            for name, (graphql, kind) in fields.items():
                value = node[graphql]
                # the data port writes 64-bit numbers as strings
                columns[name].append(int(value) if kind == "BIGINT" and value is not None else value)
        if not page["pageInfo"]["hasNextPage"]:
            return columns
        after = page["pageInfo"]["endCursor"]


def checksum(values: list) -> str:
    def plain(value: object) -> object:
        if isinstance(value, float):
            return repr(value)
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        return value

    return hashlib.sha256(json.dumps([plain(v) for v in values], ensure_ascii=True).encode()).hexdigest()[:16]


def compare(what: str, found: dict[str, list], wanted: dict[str, list]) -> None:
    expect(f"{what}: columns", list(found), list(wanted))
    for name, values in wanted.items():
        expect(f"{what}: rows of {name}", len(found.get(name, [])), len(values))
        expect(f"{what}: checksum of {name}", checksum(found.get(name, [])), checksum(values))


def by_duckdb(path: str, kind: str, fields: dict) -> tuple[dict[str, str], dict[str, list]]:
    types = json.dumps({name: duck for name, (_, duck) in fields.items()}).replace('"', "'")
    source = {
        # the first quoted name comes after the rows that DuckDB looks at by itself
        "csv": f"read_csv('{path}', sample_size=-1)",
        "json": f"read_json('{path}', sample_size=-1)",
        "ndjson": f"read_ndjson('{path}', sample_size=-1)",
        "parquet": f"read_parquet('{path}')",
    }[kind]
    if kind == "csv" and any(duck.endswith("[]") for _, duck in fields.values()):
        # CSV knows no lists: they are JSON in a field
        source = f"read_csv('{path}', columns={types.replace('VARCHAR[]', 'JSON')})"
    table = duckdb.sql(f"SELECT * FROM {source}")
    kinds = {name: str(duck) for name, duck in zip(table.columns, table.types)}
    return kinds, {name: list(values) for name, values in zip(table.columns, zip(*table.fetchall()))}


def check(dataset: str, kind: str, wanted: dict[str, list], fields: dict) -> None:
    path = f"{WORK}/{dataset}.{kind}"
    arrow = None
    if kind == "arrow":
        with pyarrow.ipc.open_stream(path) as stream:
            arrow = stream.read_all()
    elif kind == "parquet":
        arrow = pyarrow.parquet.read_table(path)
    if arrow is not None:
        for name, (_, duck) in fields.items():
            expect(f"{path} in pyarrow: type of {name}", arrow.schema.field(name).type, ARROW[duck])
        compare(f"{path} in pyarrow", arrow.to_pydict(), wanted)
    if kind == "arrow":
        return
    kinds, found = by_duckdb(path, kind, fields)
    for name, (_, duck) in fields.items():
        if kind == "csv" and duck.endswith("[]"):
            found[name] = [json.loads(value) for value in found[name]]
        else:
            expect(f"{path} in DuckDB: type of {name}", kinds.get(name), duck)
    compare(f"{path} in DuckDB", found, wanted)
    frame = {
        "csv": lambda: pandas.read_csv(path, keep_default_na=False, na_values={"population": [""], "area_km2": [""]}),
        "json": lambda: pandas.read_json(path),
        "ndjson": lambda: pandas.read_json(path, lines=True),
        "parquet": lambda: pandas.read_parquet(path),
    }[kind]()
    expect(f"{path} in pandas: shape", frame.shape, (len(next(iter(wanted.values()))), len(fields)))
    known = [value for value in wanted["population"] if value is not None]
    expect(f"{path} in pandas: sum of population", int(frame["population"].sum()), sum(known))
    key = next(iter(fields))
    expect(f"{path} in pandas: keys", frame[key].tolist(), wanted[key])


def main() -> None:
    for dataset, (product, root, fields, rows) in DATASETS.items():
        wanted = answer(product, root, fields)
        expect(f"{dataset}: rows of the data port", len(next(iter(wanted.values()))), rows)
        for kind in FORMATS:
            path = f"{WORK}/{dataset}.{kind}"
            command = [TERRANE, "export", f"{product}/{dataset}.{kind}", "--from", BASE, "--token", TOKEN]
            subprocess.run([*command, "--fields", ",".join(fields), "-o", path], check=True, stderr=subprocess.DEVNULL)
            before = len(failures)
            check(dataset, kind, wanted, fields)
            print(f"{'ok  ' if len(failures) == before else 'FAIL'} {dataset}.{kind}", flush=True)
    # Excel reads the mark of UTF-8 and nothing else: the file with it is the same file
    for bom in ("false", "true"):
        url = f"{BASE}/products/countries/output/countries.csv?fields=name&bom={bom}"
        with urllib.request.urlopen(url) as response:
            text = response.read()
        expect(f"bom={bom}", text.startswith(b"\xef\xbb\xbf"), bom == "true")
    for failure in failures:
        print(f"FAIL {failure}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
