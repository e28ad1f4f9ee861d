// An x-request-id used again within four hours: the first answer, and one effect, however often, however fast, and after
// whatever end of the program.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';

import { Server, startServer } from './lib/server.mjs';

const QUEUED = '{"response":{"status":"queued"}}';

let server, client, other;
let people = 0;
const somebody = () => `person ${++people}`;
const fresh = () => randomBytes(16).toString('hex');
const as = (id, more = {}) => ({ ...more, headers: { 'x-request-id': id } });

before(async () => {
  server = new Server({ options: ['--cancel-window', '0'] });
  await server.start();
  client = await server.account('shop1');
  other = await server.account('shop2');
});
after(() => server.clear());

const told = ({ status, text }) => `${status} ${text}`;

async function seen(userId, through = client) {
  const { status, events } = await through.events(userId);
  return status === 404 ? [] : events.map(({ eventData }) => eventData.number).reverse();
}

async function attributes(userId, through = client) {
  const answer = await through.read(userId);
  return answer.status === 404 ? null : answer.json().attributes;
}

/**
 * Each route by a call about the person that leaves `number` behind, and what is behind. The answers: as documented, with
 * remarks, with refused items, and nothing but refused items.
 */
const event = (userId, number) => ({ userId, eventName: 'Seen', eventData: { number } });
const user = (userId, number) => ({ userId, attributes: { number } });
const ROUTES = {
  events: { send: (userId, number) => ['POST', 'events', event(userId, number)], behind: seen, one: [1], none: [] },
  users: { send: (userId, number) => ['POST', 'users', user(userId, number)], behind: attributes, one: { number: 1 }, none: null },
  'users by PUT': { send: (userId, number) => ['PUT', 'users', user(userId, number)], behind: attributes, one: { number: 1 }, none: null },
  'bulk-events': {
    send: (userId, number) => ['POST', 'bulk-events', { events: [event(userId, number)] }],
    behind: seen,
    one: [1],
    none: [],
  },
  'bulk-users': {
    send: (userId, number) => ['POST', 'bulk-users', { users: [user(userId, number)] }],
    behind: attributes,
    one: { number: 1 },
    none: null,
  },
  'events with remarks': {
    send: (userId, number) => ['POST', 'events', { ...event(userId, number), more: 1 }],
    behind: seen,
    one: [1],
    none: [],
    says: /"ignored":\[\{"field":"more"/,
  },
  'bulk-events with refused items': {
    send: (userId, number) => ['POST', 'bulk-events', { events: [{ userId: '' }, event(userId, number), { userId, more: 1 }] }],
    behind: seen,
    one: [1],
    none: [],
    says: /"rejected":\[\{"index":0.*"index":2/,
  },
  'bulk-users with refused items': {
    send: (userId, number) => ['POST', 'bulk-users', { users: [{ ...user(userId, number), more: 'é' }, { userId, emailOptIn: 1 }] }],
    behind: attributes,
    one: { number: 1 },
    none: null,
    says: /"rejected":\[\{"index":1.*"ignored":\[\{"index":0/,
  },
};
const call = ({ send }, userId, number, options, through = client) => {
  const [method, route, body] = send(userId, number);
  return through.call(method, through.accountPath(route), body, options);
};

describe('one after the other', () => {
  for (const [name, route] of Object.entries(ROUTES))
    test(`${name}: the first answer again, and its effect alone`, async () => {
      const [userId, id] = [somebody(), fresh()];
      const first = await call(route, userId, 1, as(id));
      assert.equal(first.status, 201, first.text);
      if (route.says) assert.match(first.text, route.says);
      else assert.equal(first.text, QUEUED);
      for (const number of [1, 2, 1])
        assert.equal(told(await call(route, userId, number, as(id))), told(first));
      assert.deepEqual(await route.behind(userId), route.one);
      assert.equal(told(await call(route, somebody(), 9, as(id))), told(first), 'whatever it brings');
      assert.deepEqual(await route.behind(`person ${people}`), route.none);
      assert.equal(told(await client.call(route.send('', 0)[0], client.accountPath(route.send('', 0)[1]), '{"broken', as(id))), told(first));
    });

  test('all items refused: 400 again, and nothing held', async () => {
    for (const [route, list] of [['bulk-events', 'events'], ['bulk-users', 'users']]) {
      const [userId, id] = [somebody(), fresh()];
      const first = await client.ingest(route, { [list]: [{}, { userId: 7 }] }, as(id));
      assert.equal(first.status, 400);
      assert.equal(first.json().response.rejected.length, 2);
      const good = { [list]: [{ userId, eventName: 'Seen' }] };
      for (let i = 0; i < 2; i++) assert.equal(told(await client.ingest(route, good, as(id))), told(first));
      assert.equal((await client.read(userId)).status, 404);
    }
  });

  test('a call that was refused whole brought nothing, so its id is free', async () => {
    for (const [route, bad] of [
      ['events', { eventName: 'Seen' }],
      ['events', '{'],
      ['events', { userId: 'x', eventName: '+49 170 1234567' }],
      ['users', { userId: 7 }],
      ['bulk-events', { events: [] }],
    ]) {
      const [userId, id] = [somebody(), fresh()];
      assert.equal((await client.ingest(route, bad, as(id))).status, 400);
      const good = route === 'bulk-events' ? { events: [event(userId, 1)] } : event(userId, 1);
      if (route === 'users') delete good.eventName, delete good.eventData;
      assert.equal(told(await client.ingest(route, good, as(id))), `201 ${QUEUED}`);
      assert.equal((await client.read(userId)).status, 200);
    }
  });

  test('an id belongs to its route and its account', async () => {
    const [userId, id] = [somebody(), fresh()];
    for (const through of [client, other]) {
      await call(ROUTES.events, userId, 1, as(id), through);
      await call(ROUTES['bulk-events'], userId, 2, as(id), through);
      assert.equal((await through.user({ userId, attributes: { by: 'users' } }, as(id))).status, 201);
      assert.equal((await through.bulkUsers([{ userId, attributes: { also: 'bulk' } }], as(id))).status, 201);
      assert.deepEqual(await seen(userId, through), [1, 2]);
      assert.deepEqual(await attributes(userId, through), { by: 'users', also: 'bulk' });
    }
    await client.call('PUT', client.accountPath('users'), { userId, attributes: { by: 'PUT' } }, as(id));
    assert.deepEqual(await attributes(userId), { by: 'users', also: 'bulk' }, 'PUT of users is POST of users');
  });

  test('ids are compared byte for byte, whole, up to 255 bytes; an empty one is none', async () => {
    const userId = somebody();
    const ids = ['a', 'A', 'a b', 'a  b', '"a"', 'ä'.normalize('NFC'), `${'x'.repeat(254)}1`, `${'x'.repeat(254)}2`, 'x'.repeat(254), '-', '0', '00'];
    for (const [number, id] of ids.entries())
      for (let i = 0; i < 2; i++) assert.equal((await call(ROUTES.events, userId, number, as(Buffer.from(id).toString('latin1')))).status, 201, id);
    assert.deepEqual(await seen(userId), ids.map((_, i) => i));
    const long = await call(ROUTES.events, userId, 99, as('x'.repeat(256)));
    assert.equal(long.status, 400);
    assert.match(long.json().response.message, /x-request-id/);
    const guest = somebody();
    for (const number of [1, 1, 1]) assert.equal((await call(ROUTES.events, guest, number, as(''))).status, 201);
    assert.deepEqual(await seen(guest), [1, 1, 1]);
  });

  test('a key that may not bring data learns nothing by an id that was used', async () => {
    const [userId, id] = [somebody(), fresh()];
    await call(ROUTES['events with remarks'], userId, 1, as(id));
    const { stdout } = await server.cli(['key', 'add', '--license', 'shop1', '--scopes', 'read']);
    for (const key of ['wrong', null, JSON.parse(stdout).key])
      assert.equal((await call(ROUTES.events, userId, 1, as(id, { key }))).status, 401);
    assert.equal((await call(ROUTES.events, userId, 1, as(id, { license: 'shop1', key: other.api_key }))).status, 404);
    assert.equal((await call(ROUTES.events, userId, 1, as(id, { key: client.write_key }))).status, 201);
    assert.deepEqual(await seen(userId), [1]);
  });

  test('what only a reader may be told is not told to whoever repeats the call without that scope', async () => {
    const [userId, id] = [somebody(), fresh()];
    const texts = (from, count) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`text ${from + i}`, 'x']));
    await client.user({ userId, attributes: texts(0, 25) });
    const send = (key) => client.user({ userId, attributes: texts(25, 1) }, as(id, { key }));
    const first = await send(client.api_key);
    assert.match(first.text, /"ignored":\[\{"field":"text 25"/);
    assert.equal(told(await send(client.write_key)), `201 ${QUEUED}`);
    assert.equal(told(await send(client.api_key)), told(first));
    await server.restart();
    assert.equal(told(await send(client.write_key)), `201 ${QUEUED}`);
    assert.equal(told(await send(client.api_key)), told(first));
  });

  test('a repeat after the erasure is answered as before and brings nobody back', async () => {
    for (const [name, route] of Object.entries(ROUTES)) {
      const [userId, id] = [somebody(), fresh()];
      const first = await call(route, userId, 1, as(id));
      assert.equal((await client.gdpr('erasure', userId)).status, 201);
      assert.equal(told(await call(route, userId, 1, as(id))), told(first), name);
      assert.equal((await client.read(userId)).status, 404, name);
    }
  });

  test('what is not recorded is answered alike, and repeated alike', async () => {
    const [userId, id] = [somebody(), fresh()];
    await call(ROUTES.events, userId, 1);
    assert.equal((await client.gdpr('erasure', userId, { suppress: { until: null } })).status, 201);
    for (const route of Object.values(ROUTES)) {
      const first = await call(route, userId, 1, as(id));
      assert.equal(first.status, 201);
      assert.equal(told(await call(route, userId, 2, as(id))), told(first));
    }
    assert.equal((await client.read(userId)).status, 404);
  });
});

describe('at once', () => {
  const CALLS = 24;
  const together = (make) => Promise.all(Array.from({ length: CALLS }, (_, i) => make(i)));

  for (const [name, route] of Object.entries(ROUTES))
    test(`${name}: ${CALLS} calls of one id have one answer and one effect`, async () => {
      for (const isNew of [true, false, false]) {
        const [userId, id] = [somebody(), fresh()];
        if (!isNew) await client.user({ userId });
        const answers = await together(() => call(route, userId, 1, as(id)));
        assert.deepEqual([...new Set(answers.map(told))], [told(answers[0])]);
        assert.equal(answers[0].status, 201, answers[0].text);
        assert.deepEqual(await route.behind(userId), route.one);
      }
    });

  test('of different bodies under one id exactly one counts', async () => {
    for (let round = 0; round < 4; round++) {
      const [userId, id] = [somebody(), fresh()];
      const answers = await together((number) => call(ROUTES['bulk-events'], userId, number, as(id)));
      assert.deepEqual([...new Set(answers.map(told))], [`201 ${QUEUED}`]);
      assert.equal((await seen(userId)).length, 1);
    }
  });

  test('several ids, routes and accounts between each other', async () => {
    const [userId, id] = [somebody(), fresh()];
    const made = (i) => [i % 2 ? client : other, ['events', 'bulk-events'][(i >> 1) % 2], (i >> 2) % 3];
    await together((i) => {
      const [through, route, number] = made(i);
      return call(ROUTES[route], userId, number, as(id + number), through);
    });
    for (const through of [client, other]) assert.deepEqual((await seen(userId, through)).sort(), [0, 0, 1, 1, 2, 2]);
  });

  test('calls that are refused, at once: each is refused', async () => {
    const BAD = [
      ['events', '{'],
      ['events', { userId: 'x' }],
      ['events', { userId: 'x', eventName: 'ann@example.org' }], // refused by the writer
      ['users', { userId: 7 }],
      ['bulk-events', { events: [{}] }],
      ['bulk-events', { events: [{ userId: 'x', eventName: 'ann@example.org' }] }],
    ];
    for (const [route, body] of BAD) {
      const id = fresh();
      const answers = await together(() => client.ingest(route, body, as(id)));
      assert.deepEqual([...new Set(answers.map(told))], [told(answers[0])], `${route} ${JSON.stringify(body)}`);
      assert.equal(answers[0].status, 400, answers[0].text);
    }
  });
});

describe('after the program ended', () => {
  for (const [how, end] of [
    ['a restart', () => server.restart()],
    ['a kill', async () => (await server.kill(), server.start())],
  ])
    test(`${how}: the first answers still, and no further effect`, async () => {
      const firsts = [];
      for (const [name, route] of Object.entries(ROUTES)) {
        const [userId, id] = [somebody(), fresh()];
        firsts.push([name, route, userId, id, await call(route, userId, 1, as(id))]);
      }
      const refused = fresh();
      const none = await client.bulkEvents([{}], as(refused));
      await end();
      for (const [name, route, userId, id, first] of firsts) {
        assert.equal(told(await call(route, userId, 2, as(id))), told(first), name);
        assert.deepEqual(await route.behind(userId), route.one, name);
      }
      assert.equal(told(await client.bulkEvents([event(somebody(), 1)], as(refused))), told(none));
      assert.equal((await client.read(`person ${people}`)).status, 404);
    });

  test('whoever got no answer before a kill asks again: each call counts once', async () => {
    for (let round = 0; round < 3; round++) {
      const userId = somebody();
      const ids = Array.from({ length: 60 }, fresh);
      const send = (number) => call(number % 2 ? ROUTES.events : ROUTES['bulk-events'], userId, number, as(ids[number]));
      let answered = 0;
      const first = ids.map((_, number) => send(number).then(() => answered++, () => {}));
      while (answered < 5 + 10 * round) await new Promise((done) => setTimeout(done, 1));
      await server.kill();
      await Promise.all(first);
      await server.start();
      for (const answer of await Promise.all(ids.map((_, number) => send(number)))) assert.equal(told(answer), `201 ${QUEUED}`);
      assert.deepEqual((await seen(userId)).sort((a, b) => a - b), ids.map((_, i) => i));
    }
  });
});

describe('a caller who hangs up', () => {
  /** Sends one whole call and closes, without waiting for the answer; `reset`: by RST. */
  const hangUp = (at, through, body, id, reset, afterMs) =>
    new Promise((done) => {
      const bytes = JSON.stringify(body);
      const head = [`POST ${through.accountPath('events')} HTTP/1.1`, 'Host: h', `Authorization: Bearer ${through.api_key}`];
      const text = [...head, `x-request-id: ${id}`, `Content-Length: ${Buffer.byteLength(bytes)}`, '', bytes].join('\r\n');
      const socket = connect(at.port, '127.0.0.1', () => socket.write(text, () => setTimeout(close, afterMs)));
      const close = () => (reset ? socket.resetAndDestroy() : socket.destroy(), done());
      socket.on('error', done);
    });

  test('leaves the call to be finished: who asks again gets its answer, and there is one effect', async (t) => {
    const slow = await startServer(t, { shim: true });
    const through = await slow.account();
    await slow.shim('slow 20'); // so that the call still runs when its caller goes
    const ROWS = [false, true].flatMap((reset) => [0, 2, 10].flatMap((afterMs) => [0, 1, 5].map((others) => ({ reset, afterMs, others }))));
    await Promise.all(
      ROWS.map(async ({ reset, afterMs, others }, number) => {
        const [userId, id] = [`slow ${number}`, `id ${number}`];
        const body = event(userId, number);
        await hangUp(slow, through, body, id, reset, afterMs);
        await Promise.all(Array.from({ length: others }, () => hangUp(slow, through, body, id, !reset, afterMs)));
        const answers = await Promise.all([1, 2].map(() => through.event(body, as(id))));
        for (const answer of answers) assert.equal(told(answer), `201 ${QUEUED}`);
        assert.deepEqual(await seen(userId, through), [number], JSON.stringify({ reset, afterMs, others }));
      }),
    );
    await slow.shim('off');
    await slow.stop();
  });
});
