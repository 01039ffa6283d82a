SELECT code, name FROM input.continents_raw
