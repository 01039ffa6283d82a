// Compares our gateway with Apollo Gateway on one supergraph of ours: turns operations into a list of differences.
//
//   node serve.mjs --terrane PROGRAM SCHEMA.graphql...
//
// Run it in a folder where the packages of `package.json` are installed. Each SCHEMA.graphql is the SDL of a subgraph; it
// is served here with made-up values that follow from type, key and field only, so both gateways must get the same. Our
// composition of the subgraphs is served by both. Exit code 1 when an answer differs, or is not of the kind it must be.

import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { loadGateway } from './apollo.mjs';
import { freePort, sleep } from './audit.mjs';

const require = createRequire(path.join(process.cwd(), 'package.json'));
const { buildSubgraphSchema } = require('@apollo/subgraph');
const graphql = require('graphql');

const args = process.argv.slice(2);
const program = args[args.indexOf('--terrane') + 1];
const files = args.filter((arg, index) => !arg.startsWith('--') && args[index - 1] !== '--terrane');

// Each must have data and no error: two gateways that fail alike would show nothing.
const ANSWERED = [
  '{ continents { nodes { code name latitude } pageInfo { hasNextPage } totalCount } }',
  '{ continent(code: "EU") { name countries { nodes { code name capital } } } }',
  '{ countries { nodes { name alpha3 continent { code name wikipediaUrl } } } }',
  'query Q($all: Boolean!) { country(code: "CH") { name ...More @include(if: $all) } } fragment More on Country { continent { latitude longitude } numericCode }',
  '{ continentFacts(code: "EU") { code countryCount areaKm2 } a: continent(code: "AS") { __typename code name } }',
  '{ allContinentFacts { edges { cursor node { countryCount languageCount } } } continents { edges { node { name } } } }',
  '{ country(code: "CH") { continent { countries { nodes { continent { name } } } } } }',
  '{ __schema { queryType { name } } __type(name: "Country") { kind name } }',
];

// Each must be refused.
const REFUSED = ['{ nothing }', '{ continent { name } }'];

// A value for a leaf type that follows from the place it stands at.
function leaf(type, place) {
  const sum = [...place].reduce((sum, char) => (sum * 31 + char.codePointAt(0)) % 9973, 7);
  if (graphql.isEnumType(type)) return type.getValues()[sum % type.getValues().length].value;
  return { Int: sum, Float: sum / 4, Boolean: sum % 2 === 0, BigInt: String(sum) }[type.name] ?? `${place} ${sum}`;
}

function value(type, place) {
  if (graphql.isNonNullType(type)) return value(type.ofType, place);
  if (graphql.isListType(type)) return [0, 1].map((index) => value(type.ofType, `${place}${index}`));
  if (graphql.isLeafType(type)) return leaf(type, place);
  return { key: place };
}

function serve(sdl) {
  const schema = buildSubgraphSchema({ typeDefs: graphql.parse(sdl) });
  for (const type of Object.values(schema.getTypeMap())) {
    if (!graphql.isObjectType(type) || type.name.startsWith('__')) continue;
    // An entity is known by its key, wherever it comes from.
    type.resolveReference = type.extensions.apollo = undefined;
    type.extensions = { apollo: { subgraph: { resolveReference: (reference) => ({ ...reference, key: reference.code }) } } };
    for (const field of Object.values(type.getFields())) {
      if (field.name.startsWith('_')) continue;
      field.resolve = (object, given) => {
        if (object?.[field.name] !== undefined) return object[field.name];
        const key = given.code ?? object?.key ?? '';
        if (field.name === 'code') return key;
        const made = value(field.type, `${type.name}.${field.name}.${key}`);
        return given.code && made ? { key: given.code } : made;
      };
    }
  }
  const server = http.createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { query, variables, operationName } = JSON.parse(body);
    const result = await graphql.graphql({ schema, source: query, variableValues: variables, operationName });
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(result));
  });
  return new Promise((done) => server.listen(0, '127.0.0.1', () => done(server)));
}

async function ours(address, query, variables) {
  const body = JSON.stringify({ query, variables });
  const response = await fetch(`${address}/graphql`, { method: 'POST', body, headers: { 'content-type': 'application/json' } });
  return response.json();
}

async function ready(address) {
  for (let tries = 0; tries < 200; tries += 1) {
    const answer = await fetch(`${address}/health/ready`).catch(() => undefined);
    if (answer?.ok) return;
    await sleep(100);
  }
  throw new Error('our gateway does not become ready');
}

// What is wrong with the two answers to one operation.
async function differences(gateway, address, query, refused) {
  const variables = { all: true };
  const answers = [['theirs', await gateway.ask(query, variables)], ['ours', await ours(address, query, variables)]];
  const wrong = [];
  for (const [name, { data, errors }] of answers) {
    const failed = (errors ?? []).length > 0;
    if (refused ? data != null || !failed : data == null || failed) wrong.push(`${query}\n  ${name} ${JSON.stringify({ data, errors })}`);
  }
  const [theirs, mine] = answers.map(([, { data }]) => data ?? null);
  if (!isDeepStrictEqual(theirs, mine)) wrong.push(`${query}\n  theirs ${JSON.stringify(theirs)}\n  ours   ${JSON.stringify(mine)}`);
  return wrong;
}

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'interop-'));
const servers = [];
let child;
let code = 1;
try {
  const subgraphs = [];
  for (const file of files) {
    const sdl = fs.readFileSync(file, 'utf8');
    const server = await serve(sdl);
    servers.push(server);
    subgraphs.push({ name: path.basename(file, '.graphql'), url: `http://127.0.0.1:${server.address().port}/`, sdl });
  }
  const [list, supergraph] = ['subgraphs.json', 'supergraph.graphql'].map((name) => path.join(folder, name));
  fs.writeFileSync(list, JSON.stringify(subgraphs));
  execFileSync(program, ['compose', '--subgraphs', list, '-o', supergraph], { stdio: ['ignore', 'ignore', 'inherit'] });

  const port = await freePort();
  const address = `http://127.0.0.1:${port}`;
  child = spawn(program, ['gateway', '--listen', `127.0.0.1:${port}`, '--supergraph', supergraph], { stdio: ['ignore', 'ignore', 'inherit'], env: { ...process.env, TERRANE_LOG: 'error' } });
  const gateway = await loadGateway(fs.readFileSync(supergraph, 'utf8'));
  await ready(address);

  const wrong = [];
  for (const [operations, refused] of [[ANSWERED, false], [REFUSED, true]]) {
    for (const query of operations) wrong.push(...(await differences(gateway, address, query, refused)));
  }
  wrong.forEach((line) => console.log(line));
  console.log(`${ANSWERED.length} operations to answer and ${REFUSED.length} to refuse: ${wrong.length} differences`);
  code = wrong.length === 0 ? 0 : 1;
  await gateway.stop();
} finally {
  child?.kill();
  servers.forEach((server) => server.close());
  fs.rmSync(folder, { recursive: true });
}
process.exit(code);
