#!/usr/bin/env node
// CommonJS, since Node's pool of threads, which decodes images, takes its size from the environment when it is first used - and loading an ES
// module may already use it.
import os = require('node:os');

process.env['UV_THREADPOOL_SIZE'] ??= String(Math.max(4, os.availableParallelism()));
import('./cli.js').then(({ main }) => main(process.argv.slice(2)));
