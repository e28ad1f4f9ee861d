// Data-subject requests on WebEngage's road: who may ask what in which state, ids, repeated calls, windows, bodies.
import assert from 'node:assert/strict';
import test from 'node:test';

import { startServer, until } from './lib/server.mjs';
import { daysAhead } from './proof/clock.mjs';

const TYPES = ['erasure', 'restriction', 're-enable', 'portability'];
const LEGAL = { headers: { 'habeas-reason': 'legal_claim' } };

// ---- a person, whichever sort of id names them ----

function person(client, id, anonymous = false) {
  const naming = anonymous ? { anonymousId: id } : { userId: id };
  const identity_type = anonymous ? 'anonymous' : 'cuid';
  return {
    id,
    anonymous,
    send: (eventData = {}, more = {}) => client.event({ ...naming, eventName: 'Seen', eventData, ...more }),
    set: (fields) => client.user({ ...naming, ...fields }),
    ask: (type, extras = {}) => client.gdpr(type, id, { identity_type, ...extras }),
    read: (options = {}) => client.read(id, { anonymous, ...options }),
    events: (options = {}) => client.events(id, { anonymous, ...options }),
    async rights() {
      const answer = await client.read(id, { anonymous, ...LEGAL });
      assert.equal(answer.status, 200, answer.text);
      return answer
        .json()
        .rights.map(({ kind }) => kind)
        .sort();
    },
  };
}

async function ok(promise, what = 'the call') {
  const answer = await promise;
  assert.ok(answer.status === 200 || answer.status === 201, `${what}: ${answer.status} ${answer.text}`);
  return answer;
}

function assertFlat(answer, status, id, message) {
  assert.equal(answer.status, status, answer.text);
  const body = answer.json();
  assert.deepEqual(Object.keys(body), ['subject_request_id', 'message'], answer.text);
  assert.equal(body.subject_request_id, id);
  assert.equal(typeof body.message, 'string');
  assert.ok(body.message.length > 0);
  if (message !== undefined) assert.equal(body.message, message);
}

async function desk(client) {
  const all = [];
  for (let before = ''; ; before = `&before=${all.at(-1).request}`) {
    const { requests } = (await ok(client.call('GET', `/api/requests?limit=1000${before}`))).json();
    all.push(...requests);
    if (requests.length < 1000) return all;
  }
}

async function ready(server, client) {
  await until(async () => (await client.call('GET', '/readyz', undefined, { key: null })).status === 200, {
    what: 'readiness',
    pauseMs: 2,
  });
}

// ---- the table: each way into each state, each request, both sorts of ids ----

const ERASURE_PENDING = 'an erasure is already pending';
const CANCEL_FIRST = 'an erasure is pending: cancel it first';

const eraseAndCancel = async (p, client) => {
  const { subject_request_id } = (await ok(p.ask('erasure'))).json();
  await ok(client.cancel(subject_request_id));
};

/** `early` runs while window 0 is set, `late` under a window of 7 days. */
const WAYS = [
  { state: 'free', way: 'new', late: (p) => p.send() },
  {
    state: 'free',
    way: 're-enabled',
    late: async (p) => [await p.send(), await ok(p.ask('restriction')), await ok(p.ask('re-enable'))],
  },
  {
    state: 'free',
    way: 'erasure cancelled',
    late: async (p, client) => [await p.send(), await eraseAndCancel(p, client)],
  },
  {
    state: 'free',
    way: 'back after an erasure',
    early: async (p) => [await p.send(), await ok(p.ask('erasure')), await ok(p.send())],
  },
  { state: 'restricted', way: 'restricted', late: async (p) => [await p.send(), await ok(p.ask('restriction'))] },
  {
    state: 'restricted',
    way: 'restricted twice',
    late: async (p) => [await p.send(), await ok(p.ask('restriction')), await ok(p.ask('restriction'))],
  },
  {
    state: 'restricted',
    way: 'restricted, then an erasure cancelled',
    late: async (p, client) => [await p.send(), await ok(p.ask('restriction')), await eraseAndCancel(p, client)],
  },
  {
    state: 'restricted',
    way: 'restricted while an erasure was pending that was cancelled',
    async late(p, client) {
      await p.send();
      const { subject_request_id } = (await ok(p.ask('erasure'))).json();
      await ok(p.ask('restriction'));
      await ok(client.cancel(subject_request_id));
    },
  },
  { state: 'pending', way: 'erasure asked', late: async (p) => [await p.send(), await ok(p.ask('erasure'))] },
  {
    state: 'pending',
    way: 'restricted, then erasure asked',
    restricted: true,
    late: async (p) => [await p.send(), await ok(p.ask('restriction')), await ok(p.ask('erasure'))],
  },
  {
    state: 'pending',
    way: 'restricted while pending',
    restricted: true,
    late: async (p) => [await p.send(), await ok(p.ask('erasure')), await ok(p.ask('restriction'))],
  },
  { state: 'gone', way: 'never seen' },
  { state: 'gone', way: 'erased at once', early: async (p) => [await p.send(), await ok(p.ask('erasure'))] },
  {
    state: 'gone',
    way: 'erased and suppressed',
    early: async (p) => [await p.send(), await ok(p.ask('erasure', { suppress: { until: null } })), await ok(p.send())],
  },
  {
    state: 'gone',
    way: 'erased just now',
    window0: true,
    late: async (p) => [await p.send(), await ok(p.ask('erasure'))],
  },
];

/** Per state and request: the answer, and what is in force after it (undefined: nobody is there). */
const TABLE = {
  free: {
    erasure: { status: 201, after: ['pending_erasure'] },
    restriction: { status: 201, after: ['restriction'] },
    're-enable': { status: 201, after: [] },
    portability: { status: 201, after: [] },
  },
  restricted: {
    erasure: { status: 201, after: ['pending_erasure', 'restriction'] },
    restriction: { status: 201, unchanged: true },
    're-enable': { status: 201, after: [] },
    portability: { status: 201, unchanged: true },
  },
  pending: {
    erasure: { status: 400, message: ERASURE_PENDING, unchanged: true },
    restriction: { status: 201, after: ['pending_erasure', 'restriction'] },
    're-enable': { status: 400, message: CANCEL_FIRST, unchanged: true },
    portability: { status: 201, unchanged: true },
  },
  gone: Object.fromEntries(TYPES.map((type) => [type, { status: 400 }])),
};

test('each cell of the table: state of the person, reached in every way, against each request', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '0'] });
  const client = await server.account();
  const cases = [];
  for (const way of WAYS)
    for (const type of TYPES)
      for (const anonymous of [false, true]) {
        const name = `${way.way}: ${type}, ${anonymous ? 'anonymous' : 'cuid'}`;
        cases.push({ ...way, type, name, person: person(client, name, anonymous) });
      }
  for (const item of cases) await item.early?.(item.person);
  for (const item of cases.filter(({ window0 }) => window0)) {
    await item.late(item.person);
    await checkCell(client, item);
  }
  await server.restart({ options: ['--cancel-window', '7d'] });
  for (const item of cases.filter(({ window0 }) => !window0)) {
    await item.late?.(item.person, client);
    await checkCell(client, item);
  }
});

async function checkCell(client, { state, type, name, person: p, restricted = false }) {
  const cell = TABLE[state][type];
  const before = state === 'gone' ? undefined : await p.rights();
  const id = `request for ${name}`;
  const answer = await p.ask(type, { subject_request_id: id });
  if (cell.status === 201) {
    assert.equal(answer.status, 201, `${name}: ${answer.text}`);
    const { subject_request_id, subject_request_type, message } = answer.json();
    assert.deepEqual([subject_request_id, subject_request_type, message], [id, type, `${type} request registered`]);
    const status = type === 'erasure' ? 'PENDING' : 'DONE';
    assert.deepEqual((await client.status(id)).json(), { subject_request_id: id, subject_request_type: type, status });
  } else {
    assertFlat(answer, 400, id, cell.message);
    assertFlat(await client.status(id), 404, id); // a refused request leaves nothing
  }
  if (state === 'gone') {
    assert.equal((await p.read()).status, 404, name);
    return;
  }
  assert.deepEqual(await p.rights(), cell.unchanged ? before : cell.after, name);
  if (restricted) assert.deepEqual(before, ['pending_erasure', 'restriction'], name);
}

// ---- who is meant ----

test('identity_type missing means cuid, and an anonymous id is no cuid', async (t) => {
  const server = await startServer(t);
  const client = await server.account();
  await ok(client.event({ userId: 'known', eventName: 'E' }));
  await ok(client.event({ anonymousId: 'guest', eventName: 'E' }));
  const ask = (subject_request_id, identity) =>
    client.call('POST', client.accountPath('opengdpr_requests'), {
      subject_request_id,
      subject_request_type: 'portability',
      subject_identities: [identity],
    });
  assert.equal((await ok(ask('1', { identity_value: 'known' }))).json().user.userId, 'known');
  assert.equal((await ok(ask('2', { identity_type: 'cuid', identity_value: 'known' }))).json().user.userId, 'known');
  const guest = (await ok(ask('3', { identity_type: 'anonymous', identity_value: 'guest' }))).json().user;
  assert.deepEqual([guest.userId, guest.anonymousIds, guest.known], [null, ['guest'], false]);
  assertFlat(await ask('4', { identity_type: 'cuid', identity_value: 'guest' }), 400, '4');
  assertFlat(await ask('5', { identity_value: 'guest' }), 400, '5');
  assertFlat(await ask('6', { identity_type: 'anonymous', identity_value: 'known' }), 400, '6');
  assertFlat(await ask('7', { identity_value: 'Known' }), 400, '7');
  assertFlat(await ask('8', { identity_value: 'known ' }), 400, '8');
});

test('members that nobody knows are ignored, at every level', async (t) => {
  const server = await startServer(t);
  const client = await server.account();
  await ok(client.event({ userId: 'ann', eventName: 'E' }));
  const answer = await client.call('POST', client.accountPath('opengdpr_requests'), {
    api_version: '1.0',
    submitted_time: 'whenever',
    subject_request_id: 'extra',
    subject_request_type: 'restriction',
    subject_identities: [{ identity_type: 'cuid', identity_value: 'ann', identity_format: 'raw', x: { y: [null] } }],
    status_callback_urls: [1, 2],
    extensions: { deep: [[[{}]]] },
    notice: null,
  });
  assert.equal(answer.status, 201, answer.text);
  assert.deepEqual(answer.json(), {
    subject_request_id: 'extra',
    subject_request_type: 'restriction',
    message: 'restriction request registered',
  });
});

test('a body that is not a request is 400 with a flat body, and does nothing', async (t) => {
  const server = await startServer(t);
  const client = await server.account();
  await ok(client.event({ userId: 'ann', eventName: 'E' }));
  const good = {
    subject_request_id: 'r',
    subject_request_type: 'restriction',
    subject_identities: [{ identity_type: 'cuid', identity_value: 'ann' }],
  };
  const one = good.subject_identities[0];
  const cases = [
    ['no identities', { ...good, subject_identities: undefined }, 'r'],
    ['none', { ...good, subject_identities: [] }, 'r'],
    ['two', { ...good, subject_identities: [one, one] }, 'r'],
    ['no list', { ...good, subject_identities: one }, 'r'],
    ['a text as identity', { ...good, subject_identities: ['ann'] }, 'r'],
    ['an e-mail address as identity', { ...good, subject_identities: [{ ...one, identity_type: 'email' }] }, 'r'],
    ['identity_type no text', { ...good, subject_identities: [{ ...one, identity_type: 1 }] }, 'r'],
    ['no identity_value', { ...good, subject_identities: [{ identity_type: 'cuid' }] }, 'r'],
    ['identity_value no text', { ...good, subject_identities: [{ ...one, identity_value: 7 }] }, 'r'],
    ['identity_value empty', { ...good, subject_identities: [{ ...one, identity_value: '' }] }, 'r'],
    ['no type', { ...good, subject_request_type: undefined }, 'r'],
    ['another type', { ...good, subject_request_type: 'access' }, 'r'],
    ['type in capitals', { ...good, subject_request_type: 'Restriction' }, 'r'],
    ['type no text', { ...good, subject_request_type: ['restriction'] }, 'r'],
    ['no id', { ...good, subject_request_id: undefined }, null],
    ['id empty', { ...good, subject_request_id: '' }, null],
    ['id no text', { ...good, subject_request_id: 7 }, null],
    ['suppress no object', { ...good, subject_request_type: 'erasure', suppress: true }, 'r'],
    ['suppress.until unreadable', { ...good, subject_request_type: 'erasure', suppress: { until: 'soon' } }, 'r'],
    ['keep_opt_outs no boolean', { ...good, subject_request_type: 'erasure', keep_opt_outs: 'no' }, 'r'],
    ['notice without told_at', { ...good, subject_request_type: 're-enable', notice: { road: 'letter' } }, 'r'],
    ['notice.told_at unreadable', { ...good, subject_request_type: 're-enable', notice: { told_at: 'once' } }, 'r'],
    ['a list', [good], null],
    ['no JSON', '{"subject_request_id":"r"', null],
    ['nothing', '', null],
    ['a key twice', JSON.stringify(good).replace('{', '{"subject_request_id":"s",'), null],
  ];
  for (const [name, body, id] of cases) {
    const answer = await client.call('POST', client.accountPath('opengdpr_requests'), body);
    assert.equal(answer.status, 400, `${name}: ${answer.status} ${answer.text}`);
    assertFlat(answer, 400, id);
    assert.doesNotMatch(answer.json().message, /\bann\b/, name);
  }
  assert.deepEqual(await person(client, 'ann').rights(), []);
  assert.deepEqual(await desk(client), []);
});

// ---- request ids ----

test('a request id is 1 to 255 bytes of any character, belongs to the account, and is readable after the erasure', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '0'] });
  const client = await server.account();
  const other = await server.account('shop2');
  const ids = [
    'x',
    'ann.mayer+1@example.org',
    'a/b',
    '/',
    '//',
    '.',
    '..',
    '../opengdpr_requests',
    '%2F',
    '%',
    '?a=b&c#d',
    'with spaces ',
    ' ',
    '+',
    `"quoted" 'single' \\back`,
    'tab\tnew\nline\r',
    '\u0001\u001f\u007f',
    'Zoë 東京 😀',
    'e\u0301',
    '\u00e9',
    'a7551968-d5d6-44b2-9831-815ac90177879',
    '{"subject_request_id":"x"}',
    'i'.repeat(255),
    '€'.repeat(85),
    '😀'.repeat(63) + 'abc',
  ];
  for (const [i, id] of ids.entries()) {
    const p = person(client, `person ${i}`);
    await ok(p.send());
    const answer = await ok(p.ask('erasure', { subject_request_id: id }), JSON.stringify(id));
    assert.equal(answer.json().subject_request_id, id);
  }
  const check = async () => {
    for (const id of ids) {
      const status = await until(
        async () => {
          const { status, ...rest } = (await ok(client.status(id), JSON.stringify(id))).json();
          assert.deepEqual(rest, { subject_request_id: id, subject_request_type: 'erasure' });
          assert.ok(['PROCESSING', 'DONE'].includes(status), status);
          return status === 'DONE';
        },
        { what: 'DONE' },
      );
      assert.ok(status);
      assertFlat(await client.cancel(id), 400, id, 'request already completed');
      assertFlat(await other.status(id), 404, id);
      assertFlat(await other.cancel(id), 404, id);
    }
  };
  await check();
  await server.kill();
  await server.start();
  await check();
  for (const id of ['i'.repeat(256), '€'.repeat(85) + '1', 'i'.repeat(100_000)]) {
    await ok(client.event({ userId: 'late', eventName: 'E' }));
    const answer = await client.gdpr('restriction', 'late', { subject_request_id: id });
    assert.equal(answer.status, 400);
    assert.equal(Object.hasOwn(answer.json(), 'response'), false);
  }
  // The same id in another account is another request.
  await ok(other.event({ userId: 'person 0', eventName: 'E' }));
  await ok(other.gdpr('restriction', 'person 0', { subject_request_id: 'x' }));
  assert.equal((await other.status('x')).json().subject_request_type, 'restriction');
  assert.equal((await client.status('x')).json().subject_request_type, 'erasure');
});

// ---- windows ----

test('the window is fixed on acceptance: another setting after a restart does not move it', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  const ann = person(client, 'ann');
  await ok(ann.send());
  await ok(ann.ask('erasure', { subject_request_id: 'long' }));
  const [{ receivedAt, dueAt }] = await desk(client);
  assert.equal(Date.parse(dueAt) - Date.parse(receivedAt), 7 * 86_400_000);
  for (const window of ['0', '1s']) {
    await server.restart({ options: ['--cancel-window', window] });
    await ready(server, client);
    await new Promise((done) => setTimeout(done, window === '0' ? 300 : 1300));
    assert.equal((await client.status('long')).json().status, 'PENDING');
    assert.equal((await desk(client))[0].dueAt, dueAt);
  }
  await ok(client.cancel('long'));
  assert.equal((await ann.events()).events.length, 1);
  // The other way round: a short window stays short.
  await ok(ann.ask('erasure', { subject_request_id: 'short' }));
  await server.restart({ options: ['--cancel-window', '7d'] });
  await until(async () => (await client.status('short')).json().status === 'DONE', { what: 'the end of the window' });
  assert.equal((await ann.read()).status, 404);
});

test('windows that ended while the server was down run before it says ready', async (t) => {
  const count = 600;
  const server = await startServer(t, { options: ['--cancel-window', '1d'] });
  const client = await server.account();
  const ids = Array.from({ length: count }, (_, i) => `person ${i}`);
  await ok(client.bulkEvents(ids.map((userId) => ({ userId, eventName: 'Seen' }))));
  const asked = await Promise.all(ids.map((id) => client.gdpr('erasure', id, { subject_request_id: `erase ${id}` })));
  await server.kill();
  assert.deepEqual([...new Set(asked.map(({ status }) => status))], [201]);
  await server.start({ options: ['--cancel-window', '7d'], env: daysAhead(server, 2) });
  await ready(server, client);
  const reads = await Promise.all(ids.map((id) => client.read(id)));
  assert.deepEqual([...new Set(reads.map(({ status }) => status))], [404]);
  const cancels = await Promise.all(ids.map((id) => client.cancel(`erase ${id}`)));
  for (const [i, answer] of cancels.entries()) assertFlat(answer, 400, `erase ${ids[i]}`, 'request already completed');
});

test('window 0 answers when the key is destroyed, and nothing ever cancels it', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '0'] });
  const client = await server.account();
  for (let i = 0; i < 20; i++) {
    const ann = person(client, `ann ${i}`, i % 2 === 1);
    await ok(
      client.bulkEvents(
        Array.from({ length: 50 }, () => ({
          [ann.anonymous ? 'anonymousId' : 'userId']: ann.id,
          eventName: 'Seen',
        })),
      ),
    );
    await ok(ann.ask('erasure', { subject_request_id: ann.id }));
    const [read, events, cancel, status] = await Promise.all([
      ann.read(LEGAL),
      ann.events(LEGAL),
      client.cancel(ann.id),
      client.status(ann.id),
    ]);
    assert.deepEqual([read.status, events.status], [404, 404]);
    assertFlat(cancel, 400, ann.id, 'request already completed');
    assert.ok(['PROCESSING', 'DONE'].includes(status.json().status), status.text);
  }
  await until(async () => (await client.status('ann 19')).json().status === 'DONE', { what: 'DONE' });
  await server.restart({ options: ['--cancel-window', '7d'] });
  for (let i = 0; i < 20; i++) {
    assertFlat(await client.cancel(`ann ${i}`), 400, `ann ${i}`, 'request already completed');
    assert.equal((await client.read(`ann ${i}`, { anonymous: i % 2 === 1 })).status, 404);
  }
});

test('the other three are in force and DONE when their 201 is sent', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  const ann = person(client, 'ann');
  await ok(ann.send());
  for (const [type, status] of [
    ['restriction', 403],
    ['portability', 403],
    ['re-enable', 200],
  ]) {
    await ok(ann.ask(type, { subject_request_id: type }));
    assert.equal((await ann.read()).status, status);
    assert.equal((await client.status(type)).json().status, 'DONE');
    assertFlat(await client.cancel(type), 400, type, 'request already completed');
    assert.equal((await ann.read()).status, status);
  }
});

// ---- the same call again ----

const USED = 'subject_request_id already used';

test('the same call again is the first 201 while its effect stands, else the id is used up', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  for (const anonymous of [false, true]) {
    const p = person(client, `ann ${anonymous}`, anonymous);
    const again = (type, id) => p.ask(type, { subject_request_id: `${p.id} ${id}` });
    const stands = async (type, id, first) => {
      const answer = await ok(again(type, id), `${type} again`);
      if (type !== 'portability') assert.equal(answer.text, first.text);
    };
    const used = async (type, id) => assertFlat(await again(type, id), 400, `${p.id} ${id}`, USED);
    await ok(p.send());

    const reEnable = await ok(again('re-enable', 'lift 1'));
    await stands('re-enable', 'lift 1', reEnable);
    const restriction = await ok(again('restriction', 'stop 1'));
    await stands('restriction', 'stop 1', restriction);
    await used('re-enable', 'lift 1');
    const lift = await ok(again('re-enable', 'lift 2'));
    await stands('re-enable', 'lift 2', lift);
    await used('restriction', 'stop 1');
    await used('re-enable', 'lift 1'); // free again, but not by this one

    const erasure = await ok(again('erasure', 'erase 1'));
    await stands('erasure', 'erase 1', erasure);
    await stands('re-enable', 'lift 2', lift); // asked before the table is
    await ok(client.cancel(`${p.id} erase 1`));
    await used('erasure', 'erase 1');
    await ok(again('restriction', 'stop 2'));
    await ok(again('erasure', 'erase 2'));
    await stands('restriction', 'stop 2', { text: (await again('restriction', 'stop 2')).text });
    await used('restriction', 'stop 1'); // restricted again, but not by this one
    await used('re-enable', 'lift 2');

    const first = (await ok(again('portability', 'carry'))).json();
    await ok(client.cancel(`${p.id} erase 2`));
    await ok(again('re-enable', 'lift 3'));
    await ok(p.send({ number: 2 }));
    const anew = (await ok(again('portability', 'carry'))).json();
    assert.equal(anew.archive_url, first.archive_url);
    assert.deepEqual([first.user.events.length, anew.user.events.length], [1, 2]);
    assert.deepEqual([first.user.rights.length, anew.user.rights.length], [2, 0]);
  }
});

test('an erasure again is the first 201 until somebody of that id is there; then every old id is used up', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '0'] });
  const client = await server.account();
  for (const anonymous of [false, true]) {
    const p = person(client, `ann ${anonymous}`, anonymous);
    const again = (type) => p.ask(type, { subject_request_id: `${p.id} ${type}` });
    await ok(p.send());
    for (const type of ['restriction', 'portability']) await ok(again(type));
    const first = await ok(again('erasure'));
    for (let i = 0; i < 3; i++) assert.equal((await ok(again('erasure'))).text, first.text);
    await until(async () => (await client.status(`${p.id} erasure`)).json().status === 'DONE', { what: 'DONE' });
    assert.equal((await ok(again('erasure'))).text, first.text);
    for (const type of ['restriction', 'portability']) assertFlat(await again(type), 400, `${p.id} ${type}`, USED);
    await ok(p.send());
    for (const type of ['erasure', 'restriction', 'portability'])
      assertFlat(await again(type), 400, `${p.id} ${type}`, USED);
    assert.equal((await p.events()).events.length, 1);
  }
});

test('the same id with any other body is refused, whoever it is about', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  const ann = person(client, 'ann');
  const guest = person(client, 'ann', true);
  const bob = person(client, 'bob');
  for (const p of [ann, guest, bob]) await ok(p.send());
  for (const first of TYPES) {
    const subject_request_id = `first ${first}`;
    await ok(ann.ask(first, { subject_request_id }));
    for (const type of TYPES) {
      if (type !== first) assertFlat(await ann.ask(type, { subject_request_id }), 400, subject_request_id, USED);
      for (const other of [guest, bob, person(client, 'nobody')])
        assertFlat(await other.ask(type, { subject_request_id }), 400, subject_request_id, USED);
    }
    if (first === 'erasure') await ok(client.cancel(subject_request_id));
  }
  for (const p of [guest, bob]) assert.deepEqual(await p.rights(), []);
  assert.equal((await desk(client)).length, TYPES.length);
});

test('twenty equal calls at once have one effect', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  const after = { erasure: ['pending_erasure'], restriction: ['restriction'], 're-enable': [], portability: [] };
  let requests = 0;
  const atOnce = async (p, type, id = `${p.id} ${type}`) => {
    const calls = Array.from({ length: 20 }, () => p.ask(type, { subject_request_id: id }));
    const texts = (await Promise.all(calls)).map(({ status, text }) => `${status} ${text}`);
    assert.equal(new Set(texts).size, 1, [...new Set(texts)].join('\n'));
    assert.match(texts[0], /^201 /);
    assert.equal((await desk(client)).length, ++requests);
  };
  for (const type of TYPES)
    for (const anonymous of [false, true]) {
      const p = person(client, `${type} ${anonymous}`, anonymous);
      await ok(p.send());
      await atOnce(p, type);
      assert.deepEqual(await p.rights(), after[type]);
    }
  await server.restart({ options: ['--cancel-window', '0'] });
  const gone = person(client, 'gone');
  await ok(gone.send());
  await atOnce(gone, 'erasure');
  assert.equal((await gone.read()).status, 404);
});

test('of twenty erasures of one person at once, with ids of their own, one is taken', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  const ann = person(client, 'ann');
  await ok(ann.send());
  const answers = await Promise.all(Array.from({ length: 20 }, () => ann.ask('erasure')));
  assert.equal(answers.filter(({ status }) => status === 201).length, 1);
  for (const answer of answers.filter(({ status }) => status !== 201))
    assertFlat(answer, 400, answer.json().subject_request_id, ERASURE_PENDING);
  assert.deepEqual(await ann.rights(), ['pending_erasure']);
});

// ---- bodies of refusals ----

test('400 and 404 about a request are flat; every other refusal uses the general envelope', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d', '--body-max-bytes', '4KiB'] });
  const client = await server.account();
  const other = await server.account('shop2');
  await ok(client.event({ userId: 'ann', eventName: 'E' }));
  await ok(client.gdpr('erasure', 'ann', { subject_request_id: 'r' }));
  const general = (answer, status) => {
    assert.equal(answer.status, status, answer.text);
    const { response, ...rest } = answer.json();
    assert.deepEqual([rest, response?.status, typeof response?.message], [{}, 'error', 'string'], answer.text);
  };
  const ways = [
    ['create', (options) => client.gdpr('restriction', 'ann', { subject_request_id: 'new', ...options })],
    ['status', (options) => client.status('r', options)],
    ['cancel', (options) => client.cancel('r', options)],
  ];
  for (const [, call] of ways) {
    general(await call({ key: null }), 401);
    general(await call({ key: 'wrong' }), 401);
    general(await call({ key: client.write_key }), 401);
    general(await call({ license: 'shop2' }), 404);
    general(await call({ license: 'nobody' }), 404);
    general(await call({ key: other.api_key }), 404);
  }
  assertFlat(await client.status('none'), 404, 'none');
  assertFlat(await client.cancel('none'), 404, 'none');
  general(await client.gdpr('restriction', 'ann', { padding: 'x'.repeat(5000) }), 413);
  await ok(client.call('PUT', '/api/settings', { rate_limit: 1 }));
  const limited = await until(async () => {
    const answer = await client.status('r');
    return answer.status !== 200 && answer;
  });
  general(limited, 429);
  assert.match(limited.headers['retry-after'], /^\d+$/);
  await ok(client.call('PUT', '/api/settings', { rate_limit: 0 }));
  assert.equal((await client.status('r')).json().status, 'PENDING');
});

test('a request that the disk refused is 503 in the general envelope and has not happened', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'], shim: true });
  const client = await server.account();
  const ann = person(client, 'ann');
  await ok(ann.send());
  let refused = 0;
  for (let nth = 1; nth <= 4; nth++) {
    await server.shim(`fail ${nth}`);
    const answer = await ann.ask('restriction', { subject_request_id: `r${nth}` });
    await server.shim('off');
    if (answer.status === 201) {
      await ok(ann.ask('re-enable'));
      continue;
    }
    refused++;
    assert.equal(answer.status, 503, answer.text);
    assert.equal(answer.json().response?.status, 'error', answer.text);
    assertFlat(await client.status(`r${nth}`), 404, `r${nth}`);
    assert.deepEqual(await ann.rights(), []);
    await ok(ann.ask('restriction', { subject_request_id: `r${nth}` }));
    await ok(ann.ask('re-enable'));
  }
  assert.ok(refused > 0, 'no call was made to fail');
});

// ---- what re-enable records ----

test('re-enable takes a notice, and an account may demand one', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  const ann = person(client, 'ann');
  await ok(ann.send());
  await ok(ann.ask('restriction'));
  await ok(ann.ask('re-enable', { notice: { told_at: '2026-11-01T10:00:00Z', road: 'letter' } }));
  assert.deepEqual(await ann.rights(), []);
  await ok(ann.ask('restriction'));
  await ok(client.call('PUT', '/api/settings', { lift_needs_notice: true }));
  assertFlat(await ann.ask('re-enable', { subject_request_id: 'no notice' }), 400, 'no notice');
  assert.deepEqual(await ann.rights(), ['restriction']);
  assertFlat(await client.status('no notice'), 404, 'no notice');
  await ok(ann.ask('re-enable', { subject_request_id: 'notice', notice: { told_at: '2026-11-02T10:00:00+0100' } }));
  assert.deepEqual(await ann.rights(), []);
  await ok(ann.ask('restriction'));
  await server.restart();
  assert.equal((await ann.ask('re-enable')).status, 400);
  const line = ['account', 'set', '--license', 'shop1', 'lift_needs_notice=false'];
  assert.equal((await server.cli(line)).code, 0);
  await ok(ann.ask('re-enable'));
});
