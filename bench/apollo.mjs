// Times @apollo/composition beside ours: turns sizes of meshes into a table of wall and processor times.
//
//   cargo build --release -p terrane-bench && (cd tests/interop && npm ci --ignore-scripts)
//   node bench/apollo.mjs target/release/terrane-bench 10 100
//
// Both compose the same subgraphs in the same run: first theirs, after two runs to warm up, then ours. The packages are
// those of `tests/interop`. Both check satisfiability.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';

const require = createRequire(path.join(import.meta.dirname, '../tests/interop/package.json'));
const { composeServices } = require('@apollo/composition');
const { parse } = require('graphql');

const [program, ...sizes] = process.argv.slice(2);
const runs = Number(process.env.RUNS ?? 5);
const warm = Number(process.env.WARM ?? 2);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'terrane-bench-'));

function compose(subgraphs) {
  const result = composeServices(subgraphs.map(({ name, url, sdl }) => ({ name, url, typeDefs: parse(sdl) })));
  if (result.errors) throw new Error(result.errors[0].message);
}

for (const size of sizes) {
  const file = path.join(folder, `${size}.json`);
  execFileSync(program, ['write', size, file]);
  const subgraphs = JSON.parse(fs.readFileSync(file, 'utf8'));
  for (let run = 0; run < warm; run += 1) compose(subgraphs);
  const walls = [];
  const before = process.cpuUsage();
  for (let run = 0; run < runs; run += 1) {
    const begun = process.hrtime.bigint();
    compose(subgraphs);
    walls.push(Number(process.hrtime.bigint() - begun) / 1e6);
  }
  const { user, system } = process.cpuUsage(before);
  walls.sort((a, b) => a - b);
  const [median, least] = [walls[Math.floor(runs / 2)], walls[0]].map((wall) => wall.toFixed(0));
  const processor = ((user + system) / 1e3 / runs).toFixed(0);
  console.log(`${size} products, @apollo/composition: median ${median} ms, least ${least} ms, processor ${processor} ms`);
  console.log(`${size} products, ours: ${execFileSync(program, ['compose', size], { encoding: 'utf8' }).trim()}`);
}
fs.rmSync(folder, { recursive: true });
