// The documents are true: their calls are run and give what stands beside them, their links lead somewhere, and what the
// program lists (routes, options, metrics, settings) is in them.
//
// In README.md and the guides below, every fenced `sh` block is one call, and the line behind it says what comes back:
//   Answers `201`:            a call by curl; the JSON block behind it, if any, is the body
//   Answers `200` once ...:   the same, asked again until it is so
//   Prints:                   a command; the text or JSON block behind it is what it writes
// In what is written beside a call, … stands for any value, text or number, "…": "…" for further members, and a last
// "…" in a list for further elements. Other blocks (`console`, `ini`, ...) are for people and not run.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { StartError, newServer, startServer, until } from './lib/server.mjs';
import { daysAhead } from './proof/clock.mjs';

const REPOSITORY = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const LICENSE = 'demo';

/** The documents with calls; `ahead`: so many days pass before what is there "once the window is over". */
const guides = [
  { path: 'README.md' },
  { path: 'doc/gdpr.md', ahead: 8 },
  { path: 'doc/api.md' },
  { path: 'doc/operating.md' },
];

const text = (path) => readFileSync(join(REPOSITORY, path), 'utf8');

// ---- what stands in a document ----

/** @returns {{ line: number, language: string, body: string, next: string }[]} fenced blocks; `next` follows them */
function blocksOf(path) {
  const lines = text(path).split('\n');
  const blocks = [];
  for (let i = 0; i < lines.length; i++) {
    const fence = /^```(\w*)$/.exec(lines[i]);
    if (!fence) continue;
    const begin = i + 1;
    do i++;
    while (i < lines.length && lines[i] !== '```');
    assert.ok(i < lines.length, `${path}:${begin}: the block has no end`);
    let next = i + 1;
    while (next < lines.length && lines[next].trim() === '') next++;
    blocks.push({ line: begin, language: fence[1], body: lines.slice(begin, i).join('\n'), next: lines[next] ?? '', nextLine: next });
  }
  return blocks;
}

/** The calls of a document with what they shall give. */
function callsOf(path) {
  const blocks = blocksOf(path);
  return blocks
    .filter((block) => block.language === 'sh')
    .map((block) => {
      const said = /^(?:Answers `(\d{3})`( once)?|Prints:?$)/.exec(block.next);
      assert.ok(said, `${path}:${block.line}: nothing says what this call gives`);
      const beside = blocks.find((other) => other.line - 1 > block.nextLine);
      const between = beside && text(path).split('\n').slice(block.nextLine + 1, beside.line - 1).join('').trim();
      const shown = block.next.endsWith(':') && between === '' ? beside : undefined;
      assert.equal(block.next.endsWith(':'), shown !== undefined, `${path}:${block.line}: a colon promises a block`);
      return { line: block.line, script: block.body, status: said[1], waits: Boolean(said[2]), windowOver: block.next.includes('once the window is over'), shown };
    });
}

// ---- comparing ----

/** Where `actual` is not what is written; '' when it is. */
function difference(written, actual, at = 'the answer') {
  if (written === '…') return '';
  if (Array.isArray(written)) {
    if (!Array.isArray(actual)) return `${at} is no list`;
    const open = written.at(-1) === '…';
    const wanted = open ? written.slice(0, -1) : written;
    if (open ? actual.length < wanted.length : actual.length !== wanted.length) return `${at} has ${actual.length} elements`;
    return wanted.map((each, i) => difference(each, actual[i], `${at}[${i}]`)).find(Boolean) ?? '';
  }
  if (typeof written === 'object' && written !== null) {
    if (typeof actual !== 'object' || actual === null) return `${at} is no object`;
    const open = '…' in written;
    const unknown = Object.keys(actual).find((name) => !(name in written));
    if (unknown && !open) return `${at} also has ${unknown}`;
    return (
      Object.keys(written)
        .filter((name) => name !== '…')
        .map((name) => (name in actual ? difference(written[name], actual[name], `${at}.${name}`) : `${at} has no ${name}`))
        .find(Boolean) ?? ''
    );
  }
  return written === actual ? '' : `${at} is ${JSON.stringify(actual)}, not ${JSON.stringify(written)}`;
}

function textDifference(written, actual) {
  const escaped = written.trim().replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const pattern = new RegExp(`^${escaped.replaceAll('…', '.*').replace(/ +/g, ' +')}$`);
  return pattern.test(actual.trim()) ? '' : `it wrote:\n${actual}`;
}

test('the comparison of what is written with what came is strict', () => {
  const cases = [
    [{ a: 1 }, { a: 1 }, true],
    [{ a: 1 }, { a: 2 }, false],
    [{ a: 1 }, { a: 1, b: 2 }, false],
    [{ a: 1, '…': '…' }, { a: 1, b: 2 }, true],
    [{ a: '…' }, {}, false],
    [{ a: '…' }, { a: null }, true],
    [[1, '…'], [1, 2, 3], true],
    [[1], [1, 2], false],
    [[], {}, false],
    [null, {}, false],
  ];
  for (const [written, actual, same] of cases)
    assert.equal(difference(written, actual) === '', same, JSON.stringify([written, actual]));
  assert.equal(textDifference('a …\nb', 'a 1  2\nb\n'), '');
  assert.notEqual(textDifference('a …\nb', 'a 1\nc\n'), '');
});

// ---- running ----

/** @returns {Promise<{ code: number, output: string, errors: string }>} */
function bash(script, env, cwd) {
  return new Promise((done) => {
    execFile('bash', ['-euc', script], { env, cwd, timeout: 20_000 }, (error, output, errors) =>
      done({ code: error ? (error.code ?? -1) : 0, output, errors }),
    );
  });
}

async function environmentOf(server) {
  const account = await server.account(LICENSE);
  const folder = join(server.root, 'programs');
  mkdirSync(folder);
  symlinkSync(server.program, join(folder, 'habeas'));
  return {
    ...server.environment(),
    PATH: `${folder}:${process.env.PATH}`,
    URL: server.url,
    LICENSE,
    KEY: account.api_key,
    WRITE_KEY: account.write_key,
    AUTH: `Authorization: Bearer ${account.api_key}`,
    HABEAS_DATA: server.data,
    HABEAS_LICENSE: LICENSE,
  };
}

async function wrongWith(call, env, cwd) {
  const status = call.status ? "curl() { command curl -w '\\n%{http_code}' \"$@\"; }\n" : '';
  const { code, output, errors } = await bash(status + call.script, env, cwd);
  if (code !== 0) return `it ended with ${code}: ${errors}${output}`;
  if (!call.status) {
    if (!call.shown) return '';
    return call.shown.language === 'json'
      ? difference(JSON.parse(call.shown.body), JSON.parse(output))
      : textDifference(call.shown.body, output);
  }
  const end = output.lastIndexOf('\n');
  if (output.slice(end + 1) !== call.status) return `it answered ${output.slice(end + 1)}: ${output.slice(0, end)}`;
  if (!call.shown) return '';
  return call.shown.language === 'json'
    ? difference(JSON.parse(call.shown.body), JSON.parse(output.slice(0, end)))
    : textDifference(call.shown.body, output.slice(0, end));
}

for (const { path, ahead } of guides)
  test(`the calls of ${path} give what stands beside them`, async (t) => {
    const calls = callsOf(path);
    assert.ok(calls.length >= 3, 'there are no calls');
    const server = await startServer(t, { options: ['--cancel-window', '7d'] });
    const env = await environmentOf(server);
    for (const call of calls) {
      if (call.windowOver) {
        assert.ok(ahead, `${path}:${call.line}: no window is over here`);
        await server.restart({ env: daysAhead(server, ahead) });
        env.URL = server.url;
      }
      let wrong = await wrongWith(call, env, server.temporary);
      if (wrong && call.waits)
        await until(async () => !(wrong = await wrongWith(call, env, server.temporary)), { timeoutMs: 30_000 }).catch(() => {});
      assert.equal(wrong, '', `${path}:${call.line}:\n${call.script}\n`);
    }
  });

// ---- what the operator's page says about directories and keys ----

test('a data directory moves with its master key, and only with it', async (t) => {
  const server = await startServer(t);
  const client = await server.account(LICENSE);
  assert.equal((await client.user({ userId: 'ann', firstName: 'Ann' })).status, 201);
  await server.stop();

  const moved = newServer(t);
  execFileSync('cp', ['-a', server.data, moved.data]);
  const key = `${moved.data}.master-key`;
  const refusal = await moved.start().catch((error) => error);
  assert.ok(refusal instanceof StartError, 'it started without its master key');
  assert.match(refusal.ended.stderr, /there is no master key/);
  assert.ok(!existsSync(key), 'a missing master key must not be replaced by another');

  writeFileSync(key, `${'0'.repeat(64)}\n`, { mode: 0o600 });
  const wrong = await moved.start().catch((error) => error);
  assert.match(wrong.ended.stderr, /not the master key of this data directory/);

  cpSync(`${server.data}.master-key`, key);
  await moved.start();
  const { license, api_key, write_key } = client;
  const read = await moved.client({ license, api_key, write_key }).read('ann');
  assert.equal(read.status, 200);
  assert.equal(read.json().firstName, 'Ann');
});

test('a directory of somebody else is refused and left as it was', async (t) => {
  const server = newServer(t);
  mkdirSync(server.data, { mode: 0o700 });
  writeFileSync(join(server.data, 'novel.txt'), 'chapter one');
  const refusal = await server.start().catch((error) => error);
  assert.ok(refusal instanceof StartError);
  assert.match(refusal.ended.stderr, /no data directory of habeas/);
  assert.deepEqual(readdirSync(server.data), ['novel.txt']);
  assert.ok(!existsSync(`${server.data}.master-key`));
});

test('a first start that broke off behind its lock can be repeated', async (t) => {
  const server = newServer(t);
  mkdirSync(server.data, { mode: 0o700 });
  writeFileSync(join(server.data, 'lock'), '');
  await server.start();
  assert.equal((await (await server.account(LICENSE)).user({ userId: 'ann' })).status, 201);
});

// ---- nothing is left out ----

test("every route is in the API guide, every option, setting and metric in the operator's page", async (t) => {
  const server = await startServer(t);
  const api = text('doc/api.md');
  const operating = text('doc/operating.md');
  const routes = (await bash('"$PROGRAM" routes', { PROGRAM: server.program }, server.temporary)).output.trim().split('\n').map((line) => JSON.parse(line));
  assert.ok(routes.length > 20);
  for (const { method, path, scope } of routes) {
    const row = api.split('\n').find((line) => line.includes(` ${path}\``) && new RegExp(`\\b${method}\\b`).test(line));
    assert.ok(row, `doc/api.md does not tell ${method} ${path}`);
    assert.ok(row.includes(`| ${scope} |`), `doc/api.md tells another scope of ${method} ${path} than ${scope}`);
  }

  const options = (await server.cli(['serve', '--help'])).stdout.match(/--[a-z-]+(?= [A-Z])/g);
  assert.ok(options.length > 4);
  for (const option of options) assert.ok(operating.includes(`\`${option}`), `doc/operating.md does not tell ${option}`);

  const client = await server.account(LICENSE);
  const settings = Object.keys((await client.call('GET', '/api/settings')).json());
  for (const name of settings) assert.ok(operating.includes(`\`${name}\``), `doc/operating.md does not tell ${name}`);
  const metrics = (await client.call('GET', '/metrics', undefined, { key: null })).text.match(/(?<=# TYPE )\w+/g);
  assert.ok(metrics.length > 10);
  for (const name of metrics) assert.ok(operating.includes(`\`${name}`), `doc/operating.md does not tell ${name}`);
});

// ---- links ----

const skipped = new Set(['.git', 'node_modules', 'data']);

function documentsBelow(folder) {
  return readdirSync(join(REPOSITORY, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return skipped.has(entry.name) || entry.name.startsWith('build') ? [] : documentsBelow(path);
    return entry.name.endsWith('.md') ? [path] : [];
  });
}

/** As headings are turned into anchors on the usual forges. */
function anchorsOf(path) {
  const headings = text(path).replace(/^```[^]*?^```$/gm, '').match(/^#+ .*$/gm) ?? [];
  return headings.map((line) => line.replace(/^#+ /, '').toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '').replaceAll(' ', '-'));
}

test('every relative link of every document leads to a file and a heading that is there', () => {
  const documents = documentsBelow('');
  let count = 0;
  assert.ok(documents.includes('README.md'));
  for (const path of documents)
    for (const [, target] of text(path).replace(/^```[^]*?^```$/gm, '').matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue;
      const [file, anchor] = target.split('#');
      const place = file ? relative(REPOSITORY, resolve(REPOSITORY, dirname(path), file)) : path;
      assert.ok(existsSync(join(REPOSITORY, place)), `${path}: ${target} leads nowhere`);
      if (anchor) assert.ok(anchorsOf(place).includes(anchor), `${path}: ${target} names no heading`);
      count++;
    }
  assert.ok(count > 20, 'the links were not found');
});

test('no document tells machines, paths or registries of whoever wrote it', () => {
  for (const path of documentsBelow(''))
    assert.doesNotMatch(text(path), /(?<!\w)\/(root|work|tmp|home)\/|registry\.|deb\.debian|npmjs/, path);
});

test('documents are wrapped for readers of plain text', () => {
  for (const path of documentsBelow(''))
    for (const [i, line] of text(path).replace(/^```[^]*?^```$/gm, (block) => block.replace(/.+/g, '')).split('\n').entries())
      assert.ok([...line].length <= 125 || /^\|/.test(line), `${path}:${i + 1} is too long`);
});
