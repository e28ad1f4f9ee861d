// One run of the load generator against one server.
import { join } from 'node:path';

import { place, root, run, tools } from './place.mjs';

const load = join(tools, 'load');
const own = join(root, 'bench/load');

/**
 * @typedef {{ script: 'shared'|'people'|'paced', kind: 'event'|'batch', conns: number, secs: number }} Shape
 * @returns {Promise<Record<string, number>>} the figures of its RESULT line: events_per_s, p50_us, p99_us, max_us, errors,
 *   srv_cpu_us_per_event, gen_cpu_s, seconds, foreign_cpu (the share of the machine that strangers used)
 */
export async function wrk(url, pids, { script = 'shared', kind, conns, secs }, env) {
  const lua = script === 'shared' ? join(load, `${kind}.lua`) : join(own, `${script}.lua`);
  const line = await run(
    'python3',
    [join(load, 'cpurun.py'), ...pids.map(String), '--',
      'wrk', '-t1', `-c${conns}`, `-d${secs}s`, '-s', lua, url],
    { env: { ...process.env, BENCH_LOAD: load, BENCH_OWN: own, BENCH_KIND: kind, ...env }, cwd: place });
  return Object.fromEntries([...line.matchAll(/(\w+)=([-\d.]+)/g)].map(([, name, value]) => [name, Number(value)]));
}

/** Waits, some seconds at most, until nobody else works on the machine. */
export const quiet = (secs) => run(join(load, 'quiet.sh'), [String(secs)]).catch(() => {});

/** One measurement, repeated at most twice when strangers took more than 15 % of the machine: the least disturbed one. In a
 * hurry it is taken as it comes. */
export async function quietly(measure, hurry) {
  if (hurry) return measure();
  let best = null;
  for (let tries = 0; tries < 3; tries++) {
    await quiet(10);
    const figures = await measure();
    if (!best || figures.foreign_cpu < best.foreign_cpu) best = figures;
    if (best.foreign_cpu <= 0.15) break;
  }
  return best;
}
