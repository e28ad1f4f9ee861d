// The ingestion benchmark: this build beside the bare durable HTTP floor (reads the request, appends the body, one
// fdatasync for all that waits, answers), the same generator, interleaved rounds, medians and their ratio.
//
//   bench/run [--rounds 3] [--secs 5] [--save NAME] [--control-only]
//
// HABEAS_BENCH_TOOLS names the folder with `load/` and `limits/` (default: ../shared/bench beside this checkout). Needs wrk,
// python3 and gcc. A round in which strangers used more than 15 % of the machine is repeated, at most twice.
// --save NAME keeps the table as bench/results/NAME.json; the newest one there is printed beside as "before".
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = resolve(fileURLToPath(import.meta.url), '../..');
const tools = resolve(process.env.HABEAS_BENCH_TOOLS ?? join(root, '../shared/bench'));
const program = resolve(process.env.HABEAS_PROGRAM ?? join(root, 'build/habeas'));
const { values: options } = parseArgs({ options: {
  rounds: { type: 'string', default: '3' }, secs: { type: 'string', default: '5' }, save: { type: 'string' } } });

const scenarios = [
  { name: 'batch of 100, 8 connections', kind: 'batch', conns: 8, env: {} },
  { name: 'batch of 25, 8 connections', kind: 'batch', conns: 8, env: { BATCH: '25' } },
  { name: 'single, 32 connections', kind: 'event', conns: 32, env: {} },
  { name: 'single, 128 connections', kind: 'event', conns: 128, env: {} },
];

for (const needed of ['load/ingest.sh', 'limits/httpfloor.c'])
  if (!existsSync(join(tools, needed))) {
    console.error(`bench: there is no ${needed} in the folder of HABEAS_BENCH_TOOLS: name the load tools' folder`);
    process.exit(2);
  }
const place = mkdtempSync(join(tmpdir(), 'habeas-bench-'));
const children = [];
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(place, { recursive: true, force: true });
});

function start(command, args, ready) {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.push(child);
  return new Promise((done, failed) => {
    child.once('exit', (code) => failed(new Error(`${command} ended with ${code}`)));
    if (!ready) setTimeout(() => done({ pid: child.pid, child }), 300);
    let text = '';
    child.stdout.on('data', (bytes) => {
      text += bytes;
      const found = ready && ready.exec(text);
      if (found) done({ pid: child.pid, child, url: found[1] });
    });
  });
}

async function habeas() {
  const data = join(place, 'data');
  const account = JSON.parse(execFileSync(program, ['account', 'add', '--data', data, '--license', 'L1']));
  const server = await start(program, ['serve', '--data', data, '--listen', '127.0.0.1:0'],
    /listening on (http:\S+)/);
  return { ...server, data, env: { KEY: account.api_key, LICENSE: 'L1' } };
}

async function floor(port) {
  const binary = join(place, 'httpfloor');
  execFileSync('gcc', ['-O2', '-w', '-o', binary, join(tools, 'limits/httpfloor.c'), '-lpthread']);
  const life = String((Number(options.secs) + 30) * Number(options.rounds) * scenarios.length * 3);
  const server = await start(binary, ['-p', String(port), '-s', life, '-d', join(place, 'floor.log')]);
  return { ...server, url: `http://127.0.0.1:${port}`, env: {} };
}

function measure(target, scenario) {
  for (let tries = 0; ; tries++) {
    const line = execFileSync(join(tools, 'load/ingest.sh'),
      [target.url, scenario.kind, options.secs, String(scenario.conns), '1', String(target.pid)],
      { env: { ...process.env, QUIET_WAIT: '10', ...target.env, ...scenario.env }, encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'ignore'] });
    const figures = Object.fromEntries([...line.matchAll(/(\w+)=([-\d.]+)/g)].map(([, k, v]) => [k, Number(v)]));
    if (figures.errors > 0) throw new Error(`${figures.errors} requests failed: ${line}`);
    if (figures.foreign_cpu <= 0.15 || tries === 2) return figures;
  }
}

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
const size = (path) => statSync(path).isDirectory()
  ? readdirSync(path).reduce((sum, name) => sum + size(join(path, name)), 0) : statSync(path).size;

function lastSaved() {
  const folder = join(root, 'bench/results');
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.json')).sort() : [];
  return names.length ? JSON.parse(readFileSync(join(folder, names.at(-1)), 'utf8')) : null;
}

const product = await habeas();
const bare = await floor(19300 + (process.pid % 500));
const before = lastSaved();
const table = [];
for (const scenario of scenarios) {
  const got = { product: [], floor: [] };
  for (let round = 0; round < Number(options.rounds); round++)
    for (const side of round % 2 ? ['floor', 'product'] : ['product', 'floor'])
      got[side].push(measure(side === 'product' ? product : bare, scenario));
  const of = (side, key) => median(got[side].map((figures) => figures[key]));
  const ratio = of('product', 'events_per_s') / of('floor', 'events_per_s');
  table.push({
    scenario: scenario.name, 'events/s': Math.round(of('product', 'events_per_s')),
    'floor': Math.round(of('floor', 'events_per_s')), 'of floor': Number(ratio.toFixed(2)),
    'before': before?.table.find((row) => row.scenario === scenario.name)?.['of floor'] ?? null,
    'p50 ms': of('product', 'p50_us') / 1000, 'p99 ms': of('product', 'p99_us') / 1000,
    'CPU us/event': Number(of('product', 'srv_cpu_us_per_event').toFixed(1)),
    'spread': Number((Math.max(...got.product.map((f) => f.events_per_s)) /
      Math.min(...got.product.map((f) => f.events_per_s))).toFixed(2)),
  });
}
console.table(table);
const metrics = await (await fetch(`${product.url}/metrics`)).text();
const events = Number(/^habeas_events_accepted_total (\d+)/m.exec(metrics)[1]);
const bytes = size(product.data) - statSync(join(product.data, 'reserve')).size;
console.log(`${events} events, ${(bytes / events).toFixed(0)} bytes on disk an event (logs included)`);
if (options.save) {
  mkdirSync(join(root, 'bench/results'), { recursive: true });
  writeFileSync(join(root, 'bench/results', `${options.save}.json`),
    `${JSON.stringify({ name: options.save, events, bytesPerEvent: Math.round(bytes / events), table }, null, 2)}\n`);
}
process.exit(0);
