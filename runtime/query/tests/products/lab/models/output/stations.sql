SELECT code, code AS name FROM input.raw
