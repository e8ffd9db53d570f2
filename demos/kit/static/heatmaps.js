// Pictures of one matrix that share a cursor, a chosen entry and a zoom. A picture is drawn when it or the
// zoom changes; the cursor is an element that moves over it.
const { image, unpack, format, COLOURS } = window.Glassbox;
const $ = q => element.querySelector(q),
  $$ = q => [...element.querySelectorAll(q)];
const alarm = $('.alarm');
const canvases = Object.fromEntries($$('canvas').map(c => [c.dataset.panel, c]));
const figures = Object.fromEntries(Object.keys(canvases).map(key => [key, canvases[key].closest('figure')]));
const clamp = (v, low, high) => Math.max(low, Math.min(high, v));
const LEAST = 4; // rows and columns of the closest look
// D: the part of the matrix that has arrived; V: the window that is to be seen; at: the cursor's cell.
let D = null,
  V = null,
  at = [0, 0],
  pictures = {},
  places = {},
  base = null, // the file of the value that is shown
  asked = 0,
  pending = 0,
  later = 0,
  drag = null;

// ---- colours
const ramp = map => {
  const { data } = image(1, 256, (_, c) => c, [0, 255], map)
    .getContext('2d')
    .getImageData(0, 0, 256, 1);
  return Array.from({ length: 256 }, (_, i) => [...data.subarray(4 * i, 4 * i + 3)]);
};
const MAPS = { viridis: ramp('viridis'), diverging: ramp('diverging') };
const MASK = [
  [247, 247, 247],
  [0, 114, 178],
  [230, 159, 0],
]; // 0 light, 1 dark, 2 between: told apart by brightness too
const wordsOf = ({ words }) => words || ['0', '1'];
const lut = panel => (panel.colours === 'mask' ? MASK.slice(0, wordsOf(panel).length) : MAPS[panel.colours]);
const paint = panel => {
  const [low, high] = panel.extent,
    part = D[panel.key],
    [rows, columns] = part.shape,
    table = lut(panel),
    last = table.length - 1,
    span = high - low || 1,
    picture = new ImageData(columns, rows);
  for (let i = 0; i < part.length; i++) {
    const level = Math.round(((part.at(i) - low) / span) * last);
    picture.data.set(table[clamp(level, 0, last)], 4 * i);
    picture.data[4 * i + 3] = 255;
  }
  const canvas = document.createElement('canvas');
  canvas.width = columns;
  canvas.height = rows;
  canvas.getContext('2d').putImageData(picture, 0, 0);
  return canvas;
};
const number = (v, digits) => {
  const small = v !== 0 && Math.abs(v) < 0.5 * 10 ** -digits;
  return (small ? v.toExponential(1) : v.toFixed(digits)).replaceAll('-', '−');
};
const legend = panel => {
  const line = figures[panel.key].querySelector('.legend'),
    mask = panel.colours === 'mask',
    table = lut(panel),
    colour = i => `rgb(${table[i].join()})`;
  line.classList.toggle('mask', mask);
  const items = (mask ? wordsOf(panel) : panel.extent.map(v => format(+v.toPrecision(3)))).map((text, i) => {
    const item = document.createElement('span');
    item.textContent = text;
    if (mask) item.style.setProperty('--swatch', colour(i));
    return item;
  });
  if (!mask) {
    const bar = document.createElement('i'),
      stops = [0, 32, 64, 96, 128, 160, 192, 224, 255];
    bar.style.background = `linear-gradient(90deg, ${stops.map(colour).join()})`;
    items.splice(1, 0, bar);
  }
  line.replaceChildren(...items);
};

// ---- where a cell lies: cell i of n begins at floor(i * length / n) of the window
const begin = (i, axis) => D.window[axis] + Math.floor((i * D.window[2 + axis]) / D.cells[axis]);
const cellOf = (entry, axis) =>
  Math.ceil(((entry - D.window[axis] + 1) * D.cells[axis]) / D.window[2 + axis]) - 1;
// The place of a cell's edge in a picture, in pixels from its start.
const edge = (i, axis, length) =>
  ((D.window[axis] + (i * D.window[2 + axis]) / D.cells[axis] - V[axis]) / V[2 + axis]) * length;

// ---- drawing
const draw = () => {
  pending = 0;
  if (!D) return;
  for (const panel of D.panels) drawPanel(panel);
  overlay();
};
const soon = () => {
  if (!pending) pending = requestAnimationFrame(draw);
};
const drawPanel = panel => {
  const canvas = canvases[panel.key],
    box = canvas.getBoundingClientRect(),
    d = devicePixelRatio || 1;
  if (box.width < 2) return;
  const w = Math.round(box.width * d),
    h = Math.round(box.height * d);
  if (canvas.width !== w) canvas.width = w;
  if (canvas.height !== h) canvas.height = h;
  const g = canvas.getContext('2d'),
    rem = parseFloat(getComputedStyle(document.documentElement).fontSize) || 16,
    font = Math.round(rem * 0.75);
  const p = { x: Math.round(font * 2.1), y: Math.round(font * 2.1) };
  p.w = box.width - p.x - 6;
  p.h = box.height - p.y - 6;
  places[panel.key] = p;
  g.setTransform(d, 0, 0, d, 0, 0);
  g.clearRect(0, 0, box.width, box.height);
  g.font = `${font}px system-ui, sans-serif`;
  g.fillStyle = getComputedStyle(canvas).color;
  const [top, left, height, width] = V,
    labels = D.labels || { row: 'row', column: 'column' };
  const axis = (length, first, name, last) => {
    g.textBaseline = 'alphabetic';
    g.textAlign = 'left';
    g.fillText(first, 0, 0);
    g.textAlign = 'right';
    g.fillText(last, length, 0);
    const room = length - 2 * g.measureText(last).width - font;
    g.textAlign = 'center';
    if (g.measureText(`${name} →`).width < room) g.fillText(`${name} →`, length / 2, 0);
  };
  g.save();
  g.translate(p.x, font);
  axis(p.w, left, labels.column, left + width - 1);
  g.restore();
  g.save();
  g.translate(font * 0.45, p.y);
  g.rotate(Math.PI / 2);
  axis(p.h, top, labels.row, top + height - 1);
  g.restore();
  g.save();
  g.beginPath();
  g.rect(p.x, p.y, p.w, p.h);
  g.clip();
  const x = edge(0, 1, p.w),
    y = edge(0, 0, p.h);
  g.imageSmoothingEnabled = false;
  g.drawImage(
    (pictures[panel.key] ||= paint(panel)),
    p.x + x,
    p.y + y,
    edge(D.cells[1], 1, p.w) - x,
    edge(D.cells[0], 0, p.h) - y,
  );
  g.restore();
  g.fillStyle = COLOURS.vermilion;
  const size = font * 0.35;
  for (const column of within(D.marked_columns, 1)) {
    const j = cellOf(column, 1),
      px = p.x + (edge(j, 1, p.w) + edge(j + 1, 1, p.w)) / 2;
    if (px < p.x || px > p.x + p.w) continue;
    g.beginPath();
    g.moveTo(px - size, p.y - 2 * size - 1);
    g.lineTo(px + size, p.y - 2 * size - 1);
    g.lineTo(px, p.y - 1);
    g.fill();
  }
  for (const row of within(D.marked_rows, 0)) {
    const i = cellOf(row, 0),
      py = p.y + (edge(i, 0, p.h) + edge(i + 1, 0, p.h)) / 2;
    if (py < p.y || py > p.y + p.h) continue;
    g.beginPath();
    g.moveTo(p.x - 2 * size - 1, py - size);
    g.lineTo(p.x - 2 * size - 1, py + size);
    g.lineTo(p.x - 1, py);
    g.fill();
  }
};
const within = (entries, axis) =>
  (entries || []).filter(e => e >= D.window[axis] && e < D.window[axis] + D.window[2 + axis]);
// A frame around a cell of a few pixels leaves room for it.
const seen = (from, to) => {
  const more = Math.max(0, (9 - to + from) / 2);
  return [from - more, to + more];
};
// An element laid over the cells from (i, j) to (k, l), in every picture.
const lay = (cls, cells) => {
  for (const { key } of D.panels) {
    const mark = figures[key].querySelector(`.${cls}`),
      p = places[key];
    mark.hidden = !cells || !p;
    if (mark.hidden) continue;
    const [i, j, k, l] = cells;
    const [y0, y1] = seen(edge(i, 0, p.h), edge(k + 1, 0, p.h)),
      [x0, x1] = seen(edge(j, 1, p.w), edge(l + 1, 1, p.w));
    mark.hidden = y1 < 0 || x1 < 0 || y0 > p.h || x0 > p.w;
    mark.style.transform = `translate(${p.x + x0}px, ${p.y + y0}px)`;
    mark.style.width = `${x1 - x0}px`;
    mark.style.height = `${y1 - y0}px`;
  }
};
const entry = () => [D.row_of.cell(...at), D.column_of.cell(...at)];
const overlay = () => {
  lay('cell', [...at, ...at]);
  const chosen = D.chosen;
  const here = chosen && [0, 1].every(axis => within([chosen[axis]], axis).length);
  const cell = here && [cellOf(chosen[0], 0), cellOf(chosen[1], 1)];
  lay('picked', cell ? [...cell, ...cell] : null);
  lay('drag', drag && drag.moved ? sorted(drag.from, drag.to) : null);
  const [r, c] = entry(),
    marked = (list, e) => ((list || []).includes(e) ? ' (marked)' : '');
  const values = D.panels.map(({ key, title, digits, words }) => {
    const v = D[key].cell(...at);
    return `${title} ${words?.[v] ?? number(v, digits)}`;
  });
  const where = `row ${r}${marked(D.marked_rows, r)}, column ${c}${marked(D.marked_columns, c)}`;
  $('.read').textContent = `${where}: ${values.join(' · ')}`;
};
const sorted = ([a, b], [c, d]) => [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)];
const tell = () => {
  const [top, left, height, width] = V,
    whole = height === D.rows && width === D.columns;
  const per = [0, 1].map(axis => Math.ceil(V[2 + axis] / D.cells[axis]));
  const cut = per[0] * per[1] > 1 ? `; each cell shows one of up to ${per[0]} × ${per[1]} entries` : '';
  const part = (name, from, count, all) => `${name} ${from} to ${from + count - 1} of ${all}`;
  const here = whole
    ? `${D.rows} rows, ${D.columns} columns`
    : `${part('rows', top, height, D.rows)}, ${part('columns', left, width, D.columns)}`;
  $('.shown').textContent = here + cut;
  const off = {
    in: height <= Math.min(LEAST, D.rows) && width <= Math.min(LEAST, D.columns),
    out: whole,
    whole,
    left: left === 0,
    right: left + width === D.columns,
    up: top === 0,
    down: top + height === D.rows,
  };
  for (const button of $$('[data-do]')) {
    button.disabled = off[button.dataset.do];
    if (['left', 'right', 'up', 'down'].includes(button.dataset.do)) button.hidden = whole;
  }
};

// ---- what is shown
const arrived = (facts, buffer) => {
  const here = D && D.key === facts.key ? entry() : facts.chosen;
  D = { ...facts, ...unpack(buffer, facts.parts) };
  V = D.window;
  const there = here && [0, 1].every(axis => within([here[axis]], axis).length);
  at = there ? [cellOf(here[0], 0), cellOf(here[1], 1)] : D.cells.map(n => n >> 1);
  pictures = {};
  for (const [key, figure] of Object.entries(figures)) figure.hidden = !D.panels.some(p => p.key === key);
  for (const panel of D.panels) {
    figures[panel.key].querySelector('figcaption').textContent = panel.title;
    canvases[panel.key].setAttribute('aria-label', `${panel.title}; arrow keys move, Enter chooses`);
    canvases[panel.key].tabIndex = panel === D.panels[0] ? 0 : -1;
    legend(panel);
  }
  tell();
  $('.gb-heat').dataset.run = D.key;
  $('.gb-heat').dataset.window = D.window.join();
  soon();
};
const fetched = async url => {
  const said = await fetch(url);
  if (said.ok) return said.arrayBuffer();
  alarm.textContent = 'This picture is no longer on the server; change any control to run again.';
};
const load = async () => {
  const v = props.value,
    full = !!(v && v.parts);
  $('.nothing').hidden = full;
  $('.holds').hidden = !full;
  $('.nothing').textContent = (v && v.nothing) || 'Nothing yet.';
  alarm.textContent = '';
  if (full && D && D.key === v.key && base === v.file.path) {
    D.chosen = v.chosen; // the same picture again: the zoom stays
    return soon();
  }
  const mine = ++asked;
  base = null;
  if (!full) {
    D = null;
    return;
  }
  const buffer = await fetched(v.file.url);
  if (!buffer || mine !== asked) return;
  base = v.file.path;
  arrived(v, buffer);
};
// The window is seen at once as far as its cells are here; the sharper ones are asked for.
const look = (window, delay = 0) => {
  const size = [D.rows, D.columns];
  const lengths = size.map((n, axis) => clamp(Math.round(window[2 + axis]), Math.min(LEAST, n), n));
  const starts = size.map((n, axis) => clamp(Math.round(window[axis]), 0, n - lengths[axis]));
  V = [...starts, ...lengths];
  tell();
  soon();
  clearTimeout(later);
  const mine = ++asked;
  later = setTimeout(() => ask(V, mine), delay);
};
const ask = async (window, mine) => {
  const { key, file } = props.value;
  const said = await server.region({ key, window });
  if (mine !== asked) return;
  alarm.textContent = said ? said.error || '' : 'The server did not answer; try again.';
  const sharp = said && !said.error;
  // An answer names its file by a path, a value by an address.
  const url = sharp && (said.file.url || file.url.split('file=')[0] + 'file=' + said.file.path);
  const buffer = sharp && (await fetched(url));
  if (mine !== asked) return;
  if (buffer) return arrived({ ...said, chosen: props.value.chosen }, buffer);
  V = D.window;
  tell();
  soon();
};
const zoom = (factor, [row, column] = centre(), delay = 0) => {
  const [top, left, height, width] = V,
    h = clamp(height * factor, Math.min(LEAST, D.rows), D.rows),
    w = clamp(width * factor, Math.min(LEAST, D.columns), D.columns);
  look([row - ((row - top) * h) / height, column - ((column - left) * w) / width, h, w], delay);
};
const centre = () => [V[0] + V[2] / 2, V[1] + V[3] / 2];
const shift = (down, right) => look([V[0] + (down * V[2]) / 2, V[1] + (right * V[3]) / 2, V[2], V[3]]);
const DO = {
  in: () => zoom(0.5),
  out: () => zoom(2),
  whole: () => look([0, 0, D.rows, D.columns]),
  left: () => shift(0, -1),
  right: () => shift(0, 1),
  up: () => shift(-1, 0),
  down: () => shift(1, 0),
};
for (const button of $$('[data-do]')) button.addEventListener('click', () => D && DO[button.dataset.do]());

// ---- the cursor
const choose = () => {
  props.value = { ...props.value, chosen: entry() };
  D.chosen = entry();
  soon();
  trigger('choose');
};
const under = (key, event) => {
  const box = canvases[key].getBoundingClientRect(),
    p = places[key];
  if (!p) return null;
  const f = [(event.clientY - box.top - p.y) / p.h, (event.clientX - box.left - p.x) / p.w];
  const cell = f.map((v, axis) => {
    const here = V[axis] + v * V[2 + axis];
    const i = Math.floor(((here - D.window[axis]) / D.window[2 + axis]) * D.cells[axis]);
    return clamp(i, 0, D.cells[axis] - 1);
  });
  return { cell, true: f.map((v, axis) => V[axis] + clamp(v, 0, 1) * V[2 + axis]) };
};
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
for (const [key, canvas] of Object.entries(canvases)) {
  canvas.addEventListener('pointermove', event => {
    const here = D && under(key, event);
    if (!here) return;
    at = here.cell;
    if (drag) {
      drag.to = here.cell;
      drag.moved ||= Math.hypot(event.clientX - drag.x, event.clientY - drag.y) > 6;
    }
    if (!pending) pending = requestAnimationFrame(() => ((pending = 0), D && overlay()));
  });
  canvas.addEventListener('pointerdown', event => {
    const here = D && event.button === 0 && under(key, event);
    if (!here) return;
    canvas.setPointerCapture(event.pointerId);
    at = here.cell;
    drag = { from: here.cell, to: here.cell, x: event.clientX, y: event.clientY, moved: false };
  });
  canvas.addEventListener('pointerup', () => {
    const done = drag;
    drag = null;
    if (!D || !done) return;
    if (!done.moved) return choose();
    const [i, j, k, l] = sorted(done.from, done.to),
      top = begin(i, 0),
      left = begin(j, 1);
    look([top, left, begin(k + 1, 0) - top, begin(l + 1, 1) - left]);
  });
  canvas.addEventListener('pointercancel', () => {
    drag = null;
    soon();
  });
  canvas.addEventListener(
    'wheel',
    event => {
      if (!event.ctrlKey || !D) return;
      event.preventDefault();
      const here = under(key, event);
      if (here) zoom(2 ** (clamp(event.deltaY, -100, 100) / 100), here.true, 120);
    },
    { passive: false },
  );
  canvas.addEventListener('keydown', event => {
    if (!D) return;
    const step = STEPS[event.key],
      far = event.shiftKey ? 10 : 1;
    const other = { Enter: choose, ' ': choose, '+': DO.in, '-': DO.out, 0: DO.whole }[event.key];
    if (!step && !other) return;
    event.preventDefault();
    if (other) return other();
    const to = at.map((v, axis) => v + far * step[axis]);
    const past = to.some((v, axis) => v < 0 || v >= D.cells[axis]);
    at = to.map((v, axis) => clamp(v, 0, D.cells[axis] - 1));
    const axis = step[0] ? 0 : 1,
      room = step[axis] < 0 ? V[axis] : [D.rows, D.columns][axis] - V[axis] - V[2 + axis];
    if (past && room) shift(...step);
    else soon();
  });
}
watch('value', load);
load();
window.Glassbox.redraw(element, soon);
trigger('shown');
