// Calls to a server, with every byte of the answer kept: numbers have to be compared by their digits (json.mjs).
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { randomUUID } from 'node:crypto';

import { rawElements } from './json.mjs';

const TIMEOUT_MS = 30_000;

/**
 * @typedef {object} Answer
 * @property {number} status
 * @property {import('node:http').IncomingHttpHeaders} headers
 * @property {Buffer} bytes
 * @property {string} text
 * @property {() => any} json
 *
 * @typedef {object} CallOptions
 * @property {Record<string, string>} [headers]
 * @property {string|null} [key] instead of the account's api_key; null sends none
 * @property {string} [license] instead of the account's
 */

export class Client {
  /**
   * @param {{ url: string }} server asked for its url at each call, so a client outlives a restart
   * @param {{ license: string, api_key: string, write_key: string }} account
   */
  constructor(server, account) {
    this.server = server;
    Object.assign(this, account);
    this.agent = new Agent({ keepAlive: true, maxSockets: 64 });
  }

  close() {
    this.agent.destroy();
  }

  // ---- the WebEngage dialect; a body that is a string or Buffer is sent as it is ----

  user(fields, options) {
    return this.ingest('users', fields, options);
  }

  event(fields, options) {
    return this.ingest('events', fields, options);
  }

  bulkUsers(users, options) {
    return this.ingest('bulk-users', Array.isArray(users) ? { users } : users, options);
  }

  bulkEvents(events, options) {
    return this.ingest('bulk-events', Array.isArray(events) ? { events } : events, options);
  }

  ingest(route, body, options = {}) {
    return this.call('POST', this.accountPath(route, options), body, options);
  }

  /**
   * A GDPR request.
   * @param {'erasure'|'restriction'|'re-enable'|'portability'} type
   * @param {string} id the User ID, or the anonymous id with `{ identity_type: 'anonymous' }`
   * @param {CallOptions & { identity_type?: string, subject_request_id?: string }} [extras] every other member goes into
   *   the body; a request id is made when none is given
   */
  gdpr(type, id, extras = {}) {
    const { headers, key, license, identity_type = 'cuid', subject_request_id = randomUUID(), ...members } = extras;
    const identities = [{ identity_type, identity_value: id }];
    const body = { subject_request_id, subject_request_type: type, subject_identities: identities, ...members };
    return this.call('POST', this.accountPath('opengdpr_requests', extras), body, withoutUndefined({ headers, key }));
  }

  status(requestId, options = {}) {
    return this.call('GET', this.requestPath(requestId, options), undefined, options);
  }

  cancel(requestId, options = {}) {
    return this.call('DELETE', this.requestPath(requestId, options), undefined, options);
  }

  // ---- the native reads ----

  /** One person as held now. @param {string} id @param {CallOptions & { anonymous?: boolean }} [options] */
  read(id, options = {}) {
    return this.call('GET', personPath(id, options), undefined, options);
  }

  /**
   * All events of a person, page by page: `raw` holds the text of each. The first answer that is not 200 ends it.
   * @param {string} id @param {CallOptions & { anonymous?: boolean, limit?: number }} [options]
   * @returns {Promise<{ status: number, events: any[], raw: string[], pages: number, last: Answer }>}
   */
  async events(id, options = {}) {
    const raw = [];
    let cursor = null;
    for (let pages = 1; ; pages++) {
      const query = new URLSearchParams({ limit: String(options.limit ?? 1000), ...(cursor && { cursor }) });
      const last = await this.call('GET', `${personPath(id, options)}/events?${query}`, undefined, options);
      if (last.status === 200) {
        raw.push(...rawElements(last.text, 'events'));
        cursor = last.json().cursor;
      }
      if (last.status !== 200 || cursor === null)
        return { status: last.status, events: raw.map((text) => JSON.parse(text)), raw, pages, last };
    }
  }

  // ---- links ----

  /** Joins `{ anonymousId }` or `{ userId }` to a user. */
  link(userId, other, options) {
    return this.call('POST', linksPath(userId), other, options);
  }

  unlink(userId, other, options) {
    return this.call('DELETE', linksPath(userId), other, options);
  }

  links(userId, options) {
    return this.call('GET', linksPath(userId), undefined, options);
  }

  // ---- any call ----

  /**
   * @param {string} method @param {string} path @param {any} [body] object, string or Buffer
   * @param {CallOptions} [options] @returns {Promise<Answer>}
   */
  call(method, path, body, { headers = {}, key = this.api_key } = {}) {
    const bytes = body === undefined ? undefined : isRaw(body) ? Buffer.from(body) : Buffer.from(JSON.stringify(body));
    const all = {
      ...(key !== null && { authorization: `Bearer ${key}` }),
      ...(bytes && { 'content-type': 'application/json', 'content-length': String(bytes.length) }),
      ...headers,
    };
    return new Promise((done, failed) => {
      const outgoing = request(new URL(this.server.url).origin, {
        path, // as it is: "..", "%2e" and odd ids must reach the server
        method,
        headers: all,
        agent: this.agent,
        timeout: TIMEOUT_MS,
      });
      outgoing.on('response', (incoming) => collect(incoming).then(done, failed));
      outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer to ${method} within ${TIMEOUT_MS} ms`)));
      outgoing.on('error', failed);
      outgoing.end(bytes);
    });
  }

  /**
   * Bytes on a bare connection, for what no HTTP library would send. Several pieces go with a pause between.
   * @param {string|Buffer|(string|Buffer)[]} pieces
   * @param {{ pauseMs?: number, waitMs?: number, end?: boolean }} [options] `waitMs`: how long to wait for the other side to
   *   close or to be silent; `end`: half-close after sending
   * @returns {Promise<{ text: string, bytes: Buffer, status: number|null, closed: boolean }>} status of the first answer
   */
  raw(pieces, { pauseMs = 20, waitMs = 2_000, end = false } = {}) {
    const { hostname, port } = new URL(this.server.url);
    return new Promise((done) => {
      const received = [];
      let timer;
      const socket = connect(Number(port), hostname.replace(/^\[|\]$/g, ''));
      const finish = (closed) => {
        clearTimeout(timer);
        socket.destroy();
        const bytes = Buffer.concat(received);
        const text = bytes.toString('latin1');
        done({ text, bytes, status: Number(/^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1] ?? NaN) || null, closed });
      };
      const wait = () => {
        clearTimeout(timer);
        timer = setTimeout(() => finish(false), waitMs);
      };
      socket.on('data', (bytes) => {
        received.push(bytes);
        wait();
      });
      socket.on('close', () => finish(true)).on('error', () => {}); // a reset is a way of refusing
      wait();
      sendSlowly(socket, [pieces].flat(), pauseMs, wait).then(() => end && socket.end());
    });
  }

  accountPath(route, { license = this.license } = {}) {
    return `/v1/accounts/${encodeURIComponent(license)}/${route}`;
  }

  requestPath(requestId, options) {
    return `${this.accountPath('opengdpr_requests', options)}/${encodeURIComponent(requestId)}`;
  }
}

function personPath(id, { anonymous = false }) {
  return `/api/${anonymous ? 'anonymous' : 'users'}/${encodeSegment(id)}`;
}

function linksPath(userId) {
  return `/api/users/${encodeSegment(userId)}/links`;
}

/** An id as one segment of a path; "." and ".." would be taken for directories. */
export function encodeSegment(id) {
  return encodeURIComponent(id).replaceAll('.', '%2E');
}

function isRaw(body) {
  return typeof body === 'string' || Buffer.isBuffer(body);
}

function withoutUndefined(members) {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}

async function sendSlowly(socket, pieces, pauseMs, sent) {
  for (const [i, piece] of pieces.entries()) {
    if (i > 0) await new Promise((done) => setTimeout(done, pauseMs));
    if (socket.destroyed) return;
    socket.write(piece);
    sent();
  }
}

/** @returns {Promise<Answer>} */
async function collect(incoming) {
  const pieces = [];
  for await (const piece of incoming) pieces.push(piece);
  const bytes = Buffer.concat(pieces);
  const text = bytes.toString('utf8');
  return { status: incoming.statusCode, headers: incoming.headers, bytes, text, json: () => JSON.parse(text) };
}
