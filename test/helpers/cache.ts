// Runs before every test file: samples are cached in a folder that is gone when the file's tests end, never in the user's.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const folder = mkdtempSync(join(tmpdir(), 'tinytrain-test-cache-'));
process.env['TINYTRAIN_CACHE'] = folder;
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
