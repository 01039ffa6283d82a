// Compares our composition of the public audit's subgraphs with Apollo's by what Apollo Gateway answers with each: turns
// the audit's tests into a list of differences.
//
//   node suites.mjs --terrane PROGRAM --audit CHECKOUT
//
// Run it in a folder where the packages of `package.json` are installed. Every test is sent to Apollo Gateway twice, once
// with the supergraph that the audit has from `@apollo/composition`, once with ours. Exit code 1 when Apollo Gateway
// refuses a supergraph of ours, or an answer differs, or none was as the audit expects.

import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual, parseArgs } from 'node:util';
import { loadGateway } from './apollo.mjs';
import { passes, startAudit } from './audit.mjs';

const { values: options } = parseArgs({ options: { terrane: { type: 'string' }, audit: { type: 'string' } } });
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'suites-'));

function compose(subgraphs) {
  const [list, supergraph] = ['subgraphs.json', 'supergraph.graphql'].map((name) => path.join(folder, name));
  fs.writeFileSync(list, JSON.stringify(subgraphs));
  execFileSync(options.terrane, ['compose', '--subgraphs', list, '-o', supergraph], { stdio: ['ignore', 'ignore', 'pipe'] });
  return fs.readFileSync(supergraph, 'utf8');
}

const failed = (answer) => Boolean(answer.errors?.length);

// One suite. Each composition has subgraphs of its own, as some of them keep what mutations did.
async function compare(suite, [forTheirs, forOurs], count) {
  const tests = await forTheirs.tests(suite);
  const theirs = await loadGateway(await forTheirs.supergraph(suite));
  let ours;
  try {
    ours = await loadGateway(compose(await forOurs.subgraphs(suite)));
  } catch (error) {
    await theirs.stop();
    count.differ += tests.length;
    console.log(`${suite}: our supergraph is not served: ${error.stderr ?? error.message}`);
    return;
  }
  for (const [index, { query, expected }] of tests.entries()) {
    const [left, right] = [await theirs.ask(query), await ours.ask(query)];
    if (!isDeepStrictEqual(left.data ?? null, right.data ?? null) || failed(left) !== failed(right)) {
      count.differ += 1;
      console.log(`${suite} #${index}\n${query}\n  with theirs ${JSON.stringify(left)}\n  with ours   ${JSON.stringify(right)}`);
      continue;
    }
    count.alike += 1;
    if (passes(right, expected)) count.expected += 1;
    if (right.data != null && !failed(right)) count.whole += 1;
  }
  await Promise.all([theirs.stop(), ours.stop()]);
}

const servers = [];
const count = { alike: 0, differ: 0, expected: 0, whole: 0 };
try {
  for (let copies = 0; copies < 2; copies += 1) servers.push(await startAudit(options.audit, { punish: false }));
  for (const suite of await servers[0].suites()) await compare(suite, servers, count);
} finally {
  servers.forEach((server) => server.stop());
  fs.rmSync(folder, { recursive: true });
}
console.log(
  `Apollo Gateway answers ${count.alike} tests alike with both supergraphs (${count.expected} as the audit expects, ` +
  `${count.whole} with data and no error), ${count.differ} not`,
);
process.exit(count.differ === 0 && count.expected > 0 && count.whole > 0 ? 0 : 1);
