// The checks: turns each client's own way of asking into what it must get of the gateway.
import assert from 'node:assert/strict';
import { ApolloClient, HttpLink, InMemoryCache, gql } from '@apollo/client/core';
import { GraphQL17Alpha9Handler } from '@apollo/client/incremental';
import { GraphQLWsLink } from '@apollo/client/link/subscriptions';
import { Client as UrqlClient, cacheExchange, fetchExchange, subscriptionExchange } from '@urql/core';
import { createClient as createSseClient } from 'graphql-sse';
import { createClient as createWsClient } from 'graphql-ws';
import WebSocket from 'ws';

const COUNTRY = 'query Country { country(code: "CH") { code name continent { name } visits reviews { text } } }';
const DEFERRED = 'query Deferred { country(code: "CH") { code name ... @defer { visits } } }';
const VISITED = 'subscription Visited { visited { code name visits continent { name } } }';
const REVIEWED = 'subscription Reviewed { reviewed { text country { code name visits } } }';

async function ask({ url, authorization }, query, variables) {
  const headers = { 'content-type': 'application/json', authorization };
  const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify({ query, variables }) });
  const { data, errors } = await response.json();
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

const visit = (mesh, code) => ask(mesh, 'mutation($code: ID!) { visit(code: $code) { visits } }', { code });
const review = (mesh, code, text) => ask(mesh, 'mutation($code: ID!, $text: String!) { review(code: $code, text: $text) { text } }', { code, text });
const visitors = (mesh, count) => mesh.until(`${count} visitors`, async () => (await ask(mesh, '{ visitors }')).visitors === count);
const reviewers = (mesh, count) => mesh.until(`${count} reviewers`, async () => mesh.reviews.listeners() === count);

// What a subscription gets, one by one; what ends it otherwise is an error.
function collect(subscribe) {
  const [waiting, takers] = [[], []];
  const give = (kind, value) => (takers.length > 0 ? takers.shift()([kind, value]) : waiting.push([kind, value]));
  const stop = subscribe({ next: (value) => give('next', value), error: (error) => give('error', error), complete: () => give('complete') });
  const take = () => (waiting.length > 0 ? Promise.resolve(waiting.shift()) : new Promise((done) => takers.push(done)));
  return {
    stop,
    take,
    async next() {
      const [kind, value] = await take();
      assert.equal(kind, 'next', value?.stack ?? (value?.code ? `closed: ${value.code} ${value.reason}` : JSON.stringify(value)));
      assert.equal(value.errors ?? value.error, undefined, JSON.stringify(value));
      return value.data;
    },
  };
}

// Events of both foreign subgraphs, in order, each with fields of the others; then the end reaches the subgraph.
async function subscriptionsWork(mesh, subscribe) {
  const before = (await ask(mesh, '{ country(code: "CH") { visits } }')).country.visits;
  const visited = collect((sink) => subscribe(VISITED, sink));
  await visitors(mesh, 1);
  for (const code of ['CH', 'FR', 'CH']) await visit(mesh, code);
  const [first, second, third] = [await visited.next(), await visited.next(), await visited.next()];
  assert.deepEqual([first, second, third].map(({ visited: { code, name } }) => [code, name]), [['CH', 'Switzerland'], ['FR', 'France'], ['CH', 'Switzerland']]);
  assert.equal(first.visited.continent.name, 'Europe');
  assert.ok(first.visited.visits > before);
  visited.stop();
  await visitors(mesh, 0);

  const reviewed = collect((sink) => subscribe(REVIEWED, sink));
  await reviewers(mesh, 1);
  await review(mesh, 'JP', 'far away');
  const { text, country } = (await reviewed.next()).reviewed;
  assert.deepEqual([text, country.code, country.name], ['far away', 'JP', 'Japan']);
  reviewed.stop();
  await reviewers(mesh, 0);
}

const apollo = (link) => new ApolloClient({ link, cache: new InMemoryCache(), incrementalHandler: new GraphQL17Alpha9Handler() });
const apolloSubscribe = (client) => (query, sink) => {
  const subscription = client.subscribe({ query: gql(query), fetchPolicy: 'no-cache' }).subscribe(sink);
  return () => subscription.unsubscribe();
};
const wsClient = (mesh, more) => createWsClient({ url: mesh.socket, webSocketImpl: WebSocket, connectionParams: { authorization: mesh.authorization }, retryAttempts: 0, ...more });
const sseClient = (mesh, more) => createSseClient({ url: mesh.url, headers: { authorization: mesh.authorization }, retryAttempts: 0, ...more });
const rawSubscribe = (client) => (query, sink) => client.subscribe({ query }, sink);
const urql = (mesh, exchanges, more) => new UrqlClient({ url: mesh.url, preferGetMethod: false, fetchOptions: { headers: { authorization: mesh.authorization } }, exchanges, ...more });
const urqlSubscribe = (client) => (query, sink) => client.subscription(query, {}).subscribe(sink.next).unsubscribe;

function countryIsWhole({ country }) {
  assert.deepEqual([country.code, country.name, country.continent.name], ['CH', 'Switzerland', 'Europe']);
  assert.ok(Number.isInteger(country.visits) && Array.isArray(country.reviews));
}

const httpLink = (mesh) => new HttpLink({ uri: mesh.url, headers: { authorization: mesh.authorization } });

export const checks = [
  ['Apollo Client: a query across products and both foreign subgraphs', async (mesh) => {
    const client = apollo(httpLink(mesh));
    countryIsWhole((await client.query({ query: gql(COUNTRY) })).data);
    client.stop();
  }],
  ['Apollo Client: @defer over multipart', async (mesh) => {
    const client = apollo(httpLink(mesh));
    const states = collect((sink) => {
      const watched = client.watchQuery({ query: gql(DEFERRED), fetchPolicy: 'no-cache' }).subscribe(sink);
      return () => watched.unsubscribe();
    });
    let data;
    while (data?.country?.visits === undefined) data = await states.next();
    assert.deepEqual([data.country.name, Number.isInteger(data.country.visits)], ['Switzerland', true]);
    states.stop();
    client.stop();
  }],
  ['Apollo Client: subscriptions over multipart', async (mesh) => {
    const client = apollo(httpLink(mesh));
    await subscriptionsWork(mesh, apolloSubscribe(client));
    client.stop();
  }],
  ['Apollo Client: subscriptions over graphql-ws', async (mesh) => {
    const socket = wsClient(mesh);
    const client = apollo(new GraphQLWsLink(socket));
    countryIsWhole((await client.query({ query: gql(COUNTRY) })).data);
    await subscriptionsWork(mesh, apolloSubscribe(client));
    client.stop();
    await socket.dispose();
  }],
  ['urql: queries and @defer over HTTP', async (mesh) => {
    const client = urql(mesh, [cacheExchange, fetchExchange]);
    const { data, error } = await client.query(COUNTRY, {}).toPromise();
    assert.equal(error, undefined);
    countryIsWhole(data);
    const deferred = collect((sink) => client.query(DEFERRED, {}).subscribe(sink.next).unsubscribe);
    let country;
    while (country?.visits === undefined) country = (await deferred.next())?.country;
    assert.equal(country.name, 'Switzerland');
    deferred.stop();
  }],
  ['urql: subscriptions by its own fetch', async (mesh) => {
    await subscriptionsWork(mesh, urqlSubscribe(urql(mesh, [fetchExchange], { fetchSubscriptions: true })));
  }],
  ['urql: subscriptions over graphql-ws and graphql-sse', async (mesh) => {
    for (const inner of [wsClient(mesh), sseClient(mesh)]) {
      const forwardSubscription = (request) => ({ subscribe: (sink) => ({ unsubscribe: inner.subscribe({ ...request, query: request.query ?? '' }, sink) }) });
      await subscriptionsWork(mesh, urqlSubscribe(urql(mesh, [subscriptionExchange({ forwardSubscription }), fetchExchange])));
      await inner.dispose();
    }
  }],
  ['graphql-ws: queries, mutations, subscriptions and errors on one socket', async (mesh) => {
    const client = wsClient(mesh);
    const one = collect((sink) => client.subscribe({ query: COUNTRY }, sink));
    countryIsWhole(await one.next());
    assert.equal((await one.take())[0], 'complete');
    const changed = collect((sink) => client.subscribe({ query: 'mutation { visit(code: "IT") { name visits } }' }, sink));
    assert.equal((await changed.next()).visit.name, 'Italy');
    const wrong = collect((sink) => client.subscribe({ query: 'subscription { nothing }' }, sink));
    const [kind, errors] = await wrong.take();
    assert.deepEqual([kind, errors[0].extensions.code], ['error', 'GRAPHQL_VALIDATION_FAILED']);
    await subscriptionsWork(mesh, rawSubscribe(client));
    await client.dispose();
  }],
  ['graphql-ws: a bad token is refused with 4403', async (mesh) => {
    const client = wsClient(mesh, { connectionParams: { authorization: 'Bearer nonsense' } });
    const [kind, event] = await collect((sink) => client.subscribe({ query: COUNTRY }, sink)).take();
    assert.deepEqual([kind, event.code], ['error', 4403]);
  }],
  ['graphql-sse: distinct connections', async (mesh) => {
    const client = sseClient(mesh);
    const one = collect((sink) => client.subscribe({ query: COUNTRY }, sink));
    countryIsWhole(await one.next());
    assert.equal((await one.take())[0], 'complete');
    await subscriptionsWork(mesh, rawSubscribe(client));
    await client.dispose();
  }],
  ['graphql-sse: a single connection', async (mesh) => {
    const client = sseClient(mesh, { singleConnection: true });
    const one = collect((sink) => client.subscribe({ query: COUNTRY }, sink));
    countryIsWhole(await one.next());
    assert.equal((await one.take())[0], 'complete');
    const wrong = collect((sink) => client.subscribe({ query: 'subscription { nothing }' }, sink));
    assert.equal((await wrong.take())[1].errors[0].extensions.code, 'GRAPHQL_VALIDATION_FAILED');
    await subscriptionsWork(mesh, rawSubscribe(client));
    await client.dispose();
  }],
  ['equal subscriptions of several clients share one stream of the subgraph', async (mesh) => {
    const clients = [wsClient(mesh), sseClient(mesh)];
    const both = clients.map((client) => collect((sink) => client.subscribe({ query: VISITED }, sink)));
    const open = async () => (await (await fetch(`${mesh.base}/metrics`)).text()).includes('terrane_subscriptions_open 2\n');
    await mesh.until('two subscriptions are open', open);
    await visitors(mesh, 1);
    await visit(mesh, 'IS');
    for (const one of both) assert.equal((await one.next()).visited.name, 'Iceland');
    both.forEach((one) => one.stop());
    await visitors(mesh, 0);
    await Promise.all(clients.map((client) => client.dispose()));
  }],
  ['a gateway that stops says goodbye', async (mesh) => {
    let closed;
    const client = wsClient(mesh, { on: { closed: (event) => { closed = event; } } });
    const socket = collect((sink) => client.subscribe({ query: VISITED }, sink));
    await visitors(mesh, 1);
    assert.equal(await mesh.endGateway(), 0);
    assert.equal((await socket.take())[0], 'error');
    assert.equal(closed.code, 1001);
  }],
];
