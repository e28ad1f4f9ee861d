// The command line, every command with a server running and without: what it prints, what it changes, how it fails.
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

import { sameJson } from './lib/json.mjs';
import { newServer, program, startServer, until } from './lib/server.mjs';

const MARK = 'Commandmarker9044';
const ANN = `ann ${MARK}`;
const DONE = 0;
const FAILED = 1;
const MISUSED = 2;

/** Runs a test twice: its commands beside a running server, and each of them with none. */
function both(name, options, body) {
  for (const served of [true, false])
    test(`${name}, ${served ? 'with' : 'without'} a server`, async (t) => {
      const server = await startServer(t, { options });
      await body({ server, client: await server.account(), run: runner(server, served), t });
      if (server.isRunning) await server.stop();
      assert.doesNotMatch(server.stderr, /Sanitizer|runtime error/);
      assert.ok(!server.stderr.includes(MARK), server.stderr);
    });
}

/** Runs a command of the one account; checks its exit status and, of a failure, the form of what it says. */
function runner(server, served) {
  return async (line, { status = DONE, says = /^/, ...options } = {}) => {
    const all = [...line, ...(/^(account add|audit)/.test(line.slice(0, 2).join(' ')) ? [] : ['--license', 'shop1'])];
    if (!served) await server.stop();
    const ended = await server.cli(all, options);
    if (!served) await server.start();
    const said = `${line.slice(0, 2).join(' ')}: ${ended.stderr}`;
    assert.deepEqual([ended.code, ended.signal], [status, null], said);
    if (status === DONE) assert.match(ended.stdout, says, said);
    else assertSays(ended, says);
    return ended;
  };
}

/** "habeas: what went wrong: what to do" on one line, and nothing else. */
function assertSays({ code, stdout, stderr }, pattern) {
  assert.match(stderr, code === FAILED ? /^habeas: [^\n]+: [^\n]+\n$/ : /^habeas: [^\n]+\n$/);
  assert.match(stderr, pattern);
  assert.ok(!stderr.includes(MARK), `a person's value in ${stderr}`);
  assert.equal(stdout, '');
}

/** The lines of a table as objects by its headings. */
function tableOf(text) {
  const [head, ...rows] = text.trimEnd().split('\n');
  const names = head.split(/ {2,}/);
  return rows.map((row) => Object.fromEntries(row.split(/ {2,}/).map((cell, i) => [names[i], cell])));
}

/** "name  value" lines. */
function membersOf(text) {
  return Object.fromEntries(
    text
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/)),
  );
}

// ---- accounts and keys ----

both('account add prints one line, once', [], async ({ server, run }) => {
  const { stdout } = await run(['account', 'add', '--license', '~berlin-1', '--time-zone', 'Europe/Berlin']);
  assert.match(stdout, /^\{"license":"~berlin-1","api_key":"[\w-]{40,}","write_key":"[\w-]{40,}"\}\n$/);
  const client = server.client(JSON.parse(stdout));
  assert.equal((await client.user({ userId: 'ann' })).status, 201);
  assert.equal((await client.user({ userId: 'bob' }, { key: client.write_key })).status, 201);
  assert.equal((await client.read('ann', { key: client.write_key })).status, 401);

  await run(['account', 'add', '--license', '~berlin-1'], { status: FAILED, says: /there is an account/ });
  await run(['account', 'add', '--license', 'shop1'], { status: FAILED, says: /there is an account/ });
  assert.equal((await client.read('ann')).status, 200, 'the second try changed the first account');
  for (const license of ['', 'a b', 'a/b', 'é', 'x'.repeat(65)])
    await run(['account', 'add', '--license', license], { status: MISUSED, says: /--license/ });
  for (const zone of ['Nowhere/Land', '../../etc/passwd', '/etc/localtime', 'europe/berlin '])
    await run(['account', 'add', '--license', 'zoned', '--time-zone', zone], { status: MISUSED, says: /--time-zone/ });
});

both('account set changes settings, all or none', [], async ({ client, run }) => {
  const settings = async () => (await client.call('GET', '/api/settings')).json();
  const held = await settings();
  await run(['account', 'set', 'rate_limit=100', 'lift_needs_notice=true'], { says: /rate_limit +100\n/ });
  assert.deepEqual(await settings(), { ...held, rate_limit: 100, lift_needs_notice: true });
  assert.equal((await client.user({ userId: 'ann' })).headers['x-ratelimit-limit'], '100');
  for (const wrong of ['rate_limit=-1', 'rate_limit=many', 'nothing=1', 'rate_limit', 'lift_needs_notice=maybe', '=1'])
    await run(['account', 'set', 'rate_limit=7', wrong], { status: MISUSED });
  await run(['account', 'set'], { status: MISUSED, says: /NAME=VALUE/ });
  assert.equal((await settings()).rate_limit, 100);
  await run(['account', 'set', 'rate_limit=0', 'lift_needs_notice=false']);
  assert.deepEqual(await settings(), held);
});

both('keys are made, listed without their texts, and revoked', [], async ({ client, run }) => {
  await client.user({ userId: 'ann' });
  const { stdout } = await run(['key', 'add', '--scopes', 'read,ingest']);
  assert.match(stdout, /^\{"number":3,"scopes":"ingest,read","key":"[\w-]{40,}"\}\n$/);
  const { number, key } = JSON.parse(stdout);
  assert.equal((await client.read('ann', { key })).status, 200);
  assert.equal((await client.gdpr('restriction', 'ann', { key })).status, 401);

  const list = await run(['key', 'list']);
  assert.ok(!list.stdout.includes(key.slice(4, 16)));
  const rows = tableOf(list.stdout);
  assert.deepEqual(
    rows.map((row) => [row.NUMBER, row.SCOPES, row.REVOKED]),
    [
      ['1', 'ingest,read,report,rights,admin', '-'],
      ['2', 'ingest', '-'],
      ['3', 'ingest,read', '-'],
    ],
  );
  await run(['key', 'revoke', String(number)], { says: /3 is revoked/ });
  assert.equal((await client.read('ann', { key })).status, 401);
  assert.notEqual(tableOf((await run(['key', 'list'])).stdout)[2].REVOKED, '-');
  const { keys } = JSON.parse((await run(['key', 'list', '--json'])).stdout);
  assert.equal(typeof keys[2].revokedAt, 'string');

  await run(['key', 'revoke', '99'], { status: FAILED, says: /no such key/ });
  for (const word of ['0', '-1', 'x', '4294967296', '']) await run(['key', 'revoke', word], { status: MISUSED });
  await run(['key', 'revoke'], { status: MISUSED, says: /NUMBER/ });
  await run(['key', 'revoke', '1', '2'], { status: MISUSED });
  for (const scopes of ['', 'everything', 'read,,admin', 'read admin'])
    await run(['key', 'add', '--scopes', scopes], { status: MISUSED, says: /--scopes/ });
  assert.equal(tableOf((await run(['key', 'list'])).stdout).length, 3);
});

// ---- requests ----

/** Each way of saying who it is; the person's id never stands on the line in the last two. */
const WAYS = {
  'by User ID': { line: ['--user-id', ANN], id: ANN },
  'by anonymous id': { line: ['--anonymous-id', ANN], id: ANN, anonymous: true },
  'by User ID from standard input': { line: ['--user-id', '-'], id: ANN, input: `${ANN}\n` },
  'by anonymous id from standard input': { line: ['--anonymous-id', '-'], id: ANN, anonymous: true, input: ANN },
};

for (const [way, { line, id, anonymous, input }] of Object.entries(WAYS))
  both(`the requests ${way}`, ['--cancel-window', '1h'], async ({ client, run }) => {
    const fields = anonymous ? { anonymousId: id } : { userId: id };
    const look = async () => (await client.read(id, { anonymous })).status;
    await client.user({ ...fields, firstName: MARK });
    await client.event({ ...fields, eventName: 'Bought', eventData: { price: 39.8 } });

    const restricted = membersOf((await run(['request', 'restrict', ...line], { input })).stdout);
    assert.deepEqual([restricted.type, restricted.status], ['restriction', 'DONE']);
    assert.match(restricted.subject_request_id, /^[0-9a-f]{32}$/);
    assert.equal(await look(), 403);

    const document = await run(['request', 'portability', ...line], { input, says: new RegExp(MARK) });
    const { events, firstName, rights } = JSON.parse(document.stdout);
    assert.deepEqual([firstName, events.length, rights.length], [MARK, 1, 1]);
    assert.match(document.stderr, /^habeas: the request's id is [0-9a-f]{32}\n$/);

    await run(['request', 're-enable', ...line], { input, says: /status +DONE/ });
    assert.equal(await look(), 200);

    const erased = JSON.parse(
      (await run(['request', 'erase', ...line, '--json', '--cancel-window', '2h'], { input })).stdout,
    );
    assert.deepEqual([erased.type, erased.status], ['erasure', 'PENDING']);
    assert.equal(await look(), 403);
    await run(['request', 'erase', ...line], { input, status: FAILED, says: /pending/ });
    const shown = membersOf((await run(['request', 'show', '--request-id', erased.subject_request_id])).stdout);
    assert.equal(shown.status, 'PENDING');
    const cancelled = await run(['request', 'cancel', '--request-id', '-'], {
      input: `${erased.subject_request_id}\n`,
    });
    assert.equal(membersOf(cancelled.stdout).status, 'CANCELLED');
    assert.equal(await look(), 200);
    await run(['request', 'cancel', '--request-id', erased.subject_request_id], {
      status: FAILED,
      says: /already cancelled/,
    });

    const rows = tableOf((await run(['request', 'list'])).stdout);
    assert.deepEqual(
      rows.map((row) => [row.TYPE, row.STATUS]),
      [
        ['erasure', 'CANCELLED'],
        ['re-enable', 'DONE'],
        ['portability', 'DONE'],
        ['restriction', 'DONE'],
      ],
    );
    const { requests } = JSON.parse((await run(['request', 'list', '--json', '--limit', '2', '--before', '4'])).stdout);
    assert.deepEqual(
      requests.map(({ request }) => request),
      [3, 2],
    );
  });

both(
  'an erasure with no window is done when the command returns, and can keep the person out',
  ['--cancel-window', '0'],
  async ({ client, run }) => {
    const now = ['--cancel-window', '0'];
    const ids = ['plain', 'for ever', 'until'];
    for (const userId of ids) await client.user({ userId, firstName: MARK });
    const erased = await run(['request', 'erase', '--user-id', '-', '--request-id', '-', ...now], {
      input: `plain\nmine ${MARK}\n`,
    });
    assert.equal(membersOf(erased.stdout).subject_request_id, `mine ${MARK}`);
    await run(['request', 'erase', '--user-id', 'for ever', '--suppress', '--drop-opt-outs', ...now]);
    await run(['request', 'erase', '--user-id', 'until', '--suppress=2027-01-01T00:00:00Z', ...now]);
    for (const id of ids) assert.equal((await client.read(id)).status, 404, id);
    const isDone = async () => (await client.status(`mine ${MARK}`)).json().status === 'DONE';
    await until(isDone, { what: 'the end of the erasure' });
    for (const userId of ids) assert.equal((await client.user({ userId })).status, 201);
    assert.deepEqual(
      [
        (await client.read('plain')).status,
        (await client.read('for ever')).status,
        (await client.read('until')).status,
      ],
      [200, 404, 404],
    );
    await run(['request', 'erase', '--user-id', 'plain', '--suppress=tomorrow', ...now], {
      status: FAILED,
      says: /suppress/,
    });
    assert.equal((await client.read('plain')).status, 200);
  },
);

both('a portability document of any size is printed whole', [], async ({ client, run }) => {
  for (let i = 0; i < 3; i++)
    await client.bulkEvents(
      Array.from({ length: 500 }, (_, n) => ({ userId: ANN, eventName: 'Bought', eventData: { n: i * 500 + n } })),
    );
  await client.event(
    `{"userId":${JSON.stringify(ANN)},"eventName":"Odd","eventData":{"a":39.80,"b":18446744073709551615}}`,
  );
  const { stdout } = await run(['request', 'portability', '--user-id', ANN, '--request-id', 'large']);
  const { events } = JSON.parse(stdout);
  assert.deepEqual(
    events.slice(0, 1500).map(({ eventData }) => eventData.n),
    Array.from({ length: 1500 }, (_, n) => n),
  );
  assert.match(stdout, /"a":39\.80,"b":18446744073709551615/);
  const url = new URL(
    (await client.gdpr('portability', ANN, { subject_request_id: 'large' })).json().archive_url,
    client.server.url,
  );
  assert.ok(
    sameJson(stdout, (await client.call('GET', url.pathname)).text),
    'the command prints another document than the archive',
  );
  const answer = JSON.parse((await run(['request', 'portability', '--user-id', ANN, '--json'])).stdout);
  assert.equal(answer.complete, false);
});

both('requests that cannot be', [], async ({ client, run }) => {
  await client.user({ userId: ANN });
  for (const sub of ['erase', 'restrict', 're-enable', 'portability']) {
    await run(['request', sub, '--user-id', `nobody ${MARK}`], { status: FAILED });
    await run(['request', sub], { status: MISUSED, says: /--user-id or --anonymous-id/ });
    await run(['request', sub, '--user-id', 'a', '--anonymous-id', 'b'], { status: MISUSED, says: /either/ });
    await run(['request', sub, '--user-id', '-'], { status: MISUSED, input: '', says: /standard input/ });
    await run(['request', sub, '--user-id', '-'], { status: MISUSED, input: `${'x'.repeat(2000)}\n` });
    await run(['request', sub, '--user-id', '-'], {
      status: MISUSED,
      input: Buffer.from([0x61, 0xff, 0x0a]),
      says: /UTF-8/,
    });
    await run(['request', sub, '--user-id', ANN, '--request-id', 'x'.repeat(256)], { status: FAILED });
  }
  for (const sub of ['show', 'cancel']) {
    await run(['request', sub, '--request-id', `unknown ${MARK}`], { status: FAILED, says: /no such request/ });
    await run(['request', sub], { status: MISUSED, says: /--request-id/ });
  }
  await run(['request', 'list', '--limit', '0'], { status: MISUSED, says: /--limit/ });
  await run(['request', 'list', '--limit', 'x'], { status: MISUSED, says: /--limit/ });
  assert.equal((await client.call('GET', '/api/requests')).json().requests.length, 0);
  assert.equal((await client.read(ANN)).status, 200);
});

test('an id from standard input stands in no list of processes', async (t) => {
  const server = await startServer(t);
  const client = await server.account();
  await client.user({ userId: ANN });
  const line = ['request', 'restrict', '--data', server.data, '--license', 'shop1', '--user-id', '-'];
  const child = spawn(program, line, { env: server.environment() });
  const ended = new Promise((done) => child.on('exit', done));
  const seen = () =>
    readFileSync(`/proc/${child.pid}/cmdline`, 'utf8') + readFileSync(`/proc/${child.pid}/environ`, 'latin1');
  await until(() => seen().includes('restrict'), { what: 'the command' });
  child.stdin.write(ANN);
  assert.ok(!seen().includes(MARK));
  child.stdin.end('\n');
  assert.equal(await ended, DONE);
  assert.equal((await client.read(ANN)).status, 403);
});

// ---- attributes and audit ----

both("attribute set-type corrects a wrong first value's type", [], async ({ client, run }) => {
  const price = async () => JSON.parse((await client.read('ann')).text).attributes.price;
  await client.user({ userId: 'ann', attributes: { price: '39.80' } });
  const wrong = await client.user({ userId: 'ann', attributes: { price: 41 } });
  assert.equal(wrong.json().response.ignored[0].field, 'price');
  await run(['attribute', 'set-type', 'price', 'number', '--of', 'user'], { says: /number/ });
  assert.equal((await client.user({ userId: 'ann', attributes: { price: 41.5 } })).json().response.ignored, undefined);
  assert.equal(await price(), 41.5);
  await run(['attribute', 'set-type', 'unheard', 'number'], { status: FAILED, says: /no attribute/ });
  await run(['attribute', 'set-type', 'price', 'integer'], { status: MISUSED, says: /no such type/ });
  await run(['attribute', 'set-type', 'price'], { status: MISUSED, says: /NAME TYPE/ });
  await run(['attribute', 'set-type', 'price', 'number', '--of', 'nobody'], { status: MISUSED, says: /--of/ });
});

both('audit verify counts the entries', [], async ({ client, run }) => {
  await client.user({ userId: 'ann' });
  const before = Number(/(\d+)/.exec((await run(['audit', 'verify'])).stdout)[1]);
  await client.read('ann');
  await client.gdpr('restriction', 'ann');
  const after = Number(/(\d+)/.exec((await run(['audit', 'verify'])).stdout)[1]);
  assert.equal(after - before, 2);
});

test('an account, a license, a directory that is not there', async (t) => {
  const server = newServer(t);
  const known = ['--user-id', ANN];
  const lines = [
    ['key', 'list'],
    ['key', 'add'],
    ['key', 'revoke', '1'],
    ['request', 'list'],
    ['request', 'erase', ...known],
    ['request', 'show', '--request-id', 'a'],
    ['attribute', 'set-type', 'a', 'number'],
    ['account', 'set', 'rate_limit=1'],
  ];
  for (const line of lines) {
    const ended = await server.cli([...line, '--license', 'shop1']);
    assert.equal(ended.code, FAILED);
    assertSays(ended, /there is no data directory .*: make one with/);
  }
  await server.account();
  for (const line of lines) {
    const ended = await server.cli([...line, '--license', 'shop2']);
    assert.equal(ended.code, FAILED);
    assertSays(ended, /no account with this license/);
  }
});

// ---- help, misuse, environment ----

/** Every command that the program says it has: [words of it, what it is for]. */
async function commandsOf(server) {
  const { stdout } = await bare(server, ['--help']);
  return [...stdout.matchAll(/^ {2}habeas ([a-z-]+(?: [a-z-]+)?) {2,}(\S.*)$/gm)].map(([, name, summary]) => [
    name.split(' '),
    summary,
  ]);
}

/** A line exactly as it is, without --data. */
function bare(server, line, { env = {}, input = '' } = {}) {
  return new Promise((done) => {
    const child = execFile(
      program,
      line,
      { env: { ...server.environment(), ...env }, timeout: 20_000 },
      (error, stdout, stderr) => done({ code: error ? error.code : 0, signal: error?.signal ?? null, stdout, stderr }),
    );
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}

test('every command explains itself', async (t) => {
  const server = newServer(t);
  const commands = await commandsOf(server);
  const names = commands.map(([words]) => words.join(' '));
  const wanted =
    'serve,account add,key add,key revoke,key list,request erase,request restrict,request re-enable,request portability,request list,request show,request cancel,attribute set-type';
  for (const name of wanted.split(',')) assert.ok(names.includes(name), `${name} is not listed`);
  for (const [words, summary] of commands) {
    const { code, stdout, stderr } = await bare(server, [...words, '--help']);
    assert.deepEqual([code, stderr], [DONE, ''], words.join(' '));
    assert.ok(stdout.startsWith(`usage: habeas ${words.join(' ')}`), stdout);
    assert.ok(stdout.includes(summary), stdout);
    for (const [, option] of stdout.matchAll(/^ +--([a-z-]+)/gm)) {
      const twin = `HABEAS_${option.toUpperCase().replaceAll('-', '_')}`;
      assert.ok(stdout.includes(twin), `${words.join(' ')} does not name ${twin}`);
    }
    const beside = await bare(server, [...words, '--data', '/nowhere', '--help', '--nonsense']);
    assert.equal(beside.code, DONE, 'help is given whatever else stands there');
  }
  for (const group of new Set(commands.filter(([words]) => words.length > 1).map(([[name]]) => name))) {
    const { code, stdout } = await bare(server, [group, '--help']);
    assert.equal(code, DONE);
    for (const [words] of commands)
      assert.equal(stdout.includes(`habeas ${words.join(' ')} `), words[0] === group, `${group}: ${stdout}`);
  }
  const version = await bare(server, ['version']);
  assert.match(version.stdout, /^habeas \d+\.\d+\.\d+\S*\n$/);
});

test('what is no command, option or word of one is told and ends with 2', async (t) => {
  const server = newServer(t);
  const alone = await bare(server, []);
  assert.deepEqual([alone.code, alone.stdout], [MISUSED, '']);
  assert.match(alone.stderr, /^usage: habeas COMMAND/);
  const data = ['--data', server.data];
  for (const line of [
    ['nonsense'],
    ['nonsense', '--help'],
    ['Serve'],
    ['request'],
    ['request', 'nonsense'],
    ['request', 'nonsense', '--help'],
    ['--nonsense'],
    ['serve'],
    ['serve', ...data, '--nonsense'],
    ['serve', ...data, '--listen'],
    ['serve', ...data, 'word'],
    ['serve', ...data, '--cancel-window', 'soon'],
    ['serve', ...data, '--cancel-window', '-1'],
    ['serve', ...data, '--threads', '9999'],
    ['serve', ...data, '--body-max-bytes', '1'],
    ['serve', ...data, '--log-level', 'loud'],
    ['key', 'list', ...data],
    ['key', 'list', '--license', 'shop1'],
    ['key', 'list', ...data, '--license', 'shop1', '--json=perhaps'],
    ['account', 'add', ...data],
    ['routes', 'word'],
  ]) {
    const ended = await bare(server, line);
    assert.deepEqual([ended.code, ended.signal], [MISUSED, null], `${line.join(' ')}: ${ended.stderr}`);
    assertSays(ended, /^habeas: /);
  }
  assert.equal(
    (await bare(server, ['key', 'list', ...data, '--license', 'shop1'])).code,
    FAILED,
    'a directory was made',
  );
});

test('every option has a twin in the environment, which the option beats', async (t) => {
  const server = newServer(t, { env: {} });
  const env = { HABEAS_DATA: server.data, HABEAS_LICENSE: 'shop1', HABEAS_MASTER_KEY: `${server.data}-elsewhere` };
  const added = await bare(server, ['account', 'add'], { env });
  assert.equal(added.code, DONE, added.stderr);
  assert.match(readFileSync(env.HABEAS_MASTER_KEY, 'utf8'), /^[0-9a-f]{64}\n$/);

  const child = spawn(program, ['serve'], {
    env: {
      ...server.environment(),
      ...env,
      HABEAS_LISTEN: '127.0.0.1:0',
      HABEAS_CANCEL_WINDOW: '0',
      HABEAS_BODY_MAX_BYTES: '2KiB',
      HABEAS_THREADS: '1',
    },
  });
  t.after(() => child.kill('SIGKILL'));
  const url = await new Promise((done) => child.stdout.on('data', (text) => done(/(http:\S+)/.exec(String(text))[1])));
  const client = server.client(JSON.parse(added.stdout));
  client.server = { url };
  assert.equal((await client.user({ userId: ANN, attributes: { note: 'x'.repeat(1900) } })).status, 201);
  assert.equal((await client.user({ userId: ANN, attributes: { note: 'x'.repeat(2100) } })).status, 413);
  const more = { ...env, HABEAS_USER_ID: ANN, HABEAS_REQUEST_ID: 'from the environment', HABEAS_JSON: 'true' };
  const restricted = await bare(server, ['request', 'restrict'], { env: more });
  assert.equal(JSON.parse(restricted.stdout).subject_request_id, 'from the environment', restricted.stderr);
  const named = await bare(server, ['request', 're-enable', '--request-id', 'from the line'], {
    env: { ...more, HABEAS_JSON: 'false' },
  });
  assert.match(named.stdout, /^subject_request_id +from the line\n/, named.stderr);
  const limited = await bare(server, ['request', 'list'], { env: { ...env, HABEAS_LIMIT: '1', HABEAS_JSON: '1' } });
  assert.equal(JSON.parse(limited.stdout).requests.length, 1);
  const wrong = await bare(server, ['request', 'list'], { env: { ...env, HABEAS_LIMIT: 'x' } });
  assert.equal(wrong.code, MISUSED);
  assertSays(wrong, /LIMIT|--limit/);
  const other = await bare(server, ['key', 'list', '--license', 'shop2'], { env });
  assert.equal(other.code, FAILED);
  assert.equal((await client.gdpr('erasure', ANN)).status, 201);
  assert.equal((await client.read(ANN)).status, 404, 'the window of the environment was not taken');
  const ended = new Promise((done) => child.on('exit', done));
  child.kill('SIGTERM');
  assert.equal(await ended, DONE);
});

test('output that cannot be written is a failure', async (t) => {
  const server = newServer(t);
  await server.account();
  const commands = ['key list', 'request list', 'key list --json'];
  for (const line of commands) {
    const shell = `exec "$0" ${line} --data "$1" --license shop1 > /dev/full`;
    const ended = await new Promise((done) =>
      execFile('sh', ['-c', shell, program, server.data], { env: server.environment() }, (error, stdout, stderr) =>
        done({ code: error?.code ?? 0, stdout, stderr }),
      ),
    );
    assert.equal(ended.code, FAILED, line);
    assertSays(ended, /output could not be written: /);
  }
});
