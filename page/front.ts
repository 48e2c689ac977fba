type Against = 'sram' | 'instructions' | 'milliseconds';
type On = 'test' | 'validation';

const measures: Readonly<Record<Against, { readonly label: string; readonly words: (value: number) => string }>> = {
  sram: { label: 'SRAM, bytes', words: thousands },
  instructions: {
    label: 'instructions of a training step, millions',
    words: value => String(Number((value / 1e6).toPrecision(4))),
  },
  milliseconds: {
    label: 'milliseconds of a training step, as predicted',
    words: value => String(Number(value.toPrecision(4))),
  },
};

/** The colour of each kind of scheme. */
const kinds = { chosen: 'chosen', found: 'c0', baseline: 'c1', random: 'c3', analysis: 'dim' } as const;

interface Dot {
  readonly x: number;
  readonly y: number;
  readonly error: number;
  readonly kind: keyof typeof kinds;
  readonly text: string;
}

/** What is drawn of a search, which may not have ended. */
interface Front {
  readonly trained: Search['trained'];
  readonly budgets: readonly number[];
  readonly proofSteps: number;
  /** Schemes that were chosen, with their residual bits. */
  readonly chosen: ReadonlySet<string>;
}

function frontOf(entry: Search | Searching): Front {
  const { trained } = entry;
  const { budgets, proofSteps } = entry.kind === 'search' ? entry.search.plan : entry.plan;
  const front = entry.kind === 'search' ? entry.search.front : [];
  const chosen = new Set(front.map(({ scheme, residualBits }) => `${scheme}/${residualBits}`));
  return { trained, budgets: front.length > 0 ? front.map(({ budget }) => budget) : budgets, proofSteps, chosen };
}

function dotsOf({ trained, proofSteps, chosen }: Front, against: Against, on: On): Dot[] {
  return trained.flatMap((one): Dot[] => {
    const x = one[against];
    if (one.on !== on || x === undefined || x === null) return [];
    // A finalist may also have been trained in the analysis, with fewer steps.
    if (one.kind && on === 'validation' && one.steps !== proofSteps) return [];
    const kind = chosen.has(`${one.scheme}/${one.residualBits}`) ? 'chosen' : (one.kind ?? 'analysis');
    const { mean, standardError, seeds } = one.accuracy;
    const error = standardError === null ? '' : ` ± ${(standardError * 100).toFixed(1)}`;
    const figures = [
      one.sram === undefined ? '' : `${thousands(one.sram)} B`,
      one.instructions === undefined ? '' : `${(one.instructions / 1e6).toFixed(1)} M instructions`,
      one.milliseconds === undefined || one.milliseconds === null ? '' : `about ${one.milliseconds.toFixed(1)} ms`,
    ].filter(text => text !== '');
    const text = [
      one.name ?? 'analysis',
      one.scheme,
      `${(mean * 100).toFixed(1)}${error} % over ${seeds} seeds, ${thousands(one.steps)} steps`,
      figures.join(', '),
    ].join('\n');
    return [{ x, y: mean, error: standardError ?? 0, kind, text }];
  });
}

/** Accuracy against what a scheme takes, of every scheme that was trained. */
function front(host: HTMLElement, of: Front, against: Against, on: On): void {
  const dots = dotsOf(of, against, on).sort((a, b) => a.x - b.x);
  const limits = against === 'sram' ? of.budgets : [];
  const xs = [...dots.map(({ x }) => x), ...limits];
  const ys = dots.flatMap(({ y, error }) => [y - error, y + error]);
  const span = (values: readonly number[], least: number) => {
    const [min, max] = [Math.min(...values), Math.max(...values)];
    const edge = Math.max((max - min) * 0.06, least);
    return values.length === 0 ? { min: 0, max: 1 } : { min: min - edge, max: max + edge };
  };
  const y = span(ys, 0.005);
  const whole = { x: span(xs, 1e-3), y: { min: Math.max(0, y.min), max: Math.min(1.02, y.max) } };
  const paint = (plot: Plot) => {
    const { ctx } = plot;
    const ratio = devicePixelRatio;
    const place = (value: number, scale: 'x' | 'y') => plot.valToPos(value, scale, true);
    ctx.save();
    ctx.beginPath();
    ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
    ctx.clip();
    const stroke = (x1: number, y1: number, x2: number, y2: number) => {
      ctx.beginPath();
      ctx.moveTo(x1, y1);
      ctx.lineTo(x2, y2);
      ctx.stroke();
    };
    ctx.strokeStyle = color('dim');
    ctx.setLineDash([6, 4]);
    for (const limit of limits)
      stroke(place(limit, 'x'), plot.bbox.top, place(limit, 'x'), plot.bbox.top + plot.bbox.height);
    ctx.setLineDash([]);
    // What was chosen lies on top.
    for (const dot of [...dots].sort((a, b) => Number(a.kind === 'chosen') - Number(b.kind === 'chosen'))) {
      ctx.fillStyle = color(kinds[dot.kind]);
      ctx.strokeStyle = color(kinds[dot.kind]);
      ctx.lineWidth = ratio;
      const [left, top] = [place(dot.x, 'x'), place(dot.y, 'y')];
      if (dot.error > 0 && dot.kind !== 'analysis')
        stroke(left, place(dot.y - dot.error, 'y'), left, place(dot.y + dot.error, 'y'));
      ctx.beginPath();
      ctx.arc(left, top, (dot.kind === 'chosen' ? 6 : dot.kind === 'analysis' ? 2.5 : 4) * ratio, 0, 2 * Math.PI);
      ctx.fill();
    }
    ctx.restore();
  };
  const { label, words } = measures[against];
  draw({
    host,
    height: 340,
    whole,
    name: `${against} ${on}`,
    data: [dots.map(({ x }) => x), dots.map(dot => dot.y)],
    things: () => dots,
    at: (plot, _x, _y, left, top) => {
      const far = dots.map(dot => Math.hypot(plot.valToPos(dot.x, 'x') - left, plot.valToPos(dot.y, 'y') - top));
      const nearest = far.indexOf(Math.min(...far));
      return (far[nearest] ?? Number.POSITIVE_INFINITY) < 24 ? nearest : -1;
    },
    options: {
      series: [{}, { stroke: 'transparent', points: { show: false } }],
      axes: [
        axis(label, words, { space: 70 }),
        axis(
          `accuracy, ${on === 'test' ? 'test' : 'held-back'} images`,
          value => `${Number((value * 100).toFixed(1))} %`,
          { size: 60 },
        ),
      ],
      hooks: { draw: [paint] },
    },
  });
}

/** What each chart of a search is drawn of now. */
const fronts = new WeakMap<HTMLElement, (entry: Search | Searching) => void>();

/** The chart of a search with the buttons that say what is drawn against what. Drawn again, it is drawn as it was. */
function frontWithTools(host: HTMLElement, first: Search | Searching): void {
  const known = fronts.get(host);
  if (known) {
    known(first);
    return;
  }
  let entry = first;
  const tools = document.createElement('div');
  tools.className = 'tools';
  host.before(tools);
  let against: Against = 'sram';
  // Every scheme was trained on held-back images, the best of them on the test images too.
  let on: On = 'validation';
  const buttons: [HTMLButtonElement, () => boolean][] = [];
  const refresh = () => {
    for (const [button, isOn] of buttons) button.ariaPressed = String(isOn());
    front(host, frontOf(entry), against, on);
  };
  const add = (name: string, isOn: () => boolean, act: () => void) => {
    const button = make('button', tools, '', name);
    button.type = 'button';
    button.onclick = () => {
      act();
      refresh();
    };
    buttons.push([button, isOn]);
  };
  for (const [key, name] of [
    ['sram', 'SRAM'],
    ['instructions', 'instructions'],
    ['milliseconds', 'milliseconds'],
  ] as const) {
    add(
      name,
      () => against === key,
      () => {
        against = key;
      },
    );
  }
  for (const [key, name] of [
    ['validation', 'held-back images'],
    ['test', 'test images'],
  ] as const) {
    add(
      name,
      () => on === key,
      () => {
        on = key;
      },
    );
  }
  fronts.set(host, next => {
    entry = next;
    refresh();
  });
  refresh();
}
