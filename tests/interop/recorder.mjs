// A proxy between a gateway and its subgraphs: turns the requests that one operation causes into numbered waves.
//
// Every reply is held back until no further request has come for a while and all the replies held are there; then all of
// them go at once. So requests that do not wait for each other are in one wave, and the number of waves is the length of
// the longest chain of requests of which each waits for the one before.

import http from 'node:http';

const HEADERS_OF_A_HOP = ['host', 'connection', 'content-length', 'transfer-encoding', 'accept-encoding', 'expect'];
const agent = new http.Agent({ keepAlive: true });

function forward(target, headers, body) {
  const sent = Object.fromEntries(Object.entries(headers).filter(([name]) => !HEADERS_OF_A_HOP.includes(name)));
  return new Promise((done, fail) => {
    const request = http.request(target, { method: 'POST', agent, headers: { ...sent, 'content-length': Buffer.byteLength(body) } }, async (reply) => {
      const chunks = [];
      for await (const chunk of reply) chunks.push(chunk);
      done({ status: reply.statusCode, type: reply.headers['content-type'] ?? 'application/json', body: Buffer.concat(chunks) });
    });
    request.on('error', fail);
    request.end(body);
  });
}

export class Recorder {
  constructor(quietMs) {
    this.quietMs = quietMs;
    this.targets = [];
    this.reset();
  }

  async start() {
    this.server = http.createServer((request, response) => this.serve(request, response));
    await new Promise((done) => this.server.listen(0, '127.0.0.1', done));
    this.address = `http://127.0.0.1:${this.server.address().port}`;
  }

  stop() {
    this.server.closeAllConnections();
    this.server.close();
    agent.destroy();
  }

  // The supergraph with the addresses of its subgraphs replaced by this proxy's.
  rewrite(supergraph) {
    this.targets = [];
    return supergraph.replace(/(@join__graph\(name:\s*"([^"]*)",\s*url:\s*)"([^"]*)"/g, (_, before, name, url) => {
      this.targets.push({ name, url });
      return `${before}"${this.address}/${this.targets.length - 1}"`;
    });
  }

  // Forget what was seen; the next request is in wave 1.
  reset() {
    this.seen = [];
    this.held = [];
    this.wave = 1;
  }

  async serve(request, response) {
    let body = '';
    for await (const chunk of request) body += chunk;
    const target = this.targets[Number(request.url.slice(1))];
    this.seen.push({ wave: this.wave, subgraph: target.name, body });
    const held = { response, reply: undefined };
    this.held.push(held);
    this.waitForQuiet();
    held.reply = await forward(target.url, request.headers, body).catch((error) => ({ status: 502, type: 'text/plain', body: String(error) }));
    this.release();
  }

  waitForQuiet() {
    this.quiet = false;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.quiet = true;
      this.release();
    }, this.quietMs);
  }

  release() {
    if (!this.quiet || this.held.length === 0 || this.held.some(({ reply }) => reply === undefined)) return;
    const held = this.held;
    this.held = [];
    this.wave += 1;
    for (const { response, reply } of held) {
      response.writeHead(reply.status, { 'content-type': reply.type });
      response.end(reply.body);
    }
  }
}
