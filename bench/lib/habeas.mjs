// The program under measurement: its directory, a running server, what it says and what it takes.
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { pause, root, run, start } from './place.mjs';
import { wrk } from './wrk.mjs';

const program = resolve(process.env.HABEAS_PROGRAM ?? join(root, 'build/habeas'));

/** A new directory with an account: its keys. */
export async function makeData(data) {
  return JSON.parse(await run(program, ['account', 'add', '--data', data, '--license', 'L1']));
}

/** A copy of a directory that no server serves. */
export async function copyData(from, to) {
  await run('cp', ['-a', from, to]);
  await run('cp', ['-a', `${from}.master-key`, `${to}.master-key`]);
}

/** Bytes of all files but `reserve`, which is there for a full disk, and how many files. */
export function sizeOf(path) {
  const entries = readdirSync(path, { withFileTypes: true, recursive: true });
  let [bytes, files] = [0, 0];
  for (const entry of entries) {
    if (!entry.isFile() || entry.name === 'reserve') continue;
    const info = statSync(join(entry.parentPath ?? entry.path, entry.name), { throwIfNoEntry: false });
    bytes += info?.size ?? 0;
    files++;
  }
  return { bytes, files };
}

export class Habeas {
  /** @param {string} data @param {{ api_key: string, write_key: string }} account @param {string[]} [options] of serve */
  constructor(data, account, options = []) {
    Object.assign(this, { data, account, options });
  }

  async start() {
    const begin = performance.now();
    const fixed = ['--listen', '127.0.0.1:0', '--log-level', 'warning'];
    this.server = await start(program, ['serve', '--data', this.data, ...fixed, ...this.options],
      /listening on (http:\S+)/);
    this.url = this.server.found[1];
    while ((await fetch(`${this.url}/readyz`)).status !== 200) await pause(5);
    this.readySeconds = (performance.now() - begin) / 1000;
    return this;
  }

  stop() {
    return this.server.stop();
  }

  get pids() {
    return [this.server.pid];
  }

  /** What the load scripts need to be let in: Segment's clients send a write key as Basic does. */
  environment(style) {
    const { api_key: KEY, write_key } = this.account;
    return style === 'segment'
      ? { STYLE: style, AUTH: `Basic ${Buffer.from(`${write_key}:`).toString('base64')}` }
      : { STYLE: style, KEY, LICENSE: 'L1' };
  }

  /** @returns {Promise<Record<string, number>>} by name without "habeas_"; requests as requests_DONE */
  async metrics() {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    return Object.fromEntries(
      [...text.matchAll(/^habeas_(\w+?)(?:\{state="(\w+)"\})? (\d+)$/gm)].map(([, name, state, value]) =>
        [state ? `${name}_${state}` : name, Number(value)]));
  }

  /** Memory in MB: now, or the most since the start. */
  memory(what = 'VmRSS') {
    const status = readFileSync(`/proc/${this.server.pid}/status`, 'utf8');
    return Number(new RegExp(`^${what}:\\s+(\\d+)`, 'm').exec(status)[1]) / 1024;
  }

  openFiles() {
    return readdirSync(`/proc/${this.server.pid}/fd`).length;
  }

  /** An event each for u0000000 and the following, until at least so many are known. */
  async fill(people, perRun = 4) {
    const accepted = async () => (await this.metrics()).events_accepted_total;
    for (let known = 0, runs = 0; known < people; ) {
      if (++runs > 200) throw new Error(`only ${known} of ${people} people came into being`);
      const env = { ...this.environment('webengage'), PEOPLE: 'next', START: String(known) };
      const secs = people - known < 50_000 ? 1 : perRun;
      const before = await accepted();
      await wrk(this.url, this.pids, { script: 'people', kind: 'batch', conns: 4, secs }, env);
      // What was on its way when the run ended never came: those at its end are named again.
      known += Math.max(0, (await accepted()) - before - 2000);
    }
  }
}
