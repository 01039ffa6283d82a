#!/usr/bin/env python3
"""Checks that what docs/security.md names as its evidence is there: files, tests by function, checks by their sentence.

    scripts/check-security.py
"""
import pathlib
import re
import sys

root = pathlib.Path(__file__).resolve().parent.parent
text = (root / "docs/security.md").read_text(encoding="utf-8")
scripts = {
    "sign-in": ["tests/sign-in/checks.mjs", "tests/sign-in/browser.mjs"],
    "pages": ["tests/browser/run.mjs"],
}
failures = []
found = 0


def read(path):
    file = root / path
    return file.read_text(encoding="utf-8") if file.is_file() else ""


for cell in re.findall(r"\|([^|\n]*)\|\s*$", text, re.M):
    file = None
    for part in re.finditer(r"`([^`]+)`|\b(sign-in|pages): ", cell):
        name, script = part.groups()
        if script:
            file = script
            continue
        if re.fullmatch(r"[\w./-]+\.(rs|mjs|sql|toml|txt|sh)|\.ci/run", name):
            # a second file of the same folder is named without it
            path = name if "/" in name or not file or file in scripts else str(pathlib.Path(file).parent / name)
            file = path
            found += 1
            if not (root / path).exists():
                failures.append(f"there is no file {path}")
        elif file in scripts:
            found += 1
            # an apostrophe is escaped in the scripts
            if not any(name in read(path).replace("\\'", "'") for path in scripts[file]):
                failures.append(f"there is no check `{name}` in {file}")
        elif file and re.fullmatch(r"\w+", name):
            found += 1
            if not re.search(rf"fn {name}\b", read(file)):
                failures.append(f"there is no test `{name}` in {file}")
for failure in failures:
    print(f"FAIL docs/security.md: {failure}")
if found < 60:
    failures.append("too little was found: did the table change?")
    print(f"FAIL {failures[-1]} ({found})")
print(f"{found} pieces of evidence, {len(failures)} missing")
sys.exit(1 if failures else 0)
