// Turns a real provider of OpenID Connect and a running mesh into a verdict on signing in, by HTTP and in a real browser.
//
//   node run.mjs TERRANE     the program of this project
//
// CHROMIUM     the browser, default /usr/bin/chromium
// SCREENSHOTS  a directory for pictures of the pages, default none
//
// Run it where the packages of package.json are installed. Prints a line per check; leaves with 1 when one failed.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { browserChecks } from './browser.mjs';
import { checks } from './checks.mjs';
import { AUDIENCE, startProvider } from './provider.mjs';

const terrane = resolve(process.argv[2]);
const root = resolve(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'sign-in-'));
chmodSync(folder, 0o755);
const secret = 'only for this test, and long enough';
const env = { ...process.env, TERRANE_JWT_SECRET: secret, RUST_LOG: 'info' };
delete env.DATABASE_URL;
const children = [];
/** They have something to hide, and are ready soon. */
const PRODUCTS = ['continents', 'countries'];

function freePort() {
  return new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });
}

function run(name, args) {
  const log = join(folder, `${name}.log`);
  writeFileSync(log, '');
  const child = spawn('/bin/sh', ['-c', 'exec "$0" "$@" >"$LOG" 2>&1', terrane, ...args], { cwd: root, env: { ...env, LOG: log } });
  children.push({ name, child, log, ended: new Promise((done) => child.once('exit', (code) => done(code))) });
  return children.at(-1);
}

/** Asks until an answer fits. */
async function until(what, ask) {
  for (let tries = 0; tries < 4800; tries += 1) {
    const answer = await ask().catch(() => undefined);
    if (answer) return answer;
    const dead = children.find(({ child }) => child.exitCode !== null);
    if (dead) throw new Error(`${dead.name} ended:\n${readFileSync(dead.log, 'utf8')}`);
    await sleep(50);
  }
  throw new Error(`never: ${what}`);
}

async function end({ child, ended }) {
  child.kill('SIGINT');
  return ended;
}

/** What of a provider the gateway at `base` is. */
const client = (base, more) => ({
  client_id: 'mesh',
  redirect_uris: [`${base}/auth/callback`],
  post_logout_redirect_uris: [`${base}/`],
  response_types: ['code'],
  grant_types: ['authorization_code'],
  ...more,
});

const MACHINE = {
  client_id: 'etl',
  client_secret: 'a secret of this test',
  redirect_uris: [],
  response_types: [],
  grant_types: ['client_credentials'],
};

async function start() {
  const [meshPort, gatewayPort, port, otherPort] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const [base, other] = [`http://127.0.0.1:${meshPort}`, `http://127.0.0.1:${gatewayPort}`];
  const publicClient = client(base, { token_endpoint_auth_method: 'none' });
  const confidential = client(other, { client_secret: 'of: this/test+only&%', token_endpoint_auth_method: 'client_secret_basic' });
  const provider = await startProvider({ port, clients: [publicClient, MACHINE], inIdToken: true });
  const byUserinfo = await startProvider({ port: otherPort, clients: [confidential], inIdToken: false });

  // the mesh in one process: what it can know by itself is not given
  const machines = { issuer: provider.issuer, jwks_url: `${provider.issuer}/jwks`, audience: AUDIENCE };
  const signIn = { issuer: provider.issuer, client_id: 'mesh', roles_claim: 'realm_access.roles', claims: ['department'] };
  const settings = join(folder, 'dev.yaml');
  writeFileSync(settings, JSON.stringify({ auth: { sign_in: signIn, issuers: [machines] }, poll_seconds: 1 }));
  for (const name of PRODUCTS) cpSync(join(root, 'products', name), join(folder, 'products', name), { recursive: true });
  const place = ['--state', join(folder, 'state'), '--products', join(folder, 'products'), '--config', settings];
  run('mesh', ['dev', '--port', `${meshPort}`, ...place]);
  await until('the mesh is ready', async () => (await fetch(`${base}/health/ready`)).ok);

  // a gateway of its own: short sessions, claims by userinfo, keys that change
  const subgraphs = PRODUCTS.map((name) => ({ name, url: `${base}/products/${name}/graphql`, product: true }));
  const configured = (cookie_keys, session, public_url = other) => ({
    subgraphs,
    auth: {
      jwt: { secret },
      sign_in: {
        public_url,
        issuer: byUserinfo.issuer,
        client_id: 'mesh',
        client_secret: confidential.client_secret,
        roles_claim: 'realm_access.roles',
        userinfo: true,
        cookie_keys,
        session,
        pass_on: { secret, lifetime_seconds: 60 },
      },
    },
    poll_seconds: 1,
  });
  const file = join(folder, 'gateway.yaml');
  const configure = (...settings) => writeFileSync(file, JSON.stringify(configured(...settings)));
  configure(['first key of this test, long enough'], {});
  const gateway = run('gateway', ['gateway', '--listen', `127.0.0.1:${gatewayPort}`, '--config', file]);
  await until('the gateway is ready', async () => (await fetch(`${other}/health/ready`)).ok);
  /** Lets other settings take the place of those of the gateway. */
  const reconfigure = async (...settings) => {
    const count = () => readFileSync(gateway.log, 'utf8').split('the settings were read again').length;
    const before = count();
    configure(...settings);
    await until('the settings are read again', async () => count() > before);
  };
  return { base, other, provider, byUserinfo, until, reconfigure, machine: MACHINE };
}

let [passed, failed] = [0, 0];
let mesh;
async function check(name, work) {
  try {
    await work();
    passed += 1;
    console.log(`ok   ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAIL ${name}: ${error.stack}`);
  }
}
try {
  mesh = await start();
  for (const [name, work] of checks) await check(name, () => work(mesh));
  await browserChecks(mesh, check);
} catch (error) {
  failed += 1;
  console.log(`FAIL the start: ${error.stack}`);
} finally {
  if (failed && process.env.LOGS) for (const { name, log } of children) console.log(`${name}:\n${readFileSync(log, 'utf8')}`);
  await Promise.all(children.filter(({ child }) => child.exitCode === null).map(end));
  await mesh?.provider.stop();
  await mesh?.byUserinfo.stop();
  rmSync(folder, { recursive: true, force: true });
}
assert.ok(passed + failed > 0);
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
