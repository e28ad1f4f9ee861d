// What is too much, and where each bound stands: bodies, calls a minute, names, types, values of a type, maps and arrays,
// and long text.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { rawAt } from './lib/json.mjs';
import { Server, startServer } from './lib/server.mjs';

const QUEUED = '{"response":{"status":"queued"}}';
const OFF = '2147483647';
const MIB = 1 << 20;

let server, client;
let people = 0;
let accounts = 0;
const somebody = () => `person ${++people}`;

before(async () => {
  server = new Server({});
  await server.start();
  client = await server.account('shop1');
});
after(() => server.clear());

/** An account of its own: what it learns about names and types belongs to it. */
const newAccount = () => server.account(`limits-${++accounts}`);

async function set(through, setting) {
  const { code, stderr } = await server.cli(['account', 'set', '--license', through.license, setting]);
  assert.equal(code, 0, stderr);
}

function assertQueued(answer, what) {
  assert.equal(`${answer.status} ${answer.text}`, `201 ${QUEUED}`, what);
}

/** Fields that an answer says were ignored. */
function ignoredOf(answer, what) {
  assert.equal(answer.status, 201, `${what}: ${answer.text}`);
  return (answer.json().response.ignored ?? []).map(({ field }) => field);
}

const attributes = async (userId, through = client) => (await through.read(userId)).json().attributes;
const lastData = async (userId, through = client) => (await through.events(userId)).events[0].eventData;

// ---- bodies ----

describe('bodies', () => {
  const event = (length) => {
    const head = '{"userId":"large","eventName":"Seen","eventData":{"n":1';
    return `${head}${' '.repeat(length - head.length - 2)}}}`;
  };

  /** The same in chunks: its size shows only as it comes. */
  function chunked(key) {
    const head = [`POST ${client.accountPath('events')} HTTP/1.1`, 'Host: h', ...(key ? [`Authorization: Bearer ${key}`] : []), 'Transfer-Encoding: chunked'];
    const body = event(9 * MIB);
    return client.raw(`${head.join('\r\n')}\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`, { waitMs: 5000 });
  }

  test('8 MiB are taken, a byte more is 413', async () => {
    assertQueued(await client.ingest('events', event(8 * MIB)));
    for (const length of [8 * MIB + 1, 9 * MIB])
      for (const route of ['users', 'events', 'bulk-users', 'bulk-events']) {
        const answer = await client.ingest(route, event(length));
        assert.equal(answer.status, 413, answer.text);
        assert.equal(answer.json().response.status, 'error');
      }
    assert.equal((await client.events('large')).events.length, 1);
  });

  test('who has no good key is told that first, however large the body is', async () => {
    for (const key of ['wrong', null]) {
      const answer = await client.ingest('events', event(9 * MIB), { key });
      assert.deepEqual([answer.status, answer.headers['www-authenticate']], [401, 'Bearer'], answer.text);
      assert.equal(answer.json().response.status, 'error');
      assert.equal((await chunked(key)).status, 401);
    }
    assert.equal((await chunked(client.api_key)).status, 413);
  });

  test('the bound is a setting', async (t) => {
    const small = await startServer(t, { options: ['--body-max-bytes', '2000'] });
    const through = await small.account();
    assertQueued(await through.ingest('events', event(2000)));
    assert.equal((await through.ingest('events', event(2001))).status, 413);
    assert.equal((await through.events('large')).events.length, 1);
  });
});

// ---- calls a minute ----

describe('calls a minute', () => {
  const LIMITED = [
    ['POST', 'users', (userId) => ({ userId })],
    ['POST', 'events', (userId) => ({ userId, eventName: 'Seen' })],
    ['POST', 'bulk-users', (userId) => ({ users: [{ userId }] })],
    ['POST', 'bulk-events', (userId) => ({ events: [{ userId, eventName: 'Seen' }] })],
  ];
  const figures = ({ headers }) => [headers['x-ratelimit-limit'], headers['x-ratelimit-remaining'], headers['retry-after']];
  const send = (through, [method, route, make], userId, options) => through.call(method, through.accountPath(route), make(userId), options);

  /** The counts begin anew with each minute of the clock: what one began in was not all in is done again. */
  async function withinOneMinute(check) {
    for (;;) {
      const minute = Math.floor(Date.now() / 60_000);
      const judge = await check(await newAccount());
      if (Math.floor(Date.now() / 60_000) === minute) return judge();
    }
  }

  test('off: the headers are there and both say so', async () => {
    const rows = [...LIMITED, ['PUT', 'users', (userId) => ({ userId })]];
    for (const row of rows)
      for (let i = 0; i < 2; i++) assert.deepEqual(figures(await send(client, row, somebody())), [OFF, OFF, undefined], row[1]);
    assert.deepEqual(figures(await client.user({ userId: 7 })), [OFF, OFF, undefined], 'on refusals as well');
    const request = await client.gdpr('restriction', `person ${people}`);
    assert.deepEqual([request.status, ...figures(request)], [201, OFF, OFF, undefined]);
    assert.deepEqual(figures(await client.status(request.json().subject_request_id)), [OFF, OFF, undefined]);
  });

  test('on: true figures, then 429 with Retry-After, and nothing of it is recorded', () =>
    withinOneMinute(async (through) => {
      await set(through, 'rate_limit=5');
      const answers = [];
      for (const row of LIMITED) for (let i = 0; i < 8; i++) answers.push([row[1], i, await send(through, row, `${row[1]} ${i}`)]);
      const wait = 60 - ((Date.now() / 1000) % 60);
      const reads = await Promise.all(answers.map(([route, i]) => through.read(`${route} ${i}`)));
      return () => {
        for (const [at, [route, i, answer]] of answers.entries()) {
          const what = `${route} ${i}`;
          const [limit, left, retry] = figures(answer);
          assert.deepEqual([answer.status, limit, left], i < 5 ? [201, '5', String(4 - i)] : [429, '5', '0'], what);
          assert.equal(reads[at].status, i < 5 ? 200 : 404, what);
          if (i < 5) {
            assert.equal(retry, undefined);
            continue;
          }
          assert.match(retry, /^\d+$/);
          assert.ok(Number(retry) >= wait - 1 && Number(retry) <= wait + 20 && Number(retry) <= 60, `${retry} of ${wait}`);
          assert.deepEqual(Object.keys(answer.json().response), ['message', 'status']);
        }
      };
    }));

  test('POST and PUT of users are one endpoint', () =>
    withinOneMinute(async (through) => {
      await set(through, 'rate_limit=3');
      const statuses = [];
      for (const method of ['POST', 'PUT', 'PUT', 'POST', 'PUT'])
        statuses.push((await through.call(method, through.accountPath('users'), { userId: 'one' })).status);
      return () => assert.deepEqual(statuses, [201, 201, 201, 429, 429]);
    }));

  test('each account has its own, and a call that the key does not allow takes nothing of it', () =>
    withinOneMinute(async (through) => {
      const neighbour = await newAccount();
      await set(through, 'rate_limit=2');
      const event = { userId: 'one', eventName: 'Seen' };
      for (const key of ['wrong', null, neighbour.api_key]) await through.event(event, { key });
      const answers = [await through.event(event, { key: through.write_key }), await through.event({}), await through.event(event), await neighbour.event(event)];
      return () => assert.deepEqual(answers.map((answer) => [answer.status, figures(answer)[1]]), [[201, '1'], [400, '0'], [429, '0'], [201, OFF]]);
    }));

  test('many at once: never more than the limit', () =>
    withinOneMinute(async (through) => {
      await set(through, 'rate_limit=20');
      const answers = await Promise.all(Array.from({ length: 60 }, () => through.event({ userId: 'one', eventName: 'Seen' })));
      const { events } = await through.events('one');
      return () => {
        const taken = answers.filter(({ status }) => status === 201);
        assert.deepEqual([taken.length, events.length], [20, 20]);
        assert.deepEqual(taken.map((answer) => Number(figures(answer)[1])).sort((a, b) => a - b), Array.from({ length: 20 }, (_, i) => i));
      };
    }));

  test('an id whose call met the limit is free; a change of the limit holds at once', () =>
    withinOneMinute(async (through) => {
      const event = { userId: 'one', eventName: 'Seen' };
      const options = { headers: { 'x-request-id': 'once' } };
      await set(through, 'rate_limit=1');
      const statuses = [(await through.event(event)).status, (await through.event(event, options)).status];
      await set(through, 'rate_limit=0');
      for (let i = 0; i < 2; i++) statuses.push((await through.event(event, options)).status);
      const { events } = await through.events('one');
      return () => assert.deepEqual([statuses, events.length], [[201, 429, 201, 201], 2]);
    }));
});

// ---- names ----

describe('names', () => {
  test('event names past the cap are refused, known ones go on', async () => {
    const through = await newAccount();
    await set(through, 'event_names_max=3');
    const send = (eventName, options) => through.event({ userId: 'one', eventName }, options);
    assert.equal((await send('ann@example.org')).status, 400, 'takes no place');
    assert.equal((await through.event({ userId: '', eventName: 'Never' })).status, 400);
    for (const name of ['A', 'B', 'a', 'A']) assertQueued(await send(name), name);
    for (let i = 0; i < 2; i++) {
      const answer = await send('C');
      assert.equal(answer.status, 400);
      assert.match(answer.json().response.message, /^Error: eventName/);
    }
    const bulk = await through.bulkEvents(['C', 'B', 'D'].map((eventName) => ({ userId: 'one', eventName })));
    assert.equal(bulk.status, 201);
    assert.deepEqual(bulk.json().response.rejected.map(({ index }) => index), [0, 2]);
    assert.deepEqual((await through.events('one')).events.map(({ eventName }) => eventName).reverse(), ['A', 'B', 'a', 'A', 'B']);
    await server.restart();
    assert.equal((await send('C')).status, 400);
    await set(through, 'event_names_max=4');
    assertQueued(await send('C'));
    assert.equal((await send('D')).status, 400);
  });

  test('attribute names past the cap are ignored one by one, of people and of events each', async () => {
    const through = await newAccount();
    await set(through, 'attribute_names_max=3');
    const user = (values, userId = 'one') => through.user({ userId, attributes: values });
    const event = (values) => through.event({ userId: 'one', eventName: 'Seen', eventData: values });
    assertQueued(await user({ A: 1, B: 1 }));
    assert.deepEqual(ignoredOf(await user({ C: 1, D: 1, 'ann@example.org': 1, A: 2 })).sort(), ['D', 'ann@example.org']);
    assert.deepEqual(await attributes('one', through), { A: 2, B: 1, C: 1 });
    assert.deepEqual(ignoredOf(await event({ D: 1, E: 1, F: 1, G: 1 })), ['G']);
    assert.deepEqual(await lastData('one', through), { D: 1, E: 1, F: 1 });
    assertQueued(await user({ A: null, B: null, C: null }));
    assert.deepEqual(ignoredOf(await user({ D: 1 }, 'two')), ['D'], 'a name is of the account, whoever still has a value');
    const bulk = await through.bulkUsers([{ userId: 'two', attributes: { A: 1 } }, { userId: 'two', attributes: { D: 1, B: 1 } }]);
    assert.deepEqual(bulk.json().response.ignored.map(({ index, field }) => [index, field]), [[1, 'D']]);
    assert.deepEqual(await attributes('two', through), { A: 1, B: 1 });
    await server.restart();
    assert.deepEqual(ignoredOf(await user({ D: 1 })), ['D']);
    assert.deepEqual(ignoredOf(await event({ G: 1 })), ['G']);
    await set(through, 'attribute_names_max=4');
    assertQueued(await user({ D: 1 }));
    assertQueued(await event({ G: 1 }));
  });

  const PERSONAL = {
    'an address': 'ann@example.org',
    'an address between spaces': ' ann@example.org ',
    'an address with more': 'first.last+tag@mail.example.co.uk',
    'a telephone number': '+49 170 1234567',
    'a number in brackets': '(030) 123-456',
    'a number': '1234567',
    'a small number': '42',
    'a number with a point': '39.80',
    'a UUID': '3f2504e0-4f89-11d3-9a0c-0305e82c3301',
    'a UUID in capitals': '3F2504E0-4F89-11D3-9A0C-0305E82C3301',
    'a UUID without dashes': '3f2504e04f8911d39a0c0305e82c3301',
    '20 hex digits': 'deadbeefdeadbeefdead',
    '20 hex digits inside': 'token:deadbeefdeadbeefdead',
  };
  const PLAIN = ['Product ID', 'Added to Cart', 'Step 2', 'A1', 'v1.2', 'user@home', '@home', 'face', 'deadbeefdeadbeefdea', 'Größe', '50% off', '日本語', 'e.g.', 'a/b', ' ', '#1'];

  test('names that are an address, a number, a UUID or a token are taken nowhere', async () => {
    const userId = somebody();
    await client.user({ userId });
    for (const [what, name] of Object.entries(PERSONAL)) {
      const answer = await client.event({ userId, eventName: name });
      assert.equal(answer.status, 400, what);
      assert.match(answer.json().response.message, /eventName/);
      assert.deepEqual(ignoredOf(await client.user({ userId, attributes: { [name]: 1 } })), [name], what);
      assert.deepEqual(ignoredOf(await client.bulkEvents([{ userId, eventName: 'Seen', eventData: { [name]: 1 } }])), [name], what);
    }
    assert.deepEqual(await attributes(userId), {});
    const { events } = await client.events(userId);
    assert.deepEqual(events.map(({ eventName, eventData }) => [eventName, eventData]), Object.keys(PERSONAL).map(() => ['Seen', {}]));
  });

  test('other names are', async () => {
    const userId = somebody();
    for (const name of PLAIN) {
      assertQueued(await client.event({ userId, eventName: name, eventData: { [name]: 1 } }), name);
      assertQueued(await client.user({ userId, attributes: { [name]: 1 } }), name);
    }
    assert.deepEqual(Object.keys(await attributes(userId)), PLAIN);
    assert.deepEqual((await client.events(userId)).events.map(({ eventName }) => eventName).reverse(), PLAIN);
  });
});

// ---- types ----

const VALUES = {
  string: ['"plain"', '""', '"2026-01-01"', '"12"'],
  number: ['1', '39.80', '-0', '1E+2'],
  boolean: ['true', 'false'],
  date: ['"2026-01-01T00:00:00Z"', '"1986-08-19T15:45:00-0800"'],
  array: ['[]', '[1,"a"]'],
  object: ['{}', '{"a":[1]}'],
};
/** A full date is also text; nothing else stands for another type. */
const fits = (first, later) => first === later || (first === 'string' && later === 'date');

describe('types', () => {
  const KINDS = {
    user: {
      send: (through, userId, name, raw) => through.user(`{"userId":${JSON.stringify(userId)},"attributes":{${JSON.stringify(name)}:${raw},"beside":1}}`),
      raw: async (through, userId, name) => rawAt((await through.read(userId)).text, 'attributes', name),
    },
    event: {
      send: (through, userId, name, raw) =>
        through.event(`{"userId":${JSON.stringify(userId)},"eventName":"Seen","eventData":{${JSON.stringify(name)}:${raw},"beside":1}}`),
      raw: async (through, userId, name) => rawAt((await through.call('GET', `/api/users/${encodeURIComponent(userId)}/events?limit=1`)).text, 'events', 0, 'eventData', name),
    },
  };

  for (const [kind, { send, raw }] of Object.entries(KINDS))
    test(`${kind}: the first value fixes the type for the account; of another type it alone is ignored`, async () => {
      const through = await newAccount();
      for (const first of Object.keys(VALUES)) {
        assertQueued(await send(through, `first ${first}`, first, VALUES[first][0]), first);
        assertQueued(await send(through, `first ${first}`, first, 'null'), 'null is of no type');
        for (const [later, values] of Object.entries(VALUES))
          for (const [i, value] of values.entries()) {
            const userId = `${first} then ${later} ${i}`;
            const ignored = ignoredOf(await send(through, userId, first, value), userId);
            assert.deepEqual(ignored, fits(first, later) ? [] : [first], userId);
            assert.equal(await raw(through, userId, first), fits(first, later) ? value : undefined, userId);
            assert.equal(await raw(through, userId, 'beside'), '1');
          }
      }
    });

  test('what is ignored leaves the value that is held', async () => {
    const through = await newAccount();
    await through.user({ userId: 'one', attributes: { Size: 'L' } });
    assert.deepEqual(ignoredOf(await through.user({ userId: 'one', attributes: { Size: 40, Colour: 'red' } })), ['Size']);
    assert.deepEqual(await attributes('one', through), { Size: 'L', Colour: 'red' });
  });

  test('people and events have types of their own, and so has each account', async () => {
    const [through, neighbour] = [await newAccount(), await newAccount()];
    assertQueued(await through.user({ userId: 'one', attributes: { Size: 'L' } }));
    assertQueued(await through.event({ userId: 'one', eventName: 'Seen', eventData: { Size: 40 } }));
    assertQueued(await neighbour.user({ userId: 'one', attributes: { Size: true } }));
    assert.deepEqual([await attributes('one', through), await lastData('one', through)], [{ Size: 'L' }, { Size: 40 }]);
  });

  test('two values of one call: the first that stands in it', async () => {
    const through = await newAccount();
    const answer = await through.bulkUsers([1, 'L', 2].map((Size, i) => ({ userId: `p${i}`, attributes: { Size } })));
    assert.deepEqual(answer.json().response.ignored.map(({ index, field }) => [index, field]), [[1, 'Size']]);
  });

  test('the first types outlive a restart', async () => {
    const through = await newAccount();
    await through.user({ userId: 'one', attributes: { Size: 'L' } });
    await server.restart();
    assert.deepEqual(ignoredOf(await through.user({ userId: 'one', attributes: { Size: 1 } })), ['Size']);
  });
});

describe('attribute set-type', () => {
  /** From, to, values sent (raw), what they become (raw); undefined: it stays as sent and is counted. */
  const ROWS = [
    ['string', 'number', ['"12"', '"0.10"', '"-1E+5"', '"18446744073709551615"', '"twelve"', '""', '" 1"', '"01"', '"1."', '"+1"', '"0x1"'], ['12', '0.10', '-1E+5', '18446744073709551615']],
    ['string', 'boolean', ['"true"', '"false"', '"True"', '"1"', '"yes"'], ['true', 'false']],
    ['string', 'date', ['"2026-01-01"', '"soon"', '"2026-02-30"'], ['"2026-01-01"']],
    ['number', 'string', ['1', '39.80', '-0', '1E+2', '18446744073709551615'], ['"1"', '"39.80"', '"-0"', '"1E+2"', '"18446744073709551615"']],
    ['boolean', 'string', ['true', 'false'], ['"true"', '"false"']],
    ['number', 'boolean', ['1', '0'], []],
    ['boolean', 'number', ['true', 'false'], []],
    ['date', 'string', ['"2026-01-01T00:00:00Z"'], ['"2026-01-01T00:00:00Z"']],
    ['array', 'object', ['[1]'], []],
    ['object', 'string', ['{"a":1}'], []],
    ['string', 'array', ['"[1]"'], []],
  ];
  const raw = async (through, userId, name) => rawAt((await through.read(userId)).text, 'attributes', name);
  const setType = (through, ...line) => server.cli(['attribute', 'set-type', '--license', through.license, ...line]);

  for (const [from, to, sent, become] of ROWS)
    test(`${from} to ${to}: what can be converted is, the rest stays as sent and is counted`, async () => {
      const through = await newAccount();
      for (const [i, value] of sent.entries())
        assertQueued(await through.user(`{"userId":"p${i}","attributes":{"Size":${value},"Other":"x"}}`), value);
      assertQueued(await through.user({ userId: 'none', attributes: { Other: 'x' } }));
      const sources = (await through.read('p0')).json().sources;
      const { code, stdout, stderr } = await setType(through, 'Size', to);
      assert.equal(code, 0, stderr);
      assert.match(stdout, new RegExp(`\\b${to}\\b`));
      assert.match(stdout, new RegExp(`\\b${become.length} (values? )?converted`));
      assert.match(stdout, new RegExp(`\\b${sent.length - become.length} `));
      for (const [i, value] of sent.entries()) assert.equal(await raw(through, `p${i}`, 'Size'), become[i] ?? value, value);
      assert.deepEqual((await through.read('p0')).json().sources, sources, 'when and by whom it came stays');
      assert.deepEqual(await attributes('none', through), { Other: 'x' });
      for (const [type, values] of Object.entries(VALUES)) {
        const answer = await through.user(`{"userId":"new ${type}","attributes":{"Size":${values[0]}}}`);
        assert.deepEqual(ignoredOf(answer), fits(to, type) ? [] : ['Size'], type);
      }
      await server.restart();
      assert.equal(await raw(through, 'p0', 'Size'), become[0] ?? sent[0]);
      assert.deepEqual(ignoredOf(await through.user(`{"userId":"again","attributes":{"Size":${VALUES[to][0]}}}`)), []);
    });

  test('of users or of events alone', async () => {
    const through = await newAccount();
    await through.event({ userId: 'one', eventName: 'Seen', eventData: { Size: '1' } });
    await through.user({ userId: 'one', attributes: { Size: '1' } });
    assert.equal((await setType(through, 'Size', 'number', '--of', 'event')).code, 0);
    assert.deepEqual(await attributes('one', through), { Size: '1' });
    assertQueued(await through.event({ userId: 'one', eventName: 'Seen', eventData: { Size: 2 } }));
    assert.deepEqual(ignoredOf(await through.user({ userId: 'one', attributes: { Size: 2 } })), ['Size']);
    assert.deepEqual((await through.events('one')).events.map(({ eventData }) => eventData.Size), [2, '1'], 'events stay as they were sent');
    assert.equal((await setType(through, 'Size', 'number', '--of', 'user')).code, 0);
    assert.deepEqual(await attributes('one', through), { Size: 1 });
  });

  test('more people than one turn takes', async () => {
    const through = await newAccount();
    await through.bulkUsers(Array.from({ length: 700 }, (_, i) => ({ userId: `p${i}`, attributes: { Size: String(i) } })));
    const { stdout } = await setType(through, 'Size', 'number');
    assert.match(stdout, /\b700\b/);
    for (const i of [0, 199, 200, 399, 400, 699]) assert.deepEqual(await attributes(`p${i}`, through), { Size: i });
  });

  test('by HTTP, with scope admin only', async () => {
    const through = await newAccount();
    await through.bulkUsers(['1', 'x', '3'].map((Size, i) => ({ userId: `p${i}`, attributes: { Size } })));
    const call = (key) => through.call('PUT', '/api/attributes/Size', { type: 'number' }, { key });
    assert.equal((await call(through.write_key)).status, 401);
    const answer = await call(through.api_key);
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json(), { status: 'done', converted: 2, kept: 1 });
  });
});

// ---- 25 of a type, 16 KB ----

describe('25 of a type', () => {
  const MAKE = { text: (i) => `v${i}`, number: (i) => i, flag: (i) => i % 2 === 0, day: (i) => `2026-01-01T00:00:${String(i).padStart(2, '0')}Z` };
  const some = (type, from, count) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`${type} ${from + i}`, MAKE[type](from + i)]));
  const all = (count) => Object.assign({}, ...Object.keys(MAKE).map((type) => some(type, 0, count)));
  const trees = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`list ${i}`, i % 2 ? [i] : { i }]));

  test('a person holds 25 of each of four types, and any number of maps and arrays', async () => {
    const userId = somebody();
    for (const type of Object.keys(MAKE)) assertQueued(await client.user({ userId, attributes: some(type, 0, 13) }), type);
    assertQueued(await client.user({ userId, attributes: { ...all(25), ...trees } }));
    const full = { ...all(25), ...trees };
    assert.deepEqual(await attributes(userId), full);
    for (const type of Object.keys(MAKE)) assert.deepEqual(ignoredOf(await client.user({ userId, attributes: some(type, 25, 2) })), [`${type} 25`, `${type} 26`]);
    assert.deepEqual(await attributes(userId), full);
    assertQueued(await client.user({ userId, attributes: { 'text 0': 'changed', 'number 24': -1 } }));
    assert.deepEqual(await attributes(userId), { ...full, 'text 0': 'changed', 'number 24': -1 });
    const freed = await client.user({ userId, attributes: { 'text 0': null, 'text 25': 'x', 'text 26': 'x' } });
    assert.deepEqual(ignoredOf(freed), ['text 26'], 'a removal makes room for what stands behind it');
    assert.equal((await attributes(userId))['text 25'], 'x');
  });

  test('all at once: the first 25 as they stand', async () => {
    const userId = somebody();
    assert.deepEqual(ignoredOf(await client.user({ userId, attributes: some('text', 0, 27) })), ['text 25', 'text 26']);
    assert.deepEqual(await attributes(userId), some('text', 0, 25));
  });

  test('an event holds 25 of each, whatever others hold, and says so to every key', async () => {
    for (const key of [client.api_key, client.write_key]) {
      const userId = somebody();
      assertQueued(await client.event({ userId, eventName: 'Seen', eventData: { ...all(25), ...trees } }, { key }));
      assertQueued(await client.event({ userId, eventName: 'Seen', eventData: some('text', 25, 2) }, { key }));
      for (const type of Object.keys(MAKE)) {
        const answer = await client.event({ userId, eventName: 'Seen', eventData: { ...trees, ...some(type, 0, 27) } }, { key });
        assert.deepEqual(ignoredOf(answer), [`${type} 25`, `${type} 26`]);
        assert.deepEqual(await lastData(userId), { ...trees, ...some(type, 0, 25) });
      }
    }
  });
});

describe('16 KB of maps and arrays', () => {
  /** A list whose JSON has so many bytes. */
  const list = (bytes) => `["${'x'.repeat(bytes - 4)}"]`;
  const map = (bytes) => `{"a":"${'y'.repeat(bytes - 8)}"}`;
  const KB16 = 16 * 1024;

  test('of a person: together, as bytes of JSON', async () => {
    const userId = somebody();
    const send = (members) => client.user(`{"userId":"${userId}","attributes":{${Object.entries(members).map(([name, raw]) => `"${name}":${raw}`)}}}`);
    assertQueued(await send({ one: list(10_000), two: map(KB16 - 10_000) }));
    for (const [name, raw] of [['three', '[]'], ['two', map(KB16 - 9_999)], ['three', '{}']]) {
      assert.deepEqual(ignoredOf(await send({ [name]: raw, beside: '1' })), [name]);
      assert.equal(rawAt((await client.read(userId)).text, 'attributes', 'two'), map(KB16 - 10_000));
    }
    assertQueued(await send({ one: list(9_998), three: '[]' }));
    assertQueued(await send({ one: 'null', two: map(KB16 - 2) }));
    const { text } = await client.read(userId);
    assert.deepEqual([rawAt(text, 'attributes', 'two').length, rawAt(text, 'attributes', 'three'), rawAt(text, 'attributes', 'one')], [KB16 - 2, '[]', undefined]);
    assert.deepEqual(ignoredOf(await send({ one: '[1]' })), ['one']);
  });

  test('of an event: together', async () => {
    const userId = somebody();
    const send = (data) => client.event(`{"userId":"${userId}","eventName":"Seen","eventData":${data}}`);
    assertQueued(await send(`{"one":${list(10_000)},"two":${map(KB16 - 10_000)}}`));
    assertQueued(await send(`{"one":${list(KB16)}}`));
    assert.deepEqual(ignoredOf(await send(`{"one":${list(KB16 + 1)},"beside":1}`)), ['one']);
    assert.deepEqual(await lastData(userId), { beside: 1 });
    assert.deepEqual(ignoredOf(await send(`{"one":${list(10_000)},"two":${map(KB16 - 9_999)},"three":[3]}`)), ['two']);
    assert.deepEqual(Object.keys(await lastData(userId)), ['one', 'three']);
  });
});

// ---- long text ----

describe('text over 1,000 code points', () => {
  const times = (count, raw) => raw.repeat(count);
  /** Name, raw inside of the string as sent, what is held (undefined: the same). */
  const ROWS = [
    ['1,000 letters', times(1000, 'x')],
    ['1,001 letters', times(1001, 'x'), times(1000, 'x')],
    ['1,000 of four bytes', times(1000, '😀')],
    ['1,001 of four bytes', times(1001, '😀'), times(1000, '😀')],
    ['1,000 surrogate pairs as escapes', times(1000, '\\ud83d\\ude00')],
    ['a pair at the edge', `${times(999, 'x')}\\ud83d\\ude00y`, `${times(999, 'x')}\\ud83d\\ude00`],
    ['a pair behind the edge', `${times(1000, 'x')}\\ud83d\\ude00`, times(1000, 'x')],
    ['four bytes at the edge', `${times(999, 'x')}😀y`, `${times(999, 'x')}😀`],
    ['an escape at the edge', `${times(999, 'x')}\\"y`, `${times(999, 'x')}\\"`],
    ['an escape behind the edge', `${times(1000, '\\n')}\\\\`, times(1000, '\\n')],
    ['combining marks count', times(501, 'e\u0301'), times(500, 'e\u0301')],
    ['1,000 escapes', times(1000, '\\u0041')],
    ['8,000 letters', times(8000, 'ü'), times(1000, 'ü')],
  ];
  const FIELDS = ['firstName', 'lastName', 'gender', 'email', 'phone', 'company'];

  test('is cut on a code point in attributes, event data and system fields, and named', async () => {
    for (const [name, sent, cut] of ROWS) {
      const kept = `"${cut ?? sent}"`;
      const userId = somebody();
      const named = (field) => (cut === undefined ? [] : [field]);
      assert.deepEqual(ignoredOf(await client.user(`{"userId":"${userId}","attributes":{"Long":"${sent}","beside":1}}`)), named('Long'), name);
      for (const field of FIELDS) assert.deepEqual(ignoredOf(await client.user(`{"userId":"${userId}","${field}":"${sent}"}`)), named(field), `${name} ${field}`);
      assert.deepEqual(ignoredOf(await client.event(`{"userId":"${userId}","eventName":"Seen","eventData":{"before":1,"Long":"${sent}","behind":39.80}}`)), named('Long'));
      const { text } = await client.read(userId);
      assert.equal(rawAt(text, 'attributes', 'Long'), kept, name);
      for (const field of FIELDS) assert.equal(rawAt(text, field), kept, `${name} ${field}`);
      const events = await client.call('GET', `/api/users/${encodeURIComponent(userId)}/events`);
      assert.equal(rawAt(events.text, 'events', 0, 'eventData', 'Long'), kept, name);
      assert.equal(rawAt(events.text, 'events', 0, 'eventData', 'behind'), '39.80', name);
    }
  });

  test('stays whole inside maps and arrays', async () => {
    const userId = somebody();
    const deep = [{ text: 'x'.repeat(5000) }];
    assertQueued(await client.user({ userId, attributes: { deep } }));
    assertQueued(await client.event({ userId, eventName: 'Seen', eventData: { deep } }));
    assert.deepEqual([await attributes(userId), await lastData(userId)], [{ deep }, { deep }]);
  });

  test('is a remark, never a refusal, in bulk too', async () => {
    const userId = somebody();
    const answer = await client.bulkUsers([{ userId }, { userId, company: 'x'.repeat(2000), attributes: { Long: 'y'.repeat(2000) } }]);
    assert.deepEqual(answer.json().response.ignored.map(({ index, field }) => [index, field]), [[1, 'company'], [1, 'Long']]);
    assert.equal(answer.json().response.rejected, undefined);
  });
});
