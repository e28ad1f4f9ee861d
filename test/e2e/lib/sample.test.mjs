// The sample loader against a small server that knows just what the loader uses, and that can be made to fail.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import test from 'node:test';

import { load, LoadError } from '../../../sample/load.mjs';
import { makeShop } from '../../../sample/shop.mjs';

const NOW = Date.parse('2026-03-10T15:20:33Z');
const SIZE = { people: 120, events: 3000, today: '2026-03-09', now: NOW };

/** Remembers people and events; no de-duplication beyond what it is told, so that every repeat would show. */
class Store {
  constructor() {
    this.people = new Map();
    this.requests = new Map();
    this.calls = 0;
    this.fail = () => undefined;
    this.http = createServer((incoming, outgoing) => this.take(incoming, outgoing));
  }

  async listen(t) {
    await new Promise((done) => this.http.listen(0, '127.0.0.1', done));
    t.after(() => this.http.close());
    t.after(() => this.http.closeAllConnections());
    return { url: `http://127.0.0.1:${this.http.address().port}`, license: 'L', key: 'K', wait: async () => {} };
  }

  async take(incoming, outgoing) {
    let body = '';
    for await (const piece of incoming) body += piece;
    const call = {
      number: ++this.calls,
      method: incoming.method,
      url: incoming.url,
      id: incoming.headers['x-request-id'],
    };
    const failure = this.fail(call);
    if (failure?.status)
      return outgoing.writeHead(failure.status, failure.headers).end('{"response":{"message":"no"}}');
    if (failure?.before) return outgoing.destroy();
    const [status, answer] = incoming.headers.authorization === 'Bearer K' ? this.answer(call, body) : [401, {}];
    if (failure?.after) return outgoing.destroy();
    outgoing.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
  }

  answer({ method, url, id }, body) {
    if (method === 'GET') return this.read(new URL(url, 'http://x'));
    const [, license, route] = /^\/v1\/accounts\/([^/]+)\/([a-z-]+)$/.exec(url);
    if (license !== 'L') return [404, {}];
    if (id && this.requests.has(id)) return this.requests.get(id);
    const { users, events, ...one } = JSON.parse(body);
    assert.ok((users ?? events ?? []).length <= 250);
    for (const user of users ?? (route === 'users' ? [one] : []))
      Object.assign(this.person(user).attributes, user.attributes);
    for (const event of events ?? []) this.person(event).events.push(event);
    const answer = [201, { response: { status: 'queued' } }];
    if (id) this.requests.set(id, answer);
    return answer;
  }

  person({ userId, anonymousId }) {
    const key = userId ? `/api/users/${userId}` : `/api/anonymous/${anonymousId}`;
    if (!this.people.has(key)) this.people.set(key, { attributes: {}, events: [] });
    return this.people.get(key);
  }

  read({ pathname, searchParams }) {
    const person = this.people.get(pathname.replace(/\/events$/, ''));
    if (!person) return [404, { error: { code: 'not_found' } }];
    if (!pathname.endsWith('/events')) return [200, { attributes: person.attributes }];
    const at = Number(searchParams.get('cursor') ?? 0);
    const page = [...person.events].reverse().slice(at, at + 50);
    const out = page.map(({ eventName, eventTime, eventData }) => ({
      eventName,
      eventTime: new Date(eventTime.replace('+0000', 'Z')).toISOString(),
      eventData: Object.fromEntries(Object.entries(eventData).reverse()),
    }));
    return [200, { events: out, cursor: at + 50 < person.events.length ? String(at + 50) : null }];
  }

  /** Every message id once, and as many as there must be. */
  assertWhole() {
    const ids = [...this.people.values()].flatMap((person) => person.events.map((event) => event.messageId));
    assert.equal(ids.length, SIZE.events);
    assert.equal(new Set(ids).size, SIZE.events);
    assert.equal(this.people.size, SIZE.people);
  }
}

test('what was loaded once is not loaded again', async (t) => {
  const store = new Store();
  const server = await store.listen(t);
  const first = await load({ ...server, ...SIZE });
  assert.equal(first.sent, SIZE.people - 1 + SIZE.events);
  store.assertWhole();
  store.requests.clear(); // four hours later
  const calls = store.calls;
  const again = await load({ ...server, ...SIZE, today: undefined, now: NOW + 40 * 86_400_000 });
  assert.equal(again.wasThere, true);
  assert.equal(again.untilMs, first.untilMs);
  assert.equal(store.calls, calls + 1);
  store.assertWhole();
});

test('interrupted anywhere and started again later, each event is there once', async (t) => {
  for (const when of ['before', 'after'])
    for (let stopAt = 2; stopAt <= 18; stopAt += 2) {
      const store = new Store();
      const server = await store.listen(t);
      store.fail = ({ number }) => (number >= stopAt ? { [number === stopAt ? when : 'before']: true } : undefined);
      await assert.rejects(load({ ...server, ...SIZE }), LoadError);
      store.fail = () => undefined;
      store.requests.clear();
      await load({ ...server, ...SIZE, now: NOW + 86_400_000 * 9, today: undefined });
      store.assertWhole();
    }
});

test('a lost answer, a busy server and a limit change nothing', async (t) => {
  const store = new Store();
  const waited = [];
  const server = { ...(await store.listen(t)), wait: async (ms) => waited.push(ms) };
  const kinds = [
    { after: true },
    { before: true },
    { status: 503, headers: { 'retry-after': '2' } },
    { status: 429, headers: { 'retry-after': '7' } },
  ];
  store.fail = ({ number }) => (number > 1 && number % 3 === 0 ? kinds[(number / 3) % 4] : undefined);
  await load({ ...server, ...SIZE });
  store.assertWhole();
  assert.ok(waited.includes(2000) && waited.includes(7000));
});

test('what cannot work is said in one line', async (t) => {
  const store = new Store();
  const server = await store.listen(t);
  const cases = [
    [{ url: 'http://127.0.0.1:9' }, /no server answers at http:\/\/127\.0\.0\.1:9/],
    [{ key: 'wrong' }, /does not accept the key/],
    [{ license: 'other' }, /no account "other"/],
    [{ today: '2026-13-01' }, /--today/],
    [{ today: '2026-03-11' }, /future/],
  ];
  for (const [change, expected] of cases)
    await assert.rejects(
      load({ ...server, ...SIZE, ...change }),
      (error) => error instanceof LoadError && expected.test(error.message),
    );
  assert.equal(store.people.size, 0);
  await load({ ...server, ...SIZE });
  await assert.rejects(load({ ...server, ...SIZE, events: 10 }), /can hold one only/);
  store.people.delete('/api/anonymous/habeas-sample');
  await assert.rejects(load({ ...server, ...SIZE }), /its marker/);
});

test('the data are the same for the same end, and within what the server takes', () => {
  const untilMs = Date.parse('2026-11-23T14:30:00Z');
  const shop = makeShop({ people: 400, events: 20_000, untilMs });
  assert.deepEqual(shop, makeShop({ people: 400, events: 20_000, untilMs }));
  assert.equal(shop.events.length, 20_000);
  const firstDay = Date.parse('2026-08-26T00:00:00Z');
  let before = 0;
  for (const { eventName, eventTime, eventData, messageId } of shop.events) {
    const at = Date.parse(eventTime.replace('+0000', 'Z'));
    assert.ok(at >= firstDay && at <= untilMs && at >= before, eventTime);
    assert.ok(eventName.length < 50 && messageId.length <= 100 && Object.keys(eventData).length <= 25);
    before = at;
  }
  const known = shop.users.filter((user) => user.userId);
  assert.equal(known.length, 280);
  assert.equal(
    new Set(known.map((user) => user.phone).filter(Boolean)).size,
    known.filter((user) => user.phone).length,
  );
  for (const { email, phone } of known) {
    if (email) assert.match(email, /^[a-z]+\.[a-z]+\.\d+@example\.(com|org|net)$/);
    if (phone) assert.match(phone, /^\+[1-9]\d{7,14}$/);
  }
  for (const channel of ['email', 'sms', 'whatsapp', 'push', 'webPush', 'inApp'])
    for (const said of [true, false])
      assert.ok(
        shop.users.some((user) => user[`${channel}OptIn`] === said),
        channel,
      );
});
