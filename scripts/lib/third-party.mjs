// What the compiled code contains of others, with the licences that have to go along: the crates that are linked, Rust's standard library with its own crates, and
// in WebAssembly the C part of emnapi. Texts are read from the sources that were compiled.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fail, read, root } from './shell.mjs';

/** The file in a package. */
export const thirdPartyFile = 'THIRD-PARTY.txt';

/** Crates whose packages hold no text, and where the same project's other packages have it. */
const elsewhere = { napi: 'node_modules/@napi-rs/cli/LICENSE', 'napi-sys': 'node_modules/@napi-rs/cli/LICENSE' };

const isLicence = name => /^(licen[cs]e|copying|unlicense|notice|copyright)/i.test(name);

/** Of a choice MIT, whose text is the one that names the authors; else all texts. Notices always. */
function chosen(licence, names) {
  const mit = names.filter(name => /mit/i.test(name));
  const isChoice = /MIT/.test(licence) && !/ AND /.test(licence);
  return isChoice && mit.length > 0 ? [...mit, ...names.filter(name => /^notice/i.test(name))] : names;
}

/** The crates that are linked into the addon for a target, but for those of this repository. */
function crates(target) {
  const text = read('cargo', ['metadata', '--locked', '--format-version', '1', '--filter-platform', target], {
    cwd: root,
    maxBuffer: 2 ** 28,
  });
  const { packages, resolve } = JSON.parse(text);
  const byId = new Map(packages.map(each => [each.id, each]));
  const nodes = new Map(resolve.nodes.map(node => [node.id, node]));
  const found = new Set();
  const visit = id => {
    if (found.has(id)) return;
    found.add(id);
    for (const { pkg, dep_kinds: kinds } of nodes.get(id).deps) {
      const isMacro = byId.get(pkg).targets.some(({ kind }) => kind.includes('proc-macro'));
      // Without a kind it is linked, and not of the build or of tests.
      if (!isMacro && kinds.some(({ kind }) => kind === null)) visit(pkg);
    }
  };
  visit(packages.find(({ name }) => name === 'tinytrain-napi').id);
  return [...found].map(id => byId.get(id)).filter(({ source }) => source !== null);
}

function crateParts(target) {
  return crates(target).map(({ name, version, license, manifest_path: manifest }) => {
    const folder = dirname(manifest);
    const own = chosen(license, readdirSync(folder).filter(isLicence)).map(file => join(folder, file));
    const files = own.length === 0 && elsewhere[name] ? [join(root, elsewhere[name])] : own;
    return { name: `${name} ${version}`, license, texts: files.map(file => readFileSync(file, 'utf8')) };
  });
}

function unescaped(html) {
  return html
    .replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}

/** Rust's standard library, and the crates in it, as the compiler's own list has them. */
function standardParts() {
  const docs = join(read('rustc', ['--print', 'sysroot'], { cwd: root }).trim(), 'share', 'doc', 'rust');
  const list = join(docs, 'COPYRIGHT-library.html');
  if (!existsSync(list))
    fail(`${list} is missing: it belongs to the compiler`, ['`rustup component add rustc` brings it']);
  const [, ...sections] = readFileSync(list, 'utf8').split('<h3>📦 ');
  const own = ['MIT', 'Unicode-3.0', 'BSD-2-Clause', 'LLVM-exception', 'Apache-2.0'];
  return [
    {
      name: "Rust's standard library, copyright The Rust Project Contributors",
      license: 'MIT OR Apache-2.0; parts under Unicode-3.0, BSD-2-Clause, Apache-2.0 WITH LLVM-exception',
      texts: own.map(name => readFileSync(join(docs, 'licenses', `${name}.txt`), 'utf8')),
    },
    ...sections.map(section => {
      const name = section.slice(0, section.indexOf('</h3>'));
      const [, license = ''] = /<b>License:<\/b> ([^<]*)</.exec(section) ?? [];
      const texts = [...section.matchAll(/<summary><code>([^<]*)<\/code><\/summary>\s*<pre>([\s\S]*?)<\/pre>/g)];
      const names = chosen(
        license,
        texts.map(([, file]) => file).filter(file => file !== 'AUTHORS'),
      );
      return {
        name: `${name} (in the standard library)`,
        license,
        texts: texts.filter(([, file]) => names.includes(file)).map(([, , text]) => unescaped(text)),
      };
    }),
    // Crates of systems that no package of ours is for have no text there.
  ].filter(({ texts }) => texts.length > 0);
}

/** All that is in the compiled code for a target: name, licence and texts of each part. */
export function thirdParties(target) {
  const emnapi = {
    name: `emnapi ${JSON.parse(readFileSync(join(root, 'node_modules/emnapi/package.json'), 'utf8')).version}`,
    license: 'MIT',
    texts: [readFileSync(join(root, 'node_modules/emnapi/LICENSE'), 'utf8')],
  };
  const parts = [...crateParts(target), ...(target.startsWith('wasm') ? [emnapi] : []), ...standardParts()];
  for (const { name, texts } of parts) if (texts.length === 0) fail(`${name} comes without the text of its licence`);
  return parts;
}

/** The same as a file: each text once, under the names of all that come with it. */
export function thirdPartyText(target) {
  const byText = new Map();
  for (const { name, license, texts } of thirdParties(target)) {
    for (const text of texts) {
      const plain = text.replaceAll('\r\n', '\n').trim();
      byText.set(plain, [...(byText.get(plain) ?? []), `${name}: ${license}`]);
    }
  }
  const line = '='.repeat(80);
  const sections = [...byText].map(([text, names]) => `${line}\n${names.join('\n')}\n${line}\n\n${text}\n`);
  const head = `The compiled code of tinytrain for ${target} contains the following works of others, under their licences.\n`;
  return [head, ...sections].join('\n');
}
