// Each table and column about people is known here: what is held is handed over in the document of a portability request,
// with the value of each row, or it is said why not; and after an erasure no row is left but those that must be.
import assert from 'node:assert/strict';
import test from 'node:test';

import { query } from './lib/search.mjs';
import { startServer } from './lib/server.mjs';
import { daysAhead } from './proof/clock.mjs';
import { untilDone } from './proof/shop.mjs';
import { databasesOf, ledgerOf, newestOrdinal } from './proof/traces.mjs';

const LEGAL = { headers: { 'habeas-reason': 'legal_claim' } };
const DAY_MS = 86_400_000;

async function ok(promise) {
  const answer = await promise;
  assert.ok(answer.status === 200 || answer.status === 201, `${answer.status} ${answer.text}`);
  return answer;
}

const time = (milliseconds) => (milliseconds === null ? null : new Date(milliseconds).toISOString());

/** Not exported, because. */
const not = (why) => ({ why });
/** Not exported, because nothing writes it: then it must be null in every row. */
const unused = { why: 'nothing writes it', unused: true };
/** Exported: `told` picks from the row's element of the document, `held` makes the same of the column. */
const as = (told, held = (value) => value) => ({ told, held });
const named = (member, ...names) => as((one) => one[member], (number) => names[number]);
const at = (member) => as((one) => one[member], time);
/** A source is told as its credential and its route. */
const source = as(
  ({ credential, route }) => [credential, route],
  (number, { sources }) => sources.get(number),
);
const sent = (told) => as(told, (_, { sent }) => sent);

const ACCOUNT = not('whose data it is, the account knows');
const ORDINAL = not('our number of the person, for joining rows');
const NONCE = not('opens the sealed value, which is told');
const YES = [false, true];
const PREFERENCE_CHANNELS = ['push', 'in_app', 'sms', 'web_push', 'email', 'whatsapp', 'rcs'];

/** `elements`: those of the document in the order of `rows`; `sent`: what was sent, where the column holds it sealed. */
const tables = {
  subject: {
    elements: (user) => [user],
    columns: {
      account: ACCOUNT,
      ordinal: ORDINAL,
      slot: not('the place of the key'),
      known: as(({ known }) => known, (known) => YES[known]),
      state: not('who is being erased is handed nothing'),
      created_at: at('createdAt'),
      erased_position: unused,
      erased_by: not('who is being erased is handed nothing'),
    },
  },
  identity: {
    columns: {
      account: ACCOUNT,
      kind: not('the profile tells the identity itself'),
      fingerprint: not('made of the identity, which is told'),
      ordinal: ORDINAL,
      pepper: not('which key the fingerprint was made with'),
      since: not('the profile tells it, under sources'),
      source: not('the profile tells it, under sources'),
      left_at: not('the events on either side tell whose the id was when'),
    },
  },
  link: {
    columns: {
      account: ACCOUNT,
      ordinal: ORDINAL,
      user_ordinal: ORDINAL,
      number: not('the order of the list'),
      source: not('told under links while it is in force: the tests of links compare it'),
      since: not('told under links while it is in force: the tests of links compare it'),
      removed_at: not('whose the other id is now is not for this person to see'),
      removed_source: not('whose the other id is now is not for this person to see'),
    },
  },
  rights: {
    order: 'number',
    elements: (user) => user.rightsHistory,
    sent: ({ roads }) => roads,
    columns: {
      account: ACCOUNT,
      ordinal: ORDINAL,
      number: not('the order of the list'),
      kind: as(({ kind }) => RIGHTS.indexOf(kind)),
      denies: as(
        ({ kind, scope }) => [kind === 'objection', scope?.channel, scope?.messages],
        (_, { row }) => (row.kind === RIGHTS.indexOf('objection') ? [true, 'email', 'promotional'] : [false, undefined, undefined]),
      ),
      scope: unused,
      ground: unused,
      since: at('since'),
      until: at('until'),
      review_at: unused,
      request: as((one) => one.request),
      road: as((one) => one.by),
      source,
      ended_at: at('endedAt'),
      ended_by: as((one) => one.endedBy),
      notice_at: as((one) => one.notice?.told_at ?? null, time),
      notice_salt: NONCE,
      notice_counter: NONCE,
      notice_sealed: sent((one) => one.notice?.road),
    },
  },
  preference: {
    order: 'number',
    elements: (user) => user.preferenceHistory,
    sent: ({ consents }) => consents,
    columns: {
      account: ACCOUNT,
      ordinal: ORDINAL,
      number: not('the order of the list'),
      channel: as(({ channel }) => PREFERENCE_CHANNELS.indexOf(channel)),
      service: named('messages', 'promotional', 'service'),
      opted_in: as(({ optedIn }) => optedIn, (value) => YES[value]),
      applied: as(({ applied }) => applied, (value) => YES[value]),
      voice: named('by', undefined, 'controller', 'client', 'person', 'kept'),
      at: at('when'),
      received: at('receivedAt'),
      source,
      salt: NONCE,
      counter: NONCE,
      sealed: sent(({ consent }) => consent),
    },
  },
  request: {
    order: 'request',
    elements: (user) => user.requests.toSorted((one, other) => one.request - other.request),
    sent: ({ requests }) => requests,
    columns: {
      account: ACCOUNT,
      request: as((one) => one.request),
      id_hash: not('made of the id, which is told'),
      call_hash: not('made of the call, to know a repeat'),
      id_salt: NONCE,
      id_counter: NONCE,
      id_sealed: sent((one) => one.subject_request_id),
      type: named('type', undefined, 'erasure', 'restriction', 're-enable', 'portability'),
      state: named('status', undefined, 'PENDING', 'PROCESSING', 'DONE', 'CANCELLED'),
      ordinal: ORDINAL,
      received_at: at('receivedAt'),
      due_at: at('dueAt'),
      done_at: at('doneAt'),
      suppress: as((one) => one.suppress ?? false, (value) => YES[value]),
      suppress_until: as((one) => one.suppressUntil ?? null, time),
      keep_opt_outs: as((one) => one.keepOptOuts ?? true, (value) => YES[value]),
      road: as((one) => one.route),
      source,
    },
  },
  profile: {
    columns: {
      account: ACCOUNT,
      ordinal: ORDINAL,
      salt: NONCE,
      counter: NONCE,
      sealed: not('the document itself: the tests of fidelity compare it'),
    },
  },
  parked: {
    order: 'number',
    elements: (user) => user.parked,
    sent: ({ parked }) => parked,
    columns: {
      account: ACCOUNT,
      ordinal: ORDINAL,
      number: not('the order of the list'),
      received: at('receivedAt'),
      source,
      salt: NONCE,
      counter: NONCE,
      sealed: sent(({ kind, sent }) => ({ kind, sent })),
    },
  },
  event: {
    order: 'seq',
    elements: (user) => user.events,
    sent: ({ events }) => events.map(({ eventData }) => eventData),
    columns: {
      seq: not('the order of the list'),
      account: ACCOUNT,
      subject: ORDINAL,
      name: as(({ eventName }) => eventName, (number, { names }) => names.get(number)),
      occurred: at('eventTime'),
      received: at('receivedAt'),
      source: { ...source, told: ({ source }) => [source.credential, source.route] },
      message: not('made of the message id, to know a repeat'),
      salt: NONCE,
      counter: NONCE,
      body: sent(({ eventData }) => eventData),
    },
  },
};
const RIGHTS = [undefined, 'restriction', 'pending_erasure', 'objection'];

/** ann, newest of all, with something in every table; what of it is sealed, in the order of the rows. */
async function fill(client) {
  const consent = { wording: 'Ja, gern', version: '1.0', road: 'form' };
  const made = (await ok(client.call('POST', '/api/keys', { scopes: 'ingest,rights' }))).json();
  const second = { key: made.text };
  const events = [
    { eventName: 'Seen', eventTime: '2026-11-01T10:00:00Z', eventData: { price: 39.8 } },
    { eventName: 'Bought', eventData: { list: [1, { a: null }] } },
  ];
  await ok(client.event({ anonymousId: 'tablet', eventName: 'Seen' }));
  await ok(client.user({ userId: 'ann', firstName: 'Ann', emailOptIn: true, consent: { ...consent, when: '2026-11-20T10:00:00Z' } }));
  await ok(client.link('ann', { anonymousId: 'tablet' }));
  await ok(client.unlink('ann', { anonymousId: 'tablet' }));
  await ok(client.user({ userId: 'ann', emailOptIn: false }, second));
  await ok(client.event({ userId: 'ann', ...events[0] }));
  await ok(client.event({ userId: 'ann', ...events[1], messageId: 'm' }, second));
  await ok(client.gdpr('restriction', 'ann', { subject_request_id: 'restrict', ...second }));
  await ok(client.gdpr('re-enable', 'ann', { subject_request_id: 'lift', notice: { told_at: '2026-11-21T10:00:00+0100', road: 'letter to ann' } }));
  const until = time(Date.now() + 9 * DAY_MS);
  await ok(client.gdpr('erasure', 'ann', { subject_request_id: 'first', suppress: { until }, keep_opt_outs: false }));
  await ok(client.cancel('first'));
  await ok(client.call('POST', '/api/requests', {
    subject_request_id: 'second', subject_request_type: 'erasure', subject_identities: [{ identity_value: 'ann' }], suppress: { until: null },
  }));
  const parked = [
    ['event', { userId: 'ann', eventName: 'Late', eventData: { n: 1 } }, undefined],
    ['user', { userId: 'ann', lastName: 'Mayer' }, second],
  ];
  for (const [kind, item, key] of parked) await ok(client[kind](item, key));
  return {
    until,
    second: made.key.number,
    sent: {
      events,
      consents: [consent, undefined],
      roads: [undefined, 'letter to ann', undefined, undefined],
      requests: ['restrict', 'lift', 'first', 'second', 'copy'],
      parked: parked.map(([kind, item]) => ({ kind, sent: item })),
    },
  };
}

async function handedOver(client) {
  const answer = (await ok(client.gdpr('portability', 'ann', { subject_request_id: 'copy' }))).json();
  assert.equal(answer.complete, true);
  const archive = (await ok(client.call('GET', answer.archive_url))).json();
  assert.deepEqual(archive, answer.user, 'the archive says the same');
  return answer.user;
}

test('requests, rights and what is parked are handed over with all that is known of them', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  const { until, second } = await fill(client);
  const user = await handedOver(client);
  const routeOf = (name) => `/v1/accounts/{license}/${name}`;
  const from = (credential, route) => ({ credential, route });
  const own = user.requests.find(({ subject_request_id }) => subject_request_id === 'copy').credential;
  assert.ok(own !== second && own > 0);
  const gdpr = from(own, routeOf('opengdpr_requests'));

  const requests = user.requests.toSorted((one, other) => one.request - other.request);
  for (const { receivedAt, dueAt, doneAt, type, status } of requests) {
    assert.ok(Math.abs(Date.parse(receivedAt) - Date.now()) < DAY_MS);
    assert.equal(dueAt && Date.parse(dueAt) - Date.parse(receivedAt), type === 'erasure' ? 7 * DAY_MS : null);
    assert.equal(doneAt !== null, status !== 'PENDING', `${type} ${status}`);
  }
  assert.deepEqual(
    requests.map(({ receivedAt, dueAt, doneAt, ...rest }) => rest),
    [
      { request: 1, subject_request_id: 'restrict', type: 'restriction', status: 'DONE', ...gdpr, credential: second },
      { request: 2, subject_request_id: 'lift', type: 're-enable', status: 'DONE', ...gdpr },
      { request: 3, subject_request_id: 'first', type: 'erasure', status: 'CANCELLED', ...gdpr, suppress: true, suppressUntil: until, keepOptOuts: false },
      { request: 4, subject_request_id: 'second', type: 'erasure', status: 'PENDING', ...from(own, '/api/requests'), suppress: true, suppressUntil: null, keepOptOuts: true },
      { request: 5, subject_request_id: 'copy', type: 'portability', status: 'DONE', ...gdpr },
    ],
  );
  for (const { since, endedAt, endedBy, kind } of user.rightsHistory) {
    assert.ok(Math.abs(Date.parse(since) - Date.now()) < DAY_MS);
    assert.equal(endedAt !== null, endedBy !== null, kind);
    if (endedAt) assert.ok(endedAt >= since);
  }
  const right = { until: null, scope: null, by: gdpr.route, ...gdpr };
  const users = routeOf('users');
  assert.deepEqual(
    user.rightsHistory.map(({ since, endedAt, ...rest }) => rest),
    [
      { ...right, kind: 'objection', scope: { channel: 'email', messages: 'promotional' }, ...from(second, users), by: 'controller', request: null, endedBy: null },
      { ...right, kind: 'restriction', credential: second, request: 1, endedBy: 2, notice: { told_at: '2026-11-21T09:00:00.000Z', road: 'letter to ann' } },
      { ...right, kind: 'pending_erasure', request: 3, endedBy: 3 },
      { ...right, kind: 'pending_erasure', ...from(own, '/api/requests'), by: '/api/requests', request: 4, endedBy: null },
    ],
  );
  assert.deepEqual(
    user.parked.map(({ receivedAt, ...rest }) => rest),
    [
      { kind: 'event', ...from(own, routeOf('events')), sent: { userId: 'ann', eventName: 'Late', eventData: { n: 1 } } },
      { kind: 'user', ...from(second, users), sent: { userId: 'ann', lastName: 'Mayer' } },
    ],
  );
  assert.equal((await client.read('ann', LEGAL)).status, 200);
});

/** The column that says whose a row is. A link is the user's, who has it taken back. */
const whoseOf = (columns) => ['user_ordinal', 'ordinal', 'subject'].find((name) => columns.includes(name));

/** Of all databases: table to its files (a journal has several volumes) and columns, of those whose rows are about a person. */
async function tablesOfPeople(server) {
  const found = new Map();
  for (const file of await databasesOf(server))
    for (const { name } of await query(file, "SELECT name FROM sqlite_schema WHERE type = 'table'")) {
      const columns = (await query(file, `PRAGMA table_info("${name}")`)).map((column) => column.name);
      if (!whoseOf(columns)) continue;
      assert.deepEqual(found.get(name)?.columns ?? columns, columns, `${name} is not the same everywhere`);
      found.set(name, { files: [...(found.get(name)?.files ?? []), file], columns });
    }
  return found;
}

test('every column of every table about people is handed over, or it is said here why not', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  const filled = await fill(client);
  const ordinal = await newestOrdinal(server);
  const user = await handedOver(client);
  const there = await tablesOfPeople(server);
  assert.deepEqual([...there.keys()].sort(), Object.keys(tables).sort(), 'a table that nobody decided about');
  const pairs = async (sql) => new Map((await query(ledgerOf(server), sql)).map(({ one, ...rest }) => [one, Object.values(rest)]));
  const sources = await pairs('SELECT source AS one, credential, route FROM source WHERE account = 1');
  const names = new Map([...(await pairs('SELECT name AS one, text FROM name WHERE account = 1 AND kind = 1'))].map(([number, [name]]) => [number, name]));
  for (const [table, { columns, order, elements, sent: sentOf }] of Object.entries(tables)) {
    const { files, columns: held } = there.get(table);
    assert.deepEqual(held.toSorted(), Object.keys(columns).sort(), `${table}: a column that nobody decided about`);
    const sql = `SELECT * FROM "${table}" WHERE account = 1 AND ${whoseOf(held)} = ${ordinal}`;
    const rows = (await Promise.all(files.map((file) => query(file, sql)))).flat();
    if (order) rows.sort((one, other) => one[order] - other[order]);
    assert.ok(rows.length > 0, `${table}: nothing to compare`);
    const list = elements?.(user);
    if (list) assert.equal(list.length, rows.length, `${table}: rows without an element`);
    for (const [column, { why, unused: isUnused, told, held: heldAs }] of Object.entries(columns))
      for (const [i, row] of rows.entries()) {
        const where = `${table}.${column} of row ${i}`;
        if (isUnused) assert.equal(row[column], null, `${where} is written and not handed over`);
        if (why) continue;
        const context = { row, sources, names, sent: sentOf?.(filled.sent)[i] };
        assert.deepEqual(told(list[i]), heldAs(row[column], context), where);
      }
  }
});

/** What stays of who was erased: the number with the place of its key, and that it was asked for. */
const STAYS = ['request', 'subject'];

test('after DONE no row of the person is left in any table but the two that stay', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  await fill(client);
  const ordinal = await newestOrdinal(server);
  const count = async () => {
    const counts = {};
    for (const [table, { files, columns }] of await tablesOfPeople(server)) {
      const sql = `SELECT count(*) AS n FROM "${table}" WHERE account = 1 AND ${whoseOf(columns)} = ${ordinal}`;
      for (const file of files) counts[table] = (counts[table] ?? 0) + Number((await query(file, sql))[0].n);
    }
    return counts;
  };
  const before = await count();
  for (const [table, rows] of Object.entries(before)) assert.ok(rows > 0, `${table}: nothing that could go`);
  await server.restart({ env: daysAhead(server, 8) });
  await untilDone(client, 'second');
  for (const [table, rows] of Object.entries(await count()))
    assert.equal(rows, STAYS.includes(table) ? before[table] : 0, table);
  const requests = `SELECT id_salt, id_counter, id_sealed FROM request WHERE account = 1 AND ordinal = ${ordinal}`;
  for (const row of await query(ledgerOf(server), requests)) assert.deepEqual(Object.values(row), [null, null, null]);
});
