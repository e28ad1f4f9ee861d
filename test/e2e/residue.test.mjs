// Proof that nothing of an erased person is left (semantics 10 a-c): the search is shown to find what is there, once by a
// build whose seal does nothing and once by the sealed bytes themselves, and finds nothing after DONE.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import test from 'node:test';

import { seeded } from './lib/random.mjs';
import { describe, search, searchIn } from './lib/search.mjs';
import { StartError, newServer, program as release, startServer, until } from './lib/server.mjs';
import { daysAhead } from './proof/clock.mjs';
import { assertWhole, erase, mark, sendInterleaved, sendMarkedPerson, wholeOf } from './proof/shop.mjs';
import { assertAllFound, assertIntegrity, leftOf, newestOrdinal, together, tracesOf } from './proof/traces.mjs';

const AT_ONCE = ['--cancel-window', '0', '--log-level', 'debug'];
const control = resolve(process.env.HABEAS_CONTROL_PROGRAM ?? 'build-control/habeas');

/** Everything that the server leaves behind or tells: files, deleted files, output, metrics. */
async function searchEverywhere(server, client, needles) {
  const found = await search(needles, [server.root], { pid: server.pid });
  found.push(...searchIn(needles, server.stdout, 'stdout'), ...searchIn(needles, server.stderr, 'stderr'));
  if (server.isRunning) found.push(...searchIn(needles, (await client.call('GET', '/metrics')).text, '/metrics'));
  return found;
}

/** The program writes nowhere else: no file outside its root is open for writing. */
function assertStaysInside(server) {
  for (const name of readdirSync(`/proc/${server.pid}/fd`)) {
    const target = readlinkSync(`/proc/${server.pid}/fd/${name}`);
    const isOurs = target.startsWith(server.root) || /^(socket|pipe|anon_inode):|^\/dev\//.test(target);
    assert.ok(isOurs, `open: ${target}`);
  }
}

test('the search finds every mark that is stored when the seal does nothing', async (t) => {
  assert.ok(existsSync(control), `there is no control build at ${control}: HABEAS_CONTROL_PROGRAM names it`);
  const random = seeded(t);
  const server = await startServer(t, { program: control, options: AT_ONCE });
  const client = await server.account();
  const person = await sendMarkedPerson(client, random);
  person.stored.subject_request_id = mark(random, 'request');
  const asked = await client.gdpr('restriction', person.id, { subject_request_id: person.stored.subject_request_id });
  assert.equal(asked.status, 201);
  for (const moment of ['while it runs', 'after it stopped']) {
    if (moment === 'after it stopped') await server.stop();
    const found = new Set((await search(person.stored, [server.root])).map(({ needle }) => needle));
    assert.deepEqual(Object.keys(person.stored).filter((what) => !found.has(what)), [], moment);
    assert.equal(describe(await searchEverywhere(server, client, person.other)), '', moment);
  }
});

test('the release program refuses the data of the control build, and the other way round', async (t) => {
  assert.ok(existsSync(control), `there is no control build at ${control}: HABEAS_CONTROL_PROGRAM names it`);
  for (const [maker, other] of [[control, release], [release, control]]) {
    const server = newServer(t, { program: maker });
    await server.start();
    await server.stop();
    server.program = other;
    await assert.rejects(server.start(), StartError);
    const { code, stderr } = await server.cli(['account', 'add', '--license', 'shop1']);
    assert.equal(code, 1);
    assert.match(stderr, /^habeas: /);
  }
});

test('no mark in any field is ever written down in the clear', async (t) => {
  const random = seeded(t);
  const server = await startServer(t, { options: AT_ONCE });
  const client = await server.account();
  const person = await sendMarkedPerson(client, random);
  const marks = { ...person.stored, ...person.other, api_key: client.api_key, write_key: client.write_key };
  for (const [type, what] of [['restriction', 'one'], ['portability', 'two'], ['re-enable', 'three']]) {
    marks[`request ${what}`] = mark(random, what);
    assert.equal((await client.gdpr(type, person.id, { subject_request_id: marks[`request ${what}`] })).status, 201);
  }
  assert.equal((await client.read(person.id)).status, 200);
  assert.equal((await server.cli(['request', 'restrict', '--license', 'shop1', '--user-id', person.id])).code, 0);
  assert.equal((await client.read(person.id)).status, 403);
  assertStaysInside(server);
  assert.equal(describe(await searchEverywhere(server, client, marks)), '', 'while it runs');
  await server.restart();
  assert.equal(describe(await searchEverywhere(server, client, marks)), '', 'after a restart');
  marks.erasure = mark(random, 'erasure');
  await erase(client, person.id, marks.erasure, { suppress: { until: null } });
  marks['erasure of anonymous'] = mark(random, 'anonymous');
  await erase(client, person.anonymous, marks['erasure of anonymous'], { identity_type: 'anonymous' });
  assert.equal((await client.user({ userId: person.id, attributes: { plan: (marks.suppressed = mark(random, 's')) } })).status, 201);
  assert.equal(describe(await searchEverywhere(server, client, marks)), '', 'after the erasure');
  await server.stop();
  assert.equal(describe(await searchEverywhere(server, client, marks)), '', 'after it stopped');
});

test('after DONE neither key nor fingerprint nor sealed body is in any file, and neighbours are whole', async (t) => {
  const random = seeded(t);
  const server = await startServer(t, { options: AT_ONCE });
  const client = await server.account();
  const first = (await newestOrdinal(server)) + 1;
  const people = await sendInterleaved(client, random);
  const marked = await sendMarkedPerson(client, random);
  const ordinals = [first, first + 7, first + 8, first + people.length - 1, first + people.length, first + people.length + 1];
  assert.equal(await newestOrdinal(server), ordinals.at(-1), 'people are numbered as they were made');
  const asked = await client.gdpr('restriction', marked.id, { subject_request_id: 'kept' });
  assert.equal(asked.status, 201);
  const traces = together(await Promise.all(ordinals.map((ordinal) => tracesOf(server, ordinal))));
  assert.ok(Object.keys(traces.sealed).length >= 4 * 200 + 8, 'every event has a sealed body');
  await assertAllFound(server, traces);

  const before = new Map();
  const erased = [people[0], people[7], people[8], people[49]];
  const others = people.filter((person) => !erased.includes(person));
  for (const { id } of others) before.set(id, await wholeOf(client, id));
  await Promise.all([
    ...erased.map(({ id }, i) => erase(client, id, `erase ${i}`)),
    erase(client, marked.id, 'erase marked'),
    erase(client, marked.anonymous, 'erase anonymous', { identity_type: 'anonymous' }),
  ]);
  assert.deepEqual(await leftOf(server, traces), [], 'while it runs');
  for (const { id } of erased) assert.deepEqual((await wholeOf(client, id)).status, [404, 404]);
  for (const person of others) {
    assert.deepEqual(await wholeOf(client, person.id), before.get(person.id));
    await assertWhole(client, person);
  }
  await server.stop();
  assert.deepEqual(await leftOf(server, traces), [], 'after it stopped');
  await assertIntegrity(server);
  await server.start();
  assert.deepEqual(await leftOf(server, traces), [], 'after another start');
  for (const person of others) await assertWhole(client, person);
});

/** A figure of /metrics. */
async function metric(client, name) {
  const line = (await client.call('GET', '/metrics')).text.split('\n').find((text) => text.startsWith(`${name} `));
  return Number(line?.split(' ')[1]);
}

test('the same of closed volumes, also of people who are erased while their volume is being closed', async (t) => {
  const random = seeded(t);
  const server = await startServer(t, { options: AT_ONCE });
  const client = await server.account();
  const size = { people: 30, rounds: 100 };
  const first = (await newestOrdinal(server)) + 1;
  const people = await sendInterleaved(client, random, size);
  const early = [2, 3];
  const late = [11, 12, 29];
  const tracesOfAll = async (some) => together(await Promise.all(some.map((i) => tracesOf(server, first + i))));
  const earlyTraces = await tracesOfAll(early);
  await assertAllFound(server, earlyTraces);

  await server.restart({ env: daysAhead(server, 1) });
  await Promise.all(early.map((i) => erase(client, people[i].id, `early ${i}`)));
  assert.deepEqual(await leftOf(server, earlyTraces), [], 'while the volumes are being closed');
  const rows = (size.people - early.length) * size.rounds;
  await until(async () => (await metric(client, 'habeas_events_closed')) === rows, { what: 'the closed volume' });
  assert.equal(await metric(client, 'habeas_events_open'), 0);

  const others = people.filter((_, i) => !early.includes(i) && !late.includes(i));
  for (const { id, sent } of [...others, ...late.map((i) => people[i])]) {
    sent.push('{"n":1}');
    assert.equal((await client.event(`{"userId":"${id}","eventName":"Viewed","eventData":{"n":1}}`)).status, 201);
  }
  const lateTraces = await tracesOfAll(late);
  assert.ok(Object.keys(lateTraces.sealed).length > late.length * size.rounds);
  await assertAllFound(server, lateTraces);
  await Promise.all(late.map((i) => erase(client, people[i].id, `late ${i}`)));
  const traces = together([earlyTraces, lateTraces]);
  assert.deepEqual(await leftOf(server, traces), [], 'while it runs');
  for (const i of [...early, ...late]) assert.deepEqual((await wholeOf(client, people[i].id)).status, [404, 404]);
  for (const person of others) await assertWhole(client, person);
  await server.stop();
  assert.deepEqual(await leftOf(server, traces), [], 'after it stopped');
  await assertIntegrity(server);
  await server.start();
  for (const person of others) await assertWhole(client, person);
});

test('with no late marks and no kept opt-outs no fingerprint is left at all', async (t) => {
  const random = seeded(t);
  const server = await startServer(t, { options: AT_ONCE });
  const client = await server.account();
  assert.equal((await server.cli(['account', 'set', '--license', 'shop1', 'late_mark_days=0'])).code, 0);
  const person = await sendMarkedPerson(client, random);
  const ordinal = await newestOrdinal(server);
  const traces = together([await tracesOf(server, ordinal - 1), await tracesOf(server, ordinal)]);
  await assertAllFound(server, traces);
  await erase(client, person.id, 'one', { keep_opt_outs: false });
  await erase(client, person.anonymous, 'two', { keep_opt_outs: false, identity_type: 'anonymous' });
  const nothingAllowed = { ...traces, prints: {}, sealed: { ...traces.sealed, ...traces.prints } };
  assert.deepEqual(await leftOf(server, nothingAllowed), []);
  await server.stop();
  assert.deepEqual(await leftOf(server, nothingAllowed), []);
});

/** A file system of our own in a file. @returns {string|undefined} what the machine lacks */
function mountIn(t, server) {
  const image = join(server.root, 'image');
  try {
    execFileSync('truncate', ['-s', '256M', image]);
    execFileSync('mkfs.ext4', ['-q', '-F', image], { stdio: 'pipe' });
    execFileSync('mount', ['-o', 'loop', image, server.disk], { stdio: 'pipe' });
  } catch (error) {
    return `no loop-mounted file system here: ${error.stderr ?? error.message}`;
  }
  server.unmount = () => execFileSync('umount', [server.disk]);
  return undefined;
}

test('the destroyed key is not on the raw device after DONE', { skip: process.getuid() !== 0 && 'only root may mount' }, async (t) => {
  const random = seeded(t);
  const server = newServer(t, { options: AT_ONCE });
  const lacking = mountIn(t, server);
  if (lacking) return t.skip(lacking);
  try {
    mkdirSync(server.data, { mode: 0o700 });
    await server.start();
    const client = await server.account();
    const { id } = await sendMarkedPerson(client, random);
    const traces = await tracesOf(server, (await newestOrdinal(server)) - 1);
    const image = join(server.root, 'image');
    execFileSync('sync', ['-f', server.disk]);
    const keyOnly = { key: traces.key, prints: {}, sealed: {} };
    await assertAllFound(server, keyOnly, [image]);
    await erase(client, id, 'raw');
    assert.deepEqual(await leftOf(server, keyOnly, [image]), [], 'while it runs');
    await server.stop();
    execFileSync('sync', ['-f', server.disk]);
    assert.deepEqual(await leftOf(server, keyOnly, [image]), [], 'after it stopped');
  } finally {
    if (server.isRunning) await server.kill();
    server.unmount();
  }
});
