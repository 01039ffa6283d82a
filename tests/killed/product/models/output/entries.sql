SELECT id, batch FROM input.entries_raw
