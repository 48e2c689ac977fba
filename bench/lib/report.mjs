/** Output during and after the run, on the terminal and to the file. */

const pad = (cells, widths) =>
  cells
    .map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
    .join('  ')
    .trimEnd();

/** Nanoseconds in a suitable unit. */
function time(ns) {
  const [value, unit] = ns < 1e6 ? [ns / 1e3, 'us'] : ns < 1e9 ? [ns / 1e6, 'ms'] : [ns / 1e9, 's'];
  return `${value.toPrecision(value < 100 ? 3 : 4)} ${unit}`;
}

const times = ratio => `${ratio.toFixed(ratio < 10 ? 2 : 1)} x`;
const percent = share => `${(100 * share).toFixed(1)} %`;

export class Report {
  constructor(about) {
    this.about = about;
    this.rows = [];
    this.missing = [];
    this.profiles = [];
    const { processor, flags, cores, core, system, node } = about;
    console.log(
      `${processor} (${flags.join(' ')}), ${cores} cores; timed on core ${core}, one thread unless said; ${system}; Node ${node}`,
    );
  }

  progress = text => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
  };

  row(row) {
    this.rows.push(row);
    this.progress('');
    const { group, work, against, ratio, quiet } = row;
    console.log(`${group}, ${work}: ${times(ratio.median)} against ${against}${quiet ? '' : ' (busy)'}`);
  }

  left(group, reason) {
    this.missing.push({ group, reason });
    this.progress('');
    console.log(`${group}: left out: ${reason}`);
  }

  end(versions) {
    const head = [
      'work',
      'against',
      'ours',
      'theirs',
      'ratio',
      'quartiles',
      'at least',
      'aim',
      'spread',
      'rounds',
      'thrown',
    ];
    const body = this.rows.map(row => {
      const { work, against, ratio, quiet, rounds, thrown, atLeast, aim } = row;
      const [ours, theirs] = [row.times[row.ours], row.times[row.theirs]];
      // In brackets: not reliable, because the machine was busy.
      const figure = quiet ? times(ratio.median) : `(${times(ratio.median)})`;
      return [
        work,
        against,
        time(ours.median),
        time(theirs.median),
        figure,
        `${ratio.q1.toFixed(2)}-${ratio.q3.toFixed(2)}`,
        atLeast === undefined ? '' : times(atLeast),
        aim === undefined ? '' : times(aim),
        percent(Math.max(ours.spread, theirs.spread)),
        String(rounds),
        String(thrown),
      ];
    });
    const widths = head.map((cell, i) => Math.max(cell.length, ...body.map(row => row[i].length)));
    if (body.length > 0) console.log(`\n${[head, ...body].map(cells => pad(cells, widths)).join('\n')}\n`);
    const names = { litert: 'LiteRT', onnxruntime: 'ONNX Runtime', torch: 'PyTorch', kernels: 'our kernels' };
    const used = Object.entries(versions).map(([name, version]) => `${names[name]} ${version}`);
    if (used.length > 0) console.log(used.join(', '));
    if (this.rows.some(({ quiet }) => !quiet)) {
      console.log('in brackets: the machine was busy, which makes it no figure; run it again when nothing else runs');
    }
    for (const { group, reason } of this.missing) console.log(`left out: ${group}: ${reason}`);
  }

  record(versions) {
    return { machine: this.about, versions, rows: this.rows, profiles: this.profiles, leftOut: this.missing };
  }
}
