// Measures plans from outside: turns operations sent to several gateways into a table of subgraph requests and waves.
//
//   node plans.mjs [--audit CHECKOUT] [--case NAME=SUPERGRAPH,OPERATION]... [--suites A,B] [--rounds N] [--quiet-ms N]
//                  [--earlier FILE] [--out FOLDER] NAME=COMMAND...
//
// COMMAND is run by `bash -c` once for each supergraph; in it {port} and {supergraph} are replaced. It must serve
// `POST /graphql` on 127.0.0.1:{port} and should not join equal requests in flight. The first NAME is compared with the
// others; with --earlier, the others are also those of an earlier run's `plans.json`. FOLDER gets `plans.tsv`, `plans.md`
// and `plans.json`, which has every request. Exit code 1 when the first one asks more or waits longer than the best of the
// others that answered rightly, or answers wrongly itself.

import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { freePort, passes, sleep, startAudit } from './audit.mjs';
import { Recorder } from './recorder.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    audit: { type: 'string' }, case: { type: 'string', multiple: true, default: [] }, suites: { type: 'string' },
    rounds: { type: 'string', default: '1' }, 'quiet-ms': { type: 'string', default: '100' }, earlier: { type: 'string' }, out: { type: 'string', default: '.' },
  },
});
const split = (text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)];
const gateways = positionals.map(split).map(([name, command]) => ({ name, command }));
if (gateways.length === 0 || (options.audit === undefined && options.case.length === 0)) {
  console.error('usage: node plans.mjs [--audit CHECKOUT] [--case NAME=SUPERGRAPH,OPERATION] NAME=COMMAND...');
  process.exit(2);
}

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'plans-'));
const recorder = new Recorder(Number(options['quiet-ms']));

async function post(port, query, ms) {
  const response = await fetch(`http://127.0.0.1:${port}/graphql`, {
    method: 'POST', headers: { accept: 'application/json', 'content-type': 'application/json' },
    body: JSON.stringify({ query }), signal: AbortSignal.timeout(ms),
  });
  return response.json();
}

// Starts a gateway for one supergraph and waits until it answers what asks no subgraph.
async function startGateway(command, supergraph, log) {
  const port = await freePort();
  const text = command.replaceAll('{port}', String(port)).replaceAll('{supergraph}', supergraph);
  const out = fs.openSync(log, 'w');
  const child = spawn('bash', ['-c', text], { stdio: ['ignore', out, out], detached: true });
  fs.closeSync(out);
  const stop = async () => {
    // The group, so that what the shell started ends too.
    try { process.kill(-child.pid, 'SIGTERM'); } catch { return; }
    for (let tries = 0; tries < 100 && child.exitCode === null && child.signalCode === null; tries += 1) await sleep(20);
    try { process.kill(-child.pid, 'SIGKILL'); } catch { /* all of it has ended */ }
  };
  for (let tries = 0; tries < 600 && child.exitCode === null; tries += 1) {
    const answer = await post(port, '{ __typename }', 2_000).catch(() => undefined);
    if (answer?.data?.__typename === 'Query') return { port, stop };
    await sleep(50);
  }
  await stop();
  throw new Error(`the gateway does not become ready: ${fs.readFileSync(log, 'utf8').slice(-500)}`);
}

// One operation's requests. The gateway has not seen the operation before.
async function measure(port, { query, expected }) {
  recorder.reset();
  const answer = await post(port, query, 20_000).catch((error) => ({ failed: String(error) }));
  const right = expected === undefined ? answer.data != null && !answer.errors?.length : passes(answer, expected);
  const waves = new Set(recorder.seen.map(({ wave }) => wave)).size;
  return { right, requests: recorder.seen.length, waves, query, seen: recorder.seen, answer };
}

// Every case of one supergraph through one gateway.
async function runSuite({ command, name }, suite, sdl, tests, rows) {
  const file = path.join(scratch, `${suite}.graphql`);
  fs.writeFileSync(file, recorder.rewrite(sdl));
  const gateway = await startGateway(command, file, path.join(scratch, `${name}.${suite}.log`)).catch((error) => console.error(`${name} ${suite}: ${error.message}`));
  for (const [index, test] of tests.entries()) {
    const result = gateway ? await measure(gateway.port, test) : { right: false, requests: 0, waves: 0, query: test.query, seen: [] };
    const key = test.expected === undefined ? suite : `${suite} #${index}`;
    const row = rows.get(key) ?? rows.set(key, {}).get(key);
    // Of several rounds the one counts that was not slowed down: a request that comes late looks like another wave.
    if (row[name] === undefined || (result.right && !row[name].right) || (result.right === row[name].right && result.waves < row[name].waves)) row[name] = result;
  }
  await gateway?.stop();
}

async function runGateway(gateway, rows) {
  for (const [name, files] of options.case.map(split)) {
    const [supergraph, operation] = files.split(',').map((file) => fs.readFileSync(file, 'utf8'));
    await runSuite(gateway, name, supergraph, [{ query: operation }], rows);
  }
  if (options.audit === undefined) return;
  // A server of its own for each gateway: the suites with mutations keep state.
  const audit = await startAudit(options.audit);
  try {
    const suites = (await audit.suites()).filter((suite) => options.suites === undefined || options.suites.split(',').includes(suite));
    for (const suite of suites) {
      await runSuite(gateway, suite, await audit.supergraph(suite), await audit.tests(suite), rows);
    }
  } finally {
    audit.stop();
  }
}

// Adds what other gateways did with the same cases in an earlier run.
function addEarlier(rows) {
  const earlier = JSON.parse(fs.readFileSync(options.earlier, 'utf8'));
  const measured = new Set(gateways.map(({ name }) => name));
  for (const [key, row] of rows) {
    if (earlier[key] === undefined) throw new Error(`${options.earlier} has no ${key}`);
    for (const [name, result] of Object.entries(earlier[key])) {
      if (!measured.has(name)) row[name] = result;
      if (gateways.every((gateway) => gateway.name !== name)) gateways.push({ name });
    }
  }
}

// The least of what the others need, of those that answer rightly.
const least = (row, what) => Math.min(...gateways.slice(1).map(({ name }) => row[name]).filter(({ right }) => right).map((one) => one[what]));
const shown = (one) => (one.right ? `${one.requests} / ${one.waves}` : 'wrong');

function report(rows) {
  const ours = gateways[0].name;
  const names = gateways.map(({ name }) => name);
  const all = [...rows];
  const above = all.filter(([, row]) => row[ours].requests > least(row, 'requests') || row[ours].waves > least(row, 'waves'));
  const wrong = all.filter(([, row]) => !row[ours].right);
  const fair = all.filter(([, row]) => names.every((name) => row[name].right));
  const sum = (name, what) => fair.reduce((sum, [, row]) => sum + row[name][what], 0);
  const table = [
    `| requests / waves | ${names.join(' | ')} |`, `|---|${names.map(() => '---|').join('')}`,
    ...above.map(([key, row]) => `| ${key} | ${names.map((name) => shown(row[name])).join(' | ')} |`),
    `| **all ${fair.length} that everyone answers rightly** | ${names.map((name) => `${sum(name, 'requests')} / ${sum(name, 'waves')}`).join(' | ')} |`,
    `| answered rightly, of ${all.length} | ${names.map((name) => all.filter(([, row]) => row[name].right).length).join(' | ')} |`,
  ].join('\n');
  const tsv = [
    ['case', ...names.flatMap((name) => [`${name} right`, `${name} requests`, `${name} waves`])].join('\t'),
    ...all.map(([key, row]) => [key, ...names.flatMap((name) => [row[name].right ? 1 : 0, row[name].requests, row[name].waves])].join('\t')),
  ].join('\n');
  fs.mkdirSync(options.out, { recursive: true });
  fs.writeFileSync(path.join(options.out, 'plans.tsv'), `${tsv}\n`);
  fs.writeFileSync(path.join(options.out, 'plans.md'), `${table}\n`);
  fs.writeFileSync(path.join(options.out, 'plans.json'), JSON.stringify(Object.fromEntries(rows), null, 1));
  console.log(table);
  console.log(`${all.length} operations; ${ours} answers ${wrong.length} wrongly, and needs more than the best other in ${above.length}`);
  return gateways.length > 1 && above.length + wrong.length > 0 ? 1 : wrong.length > 0 ? 1 : 0;
}

await recorder.start();
let code = 1;
try {
  const rows = new Map();
  for (let round = 0; round < Number(options.rounds); round += 1) {
    for (const gateway of gateways) await runGateway(gateway, rows);
  }
  if (options.earlier !== undefined) addEarlier(rows);
  code = report(rows);
} finally {
  recorder.stop();
  fs.rmSync(scratch, { recursive: true });
}
process.exit(code);
