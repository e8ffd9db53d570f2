// A chart of named points; the nearest to the pointer, or the one the arrow keys reached, is read out.
const { Chart, format, COLOURS: C, redraw } = window.Glassbox;
const $ = q => element.querySelector(q);
const canvas = $('canvas'),
  chart = new Chart(canvas),
  title = canvas.getAttribute('aria-label');
const node = (tag, text) => {
  const n = document.createElement(tag);
  if (text !== undefined) n.textContent = text;
  return n;
};
// Each series has a colour and a shape, as paths in a square from -1 to 1.
const TINTS = [C.blue, C.vermilion, C.green, C.orange, C.purple, C.sky];
const SHAPES = [
  'M1 0A1 1 0 1 1-1 0A1 1 0 1 1 1 0Z',
  'M-.9-.9H.9V.9H-.9Z',
  'M0-1.15L1.1.85H-1.1Z',
  'M0-1.25L1.25 0L0 1.25L-1.25 0Z',
  'M0 1.15L1.1-.85H-1.1Z',
  'M-.4-1.1H.4V-.4H1.1V.4H.4V1.1H-.4V.4H-1.1V-.4H-.4Z',
  'M0-1.2L1.15-.37L.7.97H-.7L-1.15-.37Z',
];
const look = s => [TINTS[s % TINTS.length], SHAPES[s % SHAPES.length]];
const DECADES = 4; // on a logarithmic axis, what lies further above the least stands at the top edge
let D = null,
  points = [],
  active = null,
  most = Infinity,
  pending = 0;

const infinite = y => y === null || !isFinite(y);
const over = p => infinite(p.y) || p.y > most;
const under = p => D.y.log && !over(p) && p.y <= 0; // has no logarithm
const height = y => (D.y.log ? Math.log10(y) : y);
const told = p => {
  const y = infinite(p.y) ? 'infinite' : format(p.y),
    series = D.series.length > 1 ? ` (${D.series[p.s].name})` : '';
  return `${p.name}${series}: ${D.x.title} ${format(p.x)}, ${D.y.title} ${y}.${p.note ? ` ${p.note}` : ''}`;
};
const range = () => {
  const known = points.filter(p => !infinite(p.y) && (!D.y.log || p.y > 0)).map(p => p.y);
  const least = Math.min(...known);
  most = D.y.most ?? (D.y.log ? least * 10 ** DECADES : Infinity);
  const shown = known.concat((D.rules || []).map(r => r.y)).filter(y => y <= most && (!D.y.log || y > 0));
  if (!shown.length) return [0, 1];
  const low = height(Math.min(...shown)),
    high = height(Math.max(...shown)),
    room = (high - low || Math.abs(high) || 1) * 0.08;
  // What stands at an edge stands beyond all others.
  return [low - room * (points.some(under) ? 2.5 : 1), high + room * (points.some(over) ? 2.5 : 1)];
};
const levels = (low, high, count) => {
  if (!D.y.log) return null;
  for (const steps of [[1, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]]) {
    const out = [];
    for (let k = Math.floor(low); k <= high; k++) for (const step of steps) out.push(step * 10 ** k);
    const inside = out.filter(y => Math.log10(y) >= low && Math.log10(y) <= high);
    if (inside.length <= count) return inside;
  }
  return [];
};
const spot = p => {
  const inset = chart.font * 1.2,
    y = over(p) ? chart.top + inset : under(p) ? chart.bottom - inset : chart.sy(height(p.y));
  return [chart.sx(p.x), y];
};
const marker = (p, radius) => {
  const g = chart.g,
    [colour, shape] = look(p.s),
    [x, y] = spot(p);
  g.save();
  g.translate(x, y);
  g.lineWidth = 1 / radius;
  g.fillStyle = colour;
  g.strokeStyle = chart.ink;
  g.scale(radius, radius);
  const path = new Path2D(shape);
  g.fill(path);
  g.stroke(path);
  g.restore();
  if (!over(p) && !under(p)) return;
  // An arrow: it lies beyond this edge.
  const way = over(p) ? -1 : 1,
    edge = over(p) ? chart.top - 3 : chart.bottom;
  g.save();
  g.lineWidth = 2;
  g.strokeStyle = chart.ink;
  g.beginPath();
  g.moveTo(x, y + way * (radius + 1));
  g.lineTo(x, edge);
  g.moveTo(x - 4, edge - way * 5);
  g.lineTo(x, edge);
  g.lineTo(x + 4, edge - way * 5);
  g.stroke();
  g.restore();
};
const ring = (p, radius, colour) => {
  const g = chart.g;
  g.save();
  g.lineWidth = 2;
  g.strokeStyle = colour;
  g.beginPath();
  g.arc(...spot(p), radius, 0, 7);
  g.stroke();
  g.restore();
};
const draw = () => {
  pending = 0;
  if (!D || !points.length || !chart.visible) return;
  const xs = points.map(p => p.x),
    [left, right] = [Math.min(...xs), Math.max(...xs)],
    room = (right - left || 1) * 0.04,
    y = range();
  chart.open({
    x: [left - room, right + room],
    y,
    xTitle: D.x.title,
    yTitle: D.y.title,
    yTicks: !D.y.log,
    margin: 4.4,
  });
  const g = chart.g,
    marks = levels(...y, (chart.bottom - chart.top) / (chart.font * 2));
  for (const level of marks || []) {
    const py = chart.sy(Math.log10(level));
    chart.faint(() => {
      g.beginPath();
      g.moveTo(chart.left, py);
      g.lineTo(chart.right, py);
      g.stroke();
    });
    g.textAlign = 'right';
    g.textBaseline = 'middle';
    g.fillText(format(level), chart.left - 5, py);
  }
  for (const rule of D.rules || []) {
    const level = height(rule.y);
    if (level >= y[0] && level <= y[1]) chart.horizontal(level, { label: rule.text });
  }
  if (D.lines)
    D.series.forEach((_, s) => {
      const line = points.filter(p => p.s === s).sort((a, b) => a.x - b.x);
      g.save();
      g.lineWidth = 2;
      g.strokeStyle = look(s)[0];
      g.beginPath();
      for (const p of line) g.lineTo(...spot(p));
      g.stroke();
      g.restore();
    });
  const size = chart.font * 0.42;
  for (const p of points) marker(p, p.name === D.chosen ? size * 1.7 : size);
  for (const p of points.filter(p => p.name === D.chosen)) {
    ring(p, size * 1.7 + 5, chart.ink);
    if (p !== active) label(p);
  }
  if (active) {
    ring(active, size + 4, chart.ink);
    label(active);
  }
};
// A point's name, to the side where there is room, on a ground of its own.
const label = p => {
  const g = chart.g,
    [x, y] = spot(p);
  g.save();
  g.font = `600 ${chart.font}px system-ui, sans-serif`;
  const w = g.measureText(p.name).width,
    gap = chart.font * 1.2,
    start = x + gap + w < chart.right ? x + gap : Math.max(chart.left, x - gap - w);
  g.globalAlpha = 0.85;
  g.fillStyle = getComputedStyle(canvas).getPropertyValue('--gb-ground') || '#fff';
  g.fillRect(start - 3, y - chart.font * 0.75, w + 6, chart.font * 1.5);
  g.globalAlpha = 1;
  g.fillStyle = chart.ink;
  g.textAlign = 'left';
  g.textBaseline = 'middle';
  g.fillText(p.name, start, y);
  g.restore();
};
const soon = () => {
  if (!pending) pending = requestAnimationFrame(draw);
};
const read = () => {
  const p = active || points.find(p => p.name === D.chosen);
  $('.read').textContent = p ? told(p) : 'Point at the chart, or walk with the arrow keys.';
};
const legend = () => {
  const names = JSON.stringify(D.series.map(s => s.name));
  if ($('.legend').dataset.names === names) return;
  $('.legend').dataset.names = names;
  $('.legend').replaceChildren(
    ...D.series.map(({ name }, s) => {
      const [colour, shape] = look(s),
        svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg'),
        path = document.createElementNS('http://www.w3.org/2000/svg', 'path'),
        item = node('span');
      svg.setAttribute('viewBox', '-1.4 -1.4 2.8 2.8');
      svg.setAttribute('aria-hidden', 'true');
      path.setAttribute('d', shape);
      path.setAttribute('fill', colour);
      svg.append(path);
      item.append(svg, node('span', name));
      return item;
    }),
  );
};
const numbers = () => {
  if (!$('details').open || !D) return;
  const table = node('table'),
    head = node('tr'),
    body = node('tbody'),
    top = node('thead');
  for (const name of ['point', 'series', D.x.title, D.y.title, 'note']) {
    const th = node('th', name);
    th.scope = 'col';
    head.append(th);
  }
  for (const p of points) {
    const line = node('tr'),
      th = node('th', p.name);
    th.scope = 'row';
    const y = infinite(p.y) ? 'infinite' : format(p.y);
    line.append(th, ...[D.series[p.s].name, format(p.x), y, p.note || ''].map(text => node('td', text)));
    body.append(line);
  }
  top.append(head);
  table.append(top, body);
  table.setAttribute('aria-label', title);
  $('.scroll').replaceChildren(table);
};
const load = () => {
  const v = props.value;
  const full = !!(v && v.series && v.series.some(s => s.points.length));
  $('.nothing').hidden = full;
  $('.holds').hidden = !full;
  $('.nothing').textContent = (v && v.nothing) || 'Nothing yet.';
  $('.told').textContent = (v && v.told) || '';
  $('.gb-curve').dataset.done = !!(v && v.done);
  if (!full) {
    D = null;
    return;
  }
  D = v;
  const was = active;
  points = D.series.flatMap((series, s) => series.points.map(p => ({ ...p, s })));
  active = (was && points.find(p => p.name === was.name && p.s === was.s)) || null;
  canvas.setAttribute('aria-label', `${title}: ${points.length} points; arrow keys walk through them`);
  legend();
  numbers();
  read();
  soon();
};
const nearest = event => {
  const box = canvas.getBoundingClientRect(),
    far = p => Math.hypot(spot(p)[0] - event.clientX + box.left, spot(p)[1] - event.clientY + box.top);
  return points.reduce((a, b) => (far(b) < far(a) ? b : a));
};
const show = p => {
  if (active === p) return;
  active = p;
  read();
  soon();
};
const choose = () => {
  props.value = D = { ...props.value, chosen: active.name };
  read();
  soon();
  trigger('choose');
};
canvas.addEventListener('pointermove', event => D && chart.g && show(nearest(event)));
canvas.addEventListener('pointerleave', event => {
  if (D && event.pointerType === 'mouse') show(null);
});
canvas.addEventListener('click', event => {
  if (!D || !chart.g) return;
  show(nearest(event));
  choose();
});
const STEPS = { ArrowRight: ['x', 1], ArrowLeft: ['x', -1], ArrowUp: ['y', 1], ArrowDown: ['y', -1] };
canvas.addEventListener('keydown', event => {
  if (!D) return;
  if (event.key === 'Enter' || event.key === ' ') {
    event.preventDefault();
    if (active) choose();
    return;
  }
  const by = STEPS[event.key];
  if (!by) return;
  event.preventDefault();
  const value = { x: p => p.x, y: p => (infinite(p.y) ? Infinity : p.y) }[by[0]];
  const order = [...points].sort((a, b) => (value(a) === value(b) ? a.s - b.s : value(a) - value(b)));
  const from = active || points.find(p => p.name === D.chosen);
  const to = from ? order.indexOf(from) + by[1] : 0;
  show(order[Math.max(0, Math.min(order.length - 1, to))]);
});
$('details').addEventListener('toggle', numbers);
watch('value', load);
load();
redraw(element, soon);
trigger('shown');
