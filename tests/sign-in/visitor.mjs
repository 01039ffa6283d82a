// Turns requests into those of one browser without scripts: it keeps cookies, follows redirects when told to, and fills in forms.
import assert from 'node:assert/strict';
import { request } from 'node:http';

/** One request, with exactly these headers: `fetch` has its own mind about those of Fetch Metadata. */
function send(url, { method = 'GET', headers, body }) {
  return new Promise((done, failed) => {
    const sent = request(url, { method, headers }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('error', failed);
      response.on('end', () => {
        const { rawHeaders, statusCode: status } = response;
        const pairs = rawHeaders.flatMap((name, at) => (at % 2 ? [] : [[name, rawHeaders[at + 1]]]));
        done(new Response(status === 204 ? null : Buffer.concat(parts), { status, headers: pairs }));
      });
    });
    sent.on('error', failed);
    sent.end(body);
  });
}

export class Visitor {
  /** Cookies by host and port; by name. */
  jars = new Map();

  jar(url) {
    const { host } = new URL(url);
    if (!this.jars.has(host)) this.jars.set(host, new Map());
    return this.jars.get(host);
  }

  /** One request, without following. */
  async ask(url, { headers = {}, ...options } = {}) {
    const jar = this.jar(url);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const form = options.body instanceof URLSearchParams && { 'content-type': 'application/x-www-form-urlencoded' };
    const response = await send(url, {
      ...options,
      body: options.body?.toString(),
      headers: { accept: 'text/html', ...form, ...(cookie && { cookie }), ...headers },
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split(/; */);
      const at = pair.indexOf('=');
      const gone = attributes.some((text) => /^max-age=0$/i.test(text) || /^expires=Thu, 01 Jan 1970/i.test(text));
      if (gone) jar.delete(pair.slice(0, at));
      else jar.set(pair.slice(0, at), pair.slice(at + 1));
    }
    return response;
  }

  /** Follows redirects from `url` until `until` says of one's address that it is far enough, or there is a page. */
  async follow(url, until = () => false) {
    for (let steps = 0; steps < 20; steps += 1) {
      if (until(url)) return { url };
      const response = await this.ask(url);
      if (response.status < 300 || response.status > 399) return { url, response, text: await response.text() };
      url = new URL(response.headers.get('location'), url).href;
    }
    throw new Error(`too many redirects at ${url}`);
  }

  /** Signs in at the provider from `url` as `who`; the address that the provider sends back to, not yet asked. */
  async authenticate(url, who, base) {
    const back = (address) => address.startsWith(`${base}/auth/callback`);
    const page = await this.follow(url, back);
    if (back(page.url)) return page.url;
    const action = page.text.match(/<form[^>]* action="([^"]+)"/)?.[1];
    assert.ok(action, `no form: ${page.text}`);
    const body = new URLSearchParams({ prompt: 'login', login: who, password: 'any' });
    const sent = await this.ask(new URL(action, page.url).href, { method: 'POST', body });
    assert.ok(sent.status >= 300 && sent.status < 400, `${sent.status} ${await sent.text()}`);
    return (await this.follow(new URL(sent.headers.get('location'), page.url).href, back)).url;
  }

  /** Signs in as `who`, to come back to `to`; the response of the callback. */
  async signIn(base, who, to = '/') {
    const back = await this.authenticate(`${base}/auth/sign-in?to=${encodeURIComponent(to)}`, who, base);
    return this.ask(back);
  }

  /** A GraphQL request, as a script of our own pages sends it. */
  async graphql(base, query, headers = {}) {
    const response = await this.ask(`${base}/graphql`, {
      method: 'POST',
      headers: { accept: 'application/graphql-response+json', 'content-type': 'application/json', origin: base, ...headers },
      body: JSON.stringify({ query }),
    });
    return { status: response.status, ...(await response.json()) };
  }
}
