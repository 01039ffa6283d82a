// Turns a running mesh, two foreign subgraphs and the clients that people use into a verdict on the gateway's protocols.
//
//   node run.mjs TERRANE VISITS     two programs: of this project, and of its example subgraph
//
// Run it where the packages of package.json are installed. A gateway composes the products of `terrane dev`, a subgraph of
// async-graphql (VISITS) and one of Apollo Server (reviews.mjs). Prints a line per check; leaves with 1 when one failed.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { checks } from './checks.mjs';
import { startReviews } from './reviews.mjs';

const [terrane, visits] = process.argv.slice(2).map((program) => resolve(program));
const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'clients-'));
chmodSync(folder, 0o755);
const secret = 'only for this test, and long enough';
const env = { ...process.env, TERRANE_JWT_SECRET: secret };
const children = [];

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

function run(name, program, args) {
  const log = join(folder, `${name}.log`);
  writeFileSync(log, '');
  const child = spawn('/bin/sh', ['-c', 'exec "$0" "$@" >"$LOG" 2>&1', program, ...args], { cwd: root, env: { ...env, LOG: log } });
  children.push({ name, child, log, ended: new Promise((done) => child.once('exit', (code) => done(code))) });
  return children.at(-1);
}

// Until an answer fits: the processes say by it that they are where the test needs them.
async function until(what, ask) {
  for (let tries = 0; tries < 1200; tries += 1) {
    const answer = await ask().catch(() => undefined);
    if (answer) return answer;
    const dead = children.find(({ child }) => child.exitCode !== null);
    if (dead) throw new Error(`${dead.name} ended:\n${readFileSync(dead.log, 'utf8')}`);
    await sleep(50);
  }
  throw new Error(`never: ${what}`);
}

const ready = (base) => until(`${base} is ready`, async () => (await fetch(`${base}/health/ready`)).ok);

async function end(process) {
  process.child.kill('SIGINT');
  return process.ended;
}

async function start() {
  const [mesh, foreign, port] = [await freePort(), await freePort(), await freePort()];
  run('mesh', terrane, ['dev', '--port', `${mesh}`, '--state', join(folder, 'state')]);
  run('visits', visits, ['--listen', `127.0.0.1:${foreign}`]);
  const reviews = await startReviews();
  const sdl = await until('the visits answer', async () => (await fetch(`http://127.0.0.1:${foreign}/sdl`)).text());
  await ready(`http://127.0.0.1:${mesh}`);
  const product = (name) => ({ name, url: `http://127.0.0.1:${mesh}/products/${name}/graphql`, product: true });
  const config = {
    auth: { jwt: { secret: '${TERRANE_JWT_SECRET}' } },
    subgraphs: [
      product('continents'),
      product('countries'),
      { name: 'visits', url: `http://127.0.0.1:${foreign}/graphql`, sdl, subscriptions: { protocol: 'websocket', url: '/ws' } },
      { name: 'reviews', url: reviews.url, sdl: reviews.sdl, subscriptions: { protocol: 'websocket', url: reviews.events } },
    ],
  };
  const file = join(folder, 'gateway.yaml');
  writeFileSync(file, JSON.stringify(config));
  const gateway = run('gateway', terrane, ['gateway', '--listen', `127.0.0.1:${port}`, '--config', file]);
  const base = `http://127.0.0.1:${port}`;
  await ready(base);
  const token = execFileSync(terrane, ['token', '--role', 'analyst'], { env, encoding: 'utf8' }).trim();
  return { gateway, reviews, base, url: `${base}/graphql`, socket: `ws://127.0.0.1:${port}/graphql`, authorization: `Bearer ${token}` };
}

let [passed, failed] = [0, 0];
let mesh;
try {
  mesh = await start();
  mesh.until = until;
  mesh.endGateway = () => end(mesh.gateway);
  for (const [name, check] of checks) {
    try {
      await check(mesh);
      passed += 1;
      console.log(`ok   ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL ${name}: ${error.stack}`);
    }
  }
} catch (error) {
  failed += 1;
  console.log(`FAIL the start: ${error.stack}`);
} finally {
  await mesh?.reviews.stop();
  await Promise.all(children.filter(({ child }) => child.exitCode === null).map(end));
  rmSync(folder, { recursive: true, force: true });
}
assert.ok(passed + failed > 0);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
