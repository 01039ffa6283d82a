// The public federation audit as a source of cases: turns a checkout of it into running subgraphs, supergraphs and tests.
//
// The checkout is of `graphql-hive/federation-gateway-audit`, with the packages that its `src/` needs installed in it.

import { spawn } from 'node:child_process';
import http from 'node:http';
import { isDeepStrictEqual } from 'node:util';

// The audit's source calls this, and Node has it from version 22 only.
const POLYFILL = 'data:text/javascript,' + encodeURIComponent(
  'Promise.withResolvers ??= function () { const made = {}; made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject })); return made; };',
);

// A port that nothing listens on now.
export async function freePort() {
  const server = http.createServer();
  const port = await new Promise((done) => server.listen(0, '127.0.0.1', () => done(server.address().port)));
  await new Promise((done) => server.close(done));
  return port;
}

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

async function get(url) {
  const response = await fetch(url, { headers: { accept: 'application/json' }, signal: AbortSignal.timeout(60_000) });
  const text = await response.text();
  if (!response.ok) throw new Error(`GET ${url}: ${response.status} ${text.slice(0, 300)}`);
  return text;
}

// Starts the audit's server of subgraphs. `punish` makes subgraphs fail that are asked more than needed.
export async function startAudit(folder, { punish = true } = {}) {
  const port = await freePort();
  const address = `http://localhost:${port}`;
  const child = spawn(process.execPath, ['--import', POLYFILL, '--import', 'tsx', 'src/cli.ts', 'serve', '--port', String(port)], {
    cwd: folder, stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, PUNISH_FOR_POOR_PLANS: punish ? '1' : '0' },
  });
  const until = Date.now() + 120_000;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the audit's server ended with code ${child.exitCode}`);
    // Not `/_health`, which answers before the suites are there.
    if ((await fetch(`${address}/ids`).catch(() => undefined))?.ok) break;
    if (Date.now() > until) throw new Error("the audit's server does not become ready");
    await sleep(100);
  }
  return {
    suites: async () => JSON.parse(await get(`${address}/ids`)),
    supergraph: (suite) => get(`${address}/${suite}/supergraph`),
    subgraphs: async (suite) => JSON.parse(await get(`${address}/${suite}/subgraphs`)),
    // [{query, expected}]; some queries have an id in them that differs each time.
    tests: async (suite) => JSON.parse(await get(`${address}/${suite}/tests`)),
    stop: () => child.kill(),
  };
}

// Whether an answer is what a test expects, by the audit's own rule: data deeply equal, errors only where it says so.
export function passes(answer, expected) {
  if (!isDeepStrictEqual(answer.data ?? null, expected.data ?? null)) return false;
  return typeof expected.errors !== 'boolean' || expected.errors === Boolean(answer.errors?.length);
}
