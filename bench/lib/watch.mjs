// What is looked at while a soak goes on: once a second the things that peak, at the end of each stretch all of it.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

import { sizeOf } from './habeas.mjs';

/** Bytes of the largest log of a database. */
export function largestLog(data) {
  const logs = readdirSync(data, { recursive: true }).filter((name) => name.endsWith('-wal'));
  return Math.max(0, ...logs.map((name) => statSync(join(data, name), { throwIfNoEntry: false })?.size ?? 0));
}

export class Watch {
  /** @param {import('./habeas.mjs').Habeas} habeas */
  constructor(habeas) {
    this.habeas = habeas;
    this.reset();
    this.timer = setInterval(() => this.look(), 1000);
  }

  reset() {
    this.memory = this.log = 0;
  }

  look() {
    this.memory = Math.max(this.memory, this.habeas.memory());
    this.log = Math.max(this.log, largestLog(this.habeas.data));
  }

  /** The sample of a stretch: what peaked since the last one, and what is so now. */
  async sample() {
    this.look();
    const { memory, log } = this;
    this.reset();
    return { memory, log, openFiles: this.habeas.openFiles(), ...sizeOf(this.habeas.data), ...(await this.habeas.metrics()) };
  }

  stop() {
    clearInterval(this.timer);
  }
}
