// Stands between a client and a server and makes trouble: what a network does on a bad day. Counts which messages of
// Segment's API went by, so that a test can say that a client did send again.
import { createServer, request } from 'node:http';
import { gunzipSync } from 'node:zlib';

/**
 * @typedef {'pass'|'refuse'|'drop'|'lose'} Mode
 *   pass: hands on; refuse: 503 itself; drop: cuts the connection before the server sees anything; lose: the server takes it
 *   and the answer is cut off
 */
export class Proxy {
  /** @param {{ host: string, port: number }} server asked for its address at each call, so a restart is followed */
  constructor(server) {
    this.server = server;
    /** @type {Mode} */
    this.mode = 'pass';
    /** message id -> how often it came by here */
    this.messages = new Map();
    /** [method, path, status or mode] of each call */
    this.calls = [];
    /** bodies that were gzip */
    this.inflated = 0;
    this.http = createServer((incoming, outgoing) => this.take(incoming, outgoing));
  }

  async listen() {
    await new Promise((done) => this.http.listen(0, '127.0.0.1', done));
    this.url = `http://127.0.0.1:${this.http.address().port}`;
    return this;
  }

  close() {
    this.http.closeAllConnections();
    return new Promise((done) => this.http.close(done));
  }

  /** Message ids that came by more than once. */
  get repeated() {
    return [...this.messages].filter(([, count]) => count > 1).map(([id]) => id);
  }

  // ---- inside ----

  async take(incoming, outgoing) {
    const pieces = [];
    for await (const piece of incoming) pieces.push(piece);
    const body = Buffer.concat(pieces);
    const mode = incoming.method === 'POST' ? this.mode : 'pass'; // preflights and settings are not what is tested
    this.count(body);
    if (mode === 'pass' || mode === 'lose') return this.hand(incoming, body, outgoing, mode);
    this.calls.push([incoming.method, incoming.url, mode]);
    if (mode === 'drop') incoming.socket.destroy();
    else outgoing.writeHead(503, { 'content-length': 0 }).end();
  }

  count(body) {
    const isGzip = body[0] === 0x1f && body[1] === 0x8b;
    if (isGzip) this.inflated++;
    let message;
    try {
      message = JSON.parse((isGzip ? gunzipSync(body) : body).toString());
    } catch {
      return; // no body, or none of Segment's
    }
    for (const { messageId } of message.batch ?? [message])
      if (messageId) this.messages.set(messageId, (this.messages.get(messageId) ?? 0) + 1);
  }

  hand(incoming, body, outgoing, mode) {
    const { method, url, headers } = incoming;
    const { host, port } = this.server;
    const onward = request({ host, port, method, path: url, headers: { ...headers, connection: 'close' } });
    onward.on('response', async (answer) => {
      const pieces = [];
      for await (const piece of answer) pieces.push(piece);
      this.calls.push([method, url, mode === 'lose' ? mode : answer.statusCode]);
      if (mode === 'lose') return incoming.socket.destroy();
      const { connection, ...kept } = answer.headers;
      outgoing.writeHead(answer.statusCode, kept).end(Buffer.concat(pieces));
    });
    onward.on('error', () => {
      this.calls.push([method, url, 'no server']);
      incoming.socket.destroy();
    });
    onward.end(body);
  }
}

/** @param {import('node:test').TestContext} t @returns {Promise<Proxy>} */
export async function startProxy(t, server) {
  const proxy = await new Proxy(server).listen();
  t.after(() => proxy.close());
  return proxy;
}
