// Files of users and events, taken in by `habeas import`: both dialects, CSV, standard input; what is refused, what breaks off
// and goes on, what privacy keeps out; with a running server and without.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { startServer, until } from './lib/server.mjs';

const MARK = 'Importmarker5512';
const MANY = 50_000;
const MEMORY_MAX_KB = 32 * 1024; // of a file of 46 MiB

/** Runs a test beside a running server, and again with the import alone in the data directory. */
function both(name, body) {
  for (const served of [true, false])
    test(`${name}, ${served ? 'with' : 'without'} a server`, async (t) => {
      const server = await startServer(t, { options: ['--cancel-window', '0'] });
      const client = await server.account();
      await body({ server, client, served, ...importer(server, served) });
      if (server.isRunning) await server.stop();
      assert.ok(!server.stderr.includes(MARK), server.stderr);
    });
}

function importer(server, served) {
  const file = (name, text) => {
    const path = join(server.temporary, name);
    writeFileSync(path, text);
    return path;
  };
  /** One run of the command; the server is there before and after. */
  const run = async (words, { status = 0, input } = {}) => {
    if (!served && server.isRunning) await server.stop();
    const ended = await server.cli(['import', '--license', 'shop1', ...words], { input });
    if (!server.isRunning) await server.start();
    assert.deepEqual([ended.code, ended.signal], [status, null], ended.stderr + ended.stdout);
    assert.ok(!(ended.stdout + ended.stderr).includes(MARK), `a value in ${ended.stdout}${ended.stderr}`);
    return { ...ended, counts: countsOf(ended.stdout) };
  };
  return { file, run };
}

/** The report: every count that is not 0. */
function countsOf(text) {
  const rows = [...text.matchAll(/^(\S.*?) {2,}(\d+)$/gm)].map(([, label, count]) => [label, Number(count)]);
  return Object.fromEntries(rows.filter(([, count]) => count > 0));
}

const lines = (...objects) => objects.map((each) => (typeof each === 'string' ? each : JSON.stringify(each)) + '\n').join('');

// ---- formats ----

both('lines of both dialects in one file', async ({ client, file, run }) => {
  const path = file(
    'both.ndjson',
    lines(
      { userId: 'ann', firstName: 'Ann', emailOptIn: false, attributes: { Size: 4 } },
      '',
      { userId: 'ann', eventName: 'Paid', eventTime: '2020-02-03T04:05:06.789Z', eventData: { Sum: 1.5 } },
      { userId: 'ann', eventName: 'Paid', eventTime: '2020-02-03T04:05:06.789Z', eventData: { Sum: 1.5 } },
      { type: 'identify', userId: 'bob', traits: { firstName: 'Bob', plan: 'a' } },
      {
        type: 'track', event: 'Seen', userId: 'bob', timestamp: '2021-02-03T04:05:06.789Z', messageId: 'm1',
        originalTimestamp: '2021-02-03T04:00:00.000Z', sentAt: '2021-02-03T04:00:09.000Z',
      },
      { type: 'track', event: 'Seen', userId: 'bob', messageId: 'm1' },
      { type: 'page', name: 'Home', userId: 'bob' },
    ),
  );
  const { counts, stderr } = await run([path]);
  assert.deepEqual(counts, { taken: 6, 'there already': 1 });
  assert.match(stderr, /both\.ndjson: 8 lines\n$/, 'off a terminal one line is written');
  assert.ok(!existsSync(`${path}.import`));

  const ann = (await client.read('ann')).json();
  assert.deepEqual([ann.firstName, ann.attributes.Size, ann.preferences.email.optedIn], ['Ann', 4, false]);
  const paid = (await client.events('ann')).events;
  assert.deepEqual(paid.map((event) => event.eventTime), ['2020-02-03T04:05:06.789Z', '2020-02-03T04:05:06.789Z']);
  assert.equal((await client.read('bob')).json().firstName, 'Bob');
  const seen = (await client.events('bob')).events;
  assert.deepEqual(seen.map((event) => event.eventName).sort(), ['Page Viewed', 'Seen']);
  assert.equal(seen.find((event) => event.eventName === 'Seen').eventTime, '2021-02-03T04:05:06.789Z', 'no clock is corrected twice');

  assert.deepEqual((await run([path])).counts, { taken: 2, 'there already': 5 }, 'the same file again');
  assert.equal((await client.events('ann')).events.length, 2);
});

both('users as CSV', async ({ client, file, run }) => {
  const path = file(
    'users.csv',
    '\uFEFFuser_id,first_name,email,email_opt_in,sms_opt_in,"Note, long",Visits,Member,postal_code\r\n' +
      'ann,"Ann ""the"" First",ann@example.org,true,no,"two\r\nlines, one note",12,yes,01234\r\n' +
      '\r\n' +
      '"b/ö",Bøb,,,,,,,\r\n',
  );
  const { counts } = await run([path, '--types', 'Visits=number,Member=boolean']);
  assert.deepEqual(counts, { taken: 2 });
  const ann = (await client.read('ann')).json();
  assert.deepEqual(
    [ann.firstName, ann.email, ann.attributes],
    ['Ann "the" First', 'ann@example.org', { 'Note, long': 'two\r\nlines, one note', Visits: 12, Member: true, postal_code: '01234' }],
  );
  assert.deepEqual([ann.preferences.email.optedIn, ann.preferences.sms.optedIn], [true, false]);
  const bob = (await client.read('b/ö')).json();
  assert.deepEqual([bob.firstName, bob.preferences.email.set], ['Bøb', false]);
});

both('standard input', async ({ client, run }) => {
  assert.deepEqual((await run(['-'], { input: lines({ userId: 'ann', eventName: 'Paid' }) })).counts, { taken: 1 });
  assert.deepEqual((await run(['-'], { input: 'user_id,city\nbob,Bonn' })).counts, { taken: 1 });
  assert.equal((await client.events('ann')).events.length, 1);
  assert.deepEqual((await client.read('bob')).json().attributes, { city: 'Bonn' });
  assert.deepEqual((await run(['-'], { input: '' })).counts, {});
});

// ---- refused ----

both('refused lines are told by number and never by value', async ({ client, file, run }) => {
  const path = file(
    'wrong.ndjson',
    lines(
      { userId: 'ann' },
      `{"userId":"${MARK}"`,
      [MARK],
      { userId: MARK.repeat(20) },
      { userId: MARK, emailOptIn: MARK },
      { userId: 'ann', eventName: `we_${MARK}` },
      { type: MARK, userId: 'ann' },
      { type: 'track', userId: 'ann', event: 'x'.repeat(51) },
      { type: 'track', userId: 'ann', event: 'Big', properties: { a: MARK.repeat(3000) } },
      `{"userId":"ann","userId":"${MARK}"}`,
      `{"userId":"${'x'.repeat(9 << 20)}"}`,
      { userId: 'ann', attributes: { Size: 'é' } },
      Buffer.from(`{"userId":"${MARK}é"}`).toString('latin1').replace('Ã', '\u0001'),
      { userId: 'ann', eventName: 'Last' },
    ),
  );
  const csv = file('wrong.csv', `user_id,email_opt_in,n\nann,true,1\n${MARK},perhaps,1\nbob\n"c\nd",no,x\n,no,1\n`);
  const { counts, stdout, stderr } = await run([path, csv, '--types', ''], { status: 1 });
  const refused = [...stdout.matchAll(/(wrong\.\w+):(\d+): (.+)/g)].map(([, name, line]) => `${name}:${line}`);
  assert.deepEqual(refused, [
    ...[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13].map((line) => `wrong.ndjson:${line}`),
    ...[3, 4, 7].map((line) => `wrong.csv:${line}`),
  ]);
  assert.deepEqual(counts, { taken: 5, refused: 14 });
  assert.match(stdout, /wrong\.ndjson:5: emailOptIn: must be true or false\n/);
  assert.match(stderr, /habeas: lines refused: 14; /);
  assert.equal((await client.events('ann')).events.length, 1);
  assert.equal((await client.read('c\nd')).status, 200);
});

both('what cannot be read at all is said, and nothing is taken', async ({ file, run, client }) => {
  const cases = [
    [file('a.csv', 'email\na@example.org\n'), /line 1: there is no column user_id/],
    [file('b.csv', 'user_id,x\nann,1\nbob,a"b\n'), /line 3: a quote stands where none may/],
    [file('c.csv', 'user_id,x\nann,1\nbob,"a\n'), /line 3: the file ends inside a quoted field/],
    ['missing.ndjson', /cannot open missing\.ndjson: /],
  ];
  for (const [path, says] of cases) assert.match((await run([path], { status: 1 })).stderr, says);
  assert.equal((await client.read('bob')).status, 404);
  assert.match((await run(['-', '--format', 'xml'], { status: 2 })).stderr, /--format/);
  assert.match((await run(['-', '--types', 'a=b'], { status: 2 })).stderr, /--types/);
  assert.match((await run(['-', '--license', 'nobody'], { status: 1 })).stderr, /no account/);
});

// ---- privacy ----

both('opt-ins are the controller speaking, and suppression is obeyed', async ({ client, file, run }) => {
  const consent = { wording: 'Yes', version: '1', road: 'page', when: '2020-01-01T00:00:00Z' };
  await client.user({ userId: 'ann', emailOptIn: false, consent });
  await client.user({ userId: 'bob', emailOptIn: false });
  await client.user({ userId: 'gone' });
  await client.gdpr('erasure', 'gone', { suppress: { until: null } });
  await client.user({ userId: 'still' });
  await client.gdpr('restriction', 'still');

  const csv = file('users.csv', 'user_id,email_opt_in\nann,true\nbob,true\ngone,true\nstill,true\n');
  assert.deepEqual((await run([csv])).counts, {
    taken: 2, 'dropped: suppressed': 1, 'dropped: restricted or erased': 1, 'opt-ins not applied': 2,
  });
  const optedIn = async (id) => (await client.read(id)).json().preferences.email.optedIn;
  assert.deepEqual([await optedIn('ann'), await optedIn('bob')], [false, true]);
  assert.equal((await client.read('gone')).status, 404);

  const text = lines({ userId: 'gone', eventName: 'Paid' }, { type: 'track', userId: 'gone', event: 'Paid' });
  assert.deepEqual((await run(['-'], { input: text })).counts, { 'dropped: suppressed': 2 });
  assert.equal((await client.read('gone')).status, 404);
  const told = await client.bulkUsers([{ userId: 'gone' }, { userId: 'still' }]);
  assert.deepEqual(told.json(), { response: { status: 'queued' } }, 'callers with a key are told nothing of it');
});

// ---- many lines, and what breaks off ----

const PEOPLE = 20;
function manyEvents(count) {
  let text = '';
  for (let i = 0; i < count; i++)
    text +=
      i % 2 === 0
        ? `{"userId":"p${i % PEOPLE}","eventName":"Step","eventData":{"n":${i}}}\n`
        : `{"type":"track","userId":"p${i % PEOPLE}","event":"Step","properties":{"n":${i}}}\n`;
  return text;
}

async function assertEachOnce(client, count) {
  const seen = new Uint8Array(count);
  for (let person = 0; person < PEOPLE; person++)
    for (const event of (await client.events(`p${person}`)).events) seen[event.eventData.n]++;
  assert.deepEqual([seen.filter((times) => times === 0).length, seen.filter((times) => times > 1).length], [0, 0]);
}

/** Starts an import and calls `look` until it says that it is time for SIGKILL. */
async function runAndKill(server, path, look) {
  const line = ['import', path, '--data', server.data, '--license', 'shop1'];
  const child = spawn(server.program, line, { env: server.environment(), stdio: 'ignore' });
  const ended = new Promise((done) => child.on('exit', (code, signal) => done({ code, signal })));
  await until(() => look(child), { timeoutMs: 60_000, pauseMs: 1, what: 'an import under way' });
  child.kill('SIGKILL');
  assert.equal((await ended).signal, 'SIGKILL', 'it was too quick to be interrupted');
}

both('killed and run again, every line is there once', async ({ server, client, file, run, served }) => {
  const path = file('events.ndjson', manyEvents(MANY));
  const note = `${path}.import`;
  const linesDone = () => (existsSync(note) ? Number(readFileSync(note, 'utf8').split(' ')[4]) : 0);
  if (!served) await server.stop();

  await runAndKill(server, path, () => linesDone() > 0);
  copyFileSync(note, `${note}.old`);
  const first = linesDone();
  await runAndKill(server, path, () => linesDone() > first + 1000);
  assert.ok(linesDone() < MANY);
  copyFileSync(`${note}.old`, note); // as if the answers had come and the note had not been written
  const { counts, stderr } = await run([path]);
  assert.match(stderr, new RegExp(`goes on behind line ${first}\n`));
  assert.ok(counts['there already'] >= 1000);
  assert.equal(counts.taken + counts['there already'], MANY);
  await assertEachOnce(client, MANY);
  assert.ok(!existsSync(note));
});

test('the server killed under an import, every line is there once', async (t) => {
  const server = await startServer(t, {});
  const client = await server.account();
  const path = join(server.temporary, 'events.ndjson');
  writeFileSync(path, manyEvents(MANY));
  for (const past of [0, MANY / 5]) {
    const ended = server.cli(['import', path, '--license', 'shop1']);
    await until(() => existsSync(`${path}.import`) && Number(readFileSync(`${path}.import`, 'utf8').split(' ')[4]) > past, {
      pauseMs: 1,
      what: 'an import under way',
    });
    await server.kill();
    const { code, stderr } = await ended;
    assert.deepEqual([code, /habeas: .*: .*try again/.test(stderr)], [1, true], stderr);
    await server.start();
  }
  assert.equal((await server.cli(['import', path, '--license', 'shop1'])).code, 0);
  await assertEachOnce(client, MANY);
});

both('a note is for one file as it was and one account', async ({ server, file, run, served }) => {
  const path = file('events.ndjson', manyEvents(MANY));
  const note = `${path}.import`;
  if (!served) await server.stop();
  await runAndKill(server, path, () => existsSync(note) && Number(readFileSync(note, 'utf8').split(' ')[4]) > 0);
  if (!server.isRunning) await server.start();
  await server.account('shop2');
  assert.match((await run([path, '--license', 'shop2'], { status: 1 })).stderr, /tells of an import elsewhere/);
  writeFileSync(path, manyEvents(MANY).replace('"n":0', '"n":7'));
  assert.match((await run([path], { status: 1 })).stderr, /is not what it was .*: remove /);
  writeFileSync(path, manyEvents(3));
  assert.match((await run([path], { status: 1 })).stderr, /is not what it was/);
  writeFileSync(note, 'nonsense');
  assert.match((await run([path], { status: 1 })).stderr, /is damaged: remove it/);
  assert.deepEqual((await run([path, '--no-resume'])).counts, { 'there already': 3 });
});

/** Sanitizers keep freed memory for a while, so their build's size says nothing. */
function isSanitized(pid) {
  return readFileSync(`/proc/${pid}/maps`, 'latin1').includes('libasan');
}

test('the memory of an import does not grow with its file', async (t) => {
  const server = await startServer(t, {});
  const client = await server.account();
  const path = join(server.temporary, 'many.csv');
  let text = 'user_id,first_name,Number\n';
  for (let i = 0; i < MANY; i++) text += `u${i},"Name, ${'x'.repeat(900)}",${i}\n`;
  writeFileSync(path, text);
  const line = ['import', path, '--data', server.data, '--license', 'shop1', '--types', 'Number=number'];
  const child = spawn(server.program, line, { env: server.environment(), stdio: 'ignore' });
  const ended = new Promise((done) => child.on('exit', done));
  let peak = 0;
  const look = setInterval(() => {
    try {
      peak = Math.max(peak, Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1] ?? 0));
    } catch {
      // it has ended
    }
  }, 5);
  assert.equal(await ended, 0);
  clearInterval(look);
  if (!isSanitized(server.pid)) assert.ok(peak > 0 && peak < MEMORY_MAX_KB, `${peak} kB`);
  for (const i of [0, 499, 500, MANY - 1]) assert.equal((await client.read(`u${i}`)).json().attributes.Number, i);
});
