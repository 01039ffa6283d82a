SELECT raw.* FROM input.raw
