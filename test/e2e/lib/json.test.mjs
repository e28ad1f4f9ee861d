import assert from 'node:assert/strict';
import test from 'node:test';

import { differences, rawAt, rawElements, rawValues, sameJson } from './json.mjs';
import { Random } from './random.mjs';

test('every value keeps the text that stood there', () => {
  const text = ' {"a": [1, 39.80, 18446744073709551615 ,-0,1E+5], "b\\u0041/~": {"": "x\\ud83d\\ude00"}, "n":null} ';
  const values = rawValues(text);
  assert.equal(values.get('/a/1'), '39.80');
  assert.equal(values.get('/a/2'), '18446744073709551615');
  assert.equal(values.get('/a/3'), '-0');
  assert.equal(values.get('/a/4'), '1E+5');
  assert.equal(values.get('/bA~1~0/'), '"x\\ud83d\\ude00"');
  assert.equal(values.get('/a'), '[1, 39.80, 18446744073709551615 ,-0,1E+5]');
  assert.equal(rawAt(text, 'n'), 'null');
  assert.equal(rawAt(text, 'bA/~', ''), '"x\\ud83d\\ude00"');
  assert.deepEqual(rawElements(text, 'a'), ['1', '39.80', '18446744073709551615', '-0', '1E+5']);
});

test('two texts are the same when they say the same', () => {
  const cases = [
    ['{"a":1,"b":2}', '{ "b":2, "a":1 }', true],
    ['"\\u00e9"', '"é"', true],
    ['"\\ud83d\\ude00"', '"😀"', true],
    ['"e\\u0301"', '"é"', false],
    ['39.80', '39.8', false],
    ['1e2', '100', false],
    ['18446744073709551615', '18446744073709551616', false],
    ['"1"', '1', false],
    ['[1,2]', '[2,1]', false],
    ['[]', '{}', false],
    ['{"a":[]}', '{"a":null}', false],
    ['{"a":1}', '{"a":1,"b":1}', false],
  ];
  for (const [one, other, same] of cases) assert.equal(sameJson(one, other), same, `${one} ${other}`);
  assert.deepEqual(differences('{"a":39.80}', '{"a":39.8}'), ['/a: 39.80 is not 39.8']);
});

test('what is not JSON is refused', () => {
  const cases = [
    '',
    ' ',
    '{',
    '[1,]',
    '{"a":1,}',
    '{a:1}',
    '01',
    '1.',
    '.5',
    '+1',
    '"\n"',
    '"\\x"',
    '"a',
    '1 2',
    'tru',
  ];
  cases.push('{"a":1,"a":2}', '{"a":1,"\\u0061":2}', "['a']", '[1 2]', '{"a" 1}', 'NaN', '[1}', '{"a":1]');
  for (const text of cases) assert.throws(() => rawValues(text), SyntaxError, text);
});

test('on JSON that JSON.stringify wrote it finds what JSON.parse finds', () => {
  const random = new Random(20261123);
  const make = (depth) => {
    const kind = random.between(0, depth > 3 ? 2 : 4);
    if (kind === 0) return random.text(random.between(0, 12));
    if (kind === 1) return random.between(-1e6, 1e6) / 8;
    if (kind === 2) return random.pick([true, false, null]);
    const inner = Array.from({ length: random.between(0, 5) }, () => make(depth + 1));
    return kind === 3 ? inner : Object.fromEntries(inner.map((value, i) => [random.text(3) + i, value]));
  };
  for (let round = 0; round < 300; round++) {
    const value = make(0);
    const text = JSON.stringify(value, null, random.pick([0, 1, 2]));
    for (const raw of rawValues(text).values()) JSON.parse(raw);
    assert.deepEqual(JSON.parse(rawAt(text)), value);
    assert.ok(sameJson(text, JSON.stringify(value)));
  }
});
