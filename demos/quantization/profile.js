// Where a matrix's weights lie among the levels, and where its error is.
const { Chart, format, COLOURS: C, redraw } = window.Glassbox;
const charts = Object.fromEntries(
  [...element.querySelectorAll('canvas')].map(c => [c.dataset.panel, new Chart(c)]),
);
let D = null;
const most = values => Math.max(...values, 1e-12);
const say = (panel, text) => {
  const { canvas } = charts[panel];
  canvas.setAttribute('aria-label', text);
};
// What the values come to along a side of `size` places.
const steps = (chart, values, size, colour) => {
  chart.clip(g => {
    g.strokeStyle = colour;
    g.lineWidth = 1.5;
    g.beginPath();
    values.forEach((v, i) => {
      const x = chart.sx(((i + 0.5) / values.length) * size);
      if (i) g.lineTo(x, chart.sy(v));
      else g.moveTo(x, chart.sy(v));
    });
    g.stroke();
  });
};
const draw = () => {
  if (!D || !charts.histogram.visible) return;
  const [rows, columns] = D.size,
    [low, high] = D.edges,
    bins = D.counts.length;
  const h = charts.histogram;
  h.open({ x: D.edges, y: [0, most(D.counts)], xTitle: `weight in units of ${D.unit}`, yTitle: 'weights' });
  h.clip(g => {
    g.fillStyle = C.sky;
    D.counts.forEach((n, i) => {
      const x = h.sx(low + ((high - low) * i) / bins),
        next = h.sx(low + ((high - low) * (i + 1)) / bins);
      g.fillRect(x, h.sy(n), next - x + 0.5, h.sy(0) - h.sy(n));
    });
    g.strokeStyle = C.vermilion;
    g.lineWidth = 1;
    for (const level of D.levels) {
      g.beginPath();
      g.moveTo(h.sx(level), h.top);
      g.lineTo(h.sx(level), h.bottom);
      g.stroke();
    }
  });
  say('histogram', `Histogram of ${rows * columns} weights; the lines are ${D.levels.length} levels`);
  const r = charts.rows;
  r.open({ x: [0, rows], y: [0, most(D.rows)], xTitle: 'output', yTitle: 'rms error' });
  steps(r, D.rows, rows, C.vermilion);
  say('rows', `Root mean square error of each output, at most ${format(most(D.rows))}`);
  const c = charts.columns,
    reach = most(D.columns),
    input = most(D.largest);
  c.open({ x: [0, columns], y: [0, reach], xTitle: 'input channel', yTitle: 'rms error' });
  // The inputs have another unit: their greatest value fills the height.
  steps(c, D.largest.map(v => (v / input) * reach), columns, C.sky);
  steps(c, D.columns, columns, C.vermilion);
  steps(c, D.groups, columns, C.green);
  c.clip(g => {
    g.fillStyle = C.purple;
    D.outliers.forEach((on, i) => {
      if (on) g.fillRect(c.sx(((i + 0.5) / D.outliers.length) * columns) - 1, c.top, 2, 8);
    });
  });
  const number = D.outliers.filter(Boolean).length;
  element.querySelector('.told').textContent = [
    `Left: vermilion lines are the ${D.levels.length || 'levels, too many to draw'}${D.levels.length ? ' levels' : ''}.`,
    D.shifted ? 'Each row has its own zero point; the levels are drawn at the mean of them.' : '',
    `Right: vermilion the error of each channel,${D.groups.length ? ' green that of its group,' : ''}`,
    `sky blue its largest |input| (up to ${format(input)}).`,
    number ? 'Purple ticks: outlier channels, whose inputs reach the threshold.' : '',
  ].filter(Boolean).join(' ');
  say('columns', `Error of each input channel, at most ${format(reach)}, and its largest input, up to ${format(input)}`);
};
const load = () => {
  if (!props.value || !props.value.counts) return;
  D = props.value;
  element.querySelector('.gb-profile').hidden = false;
  draw();
};
watch('value', load);
redraw(element, draw);
load();
