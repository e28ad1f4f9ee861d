// What whoever runs the program relies on: figures, log lines, a clean stop, what a start refuses and what it says then,
// the modes of files, and where keys may be seen.
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
} from 'node:fs';
import { symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { newServer, program, startServer, StartError, until } from './lib/server.mjs';

const MARK = 'Operationsmarker5532';
const LOG_LINE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (debug|info|warning|error) [a-z_]+( .*)?$/;
const MODES = { directory: 0o700, file: 0o600, socket: 0o600 };

/** Everything that `serve` or another command says when it cannot begin. */
function assertRefused({ code, signal, stdout, stderr }, pattern) {
  assert.deepEqual([code, signal], [1, null], stderr);
  assert.match(
    stderr,
    /^habeas: [^\n]+(: | must be )[^\n]+\n$/,
    'it does not say in one line what went wrong and what to do',
  );
  assert.match(stderr, pattern);
  assert.equal(stdout, '');
}

/** `serve` on what is there must be refused, and so must another command, and nothing may change. */
async function assertNotOpened(server, pattern, { env = {}, options = [] } = {}) {
  const held = filesOf(server.disk);
  const all = { ...server.environment(), ...env };
  assertRefused(await serveBriefly(['--data', server.data, ...options], all), pattern);
  assertRefused(await server.cli(['key', 'list', '--license', 'shop1', ...options], { env }), pattern);
  assertRefused(await server.cli(['account', 'add', '--license', 'shop2', ...options], { env }), pattern);
  assert.deepEqual(filesOf(server.disk), held, 'files were made or removed');
}

/** A stopped server with one account and one person. */
async function filled(t) {
  const server = await startServer(t);
  const client = await server.account();
  assert.equal((await client.user({ userId: 'ann', firstName: MARK })).status, 201);
  await server.stop();
  return { server, client };
}

function masterKeyOf(server) {
  return `${server.data}.master-key`;
}

test('health, readiness and figures are there for everybody, and name nobody', async (t) => {
  const server = await startServer(t);
  const client = await server.account('~figures1');
  const open = (path) => client.call('GET', path, undefined, { key: null });
  assert.deepEqual([(await open('/healthz')).status, (await open('/readyz')).status], [200, 200]);
  assert.equal((await client.call('HEAD', '/healthz', undefined, { key: null })).status, 200);

  const first = readFigures(await open('/metrics'));
  await client.user({ userId: MARK, email: `${MARK}@example.org` });
  await client.user({ userId: 7 });
  for (let i = 0; i < 10; i++) await client.event({ userId: MARK, eventName: 'Bought', eventData: { what: MARK } });
  await client.event({ userId: MARK });
  await client.gdpr('restriction', MARK);
  await client.gdpr('erasure', MARK, { subject_request_id: MARK });
  const answer = await open('/metrics');
  const second = readFigures(answer);
  const risen = (name) => second.get(name) - first.get(name);
  assert.equal(risen('habeas_events_accepted_total'), 10);
  assert.equal(risen('habeas_events_refused_total'), 1);
  assert.equal(risen('habeas_users_accepted_total'), 1);
  assert.equal(risen('habeas_users_refused_total'), 1);
  assert.equal(risen('habeas_requests{state="DONE"}'), 1);
  assert.equal(risen('habeas_requests{state="PENDING"}'), 1);
  assert.ok(risen('habeas_commit_groups_total') >= 1 && risen('habeas_commit_commands_total') >= 13);
  assert.ok(risen('habeas_commit_microseconds_total') > 0 && second.get('habeas_commit_microseconds_max') > 0);
  assert.ok(risen('habeas_ledger_position') >= 2);
  assert.equal(risen('habeas_http_requests_total'), 16);
  assert.ok(second.get('habeas_http_connections') >= 1 && second.has('habeas_queue_bytes'));
  for (const word of ['figures1', MARK, 'Bought', client.api_key]) assert.ok(!answer.text.includes(word), word);
  const admin = await client.call('GET', '/metrics');
  readFigures(admin);
});

/** Prometheus's text format, strictly. @returns {Map<string, number>} */
function readFigures({ status, headers, text }) {
  assert.equal(status, 200);
  assert.match(headers['content-type'], /^text\/plain; version=0\.0\.4/);
  assert.ok(text.endsWith('\n'));
  const figures = new Map();
  const kinds = new Map();
  for (const line of text.trimEnd().split('\n')) {
    const kind = /^# TYPE (habeas_[a-z0-9_]+) (counter|gauge|histogram|summary)$/.exec(line);
    const sample = /^(habeas_[a-z0-9_]+)(\{[a-z_]+="[^"\\\n]*"(?:,[a-z_]+="[^"\\\n]*")*\})? (-?\d+(?:\.\d+)?)$/.exec(
      line,
    );
    if (kind) {
      assert.ok(!kinds.has(kind[1]), `${kind[1]} stands twice`);
      kinds.set(kind[1], kind[2]);
    } else if (sample) {
      const [, name, labels = '', value] = sample;
      assert.ok(kinds.has(name), `${name} has no type before it`);
      assert.ok(!figures.has(name + labels), `${name}${labels} stands twice`);
      if (kinds.get(name) === 'counter') assert.match(name, /_total$/);
      figures.set(name + labels, Number(value));
    } else {
      assert.match(line, /^# HELP habeas_[a-z0-9_]+ \S/);
    }
  }
  for (const name of kinds.keys())
    assert.ok(
      [...figures.keys()].some((one) => one.startsWith(name)),
      `${name} is not there`,
    );
  return figures;
}

test('the log is one line each and holds nothing personal, however much is logged', async (t) => {
  const server = await startServer(t, { options: ['--log-level', 'debug', '--cancel-window', '0'] });
  const client = await server.account('~logged');
  const injected = `${MARK}\n2026-01-01T00:00:00.000Z error forged line`;
  await client.user({ userId: injected, firstName: MARK });
  await client.user(`{"userId":"${MARK}`);
  await client.event({ userId: injected, eventName: MARK });
  await client.read(injected);
  await client.read(`${MARK}?a=${MARK}`, { key: MARK, headers: { 'habeas-reason': MARK, 'x-request-id': MARK } });
  await client.call('GET', `/${MARK}?${MARK}=${MARK}`);
  await client.gdpr('erasure', injected, { subject_request_id: injected });
  await client.raw(`GET /${MARK} HTTP/1.1\r\nHost: a\r\nHost: ${MARK}\r\n\r\n`, { waitMs: 200 });
  await server.stop();
  const lines = server.stderr.split('\n').slice(0, -1);
  assert.ok(
    lines.some((line) => / info stopping /.test(line)),
    server.stderr,
  );
  for (const line of lines) assert.match(line, LOG_LINE);
  for (const word of [MARK, 'forged', 'logged', client.api_key])
    assert.ok(!server.stderr.includes(word), `${word}: ${server.stderr}`);
  assert.match(server.stdout, /^habeas: listening on http:\/\/127\.0\.0\.1:\d+\n$/);
});

test('SIGTERM under load finishes what was accepted and ends with 0', async (t) => {
  const server = await startServer(t);
  const client = await server.account();
  for (let round = 0; round < 3; round++) {
    const acknowledged = new Set();
    let sent = 0;
    let isStopping = false;
    const refused = [];
    const worker = async (i) => {
      for (let failures = 0; failures < 2;) {
        const n = sent++;
        const fields = { userId: `user ${round} ${i % 4}`, eventName: 'Clicked', eventData: { n } };
        const answer = await client.event(fields).catch((error) => ({ error }));
        if (answer.status === 201) acknowledged.add(n);
        else {
          assert.ok(isStopping, `refused before the stop: ${answer.status ?? answer.error}`);
          refused.push(answer.status ?? answer.error.code);
          failures++;
        }
      }
    };
    const workers = Array.from({ length: 32 }, (_, i) => worker(i));
    await until(() => acknowledged.size > 200, { what: 'load' });
    isStopping = true;
    const began = Date.now();
    const ended = await server.stop(); // fails unless the exit status is 0
    assert.ok(Date.now() - began < 10_000, 'it took too long');
    await Promise.all(workers);
    for (const one of refused) assert.ok([503, 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(one), String(one));
    assert.match(ended.stderr, / info stopping signal=15\n/);
    assert.ok(!existsSync(join(server.data, 'control')), 'the control socket is left');
    await server.start();
    const held = [];
    for (let i = 0; i < 4; i++)
      held.push(...(await client.events(`user ${round} ${i}`)).events.map(({ eventData }) => eventData.n));
    assert.equal(new Set(held).size, held.length, 'an event stands twice');
    assert.deepEqual(
      [...acknowledged].filter((n) => !held.includes(n)),
      [],
      'answered and lost',
    );
  }
});

test('what had arrived before SIGTERM is answered, however slow the disk is', async (t) => {
  // Of a build with sanitizers only: theirs need not be the first library.
  const ASAN_OPTIONS = [process.env.ASAN_OPTIONS, 'verify_asan_link_order=0'].filter(Boolean).join(':');
  const server = await startServer(t, { shim: true, env: { ASAN_OPTIONS } });
  const client = await server.account();
  await client.user({ userId: 'ann' });
  await server.shim('slow 300');
  const calls = Array.from({ length: 32 }, (_, n) =>
    client.event({ userId: 'ann', eventName: 'Clicked', eventData: { n } }),
  );
  await pause(200);
  const ended = server.stop();
  for (const { status, text } of await Promise.all(calls)) assert.equal(status, 201, text);
  await ended;
  await server.start({ shim: false });
  assert.equal((await client.events('ann')).events.length, 32);
});

test('however many connections are ready at the same moment, each is answered', async (t) => {
  const server = await startServer(t, { options: ['--threads', '1'] });
  const ask = 'GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n';
  // The library under the server looks at 128 at a time: a multiple of it is where it could wait for one more.
  for (const count of [1, 127, 128, 129, 256]) {
    const sockets = Array.from({ length: count }, () => connect(Number(new URL(server.url).port), '127.0.0.1'));
    const answered = () => Promise.all(sockets.map((socket) => once(socket, 'data', { signal: AbortSignal.timeout(10_000) })));
    const ready = answered();
    for (const socket of sockets) socket.write(ask);
    await ready;
    const all = answered();
    process.kill(server.pid, 'SIGSTOP');
    try {
      await Promise.all(sockets.map((socket) => new Promise((done) => socket.write(ask, done))));
    } finally {
      process.kill(server.pid, 'SIGCONT');
    }
    await all;
    for (const socket of sockets) socket.destroy();
  }
});

test('SIGINT stops too, SIGHUP does not', async (t) => {
  const server = await startServer(t);
  const client = await server.account();
  process.kill(server.pid, 'SIGHUP');
  await pause(100);
  assert.equal((await client.user({ userId: 'ann' })).status, 201);
  const ended = server.ended;
  process.kill(server.pid, 'SIGINT');
  const { code, signal } = await ended;
  assert.deepEqual([code, signal], [0, null]);
});

test('a directory is served once, and commands go to whoever serves it', async (t) => {
  const server = await startServer(t);
  const client = await server.account();
  const second = await serveBriefly(['--data', server.data], server.environment());
  assertRefused(second, /is served by another habeas: stop that one first/);
  const trailing = await serveBriefly(['--data', `${server.data}/`], server.environment());
  assertRefused(trailing, /is served by another habeas: stop that one first/);
  assert.equal((await server.cli(['request', 'restrict', '--license', 'shop1', '--user-id', 'nobody'])).code, 1);
  assert.equal((await client.user({ userId: 'ann' })).status, 201);
  assert.equal((await server.cli(['request', 'restrict', '--license', 'shop1', '--user-id', 'ann'])).code, 0);
  assert.equal((await client.read('ann')).status, 403);
});

test("what a killed server leaves behind is in nobody's way", async (t) => {
  const server = await startServer(t);
  const client = await server.account();
  await client.user({ userId: 'ann' });
  await server.kill();
  assert.ok(lstatSync(join(server.data, 'control')).isSocket());
  const list = await server.cli(['key', 'list', '--license', 'shop1']);
  assert.deepEqual([list.code, list.stderr], [0, '']);
  assert.equal((await server.cli(['request', 'restrict', '--license', 'shop1', '--user-id', 'ann'])).code, 0);
  await server.start();
  assert.equal((await client.read('ann')).status, 403);
  assert.equal((await server.cli(['key', 'list', '--license', 'shop1'])).stdout, list.stdout);
});

// ---- what a start refuses ----

test('a missing master key is refused and never made anew for a directory that is there', async (t) => {
  const { server, client } = await filled(t);
  renameSync(masterKeyOf(server), join(server.root, 'apart'));
  await assertNotOpened(server, /there is no master key at .*master-key: put it back, or name it with --master-key/);
  await server.start({ env: { HABEAS_MASTER_KEY: join(server.root, 'apart') } });
  assert.equal((await client.read('ann')).json().firstName, MARK);
  assert.ok(!existsSync(masterKeyOf(server)));
});

test('a wrong master key, and one that is not fit to be one, are refused', async (t) => {
  const { server, client } = await filled(t);
  const file = (name, text, mode = 0o600) => {
    const path = join(server.root, name);
    writeFileSync(path, text, { mode });
    chmodSync(path, mode);
    return path;
  };
  const right = readFileSync(masterKeyOf(server), 'utf8');
  const other = '0f'.repeat(32);
  symlinkSync(masterKeyOf(server), join(server.root, 'link'));
  mkdirSync(join(server.root, 'folder'));
  const rows = [
    [file('wrong', other), /not the master key of this data directory: name the right one/],
    [
      file(
        'flipped',
        right.replace(/^./, (digit) => (digit === '0' ? '1' : '0')),
      ),
      /not the master key of this data directory/,
    ],
    [file('short', right.slice(1)), /does not hold 64 hex digits: /],
    [file('empty', ''), /does not hold 64 hex digits: /],
    [file('words', 'correct horse battery staple'), /does not hold 64 hex digits: /],
    [file('readable', right, 0o644), /is open to others: run chmod 600/],
    [join(server.root, 'link'), /master key/],
    [join(server.root, 'folder'), /master key/],
    [join(server.root, 'nowhere'), /there is no master key at/],
  ];
  for (const [path, pattern] of rows) {
    await assertNotOpened(server, pattern, { options: ['--master-key', path] });
    await assertNotOpened(server, pattern, { env: { HABEAS_MASTER_KEY: path } });
  }
  for (const [value, pattern] of [
    [other, /not the master key/],
    ['zz', /it must be 64 hex digits/],
    [right.trim().slice(2), /it must be 64 hex digits/],
  ])
    await assertNotOpened(server, pattern, { env: { HABEAS_MASTER_KEY_HEX: value } });
  await server.start();
  assert.equal((await client.read('ann')).status, 200);
});

test('a directory that is open to others, of another user, foreign, newer or damaged is refused', async (t) => {
  const { server, client } = await filled(t);
  const format = join(server.data, 'format');
  const text = readFileSync(format, 'utf8');
  for (const mode of [0o750, 0o705, 0o777, 0o710]) {
    chmodSync(server.data, mode);
    await assertNotOpened(server, /is open to others: run chmod 700/);
  }
  chmodSync(server.data, 0o700);
  if (process.getuid() === 0) {
    chownSync(server.data, 65534, 65534);
    await assertNotOpened(server, /belongs to another user: run as that user, or chown it/);
    chownSync(server.data, 0, 0);
  }
  for (const [content, pattern] of [
    ['habeas data format 2\n', /newer habeas \(format 2\): use that program/],
    ['habeas data format 4000000000\n', /format|damaged/],
    ['habeas data format 0\n', /another seal, or is damaged: /],
    [`${text.trim()} control\n`, /another seal, or is damaged: /],
    ['', /another seal, or is damaged: /],
  ]) {
    writeFileSync(format, content);
    await assertNotOpened(server, pattern);
  }
  writeFileSync(format, text);
  await server.restart();
  assert.equal((await client.read('ann')).json().firstName, MARK);
});

test('what is no data directory is left alone', async (t) => {
  const server = newServer(t);
  mkdirSync(server.data, { mode: 0o700 });
  writeFileSync(join(server.data, 'letter.txt'), 'dear ann');
  await assertNotOpened(server, /is no data directory of habeas: choose another or an empty one/);
  assert.deepEqual(readdirSync(server.data), ['letter.txt']);
  const line = ['--license', 'shop1', '--data'];
  assertRefused(await server.cli(['key', 'list', ...line, join(server.disk, 'none')]), /there is no data directory/);
  assertRefused(await server.cli(['account', 'add', ...line, join(server.data, 'letter.txt')]), /is no directory/);
  assertRefused(await server.cli(['account', 'add', ...line, join(server.disk, 'no/such/place')]), /cannot make/);
  assert.deepEqual(readdirSync(server.disk), ['data']);
});

test('the ledger of one directory and the vault of another are not taken together', async (t) => {
  const { server } = await filled(t);
  const { server: other } = await filled(t);
  const key = readFileSync(masterKeyOf(server));
  for (const part of ['vault', 'ledger']) {
    const kept = join(server.root, `kept ${part}`);
    renameSync(join(server.data, part), kept);
    execFileSync('cp', ['-a', join(other.data, part), join(server.data, part)]);
    const ended = await serveBriefly(['--data', server.data], server.environment());
    assertRefused(ended, /./);
    renameSync(join(server.data, part), join(server.root, `foreign ${part}`));
    renameSync(kept, join(server.data, part));
  }
  assert.deepEqual(readFileSync(masterKeyOf(server)), key);
  await server.start();
});

test('an address that cannot be had says which and what to do', async (t) => {
  const server = newServer(t);
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => taken.on('listening', done));
  t.after(() => taken.close());
  const { port } = taken.address();
  for (const [listen, pattern] of [
    [
      `127.0.0.1:${port}`,
      new RegExp(`address 127\\.0\\.0\\.1:${port} is in use: stop the other program or choose another --listen`),
    ],
    ['198.51.100.7:8080', /is not one of this machine: choose another --listen/],
  ])
    assertRefused(await serveBriefly(['--data', server.data, '--listen', listen], server.environment(), []), pattern);
  for (const listen of ['127.0.0.1', ':8080', '127.0.0.1:65536', '127.0.0.1:99999']) {
    const ended = await serveBriefly(['--data', server.data, '--listen', listen], server.environment(), []);
    assert.match(ended.stderr, /^habeas: --listen must be HOST:PORT, as in [^\n]+\n$/);
    assert.equal(ended.code, 2, 'a mistake in the command line');
  }
});

test('listening beyond this machine is warned of, on it is not', async (t) => {
  const server = newServer(t);
  for (const [listen, isWarned] of [
    ['0.0.0.0:0', true],
    ['127.0.0.1:0', false],
    ['localhost:0', false],
    ['127.9.9.9:0', false],
  ]) {
    const { code, stdout, stderr } = await serveBriefly(
      ['--data', server.data, '--listen', listen],
      server.environment(),
      [],
    );
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^habeas: listening on http:/);
    assert.equal(/ warning listening_beyond_loopback .*TLS proxy/.test(stderr), isWarned, `${listen}: ${stderr}`);
  }
});

// ---- files and keys ----

test('directories are 0700 and files 0600 whatever the umask is', async (t) => {
  const server = newServer(t);
  const underUmask = ['-c', 'umask 000; exec "$0" "$@"', program];
  const shell = (line) => run('sh', [...underUmask, ...line, '--data', server.data], server.environment());
  const added = await shell(['account', 'add', '--license', 'shop1']);
  assert.equal(added.code, 0, added.stderr);
  assertModes(server.disk);
  const child = spawn(
    'sh',
    [...underUmask, 'serve', '--data', server.data, '--listen', '127.0.0.1:0', '--cancel-window', '0'],
    {
      env: server.environment(),
      cwd: server.temporary,
    },
  );
  t.after(() => child.kill('SIGKILL'));
  const url = await new Promise((done) => child.stdout.on('data', (text) => done(/(http:\S+)/.exec(String(text))[1])));
  const client = server.client(JSON.parse(added.stdout));
  client.server = { url };
  for (let i = 0; i < 50; i++) await client.event({ userId: `user ${i % 5}`, eventName: 'Clicked', eventData: { i } });
  assert.equal((await client.gdpr('portability', 'user 1')).status, 201);
  assert.equal((await client.gdpr('erasure', 'user 0')).status, 201);
  assert.ok(assertModes(server.disk) > 10);
  assert.ok(lstatSync(join(server.data, 'control')).isSocket());
  child.kill('SIGTERM');
  await new Promise((done) => child.on('exit', done));
  assertModes(server.disk);
});

/** @returns {number} how many were looked at */
function assertModes(disk) {
  const paths = filesOf(disk);
  for (const path of paths) {
    const facts = lstatSync(join(disk, path));
    const kind = facts.isDirectory() ? 'directory' : facts.isSocket() ? 'socket' : 'file';
    assert.equal((facts.mode & 0o7777).toString(8), MODES[kind].toString(8), `${kind} ${path}`);
  }
  return paths.length;
}

test('no core is dumped, and the key of the environment is nowhere to be seen', async (t) => {
  const key = 'a7'.repeat(32);
  const server = await startServer(t, { env: { HABEAS_MASTER_KEY_HEX: key } });
  const client = await server.account();
  await client.user({ userId: 'ann', firstName: MARK });
  const limits = readFileSync(`/proc/${server.pid}/limits`, 'utf8');
  assert.match(limits, /^Max core file size +0 +0 /m);
  for (const name of ['environ', 'cmdline']) {
    const text = readIfAllowed(`/proc/${server.pid}/${name}`);
    assert.ok(!text.includes(key) && !text.includes('a7a7a7a7'), `the key stands in ${name}`);
  }
  assert.ok(!existsSync(masterKeyOf(server)), 'a key was made beside the one that was given');
  await server.stop();

  // The same key as a file opens the same directory.
  const file = join(server.root, 'key');
  writeFileSync(file, `${key}\n`, { mode: 0o600 });
  server.settings.env = {};
  await server.start({ options: ['--master-key', file] });
  assert.equal((await client.read('ann')).json().firstName, MARK);
  await server.stop();
  await assert.rejects(server.start({ options: [] }), StartError);
});

/** Who may not read it sees nothing in it. */
function readIfAllowed(path) {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    assert.ok(['EACCES', 'EPERM'].includes(error.code), error.message);
    return '';
  }
}

// ---- what the tests above use ----

/** Every name below a directory. */
function filesOf(directory) {
  return existsSync(directory) ? readdirSync(directory, { recursive: true }).map(String).sort() : [];
}

/** Serves until it ends by itself, or ends it once it listens. @returns {Promise<import('./lib/server.mjs').Ended>} */
function serveBriefly(line, env, listen = ['--listen', '127.0.0.1:0']) {
  const child = spawn(program, ['serve', ...line, ...listen], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = { stdout: '', stderr: '' };
  const tooLong = setTimeout(() => child.kill('SIGKILL'), 20_000);
  child.stderr.on('data', (text) => (output.stderr += text));
  child.stdout.on('data', (text) => {
    output.stdout += text;
    child.kill('SIGTERM');
  });
  return new Promise((done) =>
    child.on('close', (code, signal) => {
      clearTimeout(tooLong);
      done({ code, signal, ...output });
    }),
  );
}

function run(file, line, env) {
  return new Promise((done) =>
    execFile(file, line, { env }, (error, stdout, stderr) => done({ code: error ? error.code : 0, stdout, stderr })),
  );
}
