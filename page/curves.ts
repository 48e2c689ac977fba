/** What a learning curve shows of a run. */
interface Curve {
  readonly name: string;
  readonly run: Pick<Runs['runs'][number], 'curve' | 'heldOut'>;
  /** Steps that it takes in all. */
  readonly total: number;
}

/** Learning curves: `what` of training since the point before, as a line, and of held-out samples, as points. */
function learningCurves(host: HTMLElement, curves: readonly Curve[], what: 'loss' | 'accuracy'): void {
  const steps = [
    ...new Set(curves.flatMap(({ run }) => [...run.curve, ...run.heldOut.points].map(({ step }) => step))),
  ];
  steps.sort((a, b) => a - b);
  const along = (points: readonly { readonly step: number; readonly loss: number; readonly accuracy: number }[]) => {
    const values = new Map(points.map(point => [point.step, point[what]]));
    return steps.map(step => values.get(step) ?? null);
  };
  const lines = curves.flatMap(({ name, run }, i) => [
    { name: `${name}training, before each update`, values: along(run.curve), held: false, color: `c${i % 8}` },
    {
      name: `${name}held out (${run.heldOut.samples} of the ${run.heldOut.on} images)`,
      values: along(run.heldOut.points),
      held: true,
      color: curves.length === 1 ? 'c1' : `c${i % 8}`,
    },
  ]);
  const all = lines.flatMap(({ values }) => values.filter(value => value !== null));
  const top = what === 'accuracy' ? 1 : Math.max(1e-6, ...all) * 1.05;
  const words = (value: number) => (what === 'accuracy' ? percent(value) : value.toFixed(3));
  const things = steps.map((step, i) => {
    const known = lines.filter(({ values }) => values[i] !== null);
    const first = known[0]?.values[i] ?? 0;
    const rows = known.map(({ name, values }) => `${name}: ${words(values[i] ?? 0)}`);
    return { x: step, y: first, text: [`step ${thousands(step)}`, ...rows].join('\n') };
  });
  draw({
    host,
    height: 260,
    whole: {
      x: { min: 0, max: Math.max(1, steps.at(-1) ?? 1, ...curves.map(({ total }) => total)) },
      y: { min: 0, max: top },
    },
    data: [steps, ...lines.map(({ values }) => values)],
    things: () => things,
    at: (_, x) =>
      steps.reduce((best, step, i) => (Math.abs(step - x) < Math.abs((steps[best] ?? 0) - x) ? i : best), 0),
    options: {
      series: [
        {},
        ...lines.map(({ held, color: name }) => ({
          stroke: () => color(name),
          width: held ? 1.5 : 1.5,
          dash: held ? [5, 4] : [],
          spanGaps: true,
          points: { show: held, size: 7, fill: () => color(name), stroke: () => color(name) },
        })),
      ],
      axes: [
        axis('step', thousands),
        axis(
          what,
          value => (what === 'accuracy' ? `${Math.round(value * 100)} %` : String(Number(value.toPrecision(4)))),
          {
            size: 56,
          },
        ),
      ],
    },
  });
}
