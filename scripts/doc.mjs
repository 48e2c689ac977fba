// Documents all crates, once as a user of them and once as a developer sees them; a warning, such as a link that leads nowhere, is an error.
import { run } from './lib/shell.mjs';

const env = { ...process.env, RUSTDOCFLAGS: '-D warnings' };
for (const more of [[], ['--document-private-items']]) {
  run('cargo', ['doc', '--workspace', '--no-deps', '--locked', '--quiet', ...more], { env });
}
