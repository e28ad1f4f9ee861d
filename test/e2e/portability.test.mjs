// Portability and access in one answer, and the archive that streams what is too much for one.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, readlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { availableParallelism } from 'node:os';
import test from 'node:test';

import { differences, rawAt, rawElements, rawValues } from './lib/json.mjs';
import { seeded } from './lib/random.mjs';
import { startServer, until } from './lib/server.mjs';

const LEGAL = { headers: { 'habeas-reason': 'legal_claim' } };
const MIB = 1024 * 1024;

async function ok(promise, what = 'the call') {
  const answer = await promise;
  assert.ok(answer.status === 200 || answer.status === 201, `${what}: ${answer.status} ${answer.text.slice(0, 500)}`);
  return answer;
}

const upTo = (count) => Array.from({ length: count }, (_, i) => i);

async function fill(client, naming, count, eventData = (number) => ({ number }), atOnce = 1000) {
  for (let at = 0; at < count; at += atOnce) {
    const some = upTo(Math.min(atOnce, count - at)).map((i) => at + i);
    await ok(client.bulkEvents(some.map((number) => ({ ...naming, eventName: 'Seen', eventData: eventData(number) }))));
  }
}

/** The archive's text, after all the checks that every archive must pass. */
async function archive(client, path, options) {
  const answer = await ok(client.call('GET', path, undefined, options));
  assert.match(answer.headers['content-type'], /^application\/json/);
  return answer.text;
}

const numbers = (events) => events.map(({ eventData }) => eventData.number);

test('the answer holds everything held, byte for byte, and the archive says the same', async (t) => {
  const random = seeded(t);
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  const consent = { wording: 'Ja, "gern" – 😀', version: '1.0', when: '2026-11-20T10:00:00Z', road: 'form' };
  for (const anonymous of [false, true]) {
    const naming = anonymous ? { anonymousId: 'guest "1"/😀' } : { userId: 'ann "1"/😀' };
    const id = Object.values(naming)[0];
    const values = ['18446744073709551615', '0.1', '1e308', '39.80', '""', '-0', '1E+2', '"\\ud83d\\ude00"', 'true'];
    const attributes = values
      .map((raw, i) => `"Value ${i}":${raw}`)
      .concat('"List":[1.50,{"a":39.80}]')
      .join(',');
    const names = JSON.stringify({ ...naming, firstName: 'Zoë', email: 'ann@example.org', emailOptIn: false, consent });
    await ok(client.user(`${names.slice(0, -1)},"attributes":{${attributes}}}`));
    await ok(client.user({ ...naming, smsOptIn: false }));
    const sent = [];
    for (let i = 0; i < 200; i++) {
      const text = JSON.stringify(random.text(random.between(0, 40)));
      sent.push(`{"Number":${random.number()},"Text":${text},"List":[${random.number()}],"Price":39.80}`);
      await ok(client.event(`{${JSON.stringify(naming).slice(1, -1)},"eventName":"Seen","eventData":${sent[i]}}`));
    }
    const check = async (options) => {
      const identity_type = anonymous ? 'anonymous' : 'cuid';
      const answer = await ok(client.gdpr('portability', id, { identity_type }));
      const { complete, archive_url } = answer.json();
      assert.equal(complete, true);
      const user = rawAt(answer.text, 'user');
      const read = rawValues((await ok(client.read(id, { anonymous, ...options }))).text);
      for (const [pointer, raw] of read)
        if (pointer.lastIndexOf('/') === 0) assert.equal(rawAt(user, pointer.slice(1)), raw);
      for (const [i, raw] of values.entries()) assert.equal(rawAt(user, 'attributes', `Value ${i}`), raw);
      const events = rawElements(user, 'events');
      assert.deepEqual(events, (await client.events(id, { anonymous, ...options })).raw.reverse());
      assert.equal(events.length, sent.length);
      for (const [i, event] of events.entries()) assert.deepEqual(differences(rawAt(event, 'eventData'), sent[i]), []);
      const history = JSON.parse(rawAt(user, 'preferenceHistory'));
      assert.deepEqual(
        history.map(({ channel, optedIn }) => [channel, optedIn]),
        [
          ['email', false],
          ['sms', false],
        ],
      );
      assert.deepEqual(history[0].consent, { wording: consent.wording, version: '1.0', road: 'form' });
      assert.equal(await archive(client, archive_url), user);
    };
    await check();
    await ok(client.gdpr('restriction', id, { identity_type: anonymous ? 'anonymous' : 'cuid' }));
    await check(LEGAL);
    await ok(client.gdpr('erasure', id, { identity_type: anonymous ? 'anonymous' : 'cuid' }));
    await check(LEGAL);
    await server.restart();
    await check(LEGAL);
  }
});

test('events are in the answer whole or not at all: up to 1,000 of them and 1 MiB', async (t) => {
  const server = await startServer(t);
  const client = await server.account();
  const text = (length) => (number) => ({ number, text: 'x'.repeat(length) });
  const large = (number) => ({ number, list: upTo(15).map(() => 'y'.repeat(1000)), more: 'z'.repeat(1000) });
  const cases = [
    ['none', 0, undefined, true],
    ['1,000 events', 1000, undefined, true],
    ['1,001 events', 1001, undefined, false],
    ['2,500 events', 2500, undefined, false],
    ['somewhat below 1 MiB', 800, text(900), true],
    ['somewhat above 1 MiB', 1000, text(1000), false],
    ['1,000 large ones', 1000, large, false],
  ];
  for (const [userId, count, eventData, complete] of cases) {
    await ok(client.user({ userId, attributes: { Size: 1 } }));
    await fill(client, { userId }, count, eventData, eventData === large ? 250 : 1000);
    const answer = await ok(client.gdpr('portability', userId), userId);
    const body = answer.json();
    assert.deepEqual([body.complete, 'events' in body.user], [complete, complete], userId);
    assert.deepEqual([body.user.userId, body.user.attributes], [userId, { Size: 1 }]);
    assert.ok(Array.isArray(body.user.preferenceHistory));
    if (complete) assert.deepEqual(numbers(body.user.events), upTo(count));
    if (eventData !== large) assert.ok(answer.bytes.length < 1.01 * MIB + 2000, `${userId}: ${answer.bytes.length}`);
    const { user: _, ...named } = body;
    assert.deepEqual(Object.keys(named), [
      'subject_request_id',
      'subject_request_type',
      'message',
      'complete',
      'archive_url',
    ]);
    const whole = JSON.parse(await archive(client, body.archive_url));
    assert.deepEqual(numbers(whole.events), upTo(count), userId);
    assert.deepEqual({ ...whole, events: 0 }, { ...body.user, events: 0 });
    if (count > 0) assert.deepEqual(whole.events[0].eventData, (eventData ?? ((number) => ({ number })))(0));
  }
});

test('an archive is for keys with the scope rights of that account, and only of a portability request', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  const other = await server.account('shop2');
  const keyWith = async (scopes) =>
    JSON.parse((await server.cli(['key', 'add', '--license', 'shop1', '--scopes', scopes])).stdout).key;
  await ok(client.event({ userId: 'ann', eventName: 'Seen', eventData: { number: 0 } }));
  const restriction = await ok(client.gdpr('restriction', 'ann'));
  assert.equal(restriction.json().archive_url, undefined);
  const { archive_url } = (
    await ok(client.gdpr('portability', 'ann', { subject_request_id: 'ann@example.org' }))
  ).json();
  assert.match(archive_url, /^\/api\/archives\/\d+$/);
  assert.equal((await client.call('GET', archive_url, undefined, { key: await keyWith('rights') })).status, 200);
  for (const key of [null, 'wrong', client.write_key, await keyWith('read'), await keyWith('ingest,read,report,admin')])
    assert.equal((await client.call('GET', archive_url, undefined, { key })).status, 401);
  assert.equal((await other.call('GET', archive_url)).status, 404);
  for (const path of ['1', '0', '999', 'x', '-1', '2x', '99999999999999999999', ''])
    assert.equal((await client.call('GET', `/api/archives/${path}`)).status, 404, path);
  const audit = readFileSync(`${server.data}/ledger/audit/0001`, 'utf8');
  assert.equal(audit.split('\n').filter((line) => line.includes('"act":"archive"')).length, 1);
});

test('an archive is 404 once its person is erased, also when somebody of that id is there again', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '0'] });
  const client = await server.account();
  for (const identity_type of ['cuid', 'anonymous']) {
    const naming = identity_type === 'cuid' ? { userId: 'ann' } : { anonymousId: 'ann' };
    await fill(client, naming, 10);
    const { archive_url } = (await ok(client.gdpr('portability', 'ann', { identity_type }))).json();
    assert.equal(JSON.parse(await archive(client, archive_url)).events.length, 10);
    await ok(client.gdpr('erasure', 'ann', { identity_type }));
    const gone = async () => {
      const answer = await client.call('GET', archive_url);
      assert.equal(answer.status, 404, answer.text);
      assert.equal(typeof answer.json().error.code, 'string');
    };
    await gone();
    await fill(client, naming, 3);
    await gone();
    await server.restart();
    await gone();
  }
});

// ---- 50,000 events ----

function residentKib(pid) {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);
}

/** Sanitizers keep freed memory for a while, so their build's size says nothing. */
function isSanitized(pid) {
  return readFileSync(`/proc/${pid}/maps`, 'latin1').includes('libasan');
}

/**
 * An archive by a bare connection that reads at its own pace.
 * @returns {Promise<{ socket: import('node:net').Socket, bytes: () => number, ended: Promise<Buffer> }>}
 */
function slowArchive(server, client, path) {
  const pieces = [];
  let count = 0;
  const socket = connect(server.port, server.host);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${client.api_key}\r\n\r\n`);
  socket.on('data', (piece) => {
    pieces.push(piece);
    count += piece.length;
  });
  const ended = new Promise((done) => {
    socket.on('error', () => {}).on('close', () => done(Buffer.concat(pieces)));
  });
  return { socket, bytes: () => count, ended };
}

/** What the kernel may hold on the way: both sockets' largest buffers. */
function buffersOnTheWay() {
  const largest = (name) => Number(readFileSync(`/proc/sys/net/ipv4/${name}`, 'utf8').trim().split(/\s+/)[2]);
  return largest('tcp_wmem') + largest('tcp_rmem') + MIB;
}

test('50,000 events: streamed whole, oldest first, in constant memory; broken off when the person is erased', async (t) => {
  const count = 50_000;
  const server = await startServer(t, { options: ['--cancel-window', '7d'] });
  const client = await server.account();
  const long = 'a text that makes each event somewhat longer, '.repeat(8);
  await ok(client.user({ userId: 'ann', firstName: 'Ann', attributes: { Size: 1 } }));
  await fill(client, { userId: 'ann' }, count, (number) => ({ number, price: '39.80', long }));
  const body = (await ok(client.gdpr('portability', 'ann'))).json();
  assert.deepEqual([body.complete, body.user.events], [false, undefined]);

  const before = residentKib(server.pid);
  let most = before;
  const watch = setInterval(() => (most = Math.max(most, residentKib(server.pid))), 5);
  const first = await archive(client, body.archive_url).finally(() => clearInterval(watch));
  const grown = (most - before) / 1024;
  t.diagnostic(
    `${(first.length / MIB).toFixed(1)} MiB sent; memory grew from ${Math.round(before / 1024)} MiB by ${grown.toFixed(1)} MiB`,
  );
  const whole = JSON.parse(first);
  assert.deepEqual(numbers(whole.events), upTo(count));
  assert.ok(whole.events.every(({ eventData }) => eventData.long === long && eventData.price === '39.80'));
  assert.deepEqual([whole.userId, whole.attributes], ['ann', { Size: 1 }]);
  if (!isSanitized(server.pid)) assert.ok(grown < 30, `memory grew by ${grown} MiB`);

  const eventsOf = (text) => text.slice(text.indexOf('"events":['));
  await ok(client.gdpr('restriction', 'ann'));
  const restricted = await archive(client, (await ok(client.gdpr('portability', 'ann'))).json().archive_url);
  assert.ok(eventsOf(restricted) === eventsOf(first), 'restricted: other events');
  await ok(client.gdpr('erasure', 'ann', { subject_request_id: 'off' }));
  await ok(client.event({ userId: 'ann', eventName: 'Seen', eventData: { number: count } }));
  const pending = await archive(client, body.archive_url);
  assert.ok(eventsOf(pending) === eventsOf(first), 'erasure pending: other events');
  await ok(client.cancel('off'));

  await server.restart({ options: ['--cancel-window', '0'] });
  const slow = slowArchive(server, client, body.archive_url);
  await until(() => slow.bytes() > 100_000, { what: 'the beginning of the archive', pauseMs: 1 });
  slow.socket.pause();
  await ok(client.gdpr('erasure', 'ann', { subject_request_id: 'gone' }));
  const answered = slow.bytes();
  assert.equal((await client.read('ann')).status, 404);
  slow.socket.resume();
  const received = await slow.ended;
  const rest = received.length - answered;
  t.diagnostic(`${answered} bytes before the erasure was answered, ${rest} after it`);
  assert.ok(rest <= buffersOnTheWay(), `${rest} bytes came after the erasure was answered`);
  assert.ok(received.length < first.length, 'the archive came whole');
  assert.match(received.subarray(0, 100).toString('latin1'), /^HTTP\/1\.1 200 /);
  assert.match(received.subarray(0, 1000).toString('latin1'), /\r\ntransfer-encoding: chunked\r\n/i);
  assert.equal(received.subarray(-5).toString('latin1') === '0\r\n\r\n', false, 'the archive has a clean end');
  assert.equal((await client.call('GET', body.archive_url)).status, 404);
  assert.equal((await client.call('GET', '/healthz', undefined, { key: null })).status, 200);
  await until(async () => (await client.status('gone')).json().status === 'DONE', { what: 'DONE', timeoutMs: 20_000 });
  await ok(client.event({ userId: 'ann', eventName: 'Seen', eventData: { number: 0 } }));
  assert.deepEqual(numbers((await client.events('ann')).events), [0]);
});

/** Where a descriptor leads; undefined when it was closed meanwhile. */
function linkOf(path) {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}

test('readers that go away in the middle of an archive leave nothing behind', async (t) => {
  const server = await startServer(t, { options: ['--cancel-window', '0'] });
  const client = await server.account();
  await fill(client, { userId: 'ann' }, 20_000, (number) => ({ number, long: 'x'.repeat(200) }));
  const { archive_url } = (await ok(client.gdpr('portability', 'ann'))).json();
  const leave = async () => {
    const slow = slowArchive(server, client, archive_url);
    await until(() => slow.bytes() > 10_000, { what: 'the beginning of the archive', pauseMs: 1 });
    slow.socket.destroy();
    await slow.ended;
  };
  // The server keeps what it reads with, one set a thread; what a reader who left holds on to would grow with their number.
  const open = (kind) => {
    const links = readdirSync(`/proc/${server.pid}/fd`).map((fd) => linkOf(`/proc/${server.pid}/fd/${fd}`));
    return links.filter((link) => link?.startsWith('socket:') === (kind === 'sockets')).length;
  };
  await Promise.all(upTo(10).map(leave));
  const [memory, files, sockets] = [residentKib(server.pid), open('files'), open('sockets')];
  const rounds = 10;
  for (let round = 0; round < rounds; round++) await Promise.all(upTo(10).map(leave));
  await until(() => open('sockets') < sockets + 10 * rounds, { what: 'the end of their connections' });
  assert.ok(open('files') <= files + 20 * availableParallelism(), `${open('files')} open files, ${files} before`);
  if (!isSanitized(server.pid)) assert.ok(residentKib(server.pid) - memory < 30 * 1024, 'memory is left behind');
  assert.equal(JSON.parse(await archive(client, archive_url)).events.length, 20_000);
  // With everybody gone, nothing holds up the erasure.
  await ok(client.gdpr('erasure', 'ann', { subject_request_id: 'gone' }));
  await until(async () => (await client.status('gone')).json().status === 'DONE', { what: 'DONE', timeoutMs: 20_000 });
});
