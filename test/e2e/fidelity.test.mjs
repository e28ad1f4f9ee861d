// What was sent comes back, all of it and byte for byte: in the native reads, in the answer to a portability request and
// in its archive; free, restricted, and with an erasure pending. The fields are read from the program's own tables, so a
// new row without a value here fails. And paging: each event once, newest received first.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { rawAt, rawElements, rawValues } from './lib/json.mjs';
import { seeded } from './lib/random.mjs';
import { startServer } from './lib/server.mjs';

const SOURCE = join(resolve(dirname(fileURLToPath(import.meta.url)), '../..'), 'src');
const LEGAL = { headers: { 'habeas-reason': 'legal_claim' } };
const QUEUED = '{"response":{"status":"queued"}}';

/** The body of a C table: what stands between its braces. */
function table(file, head) {
  const text = readFileSync(join(SOURCE, file), 'utf8');
  const begin = text.indexOf(head);
  assert.ok(begin >= 0, `${file} no longer holds "${head}"`);
  return text.slice(begin, text.indexOf('};', begin));
}

const rowsOf = (file, head, row) => [...table(file, head).matchAll(row)].map((match) => match.slice(1));

const profileFields = rowsOf('vault/profile.c', 'profile_fields[] = {', /\{ "(\w+)", FIELD_(\w+)/g);
const channels = rowsOf('ledger/purpose.c', 'channel_table[CHANNELS] = {', /\{ "(\w+)", "(\w+)", (true|false) \}/g);
const consentTexts = rowsOf('intake/webengage_user.c', 'consent_texts[] = {', /\{ \{ "(\w+)", \d+ \}/g).flat();
const types = rowsOf('ledger/name.c', 'type_names[NAME_TYPES] = {', /\[TYPE_\w+\] = "(\w+)"/g).flat();
const userMembers = rowsOf('intake/webengage_user.c', 'user_members[] = {', /MEMBER\("(\w+)"/g).flat();
const eventMembers = rowsOf('intake/webengage.c', 'event_members[] = {', /MEMBER\("(\w+)"/g).flat();

// ---- values, as they stand in the body ----

const TEXTS = [
  '""',
  '" "',
  '"plain"',
  '"Zo\\u00eb"',
  '"Zoë"',
  '"Zoe\u0308"',
  '"\\ud83d\\ude00 \\uD83D\\uDE00 😀"',
  '"\u{10ffff}\u{20000}"',
  '"\\/ / \\\\ \\" \\b\\f\\n\\r\\t"',
  '"\\u0000\\u001f\\u007f\u007f"',
  '"\u2028\u2029\ufeff\ufffd\u200d\u202e"',
  '"null"',
  '"  two  spaces  "',
  '"{\\"a\\":1}"',
  `"${'😀'.repeat(1000)}"`,
  `"${'\\ud83d\\ude00'.repeat(1000)}"`,
];
/** Each system field's values: one person has the first of each, the next the second, … */
const FIELD_VALUES = {
  firstName: TEXTS,
  lastName: [...TEXTS].reverse(),
  birthDate: ['"1986-08-19T15:45:00-0800"', '"1990-05-21"', '"1990-05-21T00:00:00.000+05:30"', '"1850-01-01T00:00:00Z"', '"1990-05-21T00:00:00\\u005a"'],
  gender: ['"female"', '"other"', '"Männlich"', '""'],
  email: ['"Ann.O\'Hara+tag@Example.ORG"', '" ann@example.org "', '"\\u00e4nn@b\\u00fccher.example"', '""', '"no address"'],
  phone: ['"+551155256325"', '"+49 (170) 123-45"', '"0170"', '""'],
  company: ['"Alphabet Inc."', ...TEXTS],
  hashedEmail: ['"b4c9a289323b21a01c3e940f150eb9b8c542587f1abfd8f0e1cc1ffc5e475514"', `"${'h'.repeat(512)}"`, '""', `"${'😀'.repeat(512)}"`],
  hashedPhone: ['"0XAB=="', `"${'ü'.repeat(512)}"`, '"\\u0041"'],
};
/** By the type that a value has; each under a name of its own. */
const TYPE_VALUES = {
  none: [],
  string: TEXTS,
  number: [
    '0', '-0', '0.0', '-0.0', '1', '-1', '39.80', '0.1', '0.10', '1e308', '1E+2', '1e-7', '1E400', '-1e-400', '18446744073709551615', '18446744073709551616',
    '-9223372036854775808', '-9223372036854775809', '9007199254740993', '123456789012345678901234567890.1234567890', '0.30000000000000004', '5e-324', '100.00', '0e0', '1.0E00',
  ],
  boolean: ['true', 'false'],
  date: ['"2018-09-15T18:29:00-0800"', '"2018-09-15T18:29:00.123456+00:00"', '"2018-09-15t18:29:00Z"', '"\\u0032018-09-15T18:29:00Z"'],
  array: ['[]', '[ ]', '[null]', '[ 1 ,\t2.50,\n"a" , true , null , [ ] , { } ]', '[[[[[[1.0]]]]]]', '["",""]', '[{"a":1},{"a":1}]', `["${'x'.repeat(3000)}"]`],
  object: ['{}', '{ }', '{"":""}', '{ "b" : 1 , "a" : 39.80 , "\\u0063" : { "d" : [ -0 ] } }', '{"__proto__":{"x":1},"constructor":null}', '{"we_x":1,"ann@example.org":2}', `{"${'k'.repeat(200)}":1}`],
};
/** Names that a careless writer or reader gets wrong. */
const NAMES = [
  'Age', 'Twitter username', 'ünï', 'u\u0308', '日本語', '😀', 'a"b', 'a\\b', 'a/b', 'a~b', "a'b", 'a\tb', 'a\nb', 'a\u0001b', '\u007f', '\u2028', '\ufeffBOM', ' a ', ' ', '.', '..', '%41', '{}', '[0]',
  '__proto__', 'constructor', 'toString', 'null', 'userId', 'value', 'attributes', 'type', 'at', 'source', '$ref', '<b>', 'x'.repeat(50), '😀'.repeat(50), 'ab\u0301'.repeat(16),
];
const OPT_INS = [true, false];
const CONSENT = { wording: 'Ja, "gern" – 😀 \u0000\u2028', version: '\u{10ffff} 2.1', road: '/\\ 😀', when: '2026-11-20T10:00:00.123Z' };
const CONSENTS = [CONSENT, { wording: '', version: '', road: 'double opt-in' }];

test('each row of the program\'s tables has its values here', () => {
  assert.deepEqual(profileFields.map(([name]) => name).sort(), Object.keys(FIELD_VALUES).sort());
  assert.deepEqual(types.sort(), Object.keys(TYPE_VALUES).sort());
  assert.deepEqual([...consentTexts, 'when'].sort(), Object.keys(CONSENT).sort());
  assert.deepEqual([...userMembers].sort(), ['anonymousId', 'attributes', 'consent', 'userId']);
  assert.deepEqual([...eventMembers].sort(), ['anonymousId', 'eventData', 'eventName', 'eventTime', 'messageId', 'userId']);
  assert.equal(channels.length, 7);
});

// ---- one person ----

const accepted = async (promise, what) => {
  const answer = await promise;
  assert.equal(`${answer.status} ${answer.text}`, `201 ${QUEUED}`, what);
};
const ok = async (promise, what = 'the call') => {
  const answer = await promise;
  assert.ok(answer.status === 200 || answer.status === 201, `${what}: ${answer.status} ${answer.text.slice(0, 500)}`);
  return answer;
};
const members = (entries) => `{${entries.map(([name, raw]) => `${JSON.stringify(name)}:${raw}`).join()}}`;

/** A type's values that fit in one person: 25 of a type, 16 KB of maps and arrays. */
function attributesOf(person) {
  const entries = [];
  let trees = 0;
  for (const [type, values] of Object.entries(TYPE_VALUES))
    for (const [i, raw] of values.entries()) {
      const isTree = type === 'array' || type === 'object';
      trees += isTree ? raw.length : 0;
      assert.ok(i < 25 && trees < 16_000, 'the table of values outgrew one person');
      entries.push([`${type} ${i}`, raw]);
    }
  // A name has one type in an account, and nobody has more than 25 of one: a part of the names each.
  for (const [i, name] of NAMES.entries()) if (i % 4 === person % 4) entries.push([name, `[${i},"${person}"]`]);
  return entries;
}

/** What one person is told in: raw values by where they are read. */
function makePerson(number, anonymous) {
  const id = `${anonymous ? 'guest' : 'user'} ${number} ${['é', '😀', '"\\', 'a/b', '..', '%2e'][number % 6]}`;
  const fields = profileFields.map(([name]) => [name, FIELD_VALUES[name][number % FIELD_VALUES[name].length]]);
  const optIns = channels.map(([channel, field], i) => [channel, field, OPT_INS[(number + i) % 2]]);
  return { id, anonymous, naming: [anonymous ? 'anonymousId' : 'userId', JSON.stringify(id)], fields, optIns, attributes: attributesOf(number), consent: CONSENTS[number % 2] };
}

/** All at once, field by field, or in bulk: three ways to the same. */
const WAYS = [
  (client, { naming, fields, optIns, attributes, consent }) =>
    accepted(
      client.user(
        members([naming, ...fields, ...optIns.map(([, field, value]) => [field, String(value)]), ['consent', JSON.stringify(consent)], ['attributes', members(attributes)]]),
      ),
    ),
  async (client, { naming, fields, optIns, attributes, consent }) => {
    for (const field of fields) await accepted(client.user(members([naming, field])), field[0]);
    for (const [, field, value] of optIns) await accepted(client.user(members([naming, [field, String(value)], ['consent', JSON.stringify(consent)]])), field);
    for (const attribute of attributes) await accepted(client.user(members([naming, ['attributes', members([attribute])]])), attribute[0]);
  },
  (client, { naming, fields, optIns, attributes, consent }) =>
    accepted(
      client.bulkUsers(
        `{"users":[${[
          ...fields.map((field) => members([naming, field])),
          ...optIns.map(([, field, value]) => members([naming, [field, String(value)], ['consent', JSON.stringify(consent)]])),
          ...attributes.map((attribute) => members([naming, ['attributes', members([attribute])]])),
        ].join()}]}`,
      ),
    ),
];

const EVENT_NAMES = ['Added to Cart', 'é"\\/', '😀'.repeat(50), ' a ', '\u2028', 'a\u0001b', '..'];

/** Raw eventData of all sorts: every value of the table, odd names, white space, and by chance. */
function eventsOf(random) {
  const data = ['{}', '{ }', '{"Product ID":1337,"Price":39.80,"Quantity":1}', '{ "a" : 1 ,\n"b":\t[ 1.0 ] }', '{"\\u0041":1,"B":"\\/"}', '{"nothing":null}'];
  for (const [type, values] of Object.entries(TYPE_VALUES)) for (const [i, raw] of values.entries()) data.push(members([[`event ${type} ${i}`, raw]]));
  for (const name of NAMES) data.push(members([[name, '[39.80]']]));
  for (let i = 0; i < 60; i++)
    data.push(members([['number', random.number()], ['text', JSON.stringify(random.text(random.between(0, 50)))], ['list', `[${random.number()},${JSON.stringify(random.text(9))}]`]]));
  const times = ['"2018-09-15T18:29:00-0800"', '"2024-02-29T23:59:59.999Z"', undefined];
  return data.map((raw, i) => ({ name: EVENT_NAMES[i % EVENT_NAMES.length], time: times[i % 3], raw }));
}
const bodyOf = ({ name, time, raw }, naming) => members([naming, ['eventName', JSON.stringify(name)], ...(time ? [['eventTime', time]] : []), ['eventData', raw]]);

const MEMBERS = ['aliases', 'anonymousIds', 'attributes', 'createdAt', 'known', 'lastSeenAt', 'preferences', 'rights', 'sources', 'userId'];
const isTime = (text) => assert.match(text, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);

/** Compares one document with what was sent; `also`: members beyond those of the native read. */
function assertWhole(document, person, where, also = []) {
  const values = rawValues(document);
  const at = (...path) => values.get(path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join(''));
  const { id, anonymous, fields, attributes, optIns } = person;
  for (const [name, raw] of fields) assert.equal(at(name), raw, `${where}: ${name}`);
  for (const [name, raw] of attributes) assert.equal(at('attributes', name), raw, `${where}: attribute ${JSON.stringify(name)}`);
  assert.deepEqual([...values.keys()].filter((pointer) => /^\/attributes\/[^/]*$/.test(pointer)).length, attributes.length, `${where}: attributes that nobody sent`);
  const whole = JSON.parse(document);
  assert.deepEqual(Object.keys(whole).sort(), [...MEMBERS, ...also, ...fields.map(([name]) => name)].sort(), where);
  assert.deepEqual([whole.userId, whole.anonymousIds, whole.known], anonymous ? [null, [id], false] : [id, [], true], where);
  for (const [channel, , value] of optIns) {
    const { optedIn, set, since } = whole.preferences[channel];
    assert.deepEqual([optedIn, set], [value, true], `${where}: ${channel}`);
    isTime(since);
  }
  assert.equal(Object.keys(whole.preferences).length, channels.length, where);
  isTime(whole.createdAt);
  isTime(whole.lastSeenAt);
  const named = (kind) => whole.sources.filter((source) => kind in source).map((source) => source[kind]).sort();
  assert.deepEqual(named('identity'), [anonymous ? 'anonymous' : 'cuid'], where);
  assert.deepEqual(named('field'), fields.map(([name]) => name).sort(), where);
  assert.deepEqual(named('attribute'), attributes.map(([name]) => name).sort(), where);
  for (const { at: when, credential, route } of whole.sources) {
    isTime(when);
    assert.ok(Number.isInteger(credential) && credential > 0, where);
    assert.match(route, /^\/v1\/accounts\/\{license\}\/(bulk-)?(users|events)$/, where);
  }
}

function assertHistory(history, person, where) {
  assert.deepEqual(history.map(({ channel }) => channel).sort(), person.optIns.map(([channel]) => channel).sort(), where);
  for (const said of history) {
    const [, , value] = person.optIns.find(([channel]) => channel === said.channel);
    const { when, ...texts } = person.consent;
    const given = Object.fromEntries(Object.entries(texts).filter(([, text]) => text));
    assert.deepEqual([said.optedIn, said.applied, said.messages, said.consent], [value, true, 'promotional', given], where);
    assert.deepEqual([said.by, said.when], when ? ['person', when] : ['controller', said.receivedAt], where);
    assert.match(said.route, /users$/, where);
    isTime(said.receivedAt);
  }
}

/** Raw events, oldest first. */
function assertEvents(raws, sent, where) {
  assert.equal(raws.length, sent.length, where);
  for (const [i, text] of raws.entries()) {
    const what = `${where}: event ${i} ${sent[i].raw.slice(0, 80)}`;
    assert.equal(rawAt(text, 'eventData'), sent[i].raw, what);
    const { eventName, eventTime, receivedAt, source, eventData, ...more } = JSON.parse(text);
    assert.deepEqual([eventName, more], [sent[i].name, {}], what);
    assert.equal(eventTime, sent[i].time ? new Date(JSON.parse(sent[i].time).replace(/(\d\d)(\d\d)$/, '$1:$2')).toISOString() : receivedAt, what);
    isTime(receivedAt);
    assert.deepEqual(Object.keys(source).sort(), ['credential', 'route'], what);
    assert.ok(eventData);
  }
}

const ask = (client, type, { id, anonymous }, extras) => client.gdpr(type, id, { identity_type: anonymous ? 'anonymous' : 'cuid', ...extras });

async function assertEverywhere(client, person, sent, where, options) {
  const reading = { anonymous: person.anonymous, ...options };
  assertWhole((await ok(client.read(person.id, reading), where)).text, person, `${where}, read`);
  const events = await client.events(person.id, { ...reading, limit: 97 });
  assert.equal(events.status, 200, events.last.text);
  assertEvents([...events.raw].reverse(), sent, `${where}, events`);
  const answer = await ok(ask(client, 'portability', person), where);
  const user = rawAt(answer.text, 'user');
  const { complete, archive_url } = answer.json();
  assert.equal(complete, true);
  const archive = (await ok(client.call('GET', archive_url), where)).text;
  for (const [what, document] of [['portability', user], ['archive', archive]]) {
    assertWhole(document, person, `${where}, ${what}`, ['events', 'links', 'parked', 'preferenceHistory', 'requests', 'rightsHistory']);
    assertEvents(rawElements(document, 'events'), sent, `${where}, ${what}`);
    assertHistory(JSON.parse(rawAt(document, 'preferenceHistory')), person, `${where}, ${what}`);
  }
}

const STATES = [
  ['free', async () => undefined],
  ['restricted', (client, person) => ok(ask(client, 'restriction', person))],
  ['erasure pending', (client, person) => ok(ask(client, 'erasure', person))],
];

test('a person with every field and attribute, and their events, in every state and after a restart', async (t) => {
  const random = seeded(t);
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  const rounds = Math.max(...Object.values(FIELD_VALUES).map((values) => values.length));
  const people = Array.from({ length: rounds }, (_, number) => makePerson(number, number % 3 === 2));
  const sent = eventsOf(random);
  for (const [number, person] of people.entries()) {
    person.sent = number < 4 ? sent : sent.slice(number, number + 5);
    await WAYS[number % WAYS.length](client, person);
    if (number % 2) await accepted(client.bulkEvents(`{"events":[${person.sent.map((event) => bodyOf(event, person.naming)).join()}]}`));
    else for (const event of person.sent) await accepted(client.event(bodyOf(event, person.naming)), event.raw);
  }
  for (const person of people) await assertEverywhere(client, person, person.sent, `person ${person.id}`);
  const some = people.slice(0, 4);
  for (const [state, enter] of STATES) {
    for (const person of some) {
      await enter(client, person);
      await assertEverywhere(client, person, person.sent, `${state}, ${person.id}`, LEGAL);
    }
    await server.restart();
    for (const person of some) await assertEverywhere(client, person, person.sent, `${state}, restarted, ${person.id}`, LEGAL);
  }
});

test('what waits for the end of a cancel window is held, too: as it was sent, and after the cancel where it belongs', async (t) => {
  const random = seeded(t);
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  const sent = eventsOf(random);
  for (const anonymous of [false, true]) {
    const person = makePerson(0, anonymous);
    await accepted(client.user(members([person.naming])));
    const { subject_request_id } = (await ok(ask(client, 'erasure', person))).json();
    const bodies = sent.map((event) => bodyOf(event, person.naming));
    const user = members([person.naming, ...person.fields, ['attributes', members(person.attributes)]]);
    await accepted(client.user(user));
    for (const body of bodies.slice(0, 20)) await accepted(client.event(body), body);
    await accepted(client.bulkEvents(`{"events":[${bodies.slice(20).join()}]}`));
    const answer = await ok(ask(client, 'portability', person));
    const archive = (await ok(client.call('GET', answer.json().archive_url))).text;
    for (const document of [rawAt(answer.text, 'user'), archive]) {
      const parked = rawElements(document, 'parked');
      assert.deepEqual(parked.map((text) => rawAt(text, 'sent')), [user, ...bodies]);
      assert.deepEqual(parked.map((text) => JSON.parse(text).kind), ['user', ...bodies.map(() => 'event')]);
    }
    await ok(client.cancel(subject_request_id));
    assertWhole((await ok(client.read(person.id, { anonymous }))).text, { ...person, optIns: [] }, 'after the cancel');
    const raws = (await client.events(person.id, { anonymous })).raw.reverse();
    assertEvents(raws, sent, 'after the cancel');
    assert.deepEqual(rawElements((await ok(ask(client, 'portability', person))).text, 'user', 'parked'), []);
  }
});

test('each name of an attribute holds its value, together with values that were ignored beside it', async (t) => {
  const server = await startServer(t);
  const client = await server.account();
  for (const [i, name] of NAMES.entries()) {
    const userId = `person ${i}`;
    const raw = `[ ${i}.50 , "\\u0041" ]`;
    const beside = members([['we_no', '1'], [name, raw], ['x'.repeat(51), '2'], ['Price', '39.80']]);
    for (const answer of [
      await client.user(`{"userId":"${userId}","attributes":${beside}}`),
      await client.event(`{"userId":"${userId}","eventName":"Seen","eventData":${beside}}`),
    ])
      assert.deepEqual(answer.json().response.ignored.map(({ field }) => field), ['we_no', 'x'.repeat(51)]);
    assert.equal(rawAt((await client.read(userId)).text, 'attributes', name), raw, name);
    const [event] = (await client.events(userId)).raw;
    assert.deepEqual([rawAt(event, 'eventData', name), rawAt(event, 'eventData', 'Price')], [raw, '39.80'], name);
    assert.deepEqual(Object.keys(JSON.parse(event).eventData).sort(), [name, 'Price'].sort());
  }
});

test('a value sent again in other digits is another value; the same again keeps its source', async (t) => {
  const server = await startServer(t);
  const client = await server.account();
  const when = async () => (await client.read('one')).json().sources.find(({ attribute }) => attribute === 'Price').at;
  let last;
  for (const raw of ['39.8', '39.80', '39.80', '3.98e1', '39.8']) {
    await accepted(client.user(`{"userId":"one","attributes":{"Price":${raw}}}`));
    assert.equal(rawAt((await client.read('one')).text, 'attributes', 'Price'), raw);
    const now = await when();
    if (last) assert.equal(now === last.at, raw === last.raw, raw);
    last = { raw, at: now };
    await new Promise((done) => setTimeout(done, 5));
  }
});

// ---- paging ----

describe('paging of events', { timeout: 30_000 }, () => {
  const COUNT = 2345;

  async function filled(t) {
    const server = await startServer(t);
    const client = await server.account();
    const send = async (naming, from, count) => {
      const events = Array.from({ length: count }, (_, i) => ({ ...naming, eventName: 'Seen', eventTime: new Date(1.6e12 - (from + i) * 1000).toISOString(), eventData: { number: from + i } }));
      for (let at = 0; at < count; at += 700) await accepted(client.bulkEvents(events.slice(at, at + 700)));
    };
    return { server, client, send };
  }
  const numbers = (events) => events.map(({ eventData }) => eventData.number);
  const down = (count) => Array.from({ length: count }, (_, i) => count - 1 - i);
  const page = (client, id, query) => client.call('GET', `/api/users/${encodeURIComponent(id)}/events${query}`);

  test('newest received first, each once, whatever the limit, also between volumes and after a restart', async (t) => {
    const { server, client, send } = await filled(t);
    for (let at = 0; at < COUNT; at += 469) {
      await send({ userId: 'one' }, at, Math.min(469, COUNT - at));
      await send({ userId: 'two' }, at, 100);
      if (at === 469 * 2) await server.restart();
    }
    await send({ anonymousId: 'one' }, 0, 12);
    for (let turn = 0; turn < 2; turn++) {
      for (const limit of [1000, 999, 335, 100]) {
        const { status, events, pages } = await client.events('one', { limit });
        assert.equal(status, 200);
        assert.deepEqual(numbers(events), down(COUNT), `limit ${limit}`);
        const least = Math.ceil(COUNT / limit);
        assert.ok(pages === least || (COUNT % limit === 0 && pages === least + 1), `${pages} pages of ${limit}`);
      }
      assert.deepEqual(numbers((await client.events('one', { limit: 5, anonymous: true })).events), down(12));
      const first = (await page(client, 'one', '')).json();
      assert.deepEqual([first.events.length, typeof first.cursor], [100, 'string'], '100 unless it says otherwise');
      await server.restart();
    }
  });

  test('one by one', async (t) => {
    const { client, send } = await filled(t);
    await send({ userId: 'one' }, 0, 30);
    for (const limit of [1, 2, 7, 29, 30, 31]) {
      const seen = [];
      let cursor = null;
      do {
        const { text, status, json } = await page(client, 'one', `?limit=${limit}${cursor ? `&cursor=${cursor}` : ''}`);
        assert.equal(status, 200, text);
        assert.deepEqual(Object.keys(json()), ['events', 'cursor']);
        assert.ok(json().events.length <= limit);
        seen.push(...numbers(json().events));
        assert.ok(seen.length <= 30, `limit ${limit}: ${seen}`);
        cursor = json().cursor;
      } while (cursor !== null);
      assert.deepEqual(seen, down(30), `limit ${limit}`);
    }
  });

  test('what arrives meanwhile shifts nothing; a cursor may be used again', async (t) => {
    const { client, send } = await filled(t);
    await send({ userId: 'one' }, 0, 50);
    const seen = [];
    const cursors = [];
    let cursor = null;
    do {
      const { events, ...rest } = (await page(client, 'one', `?limit=7${cursor ? `&cursor=${cursor}` : ''}`)).json();
      seen.push(...numbers(events));
      assert.ok(seen.length <= 50, `${seen}`);
      cursors.push(cursor);
      cursor = rest.cursor;
      await send({ userId: 'one' }, 1000 + seen.length, 3);
    } while (cursor !== null);
    assert.deepEqual(seen, down(50));
    assert.deepEqual(numbers((await page(client, 'one', `?limit=7&cursor=${cursors[3]}`)).json().events), down(50).slice(21, 28));
    assert.ok(cursors.slice(1).every((each) => /^[0-9a-f]+$/.test(each)));
  });

  test('a limit that is none is 400', async (t) => {
    const { client, send } = await filled(t);
    await send({ userId: 'one' }, 0, 3);
    for (const limit of ['0', '1001', '-1', '1.5', '1e2', '', '%205', '5%20', '+5', '0x5', 'ten', '99999999999999999999', '18446744073709551617', '5%00']) {
      const { status, text, json } = await page(client, 'one', `?limit=${limit}`);
      assert.equal(status, 400, `${limit}: ${text}`);
      assert.match(json().error.message, /limit/, limit);
    }
    for (const limit of ['1', '3', '1000', '007']) assert.equal((await page(client, 'one', `?limit=${limit}`)).status, 200, limit);
  });

  test('a cursor of nobody, or of somebody else, shows nothing of others', async (t) => {
    const { server, client, send } = await filled(t);
    for (const userId of ['one', 'two']) await send({ userId }, userId === 'one' ? 0 : 500, 20);
    const other = await server.account('shop2');
    await accepted(other.bulkEvents(Array.from({ length: 20 }, (_, i) => ({ userId: 'one', eventName: 'Seen', eventData: { number: 900 + i } }))));
    const { cursor } = (await page(client, 'two', '?limit=5')).json();
    const foreign = (await page(other, 'one', '?limit=5')).json().cursor;
    for (const odd of ['x', '0', 'g'.repeat(16), cursor.slice(1), `${cursor}0`, `${cursor}%00`, '%00', '..', 'null', '-1', '9'.repeat(400), '%F0%9F%98%80']) {
      const { status, text, json } = await page(client, 'one', `?cursor=${odd}`);
      assert.equal(status, 400, `${odd}: ${text}`);
      assert.match(json().error.message, /cursor/, odd);
    }
    for (const strange of [cursor, foreign, '0'.repeat(16), 'f'.repeat(16), '7fffffffffffffff', '8000000000000000', 'ffffffffffffff7f']) {
      const { status, text, json } = await page(client, 'one', `?cursor=${strange}`);
      assert.ok(status === 200 || status === 400, text);
      if (status === 200) for (const number of numbers(json().events)) assert.ok(number < 20, `${strange} shows ${number}`);
    }
    assert.equal((await page(client, 'nobody', `?cursor=${cursor}`)).status, 404);
  });

  test('who has no events has an empty page', async (t) => {
    const { client } = await filled(t);
    await accepted(client.user({ userId: 'one' }));
    assert.equal((await page(client, 'one', '')).text, '{"events":[],"cursor":null}');
    assert.equal((await page(client, 'one', '?cursor=')).status, 200);
  });
});
