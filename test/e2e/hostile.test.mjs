// Input that nobody should send: each is answered by a clear 4xx that names the problem, nothing of it is stored, the
// server stays up with its memory flat, and no line of its log holds a value that was sent.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { after, before, describe, test } from 'node:test';

import { rawAt } from './lib/json.mjs';
import { seeded } from './lib/random.mjs';
import { program, Server, until } from './lib/server.mjs';

const MIB = 1 << 20;
const BODY_MAX = 8 * MIB;
/** So many entries has the list of what was ignored at most. */
const IGNORED_MAX = 1000;
const MARK = 'Hostilemarker4821';
const LICENSE = 'shop1';
const EVENTS = `/v1/accounts/${LICENSE}/events`;
const USERS = `/v1/accounts/${LICENSE}/users`;
/** A sanitizer's own book-keeping would look like a leak. */
const ENVIRONMENT = { ASAN_OPTIONS: [process.env.ASAN_OPTIONS, 'quarantine_size_mb=4'].filter(Boolean).join(':') };

const routes = execFileSync(program, ['routes'], { encoding: 'utf8' })
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line));
/** An open address drops what it gets without looking at it. */
const withBody = routes.filter(({ method, scope }) => ['POST', 'PUT'].includes(method) && !['operator', 'open'].includes(scope));
const address = ({ path }) => path.replace('{license}', LICENSE).replace(/\{\w+\}/g, 'plan');

/** Whole and good; each belongs to a person of its own. */
const GOOD = {
  users: (userId) => ({
    userId,
    firstName: MARK,
    birthDate: '1990-01-31',
    emailOptIn: false,
    attributes: { plan: 'é😀', n: [1.5] },
  }),
  events: (userId) => ({
    userId,
    eventName: 'Bought',
    eventTime: '2026-11-01T10:00:00+0100',
    eventData: { at: MARK, n: -1e3 },
  }),
  'bulk-users': (userId) => ({ users: [{ userId, firstName: MARK }] }),
  'bulk-events': (userId) => ({ events: [{ userId, eventName: 'Bought', eventData: { at: MARK } }] }),
};
const request = (userId) => ({
  subject_request_id: `${MARK}-1`,
  subject_request_type: 'erasure',
  subject_identities: [{ identity_type: 'cuid', identity_value: userId }],
});

/** What each slow sender begins with, what it goes on with, and what it hears in the end. */
const SLOW = {
  'request line': ['POST /v1', 'x', /^$/], // it has said nothing yet that could be answered
  head: [
    `POST ${USERS} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer KEY\r\nX: `,
    'x',
    /^HTTP\/1\.1 408 .*did not arrive in time/s,
  ],
  body: [
    `POST ${USERS} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer KEY\r\nContent-Length: 5000\r\n\r\n{"userId":"slow","firstName":"`,
    'x',
    /^HTTP\/1\.1 408 .*did not arrive in time/s,
  ],
  chunks: [
    `POST ${USERS} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer KEY\r\nTransfer-Encoding: chunked\r\n\r\n`,
    '1\r\nx\r\n',
    /^HTTP\/1\.1 408 .*did not arrive in time/s,
  ],
};

/** They need a minute: they begin before all other tests, on a server of their own, and are judged behind them. */
async function beginSlowly() {
  const server = new Server({ env: ENVIRONMENT });
  const client = await orCleared(server, async () => (await server.start()).account(LICENSE));
  const senders = Object.entries(SLOW).map(async ([name, [first, drip, heard]]) => {
    const { text, ms } = await trickle(server, first.replace('KEY', client.api_key), drip, 500);
    return { name, text, ms, heard };
  });
  return { server, client, senders };
}

const isQuick = Boolean(process.env.HABEAS_TEST_QUICK);
let slowly;
before(async () => {
  if (!isQuick) slowly = await beginSlowly();
});
after(() => slowly?.server.clear());

describe('hostile input', () => {
  /** @type {Server} */
  let server;
  let client, held;

  before(async () => {
    server = new Server({ env: ENVIRONMENT });
    await orCleared(server, async () => {
      await server.start();
      client = await server.account(LICENSE);
      assert.equal((await client.user({ userId: 'bystander', attributes: { plan: 'gold' } })).status, 201);
      held = await stateOf();
    });
  });
  after(async () => {
    try {
      await stopClean(server);
    } finally {
      await server.clear();
    }
  });

  async function figures() {
    return figuresOf(await client.call('GET', '/metrics', undefined, { key: null }));
  }

  /** All that a refused call could have changed. */
  async function stateOf() {
    const { habeas_events_accepted_total: events, habeas_users_accepted_total: users } = await figures();
    const texts = [];
    for (const path of ['/api/users/bystander', '/api/requests', '/api/keys', '/api/settings'])
      texts.push((await client.call('GET', path)).text);
    return { events, users, texts };
  }

  /** A 4xx that says in JSON what is wrong, without a word of what was sent. */
  function assertRefused(answer, said, statuses = [400]) {
    assert.ok(statuses.includes(answer.status), `${said}: ${answer.status} ${answer.text.slice(0, 200)}`);
    const body = answer.json();
    const message =
      body.error?.message ?? body.response?.message ?? body.message ?? JSON.stringify(body.response?.rejected);
    assert.ok(message?.length > 8, `${said}: no word about the problem in ${answer.text}`);
    assert.ok(!answer.text.includes(MARK) || body.subject_request_id, `${said}: ${answer.text.slice(0, 200)}`);
  }

  /** Nobody was made, nothing was changed, and good calls are served. */
  async function assertUntouched(...ids) {
    for (const id of ids) assert.equal((await client.read(id)).status, 404, `${id} was stored`);
    assert.deepEqual(await stateOf(), held);
    assert.equal((await client.call('GET', '/readyz', undefined, { key: null })).status, 200);
  }

  const MALFORMED = {
    nothing: '',
    'white space': ' \r\n\t',
    'a list': '[]',
    'a string': `"${MARK}"`,
    'a number': '7',
    null: 'null',
    true: 'true',
    'two documents': '{} {}',
    'something behind': `{"userId":"h"}${MARK}`,
    'a comma behind': '{"userId":"h",}',
    'no comma': '{"userId":"h" "firstName":"x"}',
    'no colon': '{"userId" "h"}',
    'no quotes': '{userId:"h"}',
    'single quotes': "{'userId':'h'}",
    'a comment': '{"userId":"h"/* */}',
    'the mark of UTF-8': '\ufeff{"userId":"h"}',
    'UTF-16': Buffer.from('{"userId":"h"}', 'utf16le'),
    'NUL behind': '{"userId":"h"}\0',
    'NUL before': '\0{"userId":"h"}',
    'NUL in a string': '{"userId":"h\0"}',
    'a line break in a string': '{"userId":"h\n"}',
    'an unknown escape': '{"userId":"h\\x41"}',
    'half an escape': '{"userId":"h\\u00"}',
    'a high surrogate alone': '{"userId":"h\\ud83d"}',
    'a low surrogate alone': '{"userId":"h\\ude00"}',
    'surrogates in the wrong order': '{"userId":"h\\ude00\\ud83d"}',
    'a surrogate alone in a name': '{"userId":"h","attributes":{"\\ud800":1}}',
    'not a number': '{"userId":"h","attributes":{"n":NaN}}',
    infinity: '{"userId":"h","attributes":{"n":Infinity}}',
    'a zero in front': '{"userId":"h","attributes":{"n":01}}',
    'a plus': '{"userId":"h","attributes":{"n":+1}}',
    'no digit before the point': '{"userId":"h","attributes":{"n":.5}}',
    'no digit behind the point': '{"userId":"h","attributes":{"n":1.}}',
    'an empty exponent': '{"userId":"h","attributes":{"n":1e}}',
    hexadecimal: '{"userId":"h","attributes":{"n":0x1}}',
    'a minus alone': '{"userId":"h","attributes":{"n":-}}',
    'a wrong word': '{"userId":"h","attributes":{"n":nul}}',
    XML: `<user><userId>${MARK}</userId></user>`,
    'a form': `userId=h&firstName=${MARK}`,
    'a list left open': `{"userId":"h","attributes":{"a":${'['.repeat(1000)}`,
    'a thousand lists': `{"userId":"h","attributes":{"a":${'['.repeat(1000)}${']'.repeat(1000)}}}`,
    'a thousand objects': `{"userId":"h","attributes":{"a":${'{"a":'.repeat(1000)}1${'}'.repeat(1000)}}}`,
    'a million lists': '['.repeat(MIB),
    'a string left open': `{"userId":"h","firstName":"${MARK}\\"}`,
  };
  const NOT_UTF8 = {
    'a byte alone': [0xff],
    'a continuation alone': [0x80],
    'too short': [0xe2, 0x82],
    'a slash in two bytes': [0xc0, 0xaf],
    'a slash in three bytes': [0xe0, 0x80, 0xaf],
    'NUL in two bytes': [0xc0, 0x80],
    'half a surrogate pair': [0xed, 0xa0, 0x80],
    'past the last code point': [0xf4, 0x90, 0x80, 0x80],
    'five bytes': [0xf8, 0x88, 0x80, 0x80, 0x80],
  };

  test('what is not JSON is refused at every address that takes a body', async () => {
    assert.ok(withBody.length >= 10);
    for (const route of withBody) {
      const send = (body) => client.call(route.method, address(route), body);
      for (const [name, body] of Object.entries(MALFORMED)) assertRefused(await send(body), `${route.path}: ${name}`);
      for (const [name, bytes] of Object.entries(NOT_UTF8))
        for (const [head, tail] of [
          ['{"userId":"h', '"}'],
          ['{"', '":1}'],
          ['{"userId":"h","attributes":{"a":["', '"]}}'],
        ]) {
          const body = Buffer.concat([Buffer.from(head), Buffer.from(bytes), Buffer.from(tail)]);
          assertRefused(await send(body), `${route.path}: ${name}`);
        }
    }
    await assertUntouched('h', 'h\u0000');
  });

  test('a good body cut short at any byte is refused', async () => {
    for (const [route, body] of Object.entries(GOOD)) {
      const whole = Buffer.from(JSON.stringify(body('cut')));
      for (let length = 0; length < whole.length; length++)
        assertRefused(await client.ingest(route, whole.subarray(0, length)), `${route} cut at ${length}`);
    }
    for (const path of [`/v1/accounts/${LICENSE}/opengdpr_requests`, '/api/requests']) {
      const whole = Buffer.from(JSON.stringify(request('bystander')));
      for (let length = 0; length < whole.length; length++)
        assertRefused(await client.call('POST', path, whole.subarray(0, length)), `${path} cut at ${length}`);
    }
    await assertUntouched('cut');
  });

  test('a name that stands twice is refused, however deep and however it is written', async () => {
    const twins = [
      '"a":1,"a":1',
      '"a":1,"\\u0061":1',
      '"":1,"":2',
      '"é":1,"\\u00e9":2',
      '"a":1,"b":2,"c":3,"a":4',
      '"\\/":1,"/":2',
    ];
    const many = Array.from({ length: 200 }, (_, i) => `"m${i}":${i}`).join();
    const wraps = [(inner) => `{"x":${inner}}`, (inner) => `[${inner}]`, (inner) => `[1,{"y":2,"z":[${inner}]}]`];
    for (const twin of [...twins, `${many},"m0":1`])
      for (const [i, wrap] of wraps.entries())
        for (let depth = 0, inner = `{${twin}}`; depth < 9; depth += i + 1, inner = wrap(inner))
          for (const [route, name] of [
            ['users', 'attributes'],
            ['events', 'eventData'],
          ]) {
            const body = `{"userId":"twin","eventName":"Bought","${name}":{"deep":${inner}}}`;
            assertRefused(await client.ingest(route, body), `${twin} at ${depth}`);
          }
    for (const route of withBody)
      assertRefused(await client.call(route.method, address(route), '{"userId":"twin","userId":"twin"}'), route.path);
    const item = '{"userId":"twin","eventName":"Bought","userId":"twin"}';
    for (const bulk of ['bulk-users', 'bulk-events']) {
      assertRefused(await client.ingest(bulk, `{"${bulk.slice(5)}":[${item}]}`), bulk);
      const mixed = `{"${bulk.slice(5)}":[${item},{"userId":"twin too","eventName":"Bought"}]}`;
      const { status, text } = await client.ingest(bulk, mixed);
      assert.ok(status === 400 || (status === 201 && text.includes('rejected')), text);
    }
    assert.equal((await client.read('twin')).status, 404);
    held = await stateOf();
  });

  const wrong = (name, kinds) => {
    const values = {
      number: 7,
      text: MARK,
      list: [MARK],
      object: { a: MARK },
      true: true,
      false: false,
      null: null,
      empty: '',
    };
    return kinds.split(' ').map((kind) => [name, values[kind]]);
  };
  const TYPES = {
    users: [
      ...wrong('userId', 'number list object true null empty'),
      ...wrong('firstName', 'number list object true'),
      ...wrong('email', 'number list object true'),
      ...wrong('phone', 'number list object false'),
      ...wrong('birthDate', 'number text list object true'),
      ...wrong('emailOptIn', 'number text list object'),
      ...wrong('whatsappOptIn', 'number text list object'),
      ...wrong('attributes', 'number text list true'),
      ['userId', 'x'.repeat(101)],
    ],
    events: [
      ...wrong('userId', 'number list object true null empty'),
      ...wrong('eventName', 'number list object true null empty'),
      ...wrong('eventTime', 'text list object true'),
      ...wrong('eventData', 'number text list true'),
      ...wrong('messageId', 'number list object true empty'),
      ['eventName', 'x'.repeat(51)],
      ['eventName', 'we_bought'],
      ['eventTime', '2026-02-30T10:00:00+0000'],
      ['eventTime', '9999-12-31T23:59:59+0000'],
    ],
    'bulk-users': [...wrong('users', 'number text object true null'), ['users', Array(1001).fill({ userId: 'typed' })]],
    'bulk-events': [
      ...wrong('events', 'number text object true null'),
      ['events', Array(1001).fill({ userId: 'typed' })],
    ],
    opengdpr_requests: [
      ...wrong('subject_request_id', 'number list object true null empty'),
      ...wrong('subject_request_type', 'number text list object true null empty'),
      ...wrong('subject_identities', 'number text object true null'),
      ['subject_identities', []],
      ['subject_identities', [{ identity_type: 'cuid', identity_value: 7 }]],
      ['subject_identities', [{ identity_type: 7, identity_value: 'bystander' }]],
      ['subject_identities', [{ identity_value: '' }]],
      ['subject_identities', Array(2).fill({ identity_type: 'cuid', identity_value: 'bystander' })],
      ['subject_request_id', 'x'.repeat(256)],
    ],
  };

  for (const [route, rows] of Object.entries(TYPES))
    test(`members of the wrong type or shape: ${route}`, async () => {
      const good = route === 'opengdpr_requests' ? request('bystander') : GOOD[route]('typed');
      for (const [name, value] of rows) {
        const answer = await client.ingest(route, { ...good, [name]: value });
        assertRefused(answer, `${name}: ${JSON.stringify(value).slice(0, 60)}`);
      }
      await assertUntouched('typed');
    });

  test('items that are no objects are refused one by one', async () => {
    for (const bulk of ['bulk-users', 'bulk-events']) {
      const items = [7, null, 'x', [], true, {}, { userId: 7 }];
      const answer = await client.ingest(bulk, { [bulk.slice(5)]: items });
      assert.equal(answer.status, 400, answer.text);
      assert.deepEqual(
        answer.json().response.rejected.map(({ index }) => index),
        items.map((_, i) => i),
      );
    }
    await assertUntouched();
  });

  test('10 MB are refused with 413 whichever way they come, and 8 MiB are the limit', async () => {
    const large = Buffer.alloc(10e6, ' ');
    for (const route of withBody) {
      assertRefused(await client.call(route.method, address(route), large), route.path, [413]);
      const { status } = await callChunked(client, route.method, address(route), large);
      assert.equal(status, 413, `${route.path} in chunks`);
    }
    const head = `POST ${USERS} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${client.api_key}\r\n`;
    for (const line of [
      'Content-Length: 10000000',
      'Expect: 100-continue\r\nContent-Length: 10000000',
      'Content-Length: 9223372036854775807',
    ])
      assert.equal((await client.raw(`${head}${line}\r\n\r\n`, { waitMs: 1000 })).status, 413, line);
    await assertUntouched();
    const body = Buffer.alloc(BODY_MAX, ' ');
    body.write(JSON.stringify(GOOD.users('at the limit')));
    assert.equal((await client.user(body)).status, 201);
    assert.equal((await callChunked(client, 'POST', USERS, body)).status, 201);
    assertRefused(await client.user(Buffer.concat([body, Buffer.from(' ')])), 'one byte more', [413]);
    assert.equal((await callChunked(client, 'POST', USERS, Buffer.concat([body, Buffer.from(' ')]))).status, 413);
    held = await stateOf();
  });

  test('what is odd but allowed is taken whole, and what is too much of it is named', async () => {
    const numbers = ['1e999', '-1e999', '1e-999', '9'.repeat(500), `0.${'0'.repeat(500)}1`, '-0', '1E+5'];
    const fields = numbers.map((number, i) => `"n${i}":${number}`).join();
    assert.equal((await client.event(`{"userId":"odd","eventName":"Counted","eventData":{${fields}}}`)).status, 201);
    const { raw } = await client.events('odd');
    for (const [i, number] of numbers.entries()) assert.equal(rawAt(raw[0], 'eventData', `n${i}`), number);

    for (const id of ['odd\u0000', '\u0000', '\u007f', '\u202e', '\ufeff', 'x'.repeat(100), '😀'.repeat(100)]) {
      assert.equal((await client.user({ userId: id, firstName: 'odd' })).status, 201, JSON.stringify(id));
      assert.equal((await client.read(id)).json().userId, id);
    }
    const ignored = async (body) => {
      const answer = await client.user(body);
      assert.equal(answer.status, 201, answer.text.slice(0, 200));
      return answer.json().response.ignored;
    };
    const members = (count, inside) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`m${i}`, inside]));
    assert.equal((await ignored({ userId: 'odd', attributes: { ['k'.repeat(100_000)]: 1 } })).length, 1);
    assert.equal((await ignored({ userId: 'odd', ...members(100_000, 1) })).length, IGNORED_MAX);
    assert.equal((await ignored({ userId: 'odd', attributes: members(100_000, 1) })).length, IGNORED_MAX);
    assert.equal((await ignored({ userId: 'odd', attributes: { list: Array(100_000).fill(1) } })).length, 1);
    const { attributes } = (await client.read('odd')).json();
    assert.equal(Object.keys(attributes).length, 25);
    held = await stateOf();
  });

  test('a body of 200,000 names holds nobody up', async () => {
    const names = Array.from({ length: 200_000 }, (_, i) => `"x${i}":1`).join();
    for (const userId of ['first', 'again']) {
      const began = Date.now();
      const large = client.user(`{"userId":"${userId}","attributes":{${names}}}`);
      const waiting = [large];
      for (let i = 0; i < 10; i++) waiting.push(client.event({ userId: 'beside', eventName: 'Bought' }));
      for (const { status, text } of await Promise.all(waiting)) assert.equal(status, 201, text.slice(0, 200));
      assert.ok(Date.now() - began < 6000, `${userId}: it took ${Date.now() - began} ms`);
    }
    held = await stateOf();
  });

  test('a good body with some bytes changed is taken or refused, never an error of ours', async (t) => {
    const random = seeded(t);
    const pieces = ['"', '{', '}', '[', ']', ':', ',', '\\', '\\u', '\0', '\xff', '1e999', 'null', '"a":', '\\ud800'];
    const counts = { 201: 0, 400: 0 };
    for (let i = 0; i < 600; i++) {
      const route = random.pick(Object.keys(GOOD));
      const body = Buffer.from(JSON.stringify(GOOD[route](`mutant ${i}`)));
      const at = random.between(0, body.length);
      const piece = Buffer.from(random.pick(pieces), 'latin1');
      const changed = Buffer.concat([body.subarray(0, at), piece, body.subarray(at + random.between(0, 3))]);
      const { status, text } = await client.ingest(route, changed);
      assert.ok(status in counts, `${status} ${text} for ${changed.toString('latin1')}`);
      counts[status]++;
    }
    assert.ok(counts[201] > 20 && counts[400] > 100, JSON.stringify(counts));
    held = await stateOf();
  });

  // ---- framing ----

  const inner = JSON.stringify({ userId: 'framed', eventName: 'Bought' });
  const smuggled = JSON.stringify({ userId: 'smuggled', eventName: 'Bought' });
  const length = Buffer.byteLength(inner);
  const chunks = `${length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`;
  const FRAMING = {
    'both lengths': ['Host: h', `Content-Length: ${length}`, 'Transfer-Encoding: chunked', chunks],
    'both lengths, other order': ['Host: h', 'Transfer-Encoding: chunked', `Content-Length: ${length}`, chunks],
    'two lengths': ['Host: h', `Content-Length: ${length}`, `Content-Length: ${length + 1}`, inner],
    'the same length twice': ['Host: h', `Content-Length: ${length}`, `Content-Length: ${length}`, inner],
    'lengths in a list': ['Host: h', `Content-Length: ${length}, ${length}`, inner],
    'a plus': ['Host: h', `Content-Length: +${length}`, inner],
    'a minus': ['Host: h', 'Content-Length: -1', inner],
    'a length that is none': ['Host: h', 'Content-Length: 0x10', inner],
    'a space before the colon': ['Host: h', `Content-Length : ${length}`, inner],
    'a space before the coding': ['Host: h', 'Transfer-Encoding : chunked', chunks],
    'no host': [`Content-Length: ${length}`, inner],
    'two hosts': ['Host: h', 'Host: i', `Content-Length: ${length}`, inner],
    'an unknown coding': ['Host: h', 'Transfer-Encoding: gzip', inner],
    'a coding before chunked': ['Host: h', 'Transfer-Encoding: gzip, chunked', chunks],
    'a coding misspelt': ['Host: h', 'Transfer-Encoding: xchunked', chunks],
    'NUL in a value': ['Host: h', 'X: a\0b', `Content-Length: ${length}`, inner],
    'NUL in a name': ['Host: h', 'X\0: a', `Content-Length: ${length}`, inner],
    'a folded line': ['Host: h', 'X: a', ` Content-Length: ${length}`, inner],
    'a folded length': ['Host: h', 'Content-Length:', ` ${length}`, inner],
    'a line without a colon': ['Host: h', 'Content', `Content-Length: ${length}`, inner],
    'a carriage return alone': ['Host: h', `X: a\rContent-Length: ${length}`, `Content-Length: ${length}`, inner],
    'a wrong chunk': ['Host: h', 'Transfer-Encoding: chunked', `zz\r\n${inner}\r\n0\r\n\r\n`],
    'a chunk past all bounds': ['Host: h', 'Transfer-Encoding: chunked', `ffffffffffffffffff\r\n${inner}\r\n0\r\n\r\n`],
    'a head of 64 kB': ['Host: h', `X: ${'x'.repeat(65_536)}`, `Content-Length: ${length}`, inner],
    'a thousand headers': [
      'Host: h',
      ...Array.from({ length: 1000 }, (_, i) => `X-${i}: ${i}`),
      `Content-Length: ${length}`,
      inner,
    ],
  };
  const post = (lines, body, first = `POST ${EVENTS} HTTP/1.1`) =>
    [first, `Authorization: Bearer ${client.api_key}`, ...lines, '', body].join('\r\n');
  const whole = (body) => post(['Host: h', `Content-Length: ${body.length}`], body);

  test('a request whose end is in doubt is refused, and nothing behind it is taken for a request', async () => {
    const rows = Object.entries(FRAMING).map(([name, lines]) => [name, post(lines.slice(0, -1), lines.at(-1))]);
    for (const first of [
      `POST ${EVENTS}\0 HTTP/1.1`,
      `POST  ${EVENTS} HTTP/1.1`,
      `POST ${EVENTS} HTTP/9.9`,
      `POST ${EVENTS}`,
      `BREW ${EVENTS} HTTP/1.1`,
    ])
      rows.push([first, post(['Host: h', `Content-Length: ${length}`], inner, first)]);
    rows.push(['line feeds alone', whole(inner).replaceAll('\r\n', '\n')]);
    for (const [name, text] of rows)
      for (const pieces of [text + whole(smuggled), [...text.split(/(?<=\n)/).slice(0, 40), whole(smuggled)]]) {
        const answer = await client.raw(pieces, { pauseMs: 1, waitMs: 3000 });
        const said = `${name}: ${JSON.stringify(answer.text.slice(0, 300))}`;
        assert.ok([400, 405, 413, 414, 431, 505].includes(answer.status), said);
        assert.ok(answer.closed, `the connection goes on: ${said}`);
        assert.ok(!/HTTP\/1\.1 2/.test(answer.text), said);
        assert.match(answer.text.split('\r\n\r\n').at(-1), /message|title/, said);
        assert.ok(!answer.text.includes(client.api_key), said);
      }
    await assertUntouched('smuggled', 'framed');
    const { text } = await client.raw(whole(inner) + whole(inner), { waitMs: 500 });
    assert.equal(text.match(/HTTP\/1\.1 201/g).length, 2, 'two good requests on one connection');
    held = await stateOf();
  });

  test('a body where none belongs is never taken for the next request', async () => {
    const get = (lines, body) => post(lines, body, 'GET /api/users/bystander HTTP/1.1');
    const evil = whole(smuggled);
    const next = 'GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n';
    for (const text of [
      get(['Host: h', `Content-Length: ${evil.length}`], evil) + next,
      get(['Host: h', 'Transfer-Encoding: chunked'], `${evil.length.toString(16)}\r\n${evil}\r\n0\r\n\r\n`) + next,
    ]) {
      const answer = await client.raw(text, { waitMs: 500 });
      assert.ok(!answer.text.includes('queued'), answer.text);
      assert.ok([200, 400].includes(answer.status), answer.text);
    }
    const early = await client.raw(post(['Host: h', `Content-Length: ${length + 9}`], inner), {
      waitMs: 500,
      end: true,
    });
    assert.equal(early.status, null, 'a body that breaks off has no answer');
    await assertUntouched('smuggled');
  });

  test('bytes that are no HTTP', async (t) => {
    const random = seeded(t);
    const tls = Buffer.from('16030100c8010000c40303', 'hex');
    const rows = [
      tls,
      Buffer.alloc(64),
      Buffer.from('\r\n'.repeat(1000)),
      Buffer.from('SSH-2.0-x\r\n'),
      Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    ];
    for (let i = 0; i < 40; i++) rows.push(random.bytes(random.between(1, 3000)));
    await Promise.all(rows.map((bytes) => client.raw(bytes, { waitMs: 500 })));
    await assertUntouched('smuggled');
  });

  // ---- much of it ----

  const heavy = async () => {
    const large = Buffer.alloc(10e6, ' ');
    const full = Buffer.alloc(BODY_MAX - 8, ' ');
    full.write('{"userId":7,"attributes":{"a":"');
    const calls = [
      () => client.user(large),
      () => client.user(full),
      () => client.event(`{"userId":"x","eventName":"E","eventData":${'['.repeat(100_000)}`),
      () => client.ingest('bulk-events', JSON.stringify({ events: Array(1000).fill({ userId: 7, eventName: MARK }) })),
      () => client.raw(post(FRAMING['both lengths'].slice(0, -1), chunks), { waitMs: 500 }),
      () => client.raw(`POST ${EVENTS} HTTP/1.1\r\nX: ${'x'.repeat(5000)}`, { waitMs: 50 }),
    ];
    for (let i = 0; i < 4; i++) await Promise.all(calls.map((call) => call()));
  };

  test('5,000 idle connections leave room for normal service, and go again', async () => {
    const openBefore = (await figures()).habeas_http_connections;
    const idle = await openMany(server, 5000, [
      '',
      `POST ${EVENTS} HTTP/1.1\r\nHost: h\r\nX: `,
      `POST ${EVENTS} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${client.api_key}\r\nContent-Length: 900\r\n\r\n{"userId"`,
      'GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n',
    ]);
    try {
      assert.ok((await figures()).habeas_http_connections >= 5000);
      for (let i = 0; i < 50; i++) {
        const began = Date.now();
        assert.equal((await client.event({ userId: 'served', eventName: 'Bought' })).status, 201);
        assert.ok(Date.now() - began < 2000, 'one call took more than two seconds');
      }
      assert.equal((await client.events('served')).events.length, 50);
      assert.ok(
        idle.every((socket) => !socket.destroyed),
        'idle connections were closed early',
      );
    } finally {
      for (const socket of idle) socket.destroy();
    }
    const isGone = async () => (await figures()).habeas_http_connections <= openBefore + 5;
    await until(isGone, { what: 'the end of the idle connections', timeoutMs: 20_000 });
    held = await stateOf();
  });

  test('memory stays flat', async () => {
    await heavy();
    await heavy();
    const warm = memoryOf(server.pid);
    for (let i = 0; i < 6; i++) await heavy();
    const grown = memoryOf(server.pid) - warm;
    assert.ok(grown < 24 * MIB, `the server grew by ${(grown / MIB).toFixed(1)} MiB, from ${(warm / MIB).toFixed(1)}`);
    await assertUntouched();
  });

  test('no line of the log holds a value that was sent', async () => {
    assert.ok((await client.read('at the limit')).text.includes(MARK));
    for (const text of [server.stdout, server.stderr, (await client.call('GET', '/metrics')).text])
      for (const value of [MARK, 'bystander', client.api_key, client.write_key, LICENSE])
        assert.ok(!text.includes(value), text);
  });
});

if (!isQuick)
  test('whoever sends a head or a body byte by byte is ended', { timeout: 85_000 }, async () => {
    const { server, client, senders } = slowly;
    for (let i = 0; i < 10; i++)
      assert.equal((await client.event({ userId: 'quick', eventName: 'Bought' })).status, 201);
    for (const { name, text, ms, heard } of await Promise.all(senders)) {
      assert.ok(ms < 75_000, `${name}: it went on for ${ms} ms`);
      assert.match(text, heard, name);
    }
    assert.equal((await client.read('slow')).status, 404);
    assert.equal((await client.read('quick')).status, 200);
    const { habeas_http_timed_out_total: ended } = figuresOf(await client.call('GET', '/metrics'));
    assert.ok(ended >= senders.length, `${ended} were ended`);
    await stopClean(server);
  });

// ---- what the tests above use ----

/** No `after` follows a `before` that fails: the server is ended here then. */
async function orCleared(server, work) {
  try {
    return await work();
  } catch (error) {
    await server.clear();
    throw error;
  }
}

function figuresOf({ text }) {
  return Object.fromEntries([...text.matchAll(/^(\w+) (-?\d+)$/gm)].map(([, name, value]) => [name, Number(value)]));
}

/** Resident memory of a process, in bytes. */
function memoryOf(pid) {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
}

async function stopClean(server) {
  await server.stop();
  assert.doesNotMatch(server.stderr, /Sanitizer|runtime error|assert/i, server.stderr);
}

/** A body in chunks; the server may refuse before all of it is sent. */
async function callChunked(client, method, path, body) {
  const pieces = [
    `${method} ${path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer ${client.api_key}\r\nTransfer-Encoding: chunked\r\n\r\n`,
  ];
  for (let at = 0; at < body.length; at += MIB) {
    const piece = body.subarray(at, at + MIB);
    pieces.push(Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]));
  }
  return client.raw([...pieces, '0\r\n\r\n'], { pauseMs: 1, waitMs: 5000 });
}

/** So many connections, each of which has sent one of `firsts`. */
async function openMany(server, count, firsts) {
  const open = (first) =>
    new Promise((done, failed) => {
      const socket = connect(server.port, server.host, () => {
        socket.removeListener('error', failed);
        socket.on('error', () => {});
        if (first) socket.write(first);
        done(socket);
      });
      socket.on('error', failed).resume();
    });
  const sockets = [];
  while (sockets.length < count)
    sockets.push(...(await Promise.all(Array.from({ length: 250 }, (_, i) => open(firsts[i % firsts.length])))));
  await until(() => sockets.every((socket) => socket.bytesWritten >= 0 && !socket.connecting), { what: 'connecting' });
  return sockets;
}

/** Sends `drip` again and again until the other side closes, and says what it heard and how long that took. */
function trickle(server, first, drip, everyMs) {
  const began = Date.now();
  return new Promise((done) => {
    let text = '';
    const socket = connect(server.port, server.host, () => socket.write(first));
    const timer = setInterval(() => socket.write(drip), everyMs);
    const giveUp = setTimeout(() => socket.destroy(), 80_000);
    socket.setEncoding('latin1').on('data', (piece) => (text += piece));
    socket.on('error', () => {}); // what is sent into a closed connection
    socket.on('close', () => {
      clearInterval(timer);
      clearTimeout(giveUp);
      done({ text, ms: Date.now() - began });
    });
  });
}
