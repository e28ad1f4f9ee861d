// The soak: about half of what the server can take, for minutes, with erasures, restrictions, cancels and reads mixed in;
// then the end of the load, a stop and a start. Says at the end what stayed within its limit; 1 where something did not.
//
//   bench/soak [--minutes 10] [--people 100000] [--rights 6] [--memory-max 400] [--p99-max 10] [--ready-max 10]
//              [--gigabytes 20]
//
// --rights: how many a second. --gigabytes ends the load early when the directory has grown so far. The limits: MB of memory,
// ms at half load, seconds until ready; others stand in lib/verdict.mjs. HABEAS_BENCH_TOOLS, _PLACE, HABEAS_PROGRAM: as run.mjs.
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { Habeas, makeData } from './lib/habeas.mjs';
import { pause, place } from './lib/place.mjs';
import { Desk } from './lib/rights.mjs';
import { broken, judge, printFindings, undisturbed } from './lib/verdict.mjs';
import { Watch } from './lib/watch.mjs';
import { wrk } from './lib/wrk.mjs';

const fallbacks = { minutes: '10', people: '100000', rights: '6', 'memory-max': '400', 'p99-max': '10', 'ready-max': '10',
  gigabytes: '20' };
const { values } = parseArgs({ options: Object.fromEntries(
  Object.entries(fallbacks).map(([name, value]) => [name, { type: 'string', default: value }])) });
const options = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, Number(value)]));
for (const [name, value] of Object.entries(options)) if (!(value > 0)) throw new Error(`--${name}: a number above 0`);
if (options.minutes > 24 * 60) throw new Error('--minutes: a day at most');

const BATCH = 100;
const CONNS = 16;
const WINDOW_SECONDS = 2;
const env = (style) => ({ ...habeas.environment(style), PEOPLE: 'any', USERS: String(options.people), BATCH: String(BATCH) });

/** Events a second at full speed; that also warms everything up. */
async function fullSpeed() {
  const shape = { script: 'people', kind: 'batch', conns: 8, secs: 4 };
  return (await wrk(habeas.url, habeas.pids, shape, env('webengage'))).events_per_s;
}

/** Stretches of paced load in both dialects in turn; what each left behind is handed to `after`, which says whether to go on. */
async function load(target, seconds, after) {
  const between = (rate) => (CONNS * BATCH * 1000) / rate; // ms from call to call of one connection
  let delay = between(target);
  const until = performance.now() + seconds * 1000;
  for (let n = 0; performance.now() < until; n++) {
    const secs = Math.min(10, Math.max(3, Math.round(seconds / 12)));
    const figures = await wrk(habeas.url, habeas.pids, { script: 'paced', kind: 'batch', conns: CONNS, secs },
      { ...env(n % 2 ? 'segment' : 'webengage'), DELAY: String(delay) });
    delay = Math.max(0, delay + between(target) - between(figures.events_per_s));
    if (!(await after(figures))) return;
  }
}

async function sampleOf(figures) {
  const sample = { seconds: (performance.now() - begin) / 1000, rate: figures.events_per_s, p99: figures.p99_us / 1000,
    max: figures.max_us / 1000, strangers: figures.foreign_cpu, failed: figures.errors, ...(await watch.sample()) };
  console.log([`${sample.seconds.toFixed(0).padStart(5)} s`, `${(sample.rate / 1000).toFixed(1).padStart(6)} k events/s`,
    `p99 ${sample.p99.toFixed(1).padStart(5)} ms`, `max ${sample.max.toFixed(0).padStart(4)} ms`,
    `memory ${sample.memory.toFixed(0).padStart(4)} MB`, `log ${(sample.log / 2 ** 20).toFixed(0).padStart(3)} MB`,
    `${sample.volumes} volumes`, `${sample.files} files`, `${(sample.bytes / 2 ** 30).toFixed(2)} GB`,
    `strangers ${sample.strangers}`].join('  '));
  return sample;
}

/** Requests that are still on their way after a while without load. */
async function unfinished() {
  for (let tries = 0; ; tries++) {
    const { requests_PENDING, requests_PROCESSING } = await habeas.metrics();
    if (requests_PENDING + requests_PROCESSING === 0 || tries === 60) return requests_PENDING + requests_PROCESSING;
    await pause(500);
  }
}

const rows = async () => {
  const { events_open, events_closed } = await habeas.metrics();
  return events_open + events_closed;
};

async function restart() {
  const before = await rows();
  const stopping = performance.now();
  await habeas.stop();
  const stopSeconds = (performance.now() - stopping) / 1000;
  await habeas.start();
  return { stopSeconds, readySeconds: habeas.readySeconds, lost: Math.max(0, before - (await rows())) };
}

const data = join(place, 'data');
const habeas = await new Habeas(data, await makeData(data), ['--cancel-window', `${WINDOW_SECONDS}s`]).start();
await habeas.fill(options.people);
const full = await fullSpeed();
console.log(`${Math.round(full)} events/s at full speed; half of it for ${options.minutes} minutes`);

const begin = performance.now();
const [watch, desk, samples] = [new Watch(habeas), new Desk(habeas, options.people), []];
desk.work(options.rights);
await load(full / 2, options.minutes * 60, async (figures) => {
  samples.push(await sampleOf(figures));
  return samples.at(-1).bytes < options.gigabytes * 2 ** 30;
});
await desk.stop();
watch.stop();
if (samples.length < 4) throw new Error('too few stretches to say anything');

const facts = { wrong: desk.wrong, failed: samples.reduce((sum, { failed }) => sum + failed, 0), unfinished: await unfinished(),
  ...(await restart()), memoryMax: options['memory-max'], p99Max: options['p99-max'], readyMax: options['ready-max'] };
const [last, settled] = [samples.at(-1), await habeas.metrics()];
const findings = judge(samples, facts);
console.log(`\n${last.events_accepted_total} events, ${Math.round(last.bytes / last.events_accepted_total)} bytes on disk an event; ` +
  `slowest batch ${Math.max(...samples.map(({ max }) => max)).toFixed(0)} ms; ` +
  `${Object.entries(desk.counts).map(([name, count]) => `${count} ${name}`).join(', ')}, slowest ${desk.slowestMs.toFixed(0)} ms`);
console.log(`${(settled.events_closed / 1e6).toFixed(1)} M rows in closed volumes, ${(settled.events_open / 1e6).toFixed(1)} M in open ones` +
  ' (a pair closes at 4 M)');
if (undisturbed(samples).length < 4) console.log('latency is not judged: strangers took more than 15 % of the machine');
printFindings(findings);
const breaches = findings.filter(broken).length;
console.log(breaches ? `NOT FLAT: ${breaches} of ${findings.length} limits broken` : `flat: all ${findings.length} limits held` +
  (undisturbed(samples).length < 4 ? ', latency not judged' : ''));
console.log(`ready ${facts.readySeconds.toFixed(2)} s after a start with ${settled.message_ids} message ids and ` +
  `${settled.events_open} rows in open volumes`);
process.exit(breaches ? 1 : 0);
