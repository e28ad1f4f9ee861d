// JSON read without losing a digit: for every value the text that stood there. JSON.parse turns 39.80 into 39.8 and
// 18446744073709551615 into another number; what a server must keep byte for byte is compared by these texts.

/**
 * The raw text of every value, by its JSON pointer (RFC 6901): '' is the document, '/a/0' the first of the list `a`.
 * Throws on what is not JSON and on a key that stands twice in one object.
 * @param {string} text @returns {Map<string, string>}
 */
export function rawValues(text) {
  const reader = new Reader(text);
  reader.value('');
  reader.space();
  if (reader.at < text.length) reader.fail('something follows the document');
  return reader.found;
}

/** The raw text of one value, or undefined. @param {string} text @param {...(string|number)} path */
export function rawAt(text, ...path) {
  return rawValues(text).get(path.map(pointerStep).join(''));
}

/** The raw texts of a list's elements. @param {string} text @param {...(string|number)} path @returns {string[]} */
export function rawElements(text, ...path) {
  const values = rawValues(text);
  const base = path.map(pointerStep).join('');
  const list = [];
  while (values.has(`${base}/${list.length}`)) list.push(values.get(`${base}/${list.length}`));
  return list;
}

/**
 * Whether two JSON texts say the same: numbers byte for byte, strings by their code units however they are escaped,
 * lists in order, objects in any order.
 * @param {string} one @param {string} other
 */
export function sameJson(one, other) {
  return differences(one, other).length === 0;
}

/** What keeps two JSON texts from saying the same, as lines for people. @param {string} one @param {string} other */
export function differences(one, other) {
  const left = rawValues(one);
  const right = rawValues(other);
  const lines = [];
  for (const [pointer, raw] of left) {
    if (!right.has(pointer)) lines.push(`${pointer || 'document'}: missing in the second`);
    else if (essence(raw) !== essence(right.get(pointer)))
      lines.push(`${pointer || 'document'}: ${short(raw)} is not ${short(right.get(pointer))}`);
  }
  for (const pointer of right.keys()) if (!left.has(pointer)) lines.push(`${pointer}: missing in the first`);
  return lines;
}

/** What must agree at one pointer; the members of lists and objects have pointers of their own. */
function essence(raw) {
  if (raw[0] === '"') return `text ${JSON.stringify(JSON.parse(raw))}`;
  return raw[0] === '{' || raw[0] === '[' ? raw[0] : raw;
}

function short(raw) {
  return raw.length > 60 ? `${raw.slice(0, 57)}...` : raw;
}

function pointerStep(step) {
  return `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

class Reader {
  constructor(text) {
    this.text = text;
    this.at = 0;
    this.found = new Map();
  }

  fail(what) {
    throw new SyntaxError(`JSON, at ${this.at}: ${what}`);
  }

  space() {
    while (' \t\r\n'.includes(this.text[this.at] ?? 'x')) this.at++;
  }

  match(pattern, what) {
    pattern.lastIndex = this.at;
    const match = pattern.exec(this.text);
    if (!match) this.fail(`expected ${what}`);
    this.at = pattern.lastIndex;
    return match[0];
  }

  value(pointer) {
    this.space();
    const begin = this.at;
    this.found.set(pointer, '');
    const first = this.text[this.at];
    if (first === '{') this.object(pointer);
    else if (first === '[') this.list(pointer);
    else if (first === '"') this.match(STRING, 'a string');
    else this.match(SCALAR, 'a value');
    this.found.set(pointer, this.text.slice(begin, this.at));
  }

  object(pointer) {
    this.at++;
    for (let more = this.opens('}'); more; more = this.goesOn('}')) {
      this.space();
      const key = JSON.parse(this.match(STRING, 'a key'));
      const inner = pointer + pointerStep(key);
      if (this.found.has(inner)) this.fail(`the key ${JSON.stringify(key)} stands twice`);
      this.space();
      this.match(COLON, 'a colon');
      this.value(inner);
    }
  }

  list(pointer) {
    this.at++;
    let index = 0;
    for (let more = this.opens(']'); more; more = this.goesOn(']')) this.value(`${pointer}/${index++}`);
  }

  /** After the opening mark: false when it closes at once. */
  opens(close) {
    this.space();
    if (this.text[this.at] !== close) return true;
    this.at++;
    return false;
  }

  /** After an element: true at a comma, false at the end. */
  goesOn(close) {
    this.space();
    const mark = this.text[this.at++];
    if (mark !== ',' && mark !== close) this.fail(`expected , or ${close}`);
    return mark === ',';
  }
}

const STRING = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const SCALAR = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const COLON = /:/y;
