import { promises as fs } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import * as v from 'valibot';
import { TinytrainError } from '#tinytrain';
import { type RecordKind, readRecord, recordText, sealed, writeRecord } from '#tinytrain/records.js';
import { temporary } from './helpers/folder.js';

interface Note {
  readonly text: string;
  readonly lines: readonly number[];
  readonly more?: string | undefined;
}

const kind: RecordKind<Note> = {
  name: 'note',
  format: 3,
  code: 'RUN_BROKEN',
  schema: v.object({ text: v.string(), lines: v.array(v.number()), more: v.optional(v.string()) }),
};

const note: Note = { text: 'a', lines: [1, 0.1], more: undefined };

test('a record is read as it was written; where there is none, nothing is', async t => {
  const path = join(await temporary(t), 'note.json');
  t.is(await readRecord(path, kind), undefined);
  await writeRecord(path, kind, note);
  const found = await readRecord(path, kind);
  t.deepEqual(found?.content, { text: 'a', lines: [1, 0.1] });
  t.is(found?.sha256, sealed(kind, note).sha256);
});

test('in a line or laid out it is the same; every other change of the text is noticed', async t => {
  const path = join(await temporary(t), 'note.json');
  await fs.writeFile(path, JSON.stringify(sealed(kind, note)));
  t.deepEqual((await readRecord(path, kind))?.content, { text: 'a', lines: [1, 0.1] });
  const whole = recordText(kind, note);
  for (const text of [whole.replace('\n', ' '), whole.replace('0.1', '1e-1'), `${whole} `, whole.trimEnd()]) {
    await fs.writeFile(path, text);
    t.is((await t.throwsAsync(readRecord(path, kind), { instanceOf: TinytrainError })).code, 'RUN_BROKEN', text);
  }
});

test('what was cut short, changed, left out or written in another format is refused in one sentence', async t => {
  const path = join(await temporary(t), 'note.json');
  const whole = JSON.stringify(sealed(kind, note));
  const without = (name: string) => JSON.stringify({ ...sealed(kind, note), [name]: undefined });
  const cases: readonly (readonly [string, RegExp])[] = [
    [whole.slice(0, -5), /not a valid note: not JSON: /],
    ['', /not a valid note: not JSON: /],
    ['null', /not a valid note: /],
    ['[]', /not a valid note: /],
    ['{}', /not a valid note: format is missing/],
    [whole.replace('0.1]', '0.2]'), /not a valid note: it was changed after tinytrain wrote it/],
    [whole.replace('"a"', '"b"'), /it was changed/],
    [without('lines'), /it was changed/],
    [without('sha256'), /sha256 is missing/],
    ['{"format":2}', /a note of format 2; this version of tinytrain reads format 3/],
    ['{"format":4,"text":7}', /a note of format 4; this version of tinytrain reads format 3/],
    // Whole, but not what a note is.
    [JSON.stringify(sealed(kind, { ...note, lines: ['1'] } as unknown as Note)), /lines\.0 is invalid/],
    [JSON.stringify(sealed(kind, { text: 'a' } as unknown as Note)), /lines is missing/],
  ];
  for (const [text, message] of cases) {
    await fs.writeFile(path, text);
    const error = await t.throwsAsync(readRecord(path, kind), { instanceOf: TinytrainError }, text);
    t.is(error.code, 'RUN_BROKEN', text);
    t.regex(error.message, message);
    t.true(error.message.startsWith(`${path}: `));
    t.false(error.message.includes('\n'));
  }
});
