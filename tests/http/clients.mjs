// Turns the addresses of two gateways into whether real clients get what they ask for by hash, by id and in batches.
//
//   node clients.mjs PLAIN CONFIGURED MANIFEST
//
// PLAIN has the default settings. CONFIGURED takes batches, and of documents only those of MANIFEST.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { ApolloClient, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { BatchHttpLink } from '@apollo/client/link/batch-http';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { Client, fetchExchange } from '@urql/core';
import { persistedExchange } from '@urql/exchange-persisted';

const [plain, configured, manifestFile] = process.argv.slice(2);
const sha256 = async (text) => createHash('sha256').update(text).digest('hex');
let tests = 0;

// What was sent, and as what; answers are real.
function recorder() {
  const sent = [];
  const recording = (url, options = {}) => {
    sent.push({ method: options.method ?? 'GET', text: `${url} ${options.body ?? ''}` });
    return fetch(url, options);
  };
  return { sent, recording };
}

async function test(name, run) {
  await run();
  tests += 1;
  console.log(`ok   ${name}`);
}

const apollo = (link) => new ApolloClient({ link, cache: new InMemoryCache(), defaultOptions: { query: { fetchPolicy: 'no-cache' } } });

for (const useGETForHashedQueries of [false, true]) {
  await test(`Apollo Client registers a document once, and names it by its hash (GET: ${useGETForHashedQueries})`, async () => {
    const { sent, recording } = recorder();
    const http = new HttpLink({ uri: plain, fetch: recording });
    const client = apollo(new PersistedQueryLink({ sha256, useGETForHashedQueries }).concat(http));
    const query = gql(`query Apollo${useGETForHashedQueries ? 'Get' : 'Post'}($code: ID!) { continent(code: $code) { name } }`);
    for (const code of ['EU', 'AS']) {
      const { data } = await client.query({ query, variables: { code } });
      assert.equal(data.continent.name, { EU: 'Europe', AS: 'Asia' }[code]);
    }
    // the hash, the hash with the text, and then the hash only
    assert.deepEqual(sent.map(({ text }) => text.includes('continent(')), [false, true, false]);
    assert.equal(sent[2].method, useGETForHashedQueries ? 'GET' : 'POST');
  });
}

await test('urql registers a document once', async () => {
  const { sent, recording } = recorder();
  const exchanges = [persistedExchange({ preferGetForPersistedQueries: true }), fetchExchange];
  const client = new Client({ url: plain, fetch: recording, exchanges, requestPolicy: 'network-only' });
  const query = 'query Urql($code: ID!) { continent(code: $code) { name } }';
  for (const code of ['EU', 'AS']) {
    const { data, error } = await client.query(query, { code }).toPromise();
    assert.equal(error, undefined);
    assert.equal(data.continent.name, { EU: 'Europe', AS: 'Asia' }[code]);
  }
  // urql takes an answer in a stream, and sends the text once for each event in which it hears that the hash is not known
  const texts = sent.map(({ text }) => /continent(\(|%28)/.test(text));
  assert.deepEqual([texts.at(0), texts.at(-1)], [false, false]);
  assert.ok(texts.length > 2 && texts.slice(1, -1).every((text) => text), `${texts}`);
});

const manifest = JSON.parse(readFileSync(manifestFile, 'utf8'));
const [known] = manifest.operations;

await test('Apollo Client names trusted documents in one batch', async () => {
  const { sent, recording } = recorder();
  const generateHash = async (document) => {
    const name = document.definitions[0].name.value;
    return manifest.operations.find((operation) => operation.name === name)?.id ?? 'none';
  };
  const http = new BatchHttpLink({ uri: configured, fetch: recording, batchMax: 5, batchInterval: 20 });
  const client = apollo(new PersistedQueryLink({ generateHash }).concat(http));
  const query = gql(known.body);
  const answers = await Promise.all(['DE', 'FR'].map((code) => client.query({ query, variables: { code } })));
  assert.deepEqual(answers.map(({ data }) => data.country.name), ['Germany', 'France']);
  assert.equal(sent.length, 1);
  assert.ok(!sent[0].text.includes('country('));
});

await test('a document that is not trusted is refused', async () => {
  const client = apollo(new HttpLink({ uri: configured }));
  const asked = client.query({ query: gql('query Other { countries(first: 1) { nodes { name } } }') });
  await assert.rejects(asked, (error) => error.errors?.[0]?.extensions?.code === 'DOCUMENT_NOT_TRUSTED');
});

await test('documentId names a document, as the specification has it', async () => {
  const body = JSON.stringify({ documentId: known.id, variables: { code: 'DE' } });
  const headers = { 'content-type': 'application/json', accept: 'application/graphql-response+json' };
  const response = await fetch(configured, { method: 'POST', headers, body });
  assert.deepEqual([response.status, await response.json()], [200, { data: { country: { name: 'Germany' } } }]);
});

console.log(`${tests} tests of real clients passed`);
