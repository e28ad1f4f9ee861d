// Chance from a printed seed: a test that failed is run again with HABEAS_SEED=<that number>.
import { randomInt } from 'node:crypto';

/** A small generator (splitmix32): the same seed gives the same numbers on every machine. */
export class Random {
  /** @param {number} seed any whole number */
  constructor(seed) {
    this.seed = seed >>> 0;
    this.state = this.seed;
  }

  /** @returns {number} in [0, 1) */
  next() {
    this.state = (this.state + 0x9e3779b9) >>> 0;
    let mixed = this.state;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) / 4294967296;
  }

  /** A whole number from `low` to `high`, both included. */
  between(low, high) {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** True with the stated probability. */
  chance(probability) {
    return this.next() < probability;
  }

  /** @template T @param {readonly T[]} list @returns {T} */
  pick(list) {
    return list[this.between(0, list.length - 1)];
  }

  /** A new list in another order. @template T @param {readonly T[]} list @returns {T[]} */
  shuffle(list) {
    const mixed = [...list];
    for (let i = mixed.length - 1; i > 0; i--) {
      const other = this.between(0, i);
      [mixed[i], mixed[other]] = [mixed[other], mixed[i]];
    }
    return mixed;
  }

  bytes(length) {
    return Buffer.from(Array.from({ length }, () => this.between(0, 255)));
  }

  /** Lower-case hexadecimal of `length` digits. */
  hex(length) {
    return Array.from({ length }, () => this.between(0, 15).toString(16)).join('');
  }

  /** Text of `length` code points: every width of UTF-8, surrogate pairs, quotes, backslashes, controls, combining marks. */
  text(length) {
    return Array.from({ length }, () => String.fromCodePoint(this.codePoint())).join('');
  }

  /** Any code point but surrogates and NUL. */
  codePoint() {
    const [low, high] = this.pick(CODE_POINTS);
    return this.between(low, high);
  }

  /** A JSON number as text, of the sorts whose digits are easily lost. */
  number() {
    return this.pick(NUMBERS)(this);
  }
}

const CODE_POINTS = [
  [0x61, 0x7a],
  [0x20, 0x7e],
  [0x01, 0x1f],
  [0x22, 0x22],
  [0x5c, 0x5c],
  [0xa0, 0x24f],
  [0x300, 0x36f],
  [0x4e00, 0x9fff],
  [0xe000, 0xfffd],
  [0x1f300, 0x1faff],
  [0x20000, 0x2a6df],
  [0x10fff0, 0x10ffff],
];

const NUMBERS = [
  (random) => String(random.between(-1000, 1000)),
  (random) => `${random.between(0, 99)}.${random.pick(['0', '10', '80', '00', '5000'])}`,
  (random) => `${random.between(1, 9)}e${random.between(-308, 308)}`,
  (random) => `${random.between(1, 9)}.${random.between(0, 9)}E+${random.between(0, 30)}`,
  () => '18446744073709551615',
  () => '-9223372036854775808',
  () => '0.1',
  () => '1e308',
  () => '-0',
];

/**
 * The generator of one test: seeded by HABEAS_SEED or by chance, and the seed printed.
 * @param {{ diagnostic(message: string): void }} [t] the test's context
 */
export function seeded(t) {
  const seed = process.env.HABEAS_SEED ? Number(process.env.HABEAS_SEED) : randomInt(2 ** 32 - 1);
  const message = `HABEAS_SEED=${seed}`;
  if (t) t.diagnostic(message);
  else console.error(message);
  return new Random(seed);
}
