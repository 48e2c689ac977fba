import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { errorCodes, loadModel, TinytrainError } from '#tinytrain';

const root = fileURLToPath(new URL('..', import.meta.url));
const listed = new Set<string>(Object.keys(errorCodes));

function sources(...paths: string[]): string {
  const files = execFileSync('git', ['ls-files', ...paths], { cwd: root, encoding: 'utf8' }).split('\n');
  return files
    .filter(file => file !== '' && file !== 'ts/codes.ts')
    .map(file => readFileSync(`${root}/${file}`, 'utf8'))
    .join('\n');
}

/** The codes of the addon: those that it makes itself, and those of the crates' errors. */
function codesOfAddon(): readonly string[] {
  const made = [...sources('crates/napi/src/*.rs').matchAll(/Failure::new\(\s*"([A-Z_]+)"/g)].map(m => m[1] ?? '');
  // The planner's own codes are wrapped as PLAN_FAILED.
  const rust = sources('crates/*/src/*.rs', ':!crates/plan');
  const bodies = [...rust.matchAll(/fn code\(&self\) -> &'static str \{([\s\S]*?)\n {4}\}/g)].map(m => m[1] ?? '');
  return [...made, ...bodies.flatMap(body => [...body.matchAll(/"([A-Z_]+)"/g)].map(m => m[1] ?? ''))];
}

test('errors: every code of the addon is listed', t => {
  const codes = codesOfAddon();
  for (const code of codes) t.true(listed.has(code), code);
  t.true(new Set(codes).size > 25);
});

test('errors: every listed code occurs', t => {
  const text = sources('ts/**/*.ts', 'ts/*.ts') + sources('crates/*/src/*.rs');
  for (const code of listed) t.regex(text, new RegExp(`['"]${code}['"]`));
});

test('errors: what a signal stops is an AbortError with the signal’s reason', async t => {
  const reason = new Error('no longer needed');
  const model = await loadModel();
  const { compile, defaultImages } = await import('#tinytrain');
  const data = await defaultImages(model.input, { trainPerClass: 4, testPerClass: 1 });
  const error = await t.throwsAsync(compile(model, data, { scheme: 'bias:2', signal: AbortSignal.abort(reason) }), {
    instanceOf: TinytrainError,
  });
  t.is(error?.code, 'ABORTED');
  t.is(error?.name, 'AbortError');
  t.is(error?.cause, reason);
});
