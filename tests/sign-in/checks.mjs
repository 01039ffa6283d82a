// What must hold of signing in, over HTTP.
import assert from 'node:assert/strict';
import { createClient } from 'graphql-ws';
import WebSocket from 'ws';
import { AUDIENCE } from './provider.mjs';
import { Visitor } from './visitor.mjs';

/** A field that role `reader` and nobody in particular may not see, and role `analyst` may. */
const NORWAY = '{ country(code: "NO") { name population } }';
const population = (answer) => answer.data?.country?.population ?? null;

const sessionOf = async (visitor, base) => (await visitor.ask(`${base}/auth/session`)).json();

/** The value of the one cookie whose name ends so. */
function cookie(visitor, base, ending) {
  const names = [...visitor.jar(base)].filter(([name]) => name.endsWith(ending));
  assert.equal(names.length, 1, `${ending}: ${[...visitor.jar(base).keys()]}`);
  return names[0];
}

export const checks = [
  ['a visitor is sent to the provider with PKCE, state and nonce', async ({ base, provider }) => {
    const visitor = new Visitor();
    const sent = await visitor.ask(`${base}/auth/sign-in?to=/graphiql`);
    assert.equal(sent.status, 303);
    const location = new URL(sent.headers.get('location'));
    assert.equal(location.origin, provider.issuer);
    const parts = Object.fromEntries(location.searchParams);
    assert.equal(parts.response_type, 'code');
    assert.equal(parts.code_challenge_method, 'S256');
    assert.equal(parts.redirect_uri, `${base}/auth/callback`);
    assert.equal(parts.scope, 'openid profile');
    for (const name of ['code_challenge', 'state', 'nonce']) assert.ok(parts[name].length >= 20, `${name}: ${parts[name]}`);
    assert.match(sent.headers.get('set-cookie'), /HttpOnly; SameSite=Lax; Path=\/; Max-Age=600$/);
    const again = new URL((await visitor.ask(`${base}/auth/sign-in`)).headers.get('location')).searchParams;
    for (const name of ['code_challenge', 'state', 'nonce']) assert.notEqual(again.get(name), parts[name]);
  }],

  ['who signed in is known to pages, to GraphQL and to products', async ({ base }) => {
    const visitor = new Visitor();
    assert.equal(population(await visitor.graphql(base, NORWAY)), null);
    const back = await visitor.signIn(base, 'ada', '/?q=trusted');
    assert.equal(back.status, 303, await back.text());
    assert.equal(back.headers.get('location'), `${base}/?q=trusted`);
    const set = back.headers.getSetCookie().find((line) => line.includes('-session='));
    assert.match(set, /HttpOnly; SameSite=Lax; Path=\/; Max-Age=\d+$/);
    assert.ok(!/ada|analyst|maps/i.test(set), 'it says nothing to who reads it');
    const page = await (await visitor.ask(`${base}/`)).text();
    assert.ok(page.includes('Ada Lovelace') && page.includes('analyst') && page.includes('Sign out'), page.slice(0, 2000));
    const { expires, ...session } = await sessionOf(visitor, base);
    assert.deepEqual(session, { signedIn: true, subject: 'ada', name: 'Ada Lovelace', roles: ['analyst'], scopes: [] });
    assert.ok(expires > Date.now() / 1000 + 3000 && expires < Date.now() / 1000 + 3700);
    const answer = await visitor.graphql(base, NORWAY);
    assert.ok(Number(population(answer)) > 0, JSON.stringify(answer));
    // the product, asked without the gateway, sees them too
    const file = `${base}/products/countries/output/countries.csv?fields=name,population&limit=1`;
    assert.equal((await visitor.ask(file)).status, 200);
    assert.equal((await new Visitor().ask(file)).status, 403);
  }],

  ['a name of the provider is shown as text, never as markup', async ({ base }) => {
    const visitor = new Visitor();
    await visitor.signIn(base, 'eve');
    for (const path of ['/', '/graphiql']) {
      const page = await (await visitor.ask(`${base}${path}`)).text();
      assert.ok(!page.includes('Eve <b>') && /Eve &(lt|#60);b/.test(page), path);
    }
    assert.equal(population(await visitor.graphql(base, NORWAY)), null, 'a reader is no analyst');
  }],

  ['what was granted to somebody is granted to their session', async ({ base, until }) => {
    const [eve, alan] = [new Visitor(), new Visitor()];
    await eve.signIn(base, 'eve');
    await alan.signIn(base, 'alan');
    const grant = `mutation { grant(product: "countries", subject: "eve", fields: ["countries.population"], purpose: "a study", duration: "10m") { id } }`;
    assert.ok((await eve.graphql(base, grant)).errors, 'nobody grants themselves anything');
    assert.equal(population(await eve.graphql(base, NORWAY)), null);
    const granted = await alan.graphql(base, grant);
    assert.ok(granted.data?.grant?.id, JSON.stringify(granted));
    await until('she sees it', async () => Number(population(await eve.graphql(base, NORWAY))) > 0);
  }],

  ['streams and sockets of our own pages are the visitor\'s, those of others are not', async ({ base }) => {
    const visitor = new Visitor();
    await visitor.signIn(base, 'ada');
    const query = `${base}/graphql?query=${encodeURIComponent(NORWAY)}`;
    const stream = async (headers) => (await visitor.ask(query, { headers: { accept: 'text/event-stream', ...headers } })).text();
    const own = { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' };
    assert.match(await stream(own), /"population":"?\d+/);
    assert.match(await stream({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors', origin: 'https://evil.example' }), /CSRF_PREVENTION/);
    const [name, value] = cookie(visitor, base, '-session');
    const socket = (origin) => class extends WebSocket {
      constructor(address, protocols) {
        super(address, protocols, { headers: { cookie: `${name}=${value}`, origin } });
      }
    };
    const subscribed = async (origin) => {
      const client = createClient({ url: `${base.replace('http', 'ws')}/graphql`, webSocketImpl: socket(origin), retryAttempts: 0 });
      try {
        for await (const answer of client.iterate({ query: NORWAY })) return answer;
      } finally {
        await client.dispose();
      }
    };
    assert.ok(Number(population(await subscribed(base))) > 0);
    await assert.rejects(subscribed('https://evil.example'));
    await assert.rejects(subscribed(base.replace('127.0.0.1', 'localhost')), 'another origin, also on this machine');
  }],

  ['a page of another origin never asks as the visitor', async ({ base }) => {
    const visitor = new Visitor();
    await visitor.signIn(base, 'ada');
    const foreign = [
      { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' },
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: base.replace(/\d+$/, '1'), 'sec-fetch-site': 'same-site', 'sec-fetch-mode': 'cors' },
    ];
    for (const headers of foreign) {
      const answer = await visitor.graphql(base, NORWAY, headers);
      assert.equal(population(answer), null, JSON.stringify([headers, answer]));
      const out = await visitor.ask(`${base}/auth/sign-out`, { method: 'POST', headers });
      assert.equal(out.status, 403);
      assert.equal((await visitor.ask(`${base}/products/countries/output/countries.csv?fields=population`, { headers })).status, 403);
    }
    assert.equal((await sessionOf(visitor, base)).subject, 'ada', 'they are still signed in');
    // a link from elsewhere opens a page, as the visitor
    const opened = await visitor.ask(`${base}/`, { headers: { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' } });
    assert.ok((await opened.text()).includes('Ada Lovelace'));
  }],

  ['a bearer token goes before a session', async ({ base }) => {
    const visitor = new Visitor();
    await visitor.signIn(base, 'ada');
    assert.equal((await visitor.graphql(base, NORWAY, { authorization: 'Bearer a.b.c' })).status, 401);
  }],

  ['a code works once, and only in the browser that it was asked with', async ({ base }) => {
    const [visitor, thief] = [new Visitor(), new Visitor()];
    const back = await visitor.authenticate(`${base}/auth/sign-in`, 'ada', base);
    const stolen = await thief.ask(back);
    assert.equal(stolen.status, 400);
    assert.match(await stolen.text(), /SIGN_IN_STALE/);
    // a flow of the thief's own does not take the victim's code: it is bound to another verifier
    const own = new URL(await thief.authenticate(`${base}/auth/sign-in`, 'eve', base));
    own.searchParams.set('code', new URL(back).searchParams.get('code'));
    const injected = await thief.ask(own.href);
    assert.equal(injected.status, 403);
    assert.match(await injected.text(), /SIGN_IN_REFUSED/);
    const again = await visitor.authenticate(`${base}/auth/sign-in`, 'ada', base);
    assert.equal((await visitor.ask(again)).status, 303);
    assert.equal((await visitor.ask(again)).status, 400, 'a second time');
    const other = new URL(await visitor.authenticate(`${base}/auth/sign-in`, 'ada', base));
    other.searchParams.set('iss', 'https://evil.example');
    assert.equal((await visitor.ask(other.href)).status, 403);
  }],

  ['several sign-ins of one browser do not disturb each other', async ({ base }) => {
    const visitor = new Visitor();
    const first = await visitor.ask(`${base}/auth/sign-in?to=/graphiql`);
    await visitor.signIn(base, 'ada');
    const back = await visitor.follow(first.headers.get('location'), (url) => url.startsWith(`${base}/auth/callback`));
    assert.equal((await visitor.ask(back.url)).headers.get('location'), `${base}/graphiql`);
    for (let count = 0; count < 20; count += 1) await visitor.ask(`${base}/auth/sign-in`);
    assert.ok(visitor.jar(base).size < 9, `${visitor.jar(base).size} cookies`);
  }],

  ['nobody is sent to another origin', async ({ base }) => {
    for (const to of ['//evil.example', '/\\evil.example', 'https://evil.example/', '/.//evil.example', '/auth/sign-out']) {
      const visitor = new Visitor();
      assert.equal((await visitor.signIn(base, 'ada', to)).headers.get('location'), `${base}/`, to);
    }
  }],

  ['a session that was changed is refused, and a page takes it away', async ({ base }) => {
    const visitor = new Visitor();
    await visitor.signIn(base, 'ada');
    const [name, value] = cookie(visitor, base, '-session');
    visitor.jar(base).set(name, `${value.slice(0, -8)}AAAAAAA=`);
    const answer = await visitor.graphql(base, NORWAY);
    assert.deepEqual([answer.status, answer.errors[0].extensions.code], [401, 'UNAUTHENTICATED']);
    const script = await visitor.ask(`${base}/`, { headers: { 'sec-fetch-dest': 'empty' } });
    assert.equal(script.status, 200);
    assert.ok(!visitor.jar(base).has(name));
    assert.equal(population(await visitor.graphql(base, NORWAY)), null);
  }],

  ['who has more than a cookie can keep is told so', async ({ base }) => {
    const refused = await new Visitor().signIn(base, 'full');
    assert.equal(refused.status, 403);
    assert.match(await refused.text(), /more roles and claims than a cookie can keep/);
  }],

  ['signing out ends the session here, and goes on to the provider', async ({ base, provider }) => {
    const visitor = new Visitor();
    await visitor.signIn(base, 'ada');
    assert.equal((await visitor.ask(`${base}/auth/sign-out`)).status, 405, 'a link does not sign out');
    const out = await visitor.ask(`${base}/auth/sign-out`, { method: 'POST', headers: { origin: base } });
    assert.equal(out.status, 200);
    const there = new URL(out.headers.get('refresh').replace('0; url=', ''));
    assert.equal(there.origin, provider.issuer);
    assert.deepEqual(Object.fromEntries(there.searchParams), { client_id: 'mesh', post_logout_redirect_uri: `${base}/` });
    assert.equal((await sessionOf(visitor, base)).signedIn, false);
    assert.ok((await (await visitor.ask(`${base}/`)).text()).includes('Sign in'));
  }],

  ['a machine brings a token that it got with its own credentials', async ({ base, provider, machine }) => {
    const basic = Buffer.from(`${machine.client_id}:${encodeURIComponent(machine.client_secret)}`).toString('base64');
    const got = await fetch(`${provider.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${basic}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'read', resource: AUDIENCE }),
    });
    const token = await got.json();
    assert.ok(token.access_token, JSON.stringify(token));
    const bearer = { authorization: `Bearer ${token.access_token}` };
    const answer = await new Visitor().graphql(base, NORWAY, bearer);
    assert.ok(Number(population(answer)) > 0, JSON.stringify(answer));
    const who = await (await fetch(`${base}/auth/session`, { headers: bearer })).json();
    assert.deepEqual([who.subject, who.roles, who.scopes], ['etl', ['analyst'], ['read']]);
    // one for somebody else is none for us
    const other = await fetch(`${provider.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${basic}` },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'read', resource: 'https://other.example/api' }),
    });
    const foreign = await new Visitor().graphql(base, NORWAY, { authorization: `Bearer ${(await other.json()).access_token}` });
    assert.equal(foreign.status, 401);
  }],

  ['claims can come from userinfo, and the client can have a secret', async ({ other }) => {
    const visitor = new Visitor();
    const back = await visitor.signIn(other, 'ada');
    assert.equal(back.status, 303, await back.text());
    assert.deepEqual((await sessionOf(visitor, other)).roles, ['analyst']);
    assert.ok(Number(population(await visitor.graphql(other, NORWAY))) > 0);
  }],

  ['keys of cookies change without an end of sessions', async ({ other, reconfigure }) => {
    const [first, second] = ['first key of this test, long enough', 'second key of this test, long enough'];
    const [before, after] = [new Visitor(), new Visitor()];
    await before.signIn(other, 'ada');
    await reconfigure([second, first], {});
    await after.signIn(other, 'alan');
    assert.equal((await sessionOf(before, other)).subject, 'ada');
    await reconfigure([second], {});
    assert.equal((await before.graphql(other, NORWAY)).status, 401);
    assert.equal((await sessionOf(after, other)).subject, 'alan');
  }],

  ['a session is renewed in passing, without asking, as long as the provider knows the visitor', async ({ other, byUserinfo, reconfigure, until }) => {
    await reconfigure(['second key of this test, long enough'], { seconds: 3, renew_seconds: 1, longest_seconds: 3600 });
    const visitor = new Visitor();
    await visitor.signIn(other, 'ada');
    const value = cookie(visitor, other, '-session')[1];
    const sent = await until('a page has the provider asked', async () => {
      const page = await visitor.ask(`${other}/?q=x`);
      return page.status === 303 && page;
    });
    assert.equal(new URL(sent.headers.get('location')).searchParams.get('prompt'), 'none');
    const page = await visitor.follow(sent.headers.get('location'), (url) => url === `${other}/?q=x`);
    assert.equal(page.url, `${other}/?q=x`);
    assert.notEqual(cookie(visitor, other, '-session')[1], value);
    // who opens no page for too long is refused, and comes back by opening one
    await until('the session ends', async () => (await visitor.graphql(other, NORWAY)).status === 401);
    const renewed = await visitor.follow(`${other}/`);
    assert.ok(renewed.text.includes('Ada Lovelace'), renewed.url);
    assert.ok(Number(population(await visitor.graphql(other, NORWAY))) > 0);
    // the provider forgot them: so do we, and they see what anyone may see
    visitor.jar(byUserinfo.issuer).clear();
    await until('the session ends', async () => (await visitor.graphql(other, NORWAY)).status === 401);
    const nobody = await visitor.follow(`${other}/`);
    assert.equal(nobody.url, `${other}/`);
    assert.ok(nobody.text.includes('Sign in') && !nobody.text.includes('Ada Lovelace'));
    assert.equal((await sessionOf(visitor, other)).signedIn, false);
  }],

  ['who signed in too long ago signs in again', async ({ other, reconfigure, until }) => {
    await reconfigure(['second key of this test, long enough'], { seconds: 2, renew_seconds: 1, longest_seconds: 2 });
    const visitor = new Visitor();
    await visitor.signIn(other, 'ada');
    await until('the session ends', async () => (await visitor.graphql(other, NORWAY)).status !== 200 || (await sessionOf(visitor, other)).signedIn !== true);
    const page = await visitor.follow(`${other}/`);
    assert.ok(page.text.includes('Sign in') && !page.text.includes('Ada Lovelace'));
    const sent = await visitor.follow(`${other}/auth/sign-in`);
    assert.ok(sent.text.includes('<form'), 'the provider asks again, though it knows them');
    await reconfigure(['second key of this test, long enough'], {});
  }],

  ['behind HTTPS, browsers are told to stay there, and cookies go nowhere else', async ({ other, reconfigure }) => {
    const keys = ['second key of this test, long enough'];
    const told = async () => {
      const [page, sent] = [await new Visitor().ask(`${other}/`), await new Visitor().ask(`${other}/auth/sign-in`)];
      assert.deepEqual([page.status, sent.status], [200, 303]);
      return [page.headers.get('strict-transport-security'), sent.headers.get('set-cookie')];
    };
    const [strict, set] = await told();
    assert.equal(strict, null);
    assert.ok(!set.includes('Secure'), set);
    await reconfigure(keys, {}, 'https://mesh.example');
    const [stricter, secured] = await told();
    assert.equal(stricter, 'max-age=31536000');
    assert.match(secured, /^__Host-terrane-.*; HttpOnly; SameSite=Lax; Secure; Path=\/; Max-Age=600$/);
    await reconfigure(keys, {});
  }],

  ['a provider that is away takes nobody\'s session', async ({ other, byUserinfo }) => {
    const visitor = new Visitor();
    await visitor.signIn(other, 'ada');
    await byUserinfo.stop();
    assert.ok(Number(population(await visitor.graphql(other, NORWAY))) > 0);
    assert.ok((await (await visitor.ask(`${other}/`)).text()).includes('Ada Lovelace'));
  }],
];
