// What ingestion answers and what is held afterwards: every row of the table of outcomes, single and in bulk.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { rawAt } from './lib/json.mjs';
import { Server } from './lib/server.mjs';

const QUEUED = '{"response":{"status":"queued"}}';
const NO_ID = 'Error: userId and anonymousId cannot be empty.';
const HOUR = 3_600_000;

/** Points in code, of four bytes of UTF-8 each. */
const wide = (count) => '😀'.repeat(count);
const inHours = (hours) => new Date(Date.now() + hours * HOUR).toISOString();
const text = (value) => (typeof value === 'string' ? value : JSON.stringify(value));
/** The routes of one kind of item: single, bulk, and the list's name. */
const ROUTES = { user: ['users', 'bulk-users', 'users'], event: ['events', 'bulk-events', 'events'] };
/** An item that nothing is wrong with. */
const fine = (kind, userId) => JSON.stringify({ userId, ...(kind === 'event' && { eventName: 'Seen' }) });
const bulkOf = (kind, items) => `{"${ROUTES[kind][2]}":[${items.map(text).join()}]}`;

let server, client;
let people = 0;
const somebody = (name = 'person') => `${name} ${++people}`;

before(async () => {
  server = new Server({ options: ['--cancel-window', '0'] });
  await server.start();
  client = await server.account('shop1');
});
after(() => server.clear());

function assertQueued(answer, what) {
  assert.equal(`${answer.status} ${answer.text}`, `201 ${QUEUED}`, what);
  assert.match(answer.headers['content-type'], /^application\/json/);
}

async function ok(promise, what = 'the call') {
  const answer = await promise;
  assert.ok(answer.status === 200 || answer.status === 201, `${what}: ${answer.status} ${answer.text}`);
  return answer;
}

const held = async (id, options) => (await ok(client.read(id, options), id)).json();
const heldEvents = async (id, options) => (await client.events(id, options)).events.reverse();

async function keyWith(scopes, license = 'shop1') {
  const { code, stdout, stderr } = await server.cli(['key', 'add', '--license', license, '--scopes', scopes]);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout).key;
}

describe('accepted', () => {
  const ROWS = [
    ['a user', 'user', { firstName: 'Ann' }],
    ['a user of whom nothing is told', 'user', {}],
    ['a user whose fields are null', 'user', { firstName: null, emailOptIn: null, attributes: null, consent: null }],
    ['a user with an empty map of attributes', 'user', { attributes: {} }],
    ['an event', 'event', { eventName: 'Seen' }],
    ['an event with null for time and data', 'event', { eventName: 'Seen', eventTime: null, eventData: null }],
    ['an event with empty data', 'event', { eventName: 'Seen', eventData: {} }],
    ['an event name of 50 characters', 'event', { eventName: wide(50) }],
    ['an event almost 24 hours ahead', 'event', () => ({ eventName: 'Seen', eventTime: inHours(23.9) })],
    ['an event of long ago', 'event', { eventName: 'Seen', eventTime: '1970-01-01T00:00:00Z' }],
    ['a message id of 100 bytes', 'event', () => ({ eventName: 'Seen', messageId: `m${somebody()}`.padEnd(100, 'm') })],
    ['a hash of 512 characters', 'user', { hashedEmail: wide(512), hashedPhone: 'h'.repeat(512) }],
  ];
  for (const [name, kind, made] of ROWS)
    test(`${name}: 201 and exactly the documented body`, async () => {
      const [single, bulk] = ROUTES[kind];
      for (const anonymous of [false, true]) {
        const fields = typeof made === 'function' ? made() : made;
        const naming = () => (anonymous ? { anonymousId: somebody() } : { userId: somebody() });
        const [one, two, three] = [naming(), naming(), naming()];
        assertQueued(await client.ingest(single, { ...one, ...fields }), 'single');
        const other = fields.messageId ? { ...fields, messageId: undefined } : fields;
        assertQueued(await client.ingest(bulk, bulkOf(kind, [{ ...two, ...other }, { ...three, ...other }])), 'bulk');
        if (kind === 'user') assertQueued(await client.call('PUT', client.accountPath('users'), { ...one, ...fields }), 'PUT');
        for (const id of [one, two, three].map((each) => Object.values(each)[0])) {
          const { known, userId, anonymousIds } = await held(id, { anonymous });
          assert.deepEqual([known, userId, anonymousIds], anonymous ? [false, null, [id]] : [true, id, []]);
          assert.equal((await heldEvents(id, { anonymous })).length, kind === 'event' ? 1 : 0);
        }
      }
    });

  test('PUT of a user changes what POST made', async () => {
    const userId = somebody();
    assertQueued(await client.user({ userId, firstName: 'Ann', lastName: 'Lee' }));
    assertQueued(await client.call('PUT', client.accountPath('users'), { userId, firstName: 'Bo' }));
    const { firstName, lastName } = await held(userId);
    assert.deepEqual([firstName, lastName], ['Bo', 'Lee']);
  });

  test('a bulk call of 1,000 is taken whole, in order', async () => {
    const userId = somebody();
    const events = Array.from({ length: 1000 }, (_, number) => ({ userId, eventName: 'Seen', eventData: { number } }));
    assertQueued(await client.bulkEvents(events));
    assert.deepEqual((await heldEvents(userId)).map(({ eventData }) => eventData.number), events.map((_, i) => i));
    assertQueued(await client.bulkUsers(events.map((_, i) => ({ userId, attributes: { number: i } }))));
    assert.deepEqual((await held(userId)).attributes, { number: 999 });
  });
});

// ---- refused ----

describe('refused with 400', () => {
  /** Name, kind, item (text where JSON.stringify could not write it), what the message must say. */
  const BOTH = [
    ['no id', {}, NO_ID],
    ['userId a number', { userId: 7 }, /userId/],
    ['userId an object', { userId: {} }, /userId/],
    ['userId true', { userId: true }, /userId/],
    ['userId null', { userId: null }, /userId/],
    ['userId empty', { userId: '' }, /userId/],
    ['userId of 101 characters', { userId: 'x'.repeat(101) }, /userId/],
    ['userId of 101 wide characters', { userId: wide(101) }, /userId/],
    ['anonymousId a list', { anonymousId: [] }, /anonymousId/],
    ['anonymousId null', { anonymousId: null }, /anonymousId/],
    ['anonymousId empty', { anonymousId: '' }, /anonymousId/],
    ['anonymousId of 101 characters', { anonymousId: 'ü'.repeat(101) }, /anonymousId/],
    ['a bad userId beside a good anonymousId', { userId: '', anonymousId: 'good' }, /userId/],
    ['a key that stands twice', '{"userId":"twin","userId":"twin"}', /userId/],
  ];
  const EVENT = [
    ['no eventName', { eventName: undefined }, /eventName/],
    ['eventName null', { eventName: null }, /eventName/],
    ['eventName a number', { eventName: 5 }, /eventName/],
    ['eventName empty', { eventName: '' }, /eventName/],
    ['eventName of 51 characters', { eventName: wide(51) }, /eventName/],
    ['eventName starting we_', { eventName: 'we_login' }, /eventName/],
    ['eventName with NUL', { eventName: 'See\u0000n' }, /eventName/],
    ['eventName an address', { eventName: 'ann@example.org' }, /eventName/],
    ['eventTime in words', { eventTime: 'yesterday' }, /eventTime/],
    ['eventTime a number', { eventTime: 1763900000 }, /eventTime/],
    ['eventTime a day', { eventTime: '2026-11-20' }, /eventTime/],
    ['eventTime without an offset', { eventTime: '2026-11-20T10:00:00' }, /eventTime/],
    ['eventTime on a day that is none', { eventTime: '2026-02-30T10:00:00Z' }, /eventTime/],
    ['eventTime more than 24 hours ahead', () => ({ eventTime: inHours(24.1) }), /eventTime/],
    ['eventTime empty', { eventTime: '' }, /eventTime/],
    ['eventData a list', { eventData: [] }, /eventData/],
    ['eventData text', { eventData: '{}' }, /eventData/],
    ['messageId empty', { messageId: '' }, /messageId/],
    ['messageId of 101 bytes', { messageId: 'm'.repeat(101) }, /messageId/],
    ['messageId of 102 bytes in 51 characters', { messageId: 'ü'.repeat(51) }, /messageId/],
    ['messageId a number', { messageId: 1 }, /messageId/],
    ['a key of the data that stands twice', '{"userId":"twin","eventName":"Seen","eventData":{"Price":1,"Price":1}}', /Price/],
  ];
  const USER = [
    ...['firstName', 'lastName', 'birthDate', 'gender', 'email', 'phone', 'company', 'hashedEmail', 'hashedPhone'].flatMap((field) =>
      [7, true, [], {}].map((value) => [`${field} ${JSON.stringify(value)}`, { [field]: value }, new RegExp(field)]),
    ),
    ...['email', 'sms', 'whatsapp', 'rcs', 'push', 'inApp', 'webPush'].flatMap((channel) =>
      ['yes', 'true', 1, 0, {}, []].map((value) => [
        `${channel}OptIn ${JSON.stringify(value)}`,
        { [`${channel}OptIn`]: value },
        new RegExp(`${channel}OptIn`),
      ]),
    ),
    ['birthDate in words', { birthDate: 'in May' }, /birthDate/],
    ['birthDate on a day that is none', { birthDate: '1990-02-30' }, /birthDate/],
    ['birthDate empty', { birthDate: '' }, /birthDate/],
    ['hashedEmail of 513 characters', { hashedEmail: 'h'.repeat(513) }, /hashedEmail/],
    ['attributes a list', { attributes: [1] }, /attributes/],
    ['attributes text', { attributes: 'Age' }, /attributes/],
    ['consent text', { consent: 'yes', emailOptIn: true }, /consent/],
    ['consent.wording a number', { consent: { wording: 1 }, emailOptIn: true }, /consent\.wording/],
    ['consent.version a list', { consent: { version: [] }, emailOptIn: true }, /consent\.version/],
    ['consent.road a number', { consent: { road: 1 }, emailOptIn: true }, /consent\.road/],
    ['consent.when in words', { consent: { when: 'now' }, emailOptIn: true }, /consent\.when/],
    ['consent.when ahead', () => ({ consent: { when: inHours(24.1) }, emailOptIn: true }), /consent\.when/],
    ['a key of the attributes that stands twice', '{"userId":"twin","attributes":{"Age":1,"\\u0041ge":1}}', /Age/],
  ];
  const merged = (kind, fields) => {
    const made = typeof fields === 'function' ? fields() : fields;
    if (typeof made === 'string') return made;
    return { ...(kind === 'event' && { eventName: 'Seen' }), ...made };
  };
  const withId = (rows) => rows.map(([name, fields, says]) => {
    const add = (made) => (typeof made === 'string' ? made : { userId: 'refused', ...made });
    return [name, typeof fields === 'function' ? () => add(fields()) : add(fields), says];
  });
  const TABLE = [
    ...['user', 'event'].map((kind) => [kind, BOTH]),
    ['user', withId(USER)],
    ['event', withId(EVENT)],
  ].flatMap(([kind, rows]) => rows.map(([name, fields, says]) => [kind, name, fields, says]));

  const assertMessage = (message, says, what) => {
    if (typeof says === 'string') assert.equal(message, says, what);
    else assert.match(message, says, what);
  };

  test('single: the message names the field, and nothing is held', async () => {
    for (const [kind, name, fields, says] of TABLE) {
      const what = `${kind}: ${name}`;
      const answer = await client.ingest(ROUTES[kind][0], text(merged(kind, fields)));
      assert.equal(answer.status, 400, `${what}: ${answer.text}`);
      const { response, ...more } = answer.json();
      assert.deepEqual([response.status, Object.keys(response).sort(), more], ['error', ['message', 'status'], {}], what);
      assert.match(response.message, /^Error: /, what);
      assertMessage(response.message, says, what);
    }
    for (const id of ['refused', 'twin']) assert.equal((await client.read(id)).status, 404, id);
    assert.equal((await client.read('good', { anonymous: true })).status, 404);
  });

  test('among good items: 201, that one in `rejected`, the others held', async () => {
    for (const [kind, name, fields, says] of TABLE) {
      const what = `${kind}: ${name}`;
      const [first, last] = [somebody(), somebody()];
      const items = [fine(kind, first), merged(kind, fields), fine(kind, last)];
      const answer = await client.ingest(ROUTES[kind][1], bulkOf(kind, items));
      assert.equal(answer.status, 201, `${what}: ${answer.text}`);
      const { response } = answer.json();
      assert.deepEqual(Object.keys(response).sort(), ['rejected', 'status'], what);
      assert.equal(response.status, 'queued', what);
      assert.deepEqual(response.rejected.map((each) => [Object.keys(each).sort().join(), each.index]), [['index,message', 1]], what);
      assertMessage(`Error: ${response.rejected[0].message}`, says, what);
      for (const id of [first, last]) assert.equal((await client.read(id)).status, 200, `${what}: ${id}`);
    }
    for (const id of ['refused', 'twin']) assert.equal((await client.read(id)).status, 404, id);
  });

  test('all items of a call: 400 with `rejected` in order', async () => {
    for (const kind of ['user', 'event']) {
      const rows = TABLE.filter(([of]) => of === kind);
      const answer = await client.ingest(ROUTES[kind][1], bulkOf(kind, rows.map(([, , fields]) => merged(kind, fields))));
      assert.equal(answer.status, 400, answer.text);
      const { response } = answer.json();
      assert.equal(response.status, 'error');
      assert.equal(typeof response.message, 'string');
      assert.equal(response.ignored, undefined);
      assert.deepEqual(response.rejected.map(({ index }) => index), rows.map((_, i) => i));
      for (const [i, [, name, , says]] of rows.entries()) assertMessage(`Error: ${response.rejected[i].message}`, says, name);
    }
  });

  test('several at once, of every fate', async () => {
    const [good, partly] = [somebody(), somebody()];
    const answer = await client.bulkEvents([
      { eventName: 'Seen' },
      { userId: good, eventName: 'Seen' },
      { userId: partly, eventName: 'Seen', more: 1 },
      { userId: good },
    ]);
    assert.equal(answer.status, 201);
    const { rejected, ignored } = answer.json().response;
    assert.deepEqual(rejected.map(({ index }) => index), [0, 3]);
    assert.deepEqual(ignored, [{ index: 2, field: 'more', message: 'unknown field' }]);
    assert.equal((await heldEvents(good)).length, 1);
  });

  test('a list that is none, is empty, or holds more than 1,000', async () => {
    for (const kind of ['user', 'event']) {
      const [, bulk, list] = ROUTES[kind];
      const item = fine(kind, 'crowd');
      const rows = [
        ['missing', '{}'],
        ['null', `{"${list}":null}`],
        ['an object', `{"${list}":${item}}`],
        ['empty', `{"${list}":[]}`],
        ['1,001', `{"${list}":[${Array(1001).fill(item)}]}`],
        ['twice', `{"${list}":[${item}],"${list}":[${item}]}`],
        ['of the other kind', `{"${kind === 'user' ? 'events' : 'users'}":[${item}]}`],
      ];
      for (const [name, body] of rows) {
        const answer = await client.ingest(bulk, body);
        assert.equal(answer.status, 400, `${name}: ${answer.text}`);
        assert.match(answer.json().response.message, new RegExp(list), name);
      }
      for (const body of ['[]', `[${item}]`, '7', 'null', '"users"']) {
        assert.equal((await client.ingest(bulk, body)).status, 400, body);
        assert.equal((await client.ingest(ROUTES[kind][0], body)).status, 400, body);
      }
    }
    assert.equal((await client.read('crowd')).status, 404);
  });
});

// ---- taken in part ----

describe('taken in part', () => {
  const long = 'ab😀'.repeat(400); // 1,200 code points
  const cut = 'ab😀'.repeat(333) + 'a'; // 1,000
  /** Name, kind, fields, what is ignored (fields in order), what is held of attributes or data, of system fields. */
  const ROWS = [
    ['an unknown member at the top', 'user', { firstName: 'Ann', nickname: 'A', attributes: { Age: 1 } }, ['nickname'], { Age: 1 }, { firstName: 'Ann' }],
    ['an unknown member at the top', 'event', { location: 'x', eventData: { A: 1 } }, ['location'], { A: 1 }],
    ['the field of the other kind', 'user', { eventName: 'Seen' }, ['eventName'], {}],
    ['the field of the other kind', 'event', { email: 'a@b.example' }, ['email'], {}],
    ['names starting we_', 'user', { attributes: { we_plan: 1, plan: 2 } }, ['we_plan'], { plan: 2 }],
    ['names starting we_', 'event', { eventData: { we_plan: 1, plan: 2, we_x: [1] } }, ['we_plan', 'we_x'], { plan: 2 }],
    ['a name of 51 characters', 'user', { attributes: { [wide(51)]: 1, [wide(50)]: 2 } }, [wide(51)], { [wide(50)]: 2 }],
    ['a name of 51 characters', 'event', { eventData: { [wide(51)]: 1, [wide(50)]: 2 } }, [wide(51)], { [wide(50)]: 2 }],
    ['an empty name', 'user', { attributes: { '': 1, B: 2 } }, [''], { B: 2 }],
    ['an empty name', 'event', { eventData: { '': 1, B: 2 } }, [''], { B: 2 }],
    ['text over 1,000 characters', 'user', { attributes: { Long: long } }, ['Long'], { Long: cut }],
    ['text over 1,000 characters', 'event', { eventData: { Long: long, B: 2 } }, ['Long'], { Long: cut, B: 2 }],
    ['a system field over 1,000 characters', 'user', { company: long }, ['company'], {}, { company: cut }],
    ['consent with no opt-in beside it', 'user', { consent: { wording: 'x' } }, ['consent'], {}],
    ['consent with an unknown member', 'user', { emailOptIn: true, consent: { wording: 'x', colour: 1 } }, ['consent'], {}],
    ['consent with a long wording', 'user', { emailOptIn: true, consent: { wording: long } }, ['consent.wording'], {}],
    ['a name shaped like an address', 'user', { attributes: { 'ann@example.org': 1, B: 2 } }, ['ann@example.org'], { B: 2 }],
    ['a name shaped like a number', 'event', { eventData: { '+49 170 1234567': 1, B: 2 } }, ['+49 170 1234567'], { B: 2 }],
  ];

  for (const [name, kind, fields, ignored, values, system = {}] of ROWS)
    test(`${kind}: ${name}`, async () => {
      const item = (userId) => ({ userId, ...(kind === 'event' && { eventName: 'Seen' }), ...fields });
      const [one, other, two] = [somebody(), somebody(), somebody()];
      const single = await client.ingest(ROUTES[kind][0], item(one));
      assert.equal(single.status, 201, single.text);
      const { response } = single.json();
      assert.deepEqual(Object.keys(response), ['status', 'ignored']);
      assert.deepEqual(response.ignored.map((each) => Object.keys(each).join()), ignored.map(() => 'field,message'));
      assert.deepEqual(response.ignored.map(({ field }) => field), ignored);
      for (const { message } of response.ignored) assert.match(message, /\w/);
      const bulk = await client.ingest(ROUTES[kind][1], bulkOf(kind, [fine(kind, other), item(two)]));
      assert.deepEqual(bulk.json().response.ignored, response.ignored.map((each) => ({ index: 1, ...each })));
      assert.equal(bulk.json().response.rejected, undefined);
      for (const userId of [one, two]) {
        const now = await held(userId);
        for (const [field, value] of Object.entries(system)) assert.equal(now[field], value);
        if (kind === 'user') assert.deepEqual(now.attributes, values);
        else assert.deepEqual((await heldEvents(userId)).map(({ eventData }) => eventData), [values]);
        for (const field of ignored) if (!(field in system)) assert.equal(now[field], undefined);
      }
    });

  test('an unknown member beside the list', async () => {
    const userId = somebody();
    const answer = await client.ingest('bulk-users', { users: [{ userId }], batch: 7 });
    assert.deepEqual(answer.json(), { response: { status: 'queued', ignored: [{ field: 'batch', message: 'unknown field' }] } });
  });

  test('a refused item names nothing that was ignored in it', async () => {
    const userId = somebody();
    const answer = await client.bulkEvents([{ more: 1, eventName: 'Seen' }, { userId, eventName: 'Seen' }]);
    assert.equal(answer.json().response.ignored, undefined);
  });
});

describe('what depends on what is held', () => {
  const many = (from, count) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`held ${from + i}`, 'x']));
  const tree = (length) => 'x'.repeat(length - 4); // ["..."] of that many bytes
  /** Name, what is sent first, what is sent then, what is ignored of it. */
  const ROWS = [
    ['25 of a type', { attributes: many(0, 25) }, { attributes: many(25, 2) }, ['held 25', 'held 26']],
    ['16 KB', { attributes: { tree: Array(16).fill(tree(999)) } }, { attributes: { more: [tree(900)], small: [1] } }, ['more']],
    [
      'an opt-in that is not applied',
      { emailOptIn: false, consent: { wording: 'w', version: '1', when: '2026-11-20T10:00:00Z', road: 'link' } },
      { emailOptIn: true },
      ['emailOptIn'],
    ],
  ];
  for (const [name, first, then, ignored] of ROWS)
    test(`${name}: named to a key that may read, to no other`, async () => {
      const writers = { 'write key': client.write_key, ingest: await keyWith('ingest'), 'ingest, rights': await keyWith('ingest,rights') };
      const reader = await keyWith('ingest,read');
      for (const key of [client.api_key, reader]) {
        const userId = somebody();
        assertQueued(await client.user({ userId, ...first }));
        const single = await client.user({ userId, ...then }, { key });
        assert.deepEqual(single.json().response.ignored.map(({ field }) => field), ignored);
        const bulk = await client.bulkUsers([{ userId }, { userId, ...then }], { key });
        assert.deepEqual(bulk.json().response.ignored.map(({ index, field }) => [index, field]), ignored.map((field) => [1, field]));
      }
      for (const [who, key] of Object.entries(writers)) {
        const userId = somebody();
        assertQueued(await client.user({ userId, ...first }));
        const before = await held(userId);
        assertQueued(await client.user({ userId, ...then }, { key }), who);
        assertQueued(await client.bulkUsers([{ userId }, { userId, ...then }], { key }), who);
        const { attributes, preferences } = await held(userId);
        for (const field of ignored) assert.equal(attributes[field], undefined);
        assert.equal(preferences.email.optedIn, before.preferences.email.optedIn);
      }
    });

  test('what does not depend on it is named to every key', async () => {
    const answer = await client.user({ userId: somebody(), nickname: 'x' }, { key: client.write_key });
    assert.deepEqual(answer.json().response.ignored, [{ field: 'nickname', message: 'unknown field' }]);
  });
});

// ---- null, absent, both ids ----

test('null removes a value, absent changes nothing, and neither touches a preference', async () => {
  const userId = somebody();
  const system = {
    firstName: 'Ann', lastName: 'Lee', birthDate: '1990-01-31', gender: 'female', email: 'ann@example.org', phone: '+491701234567',
    company: 'Lee', hashedEmail: 'e5', hashedPhone: 'f6',
  };
  const optIns = { emailOptIn: false, smsOptIn: true, whatsappOptIn: true };
  const attributes = { Text: 'a', Number: 1, Flag: false, Day: '2026-01-01T00:00:00Z', List: [1], Map: { a: null } };
  assertQueued(await client.user({ userId, ...system, ...optIns, attributes }));
  const whole = await held(userId);
  assertQueued(await client.user({ userId }));
  assertQueued(await client.user({ userId, attributes: {} }));
  assertQueued(await client.user({ userId, attributes: null, emailOptIn: null, smsOptIn: null, whatsappOptIn: null }));
  assert.deepEqual(await held(userId), whole);

  for (const [taken, field] of Object.keys(system).entries()) {
    assertQueued(await client.user({ userId, [field]: null }));
    const now = await held(userId);
    for (const [place, other] of Object.keys(system).entries())
      assert.equal(now[other], place <= taken ? undefined : system[other], `${other} after ${field}`);
    assert.deepEqual([now.attributes, now.preferences], [attributes, whole.preferences]);
    assert.ok(!now.sources.some((source) => source.field === field));
  }
  for (const [taken, name] of Object.keys(attributes).entries()) {
    assertQueued(await client.bulkUsers([{ userId, attributes: { [name]: null, never: null } }]));
    assert.deepEqual((await held(userId)).attributes, Object.fromEntries(Object.entries(attributes).slice(taken + 1)));
  }
  assert.deepEqual((await held(userId)).preferences, whole.preferences);
  assertQueued(await client.user({ userId, email: 'back@example.org', attributes: { Number: 2 } }));
  const back = await held(userId);
  assert.deepEqual([back.email, back.attributes], ['back@example.org', { Number: 2 }]);
});

test('a null inside event data stands as it was sent', async () => {
  const userId = somebody();
  assertQueued(await client.event({ userId, eventName: 'Seen', eventData: { a: null, b: { c: null }, d: [null] } }));
  assert.deepEqual((await heldEvents(userId))[0].eventData, { a: null, b: { c: null }, d: [null] });
});

test('userId and anonymousId together: userId counts, the other is ignored and not linked', async () => {
  const [userId, guest] = [somebody('known'), somebody('guest')];
  assertQueued(await client.user({ anonymousId: guest, userId, firstName: 'Ann' }));
  assertQueued(await client.event({ anonymousId: guest, userId, eventName: 'Seen' }));
  assertQueued(await client.bulkEvents([{ userId, anonymousId: guest, eventName: 'Seen' }]));
  assertQueued(await client.bulkUsers([{ userId, anonymousId: guest, lastName: 'Lee' }]));
  assert.equal((await client.read(guest, { anonymous: true })).status, 404);
  const { anonymousIds, aliases, firstName, lastName } = await held(userId);
  assert.deepEqual([anonymousIds, aliases, firstName, lastName], [[], [], 'Ann', 'Lee']);
  assert.equal((await heldEvents(userId)).length, 2);
  for (const odd of ['', null, 7, 'x'.repeat(101)]) assertQueued(await client.user({ userId, anonymousId: odd }), `${odd}`);

  assertQueued(await client.user({ anonymousId: guest, firstName: 'Guest' }));
  assertQueued(await client.user({ userId, anonymousId: guest, firstName: 'Bo' }));
  assert.equal((await held(guest, { anonymous: true })).firstName, 'Guest');
  assert.equal((await held(userId)).firstName, 'Bo');
});

test('the same text as userId and as anonymousId is two people', async () => {
  const id = somebody('both');
  assertQueued(await client.user({ userId: id, firstName: 'Known' }));
  assertQueued(await client.user({ anonymousId: id, firstName: 'Guest' }));
  assert.equal((await held(id)).firstName, 'Known');
  assert.equal((await held(id, { anonymous: true })).firstName, 'Guest');
});

// ---- dates ----

test('dates in: every form; out: UTC with milliseconds', async () => {
  const ROWS = [
    ['2018-09-15T18:29:00-0800', '2018-09-16T02:29:00.000Z'],
    ['2018-09-15T18:29:00-08:00', '2018-09-16T02:29:00.000Z'],
    ['2018-09-15T18:29:00+0530', '2018-09-15T12:59:00.000Z'],
    ['2018-09-15T18:29:00+05:30', '2018-09-15T12:59:00.000Z'],
    ['2018-09-15T18:29:00Z', '2018-09-15T18:29:00.000Z'],
    ['2018-09-15T18:29:00+0000', '2018-09-15T18:29:00.000Z'],
    ['2018-09-15T18:29:00-00:00', '2018-09-15T18:29:00.000Z'],
    ['2018-09-15T18:29:00.5Z', '2018-09-15T18:29:00.500Z'],
    ['2018-09-15T18:29:00.123+0200', '2018-09-15T16:29:00.123Z'],
    ['2018-09-15T18:29:00.123456789+02:00', '2018-09-15T16:29:00.123Z'],
    ['2024-02-29T23:59:59.999Z', '2024-02-29T23:59:59.999Z'],
    ['1969-12-31T23:59:59.001Z', '1969-12-31T23:59:59.001Z'],
    ['1900-01-01T00:00:00Z', '1900-01-01T00:00:00.000Z'],
  ];
  const userId = somebody();
  const begin = Date.now();
  for (const [eventTime] of ROWS) assertQueued(await client.event({ userId, eventName: 'Seen', eventTime }), eventTime);
  assertQueued(await client.bulkEvents(ROWS.map(([eventTime]) => ({ userId, eventName: 'Seen', eventTime }))));
  assertQueued(await client.event({ userId, eventName: 'Seen' }));
  const events = await heldEvents(userId);
  const out = ROWS.map(([, written]) => written);
  assert.deepEqual(events.slice(0, -1).map(({ eventTime }) => eventTime), [...out, ...out]);
  const last = events.at(-1);
  assert.equal(last.eventTime, last.receivedAt, 'without a time it is that of the receipt');
  for (const { receivedAt } of events) {
    assert.match(receivedAt, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    const at = Date.parse(receivedAt);
    assert.ok(at >= begin && at <= Date.now(), receivedAt);
  }
});

test('a birth date comes back as it was sent', async () => {
  for (const birthDate of ['1986-08-19T15:45:00-0800', '1990-05-21', '1990-05-21T00:00:00.000+05:30', '1850-01-01', '2024-02-29']) {
    const userId = somebody();
    assertQueued(await client.user({ userId, birthDate }));
    assert.equal(rawAt((await client.read(userId)).text, 'birthDate'), JSON.stringify(birthDate));
  }
});

// ---- the envelope around it ----

describe('before the body is looked at', () => {
  const calls = [
    ['POST', 'users'],
    ['PUT', 'users'],
    ['POST', 'events'],
    ['POST', 'bulk-users'],
    ['POST', 'bulk-events'],
  ];
  const BODIES = ['{}', '{', '', fine('event', 'unseen'), bulkOf('user', [fine('user', 'unseen')]), bulkOf('event', [fine('event', 'unseen')])];

  test('format=xml is 400, format=json is as none', async () => {
    for (const [method, route] of calls) {
      const send = (format, key) => client.call(method, `${client.accountPath(route)}?format=${format}`, fine('event', 'unseen'), { key });
      const answer = await send('xml', client.api_key);
      assert.equal(answer.status, 400);
      assert.equal(answer.json().response.status, 'error');
      assert.match(answer.headers['content-type'], /^application\/json/);
      assert.equal((await send('yaml', client.api_key)).status, 400);
      assert.equal((await send('xml', 'wrong')).status, 401);
    }
    assert.equal((await client.read('unseen')).status, 404);
    const userId = somebody();
    assertQueued(await client.call('POST', `${client.accountPath('users')}?format=json`, { userId }));
  });

  test('a wrong or missing key is 401 whatever else is wrong', async () => {
    const other = await server.account('refusing');
    const { code } = await server.cli(['account', 'set', '--license', 'refusing', 'rate_limit=1']);
    assert.equal(code, 0);
    const KEYS = {
      none: { key: null },
      wrong: { key: 'wrong' },
      empty: { headers: { authorization: 'Bearer ' }, key: null },
      'another scheme': { headers: { authorization: `Basic ${client.api_key}` }, key: null },
      'one digit more': { key: `${client.api_key}0` },
      'one digit less': { key: client.api_key.slice(0, -1) },
    };
    for (const [name, options] of Object.entries(KEYS))
      for (const [method, route] of calls)
        for (const license of ['shop1', 'refusing', 'nobody'])
          for (const query of ['', '?format=xml'])
            for (const body of BODIES) {
              const path = client.accountPath(route, { license }) + query;
              const answer = await client.call(method, path, body, options);
              assert.equal(answer.status, 401, `${name} ${method} ${path}: ${answer.text}`);
              assert.equal(answer.json().response.status, 'error');
            }
    assert.equal((await other.event({ userId: 'first', eventName: 'Seen' })).headers['x-ratelimit-remaining'], '0');
    assert.equal((await client.read('unseen')).status, 404);
  });

  test("a license that is not the key's is 404, before its scopes and its body are looked at", async () => {
    const other = await server.account('elsewhere');
    const reader = await keyWith('read');
    for (const key of [client.api_key, client.write_key, reader])
      for (const license of ['elsewhere', 'nobody', 'SHOP1', 'shop1 ', '~', '%2e'])
        for (const [method, route] of calls)
          for (const body of BODIES) {
            const answer = await client.call(method, client.accountPath(route, { license }), body, { key });
            assert.equal(answer.status, 404, `${license} ${route}: ${answer.text}`);
            assert.equal(answer.json().response.status, 'error');
          }
    assert.equal((await other.read('unseen')).status, 404);
  });

  test('a missing scope is 401, before the body is looked at', async () => {
    for (const scopes of ['read', 'report', 'rights', 'admin', 'read,report,rights,admin']) {
      const key = await keyWith(scopes);
      for (const [method, route] of calls)
        for (const body of BODIES) {
          const answer = await client.call(method, client.accountPath(route), body, { key });
          assert.equal(answer.status, 401, `${scopes} ${route}: ${answer.text}`);
        }
    }
    assert.equal((await client.read('unseen')).status, 404);
  });

  test('reads need a key with the scope read', async () => {
    const userId = somebody();
    assertQueued(await client.event({ userId, eventName: 'Seen' }));
    for (const path of ['', '/events'])
      for (const [key, status] of [[null, 401], ['wrong', 401], [client.write_key, 401], [await keyWith('ingest,report'), 401], [await keyWith('read'), 200]]) {
        const answer = await client.call('GET', `/api/users/${encodeURIComponent(userId)}${path}`, undefined, { key });
        assert.equal(answer.status, status, answer.text);
        if (status !== 200) assert.deepEqual(Object.keys(answer.json().error), ['code', 'message']);
      }
  });

  test('who is not there is 404, and every error of a read has a code and a message', async () => {
    for (const path of ['/api/users/nobody', '/api/anonymous/nobody', '/api/users/nobody/events', '/api/anonymous/nobody/events']) {
      const answer = await client.call('GET', path);
      assert.equal(answer.status, 404);
      assert.deepEqual(Object.keys(answer.json()), ['error']);
      assert.equal(answer.json().error.code, 'not_found');
      assert.equal(typeof answer.json().error.message, 'string');
    }
  });
});

